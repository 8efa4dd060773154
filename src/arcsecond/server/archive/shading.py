"""Which values of an image are black and which white, and the greys between them.

zscale as IRAF works it out (a line fitted to a sample of sorted values; what lies far from it
is left out), asinh as in Lupton, Gunn & Szalay (1999), AJ 118, 1406. Both give what
``astropy.visualization`` gives, which takes longer to import than a picture to draw.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

SAMPLES = 1000
CONTRAST = 0.25
FEWEST = 5
REJECTED = 0.5
"""Share of the sample that may be left out."""

FAR = 2.5
"""Standard deviations from the line."""

ROUNDS = 5


def zscale(values: Values) -> tuple[float, float]:
    """Return the values that are to be black and white.

    Parameters
    ----------
    values
        Finite ones, one or more.
    """
    stride = max(1, int(values.size / SAMPLES))
    sample = np.sort(values.ravel()[::stride][:SAMPLES])
    count = len(sample)
    low, high = float(sample[0]), float(sample[-1])
    fewest = max(FEWEST, int(count * REJECTED))
    wide = np.ones(max(1, int(count * 0.01)), dtype=bool)
    place = np.arange(count, dtype=float)
    good = np.ones(count, dtype=bool)
    left, before, slope = count, count + 1, 0.0
    for _ in range(ROUNDS):
        if left >= before or left < fewest:
            break
        slope, start = _line(place[good], sample[good])
        off = sample - (start + slope * place)
        limit = FAR * off[good].std()
        bad = ~good | (np.abs(off) > limit)
        good = ~np.convolve(bad, wide, mode="same").astype(bool)
        before, left = left, int(good.sum())
    if left >= fewest:
        middle = (count - 1) // 2
        median, steep = float(np.median(sample)), slope / CONTRAST
        low = max(low, median - (middle - 1) * steep)
        high = min(high, median + (count - middle) * steep)
    return low, high


def _line(x: Values, y: Values) -> tuple[float, float]:
    """Return slope and start of the line that fits best."""
    x0, y0 = x.mean(), y.mean()
    dx = x - x0
    square = float((dx * dx).sum())
    slope = float((dx * (y - y0)).sum()) / square if square else 0.0
    return slope, float(y0 - slope * x0)


def asinh(shares: Values, softening: float) -> Values:
    """Stretch shares from 0 to 1."""
    stretched: Any = np.arcsinh(shares / softening) / np.arcsinh(1 / softening)
    return np.asarray(stretched)
