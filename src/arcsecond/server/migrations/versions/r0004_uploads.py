"""Uploads that resume have rows of their own.

Revision: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

MOMENT = sa.DateTime(timezone=True)
LONG_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "uploads",
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("owner", LONG_INTEGER, nullable=False),
        sa.Column("dataset", sa.Uuid(), nullable=False),
        sa.Column(
            "path", sa.String(length=1024), nullable=False, comment="empty for a part of an upload"
        ),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False, comment="bytes that were flushed"),
        sa.Column(
            "sha256",
            sa.String(length=64),
            nullable=True,
            comment="as the sender says; null: nobody said yet",
        ),
        sa.Column(
            "given", sa.JSON(), nullable=False, comment="what the file is to get, such as tags"
        ),
        sa.Column("told", sa.Text(), nullable=False, comment="as it was sent"),
        sa.Column("replaces", sa.Boolean(), nullable=False),
        sa.Column("concat", sa.String(length=8), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("file", LONG_INTEGER, nullable=True, comment="pk of the file that it became"),
        sa.Column("is_new", sa.Boolean(), nullable=True),
        sa.Column("refusal", sa.JSON(), nullable=True, comment="why it became none"),
        sa.PrimaryKeyConstraint("uuid", name="pk_uploads"),
        sa.ForeignKeyConstraint(["owner"], ["users.id"], name="fk_uploads_owner"),
        sa.ForeignKeyConstraint(
            ["dataset"], ["datasets.uuid"], name="fk_uploads_dataset", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_uploads_owner", "uploads", ["owner"])
    op.create_index("ix_uploads_dataset", "uploads", ["dataset"])
