"""Write the next state of a catalogue, beside the file that is there."""

from __future__ import annotations

import gc
import itertools
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec

from arcsecond.flushing import flush_folder
from arcsecond.server import zones
from arcsecond.server.catalogues.file import (
    PART_IDS,
    Entry,
    Part,
    entries_of,
    ids_of,
    parts_of,
    stars_of,
    together,
)
from arcsecond.server.catalogues.names import fold
from arcsecond.server.catalogues.rows import HOST_RANK, keys_of, natural

BATCH = 10_000

_SCHEMA = """
CREATE TABLE parts(n INTEGER PRIMARY KEY, key TEXT UNIQUE, about BLOB);
CREATE TABLE rows(
    id INTEGER PRIMARY KEY, identity TEXT, sort TEXT, ra REAL, dec REAL, first INTEGER, data BLOB
);
CREATE TABLE names(key TEXT, rank INTEGER, id INTEGER, PRIMARY KEY(key, rank, id)) WITHOUT ROWID;
CREATE TABLE sky(cell INTEGER, id INTEGER, x REAL, y REAL, z REAL, PRIMARY KEY(cell, id))
    WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5(key, shown UNINDEXED, id UNINDEXED, tokenize = 'trigram');
CREATE TABLE planets(
    id INTEGER PRIMARY KEY, method TEXT, is_transiting INTEGER, mass REAL, radius REAL, period REAL
);
"""
_BY_ID = ("rows", "names", "sky", "words")
_INDEXES = {
    "rows_identity": "rows(identity, id) WHERE identity IS NOT NULL",
    "rows_order": "rows(sort, id) WHERE first",
}
"""Made anew when much was added: that is faster than keeping them all the while."""

_encode = msgspec.json.Encoder().encode


Progress = Callable[[int], None]
"""Called with the number of rows that were read."""


class Loader(Protocol):
    """Writes the rows of a part by itself."""

    def load(self, writer: Writer, first: int, progress: Progress) -> int:
        """Write rows, names and cells, with ids from ``first`` on; returns how many rows."""
        ...


