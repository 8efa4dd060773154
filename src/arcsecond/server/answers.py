"""Turn what a route returns into what was asked for, and errors into answers.

A route returns the API's answer. Someone who wants JSON gets just that; a
browser gets the page that shows it; ``?format=api`` is the JSON, readable.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from litestar import Response
from litestar.exceptions import HTTPException
from litestar.types import Receive, Scope, Send

from arcsecond.errors import (
    ArcsecondError,
    ArcsecondNotLoggedInError,
    MethodNotAllowedError,
    NotFoundError,
    ServerFaultError,
    UnavailableError,
    for_status,
)
from arcsecond.server.context import PRIVATE, AnyRequest, wanted
from arcsecond.server.paging import NOTE_HEADER, Page
from arcsecond.server.web import pages

logger = logging.getLogger(__name__)

_SYSTEM_FAILS = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOMEM}
)
"""No file descriptors, a read-only disk, a broken one: nothing that the program can mend."""


class Answer(Response[Any]):
    """The response of every route: JSON, or the page that shows it."""

    def to_asgi_response(self, app: Any, request: AnyRequest, **kwargs: Any) -> Any:
        """Render what was asked for."""
        for name, value in PRIVATE.items():
            self.headers.setdefault(name, value)
        content = self.content
        if isinstance(content, Page):
            if content.next:
                self.headers["Link"] = f'<{content.next}>; rel="next"'
            if content.note:
                self.headers[NOTE_HEADER] = content.note
            self.content = content.to_wire()
        opt = request.route_handler.opt
        kind = wanted(request)
        if kind == "json" or "resource" not in opt or content is None:
            plain = self.media_type in (None, "application/json") and self.content is not None
            if self.cookies or kwargs.get("cookies") or not plain:
                return super().to_asgi_response(app, request, **kwargs)
            return Json(msgspec.json.encode(self.content), self.status_code or 200, self.headers)
        if kind == "api":
            return LaterPage(self, request, lambda: pages.api(request, self.content))
        return LaterPage(self, request, lambda: pages.page(request, opt, content))

    def render(self, content: Any, media_type: str, enc_hook: Any = None) -> bytes:
        """Encode JSON by msgspec alone: every answer is made of its structs."""
        if media_type == "application/json":
            return msgspec.json.encode(content)
        return super().render(content, media_type, enc_hook)


class Json:
    """JSON on its way out: what most answers are, without what they do not need."""

    def __init__(self, body: bytes, status: int, headers: Mapping[str, str]) -> None:
        self._body = body
        self._status = status
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        headers = [(b"content-type", b"application/json")]
        headers += [(n.lower().encode(), value.encode()) for n, value in self._headers.items()]
        headers.append((b"content-length", b"%d" % len(self._body)))
        begin: Any = {"type": "http.response.start", "status": self._status, "headers": headers}
        await send(begin)
        await send({"type": "http.response.body", "body": self._body, "more_body": False})


class LaterPage:
    """A page that is rendered in a thread, since it may ask the database for more."""

    def __init__(self, answer: Answer, request: AnyRequest, render: Callable[[], str]) -> None:
        self._answer = answer
        self._request = request
        self._render = render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Render the page and send it."""
        status = self._answer.status_code or 200
        page: Response[Any]
        try:
            html = await asyncio.to_thread(self._render)
            page = Response(
                html, status_code=status, headers=self._answer.headers, media_type="text/html"
            )
        except Exception as error:  # noqa: BLE001  # behind the exception handlers
            page = error_answer(self._request, error)
        await page.to_asgi_response(None, self._request)(scope, receive, send)


def error_answer(request: AnyRequest, error: Exception) -> Response[Any]:
    """Answer an error in the one shape that all of them have."""
    ours, headers = _ours(request, error)
    if wanted(request) != "json":
        page = pages.error(request, ours)
        return Response(page, status_code=ours.status, media_type="text/html", headers=headers)
    return Response(
        msgspec.json.encode(ours.to_wire()),
        status_code=ours.status,
        media_type="application/json",
        headers=headers,
    )


def _unexpected(what: str, error: Exception) -> ArcsecondError:
    """Log what nobody foresaw, with its traceback; what the system refuses, without."""
    if isinstance(error, OSError) and error.errno in _SYSTEM_FAILS:
        logger.warning("%s failed: %s", what, error)
        return UnavailableError(f"The server's system refuses to do this: {error.strerror}.")
    reference = uuid.uuid4().hex[:12]
    logger.error("%s failed, %s", what, reference, exc_info=error)
    return ServerFaultError(f"The server failed; its log tells why under {reference}.")


def _ours(request: AnyRequest, error: Exception) -> tuple[ArcsecondError, dict[str, str]]:
    headers = dict(PRIVATE)
    path = request.scope["path"]
    if isinstance(error, ArcsecondError):
        found = error
        headers |= error.headers
    elif isinstance(error, HTTPException):
        headers |= {k: v for k, v in (error.headers or {}).items() if k.lower() == "allow"}
        match error.status_code:
            case 404:
                found = NotFoundError(f"Address {path[:200]} not found.")
            case 405:
                found = MethodNotAllowedError(f"{path[:200]} does not take {request.method}.")
            case status:
                found = for_status(status)(str(error.detail))
    else:
        found = _unexpected(f"{request.method} {path}", error)
    if isinstance(found, ArcsecondNotLoggedInError):
        headers["WWW-Authenticate"] = 'Token realm="arcsecond"'
    return found, headers


def without_body(receive: Receive, send: Send) -> tuple[Receive, Send]:
    """Return what lets an answer end before its body, also one that would go on for ever."""
    is_over = asyncio.Event()

    async def receiving() -> Any:
        if not is_over.is_set():
            waiting = {asyncio.ensure_future(receive()), asyncio.ensure_future(is_over.wait())}
            done, rest = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in rest:
                task.cancel()
            for task in done:
                if (message := task.result()) is not True:
                    return message
        return {"type": "http.disconnect"}

    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            await send(message)
        elif not is_over.is_set():
            is_over.set()
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return receiving, sending
