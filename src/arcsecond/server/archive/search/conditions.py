"""What a search asks for, as conditions on the index.

Each condition can test an entry that is at hand (``probe``); most can also list the files
that fulfil it (``found``), each with its start, by which a search may begin. What they make
holds parameters in place of values, so that searches of one shape share their statements:
making one takes far longer than running it.
"""

from __future__ import annotations

import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Any, Self
from uuid import UUID

import sqlalchemy as sa

from arcsecond.server.archive.index.entries import folded
from arcsecond.server.archive.index.tables import LONGEST_TERM, NEVER, entries, numbers, terms
from arcsecond.server.archive.tables import files

Found = sa.Select[Any]
"""Starts and files: ``start``, ``file``."""

Test = sa.ColumnElement[bool]

Key = Any
"""Columns that hold what identifies a file: ``start`` and ``file``."""


@dataclass(frozen=True, slots=True)
class Condition(ABC):
    """Something that an entry fulfils or not.

    Attributes
    ----------
    label
        What the names of its parameters begin with; no other condition of a search has it.
    """

    label: str = field(default="", kw_only=True)

    def called(self, label: str) -> Self:
        """Return the same with a label."""
        return replace(self, label=label)

    @property
    @abstractmethod
    def shape(self) -> Hashable:
        """What it is but for its values: those of one shape make the same statements."""

    @abstractmethod
    def params(self, connection: sa.Connection) -> dict[str, Any]:
        """Return the values of its parameters."""

    @abstractmethod
    def probe(self) -> Test:
        """Return the test of an entry."""

    def found(self, dialect: str) -> Found | None:
        """Return the files that fulfil it, each once; None when they cannot be listed."""
        return None

    def evidence(self) -> dict[str, sa.ColumnElement[Any]]:
        """Return what is asked of a file to decide it, where the database finds too many."""
        return {}

    @property
    def is_rough(self) -> bool:
        """Whether the database finds some that do not fulfil it; then there is evidence."""
        return False

    def holds(self, evidence: sa.RowMapping) -> bool:
        """Tell whether a file that the database found fulfils it."""
        return True

    def bind(self, what: str, column: Any = None) -> sa.BindParameter[Any]:
        """Return one of its parameters, of the kind of a column, or else a number."""
        kind = sa.Double() if column is None else column.type
        return sa.bindparam(f"{self.label}_{what}", type_=kind)

    def _one_of(self, column: Any, several: bool) -> Test:
        if several:
            expanding = sa.bindparam(f"{self.label}_value", type_=column.type, expanding=True)
            return column.in_(expanding)  # type: ignore[no-any-return]
        return column == self.bind("value", column)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Is(Condition):
    """A text is one of some."""

    keyword: str
    values: tuple[str, ...]

    @property
    def shape(self) -> Hashable:
        """Its keyword, and whether there are several values."""
        return "is", self.keyword, len(self.values) > 1

    def params(self, connection: sa.Connection) -> dict[str, Any]:
        """Return the values."""
        several = len(self.values) > 1
        return {f"{self.label}_value": list(self.values) if several else self.values[0]}

    def probe(self) -> Test:
        """Look it up by its key, which is faster than to open the entry."""
        return self.probe_key(entries.c)

    def probe_key(self, key: Key) -> Test:
        """Look it up among its words."""
        same = terms.c.start == key.start, terms.c.file == key.file
        found = sa.select(terms.c.file).where(*self.on_terms(), *same).limit(1)
        # Not EXISTS: PostgreSQL would join all files of that word for the sake of a few.
        return found.scalar_subquery().is_not(None)

    def found(self, dialect: str) -> Found:
        """List them."""
        several = sa.select(terms.c.start, terms.c.file).where(*self.on_terms())
        return several if len(self.values) == 1 else several.distinct()

    def on_terms(self) -> list[Test]:
        """Return the tests of a word of the index."""
        one_of = self._one_of(terms.c.value, len(self.values) > 1)
        return [terms.c.keyword == self.keyword, one_of]


