"""Versions say more of what their headers tell, and by which rules it was read.

Revision: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the columns; what is there already is read again when somebody asks for it."""
    for column in (
        sa.Column("night", sa.Date(), comment="the evening on which it began"),
        sa.Column("airmass", sa.Double()),
        sa.Column("observer", sa.String(length=255)),
        sa.Column("programme", sa.String(length=255)),
        sa.Column("product", sa.String(length=16), comment="dataproduct_type of ObsCore"),
        sa.Column(
            "doubts",
            sa.JSON(),
            nullable=False,
            server_default="[]",
            comment="what nobody can believe, as written",
        ),
        sa.Column("rules", sa.String(length=16), comment="digest of the rules it was read by"),
    ):
        op.add_column("versions", column)
