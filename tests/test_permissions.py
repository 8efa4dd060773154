"""Every route, asked by a stranger, the owner and somebody else.

The routes come from the application itself: one that is not classified here
fails the test, so that nothing is added without saying who may see it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from arcsecond.server.people import keys
from tests.conftest import Http, fits_bytes

Headers = dict[str, str]

OPEN = {
    "/catalogues/{key}/rows", "/catalogues/work", "/organisations", "/appearance",
    "/", "/health", "/schema", "/live", "/login", "/objects", "/objects/{key}", "/exoplanets",
    "/exoplanets/{key}", "/exoplanets/{exoplanet}/transits", "/findingcharts/{key}", "/findingcharts/{key}/{picture}",
    "/objects/{object}/visibility", "/objects/{object}/visibility/{picture}",
    "/observingsites/{observingsite}/tonight", "/satellites/passes",
    "/observingsites/tonight",
    "/satellites/{satellite}/passes", "/satellites/{satellite}/position",
    "/standardstars", "/catalogues", "/catalogues/{key}", "/telegrams/ATel",
    "/telegrams/ATel/{key}", "/observingsites", "/observingsites/{key}", "/telescopes",
    "/telescopes/{key}", "/instruments", "/instruments/{key}", "/satellites", "/satellites/{key}",
    "/profiles", "/profiles/{key}", "/auth/registration", "/auth/login", "/auth/token",
    "/auth/key/verify", "/static/{file_path}",
}  # fmt: skip
"""The same for everyone."""

SIGNED_IN = {
    "/me": "get", "/profiles/{key}/keys": "get", "/profiles/{key}/apikey": "get",
    "/profiles/{key}/uploadkey": "get", "/auth/once": "post", "/satellites/import": "post", "/observingsites/import": "post",
    "/catalogues/import/{target}": "post", "/catalogues/refresh": "post",
    "/catalogues/refresh/{target}": "post", "/catalogues/build": "post",
    "/datafiles": "get", "/observations": "get", "/calibrations": "get", "/targets": "get",
    "/targetlists": "get",
}  # fmt: skip
"""Answers 401 to a stranger."""

LISTS = {"/datasets", "/datapackages", "/observingruns", "/nightlogs", "/activities", "/fitsfiles"}

FOUND = {f"/fitsfiles/{name}" for name in ("files.zip", "files.tar", "files.sh", "SHA256SUMS")}
"""Whose files they hold is shown in ``test_downloads.py``."""

OWNED = {
    "/datasets/{key}": "dataset",
    "/datapackages/{key}": "package",
    "/observingruns/{key}": "run",
    "/nightlogs/{key}": "log",
    "/activities/{key}": "activity",
    "/datasets/{dataset}/fitsfiles": "dataset",
    "/datasets/{dataset}/datafiles": "dataset",
    "/datasets/{dataset}/fitsfiles/{key}": "file",
    "/datasets/{dataset}/datafiles/{key}": "file",
    "/datasets/{dataset}/fitsfiles/{key}/download": "file",
    "/datasets/{dataset}/files.zip": "dataset",
    "/datasets/{dataset}/files.tar": "dataset",
    "/datasets/{dataset}/files.sh": "dataset",
    "/datasets/{dataset}/SHA256SUMS": "dataset",
    "/datasets/{dataset}/datafiles/{key}/download": "file",
    "/datafiles/{key}": "file",
    "/fitsfiles/{key}": "file",
    "/datasets/{dataset}/fitsfiles/{key}/preview/{hdu}": "file",
    "/datasets/{dataset}/datafiles/{key}/preview/{hdu}": "file",
}


def routes(http: Http) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for route in http.table:
        path = route.path_format.replace(":str}", "}")
        methods = {str(m) for m in getattr(route, "methods", set())} - {"OPTIONS", "HEAD"}
        found.setdefault(path.rstrip("/") or "/", set()).update(methods)
    return found


ASKED = {
    "/datasets/{dataset}/known", "/fitsfiles/known", "/datasets/{dataset}/reindex", "/trash", "/trash/{key}",
    "/trash/restore/{key}", "/datasets/{dataset}/fitsfiles/{key}/rows/{hdu}",
    "/datasets/{dataset}/datafiles/{key}/rows/{hdu}", "/datapackages/share/{key}",
    "/datapackages/unshare/{key}", "/shared/{word}",
}  # fmt: skip
"""Whose they are is shown in ``test_known.py``, ``test_rules.py``, ``test_trash.py``,
``test_packages.py`` and ``test_curves.py``."""

TUS = {"/datasets/{dataset}/uploads", "/uploads/{upload}"}
"""Whose they are is shown in ``test_transfers.py``: they take headers of their own."""

ABSENT = {
    f"/{name}/{{key}}"
    for name in ("organisations", "observations", "calibrations", "targets", "targetlists")
}
"""Answers 404 to everybody: no such thing is kept yet."""


def test_every_route_is_classified(http: Http) -> None:
    unknown = set(routes(http)) - ABSENT - OPEN - set(SIGNED_IN) - LISTS - FOUND - TUS - ASKED
    unknown -= set(OWNED)
    assert not unknown


def test_what_is_open_is_open(http: Http) -> None:
    given = {
        "/objects/{key}": "M 31", "/exoplanets/{key}": "51 Peg b", "/findingcharts/{key}": "M 31",
        "/catalogues/{key}": "openngc", "/observingsites/{observingsite}/tonight": "309",
        "/catalogues/{key}/rows": "well-known",
        "/exoplanets/{exoplanet}/transits": "HD 209458 b",
    }  # fmt: skip
    # Which site is meant by the last one is a setting.
    for path in sorted(OPEN - {"/live", "/static/{file_path}", "/observingsites/tonight"}):
        if "GET" in routes(http)[path] and ("{" not in path or path in given):
            address = re.sub(r"{\w+}", given.get(path, ""), path)
            address += "?site=309" if path.endswith("/passes") else ""
            assert http.get(address).status_code == 200, path


def test_what_needs_signing_in_refuses_strangers(
    http: Http, user: Callable[[str], Headers]
) -> None:
    user("ann")
    for path, method in SIGNED_IN.items():
        answer = http.request(method, path.replace("{key}", "ann") + "/")
        assert answer.status_code == 401, path
        assert answer.json()["code"] == "not_signed_in"


def test_keys_are_shown_to_their_owner_alone(http: Http, user: Callable[[str], Headers]) -> None:
    ann, bob = user("ann"), user("bob")
    for name in ("keys", "apikey", "uploadkey"):
        assert http.get(f"/profiles/ann/{name}/", headers=ann).status_code == 200
        assert http.get(f"/profiles/ann/{name}/", headers=bob).status_code == 404


@pytest.fixture
def things(http: Http, user: Callable[[str], Headers]) -> dict[str, Any]:
    """Things of ann's in every state, and who asks for them."""
    ann, bob = user("ann"), user("bob")
    made: dict[str, Any] = {"ann": ann, "bob": bob}
    for state in ("private", "public", "deleted"):
        is_public = state != "private"
        dataset = http.post("/datasets/", json={"name": state, "is_public": is_public}, headers=ann)
        uuid = dataset.json()["uuid"]
        part = {"file": ("a.fits", fits_bytes())}
        file = http.post(f"/datasets/{uuid}/fitsfiles/", files=part, headers=ann).json()["pk"]
        run = http.post("/observingruns/", json={"name": "r"}, headers=ann).json()["uuid"]
        log = http.post("/nightlogs/", json={"date": "2026-01-01"}, headers=ann).json()["uuid"]
        activity = http.post("/activities/", json={"title": "t"}, headers=ann).json()["pk"]
        body = {"name": state, "is_public": is_public}
        package = http.post("/datapackages/", json=body, headers=ann).json()["uuid"]
        made[state] = {
            "dataset": uuid, "file": file, "run": run, "log": log, "activity": activity,
            "package": package,
        }  # fmt: skip
    gone = made["deleted"]
    for path in (
        f"/datasets/{gone['dataset']}/", f"/observingruns/{gone['run']}/",
        f"/nightlogs/{gone['log']}/", f"/activities/{gone['activity']}/",
        f"/datapackages/{gone['package']}/",
    ):  # fmt: skip
        assert http.delete(path, headers=ann).status_code == 204
    return made


