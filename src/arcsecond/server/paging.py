"""Lists in pages: a service returns a ``Listing``, the route asks it for what is wanted.

Nothing pages by offset: a cursor is the key of the last row seen.
"""

from __future__ import annotations

import base64
import binascii
import uuid as uuids
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import urlencode

import msgspec
import sqlalchemy as sa
from litestar.response import Stream

from arcsecond.errors import GaveUpError, InvalidInputError
from arcsecond.registry import COUNT_BOUND
from arcsecond.server.context import AnyRequest, Backend, Viewer, base_url, is_text, reading, wanted
from arcsecond.server.db import Database, UtcDateTime
from arcsecond.server.parsing import parse_amount

PAGE_SIZE = 50
LARGEST_PAGE = 1_000
BATCH = 500

T = TypeVar("T")
Cursor = list[Any]


class Listing(Protocol[T]):
    """Something that can be listed in order."""

    def rows(self, after: Cursor | None, limit: int) -> list[tuple[Cursor, T]]:
        """Return at most ``limit`` rows behind a cursor, each with its own."""
        ...

    def count(self, most: int) -> int:
        """Return how many there are, at most so many; some raise ``GaveUpError``."""
        ...


@dataclass(frozen=True, slots=True)
class MemoryListing(Generic[T]):
    """A list that is at hand, in an order of its own."""

    items: Sequence[T]

    def rows(self, after: Cursor | None, limit: int) -> list[tuple[Cursor, T]]:
        """Return a slice."""
        first = as_index(after) + 1
        return [([i], x) for i, x in enumerate(self.items[first : first + limit], start=first)]

    def count(self, most: int) -> int:
        """Return the length, bounded."""
        return min(len(self.items), most)


