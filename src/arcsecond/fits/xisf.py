"""XISF files, as capture programs and PixInsight write them, read as the FITS they stand for.

Each image becomes an HDU: its FITS keywords are the cards, its properties tell what no
keyword does, and its rows are turned over, since XISF begins at the top. What is read is a
monolithic file; blocks may be packed by zlib or LZ4, with their bytes shuffled or not.

Reference: XISF Version 1.0 Specification, PixInsight, revision of 2016.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO
from xml.etree.ElementTree import Element

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAGIC = b"XISF0100"

LONGEST_HEADER = 4 << 20
MOST_IMAGES = 100
MOST_CARDS = 2_000
LONGEST_COMMENT = LONGEST_TEXT = 500
MOST_CHANNELS, MOST_MIXED = 64, 4
"""Of an image; of one whose channels lie side by side, which is read once for each."""

PIECE = 4 << 20
LONGEST_ROW = 64 << 20
LARGEST_SUBBLOCK = 256 << 20
"""Bytes that are unpacked at once where a codec knows no smaller pieces."""

_NAMESPACE = "{http://www.pixinsight.com/xisf}"
_RECORD = 2880
_LINE = 72
"""Characters of a COMMENT or HISTORY in one card."""


class XisfError(ValueError):
    """What is wrong with a file."""


@dataclass(frozen=True, slots=True)
class _Format:
    """A format of samples: how numpy and FITS call it; ``zero`` is BZERO."""

    kind: str
    bitpix: int
    zero: int = 0


_FORMATS = {
    "UInt8": _Format("u1", 8),
    "UInt16": _Format("u2", 16, 1 << 15),
    "UInt32": _Format("u4", 32, 1 << 31),
    "UInt64": _Format("u8", 64, 1 << 63),
    "Float32": _Format("f4", -32),
    "Float64": _Format("f8", -64),
}

_MADE = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|BZERO|BSCALE|BLANK|END|EXTNAME|CONTINUE"
)
"""Keywords that say how the data lie: those of the HDU that is made are its own."""

_PROPERTIES = (
    ("DATE-OBS", "Observation:Time:Start"),
    ("EXPTIME", "Instrument:ExposureTime"),
    ("OBJECT", "Observation:Object:Name"),
    ("RA", "Observation:Center:RA"),
    ("DEC", "Observation:Center:Dec"),
    ("FILTER", "Instrument:Filter:Name"),
    ("TELESCOP", "Instrument:Telescope:Name"),
    ("INSTRUME", "Instrument:Camera:Name"),
    ("OBSERVER", "Observer:Name"),
)
"""What properties say where no keyword does."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([EeDd][+-]?\d+)?")


def as_fits(file: BinaryIO, scratch: Callable[[], BinaryIO], limit: int) -> Iterator[bytes]:
    """Yield the bytes of a FITS file.

    Parameters
    ----------
    scratch
        Opens a nameless file.
    limit
        Most bytes that a block may unpack to.

    Raises
    ------
    XisfError
        It cannot be read, or not any further.
    """
    images = _header(file).findall(f"{_NAMESPACE}Image")
    if not images:
        raise XisfError("it holds no image")
    for n, image in enumerate(images[:MOST_IMAGES]):
        with ExitStack() as stack:
            yield from _hdu(n, image, _Source(file, scratch, stack, limit))


