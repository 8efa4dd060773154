"""Work in processes of its own: started anew, or forked from one that has imported much."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from arcsecond.schemas.archive import DatasetChange
from arcsecond.server import apart
from arcsecond.server.archive.service import Datasets
from arcsecond.server.context import Backend
from arcsecond.server.settings import Settings
from tests.conftest import Server, add_file, fits_bytes, new_user

ENDING = "tests.ending"


@pytest.fixture(params=["anew", "forked"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    forked = request.param == "forked"
    forks = multiprocessing.get_context("forkserver") if forked else None
    monkeypatch.setattr(apart, "_forks", forks)


def ended(what: str, timeout_s: float = 30) -> apart.Ended:
    with tempfile.TemporaryFile() as file:
        file.write(b"what it reads")
        file.seek(0)
        return apart.run(ENDING, what, timeout_s=timeout_s, stdin=file)


@pytest.mark.usefixtures("way")
class TestEither:
    """What holds of both ways."""

    def test_it_reads_and_prints(self) -> None:
        assert ended("read") == (b"what it reads", 0)

    def test_its_status_is_told(self) -> None:
        assert ended("3") == (b"", 3)

    def test_much_is_printed(self, capfd: pytest.CaptureFixture[str]) -> None:
        assert ended("loud") == (bytes(3_000_000), 0)
        assert capfd.readouterr().err == ""

    def test_what_takes_too_long_is_ended(self) -> None:
        begin = time.monotonic()
        assert ended("slow", timeout_s=5) == (b"begun\n", None)
        assert time.monotonic() - begin < 30

    def test_what_kills_it_is_told(self) -> None:
        assert ended("killed") == (b"begun\n", -signal.SIGKILL)

    def test_nothing_stays_open(self) -> None:
        ended("read")
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(3):
            ended("killed")
        assert ended("no such thing")[1] == 1
        assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.usefixtures("way")
def test_several_at_once_are_told_apart() -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(ended, ["read", "3"] * 20))
    assert found == [(b"what it reads", 0), (b"", 3)] * 20


def helpers(server: Server) -> set[int]:
    """Return the processes of a server from which others are forked, and those."""
    found = set[int]()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_one = b"multiprocessing.forkserver" in (folder / "cmdline").read_bytes()
            if is_one and os.getpgid(int(folder.name)) == server.process.pid:
                found.add(int(folder.name))
    return found


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_server_draws_on_when_its_helper_is_killed(
    settings: Settings, backend: Backend, serve: Callable[..., Server]
) -> None:
    viewer, header = new_user(backend)
    dataset = Datasets().create(backend, viewer, DatasetChange(name="d")).uuid
    server = serve(fresh=True)
    for n in range(3):
        incoming = backend.store.receive()
        incoming.write(fits_bytes((50, 60), NUMBER=n))
        pk = add_file(backend, viewer, dataset, f"{n}.fits", incoming).pk
        incoming.discard()
        address = f"{server.url}/datasets/{dataset}/fitsfiles/{pk}/preview/0/"
        answer = httpx2.get(address, headers=header, timeout=60)
        assert answer.status_code == 200, answer.text
        (helper,) = helpers(server)
        if n < 2:
            os.kill(helper, signal.SIGKILL)
    server.process.send_signal(signal.SIGINT)  # not the whole group, which would end it, too
    assert server.process.wait(20) == 0
    until = time.monotonic() + 20
    while Path(f"/proc/{helper}").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
