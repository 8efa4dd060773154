"""Shapes on the sky: whether a patch of it touches a circle or a polygon, exactly.

A patch is convex and small, its sides are great circles; so are those of a polygon. Both
hold their edges. Vectors are unit vectors of shape (n, 3), angles are degrees, ICRS.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from arcsecond.server.zones import unit_vector

Vectors = NDArray[np.float64]

WIDEST_DEG = 45.0
"""From the middle of a polygon to its farthest corner."""

_SHADE = 1e-12
"""What is nearer to a side than this, in radians, is on it."""


class ShapeError(ValueError):
    """It is no polygon that can be searched; the message says why."""


def vectors(positions: Sequence[Sequence[float]]) -> Vectors:
    """Return positions, right ascension and declination in degrees, as vectors."""
    ra, dec = np.radians(np.asarray(positions, dtype=float).reshape(-1, 2)).T
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def positions(of: Vectors) -> NDArray[np.float64]:
    """Return right ascension and declination of vectors, in degrees."""
    x, y, z = np.moveaxis(of, -1, 0)
    ra = np.degrees(np.arctan2(y, x)) % 360.0
    return np.stack([ra, np.degrees(np.arctan2(z, np.hypot(x, y)))], axis=-1)


def surrounding(of: Vectors) -> tuple[Vectors, float]:
    """Return the middle of vectors, and how far the farthest is from it in degrees.

    180 where they lie all around the sky.
    """
    total = of.sum(axis=0)
    length = float(np.linalg.norm(total))
    if length < 0.3 * len(of):
        return np.array([0.0, 0.0, 1.0]), 180.0
    middle: Vectors = total / length
    chord = float(np.linalg.norm(of - middle, axis=1).max())
    return middle, math.degrees(2 * math.asin(min(1.0, chord / 2)))


class Patch:
    """A convex polygon on the sky.

    Parameters
    ----------
    corners
        In order, either way round; none of them opposite to another.
    """

    def __init__(self, corners: Vectors) -> None:
        normals = np.cross(corners, np.roll(corners, -1, axis=0))
        if (normals @ corners.sum(axis=0)).sum() < 0:  # the other way round
            corners = corners[::-1]
            normals = np.cross(corners, np.roll(corners, -1, axis=0))
        lengths = np.linalg.norm(normals, axis=1)
        sides = lengths > 0  # a corner that is there twice makes none
        self.corners = corners
        self._starts, self._ends = corners[sides], np.roll(corners, -1, axis=0)[sides]
        self._normals = normals[sides] / lengths[sides, None]

    def holds(self, points: Vectors) -> NDArray[np.bool_]:
        """Tell which points are inside, or on the edge."""
        inside: NDArray[np.bool_] = (points @ self._normals.T >= -_SHADE).all(axis=1)
        return inside

    def distance_deg(self, point: Vectors) -> float:
        """Return how far a point is away; 0 inside."""
        if self.holds(point[None, :])[0]:
            return 0.0
        chord = float(np.linalg.norm(self.corners - point, axis=1).min())
        nearest = 2 * math.asin(min(1.0, chord / 2))
        # A side is nearer than its ends where the point stands beside it.
        along = np.cross(self._normals, self._starts), np.cross(self._ends, self._normals)
        beside = ((along[0] @ point) >= 0) & ((along[1] @ point) >= 0)
        if beside.any():
            sines = np.abs(self._normals[beside] @ point)
            nearest = min(nearest, math.asin(min(1.0, float(sines.min()))))
        return math.degrees(nearest)


Corners = Sequence[Sequence[float]]
"""Right ascension and declination of each, in degrees."""

_Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Circle:
    """What is within a radius of a position, all in degrees; a radius of 0 is the position.

    By plain arithmetic: for four corners it is ten times as fast as arrays.
    """

    ra_deg: float
    dec_deg: float
    radius_deg: float

    @property
    def around(self) -> tuple[float, float, float]:
        """The circle that surrounds it."""
        return self.ra_deg, self.dec_deg, self.radius_deg

    @cached_property
    def _middle(self) -> _Vector:
        return unit_vector(self.ra_deg, self.dec_deg)

    @cached_property
    def _radius(self) -> float:
        return math.radians(self.radius_deg) + _SHADE

    def holds(self, point: _Vector) -> bool:
        """Tell whether a point is in it."""
        return _angle(self._middle, point) <= self._radius

    def touches_corners(self, corners: Corners) -> bool:
        """Tell whether a convex polygon has a point in common with it."""
        ends = [unit_vector(ra, dec) for ra, dec in corners]
        middle, radius = self._middle, self._radius
        if any(_angle(end, middle) <= radius for end in ends):
            return True
        total = tuple(map(sum, zip(*ends, strict=True)))
        sides = []
        for n, start in enumerate(ends):
            end = ends[(n + 1) % len(ends)]
            normal = _cross(start, end)
            if length := math.sqrt(_dot(normal, normal)):
                sides.append((start, end, tuple(x / length for x in normal)))
        way = 1.0 if sum(_dot(normal, total) for *_, normal in sides) >= 0 else -1.0
        heights = [way * _dot(normal, middle) for *_, normal in sides]
        if all(height >= -_SHADE for height in heights):
            return True
        # A side is nearer than its ends where the middle stands beside it.
        return any(
            abs(height) <= math.sin(min(radius, math.pi / 2))
            and _dot(_cross(normal, start), middle) >= 0
            and _dot(_cross(end, normal), middle) >= 0
            for (start, end, normal), height in zip(sides, heights, strict=True)
        )


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _cross(a: Sequence[float], b: Sequence[float]) -> _Vector:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def _angle(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the angle between vectors in radians, also a small one."""
    difference = a[0] - b[0], a[1] - b[1], a[2] - b[2]
    return 2 * math.asin(min(1.0, math.sqrt(_dot(difference, difference)) / 2))