def _header(file: BinaryIO) -> Element:
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    file.seek(0)
    start = file.read(16)
    if len(start) < 16:
        raise XisfError("it ends in its first bytes")
    (length,) = struct.unpack("<I", start[8:12])
    if length > LONGEST_HEADER:
        raise XisfError(f"its header would be {length} bytes long")
    text = file.read(length)
    if len(text) < length:
        raise XisfError("it ends in its header")
    try:
        root: Element = fromstring(text.rstrip(b"\0"))
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise XisfError(f"its header is no XML: {error}") from None
    return root


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the bytes of an image come from."""

    file: BinaryIO
    scratch: Callable[[], BinaryIO]
    stack: ExitStack
    limit: int


def _hdu(n: int, image: Element, source: _Source) -> Iterator[bytes]:
    cards = _cards(image)
    try:
        shape, form = _geometry(image)
        yield _made(n, image, cards, shape, form)
    except XisfError:
        yield _made(n, image, cards, (), _FORMATS["UInt8"])
        raise
    size = 0
    for piece in _rows(image, source, shape, form):
        size += len(piece)
        yield piece
    yield bytes(-size % _RECORD)


def _geometry(image: Element) -> tuple[tuple[int, int, int], _Format]:
    """Return width, height, channels and format."""
    told = image.get("geometry", "")
    parts = told.split(":")
    if len(parts) == 2:
        parts.append("1")
    if len(parts) != 3 or not _are_whole(parts, 9):
        raise XisfError(f"an image of {told[:40]!r} pixels is not of two dimensions")
    width, height, channels = map(int, parts)
    form = _FORMATS.get(image.get("sampleFormat", ""))
    if form is None:
        raise XisfError(f"samples of the kind {image.get('sampleFormat', '')[:20]!r} are not read")
    most = MOST_MIXED if _is_mixed(image) else MOST_CHANNELS
    row = width * abs(form.bitpix) // 8
    if min(width, height, channels) < 1 or channels > most or row > LONGEST_ROW:
        raise XisfError(f"an image of {told[:40]} pixels is not read")
    return (width, height, channels), form


def _are_whole(texts: list[str], digits: int) -> bool:
    """Tell whether all of some texts are whole numbers of no more than so many digits."""
    return all(one.isascii() and one.isdigit() and len(one) <= digits for one in texts)


def _is_mixed(image: Element) -> bool:
    """Tell whether the channels of a pixel lie side by side."""
    return image.get("pixelStorage", "Planar").lower() == "normal"


def _made(
    n: int,
    image: Element,
    cards: list[tuple[str, Any, str]],
    shape: tuple[int, ...],
    form: _Format,
) -> bytes:
    """Return the header of an HDU."""
    from astropy.io import fits

    header = fits.Header()
    if n == 0:
        header["SIMPLE"] = True
    else:
        header["XTENSION"] = "IMAGE"
    lengths = [length for k, length in enumerate(shape) if k < 2 or length > 1]
    header["BITPIX"] = form.bitpix
    header["NAXIS"] = len(lengths)
    for k, length in enumerate(lengths, 1):
        header[f"NAXIS{k}"] = length
    if n == 0:
        header["EXTEND"] = True
    else:
        header["PCOUNT"], header["GCOUNT"] = 0, 1
    if form.zero and shape:
        header["BSCALE"], header["BZERO"] = 1, form.zero
    if name := image.get("id", ""):
        header["EXTNAME"] = _ascii(name)[:60]
    for keyword, value, comment in cards:
        if keyword in ("COMMENT", "HISTORY"):
            for begin in range(0, max(1, len(comment)), _LINE):
                # At its end: astropy looks for the place behind the others of its kind else.
                line = fits.Card(keyword, comment[begin : begin + _LINE])
                header.append(line, end=True)
        elif keyword not in header:
            header[keyword] = (value, comment)
    text: str = header.tostring(endcard=True, padding=True)
    return text.encode("ascii", "replace")


def _cards(image: Element) -> list[tuple[str, Any, str]]:
    """Return keywords, values and comments: those of keywords, then those of properties."""
    found: list[tuple[str, Any, str]] = []
    for element in image.findall(f"{_NAMESPACE}FITSKeyword")[:MOST_CARDS]:
        keyword = _ascii(element.get("name", "")).strip().upper()
        comment = _ascii(element.get("comment", ""))
        if keyword in ("COMMENT", "HISTORY"):
            found.append((keyword, "", comment[:LONGEST_COMMENT]))
        elif re.fullmatch(r"[A-Z0-9_-]{1,8}", keyword) and not _MADE.fullmatch(keyword):
            found.append((keyword, _value(element.get("value", "")), comment[:40]))
    known = {keyword for keyword, _, _ in found}
    told = {p.get("id", ""): p for p in image.findall(f"{_NAMESPACE}Property")}
    for keyword, name in _PROPERTIES:
        if keyword not in known and name in told:
            text = told[name].get("value") or (told[name].text or "").strip()
            if text:
                found.append((keyword, _value(text), ""))
    return found


def _value(text: str) -> Any:
    """Return a value as FITS writes it, or a text that has lost its quotes."""
    text = _ascii(text).strip()
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'").rstrip()[:LONGEST_TEXT]
    text = text[:LONGEST_TEXT]
    if text in ("T", "F"):
        return text == "T"
    if _NUMBER.fullmatch(text):
        number = text.upper().replace("D", "E")
        if re.fullmatch(r"[+-]?\d{1,18}", number):
            return int(number)
        if math.isfinite(float(number)):
            return float(number)
    return text


def _ascii(text: str) -> str:
    return re.sub(r"[^\x20-\x7e]", "?", text.replace("\n", " "))


def _rows(
    image: Element, source: _Source, shape: tuple[int, int, int], form: _Format
) -> Iterator[bytes]:
    """Yield the data of an HDU: channel by channel, each from its last row to its first."""
    import numpy as np

    width, height, channels = shape
    stored = np.dtype(form.kind).newbyteorder(">" if image.get("byteOrder") == "big" else "<")
    block = _block(image, source, width * height * channels * stored.itemsize)
    mixed = _is_mixed(image)
    row = width * (channels if mixed else 1)
    together = max(1, PIECE // max(1, row * stored.itemsize))
    for channel in range(channels):
        for last in range(height, 0, -together):
            first = max(0, last - together)
            begin = first if mixed else channel * height + first
            raw = block(begin * row * stored.itemsize, (last - first) * row * stored.itemsize)
            rows = np.frombuffer(raw, stored).reshape(last - first, row)[::-1]
            yield _as_stored(rows[:, channel::channels] if mixed else rows, form)


def _as_stored(rows: NDArray[Any], form: _Format) -> bytes:
    """Return samples as FITS stores them: big-endian, unsigned ones around zero."""
    if form.zero:  # turning the highest bit over takes it away
        native = rows.astype(form.kind)
        rows = (native ^ native.dtype.type(form.zero)).view(form.kind.replace("u", "i"))
    return rows.astype(rows.dtype.newbyteorder(">")).tobytes()


_Read = Callable[[int, int], bytes]
"""Reads bytes of a block: from where, how many."""


def _block(image: Element, source: _Source, size: int) -> _Read:
    """Return what reads the bytes of an image, unpacked."""
    if size > source.limit:
        raise XisfError(f"an image would unpack to {size} bytes")
    file, first, length = _located(image, source)
    packing = image.get("compression", "")
    if not packing:
        return _reader(file, first, length)
    codec, _, rest = packing.partition(":")
    codec, _, shuffled = codec.lower().partition("+")
    numbers = rest.split(":")
    if not _are_whole(numbers, 15):
        raise XisfError(f"its compression {packing[:40]!r} is not understood")
    item = int(numbers[1]) if shuffled and len(numbers) > 1 else 1
    if item not in (1, 2, 4, 8):
        raise XisfError(f"its compression {packing[:40]!r} is not understood")
    parts = list(_subblocks(image, length, int(numbers[0])))
    if (told := sum(whole for _, whole in parts)) != size:
        raise XisfError(f"an image of {size} bytes would unpack to {told}")
    unpacked = source.stack.enter_context(source.scratch())
    for part, whole in parts:
        for piece in _unpack(codec, file, first, part, whole):
            unpacked.write(piece)
        first += part
    unpacked.flush()
    read = _reader(unpacked, 0, size)
    return _ordered(read, size // item, item) if item > 1 else read


def _located(image: Element, source: _Source) -> tuple[BinaryIO, int, int]:
    """Return the file that holds the bytes of an image, where they begin, and how many."""
    kind, _, rest = image.get("location", "").partition(":")
    if kind == "attachment":
        parts = rest.split(":")
        if len(parts) == 2 and _are_whole(parts, 18):
            return source.file, int(parts[0]), int(parts[1])
    elif kind in ("inline", "embedded"):
        data = image.find(f"{_NAMESPACE}Data") if kind == "embedded" else image
        if data is not None:
            encoding = data.get("encoding", "") if kind == "embedded" else rest
            text = " ".join([data.text or "", *(child.tail or "" for child in data)])
            content = _decoded("".join(text.split()), encoding)
            held = source.stack.enter_context(source.scratch())
            held.write(content)
            held.flush()
            return held, 0, len(content)
    raise XisfError(f"data at {image.get('location', '')[:40]!r} are not read")


def _decoded(text: str, encoding: str) -> bytes:
    try:
        return bytes.fromhex(text) if encoding == "hex" else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise XisfError("data in its header are damaged") from None


def _reader(file: BinaryIO, first: int, length: int) -> _Read:
    def read(begin: int, count: int) -> bytes:
        if begin + count <= length:
            file.seek(first + begin)
            if len(data := file.read(count)) == count:
                return data
        raise XisfError("the data of an image end before it does")

    return read


def _ordered(read: _Read, count: int, item: int) -> _Read:
    """Return what reads a block whose bytes are shuffled: all first bytes, all second ones, ..."""
    import numpy as np

    def ordered(begin: int, length: int) -> bytes:
        planes = [read(n * count + begin // item, length // item) for n in range(item)]
        return np.stack([np.frombuffer(plane, "u1") for plane in planes], axis=1).tobytes()

    return ordered


def _subblocks(image: Element, length: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of a block: how many bytes each takes, and unpacks to."""
    told = image.get("subblocks", "")
    if not told:
        yield length, size
        return
    for part in told.split(":"):
        sizes = part.split(",")
        if len(sizes) != 2 or not _are_whole(sizes, 15):
            raise XisfError(f"its parts {told[:40]!r} are not understood")
        yield int(sizes[0]), int(sizes[1])


