"""Dump the newest schema with a little in it, for the tests of later releases.

``python -m tests.dump_schema`` writes ``tests/schemas/<revision>-<database>.sql``;
run it when a revision was added, and commit what it wrote.
"""

from __future__ import annotations

import contextlib
import dataclasses
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
from arcsecond.schemas.observatory import ObservingSiteChange, TelescopeChange
from arcsecond.server.app import open_backend
from arcsecond.server.archive.service import Datasets
from arcsecond.server.migrations import HEAD
from arcsecond.server.observatory.equipment import Sites, Telescopes
from arcsecond.server.observatory.satellites import import_satellites
from arcsecond.server.observatory.tables import instruments, sites, telescopes
from arcsecond.server.people.tables import options
from arcsecond.server.settings import Settings
from arcsecond.server.tables import metadata
from tests.conftest import add_file, copy_database, fits_bytes, new_user
from tests.postgres import postgresql

_SCHEMA = ("CREATE", "ALTER", "COMMENT", "INSERT INTO alembic", "UPDATE alembic")
ISS = b"""ISS (ZARYA)
1 25544U 98067A   08264.51782528 -.00002182  00000-0 -11606-4 0  2927
2 25544  51.6416 247.4627 0006703 130.5360 325.0288 15.72125391563537
"""
FOLDER = Path(__file__).with_name("schemas")


def fill(settings: Settings) -> None:
    """Make an account, a dataset and a file, a site of one's own and a satellite."""
    backend = open_backend(settings)
    ann, _ = new_user(backend)
    dataset = Datasets().create(backend, ann, DatasetChange(name=f"kept since {HEAD}"))
    incoming = backend.store.receive()
    incoming.write(fits_bytes(OBJECT="M 31"))
    add_file(backend, ann, dataset.uuid, "kept.fits", incoming)
    incoming.discard()
    admin = dataclasses.replace(ann, is_admin=True)
    mine = ObservingSiteChange(name="Backyard", longitude=2.3, latitude=48.9, height=35.0)
    site = Sites().create(backend, admin, mine)
    Telescopes().create(backend, admin, TelescopeChange(name="C8", observing_site=site.uuid))
    import_satellites(backend, admin, ISS)
    with backend.db.write() as connection:  # what comes with the program comes again
        for table in (instruments, telescopes, sites):
            connection.execute(sa.delete(table).where(table.c.builtin))
        connection.execute(sa.delete(options).where(options.c.name == "directory"))
    backend.db.close()


def main() -> None:
    """Write both dumps."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        local = Settings(Path(name) / "local")
        fill(local)
        with contextlib.closing(sqlite3.connect(local.sqlite_path)) as connection:
            dump = "\n".join(connection.iterdump())
        (FOLDER / f"{HEAD}-sqlite.sql").write_text(dump + "\n")
    with tempfile.TemporaryDirectory() as name, postgresql() as uri:
        url = copy_database(uri, "template1", name="dump")
        settings = Settings(Path(name) / "home", url)
        with recorded() as statements:
            fill(settings)
        statements += rows(settings)
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
