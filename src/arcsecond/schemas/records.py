"""Observing runs and night logs, as the API gives and takes them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from arcsecond.schemas.fields import Name, Reference, Tags, told

JOURNAL = 1_000_000
"""Longest journal, in characters."""


class ObservingRun(msgspec.Struct, kw_only=True):
    """An observing run."""

    uuid: str
    name: str
    profile: str
    observing_site: str | None = None
    journal: str = ""
    tags: list[str]
    tag_array: list[str]
    night_logs: list[str]
    creation_date: datetime
    last_update: datetime


class ObservingRunChange(msgspec.Struct, kw_only=True):
    """Body of a create or an update; what is missing stays as it is."""

    name: Name | UnsetType = UNSET
    observing_site: Reference | UnsetType | None = UNSET
    journal: Annotated[str, told(maxLength=JOURNAL)] | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET


class NightLog(msgspec.Struct, kw_only=True):
    """A night log. ``date`` is the local date of the evening."""

    uuid: str
    name: str
    profile: str
    date: date
    telescope: str | None = None
    observing_run: str | None = None
    journal: str = ""
    tags: list[str]
    tag_array: list[str]
    creation_date: datetime
    last_update: datetime


class NightLogChange(msgspec.Struct, kw_only=True):
    """Body of a create or an update; what is missing stays as it is."""

    name: Name | UnsetType = UNSET
    date: Annotated[str, told(format="date")] | UnsetType = UNSET
    telescope: Reference | UnsetType | None = UNSET
    observing_run: Reference | UnsetType | None = UNSET
    journal: Annotated[str, told(maxLength=JOURNAL)] | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
