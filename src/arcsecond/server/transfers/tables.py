"""Uploads that are under way, or ended lately."""

from __future__ import annotations

import sqlalchemy as sa

from arcsecond.server.db import LONG_INTEGER, UtcDateTime, metadata

PARTIAL, FINAL = "partial", "final"
"""What an upload is to others: a part of one, or one that is made of parts."""

uploads = sa.Table(
    "uploads",
    metadata,
    sa.Column("uuid", sa.Uuid, primary_key=True),
    sa.Column("owner", LONG_INTEGER, sa.ForeignKey("users.id"), nullable=False, index=True),
    sa.Column(
        "dataset",
        sa.Uuid,
        sa.ForeignKey("datasets.uuid", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    sa.Column("path", sa.String(1024), nullable=False, comment="empty for a part of an upload"),
    sa.Column("length", sa.BigInteger, nullable=False),
    sa.Column("received", sa.BigInteger, nullable=False, comment="bytes that were flushed"),
    sa.Column("sha256", sa.String(64), comment="as the sender says; null: nobody said yet"),
    sa.Column("given", sa.JSON, nullable=False, comment="what the file is to get, such as tags"),
    sa.Column("told", sa.Text, nullable=False, comment="as it was sent"),
    sa.Column("replaces", sa.Boolean, nullable=False),
    sa.Column("concat", sa.String(8)),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("file", LONG_INTEGER, comment="pk of the file that it became"),
    sa.Column("is_new", sa.Boolean),
    sa.Column("refusal", sa.JSON, comment="why it became none"),
)
