"""Positions and times that need astropy: imported when a frame asks for it.

Nothing here reaches the network: the leap seconds and Earth orientation used
are those that astropy brings with it.
"""

from __future__ import annotations

import math
import re
import threading
import warnings
from datetime import UTC, datetime

from astropy.coordinates import FK4, FK5, SkyCoord
from astropy.io.fits import Header
from astropy.time import Time
from astropy.utils import data, iers
from astropy.wcs import WCS
from astropy.wcs.utils import wcs_to_celestial_frame

from arcsecond.fits.cards import CARD, Values

data.conf.allow_internet = False
iers.conf.auto_download = False
iers.conf.auto_max_age = None

_WCS = re.compile(
    r"(NAXIS|WCSAXES|C(TYPE|RVAL|RPIX|DELT|ROTA|UNIT)\d|(CD|PC)\d+(_\d|\d{5})|P[VS]\d+_\d"
    r"|L(ON|AT)POLE|LONGPOLE|PROJP\d|RADESYS|RADECSYS|EQUINOX|EPOCH|[AB]P?_(ORDER|\d+_\d)|RESTFR|RESTWAV|SPECSYS|VELREF|WCSNAME)"
)
"""The cards that a celestial WCS is made of: reading hundreds of others takes four times as long.

Tables of corrections (CPDIS, D2IM) are not among them: they lie in other HDUs, and move the
sky by less than a pixel or two.
"""

_lock = threading.Lock()  # wcslib and the warnings filter belong to the whole process


def to_utc(moment: datetime, scale: str) -> datetime | None:
    """Convert a naive time from a scale that astropy knows to UTC.

    None within a leap second, which a datetime cannot hold.
    """
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            converted: datetime = Time(moment, scale=scale).utc.to_datetime()
        except ValueError:
            return None
    return converted.replace(tzinfo=UTC)


def to_icrs(ra_deg: float, dec_deg: float, equinox: float) -> tuple[float, float]:
    """Convert a position of an equinox to ICRS: FK4 before 1984, FK5 since."""
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = FK4(equinox=f"B{equinox}") if equinox < 1984 else FK5(equinox=f"J{equinox}")
        icrs = SkyCoord(ra_deg, dec_deg, unit="deg", frame=frame).icrs
    return float(icrs.ra.deg), float(icrs.dec.deg)


def centre(cards: str, values: Values) -> tuple[float, float] | None:
    """Return where the centre of an image lies, ICRS in degrees.

    None when the header has no celestial WCS, when its frame is not of the sky
    outside the solar system, or when it contradicts itself.
    """
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _centre(cards, values)
        except Exception:  # wcslib and astropy raise all sorts on broken headers
            return None


def _centre(cards: str, values: Values) -> tuple[float, float] | None:
    wcs = WCS(Header.fromstring(wcs_cards(cards)))
    if not wcs.has_celestial:
        return None
    axes = [wcs.wcs.lng, wcs.wcs.lat]
    lengths = [_length(values, axis + 1) for axis in axes]
    if not all(lengths):
        return None
    celestial = wcs.celestial
    pixel = [(length + 1) / 2 for length in lengths]
    longitude, latitude = celestial.all_pix2world([pixel], 1)[0]
    position = SkyCoord(
        longitude, latitude, unit="deg", frame=wcs_to_celestial_frame(celestial)
    ).icrs
    ra_deg, dec_deg = float(position.ra.deg), float(position.dec.deg)
    return (ra_deg, dec_deg) if math.isfinite(ra_deg) and math.isfinite(dec_deg) else None


def wcs_cards(cards: str) -> str:
    """Return those cards that a celestial WCS is made of."""
    every = (cards[start : start + CARD] for start in range(0, len(cards), CARD))
    return "".join(card for card in every if _WCS.match(card))


def _length(values: Values, axis: int) -> int:
    compressed = values.get("ZIMAGE") is True
    length = values.get(f"ZNAXIS{axis}" if compressed else f"NAXIS{axis}", 0)
    return length if isinstance(length, int) else 0
