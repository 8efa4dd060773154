"""What is acknowledged is there, what was cut is gone, whatever happens in between."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from arcsecond.server.app import open_backend
from arcsecond.server.archive.tables import blobs, files, versions
from arcsecond.server.settings import Settings
from tests.conftest import Server, fits_bytes, new_user

SIZE = 30_000_000


@pytest.fixture
def account(settings: Settings) -> tuple[dict[str, str], str]:
    """A user's key header and the UUID of a dataset."""
    from arcsecond.schemas.archive import DatasetChange
    from arcsecond.server.archive.service import Datasets

    backend = open_backend(settings)
    ann, header = new_user(backend)
    dataset = Datasets().create(backend, ann, DatasetChange(name="d"))
    backend.db.close()
    return header, dataset.uuid


def everything_fits(settings: Settings) -> int:
    """Check that each row has its bytes; returns how many files there are."""
    backend = open_backend(settings)
    with backend.db.read() as connection:
        recorded = dict(connection.execute(sa.select(blobs.c.sha256, blobs.c.size)).all())
        used = set(connection.scalars(sa.select(versions.c.blob)))
        count = connection.scalar(sa.select(sa.func.count()).select_from(files)) or 0
    assert used <= set(recorded)
    for sha256, size in recorded.items():
        with backend.store.open(sha256) as file:
            content = file.read()
        assert len(content) == size
        assert hashlib.sha256(content).hexdigest() == sha256
    backend.db.close()
    return count


