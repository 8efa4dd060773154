"""How a search is carried out: along its order, or from the condition that fewest files fulfil.

Either way an index alone yields numbers of files in the order of the result, a batch at a time
behind the last file seen; the other conditions test each batch, until a page is full. So a page
farther back costs as much as the first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
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
    Either,
    In,
    Is,
    Test,
    among,
    these,
)
from arcsecond.server.archive.tables import files, versions
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.crud import Cursor, bad_cursor
from arcsecond.server.people.visibility import visible_to

COUNTED = 5_000
"""Files that are sorted rather than gone through in order."""

COUNTED_TOGETHER = COUNT_BOUND + 1
"""Keys that are held at once when they are counted."""

FEW = 300
"""It is counted that far first: of so few, nothing else has to be looked at for still fewer."""

FIRST_BATCH = 3
"""Files of the first batch for each that is wanted, where they have to be tested."""

GROWTH = 4
LARGEST_BATCH = 20_000
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
        ``start``, ``added``, or a number of the index, and then ``start``.
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


_STATEMENTS: dict[Hashable, Any] = {}
"""Made once for each shape of a search."""

MOST_STATEMENTS = 2_000


def made(key: Hashable, make: Callable[[], T]) -> T:
    """Return what was made for a key before, or make it."""
    if (there := _STATEMENTS.get(key)) is None:
        if len(_STATEMENTS) >= MOST_STATEMENTS:
            _STATEMENTS.clear()
        there = _STATEMENTS[key] = make()
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
                if keys := self._keys(connection, seen, wanted, sure=sure):
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
        counted, seen = 0, None
        with self.backend.db.read() as connection:
            while counted < most:
                wanted = min(most - counted, COUNTED_TOGETHER)
                try:
                    keys = self._keys(connection, seen, wanted)
                except GaveUpError as error:
                    error.found += counted
                    raise
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
        key: list[float] = []
        for name, part in zip(self._order, after, strict=True):
            is_whole = name != VALUE
            if not isinstance(part, int | float) or not math.isfinite(part):
                raise bad_cursor()
            if is_whole and abs(part) >= 1 << 63:
                raise bad_cursor()
            key.append(int(part) if is_whole else float(part))
        return tuple(key)

    def _keys(
        self, connection: sa.Connection, seen: Key | None, limit: int, *, sure: bool = True
    ) -> list[Key]:
        """Return the keys of the files that are found, at most so many.

        Parameters
        ----------
        sure
            Whether the viewer may see all of them; else that is not asked where nothing
            else has to be.
        """
        params: dict[str, Any] = {}
        for condition in self.conditions:
            params |= condition.params(connection)
        if (few := self._few(connection, params)) is not None:
            return self._of_few(connection, *few, params, seen, limit)
        way, told = self._along_the_order()
        to_be_counted = len(told) < len(self.conditions)
        if to_be_counted and (limit > LARGE_PAGE or any(c.is_rough for c in self.conditions)):
            way, told = self._rarest(connection, params) or (way, told)
            to_be_counted = False
        batch = self._first_batch(told, limit)
        kept: list[Key] = []
        walked = 0
        while True:
            some = self._batch(connection, way, params, seen, batch)
            if sure or len(told) < len(self.conditions) or any(c.is_rough for c in told):
                kept += self._tested(connection, some, params, told, limit - len(kept))
            else:
                kept += some
            if len(kept) >= limit or len(some) < batch:
                return kept[:limit]
            seen = some[-1]
            walked += len(some)
            batch = min(GROWTH * batch, LARGEST_BATCH)
            if to_be_counted:
                to_be_counted = False
                if (rarest := self._rarest(connection, params)) is not None:
                    way, told = rarest
                    batch = self._first_batch(told, limit)
            elif walked > MOST_WALKED:
                error = GaveUpError(
                    f"Of {walked:,} files only {len(kept)} are like this, and the search gave "
                    "up there. Ask for less at once, such as a night, a time or a telescope."
                )
                error.found = len(kept)
                raise error

    def _few(
        self, connection: sa.Connection, params: Mapping[str, Any]
    ) -> tuple[list[Key], Condition] | None:
        """Return the keys of all files at a place, where there are few; None elsewhere."""
        rough = next((c for c in self.conditions if c.is_rough), None)
        if rough is None or self._order[0] == VALUE:
            return None
        dialect = connection.dialect.name

        def make() -> sa.Select[Any] | None:
            if (found := rough.found(dialect)) is None:
                return None
            some = found.limit(FEW + 1).subquery("few")
            return sa.select(*(some.c[name] for name in self._order))

        statement = made(("few", dialect, self._order, _shapes([rough])), make)
        if statement is None:
            return None
        keys: list[Key] = [tuple(row) for row in connection.execute(statement, params)]
        return (keys, rough) if len(keys) <= FEW else None

    def _of_few(
        self,
        connection: sa.Connection,
        keys: list[Key],
        told: Condition,
        params: Mapping[str, Any],
        seen: Key | None,
        limit: int,
    ) -> list[Key]:
        """Return those of few that are found behind a key, in their order."""
        down = self.sort.descending
        if seen is not None:
            keys = [key for key in keys if (key < seen if down else key > seen)]
        keys.sort(reverse=down)
        kept: list[Key] = []
        batch = FIRST_BATCH * limit
        for first in range(0, len(keys), batch):
            some = keys[first : first + batch]
            kept += self._tested(connection, some, params, (told,), limit - len(kept))
            if len(kept) >= limit:
                break
        return kept

    def _first_batch(self, told: Told, limit: int) -> int:
        """Return how many files are looked at first: more where conditions will refuse some."""
        left = len(self.conditions) - len(told) or any(c.is_rough for c in told)
        return FIRST_BATCH * limit if left else limit

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
        return Way(key, sa.select(*order).where(*where), order)

    def _rarest(
        self, connection: sa.Connection, params: Mapping[str, Any]
    ) -> tuple[Way, Told] | None:
        """Return the way from the condition that fewest files fulfil; None if all have many."""
        dialect = connection.dialect.name
        key = ("counts", dialect, _shapes(self.conditions))
        statement, listed = made(key, lambda: self._made_counts(dialect))
        if not listed:
            return None
        for most in (min(FEW, COUNTED), COUNTED) if len(listed) > 1 else (COUNTED,):
            counts = connection.execute(statement, {**params, "counted": most + 1}).one()
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

    def _made_counts(self, dialect: str) -> tuple[sa.Select[Any], list[int]]:
        """Return what counts how many files fulfil each condition, and which these are."""
        found = [condition.found(dialect) for condition in self.conditions]
        listed = [n for n, some in enumerate(found) if some is not None]
        most = sa.bindparam("counted", type_=sa.Integer())
        some = [one.limit(most).subquery() for one in found if one is not None]
        counts = [sa.select(sa.func.count()).select_from(one).scalar_subquery() for one in some]
        return sa.select(*counts), listed

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
        return Way(key, sa.select(*order).select_from(source).where(*where), order)

    def _batch(
        self,
        connection: sa.Connection,
        way: Way,
        params: Mapping[str, Any],
        seen: Key | None,
        limit: int,
    ) -> list[Key]:
        """Return the keys of the next files of a way."""
        down, begun = self.sort.descending, seen is not None

        def make() -> sa.Select[Any]:
            statement = way.statement
            if begun:
                kinds: dict[str, Any] = {
                    VALUE: sa.Double(),
                    "start": sa.BigInteger(),
                    "file": sa.BigInteger(),
                }
                binds = [sa.bindparam(f"seen_{name}", type_=kinds[name]) for name in self._order]
                key, place = sa.tuple_(*way.order), sa.tuple_(*binds)
                statement = statement.where(key < place if down else key > place)
            directed = (c.desc() if down else c.asc() for c in way.order)
            return statement.order_by(*directed).limit(sa.bindparam("most", type_=sa.Integer()))

        statement = made(("batch", way.key, down, begun), make)
        behind = {f"seen_{n}": v for n, v in zip(self._order, seen or (), strict=False)}
        found = connection.execute(statement, {**params, **behind, "most": limit})
        return [tuple(row) for row in found]

    def _tested(
        self,
        connection: sa.Connection,
        some: list[Key],
        params: Mapping[str, Any],
        told: Collection[Condition],
        wanted: int,
    ) -> list[Key]:
        """Return those files of a batch that fulfil all conditions, at most so many."""
        left = [c for c in self.conditions if c not in told]
        if START in self._order:
            at = self._order.index(START)
            times = [c for c in left if isinstance(c, Between)]
            some = [key for key in some if all(c.has(key[at]) for c in times)]
            left = [c for c in left if c not in times]
        if not some:
            return []
        dialect = connection.dialect.name
        rough = [c for c in self.conditions if c.is_rough]

        def make() -> sa.Select[Any]:
            statement = sa.select(files.c.pk).where(among(dialect, files.c.pk))
            if left or any(isinstance(c, Either) for c in rough):
                statement = statement.join(entries, entries.c.file == files.c.pk)
                statement = statement.where(*(condition.probe() for condition in left))
            if rough:
                newest = sa.and_(versions.c.file == files.c.pk, versions.c.n == files.c.current)
                evidence: dict[str, sa.ColumnElement[Any]] = {}
                for condition in rough:
                    evidence |= condition.evidence()
                statement = statement.join(versions, newest).add_columns(
                    *(column.label(name) for name, column in evidence.items())
                )
            return statement.where(visible_to(self.viewer, files))

        shape = _shapes(left), _shapes(rough)
        statement = made(("tested", dialect, self.viewer.sight, *shape), make)
        pks = these(dialect, [key[-1] for key in some])
        rows = connection.execute(statement, {**params, **pks}).mappings()
        found = {row["pk"]: row for row in rows}
        kept: list[Key] = []
        for key in some:
            row = found.get(key[-1])
            if row is not None and all(condition.holds(row) for condition in rough):
                kept.append(key)
                if len(kept) == wanted:
                    break
        return kept


def _shapes(conditions: Iterable[Condition]) -> Hashable:
    return tuple((condition.label, condition.shape) for condition in conditions)
