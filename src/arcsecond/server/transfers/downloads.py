"""Getting data out: the bytes of a file, from anywhere in it, and of many files as one stream."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from email.utils import format_datetime
from functools import partial
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode

from litestar import Response, get, head
from litestar.params import FromPath
from litestar.response import Stream

from arcsecond.errors import RangeError
from arcsecond.filenames import Folders
from arcsecond.registry import BY_NAME
from arcsecond.schemas.archive import FitsFile
from arcsecond.server.archive import cutouts, files
from arcsecond.server.archive.packages.sharing import words_of
from arcsecond.server.archive.routes import ONE, version_of
from arcsecond.server.archive.search.asking import files_of, search
from arcsecond.server.archive.service import Datasets
from arcsecond.server.context import (
    AnyRequest,
    Backend,
    Viewer,
    backend_of,
    base_url,
    reading,
    turns_of,
    viewer_of,
    writing,
)
from arcsecond.server.paging import BATCH, Listing, filters_of
from arcsecond.server.transfers.bundles import (
    Entry,
    Pieces,
    as_script,
    as_sums,
    as_tar,
    as_zip,
)
from arcsecond.server.transfers.zipped import PIECE

AT_ONCE = 1 << 20
"""Bytes of a file that is sent in one piece."""

GATHERED = 256 << 10
"""Small pieces are sent together: each takes a thread its time."""

Bundle = Callable[[Iterator[Entry], str, str], Pieces]

BUNDLES: dict[str, tuple[str, Bundle]] = {
    "files.zip": ("application/zip", lambda entries, *_: as_zip(entries)),
    "files.tar": ("application/x-tar", lambda entries, *_: as_tar(entries)),
    "files.sh": ("text/x-shellscript", as_script),
    "SHA256SUMS": ("text/plain", lambda entries, *_: as_sums(entries)),
}
"""What files can be downloaded as together: its media type, and what makes it."""

_RANGE = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))")


@get([path + "download/" for path in ONE])
async def download(
    request: AnyRequest, dataset: FromPath[str], key: FromPath[str]
) -> Stream | Response[Any]:
    if "cutout" in request.query_params:
        return await _cutout(request, dataset, key)
    # In a thread: it may lie on a disk that is slow, or away.
    file, whole = await writing(request, _found, dataset, key, version_of(request))
    headers = _headers(file)
    first, last, status = 0, file.size - 1, 200
    if _is_held(request, headers["ETag"]):
        return Response(None, status_code=304, headers=headers)
    if asked := _asked_range(request, headers["ETag"], file.size):
        (first, last), status = asked, 206
        headers["Content-Range"] = f"bytes {first}-{last}/{file.size}"
    if whole is not None:
        return Response(
            whole[first : last + 1],
            status_code=status,
            media_type=_media_type(file),
            headers=headers,
        )
    opened = partial(backend_of(request).store.open, file.sha256)
    return Stream(
        in_a_thread(_read(opened, first, last + 1 - first)),
        status_code=status,
        media_type=_media_type(file),
        headers={**headers, "Content-Length": str(last + 1 - first)},
    )


def _found(
    backend: Backend, viewer: Viewer, dataset: str, key: str, version: int | None
) -> tuple[FitsFile, bytes | None]:
    """Return a file, and its bytes where they are few: streaming them takes longer."""
    file, content = files.open_file(backend, viewer, dataset, key, version)
    with content:
        whole = content.read(AT_ONCE + 1) if file.size <= AT_ONCE else b""
    return file, whole if len(whole) == file.size else None


async def _cutout(request: AnyRequest, dataset: str, key: str) -> Stream:
    """Answer a part of an image as a FITS file of its own."""
    what = await reading(request, cutouts.asked, request.query_params)
    async with turns_of(request).drawing:  # one at a time: it takes memory
        version = version_of(request)
        file, content = await writing(request, cutouts.cut, dataset, key, version, what)
    stem = file.name.rpartition("/")[2].partition(".")[0]
    size = os.fstat(content.fileno()).st_size
    return Stream(
        in_a_thread(_read(lambda: content, 0, size)),
        media_type="application/fits",
        headers={
            "Content-Disposition": _saved_as(f"{stem}_cutout.fits"),
            "Content-Length": str(size),
            "Cache-Control": "private, no-store",
        },
    )


@head([path + "download/" for path in ONE])
async def about_download(
    request: AnyRequest, dataset: FromPath[str], key: FromPath[str]
) -> Response[None]:
    file = await reading(request, files.read_file, dataset, key, version_of(request))
    told = {"Content-Length": str(file.size), "Content-Type": _media_type(file)}
    return Response(None, headers=_headers(file) | told)


def _media_type(file: FitsFile) -> str:
    return "application/fits" if file.packing is None else "application/octet-stream"


def _headers(file: FitsFile) -> dict[str, str]:
    """Return what is said of a file's bytes: their digest, twice (RFC 9110, 9530), and its name."""
    digest = base64.b64encode(bytes.fromhex(file.sha256)).decode()
    return {
        "ETag": f'"{file.sha256}"',
        "Repr-Digest": f"sha-256=:{digest}:",
        "Accept-Ranges": "bytes",
        "Last-Modified": format_datetime(file.last_update, usegmt=True),
        "Cache-Control": "private, no-cache",
        "Vary": "Cookie",
        # A browser saves it without its folders.
        "Content-Disposition": _saved_as(file.name.rpartition("/")[2]),
    }


