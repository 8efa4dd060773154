"""Where the Sun, the Moon and the stars stand over a site.

ERFA (the astronomers' library of standards, IAU SOFA algorithms) gives the
Earth's place and velocity, the Moon, precession, nutation and the rotation of
the Earth. UT1 - UTC (at most 0.9 s) and polar motion (at most 0.3 arcsec) are left
out. Altitudes are those without an atmosphere: refraction belongs to an horizon.

Within a day or two bodies move smoothly: their places are polynomials through a
few computed ones, to better than 0.01 arcsec.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DAY_S = 86_400.0
UNIX_EPOCH_JD = 2_440_587.5
YEAR_S = 365.25 * DAY_S
J2000 = 946_728_000.0
"""2000-01-01 12:00, in seconds since 1970."""

AU_KM = 149_597_870.7
LIGHT_KM_S = 299_792.458
SUN_RADIUS_KM, MOON_RADIUS_KM = 695_700.0, 1_737.4
"""Radius of the Sun (IAU 2015 B3) and mean radius of the Moon (IAU 2015)."""

EARTH_RADIUS_KM = 6378.137
"""At the equator (WGS 84)."""

FIRST_YEAR, LAST_YEAR = 1972, 2099
"""Leap seconds are known, or guessed, for these years only."""

_NOTHING_DEG = 1e-7
"""What is nearer to zero than this is there: 0.4 milliarcseconds."""

_NODES = 12
"""Computed places of a body that a polynomial goes through."""

Body = Literal["sun", "moon"]


@dataclass(frozen=True, slots=True)
class Place:
    """A place on the Earth (WGS 84): degrees, east positive, and metres."""

    longitude: float
    latitude: float
    height: float = 0.0

    @property
    def geocentric_km(self) -> tuple[float, float]:
        """Distances from the Earth's axis and from its equator, in km."""
        return _geocentric_km(self.latitude, self.height)


@functools.lru_cache(maxsize=1024)
def _geocentric_km(latitude: float, height: float) -> tuple[float, float]:
    """Work it out once for a place: it is asked for at every look at the sky."""
    import erfa

    # At the longitude zero, where what is off the axis is all in x.
    out, _, up = erfa.gd2gc(1, 0.0, math.radians(latitude), height)
    return float(out) / 1000, float(up) / 1000


