"""Satellites: element sets of every form, places by SGP4, passes beside brute force."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import sqlalchemy as sa

from arcsecond import views
from arcsecond.client.api import ArcsecondAPI
from arcsecond.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError
from arcsecond.schemas.observatory import ObservingSiteChange
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.observatory import orbits, satellites
from arcsecond.server.observatory.almanac import Place
from arcsecond.server.observatory.elements import ElementSet, parse
from arcsecond.server.observatory.equipment import Sites
from arcsecond.server.observatory.orbits import Overhead, satrec
from tests.conftest import PARANAL, SHARED, Command, Http, astropy_offline, new_user

FOLDER = SHARED / "satellites"
ADMIN = Viewer(1, "admin", is_admin=True, how="owner")
NIGHT = "2008-09-20"

ISS = """ISS (ZARYA)
1 25544U 98067A   08264.51782528 -.00002182  00000-0 -11606-4 0  2927
2 25544  51.6416 247.4627 0006703 130.5360 325.0288 15.72125391563537
"""
GEO = """0 ASTRA 1A
1 19688U 88109B   08264.05972222  .00000000  00000-0  10000-3 0    00
2 19688   0.0300  80.0000 0002000 100.0000 200.0000  1.00270000    00
"""
OMM = {
    "OBJECT_NAME": "BRAND NEW", "OBJECT_ID": "2008-050A", "CENTER_NAME": "EARTH",
    "REF_FRAME": "TEME", "TIME_SYSTEM": "UTC", "MEAN_ELEMENT_THEORY": "SGP4",
    "EPOCH": "2008-09-20T12:25:40.104192", "MEAN_MOTION": 15.72125391, "ECCENTRICITY": 0.0006703,
    "INCLINATION": 51.6416, "RA_OF_ASC_NODE": 247.4627, "ARG_OF_PERICENTER": 130.5360,
    "MEAN_ANOMALY": 325.0288, "EPHEMERIS_TYPE": 0, "CLASSIFICATION_TYPE": "U",
    "NORAD_CAT_ID": 123456789, "ELEMENT_SET_NO": 292, "REV_AT_EPOCH": 56353,
    "BSTAR": -1.1606e-05, "MEAN_MOTION_DOT": -2.182e-05, "MEAN_MOTION_DDOT": 0.0,
}  # fmt: skip

shared_data = pytest.mark.skipif(not FOLDER.exists(), reason="the shared data are not here")


def with_checksums(text: str) -> str:
    """Return element sets with their checksums made right."""
    lines = []
    for line in text.splitlines():
        if re.match(r"[12] \d{5}", line):
            total = sum(int(c) if c.isdigit() else c == "-" for c in line[:68])
            line = f"{line[:68]:<68}{total % 10}"
        lines.append(line)
    return "\n".join(lines) + "\n"


def as_csv(*messages: dict[str, Any]) -> bytes:
    lines = [",".join(messages[0]), *(",".join(map(str, m.values())) for m in messages)]
    return ("\n".join(lines) + "\n").encode()


def as_xml(message: dict[str, Any]) -> bytes:
    leaves = "".join(f"<{k}>{v}</{k}>" for k, v in message.items())
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ndm><omm id="CCSDS_OMM_VERS" version="2.0">'
        "<header><CREATION_DATE/></header><body><segment><metadata/><data><meanElements>"
        f"{leaves}</meanElements></data></segment></body></omm></ndm>"
    ).encode()


FORMS: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "JSON": lambda m: json.dumps([m]).encode(),
    "one object": lambda m: json.dumps(m).encode(),
    "texts": lambda m: json.dumps([{k: str(v) for k, v in m.items()}]).encode(),
    "CSV": as_csv,
    "XML": as_xml,
}


# Read


@pytest.mark.parametrize("form", FORMS)
def test_every_form_tells_the_same(form: str) -> None:
    (found,) = parse(FORMS[form](OMM))
    (lines,) = parse(ISS.encode())
    assert found.norad == 123456789
    assert found.name == "BRAND NEW"
    assert found.designator == "2008-050A"
    times = np.array([lines.epoch.timestamp() + 5400.0])
    _, places = orbits.where(satrec(None, found.elements, found.norad), times)
    _, expected = orbits.where(satrec(lines.lines, None, lines.norad), times)
    assert abs(places - expected).max() < 0.05  # km: the epoch of two lines has fewer digits


@shared_data
@pytest.mark.parametrize(
    ("name", "count"),
    [("visual_2026-02-22.tle", 149), ("visual_2026-04-29_omm.json", 148),
     ("stations_2026-04-29_omm.json", 28), ("last-30-days_2026-04-29_omm.json", 293),
     ("stations_2021-11.tle", 68), ("active_2018-12.tle", 1852)],
)  # fmt: skip
def test_files_of_celestrak(name: str, count: int) -> None:
    found = parse((FOLDER / name).read_bytes())
    assert len(found) == count
    assert all(one.designator for one in found)


@shared_data
def test_places_are_those_of_the_verification_set() -> None:
    """To the last digit that is printed, 1e-8 km, give or take how doubles are rounded."""
    sets: dict[int, ElementSet] = {}
    lines = (FOLDER / "SGP4-VER.TLE").read_text().splitlines()
    lines = [line for line in lines if line[:2] in ("1 ", "2 ")]
    for first, second in zip(lines[::2], lines[1::2], strict=True):
        sets[int(first[2:7])] = ElementSet(
            int(first[2:7]), "", None, datetime.now(UTC), (first[:69], second[:69])
        )
    compared, satellite = 0, None
    for line in (FOLDER / "tcppver.out").read_text().splitlines():
        if line.endswith("xx"):
            found = sets[int(line.split()[0])]
            satellite = satrec(found.lines, None, found.norad)
        elif line.strip() and satellite is not None:
            minutes, *expected = map(float, line.split()[:7])
            day = satellite.jdsatepoch
            fraction = satellite.jdsatepochF + minutes / 1440
            error, place, velocity = satellite.sgp4(day, fraction)
            if error:
                continue
            # A satellite moves 7e-6 km in the 1e-9 s that a day's fraction is rounded by.
            assert place == pytest.approx(expected[:3], abs=2e-4), line
            assert velocity == pytest.approx(expected[3:], abs=2e-7), line
            tsince = satellite.sgp4_tsince(minutes)
            assert tsince[1] == pytest.approx(expected[:3], abs=2e-7), line
            compared += 1
    assert compared > 600


def test_two_lines_and_keywords_tell_the_same() -> None:
    (found,) = parse(ISS.encode())
    satellite = satrec(found.lines, None, found.norad)
    told = orbits.keywords(satellite, found.epoch)
    (again,) = parse(FORMS["JSON"](told | {"NORAD_CAT_ID": 25544, "OBJECT_ID": "1998-067A"}))
    lines = orbits.two_lines(satrec(None, again.elements, 25544), "1998-067A", again.elements or {})
    assert found.lines is not None
    assert lines[0][:63] == found.lines[0][:63]  # the number of the set is none of the elements
    assert lines[1][:63] == found.lines[1][:63]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"MEAN_MOTION": 0}, "its MEAN_MOTION is '0'"),
        ({"ECCENTRICITY": 1.5}, "its ECCENTRICITY"),
        ({"INCLINATION": "steep"}, "its INCLINATION is 'steep'"),
        ({"MEAN_ANOMALY": math.nan}, "its MEAN_ANOMALY"),
        ({"EPOCH": "yesterday"}, "its EPOCH is 'yesterday'"),
        ({"EPOCH": "1801-01-01"}, "its EPOCH"),
        ({"NORAD_CAT_ID": 0}, "no NORAD_CAT_ID"),
        ({"NORAD_CAT_ID": "T0001"}, "no NORAD_CAT_ID"),
        ({"NORAD_CAT_ID": 10**10}, "no NORAD_CAT_ID"),
        ({"CENTER_NAME": "MARS"}, "CENTER_NAME is MARS, not EARTH"),
        ({"MEAN_ELEMENT_THEORY": "SGP4-XP"}, "MEAN_ELEMENT_THEORY is SGP4-XP"),
        ({"REF_FRAME": "J2000"}, "REF_FRAME"),
        ({"TIME_SYSTEM": "TAI"}, "TIME_SYSTEM"),
        ({"NORAD_CAT_ID": "9" * 5000}, "no NORAD_CAT_ID"),
        ({"BSTAR": "1" + "0" * 400}, "its BSTAR"),
        ({"EPOCH": "0001-01-01T00:00:00+14:00"}, "its EPOCH"),
        ({"EPOCH": "9999-12-31T23:59:59-14:00"}, "its EPOCH"),
    ],
)
@pytest.mark.parametrize("form", ["CSV", "XML", "texts"])
def test_messages_that_are_wrong(form: str, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said) as wrong:
        parse(FORMS[form](OMM | changed))
    assert "BRAND NEW" in wrong.value.detail
    assert wrong.value.detail.endswith("Nothing was imported.")
    assert len(wrong.value.detail) < 160


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "no element set"),
        (b"[]", "no element set"),
        (b"[1]", "Element set 1 is wrong: it is no object"),
        (b"[{", "no valid JSON"),
        (b"<ndm>", "This XML cannot be read"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', "This XML cannot be read"),
        (b"\xff\xfe", "no text"),
        (ISS.replace("2927", "2928").encode(), "Line 2 is wrong: its checksum does not fit"),
        (ISS.replace("563537", "563538").encode(), "Line 3 is wrong: its checksum"),
        (with_checksums(ISS.replace("2 25544", "2 25545")).encode(), "Line 3 .*another satellite"),
        (with_checksums(ISS.replace("51.6416", "5x.6416")).encode(), "Lines 2 and 3"),
        (with_checksums(ISS.replace("08264.5", "08999.5")).encode(), "Lines 2 and 3"),
        (ISS.splitlines()[1].encode(), "Line 1 is wrong: a first line without its second"),
        (b"just\nwords", "a first line of elements was expected"),
        (as_csv(OMM) + b"too,few\n", "Line 3 is wrong: it has not as many columns"),
        (as_csv(OMM | {"OBJECT_NAME": "x" * 200_000}), "field larger than field limit"),
        (b'<?xml version="1.0" encoding="foo"?><x/>', "This XML cannot be read"),
        (
            json.dumps([OMM | {"NORAD_CAT_ID": "N"}]).replace('"N"', "1" + "0" * 5000).encode(),
            "no NORAD_CAT_ID|no valid JSON",
        ),
        (
            json.dumps([OMM | {"BSTAR": "B"}]).replace('"B"', "1" + "0" * 400).encode(),
            "its BSTAR|no valid JSON",
        ),
        (json.dumps([OMM | {"OBJECT_NAME": "a\0b"}]).encode(), "holds characters that are none"),
        (b"a\0b\n" + ISS.encode(), "no text"),
        (with_checksums(ISS.replace("51.6416", "    nan")).encode(), "Lines 2 and 3 are wrong"),
        (with_checksums(ISS.replace("15.72125391", " 0.00000000")).encode(), "MEAN_MOTION is 0"),
        (with_checksums(ISS.replace("-11606-4", " xx-3 4x")).encode(), "Lines 2 and 3 are wrong"),
        (with_checksums(ISS).replace("25544", "-0001").encode(), "is wrong"),
    ],
)
def test_files_that_are_wrong(raw: bytes, said: str, backend: Backend) -> None:
    with pytest.raises(InvalidInputError, match=said):
        satellites.import_satellites(backend, ADMIN, raw)
    assert satellites.list_satellites(backend, Viewer(), {}).count(10) == 0


@shared_data
def test_the_verification_set_has_a_wrong_line(backend: Backend) -> None:
    raw = (FOLDER / "SGP4-VER.TLE").read_bytes()
    with pytest.raises(InvalidInputError, match=r"Line 100 is wrong: its checksum does not fit"):
        satellites.import_satellites(backend, ADMIN, raw)


# Kept


def test_imports_keep_the_newest(backend: Backend) -> None:
    done = satellites.import_satellites(backend, ADMIN, ISS.encode())
    assert (done.read, done.added, done.updated, done.unchanged) == (1, 1, 0, 0)
    newer = with_checksums(ISS.replace("08264.5", "08266.5")).encode()
    assert satellites.import_satellites(backend, ADMIN, newer).updated == 1
    assert satellites.import_satellites(backend, ADMIN, ISS.encode()).unchanged == 1
    kept = satellites.read_satellite(backend, Viewer(), "25544")
    assert kept.epoch == datetime(2008, 9, 22, 12, 25, 40, 104192, tzinfo=UTC)
    assert kept.is_old
    assert kept.age_days > 6000
    assert kept.elements["MEAN_MOTION"] == pytest.approx(15.72125391)
    assert kept.two_lines == "\n".join(newer.decode().splitlines()[1:])
    with pytest.raises(NotAllowedError):
        satellites.import_satellites(backend, Viewer(2, "bob", how="key"), ISS.encode())


def test_numbers_beyond_five_digits(backend: Backend) -> None:
    for number, lines in ((123456789, False), (339_999, True), (340_000, False), (100_000, True)):
        raw = FORMS["JSON"](OMM | {"NORAD_CAT_ID": number, "OBJECT_NAME": f"N{number}"})
        assert satellites.import_satellites(backend, ADMIN, raw).added == 1
        found = satellites.read_satellite(backend, Viewer(), str(number))
        assert (found.line_1 is not None) == lines
        if found.two_lines:
            (again,) = parse(found.two_lines.encode())
            assert again.norad == number
        where = satellites.read_position(
            backend, Viewer(), str(number), {"time": "2008-09-20T13:00:00Z"}
        )
        assert 300 < where.height < 400


@pytest.mark.parametrize("key", ["25544", "ISS (ZARYA)", "iss", "1998-067A", " 25544 "])
def test_a_satellite_by_number_name_or_designator(key: str, backend: Backend) -> None:
    nauka = ISS.replace("ZARYA", "NAUKA").replace("25544", "49044").replace("98067A ", "21066A ")
    raw = with_checksums(ISS + nauka).encode()
    satellites.import_satellites(backend, ADMIN, raw)
    assert satellites.read_satellite(backend, Viewer(), key).norad_catalog_number == 25544


@pytest.mark.parametrize("key", ["99999", "999999999999", "nothing", "%", "", "-1"])
def test_numbers_and_names_that_do_not_exist(key: str, backend: Backend) -> None:
    satellites.import_satellites(backend, ADMIN, ISS.encode())
    with pytest.raises(NotFoundError, match="not found"):
        satellites.read_satellite(backend, Viewer(), key)


def test_odd_names_and_angles_are_kept(backend: Backend) -> None:
    """Names that grow when they are folded, classes that are none, angles below zero."""
    for n, name in enumerate(("ß" * 64, "\ufdfa" * 64, "x" * 500)):
        changed = {"OBJECT_NAME": name, "NORAD_CAT_ID": 70_000 + n, "RA_OF_ASC_NODE": -112.5373}
        raw = FORMS["JSON"](OMM | changed | {"CLASSIFICATION_TYPE": "é", "MEAN_MOTION_DOT": -12.5})
        assert satellites.import_satellites(backend, ADMIN, raw).added == 1
        found = satellites.read_satellite(backend, Viewer(), str(70_000 + n))
        assert found.name == name[:64]
        assert found.elements["RA_OF_ASC_NODE"] == pytest.approx(247.4627)
        assert found.line_1 is None  # its motion changes faster than two lines can say


def test_several_of_a_name_are_told(backend: Backend) -> None:
    raw = "".join(
        ISS.replace("ISS (ZARYA)", f"STARLINK-{n}").replace("25544", f"2554{n}") for n in (4, 5)
    )
    satellites.import_satellites(backend, ADMIN, with_checksums(raw).encode())
    with pytest.raises(ConflictError, match=r"STARLINK-4 \(25544\), STARLINK-5 \(25545\)"):
        satellites.read_satellite(backend, Viewer(), "starlink")
    found = satellites.list_satellites(backend, Viewer(), {"search": "link-5"}).rows(None, 5)
    assert [one.norad_catalog_number for _, one in found] == [25545]


# Where they are


def test_a_place_is_that_of_astropy() -> None:
    import astropy.units as u
    from astropy.coordinates import (
        GCRS,
        ITRS,
        TEME,
        AltAz,
        CartesianRepresentation,
        EarthLocation,
        SkyCoord,
    )
    from astropy.time import Time

    (found,) = parse(ISS.encode())
    satellite = satrec(found.lines, None, found.norad)
    place = Place(-70.4, -24.6, 2635.0)
    for minutes in range(0, 1440, 97):
        moment = found.epoch + timedelta(minutes=minutes)
        seconds = moment.timestamp()
        times = np.array([seconds])
        _, places = orbits.where(satellite, times)
        longitude, latitude, height = orbits.below(places[0], seconds)
        overhead = Overhead(place, seconds, seconds)
        altitude, azimuth, distance = overhead.seen(times, places)
        ra, dec = overhead.direction(seconds, places[0])
        with astropy_offline():
            time = Time(moment)
            there = TEME(CartesianRepresentation(*places[0] * u.km), obstime=time)
            earth = there.transform_to(ITRS(obstime=time))
            site = EarthLocation.from_geodetic(place.longitude, place.latitude, place.height)
            local = ITRS(
                earth.cartesian - site.get_itrs(time).cartesian, obstime=time, location=site
            ).transform_to(AltAz(obstime=time, location=site))
            direction = AltAz(alt=local.alt, az=local.az, obstime=time, location=site)
            sky = SkyCoord(direction).icrs
        under = earth.earth_location.geodetic
        # UT1 - UTC, which is left out, turns the Earth by at most 0.004 degrees.
        assert longitude == pytest.approx(under.lon.deg, abs=0.005)
        assert latitude == pytest.approx(under.lat.deg, abs=0.005)
        assert height == pytest.approx(under.height.to_value(u.km), abs=0.05)
        assert altitude[0] == pytest.approx(local.alt.deg, abs=0.05)
        assert distance[0] == pytest.approx(local.distance.to_value(u.km), abs=0.5)
        apart = (azimuth[0] - local.az.deg + 180) % 360 - 180
        assert abs(apart) * math.cos(local.alt.rad) < 0.05
        teme = TEME(CartesianRepresentation(*places[0] * u.km), obstime=time).transform_to(
            GCRS(obstime=time)
        )
        far = Overhead(Place(0, 90.0, -6356752.314245), seconds, seconds)  # the Earth's centre
        right, down = far.direction(seconds, places[0])
        turned = (right - teme.spherical.lon.deg + 180) % 360 - 180
        assert abs(turned) * math.cos(teme.spherical.lat.rad) < 2e-5
        assert down == pytest.approx(teme.spherical.lat.deg, abs=2e-5)
        assert dec == pytest.approx(sky.dec.deg, abs=0.1)
        turned = (ra - sky.ra.deg + 180) % 360 - 180
        assert abs(turned) * math.cos(sky.dec.rad) < 0.1


def test_what_is_behind_the_earth_is_dark() -> None:
    start = datetime(2026, 3, 20, 12, tzinfo=UTC).timestamp()
    overhead = Overhead(Place(0, 0), start, start)
    sun = overhead.sky.body("sun", np.array([start]))[0]
    towards = sun / np.linalg.norm(sun)
    aside = np.cross(towards, [0, 0, 1])
    places = np.array(
        [towards * 7000, -towards * 7000, -towards * 7000 + aside * 6400, aside * 7000]
    )
    lit = overhead.sunlit(np.full(4, start), places)
    assert lit.tolist() == [True, False, True, True]


def test_a_decayed_satellite_has_no_place(backend: Backend) -> None:
    falling = with_checksums(
        ISS.replace("-.00002182", " .09000000").replace("-11606-4", " 50000-1")
    ).encode()
    satellites.import_satellites(backend, ADMIN, falling)
    with pytest.raises(NotFoundError, match=r"by its elements of 2008-09-20 its orbit has ended"):
        satellites.read_position(backend, Viewer(), "25544", {"time": "2009-06-01T00:00:00Z"})
    asked = {"site": "309", "date": "2009-06-01"}
    with pytest.raises(NotFoundError, match="its orbit has ended"):
        satellites.list_passes(backend, Viewer(), "25544", asked)
    with pytest.raises(NotFoundError, match=r"there is none at 1999|its orbit has ended"):
        satellites.read_position(backend, Viewer(), "25544", {"time": "1999-06-01T00:00:00Z"})
    # Among all of them it is just not there.
    everything = satellites.list_passes(backend, Viewer(), "", asked)
    assert everything.count(10) == 0


# Passes


def brute_force(
    found: ElementSet, place: Place, start: float, end: float, elevation: float
) -> list[tuple[float, float]]:
    times = np.arange(start, end, 1.0)
    errors, places = orbits.where(satrec(found.lines, found.elements, found.norad), times)
    overhead = Overhead(place, start, end)
    up = (overhead.altitudes(times, places) >= elevation) & (errors == 0)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], up.astype(int), [0]])))
    return [(times[a], times[b - 1]) for a, b in zip(edges[::2], edges[1::2], strict=True)]


@pytest.mark.parametrize("elevation", [0.0, 10.0, 40.0, 75.0])
@pytest.mark.parametrize("latitude", [-24.6, 0.0, 51.5, 78.0])
def test_passes_are_those_of_brute_force(elevation: float, latitude: float) -> None:
    place = Place(-70.4, latitude, 2635.0)
    sets = parse(with_checksums(ISS + GEO).encode())
    start = datetime(2008, 9, 20, 16, 41, tzinfo=UTC).timestamp()
    end = start + 3 * 86_400
    overhead = Overhead(place, start, end)
    found = [satrec(one.lines, one.elements, one.norad) for one in sets]
    passes = list(orbits.passages(found, overhead, start, end, elevation))
    for n, one in enumerate(sets):
        expected = brute_force(one, place, start, end, elevation)
        mine = joined([p for p in passes if p.satellite == n])
        # What is up for less than two seconds brute force may miss.
        mine_long = [p for p in mine if p.set - p.rise > 2]
        assert len(mine_long) == len([e for e in expected if e[1] - e[0] > 1]), (n, mine, expected)
        for passage, (rise, set_) in zip(mine_long, expected, strict=False):
            assert passage.rise == pytest.approx(rise, abs=1.5)
            assert passage.set == pytest.approx(set_, abs=1.5)
            times = np.arange(rise, set_ + 1, 1.0)
            _, places = orbits.where(found[n], times)
            curve = overhead.altitudes(times, places)
            check_what_can_be_seen(found[n], overhead, passage, times, curve)
            assert passage.was_up == (rise == start)
            assert passage.stays_up == (set_ == end - 1.0)
            top = np.array([passage.culmination])
            highest = overhead.altitudes(top, orbits.where(found[n], top)[1])[0]
            assert highest >= curve.max() - 0.02


def joined(passes: list[orbits.Passage]) -> list[orbits.Passage]:
    """Return what is up for days as one: it is told day by day."""
    whole: list[orbits.Passage] = []
    for one in passes:
        if whole and one.was_up and one.rise == whole[-1].set:
            assert whole[-1].stays_up
            before = whole.pop()
            one = replace(before, set=one.set, stays_up=one.stays_up)
        whole.append(one)
    return whole


def check_what_can_be_seen(
    satellite: Any, overhead: Overhead, passage: orbits.Passage, times: Any, curve: Any
) -> None:
    """Compare with looking every second."""
    _, places = orbits.where(satellite, times)
    dark = overhead.sun_altitudes(times) <= orbits.VISIBLE_SUN_DEG
    can = overhead.sunlit(times, places) & dark
    told = orbits.visible(satellite, overhead, passage)
    if not can.any():
        assert told is None or told[1] - told[0] < 2
        return
    assert told is not None or can.sum() < 60
    if told is not None:
        assert told[:2] == pytest.approx((times[can][0], times[can][-1]), abs=3)
        assert told[2] == pytest.approx(curve[can].max(), abs=0.5)


def test_what_stands_still_is_up_all_night(http: Http) -> None:
    satellites.import_satellites(http.inside, ADMIN, with_checksums(GEO).encode())
    (one,) = http.get(f"/satellites/19688/passes/?site=309&date={NIGHT}&elevation=0").json()
    assert one["was_up"]
    assert one["stays_up"]
    assert one["duration_s"] == 86_400
    assert one["is_visible"]
    assert one["rise"]["time"] < one["visible_from"] < one["visible_until"] < one["set"]["time"]
    table = views.table("passes", [one])
    assert table.rows[0].count("(up)") == 2
    assert "is up all the time" in views.note("passes", [one])
    page = http.get(
        f"/satellites/19688/passes/?site=309&date={NIGHT}&elevation=0",
        headers={"Accept": "text/html"},
    ).text
    assert "Passes of ASTRA 1A over Paranal" in page
    again = http.get(
        "/satellites/19688/passes/?site=568&date=2026-02-30", headers={"Accept": "text/html"}
    )
    assert again.status_code == 400
    assert 'value="568"' in again.text
    assert "is no date" in again.text


@shared_data
def test_what_has_come_down_stays_down(http: Http) -> None:
    """SGP4 gives places again some minutes after it said that there is none."""
    satellites.import_satellites(http.inside, ADMIN, (FOLDER / "active_2018-12.tle").read_bytes())
    for minute in ("00:51:14", "01:20:00"):
        answer = http.get(f"/satellites/19822/position/?time=2025-03-30T{minute}Z")
        assert answer.status_code == 404
        assert "its orbit has ended" in answer.json()["detail"]
    for day in ("2025-03-30", "2026-03-30"):
        answer = http.get(f"/satellites/19822/passes/?site=309&date={day}")
        assert answer.status_code == 404
        assert "its orbit has ended" in answer.json()["detail"]
    everything = http.get("/satellites/passes/?site=309&date=2025-03-30")
    assert everything.json() == []
    assert "satellites are left out" in everything.headers["arcsecond-note"]


def test_what_is_left_out_is_said(http: Http) -> None:
    empty = http.get("/satellites/passes/?site=309")
    assert empty.json() == []
    assert "arcsecond satellites import FILE" in empty.headers["arcsecond-note"]
    assert "satellites import FILE" in http.get("/satellites/25544/").json()["detail"]
    satellites.import_satellites(http.inside, ADMIN, with_checksums(ISS + GEO).encode())
    old = http.get("/satellites/passes/?site=309&date=2026-11-22&page_size=10")
    assert old.json()["results"] == []
    assert "2 satellites are left out" in old.headers["arcsecond-note"]
    page = http.get("/satellites/passes/?site=309&date=2026-11-22", headers={"Accept": "text/html"})
    assert "2 satellites are left out" in page.text
    there = http.get(f"/satellites/passes/?site=309&date={NIGHT}")
    assert there.json()
    assert "arcsecond-note" not in there.headers


def many_up(count: int) -> bytes:
    """Return element sets, of now, of satellites that stand still over the Pacific."""
    epoch = datetime.now(UTC).replace(tzinfo=None).isoformat()
    still = {"MEAN_MOTION": 1.0027, "ECCENTRICITY": 0.0, "INCLINATION": 0.01, "EPOCH": epoch,
             "BSTAR": 0.0, "MEAN_MOTION_DOT": 0.0}  # fmt: skip
    sets = []
    for n in range(count):
        for node in range(0, 360, 10):
            number = 200_000_000 + 1_000 * n + node
            name = {"OBJECT_NAME": f"STILL {n} {node}", "NORAD_CAT_ID": number}
            sets.append(OMM | still | name | {"RA_OF_ASC_NODE": float(node)})
    return json.dumps(sets).encode()


def test_pages_of_passes_go_on_from_the_same_moment(
    http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is up now rises "now", which is later when the second page is asked for."""
    satellites.import_satellites(http.inside, ADMIN, many_up(2))
    page = http.get("/satellites/passes/?site=309&page_size=10").json()
    assert page["count"] > 20
    seen = [one["norad_catalog_number"] for one in page["results"]]
    later = datetime.now(UTC) + timedelta(minutes=3)
    monkeypatch.setattr(satellites, "now", lambda: later)
    while page["next"]:
        page = http.get(page["next"]).json()
        seen += [one["norad_catalog_number"] for one in page["results"]]
    assert len(seen) == len({*seen}) == page["count"]


