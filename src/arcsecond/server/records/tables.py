"""Observing runs and night logs."""

from __future__ import annotations

import sqlalchemy as sa

from arcsecond.server.db import metadata
from arcsecond.server.people.tables import ownership, stamps

observing_runs = sa.Table(
    "observing_runs",
    metadata,
    sa.Column("uuid", sa.Uuid, primary_key=True),
    *ownership(),
    *stamps(),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("observing_site", sa.Uuid),
    sa.Column("journal", sa.Text, nullable=False, server_default=""),
    sa.Column("tags", sa.JSON, nullable=False),
)

night_logs = sa.Table(
    "night_logs",
    metadata,
    sa.Column("uuid", sa.Uuid, primary_key=True),
    *ownership(),
    *stamps(),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("date", sa.Date, nullable=False, comment="local date of the evening"),
    sa.Column("telescope", sa.Uuid),
    sa.Column("observing_run", sa.Uuid, sa.ForeignKey("observing_runs.uuid"), index=True),
    sa.Column("journal", sa.Text, nullable=False, server_default=""),
    sa.Column("tags", sa.JSON, nullable=False),
)
