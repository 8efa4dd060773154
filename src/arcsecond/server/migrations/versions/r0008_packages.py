"""Data packages.

Revision: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "data_packages",
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("owner", _INTEGER, nullable=False),
        sa.Column("organisation", _INTEGER, comment="null: the owner's own"),
        sa.Column("visibility", sa.String(16), nullable=False, server_default="private"),
        sa.Column("embargo_until", sa.DateTime(timezone=True), comment="public only after it"),
        sa.Column("deleted_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("description", sa.Text(), nullable=False, server_default=""),
        sa.Column("licence", sa.String(255), nullable=False, server_default=""),
        sa.Column("citation", sa.Text(), nullable=False, server_default=""),
        sa.Column("share", sa.String(64), comment="SHA-256 of the link's word; null: none"),
        sa.Column("links", sa.Integer(), nullable=False, server_default="0", comment="made so far"),
        sa.PrimaryKeyConstraint("uuid", name="pk_data_packages"),
        sa.ForeignKeyConstraint(["owner"], ["users.id"], name="fk_data_packages_owner"),
        sa.UniqueConstraint("share", name="uq_data_packages_share"),
    )
    op.create_index("ix_data_packages_owner", "data_packages", ["owner"])
    op.create_table(
        "package_contents",
        sa.Column("package", sa.Uuid(), nullable=False),
        sa.Column("dataset", sa.Uuid(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("package", "dataset", name="pk_package_contents"),
        sa.ForeignKeyConstraint(
            ["package"],
            ["data_packages.uuid"],
            name="fk_package_contents_package",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["dataset"],
            ["datasets.uuid"],
            name="fk_package_contents_dataset",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_package_contents_dataset", "package_contents", ["dataset"])
