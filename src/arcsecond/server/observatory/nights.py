"""A night at a site: which one is meant, and what the Sun and the Moon do in it.

A night lasts from one mean noon of the Sun to the next and is called by the
local date of its evening: the day before midnight, as observers count.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from arcsecond.errors import InvalidInputError
from arcsecond.schemas.observatory import ObservingSite
from arcsecond.schemas.sky import REFRACTION_ARCMIN, Night, Twilight
from arcsecond.server.observatory.almanac import (
    DAY_S,
    FIRST_YEAR,
    LAST_YEAR,
    Place,
    Sky,
    crossings,
    moment,
    vertex,
)
from arcsecond.server.observatory.site import zone_of
from arcsecond.server.parsing import parse_amount, parse_date

if TYPE_CHECKING:
    from arcsecond.server.observatory.almanac import Floats

REFRACTION_DEG = REFRACTION_ARCMIN / 60
TWILIGHTS_DEG = {"civil": -6.0, "nautical": -12.0, "astronomical": -18.0}
STEP_S = 300.0
"""Between two looks at an altitude; what happens in between is found all the same."""

_QUARTERS = ("new moon", "first quarter", "full moon", "last quarter")
_BETWEEN = ("waxing crescent", "waxing gibbous", "waning gibbous", "waning crescent")
_QUARTER_DEG = 7.0
"""How far from a quarter the Moon is still said to be at it: half a day."""


@dataclass(frozen=True, slots=True)
class Span:
    """A night as a stretch of time: its evening's date, and seconds since 1970 (UTC)."""

    date: date
    start: float
    end: float

    @property
    def times(self) -> Floats:
        """Moments a few minutes apart, from the start to the end."""
        import numpy as np

        return np.linspace(self.start, self.end, round((self.end - self.start) / STEP_S) + 1)


def night_on(place: Place, zone: tzinfo, day: date) -> Span:
    """Return the night whose evening is on a date."""
    check_year(day)
    civil = datetime(day.year, day.month, day.day, 12, tzinfo=zone).timestamp()
    solar = DAY_S / 2 - place.longitude / 360 * DAY_S
    # Half a day belongs to the day before, always: at a pole noon by the clock may be
    # midnight by the Sun, and rounding to even would give two evenings the same night.
    start = solar + math.ceil((civil - solar) / DAY_S - 0.5) * DAY_S
    return Span(day, start, start + DAY_S)


def check_year(day: date, field: str = "date") -> None:
    """Refuse a date that nothing can be worked out for."""
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        problem = f"Leap seconds are known, or guessed, from {FIRST_YEAR} to {LAST_YEAR} only."
        raise InvalidInputError(fields={field: [problem]})


def present_night(place: Place, zone: tzinfo, now: datetime) -> Span:
    """Return the night that it is, or the coming one once the Sun has risen."""
    solar = DAY_S / 2 - place.longitude / 360 * DAY_S
    seconds = now.timestamp()
    start = solar + math.floor((seconds - solar) / DAY_S) * DAY_S
    night = night_on(place, zone, datetime.fromtimestamp(start, zone).date())
    risen, _ = crossings(
        Sky(night.start, night.end).heights(place, "sun", REFRACTION_DEG), night.times
    )
    if any(night.start + DAY_S / 2 < rise < seconds for rise in risen):
        return night_on(place, zone, night.date + timedelta(days=1))
    return night


def parse_elevation(text: str) -> float:
    """Return an elevation in degrees, from 0 to below 90."""
    try:
        value = float(text.strip().removesuffix("deg").strip())
    except ValueError:
        value = math.nan
    if not 0 <= value < 90:
        problem = f"{text[:40]!r} is no elevation; write degrees from 0 to below 90."
        raise InvalidInputError(fields={"elevation": [problem]})
    return value


def parse_night(
    site: ObservingSite, place: Place, filters: Mapping[str, str], now: datetime
) -> Span:
    """Return the night whose evening is on the ``date`` that is asked for, else the present one."""
    if date_text := filters.get("date"):
        return night_on(place, zone_of(site), parse_date("date", date_text))
    return present_night(place, zone_of(site), now)


def parse_count(text: str, most: int) -> int:
    """Return a number of nights."""
    count = parse_amount(text, most)
    if count is None:
        problem = f"{text[:40]!r} is no number of nights from 1 to {most}."
        raise InvalidInputError(fields={"nights": [problem]})
    return count


def parse_stretch(
    site: ObservingSite, place: Place, filters: Mapping[str, str], most: int, now: datetime
) -> tuple[float, float]:
    """Return from when to when (seconds since 1970) so many ``nights`` last.

    They begin with the night of a ``date``, or now.
    """
    count = parse_count(filters.get("nights") or "1", most)
    start = parse_night(site, place, filters, now).start if filters.get("date") else now.timestamp()
    return start, start + count * DAY_S


