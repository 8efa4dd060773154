"""Footprints of images, and which of them a shape touches: against astropy and points alone."""

from __future__ import annotations

import functools
import itertools
import json
import random
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import TETE, SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from mocpy import MOC

from arcsecond.client.api import ArcsecondAPI
from arcsecond.errors import InvalidInputError
from arcsecond.fits.cards import parse
from arcsecond.fits.walking import RawHdu
from arcsecond.schemas.archive import DatasetChange, Footprint
from arcsecond.server.archive import files
from arcsecond.server.archive.index.areas import CLASSES, farthest_deg, reach_of
from arcsecond.server.archive.ingest import understand
from arcsecond.server.archive.observation import Observation
from arcsecond.server.archive.rules import book
from arcsecond.server.archive.search.asking import search
from arcsecond.server.archive.service import Datasets
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.sphere import Circle, Patch, Polygon, ShapeError, positions, vectors
from tests.conftest import SHARED, Command, add_file, fits_bytes, new_user

WIDTH, HEIGHT = 60, 40


def sky(
    ra: float, dec: float, degrees: float, turned: float = 0.0, kind: str = "TAN"
) -> dict[str, Any]:
    """Return the WCS of an image that is so many degrees wide."""
    step, angle = degrees / WIDTH, np.radians(turned)
    return {
        "CTYPE1": f"RA---{kind}", "CTYPE2": f"DEC--{kind}", "CRVAL1": ra, "CRVAL2": dec,
        "CRPIX1": (WIDTH + 1) / 2, "CRPIX2": (HEIGHT + 1) / 2, "CUNIT1": "deg", "CUNIT2": "deg",
        "CD1_1": -step * np.cos(angle), "CD1_2": step * np.sin(angle),
        "CD2_1": step * np.sin(angle), "CD2_2": step * np.cos(angle),
    }  # fmt: skip


def swapped(cards: dict[str, Any]) -> dict[str, Any]:
    """Return the same with its axes of the world exchanged: declination is the first."""
    other = {"1": "2", "2": "1"}
    names = ("CTYPE", "CRVAL", "CUNIT")
    exchanged = {f"{name}{n}": cards[f"{name}{other[n]}"] for name in names for n in other}
    matrix = {f"CD{n}_{m}": cards[f"CD{other[n]}_{m}"] for n in other for m in other}
    return cards | exchanged | matrix


FRAMES = {
    "plain": sky(83.8, -5.4, 0.5),
    "beside it": sky(84.2, -5.3, 0.3, 30),
    "across zero": sky(0.02, 10, 0.4, 45),
    "at the pole": sky(40, 89.95, 1.0, 12),
    "wide": sky(150, -10, 25, 5),
    "far out of the middle": sky(200, -60, 12, 70, "ZEA"),
    "curved": sky(300, 40, 20, 0, "SFL"),
    "declination first": swapped(sky(50, 30, 0.5, 20)),
    "declination first, mirrored": swapped(sky(120, 30, 0.5)) | {"CD1_2": 0.5 / WIDTH},
    "galactic": sky(50, 30, 0.5) | {"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"},
    "of 1950": sky(50, 30, 0.5) | {"RADESYS": "FK4", "EQUINOX": 1950.0},
    "tiny": sky(83.81, -5.41, 0.001),
}


def wcs_of(cards: dict[str, Any]) -> WCS:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return WCS(cards)


def frame(cards: dict[str, Any]) -> bytes:
    return fits_bytes((HEIGHT, WIDTH), **cards)


def seen(content: bytes) -> Footprint | None:
    return observed(content).footprint


def observed(content: bytes) -> Observation:
    cards = content[: content.index(b"END     ")].decode()
    observation, problem = understand([RawHdu(0, cards, parse(cards))], book())
    assert problem == ""
    return observation


def patches(footprint: Footprint) -> list[Patch]:
    return [Patch(vectors(polygon)) for polygon in footprint.polygons]


