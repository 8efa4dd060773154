"""Draw the images of a frame: zscale limits, asinh stretch, grey.

North is up and east to the left where the WCS tells; else row 1 is at the bottom.

Drawing runs in a process of its own, with limits on memory and time: what
decodes a damaged or hostile frame may end there and takes nothing with it.
An image is read in pieces and never held; a huge one is sampled.

Reference: FITS Standard 4.0, sections 4.4.2.5 (BSCALE, BZERO, BLANK) and 10.1
(tiles); zscale as in IRAF; asinh as in Lupton, Gunn & Szalay (1999), AJ 118, 1406.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from arcsecond.fits import walking
from arcsecond.server.archive.looking import NothingSeenError, for_each_hdu
from arcsecond.server.archive.orientation import Orientation, orientation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Plane = NDArray[np.float64]

LONGEST = {"large": 560, "small": 144, "tiny": 56, "full": 2048, "png": 2048}
"""Longest side in pixels."""

HEAVIEST = {"large": 24_000, "small": 2_000, "tiny": 600, "full": 3_000_000}
"""Most bytes; a page with a dozen pictures, or a hundred in a list, stays below 100 kB."""

PAGES = ("large", "small", "tiny")
"""Sizes that are drawn together; the others are of whoever wants to see more, each by itself."""

WIDEST = 2_000_000
"""Pixels in a row; what is wider is no image that a picture could show."""

LARGEST_TILE = 6_000_000
"""Pixels in a row of compressed tiles, which are unpacked as a whole."""

READ_AT_MOST = 64 << 20
"""Bytes that are read of an image; of a larger one, some rows of each block."""

SOFTENING = 0.5
"""Of the asinh stretch; the sky stays dark, as eyes that are used to the night want it."""

_PIECE = 1 << 19
_KINDS = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_ATTEMPTS = ((1, 88), (1, 70), (1, 50), (1, 32), (0.75, 50), (0.75, 30), (0.5, 40), (0.5, 10))
"""Scale and quality, the better ones first: noise cannot be packed, so it is made coarser."""


class NoPictureError(NothingSeenError):
    """There is no picture."""


@dataclass(frozen=True, slots=True)
class Image:
    """The first plane of an image.

    Attributes
    ----------
    rows
        Gives some rows, from one on, as they are stored, of shape (count, width); fewer
        where the file ends.
    row_bytes
        How much is read for a row.
    scale, zero
        What makes physical values of them.
    blank
        Stored where there is none.
    """

    width: int
    height: int
    rows: Callable[[int, int], NDArray[Any]]
    row_bytes: int
    scale: float = 1.0
    zero: float = 0.0
    blank: int | None = None


def layout(width: int, height: int, size: str, how: Orientation | None = None) -> tuple[int, int]:
    """Return width and height of the picture of an image.

    A tiny image is enlarged by a whole number, a strip made tall enough to be seen. One
    that is turned by an odd angle, so that north is up, has a square.
    """
    if how is not None:
        x, y = layout(width, height, size)
        if how.quarters is None:
            return max(x, y), max(x, y)
        return (y, x) if how.quarters % 2 else (x, y)
    longest = LONGEST[size]
    scale = min(1.0, longest / max(width, height))
    least = longest // 12
    sides = [max(1, round(n * scale), min(n, least)) for n in (width, height)]
    enlarged = max(1, longest // 2 // max(sides))
    sides = [n * enlarged for n in sides]
    return sides[0] * max(1, least // sides[0]), sides[1] * max(1, least // sides[1])


def main() -> int:
    """Draw what the first argument asks for from the frame on stdin; a line for each HDU."""
    sizes = json.loads(sys.argv[1]).get("sizes", PAGES)

    def told(file: BinaryIO, size: int, index: int) -> dict[str, Any]:
        pictures = draw(file, size, index, sizes)
        return {name: base64.b64encode(p).decode() for name, p in pictures.items()}

    return for_each_hdu(told)


def draw(file: BinaryIO, size: int, index: int, sizes: Sequence[str] = PAGES) -> dict[str, bytes]:
    """Return the pictures of an HDU, by their size: as WebP, but for ``png``.

    Raises
    ------
    NoPictureError
        It is no image, or nothing of it can be read.
    """
    import numpy as np

    walked = walking.walk(file, size, last=index, checked=False)
    if len(walked.hdus) <= index:
        raise NoPictureError("is not in the file.")
    hdu = walked.hdus[index]
    tiled = hdu.values.get("ZIMAGE") is True
    with np.errstate(all="ignore"), contextlib.ExitStack() as stack:
        image = _tiled(file, hdu, stack) if tiled else _plain(file, hdu, size)
        grey = stretched(reduced(image, sizes[0]))
    how = orientation(hdu.values)
    return {name: _encoded(grey, image, name, how) for name in sizes}


def _plain(file: BinaryIO, hdu: walking.RawHdu, size: int) -> Image:
    import numpy as np

    if str(hdu.values.get("XTENSION", "IMAGE")).strip() != "IMAGE":
        raise NoPictureError("holds no image.")
    width, height = _plane(hdu, "NAXIS")
    kind = np.dtype(_KINDS[_whole(hdu, "BITPIX", 0)])
    row_bytes = width * kind.itemsize
    if size - hdu.data_start < row_bytes:
        raise NoPictureError("has no data: the file ends before its first row.")

    def rows(first: int, count: int) -> NDArray[Any]:
        file.seek(hdu.data_start + first * row_bytes)
        raw = file.read(count * row_bytes)
        whole = len(raw) // row_bytes
        return np.frombuffer(raw[: whole * row_bytes], dtype=kind).reshape(whole, width)

    return Image(width, height, rows, row_bytes, *_physical(hdu))


def _physical(hdu: walking.RawHdu) -> tuple[float, float, int | None]:
    """Return scale and zero of what is stored, and what stands for nothing."""
    scale, zero = (hdu.values.get(keyword) for keyword in ("BSCALE", "BZERO"))
    blank = hdu.values.get("BLANK", hdu.values.get("ZBLANK"))
    return (
        float(scale) if isinstance(scale, int | float) else 1.0,
        float(zero) if isinstance(zero, int | float) else 0.0,
        blank if isinstance(blank, int) else None,
    )


def _tiled(file: BinaryIO, hdu: walking.RawHdu, stack: contextlib.ExitStack) -> Image:
    """Return a tile-compressed image; whole rows of tiles are unpacked."""
    import numpy as np
    from astropy.io import fits as astropy_fits

    width, height = _plane(hdu, "ZNAXIS")
    tile = [_whole(hdu, "ZTILE1", width), _whole(hdu, "ZTILE2", 1)]
    deep = math.prod(_whole(hdu, f"ZTILE{n}", 1) for n in range(3, _whole(hdu, "ZNAXIS", 2) + 1))
    if min(*tile, deep) < 1 or max(tile[0], width) * tile[1] * deep > LARGEST_TILE:
        raise NoPictureError("is compressed in tiles that are too large.")
    # By a path, since astropy maps an open file as if it would be written to.
    path = f"/dev/fd/{file.fileno()}"
    opened = astropy_fits.open(path, "denywrite", memmap=True, do_not_scale_image_data=True)
    section = stack.enter_context(opened)[hdu.index].section
    above = (0,) * (len(section.shape) - 2)
    row_bytes = width * abs(_whole(hdu, "ZBITPIX", 32)) // 8
    # As a whole where no rows are passed over: astropy looks up the header for each tile else.
    ahead = height if row_bytes * height <= READ_AT_MOST else 0
    start, band = 0, np.empty((0, width))

    def rows(first: int, count: int) -> NDArray[Any]:
        nonlocal start, band
        if not start <= first <= first + count <= start + len(band):
            start = first // tile[1] * tile[1]
            end = min(-(-(first + max(count, ahead)) // tile[1]) * tile[1], height)
            band = np.asarray(section[(*above, slice(start, end), slice(0, width))])
        return band[first - start : first - start + count]

    return Image(width, height, rows, row_bytes, *_physical(hdu))


def _plane(hdu: walking.RawHdu, keyword: str) -> tuple[int, int]:
    axes = [_whole(hdu, f"{keyword}{n}", 0) for n in range(1, _whole(hdu, keyword, 0) + 1)]
    if len(axes) < 2 or min(axes) < 1:
        raise NoPictureError("holds no image.")
    if axes[0] > WIDEST:
        raise NoPictureError(f"is too wide for a picture: {axes[0]} pixels.")
    return axes[0], axes[1]


def _whole(hdu: walking.RawHdu, keyword: str, default: int) -> int:
    value = hdu.values.get(keyword, default)
    return value if isinstance(value, int) else default


def reduced(image: Image, size: str = "large") -> Plane:
    """Return an image as means over blocks, at least as large as its picture; NaN where blank."""
    import numpy as np

    columns, lines = layout(image.width, image.height, size)
    step_x, step_y = max(1, image.width // columns), max(1, image.height // lines)
    starts = np.arange(0, image.width, step_x)
    tops = range(0, image.height, step_y)
    taken = max(1, READ_AT_MOST // (image.row_bytes * len(tops)))
    piece = max(1, _PIECE // image.width)
    means = np.full((len(tops), len(starts)), np.nan)
    for line, top in enumerate(tops):
        total, number = np.zeros(len(starts)), np.zeros(len(starts))
        end = min(top + min(step_y, taken), image.height)
        for first in range(top, end, piece):
            sums, counts = _summed(image, image.rows(first, min(piece, end - first)))
            total += np.add.reduceat(sums, starts)
            number += np.add.reduceat(counts, starts)
        means[line] = total / number
    return means * image.scale + image.zero


def _summed(image: Image, stored: NDArray[Any]) -> tuple[Plane, Plane]:
    """Return the sum of each column, and of how many values; blank ones are left out."""
    import numpy as np

    if stored.dtype.kind == "f":
        sums = np.add.reduce(stored, axis=0, dtype=float)
        if np.isfinite(sums).all():  # as it mostly is, and much faster
            return sums, np.full(image.width, float(len(stored)))
        good = np.isfinite(stored)
    elif image.blank is None:
        sums = np.add.reduce(stored, axis=0, dtype=float)
        return sums, np.full(image.width, float(len(stored)))
    else:
        good = stored != image.blank
    return np.where(good, stored, 0.0).sum(axis=0), good.sum(axis=0, dtype=float)


def stretched(values: Plane) -> NDArray[np.uint8]:
    """Return values in 256 greys, zscale limits and asinh stretch; blank pixels black."""
    import numpy as np

    from arcsecond.server.archive.shading import asinh, zscale

    good = np.isfinite(values)
    if not good.any():
        raise NoPictureError("has blank pixels alone.")
    low, high = zscale(values[good])
    if not low < high:
        low, high = float(values[good].min()), float(values[good].max())
    if not low < high:
        return np.where(good, 128, 0).astype(np.uint8)
    scaled = np.clip((values / 2 - low / 2) / (high / 2 - low / 2), 0, 1)  # halves: no overflow
    grey = asinh(np.where(good, scaled, 0.0), SOFTENING)
    return np.asarray(np.rint(grey * 255), dtype=np.uint8)


def _turned(whole: Any, sides: tuple[int, int], how: Orientation) -> Any:
    """Return a picture with north up and east to the left."""
    from PIL import Image as Pillow

    if how.mirrored:
        whole = whole.transpose(Pillow.Transpose.FLIP_LEFT_RIGHT)
    if how.quarters is not None:
        turns = (None, "ROTATE_90", "ROTATE_180", "ROTATE_270")
        turn = turns[how.quarters]
        return whole.transpose(Pillow.Transpose[turn]) if turn else whole
    whole = whole.resize([2 * n for n in sides], Pillow.Resampling.BOX)
    whole = whole.rotate(how.turn_deg, Pillow.Resampling.BILINEAR, expand=True)
    side = max(whole.size)
    square = Pillow.new("L", (side, side))
    square.paste(whole, ((side - whole.width) // 2, (side - whole.height) // 2))
    return square


def _encoded(grey: NDArray[np.uint8], image: Image, size: str, how: Orientation | None) -> bytes:
    """Return a picture as WebP, at the best quality that keeps it light; or as PNG."""
    from PIL import Image as Pillow

    whole: Any = Pillow.fromarray(grey[::-1])
    sides = layout(image.width, image.height, size)
    if how is not None:
        whole = _turned(whole, sides, how)
        sides = layout(image.width, image.height, size, how)
    if size == "png":
        buffer = io.BytesIO()
        whole.resize(sides, Pillow.Resampling.BOX).save(buffer, "PNG")
        return buffer.getvalue()
    whole = whole.convert("RGB")

    def attempt(scale: float, quality: int) -> bytes:
        side_x, side_y = (max(1, round(side * scale)) for side in sides)
        buffer = io.BytesIO()
        picture = whole.resize((side_x, side_y), Pillow.Resampling.BOX)
        # Methods above this one pack noise no tighter, and take three times as long.
        picture.save(buffer, "WEBP", quality=quality, method=1)
        return buffer.getvalue()

    low, high, content = 0, len(_ATTEMPTS) - 1, b""
    while low < high:  # the first that is light enough; each is lighter than the one before
        middle = (low + high) // 2
        if len(found := attempt(*_ATTEMPTS[middle])) <= HEAVIEST[size]:
            high, content = middle, found
        else:
            low, content = middle + 1, b""
    return content or attempt(*_ATTEMPTS[low])


if __name__ == "__main__":
    sys.exit(main())
