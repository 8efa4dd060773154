"""The operations of the OpenAPI document: addresses, bodies, and every answer they may give."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from arcsecond.registry import BY_NAME, RESOURCES, Key, Resource, Task
from arcsecond.schemas import people, resolve
from arcsecond.schemas.archive import (
    FileKnown,
    FilesAsked,
    FileTaken,
    FirstRows,
    Reindex,
    Reindexed,
    UploadOutcome,
)
from arcsecond.schemas.catalogues import CatalogueImport, CatalogueWork
from arcsecond.schemas.fields import (
    BRIGHTEST,
    FAINTEST,
    FIELD,
    FLAGS,
    LENGTH,
    MOST_NIGHTS,
    MOST_NIGHTS_ONE,
    NIGHTS,
    RANGE,
)
from arcsecond.schemas.observatory import DirectoryImport
from arcsecond.schemas.packages import DataPackage
from arcsecond.schemas.trash import Restore, Restored
from arcsecond.server.crud import LARGEST_PAGE
from arcsecond.server.observatory.surveys import SURVEYS
from arcsecond.server.receiving import MOST_AT_ONCE
from arcsecond.server.transfers.downloads import BUNDLES
from arcsecond.server.web.summaries import DOES, SUMMARIES
from arcsecond.tables import FORMATS

Schema = dict[str, Any]
Paths = dict[str, dict[str, Schema]]

_MOST = (1 << 63) - 1
_TUS: dict[str, Schema] = {"Tus-Resumable": {"enum": ["1.0.0"]}}
_TUS_BYTES: dict[str, Schema] = {
    "Upload-Offset": {"type": "integer", "minimum": 0, "maximum": _MOST},
    "Upload-Checksum": {"type": "string"},
    "Arcsecond-SHA256": {"type": "string", "pattern": "^([0-9a-fA-F]{64})?$"},
}
"""Headers that a request has to have, and those with bytes."""

_METHODS = {
    "list": ("get",),
    "read": ("get",),
    "create": ("post",),
    "update": ("put", "patch"),
    "delete": ("delete",),
}
_JSON = "application/json"
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

_TEXT = {"type": "string"}
_UUID = {"type": "string", "format": "uuid"}
_NUMBER = {"type": "integer", "minimum": 0}
_AMOUNT = {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE}
_KEYS: dict[Key, Schema] = {
    "name": {"type": "string", "minLength": 1},
    "username": {"type": "string", "minLength": 1},
    "id": {"type": "string", "minLength": 1},
    "uuid": _UUID,
    "called": {"type": "string", "minLength": 1},
    "integer": _NUMBER,
    "norad": {"type": "string", "minLength": 1},
}
_IDENTIFIERS: dict[Key, str] = {
    "name": "name",
    "username": "username",
    "id": "id",
    "uuid": "uuid",
    "called": "uuid",
    "integer": "pk",
    "norad": "norad_catalog_number",
}
"""Field of an answer that holds the key of the same thing."""

_LENGTH = {"type": "string", "pattern": f"^({LENGTH})?$"}
_RANGE = {"type": "string", "pattern": f"^({RANGE})?$"}
_QUERY: dict[str, Schema] = {
    "radius": {"type": "string", "pattern": f"^({FIELD})?$"},
    "count": {**_AMOUNT, "default": 5},
    "date": {"type": "string", "format": "date"},
    "nights": {"type": "integer", "minimum": 1, "maximum": MOST_NIGHTS, "default": NIGHTS},
    "passes.nights": {"type": "integer", "minimum": 1, "maximum": MOST_NIGHTS_ONE, "default": 1},
    "elevation": {"type": "number", "minimum": 0, "exclusiveMaximum": 90},
    "visible": {"enum": [*FLAGS, ""]},
    "time": {"type": "string", "format": "date-time"},
    "faintest": {"type": "number", "minimum": BRIGHTEST, "maximum": FAINTEST},
    "fov": {"type": "string", "pattern": f"^({FIELD})?$"},
    "observingsites.radius": _LENGTH,
    "telescopes.radius": _LENGTH,
    "instruments.radius": _LENGTH,
    "transiting": {"enum": [*FLAGS, ""]},
    "mass": _RANGE,
    "exoplanets.radius": _RANGE,
    "exposure": _RANGE,
    "airmass": _RANGE,
    "size": _RANGE,
    "period": _RANGE,
}
"""Filters that are more than a text."""

_MORE = {
    ("datapackages", "list"): ("404",),
    ("datasets", "create"): ("409",),
    ("fitsfiles", "create"): ("409", "460"),
    ("fitsfiles", "update"): ("409",),
    ("fitsfiles", "delete"): ("409",),
    ("catalogues", "delete"): ("409",),
}
"""What may be refused for what is there, such as another file, or for what is not there."""

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
    "423": "Another request is writing it just now.",
    "460": "The bytes that arrived are not those that were sent.",
    "5XX": "The server failed, is not available now, or has no room.",
}


class Error(msgspec.Struct, kw_only=True):
    """What every error answers; field errors stand beside it as lists of texts."""

    detail: str
    code: str


def operations() -> Paths:
    """Return every operation, by path and method."""
    paths: Paths = {}
    for resource in RESOURCES:
        _add_resource(paths, resource)
    _add_others(paths)
    return paths


def _ref(struct: type[msgspec.Struct], suffix: str = "") -> Schema:
    return {"$ref": f"#/components/schemas/{struct.__name__}{suffix}"}


# Resources


def _add_resource(paths: Paths, resource: Resource) -> None:
    for verb in resource.verbs:
        for method in _METHODS[verb]:
            _add(
                paths,
                method,
                _path(resource, verb),
                name=_operation_id(resource, verb, method),
                summary=f"{DOES[verb]}: {resource.summary}",
                tag=resource.name,
                query=_asked(resource, verb),
                body=_body(resource, verb),
                answers=_answers(resource, verb),
                signed_in=verb in ("create", "update", "delete") or resource.name == "me",
                more=_MORE.get((resource.name, verb), ()),
            )


def _asked(resource: Resource, verb: str) -> dict[str, Schema]:
    """Return what a list can be asked for, and what one can where there is no list."""
    if resource.name == "fitsfiles" and verb in ("read", "delete"):
        return _VERSION
    if verb == "list":
        return _query(resource)
    if verb != "read" or "list" in resource.verbs:
        return {}
    paging = ("limit", "cursor", "page", "page_size", "total")
    left_out = paging[2:] if resource.name == "findingcharts" else paging
    return {name: shape for name, shape in _query(resource).items() if name not in left_out}


def _path(resource: Resource, verb: str) -> str:
    """Return the path of a verb, under the name of the parent's key where there is one."""
    many = resource.template
    return many if verb in ("list", "create") or resource.key == "none" else many + "{key}/"


