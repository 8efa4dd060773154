"""Cutouts: the pixels of the image, and a WCS that still says where they are."""

from __future__ import annotations

import bz2
import gzip
import io
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.coordinates import TETE, SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from arcsecond.client.api import ArcsecondAPI
from arcsecond.client.frames import BLOCK
from arcsecond.errors import InvalidInputError, NotFoundError
from arcsecond.server.archive import cutting
from tests.conftest import ASTROPY_FRAMES, SHARED, Command, Http
from tests.test_footprints import sky, swapped

pytestmark = pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyWarning")

Headers = dict[str, str]
IMAGE = np.arange(40 * 60, dtype="i2").reshape(40, 60)


def written(*hdus: Any) -> bytes:
    buffer = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(buffer, output_verify="silentfix")
    return buffer.getvalue()


def with_wcs(hdu: Any, **more: Any) -> Any:
    hdu.header.update(sky(83.8, -5.4, 0.5, 20) | more)
    return hdu


_TURNED = SkyCoord(83.8, -5.4, unit="deg").barycentricmeanecliptic
ON_ECLIPTIC = _TURNED.lon.deg, _TURNED.lat.deg
PLAIN = written(with_wcs(fits.PrimaryHDU(IMAGE), LTV1=10.0, CRPIX1A=7.0, CTYPE1A="X"))
EXTENSION = written(
    fits.PrimaryHDU(header=fits.Header({"OBJECT": "M 42"})),
    fits.ImageHDU(IMAGE, name="FAR"),
    with_wcs(fits.ImageHDU(IMAGE.astype("f4"), name="SCI")),
)
TILED = written(
    fits.PrimaryHDU(), with_wcs(fits.CompImageHDU(IMAGE.astype("i2"), compression_type="RICE_1"))
)
CUBE = written(with_wcs(fits.PrimaryHDU(np.stack([IMAGE, IMAGE + 1, IMAGE + 2]))))
SWAPPED = written(with_wcs(fits.PrimaryHDU(IMAGE), **swapped(sky(83.8, -5.4, 0.5, 20))))
ECLIPTIC = written(
    with_wcs(
        fits.PrimaryHDU(IMAGE),
        **sky(*ON_ECLIPTIC, 0.5, 20) | {"CTYPE1": "ELON-TAN", "CTYPE2": "ELAT-TAN"},
    )
)
SCALED = written(with_wcs(fits.PrimaryHDU(IMAGE.astype("u2") + 40_000)))


@pytest.fixture
def ann(http: Http, user: Callable[[str], Headers]) -> Headers:
    return user("ann")


@pytest.fixture
def get(http: Http, ann: Headers) -> Callable[..., Any]:
    """Upload a frame, and ask for a part of it."""

    def ask(content: bytes, name: str = "frame.fits", **asked: str) -> Any:
        made = http.post("/datasets/", json={"name": "d"}, headers=ann).json()["uuid"]
        part = {"file": (name, content)}
        pk = http.post(f"/datasets/{made}/fitsfiles/", files=part, headers=ann).json()["pk"]
        path = f"/datasets/{made}/fitsfiles/{pk}/download/"
        return http.get(path, params=asked, headers=ann)

    return ask


def same_sky(whole: Any, part: Any) -> None:
    """Every pixel of the part lies where it did, and has the value that it had."""
    before, after = WCS(whole.header).celestial, WCS(part.header).celestial
    height, width = part.shape[-2:]
    y, x = np.mgrid[:height, :width]
    there = before.world_to_pixel(after.pixel_to_world(x, y))
    at_x, at_y = (np.rint(one).astype(int) for one in there)
    assert np.abs(there[0] - at_x).max() < 1e-3
    assert np.abs(there[1] - at_y).max() < 1e-3
    assert np.array_equal(part.data, whole.data[..., at_y, at_x], equal_nan=True)


