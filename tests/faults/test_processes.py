"""Processes that die in mid-upload, and processes that write at once."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import httpx2

from arcsecond.server.serving import serving_address
from arcsecond.server.settings import Settings
from tests.conftest import Server, environment, fits_bytes
from tests.faults.conftest import NEW, Account, wait_until

SIZE = 30_000_000


def begin_upload(server: Server, account: Account) -> socket.socket:
    """Send the first half of a large upload and leave the connection open."""
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    content = fits_bytes() + bytes(SIZE)
    head = b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a.fits"\r\n\r\n'
    body = head + content + b"\r\n--xyz--\r\n"
    name, key = next(iter(account.header.items()))
    request = (
        f"POST {account.path} HTTP/1.1\r\nHost: {host}:{port}\r\n{name}: {key}\r\n"
        f"Content-Type: multipart/form-data; boundary=xyz\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection = socket.create_connection((host, int(port)), 10)
    connection.sendall(request.encode() + body[: len(body) // 2])
    wait_until(lambda: any(size > SIZE // 4 for size in sizes(server)))
    return connection


def sizes(server: Server) -> list[int]:
    found = []
    for path in (server.home / "incoming").iterdir():
        with contextlib.suppress(FileNotFoundError):  # gone meanwhile
            found.append(path.stat().st_size)
    return found


def test_a_cut_connection_leaves_nothing(account: Account, serve: Callable[..., Server]) -> None:
    server = serve()
    connection = begin_upload(server, account)
    connection.close()
    wait_until(lambda: not sizes(server))
    assert len(list((server.home / "blobs").glob("??/??/*"))) == 1
    assert httpx2.get(server.url + "/health").status_code == 200
    account.is_whole()


def test_a_server_killed_in_a_large_upload(account: Account, serve: Callable[..., Server]) -> None:
    server = serve()
    connection = begin_upload(server, account)
    server.kill()
    connection.close()
    assert len(sizes(server)) == 1
    again = serve()
    wait_until(lambda: not sizes(server))
    account.is_whole()
    assert account.upload(again.url, "a.fits", NEW).status_code == 201
    account.is_whole()


WRITER = """
import sys
from arcsecond import ArcsecondAPI
dataset, number, *frames = sys.argv[1:]
api = ArcsecondAPI()
for frame in frames:
    api.datasets(dataset).fitsfiles.create(file=frame)
api.activities.create(title=f"writer {number}")
api.nightlogs.create(date="2026-11-22", name=f"night of writer {number}")
"""


def test_twenty_processes_write_at_once(
    account: Account, serve: Callable[..., Server], tmp_path: Path
) -> None:
    """Ten embedded, ten against two workers of a server; some content is the same."""
    server = serve("--workers", "2")
    running = []
    for n in range(20):
        environ = server.environ | {"ARCSECOND_KEY": account.key}
        environ["ARCSECOND_SERVER"] = server.url if n % 2 else "embedded"
        frames = []
        for m, content in enumerate((fits_bytes(OBJECT="same"), fits_bytes(OBJECT=str(n)))):
            path = tmp_path / f"w{n}-{m}.fits"
            path.write_bytes(content)
            account.content[path.name] = content
            frames.append(str(path))
        words = [sys.executable, "-c", WRITER, account.dataset, str(n), *frames]
        running.append(subprocess.Popen(words, env=environ, stderr=subprocess.PIPE))
    for process in running:
        _, said = process.communicate(timeout=110)
        assert process.returncode == 0, said
    account.is_whole()
    titles = httpx2.get(server.url + "/activities/?limit=100").json()
    assert {a["title"] for a in titles} == {f"writer {n}" for n in range(20)}


def test_the_same_name_at_once_is_kept_once(account: Account, serve: Callable[..., Server]) -> None:
    server = serve("--workers", "2")
    statuses: list[int] = []

    def upload(n: int) -> None:
        answer = account.upload(server.url, "a.fits", fits_bytes(OBJECT=str(n)))
        statuses.append(answer.status_code)

    threads = [threading.Thread(target=upload, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201] + [409] * 5
    account.is_whole()


def test_first_commands_at_once_on_an_empty_directory(empty: Settings) -> None:
    command = [sys.executable, "-m", "arcsecond", "me"]
    running = [
        subprocess.Popen(command, env=environment(empty), stdout=subprocess.PIPE) for _ in range(4)
    ]
    names = set()
    for process in running:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        names.add((json.loads(out)["pk"], json.loads(out)["username"]))
    assert len(names) == 1


def test_an_upload_that_is_refused_early_is_told(
    account: Account, serve: Callable[..., Server], tmp_path: Path
) -> None:
    """The server answers before it has read the body; the client still says why."""
    server = serve()
    big = tmp_path / "big.fits"
    big.write_bytes(fits_bytes() + bytes(SIZE))
    environ = server.environ | {"ARCSECOND_SERVER": server.url, "ARCSECOND_KEY": "0" * 32}
    command = [sys.executable, "-m", "arcsecond", "fitsfiles", account.dataset, "create", "--file"]
    done = subprocess.run([*command, str(big)], env=environ, capture_output=True, text=True)
    assert done.returncode == 4
    assert "not valid here" in done.stderr


def test_the_last_words_of_a_dead_server_are_not_believed(
    settings: Settings, serve: Callable[..., Server]
) -> None:
    server = serve()
    assert serving_address(settings.serving_path) == server.url
    server.kill()
    assert settings.serving_path.read_bytes()
    wait_until(lambda: serving_address(settings.serving_path) is None)
    with contextlib.suppress(ProcessLookupError):
        server.stop()
