"""Sites, telescopes, instruments, finding charts and satellites."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa

from arcsecond.errors import InvalidInputError, NotFoundError, UnavailableError
from arcsecond.schemas.catalogues import CatalogueImport
from arcsecond.schemas.fields import MOST_NIGHTS, NIGHTS
from arcsecond.schemas.observatory import (
    FindingChart,
    Instrument,
    ObservingSite,
    Satellite,
    SatelliteImport,
    Telescope,
    Transit,
)
from arcsecond.server.catalogues.builtin import catalogue
from arcsecond.server.catalogues.refreshing import REFRESHERS
from arcsecond.server.catalogues.rows import Row
from arcsecond.server.catalogues.service import coordinates, find_exoplanet, find_objects
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.crud import (
    MemoryListing,
    SqlListing,
    blamed_on,
    parse_amount,
    parse_date,
    parse_integer,
    parse_uuid,
)
from arcsecond.server.db import now
from arcsecond.server.observatory import chart, tle, transits
from arcsecond.server.observatory.directory import directory
from arcsecond.server.observatory.tables import satellites
from arcsecond.server.people.visibility import administrator

REFRESH_PATIENCE_S = 120.0

T = TypeVar("T")
Named = TypeVar("Named", ObservingSite, Telescope, Instrument)


Filters = dict[str, str]


def list_sites(backend: Backend, viewer: Viewer, filters: Filters) -> MemoryListing[ObservingSite]:
    """List observing sites."""
    return _named(directory().sites.values(), filters)


def read_site(backend: Backend, viewer: Viewer, key: str) -> ObservingSite:
    """Return an observing site."""
    return _found(directory().sites, key, "Observing site")


def list_telescopes(backend: Backend, viewer: Viewer, filters: Filters) -> MemoryListing[Telescope]:
    """List telescopes."""
    return _named(directory().telescopes.values(), filters)


def read_telescope(backend: Backend, viewer: Viewer, key: str) -> Telescope:
    """Return a telescope."""
    return _found(directory().telescopes, key, "Telescope")


def list_instruments(
    backend: Backend, viewer: Viewer, filters: Filters
) -> MemoryListing[Instrument]:
    """List instruments."""
    return _named(directory().instruments.values(), filters)


def read_instrument(backend: Backend, viewer: Viewer, key: str) -> Instrument:
    """Return an instrument."""
    return _found(directory().instruments, key, "Instrument")


def _named(things: Iterable[Named], filters: Filters) -> MemoryListing[Named]:
    """List what has the name that is asked for, or everything."""
    name = filters.get("name")
    return MemoryListing([thing for thing in things if name is None or thing.name == name])


def check_equipment(
    *, site: str | None = None, telescope: str | None = None, instrument: str | None = None
) -> dict[str, UUID | None]:
    """Check that a site, a telescope and an instrument exist and belong together.

    Each may be None or "". Returns their UUIDs, under the names of the columns.

    Raises
    ------
    InvalidInputError
        One is unknown, or is not at the other.
    """
    known = directory()
    given: dict[str, tuple[str | None, Mapping[str, object]]] = {
        "observing_site": (site, known.sites),
        "telescope": (telescope, known.telescopes),
        "instrument": (instrument, known.instruments),
    }
    uuids: dict[str, UUID | None] = {}
    for field, (value, rows) in given.items():
        if not value:
            uuids[field] = None
            continue
        try:
            uuids[field] = parse_uuid(value, field)
        except NotFoundError:
            raise _no_such(field, value) from None
        if str(uuids[field]) not in rows:
            raise _no_such(field, value)
    mounted = known.instruments.get(str(uuids["instrument"]))
    used = known.telescopes.get(mounted.telescope if mounted else str(uuids["telescope"]))
    if mounted and uuids["telescope"] and mounted.telescope != str(uuids["telescope"]):
        raise InvalidInputError(
            fields={"instrument": [f"{mounted.name} is not at this telescope."]}
        )
    if used and uuids["observing_site"] and used.observing_site != str(uuids["observing_site"]):
        raise InvalidInputError(fields={"telescope": [f"{used.name} is not at this site."]})
    return uuids


def list_charts(backend: Backend, viewer: Viewer, name: str) -> MemoryListing[FindingChart]:
    """List the finding charts of an object: one, drawn from the tables.

    Its ``image_url`` is a path; the route knows the address before it.
    """
    row = find_objects(backend, name)[0]
    width = chart.field_for(_neighbours(backend, row), row)
    drawn = FindingChart(
        pk=1,
        input=name,
        astronomical_object=row.name,
        target=row.name,
        coordinates=coordinates(row),
        survey_name="Arcsecond catalogues",
        width=width,
        height=width,
        image_url="chart.svg",
    )
    return MemoryListing([drawn])


def draw_chart(backend: Backend, viewer: Viewer, name: str) -> str:
    """Return the finding chart of an object as SVG."""
    row = find_objects(backend, name)[0]
    return chart.draw(_neighbours(backend, row), row)


def list_transits(
    backend: Backend, viewer: Viewer, name: str, filters: Filters
) -> MemoryListing[Transit]:
    """List the next transits of a planet.

    Parameters
    ----------
    filters
        ``site``, the UUID of an observing site; ``nights``, how many from now or
        from the noon (UTC) of a ``date``.
    """
    planet = find_exoplanet(backend, name)
    site = read_site(backend, viewer, filters["site"]) if "site" in filters else None
    text = filters.get("nights", str(NIGHTS))
    nights = parse_amount(text, MOST_NIGHTS)
    if nights is None:
        problem = f"{text[:40]!r} is no number of nights from 1 to {MOST_NIGHTS}."
        raise InvalidInputError(fields={"nights": [problem]})
    start = now()
    if "date" in filters:
        day = parse_date("date", filters["date"])
        if not 1972 <= day.year < 2100:
            problem = "Leap seconds are known, or guessed, from 1972 to 2099 only."
            raise InvalidInputError(fields={"date": [problem]})
        start = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    cite = catalogue(backend.settings, "exoplanets").cite
    return MemoryListing([*transits.find(planet, site, start, nights, cite)])


def _neighbours(backend: Backend, target: Row) -> chart.Neighbours:
    """Return a function that gives what lies around an object, the brightest of it."""
    file = catalogue(backend.settings, "objects")

    def around(radius_deg: float) -> list[Row]:
        near = file.around(target.ra_deg, target.dec_deg, radius_deg)[: chart.MOST_MARKS * 10]
        rows = [file.row(id_) for _, id_ in near]
        return sorted(rows, key=chart.brightness)[: chart.MOST_MARKS]

    return around


def list_satellites(backend: Backend, viewer: Viewer, filters: Filters) -> SqlListing[Satellite]:
    """List satellites by NORAD number."""
    return SqlListing(backend.db, sa.select(satellites), (satellites.c.norad,), _satellites)


def read_satellite(backend: Backend, viewer: Viewer, key: str) -> Satellite:
    """Return a satellite by its NORAD number."""
    norad = parse_integer(key, "Satellite")
    with backend.db.read() as connection:
        statement = sa.select(satellites).where(satellites.c.norad == min(norad, 2**31 - 1))
        rows = connection.execute(statement).all()
        if not rows:
            raise NotFoundError(f"Satellite {key} not found.")
        return _satellites(connection, rows)[0]


def may_import_satellites(backend: Backend, viewer: Viewer) -> None:
    """Refuse an import before its bytes are sent."""
    administrator(viewer)


def _refresh_satellites(backend: Backend, viewer: Viewer, force: bool) -> CatalogueImport:
    """Fetch the element sets of active satellites from CelesTrak."""
    from arcsecond.server.catalogues import remote  # late: requests takes a tenth of a second

    with remote.Bounded("CelesTrak", REFRESH_PATIENCE_S) as session:
        asked = {"GROUP": "active", "FORMAT": "tle"}
        answer = session.get(backend.settings.celestrak_url, params=asked)
    if answer.status_code != 200 or not answer.text.strip():
        raise UnavailableError("CelesTrak answered with no element sets.")
    done = import_satellites(backend, viewer, answer.text)
    return CatalogueImport(
        key="satellites",
        rows=done.read,
        before=done.updated + done.unchanged,
        unchanged=not done.added and not done.updated,
    )


REFRESHERS["satellites"] = _refresh_satellites


def import_satellites(backend: Backend, viewer: Viewer, text: str) -> SatelliteImport:
    """Import element sets: all of a file or nothing; an older set never replaces a newer one."""
    administrator(viewer)
    if text.lstrip()[:1] in ("[", "{", "<"):
        problem = "This is JSON or XML; two-line element sets (TLE) are read."
        raise InvalidInputError(problem, fields={"file": [problem]})
    with blamed_on("file"):
        newest = {
            found.norad: found
            for found in sorted(tle.parse(text), key=lambda elements: elements.epoch)
        }
    outcome = SatelliteImport(read=len(newest), added=0, updated=0, unchanged=0)
    with backend.db.write() as connection:
        select = sa.select(satellites.c.norad, satellites.c.epoch)
        known = {row.norad: row.epoch for row in connection.execute(select)}
        new: list[dict[str, Any]] = []
        for norad, elements in newest.items():
            values = {
                "norad": norad,
                "name": elements.name,
                "line_1": elements.line_1,
                "line_2": elements.line_2,
                "epoch": elements.epoch,
                "updated_at": now(),
            }
            if norad not in known:
                new.append(values)
                outcome.added += 1
            elif elements.epoch > known[norad]:
                where = satellites.c.norad == norad
                connection.execute(sa.update(satellites).where(where).values(values))
                outcome.updated += 1
            else:
                outcome.unchanged += 1
        if new:
            connection.execute(sa.insert(satellites), new)
    return outcome


def _satellites(_connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> list[Satellite]:
    return [
        Satellite(
            norad_catalog_number=row.norad,
            name=row.name,
            date_updated=row.updated_at,
            epoch=row.epoch,
            line_1=row.line_1,
            line_2=row.line_2,
            two_lines=f"{row.line_1}\n{row.line_2}",
        )
        for row in rows
    ]


def _found(rows: dict[str, T], key: str, what: str) -> T:
    uuid = parse_uuid(key, what)
    if found := rows.get(str(uuid)):
        return found
    raise NotFoundError(f"{what} {key} not found.")


def _no_such(field: str, value: str) -> InvalidInputError:
    return InvalidInputError(fields={field: [f"There is none with UUID {value[:60]!r}."]})
