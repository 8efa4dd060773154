"""Copies outside the data directory: marked as ours, flushed, read while they are made."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO

import sqlalchemy as sa

from arcsecond.errors import ArcsecondInputValueError
from arcsecond.folders import COPY_MARK
from arcsecond.server.archive.tables import places
from arcsecond.server.context import Backend

PIECE = 1 << 20
UNFINISHED = ".unfinished"


def prepare(backend: Backend, target: Path, what: str) -> Path:
    """Make a folder for copies, or find it; returns the one in it for what is not finished.

    Parameters
    ----------
    what
        What lies there: "backup" or "export". It is written into the folder.

    Raises
    ------
    ArcsecondInputValueError
        It cannot be used, holds something else, or lies where the originals do.
    """
    home, real = backend.settings.home.resolve(), target.resolve()
    if real.is_relative_to(home) or home.is_relative_to(real):
        raise ArcsecondInputValueError(f"{target} is not apart from the data directory {home}.")
    below = sa.select(places.c.path).where(places.c.path.startswith(f"{real}/", autoescape=True))
    with backend.db.read() as connection:
        if (place := connection.scalar(below.limit(1))) is not None:
            raise ArcsecondInputValueError(
                f"{target} holds frames of the archive, such as {place}."
            )
    mark = target / COPY_MARK
    try:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(target.iterdir()) and _marked(mark) != what:
            raise ArcsecondInputValueError(f"{target} holds something that is no {what}.")
        mark.write_text(f"{what}\n")
        unfinished = target / UNFINISHED
        unfinished.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ArcsecondInputValueError(f"{target} cannot be used: {error.strerror}.") from error
    return unfinished


def _marked(mark: Path) -> str:
    try:
        return mark.read_text().strip()
    except FileNotFoundError:
        return ""


def forget_unfinished(folder: Path) -> None:
    """Remove what a run left that was cut off, by who holds the lock."""
    for left in folder.iterdir():
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink()


def copy(source: BinaryIO, target: Path, sha256: str, unfinished: Path) -> bool:
    """Copy an open file; False, and no target, when it cannot be read or has another digest.

    The target bears its name once all of it is on the disk.
    """
    digest = hashlib.sha256()
    handle, name = tempfile.mkstemp(dir=unfinished)
    try:
        with os.fdopen(handle, "wb") as file:
            while piece := _read(source):
                digest.update(piece)
                file.write(piece)
            if digest.hexdigest() != sha256:
                return False
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
    return True


def _read(source: BinaryIO) -> bytes:
    """Read on; what cannot be read ends it, and the digest tells."""
    try:
        return source.read(PIECE)
    except OSError:
        return b""


def has(path: Path, size: int, sha256: str = "") -> bool:
    """Tell whether a copy is there; with a digest, whether all of it is."""
    try:
        if path.stat().st_size != size:
            return False
        if not sha256:
            return True
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False
