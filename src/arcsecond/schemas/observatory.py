"""Sites, telescopes, instruments, finding charts and satellites on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from arcsecond.schemas.catalogues import Coordinates
from arcsecond.schemas.fields import Name, Reference, Text, told

LOWEST_M, HIGHEST_M = -450.0, 9_000.0
"""Heights of the Dead Sea's shore and of the highest mountain, with some room."""

LARGEST_APERTURE_M = 1_000.0
MOST_NAMES = 50


class SiteCoordinates(msgspec.Struct, kw_only=True):
    """Geodetic position (WGS 84): degrees, east positive; metres above the ellipsoid.

    ``precision`` is how far the rounding of its source may have moved it, in metres.
    """

    longitude: float
    latitude: float
    height: float
    precision: float | None = None


class Address(msgspec.Struct, kw_only=True):
    """Where a site is, in words. Time zones are those of the IANA database, offsets in hours."""

    country: str | None = None
    continent: str | None = None
    time_zone: str | None = None
    time_zone_id: str | None = None
    time_zone_name: str | None = None
    time_zone_utc_offset: float | None = None
    time_zone_dst_offset: float | None = None


class ObservingSite(msgspec.Struct, kw_only=True):
    """An observing site; ``coordinates`` are null where it is no place on the Earth.

    ``distance`` (km) is that from where a list was asked around. ``is_builtin``: it comes
    with the program and cannot be changed.
    """

    uuid: str
    name: str
    nickname: str | None = None
    alternate_names: list[str]
    IAUCode: str | None = None
    acronym: str | None = None
    homepage_url: str | None = None
    coordinates: SiteCoordinates | None = None
    address: Address
    local_time: str | None = None
    telescopes: list[str]
    distance: float | None = None
    source: str | None = None
    is_builtin: bool = False


_Longitude = Annotated[float, told(minimum=-180, maximum=360)]
_Latitude = Annotated[float, told(minimum=-90, maximum=90)]
_Height = Annotated[float, told(minimum=LOWEST_M, maximum=HIGHEST_M)]


class ObservingSiteChange(msgspec.Struct, kw_only=True):
    """Body of a create or an update; what is missing stays as it is.

    The position is told either by ``coordinates`` or by its three numbers: degrees,
    east positive, and metres.
    """

    name: Name | UnsetType = UNSET
    nickname: Text | UnsetType | None = UNSET
    alternate_names: Annotated[list[Text], told(maxItems=MOST_NAMES)] | str | UnsetType = UNSET
    IAUCode: Annotated[str, told(maxLength=8)] | UnsetType | None = UNSET
    acronym: Annotated[str, told(maxLength=64)] | UnsetType | None = UNSET
    homepage_url: Text | UnsetType | None = UNSET
    coordinates: dict[str, Any] | UnsetType = UNSET
    longitude: _Longitude | UnsetType = UNSET
    latitude: _Latitude | UnsetType = UNSET
    height: _Height | UnsetType = UNSET
    country: Text | UnsetType | None = UNSET
    continent: Annotated[str, told(maxLength=64)] | UnsetType | None = UNSET
    time_zone: Annotated[str, told(maxLength=64)] | UnsetType | None = UNSET


class Telescope(msgspec.Struct, kw_only=True):
    """A telescope; ``aperture`` is the diameter of its entrance pupil in metres."""

    uuid: str
    name: str
    acronym: str | None = None
    alias: str | None = None
    coordinates: SiteCoordinates | None = None
    observing_site: str
    observing_site_name: str
    instruments: list[str]
    aperture: float | None = None
    mounting: str | None = None
    optical_design: str | None = None
    distance: float | None = None
    source: str | None = None
    is_builtin: bool = False


class TelescopeChange(msgspec.Struct, kw_only=True):
    """Body of a create or an update; what is missing stays as it is."""

    name: Name | UnsetType = UNSET
    acronym: Annotated[str, told(maxLength=64)] | UnsetType | None = UNSET
    alias: Text | UnsetType | None = UNSET
    observing_site: Reference | UnsetType = UNSET
    aperture: (
        Annotated[float, told(exclusiveMinimum=0, maximum=LARGEST_APERTURE_M)] | UnsetType | None
    ) = UNSET
    mounting: Text | UnsetType | None = UNSET
    optical_design: Text | UnsetType | None = UNSET


class Archive(msgspec.Struct, kw_only=True):
    """Where the data of an instrument are kept."""

    name: str
    portal_url: str | None = None


class Instrument(msgspec.Struct, kw_only=True):
    """An instrument."""

    uuid: str
    name: str
    acronym: str | None = None
    kind: str | None = None
    focus: str | None = None
    telescope: str
    telescope_name: str
    archive: Archive | None = None
    distance: float | None = None
    source: str | None = None
    is_builtin: bool = False


class InstrumentChange(msgspec.Struct, kw_only=True):
    """Body of a create or an update; what is missing stays as it is."""

    name: Name | UnsetType = UNSET
    acronym: Annotated[str, told(maxLength=64)] | UnsetType | None = UNSET
    kind: Text | UnsetType | None = UNSET
    focus: Text | UnsetType | None = UNSET
    telescope: Reference | UnsetType = UNSET


class FindingChart(msgspec.Struct, kw_only=True):
    """A finding chart, north up and east left.

    Width and height are in ``size_unit``. ``limiting_magnitude`` is that (V, or one
    near it) of the faintest star which is drawn, null for a picture of the sky;
    ``complete_to`` that to which the catalogue knows every star, null when nobody says.
    """

    pk: int
    input: str
    astronomical_object: str
    target: str
    coordinates: Coordinates
    survey_name: str
    band_name: str | None = None
    width: float
    height: float
    size_unit: str = "arcmin"
    orientation: str = "north up, east left"
    observing_date: str | None = None
    limiting_magnitude: float | None = None
    complete_to: float | None = None
    stars: int | None = None
    fits_url: str | None = None
    image_url: str
    other_urls: list[str] = []
    credit: str | None = None


class Satellite(msgspec.Struct, kw_only=True):
    """A satellite with its latest element set.

    ``elements`` are the keywords of an Orbit Mean-Elements Message (CCSDS 502.0-B). The two
    lines are null where its number has no place in them. ``is_old``: its age, in days, is
    more than 14.
    """

    norad_catalog_number: int
    name: str
    acronym: str | None = None
    designator: str | None = None
    date_updated: datetime
    epoch: datetime
    age_days: float
    is_old: bool
    elements: dict[str, float | int | str]
    line_1: str | None
    line_2: str | None
    two_lines: str | None


class DirectoryImport(msgspec.Struct, kw_only=True):
    """What an import of a list that others publish did: of observatory codes, of element sets."""

    read: int
    added: int
    updated: int
    unchanged: int
