"""The Sun, the Moon and the stars over a site, beside astropy and astronomy-engine.

Refraction (34 arcmin), horizon (level, the upper limb of Sun and Moon) and height (none) are the
same on both sides. A rise is compared in time where the altitude changes by more than 0.1 deg a
minute; altitudes are everywhere.
"""

from __future__ import annotations

import itertools
import math
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import astronomy
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcsecond.errors import InvalidInputError
from arcsecond.schemas.observatory import Address, ObservingSite, SiteCoordinates
from arcsecond.server.observatory import nights
from arcsecond.server.observatory.almanac import DAY_S, Place, Sky, crossings
from arcsecond.server.observatory.nights import REFRACTION_DEG, night_on, over, present_night
from arcsecond.server.observatory.visibility import Target, airmass, visibility
from tests.conftest import astropy_offline

SITES = {  # longitude, latitude
    "south pole": (0.0, -89.9),
    "McMurdo": (166.67, -77.85),
    "Mount John": (170.46, -43.99),
    "Paranal": (-70.40, -24.63),
    "Quito": (-78.5, -0.2),
    "Mauna Kea": (-155.47, 19.83),
    "La Palma": (-17.88, 28.76),
    "Kiritimati": (-157.4, 1.9),
    "Tromso": (18.95, 69.65),
    "Ny-Alesund": (11.93, 78.92),
}
DAYS = [date(2026, 1, 3) + timedelta(days=28 * n) for n in range(13)]
FAST = 0.1 / 60
"""Degrees in a second."""

STARS = {"Vega": (279.235, 38.784), "Sirius": (101.287, -16.716), "Polaris": (37.95, 89.26)}


def site(name: str, zone: str | None = None) -> tuple[ObservingSite, Place]:
    longitude, latitude = SITES[name]
    made = ObservingSite(
        uuid="0c8dbe8d-9b50-53a3-9382-cecec71f9ec6",
        name=name,
        alternate_names=[],
        coordinates=SiteCoordinates(longitude=longitude, latitude=latitude, height=0.0),
        address=Address(time_zone=zone),
        telescopes=[],
    )
    return made, Place(longitude, latitude)