@dataclass(frozen=True, slots=True)
class SqlListing(Generic[T]):
    """A list that a statement yields.

    Attributes
    ----------
    statement
        Without order and limit.
    order
        Columns that together are unique, the newest or smallest first.
    shape
        Turns rows into what goes over the wire, a batch at a time.
    descending
        Whether every column of the order runs downwards.
    """

    db: Database
    statement: sa.Select[Any]
    order: tuple[sa.Column[Any], ...]
    shape: Callable[[sa.Connection, Sequence[sa.Row[Any]]], list[T]]
    descending: bool = False

    def rows(self, after: Cursor | None, limit: int) -> list[tuple[Cursor, T]]:
        """Run the statement behind the cursor."""
        statement = self.statement
        if after is not None:
            key, seen = sa.tuple_(*self.order), sa.tuple_(*self._values(after))
            statement = statement.where(key < seen if self.descending else key > seen)
        directions = [c.desc() if self.descending else c.asc() for c in self.order]
        with self.db.read() as connection:
            found = connection.execute(statement.order_by(*directions).limit(limit)).all()
            shaped = self.shape(connection, found)
        cursors = [[_plain(getattr(row, c.name)) for c in self.order] for row in found]
        return list(zip(cursors, shaped, strict=True))

    def count(self, most: int) -> int:
        """Count no further than the bound."""
        bounded = (
            self.statement.with_only_columns(sa.literal(1), maintain_column_froms=True)
            .limit(most)
            .subquery()
        )
        with self.db.read() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(bounded)) or 0

    def _values(self, after: Cursor) -> list[sa.BindParameter[Any]]:
        try:
            return [
                sa.bindparam(None, _typed(column, value), type_=column.type, unique=True)
                for column, value in zip(self.order, after, strict=True)
            ]
        except (ValueError, TypeError, AttributeError, OverflowError) as error:
            raise bad_cursor() from error


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list, or a short list as a whole.

    Attributes
    ----------
    more
        Whether there may be more than ``count`` tells, which goes no further unless asked.
    """

    items: list[T]
    next: str | None = None
    count: int | None = None
    more: bool = False
    enveloped: bool = False
    note: str = ""

    def to_wire(self) -> Any:
        """Return the bare list, or the envelope."""
        if not self.enveloped:
            return self.items
        envelope = {
            "count": self.count,
            "next": self.next,
            "previous": None,
            "results": self.items,
        }
        return envelope | ({"more_than_count": True} if self.more else {})


EVERY = 1 << 62
"""Of a count that ends nowhere."""

NOTE_HEADER = "Arcsecond-Note"
"""What there is to say of a list as a whole, beside its items."""

PAGING = frozenset({"limit", "cursor", "page", "page_size", "format", "share", "total"})


def filters_of(request: AnyRequest, known: Sequence[str]) -> dict[str, str]:
    """Return the filters that a query string holds.

    Another filter is refused, not ignored, and so is an empty one: whoever looks for
    the one thing that matches, to change it, must not be given all things that there are.

    Raises
    ------
    InvalidInputError
        There is no such filter, or it says nothing.
    """
    given = {k: v for k, v in request.query_params.items() if k not in PAGING}
    for name in given:
        if name not in known:
            choices = f"; what can be: {', '.join(known)}" if known else ""
            problem = f"This list cannot be filtered by {name[:40]!r}{choices}."
            raise InvalidInputError(fields={name[:40]: [problem]})
        if not given[name].strip():
            raise InvalidInputError(fields={name: ["An empty filter would find everything."]})
    return given


async def listed(
    request: AnyRequest,
    service: Callable[[Backend, Viewer], Listing[T]],
    *,
    enveloped: bool = False,
    latest: int | None = None,
    whole: int | None = None,
    present: Callable[[T], T] = lambda item: item,
    pinned: Mapping[str, str] | None = None,
    note: str = "",
) -> Page[T] | Stream:
    """Answer a list as the query string wants it.

    Parameters
    ----------
    service
        Makes the listing for who is asking.
    enveloped
        Whether it always comes as {count, next, previous, results}.
    latest
        How many a bare list holds; None for all of them, streamed.
    whole
        How many a page holds where the query does not say it, which then is never streamed.
    present
        Last touch to each item, such as absolute addresses.
    pinned
        What the next page has to be asked for, too: what was meant by "now".
    note
        What there is to say of the whole list, in ASCII.
    """
    query = request.query_params
    exact = query.get("total")
    if exact not in (None, "exact"):
        raise InvalidInputError(fields={"total": ["It is counted to a bound, or `exact`."]})
    enveloped = enveloped or "page" in query or "page_size" in query or exact is not None
    most = max(LARGEST_PAGE, whole or 0)
    asked = [_limit(query[name], most) for name in ("limit", "page_size") if name in query]
    limit = asked[0] if asked else None
    after = _decode(query.get("cursor"))
    if query.get("page", "1") != "1" and after is None:
        raise InvalidInputError(
            fields={"page": ["Pages after the first are reached by the address in `next`."]}
        )
    listing = await reading(request, lambda backend, viewer: service(backend, viewer))
    for_people = wanted(request) != "json"
    bare = limit is None and after is None and not enveloped
    if bare and not for_people and latest is None and whole is None:
        return Stream(
            _streamed(request, listing, present),
            media_type="application/json",
            headers={NOTE_HEADER: note} if note else None,
        )
    size = limit or whole or (latest if latest and bare else PAGE_SIZE)
    found = await reading(request, lambda _b, _v: listing.rows(after, size + 1))
    more = len(found) > size
    count, is_more = await _counted(request, listing, exact=exact is not None) if enveloped else (
        None, False
    )  # fmt: skip
    return Page(
        items=[present(item) for _, item in found[:size]],
        next=_next(request, found[size - 1][0], pinned or {})
        if more and not (bare and latest is not None)
        else None,
        count=count,
        more=is_more,
        enveloped=enveloped,
        note=note,
    )


async def _counted(request: AnyRequest, listing: Listing[T], *, exact: bool) -> tuple[int, bool]:
    """Return how many there are, and whether there may be more."""
    most = EVERY if exact else COUNT_BOUND + 1
    try:
        count = await reading(request, lambda _b, _v: listing.count(most))
    except GaveUpError as error:
        if exact:
            raise
        return min(error.found, COUNT_BOUND), True
    return (count, False) if exact else (min(count, COUNT_BOUND), count > COUNT_BOUND)


async def _streamed(
    request: AnyRequest, listing: Listing[T], present: Callable[[T], T]
) -> AsyncIterator[bytes]:
    after: Cursor | None = None
    separator = b"["
    while True:
        found = await reading(request, lambda _b, _v, after=after: listing.rows(after, BATCH))  # type: ignore[misc]
        for _, item in found:
            yield separator + msgspec.json.encode(present(item))
            separator = b","
        if len(found) < BATCH:
            break
        after = found[-1][0]
    yield b"[]" if separator == b"[" else b"]"


def _next(request: AnyRequest, cursor: Cursor, pinned: Mapping[str, str]) -> str:
    encoded = base64.urlsafe_b64encode(msgspec.json.encode(cursor)).decode().rstrip("=")
    left_out = {"cursor", "page", *pinned}
    query = [(k, v) for k, v in request.query_params.multi_items() if k not in left_out]
    query += pinned.items()
    path = request.scope["raw_path"].decode("ascii", "replace")
    return f"{base_url(request)}{path}?{urlencode([*query, ('cursor', encoded)])}"


def _limit(text: str, most: int) -> int:
    if (limit := parse_amount(text, most)) is None:
        raise InvalidInputError(f"A page holds 1 to {most} items, not {text[:40]!r}.")
    return limit


def _decode(cursor: str | None) -> Cursor | None:
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        decoded = msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, msgspec.DecodeError, RecursionError, ValueError) as error:
        raise bad_cursor() from error
    if not isinstance(decoded, list):
        raise bad_cursor()
    return decoded


def bad_cursor() -> InvalidInputError:
    """Return the error for a cursor that nobody gave."""
    return InvalidInputError(fields={"cursor": ["This is no cursor that a `next` address held."]})


def as_index(after: Cursor | None) -> int:
    """Return the place of the last item seen in a list that counts them; -1 before the first."""
    match after:
        case None:
            return -1
        case [int(index)] if not isinstance(index, bool) and 0 <= index < 1 << 62:
            return index
    raise bad_cursor()


def _plain(value: Any) -> Any:
    """Return a value of a cursor as its JSON has it, which comes back as it is."""
    if isinstance(value, uuids.UUID):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value


def _typed(column: sa.Column[Any], value: Any) -> Any:
    if isinstance(column.type, UtcDateTime):
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError(value)
        return moment.astimezone(UTC)  # which fails at both ends of the calendar
    if isinstance(column.type, sa.Uuid):
        return uuids.UUID(value)
    if isinstance(value, str) and not is_text(value):
        raise ValueError(value)
    if type(value) is not column.type.python_type:  # True is an int, but no key
        raise TypeError(value)
    bits = 63 if isinstance(column.type, sa.BigInteger) else 31
    if isinstance(value, int) and abs(value) >= 1 << bits:
        raise OverflowError(value)
    return value