def test_what_is_up_for_days_is_told_day_by_day(http: Http) -> None:
    satellites.import_satellites(http.inside, ADMIN, with_checksums(GEO).encode())
    address = f"/satellites/19688/passes/?site=309&date={NIGHT}&elevation=0&nights=3"
    days = http.get(address).json()
    assert len(days) == 3
    for one, other in itertools.pairwise(days):
        assert one["set"]["time"] == other["rise"]["time"]
        assert one["visible_until"] < other["visible_from"]
    for one in days:
        assert one["rise"]["time"] <= one["culmination"]["time"] <= one["set"]["time"]
        assert one["duration_s"] == 86_400


def test_remembered_passes_know_the_present_name_of_the_site(backend: Backend) -> None:
    satellites.import_satellites(backend, ADMIN, with_checksums(ISS).encode())
    place = {"longitude": -70.4, "latitude": -24.6, "height": 2600.0}
    viewer = Viewer(new_user(backend, "root")[0].id, "root", is_admin=True, how="owner")
    Sites().create(backend, viewer, ObservingSiteChange(name="Backyard", **place))
    asked = {"date": NIGHT}
    before = satellites.list_passes(backend, Viewer(), "", asked | {"site": "Backyard"}).items
    changed = ObservingSiteChange(name="Hinterhof", time_zone="Asia/Tokyo")
    Sites().update(backend, viewer, "Backyard", changed)
    after = satellites.list_passes(backend, Viewer(), "", asked | {"site": "Hinterhof"}).items
    assert {one.site_name for one in before} == {"Backyard"}
    assert {(one.site_name, one.utc_offset) for one in after} == {("Hinterhof", 9.0)}