def margin(cards: dict[str, Any], ra: float, dec: float) -> float:
    """Return how many pixels a position is inside an image, by astropy; less than 0 outside."""
    there = SkyCoord(ra * units.deg, dec * units.deg)
    wcs = wcs_of(cards)
    middle = wcs.pixel_to_world((WIDTH - 1) / 2, (HEIGHT - 1) / 2).icrs
    if there.separation(middle).deg > 60:
        return -1e9
    x, y = wcs.world_to_pixel(there)
    if not np.isfinite(x + y):
        return -1e9
    return float(min(x + 0.5, WIDTH - 0.5 - x, y + 0.5, HEIGHT - 0.5 - y))


def around(cards: dict[str, Any], count: int = 120) -> list[tuple[float, float]]:
    """Return positions in and around an image."""
    chance = random.Random(7)
    x = np.array([chance.uniform(-15, WIDTH + 15) for _ in range(count)])
    y = np.array([chance.uniform(-15, HEIGHT + 15) for _ in range(count)])
    found = wcs_of(cards).pixel_to_world(x, y).icrs
    return [
        (ra, dec) for ra, dec in zip(found.ra.deg, found.dec.deg, strict=True) if np.isfinite(ra)
    ]


@pytest.mark.parametrize("name", FRAMES)
def test_it_holds_what_the_wcs_shows(name: str) -> None:
    cards = FRAMES[name]
    footprint = seen(frame(cards))
    assert footprint is not None
    whole = patches(footprint)
    moc = MOC.from_string(footprint.moc)
    middle = vectors([(footprint.right_ascension, footprint.declination)])[0]
    inside = 0
    for ra, dec in around(cards):
        by_wcs = margin(cards, ra, dec)
        point = vectors([(ra, dec)])
        holds = any(patch.holds(point)[0] for patch in whole)
        if abs(by_wcs) > 1.01:  # sides are straight to a pixel
            assert holds == (by_wcs > 0), (ra, dec, by_wcs)
        if by_wcs > 1.01:
            inside += 1
            assert moc.contains_skycoords(SkyCoord(ra * units.deg, dec * units.deg))
            assert np.degrees(np.arccos(np.clip(point @ middle, -1, 1)))[0] <= footprint.radius
    assert inside > 20


def test_a_usual_frame_is_one_polygon_and_a_map_of_the_sky_is_all_of_it() -> None:
    plain = seen(frame(FRAMES["plain"]))
    assert plain is not None
    assert len(plain.polygons) == 1
    step = 360 / WIDTH
    cards = sky(0, 0, 360, kind="AIT") | {"CD1_1": -step, "CD2_2": step * 0.75}
    everything = seen(frame(cards))
    assert everything is not None
    assert everything.radius == 180
    assert MOC.from_string(everything.moc).sky_fraction > 0.97


@pytest.mark.parametrize(
    "cards",
    [
        {}, {"RA": 10.0, "DEC": 20.0},
        sky(10, 20, 1) | {"CRVAL1": float("1e300")}, sky(10, 200, 1),
        sky(10, 20, 1) | {"CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN"},
        sky(10, 20, 1) | {"CTYPE1": "RA---XXX", "CTYPE2": "DEC--XXX"},
    ],
)  # fmt: skip
def test_what_shows_no_sky_has_none(cards: dict[str, Any]) -> None:
    assert seen(frame(cards)) is None


WITHOUT = [
    ({"CTYPE1": "RA---XXX", "CTYPE2": "DEC--XXX"}, "CTYPE1", "no WCS that can be read"),
    ({"CTYPE1": "HLON-TAN", "CTYPE2": "HLAT-TAN"}, "CTYPE1", "no coordinates of the sky"),
    ({"CTYPE1": "TLON-TAN", "CTYPE2": "TLAT-TAN"}, "CTYPE1", "no coordinates of the sky"),
    ({"RADESYS": "HERE"}, "RADESYS", "no system that is known"),
    ({"RADESYS": "GAPPT"}, "RADESYS", "an apparent place without a time"),
    ({"CRVAL1": 1e5}, "CRVAL1", "more than is plausible"),
    ({"WCSAXES": 90}, "WCSAXES", "no WCS that can be read"),
]


