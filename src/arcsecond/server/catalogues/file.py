"""A catalogue on the disk: one SQLite file, read-only, that is replaced as a whole.

What it holds comes in parts, each from one source. Rows of different parts that
carry the same designation (``identity``) are one thing: the part with the lowest
number speaks first, the others fill in what it does not know. A file is never
changed where it lies: the next one is written beside it and renamed over it, and
readers open it anew.
"""

from __future__ import annotations

import contextlib
import difflib
import heapq
import math
import os
import re
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from arcsecond.errors import ConflictError
from arcsecond.server import zones
from arcsecond.server.catalogues.names import fold, forms
from arcsecond.server.catalogues.rows import (
    HOST_RANK,
    MEASURED,
    NUMBERED,
    SHARED_RANK,
    Row,
    merge,
    natural,
    star,
)

FORMAT = 1
"""Changes when files of before can no longer be read; they are then built anew."""

MOST_FOUND = 10_000
"""The most that a search or a cone yields: the first in order, or the nearest."""

MAPPED_BYTES = 1 << 32
"""What is read without asking the system for each page."""

PART_IDS = 1 << 40
"""Ids of part n begin at n times this, so that a lower id speaks first."""

decode = msgspec.json.Decoder(Row).decode


class Mark(msgspec.Struct, gc=False):
    """What a chart shows of a row: no more of it is decoded, of thousands of rows."""

    name: str
    ra_deg: float
    dec_deg: float
    types: list[str] = []
    fluxes: list[dict[str, Any]] = []
    size_arcmin: float | None = None
    id: int = 0
    v: float | None = None

    @property
    def is_star(self) -> bool:
        """Whether it is a star, or several of them that look like one."""
        kinds = [kind.lower() for kind in self.types]
        return any("star" in k and "cluster" not in k and "association" not in k for k in kinds)


_mark = msgspec.json.Decoder(Mark).decode


