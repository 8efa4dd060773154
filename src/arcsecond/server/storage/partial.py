"""Files that arrive in pieces, over days and from anywhere: ``uploads/<uuid>`` in a folder.

Whoever writes one holds its lock, which goes with the process. Who comes later asks for
it: the one before lets go at its next piece, so that a connection that died unnoticed
does not stand in the way of the one that follows it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from arcsecond.errors import LockedError
from arcsecond.flushing import begin_to_flush, flush_data, flush_folder

COPIED_BYTES = 1 << 22

BEGUN_BYTES = 16 << 20
"""After so many bytes the system begins to write them to the disk: a flush waits less."""

MOST_HASHED = 256
"""Uploads whose digest goes on where it stood, as long as the process lives."""

_TRIED_AGAIN_S = 0.05


class Partial:
    """One file that arrives in pieces, as whoever holds its lock writes it.

    Attributes
    ----------
    offset
        How many bytes were written. What was not flushed does not count yet.
    """

    def __init__(self, path: Path, wanted: Path, handle: int, offset: int, digest: Any) -> None:
        self.path = path
        self.offset = offset
        self._wanted = wanted
        self._handle = handle
        self._flushed = self._begun = offset
        self.digest = digest
        self._at_flush = digest and digest.copy()
        self.back()

    def back(self) -> None:
        """Cut off what was never flushed, and go on from there."""
        os.ftruncate(self._handle, self._flushed)
        os.lseek(self._handle, self._flushed, os.SEEK_SET)
        self.offset = self._begun = self._flushed
        self.digest = self._at_flush and self._at_flush.copy()

    def empty(self) -> None:
        """Throw away all of it."""
        self._flushed = 0
        self._at_flush = hashlib.sha256()
        self.back()

    def write(self, data: bytes) -> None:
        """Append bytes; ``flush`` makes them last."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._handle, view) :]
        if self.digest:
            self.digest.update(data)
        self.offset += len(data)
        if self.offset - self._begun >= BEGUN_BYTES:
            begin_to_flush(self._handle, self._begun, self.offset - self._begun)
            self._begun = self.offset

    def flush(self) -> int:
        """Make what was written last; returns how many bytes there are."""
        flush_data(self._handle)
        self._flushed = self.offset
        self._at_flush = self.digest and self.digest.copy()
        return self.offset

    def append(self, other: Path) -> None:
        """Append the content of a file."""
        with other.open("rb") as source:
            while data := source.read(COPIED_BYTES):
                self.write(data)

    def sha256(self) -> str:
        """Return the digest of all of it, in hexadecimal; it may have to be read once more."""
        if self.digest is None:
            with self.path.open("rb") as file:
                self.digest = hashlib.file_digest(file, "sha256")
        return str(self.digest.hexdigest())

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for the lock."""
        return self._wanted.exists()


class Partials:
    """The files of a folder that arrive in pieces."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._digests: OrderedDict[UUID, tuple[int, Any]] = OrderedDict()

    def path(self, uuid: UUID) -> Path:
        """Return where one is written."""
        return self.folder / str(uuid)

    def create(self, uuid: UUID) -> None:
        """Begin an empty one, under a name that lasts."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.path(uuid).touch(mode=0o600)
        flush_folder(self.folder)

    @contextlib.contextmanager
    def held(self, uuid: UUID, patience_s: float) -> Iterator[int]:
        """Hold the lock of one; gives a handle to its file.

        Raises
        ------
        FileNotFoundError
            There is none.
        LockedError
            Somebody else held on to it for too long.
        """
        handle = os.open(self.path(uuid), os.O_RDWR)
        try:
            self._lock(uuid, handle, time.monotonic() + patience_s)
            if not os.path.samestat(os.fstat(handle), os.stat(self.path(uuid))):
                raise FileNotFoundError(uuid)  # deleted meanwhile
            yield handle
        finally:
            os.close(handle)

    def _lock(self, uuid: UUID, handle: int, until: float) -> None:
        wanted = self._wanted(uuid)
        try:
            while True:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return
                if time.monotonic() > until:
                    raise LockedError("This upload is being written by another request.")
                wanted.touch()
                time.sleep(_TRIED_AGAIN_S)
        finally:
            wanted.unlink(missing_ok=True)

    def _wanted(self, uuid: UUID) -> Path:
        return self.folder / f"{uuid}.wanted"

    def opened(self, uuid: UUID, handle: int, offset: int) -> Partial:
        """Return one to be written on, by who holds its lock."""
        at, digest = self._digests.pop(uuid, (-1, None))
        if at != offset:
            digest = None if offset else hashlib.sha256()
        return Partial(self.path(uuid), self._wanted(uuid), handle, offset, digest)

    def put_down(self, uuid: UUID, partial: Partial) -> None:
        """Remember where the digest of one stands that was flushed."""
        self._digests[uuid] = partial.offset, partial.digest
        while len(self._digests) > MOST_HASHED:
            self._digests.popitem(last=False)

    def delete(self, uuid: UUID) -> None:
        """Remove one; harmless when there is none."""
        self._digests.pop(uuid, None)
        self.path(uuid).unlink(missing_ok=True)
        self._wanted(uuid).unlink(missing_ok=True)

    def uuids(self) -> Iterator[UUID]:
        """Go through those that there are."""
        if self.folder.exists():
            for path in self.folder.iterdir():
                with contextlib.suppress(ValueError):
                    yield UUID(path.name)
