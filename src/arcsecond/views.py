"""How answers are shown to people: the same labels in a terminal and on a page.

Cards and tables are made from the API's JSON. Only the standard library is
imported: both the command and the server's pages use this.
"""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

Json = Mapping[str, Any]

OLD_DAYS = 14.0
"""Age of an element set that is said to be old."""


NO_SATELLITES = (
    "No satellites yet. Import element sets: arcsecond satellites import FILE, "
    "or fetch them: arcsecond catalogues refresh satellites"
)


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts; the first column names each row.

    Attributes
    ----------
    least
        Headings of the columns that are left out first where there is no room.
    """

    title: str
    headings: list[str]
    rows: list[list[str]]
    least: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """A field of a thing: its name and value in the API, its label and text for people.

    An exact text keeps its columns: it is neither wrapped nor are its spaces changed.
    """

    name: str
    value: Any
    label: str
    text: str
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """One thing: its title, its facts, and tables that belong to it."""

    title: str
    facts: list[Fact]
    tables: list[Table] = field(default_factory=list)


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
    first, last = (_bare_moment(one[name])[11:16] for name in ("visible_from", "visible_until"))
    return f"{first}-{last}, {one['visible_altitude']:.0f}°"


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
        ("Middle (UTC)", lambda t: _bare_moment(t["middle"])),
        ("± min", lambda t: f"{t['uncertainty_minutes']:g}"),
        ("Star (deg)", lambda t: _degrees(t["altitudes"][1])),
        ("Sun (deg)", lambda t: _degrees(t["sun_altitudes"][1])),
        ("Observable", _get("is_observable")),
        ("Start", lambda t: _bare_moment(t["start"])[11:]),
        ("End", lambda t: _bare_moment(t["end"])[11:]),
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
        ("Rises (UTC)", lambda p: _bare_moment(p["rise"]["time"])),
        ("in", lambda p: _UP if p["was_up"] else compass(p["rise"]["azimuth"])),
        ("Highest", lambda p: _bare_moment(p["culmination"]["time"])[11:]),
        ("Alt", lambda p: f"{p['culmination']['altitude']:.0f}°"),
        ("Sets", lambda p: _bare_moment(p["set"]["time"])[11:]),
        ("in ", lambda p: _UP if p["stays_up"] else compass(p["set"]["azimuth"])),
        ("Visible", lambda p: _seen(p)),
        ("Satellite", _get("name")),
        ("NORAD", lambda p: str(p["norad_catalog_number"])),
        ("Local", lambda p: f"{_local(datetime.fromisoformat(p['rise']['time']), p):%H:%M:%S}"),
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
        ("Title", lambda a: a["title"] or _first_line(a["content"])),
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

_POINTS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")


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
    if name == "image_url" and str(value).startswith("/"):
        return "`--out FILE.png` saves it; also .svg and .pdf"
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
    return f"{of} within {_angle(value['radius'])} of {middle}"


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
            [str(v["version"]), _moment(v["creation_date"]), size(v["size"]), v["sha256"]]
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


def compass(azimuth_deg: float) -> str:
    """Return the point of the compass that is nearest to an azimuth."""
    return _POINTS[round(azimuth_deg / 45) % 8]


def _local(moment: datetime, night: Json) -> datetime:
    """Return a time by the clock of a night's site, which may change in the night."""
    if night["time_zone"]:
        from zoneinfo import ZoneInfo

        with contextlib.suppress(KeyError, ValueError, OSError):
            return moment.astimezone(ZoneInfo(night["time_zone"]))
    return moment + timedelta(hours=night["utc_offset"])


def _clock(text: str | None, night: Json) -> str:
    """Return a time as UTC and as local time."""
    if text is None:
        return ""
    moment = datetime.fromisoformat(text)
    return f"{moment:%H:%M} UTC, {_local(moment, night):%H:%M} local"


def _zone(night: Json) -> str:
    name = night["time_zone"] or "by longitude"
    return f"{name}, UTC{night['utc_offset']:+g} h"


