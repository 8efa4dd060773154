"""What somebody asks for, read as conditions.

Filters are joined by "and"; ``where`` holds further ones, such as
``header.AIRMASS<1.5 and filter!=V``.
"""

from __future__ import annotations

import contextlib
import difflib
import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import sqlalchemy as sa

from arcsecond.errors import InvalidInputError, NotFoundError
from arcsecond.filenames import LONGEST_PATH
from arcsecond.schemas.archive import FitsFile
from arcsecond.server.archive.files import list_files
from arcsecond.server.archive.in_force import rules_of
from arcsecond.server.archive.index.entries import NUMBERS, TEXTS, folded, microseconds, words_of
from arcsecond.server.archive.index.tables import LONGEST_TERM
from arcsecond.server.archive.packages.tables import PACKAGE, contents, packages
from arcsecond.server.archive.search.conditions import (
    Between,
    Condition,
    Either,
    In,
    Is,
    Like,
    Named,
    NamedLike,
    Not,
    These,
    Within,
)
from arcsecond.server.archive.search.listing import ADDED, START, SearchListing, Sort
from arcsecond.server.archive.search.touching import Touches
from arcsecond.server.archive.tables import datasets
from arcsecond.server.catalogues.names import forms
from arcsecond.server.catalogues.places import (
    parse_place,
    parse_position,
    parse_radius,
    parse_range,
)
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.db import as_utc
from arcsecond.server.observatory.service import find_row
from arcsecond.server.paging import Listing
from arcsecond.server.parsing import as_uuid, clean_text, parse_date, parse_uuid, sought_tags
from arcsecond.server.people.owned import find
from arcsecond.server.people.visibility import visible_to

if TYPE_CHECKING:
    from arcsecond.server.sphere import Circle

AROUND_OBJECT_DEG = 0.25
"""How far around an object frames are looked for, where nobody says."""

MOST_CORNERS = 100
"""Of a polygon."""

MOST_NAMES = 200
"""Of an object, by which targets are known."""

MOST_PKS = 1_000
LONGEST_WHERE = 2_000
MOST_CONDITIONS = 20

_PART = re.compile(
    # "+" behind "*": blanks that were matched are not tried anew in every other way.
    r"\s*+(?P<name>[A-Za-z](?:[\w.\- ]{0,79}[\w.\-])?)\s*+(?P<how><=|>=|!=|==|=|<|>)\s*+"
    r"(?P<value>\"[^\"]*\"|'[^']*'|[^\"'<>=!]+?)\s*(?:$|(?P<more>\band\b|&+)\s*)",
    re.IGNORECASE,
)


def search(backend: Backend, viewer: Viewer, filters: Mapping[str, str]) -> SearchListing:
    """Return the files that somebody may see and asks for.

    Raises
    ------
    InvalidInputError
        A filter cannot be understood.
    NotFoundError
        There is no such dataset.
    """
    asked = _Asked(backend, viewer, filters)
    conditions = (c.called(f"c{n}") for n, c in enumerate(asked.conditions()))
    return SearchListing(backend, viewer, tuple(conditions), asked.sort())


def files_of(
    backend: Backend, viewer: Viewer, dataset: str, filters: Mapping[str, str]
) -> Listing[FitsFile]:
    """Return those files of a dataset that somebody asks for.

    In the order in which they came, but where something is asked that only the index tells.
    A name with ``*`` that no file has is a pattern.
    """
    if filters.keys() <= {"name", "tags"}:
        found = list_files(backend, viewer, dataset, dict(filters))
        if "*" not in filters.get("name", "") or found.rows(None, 1):
            return found
    return search(backend, viewer, {**filters, "dataset": dataset})