def expected(what: str, state: str, who: str, method: str) -> set[int]:
    """Return the statuses that are right."""
    public = state == "public" if what in ("dataset", "file", "package") else what == "activity"
    if state == "deleted":
        return {401, 404} if who == "stranger" and method != "GET" else {404}
    if who == "ann":
        return {200, 201, 204}
    if method != "GET" and who == "stranger":
        return {401}
    if not public:
        return {404}
    return {200} if method == "GET" else {403}


@pytest.mark.parametrize("state", ["private", "public", "deleted"])
@pytest.mark.parametrize("who", ["stranger", "bob", "ann"])
def test_who_sees_and_changes_what(
    who: str, state: str, http: Http, things: dict[str, Any]
) -> None:
    headers = things.get(who, {})
    asked = 0
    for path, what in OWNED.items():
        for method in sorted(
            routes(http)[path], key=["GET", "POST", "PUT", "PATCH", "DELETE"].index
        ):
            if who == "ann" and method == "DELETE" and state != "deleted":
                continue  # the owner deletes last of all, below
            ids = things[state]
            address = path.replace("{dataset}", ids["dataset"])
            address = address.replace("{key}", str(ids[what])).replace("{hdu}", "0") + "/"
            body: dict[str, Any] = {"json": {"journal": "x", "content": "x"}}
            if method == "GET":
                body = {}
            elif method == "POST":
                body = {"files": {"file": ("b.fits", fits_bytes(OBJECT="B"))}}
            answer = http.request(method, address, headers=headers, **body)
            assert answer.status_code in expected(what, state, who, method), (method, path)
            if answer.status_code >= 400:
                assert set(answer.json()) >= {"detail", "code"}
            asked += 1
    assert asked >= 20


