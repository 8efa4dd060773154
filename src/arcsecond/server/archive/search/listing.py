"""How a search is carried out: along its order, or from the condition that fewest files fulfil.

Either way an index alone yields numbers of files in the order of the result, a batch at a time
behind the last file seen; the other conditions test each batch, until a page is full. So a page
farther back costs as much as the first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from arcsecond.errors import InvalidInputError
from arcsecond.registry import COUNT_BOUND
from arcsecond.schemas.archive import FitsFile
from arcsecond.server.archive.files import select_visible, shape
from arcsecond.server.archive.index.tables import entries, numbers, terms
from arcsecond.server.archive.search.conditions import Between, Condition, In, Is, Test, among
from arcsecond.server.archive.tables import files
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.crud import Cursor, bad_cursor
from arcsecond.server.people.visibility import visible_to

COUNTED = 5_000
"""Files that are sorted rather than gone through in order."""

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
    statement
        Selects their keys.
    order
        What it is sorted by.
    told
        The conditions that all its files fulfil.
    """

    statement: sa.Select[Any]
    order: tuple[sa.ColumnElement[Any], ...]
    told: tuple[Condition, ...] = ()


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
            while (wanted := limit - len(found)) > 0:
                if not (keys := self._keys(connection, seen, wanted)):
                    break
                these = among(connection, files.c.pk, [key[-1] for key in keys])
                statement = select_visible(self.viewer).where(these)
                rows = {row.pk: row for row in connection.execute(statement)}
                found += [([*key], shape(rows[key[-1]])) for key in keys if key[-1] in rows]
                if len(keys) < wanted:
                    break
                seen = keys[-1]  # one that was deleted this very moment is no end of the list
        return found

    def count(self) -> int:
        """Count no further than the bound; what cannot be counted in time counts as that."""
        with self.backend.db.read() as connection:
            try:
                return len(self._keys(connection, None, COUNT_BOUND))
            except InvalidInputError:
                return COUNT_BOUND

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

    def _keys(self, connection: sa.Connection, seen: Key | None, limit: int) -> list[Key]:
        """Return the keys of the files that are found, at most so many."""
        way = self._along_the_order()
        told = len(way.told) == len(self.conditions)
        batch = limit if told else FIRST_BATCH * limit
        to_be_counted = not told
        if to_be_counted and (limit > LARGE_PAGE or any(c.is_rough for c in self.conditions)):
            way, to_be_counted = self._rarest(connection) or way, False
        kept: list[Key] = []
        walked = 0
        while True:
            some = self._batch(connection, way, seen, batch)
            kept += self._tested(connection, some, way)
            if len(kept) >= limit or len(some) < batch:
                return kept[:limit]
            seen = some[-1]
            walked += len(some)
            batch = min(GROWTH * batch, LARGEST_BATCH)
            if to_be_counted:
                way, to_be_counted = self._rarest(connection) or way, False
            elif walked > MOST_WALKED:
                raise InvalidInputError(
                    f"Of {walked:,} files only {len(kept)} are like this, and the search gave "
                    "up there. Ask for less at once, such as a night, a time or a telescope."
                )

    @cached_property
    def _order(self) -> tuple[str, ...]:
        match self.sort.by:
            case "added":
                return ("file",)
            case "start":
                return ("start", "file")
        return (VALUE, "start", "file")

    def _along_the_order(self) -> Way:
        """Return the way along all files, or along those of one word or dataset."""
        table, where, told = entries, list[Test](), list[Condition]()
        if self.sort.by == START:
            words = [c for c in self.conditions if isinstance(c, Is) and len(c.values) == 1]
            places = [c for c in self.conditions if isinstance(c, In) and len(c.datasets) == 1]
            told += (words or places)[:1]
            if words:
                table, where = terms, words[0].on_terms()
            elif places:
                where = [places[0].probe()]
            times = [c for c in self.conditions if isinstance(c, Between)]
            where += [test for one in times for test in one.on(table.c.start)]
            told += times
        elif self.sort.by != ADDED:
            table, where = numbers, [numbers.c.keyword == self.sort.by]
        order = tuple(table.c[name] for name in self._order)
        return Way(sa.select(*order).where(*where), order, tuple(told))

    def _rarest(self, connection: sa.Connection) -> Way | None:
        """Return the way from the condition that fewest files fulfil; None if all have many."""
        lists = [(c, found) for c in self.conditions if (found := c.found(connection)) is not None]
        if not lists:
            return None
        bounded = [found.limit(COUNTED + 1).subquery(f"n{n}") for n, (_, found) in enumerate(lists)]
        counted = [sa.select(sa.func.count()).select_from(b).scalar_subquery() for b in bounded]
        counts = connection.execute(sa.select(*counted)).one()
        fewest = min(range(len(lists)), key=counts.__getitem__)
        if counts[fewest] <= COUNTED:
            return self._from(*lists[fewest])
        # No farther than the datasets that are asked for, however many files they hold.
        inside = next(((c, found) for c, found in lists if isinstance(c, In)), None)
        return None if inside is None else self._from(*inside)

    def _from(self, condition: Condition, found: sa.Select[Any]) -> Way:
        """Return the way from the files that fulfil a condition, which are sorted."""
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
        return Way(sa.select(*order).select_from(source).where(*where), order, (condition,))

    def _batch(
        self, connection: sa.Connection, way: Way, seen: Key | None, limit: int
    ) -> list[Key]:
        """Return the keys of the next files of a way."""
        statement = way.statement
        if seen is not None:
            key, place = sa.tuple_(*way.order), sa.tuple_(*map(sa.literal, seen))
            statement = statement.where(key < place if self.sort.descending else key > place)
        directed = (c.desc() if self.sort.descending else c.asc() for c in way.order)
        found = connection.execute(statement.order_by(*directed).limit(limit))
        return [tuple(row) for row in found]

    def _tested(self, connection: sa.Connection, some: list[Key], way: Way) -> list[Key]:
        """Return those files of a batch that fulfil all conditions."""
        if not some:
            return []
        statement = (
            sa.select(files.c.pk)
            .join(entries, entries.c.file == files.c.pk)
            .where(among(connection, files.c.pk, [key[-1] for key in some]))
            .where(visible_to(self.viewer, files))
            .where(*(c.probe() for c in self.conditions if c not in way.told))
        )
        kept: set[int] = set(connection.scalars(statement))
        for condition in self.conditions:
            if condition.is_rough and kept:
                kept = condition.exactly(connection, kept)
        return [key for key in some if key[-1] in kept]
