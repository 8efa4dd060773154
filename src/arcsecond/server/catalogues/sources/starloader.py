"""Millions of stars from a table: checked and turned into rows where they lie, by SQL.

A row of Python objects costs twenty microseconds, the same in SQLite three. The
cells of the table go into a temporary one as they are; its columns have types,
so that what is no number stays a text and is found by one look. Stars with names,
beside numbers, are few and are made one by one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

from arcsecond.errors import InvalidInputError
from arcsecond.server.catalogues.file import Entry
from arcsecond.server.catalogues.rows import Row, magnitude
from arcsecond.server.catalogues.sources.text import Records, find_position
from arcsecond.server.catalogues.writing import Progress, Writer

Same = Callable[[Iterable[str], Row], str | None]
"""Returns the identity of a star that is there already, by its numbers or its place."""

CHUNK = 8192
BRIGHT = 9.5
"""V magnitude down to which a star without a number is known by its place."""

_FAR_PC = 100_000.0
"""HYG's distance of what has none."""

_NUMBERS = {"hip": "HIP", "hd": "HD", "hr": "HR", "sao": "SAO"}
_MEASURED = {
    "v": "V magnitude", "pm_ra": "proper motion", "pm_dec": "proper motion",
    "parallax": "parallax", "dist": "distance", "rv": "radial velocity",
}  # fmt: skip
_NAMES = ("proper", "bayer", "flamsteed", "gl")
_TEXTS = (*_NAMES, "con", "spectral_type")

_RAW = ", ".join(
    [
        "n INTEGER PRIMARY KEY",
        *(f"{name} INTEGER" for name in _NUMBERS),
        *(f"{name} REAL" for name in ("ra", "dec", *_MEASURED)),
        *(f"{name} TEXT" for name in _TEXTS),
    ]
)
_NAMED = " OR ".join(f"coalesce({name}, '') <> ''" for name in _NAMES)
_ATTRIBUTES = {
    "pm_ra": "pm_ra_mas_yr", "pm_dec": "pm_dec_mas_yr", "parallax": "parallax_mas",
    "dist": "distance_pc", "rv": "radial_velocity_km_s", "spectral_type": "spectral_type",
}  # fmt: skip


def has(name: str) -> str:
    """Return the condition that a star has a number."""
    return f"(typeof({name}) = 'integer' AND {name} > 0)"


