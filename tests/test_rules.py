"""What headers mean, by rules: those of the program and those of an observatory."""

from __future__ import annotations

import csv
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from arcsecond import ArcsecondAPI
from arcsecond.errors import (
    InvalidInputError,
    NotAllowedError,
    NotFitsError,
    NotFoundError,
    RulesError,
)
from arcsecond.fits import cards
from arcsecond.schemas.archive import DatasetChange, FitsFile, FitsFileChange, Reindex
from arcsecond.server import apart
from arcsecond.server.archive import files, in_force, reindexing, rules, understanding
from arcsecond.server.archive.ingest import understand
from arcsecond.server.archive.observation import Observation, as_day, night_of, observe, pointings
from arcsecond.server.archive.search.asking import search
from arcsecond.server.archive.service import Datasets
from arcsecond.server.check import check
from arcsecond.server.context import Backend, Viewer
from tests.conftest import SHARED, Command, add_file, fits_bytes, new_user
from tests.real_headers import header_of
from tests.test_fits import frame_of, parsed
from tests.test_footprints import sky

needs_shared = pytest.mark.skipif(
    not SHARED.exists(), reason="shared data are not beside this clone"
)


def observed(*lines: str, own: str = "") -> Observation:
    headers = [parsed(*lines)]
    return observe(headers, rules.book(own).of(headers))


def pointed(*lines: str, own: str = "") -> list[tuple[float, float]]:
    headers = [parsed(*lines)]
    found = pointings(headers, rules.book(own).of(headers))
    return [(one.ra_deg, one.dec_deg) for one in found]


def keep(backend: Backend, viewer: Viewer, dataset: str, name: str, content: bytes) -> FitsFile:
    incoming = backend.store.receive()
    incoming.write(content)
    try:
        return add_file(backend, viewer, dataset, name, incoming)
    finally:
        incoming.discard()


class TestRealFrames:
    """Each frame that we have says what is written beside its name in a table."""

    with Path(__file__).with_name("real_frames.csv").open(newline="") as _file:
        ROWS = list(csv.DictReader(_file, delimiter=";"))

    @needs_shared
    @pytest.mark.parametrize("row", ROWS, ids=[row["file"] for row in ROWS])
    def test_it_says_what_the_table_says(self, row: dict[str, str], tmp_path: Path) -> None:
        path = SHARED / "fits" / row["file"]
        if path.parent.name == "headers":
            told, problem = understand([header_of(path)], rules.book())
            assert problem == ""
        else:
            told = frame_of(path.read_bytes(), tmp_path).observation
        texts = ("target", "filter", "kind", "instrument", "telescope", "observer", "programme")
        for name in (*texts, "product"):
            assert (getattr(told, name) or "") == row[name], name
        assert (told.position_source or "") == row["source"]
        assert told.ra_deg == _about(row["ra"], abs=1e-3)
        assert told.dec_deg == _about(row["dec"], abs=1e-3)
        assert told.exposure_s == _about(row["exposure"], rel=1e-5)
        assert told.airmass == _about(row["airmass"], rel=1e-3)
        assert (told.start.isoformat()[:19] if told.start else "") == row["start"]
        assert (told.night.isoformat() if told.night else "") == row["night"]
        assert " ".join(sorted({doubt.field for doubt in told.doubts})) == row["doubts"]

    @needs_shared
    def test_the_table_is_complete(self, tmp_path: Path) -> None:
        there = {str(p.relative_to(SHARED / "fits")) for p in (SHARED / "fits").glob("*/*")}
        (other,) = there - {row["file"] for row in self.ROWS}
        assert other == "odd/not_actually_fits.fits"
        with pytest.raises(NotFitsError, match="no FITS signature"):
            frame_of((SHARED / "fits" / other).read_bytes(), tmp_path)

    @needs_shared
    @pytest.mark.timeout(600)
    def test_all_of_them_are_kept_and_found(self, arcsecond: Command, api: ArcsecondAPI) -> None:
        """By the command and the module, in either place, on either database."""
        left_out = ("--exclude", "headers/*", "--exclude", "not_actually_fits.fits")
        done = arcsecond(
            "upload", str(SHARED / "fits"), *left_out, "--dataset", "real", "--yes", "--json"
        )
        assert done.status == 0, done.err
        rows = {row["file"]: row for row in self.ROWS if not row["file"].startswith("headers/")}
        frames = api.datasets(api.datasets.list(name="real")[0]["uuid"]).fitsfiles
        found = {one["name"].removeprefix("fits/"): one for one in frames.search()}
        assert found.keys() == rows.keys()
        texts = ("target", "filter", "kind", "instrument", "telescope", "observer", "programme")
        for name, row in rows.items():
            told = found[name]
            place = told["position"] or {"right_ascension": None, "declination": None}
            for field in (*texts, "product", "night"):
                assert (told[field] or "") == row[field], (name, field)
            assert (told["start"] or "")[:19] == row["start"], name
            assert place["right_ascension"] == _about(row["ra"], abs=1e-3), name
            assert place["declination"] == _about(row["dec"], abs=1e-3), name
            assert told["exposure"] == _about(row["exposure"], rel=1e-5), name
            assert told["airmass"] == _about(row["airmass"], rel=1e-3), name
        for name in [*rows][::4]:
            told, pk = found[name], found[name]["pk"]
            asked: dict[str, Any] = {"night": told["night"], "telescope": told["telescope"]}
            if told["position"]:
                position = told["position"]
                asked["cone"] = position["right_ascension"], position["declination"], 0.01
            asked = {field: value for field, value in asked.items() if value}
            assert pk in [one["pk"] for one in frames.search(**asked)], name

    def test_two_nights_that_cross_midnight_are_two(self) -> None:
        nights = [row["night"] for row in self.ROWS if row["file"].startswith("nights_uves")]
        assert (nights.count("2011-08-11"), nights.count("2011-08-12")) == (13, 12)

    def test_the_sky_was_so_when_the_table_says(self) -> None:
        """At the airmass that the headers tell, and at night: by no code of the product."""
        compared = 0
        for row in self.ROWS:
            if row["telescope"] not in SITES or not row["start"] or not row["airmass"]:
                continue
            site, begin = SITES[row["telescope"]], datetime.fromisoformat(row["start"])
            ra_deg, dec_deg = float(row["ra"]), float(row["dec"])
            exposure = float(row["exposure"] or 0)
            times = [begin + timedelta(seconds=part * exposure) for part in (0, 0.5, 1)]
            heights = [height_deg(ra_deg, dec_deg, site, time) for time in times]
            airmasses = [1 / math.sin(math.radians(max(1.0, height))) for height in heights]
            told = float(row["airmass"])
            assert min(airmasses) / 1.07 < told < max(airmasses) * 1.07, row["file"]
            assert height_deg(*sun(begin), site, begin) < -9, row["file"]
            compared += 1
        assert compared > 50


