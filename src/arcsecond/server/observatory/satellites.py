"""Satellites: their element sets, where they are, and when they pass over a site."""

from __future__ import annotations

import bisect
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from arcsecond.errors import ConflictError, InvalidInputError, NotFoundError, UnavailableError
from arcsecond.schemas.catalogues import Coordinates
from arcsecond.schemas.fields import MOST_NIGHTS_ONE
from arcsecond.schemas.observatory import DirectoryImport, ObservingSite, Satellite
from arcsecond.schemas.sky import Event, Pass, SatellitePosition
from arcsecond.server.catalogues.names import fold, sought
from arcsecond.server.catalogues.places import parse_flag
from arcsecond.server.catalogues.refreshing import REFRESHERS
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.db import as_utc, now, upsert
from arcsecond.server.observatory import nights, orbits
from arcsecond.server.observatory.almanac import Place, Sky, moment
from arcsecond.server.observatory.elements import LAST_IN_LINES, ElementSet, parse
from arcsecond.server.observatory.importing import fetched, sifted
from arcsecond.server.observatory.orbits import Overhead, Passage
from arcsecond.server.observatory.site import place_of, site_asked, site_needed, zone_of
from arcsecond.server.observatory.tables import satellites
from arcsecond.server.paging import Cursor, SqlListing, bad_cursor
from arcsecond.server.parsing import blamed_on
from arcsecond.server.people.visibility import administrator
from arcsecond.views import NO_SATELLITES, OLD_DAYS

REFRESH_PATIENCE_S = 120.0
ELEVATION_DEG = 10.0
"""Above which a pass is one, when no elevation is given."""

MOST_NIGHTS_ALL = 1
"""Over how many nights passes of all satellites are listed."""

TURN_S = 20.0
"""How long one question waits for another to be answered."""

NEAR_DAYS = 30
"""Of all satellites together, those are looked at whose elements are no farther away in time."""

MOST_FOR_ALL = 2_000
"""Satellites whose passes are listed together."""


def list_satellites(
    backend: Backend, viewer: Viewer, filters: Mapping[str, str]
) -> SqlListing[Satellite]:
    """List satellites by NORAD number; ``name`` and ``search`` narrow it."""
    return SqlListing(backend.db, _narrowed(filters), (satellites.c.norad,), _shaped)


def _narrowed(filters: Mapping[str, str]) -> sa.Select[Any]:
    statement = sa.select(satellites)
    words = satellites.c.words
    if name := filters.get("name"):
        statement = statement.where(words.contains(f"\n{sought(name)}\n", autoescape=True))
    if text := sought(filters.get("search", "")):
        statement = statement.where(words.contains(text, autoescape=True))
    return statement


def read_satellite(backend: Backend, viewer: Viewer, key: str) -> Satellite:
    """Return a satellite by its NORAD number, its international designator or its name."""
    with backend.db.read() as connection:
        return _shaped(connection, [_find(connection, key)])[0]


def _find(connection: sa.Connection, key: str) -> sa.Row[Any]:
    """Return the row of a satellite.

    Raises
    ------
    NotFoundError
        There is none of that number or name.
    ConflictError
        Several have a name that begins so.
    """
    text = key.strip()
    if text.isascii() and text.isdigit() and len(text) < 19:
        number = satellites.c.norad == min(int(text), 2**31 - 1)
        found = connection.execute(sa.select(satellites).where(number)).all()
    else:
        sought = fold(text[:64])
        for pattern in (f"\n{sought}\n", f"\n{sought}(", f"\n{sought}"):
            held = satellites.c.words.contains(pattern, autoescape=True)
            statement = sa.select(satellites).where(held).order_by(satellites.c.norad)
            # "ISS" is ISS (ZARYA), the first of its modules.
            most = 1 if pattern.endswith("(") else 6
            found = connection.execute(statement.limit(most)).all() if sought else []
            if found:
                break
    if not found:
        empty = connection.scalar(sa.select(satellites.c.norad).limit(1)) is None
        told = f" {NO_SATELLITES}." if empty else ""
        raise NotFoundError(f"Satellite {key[:60]!r} not found.{told}")
    if len(found) > 1:
        several = ", ".join(f"{row.name} ({row.norad})" for row in found[:5])
        raise ConflictError(f"{key[:60]!r} may be {several}; say which by its number.")
    return found[0]


