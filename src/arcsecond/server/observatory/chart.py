"""Draw a finding chart as SVG from what the tables know.

The projection is gnomonic about the target (Calabretta & Greisen 2002, TAN),
north up and east left, as an observer expects it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from html import escape

from arcsecond.server.catalogues.rows import Row
from arcsecond.views import position

FIELDS_ARCMIN = (20.0, 60.0, 180.0, 600.0)
SIDE = 640
MARGIN = 40
MOST_MARKS = 300
"""Most stars and objects that a chart shows."""

Neighbours = Callable[[float], list[Row]]
"""Gives what lies within a radius (degrees) of the target, the brightest first."""

LINE = 16
"""Height of a line of text."""


def field_for(neighbours: Neighbours, target: Row) -> float:
    """Return the smallest field (arcmin) that shows some neighbours and the whole target."""
    for width in FIELDS_ARCMIN[:-1]:
        fits = (target.size_arcmin or 0.0) <= 0.8 * width
        if fits and len(neighbours(width / 120)) > 3:
            return width
    big = (target.size_arcmin or 0.0) > 0.8 * FIELDS_ARCMIN[1]
    return FIELDS_ARCMIN[3] if big else FIELDS_ARCMIN[1]


def brightness(row: Row) -> float:
    """Return the magnitude that a mark is drawn by: V, or one near it."""
    known = {flux["name"]: flux["value"] for flux in row.fluxes}
    return float(next((known[band] for band in ("V", "Hp", "B") if band in known), 10.0))


def project(row: Row, target: Row) -> tuple[float, float] | None:
    """Return where a row stands: arcmin to the east and to the north of the target.

    None on the other half of the sky, which this projection cannot show.
    """
    ra = math.radians(row.ra_deg - target.ra_deg)
    dec, dec0 = math.radians(row.dec_deg), math.radians(target.dec_deg)
    cosine = math.sin(dec0) * math.sin(dec) + math.cos(dec0) * math.cos(dec) * math.cos(ra)
    if cosine <= 0:
        return None
    east = math.cos(dec) * math.sin(ra) / cosine
    up = math.cos(dec0) * math.sin(dec) - math.sin(dec0) * math.cos(dec) * math.cos(ra)
    north = up / cosine
    return math.degrees(east) * 60, math.degrees(north) * 60


def draw(neighbours: Neighbours, target: Row) -> str:
    """Return the chart of an object as an SVG document."""
    width = field_for(neighbours, target)
    scale = (SIDE - 2 * MARGIN) / width
    middle = SIDE / 2
    marks: list[str] = []
    labelled: list[tuple[float, float]] = []
    for row in neighbours(width / 60 * math.sqrt(0.5)):
        place = project(row, target)
        if place and max(abs(place[0]), abs(place[1])) <= width / 2:
            x, y = middle - place[0] * scale, middle - place[1] * scale
            crowded = any(abs(x - u) < 120 and abs(y - v) < LINE for u, v in labelled)
            if not crowded:
                labelled.append((x, y))
            marks.append(_mark(row, x, y, scale, labelled=not crowded and row.name != target.name))
    top, bottom, left, right = MARGIN, SIDE - MARGIN, MARGIN, SIDE - MARGIN
    bar = width / 4
    title = f"{escape(target.name)} — {position(target.ra_deg, target.dec_deg)}"
    return "".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE} {SIDE + 30}" '
            f'width="{SIDE}" height="{SIDE + 30}" font-family="sans-serif" role="img">',
            f"<title>Finding chart of {escape(target.name)}</title>",
            f'<rect width="{SIDE}" height="{SIDE + 30}" fill="#fff"/>',
            f'<rect x="{left}" y="{top}" width="{right - left}" height="{bottom - top}" '
            'fill="none" stroke="#444"/>',
            f'<text x="{left}" y="26" font-size="20" fill="#111">{title} (ICRS)</text>',
            *marks,
            _reticle(middle),
            f'<text x="{middle}" y="{top + 16}" text-anchor="middle" font-size="18">N</text>',
            f'<text x="{left + 8}" y="{middle + 5}" font-size="18">E</text>',
            f'<path d="M{right - 16 - bar * scale:.1f} {bottom - 14}h{bar * scale:.1f}" '
            'stroke="#111" stroke-width="2"/>',
            f'<text x="{right - 16}" y="{bottom - 22}" text-anchor="end" font-size="16">'
            f"{bar:g}′</text>",
            f'<text x="{left}" y="{SIDE + 12}" font-size="14" fill="#444">Field {width:g}′ × '
            f"{width:g}′, from the catalogues at hand.</text>",
            "</svg>",
        ]
    )


def _mark(row: Row, x: float, y: float, scale: float, *, labelled: bool) -> str:
    label = _label(row, x, y) if labelled else ""
    if row.size_arcmin and row.size_arcmin * scale > 8:
        radius = row.size_arcmin * scale / 2
        shape = (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{min(radius, SIDE):.1f}" fill="none" '
            'stroke="#777" stroke-dasharray="4 3" clip-path="inset(0)"/>'
        )
        return shape + label
    radius = max(1.5, 7.0 - 0.45 * brightness(row))
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="#111"/>{label}'


def _label(row: Row, x: float, y: float) -> str:
    anchor, shift = ("end", -8) if x > SIDE * 0.75 else ("start", 8)
    return (
        f'<text x="{x + shift:.1f}" y="{y + 4:.1f}" font-size="14" fill="#333" '
        f'text-anchor="{anchor}">{escape(row.name)}</text>'
    )


def _reticle(middle: float) -> str:
    gap, length = 12, 22
    return (
        f'<path d="M{middle + gap} {middle}h{length}M{middle} {middle - gap}v-{length}" '
        'stroke="#c00" stroke-width="2"/>'
    )
