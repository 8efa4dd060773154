"""Put the application together; the only place where everything is known.

``create_app`` makes it from settings, ``serving`` from the environment for the
processes that ``arcsecond serve`` starts.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import resource
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from litestar import Litestar, Response
from litestar.enums import ScopeType
from litestar.routes import HTTPRoute
from litestar.static_files import create_static_files_router
from litestar.types import HTTPScope, Send

from arcsecond.errors import InvalidInputError, NotFoundError
from arcsecond.registry import BY_NAME
from arcsecond.server import apart
from arcsecond.server.activities.routes import routes as activities
from arcsecond.server.answers import Answer, error_answer, without_body
from arcsecond.server.archive.packages.routes import routes as packages
from arcsecond.server.archive.packages.sharing import recognise
from arcsecond.server.archive.places import KnownPlaces
from arcsecond.server.archive.reindexing import index_all
from arcsecond.server.archive.routes import routes as archive
from arcsecond.server.catalogues.routes import routes as catalogues
from arcsecond.server.compat.routes import routes as compat
from arcsecond.server.context import FORM_METHODS, AnyRequest, Backend, backend_of
from arcsecond.server.db import Database, usable
from arcsecond.server.life import Life
from arcsecond.server.migrations import HEAD
from arcsecond.server.observatory.directory import bring_up_to_date
from arcsecond.server.observatory.routes import routes as observatory
from arcsecond.server.people.access import decide
from arcsecond.server.people.routes import routes as people
from arcsecond.server.people.secrets import read_secret
from arcsecond.server.records.routes import routes as records
from arcsecond.server.settings import Settings
from arcsecond.server.storage.folder import FolderStore
from arcsecond.server.transfers.downloads import routes as downloads
from arcsecond.server.transfers.routes import VERSION, about, is_tus
from arcsecond.server.transfers.routes import routes as transfers
from arcsecond.server.trash.routes import routes as trash
from arcsecond.server.web.routes import routes as web

SLASH = "\ue000"
"""Stands for a slash inside a segment of a path; no name holds this character."""

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
_SECURITY = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]


def open_backend(settings: Settings) -> Backend:
    """Open database, store and secret; bring the schema up to date.

    Alembic is imported only when there is something to do.
    """
    db = Database(settings)
    try:
        older = db.revision() != HEAD
        if older:
            from arcsecond.server.migrations.upgrade import upgrade

            with usable(settings.home), db.exclusive():
                upgrade(db)
        bring_up_to_date(db)
        with usable(settings.home):
            secret = read_secret(settings.secret_path)
            backend = Backend(settings, db, FolderStore(settings.home, KnownPlaces(db)), secret)
        if older:
            index_all(backend)  # what was there before can be searched at once
        return backend
    except BaseException:
        db.close()
        raise


def create_app(settings: Settings, *, serving: bool = False) -> Application:
    """Make the application.

    Parameters
    ----------
    serving
        Whether it runs in a process that ``arcsecond serve`` started.
    """
    return Application(open_backend(settings), serving=serving)


_HANDLERS: list[Any] = [
    *web,
    *people,
    *catalogues,
    *observatory,
    *archive,
    *packages,
    *transfers,
    *downloads,
    *trash,
    *records,
    *activities,
    *compat,
]
_STATIC = "static"


def _first(path: str) -> str:
    """Return the first segment of a path."""
    return path.lstrip("/").partition("/")[0]


_FIRST = frozenset({_first(path) for handler in _HANDLERS for path in handler.paths} | {_STATIC})


@functools.cache
def routed(first: str | None = None) -> Litestar:
    """Return the table of routes; it is the same for all applications of a process.

    Parameters
    ----------
    first
        Only of addresses that begin with this segment: a command asks for few, and making
        the whole table takes a third of a second.
    """
    handlers = [
        handler
        for handler in _HANDLERS
        if first is None or first in {_first(path) for path in handler.paths}
    ]
    if first in (None, _STATIC):
        folder = Path(__file__).parent / "web" / "static"
        handlers.append(
            create_static_files_router(
                path=f"/{_STATIC}", directories=[folder], opt={"anonymous": True}
            )
        )
    litestar = Litestar(
        handlers,
        before_request=_prepare,
        response_class=Answer,
        exception_handlers={Exception: error_answer},
        openapi_config=None,
        logging_config=None,
        # Bodies are read by us, each with the limit that fits it.
        request_max_body_size=None,
    )
    litestar.state.methods = {
        route.path_format: ", ".join(sorted(_with_head(route.methods)))
        for route in litestar.routes
        if isinstance(route, HTTPRoute)
    }
    return litestar


def serving() -> Application:
    """Make the application for a server process."""
    allow_many_files()
    apart.fork_from_now_on()
    application = create_app(Settings.from_environment(), serving=True)
    # What is there now stays: looking for garbage in it again and again is in vain.
    gc.collect()
    gc.freeze()
    return application


def allow_many_files() -> None:
    """Let this process open as many files as the system lets it, not the few of a shell."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):  # macOS knows a lower limit of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _prepare(request: AnyRequest) -> Response[None] | None:
    """Give names their slashes back and decide who is asking, before any route.

    OPTIONS is answered here: Litestar 2 tells the methods of the first handler
    of a path only (https://github.com/litestar-org/litestar/issues/4169).
    """
    parameters: dict[str, Any] = request.scope["path_params"]
    for name, value in parameters.items():
        parameters[name] = value.replace(SLASH, "/") if isinstance(value, str) else value
    if "\0" in request.scope["path"]:
        raise NotFoundError("An address with a NUL character not found.")
    if b"%00" in request.scope["query_string"]:
        raise InvalidInputError("A query holds no NUL character.")
    _drop_empty(request)
    await decide(request)
    await recognise(request)
    if request.method != "OPTIONS":
        return None
    allowed = request.app.state.methods[request.scope["path_template"]]
    headers = {"Allow": allowed}
    if is_tus(request.scope["path"]):
        headers |= about(backend_of(request))
    return Response(None, status_code=204, headers=headers)


