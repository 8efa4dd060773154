"""Objects, exoplanets, standard stars and the catalogues they come from."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import msgspec

from arcsecond.errors import InvalidInputError, NotFoundError, UnavailableError
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
    SphericalCoordinates,
    StandardStar,
    Typed,
)
from arcsecond.server.catalogues import online, places
from arcsecond.server.catalogues.builtin import KINDS, Kind, catalogue
from arcsecond.server.catalogues.file import CatalogueFile, Part
from arcsecond.server.catalogues.names import fold
from arcsecond.server.catalogues.places import parse_place, parse_position, parse_radius
from arcsecond.server.catalogues.rows import Fact, Row
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.paging import Cursor, MemoryListing, as_index, bad_cursor

METHODS = {"transit": "Primary Transit", "rv": "Radial Velocity"}
"""What methods are called, too."""

THERE_ARCMIN = 5.0
"""How far from a position an object may be that is said to be there."""

WANDERERS = frozenset(
    ("sun", "moon", "mercury", "venus", "earth", "mars", "jupiter", "saturn", "uranus", "neptune",
     "pluto")
)  # fmt: skip
"""Folded names of what moves among the stars."""

AROUND_DEG = 0.1
"""Radius of a search around a position when none is given."""

T = TypeVar("T")
Found = tuple[float | None, int]
"""How far away something is, where that was asked, and its id."""


@dataclass(frozen=True, slots=True)
class Picked(Generic[T]):
    """A list of some of the things of a catalogue, made into what goes over the wire by pages."""

    file: CatalogueFile
    found: Sequence[Found]
    shape: Callable[[Row, float | None], T]

    def rows(self, after: Cursor | None, limit: int) -> list[tuple[Cursor, T]]:
        """Return a slice."""
        first = as_index(after) + 1
        page = enumerate(self.found[first : first + limit], start=first)
        return [([n], self.shape(self.file.row(id_), away)) for n, (away, id_) in page]

    def count(self, most: int) -> int:
        """Return the length, bounded."""
        return min(len(self.found), most)


@dataclass(frozen=True, slots=True)
class InOrder(Generic[T]):
    """All things of a catalogue by name, or the rows of one part as it has them."""

    file: CatalogueFile
    shape: Callable[[Row, float | None], T]
    part: str | None = None

    def rows(self, after: Cursor | None, limit: int) -> list[tuple[Cursor, T]]:
        """Return what follows."""
        match after:
            case None:
                key = None
            case [str(sort), int(id_)] if 0 <= id_ < 1 << 62 and len(sort) < 10_000:
                key = (sort, id_)
            case _:
                raise bad_cursor()
        row = self.file.own_row if self.part else self.file.row
        found = self.file.after(key, limit, self.part)
        return [([sort, id_], self.shape(row(id_), None)) for sort, id_ in found]

    def count(self, most: int) -> int:
        """Return how many there are."""
        count = self.file.parts()[self.part].rows if self.part else self.file.count()
        return min(count, most)


def read_object(backend: Backend, viewer: Viewer, name: str) -> AstronomicalObject:
    """Return an object by any of its names, or the one at a position.

    A name that several objects have is the first one's; ``also`` tells the others.
    """
    if (place := parse_place(name)) is None:
        row, *others = find_objects(backend, name)
        found = _object(backend, row)
        found.also = [_other_name(row, other) for other in others]
        return found
    file = catalogue(backend.settings, "objects")
    distance_deg, id_ = file.nearest(*place, 1)[0]
    row = file.row(id_)
    if distance_deg * 60 > THERE_ARCMIN:
        raise NotFoundError(
            f"Nothing is known within {THERE_ARCMIN:g}′ of {name[:60]}; "
            f"the nearest is {row.name}, {distance_deg:.2f}° away."
        )
    return _object(backend, row, distance_deg)


def _other_name(row: Row, other: Row) -> str:
    """Return a name of something by which it can be told from another that has its name."""
    return next((name for name in (other.name, *other.aliases) if name != row.name), other.name)


def ask_elsewhere(backend: Backend, viewer: Viewer, name: str) -> AstronomicalObject:
    """Return an object that is not known here from SIMBAD; it is remembered.

    Raises
    ------
    NotFoundError
        It is not known there either, or SIMBAD did not answer: which is said.
    """
    file = catalogue(backend.settings, "objects")
    near = _nearest(file, name)
    try:
        row = online.ask(backend.settings, name)
    except UnavailableError as error:
        raise NotFoundError(
            f"Object {name[:60]!r} not found locally; {error.detail}.{near}"
        ) from None
    if row is None:
        raise NotFoundError(f"Object {name[:60]!r} not found, neither here nor at SIMBAD.{near}")
    return _object(backend, row)


def find_objects(backend: Backend, name: str) -> list[Row]:
    """Return the objects that have a name; the nearest names are said when there is none."""
    return _found(backend, "objects", name)


def list_objects(
    backend: Backend, viewer: Viewer, filters: Mapping[str, str]
) -> Picked[AstronomicalObject] | InOrder[AstronomicalObject]:
    """List objects by name, or nearest first those around a position.

    Parameters
    ----------
    filters
        ``name``, those that have it; ``search``, those that have a name which
        holds a text; ``around`` or ``coordinates``, a position or the name of an
        object, with ``radius`` in degrees.
    """
    file = catalogue(backend.settings, "objects")

    def shape(row: Row, away: float | None) -> AstronomicalObject:
        return _object(backend, row, away)

    sets: list[list[Found]] = []
    if around := filters.get("around") or filters.get("coordinates", ""):
        place = _place(backend, "around" if "around" in filters else "coordinates", around)
        radius_deg = parse_radius(filters.get("radius", str(AROUND_DEG)))
        sets.append([*file.around(*place, radius_deg)])
    elif "radius" in filters:
        raise InvalidInputError(fields={"radius": ["A radius needs a position: `around=RA,DEC`."]})
    if text := filters.get("search", ""):
        sets.append([(None, id_) for id_ in file.search(text)])
    if name := filters.get("name", ""):
        sets.append([(None, id_) for id_, _ in file.find(name)])
    return Picked(file, _common(sets), shape) if sets else InOrder(file, shape)


def read_exoplanet(backend: Backend, viewer: Viewer, name: str) -> Exoplanet:
    """Return an exoplanet by any of its names; ``also`` tells others of that name."""
    row, *others = _found(backend, "exoplanets", name)
    found = _exoplanet(backend, row)
    found.also = [other.name for other in others]
    return found


def find_exoplanet(backend: Backend, name: str) -> Row:
    """Return what is known of a planet; the nearest names are said when there is none."""
    return _found(backend, "exoplanets", name)[0]


def list_exoplanets(
    backend: Backend, viewer: Viewer, filters: Mapping[str, str]
) -> Picked[Exoplanet] | InOrder[Exoplanet]:
    """List exoplanets by name.

    Parameters
    ----------
    filters
        ``search``, those with a name that holds a text; ``host``, those of a
        star; ``method``, how they were found; ``transiting``, true or false;
        ``mass`` (M_jup), ``radius`` (R_jup) and ``period`` (days), ranges such
        as "0.5..2", "..2" and "0.5..".
    """
    file = catalogue(backend.settings, "exoplanets")

    def shape(row: Row, away: float | None) -> Exoplanet:
        return _exoplanet(backend, row)

    sets: list[list[Found]] = []
    where: dict[str, Any] = {
        name: places.parse_range(name, filters[name])
        for name in ("mass", "radius", "period")
        if filters.get(name)
    }
    if text := filters.get("transiting", ""):
        where["is_transiting"] = places.parse_flag("transiting", text)
    if method := filters.get("method", ""):
        where["method"] = METHODS.get(method.casefold(), method)
    if text := filters.get("search", ""):
        sets.append([(None, id_) for id_ in file.search(text)])
    if host := filters.get("host", ""):
        stars = catalogue(backend.settings, "objects").find(host)
        hosts = [(host, []), *((row.name, row.aliases) for _, row in stars)]
        ids = dict.fromkeys(id_ for names in hosts for id_ in file.hosted_ids(*names))
        sets.append([(None, id_) for id_ in ids])
    if where:
        sets.append([(None, id_) for id_ in file.planets(where)])
    return Picked(file, _common(sets), shape) if sets else InOrder(file, shape)


def list_standard_stars(
    backend: Backend, viewer: Viewer, around: str, count: int
) -> Picked[StandardStar]:
    """List standard stars, nearest first when a position or the name of an object is given."""
    file = catalogue(backend.settings, "standardstars")

    def shape(row: Row, away: float | None) -> StandardStar:
        return _standard(file, row, away)

    if not around:
        return Picked(file, [(None, id_) for _, id_ in file.after(None, count)], shape)
    return Picked(file, file.nearest(*_place(backend, "around", around), count), shape)


def _place(backend: Backend, field: str, text: str) -> tuple[float, float]:
    """Return the position (ICRS, degrees) that a text is or, by its name, that of an object."""
    if (place := parse_place(text, field)) is not None:
        return place
    if "," in text:
        return parse_position(field, text)
    try:
        row = find_objects(backend, text)[0]
    except NotFoundError:
        problem = f"{text[:60]!r} is no known object and no position; write RA,DEC in degrees."
        raise InvalidInputError(fields={field: [problem]}) from None
    return row.ra_deg, row.dec_deg


def _common(sets: Sequence[list[Found]]) -> list[Found]:
    """Return what is in all of the lists, in the order of the first."""
    first, *others = sets
    for other in others:
        ids = {id_ for _, id_ in other}
        first = [found for found in first if found[1] in ids]
    return first


def list_catalogues(
    backend: Backend, viewer: Viewer, filters: dict[str, str]
) -> MemoryListing[Catalogue]:
    """List the catalogues at hand."""
    return MemoryListing([_catalogue(kind, part) for kind, part in _parts(backend).values()])


def read_catalogue(backend: Backend, viewer: Viewer, key: str) -> Catalogue:
    """Return what a catalogue is and where it comes from."""
    return _catalogue(*_part(backend, key))


def list_rows(backend: Backend, viewer: Viewer, key: str) -> InOrder[Any]:
    """List the content of a catalogue, as it alone has it."""
    kind, part = _part(backend, key)
    file = catalogue(backend.settings, kind)
    shapes: dict[Kind, Callable[[Row, float | None], Any]] = {
        "objects": lambda row, away: _object(backend, row),
        "exoplanets": lambda row, away: _exoplanet(backend, row),
        "standardstars": lambda row, away: _standard(file, row, away),
    }
    return InOrder(file, shapes[kind], part.key)


def _parts(backend: Backend) -> dict[str, tuple[Kind, Part]]:
    return {
        part.key: (kind, part)
        for kind in KINDS
        for part in catalogue(backend.settings, kind).parts().values()
    }


def _part(backend: Backend, key: str) -> tuple[Kind, Part]:
    parts = _parts(backend)
    if key not in parts:
        raise NotFoundError(f"Catalogue {key[:60]!r} not found; there are {', '.join(parts)}.")
    return parts[key]


def coordinates(row: Row, source: str | None = None) -> Coordinates:
    """Return the position of a row as it goes over the wire."""
    return Coordinates(right_ascension=row.ra_deg, declination=row.dec_deg, source=source)


def _found(backend: Backend, kind: Kind, name: str) -> list[Row]:
    file = catalogue(backend.settings, kind)
    if found := file.find(name):
        return [row for _, row in found]
    hint = ""
    if kind == "exoplanets" and (planets := _of_its_star(backend, file, name)):
        return planets
    if kind == "objects":
        if rows := _elsewhere(backend, name):
            return rows
        if catalogue(backend.settings, "exoplanets").find(name):
            raise NotFoundError(f"{name[:60]!r} is an exoplanet; `arcsecond exoplanets` has it.")
        if fold(name) in WANDERERS:
            raise NotFoundError(
                f"{name[:60]!r} moves among the stars: no catalogue has it. What the Sun and "
                "the Moon do in a night is told by `arcsecond observingsites SITE --tonight`."
            )
        if not backend.settings.online:
            hint = " SIMBAD is not asked here."
    what = kind.removesuffix("s").capitalize()
    raise NotFoundError(f"{what} {name[:60]!r} not found.{hint}{_nearest(file, name)}")


def _of_its_star(backend: Backend, file: CatalogueFile, name: str) -> list[Row]:
    """Return planets by another name of their star and their letter: "rho1 Cnc e" is 55 Cnc e."""
    match = _LETTERED.fullmatch(name.strip())
    stars = catalogue(backend.settings, "objects").find(match[1]) if match else []
    ids = dict.fromkeys(
        id_ for _, star in stars for id_ in file.hosted_ids(star.name, star.aliases)
    )
    return [row for row in map(file.row, ids) if match and row.name.endswith(f" {match[2]}")]


_LETTERED = re.compile(r"(.+?) ?([b-z])")


def _elsewhere(backend: Backend, name: str) -> list[Row]:
    """Return objects that the other catalogues know: hosts of planets and standard stars."""
    planets = catalogue(backend.settings, "exoplanets")
    if row := planets.host(name):
        return [_cited(planets, row)]
    standards = catalogue(backend.settings, "standardstars")
    if found := standards.find(name):
        return [_cited(standards, row) for _, row in found]
    _, row = online.remembered(backend.settings, name)
    return [] if row is None else [row]


def _cited(file: CatalogueFile, row: Row) -> Row:
    """Return a row whose citations stand in it, to be shown by another catalogue."""
    return msgspec.structs.replace(
        row,
        source=file.cite(row.source),
        sources={name: file.cite(key) for name, key in row.sources.items()},
        fluxes=[{**flux, "source": file.cite(flux.get("source", ""))} for flux in row.fluxes],
    )


def _nearest(file: CatalogueFile, name: str) -> str:
    near = file.nearest_names(name)
    return f" Nearest names: {', '.join(near)}." if near else ""


def _object(backend: Backend, row: Row, distance_deg: float | None = None) -> AstronomicalObject:
    cite = catalogue(backend.settings, "objects").citing()

    def typed(attribute: str) -> Typed | None:
        value = getattr(row, attribute)
        return Typed(value=value, bibcode=cite(row.cited(attribute), attribute)) if value else None

    def measure(attribute: str, unit: str) -> Measure | None:
        value = getattr(row, attribute)
        if value is None:
            return None
        return Measure(value=value, unit=unit, bibcode=cite(row.cited(attribute), attribute))

    position = coordinates(row, cite(row.source))
    planets = catalogue(backend.settings, "exoplanets").hosted(row)
    return AstronomicalObject(
        name=row.name,
        source=position.source,
        coordinates=position,
        ICRS_coordinates=position,
        equatorial_coordinates=position,
        galactic_coordinates=SphericalCoordinates(*places.galactic(row.ra_deg, row.dec_deg)),
        ecliptic_coordinates=SphericalCoordinates(*places.ecliptic(row.ra_deg, row.dec_deg)),
        object_types=row.types,
        aliases=[Alias(name=alias) for alias in row.aliases],
        fluxes=[_flux(cite, flux) for flux in row.fluxes],
        planets=[planet.name for planet in planets],
        spectral_type=typed("spectral_type"),
        morphological_type=typed("morphological_type"),
        proper_motion=_motion(cite, row),
        parallax=measure("parallax_mas", "mas"),
        radial_velocity=measure("radial_velocity_km_s", "km/s"),
        distance=measure("distance_pc", "pc"),
        angular_size=measure("size_arcmin", "arcmin"),
        separation=distance_deg,
    )


def _motion(cite: Callable[[str], str], row: Row) -> ProperMotion | None:
    if row.pm_ra_mas_yr is None or row.pm_dec_mas_yr is None:
        return None
    return ProperMotion(
        value_right_ascension=row.pm_ra_mas_yr,
        value_declination=row.pm_dec_mas_yr,
        bibcode=cite(row.cited("pm_ra_mas_yr")),
    )


def _flux(cite: Callable[[str], str], flux: Fact) -> Flux:
    return Flux(
        name=flux["name"],
        value=flux["value"],
        unit=flux.get("unit", "mag"),
        system=flux.get("system"),
        bibcode=cite(flux.get("source", "")) or None,
    )


def _exoplanet(backend: Backend, row: Row) -> Exoplanet:
    cite = catalogue(backend.settings, "exoplanets").citing()

    def measure(attribute: str) -> Measure | None:
        fact: Fact | None = getattr(row, attribute)
        if fact is None:
            return None
        return Measure(
            value=fact["value"],
            unit=fact.get("unit"),
            error_max=fact.get("error_max"),
            error_min=fact.get("error_min"),
            bibcode=cite(fact.get("source") or row.cited(attribute)),
        )

    measures: dict[str, Any] = {name: measure(name) for name in _MEASURES}
    position = coordinates(row, cite(row.source))
    return Exoplanet(
        name=row.name,
        source=position.source,
        aliases=[Alias(name=alias) for alias in row.aliases],
        coordinates=position,
        equatorial_coordinates=position,
        parent_star=row.host,
        is_transiting=row.is_transiting,
        detection_method=row.detection_method,
        mass_detection_method=(row.mass or {}).get("kind"),
        discovery_year=row.discovery_year,
        calculated_temperature=measure("equilibrium_temperature"),
        **measures,
    )


_MEASURES = (
    "mass", "radius", "orbital_period", "semi_major_axis", "eccentricity", "inclination",
    "omega_angle", "time_periastron", "tzero_primary_transit", "transit_duration",
    "transit_depth", "impact_parameter", "velocity_semiamplitude",
)  # fmt: skip


def _standard(file: CatalogueFile, row: Row, distance_deg: float | None) -> StandardStar:
    return StandardStar(
        name=row.name,
        equatorial_coordinates=coordinates(row),
        spectral_type=row.spectral_type,
        magnitudes=[
            Magnitude(name=f["name"], value=f["value"], error=f.get("error")) for f in row.fluxes
        ],
        source=file.cite(row.source),
        separation=distance_deg,
    )


def _catalogue(kind: Kind, part: Part) -> Catalogue:
    made = datetime.fromisoformat(part.made)
    return Catalogue(
        id=part.key,
        pk=part.key,
        key=part.key,
        name=part.title,
        kind=kind,
        version=part.version,
        licence=part.licence,
        description=part.description,
        rows=part.rows,
        sources=sorted(part.sources.values()),
        bibcode=part.bibcode,
        source_url=part.url,
        origin=part.origin,
        made=made,
        age_days=(datetime.now(UTC) - (_dated(part.version) or made)).days,
    )


def _dated(version: str) -> datetime | None:
    """Return the day that a version is called by, such as 2019-05-31."""
    with contextlib.suppress(ValueError):
        return datetime.strptime(version, "%Y-%m-%d").replace(tzinfo=UTC)
    return None