@pytest.mark.parametrize(("odd", "keyword", "why"), WITHOUT)
def test_why_a_wcs_tells_nothing_is_said(odd: dict[str, Any], keyword: str, why: str) -> None:
    observation = observed(frame(sky(50, 30, 0.5) | odd))
    assert (observation.footprint, observation.ra_deg, observation.position_source) == (None,) * 3
    (doubt,) = observation.doubts
    assert (doubt.field, doubt.keyword, doubt.why) == ("position", keyword, why)
    assert doubt.value


@pytest.mark.parametrize(
    ("cards", "there"),
    [
        ({"RADESYS": "J2000"}, SkyCoord(50, 30, unit="deg", frame="fk5")),
        ({"RADESYS": "FK5 (J2000)"}, SkyCoord(50, 30, unit="deg", frame="fk5")),
        ({"RADECSYS": "B1950"}, SkyCoord(50, 30, unit="deg", frame="fk4")),
        ({"RADESYS": "FK4-NO-E"}, SkyCoord(50, 30, unit="deg", frame="fk4noeterms")),
        ({"RADESYS": "UNKNOWN"}, SkyCoord(50, 30, unit="deg")),
        ({"EQUINOX": 0.0}, SkyCoord(50, 30, unit="deg")),
        (
            {"RADESYS": "GAPPT", "DATE-OBS": "2024-03-01T00:00:00"},
            SkyCoord(50, 30, unit="deg", frame=TETE(obstime="2024-03-01T00:00:00")),
        ),
    ],
)
@pytest.mark.parametrize("told", [sky(50, 30, 0.5), {"RA": 50.0, "DEC": 30.0}])
def test_systems(told: dict[str, Any], cards: dict[str, Any], there: SkyCoord) -> None:
    """In the words of the standard and in usual ones, of a WCS as of a pointing."""
    observation = observed(frame(told | cards))
    found = SkyCoord(observation.ra_deg, observation.dec_deg, unit="deg")
    assert found.separation(there.icrs).arcsec < 1
    assert observation.doubts == []


def test_ecliptic_coordinates_are_turned() -> None:
    """Which astropy's own WCS takes for ICRS."""
    cards = sky(50, 30, 0.5) | {"CTYPE1": "ELON-TAN", "CTYPE2": "ELAT-TAN"}
    observation = observed(frame(cards))
    there = SkyCoord(50, 30, unit="deg", frame="barycentricmeanecliptic").icrs
    found = SkyCoord(observation.ra_deg, observation.dec_deg, unit="deg")
    assert found.separation(there).arcsec < 1
    footprint = observation.footprint
    assert footprint is not None
    assert any(
        patch.holds(vectors([(there.ra.deg, there.dec.deg)]))[0] for patch in patches(footprint)
    )


def test_a_pointing_in_an_unknown_system_is_kept_and_marked() -> None:
    observation = observed(frame({"RA": 50.0, "DEC": 30.0, "RADESYS": "HERE"}))
    assert (observation.ra_deg, observation.dec_deg) == (50, 30)
    assert [(one.keyword, one.why) for one in observation.doubts] == [
        ("RADESYS", "no system that is known")
    ]
    observation = observed(frame({"RA": 50.0, "DEC": 30.0, "RADESYS": "GAPPT"}))
    assert observation.ra_deg is None
    assert [one.why for one in observation.doubts] == ["an apparent place without a time"]