SITES = {
    "ESO-VLT-U2": (-24.627, -70.404), "ESONTTB": (-29.257, -70.734), "Subaru": (19.826, -155.476),
    "CFHT 3.6m": (19.825, -155.469), "CTIO 1.5 meter telescope": (-30.169, -70.806),
    "CTIO 4.0-m telescope": (-30.169, -70.806), "INT": (28.761, -17.878),
    "P48": (33.356, -116.865), "SDSS 2.5-M": (32.780, -105.820), "3.5m": (32.780, -105.820),
    "Clay_Mag_2": (-29.015, -70.693), "SAAO 1.0m": (-32.379, 20.811),
    "UK Schmidt - Doubl": (-31.273, 149.064),
}  # fmt: skip
"""Latitude and longitude of telescopes, in degrees."""


def days_since_2000(time: datetime) -> float:
    return (time - datetime(2000, 1, 1, 12)).total_seconds() / 86_400


def height_deg(ra_deg: float, dec_deg: float, site: tuple[float, float], time: datetime) -> float:
    """How high something stands, to a degree or so (The Astronomical Almanac)."""
    sidereal = 280.46061837 + 360.98564736629 * days_since_2000(time) + site[1]
    hour, latitude, dec = (math.radians(x) for x in (sidereal - ra_deg, site[0], dec_deg))
    return math.degrees(
        math.asin(
            math.sin(latitude) * math.sin(dec) + math.cos(latitude) * math.cos(dec) * math.cos(hour)
        )
    )


def sun(time: datetime) -> tuple[float, float]:
    """Where the Sun is, to a hundredth of a degree (The Astronomical Almanac, section C)."""
    days = days_since_2000(time)
    mean = math.radians(357.528 + 0.9856003 * days)
    longitude = math.radians(
        280.46 + 0.9856474 * days + 1.915 * math.sin(mean) + 0.02 * math.sin(2 * mean)
    )
    tilt = math.radians(23.439)
    ra = math.atan2(math.cos(tilt) * math.sin(longitude), math.cos(longitude))
    return math.degrees(ra), math.degrees(math.asin(math.sin(tilt) * math.sin(longitude)))


def _about(text: str, **within: float) -> Any:
    return pytest.approx(float(text), **within) if text else None


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-11-22", date(2026, 11, 22)), ("2026/1/2", date(2026, 1, 2)),
        ("19930417", date(1993, 4, 17)), ("29/11/51", date(1951, 11, 29)),
        ("01/06/2012", date(2012, 6, 1)), ("11Jul2012", date(2012, 7, 11)),
        ("3 March 2001", date(2001, 3, 3)), ("2026-13-01", None), ("11Foo2012", None),
        ("٢٠٢٦-11-22", None), ("", None), ("yesterday", None),
    ],
)  # fmt: skip
def test_days(text: str, day: date | None) -> None:
    assert as_day(text) == day


