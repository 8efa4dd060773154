"""Draw spectra and light curves as SVG, with their axes and units, in a process of its own.

For lists there is a tiny one: the first curve alone, as a line.
"""

from __future__ import annotations

import io
import sys
from typing import BinaryIO

import numpy as np

from arcsecond.server.archive.curves import Curve, NoCurveError, Numbers, Plot, plot_of
from arcsecond.server.archive.looking import PLOT, SPARK, for_each_hdu
from arcsecond.server.archive.pictures import LONGEST

WIDTH, HEIGHT = 760, 300
"""Pixels."""

STEPS = 1_200
"""Of more points the least and the largest of each step are drawn."""

SPARKS = 26
"""The same of a tiny plot."""

TINY = LONGEST["tiny"]

LABELLED = 8
"""Curves that have a legend; of more it would hide them."""

HEAVIEST = 400_000
_LINES = 12_000
"""Points of all curves together."""


def main() -> int:
    """Draw what the first argument asks for from the frame on stdin; a line for each HDU."""
    return for_each_hdu(lambda file, _, index: draw(file, index))


def draw(file: BinaryIO, index: int) -> dict[str, str]:
    """Return the plots of an HDU as SVG, by their size.

    Raises
    ------
    NoCurveError
        There is nothing to be drawn.
    """
    from astropy.io import fits

    # Which is not closed: more may be drawn.
    hdus = fits.open(file, memmap=False, lazy_load_hdus=True)
    with np.errstate(all="ignore"):
        plot = plot_of(hdus[index], hdus)
        return {PLOT: drawn(plot), SPARK: sparked(plot)}


def drawn(plot: Plot) -> str:
    """Return curves as SVG, whose texts are texts."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "arcsecond", "font.size": 9}
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH / 96, HEIGHT / 96), dpi=96, layout="constrained")
    axes = figure.subplots()
    steps = max(40, min(STEPS, _LINES // (2 * len(plot.curves))))
    for curve in plot.curves:
        x, y = thinned(curve, steps)
        axes.plot(x, y, linewidth=0.7, label=curve.label or None)
    if 1 < len(plot.curves) <= LABELLED and any(curve.label for curve in plot.curves):
        axes.legend(frameon=False, fontsize=8)
    low, high = limits(plot)
    if low < high:
        axes.set_ylim(low, high)
    axes.set_xlabel(plot.x_label[:80].replace("$", ""))
    axes.set_ylabel(plot.y_label[:60].replace("$", ""))
    axes.margins(x=0.01)
    axes.grid(visible=True, linewidth=0.3, alpha=0.5)
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    svg = text.getvalue()
    if len(svg) > HEAVIEST:
        raise NoCurveError("has too much in it for a plot.")
    return svg


def sparked(plot: Plot) -> str:
    """Return the first curve as an SVG that a list can hold a hundred of."""
    x, y = thinned(plot.curves[0], SPARKS)
    low, high = limits(plot)
    finite = np.isfinite(x) & np.isfinite(y)
    x, y = x[finite], y[finite]
    wide = float(np.ptp(x)) or 1.0
    across = np.rint((x - x.min()) / wide * (TINY - 2) + 1).astype(int)
    up = np.clip((y - low) / ((high - low) or 1.0), 0, 1)
    down = np.rint((1 - up) * (TINY - 2) + 1).astype(int)
    points = " ".join(f"{a},{b}" for a, b in zip(across, down, strict=True))
    return (
        f'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="{TINY}" '
        f'height="{TINY}" viewBox="0 0 {TINY} {TINY}"><polyline points="{points}" '
        'fill="none" stroke="#888"/></svg>'
    )


def thinned(curve: Curve, steps: int) -> tuple[Numbers, Numbers]:
    """Return a curve with the least and the largest value of each step, where there are many."""
    x, y = curve.x, curve.y
    if len(y) <= 2 * steps:
        return x, y
    length = len(y) // steps
    whole = length * steps
    parts, places = y[:whole].reshape(steps, length), x[:whole].reshape(steps, length)
    blank = np.asarray(np.all(np.isnan(parts), axis=1))
    filled = np.where(blank[:, None], 0.0, parts)
    ends = np.sort(np.stack([np.nanargmin(filled, 1), np.nanargmax(filled, 1)], axis=1), axis=1)
    rows = np.arange(steps)[:, None]
    values = np.where(blank[:, None], np.nan, filled[rows, ends])
    return places[rows, ends].ravel(), values.ravel()


def limits(plot: Plot) -> tuple[float, float]:
    """Return what the y axis shows: a few values that stick out far are cut off.

    Of a few rows it is the first that counts: errors, sky and masks follow it.
    """
    counted = plot.curves[:1] if len(plot.curves) <= LABELLED else plot.curves
    every = np.concatenate([curve.y[np.isfinite(curve.y)] for curve in counted])
    low, high = np.percentile(every, [0.2, 99.8])
    room = 0.15 * (high - low)
    return max(float(every.min()), float(low - room)), min(float(every.max()), float(high + room))


if __name__ == "__main__":
    sys.exit(main())
