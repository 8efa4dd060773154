"""The LZW of ``compress``, the files that end in .Z, within bounds of memory.

Strings of the table hold half of all that comes out where a byte repeats, so a hundred kB
could take the memory of a server; here their sum is bounded, and what comes out is given on.

Reference: Welch (1984), IEEE Computer 17(6), 8; the codes are put into bytes as ``compress``
4.0 does: from the lowest bit on, eight of one width together, of which those that are left
are passed over when the width changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

MAGIC = b"\x1f\x9d"
LEAST_BITS, MOST_BITS = 9, 16

HELD = 256 << 20
"""Bytes that the strings of the table may take together."""

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
    table = begin.copy()
    width, before, held = LEAST_BITS, b"", 0
    groups = _Groups(file)
    while group := groups.next(width):
        bits, mask, full = int.from_bytes(group, "little"), (1 << width) - 1, 1 << width
        for _ in range(len(group) * 8 // width):
            code = bits & mask
            bits >>= width
            if code == _CLEAR and clears:
                table, width, before, held = begin.copy(), LEAST_BITS, b"", 0
                break
            if code < len(table):
                string = table[code]
            elif code == len(table) and before:
                string = before + before[:1]
            else:
                raise LzwError("it has a code that was not made yet")
            if before and len(table) < 1 << most:
                table.append(before + string[:1])
                held += len(before)
                if held > HELD:
                    raise LzwError(f"its table would take more than {HELD} bytes")
            before = string
            yield string
            if len(table) == full and width < most:
                width += 1
                break


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
