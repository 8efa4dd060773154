"""Files say whether they are raw, as uploaders of 3.x tell it.

Revision: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column; nobody has said anything about the files that are there."""
    op.add_column(
        "files",
        sa.Column(
            "is_raw", sa.Boolean(), nullable=True, comment="as the sender says; null: nobody said"
        ),
    )
