"""What lies around a place on the Earth."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from arcsecond.errors import InvalidInputError
from arcsecond.schemas.fields import LENGTH
from arcsecond.server.observatory.almanac import Place

RADIUS_KM = 100.0
"""When none is given."""

FARTHEST_KM = 3_000.0
"""What is farther away is not near."""

KM_PER_DEGREE = 110.5
"""Least length of a degree of latitude."""

_COORDINATES = re.compile(r"[-+]?\d+(?:\.\d*)?\s*,\s*[-+]?\d+(?:\.\d*)?", re.ASCII)
_UNITS_KM = {"": 1.0, "km": 1.0, "m": 0.001, "mi": 1.609344}


@dataclass(frozen=True, slots=True)
class Around:
    """A circle on the Earth (WGS 84)."""

    longitude: float
    latitude: float
    radius_km: float

    def box(self, latitude: sa.Column[Any]) -> sa.ColumnElement[bool]:
        """Return the condition that a latitude is near enough."""
        reach = self.radius_km / KM_PER_DEGREE
        return latitude.between(self.latitude - reach, self.latitude + reach)

    def distance_km(self, longitude: float, latitude: float) -> float:
        """Return how far a place is, along the ellipsoid."""
        from geographiclib.geodesic import Geodesic

        here = (self.latitude, self.longitude)
        found = Geodesic.WGS84.Inverse(*here, latitude, longitude, Geodesic.DISTANCE)
        return float(found["s12"]) / 1000


def parse_around(filters: Mapping[str, str], place_named: Callable[[str], Place]) -> Around | None:
    """Return what the filters ``around`` and ``radius`` say; None when there is none.

    Parameters
    ----------
    place_named
        Returns the place of a site, for what are no coordinates.

    Raises
    ------
    InvalidInputError
        They are no place or no length.
    """
    if "around" not in filters:
        if "radius" in filters:
            problem = "A radius needs a place: `around=LON,LAT`."
            raise InvalidInputError(fields={"radius": [problem]})
        return None
    text = filters["around"]
    place = _checked(text) if _COORDINATES.fullmatch(text.strip()) else place_named(text)
    radius = filters.get("radius", f"{RADIUS_KM:g}")
    written = radius.strip().lower()
    number = written.rstrip("kmi ")
    known = re.fullmatch(LENGTH, written)
    length = float(number) * _UNITS_KM[written[len(number) :].strip()] if known else math.nan
    if not 0 < length <= FARTHEST_KM:
        problem = f"{radius[:40]!r} is no length; write one like 100km, up to 3000."
        raise InvalidInputError(fields={"radius": [problem]})
    return Around(place.longitude, place.latitude, length)


def _checked(text: str) -> Place:
    longitude, latitude = (float(part) for part in text.split(","))
    if not (-180 <= longitude <= 360 and -90 <= latitude <= 90):
        problem = f"{text[:40]!r} is no place; write LON,LAT in degrees, east and north positive."
        raise InvalidInputError(fields={"around": [problem]})
    return Place(longitude, latitude)
