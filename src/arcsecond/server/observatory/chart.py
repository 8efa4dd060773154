"""Draw a finding chart from the catalogues at hand: north up, east left.

The projection is gnomonic about the target (TAN, Calabretta & Greisen 2002). The
picture carries its World Coordinate System as a FITS header in its description, so
that any position on it can be worked out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arcsecond.server.catalogues.file import Mark
from arcsecond.server.observatory.figures import (
    DPI,
    FAINT,
    INK,
    PALE,
    Format,
    drawing,
    figure,
    saved,
    words,
)
from arcsecond.shown import position

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RECIPE = "c2"
"""Another one for each change of how charts look."""

SIDE_PX, WIDTH_PX, HEIGHT_PX = 640, 780, 860
LEFT_PX, BOTTOM_PX = 76, 110
MOST_STARS, MOST_LABELS, MOST_OBJECTS = 1500, 40, 60
WIDE_DEG = 5.0

FIELDS_ARCMIN = (20, 30, 40, 60, 90, 120, 150, 180, 240, 300, 600)
"""Fields of charts when none is asked for."""

FEWEST_AROUND = 4
LARGEST_DEG, SMALLEST_DEG = 60.0, 10 / 3600

_STEPS_DEG = (
    *(s / 3600 for s in (1, 2, 5, 10, 20, 30)),
    *(m / 60 for m in (1, 2, 5, 10, 20, 30)),
    1, 2, 5, 10, 20, 30,
)  # fmt: skip
_STEPS_H = (
    *(s / 3600 for s in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30)),
    *(m / 60 for m in (1, 2, 5, 10, 20, 30)),
    1, 2, 3, 6,
)  # fmt: skip
_SAMPLES = 181

Marks = Callable[[float], list[Mark]]
"""Gives what lies within a radius (degrees) of the target."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a chart shows.

    Attributes
    ----------
    width_deg
        Of its field, which is a square.
    stars, objects
        The stars, the brightest first, and what is no star.
    bounded
        Whether only stars to some magnitude were wanted.
    limit
        Magnitude of the faintest star, V or one near it; None where there is none.
    """

    name: str
    ra_deg: float
    dec_deg: float
    width_deg: float
    stars: list[Mark]
    objects: list[Mark]
    limit: float | None
    bounded: bool = False


def field_for(marks: Marks, size_arcmin: float) -> float:
    """Return the smallest field (degrees) that shows the target and something around it."""
    for arcmin in FIELDS_ARCMIN[:-1]:
        if size_arcmin * 1.4 <= arcmin and len(marks(arcmin / 120)) > FEWEST_AROUND:
            return arcmin / 60
        if arcmin >= 60 and size_arcmin * 1.4 <= arcmin:
            return arcmin / 60
    return FIELDS_ARCMIN[-1] / 60


def planned(
    marks: Marks,
    name: str,
    ra_deg: float,
    dec_deg: float,
    width_deg: float,
    faintest: float | None = None,
) -> Plan:
    """Return what a chart of a field shows: at the most so many stars, the brightest.

    Parameters
    ----------
    faintest
        Magnitude of the faintest star that is wanted; None for as many as there are.
    """
    half = math.tan(math.radians(width_deg / 2))
    inside: list[Mark] = []
    for mark in marks(math.degrees(math.atan(half * math.sqrt(2)))):
        place = project(mark.ra_deg, mark.dec_deg, ra_deg, dec_deg)
        if place and max(abs(place[0]), abs(place[1])) <= half:
            inside.append(mark)
    stars = sorted((m for m in inside if m.is_star), key=_brightness)
    if faintest is not None:
        stars = [mark for mark in stars if mark.v is not None and mark.v <= faintest]
    # On a wide field there are thousands of small galaxies, which nobody would look for there.
    least = width_deg * 60 / 100 if width_deg > WIDE_DEG else 0.0
    objects = [m for m in inside if not m.is_star and (m.size_arcmin or 0.0) >= least]
    objects.sort(key=lambda mark: -(mark.size_arcmin or 0.0))
    stars, objects = stars[:MOST_STARS], objects[:MOST_OBJECTS]
    limit = max((mark.v for mark in stars if mark.v is not None), default=None)
    bounded = faintest is not None
    return Plan(name, ra_deg, dec_deg, width_deg, stars, objects, limit, bounded)


def _brightness(mark: Mark) -> float:
    return math.inf if mark.v is None else mark.v


def project(
    ra_deg: float, dec_deg: float, ra0_deg: float, dec0_deg: float
) -> tuple[float, float] | None:
    """Return where a position stands on the plane: to the east and to the north of the centre.

    In units of the radius, small angles in radians. None on the other half of the sky.
    """
    east, north, cosine = _over_plane(math, ra_deg, dec_deg, ra0_deg, dec0_deg)
    return (east / cosine, north / cosine) if cosine > 1e-6 else None


def _over_plane(
    functions: Any, ra_deg: Any, dec_deg: Any, ra0_deg: float, dec0_deg: float
) -> tuple[Any, Any, Any]:
    """Return parts of directions to the east, to the north and towards the centre of a plane.

    By the functions of ``math`` for one direction, by those of ``numpy`` for many.
    """
    sin, cos = functions.sin, functions.cos
    ra, dec = functions.radians(ra_deg - ra0_deg), functions.radians(dec_deg)
    sin0, cos0 = math.sin(math.radians(dec0_deg)), math.cos(math.radians(dec0_deg))
    return (
        cos(dec) * sin(ra),
        cos0 * sin(dec) - sin0 * cos(dec) * cos(ra),
        sin0 * sin(dec) + cos0 * cos(dec) * cos(ra),
    )


def header(plan: Plan) -> str:
    """Return the World Coordinate System of the picture, as cards of a FITS header.

    Pixels are counted from 1 at the lower left corner of the picture, as in FITS.
    """
    step = math.degrees(2 * math.tan(math.radians(plan.width_deg / 2))) / SIDE_PX
    cards: list[tuple[str, Any]] = [
        ("WCSAXES", 2),
        ("CTYPE1", "RA---TAN"),
        ("CTYPE2", "DEC--TAN"),
        ("CRVAL1", round(plan.ra_deg, 9)),
        ("CRVAL2", round(plan.dec_deg, 9)),
        ("CRPIX1", LEFT_PX + SIDE_PX / 2 + 0.5),
        ("CRPIX2", BOTTOM_PX + SIDE_PX / 2 + 0.5),
        ("CDELT1", -step),
        ("CDELT2", step),
        ("CUNIT1", "deg"),
        ("CUNIT2", "deg"),
        ("RADESYS", "ICRS"),
        ("NAXIS1", WIDTH_PX),
        ("NAXIS2", HEIGHT_PX),
    ]
    return "\n".join(
        f"{key:<8}= '{value}'" if isinstance(value, str) else f"{key:<8}= {repr(value).upper()}"
        for key, value in cards
    )


def draw(plan: Plan, kind: Format, sources: str) -> bytes:
    """Return a chart as a file.

    Parameters
    ----------
    sources
        The catalogues that its stars come from.
    """
    with drawing():
        made = figure(WIDTH_PX, HEIGHT_PX)
        half = math.tan(math.radians(plan.width_deg / 2))
        axes = made.add_axes(
            (
                LEFT_PX / WIDTH_PX,
                BOTTOM_PX / HEIGHT_PX,
                SIDE_PX / WIDTH_PX,
                SIDE_PX / HEIGHT_PX,
            )
        )
        axes.set_xlim(half, -half)
        axes.set_ylim(-half, half)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_axisbelow(True)
        for spine in axes.spines.values():
            spine.set_color(FAINT)
        _grid(axes, plan, half)
        _objects(axes, plan, half)
        _stars(axes, plan)
        _labels(axes, plan, half)
        _target(axes, half)
        _directions(axes, half)
        _scale(axes, plan, half)
        _legend(made, plan, sources)
        title = f"Finding chart of {plan.name}"
        return saved(made, kind, {"Title": title, "Description": header(plan)})


def _grid(axes: Any, plan: Plan, half: float) -> None:
    """Draw lines of right ascension and declination, and tell where they leave the frame."""
    import numpy as np

    reach = math.degrees(math.atan(half * math.sqrt(2)))
    low, high = max(-90.0, plan.dec_deg - reach), min(90.0, plan.dec_deg + reach)
    step = _step(_STEPS_DEG, plan.width_deg / 4)
    sideways, hole = 180.0, plan.width_deg / 20  # around a pole the hours run together
    if abs(plan.dec_deg) + reach < 90:
        share = math.sin(math.radians(reach)) / math.cos(math.radians(plan.dec_deg))
        sideways, hole = math.degrees(math.asin(min(1.0, share))), 0.0
    hours = min(24.0, 2 * sideways / 15)
    step_h = _step(_STEPS_H, hours / 5 if sideways < 180 else 2.0)
    ra = np.linspace(plan.ra_deg - sideways, plan.ra_deg + sideways, _SAMPLES * 2 - 1)
    for parallel in _multiples(low, high, step):
        line = _projected(ra, np.full_like(ra, parallel), plan)
        axes.plot(*line, color=PALE, linewidth=0.6, zorder=1)
        _name_line(axes, line, half, _degrees(parallel, step), edges="lr")
    dec = np.linspace(max(low, hole - 90), min(high, 90 - hole), _SAMPLES)
    first, last = (plan.ra_deg - sideways) / 15, (plan.ra_deg + sideways) / 15
    named = set[str]()
    for hour in _multiples(first, last - (1e-9 if sideways == 180 else 0), step_h):
        line = _projected(np.full_like(dec, hour * 15), dec, plan)
        axes.plot(*line, color=PALE, linewidth=0.6, zorder=1)
        text = _hours(hour % 24, step_h)
        if text not in named:
            named.add(text)
            _name_line(axes, line, half, text, edges="bt")


def _step(steps: Sequence[float], wanted: float) -> float:
    return float(min(steps, key=lambda step: abs(math.log(step / wanted))))


def _multiples(low: float, high: float, step: float) -> Iterator[float]:
    for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1):
        yield n * step


def _projected(ra_deg: Floats, dec_deg: Floats, plan: Plan) -> tuple[Floats, Floats]:
    """Return where positions stand on the plane; not a number on the other half of the sky."""
    import numpy as np

    east, north, cosine = _over_plane(np, ra_deg, dec_deg, plan.ra_deg, plan.dec_deg)
    cosine = np.where(cosine > 0.05, cosine, np.nan)
    return east / cosine, north / cosine


def _name_line(
    axes: Any, line: tuple[Floats, Floats], half: float, text: str, *, edges: str
) -> None:
    """Write what a line stands for at the first edge that it leaves the frame by."""
    import numpy as np

    east, north = line
    for edge in edges:
        along, across, limit = {
            "l": (north, east, half),
            "r": (north, east, -half),
            "b": (east, north, -half),
            "t": (east, north, half),
        }[edge]
        with np.errstate(invalid="ignore"):
            crosses = np.flatnonzero((across[1:] - limit) * (across[:-1] - limit) <= 0)
        for n in crosses.tolist():
            if across[n + 1] == across[n]:
                continue
            share = (limit - across[n]) / (across[n + 1] - across[n])
            at = float(along[n] + share * (along[n + 1] - along[n]))
            if abs(at) > 0.97 * half:
                continue
            place = {"l": (half, at), "r": (-half, at), "b": (at, -half), "t": (at, half)}[edge]
            shift = {"l": (-5, 0), "r": (5, 0), "b": (0, -5), "t": (0, 5)}[edge]
            axes.annotate(
                text,
                place,
                xytext=shift,
                textcoords="offset points",
                ha={"l": "right", "r": "left"}.get(edge, "center"),
                va={"b": "top", "t": "bottom"}.get(edge, "center"),
                annotation_clip=False,
                **words(7.5, color=FAINT),
            )
            return


def _degrees(dec: float, step: float) -> str:
    sign = "−" if dec < -1e-9 else "+"
    seconds = round(abs(dec) * 3600)
    text = f"{sign}{seconds // 3600}°"
    if step < 1:
        text += f"{seconds // 60 % 60:02d}′"
    if step < 1 / 60:
        text += f"{seconds % 60:02d}″"
    return text


def _hours(hour: float, step: float) -> str:
    tenths = round(hour * 36_000) % 864_000
    text = f"{tenths // 36_000}h"
    if step < 1:
        text += f"{tenths // 600 % 60:02d}m"
    if step < 1 / 60:
        text += f"{tenths % 600 / 10:04.1f}s" if step < 1 / 3600 else f"{tenths // 10 % 60:02d}s"
    return text


def _diameter(v: float | None, brightest: float, limit: float) -> float:
    """Return the diameter of a star's disc in points: by its magnitude, within the chart's."""
    if v is None:
        return 1.5
    span = max(3.0, limit - brightest)
    share: float = (max(0.0, min(span, limit - v)) / span) ** 1.4
    return 1.6 + 9.0 * share


def _range(plan: Plan) -> tuple[float, float]:
    known = [mark.v for mark in plan.stars if mark.v is not None]
    if not known:
        return 6.0, 9.0
    # A few bright stars are no less bright for being alone.
    return min(known), max(*known, min(known) + 4.0)


def _stars(axes: Any, plan: Plan) -> None:
    if not plan.stars:
        return
    brightest, limit = _range(plan)
    places = [project(m.ra_deg, m.dec_deg, plan.ra_deg, plan.dec_deg) for m in plan.stars]
    drawn = axes.scatter(
        [place[0] for place in places if place],
        [place[1] for place in places if place],
        s=[_diameter(mark.v, brightest, limit) ** 2 for mark in plan.stars],
        color=INK,
        edgecolors="white",
        linewidths=0.4,
        zorder=4,
    )
    drawn.set_snap(False)


def _objects(axes: Any, plan: Plan, half: float) -> None:
    from matplotlib.patches import Circle, Ellipse, Rectangle

    least = half * 8 / SIDE_PX
    for mark in plan.objects:
        place = project(mark.ra_deg, mark.dec_deg, plan.ra_deg, plan.dec_deg)
        assert place is not None
        radius = max(least, math.radians((mark.size_arcmin or 0.0) / 120))
        how: dict[str, Any] = {"fill": False, "edgecolor": FAINT, "linewidth": 0.9, "zorder": 3}
        kinds = " ".join(mark.types).lower()
        if "galax" in kinds:
            patch: Any = Ellipse(place, 2 * radius, 1.2 * radius, angle=20, **how)
        elif "cluster" in kinds or "association" in kinds:
            patch = Circle(place, radius, linestyle=(0, (3, 2)), **how)
        elif "nebula" in kinds or "h ii" in kinds or "remnant" in kinds:
            corner = (place[0] - radius, place[1] - radius)
            patch = Rectangle(corner, 2 * radius, 2 * radius, **how)
        else:
            patch = Circle(place, radius, **how)
        axes.add_patch(patch)


def _labels(axes: Any, plan: Plan, half: float) -> None:
    """Name the brightest stars and the largest objects, as far as there is room."""
    taken: list[tuple[float, float]] = []
    width, height = half * 0.34, half * 0.05
    count = 0
    first = plan.stars[: MOST_LABELS // 4]
    others = plan.stars[len(first) :]
    for mark in (*first, *plan.objects[: MOST_LABELS // 2], *others):
        place = project(mark.ra_deg, mark.dec_deg, plan.ra_deg, plan.dec_deg)
        if place is None or not mark.name or mark.name == plan.name:
            continue
        if math.hypot(*place) < half * 0.06 or max(map(abs, place)) > half * 0.97:
            continue
        if any(abs(place[0] - x) < width and abs(place[1] - y) < height for x, y in taken):
            continue
        taken.append(place)
        right = place[0] > -half * 0.6
        axes.annotate(
            mark.name,
            place,
            xytext=(5 if right else -5, 0),
            textcoords="offset points",
            ha="left" if right else "right",
            va="center",
            zorder=5,
            clip_on=True,
            **words(7.5, color="#333333"),
        )
        count += 1
        if count == MOST_LABELS:
            return


def _target(axes: Any, half: float) -> None:
    """Mark the target by two strokes that leave it free."""
    gap, length = half * 0.035, half * 0.075
    how = {"color": "#c00000", "linewidth": 1.6, "zorder": 6, "solid_capstyle": "butt"}
    axes.plot([-gap, -gap - length], [0, 0], **how)
    axes.plot([0, 0], [gap, gap + length], **how)


def _directions(axes: Any, half: float) -> None:
    """Draw north and east as arrows from one corner."""
    x, y, length = half * 0.78, half * 0.74, half * 0.14
    for end, text, place in (
        ((x, y + length), "N", (x, y + length * 1.12)),
        ((x + length, y), "E", (x + length * 1.12, y)),
    ):
        axes.annotate(
            "",
            xy=end,
            xytext=(x, y),
            arrowprops={
                "arrowstyle": "-|>",
                "color": INK,
                "linewidth": 1,
                "shrinkA": 0,
                "shrinkB": 0,
            },
            zorder=7,
        )
        axes.text(
            *place,
            text,
            ha="center" if text == "N" else "right",
            va="bottom" if text == "N" else "center",
            zorder=7,
            **words(11, fontweight="bold"),
        )


def _scale(axes: Any, plan: Plan, half: float) -> None:
    """Draw a bar that is as long as some round angle."""
    angle = _step(_STEPS_DEG, plan.width_deg / 5)
    length = math.tan(math.radians(angle))
    x, y = -half * 0.92, -half * 0.92
    axes.plot([x, x + length], [y, y], color=INK, linewidth=2, solid_capstyle="butt", zorder=7)
    axes.text(
        x + length / 2, y + half * 0.02, angle_text(angle), ha="center", va="bottom", zorder=7,
        **words(9),
    )  # fmt: skip


def angle_text(angle_deg: float) -> str:
    """Return a round angle in the unit that fits it."""
    if angle_deg >= 1:
        return f"{angle_deg:g}°"
    return f"{angle_deg * 60:g}′" if angle_deg >= 1 / 60 - 1e-9 else f"{angle_deg * 3600:g}″"


def _legend(made: Any, plan: Plan, sources: str) -> None:
    """Write what the chart is of, and what it was made from."""
    left = LEFT_PX / WIDTH_PX
    title = HEIGHT_PX - 34
    made.text(left, title / HEIGHT_PX, plan.name, va="center", **words(15, fontweight="bold"))
    made.text(
        left, (title - 24) / HEIGHT_PX,
        f"{position(plan.ra_deg, plan.dec_deg)}  ICRS, J2000", va="center",
        **words(10, color=FAINT),
    )  # fmt: skip
    field = angle_text(round(plan.width_deg * 3600) / 3600)
    told = [f"Field {field} × {field}"]
    if plan.limit is not None:
        many = "1 star" if len(plan.stars) == 1 else f"{len(plan.stars):,} stars"
        told.append(f"{many}, the faintest {plan.limit:.1f} mag")
    else:
        told.append("no star so bright lies in it" if plan.bounded else "no star of the catalogues")
    made.text(left, 52 / HEIGHT_PX, " · ".join(told), va="center", **words(9))
    for n, line in enumerate(sources.split("\n")):
        y = (34 - 16 * n) / HEIGHT_PX
        made.text(left, y, line, va="center", **words(8, color=FAINT))
    _magnitudes(made, plan)


def _magnitudes(made: Any, plan: Plan) -> None:
    """Show how large stars of some magnitudes are drawn."""
    from matplotlib.lines import Line2D

    if plan.limit is None:
        return
    brightest, limit = _range(plan)
    whole = list(range(math.ceil(brightest), math.floor(limit) + 1))[:8]
    x, right = (LEFT_PX + SIDE_PX - 34 * len(whole)) / WIDTH_PX, 34 / WIDTH_PX
    for n, v in enumerate(whole):
        at = x + n * right
        size = _diameter(v, brightest, limit)
        made.add_artist(
            Line2D(
                [at], [53 / HEIGHT_PX], marker="o", markersize=size, color=INK, markeredgewidth=0
            )
        )
        made.text(at + 9 / WIDTH_PX, 52 / HEIGHT_PX, f"{v}", va="center", **words(8))


def pixel(plan: Plan, ra_deg: float, dec_deg: float) -> tuple[float, float]:
    """Return the pixel of a position on the picture, counted from 1 at the lower left."""
    place = project(ra_deg, dec_deg, plan.ra_deg, plan.dec_deg)
    assert place is not None
    step = 2 * math.tan(math.radians(plan.width_deg / 2)) / SIDE_PX
    return (
        LEFT_PX + SIDE_PX / 2 + 0.5 - place[0] / step,
        BOTTOM_PX + SIDE_PX / 2 + 0.5 + place[1] / step,
    )


assert DPI == 100  # points to pixels, above
