"""Routes of the trash."""

from __future__ import annotations

from typing import Any

from litestar import delete, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from arcsecond.errors import NameTakenError
from arcsecond.schemas.trash import Deleted, Restore
from arcsecond.server.context import AnyRequest, read_body, reading, wanted, writing
from arcsecond.server.paging import filters_of, listed
from arcsecond.server.trash import service


@get("/trash/", opt={"resource": "trash", "verb": "list"})
async def list_trash(request: AnyRequest) -> Any:
    filters_of(request, ())
    return await listed(request, service.list_trash)


@get("/trash/{key:str}/", opt={"resource": "trash", "verb": "read"})
async def read_deleted(request: AnyRequest, key: FromPath[str]) -> Deleted:
    return await reading(request, service.read_deleted, key)


@delete("/trash/{key:str}/", opt={"resource": "trash", "verb": "delete"})
async def purge(request: AnyRequest, key: FromPath[str]) -> None:
    await writing(request, service.purge, key)


@post("/trash/restore/{key:str}/", status_code=200)
async def restore(request: AnyRequest, key: FromPath[str]) -> Any:
    body = await read_body(request, Restore)
    in_form = wanted(request) == "html"
    try:
        restored = await writing(request, service.restore, key, body)
    except NameTakenError:
        if not in_form:
            raise
        return Redirect(f"/trash/{key}/?taken=1", status_code=303)
    return Redirect(restored.url, status_code=303) if in_form else restored


routes = [list_trash, read_deleted, purge, restore]
