"""Millions of stars from a table: checked and turned into rows where they lie, by SQL.

A row of Python objects costs twenty microseconds, the same in SQLite three. The
cells go into a table of the file as they are; its columns have types, so that what
is no number stays a text and is found by one look. There the stars stay that have
only numbers; those with names are few and are made one by one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import itemgetter

from arcsecond.errors import InvalidInputError
from arcsecond.server.catalogues.file import Entry, stars_of
from arcsecond.server.catalogues.rows import NUMBERED, Row, magnitude, star
from arcsecond.server.catalogues.sources.text import Records, find_position
from arcsecond.server.catalogues.writing import Progress, Writer

Same = Callable[[Iterable[str], Row], str | None]
"""Returns the identity of a star that is there already, by its numbers or its place."""

CHUNK = 8192
BRIGHT = 9.5
"""V magnitude down to which a star without a number is known by its place."""

_FAR_PC = 100_000.0
"""HYG's distance of what has none."""

_REALS = {
    "v": "V magnitude", "pm_ra_mas_yr": "proper motion", "pm_dec_mas_yr": "proper motion",
    "parallax_mas": "parallax", "distance_pc": "distance",
    "radial_velocity_km_s": "radial velocity",
}  # fmt: skip
_NAMES = ("proper", "bayer", "flamsteed", "gl")
_TEXTS = (*_NAMES, "con", "spectral_type")
_COLUMNS = {
    "n": "INTEGER PRIMARY KEY",
    **dict.fromkeys(NUMBERED, "INTEGER"),
    **dict.fromkeys(("ra", "dec", *_REALS), "REAL"),
    **dict.fromkeys(_TEXTS, "TEXT"),
}
_RAW = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
_IS_NAMED = " OR ".join(f"{name} IS NOT NULL" for name in _NAMES)
_CALLED = ", ".join((*NUMBERED, *_NAMES))
_WRONG = ("{0} <> CAST({0} AS INTEGER)", "NOT ({0} BETWEEN -1e300 AND 1e300)")
"""Of cells that are no whole number, and no number: a text comes after all numbers."""


def _any(conditions: Iterable[str]) -> str:
    return " OR ".join(conditions) or "FALSE"


