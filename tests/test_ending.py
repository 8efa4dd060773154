"""Whether a file ends where it should: each kind, whole and cut."""

from __future__ import annotations

import bz2
import gzip
import io
import zipfile

import pytest

from arcsecond.fits import ending
from tests.conftest import fits_bytes

FRAME = fits_bytes((60, 70), OBJECT="whole")


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.fits", FRAME)
    return buffer.getvalue()


def xisf() -> bytes:
    data = bytes(range(250)) * 20
    image = '<Image geometry="50:50:1" sampleFormat="UInt16" location="attachment:4096:5000"/>'
    xml = f'<?xml version="1.0"?><xisf version="1.0">{image}</xisf>'.encode()
    head = b"XISF0100" + len(xml).to_bytes(4, "little") + bytes(4) + xml
    return head.ljust(4096, b"\0") + data


WHOLE = {
    "fits": FRAME,
    "gzip": gzip.compress(FRAME),
    "two of gzip": gzip.compress(FRAME[:2880]) + gzip.compress(FRAME[2880:]),
    "bzip2": bz2.compress(FRAME),
    "zip": zipped(),
    "xisf": xisf(),
}


def why(content: bytes) -> str:
    return ending.why_incomplete(io.BytesIO(content))


@pytest.mark.parametrize("kind", WHOLE)
def test_what_is_whole_is_complete(kind: str) -> None:
    assert why(WHOLE[kind]) == ""


CUTS = (0.05, 0.3, 0.7, 0.95, 0.99)
ENDED = {("two of gzip", 0.05), ("two of gzip", 0.3), ("fits", 0.99)}
"""The first of two streams has an end of its own; of a frame only what fills the block is away."""


@pytest.mark.parametrize(
    ("kind", "share"), [(k, cut) for k in WHOLE for cut in CUTS if (k, cut) not in ENDED]
)
def test_what_is_cut_is_not(kind: str, share: float) -> None:
    content = WHOLE[kind]
    assert why(content[: max(10, int(share * len(content)))])


@pytest.mark.parametrize("kind", ["gzip", "bzip2"])
def test_what_is_damaged_is_not_unfinished(kind: str) -> None:
    """It is sent, and the server says what is wrong with it."""
    content = bytearray(WHOLE[kind])
    content[len(content) // 2] ^= 0xFF
    assert why(bytes(content) + b"more than it says") == ""


@pytest.mark.parametrize("content", [b"", b"no frame", b"\x1f\x9d\x90 compress has no end"])
def test_what_tells_nothing_is_taken_for_whole(content: bytes) -> None:
    assert why(content) == ""


def test_what_unpacks_to_very_much_is_not_unpacked_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ending, "MOST_UNPACKED", 1 << 21)
    bomb = gzip.compress(bytes(50_000_000))
    assert why(bomb[:40_000]) == ""
