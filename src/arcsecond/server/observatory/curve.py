"""Draw how high a target stands through a night, with twilights and the Moon."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

from arcsecond.schemas.sky import Visibility
from arcsecond.server.observatory.figures import (
    FAINT,
    INK,
    PALE,
    Format,
    drawing,
    figure,
    saved,
    words,
)
from arcsecond.server.observatory.visibility import airmass
from arcsecond.shown import position

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RECIPE = "v2"
"""Another one for each change of how curves look."""

WIDTH_PX, HEIGHT_PX = 860, 520
_DAY = "#b9b9b9"
_SHADES = ("#cfcfcf", "#e2e2e2", "#f4f4f4", "#ffffff")
"""From sunset on, and after each twilight: the night is turned black for dark and red light."""

_AIRMASSES = (1.0, 1.1, 1.25, 1.5, 2.0, 3.0)
_MARGIN_H = 1.0
"""Hours before sunset and after sunrise that are shown."""


def draw(seen: Visibility, zone: tzinfo, kind: Format) -> bytes:
    """Return the curve of a night as a file.

    Parameters
    ----------
    zone
        The site's time zone, for the scale of local time.
    """
    with drawing():
        made = figure(WIDTH_PX, HEIGHT_PX)
        axes = made.add_axes((0.08, 0.14, 0.84, 0.66))
        first, last = _shown(seen)
        axes.set_xlim(first, last)
        axes.set_ylim(0, 90)
        _twilights(axes, seen, first, last)
        hours = [_hours(seen, point.time) for point in seen.curve]
        axes.plot(hours, [p.moon_altitude for p in seen.curve], color=FAINT, linewidth=1.2,
                  linestyle=(0, (2, 2)), zorder=4)  # fmt: skip
        axes.plot(hours, [p.altitude for p in seen.curve], color=INK, linewidth=2.4, zorder=5)
        axes.axhline(seen.elevation, color="#c00000", linewidth=1, linestyle=(0, (6, 3)), zorder=3)
        _name_moon(axes, seen, hours, first, last)
        _name_transit(axes, seen, first, last)
        _scales(axes, seen, zone, first, last)
        _headings(made, seen)
        title = f"Altitude of {seen.name} from {seen.night.name}, {seen.night.date}"
        told = f"{title}. Times UTC; altitudes without refraction."
        return saved(made, kind, {"Title": title, "Description": told})


def _hours(seen: Visibility, time: datetime) -> float:
    """Return a time as hours since the midnight (UTC) before the night."""
    return (time - _day(seen)).total_seconds() / 3600


def _day(seen: Visibility) -> datetime:
    start = seen.night.start
    return datetime(start.year, start.month, start.day, tzinfo=UTC)


def _shown(seen: Visibility) -> tuple[float, float]:
    """Return from when to when is shown: around the dark hours, or all of it."""
    night = seen.night
    if night.sunset is None or night.sunrise is None:
        return _hours(seen, night.start), _hours(seen, night.end)
    return (
        max(_hours(seen, night.start), _hours(seen, night.sunset) - _MARGIN_H),
        min(_hours(seen, night.end), _hours(seen, night.sunrise) + _MARGIN_H),
    )


def _twilights(axes: Axes, seen: Visibility, first: float, last: float) -> None:
    axes.set_facecolor(_DAY)
    night = seen.night
    limits = [(night.sunset, night.sunrise, night.sun)]
    for twilight in (night.civil, night.nautical, night.astronomical):
        always = "never rises" if twilight.hours > 23.99 else "never sets"
        limits.append((twilight.dusk, twilight.dawn, always))
    for shade, (dusk, dawn, state) in zip(_SHADES, limits, strict=True):
        if dusk is None and dawn is None and state != "never rises":
            continue
        begin = first if dusk is None else _hours(seen, dusk)
        end = last if dawn is None else _hours(seen, dawn)
        axes.axvspan(begin, end, color=shade, linewidth=0, zorder=0)


def _name_moon(axes: Axes, seen: Visibility, hours: list[float], first: float, last: float) -> None:
    inside = [
        (point.moon_altitude, hour)
        for point, hour in zip(seen.curve, hours, strict=True)
        if first + 0.3 < hour < last - 0.3
    ]
    altitude, hour = max(inside)
    if altitude > 2:
        text = f"Moon, {seen.night.moon_illumination:.0%}"
        axes.annotate(text, (hour, altitude), xytext=(0, 4), textcoords="offset points",
                      ha="center", va="bottom", zorder=6, **words(8, color=FAINT))  # fmt: skip


def _name_transit(axes: Axes, seen: Visibility, first: float, last: float) -> None:
    hour = _hours(seen, seen.transit)
    if first < hour < last and seen.transit_altitude > 0:
        axes.plot([hour], [seen.transit_altitude], "o", color=INK, markersize=5, zorder=6)
        text = f"{seen.transit:%H:%M} UTC, {seen.transit_altitude:.0f}°"
        up = seen.transit_altitude < 80
        axes.annotate(text, (hour, seen.transit_altitude), xytext=(0, 7 if up else -7),
                      textcoords="offset points", ha="center", va="bottom" if up else "top",
                      zorder=6, **words(8.5))  # fmt: skip


def _scales(axes: Axes, seen: Visibility, zone: tzinfo, first: float, last: float) -> None:
    """Draw UTC below, local time above, altitude to the left and airmass to the right."""
    step = 1 if last - first <= 15 else 2 if last - first <= 20 else 3
    whole = [h for h in range(math.ceil(first), math.floor(last) + 1) if h % step == 0]
    axes.set_xticks(whole, [f"{h % 24:02d}" for h in whole], **words(9))
    axes.set_yticks(range(0, 91, 15), [f"{a}°" for a in range(0, 91, 15)], **words(9))
    axes.set_xlabel("UTC", **words(9, color=FAINT))
    axes.set_ylabel("Altitude", **words(9, color=FAINT))
    axes.grid(color=PALE, linewidth=0.6, zorder=1)
    axes.tick_params(length=3, color=FAINT)
    for spine in axes.spines.values():
        spine.set_color(FAINT)
    above: Any = axes.twiny()
    above.set_xlim(first, last)
    ticks = list(_local_hours(seen, zone, first, last, step))
    above.set_xticks([hour for hour, _ in ticks], [text for _, text in ticks], **words(9))
    name = seen.night.time_zone or "by longitude"
    offset = seen.night.utc_offset
    above.set_xlabel(f"Local time, UTC{offset:+g} h ({name})", **words(9, color=FAINT))
    beside: Any = axes.twinx()
    beside.set_ylim(0, 90)
    at = [(_altitude_of(x), x) for x in _AIRMASSES]
    beside.set_yticks([a for a, _ in at], [f"{x:g}" for _, x in at], **words(8))
    beside.set_ylabel("Airmass", **words(9, color=FAINT))
    for other in (above, beside):
        other.tick_params(length=3, color=FAINT)
        for spine in other.spines.values():
            spine.set_visible(False)


def _local_hours(
    seen: Visibility, zone: tzinfo, first: float, last: float, step: int
) -> Iterator[tuple[float, str]]:
    """Yield where the whole hours of local time are; clocks may change in the night."""
    for quarter in range(math.ceil(first * 4), math.floor(last * 4) + 1):
        local = (_day(seen) + timedelta(hours=quarter / 4)).astimezone(zone)
        if local.minute == 0 and local.hour % step == 0:
            yield quarter / 4, f"{local:%H}"


def _altitude_of(wanted: float) -> float:
    """Return the altitude with an airmass, to a hundredth of a degree."""
    low, high = 0.0, 90.0
    while high - low > 0.01:
        middle = (low + high) / 2
        low, high = (middle, high) if (airmass(middle) or math.inf) > wanted else (low, middle)
    return high


def _headings(made: Any, seen: Visibility) -> None:
    night = seen.night
    made.text(0.08, 0.955, seen.name, va="center", **words(14, fontweight="bold"))
    place = position(seen.coordinates.right_ascension, seen.coordinates.declination)
    told = f"{place}   ·   {night.name}   ·   night of {night.date}"
    made.text(0.08, 0.91, told, va="center", **words(9, color=FAINT))
    hours = (
        f"{seen.hours_above:.1f} h above {seen.elevation:g}° between sunset and sunrise, "
        f"{seen.hours_above_dark:.1f} h of it in astronomical night   ·   "
        f"Moon {seen.moon_separation:.0f}° away"
    )
    made.text(0.08, 0.025, hours, va="center", **words(8.5))
