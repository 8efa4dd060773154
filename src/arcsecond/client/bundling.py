"""Fetch many files as one: an archive, a script that downloads them, or their checksums.

Nothing is made here: the server streams it, of any size, and it bears its name when it is
whole and on the disk.
"""

from __future__ import annotations

import contextlib
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from arcsecond.client.transport import Transport
from arcsecond.errors import ArcsecondInputValueError
from arcsecond.filenames import MISSING, SUMS
from arcsecond.flushing import flush_data, flush_folder

KINDS = {".zip": "files.zip", ".tar": "files.tar", ".sh": "files.sh"}
"""What there is, by how the name of a file ends."""


def kind_of(path: Path) -> str:
    """Return what a file is to hold, by its name.

    Raises
    ------
    ArcsecondInputValueError
        Its name does not tell.
    """
    if path.name == SUMS:
        return SUMS
    if (kind := KINDS.get(path.suffix.lower())) is None:
        raise ArcsecondInputValueError(
            f"{path.name!r} has to end with {', '.join(KINDS)}, or be {SUMS}."
        )
    return kind


def bundle(
    transport: Transport,
    dataset: str | None,
    path: Path,
    filters: Mapping[str, Any],
    moved: Callable[[int], None] = lambda _: None,
) -> bool:
    """Fetch all files that are asked for as one; a file of that name is replaced.

    Parameters
    ----------
    dataset
        UUID; None for those of all datasets, each in a folder of its own.
    filters
        As for a search of files.
    moved
        Called with how many bytes have arrived.

    Returns
    -------
    bool
        Whether the bytes of all of them are in it: an archive names those that the server has
        lost in ``MISSING.txt``.

    Raises
    ------
    ArcsecondError
        It cannot be had, or did not arrive whole: nothing is kept of it.
    ArcsecondInputValueError
        It cannot be written, or a script would fetch from a server where there is none.
    """
    kind = kind_of(path)
    if kind == KINDS[".sh"] and transport.config.embedded:
        raise ArcsecondInputValueError(
            "A script downloads from a server; name one with --server, or make an archive."
        )
    base = f"/datasets/{dataset}/" if dataset else "/fitsfiles/"
    query = f"?{urlencode(filters)}" if filters else ""
    unfinished = path.with_name(f".{path.name}.part")
    try:
        with contextlib.ExitStack() as stack:
            stream = stack.enter_context(transport.stream(f"{base}{kind}{query}", {}))
            stack.push(lambda *failed: unfinished.unlink(missing_ok=True) if failed[0] else None)
            _write(unfinished, stream.pieces, moved)
        whole = not _has_missing(unfinished, kind)
        os.replace(unfinished, path)
        with contextlib.suppress(OSError):  # not every file system can
            flush_folder(path.parent)
    except OSError as error:
        raise ArcsecondInputValueError(f"{path} cannot be written: {error.strerror}.") from None
    return whole


def _write(path: Path, pieces: Iterator[bytes], moved: Callable[[int], None]) -> None:
    size = 0
    with path.open("wb") as file:
        for piece in pieces:
            file.write(piece)
            size += len(piece)
            moved(size)
        file.flush()
        flush_data(file.fileno())


def _has_missing(path: Path, kind: str) -> bool:
    if kind == KINDS[".zip"]:
        with zipfile.ZipFile(path) as archive:
            return MISSING in archive.namelist()
    if kind == KINDS[".tar"]:
        with tarfile.open(path) as held:
            return any(member.name == MISSING for member in held)
    return False
