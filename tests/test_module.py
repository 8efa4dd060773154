"""Every line of the module that was promised, against a server and embedded."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

import arcsecond
from arcsecond import ArcsecondAPI, ArcsecondError
from arcsecond.client.embedded import close_all
from arcsecond.errors import (
    ArcsecondConnectionError,
    ArcsecondInvalidEndpointError,
    ArcsecondMissingArgumentError,
    ArcsecondNotLoggedInError,
    ArcsecondRequestTimeoutError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
)
from arcsecond.registry import RESOURCES
from arcsecond.server.settings import Settings
from tests.conftest import PASSWORD, Command, fits_bytes


def test_the_promised_lines(arcsecond: Command, frame: Path) -> None:
    name = f"mod{os.urandom(4).hex()}"
    assert ArcsecondAPI.register(name, f"{name}@localhost", PASSWORD, PASSWORD) == name
    ArcsecondAPI.logout()
    assert not ArcsecondAPI.is_logged_in()
    assert ArcsecondAPI.login(name, PASSWORD) == name
    assert ArcsecondAPI.is_logged_in()
    assert ArcsecondAPI.username() == name
    with ArcsecondAPI(ArcsecondAPI.ENDPOINT_OBJECTS) as objects:
        assert objects.read("HD 5980")["name"] == "HD 5980"
        assert objects.read(("HD", "5980"))["name"] == "HD 5980"
    with ArcsecondAPI() as api:
        assert api.objects.read("HD 5980")["name"] == "HD 5980"
        dataset = api.datasets.create(name="frames")["uuid"]
        assert [d["uuid"] for d in api.datasets.list()] == [dataset]
        made = api.datasets(dataset).fitsfiles.create(file=str(frame))
    with ArcsecondAPI(ArcsecondAPI.ENDPOINT_FITSFILES, dataset=dataset) as files:
        assert files.create(file=str(frame))["pk"] == made["pk"]
        assert files.create(str(frame))["pk"] == made["pk"]
        assert files.create({"file": str(frame)})["pk"] == made["pk"]
        assert files.read(made["pk"])["target"] == "HD 5980"
        assert files.update(made["pk"], name="b.fits")["name"] == "b.fits"
        assert files.update(made["pk"], {"tags": ["x"]})["tags"] == ["x"]
        assert len(files.list(name="b.fits")) == 1
        assert files.delete(made["pk"]) == {}
        assert files.list() == []


@pytest.mark.parametrize("resource", RESOURCES, ids=[r.name for r in RESOURCES])
def test_every_endpoint_constant(resource: Any, api: ArcsecondAPI, arcsecond: Command) -> None:
    constant = getattr(ArcsecondAPI, resource.endpoint_constant)
    parents = {"exoplanets": "HD 209458 b", "objects": "M 31", "observingsites": "309"}
    parent = parents.get(resource.parent)
    if resource.parent == "satellites":  # of which there are none
        return
    if resource.parent == "datasets":
        parent = api.datasets.create(name="d")["uuid"]
    with ArcsecondAPI(constant, dataset=parent) as one:
        if resource.name == "findingcharts":
            assert one.list("M 31")[0]["target"] == "M 31"
            assert one.read("M 31")[0]["target"] == "M 31"
        elif resource.name == "visibility":
            with pytest.raises(InvalidInputError, match="From which site"):
                one.read()
        elif resource.verbs == ("read",):
            assert one.read()["name" if "name" in one.read() else "username"]
        else:
            listed = one.list()
            keys = {"objects": "name", "exoplanets": "name", "profiles": "username"}
            for item in listed[:1]:
                if "read" in resource.verbs and resource.key != "none":
                    key = item[keys.get(resource.name, "uuid" if "uuid" in item else "pk")]
                    assert one.read(key) is not None
            assert isinstance(listed[:300], list)


def test_the_contracts_constants_are_all_there() -> None:
    names = (
        "ACTIVITIES CATALOGUES DATASETS EXOPLANETS FINDINGCHARTS FITSFILES INSTRUMENTS ME "
        "NIGHTLOGS OBJECTS OBSERVINGRUNS OBSERVINGSITES PROFILES SATELLITES STANDARDSTARS "
        "TELEGRAMS_ATEL TELESCOPES"
    )
    for name in names.split():
        assert isinstance(getattr(ArcsecondAPI, f"ENDPOINT_{name}"), str)


def test_lists_are_lazy(api: ArcsecondAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    from arcsecond.client import endpoint

    monkeypatch.setattr(endpoint, "PAGE", 10)
    fetched: list[str | None] = []
    original = endpoint.Endpoint.fetch

    def counted(self: Any, address: Any, params: Any) -> Any:
        fetched.append(address)
        return original(self, address, params)

    monkeypatch.setattr(endpoint.Endpoint, "fetch", counted)
    with pytest.raises(ArcsecondError, match="objects have no filter 'mag'; it has name, search"):
        api.objects.list(mag=5)
    assert api.objects.list(around=(83.82, -5.39), radius=0.1)[0]["name"] == "M 42"
    fetched.clear()
    planets = api.exoplanets.list()
    assert fetched == []
    assert planets[3]["name"]
    assert len(fetched) == 1
    assert planets[12]["name"]
    assert len(fetched) == 2
    assert repr(planets).endswith("…]")
    assert len(planets) == len({p["name"] for p in planets}) > 50
    assert planets[-1] == planets[len(planets) - 1]
    assert planets[1:3] == [planets[1], planets[2]]
    assert bool(planets)
    assert planets != [1]


def test_errors_are_the_servers_own(api: ArcsecondAPI, frame: Path) -> None:
    with pytest.raises(NotFoundError, match="HD 59801") as raised:
        api.objects.read("HD 59801")
    assert isinstance(raised.value, ArcsecondError)
    assert (raised.value.status, raised.value.code) == (404, "not_found")
    dataset = api.datasets.create(name="d")["uuid"]
    files = api.datasets(dataset).fitsfiles
    files.create(file=frame)
    frame.write_bytes(fits_bytes(OBJECT="other"))
    with pytest.raises(ConflictError):
        files.create(file=frame)
    with pytest.raises(ArcsecondInvalidEndpointError):
        ArcsecondAPI("nonsense")
    with pytest.raises(ArcsecondInvalidEndpointError):
        api.datasets(dataset).nonsense  # noqa: B018
    with pytest.raises(ArcsecondMissingArgumentError):
        api.endpoint("uploads").list()[0]
    with pytest.raises(ArcsecondMissingArgumentError):
        api.fitsfiles.create(file=frame)
    with pytest.raises(ArcsecondMissingArgumentError):
        api.read("x")
    with pytest.raises(ArcsecondError, match="empty name"):
        api.objects.read(" ")


def test_progress_is_told(arcsecond: Command, tmp_path: Path) -> None:
    path = tmp_path / "big.fits"
    path.write_bytes(fits_bytes((1000, 1000)))
    told: list[tuple[int, int]] = []
    with ArcsecondAPI(progress=lambda sent, size: told.append((sent, size))) as api:
        dataset = api.datasets.create(name="d")["uuid"]
        api.datasets(dataset).fitsfiles.create(file=path)
    size = path.stat().st_size
    assert told[-1] == (size, size)
    assert len(told) > 10
    assert told == sorted(told)


def test_it_works_in_a_running_event_loop(arcsecond: Command) -> None:
    async def notebook() -> str:
        with ArcsecondAPI() as api:
            return str(api.objects.read("HD 5980")["name"])

    assert asyncio.run(notebook()) == "HD 5980"


def test_an_embedded_server_that_has_ended_leaves_nothing_open(
    new_settings: Callable[[str], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a program that opens many data directories, one after the other."""
    counts = []
    for _ in range(5):
        monkeypatch.setenv("ARCSECOND_HOME", str(new_settings("sqlite").home))
        with ArcsecondAPI() as api:
            assert api.objects.read("HD 5980")["name"] == "HD 5980"
        close_all()
        counts.append(len(list(Path("/proc/self/fd").iterdir())))
    gc.collect()
    counts.append(len(list(Path("/proc/self/fd").iterdir())))
    assert counts[-1] <= counts[0]


