"""Objects, exoplanets, standard stars and the catalogues they come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from arcsecond.errors import InvalidInputError, NotFoundError
from arcsecond.schemas.catalogues import (
    Alias,
    AstronomicalObject,
    Catalogue,
    Coordinates,
    Exoplanet,
    Flux,
    Magnitude,
    Measure,
    ProperMotion,
    StandardStar,
    Typed,
)
from arcsecond.server.catalogues.places import parse_place, parse_position, parse_radius
from arcsecond.server.catalogues.starter import KEYS, Row, Table, table
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.crud import MemoryListing

THERE_ARCMIN = 2.0
"""How far from a position an object may be that is said to be there."""

AROUND_DEG = 0.1
"""Radius of a search around a position when none is given."""


def read_object(backend: Backend, viewer: Viewer, name: str) -> AstronomicalObject:
    """Return an object by any of its names, or the one at a position."""
    if (place := parse_place(name)) is None:
        return _object(find_object(name))
    near = table("objects").around(*place, 180.0)
    distance_deg, row = near[0]
    if distance_deg * 60 > THERE_ARCMIN:
        raise NotFoundError(
            f"Nothing is known within {THERE_ARCMIN:g}′ of {name[:60]}; "
            f"the nearest is {row.name}, {distance_deg:.2f}° away."
        )
    return _object(row, distance_deg)


def find_object(name: str) -> Row:
    """Return the row of an object; the nearest names are said when there is none."""
    return _found(table("objects"), name, "Object")


def list_objects(
    backend: Backend, viewer: Viewer, filters: Mapping[str, str]
) -> MemoryListing[AstronomicalObject]:
    """List objects by name, or nearest first those around a position.

    Parameters
    ----------
    filters
        ``name``, the one that has it; ``search``, those that have a name which
        holds a text; ``around`` or ``coordinates`` as "RA,DEC" with ``radius``,
        all in degrees.
    """
    found: list[tuple[float | None, Row]] = [(None, row) for row in table("objects").rows]
    around = filters.get("around") or filters.get("coordinates", "")
    if around:
        place = parse_position("around" if "around" in filters else "coordinates", around)
        radius_deg = parse_radius(filters.get("radius", str(AROUND_DEG)))
        found = [*table("objects").around(*place, radius_deg)]
    elif "radius" in filters:
        raise InvalidInputError(fields={"radius": ["A radius needs a position: `around=RA,DEC`."]})
    if name := filters.get("name", ""):
        named = table("objects").find(name)
        found = [pair for pair in found if pair[1] is named]
    if text := filters.get("search", ""):
        order = {id(row): n for n, row in enumerate(table("objects").search(text))}
        found = [pair for pair in found if id(pair[1]) in order]
        if not around:
            found.sort(key=lambda pair: order[id(pair[1])])
    return MemoryListing([_object(row, distance) for distance, row in found])


def read_exoplanet(backend: Backend, viewer: Viewer, name: str) -> Exoplanet:
    """Return an exoplanet by any of its names."""
    return _exoplanet(_found(table("exoplanets"), name, "Exoplanet"))


def list_exoplanets(backend: Backend, viewer: Viewer, search: str = "") -> MemoryListing[Exoplanet]:
    """List exoplanets by name, those with a name that holds a text when one is given."""
    found = table("exoplanets").search(search) if search else table("exoplanets").rows
    return MemoryListing([_exoplanet(row) for row in found])


def list_standard_stars(
    backend: Backend, viewer: Viewer, around: str, count: int
) -> MemoryListing[StandardStar]:
    """List standard stars, nearest first when a position "RA,DEC" (degrees) is given."""
    stars = table("standardstars")
    if not around:
        return MemoryListing([_standard(row, None) for row in stars.rows[:count]])
    ra_deg, dec_deg = parse_position("around", around)
    nearest = stars.around(ra_deg, dec_deg, 180.0)[:count]
    return MemoryListing([_standard(row, distance) for distance, row in nearest])


def list_catalogues(
    backend: Backend, viewer: Viewer, filters: dict[str, str]
) -> MemoryListing[Catalogue]:
    """List the catalogues at hand."""
    return MemoryListing([_catalogue(table(key)) for key in KEYS])


def read_catalogue(backend: Backend, viewer: Viewer, key: str) -> Catalogue:
    """Return what a catalogue is and where it comes from."""
    if key not in KEYS:
        raise NotFoundError(f"Catalogue {key[:60]!r} not found; there are {', '.join(KEYS)}.")
    return _catalogue(table(key))


def list_rows(backend: Backend, viewer: Viewer, key: str) -> MemoryListing[Any]:
    """List the content of a catalogue."""
    shapes: dict[str, Callable[[Row], Any]] = {
        "objects": _object,
        "exoplanets": _exoplanet,
        "standardstars": lambda row: _standard(row, None),
    }
    read_catalogue(backend, viewer, key)
    return MemoryListing([shapes[key](row) for row in table(key).rows])


def coordinates(row: Row) -> Coordinates:
    """Return the position of a row as it goes over the wire."""
    return Coordinates(right_ascension=row.ra_deg, declination=row.dec_deg)


def cite(key: str, row: Row) -> str:
    """Return the citation of a row; notes on how it was used stay with the catalogue."""
    return table(key).sources[row.source].partition(";")[0]


def _found(catalogue: Table, name: str, what: str) -> Row:
    if row := catalogue.find(name):
        return row
    near = catalogue.nearest_names(name)
    suggestion = f" Nearest names: {', '.join(near)}." if near else ""
    raise NotFoundError(f"{what} {name[:60]!r} not found.{suggestion}")


def _object(row: Row, distance_deg: float | None = None) -> AstronomicalObject:
    position = coordinates(row)
    moving = row.pm_ra_mas_yr is not None and row.pm_dec_mas_yr is not None
    return AstronomicalObject(
        name=row.name,
        source=cite("objects", row),
        coordinates=position,
        ICRS_coordinates=position,
        equatorial_coordinates=position,
        object_types=row.types,
        aliases=[Alias(name=alias) for alias in row.aliases],
        fluxes=[_flux(flux) for flux in row.fluxes],
        planets=row.planets,
        spectral_type=Typed(value=row.spectral_type) if row.spectral_type else None,
        morphological_type=Typed(value=row.morphological_type) if row.morphological_type else None,
        proper_motion=ProperMotion(
            value_right_ascension=row.pm_ra_mas_yr or 0.0,
            value_declination=row.pm_dec_mas_yr or 0.0,
        )
        if moving
        else None,
        parallax=_measure(row.parallax_mas, "mas"),
        radial_velocity=_measure(row.radial_velocity_km_s, "km/s"),
        distance=_measure(row.distance_pc, "pc"),
        angular_size=_measure(row.size_arcmin, "arcmin"),
        separation=distance_deg,
    )


def _flux(flux: dict[str, Any]) -> Flux:
    known = table("objects").sources | table("standardstars").sources
    return Flux(
        name=flux["name"],
        value=flux["value"],
        unit=flux.get("unit", "mag"),
        system=flux.get("system"),
        bibcode=known.get(flux.get("source", ""), flux.get("source")),
    )


def _exoplanet(row: Row) -> Exoplanet:
    position = coordinates(row)
    return Exoplanet(
        name=row.name,
        source=cite("exoplanets", row),
        aliases=[Alias(name=alias) for alias in row.aliases],
        coordinates=position,
        equatorial_coordinates=position,
        parent_star=row.host,
        detection_method=row.detection_method,
        mass_detection_method=(row.mass or {}).get("kind"),
        discovery_year=row.discovery_year,
        mass=_measured(row.mass),
        radius=_measured(row.radius),
        orbital_period=_measured(row.orbital_period),
        semi_major_axis=_measured(row.semi_major_axis),
        eccentricity=_measured(row.eccentricity),
        inclination=_measured(row.inclination),
        calculated_temperature=_measured(row.equilibrium_temperature),
    )


def _standard(row: Row, distance_deg: float | None) -> StandardStar:
    return StandardStar(
        name=row.name,
        equatorial_coordinates=coordinates(row),
        spectral_type=row.spectral_type,
        magnitudes=[Magnitude(name=f["name"], value=f["value"]) for f in row.fluxes],
        source=cite("standardstars", row),
        separation=distance_deg,
    )


def _catalogue(found: Table) -> Catalogue:
    return Catalogue(
        id=found.key,
        pk=found.key,
        key=found.key,
        name=found.title,
        version=found.version,
        licence=found.licence,
        description=found.description,
        rows=len(found.rows),
        sources=sorted(found.sources.values()),
    )


def _measure(value: float | None, unit: str) -> Measure | None:
    return None if value is None else Measure(value=value, unit=unit)


def _measured(fact: dict[str, Any] | None) -> Measure | None:
    if fact is None:
        return None
    return Measure(
        value=fact["value"],
        unit=fact.get("unit"),
        error_max=fact.get("error_max"),
        error_min=fact.get("error_min"),
        bibcode=fact.get("source"),
    )
