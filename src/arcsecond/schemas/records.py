"""Observing runs and night logs, as the API gives and takes them."""

from __future__ import annotations

from datetime import date, datetime

import msgspec
from msgspec import UNSET, UnsetType

Tags = list[str] | str


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

    name: str | UnsetType = UNSET
    observing_site: str | UnsetType | None = UNSET
    journal: str | UnsetType = UNSET
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

    name: str | UnsetType = UNSET
    date: str | UnsetType = UNSET
    telescope: str | UnsetType | None = UNSET
    observing_run: str | UnsetType | None = UNSET
    journal: str | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
