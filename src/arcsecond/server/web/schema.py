"""The OpenAPI document, made from the registry: what is declared is what is served."""

from __future__ import annotations

from typing import Any

import msgspec

from arcsecond.registry import BY_NAME, RESOURCES, Resource
from arcsecond.schemas import people, resolve
from arcsecond.schemas.observatory import SatelliteImport
from arcsecond.version import __version__

_REF = "#/components/schemas/{name}"
_METHODS = {"list": "get", "read": "get", "create": "post", "delete": "delete"}
_DOES = {
    "list": "List",
    "read": "Read one",
    "create": "Create one",
    "update": "Change one",
    "delete": "Delete one",
}
_SUMMARIES = {
    ("post", "/auth/registration/"): "Make an account; answers a session token.",
    ("post", "/auth/login/"): "Sign in with a password; answers a session token as `key`.",
    ("post", "/auth/token/"): "Sign in with a password; answers a session token as `token`.",
    ("delete", "/auth/token/"): "End the session of the token that is sent.",
    ("post", "/auth/key/verify/"): "Check that a key is a user's own.",
    ("post", "/auth/once/"): "Make a token that signs a browser in once; embedded only.",
    ("get", "/profiles/{key}/keys/"): "Your access key.",
    ("get", "/profiles/{key}/apikey/"): "Your access key.",
    ("get", "/profiles/{key}/uploadkey/"): "Your upload key.",
    ("post", "/satellites/import/"): "Import two-line element sets; for administrators.",
    ("get", "/findingcharts/{key}/chart.svg"): "The image of a finding chart.",
    ("get", "/datasets/{dataset}/fitsfiles/{key}/download/"): "The bytes of a file.",
    ("get", "/datasets/{dataset}/fitsfiles/{key}/preview/{hdu}/"): "A picture of an image.",
    ("get", "/live"): "The live feed: activities as server-sent events, those behind `after`.",
    ("get", "/"): "The addresses of all resources.",
    ("get", "/health"): "Whether the server works, and its version.",
    ("get", "/schema"): "The OpenAPI document.",
}


class Error(msgspec.Struct, kw_only=True):
    """What every error answers; field errors stand beside it as lists of texts."""

    detail: str
    code: str


