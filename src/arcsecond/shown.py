"""Values as people read them, the same in a terminal and on a page.

Only the standard library is imported: commands have to answer at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

Json = Mapping[str, Any]

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """Return a text without what would command a terminal, or turn what stands beside it around."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def show(value: Any) -> str:
    """Return a value as a person reads it; "" for nothing."""
    if value is None or value in ("", [], {}):
        return ""
    match value:
        case bool():
            return "yes" if value else "no"
        case str():
            return moment(value)
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


def angle(degrees: float) -> str:
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


def bare_moment(text: str | None) -> str:
    """Return a time without saying that it is UTC."""
    return moment(text or "").removesuffix(" UTC")


def moment(text: str) -> str:
    """Return a time as people read it; any other text as it is."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)", text):
        return text
    told = datetime.fromisoformat(text)
    return f"{told:%Y-%m-%d %H:%M:%S} UTC"


def first_line(text: str) -> str:
    """Return how a text begins."""
    return text.strip().split("\n")[0][:80]


def image(address: str | None) -> str:
    """Return the address of a picture, or how to save one that only the command can see."""
    if str(address).startswith("/"):
        return "`--out FILE.png` saves it; also .svg and .pdf"
    return show(address)