def _night(item: Json) -> Card:
    """Return the card of a night: its events in the order of time."""
    moon = f"{item['moon_phase']}, {item['moon_illumination']:.0%} lit, {item['moon']}"
    local = datetime.fromisoformat(item["local_time"])
    now = local.astimezone(UTC).isoformat()
    running = str(item["start"]) <= now <= str(item["end"])
    facts = [
        ("local_time", "Local time", f"{local:%Y-%m-%d %H:%M:%S}" if running else ""),
        ("time_zone", "Time zone", _zone(item)),
        ("sun", "Sun", _sun(item)),
        ("dark", "Astronomical night", _dark(item)),
        ("moon", "Moon", moon),
        ("horizon", "Rise and set", item["horizon"]),
    ]
    events = [
        ("Sun sets", item["sunset"]),
        ("Sun rises", item["sunrise"]),
        ("Sun is lowest", item["midnight"]),
        ("Moon rises", item["moonrise"]),
        ("Moon sets", item["moonset"]),
        *(
            (f"{name.capitalize()} twilight {word}", item[name][edge])
            for name in ("civil", "nautical", "astronomical")
            for word, edge in (("ends", "dusk"), ("begins", "dawn"))
        ),
    ]
    known = sorted((time, name) for name, time in events if time)
    rows = [
        [
            name,
            f"{(m := datetime.fromisoformat(t)):%H:%M:%S}",
            f"{_local(m, item):%H:%M:%S}",
        ]
        for t, name in known
    ]
    title = f"{item['name']}, night of {item['date']}"
    return Card(title, _told(facts), [Table("", ["Event", "UTC", "Local"], rows)])


def _sun(item: Json) -> str:
    lowest = f"lowest {item['sun_altitude']:.1f}°"
    if item["sun"] != "rises and sets":
        return f"{item['sun']}, {lowest}"
    known = [("sets", item["sunset"]), ("rises", item["sunrise"])]
    return "; ".join([*(f"{word} {_clock(time, item)}" for word, time in known if time), lowest])


def _dark(item: Json) -> str:
    twilight = item["astronomical"]
    if not twilight["hours"]:
        return "none: the Sun stays above -18°"
    return f"{twilight['hours']:.1f} h"


def _visibility(item: Json) -> Card:
    """Return the card of how a target stands over a site."""
    night = item["night"]
    altitude = f"{item['transit_altitude']:.1f}° high"
    crosses = item["target"] if item["target"] != "rises and sets" else ""
    facts = [
        ("coordinates", "Position", show(item["coordinates"])),
        ("site", "Site", f"{night['name']} ({_zone(night)})"),
        ("date", "Night of", str(night["date"])),
        ("target", "It", crosses),
        ("rise", "Rises", _clock(item["rise"], night)),
        ("transit", "Transits", f"{_clock(item['transit'], night)}, {altitude}"),
        ("set", "Sets", _clock(item["set"], night)),
        (
            "hours_above",
            f"Above {item['elevation']:g}°",
            f"{item['hours_above']:.1f} h between sunset and sunrise, "
            f"{item['hours_above_dark']:.1f} h of it in astronomical night",
        ),
        ("sun", "Sun", _sun(night)),
        (
            "moon",
            "Moon",
            f"{item['moon_separation']:.0f}° away, {night['moon_phase']}, "
            f"{night['moon_illumination']:.0%} lit",
        ),
        ("image_url", "Image", _fact("image_url", item["image_url"], "visibility", item)),
    ]
    begin, end = night["sunset"] or night["start"], night["sunrise"] or night["end"]
    rows = [
        [
            f"{time:%H:%M}",
            f"{_local(time, night):%H:%M}",
            f"{point['altitude']:.1f}°",
            f"{round(point['azimuth']) % 360}° {compass(point['azimuth'])}",
            "" if point["airmass"] is None else f"{point['airmass']:.2f}",
            f"{point['sun_altitude']:.0f}°",
            f"{point['moon_altitude']:.0f}°",
        ]
        for point in item["curve"]
        if begin <= point["time"] <= end
        and (time := datetime.fromisoformat(point["time"])).minute == 0
    ]
    headings = ["UTC", "Local", "Altitude", "Azimuth", "Airmass", "Sun", "Moon"]
    return Card(item["name"], _told(facts), [Table("Through the night", headings, rows)])


