"""Data packages: what is in them, who sees it, and links that are revoked."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arcsecond import ArcsecondAPI
from arcsecond.errors import NotFoundError
from arcsecond.server.archive import sweep
from tests.conftest import Command, Http, fits_bytes

Headers = dict[str, str]


class Shelf:
    """Ann's datasets and packages, and bob and a stranger who look at them."""

    def __init__(self, http: Http, user: Callable[[str], Headers]) -> None:
        self.http = http
        self.ann, self.bob, self.nobody = user("ann"), user("bob"), {}
        self.datasets = [self.dataset(name, self.ann) for name in ("one", "two", "three")]

    def dataset(self, name: str, who: Headers, **more: Any) -> str:
        body = {"name": name, **more}
        uuid: str = self.http.post("/datasets/", json=body, headers=who).json()["uuid"]
        part = {"file": (f"{name}.fits", fits_bytes(OBJECT=name))}
        self.http.post(f"/datasets/{uuid}/fitsfiles/", files=part, headers=who)
        return uuid

    def package(self, **body: Any) -> dict[str, Any]:
        body = {"name": "M 31", "datasets": self.datasets[:2], **body}
        answer = self.http.post("/datapackages/", json=body, headers=self.ann)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def change(self, package: Any, **body: Any) -> dict[str, Any]:
        address = f"/datapackages/{package['uuid']}/"
        answer = self.http.patch(address, json=body, headers=self.ann)
        assert answer.status_code == 200, answer.text
        changed: dict[str, Any] = answer.json()
        return changed

    def link(self, package: Any, what: str = "share") -> str:
        answer = self.http.post(f"/datapackages/{what}/{package['uuid']}/", headers=self.ann)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["share_url"])

    def seen(self, who: Headers, query: str = "") -> set[str]:
        """Return the names of the datasets that somebody sees, in every way alike."""
        found = self.http.get(f"/datasets/{query}", headers=who).json()
        names = {one["name"] for one in found}
        files = self.http.get(f"/fitsfiles/{query}", headers=who).json()
        assert {one["name"].removesuffix(".fits") for one in files} == names
        for uuid, name in zip(self.datasets, ("one", "two", "three"), strict=True):
            for address in (
                f"/datasets/{uuid}/",
                f"/datasets/{uuid}/fitsfiles/{name}.fits/download/",
            ):
                status = self.http.get(address + query, headers=who).status_code
                assert status == (200 if name in names else 404), address
        return names


@pytest.fixture
def shelf(http: Http, user: Callable[[str], Headers]) -> Shelf:
    return Shelf(http, user)


def test_it_holds_datasets_in_their_order(shelf: Shelf) -> None:
    made = shelf.package(
        datasets=["two", shelf.datasets[0]], description="All of it.", licence="CC-BY-4.0",
        citation="Ann 2026", embargo="2027-01-01",
    )  # fmt: skip
    assert made["datasets"] == [shelf.datasets[1], shelf.datasets[0]]
    assert made["data_files_count"] == 2
    assert made["data_files_volume"] == 2 * len(fits_bytes())
    assert (made["licence"], made["citation"], made["embargo"]) == (
        "CC-BY-4.0", "Ann 2026", "2027-01-01",
    )  # fmt: skip
    assert made["share_url"] is None
    changed = shelf.change(made, datasets="three, two,two", licence="")
    assert changed["datasets"] == [shelf.datasets[2], shelf.datasets[1]]
    assert (changed["licence"], changed["citation"]) == ("", "Ann 2026")
    assert shelf.change(made, name="M 33")["datasets"] == changed["datasets"]
    assert shelf.change(made, datasets=[])["datasets"] == []
    shelf.http.delete(f"/datasets/{shelf.datasets[1]}/", headers=shelf.ann)
    address = f"/datapackages/{shelf.package(datasets='one')['uuid']}/"
    shelf.http.delete(f"/datasets/{shelf.datasets[0]}/", headers=shelf.ann)
    assert shelf.http.get(address, headers=shelf.ann).json()["datasets"] == []