def test_two_imports_at_once(backend: Backend) -> None:
    """Of the same satellites, whose newest elements come in another order."""

    def sets(turned: bool) -> bytes:
        days = range(60)
        return json.dumps(
            [
                OMM
                | {"NORAD_CAT_ID": 50_000 + n, "OBJECT_NAME": f"S {n}"}
                | {"EPOCH": f"2008-{9 + turned:02d}-01T{(59 - n if turned else n) // 6:02d}:00:00"}
                for n in days
            ]
        ).encode()

    for _ in range(4):
        with ThreadPoolExecutor(2) as threads:
            done = threads.map(
                lambda raw: satellites.import_satellites(backend, ADMIN, raw),
                [sets(False), sets(True)],
            )
            assert [one.read for one in done] == [60, 60]
        with backend.db.write() as connection:
            connection.execute(sa.delete(satellites.satellites))


def test_the_page_of_a_position(http: Http) -> None:
    satellites.import_satellites(http.inside, ADMIN, with_checksums(ISS).encode())
    time = "time=2008-09-20T12:25:40"
    html = {"Accept": "text/html"}
    page = http.get(f"/satellites/25544/position/?site=309&{time}", headers=html)
    assert page.status_code == 200
    assert 'value="309"' in page.text
    assert "Altitude" in page.text
    assert 'href="/satellites/25544/"' in page.text
    assert http.get(f"/satellites/25544/position/?{time}", headers=html).status_code == 200
    wrong = http.get("/satellites/25544/passes/?site=309&date=2099-04-29", headers=html)
    assert wrong.status_code == 404
    assert 'value="2099-04-29"' in wrong.text


