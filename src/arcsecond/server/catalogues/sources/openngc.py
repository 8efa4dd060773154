"""OpenNGC: the New General and Index Catalogues, Messier's, Caldwell's and some others.

The same table is read from the database of the package ``pyongc`` and from the
CSV files of the project, which is CC-BY-SA-4.0 (Mattia Verga and others).
"""

from __future__ import annotations

import contextlib
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from arcsecond.errors import InvalidInputError
from arcsecond.server.catalogues.file import Entry, Part, read_only
from arcsecond.server.catalogues.names import fold, identity_of
from arcsecond.server.catalogues.rows import Fact, Row, magnitude
from arcsecond.server.catalogues.sources.text import Records

CITATION = "OpenNGC, https://github.com/mattiaverga/OpenNGC, CC-BY-SA-4.0"

_TYPES = {
    "*": "Star", "**": "Double or multiple star", "*Ass": "Association of stars",
    "OCl": "Open cluster", "GCl": "Globular cluster", "Cl+N": "Star cluster with nebula",
    "G": "Galaxy", "GPair": "Pair of galaxies", "GTrpl": "Triplet of galaxies",
    "GGroup": "Group of galaxies", "PN": "Planetary nebula", "HII": "H II region",
    "DrkN": "Dark nebula", "EmN": "Emission nebula", "Neb": "Nebula", "RfN": "Reflection nebula",
    "SNR": "Supernova remnant", "Nova": "Nova", "NonEx": "Nonexistent object",
    "Other": "Object of other or unknown type",
}  # fmt: skip

_COLUMNS = {
    "name": "Name", "type": "Type", "ra": "RA", "dec": "Dec", "majax": "MajAx", "bmag": "B-Mag",
    "vmag": "V-Mag", "jmag": "J-Mag", "hmag": "H-Mag", "kmag": "K-Mag", "hubble": "Hubble",
    "parallax": "Pax", "pmra": "Pm-RA", "pmdec": "Pm-Dec", "radvel": "RadVel", "messier": "M",
    "ngc": "NGC", "ic": "IC", "identifiers": "Identifiers", "commonnames": "Common names",
}  # fmt: skip
"""Columns of the database and of the CSV files."""

_LONG = {
    "Mel": "Melotte",
    "Cl": "Collinder",
    "B": "Barnard",
    "C": "Caldwell",
    "M": "M",
    "H": "Harvard",
}
_DESIGNATION = re.compile(r"([A-Za-z]+) ?0*(\d.*)")

Record = Mapping[str, str | float | None]


def from_package(n: int) -> tuple[Part, Iterator[Entry]]:
    """Return the table that ``pyongc`` brings along."""
    spec = find_spec("pyongc")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "ongc.db"
    return part(n, f"pyongc {version('pyongc')}"), entries(_records(path))


def records(table: Records) -> Iterator[Record]:
    """Yield the records of a table in the CSV format of the project.

    Raises
    ------
    InvalidInputError
        A column is missing.
    """
    table.need(*_COLUMNS.values())
    for row in table:
        yield {name: row[column] for name, column in _COLUMNS.items()}


def part(n: int, label: str, key: str = "openngc") -> Part:
    """Describe the catalogue."""
    return Part(
        n=n,
        key=key,
        title="NGC, IC, Messier and Caldwell objects",
        version=label,
        licence="CC-BY-SA-4.0",
        description="Deep-sky objects with positions, types, sizes and magnitudes.",
        sources={"openngc_table": CITATION},
        url="https://github.com/mattiaverga/OpenNGC",
    )


def _records(path: Path) -> Iterator[Record]:
    with contextlib.closing(read_only(path)) as db:
        for values in db.execute(f"SELECT {', '.join(_COLUMNS)} FROM objects"):  # noqa: S608
            record = dict(zip(_COLUMNS, values, strict=True))
            for angle in ("ra", "dec"):
                if record[angle] is not None:
                    record[angle] = round(math.degrees(record[angle]), 6)
            yield record


