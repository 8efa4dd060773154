"""The history of the schema, by Alembic.

``REVISIONS`` is the whole history in order; a test holds it against the
scripts, so that start-up can compare without importing Alembic.
"""

REVISIONS: tuple[str, ...] = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
    "0011",
)
HEAD = REVISIONS[-1]
