"""The LZW of ``compress``, the files that end in .Z, within bounds of memory.

Where a byte repeats, the strings of the table hold half of all that comes out: a hundred kB
would take the memory of a server. Here a long string is kept as the one that it goes on from
and what is added, so that the table is small whatever comes, and what comes out is given on.

Reference: Welch (1984), IEEE Computer 17(6), 8; the codes are put into bytes as ``compress``
4.0 does: from the lowest bit on, eight of one width together, of which those that are left
are passed over when the width changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

MAGIC = b"\x1f\x9d"
FIRST_BITS, LEAST_BITS, MOST_BITS = 9, 10, 16
"""Of codes at first, and at most; of nine at most, no two programs mean the same."""

LONG = 1 << 10
"""Bytes of a string that are kept together: 64 MiB for all that there can be."""

_PIECE = 1 << 20
_READ = 1 << 16
_CLEAR = 256
_WITH_CLEAR = 0x80
_WIDTH = 0x1F


class LzwError(ValueError):
    """What is wrong with a stream."""


def expanded(file: BinaryIO) -> Iterator[bytes]:
    """Yield what comes out of a stream, in pieces.

    Raises
    ------
    LzwError
        It is damaged; what came out before was yielded.
    """
    start = file.read(3)
    if len(start) < 3 or not start.startswith(MAGIC):
        raise LzwError("it ends in its first bytes")
    most = start[2] & _WIDTH
    if not LEAST_BITS <= most <= MOST_BITS:
        raise LzwError(f"its codes would have {most} bits")
    pieces: list[bytes] = []
    size = 0
    try:
        for piece in _strings(file, most, clears=bool(start[2] & _WITH_CLEAR)):
            pieces.append(piece)
            size += len(piece)
            if size >= _PIECE:
                yield b"".join(pieces)
                pieces, size = [], 0
    except LzwError:
        if pieces:
            yield b"".join(pieces)
        raise
    if pieces:
        yield b"".join(pieces)


def _strings(file: BinaryIO, most: int, *, clears: bool) -> Iterator[bytes]:
    """Yield the string of each code."""
    begin = [bytes([n]) for n in range(256)] + ([b""] if clears else [])
    table = _Table(begin)
    width, last, before = FIRST_BITS, 0, b""
    groups = _Groups(file)
    while group := groups.next(width):
        bits, mask, full = int.from_bytes(group, "little"), (1 << width) - 1, 1 << width
        for _ in range(len(group) * 8 // width):
            code = bits & mask
            bits >>= width
            if code == _CLEAR and clears:
                table, width, before = _Table(begin), FIRST_BITS, b""
                break
            made = len(table.ends)
            if code < made:
                string = table.string(code)
            elif code == made and before:
                string = before + before[:1]
            else:
                raise LzwError("it has a code that was not made yet")
            if before and made < 1 << most:
                table.add(last, string[:1])
            last, before = code, string
            yield string
            if len(table.ends) == full and width < most:
                width += 1
                break


class _Table:
    """Strings by their codes.

    Attributes
    ----------
    ends
        The string of each code, or the end of one that is long.
    heads
        The code of what stands before such an end.
    """

    def __init__(self, begin: list[bytes]) -> None:
        self.ends = begin.copy()
        self.heads: dict[int, int] = {}

    def string(self, code: int) -> bytes:
        """Return the string of a code."""
        if code not in self.heads:
            return self.ends[code]
        found = [self.ends[code]]
        while (head := self.heads.get(code)) is not None:
            found.append(self.ends[head])
            code = head
        return b"".join(reversed(found))

    def add(self, last: int, byte: bytes) -> None:
        """Give the next code to the string of a code and one byte more."""
        end, code = self.ends[last], len(self.ends)
        if len(end) >= LONG:
            self.ends.append(byte)
            self.heads[code] = last
            return
        self.ends.append(end + byte)
        if last in self.heads:
            self.heads[code] = self.heads[last]


class _Groups:
    """Eight codes at a time."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._read = b""
        self._at = 0

    def next(self, width: int) -> bytes:
        """Return so many bytes, fewer at the end."""
        if self._at + width > len(self._read):
            self._read = self._read[self._at :] + self._file.read(_READ)
            self._at = 0
        group = self._read[self._at : self._at + width]
        self._at += width
        return group