class StarLoader:
    """Loads a table of stars.

    Parameters
    ----------
    at
        Which column of the table holds what.
    scale
        Degrees of one unit of right ascension.
    source
        Key of the citation.
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
        db.execute(f"CREATE TEMP TABLE raw({_RAW})")
        try:
            self._read(db, progress)
            self._check(db)
            self._place(db, writer)
            named = list(self._named(db))
            db.execute(f"DELETE FROM raw WHERE {_NAMED}")
            count, last = db.execute("SELECT count(*), coalesce(max(n), 0) FROM raw").fetchone()
            self._known(db, writer)
            self._write(db, first)
            writer.place(first, first + last)
        finally:
            for table in ("raw", "numbers", "bright"):
                db.execute(f"DROP TABLE IF EXISTS temp.{table}")
        return int(count) + writer.write(first + last + 1, named)

    def _read(self, db: sqlite3.Connection, progress: Progress) -> None:
        names = list(self._at)
        pick = itemgetter(*self._at.values())
        marks = ", ".join("?" * len(names))
        statement = f"INSERT INTO raw({', '.join(names)}) VALUES ({marks})"
        done = 0
        for chunk in self._table.chunks(CHUNK):
            cells = map(pick, chunk) if len(names) > 1 else ((pick(row),) for row in chunk)
            db.executemany(statement, cells)
            done += len(chunk)
            progress(done)

    def _check(self, db: sqlite3.Connection) -> None:
        """Refuse what is no number; positions in hours and minutes are turned into degrees."""
        wanted = {name: told for name, told in (_NUMBERS | _MEASURED).items() if name in self._at}
        for name in wanted:
            wrong = "'text', 'real'" if name in _NUMBERS else "'text'"
            found = db.execute(
                f"SELECT n, {name} FROM raw WHERE (typeof({name}) IN ({wrong}) "
                f"AND trim({name}) <> '') OR abs({name}) > 1e300 ORDER BY n LIMIT 1"
            ).fetchone()
            if found:
                raise self._wrong(found[0], found[1], wanted[name])
        if not {"ra", "dec"} <= set(self._at):
            return
        texts = "SELECT n, ra, dec FROM raw WHERE typeof(ra) = 'text' OR typeof(dec) = 'text'"
        turned = []
        for n, ra, dec in db.execute(texts):
            text = f"{ra} {dec}".strip()
            place = find_position(text) if text else None
            if text and place is None:
                raise self._wrong(n, text, "RA and Dec")
            turned.append((place and place[0] / self._scale, place and place[1], n))
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
        missing = db.execute(f"SELECT n, hip FROM raw WHERE ra IS NULL AND {has('hip')}")
        places = [
            (place[0] / self._scale, place[1], n)
            for n, hip in missing.fetchall()
            if (place := writer.position(f"hip{hip}")) is not None
        ]
        db.executemany("UPDATE raw SET ra = ?, dec = ? WHERE n = ?", places)
        called = " OR ".join([*map(has, _NUMBERS), _NAMED])
        db.execute(f"DELETE FROM raw WHERE ra IS NULL OR NOT ({called})")

    def _named(self, db: sqlite3.Connection) -> Iterator[Entry]:
        """Yield the stars that have names beside numbers."""
        columns = ["n", *_NUMBERS, "ra", "dec", *_MEASURED, *_TEXTS]
        for cells in db.execute(f"SELECT {', '.join(columns)} FROM raw WHERE {_NAMED}"):
            star = dict(zip(columns, cells, strict=True))
            numbers = {key: f"{label} {star[key]}" for key, label in _NUMBERS.items() if star[key]}
            constellation = star["con"] or ""
            letters = [
                f"{star[key]} {constellation}" for key in ("bayer", "flamsteed") if star[key]
            ]
            names = [star["proper"] or "", *letters, star["gl"] or "", *numbers.values()]
            names = list(dict.fromkeys(name.strip() for name in names if name.strip()))
            facts: dict[str, Any] = {
                name: star[key] or None for key, name in _ATTRIBUTES.items() if key != "dist"
            }
            v, distance = star["v"], star["dist"]
            row = Row(
                name=names[0],
                ra_deg=star["ra"] * self._scale % 360,
                dec_deg=star["dec"],
                source=self._source,
                aliases=names[1:],
                types=["Star"],
                fluxes=[magnitude("V", v, self._source)] if isinstance(v, float) else [],
                distance_pc=distance if distance and distance < _FAR_PC else None,
                **facts,
            )
            keys = [f"{key}{star[key]}" for key in numbers]
            own = next(iter(keys), None)
            identity = own if own and own.startswith("hip") else self._same(keys, row) or own
            yield Entry(row, identity)

    def _known(self, db: sqlite3.Connection, writer: Writer) -> None:
        """Note which stars without a HIP number are there already."""
        db.execute("CREATE TEMP TABLE numbers(key TEXT PRIMARY KEY, identity TEXT) WITHOUT ROWID")
        db.execute(
            "INSERT OR IGNORE INTO numbers SELECT n.key, r.identity FROM names n "
            "JOIN rows r ON r.id = n.id WHERE n.rank = 0 AND r.identity IS NOT NULL AND ("
            + " OR ".join(f"(n.key >= '{p}0' AND n.key < '{p}:')" for p in ("hd", "hr", "sao"))
            + ")"
        )
        db.execute("CREATE TEMP TABLE bright(n INTEGER PRIMARY KEY, identity TEXT)")
        bright = db.execute(
            f"SELECT n, ra * ?, dec, v FROM raw WHERE v < {BRIGHT} AND NOT {has('hip')}",
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
        keys = [key for key in _NUMBERS if key in self._at]
        first_of = "CASE " + " ".join(f"WHEN {has(key)} THEN {{{key}}}" for key in keys) + " END"
        name = first_of.format(**{key: f"'{_NUMBERS[key]} ' || {key}" for key in keys})
        own = first_of.format(**{key: f"'{key}' || {key}" for key in keys})
        sort = first_of.format(**{key: f"'{key}' || printf('%08d', {key})" for key in keys})
        there = "(SELECT identity FROM numbers WHERE key = '{0}' || {0})"
        known = [
            f"CASE WHEN {has(key)} THEN {there.format(key)} END" for key in keys if key != "hip"
        ]
        identity = f"coalesce({', '.join([*known, 'bright.identity', own])})"
        if "hip" in keys:
            identity = f"CASE WHEN {has('hip')} THEN 'hip' || hip ELSE {identity} END"
        db.execute(
            f"""
            INSERT INTO rows SELECT :first + raw.n, {identity}, {sort}, ra * :scale, dec, 1,
              '{{"name":"' || {name} || '","ra_deg":' || (ra * :scale) || ',"dec_deg":' || dec
              || {self._more(keys)} || '}}'
            FROM raw LEFT JOIN bright ON bright.n = raw.n
            """,
            {"first": first, "scale": self._scale},
        )
        for key in _NUMBERS:
            if key in self._at:
                db.execute(
                    f"INSERT INTO fresh SELECT '{key}' || {key}, 0, ? + n FROM raw "
                    f"WHERE {has(key)}",
                    (first,),
                )

    def _more(self, keys: Sequence[str]) -> str:
        """Return the expression that puts the facts of a row together, as JSON.

        By hand: what SQLite's own functions take three times as long for.
        """
        parts = [f"""',"source":"{self._source}","types":["Star"],"aliases":[' || substr('' """]
        for n, key in enumerate(keys[1:], 1):
            another = " OR ".join(map(has, keys[:n]))
            alias = f"""',"{_NUMBERS[key]} ' || {key} || '"'"""
            parts.append(f"iif({has(key)} AND ({another}), {alias}, '')")
        parts.append("'', 2) || ']'")
        if "v" in self._at:
            flux = (
                """',"fluxes":[{"name":"V","system":"Vega","value":' || v || ',"source":"%s"}]'"""
            )
            parts.append(f"iif(typeof(v) = 'real', {flux % self._source}, '')")
        for key, name in _ATTRIBUTES.items():
            if key == "spectral_type" and key in self._at:
                there, value = (
                    "trim(coalesce(spectral_type, '')) <> ''",
                    "json_quote(trim(spectral_type))",
                )
            else:
                far = f" AND dist < {_FAR_PC}" if key == "dist" else ""
                there, value = f"typeof({key}) = 'real'{far}", key
            if key in self._at:
                parts.append(f"""iif({there}, ',"{name}":' || {value}, '')""")
        return " || ".join(parts)

    def _wrong(self, number: int, text: Any, what: str) -> InvalidInputError:
        return InvalidInputError(
            f"{self._table.name}, row {number}: {str(text)[:40]!r} is no {what}."
        )