@pytest.mark.parametrize(
    ("moment", "longitude", "night"),
    [
        ("2011-08-11T23:23", -70.4, "2011-08-11"),
        ("2011-08-12T09:50", -70.4, "2011-08-11"),
        ("2011-08-12T11:59", 0.0, "2011-08-11"),
        ("2011-08-12T12:01", 0.0, "2011-08-12"),
        ("2011-08-12T09:00", 149.0, "2011-08-12"),
        ("2011-08-12T09:00", 211.0 - 62, "2011-08-12"),
        ("2011-08-12T05:00", 204.5, "2011-08-11"),  # the same as 155.5 west
    ],
)
def test_nights(moment: str, longitude: float, night: str) -> None:
    start = datetime.fromisoformat(f"{moment}+00:00")
    assert night_of(start, longitude).isoformat() == night


class TestDoubts:
    """What nobody can believe is kept as it was written, and told as nothing."""

    @pytest.mark.parametrize(
        ("line", "field", "value"),
        [
            ("DATE-OBS= '1928-07-23T21:03:27'", "start", "1928-07-23T21:03:27"),
            ("DATE-OBS= '2987-07-23T21:03:27'", "start", "2987-07-23T21:03:27"),
            ("DATE-OBS= 'last night'", "start", "last night"),
            ("DATE-OBS= '19930417'", "start", "19930417"),
            ("DATE-OBS=             19930417", "start", "19930417"),
            ("DATE-OBS= '2011-08-12T25:00:00'", "start", "2011-08-12T25:00:00"),
            ("EXPTIME =                -30.0", "exposure", "-30.0"),
            ("EXPTIME =                1E300", "exposure", "1e+300"),
            ("EXPTIME = 'long'", "exposure", "long"),
            ("AIRMASS =                  0.2", "airmass", "0.2"),
            ("AIRMASS =                  Inf", "airmass", "Inf"),
        ],
    )
    def test_one_value(self, line: str, field: str, value: str) -> None:
        told = observed(line)
        keyword = line[:8].strip()
        assert [(d.field, d.keyword, d.value) for d in told.doubts] == [(field, keyword, value)]
        assert told.start is told.exposure_s is told.airmass is None

    def test_another_keyword_is_believed(self) -> None:
        told = observed("EXPTIME = -1", "EXPOSURE= 30", "DATE-OBS= '1901-01-01T00:00:00'",
                        "MJD-OBS = 58000.25")  # fmt: skip
        assert told.exposure_s == 30
        assert told.start is not None
        assert told.start.isoformat() == "2017-09-04T06:00:00+00:00"
        assert {doubt.keyword for doubt in told.doubts} == {"EXPTIME", "DATE-OBS"}

    @pytest.mark.parametrize(
        "line", ["EXPTIME = ''", "EXPTIME = 'N/A'", "EXPTIME = NaN", "DATE-OBS= ''"]
    )
    def test_what_says_nothing_is_no_doubt(self, line: str) -> None:
        assert observed(line).doubts == []

    @pytest.mark.parametrize(
        ("beside", "value", "why"),
        [
            ("UT      = '25:00:00'", "2011-08-12 25:00:00", "no time of day"),
            ("UT      = 'late'", "2011-08-12", "a day without a time"),
        ],
    )
    def test_a_day_whose_time_is_none(self, beside: str, value: str, why: str) -> None:
        told = observed("DATE-OBS= '2011-08-12'", beside)
        assert (told.start, told.night) == (None, date(2011, 8, 12))
        assert [(d.keyword, d.value, d.why) for d in told.doubts] == [("DATE-OBS", value, why)]
        assert observed("DATE-OBS= '2011-08-12'", beside, "MJD-OBS = 55785.25").doubts == []

    @pytest.mark.parametrize(
        ("card", "day", "text"),
        [
            ("MJD-OBS = 61335.0", date(2026, 10, 22), "61335.0"),
            ("JD      = 2461335", date(2026, 10, 21), "2461335"),
            ("DATE-OBS= '19930417'", date(1993, 4, 17), "19930417"),
        ],
    )
    def test_a_day_alone(self, card: str, day: date, text: str) -> None:
        told = observed(card)
        assert (told.start, told.night) == (None, day)
        assert [(d.value, d.why) for d in told.doubts] == [(text, "a day without a time")]

    @pytest.mark.parametrize(
        ("card", "text", "why"),
        [
            ("DATE-OBS= '1830-01-01'", "1830-01-01", "before any that is plausible"),
            ("DATE-OBS= '2124-01-01'", "2124-01-01", "after any that is plausible"),
            ("MJD-OBS = 99999", "99999", "after any that is plausible"),
            ("MJD-OBS = 99999.5", "99999.5", "after any that is plausible"),
            ("JD      = 1.0", "1.0", "before any that is plausible"),
            ("MJD-OBS = 1E300", "1e+300", "no date"),
            ("MJD-OBS = 60000000.5", "60000000.5", "no date"),
            ("MJD-OBS = -5", "-5", "no date"),
            ("MJD-OBS = 0", "0", "no date"),
        ],
    )
    def test_what_is_no_date_that_can_be(self, card: str, text: str, why: str) -> None:
        told = observed(card)
        assert (told.start, told.night) == (None, None)
        assert [(d.value, d.why) for d in told.doubts] == [(text, why)]

    @pytest.mark.parametrize(
        ("cards", "keyword"),
        [
            ({"RA": "xx:yy", "DEC": "99:00:00"}, "RA DEC"),
            ({"RA": 10.0, "DEC": 99.0}, "RA DEC"),
            ({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 20.0}, "CTYPE1"),
            (sky(10, 20, 1) | dict.fromkeys(("CD1_1", "CD1_2", "CD2_1", "CD2_2"), 0.0), "CTYPE1"),
            (sky(10, 20, 1) | dict.fromkeys(("CD1_1", "CD1_2", "CD2_1", "CD2_2"), 0.0)
             | {"CDELT1": 1.0, "CDELT2": 1.0}, "CTYPE1"),
            (sky(10, 20, 1) | {"CRVAL2": "high"}, "CRVAL2"),
        ],
    )  # fmt: skip
    def test_a_position_that_is_none(
        self, cards: dict[str, Any], keyword: str, tmp_path: Path
    ) -> None:
        told = frame_of(fits_bytes(**cards), tmp_path).observation
        assert (told.ra_deg, told.position_source, told.footprint) == (None, None, None)
        assert [(d.field, d.keyword) for d in told.doubts] == [("position", keyword)]
        if "RA" not in cards:  # then that of the telescope is taken
            beside = fits_bytes(**cards, RA="01:00:00", DEC="10:00:00")
            told = frame_of(beside, tmp_path).observation
            assert (told.ra_deg, told.position_source) == (pytest.approx(15.0), "pointing")

    def test_each_doubt_is_told_once(self, tmp_path: Path) -> None:
        """However many HDUs say the same; one without pixels has no WCS to doubt."""
        import io

        import numpy as np
        from astropy.io import fits

        flat = sky(10, 20, 1) | dict.fromkeys(("CD1_1", "CD1_2", "CD2_1", "CD2_2"), 0.0)
        hdus = [fits.PrimaryHDU()]
        for n in range(5):
            hdus.append(fits.ImageHDU(np.zeros((4, 4), "i2"), name=f"CHIP{n}"))
            hdus[-1].header.update(flat | {"CRPIX1": float(n), "RA": "95:00:00", "DEC": "1:00:00"})
        buffer = io.BytesIO()
        fits.HDUList(hdus).writeto(buffer, output_verify="silentfix")
        told = frame_of(buffer.getvalue(), tmp_path).observation
        assert sorted(d.keyword for d in told.doubts) == ["CTYPE1", "RA DEC"]
        del flat["CD1_1"], flat["CD1_2"], flat["CD2_1"], flat["CD2_2"]
        good = fits.ImageHDU(np.zeros((4, 4), "i2"))
        good.header.update(sky(10, 20, 1))
        buffer = io.BytesIO()
        fits.HDUList([fits.PrimaryHDU(header=fits.Header(flat)), good]).writeto(buffer)
        told = frame_of(buffer.getvalue(), tmp_path).observation
        assert (told.position_source, told.doubts) == ("wcs", [])

    def test_a_position_that_nobody_set(self, tmp_path: Path) -> None:
        told = frame_of(fits_bytes(RA=0.0, DEC=0.0), tmp_path).observation
        assert (told.ra_deg, told.position_source) == (None, None)
        assert [(d.field, d.keyword) for d in told.doubts] == [("position", "RA DEC")]

    def test_they_are_told(self, backend: Backend) -> None:
        viewer, _ = new_user(backend)
        dataset = Datasets().create(backend, viewer, DatasetChange(name="d")).uuid
        content = fits_bytes(AIRMASS=0.1, OBSERVER="Ann", PROPID="42", NIGHT="11Jul2012")
        file = keep(backend, viewer, dataset, "a.fits", content)
        assert [(d.field, d.value) for d in file.doubts] == [("airmass", "0.1")]
        again = files.read_file(backend, viewer, dataset, "a.fits")
        assert again.doubts == file.doubts
        assert (again.observer, again.programme, again.airmass) == ("Ann", "42", None)
        assert (again.night, again.product) == (date(2012, 7, 11), "image")