class Writer:
    """Writes the next state of a catalogue, beside the file, and puts it in place.

    Used as a context: what raises in it leaves the file as it was.

    Parameters
    ----------
    path
        The file that is to be replaced, or to be.
    made_by
        What the built-in parts are made from, to be compared with later.
    keep
        Whether the parts that are there stay.
    """

    def __init__(self, path: Path, made_by: str, *, keep: bool) -> None:
        self._path = path
        self._next = path.with_name(path.name + ".next")
        self._made_by = made_by
        self._keep = keep and path.exists()
        self._added: set[int] = set()
        self._gone: set[int] = set()
        self._positions: list[list[tuple[int, float, float]]] = []

    def __enter__(self) -> Writer:
        """Begin with a copy of what is there, or with nothing."""
        self._next.unlink(missing_ok=True)
        if self._keep:
            shutil.copyfile(self._path, self._next)
        self.db = sqlite3.connect(self._next, isolation_level=None)
        for pragma in (
            "page_size = 8192",
            "journal_mode = OFF",
            "synchronous = OFF",
            "cache_size = -131072",
        ):
            self.db.execute(f"PRAGMA {pragma}")
        if not self._keep:
            self.db.executescript(_SCHEMA)
            self.db.execute("CREATE TABLE meta(made_by TEXT)")
            self.db.execute("INSERT INTO meta VALUES ('')")
        self.db.execute("UPDATE meta SET made_by = ?", (self._made_by,))
        self.db.execute("CREATE TEMP TABLE fresh(key TEXT, rank INTEGER, id INTEGER)")
        self.db.execute("BEGIN")
        for index in _INDEXES:
            self.db.execute(f"DROP INDEX IF EXISTS {index}")
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Put it in place, or remove it."""
        try:
            if kind is None:
                with _uncollected():
                    self._settle()
                self.db.close()
                with self._next.open("rb+") as file:
                    os.fsync(file.fileno())
                os.replace(self._next, self._path)
                flush_folder(self._path.parent)
        finally:
            self.db.close()
            self._next.unlink(missing_ok=True)

    def parts(self) -> dict[str, Part]:
        """Return the parts it holds now."""
        return parts_of(self.db)

    def entries(self, part: Part) -> Iterator[Entry]:
        """Yield the rows of a part as they came."""
        return entries_of(self.db, part.n)

    def remove(self, n: int) -> None:
        """Take a part out."""
        for table in _BY_ID:
            self.db.execute(f"DELETE FROM {table} WHERE id >= ? AND id < ?", ids_of(n))  # noqa: S608
        self.db.execute(f"DROP TABLE IF EXISTS {stars_of(ids_of(n)[0])}")
        self.db.execute("DELETE FROM parts WHERE n = ?", (n,))

    def keep_only(self, n: int, like: int) -> None:
        """Take those rows out of a part whose things another part does not have."""
        gone = self.db.execute(
            "SELECT id FROM rows WHERE id >= ? AND id < ? AND identity NOT IN "
            "(SELECT identity FROM rows WHERE id >= ? AND id < ? AND identity IS NOT NULL)",
            (*ids_of(n), *ids_of(like)),
        ).fetchall()
        self.db.execute("CREATE TEMP TABLE gone(id INTEGER PRIMARY KEY)")
        self.db.executemany("INSERT INTO gone VALUES (?)", gone)
        for table in (*_BY_ID, "fresh"):
            self.db.execute(f"DELETE FROM {table} WHERE id IN (SELECT id FROM gone)")  # noqa: S608
        self.db.execute("DROP TABLE gone")
        self._gone.update(id_ for (id_,) in gone)
        for part in (part for part in self.parts().values() if part.n == n):
            part.rows -= len(gone)
            self.db.execute("UPDATE parts SET about = ? WHERE n = ?", (_encode(part), n))

    def add(
        self,
        part: Part,
        entries: Iterable[Entry] | Loader,
        progress: Progress = lambda done: None,
    ) -> int:
        """Add a part with its rows, in the place of one of the same number.

        Returns
        -------
        int
            How many rows it has.
        """
        if any(known.n == part.n for known in self.parts().values()):
            self.remove(part.n)
        self._added.add(part.n)
        first, _ = ids_of(part.n)
        with _uncollected():
            if isinstance(entries, Iterable):
                part.rows = self.write(first, entries, progress)
            else:
                part.rows = entries.load(self, first, progress)
        part.made = part.made or datetime.now(UTC).isoformat(timespec="seconds")
        self.db.execute("INSERT INTO parts VALUES (?, ?, ?)", (part.n, part.key, _encode(part)))
        return part.rows

    def write(
        self, first: int, entries: Iterable[Entry], progress: Progress = lambda done: None
    ) -> int:
        """Write entries with ids from ``first`` on; returns how many there were."""
        done, source = 0, iter(entries)
        while batch := list(itertools.islice(source, BATCH)):
            self._write(first + done, batch)
            done += len(batch)
            progress(done)
        return done

    def repeats(self, part: Part) -> bool:
        """Tell whether the rows of a part are there twice, as in a file put behind itself.

        A few of them are looked for: components of a star may well share a number and a place.
        """
        first, last = ids_of(part.n)
        step = max(1, part.rows // 20)
        mine = "FROM rows WHERE id >= ? AND id < ?"
        some = self.db.execute(
            f"SELECT DISTINCT sort, ra, dec {mine} AND (id - ?) % ? = 0 LIMIT 40",
            (first, last, first, step),
        ).fetchall()
        marks = ", ".join(["(?, ?, ?)"] * len(some))
        found = self.db.execute(
            f"SELECT count(*) {mine} AND (sort, ra, dec) IN (VALUES {marks})",
            (first, last, *itertools.chain(*some)),
        )
        return int(found.fetchone()[0]) >= 1.5 * len(some) > 0

    def positions(self) -> dict[str, tuple[float, float]]:
        """Return the position (ICRS, degrees) of all that has an identity, as it speaks first."""
        statement = (
            "SELECT identity, ra, dec, min(id) FROM rows WHERE identity IS NOT NULL "
            "GROUP BY identity"
        )
        return {identity: (ra, dec) for identity, ra, dec, _ in self.db.execute(statement)}

    def place(self, first: int, last: int) -> None:
        """Put rows that were written without their cells into the index of the sky."""
        statement = "SELECT id, ra, dec FROM rows WHERE id BETWEEN ? AND ?"
        self._positions.append(self.db.execute(statement, (first, last)).fetchall())

    def _write(self, n: int, batch: Sequence[Entry]) -> None:
        rows: list[tuple[Any, ...]] = []
        places: list[tuple[int, float, float]] = []
        names: list[tuple[str, int, int]] = []
        words: list[tuple[str, str, int]] = []
        for id_, entry in enumerate(batch, n):
            row = entry.row
            place = (row.ra_deg, row.dec_deg)
            rows.append((id_, entry.identity, natural(row.name), *place, _encode(row)))
            places.append((id_, *place))
            keys = keys_of(row) if entry.keys is None else entry.keys
            names += [(key, rank, id_) for key, rank in keys.items()]
            named = (row.name, *row.aliases)
            words += [(fold(name), name, id_) for name in named if is_word(name)]
        self._positions.append(places)
        self.db.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?, 1, ?)", rows)
        self.db.executemany("INSERT INTO fresh VALUES (?, ?, ?)", names)
        self.db.executemany("INSERT INTO words VALUES (?, ?, ?)", words)

    def _settle(self) -> None:
        """Decide who speaks first, and put what was added in its order."""
        with ThreadPoolExecutor(1) as beside:
            cells = beside.submit(zones.in_order, itertools.chain(*self._positions))
            order = "INSERT OR IGNORE INTO names SELECT * FROM fresh ORDER BY key, rank, id"
            self.db.execute(order)
            self._index("rows_identity")
            moved = self.db.execute(_MOVED).fetchall()
        silent = {id_ for id_, was_first, *_ in moved if was_first}
        gone = [
            (zones.cell(ra, dec), id_)
            for id_, was_first, ra, dec in moved
            if was_first and id_ // PART_IDS not in self._added
        ]
        self.db.executemany("DELETE FROM sky WHERE cell = ? AND id = ?", gone)
        speaking = [(id_, ra, dec) for id_, _, ra, dec in moved if id_ not in silent]
        unheard = silent | self._gone
        for rows in (cells.result(), zones.in_order(speaking)):
            heard = [row for row in rows if row[1] not in unheard]
            self.db.executemany("INSERT INTO sky VALUES (?, ?, ?, ?, ?)", heard)
        self.db.executemany(
            "UPDATE rows SET first = ? WHERE id = ?", [(not was, id_) for id_, was, *_ in moved]
        )
        self._index("rows_order")
        self._describe_planets()
        self.db.execute("INSERT INTO words(words) VALUES ('optimize')")
        self.db.execute("COMMIT")
        self.db.execute("PRAGMA analysis_limit = 1000")
        self.db.execute("ANALYZE")

    def _index(self, name: str) -> None:
        self.db.execute(f"CREATE INDEX {name} ON {_INDEXES[name]}")

    def _describe_planets(self) -> None:
        """Note what planets are filtered by."""
        self.db.execute("DELETE FROM planets")
        hosted = "SELECT DISTINCT r.id, r.identity, r.data FROM names n JOIN rows r ON r.id = n.id "
        found = self.db.execute(hosted + "WHERE n.rank = ?", (HOST_RANK,)).fetchall()
        planets = dict(together(self.db, *values) for values in found)
        measured = ("mass", "radius", "orbital_period")
        self.db.executemany(
            "INSERT INTO planets VALUES (?, ?, ?, ?, ?, ?)",
            [
                (
                    id_,
                    fold(row.detection_method or ""),
                    row.is_transiting,
                    *((getattr(row, name) or {}).get("value") for name in measured),
                )
                for id_, row in planets.items()
            ],
        )


_MOVED = """
WITH several AS MATERIALIZED (
  SELECT identity, min(id) AS speaks FROM rows WHERE identity IS NOT NULL
  GROUP BY identity HAVING count(*) > 1
)
SELECT r.id, r.first, r.ra, r.dec FROM several s JOIN rows r ON r.identity = s.identity
  WHERE r.first <> (r.id = s.speaks)
UNION ALL
SELECT id, first, ra, dec FROM rows
  WHERE NOT first AND identity NOT IN (SELECT identity FROM several)
"""
"""Rows that speak first from now on, or no longer."""


@contextmanager
def _uncollected() -> Iterator[None]:
    """Let Python not look for cycles among millions of new rows, which have none."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def is_word(name: str) -> bool:
    """Tell whether a name is one to be found by a part of it, not a number in a list."""
    letters = sum(char.isalpha() for char in name)
    return letters >= 3 and 2 * sum(char.isdigit() for char in name) < letters
