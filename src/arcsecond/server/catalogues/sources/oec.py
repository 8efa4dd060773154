"""Exoplanets of the Open Exoplanet Catalogue: its XML of systems, and its CSV table."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO
from xml.etree.ElementTree import Element, ParseError  # types; defusedxml parses

import defusedxml.ElementTree
from defusedxml import DefusedXmlException

from arcsecond.errors import InvalidInputError, TooLargeError
from arcsecond.server.catalogues.file import Entry, Part
from arcsecond.server.catalogues.rows import Fact, Row
from arcsecond.server.catalogues.sources.planets import with_its_period
from arcsecond.server.catalogues.sources.starter import planet_identity
from arcsecond.server.catalogues.sources.text import Records, find_position, number

_METHODS = {
    "RV": "Radial Velocity", "transit": "Primary Transit", "imaging": "Imaging",
    "microlensing": "Microlensing", "timing": "Timing", "astrometry": "Astrometry",
}  # fmt: skip

_FACTS = {
    "mass": ("mass", "M_jup"), "radius": ("radius", "R_jup"), "orbital_period": ("period", "days"),
    "semi_major_axis": ("semimajoraxis", "AU"), "eccentricity": ("eccentricity", None),
    "inclination": ("inclination", "deg"), "omega_angle": ("periastron", "deg"),
    "time_periastron": ("periastrontime", "d"), "tzero_primary_transit": ("transittime", "d"),
    "impact_parameter": ("impactparameter", None), "equilibrium_temperature": ("temperature", "K"),
}  # fmt: skip

_KEPT = ("Confirmed planets", "Orphan planets")
MOST_XML = 32 << 20
"""Bytes, a few times the whole catalogue; each becomes twenty in memory."""

Known = Callable[[Sequence[str]], str | None]
"""Returns the identity of a planet that is there already under one of some names."""


def part(n: int, version: str) -> Part:
    """Describe the catalogue."""
    return Part(
        n=n,
        key="oec",
        title="Open Exoplanet Catalogue",
        version=version,
        licence="MIT",
        description="Confirmed planets with their other names; binaries and free planets as well.",
        sources={"oec": f"Open Exoplanet Catalogue (Rein 2012, arXiv:1211.7121), {version}"},
        url="https://github.com/OpenExoplanetCatalogue/open_exoplanet_catalogue",
    )


def from_csv(table: Records, known: Known) -> Iterator[Entry]:
    """Read the table of the project."""
    table.need("name", "mass", "radius", "period", "system_rightascension", "system_declination")
    for record in table:
        name = record["name"].strip()
        place = find_position(
            f"{record['system_rightascension']} {record['system_declination']}".strip()
        )
        if place is None or not any(kept in record.get("list", _KEPT[0]) for kept in _KEPT):
            continue
        facts: dict[str, Any] = {
            fact: {"value": value, "unit": unit}
            for fact, (column, unit) in _FACTS.items()
            if column in record and (value := number(record, column, name)) is not None
        }
        method = record.get("discoverymethod", "")
        year = number(record, "discoveryyear", name)
        yield _entry(
            [name],
            name.rpartition(" ")[0] or name,
            place,
            facts,
            known,
            method=method,
            year=int(year) if year else None,
        )


def systems(file: BinaryIO, name: str) -> Element:
    """Read XML, which may be compressed; what would unpack without end is refused.

    Raises
    ------
    InvalidInputError
        It is no XML of this catalogue, or is hostile.
    """
    file.seek(0)
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    try:
        data = (gzip.GzipFile(fileobj=file) if packed else file).read(MOST_XML + 1)
        if len(data) > MOST_XML:
            raise TooLargeError(f"{name} is larger than {MOST_XML >> 20} MiB.")
        root: Element = defusedxml.ElementTree.fromstring(data, forbid_dtd=True)
    except DefusedXmlException as error:
        raise InvalidInputError(f"{name} defines entities of its own, which is refused.") from error
    except (ParseError, LookupError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InvalidInputError(f"{name} is cut or damaged: {error}.") from error
    if root.tag not in ("systems", "system"):
        raise InvalidInputError(f"{name} holds <{root.tag[:40]}>, not <systems> or <system>.")
    return root


def from_xml(root: Element, known: Known) -> Iterator[Entry]:
    """Yield the planets of one system, or of all."""
    for system in [root] if root.tag == "system" else root.iter("system"):
        words = (system.findtext("rightascension", ""), system.findtext("declination", ""))
        if (place := find_position(" ".join(words))) is not None:  # the Sun has none
            try:
                yield from _of(system, _names(system), place, known)
            except RecursionError as error:
                raise InvalidInputError("A system has stars in stars without end.") from error


def _of(
    inside: Element, host: Sequence[str], place: tuple[float, float], known: Known
) -> Iterator[Entry]:
    for child in inside:
        if child.tag in ("star", "binary"):
            yield from _of(child, _names(child) or host, place, known)
        elif child.tag == "planet" and (names := _names(child)):
            lists = [element.text for element in child.findall("list")]
            if not any(kept in lists for kept in _KEPT):
                continue
            year = (child.findtext("discoveryyear") or "").strip()
            facts: dict[str, Any] = {
                fact: found
                for fact, (tag, unit) in _FACTS.items()
                if (found := _fact(child.find(tag), unit, names[0])) is not None
            }
            if flag := (child.findtext("istransiting") or "").strip():
                facts["is_transiting"] = flag == "1"
            yield _entry(
                names,
                host[0] if host else "",
                place,
                facts,
                known,
                method=(child.findtext("discoverymethod") or "").strip(),
                year=int(year) if re.fullmatch(r"[0-9]{1,4}", year) else None,
            )


def _names(element: Element) -> list[str]:
    names = ((name.text or "").strip() for name in element.findall("name"))
    return [name for name in names if name]


def _fact(element: Element | None, unit: str | None, name: str) -> Fact | None:
    if element is None or not (element.text or "").strip():
        return None  # a limit has attributes only
    values = {"value": element.text or ""} | dict(element.attrib)
    value = number(values, "value", name)
    upper, lower = (number(values, key, name) for key in ("errorplus", "errorminus"))
    fact: Fact = {"value": value, "unit": unit}
    if upper is not None and lower is not None:
        fact |= {"error_max": abs(upper), "error_min": abs(lower)}
    if scale := element.get("unit"):
        fact["scale"] = scale
    return fact


def _entry(
    names: Sequence[str],
    host: str,
    place: tuple[float, float],
    facts: dict[str, Any],
    known: Known,
    *,
    method: str,
    year: int | None,
) -> Entry:
    """Make an entry under the name that is there already, if any."""
    with_its_period(facts)
    identity = known(names) or planet_identity(names[0])
    name = next((name for name in names if planet_identity(name) == identity), names[0])
    row = Row(
        name=name,
        host=host or name,
        ra_deg=place[0],
        dec_deg=place[1],
        source="oec",
        aliases=[other for other in names if other != name],
        detection_method=_METHODS.get(method, method) or None,
        discovery_year=year,
        **facts,
    )
    return Entry(row, identity)
