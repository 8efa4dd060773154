"""A ZIP archive as it is written, with nothing held but the piece at hand.

What has to stand at its end, the directory of all files, is kept on the disk meanwhile.

Reference: APPNOTE.TXT, .ZIP File Format Specification, 6.3.10: sections 4.3.7 (local header),
4.3.9 (data descriptor, since the checksum is not known before), 4.3.12 (directory),
4.3.14 to 4.3.16 (its end), 4.5.3 (ZIP64).
"""

from __future__ import annotations

import struct
import tempfile
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import BinaryIO, Self, cast

PIECE = 1 << 20
HELD = 1 << 20
"""Bytes that are kept in memory before a file is made."""

MOST_32, MOST_16 = 0xFFFFFFFF, 0xFFFF
EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)
"""The first moment that a ZIP can tell."""

_VERSION = 45
_UNIX = 3 << 8
_FLAGS = 0x0808
"""The checksum follows the bytes; names are UTF-8."""

_MODE = 0o100644 << 16


def aside() -> BinaryIO:
    """Return a file that nobody sees, in memory while it is small."""
    return cast(BinaryIO, tempfile.SpooledTemporaryFile(HELD))


def read_all(file: BinaryIO) -> Iterator[bytes]:
    """Yield what was written to a file."""
    file.seek(0)
    while piece := file.read(PIECE):
        yield piece


class Zip:
    """An archive that is being written; who uses it sends what its methods return."""

    def __init__(self) -> None:
        self._directory = aside()
        self._at = 0
        self._count = 0
        self._begun = 0
        self._name = b""
        self._moment = (0, 0)
        self._is_long = False
        self._crc = 0
        self.length = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Forget the directory."""
        self._directory.close()

    def begin(self, name: str, size: int, changed: datetime) -> bytes:
        """Begin a file of a size that is expected; returns its header."""
        self._begun, self._name, self._crc, self.length = self._at, name.encode(), 0, 0
        self._moment = _moment(changed)
        self._is_long = size >= MOST_32
        extra, shown = b"", 0
        if self._is_long:
            extra, shown = struct.pack("<HHQQ", 1, 16, 0, 0), MOST_32
        fixed = (0x04034B50, _VERSION, _FLAGS, 0, *self._moment, 0, shown, shown)
        header = struct.pack("<IHHHHHIIIHH", *fixed, len(self._name), len(extra))
        return self._written(header + self._name + extra)

    def add(self, piece: bytes) -> None:
        """Count a piece of the file, which is sent as it is."""
        self._crc = zlib.crc32(piece, self._crc)
        self.length += len(piece)
        self._at += len(piece)

    def end(self) -> bytes:
        """End the file; returns what follows its bytes."""
        kind = "<IIQQ" if self._is_long else "<IIII"
        told = struct.pack(kind, 0x08074B50, self._crc, self.length, self.length)
        self._note()
        self._count += 1
        return self._written(told)

    def _note(self) -> None:
        """Write the line of the directory."""
        large = [n for n in (self.length, self.length, self._begun) if n >= MOST_32]
        extra = struct.pack(f"<HH{len(large)}Q", 1, 8 * len(large), *large) if large else b""
        size, begun = min(self.length, MOST_32), min(self._begun, MOST_32)
        fixed = (0x02014B50, _UNIX | _VERSION, _VERSION, _FLAGS, 0, *self._moment, self._crc)
        lengths = (len(self._name), len(extra), 0, 0, 0)
        line = struct.pack("<IHHHHHHIIIHHHHHII", *fixed, size, size, *lengths, _MODE, begun)
        self._directory.write(line + self._name + extra)

    def directory(self) -> Iterator[bytes]:
        """Yield the end of the archive."""
        start, size = self._at, self._directory.tell()
        yield from map(self._written, read_all(self._directory))
        if self._count >= MOST_16 or start >= MOST_32 or size >= MOST_32:
            fixed = (0x06064B50, 44, _UNIX | _VERSION, _VERSION, 0, 0, self._count, self._count)
            yield struct.pack("<IQHHIIQQQQ", *fixed, size, start)
            yield struct.pack("<IIQI", 0x07064B50, 0, self._at, 1)
        count = min(self._count, MOST_16)
        told = (0x06054B50, 0, 0, count, count, min(size, MOST_32), min(start, MOST_32), 0)
        yield struct.pack("<IHHHHIIH", *told)

    def _written(self, data: bytes) -> bytes:
        self._at += len(data)
        return data


def _moment(changed: datetime) -> tuple[int, int]:
    """Return time and date as DOS has them, to two seconds."""
    at = max(changed, EARLIEST)
    return (
        at.hour << 11 | at.minute << 5 | at.second // 2,
        min(at.year - 1980, 127) << 9 | at.month << 5 | at.day,
    )
