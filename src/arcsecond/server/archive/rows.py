"""Read the first rows of a table, in a process of its own: as JSON, for people to look at."""

from __future__ import annotations

import math
import re
import sys
from typing import Any, BinaryIO

from arcsecond.fits import walking
from arcsecond.server.archive.looking import FIRST_ROWS, NothingSeenError, for_each_hdu

ROWS = 10
CELL = 5
"""Values of a cell that holds many."""

TEXT = 80
LONGEST_ROW, MOST_BYTES = 8 << 20, 8 << 20


def main() -> int:
    """Read what the first argument asks for from the frame on stdin; a line for each HDU."""
    return for_each_hdu(look)


def look(file: BinaryIO, size: int, index: int) -> dict[str, Any]:
    """Return what is printed of an HDU."""
    return {FIRST_ROWS: first_rows(file, size, index)}


class NoRowsError(NothingSeenError):
    """There are no rows."""


def first_rows(file: BinaryIO, size: int, index: int) -> dict[str, Any]:
    """Return the columns of a table, each with its unit, and its first rows.

    A small table is made of its header and of the bytes of these rows; nothing else of it
    is read, and not its heap: cells of variable length tell how long they are.

    Raises
    ------
    NoRowsError
        It is no table, or its rows are too long.
    """
    walked = walking.walk(file, size, last=index, checked=False)
    if len(walked.hdus) <= index:
        raise NoRowsError("is not in the file.")
    hdu = walked.hdus[index]
    kind = str(hdu.values.get("XTENSION", "")).strip()
    if kind not in ("BINTABLE", "TABLE") or hdu.values.get("ZIMAGE") is True:
        raise NoRowsError("is no table.")
    if hdu.values.get("ZTABLE") is True:
        raise NoRowsError("is a compressed table.")
    table, varying = _small(file, hdu, kind)
    columns = list(table.columns)
    names = [column.name for column in columns]
    data = table.data
    rows = [
        [_length(data[name][n]) if name in varying else _cell(data[name][n]) for name in names]
        for n in range(0 if data is None else len(data))
    ]
    units = [str(column.unit or "") for column in columns]
    return {"columns": names, "units": units, "rows": rows}


def _small(file: BinaryIO, hdu: walking.RawHdu, kind: str) -> tuple[Any, set[str]]:
    """Return a table of the first rows, and the columns whose cells vary in length."""
    from astropy.io import fits

    width = hdu.values.get("NAXIS1")
    if not isinstance(width, int) or not 0 <= width <= LONGEST_ROW:
        raise NoRowsError("has rows that are too long.")
    header = fits.Header.fromstring(hdu.cards)
    count = max(0, min(ROWS, int(header["NAXIS2"])))
    if width:
        count = min(count, max(1, MOST_BYTES // width))
    file.seek(hdu.data_start)
    raw = file.read(width * count)
    count = len(raw) // width if width else 0
    header["NAXIS2"], header["PCOUNT"] = count, 0
    header.remove("THEAP", ignore_missing=True)
    varying = set()
    for n in range(1, int(header["TFIELDS"]) + 1):
        form = str(header.get(f"TFORM{n}", ""))
        if kind == "BINTABLE" and (found := re.fullmatch(r"[01]?([PQ]).*", form.strip())):
            header[f"TFORM{n}"] = "2J" if found[1] == "P" else "2K"
            header.remove(f"TDIM{n}", ignore_missing=True)
            varying.add(str(header.get(f"TTYPE{n}", f"col{n}")).strip())
    raw = raw[: width * count]
    made = fits.BinTableHDU if kind == "BINTABLE" else fits.TableHDU
    padded = raw.ljust(-(-len(raw) // 2880) * 2880)
    return made.fromstring(header.tostring().encode() + padded), varying


def _length(descriptor: Any) -> str:
    return f"{int(descriptor[0])} values"


def _cell(value: Any) -> Any:
    """Return what a cell holds as JSON has it; of many values the first ones."""
    import numpy as np

    if isinstance(value, np.ndarray) and value.ndim:
        flat = value.ravel()
        shown = [_cell(one) for one in flat[:CELL]]
        return [*shown, "…"] if len(flat) > CELL else shown
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return value.strip()[:TEXT]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, bool | int | float) else str(value)[:TEXT]


if __name__ == "__main__":
    sys.exit(main())
