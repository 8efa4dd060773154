"""Connections that bring nothing any more, and two that bring the same upload."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Callable, Iterator
from uuid import uuid4

import httpx2
import pytest

from arcsecond.errors import LockedError
from arcsecond.server.storage.partial import Partials
from tests.conftest import Server, fits_bytes, start
from tests.faults.conftest import Account, wait_until

FRAME = fits_bytes((1500, 1000), OBJECT="halves")
TUS = {"Tus-Resumable": "1.0.0"}


class Half:
    """A request whose body stops in its middle, while its connection stays open."""

    def __init__(self, url: str, method: str, headers: dict[str, str], body: bytes) -> None:
        parts = httpx2.URL(url)
        head = headers | {"Host": parts.host, "Content-Length": str(len(body))}
        lines = [f"{method} {parts.raw_path.decode()} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in head.items()]
        self.connection = socket.create_connection((parts.host, parts.port or 80), 20)
        self.connection.settimeout(30)
        self.connection.sendall("\r\n".join([*lines, "", ""]).encode() + body[: len(body) // 2])

    def status(self) -> int:
        """Return what is answered, though not all has come."""
        answer = b""
        while b"\r\n" not in answer:
            piece = self.connection.recv(1000)
            assert piece, "closed without a word"
            answer += piece
        return int(answer.split()[1])


@pytest.fixture
def halves() -> Iterator[Callable[..., Half]]:
    made: list[Half] = []

    def make(url: str, method: str, headers: dict[str, str], body: bytes) -> Half:
        made.append(Half(url, method, headers, body))
        return made[-1]

    yield make
    for half in made:
        half.connection.close()


@pytest.fixture
def impatient(account: Account) -> Iterator[Server]:
    server = start(account.settings, module="tests.faults.impatient")
    yield server
    server.stop()


def begun(account: Account, server: Server) -> str:
    """Begin an upload of tus; returns its address."""
    name = base64.b64encode(b"halves.fits").decode()
    headers = {"Upload-Length": str(len(FRAME)), "Upload-Metadata": f"filename {name}"}
    address = f"{server.url}/datasets/{account.dataset}/uploads/"
    answer = httpx2.post(address, headers=TUS | account.header | headers)
    assert answer.status_code == 201
    return str(answer.headers["location"])


def piece(account: Account, offset: int) -> dict[str, str]:
    kind = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": str(offset)}
    return TUS | account.header | kind


def finish(account: Account, address: str) -> None:
    """Send what is missing of an upload."""
    told = httpx2.head(address, headers=TUS | account.header)
    offset = int(told.headers["upload-offset"])
    rest = httpx2.patch(address, headers=piece(account, offset), content=FRAME[offset:], timeout=60)
    assert rest.status_code == 204, rest.text
    account.content["halves.fits"] = FRAME
    account.is_whole()


def test_an_upload_that_stalls_is_ended_and_goes_on(
    account: Account, impatient: Server, halves: Callable[..., Half]
) -> None:
    address = begun(account, impatient)
    half = halves(address, "PATCH", piece(account, 0), FRAME)
    assert half.status() == 400
    finish(account, address)


def test_a_form_that_stalls_is_ended(
    account: Account, impatient: Server, halves: Callable[..., Half]
) -> None:
    head = b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a.fits"\r\n\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=xyz"}
    half = halves(
        impatient.url + account.path,
        "POST",
        account.header | kind,
        head + FRAME + b"\r\n--xyz--\r\n",
    )
    assert half.status() == 400
    account.is_whole()


def test_who_comes_later_takes_over_from_a_connection_that_is_open(
    account: Account, serve: Callable[..., Server], halves: Callable[..., Half]
) -> None:
    """Also in another process: never do two write one upload."""
    server = serve("--workers", "2")
    address = begun(account, server)
    first = halves(address, "PATCH", piece(account, 0), FRAME)
    (path,) = (account.settings.home / "uploads").iterdir()
    wait_until(lambda: path.stat().st_size > 0)  # it has the lock
    statuses = []
    for _ in range(6):  # whichever worker it comes to
        answer = httpx2.patch(address, headers=piece(account, 0), content=FRAME[:1000], timeout=60)
        statuses.append(answer.status_code)
    assert first.status() == 423
    assert set(statuses) <= {204, 409, 423}
    finish(account, address)


def test_a_lock_keeps_others_out(account: Account) -> None:
    partials, uuid = Partials(account.settings.home / "uploads"), uuid4()
    partials.create(uuid)
    asked = threading.Event()
    with partials.held(uuid, 0.0) as handle:
        partial = partials.opened(uuid, handle, 0)
        assert not partial.wanted

        def ask() -> None:
            with pytest.raises(LockedError), partials.held(uuid, 0.5):
                pass
            asked.set()

        thread = threading.Thread(target=ask)
        thread.start()
        while not asked.wait(0.01):
            if partial.wanted:
                break
        thread.join()
        assert asked.is_set()
        assert not partial.wanted
    with partials.held(uuid, 0.0):
        pass
    partials.delete(uuid)
