"""What nobody would send on purpose: odd names, odd headers, odd files."""

from __future__ import annotations

import configparser
import string
import tempfile
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from arcsecond.config import config_path, load, store_login
from arcsecond.errors import ArcsecondInputValueError, InvalidInputError, NotFitsError
from arcsecond.filenames import LONGEST_NAME, clean_name
from arcsecond.fits.walking import SIGNATURE
from arcsecond.server.archive import rules
from arcsecond.server.archive.ingest import read_frame
from arcsecond.server.storage.memory import MemoryStore
from tests.conftest import Http, fits_bytes, new_user

RULES = rules.book()


@given(st.text(max_size=300))
@settings(max_examples=500, deadline=None)
def test_a_name_is_kept_as_it_is_or_refused(name: str) -> None:
    try:
        kept = clean_name(name)
    except InvalidInputError as refusal:
        assert list(refusal.fields) == ["name"]
        return
    assert kept == clean_name(kept)
    assert 0 < len(kept.encode()) <= LONGEST_NAME
    assert not set(kept) & set("/\\\0\n\r")
    assert kept not in (".", "..")


@given(st.lists(st.text(st.characters(max_codepoint=255), max_size=80), max_size=40))
@settings(max_examples=300, deadline=None)
def test_whatever_a_header_holds_the_frame_is_kept(cards: list[str]) -> None:
    text = "".join(
        card.ljust(80)[:80] for card in ["SIMPLE  =                    T", *cards, "END"]
    )
    raw = text.encode("latin-1")
    _read(raw.ljust(-(-len(raw) // 2880) * 2880))


KEYWORDS = (
    "NAXIS", "NAXIS1", "NAXIS2", "BITPIX", "PCOUNT", "GCOUNT", "GROUPS", "CTYPE1", "CTYPE2", "CRVAL1",
    "CRVAL2", "CRPIX1", "CD1_1", "CD2_2", "CDELT1", "CUNIT1", "RA", "DEC", "OBJCTRA", "EQUINOX",
    "RADESYS", "DATE-OBS", "TIME-OBS", "MJD-OBS", "TIMESYS", "EXPTIME", "EXPOSURE", "FILTER", "OBJECT",
    "INSTRUME", "TELESCOP", "IMAGETYP", "CHECKSUM", "DATASUM", "ZIMAGE", "ZNAXIS", "EXTNAME",
)  # fmt: skip
VALUES = st.one_of(
    st.integers(), st.floats(), st.booleans(), st.text(string.printable, max_size=60),
    st.sampled_from(["RA---TAN", "DEC--TAN", "GLON-CAR", "GLAT-CAR", "TAI", "FK4", "1950.0", "B1950",
                     "12:34:56.7", "-00:00:01", "2026-02-30", "2016-12-31T23:59:60", "31/12/99", "NaN"]),
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(KEYWORDS), VALUES, max_size=20))
@settings(max_examples=300, deadline=None)
def test_whatever_known_keywords_say_the_frame_is_kept(values: dict[str, object]) -> None:
    """Words that are understood, with values that make no sense."""
    cards = ["SIMPLE  =                    T"]
    for keyword, value in values.items():
        shown = f"'{value}'" if isinstance(value, str) else str(value).upper()
        cards.append(f"{keyword:<8}= {shown}")
    raw = "".join(card.ljust(80)[:80] for card in [*cards, "END"]).encode("latin-1", "replace")
    _read(raw.ljust(-(-len(raw) // 2880) * 2880))


def _read(content: bytes) -> None:
    incoming = MemoryStore().receive()
    incoming.write(content)
    frame = read_frame(incoming, 1 << 20, RULES)
    assert "could not be understood" not in " ".join(frame.problems)
    observation = frame.observation
    if observation.ra_deg is not None:
        assert observation.dec_deg is not None
        assert 0 <= observation.ra_deg <= 360
        assert -90 <= observation.dec_deg <= 90
    assert observation.start is None or observation.start.tzinfo is not None


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_what_carries_no_signature_is_refused(content: bytes) -> None:
    assume(not content.startswith(SIGNATURE))
    incoming = MemoryStore().receive()
    incoming.write(content)
    with pytest.raises(NotFitsError):
        read_frame(incoming, 1 << 20, RULES)


TEXT = st.text(st.characters(blacklist_categories=("Cs",)), max_size=40)


@given(st.binary(max_size=300) | TEXT.map(str.encode))
@settings(max_examples=300, deadline=None)
def test_an_ini_file_is_understood_or_said_to_be_broken(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        environ = {"ARCSECOND_CONFIG": f"{folder}/c.ini", "HOME": folder}
        path = config_path(environ)
        path.write_bytes(content)
        try:
            config = load(environ=environ)
        except ArcsecondInputValueError as refusal:
            assert "\n" not in refusal.detail
            assert path.read_bytes() == content
        else:
            assert config.key == "" or "api_server" in content.decode()


@given(st.text(string.ascii_letters + string.digits + "%;#=[]: '\"é", min_size=1, max_size=30))
@settings(max_examples=200, deadline=None)
def test_what_is_stored_is_what_is_read(name: str) -> None:
    name = name.strip()
    with tempfile.TemporaryDirectory() as folder:
        environ = {"ARCSECOND_CONFIG": f"{folder}/c.ini", "HOME": folder}
        store_login(load(environ=environ), name, "k" * 32)
        again = load(environ=environ)
        assert (again.username, again.key) == (name, "k" * 32)
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_string(Path(environ["ARCSECOND_CONFIG"]).read_text(encoding="utf-8"))
        assert set(parser["main"]) == {"username", "api_key", "api_server"}


def test_names_of_files_over_http(http: Http) -> None:
    """Through the multipart parser and back: the name that was sent, or a refusal."""
    _, ann = new_user(http.inside)
    dataset = http.post("/datasets/", json={"name": "d"}, headers=ann).json()["uuid"]
    names = st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=60)
    address = f"/datasets/{dataset}/fitsfiles/"

    @given(names)
    @settings(max_examples=60, deadline=None, derandomize=True)
    def send(name: str) -> None:
        answer = http.post(address, files={"file": (name, fits_bytes())}, headers=ann)
        assert answer.status_code in (200, 201, 400), answer.text
        if answer.is_success:
            kept = answer.json()["name"]
            one = http.get(f"{address}{answer.json()['pk']}/", headers=ann).json()
            assert one["name"] == kept

    send()
