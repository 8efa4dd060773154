"""Digests of files that were worked out before, by path, size and times of change.

And what was sent while a folder was watched, by which a file is known that has another name
since. The journal is a help and nothing more: without it everything is read anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Sequence
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from arcsecond.errors import NotFitsError
from arcsecond.folders import FRESH_NS, SIGNATURES, Item

SIGNATURE_BYTES = max(map(len, SIGNATURES))
TOGETHER = 500
VERSION = 1
"""Of the journal's table; one of another version begins empty."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS digests (
    path BLOB PRIMARY KEY, size INTEGER, changed_ns INTEGER, touched_ns INTEGER, sha256 TEXT
) WITHOUT ROWID
"""
_SENT = """
CREATE TABLE IF NOT EXISTS sent (
    dataset TEXT, path BLOB, size INTEGER, changed_ns INTEGER, device INTEGER, inode INTEGER,
    pk INTEGER, PRIMARY KEY (dataset, inode, device)
) WITHOUT ROWID
"""


def journal_path(home: Path) -> Path:
    """Return where the journal of a data directory lies."""
    return home / "digests.sqlite"


_Row = tuple[bytes, int, int, int, str]


class Sent(NamedTuple):
    """A file that is on the server: how it looked here, and its key there."""

    path: str
    size: int
    changed_ns: int
    device: int
    inode: int
    pk: int


class Journal:
    """A small database in the data directory; any thread may use it."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._new: list[_Row] = []
        self._db: sqlite3.Connection | None = None
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=10, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            if self._db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
                self._db.execute("DROP TABLE IF EXISTS digests")
                self._db.execute(f"PRAGMA user_version = {VERSION}")
            self._db.execute(_SCHEMA)
            self._db.execute(_SENT)
        except (OSError, sqlite3.Error):
            self._db = None

    def recall(self, items: Sequence[Item]) -> None:
        """Give those their digests that are as they were."""
        for first in range(0, len(items), TOGETHER):
            group = {os.fsencode(item.path): item for item in items[first : first + TOGETHER]}
            for path, size, changed_ns, touched_ns, sha256 in self._rows([*group]):
                item = group[path]
                if (item.size, item.changed_ns, item.touched_ns) == (size, changed_ns, touched_ns):
                    item.sha256 = sha256

    def _rows(self, paths: list[bytes]) -> list[_Row]:
        marks = ",".join("?" * len(paths))
        statement = f"SELECT * FROM digests WHERE path IN ({marks})"  # noqa: S608  # marks alone
        with self._lock, contextlib.suppress(sqlite3.Error):
            if self._db is not None:
                return self._db.execute(statement, paths).fetchall()
        return []

    def note(self, item: Item) -> None:
        """Remember a digest, unless the file is so young that it proves nothing."""
        if time.time_ns() - max(item.changed_ns, item.touched_ns) > FRESH_NS:
            stamp = item.size, item.changed_ns, item.touched_ns
            with self._lock:
                self._new.append((os.fsencode(item.path), *stamp, item.sha256))
                if len(self._new) >= TOGETHER:
                    self._write()

    def note_sent(self, dataset: str, sent: Sent) -> None:
        """Remember that a file was sent, in place of what was known of the same one."""
        row = (dataset, os.fsencode(sent.path), *sent[1:])
        with self._lock, contextlib.suppress(sqlite3.Error, OverflowError):
            if self._db is not None:
                with self._db:
                    self._db.execute(
                        "INSERT OR REPLACE INTO sent VALUES (?, ?, ?, ?, ?, ?, ?)", row
                    )

    def sent(self, dataset: str) -> list[Sent]:
        """Return what was sent into a dataset."""
        statement = "SELECT path, size, changed_ns, device, inode, pk FROM sent WHERE dataset = ?"
        with self._lock, contextlib.suppress(sqlite3.Error):
            if self._db is not None:
                rows = self._db.execute(statement, (dataset,)).fetchall()
                return [Sent(os.fsdecode(path), *told) for path, *told in rows]
        return []

    def _write(self) -> None:
        rows, self._new = self._new, []
        with contextlib.suppress(sqlite3.Error):
            if self._db is not None:
                with self._db:
                    self._db.executemany(
                        "INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?, ?)", rows
                    )

    def close(self) -> None:
        """Write what was noted, and let go of the file."""
        with self._lock:
            self._write()
            if self._db is not None:
                self._db.close()
                self._db = None


def sniff(item: Item) -> None:
    """Look at the first bytes of a file.

    Raises
    ------
    NotFitsError
        It does not begin as FITS does.
    OSError
        It cannot be read.
    """
    with open(item.path, "rb", buffering=0) as file:
        _refuse_other(file.read(SIGNATURE_BYTES) or b"")


def _refuse_other(start: bytes) -> None:
    if not start.startswith(SIGNATURES):
        raise NotFitsError


def hash_item(item: Item, journal: Journal) -> None:
    """Work the digest of a file out, and remember it.

    Raises
    ------
    NotFitsError
        It does not begin as FITS does.
    OSError
        It cannot be read.
    """
    with open(item.path, "rb", buffering=0) as file:
        _refuse_other(file.read(SIGNATURE_BYTES) or b"")
        file.seek(0)
        hash_open(file, item, journal)


def hash_open(file: FileIO, item: Item, journal: Journal) -> None:
    """Work out the digest of a file that is open at its beginning, whatever it is."""
    item.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    told = os.fstat(file.fileno())
    stamp = told.st_size, told.st_mtime_ns, told.st_ctime_ns
    if stamp == (item.size, item.changed_ns, item.touched_ns):
        journal.note(item)
    else:  # it changed since it was found: the digest is of what it may be now
        item.size, item.changed_ns, item.touched_ns = stamp