def escaped(pattern: str) -> str:
    """Return a pattern with * for any characters as SQL has it."""
    plain = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return plain.replace("*", "%")


@dataclass(frozen=True, slots=True)
class Like(Condition):
    """A text is like a pattern, with * for any characters."""

    keyword: str
    pattern: str

    @property
    def shape(self) -> Hashable:
        """Its keyword, and whether something stands before the first *."""
        return "like", self.keyword, bool(self._begin)

    def params(self, connection: sa.Connection) -> dict[str, Any]:
        """Return the pattern as SQL has it, and between which texts all like it lie."""
        ends = {"begin": self._begin, "end": self._begin + "\U0010ffff"} if self._begin else {}
        told = {"like": escaped(self.pattern), **ends}
        return {f"{self.label}_{name}": value for name, value in told.items()}

    def probe(self) -> Test:
        """Look into the entry."""
        return self._is_like(entries.c.texts[self.keyword].as_string())

    def found(self, dialect: str) -> Found | None:
        """List them where the pattern begins with something."""
        if not self._begin:
            return None
        return sa.select(terms.c.start, terms.c.file).where(
            terms.c.keyword == self.keyword,
            terms.c.value >= self.bind("begin", terms.c.value),
            terms.c.value < self.bind("end", terms.c.value),
            self._is_like(terms.c.value),
        )

    @property
    def _begin(self) -> str:
        return self.pattern.partition("*")[0]

    def _is_like(self, column: Any) -> Test:
        like: Test = column.like(self.bind("like", terms.c.value), escape="\\")
        return like


