"""Element sets of satellites: two-line sets, and OMM as JSON, CSV or XML.

A two-line set is two lines of 69 characters, the last digit of each a checksum
modulo 10, with or without a line of name above (CelesTrak, Space-Track). An Orbit
Mean-Elements Message (CCSDS 502.0-B) tells the same by keywords, and has room for
catalogue numbers beyond 339,999, the last that two lines can hold.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from arcsecond.errors import InvalidInputError
from arcsecond.server.context import is_text
from arcsecond.server.db import as_utc

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

LARGEST_NORAD = 999_999_999
LAST_IN_LINES = 339_999

_ALPHA_5 = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_LONGEST_NAME, _LONGEST_DESIGNATOR = 64, 16

_NUMBERS: dict[str, tuple[float, float]] = {
    "MEAN_MOTION": (0.01, 20.0),
    "ECCENTRICITY": (0.0, 0.999_999_9),
    "INCLINATION": (0.0, 180.0),
    "RA_OF_ASC_NODE": (-360.0, 360.0),
    "ARG_OF_PERICENTER": (-360.0, 360.0),
    "MEAN_ANOMALY": (-360.0, 360.0),
    "BSTAR": (-1e6, 1e6),
    "MEAN_MOTION_DOT": (-1e6, 1e6),
    "MEAN_MOTION_DDOT": (-1e6, 1e6),
}
"""Elements and what they may be: revolutions a day, degrees, and their small changes."""

_MAY_LACK = {"BSTAR", "MEAN_MOTION_DOT", "MEAN_MOTION_DDOT"}
_HAS_TO_BE = {
    "CENTER_NAME": ("EARTH",),
    "REF_FRAME": ("TEME",),
    "TIME_SYSTEM": ("UTC",),
    "MEAN_ELEMENT_THEORY": ("SGP4", "SGP/SGP4"),
}


@dataclass(frozen=True, slots=True)
class ElementSet:
    """One satellite's elements; ``epoch`` is UTC.

    Attributes
    ----------
    lines
        The two lines, None where only an OMM tells them.
    elements
        The keywords of an OMM, None where only the lines tell them.
    """

    norad: int
    name: str
    designator: str | None
    epoch: datetime
    lines: tuple[str, str] | None = None
    elements: dict[str, Any] | None = None


def parse(raw: bytes) -> list[ElementSet]:
    """Read element sets of any form; the first that is wrong is named and ends it.

    Raises
    ------
    InvalidInputError
        This is no such file, something in it is wrong, or there is nothing in it.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError("This file is no text; element sets are text.") from error
    if not is_text(text):
        raise InvalidInputError("This file is no text; element sets are text.")
    begin = text.lstrip()[:1]
    if begin in ("[", "{"):
        found = list(_messages(_from_json(text)))
    elif begin == "<":
        found = list(_messages(_from_xml(raw)))
    elif "NORAD_CAT_ID" in text.lstrip().partition("\n")[0]:
        found = list(_messages(_from_csv(text)))
    else:
        found = _from_lines(text)
    if not found:
        raise InvalidInputError("There is no element set in this file.")
    return found


def _from_lines(text: str) -> list[ElementSet]:
    lines = [(n, line.rstrip()) for n, line in enumerate(text.splitlines(), start=1)]
    lines = [(n, line) for n, line in lines if line and not line.startswith("#")]
    found: list[ElementSet] = []
    name = ""
    position = 0
    while position < len(lines):
        n, line = lines[position]
        if not _is_line(line, "1"):
            if name or _is_line(line, "2"):
                raise _wrong(f"Line {n}", "a first line of elements was expected here")
            name = line.removeprefix("0 ").strip()
            position += 1
            continue
        if position + 1 == len(lines):
            raise _wrong(f"Line {n}", "a first line without its second")
        found.append(_two_lines(name, n, line, lines[position + 1]))
        name = ""
        position += 2
    if name:
        raise _wrong(f"Line {lines[-1][0]}", "no line of an element set")
    return found


def _is_line(line: str, number: str) -> bool:
    return len(line) >= 68 and line.startswith(number + " ")