@pytest.mark.parametrize(
    ("content", "index"),
    [(PLAIN, 0), (EXTENSION, 2), (TILED, 1), (CUBE, 0), (SWAPPED, 0), (ECLIPTIC, 0), (SCALED, 0)],
    ids=["plain", "extension", "tiled", "cube", "swapped", "ecliptic", "scaled"],
)
def test_pixels_and_wcs(content: bytes, index: int, get: Callable[..., Any]) -> None:
    answer = get(content, cutout="83.85,-5.38,0.1deg")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/fits"
    assert 'filename="frame_cutout.fits"' in answer.headers["content-disposition"]
    with fits.open(io.BytesIO(content)) as whole, fits.open(io.BytesIO(answer.content)) as part:
        cut = part[min(index, 1)]
        assert 11 <= cut.shape[-1] <= 13
        assert 11 <= cut.shape[-2] <= 13
        same_sky(whole[index], cut)
        middle = (n / 2 - 0.5 for n in cut.shape[:-3:-1])
        there = WCS(cut.header).celestial.pixel_to_world(*middle)
        if content is ECLIPTIC:  # which astropy takes for ICRS
            there = SkyCoord(there.ra, there.dec, frame="barycentricmeanecliptic").icrs
        assert there.separation(SkyCoord(83.85, -5.38, unit="deg")).deg < 0.5 / 60
        assert "Cut out of HDU" in str(cut.header["HISTORY"])
        if index == 2:
            assert part[0].header["OBJECT"] == "M 42"
        if content is PLAIN:
            moved = whole[0].header["CRPIX1"] - cut.header["CRPIX1"]
            assert moved > 0
            assert cut.header["LTV1"] == 10 - moved
            assert cut.header["CRPIX1A"] == 7 - moved


def test_an_apparent_place_is_one_of_its_moment(get: Callable[..., Any]) -> None:
    """The time stands in the primary header, the image in an extension."""
    frame = written(
        fits.PrimaryHDU(header=fits.Header({"DATE-OBS": "2024-03-01T00:00:00"})),
        with_wcs(fits.ImageHDU(IMAGE), RADESYS="GAPPT"),
    )
    there = SkyCoord(83.8, -5.4, unit="deg", frame=TETE(obstime="2024-03-01T00:00:00")).icrs
    answer = get(frame, cutout=f"{there.ra.deg},{there.dec.deg},0.1deg")
    assert answer.status_code == 200, answer.text
    with fits.open(io.BytesIO(answer.content)) as part:
        x, y = (n / 2 - 0.5 for n in part[1].shape[::-1])
        found = WCS(part[1].header).pixel_to_world_values(x, y)
        assert np.allclose(found, (83.8, -5.4), atol=0.5 / 60)


def test_it_ends_where_the_image_does(get: Callable[..., Any]) -> None:
    answer = get(PLAIN, cutout="83.8,-5.4,5deg")
    with fits.open(io.BytesIO(answer.content)) as part:
        assert part[0].shape == IMAGE.shape
        assert np.array_equal(part[0].data, IMAGE)
    corner = WCS(fits.Header.fromstring(PLAIN[:2880].decode())).pixel_to_world(0, 0)
    answer = get(PLAIN, cutout=f"{corner.ra.deg},{corner.dec.deg},0.1deg")
    with fits.open(io.BytesIO(answer.content)) as part:
        assert part[0].data[0, 0] == IMAGE[0, 0]


def test_what_shows_the_sun_is_passed_over(get: Callable[..., Any]) -> None:
    solar = {"CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN", "CUNIT1": "arcsec", "CUNIT2": "arcsec",
             "CDELT1": 0.6, "CDELT2": 0.6, "CRPIX1": 30.5, "CRPIX2": 20.5, "CRVAL1": 0.0,
             "CRVAL2": 0.0, "DATE-OBS": "2011-08-11T10:00:00"}  # fmt: skip
    sun = fits.PrimaryHDU(IMAGE.astype("f4"))
    sun.header.update(solar)
    refused = get(written(sun), "sun.fits", cutout="83.8,-5.4,1arcmin")
    assert refused.status_code == 404
    assert refused.json()["detail"] == "No cutout: sun.fits shows nothing of that position."
    both = written(sun, with_wcs(fits.ImageHDU(IMAGE.astype("f4"), name="SCI")))
    answer = get(both, "both.fits", cutout="83.8,-5.4,1arcmin")
    with fits.open(io.BytesIO(answer.content)) as part:
        assert part[1].header["EXTNAME"] == "SCI"


def test_names_and_packed_frames(get: Callable[..., Any]) -> None:
    import gzip

    assert get(gzip.compress(PLAIN), "frame.fits.gz", cutout="M 42,1arcmin").status_code == 200


