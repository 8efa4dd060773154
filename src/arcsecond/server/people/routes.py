"""Routes of accounts, keys and profiles."""

from __future__ import annotations

from typing import Any

from litestar import delete, get, post
from litestar.params import FromPath

from arcsecond.errors import NotAllowedError
from arcsecond.schemas.people import (
    ApiKey,
    Credentials,
    KeyCheck,
    KeyOwner,
    Profile,
    Registration,
    SessionKey,
    SessionToken,
    UploadKey,
)
from arcsecond.server.context import (
    IN_PROCESS,
    AnyRequest,
    read_body,
    reading,
    viewer_of,
    writing,
)
from arcsecond.server.paging import listed
from arcsecond.server.people import keys, service
from arcsecond.server.people.visibility import signed_in


@post("/auth/registration/", opt={"anonymous": True})
async def register(request: AnyRequest) -> SessionKey:
    body = await read_body(request, Registration)
    return SessionKey(key=await writing(request, service.register, body))


@post("/auth/login/", status_code=200, opt={"anonymous": True})
async def login(request: AnyRequest) -> SessionKey:
    body = await read_body(request, Credentials)
    return SessionKey(key=await writing(request, service.login, body))


@post("/auth/token/", status_code=200, opt={"anonymous": True})
async def token(request: AnyRequest) -> SessionToken:
    body = await read_body(request, Credentials)
    return SessionToken(token=await writing(request, service.login, body))


@post("/auth/key/verify/", status_code=200, opt={"anonymous": True})
async def verify_key(request: AnyRequest) -> KeyOwner:
    body = await read_body(request, KeyCheck)
    name = await reading(request, service.verify_key, body.username, body.key)
    return KeyOwner(username=name)


@post("/auth/once/")
async def once(request: AnyRequest) -> SessionToken:
    signed_in(viewer_of(request))
    if IN_PROCESS not in request.scope:  # or anybody could sign another browser in as themselves
        raise NotAllowedError("Only the embedded server gives one-time tokens.")
    return SessionToken(token=await writing(request, keys.mint_once))


@delete("/auth/token/")
async def revoke_token(request: AnyRequest) -> None:
    token = request.headers.get("authorization", "").partition(" ")[2].strip()
    await writing(request, keys.revoke, token)


@get("/me/", opt={"resource": "me", "verb": "read"})
async def read_me(request: AnyRequest) -> Profile:
    return await reading(request, service.own_profile)


@get("/profiles/", opt={"resource": "profiles", "verb": "list"})
async def list_profiles(request: AnyRequest) -> Any:
    search = request.query_params.get("search", "")
    return await listed(
        request, lambda backend, viewer: service.list_profiles(backend, viewer, search),
        enveloped=True,
    )  # fmt: skip


@get("/profiles/{key:str}/", opt={"resource": "profiles", "verb": "read"})
async def read_profile(request: AnyRequest, key: FromPath[str]) -> Profile:
    return await reading(request, service.read_profile, key)


@get(["/profiles/{key:str}/keys/", "/profiles/{key:str}/apikey/"])
async def read_api_key(request: AnyRequest, key: FromPath[str]) -> ApiKey:
    return ApiKey(api_key=await reading(request, service.read_key, key, "access"))


@get("/profiles/{key:str}/uploadkey/")
async def read_upload_key(request: AnyRequest, key: FromPath[str]) -> UploadKey:
    return UploadKey(upload_key=await reading(request, service.read_key, key, "upload"))


routes = [
    register,
    login,
    token,
    verify_key,
    once,
    revoke_token,
    read_me,
    list_profiles,
    read_profile,
    read_api_key,
    read_upload_key,
]