def _operation_id(resource: Resource, verb: str, method: str) -> str:
    return f"{method}_{verb}_{resource.name.replace('/', '_')}"


_FORMAT: Schema = {**_TEXT, "description": "`json`, or `api` for a page that shows it."}


def _query(resource: Resource) -> dict[str, Schema]:
    filters = {
        name: _QUERY.get(f"{resource.name}.{name}") or _QUERY.get(name, _TEXT)
        for name in resource.filters
    }
    # As a form sends them: a filter that says nothing is none. To programs it is refused.
    for name in {field.name for field in resource.form} & _QUERY.keys():
        filters[name] = {"anyOf": [filters[name], {"const": ""}]}
    return {
        **filters,
        "limit": _AMOUNT,
        "cursor": {**_TEXT, "description": "As the address of the next page has it."},
        "page": {"enum": [1], "description": "Asks for {count, next, previous, results}."},
        "page_size": {**_AMOUNT, "description": "The same, in pages of that size."},
        "total": {"const": "exact", "description": "Counts to the end, however many there are."},
        "format": _FORMAT | ({"enum": ["json", "api", *FORMATS]} if resource.everywhere else {}),
    }


def _answers(resource: Resource, verb: str) -> dict[str, Schema]:
    item = _ref(resolve(resource.schema))
    match verb:
        case "list":
            bare, enveloped = {"type": "array", "items": item}, _envelope(item)
            shape = enveloped if resource.paged else {"anyOf": [bare, enveloped]}
            link = {"schema": {"type": "string"}, "description": "The next page, where one is."}
            answers = {"200": _shown(shape) | {"headers": {"Link": link}}}
            if resource.everywhere:
                content: Schema = answers["200"]["content"]
                content |= {form.media_type.partition(";")[0]: {} for form in FORMATS.values()}
            if resource.name == "objects":
                answers["303"] = {"description": "To the object, for a browser that names one."}
        case "read" if resource.name == "findingcharts":
            answers = {"200": _shown({"type": "array", "items": item})}
        case "create":
            answers = {"201": _shown(item)}
            if resource.name == "fitsfiles":
                outcomes = {"type": "array", "items": _ref(UploadOutcome)}
                answers["200"] = _shown({"anyOf": [item, outcomes]})
        case "delete":
            answers = {"204": {"description": "Deleted."}}
        case _:
            answers = {"200": _shown(item)}
    if links := _links(resource, verb):
        answers = {status: answer | {"links": links} for status, answer in answers.items()}
    return answers


