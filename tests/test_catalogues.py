"""The built-in catalogues: names, positions, and what hangs together."""

from __future__ import annotations

import functools
import itertools
import math
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcsecond.errors import InvalidInputError
from arcsecond.server import zones
from arcsecond.server.catalogues import places
from arcsecond.server.catalogues.builtin import KINDS, Kind, catalogue
from arcsecond.server.catalogues.file import CatalogueFile
from arcsecond.server.catalogues.names import _CONSTELLATIONS as CONSTELLATIONS
from arcsecond.server.catalogues.names import _GREEK as GREEK
from arcsecond.server.catalogues.names import fold, forms
from arcsecond.server.catalogues.rows import Row
from arcsecond.server.settings import Settings

SETTINGS = Settings(Path("unused"))
"""The same each time: a file that is opened stays open for its settings."""


def opened(kind: Kind) -> CatalogueFile:
    return catalogue(SETTINGS, kind)


def found(name: str, kind: Kind = "objects") -> Row:
    return opened(kind).find(name)[0][1]


def apart_deg(one: Row, ra_deg: float, dec_deg: float) -> float:
    """The angle between two positions by the formula of Vincenty."""
    ra, dec1, dec2 = map(math.radians, (ra_deg - one.ra_deg, one.dec_deg, dec_deg))
    across = math.hypot(
        math.cos(dec2) * math.sin(ra),
        math.cos(dec1) * math.sin(dec2) - math.sin(dec1) * math.cos(dec2) * math.cos(ra),
    )
    along = math.sin(dec1) * math.sin(dec2) + math.cos(dec1) * math.cos(dec2) * math.cos(ra)
    return math.degrees(math.atan2(across, along))


@functools.cache
def every(kind: Kind) -> list[tuple[int, Row]]:
    file = opened(kind)
    return [(id_, file.row(id_)) for _, id_ in file.after(None, 1 << 30)]


# Names


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("alpha Cen A", "Alpha Centauri A"), ("α Cen A", "Alpha Centauri A"),
        ("alf Centauri A", "Alpha Centauri A"), ("ALPHA CENTAURI A", "Alpha Centauri A"),
        ("alphacena", "Alpha Centauri A"), ("alpha Cen", "Alpha Centauri A"), ("α CMa", "Sirius"),
        ("alp Canis Majoris", "Sirius"), ("alphacanismajoris", "Sirius"), ("HIP 032349", "Sirius"),
        ("Hipparcos 32349", "Sirius"), ("hd048915", "Sirius"), ("Messier 031", "M 31"),
        ("m031", "M 31"), ("NGC0224", "M 31"), ("ngc 00224", "M 31"), ("Mel 22", "M 45"),
        ("melotte22", "M 45"), ("θ1 Ori C", "theta1 Ori C"), ("θ¹ Orionis C", "theta1 Ori C"),
        ("tet01 Ori C", "theta1 Ori C"), ("V452 Vulpeculae", "HD 189733"), ("51 pegasi", "51 Peg"),
        ("ε Eri", "epsilon Eri"), ("Gliese 551", "Proxima Centauri"), ("gl 699", "Barnard's Star"),
        ("B 033", "Barnard 33"), ("BM Orionis", "theta1 Ori B"), ("hd 5980", "HD 5980"),
        ("HD5980", "HD 5980"), (" HD  5980 ", "HD 5980"), ("M_31", "M 31"),
        ("BARNARD’S STAR", "Barnard's Star"), ("ngc 346", "NGC 346"), ("C 14", "Caldwell 14"),
        ("Caldwell 1", "NGC 188"), ("Double Cluster", "Caldwell 14"), ("IC 11", "NGC 281"),
        ("Alpha Boötis", "Arcturus"), ("alpha bootis", "Arcturus"), ("HR 5340", "Arcturus"),
        ("61 Cyg", "61 Cyg"), ("HIP 118322", "HIP 118322"), ("gamma Cassiopeia", "gamma Cas"),
        ("mu Sco", "mu1 Sco"), ("phi Ori", "phi2 Ori"), ("alpha CVn", "Cor Caroli"),
        ("whirlpool", "M 51"), ("Sombrero", "M 104"), ("Tarantula", "NGC 2070"),
        ("Cen A", "NGC 5128"), ("Virgo A", "M 87"), ("NGC-224", "M 31"), ("3C-273", "3C 273"),
        ("NAME Vega", "Vega"), ("V* V1016 Ori", "theta1 Ori A"), ("Cl Melotte 22", "M 45"),
        ("Barnard star", "Barnard's Star"), ("* alf Lyr", "Vega"), ("wasp 12", "WASP-12"),
        ("eso056-115", "LMC"), ("PGC002557", "M 31"), ("Cor Caroli", "Cor Caroli"),
    ],
)  # fmt: skip
def test_designations_are_matched_however_they_are_written(typed: str, name: str) -> None:
    row = found(typed)
    assert name in (row.name, *row.aliases)