def test_a_solution_without_its_image_shows_what_the_image_did() -> None:
    """As Astrometry.net writes them: no data, and the size of the image in cards of its own."""
    size = {"IMAGEW": WIDTH, "IMAGEH": HEIGHT}
    header = fits.Header({"SIMPLE": True, "BITPIX": 8, "NAXIS": 0} | FRAMES["across zero"] | size)
    solution = header.tostring().encode()
    assert seen(solution) == seen(frame(FRAMES["across zero"]))
    for lost in (b"IMAGEW", b"IMAGEH"):
        assert seen(solution.replace(lost, b"WIDTH ")) is None


def test_errors_and_flags_are_not_looked_at_again() -> None:
    cards = frame(FRAMES["plain"])
    text = cards[: cards.index(b"END     ")].decode()
    hdus = [RawHdu(i, text, parse(text)) for i in range(3)]
    observation, _ = understand(hdus, book())
    assert observation.footprint is not None
    assert len(observation.footprint.polygons) == 1


class TestShapes:
    """Circles and polygons against points that lie close together."""

    def dense(self, patch: Patch, n: int = 25) -> Any:
        """Return points of a patch, its sides among them."""
        a, b, c, d = patch.corners
        s, t = (g.ravel()[:, None] for g in np.meshgrid(*[np.linspace(0, 1, n)] * 2))
        points = (1 - t) * ((1 - s) * a + s * b) + t * ((1 - s) * d + s * c)
        return points / np.linalg.norm(points, axis=1)[:, None]

    def test_circles(self) -> None:
        chance = random.Random(1)
        for ra, dec in ((10, 20), (0, 0), (359.9, -45), (123, 89.7)):
            corners = vectors([(ra, dec), (ra + 1, dec), (ra + 1, dec + 0.3), (ra, dec + 0.3)])
            patch = Patch(corners[:: chance.choice((1, -1))])
            points = self.dense(patch)
            for _ in range(80):
                at = ra + chance.uniform(-3, 3), dec + chance.uniform(-2, 0.3)
                near = vectors([at])[0]
                least = np.degrees(2 * np.arcsin(np.linalg.norm(points - near, axis=1).min() / 2))
                assert patch.distance_deg(near) <= least + 1e-9
                assert patch.distance_deg(near) >= least - 0.04
                corners = positions(patch.corners).tolist()
                assert Circle(*at, least + 1e-9).touches_corners(corners)
                distance = patch.distance_deg(near)
                assert Circle(*at, distance * 1.001 + 1e-9).touches_corners(corners)
                if distance > 0:
                    assert not Circle(*at, distance * 0.999).touches_corners(corners)

    def test_polygons(self) -> None:
        chance = random.Random(2)
        star = [
            (50 + r * np.cos(angle), 10 + r * np.sin(angle))
            for r, angle in zip(itertools.cycle((3, 1)), np.linspace(0, 6, 10), strict=False)
        ]
        polygon = Polygon(star)
        found = 0
        for _ in range(150):
            ra, dec = 50 + chance.uniform(-4, 4), 10 + chance.uniform(-4, 4)
            patch = Patch(
                vectors([(ra, dec), (ra + 0.4, dec), (ra + 0.4, dec + 0.4), (ra, dec + 0.4)])
            )
            touched = any(polygon.holds(point) for point in self.dense(patch))
            found += touched
            if touched:
                assert polygon.touches(patch)
            elif polygon.touches(patch):  # by less than the points are apart
                assert any(polygon.holds(point) for point in self.dense(patch, 400)) or any(
                    patch.holds(vectors([corner]))[0] for corner in star
                )
        assert 10 < found < 140

    def test_a_polygon_inside_a_patch_and_around_one(self) -> None:
        patch = Patch(vectors([(10, 10), (12, 10), (12, 12), (10, 12)]))
        assert Polygon([(10.9, 10.9), (11, 10.9), (11, 11)]).touches(patch)
        assert Polygon([(0, 0), (30, 0), (30, 30), (0, 30)]).touches(patch)
        assert not Polygon([(190, -10), (192, -10), (192, -12)]).touches(patch)
        cross = Polygon([(9, 10.9), (13, 10.9), (13, 11), (9, 11)])  # no corner is in the other
        assert cross.touches(patch)

    def test_a_polygon_around_the_pole(self) -> None:
        polygon = Polygon([(0, 88), (90, 88), (180, 88), (270, 88)])
        assert polygon.holds(vectors([(33, 89.9)])[0])
        assert not polygon.holds(vectors([(45, 87)])[0])
        assert polygon.touches(Patch(vectors([(0, 89.99), (120, 89.99), (240, 89.99)])))

    @pytest.mark.parametrize(
        ("corners", "told"),
        [
            ([(1, 1), (2, 2)], "three corners"), ([(1, 1), (2, 2), (1, 1)], "three corners"),
            ([(0, 0), (1, 1), (1, 0), (0, 1)], "cross"),
            ([(0, 0), (120, 0), (240, 0)], "45 degrees"),
        ],
    )  # fmt: skip
    def test_what_is_no_polygon(self, corners: list[tuple[float, float]], told: str) -> None:
        with pytest.raises(ShapeError, match=told):
            Polygon(corners)

    def test_positions_come_back(self) -> None:
        given = [(0.0, 0.0), (359.5, -89.0), (12.25, 45.0)]
        assert np.allclose(positions(vectors(given)), given)


