"""Many files as one stream: ZIP, tar, a list of checksums, a script of addresses.

Nothing is held but the piece that is on its way, whatever the size, and however many
files there are. Files are kept as they are, not packed: frames that can be packed well
come packed.
"""

from __future__ import annotations

import shlex
import tarfile
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO, Self

from arcsecond.filenames import MISSING, MISSING_SAYS, SUMS
from arcsecond.server.transfers.zipped import PIECE, Zip, aside, read_all

Pieces = Generator[bytes, None, None]


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a bundle.

    Attributes
    ----------
    open
        Opens its bytes; FileNotFoundError when they are lost.
    address
        Where it can be downloaded by itself.
    """

    name: str
    size: int
    sha256: str
    changed: datetime
    open: Callable[[], BinaryIO]
    address: str


def as_zip(entries: Iterable[Entry]) -> Pieces:
    """Yield a ZIP archive, with ZIP64 where a size needs it."""
    with _Last() as last, Zip() as archive:
        for entry in entries:
            if (content := last.opened(entry)) is None:
                continue
            with content:
                yield archive.begin(entry.name, entry.size, entry.changed)
                while piece := content.read(PIECE):
                    archive.add(piece)
                    yield piece
                if archive.length != entry.size:
                    last.is_missing(entry)
                yield archive.end()
        for name, size, text in last.files():
            yield archive.begin(name, size, datetime.now(UTC))
            for piece in text:
                archive.add(piece)
                yield piece
            yield archive.end()
        yield from archive.directory()


def as_tar(entries: Iterable[Entry]) -> Pieces:
    """Yield a tar archive (POSIX.1-2001, pax: any size, names in UTF-8)."""
    with _Last() as last:
        for entry in entries:
            if (content := last.opened(entry)) is None:
                continue
            with content:
                yield _tar_header(entry.name, entry.size, entry.changed)
                left = entry.size
                while left and (piece := content.read(min(PIECE, left))):
                    left -= len(piece)
                    yield piece
            if left:  # damaged: what follows has to stand where it should all the same
                last.is_missing(entry)
                while left:
                    left -= len(zeros := bytes(min(PIECE, left)))
                    yield zeros
            yield bytes(-entry.size % tarfile.BLOCKSIZE)
        for name, size, text in last.files():
            yield _tar_header(name, size, datetime.now(UTC))
            yield from text
            yield bytes(-size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _tar_header(name: str, size: int, changed: datetime) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    info.mtime = int(changed.timestamp())
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


class _Last:
    """What comes at the end of an archive: the checksums, and what is missing.

    They are kept on the disk as soon as there are many.
    """

    def __init__(self) -> None:
        self._sums = aside()
        self._missing = aside()
        self._taken: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Forget them."""
        self._sums.close()
        self._missing.close()

    def opened(self, entry: Entry) -> BinaryIO | None:
        """Open the bytes of an entry; None when they are lost, which is told at the end."""
        self._sums.write(sum_line(entry.sha256, entry.name).encode())
        if entry.name in (SUMS, MISSING):
            self._taken.add(entry.name)
        try:
            return entry.open()
        except FileNotFoundError:
            self.is_missing(entry)
            return None

    def is_missing(self, entry: Entry) -> None:
        """Write down that the bytes of an entry are not there, or not all of them."""
        if not self._missing.tell():
            self._missing.write(f"{MISSING_SAYS}\n".encode())
        self._missing.write(f"{entry.name}\n".encode())

    def files(self) -> Iterator[tuple[str, int, Iterator[bytes]]]:
        """Yield names, sizes and contents; a file that has such a name goes before."""
        for name, text in ((SUMS, self._sums), (MISSING, self._missing)):
            size = text.tell()
            if name not in self._taken and (size or name == SUMS):
                yield name, size, read_all(text)


def sum_line(sha256: str, name: str) -> str:
    """Return a line as ``sha256sum --check`` reads it."""
    return f"{sha256}  {name}\n"


def as_sums(entries: Iterable[Entry]) -> Pieces:
    """Yield the checksums of files, as ``sha256sum --check`` reads them."""
    for entry in entries:
        yield sum_line(entry.sha256, entry.name).encode()


_SCRIPT = """#!/bin/sh
# Downloads the files of {what} into the folder that it is run in.
# It goes on where it was stopped, checks every file, skips those that are there, and
# leaves alone what has another content here.
# The key, where one is needed: ARCSECOND_KEY=... sh {name}
set -u
failed=0
is() {{ [ -f "$2" ] && echo "$1  $2" | sha256sum --check --status; }}
key() {{  # on its standard input: others may see what a command is called with
    [ -z "${{ARCSECOND_KEY:-}}" ] ||
        printf 'header = "X-Arcsecond-API-Authorization: Key %s"\n' "$ARCSECOND_KEY"
}}
get() {{  # digest, name, size, address
    if is "$1" "$2"; then return; fi
    if [ -e "$2" ]; then
        echo "$2: there is another file of that name; it is left alone" >&2
        failed=1
        return
    fi
    folder="${{2%/*}}"
    part="$folder/.$1.part"  # no name of a file here, and never too long
    mkdir -p "$folder"
    if [ -f "$part" ] && [ "$(wc -c < "$part")" -ge "$3" ] && ! is "$1" "$part"; then
        rm "$part"
    fi
    if is "$1" "$part" || key | curl --config - --fail --silent --show-error --retry 8 \\
        --continue-at - --output "$part" "$4"; then
        if is "$1" "$part"; then
            mv "$part" "$2" && echo "$2"
            return
        fi
        rm "$part"  # what arrived is not what was sent
    fi
    echo "$2: failed; run this again to go on" >&2
    failed=1
}}
"""


def as_script(entries: Iterable[Entry], what: str, name: str) -> Pieces:
    """Yield a shell script that downloads files one by one, and checks them.

    Parameters
    ----------
    what
        What they are the files of; it stands in a comment.
    name
        What the script is called.
    """
    yield _SCRIPT.format(what=" ".join(what.split()), name=shlex.quote(name)).encode()
    for entry in entries:
        words = (entry.sha256, f"./{entry.name}", str(entry.size), entry.address)
        yield f"get {shlex.join(words)}\n".encode()
    yield b'exit "$failed"\n'