def _envelope(item: Schema) -> Schema:
    return {
        "type": "object",
        "required": ["count", "next", "previous", "results"],
        "properties": {
            "count": {"type": "integer"},
            "more_than_count": {
                "const": True,
                "description": "Said where there may be more.",
            },
            "next": {"type": ["string", "null"]},
            "previous": {"type": ["string", "null"]},
            "results": {"type": "array", "items": item},
        },
    }


def _links(resource: Resource, verb: str) -> Schema:
    """Return how one goes on with what a list or a create answered."""
    if verb not in ("list", "create") or resource.key == "none":
        return {}
    first = "" if verb == "create" else "/results/0" if resource.paged else "/0"
    here = f"$response.body#{first}/{_IDENTIFIERS[resource.key]}"
    holder = resource.holder
    inside = {holder: f"$request.path.{holder}"} if holder else {}
    links = {
        _operation_id(resource, other, method): {**inside, "key": here}
        for other in resource.verbs
        if other not in ("list", "create")
        for method in _METHODS[other]
    }
    for child in RESOURCES:
        if child.parent == resource.name:
            links |= {
                _operation_id(child, other, "get" if other == "list" else "post"): {
                    child.holder: here
                }
                for other in ("list", "create")
                if other in child.verbs
            }
    return {name: {"operationId": name, "parameters": given} for name, given in links.items()}


def _body(resource: Resource, verb: str) -> Schema:
    """Return the content types of a body; PUT and PATCH change what is given alone."""
    if verb not in ("create", "update"):
        return {}
    needed = resource.needed if verb == "create" else ()
    if resource.name != "fitsfiles":
        return _bodies(resolve(resource.change), needed)
    tags = {"type": "string", "description": "Separated by commas."}
    file = {"type": "string", "format": "binary"}
    if verb == "create":
        file["description"] = f"Once, or up to {MOST_AT_ONCE} times: then the answer is a list."
    upload: Schema = {
        "type": "object",
        "properties": {"file": file, "tags": tags},
        "required": list(needed),
    }
    kind = {"encoding": {"file": {"contentType": "application/fits, application/octet-stream"}}}
    multipart = {"multipart/form-data": {"schema": upload, **kind}}
    if verb == "create":
        upload["properties"]["sha256"] = {
            "type": "string",
            "description": "Digests of the files in their order, with commas between them.",
        }
        taken = _ref(FileTaken) | {"required": ["name", "sha256"]}
        return multipart | {_JSON: {"schema": taken}}
    bodies = _bodies(resolve(resource.change), ())
    return {_JSON: bodies[_JSON], _FORMS[0]: bodies[_FORMS[0]], **multipart}


def _bodies(struct: type[msgspec.Struct], needed: Sequence[str]) -> Schema:
    kinds = {_JSON: _ref(struct), **dict.fromkeys(_FORMS, _ref(struct, "Form"))}
    also = {"required": list(needed)} if needed else {}
    return {kind: {"schema": shape | also} for kind, shape in kinds.items()}


# What is no resource


