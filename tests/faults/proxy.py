"""TCP proxies: one cuts the connection after so many bytes, one is a network in a storm."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from typing import Self


class CuttingProxy:
    """Listens on a free port and hands everything on, until it does not.

    Attributes
    ----------
    cut_after
        How many bytes of a request get through; None for all.
    swallows
        Whether the connection is cut when the answer comes.
    """

    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("http://").rpartition(":")
        self.target = (host, int(port))
        self.cut_after: int | None = None
        self.swallows = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.target, 10)
            threading.Thread(target=self._answers, args=(server, client), daemon=True).start()
            threading.Thread(target=self._requests, args=(client, server), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        left = self.cut_after
        with client, server, contextlib.suppress(OSError):
            while left is None or left > 0:
                data = client.recv(65536 if left is None else min(left, 65536))
                if not data:
                    break
                server.sendall(data)
                left = None if left is None else left - len(data)
            for end in (client, server):
                end.shutdown(socket.SHUT_RDWR)

    def _answers(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if self.swallows:
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(data)


STALL_S = 3.0
"""Longer than the clients of these tests wait."""


class Storm:
    """A network that drops, truncates, delays, stalls and corrupts, as the dice of a seed say.

    Parameters
    ----------
    kinds
        Of faults: "drop", "truncate", "delay", "stall", "corrupt".
    every
        A fault comes after so many bytes, on average.
    most
        How many there are; then the sky is clear.
    """

    def __init__(self, url: str, kinds: tuple[str, ...], seed: int, *, every: int, most: int):
        self.point_at(url)
        self._kinds = kinds
        self._random = random.Random(seed)
        self._every = every
        self._left = most
        self._lock = threading.Lock()
        self._over = threading.Event()
        self.told: list[str] = []
        self.moved = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def point_at(self, url: str) -> None:
        """Hand on to a server, or to the one that took its place."""
        host, _, port = url.removeprefix("http://").rpartition(":")
        self._target = (host, int(port))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target, 10)
            except OSError:  # nobody is there
                client.close()
                continue
            over = threading.Semaphore(0)
            for ends in ((client, server), (server, client)):
                threading.Thread(target=self._hand_on, args=(*ends, over), daemon=True).start()
            threading.Thread(target=self._close, args=(client, server, over), daemon=True).start()

    @staticmethod
    def _close(client: socket.socket, server: socket.socket, over: threading.Semaphore) -> None:
        """Close both ends when nobody uses them any more: their numbers are used again."""
        over.acquire()
        over.acquire()
        client.close()
        server.close()

    def _hand_on(
        self, source: socket.socket, target: socket.socket, over: threading.Semaphore
    ) -> None:
        try:
            with contextlib.suppress(OSError):
                while data := source.recv(65536):
                    kind = self._fault(data)
                    if kind == "drop":
                        return
                    if kind == "silence":  # as where a cable was pulled
                        self._over.wait()
                        return
                    if kind in ("delay", "stall"):
                        self._over.wait(0.2 if kind == "delay" else STALL_S)
                    elif kind == "truncate":
                        data = data[: self._random.randrange(len(data))]
                    elif kind == "corrupt":
                        at = self._random.randrange(len(data))
                        data = data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1 :]
                    target.sendall(data)
                    self.moved += len(data)
                    if kind == "truncate":
                        return
        finally:
            for one in (source, target):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            over.release()

    def _fault(self, data: bytes) -> str:
        """Return what happens to some bytes, "" for nothing."""
        with self._lock:
            if not self._left or self._random.random() > len(data) / self._every:
                return ""
            kind = self._random.choice(self._kinds)
            if kind == "corrupt" and b"HTTP/1.1" in data:
                return ""  # bodies are what is verified; whoever corrupts heads can lie at will
            self._left -= 1
            self.told.append(kind)
            return kind
