"""Datasets, and the bytes of files in three steps: blobs, versions, files.

A blob is content, known by its digest. A version says that a file had this
content, and what its headers told. A file is a name in a dataset; it keeps its
key when it is replaced. An upload is a file on its way, or one that came lately.
A place is a file outside the store that holds a blob: it stays where it lies.
"""

from __future__ import annotations

import sqlalchemy as sa

from arcsecond.server.db import LONG_INTEGER, UtcDateTime, index_where, metadata
from arcsecond.server.people.tables import ownership, stamps

LIVE = "live"
DYING = "dying"
LOST = "lost"
"""State of a blob: used; used by nobody; used, but its bytes were found missing or damaged."""

datasets = sa.Table(
    "datasets",
    metadata,
    sa.Column("uuid", sa.Uuid, primary_key=True),
    *ownership(),
    *stamps(),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("telescope", sa.Uuid),
    sa.Column("instrument", sa.Uuid),
    sa.Column("tags", sa.JSON, nullable=False),
    # Whoever sees a data package sees what its owner put into it.
    info={"held": ("package_contents", "dataset", "package", "data_packages")},
)

blobs = sa.Table(
    "blobs",
    metadata,
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False, index=True),
    sa.Column("state", sa.String(8), nullable=False, server_default=LIVE),
    sa.Column("dying_since", UtcDateTime),
    sa.Column("created_at", UtcDateTime, nullable=False),
    index_where(f"state = '{LOST}'", "ix_blobs_lost", "sha256"),
)

places = sa.Table(
    "places",
    metadata,
    sa.Column("path", sa.String(2048), primary_key=True),
    sa.Column(
        "blob",
        sa.String(64),
        sa.ForeignKey("blobs.sha256", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("changed_ns", sa.BigInteger, nullable=False, comment="as its file system says"),
)

files = sa.Table(
    "files",
    metadata,
    sa.Column("pk", LONG_INTEGER, primary_key=True),
    sa.Column("owner", LONG_INTEGER, sa.ForeignKey("users.id"), nullable=False, index=True),
    sa.Column("deleted_at", UtcDateTime),
    *stamps(),
    sa.Column("dataset", sa.Uuid, sa.ForeignKey("datasets.uuid"), nullable=False),
    sa.Column("path", sa.String(1024), nullable=False),
    sa.Column("current", sa.Integer, nullable=False, comment="n of its present version"),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("is_raw", sa.Boolean, comment="as the sender says; null: nobody said"),
    index_where("deleted_at IS NULL", "uq_files_living_path", "dataset", "path", unique=True),
    sqlite_autoincrement=True,
    # A file is seen by whoever sees its dataset.
    info={"inside": ("dataset", "datasets", "uuid")},
)

versions = sa.Table(
    "versions",
    metadata,
    sa.Column("file", LONG_INTEGER, sa.ForeignKey("files.pk"), primary_key=True),
    sa.Column("n", sa.Integer, primary_key=True),
    sa.Column("blob", sa.String(64), sa.ForeignKey("blobs.sha256"), nullable=False, index=True),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("packing", sa.String(8), comment="null: sent as plain FITS"),
    sa.Column("content_size", sa.BigInteger),
    sa.Column("content_sha256", sa.String(64)),
    sa.Column("target", sa.String(255)),
    sa.Column("ra_deg", sa.Double),
    sa.Column("dec_deg", sa.Double),
    sa.Column("position_source", sa.String(16)),
    sa.Column("footprint", sa.JSON(none_as_null=True), comment="null: no image with a WCS"),
    sa.Column("start", UtcDateTime),
    sa.Column("exposure_s", sa.Double),
    sa.Column("filter", sa.String(255)),
    sa.Column("instrument", sa.String(255)),
    sa.Column("telescope", sa.String(255)),
    sa.Column("kind", sa.String(32)),
    sa.Column("night", sa.Date, comment="the evening on which it began"),
    sa.Column("airmass", sa.Double),
    sa.Column("observer", sa.String(255)),
    sa.Column("programme", sa.String(255)),
    sa.Column("product", sa.String(16), comment="dataproduct_type of ObsCore"),
    sa.Column(
        "doubts",
        sa.JSON,
        nullable=False,
        server_default="[]",
        comment="what nobody can believe, as written",
    ),
    sa.Column("rules", sa.String(16), comment="digest of the rules it was read by"),
    sa.Column("hdus", sa.JSON, nullable=False, comment="what each HDU is, without its header"),
    sa.Column("problems", sa.JSON, nullable=False),
)

headers = sa.Table(
    "headers",
    metadata,
    sa.Column("file", LONG_INTEGER, primary_key=True),
    sa.Column("n", sa.Integer, primary_key=True),
    sa.Column("hdu", sa.Integer, primary_key=True),
    sa.Column("cards", sa.Text, nullable=False, comment="80 characters each, without END"),
    sa.ForeignKeyConstraint(["file", "n"], ["versions.file", "versions.n"]),
)

PARTIAL, FINAL = "partial", "final"
"""What an upload is to others: a part of one, or one that is made of parts."""

uploads = sa.Table(
    "uploads",
    metadata,
    sa.Column("uuid", sa.Uuid, primary_key=True),
    sa.Column("owner", LONG_INTEGER, sa.ForeignKey("users.id"), nullable=False, index=True),
    sa.Column(
        "dataset",
        sa.Uuid,
        sa.ForeignKey("datasets.uuid", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    sa.Column("path", sa.String(1024), nullable=False, comment="empty for a part of an upload"),
    sa.Column("length", sa.BigInteger, nullable=False),
    sa.Column("received", sa.BigInteger, nullable=False, comment="bytes that were flushed"),
    sa.Column("sha256", sa.String(64), comment="as the sender says; null: nobody said yet"),
    sa.Column("given", sa.JSON, nullable=False, comment="what the file is to get, such as tags"),
    sa.Column("told", sa.Text, nullable=False, comment="as it was sent"),
    sa.Column("replaces", sa.Boolean, nullable=False),
    sa.Column("concat", sa.String(8)),
    sa.Column(
        "parts",
        sa.Text,
        nullable=False,
        server_default="",
        comment="addresses of what it is made of, as they were sent",
    ),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("file", LONG_INTEGER, comment="pk of the file that it became"),
    sa.Column("is_new", sa.Boolean),
    sa.Column("refusal", sa.JSON, comment="why it became none"),
)