@dataclass(frozen=True, slots=True)
class NamedLike(Condition):
    """Its path in its dataset is like a pattern, with * for any characters.

    The index keeps the beginning of a path: by it files are found, and then the path tells.
    """

    pattern: str

    @property
    def shape(self) -> Hashable:
        """Whether something stands before the first *."""
        return "named like", bool(self._begin)

    def params(self, connection: sa.Connection) -> dict[str, Any]:
        """Return the pattern as SQL has it, and between which beginnings all like it lie."""
        ends = {"begin": self._begin, "end": self._begin + "\U0010ffff"} if self._begin else {}
        told = {"like": escaped(self.pattern), **ends}
        return {f"{self.label}_{name}": value for name, value in told.items()}

    def probe(self) -> Test:
        """Test its row."""
        path = sa.select(files.c.path).where(files.c.pk == entries.c.file).correlate(entries)
        return self._is_like(path.scalar_subquery())

    def found(self, dialect: str) -> Found | None:
        """List them where the pattern begins with something."""
        if not self._begin:
            return None
        near = sa.select(terms.c.start, terms.c.file).where(
            terms.c.keyword == "name",
            terms.c.value >= self.bind("begin", terms.c.value),
            terms.c.value < self.bind("end", terms.c.value),
        )
        return near.join(files, files.c.pk == terms.c.file).where(self._is_like(files.c.path))

    @property
    def _begin(self) -> str:
        # Shorter than what is kept, for what begins so is kept to its end or beyond.
        return folded(self.pattern.partition("*")[0])[: LONGEST_TERM // 2]

    def _is_like(self, column: Any) -> Test:
        like: Test = column.ilike(self.bind("like", terms.c.value), escape="\\")
        return like


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

    @property
    def shape(self) -> Hashable:
        """Its keyword, and which ends there are."""
        ends = self.low is None, self.high is None, self.open_low, self.open_high
        return "within", self.keyword, *ends

    def params(self, connection: sa.Connection) -> dict[str, Any]:
        """Return the ends."""
        ends = {"low": self.low, "high": self.high}
        return {f"{self.label}_{name}": end for name, end in ends.items() if end is not None}

    def _between(self, column: Any) -> list[Test]:
        tests: list[Test] = []
        if self.low is not None:
            low = self.bind("low")
            tests.append(column > low if self.open_low else column >= low)
        if self.high is not None:
            high = self.bind("high")
            tests.append(column < high if self.open_high else column <= high)
        return tests

    def probe(self) -> Test:
        """Look into the entry."""
        value = entries.c.numbers[self.keyword].as_float()
        return sa.and_(value.is_not(None), *self._between(value))

    def found(self, dialect: str) -> Found:
        """List them."""
        between = self._between(numbers.c.value)
        listed = sa.select(numbers.c.start, numbers.c.file)
        return listed.where(numbers.c.keyword == self.keyword, *between)


@dataclass(frozen=True, slots=True)
class Lacks(Condition):
    """A number of the index is not told."""

    keyword: str

    @property
    def shape(self) -> Hashable:
        """Its keyword."""
        return "lacks", self.keyword

    def params(self, connection: sa.Connection) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def probe(self) -> Test:
        """Look into the entry."""
        missing: Test = entries.c.numbers[self.keyword].as_float().is_(None)
        return missing


@dataclass(frozen=True, slots=True)
class Either(Condition):
    """One condition holds, or another: what looks like a number may be a text."""

    one: Condition
    other: Condition

    def called(self, label: str) -> Self:
        """Label both."""
        one, other = self.one.called(f"{label}a"), self.other.called(f"{label}b")
        return replace(self, label=label, one=one, other=other)

    @property
    def shape(self) -> Hashable:
        """Those of both."""
        return "either", self.one.shape, self.other.shape

    def params(self, connection: sa.Connection) -> dict[str, Any]:
        """Return those of both."""
        return self.one.params(connection) | self.other.params(connection)

    def probe(self) -> Test:
        """Test both."""
        return sa.or_(self.one.probe(), self.other.probe())

    def found(self, dialect: str) -> Found | None:
        """List both."""
        found = self.one.found(dialect), self.other.found(dialect)
        if found[0] is None or found[1] is None:
            return None
        both = sa.union(found[0], found[1]).subquery()
        return sa.select(both.c.start, both.c.file)

    @property
    def is_rough(self) -> bool:
        """One of both is."""
        return self.one.is_rough or self.other.is_rough

    def evidence(self) -> dict[str, sa.ColumnElement[Any]]:
        """Return that of the one that is rough, and whether the database finds the other."""
        both = self.one, self.other
        told: dict[str, sa.ColumnElement[Any]] = {}
        for condition in both:
            told |= condition.evidence()
        if told:
            told |= {f"{c.label}_is": c.probe() for c in both if not c.is_rough}
        return told

    def holds(self, evidence: sa.RowMapping) -> bool:
        """Tell it of either."""
        return any(
            c.holds(evidence) if c.is_rough else evidence[f"{c.label}_is"]
            for c in (self.one, self.other)
        )


@dataclass(frozen=True, slots=True)
class Not(Condition):
    """A keyword says something, but not this."""

    keyword: str
    condition: Condition

    def called(self, label: str) -> Self:
        """Label what it is not, too."""
        return replace(self, label=label, condition=self.condition.called(f"{label}n"))

    @property
    def shape(self) -> Hashable:
        """Its keyword, and the shape of what it is not."""
        return "not", self.keyword, self.condition.shape

    def params(self, connection: sa.Connection) -> dict[str, Any]:
        """Return those of what it is not."""
        return self.condition.params(connection)

    def probe(self) -> Test:
        """Test that it is there, and is another."""
        there = sa.or_(
            entries.c.texts[self.keyword].as_string().is_not(None),
            entries.c.numbers[self.keyword].as_float().is_not(None),
        )
        # What is no text is not like any, either.
        return sa.and_(there, sa.not_(sa.func.coalesce(self.condition.probe(), sa.false())))


@dataclass(frozen=True, slots=True)
class Between(Condition):
    """It began between two moments, in microseconds since 1970; the later one does not belong."""

    first: int | None
    last: int | None

    @property
    def shape(self) -> Hashable:
        """Whether there is an end."""
        return "between", self.last is None

    def params(self, connection: sa.Connection) -> dict[str, Any]:
        """Return the ends."""
        # What has no start did not begin before anything.
        ends = {"first": NEVER + 1 if self.first is None else self.first, "last": self.last}
        return {f"{self.label}_{name}": end for name, end in ends.items() if end is not None}

    def params_behind(self, start: int, *, descending: bool) -> dict[str, Any]:
        """Return that end which lies before a start that was seen, moved there.

        SQLite goes along an index from one bound; of this end and the key that was seen it
        would take this one, and walk over all that was seen already.
        """
        if not descending:
            # What has no start is behind no moment, whatever a cursor says.
            first = NEVER + 1 if self.first is None else self.first
            return {f"{self.label}_first": max(first, start)}
        return {} if self.last is None else {f"{self.label}_last": min(self.last, start + 1)}

    def on(self, column: Any) -> list[Test]:
        """Return the tests of a column that holds the start."""
        tests: list[Test] = [column >= self.bind("first", column)]
        if self.last is not None:
            tests.append(column < self.bind("last", column))
        return tests

    def probe(self) -> Test:
        """Test the entry."""
        return self.probe_key(entries.c)

    def probe_key(self, key: Key) -> Test:
        """Test the start."""
        return sa.and_(*self.on(key.start))

    def found(self, dialect: str) -> Found:
        """List them."""
        return sa.select(entries.c.start, entries.c.file).where(*self.on(entries.c.start))


@dataclass(frozen=True, slots=True)
class In(Condition):
    """It is in one of some datasets."""

    datasets: tuple[UUID, ...]

    @property
    def shape(self) -> Hashable:
        """Whether it is one."""
        return "in", len(self.datasets) == 1

    def params(self, connection: sa.Connection) -> dict[str, Any]:
        """Return the datasets."""
        one = len(self.datasets) == 1
        return {f"{self.label}_value": self.datasets[0] if one else list(self.datasets)}

    def probe(self) -> Test:
        """Test the entry."""
        return self._one_of(entries.c.dataset, len(self.datasets) != 1)

    def found(self, dialect: str) -> Found:
        """List them."""
        return sa.select(entries.c.start, entries.c.file).where(self.probe())


@dataclass(frozen=True, slots=True)
class These(Condition):
    """It is one of some files."""

    pks: tuple[int, ...]

    @property
    def shape(self) -> Hashable:
        """Nothing else than that."""
        return ("these",)

    def params(self, connection: sa.Connection) -> dict[str, Any]:
        """Return the files."""
        return {f"{self.label}_value": list(self.pks)}

    def probe(self) -> Test:
        """Test the entry."""
        return self._one_of(entries.c.file, several=True)

    def found(self, dialect: str) -> Found:
        """List them."""
        return sa.select(entries.c.start, entries.c.file).where(self.probe())


@dataclass(frozen=True, slots=True)
class Named(Condition):
    """It has this path in its dataset, exactly."""

    path: str

    @property
    def shape(self) -> Hashable:
        """There is one."""
        return "named"

    def params(self, connection: sa.Connection) -> dict[str, Any]:
        """Return the path, and what the index keeps of it."""
        path = unicodedata.normalize("NFC", self.path)
        return {f"{self.label}_path": path, f"{self.label}_folded": folded(self.path)}

    def probe(self) -> Test:
        """Test its row."""
        path = sa.select(files.c.path).where(files.c.pk == entries.c.file).correlate(entries)
        return path.scalar_subquery() == self.bind("path", files.c.path)

    def found(self, dialect: str) -> Found:
        """List those whose name is the same but for what the index does not keep of it."""
        alike = sa.select(terms.c.start, terms.c.file).where(
            terms.c.keyword == "name", terms.c.value == self.bind("folded", terms.c.value)
        )
        same = files.c.path == self.bind("path", files.c.path)
        return alike.join(files, files.c.pk == terms.c.file).where(same)
