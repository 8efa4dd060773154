"""What the page of a dataset, a package or a file of the archive shows beside its card."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from arcsecond import cards, views
from arcsecond.errors import ArcsecondError
from arcsecond.registry import BY_NAME
from arcsecond.schemas.archive import FitsFile, Hdu
from arcsecond.server.archive.files import list_files, may_upload, read_file
from arcsecond.server.archive.orientation import orientation
from arcsecond.server.archive.pictures import PAGES, layout
from arcsecond.server.archive.previews import (
    FIRST,
    MOST,
    draw,
    pictured,
    plotted,
    seek_rows,
    tabled,
    version_query,
)
from arcsecond.server.archive.product import SPECTRUM, TIMESERIES
from arcsecond.server.archive.service import Datasets
from arcsecond.server.context import AnyRequest, backend_of, viewer_of
from arcsecond.server.parsing import parse_amount
from arcsecond.server.web.headers import shown_headers
from arcsecond.server.web.linking import INSIDE_SHOWN, address, is_mine, listed
from arcsecond.tables import FORMATS

FILES_SHOWN = 100
MOST_NAMED = 200
"""Images that a page of a file names, though it does not show them all."""

TABLES_SHOWN = 4
"""Tables of a file whose first rows are on its page."""

COLUMNS_SHOWN = 60

_BUNDLES = (
    ("ZIP", "files.zip"),
    ("tar", "files.tar"),
    ("a script that fetches and checks them", "files.sh"),
    ("checksums", "SHA256SUMS"),
)
"""What all files that a search found can be had as."""


def dataset_of(request: AnyRequest, item: dict[str, Any]) -> dict[str, Any]:
    """Return the files of a dataset, and what was done to them just now."""
    backend, viewer = backend_of(request), viewer_of(request)
    found = list_files(backend, viewer, item["uuid"], {}).rows(None, FILES_SHOWN + 1)
    shown = [file for _, file in found[:FILES_SHOWN]]
    files = msgspec.to_builtins(shown)
    return {
        "may_upload": _may(may_upload, backend, viewer, item["uuid"]),
        "said": _uploaded(request, item["uuid"]),
        "files": listed("fitsfiles", files),
        "addresses": [address("fitsfiles", file) for file in files],
        "pictures": thumbnails(shown),
        "more": len(found) > FILES_SHOWN,
    }


def thumbnails(files: Sequence[FitsFile]) -> list[str | None] | None:
    """Return the address of a tiny picture for each file that has one; None when none has."""
    shown = [file.product in (SPECTRUM, TIMESERIES) or bool(pictured(file)) for file in files]
    if not any(shown):
        return None
    base = "/datasets/{}/fitsfiles/{}/preview/{}/?size=tiny"
    return [
        base.format(file.dataset, file.pk, FIRST) if has_one else None
        for file, has_one in zip(files, shown, strict=True)
    ]


def package_of(request: AnyRequest, item: dict[str, Any]) -> dict[str, Any]:
    """Return the datasets of a package, and what all of its files can be had as."""
    backend, viewer = backend_of(request), viewer_of(request)
    inside = Datasets().several(backend, viewer, item["datasets"][:INSIDE_SHOWN])
    items = msgspec.to_builtins(inside)
    everywhere = BY_NAME["fitsfiles"].everywhere
    return {
        "datasets": listed("datasets", items),
        "addresses": [address("datasets", one) for one in items],
        "bundles": bundles(everywhere, f"package={item['uuid']}"),
        "is_mine": is_mine(request, item),
    }


def _may(act: Callable[..., object], *args: Any) -> bool:
    """Tell whether something would be allowed."""
    try:
        act(*args)
    except ArcsecondError:
        return False
    return True


def _uploaded(request: AnyRequest, dataset: str) -> str:
    """Return what to say to somebody whose form led back to the page."""
    for name, done in (("uploaded", "was uploaded"), ("known", "was here already")):
        if key := request.query_params.get(name):
            try:
                file = read_file(backend_of(request), viewer_of(request), dataset, key)
            except ArcsecondError:
                return ""
            return " ".join([f"{file.name} {done}.", *file.problems])
    if "deleted" in request.query_params:
        return "The file lies in your trash now: for 30 days it can be brought back from there."
    if "reread" in request.query_params:
        return _reread(request)
    return ""


def _reread(request: AnyRequest) -> str:
    given = (request.query_params.get(name, "") for name in ("reread", "changed", "left"))
    read, changed, left = (parse_amount(text, 1 << 53) or 0 for text in given)
    if not read:
        return "The headers of all files were read by the rules in force already."
    more = f" {left:,} are left: do it again." if left else ""
    files = "1 file" if read == 1 else f"{read:,} files"
    return f"The headers of {files} were read again; {changed:,} changed by it.{more}"


def file_of(request: AnyRequest, file: FitsFile, item: dict[str, Any]) -> dict[str, Any]:
    """Return the pictures, plots, rows and headers of a file."""
    plots = plotted(file)[:MOST]
    drawn = {hdu.index for hdu in plots}
    images = [hdu for hdu in pictured(file) if hdu.index not in drawn]
    preview, which = f"{address('fitsfiles', item)}preview/", version_query(file)
    asked = request.query_params
    headers = shown_headers(file.hdus, str(asked.get("search", "")), str(asked.get("hdu", "")))
    return {
        "pictures": [_picture(preview, hdu, which) for hdu in images[:MOST]],
        "unseen": [(hdu, f"{preview}{hdu.index}/{which}") for hdu in images[MOST:MOST_NAMED]],
        "plots": [(hdu, f"{preview}{hdu.index}/{which}") for hdu in plots],
        "dataset_name": Datasets().name_of(backend_of(request), viewer_of(request), file.dataset),
        "rows": _first_rows(request, file),
        "headers": headers,
        "older": which and file.version,
        "may_delete": _may(may_upload, backend_of(request), viewer_of(request), file.dataset),
    }


def _first_rows(request: AnyRequest, file: FitsFile) -> list[cards.Table]:
    """Return the first rows of the tables of a file, those that can be read."""
    backend, viewer = backend_of(request), viewer_of(request)
    found = []
    for hdu in tabled(file)[:TABLES_SHOWN]:
        try:
            key, number = str(file.pk), str(hdu.index)
            sought = seek_rows(backend, viewer, file.dataset, key, number, file.version)
            told = msgspec.json.decode(draw(backend, viewer, sought))
        except ArcsecondError:
            continue
        title = f"HDU {hdu.index}{f' · {hdu.name}' if hdu.name else ''}"
        table = _narrowed(views.first_rows(told, title))
        if table.headings and table.rows:
            found.append(table)
    return found


def _narrowed(table: cards.Table) -> cards.Table:
    """Return a table with as many columns as a page shows, and how many there are beside."""
    if not (more := len(table.headings[COLUMNS_SHOWN:])):
        return table
    headings = [*table.headings[:COLUMNS_SHOWN], f"{more} more columns"]
    return cards.Table(table.title, headings, [[*row[:COLUMNS_SHOWN], "…"] for row in table.rows])


def _picture(preview: str, hdu: Hdu, which: str) -> dict[str, Any]:
    how = orientation(hdu.header or {})
    width, height = hdu.shape[:2]
    return {
        "hdu": hdu,
        "address": f"{preview}{hdu.index}/{which}",
        **{
            f"{size}_address": f"{preview}{hdu.index}/{which}{'&' if which else '?'}size={size}"
            for size in ("full", "small")
        },
        "turned": how.told if how is not None else "row 1 at the bottom",
        **{size: layout(width, height, size, how) for size in PAGES},
    }


def bundles(everywhere: str, query: str) -> list[tuple[str, str]]:
    """Return what all files of a search can be had as, and where."""
    files = [(kind, f"{everywhere}{name}?{query}") for kind, name in _BUNDLES]
    asked = f"{everywhere}?{query}&format=" if query else f"{everywhere}?format="
    return files + [(f"{form.title} table", asked + name) for name, form in FORMATS.items()]
