"""Decide who is asking, once per request and nowhere else.

A key, a token, a browser's session, or the in-process transport of the
embedded server, whose user owns the data. An unauthenticated request from the
network is a stranger, always.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from arcsecond.errors import ArcsecondNotLoggedInError, NotAllowedError
from arcsecond.server.context import (
    IN_PROCESS,
    STRANGER,
    AnyRequest,
    Backend,
    Viewer,
    backend_of,
)
from arcsecond.server.people.keys import viewer_with_key
from arcsecond.server.people.service import owner

COOKIE = "arcsecond_session"
_SAID = {b"authorization", b"x-arcsecond-api-authorization", b"cookie"}
"""Headers that may say who is asking."""

_READING = {"GET", "HEAD", "OPTIONS"}


async def decide(request: AnyRequest) -> None:
    """Put the viewer into the request's scope before the route is called."""
    backend = backend_of(request)
    if request.route_handler.opt.get("anonymous"):
        viewer = STRANGER
    elif backend.db.local:
        viewer = _viewer(request, backend)
    else:
        viewer = await asyncio.to_thread(_viewer, request, backend)
    request.scope["viewer"] = viewer  # type: ignore[typeddict-unknown-key]  # our own entry


def _viewer(request: AnyRequest, backend: Backend) -> Viewer:
    if not _SAID.isdisjoint(name for name, _ in request.scope["headers"]):
        return _said(request, backend)
    return owner(backend) if IN_PROCESS in request.scope else STRANGER


def _said(request: AnyRequest, backend: Backend) -> Viewer:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "token" and token.strip():
        return viewer_with_key(backend, token.strip(), kinds=("token",))
    header = request.headers.get("x-arcsecond-api-authorization", "")
    key = header.removeprefix("Key").strip()
    if key:
        return viewer_with_key(backend, key, kinds=("access", "upload", "named"))
    if IN_PROCESS in request.scope:
        return owner(backend)
    if session := request.cookies.get(COOKIE):
        try:
            viewer = viewer_with_key(backend, session, kinds=("session",))
        except ArcsecondNotLoggedInError:
            return STRANGER
        refuse_foreign_pages(request)
        return viewer
    return STRANGER


def refuse_foreign_pages(request: AnyRequest) -> None:
    """Refuse a change that a page of another site sends with a browser's session."""
    if request.method in _READING:
        return
    origin = request.headers.get("origin")
    own = urlsplit(origin).netloc == request.headers.get("host") if origin else None
    site = request.headers.get("sec-fetch-site", "same-origin" if own else "")
    if own is False or site not in ("same-origin", "none"):
        raise NotAllowedError("A page of another site may not do this in your name.")
