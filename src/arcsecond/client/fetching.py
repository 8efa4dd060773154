"""One file on its way here: gone on with where it was cut, verified, and named when it is whole.

Until then it lies beside, as ``.<name>.<digest>.part``.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

from arcsecond.client.patience import Patience, StoppedError
from arcsecond.client.running import Moved
from arcsecond.client.transport import Transport
from arcsecond.errors import (
    ArcsecondConnectionError,
    ArcsecondError,
    ChecksumError,
    ConflictError,
    LockedError,
    UnavailableError,
)
from arcsecond.filenames import LONGEST_NAME
from arcsecond.flushing import begin_to_flush, flush_folder

READ = 1 << 20
FLUSHED_BYTES = 16 << 20
"""After so many bytes the system begins to write them to the disk."""

BUFFER_BYTES = 4 << 20
BUFFERS = 4
"""Of each file on its way."""

PARTIAL_CONTENT = 206
FETCHED_ANEW = 3
"""How often a file is fetched from its beginning, when it never comes as its digest says."""


@dataclass(slots=True)
class Remote:
    """A file that is to be fetched.

    Attributes
    ----------
    path
        Where it is to lie.
    name
        Its name inside the dataset.
    address
        Path of its bytes on the server.
    state
        "there" when it is here already, "other" when its name has other content here,
        "" when it is to be fetched.
    """

    path: str
    name: str
    size: int
    pk: int
    sha256: str
    address: str
    state: str = ""

    @property
    def dataset(self) -> str:
        """Path of what it lies in."""
        return self.address.partition("/fitsfiles/")[0]


def hold(file: BinaryIO, path: Path) -> None:
    """Keep others from writing a file that is open; the lock goes with the process.

    Raises
    ------
    LockedError
        Another download has it.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return
    except FileNotFoundError:
        pass
    except BlockingIOError:
        raise LockedError("Another download fetches the same file.") from None
    raise LockedError("Another download has just fetched the same file.")


class Part:
    """Where the bytes of a file lie until it is whole."""

    def __init__(self, item: Remote, *, replace: bool) -> None:
        self._path = Path(item.path)
        self._replace = replace
        kept = self._path.name.encode()[: LONGEST_NAME - 16].decode(errors="ignore")
        self._part = self._path.with_name(f".{kept}.{item.sha256[:8]}.part")

    @property
    def folder(self) -> Path:
        """What it lies in."""
        return self._path.parent

    @contextlib.contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Open it, and keep others from writing it; what nothing came of leaves nothing behind.

        Raises
        ------
        LockedError
            Another download has it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._part.open("ab+", buffering=0) as file:
            hold(file, self._part)
            try:
                yield file
            except BaseException:
                if not os.fstat(file.fileno()).st_size:
                    self._part.unlink(missing_ok=True)
                raise

    def name(self) -> None:
        """Give what is whole and on the disk its name.

        Raises
        ------
        ConflictError
            Another file has it by now.
        """
        if not self._replace and os.path.lexists(self._path):
            raise ConflictError("Another file of that name came in between.")
        os.replace(self._part, self._path)


