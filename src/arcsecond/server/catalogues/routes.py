"""Routes of the catalogues."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from litestar import get
from litestar.params import FromPath
from litestar.response import Redirect

from arcsecond.errors import InvalidInputError
from arcsecond.registry import BY_NAME
from arcsecond.schemas.catalogues import AstronomicalObject, Exoplanet
from arcsecond.server.catalogues import service
from arcsecond.server.context import AnyRequest, reading, wanted
from arcsecond.server.crud import LARGEST_PAGE, listed, look_routes, parse_amount


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
    return await reading(request, service.read_object, key)


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


routes = [
    list_objects,
    read_object,
    list_exoplanets,
    read_exoplanet,
    list_standard_stars,
    *look_routes("catalogues", service.list_catalogues, service.read_catalogue),
]