def entries(records: Iterable[Record]) -> Iterator[Entry]:
    """Yield entries; what is recorded twice is one object with both names."""
    doubles: dict[str, list[str]] = defaultdict(list)
    kept: list[Record] = []
    for record in records:
        if record["type"] == "Dup":
            for known_as in _named_elsewhere(record):
                doubles[known_as].append(designation(str(record["name"])))
        else:
            kept.append(record)
    for record in kept:
        if (entry := _entry(record, doubles)) is not None:
            yield entry


def _named_elsewhere(record: Record) -> list[str]:
    return [
        f"{catalogue}{int(number)}"
        for catalogue, column in (("ngc", "ngc"), ("ic", "ic"), ("m", "messier"))
        for number in str(record[column] or "").split(",")
        if number.strip().isdigit()
    ]


def designation(name: str) -> str:
    """Return a designation as it is written: "NGC0224" is NGC 224."""
    match = _DESIGNATION.fullmatch(name.strip())
    if match is None:
        return name.strip()
    prefix, rest = match.groups()
    return f"{_LONG.get(prefix, prefix)} {rest}"


def _entry(record: Record, doubles: Mapping[str, list[str]]) -> Entry | None:
    ra_deg, dec_deg = _angle(record, "ra"), _angle(record, "dec")
    if ra_deg is None or dec_deg is None:
        return None  # it does not exist, and nobody knows where
    own = designation(str(record["name"]))
    names = [own]
    if record["messier"]:
        names.insert(0, f"M {int(str(record['messier']).split(',')[0])}")
    names += [name.strip() for name in str(record["commonnames"] or "").split(",")]
    if own.startswith("IC ") and str(record["ngc"] or "").isdigit():
        names.append(f"NGC {int(str(record['ngc']))}")
    names += [_identifier(name) for name in str(record["identifiers"] or "").split(",")]
    for name in list(names):
        names += doubles.get(fold(name), [])
    names = list({fold(name): name for name in reversed(names) if name}.values())[::-1]
    kind = str(record["type"])
    still = kind.startswith("G") and kind != "GCl"  # a galaxy: what moves there is another thing
    row = Row(
        name=names[0],
        ra_deg=ra_deg,
        dec_deg=dec_deg,
        source="openngc_table",
        aliases=names[1:],
        types=[_TYPES.get(kind, kind)],
        morphological_type=str(record["hubble"] or "") or None,
        fluxes=[flux for band in "BVJHK" if (flux := _flux(record, band))],
        pm_ra_mas_yr=None if still else _number(record, "pmra"),
        pm_dec_mas_yr=None if still else _number(record, "pmdec"),
        parallax_mas=None if still else _number(record, "parallax"),
        radial_velocity_km_s=_number(record, "radvel"),
        size_arcmin=_number(record, "majax"),
    )
    return Entry(row, identity_of([own]) or identity_of(names) or fold(own))


def _identifier(name: str) -> str:
    name = name.strip()
    prefix = name.split(" ")[0]
    return designation(name) if prefix in ("PGC", "UGC", "UGCA", "C", "Mel", "Cl", "MWSC") else name


def _flux(record: Record, band: str) -> Fact | None:
    value = _number(record, f"{band.lower()}mag")
    return None if value is None else magnitude(band, value, "openngc_table")


def _number(record: Record, name: str) -> float | None:
    value = record[name]
    if value is None or value == "":
        return None
    try:
        return float(value)
    except ValueError:
        raise InvalidInputError(
            f"{record['name']}: {str(value)[:40]!r} in the column {_COLUMNS[name]!r} is no number."
        ) from None


def _angle(record: Record, name: str) -> float | None:
    value = record[name]
    if value is None or value == "":
        return None
    if isinstance(value, float):
        return value
    try:
        first, minutes, seconds = str(value).split(":")
        angle = abs(float(first)) + float(minutes) / 60 + float(seconds) / 3600
    except ValueError:
        raise InvalidInputError(
            f"{record['name']}: {str(value)[:40]!r} in the column {_COLUMNS[name]!r} is no angle."
        ) from None
    if name == "ra":
        return round(angle * 15, 6)
    return round(-angle if first.startswith("-") else angle, 6)
