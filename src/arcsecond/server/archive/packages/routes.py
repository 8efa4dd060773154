"""Routes of data packages and their links."""

from __future__ import annotations

from typing import Any

from litestar import get, post
from litestar.params import FromPath
from litestar.response import Redirect

from arcsecond.schemas.packages import DataPackage
from arcsecond.server.archive.packages import service
from arcsecond.server.archive.packages.sharing import COOKIE, LIFETIME_S, kept_words
from arcsecond.server.context import (
    AnyRequest,
    Backend,
    Viewer,
    base_url,
    reading,
    set_cookie,
    wanted,
    writing,
)
from arcsecond.server.crud import record_routes


def present(request: AnyRequest, package: DataPackage) -> DataPackage:
    """Give a package the absolute address of its link."""
    if package.share_url:
        package.share_url = base_url(request) + package.share_url
    return package


@post("/datapackages/share/{key:str}/", status_code=200)
async def share(request: AnyRequest, key: FromPath[str]) -> Any:
    return _shown(request, await writing(request, service.share, key))


@post("/datapackages/unshare/{key:str}/", status_code=200)
async def unshare(request: AnyRequest, key: FromPath[str]) -> Any:
    return _shown(request, await writing(request, service.unshare, key))


def _shown(request: AnyRequest, package: DataPackage) -> Any:
    if wanted(request) == "html":
        return Redirect(f"/datapackages/{package.uuid}/", status_code=303)
    return present(request, package)


@get("/shared/{word:str}/")
async def shared(request: AnyRequest, word: FromPath[str]) -> Any:
    if wanted(request) != "html":
        return present(request, await reading(request, _read, word))
    uuid = await reading(request, _uuid, word)
    answer = Redirect(f"/datapackages/{uuid}/", status_code=303)
    set_cookie(request, answer, COOKIE, kept_words(request, word), LIFETIME_S)
    return answer


def _uuid(backend: Backend, _viewer: Viewer, word: str) -> str:
    return service.shared_by(backend, word)


def _read(backend: Backend, viewer: Viewer, word: str) -> DataPackage:
    uuid = service.shared_by(backend, word)
    return service.Packages().read(backend, service.sees_more(backend, viewer, [word]), uuid)


routes = [
    *record_routes("datapackages", service.Packages(), present=present),
    share,
    unshare,
    shared,
]
