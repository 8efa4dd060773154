"""Objects, exoplanets and standard stars, as the API gives them.

Angles are degrees in ICRS unless a frame is named; unknown values are null.
"""

from __future__ import annotations

from datetime import datetime

import msgspec


class Measure(msgspec.Struct, kw_only=True):
    """A value with its unit, its errors (positive) and where it comes from."""

    value: float
    unit: str | None = None
    error_max: float | None = None
    error_min: float | None = None
    bibcode: str | None = None


class Coordinates(msgspec.Struct, kw_only=True):
    """A position with its frame, its epoch and its units said."""

    system: str = "ICRS"
    right_ascension: float
    right_ascension_units: str = "degrees"
    declination: float
    declination_units: str = "degrees"
    epoch: float = 2451545.0
    equinox: float | None = None
    source: str | None = None


class SphericalCoordinates(msgspec.Struct):
    """Longitude and latitude, in degrees."""

    longitude: float
    latitude: float
    epoch: float = 2451545.0


class Typed(msgspec.Struct, kw_only=True):
    """A spectral or morphological type."""

    value: str
    bibcode: str | None = None


class ProperMotion(msgspec.Struct, kw_only=True):
    """Proper motion; the one in right ascension includes cos(declination)."""

    value_right_ascension: float
    value_right_ascension_unit: str = "mas/yr"
    value_declination: float
    value_declination_unit: str = "mas/yr"
    bibcode: str | None = None


class Alias(msgspec.Struct, kw_only=True):
    """Another name of the same object."""

    name: str


class Flux(msgspec.Struct, kw_only=True):
    """A flux, mostly a magnitude, in a named band."""

    name: str
    value: float
    unit: str = "mag"
    system: str | None = None
    bibcode: str | None = None


class AstronomicalObject(msgspec.Struct, kw_only=True):
    """An astronomical object.

    ``separation`` is its distance in degrees from where was asked, ``also`` the
    names of other objects that have the name which was asked for.
    """

    name: str
    source: str | None = None
    coordinates: Coordinates
    ICRS_coordinates: Coordinates
    equatorial_coordinates: Coordinates
    galactic_coordinates: SphericalCoordinates
    ecliptic_coordinates: SphericalCoordinates
    object_types: list[str]
    aliases: list[Alias]
    fluxes: list[Flux]
    planets: list[str]
    spectral_type: Typed | None = None
    morphological_type: Typed | None = None
    proper_motion: ProperMotion | None = None
    parallax: Measure | None = None
    radial_velocity: Measure | None = None
    distance: Measure | None = None
    angular_size: Measure | None = None
    separation: float | None = None
    also: list[str] = []


class Exoplanet(msgspec.Struct, kw_only=True):
    """A planet of another star.

    Times are Julian dates, durations days, depths per cent. ``also`` are the
    names of other planets that have the name which was asked for.
    """

    name: str
    source: str | None = None
    aliases: list[Alias]
    coordinates: Coordinates
    equatorial_coordinates: Coordinates
    parent_star: str
    is_transiting: bool | None = None
    detection_method: str | None = None
    mass_detection_method: str | None = None
    discovery_year: int | None = None
    mass: Measure | None = None
    radius: Measure | None = None
    orbital_period: Measure | None = None
    semi_major_axis: Measure | None = None
    eccentricity: Measure | None = None
    inclination: Measure | None = None
    omega_angle: Measure | None = None
    time_periastron: Measure | None = None
    tzero_primary_transit: Measure | None = None
    transit_duration: Measure | None = None
    transit_depth: Measure | None = None
    impact_parameter: Measure | None = None
    velocity_semiamplitude: Measure | None = None
    calculated_temperature: Measure | None = None
    also: list[str] = []


class Magnitude(msgspec.Struct, kw_only=True):
    """A magnitude of a standard star."""

    name: str
    value: float
    error: float | None = None


class StandardStar(msgspec.Struct, kw_only=True):
    """A standard star; ``separation`` is its distance in degrees from where was asked."""

    name: str
    equatorial_coordinates: Coordinates
    spectral_type: str | None = None
    magnitudes: list[Magnitude]
    source: str | None = None
    separation: float | None = None


class CatalogueImport(msgspec.Struct, kw_only=True):
    """What an import or a refresh did: rows now and before.

    ``unchanged`` when the same was there already, ``left_out`` what has no position,
    ``problem`` why one of several stayed as it was.
    """

    key: str
    rows: int = 0
    before: int = 0
    unchanged: bool = False
    left_out: list[str] = []
    problem: str = ""


class CatalogueRefresh(msgspec.Struct, kw_only=True):
    """What a refresh may be told: to take far fewer rows than before."""

    force: bool = False


class CatalogueWork(msgspec.Struct, kw_only=True):
    """A catalogue that is being written just now, and how far it is."""

    kind: str
    title: str
    rows: int


class Catalogue(msgspec.Struct, kw_only=True):
    """A catalogue at hand: what it is of, where it comes from, and since when it is here.

    ``age_days`` counts from the day that its version is called by, else from ``made``.
    """

    id: str
    pk: str
    key: str
    name: str
    kind: str
    version: str
    licence: str
    description: str
    rows: int
    sources: list[str]
    bibcode: str | None = None
    source_url: str | None = None
    origin: str
    made: datetime
    age_days: int
