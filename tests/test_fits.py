"""Cards, HDUs and what headers mean: pure functions over bytes."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits as astropy_fits
from hypothesis import given, settings
from hypothesis import strategies as st

from arcsecond.fits import cards, walking
from arcsecond.server.archive import rules
from arcsecond.server.archive.ingest import Frame, read_frame
from arcsecond.server.archive.observation import Observation, observe, pointings
from arcsecond.server.storage.folder import FolderStore
from tests.conftest import ASTROPY_FRAMES, SHARED, fits_bytes

GiB = 1 << 30


def parsed(*lines: str) -> cards.Values:
    return cards.parse("".join(line.ljust(80)[:80] for line in lines))


def test_cards_are_listed_as_they_are_read() -> None:
    lines = (
        "SIMPLE  =                    T / conforms to FITS",
        "EXPTIME =              1.50E+2 / [s] Exposure",
        "OBJECT  = 'it''s / M31'         / a / name",
        "LONGSTR = 'one &'",
        "CONTINUE  'two &'",
        "CONTINUE  'three' / of three",
        "COMMENT first",
        "COMMENT   second",
        "HISTORY first",
        "",
        "HIERARCH ESO DET DIT = 2.0 / time",
        "EMPTY   =",
        "BROKEN",
        "OBJECT  = 'again'",
    )
    text = "".join(line.ljust(80)[:80] for line in lines)
    assert [(c.keyword, c.value, c.comment) for c in cards.listed(text)] == [
        ("SIMPLE", "T", "conforms to FITS"),
        ("EXPTIME", "1.50E+2", "[s] Exposure"),
        ("OBJECT", "it's / M31", "a / name"),
        ("LONGSTR", "one two three", "of three"),
        ("COMMENT", "first\n  second", ""),
        ("HISTORY", "first", ""),
        ("ESO DET DIT", "2.0", "time"),
        ("EMPTY", "", ""),
        ("BROKEN", "", ""),
        ("OBJECT", "again", ""),
    ]


@pytest.mark.parametrize("keyword", ["HISTORY", "COMMENT", ""])
def test_a_run_of_lines_fills_a_header(keyword: str) -> None:
    """As many as a header may hold: put together once, not once more for each of them."""
    lines = [f"{n:060}" for n in range(walking.LONGEST_HEADER // cards.CARD)]
    text = "".join(f"{keyword:8}{line}".ljust(80) for line in lines)
    (card,) = cards.listed(text)
    assert (card.keyword, card.value) == (keyword, "\n".join(lines))
    assert cards.parse(text)[keyword] == lines


def test_a_string_fills_a_header() -> None:
    words = [f"{n:060}" for n in range(walking.LONGEST_HEADER // cards.CARD)]
    text = "OBJECT  = '&'".ljust(80) + "".join(f"CONTINUE  '{w}&'".ljust(80) for w in words)
    (card,) = cards.listed(text)
    assert card.value == "".join(words) + "&"
    assert cards.parse(text)["OBJECT"] == card.value


def test_what_continues_nothing_stands_for_itself() -> None:
    lines = ("COMMENT this & that &", "CONTINUE  'here'", "A       = 'ab&&'", "CONTINUE  ''")
    text = "".join(line.ljust(80) for line in (*lines, "CONTINUE  'there'"))
    told = [(card.keyword, card.value) for card in cards.listed(text)]
    assert told == [
        ("COMMENT", "this & that &"), ("CONTINUE", "here"), ("A", "ab&"), ("CONTINUE", "there"),
    ]  # fmt: skip


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=400))
def test_any_text_can_be_listed(text: str) -> None:
    assert {c.keyword for c in cards.listed(text)} <= set(cards.parse(text)) | {"CONTINUE", ""}


def observed(*headers: cards.Values) -> Observation:
    return observe(headers, rules.book().of(headers))


def frame_of(content: bytes, tmp_path: Path) -> Frame:
    incoming = FolderStore(tmp_path).receive()
    incoming.write(content)
    try:
        return read_frame(incoming, GiB, rules.book())
    finally:
        incoming.discard()


@pytest.mark.parametrize(
    ("card", "keyword", "value"),
    [
        ("OBJECT  = 'O''Meara '           / who", "OBJECT", "O'Meara"),
        ("EXPTIME =                 30.0 / s", "EXPTIME", 30.0),
        ("BIG     =             1.5D+03", "BIG", 1500.0),
        ("BITPIX  =                  -32", "BITPIX", -32),
        ("SIMPLE  =                    T", "SIMPLE", True),
        ("NOTHING =                      / undefined", "NOTHING", None),
        ("EMPTY   = ''", "EMPTY", ""),
        ("ODD     = NaN", "ODD", "NaN"),
        ("HUGE    = 1E999", "HUGE", "1E999"),
        ("LONG    = 12345678901234567890123", "LONG", 12345678901234567890123.0),
        ("HIERARCH ESO OBS TARG NAME = 'MN-Lup' / target", "ESO OBS TARG NAME", "MN-Lup"),
        ("hierarch eso  det exp = 5", "ESO DET EXP", 5),
        ("TIGHT   ='no blank'", "TIGHT", "no blank"),
        ("SLASH   = 'a / b' / c", "SLASH", "a / b"),
        ("BROKEN  = 'no end", "BROKEN", "'no end"),
        ("OBSERVER= 'O'Meara'                    / observer's name", "OBSERVER", "O'Meara"),
        ("OBSERVER= 'O'Meara'", "OBSERVER", "O'Meara"),
    ],
)
def test_cards(card: str, keyword: str, value: Any) -> None:
    assert parsed(card) == {keyword: value}


def test_comments_long_strings_and_repeated_keywords() -> None:
    values = parsed(
        "COMMENT one", "HISTORY two", "COMMENT three", "LONGTXT = 'begins &'",
        "CONTINUE  'goes on &'", "CONTINUE  'ends'", "A       = 1", "A       = 2", "",
    )  # fmt: skip
    assert values["COMMENT"] == ["one", "three"]
    assert values["LONGTXT"] == "begins goes on ends"
    assert values["A"] == 1
    assert "" not in values


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=900))
def test_any_text_can_be_read_as_cards(text: str) -> None:
    cards.parse(text)


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_strings_come_back_as_astropy_wrote_them(text: str) -> None:
    header = astropy_fits.Header()
    header["KEY"] = text.rstrip()
    assert cards.parse(header.tostring(endcard=False, padding=False))["KEY"] == text.rstrip()


@given(
    st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**62), 2**62) | st.booleans()
)
def test_numbers_come_back_as_astropy_wrote_them(number: Any) -> None:
    header = astropy_fits.Header()
    header["KEY"] = number
    text = header.tostring(endcard=False, padding=False)
    found = cards.parse(text)["KEY"]
    assert found == astropy_fits.Header.fromstring(text)["KEY"]
    assert isinstance(found, bool) == isinstance(number, bool)


@pytest.mark.parametrize(
    "name",
    ["o4sp040b0_raw.fits", "comp.fits", "test0.fits", "tb.fits", "random_groups.fits", "group.fits",
     "variable_length_table.fits", "theap-gap.fits", "stddata.fits", "checksum.fits"],
)  # fmt: skip
def test_hdus_are_where_astropy_finds_them(name: str) -> None:
    path = ASTROPY_FRAMES / name
    content = path.read_bytes()
    walked = walking.walk(io.BytesIO(content), len(content))
    with astropy_fits.open(path, disable_image_compression=True) as hdus:
        expected = [(hdu.fileinfo()["datLoc"], hdu.size) for hdu in hdus]
    assert [(h.data_start, h.data_size) for h in walked.hdus] == expected
    assert walked.problems == []


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2879), st.integers(0, 255))
def test_a_flipped_byte_in_a_header_never_fails(position: int, byte: int) -> None:
    content = bytearray((ASTROPY_FRAMES / "checksum.fits").read_bytes())
    content[position] = byte
    walking.walk(io.BytesIO(bytes(content)), len(content))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({b"BITPIX  =                   16": b"BITPIX  =                   17"}, "BITPIX is 17"),
        ({b"NAXIS   =                    2": b"NAXIS   =                 9999"}, "NAXIS is 9999"),
        ({b"NAXIS1  =                    8": b"NAXIS1  =                   -8"}, "NAXIS1 is -8"),
        ({b"NAXIS2  =                    8": b"NAXIS2  =                'big'"}, "NAXIS2 is 'big'"),
        (
            {b"NAXIS1  =                    8": b"NAXIS1  =    99999999999999999"},
            "the file ends",
        ),
        ({b"NAXIS2  =": b"NOXIS2  ="}, "NAXIS2 is missing"),
        ({b"END     ": b"ENT     "}, "no END card"),
        ({b"EXTEND  ": b"EXT\xffND  "}, "no printable ASCII"),
    ],
)
def test_damage_is_named(changes: dict[bytes, bytes], problem: str, tmp_path: Path) -> None:
    content = fits_bytes()
    for before, after in changes.items():
        assert before in content
        content = content.replace(before, after, 1)
    frame = frame_of(content, tmp_path)
    assert problem in " ".join(frame.problems)
    assert frame.problems[0].startswith("HDU 0: ")


@pytest.mark.parametrize(
    "cards",
    [
        {"DATE__OBS": "9999-12-31T23:59:60"},
        {"DATE__OBS": "2017-01-01T00:00:36.5", "TIMESYS": "TAI"},  # within a leap second
        {"DATE__OBS": "0001-01-01T00:00:00", "TIMESYS": "TDB"},
        {"RA": 10.0, "DEC": 10.0, "EQUINOX": 1850.3},
        {"MJD__OBS": 99999.5, "EXPTIME": 1e300},
        {"CTYPE1": "RA---ZZZ", "CTYPE2": "DEC--ZZZ", "CRVAL1": "text"},
    ],
)
def test_odd_values_never_cost_a_frame(cards: dict[str, Any], tmp_path: Path) -> None:
    assert frame_of(fits_bytes(OBJECT="kept", **cards), tmp_path).observation.target == "kept"


def test_a_fault_in_understanding_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from arcsecond.server.archive import ingest

    monkeypatch.setattr(ingest, "observe", lambda headers, book: 1 / 0)
    frame = frame_of(fits_bytes(OBJECT="kept"), tmp_path)
    assert frame.problems == ["What the headers mean could not be understood."]
    assert frame.headers


def test_endless_axes_and_endless_headers(tmp_path: Path) -> None:
    axes = [f"NAXIS{n:<3}= {2**62:>20}" for n in range(1, 301)]
    cards = [
        "SIMPLE  =                    T",
        "BITPIX  =                    8",
        "NAXIS   =                  300",
    ]
    text = "".join(card.ljust(80) for card in [*cards, *axes, "END"])
    content = text.ljust(-(-len(text) // 2880) * 2880).encode()
    assert "larger than any file" in frame_of(content, tmp_path).problems[0]
    comments = b"COMMENT x".ljust(80) * 1_000_000
    long = fits_bytes()[:2880].replace(b"END".ljust(80), b"COMMENT".ljust(80)) + comments
    assert "longer than" in frame_of(long, tmp_path).problems[0]
    first = fits_bytes()[:2880].replace(
        b"NAXIS   =                    2", b"NAXIS   =                    0"
    )
    head = b"XTENSION= 'IMAGE   '".ljust(80) + b"BITPIX  =                    8".ljust(80)
    head += b"NAXIS   =                    0".ljust(80) + b"COMMENT x".ljust(80) * 51_000
    extension = head + b"END".ljust(80)
    extension += b" " * (-len(extension) % 2880)
    many = frame_of(first + extension * 8, tmp_path)
    assert "were not read" in many.problems[-1]
    assert sum(map(len, many.headers)) < 25_000_000


def test_what_follows_the_last_hdu_is_told(tmp_path: Path) -> None:
    assert frame_of(fits_bytes() + bytes(2880), tmp_path).problems == []
    assert "no HDU" in frame_of(fits_bytes() + b"x" * 2880, tmp_path).problems[0]


@pytest.mark.parametrize(
    ("lines", "start"),
    [
        (["DATE-OBS= '2026-11-22T01:02:03.5'"], (2026, 11, 22, 1, 2, 3, 500_000)),
        (["DATE-OBS= '2026-11-22T01:02:03Z'"], (2026, 11, 22, 1, 2, 3)),
        (["DATE-OBS= '2026-11-22'", "TIME-OBS= '01:02:03'"], (2026, 11, 22, 1, 2, 3)),
        (["DATE-OBS= '2013-07-13'", "UT      = '00:57:33'"], (2013, 7, 13, 0, 57, 33)),
        (["DATE_OBS= '2015-02-19 T11:04:00'"], (2015, 2, 19, 11, 4)),
        (["DATE-OBS= '29/11/91'", "UT      = '12:07:00'"], (1991, 11, 29, 12, 7)),
        (["DATE-OBS= '2026-11-22'", "UT      = '03 10 00'"], (2026, 11, 22, 3, 10)),
        (["DATE-OBS= '2026-11-22'", "UT      = 3.5"], (2026, 11, 22, 3, 30)),
        (["DATE-OBS= '22 Oct 2026 03:10:00'"], (2026, 10, 22, 3, 10)),
        (["DATE-OBS= '22-OCT-2026T03:10:00'"], (2026, 10, 22, 3, 10)),
        (
            [
                "ORIGIN  = 'ESO-MIDAS'",
                "DATE-OBS= '26/10/92'",
                "TM-START= 11048.0",
                "MJD-OBS = 48921.62787",
            ],
            (1992, 10, 26, 3, 4, 8),
        ),
        (["DATE-OBS= '01/06/2012'", "TIME-OBS= '10:00:00'"], (2012, 6, 1, 10)),
        (["DATE-OBS= '19930417'", "UTC-OBS = '10:00'"], (1993, 4, 17, 10)),
        (["MJD-OBS =            55875.44"], (2011, 11, 10, 10, 33, 36)),
        (["DATE-OBS= '2020-01-01T00:01:09.184'", "TIMESYS = 'TT'"], (2020, 1, 1)),
        (["DATE-OBS= '2020-01-01T00:00:37'", "TIMESYS = 'TAI'"], (2020, 1, 1)),
        (["DATE-OBS= '2024-03-01T00:00:18'", "TIMESYS = 'GPS'"], (2024, 3, 1)),
        (["DATE-OBS= '2024-03-01T00:00:00'", "TIMESYS = 'UTC approximate'"], (2024, 3, 1)),
        (["DATE-OBS= '2024-03-01T00:00:00'", "TIMESYS = 'LOCAL'"], None),
        (["DATE-OBS= '2026-11-22'"], None),
        (["DATE-OBS= '19930417'"], None),
        (["DATE-OBS= '2026-13-40T00:00:00'"], None),
        (["DATE-OBS= '2026-11-22T25:00:00'"], None),
        (["DATE-OBS= 5"], None),
        (["MJD-OBS =  0.0"], None),
        ([], None),
    ],
)
def test_starts(lines: list[str], start: tuple[int, ...] | None) -> None:
    found = observed(parsed(*lines)).start
    if start is None:
        assert found is None
    else:
        assert found is not None
        wanted = datetime(*start, tzinfo=UTC)  # type: ignore[arg-type, misc]
        assert abs((found - wanted).total_seconds()) < 1e-3


@pytest.mark.parametrize(
    ("scale", "why"),
    [
        ("MINE", "no scale that is known: UTC"),
        ("1979.00", ""),
        ("UNKNOWN", ""),
    ],
)
def test_odd_time_scales_are_marked(scale: str, why: str) -> None:
    found = observed(parsed("DATE-OBS= '2024-03-01T00:00:00'", f"TIMESYS = '{scale}'"))
    assert [(d.field, d.keyword, d.value, d.why) for d in found.doubts] == (
        [("start", "TIMESYS", scale, why)] if why else []
    )
    assert found.start is not None


def test_a_local_time_tells_the_night_alone() -> None:
    found = observed(parsed("DATE-OBS= '2024-03-02T03:00:00'", "TIMESYS = 'LOCAL'"))
    assert (found.start, found.night) == (None, date(2024, 3, 1))
    assert [(d.field, d.why) for d in found.doubts] == [("start", "a local time")]
    assert night_and_start("9999-12-31T23:59:50", "GPS") == (None, None)
    assert night_and_start("0001-01-01T00:00:00", "LOCAL") == (None, None)


def night_and_start(text: str, scale: str) -> tuple[object, object]:
    found = observed(parsed(f"DATE-OBS= '{text}'", f"TIMESYS = '{scale}'"))
    return found.night, found.start


@pytest.mark.parametrize(
    ("lines", "position"),
    [
        (["RA      = '00:59:26.6'", "DEC     = '-72:09:54'"], (14.860833, -72.165)),
        (["RA      = ' 22 04 08'", "DEC     = '-00 55 31'"], (331.033333, -0.925278)),
        (["RA      = 14.86", "DEC     = -72.16"], (14.86, -72.16)),
        (["OBJCTRA = '05 35 17'", "OBJCTDEC= '-05 23 28'"], (83.820833, -5.391111)),
        (["RA      = '5h35m17s'", "DEC     = '-5d23m28s'"], (83.820833, -5.391111)),
        (["RA      = 400.0", "DEC     = 0.0"], None),
        (["RA      = '12:61:00'", "DEC     = '10:00:00'"], None),
        (["RA      = 10.0"], None),
        (["RA      = 'N/A'", "DEC     = 'N/A'"], None),
        (["RA      = NaN", "DEC     = 0.0"], None),
    ],
)
def test_pointings(lines: list[str], position: tuple[float, float] | None) -> None:
    headers = [parsed(*lines)]
    found = [told[1:3] for told in pointings(headers, rules.book().of(headers))]
    assert found == ([] if position is None else [pytest.approx(position, abs=1e-5)])


def test_an_old_equinox_becomes_icrs(tmp_path: Path) -> None:
    old = fits_bytes(RA=83.2, DEC=-5.42, EQUINOX=1950.0)
    observation = frame_of(old, tmp_path).observation
    assert observation.ra_deg == pytest.approx(83.815, abs=0.01)
    assert observation.dec_deg == pytest.approx(-5.393, abs=0.01)


def test_the_centre_of_an_image_by_its_wcs(tmp_path: Path) -> None:
    wcs = {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 20.0, "CRPIX1": 4.5,
        "CRPIX2": 4.5, "CDELT1": -0.01, "CDELT2": 0.01, "CUNIT1": "deg", "CUNIT2": "deg",
    }  # fmt: skip
    observation = frame_of(fits_bytes(RA=99.0, DEC=0.0, **wcs), tmp_path).observation
    assert observation.position_source == "wcs"
    assert (observation.ra_deg, observation.dec_deg) == pytest.approx((10.0, 20.0), abs=1e-9)
    galactic = {**wcs, "CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN", "CRVAL1": 0.0, "CRVAL2": 0.0}
    observation = frame_of(fits_bytes(**galactic), tmp_path).observation
    assert observation.ra_deg == pytest.approx(266.405, abs=1e-3)
    solar = {**wcs, "CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN"}
    assert frame_of(fits_bytes(**solar), tmp_path).observation.ra_deg is None
    broken = {**wcs, "CDELT1": 0.0}
    assert (
        frame_of(fits_bytes(RA=99.0, DEC=0.0, **broken), tmp_path).observation.position_source
        == "pointing"
    )


@pytest.mark.parametrize(
    ("words", "kind"),
    [("Light Frame", "science"), ("FLAT", "flat"), ("Bias", "bias"), ("zero", "bias"),
     ("Dark Frame", "dark"), ("comp", "arc"), ("LAMP,WAVE", "arc"), ("spectroscopic", "spectroscopic"),
     ("47", None)],
)  # fmt: skip
def test_kinds(words: str, kind: str | None) -> None:
    assert observed(parsed(f"IMAGETYP= '{words}'")).kind == kind


def test_days_are_not_seconds() -> None:
    assert observed(parsed("EXPOSURE=  2.0 / [d] time on source")).exposure_s == 172_800.0
    assert observed(parsed("EXPOSURE= 65.0 /Observation: Exposure Minutes")).exposure_s == 3900.0
    assert observed(parsed("EXPTIME = -1.0")).exposure_s is None
    assert observed(parsed("EXPTIME = '30'")).exposure_s == 30.0


def test_filter_wheels() -> None:
    values = parsed("FILTER1 = 'CLEAR1S'", "FILTER2 = 'F606W'")
    assert observed(values).filter == "F606W"
    assert observed(parsed("FILTER1 = 'CLEAR1S'", "FILTER2 = 'CLEAR2L'")).filter is None


@pytest.mark.skipif(not SHARED.exists(), reason="shared data are not beside this clone")
def test_every_real_frame_is_kept_or_refused_in_words(tmp_path: Path) -> None:
    from arcsecond.errors import NotFitsError

    seen = 0
    for path in sorted((SHARED / "fits").glob("*/*")):
        if path.parent.name == "headers":
            continue
        seen += 1
        if path.name == "not_actually_fits.fits":
            with pytest.raises(NotFitsError, match="no FITS signature"):
                frame_of(path.read_bytes(), tmp_path)
        else:
            assert frame_of(path.read_bytes(), tmp_path).hdus, path.name
    assert seen > 90
