"""How a search is carried out: along its order, or from the condition that fewest files fulfil.

Either way an index alone yields numbers of files in the order of the result, a batch at a time
behind the last file seen; the other conditions test each batch, until a page is full. So a page
farther back costs as much as the first.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import sqlalchemy as sa

from arcsecond.errors import GaveUpError
from arcsecond.registry import COUNT_BOUND
from arcsecond.schemas.archive import FitsFile
from arcsecond.server.archive.files import select_visible, shape
from arcsecond.server.archive.index.tables import entries, numbers, terms
from arcsecond.server.archive.search.conditions import (
    Between,
    Condition,
    In,
    Is,
    Lacks,
    Test,
    Within,
)
from arcsecond.server.archive.tables import files
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.db import among, these
from arcsecond.server.paging import Cursor, bad_cursor
from arcsecond.server.people.visibility import visible_to

COUNTED = 5_000
"""Files that are sorted rather than gone through in order."""

COUNTED_TOGETHER = COUNT_BOUND + 1
"""Keys that are held at once when they are counted."""

FEW = 300
"""It is counted that far first: of so few, nothing else has to be looked at for still fewer."""

NEAR = 1_000
"""Files at a place that are all looked at together."""

FIRST_BATCH = 3
"""Files of the first batch for each that is wanted, where they have to be tested."""

GROWTH = 4
LARGEST_BATCH = 1 << 14
MOST_WALKED = 400_000
"""Files that are gone through for one page: a second or so."""

LARGE_PAGE = 200
"""More than these are seldom found on the way: then conditions are counted first."""

START, ADDED = "start", "added"
VALUE = "value"
"""What a number of the index says."""

Key = tuple[Any, ...]
"""What a file is sorted by; its number comes last."""

Told = tuple[Condition, ...]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sort:
    """The order of a result.

    Attributes
    ----------
    by
        ``start``, ``added``, or a number of the index, and then ``start``; files that do not
        tell the number come last in either direction.
    """

    by: str = START
    descending: bool = True


@dataclass(frozen=True, slots=True)
class Way:
    """An index that yields files in the order of the result.

    Attributes
    ----------
    key
        What tells its statements from those of others.
    statement
        Selects their keys.
    order
        What it is sorted by.
    """

    key: Hashable
    statement: sa.Select[Any]
    order: tuple[sa.ColumnElement[Any], ...]


_MAKING = threading.Lock()
_STATEMENTS: dict[Hashable, Any] = {}
"""Made once for each shape of a search."""

MOST_STATEMENTS = 400
"""A tenth of a megabyte each."""


def made(key: Hashable, make: Callable[[], T]) -> T:
    """Return what was made for a key before, or make it."""
    if (there := _STATEMENTS.get(key)) is None:
        there = make()
        with _MAKING:
            while len(_STATEMENTS) >= MOST_STATEMENTS:
                del _STATEMENTS[next(iter(_STATEMENTS))]  # the oldest
            _STATEMENTS[key] = there
    found: T = there
    return found


@dataclass(frozen=True)
class SearchListing:
    """What is found, in its order."""

    backend: Backend
    viewer: Viewer
    conditions: tuple[Condition, ...]
    sort: Sort

    def rows(self, after: Cursor | None, limit: int) -> list[tuple[Cursor, FitsFile]]:
        """Return files behind a cursor."""
        seen = self._seen(after)
        found: list[tuple[Cursor, FitsFile]] = []
        with self.backend.db.read() as connection:
            dialect = connection.dialect.name
            statement = made(
                ("rows", self.viewer.sight, dialect),
                lambda: select_visible(self.viewer).where(among(dialect, files.c.pk)),
            )
            sure = False
            while (wanted := limit - len(found)) > 0:
                try:
                    keys = self.keys(connection, seen, wanted, sure=sure)
                except GaveUpError as error:
                    if sure:
                        raise _gave_up(error.walked, error.found + len(found)) from None
                    sure = True  # nobody is told how many there are that they may not see
                    continue
                if keys:
                    pks = these(dialect, [key[-1] for key in keys])
                    rows = {row.pk: row for row in connection.execute(statement, pks).all()}
                    found += [([*key], shape(rows[key[-1]])) for key in keys if key[-1] in rows]
                if len(keys) < wanted:
                    break
                # Not everybody may see every file, and one may be deleted this very moment.
                seen, sure = keys[-1], True
        return found

    def count(self, most: int) -> int:
        """Count no further than the bound.

        Raises
        ------
        GaveUpError
            Too many files would have to be looked at.
        """
        if self._order[0] == VALUE:  # an order leaves nothing out, and the usual one is faster
            return replace(self, sort=Sort()).count(most)
        counted, seen = 0, None
        with self.backend.db.read() as connection:
            while counted < most:
                wanted = min(most - counted, COUNTED_TOGETHER)
                try:
                    keys = self.keys(connection, seen, wanted)
                except GaveUpError as error:
                    raise _gave_up(error.walked, error.found + counted) from None
                counted += len(keys)
                if len(keys) < wanted:
                    break
                seen = keys[-1]
        return counted

    def _seen(self, after: Cursor | None) -> Key | None:
        if after is None:
            return None
        if len(after) != len(self._order):
            raise bad_cursor()
        key: list[float | None] = []
        for name, part in zip(self._order, after, strict=True):
            if part is None and name == VALUE:
                key.append(None)
                continue
            is_whole = name != VALUE
            if not isinstance(part, int | float) or not math.isfinite(part):
                raise bad_cursor()
            if is_whole and abs(part) >= 1 << 63:
                raise bad_cursor()
            key.append(int(part) if is_whole else float(part))
        return tuple(key)

    def keys(
        self, connection: sa.Connection, seen: Key | None, limit: int, *, sure: bool = True
    ) -> list[Key]:
        """Return the keys of the files that are found, at most so many.

        Parameters
        ----------
        sure
            Whether the viewer may see all of them; else that is not asked where nothing
            else has to be.
        """
        if self._order[0] != VALUE:
            return self._found(connection, seen, limit, sure=sure)
        found: list[Key] = []
        behind = None
        if seen is not None and seen[0] is None:
            behind = seen[1:]
        else:
            found = self._found(connection, seen, limit, sure=sure)
        told = any(isinstance(c, Within) and c.keyword == self.sort.by for c in self.conditions)
        if len(found) == limit or told or (not self.conditions and self._all_tell(connection)):
            return found
        try:
            rest = self._rest.keys(connection, behind, limit - len(found), sure=sure)
        except GaveUpError as error:
            if self._all_tell(connection):
                return found
            error.found += len(found)
            raise
        return found + [(None, *key) for key in rest]

    def _all_tell(self, connection: sa.Connection) -> bool:
        """Tell whether there is no file at all without the number that is sorted by."""
        telling = sa.select(sa.func.count()).where(numbers.c.keyword == self.sort.by)
        every = sa.select(sa.func.count()).select_from(entries)
        counts = sa.select(telling.scalar_subquery(), every.scalar_subquery())
        some, all_ = connection.execute(counts).one()
        return bool(some >= all_)

    @cached_property
    def _rest(self) -> SearchListing:
        """The files that do not tell the number that the others are sorted by."""
        lacking = Lacks(self.sort.by).called("rest")
        order = Sort(START, self.sort.descending)
        return replace(self, conditions=(*self.conditions, lacking), sort=order)

    def _found(
        self, connection: sa.Connection, seen: Key | None, limit: int, *, sure: bool
    ) -> list[Key]:
        """Return the keys of the files that are found and tell what they are sorted by."""
        params: dict[str, Any] = {}
        for condition in self.conditions:
            params |= condition.params(connection)
        if (near := self._near(connection, params, seen, limit, sure=sure)) is not None:
            return near
        way, told = self._along_the_order()
        to_be_counted = len(told) < len(self.conditions)
        if to_be_counted and (limit > LARGE_PAGE or any(c.is_rough for c in self.conditions)):
            way, told = self._rarest(connection, params) or (way, told)
            to_be_counted = False
        batch = self._first_batch(told, limit)
        kept: list[Key] = []
        walked = 0
        while True:
            looked = self._batch(connection, way, told, params, seen, batch, sure=sure)
            kept += self._held(looked, limit - len(kept))
            if len(kept) >= limit or len(looked) < batch:
                return kept
            seen = self._key(looked[-1])
            walked += len(looked)
            batch = _rounded(GROWTH * batch)
            if to_be_counted:
                to_be_counted = False
                if (rarest := self._rarest(connection, params)) is not None:
                    way, told = rarest
                    batch = self._first_batch(told, limit)
            elif walked > MOST_WALKED:
                raise _gave_up(walked, len(kept))

    def _near(
        self,
        connection: sa.Connection,
        params: Mapping[str, Any],
        seen: Key | None,
        limit: int,
        *,
        sure: bool,
    ) -> list[Key] | None:
        """Return what is found at a place, where there are few files at all; None elsewhere."""
        rough = next((c for c in self.conditions if c.is_rough), None)
        if rough is None or self._order[0] == VALUE:
            return None
        dialect = connection.dialect.name
        kept: list[Key] = []
        batch = _rounded(FIRST_BATCH * limit)
        while True:
            begun = seen is not None
            statement = self._made_near(rough, dialect, batch, sure=sure, begun=begun)
            if statement is None:
                return None
            found = connection.execute(statement, {**params, **self._behind(seen)})
            rows = found.mappings().all()
            if rows and rows[0]["near"] > NEAR:
                return None
            looked = [row for row in rows if row["held"]]
            kept += self._held(looked, limit - len(kept))
            if len(kept) >= limit or len(looked) < batch:
                return kept
            seen = self._key(looked[-1])

    def _made_near(
        self, rough: Condition, dialect: str, batch: int, *, sure: bool, begun: bool
    ) -> sa.Select[Any] | None:
        """Return what looks at all files that are near, and at a batch of those more closely.

        Of each it tells how many are ``near``, a little beyond the bound, and whether it is
        ``held`` by what its key alone is tested for: these come first, in their order.
        """
        down = self.sort.descending

        def make() -> sa.Select[Any] | None:
            if (found := rough.found(dialect)) is None:
                return None
            some = found.limit(_number(NEAR + 1)).subquery("some")
            place = tuple(some.c[name] for name in self._order)
            by_key = self._by_key(self.conditions)
            tests = [condition.probe_key(some.c) for condition in by_key]
            if begun:
                tests.insert(0, self._is_behind(place))
            counted = sa.func.count().over().label("near")
            held = sa.and_(sa.true(), *tests).label("held")
            columns = [*place, *self._besides(some.c), counted, held]
            order = (column.desc() if down else column.asc() for column in place)
            looked = sa.select(*columns).order_by(held.desc(), *order).limit(_number(batch))
            tested = self._tested(looked, (rough, *by_key), sure=sure)
            return self._in_order(tested, tested.selected_columns.held.desc())

        sight = self.viewer.sight if sure else None
        shapes = rough.label, _shapes(self.conditions)
        way = "near", dialect, self._order, NEAR
        return made((*way, sight, down, begun, batch, *shapes), make)

    def _key(self, row: sa.RowMapping) -> Key:
        return tuple(row[name] for name in self._order)

    def _held(self, rows: Iterable[sa.RowMapping], wanted: int) -> list[Key]:
        """Return the first of those that the database kept and that fulfil what it cannot tell."""
        rough = [condition for condition in self.conditions if condition.is_rough]
        found = (self._key(row) for row in rows if row["kept"] and all(c.holds(row) for c in rough))
        return list(itertools.islice(found, wanted))

    def _first_batch(self, told: Told, limit: int) -> int:
        """Return how many files are looked at first: more where conditions will refuse some."""
        left = len(self.conditions) - len(told) or any(c.is_rough for c in told)
        return _rounded(FIRST_BATCH * limit if left else limit)

    @cached_property
    def _order(self) -> tuple[str, ...]:
        match self.sort.by:
            case "added":
                return ("file",)
            case "start":
                return ("start", "file")
        return (VALUE, "start", "file")

    def _along_the_order(self) -> tuple[Way, Told]:
        """Return the way along all files, or along those of one word or dataset.

        With it come the conditions that all its files fulfil.
        """
        told = list[Condition]()
        if self.sort.by == START:
            words = [c for c in self.conditions if isinstance(c, Is) and len(c.values) == 1]
            places = [c for c in self.conditions if isinstance(c, In) and len(c.datasets) == 1]
            told += (words or places)[:1]
            told += [c for c in self.conditions if isinstance(c, Between)]
        key = ("along", self.sort.by, _shapes(told))
        return made(key, lambda: self._made_along(key, told)), tuple(told)

    def _made_along(self, key: Hashable, told: Sequence[Condition]) -> Way:
        table, where = entries, list[Test]()
        if self.sort.by not in (START, ADDED):
            table, where = numbers, [numbers.c.keyword == self.sort.by]
        for condition in told:
            match condition:
                case Is():
                    table, where = terms, condition.on_terms()
                case Between():
                    where += condition.on(table.c.start)
                case _:
                    where.append(condition.probe())
        order = tuple(table.c[name] for name in self._order)
        return Way(key, sa.select(*order, *self._besides(table.c)).where(*where), order)

    def _rarest(
        self, connection: sa.Connection, params: Mapping[str, Any]
    ) -> tuple[Way, Told] | None:
        """Return the way from the condition that fewest files fulfil; None if all have many."""
        dialect = connection.dialect.name
        listed = self._listed(dialect)
        if not listed:
            return None
        for most in (min(FEW, COUNTED), COUNTED) if len(listed) > 1 else (COUNTED,):
            statement = self._made_counts(dialect, listed, most)
            counts = connection.execute(statement, params).one()
            fewest = min(range(len(listed)), key=counts.__getitem__)
            if counts[fewest] <= most:
                break
        else:
            # No farther than the datasets that are asked for, however many files they hold.
            inside = (n for n, at in enumerate(listed) if isinstance(self.conditions[at], In))
            if (fewest := next(inside, -1)) < 0:
                return None
        condition = self.conditions[listed[fewest]]
        way = ("from", dialect, self.sort.by, _shapes([condition]))
        return made(way, lambda: self._made_from(way, condition, dialect)), (condition,)

    def _listed(self, dialect: str) -> list[int]:
        """Return the places of conditions whose files can be listed."""

        def make() -> list[int]:
            return [n for n, c in enumerate(self.conditions) if c.found(dialect) is not None]

        return made(("listed", dialect, _shapes(self.conditions)), make)

    def _made_counts(self, dialect: str, listed: Sequence[int], most: int) -> sa.Select[Any]:
        """Return what counts how many files fulfil each condition, a little beyond a bound."""

        def make() -> sa.Select[Any]:
            found = (self.conditions[n].found(dialect) for n in listed)
            some = [one.limit(_number(most + 1)).subquery() for one in found if one is not None]
            counts = [sa.select(sa.func.count()).select_from(one).scalar_subquery() for one in some]
            return sa.select(*counts)

        return made(("counts", dialect, most, _shapes(self.conditions)), make)

    def _made_from(self, key: Hashable, condition: Condition, dialect: str) -> Way:
        """Return the way from the files that fulfil a condition, which are sorted."""
        found = condition.found(dialect)
        assert found is not None
        some = found.subquery("some")
        keys: dict[str, sa.ColumnElement[Any]] = {name: some.c[name] for name in ("start", "file")}
        source: sa.FromClause = some
        where: list[Test] = []
        if self._order[0] == VALUE:
            keys[VALUE] = entries.c.numbers[self.sort.by].as_float()
            source = some.join(entries, entries.c.file == some.c.file)
            where.append(keys[VALUE].is_not(None))
        # "+ 0" keeps the database from going through the index of the order instead.
        order = tuple(keys[name] + 0 for name in self._order)
        named = (column.label(name) for name, column in zip(self._order, order, strict=True))
        selected = sa.select(*named, *self._besides(some.c)).select_from(source)
        return Way(key, selected.where(*where), order)

    def _besides(self, columns: Any) -> list[sa.ColumnElement[Any]]:
        """Return what a test by key takes and the order does not have."""
        return [] if START in self._order else [columns.start]

    def _batch(
        self,
        connection: sa.Connection,
        way: Way,
        told: Told,
        params: Mapping[str, Any],
        seen: Key | None,
        limit: int,
        *,
        sure: bool,
    ) -> Sequence[sa.RowMapping]:
        """Return the next files of a way, and of each whether it fulfils all conditions."""
        down, begun = self.sort.descending, seen is not None

        def make() -> sa.Select[Any]:
            statement = way.statement
            if begun:
                statement = statement.where(self._is_behind(way.order))
            directed = (c.desc() if down else c.asc() for c in way.order)
            some = statement.order_by(*directed).limit(_number(limit))
            return self._in_order(self._tested(some, told, sure=sure))

        sight = self.viewer.sight if sure else None
        shapes = _shapes(told), _shapes(self.conditions)
        statement = made(("batch", way.key, sight, down, begun, limit, *shapes), make)
        bound = {**params, **self._behind(seen)}
        if seen is not None and self._order[0] == "start":
            for condition in told:
                if isinstance(condition, Between):
                    bound |= condition.params_behind(int(seen[0]), descending=down)
        return connection.execute(statement, bound).mappings().all()

    def _is_behind(self, key: Iterable[sa.ColumnElement[Any]]) -> sa.ColumnElement[bool]:
        """Return the test that a key comes after the last one seen."""
        kinds: dict[str, Any] = {
            VALUE: sa.Double(), "start": sa.BigInteger(), "file": sa.BigInteger()
        }  # fmt: skip
        binds = [sa.bindparam(f"seen_{name}", type_=kinds[name]) for name in self._order]
        own, last = sa.tuple_(*key), sa.tuple_(*binds)
        return own < last if self.sort.descending else own > last

    def _behind(self, seen: Key | None) -> dict[str, Any]:
        """Return the parameters of that test."""
        return {f"seen_{n}": v for n, v in zip(self._order, seen or (), strict=False)}

    def _in_order(self, statement: sa.Select[Any], *first: sa.ColumnElement[Any]) -> sa.Select[Any]:
        """Return a statement sorted by the key that it selects."""
        key = (statement.selected_columns[name] for name in self._order)
        down = self.sort.descending
        return statement.order_by(*first, *(c.desc() if down else c.asc() for c in key))

    @staticmethod
    def _by_key(conditions: Iterable[Condition]) -> list[Between | Is]:
        """Return those that a key is enough to test; first those that need no look-up."""
        some = [c for c in conditions if isinstance(c, Between | Is)]
        return sorted(some, key=lambda condition: isinstance(condition, Is))

    def _tested(
        self, some: sa.Select[Any], told: Collection[Condition], *, sure: bool
    ) -> sa.Select[Any]:
        """Return what tells of some files whether they fulfil the conditions: ``kept``.

        With what is asked of those that the database cannot decide.

        Parameters
        ----------
        some
            Selects keys, as many as there should be.
        told
            Conditions that all of them fulfil.
        """
        looked = some.subquery("looked")
        left = [condition for condition in self.conditions if condition not in told]
        rough = [condition for condition in self.conditions if condition.is_rough]
        by_key = self._by_key(left)
        tests = [condition.probe_key(looked.c) for condition in by_key]
        tests += [condition.probe() for condition in left if condition not in by_key]
        more = [looked.c[name] for name in ("held", "near") if name in looked.c]
        # Of those that are not held nothing is looked up.
        own = sa.case((looked.c.held, looked.c.file)) if more else looked.c.file
        evidence: dict[str, sa.ColumnElement[Any]] = {}
        for condition in rough:
            evidence |= condition.evidence()
        source: sa.FromClause = looked
        last: sa.ColumnElement[Any] | None = None
        if tests or evidence:
            source = source.outerjoin(entries, sa.and_(entries.c.file == own, *tests))
            last = entries.c.file
        if sure:
            pk = own if last is None else last
            seen = sa.select(files.c.pk).where(files.c.pk == pk, visible_to(self.viewer, files))
            # Not a join: PostgreSQL would look for all files that somebody may see.
            last = seen.limit(1).correlate(looked, entries).scalar_subquery()
        kept = sa.true() if last is None else last.is_not(None)
        asked = (column.label(name) for name, column in evidence.items())
        keys = (looked.c[name] for name in self._order)
        return sa.select(*keys, *more, kept.label("kept"), *asked).select_from(source)


def _gave_up(walked: int, found: int) -> GaveUpError:
    error = GaveUpError(
        f"Of {walked:,} files only {found} are like this, and the search gave up there. "
        "Ask for less at once, such as a night, a time or a telescope."
    )
    error.walked, error.found = walked, found
    return error


def _rounded(batch: int) -> int:
    """Return a batch that is at least as large, of a few sizes: each is a statement of its own."""
    return min(1 << (batch - 1).bit_length(), LARGEST_BATCH)


def _number(number: int) -> sa.ColumnElement[int]:
    """Return a number that stands in the statement itself.

    PostgreSQL would take a parameter of LIMIT for a tenth of all rows, and plan for them.
    """
    return sa.literal_column(str(number), sa.Integer())


def _shapes(conditions: Iterable[Condition]) -> Hashable:
    return tuple((condition.label, condition.shape) for condition in conditions)
