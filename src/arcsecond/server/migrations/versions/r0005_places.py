"""Files that stay where they lie have rows of their own; blobs are found by their size.

Revision: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the table, and the index."""
    op.create_table(
        "places",
        sa.Column("path", sa.String(length=2048), nullable=False),
        sa.Column("blob", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("changed_ns", sa.BigInteger(), nullable=False, comment="as its file system says"),
        sa.PrimaryKeyConstraint("path", name="pk_places"),
        sa.ForeignKeyConstraint(
            ["blob"], ["blobs.sha256"], name="fk_places_blob", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_places_blob", "places", ["blob"])
    op.create_index("ix_blobs_size", "blobs", ["size"])