def _told(facts: Sequence[tuple[str, str, str]]) -> list[Fact]:
    return [Fact(name, text, label, text) for name, label, text in facts if text]


_OWN_CARDS: dict[str, Callable[[Json], Card]] = {"tonight": _night, "visibility": _visibility}


def label(name: str) -> str:
    """Return the label of a field."""
    return _LABELS.get(name) or name.replace("_", " ").capitalize()


def show(value: Any) -> str:
    """Return a value as a person reads it; "" for nothing."""
    if value is None or value in ("", [], {}):
        return ""
    match value:
        case bool():
            return "yes" if value else "no"
        case str():
            return _moment(value)
        case float():
            return f"{value:.10g}"
        case [*items]:
            return ", ".join(show(item) for item in items)
        case {"right_ascension": ra, "declination": dec}:
            return f"{position(ra, dec)}{' ICRS' if value.get('system') == 'ICRS' else ''}"
        case {"longitude": longitude, "latitude": latitude}:
            return _on_a_sphere(longitude, latitude, value.get("height"))
        case {"value_right_ascension": ra, "value_declination": dec}:
            unit = value["value_right_ascension_unit"]
            return f"RA {ra:g}, Dec {dec:g} {unit}"
        case {"value": quantity}:
            return _measure(value, quantity)
        case {"name": name}:
            return str(name)
        case Mapping():
            return ", ".join(f"{show(v)}" for v in value.values() if show(v))
    return str(value)


def _on_a_sphere(longitude: float, latitude: float, height: float | None) -> str:
    """Return a place on the Earth, or without a height one in the sky."""
    if height is None:
        return f"{longitude:.5f}° {latitude:+.5f}°"
    east = "E" if longitude >= 0 else "W"
    north = "N" if latitude >= 0 else "S"
    return f"{abs(longitude):.4f}° {east}, {abs(latitude):.4f}° {north}, {height:g} m"


def _measure(measure: Json, value: Any) -> str:
    if isinstance(value, str):
        return value
    text = f"{value:.13g}"
    above, below = measure.get("error_max"), measure.get("error_min")
    if above is not None and below is not None:
        text += f" ± {above:g}" if above == below else f" (+{above:g} −{below:g})"
    return f"{text} {measure.get('unit') or ''}".strip()


def position(ra_deg: float, dec_deg: float) -> str:
    """Return a position in hours and degrees, to a hundredth of a second of time."""
    time = round(ra_deg / 15 * 360_000) % (24 * 360_000)
    arc = round(abs(dec_deg) * 36_000)
    sign = "-" if dec_deg < 0 else "+"
    return (
        f"{time // 360_000:02d}h{time // 6_000 % 60:02d}m{time % 6_000 / 100:05.2f}s "
        f"{sign}{arc // 36_000:02d}°{arc // 600 % 60:02d}′{arc % 600 / 10:04.1f}″"
    )


def _angle(degrees: float) -> str:
    """Return an angle in the unit that fits it."""
    if degrees >= 1:
        return f"{degrees:.3g}°"
    return f"{degrees * 60:.3g}′" if degrees >= 1 / 60 else f"{degrees * 3600:.3g}″"


def size(count: int) -> str:
    """Return a number of bytes in the unit that fits it (powers of 1000)."""
    amount = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def _bare_moment(text: str | None) -> str:
    return _moment(text or "").removesuffix(" UTC")


def _moment(text: str) -> str:
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)", text):
        return text
    moment = datetime.fromisoformat(text)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _seen_by(dataset: Json) -> str:
    if not dataset["is_public"]:
        return "its owner"
    embargo = dataset["embargo"]
    is_over = embargo is None or embargo <= datetime.now(UTC).date().isoformat()
    return "everyone" if is_over else f"everyone from {embargo}"


def _first_line(text: str) -> str:
    return text.strip().split("\n")[0][:80]
