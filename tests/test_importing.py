"""Catalogues from files: each format, all or nothing, and never less than before."""

from __future__ import annotations

import gzip
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from arcsecond.errors import (
    ArcsecondError,
    ConflictError,
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
)
from arcsecond.schemas.catalogues import CatalogueImport
from arcsecond.server.app import open_backend
from arcsecond.server.catalogues import builtin, importing, service
from arcsecond.server.catalogues.builtin import catalogue, path_of
from arcsecond.server.catalogues.rows import Row
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.people.tables import users
from arcsecond.server.settings import Settings
from arcsecond.server.storage import Arrived
from tests.conftest import SHARED, Command, Http, new_user

ADMIN = Viewer(id=1, username="admin", is_admin=True, how="owner")
CATALOGUES = SHARED / "catalogs"
shared_data = pytest.mark.skipif(not CATALOGUES.exists(), reason="the shared data are not here")

HYG = """id,hip,hd,hr,gl,bf,proper,ra,dec,dist,pmra,pmdec,rv,mag,absmag,spect,ci,bayer,flam,con
1,32349,48915,2491,Gl 244A,9Alp CMa,Sirius,6.752481,-16.716116,2.6371,-546.01,-1223.08,-9.4,-1.44,1.454,A0m,0.009,Alp,9,CMa
2,,999999,,,,,12.5,-45.25,100000.0,1.5,-2.5,,11.2,,K5,,,,
3,2,224690,,,,,0.000283,-19.49884,47.9616,181.21,-0.93,0.0,9.27,5.866,K3V,0.999,,,
"""
NASA = """# This file was produced by the archive
# Tue Oct 15 09:13:04 2024
#
pl_name,hostname,ra,dec,discoverymethod,disc_year,pl_orbper,pl_orbpererr1,pl_orbpererr2,pl_orbperlim,pl_bmassj,pl_bmassprov,pl_tranmid,pl_trandur
51 Peg b,51 Peg,344.3667,20.7692,Radial Velocity,1995,4.23,0.01,-0.02,0,0.46,Msini,,
New One b,New One,10.5,-20.25,Transit,2026,3.5,,,0,1.0,M-R relationship,2459000.5,2.4
No Place b,No Place,,,Microlensing,2025,,,,,,,,
"""


@pytest.fixture
def backend(tmp_path: Path, catalogues: Path) -> Iterator[Backend]:
    """A data directory with catalogues of its own: the files of all tests, until it has others."""
    shared = Settings(tmp_path / "home")
    own = Settings(tmp_path / "home", catalogues=tmp_path / "catalogues")
    own.catalogues_path.mkdir()
    for kind in builtin.KINDS:
        catalogue(shared, kind)
        os.link(path_of(shared, kind), path_of(own, kind))
    before = [path_of(shared, kind).stat().st_mtime_ns for kind in builtin.KINDS]
    yield open_backend(own)
    # What is imported goes into a new file, which takes the place of the old one.
    assert before == [path_of(shared, kind).stat().st_mtime_ns for kind in builtin.KINDS]


Import = Callable[..., CatalogueImport]


@pytest.fixture
def bring(backend: Backend, tmp_path: Path) -> Import:
    """A function that imports files, or texts by their names."""

    def do(target: str, *paths: Path, force: bool = False, **texts: str | bytes) -> CatalogueImport:
        arrived: list[Arrived] = []
        for path in paths:
            arrived.append(Arrived(path.name, backend.store.receive()))
            arrived[-1].incoming.write(path.read_bytes())
        for name, text in texts.items():
            arrived.append(Arrived(name.replace("__", "."), backend.store.receive()))
            arrived[-1].incoming.write(text.encode() if isinstance(text, str) else text)
        try:
            return importing.import_files(backend, ADMIN, target, arrived, force=force)
        finally:
            for one in arrived:
                one.incoming.discard()

    return do


def planet(backend: Backend, name: str) -> Row:
    return catalogue(backend.settings, "exoplanets").find(name)[0][1]


