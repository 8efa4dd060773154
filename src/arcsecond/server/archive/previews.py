"""Pictures of frames, and plots of spectra: drawn when first asked for, kept under ``previews/``.

They are named by the digest of the file, the number of the HDU, and the recipe
that drew them; losing them costs nothing but the time to draw them again. What
cannot be drawn is kept as the reason why.
"""

from __future__ import annotations

import base64
import itertools
import json
import logging
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arcsecond.errors import NotFoundError
from arcsecond.schemas.archive import FitsFile, Hdu, Preview
from arcsecond.server import apart
from arcsecond.server.archive import pictures
from arcsecond.server.archive.files import find_file, read_file
from arcsecond.server.archive.looking import FIRST_ROWS, PLOT, SPARK
from arcsecond.server.archive.product import SPECTRUM, TIMESERIES, has_curve
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.parsing import parse_hdu
from arcsecond.server.remade import Kept

logger = logging.getLogger(__name__)

RECIPE = "r7"
"""Another one for each change of how pictures look."""

WEBP, PNG, SVG, JSON = "image/webp", "image/png", "image/svg+xml", "application/json"

TINY = "tiny"
"""The size of pictures in lists."""

FIRST = "first"
"""In place of the number of an HDU: the first that is to be seen."""

_SIZES: dict[str, tuple[str, ...]] = {
    FIRST_ROWS: (FIRST_ROWS,),
    **dict.fromkeys((PLOT, SPARK), (PLOT, SPARK)),
    **dict.fromkeys(pictures.PAGES, pictures.PAGES),
}
"""What is drawn at one go with each size; a size that is not here is drawn alone."""

_DRAWN_BY = {
    PLOT: "arcsecond.server.archive.plots",
    SPARK: "arcsecond.server.archive.plots",
    FIRST_ROWS: "arcsecond.server.archive.rows",
}
"""Modules that run in processes of their own; they are not imported here, since they take long."""

MOST = 12
"""Pictures on a page, and drawn at one go."""

LOOKED = 100
"""HDUs that are looked at for as many that can be drawn."""

TIMEOUT_S = 120
_WEBP, _PNG, _XML = b"RIFF", b"\x89PNG", b"<?xml"
_CRASHES = {signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV} | {
    signal.SIGXCPU
}


@dataclass(frozen=True, slots=True)
class Sought:
    """A picture of an HDU that somebody may see."""

    file: FitsFile
    hdu: int
    size: str

    @property
    def kind(self) -> str:
        """Its media type."""
        return {PLOT: SVG, SPARK: SVG, FIRST_ROWS: JSON, "png": PNG}.get(self.size, WEBP)

    @property
    def is_tiny(self) -> bool:
        """Whether it is for a list."""
        return self.size in (TINY, SPARK)

    @property
    def etag(self) -> str:
        """What changes with the picture."""
        return f'"{_name(self.file.sha256, self.hdu, self.size)}"'


def pictured(file: FitsFile) -> list[Hdu]:
    """Return the HDUs of a file that have a picture."""
    return [h for h in file.hdus if h.data_type == "img" and _is_plane(h.shape)]


def plotted(file: FitsFile) -> list[Hdu]:
    """Return the HDUs of a file, with their headers, that may have a plot."""
    return [h for h in file.hdus if h.header and has_curve(h.header)]


def seen(file: FitsFile) -> list[Hdu]:
    """Return the HDUs of which there is something to be seen, what the file is about first.

    Tables beside an image may look like curves: those come first in spectra and light curves
    alone.
    """
    plots, pictures_ = plotted(file), pictured(file)
    is_curve = file.product in (SPECTRUM, TIMESERIES)
    both = [*plots, *pictures_] if is_curve else [*pictures_, *plots]
    return list({hdu.index: hdu for hdu in both}.values())


def tabled(file: FitsFile) -> list[Hdu]:
    """Return the HDUs of a file that are tables."""
    return [h for h in file.hdus if h.data_type in ("bintab", "ascitab")]


def told_of(backend: Backend, _viewer: Viewer, file: FitsFile) -> list[Preview]:
    """Return what there is to be seen of a file that has its headers, in the order of ``seen``.

    Without those that were tried before and cannot be drawn.
    """
    curves = {h.index for h in plotted(file)}
    found = (
        (h.index, kind)
        for h in seen(file)[:LOOKED]
        for kind in (SVG if h.index in curves else WEBP,)
        if not _has_failed(backend, file, h.index, kind)
    )
    base = f"/datasets/{file.dataset}/fitsfiles/{file.pk}/preview/"
    first, which = itertools.islice(found, MOST), version_query(file)
    return [Preview(hdu=hdu, kind=kind, url=f"{base}{hdu}/{which}") for hdu, kind in first]


def version_query(file: FitsFile) -> str:
    """Return what follows addresses of what is seen of a file: its version, where it is older."""
    newest = file.versions[0].version if file.versions else file.version
    return f"?version={file.version}" if file.version != newest else ""


def _has_failed(backend: Backend, file: FitsFile, hdu: int, kind: str) -> bool:
    size = PLOT if kind == SVG else pictures.PAGES[0]
    begin = _kept(backend).begin(_name(file.sha256, hdu, size), len(_XML))
    return bool(begin) and not begin.startswith((_WEBP, _XML))


def _is_plane(shape: list[int]) -> bool:
    return len(shape) >= 2 and min(shape) >= 1


