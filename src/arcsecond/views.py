"""How answers are shown to people: the same labels in a terminal and on a page.

Cards and tables are made from the API's JSON. Both the command and the server's pages
use this.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from arcsecond.cards import Card, Fact, Table
from arcsecond.nights import by_its_clock, compass, night_card, visibility_card
from arcsecond.shown import (
    Json,
    angle,
    bare_moment,
    first_line,
    image,
    moment,
    position,
    show,
    size,
)

OLD_DAYS = 14.0
"""Age of an element set that is said to be old."""


NO_SATELLITES = (
    "No satellites yet. Import element sets: arcsecond satellites import FILE, "
    "or fetch them: arcsecond catalogues refresh satellites"
)


Cell = Callable[[Json], Any]


def _get(*names: str) -> Cell:
    def cell(item: Json) -> Any:
        value: Any = item
        for name in names:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    return cell


def _value(name: str) -> Cell:
    """Return the value of a measure alone: errors are for its own page."""

    def cell(item: Json) -> str:
        value = (item.get(name) or {}).get("value")
        return "" if value is None else f"{value:.7g}"

    return cell


def _away(separation_deg: float | None) -> str:
    return "" if separation_deg is None else f"{separation_deg:.3f}"


def _kilometres(distance_km: float | None) -> str:
    return "" if distance_km is None else f"{distance_km:.1f}"


_UP = "(up)"


def _seen(one: Json) -> str:
    """Return from when to when a pass can be seen, and how high it is then."""
    if not one["is_visible"]:
        return ""
    first, last = (bare_moment(one[name])[11:16] for name in ("visible_from", "visible_until"))
    return f"{first}-{last}, {one['visible_altitude']:.0f}°"


def _by_the_sites_clock(text: str, one: Json) -> str:
    return f"{by_its_clock(datetime.fromisoformat(text), one):%H:%M:%S}"


def _degrees(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


COLUMNS: dict[str, list[tuple[str, Cell]]] = {
    "objects": [
        ("Name", _get("name")),
        ("Away (deg)", lambda o: _away(o["separation"])),
        ("V", lambda o: next((f"{f['value']:g}" for f in o["fluxes"] if f["name"] == "V"), "")),
        ("Position", _get("coordinates")),
        ("Type", lambda item: ", ".join(item["object_types"][:2])),
        ("Spectral type", _get("spectral_type")),
    ],
    "exoplanets": [
        ("Name", _get("name")),
        ("Star", _get("parent_star")),
        ("Period (d)", _value("orbital_period")),
        ("Mass (M_jup)", _value("mass")),
        ("Radius (R_jup)", _value("radius")),
        ("Method", _get("detection_method")),
        ("Year", _get("discovery_year")),
    ],
    "transits": [
        ("Middle (UTC)", lambda t: bare_moment(t["middle"])),
        ("± min", lambda t: f"{t['uncertainty_minutes']:g}"),
        ("Star (deg)", lambda t: _degrees(t["altitudes"][1])),
        ("Sun (deg)", lambda t: _degrees(t["sun_altitudes"][1])),
        ("Observable", _get("is_observable")),
        ("Start", lambda t: bare_moment(t["start"])[11:]),
        ("End", lambda t: bare_moment(t["end"])[11:]),
    ],
    "findingcharts": [
        ("Object", _get("astronomical_object")),
        ("Survey", _get("survey_name")),
        ("Field", lambda c: f"{c['width']:g} × {c['height']:g} {c['size_unit']}"),
        ("Image", _get("image_url")),
    ],
    "observingsites": [
        ("Name", _get("name")),
        ("Code", _get("IAUCode")),
        ("Away (km)", lambda s: _kilometres(s["distance"])),
        ("Position", _get("coordinates")),
        ("Country", _get("address", "country")),
        ("Telescopes", lambda s: str(len(s["telescopes"]) or "")),
    ],
    "telescopes": [
        ("Name", _get("name")),
        ("Acronym", _get("acronym")),
        ("Away (km)", lambda t: _kilometres(t["distance"])),
        ("Aperture (m)", _get("aperture")),
        ("Site", _get("observing_site_name")),
        ("Optical design", _get("optical_design")),
        ("Position", _get("coordinates")),
    ],
    "instruments": [
        ("Name", _get("name")),
        ("Acronym", _get("acronym")),
        ("Away (km)", lambda i: _kilometres(i["distance"])),
        ("Kind", _get("kind")),
        ("Telescope", _get("telescope_name")),
    ],
    "satellites": [
        ("NORAD", lambda s: str(s["norad_catalog_number"])),
        ("Name", _get("name")),
        ("Designator", _get("designator")),
        ("Epoch", _get("epoch")),
        ("Days", lambda s: f"{s['age_days']:.1f}{' old' if s['is_old'] else ''}"),
    ],
    "passes": [
        ("Rises (UTC)", lambda p: bare_moment(p["rise"]["time"])),
        ("in", lambda p: _UP if p["was_up"] else compass(p["rise"]["azimuth"])),
        ("Highest", lambda p: bare_moment(p["culmination"]["time"])[11:]),
        ("Alt", lambda p: f"{p['culmination']['altitude']:.0f}°"),
        ("Sets", lambda p: bare_moment(p["set"]["time"])[11:]),
        ("in ", lambda p: _UP if p["stays_up"] else compass(p["set"]["azimuth"])),
        ("Visible", lambda p: _seen(p)),
        ("Satellite", _get("name")),
        ("NORAD", lambda p: str(p["norad_catalog_number"])),
        ("Local", lambda p: _by_the_sites_clock(p["rise"]["time"], p)),
        ("Days", lambda p: f"{p['age_days']:.1f}".replace("-0.0", "0.0")),
    ],
    "profiles": [
        ("Username", _get("username")),
        ("Name", lambda p: f"{p['first_name']} {p['last_name']}".strip()),
        ("Since", _get("membership_date")),
    ],
    "observingruns": [
        ("Name", _get("name")),
        ("Night logs", lambda r: str(len(r["night_logs"]))),
        ("Created", _get("creation_date")),
        ("UUID", _get("uuid")),
    ],
    "nightlogs": [
        ("Date", lambda n: n["date"]),
        ("Name", _get("name")),
        ("Created", _get("creation_date")),
        ("UUID", _get("uuid")),
    ],
    "datasets": [
        ("Name", _get("name")),
        ("Files", lambda d: str(d["data_files_count"])),
        ("Size", lambda d: size(d["data_files_volume"])),
        ("Seen by", lambda d: _seen_by(d)),
        ("Created", _get("creation_date")),
        ("UUID", _get("uuid")),
    ],
    "datapackages": [
        ("Name", _get("name")),
        ("Datasets", lambda p: str(len(p["datasets"]))),
        ("Files", lambda p: str(p["data_files_count"])),
        ("Size", lambda p: size(p["data_files_volume"])),
        ("Licence", _get("licence")),
        ("Seen by", lambda p: _seen_by(p) + (", who has its link" if p["share_url"] else "")),
        ("UUID", _get("uuid")),
    ],
    "fitsfiles": [
        ("Name", _get("name")),
        ("pk", lambda f: str(f["pk"])),
        ("Problems", lambda f: str(len(f["problems"])) if f["problems"] else ""),
        ("Target", _get("target")),
        ("Start", _get("start")),
        ("Exposure", lambda f: None if f["exposure"] is None else f"{f['exposure']:g} s"),
        ("Filter", _get("filter")),
        ("Kind", _get("kind")),
        ("Position", _get("position")),
        ("HDUs", lambda f: str(len(f["hdus"]))),
        ("Size", lambda f: size(f["size"])),
    ],
    "trash": [
        ("Id", _get("id")),
        ("Kind", _get("kind")),
        ("Name", _get("name")),
        ("Deleted", _get("deleted")),
        ("Gone for good", _get("purged")),
        ("Size", lambda one: "" if one["size"] is None else size(one["size"])),
    ],
    "uploads": [
        ("Name", _get("name")),
        ("Received", lambda u: f"{size(u['received'])} of {size(u['size'])}"),
        ("Begun", _get("creation_date")),
        ("Expires", _get("expires")),
        ("UUID", _get("uuid")),
    ],
    "activities": [
        ("pk", lambda a: str(a["pk"])),
        ("When", _get("date")),
        ("Title", lambda a: a["title"] or first_line(a["content"])),
        ("Target", _get("target_name")),
        ("By", _get("profile")),
    ],
    "standardstars": [
        ("Name", _get("name")),
        ("Away (deg)", lambda s: _away(s["separation"])),
        ("Position", _get("equatorial_coordinates")),
        ("Spectral type", _get("spectral_type")),
        ("Magnitudes", lambda s: ", ".join(f"{m['name']} {m['value']:g}" for m in s["magnitudes"])),
    ],
    "catalogues": [
        ("Key", _get("key")),
        ("Rows", lambda c: f"{c['rows']:,}"),
        ("Days", lambda c: str(c["age_days"])),
        ("Version", _get("version")),
        ("Licence", _get("licence")),
        ("Name", _get("name")),
        ("Of", _get("kind")),
    ],
    "telegrams/ATel": [("Identifier", lambda t: str(t["identifier"])), ("Title", _get("title"))],
}

_LEAST = {"passes": ("Days", "Local", "NORAD", "in ", "in", "Sets", "Highest")}

_KEYS = {
    "objects": "name",
    "exoplanets": "name",
    "findingcharts": "input",
    "satellites": "norad_catalog_number",
    "passes": "norad_catalog_number",
    "position": "norad_catalog_number",
    "tonight": "site",
    "visibility": "name",
    "profiles": "username",
    "me": "username",
    "fitsfiles": "pk",
    "activities": "pk",
    "catalogues": "key",
    "trash": "id",
    "standardstars": "name",
    "telegrams/ATel": "identifier",
}

_HIDDEN = {
    "name", "title", "content", "description", "journal", "ICRS_coordinates",
    "equatorial_coordinates", "tag_array", "id", "target_name", "creation_date", "hdus",
    "problems", "fluxes", "file", "two_lines", "is_fits", "time_zone_id", "time_zone_name",
    "header", "memberships", "elements", "is_old", "designator", "other_urls",
    "input", "is_builtin", "versions", "previews", "target_url",
}  # fmt: skip

_EXACT = ("line_1", "line_2")
_FIRST = ("problems", "content", "description", "journal")

_LABELS = {
    "creation_date": "Created",
    "pk": "pk",
    "uuid": "UUID",
    "IAUCode": "MPC code",
    "norad_catalog_number": "NORAD number",
    "sha256": "SHA-256",
    "content_sha256": "SHA-256 unpacked",
    "profile": "Owner",
    "is_public": "Public",
    "is_published": "Everyone sees it",
    "datapackages": "In data packages",
    "is_staff": "Administrator",
    "is_local_owner": "Owner of this directory",
    "data_files_count": "Files",
    "data_files_volume": "Size",
    "download_url": "Download",
    "image_url": "Image",
    "share_url": "Link to share",
    "homepage_url": "Home page",
    "size": "Size",
    "content_size": "Size unpacked",
    "age_days": "Elements",
    "fov": "Field",
    "ra_of_asc_node": "RA of ascending node",
    "arg_of_pericenter": "Argument of pericentre",
    "bstar": "B*",
    "mean_motion_dot": "Mean motion, 1st derivative",
    "mean_motion_ddot": "Mean motion, 2nd derivative",
    "site_name": "Site",
    "observing_site_name": "Observing site",
    "telescope_name": "Telescope",
    "is_sunlit": "In sunlight",
    "utc": "UTC",
}

_UNITS = {
    "latitude": "°", "longitude": "°", "altitude": "°", "azimuth": "°", "height": " km",
    "range": " km", "distance": " km", "aperture": " m",
}  # fmt: skip

_LISTED_BY = {
    ("observingsites", "telescopes"): "arcsecond telescopes --site {}",
    ("telescopes", "instruments"): "arcsecond instruments --telescope {}",
}
"""Commands that list what stands on a site or a telescope."""


def key_of(resource: str, item: Json) -> str:
    """Return what identifies an item: for its address, and for ``--quiet``."""
    return str(item.get(_KEYS.get(resource, "uuid"), ""))


def title_of(resource: str, item: Json) -> str:
    """Return what an item is called."""
    for name in ("title", "name", "astronomical_object", "username", "date"):
        if item.get(name):
            return str(item[name])
    return key_of(resource, item)


def table(resource: str, items: Sequence[Json], title: str = "") -> Table:
    """Return a list as a table, without columns that would be empty."""
    columns = COLUMNS[resource]
    rows = [[show(cell(item)) for _, cell in columns] for item in items]
    used = [n for n in range(len(columns)) if n == 0 or any(row[n] for row in rows)]
    headings = [columns[n][0] for n in used]
    least = _LEAST.get(resource, ())
    return Table(title, headings, [[row[n] for n in used] for row in rows], least)


def first_rows(told: Json, title: str = "") -> Table:
    """Return the first rows of a table in a file, with the units of its columns."""
    named = zip(told["columns"], told["units"], strict=True)
    headings = [f"{name} ({unit})" if unit else name for name, unit in named]
    return Table(title, headings, [[show(cell) for cell in row] for row in told["rows"]])


def note(resource: str, items: Sequence[Json]) -> str:
    """Return what there is to say of all rows of a table; "" for nothing."""
    if resource == "satellites":
        return _aged(items)
    if resource == "passes":
        return " ".join(filter(None, (_cut(items), _aged(items))))
    if resource != "transits" or not items:
        return ""
    first = items[0]
    told = (
        f"{first['scale']} {first['epoch']:.13g} + {first['period']:.13g} d × E, {first['source']}."
    )
    rule = " Observable: star above 20°, Sun below -12° at the middle."
    return f"Ephemeris: {told}{rule if first['is_observable'] is not None else ''}"


def _cut(items: Sequence[Json]) -> str:
    """Say what is up for longer than was asked for."""
    cut = [one for one in items if one["was_up"] or one["stays_up"]]
    always = {one["name"]: "" for one in cut if one["was_up"] and one["stays_up"]}
    told = []
    if always:
        names, more = [*always][:3], len(always) - 3
        others = f" and {more} more" if more > 0 else ""
        verb = "is" if len(always) == 1 else "are"
        told.append(f"{', '.join(names)}{others} {verb} up all the time.")
    if len(cut) > len(always):
        told.append(f"{_UP}: it was above the elevation when the time began, or still is.")
    return " ".join(told)


def _aged(items: Sequence[Json]) -> str:
    """Say how many satellites have elements that are too old, or too young, to rely on."""
    far = {one["norad_catalog_number"]: abs(one["age_days"]) > OLD_DAYS for one in items}
    if not any(far.values()):
        return ""
    if len(far) == 1:
        return f"Its elements are over {OLD_DAYS:g} days away: they may be far off."
    return (
        f"{sum(far.values())} of these {len(far)} satellites have elements over {OLD_DAYS:g} days "
        "away: they may be far off."
    )


def card(resource: str, item: Json) -> Card:
    """Return one thing as a card: facts in the API's order, unknown ones left out."""
    if resource in _OWN_CARDS:
        return _OWN_CARDS[resource](item)
    title = title_of(resource, item)
    shown = [n for n in _FIRST if item.get(n) != title] + [n for n in item if n not in _HIDDEN]
    for name in shown[:]:  # people are told the name, not the UUID
        if item.get(f"{name}_name") and f"{name}_name" in shown:
            shown.remove(name)
    if not item.get("packing"):  # what was sent is what is inside
        shown = [n for n in shown if not n.startswith("content_")]
    if item.get("creation_date"):
        shown.append("creation_date")
    facts = [
        Fact(n, item.get(n), label(n), _fact(n, item.get(n), resource, item), n in _EXACT)
        for n in shown
    ]
    return Card(title, [fact for fact in facts if fact.text], _tables(item))


