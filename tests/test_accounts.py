"""Registration, login, keys and sessions over HTTP, in the contract's shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from arcsecond.server.context import Backend
from arcsecond.server.people import keys, options, service
from tests.conftest import PASSWORD, Http, new_user

ANN = {"username": "ann", "email": "ann@localhost", "password1": PASSWORD, "password2": PASSWORD}


def test_registration_and_both_logins(http: Http) -> None:
    made = http.post("/auth/registration/", json=ANN)
    assert made.status_code == 201
    token = made.json()["key"]
    body = {"username": "ann", "password": PASSWORD}
    assert set(http.post("/auth/login/", json=body).json()) == {"key"}
    assert set(http.post("/auth/token/", data=body).json()) == {"token"}
    headers = {"Authorization": f"Token {token}"}
    key = http.get("/profiles/ann/keys/", headers=headers).json()["api_key"]
    assert http.get("/profiles/ann/apikey/", headers=headers).json()["api_key"] == key
    assert len(key) == 32
    profile = http.get("/profiles/ann@localhost/", headers=headers).json()
    assert (profile["username"], profile["memberships"]) == ("ann", [])
    verified = http.post("/auth/key/verify/", json={"username": "ann", "key": key})
    assert verified.status_code == 200
    wrong = http.post("/auth/key/verify/", json={"username": "ann", "key": "0" * 32})
    assert wrong.status_code == 401
    assert http.delete("/auth/token/", headers=headers).status_code == 204
    assert http.get("/me/", headers=headers).status_code == 401


def test_others_see_a_reduced_profile(http: Http, user: Callable[[str], dict[str, str]]) -> None:
    user("ann")
    bob = user("bob")
    seen = http.get("/profiles/ann/", headers=bob).json()
    assert seen["email"] is None
    assert seen["is_staff"] is None
    assert http.get("/profiles/ann@localhost/", headers=bob).status_code == 404
    assert http.get("/profiles/?search=AN").json()["count"] == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"username": " ", "password": "x"}, "username"),
        ({"username": "ann", "password": " "}, "password"),
        ({"username": "ann", "password": "wrong-wrong"}, "non_field_errors"),
        ({"username": "nobody", "password": "wrong-wrong"}, "non_field_errors"),
        ({}, "username"),
    ],
)
def test_a_login_that_fails(body: dict[str, str], field: str, http: Http) -> None:
    http.post("/auth/registration/", json=ANN)
    answer = http.post("/auth/login/", json=body)
    assert answer.status_code == 400
    assert isinstance(answer.json()[field], list)
    assert answer.json()["detail"]


def test_a_wrong_user_costs_the_same_work_as_a_wrong_password(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    from arcsecond.errors import CredentialsError
    from arcsecond.schemas.people import Credentials
    from arcsecond.server.context import Viewer
    from arcsecond.server.people import secrets

    new_user(backend)
    verified: list[str] = []
    hasher = secrets._hasher()
    original = type(hasher).verify

    def counted(self: Any, stored: str, password: str) -> bool:
        verified.append(stored)
        return bool(original(self, stored, password))

    monkeypatch.setattr(type(hasher), "verify", counted)
    for name in ("ann", "nobody"):
        with pytest.raises(CredentialsError):
            service.login(backend, Viewer(), Credentials(username=name, password="wrong-wrong"))
    assert len(verified) == 2
    assert {text.split("$")[3] for text in verified} == {verified[0].split("$")[3]}


@pytest.mark.parametrize("header", ["Key 0000", "Key ", "Key", "Token nonsense", "Key é"])
def test_wrong_and_empty_keys(header: str, http: Http) -> None:
    name = "Authorization" if header.startswith("Token") else "X-Arcsecond-API-Authorization"
    answer = http.get("/objects/M31/", headers={name: header.encode()})
    empty = header.strip() == "Key"
    assert answer.status_code == (200 if empty else 401)


def test_a_key_on_registration_is_ignored(http: Http) -> None:
    headers = {"X-Arcsecond-API-Authorization": "Key 0000"}
    assert http.post("/auth/registration/", json=ANN, headers=headers).status_code == 201


def test_closed_and_invitation(backend: Backend) -> None:
    from arcsecond.errors import NotAllowedError
    from arcsecond.schemas.people import Registration
    from arcsecond.server.context import Viewer

    def register(name: str, code: str = "") -> str:
        body = Registration(
            username=name, email=f"{name}@localhost", password1=PASSWORD, password2=PASSWORD,
            invitation=code,
        )  # fmt: skip
        return service.register(backend, Viewer(), body)

    options.set_registration(backend, "closed")
    with pytest.raises(NotAllowedError, match="closed"):
        register("ann")
    options.set_registration(backend, "invitation")
    with pytest.raises(NotAllowedError, match="invitation"):
        register("ann", "inv_wrong")
    code = service.invite(backend)
    assert register("ann", code)
    with pytest.raises(NotAllowedError):
        register("bob", code)
    options.set_registration(backend, "open")
    assert register("bob")


def test_no_secret_is_stored(backend: Backend) -> None:
    import sqlalchemy as sa

    from arcsecond.server.people.tables import keys, users

    _, header = new_user(backend)
    key = header["X-Arcsecond-API-Authorization"].removeprefix("Key ")
    with backend.db.read() as connection:
        stored = str(
            connection.execute(sa.select(keys)).all() + connection.execute(sa.select(users)).all()
        )
    assert key not in stored
    assert PASSWORD not in stored
    assert backend.settings.secret_path.stat().st_mode & 0o777 == 0o600


def test_what_is_over_is_forgotten(backend: Backend) -> None:
    from datetime import timedelta

    import sqlalchemy as sa

    from arcsecond.server.db import now
    from arcsecond.server.people.tables import keys as table

    ann, _ = new_user(backend)
    keys.mint_once(backend, ann)
    with backend.db.write() as connection:
        old = sa.update(table).where(table.c.kind == "once")
        connection.execute(old.values(expires_at=now() - timedelta(seconds=1)))
    keys.forget_expired(backend)
    with backend.db.read() as connection:
        assert set(connection.scalars(sa.select(table.c.kind))) == {"access", "upload", "token"}


def test_signing_in_and_out_on_the_page(http: Http) -> None:
    http.post("/auth/registration/", json=ANN)
    own = {"Origin": str(http.base_url), "Accept": "text/html"}
    wrong = http.post("/login", data={"username": "ann", "password": "no-no-no"}, headers=own)
    assert wrong.status_code == 400
    assert "Unable to log in" in wrong.text
    body = {"username": "ann", "password": PASSWORD, "next": "//evil.example/"}
    right = http.post("/login", data=body, headers=own, follow_redirects=False)
    assert (right.status_code, right.headers["location"]) == (303, "/")
    cookie = right.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert "ann" in http.get("/", headers=own).text
    http.post("/login", data={"out": "1"}, headers=own, follow_redirects=False)
    assert http.get("/me/").status_code == 401


def test_the_owner_sets_a_password_for_the_network(backend: Backend) -> None:
    from arcsecond.errors import InvalidInputError
    from arcsecond.schemas.people import Credentials
    from arcsecond.server.context import Viewer

    assert not service.has_admin(backend)
    with pytest.raises(InvalidInputError):
        service.set_password(backend, None, "short")
    name = service.set_password(backend, None, PASSWORD)
    assert service.login(backend, Viewer(), Credentials(username=name, password=PASSWORD))
    assert service.has_admin(backend)
