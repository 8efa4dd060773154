"""What the registry declares, as operations: lists, what is read, made, changed and deleted."""

from __future__ import annotations

from arcsecond.registry import RESOURCES
from arcsecond.resource import Key, Resource
from arcsecond.schemas import resolve
from arcsecond.schemas.archive import FileTaken, UploadOutcome
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
from arcsecond.server.paging import LARGEST_PAGE
from arcsecond.server.receiving import MOST_AT_ONCE
from arcsecond.server.web.openapi.adding import (
    FORMS,
    JSON,
    TEXT,
    Paths,
    Schema,
    add,
    bodies_of,
    ref,
    shown,
)
from arcsecond.server.web.openapi.summaries import DOES
from arcsecond.tables import FORMATS

_METHODS = {
    "list": ("get",),
    "read": ("get",),
    "create": ("post",),
    "update": ("put", "patch"),
    "delete": ("delete",),
}
_AMOUNT = {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE}
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

VERSION: dict[str, Schema] = {"version": {"type": "integer", "minimum": 1, "maximum": 2147483647}}
_LENGTH = {"type": "string", "pattern": f"^({LENGTH})?$"}
_RANGE = {"type": "string", "pattern": f"^({RANGE})?$"}
QUERY: dict[str, Schema] = {
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


def add_resource(paths: Paths, resource: Resource) -> None:
    """Add what is done with a resource, at each of its addresses."""
    for verb in resource.verbs:
        for method in _METHODS[verb]:
            add(
                paths,
                method,
                _path(resource, verb),
                name=_operation_id(resource, verb, method),
                summary=f"{DOES[verb]}: {resource.summary}",
                tag=resource.name,
                query=asked(resource, verb),
                body=_body(resource, verb),
                answers=answers_of(resource, verb),
                signed_in=verb in ("create", "update", "delete") or resource.name == "me",
                more=_MORE.get((resource.name, verb), ()),
            )


def asked(resource: Resource, verb: str) -> dict[str, Schema]:
    """Return what a list can be asked for, and what one can where there is no list."""
    if resource.name == "fitsfiles" and verb in ("read", "delete"):
        return VERSION
    if verb == "list":
        return query_of(resource)
    if verb != "read" or "list" in resource.verbs:
        return {}
    paging = ("limit", "cursor", "page", "page_size", "total")
    left_out = paging[2:] if resource.name == "findingcharts" else paging
    return {name: shape for name, shape in query_of(resource).items() if name not in left_out}


def _path(resource: Resource, verb: str) -> str:
    """Return the path of a verb, under the name of the parent's key where there is one."""
    many = resource.template
    return many if verb in ("list", "create") or resource.key == "none" else many + "{key}/"


def _operation_id(resource: Resource, verb: str, method: str) -> str:
    return f"{method}_{verb}_{resource.name.replace('/', '_')}"


_FORMAT: Schema = {**TEXT, "description": "`json`, or `api` for a page that shows it."}


def query_of(resource: Resource) -> dict[str, Schema]:
    """Return what a list can be asked for."""
    filters = {
        name: QUERY.get(f"{resource.name}.{name}") or QUERY.get(name, TEXT)
        for name in resource.filters
    }
    # As a form sends them: a filter that says nothing is none. To programs it is refused.
    for name in {field.name for field in resource.form} & QUERY.keys():
        filters[name] = {"anyOf": [filters[name], {"const": ""}]}
    return {
        **filters,
        "limit": _AMOUNT,
        "cursor": {**TEXT, "description": "As the address of the next page has it."},
        "page": {"enum": [1], "description": "Asks for {count, next, previous, results}."},
        "page_size": {**_AMOUNT, "description": "The same, in pages of that size."},
        "total": {"const": "exact", "description": "Counts to the end, however many there are."},
        "format": _FORMAT | ({"enum": ["json", "api", *FORMATS]} if resource.everywhere else {}),
    }


def answers_of(resource: Resource, verb: str) -> dict[str, Schema]:
    """Return what is answered when all goes well, by status."""
    item = ref(resolve(resource.schema))
    match verb:
        case "list":
            bare, enveloped = {"type": "array", "items": item}, _envelope(item)
            shape = enveloped if resource.paged else {"anyOf": [bare, enveloped]}
            link = {"schema": {"type": "string"}, "description": "The next page, where one is."}
            answers = {"200": shown(shape) | {"headers": {"Link": link}}}
            if resource.everywhere:
                content: Schema = answers["200"]["content"]
                content |= {form.media_type.partition(";")[0]: {} for form in FORMATS.values()}
            if resource.name == "objects":
                answers["303"] = {"description": "To the object, for a browser that names one."}
        case "read" if resource.name == "findingcharts":
            answers = {"200": shown({"type": "array", "items": item})}
        case "create":
            answers = {"201": shown(item)}
            if resource.name == "fitsfiles":
                outcomes = {"type": "array", "items": ref(UploadOutcome)}
                answers["200"] = shown({"anyOf": [item, outcomes]})
        case "delete":
            answers = {"204": {"description": "Deleted."}}
        case _:
            answers = {"200": shown(item)}
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
        return bodies_of(resolve(resource.change), needed)
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
        taken = ref(FileTaken) | {"required": ["name", "sha256"]}
        return multipart | {JSON: {"schema": taken}}
    bodies = bodies_of(resolve(resource.change), ())
    return {JSON: bodies[JSON], FORMS[0]: bodies[FORMS[0]], **multipart}


def add_whole(paths: Paths, resource: Resource) -> None:
    """Add what a resource tells of everything that it lives in."""
    (verb,) = resource.verbs
    answers = answers_of(resource, verb)
    summary = f"{DOES[verb]}: {resource.summary}"
    query = asked(resource, verb)
    add(paths, "get", resource.whole_path, summary=summary, answers=answers, query=query)


def add_everywhere(paths: Paths, resource: Resource) -> None:
    """Add what is asked of all of a kind, wherever they live: a list, and one by its number."""
    many, one = resource.everywhere, resource.everywhere + "{key}/"
    for verb, path, more, query in (
        ("list", many, " Wherever they are.", query_of(resource)),
        ("read", one, " By its number alone.", VERSION),
    ):
        # Links go on in what it lives in, which such an address does not name.
        answers = {
            status: {name: told for name, told in answer.items() if name != "links"}
            for status, answer in answers_of(resource, verb).items()
        }
        summary = f"{DOES[verb]}: {resource.summary}{more}"
        add(paths, "get", path, summary=summary, answers=answers, query=query, more=("404",))