def _fact(name: str, value: Any, resource: str, item: Json) -> str:
    if (resource, name) in _LISTED_BY and value:
        key = item.get("IAUCode") or item.get("acronym") or item["name"]
        return f"{len(value)}; `{_LISTED_BY[resource, name].format(shlex.quote(key))}` lists them"
    if name == "address" and value:
        return ", ".join(filter(None, (value["country"], value["continent"])))
    if name == "local_time" and value:
        zone = item["address"]["time_zone"]
        return f"{datetime.fromisoformat(value):%Y-%m-%d %H:%M:%S} ({zone}, UTC{value[19:]})"
    if name == "image_url":
        return image(value)
    if name in ("size", "content_size", "data_files_volume") and value is not None:
        return f"{size(value)} ({value} bytes)" if value >= 1000 else f"{value} bytes"
    if name == "exposure" and value is not None:
        return f"{value:g} s"
    if name == "separation" and value is not None:
        return f"{value:.5f}°"
    if name == "age_days" and value is not None:
        word = "old" if value >= 0 else "younger than that"
        off = ", too far off to rely on" if abs(value) > OLD_DAYS else ""
        return f"{abs(value):.1f} days {word}{off}"
    # Charts have widths and heights of their own, in arcminutes.
    if name in _UNITS and isinstance(value, float | int) and resource != "findingcharts":
        return f"{value:.10g}{_UNITS[name]}"
    if name in _TOLD:
        return _TOLD[name](value) if value else ""
    return show(value)


