"""Positions and radii as people write them."""

from __future__ import annotations

import contextlib
import math
import re

from arcsecond.errors import InvalidInputError
from arcsecond.schemas.fields import FLAGS, RANGE
from arcsecond.server.zones import unit_vector

_SEXAGESIMAL = re.compile(
    r"(\d{1,2})[h: ]\s*(\d{1,2})[m: ]\s*(\d{1,2}(?:\.\d*)?)s?[\s,]*"
    r"([+-])(\d{1,2})[d°: ]\s*(\d{1,2})[m′': ]\s*(\d{1,2}(?:\.\d*)?)(?:s|″|\"|'')?"
)
_LETTERED = re.compile(
    r"(\d{1,2}(?:\.\d*)?)h\s*+(?:(\d{1,2}(?:\.\d*)?)m)?\s*+(?:(\d{1,2}(?:\.\d*)?)s)?[\s,]*+"
    r"([+-]?)(\d{1,2}(?:\.\d*)?)[d°]\s*+(?:(\d{1,2}(?:\.\d*)?)(?:[m′]|'(?!')))?"
    r"\s*+(?:(\d{1,2}(?:\.\d*)?)(?:s|″|\"|''))?"
)
"""With letters what is nothing may be left out. Blanks that were matched are not tried anew.

No group is: Python before 3.11.5 forgets where a possessive one began (cpython#106052).
"""

_NUMBER = r"[+-]?(?:\d{1,3}(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?"
_DECIMAL = re.compile(rf"({_NUMBER})(?:\s*,\s*|\s+)({_NUMBER})")

_ANGLE = re.compile(
    r"(\d{1,6}(?:\.\d{0,15})?|\.\d{1,15}) ?(deg|°|arcmin|'|′|arcsec|\"|″)", re.ASCII
)
_PER_DEGREE = {"deg": 1, "°": 1, "arcmin": 60, "'": 60, "′": 60} | dict.fromkeys(
    ("arcsec", '"', "″"), 3600
)
_RANGE = re.compile(RANGE, re.ASCII)


def parse_place(text: str, field: str = "name") -> tuple[float, float] | None:
    """Return the position that a text is, in ICRS degrees; None when it is a name.

    Hours, minutes and seconds with a signed declination, however they are set
    apart, or both in decimal degrees. With letters, such as 12h30m, what is nothing may be
    left out.

    Raises
    ------
    InvalidInputError
        It is written like a position, and is none.
    """
    text = text.strip().replace("\u2212", "-")
    if match := _DECIMAL.fullmatch(text):
        return check_position(field, *map(float, match.groups()))
    match = _SEXAGESIMAL.fullmatch(text) or _LETTERED.fullmatch(text)
    if match is None:
        return None
    *ra, sign = match.groups()[:4]
    (hours, minutes, seconds), (degrees, arcminutes, arcseconds) = (
        [float(part or 0) for part in parts] for parts in (ra, match.groups()[4:])
    )
    if max(minutes, seconds, arcminutes, arcseconds) >= 60:
        raise InvalidInputError(fields={field: [f"{text} has a part of 60 or more."]})
    ra_deg = 15 * (hours + minutes / 60 + seconds / 3600)
    dec_deg = degrees + arcminutes / 60 + arcseconds / 3600
    return check_position(field, ra_deg, -dec_deg if sign == "-" else dec_deg)


def parse_angle(text: str) -> float:
    """Return an angle in degrees: "2deg", "30arcmin", "90arcsec" or degrees alone; else NaN."""
    with contextlib.suppress(ValueError):
        return float(text)
    match = _ANGLE.fullmatch(text.strip().lower())
    return float(match[1]) / _PER_DEGREE[match[2]] if match else math.nan


def parse_radius(text: str) -> float:
    """Return a radius in degrees, more than 0 and at most 180."""
    radius_deg = parse_angle(text)
    if not 0 < radius_deg <= 180:
        problem = (
            f"A radius is more than 0 and at most 180 degrees, not {text[:40]!r}; "
            "write it like 0.5deg, 30arcmin or 90arcsec."
        )
        raise InvalidInputError(fields={"radius": [problem]})
    return radius_deg