def _two_lines(name: str, n: int, first: str, below: tuple[int, str]) -> ElementSet:
    m, second = below
    if not _is_line(second, "2"):
        raise _wrong(f"Line {m}", "no second line of elements, which was expected here")
    # Columns behind the checksum are somebody's notes.
    first, second = (line if line[69:70].strip() else line[:69] for line in (first, second))
    for number, line in ((n, first), (m, second)):
        if len(line) != 69 or _checksum(line) != line[68]:
            raise _wrong(f"Line {number}", "its checksum does not fit")
    if first[2:7] != second[2:7]:
        raise _wrong(f"Line {m}", "it belongs to another satellite than the line above")
    try:
        norad, epoch = _norad(first[2:7]), _epoch(first[18:32])
        told = _numbers(first, second)
    except (ValueError, OverflowError):
        problem = (
            f"Lines {n} and {m} are wrong: their numbers cannot be read. Nothing was imported."
        )
        raise InvalidInputError(problem) from None
    for keyword, (least, most) in _NUMBERS.items():
        if not least <= told[keyword] <= most:
            raise _wrong(f"Line {m}", f"its {keyword} is {told[keyword]:g}")
    shown = name[:_LONGEST_NAME] or f"NORAD {norad}"
    return ElementSet(norad, shown, _designator(first[9:17]), epoch, lines=(first, second))


_PLAIN = re.compile(r" *[+-]?\d*\.\d+ *| *\d+ *", re.ASCII)
_POWER = re.compile(r" *([+-]?) *(\d{1,5}) *([+-]) ?(\d) *", re.ASCII)


def _numbers(first: str, second: str) -> dict[str, float]:
    """Return the elements of two lines by their keywords; ValueError when one is no number."""

    def plain(text: str) -> float:
        if not _PLAIN.fullmatch(text):
            raise ValueError(text)
        return float(text)

    def power(text: str) -> float:
        """Read a number such as -11606-4, which is -0.11606e-4."""
        if not text.strip(" 0"):
            return 0.0
        match = _POWER.fullmatch(text)
        if match is None:
            raise ValueError(text)
        sign, digits, way, tens = match.groups()
        return float(f"{sign}.{digits}e{way}{tens}")

    return {
        "MEAN_MOTION": plain(second[52:63]),
        "ECCENTRICITY": plain(f".{second[26:33].strip()}"),
        "INCLINATION": plain(second[8:16]),
        "RA_OF_ASC_NODE": plain(second[17:25]),
        "ARG_OF_PERICENTER": plain(second[34:42]),
        "MEAN_ANOMALY": plain(second[43:51]),
        "BSTAR": power(first[53:61]),
        "MEAN_MOTION_DOT": plain(first[33:43]),
        "MEAN_MOTION_DDOT": power(first[44:52]),
    }


def _checksum(line: str) -> str:
    total = sum(int(c) if c.isdigit() else c == "-" for c in line[:68] if c.isascii())
    return str(total % 10)


def _norad(field: str) -> int:
    """Read five digits, or the Alpha-5 form of numbers from 100,000."""
    head, rest = field[0], field[1:]
    if head in _ALPHA_5 and rest.isascii() and rest.isdigit():
        return (10 + _ALPHA_5.index(head)) * 10_000 + int(rest)
    number = field.strip()
    if not (number.isascii() and number.isdigit() and int(number)):
        raise ValueError(field)
    return int(number)


def _epoch(field: str) -> datetime:
    """Read YYDDD.DDDDDDDD: years below 57 are after 2000 (the first satellite flew in 1957)."""
    year = int(field[:2])
    days = float(field[2:])
    first = datetime(year + (2000 if year < 57 else 1900), 1, 1, tzinfo=UTC)
    if not 1 <= days < 367:
        raise ValueError(field)
    return first + timedelta(days=days - 1)


def _designator(field: str) -> str | None:
    """Return the international designator of a launch and a piece: 98067A is 1998-067A."""
    year, piece = field[:2].strip(), field[2:].strip()
    if not (year.isascii() and year.isdigit() and piece):
        return None
    return f"{int(year) + (1900 if int(year) > 56 else 2000)}-{piece}"


