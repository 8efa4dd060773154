"""Blobs in memory: for tests and for trying things out; gone with the process."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from typing import BinaryIO

from arcsecond.server.storage import Strays


class MemoryIncoming:
    """An upload on its way into memory."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._bytes = bytearray()

    @property
    def place(self) -> None:
        """Nowhere else."""

    @property
    def size(self) -> int:
        """How many bytes have been written."""
        return len(self._bytes)

    @property
    def sha256(self) -> str:
        """Digest of what has been written, in hexadecimal."""
        return hashlib.sha256(self._bytes).hexdigest()

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._bytes += data

    def write_later(self, data: bytes) -> None:
        """Append bytes: there is no disk to wait for."""
        self._bytes += data

    def write_out(self) -> None:
        """Do nothing: there is no disk."""

    def finish(self) -> None:
        """Do nothing: there is no disk."""

    def name(self) -> None:
        """Do nothing: it is put under its digest in one step."""

    def open(self) -> BinaryIO:
        """Open what has been written, for reading."""
        return io.BytesIO(self._bytes)

    def scratch(self) -> BinaryIO:
        """Open a nameless file for reading and writing."""
        return self._store.scratch()

    def keep(self) -> None:
        """Put it under its digest."""
        self._store.blobs.setdefault(self.sha256, bytes(self._bytes))

    def discard(self) -> None:
        """Take it back; harmless after ``keep``."""


class MemoryStore:
    """Blobs in a dictionary."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.quarantine: dict[str, bytes] = {}

    def receive(self) -> MemoryIncoming:
        """Begin to take bytes in."""
        return MemoryIncoming(self)

    def again(self, sha256: str) -> MemoryIncoming:
        """Return a blob, to be kept once more."""
        incoming = MemoryIncoming(self)
        with self.open(sha256) as blob:
            incoming.write(blob.read())
        return incoming

    def scratch(self) -> BinaryIO:
        """Open a nameless file for reading and writing."""
        return io.BytesIO()

    def open(self, sha256: str) -> BinaryIO:
        """Open a blob for reading."""
        try:
            return io.BytesIO(self.blobs[sha256])
        except KeyError:
            raise FileNotFoundError(sha256) from None

    def size(self, sha256: str) -> int | None:
        """Return how many bytes a blob has; None when there is none."""
        found = self.blobs.get(sha256)
        return None if found is None else len(found)

    def delete(self, sha256: str) -> None:
        """Remove a blob."""
        self.blobs.pop(sha256, None)

    def digests(self) -> Iterator[str]:
        """Go through the digests of all blobs."""
        yield from list(self.blobs)

    def set_aside(self, sha256: str) -> str:
        """Put a copy of a blob into quarantine; return where it is."""
        name = sha256
        while name in self.quarantine:
            name += "+"
        self.quarantine[name] = self.blobs[sha256]
        return name

    def withdraw(self, sha256: str) -> None:
        """Remove a blob."""
        self.delete(sha256)

    def lies_outside(self, _sha256: str) -> bool:
        """Tell that nothing is outside."""
        return False

    def strays(self) -> Strays:
        """Find nothing: there are no folders."""
        return {}

    def recover(self, sha256: str, _strays: Strays) -> bool:
        """Put a blob back from quarantine."""
        for content in self.quarantine.values():
            if hashlib.sha256(content).hexdigest() == sha256:
                self.blobs[sha256] = content
                return True
        return False

    def sweep(self) -> int:
        """Remove nothing: uploads of a dead process died with it."""
        return 0
