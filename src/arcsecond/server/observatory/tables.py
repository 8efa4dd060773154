"""Sites, telescopes, instruments, and the element sets of satellites."""

from __future__ import annotations

import sqlalchemy as sa

from arcsecond.server.db import UtcDateTime, metadata


def _common() -> tuple[sa.Column[object], ...]:
    """Return the columns that sites, telescopes and instruments share."""
    return (
        sa.Column("uuid", sa.Uuid, primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("acronym", sa.String(64)),
        sa.Column("source", sa.Text, comment="where it is published"),
        sa.Column("builtin", sa.Boolean, nullable=False, comment="comes with the program"),
        sa.Column(
            "sort", sa.String(255), nullable=False, index=True, comment="name, in small letters"
        ),
        sa.Column("words", sa.Text, nullable=False, comment="all names, folded, each on a line"),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
    )


sites = sa.Table(
    "sites",
    metadata,
    *_common(),
    sa.Column("nickname", sa.String(255)),
    sa.Column("alternate_names", sa.JSON, nullable=False),
    sa.Column("code", sa.String(8), index=True, comment="of the Minor Planet Center"),
    sa.Column("homepage_url", sa.Text),
    sa.Column("longitude", sa.Double, comment="degrees, east positive; null: not on the Earth"),
    sa.Column("latitude", sa.Double, index=True, comment="degrees, geodetic, WGS 84"),
    sa.Column("height", sa.Double, comment="metres above the ellipsoid"),
    sa.Column("precision", sa.Double, comment="metres; null: nobody said"),
    sa.Column("country", sa.String(255)),
    sa.Column("continent", sa.String(64)),
    sa.Column("time_zone", sa.String(64), comment="of the IANA database"),
)

telescopes = sa.Table(
    "telescopes",
    metadata,
    *_common(),
    sa.Column("site", sa.Uuid, sa.ForeignKey("sites.uuid"), nullable=False, index=True),
    sa.Column("alias", sa.String(255)),
    sa.Column("aperture", sa.Double, comment="metres"),
    sa.Column("mounting", sa.String(255)),
    sa.Column("optical_design", sa.String(255)),
)

instruments = sa.Table(
    "instruments",
    metadata,
    *_common(),
    sa.Column("telescope", sa.Uuid, sa.ForeignKey("telescopes.uuid"), nullable=False, index=True),
    sa.Column("kind", sa.String(255)),
    sa.Column("focus", sa.String(255)),
    sa.Column("archive", sa.JSON, comment="name and portal_url of where its data are kept"),
)

satellites = sa.Table(
    "satellites",
    metadata,
    sa.Column("norad", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("designator", sa.String(16), comment="international, such as 1998-067A"),
    sa.Column("words", sa.Text, nullable=False, comment="name and designator, folded"),
    sa.Column("line_1", sa.String(69), comment="null: its number has no place in two lines"),
    sa.Column("line_2", sa.String(69)),
    sa.Column("elements", sa.JSON, comment="an OMM, CCSDS 502.0-B; null: they are in the lines"),
    sa.Column("epoch", UtcDateTime, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
)
