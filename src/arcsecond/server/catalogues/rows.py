"""What a catalogue knows of one thing: a row, and what several rows say together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from arcsecond.server.catalogues.names import fold, forms, shared

Fact = dict[str, Any]
"""``value`` with ``unit``, ``error_max``, ``error_min`` and where it is known ``source``."""


class Row(msgspec.Struct, omit_defaults=True, gc=False):
    """One row of a catalogue; absent facts are None.

    Attributes
    ----------
    ra_deg, dec_deg
        ICRS, degrees. For stars at epoch J2000 where their motion is known.
    source
        Key of the citation, of all facts that ``sources`` does not name.
    sources
        Keys of the citations of facts that come from elsewhere, by attribute.
    fluxes
        ``name``, ``value``, ``unit``, ``system`` and their own ``source``.
    tzero_primary_transit
        Middle of a transit, a Julian date; ``scale`` says of which kind.
    """

    name: str
    ra_deg: float
    dec_deg: float
    source: str
    aliases: list[str] = []
    types: list[str] = []
    spectral_type: str | None = None
    morphological_type: str | None = None
    fluxes: list[Fact] = []
    pm_ra_mas_yr: float | None = None
    pm_dec_mas_yr: float | None = None
    parallax_mas: float | None = None
    radial_velocity_km_s: float | None = None
    distance_pc: float | None = None
    size_arcmin: float | None = None
    host: str = ""
    mass: Fact | None = None
    radius: Fact | None = None
    orbital_period: Fact | None = None
    semi_major_axis: Fact | None = None
    eccentricity: Fact | None = None
    inclination: Fact | None = None
    omega_angle: Fact | None = None
    time_periastron: Fact | None = None
    tzero_primary_transit: Fact | None = None
    transit_duration: Fact | None = None
    transit_depth: Fact | None = None
    impact_parameter: Fact | None = None
    velocity_semiamplitude: Fact | None = None
    equilibrium_temperature: Fact | None = None
    is_transiting: bool | None = None
    detection_method: str | None = None
    discovery_year: int | None = None
    sources: dict[str, str] = {}

    def cited(self, attribute: str) -> str:
        """Return the key of the citation of a fact."""
        return self.sources.get(attribute, self.source)


def magnitude(band: str, value: float, source: str) -> Fact:
    """Return a magnitude in the Vega system."""
    return {"name": band, "value": value, "unit": "mag", "system": "Vega", "source": source}


NUMBERED = {"hip": "HIP", "hd": "HD", "hr": "HR", "sao": "SAO"}
"""Lists of stars by number, as they are written; a star is called by the first that has it."""

MEASURED = (
    "pm_ra_mas_yr", "pm_dec_mas_yr", "parallax_mas", "distance_pc", "radial_velocity_km_s",
    "spectral_type",
)  # fmt: skip
"""What tables of stars tell."""


def star(
    ra_deg: float,
    dec_deg: float,
    source: str,
    values: Mapping[str, Any],
    names: Sequence[str] = (),
) -> Row:
    """Return a star by its names and the numbers it has in lists.

    Parameters
    ----------
    values
        By column: numbers of ``NUMBERED``, facts of ``MEASURED`` and the magnitude ``v``.
    """
    numbers = (f"{label} {values[key]}" for key, label in NUMBERED.items() if values[key])
    name, *aliases = dict.fromkeys((*names, *numbers))
    return Row(
        name,
        ra_deg,
        dec_deg,
        source,
        aliases,
        types=["Star"],
        fluxes=[] if values["v"] is None else [magnitude("V", values["v"], source)],
        **{key: values[key] for key in MEASURED},
    )


SHARED_RANK = 2
"""Rank of names that several things share; the brightest goes first."""

HOST_RANK = 9
"""Rank of the names of a planet's star: no names of its own, but what it is listed by."""

_LISTS = ("aliases", "fluxes", "types", "sources")
_FILLED = tuple(
    name
    for name in Row.__struct_fields__
    if name not in (*_LISTS, "name", "ra_deg", "dec_deg", "source")
)
_DIGITS = re.compile(r"\d+")


def merge(rows: Iterable[Row]) -> Row:
    """Return what rows of the same thing say together; the first to know a fact is believed."""
    first, *others = rows
    if not others:
        return first
    values: dict[str, Any] = {name: getattr(first, name) for name in Row.__struct_fields__}
    aliases = {forms(name)[-1]: name for name in first.aliases}
    fluxes = {flux["name"]: flux for flux in first.fluxes}
    sources = dict(first.sources)
    for row in others:
        for name in (row.name, *row.aliases):
            aliases.setdefault(forms(name)[-1], name)
        for flux in row.fluxes:
            fluxes.setdefault(flux["name"], flux)
        for name in _FILLED:
            if values[name] in (None, "") and (value := getattr(row, name)) not in (None, ""):
                values[name] = value
                sources[name] = row.cited(name)
        values["types"] = values["types"] or row.types
    aliases.pop(forms(first.name)[-1], None)
    return Row(
        **values
        | {"aliases": [*aliases.values()], "fluxes": [*fluxes.values()], "sources": sources}
    )


def keys_of(row: Row) -> dict[str, int]:
    """Return what a row is found by, each with its rank.

    Rank 0 are the names as they stand, 1 their other spellings, 2 the name that
    the components of a star share: "alpha Cen" of "alpha1 Cen".
    """
    ranked: dict[str, int] = {}
    for name in (row.name, *row.aliases):
        for rank, form in enumerate(forms(name)):
            ranked[form] = min(rank, ranked.get(form, rank))
        for form in shared(name) if not row.host else ():
            ranked.setdefault(form, SHARED_RANK)
    if row.host:
        for form in _hosts(row):
            ranked.setdefault(form, HOST_RANK)
    return ranked


def _hosts(row: Row) -> set[str]:
    """Return the names of a planet's star: those of the planet without its letter, and its own."""
    names = [row.host]
    for name in (row.name, *row.aliases):
        star, _, letter = name.rpartition(" ")
        if len(letter) == 1 and letter.islower():
            names.append(star)
    return {form for name in names for form in forms(name)}


def natural(name: str) -> str:
    """Return what names are put in order by: numbers in them count as numbers."""
    return _DIGITS.sub(lambda match: match[0].zfill(8), fold(name))