def import_satellites(backend: Backend, viewer: Viewer, raw: bytes) -> DirectoryImport:
    """Import element sets: all of a file or nothing; an older set never replaces a newer one."""
    administrator(viewer)
    with blamed_on("file"):
        sets = sorted(parse(raw), key=lambda found: found.epoch)
        newest = {found.norad: found for found in sets}
        rows = {norad: _row(found) for norad, found in newest.items()}
    with backend.db.write() as connection:
        select = sa.select(satellites.c.norad, satellites.c.epoch)
        known = {row.norad: row.epoch for row in connection.execute(select)}
        changed, outcome = sifted(rows, known, lambda row, epoch: bool(row["epoch"] > epoch))
        if changed:
            upsert(connection, satellites, changed, newer="epoch")
    return outcome


def _row(found: ElementSet) -> dict[str, Any]:
    """Return the row of an element set, with the two lines where there can be any."""
    lines = found.lines
    try:
        satellite = orbits.satrec(lines, found.elements, found.norad)
        if lines is None and found.elements is not None and found.norad <= LAST_IN_LINES:
            lines = orbits.two_lines(satellite, found.designator, found.elements)
    except ValueError as error:
        raise InvalidInputError(
            f"The element set of {found.name} ({found.norad}) is none: {error}. "
            "Nothing was imported."
        ) from error
    names = dict.fromkeys(fold(name) for name in (found.name, found.designator) if name)
    return {
        "norad": found.norad,
        "name": found.name,
        "designator": found.designator,
        "words": "\n".join(["", *names, ""]),
        "line_1": lines[0] if lines else None,
        "line_2": lines[1] if lines else None,
        "elements": found.elements if found.elements is not None else sa.null(),
        "epoch": found.epoch,
        "updated_at": now(),
    }


REFRESHERS["satellites"] = fetched(
    "satellites",
    "CelesTrak",
    "element sets",
    REFRESH_PATIENCE_S,
    lambda backend: backend.settings.celestrak_url,
    import_satellites,
    GROUP="active",
    FORMAT="csv",
)


def read_position(
    backend: Backend, viewer: Viewer, key: str, filters: Mapping[str, str]
) -> SatellitePosition:
    """Return where a satellite is, now or at a ``time``, over the Earth and from a ``site``.

    Raises
    ------
    NotFoundError
        There is none of that number or name, or its orbit has ended by then.
    """
    import numpy as np

    site = site_asked(backend, filters)
    at = _time(filters["time"]) if filters.get("time") else now()
    with backend.db.read() as connection:
        row = _find(connection, key)
    seconds = at.timestamp()
    times = np.array([seconds])
    errors, places = orbits.where(_satrec(row), times)
    longitude, latitude, height = (
        orbits.below(places[0], seconds) if not errors[0] else (0.0, 0.0, 0.0)
    )
    if errors[0] or orbits.ended(_satrec(row), row.epoch.timestamp(), seconds):
        raise NotFoundError(f"A place of {row.name} not found: {_no_orbit(row, at)}.")
    found = SatellitePosition(
        norad_catalog_number=row.norad,
        name=row.name,
        time=at,
        latitude=round(latitude, 5),
        longitude=round(longitude, 5),
        height=round(height, 3),
        is_sunlit=bool(orbits.sunlit(Sky(seconds - 600, seconds + 600), times, places)[0]),
        age_days=_age(row.epoch, at),
    )
    if site is not None:
        overhead = Overhead(place_of(site), seconds, seconds)
        altitude, azimuth, distance = overhead.seen(times, places)
        ra, dec = overhead.direction(seconds, places[0])
        found.site, found.site_name = site.uuid, site.name
        found.altitude = round(float(altitude[0]), 4)
        found.azimuth = round(float(azimuth[0]), 4)
        found.range = round(float(distance[0]), 3)
        found.coordinates = Coordinates(right_ascension=round(ra, 5), declination=round(dec, 5))
    return found


@dataclass(frozen=True, slots=True)
class Passes:
    """Passes by the time they rise; a page goes on behind the last one, whenever it is asked.

    Attributes
    ----------
    pinned
        The time that they begin with, where "now" was meant: the next page needs it.
    note
        What else there is to say of them.
    """

    items: Sequence[Pass]
    pinned: Mapping[str, str]
    note: str

    def rows(self, after: Cursor | None, limit: int) -> list[tuple[Cursor, Pass]]:
        """Return those behind a cursor."""
        match after:
            case None:
                first = 0
            case [str(time), int(norad)]:
                keys = [self._key(one) for one in self.items]
                first = bisect.bisect_right(keys, (time, norad))
            case _:
                raise bad_cursor()
        return [([*self._key(one)], one) for one in self.items[first : first + limit]]

    def count(self, most: int) -> int:
        """Return how many there are."""
        return min(len(self.items), most)

    @staticmethod
    def _key(one: Pass) -> tuple[str, int]:
        return one.rise.time.isoformat(), one.norad_catalog_number