def parse_position(field: str, text: str) -> tuple[float, float]:
    """Return right ascension and declination (ICRS, degrees) of "RA,DEC"."""
    try:
        ra_deg, dec_deg = (float(part) for part in text.split(","))
    except ValueError:
        raise InvalidInputError(
            fields={field: [f"{text[:60]!r} is no position; write RA,DEC in decimal degrees."]}
        ) from None
    return check_position(field, ra_deg, dec_deg)


def check_position(field: str, ra_deg: float, dec_deg: float) -> tuple[float, float]:
    """Refuse a position that is none; infinities and NaN are none."""
    if not (0 <= ra_deg <= 360 and -90 <= dec_deg <= 90):
        raise InvalidInputError(
            fields={
                field: [
                    f"RA {ra_deg} has to be from 0 to 360 and Dec {dec_deg} from -90 to 90 degrees."
                ]
            }
        )
    return ra_deg, dec_deg


def parse_range(field: str, text: str) -> tuple[float | None, float | None]:
    """Return the ends of a range: "0.5..2", "..2", "0.5.." or one value.

    Raises
    ------
    InvalidInputError
        An end is no number, both are missing, or they are the wrong way round.
    """
    first, dots, last = text.partition("..")
    low = float(first) if first and _RANGE.fullmatch(text) else None
    high = low if not dots else float(last) if last and _RANGE.fullmatch(text) else None
    if low is not None and high is not None and low > high:
        problem = f"{text[:40]!r} ends before it begins; write the smaller number first."
        raise InvalidInputError(fields={field: [problem]})
    if not _RANGE.fullmatch(text):
        problem = f"{text[:40]!r} is no range; write it like 0.5..2, ..2 or 0.5.."
        raise InvalidInputError(fields={field: [problem]})
    return low, high


def parse_flag(field: str, text: str) -> bool:
    """Return what a flag says: true, yes and 1, or false, no and 0."""
    if text not in FLAGS:
        raise InvalidInputError(fields={field: [f"{text[:40]!r} is neither true nor false."]})
    return FLAGS[text]


_Axes = tuple[tuple[float, float, float], ...]
_GALACTIC = (
    (-0.0548755604162154, -0.8734370902348850, -0.4838350155487132),
    (+0.4941094278755837, -0.4448296299600112, +0.7469822444972189),
    (-0.8676661490190047, -0.1980763734312015, +0.4559837761750669),
)
"""From ICRS to galactic axes (ESA 1997, The Hipparcos and Tycho Catalogues, vol. 1, 1.5.11)."""

_OBLIQUITY = math.radians(84381.406 / 3600)
"""Mean obliquity of the ecliptic at J2000 (IAU 2006)."""

_ECLIPTIC = (
    (1.0, 0.0, 0.0),
    (0.0, math.cos(_OBLIQUITY), math.sin(_OBLIQUITY)),
    (0.0, -math.sin(_OBLIQUITY), math.cos(_OBLIQUITY)),
)


def galactic(ra_deg: float, dec_deg: float) -> tuple[float, float]:
    """Return galactic longitude and latitude of a position in ICRS, all in degrees."""
    return _turned(_GALACTIC, ra_deg, dec_deg)


def ecliptic(ra_deg: float, dec_deg: float) -> tuple[float, float]:
    """Return ecliptic longitude and latitude (equinox J2000) of a position in ICRS, in degrees.

    The frame bias of 0.02 arcseconds is left out.
    """
    return _turned(_ECLIPTIC, ra_deg, dec_deg)


def _turned(axes: _Axes, ra_deg: float, dec_deg: float) -> tuple[float, float]:
    a, b, c = unit_vector(ra_deg, dec_deg)
    x, y, z = [p * a + q * b + r * c for p, q, r in axes]
    longitude_deg = math.degrees(math.atan2(y, x)) % 360
    return round(longitude_deg, 7), round(math.degrees(math.atan2(z, math.hypot(x, y))), 7)
