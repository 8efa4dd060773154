"""What connections keep between two requests and survive, and what columns give back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from arcsecond.errors import UnavailableError
from arcsecond.server import db as database_module
from arcsecond.server.db import Database
from arcsecond.server.settings import Settings

POSTGRESQL = pytest.mark.parametrize("database", ["postgresql"], indirect=True)

TIMES = 7
"""The driver prepares a statement when it comes again and again."""


@pytest.fixture
def db(database: str, new_settings: Callable[[str], Settings]) -> Iterator[Database]:
    made = Database(new_settings(database))
    yield made
    made.close()


def process(db: Database) -> int:
    """Return the database's own number of the connection that is given out next."""
    with db.read() as connection:
        return int(connection.scalar(sa.text("SELECT pg_backend_pid()")) or 0)


def end(db: Database, pid: int) -> None:
    """End a connection as a database does that restarts."""
    other = Database(db.settings)
    with other.read() as connection:
        connection.execute(
            sa.text("SELECT pg_terminate_backend(CAST(:pid AS integer))"), {"pid": pid}
        )
        while connection.scalar(
            sa.text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid"), {"pid": pid}
        ):
            pass
    other.close()


@POSTGRESQL
def test_what_was_prepared_stays_so(db: Database) -> None:
    for number in range(TIMES):
        with db.read() as connection:
            connection.execute(sa.text("SELECT CAST(:number AS bigint) + 40"), {"number": number})
    with db.read() as connection:
        prepared = sa.text("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE :what")
        assert connection.scalar(prepared, {"what": "%+ 40"}) == 1


@POSTGRESQL
def test_writing_and_reading_share_connections(db: Database) -> None:
    """A transaction is one after a connection was read from, and none before it is again."""
    pid = process(db)

    def fail() -> None:
        with db.write() as connection:
            assert connection.scalar(sa.text("SELECT pg_backend_pid()")) == pid
            connection.execute(sa.text("CREATE TABLE never (x int)"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with db.read() as connection:
        assert connection.scalar(sa.text("SELECT to_regclass('never')")) is None
        raw = connection.connection.dbapi_connection
        assert raw is not None
        assert raw.autocommit
    assert process(db) == pid


@POSTGRESQL
def test_rows_are_streamed(db: Database) -> None:
    with db.stream() as connection:
        series = sa.text("SELECT * FROM generate_series(1, 5000)")
        result = connection.execution_options(yield_per=100).execute(series)
        assert sum(1 for _ in result) == 5000


@POSTGRESQL
def test_an_idle_connection_that_was_cut_is_made_anew(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "IDLE_S", 0.0)
    pid = process(db)
    end(db, pid)
    assert process(db) not in (0, pid)
    with db.write() as connection:
        connection.execute(sa.text("CREATE TABLE made (x int)"))


@POSTGRESQL
def test_a_busy_connection_that_was_cut_fails_once(db: Database) -> None:
    """With an error that passes; the next one finds a connection that is new."""
    pid = process(db)
    end(db, pid)
    with pytest.raises(UnavailableError) as caught:
        process(db)
    assert caught.value.passes
    assert process(db) not in (0, pid)


ODD = [None, 2**70, -(2**63) - 1, 0.1, 1e308, "\ud83d", "\u00e9t\u00e9", {"a": [True, {}]}]


def test_columns_of_json_give_back_what_was_written(db: Database) -> None:
    things = sa.Table("things", sa.MetaData(), sa.Column("what", sa.JSON))
    with db.write() as connection:
        things.create(connection)
        connection.execute(sa.insert(things), [{"what": ODD}])
    with db.read() as connection:
        assert connection.scalar(sa.select(things.c.what)) == ODD
