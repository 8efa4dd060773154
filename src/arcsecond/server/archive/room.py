"""How many bytes a user may keep: the quota, and what counts towards it."""

from __future__ import annotations

import sqlalchemy as sa

from arcsecond.errors import TooLargeError
from arcsecond.server.archive.tables import blobs, files, places, uploads, versions
from arcsecond.server.context import Backend
from arcsecond.server.people.tables import users


def room_left(backend: Backend, connection: sa.Connection, owner: int) -> int | None:
    """Return how many more bytes somebody may keep, inside the transaction that adds some.

    Everything counts that a user keeps here: old versions, what lies in the trash, and with
    the length that was announced what is on its way; not what stays where it lies.

    Returns
    -------
    int
        None where there is no quota.
    """
    if not (quota := backend.settings.quota_bytes):
        return None
    # One at a time: two that add at once would both find the same room. Keys that refer to
    # the user are no matter, and would else wait for each other.
    mine = sa.select(users.c.id).where(users.c.id == owner)
    connection.execute(mine.with_for_update(key_share=True))
    return quota - _kept(connection, owner) - _under_way(connection, owner)


def refuse_more(backend: Backend, connection: sa.Connection, owner: int, size: int) -> None:
    """Refuse bytes that somebody has no room for.

    Raises
    ------
    TooLargeError
        They are more than what is left of the quota.
    """
    left = room_left(backend, connection, owner)
    if left is not None and size > left:
        raise no_room(backend, size, left)


def no_room(backend: Backend, size: int, left: int) -> TooLargeError:
    """Return the error for more bytes than are left of a quota."""
    quota = backend.settings.quota_bytes
    return TooLargeError(f"Of your {quota} bytes {max(0, left)} are left; this takes {size}.")


def _kept(connection: sa.Connection, owner: int) -> int:
    statement = (
        sa.select(sa.func.coalesce(sa.func.sum(blobs.c.size), 0))
        .select_from(files)
        .join(versions, versions.c.file == files.c.pk)
        .join(blobs, blobs.c.sha256 == versions.c.blob)
        .where(files.c.owner == owner, ~sa.exists().where(places.c.blob == blobs.c.sha256))
    )
    return int(connection.scalar(statement) or 0)


def _under_way(connection: sa.Connection, owner: int) -> int:
    waiting = sa.and_(uploads.c.owner == owner, uploads.c.ended_at.is_(None))
    total = sa.select(sa.func.coalesce(sa.func.sum(uploads.c.length), 0)).where(waiting)
    return int(connection.scalar(total) or 0)