_found: OrderedDict[tuple[object, ...], list[Pass]] = OrderedDict()
"""Passes of all satellites, as they were worked out lately."""

_finding = threading.Lock()
MOST_REMEMBERED = 8


def list_passes(backend: Backend, viewer: Viewer, key: str, filters: Mapping[str, str]) -> Passes:
    """List the passes of a satellite, or of all for "", over a ``site``, by the time they rise.

    Parameters
    ----------
    filters
        ``site``; ``date``, of the evening, or ``time``, else from now on; ``nights``, how many;
        ``elevation`` in degrees, above which a pass is one; ``visible``, whether only
        those that can be seen, or cannot.
    """
    site = site_needed(backend, filters)
    place = place_of(site)
    elevation = nights.parse_elevation(filters.get("elevation") or f"{ELEVATION_DEG:g}")
    most = MOST_NIGHTS_ONE if key else MOST_NIGHTS_ALL
    begin = now().replace(second=0, microsecond=0)
    if time := filters.get("time"):
        if "date" in filters:
            raise InvalidInputError(fields={"time": ["A time or a date, one of them."]})
        begin = _time(time)
    start, end = nights.parse_stretch(site, place, filters, most, begin)
    pinned = {} if "date" in filters else {"time": begin.isoformat()}
    note = ""
    visible = parse_flag("visible", text) if (text := filters.get("visible")) else None
    with backend.db.read() as connection:
        if key:
            rows: Sequence[sa.Row[Any]] = [_find(connection, key)]
        else:
            near = timedelta(days=NEAR_DAYS)
            epochs = (moment(start) - near, moment(end) + near)
            statement = _narrowed(filters).where(satellites.c.epoch.between(*epochs))
            statement = statement.order_by(satellites.c.norad)
            rows = connection.execute(statement.limit(MOST_FOR_ALL + 1)).all()
            note = _left_out(connection, filters, len(rows))
    if len(rows) > MOST_FOR_ALL:
        raise InvalidInputError(
            f"There are more than {MOST_FOR_ALL:,} satellites here; ask for the passes of one, or "
            "narrow them by a part of their names: `search`."
        )
    if key:
        _refuse_without_orbit(rows[0], start, end)
        passes = _passes(rows, site, place, start, end, elevation)
    else:
        newest = max((row.updated_at for row in rows), default=None)
        what = (backend.settings.home, filters.get("search"), len(rows), newest)
        asked = (*what, site.uuid, site.name, site.address.time_zone, place, start, elevation)
        passes = _once(asked, lambda: _passes(rows, site, place, start, end, elevation))
    if visible is not None:
        passes = [told for told in passes if told.is_visible == visible]
    return Passes(passes, pinned, note)


def _left_out(connection: sa.Connection, filters: Mapping[str, str], shown: int) -> str:
    """Say how many satellites have elements of another time, and are not looked at."""
    chosen = _narrowed(filters).subquery()
    count = connection.scalar(sa.select(sa.func.count()).select_from(chosen)) or 0
    if not count and not filters.get("search"):
        return NO_SATELLITES
    if count <= shown:
        return ""
    are = "satellite is" if count - shown == 1 else "satellites are"
    return (
        f"{count - shown:,} {are} left out: their elements are more than {NEAR_DAYS} days away. "
        "Newer ones are imported, or fetched by `arcsecond catalogues refresh satellites`."
    )


def _once(asked: tuple[object, ...], work: Callable[[], list[Pass]]) -> list[Pass]:
    """Return what was worked out of the same before, or work it out: one question at a time.

    Raises
    ------
    UnavailableError
        Others are being answered just now.
    """
    if (known := _found.get(asked)) is not None:
        return known
    if not _finding.acquire(timeout=TURN_S):
        raise UnavailableError("Passes are being worked out for others; ask again in a minute.")
    try:
        if (known := _found.get(asked)) is None:
            known = _found[asked] = work()
            while len(_found) > MOST_REMEMBERED:
                _found.popitem(last=False)
        return known
    finally:
        _finding.release()


