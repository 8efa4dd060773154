"""Files that a caller asked for, written whole or not at all."""

from __future__ import annotations

import contextlib
from pathlib import Path

from arcsecond.errors import ArcsecondInputValueError


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all; one of that name is replaced.

    Raises
    ------
    ArcsecondInputValueError
        It cannot be written.
    """
    unfinished = path.with_name(f".{path.name}.part")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise ArcsecondInputValueError(
            f"The file {path} cannot be written: {error.strerror}."
        ) from error