def begin_upload(server: Server, header: dict[str, str], dataset: str) -> socket.socket:
    """Send the first half of a large upload and leave the connection open."""
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    content = fits_bytes() + bytes(SIZE)
    head = b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a.fits"\r\n\r\n'
    body = head + content + b"\r\n--xyz--\r\n"
    name, key = next(iter(header.items()))
    request = (
        f"POST /datasets/{dataset}/fitsfiles/ HTTP/1.1\r\nHost: {host}:{port}\r\n{name}: {key}\r\n"
        f"Content-Type: multipart/form-data; boundary=xyz\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection = socket.create_connection((host, int(port)), 10)
    connection.sendall(request.encode() + body[: len(body) // 2])
    incoming = server.home / "incoming"
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if any(path.stat().st_size > SIZE // 4 for path in incoming.iterdir()):
            return connection
        time.sleep(0.02)
    raise AssertionError("nothing arrived")


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_cut_connection_leaves_nothing(
    settings: Settings, account: tuple[dict[str, str], str], serve: Callable[..., Server]
) -> None:
    server = serve()
    connection = begin_upload(server, *account)
    connection.close()
    wait_until(lambda: not list((server.home / "incoming").iterdir()))
    assert everything_fits(settings) == 0
    assert not list((server.home / "blobs").glob("??/??/*"))
    assert httpx2.get(server.url + "/health").status_code == 200


def test_a_killed_server_leaves_no_row_without_bytes(
    settings: Settings, account: tuple[dict[str, str], str], serve: Callable[..., Server],
    tmp_path: Path,
) -> None:  # fmt: skip
    server = serve()
    header, dataset = account
    whole = tmp_path / "whole.fits"
    whole.write_bytes(fits_bytes(OBJECT="kept"))
    address = f"{server.url}/datasets/{dataset}/fitsfiles/"
    with whole.open("rb") as file:
        assert httpx2.post(address, files={"file": file}, headers=header).status_code == 201
    connection = begin_upload(server, header, dataset)
    server.kill()
    connection.close()
    assert len(list((server.home / "incoming").iterdir())) == 1
    again = serve()
    wait_until(lambda: not list((server.home / "incoming").iterdir()))
    assert everything_fits(settings) == 1
    listed = httpx2.get(f"{again.url}/datasets/{dataset}/fitsfiles/", headers=header).json()
    assert [f["target"] for f in listed] == ["kept"]
    with whole.open("rb") as file:
        name = {"file": ("a.fits", file)}
        answer = httpx2.post(
            f"{again.url}/datasets/{dataset}/fitsfiles/", files=name, headers=header
        )
    assert answer.status_code == 201


@pytest.mark.parametrize("step", ["finish", "keep", "commit"])
def test_dying_between_the_steps_of_an_upload(
    step: str, settings: Settings, account: tuple[dict[str, str], str], tmp_path: Path
) -> None:
    """Die after the flush, after the rename and before the row is committed."""
    header, dataset = account
    key = next(iter(header.values())).removeprefix("Key ")
    frame = tmp_path / "a.fits"
    frame.write_bytes(fits_bytes())
    program = f"""
import os, sys
from arcsecond.server.archive import files
from arcsecond.server.storage.folder import FolderIncoming
def dying(function):
    def do(*arguments):
        function(*arguments)
        os._exit(9)
    return do
step = {step!r}
if step == "commit":
    files._keep_version = dying(files._keep_version)
else:
    setattr(FolderIncoming, step, dying(getattr(FolderIncoming, step)))
from arcsecond.cli.main import run
sys.exit(run(["fitsfiles", {dataset!r}, "create", "--file", {str(frame)!r}]))
"""
    from tests.conftest import environment

    environ = environment(settings, ARCSECOND_KEY=key)
    died = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True)
    assert died.returncode == 9, died.stderr
    assert everything_fits(settings) == 0
    command = [sys.executable, "-m", "arcsecond", "fitsfiles", dataset, "create", "--file"]
    again = subprocess.run([*command, str(frame)], env=environ, capture_output=True, check=True)
    assert json.loads(again.stdout)["name"] == "a.fits"
    assert everything_fits(settings) == 1


def test_processes_write_at_once(
    settings: Settings, account: tuple[dict[str, str], str], serve: Callable[..., Server],
    tmp_path: Path,
) -> None:  # fmt: skip
    """Embedded commands and a server's users on the same data, the same content among it."""
    server = serve()
    header, dataset = account
    environ = server.environ | {"ARCSECOND_KEY": next(iter(header.values())).removeprefix("Key ")}
    embedded = []
    for n in range(4):
        path = tmp_path / f"e{n}.fits"
        path.write_bytes(fits_bytes(OBJECT="same"))
        command = [sys.executable, "-m", "arcsecond", "fitsfiles", dataset, "create", "--file"]
        embedded.append(
            subprocess.Popen([*command, str(path)], env=environ, stdout=subprocess.PIPE)
        )
    statuses: list[int] = []

    def upload(n: int) -> None:
        for m in range(5):
            part = {"file": (f"s{n}-{m}.fits", fits_bytes(OBJECT="same" if m else str(n)))}
            address = f"{server.url}/datasets/{dataset}/fitsfiles/"
            answer = httpx2.post(address, files=part, headers=header, timeout=60)
            statuses.append(answer.status_code)

    threads = [threading.Thread(target=upload, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for process in embedded:
        assert process.wait(60) == 0
        assert process.stdout is not None
        process.stdout.close()
    assert statuses == [201] * 20
    assert everything_fits(settings) == 24


def test_the_same_name_at_once_is_kept_once(
    account: tuple[dict[str, str], str], serve: Callable[..., Server]
) -> None:
    server = serve("--workers", "2")
    header, dataset = account
    answers: list[Any] = []

    def upload(n: int) -> None:
        part = {"file": ("a.fits", fits_bytes(OBJECT=str(n)))}
        address = f"{server.url}/datasets/{dataset}/fitsfiles/"
        answers.append(httpx2.post(address, files=part, headers=header, timeout=60))

    threads = [threading.Thread(target=upload, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(a.status_code for a in answers) == [201] + [409] * 5
    listed = httpx2.get(f"{server.url}/datasets/{dataset}/fitsfiles/", headers=header).json()
    assert len(listed) == 1


def test_first_commands_at_once_on_an_empty_directory(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "new")
    from tests.conftest import environment

    command = [sys.executable, "-m", "arcsecond", "me"]
    running = [
        subprocess.Popen(command, env=environment(settings), stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    names = set()
    for process in running:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        names.add((json.loads(out)["pk"], json.loads(out)["username"]))
    assert len(names) == 1


def test_an_upload_that_is_refused_early_is_told(
    account: tuple[dict[str, str], str], serve: Callable[..., Server], tmp_path: Path
) -> None:
    """The server answers before it has read the body; the client still says why."""
    server = serve()
    big = tmp_path / "big.fits"
    big.write_bytes(fits_bytes() + bytes(SIZE))
    environ = server.environ | {"ARCSECOND_SERVER": server.url, "ARCSECOND_KEY": "0" * 32}
    command = [sys.executable, "-m", "arcsecond", "fitsfiles", account[1], "create", "--file"]
    done = subprocess.run([*command, str(big)], env=environ, capture_output=True, text=True)
    assert done.returncode == 4
    assert "not valid here" in done.stderr


def test_the_last_words_of_a_dead_server_are_not_believed(
    settings: Settings, serve: Callable[..., Server]
) -> None:
    from arcsecond.server.serving import serving_address

    server = serve()
    assert serving_address(settings.serving_path) == server.url
    server.kill()
    assert settings.serving_path.read_bytes()
    wait_until(lambda: serving_address(settings.serving_path) is None)
    with contextlib.suppress(ProcessLookupError):
        server.stop()
