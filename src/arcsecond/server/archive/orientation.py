"""How an image lies on the sky: which way north is in its pixels, and whether it is mirrored.

By the linear terms of its WCS alone (FITS Standard 4.0, section 8.1; CROTA by Calabretta &
Greisen 2002, A&A 395, 1077): it is for looking, not for measuring.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

STRAIGHT_DEG = 0.5
"""What is turned by less is not turned."""

_LONGITUDES, _LATITUDES = ("RA--", "GLON", "ELON"), ("DEC-", "GLAT", "ELAT")
_SYSTEMS = {"G": "galactic", "E": "ecliptic"}


class Orientation(NamedTuple):
    """What is to be done to an image so that north is up and east to the left.

    Attributes
    ----------
    mirrored
        Whether left and right are exchanged first.
    turn_deg
        How far it is turned then, counter-clockwise, row 1 being at the bottom.
    system
        "galactic" or "ecliptic" where that is the north of its WCS, not the equator's.
    """

    mirrored: bool
    turn_deg: float
    system: str = ""

    @property
    def told(self) -> str:
        """What is said below the picture."""
        return " ".join(f"{self.system} north up, {self.system} east left".split())

    @property
    def quarters(self) -> int | None:
        """How many quarters of a turn that is; None when it is something in between."""
        turned = self.turn_deg / 90
        return round(turned) % 4 if abs(turned - round(turned)) < STRAIGHT_DEG / 90 else None


def orientation(values: Mapping[str, Any]) -> Orientation | None:
    """Return how an image is turned; None where its first two axes do not tell."""
    types = [str(values.get(f"CTYPE{n}", "")).strip().upper() for n in (1, 2)]
    if types[0].startswith(_LONGITUDES) and types[1].startswith(_LATITUDES):
        longitude, latitude = 1, 2
    elif types[0].startswith(_LATITUDES) and types[1].startswith(_LONGITUDES):
        longitude, latitude = 2, 1
    else:
        return None
    (a, b), (c, d) = _terms(values, longitude), _terms(values, latitude)
    determinant = a * d - b * c
    if not determinant or not math.isfinite(determinant):
        return None
    # Where one goes in pixels for a step to the north, or to the east.
    north, east = (-b / determinant, a / determinant), (d / determinant, -c / determinant)
    mirrored = north[0] * east[1] - north[1] * east[0] < 0
    angle = math.degrees(math.atan2(north[1], -north[0] if mirrored else north[0]))
    system = _SYSTEMS.get(types[longitude - 1][0], "")
    return Orientation(mirrored, (90.0 - angle + 180.0) % 360.0 - 180.0, system)


def _terms(values: Mapping[str, Any], axis: int) -> tuple[float, float]:
    """Return how a world axis changes with x and y."""
    cd = [_number(values, f"CD{axis}_{n}") for n in (1, 2)]
    if any(number is not None for number in cd):
        return cd[0] or 0.0, cd[1] or 0.0
    steps = [_number(values, f"CDELT{n}") or 0.0 for n in (1, 2)]
    pc = [_number(values, f"PC{axis}_{n}") for n in (1, 2)]
    if any(number is not None for number in pc):
        x, y = (float(n + 1 == axis) if one is None else one for n, one in enumerate(pc))
        return x * steps[axis - 1], y * steps[axis - 1]
    turned = math.radians(_number(values, "CROTA2") or _number(values, "CROTA1") or 0.0)
    if axis == 1:
        return steps[0] * math.cos(turned), -steps[1] * math.sin(turned)
    return steps[0] * math.sin(turned), steps[1] * math.cos(turned)


def _number(values: Mapping[str, Any], keyword: str) -> float | None:
    value = values.get(keyword)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)
