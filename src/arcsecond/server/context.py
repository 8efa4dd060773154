"""What every route needs: the backend, who is asking, the body, the answer.

A route is ``return await reading(request, service.function, ...)``. The service
gets the backend and the viewer first; it knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar
from urllib.parse import parse_qsl

import msgspec
from litestar import Request
from litestar.response import Redirect

from arcsecond.errors import InvalidInputError, TooLargeError
from arcsecond.server.db import Database
from arcsecond.server.serving import serving_address
from arcsecond.server.settings import Settings
from arcsecond.server.storage import Store

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)
PRIVATE = {
    "Cache-Control": "private, no-cache",
    "Vary": "Accept, Authorization, Cookie, X-Arcsecond-API-Authorization",
}
"""Headers of what everybody is told differently, and no cache between may keep."""

MOST_FIELDS = 10_000
"""Of a form."""

IN_PROCESS = "arcsecond.in_process"
"""The entry of an ASGI scope that only code in this process can make."""

AnyRequest = Request[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Backend:
    """What services work on."""

    settings: Settings
    db: Database
    store: Store
    secret: bytes


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who is asking.

    Attributes
    ----------
    id
        Their row in ``users``; None for a stranger.
    how
        How they are known: not at all, by a key, by a token, by a browser's
        session, or as the owner of the embedded server.
    scopes
        What they may write; None for everything that is theirs.
    shares
        Digests of the links of data packages that they came by.
    """

    id: int | None = None
    username: str = ""
    is_admin: bool = False
    how: Literal["stranger", "key", "token", "session", "owner"] = "stranger"
    scopes: frozenset[str] | None = None
    shares: frozenset[str] = frozenset()

    @property
    def sight(self) -> Viewer:
        """Who sees just as much: statements are made once for each."""
        return Viewer(self.id, shares=self.shares)

    @property
    def known(self) -> bool:
        """Whether they signed in."""
        return self.id is not None


STRANGER = Viewer()


def backend_of(request: AnyRequest) -> Backend:
    """Return the backend of the application that answers."""
    backend: Backend = request.scope["backend"]  # type: ignore[typeddict-item]  # our own entry
    return backend


@dataclass(frozen=True, slots=True)
class Turns:
    """What is done one at a time in a process: each takes much memory, or all of a core."""

    drawing: asyncio.Semaphore
    listing: asyncio.Semaphore
    """For pictures in lists, of which there may be a hundred: nothing else waits for them."""
    finding: asyncio.Semaphore


def turns_of(request: AnyRequest) -> Turns:
    """Return the turns of the application that answers."""
    turns: Turns = request.scope["turns"]  # type: ignore[typeddict-item]  # our own entry
    return turns


def viewer_of(request: AnyRequest) -> Viewer:
    """Return who is asking, as it was decided before the route was called."""
    viewer: Viewer = request.scope["viewer"]  # type: ignore[typeddict-item]  # our own entry
    return viewer