def test_classes_hold_what_is_in_them() -> None:
    for radius in (0.0001, 0.05, 0.0500001, 0.1, 0.7, 3.2, 13, 90, 180):
        reach = reach_of(radius)
        assert 1 <= reach < CLASSES
        assert radius <= farthest_deg(reach)
        assert reach == 1 or radius > farthest_deg(reach - 1)


class Archive:
    """A dataset with the frames, and one that tells where it pointed alone."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.viewer, _ = new_user(backend)
        self.dataset = Datasets().create(backend, self.viewer, DatasetChange(name="sky")).uuid
        for name, cards in FRAMES.items():
            self.add(name, frame(cards))
        self.add("pointing", fits_bytes((4, 4), RA=83.9, DEC=-5.5))

    def add(self, name: str, content: bytes) -> None:
        incoming = self.backend.store.receive()
        incoming.write(content)
        add_file(self.backend, self.viewer, self.dataset, f"{name}.fits", incoming)
        incoming.discard()

    def names(self, **filters: str) -> set[str]:
        listing = search(self.backend, self.viewer, filters)
        found: list[str] = []
        after = None
        while some := listing.rows(after, 2):
            found += [file.name.removesuffix(".fits") for _, file in some]
            after = some[-1][0]
        assert len(found) == len(set(found)) == listing.count(1000)
        return set(found)


@pytest.fixture(scope="module")
def archives(shared_backends: Callable[[str], Backend]) -> Callable[[str], Archive]:
    return functools.cache(lambda database: Archive(shared_backends(database)))


@pytest.fixture
def archive(database: str, archives: Callable[[str], Archive]) -> Archive:
    """An archive that no test changes."""
    return archives(database)


def test_what_covers_a_position(archive: Archive) -> None:
    some = [at for cards in FRAMES.values() for at in around(cards, 5)]
    for ra, dec in [*some, (83.81, -5.41), (12.0, 90.0), (83.9, -5.5)]:
        told = {name: margin(cards, ra, dec) for name, cards in FRAMES.items()}
        unclear = {name for name, by_wcs in told.items() if abs(by_wcs) <= 1.01}
        found = archive.names(covers=f"{ra},{dec}")
        assert found - unclear == {n for n, by_wcs in told.items() if by_wcs > 0} - unclear


def test_what_a_cone_touches(archive: Archive) -> None:
    assert archive.names(cone="83.8,-5.05,0.1deg") == set()  # the side is 0.167 deg from the middle
    assert archive.names(cone="83.8,-5.05,0.19deg") == {"plain"}
    assert archive.names(cone="83.9,-5.5,1arcsec") == {"plain", "pointing"}
    assert archive.names(cone="83.81,-5.41,1arcsec") == {"plain", "tiny"}
    assert archive.names(cone="150,-10,0.1deg") == {"wide"}
    assert archive.names(cone="180,89.99,0.01deg") == {"at the pole"}
    assert archive.names(cone="359.9,10,0.05deg") == {"across zero"}
    assert archive.names(cone="0,0,180deg") == {*FRAMES, "pointing"}
    assert archive.names(cone="84,-5.4,5deg", kind="nothing") == set()


def test_what_a_polygon_touches(archive: Archive) -> None:
    corner = "83.5,-5.7,83.6,-5.7,83.6,-5.5"
    assert archive.names(polygon=corner) == {"plain"}
    assert archive.names(polygon="83.89,-5.51 83.91,-5.51 83.9,-5.49") == {"plain", "pointing"}
    assert archive.names(polygon="359,9,1,9,1,11,359,11") == {"across zero"}
    assert archive.names(polygon="10,10,11,10,11,11") == set()
    for wrong in (
        "1,2",
        "1,2,3",
        "1,2,3,4,5,x",
        "0,0,1,1,1,0,0,1",
        "0,0,120,0,240,0",
        "0,0," * 200,
    ):
        with pytest.raises(InvalidInputError):
            archive.names(polygon=wrong)


def test_objects_are_covered_too(archive: Archive) -> None:
    assert "plain" in archive.names(covers="M 42")


def test_it_is_told_with_a_file_and_not_in_lists(archive: Archive) -> None:
    listed = [
        file
        for _, file in files.list_files(archive.backend, archive.viewer, archive.dataset, {}).rows(
            None, 20
        )
    ]
    assert all(file.footprint is None for file in listed)
    file = files.read_file(archive.backend, archive.viewer, archive.dataset, "plain.fits")
    assert file.footprint is not None
    assert file.footprint.right_ascension == pytest.approx(83.8, abs=1e-4)
    assert len(file.footprint.polygons[0]) == 4
    pointing = files.read_file(archive.backend, archive.viewer, archive.dataset, "pointing.fits")
    assert pointing.footprint is None


def test_strangers_see_none(archive: Archive) -> None:
    assert search(archive.backend, Viewer(None), {"covers": "83.8,-5.4"}).rows(None, 5) == []


@pytest.mark.skipif(not SHARED.exists(), reason="shared data are not here")
def test_real_frames() -> None:
    whole = SHARED / "fits" / "imagers" / "rosat_allsky_ait.fits"
    footprint = seen(whole.read_bytes())
    assert footprint is not None
    assert MOC.from_string(footprint.moc).sky_fraction > 0.97
    galactic = seen((SHARED / "fits" / "imagers" / "spitzer_irac_glimpse.fits").read_bytes())
    assert galactic is not None
    assert galactic.radius == pytest.approx(0.19, abs=0.01)


def test_faces(arcsecond: Command, api: ArcsecondAPI, tmp_path: Path) -> None:
    path = tmp_path / "plain.fits"
    path.write_bytes(frame(FRAMES["plain"]))
    dataset = arcsecond("datasets", "create", "--name", "d", "--quiet").out.strip()
    arcsecond("fitsfiles", dataset, "create", "--file", str(path))
    found = arcsecond("fitsfiles", "search", "--covers", "83.8,-5.4", "--json")
    assert [one["name"] for one in json.loads(found.out)] == ["plain.fits"]
    assert len(api.fitsfiles.search(covers=(83.8, -5.4))) == 1
    assert len(api.fitsfiles.search(polygon=[(83, -6), (84, -6), (84, -5)])) == 1
    read = api.datasets(dataset).fitsfiles.read("plain.fits")
    assert read["footprint"]["moc"]
