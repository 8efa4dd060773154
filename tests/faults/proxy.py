"""A TCP proxy that cuts the connection after so many bytes of the request."""

from __future__ import annotations

import contextlib
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
