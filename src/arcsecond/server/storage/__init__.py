"""Where bytes are kept: one protocol, honest implementations.

A blob arrives as an ``Incoming``: written to a temporary place and hashed as it
streams. ``keep`` makes it durable under its digest, ``discard`` takes it back.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from typing import BinaryIO, Protocol

from arcsecond.errors import NoSpaceError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def told_when_full() -> Iterator[None]:
    """Turn a full disk into the error that says so."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise NoSpaceError from error
        raise


class Incoming(Protocol):
    """Bytes on their way in."""

    @property
    def size(self) -> int:
        """How many bytes have been written."""
        ...

    @property
    def sha256(self) -> str:
        """Digest of what has been written, in hexadecimal."""
        ...

    def write(self, data: bytes) -> None:
        """Append bytes."""
        ...

    def finish(self) -> None:
        """Flush everything to the disk; nothing can be written any more."""
        ...

    def open(self) -> BinaryIO:
        """Open what has been written, for reading."""
        ...

    def scratch(self) -> BinaryIO:
        """Open a nameless file for reading and writing, gone when it is closed."""
        ...

    def keep(self) -> None:
        """Make it durable under its digest."""
        ...

    def discard(self) -> None:
        """Take it back; harmless after ``keep``."""
        ...


class Store(Protocol):
    """Blobs by their SHA-256."""

    def receive(self) -> Incoming:
        """Begin to take bytes in."""
        ...

    def open(self, sha256: str) -> BinaryIO:
        """Open a blob for reading; FileNotFoundError when there is none."""
        ...

    def exists(self, sha256: str) -> bool:
        """Tell whether a blob is there."""
        ...

    def delete(self, sha256: str) -> None:
        """Remove a blob; harmless when there is none."""
        ...

    def digests(self) -> Iterator[str]:
        """Go through the digests of all blobs."""
        ...

    def sweep(self) -> int:
        """Remove what uploads of dead processes left; return how many."""
        ...
