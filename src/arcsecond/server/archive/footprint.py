"""The part of the sky that an image shows, as convex patches whose sides are great circles.

The image is halved both ways until the sides of each part are straight enough: within a
pixel, or two thousandths of their length. A usual frame is one patch; an all-sky map is many,
and where it has no sky, there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcsecond.schemas.archive import Footprint
from arcsecond.server.sphere import Vectors, positions, surrounding

DEEPEST = 5
"""How often an image is halved at most."""

MOST_PATCHES = 600
"""Of one file; what has more is told by the circle around it."""

LONGEST_SIDE = 2 * np.sin(np.radians(15))
"""Of a patch: the chord of 30 degrees."""

CELLS_ACROSS = 24
"""So many cells of its MOC lie side by side on a patch."""

_SHARES = np.array([(x, y) for y in (0.0, 0.5, 1.0) for x in (0.0, 0.5, 1.0)])
_CORNERS = [0, 2, 8, 6]
_MIDDLES = [1, 5, 7, 3]
_AROUND = [0, 1, 2, 5, 8, 7, 6, 3]

Flags = NDArray[np.bool_]
ToSky = Callable[[NDArray[np.float64]], Vectors]
"""From pixels, of shape (n, 2), the first at 1, to vectors; NaN where there is no sky."""


def patches(width: int, height: int, to_sky: ToSky) -> tuple[Vectors, list[Vectors]]:
    """Return the middle of an image as a vector, and the corners of the patches it is made of."""
    boxes = np.array([[0.5, 0.5, width + 0.5, height + 0.5]])
    found: list[Vectors] = []
    middle = np.full(3, np.nan)
    for depth in range(DEEPEST + 1):
        low, size = boxes[:, None, :2], (boxes[:, 2:] - boxes[:, :2])[:, None, :]
        pixels = low + _SHARES * size
        seen = to_sky(pixels.reshape(-1, 2)).reshape(-1, 9, 3)
        if not depth:
            middle = seen[0, 4]
        on_sky: Flags = np.all(np.isfinite(seen), axis=2)
        whole: Flags = np.all(on_sky, axis=1)
        good = whole & _are_straight(seen, size[:, 0, :])
        found += list(seen[good][:, _CORNERS])
        if depth == DEEPEST:
            edges = zip(seen[~good][:, _AROUND], on_sky[~good][:, _AROUND], strict=True)
            rest = (points[there] for points, there in edges)
            found += [part for part in rest if len(part) > 2 and _is_small(part)]
            break
        # Where nothing is seen of a large part, there may be some in between.
        left = boxes[~good & (np.any(on_sky, axis=1) | (depth < 3))]
        if not len(left) or len(found) + len(left) > MOST_PATCHES:
            break
        boxes = _quartered(left)
    return middle, found


def _are_straight(seen: NDArray[np.float64], pixels: NDArray[np.float64]) -> Flags:
    """Tell of which boxes the sides are great circles, nearly."""
    starts, between = seen[:, _CORNERS], seen[:, _MIDDLES]
    ends = np.roll(starts, -1, axis=1)
    lengths = np.linalg.norm(ends - starts, axis=2)
    straight = starts + ends
    straight /= np.linalg.norm(straight, axis=2, keepdims=True)
    bow = np.linalg.norm(between - straight, axis=2)
    across = np.stack([pixels[:, 0], pixels[:, 1]] * 2, axis=1)
    allowed = np.maximum(lengths / np.maximum(across, 1.0), 0.002 * lengths)
    fine: Flags = np.all((bow <= allowed) & (lengths <= LONGEST_SIDE), axis=1)
    has_area: Flags = lengths.max(axis=1) > 0
    return fine & has_area


def _is_small(corners: Vectors) -> bool:
    return bool(np.linalg.norm(corners - corners[0], axis=1).max() <= LONGEST_SIDE)


def _quartered(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    x0, y0, x1, y1 = boxes.T
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    quarters = [(x0, y0, x, y), (x, y0, x1, y), (x0, y, x, y1), (x, y, x1, y1)]
    return np.concatenate([np.stack(quarter, axis=1) for quarter in quarters])


def footprint(found: Sequence[Vectors]) -> Footprint | None:
    """Return the footprint that patches make, None for no patch."""
    if not found or len(found) > MOST_PATCHES:
        return None
    middle, radius_deg = surrounding(np.concatenate(list(found)))
    corners = [positions(patch) for patch in found]
    ra_deg, dec_deg = positions(middle)
    return Footprint(
        right_ascension=round(float(ra_deg), 7),
        declination=round(float(dec_deg), 7),
        radius=min(180.0, round(radius_deg + 1e-6, 6)),
        polygons=[np.round(patch, 7).tolist() for patch in corners],
        moc=_moc(corners, found),
    )


def _moc(corners: Sequence[NDArray[np.float64]], found: Sequence[Vectors]) -> str:
    """Return the cells of HEALPix that patches lie in, as the text of a MOC."""
    from astropy.coordinates import Latitude, Longitude
    from mocpy import MOC

    side = max(
        float(np.linalg.norm(patch - np.roll(patch, 1, axis=0), axis=1).max()) for patch in found
    )
    order = int(np.clip(np.ceil(np.log2(1.0233 * CELLS_ACROSS / max(side, 1e-9))), 3, 20))
    whole: Any = None
    for patch in corners:
        longitudes = Longitude(patch[:, 0], "deg", copy=False)
        part = MOC.from_polygon(
            longitudes, Latitude(patch[:, 1], "deg", copy=False), max_depth=order
        )
        whole = part if whole is None else whole.union(part)
    return str(whole.to_string()).strip()