def star(backend: Backend, name: str) -> Row:
    found = catalogue(backend.settings, "objects").find(name)
    assert len(found) == 1, name
    return found[0][1]


def state(backend: Backend) -> list[tuple[str, int, float]]:
    """What the catalogues are on the disk: the very same files, or others."""
    folder = backend.settings.catalogues_path
    return [
        (p.name, p.stat().st_ino, p.stat().st_mtime_ns) for p in sorted(folder.glob("*.sqlite"))
    ]


# What the shared files yield


@shared_data
def test_two_snapshots_of_the_nasa_archive(backend: Backend, bring: Import) -> None:
    folder = CATALOGUES / "exoplanets"
    done = bring("exoplanets", folder / "nasa_pscomppars_2024-10-15.csv")
    assert (done.key, done.rows, done.left_out) == ("nasa", 5766, [])
    parts = catalogue(backend.settings, "exoplanets").parts()
    assert parts["nasa"].version == "2024-10-15"
    assert parts["nasa-2019"].rows < 3972  # those that the archive has given up are gone
    one = planet(backend, "WASP-12 b")
    assert one.mass is not None
    assert one.tzero_primary_transit is not None  # from the older table, with its own source
    assert "2014" in catalogue(backend.settings, "exoplanets").cite(
        one.tzero_primary_transit["source"]
    )
    before = state(backend)
    assert bring("exoplanets", folder / "nasa_pscomppars_2024-10-15.csv").unchanged
    with pytest.raises(InvalidInputError, match="far fewer than the 5,766"):
        bring("exoplanets", folder / "nasa_pscomppars_2020-11.csv")
    assert state(backend) == before
    older = bring("exoplanets", folder / "nasa_pscomppars_2020-11.csv", force=True)
    assert older.rows == 4282
    assert older.left_out == ["KMT-2019-BLG-1339L b", "KMT-2019-BLG-1953L b"]


@shared_data
def test_the_open_exoplanet_catalogue(backend: Backend, bring: Import) -> None:
    folder = CATALOGUES / "exoplanets"
    assert bring("exoplanets", folder / "oec_systems_2014.xml.gz").rows > 1_700
    found = planet(backend, "Kepler-16 (AB) b")
    assert found.name == "Kepler-16 b"  # which was there: the other is one more name of it
    assert "Kepler-16 (AB) b" in found.aliases
    assert bring("exoplanets", folder / "open_exoplanet_catalogue.csv").rows > 5_000
    systems = sorted((folder / "oec_systems").glob("*.xml"))
    for path in [p for p in systems if p.stem in ("51 Peg", "TRAPPIST-1")] + systems[:2]:
        done = bring("exoplanets", path)
        assert done.rows >= 5_000  # one system goes beside the others
    peg = planet(backend, "TYC 1717-2193-1 b")
    assert peg.name == "51 Peg b"
    assert {"Bellerophon", "Dimidium", "HD 217014 b"} <= set(peg.aliases)
    assert [p.name for p in catalogue(backend.settings, "exoplanets").hosted(star(backend, "TRAPPIST-1"))] == [
        f"TRAPPIST-1 {letter}" for letter in "bcdefgh"
    ]  # fmt: skip


@shared_data
def test_openngc(backend: Backend, bring: Import) -> None:
    folder = CATALOGUES / "openngc"
    done = bring("openngc", folder / "NGC.csv", folder / "addendum.csv")
    assert done.rows == done.before == 13_374
    assert star(backend, "M 31").radial_velocity_km_s == -300
    assert catalogue(backend.settings, "objects").parts()["openngc-imported"].rows == 13_374


@shared_data
def test_numbers_and_names_of_stars(backend: Backend, bring: Import) -> None:
    folder = CATALOGUES / "stars"
    count = catalogue(backend.settings, "objects").count()
    assert bring("stars", folder / "cross-id_hip_sao_hd_hr.tsv").rows > 108_000
    assert star(backend, "HD 224700").name == "HIP 1"
    assert star(backend, "HD 48915").name == "Sirius"
    assert bring("stars", folder / "bsc5-short.json").rows == 9_096
    assert bring("stars", folder / "kstars_stars_head.dat").rows > 1_000
    assert star(backend, "HR 9087").name == star(backend, "HIP 145").name
    # A bright star of a list without HIP numbers is the one that is there.
    assert catalogue(backend.settings, "objects").count() - count < 60


