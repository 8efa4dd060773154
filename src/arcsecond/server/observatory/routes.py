"""Routes of the observatory directory, the sky above it, finding charts and satellites."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any, get_args
from urllib.parse import quote

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from arcsecond.errors import InvalidInputError, NotFoundError, TooLargeError
from arcsecond.registry import BY_NAME
from arcsecond.schemas.observatory import DirectoryImport, FindingChart
from arcsecond.schemas.sky import Night, SatellitePosition
from arcsecond.server.context import (
    AnyRequest,
    backend_of,
    base_url,
    read_bytes,
    turns_of,
    wanted,
    writing,
)
from arcsecond.server.crud import look_routes, record_routes
from arcsecond.server.observatory import charts, codes, satellites, service
from arcsecond.server.observatory.equipment import Instruments, Sites, Telescopes
from arcsecond.server.observatory.figures import MEDIA, Format
from arcsecond.server.observatory.importing import may_import
from arcsecond.server.paging import MemoryListing, filters_of, listed
from arcsecond.server.receiving import is_multipart, received

LARGEST_FILE = 64 << 20
_KEPT_S = 3600
"""How long a browser may show a picture without asking again."""

_JPG = ".jpg"


def _filters(request: AnyRequest, name: str) -> dict[str, str]:
    return filters_of(request, BY_NAME[name].filters)


def _to_be_asked(request: AnyRequest, filters: Mapping[str, str]) -> bool:
    """Tell whether a page has to ask for a site first: nothing was said yet."""
    return not (filters or backend_of(request).settings.site) and wanted(request) == "html"


@get("/observingsites/tonight/", opt={"resource": "tonight", "verb": "read"})
async def read_tonight_here(request: AnyRequest) -> Night:
    return await writing(request, service.read_tonight, "", _filters(request, "tonight"))


@get("/observingsites/{observingsite:str}/tonight/", opt={"resource": "tonight", "verb": "read"})
async def read_tonight(request: AnyRequest, observingsite: FromPath[str]) -> Night:
    filters = _filters(request, "tonight")
    return await writing(request, service.read_tonight, observingsite, filters)


@get("/objects/{object:str}/visibility/", opt={"resource": "visibility", "verb": "read"})
async def read_visibility(request: AnyRequest) -> Any:
    key = request.path_params["object"]
    filters = _filters(request, "visibility")
    if _to_be_asked(request, filters):
        return Redirect(service.page_of(backend_of(request), key), status_code=303)
    found = await writing(request, service.read_visibility, key, filters)
    folder = f"{base_url(request)}/objects/{quote(key, safe='')}/visibility/"
    found.image_url = folder + charts.curve_address(found)
    return found


@get("/objects/{object:str}/visibility/{picture:str}")
async def draw_curve(request: AnyRequest, picture: FromPath[str]) -> Response[bytes]:
    kind = _kind(picture, "curve")
    filters = _filters(request, "visibility")
    key = request.path_params["object"]
    return await _drawn(request, charts.draw_curve, key, kind, filters)


@get("/findingcharts/{key:str}/", opt={"resource": "findingcharts", "verb": "read"})
async def read_charts(request: AnyRequest, key: FromPath[str]) -> Any:
    folder = f"{base_url(request)}/findingcharts/{quote(key, safe='')}/"
    filters = _filters(request, "findingcharts")

    def present(chart: FindingChart) -> FindingChart:
        chart.image_url = folder + chart.image_url
        chart.other_urls = [folder + url for url in chart.other_urls]
        return chart

    # It may ask what surveys cover, which takes its time.
    listing = await writing(request, charts.list_charts, key, filters)
    return await listed(request, lambda backend, viewer: listing, present=present)


@get("/findingcharts/{key:str}/{picture:str}")
async def draw_chart(
    request: AnyRequest, key: FromPath[str], picture: FromPath[str]
) -> Response[bytes]:
    filters = _filters(request, "findingcharts")
    if picture.endswith(_JPG):
        survey = picture.removesuffix(_JPG)
        shown = await writing(request, charts.survey_picture, key, survey, filters)
        return _picture(shown, "image/jpeg")
    kind = _kind(picture, "chart")
    return await _drawn(request, charts.draw_chart, key, kind, filters)


async def _drawn(
    request: AnyRequest, draw: Callable[..., bytes | None], key: str, kind: Format, filters: Any
) -> Response[bytes]:
    """Answer a picture; those that have to be drawn wait for one another, and hold no threads."""
    content = await writing(request, draw, key, kind, filters, only_kept=True)
    if content is None:
        async with turns_of(request).drawing:
            content = await writing(request, draw, key, kind, filters)
    return _picture(content or b"", MEDIA[kind])


def _kind(picture: str, name: str) -> Format:
    """Return the format that the last part of an address asks for."""
    for kind in get_args(Format):
        if picture == f"{name}.{kind}":
            return kind  # type: ignore[no-any-return]  # one of the literals
    choices = ", ".join(f"{name}.{kind}" for kind in get_args(Format))
    raise NotFoundError(f"Picture {picture[:40]!r} not found; there are {choices}.")


def _picture(content: bytes, media: str) -> Response[bytes]:
    headers = {"Cache-Control": f"max-age={_KEPT_S}"}
    return Response(content, media_type=media, headers=headers)


@get("/satellites/passes/", opt={"resource": "passes", "verb": "list"})
async def list_all_passes(request: AnyRequest) -> Any:
    return await _passes(request, "")


@get("/satellites/{satellite:str}/passes/", opt={"resource": "passes", "verb": "list"})
async def list_passes(request: AnyRequest, satellite: FromPath[str]) -> Any:
    return await _passes(request, satellite)


async def _passes(request: AnyRequest, key: str) -> Any:
    filters = _filters(request, "passes")
    if _to_be_asked(request, filters):
        return await listed(request, lambda backend, viewer: MemoryListing([]))
    # All of them take some seconds: one question after another, and none holds a thread.
    turn = contextlib.nullcontext() if key else turns_of(request).finding
    async with turn:
        listing = await writing(request, satellites.list_passes, key, filters)
    pinned, note = listing.pinned, listing.note
    return await listed(request, lambda backend, viewer: listing, pinned=pinned, note=note)


@get("/satellites/{satellite:str}/position/", opt={"resource": "position", "verb": "read"})
async def read_position(request: AnyRequest, satellite: FromPath[str]) -> SatellitePosition:
    filters = _filters(request, "position")
    return await writing(request, satellites.read_position, satellite, filters)


@post("/satellites/import/", status_code=200)
async def import_satellites(request: AnyRequest) -> Any:
    raw = await _only_file(request)
    done = await writing(request, satellites.import_satellites, raw)
    return _imported(request, "/satellites/", done)


@post("/observingsites/import/", status_code=200)
async def import_sites(request: AnyRequest) -> Any:
    raw = await _only_file(request)
    done = await writing(request, codes.import_codes, raw)
    return _imported(request, "/observingsites/", done)


def _imported(request: AnyRequest, page: str, done: DirectoryImport) -> Any:
    """Answer what was done; the form on the page leads back to it."""
    return Redirect(page, status_code=303) if wanted(request) == "html" else done


async def _only_file(request: AnyRequest) -> bytes:
    """Return the bytes of the one file that is sent, or of the body itself."""
    if is_multipart(request):
        await writing(request, may_import)
        async with received(request, backend_of(request)) as upload:
            if upload.only is None:
                raise InvalidInputError(fields={"file": ["No file was sent."]})
            with upload.only.open() as file:
                raw: bytes = file.read(LARGEST_FILE + 1)
    else:
        raw = await read_bytes(request, LARGEST_FILE)
    if len(raw) > LARGEST_FILE:
        raise TooLargeError(f"The file is larger than {LARGEST_FILE >> 20} MiB.")
    return raw


@get("/exoplanets/{exoplanet:str}/transits/", opt={"resource": "transits", "verb": "list"})
async def list_transits(request: AnyRequest, exoplanet: FromPath[str]) -> Any:
    filters = _filters(request, "transits")
    return await listed(
        request, lambda backend, viewer: service.list_transits(backend, viewer, exoplanet, filters)
    )


routes = [
    *record_routes("observingsites", Sites()),
    *record_routes("telescopes", Telescopes()),
    *record_routes("instruments", Instruments()),
    *look_routes("satellites", satellites.list_satellites, satellites.read_satellite),
    read_tonight,
    read_tonight_here,
    read_visibility,
    draw_curve,
    read_charts,
    draw_chart,
    list_all_passes,
    list_passes,
    read_position,
    list_transits,
    import_satellites,
    import_sites,
]