def _add_others(paths: Paths) -> None:
    """Add accounts, keys, an import, a chart, bytes and the feed."""
    logged_in = _bodies(people.Credentials, ("username", "password"))
    registered = _bodies(people.Registration, ("username", "email", "password1", "password2"))
    checked = _bodies(people.KeyCheck, ("username", "key"))
    for path, status, body, answer, more in (
        ("/auth/registration/", "201", registered, people.SessionKey, ("403",)),
        ("/auth/login/", "200", logged_in, people.SessionKey, ()),
        ("/auth/token/", "200", logged_in, people.SessionToken, ()),
        ("/auth/key/verify/", "200", checked, people.KeyOwner, ("401",)),
    ):
        answers = {status: _content({_JSON: _ref(answer)})}
        _add(paths, "post", path, body=body, answers=answers, anonymous=True, more=more)
    once = {"201": _content({_JSON: _ref(people.SessionToken)})}
    _add(paths, "post", "/auth/once/", answers=once, signed_in=True)
    _add(paths, "delete", "/auth/token/", answers={"204": {"description": "Over."}}, more=("403",))
    for name, shape in (
        ("keys", people.ApiKey),
        ("apikey", people.ApiKey),
        ("uploadkey", people.UploadKey),
    ):
        path = BY_NAME["profiles"].path + "{key}/" + name + "/"
        answers = {"200": _content({_JSON: _ref(shape)})}
        _add(paths, "get", path, answers=answers, signed_in=True, more=("403",))
    for resource in (resource for resource in RESOURCES if resource.whole):
        (verb,) = resource.verbs
        answers = _answers(resource, verb)
        query = _asked(resource, verb)
        summary = f"{DOES[verb]}: {resource.summary}"
        _add(paths, "get", resource.whole_path, summary=summary, answers=answers, query=query)
    for resource in (resource for resource in RESOURCES if resource.everywhere):
        _add_everywhere(paths, resource)
    _add_tasks(paths)
    _add_media(paths)
    _add_downloads(paths)
    _add_uploads(paths)
    told = {"type": "array", "items": _ref(FileKnown)}
    asked = {_JSON: {"schema": _ref(FilesAsked)}}
    for path in ("/datasets/{dataset}/known/", "/fitsfiles/known/"):
        _add(paths, "post", path, body=asked, answers={"200": _shown(told)}, signed_in=True)
    again = {_JSON: {"schema": _ref(Reindex)}}
    answers = {"200": _shown(_ref(Reindexed)), "303": {"description": "To the dataset's page."}}
    linked = {"200": _content({_JSON: _ref(DataPackage)}), "303": {"description": "Its page."}}
    _add(paths, "get", "/shared/{word}/", answers=linked, more=("404",))
    path = "/datasets/{dataset}/reindex/"
    _add(paths, "post", path, body=again, answers=answers, signed_in=True)


def _add_everywhere(paths: Paths, resource: Resource) -> None:
    """Add what is asked of all of a kind, wherever they live: a list, and one by its number."""
    many, one = resource.everywhere, resource.everywhere + "{key}/"
    for verb, path, more, query in (
        ("list", many, " Wherever they are.", _query(resource)),
        ("read", one, " By its number alone.", _VERSION),
    ):
        # Links go on in what it lives in, which such an address does not name.
        answers = {
            status: {name: told for name, told in answer.items() if name != "links"}
            for status, answer in _answers(resource, verb).items()
        }
        summary = f"{DOES[verb]}: {resource.summary}{more}"
        _add(paths, "get", path, summary=summary, answers=answers, query=query, more=("404",))


def _add_uploads(paths: Paths) -> None:
    """Add the protocol tus, by which uploads resume."""
    none = {"description": "Done.", "headers": {"Tus-Resumable": {"schema": _TEXT}}}
    length: dict[str, Schema] = {
        "Upload-Length": {"type": "integer", "minimum": 1, "maximum": _MOST},
        "Upload-Metadata": _TEXT,
    }
    address = "/uploads/{upload}"
    for method, path, status, headers, body in (
        ("post", BY_NAME["uploads"].path.replace("{parent}", "{dataset}"), "201", length, None),
        ("patch", address, "204", _TUS_BYTES, {_OFFSET_STREAM: {}}),
        ("delete", address, "204", {}, None),
    ):
        _add(
            paths,
            method,
            path,
            answers={status: none},
            headers=_TUS | headers,
            body=body,
            signed_in=True,
            more=("409", "410", "412", "413", "415", "423", "460"),
        )


