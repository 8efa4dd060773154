"""Activities, as the API gives and takes them."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType


class ActivityCoordinates(msgspec.Struct, kw_only=True):
    """Where is being observed: ICRS, degrees."""

    right_ascension: float
    declination: float


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

    title: str | UnsetType = UNSET
    content: str | UnsetType = UNSET
    observing_site: str | UnsetType | None = UNSET
    telescope: str | UnsetType | None = UNSET
    instrument: str | UnsetType | None = UNSET
    target: str | UnsetType | None = UNSET
    target_name: str | UnsetType | None = UNSET
    coordinates: ActivityCoordinates | str | UnsetType | None = UNSET
    organisation: str | UnsetType | None = UNSET
    collaboration: str | UnsetType | None = UNSET


class Telegram(msgspec.Struct, kw_only=True):
    """An Astronomer's Telegram."""

    identifier: int
    title: str
    content: str
    publication_date: datetime | None = None
    authors: str = ""
    original_url: str | None = None
