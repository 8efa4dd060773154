"""What older clients ask for, as they ask for it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.conftest import Http, fits_bytes, new_user


@pytest.fixture
def ann(http: Http) -> dict[str, str]:
    return new_user(http.inside)[1]


@pytest.fixture
def dataset(http: Http, ann: dict[str, str]) -> str:
    uuid: str = http.post("/datasets/", json={"name": "d"}, headers=ann).json()["uuid"]
    return uuid


def send(http: Http, ann: dict[str, str], dataset: str, name: str = "a.fits", **more: str) -> Any:
    part = {"file": (name, fits_bytes(OBJECT="M 31"))}
    return http.post("/datafiles/", data={"dataset": dataset, **more}, files=part, headers=ann)


def test_a_file_with_its_dataset_as_a_field(http: Http, ann: dict[str, str], dataset: str) -> None:
    answer = send(http, ann, dataset, is_raw="False", tags="a,b")
    assert answer.status_code == 201
    file = answer.json()
    assert (file["dataset"], file["is_raw"], file["tags"]) == (dataset, False, ["a", "b"])
    assert send(http, ann, dataset).status_code == 200
    assert [f["pk"] for f in http.get("/datafiles/", headers=ann).json()] == [file["pk"]]
    one = f"/datafiles/{file['pk']}/"
    assert http.get(one, headers=ann).json()["target"] == "M 31"
    changed = http.patch(one, json={"tags": ["c"], "is_raw": True}, headers=ann).json()
    assert (changed["tags"], changed["is_raw"]) == (["c"], True)
    replaced = http.put(one, files={"file": ("a.fits", fits_bytes())}, headers=ann).json()
    assert (replaced["version"], replaced["is_raw"]) == (2, True)
    assert http.delete(one, headers=ann).status_code == 204
    assert http.get(one, headers=ann).status_code == 404


def test_files_are_found_across_datasets(http: Http, ann: dict[str, str], dataset: str) -> None:
    other = http.post("/datasets/", json={"name": "e"}, headers=ann).json()["uuid"]
    send(http, ann, dataset, "a.fits", tags="flat")
    send(http, ann, other, "b.fits")

    def names(query: str) -> list[str]:
        return [f["name"] for f in http.get(f"/datafiles/?{query}", headers=ann).json()]

    assert names("") == ["a.fits", "b.fits"]
    assert names(f"dataset={other}") == ["b.fits"]
    assert names("name=a.fits") == ["a.fits"]
    assert names("tags=flat") == ["a.fits"]
    assert http.get(f"/datafiles/?dataset={uuid4()}", headers=ann).status_code == 404


def test_a_file_is_refused_before_its_bytes_are_kept(
    http: Http, ann: dict[str, str], dataset: str
) -> None:
    _, eve = new_user(http.inside, "eve")
    for headers, to, status in (({}, dataset, 401), (eve, dataset, 404), (ann, "", 400)):
        answer = send(http, headers, to)
        assert answer.status_code == status
        assert not list(http.inside.settings.home.glob("incoming/*"))
    late = http.post("/datafiles/", files={"file": ("a.fits", fits_bytes())}, headers=ann)
    assert late.json()["dataset"] == ["This field is required, before the file."]
    assert http.get("/datafiles/").status_code == 401
    pk = send(http, ann, dataset).json()["pk"]
    for method in ("GET", "PATCH", "DELETE"):
        body = {"json": {}} if method == "PATCH" else {}
        assert http.request(method, f"/datafiles/{pk}/", headers=eve, **body).status_code == 404


def test_names_that_only_rfc_5987_encodes(http: Http, ann: dict[str, str], dataset: str) -> None:
    """As urllib3 before 1.25 sends what is not ASCII."""
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; '
        b"filename*=utf-8''Gr%C3%B6%C3%9Fe.fits\r\n\r\n" + fits_bytes() + b"\r\n--b--\r\n"
    )
    headers = {**ann, "Content-Type": "multipart/form-data; boundary=b"}
    answer = http.post(f"/datasets/{dataset}/fitsfiles/", content=body, headers=headers)
    assert (answer.status_code, answer.json()["name"]) == (201, "Größe.fits")


def test_coordinates_as_text(http: Http, ann: dict[str, str]) -> None:
    made = http.post(
        "/activities/", json={"title": "t", "coordinates": "14.86,-72.16"}, headers=ann
    )
    assert made.json()["coordinates"] == {"right_ascension": 14.86, "declination": -72.16}
    wrong = http.post("/activities/", json={"title": "t", "coordinates": "north"}, headers=ann)
    assert (wrong.status_code, next(iter(wrong.json()))) == (400, "coordinates")


def test_a_log_named_by_its_date(http: Http, ann: dict[str, str]) -> None:
    made = http.post("/nightlogs/", json={"name": "2022-01-02"}, headers=ann)
    assert (made.status_code, made.json()["date"]) == (201, "2022-01-02")
    assert http.post("/nightlogs/", json={"name": "a night"}, headers=ann).status_code == 400


@pytest.mark.parametrize("key", ["well-known", "nasa-2019", "spectrophotometric"])
def test_rows_of_a_catalogue(key: str, http: Http) -> None:
    rows = http.get(f"/catalogues/{key}/rows/").json()
    assert len(rows) == http.get(f"/catalogues/{key}/").json()["rows"]
    assert rows[0]["name"]
    assert http.get("/catalogues/nonsense/rows/").status_code == 404


def test_things_that_are_not_kept_yet(http: Http, ann: dict[str, str]) -> None:
    assert http.get("/organisations/").json() == []
    for name in ("observations", "calibrations", "targets", "targetlists"):
        assert http.get(f"/{name}/").status_code == 401
        assert http.get(f"/{name}/", headers=ann).json() == []
        absent = http.get(f"/{name}/{uuid4()}/", headers=ann)
        assert (absent.status_code, absent.json()["code"]) == (404, "not_found")
        assert http.post(f"/{name}/", json={}, headers=ann).status_code == 405


def test_a_filter_that_is_none_is_refused_where_things_can_be_changed(
    http: Http, ann: dict[str, str], dataset: str
) -> None:
    """3.x changes the only thing that a list answers: it must be the right one."""
    answer = http.get("/datasets/?description=x", headers=ann)
    assert answer.status_code == 400
    assert answer.json()["description"] == [
        "This list cannot be filtered by 'description'; what can be: name, tags."
    ]
    assert http.get(f"/datasets/{dataset}/fitsfiles/?colour=1", headers=ann).status_code == 400
    assert len(http.get("/datasets/?name=d", headers=ann).json()) == 1
    assert http.get("/objects/?_=1").status_code == 200


def test_equipment_is_found_by_name(http: Http) -> None:
    for name in ("observingsites", "telescopes", "instruments"):
        there = http.get(f"/{name}/").json()
        found = http.get(f"/{name}/", params={"name": there[0]["name"]}).json()
        assert [thing["uuid"] for thing in found] == [there[0]["uuid"]]
        assert http.get(f"/{name}/?name=nothing").json() == []
