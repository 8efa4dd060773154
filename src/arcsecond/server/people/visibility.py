"""Who is asking, and what they may see: the one place where it is decided."""

from __future__ import annotations

import functools

import sqlalchemy as sa

from arcsecond.errors import ArcsecondNotLoggedInError, NotAllowedError
from arcsecond.server.context import Viewer
from arcsecond.server.db import UtcDateTime, metadata, now
from arcsecond.server.people.tables import PUBLIC

_MOMENT = sa.bindparam("moment", callable_=now, type_=UtcDateTime, unique=True)
"""When a statement runs, not when it was made."""

UPLOAD_SCOPES = frozenset({"datasets:create", "fitsfiles:create", "fitsfiles:update"})
"""What an upload key may write; it reads what its owner may read."""


def signed_in(viewer: Viewer, action: str = "") -> int:
    """Return the id of a viewer who may do something.

    Parameters
    ----------
    action
        What is to be written, as "resource:verb"; "" for a private read.

    Raises
    ------
    ArcsecondNotLoggedInError
        Nobody is signed in.
    NotAllowedError
        The key does not reach so far.
    """
    if viewer.id is None:
        raise ArcsecondNotLoggedInError("Authentication credentials were not provided.")
    if action and viewer.scopes is not None and action not in viewer.scopes:
        raise NotAllowedError(f"This key may not do {action}; use an access key.")
    return viewer.id


def administrator(viewer: Viewer) -> int:
    """Return the id of a viewer who is an administrator."""
    who = signed_in(viewer)
    if not viewer.is_admin or viewer.scopes is not None:
        raise NotAllowedError("Only an administrator may do this.")
    return who


def visible_to(viewer: Viewer, table: sa.Table) -> sa.ColumnElement[bool]:
    """Return the condition that every statement on an owned table carries.

    A row is seen by its owner, and by everyone when it is public and its
    embargo is over; nobody sees what was deleted. A row inside another (a file
    in its dataset) is seen by whoever sees that one, and one that its owner put
    into another (a dataset into a data package) also by whoever sees that one.
    """
    return _visible_to(viewer.sight, table)


@functools.lru_cache(maxsize=4096)
def _visible_to(viewer: Viewer, table: sa.Table) -> sa.ColumnElement[bool]:
    alive = table.c.deleted_at.is_(None)
    if inside := table.info.get("inside"):
        column, parent_name, parent_key = inside
        parent = metadata.tables[parent_name]
        parents = sa.select(parent.c[parent_key]).where(_visible_to(viewer, parent))
        return sa.and_(alive, table.c[column].in_(parents))
    ways = [_shown(viewer, table)]
    if viewer.id is not None:
        ways.insert(0, table.c.owner == viewer.id)
    if held := table.info.get("held"):
        links_name, column, holder_column, holder_name = held
        links, holder = metadata.tables[links_name], metadata.tables[holder_name]
        (holder_key,) = holder.primary_key.columns
        (key,) = table.primary_key.columns
        shown = sa.select(sa.literal(1)).where(
            links.c[column] == key,
            holder_key == links.c[holder_column],
            holder.c.owner == table.c.owner,
            holder.c.deleted_at.is_(None),
            _shown(viewer, holder),
        )
        # By any holder, also in a statement that is about one of them.
        ways.append(shown.correlate(table).exists())
    return sa.and_(alive, sa.or_(*ways))


def _shown(viewer: Viewer, table: sa.Table) -> sa.ColumnElement[bool]:
    """Return the condition that a row is shown to others: it is public, or they have its link."""
    public = sa.and_(
        table.c.visibility == PUBLIC,
        sa.or_(table.c.embargo_until.is_(None), table.c.embargo_until <= _MOMENT),
    )
    if viewer.shares and "share" in table.c:
        return sa.or_(public, table.c.share.in_(sorted(viewer.shares)))
    return public


def may_change(viewer: Viewer, owner: int, what: str) -> None:
    """Refuse whoever sees a thing that is not theirs and wants to change it."""
    if viewer.id != owner:
        raise NotAllowedError(f"{what} belongs to somebody else.")
