"""Exoplanets of the NASA Exoplanet Archive: its table ``pscomppars`` (or ``ps``)."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from arcsecond.errors import InvalidInputError
from arcsecond.server.catalogues.file import Entry, Part
from arcsecond.server.catalogues.rows import Fact, Row
from arcsecond.server.catalogues.sources.planets import METHODS, with_its_period
from arcsecond.server.catalogues.sources.starter import planet_identity
from arcsecond.server.catalogues.sources.text import Records, number

NEEDED = ("pl_name", "hostname", "ra", "dec", "discoverymethod", "disc_year", "pl_orbper")

FACTS = {
    "mass": ("pl_bmassj", "M_jup"), "radius": ("pl_radj", "R_jup"),
    "orbital_period": ("pl_orbper", "days"), "semi_major_axis": ("pl_orbsmax", "AU"),
    "eccentricity": ("pl_orbeccen", None), "inclination": ("pl_orbincl", "deg"),
    "omega_angle": ("pl_orblper", "deg"), "time_periastron": ("pl_orbtper", "d"),
    "tzero_primary_transit": ("pl_tranmid", "d"), "transit_duration": ("pl_trandur", "d"),
    "transit_depth": ("pl_trandep", "%"), "impact_parameter": ("pl_imppar", None),
    "velocity_semiamplitude": ("pl_rvamp", "m/s"), "equilibrium_temperature": ("pl_eqt", "K"),
}  # fmt: skip
"""Facts of a planet: their columns in the archive, and units."""

OPTIONAL = (
    "default_flag", "tran_flag", "pl_bmassprov", "pl_tranmid_systemref", "hd_name", "hip_name",
)  # fmt: skip

_ESTIMATED = "M-R relationship"
_HOURS = 24.0


def part(n: int, version: str) -> Part:
    """Describe the catalogue."""
    return Part(
        n=n,
        key="nasa",
        title="Exoplanets of the NASA Exoplanet Archive",
        version=version,
        licence="public data",
        description=(
            "Confirmed planets of other stars, one best set of parameters each. Limits, and masses "
            "estimated from a radius, are left out. What the archive left out of a later table is "
            "kept from the one before, with its own source. Papers that use it acknowledge the "
            "archive."
        ),
        sources={"nasa": f"NASA Exoplanet Archive, {version}, doi 10.26133/NEA13"},
        url="https://exoplanetarchive.ipac.caltech.edu",
    )


def is_table(columns: Iterable[str]) -> bool:
    """Tell whether columns are the archive's."""
    return any(column.startswith("pl_") for column in columns)


def from_csv(n: int, table: Records, left_out: list[str]) -> tuple[Part, Iterator[Entry]]:
    """Read a download in CSV; its comments tell the day."""
    table.need(*NEEDED)
    return part(n, _day(table.comments) or table.name), entries(table, left_out)


def _day(comments: Iterable[str]) -> str:
    for comment in comments:
        if match := re.fullmatch(r"\w{3} (\w{3} +\d+) [\d:]+ (\d{4})", comment):
            with contextlib.suppress(ValueError):  # it is no date
                day = datetime.strptime(f"{match[1]} {match[2]}", "%b %d %Y")
                return day.date().isoformat()
    return ""


def entries(records: Iterable[Mapping[str, str]], left_out: list[str]) -> Iterator[Entry]:
    """Yield the planets of a table; of several rows of one, the default is read.

    Names of planets without a position are put into ``left_out``.
    """
    seen: set[str] = set()
    for record in records:
        name = record["pl_name"].strip()
        if not name or record.get("default_flag", "1").strip() not in ("1", "1.0"):
            continue
        if name in seen:
            raise InvalidInputError(f"{name} is in this table more than once.")
        seen.add(name)
        if not record["ra"].strip() or not record["dec"].strip():
            left_out.append(name)
            continue
        yield Entry(_row(name, record), planet_identity(name))


def _row(name: str, record: Mapping[str, str]) -> Row:
    ra_deg, dec_deg = number(record, "ra", name), number(record, "dec", name)
    if ra_deg is None or dec_deg is None or not (0 <= ra_deg <= 360 and -90 <= dec_deg <= 90):
        raise InvalidInputError(f"{name} has no position.")
    facts: dict[str, Any] = {
        fact: found
        for fact, (column, unit) in FACTS.items()
        if (found := _fact(record, column, unit, name)) is not None
    }
    if mass := facts.get("mass"):
        mass["kind"] = record.get("pl_bmassprov", "")
        if mass["kind"] == _ESTIMATED:
            del facts["mass"]
    if duration := facts.get("transit_duration"):
        for key in ("value", "error_max", "error_min"):
            if key in duration:
                duration[key] = round(duration[key] / _HOURS, 8)
    if transit := facts.get("tzero_primary_transit"):
        transit["scale"] = record.get("pl_tranmid_systemref", "").strip() or "BJD"
    with_its_period(facts)
    host, method = record["hostname"].strip(), record["discoverymethod"].strip()
    letter = name.rpartition(" ")[2]
    stars = [record.get(column, "").strip() for column in ("hd_name", "hip_name")]
    year = number(record, "disc_year", name)
    return Row(
        name=name,
        host=host,
        ra_deg=ra_deg % 360,
        dec_deg=dec_deg,
        source="nasa",
        aliases=[f"{star} {letter}" for star in stars if star and star != host],
        detection_method=METHODS.get(method, method) or None,
        discovery_year=int(year) if year else None,
        is_transiting=_transits(record, method, facts),
        **facts,
    )


def _fact(record: Mapping[str, str], column: str, unit: str | None, name: str) -> Fact | None:
    value = number(record, column, name)
    if value is None or number(record, f"{column}lim", name):
        return None
    fact: Fact = {"value": value, "unit": unit}
    upper, lower = (number(record, f"{column}err{n}", name) for n in (1, 2))
    if upper is not None and lower is not None and (upper or lower):
        fact |= {"error_max": abs(upper), "error_min": abs(lower)}
    return fact


def _transits(record: Mapping[str, str], method: str, facts: Mapping[str, Fact]) -> bool | None:
    """Tell whether a planet transits; None where the table does not say."""
    if record.get("tran_flag", "").strip():
        return number(record, "tran_flag", record.get("pl_name", "")) == 1
    return True if method == "Transit" or "tzero_primary_transit" in facts else None
