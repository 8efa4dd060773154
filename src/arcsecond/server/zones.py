"""Cone searches in any database: the sky in strips of declination.

A position is one whole number: the strip it lies in, then its right ascension.
A cone is a few ranges of such numbers, found by spherical trigonometry alone,
and an ordinary index does the rest. What a range holds is either wholly inside
the cone or at its edge, where the distance decides: the square of the chord
between unit vectors, which is exact from milliarcseconds to 180 degrees.

After Gray, Nieto-Santisteban & Szalay 2006, "The Zones Algorithm for Finding
Points-Near-a-Point or Cross-Matching Spatial Datasets", MSR-TR-2006-52.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HEIGHT_DEG = 0.2
"""Height of a strip: small cones touch one or two of them, one of 5 degrees fifty."""

_STRIPS = round(180 / HEIGHT_DEG)
_TURN = 1 << 32
"""Steps of right ascension in a strip: 0.3 mas each at the equator."""

_SLACK_DEG = 1e-5
"""How much farther an edge reaches than the trigonometry says, whose arcs lose half the digits."""

_SHADE_DEG = 1e-9
"""What is nearer to the edge than this is tested, whatever its range."""


class Span(NamedTuple):
    """Cells from ``first`` to ``last``; ``inside`` when no distance has to be tested."""

    first: int
    last: int
    inside: bool


def cell(ra_deg: float, dec_deg: float) -> int:
    """Return the cell of a position: 42 bits, in order of strip and right ascension."""
    return _strip(dec_deg) * _TURN + math.floor(ra_deg / 360 * _TURN) % _TURN


def unit_vector(ra_deg: float, dec_deg: float) -> tuple[float, float, float]:
    """Return the direction of a position as x, y, z."""
    ra, dec = math.radians(ra_deg), math.radians(dec_deg)
    return math.cos(dec) * math.cos(ra), math.cos(dec) * math.sin(ra), math.sin(dec)


def placed(positions: Sequence[tuple[int, float, float]]) -> NDArray[np.void]:
    """Return what an index of the sky holds of many things at once.

    Parameters
    ----------
    positions
        Of each its number, and right ascension and declination in degrees.

    Returns
    -------
    numpy.ndarray
        Records of cell, number and unit vector: ``cell``, ``id``, ``x``, ``y``, ``z``.
    """
    import numpy as np  # late: a quarter of a second, which only those who build have to spare

    given = np.array(positions, dtype=[("id", "i8"), ("ra", "f8"), ("dec", "f8")])
    strips = np.clip(np.floor((given["dec"] + 90) / HEIGHT_DEG), 0, _STRIPS - 1).astype("i8")
    turned = np.floor(given["ra"] / 360 * _TURN).astype("i8") % _TURN
    ra, dec = np.radians(given["ra"]), np.radians(given["dec"])
    found = np.empty(
        len(given), dtype=[("cell", "i8"), ("id", "i8"), ("x", "f8"), ("y", "f8"), ("z", "f8")]
    )
    found["cell"], found["id"] = strips * _TURN + turned, given["id"]
    found["x"], found["y"] = np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra)
    found["z"] = np.sin(dec)
    return found


def in_order(
    positions: Iterable[tuple[int, float, float]],
) -> list[tuple[int, int, float, float, float]]:
    """Return what an index holds of many things, by cell: it takes it in several times faster."""
    found = placed(list(positions))
    rows: list[tuple[int, int, float, float, float]]
    rows = found[found["cell"].argsort(kind="stable")].tolist()
    return rows


def chord_squared(radius_deg: float) -> float:
    """Return the squared distance of unit vectors that are a radius apart.

    A little more, as much as vectors are rounded: the edge belongs to the cone.
    """
    return 4 * math.sin(math.radians(radius_deg) / 2) ** 2 * (1 + 1e-14) + 1e-25


def angle_deg(chord_squared: float) -> float:
    """Return the angle between unit vectors from the square of their distance."""
    return math.degrees(2 * math.asin(min(1.0, math.sqrt(chord_squared) / 2)))


def cone(ra_deg: float, dec_deg: float, radius_deg: float, *, edged: bool = True) -> Iterator[Span]:
    """Yield the cells that a cone covers; none of them overlap.

    Parameters
    ----------
    ra_deg, dec_deg
        Its centre.
    radius_deg
        From the centre to the edge, which belongs to it; at most 180.
    edged
        Whether what is inside is told from the edge; else every distance has to be tested,
        and there is one range to a strip, or two.
    """
    wide, narrow = radius_deg + _SHADE_DEG, radius_deg - _SHADE_DEG if edged else -1.0
    if narrow >= 180 - 2 * _SHADE_DEG:
        yield Span(0, _STRIPS * _TURN - 1, True)
        return
    dec = math.radians(dec_deg)
    first, last = _strip(dec_deg - wide), _strip(dec_deg + wide)
    # Where a circle turns back right ascension reaches farthest (or, beyond 90, least).
    sine = math.sin(dec) / math.cos(math.radians(radius_deg))
    turn = math.asin(sine) if abs(sine) <= 1 else math.inf
    south = math.radians(first * HEIGHT_DEG - 90)
    outer_south, inner_south = _half_width(dec, wide, south), _half_width(dec, narrow, south)
    for strip in range(first, last + 1):
        north = math.radians(min(90.0, (strip + 1) * HEIGHT_DEG - 90))
        outer_north, inner_north = _half_width(dec, wide, north), _half_width(dec, narrow, north)
        outer, inner = max(outer_south, outer_north), min(inner_south, inner_north)
        if south <= turn <= north:
            outer = max(outer, _half_width(dec, wide, turn))
            inner = min(inner, _half_width(dec, narrow, turn))
        yield from _spans(strip, ra_deg, max(0.0, outer) + _SLACK_DEG, inner - _SLACK_DEG)
        south, outer_south, inner_south = north, outer_north, inner_north


def _strip(dec_deg: float) -> int:
    return min(_STRIPS - 1, max(0, math.floor((dec_deg + 90) / HEIGHT_DEG)))


def _half_width(dec0: float, radius_deg: float, dec: float) -> float:
    """Return how far a cone reaches in right ascension (deg) at a declination; -1 for not at all.

    Haversines keep small radii exact: hav dRA = (hav r - hav dDec) / (cos dec0 cos dec).
    """
    left = math.sin(math.radians(radius_deg) / 2) ** 2 - math.sin((dec - dec0) / 2) ** 2
    if radius_deg < 0 or left < 0:
        return -1.0
    whole = math.cos(dec0) * math.cos(dec)
    return 180.0 if left >= whole else math.degrees(2 * math.asin(math.sqrt(left / whole)))


def _spans(strip: int, ra_deg: float, outer_deg: float, inner_deg: float) -> Iterator[Span]:
    """Yield the edge to the west, the inside and the edge to the east, where there are any."""
    middle, step = ra_deg / 360 * _TURN, _TURN / 360
    if inner_deg + _SLACK_DEG >= 180:
        yield Span(strip * _TURN, (strip + 1) * _TURN - 1, True)
        return
    first = math.floor(middle - min(180.0, outer_deg) * step)
    last = min(math.floor(middle + min(180.0, outer_deg) * step), first + _TURN - 1)
    if inner_deg <= 0:
        yield from _turned(strip, first, last, inside=False)
        return
    inner_first = math.ceil(middle - inner_deg * step)
    inner_last = math.floor(middle + inner_deg * step)
    yield from _turned(strip, first, inner_first - 1, inside=False)
    yield from _turned(strip, inner_first, inner_last, inside=True)
    yield from _turned(strip, inner_last + 1, last, inside=False)


def _turned(strip: int, first: int, last: int, *, inside: bool) -> Iterator[Span]:
    """Yield a range of right ascension, in two parts when it crosses zero."""
    if last < first:
        return
    length, start = last - first, first % _TURN
    base = strip * _TURN
    yield Span(base + start, base + min(start + length, _TURN - 1), inside)
    if start + length >= _TURN:
        yield Span(base, base + start + length - _TURN, inside)
