"""Where bytes are kept: one protocol, honest implementations.

A blob arrives as an ``Incoming``: written to a temporary place and hashed as it
streams. ``keep`` makes it durable under its digest, ``discard`` takes it back.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from arcsecond.errors import ArcsecondError, NoSpaceError
from arcsecond.server.storage.partial import Partials

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


@dataclass(frozen=True, slots=True)
class Kept:
    """A blob of a store, to be read as it was when it arrived."""

    store: Store
    sha256: str

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self.store.size(self.sha256) or 0

    def open(self) -> BinaryIO:
        """Open it for reading."""
        return self.store.open(self.sha256)

    def scratch(self) -> BinaryIO:
        """Open a nameless file for reading and writing, gone when it is closed."""
        return self.store.scratch()


class Place(NamedTuple):
    """A file outside the store that holds a blob, as it was when its digest was worked out.

    Attributes
    ----------
    changed_ns
        When its content was changed last, as its file system says.
    """

    path: str
    size: int
    changed_ns: int


Strays = Mapping[str, Sequence[Path]]
"""Where bytes lie that are no blobs there, by the digest that their names begin with."""


class Places(Protocol):
    """Knows which files outside the store hold a blob."""

    def of(self, sha256: str) -> Sequence[Place]:
        """Return them."""
        ...

    def forget(self, path: str) -> None:
        """Forget one whose content is not what it was."""
        ...


class Readable(Protocol):
    """Bytes that a frame can be read from: on their way in, or kept."""

    @property
    def size(self) -> int:
        """How many bytes there are."""
        ...

    @property
    def sha256(self) -> str:
        """Their digest, in hexadecimal."""
        ...

    def open(self) -> BinaryIO:
        """Open them for reading."""
        ...

    def scratch(self) -> BinaryIO:
        """Open a nameless file for reading and writing, gone when it is closed."""
        ...


class Incoming(Readable, Protocol):
    """Bytes on their way in."""

    @property
    def place(self) -> Place | None:
        """Where they stay; None where the store keeps them itself."""
        ...

    def write(self, data: bytes) -> None:
        """Append bytes."""
        ...

    def write_later(self, data: bytes) -> None:
        """Append the last bytes, without waiting for a disk: what comes next writes them."""
        ...

    def write_out(self) -> None:
        """Hand everything to the system without waiting for a disk; nothing more is written."""
        ...

    def finish(self) -> None:
        """Flush everything to the disk; nothing more is written."""
        ...

    def name(self) -> None:
        """Give what is on the disk its digest for a name, which lasts once it is kept."""
        ...

    def keep(self) -> None:
        """Make it durable under its digest, unless it is; it can be kept again until discarded."""
        ...

    def discard(self) -> None:
        """Take it back; harmless after ``keep``."""
        ...


class Arrived(NamedTuple):
    """The name of a file, and its bytes; why it is refused already, when it is."""

    name: str
    incoming: Incoming
    refusal: ArcsecondError | None = None


class Store(Protocol):
    """Blobs by their SHA-256.

    Attributes
    ----------
    partials
        Files that arrive in pieces.
    """

    partials: Partials

    def arrived(self, path: Path, sha256: str) -> Incoming:
        """Return a file that arrived in pieces, to be kept."""
        ...

    def again(self, sha256: str) -> Incoming:
        """Return a blob, to be kept once more; FileNotFoundError then when there is none."""
        ...

    def receive(self) -> Incoming:
        """Begin to take bytes in."""
        ...

    def scratch(self) -> BinaryIO:
        """Open a nameless file for reading and writing, gone when it is closed."""
        ...

    def open(self, sha256: str) -> BinaryIO:
        """Open a blob for reading; FileNotFoundError when there is none."""
        ...

    def size(self, sha256: str) -> int | None:
        """Return how many bytes a blob has; None when there is none."""
        ...

    def delete(self, sha256: str) -> None:
        """Remove a blob; harmless when there is none."""
        ...

    def digests(self) -> Iterator[str]:
        """Go through the digests of all blobs."""
        ...

    def make_way(self, sha256: str) -> None:
        """Put what lies in a blob's place and is no file, such as a folder, into quarantine."""
        ...

    def set_aside(self, sha256: str) -> str:
        """Put a copy of a blob into quarantine, durably; return where it is."""
        ...

    def withdraw(self, sha256: str) -> None:
        """Let nobody read those bytes as this blob any more that were read until now."""
        ...

    def strays(self) -> Strays:
        """Find bytes that lie where no blob does: once, for all that are to be recovered."""
        ...

    def recover(self, sha256: str, strays: Strays) -> bool:
        """Put a blob back from wherever its bytes lie unharmed; tell whether it was found."""
        ...

    def lies_outside(self, sha256: str) -> bool:
        """Tell whether the bytes of a blob are outside the store alone, and as they were."""
        ...

    def sweep(self) -> int:
        """Remove what uploads of dead processes left; return how many."""
        ...
