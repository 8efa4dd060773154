"""Bring a database up to date: copied first, then migrated under a lock."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig

from arcsecond.errors import UnavailableError
from arcsecond.flushing import flush_folder
from arcsecond.server.db import Database, now
from arcsecond.server.migrations import HEAD, REVISIONS

logger = logging.getLogger(__name__)


def upgrade(db: Database) -> None:
    """Migrate to the newest revision; the caller holds ``db.exclusive()``.

    Raises
    ------
    UnavailableError
        The database was written by a newer release.
    """
    found = db.revision()
    if found == HEAD:  # another process was faster
        return
    if found is not None and found not in REVISIONS:
        raise UnavailableError(
            f"The database is at revision {found}, which this release does not know: "
            "it was written by a newer one. Install that release.",
            hint="Type `pip install --upgrade arcsecond`.",
        )
    if found is not None and db.local:
        _copy(db.settings.sqlite_path, found)
    with db.write() as connection:
        config = configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, HEAD)
    logger.info("database is at revision %s", HEAD)


def configuration() -> AlembicConfig:
    """Return Alembic's configuration, made in code: there is no ini file."""
    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config


def _copy(path: Path, revision: str) -> None:
    kept = path.with_name(f"{path.stem}-{revision}-{now():%Y%m%dT%H%M%S}.sqlite")
    unfinished = kept.with_suffix(".part")
    unfinished.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(unfinished)) as target:
        source.backup(target)
    unfinished.rename(kept)
    flush_folder(kept.parent)
    logger.info("kept a copy of the database as %s", kept)
