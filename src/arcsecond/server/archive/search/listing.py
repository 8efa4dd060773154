"""How a search is carried out: along its order, or from the condition that fewest fulfil.

The files are gone through in the order of the result, by an index, until a page is full: a
page farther back costs as much as the first, since it begins behind the last file seen. What
is not found soon is rare: then it is counted how many files fulfil each condition, and where
one has few, those are gathered, tested by the other conditions, and sorted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from arcsecond.errors import InvalidInputError
from arcsecond.registry import COUNT_BOUND
from arcsecond.schemas.archive import FitsFile
from arcsecond.server.archive.files import select_visible, shape
from arcsecond.server.archive.index.tables import entries, numbers, terms
from arcsecond.server.archive.search.conditions import Between, Condition, Is, Test, among
from arcsecond.server.archive.tables import files
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.crud import Cursor, bad_cursor
from arcsecond.server.people.visibility import visible_to

COUNTED = (300, 5_000)
"""Files that are gathered rather than gone through in order: first so many, then more."""

FEW = 50
"""Of which no other condition has to be looked at for still fewer."""

FIRST_WINDOW = 200
GROWTH = 10
LARGEST_WINDOW = 20_000
MOST_WALKED = 400_000
"""Files that are gone through for one page: a second or so."""

START, ADDED = "start", "added"


@dataclass(frozen=True, slots=True)
class Sort:
    """The order of a result.

    Attributes
    ----------
    by
        ``start``, ``added``, or a number of the index.
    """

    by: str = START
    descending: bool = True


@dataclass(frozen=True)
class SearchListing:
    """What is found, in its order."""

    backend: Backend
    viewer: Viewer
    conditions: tuple[Condition, ...]
    sort: Sort

    def rows(self, after: Cursor | None, limit: int) -> list[tuple[Cursor, FitsFile]]:
        """Return files behind a cursor."""
        with self.backend.db.read() as connection:
            found = self._keys(connection, self._seen(after), limit)
            pks = [file for _, file in found]
            statement = select_visible(self.viewer).where(files.c.pk.in_(pks))
            rows = {row.pk: row for row in connection.execute(statement)} if pks else {}
        return [([key, file], shape(rows[file])) for key, file in found if file in rows]

    def count(self) -> int:
        """Count no further than the bound."""
        with self.backend.db.read() as connection:
            return len(self._keys(connection, None, COUNT_BOUND))

    def _seen(self, after: Cursor | None) -> tuple[float, int] | None:
        match after:
            case None:
                return None
            case [int() | float() as key, int(file)] if abs(key) < 1 << 63 and 0 <= file < 1 << 63:
                whole = self.sort.by in (START, ADDED)
                return (int(key) if whole else float(key)), file
        raise bad_cursor()

    def _keys(
        self, connection: sa.Connection, seen: tuple[float, int] | None, limit: int
    ) -> list[tuple[float, int]]:
        """Return what the files found are sorted by, and their numbers."""
        found: list[tuple[float, int]] = []
        fewest: tuple[Condition, list[int]] | None = None
        counts = iter(COUNTED)
        window, walked = (FIRST_WINDOW if self._tests else 2 * limit), 0
        if limit > FIRST_WINDOW:  # so many are not found on the way
            fewest, window = self._fewest(connection, COUNTED[-1]), 2 * limit
        elif any(condition.is_rough for condition in self.conditions):  # a place is mostly rare
            fewest = self._fewest(connection, next(counts))
        while (wanted := limit - len(found)) > 0:
            if fewest is not None:
                some = self._gathered(connection, *fewest, seen, wanted)
            else:
                some = self._walked(connection, seen, window, wanted)
            found += self._exactly(connection, some)
            if len(some) == wanted:  # there may be more of them behind the last one
                seen = some[-1]
                continue
            if fewest is not None:
                break
            seen = self._end(connection, seen, window)
            if seen is None:
                break
            walked += window
            window = min(GROWTH * window, LARGEST_WINDOW)
            if (most := next(counts, None)) is not None:
                fewest = self._fewest(connection, most)
            elif walked > MOST_WALKED:
                raise InvalidInputError(
                    f"Of {walked:,} files only {len(found)} are like this, and the search gave "
                    "up there. Ask for less at once, such as a night, a time or a telescope."
                )
        return found

    def _exactly(
        self, connection: sa.Connection, some: list[tuple[float, int]]
    ) -> list[tuple[float, int]]:
        """Leave out those that a condition of the database let through."""
        for condition in self.conditions:
            if condition.is_rough and some:
                kept = condition.exactly(connection, [file for _, file in some])
                some = [(key, file) for key, file in some if file in kept]
        return some

    def _fewest(self, connection: sa.Connection, most: int) -> tuple[Condition, list[int]] | None:
        """Return the condition that fewest files fulfil, and those; None when all have more."""
        best: tuple[Condition, list[int]] | None = None
        for condition in self.conditions:
            if (some := condition.files(connection)) is None:
                continue
            found = [row[0] for row in connection.execute(some.limit(most + 1))]
            if len(found) <= most and (best is None or len(found) < len(best[1])):
                best = condition, found
            if best is not None and len(best[1]) <= FEW:
                break
        return best

    def _gathered(
        self,
        connection: sa.Connection,
        first: Condition,
        some: list[int],
        seen: tuple[float, int] | None,
        limit: int,
    ) -> list[tuple[float, int]]:
        key, file = self._key_in_entry, entries.c.file
        # "+ 0" keeps the database from going through the index of the order instead.
        order = (key + 0, file + 0)
        statement = (
            sa.select(key, file)
            .join(files, files.c.pk == file)
            .where(among(connection, file, some), key.is_not(None))
            .where(visible_to(self.viewer, files))
            .where(*(c.probe() for c in self.conditions if c is not first))
        )
        if seen is not None:
            statement = statement.where(self._behind(order, seen))
        return self._pairs(connection, statement.order_by(*self._directed(order)).limit(limit))

    @property
    def _key_in_entry(self) -> sa.ColumnElement[Any]:
        if self.sort.by == START:
            return entries.c.start
        if self.sort.by == ADDED:
            return entries.c.file
        number: sa.ColumnElement[Any] = entries.c.numbers[self.sort.by].as_float()
        return number

    def _walked(
        self, connection: sa.Connection, seen: tuple[float, int] | None, window: int, limit: int
    ) -> list[tuple[float, int]]:
        """Test a window of files in order."""
        some = self._window(seen, window).subquery("some")
        statement = (
            sa.select(some.c.key, some.c.file)
            .join(entries, entries.c.file == some.c.file)
            .join(files, files.c.pk == some.c.file)
            .where(visible_to(self.viewer, files))
            .where(*self._tests)
            .order_by(*self._directed((some.c.key, some.c.file)))
            .limit(limit)
        )
        return self._pairs(connection, statement)

    def _end(
        self, connection: sa.Connection, seen: tuple[float, int] | None, window: int
    ) -> tuple[float, int] | None:
        """Return the last file of a window; None when there is no further one."""
        last = self._window(seen, 1).offset(window - 1)
        row = connection.execute(last).one_or_none()
        return None if row is None else (row.key, row.file)

    @cached_property
    def _term(self) -> Is | None:
        """The text along whose files the walk goes, in the order of time."""
        if self.sort.by != START:
            return None
        single = (c for c in self.conditions if isinstance(c, Is) and len(c.values) == 1)
        return next(single, None)

    @cached_property
    def _times(self) -> list[Between]:
        return [c for c in self.conditions if isinstance(c, Between)]

    @cached_property
    def _tests(self) -> list[Test]:
        """The tests that the window itself does not make."""
        made = {id(self._term)}
        if self.sort.by == START:
            made |= {id(one) for one in self._times}
        return [c.probe() for c in self.conditions if id(c) not in made]

    def _window(self, seen: tuple[float, int] | None, limit: int) -> sa.Select[Any]:
        """Return the next files in order, by an index alone."""
        if self.sort.by == START:
            term = self._term
            table = entries if term is None else terms
            key, file = table.c.start, table.c.file
            statement = sa.select(key.label("key"), file.label("file"))
            if term is not None:
                statement = statement.where(
                    terms.c.keyword == term.keyword, terms.c.value == term.values[0]
                )
            statement = statement.where(*(test for one in self._times for test in one.on(key)))
        elif self.sort.by == ADDED:
            key = file = entries.c.file
            statement = sa.select(key.label("key"), file.label("file"))
        else:
            key, file = numbers.c.value, numbers.c.file
            statement = sa.select(key.label("key"), file.label("file")).where(
                numbers.c.keyword == self.sort.by
            )
        if seen is not None:
            statement = statement.where(self._behind((key, file), seen))
        return statement.order_by(*self._directed((key, file))).limit(limit)

    def _behind(
        self, order: tuple[sa.ColumnElement[Any], sa.ColumnElement[Any]], seen: tuple[float, int]
    ) -> Test:
        key, place = sa.tuple_(*order), sa.tuple_(*map(sa.literal, seen))
        return key < place if self.sort.descending else key > place

    def _directed(
        self, order: tuple[sa.ColumnElement[Any], sa.ColumnElement[Any]]
    ) -> list[sa.ColumnElement[Any]]:
        return [c.desc() if self.sort.descending else c.asc() for c in order]

    @staticmethod
    def _pairs(connection: sa.Connection, statement: sa.Select[Any]) -> list[tuple[float, int]]:
        return [(key, file) for key, file in connection.execute(statement)]