def seek(
    backend: Backend,
    viewer: Viewer,
    dataset: str,
    key: str,
    hdu: str,
    size: str,
    version: int | None = None,
) -> Sought:
    """Find the file that a picture is asked of, or an older version of it.

    Raises
    ------
    NotFoundError
        There is no such file, it has no such HDU, or that is no image.
    """
    file, number = _found(backend, viewer, dataset, key, hdu, version)
    if hdu == FIRST:
        number = next((one.index for one in seen(file)), None)
    if number is not None and _among(number, plotted(file)):
        return Sought(file, number, SPARK if size == TINY else PLOT)
    if number is None or not _among(number, pictured(file)):
        raise NotFoundError(f"An image or a spectrum in HDU {hdu[:20]!r} of this file not found.")
    return Sought(file, number, size)


def seek_rows(
    backend: Backend,
    viewer: Viewer,
    dataset: str,
    key: str,
    hdu: str,
    version: int | None = None,
) -> Sought:
    """Find the file that the first rows of a table are asked of, or an older version of it.

    Raises
    ------
    NotFoundError
        There is no such file, it has no such HDU, or that is no table.
    """
    file, number = _found(backend, viewer, dataset, key, hdu, version)
    if number is None or not _among(number, tabled(file)):
        raise NotFoundError(f"A table in HDU {hdu[:20]!r} of this file not found.")
    return Sought(file, number, FIRST_ROWS)


def _among(number: int, hdus: list[Hdu]) -> bool:
    return any(hdu.index == number for hdu in hdus)


def _found(
    backend: Backend, viewer: Viewer, dataset: str, key: str, hdu: str, version: int | None
) -> tuple[FitsFile, int | None]:
    find_file(backend, viewer, dataset, key, version)  # whose bytes have to be there
    return read_file(backend, viewer, dataset, key, version), parse_hdu(hdu)


def kept(backend: Backend, viewer: Viewer, sought: Sought) -> bytes | None:
    """Return a picture that was drawn before, None when there is none yet.

    Raises
    ------
    NotFoundError
        It was tried before, and there is nothing to be seen.
    """
    name = _name(sought.file.sha256, sought.hdu, sought.size)
    content = _kept(backend).get(name)
    return None if content is None else _shown(sought, content)


def draw(backend: Backend, viewer: Viewer, sought: Sought) -> bytes:
    """Draw a picture, and with it those of the file's other images; keep them.

    Raises
    ------
    NotFoundError
        There is nothing to be seen.
    """
    if (there := kept(backend, viewer, sought)) is not None:
        return there  # somebody else drew it meanwhile
    said, status = _drawn(backend, sought)
    found: dict[tuple[int, str], bytes] = {}
    sizes = _SIZES.get(sought.size, (sought.size,))
    for told in said:
        for size in sizes:
            found[told["hdu"], size] = _content(told, size)
    wanted = (sought.hdu, sought.size)
    if wanted not in found:
        logger.warning("drawing %s ended with status %s", sought.file.sha256, status)
        if -status not in _CRASHES:  # it may go better another time
            return _shown(sought, b"cannot be drawn now.")
        found |= {(sought.hdu, size): b"cannot be drawn." for size in sizes}
    for (hdu, size), content in found.items():
        _kept(backend).put(_name(sought.file.sha256, hdu, size), content)
    return _shown(sought, found[wanted])


def _content(told: dict[str, Any], size: str) -> bytes:
    """Return what was drawn in a size, or why there is nothing."""
    match told.get(size):
        case None:
            return str(told.get("problem", "cannot be drawn.")).encode()
        case str(text) if size in _DRAWN_BY:
            return text.encode()
        case str(text):
            return base64.b64decode(text)
        case table:
            return json.dumps(table).encode()


def _drawn(backend: Backend, sought: Sought) -> tuple[list[dict[str, Any]], int]:
    """Let a process of its own draw; return what it told of each HDU, and how it ended."""
    file = sought.file
    alike = {PLOT: plotted, SPARK: plotted, FIRST_ROWS: tabled}.get(sought.size, pictured)(file)
    others = [h.index for h in alike if h.index != sought.hdu][: MOST - 1]
    if sought.size not in _SIZES:
        others = []
    drawing = _DRAWN_BY.get(sought.size, pictures.__name__)
    order = {
        "hdus": [sought.hdu, *others],
        "sizes": _SIZES.get(sought.size, (sought.size,)),
        "packing": file.packing,
        "limit": backend.settings.max_unpacked_bytes,
        "scratch": str(_top(backend)),
    }
    try:
        _top(backend).mkdir(parents=True, exist_ok=True)
        with backend.store.open(file.sha256) as content:
            said, status = apart.run(drawing, json.dumps(order), timeout_s=TIMEOUT_S, stdin=content)
    except OSError:
        return [], 1
    return _told(said), -signal.SIGXCPU if status is None else status


def _told(said: bytes) -> list[dict[str, Any]]:
    lines = said.split(b"\n")[:-1]  # what follows the last end of a line was cut off
    return [json.loads(line) for line in lines]


def _shown(sought: Sought, content: bytes) -> bytes:
    if content.startswith((_WEBP, _PNG, _XML, b"{")):
        return content
    what = "First rows" if sought.size == FIRST_ROWS else "A picture"
    raise NotFoundError(f"{what} of HDU {sought.hdu} not found: it {content.decode()}")


def sweep(backend: Backend) -> int:
    """Remove pictures of bytes that are gone, of older recipes, and what dead processes left."""
    return _kept(backend).sweep(lambda name: name.endswith(RECIPE) and _has_bytes(backend, name))


def _has_bytes(backend: Backend, name: str) -> bool:
    return backend.store.size(name.partition("-")[0]) is not None


def _name(sha256: str, hdu: int, size: str) -> str:
    return f"{sha256}-{hdu}-{size}-{RECIPE}"


def _top(backend: Backend) -> Path:
    return backend.settings.home / "previews"


def _kept(backend: Backend) -> Kept:
    return Kept(_top(backend))
