"""Activities, as the API gives and takes them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from arcsecond.schemas.fields import Place, Reference, Text, told

CONTENT = 100_000
"""Longest content, in characters."""


class ActivityCoordinates(msgspec.Struct, kw_only=True):
    """Where is being observed: ICRS, degrees."""

    right_ascension: Annotated[float, told(minimum=0, maximum=360)]
    declination: Annotated[float, told(minimum=-90, maximum=90)]


class Activity(msgspec.Struct, kw_only=True):
    """What is being observed now."""

    pk: int
    id: int
    creation_date: datetime
    date: datetime
    title: str
    content: str
    profile: str
    observing_site: str | None = None
    telescope: str | None = None
    instrument: str | None = None
    target: str | None = None
    target_name: str | None = None
    coordinates: ActivityCoordinates | None = None
    organisation: str | None = None
    collaboration: str | None = None


class ActivityChange(msgspec.Struct, kw_only=True):
    """Body of a create or an update; what is missing stays as it is."""

    title: Text | UnsetType = UNSET
    content: Annotated[str, told(maxLength=CONTENT)] | UnsetType = UNSET
    observing_site: Reference | UnsetType | None = UNSET
    telescope: Reference | UnsetType | None = UNSET
    instrument: Reference | UnsetType | None = UNSET
    target: Text | UnsetType | None = UNSET
    target_name: Text | UnsetType | None = UNSET
    coordinates: ActivityCoordinates | Place | UnsetType | None = UNSET
    organisation: Text | UnsetType | None = UNSET
    collaboration: Text | UnsetType | None = UNSET


class Telegram(msgspec.Struct, kw_only=True):
    """An Astronomer's Telegram."""

    identifier: int
    title: str
    content: str
    publication_date: datetime | None = None
    authors: str = ""
    original_url: str | None = None
