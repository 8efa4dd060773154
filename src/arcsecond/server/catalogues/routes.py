"""Routes of the catalogues."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from litestar import delete, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from arcsecond.errors import InvalidInputError, NotFoundError
from arcsecond.registry import BY_NAME
from arcsecond.schemas.catalogues import (
    AstronomicalObject,
    CatalogueRefresh,
    Exoplanet,
)
from arcsecond.server.catalogues import importing, online, refreshing, service
from arcsecond.server.catalogues.places import parse_place
from arcsecond.server.context import (
    AnyRequest,
    backend_of,
    is_set,
    read_body,
    reading,
    wanted,
    writing,
)
from arcsecond.server.crud import look_routes
from arcsecond.server.paging import LARGEST_PAGE, listed
from arcsecond.server.parsing import parse_amount
from arcsecond.server.receiving import MOST_AT_ONCE, received


@get("/objects/", opt={"resource": "objects", "verb": "list"})
async def list_objects(request: AnyRequest) -> Any:
    name = request.query_params.get("name", "")
    # The form of the first page sends a name, and nothing else.
    if name and len(request.query_params) == 1 and wanted(request) == "html":
        return Redirect(f"/objects/{quote(name, safe='')}/", status_code=303)
    known = BY_NAME["objects"].filters
    filters = {k: v for k, v in request.query_params.items() if k in known}
    return await listed(
        request,
        lambda backend, viewer: service.list_objects(backend, viewer, filters),
        enveloped=True,
    )


@get("/objects/{key:str}/", opt={"resource": "objects", "verb": "read"})
async def read_object(request: AnyRequest, key: FromPath[str]) -> AstronomicalObject:
    try:
        return await reading(request, service.read_object, key)
    except NotFoundError:
        if parse_place(key) or not online.worth_asking(backend_of(request).settings, key):
            raise
    return await writing(request, service.ask_elsewhere, key)


@get("/exoplanets/", opt={"resource": "exoplanets", "verb": "list"})
async def list_exoplanets(request: AnyRequest) -> Any:
    known = BY_NAME["exoplanets"].filters
    filters = {k: v for k, v in request.query_params.items() if k in known}
    return await listed(
        request,
        lambda backend, viewer: service.list_exoplanets(backend, viewer, filters),
        enveloped=True,
    )


@get("/exoplanets/{key:str}/", opt={"resource": "exoplanets", "verb": "read"})
async def read_exoplanet(request: AnyRequest, key: FromPath[str]) -> Exoplanet:
    return await reading(request, service.read_exoplanet, key)


@get("/standardstars/", opt={"resource": "standardstars", "verb": "list"})
async def list_standard_stars(request: AnyRequest) -> Any:
    query = request.query_params
    around, text = query.get("around", ""), query.get("count", "5")
    if (count := parse_amount(text, LARGEST_PAGE)) is None:
        problem = f"{text[:40]!r} is not from 1 to {LARGEST_PAGE}."
        raise InvalidInputError(fields={"count": [problem]})
    return await listed(
        request,
        lambda backend, viewer: service.list_standard_stars(backend, viewer, around, count),
    )


@post(["/catalogues/import/{target:str}/"], status_code=200)
async def import_catalogue(request: AnyRequest, target: FromPath[str]) -> Any:
    await reading(request, importing.may_import, target)
    async with received(request, backend_of(request), most=MOST_AT_ONCE) as upload:
        force = is_set(upload.fields.get("force", ""))
        done = await writing(request, importing.import_files, target, upload.files, force=force)
    return _told(request, done)


@post(["/catalogues/refresh/", "/catalogues/refresh/{target:str}/"], status_code=200)
async def refresh_catalogues(request: AnyRequest) -> Any:
    body = await read_body(request, CatalogueRefresh)
    target = request.path_params.get("target", "")
    done = await writing(request, refreshing.refresh, target, force=body.force)
    return _told(request, [outcome for _, outcome in done.rows(None, LARGEST_PAGE)])


def _told(request: AnyRequest, done: Any) -> Any:
    """Answer what was done; the form on the page leads back to it."""
    return Redirect("/catalogues/", status_code=303) if wanted(request) == "html" else done


@post("/catalogues/build/", status_code=200)
async def build_catalogues(request: AnyRequest) -> Any:
    done = await writing(request, importing.build_all)
    return [outcome for _, outcome in done.rows(None, LARGEST_PAGE)]


@delete("/catalogues/{key:str}/", opt={"resource": "catalogues", "verb": "delete"})
async def remove_catalogue(request: AnyRequest, key: FromPath[str]) -> None:
    await writing(request, importing.remove, key)


@get("/catalogues/work/")
async def list_work(request: AnyRequest) -> Any:
    return await listed(request, importing.list_work)


routes = [
    list_objects,
    read_object,
    list_exoplanets,
    read_exoplanet,
    list_standard_stars,
    import_catalogue,
    refresh_catalogues,
    build_catalogues,
    remove_catalogue,
    list_work,
    *look_routes("catalogues", service.list_catalogues, service.read_catalogue),
]
