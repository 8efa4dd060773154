"""Data packages, as the API gives and takes them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from arcsecond.schemas.archive import DESCRIPTION
from arcsecond.schemas.fields import LONGEST, Day, Name, Text, told

CITATION = 10_000
"""Longest citation, in characters."""

MOST_DATASETS = 1_000


class DataPackage(msgspec.Struct, kw_only=True):
    """Datasets that are published, cited and shared together, in their order.

    Whoever sees a package sees those of its datasets that have the same owner, whether they
    are public themselves or not. ``datasets`` are UUIDs; volume is in bytes. One with an
    ``embargo`` is public from the beginning of that day (UTC) on, if it is public.
    ``share_url`` shows a package that is not public to whoever has it; its owner alone is
    told, and null means that there is none.
    """

    uuid: str
    name: str
    description: str = ""
    profile: str
    licence: str = ""
    citation: str = ""
    is_public: bool
    embargo: date | None = None
    datasets: list[str]
    data_files_count: int
    data_files_volume: int
    share_url: str | None = None
    creation_date: datetime
    last_update: datetime


_Datasets = Annotated[list[Annotated[str, told(maxLength=LONGEST)]], told(maxItems=MOST_DATASETS)]


class DataPackageChange(msgspec.Struct, kw_only=True):
    """Body of a create or an update; what is missing stays as it is.

    ``datasets`` are UUIDs or names of datasets, in order: a list, or one text with commas.
    """

    name: Name | UnsetType = UNSET
    description: Annotated[str, told(maxLength=DESCRIPTION)] | UnsetType = UNSET
    licence: Text | UnsetType = UNSET
    citation: Annotated[str, told(maxLength=CITATION)] | UnsetType = UNSET
    is_public: bool | UnsetType = UNSET
    embargo: Day | UnsetType | None = UNSET
    datasets: _Datasets | str | UnsetType = UNSET
