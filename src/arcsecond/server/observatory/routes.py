"""Routes of the observatory directory, finding charts and satellites."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from litestar import Response, get, post
from litestar.params import FromPath

from arcsecond.errors import InvalidInputError, TooLargeError
from arcsecond.registry import BY_NAME
from arcsecond.schemas.observatory import FindingChart, SatelliteImport
from arcsecond.server.context import AnyRequest, backend_of, base_url, read_bytes, reading, writing
from arcsecond.server.crud import filters_of, listed, look_routes
from arcsecond.server.observatory import service
from arcsecond.server.receiving import is_multipart, received

LARGEST_ELEMENT_FILE = 64 << 20


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


@post("/satellites/import/", status_code=200)
async def import_satellites(request: AnyRequest) -> SatelliteImport:
    if is_multipart(request):
        await writing(request, service.may_import_satellites)
        async with received(request, backend_of(request)) as upload:
            if upload.only is None:
                raise InvalidInputError(fields={"file": ["No file was sent."]})
            with upload.only.open() as file:
                raw = file.read(LARGEST_ELEMENT_FILE + 1)
    else:
        raw = await read_bytes(request, LARGEST_ELEMENT_FILE)
    if len(raw) > LARGEST_ELEMENT_FILE:
        raise TooLargeError(f"The file is larger than {LARGEST_ELEMENT_FILE >> 20} MiB.")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        problem = "This file is no text; element sets are lines of text."
        raise InvalidInputError(fields={"file": [problem]}) from error
    return await writing(request, service.import_satellites, text)


@get("/exoplanets/{exoplanet:str}/transits/", opt={"resource": "transits", "verb": "list"})
async def list_transits(request: AnyRequest, exoplanet: FromPath[str]) -> Any:
    filters = filters_of(request, BY_NAME["transits"].filters)
    return await listed(
        request, lambda backend, viewer: service.list_transits(backend, viewer, exoplanet, filters)
    )


routes = [
    *look_routes("observingsites", service.list_sites, service.read_site),
    *look_routes("telescopes", service.list_telescopes, service.read_telescope),
    *look_routes("instruments", service.list_instruments, service.read_instrument),
    *look_routes("satellites", service.list_satellites, service.read_satellite),
    read_charts,
    draw_chart,
    list_transits,
    import_satellites,
]
