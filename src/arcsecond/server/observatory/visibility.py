"""How a target stands over a site in a night: rise, transit, set, altitude and airmass."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from arcsecond.schemas.catalogues import Coordinates
from arcsecond.schemas.observatory import ObservingSite
from arcsecond.schemas.sky import Moment, Visibility
from arcsecond.server.observatory import nights
from arcsecond.server.observatory.almanac import crossings, moment
from arcsecond.server.observatory.nights import REFRACTION_DEG, Over, course

if TYPE_CHECKING:
    from arcsecond.server.observatory.almanac import Floats

ELEVATION_DEG = 30.0
"""Above which a target is said to be well placed, when no elevation is given."""

CURVE_STEP_S = 600.0


@dataclass(frozen=True, slots=True)
class Target:
    """What is looked at: its name and its position (ICRS, degrees, at this time)."""

    name: str
    ra_deg: float
    dec_deg: float


@dataclass(frozen=True, slots=True)
class Curve:
    """Altitudes and azimuths over a night, in degrees, without refraction."""

    times: Floats
    altitude: Floats
    azimuth: Floats
    sun: Floats
    moon: Floats


def curve(found: Over, target: Target, step_s: float = CURVE_STEP_S) -> Curve:
    """Return where a target, the Sun and the Moon stand through a night."""
    import numpy as np

    night, sky, place = found.night, found.sky, found.place
    first = math.ceil(night.start / step_s) * step_s  # at whole minutes
    times = np.arange(first, night.end + 1, step_s)
    star = sky.star(target.ra_deg, target.dec_deg)
    altitude, azimuth, _ = sky.over(place, times, star)
    sun, moon = (sky.altitudes(place, body)(times) for body in ("sun", "moon"))
    return Curve(times, altitude, azimuth, sun, moon)


def airmass(altitude_deg: float) -> float | None:
    """Return the airmass at a true altitude, 1 in the zenith; None below the horizon.

    Young 1994, Applied Optics 33, 1108; his angles are those without refraction.
    """
    if altitude_deg < 0:
        return None
    c = math.sin(math.radians(altitude_deg))
    above = 1.002432 * c**2 + 0.148386 * c + 0.0096467
    return above / (c**3 + 0.149864 * c**2 + 0.0102963 * c + 0.000303978)


def visibility(
    found: Over, site: ObservingSite, target: Target, elevation: float, now: datetime
) -> Visibility:
    """Return how a target stands over a site in a night.

    Parameters
    ----------
    elevation
        In degrees; hours above it are told.
    """
    import numpy as np

    sky, place = found.sky, found.place
    star = sky.star(target.ra_deg, target.dec_deg)

    def altitude(times: Floats) -> Floats:
        return sky.over(place, times, star)[0]

    def east(times: Floats) -> Floats:
        """Return the sine of the hour angle, which rises through zero at the transit."""
        hour_angle = sky.sidereal(place.longitude, times) - math.atan2(star[1], star[0])
        inside: Floats = np.sin(hour_angle)
        return inside

    up = course(found.night, lambda times: altitude(times) + REFRACTION_DEG)
    high = course(found.night, lambda times: altitude(times) - elevation)
    transits, _ = crossings(east, found.night.times)
    midnight = found.midnight
    transit = min(transits, key=lambda time: abs(time - midnight))
    dark = found.twilights["astronomical"].below()
    at = curve(found, target)
    moon = sky.body("moon", np.array([midnight]))[0]
    cosine = float(moon @ star) / float(np.linalg.norm(moon))
    return Visibility(
        name=target.name,
        coordinates=Coordinates(right_ascension=target.ra_deg, declination=target.dec_deg),
        target=up.state,
        rise=nights.nearest(up.ups, midnight),
        transit=moment(transit),
        transit_altitude=round(float(altitude(np.array([transit]))[0]), 3),
        set=nights.nearest(up.downs, midnight),
        elevation=elevation,
        hours_above=round(high.hours(found.sun.below()), 3),
        hours_above_dark=round(high.hours(dark), 3),
        moon_separation=round(math.degrees(math.acos(max(-1.0, min(1.0, cosine)))), 2),
        night=nights.told(site, found, now),
        curve=[
            Moment(
                time=moment(time),
                altitude=round(high, 3),
                azimuth=round(azimuth, 3) % 360,
                airmass=None if (x := airmass(high)) is None else round(x, 3),
                sun_altitude=round(sun, 3),
                moon_altitude=round(moon, 3),
            )
            for time, high, azimuth, sun, moon in zip(
                at.times.tolist(),
                at.altitude.tolist(),
                at.azimuth.tolist(),
                at.sun.tolist(),
                at.moon.tolist(),
                strict=True,
            )
        ],
    )
