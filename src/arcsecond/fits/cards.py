"""FITS header cards, read by pure functions over text.

Reference: FITS Standard 4.0, section 4; HIERARCH by the ESO convention;
CONTINUE by section 4.2.1.2.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

CARD = 80

Value = str | bool | int | float | None


@dataclass(slots=True)
class Card:
    """What a card says, as it is read: numbers as they are written, text without quotes."""

    keyword: str
    value: str
    comment: str = ""


class Values(dict[str, Value | list[str]]):
    """The values of a header by keyword.

    Attributes
    ----------
    units
        What stands in square brackets before a comment: the unit of the value; "minutes"
        or "hours" where a comment says so, as those of old plates and telescopes do.
    """

    def __init__(self) -> None:
        super().__init__()
        self.units: dict[str, str] = {}


_STRING = re.compile(r"'((?:[^']|'')*)'(?=\s*(?:/|$))")
_LOOSE = re.compile(r"'(.*?)'(?=\s*(?:/|$))")
_BEGUN = re.compile(r"'((?:[^']|'')*)'")
_WHOLE_NUMBER = r"[+-]?\d+"
_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[EDed][+-]?\d+)?"
_USUAL = re.compile(rf"\s*(?:'((?:[^']|'')*)'|([TF])|({_WHOLE_NUMBER})|({_NUMBER}))\s*(?:/|$)")
"""What nearly every card has behind its keyword: text, T or F, a whole number, another one."""
_TEXT, _LOGICAL, _WHOLE = range(1, 4)
_UNIT = re.compile(
    r"([A-Z0-9_-]{1,8}) *= [^'/]*/(?: *+\[([^\]]+)\]|.*\b(minutes|hours)\b)", re.IGNORECASE
)
_COMMENTARY = {"COMMENT", "HISTORY", ""}


def parse(text: str) -> Values:
    """Return the values of a header by keyword.

    A keyword that comes twice keeps its first value. COMMENT, HISTORY and
    blank keywords become lists of lines. HIERARCH keywords go by what follows
    that word. A value that is none of the standard's kinds stays text.
    """
    values = Values()
    for keyword, value in _joined(text):
        if keyword in _COMMENTARY:
            lines = values.setdefault(keyword, [])
            if isinstance(lines, list):
                lines.append(str(value).rstrip())
        else:
            values.setdefault(keyword, value)
    if "[" in text or "inutes" in text or "ours" in text:
        cards = (text[start : start + CARD] for start in range(0, len(text), CARD))
        values.units.update(
            (m[1], m[2] or m[3].lower()) for card in cards if (m := _UNIT.match(card))
        )
    blanks = values.get("")
    if isinstance(blanks, list) and not any(blanks):
        del values[""]
    return values


def listed(text: str) -> list[Card]:
    """Return the cards of a header in their order, for people to read.

    Long strings are put together again, and so are runs of COMMENT and HISTORY;
    blank cards are left out.
    """
    cards: list[_Open] = []
    for start in range(0, len(text), CARD):
        card = text[start : start + CARD]
        keyword, field = _split(card)
        before = cards[-1] if cards else None
        if before and keyword == "CONTINUE" and before.goes_on:
            before.values[-1] = before.values[-1][:-1]
            value, comment = _read(card[8:])
            before.values.append(value)
            before.comments.append(comment)
        elif keyword in _COMMENTARY:
            line = card[8:].rstrip()
            if before and before.keyword == keyword:
                before.values.append(line)
            elif keyword or line:
                cards.append(_Open(keyword, [line], []))
        else:
            value, comment = _read(card[8:] if field is None else field)
            cards.append(_Open(keyword, [value], [comment]))
    return [one.closed() for one in cards]


class _Open(NamedTuple):
    """A card that others go on with, of which there may be a million."""

    keyword: str
    values: list[str]
    comments: list[str]

    @property
    def goes_on(self) -> bool:
        return self.keyword not in _COMMENTARY and self.values[-1].endswith("&")

    def closed(self) -> Card:
        between = "\n" if self.keyword in _COMMENTARY else ""
        comment = " ".join(filter(None, self.comments))
        return Card(self.keyword, between.join(self.values), comment)


def _read(field: str) -> tuple[str, str]:
    """Return the text of a value and its comment."""
    field = field.strip()
    if quoted := _quoted(field):
        return _unquoted(quoted), field[quoted.end() :].lstrip(" /")
    value, _, comment = field.partition("/")
    return value.strip(), comment.strip()


def _joined(text: str) -> Iterator[tuple[str, Value]]:
    """Yield keywords and values, long strings put together again."""
    open_keyword, pieces = "", list[str]()
    for start in range(0, len(text), CARD):
        card = text[start : start + CARD]
        if open_keyword:
            more = _quoted(card[8:].lstrip()) if card.startswith("CONTINUE") else None
            if more:
                pieces[-1] = pieces[-1][:-1]
                pieces.append(_unquoted(more))
                if pieces[-1].endswith("&"):
                    continue
            yield open_keyword, "".join(pieces)
            open_keyword = ""
            if more:
                continue
        keyword, value = _card(card)
        if isinstance(value, str) and value.endswith("&") and keyword not in _COMMENTARY:
            open_keyword, pieces = keyword, [value]
        else:
            yield keyword, value
    if open_keyword:
        yield open_keyword, "".join(pieces)


def _card(card: str) -> tuple[str, Value]:
    keyword, field = _split(card)
    if keyword in _COMMENTARY:
        return keyword, field
    return keyword, None if field is None else _value(field)


def _split(card: str) -> tuple[str, str | None]:
    """Return the keyword of a card, and what follows it; None where that is no value."""
    keyword = card[:8].rstrip().upper()
    if card[8:10] == "= ":
        return keyword, card[10:]
    if keyword == "HIERARCH" and "=" in card:
        name, _, field = card[8:].partition("=")
        return " ".join(name.split()).upper(), field
    if card[8:9] == "=" and keyword not in _COMMENTARY:  # a blank is missing behind it
        return keyword, card[9:]
    return keyword, card[8:] if keyword in _COMMENTARY else None


def _value(field: str) -> Value:
    if usual := _USUAL.match(field):
        kind = usual.lastindex
        if kind == _TEXT:
            return _unquoted(usual)
        if kind == _LOGICAL:
            return usual[_LOGICAL] == "T"
        if kind == _WHOLE and abs(integer := int(usual[_WHOLE])) < 1 << 63:
            return integer
        number = float(usual[kind or 0].upper().replace("D", "E"))
        if math.isfinite(number):
            return number
    field = field.strip()
    if quoted := _quoted(field):
        return _unquoted(quoted)
    return field.partition("/")[0].strip() or None


def _quoted(field: str) -> re.Match[str] | None:
    """Find the text between quotes; a quote inside, which should be two, is one all the same."""
    return _STRING.match(field) or _LOOSE.match(field) or _BEGUN.match(field)


def _unquoted(match: re.Match[str]) -> str:
    """Return the text between quotes; trailing blanks mean nothing."""
    return match.group(1).replace("''", "'").rstrip()
