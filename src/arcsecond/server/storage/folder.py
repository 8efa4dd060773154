"""Blobs in a folder: ``blobs/ab/cd/<sha256>``, uploads under ``incoming/``.

An upload holds a lock on its temporary file for as long as it lives. What lies
in ``incoming/`` without a lock belongs to a process that died, whichever it
was, and can be swept at any time. What ``server check --repair`` found damaged lies in
``quarantine/``, and stays there.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import itertools
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from arcsecond.flushing import begin_to_flush, flush_folder
from arcsecond.server.storage import Place, Places, Strays
from arcsecond.server.storage.partial import Partials
from arcsecond.server.storage.placed import Nowhere, is_as_it_was, open_as_it_was, opened

_OURS = secrets.token_hex(8)
"""Processes on two machines may have the same number."""
_numbers = itertools.count()


class FolderArrived:
    """A file that has arrived whole, and is on the disk.

    Parameters
    ----------
    sha256
        Its digest, in hexadecimal.
    """

    def __init__(self, store: FolderStore, path: Path, sha256: str) -> None:
        self._store = store
        self.path = path
        self._sha256 = sha256
        self._lasts = False

    @property
    def place(self) -> None:
        """Nowhere else: the store keeps it."""

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self.path.stat().st_size

    @property
    def sha256(self) -> str:
        """Its digest, in hexadecimal."""
        return self._sha256

    def write(self, data: bytes) -> None:
        """Do nothing: all of it is there."""

    def write_later(self, data: bytes) -> None:
        """Do nothing: all of it is there."""

    def write_out(self) -> None:
        """Do nothing: all of it is there."""

    def finish(self) -> None:
        """Do nothing: it was flushed as it came."""

    def open(self) -> BinaryIO:
        """Open it for reading."""
        return self.path.open("rb")

    def scratch(self) -> BinaryIO:
        """Open a nameless file beside it."""
        return self._store.scratch()

    def name(self) -> None:
        """Name it after its digest."""
        target = self._store.path(self.sha256)
        try:
            _name_too(self.path, target, self._store.incoming)
        except FileNotFoundError:
            self._store.make_folder(target.parent)
            _name_too(self.path, target, self._store.incoming)

    def keep(self) -> None:
        """Name it, unless it is named, and flush the folders, so that the name lasts too."""
        target = self._store.path(self.sha256)
        if target.exists():
            if self._lasts:
                return
        else:
            self.name()
        self._store.make_last(target.parent)  # whoever named it may not have come so far
        self._lasts = True

    def discard(self) -> None:
        """Do nothing: whoever took it in removes it."""


class FolderIncoming(FolderArrived):
    """An upload on its way into a folder: a small one stays in memory until it is flushed."""

    def __init__(self, store: FolderStore) -> None:
        super().__init__(store, store.incoming, "")
        self._handle = -1
        self._written = 0
        self._rest = b""
        self._hash = hashlib.sha256()

    @property
    def size(self) -> int:
        """How many bytes have come."""
        return self._written + len(self._rest)

    @property
    def sha256(self) -> str:
        """Digest of what has come, in hexadecimal."""
        if not self._sha256:
            digest = self._hash.copy()
            digest.update(self._rest)
            self._sha256 = digest.hexdigest()
        return self._sha256

    def write(self, data: bytes) -> None:
        """Append bytes."""
        if self._handle < 0:
            self._handle, self.path = _locked_file(self._store.incoming)
        view = memoryview(data)
        while view:
            view = view[os.write(self._handle, view) :]
        self._hash.update(data)
        self._written += len(data)
        self._sha256 = ""

    def write_later(self, data: bytes) -> None:
        """Append the last bytes, without waiting for a disk."""
        self._rest += data
        self._sha256 = ""

    def _write_rest(self) -> None:
        rest, self._rest = self._rest, b""
        if rest or self._handle < 0:
            self.write(rest)

    def write_out(self) -> None:
        """Hand everything to the system, and let it begin to write."""
        self._write_rest()
        begin_to_flush(self._handle)

    def finish(self) -> None:
        """Flush everything to the disk."""
        self._write_rest()
        os.fsync(self._handle)

    def open(self) -> BinaryIO:
        """Open what has come, for reading."""
        if self._handle < 0:
            return io.BytesIO(self._rest)
        self._write_rest()
        return self.path.open("rb")

    def discard(self) -> None:
        """Take it back; harmless after ``keep``."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            try:
                self.path.unlink(missing_ok=True)
            finally:
                os.close(handle)