class Part(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One source of a catalogue.

    Attributes
    ----------
    n
        Its place: parts with a lower number are believed first.
    key
        Its name in the API.
    sources
        Citations by the short name that rows carry.
    origin
        How it came here: built in, imported, refreshed.
    made
        When, in ISO 8601; now, where it is not said.
    digest
        What it was read from: the same again changes nothing.
    """

    n: int
    key: str
    title: str
    version: str
    licence: str
    description: str
    sources: dict[str, str]
    bibcode: str | None = None
    url: str | None = None
    rows: int = 0
    origin: str = "built in"
    made: str = ""
    digest: str = ""


class Entry(msgspec.Struct, gc=False):
    """A row on its way into a file.

    Attributes
    ----------
    identity
        The designation that it shares with rows of other parts.
    keys
        What it is found by, where the source knows it faster than from the names.
    """

    row: Row
    identity: str | None = None
    keys: dict[str, int] | None = None


class CatalogueFile:
    """A catalogue, found by name, in order and around a position.

    Any number of threads may read at once; a file that was replaced is opened
    anew by the next call.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._name = str(path)
        self._local = threading.local()

    def parts(self) -> dict[str, Part]:
        """Return its parts by their keys, those that speak first at the front."""
        return self._opened().parts

    def cite(self, key: str, fact: str = "") -> str:
        """Return the citation of a row, or of a fact that its source took from elsewhere."""
        return self._opened().cite(key, fact)

    def citing(self) -> Callable[..., str]:
        """Return what ``cite`` does, for many citations of one state of the file."""
        return self._opened().cite

    def find(self, name: str) -> list[tuple[int, Row]]:
        """Return what has a name, however it is written, with its ids; mostly one or nothing."""
        db = self._opened().db
        for form in forms(name):
            if found := db.execute(_BY_NAME, (form,)).fetchall():
                rank = found[0][0]
                best = (together(db, *row[1:]) for row in found if row[0] == rank)
                rows = list(dict(best).items())
                return sorted(rows, key=_brightness) if rank == SHARED_RANK else rows
        return []

    def hosted(self, star: Row) -> list[Row]:
        """Return the planets of a star, by name."""
        opened = self._opened()
        return [told(opened.db, *planet) for planet in _hosted(opened, star.name, star.aliases)]

    def host(self, name: str) -> Row | None:
        """Return a star by its name, of which only its planets are known."""
        opened = self._opened()
        planets = _hosted(opened, name, ())
        if not planets:
            return None
        first = told(opened.db, *planets[0])
        place = (first.ra_deg, first.dec_deg)
        return Row(first.host or name, *place, first.source, types=["Star", "Planet host star"])

    def hosted_ids(self, name: str, aliases: Iterable[str]) -> list[int]:
        """Return the ids of the planets of a star, by name."""
        return [id_ for id_, _ in _hosted(self._opened(), name, aliases)]

    def row(self, id_: int) -> Row:
        """Return what all parts say together of one thing."""
        db = self._opened().db
        return together(db, *self._own(id_))[1]

    def after(
        self, key: tuple[str, int] | None, limit: int, part: str | None = None
    ) -> list[tuple[str, int]]:
        """Return sort key and id of what follows in order of name.

        Parameters
        ----------
        part
            List the rows of that part as they are, in its own order.
        """
        db = self._opened().db
        sort, id_ = key or ("", 0)
        if part is not None:
            first, last = ids_of(self.parts()[part].n)
            first = max(id_ + 1, first)
            statement = "SELECT '', id FROM rows WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"
            return db.execute(statement, (first, last, limit)).fetchall()
        return db.execute(_AFTER, (sort, id_, limit)).fetchall()

    def own_row(self, id_: int) -> Row:
        """Return what one part alone says."""
        _, _, data = self._own(id_)
        return told(self._opened().db, id_, data)

    def _own(self, id_: int) -> tuple[int, str | None, bytes | None]:
        found: tuple[int, str | None, bytes | None] | None
        found = self._opened().db.execute(_ONE, (id_,)).fetchone()
        if found is None:
            raise ConflictError("The catalogue was replaced just now; ask again.")
        return found

    def entries(self, part: Part) -> Iterator[Entry]:
        """Yield the rows of a part as they came."""
        yield from entries_of(self._opened().db, part.n)

    def identity(self, id_: int) -> str | None:
        """Return the designation that a thing is known by in all parts."""
        return self._own(id_)[1]

    def numbers(self, prefix: str) -> Iterator[tuple[str, str]]:
        """Yield the numbers of a list, such as "hd48915", with the identities they stand for."""
        ends = (f"{prefix}0", f"{prefix}:")
        yield from self._opened().db.execute(_NUMBERS, ends)

    def places(self) -> Iterator[tuple[str, float, float]]:
        """Yield identity and position (degrees) of all that has an identity."""
        yield from self._opened().db.execute(_PLACES)

    def count(self) -> int:
        """Return how many things there are."""
        return self._opened().count

    def search(self, text: str) -> list[int]:
        """Return what has a name that holds a text: those that begin with it first, by name."""
        db, sought = self._opened().db, fold(text)
        if not sought:
            return []
        begin = db.execute(_BEGIN, (sought, sought + "\U0010ffff", MOST_FOUND)).fetchall()
        hold: list[tuple[int, str]] = []
        if len(sought) >= 3:
            hold = db.execute(_HOLD, (_phrase(sought), MOST_FOUND)).fetchall()
        found = [id_ for id_, _ in (*sorted(begin, key=_order), *sorted(hold, key=_order))]
        return list(dict.fromkeys(found))

    def nearest_names(self, name: str) -> list[str]:
        """Return up to three names that look like one that was not found."""
        db, sought = self._opened().db, fold(name[:60])
        grams = list(dict.fromkeys(sought[i : i + 3] for i in range(len(sought) - 2)))
        shown: dict[str, str] = {}
        if grams:
            query = " OR ".join(map(_phrase, grams))
            shown = dict(db.execute(_ALIKE, (query,)).fetchall())
        for statement in (_NEXT, _BEFORE):
            for key, id_, data in db.execute(statement, (sought,)):
                row = told(db, id_, data)
                shown.setdefault(
                    key, next((n for n in (row.name, *row.aliases) if fold(n) == key), row.name)
                )
        close = difflib.get_close_matches(sought, shown, n=3, cutoff=0.6)
        return list(dict.fromkeys(shown[match] for match in close))

    def planets(self, where: Mapping[str, Any]) -> list[int]:
        """Return the ids of planets, by name, with a method, transiting or not, in ranges.

        Parameters
        ----------
        where
            By column: ``method``, ``is_transiting``, and the smallest and the
            largest ``mass`` (M_jup), ``radius`` (R_jup) and ``period`` (days).
        """
        terms, values = ["TRUE"], list[Any]()
        for column in ("method", "is_transiting"):
            if column in where:
                terms.append(f"p.{column} = ?")
                value = where[column]
                values.append(fold(value) if isinstance(value, str) else value)
        for column in ("mass", "radius", "period"):
            for sign, limit in zip((">=", "<="), where.get(column, ()), strict=False):
                if limit is not None:
                    terms.append(f"p.{column} {sign} ?")
                    values.append(limit)
        statement = (
            "SELECT p.id FROM planets p JOIN rows r ON r.id = p.id "  # noqa: S608  # our own words
            f"WHERE {' AND '.join(terms)} ORDER BY r.sort, r.id"
        )
        return [id_ for (id_,) in self._opened().db.execute(statement, values)]

    def around(self, ra_deg: float, dec_deg: float, radius_deg: float) -> list[tuple[float, int]]:
        """Return what lies within a cone (its edge included), nearest first, with its distance.

        All angles in degrees.
        """
        db = self._opened().db
        x, y, z = zones.unit_vector(ra_deg, dec_deg)
        here, most = (x, x, y, y, z, z), zones.chord_squared(radius_deg)
        near: list[tuple[float, int]] = []
        for first, last, _inside in zones.cone(ra_deg, dec_deg, radius_deg):
            near += db.execute(_CELLS, (*here, first, last, most))
        near = heapq.nsmallest(MOST_FOUND, near) if len(near) > MOST_FOUND else sorted(near)
        return [(zones.angle_deg(chord), id_) for chord, id_ in near]

    def marks(self, ra_deg: float, dec_deg: float, radius_deg: float) -> list[Mark]:
        """Return what a chart of a cone shows, in no order; ``v`` where a magnitude is known.

        All angles in degrees.
        """
        db = self._opened().db
        x, y, z = zones.unit_vector(ra_deg, dec_deg)
        here, most = (x, x, y, y, z, z), zones.chord_squared(radius_deg)
        numbered: dict[int, list[int]] = {}
        found: list[Mark] = []
        for first, last, _inside in zones.cone(ra_deg, dec_deg, radius_deg):
            for id_, data in db.execute(_MARKS, (first, last, *here, most)):
                if data is None:
                    numbered.setdefault(id_ // PART_IDS, []).append(id_)
                    continue
                mark = _mark(data)
                mark.id, mark.v = id_, _magnitude(mark.fluxes)
                found.append(mark)
        for part, ids in numbered.items():
            found += _numbered_marks(db, part, ids)
        return found

    def nearest(self, ra_deg: float, dec_deg: float, count: int) -> list[tuple[float, int]]:
        """Return what is nearest to a position, with its distance in degrees."""
        for radius_deg in (0.05, 0.3, 2.0, 10.0, 45.0, 180.0):
            if len(found := self.around(ra_deg, dec_deg, radius_deg)) >= count:
                break
        return found[:count]

    def _opened(self) -> _Opened:
        stat = os.stat(self._name)  # several times in each look-up
        stamp = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        opened: _Opened | None = getattr(self._local, "opened", None)
        if opened is None or opened.stamp != stamp:
            if opened is not None:
                opened.db.close()
            opened = self._local.opened = _Opened(self.path, stamp)
        return opened


_BY_NAME = (
    "SELECT n.rank, r.id, r.identity, r.data FROM names n JOIN rows r ON r.id = n.id "
    "WHERE n.key = ? AND n.rank < 9 ORDER BY n.rank, n.id"
)
STAR_COLUMNS = (*NUMBERED, "v", *MEASURED)
_STAR = (
    "SELECT r.ra, r.dec, p.key, " + ", ".join(f"s.{name}" for name in STAR_COLUMNS) + " "
    "FROM rows r, parts p, {} s WHERE r.id = ? AND p.n = ? AND s.n = ?"
)
_AFTER = "SELECT sort, id FROM rows WHERE first AND (sort, id) > (?, ?) ORDER BY sort, id LIMIT ?"
_ONE = "SELECT id, identity, data FROM rows WHERE id = ?"
_NUMBERS = (
    "SELECT n.key, r.identity FROM names n JOIN rows r ON r.id = n.id "
    "WHERE n.key >= ? AND n.key < ? AND n.rank = 0 AND r.identity IS NOT NULL"
)
_PLACES = "SELECT identity, ra, dec FROM rows WHERE identity IS NOT NULL AND first"
_SAME = "SELECT id, data FROM rows WHERE identity = ? ORDER BY id"
_HOSTED = (
    "SELECT id, data FROM rows WHERE first AND id IN (SELECT f.id FROM names n JOIN rows r "
    "ON r.id = n.id JOIN rows f ON f.identity = r.identity WHERE n.rank = ? AND n.key IN ({})) "
    "ORDER BY sort"
)
_BEGIN = (
    "SELECT f.id, n.key FROM names n JOIN rows r ON r.id = n.id JOIN rows f ON f.id = "
    "coalesce((SELECT min(s.id) FROM rows s WHERE s.identity = r.identity), r.id) "
    "WHERE n.key >= ? AND n.key < ? AND n.rank = 0 LIMIT ?"
)
_HOLD = (
    "SELECT f.id, w.key FROM words w JOIN rows r ON r.id = w.id JOIN rows f ON f.id = "
    "coalesce((SELECT min(s.id) FROM rows s WHERE s.identity = r.identity), r.id) "
    "WHERE words MATCH ? LIMIT ?"
)
_ALIKE = "SELECT key, shown FROM words WHERE words MATCH ? ORDER BY rank LIMIT 60"
_NEXT = (
    "SELECT n.key, r.id, r.data FROM names n JOIN rows r ON r.id = n.id "
    "WHERE n.key > ? AND n.rank = 0 ORDER BY n.key LIMIT 2"
)
_BEFORE = _NEXT.replace(">", "<").replace("ORDER BY n.key", "ORDER BY n.key DESC")
_CELLS = (
    "SELECT (x - ?) * (x - ?) + (y - ?) * (y - ?) + (z - ?) * (z - ?) AS chord, id FROM sky "
    "WHERE cell BETWEEN ? AND ? AND chord <= ?"
)


_MARKS = (
    "SELECT s.id, r.data FROM sky s JOIN rows r ON r.id = s.id WHERE s.cell BETWEEN ? AND ? AND "
    "(s.x - ?) * (s.x - ?) + (s.y - ?) * (s.y - ?) + (s.z - ?) * (s.z - ?) <= ?"
)
_TOGETHER = 500
"""Ids in one statement."""


def _magnitude(fluxes: Iterable[Mapping[str, Any]]) -> float | None:
    """Return V, or a magnitude near it."""
    known = {flux["name"]: flux["value"] for flux in fluxes}
    return next((float(known[band]) for band in ("V", "Hp", "B") if band in known), None)


def _numbered_marks(db: sqlite3.Connection, part: int, ids: Sequence[int]) -> Iterator[Mark]:
    """Yield marks of stars that have only numbers."""
    columns = ", ".join(f"s.{name}" for name in NUMBERED)
    for first in range(0, len(ids), _TOGETHER):
        some = ids[first : first + _TOGETHER]
        holes = ", ".join("?" * len(some))
        statement = (
            f"SELECT r.id, r.ra, r.dec, s.v, {columns} FROM rows r "  # noqa: S608  # our own words
            f"JOIN {stars_of(some[0])} s ON s.n = r.id - ? WHERE r.id IN ({holes})"
        )
        for id_, ra, dec, v, *numbers in db.execute(statement, (part * PART_IDS, *some)):
            names = zip(NUMBERED.values(), numbers, strict=True)
            name = next((f"{label} {number}" for label, number in names if number), "")
            yield Mark(name, ra, dec, ["Star"], id=id_, v=v)


def ids_of(n: int) -> tuple[int, int]:
    """Return the first id of a part, and the first that is none of it any more."""
    return n * PART_IDS, (n + 1) * PART_IDS


def parts_of(db: sqlite3.Connection) -> dict[str, Part]:
    """Return the parts of a file by their keys, those that speak first at the front."""
    found = db.execute("SELECT about FROM parts ORDER BY n")
    parts = (msgspec.json.decode(about, type=Part) for (about,) in found)
    return {part.key: part for part in parts}


def entries_of(db: sqlite3.Connection, n: int) -> Iterator[Entry]:
    """Yield the rows of a part as they came."""
    statement = "SELECT id, identity, data FROM rows WHERE id >= ? AND id < ?"
    for id_, identity, data in db.execute(statement, ids_of(n)):
        yield Entry(told(db, id_, data), identity)


def stars_of(id_: int) -> str:
    """Return the table of a part, by any id of it, where its stars lie that have only numbers."""
    return f"stars{id_ // PART_IDS}"


def told(db: sqlite3.Connection, id_: int, data: bytes | None) -> Row:
    """Return a row: as it was written or, of a star that has only numbers, from its columns."""
    if data is not None:
        return decode(data)
    n, number = divmod(id_, PART_IDS)
    found = db.execute(_STAR.format(stars_of(id_)), (id_, n, number))
    ra_deg, dec_deg, source, *values = found.fetchone()
    return star(ra_deg, dec_deg, source, dict(zip(STAR_COLUMNS, values, strict=True)))


def together(
    db: sqlite3.Connection, id_: int, identity: str | None, data: bytes | None
) -> tuple[int, Row]:
    """Return what all parts say of the thing that a row is about, and the id that stands for it."""
    if identity is None:
        return id_, told(db, id_, data)
    same = db.execute(_SAME, (identity,)).fetchall()
    return same[0][0], merge(told(db, *row) for row in same)


def _hosted(opened: _Opened, name: str, aliases: Iterable[str]) -> list[tuple[int, bytes | None]]:
    keys = [*forms(name), *map(fold, aliases)]
    keys = list(dict.fromkeys(key for key in keys if key in opened.hosts))
    if not keys:
        return []
    statement = _HOSTED.format(", ".join("?" * len(keys)))
    return opened.db.execute(statement, (HOST_RANK, *keys)).fetchall()


def _brightness(found: tuple[int, Row]) -> float:
    return min((flux["value"] for flux in found[1].fluxes if flux["name"] == "V"), default=math.inf)


def _order(found: tuple[int, str]) -> str:
    return natural(found[1])


def _phrase(text: str) -> str:
    """Quote a text for the full-text index."""
    return '"' + text.replace('"', '""') + '"'


class _Opened:
    """One connection of one thread to one state of the file."""

    def __init__(self, path: Path, stamp: tuple[int, int, int]) -> None:
        self.stamp = stamp
        self.db = read_only(path)
        self.parts = parts_of(self.db)
        self._sources: dict[tuple[str, str], str] = {}
        for part in self.parts.values():
            for key, text in part.sources.items():
                self._sources.update(_clauses(key, text))
        hosts = self.db.execute("SELECT key FROM names WHERE rank = ?", (HOST_RANK,))
        self.hosts = frozenset(key for (key,) in hosts) if self.has_planets() else frozenset()
        self.count = int(self.db.execute("SELECT count(*) FROM rows WHERE first").fetchone()[0])

    def cite(self, key: str, fact: str = "") -> str:
        """Return the citation of a row, or of a fact that its source took from elsewhere."""
        return self._sources.get((key, fact)) or self._sources.get((key, ""), key)

    def has_planets(self) -> bool:
        """Tell whether this is a catalogue of planets."""
        return self.db.execute("SELECT 1 FROM planets LIMIT 1").fetchone() is not None


_TOLD_APART = {
    "distance_pc": "distance", "spectral_type": "spectral type",
    "radial_velocity_km_s": "radial velocit",
}  # fmt: skip
_CLAUSE = re.compile(r"([^:]*?)(?:: | from )(.*)")


def _clauses(key: str, text: str) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield what a source cites, by fact: "Reid 2004; distance: GRAVITY Collaboration 2019"."""
    first, *others = text.split("; ")
    yield (key, ""), first
    for clause in others:
        if match := _CLAUSE.match(clause):
            for fact, label in _TOLD_APART.items():
                if label in match[1]:
                    yield (key, fact), match[2]


def read_only(path: Path) -> sqlite3.Connection:
    """Open a file that nobody changes where it lies."""
    address = f"file:{quote(str(path))}?mode=ro&immutable=1"
    db = sqlite3.connect(address, uri=True, check_same_thread=False)
    db.execute(f"PRAGMA mmap_size = {MAPPED_BYTES}")
    return db


def format_of(path: Path) -> str:
    """Return what a file was made by; "" when there is none, it is cut, or cannot be read."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        head = file.read(32)
        page, pages = int.from_bytes(head[16:18]), int.from_bytes(head[28:32])
        if path.stat().st_size < page * pages:
            return ""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(read_only(path)) as db:
        return str(db.execute("SELECT made_by FROM meta").fetchone()[0])
    return ""
