"""Where satellites are and when they pass over a site, by SGP4.

SGP4 (Vallado et al. 2006, AIAA 2006-6753, by the library ``sgp4``) gives places in
TEME: the true equator and the mean equinox of date. The Earth turns under it by its
mean sidereal time; UT1 - UTC is left out, which moves a satellite by 0.4 km at most.
A satellite is in the dark inside a cylinder behind the Earth.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from arcsecond.server.observatory.almanac import (
    DAY_S,
    EARTH_RADIUS_KM,
    UNIX_EPOCH_JD,
    Place,
    Sky,
    on_horizon,
    seen,
    vertex,
)
from arcsecond.server.observatory.elements import LAST_IN_LINES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sgp4.api import Satrec

    Floats = NDArray[np.float64]

STEP_S = 60.0
"""Between two looks at all satellites; culminations are found in between."""

TOGETHER = 100
"""Satellites that are worked out at a time."""

VISIBLE_SUN_DEG = -6.0
"""Altitude of the Sun below which a sunlit satellite can be seen."""

_1949 = datetime(1949, 12, 31, tzinfo=UTC)
_FINE = 17
_ALONG, _CLOSER = 13, 33
"""Moments of a pass at which it is asked whether it can be seen; then between two of them."""

_LOOK_S = 60.0
"""Longest time between two of them."""

_TWILIGHT_DEG = 0.3
"""How much the Sun moves between two looks, at most."""

LOWEST_KM = 100.0
"""A satellite that is lower than this is none any more."""

_LOOKS_A_DAY, _MOST_LOOKS = 8, 2_000
DECAYED = 6
"""SGP4's error for an orbit that has ended."""

FARTHEST_KM = 1e6
"""What is farther away is no satellite of the Earth."""

LINE = 69
"""Characters of each of two lines."""


def satrec(lines: tuple[str, str] | None, elements: Mapping[str, Any] | None, norad: int) -> Satrec:
    """Return what SGP4 needs of a satellite, from the keywords of an OMM or from two lines."""
    from sgp4.api import WGS72, Satrec

    if elements is None:
        assert lines is not None
        return Satrec.twoline2rv(*lines)
    found = Satrec()
    epoch = datetime.fromisoformat(elements["EPOCH"]).replace(tzinfo=UTC)
    per_minute = math.tau / 1440.0
    found.sgp4init(
        WGS72,
        "i",
        norad if norad <= LAST_IN_LINES else 0,
        (epoch - _1949).total_seconds() / DAY_S,
        elements["BSTAR"],
        elements["MEAN_MOTION_DOT"] * per_minute / 1440.0,
        elements["MEAN_MOTION_DDOT"] * per_minute / 1440.0**2,
        elements["ECCENTRICITY"],
        math.radians(elements["ARG_OF_PERICENTER"]),
        math.radians(elements["INCLINATION"]),
        math.radians(elements["MEAN_ANOMALY"]),
        elements["MEAN_MOTION"] * per_minute,
        math.radians(elements["RA_OF_ASC_NODE"]),
    )
    return found


def two_lines(
    found: Satrec, designator: str | None, elements: Mapping[str, Any]
) -> tuple[str, str] | None:
    """Return the two lines that tell the same as an OMM; None where a number is too long."""
    from sgp4.exporter import export_tle

    found.classification = elements["CLASSIFICATION_TYPE"]
    found.intldesg = (designator or "")[2:].replace("-", "")[:8]
    found.elnum, found.revnum = (
        elements["ELEMENT_SET_NO"] % 10_000,
        elements["REV_AT_EPOCH"] % 100_000,
    )
    first, second = export_tle(found)
    return (first, second) if len(first) == len(second) == LINE else None


def keywords(found: Satrec, epoch: datetime) -> dict[str, Any]:
    """Return the keywords of an OMM that tell the same as two lines."""
    per_minute = math.tau / 1440.0
    return {
        "EPOCH": epoch.replace(tzinfo=None).isoformat(timespec="microseconds"),
        "MEAN_MOTION": round(found.no_kozai / per_minute, 8),
        "ECCENTRICITY": round(found.ecco, 7),
        "INCLINATION": round(math.degrees(found.inclo), 4),
        "RA_OF_ASC_NODE": round(math.degrees(found.nodeo), 4),
        "ARG_OF_PERICENTER": round(math.degrees(found.argpo), 4),
        "MEAN_ANOMALY": round(math.degrees(found.mo), 4),
        "BSTAR": round(found.bstar, 12),
        "MEAN_MOTION_DOT": round(found.ndot / per_minute * 1440.0, 8),
        "MEAN_MOTION_DDOT": round(found.nddot / per_minute * 1440.0**2, 12),
        "CLASSIFICATION_TYPE": found.classification,
        "ELEMENT_SET_NO": found.elnum,
        "REV_AT_EPOCH": found.revnum,
    }


