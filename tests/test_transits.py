"""Transits of planets: the arithmetic by hand, the light's way and the altitudes by astropy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arcsecond.errors import NotFoundError
from arcsecond.server.catalogues.builtin import catalogue
from arcsecond.server.catalogues.rows import Row
from arcsecond.server.observatory import transits
from arcsecond.server.observatory.almanac import Place
from arcsecond.server.settings import Settings
from tests.conftest import PARANAL, Command, Http, astropy_offline

PLACES = (
    Place(-70.404, -24.627, 2637.0),
    Place(-17.882, 28.76, 2321.0),
    Place(-155.472, 19.826, 4212.0),
)
START = datetime(2026, 11, 22, 12, tzinfo=UTC)
EPHEMERIDES = {  # T0, P and the scale, as published; the number of a transit and its time by hand
    "HD 209458 b": ("2452826.628521", "3.52474859", "HJD", 2429),
    "GJ 1214 b": ("2455320.535733", "1.58040456", "BJD-TDB", 3750),
    "TrES-2 b": ("2454502.56227", "2.47063", "BJD", 3365),
    "KELT-9 b": ("2457095.68572", "1.4811235", "BJD-TDB", 2889),
    "WASP-43 b": ("2455528.86774", "0.813475", "HJD-UTC", 7182),
}


def planet(name: str) -> Row:
    return catalogue(Settings(Path("unused")), "exoplanets").find(name)[0][1]


@pytest.mark.parametrize("name", EPHEMERIDES)
def test_times_are_those_of_the_ephemeris(name: str) -> None:
    t0, period, scale, number = EPHEMERIDES[name]
    by_hand = Decimal(t0) + number * Decimal(period)
    unix = (by_hand - Decimal("2440587.5")) * 86400
    about = datetime.fromtimestamp(float(unix), UTC)
    found = [
        t
        for t in transits.find(planet(name), None, about - timedelta(days=2), 4)
        if t.number == number
    ]
    assert len(found) == 1
    one = found[0]
    assert one.scale == scale
    assert one.julian_date == pytest.approx(float(by_hand), abs=2e-6)
    # The light passes the Earth at most 8.4 minutes apart, and TDB is 69 s ahead of UTC.
    assert abs((one.middle - about).total_seconds()) < 8.4 * 60 + 70
    assert one.altitudes == [None, None, None]
    assert one.is_observable is None


@pytest.mark.parametrize("name", EPHEMERIDES)
def test_the_way_of_the_light_is_that_of_astropy(name: str) -> None:
    from astropy.coordinates import EarthLocation, SkyCoord
    from astropy.time import Time

    row = planet(name)
    known = transits.ephemeris(row)
    star = SkyCoord(row.ra_deg, row.dec_deg, unit="deg")
    with astropy_offline():
        for one in transits.find(row, None, START, 30):
            seen = Time(one.middle, location=EarthLocation.from_geocentric(0, 0, 0, unit="m"))
            told = seen.tdb if known.dynamical else seen
            told += seen.light_travel_time(star, known.centre)
            assert abs(told.jd - one.julian_date) * 86400 < 1.5  # of which the rounding is half


def test_altitudes_are_those_of_astropy() -> None:
    import astropy.units as u
    from astropy.coordinates import AltAz, EarthLocation, SkyCoord, get_sun
    from astropy.time import Time

    row = planet("HD 209458 b")
    place = SkyCoord(row.ra_deg, row.dec_deg, unit="deg")
    with astropy_offline():
        for there in PLACES:
            where = EarthLocation.from_geodetic(there.longitude, there.latitude, there.height)
            for hours in range(0, 24 * 300, 613):
                time = Time(START + timedelta(hours=hours))
                frame = AltAz(obstime=time, location=where)
                mine = transits.altitudes(time.utc.jd, there, row)
                assert abs(mine[0] - place.transform_to(frame).alt.to_value(u.deg)) < 0.02
                assert abs(mine[1] - get_sun(time).transform_to(frame).alt.to_value(u.deg)) < 0.02


def test_what_has_no_transits() -> None:
    with pytest.raises(NotFoundError, match="not known to transit"):
        transits.ephemeris(planet("51 Peg b"))
    fresh = Row(name="x b", ra_deg=0.0, dec_deg=0.0, source="x", host="x")
    with pytest.raises(NotFoundError, match="No time of a transit"):
        transits.ephemeris(fresh)


def test_starts_and_ends(http: Http) -> None:
    body: list[dict[str, Any]] = http.get(
        f"/exoplanets/KELT-9 b/transits/?site={PARANAL}&date=2026-11-22&nights=10"
    ).json()
    assert len(body) in (6, 7)
    for one in body:
        start, middle, end = (
            datetime.fromisoformat(one[name]) for name in ("start", "middle", "end")
        )
        assert abs((middle - start) - (end - middle)) <= timedelta(seconds=1)
        assert 3.5 < (end - start).total_seconds() / 3600 < 4.5
        assert len(one["altitudes"]) == len(one["sun_altitudes"]) == 3
        high, dark = one["altitudes"][1] >= 20, one["sun_altitudes"][1] <= -12
        assert one["is_observable"] == (high and dark)
    middles = [one["middle"] for one in body]
    assert middles == sorted(middles)
    assert middles[0] >= "2026-11-22T12:00"


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("nights=0", 400, "from 1 to 366"),
        ("nights=367", 400, "from 1 to 366"),
        ("nights=many", 400, "from 1 to 366"),
        ("date=soon", 400, "YYYY-MM-DD"),
        ("site=here", 400, "Observing site 'here' not found"),
        ("sight=1", 400, "cannot be filtered"),
    ],
)
def test_wrong_questions(query: str, status: int, said: str, http: Http) -> None:
    answer = http.get(f"/exoplanets/KELT-9 b/transits/?{query}")
    assert answer.status_code == status
    assert said in answer.json()["detail"]
    assert http.get("/exoplanets/nothing b/transits/").status_code == 404


def test_the_command(arcsecond: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("exoplanets", "HD 209458 b", "--transits", "--date", "2026-11-22")
    found = arcsecond(*words, "--site", PARANAL, "--nights", "7").json
    assert [one["planet"] for one in found] == ["HD 209458 b"] * len(found)
    assert found[0]["uncertainty_minutes"] < 5
    monkeypatch.setenv("ARCSECOND_FORCE_TTY", "1")
    shown = arcsecond(*words, "--site", PARANAL).out
    assert "Middle (UTC)" in shown
    assert "Observable" in shown
    for wrong, said in (
        (("exoplanets", "51 Peg b", "--nights", "3"), "--nights goes with --transits"),
        (("exoplanets", "--transits"), "of which one?"),
    ):
        done = arcsecond(*wrong)
        assert (done.status, done.out) == (2, "")
        assert said in done.err


def test_the_module() -> None:
    from arcsecond import ArcsecondAPI

    with ArcsecondAPI() as api:
        found = api.exoplanets("HD 209458 b").transits.list(date="2026-11-22", nights=7)
        assert found[0]["planet"] == "HD 209458 b"


def test_the_ephemeris_is_told_and_so_is_what_a_newer_period_says() -> None:
    row = planet("WASP-12 b")
    first, *_ = transits.find(
        row, None, START, 3, catalogue(Settings(Path("unused")), "exoplanets").cite
    )
    assert row.orbital_period
    assert row.tzero_primary_transit
    newer, used = row.orbital_period["value"], first.period
    assert abs(newer - used) > 1e-6
    assert first.uncertainty_minutes > first.number * abs(newer - used) * 1440 * 0.99
    assert first.epoch + first.number * first.period == pytest.approx(first.julian_date, abs=1e-5)
    assert "Catalogue" in first.source or "Archive" in first.source


@pytest.mark.parametrize(
    ("name", "does"),
    [("30 Ari B b", False), ("GJ 685 b", False), ("HD 209458 b", True), ("TOI-700 d", True)],
)
def test_who_transits(name: str, does: bool) -> None:
    assert bool(planet(name).is_transiting) is does