class StarLoader:
    """Loads a table of stars.

    Parameters
    ----------
    at
        Which column of the table holds what.
    scale
        Degrees of one unit of right ascension.
    source
        Key of the citation, and of the part.
    same
        Knows the stars that are there.
    """

    def __init__(
        self, table: Records, at: Mapping[str, int], scale: float, source: str, same: Same
    ) -> None:
        self._table, self._at, self._scale = table, at, scale
        self._source, self._same = source, same

    def load(self, writer: Writer, first: int, progress: Progress) -> int:
        """Write the stars, from an id on; returns how many there are."""
        db = writer.db
        db.execute(f"CREATE TABLE raw({_RAW})")
        self._read(db, progress)
        self._check(db)
        self._clear(db)
        self._turn(db)
        self._place(db, writer)
        named = list(self._named(db))
        db.execute(f"DELETE FROM raw WHERE {_IS_NAMED}")
        count, last = db.execute("SELECT count(*), coalesce(max(n), 0) FROM raw").fetchone()
        self._known(db)
        self._write(db, first)
        db.execute(f"ALTER TABLE raw RENAME TO {stars_of(first)}")
        writer.place(first, first + last)
        return int(count) + writer.write(first + last + 1, named)

    def _read(self, db: sqlite3.Connection, progress: Progress) -> None:
        names = list(self._at)
        pick = itemgetter(*self._at.values())
        marks = ", ".join(["nullif(?, '')"] * len(names))
        statement = f"INSERT INTO raw({', '.join(names)}) VALUES ({marks})"
        done = 0
        for chunk in self._table.chunks(CHUNK):
            cells = map(pick, chunk) if len(names) > 1 else ((pick(row),) for row in chunk)
            db.executemany(statement, cells)
            done += len(chunk)
            progress(done)

    def _check(self, db: sqlite3.Connection) -> None:
        """Refuse what is no number; clear what stands for none."""
        called = {key: f"{label} number" for key, label in NUMBERED.items()} | _REALS
        wanted = {name: told for name, told in called.items() if name in self._at}
        wrong = {name: _WRONG[name in _REALS].format(name) for name in wanted}
        blank = [f"{name} < '!'" for name in _TEXTS]
        if not db.execute(f"SELECT 1 FROM raw WHERE {_any([*wrong.values(), *blank])}").fetchone():
            return
        for name in self._at:
            db.execute(
                f"UPDATE raw SET {name} = nullif(trim({name}), '') WHERE typeof({name}) = 'text'"
            )
        (number,) = db.execute(f"SELECT min(n) FROM raw WHERE {_any(wrong.values())}").fetchone()
        for name, told in wanted.items() if number is not None else ():
            one = f"SELECT {name} FROM raw WHERE n = ? AND {wrong[name]}"
            for (value,) in db.execute(one, (number,)):
                raise self._wrong(number, value, told)

    def _clear(self, db: sqlite3.Connection) -> None:
        """Leave out what stands for nothing."""
        for name in NUMBERED:
            db.execute(f"UPDATE raw SET {name} = NULL WHERE {name} <= 0")
        db.execute("UPDATE raw SET distance_pc = NULL WHERE distance_pc >= ?", (_FAR_PC,))

    def _turn(self, db: sqlite3.Connection) -> None:
        """Turn positions in hours and minutes into degrees; refuse what is none."""
        odd = (
            "SELECT n, coalesce(ra, ''), coalesce(dec, '') FROM raw WHERE typeof(ra) = 'text' "
            "OR typeof(dec) = 'text' OR (ra IS NULL) <> (dec IS NULL)"
        )
        turned = []
        for n, ra, dec in db.execute(odd):
            place = find_position(f"{ra} {dec}")
            if place is None:
                raise self._wrong(n, f"{ra} {dec}", "RA and Dec")
            turned.append((place[0] / self._scale, place[1], n))
        db.executemany("UPDATE raw SET ra = ?, dec = ? WHERE n = ?", turned)
        beyond = db.execute(
            "SELECT n, ra, dec FROM raw WHERE ra IS NOT NULL AND NOT "
            "(ra * ? BETWEEN 0 AND 360 AND dec BETWEEN -90 AND 90) ORDER BY n LIMIT 1",
            (self._scale,),
        ).fetchone()
        if beyond:
            raise self._wrong(beyond[0], f"{beyond[1]} {beyond[2]}", "RA and Dec")

    def _place(self, db: sqlite3.Connection, writer: Writer) -> None:
        """Take the positions of stars that are there; leave out what has none, or no name."""
        found = db.execute("SELECT n, hip FROM raw WHERE ra IS NULL AND hip IS NOT NULL")
        missing = found.fetchall()
        there = writer.positions() if missing else {}
        places = [
            (place[0] / self._scale, place[1], n)
            for n, hip in missing
            if (place := there.get(f"hip{hip}")) is not None
        ]
        db.executemany("UPDATE raw SET ra = ?, dec = ? WHERE n = ?", places)
        db.execute(f"DELETE FROM raw WHERE ra IS NULL OR coalesce({_CALLED}) IS NULL")

    def _named(self, db: sqlite3.Connection) -> Iterator[Entry]:
        """Yield the stars that have names beside numbers."""
        found = db.execute(f"SELECT {', '.join(_COLUMNS)} FROM raw WHERE {_IS_NAMED}")
        for cells in found:
            values = dict(zip(_COLUMNS, cells, strict=True))
            place = values["con"] or ""
            letters = (f"{values[key]} {place}" for key in ("bayer", "flamsteed") if values[key])
            names = [values["proper"], *letters, values["gl"]]
            ra_deg = values["ra"] * self._scale % 360
            named = [name.strip() for name in names if name]
            row = star(ra_deg, values["dec"], self._source, values, named)
            keys = [f"{key}{values[key]}" for key in NUMBERED if values[key]]
            own = next(iter(keys), None)
            identity = own if values["hip"] else self._same(keys, row) or own
            yield Entry(row, identity)

    def _known(self, db: sqlite3.Connection) -> None:
        """Note which stars without a HIP number are there already."""
        for table in ("numbers", "bright"):
            db.execute(f"DROP TABLE IF EXISTS temp.{table}")
        db.execute("CREATE TEMP TABLE numbers(key TEXT PRIMARY KEY, identity TEXT) WITHOUT ROWID")
        db.execute(
            "INSERT OR IGNORE INTO numbers SELECT n.key, r.identity FROM names n "
            "JOIN rows r ON r.id = n.id WHERE n.rank = 0 AND r.identity IS NOT NULL AND ("
            + " OR ".join(f"(n.key >= '{p}0' AND n.key < '{p}:')" for p in ("hd", "hr", "sao"))
            + ")"
        )
        db.execute("CREATE TEMP TABLE bright(n INTEGER PRIMARY KEY, identity TEXT)")
        bright = db.execute(
            f"SELECT n, ra * ?, dec, v FROM raw WHERE v < {BRIGHT} AND hip IS NULL",
            (self._scale,),
        ).fetchall()
        found = []
        for n, ra_deg, dec_deg, v in bright:
            fluxes = [magnitude("V", v, self._source)]
            row = Row("", ra_deg % 360, dec_deg, self._source, fluxes=fluxes)
            if identity := self._same((), row):
                found.append((n, identity))
        db.executemany("INSERT INTO bright VALUES (?, ?)", found)

    def _write(self, db: sqlite3.Connection, first: int) -> None:
        """Make rows and names of what has numbers only."""
        own = ", ".join(f"'{key}' || {key}" for key in NUMBERED)
        sort = ", ".join(f"'{key}' || printf('%08d', {key})" for key in NUMBERED)
        known = ", ".join(
            f"(SELECT identity FROM numbers WHERE key = '{key}' || {key})"
            for key in NUMBERED
            if key != "hip" and key in self._at
        )
        db.execute(
            f"INSERT INTO rows SELECT ? + n, coalesce('hip' || hip, {known}{known and ', '}"
            f"(SELECT identity FROM bright WHERE n = raw.n), {own}), "
            f"coalesce({sort}), ra * ?, dec, 1, NULL FROM raw",
            (first, self._scale),
        )
        for key in NUMBERED:
            db.execute(
                f"INSERT OR IGNORE INTO names SELECT '{key}' || {key}, 0, ? + n FROM raw "
                f"WHERE {key} IS NOT NULL ORDER BY 1",
                (first,),
            )

    def _wrong(self, number: int, text: object, what: str) -> InvalidInputError:
        return InvalidInputError(
            f"{self._table.name}, row {number}: {str(text).strip()[:40]!r} is no {what}."
        )
