"""Activities: the table is the live feed, its key the position in it."""

from __future__ import annotations

import sqlalchemy as sa

from arcsecond.server.db import LONG_INTEGER, UtcDateTime, metadata
from arcsecond.server.people.tables import PUBLIC, ownership, stamps

activities = sa.Table(
    "activities",
    metadata,
    sa.Column("pk", LONG_INTEGER, primary_key=True),
    *ownership(PUBLIC),
    *stamps(),
    sa.Column("date", UtcDateTime, nullable=False),
    sa.Column("title", sa.String(255), nullable=False, server_default=""),
    sa.Column("content", sa.Text, nullable=False, server_default=""),
    sa.Column("observing_site", sa.Uuid),
    sa.Column("telescope", sa.Uuid),
    sa.Column("instrument", sa.Uuid),
    sa.Column("target_name", sa.String(255)),
    sa.Column("ra_deg", sa.Double),
    sa.Column("dec_deg", sa.Double),
    sa.Column("institute", sa.String(255), comment="the organisation's name as it was given"),
    sa.Column("collaboration", sa.String(255)),
    # Keys are never used again: a feed that resumes must not meet an old one.
    sqlite_autoincrement=True,
)
