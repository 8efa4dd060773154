"""What a search asks for, as conditions on the index.

Each condition can test an entry that is at hand (``probe``); most can also list the files
that fulfil it (``files``), by which a search may begin.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from arcsecond.server.archive.index.entries import folded
from arcsecond.server.archive.index.tables import entries, numbers, terms
from arcsecond.server.archive.tables import files
from arcsecond.server.zones import chord_squared, cone, unit_vector

MOST_SPANS = 400
"""Ranges of cells in one statement: a cone of 16 degrees, or less beside a pole."""

Files = sa.Select[tuple[int]]
Test = sa.ColumnElement[bool]


class Condition:
    """Something that an entry fulfils or not."""

    def probe(self) -> Test:
        """Return the test of an entry."""
        raise NotImplementedError

    def files(self) -> Files | None:
        """Return the files that fulfil it, in no order; None when they cannot be listed."""
        return None


@dataclass(frozen=True, slots=True)
class Is(Condition):
    """A text is one of some."""

    keyword: str
    values: tuple[str, ...]

    def probe(self) -> Test:
        """Look it up by its key, which is faster than to open the entry."""
        return sa.exists().where(
            terms.c.keyword == self.keyword,
            _one_of(terms.c.value, self.values),
            terms.c.start == entries.c.start,
            terms.c.file == entries.c.file,
        )

    def files(self) -> Files:
        """List them."""
        return sa.select(terms.c.file).where(
            terms.c.keyword == self.keyword, _one_of(terms.c.value, self.values)
        )


@dataclass(frozen=True, slots=True)
class Like(Condition):
    """A text is like a pattern, with * for any characters."""

    keyword: str
    pattern: str

    def probe(self) -> Test:
        """Look into the entry."""
        like: Test = entries.c.texts[self.keyword].as_string().like(self._like, escape="\\")
        return like

    def files(self) -> Files | None:
        """List them where the pattern begins with something."""
        begin = self.pattern.partition("*")[0]
        if not begin:
            return None
        return sa.select(terms.c.file).where(
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

    def files(self) -> Files:
        """List them."""
        between = self._between(numbers.c.value)
        return sa.select(numbers.c.file).where(numbers.c.keyword == self.keyword, *between)


@dataclass(frozen=True, slots=True)
class Either(Condition):
    """One condition holds, or another: what looks like a number may be a text."""

    one: Condition
    other: Condition

    def probe(self) -> Test:
        """Test both."""
        return sa.or_(self.one.probe(), self.other.probe())

    def files(self) -> Files | None:
        """List both."""
        found = self.one.files(), self.other.files()
        if found[0] is None or found[1] is None:
            return None
        both = sa.union_all(found[0], found[1]).subquery()
        return sa.select(both.c.file)


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

    def files(self) -> Files:
        """List them."""
        return sa.select(entries.c.file).where(*self.on(entries.c.start))


@dataclass(frozen=True, slots=True)
class In(Condition):
    """It is in one of some datasets."""

    datasets: tuple[UUID, ...]

    def probe(self) -> Test:
        """Test the entry."""
        return entries.c.dataset.in_(self.datasets)

    def files(self) -> Files:
        """List them."""
        return sa.select(entries.c.file).where(self.probe())


@dataclass(frozen=True, slots=True)
class Around(Condition):
    """Its position lies in a cone; all in degrees, ICRS."""

    ra_deg: float
    dec_deg: float
    radius_deg: float

    def probe(self) -> Test:
        """Test the distance."""
        x, y, z = unit_vector(self.ra_deg, self.dec_deg)
        dx, dy, dz = entries.c.x - x, entries.c.y - y, entries.c.z - z
        near: Test = dx * dx + dy * dy + dz * dz <= chord_squared(self.radius_deg)
        return near

    def files(self) -> Files | None:
        """List them by the strips of the sky that the cone covers."""
        if self.radius_deg > 20:
            return None
        spans = list(cone(self.ra_deg, self.dec_deg, self.radius_deg))
        if len(spans) > MOST_SPANS:
            return None
        rows = [
            sa.select(
                sa.literal(span.first, sa.BigInteger).label("first"),
                sa.literal(span.last, sa.BigInteger).label("last"),
            )
            for span in spans
        ]
        ranges = sa.union_all(*rows).subquery("ranges")
        return (
            sa.select(entries.c.file)
            .select_from(ranges)
            .join(entries, entries.c.cell.between(ranges.c.first, ranges.c.last))
            .where(self.probe())
        )


@dataclass(frozen=True, slots=True)
class Named(Condition):
    """It has this name in its dataset, exactly."""

    name: str

    def probe(self) -> Test:
        """Test its row."""
        return files.c.path == unicodedata.normalize("NFC", self.name)

    def files(self) -> Files:
        """List those whose name is the same but for what the index does not keep of it."""
        alike = sa.select(terms.c.file).where(
            terms.c.keyword == "name", terms.c.value == folded(self.name)
        )
        return sa.select(files.c.pk).where(files.c.pk.in_(alike), self.probe())


def _one_of(column: sa.ColumnElement[str], values: Sequence[str]) -> Test:
    return column == values[0] if len(values) == 1 else column.in_(values)