@shared_data
def test_passes_of_many(backend: Backend) -> None:
    satellites.import_satellites(
        backend, ADMIN, (FOLDER / "visual_2026-04-29_omm.json").read_bytes()
    )
    asked = {"site": PARANAL, "date": "2026-04-30"}
    everything = satellites.list_passes(backend, Viewer(), "", asked).items
    assert len(everything) > 300
    times = [one.rise.time for one in everything]
    assert times == sorted(times)
    seen = satellites.list_passes(backend, Viewer(), "", asked | {"visible": "true"}).items
    hidden = satellites.list_passes(backend, Viewer(), "", asked | {"visible": "false"}).items
    assert 0 < len(seen) < len(everything)
    assert len(seen) + len(hidden) == len(everything)
    for one in everything:
        assert one.rise.time <= one.culmination.time <= one.set.time
        assert one.culmination.altitude >= 9.99
        assert one.is_visible == (one.visible_from is not None)
        if one.visible_from and one.visible_until and one.visible_altitude is not None:
            assert one.rise.time <= one.visible_from <= one.visible_until <= one.set.time
            assert 9.9 <= one.visible_altitude <= one.culmination.altitude + 0.01
        local = one.rise.time.astimezone(ZoneInfo("America/Santiago")).utcoffset()
        assert local == timedelta(hours=one.utc_offset)
    cosmos = satellites.list_passes(backend, Viewer(), "", asked | {"search": "cosmos"}).items
    assert {"COSMOS" in one.name for one in cosmos} == {True}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "From which site"),
        ("site=nowhere", "'nowhere' not found"),
        ("site=250", "no place on the Earth"),
        ("site=309&nights=0", "no number of nights from 1 to 30"),
        ("site=309&nights=31", "from 1 to 30"),
        ("site=309&date=2026-02-30", "no date"),
        ("site=309&date=1901-01-01", "1972 to 2099"),
        ("site=309&elevation=90", "no elevation"),
        ("site=309&visible=maybe", "neither true nor false"),
        ("sight=309", "cannot be filtered"),
    ],
)
def test_wrong_questions(query: str, said: str, http: Http) -> None:
    satellites.import_satellites(http.inside, ADMIN, ISS.encode())
    answer = http.get(f"/satellites/25544/passes/?{query}")
    assert answer.status_code == 400
    assert said in answer.json()["detail"]
    assert http.get("/satellites/25544/position/?time=soon").status_code == 400
    assert http.get("/satellites/1/passes/?site=309").status_code == 404


