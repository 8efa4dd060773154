"""Catalogues of standard stars, as they were published: text in columns of fixed width.

A folder has a ``metadata.json`` that says what the tables are and where their
columns begin and end. Positions are read by their look, not by those columns:
a sign is easily cut off. Magnitudes, names and types are read by the columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from arcsecond.errors import InvalidInputError
from arcsecond.server.catalogues.file import Entry, Part
from arcsecond.server.catalogues.rows import Fact, Row, magnitude
from arcsecond.server.catalogues.sources.text import find_position


class Table(msgspec.Struct):
    """One text of a catalogue, and its columns: first and end, counted from 0."""

    file: str
    name: str = ""
    columns: dict[str, tuple[int, int]] = {}


class Metadata(msgspec.Struct):
    """What ``metadata.json`` says of a catalogue."""

    key: str
    name: str
    tables: list[Table]
    secondary_name: str = ""
    bibcode: str | None = None
    url: str | None = None
    notes: str = ""
    equinox: str = ""


Texts = Mapping[str, Sequence[str]]
"""The lines of the files, by their names."""

_SAID_EQUINOX = re.compile(r"\(\s*([BJ]?)(1950|2000)(?:\.0)?\s*\)")
_PREFIXES = {"ESO_InfraRed_Telluric": "", "Perryman_etal_1997": "HIP "}


def from_folder(n: int, raw: bytes, texts: Texts) -> tuple[Part, Iterator[Entry]]:
    """Read a catalogue that is described by its metadata.

    Raises
    ------
    InvalidInputError
        The description cannot be read, or a file that it names is missing.
    """
    try:
        about = msgspec.json.decode(raw, type=Metadata)
    except msgspec.DecodeError as error:
        raise InvalidInputError(f"metadata.json cannot be read: {error}.") from error
    if not _KEY.fullmatch(about.key):
        raise InvalidInputError(f"metadata.json: {about.key[:40]!r} is no key of a catalogue.")
    for table in about.tables:
        if table.file not in texts:
            raise InvalidInputError(f"{table.file}, which metadata.json names, was not sent.")
    source = about.key.casefold()
    part = Part(
        n=n,
        key=about.key,
        title=about.name,
        version=about.secondary_name or about.name,
        licence="published tables",
        description=about.notes or about.secondary_name or about.name,
        sources={
            source: ", ".join(filter(None, (about.name, about.secondary_name, about.bibcode)))
        },
        bibcode=about.bibcode,
        url=about.url,
    )
    return part, _entries(about, texts, source)


_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")


def _entries(about: Metadata, texts: Texts, source: str) -> Iterator[Entry]:
    for table in about.tables:
        lines = texts[table.file]
        equinox = _equinox(about, lines)
        columns = _believed(table.columns or _columns(lines), lines)
        for line in lines:
            if line.startswith("#") or (place := find_position(line)) is None:
                continue
            if row := _row(line, columns, _j2000(*place, equinox), source):
                row.name = _PREFIXES.get(about.key, "") + row.name
                yield Entry(row)


def _believed(
    columns: Mapping[str, tuple[int, int]], lines: Sequence[str]
) -> dict[str, tuple[int, int]]:
    """Leave out columns that the table's own heading calls a parallax: no magnitudes, then."""
    heading = next((line for line in lines if line.startswith("#")), "")
    spans = [match.span() for match in _PARALLAX.finditer(heading)]
    return {
        name: (a, b)
        for name, (a, b) in columns.items()
        if not (name.startswith(("mag_", "mab_")) and any(a < end and b > at for at, end in spans))
    }


_PARALLAX = re.compile(r"parallax|plx", re.IGNORECASE)


def _equinox(about: Metadata, lines: Sequence[str]) -> str:
    """Return the equinox of a table: what its own heading says goes before the description."""
    for line in lines:
        if line.startswith("#") and (match := _SAID_EQUINOX.search(line)):
            return match[2]
    return about.equinox[-4:] or "2000"