def moment(seconds: float) -> datetime:
    """Return the moment at so many seconds since 1970, to the nearest second."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=round(seconds))


def tt_minus_utc(jd: float) -> float:
    """Return TT - UTC in seconds at a Julian date by UTC; past the last leap second, as it is."""
    import erfa

    year, month, day, fraction, _ = erfa.ufunc.jd2cal(jd, 0.0)
    # The plain function warns of every year that is to come.
    leap_seconds, _ = erfa.ufunc.dat(year, month, day, fraction)
    return float(leap_seconds) + 32.184


class Sky:
    """The sky over some hours, at the most a few days, as it turns over any place.

    Parameters
    ----------
    start, end
        Seconds since 1970 (UTC).
    """

    def __init__(self, start: float, end: float) -> None:
        import erfa
        import numpy as np

        self.start, self.end = start, end
        middle = (start + end) / 2 / DAY_S + UNIX_EPOCH_JD
        self._tt = tt_minus_utc(middle) / DAY_S
        self._turned: Floats = erfa.pnm06a(middle, self._tt)
        self._origins = float(erfa.eo06a(middle, self._tt))
        self.obliquity = float(erfa.obl06(middle, self._tt))
        node = np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES)
        nodes = (start + end) / 2 + node * (end - start) / 2
        utc = nodes / DAY_S
        helio, bary = erfa.epv00(utc + UNIX_EPOCH_JD, self._tt)
        velocity = bary["v"] * (AU_KM / DAY_S / LIGHT_KM_S)
        self._velocity = _Smooth(start, end, velocity)
        distance = np.linalg.norm(helio["p"], axis=1)
        factor = np.sqrt(1 - (velocity**2).sum(axis=1))
        sun = erfa.ab(-helio["p"] / distance[:, None], velocity, distance, factor)
        bodies = {
            "sun": sun * distance[:, None] * AU_KM,
            "moon": erfa.moon98(utc + UNIX_EPOCH_JD, self._tt)["p"] * AU_KM,
        }
        self._bodies = {
            name: _Smooth(start, end, vectors @ self._turned.T) for name, vectors in bodies.items()
        }

    def body(self, name: Body, times: Floats) -> Floats:
        """Return apparent geocentric places, (n, 3) km, on the equator and equinox of date."""
        return self._bodies[name](times)

    def star(self, ra_deg: float, dec_deg: float) -> Floats:
        """Return the apparent direction of a star (ICRS) half-way, (3,), of date."""
        import erfa
        import numpy as np

        velocity = self._velocity(np.array([(self.start + self.end) / 2]))[0]
        vector = erfa.s2c(math.radians(ra_deg), math.radians(dec_deg))
        # The Sun bends light by 1.7 arcsec at its edge, where nobody observes: no matter.
        seen = erfa.ab(vector, velocity, 1.0, math.sqrt(1 - float(velocity @ velocity)))
        found: Floats = self._turned @ seen
        return found

    def from_teme(self, vector: tuple[float, float, float], time: float) -> tuple[float, float]:
        """Return right ascension and declination (ICRS, degrees) of a direction in TEME.

        TEME is the true equator and the mean equinox of date, which SGP4 works in.
        """
        import erfa

        mean = float(erfa.gmst82(UNIX_EPOCH_JD, time / DAY_S))
        apparent = float(erfa.era00(UNIX_EPOCH_JD, time / DAY_S)) - self._origins
        turned = erfa.rz(apparent - mean, self._turned)
        ra, dec = erfa.c2s(turned.T @ list(vector))
        return math.degrees(float(ra)) % 360, math.degrees(float(dec))

    def sidereal(self, longitude: float, times: Floats) -> Floats:
        """Return the local apparent sidereal time in radians."""
        import erfa

        turned: Floats = erfa.era00(UNIX_EPOCH_JD, times / DAY_S)
        return turned - self._origins + math.radians(longitude)

    def over(self, place: Place, times: Floats, vectors: Floats) -> tuple[Floats, Floats, Floats]:
        """Return altitude and azimuth (degrees) and distance of what stands over a place.

        Parameters
        ----------
        times
            (n,) seconds since 1970.
        vectors
            (n, 3) geocentric places in km, or (3,) the direction of a star.

        Returns
        -------
        tuple of numpy.ndarray
            (n,) each. Altitudes without refraction; azimuths from the north by east.
        """
        return seen(*on_horizon(place, self.sidereal(place.longitude, times), vectors))

    def altitudes(self, place: Place, body: Body) -> Callable[[Floats], Floats]:
        """Return a function of time that gives the altitude of the centre of a body, in degrees."""
        return lambda times: self.over(place, times, self.body(body, times))[0]

    def heights(
        self, place: Place, body: Body, refraction_deg: float
    ) -> Callable[[Floats], Floats]:
        """Return a function of time that is zero when the upper limb of a body is on the horizon.

        Parameters
        ----------
        refraction_deg
            How much the air lifts what is seen on the horizon.
        """
        import numpy as np

        radius = SUN_RADIUS_KM if body == "sun" else MOON_RADIUS_KM

        def height(times: Floats) -> Floats:
            altitude, _, distance = self.over(place, times, self.body(body, times))
            found: Floats = altitude + np.degrees(np.arcsin(radius / distance)) + refraction_deg
            return found

        return height

    def moon_phase(self, times: Floats) -> tuple[Floats, Floats]:
        """Return how much of the Moon is lit (0 to 1) and how far it is from the Sun in longitude.

        The longitude (degrees, 0 to 360) is 0 at new moon and 180 when it is full.
        """
        import numpy as np

        sun, moon = self.body("sun", times), self.body("moon", times)
        far, near = np.linalg.norm(sun, axis=1), np.linalg.norm(moon, axis=1)
        cosine = (sun * moon).sum(axis=1) / far / near
        elongation = np.arccos(np.clip(cosine, -1, 1))
        # Meeus, Astronomical Algorithms, 48.3.
        angle = np.arctan2(far * np.sin(elongation), near - far * cosine)
        longitude = [
            np.arctan2(
                vector[:, 1] * math.cos(self.obliquity) + vector[:, 2] * math.sin(self.obliquity),
                vector[:, 0],
            )
            for vector in (moon, sun)
        ]
        return (1 + np.cos(angle)) / 2, np.degrees(longitude[0] - longitude[1]) % 360


def on_horizon(place: Place, angle: Floats, vectors: Floats) -> tuple[Floats, Floats, Floats]:
    """Return what stands over a place as its parts to the north, to the east and upwards.

    Parameters
    ----------
    angle
        (n,) the local sidereal time in radians, of the equinox of the vectors.
    vectors
        (..., n, 3) geocentric places in km, or (3,) the direction of a star.
    """
    import numpy as np

    cosine, sine = np.cos(angle), np.sin(angle)
    latitude = math.radians(place.latitude)
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    # Towards the meridian, towards the east, and along the axis.
    out, east = x * cosine + y * sine, y * cosine - x * sine
    if vectors.ndim > 1:
        axis, equator = place.geocentric_km
        out, z = out - axis, z - equator
    north = z * math.cos(latitude) - out * math.sin(latitude)
    return north, east, out * math.cos(latitude) + z * math.sin(latitude)


def seen(north: Floats, east: Floats, up: Floats) -> tuple[Floats, Floats, Floats]:
    """Return altitude and azimuth (degrees) and distance by the parts of ``on_horizon``."""
    import numpy as np

    level = np.hypot(north, east)
    azimuth = np.degrees(np.arctan2(east, north)) % 360
    return np.degrees(np.arctan2(up, level)), azimuth, np.hypot(level, up)


def vertex(before: float, middle: float, after: float) -> float:
    """Return how many steps behind the middle one of three values the top of their parabola is.

    From -1 to 1; 0 where they have no top.
    """
    bend = before - 2 * middle + after
    return max(-1.0, min(1.0, (before - after) / 2 / bend)) if bend < 0 else 0.0


class _Smooth:
    """What moves smoothly, as Chebyshev polynomials through some values.

    Parameters
    ----------
    values
        (nodes, n), at the Chebyshev nodes between ``start`` and ``end``.
    """

    def __init__(self, start: float, end: float, values: Any) -> None:
        import numpy as np

        self._middle, self._half = (start + end) / 2, (end - start) / 2
        nodes = len(values)
        angle = np.pi * (np.arange(nodes) + 0.5) / nodes
        basis = np.cos(np.outer(np.arange(nodes), angle))
        self._coefficients = basis @ values * (2 / nodes)
        self._coefficients[0] /= 2

    def __call__(self, times: Floats) -> Floats:
        """Return the values at some times, (len(times), n)."""
        from numpy.polynomial.chebyshev import chebval

        found: Floats = chebval((times - self._middle) / self._half, self._coefficients).T
        return found


def crossings(
    function: Callable[[Floats], Floats], times: Floats
) -> tuple[list[float], list[float]]:
    """Return when a function of time rises and when it falls through zero.

    It is looked at between the given times, too, wherever it turns back: what
    barely touches zero is not missed.

    Parameters
    ----------
    function
        Of (n,) times; smooth between two of ``times``, with one turn at most.
    times
        (n,), in order.

    Returns
    -------
    tuple of list
        Times of rising and of falling, in order.
    """
    import numpy as np

    values = function(times)
    before, middle, after = values[:-2], values[1:-1], values[2:]
    turns = np.flatnonzero(
        ((middle - before) * (after - middle) <= 0)
        & (np.sign(before) == np.sign(after))
        & (np.sign(middle) == np.sign(after))
    )
    if len(turns):
        step = times[turns + 1] - times[turns]
        bend = before[turns] - 2 * middle[turns] + after[turns]
        shift = np.where(
            bend == 0, 0.0, (before[turns] - after[turns]) / 2 / np.where(bend == 0, 1, bend)
        )
        peaks = times[turns + 1] + np.clip(shift, -1, 1) * step
        times, values = np.append(times, peaks), np.append(values, function(peaks))
        order = np.argsort(times, kind="stable")
        times, values = times[order], values[order]
    signs = values >= 0
    at = np.flatnonzero(signs[1:] != signs[:-1])
    low, high = times[at], times[at + 1]
    below, above = values[at], values[at + 1]
    for _ in range(12):  # regula falsi, Illinois: far beyond a millisecond
        if not len(at):
            break
        found = high - above * (high - low) / (above - below)
        value = function(found)
        same = (value >= 0) == (above >= 0)
        below = np.where(same, below / 2, above)
        low = np.where(same, low, high)
        high, above = found, value
        if np.abs(value).max() < _NOTHING_DEG:
            break
    rising = signs[at + 1]
    return high[rising].tolist(), high[~rising].tolist()
