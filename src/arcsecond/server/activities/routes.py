"""Routes of activities and telegrams."""

from __future__ import annotations

from typing import Any

from litestar import get
from litestar.params import FromPath

from arcsecond.schemas.activities import Telegram
from arcsecond.server.activities import service
from arcsecond.server.context import AnyRequest, reading
from arcsecond.server.crud import listed, record_routes

LATEST = 10


@get("/telegrams/ATel/", opt={"resource": "telegrams/ATel", "verb": "list"})
async def list_telegrams(request: AnyRequest) -> Any:
    return await listed(request, service.list_telegrams)


@get("/telegrams/ATel/{key:str}/", opt={"resource": "telegrams/ATel", "verb": "read"})
async def read_telegram(request: AnyRequest, key: FromPath[str]) -> Telegram:
    return await reading(request, service.read_telegram, key)


routes = [
    *record_routes("activities", service.Activities(), latest=LATEST),
    list_telegrams,
    read_telegram,
]
