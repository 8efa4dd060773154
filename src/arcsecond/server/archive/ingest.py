"""Read a frame: unpack it, walk its HDUs, decide what they mean.

Only what is empty or carries no FITS signature is refused. Everything else is
kept, and what is wrong with it is said in ``problems``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from arcsecond.errors import NotFitsError
from arcsecond.fits import walking
from arcsecond.fits.cards import Values
from arcsecond.server.archive.observation import Observation, observe, pointing
from arcsecond.server.archive.packing import Content, detect, unpacked
from arcsecond.server.storage import Readable

logger = logging.getLogger(__name__)

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
    """

    content_size: int
    content_sha256: str | None
    packing: str | None
    observation: Observation = field(default_factory=Observation)
    hdus: list[dict[str, Any]] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    values: list[Values] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_frame(incoming: Readable, max_unpacked_bytes: int) -> Frame:
    """Read a frame from bytes that have arrived.

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
        hdus=[describe(hdu) for hdu in walked.hdus],
        headers=[hdu.cards for hdu in walked.hdus],
        values=[hdu.values for hdu in walked.hdus],
        problems=problems + walked.problems,
    )
    try:
        observation = observe([hdu.values for hdu in walked.hdus])
        _locate(observation, walked.hdus)
        frame.observation = observation
    except Exception:  # no header may cost a frame, however odd it is
        logger.exception("a header could not be understood")
        frame.problems.append("What the headers mean could not be understood.")
    return frame


@contextmanager
def _content(incoming: Readable, limit: int) -> Iterator[Content]:
    with incoming.open() as file:
        packing = detect(file.read(4))
        file.seek(0)
        if packing is None:
            yield Content(file, incoming.size, None, incoming.sha256)
        else:
            with unpacked(file, packing, incoming.scratch(), limit) as content:
                yield content


def _refusal(content: Content, start: bytes) -> str:
    if content.problem and not content.size:
        return f"This is no readable file: {content.problem}"
    shown = start.decode("ascii", "backslashreplace").strip()
    inside = f" inside its {content.packing} packing" if content.packing else ""
    return f"The file carries no FITS signature{inside}: it starts with {shown!r}."


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
        "compression": str(values.get("ZCMPTYPE")) if compressed else None,
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
    return [x if isinstance(x, int) else 0 for x in lengths]


def _locate(observation: Observation, hdus: list[walking.RawHdu]) -> None:
    """Find the position: the centre of the first image with a WCS, else the pointing."""
    for hdu in hdus[:20]:
        types = [str(hdu.values.get(f"CTYPE{n}", "")).upper() for n in range(1, 6)]
        if sum(t.startswith(_SKY) or t[1:4] in ("LON", "LAT") for t in types) >= 2:
            from arcsecond.server.archive.sky import centre

            if found := centre(hdu.cards, hdu.values):
                observation.ra_deg, observation.dec_deg = found
                observation.position_source = "wcs"
                return
    for hdu in hdus[:20]:
        if pointed := pointing(hdu.values):
            ra_deg, dec_deg, equinox = pointed
            if equinox not in (None, 2000.0):
                from arcsecond.server.archive.sky import to_icrs

                ra_deg, dec_deg = to_icrs(ra_deg, dec_deg, equinox or 2000.0)
            observation.ra_deg, observation.dec_deg = ra_deg, dec_deg
            observation.position_source = "pointing"
            return