@dataclass(frozen=True, slots=True)
class Course:
    """When something is above a limit within a night.

    Attributes
    ----------
    spans
        From when to when, in seconds since 1970; cut at the ends of the night.
    """

    night: Span
    spans: Sequence[tuple[float, float]]
    ups: Sequence[float]
    downs: Sequence[float]

    @property
    def state(self) -> str:
        """Whether it rises and sets, or does neither."""
        if self.ups or self.downs:
            return "rises and sets"
        return "never sets" if self.spans else "never rises"

    def hours(self, other: Course | None = None) -> float:
        """Return how long it is above its limit, while another is, too."""
        others = other.spans if other else [(self.night.start, self.night.end)]
        seconds = sum(max(0.0, min(b, d) - max(a, c)) for a, b in self.spans for c, d in others)
        return seconds / 3600

    def below(self) -> Course:
        """Return when it is below."""
        edges = [self.night.start, *(edge for span in self.spans for edge in span), self.night.end]
        spans = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b > a]
        return Course(self.night, spans, self.downs, self.ups)


def course(night: Span, height: Callable[[Floats], Floats]) -> Course:
    """Return when a function of time is above zero within a night."""
    times = night.times
    ups, downs = crossings(height, times)
    edges = sorted([*ups, *downs])
    if height(times[:1])[0] >= 0:
        edges.insert(0, night.start)
    if len(edges) % 2:
        edges.append(night.end)
    return Course(night, list(zip(edges[::2], edges[1::2], strict=True)), ups, downs)


@dataclass(frozen=True, slots=True)
class Over:
    """A night over a site, worked out: the sky, and what the Sun and the Moon do."""

    night: Span
    place: Place
    sky: Sky
    sun: Course
    twilights: dict[str, Course]
    moon: Course

    @property
    def midnight(self) -> float:
        """When the Sun is lowest."""
        times = self.night.times
        altitudes = self.sky.altitudes(self.place, "sun")(times)
        n = int(altitudes[1:-1].argmin()) + 1
        return float(times[n] + vertex(*-altitudes[n - 1 : n + 2]) * STEP_S)


def over(place: Place, night: Span) -> Over:
    """Work out a night over a place."""
    sky = Sky(night.start, night.end)
    altitude = sky.altitudes(place, "sun")

    def above(limit: float) -> Callable[[Floats], Floats]:
        return lambda times: altitude(times) - limit

    return Over(
        night,
        place,
        sky,
        course(night, sky.heights(place, "sun", REFRACTION_DEG)),
        {name: course(night, above(limit)) for name, limit in TWILIGHTS_DEG.items()},
        course(night, sky.heights(place, "moon", REFRACTION_DEG)),
    )


def told(site: ObservingSite, found: Over, now: datetime) -> Night:
    """Return a night as it goes over the wire."""
    import numpy as np

    midnight = found.midnight
    at = np.array([midnight])
    lit, elongation = found.sky.moon_phase(at)
    zone = zone_of(site)
    offset = datetime.fromtimestamp(midnight, zone).utcoffset() or timedelta()
    twilights = {
        name: Twilight(
            sun_altitude=TWILIGHTS_DEG[name],
            dusk=_before(course.downs, midnight),
            dawn=_after(course.ups, midnight),
            hours=round(course.below().hours(), 3),
        )
        for name, course in found.twilights.items()
    }
    return Night(
        site=site.uuid,
        name=site.name,
        date=found.night.date,
        time_zone=site.address.time_zone,
        utc_offset=offset.total_seconds() / 3600,
        local_time=now.astimezone(zone).isoformat(timespec="seconds"),
        start=moment(found.night.start),
        end=moment(found.night.end),
        sun=found.sun.state,
        sunset=_before(found.sun.downs, midnight),
        sunrise=_after(found.sun.ups, midnight),
        civil=twilights["civil"],
        nautical=twilights["nautical"],
        astronomical=twilights["astronomical"],
        midnight=moment(midnight),
        sun_altitude=round(float(found.sky.altitudes(found.place, "sun")(at)[0]), 3),
        moon=found.moon.state,
        moonrise=nearest(found.moon.ups, midnight),
        moonset=nearest(found.moon.downs, midnight),
        moon_phase=phase_name(float(elongation[0])),
        moon_illumination=round(float(lit[0]), 4),
        moon_elongation=round(float(elongation[0]), 2),
        moon_altitude=round(float(found.sky.altitudes(found.place, "moon")(at)[0]), 3),
    )


def phase_name(elongation_deg: float) -> str:
    """Return what the Moon is called at a distance from the Sun in longitude, 0 to 360."""
    quarter = round(elongation_deg / 90)
    if abs(elongation_deg - quarter * 90) <= _QUARTER_DEG:
        return _QUARTERS[quarter % 4]
    return _BETWEEN[int(elongation_deg // 90) % 4]


def _before(times: Sequence[float], midnight: float) -> datetime | None:
    return next((moment(time) for time in reversed(times) if time <= midnight), None)


def _after(times: Sequence[float], midnight: float) -> datetime | None:
    return next((moment(time) for time in times if time >= midnight), None)


def nearest(times: Sequence[float], midnight: float) -> datetime | None:
    """Return the one of some moments that is nearest to midnight."""
    return moment(min(times, key=lambda time: abs(time - midnight))) if times else None
