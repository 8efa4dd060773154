"""A large file sent in pieces by tus 1.0.0: each with its digest, from wherever it came to a stop.

Every piece is acknowledged once the server has it on its disk. What fails in between costs
one piece; where to go on is asked for, never assumed.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import threading
import zlib
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from arcsecond.client.patience import Patience, StoppedError
from arcsecond.client.transport import Reply, Transport
from arcsecond.errors import (
    ArcsecondConnectionError,
    ArcsecondError,
    ChangedError,
    ChecksumError,
    ConflictError,
    LockedError,
    NameTakenError,
    RefusedUploadError,
)
from arcsecond.folders import Item

LEAST_PIECE, PIECE = 256 << 10, 16 << 20
READ = 1 << 20
BEGUN_ANEW = 3
"""How often all of a file is sent before it is given up, when it never arrives as it was sent."""

_TUS = {"Tus-Resumable": "1.0.0"}
_BYTES = _TUS | {"Content-Type": "application/offset+octet-stream"}
_GONE = (404, 410)


class Sending:
    """One file on its way.

    Parameters
    ----------
    begin
        Path at which uploads into the dataset begin.
    told
        What the server is told of the file, beside its name: ``tags``, ``replace``.
    waiting
        Path of an upload of this file that came to a stop; "" for none.
    moved
        Called with how many bytes of the file have arrived.
    """

    def __init__(
        self,
        transport: Transport,
        begin: str,
        item: Item,
        told: Mapping[str, str],
        *,
        waiting: str,
        moved: Callable[[int], None],
        stopping: threading.Event,
        patience: Patience | None = None,
    ) -> None:
        self._transport = transport
        self._begin = begin
        self._item = item
        self._told = {"filename": item.name, **told}
        self._address = waiting
        self._moved = moved
        self._stopping = stopping
        self._patience = patience or Patience(stopping)
        self._offset: int | None = None if waiting else 0
        self._digests: dict[int, Any] = {}
        self._anew = 0
        self._size = PIECE

    def send(self) -> Reply:
        """Send what is missing of it, and return what the server said when it had all.

        Raises
        ------
        ArcsecondError
            The server does not take it, or it did not get through.
        ChangedError
            It is not the file any more that was to be sent.
        OSError
            It cannot be read.
        StoppedError
            It was stopped; what has arrived waits for the rest.
        """
        with open(self._item.path, "rb", buffering=0) as file:
            self._refuse_changed(file)
            while not self._stopping.is_set():
                try:
                    reply = self._step(file)
                    if "Arcsecond-File" in reply.headers:
                        self._moved(self._item.size)
                        return reply
                except ChangedError:
                    self._give_up()
                    raise
                except ArcsecondError as error:
                    self._cope_with(error)
            raise StoppedError

    def _step(self, file: BinaryIO) -> Reply:
        """Begin it, ask how far it came, or send the next piece."""
        if not self._address:
            self._create()
        if self._offset is None:
            try:
                reply = self._transport.exchange("HEAD", self._address, _TUS)
            except RefusedUploadError:  # all of it came and was refused: its end tells why
                self._offset = self._item.size
                return self._send_piece(file, self._offset)
            self._offset = self._told_by(reply, 0)
        else:
            self._moved(self._offset)
            reply = self._send_piece(file, self._offset)
            self._offset = self._told_by(reply, min(self._offset + 1, self._item.size))
            self._size = min(PIECE, 2 * self._size)
            self._patience.through()
        return reply

    def _told_by(self, reply: Reply, least: int) -> int:
        """Return how far the server says that it came, which it may only if it can be so.

        Raises
        ------
        ArcsecondConnectionError
            It says something else: then it is no server of ours that answered.
        """
        told = reply.headers.get("Upload-Offset", "")
        offset = int(told) if told.isascii() and told.isdigit() and len(told) < 19 else -1
        if least <= offset <= self._item.size:
            return offset
        raise ArcsecondConnectionError(f"The server tells no place to go on from: {told[:40]!r}.")

    def _cope_with(self, error: ArcsecondError) -> None:
        """Prepare the next step after a failure, or give up."""
        if error.status in _GONE and self._address:  # without an address the dataset is gone
            self._address, self._offset = "", 0
            self._count_anew(error)
            return
        if isinstance(error, ChecksumError) and self._at_end:
            self._count_anew(error)  # all of it: the server has thrown it away
        if isinstance(error, ConflictError):
            if isinstance(error, NameTakenError) or self._offset == self._item.size:
                raise error  # all of it is there
            error = LockedError(error.detail)  # somebody else sends it, too
        self._patience.after(error)
        self._size = max(LEAST_PIECE, self._size // 4)  # what fails costs less, on a poor link
        self._offset = None if self._address else 0

    @property
    def _at_end(self) -> bool:
        return self._offset is not None and self._offset + self._size >= self._item.size

    def _count_anew(self, error: ArcsecondError) -> None:
        self._anew += 1
        if self._anew == BEGUN_ANEW:
            self._give_up()
            raise error

    def _create(self) -> None:
        encoded = ",".join(
            f"{name} {base64.b64encode(value.encode()).decode()}"
            for name, value in self._told.items()
        )
        headers = {"Upload-Length": str(self._item.size), "Upload-Metadata": encoded}
        reply = self._transport.exchange("POST", self._begin, _TUS | headers)
        self._address = "/uploads/" + reply.headers.get("Location", "").rpartition("/")[2]
        if self._address == "/uploads/":
            self._address = ""
            raise ArcsecondConnectionError("The server does not tell where the upload is.")

    def _send_piece(self, file: BinaryIO, offset: int) -> Reply:
        """Send the piece at an offset; with the last one goes the digest of the whole."""
        digest = self._digest_at(file, offset)
        file.seek(offset)
        data = _read(file, min(self._size, self._item.size - offset))
        end = offset + len(data)
        after = digest.copy()
        after.update(data)
        self._digests = {offset: digest, end: after}
        checksum = base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
        headers = {"Upload-Offset": str(offset), "Upload-Checksum": f"crc32 {checksum}"}
        if end == self._item.size:
            self._refuse_changed(file)
            headers["Arcsecond-SHA256"] = self._item.sha256 = after.hexdigest()
        return self._transport.exchange("PATCH", self._address, _BYTES | headers, data)

    def _digest_at(self, file: BinaryIO, offset: int) -> Any:
        """Return the digest of what lies before an offset; it may have been sent by others."""
        if offset not in self._digests:
            digest, left = hashlib.sha256(), offset
            file.seek(0)
            while left:
                if self._stopping.is_set():
                    raise StoppedError
                data = _read(file, min(READ, left))
                digest.update(data)
                left -= len(data)
            self._digests = {offset: digest}
        return self._digests[offset]

    def _refuse_changed(self, file: BinaryIO) -> None:
        told = os.fstat(file.fileno())
        if (told.st_size, told.st_mtime_ns) != (self._item.size, self._item.changed_ns):
            raise ChangedError

    def _give_up(self) -> None:
        """Take back what has arrived: nobody would ever go on with it."""
        if self._address:
            with contextlib.suppress(ArcsecondError):  # then it expires
                self._transport.exchange("DELETE", self._address, _TUS)


def _read(file: BinaryIO, size: int) -> bytes:
    """Read so many bytes.

    Raises
    ------
    ChangedError
        There are fewer.
    """
    data = file.read(size) or b""
    while len(data) < size:
        more = file.read(size - len(data))
        if not more:
            raise ChangedError
        data += more
    return data
