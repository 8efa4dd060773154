"""Write the table of exoplanets: facts from public archives.

    python tools/make_planets.py PLANETS.votable SYSTEMS.xml.gz > planets.tsv

PLANETS.votable is the NASA Exoplanet Archive's table of confirmed planets of
2019-05-31 (3,972 planets; in the package EXOSIMS 3.6.6), SYSTEMS.xml.gz the Open
Exoplanet Catalogue of 2014 (in the package astroquery 0.4.11), which is read for
other names, and for transit times that the first does not have ("OEC" behind
them). A measure is written ``value~error`` or ``value+upper-lower``, a transit
time with its scale: ``value~error@BJD``.
Limits are left out: a limit is no value.
"""

from __future__ import annotations

import gzip
import html
import re
import sys
from collections import defaultdict
from decimal import Decimal
from typing import Any

from astropy.io.votable import parse_single_table
from defusedxml import ElementTree

from arcsecond.server.catalogues.names import fold, forms

MEASURES = {
    "mass": "pl_bmassj", "radius": "pl_radj", "period": "pl_orbper", "axis": "pl_orbsmax",
    "eccentricity": "pl_orbeccen", "inclination": "pl_orbincl", "omega": "pl_orblper",
    "periastron": "pl_orbtper", "transit": "pl_tranmid", "duration": "pl_trandur",
    "depth": "pl_trandep", "impact": "pl_imppar", "amplitude": "pl_rvamp", "temperature": "pl_eqt",
}  # fmt: skip


def number(value: Any) -> str:
    if value is None or str(value) in ("", "--", "nan"):
        return ""
    text = f"{Decimal(f'{float(value):.14g}'):f}"
    return re.sub(r"^(-?)0\.", r"\1.", text)


def measure(row: Any, name: str) -> str:
    value, upper, lower = (number(row[f"{name}{end}"]) for end in ("", "err1", "err2"))
    limit = number(row[f"{name}lim"])
    if not value or limit not in ("", "0"):
        return ""
    lower = lower.lstrip("-")
    if not upper or not lower or float(upper) == 0 == float(lower):
        return value
    return f"{value}~{upper}" if upper == lower else f"{value}+{upper}-{lower}"


def others(path: str) -> tuple[dict[str, set[str]], dict[str, str]]:
    """Return all names of a planet by each of them, and its transit time."""
    with gzip.open(path) as file:
        tree = ElementTree.parse(file)
    names: dict[str, set[str]] = defaultdict(set)
    transits: dict[str, str] = {}
    for planet in tree.iter("planet"):
        group = {(name.text or "").strip() for name in planet.findall("name")}
        time = planet.find("transittime")
        for name in group:
            names[forms(name)[-1]] |= group
            if time is not None and time.text:
                error = time.get("errorplus")
                value = f"{time.text.strip()}~{error}" if error else time.text.strip()
                transits[forms(name)[-1]] = f"{value}@{time.get('unit', 'BJD')} OEC"
    return names, transits


def main(planets: str, systems: str) -> None:
    names, transits = others(systems)
    columns = ["name", "host", "ra", "dec", "method", "year", "kind", "transiting", *MEASURES]
    sys.stdout.write("\t".join([*columns, "reference", "aliases"]) + "\n")
    for row in parse_single_table(planets).array:
        host, letter, name = (str(row[n]) for n in ("pl_hostname", "pl_letter", "pl_name"))
        called = [name, f"{host} {letter}", *sorted(names.get(forms(name)[-1], ()))]
        called += [f"{row[n]} {letter}" for n in ("hd_name", "hip_name") if str(row[n]).strip()]
        seen = {fold(name)}
        aliases = [n for n in called if not (fold(n) in seen or seen.add(fold(n)))]
        reference = html.unescape(re.sub("<[^>]*>", "", str(row["pl_def_reflink"]))).strip()
        measures = {column: measure(row, name) for column, name in MEASURES.items()}
        if measures["transit"]:
            scale = str(row["pl_tsystemref"]).replace("--", "").strip()
            measures["transit"] += f"@{scale or 'BJD'}"
        elif row["pl_tranflag"] == 1:
            measures["transit"] = transits.get(forms(name)[-1], "")
        # Some flags of the table are wrong: a planet known by its pull alone has no radius.
        transiting = str(row["pl_tranflag"]) == "1" and (
            str(row["pl_discmethod"]) == "Transit" or measures["radius"] != ""
        )
        fields = [
            name, host, number(round(float(row["ra"]), 6)), number(round(float(row["dec"]), 6)),
            str(row["pl_discmethod"]), str(row["pl_disc"]), str(row["pl_bmassprov"]),
            "1" if transiting else "",
            *(measures[column] for column in MEASURES),
            reference, "|".join(aliases),
        ]  # fmt: skip
        sys.stdout.write("\t".join(fields) + "\n")


main(*sys.argv[1:])