def test_its_files_are_searched_and_downloaded_together(shelf: Shelf) -> None:
    made = shelf.package()
    ask = f"?package={made['uuid']}"
    found = shelf.http.get(f"/fitsfiles/{ask}", headers=shelf.ann).json()
    assert {one["name"] for one in found} == {"one.fits", "two.fits"}
    sums = shelf.http.get(f"/fitsfiles/SHA256SUMS{ask}", headers=shelf.ann).text
    assert len(sums.splitlines()) == 2
    listed = shelf.http.get(f"/datapackages/?dataset={shelf.datasets[0]}", headers=shelf.ann)
    assert [one["uuid"] for one in listed.json()] == [made["uuid"]]
    for wrong in ("?package=nothing", f"?package={shelf.datasets[0]}"):
        assert shelf.http.get(f"/fitsfiles/{wrong}", headers=shelf.ann).status_code == 404
    assert shelf.http.get(f"/fitsfiles/{ask}", headers=shelf.bob).status_code == 404
    empty = shelf.package(datasets=[])
    assert shelf.http.get(f"/fitsfiles/?package={empty['uuid']}", headers=shelf.ann).json() == []


def test_who_sees_a_package_sees_what_is_in_it(shelf: Shelf) -> None:
    made = shelf.package()
    for who in (shelf.bob, shelf.nobody):
        assert shelf.seen(who) == set()
    shelf.change(made, is_public=True)
    for who in (shelf.bob, shelf.nobody):
        assert shelf.seen(who) == {"one", "two"}
    shelf.change(made, embargo="2999-01-01")
    assert shelf.seen(shelf.nobody) == set()
    shelf.change(made, embargo="2020-01-01", datasets=["three"])
    assert shelf.seen(shelf.nobody) == {"three"}
    assert shelf.http.get(f"/datapackages/{made['uuid']}/").json()["datasets"] == [
        shelf.datasets[2]
    ]
    for answer in (
        shelf.http.patch(f"/datasets/{shelf.datasets[2]}/", json={"name": "x"}, headers=shelf.bob),
        shelf.http.patch(f"/datapackages/{made['uuid']}/", json={"name": "x"}, headers=shelf.bob),
        shelf.http.post(f"/datapackages/share/{made['uuid']}/", headers=shelf.bob),
    ):
        assert answer.status_code == 403
    shelf.http.delete(f"/datapackages/{made['uuid']}/", headers=shelf.ann)
    assert shelf.seen(shelf.nobody) == set()
    assert shelf.seen(shelf.ann) == {"one", "two", "three"}


def test_a_dataset_tells_who_sees_it(shelf: Shelf) -> None:
    """Whether by itself or by a package, of which it tells those that the asker sees."""

    def told(who: Headers) -> tuple[bool, list[str], str]:
        address = f"/datasets/{shelf.datasets[0]}/"
        one = shelf.http.get(address, headers=who).json()
        page = shelf.http.get(address, headers=who | {"Accept": "text/html"}).text
        seen = re.search("Everyone sees it</dt>\\s*<dd>(.*?)</dd>", page)
        assert seen is not None
        return one["is_published"], one["datapackages"], seen[1]

    assert told(shelf.ann) == (False, [], "no")
    made = shelf.package()
    assert told(shelf.ann) == (False, [made["uuid"]], "no")
    shelf.change(made, is_public=True, embargo="2999-01-01")
    assert told(shelf.ann)[0] is False
    shelf.change(made, embargo="2020-01-01")
    for who in (shelf.ann, shelf.bob, shelf.nobody):
        assert told(who) == (True, [made["uuid"]], "yes")
    hidden = shelf.package()
    assert told(shelf.nobody) == (True, [made["uuid"]], "yes")
    assert told(shelf.ann) == (True, [made["uuid"], hidden["uuid"]], "yes")
    listed = shelf.http.get("/datasets/", headers=shelf.ann | {"Accept": "text/html"}).text
    assert "everyone, by a data package" in listed
    # Whoever puts somebody else's dataset into a package of their own publishes nothing.
    body = {"name": "bob's", "datasets": [shelf.datasets[0]], "is_public": True}
    shelf.http.post("/datapackages/", json=body, headers=shelf.bob)
    shelf.change(made, is_public=False)
    assert told(shelf.ann) == (False, [made["uuid"], hidden["uuid"]], "no")


