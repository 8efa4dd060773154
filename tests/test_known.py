"""What is there already: told before bytes are sent, and only of what may be read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from arcsecond.server.archive.tables import LOST, blobs
from arcsecond.server.check import check
from tests.conftest import Http, fits_bytes

Headers = dict[str, str]
FRAME, OTHER = fits_bytes(OBJECT="M 31"), fits_bytes(OBJECT="M 33")
SHA, OTHER_SHA = (hashlib.sha256(frame).hexdigest() for frame in (FRAME, OTHER))


NEW = "new"
"""In place of a dataset: one that is still to be made."""


class Account:
    """Somebody with a dataset."""

    def __init__(self, http: Http, key: Headers) -> None:
        self.http, self.key = http, key
        self.dataset = self.new("night")

    def new(self, name: str) -> str:
        made = self.http.post("/datasets/", json={"name": name}, headers=self.key)
        uuid: str = made.json()["uuid"]
        return uuid

    def send(self, name: str, content: bytes, dataset: str = "", **fields: str) -> Any:
        address = f"/datasets/{dataset or self.dataset}/fitsfiles/"
        part = {"file": (name, content)}
        return self.http.post(address, files=part, data=fields, headers=self.key)

    def states(self, *asked: tuple[str, bytes, str | None], dataset: str = "") -> list[str]:
        files = [{"name": n, "size": len(c), "sha256": sha256} for n, c, sha256 in asked]
        address = f"/datasets/{dataset or self.dataset}/known/"
        if dataset == NEW:
            address = "/fitsfiles/known/"
        told = self.http.post(address, json={"files": files}, headers=self.key)
        assert told.status_code == 200, told.text
        return [one["state"] for one in told.json()]

    def take(self, name: str, sha256: str, dataset: str = "", **more: Any) -> Any:
        address = f"/datasets/{dataset or self.dataset}/fitsfiles/"
        body = {"name": name, "sha256": sha256, **more}
        return self.http.post(address, json=body, headers=self.key)


@pytest.fixture
def ann(http: Http, user: Callable[[str], Headers]) -> Account:
    return Account(http, user("ann"))


@pytest.fixture
def bob(http: Http, user: Callable[[str], Headers]) -> Account:
    return Account(http, user("bob"))


def test_what_is_there_is_told(ann: Account) -> None:
    ann.send("V/a.fits", FRAME)
    assert ann.states(
        ("V/a.fits", FRAME, SHA),
        ("V/a.fits", OTHER, OTHER_SHA),
        ("b.fits", FRAME, SHA),
        ("b.fits", OTHER, OTHER_SHA),
        ("V/a.fits", FRAME, None),
        ("b.fits", FRAME, None),
        ("V/a.fits", FRAME + b"x", None),
        ("b.fits", FRAME + b"x", None),
    ) == ["same", "other", "elsewhere", "unknown", "unclear", "unclear", "other", "unknown"]
    assert ann.states() == []


def test_of_a_dataset_that_is_to_be_made_it_is_told_too(ann: Account, bob: Account) -> None:
    ann.send("V/a.fits", FRAME)
    asked = [("V/a.fits", FRAME, SHA), ("V/a.fits", OTHER, OTHER_SHA), ("V/a.fits", FRAME, None)]
    assert ann.states(*asked, dataset=NEW) == ["elsewhere", "unknown", "unclear"]
    assert bob.states(*asked, dataset=NEW) == ["unknown", "unknown", "unknown"]
    for digest in ("AAA", SHA.upper(), SHA + "0"):
        body = {"files": [{"name": "a.fits", "size": 1, "sha256": digest}]}
        for address in ("/fitsfiles/known/", f"/datasets/{ann.dataset}/known/"):
            refused = ann.http.post(address, json=body, headers=ann.key)
            assert refused.status_code == 400
            assert "no SHA-256" in refused.json()["detail"]
    nobody = ann.http.post("/fitsfiles/known/", json={"files": []})
    assert nobody.status_code == 401


def test_what_was_lost_is_to_be_sent_again(ann: Account) -> None:
    ann.send("a.fits", FRAME)
    with ann.http.inside.db.write() as connection:
        connection.execute(sa.update(blobs).values(state=LOST))
    asked = (("a.fits", FRAME, SHA), ("b.fits", FRAME, SHA), ("a.fits", FRAME, None))
    assert ann.states(*asked) == ["unknown", "unknown", "unclear"]
    assert ann.take("b.fits", SHA).status_code == 404


def test_content_that_may_be_read_becomes_a_file_without_its_bytes(ann: Account) -> None:
    ann.send("a.fits", FRAME)
    other = ann.new("another")
    made = ann.take("V/b.fits", SHA, other, tags=["copy"])
    assert made.status_code == 201
    file = made.json()
    assert (file["name"], file["sha256"], file["target"]) == ("V/b.fits", SHA, "M 31")
    assert file["tags"] == ["copy"]
    assert len(file["hdus"]) == 1
    again = ann.take("V/b.fits", SHA, other)
    assert (again.status_code, again.json()["pk"]) == (200, file["pk"])
    ann.send("c.fits", OTHER)
    assert ann.take("V/b.fits", OTHER_SHA, other).status_code == 409
    assert check(ann.http.inside).findings == []


def test_a_digest_is_no_key_to_the_data_of_somebody_else(ann: Account, bob: Account) -> None:
    """Two accounts: who may not read content learns nothing of it, and sends the bytes."""
    ann.send("a.fits", FRAME)
    asked = [("a.fits", FRAME, SHA), ("a.fits", FRAME, None)]
    unknown = [("a.fits", OTHER, OTHER_SHA), ("a.fits", OTHER + b"x", None)]
    assert bob.states(*asked) == bob.states(*unknown) == ["unknown", "unknown"]
    refused, missing = bob.take("a.fits", SHA), bob.take("a.fits", OTHER_SHA)
    assert (refused.status_code, refused.json()) == (missing.status_code, missing.json())
    assert refused.status_code == 404
    assert bob.states(*asked, dataset=bob.dataset) == ["unknown", "unknown"]
    sent = bob.send("a.fits", FRAME)
    assert sent.status_code == 201  # as if it were the first: it is kept once, silently
    assert len(list(ann.http.inside.store.digests())) == 1
    assert bob.states(*asked) == ["same", "unclear"]


def test_what_is_public_may_be_read_and_taken(ann: Account, bob: Account) -> None:
    ann.send("a.fits", FRAME)
    address = f"/datasets/{ann.dataset}/"
    ann.http.patch(address, json={"is_public": True}, headers=ann.key)
    assert bob.states(("a.fits", FRAME, SHA)) == ["elsewhere"]
    assert bob.take("a.fits", SHA).status_code == 201
    ann.http.patch(address, json={"is_public": False}, headers=ann.key)
    assert bob.states(("b.fits", FRAME, SHA)) == ["elsewhere"]  # it is his own now


def test_what_is_in_the_trash_is_not_there(ann: Account) -> None:
    pk = ann.send("a.fits", FRAME).json()["pk"]
    ann.http.delete(f"/datasets/{ann.dataset}/fitsfiles/{pk}/", headers=ann.key)
    assert ann.states(("a.fits", FRAME, SHA)) == ["unknown"]


def test_only_the_owner_of_a_dataset_asks(ann: Account, bob: Account) -> None:
    body = {"files": [{"name": "a.fits", "size": 1}]}
    address = f"/datasets/{ann.dataset}/known/"
    assert bob.http.post(address, json=body, headers=bob.key).status_code == 404
    assert bob.http.post(address, json=body).status_code == 401
    assert bob.take("a.fits", SHA, ann.dataset).status_code == 404


def test_questions_that_are_none(ann: Account) -> None:
    for body in (
        {},
        {"files": "a.fits"},
        {"files": [{"name": "../a.fits", "size": 1}]},
        {"files": [{"name": "a.fits", "size": -1}]},
        {"files": [{"name": "a.fits", "size": 1 << 63}]},
        {"files": [{"name": "a.fits", "size": 1, "sha256": 7}]},
        {"files": [{"name": "a.fits", "size": 1}] * 1001},
    ):
        answer = ann.http.post(f"/datasets/{ann.dataset}/known/", json=body, headers=ann.key)
        assert answer.status_code == 400, body
        assert isinstance(answer.json()["detail"], str)


def test_taking_needs_a_name_and_a_digest(ann: Account) -> None:
    address = f"/datasets/{ann.dataset}/fitsfiles/"
    for body in ({}, {"name": "a.fits"}, {"sha256": SHA}, {"name": "/a.fits", "sha256": SHA}):
        assert ann.http.post(address, json=body, headers=ann.key).status_code == 400


def test_bytes_that_are_not_those_that_were_sent_are_not_kept(ann: Account) -> None:
    refused = ann.send("a.fits", FRAME, sha256=OTHER_SHA)
    assert (refused.status_code, refused.json()["code"]) == (460, "checksum")
    assert SHA in refused.json()["detail"]
    assert ann.send("a.fits", FRAME, sha256=SHA.upper()).status_code == 201
    address = f"/datasets/{ann.dataset}/fitsfiles/"
    parts = [("file", ("b.fits", FRAME)), ("file", ("c.fits", FRAME))]
    told = ann.http.post(
        address, files=parts, data={"sha256": f"{OTHER_SHA},{SHA}"}, headers=ann.key
    ).json()
    assert [one["status"] for one in told] == [460, 201]
    few = ann.http.post(address, files=parts, data={"sha256": SHA}, headers=ann.key)
    assert few.status_code == 400
    assert check(ann.http.inside).findings == []


def test_folders_belong_to_the_name(ann: Account) -> None:
    """The same name in two folders is two files."""
    for folder in ("V", "B"):
        assert ann.send(f"{folder}/a.fits", fits_bytes(FILTER=folder)).status_code == 201
    address = f"/datasets/{ann.dataset}/fitsfiles/"
    listed = ann.http.get(address, headers=ann.key).json()
    assert [file["name"] for file in listed] == ["V/a.fits", "B/a.fits"]
    one = ann.http.get(address + quote("B/a.fits", safe="") + "/", headers=ann.key).json()
    assert one["filter"] == "B"
    saved = ann.http.get(f"{address}{one['pk']}/download/", headers=ann.key)
    assert saved.headers["content-disposition"].endswith("''a.fits")
    renamed = ann.http.patch(
        f"{address}{one['pk']}/", json={"name": "R/night 2/a.fits"}, headers=ann.key
    )
    assert renamed.json()["name"] == "R/night 2/a.fits"


def test_the_quota_holds_for_what_comes_at_once(ann: Account) -> None:
    object.__setattr__(ann.http.inside.settings, "quota_bytes", 2 * len(FRAME))
    frames = [fits_bytes(OBJECT=str(n)) for n in range(4)]
    address = f"/datasets/{ann.dataset}/fitsfiles/"
    names = ("a", "b", "c", "c")
    parts = [("file", (f"{n}.fits", f)) for n, f in zip(names, frames, strict=True)]
    told = ann.http.post(address, files=parts, headers=ann.key).json()
    assert [one["status"] for one in told] == [201, 201, 413, 413]
    assert "0 are left" in told[2]["error"]["detail"]
    again = ann.send("a.fits", frames[0])
    assert again.status_code == 200  # it is there: nothing is added
    pk = again.json()["pk"]
    part = {"file": ("a.fits", frames[3])}
    new = ann.http.put(f"{address}{pk}/", files=part, headers=ann.key)
    assert new.status_code == 413
    assert ann.take("d.fits", hashlib.sha256(frames[0]).hexdigest()).status_code == 413
    object.__setattr__(ann.http.inside.settings, "quota_bytes", 0)
