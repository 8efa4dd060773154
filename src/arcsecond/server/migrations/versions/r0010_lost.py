"""The blobs whose bytes are lost, found without looking at all others.

Revision: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Index them."""
    lost = sa.text("state = 'lost'")
    op.create_index("ix_blobs_lost", "blobs", ["sha256"], sqlite_where=lost, postgresql_where=lost)