def test_scripts_of_what_a_link_shows_work_without_a_cookie(shelf: Shelf) -> None:
    made = shelf.package()
    word = shelf.link(made).rstrip("/").rpartition("/")[2]
    script = shelf.http.get(f"/fitsfiles/files.sh?package={made['uuid']}&share={word}").text
    assert f"/download/?share={word}" in script
    mine = shelf.http.get(
        f"/fitsfiles/files.sh?package={made['uuid']}&share={word}", headers=shelf.ann
    )
    assert "/download/?share=" not in mine.text
    other = shelf.http.get(
        f"/fitsfiles/files.sh?package={made['uuid']}&share={word}", headers=shelf.bob
    )
    assert f"/download/?share={word}" in other.text  # his key alone would show him nothing
    found = re.search(r"/datasets/\S+/download/\?share=\w+", script)
    assert found is not None
    assert shelf.http.get(found[0]).status_code == 200


def test_what_another_package_shows_is_in_mine_too(shelf: Shelf) -> None:
    """Bob sees ann's dataset by her package, and puts it into his own."""
    shelf.package(datasets=["one"], is_public=True)
    body = {"name": "bob's", "datasets": [shelf.datasets[0]]}
    his = shelf.http.post("/datapackages/", json=body, headers=shelf.bob).json()
    assert his["datasets"] == [shelf.datasets[0]]
    assert his["data_files_count"] == 1


def test_what_lies_in_the_trash_stays_in_it(shelf: Shelf) -> None:
    made = shelf.package()
    shelf.http.delete(f"/datasets/{shelf.datasets[0]}/", headers=shelf.ann)
    assert shelf.change(made, datasets=[shelf.datasets[1]])["datasets"] == [shelf.datasets[1]]
    shelf.http.post(f"/trash/restore/{shelf.datasets[0]}/", headers=shelf.ann)
    again = shelf.http.get(f"/datapackages/{made['uuid']}/", headers=shelf.ann).json()
    assert set(again["datasets"]) == set(shelf.datasets[:2])


def test_what_belongs_to_others_is_shown_by_them_alone(shelf: Shelf) -> None:
    theirs = shelf.dataset("theirs", shelf.bob, is_public=True)
    made = shelf.package(datasets=["one", theirs], is_public=True)
    assert made["datasets"] == [shelf.datasets[0], theirs]
    shelf.http.patch(f"/datasets/{theirs}/", json={"is_public": False}, headers=shelf.bob)
    address = f"/datapackages/{made['uuid']}/"
    assert shelf.http.get(address).json()["datasets"] == [shelf.datasets[0]]
    assert shelf.http.get(f"/datasets/{theirs}/").status_code == 404
    assert shelf.http.get(f"/datasets/{theirs}/", headers=shelf.ann).status_code == 404


def test_a_link_shows_it_until_it_is_revoked(shelf: Shelf) -> None:
    made = shelf.package()
    link = shelf.link(made)
    word = link.rstrip("/").rpartition("/")[2]
    ask = f"?share={word}"
    assert shelf.seen(shelf.nobody, ask) == {"one", "two"}
    assert shelf.seen(shelf.bob, ask) == {"one", "two"}
    assert shelf.seen(shelf.ann, ask) == {"one", "two", "three"}
    told = shelf.http.get(link).json()
    assert told["datasets"] == made["datasets"]
    assert told["share_url"] is None
    mine = shelf.http.get(f"/datapackages/{made['uuid']}/", headers=shelf.ann).json()
    assert mine["share_url"] == link
    # It lets nobody write.
    answer = shelf.http.patch(
        f"/datasets/{shelf.datasets[0]}/{ask}", json={"name": "x"}, headers=shelf.bob
    )
    assert answer.status_code == 403
    assert shelf.http.delete(f"/datasets/{shelf.datasets[0]}/{ask}").status_code == 401
    assert shelf.link(made) == link  # the one that there is
    assert shelf.link(made, "unshare") == "None"
    assert shelf.http.get(link).status_code == 404
    assert shelf.seen(shelf.nobody, ask) == set()
    newer = shelf.link(made)
    assert newer != link
    assert shelf.http.get(newer).status_code == 200
    assert shelf.link(made, "unshare") == "None"
    assert shelf.http.get(newer).status_code == 404
    # One that was revoked does not come back.
    assert shelf.link(made) not in (link, newer)
    for wrong in ("0" * 40, "x", "é", "'"):
        assert shelf.http.get(f"/shared/{wrong}/").status_code == 404
        assert shelf.http.get(f"/datasets/?share={wrong}").json() == []
    shelf.link(made)
    shelf.http.delete(f"/datapackages/{made['uuid']}/", headers=shelf.ann)
    assert shelf.seen(shelf.nobody, ask) == set()


