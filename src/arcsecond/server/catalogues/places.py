"""Positions and radii as people write them."""

from __future__ import annotations

import math
import re

from arcsecond.errors import InvalidInputError

_SEXAGESIMAL = re.compile(
    r"(\d{1,2})[h: ]\s*(\d{1,2})[m: ]\s*(\d{1,2}(?:\.\d*)?)s?[\s,]*"
    r"([+-])(\d{1,2})[d°: ]\s*(\d{1,2})[m′': ]\s*(\d{1,2}(?:\.\d*)?)(?:s|″|\"|'')?"
)
_DECIMAL = re.compile(r"(\d{1,3}(?:\.\d*)?)(?:\s*,\s*|\s+)([+-]?\d{1,2}(?:\.\d*)?)")


def parse_place(text: str) -> tuple[float, float] | None:
    """Return the position that a text is, in ICRS degrees; None when it is a name.

    Hours, minutes and seconds with a signed declination, however they are set
    apart, or both in decimal degrees.

    Raises
    ------
    InvalidInputError
        It is written like a position, and is none.
    """
    text = text.strip().replace("\u2212", "-")
    if match := _DECIMAL.fullmatch(text):
        return check_position("name", *map(float, match.groups()))
    match = _SEXAGESIMAL.fullmatch(text)
    if match is None:
        return None
    hours, minutes, seconds, sign, degrees, arcminutes, arcseconds = match.groups()
    parts = (minutes, seconds, arcminutes, arcseconds)
    if any(float(part) >= 60 for part in parts):
        raise InvalidInputError(fields={"name": [f"{text} has a part of 60 or more."]})
    ra_deg = 15 * (int(hours) + int(minutes) / 60 + float(seconds) / 3600)
    dec_deg = int(degrees) + int(arcminutes) / 60 + float(arcseconds) / 3600
    return check_position("name", ra_deg, -dec_deg if sign == "-" else dec_deg)


def parse_radius(text: str) -> float:
    """Return a radius in degrees, more than 0 and at most 180."""
    try:
        radius_deg = float(text)
    except ValueError:
        radius_deg = math.nan
    if not 0 < radius_deg <= 180:
        problem = f"A radius is more than 0 and at most 180 degrees, not {text[:40]!r}."
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
