"""What an upload was put together of, as the protocol wants it to be told.

Revision: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Keep the addresses of its parts."""
    told = "addresses of what it is made of, as they were sent"
    parts = sa.Column("parts", sa.Text(), nullable=False, server_default="", comment=told)
    op.add_column("uploads", parts)