def _doubts(value: Sequence[Json]) -> str:
    return "\n".join(
        f"{d['keyword']} = {d['value']} tells no {d['field']}: {d['why']}" for d in value
    )


def _footprint(value: Json) -> str:
    parts = len(value["polygons"])
    of = f"{parts} polygons" if parts > 1 else f"{len(value['polygons'][0])} corners"
    middle = position(value["right_ascension"], value["declination"])
    return f"{of} within {angle(value['radius'])} of {middle}"


_TOLD: dict[str, Callable[[Any], str]] = {
    "doubts": _doubts,
    "footprint": _footprint,
    "problems": "\n".join,  # sentences, each on its line
    "sources": "\n".join,
}


def _tables(item: Json) -> list[Table]:
    tables = []
    if fluxes := item.get("fluxes"):
        rows = [[f["name"], f"{f['value']:g} {f['unit']}", f["bibcode"] or ""] for f in fluxes]
        tables.append(Table("Fluxes", ["Band", "Value", "Source"], rows))
    if len(kept := item.get("versions") or []) > 1:
        rows = [
            [str(v["version"]), moment(v["creation_date"]), size(v["size"]), v["sha256"]]
            for v in kept
        ]
        tables.append(Table("Versions", ["Version", "Since", "Size", "SHA-256"], rows))
    if hdus := item.get("hdus"):
        rows = [
            [
                str(h["index"]),
                h["name"],
                h["data_type"] + (f" ({h['compression']})" if h["compression"] else ""),
                " × ".join(map(str, h["shape"])),
            ]
            for h in hdus
        ]
        tables.append(Table("Header and data units", ["HDU", "Name", "Type", "Shape"], rows))
    if elements := item.get("elements"):
        rows = [[label(name.lower()), show(value)] for name, value in elements.items()]
        tables.append(Table("Elements", ["Element", "Value"], rows))
    return tables


def _seen_by(one: Json) -> str:
    """Return who sees a dataset or a data package."""
    embargo = one["embargo"]
    is_over = embargo is None or embargo <= datetime.now(UTC).date().isoformat()
    if one["is_public"] and is_over:
        return "everyone"
    if one.get("is_published"):
        return "everyone, by a data package"
    return f"everyone from {embargo}" if one["is_public"] else "its owner"


def label(name: str) -> str:
    """Return the label of a field."""
    return _LABELS.get(name) or name.replace("_", " ").capitalize()


_OWN_CARDS: dict[str, Callable[[Json], Card]] = {
    "tonight": night_card,
    "visibility": visibility_card,
}
