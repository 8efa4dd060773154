"""Where footprints are looked for: cells of the sky, apart by how far a footprint reaches.

What a circle touches lies around it at the distance of both radii. So files are kept in
classes of radius, each twice the one before, and each class is asked for the circle made
larger by its own radius: a usual archive has a few of them, whose frames are much alike. A
file with a position alone has none.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator

from arcsecond.server.zones import cell, cone

POINT = 0
"""The class of files with a position and no footprint."""

SMALLEST_DEG = 0.05
"""Largest radius of the first class behind that."""

CLASSES = 14
"""How many there are; the last one holds what is larger than the one before."""

BITS = 42
"""Of a cell, before the class."""

WIDE_DEG = 60.0
"""Circles of up to this radius are asked for by cosines; both together reach 120 degrees."""

SLACK = 1e-7
"""In radians: cosines of small angles are not more precise. The footprints decide in the end."""

MOST_STRIPS = 40
"""Ranges for one class; of more, all right ascensions between are looked through."""


def reach_of(radius_deg: float) -> int:
    """Return the class of a footprint by the radius of the circle around it."""
    if radius_deg <= SMALLEST_DEG:
        return 1
    return min(CLASSES - 1, 1 + math.ceil(math.log2(radius_deg / SMALLEST_DEG)))


def farthest_deg(reach: int) -> float:
    """Return the largest radius of a class."""
    if reach == POINT:
        return 0.0
    return 180.0 if reach >= CLASSES - 1 else SMALLEST_DEG * 2.0 ** (reach - 1)


def area_cell(ra_deg: float, dec_deg: float, reach: int) -> int:
    """Return the cell of a file: its class, then where the middle of it lies."""
    return (reach << BITS) + cell(ra_deg, dec_deg)


def bounds(reach: int) -> tuple[int, int]:
    """Return the first cell of a class, and the last."""
    return reach << BITS, ((reach + 1) << BITS) - 1


def farness(radius_deg: float) -> tuple[float, float]:
    """Return what tells how far a footprint reaches: cosine and sine of its radius.

    Of one that reaches far, what lets it touch every circle that is asked for by them.
    """
    if radius_deg > WIDE_DEG:
        return -4.0, 0.0
    radius = math.radians(radius_deg)
    return math.cos(radius), math.sin(radius)


def cells_near(
    ra_deg: float, dec_deg: float, radius_deg: float, known: Collection[int], least: int = POINT
) -> Iterator[tuple[int, int]]:
    """Yield ranges of cells that hold all files which may touch a circle.

    Parameters
    ----------
    known
        Classes of which there are files. Of others there seldom are: these are gone through
        as a whole.
    least
        The first class that is asked for.
    """
    whole: Iterator[tuple[int, int]] = (bounds(n) for n in range(least, CLASSES) if n not in known)
    yield from _joined(whole)
    for reach in sorted(n for n in known if n >= least):
        lowest, highest = bounds(reach)
        wide = min(180.0, radius_deg + farthest_deg(reach))
        if wide > 60:
            yield lowest, highest
            continue
        strips = cone(ra_deg, dec_deg, wide, edged=False)
        spans = list(_joined((first, last) for first, last, _ in strips))
        if len(spans) > MOST_STRIPS:
            spans = [(min(span[0] for span in spans), max(span[1] for span in spans))]
        yield from ((lowest + low, lowest + high) for low, high in spans)


def _joined(ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield ranges, those that follow each other in one."""
    held: tuple[int, int] | None = None
    for one in ranges:
        if held is not None and one[0] == held[1] + 1:
            held = held[0], one[1]
            continue
        if held is not None:
            yield held
        held = one
    if held is not None:
        yield held
