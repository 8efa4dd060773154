"""Accounts, keys, invitations and options; and the columns of everything owned."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from arcsecond.server.db import LONG_INTEGER, UtcDateTime, index_where, metadata

users = sa.Table(
    "users",
    metadata,
    sa.Column("id", LONG_INTEGER, primary_key=True),
    sa.Column("username", sa.String(150), nullable=False),
    sa.Column("folded", sa.String(150), nullable=False, unique=True, comment="username, casefold"),
    sa.Column("email", sa.String(254), unique=True, comment="lower case"),
    sa.Column("password", sa.String(255), comment="argon2; null: no password yet"),
    sa.Column("first_name", sa.String(150), nullable=False, server_default=""),
    sa.Column("last_name", sa.String(150), nullable=False, server_default=""),
    sa.Column("is_admin", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("is_local_owner", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("generation", sa.Integer, nullable=False, server_default="1", comment="of the keys"),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    index_where("is_local_owner", "uq_users_local_owner", "is_local_owner", unique=True),
)

keys = sa.Table(
    "keys",
    metadata,
    sa.Column("id", LONG_INTEGER, primary_key=True),
    sa.Column("owner", LONG_INTEGER, sa.ForeignKey("users.id"), nullable=False, index=True),
    sa.Column("kind", sa.String(16), nullable=False, comment="access upload token session once"),
    sa.Column("name", sa.String(150), nullable=False, server_default=""),
    sa.Column("digest", sa.String(64), nullable=False, unique=True, comment="SHA-256 of the key"),
    sa.Column("scopes", sa.JSON, comment="null: everything its owner may do"),
    sa.Column("limits", sa.JSON),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime),
    sa.Column("revoked_at", UtcDateTime),
    sa.Column("last_used_at", UtcDateTime),
)

options = sa.Table(
    "options",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

invitations = sa.Table(
    "invitations",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True, comment="SHA-256 of the code"),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("used_by", LONG_INTEGER, sa.ForeignKey("users.id")),
)

PRIVATE = "private"
PUBLIC = "public"


def ownership(visibility: str = PRIVATE) -> tuple[sa.Column[Any], ...]:
    """Return the columns that say whose a row is and who may see it.

    Parameters
    ----------
    visibility
        What a row starts with.
    """
    return (
        sa.Column("owner", LONG_INTEGER, sa.ForeignKey("users.id"), nullable=False, index=True),
        sa.Column("organisation", LONG_INTEGER, comment="null: the owner's own"),
        sa.Column("visibility", sa.String(16), nullable=False, server_default=visibility),
        sa.Column("embargo_until", UtcDateTime, comment="public only after it"),
        sa.Column("deleted_at", UtcDateTime),
    )


def stamps() -> tuple[sa.Column[Any], ...]:
    """Return the columns that say when a row was made and changed."""
    return (
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
    )
