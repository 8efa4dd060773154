"""Sites, telescopes and instruments become tables; element sets may come as OMM.

Revision: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables, which the program fills when it starts; widen that of satellites."""
    op.create_table(
        "sites",
        *_common(),
        sa.Column("nickname", sa.String(length=255), nullable=True),
        sa.Column("alternate_names", sa.JSON(), nullable=False),
        sa.Column("code", sa.String(length=8), nullable=True, comment="of the Minor Planet Center"),
        sa.Column("homepage_url", sa.Text(), nullable=True),
        sa.Column(
            "longitude",
            sa.Double(),
            nullable=True,
            comment="degrees, east positive; null: not on the Earth",
        ),
        sa.Column("latitude", sa.Double(), nullable=True, comment="degrees, geodetic, WGS 84"),
        sa.Column("height", sa.Double(), nullable=True, comment="metres above the ellipsoid"),
        sa.Column("precision", sa.Double(), nullable=True, comment="metres; null: nobody said"),
        sa.Column("country", sa.String(length=255), nullable=True),
        sa.Column("continent", sa.String(length=64), nullable=True),
        sa.Column("time_zone", sa.String(length=64), nullable=True, comment="of the IANA database"),
        sa.PrimaryKeyConstraint("uuid", name="pk_sites"),
    )
    op.create_table(
        "telescopes",
        *_common(),
        sa.Column("site", sa.Uuid(), nullable=False),
        sa.Column("alias", sa.String(length=255), nullable=True),
        sa.Column("aperture", sa.Double(), nullable=True, comment="metres"),
        sa.Column("mounting", sa.String(length=255), nullable=True),
        sa.Column("optical_design", sa.String(length=255), nullable=True),
        sa.PrimaryKeyConstraint("uuid", name="pk_telescopes"),
        sa.ForeignKeyConstraint(["site"], ["sites.uuid"], name="fk_telescopes_site"),
    )
    op.create_table(
        "instruments",
        *_common(),
        sa.Column("telescope", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=255), nullable=True),
        sa.Column("focus", sa.String(length=255), nullable=True),
        sa.Column(
            "archive",
            sa.JSON(),
            nullable=True,
            comment="name and portal_url of where its data are kept",
        ),
        sa.PrimaryKeyConstraint("uuid", name="pk_instruments"),
        sa.ForeignKeyConstraint(
            ["telescope"], ["telescopes.uuid"], name="fk_instruments_telescope"
        ),
    )
    for table, columns in {
        "sites": ("sort", "code", "latitude"),
        "telescopes": ("sort", "site"),
        "instruments": ("sort", "telescope"),
    }.items():
        for column in columns:
            op.create_index(f"ix_{table}_{column}", table, [column])
    _widen_satellites()


def _common() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("acronym", sa.String(length=64), nullable=True),
        sa.Column("source", sa.Text(), nullable=True, comment="where it is published"),
        sa.Column("builtin", sa.Boolean(), nullable=False, comment="comes with the program"),
        sa.Column("sort", sa.String(length=255), nullable=False, comment="name, in small letters"),
        sa.Column("words", sa.Text(), nullable=False, comment="all names, folded, each on a line"),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
    )


def _widen_satellites() -> None:
    with op.batch_alter_table("satellites") as batch:
        batch.alter_column(
            "line_1",
            existing_type=sa.String(length=69),
            nullable=True,
            comment="null: its number has no place in two lines",
        )
        batch.alter_column("line_2", existing_type=sa.String(length=69), nullable=True)
        batch.add_column(
            sa.Column(
                "designator",
                sa.String(length=16),
                nullable=True,
                comment="international, such as 1998-067A",
            )
        )
        batch.add_column(
            sa.Column(
                "words",
                sa.Text(),
                nullable=False,
                server_default="",
                comment="name and designator, folded",
            )
        )
        batch.add_column(
            sa.Column(
                "elements",
                sa.JSON(),
                nullable=True,
                comment="an OMM, CCSDS 502.0-B; null: they are in the lines",
            )
        )
    satellites = sa.table(
        "satellites",
        sa.column("norad", sa.Integer),
        sa.column("name", sa.String),
        sa.column("line_1", sa.String),
        sa.column("designator", sa.String),
        sa.column("words", sa.String),
    )
    connection = op.get_bind()
    for row in connection.execute(sa.select(satellites)).all():
        year, piece = row.line_1[9:11].strip(), row.line_1[11:17].strip()
        designator = None
        if year.isdigit() and piece:
            designator = f"{1900 + int(year) if int(year) > 56 else 2000 + int(year)}-{piece}"
        words = "\n".join(
            "".join(text.casefold().split()) for text in (row.name, designator) if text
        )
        connection.execute(
            sa.update(satellites)
            .where(satellites.c.norad == row.norad)
            .values(designator=designator, words=f"\n{words}\n")
        )
    with op.batch_alter_table("satellites") as batch:
        batch.alter_column("words", existing_type=sa.Text(), server_default=None)