class Polygon:
    """A polygon of any form whose sides do not cross, seen from its middle as on a plane.

    The gnomonic projection makes straight lines of great circles.

    Parameters
    ----------
    corners
        Right ascension and declination of each, in degrees, in order.

    Raises
    ------
    ShapeError
        It has no area, reaches too far, or its sides cross.
    """

    def __init__(self, corners: Sequence[tuple[float, float]]) -> None:
        if len(corners) > 1 and corners[0] == corners[-1]:
            corners = corners[:-1]
        if len(set(corners)) != len(corners) or len(corners) < 3:
            raise ShapeError("A polygon has three corners or more, each of them once.")
        found = vectors(corners)
        self._middle, radius_deg = surrounding(found)
        if radius_deg > WIDEST_DEG:
            raise ShapeError(f"A polygon reaches {WIDEST_DEG:g} degrees from its middle at most.")
        ra_deg, dec_deg = positions(self._middle)
        self.around = float(ra_deg), float(dec_deg), radius_deg
        east = np.cross([0.0, 0.0, 1.0], self._middle)
        if np.linalg.norm(east) < 1e-9:
            east = np.array([1.0, 0.0, 0.0])
        east /= np.linalg.norm(east)
        self._axes = np.stack([east, np.cross(self._middle, east)])
        self._plane = self._flat(found)
        if _has_crossing(self._plane):
            raise ShapeError("The sides of the polygon cross.")

    def _flat(self, points: Vectors) -> NDArray[np.float64]:
        depth = points @ self._middle
        return np.asarray((points @ self._axes.T) / depth[:, None])

    def holds(self, point: Sequence[float] | Vectors) -> bool:
        """Tell whether a point is in it."""
        points = np.asarray(point, dtype=float)[None, :]
        return self._is_before(points) and _is_inside(self._flat(points)[0], self._plane)

    def touches_corners(self, corners: Corners) -> bool:
        """Tell whether a convex polygon has a point in common with it."""
        return self.touches(Patch(vectors(corners)))

    def touches(self, patch: Patch) -> bool:
        """Tell whether a patch has a point in common with it."""
        if not self._is_before(patch.corners):
            return False  # so far away that it touches nothing
        flat = self._flat(patch.corners)
        return (
            any(_is_inside(corner, self._plane) for corner in flat)
            or any(_is_inside(corner, flat) for corner in self._plane)
            or _do_cross(flat, self._plane)
        )

    def _is_before(self, points: Vectors) -> bool:
        return bool((points @ self._middle > 0.05).all())


def _sides(corners: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return corners, np.roll(corners, -1, axis=0)


def _is_inside(point: NDArray[np.float64], corners: NDArray[np.float64]) -> bool:
    """Count the sides that a line to the right of the point meets; the edge is inside."""
    starts, ends = _sides(corners)
    along, to = ends - starts, point - starts
    beside = _turn(along, to)
    length = np.maximum((along**2).sum(axis=1), 1e-300)
    share = (along * to).sum(axis=1) / length
    on_it = (np.abs(beside) <= _SHADE * np.sqrt(length)) & (share >= 0) & (share <= 1)
    if on_it.any():
        return True
    above = (starts[:, 1] > point[1]) != (ends[:, 1] > point[1])
    with np.errstate(all="ignore"):
        meets = starts[:, 0] + along[:, 0] * (point[1] - starts[:, 1]) / along[:, 1]
    return bool(np.count_nonzero(above & (point[0] < meets)) % 2)


def _turn(along: NDArray[np.float64], to: NDArray[np.float64]) -> NDArray[np.float64]:
    turned: NDArray[np.float64] = along[..., 0] * to[..., 1] - along[..., 1] * to[..., 0]
    return turned


def _do_cross(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    return bool(_crossings(one, other).any())


def _crossings(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which sides of one polygon cross which of another."""
    (a, b), (c, d) = _sides(one), _sides(other)
    a, b, c, d = a[:, None], b[:, None], c[None, :], d[None, :]
    apart = _turn(b - a, c - a) * _turn(b - a, d - a) < 0
    crossed: NDArray[np.bool_] = apart & (_turn(d - c, a - c) * _turn(d - c, b - c) < 0)
    return crossed


def _has_crossing(corners: NDArray[np.float64]) -> bool:
    return bool(_crossings(corners, corners).any())


Shape = Circle | Polygon
