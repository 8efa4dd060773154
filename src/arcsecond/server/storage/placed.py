"""Blobs that stay where they lie: files of others, which are only ever read.

Such a file counts as the blob as long as its size and its time of change are what they were
when its digest was worked out. One that was changed, or is gone, is not there.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from arcsecond.server.storage import Place


class Nowhere:
    """Knows of no files outside."""

    def of(self, _sha256: str) -> Sequence[Place]:
        """Return none."""
        return ()

    def forget(self, _path: str) -> None:
        """Do nothing."""


def _looks_as(told: os.stat_result, place: Place) -> bool:
    return (told.st_size, told.st_mtime_ns) == (place.size, place.changed_ns)


def is_as_it_was(place: Place) -> bool:
    """Tell whether a file is there, and unchanged."""
    try:
        return _looks_as(os.stat(place.path), place)
    except OSError:
        return False


def opened(path: str | Path) -> BinaryIO:
    """Open a file for reading.

    Raises
    ------
    OSError
        It is not there, or cannot be read. What is no file is not there: a pipe would wait for
        its writer.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise FileNotFoundError(errno.ENOENT, "No regular file", str(path))
    return open(path, "rb")  # it goes to whoever asked


def open_as_it_was(place: Place) -> BinaryIO:
    """Open a file for reading.

    Raises
    ------
    FileNotFoundError
        It was changed, or cannot be read.
    """
    try:
        file = opened(place.path)
    except OSError:
        raise FileNotFoundError(place.path) from None
    if _looks_as(os.fstat(file.fileno()), place):
        return file
    file.close()
    raise FileNotFoundError(place.path)


class Placed:
    """A blob that is to stay where it lies.

    Parameters
    ----------
    scratch
        Opens a nameless file somewhere else.
    """

    def __init__(self, place: Place, sha256: str, scratch: Callable[[], BinaryIO]) -> None:
        self.place = place
        self.sha256 = sha256
        self.scratch = scratch

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self.place.size

    def write(self, _data: bytes) -> None:
        """Do nothing: all of it is there."""

    def write_later(self, _data: bytes) -> None:
        """Do nothing: all of it is there."""

    def write_out(self) -> None:
        """Do nothing: all of it is there."""

    def name(self) -> None:
        """Do nothing: it keeps the one it has."""

    def finish(self) -> None:
        """Do nothing: its disk is no matter of ours."""

    def open(self) -> BinaryIO:
        """Open it for reading."""
        return open_as_it_was(self.place)

    def keep(self) -> None:
        """Look whether it is what it was; FileNotFoundError when not."""
        if not is_as_it_was(self.place):
            raise FileNotFoundError(self.place.path)

    def discard(self) -> None:
        """Do nothing: it is not ours."""
