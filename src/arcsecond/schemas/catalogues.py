"""Objects, exoplanets and standard stars, as the API gives them.

Angles are degrees in ICRS unless a frame is named; unknown values are null.
"""

from __future__ import annotations

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
    """An astronomical object; ``separation`` is its distance in degrees from where was asked."""

    name: str
    source: str | None = None
    coordinates: Coordinates
    ICRS_coordinates: Coordinates
    equatorial_coordinates: Coordinates
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


class Exoplanet(msgspec.Struct, kw_only=True):
    """A planet of another star."""

    name: str
    source: str | None = None
    aliases: list[Alias]
    coordinates: Coordinates
    equatorial_coordinates: Coordinates
    parent_star: str
    detection_method: str | None = None
    mass_detection_method: str | None = None
    discovery_year: int | None = None
    mass: Measure | None = None
    radius: Measure | None = None
    orbital_period: Measure | None = None
    semi_major_axis: Measure | None = None
    eccentricity: Measure | None = None
    inclination: Measure | None = None
    calculated_temperature: Measure | None = None


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


class Catalogue(msgspec.Struct, kw_only=True):
    """A catalogue at hand."""

    id: str
    pk: str
    key: str
    name: str
    version: str
    licence: str
    description: str
    rows: int
    sources: list[str]