def astronomy_time(seconds: float) -> Any:
    return astronomy.Time.Parse(datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


def found_by_astronomy(
    body: Any, observer: Any, direction: Any, start: float, end: float, altitude: float | None
) -> list[float]:
    """Return all moments of a rise or a set in a stretch of time."""
    times: list[float] = []
    while start < end:
        begin, days = astronomy_time(start), (end - start) / DAY_S
        if altitude is None:
            event = astronomy.SearchRiseSet(body, observer, direction, begin, days)
        else:
            event = astronomy.SearchAltitude(body, observer, direction, begin, days, altitude)
        if event is None:
            break
        times.append(event.Utc().replace(tzinfo=UTC).timestamp())
        start = times[-1] + 60
    return [time for time in times if time < end]


@pytest.mark.parametrize("name", SITES)
def test_sun_and_moon_rise_and_set_as_in_astronomy_engine(name: str) -> None:
    made, place = site(name)
    observer = astronomy.Observer(place.latitude, place.longitude, 0.0)
    compared = 0
    for day in DAYS:
        night = night_on(place, nights.zone_of(made), day)
        found = over(place, night)
        heights = {b: found.sky.heights(place, b, REFRACTION_DEG) for b in ("sun", "moon")}
        altitude = found.sky.altitudes(place, "sun")
        cases = [
            (astronomy.Body.Sun, found.sun, None, heights["sun"]),
            (astronomy.Body.Moon, found.moon, None, heights["moon"]),
            *(
                (astronomy.Body.Sun, found.twilights[k], limit, altitude)
                for k, limit in nights.TWILIGHTS_DEG.items()
            ),
        ]
        for body, mine, limit, height in cases:
            for direction, ours in (
                (astronomy.Direction.Rise, mine.ups),
                (astronomy.Direction.Set, mine.downs),
            ):
                theirs = found_by_astronomy(
                    body, observer, direction, night.start, night.end, limit
                )
                compared += len(theirs)
                for time in theirs:
                    off = float(height(np.array([time]))[0]) - (limit or 0.0)
                    assert abs(off) < 0.05, (name, day, body, limit)
                for time in (t for t in theirs if rate(height, t) > FAST):
                    assert min(abs(time - t) for t in ours) < 60, (name, day, body, limit)
                for time in ours:  # and none too many
                    if rate(height, time) > FAST and night.start + 60 < time < night.end - 60:
                        assert min(abs(time - t) for t in theirs) < 60, (name, day, body, limit)
    assert compared > (40 if abs(place.latitude) < 80 else 0)


def rate(height: Any, time: float) -> float:
    """Return how fast an altitude changes, in degrees in a second."""
    low, high = height(np.array([time - 30, time + 30]))
    return abs(float(high - low)) / 60


@pytest.mark.parametrize("name", SITES)
def test_altitudes_are_those_of_astropy(name: str) -> None:
    import astropy.units as u
    from astropy.coordinates import AltAz, EarthLocation, SkyCoord, get_body
    from astropy.time import Time

    _, place = site(name)
    place = Place(place.longitude, place.latitude, 2000.0)
    start = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    # Every hour of the day in turn, over a year.
    times = start + np.arange(40) * (9.2 * DAY_S + 3700.0)
    with astropy_offline():
        location = EarthLocation.from_geodetic(place.longitude, place.latitude, place.height)
        there = Time(times, format="unix")
        frame = AltAz(obstime=there, location=location)
        expected = {
            "sun": get_body("sun", there, location).transform_to(frame),
            "moon": get_body("moon", there, location).transform_to(frame),
        } | {star: SkyCoord(*STARS[star], unit="deg").transform_to(frame) for star in STARS}
        assert expected["sun"].alt.unit == u.deg
    for n, time in enumerate(times):
        sky = Sky(time - DAY_S / 2, time + DAY_S / 2)
        at = np.array([time])
        for name_, there_ in expected.items():
            vectors = sky.star(*STARS[name_]) if name_ in STARS else sky.body(name_, at)  # type: ignore[arg-type]
            altitude, azimuth, _ = sky.over(place, at, vectors)
            assert altitude[0] == pytest.approx(there_.alt.deg[n], abs=0.005)
            apart = (azimuth[0] - there_.az.deg[n] + 180) % 360 - 180
            assert abs(apart) * math.cos(math.radians(altitude[0])) < 0.005


@pytest.mark.parametrize("star", STARS)
@pytest.mark.parametrize("name", SITES)
def test_a_star_rises_transits_and_sets_as_in_astropy(name: str, star: str) -> None:
    from astropy.coordinates import AltAz, EarthLocation, HADec, SkyCoord
    from astropy.time import Time

    made, place = site(name)
    for day in DAYS[::4]:
        night = night_on(place, nights.zone_of(made), day)
        seen = visibility(over(place, night), made, Target(star, *STARS[star]), 30.0, now())
        with astropy_offline():
            location = EarthLocation.from_geodetic(place.longitude, place.latitude, 0)
            sky = SkyCoord(*STARS[star], unit="deg")
            for moment in (seen.rise, seen.set):
                if moment is not None:
                    frame = AltAz(obstime=Time(moment), location=location)
                    assert sky.transform_to(frame).alt.deg == pytest.approx(-34 / 60, abs=0.02)
            frame = HADec(obstime=Time(seen.transit), location=location)
            hour_angle = sky.transform_to(frame).ha.deg
            assert (hour_angle + 180) % 360 - 180 == pytest.approx(0, abs=0.25)
            frame = AltAz(obstime=Time(seen.transit), location=location)
            assert sky.transform_to(frame).alt.deg == pytest.approx(seen.transit_altitude, abs=0.05)
        both = {"rises and sets": True, "never sets": False, "never rises": False}[seen.target]
        assert (seen.rise is not None or seen.set is not None) == both


def now() -> datetime:
    return datetime(2026, 6, 1, tzinfo=UTC)


def test_hours_above_an_elevation_are_those_of_the_curve() -> None:
    made, place = site("La Palma")
    found = over(place, night_on(place, UTC, date(2026, 11, 22)))
    seen = visibility(found, made, Target("Vega", *STARS["Vega"]), 20.0, now())
    night = seen.night
    dark = night.astronomical
    for begin, end, told in (
        (night.sunset, night.sunrise, seen.hours_above),
        (dark.dusk, dark.dawn, seen.hours_above_dark),
    ):
        assert begin is not None
        assert end is not None
        times = np.arange(begin.timestamp(), end.timestamp(), 20.0)
        altitudes, _, _ = found.sky.over(place, times, found.sky.star(*STARS["Vega"]))
        assert told == pytest.approx((altitudes >= 20).sum() * 20 / 3600, abs=0.01)
    assert [p.time.minute % 10 for p in seen.curve] == [0] * len(seen.curve)


def test_a_sun_that_never_sets_is_said_so() -> None:
    made, place = site("Tromso")
    summer = nights.told(made, over(place, night_on(place, UTC, date(2026, 6, 21))), now())
    assert (summer.sun, summer.sunset, summer.sunrise) == ("never sets", None, None)
    assert summer.astronomical.hours == 0
    winter = nights.told(made, over(place, night_on(place, UTC, date(2026, 12, 21))), now())
    assert (winter.sun, winter.sunset) == ("never rises", None)
    assert 10 < winter.astronomical.hours < 15
    pole, there = site("south pole")
    dark = nights.told(pole, over(there, night_on(there, UTC, date(2026, 6, 21))), now())
    assert dark.astronomical.hours == pytest.approx(24, abs=0.01)


def test_what_barely_touches_zero_is_found() -> None:
    times = np.arange(0.0, 86401.0, 300.0)

    def bump(at: Any) -> Any:  # above zero for 20 seconds, between two looks
        return 1e-4 - ((at - 43_337.0) / 1000.0) ** 2

    ups, downs = crossings(bump, times)
    assert ups == pytest.approx([43_327.0], abs=0.01)
    assert downs == pytest.approx([43_347.0], abs=0.01)
    assert crossings(lambda at: -bump(at), times) == (
        pytest.approx([43_347.0], abs=0.01),
        pytest.approx([43_327.0], abs=0.01),
    )
    assert crossings(lambda at: at * 0 + 1.0, times) == ([], [])


@given(
    st.lists(st.floats(-1, 1), min_size=3, max_size=6),
    st.floats(0, 2 * math.pi),
    st.floats(-0.9, 0.9),
)
def test_crossings_are_where_the_sign_changes(
    parts: list[float], phase: float, level: float
) -> None:
    times = np.linspace(0, 86_400, 289)

    def wave(at: Any) -> Any:
        angle = at / 86_400 * 2 * math.pi + phase
        return sum(p * np.cos((n + 1) * angle) / (n + 1) for n, p in enumerate(parts)) - level

    ups, downs = crossings(wave, times)
    values = wave(times)
    assert len(ups) + len(downs) >= int(((values[1:] >= 0) != (values[:-1] >= 0)).sum())
    for time in (*ups, *downs):
        assert abs(wave(np.array([time]))[0]) < 1e-6
    ordered = sorted([*((t, 1) for t in ups), *((t, -1) for t in downs)])
    assert all(a[1] != b[1] for a, b in itertools.pairwise(ordered))


def test_a_night_is_called_by_its_evening() -> None:
    """Where the clock is far from the Sun, too: Kiritimati is 14 hours ahead at 157 deg west."""
    _, place = site("Kiritimati")
    zone = timezone(timedelta(hours=14))
    night = night_on(place, zone, date(2026, 3, 20))
    assert datetime.fromtimestamp(night.start, zone).date() == date(2026, 3, 20)
    assert 10 <= datetime.fromtimestamp(night.start, zone).hour <= 13
    assert night.end - night.start == DAY_S


@pytest.mark.parametrize("hours", [-12, -11, 0, 12, 13, 14])
@pytest.mark.parametrize("longitude", [-180.0, -90.0, 0.0, 90.0, 180.0])
def test_every_evening_has_a_night_of_its_own(hours: int, longitude: float) -> None:
    """At the pole, too, where McMurdo's noon is the Sun's midnight."""
    place, zone = Place(longitude, -90.0), timezone(timedelta(hours=hours))
    days = [date(2026, 5, 28) + timedelta(days=n) for n in range(9)]
    starts = [night_on(place, zone, day).start for day in days]
    assert np.diff(starts).tolist() == [DAY_S] * 8
    for day, start in zip(days, starts, strict=True):
        assert datetime.fromtimestamp(start, zone).date() == day
        for later in (60.0, 40_000.0, 86_000.0):
            present = datetime.fromtimestamp(start + later, UTC)
            assert present_night(place, zone, present).date == day


def test_clocks_that_change_in_the_night_are_followed() -> None:
    from arcsecond import views

    made, place = site("La Palma")
    made.address.time_zone = "Atlantic/Canary"
    night = night_on(place, nights.zone_of(made), date(2026, 10, 24))
    told = nights.told(made, over(place, night), now())
    shown = views.card("tonight", msgspec.to_builtins(told))
    rows = {row[0]: row[1:] for row in shown.tables[0].rows}
    assert rows["Sun sets"][1][:2] == f"{int(rows['Sun sets'][0][:2]) + 1:02d}"  # summer time
    assert rows["Sun rises"][1] == rows["Sun rises"][0]  # which is over by the morning


def test_tonight_is_the_night_that_it_is_or_the_coming_one() -> None:
    _, place = site("La Palma")
    for text, evening in (
        ("2026-11-22T20:00", 22),  # after sunset
        ("2026-11-23T03:00", 22),  # before sunrise
        ("2026-11-23T09:00", 23),  # the Sun is up
        ("2026-11-23T14:00", 23),
    ):
        present = datetime.fromisoformat(text).replace(tzinfo=UTC)
        assert present_night(place, UTC, present).date == date(2026, 11, evening)
    _, tromso = site("Tromso")  # a night without sunset is that from noon to noon
    bright = datetime(2026, 6, 21, 23, tzinfo=UTC)
    assert present_night(tromso, UTC, bright).date == date(2026, 6, 21)


@pytest.mark.parametrize("day", [date(1971, 12, 31), date(2100, 1, 1)])
def test_dates_beyond_the_leap_seconds_are_refused(day: date) -> None:
    with pytest.raises(InvalidInputError, match="1972 to 2099"):
        night_on(Place(0, 0), UTC, day)


def test_airmasses() -> None:
    assert airmass(90.0) == pytest.approx(1.0, abs=2e-4)
    for altitude in (60.0, 45.0, 30.0):
        plane = 1 / math.sin(math.radians(altitude))
        assert airmass(altitude) == pytest.approx(plane, rel=5e-3)
    assert airmass(0.0) == pytest.approx(31.7, abs=0.1)  # Young 1994
    assert airmass(-0.01) is None


def test_the_moon_is_lit_as_in_astronomy_engine() -> None:
    for day in DAYS:
        start = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
        lit, elongation = Sky(start, start + DAY_S).moon_phase(np.array([start + 9000.0]))
        at = astronomy_time(start + 9000.0)
        theirs = astronomy.Illumination(astronomy.Body.Moon, at).phase_fraction
        assert lit[0] == pytest.approx(theirs, abs=1e-3)
        assert elongation[0] == pytest.approx(astronomy.MoonPhase(at), abs=0.02)


@pytest.mark.parametrize(
    ("elongation", "name"),
    [(0, "new moon"), (45, "waxing crescent"), (90, "first quarter"), (160, "waxing gibbous"),
     (180, "full moon"), (200, "waning gibbous"), (270, "last quarter"), (359, "new moon"),
     (300, "waning crescent")],
)  # fmt: skip
def test_names_of_phases(elongation: float, name: str) -> None:
    assert nights.phase_name(elongation) == name


@pytest.mark.parametrize("text", ["-1", "90", "nan", "high", "inf", ""])
def test_elevations_that_are_none(text: str) -> None:
    with pytest.raises(InvalidInputError, match="no elevation"):
        nights.parse_elevation(text)