def test_a_deleted_file_of_a_living_dataset(http: Http, things: dict[str, Any]) -> None:
    ids = things["public"]
    path = f"/datasets/{ids['dataset']}/fitsfiles/{ids['file']}/"
    assert http.delete(path, headers=things["ann"]).status_code == 204
    for who in ("ann", "bob", "stranger"):
        headers = things.get(who, {})
        for address in (path, path + "download/", path + "preview/0/"):
            assert http.get(address, headers=headers).status_code == 404
        assert http.get(f"/datasets/{ids['dataset']}/fitsfiles/", headers=headers).json() == []
    assert http.patch(path, json={"name": "x"}, headers=things["ann"]).status_code == 404
    assert http.delete(path, headers=things["ann"]).status_code == 404


def test_pages_show_no_more_than_the_api(http: Http, things: dict[str, Any]) -> None:
    ids = things["private"]
    paths = [f"/datasets/{ids['dataset']}/", f"/datasets/{ids['dataset']}/fitsfiles/{ids['file']}/"]
    paths += [f"/observingruns/{ids['run']}/", f"/nightlogs/{ids['log']}/"]
    paths.append(f"/datapackages/{ids['package']}/")
    for path in paths:
        for asked in ({"headers": {"Accept": "text/html"}}, {"params": {"format": "api"}}):
            for who in ("bob", "stranger"):
                headers = {**things.get(who, {}), **asked.get("headers", {})}
                answer = http.get(path, params=asked.get("params"), headers=headers)
                assert answer.status_code == 404, path


def test_the_owner_may_delete(http: Http, things: dict[str, Any]) -> None:
    ids = things["private"]
    for path in (
        f"/datasets/{ids['dataset']}/fitsfiles/{ids['file']}/", f"/datasets/{ids['dataset']}/",
        f"/observingruns/{ids['run']}/", f"/nightlogs/{ids['log']}/",
        f"/activities/{ids['activity']}/",
    ):  # fmt: skip
        assert http.delete(path, headers=things["ann"]).status_code == 204
        assert http.get(path, headers=things["ann"]).status_code == 404


def test_lists_hold_what_may_be_seen(http: Http, things: dict[str, Any]) -> None:
    def names(who: str) -> set[str]:
        answer = http.get("/datasets/", headers=things.get(who, {}))
        return {dataset["name"] for dataset in answer.json()}

    assert names("ann") == {"private", "public"}
    assert names("bob") == names("stranger") == {"public"}
    for path in ("/observingruns/", "/nightlogs/"):
        assert len(http.get(path, headers=things["ann"]).json()) == 2
        assert http.get(path, headers=things["bob"]).json() == []
        assert http.get(path).status_code == 401
    assert len(http.get("/activities/").json()) == 2


