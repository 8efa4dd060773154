"""Where a page leads: lists of things and their addresses, and those of what their facts name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from arcsecond import cards, views
from arcsecond.errors import ArcsecondError
from arcsecond.registry import BY_NAME
from arcsecond.server.catalogues.builtin import Kind, catalogue
from arcsecond.server.context import STRANGER, AnyRequest, Backend, viewer_of
from arcsecond.server.observatory.equipment import Instruments, Sites, Telescopes
from arcsecond.server.settings import Settings

INSIDE_SHOWN = 200
"""Things that lie in another whose page shows them."""

_LINKED = {
    "observing_site": "observingsites",
    "telescope": "telescopes",
    "telescopes": "telescopes",
    "instrument": "instruments",
    "instruments": "instruments",
    "dataset": "datasets",
    "datapackages": "datapackages",
    "observing_run": "observingruns",
    "night_logs": "nightlogs",
    "profile": "profiles",
    "parent_star": "objects",
    "planets": "exoplanets",
    "target": "objects",
}


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


def listed(resource: str, items: list[Any]) -> cards.Table:
    """Return a list without UUIDs: on a page the names lead to the things."""
    table = views.table(resource, items)
    shown = [n for n, heading in enumerate(table.headings) if heading != "UUID"]
    rows = [[row[n] for n in shown] for row in table.rows]
    return cards.Table(table.title, [table.headings[n] for n in shown], rows)


def is_mine(request: AnyRequest, item: Mapping[str, Any]) -> bool:
    """Tell whether a thing is of whoever asks."""
    viewer = viewer_of(request)
    return viewer.known and viewer.username == item["profile"]


def links(
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