@shared_data
def test_two_hundred_positions_agree(backend: Backend) -> None:
    """With OpenNGC, within its digits, and with the Bright Star Catalogue, to arcseconds."""
    import random

    from tests.test_catalogues import apart_deg

    rows = (CATALOGUES / "openngc" / "NGC.csv").read_text().splitlines()[1:]
    chosen = random.Random(1).sample([r.split(";") for r in rows if ";Dup;" not in r], 105)
    chosen = [r for r in chosen if r[2] and r[3]][:100]
    compared = 0
    for cells in chosen:
        h, m, s = map(float, cells[2].split(":"))
        d, am, seconds = cells[3].split(":")
        dec = abs(float(d)) + float(am) / 60 + float(seconds) / 3600
        found = catalogue(backend.settings, "objects").find(cells[0])
        near = min(
            apart_deg(row, 15 * (h + m / 60 + s / 3600), -dec if d[0] == "-" else dec)
            for _, row in found
        )
        assert near * 3600 < 1, cells[0]
        compared += 1
    stars = json.loads((CATALOGUES / "stars" / "bsc5-short.json").read_text())
    named = [s for s in stars if "B" in s or "F" in s]
    for one in random.Random(2).sample(named, 110):
        found = catalogue(backend.settings, "objects").find(f"HR {one['HR']}")
        if not found:
            continue  # no star of the Hipparcos catalogue
        ra = [float(word[:-1]) for word in one["RA"].split()]
        words = one["Dec"].replace("°", "").replace("′", "").replace("″", "").split()
        dec = abs(int(words[0])) + int(words[1]) / 60 + int(words[2]) / 3600
        dec = -dec if words[0].startswith("-") else dec
        away = apart_deg(found[0][1], 15 * (ra[0] + ra[1] / 60 + ra[2] / 3600), dec)
        assert away * 3600 < 15, one  # components move around each other: alpha Cen by 10″
        compared += 1
    assert compared >= 200


@shared_data
def test_standard_stars_in_their_own_formats(backend: Backend, bring: Import) -> None:
    rows = {}
    folders = [
        f for f in sorted((CATALOGUES / "standard_stars" / "arcsecond").iterdir()) if f.is_dir()
    ]
    for folder in folders:
        rows[folder.name] = bring("standardstars", *sorted(folder.iterdir())).rows
    assert len(rows) == 17
    assert rows["Casali_1992"] == 29
    assert rows["Landolt_1992"] == 525
    assert (
        bring("standardstars", CATALOGUES / "standard_stars/iraf_photcal/landolt.dat").rows == 223
    )
    assert (
        bring("standardstars", CATALOGUES / "standard_stars/iraf_photcal/nlandolt.dat").rows == 526
    )
    near = service.list_standard_stars(backend, ADMIN, "8.4759,-12.1328", 5).rows(None, 5)
    stars = [found for _, found in near]
    # One star in four catalogues of three equinoxes, south of the equator: the sign is kept.
    assert {s.name for s in stars[:4]} == {"G158-100", "FS 1", "EGGR 382"}
    assert all(s.separation is not None and s.separation < 0.01 for s in stars[:4])
    fs1 = next(s for s in stars if s.name == "FS 1")
    assert (fs1.magnitudes[0].name, fs1.magnitudes[0].value, fs1.magnitudes[0].error) == (
        "K", 12.967, 0.021,
    )  # fmt: skip
    landolt = service.list_standard_stars(backend, ADMIN, "13.7923,0.7203", 8).rows(None, 8)
    names = {s.name: s for _, s in landolt}
    assert {"SA92 342", "FS 2", "SA92-342", "92 342"} <= set(names)


