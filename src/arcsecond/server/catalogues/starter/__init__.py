"""The starter tables: facts of well-known objects, with their sources.

This is the seam that larger catalogues replace: everything else asks the
``Table`` for rows by name, in order, or around a position.
"""

from __future__ import annotations

import difflib
import functools
import math
from importlib.resources import files
from typing import Any

import msgspec

from arcsecond.server.catalogues.names import fold, forms


class Row(msgspec.Struct):
    """One row as the starter files have it; absent facts are None."""

    name: str
    ra_deg: float
    dec_deg: float
    source: str
    aliases: list[str] = []
    types: list[str] = []
    spectral_type: str | None = None
    morphological_type: str | None = None
    fluxes: list[dict[str, Any]] = []
    pm_ra_mas_yr: float | None = None
    pm_dec_mas_yr: float | None = None
    parallax_mas: float | None = None
    radial_velocity_km_s: float | None = None
    distance_pc: float | None = None
    size_arcmin: float | None = None
    planets: list[str] = []
    host: str = ""
    mass: dict[str, Any] | None = None
    radius: dict[str, Any] | None = None
    orbital_period: dict[str, Any] | None = None
    semi_major_axis: dict[str, Any] | None = None
    eccentricity: dict[str, Any] | None = None
    inclination: dict[str, Any] | None = None
    equilibrium_temperature: dict[str, Any] | None = None
    detection_method: str | None = None
    discovery_year: int | None = None


class _File(msgspec.Struct):
    key: str
    name: str
    version: str
    licence: str
    description: str
    sources: dict[str, str]
    rows: list[Row]


class Table:
    """A catalogue at hand, found by name and by position.

    Attributes
    ----------
    key, title, version, licence, description
        What the catalogue is.
    sources
        Citations by the short name that rows carry.
    rows
        In order of name.
    """

    def __init__(self, file: _File) -> None:
        self.key = file.key
        self.title = file.name
        self.version = file.version
        self.licence = file.licence
        self.description = file.description
        self.sources = file.sources
        self.rows = sorted(file.rows, key=lambda row: fold(row.name))
        self._by_name = {fold(n): r for r in self.rows for n in (*r.aliases, r.name)}
        self._by_form = dict(self._by_name)  # a name as it stands comes before another form
        for row in self.rows:
            for name in (row.name, *row.aliases):
                for form in forms(name):
                    self._by_form.setdefault(form, row)

    def find(self, name: str) -> Row | None:
        """Return the row that has a name, however it is written; None when there is none."""
        return next((self._by_form[f] for f in forms(name) if f in self._by_form), None)

    def search(self, text: str) -> list[Row]:
        """Return rows one of whose names holds a text, those that begin with it first."""
        sought = fold(text)
        found = []
        for row in self.rows:
            places = [fold(name).find(sought) for name in (row.name, *row.aliases)]
            if any(place >= 0 for place in places):
                found.append((0 not in places, row))
        return [row for _, row in sorted(found, key=lambda pair: pair[0])]

    def nearest_names(self, name: str) -> list[str]:
        """Return up to three names that look like one that was not found."""
        close = difflib.get_close_matches(fold(name[:60]), self._by_name, n=3, cutoff=0.6)
        return list(dict.fromkeys(self._by_name[match].name for match in close))

    def around(self, ra_deg: float, dec_deg: float, radius_deg: float) -> list[tuple[float, Row]]:
        """Return rows within a cone (its edge included) and their distance, nearest first."""
        near = [(separation(ra_deg, dec_deg, r.ra_deg, r.dec_deg), r) for r in self.rows]
        return sorted(((d, r) for d, r in near if d <= radius_deg), key=lambda pair: pair[0])


def separation(ra1_deg: float, dec1_deg: float, ra2_deg: float, dec2_deg: float) -> float:
    """Return the angle between two positions in degrees, exact at every scale.

    The formula of Vincenty, which neither loses small angles nor large ones.
    """
    ra, dec1, dec2 = map(math.radians, (ra2_deg - ra1_deg, dec1_deg, dec2_deg))
    across = math.hypot(
        math.cos(dec2) * math.sin(ra),
        math.cos(dec1) * math.sin(dec2) - math.sin(dec1) * math.cos(dec2) * math.cos(ra),
    )
    along = math.sin(dec1) * math.sin(dec2) + math.cos(dec1) * math.cos(dec2) * math.cos(ra)
    return math.degrees(math.atan2(across, along))


@functools.cache
def table(key: str) -> Table:
    """Return a starter table by its key; read once, never changed."""
    content = files(__package__).joinpath(f"{key}.json").read_bytes()
    return Table(msgspec.json.decode(content, type=_File))


KEYS = ("objects", "exoplanets", "standardstars")