def _plain(name: str) -> str:
    """Return a name without what not everybody can write."""
    return re.sub(r'[^ -~]|["\\%/]', "_", name)


def _saved_as(name: str) -> str:
    """Return what tells a browser, and curl, under which name to save (RFC 6266, appendix D)."""
    plain = _plain(name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _is_held(request: AnyRequest, etag: str) -> bool:
    told = request.headers.get("if-none-match", "")
    return told.strip() == "*" or etag in told


def _asked_range(request: AnyRequest, etag: str, size: int) -> tuple[int, int] | None:
    """Return the first and the last byte that are asked for; None for all of them.

    Several ranges, another unit, and a range of what the file was before are ignored,
    as RFC 9110, section 14.2, allows or wants.

    Raises
    ------
    RangeError
        It begins behind the end.
    """
    found = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if found is None or request.headers.get("if-range", etag) != etag:
        return None
    begin, end, suffix = found.groups()
    if suffix is not None:
        first, last = max(0, size - int(suffix)), size - 1
    else:
        first, last = int(begin), min(int(end or size), size - 1)
        if end and int(end) < first:
            return None
    if first >= size or first > last:
        error = RangeError(f"The file has {size} bytes.")
        error.headers["Content-Range"] = f"bytes */{size}"
        raise error
    return first, last


def _read(opened: Callable[[], BinaryIO], first: int, length: int) -> Pieces:
    """Read a part of a file, which is open only while somebody takes what comes."""
    with opened() as content:
        content.seek(first)
        while length and (piece := content.read(min(PIECE, length))):
            length -= len(piece)
            yield piece


@get([f"/datasets/{{dataset:str}}/{name}" for name in BUNDLES])
async def download_all(request: AnyRequest, dataset: FromPath[str]) -> Stream:
    filters = filters_of(request, BY_NAME["fitsfiles"].filters)
    listing = await reading(request, files_of, dataset, filters)
    name = (await reading(request, Datasets().read, dataset)).name
    entries = _entries(backend_of(request), listing, base_url(request), _ask(request))
    what = f"the dataset {name}, {base_url(request)}/datasets/{dataset}/"
    return _bundled(request, entries, what, name)


@get([f"/fitsfiles/{name}" for name in BUNDLES])
async def download_found(request: AnyRequest) -> Stream:
    filters = filters_of(request, BY_NAME["fitsfiles"].filters)
    listing = await reading(request, search, filters)
    backend, viewer = backend_of(request), viewer_of(request)

    def look_up(uuid: str) -> tuple[str, int]:
        name = Datasets().read(backend, viewer, uuid).name
        return name, len(Datasets().list_(backend, viewer, {"name": name}).rows(None, 2))

    folders = Folders(look_up)
    entries = _entries(backend, listing, base_url(request), _ask(request), folders)
    what = f"a search, {base_url(request)}/fitsfiles/?{urlencode(filters)}"
    return _bundled(request, entries, what, "found")


def _bundled(request: AnyRequest, entries: Iterator[Entry], what: str, name: str) -> Stream:
    """Answer files as the bundle that the address names.

    Parameters
    ----------
    what
        What they are, for a comment.
    name
        What the bundle is saved as, but for its ending.
    """
    bundle = request.scope["path"].rpartition("/")[2]
    media_type, make = BUNDLES[bundle]
    _, dot, ending = bundle.rpartition(".")
    saved = f"{name}.{ending}" if dot else bundle
    return Stream(
        in_a_thread(make(entries, what, _plain(saved))),
        media_type=media_type,
        headers={"Content-Disposition": _saved_as(saved), "Cache-Control": "private, no-store"},
    )


def _ask(request: AnyRequest) -> Callable[[FitsFile], str]:
    """Return what tells the query by which a program sees what a browser's links show it.

    Files of whoever asks need none.
    """
    words, own = words_of(request), viewer_of(request).username
    query = f"?share={'.'.join(words)}" if words else ""
    return lambda file: "" if file.profile == own else query


def _entries(
    backend: Backend,
    listing: Listing[FitsFile],
    base: str,
    ask: Callable[[FitsFile], str],
    folders: Folders | None = None,
) -> Iterator[Entry]:
    """Go through the files of a listing, some at a time.

    Parameters
    ----------
    ask
        Tells the query that follows the address of a file.
    folders
        Gives each dataset a folder of its own, where the files are of several.
    """
    after = None
    while rows := listing.rows(after, BATCH):
        for _, file in rows:
            yield Entry(
                f"{folders.of(file.dataset)}/{file.name}" if folders else file.name,
                file.size,
                file.sha256,
                file.last_update,
                partial(backend.store.open, file.sha256),
                base + file.download_url + ask(file),
            )
        after = rows[-1][0]


async def in_a_thread(pieces: Pieces) -> AsyncIterator[bytes]:
    """Make pieces in a thread, some at a time; whatever they hold open is closed in the end."""
    at_work = threading.Lock()

    def make() -> bytes | None:
        gathered: list[bytes] = []
        size = 0
        with at_work:
            for piece in pieces:
                gathered.append(piece)
                if (size := size + len(piece)) >= GATHERED:
                    break
        return (b"".join(gathered) if gathered[1:] else gathered[0]) if gathered else None

    def close() -> None:
        with at_work:  # who gave up did not wait for a piece that was being made
            pieces.close()

    try:
        while (piece := await asyncio.to_thread(make)) is not None:
            if piece:
                yield piece
    finally:
        await asyncio.to_thread(close)


routes = [download, about_download, download_all, download_found]
