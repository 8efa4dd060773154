"""Which site, telescope or instrument is meant: by UUID, by code, by any of their names."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from arcsecond.errors import ConflictError, InvalidInputError, NotFoundError
from arcsecond.server.catalogues.names import fold
from arcsecond.server.observatory.tables import instruments, sites, telescopes
from arcsecond.server.parsing import as_uuid

WHAT = {sites: "Observing site", telescopes: "Telescope", instruments: "Instrument"}
REFERRED = {sites: "observing_site", telescopes: "telescope", instruments: "instrument"}
"""Columns of records that name one, per table."""


def find(connection: sa.Connection, table: sa.Table, text: str) -> sa.Row[Any]:
    """Return a row by its UUID, its code or any of its names.

    What an administrator added comes before what comes with the program.

    Raises
    ------
    NotFoundError
        There is none; the nearest names are said.
    ConflictError
        Several are called so; they are told.
    """
    what = WHAT[table]
    if (uuid := as_uuid(text)) is not None:
        row = connection.execute(sa.select(table).where(table.c.uuid == uuid)).one_or_none()
        if row is None:
            raise NotFoundError(f"{what} {text[:60]!r} not found.")
        return row
    sought = fold(text[:255])
    found: Sequence[sa.Row[Any]] = []
    if sought:
        named = table.c.words.contains(f"\n{sought}\n", autoescape=True)
        found = connection.execute(sa.select(table).where(named).order_by(table.c.sort)).all()
    found = [row for row in found if not row.builtin] or found
    if table is sites:
        found = [row for row in found if fold(row.code or "") == sought] or found
    found = [row for row in found if fold(row.name) == sought] or found
    if len(found) > 1:
        several = ", ".join(f"{row.name} ({_short(table, row)})" for row in found[:5])
        raise ConflictError(f"{text[:60]!r} may be {several}; say which.")
    if not found:
        raise NotFoundError(f"{what} {text[:60]!r} not found.{_near(connection, table, sought)}")
    return found[0]


def _short(table: sa.Table, row: sa.Row[Any]) -> str:
    return str((row.code if table is sites else row.acronym) or row.uuid)


def _near(connection: sa.Connection, table: sa.Table, sought: str) -> str:
    """Say which names look like one that was not found."""
    rows = connection.execute(sa.select(table.c.name, table.c.words)).all()
    # Who mistypes a name mostly has its first letter.
    shown = {w: row.name for row in rows for w in row.words.split("\n") if w[:1] == sought[:1]}
    near = difflib.get_close_matches(sought, shown, n=3, cutoff=0.7)
    near += [w for w in shown if sought and w.startswith(sought)][: 3 - len(near)]
    names = dict.fromkeys(shown[word] for word in near)
    return f" Nearest names: {', '.join(names)}." if names else ""


def named(connection: sa.Connection, table: sa.Table, text: str, field: str) -> sa.Row[Any]:
    """Return the row that a field of a body or a filter names."""
    try:
        return find(connection, table, text)
    except (NotFoundError, ConflictError) as error:
        raise InvalidInputError(fields={field: [error.detail]}) from None


def check_equipment(
    connection: sa.Connection,
    *,
    site: str | None = None,
    telescope: str | None = None,
    instrument: str | None = None,
) -> dict[str, UUID | None]:
    """Check that a site, a telescope and an instrument exist and belong together.

    Each may be None or "", a UUID or a name. They stay until the transaction of
    the connection ends. Returns their UUIDs, under the names of the columns.

    Raises
    ------
    InvalidInputError
        One is unknown, or is not at the other.
    """
    given: dict[sa.Table, str | None] = {
        sites: site,
        telescopes: telescope,
        instruments: instrument,
    }
    rows = {
        table: named(connection, table, text, REFERRED[table]) if text else None
        for table, text in given.items()
    }
    mounted = rows[instruments]
    used = rows[telescopes]
    if mounted and used and mounted.telescope != used.uuid:
        problem = f"{mounted.name} is not at this telescope."
        raise InvalidInputError(fields={"instrument": [problem]})
    if mounted and not used:
        used = find(connection, telescopes, str(mounted.telescope))
    there = rows[sites]
    if used and there and used.site != there.uuid:
        raise InvalidInputError(fields={"telescope": [f"{used.name} is not at this site."]})
    for table, row in rows.items():
        if row is not None:
            held = sa.select(table.c.uuid).where(table.c.uuid == row.uuid)
            if connection.scalar(held.with_for_update(read=True)) is None:  # deleted just now
                problem = f"{WHAT[table]} {row.name!r} not found."
                raise InvalidInputError(fields={REFERRED[table]: [problem]})
    return {REFERRED[table]: row.uuid if row else None for table, row in rows.items()}