class _Asked:
    """One search, being read."""

    def __init__(self, backend: Backend, viewer: Viewer, filters: Mapping[str, str]) -> None:
        self._backend = backend
        self._viewer = viewer
        self._filters = filters

    def conditions(self) -> Iterator[Condition]:
        """Yield all conditions."""
        readers: dict[str, Callable[[str], Iterator[Condition]]] = {
            "cone": self._cone,
            "polygon": self._polygon,
            "covers": self._covers,
            "object": self._object,
            "night": self._nights,
            "dataset": self._datasets,
            "package": self._package,
            "where": self._where,
            "text": self._words,
            "tags": self._tags,
            "name": self._name,
            "pk": self._pks,
        }
        for name, text in self._filters.items():
            if name in readers:
                yield from readers[name](text)
            elif name in TEXTS:
                yield _text(name, name, text)
            elif name in NUMBERS:
                yield Within(name, *parse_range(name, text))
        if "radius" in self._filters and not {"cone", "object"} & self._filters.keys():
            raise _wrong("radius", "A radius goes with a cone or an object.")
        if times := [name for name in ("after", "before") if name in self._filters]:
            ends = {name: microseconds(_moment(name, self._filters[name])) for name in times}
            yield Between(ends.get("after"), ends.get("before"))

    def sort(self) -> Sort:
        """Return the order that is asked for."""
        text = self._filters.get("sort", f"-{START}")
        by = text.removeprefix("-")
        if by not in (START, ADDED, *NUMBERS):
            by = self._keyword("sort", by) if by.lower().startswith("header.") else ""
        if not by:
            can_be = ", ".join((START, ADDED, *NUMBERS))
            problem = f"{text[:40]!r} is no order; what can be: {can_be}, header.KEYWORD."
            raise _wrong("sort", f"{problem} With - before it the last come first.")
        return Sort(by, text.startswith("-"))

    def _cone(self, text: str) -> Iterator[Condition]:
        place, comma, radius = text.rpartition(",")
        if "radius" in self._filters or not comma or parse_place(text, "cone") is not None:
            place, radius = text, self._filters.get("radius", "")
        found = parse_place(place, "cone")
        if found is None and radius and place and not _are_numbers(place):
            try:
                row = find_row(self._backend, place)
            except NotFoundError as error:
                raise _wrong("cone", error.detail) from None
            found = row.ra_deg, row.dec_deg
        if found is None or not radius:
            problem = (
                f"{text[:60]!r} is no cone; write RA,DEC,RADIUS or NAME,RADIUS, such as "
                "83.82,-5.39,0.5deg or M 42,0.5deg."
            )
            raise _wrong("cone", problem)
        yield Touches(_circle(*found, parse_radius(radius.strip())))

    def _covers(self, text: str) -> Iterator[Condition]:
        place = parse_place(text, "covers")
        if place is None:
            row = find_row(self._backend, text)
            place = row.ra_deg, row.dec_deg
        yield Touches(_circle(*place, 0.0), shown=True)

    def _polygon(self, text: str) -> Iterator[Condition]:
        from arcsecond.server.sphere import Polygon, ShapeError

        parts = text.replace(",", " ").split()
        if len(parts) % 2 or not 6 <= len(parts) <= 2 * MOST_CORNERS:
            problem = f"{text[:60]!r} is no polygon; write RA,DEC,RA,DEC,RA,DEC and more"
            raise _wrong("polygon", f"{problem}, with {MOST_CORNERS} corners at most.")
        pairs = zip(parts[::2], parts[1::2], strict=True)
        corners = [parse_position("polygon", f"{ra},{dec}") for ra, dec in pairs]
        try:
            yield Touches(Polygon(corners))
        except ShapeError as error:
            raise _wrong("polygon", str(error)) from None

    def _object(self, text: str) -> Iterator[Condition]:
        radius_deg = AROUND_OBJECT_DEG
        if "cone" not in self._filters and "radius" in self._filters:
            radius_deg = parse_radius(self._filters["radius"])
        names, row = [text], None
        with contextlib.suppress(NotFoundError):
            row = find_row(self._backend, text)
        if row is not None:
            names += [row.name, *row.aliases]
        every = dict.fromkeys(form[:LONGEST_TERM] for name in names for form in forms(name))
        called = Is("called", tuple(every)[:MOST_NAMES])
        if row is None:
            yield called
        else:
            yield Either(Touches(_circle(row.ra_deg, row.dec_deg, radius_deg)), called)

    def _nights(self, text: str) -> Iterator[Condition]:
        first, dots, last = text.partition("..")
        if not dots:
            yield Is("night", (parse_date("night", text).isoformat(),))
            return
        low, high = (parse_date("night", end).toordinal() if end else None for end in (first, last))
        if (low is None and high is None) or (low and high and low > high):
            raise _wrong("night", f"{text[:40]!r} is no range of nights.")
        yield Within("night", low, high)

    def _datasets(self, text: str) -> Iterator[Condition]:
        uuid = as_uuid(text)
        mine = datasets.c.name == text if uuid is None else datasets.c.uuid == uuid
        statement = sa.select(datasets.c.uuid).where(visible_to(self._viewer, datasets), mine)
        with self._backend.db.read() as connection:
            found: tuple[UUID, ...] = tuple(connection.scalars(statement))
        if not found:
            raise NotFoundError(f"Dataset {text[:80]!r} not found.")
        yield In(found)

    def _package(self, text: str) -> Iterator[Condition]:
        uuid = parse_uuid(text, PACKAGE)
        held = sa.select(contents.c.dataset).where(contents.c.package == uuid)
        with self._backend.db.read() as connection:
            find(connection, self._viewer, packages, uuid, PACKAGE)
            found: tuple[UUID, ...] = tuple(connection.scalars(held))
        yield In(found)

    def _words(self, text: str) -> Iterator[Condition]:
        words = words_of([text])
        if not words:
            raise _wrong("text", f"{text[:40]!r} holds no word.")
        yield from (Is("word", (word,)) for word in words[:MOST_CONDITIONS])

    def _tags(self, text: str) -> Iterator[Condition]:
        yield from (Is("tag", (folded(tag),)) for tag in sought_tags(text))

    def _pks(self, text: str) -> Iterator[Condition]:
        parts = [part.strip() for part in text.split(",")]
        if len(parts) > MOST_PKS:
            raise _wrong("pk", f"These are more than {MOST_PKS} files.")
        for part in parts:
            if not (part.isascii() and part.isdigit() and len(part) < 19):
                raise _wrong("pk", f"{part[:40]!r} is no number of a file.")
        yield These(tuple(dict.fromkeys(map(int, parts))))

    def _name(self, text: str) -> Iterator[Condition]:
        yield (
            NamedLike(clean_text("name", unicodedata.normalize("NFC", text), longest=LONGEST_PATH))
            if "*" in text
            else Named(clean_text("name", text, longest=LONGEST_PATH))
        )

    def _where(self, text: str) -> Iterator[Condition]:
        """Read conditions such as ``header.AIRMASS<1.5``."""
        if len(text) > LONGEST_WHERE:
            raise _wrong("where", f"These conditions are longer than {LONGEST_WHERE} characters.")
        place, count = 0, 0
        while place < len(text):
            found = _PART.match(text, place)
            if found is None:
                shown = text[place : place + 40].strip()
                problem = f"{shown!r} is no condition; write one like header.AIRMASS<1.5"
                how = "Join them by `and`; a value with quotes or `and` in it stands in quotes."
                raise _wrong("where", f"{problem}. {how}")
            count += 1
            if count > MOST_CONDITIONS:
                raise _wrong("where", f"These are more than {MOST_CONDITIONS} conditions.")
            value = found["value"].strip()
            yield self._condition(found["name"].strip(), found["how"], value)
            place = found.end()
            if found["more"] and place == len(text):
                raise _wrong("where", f"Nothing follows the last {found['more']!r}.")

    def _condition(self, name: str, how: str, value: str) -> Condition:
        if name.lower() == START:
            return _when(how, value.strip("'\""))
        if name.lower().startswith("header."):
            keyword, kind = self._keyword("where", name), "any"
        elif name.lower() in TEXTS:
            keyword, kind = name.lower(), "text"
        elif name.lower() in NUMBERS:
            keyword, kind = name.lower(), "number"
        else:
            can_be = ", ".join((START, *TEXTS, *NUMBERS))
            problem = f"{name[:40]!r} is no field; what can be: {can_be}, header.KEYWORD."
            raise _wrong("where", problem)
        quoted = value[:1] in ("'", '"')
        value = value[1:-1] if quoted else value
        number = self._number(keyword, value)
        if how in ("<", "<=", ">", ">=") or kind == "number":
            if keyword.startswith("DATE"):
                problem = f"{name} is kept as a text; ask for the time, as in start>2011-08-12."
                raise _wrong("where", problem)
            if number is None:
                raise _wrong("where", f"{name} is compared with a number, not with {value[:40]!r}.")
            return _compared(keyword, how, number)
        text = _text("where", keyword, value, whole=quoted)
        condition: Condition = text
        if number is not None and kind == "any" and not quoted:
            condition = Either(Within(keyword, number, number), text)
        elif value == "*" and kind == "any" and not quoted:
            condition = Either(Within(keyword, None, None), text)
        return Not(keyword, condition) if how == "!=" else condition

    @staticmethod
    def _number(keyword: str, value: str) -> float | None:
        try:
            if keyword == "night":
                return float(date.fromisoformat(value).toordinal())
            number = float(value)
        except ValueError:
            return None
        return number if math.isfinite(number) else None

    def _keyword(self, field: str, name: str) -> str:
        """Return a keyword of a header, if the rules index it."""
        keyword = " ".join(name.partition(".")[2].replace(".", " ").upper().split())
        known = rules_of(self._backend).keywords
        if keyword not in known:
            alike = difflib.get_close_matches(keyword[:80], known, n=5, cutoff=0.5)
            near = f" Alike are {', '.join(alike)}." if alike else ""
            problem = (
                f"{keyword[:80]!r} is not among the keywords that are indexed.{near} `arcsecond "
                "server rules` lists them all; who keeps the server puts more under [index] of "
                "the rules, and reindexes."
            )
            raise _wrong(field, problem)
        return keyword