@pytest.mark.parametrize("kind", KINDS)
def test_every_name_finds_its_row_in_every_spelling(kind: Kind) -> None:
    """Each name of a thousand things, and of all that have names beside numbers."""
    file, things = opened(kind), every(kind)
    some = random.Random(4).sample(things, min(1000, len(things)))
    named = [thing for thing in things if len(thing[1].aliases) > 3][:3000]
    for id_, row in (*some, *named):
        for name in (row.name, *row.aliases):
            for typed in (name, name.upper(), name.lower(), name.replace(" ", ""), f"  {name} "):
                assert id_ in [i for i, _ in file.find(typed)], typed


@pytest.mark.parametrize("kind", KINDS)
def test_every_identifier_is_in_the_index(kind: Kind) -> None:
    file = opened(kind)
    rows = file._opened().db.execute("SELECT DISTINCT key FROM names WHERE rank = 0")
    keys = {key for (key,) in rows}
    for _, row in every(kind):
        assert keys >= {fold(name) for name in (row.name, *row.aliases)}, row.name


@pytest.mark.parametrize("letter", GREEK)
def test_a_star_has_one_form_however_it_is_written(letter: str) -> None:
    for place, number in itertools.product(CONSTELLATIONS, ("", "1", "9")):
        written = [
            f"{word}{number} {where}"
            for word in (letter, *GREEK[letter].split())
            for where in (place, *CONSTELLATIONS[place].split())
        ]
        shapes = {forms(text)[-1] for text in written}
        shapes |= {forms(text.replace(" ", "").upper())[-1] for text in written}
        assert shapes == {f"{letter}{number}{place}"}


def test_a_planet_is_told_from_a_star() -> None:
    assert forms("mu Ara e")[-1] == "muarae"
    assert forms("mu Arae")[-1] == "muara"


@given(st.text(max_size=60))
def test_any_text_has_a_form(text: str) -> None:
    assert all(forms(form)[0] == form for form in forms(text)[:1])


@given(st.text(max_size=60))
def test_any_text_is_looked_for(text: str) -> None:
    for kind in KINDS:
        file = opened(kind)
        file.find(text)
        file.search(text)
        assert len(file.nearest_names(text)) <= 3


def test_the_nearest_names_are_suggested() -> None:
    objects = opened("objects")
    assert "Betelgeuse" in objects.nearest_names("Betelguese")
    assert "Andromeda Galaxy" in objects.nearest_names("andromda galaxy")
    assert objects.nearest_names("xyzzy" * 2000) == []
    assert "51 Peg b" in opened("exoplanets").nearest_names("51 Peg d")


def test_search() -> None:
    objects = opened("objects")
    names = [objects.row(id_).name for id_ in objects.search("whirl")]
    assert names == ["M 51"]
    begin = [objects.row(id_) for id_ in objects.search("ngc 346")]  # in order of the number
    assert begin[0].name == "NGC 346"
    numbers = [
        int(row.name[4:]) for row in begin if row.name[4:].startswith("346") and len(row.name) == 8
    ]
    assert numbers == sorted(numbers)
    assert len(numbers) > 5
    assert objects.search("") == []
    assert objects.search('"') == []