def where(found: Satrec, times: Floats) -> tuple[Floats, Floats]:
    """Return errors (n,) and places (n, 3) of a satellite in TEME, km."""
    import numpy as np

    errors, places, _ = found.sgp4_array(*_julian(times / DAY_S))
    with np.errstate(invalid="ignore"):
        lost = ~(np.abs(places).max(axis=1) < FARTHEST_KM)  # not a number, too
    return np.where(lost, DECAYED, errors), places


def _down(errors: Floats, places: Floats) -> NDArray[np.bool_]:
    """Tell where a satellite is none any more: SGP4 says so, or it is in the air."""
    import numpy as np

    with np.errstate(invalid="ignore", over="ignore"):
        low = np.linalg.norm(places, axis=-1) < EARTH_RADIUS_KM + LOWEST_KM
    found: NDArray[np.bool_] = (errors != 0) | low
    return found


def ended(satellite: Satrec, epoch: float, at: float) -> bool:
    """Tell whether an orbit has ended by a time (s since 1970), or is none then.

    It is looked at from its epoch on: long after a satellite has come down SGP4
    may give places again.
    """
    import numpy as np

    days = max(0.0, at - epoch) / DAY_S
    looks = min(_MOST_LOOKS, 2 + math.ceil(days * _LOOKS_A_DAY))
    errors, places = where(satellite, np.linspace(min(epoch, at), at, looks))
    return bool(_down(errors, places)[1 if at < epoch else 0 :].any())


def _julian(days: Floats) -> tuple[Floats, Floats]:
    import numpy as np

    whole = np.floor(days)
    return whole + UNIX_EPOCH_JD, days - whole


def below(place_km: Floats, time: float) -> tuple[float, float, float]:
    """Return longitude, latitude (degrees) and height (km) of what stands at a place in TEME."""
    import erfa

    turned = erfa.gmst82(UNIX_EPOCH_JD, time / DAY_S)
    x, y, z = (float(part) * 1000 for part in place_km)
    out, east = math.hypot(x, y), math.atan2(y, x) - turned
    _, latitude, height = erfa.gc2gd(1, [out, 0.0, z])
    longitude = (math.degrees(east) + 180) % 360 - 180
    return longitude, math.degrees(float(latitude)), float(height) / 1000


class Overhead:
    """A place on the Earth as it turns in TEME, and the Sun over it.

    Parameters
    ----------
    start, end
        Seconds since 1970 that are asked for.
    """

    def __init__(self, place: Place, start: float, end: float) -> None:
        self.place = place
        self.sky = Sky(start - 600.0, end + 600.0)
        self._start, self._end = start, end

    @functools.cached_property
    def _dark(self) -> tuple[Floats, NDArray[np.bool_]]:
        """Moments a minute apart, and whether the Sun is low enough then."""
        import numpy as np

        looks = max(2, math.ceil((self._end - self._start) / _LOOK_S) + 1)
        times = np.linspace(self._start, self._end, looks)
        return times, self.sun_altitudes(times) <= VISIBLE_SUN_DEG + _TWILIGHT_DEG

    def may_be_dark(self, first: float, last: float) -> bool:
        """Tell whether it may be dark at some moment between two; False is sure."""
        times, dark = self._dark
        low, high = times.searchsorted((first, last))
        return bool(dark[max(0, low - 1) : high + 1].any())

    def seen(self, times: Floats, places: Floats) -> tuple[Floats, Floats, Floats]:
        """Return altitude, azimuth (degrees) and range (km) of places in TEME, (..., n, 3)."""
        return seen(*on_horizon(self.place, self._sidereal(times), places))

    def altitudes(self, times: Floats, places: Floats) -> Floats:
        """Return altitudes alone, in degrees."""
        import numpy as np

        north, east, up = on_horizon(self.place, self._sidereal(times), places)
        found: Floats = np.degrees(np.arctan2(up, np.hypot(north, east)))
        return found

    def _sidereal(self, times: Floats) -> Floats:
        """Return the local mean sidereal time in radians, by which the Earth turns under TEME."""
        import erfa

        turned: Floats = erfa.gmst82(UNIX_EPOCH_JD, times / DAY_S)
        return turned + math.radians(self.place.longitude)

    def sunlit(self, times: Floats, places: Floats) -> NDArray[np.bool_]:
        """Tell of each place, (n, 3), whether the Sun shines on it."""
        return sunlit(self.sky, times, places)

    def sun_altitudes(self, times: Floats) -> Floats:
        """Return how high the Sun stands over the place, in degrees."""
        return self.sky.altitudes(self.place, "sun")(times)

    def direction(self, time: float, place: Floats) -> tuple[float, float]:
        """Return right ascension and declination (ICRS, degrees) of a place in TEME, as seen."""
        import numpy as np

        angle = float(self._sidereal(np.array(time)))
        axis, equator = self.place.geocentric_km
        x = float(place[0]) - axis * math.cos(angle)
        y = float(place[1]) - axis * math.sin(angle)
        return self.sky.from_teme((x, y, float(place[2]) - equator), time)


