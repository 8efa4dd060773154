"""Bytes on their way from the server, put where they are wanted."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import httpx2

from arcsecond.errors import ArcsecondError

STRAIGHT = 1 << 20
"""From so many bytes on it is worth a connection of its own to leave out who stands between."""

Receive = Callable[[memoryview], int]

LONGEST_S = 0.25
"""How long a buffer is filled before somebody hears of it."""


@dataclass(slots=True)
class Stream:
    """Bytes on their way from the server, and what it says of them.

    Attributes
    ----------
    pieces
        The bytes as they come.
    line
        Puts the bytes beyond the first piece into a buffer without copying them on their
        way, and returns how many; None where something has to be done to them.
    """

    status: int
    headers: Mapping[str, str]
    pieces: Iterator[bytes]
    line: Receive | None = None
    _rest: memoryview = field(default_factory=lambda: memoryview(b""))
    _error: ArcsecondError | None = None
    _left: int = -1
    """What is to come by the line, once it has been taken."""
    _handed_out: int = 0
    """By the parser."""

    def read_into(self, buffer: memoryview) -> int:
        """Put what comes into a buffer.

        Returns
        -------
        int
            How many bytes came: 0 at the end, fewer than there is room for when little
            comes.

        Raises
        ------
        ArcsecondError
            The connection failed; what came before that has been returned.
        """
        if self._error is not None:
            raise self._error
        have, until = 0, time.monotonic() + LONGEST_S
        try:
            while have < len(buffer) and (got := self._some(buffer[have:])):
                have += got
                if time.monotonic() > until:
                    break
        except ArcsecondError as error:
            if not have:
                raise
            self._error = error
        return have

    def _some(self, buffer: memoryview) -> int:
        if not self._rest:
            if self._left >= 0:
                return self._from_line(buffer)
            self._rest = memoryview(next(self.pieces, b""))
            self._handed_out += len(self._rest)
            if self.line is not None:
                self._take_line(self.line)
            if str(self._handed_out) == self.headers.get("Content-Length"):
                next(self.pieces, b"")  # the end, without which the connection is not used again
        got = min(len(buffer), len(self._rest))
        buffer[:got] = self._rest[:got]
        self._rest = self._rest[got:]
        return got

    def _take_line(self, line: Receive) -> None:
        """From now on take what comes from the line, if enough of a known size is to come.

        The parser of HTTP hands out all that it has of a body, so that nothing waits in it.
        """
        self.line = None
        length = self.headers.get("Content-Length", "")
        if "Transfer-Encoding" in self.headers or not length.isdecimal():
            return
        left = int(length) - len(self._rest)
        if left >= STRAIGHT:
            self.line, self._left = line, left

    def _from_line(self, buffer: memoryview) -> int:
        if not self._left:
            return 0
        assert self.line is not None
        got = self.line(buffer[: self._left])
        self._left -= got
        return got


def line_of(response: httpx2.Response) -> socket.socket | None:
    """Return where the bytes of a body arrive, where they arrive as they are."""
    stream = response.extensions.get("network_stream")
    if stream is None or response.http_version != "HTTP/1.1":
        return None
    if stream.get_extra_info("ssl_object") is not None:  # a proxy's, or the server's
        return None
    found = stream.get_extra_info("socket")
    return found if isinstance(found, socket.socket) else None


def received(line: socket.socket, buffer: memoryview) -> int:
    """Put what arrives into a buffer, and return how much it is.

    Raises
    ------
    httpx2.HTTPError
        Nothing more arrives.
    """
    try:
        got = line.recv_into(buffer)
    except TimeoutError as error:
        raise httpx2.ReadTimeout(str(error)) from error
    except OSError as error:
        raise httpx2.ReadError(str(error)) from error
    if not got:
        raise httpx2.RemoteProtocolError("the connection ended before the body did")
    return got
