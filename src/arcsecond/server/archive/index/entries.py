"""Write the index: an entry for each file, of its newest version.

Fields have small letters (``filter``), keywords of headers capitals (``FILTER``), so both
lie in the same tables.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from arcsecond.fits.cards import Values, parse
from arcsecond.server.archive.index.areas import POINT, area_cell, farness, reach_of
from arcsecond.server.archive.index.tables import LONGEST_TERM, NEVER, entries, numbers, terms
from arcsecond.server.archive.naming import called
from arcsecond.server.archive.tables import blobs, files, headers, versions
from arcsecond.server.db import one_at_a_time
from arcsecond.server.zones import unit_vector

TEXTS = (
    "target", "instrument", "telescope", "filter", "kind", "observer", "programme", "product",
)  # fmt: skip
"""Fields that are texts."""

NUMBERS = ("exposure", "airmass", "size", "night")
"""Fields that are numbers; a night is the day of its evening, counted as Python does."""

SEVERAL = ("tag", "word", "called")
"""Of these a file may have several."""

MOST_WORDS = 60
TOGETHER = 500
_HEADERS_READ = 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WORDS = re.compile(r"[^\W_]+")

Said = dict[str, str | float]
"""What headers say of the keywords that are indexed."""


@dataclass(slots=True)
class Entry:
    """What is searched of a file: texts as they are compared, numbers that are finite.

    Attributes
    ----------
    position
        Of the file, or of the circle around its footprint, in degrees (ICRS).
    radius_deg
        How far its footprint reaches from there; None without one.
    patches
        The corners of each of its polygons: right ascension and declination in degrees.
    """

    file: int
    dataset: UUID
    start: int = NEVER
    position: tuple[float, float] | None = None
    radius_deg: float | None = None
    patches: list[list[list[float]]] | None = None
    texts: dict[str, str | list[str]] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)


def folded(text: str) -> str:
    """Return a text as it is compared: without case, with single blanks, not too long."""
    return " ".join(text.replace("\0", " ").casefold().split())[:LONGEST_TERM].rstrip()


def microseconds(moment: datetime) -> int:
    """Return a moment as the index has it."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def words_of(texts: Iterable[str | None]) -> list[str]:
    """Return the words of some texts, each once."""
    found = (word for text in texts if text for word in _WORDS.findall(text.casefold()))
    return list(dict.fromkeys(word[:LONGEST_TERM] for word in found))[:MOST_WORDS]


def said_by(values: Sequence[Values], keywords: AbstractSet[str]) -> Said:
    """Return what headers say of keywords: each as the first of them says it."""
    said: Said = {}
    for header in values[:_HEADERS_READ]:
        for keyword in keywords & header.keys() - said.keys():
            value = header[keyword]
            if isinstance(value, bool):
                said[keyword] = "t" if value else "f"
            elif isinstance(value, int | float):
                if (number := _number(value)) is not None:
                    said[keyword] = number
            elif isinstance(value, str) and (text := folded(value)):
                said[keyword] = text
    return said


def _number(value: float) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def entry_of(file: Mapping[str, Any], told: Mapping[str, Any], said: Said) -> Entry:
    """Return the entry of a file.

    Parameters
    ----------
    file
        Columns of its row: pk, dataset, path, tags.
    told
        Columns of its newest version, and the size of its bytes.
    said
        What its headers say.
    """
    start = told["start"]
    if start is None and told["night"] is not None:
        # It lies with the frames of its day.
        start = datetime.combine(told["night"], time(12), UTC)
    entry = Entry(file["pk"], file["dataset"], NEVER if start is None else microseconds(start))
    if area := told["footprint"]:
        entry.position = area["right_ascension"], area["declination"]
        entry.radius_deg, entry.patches = area["radius"], area["polygons"]
    elif told["ra_deg"] is not None and told["dec_deg"] is not None:
        entry.position = told["ra_deg"], told["dec_deg"]
    for name in TEXTS:
        if told[name] and (text := folded(told[name])):
            entry.texts[name] = text
    tags = list(dict.fromkeys(text for tag in file["tags"] if (text := folded(tag))))
    shown = (told["target"], file["path"], *file["tags"], told["observer"], told["programme"])
    more = (told["instrument"], told["telescope"], told["filter"], told["kind"])
    entry.texts |= {"name": folded(file["path"]), "tag": tags, "word": words_of([*shown, *more])}
    entry.texts["called"] = [c[:LONGEST_TERM] for c in called(told["target"], told["filter"])]
    night = told["night"]
    counted = {
        "exposure": told["exposure_s"],
        "airmass": told["airmass"],
        "size": told["size"],
        "night": None if night is None else night.toordinal(),
    }
    for keyword, value in (*counted.items(), *said.items()):
        if isinstance(value, str):
            entry.texts[keyword] = value
        elif value is not None and (number := _number(value)) is not None:
            entry.numbers[keyword] = number
    if night is not None:  # by which it is found in the order of time
        entry.texts["night"] = night.isoformat()
    return entry


def keep(connection: sa.Connection, new: Sequence[Entry]) -> None:
    """Write entries of files that have none."""
    if not new:
        return
    connection.execute(_ENTRIES, [_row(entry) for entry in new])
    if words := [row for entry in new for row in _terms(entry)]:
        connection.execute(_TERMS, words)
    if counted := [row for entry in new for row in _numbers(entry)]:
        connection.execute(_NUMBERS, counted)


