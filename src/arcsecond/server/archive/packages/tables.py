"""Data packages, and which datasets they hold in which order."""

from __future__ import annotations

import sqlalchemy as sa

from arcsecond.server.db import metadata
from arcsecond.server.people.tables import ownership, stamps

PACKAGE = "Data package"
"""What one is called in sentences."""

packages = sa.Table(
    "data_packages",
    metadata,
    sa.Column("uuid", sa.Uuid, primary_key=True),
    *ownership(),
    *stamps(),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("licence", sa.String(255), nullable=False, server_default=""),
    sa.Column("citation", sa.Text, nullable=False, server_default=""),
    sa.Column(
        "share", sa.String(64), unique=True, comment="SHA-256 of the link's word; null: none"
    ),
    sa.Column("links", sa.Integer, nullable=False, server_default="0", comment="made so far"),
)

contents = sa.Table(
    "package_contents",
    metadata,
    sa.Column(
        "package",
        sa.Uuid,
        sa.ForeignKey("data_packages.uuid", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column(
        "dataset",
        sa.Uuid,
        sa.ForeignKey("datasets.uuid", ondelete="CASCADE"),
        primary_key=True,
        index=True,
    ),
    sa.Column("place", sa.Integer, nullable=False),
)
