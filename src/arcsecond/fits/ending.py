"""Whether a file ends where its format says that it does, or is still being written.

Of plain FITS the headers tell; of what is packed, the packing: gzip and bzip2 have an end
that is reached when all was written, zip has its directory there, and XISF tells in its
header where its data lie. What ``compress`` makes has no end, and is taken for whole.
"""

from __future__ import annotations

import bz2
import gzip
import os
import re
import zipfile
import zlib
from collections.abc import Callable
from typing import BinaryIO

from arcsecond.fits import walking

MOST_UNPACKED = 1 << 32
"""Bytes; what unpacks to more is taken for whole: the server decides about it."""

LONGEST_XML = 1 << 26
"""Bytes of the header of an XISF file."""

_PIECE = 1 << 20
_ATTACHMENT = re.compile(rb"""attachment:(\d{1,18}):(\d{1,18})""")


def why_incomplete(file: BinaryIO) -> str:
    """Tell why a file is not complete, in a sentence; "" when it is, or when nothing tells.

    Raises
    ------
    OSError
        It cannot be read.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(len(walking.SIGNATURE))
    file.seek(0)
    if start == walking.SIGNATURE:
        problems = walking.walk(file, size, checked=False).problems
        return next((one for one in problems if "ends" in one or "no END" in one), "")
    for signature, (name, ends) in _PACKINGS.items():
        if start.startswith(signature):
            return "" if ends(file, size) else f"the {name} file ends too early."
    return ""


def _gzip_ends(file: BinaryIO, _size: int) -> bool:
    return _stream_ends(gzip.GzipFile(fileobj=file).read)


def _bzip2_ends(file: BinaryIO, _size: int) -> bool:
    return _stream_ends(bz2.BZ2File(file).read)


def _stream_ends(read: Callable[[int], bytes]) -> bool:
    """Unpack to nowhere, and tell whether the end of the stream is reached."""
    unpacked = 0
    try:
        while unpacked < MOST_UNPACKED and (piece := read(_PIECE)):
            unpacked += len(piece)
    except EOFError:
        return False
    except (zlib.error, OSError):  # damaged, and not for want of bytes
        return True
    return True


def _zip_ends(file: BinaryIO, _size: int) -> bool:
    return zipfile.is_zipfile(file)


def _xisf_ends(file: BinaryIO, size: int) -> bool:
    """Tell whether all is there that the header says is attached."""
    length = int.from_bytes(file.read(12)[8:], "little")
    if size < 16 + length:
        return False
    file.seek(16)
    attached = _ATTACHMENT.findall(file.read(min(length, LONGEST_XML)))
    return all(int(at) + int(many) <= size for at, many in attached)


_PACKINGS: dict[bytes, tuple[str, Callable[[BinaryIO, int], bool]]] = {
    b"\x1f\x8b": ("gzip", _gzip_ends),
    b"BZh": ("bzip2", _bzip2_ends),
    b"PK\x03\x04": ("zip", _zip_ends),
    b"XISF0100": ("XISF", _xisf_ends),
}