@pytest.mark.parametrize(
    ("asked", "status", "told"),
    [
        ({"cutout": "10,20,0.1deg"}, 404, "shows nothing"),
        ({"cutout": "263.8,5.4,0.1deg"}, 404, "shows nothing"),  # the other side of the sky
        ({"cutout": "83.8,-5.4,0.1deg", "hdu": "7"}, 404, "no such HDU"),
        ({"cutout": "83.8,-5.4"}, 400, "no cutout"), ({"cutout": "x"}, 400, "no cutout"),
        ({"cutout": "83.8,-5.4,-1"}, 400, "no cutout"), ({"cutout": "83.8,-5.4,nan"}, 400, "no cutout"),
        ({"cutout": "83.8,-5.4,90deg"}, 400, "30 degrees at most"), ({"cutout": ",1"}, 400, "no cutout"),
        ({"cutout": "nowhere at all,1"}, 404, "not found"), ({"cutout": "999,0,1"}, 400, "RA"),
        ({"cutout": "83.8,-5.4,0.1deg", "hdu": "x"}, 400, "no number"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_cannot_be_cut(
    asked: dict[str, str], status: int, told: str, get: Callable[..., Any]
) -> None:
    answer = get(PLAIN, **asked)
    assert answer.status_code == status, answer.text
    assert told in answer.text


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_strangers_get_none(http: Http, ann: Headers, get: Callable[..., Any]) -> None:
    path = get(PLAIN, cutout="83.8,-5.4,0.1deg").request.url.path
    assert http.get(path, params={"cutout": "83.8,-5.4,0.1deg"}).status_code == 404


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_is_cut_short_or_damaged(get: Callable[..., Any]) -> None:
    answer = get(PLAIN[:5000], cutout="83.8,-5.4,0.1deg")
    assert answer.status_code == 404
    problem = "frame.fits ends before these pixels, or they are damaged."
    assert answer.json()["detail"] == f"No cutout: {problem}"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_lies_behind_an_image_is_not_read(get: Callable[..., Any]) -> None:
    bomb = gzip.compress(PLAIN + bytes(300_000_000), 1)
    answer = get(bomb, "frame.fits.gz", cutout="83.8,-5.4,0.1deg")
    assert answer.status_code == 200, answer.text
    plain = get(PLAIN, cutout="83.8,-5.4,0.1deg")
    first, other = (fits.getdata(io.BytesIO(one.content)) for one in (answer, plain))
    assert np.array_equal(first, other)


def test_tables_of_corrections_go_along(tmp_path: Path) -> None:
    """A frame of Hubble's, whose detector is bent: by astropy's own WCS, before and after."""
    path = ASTROPY_FRAMES.parents[3] / "wcs" / "tests" / "data" / "dist_lookup.fits.gz"
    with fits.open(path) as given:
        given.writeto(tmp_path / "whole.fits")
    whole = tmp_path / "whole.fits"
    with fits.open(whole) as hdus:
        before = WCS(hdus[1].header, hdus)
        length_x, length_y = hdus[1].shape[::-1]
        at = before.celestial.pixel_to_world(length_x / 2, length_y / 2)
    order = {
        "ra_deg": at.ra.deg, "dec_deg": at.dec.deg, "size_deg": 1e-5, "hdu": 1,
        "out": str(tmp_path / "part.fits"), "name": "whole.fits", "sha256": "0" * 64,
    }  # fmt: skip
    with whole.open("rb") as file:
        assert cutting.cut(file.fileno(), order) == 1
    with fits.open(whole) as one, fits.open(tmp_path / "part.fits") as other:
        before, after = WCS(one[1].header, one), WCS(other[1].header, other)
        moved = one[1].header["CRPIX1"] - other[1].header["CRPIX1"]
        up = one[1].header["CRPIX2"] - other[1].header["CRPIX2"]
        expected = before.all_pix2world([[moved + 0.3, up + 0.2]], 0)
        assert np.allclose(after.all_pix2world([[0.3, 0.2]], 0), expected, atol=1e-9)


@pytest.mark.skipif(not SHARED.exists(), reason="shared data are not here")
@pytest.mark.parametrize(
    ("name", "index", "place"),
    [
        ("imagers/HorseHead.fits", 0, (85.27, -2.46)),  # its plate solution counts, not CRPIX
        ("compressed/panoptes_solved.fits.fz", 1, (303.2, 46.0)),
        ("cubes/l1448_13co.fits", 0, (51.33, 30.63)),
        ("imagers/spitzer_irac_glimpse.fits", 0, (275.83, -12.96)),
    ],
)
def test_real_frames(name: str, index: int, place: tuple[float, float], tmp_path: Path) -> None:
    out = tmp_path / "part.fits"
    order = {
        "ra_deg": place[0], "dec_deg": place[1], "size_deg": 0.04, "hdu": None, "out": str(out),
        "name": name, "sha256": "0" * 64,
    }  # fmt: skip
    with (SHARED / "fits" / name).open("rb") as file:
        assert cutting.cut(file.fileno(), order) == index
    with fits.open(SHARED / "fits" / name) as whole, fits.open(out) as part:
        same_sky(whole[index], part[min(index, 1)])


class TestFaces:
    """The command and the module, embedded and remote."""

    @pytest.fixture
    def dataset(self, api: ArcsecondAPI, tmp_path: Path) -> str:
        made = str(api.datasets.create(name="d")["uuid"])
        (tmp_path / "frame.fits").write_bytes(PLAIN)
        assert api.datasets(made).upload(tmp_path / "frame.fits").ok
        return made

    def test_the_command(
        self, arcsecond: Command, dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        words = ("fitsfiles", dataset, "read", "frame.fits")
        done = arcsecond(*words, "--cutout", "83.8,-5.4,3arcmin")
        assert done.status == 0, done.err
        with fits.open(tmp_path / "frame_cutout.fits") as part:
            assert part[0].shape == (6, 6)
        assert arcsecond(*words, "--cutout", "83.8,-5.4,3arcmin", "--out", "x.fits").status == 0
        assert arcsecond(*words, "--out", "x.webp").status == 0
        assert (tmp_path / "x.webp").read_bytes().startswith(b"RIFF")
        for wrong in (("--out", "x.jpg"), ("--cutout", "x"), ("--out", "a/b/x.webp")):
            assert arcsecond(*words, *wrong).status in (1, 2)
        assert arcsecond("fitsfiles", dataset, "--cutout", "83.8,-5.4,1").status == 2
        missing = arcsecond(*words, "--cutout", "1,2,1arcmin")
        assert missing.status == 1
        assert "shows nothing" in missing.err

    def test_the_module(self, api: ArcsecondAPI, dataset: str) -> None:
        (file,) = api.fitsfiles.search()
        for frames, key in (
            (api.fitsfiles, file["pk"]),
            (api.datasets(dataset).fitsfiles, "frame.fits"),
        ):
            with frames.cutout(key, (83.8, -5.4), "3arcmin") as part:
                assert part[0].shape == (6, 6)
            picture = frames.preview(key)
            assert "data:image/webp;base64," in picture._repr_html_()
            with frames.open(key) as hdus:
                assert np.array_equal(hdus[0].data, IMAGE)
        with pytest.raises(NotFoundError):
            api.fitsfiles.cutout(file["pk"], (1, 2), 0.1)
        with pytest.raises(NotFoundError):
            api.fitsfiles.preview(file["pk"], 3)
        with pytest.raises(InvalidInputError):
            api.fitsfiles.cutout(file["pk"], "", 0.1)

    def test_every_image_and_table_by_number_or_name(
        self, arcsecond: Command, api: ArcsecondAPI, tmp_path: Path
    ) -> None:
        """Also those beyond the dozen that are listed."""
        planes = [fits.ImageHDU(np.arange(64.0).reshape(8, 8), name=f"P{n}") for n in range(1, 16)]
        columns = [
            fits.Column("MAG", "E", "mag", array=np.array([3.5, np.nan])),
            fits.Column("NAME", "4A", array=np.array(["M 31", "M 33"])),
        ]
        table = fits.BinTableHDU.from_columns(columns, name="STARS")
        (tmp_path / "many.fits").write_bytes(written(fits.PrimaryHDU(), *planes, table))
        dataset = api.datasets.create(name="many")["uuid"]
        assert api.datasets(dataset).upload(tmp_path / "many.fits").ok
        frames = api.datasets(dataset).fitsfiles
        assert len(frames.read("many.fits")["previews"]) == 12
        for hdu in (15, "p15"):
            assert frames.preview("many.fits", hdu).content.startswith(b"RIFF")
        with pytest.raises(NotFoundError, match="no HDU 'p99'"):
            frames.preview("many.fits", "p99")
        for hdu in (None, 16, "stars"):
            rows = frames.rows("many.fits", hdu)
            assert (rows["MAG"][0], str(rows["MAG"].unit)) == (3.5, "mag")
            assert rows["MAG"].mask.tolist() == [False, True]
            assert rows["NAME"].tolist() == ["M 31", "M 33"]
        with pytest.raises(NotFoundError):
            frames.rows("many.fits", 1)
        words = ("fitsfiles", "many", "read", "many.fits")
        for more in ((), ("--hdu", "STARS"), ("--json",)):
            told = arcsecond(*words, "--rows", *more).json
            assert told["rows"] == [[3.5, "M 31"], [None, "M 33"]]
        picture = tmp_path / "p15.webp"
        assert arcsecond(*words, "--hdu", "P15", "--out", str(picture)).status == 0
        assert picture.read_bytes().startswith(b"RIFF")
        for wrong in (("--rows", "--header"), ("--rows", "--keyword", "EXTNAME")):
            assert arcsecond(*words, *wrong).status == 2
        assert arcsecond(*words, "--rows", "--hdu", "1").status == 1

    def test_only_what_is_looked_at_is_fetched(self, api: ArcsecondAPI, tmp_path: Path) -> None:
        planes = [fits.ImageHDU(np.full((500, 1000), n, "i4"), name=f"P{n}") for n in range(8)]
        content = written(fits.PrimaryHDU(), *planes)
        (tmp_path / "large.fits").write_bytes(content)
        dataset = api.datasets.create(name="large")["uuid"]
        api.datasets(dataset).upload(tmp_path / "large.fits")
        with api.datasets(dataset).fitsfiles.open("large.fits") as hdus:
            remote = hdus._file._file.raw
            assert hdus[0].header["NAXIS"] == 0
            assert remote.fetched < len(content) / 4
            assert np.array_equal(hdus["P6"].section[3:5, 7:9], np.full((2, 2), 6))
            assert hdus[3].header["EXTNAME"] == "P2"
            assert remote.fetched < len(content) / 4
            before = remote.fetched
            assert np.array_equal(hdus["P6"].section[100:120, 7:9], np.full((20, 2), 6))
            assert remote.fetched - before < 5 * BLOCK  # each of 4,000 bytes a row
            assert (hdus["P7"].data == 7).all()

    def test_what_is_packed_as_a_whole_is_unpacked(
        self, api: ArcsecondAPI, dataset: str, tmp_path: Path
    ) -> None:
        content = written(fits.PrimaryHDU(IMAGE))
        packed = {"a.fits.gz": gzip.compress(content), "a.bz2": bz2.compress(content)}
        with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.fits", content)
        packed["a.zip"] = (tmp_path / "a.zip").read_bytes()
        packed["a.fits.Z"] = (ASTROPY_FRAMES / "lzw.fits.Z").read_bytes()
        packed["cut.gz"] = packed["a.fits.gz"][:-20]
        for name, data in packed.items():
            (tmp_path / name).write_bytes(data)
        assert api.datasets(dataset).upload([tmp_path / name for name in packed]).ok
        frames = api.datasets(dataset).fitsfiles
        for name in ("a.fits.gz", "a.bz2", "a.zip"):
            with frames.open(name) as hdus:
                assert np.array_equal(hdus[0].data, IMAGE)
        with frames.open("a.fits.Z") as hdus:
            assert hdus[0].header["SIMPLE"]
        with (
            pytest.warns(UserWarning, match="gzip stream is damaged"),
            frames.open("cut.gz") as hdus,
        ):
            assert hdus[0].header["NAXIS1"] == IMAGE.shape[1]

    def test_a_file_that_is_replaced_meanwhile_stays_what_it_was(
        self, api: ArcsecondAPI, dataset: str, tmp_path: Path
    ) -> None:
        with api.datasets(dataset).fitsfiles.open("frame.fits") as hdus:
            (tmp_path / "frame.fits").write_bytes(SCALED)
            assert api.datasets(dataset).upload(tmp_path / "frame.fits", replace=True).ok
            assert np.array_equal(hdus[0].data, IMAGE)
        with api.datasets(dataset).fitsfiles.open("frame.fits", version=1) as hdus:
            assert np.array_equal(hdus[0].data, IMAGE)
        with api.datasets(dataset).fitsfiles.open("frame.fits") as hdus:
            assert hdus[0].data.max() > 40_000

    def test_what_changes_a_file_is_asked_of_its_dataset(
        self, api: ArcsecondAPI, dataset: str
    ) -> None:
        (file,) = api.fitsfiles.search()
        assert api.fitsfiles.read(file["pk"])["name"] == "frame.fits"
        assert api.fitsfiles.update(file["pk"], name="new.fits")["name"] == "new.fits"
        api.fitsfiles.delete(file["pk"])
        assert list(api.fitsfiles.list()) == []
        with pytest.raises(InvalidInputError, match="name it"):
            api.fitsfiles.create(file="frame.fits")


def test_headers_move() -> None:
    header = fits.Header({"CRVAL1": 3.0, "CDELT1": 1.0, "CNPIX1": 5, "DATASUM": "1"})
    moved = cutting.shifted(header, {1: 4})
    assert moved["CRPIX1"] == -4.0
    assert moved["CNPIX1"] == 9
    assert "DATASUM" not in moved
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cutting.shifted(fits.Header(), {1: 4, 2: 3}) == fits.Header()