# What each part of it does


def test_a_table_of_stars(backend: Backend, bring: Import) -> None:
    done = bring("stars", hyg_v3__csv=HYG)
    assert (done.key, done.rows) == ("stars-hyg-v3", 3)
    sirius = star(backend, "Gl 244A")
    assert sirius.name == "Sirius"
    assert sirius.spectral_type == "A1 V"  # what was known stays
    fresh = star(backend, "HD 999999")
    assert (fresh.ra_deg, fresh.dec_deg) == (187.5, -45.25)  # hours in this family of tables
    assert fresh.distance_pc is None  # 100,000 pc stands for none
    assert star(backend, "HD 224690").name == "HIP 2"
    assert catalogue(backend.settings, "objects").around(187.5, -45.25, 0.001)
    assert [row["value"] for row in fresh.fluxes] == [11.2]
    assert fresh.pm_dec_mas_yr == -2.5
    assert "Sirius" in catalogue(backend.settings, "objects").nearest_names("siriuss")
    again = bring("stars", hyg_v3__csv=HYG)
    assert again.unchanged
    changed = bring("stars", hyg_v3__csv=HYG.replace("999999", "999998"))
    assert (changed.rows, changed.before) == (3, 3)
    assert not catalogue(backend.settings, "objects").find("HD 999999")


def test_a_table_of_numbers_only(backend: Backend, bring: Import) -> None:
    bring("stars", numbers__csv="hip,hd,sao\n32349,48915,151881\n,999999,\n 7 , ,-1\n")
    assert star(backend, "SAO 151881").name == "Sirius"
    assert not catalogue(backend.settings, "objects").find("HD 999999")  # nobody says where it is
    assert len(star(backend, "HIP 7").aliases) == len(set(star(backend, "HIP 7").aliases))


def test_blank_cells_are_none(backend: Backend, bring: Import) -> None:
    bring("stars", some__csv="hip,hd,ra,dec,mag,plx,proper\n ,999997,12.5,4.5, ,0.0,  \n")
    found = star(backend, "HD 999997")
    assert (found.name, found.fluxes, found.parallax_mas) == ("HD 999997", [], 0.0)
    with pytest.raises(InvalidInputError, match=r"row 1: '12\.5' is no RA"):
        bring("stars", half__csv="hip,ra,dec\n99999999,12.5,\n")
    with pytest.raises(InvalidInputError, match=r"row 2: '7\.5' is no HIP number"):
        bring("stars", part__csv="hip,ra,dec\n ,1,2\n7.5,1,2\n")


def test_a_table_of_planets(backend: Backend, bring: Import) -> None:
    done = bring("exoplanets", planets__csv=NASA, force=True)
    assert (done.rows, done.left_out) == (2, ["No Place b"])
    peg = planet(backend, "51 Peg b")
    assert peg.orbital_period == {
        "value": 4.23, "unit": "days", "error_max": 0.01, "error_min": 0.02,
    }  # fmt: skip
    assert peg.discovery_year == 1995
    fresh = planet(backend, "New One b")
    assert fresh.mass is None  # it was estimated from the radius
    assert fresh.is_transiting
    assert fresh.transit_duration == {"value": 0.1, "unit": "d"}
    assert not catalogue(backend.settings, "exoplanets").find("WASP-10 c")
    builtin.build(path_of(backend.settings, "exoplanets"), "exoplanets", anew=True)
    assert planet(backend, "New One b").name == "New One b"  # what was imported stays
    planets = catalogue(backend.settings, "exoplanets")
    for _, id_ in planets.around(0, 0, 180):  # nothing in the sky that is in no row
        assert planets.row(id_)


