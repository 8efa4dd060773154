"""The index of files: entries, their words, their numbers; footprints.

Revision: 0007
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _word() -> sa.types.TypeEngine[str]:
    return sa.String(80).with_variant(sa.String(80, collation="C"), "postgresql")


def _told() -> sa.types.TypeEngine[object]:
    return sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Make the tables; every file counts as read by older rules, so reindexing fills them."""
    op.create_table(
        "index_entries",
        sa.Column("file", _INTEGER, nullable=False, autoincrement=False),
        sa.Column("dataset", sa.Uuid(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False, comment="microseconds since 1970"),
        sa.Column("cell", sa.BigInteger(), comment="of its position, as areas.py has it"),
        sa.Column("x", sa.Double()),
        sa.Column("y", sa.Double()),
        sa.Column("z", sa.Double()),
        sa.Column("cosine", sa.Double(), comment="of the radius of its footprint; see areas.py"),
        sa.Column("sine", sa.Double()),
        sa.Column("texts", _told(), nullable=False),
        sa.Column("numbers", _told(), nullable=False),
        sa.PrimaryKeyConstraint("file", name="pk_index_entries"),
    )
    op.create_index(
        "ix_index_entries_sky",
        "index_entries",
        ["cell", "start", "file", "x", "y", "z", "cosine", "sine"],
    )
    op.create_index("ix_index_entries_start", "index_entries", ["start", "file"])
    op.create_index("ix_index_entries_dataset", "index_entries", ["dataset", "start", "file"])
    op.create_table(
        "index_terms",
        sa.Column("keyword", _word(), nullable=False),
        sa.Column("value", _word(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("file", _INTEGER, nullable=False, autoincrement=False),
        sa.PrimaryKeyConstraint("keyword", "value", "start", "file", name="pk_index_terms"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "index_numbers",
        sa.Column("keyword", _word(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("file", _INTEGER, nullable=False, autoincrement=False),
        sa.PrimaryKeyConstraint("keyword", "value", "start", "file", name="pk_index_numbers"),
        sqlite_with_rowid=False,
    )
    op.add_column(
        "versions", sa.Column("footprint", sa.JSON(), comment="null: no image with a WCS")
    )
    op.execute("UPDATE versions SET rules = NULL")
