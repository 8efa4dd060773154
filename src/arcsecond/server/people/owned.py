"""Find, change and delete what somebody owns; the same for every owned table."""

from __future__ import annotations

import functools
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from arcsecond.errors import NotFoundError
from arcsecond.server.context import Viewer
from arcsecond.server.db import now
from arcsecond.server.people.tables import users
from arcsecond.server.people.visibility import may_change, signed_in, visible_to


def with_owner(table: sa.Table, viewer: Viewer) -> sa.Select[Any]:
    """Select what a viewer may see of a table, with the owner's name as ``profile``."""
    return _with_owner(viewer.sight, table)


@functools.lru_cache(maxsize=4096)
def _with_owner(viewer: Viewer, table: sa.Table) -> sa.Select[Any]:
    """Make the statement once for each viewer: making it takes longer than running it."""
    return (
        sa.select(table, users.c.username.label("profile"))
        .join(users, users.c.id == table.c.owner)
        .where(visible_to(viewer, table))
    )


@functools.lru_cache(maxsize=4096)
def _one(viewer: Viewer, table: sa.Table) -> sa.Select[Any]:
    (column,) = table.primary_key.columns
    key = sa.bindparam("key", type_=column.type)
    return _with_owner(viewer, table).where(column == key)


def find(
    connection: sa.Connection, viewer: Viewer, table: sa.Table, key: object, what: str
) -> sa.Row[Any]:
    """Return one row; what may not be seen does not exist.

    Raises
    ------
    NotFoundError
        There is none, or not for this viewer.
    """
    row = connection.execute(_one(viewer.sight, table), {"key": key}).one_or_none()
    if row is None:
        raise NotFoundError(f"{what} {key} not found.")
    return row


def new_row(viewer: Viewer, action: str, **values: Any) -> dict[str, Any]:
    """Return the values of a new row that belongs to the viewer."""
    moment = now()
    owner = signed_in(viewer, action)
    return {"owner": owner, "created_at": moment, "updated_at": moment, **values}


def find_own(
    connection: sa.Connection, viewer: Viewer, table: sa.Table, key: object, what: str, action: str
) -> sa.Row[Any]:
    """Return one row that the viewer may change.

    Raises
    ------
    ArcsecondNotLoggedInError
        Nobody is signed in.
    NotFoundError
        There is none, or not for this viewer.
    NotAllowedError
        It belongs to somebody else, or the key does not reach so far.
    """
    signed_in(viewer, action)
    row = find(connection, viewer, table, key, what)
    may_change(viewer, row.owner, f"{what} {key}")
    return row


def change(connection: sa.Connection, table: sa.Table, key: object, **values: Any) -> None:
    """Change a row that was found to be the viewer's own."""
    (column,) = table.primary_key.columns
    connection.execute(sa.update(table).where(column == key).values(updated_at=now(), **values))


def trash(
    connection: sa.Connection, viewer: Viewer, table: sa.Table, key: object, what: str, action: str
) -> datetime:
    """Delete a row of the viewer's own: it is hidden at once, and purged after a month.

    Returns
    -------
    datetime
        The moment that it is marked with.

    Raises
    ------
    NotFoundError
        There is none, or somebody deleted it this very moment.
    """
    find_own(connection, viewer, table, key, what, action)
    moment = now()
    (column,) = table.primary_key.columns
    # Somebody may have been faster: the mark is theirs, by which its files are known, too.
    alive = sa.and_(column == key, table.c.deleted_at.is_(None))
    marked = {"updated_at": moment, "deleted_at": moment}
    if not connection.execute(sa.update(table).where(alive).values(marked)).rowcount:
        raise NotFoundError(f"{what} {key} not found.")
    return moment
