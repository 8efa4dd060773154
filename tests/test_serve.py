"""``serve``, ``server`` and ``--open``: whole processes on a data directory."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from arcsecond.server import life
from arcsecond.server.serving import serving_address
from arcsecond.server.settings import Settings
from tests.conftest import PASSWORD, Http, Server, environment

ARCSECOND = [sys.executable, "-m", "arcsecond"]


def run(
    settings: Settings, *words: str, stdin: str = "", **more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ARCSECOND, *words], env=environment(settings, **more), input=stdin, text=True,
        capture_output=True, timeout=60,
    )  # fmt: skip


without_database = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
"""What processes, ports and files do has nothing to do with the database."""


def test_on_the_network_everyone_is_a_stranger(
    settings: Settings, serve: Callable[..., Server]
) -> None:
    run(settings, "datasets", "create", "--name", "mine")
    server = serve()
    assert httpx2.get(f"{server.url}/datasets/").json() == []
    assert httpx2.get(f"{server.url}/me/").status_code == 401
    done = run(settings, "server", "password", "--password-stdin", stdin=PASSWORD)
    assert done.returncode == 0, done.stderr
    owner = json.loads(run(settings, "me").stdout)["username"]
    body = {"username": owner, "password": PASSWORD}
    token = httpx2.post(f"{server.url}/auth/token/", json=body).json()["token"]
    headers = {"Authorization": f"Token {token}"}
    assert len(httpx2.get(f"{server.url}/datasets/", headers=headers).json()) == 1


@without_database
def test_a_public_address_needs_an_administrator_and_a_decision(settings: Settings) -> None:
    refused = run(settings, "serve", "--host", "0.0.0.0", "--port", "0")
    assert refused.returncode == 1
    assert "arcsecond server admin add USER" in refused.stderr
    assert "arcsecond server registration" in refused.stderr
    weak = run(settings, "server", "admin", "add", "ann", "--password-stdin", stdin="short")
    assert weak.returncode == 1
    added = run(settings, "server", "admin", "add", "ann", "--password-stdin", stdin=PASSWORD)
    assert added.returncode == 0
    refused = run(settings, "serve", "--host", "0.0.0.0", "--port", "0")
    assert "arcsecond server admin add USER" not in refused.stderr
    assert run(settings, "server", "registration", "perhaps").returncode == 2
    assert run(settings, "server", "registration", "invitation").returncode == 0
    code = run(settings, "server", "invite").stdout.strip()
    assert code.startswith("inv_")
    process = subprocess.Popen(
        [*ARCSECOND, "serve", "--host", "0.0.0.0", "--port", "0"], env=environment(settings),
        start_new_session=True,
    )  # fmt: skip
    try:
        until = time.monotonic() + 30
        while not (address := serving_address(settings.serving_path)):
            assert time.monotonic() < until
            assert process.poll() is None
            time.sleep(0.05)
        url = address.replace("0.0.0.0", "127.0.0.1")
        given = {
            "username": "bob",
            "email": "bob@localhost",
            "password1": PASSWORD,
            "password2": PASSWORD,
        }
        assert httpx2.post(f"{url}/auth/registration/", json=given).status_code == 403
        invited = httpx2.post(f"{url}/auth/registration/", json={**given, "invitation": code})
        assert invited.status_code == 201
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


@without_database
def test_a_directory_is_served_once(settings: Settings, serve: Callable[..., Server]) -> None:
    server = serve()
    again = run(settings, "serve", "--port", "0")
    assert again.returncode == 1
    assert server.url in again.stderr


@without_database
def test_a_port_that_is_taken(
    settings: Settings, serve: Callable[..., Server], tmp_path: Path
) -> None:
    server = serve()
    other = Settings(home=tmp_path / "other")
    done = run(other, "serve", "--port", server.url.rsplit(":", 1)[1])
    assert done.returncode == 2
    assert "cannot be used" in done.stderr
    assert "--port 0" in done.stderr


@without_database
def test_opening_starts_a_server_that_ends_by_itself(settings: Settings, tmp_path: Path) -> None:
    notes = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > "{notes}"\n')
    browser.chmod(0o755)
    run(settings, "datasets", "create", "--name", "private one")
    key = json.loads(run(settings, "datasets").stdout)[0]["uuid"]
    opened = run(settings, "datasets", key, "--open", BROWSER=str(browser))
    assert opened.returncode == 0, opened.stderr
    address = serving_address(settings.serving_path)
    assert address is not None
    pid = json.loads(settings.serving_path.read_bytes())["pid"]
    try:
        until = time.monotonic() + 10
        while not notes.exists() or not notes.read_text():
            assert time.monotonic() < until
            time.sleep(0.05)
        link = notes.read_text().strip()
        assert link.startswith(f"{address}/login?token=")
        assert parse_qs(urlsplit(link).query)["next"] == [f"/datasets/{key}/"]
        with httpx2.Client(follow_redirects=True) as visitor:
            page = visitor.get(link, headers={"Accept": "text/html"})
            assert "private one" in page.text
            assert visitor.get(link).status_code == 401  # it works once
        second = run(settings, "objects", "M 31", "--open", BROWSER=str(browser))
        assert second.returncode == 0
        assert serving_address(settings.serving_path) == address
    finally:
        os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + 20
    while serving_address(settings.serving_path):
        assert time.monotonic() < until
        time.sleep(0.05)


@without_database
def test_a_server_started_on_purpose_takes_over(
    settings: Settings, serve: Callable[..., Server]
) -> None:
    resting = serve("--idle", "600")
    chosen = serve()
    assert resting.process.wait(20) == 0
    assert serving_address(settings.serving_path) == chosen.url


@without_database
def test_a_proxy_of_the_environment_is_not_asked(
    settings: Settings, serve: Callable[..., Server]
) -> None:
    proxy = {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    server = serve(**proxy)
    given = ["--username", "ann", "--email", "ann@localhost", "--password1", PASSWORD]
    done = run(
        settings, "register", "--server", server.url, *given, "--password2", PASSWORD, **proxy
    )
    assert done.returncode == 0, done.stderr


@without_database
def test_the_embedded_server_ends_nobody_but_itself(settings: Settings) -> None:
    program = (
        "import time; from arcsecond import ArcsecondAPI; ArcsecondAPI().me.read(); time.sleep(4)"
    )
    shell = ["sh", "-c", f'{sys.executable} -c "{program}"; echo still here']
    environ = environment(settings, ARCSECOND_IDLE_SECONDS="1")
    done = subprocess.run(shell, env=environ, capture_output=True, text=True, timeout=60)
    assert done.stdout == "still here\n"


def test_what_is_kept_is_nobody_elses_business(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "new")
    assert run(settings, "me").returncode == 0
    assert settings.home.stat().st_mode & 0o777 == 0o700
    assert settings.sqlite_path.stat().st_mode & 0o777 == 0o600


def test_the_owner_can_be_made_an_administrator(settings: Settings) -> None:
    owner = json.loads(run(settings, "me").stdout)["username"]
    done = run(settings, "server", "admin", "add", owner, "--password-stdin", stdin=PASSWORD)
    assert done.returncode == 0, done.stderr
    refused = run(settings, "serve", "--host", "0.0.0.0", "--port", "0")
    assert "arcsecond server admin" not in refused.stderr
    assert "arcsecond server registration" in refused.stderr


@without_database
def test_a_password_is_not_asked_without_a_terminal(settings: Settings) -> None:
    for words in (
        ("server", "password"),
        ("login", "--username", "ann"),
        ("server", "admin", "add", "x"),
    ):
        done = run(settings, *words, stdin="secret-9-secret\n")
        assert done.returncode == 2
        assert "--password-stdin" in done.stderr
        assert "Warning" not in done.stderr


@without_database
def test_a_server_at_rest_ends(settings: Settings, serve: Callable[..., Server]) -> None:
    server = serve("--idle", "1")
    assert server.process.wait(30) == 0
    assert serving_address(settings.serving_path) is None


def test_ctrl_c_ends_it_with_readers_connected(serve: Callable[..., Server]) -> None:
    server = serve()
    with httpx2.stream("GET", f"{server.url}/live", timeout=20) as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("retry")
        server.process.send_signal(signal.SIGINT)
        with contextlib.suppress(httpx2.RemoteProtocolError):  # ended in the middle, or at its end
            assert [line for line in lines if line and not line.startswith(":")] == []
    assert server.process.wait(20) == 0


@without_database
def test_workers_end_with_a_killed_server(settings: Settings, serve: Callable[..., Server]) -> None:
    server = serve()
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait(10)
    until = time.monotonic() + 20
    while True:
        try:
            httpx2.get(f"{server.url}/health", timeout=1)
        except httpx2.HTTPError:
            break
        assert time.monotonic() < until
        time.sleep(0.1)


@without_database
def test_an_embedded_answer_knows_the_address_of_the_server(
    settings: Settings, serve: Callable[..., Server]
) -> None:
    before = json.loads(run(settings, "findingcharts", "M 31").stdout)[0]["image_url"]
    assert before == "/findingcharts/M%2031/chart.png"
    server = serve()
    after = json.loads(run(settings, "findingcharts", "M 31").stdout)[0]["image_url"]
    assert after == server.url + before
    chart = httpx2.get(after)
    assert (chart.status_code, chart.headers["content-type"].split(";")[0]) == (
        200,
        "image/png",
    )


@pytest.mark.parametrize("database_url", ["nonsense", "mysql://x/y", "postgresql://127.0.0.1:1/x"])
def test_a_database_that_cannot_be_used(database_url: str, tmp_path: Path) -> None:
    done = run(Settings(tmp_path / "home", database_url), "me")
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert "database" in done.stderr.lower() or "PostgreSQL" in done.stderr


def test_settings_that_are_none(tmp_path: Path) -> None:
    done = run(Settings(tmp_path / "home"), "me", ARCSECOND_MAX_UPLOAD_BYTES="lots")
    assert done.returncode == 2
    assert "ARCSECOND_MAX_UPLOAD_BYTES is 'lots'" in done.stderr


def test_a_home_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("x")
    done = run(Settings(tmp_path / "home"), "me", ARCSECOND_CONFIG=str(tmp_path / "c.ini"))
    assert done.returncode == 1
    assert "cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


@without_database
def test_an_address_behind_a_proxy_is_public_too(settings: Settings) -> None:
    environ = environment(settings, ARCSECOND_PUBLIC_URL="https://arcsecond.example.org")
    refused = subprocess.run(
        [*ARCSECOND, "serve", "--port", "0"], env=environ, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: arcsecond.example.org can be reached by others")


def test_what_fails_in_the_background_is_no_fault_at_the_end(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interpreter may end while a sweep goes on: there are no threads for it any more."""

    async def broken(*_: object) -> None:
        raise RuntimeError("cannot schedule new futures after interpreter shutdown")

    monkeypatch.setattr(life, "_sweep", broken)
    with Http(settings) as http:
        assert http.get("/health").status_code == 200
