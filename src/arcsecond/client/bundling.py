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
from typing import Any, BinaryIO
from urllib.parse import urlencode

from arcsecond.client.fetching import hold
from arcsecond.client.transport import Transport
from arcsecond.errors import ArcsecondInputValueError
from arcsecond.filenames import MISSING, MISSING_SAYS, SUMS
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
        with (
            transport.stream(f"{base}{kind}{query}", {}) as stream,
            _made(unfinished) as file,
        ):
            _write(file, stream.pieces, moved)
            whole = not _has_missing(unfinished, kind)
            os.replace(unfinished, path)
        with contextlib.suppress(OSError):  # not every file system can
            flush_folder(path.parent)
    except OSError as error:
        raise ArcsecondInputValueError(f"{path} cannot be written: {error.strerror}.") from None
    return whole


@contextlib.contextmanager
def _made(path: Path) -> Iterator[BinaryIO]:
    """Open a file that nobody else writes meanwhile; it goes when something fails.

    Raises
    ------
    LockedError
        Another download writes it.
    """
    with path.open("ab") as file:
        hold(file, path)
        file.truncate(0)
        try:
            yield file
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def _write(file: BinaryIO, pieces: Iterator[bytes], moved: Callable[[int], None]) -> None:
    size = 0
    for piece in pieces:
        file.write(piece)
        size += len(piece)
        moved(size)
    file.flush()
    flush_data(file.fileno())


def _has_missing(path: Path, kind: str) -> bool:
    """Tell whether an archive names files whose bytes the server has lost."""
    says = MISSING_SAYS.encode()
    if kind == KINDS[".zip"]:
        with zipfile.ZipFile(path) as archive:
            if MISSING not in archive.namelist():
                return False
            with archive.open(MISSING) as told:
                return told.read(len(says)) == says
    if kind == KINDS[".tar"]:
        with tarfile.open(path) as held:
            for member in held:
                if member.name == MISSING:
                    listed = held.extractfile(member)
                    return listed is not None and listed.read(len(says)) == says
                held.members = []  # type: ignore[attr-defined]  # else it remembers all of them
    return False