def test_an_embargo_hides_what_is_public(http: Http, things: dict[str, Any]) -> None:
    from datetime import timedelta
    from uuid import UUID

    import sqlalchemy as sa

    from arcsecond.server.archive.tables import datasets
    from arcsecond.server.db import now

    backend = http.inside
    uuid = things["public"]["dataset"]
    for days, status in ((1, 404), (-1, 200)):
        with backend.db.write() as connection:
            until = now() + timedelta(days=days)
            changing = sa.update(datasets).where(datasets.c.uuid == UUID(uuid))
            connection.execute(changing.values(embargo_until=until))
        assert http.get(f"/datasets/{uuid}/").status_code == status
        assert http.get(f"/datasets/{uuid}/", headers=things["ann"]).status_code == 200
        files = http.get(f"/datasets/{uuid}/fitsfiles/", headers=things["bob"])
        assert files.status_code == status


def test_an_upload_key_uploads_and_no_more(http: Http, things: dict[str, Any]) -> None:
    key = http.get("/profiles/ann/uploadkey/", headers=things["ann"]).json()["upload_key"]
    upload = {"X-Arcsecond-API-Authorization": f"Key {key}"}
    dataset = http.post("/datasets/", json={"name": "by upload key"}, headers=upload)
    assert dataset.status_code == 201
    files = f"/datasets/{dataset.json()['uuid']}/fitsfiles/"
    part = {"file": ("a.fits", fits_bytes())}
    assert http.post(files, files=part, headers=upload).status_code == 201
    assert http.get("/me/", headers=upload).json()["username"] == "ann"
    for method, path in (
        ("POST", "/activities/"), ("DELETE", f"/datasets/{things['private']['dataset']}/"),
        ("GET", "/profiles/ann/keys/"), ("POST", "/auth/once/"),
    ):  # fmt: skip
        assert (
            http.request(
                method,
                path,
                headers=upload,
                **({} if method != "POST" else {"json": {"title": "x"}}),
            ).status_code
            == 403
        )


def test_a_page_of_another_site_changes_nothing(http: Http, things: dict[str, Any]) -> None:
    # From the network nobody gets one: it would sign another's browser in.
    assert http.post("/auth/once/", headers=things["ann"]).status_code == 403
    token = keys.mint_once(http.inside, http.viewer("ann"))
    signed = http.get("/login", params={"token": token, "next": "/me/"}, follow_redirects=False)
    assert signed.status_code == 303
    assert signed.headers["location"] == "/me/"
    assert http.get("/me/").json()["username"] == "ann"
    for headers in ({}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert http.post("/activities/", json={"title": "x"}, headers=headers).status_code == 403
    own = {"Origin": str(http.base_url), "Sec-Fetch-Site": "same-origin"}
    assert http.post("/activities/", json={"title": "x"}, headers=own).status_code == 201
    again = http.get("/login", params={"token": token}, follow_redirects=False)
    assert again.status_code == 401


def test_a_dataset_has_an_embargo(http: Http, user: Callable[[str], Headers]) -> None:
    ann = user("ann")
    given = {"name": "d", "is_public": True, "embargo": "2999-01-01"}
    made = http.post("/datasets/", json=given, headers=ann).json()
    path = f"/datasets/{made['uuid']}/"
    assert made["embargo"] == "2999-01-01"
    assert http.get(path).status_code == 404
    assert http.get(path, headers=user("bob")).status_code == 404
    page = http.get("/datasets/", headers=ann | {"Accept": "text/html"}).text
    assert "everyone from 2999-01-01" in page
    wrong = http.patch(path, json={"embargo": "soon"}, headers=ann)
    assert wrong.status_code == 400
    assert "no date" in wrong.json()["embargo"][0]
    for over in ("2001-01-01", None, ""):
        told = http.patch(path, json={"embargo": over}, headers=ann)
        assert told.status_code == 200, told.text
        assert told.json()["embargo"] == (over or None)
        assert http.get(path).status_code == 200
        http.patch(path, json={"embargo": "2999-01-01"}, headers=ann)
        assert http.get(path).status_code == 404
