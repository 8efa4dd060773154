"""The index of files: one entry each, its words in the order of time, its numbers by size.

Nothing refers to these tables and nothing is only here: a backup leaves them out.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from arcsecond.server.db import LONG_INTEGER, metadata

NEVER = -(1 << 62)
"""Start of a file that tells none: before all others."""

LONGEST_TERM = 80
"""Characters of a text that are compared."""

_WORD = sa.String(LONGEST_TERM).with_variant(sa.String(LONGEST_TERM, collation="C"), "postgresql")


class _Told(sa.TypeDecorator[Any]):
    """JSON, in PostgreSQL as JSONB, whose dialect takes a tenth of a command to import."""

    impl = sa.JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        if dialect.name != "postgresql":
            return dialect.type_descriptor(sa.JSON())
        from sqlalchemy.dialects.postgresql import JSONB

        return dialect.type_descriptor(JSONB())

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        return sa.JSON().coerce_compared_value(op, value)


DERIVED = {"derived": True}

SKY = ("cell", "start", "file", "x", "y", "z", "cosine", "sine")
"""What a search by place needs of an entry: its index holds all of it."""

entries = sa.Table(
    "index_entries",
    metadata,
    sa.Column("file", LONG_INTEGER, primary_key=True, autoincrement=False),
    sa.Column("dataset", sa.Uuid, nullable=False),
    sa.Column("start", sa.BigInteger, nullable=False, comment="microseconds since 1970"),
    sa.Column("cell", sa.BigInteger, comment="of its position, as areas.py has it"),
    sa.Column("x", sa.Double),
    sa.Column("y", sa.Double),
    sa.Column("z", sa.Double),
    sa.Column("cosine", sa.Double, comment="of the radius of its footprint; see areas.py"),
    sa.Column("sine", sa.Double),
    sa.Column("texts", _Told, nullable=False),
    sa.Column("numbers", _Told, nullable=False),
    # The last one: what stands behind a long one is slower to read.
    sa.Column(
        "patches",
        sa.JSON(none_as_null=True),
        comment="polygons of its footprint; null: x, y, z are its position",
    ),
    sa.Index("ix_index_entries_sky", *SKY),
    sa.Index("ix_index_entries_start", "start", "file"),
    sa.Index("ix_index_entries_dataset", "dataset", "start", "file"),
    info=DERIVED,
)

terms = sa.Table(
    "index_terms",
    metadata,
    sa.Column("keyword", _WORD, primary_key=True),
    sa.Column("value", _WORD, primary_key=True),
    sa.Column("start", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("file", LONG_INTEGER, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
    info=DERIVED,
)

numbers = sa.Table(
    "index_numbers",
    metadata,
    sa.Column("keyword", _WORD, primary_key=True),
    sa.Column("value", sa.Double, primary_key=True),
    sa.Column("start", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("file", LONG_INTEGER, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
    info=DERIVED,
)