_OFFSET_STREAM = "application/offset+octet-stream"
_PLAIN: dict[str, Schema] = {"text/plain": {"schema": {"type": "string"}}}
_DONE: dict[str, type[msgspec.Struct]] = {
    "catalogues": CatalogueImport,
    "satellites": DirectoryImport,
    "observingsites": DirectoryImport,
}
"""What the tasks of a resource answer with."""
_KEYED_DONE: dict[str, type[msgspec.Struct]] = {"trash": Restored, "datapackages": DataPackage}
"""What those answer with that are done with one."""


def _add_tasks(paths: Paths) -> None:
    """Add what administrators do with a resource as a whole."""
    file = {"type": "array", "items": {"type": "string", "format": "binary"}}
    force = {"force": {"type": "boolean"}}
    for resource in RESOURCES:
        for task in resource.tasks:
            if task.keyed:
                _add_keyed(paths, resource, task)
                continue
            sent = {"file": file} if task.files else {}
            shape = {"type": "object", "properties": sent | (force if task.forced else {})}
            kind = "multipart/form-data" if task.files else _JSON
            body = {kind: {"schema": shape | ({"required": ["file"]} if task.files else {})}}
            plain = _PLAIN if resource.name in ("satellites", "observingsites") else {}
            done = _ref(_DONE[resource.name])
            answer = done if task.files else {"type": "array", "items": done}
            addresses = [f"{resource.path}{task.name}/"]
            if task.choices:
                word = addresses[0] + "{target}/"
                addresses = [*(addresses if task.optional else []), word]
            for path in addresses:
                _add(
                    paths,
                    "post",
                    path,
                    summary=f"{task.help} For administrators.",
                    body=body | plain if task.files or task.forced else None,
                    answers={"200": _shown(answer)},
                    signed_in=True,
                    targets=task.choices,
                )
    work = {"type": "array", "items": _ref(CatalogueWork)}
    answers = {"200": _content({_JSON: work, "text/html": {}})}
    _add(paths, "get", "/catalogues/work/", answers=answers)


def _add_keyed(paths: Paths, resource: Resource, task: Task) -> None:
    """Add what the owner of one does with it."""
    _add(
        paths,
        "post",
        f"{resource.path}{task.name}/{{key}}/",
        summary=task.help,
        body=_bodies(Restore, ()) if task.fields else None,
        answers={"200": _shown(_ref(_KEYED_DONE[resource.name]))},
        signed_in=True,
        more=("409",) if task.fields else (),
    )


def _add_media(paths: Paths) -> None:
    """Add what answers no struct."""
    anything: Schema = {}
    for path, content, anonymous, more in (
        (_CHART, dict.fromkeys((*_PICTURES, "image/jpeg"), anything), False, {}),
        (_CURVE, dict.fromkeys(_PICTURES, anything), False, {}),
        (
            _PREVIEW,
            dict.fromkeys(("image/webp", "image/png", "image/svg+xml"), anything),
            False,
            {},
        ),
        (_ROWS, {_JSON: _ref(FirstRows)}, False, {}),
        ("/live", {"text/event-stream": anything, "text/html": anything}, False, {}),
        ("/", {_JSON: {"type": "object"}, "text/html": anything}, False, {}),
        ("/health", {_JSON: {"type": "object"}}, True, {}),
        ("/schema", {_JSON: {"type": "object"}}, True, {}),
    ):
        answers = {"200": _content(content) | more}
        query = _MEDIA_QUERY.get(path, {})
        _add(paths, "get", path, answers=answers, anonymous=anonymous, query=query)