def _are_numbers(text: str) -> bool:
    try:
        for part in text.split(","):
            float(part)
    except ValueError:
        return False
    return True


def _when(how: str, value: str) -> Condition:
    moment = microseconds(_moment("where", value))
    if how in ("<", "<="):
        return Between(None, moment + (how == "<="))
    if how in (">", ">="):
        return Between(moment + (how == ">"), None)
    raise _wrong("where", "A start lies before or after a time: start<2026-11-23T03:00:00Z.")


def _compared(keyword: str, how: str, number: float) -> Condition:
    match how:
        case "<" | "<=":
            return Within(keyword, None, number, open_high=how == "<")
        case ">" | ">=":
            return Within(keyword, number, None, open_low=how == ">")
        case "!=":
            return Not(keyword, Within(keyword, number, number))
    return Within(keyword, number, number)


def _text(field: str, keyword: str, text: str, *, whole: bool = False) -> Condition:
    """Return the condition that a text is this one, or like it, or one of several.

    Parameters
    ----------
    whole
        Whether commas belong to it; else it may be one with commas, too.
    """
    parts = {value: None for one in text.split(",") if (value := folded(one))}
    if not parts:
        raise _wrong(field, "An empty text finds nothing.")
    alone = folded(text)
    several = (alone,) if whole else tuple({alone: None} | parts)
    if "*" in text:
        if len(several) > 1:
            raise _wrong(field, "A pattern stands alone, without commas.")
        return Like(keyword, several[0])
    return Is(keyword, several[:100])


def _circle(ra_deg: float, dec_deg: float, radius_deg: float) -> Circle:
    from arcsecond.server.sphere import Circle  # late: numpy takes its time

    return Circle(ra_deg, dec_deg, radius_deg)


def _moment(field: str, text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text.strip())
        return as_utc(found) + timedelta(0)
    except (ValueError, OverflowError):
        problem = f"{text[:40]!r} is no time; write one like 2026-11-23 or 2026-11-23T03:00:00Z."
        raise _wrong(field, problem) from None


def _wrong(field: str, problem: str) -> InvalidInputError:
    return InvalidInputError(fields={field: [problem]})
