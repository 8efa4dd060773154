"""The first schema: people, keys, archive, records, activities, satellites.

Revision: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

LONG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the first schema."""
    op.create_table(
        "blobs",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=8), server_default="live", nullable=False),
        sa.Column("dying_since", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_blobs"),
    )
    op.create_table(
        "options",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_options"),
    )
    op.create_table(
        "satellites",
        sa.Column("norad", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("line_1", sa.String(length=69), nullable=False),
        sa.Column("line_2", sa.String(length=69), nullable=False),
        sa.Column("epoch", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("norad", name="pk_satellites"),
    )
    op.create_table(
        "users",
        sa.Column("id", LONG, nullable=False),
        sa.Column("username", sa.String(length=150), nullable=False),
        sa.Column("folded", sa.String(length=150), nullable=False, comment="username, casefold"),
        sa.Column("email", sa.String(length=254), nullable=True, comment="lower case"),
        sa.Column(
            "password",
            sa.String(length=255),
            nullable=True,
            comment="argon2; null: no password yet",
        ),
        sa.Column("first_name", sa.String(length=150), server_default="", nullable=False),
        sa.Column("last_name", sa.String(length=150), server_default="", nullable=False),
        sa.Column("is_admin", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("is_local_owner", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column(
            "generation", sa.Integer(), server_default="1", nullable=False, comment="of the keys"
        ),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("email", name="uq_users_email"),
        sa.UniqueConstraint("folded", name="uq_users_folded"),
    )
    op.create_index(
        "uq_users_local_owner",
        "users",
        ["is_local_owner"],
        unique=True,
        sqlite_where=sa.text("is_local_owner"),
        postgresql_where=sa.text("is_local_owner"),
    )
    op.create_table(
        "activities",
        sa.Column("pk", LONG, nullable=False),
        sa.Column("owner", LONG, nullable=False),
        sa.Column("organisation", LONG, nullable=True, comment="null: the owner's own"),
        sa.Column("visibility", sa.String(length=16), server_default="public", nullable=False),
        sa.Column("embargo_until", MOMENT, nullable=True, comment="public only after it"),
        sa.Column("deleted_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("date", MOMENT, nullable=False),
        sa.Column("title", sa.String(length=255), server_default="", nullable=False),
        sa.Column("content", sa.Text(), server_default="", nullable=False),
        sa.Column("observing_site", sa.Uuid(), nullable=True),
        sa.Column("telescope", sa.Uuid(), nullable=True),
        sa.Column("instrument", sa.Uuid(), nullable=True),
        sa.Column("target_name", sa.String(length=255), nullable=True),
        sa.Column("ra_deg", sa.Double(), nullable=True),
        sa.Column("dec_deg", sa.Double(), nullable=True),
        sa.Column(
            "institute",
            sa.String(length=255),
            nullable=True,
            comment="the organisation's name as it was given",
        ),
        sa.Column("collaboration", sa.String(length=255), nullable=True),
        sa.ForeignKeyConstraint(["owner"], ["users.id"], name="fk_activities_owner"),
        sa.PrimaryKeyConstraint("pk", name="pk_activities"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_activities_owner", "activities", ["owner"], unique=False)
    op.create_table(
        "datasets",
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("owner", LONG, nullable=False),
        sa.Column("organisation", LONG, nullable=True, comment="null: the owner's own"),
        sa.Column("visibility", sa.String(length=16), server_default="private", nullable=False),
        sa.Column("embargo_until", MOMENT, nullable=True, comment="public only after it"),
        sa.Column("deleted_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("telescope", sa.Uuid(), nullable=True),
        sa.Column("instrument", sa.Uuid(), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["owner"], ["users.id"], name="fk_datasets_owner"),
        sa.PrimaryKeyConstraint("uuid", name="pk_datasets"),
    )
    op.create_index("ix_datasets_owner", "datasets", ["owner"], unique=False)
    op.create_table(
        "invitations",
        sa.Column("digest", sa.String(length=64), nullable=False, comment="SHA-256 of the code"),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("used_by", LONG, nullable=True),
        sa.ForeignKeyConstraint(["used_by"], ["users.id"], name="fk_invitations_used_by"),
        sa.PrimaryKeyConstraint("digest", name="pk_invitations"),
    )
    op.create_table(
        "keys",
        sa.Column("id", LONG, nullable=False),
        sa.Column("owner", LONG, nullable=False),
        sa.Column(
            "kind", sa.String(length=16), nullable=False, comment="access upload token session once"
        ),
        sa.Column("name", sa.String(length=150), server_default="", nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False, comment="SHA-256 of the key"),
        sa.Column("scopes", sa.JSON(), nullable=True, comment="null: everything its owner may do"),
        sa.Column("limits", sa.JSON(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.Column("last_used_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["owner"], ["users.id"], name="fk_keys_owner"),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
        sa.UniqueConstraint("digest", name="uq_keys_digest"),
    )
    op.create_index("ix_keys_owner", "keys", ["owner"], unique=False)
    op.create_table(
        "observing_runs",
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("owner", LONG, nullable=False),
        sa.Column("organisation", LONG, nullable=True, comment="null: the owner's own"),
        sa.Column("visibility", sa.String(length=16), server_default="private", nullable=False),
        sa.Column("embargo_until", MOMENT, nullable=True, comment="public only after it"),
        sa.Column("deleted_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("observing_site", sa.Uuid(), nullable=True),
        sa.Column("journal", sa.Text(), server_default="", nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["owner"], ["users.id"], name="fk_observing_runs_owner"),
        sa.PrimaryKeyConstraint("uuid", name="pk_observing_runs"),
    )
    op.create_index("ix_observing_runs_owner", "observing_runs", ["owner"], unique=False)
    op.create_table(
        "files",
        sa.Column("pk", LONG, nullable=False),
        sa.Column("owner", LONG, nullable=False),
        sa.Column("deleted_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("dataset", sa.Uuid(), nullable=False),
        sa.Column("path", sa.String(length=1024), nullable=False),
        sa.Column("current", sa.Integer(), nullable=False, comment="n of its present version"),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["dataset"], ["datasets.uuid"], name="fk_files_dataset"),
        sa.ForeignKeyConstraint(["owner"], ["users.id"], name="fk_files_owner"),
        sa.PrimaryKeyConstraint("pk", name="pk_files"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_files_owner", "files", ["owner"], unique=False)
    op.create_index(
        "uq_files_living_path",
        "files",
        ["dataset", "path"],
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "night_logs",
        sa.Column("uuid", sa.Uuid(), nullable=False),
        sa.Column("owner", LONG, nullable=False),
        sa.Column("organisation", LONG, nullable=True, comment="null: the owner's own"),
        sa.Column("visibility", sa.String(length=16), server_default="private", nullable=False),
        sa.Column("embargo_until", MOMENT, nullable=True, comment="public only after it"),
        sa.Column("deleted_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("date", sa.Date(), nullable=False, comment="local date of the evening"),
        sa.Column("telescope", sa.Uuid(), nullable=True),
        sa.Column("observing_run", sa.Uuid(), nullable=True),
        sa.Column("journal", sa.Text(), server_default="", nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["observing_run"], ["observing_runs.uuid"], name="fk_night_logs_observing_run"
        ),
        sa.ForeignKeyConstraint(["owner"], ["users.id"], name="fk_night_logs_owner"),
        sa.PrimaryKeyConstraint("uuid", name="pk_night_logs"),
    )
    op.create_index("ix_night_logs_observing_run", "night_logs", ["observing_run"], unique=False)
    op.create_index("ix_night_logs_owner", "night_logs", ["owner"], unique=False)
    op.create_table(
        "versions",
        sa.Column("file", LONG, nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("blob", sa.String(length=64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column(
            "packing", sa.String(length=8), nullable=True, comment="null: sent as plain FITS"
        ),
        sa.Column("content_size", sa.BigInteger(), nullable=True),
        sa.Column("content_sha256", sa.String(length=64), nullable=True),
        sa.Column("target", sa.String(length=255), nullable=True),
        sa.Column("ra_deg", sa.Double(), nullable=True),
        sa.Column("dec_deg", sa.Double(), nullable=True),
        sa.Column("position_source", sa.String(length=16), nullable=True),
        sa.Column("start", MOMENT, nullable=True),
        sa.Column("exposure_s", sa.Double(), nullable=True),
        sa.Column("filter", sa.String(length=255), nullable=True),
        sa.Column("instrument", sa.String(length=255), nullable=True),
        sa.Column("telescope", sa.String(length=255), nullable=True),
        sa.Column("kind", sa.String(length=32), nullable=True),
        sa.Column(
            "hdus", sa.JSON(), nullable=False, comment="what each HDU is, without its header"
        ),
        sa.Column("problems", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["blob"], ["blobs.sha256"], name="fk_versions_blob"),
        sa.ForeignKeyConstraint(["file"], ["files.pk"], name="fk_versions_file"),
        sa.PrimaryKeyConstraint("file", "n", name="pk_versions"),
    )
    op.create_index("ix_versions_blob", "versions", ["blob"], unique=False)
    op.create_table(
        "headers",
        sa.Column("file", LONG, nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("hdu", sa.Integer(), nullable=False),
        sa.Column("cards", sa.Text(), nullable=False, comment="80 characters each, without END"),
        sa.ForeignKeyConstraint(
            ["file", "n"], ["versions.file", "versions.n"], name="fk_headers_file_n"
        ),
        sa.PrimaryKeyConstraint("file", "n", "hdu", name="pk_headers"),
    )
