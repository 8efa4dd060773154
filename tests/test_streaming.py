"""Bytes of an answer, put into buffers: by the parser of HTTP, and past it."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from arcsecond.client import fetching
from arcsecond.client.streaming import STRAIGHT
from arcsecond.client.transport import Transport
from arcsecond.config import Config
from arcsecond.errors import ArcsecondConnectionError, ArcsecondRequestTimeoutError

BODY = bytes(range(256)) * (2 * STRAIGHT // 256)


class Answering:
    """Answers the requests of one connection with what a test says."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.gone_on = threading.Event()
        self.answers: list[bytes] = []
        self.requests = 1
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()

    def _answer(self) -> None:
        connection, _ = self._listening.accept()
        with connection:
            connection.settimeout(20)
            for _ in range(self.requests):
                while b"\r\n\r\n" not in connection.recv(1 << 16):
                    pass
                for answer in self.answers:
                    connection.sendall(answer)
            self.gone_on.wait(20)

    def close(self) -> None:
        self.gone_on.set()
        self._thread.join(20)
        self._listening.close()


@pytest.fixture
def answering() -> Iterator[Answering]:
    server = Answering()
    yield server
    server.close()


@pytest.fixture
def transport(answering: Answering, tmp_path: Path) -> Iterator[Transport]:
    transport = Transport(Config(answering.url, "", "", tmp_path, tmp_path / "ini"), timeout=0.5)
    yield transport
    transport.close()


def head(*headers: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", *headers, "", ""]).encode()


def read(transport: Transport, room: int = 100_000) -> Iterator[bytes]:
    buffer = bytearray(room)
    with transport.stream("/x/", {}) as stream:
        while came := stream.read_into(memoryview(buffer)):
            yield bytes(buffer[:came])


@pytest.mark.parametrize("room", [1000, 100_000, 4 * STRAIGHT])
def test_all_that_is_of_the_answer_and_nothing_beyond(
    answering: Answering, transport: Transport, room: int
) -> None:
    answering.answers += [head(f"Content-Length: {len(BODY)}"), BODY + b"of the next one"]
    assert b"".join(read(transport, room)) == BODY


def test_pieces_of_which_each_tells_its_size(answering: Answering, transport: Transport) -> None:
    cut = [BODY[n : n + 70_000] for n in range(0, len(BODY), 70_000)]
    answering.answers.append(head("Transfer-Encoding: chunked"))
    answering.answers += [f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in cut]
    answering.answers.append(b"0\r\n\r\n")
    assert b"".join(read(transport)) == BODY


@pytest.mark.parametrize("kept", [10, STRAIGHT // 2, STRAIGHT + 10])
@pytest.mark.parametrize("ends", [True, False])
def test_what_came_before_a_failure_is_handed_out_first(
    answering: Answering, transport: Transport, kept: int, *, ends: bool
) -> None:
    answering.answers += [head(f"Content-Length: {len(BODY)}"), BODY[:kept]]
    if ends:
        answering.gone_on.set()
    came = bytearray()
    error = ArcsecondConnectionError if ends else ArcsecondRequestTimeoutError
    with pytest.raises(error):  # noqa: PT012
        for piece in read(transport, 4 * STRAIGHT):
            came += piece
    assert bytes(came) == BODY[:kept]


def test_a_connection_is_used_again_after_an_answer_was_taken_exactly(
    answering: Answering, transport: Transport
) -> None:
    """A remote frame is read in many small ranges."""
    answering.answers += [head("Content-Length: 5000") + BODY[:5000]]
    answering.requests = 2
    with transport.stream("/x/", {}) as stream:
        buffer = memoryview(bytearray(5000))
        assert stream.read_into(buffer) == 5000
    # The server answers one connection, and no other.
    with transport.stream("/y/", {}) as stream:
        assert stream.read_into(buffer) == 5000


class _Broken:
    """A file whose second write fails, once."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.writes = 0

    def write(self, data: memoryview) -> int:
        self.writes += 1
        if self.writes == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.written += data
        return len(data)

    def truncate(self, size: int) -> None:
        del self.written[size:]

    def fileno(self) -> int:
        return -1


def keep_all(file: _Broken, pieces: int, end: Exception | None = None) -> None:
    with fetching._Keeper(file, hashlib.sha256(), 1 << 20) as keeper:  # type: ignore[arg-type]
        for n in range(pieces):
            room = keeper.room()
            room[:100] = bytes([n]) * 100
            keeper.keep(100)
        if end is not None:
            raise end


def test_nothing_is_written_behind_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "BUFFER_BYTES", 100)
    file = _Broken()
    with pytest.raises(OSError, match="space"):
        keep_all(file, 6)
    assert bytes(file.written) == bytes(100)
