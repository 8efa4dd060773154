"""What was deleted: listed, brought back, forgotten."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from arcsecond.server import db
from arcsecond.server.archive.sweep import sweep
from arcsecond.server.archive.tables import blobs, datasets, files, headers, versions
from arcsecond.server.check import check
from arcsecond.server.people import owned
from arcsecond.server.records.tables import night_logs, observing_runs
from arcsecond.server.trash import service
from tests.conftest import Command, Http, fits_bytes
from tests.test_known import Account

Headers = dict[str, str]
FRAME, OTHER = fits_bytes(OBJECT="M 31"), fits_bytes(OBJECT="M 33")


@pytest.fixture
def ann(http: Http, user: Callable[[str], Headers]) -> Account:
    return Account(http, user("ann"))


@pytest.fixture
def bob(http: Http, user: Callable[[str], Headers]) -> Account:
    return Account(http, user("bob"))


def trash(account: Account) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = account.http.get("/trash/", headers=account.key).json()
    return found


def delete(account: Account, path: str) -> None:
    assert account.http.delete(path, headers=account.key).status_code == 204


def restore(account: Account, key: object, **body: str) -> Any:
    return account.http.post(f"/trash/restore/{key}/", json=body, headers=account.key)


def names(account: Account) -> list[str]:
    path = f"/datasets/{account.dataset}/fitsfiles/"
    return [file["name"] for file in account.http.get(path, headers=account.key).json()]


def test_a_file_comes_back(ann: Account) -> None:
    pk = ann.send("V/a.fits", FRAME, tags="x").json()["pk"]
    before = ann.http.get(f"/datasets/{ann.dataset}/fitsfiles/{pk}/", headers=ann.key).json()
    delete(ann, f"/datasets/{ann.dataset}/fitsfiles/{pk}/")
    (lying,) = trash(ann)
    assert (lying["id"], lying["kind"], lying["name"]) == (str(pk), "fitsfile", "V/a.fits")
    assert (lying["dataset"], lying["size"]) == (ann.dataset, len(FRAME))
    assert ann.http.get(f"/trash/{pk}/", headers=ann.key).json() == lying
    back = restore(ann, pk)
    assert back.status_code == 200
    assert back.json()["url"] == f"/datasets/{ann.dataset}/fitsfiles/{pk}/"
    after = ann.http.get(back.json()["url"], headers=ann.key).json()
    assert {**after, "last_update": ""} == {**before, "last_update": ""}
    assert trash(ann) == []
    assert restore(ann, pk).status_code == 404


def test_a_name_that_is_taken_meanwhile(ann: Account) -> None:
    pk = ann.send("a.fits", FRAME).json()["pk"]
    delete(ann, f"/datasets/{ann.dataset}/fitsfiles/{pk}/")
    ann.send("a.fits", OTHER)
    refused = restore(ann, pk)
    assert (refused.status_code, refused.json()["code"]) == (409, "name_taken")
    assert "another name" in refused.json()["detail"]
    page = ann.http.post(
        f"/trash/restore/{pk}/",
        data={"name": "a.fits"},
        headers=ann.key | {"Accept": "text/html", "Origin": "http://testserver.local"},
    )
    assert page.status_code == 200
    assert "Give this one another name" in page.text
    assert 'name="name" value="a.fits" required autofocus' in page.text
    assert restore(ann, pk, name="../b.fits").status_code == 400
    assert restore(ann, pk, name="old/a.fits").status_code == 200
    assert names(ann) == ["old/a.fits", "a.fits"]


def test_a_dataset_comes_back_with_the_files_that_went_with_it(ann: Account) -> None:
    first = ann.send("a.fits", FRAME).json()["pk"]
    ann.send("b.fits", OTHER)
    delete(ann, f"/datasets/{ann.dataset}/fitsfiles/{first}/")
    delete(ann, f"/datasets/{ann.dataset}/")
    lying = trash(ann)
    assert [(one["kind"], one["name"]) for one in lying] == [
        ("dataset", "night"), ("fitsfile", "a.fits"),
    ]  # fmt: skip
    refused = restore(ann, first)
    assert (refused.status_code, "night" in refused.json()["detail"]) == (409, True)
    assert restore(ann, ann.dataset, name="night 2").json()["name"] == "night 2"
    assert names(ann) == ["b.fits"]
    assert restore(ann, first).status_code == 200
    assert names(ann) == ["a.fits", "b.fits"]
    assert check(ann.http.inside).findings == []


def test_records_come_back(ann: Account) -> None:
    run = ann.http.post("/observingruns/", json={"name": "run"}, headers=ann.key).json()["uuid"]
    body = {"date": "2026-11-22", "observing_run": run}
    log = ann.http.post("/nightlogs/", json=body, headers=ann.key).json()["uuid"]
    delete(ann, f"/nightlogs/{log}/")
    delete(ann, f"/observingruns/{run}/")
    assert [one["kind"] for one in trash(ann)] == ["observingrun", "nightlog"]
    for key, path in ((run, "/observingruns/"), (log, "/nightlogs/")):
        assert restore(ann, key).json()["url"] == f"{path}{key}/"
        assert ann.http.get(f"{path}{key}/", headers=ann.key).status_code == 200


def test_what_is_gone_for_good(ann: Account) -> None:
    pk = ann.send("a.fits", FRAME).json()["pk"]
    part = {"file": ("a.fits", OTHER)}
    ann.http.put(f"/datasets/{ann.dataset}/fitsfiles/{pk}/", files=part, headers=ann.key)
    ann.send("b.fits", FRAME)
    run = ann.http.post("/observingruns/", json={"name": "run"}, headers=ann.key).json()["uuid"]
    log = {"date": "2026-11-22", "observing_run": run}
    ann.http.post("/nightlogs/", json=log, headers=ann.key)
    assert ann.http.delete(f"/trash/{pk}/", headers=ann.key).status_code == 404  # not deleted
    delete(ann, f"/observingruns/{run}/")
    delete(ann, f"/trash/{run}/")
    delete(ann, f"/datasets/{ann.dataset}/fitsfiles/{pk}/")
    delete(ann, f"/trash/{pk}/")
    assert trash(ann) == []
    assert restore(ann, pk).status_code == 404
    delete(ann, f"/datasets/{ann.dataset}/")
    delete(ann, f"/trash/{ann.dataset}/")
    with ann.http.inside.db.read() as connection:
        for table in (files, versions, headers, datasets, observing_runs):
            assert connection.execute(sa.select(table)).all() == []
        assert connection.execute(sa.select(night_logs.c.observing_run)).scalar_one() is None
        assert len(connection.execute(sa.select(blobs)).all()) == 2  # the sweeper takes them
    assert check(ann.http.inside).findings == []


def test_after_a_month_it_is_forgotten(ann: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    pk = ann.send("a.fits", FRAME).json()["pk"]
    run = ann.http.post("/observingruns/", json={"name": "run"}, headers=ann.key).json()["uuid"]
    delete(ann, f"/datasets/{ann.dataset}/fitsfiles/{pk}/")
    delete(ann, f"/observingruns/{run}/")
    backend = ann.http.inside
    for days, left in ((29, 2), (31, 0)):
        moment = db.now() + timedelta(days=days)
        with monkeypatch.context() as later:
            later.setattr("arcsecond.server.archive.sweep.now", lambda moment=moment: moment)
            later.setattr(service, "now", lambda moment=moment: moment)
            sweep(backend)
            service.sweep(backend)
        assert len(trash(ann)) == left


def test_everybody_has_a_trash_of_their_own(ann: Account, bob: Account) -> None:
    pk = ann.send("a.fits", FRAME).json()["pk"]
    ann.http.patch(f"/datasets/{ann.dataset}/", json={"is_public": True}, headers=ann.key)
    delete(ann, f"/datasets/{ann.dataset}/fitsfiles/{pk}/")
    assert trash(bob) == []
    for key in (pk, ann.dataset, "nonsense", "9" * 30):
        assert restore(bob, key).status_code == 404
        assert bob.http.get(f"/trash/{key}/", headers=bob.key).status_code == 404
        assert bob.http.delete(f"/trash/{key}/", headers=bob.key).status_code == 404
    for method, path in (("GET", "/trash/"), ("POST", f"/trash/restore/{pk}/")):
        assert ann.http.request(method, path).status_code == 401


def test_a_long_trash_comes_in_pages(ann: Account) -> None:
    for n in range(7):
        pk = ann.send(f"{n}.fits", fits_bytes(OBJECT=str(n))).json()["pk"]
        delete(ann, f"/datasets/{ann.dataset}/fitsfiles/{pk}/")
    delete(ann, f"/datasets/{ann.new('another')}/")
    found: list[str] = []
    address: str | None = "/trash/?page_size=3"
    while address:
        page = ann.http.get(address, headers=ann.key).json()
        found += [one["name"] for one in page["results"]]
        address = page["next"]
    assert found == ["another", *(f"{n}.fits" for n in reversed(range(7)))]


def test_on_the_command_line(arcsecond: Command, frame: Any) -> None:
    uuid = arcsecond("datasets", "create", "--name", "d", "--quiet").out.strip()
    pk = arcsecond("fitsfiles", uuid, "create", "--file", str(frame), "--quiet").out.strip()
    arcsecond("fitsfiles", uuid, "delete", pk, "--yes")
    assert arcsecond("trash", "--quiet").out.split() == [pk]
    assert arcsecond("trash", "restore").status == 2
    wrong = arcsecond("trash", "--name", "x")
    assert (wrong.status, "goes with restore" in wrong.err) == (2, True)
    assert arcsecond("trash", "restore", pk, "--name", "b.fits").json["name"] == "b.fits"
    frame.write_bytes(OTHER)
    arcsecond("fitsfiles", uuid, "update", pk, "--file", str(frame))
    old = arcsecond("fitsfiles", uuid, "read", pk, "--version", "1").json
    assert (old["version"], old["target"]) == (1, "HD 5980")
    assert arcsecond("fitsfiles", uuid, "--version", "1").status == 2
    assert arcsecond("fitsfiles", uuid, "delete", pk, "--version", "1", "--yes").status == 0
    assert arcsecond("fitsfiles", uuid, "read", pk, "--version", "1").status == 1
    arcsecond("datasets", "delete", uuid, "--yes")
    assert arcsecond("trash", "delete", uuid, "--yes").status == 0
    assert arcsecond("trash", "--quiet").out == ""


def test_numbers_that_no_whole_number_holds(ann: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL gives 1E+30 back as a whole number of 31 digits."""
    frame = fits_bytes(SATURATE=1e30, GAIN=-1e19, CRVAL1=9.3e18)
    pk = ann.send("a.fits", frame).json()["pk"]
    path = f"/datasets/{ann.dataset}/fitsfiles/{pk}/"
    for change in ({"name": "b.fits"}, {"tags": ["x"]}):
        assert ann.http.patch(path, json=change, headers=ann.key).status_code == 200
    found = ann.http.get("/fitsfiles/", params={"where": "header.SATURATE>1e29"}, headers=ann.key)
    assert [file["name"] for file in found.json()] == ["b.fits"]
    again = ann.http.post(
        f"/datasets/{ann.dataset}/reindex/", json={"everything": True}, headers=ann.key
    )
    assert again.json()["read"] == 1
    delete(ann, path)
    assert restore(ann, pk).status_code == 200
    delete(ann, path)
    later = db.now() + timedelta(days=31)
    monkeypatch.setattr("arcsecond.server.archive.sweep.now", lambda: later)
    assert sweep(ann.http.inside).purged == 1
    assert check(ann.http.inside).findings == []


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_dataset_that_is_deleted_twice_at_once(
    ann: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes back with its files all the same."""
    ann.send("a.fits", FRAME)
    ann.send("b.fits", OTHER)
    find_own, faster = owned.find_own, list[int]()

    def slower(*args: Any) -> Any:
        row = find_own(*args)
        if not faster:
            faster.append(0)
            with ThreadPoolExecutor(1) as pool:
                address = f"/datasets/{ann.dataset}/"
                other = pool.submit(ann.http.delete, address, headers=ann.key)
                faster[0] = other.result(20).status_code
        return row

    monkeypatch.setattr(owned, "find_own", slower)
    answer = ann.http.delete(f"/datasets/{ann.dataset}/", headers=ann.key)
    assert (answer.status_code, faster) == (404, [204])
    assert restore(ann, ann.dataset).status_code == 200
    assert sorted(names(ann)) == ["a.fits", "b.fits"]
