"""What the processes share that look into a frame: their limits, its bytes, how they tell.

Each is a module that is run with an order as its argument and the frame on stdin.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

PLOT, SPARK, FIRST_ROWS = "plot", "spark", "rows"
"""What there is of an HDU beside pictures: a plot, one that is tiny, and first rows of a table."""

MEMORY = 512 << 20
CPU_S = 60


class NothingSeenError(Exception):
    """There is nothing to be seen; the message says why."""


def for_each_hdu(look: Callable[[BinaryIO, int, int], dict[str, Any]]) -> int:
    """Print a line of JSON for each HDU of the order: what is seen of it, or why nothing is.

    Parameters
    ----------
    look
        Called with the FITS bytes, how many they are, and the number of an HDU.
    """
    with ordered_frame() as (order, file, size):
        for index in order["hdus"]:
            print(json.dumps({"hdu": index} | seen(look, file, size, index)), flush=True)
    return 0


def seen(
    look: Callable[[BinaryIO, int, int], dict[str, Any]], file: BinaryIO, size: int, index: int
) -> dict[str, Any]:
    """Return what is seen of an HDU, or else the problem, whatever is raised."""
    try:
        return look(file, size, index)
    except NothingSeenError as problem:
        return {"problem": str(problem)}
    except Exception as error:  # what reads tables and tiles raises all sorts
        return {"problem": f"cannot be read ({type(error).__name__})."}


@contextlib.contextmanager
def ordered_frame() -> Iterator[tuple[dict[str, Any], BinaryIO, int]]:
    """Limit this process; yield its order, the FITS bytes of the frame, and how many they are."""
    order = json.loads(sys.argv[1])
    _bound()
    with open(0, "rb", closefd=False) as frame, _unpacked(frame, order) as (file, size):
        yield order, file, size


def _bound() -> None:
    """Limit what this process may take."""
    import resource

    for what, most in ((resource.RLIMIT_DATA, MEMORY), (resource.RLIMIT_CPU, CPU_S)):
        _, hard = resource.getrlimit(what)
        resource.setrlimit(what, (most if hard < 0 else min(most, hard), hard))


@contextlib.contextmanager
def _unpacked(frame: BinaryIO, order: dict[str, Any]) -> Iterator[tuple[BinaryIO, int]]:
    """Yield the FITS bytes of a frame, and how many they are."""
    frame.seek(0)
    if order["packing"] is None:
        yield frame, frame.seek(0, io.SEEK_END)
        return
    from arcsecond.fits.packing import unpacked

    def scratch() -> BinaryIO:
        return tempfile.TemporaryFile(dir=order["scratch"])

    with (
        unpacked(frame, order["packing"], scratch, order["limit"]) as content,
        # For reading alone: astropy takes nothing else.
        open(content.file.fileno(), "rb", closefd=False) as file,
    ):
        yield file, content.size
