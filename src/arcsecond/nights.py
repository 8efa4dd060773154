"""Cards of a night at a site, and of how a target stands over it."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

from arcsecond.cards import Card, Table, facts_of
from arcsecond.shown import Json, image, show

_POINTS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")


def compass(azimuth_deg: float) -> str:
    """Return the point of the compass that is nearest to an azimuth."""
    return _POINTS[round(azimuth_deg / 45) % 8]


def by_its_clock(moment: datetime, night: Json) -> datetime:
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
    return f"{moment:%H:%M} UTC, {by_its_clock(moment, night):%H:%M} local"


def _zone(night: Json) -> str:
    name = night["time_zone"] or "by longitude"
    return f"{name}, UTC{night['utc_offset']:+g} h"


def night_card(item: Json) -> Card:
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
            f"{by_its_clock(m, item):%H:%M:%S}",
        ]
        for t, name in known
    ]
    title = f"{item['name']}, night of {item['date']}"
    return Card(title, facts_of(facts), [Table("", ["Event", "UTC", "Local"], rows)])


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


def visibility_card(item: Json) -> Card:
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
        ("image_url", "Image", image(item["image_url"])),
    ]
    begin, end = night["sunset"] or night["start"], night["sunrise"] or night["end"]
    rows = [
        [
            f"{time:%H:%M}",
            f"{by_its_clock(time, night):%H:%M}",
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
    return Card(item["name"], facts_of(facts), [Table("Through the night", headings, rows)])