def _drop_empty(request: AnyRequest) -> None:
    """Leave out the filters of a list that say nothing, as a form sends them."""
    query: bytes = request.scope["query_string"]
    if b"=&" not in query + b"&" or "text/html" not in request.headers.get("accept", ""):
        return
    resource = BY_NAME.get(request.route_handler.opt.get("resource", ""))
    names = {field.name.encode() for field in resource.form} if resource else set()
    parts = [part for part in query.split(b"&") if part[-1:] != b"=" or part[:-1] not in names]
    request.scope["query_string"] = b"&".join(parts)


class Application:
    """The ASGI application: one function before routing, then Litestar.

    It folds ``//``, keeps an encoded slash inside its segment, and adds the
    headers that every answer carries.

    Attributes
    ----------
    backend
        What it serves.
    """

    def __init__(self, backend: Backend, *, serving: bool) -> None:
        self.backend = backend
        self._life = Life(backend, serving=serving)
        self._whole = routed() if serving else None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one connection, or live from the first one to the last."""
        if scope["type"] == "lifespan":
            await self._life.run(receive, send)
            return
        table = self._whole
        if scope["type"] == ScopeType.HTTP:
            scope |= self._life.scope()
            scope["raw_path"], scope["path"] = clean_path(scope)
            if scope["method"] == "POST" and scope["query_string"] in FORM_METHODS:
                scope["method"] = FORM_METHODS[scope["query_string"]]
            headers = _SECURITY
            if is_tus(scope["path"]):
                headers = [*headers, (b"tus-resumable", VERSION.encode())]
                _override(scope)
            send = _with_headers(send, headers)
            if scope["method"] == "HEAD" and not _has_own_head(scope["path"]):
                scope["method"] = "GET"
                receive, send = without_body(receive, send)
        if table is None:
            first = _first(scope["path"])
            table = routed(first if first in _FIRST else "")
        await table(scope, receive, send)


def clean_path(scope: Any) -> tuple[bytes, str]:
    """Return the path as it was sent, ``//`` folded, and as it is routed."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    raw = raw.partition(b"?")[0]
    if b"//" not in raw and b"%2F" not in raw.upper():
        return raw, unquote_to_bytes(raw).decode("utf-8", "replace")
    segments = [segment for segment in raw.split(b"/") if segment]
    ending = b"/" if segments and raw.endswith(b"/") else b""
    decoded = [
        unquote_to_bytes(segment).decode("utf-8", "replace").replace("/", SLASH)
        for segment in segments
    ]
    return b"/" + b"/".join(segments) + ending, "/" + "/".join(decoded) + ending.decode()


def _override(scope: HTTPScope) -> None:
    """Take the method of a client that cannot send PATCH or DELETE from a header, as tus wants."""
    asked = dict(scope["headers"]).get(b"x-http-method-override")
    if scope["method"] == "POST" and asked in (b"PATCH", b"DELETE"):
        scope["method"] = "PATCH" if asked == b"PATCH" else "DELETE"


def _with_head(methods: Collection[str]) -> set[str]:
    return {*map(str, methods)} | ({"HEAD"} if "GET" in methods else set())


def _has_own_head(path: str) -> bool:
    """Tell whether an address answers HEAD in its own way: without opening the bytes."""
    return path.startswith("/uploads/") or path.endswith("/download/")


def _with_headers(send: Send, headers: Sequence[tuple[bytes, bytes]]) -> Send:
    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            sent = {name.lower() for name, _ in message["headers"]}
            more = [header for header in headers if header[0] not in sent]
            message["headers"] = [*message["headers"], *more]
        await send(message)

    return sending
