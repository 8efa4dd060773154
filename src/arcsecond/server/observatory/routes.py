"""Routes of the observatory directory, finding charts and satellites."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from litestar import Response, get, post
from litestar.params import FromPath

from arcsecond.errors import InvalidInputError
from arcsecond.schemas.observatory import (
    FindingChart,
    Instrument,
    ObservingSite,
    Satellite,
    SatelliteImport,
    Telescope,
)
from arcsecond.server.context import AnyRequest, base_url, read_bytes, reading, writing
from arcsecond.server.crud import listed
from arcsecond.server.observatory import service

LARGEST_ELEMENT_FILE = 64 << 20


@get("/observingsites/", opt={"resource": "observingsites", "verb": "list"})
async def list_sites(request: AnyRequest) -> Any:
    return await listed(request, service.list_sites)


@get("/observingsites/{key:str}/", opt={"resource": "observingsites", "verb": "read"})
async def read_site(request: AnyRequest, key: FromPath[str]) -> ObservingSite:
    return await reading(request, service.read_site, key)


@get("/telescopes/", opt={"resource": "telescopes", "verb": "list"})
async def list_telescopes(request: AnyRequest) -> Any:
    return await listed(request, service.list_telescopes)


@get("/telescopes/{key:str}/", opt={"resource": "telescopes", "verb": "read"})
async def read_telescope(request: AnyRequest, key: FromPath[str]) -> Telescope:
    return await reading(request, service.read_telescope, key)


@get("/instruments/", opt={"resource": "instruments", "verb": "list"})
async def list_instruments(request: AnyRequest) -> Any:
    return await listed(request, service.list_instruments)


@get("/instruments/{key:str}/", opt={"resource": "instruments", "verb": "read"})
async def read_instrument(request: AnyRequest, key: FromPath[str]) -> Instrument:
    return await reading(request, service.read_instrument, key)


@get("/findingcharts/{key:str}/", opt={"resource": "findingcharts", "verb": "read"})
async def read_charts(request: AnyRequest, key: FromPath[str]) -> Any:
    folder = f"{base_url(request)}/findingcharts/{quote(key, safe='')}/"

    def present(chart: FindingChart) -> FindingChart:
        chart.image_url = folder + chart.image_url
        return chart

    return await listed(
        request, lambda backend, viewer: service.list_charts(backend, viewer, key), present=present
    )


@get("/findingcharts/{key:str}/chart.svg")
async def draw_chart(request: AnyRequest, key: FromPath[str]) -> Response[str]:
    drawn = await reading(request, service.draw_chart, key)
    return Response(drawn, media_type="image/svg+xml")


@get("/satellites/", opt={"resource": "satellites", "verb": "list"})
async def list_satellites(request: AnyRequest) -> Any:
    return await listed(request, service.list_satellites)


@get("/satellites/{key:str}/", opt={"resource": "satellites", "verb": "read"})
async def read_satellite(request: AnyRequest, key: FromPath[str]) -> Satellite:
    return await reading(request, service.read_satellite, key)


@post("/satellites/import/", status_code=200)
async def import_satellites(request: AnyRequest) -> SatelliteImport:
    raw = await read_bytes(request, LARGEST_ELEMENT_FILE)
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise InvalidInputError("This file is no text; element sets are lines of text.") from error
    return await writing(request, service.import_satellites, text)


routes = [
    list_sites,
    read_site,
    list_telescopes,
    read_telescope,
    list_instruments,
    read_instrument,
    read_charts,
    draw_chart,
    list_satellites,
    read_satellite,
    import_satellites,
]
