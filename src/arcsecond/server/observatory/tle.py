"""Two-line element sets, with or without a line of name above them.

Reference: the format description by CelesTrak and Space-Track; a set is two
lines of 69 characters, the last digit of each a checksum modulo 10.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from arcsecond.errors import InvalidInputError

_ALPHA_5 = "ABCDEFGHJKLMNPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class ElementSet:
    """One satellite's elements; ``epoch`` is UTC."""

    norad: int
    name: str
    line_1: str
    line_2: str
    epoch: datetime


def parse(text: str) -> list[ElementSet]:
    """Read element sets; the first line that is wrong is named and ends it.

    Raises
    ------
    InvalidInputError
        A line is no line of an element set, or there is none at all.
    """
    lines = [(n, line.rstrip()) for n, line in enumerate(text.splitlines(), start=1)]
    lines = [(n, line) for n, line in lines if line and not line.startswith("#")]
    found: list[ElementSet] = []
    name = ""
    position = 0
    while position < len(lines):
        n, line = lines[position]
        if not _is_line(line, "1"):
            if name:
                raise _wrong(n, "neither a first line of elements nor a name behind one")
            name = line.removeprefix("0 ").strip()
            position += 1
            continue
        if position + 1 == len(lines):
            raise _wrong(n, "a first line without its second")
        found.append(_element_set(name, n, line, lines[position + 1]))
        name = ""
        position += 2
    if name:
        raise _wrong(lines[-1][0], "no line of an element set")
    if not found:
        raise InvalidInputError("There is no element set in this file.")
    return found


def _is_line(line: str, number: str) -> bool:
    return len(line) >= 68 and line.startswith(number + " ")


def _element_set(name: str, n: int, first: str, below: tuple[int, str]) -> ElementSet:
    m, second = below
    if not _is_line(second, "2"):
        raise _wrong(m, "no second line of elements, which was expected here")
    for number, line in ((n, first), (m, second)):
        if len(line) != 69 or _checksum(line) != line[68]:
            raise _wrong(number, "its checksum does not fit")
    if first[2:7] != second[2:7]:
        raise _wrong(m, "it belongs to another satellite than the line above")
    try:
        norad, epoch = _norad(first[2:7]), _epoch(first[18:32])
    except (ValueError, OverflowError):
        raise _wrong(n, "its number or its epoch cannot be read") from None
    return ElementSet(norad, name[:64] or f"NORAD {norad}", first, second, epoch)


def _checksum(line: str) -> str:
    total = sum(int(c) if c.isdigit() else c == "-" for c in line[:68] if c.isascii())
    return str(total % 10)


def _norad(field: str) -> int:
    """Read five digits, or the Alpha-5 form of numbers from 100,000."""
    head = field[0]
    if head in _ALPHA_5:
        return (10 + _ALPHA_5.index(head)) * 10_000 + int(field[1:])
    return int(field)


def _epoch(field: str) -> datetime:
    """Read YYDDD.DDDDDDDD: years below 57 are after 2000 (the first satellite flew in 1957)."""
    year = int(field[:2])
    days = float(field[2:])
    first = datetime(year + (2000 if year < 57 else 1900), 1, 1, tzinfo=UTC)
    if not 1 <= days < 367:
        raise ValueError(field)
    return first + timedelta(days=days - 1)


def _wrong(line: int, why: str) -> InvalidInputError:
    return InvalidInputError(f"Line {line} is wrong: {why}. Nothing was imported.")
