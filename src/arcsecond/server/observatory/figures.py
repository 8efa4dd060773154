"""Figures by matplotlib: as PNG, SVG or PDF, the same whatever a user has set.

They are black on white; pages turn them for dark and red light.
"""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Format = Literal["png", "svg", "pdf"]
MEDIA: dict[Format, str] = {
    "png": "image/png",
    "svg": "image/svg+xml",
    "pdf": "application/pdf",
}
DPI = 100
COLOURS = 48
FONT = "DejaVu Sans"
INK, FAINT, PALE = "#111111", "#666666", "#c8c8c8"

_drawing = threading.Lock()


@contextlib.contextmanager
def drawing() -> Iterator[None]:
    """Draw with matplotlib's own settings, one figure at a time.

    What a user has set, in a file or in a notebook that this runs in, is as it was
    when the figure is done.
    """
    from matplotlib import style

    with _drawing, style.context("default"):
        yield


def figure(width_px: int, height_px: int) -> Figure:
    """Return an empty figure of so many pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(width_px / DPI, height_px / DPI), dpi=DPI, facecolor="white")
    FigureCanvasAgg(made)
    return made


def words(size: float, **how: Any) -> dict[str, Any]:
    """Return the properties of a text, in points."""
    plain = {"usetex": False, "parse_math": False}
    return {"fontsize": size, "fontfamily": FONT, "color": INK} | plain | how


def saved(made: Figure, kind: Format, told: Mapping[str, str]) -> bytes:
    """Return a figure as a file.

    Parameters
    ----------
    told
        What the file says of itself: ``Title``, ``Description`` (``Subject`` in a PDF).
    """
    metadata: dict[str, Any] = {"Title": told["Title"]}
    match kind:
        case "png":
            metadata |= {"Description": told["Description"], "Software": "Arcsecond"}
        case "svg":
            metadata |= {"Description": told["Description"], "Creator": "Arcsecond", "Date": None}
        case "pdf":
            metadata |= {
                "Subject": told["Description"],
                "Creator": "Arcsecond",
                "Producer": None,
                "CreationDate": None,
            }
    into = io.BytesIO()
    if kind == "png":
        _save_png(made, into, metadata)
    else:
        made.savefig(into, format=kind, dpi=DPI, metadata=metadata)
    return into.getvalue()


def _save_png(made: Figure, into: io.BytesIO, metadata: Mapping[str, str]) -> None:
    """Save with few colours, of which there are few: a third of the size."""
    import numpy as np
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    made.canvas.draw()
    pixels = made.canvas.buffer_rgba()  # type: ignore[attr-defined]  # of the Agg canvas
    told = PngInfo()
    for name, text in metadata.items():
        told.add_text(name, text)
    image = Image.fromarray(np.asarray(pixels)).convert("RGB")
    image.quantize(COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(
        into, "PNG", pnginfo=told, dpi=(DPI, DPI)
    )
