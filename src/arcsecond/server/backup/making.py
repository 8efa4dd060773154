"""Make a backup while everything runs: the rows of one moment first, then the bytes they name.

Bytes are written before the rows that name them, never changed, and kept for at least a day
after nothing names them; so what is copied after the rows has them all. Bytes that are in the
backup already are not copied again.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import sqlalchemy as sa

from arcsecond.errors import ArcsecondInputValueError, NoSpaceError
from arcsecond.flushing import flush_folder
from arcsecond.server.archive.tables import LOST
from arcsecond.server.backup.copying import copy
from arcsecond.server.backup.rows import Dumped, dump, lines_of
from arcsecond.server.context import Backend
from arcsecond.server.db import locked, now
from arcsecond.server.migrations import HEAD
from arcsecond.server.storage import told_when_full
from arcsecond.server.storage.folder import blob_path
from arcsecond.version import __version__

MANIFEST, SECRET, BLOBS, SNAPSHOTS = "manifest.json", "secret", "blobs", "snapshots"

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
        Digests of bytes that are lost or damaged here: they are not in the backup.
    """

    snapshot: Path
    rows: int = 0
    blobs: int = 0
    bytes: int = 0
    copied: int = 0
    copied_bytes: int = 0
    left: int = 0
    missing: list[str] = field(default_factory=list)


def back_up(
    backend: Backend,
    target: Path,
    progress: Progress = lambda *_: None,
    *,
    leave_in_place: bool = False,
) -> Made:
    """Add a snapshot to a backup, which is made when it is not there.

    Parameters
    ----------
    leave_in_place
        Whether bytes that lie outside the data directory are left there: then the backup
        is as good as they are.

    Raises
    ------
    ArcsecondInputValueError
        The folder cannot be used, or is none of ours.
    NoSpaceError
        The disk is full; the snapshots before are whole.
    """
    _prepare(backend, target)
    try:
        with told_when_full(), locked(target / ".lock"):
            return _back_up(backend, target, progress, leave_in_place=leave_in_place)
    except NoSpaceError:
        raise NoSpaceError(f"The disk of {target} is full; nothing was added.") from None


def _prepare(backend: Backend, target: Path) -> None:
    home = backend.settings.home.resolve()
    if target.resolve().is_relative_to(home) or home.is_relative_to(target.resolve()):
        raise ArcsecondInputValueError(f"{target} is not apart from the data directory {home}.")
    try:
        if target.exists() and any(target.iterdir()) and not (target / SNAPSHOTS).is_dir():
            raise ArcsecondInputValueError(f"{target} holds something that is no backup.")
        for folder in (target, target / BLOBS, target / SNAPSHOTS):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ArcsecondInputValueError(f"{target} cannot be used: {error.strerror}.") from error


def _back_up(backend: Backend, target: Path, progress: Progress, *, leave_in_place: bool) -> Made:
    for left in (target / SNAPSHOTS).glob(".*"):  # of a backup that was cut off
        shutil.rmtree(left, ignore_errors=True)
    moment = now()
    name = f"{moment:%Y-%m-%dT%H-%M-%S.%fZ}"
    unfinished = target / SNAPSHOTS / f".{name}"
    unfinished.mkdir(mode=0o700)
    with _one_moment(backend) as connection:
        told = dump(connection, unfinished)
    made = Made(target / SNAPSHOTS / name, rows=sum(one.rows for one in told.values()))
    _copy_blobs(backend, unfinished, target, made, progress, leave_in_place=leave_in_place)
    (unfinished / SECRET).write_bytes(backend.secret)
    (unfinished / SECRET).chmod(0o600)
    manifest = Manifest(
        __version__,
        HEAD,
        moment.isoformat(),
        told,
        made.blobs,
        made.bytes,
        made.missing,
        made.left,
    )
    (unfinished / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
    os.sync()  # all of it, before it bears its name
    unfinished.rename(made.snapshot)
    flush_folder(target / SNAPSHOTS)
    return made


@contextlib.contextmanager
def _one_moment(backend: Backend) -> Iterator[sa.Connection]:
    """Open a transaction that sees the rows of one moment, whatever is written meanwhile."""
    with backend.db.read() as connection:
        if not backend.db.local:
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            yield connection


def _copy_blobs(
    backend: Backend,
    rows: Path,
    target: Path,
    made: Made,
    progress: Progress,
    *,
    leave_in_place: bool,
) -> None:
    """Copy the bytes that rows name and the backup does not have."""
    new: list[tuple[str, int]] = []
    used = {version["blob"] for version in lines_of(rows, "versions")}
    outside = {place["blob"] for place in lines_of(rows, "places")} if leave_in_place else set()
    for blob in lines_of(rows, "blobs"):
        if blob["sha256"] not in used:
            continue
        made.blobs += 1
        made.bytes += blob["size"]
        if _is_there(path_of(target, blob["sha256"]), blob["size"]):
            continue  # also when it was lost here since
        if blob["sha256"] in outside:
            made.left += 1
            continue
        if blob["state"] == LOST:
            made.missing.append(blob["sha256"])
        else:
            new.append((blob["sha256"], blob["size"]))
    total, done = sum(size for _, size in new), 0
    for sha256, size in new:
        if _copy(backend, sha256, path_of(target, sha256)):
            made.copied += 1
            made.copied_bytes += size
        else:
            made.missing.append(sha256)
        done += size
        progress(done, total)


def _is_there(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


def _copy(backend: Backend, sha256: str, path: Path) -> bool:
    """Copy the bytes of a blob; False when they are not what they were."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with backend.store.open(sha256) as source:
            return copy(source, path, sha256)
    except FileNotFoundError:
        return False


def path_of(folder: Path, sha256: str) -> Path:
    """Return where a backup, or a data directory, keeps a blob."""
    return blob_path(folder / BLOBS, sha256)
