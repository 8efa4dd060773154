"""Satellites that were imported. Sites, telescopes and instruments are no tables yet."""

from __future__ import annotations

import sqlalchemy as sa

from arcsecond.server.db import UtcDateTime, metadata

satellites = sa.Table(
    "satellites",
    metadata,
    sa.Column("norad", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("line_1", sa.String(69), nullable=False),
    sa.Column("line_2", sa.String(69), nullable=False),
    sa.Column("epoch", UtcDateTime, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
)