class FolderStore:
    """Blobs in a folder.

    Parameters
    ----------
    places
        Knows the files outside that hold a blob; what lies in the folder comes first.
    """

    def __init__(self, home: Path, places: Places = Nowhere()) -> None:  # noqa: B008  # it holds nothing
        self._places = places
        self.blobs = home / "blobs"
        self.incoming = home / "incoming"
        self.quarantine = home / "quarantine"
        self.partials = Partials(home / "uploads")
        self._lasting = {self.blobs}
        for folder in (self.blobs, self.incoming):
            if not folder.exists():
                folder.mkdir(parents=True, exist_ok=True)
                flush_folder(home)

    def receive(self) -> FolderIncoming:
        """Begin to take bytes in."""
        return FolderIncoming(self)

    def arrived(self, path: Path, sha256: str) -> FolderArrived:
        """Return a file that arrived in pieces, to be kept."""
        return FolderArrived(self, path, sha256)

    def again(self, sha256: str) -> FolderArrived:
        """Return a blob, to be kept once more."""
        return FolderArrived(self, self.path(sha256), sha256)

    def scratch(self) -> BinaryIO:
        """Open a nameless file: gone with the process, however that ends."""
        return cast(BinaryIO, tempfile.TemporaryFile(dir=self.incoming))

    def open(self, sha256: str) -> BinaryIO:
        """Open a blob for reading."""
        try:
            return opened(self.path(sha256))
        except FileNotFoundError:
            for place in self._places.of(sha256):
                with contextlib.suppress(FileNotFoundError):
                    return open_as_it_was(place)
            raise

    def size(self, sha256: str) -> int | None:
        """Return how many bytes a blob has; None when there is none."""
        with contextlib.suppress(FileNotFoundError):
            told = self.path(sha256).stat()
            if stat.S_ISREG(told.st_mode):
                return told.st_size
        place = self._place(sha256)
        return place.size if place else None

    def _place(self, sha256: str) -> Place | None:
        """Return a file outside that holds a blob which is not in the folder."""
        if self.path(sha256).is_file():
            return None
        return next(filter(is_as_it_was, self._places.of(sha256)), None)

    def delete(self, sha256: str) -> None:
        """Remove a blob."""
        self.path(sha256).unlink(missing_ok=True)

    def digests(self) -> Iterator[str]:
        """Go through the digests of all blobs."""
        for path in self.blobs.glob("??/??/*"):
            if path == self.path(path.name) and len(path.name) == 64:
                yield path.name

    def set_aside(self, sha256: str) -> str:
        """Put a copy of a blob into quarantine, durably; return where it is."""
        self.quarantine.mkdir(mode=0o700, exist_ok=True)
        kept = self.quarantine / sha256
        number = 1
        while kept.exists():
            number += 1
            kept = self.quarantine / f"{sha256}.{number}"
        if place := self._place(sha256):
            _copy_to(Path(place.path), kept, self.incoming)
        else:
            _name_too(self.path(sha256), kept, self.incoming)
        flush_folder(self.quarantine)
        return str(kept)

    def withdraw(self, sha256: str) -> None:
        """Remove a blob from the folder; forget a file outside, which stays as it is."""
        if place := self._place(sha256):
            self._places.forget(place.path)
        else:
            self.delete(sha256)

    def make_way(self, sha256: str) -> None:
        """Put what lies in a blob's place and is no file, such as a folder, into quarantine."""
        path = self.path(sha256)
        if os.path.lexists(path) and not path.is_file():
            self.quarantine.mkdir(mode=0o700, exist_ok=True)
            path.rename(self.quarantine / f"{sha256}.{secrets.token_hex(4)}")

    def lies_outside(self, sha256: str) -> bool:
        """Tell whether a blob lies outside alone, and as it was."""
        return self._place(sha256) is not None

    def strays(self) -> Strays:
        """Find what lies in quarantine, or elsewhere in the folder than it should."""
        found: dict[str, list[Path]] = {}
        for folder in (self.quarantine, self.blobs):
            for path in folder.rglob("*"):
                sha256 = path.name[:64]
                if len(sha256) == 64 and path != self.path(sha256):
                    found.setdefault(sha256, []).append(path)
        return found

    def recover(self, sha256: str, strays: Strays) -> bool:
        """Put a blob back from where it strayed to, or find it outside."""
        for place in filter(is_as_it_was, self._places.of(sha256)):
            with contextlib.suppress(OSError):
                if _digest(Path(place.path)) == sha256:
                    return True
            self._places.forget(place.path)
        target = self.path(sha256)
        for found in strays.get(sha256, ()):
            if found.is_file() and _digest(found) == sha256:
                target.unlink(missing_ok=True)
                FolderArrived(self, found, sha256).keep()
                return True
        return False

    def sweep(self) -> int:
        """Remove what uploads of dead processes left."""
        swept = 0
        for path in self.incoming.iterdir():
            with contextlib.suppress(OSError):
                handle = os.open(path, os.O_RDONLY)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
                    swept += 1
                finally:
                    os.close(handle)
        return swept

    def path(self, sha256: str) -> Path:
        """Return where a blob is kept."""
        return blob_path(self.blobs, sha256)

    def make_folder(self, folder: Path) -> None:
        """Make a folder for blobs; one that was there before is a new one now."""
        self._lasting -= {folder, folder.parent} - {self.blobs}
        folder.mkdir(parents=True, exist_ok=True)

    def make_last(self, folder: Path) -> None:
        """Make the names in a folder of blobs last, and its own.

        A folder may have been made by another process just now: each process flushes its
        name once itself.
        """
        flush_folder(folder)
        if folder not in self._lasting:
            self.make_last(folder.parent)
            self._lasting.add(folder)


def blob_path(blobs: Path, sha256: str) -> Path:
    """Return where a folder of blobs keeps one."""
    return blobs / sha256[:2] / sha256[2:4] / sha256


def _locked_file(folder: Path) -> tuple[int, Path]:
    """Make a temporary file and lock it before any sweeper can take it for a leftover."""
    while True:
        name = f"{folder}/up-{os.getpid():x}-{_OURS}-{next(_numbers)}"
        handle = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with contextlib.suppress(BlockingIOError, FileNotFoundError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(handle), os.stat(name)):
                return handle, Path(name)
        os.close(handle)  # swept in between: once more


def _name_too(source: Path, target: Path, scratch: Path) -> None:
    """Give a file a second name; where the file system cannot, give it to a copy."""
    try:
        os.link(source, target)
    except FileExistsError:  # somebody else's, the same
        return
    except FileNotFoundError:
        raise
    except OSError:
        _copy_to(source, target, scratch)


def _copy_to(source: Path, target: Path, scratch: Path) -> None:
    """Copy a file durably; a part never bears the name of the whole."""
    handle, copy = _locked_file(scratch)
    try:
        shutil.copyfile(source, copy)
        os.fsync(handle)
        os.replace(copy, target)
    finally:
        copy.unlink(missing_ok=True)
        os.close(handle)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