_ENTRIES, _TERMS, _NUMBERS = sa.insert(entries), sa.insert(terms), sa.insert(numbers)


def _row(entry: Entry) -> dict[str, Any]:
    x, y, z = unit_vector(*entry.position) if entry.position else (None, None, None)
    reach = POINT if entry.radius_deg is None else reach_of(entry.radius_deg)
    cosine, sine = farness(entry.radius_deg or 0.0)
    return {
        "file": entry.file,
        "dataset": entry.dataset,
        "start": entry.start,
        "cell": area_cell(*entry.position, reach) if entry.position else None,
        "cosine": cosine,
        "sine": sine,
        "x": x,
        "y": y,
        "z": z,
        "patches": entry.patches,
        "texts": entry.texts,
        "numbers": entry.numbers,
    }


def _terms(entry: Entry) -> Iterable[dict[str, Any]]:
    for keyword, value in entry.texts.items():
        for text in [value] if isinstance(value, str) else value:
            yield {"keyword": keyword, "value": text, "start": entry.start, "file": entry.file}


def _numbers(entry: Entry) -> Iterable[dict[str, Any]]:
    for keyword, value in entry.numbers.items():
        # PostgreSQL gives 1E+30 back as a whole number, which fits into none of its own.
        number = float(value)
        yield {"keyword": keyword, "value": number, "start": entry.start, "file": entry.file}


def forget(connection: sa.Connection, pks: Collection[int]) -> None:
    """Remove the entries of files."""
    found = sa.select(entries.c.file, entries.c.start, entries.c.texts, entries.c.numbers)
    some = list(pks)
    for first in range(0, len(some), TOGETHER):
        these = entries.c.file.in_(some[first : first + TOGETHER])
        rows = connection.execute(found.where(these)).all()
        for table, lines in ((terms, _terms), (numbers, _numbers)):
            gone = [{f"the_{k}": v for k, v in line.items()} for row in rows for line in lines(row)]  # type: ignore[arg-type]
            if gone:
                same = (c == sa.bindparam(f"the_{c.name}") for c in table.primary_key.columns)
                connection.execute(sa.delete(table).where(*same), gone)
        connection.execute(sa.delete(entries).where(these))


def replace(connection: sa.Connection, new: Sequence[Entry]) -> None:
    """Write entries in place of those that the files had."""
    forget(connection, [entry.file for entry in new])
    keep(connection, new)


def astray(connection: sa.Connection) -> list[str]:
    """Return keywords of which the index has not just what its entries say, in a transaction."""
    told = {table: defaultdict[str, list[int]](lambda: [0, 0]) for table in (terms, numbers)}
    found = sa.select(entries.c.file, entries.c.start, entries.c.texts, entries.c.numbers)
    for row in connection.execution_options(yield_per=TOGETHER).execute(found):
        for table, lines in ((terms, _terms), (numbers, _numbers)):
            for line in lines(row):  # type: ignore[arg-type]
                tally = told[table][line["keyword"]]
                tally[0] += 1
                tally[1] += row.file
    wrong = set[str]()
    for table, said in told.items():
        counts = sa.func.count(), sa.func.sum(table.c.file)
        there = sa.select(table.c.keyword, *counts).group_by(table.c.keyword)
        have = {keyword: [count, int(files)] for keyword, count, files in connection.execute(there)}
        wrong |= {keyword for keyword in {*have, *said} if have.get(keyword) != said.get(keyword)}
    return sorted(wrong)


def clear(connection: sa.Connection, *, all_of_it: bool) -> None:
    """Remove what the index says of files without an entry, or all of it, to be made anew."""
    one_at_a_time(connection, entries)  # of a file that comes now nothing else is left
    for table in (terms, numbers, entries):
        if all_of_it:
            connection.execute(sa.delete(table))
        elif table is not entries:
            has_entry = sa.exists().where(entries.c.file == table.c.file)
            connection.execute(sa.delete(table).where(sa.not_(has_entry)))


def without(connection: sa.Connection, limit: int) -> list[int]:
    """Return some of the files that have no entry."""
    statement = sa.select(files.c.pk).where(
        sa.not_(sa.exists().where(entries.c.file == files.c.pk))
    )
    return list(connection.scalars(statement.order_by(files.c.pk).limit(limit)))


def refresh(connection: sa.Connection, pks: Collection[int], keywords: AbstractSet[str]) -> None:
    """Make the entries of files anew, of what is recorded of them."""
    newest = sa.and_(versions.c.file == files.c.pk, versions.c.n == files.c.current)
    statement = (
        sa.select(
            files.c.pk, files.c.dataset, files.c.path, files.c.tags, versions, blobs.c.size
        )
        .join(versions, newest)
        .join(blobs, blobs.c.sha256 == versions.c.blob)
        .where(files.c.pk.in_(pks))
    )  # fmt: skip
    new: list[Entry] = []
    rows = connection.execute(statement.with_for_update(of=files)).all()
    for row in rows:
        mine = sa.select(headers.c.cards).where(headers.c.file == row.pk, headers.c.n == row.n)
        cards = connection.scalars(mine.order_by(headers.c.hdu)).all()
        said = said_by([parse(text) for text in cards], keywords)
        columns = row._asdict()
        new.append(entry_of(columns, columns, said))
    replace(connection, new)
