"""Exoplanets of the built-in table; ``tools/make_planets.py`` makes it."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import Any

from arcsecond.server.catalogues.file import Entry, Part
from arcsecond.server.catalogues.rows import Fact, Row
from arcsecond.server.catalogues.sources.starter import TABLES, planet_identity

UNITS = {
    "mass": ("mass", "M_jup"), "radius": ("radius", "R_jup"), "period": ("orbital_period", "days"),
    "axis": ("semi_major_axis", "AU"), "eccentricity": ("eccentricity", None),
    "inclination": ("inclination", "deg"), "omega": ("omega_angle", "deg"),
    "periastron": ("time_periastron", "d"), "transit": ("tzero_primary_transit", "d"),
    "duration": ("transit_duration", "d"), "depth": ("transit_depth", "%"),
    "impact": ("impact_parameter", None), "amplitude": ("velocity_semiamplitude", "m/s"),
    "temperature": ("equilibrium_temperature", "K"),
}  # fmt: skip
"""Columns of the table: which fact they are, and its unit."""

METHODS = {"Transit": "Primary Transit"}
"""The contract's words for what the archives call otherwise."""

_VALUE = re.compile(r"([^~+@]+?)(?:~([^@]+)|\+([^@]+?)-([^@]+))?(?:@(.*))?")
_NASA = "NASA Exoplanet Archive, confirmed planets of 2019-05-31"
_OEC = "Open Exoplanet Catalogue, 2014-05"


def from_table(n: int) -> tuple[Part, Iterator[Entry]]:
    """Return the planets known in May 2019."""
    part = Part(
        n=n,
        key="nasa-2019",
        title="Exoplanets of the NASA Exoplanet Archive, 2019",
        version="2019-05-31",
        licence="public data",
        description=(
            "Confirmed planets of other stars with their parameters and, where known, a time of "
            "transit. Other names, and some times of transit, come from the Open Exoplanet "
            "Catalogue (MIT). Limits are left out. Papers that use it acknowledge the archive."
        ),
        sources={"nasa_2019": _NASA, "oec_2014": _OEC},
        url="https://exoplanetarchive.ipac.caltech.edu",
    )
    return part, _entries()


def _entries() -> Iterator[Entry]:
    with TABLES.joinpath("planets.tsv").open(encoding="utf-8") as lines:
        for record in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            reference = f"{record['reference']} ({_NASA})" if record["reference"] else "nasa_2019"
            facts: dict[str, Any] = {
                fact: measure(record[column], unit, reference)
                for column, (fact, unit) in UNITS.items()
                if record[column]
            }
            if "mass" in facts:
                facts["mass"]["kind"] = record["kind"]
            with_its_period(facts)
            row = Row(
                name=record["name"],
                host=record["host"],
                ra_deg=float(record["ra"]),
                dec_deg=float(record["dec"]),
                source="nasa_2019",
                aliases=[name for name in record["aliases"].split("|") if name],
                detection_method=METHODS.get(record["method"], record["method"]),
                discovery_year=int(record["year"]) if record["year"] else None,
                is_transiting=record["transiting"] == "1",
                **facts,
            )
            yield Entry(row, planet_identity(row.name))


def with_its_period(facts: dict[str, Any]) -> None:
    """Keep the period with a time of transit: together they are the ephemeris."""
    if (transit := facts.get("tzero_primary_transit")) and (period := facts.get("orbital_period")):
        transit["period"] = dict(period)


def measure(text: str, unit: str | None, reference: str) -> Fact:
    """Read a measure: ``value``, ``value~error``, ``value+upper-lower``, ``…@scale``."""
    match = _VALUE.fullmatch(text)
    assert match is not None, text
    value, error, upper, lower, scale = match.groups()
    fact: Fact = {"value": float(value), "unit": unit, "source": reference}
    if error or upper:
        fact |= {"error_max": float(error or upper), "error_min": float(error or lower)}
    if scale:
        scale, _, other = scale.partition(" ")
        fact |= {"scale": scale, **({"source": "oec_2014"} if other else {})}
    return fact