async def reading(
    request: AnyRequest,
    service: Callable[Concatenate[Backend, Viewer, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Call a service that reads: inline on the local file, else in a thread."""
    backend = backend_of(request)
    if backend.db.local:
        return service(backend, viewer_of(request), *args, **kwargs)
    return await writing(request, service, *args, **kwargs)


async def writing(
    request: AnyRequest,
    service: Callable[Concatenate[Backend, Viewer, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Call a service that may wait, in a thread.

    It is waited for even when the request is given up: what it works on stays
    as it is until it is done.
    """
    return await to_its_end(
        asyncio.to_thread(service, backend_of(request), viewer_of(request), *args, **kwargs)
    )


async def to_its_end(work: Awaitable[T]) -> T:
    """Await some work; when that is cancelled, wait for the work all the same."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def base_url(request: AnyRequest) -> str:
    """Return the address people reach this server at, without trailing slash.

    The embedded server has one only while the same directory is being served;
    otherwise its addresses are paths.
    """
    settings = backend_of(request).settings
    if IN_PROCESS in request.scope:
        return serving_address(settings.serving_path) or ""
    return settings.public_url or str(request.base_url).rstrip("/")


def set_cookie(request: AnyRequest, answer: Redirect, name: str, value: str, age_s: int) -> None:
    """Let a browser keep something for us, which no script reads and no other site's form sends."""
    secure = backend_of(request).settings.public_url.startswith("https:")
    answer.set_cookie(name, value, httponly=True, secure=secure, samesite="lax", max_age=age_s)


Wanted = Literal["json", "api", "html"]


def wanted(request: AnyRequest) -> Wanted:
    """Tell what the asker wants: JSON, the readable page of it, or the page.

    ``?format=`` decides; otherwise a browser is known by putting text/html
    before JSON in its Accept header (RFC 9110, 12.5.1).
    """
    if request.scope["query_string"]:
        match request.query_params.get("format", ""):
            case "json":
                return "json"
            case "api":
                return "api"
    if not any(n == b"accept" and b"text/html" in value for n, value in request.scope["headers"]):
        return "json"
    accept = request.headers.get("accept", "")
    weights = _weights(accept)
    asked_json = weights.get("application/json", -1.0)
    return "html" if weights.get("text/html", 0.0) > asked_json else "json"


def _weights(accept: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for part in accept.split(","):
        kind, *parameters = [p.strip() for p in part.split(";")]
        weight = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    weight = float(parameter[2:])
                except ValueError:
                    weight = 0.0
        weights[kind.lower()] = weight
    return weights


async def read_body(request: AnyRequest, shape: type[S]) -> S:
    """Read a body: JSON, a form, multipart without file, or nothing at all.

    Raises
    ------
    InvalidInputError
        It cannot be read, or a field has the wrong type. Unknown fields are ignored.
    TooLargeError
        It is larger than the setting allows.
    """
    return to_struct(await read_fields(request), shape)


def is_set(text: str) -> bool:
    """Tell whether a field of a form is a flag that is set."""
    return text.strip().casefold() in ("true", "yes", "on", "1")


FORM_METHODS: dict[bytes, Any] = {
    b"_method=POST": "POST",
    b"_method=PATCH": "PATCH",
    b"_method=DELETE": "DELETE",
}
"""Queries by which the form of a page, which can only POST, says what it wants to do."""


def is_form(request: AnyRequest) -> bool:
    """Tell whether a body comes from the form of one of our pages."""
    return request.scope["query_string"] in FORM_METHODS


async def read_fields(request: AnyRequest) -> dict[str, Any]:
    """Read a body as a plain object, before its fields are checked."""
    raw = await read_bytes(request, backend_of(request).settings.max_body_bytes)
    if not raw:
        return {}
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        text = raw.decode("utf-8", "replace")
        try:
            return _form(parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS))
        except ValueError:
            raise InvalidInputError(f"The form has more than {MOST_FIELDS} fields.") from None
    if kind == "multipart/form-data":
        return _multipart(request, raw)
    try:
        fields = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInputError(f"The body is no valid JSON: {error}.") from error
    if not isinstance(fields, dict):
        raise InvalidInputError("The body has to be one JSON object.")
    return fields


def to_struct(fields: Mapping[str, Any], shape: type[S]) -> S:
    """Convert the fields of a body; the first wrong one is named."""
    for name in shape.__struct_fields__:
        value = fields.get(name)
        texts = value if isinstance(value, list) else [value]
        if not all(is_text(text) for text in texts if isinstance(text, str)):
            raise InvalidInputError(fields={name: ["This text holds characters that are none."]})
    try:
        return msgspec.convert(fields, shape, strict=False)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `$.")
        field = where.rstrip("`").split(".")[0].split("[")[0] or "non_field_errors"
        raise InvalidInputError(fields={field: [message + "."]}) from error


def is_text(text: str) -> bool:
    """Tell whether every database can hold a text: no NUL, no half of a character."""
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _form(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name not in fields:
            fields[name] = value
        elif isinstance(fields[name], list):
            fields[name].append(value)
        else:
            fields[name] = [fields[name], value]
    return fields


def _multipart(request: AnyRequest, raw: bytes) -> dict[str, Any]:
    from multipart import MultipartError, parse_form_data

    environ = {
        "REQUEST_METHOD": "POST",
        "CONTENT_TYPE": request.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(raw)),
        "wsgi.input": io.BytesIO(raw),
    }
    # The size of the body is the only limit: a text that is too long for the
    # parser's own would count as a file, and be lost.
    limits = dict.fromkeys(("part_limit", "spool_limit", "memory_limit"), len(raw))
    try:
        forms, _files = parse_form_data(environ, strict=True, **limits)
        return _form(list(forms.iterallitems()))
    except (MultipartError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"The multipart body cannot be read: {error}.") from error


async def read_bytes(request: AnyRequest, limit: int) -> bytes:
    """Read a body as it is, up to a limit."""
    too_large = TooLargeError(f"The body is larger than {limit} bytes.")
    if int(request.headers.get("content-length") or 0) > limit:
        raise too_large
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise too_large
        parts.append(part)
    return b"".join(parts)