def document(base: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of this server."""
    structs = {resolve(r.schema) for r in RESOURCES} | {
        resolve(r.change) for r in RESOURCES if r.change
    }
    structs |= {
        Error,
        SatelliteImport,
        people.ApiKey,
        people.Credentials,
        people.KeyCheck,
        people.KeyOwner,
        people.Registration,
        people.SessionKey,
        people.SessionToken,
        people.UploadKey,
    }
    ordered = sorted(structs, key=lambda struct: struct.__name__)
    _, components = msgspec.json.schema_components(ordered, ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for resource in RESOURCES:
        _add_resource(paths, resource)
    _add_others(paths)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Arcsecond", "version": __version__},
        "servers": [{"url": base}],
        "security": [{}, {"key": []}, {"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "key": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Arcsecond-API-Authorization",
                    "description": "The word Key, a blank, and the key.",
                },
                "token": {"type": "apiKey", "in": "header", "name": "Authorization"},
                "session": {"type": "apiKey", "in": "cookie", "name": "arcsecond_session"},
            },
        },
    }


def _add_resource(paths: dict[str, dict[str, Any]], resource: Resource) -> None:
    """Add the operations of a resource, under the name of its parent's key where it has one."""
    many = resource.path.replace("{parent}", "{dataset}")
    one = many if resource.key == "none" else many + "{key}/"
    shape = _REF.format(name=resolve(resource.schema).__name__)
    above = [_parameter("dataset", "path", "string")] if resource.parent else []
    for verb in resource.verbs:
        path = many if verb in ("list", "create") else one
        parameters = list(above)
        if path == one and resource.key != "none":
            parameters.append(_parameter("key", "path", "string"))
        if verb == "list":
            parameters += [_parameter(name, "query", "string") for name in resource.filters]
            parameters += [
                _parameter("limit", "query", "integer"),
                _parameter("cursor", "query", "string"),
            ]
        for method in ("put", "patch") if verb == "update" else (_METHODS[verb],):
            paths.setdefault(path, {})[method] = {
                "operationId": f"{method}_{verb}_{resource.name.replace('/', '_')}",
                "summary": f"{_DOES[verb]}: {resource.summary}",
                "tags": [resource.name],
                "parameters": parameters,
                "responses": _responses(resource, verb, {"$ref": shape}),
                **_body(resource, verb),
            }


def _responses(resource: Resource, verb: str, item: dict[str, Any]) -> dict[str, Any]:
    match verb:
        case "list":
            bare = {"type": "array", "items": item}
            answers = {"200": _content({"oneOf": [bare, _envelope(item)]})}
        case "read" if resource.name == "findingcharts":
            answers = {"200": _content({"type": "array", "items": item})}
        case "create":
            answers = {"201": _content(item)}
            if resource.name == "fitsfiles":
                answers["200"] = _content(item)
        case "delete":
            answers = {"204": {"description": "Deleted."}}
        case _:
            answers = {"200": _content(item)}
    return {**answers, "default": _content({"$ref": _REF.format(name="Error")}, "An error.")}


def _envelope(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["count", "next", "previous", "results"],
        "properties": {
            "count": {"type": "integer"},
            "next": {"type": ["string", "null"]},
            "previous": {"type": ["string", "null"]},
            "results": {"type": "array", "items": item},
        },
    }


def _body(resource: Resource, verb: str) -> dict[str, Any]:
    if verb not in ("create", "update"):
        return {}
    shape = {"$ref": _REF.format(name=resolve(resource.change).__name__)}
    content: dict[str, Any] = {}
    if resource.name == "fitsfiles":
        properties = {"file": {"type": "string", "format": "binary"}, "tags": {"type": "string"}}
        upload = {"type": "object", "properties": properties}
        content["multipart/form-data"] = {"schema": upload}
    if resource.name != "fitsfiles" or verb == "update":
        content["application/json"] = {"schema": shape}
        content["application/x-www-form-urlencoded"] = {"schema": shape}
    return {"requestBody": {"content": content}}


def _add_others(paths: dict[str, dict[str, Any]]) -> None:
    """Add what is no resource: accounts, keys, an import, a chart, bytes, the feed."""
    profile = BY_NAME["profiles"].path + "{key}/"
    chart = BY_NAME["findingcharts"].path + "{key}/chart.svg"
    file = "/datasets/{dataset}/fitsfiles/{key}/download/"
    preview = "/datasets/{dataset}/fitsfiles/{key}/preview/{hdu}/"
    key = _parameter("key", "path", "string")
    hdu = _parameter("hdu", "path", "integer")
    size = _parameter("size", "query", "string")
    dataset = _parameter("dataset", "path", "string")
    accounts = (
        ("post", "/auth/registration/", people.Registration, people.SessionKey, "201"),
        ("post", "/auth/login/", people.Credentials, people.SessionKey, "200"),
        ("post", "/auth/token/", people.Credentials, people.SessionToken, "200"),
        ("post", "/auth/key/verify/", people.KeyCheck, people.KeyOwner, "200"),
        ("post", "/auth/once/", None, people.SessionToken, "201"),
        ("delete", "/auth/token/", None, None, "204"),
        ("get", profile + "keys/", None, people.ApiKey, "200"),
        ("get", profile + "apikey/", None, people.ApiKey, "200"),
        ("get", profile + "uploadkey/", None, people.UploadKey, "200"),
    )
    for method, path, body, answer, status in accounts:
        parameters = [key] if "{key}" in path else []
        _add(paths, method, path, status, parameters, body=body, answer=answer)
    _add(paths, "post", "/satellites/import/", "200", [], answer=SatelliteImport, text="text/plain")
    for path, parameters, kind in (
        (chart, [key], "image/svg+xml"),
        (file, [dataset, key], "application/octet-stream"),
        (preview, [dataset, key, hdu, size], "image/webp"),
        ("/live", [_parameter("after", "query", "integer")], "text/event-stream"),
        ("/", [], "application/json"),
        ("/health", [], "application/json"),
        ("/schema", [], "application/json"),
    ):
        _add(paths, "get", path, "200", parameters, media=kind)


def _add(
    paths: dict[str, dict[str, Any]],
    method: str,
    path: str,
    status: str,
    parameters: list[dict[str, Any]],
    *,
    body: type[msgspec.Struct] | None = None,
    answer: type[msgspec.Struct] | None = None,
    media: str = "",
    text: str = "",
) -> None:
    done: dict[str, Any] = {"description": "Done."}
    if answer is not None:
        done = _content({"$ref": _REF.format(name=answer.__name__)})
    elif media:
        done["content"] = {media: {}}
    operation: dict[str, Any] = {
        "operationId": f"{method}_{path.strip('/').replace('/', '_') or 'home'}",
        "summary": _SUMMARIES[method, path],
        "parameters": parameters,
        "responses": {
            status: done,
            "default": _content({"$ref": _REF.format(name="Error")}, "An error."),
        },
    }
    if body is not None:
        shape = {"schema": {"$ref": _REF.format(name=body.__name__)}}
        forms = ("application/json", "application/x-www-form-urlencoded")
        operation["requestBody"] = {"content": dict.fromkeys(forms, shape)}
    if text:
        operation["requestBody"] = {"content": {text: {"schema": {"type": "string"}}}}
    paths.setdefault(path, {})[method] = operation


def _content(schema: dict[str, Any], description: str = "Done.") -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _parameter(name: str, where: str, kind: str) -> dict[str, Any]:
    return {"name": name, "in": where, "required": where == "path", "schema": {"type": kind}}
