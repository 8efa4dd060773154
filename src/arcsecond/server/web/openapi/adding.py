"""How an operation stands in the OpenAPI document, with every error that its kind brings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from arcsecond.registry import BY_NAME
from arcsecond.resource import Key
from arcsecond.server.observatory.surveys import SURVEYS
from arcsecond.server.web.openapi.summaries import SUMMARIES

Schema = dict[str, Any]
Paths = dict[str, dict[str, Schema]]

JSON = "application/json"
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

TEXT = {"type": "string"}
UUID = {"type": "string", "format": "uuid"}
NUMBER = {"type": "integer", "minimum": 0}
KEYS: dict[Key, Schema] = {
    "name": {"type": "string", "minLength": 1},
    "username": {"type": "string", "minLength": 1},
    "id": {"type": "string", "minLength": 1},
    "uuid": UUID,
    "called": {"type": "string", "minLength": 1},
    "integer": NUMBER,
    "norad": {"type": "string", "minLength": 1},
}
"""What keys of a kind look like."""

CURVE = "/objects/{object}/visibility/{picture}"

TUS: dict[str, Schema] = {"Tus-Resumable": {"enum": ["1.0.0"]}}
"""Header that each request of tus has."""

_STATUSES = {
    "400": "The request is malformed; `detail` says why.",
    "401": "Nobody is signed in, or the key or token is not valid.",
    "403": "Not allowed with these rights.",
    "404": "There is no such thing, or not for who is asking.",
    "409": "In conflict with what is there already.",
    "410": "It has expired.",
    "412": "The request speaks another version of the protocol; `Tus-Version` tells this one.",
    "413": "The body is larger than the server takes.",
    "416": "The file has no such bytes.",
    "415": "The body is of a type that is not taken here.",
    "422": "All of an upload came, and it is no file of the dataset; `detail` says why.",
    "423": "Another request is writing it just now.",
    "460": "The bytes that arrived are not those that were sent.",
    "5XX": "The server failed, is not available now, or has no room.",
}


class Error(msgspec.Struct, kw_only=True):
    """What every error answers; field errors stand beside it as lists of texts."""

    detail: str
    code: str


def add(
    paths: Paths,
    method: str,
    path: str,
    *,
    answers: dict[str, Schema],
    name: str = "",
    summary: str = "",
    tag: str = "",
    query: dict[str, Schema] | None = None,
    body: Schema | None = None,
    anonymous: bool = False,
    signed_in: bool = False,
    more: Iterable[str] = (),
    targets: Sequence[str] = (),
    headers: dict[str, Schema] | None = None,
) -> None:
    """Add an operation, with the errors that its kind brings.

    Parameters
    ----------
    anonymous
        Whether it does not look at who is asking.
    signed_in
        Whether it refuses strangers.
    more
        Statuses that nothing else here tells.
    targets
        What the part of the path that is called so can be.
    headers
        What else is sent beside the body.
    """
    known: list[Schema] = [{"key": []}, {"token": []}, {"session": []}]
    statuses = {"400", "5XX", *more}
    statuses |= set() if anonymous else {"401"}
    statuses |= {"403"} if signed_in and method != "get" else set()
    statuses |= {"404"} if "{" in path else set()
    statuses |= {"409"} if _may_be_several(path) else set()
    statuses |= {"413"} if body else set()
    operation: Schema = {
        "operationId": name or _name(method, path),
        "summary": summary or SUMMARIES[method, path],
        "parameters": [
            *_path_parameters(path, targets),
            *(_parameter(name, "query", shape) for name, shape in (query or {}).items()),
            *(_parameter(name, "header", shape) for name, shape in (headers or {}).items()),
        ],
        "responses": answers | {status: _error(status) for status in sorted(statuses)},
        "security": [] if anonymous else known if signed_in else [{}, *known],
    }
    if tag:
        operation["tags"] = [tag]
    if body:
        operation["requestBody"] = {"content": body, "required": bool(not tag or method == "post")}
    paths.setdefault(path, {})[method] = operation


def _may_be_several(path: str) -> bool:
    """Tell whether a path names something by a name that several may have."""
    first, _, rest = path.strip("/").partition("/")
    resource = BY_NAME.get(first)
    return resource is not None and rest[:1] == "{" and resource.key in ("called", "norad")


def _name(method: str, path: str) -> str:
    words = [word.strip("{}") for word in path.split("/") if word]
    return "_".join([method, *(words or ["home"])])


def _path_parameters(path: str, targets: Sequence[str]) -> Iterable[Schema]:
    if "{target}" in path:
        yield _parameter("target", "path", {"type": "string", "enum": list(targets)})
    if "{dataset}" in path:
        yield _parameter("dataset", "path", UUID)
    for holder in ("exoplanet", "object", "observingsite", "satellite"):
        if f"{{{holder}}}" in path:
            yield _parameter(holder, "path", KEYS["name"])
    if "{picture}" in path:
        name = "curve" if path == CURVE else "chart"
        known = [f"{name}.{kind}" for kind in ("png", "svg", "pdf")]
        known += [] if path == CURVE else [f"{survey.key}.jpg" for survey in SURVEYS]
        yield _parameter("picture", "path", {"type": "string", "enum": known})
    if "{key}" in path:
        before = path.partition("{key}")[0].strip("/").rpartition("}/")[2]
        resource = BY_NAME[before if before in BY_NAME else before.partition("/")[0]]
        # A file is known by its name as well.
        shape = KEYS["name"] if resource.name == "fitsfiles" else KEYS[resource.key]
        yield _parameter("key", "path", shape)
    if "{word}" in path:
        yield _parameter("word", "path", {"type": "string", "pattern": "^[0-9a-f]{40}$"})
    if "{upload}" in path:
        yield _parameter("upload", "path", UUID)
    if "{hdu}" in path:
        yield _parameter("hdu", "path", NUMBER)


def _parameter(name: str, where: str, shape: Schema) -> Schema:
    required = where == "path" or name in (*TUS, "Upload-Length", "Upload-Offset")
    return {"name": name, "in": where, "required": required, "schema": shape}


def _error(status: str) -> Schema:
    answer = shown(ref(Error), _STATUSES[status])
    if status == "401":
        answer["headers"] = {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}}
    return answer


def shown(shape: Schema, description: str = "Done.") -> Schema:
    """Return an answer that a browser sees as a page."""
    return content_of({JSON: shape, "text/html": {}}, description)


def content_of(kinds: dict[str, Schema], description: str = "Done.") -> Schema:
    """Return an answer by its media types."""
    content = {kind: {"schema": shape} if shape else {} for kind, shape in kinds.items()}
    return {"description": description, "content": content}


def ref(struct: type[msgspec.Struct], suffix: str = "") -> Schema:
    """Refer to what the document says of a struct."""
    return {"$ref": f"#/components/schemas/{struct.__name__}{suffix}"}


def bodies_of(struct: type[msgspec.Struct], needed: Sequence[str]) -> Schema:
    """Return the content types of a body: JSON, and what forms send."""
    kinds = {JSON: ref(struct), **dict.fromkeys(FORMS, ref(struct, "Form"))}
    also = {"required": list(needed)} if needed else {}
    return {kind: {"schema": shape | also} for kind, shape in kinds.items()}