def _add_downloads(paths: Paths) -> None:
    """Add the bytes of a file, and of many as one stream."""
    served = {name: {"required": True, "schema": {"type": "string"}} for name in _FILE_HEADERS}
    file: dict[str, Schema] = {"application/fits": {}, "application/octet-stream": {}}
    held = {"description": "The asker has it already, by its ETag."}
    bytes_ = _content(file) | {"headers": served}
    _add(
        paths,
        "get",
        _DOWNLOAD,
        query=_VERSION | _CUTOUT,
        headers={"Range": _TEXT, "If-Range": _TEXT, "If-None-Match": _TEXT},
        answers={"200": bytes_, "206": bytes_ | {"description": "A part."}, "304": held},
        more=("410", "416"),
    )
    filters = dict.fromkeys(BY_NAME["fitsfiles"].filters, _TEXT)
    for name, (media_type, _) in BUNDLES.items():
        for path in ("/datasets/{dataset}/", BY_NAME["fitsfiles"].everywhere):
            answers = {"200": _content({media_type: {}})}
            _add(paths, "get", path + name, query=filters, answers=answers, more=("404",))


_DOWNLOAD = "/datasets/{dataset}/fitsfiles/{key}/download/"
_VERSION: dict[str, Schema] = {"version": {"type": "integer", "minimum": 1, "maximum": 2147483647}}

_PREVIEW = "/datasets/{dataset}/fitsfiles/{key}/preview/{hdu}/"
_CUTOUT: dict[str, Schema] = {
    "cutout": {**_TEXT, "description": "A part of an image: RA,DEC,SIZE or NAME,SIZE."},
    "hdu": {"type": "integer", "minimum": 0, "maximum": 99999, "description": "Of that HDU."},
}
_ROWS = "/datasets/{dataset}/fitsfiles/{key}/rows/{hdu}/"
_CHART = "/findingcharts/{key}/{picture}"
_CURVE = "/objects/{object}/visibility/{picture}"
_PICTURES = ("image/png", "image/svg+xml", "application/pdf")
_MEDIA_QUERY: dict[str, dict[str, Schema]] = {
    _CHART: {name: _QUERY[name] for name in BY_NAME["findingcharts"].filters},
    _CURVE: {name: _QUERY.get(name, _TEXT) for name in BY_NAME["visibility"].filters},
    _PREVIEW: {
        "size": {**_TEXT, "description": "`small`, `tiny`, `full` for up to 2048 pixels."},
        "format": {**_TEXT, "description": "`png` for a full one as PNG."},
    },
    "/live": {"after": _NUMBER},
}
_FILE_HEADERS = ("Accept-Ranges", "Content-Disposition", "ETag", "Repr-Digest")

# Operations


def _add(
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
        yield _parameter("dataset", "path", _UUID)
    for holder in ("exoplanet", "object", "observingsite", "satellite"):
        if f"{{{holder}}}" in path:
            yield _parameter(holder, "path", _KEYS["name"])
    if "{picture}" in path:
        name = "curve" if path == _CURVE else "chart"
        known = [f"{name}.{kind}" for kind in ("png", "svg", "pdf")]
        known += [] if path == _CURVE else [f"{survey.key}.jpg" for survey in SURVEYS]
        yield _parameter("picture", "path", {"type": "string", "enum": known})
    if "{key}" in path:
        before = path.partition("{key}")[0].strip("/").rpartition("}/")[2]
        resource = BY_NAME[before if before in BY_NAME else before.partition("/")[0]]
        # A file is known by its name as well.
        shape = _KEYS["name"] if resource.name == "fitsfiles" else _KEYS[resource.key]
        yield _parameter("key", "path", shape)
    if "{word}" in path:
        yield _parameter("word", "path", {"type": "string", "pattern": "^[0-9a-f]{40}$"})
    if "{upload}" in path:
        yield _parameter("upload", "path", _UUID)
    if "{hdu}" in path:
        yield _parameter("hdu", "path", _NUMBER)


def _parameter(name: str, where: str, shape: Schema) -> Schema:
    required = where == "path" or name in (*_TUS, "Upload-Length", "Upload-Offset")
    return {"name": name, "in": where, "required": required, "schema": shape}


def _error(status: str) -> Schema:
    answer = _shown(_ref(Error), _STATUSES[status])
    if status == "401":
        answer["headers"] = {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}}
    return answer


def _shown(shape: Schema, description: str = "Done.") -> Schema:
    """Return an answer that a browser sees as a page."""
    return _content({_JSON: shape, "text/html": {}}, description)


def _content(kinds: dict[str, Schema], description: str = "Done.") -> Schema:
    content = {kind: {"schema": shape} if shape else {} for kind, shape in kinds.items()}
    return {"description": description, "content": content}
