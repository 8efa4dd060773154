"""Pictures of frames: what is drawn, what cannot be, and who sees it."""

from __future__ import annotations

import errno
import gzip
import io
import json
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from arcsecond.server import remade
from arcsecond.server.archive import pictures, previews
from arcsecond.server.archive.orientation import orientation
from arcsecond.server.archive.shading import asinh, zscale
from arcsecond.server.archive.sweep import sweep
from arcsecond.server.context import Backend
from tests.conftest import ASTROPY_FRAMES, Http, fits_bytes

pytestmark = pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyWarning")


def written(*hdus: Any) -> bytes:
    buffer = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(buffer, output_verify="silentfix")
    return buffer.getvalue()


def sky(height: int = 40, width: int = 60) -> Any:
    """A field of noise, brighter in the first rows and columns."""
    values = np.random.default_rng(5).normal(100, 3, (height, width))
    values[: height // 4, : width // 4] += 60
    return values


def grey(picture: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(picture)).convert("L")).astype(int)


def drawn(content: bytes, tmp_path: Path, hdu: int = 0, size: str = "large") -> Any:
    path = tmp_path / "frame.fits"
    path.write_bytes(content)
    with path.open("rb") as file:
        return grey(pictures.draw(file, len(content), hdu)[size])


def test_the_first_row_is_at_the_bottom(tmp_path: Path) -> None:
    picture = drawn(written(fits.PrimaryHDU(sky().astype("f4"))), tmp_path)
    rows, columns = picture.shape
    bright = picture[-rows // 5 :, : columns // 5]
    assert bright.mean() > picture[: rows // 5].mean() + 50
    assert picture.shape == pictures.layout(60, 40, "large")[::-1]


def test_a_large_image_is_made_of_means(tmp_path: Path) -> None:
    values = np.zeros((1500, 3000), "i2")
    values[:, 1500:] = 100
    picture = drawn(written(fits.PrimaryHDU(values)), tmp_path)
    assert picture.shape == (280, 560)
    assert picture[:, :270].max() < 10
    assert picture[:, 290:].min() > 245


@pytest.mark.parametrize("kind", ["RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1", "PLIO_1"])
def test_tiles_are_unpacked(kind: str, tmp_path: Path) -> None:
    values = sky(64, 64).astype("i2")
    plain = drawn(written(fits.PrimaryHDU(values)), tmp_path)
    tiled = fits.CompImageHDU(values, compression_type=kind, tile_shape=(16, 64))
    assert abs(plain - drawn(written(fits.PrimaryHDU(), tiled), tmp_path, 1)).max() <= 2


def test_stored_numbers_are_scaled_and_blank_ones_left_out(tmp_path: Path) -> None:
    unsigned = sky().astype("u2") + 32_000
    plain = drawn(written(fits.PrimaryHDU(unsigned.astype("f4"))), tmp_path)
    assert abs(plain - drawn(written(fits.PrimaryHDU(unsigned)), tmp_path)).max() <= 2
    tiled = fits.CompImageHDU(unsigned)
    assert abs(plain - drawn(written(fits.PrimaryHDU(), tiled), tmp_path, 1)).max() <= 2
    for values in (unsigned.astype("f4"), sky().astype("i2")):
        hdu = fits.PrimaryHDU(values.copy())
        if values.dtype.kind == "i":
            hdu.data[20:] = -32_000
            hdu.header["BLANK"] = -32_000
        else:
            hdu.data[20:] = np.nan
        picture = drawn(written(hdu), tmp_path)
        assert picture[: len(picture) // 2 - 8].max() < 10
        assert picture[len(picture) // 2 + 8 :].mean() > 40


@pytest.mark.parametrize(
    "values",
    [
        np.ones((1, 1), "u1"),
        np.full((30, 30), 7.5),
        np.zeros((20, 20), "i4"),
        np.array([[1e308, -1e308], [np.inf, -np.inf]]),
        np.arange(9, dtype=">i8").reshape(3, 3) * 10**18,
        np.arange(5000, dtype="f4").reshape(1, 5000),
        np.arange(5000, dtype="f4").reshape(5000, 1),
        np.arange(24, dtype="u1").reshape(2, 3, 4),
        np.arange(120, dtype="f8").reshape(1, 2, 3, 4, 5),
        np.where(np.arange(10_000).reshape(100, 100) == 50, 9.0, 0.0),
    ],
)
def test_odd_images_have_pictures(values: Any, tmp_path: Path) -> None:
    picture = drawn(written(fits.PrimaryHDU(values)), tmp_path)
    height, width = values.shape[-2:]
    assert picture.shape == pictures.layout(width, height, "large")[::-1]
    assert max(picture.shape) <= 560
    assert min(picture.shape) >= 40


def test_noise_is_light_all_the_same(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (900, 900)).astype("u1")
    path = tmp_path / "noise.fits"
    path.write_bytes(written(fits.PrimaryHDU(noise)))
    with path.open("rb") as file:
        for size, picture in pictures.draw(file, path.stat().st_size, 0).items():
            assert len(picture) <= pictures.HEAVIEST[size]


def test_what_is_no_image_has_no_picture(tmp_path: Path) -> None:
    table = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=np.arange(50))])
    for content, hdu, why in (
        (written(fits.PrimaryHDU()), 0, "no image"),
        (written(fits.PrimaryHDU(np.arange(10.0))), 0, "no image"),
        (written(fits.PrimaryHDU(), table), 1, "no image"),
        (written(fits.PrimaryHDU(np.full((5, 5), np.nan))), 0, "blank"),
        (fits_bytes((50, 50))[:2880], 0, "ends before"),
        (fits_bytes((50, 50)), 3, "not in the file"),
    ):
        with pytest.raises(pictures.NoPictureError, match=why):
            drawn(content, tmp_path, hdu)


def test_a_cut_frame_shows_what_is_there(tmp_path: Path) -> None:
    content = written(fits.PrimaryHDU(sky(100, 100).astype("f4")))
    picture = drawn(content[: 2880 + 20_001], tmp_path)
    assert picture[: len(picture) // 2 - 8].max() < 10
    assert picture[len(picture) // 2 + 8 :].mean() > 40


def test_a_huge_image_is_sampled(tmp_path: Path) -> None:
    """Four gigabytes, most of them a hole in the file; the process may take half of one."""
    header = fits.Header(
        [("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 2), ("NAXIS1", 32_768), ("NAXIS2", 32_768)]
    )
    path = tmp_path / "huge.fits"
    with path.open("wb") as file:
        file.write(header.tostring().encode())
        start = file.tell()
        file.write(np.full((128, 32_768), 100, ">f4").tobytes())
        file.truncate(start + 4 * 32_768**2)
    order = {"hdus": [0], "packing": None, "limit": 0, "scratch": str(tmp_path)}
    command = [sys.executable, "-m", pictures.__name__, json.dumps(order)]
    limited = "import resource, subprocess, sys\n"
    limited += "code = subprocess.call(sys.argv[1:])\n"
    limited += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)\n"
    limited += "sys.exit(code)"
    with path.open("rb") as file:
        done = subprocess.run(
            [sys.executable, "-c", limited, *command], stdin=file, capture_output=True, check=True
        )
    assert "large" in json.loads(done.stdout)
    unit = 1024 if sys.platform == "linux" else 1
    assert int(done.stderr.split()[-1]) * unit < 200 << 20


# Over HTTP


Upload = Callable[[bytes], str]


@pytest.fixture
def ann(user: Callable[[str], dict[str, str]]) -> dict[str, str]:
    return user("ann")


@pytest.fixture
def upload(http: Http, ann: dict[str, str]) -> Upload:
    """Upload a file; returns its address."""
    uuid = http.post("/datasets/", json={"name": "pictures"}, headers=ann).json()["uuid"]

    def send(content: bytes) -> str:
        part = {"file": (os.urandom(4).hex(), content)}
        made = http.post(f"/datasets/{uuid}/fitsfiles/", files=part, headers=ann)
        assert made.status_code == 201, made.text
        return f"/datasets/{uuid}/fitsfiles/{made.json()['pk']}/"

    return send


def test_a_picture_is_drawn_once(
    http: Http, ann: dict[str, str], upload: Upload, monkeypatch: Any
) -> None:
    address = upload(fits_bytes((30, 40))) + "preview/0/"
    first = http.get(address, headers=ann)
    assert first.status_code == 200
    assert first.headers["content-type"] == "image/webp"
    assert first.headers["cache-control"] == "private, no-cache"
    monkeypatch.setattr(previews, "_drawn", None)
    again = http.get(address, headers=ann)
    assert again.content == first.content
    small = http.get(address, params={"size": "small"}, headers=ann)
    assert small.headers["etag"] != first.headers["etag"]
    assert len(small.content) < len(first.content)
    known = http.get(address, headers=ann | {"If-None-Match": first.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    stranger = http.get(address, headers={"If-None-Match": first.headers["etag"]})
    assert stranger.status_code == 404


def test_losing_pictures_is_harmless(http: Http, ann: dict[str, str], upload: Upload) -> None:
    address = upload(fits_bytes((30, 40))) + "preview/0/"
    first = http.get(address, headers=ann).content
    for path in (http.inside.settings.home / "previews").glob("??/*"):
        path.unlink()
    assert http.get(address, headers=ann).content == first


def test_packed_frames_have_pictures(http: Http, ann: dict[str, str], upload: Upload) -> None:
    many = written(
        fits.PrimaryHDU(), *[fits.ImageHDU(sky() + n) for n in range(3)],
        fits.CompImageHDU(sky().astype("i2")),
    )  # fmt: skip
    address = upload(gzip.compress(many))
    assert http.get(address + "preview/2/", headers=ann).status_code == 200
    # It was unpacked once for all of them.
    kept = list((http.inside.settings.home / "previews").glob("??/*"))
    assert len(kept) == len(pictures.PAGES) * 4
    for hdu in (1, 3, 4):
        assert http.get(f"{address}preview/{hdu}/", headers=ann).status_code == 200
    lzw = upload((ASTROPY_FRAMES / "lzw.fits.Z").read_bytes())
    assert http.get(lzw + "preview/0/", headers=ann).status_code == 200


def test_images_that_claim_terabytes(http: Http, ann: dict[str, str], upload: Upload) -> None:
    """What is there is shown, and what is not is told: none of it is made room for."""
    hdu = fits.PrimaryHDU(sky()[:20, :50].astype("i2"))
    hdu.header.update({
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 83.0, "CRVAL2": 10.0,
        "CRPIX1": 1.0, "CRPIX2": 1.0, "CDELT1": -1e-6, "CDELT2": 1e-9,
    })  # fmt: skip
    plain = written(hdu)
    wide = plain.replace(b"=                   50", b"=              1000000")
    high = plain.replace(b"=                   20", b"=          20000000000")
    wide = wide.replace(b"=                   20", b"=              1000000")
    for content, status in ((wide, 404), (high, 200)):
        address = upload(content)
        told = http.get(address, headers=ann).json()
        assert "2000000000000 bytes are there" in told["problems"][0]
        picture = http.get(f"{address}preview/0/", headers=ann)
        assert picture.status_code == status
        for where in ("83.0,10.0,1arcsec", "83.0,10.0,60deg", "82.9,10.0,1arcmin"):
            cut = http.get(f"{address}download/", params={"cutout": where}, headers=ann)
            assert cut.status_code in (200, 400, 404, 413)
            assert cut.status_code == 200 or cut.json()["detail"]
    assert (
        "ends before its first row"
        in http.get(f"{upload(wide)}preview/0/", headers=ann).json()["detail"]
    )


def test_a_page_names_the_images_that_it_does_not_show(
    http: Http, ann: dict[str, str], upload: Upload
) -> None:
    images = [fits.ImageHDU(sky()[:20, :20], name=f"CCD{n}") for n in range(1, 15)]
    address = upload(written(fits.PrimaryHDU(), *images))
    page = http.get(address, headers=ann | {"Accept": "text/html"}).text
    assert "Preview of HDU 12, CCD12" in page
    assert "Preview of HDU 13" not in page
    assert 'preview/14/">HDU 14 · CCD14</a>' in page


def test_what_cannot_be_drawn_is_told(http: Http, ann: dict[str, str], upload: Upload) -> None:
    cut = upload(fits_bytes((50, 50))[:2880])
    tiles = written(fits.PrimaryHDU(), fits.CompImageHDU(sky().astype("i2")))
    broken = upload(tiles[:-2880] + b"\xff" * 2880)
    large = tiles.replace(b"ZTILE1  =                   60", b"ZTILE1  =           2000000000")
    for address in (cut + "preview/0/", broken + "preview/1/", upload(large) + "preview/1/"):
        for _ in range(2):  # the reason is kept
            answer = http.get(address, headers=ann)
            assert answer.status_code == 404, address
            assert answer.json()["code"] == "not_found"
            assert "HDU" in answer.json()["detail"]
        assert http.get(address.partition("preview")[0], headers=ann).json()["previews"] == []
    assert "tiles that are too large" in answer.json()["detail"]
    for number in ("1", "-1", "x", "99999999999", "٣"):
        assert http.get(f"{cut}preview/{number}/", headers=ann).status_code == 404


def test_a_crash_is_kept_as_a_reason_and_a_failure_is_not(
    http: Http, ann: dict[str, str], upload: Upload, monkeypatch: Any
) -> None:
    tries: list[str] = []
    address = upload(fits_bytes()) + "preview/0/"
    monkeypatch.setattr(previews, "_drawn", lambda *_: tries.append("once") or ([], 1))
    for _ in range(2):
        assert http.get(address, headers=ann).status_code == 404
    assert len(tries) == 2
    monkeypatch.setattr(previews, "_drawn", lambda *_: tries.append("more") or ([], -11))
    for _ in range(2):
        assert http.get(address, headers=ann).status_code == 404
    assert len(tries) == 3


def test_a_full_disk_means_not_kept(
    http: Http, ann: dict[str, str], upload: Upload, monkeypatch: Any
) -> None:
    address = upload(fits_bytes((30, 40))) + "preview/0/"

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(remade.os, "replace", full)
        assert http.get(address, headers=ann).status_code == 200
    assert not list((http.inside.settings.home / "previews").glob("??/*"))
    assert http.get(address, headers=ann).status_code == 200


def test_several_at_once(http: Http, ann: dict[str, str], upload: Upload) -> None:
    address = upload(written(fits.PrimaryHDU(sky()), *[fits.ImageHDU(sky())] * 3))
    answers: list[int] = []

    def ask(hdu: int) -> None:
        answers.append(http.get(f"{address}preview/{hdu}/", headers=ann).status_code)

    threads = [threading.Thread(target=ask, args=(n % 4,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 12


def test_pictures_go_with_their_bytes(
    http: Http, ann: dict[str, str], upload: Upload, monkeypatch: Any
) -> None:
    backend: Backend = http.inside
    here, gone = (upload(fits_bytes((9, n))) + "preview/0/" for n in (9, 10))
    for address in (here, gone):
        assert http.get(address, headers=ann).status_code == 200
    top = backend.settings.home / "previews"
    assert len(list(top.glob("??/*"))) == 2 * len(pictures.PAGES)
    sha256 = http.get(gone.removesuffix("preview/0/"), headers=ann).json()["sha256"]
    backend.store.delete(sha256)
    left = next(top.glob("??")) / "new-left"
    left.touch()
    os.utime(left, (0, 0))
    sweep(backend)
    kept = [path.name for path in top.glob("??/*")]
    assert len(kept) == len(pictures.PAGES)
    assert not any(name.startswith((sha256, "new-")) for name in kept)
    monkeypatch.setattr(previews, "RECIPE", "r0")
    assert previews.sweep(backend) == len(pictures.PAGES)


def test_tiny_pictures_are_for_lists(http: Http, ann: dict[str, str], upload: Upload) -> None:
    address = upload(fits_bytes((60, 80))) + "preview/0/?size=tiny"
    answer = http.get(address, headers=ann)
    assert answer.headers["content-type"] == "image/webp"
    assert len(answer.content) <= pictures.HEAVIEST["tiny"]
    page = http.get("/fitsfiles/", headers=ann | {"Accept": "text/html"}).text
    assert address.partition("/datasets/")[2].replace("/0/", "/first/") in page
    # What cannot be drawn leaves a gap, and is no error of the page.
    cut = upload(fits_bytes((60, 80), OBJECT="cut")[:2880]) + "preview/0/"
    for _ in range(2):
        gap = http.get(cut + "?size=tiny", headers=ann)
        assert (gap.status_code, gap.headers["content-type"]) == (200, "image/svg+xml")
        assert "<svg" in gap.text
        assert len(gap.text) < 100
    assert http.get(cut, headers=ann).status_code == 404
    assert http.get(cut.replace("/0/", "/9/") + "?size=tiny", headers=ann).status_code == 404


def test_larger_ones_for_those_who_want_to_see_more(
    http: Http, ann: dict[str, str], upload: Upload
) -> None:
    image = np.arange(700 * 900, dtype="f4").reshape(700, 900)
    address = upload(written(fits.PrimaryHDU(image))) + "preview/0/"
    for asked, kind in (({"size": "full"}, "WEBP"), ({"format": "png"}, "PNG")):
        answer = http.get(address, params=asked, headers=ann)
        assert answer.headers["content-type"] == f"image/{kind.lower()}"
        with Image.open(io.BytesIO(answer.content)) as picture:
            assert (picture.format, picture.size) == (kind, (900, 700))
    with Image.open(io.BytesIO(answer.content)) as picture:  # lossless: the very greys
        shown = np.asarray(picture)[::-1]
        assert (shown == pictures.stretched(image.astype(float))).all()
    page = http.get(address.partition("preview")[0], headers=ann | {"Accept": "text/html"}).text
    assert f'href="{address}?size=full"' in page
    first = http.get(address.replace("/0/", "/first/"), headers=ann)
    assert first.content == http.get(address, headers=ann).content
    rows = np.arange(40, dtype="u1")[:, None] + np.zeros((1, 5000), "u1")
    huge = upload(written(fits.PrimaryHDU(rows)))
    wide = http.get(huge + "preview/0/?size=full", headers=ann)
    assert wide.status_code == 200, wide.text
    with Image.open(io.BytesIO(wide.content)) as picture:
        assert picture.width == pictures.LONGEST["full"]


class TestNorthIsUp:
    """Where the WCS tells: a bright corner comes to lie where it is on the sky."""

    def cards(self, turned: float, *, mirrored: bool = False) -> dict[str, Any]:
        """Return the WCS of an image whose north is so many degrees left of up."""
        angle, hand = np.radians(turned), 1 if mirrored else -1
        return {
            "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 83.0, "CRVAL2": 10.0,
            "CRPIX1": 50.5, "CRPIX2": 30.5, "CD1_1": hand * 1e-3 * np.cos(angle),
            "CD1_2": hand * 1e-3 * np.sin(angle), "CD2_1": -1e-3 * np.sin(angle),
            "CD2_2": 1e-3 * np.cos(angle),
        }  # fmt: skip

    @pytest.mark.parametrize("mirrored", [False, True])
    @pytest.mark.parametrize("turned", [0, 20, 90, 135, 180, 270, 301.5])
    def test_stars_lie_where_they_are_on_the_sky(self, turned: float, mirrored: bool) -> None:
        from astropy.coordinates import SkyCoord
        from astropy.wcs import WCS

        cards = self.cards(turned, mirrored=mirrored)
        wcs = WCS(cards)
        data = np.random.default_rng(1).normal(0, 1, (60, 100)).astype("f4")
        x, y = 20, 45
        data[y - 3 : y + 4, x - 3 : x + 4] = 1000
        star, middle = (wcs.pixel_to_world(*at) for at in ((x, y), (49.5, 29.5)))
        hdu = fits.PrimaryHDU(data)
        hdu.header.update(cards)
        content = written(hdu)
        drawn = pictures.draw(io.BytesIO(content), len(content), 0)["large"]
        picture = np.asarray(Image.open(io.BytesIO(drawn)).convert("L")).astype(float)
        how = orientation(cards)
        assert how is not None
        assert picture.shape == pictures.layout(100, 60, "large", how)[::-1]
        rows, columns = np.nonzero(picture > 200)
        up = picture.shape[0] / 2 - rows.mean()
        left = picture.shape[1] / 2 - columns.mean()
        east, north = (angle.deg for angle in middle.spherical_offsets_to(star))
        assert np.degrees(np.arctan2(left, up)) == pytest.approx(
            np.degrees(np.arctan2(east, north)), abs=3
        )
        assert isinstance(star, SkyCoord)

    @pytest.mark.parametrize(
        ("cards", "turn"),
        [
            ({"CDELT1": -1e-3, "CDELT2": 1e-3}, 0), ({"CDELT1": -1e-3, "CDELT2": 1e-3, "CROTA2": 30.0}, 30),
            ({"CDELT1": -1e-3, "CDELT2": 1e-3, "PC1_1": 0.0, "PC1_2": -1.0, "PC2_1": 1.0, "PC2_2": 0.0}, 90),
            ({"CDELT1": 1e-3, "CDELT2": -1e-3}, 180),
        ],
    )  # fmt: skip
    def test_ways_to_say_it(self, cards: dict[str, Any], turn: float) -> None:
        how = orientation({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", **cards})
        assert how is not None
        assert (how.mirrored, how.told) == (False, "north up, east left")
        assert abs(how.turn_deg) == pytest.approx(turn, abs=1e-9)

    @pytest.mark.parametrize(
        ("kind", "told"),
        [
            (("GLON-CAR", "GLAT-CAR"), "galactic north up, galactic east left"),
            (("GLAT-TAN", "GLON-TAN"), "galactic north up, galactic east left"),
            (("ELON-AIT", "ELAT-AIT"), "ecliptic north up, ecliptic east left"),
        ],
    )
    def test_whose_north_it_is(self, kind: tuple[str, str], told: str) -> None:
        how = orientation({"CTYPE1": kind[0], "CTYPE2": kind[1], "CDELT1": -1.0, "CDELT2": 1.0})
        assert how is not None
        assert how.told == told

    @pytest.mark.parametrize(
        "cards",
        [
            {}, {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"}, {"CTYPE1": "PIXEL", "CTYPE2": "PIXEL"},
            {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CD1_1": "x", "CD2_2": 1e400, "CD1_2": 1.0},
            {"CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN", "CDELT1": 1.0, "CDELT2": 1.0},
            {"CTYPE1": "VELO", "CTYPE2": "DEC--TAN", "CDELT1": 1.0, "CDELT2": 1.0},
        ],
    )  # fmt: skip
    def test_what_does_not_tell(self, cards: dict[str, Any]) -> None:
        assert orientation(cards) is None


def test_limits_are_those_of_astropy() -> None:
    from astropy.visualization import AsinhStretch, ZScaleInterval

    dice = np.random.default_rng(3)
    for n in (1, 2, 5, 17, 999, 1000, 5000, 12_345):
        for values in (
            dice.normal(100, 5, n), dice.exponential(3, n), np.full(n, 7.0),
            dice.integers(0, 3, n).astype(float),
            np.concatenate([dice.normal(0, 1, n), dice.normal(1e4, 1e3, n // 50)]),
        ):  # fmt: skip
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = ZScaleInterval().get_limits(values)
            assert zscale(values) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    shares = np.linspace(0, 1, 50)
    assert asinh(shares, 0.5) == pytest.approx(AsinhStretch(0.5)(shares))