def sunlit(sky: Sky, times: Floats, places: Floats) -> NDArray[np.bool_]:
    """Tell of each place, (n, 3) in TEME, whether the Sun shines on it."""
    import numpy as np

    sun = sky.body("sun", times)
    sun = sun / np.linalg.norm(sun, axis=1)[:, None]
    along = (places * sun).sum(axis=1)
    aside = np.linalg.norm(places - along[:, None] * sun, axis=1)
    found: NDArray[np.bool_] = (along > 0) | (aside > EARTH_RADIUS_KM)
    return found


@dataclass(frozen=True, slots=True)
class Passage:
    """A pass: which of the satellites, and when it rises, culminates and sets (s since 1970).

    Attributes
    ----------
    was_up, stays_up
        Whether it is cut where the time begins or ends.
    """

    satellite: int
    rise: float
    culmination: float
    set: float
    was_up: bool
    stays_up: bool


def passages(
    satellites: Sequence[Satrec], overhead: Overhead, start: float, end: float, elevation: float
) -> Iterator[Passage]:
    """Yield the passes of satellites above an elevation, satellite by satellite.

    Parameters
    ----------
    elevation
        In degrees. What is above it when the time begins or ends is cut there.
    """
    import numpy as np
    from sgp4.api import SatrecArray

    times = np.linspace(start, end, max(3, math.ceil((end - start) / STEP_S) + 1))
    julian = _julian(times / DAY_S)
    for first in range(0, len(satellites), TOGETHER):
        chunk = satellites[first : first + TOGETHER]
        errors, places, _ = SatrecArray(chunk).sgp4(*julian)
        altitudes = overhead.altitudes(times, places)
        # What has come down does not come back, whatever SGP4 says of the time after.
        down = np.maximum.accumulate(_down(errors, places), axis=1)
        altitudes[down | ~np.isfinite(altitudes)] = -90.0
        for n, (satellite, curve) in enumerate(zip(chunk, altitudes, strict=True)):
            for found in _passes(satellite, overhead, times, curve, elevation):
                yield Passage(first + n, *found)


def _passes(
    satellite: Satrec, overhead: Overhead, times: Floats, curve: Floats, elevation: float
) -> Iterator[tuple[float, float, float, bool, bool]]:
    import numpy as np

    # Overhead a satellite moves by a degree in a second: between two looks it may have
    # been much higher than at either. Near the horizon it hardly can.
    margin = 6.0 + 0.6 * elevation
    edge = np.concatenate([[-np.inf], curve, [-np.inf]])
    peaks = np.flatnonzero(
        (edge[1:-1] >= edge[:-2]) & (edge[1:-1] > edge[2:]) & (curve > elevation - margin)
    )
    last = -math.inf
    for peak in peaks.tolist():
        before, after = times[max(0, peak - 1)], times[min(len(times) - 1, peak + 1)]
        top, altitude = _highest(satellite, overhead, before, after)
        if altitude < elevation or top <= last:
            continue
        low = peak
        while low >= 0 and curve[low] >= elevation:
            low -= 1
        high = peak
        while high < len(times) and curve[high] >= elevation:
            high += 1
        if low == peak and times[peak] > top:
            low -= 1
        if high == peak and times[peak] < top:
            high += 1
        rise = times[0] if low < 0 else _crossing(satellite, overhead, times[low], top, elevation)
        last = (
            times[-1]
            if high >= len(times)
            else _crossing(satellite, overhead, times[high], top, elevation)
        )
        # What is up for longer than a day is told day by day.
        days = np.arange(times[0] + DAY_S, last, DAY_S) if last - rise > DAY_S else times[:0]
        edges = [rise, *days[days > rise].tolist(), last]
        for n, (begin, end) in enumerate(itertools.pairwise(edges)):
            highest = _top_of_all(times, curve, begin, end, top, altitude)
            was_up, stays_up = n > 0 or low < 0, n < len(edges) - 2 or high >= len(times)
            yield float(begin), highest, float(end), was_up, stays_up


