"""Keys, tokens and sessions: what they stand for, how they come and go."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from arcsecond.errors import ArcsecondNotLoggedInError
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.db import now
from arcsecond.server.people.secrets import derived_key, digest, random_key
from arcsecond.server.people.tables import keys, users
from arcsecond.server.people.visibility import UPLOAD_SCOPES, signed_in

LIFETIMES = {
    "token": timedelta(days=1),
    "session": timedelta(days=30),
    "once": timedelta(minutes=2),
}


DERIVED: dict[str, list[str] | None] = {"access": None, "upload": sorted(UPLOAD_SCOPES)}
"""Kinds of keys that are derived from the server's secret, and what each may do; None: all."""

_LIVING = (
    sa.select(keys.c.kind, keys.c.scopes, keys.c.expires_at,
              users.c.id.label("user"), users.c.username, users.c.is_admin)
    .join(users, users.c.id == keys.c.owner)
    .where(keys.c.digest == sa.bindparam("digest"), keys.c.revoked_at.is_(None))
)  # fmt: skip
"""Made once: every request asks it."""


def viewer_with_key(backend: Backend, key: str, *, kinds: tuple[str, ...]) -> Viewer:
    """Return whom a key stands for.

    Raises
    ------
    ArcsecondNotLoggedInError
        The key is unknown, revoked or too old.
    """
    with backend.db.read() as connection:
        row = connection.execute(_LIVING, {"digest": digest(key)}).one_or_none()
    if (
        row is None
        or row.kind not in kinds
        or (row.expires_at is not None and row.expires_at <= now())
    ):
        raise ArcsecondNotLoggedInError("This key or token is not valid here, or no longer.")
    how: Any = {"token": "token", "session": "session"}.get(row.kind, "key")
    scopes = frozenset(row.scopes) if row.scopes is not None else None
    return Viewer(row.user, row.username, row.is_admin, how, scopes)


def spend_once(backend: Backend, token: str) -> str:
    """Turn a one-time token into a session; it works a single time."""
    with backend.db.write() as connection:
        owner = connection.scalar(
            sa.delete(keys)
            .where(keys.c.digest == digest(token), keys.c.kind == "once")
            .where(keys.c.expires_at > now())
            .returning(keys.c.owner)
        )
        if owner is None:
            raise ArcsecondNotLoggedInError("This address was used already, or is too old.")
        return new_key(connection, owner, "session")


def mint_once(backend: Backend, viewer: Viewer) -> str:
    """Return a token that signs one browser in, once, within two minutes."""
    user = signed_in(viewer, "sessions:create")
    with backend.db.write() as connection:
        return new_key(connection, user, "once")


def revoke(backend: Backend, viewer: Viewer, key: str) -> None:
    """End a session or a token."""
    with backend.db.write() as connection:
        connection.execute(
            sa.update(keys)
            .where(keys.c.digest == digest(key), keys.c.kind.in_(("session", "token")))
            .values(revoked_at=now())
        )


def forget_expired(backend: Backend) -> None:
    """Remove tokens and sessions that are over; keys stay, revoked or not."""
    short = keys.c.kind.in_(tuple(LIFETIMES))
    over = sa.or_(keys.c.expires_at <= now(), keys.c.revoked_at.is_not(None))
    with backend.db.write() as connection:
        connection.execute(sa.delete(keys).where(short, over))


def keep_derived_keys(
    connection: sa.Connection,
    backend: Backend,
    user: int,
    *,
    generation: int,
    kinds: Collection[str] = tuple(DERIVED),
) -> None:
    """Record the digests of the keys that are derived for a user, those that are not yet."""
    for kind, scopes in DERIVED.items():
        if kind not in kinds:
            continue
        told = digest(derived_key(backend.secret, user, kind, generation))
        if connection.scalar(sa.select(keys.c.id).where(keys.c.digest == told)) is None:
            connection.execute(
                sa.insert(keys).values(
                    owner=user, kind=kind, digest=told, scopes=scopes, created_at=now()
                )
            )


def new_key(connection: sa.Connection, user: int, kind: str) -> str:
    """Make a token, a session or a one-time token, and return it."""
    key = random_key()
    connection.execute(
        sa.insert(keys).values(
            owner=user,
            kind=kind,
            digest=digest(key),
            created_at=now(),
            expires_at=now() + LIFETIMES[kind],
        )
    )
    return key
