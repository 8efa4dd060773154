"""What a search asks for, as conditions on the index.

Each condition can test an entry that is at hand (``probe``); most can also list the files
that fulfil it (``found``), each with its start, by which a search may begin.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from arcsecond.server.archive.index import areas
from arcsecond.server.archive.index.entries import folded
from arcsecond.server.archive.index.tables import SKY, entries, numbers, terms
from arcsecond.server.archive.tables import files, versions
from arcsecond.server.zones import unit_vector

if TYPE_CHECKING:
    from arcsecond.server.sphere import Shape

Found = sa.Select[Any]
"""Starts and files: ``start``, ``file``."""

Test = sa.ColumnElement[bool]


class Condition:
    """Something that an entry fulfils or not."""

    def probe(self) -> Test:
        """Return the test of an entry."""
        raise NotImplementedError

    def found(self, connection: sa.Connection) -> Found | None:
        """Return the files that fulfil it, each once; None when they cannot be listed."""
        return None

    @property
    def is_rough(self) -> bool:
        """Whether the database finds some that do not fulfil it."""
        return False

    def exactly(self, connection: sa.Connection, some: Collection[int]) -> set[int]:
        """Return those of some files that fulfil it."""
        these = among(connection, entries.c.file, some)
        statement = sa.select(entries.c.file).where(these, self.probe())
        return set(connection.scalars(statement))


@dataclass(frozen=True, slots=True)
class Is(Condition):
    """A text is one of some."""

    keyword: str
    values: tuple[str, ...]

    def probe(self) -> Test:
        """Look it up by its key, which is faster than to open the entry."""
        return sa.exists().where(
            *self.on_terms(),
            terms.c.start == entries.c.start,
            terms.c.file == entries.c.file,
        )

    def found(self, connection: sa.Connection) -> Found:
        """List them."""
        several = sa.select(terms.c.start, terms.c.file).where(*self.on_terms())
        return several if len(self.values) == 1 else several.distinct()

    def on_terms(self) -> list[Test]:
        """Return the tests of a word of the index."""
        return [terms.c.keyword == self.keyword, _one_of(terms.c.value, self.values)]


@dataclass(frozen=True, slots=True)
class Like(Condition):
    """A text is like a pattern, with * for any characters."""

    keyword: str
    pattern: str

    def probe(self) -> Test:
        """Look into the entry."""
        like: Test = entries.c.texts[self.keyword].as_string().like(self._like, escape="\\")
        return like

    def found(self, connection: sa.Connection) -> Found | None:
        """List them where the pattern begins with something."""
        begin = self.pattern.partition("*")[0]
        if not begin:
            return None
        return sa.select(terms.c.start, terms.c.file).where(
            terms.c.keyword == self.keyword,
            terms.c.value >= begin,
            terms.c.value < begin + "\U0010ffff",
            terms.c.value.like(self._like, escape="\\"),
        )

    @property
    def _like(self) -> str:
        escaped = self.pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return escaped.replace("*", "%")


@dataclass(frozen=True, slots=True)
class Within(Condition):
    """A number lies between two, or on one side of one.

    Attributes
    ----------
    open_low, open_high
        Whether an end itself does not belong to it.
    """

    keyword: str
    low: float | None
    high: float | None
    open_low: bool = False
    open_high: bool = False

    def _between(self, column: Any) -> list[Test]:
        tests: list[Test] = []
        if self.low is not None:
            tests.append(column > self.low if self.open_low else column >= self.low)
        if self.high is not None:
            tests.append(column < self.high if self.open_high else column <= self.high)
        return tests

    def probe(self) -> Test:
        """Look into the entry."""
        value = entries.c.numbers[self.keyword].as_float()
        return sa.and_(value.is_not(None), *self._between(value))

    def found(self, connection: sa.Connection) -> Found:
        """List them."""
        between = self._between(numbers.c.value)
        listed = sa.select(numbers.c.start, numbers.c.file)
        return listed.where(numbers.c.keyword == self.keyword, *between)


@dataclass(frozen=True, slots=True)
class Either(Condition):
    """One condition holds, or another: what looks like a number may be a text."""

    one: Condition
    other: Condition

    def probe(self) -> Test:
        """Test both."""
        return sa.or_(self.one.probe(), self.other.probe())

    def found(self, connection: sa.Connection) -> Found | None:
        """List both."""
        found = self.one.found(connection), self.other.found(connection)
        if found[0] is None or found[1] is None:
            return None
        both = sa.union(found[0], found[1]).subquery()
        return sa.select(both.c.start, both.c.file)

    @property
    def is_rough(self) -> bool:
        """One of both is."""
        return self.one.is_rough or self.other.is_rough

    def exactly(self, connection: sa.Connection, some: Collection[int]) -> set[int]:
        """Test both."""
        return self.one.exactly(connection, some) | self.other.exactly(connection, some)


@dataclass(frozen=True, slots=True)
class Not(Condition):
    """A keyword says something, but not this."""

    keyword: str
    condition: Condition

    def probe(self) -> Test:
        """Test that it is there, and is another."""
        there = sa.or_(
            entries.c.texts[self.keyword].as_string().is_not(None),
            entries.c.numbers[self.keyword].as_float().is_not(None),
        )
        return sa.and_(there, sa.not_(self.condition.probe()))


@dataclass(frozen=True, slots=True)
class Between(Condition):
    """It began between two moments, in microseconds since 1970; the later one does not belong."""

    first: int | None
    last: int | None

    def on(self, column: sa.ColumnElement[int]) -> list[Test]:
        """Return the tests of a column that holds the start."""
        tests: list[Test] = [] if self.first is None else [column >= self.first]
        if self.last is not None:
            tests.append(column < self.last)
        return tests

    def probe(self) -> Test:
        """Test the entry."""
        return sa.and_(*self.on(entries.c.start))

    def found(self, connection: sa.Connection) -> Found:
        """List them."""
        return sa.select(entries.c.start, entries.c.file).where(*self.on(entries.c.start))


@dataclass(frozen=True, slots=True)
class In(Condition):
    """It is in one of some datasets."""

    datasets: tuple[UUID, ...]

    def probe(self) -> Test:
        """Test the entry."""
        return entries.c.dataset.in_(self.datasets)

    def found(self, connection: sa.Connection) -> Found:
        """List them."""
        return sa.select(entries.c.start, entries.c.file).where(self.probe())


@dataclass(frozen=True, slots=True)
class Touches(Condition):
    """Its footprint has a point in common with a shape, or its position lies in it.

    Attributes
    ----------
    shown
        Whether it has to have a footprint: then a position alone is not enough.
    """

    shape: Shape
    shown: bool = False

    def probe(self) -> Test:
        """Test the circle around it, which may touch the shape where the footprint does not."""
        return self._test(entries.c)

    def _test(self, columns: Any) -> Test:
        ra_deg, dec_deg, radius_deg = self.shape.around
        # "+ 0" keeps the database from looking for these by their cells.
        placed: Test = columns.cell + 0 >= areas.bounds(areas.POINT + self.shown)[0]
        if radius_deg > areas.WIDE_DEG:
            return placed
        x, y, z = unit_vector(ra_deg, dec_deg)
        radius = math.radians(radius_deg) + areas.SLACK
        # The cosine of the angle between both middles, and that of the sum of both radii.
        between = columns.x * x + columns.y * y + columns.z * z
        farthest = columns.cosine * math.cos(radius) - columns.sine * math.sin(radius)
        return sa.and_(placed, between >= farthest)

    def found(self, connection: sa.Connection) -> Found | None:
        """List those that are near, by the strips of the sky."""
        ranges = list(areas.cells_near(*self.shape.around, self._there(connection)))
        if not ranges:
            return sa.select(entries.c.start, entries.c.file).where(sa.false())
        some = _ranges(connection, ranges)
        within = entries.c.cell.between(some.c.first, some.c.last)
        if connection.dialect.name == "sqlite":
            return (
                sa.select(entries.c.start, entries.c.file)
                .select_from(some)
                .join(entries, within)
                .where(self.probe())
            )
        # Range by range, by the index: PostgreSQL thinks that a cone holds a third of all there is.
        columns = (entries.c[name] for name in SKY)
        inside = sa.select(*columns).where(within).offset(0).lateral("inside")
        listed = sa.select(inside.c.start, inside.c.file).select_from(some)
        return listed.join(inside, sa.true()).where(self._test(inside.c))

    @property
    def _reaches(self) -> range:
        return range(areas.POINT + self.shown, areas.CLASSES)

    def _there(self, connection: sa.Connection) -> list[int]:
        """Return those classes of which there are files."""
        told = connection.execute(_CLASSES).one()
        return [reach for reach in self._reaches if told[reach]]

    @property
    def is_rough(self) -> bool:
        """It is, but for positions in a circle."""
        return True

    def exactly(self, connection: sa.Connection, some: Collection[int]) -> set[int]:
        """Look at the footprints themselves."""
        newest = sa.and_(versions.c.file == files.c.pk, versions.c.n == files.c.current)
        statement = (
            sa.select(entries.c.file, entries.c.x, entries.c.y, entries.c.z, versions.c.footprint)
            .join(files, files.c.pk == entries.c.file)
            .join(versions, newest)
            .where(among(connection, entries.c.file, some))
        )
        found = set()
        for file, x, y, z, footprint in connection.execute(statement):
            if x is None:  # found by something else
                continue
            if footprint is None:
                if not self.shown and self.shape.holds((x, y, z)):
                    found.add(file)
            elif any(map(self.shape.touches_corners, footprint["polygons"])):
                found.add(file)
        return found


_CLASSES = sa.select(
    *(
        sa.exists().where(entries.c.cell.between(*areas.bounds(reach))).label(f"r{reach}")
        for reach in range(areas.CLASSES)
    )
)
"""Asks of which classes there are files."""


def among(
    connection: sa.Connection, column: sa.ColumnElement[int], numbers: Collection[int]
) -> Test:
    """Return the test that a column has one of some numbers, by the same statement for any."""
    if connection.dialect.name == "sqlite":
        each = sa.func.json_each(sa.literal(json.dumps([*numbers]))).table_valued("value")
        return column.in_(sa.select(each.c.value))
    return column == sa.any_(sa.literal([*numbers], ARRAY(sa.BigInteger)))


def _ranges(connection: sa.Connection, ranges: list[tuple[int, int]]) -> sa.FromClause:
    """Return ranges as a table whose statement is the same however many they are.

    So it is made once: making it takes far longer than running it.
    """
    if connection.dialect.name == "sqlite":
        each = sa.func.json_each(sa.literal(json.dumps(ranges))).table_valued("value")
        ends = (
            sa.cast(sa.func.json_extract(each.c.value, f"$[{n}]"), sa.BigInteger).label(name)
            for n, name in enumerate(("first", "last"))
        )
        return sa.select(*ends).subquery("near")
    array = ARRAY(sa.BigInteger)
    firsts, lasts = (sa.literal([one[n] for one in ranges], array) for n in (0, 1))
    near = sa.func.unnest(firsts, lasts).table_valued(
        sa.column("first", sa.BigInteger), sa.column("last", sa.BigInteger)
    )
    return near.render_derived("near")


@dataclass(frozen=True, slots=True)
class Named(Condition):
    """It has this name in its dataset, exactly."""

    name: str

    def probe(self) -> Test:
        """Test its row."""
        return files.c.path == unicodedata.normalize("NFC", self.name)

    def found(self, connection: sa.Connection) -> Found:
        """List those whose name is the same but for what the index does not keep of it."""
        alike = sa.select(terms.c.start, terms.c.file).where(
            terms.c.keyword == "name", terms.c.value == folded(self.name)
        )
        return alike.join(files, files.c.pk == terms.c.file).where(self.probe())


def _one_of(column: sa.ColumnElement[str], values: Sequence[str]) -> Test:
    return column == values[0] if len(values) == 1 else column.in_(values)
