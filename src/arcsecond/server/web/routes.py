"""The addresses beside the resources: /, /live, /login, /appearance, /schema, /health."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.response import Redirect, Stream

from arcsecond.errors import ArcsecondError, InvalidInputError
from arcsecond.registry import BY_NAME, RESOURCES
from arcsecond.schemas.people import Credentials
from arcsecond.server.activities.feed import feed_of
from arcsecond.server.activities.service import Activities, newest_key
from arcsecond.server.context import (
    PRIVATE,
    AnyRequest,
    Backend,
    Viewer,
    base_url,
    read_fields,
    reading,
    set_cookie,
    to_struct,
    viewer_of,
    wanted,
    writing,
)
from arcsecond.server.people import keys
from arcsecond.server.people import service as people
from arcsecond.server.people.access import COOKIE, refuse_foreign_pages
from arcsecond.server.web import pages
from arcsecond.server.web.openapi.document import document
from arcsecond.version import __version__

_YEAR_S = 365 * 86_400


@get("/")
async def home(request: AnyRequest) -> Any:
    if wanted(request) == "html":
        return _page(await asyncio.to_thread(pages.home, request))
    base = base_url(request)
    return {r.name: base + r.path for r in RESOURCES if not r.parent}


@get("/health", opt={"anonymous": True})
async def health(request: AnyRequest) -> dict[str, str]:
    await reading(request, _check_database)
    return {"status": "ok", "version": __version__}


def _check_database(backend: Backend, viewer: Viewer) -> None:
    backend.db.revision()


@get("/schema", opt={"anonymous": True})
async def schema(request: AnyRequest) -> Response[bytes]:
    return Response(msgspec.json.encode(document(base_url(request))), media_type="application/json")


@get("/live")
async def live(request: AnyRequest) -> Response[Any]:
    if wanted(request) == "html":
        return _page(await reading(request, _live_page, request))
    last = request.headers.get("last-event-id", "") or str(request.query_params.get("after", ""))
    after = int(last) if last.isascii() and last.isdigit() and len(last) < 19 else None
    events = feed_of(request).follow(viewer_of(request), after)
    return Stream(
        events, media_type="text/event-stream", headers={"Cache-Control": "no-cache, no-transform"}
    )


def _live_page(backend: Backend, viewer: Viewer, request: AnyRequest) -> str:
    # The key first: what is published in between is then shown twice, never missed,
    # and the page knows by its key what it shows already.
    last = newest_key(backend, viewer)
    latest = Activities().list_(backend, viewer, {}).rows(None, BY_NAME["activities"].latest or 0)
    return pages.live(request, [activity for _, activity in latest], last)


@get("/login")
async def login_page(request: AnyRequest) -> Any:
    next_path = local_path(request.query_params.get("next", "/"))
    token = request.query_params.get("token")
    if token:
        return _signed_in(request, await writing(request, _spend, token), next_path)
    return _page(pages.login(request, next_path))


def _spend(backend: Backend, viewer: Viewer, token: str) -> str:
    return keys.spend_once(backend, token)


@post("/login", status_code=200)
async def login(request: AnyRequest) -> Any:
    refuse_foreign_pages(request)
    fields = await read_fields(request)
    next_path = local_path(str(fields.get("next", "/")))
    if "out" in fields:
        await writing(request, keys.revoke, request.cookies.get(COOKIE, ""))
        gone = Redirect("/", status_code=303)
        gone.delete_cookie(COOKIE)
        return gone
    body = to_struct(fields, Credentials)
    try:
        session = await writing(request, people.login, body, "session")
    except ArcsecondError as problem:
        page = pages.login(request, next_path, problem.detail)
        return Response(page, status_code=problem.status, media_type="text/html")
    return _signed_in(request, session, next_path)


def _signed_in(request: AnyRequest, session: str, next_path: str) -> Redirect:
    answer = Redirect(next_path, status_code=303)
    set_cookie(request, answer, COOKIE, session, int(keys.LIFETIMES["session"].total_seconds()))
    return answer


@post("/appearance", status_code=303, opt={"anonymous": True})
async def appearance(request: AnyRequest) -> Redirect:
    refuse_foreign_pages(request)
    fields = await read_fields(request)
    mode = str(fields.get("mode", ""))
    if mode not in pages.MODES:
        raise InvalidInputError(fields={"mode": [f"{mode[:20]!r} is none of {pages.MODES}."]})
    answer = Redirect(local_path(str(fields.get("next", "/"))), status_code=303)
    set_cookie(request, answer, pages.MODE_COOKIE, mode, _YEAR_S)
    return answer


def local_path(path: str) -> str:
    """Return a path of this server; anything that leads elsewhere becomes the first page."""
    inside = path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if inside and path.isprintable() and path.isascii() else "/"


def _page(html: str) -> Response[str]:
    return Response(html, media_type="text/html", headers=dict(PRIVATE))


routes = [home, health, schema, live, login_page, login, appearance]
