"""Compressed files are read as they are: gzip, bzip2, compress and one-member zip; XISF, too.

They are told by their first bytes, not by their names. Tile compression (.fz)
is FITS itself and needs nothing here.
"""

from __future__ import annotations

import bz2
import contextlib
import functools
import gzip
import hashlib
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from arcsecond.errors import NotFitsError, TooLargeError
from arcsecond.fits.lzw import expanded

_CHUNK = 1 << 20
_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\x1f\x9d": "compress",
    b"PK\x03\x04": "zip",
    b"XISF": "xisf",
}
_DAMAGE = (
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(slots=True)
class Content:
    """The FITS bytes inside what was sent.

    Attributes
    ----------
    packing
        How it was packed, None when it was not.
    sha256
        Digest of the unpacked bytes; None when they did not come out whole.
    problem
        Why they did not, "" when they did.
    """

    file: BinaryIO
    size: int
    packing: str | None = None
    sha256: str | None = None
    problem: str = ""


def detect(start: bytes) -> str | None:
    """Return how a file is packed, by its first bytes."""
    return next((name for magic, name in _MAGIC.items() if start.startswith(magic)), None)


@contextlib.contextmanager
def unpacked(
    file: BinaryIO, packing: str, scratch: Callable[[], BinaryIO], limit: int
) -> Iterator[Content]:
    """Unpack a file into a scratch file.

    Parameters
    ----------
    scratch
        Opens a nameless file.
    limit
        Most bytes it may unpack to.

    Raises
    ------
    TooLargeError
        It unpacks to more; a decompression bomb ends here.
    NotFitsError
        A zip file holds no member, or several.
    """
    digest = hashlib.sha256()
    with scratch() as inside, contextlib.ExitStack() as stack:
        content = Content(inside, 0, packing)
        if packing == "xisf":
            chunks = _translated(file, scratch, limit, content)
        else:
            chunks = _chunks(file, packing, stack, content)
        for chunk in chunks:
            content.size += len(chunk)
            if content.size > limit:
                raise TooLargeError(f"The file unpacks to more than {limit} bytes.")
            digest.update(chunk)
            inside.write(chunk)
        inside.flush()
        content.sha256 = None if content.problem else digest.hexdigest()
        yield content


def _translated(
    file: BinaryIO, scratch: Callable[[], BinaryIO], limit: int, content: Content
) -> Iterator[bytes]:
    """Yield the FITS that an XISF file stands for; what is wrong ends it and is told."""
    from arcsecond.fits.xisf import XisfError, as_fits

    try:
        yield from as_fits(file, scratch, limit)
    except XisfError as error:
        content.problem = f"This XISF file cannot be read to its end: {error}."


def _chunks(
    file: BinaryIO, packing: str, stack: contextlib.ExitStack, content: Content
) -> Iterator[bytes]:
    """Yield what comes out; damage ends it and is told in ``content``."""
    try:
        if packing == "compress":
            yield from expanded(file)
        else:
            stream = stack.enter_context(_open(file, packing))
            # read() throws away what it has when damage ends it; read1() gives it out first.
            read = getattr(stream, "read1", stream.read)
            yield from iter(functools.partial(read, _CHUNK), b"")
    except _DAMAGE as error:
        content.problem = _described(packing, content.size, error)


def _described(packing: str, size: int, error: Exception) -> str:
    reason = str(error).rstrip(".") or type(error).__name__
    return f"The {packing} stream is damaged after {size} unpacked bytes: {reason}."


def _open(file: BinaryIO, packing: str) -> contextlib.AbstractContextManager[BinaryIO]:
    match packing:
        case "gzip":
            return cast(BinaryIO, gzip.GzipFile(fileobj=file))
        case "bzip2":
            return cast(BinaryIO, bz2.BZ2File(file))
        case _:
            return _only_member(file)


def _only_member(file: BinaryIO) -> BinaryIO:
    archive = zipfile.ZipFile(file)
    members = [m for m in archive.infolist() if not m.is_dir()]
    if len(members) != 1:
        raise NotFitsError(f"The zip file holds {len(members)} files; send one file at a time.")
    # Others unpack a piece as a whole, however large it becomes.
    if members[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise NotFitsError("The zip file is neither stored nor deflated; pack it by deflate.")
    return cast(BinaryIO, archive.open(members[0]))
