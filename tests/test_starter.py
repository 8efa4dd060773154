"""The starter tables: consistent with one another, and right where it can be checked."""

from __future__ import annotations

import itertools
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcsecond.server.catalogues.names import _CONSTELLATIONS as CONSTELLATIONS
from arcsecond.server.catalogues.names import _GREEK as GREEK
from arcsecond.server.catalogues.names import forms
from arcsecond.server.catalogues.starter import KEYS, separation, table
from arcsecond.server.observatory import chart
from arcsecond.server.observatory.directory import directory


@pytest.mark.parametrize("key", KEYS)
def test_rows(key: str) -> None:
    found = table(key)
    names = [name for row in found.rows for name in (row.name, *row.aliases)]
    folded = {"".join(name.casefold().split()) for name in names}
    assert len(folded) == len(names)
    for row in found.rows:
        assert 0 <= row.ra_deg < 360
        assert -90 <= row.dec_deg <= 90
        assert row.source in found.sources
    for row in table("objects").rows:
        for planet in row.planets:
            assert table("exoplanets").find(planet), planet


@pytest.mark.parametrize(
    ("name", "ra_deg", "dec_deg"),
    [  # positions in the astronomers' standard references, to a hundredth of a degree
        ("HD 5980", 14.8607, -72.1650), ("Sirius", 101.2872, -16.7161), ("Vega", 279.2347, 38.7837),
        ("Polaris", 37.9546, 89.2641), ("M 31", 10.6847, 41.2688), ("M 87", 187.7059, 12.3911),
        ("51 Peg", 344.3666, 20.7688), ("Proxima Centauri", 217.4289, -62.6795),
    ],
)  # fmt: skip
def test_positions(name: str, ra_deg: float, dec_deg: float) -> None:
    row = table("objects").find(name)
    assert row is not None
    assert separation(row.ra_deg, row.dec_deg, ra_deg, dec_deg) < 0.01


def test_names_are_matched_as_people_type_them() -> None:
    for typed in ("hd 5980", "HD5980", " HD  5980 ", "m31", "M_31", "BARNARD’S STAR"):
        assert table("objects").find(typed), typed


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("alpha Cen A", "Alpha Centauri A"), ("α Cen A", "Alpha Centauri A"),
        ("alf Centauri A", "Alpha Centauri A"), ("ALPHA CENTAURI A", "Alpha Centauri A"),
        ("alphacena", "Alpha Centauri A"), ("α CMa", "Sirius"), ("alp Canis Majoris", "Sirius"),
        ("alphacanismajoris", "Sirius"), ("HIP 032349", "Sirius"), ("Hipparcos 32349", "Sirius"),
        ("hd048915", "Sirius"), ("Messier 031", "M 31"), ("m031", "M 31"), ("NGC0224", "M 31"),
        ("ngc 00224", "M 31"), ("Mel 22", "M 45"), ("melotte22", "M 45"), ("θ1 Ori C", "theta1 Ori C"),
        ("θ¹ Orionis C", "theta1 Ori C"), ("tet01 Ori C", "theta1 Ori C"), ("V452 Vulpeculae", "HD 189733"),
        ("51 pegasi", "51 Peg"), ("ε Eri", "epsilon Eri"), ("Gliese 551", "Proxima Centauri"),
        ("gl 699", "Barnard's Star"), ("B 033", "Barnard 33"), ("BM Orionis", "theta1 Ori B"),
    ],
)  # fmt: skip
def test_designations_are_matched_however_they_are_written(typed: str, name: str) -> None:
    found = table("objects").find(typed)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("key", KEYS)
def test_every_name_finds_its_row_in_every_spelling(key: str) -> None:
    for row in table(key).rows:
        for name in (row.name, *row.aliases):
            for typed in (name, name.upper(), name.lower(), name.replace(" ", ""), f"  {name} "):
                assert table(key).find(typed) is row, typed


@pytest.mark.parametrize("letter", GREEK)
def test_a_star_has_one_form_however_it_is_written(letter: str) -> None:
    for place, number in itertools.product(CONSTELLATIONS, ("", "1", "9")):
        written = [
            f"{word}{number} {where}"
            for word in (letter, *GREEK[letter].split())
            for where in (place, CONSTELLATIONS[place])
        ]
        found = {forms(text)[-1] for text in written}
        found |= {forms(text.replace(" ", "").upper())[-1] for text in written}
        assert found == {f"{letter}{number}{place}"}


def test_a_planet_is_told_from_a_star() -> None:
    assert forms("mu Ara e")[-1] == "muarae"
    assert forms("mu Arae")[-1] == "muara"


@given(st.text(max_size=60))
def test_any_text_has_a_form(text: str) -> None:
    assert all(forms(form)[0] == form for form in forms(text)[:1])


def test_around_agrees_with_looking_at_all_rows() -> None:
    objects = table("objects")
    for ra_deg, dec_deg in ((0, 90), (0, -90), (359.99, 0), (14.8, -72.2), (83.8, -5.4)):
        for radius_deg in (0.01, 1, 40, 180):
            found = objects.around(ra_deg, dec_deg, radius_deg)
            assert [d for d, _ in found] == sorted(d for d, _ in found)
            near = [
                r for r in objects.rows
                if separation(ra_deg, dec_deg, r.ra_deg, r.dec_deg) <= radius_deg
            ]  # fmt: skip
            assert {id(r) for _, r in found} == {id(r) for r in near}


def test_separations_are_exact_at_every_scale() -> None:
    assert separation(0, 0, 180, 0) == pytest.approx(180)
    assert separation(359.9999, 0, 0.0001, 0) == pytest.approx(0.0002)
    assert separation(10, 90, 200, 90) == pytest.approx(0, abs=1e-12)
    assert separation(10, 20, 10, 20 + 1e-9) == pytest.approx(1e-9, rel=1e-3)


def test_the_directory_hangs_together() -> None:
    known = directory()
    for telescope in known.telescopes.values():
        assert telescope.uuid in known.sites[telescope.observing_site].telescopes
    for instrument in known.instruments.values():
        assert instrument.uuid in known.telescopes[instrument.telescope].instruments
    for site in known.sites.values():
        named = uuid.uuid5(uuid.NAMESPACE_URL, f"arcsecond:site:{site.IAUCode}")
        assert site.uuid == str(named)


def test_a_chart_has_north_up_and_east_left() -> None:
    from arcsecond.server.catalogues.starter import Row

    target = Row(name="t", ra_deg=359.99, dec_deg=0.0, source="x")
    east = chart.project(Row(name="e", ra_deg=0.01, dec_deg=0.0, source="x"), target)
    north = chart.project(Row(name="n", ra_deg=359.99, dec_deg=0.02, source="x"), target)
    assert east == pytest.approx((1.2, 0.0), abs=1e-6)
    assert north == pytest.approx((0.0, 1.2), abs=1e-6)
    behind = Row(name="b", ra_deg=179.99, dec_deg=0.0, source="x")
    assert chart.project(behind, target) is None


def test_charts_are_well_formed() -> None:
    import xml.etree.ElementTree as ElementTree

    objects = table("objects")
    for row in objects.rows:
        drawn = chart.draw(objects, row)
        root = ElementTree.fromstring(drawn)
        assert root.tag.endswith("svg")
        assert row.name in "".join(root.itertext())
