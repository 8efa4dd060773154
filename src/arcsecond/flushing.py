"""Make what was written last."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


def flush_folder(folder: Path) -> None:
    """Make the names in a folder last, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_file(path: Path) -> None:
    """Make the content of a file last."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_data(handle: int) -> None:
    """Make what was written to an open file last; of its times nobody has to know."""
    getattr(os, "fdatasync", os.fsync)(handle)  # macOS has none


def begin_to_flush(handle: int, start: int = 0, size: int = 0) -> None:
    """Let the system begin to write a file to its disk, without waiting for that.

    Whether it went well is told when the file is flushed. What was written just now stays in
    memory all the same.

    Parameters
    ----------
    start, size
        Which bytes of it; all from the start on when the size is 0.
    """
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(handle, start, size, os.POSIX_FADV_DONTNEED)


def write_whole(path: Path, text: str) -> None:
    """Write a file in one step: whoever reads it finds the old text or the new one.

    It is readable by its owner alone.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