def _unpack(codec: str, file: BinaryIO, first: int, length: int, size: int) -> Iterator[bytes]:
    """Yield what a part of a block unpacks to, no more than it says."""
    if codec == "zlib":
        yield from _inflated(file, first, length, size)
    elif codec in ("lz4", "lz4hc"):
        import lz4.block

        if max(size, length) > LARGEST_SUBBLOCK:
            raise XisfError(f"a part of {size} bytes is too large to be unpacked at once")
        try:
            yield lz4.block.decompress(_reader(file, first, length)(0, length), size)
        except lz4.block.LZ4BlockError as error:
            raise XisfError(f"the data of an image are damaged: {error}") from None
        except MemoryError:
            raise XisfError(f"there is no memory to unpack a part of {size} bytes") from None
    else:
        raise XisfError(f"data packed by {codec[:20]!r} are not read")


def _inflated(file: BinaryIO, first: int, length: int, size: int) -> Iterator[bytes]:
    machine, read = zlib.decompressobj(), _reader(file, first, length)
    for begin in range(0, length, PIECE):
        waiting = read(begin, min(PIECE, length - begin))
        while waiting and size > 0:
            try:
                piece = machine.decompress(waiting, min(size, PIECE))
            except zlib.error as error:
                raise XisfError(f"the data of an image are damaged: {error}") from None
            size -= len(piece)
            waiting = machine.unconsumed_tail
            if piece:
                yield piece
            if machine.eof or size <= 0:  # what follows is none of it
                return
            if not piece:
                break
