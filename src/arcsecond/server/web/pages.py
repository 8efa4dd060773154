"""Render pages: views of the answers that the API gives.

A page gets the same answer as a program does, and nothing a program could not
ask for as well. Pages work without JavaScript.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from arcsecond import cards, shown, views
from arcsecond.errors import ArcsecondError, InvalidInputError
from arcsecond.registry import BY_NAME, RESOURCES
from arcsecond.resource import Field, Resource
from arcsecond.server.archive.service import Datasets
from arcsecond.server.context import AnyRequest, backend_of, base_url, viewer_of
from arcsecond.server.observatory.service import page_of
from arcsecond.server.paging import PAGING, Page
from arcsecond.server.web.archive import bundles, dataset_of, file_of, package_of, thumbnails
from arcsecond.server.web.linking import INSIDE_SHOWN, address, is_mine, links, listed
from arcsecond.server.web.observatory import site_of, telescope_of, tonight_of

if TYPE_CHECKING:
    from jinja2 import Environment

MODES = ("auto", "light", "dark", "red")
MODE_COOKIE = "arcsecond_mode"
_IMPORTS = {
    resource.name: task.help
    for resource in RESOURCES
    for task in resource.tasks
    if task.files and not task.choices
}
"""What administrators may send a list of, with what it is told like."""

_JSON_SHOWN = 60_000
"""Characters; a page that shows more would be heavier than its reader wants."""

_GROUPS = (
    ("Sky", ("objects", "exoplanets", "standardstars", "catalogues")),
    ("Observatory", ("observingsites", "telescopes", "instruments", "satellites")),
    ("Yours", ("datasets", "datapackages", "observingruns", "nightlogs", "trash")),
    ("People", ("activities", "profiles")),
)


def page(request: AnyRequest, opt: Mapping[str, Any], content: Any) -> str:
    """Return the page that shows an answer: a list, or one thing."""
    resource = BY_NAME[opt["resource"]]
    if isinstance(content, Page):
        return _list(request, resource, content)
    return _one(request, resource, content)


def api(request: AnyRequest, content: Any) -> str:
    """Return the readable page of an answer's JSON."""
    pretty = msgspec.json.format(msgspec.json.encode(content), indent=2).decode()
    return _render(
        request,
        "api.html",
        title=request.scope["path"],
        json=pretty[:_JSON_SHOWN],
        left=max(0, len(pretty) - _JSON_SHOWN),
    )


def error(request: AnyRequest, problem: ArcsecondError) -> str:
    """Return the page that tells an error."""
    resource = None
    if "route_handler" in request.scope:  # there is none for what is no address of ours
        resource = BY_NAME.get(request.route_handler.opt.get("resource", ""))
    asked = request.method == "GET" and (
        problem.status == InvalidInputError.status or bool(request.query_params)
    )
    inside = re.match(r"/datasets/[0-9a-fA-F-]{32,36}/(?=.)", request.scope["path"])
    return _render(
        request,
        "error.html",
        title=str(problem.status),
        problem=problem,
        dataset=inside[0] if inside else None,
        form=_form(request, resource) if resource and asked else None,
        private=_is_private(request.scope["path"]),
    )


def _is_private(path: str) -> bool:
    """Tell whether what an address is of may be there for others."""
    first = path.strip("/").partition("/")[0]
    return first not in BY_NAME or BY_NAME[first].private


def home(request: AnyRequest) -> str:
    """Return the first page."""
    groups = [(title, [BY_NAME[name] for name in names]) for title, names in _GROUPS]
    return _render(request, "home.html", title="Arcsecond", groups=groups)


def live(request: AnyRequest, activities: list[Any], last: int) -> str:
    """Return the page of the live feed, with the latest activities already on it."""
    return _render(
        request,
        "live.html",
        title="Live",
        activities=[_shown_activity(msgspec.to_builtins(a)) for a in activities],
        last=last,
    )


def login(request: AnyRequest, next_path: str, problem: str = "") -> str:
    """Return the page to sign in on."""
    return _render(
        request,
        "login.html",
        title="Sign in",
        next=next_path,
        problem=problem,
        server=base_url(request),
    )


def _list(request: AnyRequest, resource: Resource, content: Page[Any]) -> str:
    items = msgspec.to_builtins(content.items)
    if resource.name == "findingcharts":
        title = f"Finding charts of {items[0]['astronomical_object']}"
        form = _form(request, resource)
        return _render(request, "charts.html", title=title, charts=items, form=form)
    inside = resource.holder in request.path_params
    searched = bool(resource.everywhere) and not inside
    crumb = None if searched else _crumb(request, resource)
    query = urlencode([(k, v) for k, v in request.query_params.items() if k not in PAGING])
    return _render(
        request,
        "list.html",
        title=f"Search {resource.title}" if searched else _heading(resource, crumb, items),
        crumb=crumb,
        form=_form(request, resource),
        resource=resource,
        table=listed(resource.name, items),
        note=" ".join(filter(None, (content.note, views.note(resource.name, items)))),
        addresses=[address(resource.name, item) for item in items],
        pictures=thumbnails(content.items) if resource.name == "fitsfiles" else None,
        inside=inside,
        bundles=bundles(f"{resource.everywhere}", query) if searched else [],
        next=_local(content.next) if content.next else None,
        fields=_to_add(request, resource),
        imports=_IMPORTS,
        targets=lambda name: next((t.choices for t in resource.tasks if t.name == name), ()),
    )