def test_what_was_imported_is_taken_out_again(backend: Backend, bring: Import) -> None:
    bring("exoplanets", planets__csv=NASA, force=True)
    bring("stars", mine__csv="hip,hd,ra,dec,proper\n,999990,10.5,4.5,Our Star\n")
    with pytest.raises(ConflictError, match="came with the program"):
        importing.remove(backend, ADMIN, "openngc")
    with pytest.raises(NotFoundError):
        importing.remove(backend, ADMIN, "nonsense")
    with pytest.raises(ArcsecondError):
        importing.remove(backend, Viewer(), "nasa")
    importing.remove(backend, ADMIN, "nasa")
    assert planet(backend, "11 Com b").name == "11 Com b"  # as it came with the program
    assert not catalogue(backend.settings, "exoplanets").find("New One b")
    importing.remove(backend, ADMIN, "stars-mine")
    objects = catalogue(backend.settings, "objects")
    assert not objects.find("Our Star")
    assert not objects.around(10.5, 4.5, 0.001)
    assert objects.find("M 31")
    bring("stars", mine__csv="hip,hd,ra,dec,proper\n,999990,10.5,4.5,Our Star\n")
    assert objects.find("Our Star")


def test_a_damaged_file_is_kept_aside_and_said(
    backend: Backend, bring: Import, caplog: pytest.LogCaptureFixture
) -> None:
    bring("exoplanets", planets__csv=NASA, force=True)
    path = path_of(backend.settings, "exoplanets")
    for damage in (path.read_bytes()[: path.stat().st_size // 2], b"nothing"):
        path.unlink(missing_ok=True)
        path.write_bytes(damage)
        catalogue.cache_clear()
        caplog.clear()
        assert planet(backend, "51 Peg b").name == "51 Peg b"
        assert "has to be imported again" in caplog.text
        assert path.with_name("exoplanets.sqlite.damaged").read_bytes() == damage


@shared_data
def test_a_parallax_is_no_magnitude(backend: Backend, bring: Import) -> None:
    folder = CATALOGUES / "standard_stars" / "arcsecond" / "Perryman_etal_1997"
    bring("standardstars", *(one for one in folder.iterdir() if one.suffix != ".md"))
    row = catalogue(backend.settings, "standardstars").find("HIP 77")[0][1]
    assert [(f["name"], f["value"], f["system"]) for f in row.fluxes] == [("V", 8.41, "Vega")]


def test_two_imports_at_once_both_stay(backend: Backend, bring: Import) -> None:
    def one(n: int) -> None:
        row = f"hip,hd,ra,dec,proper\n,99998{n},{n}.5,4.5,Our Star {n}\n"
        bring("stars", **{f"mine{n}__csv": row})

    threads = [threading.Thread(target=one, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    file = catalogue(backend.settings, "objects")
    assert {f"stars-mine{n}" for n in range(3)} <= set(file.parts())
    assert all(file.find(f"Our Star {n}") for n in range(3))


def test_what_a_newer_table_lacks_is_kept_however_thin_the_one_between_was(
    backend: Backend, bring: Import
) -> None:
    timed = planet(backend, "XO-1 b").tzero_primary_transit
    assert timed is not None
    bring("exoplanets", planets__csv=NASA, force=True)
    assert not catalogue(backend.settings, "exoplanets").find("XO-1 b")
    row = NASA.splitlines()[-3].replace("51 Peg", "XO-1")
    assert row.startswith("XO-1 b,")
    whole = NASA + row.replace("Radial Velocity", "Transit") + "\n"
    bring("exoplanets", planets__csv=whole, force=True)
    assert planet(backend, "XO-1 b").tzero_primary_transit == timed


NGC = """Name;Type;RA;Dec;Const;MajAx;MinAx;PosAng;B-Mag;V-Mag;J-Mag;H-Mag;K-Mag;SurfBr;Hubble;Pax;Pm-RA;Pm-Dec;RadVel;Redshift;Cstar U-Mag;Cstar B-Mag;Cstar V-Mag;M;NGC;IC;Cstar Names;Identifiers;Common names;NED notes;OpenNGC notes;Sources
NGC0224;G;00:42:44.35;+41:16:08.6;And;177.83;69.66;35;4.29;3.44;2.09;1.28;0.98;23.63;Sb;;;;-300;-0.001;;;;031;;;;;Andromeda Galaxy;;;
"""


def test_what_a_table_of_ngc_does_not_cover_stays(backend: Backend, bring: Import) -> None:
    with pytest.raises(InvalidInputError, match="far fewer"):
        bring("openngc", NGC__csv=NGC)
    bring("openngc", NGC__csv=NGC, force=True)
    for name in ("Hyades", "C 41", "M 40", "NGC 346"):
        assert catalogue(backend.settings, "objects").find(name), name
    assert star(backend, "M 31").morphological_type == "Sb"


@pytest.mark.parametrize(
    ("target", "name", "text", "said"),
    [
        ("exoplanets", "twice__csv", NASA + NASA.partition("trandur\n")[2], "more than once"),
        ("stars", "twice__csv", HYG + HYG.partition("con\n")[2], "twice"),
        ("stars", "twice__csv", "hip,mag\n" + "".join(f"{n},5\n" for n in [*range(2, 90)] * 2), "twice"),
        ("exoplanets", "cut__csv", NASA[:-6], "its last line has no end"),
        ("openngc", "NGC__csv", NGC[:-6], "its last line has no end"),
        ("stars", "list__json", '[{"HR":"1","RA":"00h 05m 09.9s","Dec":"+45° 13′ 45″","V":"abc"}]',
         "'abc' in the column 'V' is no number"),
        ("exoplanets", "nested__xml", "<systems><system><rightascension>1 2 3</rightascension>"
         "<declination>+1 2 3</declination>" + "<star>" * 5_000 + "</star>" * 5_000
         + "</system></systems>", "without end"),
        ("exoplanets", "odd__xml", "<?xml version='1.0' encoding='foo-8'?><systems/>", "cut or damaged"),
    ],
)  # fmt: skip
def test_what_is_doubled_cut_or_odd_changes_nothing(
    target: str, name: str, text: str, said: str, backend: Backend, bring: Import
) -> None:
    before = state(backend)
    with pytest.raises(InvalidInputError) as error:
        bring(target, force=True, **{name: text})
    assert said in str(error.value)
    assert state(backend) == before


def test_a_key_of_what_came_with_the_program_is_taken(backend: Backend, bring: Import) -> None:
    about: dict[str, object] = {"key": "spectrophotometric", "name": "Mine", "tables": []}
    with pytest.raises(InvalidInputError, match="came with the program"):
        bring("standardstars", metadata__json=json.dumps(about))
    about["key"] = "../../x"
    with pytest.raises(InvalidInputError, match="no key of a catalogue"):
        bring("standardstars", metadata__json=json.dumps(about))


def test_readers_go_on_while_it_is_replaced(backend: Backend, bring: Import) -> None:
    file = catalogue(backend.settings, "objects")
    seen: list[str] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            seen.append(file.find("Sirius")[0][1].name)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for n in range(2):
        bring("stars", hyg__csv=HYG.replace("999999", f"99999{n}"))
    over.set()
    for thread in threads:
        thread.join(20)
    assert set(seen) == {"Sirius"}
    assert file.find("HD 999991")


ROWS = NASA.splitlines(keepends=True)
HUGE = "<!DOCTYPE a [<!ENTITY b 'xx'><!ENTITY c '&b;&b;&b;'>]><systems><name>&c;</name></systems>"


@pytest.mark.parametrize(
    ("target", "texts", "said"),
    [
        ("exoplanets", {"a__csv": NASA.replace("hostname", "host")}, "lacks the column 'hostname'"),
        ("exoplanets", {"a__csv": NASA[:-30] + "\n"}, "cut or damaged: row 3"),
        ("exoplanets", {"a__csv": NASA + "".join(ROWS[4:])}, "more than once"),
        ("exoplanets", {"a__csv": NASA.replace("4.23", "soon")}, "'soon' in the column 'pl_orbper'"),
        ("exoplanets", {"a__csv": NASA.replace("4.23", "nan")}, "is no number"),
        ("exoplanets", {"a__csv": NASA.replace("20.7692", "120")}, "51 Peg b has no position"),
        ("exoplanets", {"a__csv": NASA}, "far fewer"),
        ("exoplanets", {"a__csv": ""}, "no line with names of columns"),
        ("exoplanets", {"a__csv": "\n".join(ROWS[3:4])}, "no row that could be read"),
        ("exoplanets", {"a__html": "<html><body>502 Bad Gateway</body></html>"}, "holds <html>"),
        ("exoplanets", {"a__xml": HUGE}, "entities of its own, which is refused"),
        ("exoplanets", {"a__xml": "<systems><system><name>x</name>"}, "cut or damaged"),
        ("exoplanets", {"a__csv__gz": gzip.compress(NASA.encode())[:-20]}, "cut or damaged"),
        ("exoplanets", {"a__fits": b"SIMPLE\0\xff\xfe"}, "no text"),
        ("exoplanets", {"a__csv": NASA, "b__csv": NASA}, "one file"),
        ("openngc", {"a__csv": "Name;Type;RA\nNGC0001;G;0\n"}, "lacks the column 'Dec'"),
        ("stars", {"a__csv__gz": gzip.compress(b"x" * (65 << 20))}, "a line of more than"),
        (
            "exoplanets",
            {"a__xml__gz": gzip.compress(b"<systems>" + b"<a/>\n" * (7 << 20))},
            "larger than 32 MiB",
        ),
        (
            "exoplanets",
            {"a__csv": NASA.replace("pl_trandur", "tran_flag").replace(",2.4\n", ",yes\n")},
            "'yes'",
        ),
        (
            "standardstars",
            {
                "metadata__json": '{"key": "k", "name": "n", "equinox": "abcd", "tables": '
                '[{"file": "t.txt", "columns": {"name": [0, 5]}}]}',
                "t__txt": "FS 1  00 31 22.7 -12 24 29\n",
            },
            "'abcd' is no equinox",
        ),
        ("stars", {"a__csv": "id,ra,mag\n1,2,3\n"}, "lacks the column"),
        ("stars", {"a__csv": "ra,dec,mag\n1,2,3\n"}, "no star of it has a name"),
        ("stars", {"a__csv": "hip,ra,dec\nxii,2,3\n"}, "'xii' is no HIP"),
        ("stars", {"a__csv": "hip,ra,dec\n3,400,3\n"}, "is no RA and Dec"),
        ("stars", {"a__csv": "hip,ra,dec\n3,4\n"}, "row 1 has 2 of 3 columns"),
        ("stars", {"a__json": '[{"HR": "1", "RA": "x"}]'}, "lacks 'Dec'"),
        ("stars", {"a__json": '[{"HR": "1"'}, "cut"),
        ("standardstars", {"a__txt": "FS 1 00 31 22.7 -12 24 29"}, "a folder with metadata.json"),
        ("standardstars", {"metadata__json": "{"}, "metadata.json cannot be read"),
        (
            "standardstars",
            {"metadata__json": '{"key": "k", "name": "n", "tables": [{"file": "t.txt"}]}'},
            "t.txt, which metadata.json names, was not sent",
        ),
        ("nothing", {"a__csv": NASA}, "is no catalogue to import"),
        ("stars", {}, "No file was sent"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_changes_nothing(
    target: str, texts: dict[str, str | bytes], said: str, backend: Backend, bring: Import
) -> None:
    before = state(backend)
    with pytest.raises(ArcsecondError, match=said) as error:
        bring(target, **texts)
    assert "\n" not in error.value.detail
    assert state(backend) == before
    assert not list(backend.settings.catalogues_path.glob("*.next"))
    assert not list(backend.settings.catalogues_path.glob("*.work"))


def test_a_negative_sign_is_kept(backend: Backend, bring: Import) -> None:
    about = {
        "key": "Mine", "name": "Mine", "equinox": "J2000",
        "tables": [{"file": "t.txt", "columns": {"name": [0, 6], "mag_V": [30, 36]}}],
    }  # fmt: skip
    table = "#Star\nA 1   00 00 10.0 -00 00 36    12.345\nB 2   00:00:20 -10 00     -\n"
    bring("standardstars", metadata__json=json.dumps(about), t__txt=table)
    near = service.list_standard_stars(backend, ADMIN, "0.05,-0.01", 1).rows(None, 1)[0][1]
    assert near.name == "A 1"
    assert near.equatorial_coordinates.declination == pytest.approx(-0.01)
    assert near.magnitudes[0].value == 12.345


def test_only_administrators_import(backend: Backend) -> None:
    with pytest.raises(NotAllowedError):
        importing.import_files(backend, Viewer(id=2, username="ann", how="key"), "stars", [])


# The command


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # catalogues are files
def test_the_command(world: str, arcsecond: Command, tmp_path: Path, catalogues: Path,
                     monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    if world == "embedded":
        own = tmp_path / "own"
        own.mkdir()
        for kind in builtin.KINDS:
            catalogue(Settings(tmp_path), kind)
            os.link(catalogues / f"{kind}.sqlite", own / f"{kind}.sqlite")
        monkeypatch.setenv("ARCSECOND_CATALOGUES", str(own))
    table = tmp_path / "hyg.csv"
    table.write_text(HYG)
    done = arcsecond("catalogues", "import", "stars", str(table))
    if world == "served":  # a user of somebody else's server may not
        assert done.status == 1
        assert "administrator" in done.err
        return
    assert done.json["rows"] == 3
    assert arcsecond("objects", "HD 999999").json["coordinates"]["source"] == "hyg.csv"
    assert "stars-hyg" in [c["key"] for c in arcsecond("catalogues").json]
    monkeypatch.setenv("ARCSECOND_FORCE_TTY", "1")
    again = arcsecond("catalogues", "import", "stars", str(table))
    assert "this is there already; nothing was changed" in again.err
    for words, status, said in (
        (("import",), 2, "Type `arcsecond catalogues import"),
        (("import", "star", str(table)), 2, "Did you mean `stars`?"),
        (("import", "stars"), 2, "Which file?"),
        (("import", "stars", str(tmp_path / "none.csv")), 2, "cannot be read"),
        (("import", "exoplanets", str(table)), 1, "lacks the column"),
        (("refresh",), 1, "asks nothing on the network"),
        (("build", "more"), 2, "too much"),
        (("--force",), 2, "--force goes with"),
    ):
        failed = arcsecond("catalogues", *words)
        assert (failed.status, failed.out) == (status, ""), words
        assert said in failed.err
    monkeypatch.delenv("ARCSECOND_FORCE_TTY")
    built = arcsecond("catalogues", "build").json
    assert {one["key"] for one in built} >= {"hipparcos", "stars-hyg"}
    assert arcsecond("objects", "HD 999999").status == 0


@pytest.mark.parametrize("database", ["sqlite"])
def test_the_page(backend: Backend, database: str) -> None:
    people = {"Accept": "text/html", "Origin": "http://testserver.local"}
    with Http(backend.settings) as http:
        _, header = new_user(http.inside)
        page = http.get("/catalogues/", headers=people | header)
        assert "Bring new ones" not in page.text
        with http.inside.db.write() as connection:
            connection.execute(sa.update(users).values(is_admin=True))
        page = http.get("/catalogues/", headers=people | header)
        assert 'formaction="/catalogues/import/stars/"' in page.text
        assert 'formaction="/catalogues/refresh/satellites/"' in page.text
        sent = {"file": ("hyg.csv", HYG)}
        done = http.post(
            "/catalogues/import/stars/", files=sent, headers=people | header, follow_redirects=False
        )
        assert (done.status_code, done.headers["location"]) == (303, "/catalogues/")
        assert "stars-hyg" in http.get("/catalogues/", headers=people | header).text
        wrong = {"file": ("hyg.csv", "a,b\n1,2\n")}
        said = http.post("/catalogues/import/stars/", files=wrong, headers=people | header)
        assert said.status_code == 400
        assert "lacks the column" in said.text
