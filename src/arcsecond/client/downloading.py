"""Fetch many files, several at a time: what is here already is not fetched, the rest is verified.

A file bears its name once all of it is here, has the right digest and is on the disk.
Until then it lies beside, as ``.<name>.<digest>.part``, and is gone on with from there.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Self

from arcsecond.client.journal import Journal, hash_open, journal_path
from arcsecond.client.patience import Patience, StoppedError, all_of
from arcsecond.client.running import (
    DONE,
    FAILED,
    THERE,
    Manner,
    Moved,
    Outcome,
    Run,
    Summary,
    failed,
    outcome_of,
)
from arcsecond.client.transport import Transport
from arcsecond.errors import (
    ArcsecondConnectionError,
    ArcsecondError,
    ArcsecondInputValueError,
    ChecksumError,
    ConflictError,
    InvalidInputError,
    LockedError,
    NoSpaceError,
    UnavailableError,
)
from arcsecond.filenames import LONGEST_NAME, Folders, clean_path
from arcsecond.flushing import flush_data, flush_folder
from arcsecond.folders import Item, item_of, matches, reason

READ = 1 << 20
FLUSHED_BYTES = 32 << 20
BUFFER_BYTES = 4 << 20
BUFFERS = 4
"""Of each file on its way."""

PARTIAL_CONTENT = 206
FETCHED_ANEW = 3
"""How often a file is fetched from its beginning, when it never comes as its digest says."""

_FULL = (errno.ENOSPC, errno.EDQUOT)


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


@dataclass(slots=True)
class Wanted:
    """What a download would do.

    Attributes
    ----------
    refused
        Names that cannot be kept here, and why.
    """

    dataset: str
    folder: str
    replace: bool
    items: list[Remote] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)

    @property
    def there(self) -> list[Remote]:
        """Those that are here already."""
        return [item for item in self.items if item.state == "there"]

    @property
    def taken(self) -> list[Remote]:
        """Those whose name has other content here, which nobody wants to replace."""
        return [] if self.replace else [item for item in self.items if item.state == "other"]

    @property
    def fetching(self) -> list[Remote]:
        """Those that are to be fetched."""
        left_out = ("there",) if self.replace else ("there", "other")
        return [item for item in self.items if item.state not in left_out]

    @property
    def bytes_to_fetch(self) -> int:
        """How many bytes have to travel."""
        return sum(item.size for item in self.fetching)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which of the files that were found are fetched.

    Attributes
    ----------
    include, exclude
        Patterns such as ``*.fits``, of names or of paths inside the dataset.
    replace
        Whether a file here is replaced that has other content.
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    replace: bool = False


def seek(
    transport: Transport,
    dataset: str | None,
    folder: str | Path,
    journal: Journal,
    *,
    filters: Mapping[str, Any],
    chosen: Chosen,
    stopping: threading.Event,
) -> Wanted:
    """Ask what there is, and look what is here already.

    Parameters
    ----------
    dataset
        UUID; None for the files of all of them, each dataset in a folder of its own.
    filters
        As for a search of files.
    """
    include, exclude = chosen.include, chosen.exclude
    wanted = Wanted(dataset or "", os.path.abspath(folder), chosen.replace)  # a text

    def look_up(uuid: str) -> tuple[str, int]:
        name = transport.request("GET", f"/datasets/{uuid}/").data["name"]
        return name, len(transport.request("GET", "/datasets/", params={"name": name}).data)

    folders = Folders(look_up)
    listed = f"/datasets/{dataset}/fitsfiles/" if dataset else "/fitsfiles/"
    for file in all_of(transport, listed, stopping, filters):
        name = file["name"] if dataset else f"{folders.of(file['dataset'])}/{file['name']}"
        if (include and not matches(name, include)) or matches(name, exclude):
            continue
        try:
            safe = clean_path(name) == name
        except InvalidInputError:
            safe = False
        if not safe or any(part.startswith(".") for part in name.split("/")):
            wanted.refused.append((name, "its name cannot be kept here"))
            continue
        # By its version: what replaces it meanwhile is another file.
        one = f"/datasets/{file['dataset']}/fitsfiles/{file['pk']}"
        address = f"{one}/download/?version={file['version']}"
        path = os.path.join(wanted.folder, *name.split("/"))  # a text
        wanted.items.append(Remote(path, name, file["size"], file["pk"], file["sha256"], address))
    _compare(wanted.items, journal)
    return wanted


def fetch_into(
    transport: Transport,
    dataset: str | None,
    folder: str | Path,
    filters: Mapping[str, Any],
    chosen: Chosen,
    manner: Manner,
) -> Summary:
    """Fetch files of a dataset, or of all of them, into a folder."""
    with contextlib.closing(Journal(journal_path(transport.config.home))) as journal:
        wanted = seek(
            transport,
            dataset,
            folder,
            journal,
            filters=filters,
            chosen=chosen,
            stopping=manner.stopping,
        )
        return fetch(transport, wanted, manner)


def _compare(items: Sequence[Remote], journal: Journal) -> None:
    """Look which files are here already, by their content."""
    here: list[tuple[Remote, Item]] = []
    for item in items:
        try:
            told = os.stat(item.path)
        except OSError:
            continue
        if told.st_size != item.size:
            item.state = "other"
            continue
        here.append((item, item_of(item.path, item.name, told)))
    journal.recall([local for _, local in here])
    for item, local in here:
        if not local.sha256:
            try:
                with open(local.path, "rb", buffering=0) as file:
                    hash_open(file, local, journal)
            except OSError:
                item.state = "other"
                continue
        item.state = "there" if local.sha256 == item.sha256 else "other"


def fetch(transport: Transport, wanted: Wanted, manner: Manner) -> Summary:
    """Fetch what is wanted.

    Raises
    ------
    KeyboardInterrupt
        Somebody ended it: what has arrived waits for the rest.
    """
    return _Download(transport, wanted, manner).begin()


class _Download(Run[Remote]):
    """One download of many files."""

    def __init__(self, transport: Transport, wanted: Wanted, manner: Manner) -> None:
        super().__init__(Summary(wanted.dataset), manner)
        self._transport = transport
        self._wanted = wanted

    def begin(self) -> Summary:
        """Tell of those that are not fetched, and fetch the others."""
        wanted = self._wanted
        for name, why in wanted.refused:
            self.ended(Outcome("", name, 0, FAILED, f"It cannot be fetched: {why}."))
        for item in wanted.there:
            self.ended(outcome_of(item, THERE))
        for item in wanted.taken:
            self.ended(
                failed(item, "There is another file of that name; --replace takes its place.")
            )
        if wanted.fetching:
            try:
                Path(wanted.folder).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ArcsecondInputValueError(
                    f"{wanted.folder} cannot be used: {reason(error)}."
                ) from None
        units = ([item] for item in wanted.fetching)
        return self.work(units, len(wanted.fetching), wanted.bytes_to_fetch)

    def move(self, unit: Sequence[Remote], moved: Moved) -> Iterator[Outcome]:
        """Fetch a file."""
        (item,) = unit
        fetching = _Fetching(
            self._transport,
            item,
            moved,
            self.stopping,
            replace=self._wanted.replace,
            patience=self.patience(),
        )
        try:
            fetching.fetch()
        except ArcsecondError as error:
            if fetching.answered:  # it is this file, not the server
                yield failed(item, error.detail, again=error.passes)
            else:
                yield self.refused(item, error)
        except OSError as error:
            if error.errno in _FULL:
                self.hopeless = NoSpaceError("The disk here is full.")
            yield failed(item, f"It cannot be written: {reason(error)}.", again=True)
        else:
            yield outcome_of(item, DONE)


def fetch_one(transport: Transport, item: Remote) -> None:
    """Fetch one file; it takes the place of what lies at its path.

    Raises
    ------
    ArcsecondError
        It did not get through, or never came as its digest says.
    OSError
        It cannot be written.
    """
    _Fetching(transport, item, lambda _: None, threading.Event(), replace=True).fetch()


class _Fetching:
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
        self._replace = replace
        self._farthest = 0
        self._digested: tuple[int, Any] = (-1, None)
        self._moved = moved
        self._stopping = stopping
        self._patience = patience or Patience(stopping)
        path = Path(item.path)
        kept = path.name.encode()[: LONGEST_NAME - 16].decode(errors="ignore")
        self._part = path.with_name(f".{kept}.{item.sha256[:8]}.part")

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
        self._part.parent.mkdir(parents=True, exist_ok=True)
        with self._part.open("ab+", buffering=0) as file:
            self._lock(file)
            try:
                self._fetch(file)
            except BaseException:
                if not os.fstat(file.fileno()).st_size:  # of which nothing came
                    self._part.unlink(missing_ok=True)
                raise
            if not self._replace and os.path.lexists(self._item.path):
                raise ConflictError("Another file of that name came in between.")
            os.replace(self._part, self._item.path)
        with contextlib.suppress(OSError):  # not every file system can
            flush_folder(self._part.parent)

    def _lock(self, file: BinaryIO) -> None:
        """Keep others from writing the same part; the lock goes with the process."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file.fileno()), self._part.stat()):
                return
        except FileNotFoundError:
            pass
        except BlockingIOError:
            raise LockedError("Another download fetches the same file.") from None
        raise LockedError("Another download has just fetched the same file.")

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
                        if self._stopping.is_set():
                            raise StoppedError
                        self._moved(min(have, self._item.size))
                        if have > self._farthest:  # else it was here before: no progress
                            self._farthest = have
                            self._patience.through()
            finally:
                self._digested = have, digest
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
        self._flushed: Future[None] | None = None
        self._failed: OSError | None = None
        self._is_lost = False
        pools = 3 if size > BUFFER_BYTES else 0
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
        writer, hasher, flusher = self._pools
        doing = [writer.submit(self._write, came), hasher.submit(self._digest.update, came)]
        self._busy.append((self._room, doing))
        if len(self._busy) < BUFFERS:
            self._room = memoryview(bytearray(BUFFER_BYTES))
        else:
            self._room, doing = self._busy.popleft()
            for one in doing:
                one.result()
        self._since += size
        if self._since >= FLUSHED_BYTES and (self._flushed is None or self._flushed.done()):
            # While more comes: at the end little is left to wait for.
            self._since = 0
            self._flushed = flusher.submit(self._flush)

    def _write(self, came: memoryview) -> None:
        try:
            while came and self._failed is None:  # nothing lies behind a gap
                came = came[self._file.write(came) :]
        except OSError as error:
            self._failed = error

    def _flush(self) -> None:
        try:
            flush_data(self._file.fileno())
        except OSError as error:
            self._failed, self._is_lost = error, True

    def _tell(self) -> None:
        if self._failed is not None:
            raise self._failed

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait until everything is written, and tell what could not be, before anything else.

        The system tells only once that a flush failed: nothing of the file is trusted then.
        """
        for pool in self._pools:
            pool.shutdown()
        if self._is_lost:
            self._file.truncate(0)
        if kind is None or issubclass(kind, Exception):
            self._tell()
