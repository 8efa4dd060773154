"""Sites, telescopes, instruments, finding charts and satellites on the wire."""

from __future__ import annotations

from datetime import datetime

import msgspec

from arcsecond.schemas.catalogues import Coordinates


class SiteCoordinates(msgspec.Struct, kw_only=True):
    """Geodetic position (WGS 84): degrees, east positive; metres."""

    longitude: float
    latitude: float
    height: float


class Address(msgspec.Struct, kw_only=True):
    """Where a site is, in words."""

    country: str | None = None
    continent: str | None = None
    time_zone: str | None = None
    time_zone_id: str | None = None
    time_zone_name: str | None = None


class ObservingSite(msgspec.Struct, kw_only=True):
    """An observing site."""

    uuid: str
    name: str
    nickname: str | None = None
    alternate_names: list[str]
    IAUCode: str | None = None
    acronym: str | None = None
    homepage_url: str | None = None
    coordinates: SiteCoordinates
    address: Address
    telescopes: list[str]
    source: str | None = None


class Telescope(msgspec.Struct, kw_only=True):
    """A telescope; ``aperture`` is the diameter of its entrance pupil in metres."""

    uuid: str
    name: str
    acronym: str | None = None
    alias: str | None = None
    coordinates: SiteCoordinates | None = None
    observing_site: str
    instruments: list[str]
    aperture: float | None = None
    mounting: str | None = None
    optical_design: str | None = None
    source: str | None = None


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
    archive: Archive | None = None
    source: str | None = None


class FindingChart(msgspec.Struct, kw_only=True):
    """A finding chart. Width and height are in ``size_unit``; north is up, east left."""

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
    fits_url: str | None = None
    image_url: str


class Satellite(msgspec.Struct, kw_only=True):
    """A satellite with its latest two-line element set."""

    norad_catalog_number: int
    name: str
    acronym: str | None = None
    date_updated: datetime
    epoch: datetime
    line_1: str
    line_2: str
    two_lines: str


class SatelliteImport(msgspec.Struct, kw_only=True):
    """What an import of element sets did."""

    read: int
    added: int
    updated: int
    unchanged: int


class Transit(msgspec.Struct, kw_only=True):
    """A transit of an exoplanet, as it is seen on the Earth.

    Times are UTC, to the second. ``julian_date`` is the middle as the ephemeris
    (``epoch`` + ``number`` times ``period``, days, from ``source``) tells it, in its
    own ``scale``. ``uncertainty_minutes`` is its error (1 sigma) as far as the errors
    are known, or how far it is from where the period that is published today would
    put it, if that is more. Altitudes of the star and of the Sun (degrees,
    no refraction) are those at start, middle and end, null where they are unknown.
    ``is_observable`` when the star stands 20 degrees high at the middle and the
    Sun 12 degrees below the horizon.
    """

    planet: str
    site: str | None
    number: int
    start: datetime | None
    middle: datetime
    end: datetime | None
    uncertainty_minutes: float
    julian_date: float
    epoch: float
    period: float
    scale: str
    source: str
    altitudes: list[float | None]
    sun_altitudes: list[float | None]
    is_observable: bool | None
