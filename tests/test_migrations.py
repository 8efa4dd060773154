"""The schema: from nothing, and refused when it is newer."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from arcsecond.errors import UnavailableError
from arcsecond.schemas.archive import DatasetChange
from arcsecond.server.app import open_backend
from arcsecond.server.archive.index.tables import entries
from arcsecond.server.archive.service import Datasets
from arcsecond.server.archive.tables import datasets
from arcsecond.server.check import check
from arcsecond.server.context import Backend
from arcsecond.server.db import Database, on_network_file_system
from arcsecond.server.migrations import HEAD, REVISIONS
from arcsecond.server.migrations.upgrade import configuration
from arcsecond.server.settings import Settings
from arcsecond.server.tables import metadata
from tests.conftest import add_file, fits_bytes, new_user

DUMPS = Path(__file__).with_name("schemas")
"""A dump of each revision, with an account, a dataset and a file: `python -m tests.dump_schema`."""


def test_the_tables_are_those_of_the_migrations(backend: Backend) -> None:
    with backend.db.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_history_is_the_one_that_start_up_knows() -> None:
    scripts = ScriptDirectory.from_config(configuration())
    assert [s.revision for s in scripts.walk_revisions()][::-1] == list(REVISIONS)
    assert scripts.get_current_head() == HEAD


def test_a_newer_database_is_refused_and_left_alone(settings: Settings) -> None:
    db = Database(settings)
    with db.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(UnavailableError, match="written by a newer one"):
        open_backend(settings)
    assert db.revision() == "9999"
    db.close()


def test_an_older_database_is_copied_first(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    make_old(settings, "0001")
    open_backend(settings).db.close()
    (copy,) = tmp_path.glob("arcsecond-0001-*.sqlite")
    restored = tmp_path / "restored"
    restored.mkdir()
    shutil.copy(copy, restored / "arcsecond.sqlite")
    db = Database(Settings(home=restored))
    assert db.revision() == "0001"
    db.close()


def make_old(settings: Settings, revision: str) -> None:
    """Make a database as the release of a revision left it, with something in it."""
    dump = (DUMPS / f"{revision}-{'sqlite' if settings.local else 'postgresql'}.sql").read_text()
    if settings.local:
        with contextlib.closing(sqlite3.connect(settings.sqlite_path)) as connection:
            connection.executescript(dump)
        return
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute(dump)


@pytest.mark.parametrize("revision", REVISIONS)
def test_each_released_schema_is_brought_up_to_date(
    revision: str, database: str, new_database: Callable[[str], str], tmp_path: Path
) -> None:
    """What was in it is there, and is just what the tables of this release are."""
    settings = Settings(home=tmp_path)
    if database == "postgresql":
        settings = Settings(tmp_path, new_database("template1"))
    make_old(settings, revision)
    backend = open_backend(settings)
    with backend.db.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        names = connection.scalars(sa.select(datasets.c.name)).all()
        assert names == ["kept since " + revision]
    report = check(backend, quick=True)
    about = {finding.where: finding.problem for finding in report.findings}
    # The rows are those of another server: keys by its secret, and none of its bytes.
    assert "keys were made by" in about.pop("the secret, for user 1")
    assert list(about.values()) == ["its bytes are missing"]
    backend.db.close()


def test_footprints_come_into_the_index(
    database: str, new_database: Callable[[str], str], tmp_path: Path
) -> None:
    """Of the newest version; what has none stays without."""
    settings = Settings(home=tmp_path)
    if database == "postgresql":
        settings = Settings(tmp_path, new_database("template1"))
    backend = open_backend(settings)
    ann, _ = new_user(backend)
    dataset = Datasets().create(backend, ann, DatasetChange(name="frames")).uuid
    on_the_sky = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 20.0}
    on_the_sky |= {"CRPIX1": 1.0, "CRPIX2": 1.0, "CDELT1": -0.01, "CDELT2": 0.01}
    for name, header in (("sky.fits", on_the_sky), ("lamp.fits", {"OBJECT": "lamp"})):
        incoming = backend.store.receive()
        incoming.write(fits_bytes(**header))
        add_file(backend, ann, dataset, name, incoming)
        incoming.discard()
    asked = sa.select(entries.c.patches).order_by(entries.c.file)
    with backend.db.write() as connection:
        before = connection.scalars(asked).all()
        connection.execute(sa.text("DROP INDEX ix_blobs_lost"))
        connection.execute(sa.text("ALTER TABLE index_entries DROP COLUMN patches"))
        connection.execute(sa.text("ALTER TABLE uploads DROP COLUMN parts"))
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0008'"))
    backend.db.close()
    backend = open_backend(settings)
    with backend.db.read() as connection:
        assert connection.scalars(asked).all() == before
    assert [patches and len(patches) for patches in before] == [1, None]
    backend.db.close()


def test_sqlite_is_set_to_keep_what_it_acknowledged(tmp_path: Path) -> None:
    backend = open_backend(Settings(home=tmp_path))
    with backend.db.read() as connection:
        for pragma, value in (("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)):
            assert connection.scalar(sa.text(f"PRAGMA {pragma}")) == value
    backend.db.close()


def test_network_file_systems_are_known(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda / ext4 rw 0 0\n"
        f"server:/x {tmp_path} nfs4 rw 0 0\n"
        f"/dev/sdb {tmp_path}/local ext4 rw 0 0\nshort\n"
    )
    assert on_network_file_system(tmp_path / "a.sqlite", mounts)
    assert not on_network_file_system(tmp_path / "local" / "a.sqlite", mounts)
    assert not on_network_file_system(tmp_path, tmp_path / "missing")


def test_times_are_aware(backend: Backend) -> None:
    from datetime import datetime

    from arcsecond.server.people.tables import invitations

    naive = datetime(2026, 1, 1)
    row = {"digest": "x", "created_at": naive, "expires_at": naive}
    with backend.db.read() as connection:
        statement = sa.insert(invitations).values(row)
        with pytest.raises(sa.exc.StatementError, match="no time zone"):
            connection.execute(statement)
