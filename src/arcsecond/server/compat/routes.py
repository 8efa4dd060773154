"""Addresses that only older clients know.

``/datafiles/`` (3.x) is every file of every dataset, with the dataset as a field.
``/catalogues/<id>/rows/`` (0.6 to 1.3) is the content of a catalogue. The rest
are kinds of things that this server does not keep yet: a list of nothing.
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response, delete, get, post, route
from litestar.params import FromPath

from arcsecond.errors import InvalidInputError, NotFoundError
from arcsecond.schemas.archive import FitsFile
from arcsecond.server.archive import files
from arcsecond.server.archive import routes as archive
from arcsecond.server.catalogues.service import list_rows
from arcsecond.server.context import (
    AnyRequest,
    Backend,
    Viewer,
    backend_of,
    reading,
    viewer_of,
    writing,
)
from arcsecond.server.paging import MemoryListing, filters_of, listed
from arcsecond.server.people.visibility import signed_in
from arcsecond.server.receiving import Upload, received

_ABSENT = (
    "organisations",
    "observations",
    "calibrations",
    "targets",
    "targetlists",
)
_PUBLIC = ("organisations",)
_ONE = "/datafiles/{key:str}/"


@get("/datafiles/", opt={"compat": True})
async def list_files(request: AnyRequest) -> Any:
    filters = filters_of(request, ("name", "tags", "dataset"))
    return await listed(
        request,
        lambda backend, viewer: files.list_all_files(backend, viewer, filters),
        present=lambda file: archive.present(request, file),
    )


@post("/datafiles/", opt={"compat": True})
async def create_file(request: AnyRequest) -> Response[Any]:
    signed_in(viewer_of(request), "fitsfiles:create")

    async def allow(upload: Upload) -> None:
        """Say whose dataset it is before the first byte of the file is kept."""
        await reading(request, files.may_upload, _dataset(upload))

    async with received(request, backend_of(request), before_file=allow) as upload:
        return await archive.keep(request, _dataset(upload), upload)


@get(_ONE, opt={"compat": True})
async def read_file(request: AnyRequest, key: FromPath[str]) -> FitsFile:
    dataset = await reading(request, files.dataset_of, key)
    return archive.present(request, await reading(request, files.read_file, dataset, key))


@route(_ONE, http_method=["PUT", "PATCH"], opt={"compat": True})
async def update_file(request: AnyRequest, key: FromPath[str]) -> FitsFile:
    signed_in(viewer_of(request), "fitsfiles:update")
    dataset = await reading(request, files.dataset_of, key)
    return await archive.change(request, dataset, key)


@delete(_ONE, opt={"compat": True})
async def delete_file(request: AnyRequest, key: FromPath[str]) -> None:
    signed_in(viewer_of(request), "fitsfiles:delete")
    dataset = await reading(request, files.dataset_of, key)
    await writing(request, files.delete_file, dataset, key)


@get("/catalogues/{key:str}/rows/", opt={"compat": True})
async def rows(request: AnyRequest, key: FromPath[str]) -> Any:
    return await listed(request, lambda backend, viewer: list_rows(backend, viewer, key))


def _nothing(name: str) -> list[Any]:
    """Make the routes of things that are not kept here yet."""

    def none(backend: Backend, viewer: Viewer) -> MemoryListing[msgspec.Struct]:
        if name not in _PUBLIC:
            signed_in(viewer)
        return MemoryListing([])

    @get(f"/{name}/", opt={"compat": True})
    async def list_(request: AnyRequest) -> Any:
        return await listed(request, none)

    @get(f"/{name}/{{key:str}}/", opt={"compat": True})
    async def read(request: AnyRequest, key: FromPath[str]) -> None:
        raise NotFoundError(f"{key[:60]!r} not found: this server keeps no {name} yet.")

    return [list_, read]


def _dataset(upload: Upload) -> str:
    if dataset := upload.fields.get("dataset", ""):
        return dataset
    raise InvalidInputError(fields={"dataset": ["This field is required, before the file."]})


routes = [
    list_files,
    create_file,
    read_file,
    update_file,
    delete_file,
    rows,
    *(handler for name in _ABSENT for handler in _nothing(name)),
]
