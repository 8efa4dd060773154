"""What lies in the trash, as the API gives and takes it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from arcsecond.filenames import LONGEST_PATH
from arcsecond.schemas.fields import told


class Deleted(msgspec.Struct, kw_only=True):
    """Something that was deleted, and can be brought back until it is ``purged``.

    ``kind`` is dataset, fitsfile, datapackage, observingrun or nightlog; ``id`` is the UUID,
    of a file its pk. ``dataset`` is that of a file, ``size`` its bytes.
    """

    id: str
    kind: str
    name: str
    dataset: str | None = None
    size: int | None = None
    deleted: datetime
    purged: datetime


class Restore(msgspec.Struct, kw_only=True):
    """Under which name something is brought back; its own, when none is given."""

    name: Annotated[str, told(pattern=r"\S", maxLength=LONGEST_PATH)] | UnsetType = UNSET


class Restored(msgspec.Struct, kw_only=True):
    """Something that was brought back; ``url`` is the path of its address."""

    kind: str
    name: str
    url: str