def _columns(lines: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Return columns of a table that nobody described: the name before the position, V and type."""
    width = next((match.start() for line in lines[1:] if (match := _RA.search(line))), 0)
    if not width:
        raise InvalidInputError("A table has neither columns nor positions.")
    found = {"name": (0, width)}
    for label, name in (("Sp.type", "spectype"), ("MV", "mag_V")):
        if (start := lines[0].find(label)) >= 0:
            found[name] = (start - 1, start + 12)
    return found


_RA = re.compile(r"\d\d[ :]\d\d[ :]\d\d")


def _j2000(ra_deg: float, dec_deg: float, equinox: str) -> tuple[float, float]:
    if equinox == "2000":
        return ra_deg, dec_deg
    if not re.fullmatch(r"(1[89]|20)\d\d(\.\d{1,3})?", equinox):
        raise InvalidInputError(f"{equinox[:20]!r} is no equinox such as 1950 or 2000.")
    from astropy.coordinates import FK4, FK5, SkyCoord

    old = FK4(equinox="B1950") if equinox == "1950" else FK5(equinox=f"J{equinox}")
    new = SkyCoord(ra_deg, dec_deg, unit="deg", frame=old).icrs
    return round(float(new.ra.deg), 6), round(float(new.dec.deg), 6)


def _row(
    line: str, columns: Mapping[str, tuple[int, int]], place: tuple[float, float], source: str
) -> Row | None:
    cells = {name: " ".join(line[a:b].split()) for name, (a, b) in columns.items()}
    name = cells.get("name", "").strip("-–")
    if not name:
        return None
    fluxes = [
        _flux(column, cells[column], cells.get(f"{column}_err", ""), source)
        for column in columns
        if column.startswith(("mag_", "mab_")) and not column.endswith("_err")
    ]
    kind = cells.get("spectype", "").strip("-")
    return Row(
        name=name,
        ra_deg=place[0],
        dec_deg=place[1],
        source=source,
        types=["Standard star"],
        spectral_type=kind or None,
        fluxes=[flux for flux in fluxes if flux],
    )


def _flux(column: str, text: str, error: str, source: str) -> Fact | None:
    value = _number(text)
    if value is None:
        return None
    system, _, band = column.partition("_")
    fact: Fact = {
        "name": band, "value": value, "unit": "mag", "source": source,
        # "mab" is said of Johnson's bands, too, where it is not meant.
        "system": "Vega" if system == "mag" else "AB" if band == "AB" else None,
    }  # fmt: skip
    if (wide := _number(error)) is not None:
        fact["error"] = wide
    return fact


def _number(text: str) -> float | None:
    match = re.fullmatch(r"[(±]?\s*([+-]?\d+(?:\.\d*)?|[+-]?\.\d+)[:)]?", text)
    return float(match[1]) if match else None


def landolt(n: int, name: str, lines: Sequence[str]) -> tuple[Part, Iterator[Entry]]:
    """Read Landolt's UBVRI standards as IRAF keeps them (``noao$lib/…/photcal``).

    The older list is for equinox 1985.0, the newer one for J2000.
    """
    new = name.startswith("n")
    key = "Landolt_1992_IRAF" if new else "Landolt_1983_IRAF"
    said = "Landolt 1992, 1992AJ....104..340L" if new else "Landolt 1983, 1983AJ.....88..439L"
    part = Part(
        n=n,
        key=key,
        title=f"UBVRI standards, {said.partition(',')[0]}",
        version=name,
        licence="published tables",
        description="Photometric standard stars in UBVRI.",
        sources={key.casefold(): said},
        bibcode=said.partition(", ")[2],
    )
    return part, _landolt(lines, "2000" if new else "1985", key.casefold())


def _landolt(lines: Sequence[str], equinox: str, source: str) -> Iterator[Entry]:
    for line in lines:
        words = line.split()
        place = find_position(" ".join(words[1:3])) if len(words) >= 9 else None
        if place is None or line.startswith("#"):
            continue
        v, *colours = (_number(word) for word in words[3:9])
        ra_deg, dec_deg = _j2000(*place, equinox)
        magnitudes: dict[str, Any] = {"V": v}
        if v is not None and None not in colours:
            b_v, u_b, v_r, _, v_i = (colour or 0.0 for colour in colours)
            magnitudes |= {
                "B": round(v + b_v, 3), "U": round(v + b_v + u_b, 3),
                "R": round(v - v_r, 3), "I": round(v - v_i, 3),
            }  # fmt: skip
        row = Row(
            name=words[0].replace("_", " "),
            ra_deg=ra_deg,
            dec_deg=dec_deg,
            source=source,
            types=["Standard star"],
            fluxes=[
                magnitude(band, value, source)
                for band, value in magnitudes.items()
                if value is not None
            ],
        )
        yield Entry(row)