OWN = """
[[family]]
name = "Our camera"
when = [{ CAMERA = "Our*" }, { SWCREATE = "ours ?.*", OBSERVAT = "*" }]
target = ["FIELD", { value = "the sky" }]
filter = ["FILT"]
instrument = [{ value = "Our camera" }]
exposure = [{ keyword = "EXPMS", unit = "ms" }]
start = [{ keyword = "SECONDS", since = 2000-01-01T00:00:00 }]
scale = "TAI"
position = [{ ra = "RAH", dec = "DECD", unit = "hours" }, { ra = "ALPHA", dec = "DELTA", unit = "packed" }]
longitude = [{ value = -70.4 }]
nothing = ["nix*"]
kinds = { dark = ["closed"] }
names.filter = { "blue*" = "B" }
plausible = { exposure = [0, 10] }

[index]
keywords = ["ROOF", "mirror"]
"""


class TestOwnRules:
    """An observatory says what its headers mean, in a file."""

    def test_they_come_first(self) -> None:
        told = observed(
            "CAMERA  = 'OURS'", "FIELD   = 'M31'", "OBJECT  = 'M33'", "FILT    = 'Blue 2'",
            "EXPMS   = 1500", "SECONDS = 32.0", "IMAGETYP= 'Shutter closed'", own=OWN,
        )  # fmt: skip
        assert (told.target, told.filter, told.instrument) == ("M31", "B", "Our camera")
        assert (told.exposure_s, told.kind) == (1.5, "dark")
        assert told.start is not None
        assert told.start.isoformat() == "2000-01-01T00:00:00+00:00"
        assert told.night == date(1999, 12, 31)

    def test_what_they_do_not_say_is_as_ever(self) -> None:
        told = observed("CAMERA  = 'OURS'", "FIELD   = 'nix da'", "OBJECT  = 'nix'",
                        "EXPTIME = 5", own=OWN)  # fmt: skip
        assert (told.target, told.exposure_s) == ("the sky", 5)
        told = observed("CAMERA  = 'OURS'", "EXPTIME = 50", own=OWN)
        assert (told.exposure_s, told.doubts[0].why) == (None, "more than is plausible")

    def test_other_frames_are_none_of_theirs(self) -> None:
        assert observed("SWCREATE= 'ours 1.0'", "OBJECT  = 'x'", own=OWN).instrument is None
        both = ("SWCREATE= 'Ours 1.0'", "OBSERVAT= 'here'")
        assert observed(*both, own=OWN).instrument == "Our camera"

    def test_hours_and_packed_numbers(self) -> None:
        camera = "CAMERA  = 'ours'"
        assert pointed(camera, "RAH     = 2.5", "DECD    = -10.25", own=OWN) == [(37.5, -10.25)]
        assert pointed(camera, "ALPHA   = 152330.4", "DELTA   = -382128.8", own=OWN) == [
            pytest.approx((230.876667, -38.358), abs=1e-5)
        ]
        assert pointed(camera, "ALPHA   = 157330.4", "DELTA   = -382128.8", own=OWN) == []

    def test_an_empty_list_ends_the_search(self) -> None:
        own = '[[family]]\nname = "x"\nwhen = [{ CAMERA = "*" }]\ntarget = []\n'
        assert observed("CAMERA  = 5", "OBJECT  = 'M31'", own=own).target is None
        assert observed("OBJECT  = 'M31'", own=own).target == "M31"

    def test_keywords_as_headers_write_them(self) -> None:
        """Only in a header stands HIERARCH in front of a keyword."""
        own = (
            '[[family]]\nname = "x"\nwhen = [{ "HIERARCH ESO INS ID" = "*" }]\n'
            'filter = ["HIERARCH ESO INS OPTI-7 NAME"]\n'
            '[index]\nkeywords = ["HIERARCH ESO INS ID"]\n'
        )
        cards = ("HIERARCH ESO INS ID = 'EMMI'", "HIERARCH ESO INS OPTI-7 NAME = 'R'")
        assert observed(*cards, own=own).filter == "R"
        assert "ESO INS ID" in rules.book(own).keywords

    def test_where_a_start_was_read(self) -> None:
        both = observed("DATE-OBS= '26/10/92'", "TM-START= 11048.0", "ORIGIN  = 'ESO'")
        assert both.read_from["start"] == "DATE-OBS TM-START"
        assert observed("DATE-OBS= '1992-10-26T03:04:08'").read_from["start"] == "DATE-OBS"

    def test_keywords_to_search(self) -> None:
        assert {"ROOF", "MIRROR", "AIRMASS"} <= rules.book(OWN).keywords
        assert "ROOF" not in rules.book().keywords

    def test_other_rules_have_another_digest(self) -> None:
        assert rules.book(OWN).digest != rules.book().digest == rules.book("").digest


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[family]]\nname = 'a'\nwhen = [", "line 3: this is no TOML"),
        ("[[family]]\nname = 'a'\n", "line 1: 'when' is missing"),
        (
            "[[family]]\nname = 'a'\nwhen = [{ A = '*' }]\n\ntarget = 5\n",
            "line 5: a list is wanted here, not a number.",
        ),
        ("[[family]]\nname = 'a'\nwhen = []\n", "line 3: this is empty."),
        (f"[general]\ntarget = ['{'A' * 81}']\n", "line 2: this is longer than 80 characters."),
        ("[general]\nposition = ['RA']\n", "a table or a list is wanted here, not a text."),
        ("[general]\nplausible = { start = [1] }\n", "a list of 2 is wanted here, not of 1."),
        ("[general]\nstart = [{ keyword = 'T', since = 'x' }]\n", "a time is wanted here"),
        ('[general]\nscale = "it\'s"\n', "is none of UTC, TAI"),
        ("[general]\nscale = 'a - at `x'\n", "'a - at `x' is none of UTC, TAI"),
        ("[general]\nscale = 'GPS'\n", "'GPS' is none of UTC, TAI, TT, TDB, TCB, TCG."),
        (
            "[general]\nexposure = [{ keyword = 'T', unit = 'y' }]\n",
            "'y' is none of s, ms, min, h, d.",
        ),
        (
            "[general]\nposition = [{ ra = 'A', dec = 'B', unit = 'rad' }]\n",
            "'rad' is none of degrees, hours, packed.",
        ),
        ("[general]\nplausible = { foo = [1, 2] }\n", "'foo' is none of start, exposure, airmass."),
        ("[general.names]\nfoo = { a = 'b' }\n", "'foo' is none of target, filter"),
        ("[[family]]\nname = 'a'\nwhen = [{ A = '*' }]\n[[family]]\nname = 'b'\n"
         "when = [{ A = '*' }]\ntargte = ['A']\n", "line 7: 'targte' is no rule"),
        ("[general]\nairmass = ['X']\nscale = 'CET'\n", "line 3: 'CET' is none of"),
        ("[general]\n\nexposure = [{ keyword = 'A', unit = 'weeks' }]", "line 3: 'weeks' is none of"),
        ("[general]\nplausible = { start = [1, 2] }", "line 2: the bounds of 'start' are dates"),
        ("[general]\n[general.plausible]\nairmass = [3, 1]", "line 3: the bounds of 'airmass'"),
        (
            "[general]\n\nkind = [{ value = 'sience' }]\n",
            "line 3: 'sience' is none of bias, dark, flat, arc, focus, standard, science.",
        ),
        (
            "[[family]]\nname = 'a'\nwhen = [{ A = '*' }]\nkind = ['X', { value = 'Y' }]\n"
            "kinds = { gain = ['g'] }\n",
            "line 4: 'Y' is none of gain, bias",
        ),
        ("[general]\nlongitude = [{ value = -700 }]\n", "line 2: a number of at least -180"),
        ("[general]\nlongitude = [{ value = 361 }]\n", "line 2: a number of at most 360"),
        ("[genral]\n", "line 1: 'genral' is no rule"),
        ('[general]\ntarget = [{ value = "a\\u0000" }]\n', "line 2: a text holds no NUL"),
        ('[general.names]\n\ntarget = { "\\U00000000" = "b" }\n', "line 3: a text holds no NUL"),
        ("x = " + "[" * 5000, "no TOML"),
        ("#" * (1 << 20) + "#", "longer than"),
    ],
)  # fmt: skip
def test_mistakes_name_their_line(text: str, said: str) -> None:
    with pytest.raises(RulesError) as caught:
        rules.book(text, "rules.toml")
    assert said in str(caught.value)
    assert str(caught.value).startswith("rules.toml")
    assert "\n" not in str(caught.value)