def test_what_is_in_several_parts_is_one_thing() -> None:
    sirius = found("Sirius")
    assert {flux["name"]: flux["source"] for flux in sirius.fluxes} == {
        "V": "hipparcos_main", "Hp": "hip2",
    }  # fmt: skip
    assert "9 CMa" in sirius.aliases
    assert [row.name for _, row in opened("objects").find("HIP 32349")] == ["Sirius"]
    near = opened("objects").around(sirius.ra_deg, sirius.dec_deg, 0.01)
    assert len(near) == 1


def test_several_things_of_one_name_are_all_found() -> None:
    names = [row.name for _, row in opened("objects").find("antennae galaxies")]
    assert names == ["NGC 4038", "NGC 4039"]
    assert len(opened("objects").find("theta Ori")) > 3


# Planets


def test_planets_belong_to_their_stars() -> None:
    planets = opened("exoplanets")
    for star, first in (("51 Peg", "51 Peg b"), ("55 Cnc", "55 Cnc b"), ("Helvetios", "51 Peg b")):
        assert planets.hosted(found(star))[0].name == first
    assert len(planets.hosted(found("TRAPPIST-1"))) == 7
    assert planets.hosted(found("M 31")) == []


@pytest.mark.parametrize("name", ["51 Peg b", "51 Pegasi b", "HD 217014 b", "Dimidium"])
def test_planets_are_found_by_any_name(name: str) -> None:
    planet = found(name, "exoplanets")
    assert planet.name == "51 Peg b"
    assert planet.mass is not None
    assert planet.velocity_semiamplitude is not None
    assert planet.velocity_semiamplitude["value"] == 55.94
    assert planet.discovery_year == 1995


def test_every_measure_of_a_planet_has_its_source() -> None:
    file = opened("exoplanets")
    for _, row in every("exoplanets"):
        for name in ("mass", "radius", "orbital_period", "tzero_primary_transit"):
            if fact := getattr(row, name):
                assert len(file.cite(fact.get("source") or row.cited(name))) > 15, (row.name, name)


# Positions


@pytest.mark.parametrize(
    ("name", "ra_deg", "dec_deg"),
    [  # positions in the astronomers' standard references, to a hundredth of a degree
        ("HD 5980", 14.8607, -72.1650), ("Sirius", 101.2872, -16.7161), ("Vega", 279.2347, 38.7837),
        ("Polaris", 37.9546, 89.2641), ("M 31", 10.6847, 41.2688), ("M 87", 187.7059, 12.3911),
        ("51 Peg", 344.3666, 20.7688), ("Proxima Centauri", 217.4289, -62.6795),
        ("Barnard's Star", 269.4521, 4.6934), ("61 Cyg", 316.7247, 38.7494),
    ],
)  # fmt: skip
def test_positions(name: str, ra_deg: float, dec_deg: float) -> None:
    assert apart_deg(found(name), ra_deg, dec_deg) < 0.001


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("83.8, -5.4", (83.8, -5.4)), ("5e-05,0.0", (5e-5, 0.0)), (".5 -.25", (0.5, -0.25)),
        ("4.296495291499103e-31,0.0", (4.296495291499103e-31, 0.0)),
        ("12:30:00 +41:00:00", (187.5, 41.0)), ("12h30m,+41d", (187.5, 41.0)),
        ("12h 30m 36s -41d 30m", (187.65, -41.5)), ("1.5h 10.5°", (22.5, 10.5)),
        ("0h0m0s -0d0m36s", (0.0, -0.01)), ("M 31", None), ("1257+12", None), ("3C 273", None),
    ],
)  # fmt: skip
def test_how_positions_are_written(text: str, place: tuple[float, float] | None) -> None:
    assert places.parse_place(text) == (place and pytest.approx(place))


@pytest.mark.parametrize("text", ["1e3,0", "25h,0d", "12h61m,0d", "10,1e2"])
def test_positions_that_are_none(text: str) -> None:
    with pytest.raises(InvalidInputError):
        places.parse_place(text)


