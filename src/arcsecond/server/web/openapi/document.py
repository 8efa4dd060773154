"""The OpenAPI document, made from the registry: what is declared is what is served.

It tells every status an operation may answer; ``tests/faults/test_schema.py``
holds the server to it.
"""

from __future__ import annotations

import msgspec

from arcsecond.registry import RESOURCES
from arcsecond.schemas import people, resolve
from arcsecond.schemas.archive import (
    FileKnown,
    FilesAsked,
    FileTaken,
    FirstRows,
    UploadOutcome,
)
from arcsecond.schemas.observatory import DirectoryImport
from arcsecond.schemas.trash import Restore, Restored
from arcsecond.server.web.openapi.adding import Error, Paths, Schema
from arcsecond.server.web.openapi.others import add_others
from arcsecond.server.web.openapi.resources import add_everywhere, add_resource, add_whole
from arcsecond.version import __version__


def document(base: str) -> Schema:
    """Return the OpenAPI 3.1 document of this server."""
    schemas = _components()
    return {
        "openapi": "3.1.0",
        "info": {"title": "Arcsecond", "version": __version__},
        "servers": [{"url": base}],
        "paths": _operations(),
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Arcsecond-API-Authorization",
                    "description": "The word Key, a blank, and the key.",
                },
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "The word Token, a blank, and the token.",
                },
                "session": {"type": "apiKey", "in": "cookie", "name": "arcsecond_session"},
            },
        },
    }


def _operations() -> Paths:
    """Return every operation, by path and method."""
    paths: Paths = {}
    for resource in RESOURCES:
        add_resource(paths, resource)
        if resource.whole:
            add_whole(paths, resource)
        if resource.everywhere:
            add_everywhere(paths, resource)
    add_others(paths)
    return paths


def _components() -> Schema:
    bodies = {resolve(r.change) for r in RESOURCES if r.change}
    bodies |= {
        FilesAsked,
        FileTaken,
        Restore,
        people.Credentials,
        people.KeyCheck,
        people.Registration,
    }
    answers = {resolve(r.schema) for r in RESOURCES} | {
        Error,
        DirectoryImport,
        FileKnown,
        FirstRows,
        Restored,
        UploadOutcome,
        people.ApiKey,
        people.KeyOwner,
        people.SessionKey,
        people.SessionToken,
        people.UploadKey,
    }
    ordered = sorted(bodies | answers, key=lambda struct: struct.__name__)
    _, made = msgspec.json.schema_components(ordered, ref_template="#/components/schemas/{name}")
    made["Error"]["additionalProperties"] = {"type": "array", "items": {"type": "string"}}
    for body in sorted(bodies, key=lambda struct: struct.__name__):
        for value in made[body.__name__]["properties"].values():
            if value.get("type") == "boolean":
                del value["type"]
                value |= _FLAG
        made[body.__name__ + "Form"] = _form(made[body.__name__])
    return made


_FLAG = {"enum": [True, False, 1, 0, "true", "false", "1", "0"]}
"""How yes and no are said in a body: a form has nothing but texts."""


def _form(body: Schema) -> Schema:
    """Return a body as a form has it: of texts, none of which holds an object."""
    properties: Schema = {}
    for name, value in body["properties"].items():
        told = value.get("anyOf", [value])
        kinds = [kind for kind in told if kind.get("type") != "null"]
        if len(kinds) < len(told) and kinds[0].get("type") in ("number", "integer"):
            kinds.append({"const": "null"})  # the word, where no text could be meant
        if not any("$ref" in kind for kind in kinds):
            properties[name] = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    return {**body, "title": body["title"] + "Form", "properties": properties}