class TestInForce:
    """The file may be edited at any time; while it has a mistake, the rules before hold."""

    CAMERA = '[[family]]\nname = "x"\nwhen = [{{ CAMERA = "*" }}]\ntarget = [{{ value = "{}" }}]\n'

    def target(self, backend: Backend) -> str | None:
        headers = [parsed("CAMERA  = 'c'")]
        return observe(headers, in_force.rules_of(backend).of(headers)).target

    def test_from_the_next_frame_on(self, backend: Backend) -> None:
        path = backend.settings.home / in_force.FILE
        assert self.target(backend) is None
        for name in ("first", "another"):
            path.write_text(self.CAMERA.format(name))
            assert self.target(backend) == name
        path.unlink()
        assert self.target(backend) is None
        assert in_force.mistake(backend) == ""

    def test_mistakes_change_nothing(
        self, backend: Backend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = backend.settings.home / in_force.FILE
        path.write_text(self.CAMERA.format("good"))
        assert self.target(backend) == "good"
        for bad in (b"target = [", b"\xff\xfe"):
            path.write_bytes(bad)
            assert self.target(backend) == "good"
            assert "stay in force" in in_force.mistake(backend)
            monkeypatch.setattr(in_force, "_known", {})  # as after a restart
            assert self.target(backend) == "good"

    def test_a_mistake_from_the_beginning(self, backend: Backend) -> None:
        (backend.settings.home / in_force.FILE).write_text("[")
        assert in_force.rules_of(backend).digest == rules.book().digest


def test_values_that_are_no_numbers_in_a_header() -> None:
    assert observed("EXPTIME = '1_000'").exposure_s is None
    assert cards.parse("EXPTIME =                  1_0".ljust(80)) == {"EXPTIME": "1_0"}


class TestReindexing:
    """Headers are read again after the rules changed; what was read by them stays as it is."""

    OWN = '[[family]]\nname = "x"\nwhen = [{ OBJECT = "*" }]\nobserver = ["WHO"]\n'

    @pytest.fixture
    def dataset(self, backend: Backend) -> tuple[Viewer, str]:
        viewer, _ = new_user(backend)
        dataset = Datasets().create(backend, viewer, DatasetChange(name="d")).uuid
        for n in range(5):
            keep(backend, viewer, dataset, f"{n}.fits", fits_bytes(OBJECT=f"t{n}", WHO=f"w{n}"))
        file = files.read_file(backend, viewer, dataset, "0.fits")
        incoming = backend.store.receive()
        incoming.write(fits_bytes(OBJECT="newer", WHO="me"))
        files.update_file(backend, viewer, dataset, str(file.pk), FitsFileChange(), incoming)
        incoming.discard()
        return viewer, dataset

    def observers(self, backend: Backend, viewer: Viewer, dataset: str) -> list[str | None]:
        found = files.list_files(backend, viewer, dataset, {}).rows(None, 100)
        return [file.observer for _, file in found]

    def all_of(
        self, backend: Backend, viewer: Viewer, dataset: str, *, everything: bool = False
    ) -> tuple[int, int]:
        read = changed = 0
        after = None
        while True:
            body = Reindex(after=after, everything=everything)
            told = reindexing.reindex(backend, viewer, dataset, body)
            assert (told.left is None) == (after is not None)
            read, changed, after = read + told.read, changed + told.changed, told.next
            if after is None:
                return read, changed

    def test_all_goes_on_meanwhile(
        self, backend: Backend, dataset: tuple[Viewer, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever searches finds every file, before and after; new ones come by the new rules."""
        viewer, uuid = dataset
        for n in range(5, 40):
            keep(backend, viewer, uuid, f"{n}.fits", fits_bytes(OBJECT=f"t{n}", WHO=f"w{n}"))
        in_force.put_in_force(backend, self.OWN, "own")
        monkeypatch.setattr(reindexing, "AT_ONCE", 3)
        done = threading.Event()
        found: list[int] = []

        def searching() -> None:
            while not done.is_set() or not found:
                some = search(backend, viewer, {"dataset": uuid, "target": "t*"}).rows(None, 200)
                read = [files.read_file(backend, viewer, uuid, str(f.pk)) for _, f in some[:3]]
                assert all(one.observer in (None, "me", f"w{one.name[:-5]}") for one in read)
                found.append(len(some))

        def uploading() -> None:
            for n in range(40, 50):
                keep(backend, viewer, uuid, f"{n}.fits", fits_bytes(OBJECT=f"t{n}", WHO=f"w{n}"))

        with ThreadPoolExecutor(2) as pool:
            others = [pool.submit(searching), pool.submit(uploading)]
            try:
                read, changed = self.all_of(backend, viewer, uuid)
            finally:
                done.set()
            for other in others:
                other.result(60)
        assert (min(found) >= 39, read, changed) == (True, 41, 41)
        assert found == sorted(found)
        said = self.observers(backend, viewer, uuid)
        assert said == ["me", *(f"w{n}" for n in range(1, 50))]
        assert check(backend).findings == []

    @pytest.mark.parametrize("few", [64, 1])
    def test_all_versions(
        self, backend: Backend, dataset: tuple[Viewer, str], few: int,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setattr(understanding, "FEW", few)  # one: in processes of their own
        assert self.all_of(backend, *dataset) == (0, 0)
        in_force.put_in_force(backend, self.OWN, "own")
        assert reindexing.stale(backend) == 6
        assert self.all_of(backend, *dataset) == (6, 6)
        assert self.observers(backend, *dataset) == ["me", "w1", "w2", "w3", "w4"]
        viewer, uuid = dataset
        assert files.read_file(backend, viewer, uuid, "0.fits", version=1).observer == "w0"
        assert self.all_of(backend, *dataset) == (0, 0)
        assert self.all_of(backend, *dataset, everything=True) == (6, 0)
        assert check(backend).findings == []

    def test_some_at_a_time(
        self, backend: Backend, dataset: tuple[Viewer, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        in_force.put_in_force(backend, self.OWN, "own")
        monkeypatch.setattr(reindexing, "AT_ONCE", 2)
        viewer, uuid = dataset
        first = reindexing.reindex(backend, viewer, uuid, Reindex())
        assert (first.read, first.left) == (2, 6)
        assert reindexing.stale(backend) == 4  # whoever is interrupted goes on from here
        assert self.all_of(backend, *dataset) == (4, 4)
        monkeypatch.setattr(reindexing, "MOST_CARDS", 100)
        monkeypatch.setattr(reindexing, "AT_ONCE", 100)
        assert self.all_of(backend, *dataset, everything=True) == (6, 0)

    def test_a_header_that_ends_the_process(
        self, backend: Backend, dataset: tuple[Viewer, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        in_force.put_in_force(backend, self.OWN, "own")
        monkeypatch.setattr(understanding, "FEW", 1)
        run = apart.run

        def dying(module: str, *, timeout_s: float, **how: Any) -> tuple[bytes, int | None]:
            if b"'t3      '" in how["order"]:
                return b"", -11
            return run(module, timeout_s=timeout_s, **how)

        monkeypatch.setattr(apart, "run", dying)
        assert self.all_of(backend, *dataset)[0] == 6
        assert self.observers(backend, *dataset) == ["me", "w1", "w2", None, "w4"]
        viewer, uuid = dataset
        problem = files.read_file(backend, viewer, uuid, "3.fits").problems
        assert problem == ["What the headers mean could not be understood."]
        monkeypatch.setattr(apart, "run", run)
        self.all_of(backend, *dataset, everything=True)
        assert files.read_file(backend, viewer, uuid, "3.fits").problems == []

    def test_whose_they_are(self, backend: Backend, dataset: tuple[Viewer, str]) -> None:
        other, _ = new_user(backend, "other")
        with pytest.raises(NotFoundError):
            reindexing.reindex(backend, other, dataset[1], Reindex())
        Datasets().update(backend, dataset[0], dataset[1], DatasetChange(is_public=True))
        with pytest.raises(NotAllowedError):
            reindexing.reindex(backend, other, dataset[1], Reindex())
        for after in ("x", "1", "1.", "1.x", "-1.2"):
            with pytest.raises(InvalidInputError):
                reindexing.reindex(backend, *dataset, Reindex(after=after))


class TestCommands:
    """The same from a terminal and from the module."""

    def test_reindex(self, arcsecond: Command, tmp_path: Path) -> None:
        dataset = str(arcsecond("datasets", "create", "--name", "d").json["uuid"])
        path = tmp_path / "a.fits"
        path.write_bytes(fits_bytes(OBJECT="x"))
        arcsecond("fitsfiles", dataset, "create", "--file", str(path))
        assert arcsecond("fitsfiles", dataset, "reindex").json == {"read": 0, "changed": 0}
        assert arcsecond("fitsfiles", dataset, "reindex", "-q").out == ""
        from arcsecond import ArcsecondAPI

        with ArcsecondAPI() as api:
            seen: list[tuple[int, int]] = []
            again = api.datasets(dataset).reindex(
                everything=True, progress=lambda *far: seen.append(far)
            )
            assert (again, seen[-1]) == ((1, 0), (1, 1))
        missing = arcsecond("fitsfiles", str(uuid4()), "reindex")
        assert (missing.status, "not found" in missing.err) == (1, True)

    @pytest.mark.parametrize("place", ["embedded"], indirect=True)
    def test_rules(self, arcsecond: Command, tmp_path: Path) -> None:
        own, bad = tmp_path / "ours.toml", tmp_path / "bad.toml"
        own.write_text(TestReindexing.OWN)
        bad.write_text("[general]\ntarget = 5\n")
        frame = tmp_path / "a.fits"
        frame.write_bytes(fits_bytes(OBJECT="M31", WHO="Ann", AIRMASS=0.1))
        dataset = str(arcsecond("datasets", "create", "--name", "d").json["uuid"])
        arcsecond("fitsfiles", dataset, "create", "--file", str(frame))
        assert "not there" in arcsecond("server", "rules").out
        assert "no mistake: 1 family." in arcsecond("server", "rules", "check", str(own)).out
        for word in ("check", "use"):
            refused = arcsecond("server", "rules", word, str(bad))
            assert (refused.status, "bad.toml, line 2" in refused.err) == (2, True)
        tried = arcsecond("server", "rules", "try", str(frame), "--rules", str(own)).out
        assert "Ann" in tried
        assert "WHO" in tried
        assert "tells no airmass" in tried
        (told,) = arcsecond("server", "rules", "try", str(frame), "--json").json
        assert (told["observer"], told["families"]) == (None, [])
        assert told["read_from"]["target"] == "OBJECT"
        put = arcsecond("server", "rules", "use", str(own))
        assert "In force" in put.out
        assert "1 file was read by others" in put.out
        again = arcsecond("server", "reindex")
        assert "The headers of 1 file were read again; 1 say something else" in again.err
        assert arcsecond("fitsfiles", dataset, "a.fits").json["observer"] == "Ann"
        assert "already" in arcsecond("server", "reindex").err
        assert "[general]" in arcsecond("server", "rules", "--built-in").out
        home = Path(arcsecond("server", "rules").out.split(", ")[1].split(":")[0])
        home.write_text("[")
        broken = arcsecond("server", "rules")
        assert (broken.status, "stay in force" in broken.err) == (2, True)
        assert arcsecond("server", "rules", "check", str(tmp_path / "none")).status == 2
        assert arcsecond("server", "rules", "try", str(tmp_path / "none")).status == 2
