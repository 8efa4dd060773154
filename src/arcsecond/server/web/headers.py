"""The headers of a file as tables to be searched, of which a page shows what fits on it."""

from __future__ import annotations

from dataclasses import dataclass, field

from arcsecond.fits.cards import Card, listed
from arcsecond.schemas.archive import Hdu
from arcsecond.server.parsing import parse_hdu

HEAVIEST = 30_000
"""Most bytes of HTML that the cards of a page take."""

LONGEST = 1_500
"""Most characters of a value on a page."""

MOST_WORDS = 20
"""Words that are looked for."""

MOST = 60
"""HDUs that a page names."""

_ROW = 70
"""Bytes of HTML that a row takes beside what it says."""


@dataclass(slots=True)
class Part:
    """The cards of an HDU that a page shows.

    Attributes
    ----------
    total
        How many cards it has, or how many of them were found.
    """

    hdu: Hdu
    total: int
    cards: list[Card] = field(default_factory=list)


@dataclass(slots=True)
class Headers:
    """What is shown of the headers of a file.

    Attributes
    ----------
    search
        The words that were looked for.
    hdu
        The only HDU that is shown, if it was asked for.
    found
        How many cards hold the words, of ``total``.
    more
        How many HDUs there are that the page does not name.
    """

    search: str
    hdu: int | None
    total: int = 0
    found: int = 0
    more: int = 0
    parts: list[Part] = field(default_factory=list)

    @property
    def count(self) -> str:
        """How many cards there are, as a sentence."""
        if not self.search:
            return f"{self.total:,} cards"
        return f"{self.found:,} of {self.total:,} cards"


def shown_headers(hdus: list[Hdu], search: str, chosen: str) -> Headers:
    """Return what a page shows of some headers.

    Parameters
    ----------
    search
        Words that a card holds, in any order and in upper or lower case.
    chosen
        The number of the only HDU to show; "" for all, as far as they fit.
    """
    hdu = parse_hdu(chosen)
    words = list(dict.fromkeys(search.lower().split()))[:MOST_WORDS]
    headers = Headers(search.strip()[:200], hdu)
    room = HEAVIEST
    for each in hdus:
        cards = listed(each.header_string or "")
        found = [card for card in cards if _holds(card, words)]
        headers.total += len(cards)
        headers.found += len(found)
        if hdu not in (None, each.index) or (words and not found) or not cards:
            continue
        if len(headers.parts) >= MOST:
            headers.more += 1
            continue
        part = Part(each, len(found))
        for card in map(_cut, found):
            room -= _ROW + len(card.keyword) + len(card.value) + len(card.comment)
            if room < 0:
                break
            part.cards.append(card)
        headers.parts.append(part)
    return headers


def _holds(card: Card, words: list[str]) -> bool:
    text = f"{card.keyword} {card.value} {card.comment}".lower()
    return all(word in text for word in words)


def _cut(card: Card) -> Card:
    if len(card.value) <= LONGEST:
        return card
    return Card(card.keyword, card.value[:LONGEST] + " …", card.comment)
