"""Read a frame: unpack it, walk its HDUs, decide what they mean.

Only what is empty or carries no FITS signature is refused. Everything else is
kept, and what is wrong with it is said in ``problems``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from arcsecond.errors import NotFitsError
from arcsecond.fits import walking
from arcsecond.fits.cards import Values
from arcsecond.fits.packing import Content, detect, unpacked
from arcsecond.server.archive.index.entries import said_by
from arcsecond.server.archive.observation import (
    APPARENT,
    UNKNOWN_SYSTEM,
    WITHOUT_A_TIME,
    Observation,
    as_number,
    no_pointings,
    observe,
    pointings,
)
from arcsecond.server.archive.product import product_of
from arcsecond.server.archive.rules import FrameRules, RuleBook, written
from arcsecond.server.storage import Readable

if TYPE_CHECKING:
    from arcsecond.server.sphere import Vectors

logger = logging.getLogger(__name__)

NOT_UNDERSTOOD = "What the headers mean could not be understood."

MOST_IMAGES = 128
"""HDUs that are looked at for where they lie: the largest cameras have a hundred detectors."""

_CD = ("CD{}_{}", "CD{:03}{:03}")
_SKY = ("RA--", "DEC-", "GLON", "GLAT", "ELON", "ELAT")


@dataclass(slots=True)
class Frame:
    """What was read from a file.

    Attributes
    ----------
    hdus
        What each HDU is, as it is kept with the version.
    headers
        The cards of each HDU.
    values
        The same, parsed.
    rules
        Digest of the rules that they were read by.
    """

    content_size: int
    content_sha256: str | None
    packing: str | None
    rules: str
    observation: Observation = field(default_factory=Observation)
    hdus: list[dict[str, Any]] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    values: list[Values] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_frame(incoming: Readable, max_unpacked_bytes: int, book: RuleBook) -> Frame:
    """Read a frame from bytes that have arrived, and by rules what its headers mean.

    Raises
    ------
    NotFitsError
        It is empty, or carries no FITS signature.
    TooLargeError
        It unpacks to more than the limit.
    """
    if not incoming.size:
        raise NotFitsError("The file is empty.")
    with _content(incoming, max_unpacked_bytes) as content:
        content.file.seek(0)
        start = content.file.read(len(walking.SIGNATURE))
        if start != walking.SIGNATURE:
            raise NotFitsError(_refusal(content, start))
        walked = walking.walk(content.file, content.size)
    problems = [content.problem] if content.problem else []
    frame = Frame(
        content_size=content.size,
        content_sha256=content.sha256,
        packing=content.packing,
        rules=book.digest,
        hdus=[describe(hdu) for hdu in walked.hdus],
        headers=[hdu.cards for hdu in walked.hdus],
        values=[hdu.values for hdu in walked.hdus],
        problems=problems + walked.problems,
    )
    frame.observation, problem = understand(walked.hdus, book)
    if problem:
        frame.problems.append(problem)
    return frame


def understand(hdus: Sequence[walking.RawHdu], book: RuleBook) -> tuple[Observation, str]:
    """Return what headers mean by rules, and what is wrong with them, "" for nothing."""
    headers = [hdu.values for hdu in hdus]
    try:
        rules = book.of(headers)
        observation = observe(headers, rules)
        observation.said = said_by(headers, book.keywords)
        observation.product = product_of(hdus)
        _locate(observation, hdus, rules)
    except Exception:  # no header may cost a frame, however odd it is
        logger.exception("a header could not be understood")
        return Observation(), NOT_UNDERSTOOD
    return observation, ""


@contextmanager
def _content(incoming: Readable, limit: int) -> Iterator[Content]:
    with incoming.open() as file:
        packing = detect(file.read(4))
        file.seek(0)
        if packing is None:
            yield Content(file, incoming.size, None, incoming.sha256)
        else:
            with unpacked(file, packing, incoming.scratch, limit) as content:
                yield content


def _refusal(content: Content, start: bytes) -> str:
    if content.problem and not content.size:
        return f"This is no readable file: {content.problem}"
    shown = repr(start.strip(b" "))[1:]
    inside = f" inside its {content.packing} packing" if content.packing else ""
    return f"The file carries no FITS signature{inside}: it starts with {shown}."


def describe(hdu: walking.RawHdu) -> dict[str, Any]:
    """Return what an HDU is: its name, its kind, its shape."""
    values = hdu.values
    compressed = values.get("ZIMAGE") is True
    name = values.get("EXTNAME")
    return {
        "index": hdu.index,
        "name": str(name)[:80] if name is not None else ("PRIMARY" if hdu.index == 0 else ""),
        "data_type": _data_type(values),
        "shape": _shape(values, "ZNAXIS" if compressed else "NAXIS"),
        "compression": str(values.get("ZCMPTYPE"))[:80] if compressed else None,
    }


def _data_type(values: Values) -> str:
    extension = str(values.get("XTENSION", "")).strip()
    if values.get("ZIMAGE") is True:
        return "img"
    if "SIMPLE" in values:
        if values.get("SIMPLE") is not True:
            return "undef"
        if values.get("GROUPS") is True and values.get("NAXIS1") == 0:
            return "groups"
        return "img" if values.get("NAXIS") else "any"
    known = {"IMAGE": "img", "BINTABLE": "bintab", "TABLE": "ascitab", "A3DTABLE": "bintab"}
    kind = known.get(extension, "undef")
    return "any" if kind == "img" and not values.get("NAXIS") else kind


def _shape(values: Values, keyword: str) -> list[int]:
    count = values.get(keyword)
    if not isinstance(count, int) or not 0 <= count <= 999:
        return []
    lengths = [values.get(f"{keyword}{n}") for n in range(1, count + 1)]
    whole = [x for x in lengths if isinstance(x, int)]
    return whole if len(whole) == count else []


def _locate(observation: Observation, hdus: Sequence[walking.RawHdu], rules: FrameRules) -> None:
    """Find the position: the centre of the first image with a WCS, else the pointing."""
    images = [hdu for hdu in hdus[:MOST_IMAGES] if has_sky(hdu.values)]
    _look(observation, [hdu for hdu in images if _has_extent(hdu)])
    if observation.position_source:
        return
    for one in pointings([hdu.values for hdu in hdus], rules):
        if one.ra_deg == one.dec_deg == 0:  # what software writes that does not know
            observation.doubt("position", one.keywords, "0 0", "never set")
            continue
        system = one.system
        if system.name == APPARENT and observation.start is None:
            observation.doubt("position", system.keyword, system.text, WITHOUT_A_TIME)
            continue
        if system.name is None:
            observation.doubt("position", system.keyword, system.text, UNKNOWN_SYSTEM)
        place = one.ra_deg, one.dec_deg
        if system.name == APPARENT or one.equinox not in (None, 2000.0):
            from arcsecond.server.archive.sky import to_icrs

            moment = observation.start if system.name == APPARENT else None
            place = to_icrs(*place, one.equinox or 2000.0, moment)
        observation.ra_deg, observation.dec_deg = place
        observation.position_source = "pointing"
        observation.read_from["position"] = one.keywords
        return
    for keywords, text in no_pointings([hdu.values for hdu in hdus], rules):
        observation.doubt("position", keywords, text, "no position")


def _has_extent(hdu: walking.RawHdu) -> bool:
    shape = describe(hdu)["shape"]
    return all(shape) if shape else "IMAGEW" in hdu.values


def _look(observation: Observation, images: Sequence[walking.RawHdu]) -> None:
    """Find out which part of the sky images show."""
    if not images:
        return
    from arcsecond.server.archive.sky import footprint_of, seen, wcs_cards

    found: list[Vectors] = []
    before: set[str] = set()
    for hdu in images:
        told = wcs_cards(hdu.cards)
        if told in before:  # errors and flags lie where the image does
            continue
        before.add(told)
        if doubt := unscaled(hdu.values):
            observation.doubt("position", *doubt)
            continue
        if (one := seen(hdu.cards, hdu.values, observation.start)) is None:
            continue
        if one.doubt:
            observation.doubt("position", *one.doubt)
        found += one.patches
        if one.centre and not observation.position_source:
            observation.ra_deg, observation.dec_deg = one.centre
            observation.position_source = "wcs"
    observation.footprint = footprint_of(found)


def has_sky(values: Values) -> bool:
    """Tell whether a header says that two axes of its data are of the sky."""
    return len(_sky_axes(values)) >= 2


def _sky_axes(values: Values) -> list[int]:
    types = {n: str(values.get(f"CTYPE{n}", "")).upper() for n in range(1, 6)}
    return [n for n, t in types.items() if t.startswith(_SKY) or t[1:4] in ("LON", "LAT")]


def unscaled(values: Values) -> tuple[str, str, str] | None:
    """Return which card of a celestial WCS is not believed, what it says, and why; None for none.

    It has no scale, for which astropy would take one degree for a pixel, or no place.
    """
    for n in _sky_axes(values):
        keyword, why = f"CRVAL{n}", "no number"
        if keyword not in values or as_number(values[keyword]) is not None:
            keyword, why = f"CTYPE{n}", "a WCS without a scale"
            cards = [form.format(n, m) for m in range(1, 6) for form in _CD]
            told = [as_number(values[card]) for card in cards if card in values]
            turned = [as_number(values.get(f"PC{n}_{m}")) for m in range(1, 6)]
            scaled = any(abs(part or 0) not in (0, 1) for part in turned)
            # Where there is CD, CDELT says nothing.
            if any(told) if told else scaled or as_number(values.get(f"CDELT{n}")):
                continue
        return keyword, written(values[keyword]), why
    return None
