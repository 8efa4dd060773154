"""Walk through the HDUs of a FITS file, reading headers and skipping data.

Nothing here decides what a header means, and nothing fails: what is damaged
ends the walk with a problem that names the HDU and says why.

Reference: FITS Standard 4.0, sections 3 and 4.4.1 (sizes), appendix J (checksums).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import BinaryIO

from arcsecond.fits.cards import CARD, Values, parse

BLOCK = 2880
SIGNATURE = b"SIMPLE  ="
LONGEST_HEADER = 4 << 20
"""Bytes; some fifty thousand cards."""

ALL_HEADERS = 16 << 20
"""Bytes of all headers of a file that are kept; the rest of its HDUs is not read."""

LARGEST_DATA = 1 << 62
"""Bytes; a header that announces more is damaged."""

_SUM = re.compile(r" *\d{1,10} *")
_CHUNK = 4 << 20
_MOST_AXES = 999
_MOST_HDUS = 5_000


@dataclass(slots=True)
class RawHdu:
    """One HDU as it lies in the file.

    Attributes
    ----------
    cards
        Its header without END, cards of 80 printable characters.
    values
        The same, parsed.
    """

    index: int
    cards: str
    values: Values
    data_start: int = 0
    data_size: int = 0


@dataclass(slots=True)
class Walk:
    """What a walk found."""

    hdus: list[RawHdu] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class _DamageError(Exception):
    """The walk cannot go on; the message says why."""


def walk(file: BinaryIO, size: int, *, last: int = _MOST_HDUS, checked: bool = True) -> Walk:
    """Read every header of a FITS file.

    Parameters
    ----------
    file
        Open for reading, seekable.
    size
        Its length in bytes.
    last
        The HDU to stop behind.
    checked
        Whether checksums are verified, for which all bytes are read.
    """
    found = Walk()
    offset = 0
    kept = 0
    while offset < size and len(found.hdus) <= last:
        index = len(found.hdus)
        if index >= _MOST_HDUS or kept > ALL_HEADERS:
            found.problems.append(f"The HDUs from {index} on were not read: there is too much.")
            break
        file.seek(offset)
        first = file.read(BLOCK)
        expected = SIGNATURE if index == 0 else b"XTENSION"
        if not first.startswith(expected):
            if first.strip(b"\0 "):
                rest = size - offset
                found.problems.append(f"After HDU {index - 1} follow {rest} bytes that are no HDU.")
            break
        try:
            offset = _read_hdu(file, size, offset, first, found, checked=checked)
            kept += len(found.hdus[-1].cards)
        except _DamageError as damage:
            found.problems.append(f"HDU {index}: {damage}")
            break
    return found


def _read_hdu(
    file: BinaryIO, size: int, offset: int, first: bytes, found: Walk, *, checked: bool
) -> int:
    """Add the HDU at an offset and return where the next one starts."""
    index = len(found.hdus)
    raw, complete = _header_bytes(file, first)
    cards, clean = _printable(raw)
    hdu = RawHdu(index, cards, parse(cards), data_start=offset + len(raw))
    if complete:
        hdu.data_start = offset + -(-(len(raw) + CARD) // BLOCK) * BLOCK
    found.hdus.append(hdu)
    if not clean:
        found.problems.append(f"HDU {index}: the header holds bytes that are no printable ASCII.")
    if not complete:
        longer = len(raw) >= LONGEST_HEADER
        why = f"is longer than {LONGEST_HEADER} bytes" if longer else "has no END card"
        raise _DamageError(f"the header {why}.")
    hdu.data_size = data_size(hdu.values)
    end = hdu.data_start + hdu.data_size
    if end > size:
        raise _DamageError(
            f"the file ends {end - size} bytes before its data do "
            f"({max(0, size - hdu.data_start)} of {hdu.data_size} bytes are there)."
        )
    if checked and (problem := checksum_problem(file, hdu, offset)):
        found.problems.append(f"HDU {index}: {problem}")
    return hdu.data_start + -(-hdu.data_size // BLOCK) * BLOCK


def _header_bytes(file: BinaryIO, first: bytes) -> tuple[bytes, bool]:
    """Return the cards before END, and whether END was there."""
    blocks = bytearray()
    block = first
    while block and len(blocks) < LONGEST_HEADER:
        for start in range(0, len(block), CARD):
            if block[start : start + 8] == b"END     ":
                return bytes(blocks + block[:start]), True
        blocks += block
        block = file.read(BLOCK) if len(block) == BLOCK else b""
    return bytes(blocks[: len(blocks) // CARD * CARD]), False


def _printable(raw: bytes) -> tuple[str, bool]:
    text = raw.decode("ascii", "replace")
    if text.isascii() and text.isprintable():
        return text, True
    return "".join(c if " " <= c <= "~" else "?" for c in text), False


def data_size(values: Values) -> int:
    """Return the length in bytes of the data that a header announces, without fill.

    Raises
    ------
    _DamageError
        A mandatory keyword is missing or is no number it can be.
    """
    axes = shape(values)
    bits = _natural(values, "BITPIX", absolute=True)
    if bits not in (8, 16, 32, 64):
        raise _DamageError(f"BITPIX is {values.get('BITPIX')!r}.")
    if not axes:
        return 0
    groups = axes[0] == 0 and values.get("GROUPS") is True
    elements = math.prod(axes[1:] if groups else axes)
    parameters = _natural(values, "PCOUNT", 0)
    announced = bits // 8 * _natural(values, "GCOUNT", 1) * (parameters + elements)
    if announced > LARGEST_DATA:
        raise _DamageError("the data are said to be larger than any file.")
    return announced


def shape(values: Values) -> list[int]:
    """Return the lengths of the axes, NAXIS1 first."""
    count = _natural(values, "NAXIS")
    if count > _MOST_AXES:
        raise _DamageError(f"NAXIS is {count}.")
    return [_natural(values, f"NAXIS{n}") for n in range(1, count + 1)]


def _natural(
    values: Values, keyword: str, default: int | None = None, *, absolute: bool = False
) -> int:
    value = values.get(keyword, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _DamageError(
            f"{keyword} is missing." if value is None else f"{keyword} is {repr(value)[:40]}."
        )
    number = abs(value) if absolute else value
    if number < 0:
        raise _DamageError(f"{keyword} is {value}.")
    return number


def checksum_problem(file: BinaryIO, hdu: RawHdu, start: int) -> str:
    """Check DATASUM and CHECKSUM where a header has them; "" when all is well."""
    announced = hdu.values.get("DATASUM"), hdu.values.get("CHECKSUM")
    if not any(isinstance(value, str) and value.strip("0 ") for value in announced):
        return ""
    data_end = hdu.data_start + -(-hdu.data_size // BLOCK) * BLOCK
    data = _ones_complement(file, hdu.data_start, data_end)
    datasum = announced[0]
    if isinstance(datasum, str) and _SUM.fullmatch(datasum) and int(datasum) != data:
        return "the data do not fit DATASUM."
    if isinstance(announced[1], str) and announced[1].strip("0 "):
        whole = _fold(_ones_complement(file, start, hdu.data_start) + data)
        if whole not in (0, 0xFFFFFFFF):
            return "the HDU does not fit CHECKSUM."
    return ""


def _ones_complement(file: BinaryIO, start: int, end: int) -> int:
    """Return the 32-bit ones' complement sum of a part of the file."""
    import numpy as np

    total = 0
    file.seek(start)
    left = end - start
    while left > 0 and (chunk := file.read(min(_CHUNK, left))):
        left -= len(chunk)
        chunk += b"\0" * (-len(chunk) % 4)
        total = _fold(total + int(np.frombuffer(chunk, dtype=">u4").sum(dtype=np.uint64)))
    return total


def _fold(total: int) -> int:
    while total > 0xFFFFFFFF:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total
