"""Make a backup while everything runs: the rows of one moment first, then the bytes they name.

Bytes are written before the rows that name them, never changed, and kept for at least a day
after nothing names them; so what is copied after the rows has them all. Bytes that are in the
backup already are not copied again.
"""

from __future__ import annotations

import contextlib
import gzip
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import sqlalchemy as sa

from arcsecond.errors import NoSpaceError
from arcsecond.flushing import flush_file, flush_folder
from arcsecond.server.archive.in_force import FILE as RULES
from arcsecond.server.archive.tables import LOST
from arcsecond.server.backup.copying import copy, forget_unfinished, has, prepare
from arcsecond.server.backup.rows import Dumped, dump, lines_of
from arcsecond.server.context import Backend
from arcsecond.server.db import locked, now
from arcsecond.server.migrations import HEAD
from arcsecond.server.storage import told_when_full
from arcsecond.server.storage.folder import blob_path
from arcsecond.version import __version__

MANIFEST, SECRET, BLOBS, SNAPSHOTS = "manifest.json", "secret", "blobs", "snapshots"
LEFT = "left.gz"
"""Digests of the bytes that a snapshot leaves where they lie, one in a line."""

Progress = Callable[[int, int], None]
"""Called with how many bytes were copied or read, and of how many."""


class Manifest(msgspec.Struct):
    """What a snapshot holds.

    Attributes
    ----------
    missing
        Digests of bytes that were lost before it.
    left
        How many blobs lie in place outside the data directory, and only there.
    """

    version: str
    revision: str
    created: str
    tables: dict[str, Dumped]
    blobs: int
    bytes: int
    missing: list[str]
    left: int = 0


@dataclass(slots=True)
class Made:
    """What a backup did.

    Attributes
    ----------
    copied, copied_bytes
        Blobs that were new to the backup.
    left
        Blobs that were left where they lie outside the data directory.
    missing
        Digests of bytes that a file needs and that are lost or damaged here: they are not in
        the backup.
    gone
        Digests of bytes that were lost here before, and that only older versions or files in
        the trash had.
    """

    snapshot: Path
    rows: int = 0
    blobs: int = 0
    bytes: int = 0
    copied: int = 0
    copied_bytes: int = 0
    left: int = 0
    missing: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


def back_up(
    backend: Backend,
    target: Path,
    progress: Progress = lambda *_: None,
    *,
    leave_in_place: bool = False,
    recheck: bool = False,
) -> Made:
    """Add a snapshot to a backup, which is made when it is not there.

    Parameters
    ----------
    leave_in_place
        Whether bytes that lie outside the data directory are left there: then the backup
        is as good as they are.
    recheck
        Whether bytes that are in the backup are read, and copied again when they are spoilt.

    Raises
    ------
    ArcsecondInputValueError
        The folder cannot be used, or is none of ours.
    NoSpaceError
        The disk is full; the snapshots before are whole.
    """
    unfinished = prepare(backend, target, "backup")
    for folder in (target / BLOBS, target / SNAPSHOTS):
        folder.mkdir(mode=0o700, exist_ok=True)
    try:
        with told_when_full(), locked(target / ".lock"):
            forget_unfinished(unfinished)
            copying = _Copying(backend, target, unfinished, progress, leave_in_place, recheck)
            return _back_up(copying)
    except NoSpaceError:
        raise NoSpaceError(f"The disk of {target} is full; nothing was added.") from None


@dataclass(frozen=True, slots=True)
class _Copying:
    """One backup that is being made; see ``back_up``."""

    backend: Backend
    target: Path
    unfinished: Path
    progress: Progress
    leave_in_place: bool
    recheck: bool


def _back_up(copying: _Copying) -> Made:
    backend, target = copying.backend, copying.target
    moment = now()
    name = f"{moment:%Y-%m-%dT%H-%M-%S.%fZ}"
    unfinished = copying.unfinished / name
    unfinished.mkdir(mode=0o700)
    with _one_moment(backend) as connection:
        told = dump(connection, unfinished)
    made = Made(target / SNAPSHOTS / name, rows=sum(one.rows for one in told.values()))
    _copy_blobs(copying, unfinished, made)
    (unfinished / SECRET).write_bytes(backend.secret)
    (unfinished / SECRET).chmod(0o600)
    with contextlib.suppress(FileNotFoundError):
        shutil.copyfile(backend.settings.home / RULES, unfinished / RULES)
    manifest = Manifest(
        __version__,
        HEAD,
        moment.isoformat(),
        told,
        made.blobs,
        made.bytes,
        made.missing + made.gone,
        made.left,
    )
    (unfinished / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
    for path in unfinished.iterdir():  # all of it, before it bears its name
        flush_file(path)
    flush_folder(unfinished)
    unfinished.rename(made.snapshot)
    flush_folder(target / SNAPSHOTS)
    return made


@contextlib.contextmanager
def _one_moment(backend: Backend) -> Iterator[sa.Connection]:
    """Open a transaction that sees the rows of one moment, whatever is written meanwhile."""
    with backend.db.stream() as connection:
        if not backend.db.local:
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            yield connection


def _copy_blobs(copying: _Copying, rows: Path, made: Made) -> None:
    """Copy the bytes that rows name and the backup does not have."""
    new: list[tuple[str, int]] = []
    newest = {
        (file["pk"], file["current"]) for file in lines_of(rows, "files") if not file["deleted_at"]
    }
    used: dict[str, bool] = {}  # and whether a file needs it
    for version in lines_of(rows, "versions"):
        is_newest = (version["file"], version["n"]) in newest
        used[version["blob"]] = used.get(version["blob"], False) or is_newest
    target, store = copying.target, copying.backend.store
    with gzip.open(rows / LEFT, "wt", encoding="ascii", compresslevel=1) as left:
        for blob in lines_of(rows, "blobs"):
            sha256, size = blob["sha256"], blob["size"]
            if sha256 not in used:
                continue
            made.blobs += 1
            made.bytes += size
            if has(path_of(target, sha256), size, sha256 if copying.recheck else ""):
                continue  # also when it was lost here since
            if blob["state"] == LOST:
                (made.missing if used[sha256] else made.gone).append(sha256)
            elif copying.leave_in_place and store.lies_outside(sha256):
                made.left += 1
                left.write(f"{sha256}\n")
            else:
                new.append((sha256, size))
    total, done = sum(size for _, size in new), 0
    folders: set[Path] = set()
    for sha256, size in new:
        path = path_of(target, sha256)
        folders.add(path.parent)
        if _copied(copying, sha256, path):
            made.copied += 1
            made.copied_bytes += size
        else:
            made.missing.append(sha256)
        done += size
        copying.progress(done, total)
    for folder in sorted({one for path in folders for one in (path, path.parent)}):
        flush_folder(folder)
    flush_folder(target / BLOBS)


def _copied(copying: _Copying, sha256: str, path: Path) -> bool:
    """Copy the bytes of a blob; False when they are not what they were, or not to be read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        source = copying.backend.store.open(sha256)
    except OSError:
        return False
    with source:
        return copy(source, path, sha256, copying.unfinished)


def path_of(folder: Path, sha256: str) -> Path:
    """Return where a backup, or a data directory, keeps a blob."""
    return blob_path(folder / BLOBS, sha256)