def test_a_browser_keeps_the_links_it_came_by(shelf: Shelf) -> None:
    first, second = shelf.package(), shelf.package(name="other", datasets=["three"])
    browser = {"Accept": "text/html"}
    for package, seen in ((first, {"one", "two"}), (second, {"one", "two", "three"})):
        link = shelf.link(package)
        answer = shelf.http.get(link, headers=browser, follow_redirects=False)
        assert answer.status_code == 303
        assert answer.headers["location"] == f"/datapackages/{package['uuid']}/"
        assert "HttpOnly" in answer.headers["set-cookie"]
        assert shelf.seen(shelf.nobody) == seen
    page = shelf.http.get(f"/datapackages/{first['uuid']}/", headers=browser)
    assert "Revoke" not in page.text
    assert f"/fitsfiles/files.zip?package={first['uuid']}" in page.text
    assert shelf.http.get(f"/fitsfiles/files.zip?package={first['uuid']}").content[:2] == b"PK"
    shelf.link(first, "unshare")
    assert shelf.seen(shelf.nobody) == {"three"}
    shelf.http.cookies.clear()
    shelf.http.cookies.set("arcsecond_shares", "x" * 4000 + "..;.'")
    assert shelf.seen(shelf.nobody) == set()


def test_it_comes_back_from_the_trash(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    made = shelf.package(is_public=True)
    shelf.http.delete(f"/datapackages/{made['uuid']}/", headers=shelf.ann)
    (deleted,) = shelf.http.get("/trash/", headers=shelf.ann).json()
    assert (deleted["kind"], deleted["id"]) == ("datapackage", made["uuid"])
    restored = shelf.http.post(f"/trash/restore/{made['uuid']}/", headers=shelf.ann).json()
    assert restored["url"] == f"/datapackages/{made['uuid']}/"
    assert shelf.seen(shelf.nobody) == {"one", "two"}
    # A dataset that is forgotten leaves it; so does all of it when it is forgotten itself.
    monkeypatch.setattr(sweep, "TRASH", sweep.TRASH * 0)
    shelf.http.delete(f"/datasets/{shelf.datasets[0]}/", headers=shelf.ann)
    sweep.sweep(shelf.http.inside)
    (left,) = shelf.http.get("/datapackages/", headers=shelf.ann).json()
    assert left["datasets"] == [shelf.datasets[1]]
    shelf.http.delete(f"/datapackages/{made['uuid']}/", headers=shelf.ann)
    assert shelf.http.delete(f"/trash/{made['uuid']}/", headers=shelf.ann).status_code == 204
    assert shelf.http.get("/trash/", headers=shelf.ann).json() == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": " "}, "name"), ({"datasets": ["nothing"]}, "datasets"), ({"embargo": "soon"}, "embargo"),
        ({"datasets": ["one"] * 3 + ["x" * 300]}, "datasets"), ({"licence": "x" * 256}, "licence"),
        ({"datasets": [f"d{n}" for n in range(1001)]}, "datasets"), ({"citation": "x" * 10_001}, "citation"),
        ({"datasets": ["twin"]}, "datasets"), ({"is_public": "perhaps"}, "is_public"), ({"datasets": 3}, "datasets"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_bad_input_changes_nothing(shelf: Shelf, body: dict[str, Any], field: str) -> None:
    for _ in range(2):
        shelf.http.post("/datasets/", json={"name": "twin"}, headers=shelf.ann)
    made = shelf.package()
    address = f"/datapackages/{made['uuid']}/"
    answer = shelf.http.patch(address, json=body, headers=shelf.ann)
    assert answer.status_code == 400
    assert (
        list(answer.json()["errors"]) == [field]
        if "errors" in answer.json()
        else field in answer.text
    )
    assert shelf.http.get(address, headers=shelf.ann).json() == made
    assert shelf.http.post("/datapackages/", json={"name": "x"}).status_code == 401


def test_its_page(shelf: Shelf) -> None:
    made = shelf.package(citation="Cite <me>", licence="CC0-1.0")
    browser = {"Accept": "text/html", "Origin": "http://testserver.local"}
    page = shelf.http.get(f"/datapackages/{made['uuid']}/", headers=shelf.ann | browser).text
    assert page.index(">one<") < page.index(">two<")
    assert "Cite &lt;me&gt;" in page
    assert "Make a link" in page
    answer = shelf.http.post(
        f"/datapackages/share/{made['uuid']}/", headers=shelf.ann | browser, follow_redirects=False
    )
    assert answer.status_code == 303
    page = shelf.http.get(f"/datapackages/{made['uuid']}/", headers=shelf.ann | browser).text
    assert "Revoke the link" in page
    assert "/shared/" in page
    assert "M 31" in shelf.http.get("/datapackages/", headers=shelf.ann | browser).text


class TestFaces:
    """The command and the module, embedded and remote."""

    def test_the_command(self, arcsecond: Command, tmp_path: Path) -> None:
        (night := tmp_path / "night").mkdir()
        (night / "a.fits").write_bytes(fits_bytes(OBJECT="M 31"))
        for name in ("first", "second"):
            done = arcsecond("upload", str(night), "--dataset", name, "--yes")
            assert done.status == 0, done.err
        made = arcsecond(
            "datapackages", "create", "--name", "Both", "--datasets", "second,first", "--json"
        ).json
        assert len(made["datasets"]) == 2
        found = arcsecond("fitsfiles", "search", "--package", made["uuid"], "--json").json
        assert [one["name"] for one in found] == ["a.fits", "a.fits"]
        shared = arcsecond("packages", "share", made["uuid"], "--json").json
        assert "/shared/" in shared["share_url"]
        again = arcsecond("packages", "share", made["uuid"], "--json").json
        assert again["share_url"] == shared["share_url"]
        assert arcsecond("packages", "unshare", made["uuid"], "--json").json["share_url"] is None
        other = arcsecond("packages", "share", made["uuid"], "--json").json
        assert other["share_url"] != shared["share_url"]
        assert arcsecond("packages", "share").status == 2
        for n, words in enumerate((["--package", made["uuid"]], ["Both"], [made["uuid"]])):
            out = tmp_path / f"out{n}"
            done = arcsecond("download", *words, "--to", str(out), "--yes")
            assert done.status == 0, done.err
            assert len(list(out.rglob("a.fits"))) == 2
        none = arcsecond("download", "Both", "--include", "b*", "--to", str(tmp_path), "--yes")
        assert "The name of its dataset stands before that of a file." in none.err
        assert arcsecond("packages", "Both", "--json").json["uuid"] == made["uuid"]
        assert arcsecond("packages", "Nothing").status == 1
        assert arcsecond("download", "Nothing", "--yes").status == 1
        gone = arcsecond("datasets", "delete", "first", "--yes")
        assert "It was part of 1 data package: its files are missing there now." in gone.err

    @pytest.mark.parametrize("place", ["served"], indirect=True)
    def test_a_link_is_downloaded_by_whoever_has_it(
        self, arcsecond: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (night := tmp_path / "night").mkdir()
        (night / "a.fits").write_bytes(fits_bytes(OBJECT="M 31"))
        arcsecond("upload", str(night), "--dataset", "first", "--yes")
        made = arcsecond("packages", "create", "--name", "Mine", "--datasets", "first", "--json")
        uuid = made.json["uuid"]
        link = arcsecond("packages", "share", uuid, "--json").json["share_url"]
        monkeypatch.setenv("ARCSECOND_CONFIG", str(tmp_path / "nobody.ini"))
        monkeypatch.delenv("ARCSECOND_SERVER")
        out = tmp_path / "out"
        done = arcsecond("download", link, "--to", str(out), "--yes")
        assert done.status == 0, done.err
        (got,) = out.rglob("a.fits")
        assert got.read_bytes() == fits_bytes(OBJECT="M 31")
        assert "of 'Mine'" in done.err
        with ArcsecondAPI(share=link) as api:
            assert [one["name"] for one in api.fitsfiles.search(target="M 31")] == ["a.fits"]
        with ArcsecondAPI(share=link[:-4] + "000/") as api, pytest.raises(NotFoundError):
            list(api.fitsfiles.search(target="M 31"))
        only = arcsecond("download", link, "first", "--to", str(tmp_path / "o"), "--yes")
        assert only.status == 0, only.err
        # A key that somebody else is meant to get is not sent to where a link leads.
        monkeypatch.setenv("ARCSECOND_KEY", "secret")
        with ArcsecondAPI(share=link) as api:
            assert api.config.key == ""
        wrong = link.replace("/shared/", "/shared/00")[:-3] + "/"
        assert "not found" in arcsecond("download", wrong, "--to", str(out), "--yes").err

    @pytest.mark.parametrize("place", ["served"], indirect=True)
    def test_what_is_public_is_downloaded_by_anybody(
        self, arcsecond: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without signing in: a package, and a dataset that is in it."""
        (night := tmp_path / "night").mkdir()
        (night / "a.fits").write_bytes(fits_bytes(OBJECT="M 31"))
        arcsecond("upload", str(night), "--dataset", "first", "--yes")
        words = ("--name", "Ours", "--datasets", "first", "--is_public")
        made = arcsecond("packages", "create", *words, "--json").json
        monkeypatch.setenv("ARCSECOND_CONFIG", str(tmp_path / "nobody.ini"))
        for n, named in enumerate((made["uuid"], made["datasets"][0], "Ours", "first")):
            out = tmp_path / f"out{n}"
            done = arcsecond("download", named, "--to", str(out), "--yes")
            assert done.status == 0, done.err
            assert len(list(out.rglob("a.fits"))) == 1

    def test_the_module(self, api: ArcsecondAPI) -> None:
        dataset = api.datasets.create(name="of the module")
        made = api.datapackages.create(name="Of the module", datasets=[dataset["uuid"]])
        assert made["datasets"] == [dataset["uuid"]]
        link = api.datapackages.share(made["uuid"])["share_url"]
        assert "/shared/" in link
        assert api.datapackages.do("share", made["uuid"]).data["share_url"] == link
        assert api.datapackages.unshare(made["uuid"])["share_url"] is None
        with pytest.raises(AttributeError, match="'refresh'"):
            api.datapackages.refresh()
        assert api.datapackages.update(made["uuid"], licence="CC0-1.0")["licence"] == "CC0-1.0"
        api.datapackages.delete(made["uuid"])
        assert made["uuid"] not in [one["uuid"] for one in api.datapackages.list()]


def test_a_dataset_that_is_closed_within_a_public_package_is_told(arcsecond: Command) -> None:
    """Whoever sets an embargo believes that nobody sees it."""
    dataset = arcsecond("datasets", "create", "--name", "d", "--quiet").out.strip()
    for closing in (("--embargo", "2999-01-01", "--is_public"), ("--not_is_public",)):
        assert "Everyone" not in arcsecond("datasets", "update", dataset, *closing).err
    make = ("datapackages", "create", "--name", "p", "--datasets", dataset, "--is_public")
    assert arcsecond(*make).status == 0
    for closing in (("--embargo", "2999-01-01", "--is_public"), ("--not_is_public",)):
        told = arcsecond("datasets", "update", dataset, *closing)
        assert (told.status, "Everyone sees it still" in told.err) == (0, True), closing