def _heading(resource: Resource, crumb: tuple[str, str] | None, items: list[Any]) -> str:
    """Return what a list is of, by names where they are known."""
    if resource.name == "passes" and items:
        names = {item["name"] for item in items}
        of = names.pop() if len(names) == 1 else "satellites"
        return f"Passes of {of} over {items[0]['site_name']}"
    return f"{resource.title} of {crumb[0]}" if crumb else resource.title


def _form(request: AnyRequest, resource: Resource) -> list[tuple[Field, str]]:
    """Return what a page can be asked for, and what it was."""
    # Of one that is named there is nothing to search, and its site is its own.
    named = resource.holder in request.path_params
    of_one = {"passes": "search", "tonight": "site", "fitsfiles": "dataset"}
    left_out = of_one.get(resource.name) if named else None
    return [
        (field, str(request.query_params.get(field.name, "")))
        for field in resource.form
        if field.name != left_out
    ]


def _crumb(request: AnyRequest, resource: Resource) -> tuple[str, str] | None:
    """Return name and address of what a list lies in."""
    if not resource.parent:
        return None
    key = request.path_params.get(resource.holder)
    if key is None:  # of all of them together
        return BY_NAME[resource.parent].title, f"/{resource.parent}/"
    if resource.holder == "object":
        return key, page_of(backend_of(request), key)
    if resource.holder != "dataset":
        return key, f"/{resource.parent}/{quote(key, safe='')}/"
    dataset = Datasets().read(backend_of(request), viewer_of(request), key)
    return dataset.name, f"/datasets/{dataset.uuid}/"


def _one(request: AnyRequest, resource: Resource, thing: Any) -> str:
    item = msgspec.to_builtins(thing)
    card = views.card(resource.name, item)
    for rows in (each.rows for each in card.tables):
        if left := len(rows[INSIDE_SHOWN:]):
            rows[INSIDE_SHOWN:] = [[f"{left} more", *[""] * (len(rows[0]) - 1)]]
    template, extra = _beside(request, resource, card, thing, item)
    extra["fields"] = _to_change(request, resource, item)
    return _render(
        request, template, title=card.title, resource=resource, card=card, item=item, **extra
    )


def _beside(
    request: AnyRequest, resource: Resource, card: cards.Card, thing: Any, item: dict[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Return the template of a thing's page, and what it shows beside its card."""
    template, extra = "one.html", dict[str, Any]()
    match resource.name:
        case "objects":
            template, extra = "object.html", tonight_of(request, item["name"])
        case "exoplanets":
            template, extra = "exoplanet.html", tonight_of(request, item["name"])
        case "visibility" | "tonight" | "position":
            _leave_out(card, "image_url")
            template = "visibility.html" if resource.name == "visibility" else "asked.html"
            extra = {"crumb": _crumb(request, resource), "form": _form(request, resource)}
        case "observingsites":
            _leave_out(card, "telescopes")
            template, extra = "site.html", site_of(request, thing)
        case "telescopes":
            _leave_out(card, "instruments")
            template, extra = "site.html", telescope_of(request, item)
        case "satellites":
            template = "satellite.html"
            extra = {"default_site": backend_of(request).settings.site}
        case "datasets":
            template, extra = "dataset.html", dataset_of(request, item)
        case "datapackages":
            _leave_out(card, "datasets")
            template, extra = "package.html", package_of(request, item)
        case "trash":
            template = "trash.html"
            extra = {"taken": "taken" in request.query_params}
        case "fitsfiles":
            template, extra = "file.html", file_of(request, thing, item)
    return template, extra


def _to_add(request: AnyRequest, resource: Resource) -> list[tuple[Field, str]]:
    """Return the empty fields of what somebody may add on a page."""
    viewer = viewer_of(request)
    may = viewer.is_admin if resource.kept_by_admins else resource.kept_by_owners and viewer.known
    return [(field, "") for field in resource.fields] if may else []


def _to_change(
    request: AnyRequest, resource: Resource, item: Mapping[str, Any]
) -> list[tuple[Field, str]]:
    """Return the fields of a thing that somebody may change on its page."""
    if not _to_add(request, resource):
        return []
    if item["is_builtin"] if resource.kept_by_admins else not is_mine(request, item):
        return []
    told = {**item, **(item.get("address") or {}), **(item.get("coordinates") or {})}
    return [(field, _typed(told.get(field.name))) for field in resource.fields]


def _typed(value: Any) -> str:
    """Return a value as it is typed into a form."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def _leave_out(card: cards.Card, name: str) -> None:
    """Take a fact off a card that the page shows in its own way."""
    card.facts[:] = [fact for fact in card.facts if fact.name != name]


def _shown_activity(activity: dict[str, Any]) -> dict[str, Any]:
    return {**activity, "when": shown.show(activity["date"])}


def _local(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def _render(request: AnyRequest, template: str, **values: Any) -> str:
    path = request.scope["raw_path"].decode("ascii", "replace")
    query = request.scope["query_string"].decode("ascii", "replace")
    mode = request.cookies.get(MODE_COOKIE, "")
    return (
        _environment()
        .get_template(template)
        .render(
            # Nobody decided who asks where no route was reached.
            viewer=request.scope.get("viewer"),
            path=path,
            here=f"{path}?{query}" if query else path,
            mode=mode if mode in MODES else MODES[0],
            modes=MODES,
            label=views.label,
            links=functools.partial(links, backend_of(request), values.get("item")),
            **values,
        )
    )


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("arcsecond.server.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["segment"] = lambda text: quote(str(text), safe="")
    return environment
