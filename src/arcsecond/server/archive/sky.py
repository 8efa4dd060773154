"""Positions and times that need astropy: imported when a frame asks for it.

Nothing here reaches the network: the leap seconds and Earth orientation used
are those that astropy brings with it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from astropy.coordinates import (
    FK4,
    FK5,
    TETE,
    BarycentricMeanEcliptic,
    BaseCoordinateFrame,
    Galactic,
    SkyCoord,
)
from astropy.io.fits import Header
from astropy.time import Time
from astropy.utils import data, iers
from astropy.wcs import WCS
from astropy.wcs.utils import wcs_to_celestial_frame
from numpy.typing import NDArray

from arcsecond.fits.cards import CARD, Values
from arcsecond.hushed import hushed
from arcsecond.schemas.archive import Footprint
from arcsecond.server.archive.footprint import footprint, patches
from arcsecond.server.archive.observation import (
    APPARENT,
    UNKNOWN_SYSTEM,
    WITHOUT_A_TIME,
    equinox_of,
    system_of,
)
from arcsecond.server.sphere import Vectors, positions

data.conf.allow_internet = False
iers.conf.auto_download = False
iers.conf.auto_max_age = None

_WCS = re.compile(
    r"NAXIS\d{0,2}|WCSAXES|C(TYPE|RVAL|RPIX|DELT|ROTA|UNIT)\d{1,2}|(CD|PC)(\d{1,2}_\d{1,2}|\d{6})"
    r"|P[VS]\d{1,2}_\d{1,3}|L(ON|AT)POLE|LONGPOLE|PROJP\d{1,2}|RADESYS|RADECSYS|EQUINOX|EPOCH"
    r"|[AB]P?_(ORDER|DMAX|\d+_\d+)|RESTFRE?Q|RESTWAV|SPECSYS|VELREF|WCSNAME"
)
"""The cards that a celestial WCS is made of: reading hundreds of others takes four times as long.

Tables of corrections (CPDIS, D2IM) are not among them: they lie in other HDUs, and move the
sky by less than a pixel or two.
"""

_SIP = re.compile(r"[AB]P?_(ORDER|\d+_\d)")
_ORDER = re.compile(r"[AB]P?_ORDER *=")
_SMALL_ORDER = re.compile(r"[AB]P?_ORDER *= *\d(\.0*)? *(/|$)")
"""Of a distortion: astropy looks for the cards of each power, the convention goes to 9.