def _from_json(text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        content = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidInputError(f"This is no valid JSON: {error}.") from error
    for n, message in enumerate(content if isinstance(content, list) else [content], start=1):
        if not isinstance(message, dict):
            raise _wrong(f"Element set {n}", "it is no object with keywords")
        yield f"Element set {n}", message


def _from_csv(text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    reader = csv.DictReader(text.lstrip().splitlines())
    try:
        for message in reader:
            where = f"Line {reader.line_num}"
            if None in message or None in message.values():
                raise _wrong(where, "it has not as many columns as the first")
            yield where, message
    except csv.Error as error:
        raise _wrong(f"Line {reader.line_num}", str(error)) from None


def _from_xml(raw: bytes) -> Iterator[tuple[str, Mapping[str, Any]]]:
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root = fromstring(raw)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise InvalidInputError(f"This XML cannot be read: {error}.") from error
    for n, segment in enumerate(_segments(root), start=1):
        yield (
            f"Element set {n}",
            {leaf.tag: leaf.text or "" for leaf in segment.iter() if len(leaf) == 0},
        )


def _segments(root: Element) -> Iterator[Element]:
    """Yield the element sets of a message, but for those that lie in others."""
    left = [root]
    while left:
        if (one := left.pop()).tag == "segment":
            yield one
        else:
            left += reversed(one)


def _messages(told: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[ElementSet]:
    for where, message in told:
        name = str(message.get("OBJECT_NAME") or "").strip()
        yield _message(f"{where} ({name[:40]})" if name else where, message)


def _message(where: str, message: Mapping[str, Any]) -> ElementSet:
    for keyword, allowed in _HAS_TO_BE.items():
        value = str(message.get(keyword) or allowed[0]).strip().upper()
        if value not in allowed:
            raise _wrong(where, f"its {keyword} is {value[:20]}, not {allowed[0]}")
    for keyword in ("OBJECT_NAME", "OBJECT_ID"):
        if not is_text(str(message.get(keyword) or "")):
            raise _wrong(where, f"its {keyword} holds characters that are none")
    given_number = message.get("NORAD_CAT_ID", "")
    # Of a number with thousands of digits not even the text can be had.
    fits = not isinstance(given_number, int) or 0 < given_number <= LARGEST_NORAD
    number = str(given_number).strip() if fits else ""
    if not (number.isascii() and number.isdigit() and len(number) <= 9 and int(number)):
        raise _wrong(where, f"{number[:20]!r} is no NORAD_CAT_ID")
    elements: dict[str, Any] = {"EPOCH": ""}
    for keyword, (least, most) in _NUMBERS.items():
        given: Any = message.get(keyword, "")
        if given in ("", None) and keyword in _MAY_LACK:
            given = 0.0
        try:
            element = float(given)
        except (TypeError, ValueError, OverflowError):
            element = math.nan
        if not least <= element <= most:
            raise _wrong(where, f"its {keyword} is {_shown(given)}")
        elements[keyword] = element % 360 if least == -360 else element
    epoch = _moment(where, str(message.get("EPOCH", "")))
    norad = int(number)
    classification = str(message.get("CLASSIFICATION_TYPE"))
    designator = str(message.get("OBJECT_ID") or "").strip()[:_LONGEST_DESIGNATOR] or None
    elements |= {
        "EPOCH": epoch.replace(tzinfo=None).isoformat(timespec="microseconds"),
        "CLASSIFICATION_TYPE": classification if classification in ("C", "S") else "U",
        "ELEMENT_SET_NO": _count(message.get("ELEMENT_SET_NO")),
        "REV_AT_EPOCH": _count(message.get("REV_AT_EPOCH")),
    }
    name = str(message.get("OBJECT_NAME") or "").strip()[:_LONGEST_NAME] or f"NORAD {norad}"
    return ElementSet(norad, name, designator, epoch, elements=elements)


def _moment(where: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
        if not 1957 <= moment.year < 2057:
            raise ValueError(text)
    except ValueError:
        raise _wrong(where, f"its EPOCH is {text[:40]!r}") from None
    return as_utc(moment)


def _shown(value: Any) -> str:
    """Return a value as an error tells it; a number may have too many digits for a text."""
    try:
        return repr(str(value)[:20])
    except ValueError:
        return "too long a number"


def _count(value: Any) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _wrong(where: str, why: str) -> InvalidInputError:
    return InvalidInputError(f"{where} is wrong: {why}. Nothing was imported.")