def test_a_remote_server_is_not_asked_before_login(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ARCSECOND_CONFIG", str(tmp_path / "none.ini"))
    with (
        ArcsecondAPI(server="http://127.0.0.1:9") as api,
        pytest.raises(ArcsecondNotLoggedInError, match="not signed in"),
    ):
        api.objects.read("HD 5980")


def test_no_server_and_a_slow_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import socket

    monkeypatch.setenv("ARCSECOND_CONFIG", str(tmp_path / "none.ini"))
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with (
            ArcsecondAPI(server=address, key="k", timeout=0.2) as api,
            pytest.raises(ArcsecondRequestTimeoutError, match="did not answer"),
        ):
            api.objects.read("HD 5980")
    with (
        ArcsecondAPI(server=address, key="k") as api,
        pytest.raises(ArcsecondConnectionError, match="cannot be reached"),
    ):
        api.objects.read("HD 5980")


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (500, b"<html>", "ServerFaultError"),
        (404, b'{"detail": "Not found."}', "NotFoundError"),
        (400, b'{"name": ["Too long."]}', "InvalidInputError"),
        (418, b'{"detail": "tea", "code": "unheard of"}', "InvalidInputError"),
        (200, b"<html>", "ArcsecondConnectionError"),
    ],
)
def test_answers_of_other_servers(
    status: int, body: bytes, error: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def answer(_: Any) -> httpx2.Response:
        return httpx2.Response(status, content=body)

    with (
        other_server(answer, monkeypatch, tmp_path) as api,
        pytest.raises(ArcsecondError) as raised,
    ):
        api.objects.read("M 31")
    assert type(raised.value).__name__ == error


@contextlib.contextmanager
def other_server(
    answer: Callable[[Any], httpx2.Response], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[ArcsecondAPI]:
    """Let something else answer than a server of ours."""
    monkeypatch.setenv("ARCSECOND_CONFIG", str(tmp_path / "none.ini"))
    with ArcsecondAPI(server="http://example.invalid", key="k") as api:
        api.transport._client = httpx2.Client(
            base_url="http://example.invalid", transport=httpx2.MockTransport(answer)
        )
        yield api


@pytest.mark.parametrize("body", [b'{"ok": true}', b"5", b'"x"', b"null", b"[" * 100_000])
def test_what_is_no_list(body: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A network that wants to be paid answers for the server."""
    with other_server(lambda _: httpx2.Response(200, content=body), monkeypatch, tmp_path) as api:
        for ask in (lambda: list(api.objects.list()), lambda: api.datasets("night").fitsfiles):
            with pytest.raises(ArcsecondError, match="is it an Arcsecond server"):
                ask()


def test_a_failure_without_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    deep = httpx2.Response(500, content=b"[" * 100_000)
    with (
        other_server(lambda _: deep, monkeypatch, tmp_path) as api,
        pytest.raises(ArcsecondError) as raised,
    ):
        api.objects.read("M 31")
    assert raised.value.status == 500


@pytest.mark.parametrize("more", ["/objects/?cursor=x", 5, {"a": 1}])
def test_pages_that_lead_to_themselves(
    more: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = {"count": 1, "next": more, "previous": None, "results": [{"name": "x"}]}
    with other_server(lambda _: httpx2.Response(200, json=page), monkeypatch, tmp_path) as api:
        assert len(api.objects.list()) == (2 if isinstance(more, str) else 1)


def test_importing_it_is_light() -> None:
    heavy = "{'litestar', 'sqlalchemy', 'astropy', 'numpy', 'granian', 'alembic', 'jinja2'}"
    for program, more in (
        ("import arcsecond", "{'httpx2', 'click', 'msgspec'}"),
        (
            "from arcsecond import ArcsecondAPI; ArcsecondAPI(server='http://x.invalid')",
            "{'click'}",
        ),
        (
            "import sys; sys.argv = ['a', '--help']; from arcsecond.entry import main; main()",
            "{'httpx2', 'msgspec', 'click', 'typing', 'dataclasses'}",
        ),
        ("from arcsecond.cli.main import run; run(['--help'])", "{'httpx2', 'msgspec'}"),
        ("from arcsecond.cli.main import run; run(['objects', '--help'])", "{'httpx2', 'msgspec'}"),
    ):
        check = f"{program}; import sys; found = ({heavy} | {more}) & set(sys.modules); assert not found, found"
        # Measured coverage would bring modules of its own.
        environ = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
        command = [sys.executable, "-c", check]
        subprocess.run(command, check=True, capture_output=True, env=environ)


def test_what_is_exported() -> None:
    for name in arcsecond.__all__:
        assert getattr(arcsecond, name)
    with pytest.raises(AttributeError):
        arcsecond.nonsense  # noqa: B018
    assert (Path(arcsecond.__file__).parent / "py.typed").exists()