def visible(
    satellite: Satrec, overhead: Overhead, passage: Passage
) -> tuple[float, float, float] | None:
    """Return the first and the last moment of a pass at which it can be seen, and how high it is.

    None for a pass that cannot be seen.
    """
    import numpy as np

    def seen(times: Floats) -> tuple[NDArray[np.bool_], Floats]:
        _, places = where(satellite, times)
        dark = overhead.sun_altitudes(times) <= VISIBLE_SUN_DEG
        return overhead.sunlit(times, places) & dark, places

    if not overhead.may_be_dark(passage.rise, passage.set):
        return None
    looks = max(_ALONG, math.ceil((passage.set - passage.rise) / _LOOK_S))
    coarse = np.linspace(passage.rise, passage.set, looks)
    times = np.sort(np.append(coarse, passage.culmination))
    shown = np.flatnonzero(seen(times)[0])
    if not len(shown):
        return None
    # Once more, from the look before the first one to the look behind the last.
    first, last = int(shown[0]), int(shown[-1])
    before = np.linspace(times[max(0, first - 1)], times[first], _CLOSER)
    after = np.linspace(times[last], times[min(len(times) - 1, last + 1)], _CLOSER)
    times = np.concatenate([before, times[first : last + 1], after])
    can, places = seen(times)
    times = times[can]
    altitudes = overhead.altitudes(times, places[can])
    return float(times[0]), float(times[-1]), float(altitudes.max())


def _top_of_all(
    times: Floats, curve: Floats, rise: float, set_: float, top: float, altitude: float
) -> float:
    """Return when it is highest: what stays up for hours has more than one culmination."""
    import numpy as np

    inside = np.flatnonzero((times >= rise) & (times <= set_))
    if len(inside) and (curve[inside].max() > altitude or not rise <= top <= set_):
        return float(times[inside[curve[inside].argmax()]])
    return float(top)


def _highest(
    satellite: Satrec, overhead: Overhead, before: float, after: float
) -> tuple[float, float]:
    """Return when a satellite is highest between two moments, and how high that is."""
    for _ in range(2):
        times, curve = _closer(satellite, overhead, before, after)
        n = min(max(int(curve.argmax()), 1), _FINE - 2)
        before, after = times[n - 1], times[n + 1]
    low, top, high = curve[n - 1 : n + 2]
    shift = vertex(low, top, high)
    return (
        float(times[n] + shift * (times[n] - before)),
        float(top - (low - high) * shift / 4),
    )


def _crossing(
    satellite: Satrec, overhead: Overhead, outside: float, inside: float, elevation: float
) -> float:
    """Return when a satellite is at an elevation: below it outside, above it inside."""
    for _ in range(2):
        times, curve = _closer(satellite, overhead, outside, inside)
        n = max(1, int((curve >= elevation).argmax()))
        outside, inside = times[n - 1], times[n]
    below_it, above = curve[n - 1], curve[n]
    share = (elevation - below_it) / (above - below_it) if above > below_it else 1.0
    return float(outside + (inside - outside) * min(1.0, max(0.0, share)))


def _closer(
    satellite: Satrec, overhead: Overhead, first: float, last: float
) -> tuple[Floats, Floats]:
    """Return some times between two, and how high a satellite is then."""
    times = first + (last - first) * _shares()
    errors, places = where(satellite, times)
    curve = overhead.altitudes(times, places)
    curve[errors != 0] = -90.0
    return times, curve


@functools.cache
def _shares() -> Floats:
    import numpy as np

    return np.linspace(0.0, 1.0, _FINE)
