"""What the sky does over a site, on the wire.

Times are UTC. Altitudes are those of the centre of a body, without refraction;
rise and set are those of the upper limb on a level horizon at sea, with 34 arcmin
of refraction (Explanatory Supplement to the Astronomical Almanac).
"""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from arcsecond.schemas.catalogues import Coordinates

REFRACTION_ARCMIN = 34.0
HORIZON = "upper limb on a level horizon, refraction 34 arcmin"


class Twilight(msgspec.Struct, kw_only=True):
    """When the Sun's centre sinks below an altitude and comes back; null when it does not."""

    sun_altitude: float
    dusk: datetime | None
    dawn: datetime | None
    hours: float


class Night(msgspec.Struct, kw_only=True):
    """A night at a site: from one mean noon of the Sun to the next.

    ``date`` is the local date of the evening. ``midnight`` is when the Sun is lowest.
    ``sun`` and ``moon`` are "rises and sets", "never sets" or "never rises". Hours of
    a twilight are those that the Sun stays below its altitude. ``moon_illumination``
    (0 to 1) and ``moon_phase`` are those of midnight; ``moon_elongation`` is how far
    the Moon is from the Sun in ecliptic longitude, in degrees, 180 when it is full.
    """

    site: str
    name: str
    date: date
    time_zone: str | None
    utc_offset: float
    local_time: str
    start: datetime
    end: datetime
    sun: str
    sunset: datetime | None
    sunrise: datetime | None
    civil: Twilight
    nautical: Twilight
    astronomical: Twilight
    midnight: datetime
    sun_altitude: float
    moon: str
    moonrise: datetime | None
    moonset: datetime | None
    moon_phase: str
    moon_illumination: float
    moon_elongation: float
    moon_altitude: float
    horizon: str = HORIZON


class Moment(msgspec.Struct, kw_only=True):
    """Where a target stands at a time; ``airmass`` (Young 1994) is null below the horizon."""

    time: datetime
    altitude: float
    azimuth: float
    airmass: float | None
    sun_altitude: float
    moon_altitude: float


class Visibility(msgspec.Struct, kw_only=True):
    """How a target stands over a site in a night.

    ``target`` is "rises and sets", "never sets" or "never rises". Hours above
    ``elevation`` (degrees) are those between sunset and sunrise; dark ones those of
    astronomical night. ``moon_separation`` (degrees) is that of midnight.
    """

    name: str
    coordinates: Coordinates
    target: str
    rise: datetime | None
    transit: datetime
    transit_altitude: float
    set: datetime | None
    elevation: float
    hours_above: float
    hours_above_dark: float
    moon_separation: float
    night: Night
    curve: list[Moment]
    image_url: str = ""


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


class SatellitePosition(msgspec.Struct, kw_only=True):
    """Where a satellite is.

    ``latitude``, ``longitude`` (degrees) and ``height`` (km) are those of the point
    below it (WGS 84). Altitude and azimuth (degrees), range (km) and ICRS coordinates
    are those seen from a site, null without one. ``age_days`` is the age of the elements.
    """

    norad_catalog_number: int
    name: str
    time: datetime
    latitude: float
    longitude: float
    height: float
    is_sunlit: bool
    age_days: float
    site: str | None = None
    site_name: str | None = None
    altitude: float | None = None
    azimuth: float | None = None
    range: float | None = None
    coordinates: Coordinates | None = None


class Event(msgspec.Struct, kw_only=True):
    """A satellite at one moment of a pass: degrees, km; ``is_sunlit`` when the Sun shines on it."""

    time: datetime
    altitude: float
    azimuth: float
    range: float
    is_sunlit: bool


class Pass(msgspec.Struct, kw_only=True):
    """A pass of a satellite over a site, above an elevation.

    A pass that had begun before the time that was asked for (``was_up``), or goes on
    after it (``stays_up``), is cut there. ``is_visible`` when the satellite is sunlit at
    some moment while the Sun stands 6 degrees below the horizon or lower:
    ``visible_from`` the first such moment, ``visible_until`` the last one (both to two
    seconds), in between at most ``visible_altitude`` degrees high.
    """

    norad_catalog_number: int
    name: str
    site: str
    site_name: str
    time_zone: str | None
    utc_offset: float
    rise: Event
    culmination: Event
    set: Event
    duration_s: float
    was_up: bool
    stays_up: bool
    is_visible: bool
    visible_from: datetime | None
    visible_until: datetime | None
    visible_altitude: float | None
    age_days: float
