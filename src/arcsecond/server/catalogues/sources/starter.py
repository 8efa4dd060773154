"""The small tables kept by hand: well-known things, with the best facts of several sources."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files

import msgspec

from arcsecond.server.catalogues.file import Entry, Part
from arcsecond.server.catalogues.names import forms, identity_of
from arcsecond.server.catalogues.rows import Row

TABLES = files("arcsecond.server.catalogues") / "tables"


class _Table(msgspec.Struct):
    key: str
    name: str
    version: str
    licence: str
    description: str
    sources: dict[str, str]
    rows: list[Row]


def read(kind: str, n: int, key: str) -> tuple[Part, Iterator[Entry]]:
    """Return a table as a part of a catalogue, and its entries."""
    content = TABLES.joinpath(f"{kind}.json").read_bytes()
    table = msgspec.json.decode(content, type=_Table)
    part = Part(
        n=n,
        key=key,
        title=table.name,
        version=table.version,
        licence=table.licence,
        description=table.description,
        sources=table.sources,
    )
    for row in table.rows:
        if row.is_transiting is None and row.detection_method == "Primary Transit":
            row.is_transiting = True
    return part, (Entry(row, _identity(row)) for row in table.rows)


def _identity(row: Row) -> str | None:
    return planet_identity(row.name) if row.host else identity_of([row.name, *row.aliases])


def planet_identity(name: str) -> str:
    """Return what planets of different sources are compared by."""
    return forms(_AROUND_BOTH.sub("", name))[-1]


_AROUND_BOTH = re.compile(r" \([A-Z]+\)(?= [a-z]$)")
"""Of a planet that goes around two stars: "Kepler-16 (AB) b"."""
