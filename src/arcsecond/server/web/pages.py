"""Render pages: views of the answers that the API gives.

A page gets the same answer as a program does, and nothing a program could not
ask for as well. Pages work without JavaScript.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from arcsecond import cards, shown, views
from arcsecond.errors import ArcsecondError, InvalidInputError
from arcsecond.registry import BY_NAME, RESOURCES, Field, Resource
from arcsecond.schemas.archive import FitsFile, Hdu
from arcsecond.schemas.observatory import ObservingSite
from arcsecond.server.archive.files import list_files, may_upload, read_file
from arcsecond.server.archive.orientation import orientation
from arcsecond.server.archive.pictures import PAGES, layout
from arcsecond.server.archive.previews import (
    FIRST,
    MOST,
    draw,
    pictured,
    plotted,
    seek_rows,
    tabled,
)
from arcsecond.server.archive.product import SPECTRUM, TIMESERIES
from arcsecond.server.archive.service import Datasets
from arcsecond.server.catalogues.builtin import Kind, catalogue
from arcsecond.server.context import STRANGER, AnyRequest, Backend, backend_of, base_url, viewer_of
from arcsecond.server.crud import PAGING, Listing, Page, parse_amount
from arcsecond.server.observatory.charts import curve_address
from arcsecond.server.observatory.equipment import Instruments, Sites, Telescopes
from arcsecond.server.observatory.service import page_of, read_visibility, tonight
from arcsecond.server.settings import Settings
from arcsecond.server.web.headers import shown_headers
from arcsecond.tables import FORMATS

if TYPE_CHECKING:
    from jinja2 import Environment

FILES_SHOWN = 100
MOST_NAMED = 200
"""Images that a page of a file names, though it does not show them all."""

TABLES_SHOWN = 4
"""Tables of a file whose first rows are on its page."""

MODES = ("auto", "light", "dark", "red")
MODE_COOKIE = "arcsecond_mode"
_ROWS_SHOWN = 200
_IMPORTS = {
    resource.name: task.help
    for resource in RESOURCES
    for task in resource.tasks
    if task.files and not task.choices
}
"""What administrators may send a list of, with what it is told like."""

_BUNDLES = (
    ("ZIP", "files.zip"),
    ("tar", "files.tar"),
    ("a script that fetches and checks them", "files.sh"),
    ("checksums", "SHA256SUMS"),
)
"""What all files that a search found can be had as."""

_JSON_SHOWN = 60_000
"""Characters; a page that shows more would be heavier than its reader wants."""

_LINKED = {
    "observing_site": "observingsites",
    "telescope": "telescopes",
    "telescopes": "telescopes",
    "instrument": "instruments",
    "instruments": "instruments",
    "dataset": "datasets",
    "observing_run": "observingruns",
    "night_logs": "nightlogs",
    "profile": "profiles",
    "parent_star": "objects",
    "planets": "exoplanets",
    "target": "objects",
}
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


def address(resource: str, item: Mapping[str, Any]) -> str | None:
    """Return the path of the page of a thing, None for what has none of its own."""
    if resource == "passes":
        return f"/satellites/{item['norad_catalog_number']}/"
    if "read" not in BY_NAME[resource].verbs:
        return None
    key = quote(views.key_of(resource, item), safe="")
    if resource == "fitsfiles":
        return f"/datasets/{item['dataset']}/fitsfiles/{key}/"
    return "/me/" if resource == "me" else f"/{resource}/{key}/"


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
        table=_listed(resource.name, items),
        note=" ".join(filter(None, (content.note, views.note(resource.name, items)))),
        addresses=[address(resource.name, item) for item in items],
        pictures=_thumbnails(content.items) if resource.name == "fitsfiles" else None,
        inside=inside,
        bundles=_bundles(f"{resource.everywhere}", query) if searched else [],
        next=_local(content.next) if content.next else None,
        fields=_to_add(request, resource),
        imports=_IMPORTS,
        targets=lambda name: next((t.choices for t in resource.tasks if t.name == name), ()),
    )


def _bundles(everywhere: str, query: str) -> list[tuple[str, str]]:
    """Return what all files of a search can be had as, and where."""
    files = [(kind, f"{everywhere}{name}?{query}") for kind, name in _BUNDLES]
    asked = f"{everywhere}?{query}&format=" if query else f"{everywhere}?format="
    return files + [(f"{form.title} table", asked + name) for name, form in FORMATS.items()]


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


def _listed(resource: str, items: list[Any]) -> cards.Table:
    """Return a list without UUIDs: on a page the names lead to the things."""
    table = views.table(resource, items)
    shown = [n for n, heading in enumerate(table.headings) if heading != "UUID"]
    rows = [[row[n] for n in shown] for row in table.rows]
    return cards.Table(table.title, [table.headings[n] for n in shown], rows)


def _one(request: AnyRequest, resource: Resource, thing: Any) -> str:
    item = msgspec.to_builtins(thing)
    card = views.card(resource.name, item)
    for rows in (each.rows for each in card.tables):
        if left := len(rows[_ROWS_SHOWN:]):
            rows[_ROWS_SHOWN:] = [[f"{left} more", *[""] * (len(rows[0]) - 1)]]
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
            template, extra = "object.html", _tonight(request, item["name"])
        case "exoplanets":
            template, extra = "exoplanet.html", _tonight(request, item["name"])
        case "visibility" | "tonight" | "position":
            _leave_out(card, "image_url")
            template = "visibility.html" if resource.name == "visibility" else "asked.html"
            extra = {"crumb": _crumb(request, resource), "form": _form(request, resource)}
        case "observingsites":
            _leave_out(card, "telescopes")
            template, extra = "site.html", _site(request, thing)
        case "telescopes":
            _leave_out(card, "instruments")
            template, extra = "site.html", _telescope(request, item)
        case "satellites":
            template = "satellite.html"
            extra = {"default_site": backend_of(request).settings.site}
        case "datasets":
            template, extra = "dataset.html", _dataset(request, item)
        case "datapackages":
            _leave_out(card, "datasets")
            template, extra = "package.html", _package(request, item)
        case "trash":
            template = "trash.html"
            extra = {"taken": "taken" in request.query_params}
        case "fitsfiles":
            template, extra = "file.html", _file(request, thing, item)
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
    if item["is_builtin"] if resource.kept_by_admins else not _is_mine(request, item):
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


def _is_mine(request: AnyRequest, item: Mapping[str, Any]) -> bool:
    viewer = viewer_of(request)
    return viewer.known and viewer.username == item["profile"]


def _leave_out(card: cards.Card, name: str) -> None:
    """Take a fact off a card that the page shows in its own way."""
    card.facts[:] = [fact for fact in card.facts if fact.name != name]


def _tonight(request: AnyRequest, name: str) -> dict[str, Any]:
    """Return how an object stands tonight over the site that was chosen, if any."""
    site = str(request.query_params.get("site", "")).strip()
    site = site or backend_of(request).settings.site
    extra: dict[str, Any] = {"site": site, "seen": None, "site_problem": ""}
    if site:
        try:
            seen = read_visibility(backend_of(request), viewer_of(request), name, {"site": site})
        except InvalidInputError as error:
            extra["site_problem"] = error.detail
        else:
            folder = f"/objects/{quote(name, safe='')}/visibility/"
            seen.image_url = folder + curve_address(seen)
            extra["seen"] = seen
    return extra


def _site(request: AnyRequest, site: ObservingSite) -> dict[str, Any]:
    backend, viewer = backend_of(request), viewer_of(request)
    night = None
    if site.coordinates:
        night = views.card("tonight", msgspec.to_builtins(tonight(site, {})))
    listing = Telescopes().list_(backend, viewer, {"site": site.uuid})
    return {"night": night, **_standing("telescopes", listing)}


def _telescope(request: AnyRequest, item: dict[str, Any]) -> dict[str, Any]:
    backend, viewer = backend_of(request), viewer_of(request)
    listing = Instruments().list_(backend, viewer, {"telescope": item["uuid"]})
    return {"night": None, **_standing("instruments", listing)}


def _standing(name: str, listing: Listing[Any]) -> dict[str, Any]:
    """Return what stands on a site or a telescope, as a table."""
    items = msgspec.to_builtins([one for _, one in listing.rows(None, _ROWS_SHOWN)])
    return {
        "inside": _listed(name, items),
        "inside_title": BY_NAME[name].title,
        "inside_addresses": [address(name, one) for one in items],
    }


def _dataset(request: AnyRequest, item: dict[str, Any]) -> dict[str, Any]:
    backend, viewer = backend_of(request), viewer_of(request)
    found = list_files(backend, viewer, item["uuid"], {}).rows(None, FILES_SHOWN + 1)
    listed = [file for _, file in found[:FILES_SHOWN]]
    files = msgspec.to_builtins(listed)
    return {
        "may_upload": _may(may_upload, backend, viewer, item["uuid"]),
        "said": _uploaded(request, item["uuid"]),
        "files": _listed("fitsfiles", files),
        "addresses": [address("fitsfiles", file) for file in files],
        "pictures": _thumbnails(listed),
        "more": len(found) > FILES_SHOWN,
    }


def _thumbnails(files: Sequence[FitsFile]) -> list[str | None] | None:
    """Return the address of a tiny picture for each file that has one; None when none has."""
    shown = [file.product in (SPECTRUM, TIMESERIES) or bool(pictured(file)) for file in files]
    if not any(shown):
        return None
    base = "/datasets/{}/fitsfiles/{}/preview/{}/?size=tiny"
    return [
        base.format(file.dataset, file.pk, FIRST) if has_one else None
        for file, has_one in zip(files, shown, strict=True)
    ]


def _package(request: AnyRequest, item: dict[str, Any]) -> dict[str, Any]:
    """Return the datasets of a package, and what all of its files can be had as."""
    backend, viewer = backend_of(request), viewer_of(request)
    inside = Datasets().several(backend, viewer, item["datasets"][:_ROWS_SHOWN])
    items = msgspec.to_builtins(inside)
    everywhere = BY_NAME["fitsfiles"].everywhere
    return {
        "datasets": _listed("datasets", items),
        "addresses": [address("datasets", one) for one in items],
        "bundles": _bundles(everywhere, f"package={item['uuid']}"),
        "is_mine": _is_mine(request, item),
    }


def _may(act: Callable[..., object], *args: Any) -> bool:
    """Tell whether something would be allowed."""
    try:
        act(*args)
    except ArcsecondError:
        return False
    return True


def _uploaded(request: AnyRequest, dataset: str) -> str:
    """Return what to say to somebody whose form led back to the page."""
    for name, done in (("uploaded", "was uploaded"), ("known", "was here already")):
        if key := request.query_params.get(name):
            try:
                file = read_file(backend_of(request), viewer_of(request), dataset, key)
            except ArcsecondError:
                return ""
            return " ".join([f"{file.name} {done}.", *file.problems])
    if "deleted" in request.query_params:
        return "The file lies in your trash now: for 30 days it can be brought back from there."
    if "reread" in request.query_params:
        return _reread(request)
    return ""


def _reread(request: AnyRequest) -> str:
    given = (request.query_params.get(name, "") for name in ("reread", "changed", "left"))
    read, changed, left = (parse_amount(text, 1 << 53) or 0 for text in given)
    if not read:
        return "The headers of all files were read by the rules in force already."
    more = f" {left:,} are left: do it again." if left else ""
    files = "1 file" if read == 1 else f"{read:,} files"
    return f"The headers of {files} were read again; {changed:,} changed by it.{more}"


def _file(request: AnyRequest, file: FitsFile, item: dict[str, Any]) -> dict[str, Any]:
    plots = plotted(file)[:MOST]
    drawn = {hdu.index for hdu in plots}
    images = [hdu for hdu in pictured(file) if hdu.index not in drawn]
    preview = f"{address('fitsfiles', item)}preview/"
    asked = request.query_params
    headers = shown_headers(file.hdus, str(asked.get("search", "")), str(asked.get("hdu", "")))
    return {
        "pictures": [_picture(preview, hdu) for hdu in images[:MOST]],
        "unseen": [(hdu, f"{preview}{hdu.index}/") for hdu in images[MOST:MOST_NAMED]],
        "plots": [(hdu, f"{preview}{hdu.index}/") for hdu in plots],
        "dataset_name": Datasets().name_of(backend_of(request), viewer_of(request), file.dataset),
        "rows": _first_rows(request, file),
        "headers": headers,
        "may_delete": _may(may_upload, backend_of(request), viewer_of(request), file.dataset),
    }


def _first_rows(request: AnyRequest, file: FitsFile) -> list[cards.Table]:
    """Return the first rows of the tables of a file, those that can be read."""
    backend, viewer = backend_of(request), viewer_of(request)
    found = []
    for hdu in tabled(file)[:TABLES_SHOWN]:
        try:
            sought = seek_rows(backend, viewer, file.dataset, str(file.pk), str(hdu.index))
            told = msgspec.json.decode(draw(backend, viewer, sought))
        except ArcsecondError:
            continue
        title = f"HDU {hdu.index}{f' · {hdu.name}' if hdu.name else ''}"
        table = views.first_rows(told, title)
        if table.headings and table.rows:
            found.append(table)
    return found


def _picture(preview: str, hdu: Hdu) -> dict[str, Any]:
    how = orientation(hdu.header or {})
    width, height = hdu.shape[:2]
    return {
        "hdu": hdu,
        "address": f"{preview}{hdu.index}/",
        "turned": how.told if how is not None else "row 1 at the bottom",
        **{size: layout(width, height, size, how) for size in PAGES},
    }


def _shown_activity(activity: dict[str, Any]) -> dict[str, Any]:
    return {**activity, "when": shown.show(activity["date"])}


def _links(
    backend: Backend, item: Mapping[str, Any] | None, fact: cards.Fact
) -> list[tuple[str, str | None]]:
    """Return the texts of a fact, each with the address it leads to, if any."""
    value = fact.value
    if fact.name == "target" and item and "target_url" in item:
        url = item["target_url"]
        return [(fact.text, urlsplit(url).path if url else None)]
    if isinstance(value, str) and value.startswith(("http://", "https://")):
        return [("the file as it was sent" if fact.name == "download_url" else value, value)]
    resource = _LINKED.get(fact.name)
    values = value if isinstance(value, list) else [value]
    if resource is None or not all(isinstance(v, str) for v in values):
        return [(fact.text, None)]
    if resource in ("telescopes", "instruments") and not all(len(v) == 36 for v in values):
        return [(fact.text, None)]  # what a header says, which is a name
    if resource == "objects":
        return [(v, _in_catalogues(backend.settings, v)) for v in values]
    if resource in _NAMED:
        return [_named(backend, resource, v) for v in values]
    return [(v, f"/{resource}/{quote(v, safe='')}/") for v in values]


_NAMED: dict[str, Any] = {
    "observingsites": Sites(),
    "telescopes": Telescopes(),
    "instruments": Instruments(),
}


def _named(backend: Backend, resource: str, uuid: str) -> tuple[str, str | None]:
    """Return name and address of a site, a telescope or an instrument."""
    try:
        name = _NAMED[resource].read(backend, STRANGER, uuid).name
    except ArcsecondError:
        return uuid, None
    return name, f"/{resource}/{uuid}/"


def _in_catalogues(settings: Settings, name: str) -> str | None:
    """Return the address of an object or exoplanet that a catalogue knows."""
    kinds: tuple[Kind, ...] = ("objects", "exoplanets")
    for kind in kinds:
        for _, row in catalogue(settings, kind).find(name):
            return f"/{kind}/{quote(row.name, safe='')}/"
    return None


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
            links=functools.partial(_links, backend_of(request), values.get("item")),
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
