"""When a planet crosses its star, and how high that stands over a site.

Times of transit are published for the barycentre of the solar system (BJD) or
the Sun (HJD); the light passes the Earth up to 8.3 minutes earlier or later.
ERFA (the astronomers' library of standards, IAU SOFA algorithms) gives the
Earth's place, precession, nutation and sidereal time; polar motion and
UT1 - UTC, at most a second, are left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from arcsecond.errors import InvalidInputError, NotFoundError
from arcsecond.schemas.fields import MOST_NIGHTS
from arcsecond.schemas.observatory import ObservingSite
from arcsecond.schemas.sky import Transit
from arcsecond.server.catalogues.rows import Row
from arcsecond.server.observatory.almanac import (
    DAY_S,
    UNIX_EPOCH_JD,
    Place,
    Sky,
    moment,
    tt_minus_utc,
)
from arcsecond.server.observatory.site import place_of

LIGHT_MINUTES_PER_AU = 499.004_783_836 / 60
LOW_DEG = 20.0
"""Altitude of the star below which nobody would observe."""

DARK_DEG = -12.0
"""Altitude of the Sun at nautical twilight."""


@dataclass(frozen=True, slots=True)
class Ephemeris:
    """Times of a planet's transits, as published.

    Attributes
    ----------
    t0, period
        A middle of a transit (Julian date) and the days between two.
    t0_error, period_error
        Their errors (1 sigma, days); 0 where none is known. That of the period is at
        least its difference from the one that is published today.
    centre
        Where the time is told for: "barycentric" or "heliocentric".
    dynamical
        Whether it runs evenly (TDB), not by UTC.
    scale
        What the source calls it.
    source
        Where it is published.
    """

    t0: float
    t0_error: float
    period: float
    period_error: float
    centre: str
    dynamical: bool
    scale: str
    source: str

    def after(self, jd: float) -> int:
        """Return the number of the first transit at or after a moment."""
        return math.ceil((jd - self.t0) / self.period)

    def at(self, number: int) -> float:
        """Return the middle of a transit by its number (Julian date in its scale)."""
        return self.t0 + number * self.period

    def uncertainty(self, number: int) -> float:
        """Return how uncertain the middle of a transit is, in days."""
        return math.hypot(self.t0_error, number * self.period_error)


def ephemeris(planet: Row, cite: Callable[[str], str] = str) -> Ephemeris:
    """Return the ephemeris of a planet.

    Parameters
    ----------
    cite
        Tells the citation behind a key.

    Raises
    ------
    NotFoundError
        It does not transit, or no time of transit is known.
    """
    if planet.is_transiting is False:
        raise NotFoundError(f"{planet.name} is not known to transit.")
    first = planet.tzero_primary_transit
    # The period that goes with the time: that of another source would drift away from it.
    period = (first or {}).get("period") or planet.orbital_period
    if first is None or period is None or period["value"] <= 0:
        raise NotFoundError(f"No time of a transit of {planet.name} is known here.")
    scale = str(first.get("scale") or "BJD")
    heliocentric = scale.upper().startswith("HJD")
    # A plain BJD is mostly TDB (Eastman et al. 2010); HJD without more is by UTC.
    by_utc = "UTC" in scale.upper() or (heliocentric and "T" not in scale.upper()[3:])
    today = planet.orbital_period or period
    return Ephemeris(
        t0=first["value"],
        t0_error=_error(first),
        period=period["value"],
        period_error=max(_error(period), abs(today["value"] - period["value"])),
        centre="heliocentric" if heliocentric else "barycentric",
        dynamical=not by_utc,
        scale=scale,
        source=cite(first.get("source") or planet.cited("tzero_primary_transit")),
    )


def _error(fact: dict[str, Any]) -> float:
    return max(fact.get("error_max") or 0.0, fact.get("error_min") or 0.0)


def find(
    planet: Row,
    site: ObservingSite | None,
    start: datetime,
    nights: int,
    cite: Callable[[str], str] = str,
) -> Iterator[Transit]:
    """Yield the transits of a planet whose middle is seen within some nights.

    Parameters
    ----------
    site
        Where the star's altitude is wanted; None for the Earth's centre, without one.
    start
        Aware; transits before it are left out.
    cite
        Tells the citation behind a key.
    """
    if not 1 <= nights <= MOST_NIGHTS:
        problem = f"From 1 to {MOST_NIGHTS} nights can be asked for."
        raise InvalidInputError(fields={"nights": [problem]})
    known = ephemeris(planet, cite)
    star = _direction(planet.ra_deg, planet.dec_deg)
    place = place_of(site) if site else None
    begin = start.timestamp() / DAY_S + UNIX_EPOCH_JD
    duration = (planet.transit_duration or {}).get("value")
    number = known.after(begin - 0.01)
    while True:
        jd = _seen(known, number, star)
        if jd >= begin + nights:
            return
        if jd >= begin:
            yield _transit(planet, site, place, known, number, jd, duration)
        number += 1


def _seen(known: Ephemeris, number: int, star: Any) -> float:
    """Return when a transit is seen on the Earth, as a Julian date by UTC."""
    told = known.at(number)
    utc = told - tt_minus_utc(told) / DAY_S if known.dynamical else told
    for _ in range(2):  # the Earth moves 15,000 km while the light crosses its orbit
        early = _light_minutes(utc, star, known.centre) / 1440
        seen = told - early
        utc = seen - tt_minus_utc(seen) / DAY_S if known.dynamical else seen
    return utc


def _light_minutes(jd_utc: float, star: Any, centre: str) -> float:
    """Return how much earlier light from a star passes the Earth than the centre (minutes)."""
    import erfa
    import numpy as np

    helio, bary = erfa.epv00(jd_utc + tt_minus_utc(jd_utc) / DAY_S, 0.0)
    place = (bary if centre == "barycentric" else helio)["p"]
    return float(np.dot(place, star)) * LIGHT_MINUTES_PER_AU


def _direction(ra_deg: float, dec_deg: float) -> Any:
    import erfa

    return erfa.s2c(math.radians(ra_deg), math.radians(dec_deg))


def _transit(
    planet: Row,
    site: ObservingSite | None,
    place: Place | None,
    known: Ephemeris,
    number: int,
    jd: float,
    duration: float | None,
) -> Transit:
    half = duration / 2 if duration else None
    ends = (jd - half, jd, jd + half) if half else (None, jd, None)
    heights = [
        None if one is None or place is None else altitudes(one, place, planet) for one in ends
    ]
    middle = heights[1]
    return Transit(
        planet=planet.name,
        site=site.uuid if site else None,
        number=number,
        start=None if half is None else _moment(jd - half),
        middle=_moment(jd),
        end=None if half is None else _moment(jd + half),
        uncertainty_minutes=round(known.uncertainty(number) * 1440, 2),
        julian_date=round(known.at(number), 6),
        epoch=known.t0,
        period=known.period,
        scale=known.scale,
        source=known.source,
        altitudes=[None if height is None else round(height[0], 2) for height in heights],
        sun_altitudes=[None if height is None else round(height[1], 2) for height in heights],
        is_observable=None if middle is None else middle[0] >= LOW_DEG and middle[1] <= DARK_DEG,
    )


def _moment(jd: float) -> datetime:
    """Return the nearest second: no transit is known better."""
    return moment((jd - UNIX_EPOCH_JD) * DAY_S)


def altitudes(jd_utc: float, place: Place, target: Row) -> tuple[float, float]:
    """Return how high a star and the Sun stand over a place, in degrees, without refraction."""
    import numpy as np

    seconds = (jd_utc - UNIX_EPOCH_JD) * DAY_S
    sky = Sky(seconds - 1, seconds + 1)
    times = np.array([seconds])
    star, _, _ = sky.over(place, times, sky.star(target.ra_deg, target.dec_deg))
    return float(star[0]), float(sky.altitudes(place, "sun")(times)[0])
