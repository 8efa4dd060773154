"""Routes of datasets and their files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from litestar import Response, delete, get, post, route
from litestar.params import FromPath
from litestar.response import Redirect
from msgspec import UNSET

from arcsecond import tables
from arcsecond.errors import ArcsecondError, ChecksumError, InvalidInputError, NotFoundError
from arcsecond.filenames import clean_path
from arcsecond.registry import BY_NAME, COUNT_BOUND
from arcsecond.schemas.archive import (
    FileKnown,
    FilesAsked,
    FileTaken,
    FitsFile,
    FitsFileChange,
    Reindex,
    Reindexed,
    UploadOutcome,
)
from arcsecond.server.archive import files, known, previews, reindexing
from arcsecond.server.archive.adding import Added, add_files
from arcsecond.server.archive.naming import link_of
from arcsecond.server.archive.pictures import LONGEST
from arcsecond.server.archive.search.asking import files_of, search
from arcsecond.server.archive.service import Datasets
from arcsecond.server.context import (
    AnyRequest,
    Backend,
    Viewer,
    backend_of,
    base_url,
    is_form,
    read_body,
    reading,
    to_its_end,
    to_struct,
    turns_of,
    wanted,
    writing,
)
from arcsecond.server.crud import record_routes
from arcsecond.server.paging import Listing, Page, filters_of, listed
from arcsecond.server.parsing import parse_amount
from arcsecond.server.receiving import (
    MOST_AT_ONCE,
    Upload,
    is_multipart,
    received,
)
from arcsecond.server.storage import Arrived, told_when_full

_ALL = ["/datasets/{dataset:str}/fitsfiles/", "/datasets/{dataset:str}/datafiles/"]
ONE = [path + "{key:str}/" for path in _ALL]
"""Addresses of one file."""


@get(_ALL, opt={"resource": "fitsfiles", "verb": "list"})
async def list_files(request: AnyRequest, dataset: FromPath[str]) -> Any:
    filters = filters_of(request, BY_NAME["fitsfiles"].filters)
    return await _files_listed(
        request, lambda backend, viewer: files_of(backend, viewer, dataset, filters)
    )


@get("/fitsfiles/", opt={"resource": "fitsfiles", "verb": "list"})
async def search_files(request: AnyRequest) -> Any:
    filters = filters_of(request, BY_NAME["fitsfiles"].filters)
    return await _files_listed(request, lambda backend, viewer: search(backend, viewer, filters))


async def _files_listed(
    request: AnyRequest, service: Callable[[Backend, Viewer], Listing[FitsFile]]
) -> Any:
    """List files as JSON, as a page, or as a table for other programs."""

    def as_told(file: FitsFile) -> FitsFile:
        return present(request, file)

    if (chosen := _table_format(request)) is None:
        return await listed(request, service, present=as_told)
    page = await listed(request, service, present=as_told, whole=COUNT_BOUND)
    assert isinstance(page, Page)
    rows = [msgspec.to_builtins(file) for file in page.items]
    content = await to_its_end(asyncio.to_thread(tables.written, rows, chosen))
    form = tables.FORMATS[chosen]
    headers = {
        "Content-Disposition": f'attachment; filename="fitsfiles.{form.ending}"',
        "Cache-Control": "private, no-store",
        "Vary": "Accept, Cookie",
    }
    if page.next:  # as much as is made at once
        headers["Link"] = f'<{page.next}>; rel="next"'
    return Response(content, headers=headers, media_type=form.media_type)


def _table_format(request: AnyRequest) -> str | None:
    """Return which table is asked for, by ``format`` or by a media type; None for none.

    Raises
    ------
    InvalidInputError
        There is no such format.
    """
    chosen = request.query_params.get("format", "")
    if chosen in tables.FORMATS:
        return chosen
    if chosen not in ("", "json", "api", "html"):
        can_be = ", ".join(("json", *tables.FORMATS))
        problem = f"{chosen[:40]!r} is none; what can be: {can_be}."
        raise InvalidInputError(fields={"format": [problem]})
    accept = request.headers.get("accept", "").partition(",")[0].partition(";")[0].strip()
    asked = {"text/csv": "csv", "application/x-votable+xml": "votable"}.get(accept)
    return None if chosen else asked


@post(_ALL, opt={"resource": "fitsfiles", "verb": "create"})
async def create_file(request: AnyRequest, dataset: FromPath[str]) -> Response[Any]:
    await reading(request, files.may_upload, dataset)
    if not is_multipart(request):
        body = await read_body(request, FileTaken)
        file, new = await writing(request, known.take, dataset, body)
        return Response(present(request, file), status_code=201 if new else 200)
    async with received(request, backend_of(request), most=MOST_AT_ONCE) as upload:
        return await keep(request, dataset, upload)


@post("/datasets/{dataset:str}/known/", status_code=200)
async def tell_known(request: AnyRequest, dataset: FromPath[str]) -> list[FileKnown]:
    body = await read_body(request, FilesAsked)
    return await reading(request, known.known, dataset, body)


@post(f"{BY_NAME['fitsfiles'].everywhere}known/", status_code=200)
async def tell_known_anywhere(request: AnyRequest) -> list[FileKnown]:
    body = await read_body(request, FilesAsked)
    return await reading(request, known.known, None, body)


async def keep(request: AnyRequest, dataset: str, upload: Upload) -> Response[Any]:
    """Keep what was received as files of a dataset.

    One file answers with itself, several with a list that says of each how it went.
    """
    if not upload.files:
        raise InvalidInputError(fields={"file": ["No file was submitted."]})
    body = to_struct(upload.fields, FitsFileChange)
    arrived = await asyncio.to_thread(_compared, upload)
    if body.name is not UNSET:
        if len(arrived) > 1:
            raise InvalidInputError(fields={"name": ["It names one file, and several came."]})
        arrived = [arrived[0]._replace(name=clean_path(body.name))]
    outcomes = await writing(request, add_files, dataset, arrived, body)
    for_people = wanted(request) == "html"  # a form on the page of the dataset
    if len(outcomes) > 1 and not for_people:
        named = zip(upload.files, outcomes, strict=True)
        each = [_told(request, one.name, outcome) for one, outcome in named]
        return Response(each, status_code=200)
    kept = [outcome for outcome in outcomes if isinstance(outcome, Added)]
    if len(kept) < len(outcomes):
        raise _refusal(upload, outcomes)
    file, new = kept[-1]
    if for_people:
        told = "uploaded" if new else "known"
        return Redirect(f"/datasets/{file.dataset}/?{told}={file.pk}", status_code=303)
    return Response(present(request, file), status_code=201 if new else 200)


def _compared(upload: Upload) -> list[Arrived]:
    """Refuse those that are not what was sent, by the digests that came along, if any did.

    The field ``sha256`` holds one for each file, in their order, with commas between them.
    """
    told = [one.strip().lower() for one in upload.fields.get("sha256", "").split(",")]
    if told == [""]:
        return upload.files
    if len(told) != len(upload.files):
        problem = f"{len(told)} digests came with {len(upload.files)} files."
        raise InvalidInputError(fields={"sha256": [problem]})
    with told_when_full():
        return [
            one._replace(refusal=_other_bytes(one, sha256)) if one.refusal is None else one
            for one, sha256 in zip(upload.files, told, strict=True)
        ]


def _other_bytes(one: Arrived, sha256: str) -> ArcsecondError | None:
    found = one.incoming.sha256
    if found == sha256:
        return None
    return ChecksumError(
        f"The bytes that arrived have SHA-256 {found}, not {sha256[:64]}; send them again."
    )


def _refusal(upload: Upload, outcomes: Sequence[Added | ArcsecondError]) -> ArcsecondError:
    """Return the error of one file, or one that tells which of several were not kept, and why."""
    wrong = [
        (one.name, outcome)
        for one, outcome in zip(upload.files, outcomes, strict=True)
        if isinstance(outcome, ArcsecondError)
    ]
    if len(outcomes) == 1:
        return wrong[0][1]
    told = [f"Of {len(outcomes)} files {len(outcomes) - len(wrong)} are kept."]
    return InvalidInputError(" ".join([*told, *(f"{name}: {error}" for name, error in wrong)]))


def _told(request: AnyRequest, name: str, outcome: Added | ArcsecondError) -> UploadOutcome:
    if isinstance(outcome, ArcsecondError):
        return UploadOutcome(name=name, status=outcome.status, error=outcome.to_wire())
    status = 201 if outcome.new else 200
    return UploadOutcome(name=name, status=status, file=present(request, outcome.file))


@post("/datasets/{dataset:str}/reindex/", status_code=200)
async def reindex(request: AnyRequest, dataset: FromPath[str]) -> Reindexed | Response[None]:
    if not is_form(request):
        body = await read_body(request, Reindex)
        return await writing(request, reindexing.reindex, dataset, body)
    # As many as are read at once: those that are left are read when it is pressed again.
    done = await writing(request, reindexing.reindex, dataset, Reindex())
    left = (done.left or 0) - done.read
    return _to_dataset(dataset, reread=done.read, changed=done.changed, left=left)


def _to_dataset(dataset: str, **told: int) -> Response[None]:
    """Lead whoever sent a form to the page of a dataset, which says what was done."""
    away = {"Location": f"/datasets/{quote(dataset, safe='')}/?{urlencode(told)}"}
    return Response(None, status_code=303, headers=away)


@get(ONE, opt={"resource": "fitsfiles", "verb": "read"})
async def read_file(request: AnyRequest, dataset: FromPath[str], key: FromPath[str]) -> FitsFile:
    version = version_of(request)
    return await shown(request, await reading(request, files.read_file, dataset, key, version))


@get("/fitsfiles/{key:str}/", opt={"resource": "fitsfiles", "verb": "read"})
async def read_found(request: AnyRequest, key: FromPath[str]) -> FitsFile:
    dataset = await reading(request, files.dataset_of, key)
    version = version_of(request)
    return await shown(request, await reading(request, files.read_file, dataset, key, version))


async def shown(request: AnyRequest, file: FitsFile) -> FitsFile:
    """Say what there is to be seen of a file, and what its target names."""
    file.previews = await writing(request, previews.told_of, file)
    link = await writing(request, linked, file)  # in a thread: catalogues may have to be built
    file.target_url = None if link is None else base_url(request) + link
    return present(request, file)


def linked(backend: Backend, _viewer: Viewer, file: FitsFile) -> str | None:
    """Return the path of the object or the planet that the target of a file names."""
    return link_of(backend.settings, file.target, file.filter) if file.target else None


@route(ONE, http_method=["PUT", "PATCH"], opt={"resource": "fitsfiles", "verb": "update"})
async def update_file(request: AnyRequest, dataset: FromPath[str], key: FromPath[str]) -> FitsFile:
    return await change(request, dataset, key)


async def change(request: AnyRequest, dataset: str, key: str) -> FitsFile:
    """Change a file by a body that brings new content, or none."""
    await reading(request, files.may_upload, dataset, key)
    if not is_multipart(request):
        body = await read_body(request, FitsFileChange)
        return present(request, await writing(request, files.update_file, dataset, key, body))
    async with received(request, backend_of(request)) as upload:
        body = to_struct(upload.fields, FitsFileChange)
        file = await writing(request, files.update_file, dataset, key, body, upload.only)
    return present(request, file)


@delete(ONE, opt={"resource": "fitsfiles", "verb": "delete"}, status_code=200)
async def delete_file(
    request: AnyRequest, dataset: FromPath[str], key: FromPath[str]
) -> Response[None]:
    await writing(request, files.delete_file, dataset, key, version_of(request))
    if is_form(request):
        return _to_dataset(dataset, deleted=1)
    return Response(None, status_code=204)


def version_of(request: AnyRequest) -> int | None:
    """Return the version that a query asks for, if it does."""
    text = request.query_params.get("version")
    if text is None:
        return None
    if not (number := parse_amount(text, (1 << 31) - 1)):
        raise InvalidInputError(fields={"version": [f"{text[:20]!r} is no number of a version."]})
    return number


BLANK = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'
"""A picture with nothing on it: without one a browser would show that something is broken."""


@get([path + "preview/{hdu:str}/" for path in ONE])
async def preview(
    request: AnyRequest, dataset: FromPath[str], key: FromPath[str], hdu: FromPath[str]
) -> Response[Any]:
    asked = request.query_params.get("size", "")
    size = asked if asked in LONGEST else "large"
    if request.query_params.get("format") == "png":
        size = "png"
    version = version_of(request)
    sought = await writing(request, previews.seek, dataset, key, hdu, size, version)
    return await _seen(request, sought)


@get([path + "rows/{hdu:str}/" for path in ONE])
async def rows(
    request: AnyRequest, dataset: FromPath[str], key: FromPath[str], hdu: FromPath[str]
) -> Response[Any]:
    version = version_of(request)
    sought = await writing(request, previews.seek_rows, dataset, key, hdu, version)
    return await _seen(request, sought)


async def _seen(request: AnyRequest, sought: previews.Sought) -> Response[Any]:
    """Answer what is to be seen: kept from before, or drawn now."""
    headers = {"ETag": sought.etag, "Cache-Control": "private, no-cache", "Vary": "Cookie"}
    if sought.etag in request.headers.get("if-none-match", ""):
        return Response(None, status_code=304, headers=headers)
    try:
        content = await reading(request, previews.kept, sought)
        if content is None:
            turns = turns_of(request)
            # One at a time: drawing takes memory.
            async with turns.listing if sought.is_tiny else turns.drawing:
                content = await writing(request, previews.draw, sought)
    except NotFoundError:
        if not sought.is_tiny:
            raise
        return Response(BLANK, media_type=previews.SVG, headers=headers)  # a list has a gap there
    # A plot opened by itself is a document: nothing in it may run.
    headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
    return Response(content, media_type=sought.kind, headers=headers)


def present(request: AnyRequest, file: FitsFile) -> FitsFile:
    """Give a file its absolute addresses."""
    file.file = file.download_url = base_url(request) + file.download_url
    return file


routes = [
    *record_routes("datasets", Datasets()),
    list_files,
    search_files,
    create_file,
    tell_known,
    tell_known_anywhere,
    reindex,
    read_file,
    read_found,
    update_file,
    delete_file,
    preview,
    rows,
]