Reference: Shupe et al. (2005), ASP Conf. Ser. 347, 491.
"""

MOST_AXES = 32
"""Of a WCS: wcslib takes no more, and makes its matrices before it says so."""


def to_utc(moment: datetime, scale: str) -> datetime | None:
    """Convert a naive time from a scale that astropy knows to UTC.

    None within a leap second, which a datetime cannot hold.
    """
    with hushed():
        try:
            converted: datetime = Time(moment, scale=scale).utc.to_datetime()
        except ValueError:
            return None
    return converted.replace(tzinfo=UTC)


def to_icrs(
    ra_deg: float, dec_deg: float, equinox: float, apparent: datetime | None = None
) -> tuple[float, float]:
    """Convert a position to ICRS.

    Parameters
    ----------
    equinox
        Of FK4 before 1984, of FK5 since.
    apparent
        When it was the geocentric apparent place; None for a mean one, of the equinox.
    """
    with hushed():
        if apparent is not None:
            frame: BaseCoordinateFrame = TETE(obstime=Time(apparent))
        elif equinox < 1984:
            frame = FK4(equinox=f"B{equinox}")
        else:
            frame = FK5(equinox=f"J{equinox}")
        icrs = SkyCoord(ra_deg, dec_deg, unit="deg", frame=frame).icrs
    return float(icrs.ra.deg), float(icrs.dec.deg)


class Seen(NamedTuple):
    """Where an image lies: its centre, ICRS in degrees, and the patches of sky it shows.

    Attributes
    ----------
    doubt
        Which keyword is not believed, what it says and why; None for none.
    """

    centre: tuple[float, float] | None = None
    patches: Sequence[Vectors] = ()
    doubt: tuple[str, str, str] | None = None


class DoubtfulError(Exception):
    """A keyword is not believed: which, what it says, and why."""


def seen(cards: str, values: Values, start: datetime | None = None) -> Seen | None:
    """Return where an image lies; None when it has no extent.

    Parameters
    ----------
    values
        Of a header that says that two of its axes are of the sky.
    start
        When it was taken, as far as that is known: an apparent place is one of its moment.
    """
    with hushed(), np.errstate(all="ignore"):
        try:
            return _seen(cards, values, start)
        except DoubtfulError as doubtful:
            keyword, text, why = doubtful.args
            return Seen(doubt=(keyword, text, why))
        except Exception:  # wcslib and astropy raise all sorts on broken headers
            keyword = _axis_of(values)
            return Seen(doubt=(keyword, str(values.get(keyword, "")), NO_WCS))


NO_WCS = "no WCS that can be read"


def _seen(cards: str, values: Values, start: datetime | None) -> Seen | None:
    axes = values.get("WCSAXES", 0)
    if not isinstance(axes, int) or axes > MOST_AXES:
        raise DoubtfulError("WCSAXES", str(axes), NO_WCS)
    wcs = WCS(Header.fromstring(wcs_cards(cards)))
    if not wcs.has_celestial:
        raise ValueError(NO_WCS)
    # In the order that they have in the image: declination may come first.
    width, height = (_length(values, n + 1) for n in sorted((wcs.wcs.lng, wcs.wcs.lat)))
    if not (width and height):
        return None
    if abs(longitude := wcs.wcs.crval[wcs.wcs.lng]) > 720:
        why = "more than is plausible"
        raise DoubtfulError(f"CRVAL{wcs.wcs.lng + 1}", f"{longitude:g}", why)
    celestial = wcs.celestial
    frame = frame_of(celestial, values, start)
    lng, lat = celestial.wcs.lng, celestial.wcs.lat

    def to_sky(pixels: NDArray[np.float64]) -> Vectors:
        world = celestial.all_pix2world(pixels, 1)
        longitude, latitude = world[:, lng], world[:, lat]
        on_sky = np.isfinite(longitude) & np.isfinite(latitude) & (np.abs(latitude) <= 90)
        found = np.full((len(pixels), 3), np.nan)
        if on_sky.any():
            given = SkyCoord(longitude[on_sky], latitude[on_sky], unit="deg", frame=frame).icrs
            found[on_sky] = given.cartesian.xyz.value.T
        return found

    middle, found = patches(width, height, to_sky)
    centre = None
    if np.isfinite(middle).all():
        ra_deg, dec_deg = positions(middle)
        centre = float(ra_deg), float(dec_deg)
    return Seen(centre, found) if centre or found else None


def frame_of(
    celestial: WCS, values: Mapping[str, Any], start: datetime | None
) -> BaseCoordinateFrame:
    """Return the frame of a celestial WCS, by the type of its longitude and RADESYS.

    Raises
    ------
    DoubtfulError
        It is none that ICRS can be told from.
    """
    kind = celestial.wcs.lngtyp.strip()
    if kind == "GLON":
        return Galactic()
    if kind not in ("RA", "ELON"):  # of the Sun, a planet, the Earth
        ctype = celestial.wcs.ctype[celestial.wcs.lng]
        raise DoubtfulError(_axis_of(values, ctype), ctype, "no coordinates of the sky")
    system = system_of(values)
    if system.name is None or (kind == "ELON" and system.name == APPARENT):
        raise DoubtfulError(system.keyword, system.text, UNKNOWN_SYSTEM)
    if system.name == APPARENT:
        if start is None:
            raise DoubtfulError(system.keyword, system.text, WITHOUT_A_TIME)
        return TETE(obstime=Time(start))
    if kind == "ELON":
        return BarycentricMeanEcliptic(equinox=f"J{equinox_of(values, system) or 2000.0}")
    celestial.wcs.radesys = system.name
    if not 1800 < celestial.wcs.equinox < 2200:  # as none, which it may be
        celestial.wcs.equinox = math.nan
    return wcs_to_celestial_frame(celestial)


def _axis_of(values: Mapping[str, Any], ctype: str = "") -> str:
    """Return the first CTYPE of a header, or the first that says what is looked for."""
    there = (name for n in range(1, MOST_AXES) if (name := f"CTYPE{n}") in values)
    return next(
        (name for name in there if not ctype or str(values[name]).strip() == ctype), "CTYPE1"
    )


def footprint_of(found: Sequence[Vectors]) -> Footprint | None:
    """Return the footprint of a file, of the patches of all its images."""
    with hushed():
        try:
            return footprint(found)
        except Exception:  # what makes a MOC may refuse what nobody thought of
            return None


def wcs_cards(cards: str) -> str:
    """Return those cards that a celestial WCS is made of."""
    every = (cards[start : start + CARD] for start in range(0, len(cards), CARD))
    # Of a keyword the first, which is what everything else here reads.
    told: dict[str, str] = {}
    for card in every:
        if _WCS.fullmatch(keyword := card[:8].rstrip()):
            told.setdefault(keyword, card)
    found = list(told.values())
    if any(_ORDER.match(card) and not _SMALL_ORDER.match(card) for card in found):
        found = [card for card in found if not _SIP.match(card)]
    return "".join(found)


def _length(values: Values, axis: int) -> int:
    if values.get("NAXIS") == 0 and axis <= 2:  # a solution without its image, by Astrometry.net
        keyword = ("IMAGEW", "IMAGEH")[axis - 1]
    else:
        keyword = f"ZNAXIS{axis}" if values.get("ZIMAGE") is True else f"NAXIS{axis}"
    length = values.get(keyword, 0)
    return length if isinstance(length, int) else 0