def _passes(
    rows: Sequence[sa.Row[Any]],
    site: ObservingSite,
    place: Place,
    start: float,
    end: float,
    elevation: float,
) -> list[Pass]:
    """Return the passes of satellites over a site, by the time they rise."""
    every = [(row, _satrec(row)) for row in rows]
    up = [(row, one) for row, one in every if not orbits.ended(one, row.epoch.timestamp(), start)]
    rows, satrecs = [row for row, _ in up], [one for _, one in up]
    overhead = Overhead(place, start, end)
    passes = [
        _pass(rows, satrecs, overhead, site, passage)
        for passage in orbits.passages(satrecs, overhead, start, end, elevation)
    ]
    return sorted(passes, key=lambda one: (one.rise.time, one.norad_catalog_number))


def _refuse_without_orbit(row: sa.Row[Any], start: float, end: float) -> None:
    satellite, epoch = _satrec(row), row.epoch.timestamp()
    if orbits.ended(satellite, epoch, start) and orbits.ended(satellite, epoch, end):
        raise NotFoundError(f"Passes of {row.name} not found: {_no_orbit(row, moment(start))}.")


def _no_orbit(row: sa.Row[Any], at: datetime) -> str:
    """Say why there is no orbit at a time."""
    told = f"by its elements of {row.epoch:%Y-%m-%d}"
    if at > row.epoch:
        return f"{told} its orbit has ended by {at:%Y-%m-%d %H:%M} UTC"
    return f"{told} there is none at {at:%Y-%m-%d %H:%M} UTC"


def _pass(
    rows: Sequence[sa.Row[Any]],
    found: Sequence[Any],
    overhead: Overhead,
    site: ObservingSite,
    passage: Passage,
) -> Pass:
    import numpy as np

    row = rows[passage.satellite]
    found_there = found[passage.satellite]
    times = np.array([passage.rise, passage.culmination, passage.set])
    _, places = orbits.where(found_there, times)
    events = _events(overhead, times, places, overhead.sunlit(times, places))
    seen = orbits.visible(found_there, overhead, passage)
    culmination = moment(passage.culmination)
    zone = zone_of(site)
    return Pass(
        norad_catalog_number=row.norad,
        name=row.name,
        site=site.uuid,
        site_name=site.name,
        time_zone=site.address.time_zone,
        utc_offset=(culmination.astimezone(zone).utcoffset() or timedelta()).total_seconds() / 3600,
        rise=next(events),
        culmination=next(events),
        set=next(events),
        duration_s=round(passage.set - passage.rise, 1),
        was_up=passage.was_up,
        stays_up=passage.stays_up,
        is_visible=seen is not None,
        visible_from=moment(seen[0]) if seen else None,
        visible_until=moment(seen[1]) if seen else None,
        visible_altitude=round(seen[2], 2) if seen else None,
        age_days=_age(row.epoch, culmination),
    )


def _events(overhead: Overhead, times: Any, places: Any, lit: Any) -> Iterator[Event]:
    for time, altitude, azimuth, distance, is_lit in zip(
        times.tolist(),
        *(values.tolist() for values in overhead.seen(times, places)),
        lit.tolist(),
        strict=True,
    ):
        yield Event(
            time=moment(time),
            altitude=round(altitude, 2),
            azimuth=round(azimuth, 2) % 360,
            range=round(distance, 1),
            is_sunlit=is_lit,
        )


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        problem = f"{text[:40]!r} is no time; write one like 2026-11-23T03:00:00Z."
        raise InvalidInputError(fields={"time": [problem]}) from None
    nights.check_year(found.date(), "time")
    return as_utc(found)


def _satrec(row: sa.Row[Any]) -> Any:
    lines = (row.line_1, row.line_2) if row.line_1 else None
    return orbits.satrec(lines, row.elements, row.norad)


def _age(epoch: datetime, at: datetime) -> float:
    return round((at - epoch) / timedelta(days=1), 2)


def _shaped(_connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> list[Satellite]:
    present = now()
    return [
        Satellite(
            norad_catalog_number=row.norad,
            name=row.name,
            acronym=row.designator,
            designator=row.designator,
            date_updated=row.updated_at,
            epoch=row.epoch,
            age_days=_age(row.epoch, present),
            is_old=_age(row.epoch, present) > OLD_DAYS,
            elements=row.elements or orbits.keywords(_satrec(row), row.epoch),
            line_1=row.line_1,
            line_2=row.line_2,
            two_lines=f"{row.line_1}\n{row.line_2}" if row.line_1 else None,
        )
        for row in rows
    ]