def test_what_a_turn_of_the_axes_gives() -> None:
    from astropy.coordinates import SkyCoord

    for ra_deg, dec_deg in ((0, 0), (266.405, -28.936), (192.86, 27.13), (10, -89.9), (359.9, 60)):
        place = SkyCoord(ra_deg, dec_deg, unit="deg")
        for turned, there in (
            (places.galactic, place.galactic),
            (places.ecliptic, place.barycentricmeanecliptic),
        ):
            mine = SkyCoord(*turned(ra_deg, dec_deg), unit="deg", frame=there.frame.name)
            assert mine.separation(there).arcsec < 0.05


positions = st.tuples(
    st.one_of(st.sampled_from([0.0, 360.0, 359.9999999, 180.0]), st.floats(0, 360)),
    st.one_of(st.sampled_from([90.0, -90.0, 0.0, 89.99, 0.2, -0.2]), st.floats(-90, 90)),
)
radii = st.one_of(
    st.sampled_from([1e-6, 0.01, 0.1, 1.0, 5.0, 89.0, 90.0, 90.5, 179.0, 180.0]),
    st.floats(1e-6, 180),
)


@given(positions, radii, st.lists(st.tuples(st.floats(0, 360), st.floats(0, 1.5)), max_size=20))
def test_a_cone_has_what_is_in_it(
    centre: tuple[float, float], radius_deg: float, around: list[tuple[float, float]]
) -> None:
    """Points at some angle and distance (in radii) from the centre, the edge among them."""
    spans = sorted(zones.cone(*centre, radius_deg))
    assert all(a.last < b.first for a, b in itertools.pairwise(spans))
    rough = sorted(zones.cone(*centre, radius_deg, edged=False))
    assert all(a.last < b.first for a, b in itertools.pairwise(rough))
    assert not any(span.inside for span in rough)
    middle, most = zones.unit_vector(*centre), zones.chord_squared(radius_deg)
    for angle_deg, radii in (*around, (0.0, 1.0), (90.0, 1.0), (200.0, 1 - 1e-9), (10.0, 0.0)):
        ra_deg, dec_deg = offset(centre, angle_deg, min(180.0, radii * radius_deg))
        point = zones.unit_vector(ra_deg, dec_deg)
        inside = sum((a - b) ** 2 for a, b in zip(point, middle, strict=True)) <= most
        place = zones.cell(ra_deg, dec_deg)
        hit = [span for span in spans if span.first <= place <= span.last]
        assert any(span.first <= place <= span.last for span in rough) or not inside
        assert bool(hit and (hit[0].inside or inside)) == inside


def offset(centre: tuple[float, float], angle_deg: float, away_deg: float) -> tuple[float, float]:
    """The position at some angle (north through east) and distance from another."""
    ra, dec, angle, away = map(math.radians, (*centre, angle_deg, away_deg))
    sine = math.sin(dec) * math.cos(away) + math.cos(dec) * math.sin(away) * math.cos(angle)
    there = max(-1.0, min(1.0, sine))
    turn = math.atan2(
        math.sin(angle) * math.sin(away) * math.cos(dec), math.cos(away) - math.sin(dec) * there
    )
    return math.degrees(ra + turn) % 360, math.degrees(math.asin(there))


def test_around_agrees_with_looking_at_all_rows() -> None:
    objects, things = opened("objects"), every("objects")
    for ra_deg, dec_deg in ((0, 90), (0, -90), (359.99, 0), (14.8, -72.2), (83.8, -5.4)):
        for radius_deg in (0.01, 1, 7):
            near = objects.around(ra_deg, dec_deg, radius_deg)
            assert [d for d, _ in near] == sorted(d for d, _ in near)
            all_near = {
                id_: apart
                for id_, row in things
                if (apart := apart_deg(row, ra_deg, dec_deg)) <= radius_deg
            }
            assert {id_ for _, id_ in near} == set(all_near)
            assert all(d == pytest.approx(all_near[id_], abs=1e-9) for d, id_ in near)
