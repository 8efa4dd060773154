"""XISF files are read as the FITS they stand for: headers, pixels, pictures, and damage."""

from __future__ import annotations

import base64
import io
import struct
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lz4.block
import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from arcsecond import ArcsecondAPI
from arcsecond.fits.xisf import XisfError, as_fits
from tests.conftest import Command, Http

KINDS = {
    "u1": "UInt8",
    "u2": "UInt16",
    "u4": "UInt32",
    "u8": "UInt64",
    "f4": "Float32",
    "f8": "Float64",
}
CARDS = (
    ("OBJECT", "'M 31    '", "the target"), ("EXPTIME", "300.", ""), ("GAIN", "26", ""),
    ("DATE-OBS", "'2026-11-20T21:14:03.5'", ""), ("FILTER", "Ha", "without quotes"),
    ("IMAGETYP", "'Light Frame'", ""), ("RA", "10.6847", ""), ("DEC", "41.269", ""),
    ("HISTORY", "", "made for a test"), ("BITPIX", "16", "of the FITS file before"), ("NAXIS1", "9", ""),
    ("COOLED", "T", ""), ("too long a name", "1", ""), ("OBSERVER", "'O''Neill'", ""),
)  # fmt: skip


def packed(raw: bytes, codec: str, item: int, parts: int = 1) -> tuple[bytes, str]:
    """Pack bytes; returns them and the attributes that say how."""
    name, _, shuffled = codec.partition("+")
    if not name:
        return raw, ""
    told = f'compression="{codec}:{len(raw)}{f":{item}" if shuffled else ""}"'
    if shuffled:
        raw = np.frombuffer(raw, "u1").reshape(-1, item).T.tobytes()
    pack = zlib.compress if name == "zlib" else lambda b: lz4.block.compress(b, store_size=False)
    cut = -(-len(raw) // parts)
    some = [raw[n : n + cut] for n in range(0, len(raw), cut)]
    done = [pack(one) for one in some]
    if parts > 1:
        sizes = (f"{len(a)},{len(b)}" for a, b in zip(done, some, strict=True))
        told += f' subblocks="{":".join(sizes)}"'
    return b"".join(done), told


def xisf(
    *images: np.ndarray[Any, Any], codec: str = "", parts: int = 1, more: str = "", inside: str = "",
    cards: Any = CARDS, mixed: bool = False, big: bool = False, at: str = "attachment",
) -> bytes:  # fmt: skip
    """Return an XISF file with images of shape (channels, height, width), top row first."""
    blocks: list[tuple[bytes, str]] = []
    for image in images:
        kind = image.dtype.newbyteorder(">" if big else "<")
        laid = image.transpose(1, 2, 0) if mixed else image
        blocks.append(packed(laid.astype(kind).tobytes(), codec, image.itemsize, parts))
    keywords = "".join(f'<FITSKeyword name="{k}" value="{v}" comment="{c}"/>' for k, v, c in cards)

    def written(begin: int) -> bytes:
        text = '<?xml version="1.0"?><xisf version="1.0" xmlns="http://www.pixinsight.com/xisf">'
        for image, (block, told) in zip(images, blocks, strict=True):
            channels, height, width = image.shape
            place, data = f"attachment:{begin}:{len(block)}", ""
            if at == "inline":
                place, data = "inline:base64", base64.b64encode(block).decode()
            elif at == "embedded":
                place, data = "embedded", f'<Data encoding="hex">{block.hex()}</Data>'
            text += (
                f'<Image id="light" geometry="{width}:{height}:{channels}" location="{place}" '
                f'sampleFormat="{KINDS[image.dtype.str[1:]]}" {told} {more} '
                f'pixelStorage="{"Normal" if mixed else "Planar"}" byteOrder="{"big" if big else "little"}">'
                f"{keywords}{inside}{data}</Image>"
            )
            begin += len(block)
        return (text + "</xisf>").encode()

    length = len(written(10**6))
    header = written(16 + length).ljust(length)
    header = header if len(header) == length else written(16 + len(header))
    begin = 16 + len(header)
    while written(begin) != header:
        header = written(begin)
        begin = 16 + len(header)
    blob = b"".join(block for block, _ in blocks) if at == "attachment" else b""
    return b"XISF0100" + struct.pack("<II", len(header), 0) + header + blob


def opened(content: bytes, limit: int = 1 << 30) -> Any:
    pieces = as_fits(io.BytesIO(content), tempfile.TemporaryFile, limit)
    hdus = fits.open(io.BytesIO(b"".join(pieces)))
    hdus.verify("exception")
    return hdus


def made(kind: str, shape: tuple[int, ...] = (1, 5, 7), seed: int = 1) -> np.ndarray[Any, Any]:
    dice = np.random.default_rng(seed)
    if kind.startswith("f"):
        return dice.normal(0.5, 0.2, shape).astype(kind)
    return dice.integers(0, np.iinfo(kind).max, shape, dtype=kind, endpoint=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("codec", ["", "zlib", "zlib+sh", "lz4", "lz4hc+sh"])
def test_pixels(kind: str, codec: str) -> None:
    for shape, parts, mixed, big in (
        ((1, 5, 7), 1, False, False), ((3, 4, 6), 3, False, True), ((3, 300, 2), 1, True, False),
        ((1, 1, 1), 1, False, False),
    ):  # fmt: skip
        image = made(kind, shape)
        (hdu,) = opened(xisf(image, codec=codec, parts=parts, mixed=mixed, big=big))
        expected = image[:, ::-1] if shape[0] > 1 else image[0, ::-1]
        np.testing.assert_array_equal(hdu.data, expected)


@pytest.mark.parametrize("at", ["inline", "embedded"])
@pytest.mark.parametrize("codec", ["", "zlib"])
def test_pixels_in_the_header(at: str, codec: str) -> None:
    image = made("u2")
    (hdu,) = opened(xisf(image, codec=codec, at=at))
    np.testing.assert_array_equal(hdu.data, image[0, ::-1])


def test_keywords() -> None:
    header = opened(xisf(made("u2"), made("f4")))[0].header
    told = {
        "OBJECT": "M 31",
        "EXPTIME": 300.0,
        "GAIN": 26,
        "FILTER": "Ha",
        "COOLED": True,
        "OBSERVER": "O'Neill",
    }
    assert {name: header[name] for name in told} == told
    assert (header["NAXIS1"], header["NAXIS2"], header["EXTNAME"]) == (7, 5, "light")
    assert str(header["HISTORY"]) == "made for a test"
    assert header.comments["OBJECT"] == "the target"


def test_properties_tell_what_keywords_do_not() -> None:
    inside = (
        '<Property id="Observation:Object:Name" type="String">NGC 7000</Property>'
        '<Property id="Instrument:ExposureTime" type="Float32" value="120"/>'
        '<Property id="Observation:Time:Start" type="TimePoint" value="2026-11-20T21:14:03Z"/>'
    )
    header = opened(xisf(made("u2"), cards=CARDS[1:2], inside=inside))[0].header
    assert header["OBJECT"] == "NGC 7000"
    assert header["EXPTIME"] == 300.0
    assert header["DATE-OBS"] == "2026-11-20T21:14:03Z"


WRONG = {
    "no header": (b"XISF0100\0\0", "first bytes"),
    "a header that is too long": (b"XISF0100" + struct.pack("<II", 1 << 31, 0), "bytes long"),
    "a header that ends": (b"XISF0100" + struct.pack("<II", 100, 0) + b"<xisf", "ends in its header"),
    "no XML": (b"XISF0100" + struct.pack("<II", 5, 0) + b"<xisf", "no XML"),
    "no image": (b"XISF0100" + struct.pack("<II", 7, 0) + b"<xisf/>", "no image"),
    "a bomb of entities": (
        b"XISF0100" + struct.pack("<II", 60, 0)
        + b'<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><xisf/>'.ljust(60), "no XML",
    ),
    "data that end": (xisf(made("u2"))[:-3], "end before"),
    "data elsewhere": (xisf(made("u2")).replace(b"attachment:", b"path(/etc):"), "not read"),
    "damaged data": (xisf(made("u2"), codec="zlib")[:-9] + b"123456789", "damaged"),
    "damaged LZ4": (xisf(made("u2"), codec="lz4")[:-72] + b"\xff" * 72, "damaged"),
    "another codec": (xisf(made("u2"), codec="zlib").replace(b'"zlib:', b'"zstd:'), "packed by 'zstd'"),
    "an odd codec": (xisf(made("u2"), codec="zlib").replace(b'"zlib:70', b'"zlib:-1'), "not understood"),
    "complex numbers": (xisf(made("u2")).replace(b"UInt16", b"Complx"), "not read"),
    "an image of one dimension": (xisf(made("u2")).replace(b"7:5:1", b"7.5.1"), "two dimensions"),
    "an image of two exabytes": (
        xisf(made("u2"), more=f'x="{"0" * 14}"').replace(b'"7:5:1"', b'"9999999:999999999:9"').replace(b'x="00000000000000"', b'x=""'), "would unpack",
    ),
    "shuffled by a trillion": (
        xisf(made("u2"), codec="zlib+sh").replace(b":2\" ", b":9\" "), "not understood",
    ),
    "no pixels": (xisf(made("u2")).replace(b"7:5:1", b"0:5:1"), "not read"),
    "many channels": (xisf(made("u1", (65, 1, 1))), "not read"),
    "mixed channels": (xisf(made("u2", (5, 3, 2)), mixed=True), "not read"),
    "a bomb": (xisf(made("u2"), codec="zlib").replace(b"zlib:70", b"zlib:99"), "would unpack to 99"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said(what: str) -> None:
    content, told = WRONG[what]
    with pytest.raises(XisfError, match=told):
        opened(content)


def test_what_follows_the_data_is_not_held() -> None:
    """Nor is it read as data."""
    (hdu,) = opened(xisf(made("u2"), codec="zlib") + bytes(100))
    assert hdu.data.shape == (5, 7)


def test_headers_are_bounded() -> None:
    many = [(f"KEY{n}", str(n), "") for n in range(5_000)] + [("HISTORY", "", "x" * 100_000)]
    header = opened(xisf(made("u2"), cards=many))[0].header
    assert len(header) < 2_100
    odd = opened(xisf(made("u2"), cards=[("BIG", "1E999", ""), ("CONTINUE", "1", "")]))[0].header
    assert odd["BIG"] == "1E999"


@given(st.integers(0, 2000), st.binary(min_size=1, max_size=4))
@settings(max_examples=400, deadline=None)
def test_any_bytes_are_read_or_refused(at: int, other: bytes) -> None:
    good = WHOLE
    content = good[:at] + other + good[at + len(other) :]
    try:
        size = sum(map(len, as_fits(io.BytesIO(content), tempfile.TemporaryFile, 1 << 20)))
    except XisfError as error:
        assert "\n" not in str(error)[:200]
    else:
        assert size % 2880 == 0


WHOLE = xisf(made("u2"), codec="zlib+sh")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_an_upload(http: Http, user: Callable[[str], dict[str, str]]) -> None:
    ann = user("ann")
    dataset = http.post("/datasets/", json={"name": "d"}, headers=ann).json()["uuid"]
    files = f"/datasets/{dataset}/fitsfiles/"
    part = {"file": ("light.xisf", xisf(made("u2", (1, 60, 80)), codec="lz4+sh"))}
    file = http.post(files, files=part, headers=ann).json()
    assert file["packing"] == "xisf"
    assert (file["target"], file["exposure"], file["filter"], file["kind"]) == (
        "M 31",
        300.0,
        "Ha",
        "science",
    )
    assert file["start"] == "2026-11-20T21:14:03.500000Z"
    assert file["position"]["right_ascension"] == 10.6847
    assert [hdu["shape"] for hdu in file["hdus"]] == [[80, 60]]
    assert file["problems"] == []
    picture = http.get(f"{files}{file['pk']}/preview/0/", headers=ann)
    assert picture.headers["content-type"] == "image/webp"
    broken = {"file": ("broken.xisf", part["file"][1][:-40])}
    file = http.post(files, files=broken, headers=ann).json()
    assert file["target"] == "M 31"
    assert any("XISF" in problem for problem in file["problems"])
    for wrong in (b"XISF0100", b"XISF0100" + bytes(200)):
        refused = http.post(files, files={"file": ("x.xisf", wrong)}, headers=ann)
        assert refused.status_code == 400
        assert "XISF" in refused.text


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_command_and_the_module(arcsecond: Command, tmp_path: Path) -> None:
    image = made("u2", (1, 20, 30))
    (tmp_path / "n").mkdir()
    (tmp_path / "n" / "light.xisf").write_bytes(xisf(image, codec="zlib+sh"))
    done = arcsecond("upload", str(tmp_path / "n"), "--dataset", "xisf", "--yes", "--json")
    assert done.status == 0, done.err
    with ArcsecondAPI() as api:
        (file,) = api.fitsfiles.search(target="M 31")
        with api.fitsfiles.open(file["pk"]) as hdus:
            np.testing.assert_array_equal(hdus[0].data, image[0, ::-1])