def test_the_site_of_the_server_is_meant_when_none_is_named(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    object.__setattr__(settings, "site", "Paranal")
    with Http(settings) as http:
        satellites.import_satellites(http.inside, ADMIN, ISS.encode())
        passes = http.get(f"/satellites/25544/passes/?date={NIGHT}").json()
        assert passes[0]["site"] == PARANAL
        assert http.get("/objects/M 31/visibility/").json()["night"]["site"] == PARANAL


# Every face


def test_the_command(arcsecond: Command, world: str, tmp_path: Path) -> None:
    empty = arcsecond("satellites")
    assert (empty.status, empty.out) == (0, "[]\n")
    assert "arcsecond satellites import FILE" in empty.err
    if world == "served":  # where only an administrator may import
        return
    elements = tmp_path / "iss.tle"
    elements.write_text(ISS)
    assert arcsecond("satellites", "import", str(elements)).json["added"] == 1
    found = arcsecond("satellites", "ISS")
    assert found.json["norad_catalog_number"] == 25544
    assert found.json["is_old"]
    time = "2008-09-20T13:00:00Z"
    where = arcsecond("satellites", "25544", "--position", "--site", "309", "--time", time).json
    assert where["site"] == PARANAL
    assert where["coordinates"]["system"] == "ICRS"
    passes = arcsecond("satellites", "ISS", "--passes", "--site", "Paranal", "--date", NIGHT).json
    assert passes
    everything = arcsecond("satellites", "--passes", "--site", "309", "--date", NIGHT).json
    assert everything == passes
    for words, said in (
        (("satellites", "--position"), "--position of which one?"),
        (("satellites", "ISS", "--passes"), "From which site"),
        (("satellites", "ISS", "--site", "309"), "--site goes with --position or --passes"),
        (("satellites", "ISS", "--passes", "--position"), "one at a time"),
        (
            ("satellites", "ISS", "--passes", "--time", time, "--site", "309", "--date", NIGHT),
            "one of them",
        ),
    ):
        refused = arcsecond(*words)
        assert refused.status in (1, 2)
        assert said in refused.err


def test_the_module(api: ArcsecondAPI, world: str) -> None:
    assert list(api.satellites.list()) == []
    if world == "served":
        assert list(api.passes.list(site="309")) == []
        return
    api.transport.request("POST", "/satellites/import/", content=ISS.encode())
    passes = api.satellites(25544).passes.list(site="309", date=NIGHT)
    assert passes[0]["name"] == "ISS (ZARYA)"
    assert api.passes.list(site="309", date=NIGHT) == passes
    assert api.satellites("ISS").position.read(time="2008-09-20T13:00:00Z")["height"] > 300


def test_strangers_look_and_do_not_import(http: Http) -> None:
    new_user(http.inside, "ann")
    assert http.post("/satellites/import/", content=ISS).status_code == 401
    assert http.get("/satellites/").json() == []


def test_element_sets_in_element_sets_are_looked_through_once() -> None:
    """Three million of them fit into a file that may be sent."""
    leaves = "".join(f"<{name}>{value}</{name}>" for name, value in OMM.items())
    deep = "<segment>" * 20_000 + leaves + "</segment>" * 20_000
    (found,) = parse(f"<ndm>{deep}</ndm>".encode())
    assert found.name == "BRAND NEW"


@pytest.mark.parametrize("query", ["name", "search"])
@pytest.mark.parametrize(
    "resource", ["satellites", "observingsites", "telescopes", "instruments", "profiles"]
)
def test_a_name_of_any_length_is_looked_for(query: str, resource: str, http: Http) -> None:
    for text in ("x" * 60_000, "\ufdfa" * 4_000, "%" * 20_000):
        answer = http.get(f"/{resource}/", params={query: text})
        assert answer.status_code in (200, 400)
