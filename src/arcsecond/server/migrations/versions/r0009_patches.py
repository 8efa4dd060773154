"""Footprints in the index, beside what they are found by.

Revision: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_COMMENT = "polygons of its footprint; null: x, y, z are its position"


def upgrade() -> None:
    """Copy them from the newest versions."""
    op.add_column("index_entries", sa.Column("patches", sa.JSON(), comment=_COMMENT))
    entries = sa.table("index_entries", sa.column("file"), sa.column("patches"))
    files = sa.table("files", sa.column("pk"), sa.column("current"))
    versions = sa.table(
        "versions", sa.column("file"), sa.column("n"), sa.column("footprint", sa.JSON())
    )
    polygons: sa.ColumnElement[object] = sa.type_coerce(versions.c.footprint, sa.Text)
    if op.get_bind().dialect.name == "sqlite":
        polygons = sa.func.json_extract(polygons, "$.polygons")
    else:
        polygons = polygons.op("->")(sa.literal_column("'polygons'"))
    newest = sa.select(polygons).where(
        files.c.pk == entries.c.file,
        versions.c.file == files.c.pk,
        versions.c.n == files.c.current,
    )
    has_one = newest.where(versions.c.footprint.is_not(None)).exists()
    op.execute(sa.update(entries).where(has_one).values(patches=newest.scalar_subquery()))