class Fetching:
    """One file on its way here."""

    def __init__(
        self,
        transport: Transport,
        item: Remote,
        moved: Moved,
        stopping: threading.Event,
        *,
        replace: bool,
        patience: Patience | None = None,
    ) -> None:
        self.answered = False
        self._transport = transport
        self._item = item
        self._kept = Part(item, replace=replace)
        self._farthest = 0
        self._digested: tuple[int, Any] = (-1, None)
        self._moved = moved
        self._stopping = stopping
        self._patience = patience or Patience(stopping)

    def fetch(self) -> None:
        """Fetch what is missing of it, and give it its name.

        Raises
        ------
        ArcsecondError
            It did not get through, or never came as its digest says.
        OSError
            It cannot be written.
        StoppedError
            It was stopped; what has arrived waits for the rest.
        """
        with self._kept.opened() as file:
            self._fetch(file)
            self._kept.name()
        with contextlib.suppress(OSError):  # not every file system can
            flush_folder(self._kept.folder)

    def _fetch(self, file: BinaryIO) -> None:
        anew = 0
        while True:
            try:
                found = self._continued(file)
            except ArcsecondError as error:
                self._patience.after(error)
                continue
            if found == self._item.sha256:
                return
            file.truncate(0)
            anew += 1
            if anew == FETCHED_ANEW:
                raise ChecksumError(
                    f"The bytes that arrive have SHA-256 {found}, not {self._item.sha256}."
                )

    def _continued(self, file: BinaryIO) -> str:
        """Append what is missing, and return the digest of the whole."""
        have = file.seek(0, os.SEEK_END)
        if self._digested[0] != have:  # it was not this download that wrote it
            self._digested = have, self._digest_of(file)
        if have < self._item.size:
            self._append(file, *self._digested)
        try:
            os.fsync(file.fileno())
        except OSError:
            file.truncate(0)
            raise
        return str(self._digested[1].hexdigest())

    def _digest_of(self, file: BinaryIO) -> Any:
        digest = hashlib.sha256()
        file.seek(0)
        while data := file.read(READ):
            if self._stopping.is_set():
                raise StoppedError
            digest.update(data)
        return digest

    def _append(self, file: BinaryIO, have: int, digest: Any) -> None:
        """Append what comes, and digest it."""
        self._digested = -1, None  # until all that came is written
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers |= {"Range": f"bytes={have}-", "If-Range": f'"{self._item.sha256}"'}
        with self._transport.stream(self._item.address, headers) as stream:
            if stream.headers.get("ETag") != f'"{self._item.sha256}"':
                raise UnavailableError("Something answered that is not this file.")
            self.answered = True
            if have and stream.status != PARTIAL_CONTENT:  # a proxy that knows no ranges
                file.truncate(0)
                have, digest = 0, hashlib.sha256()
            self._moved(have)
            try:
                with _Keeper(file, digest, self._item.size - have) as keeper:
                    while came := stream.read_into(keeper.room()):
                        keeper.keep(came)
                        have += came
                        if have > self._item.size:
                            raise UnavailableError("More bytes come than the file has.")
                        if self._stopping.is_set():
                            raise StoppedError
                        self._moved(min(have, self._item.size))
                        if have > self._farthest:  # else it was here before: no progress
                            self._farthest = have
                            self._patience.through()
            finally:
                self._digested = have, digest
                if have > self._item.size:  # what came is something else
                    file.truncate(0)
        if have < self._item.size:
            raise ArcsecondConnectionError("The connection ended before the file did.")


class _Keeper:
    """Writes what came, and hashes it, while the next bytes come.

    At the end of the ``with`` statement all of it is written. A small file is written and
    hashed at once; for a large one each of both has a thread, and what they share is a few
    buffers that are used again and again: new memory costs more than copying into it.
    """

    def __init__(self, file: BinaryIO, digest: Any, size: int) -> None:
        self._file = file
        self._digest = digest
        self._room = memoryview(bytearray(min(size + 1, BUFFER_BYTES)))  # more is no end
        self._busy: deque[tuple[memoryview, list[Future[None]]]] = deque()
        self._since = 0
        self._failed: OSError | None = None
        pools = 2 if size > BUFFER_BYTES else 0
        self._pools = [ThreadPoolExecutor(1, "arcsecond-keeper") for _ in range(pools)]

    def __enter__(self) -> Self:
        return self

    def room(self) -> memoryview:
        """Return where the next bytes may be put."""
        return self._room

    def keep(self, size: int) -> None:
        """Take so many bytes, from the room that was given for them.

        Raises
        ------
        OSError
            Some that came before could not be written.
        """
        came = self._room[:size]
        if not self._pools:
            self._write(came)
            self._digest.update(came)
            self._tell()
            return
        self._tell()
        writer, hasher = self._pools
        doing = [writer.submit(self._write, came), hasher.submit(self._digest.update, came)]
        self._busy.append((self._room, doing))
        if len(self._busy) < BUFFERS:
            self._room = memoryview(bytearray(BUFFER_BYTES))
        else:
            self._room, doing = self._busy.popleft()
            for one in doing:
                one.result()

    def _write(self, came: memoryview) -> None:
        try:
            while came and self._failed is None:  # nothing lies behind a gap
                written = self._file.write(came)
                came = came[written:]
                self._since += written
            if self._since >= FLUSHED_BYTES:
                # While more comes: at the end little is left to wait for. What is on the disk
                # leaves the memory, which is used again: that takes half of the time.
                begin_to_flush(self._file.fileno())
                self._since = 0
        except OSError as error:
            self._failed = error

    def _tell(self) -> None:
        if self._failed is not None:
            raise self._failed

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait until everything is written, and tell what could not be, before anything else."""
        for pool in self._pools:
            pool.shutdown()
        if kind is None or issubclass(kind, Exception):
            self._tell()


def fetch_one(transport: Transport, item: Remote) -> None:
    """Fetch one file; it takes the place of what lies at its path.

    Raises
    ------
    ArcsecondError
        It did not get through, or never came as its digest says.
    OSError
        It cannot be written.
    """
    Fetching(transport, item, lambda _: None, threading.Event(), replace=True).fetch()
