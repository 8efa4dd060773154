"""The database: SQLite in the data directory, or PostgreSQL by one setting.

Services open ``db.read()`` or ``db.write()`` and run Core statements; nothing
else knows which database it is. A write on SQLite starts with BEGIN IMMEDIATE,
so that two processes queue instead of failing half-way.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Dialect, Engine

from arcsecond.errors import ArcsecondInputValueError, UnavailableError
from arcsecond.server.settings import Settings

logger = logging.getLogger(__name__)

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

LONG_INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A 64-bit integer that SQLite still takes for its row id."""

CACHE_KIB = 32 << 10
"""Of pages that a connection to SQLite may hold; its own 2 MiB are few for large archives."""

PREPARED_AFTER = 2
"""Times that PostgreSQL is sent a statement before it is to keep it."""

IDLE_S = 1.0
"""After so long it is asked whether a connection to PostgreSQL is still one."""

_NETWORK_FILE_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "lustre"}


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware time in UTC, on databases that forget the zone too."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times, which could mean anything."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone.")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Give back what SQLite dropped."""
        if value is None:
            return None
        return as_utc(value)


def as_utc(moment: datetime) -> datetime:
    """Return a moment in UTC; one without a zone is in UTC already."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def one_at_a_time(connection: Connection, table: sa.Table) -> None:
    """Let others wait who are about to write the same table, until this transaction ends.

    On SQLite they wait anyhow; on PostgreSQL two could find, each before the other is
    done, that a name is free.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(sa.text(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE"))


def index_where(where: str, name: str, *columns: str, unique: bool = False) -> sa.Index:
    """Return an index of the rows that fulfil a condition.

    Told to SQLite's dialect alone: the migrations tell it to PostgreSQL, whose dialect would
    be imported by every command, for a tenth of its time.
    """
    return sa.Index(name, *columns, unique=unique, sqlite_where=sa.text(where))


def insert_for(connection: Connection) -> Any:
    """Return the INSERT of a database, which knows ON CONFLICT; imported when it is used."""
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert
    from sqlalchemy.dialects import postgresql

    return postgresql.insert


def among(
    dialect: str, column: sa.ColumnElement[Any], name: str = "these"
) -> sa.ColumnElement[bool]:
    """Return the test that a column has one of the values that ``these`` gives a statement.

    They go as one parameter: with one for each of a thousand, SQLAlchemy takes longer to
    write the statement than a database takes to answer it.
    """
    if dialect == "sqlite":
        each = sa.func.json_each(sa.bindparam(name, type_=sa.Text())).table_valued("value")
        return column.in_(sa.select(each.c.value))
    # Without a length: PostgreSQL would cut longer texts, and find what begins like them.
    kind = sa.Text() if isinstance(column.type, sa.String) else column.type
    return column == sa.any_(sa.bindparam(name, type_=sa.ARRAY(kind)))


def these(dialect: str, some: Iterable[str | int], name: str = "these") -> dict[str, Any]:
    """Return the parameter of ``among``: texts or whole numbers."""
    return {name: json.dumps([*some]) if dialect == "sqlite" else [*some]}


def upsert(
    connection: Connection,
    table: sa.Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    keep: Collection[str] = (),
    newer: str = "",
) -> None:
    """Write whole rows, over those of the same primary key but for the columns to keep.

    Parameters
    ----------
    newer
        A column by which a row is newer than the one that is there, or is not written.
    """
    insert = insert_for(connection)(table)
    index = [column.name for column in table.primary_key]
    kept = {*index, *keep}
    told = {c.name: insert.excluded[c.name] for c in table.columns if c.name not in kept}
    where = insert.excluded[newer] > table.c[newer] if newer else None
    statement = insert.on_conflict_do_update(index_elements=index, set_=told, where=where)
    # In one order: two transactions with the same rows would else wait for each other.
    connection.execute(statement, sorted(rows, key=lambda row: [str(row[n]) for n in index]))


def from_json(text: str | bytes) -> Any:
    """Return what is in a column of JSON.

    By msgspec, which takes a tenth of the time of Python's; what it refuses, such as half a
    surrogate, came there by Python's own writer.
    """
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return json.loads(text)


def now() -> datetime:
    """Return the present time, aware, in UTC."""
    return datetime.now(UTC)


class Database:
    """A connection to the database, made once per process.

    Attributes
    ----------
    local
        Whether it is the SQLite file: bounded reads may then run inline.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.local = settings.local
        with usable(settings.home):
            # What is in it is nobody else's business: not for other users of the machine.
            settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.local and not os.access(settings.home, os.W_OK):
                raise OSError(errno.EROFS, "it cannot be written to")
            if self.local and not settings.sqlite_path.exists():
                os.close(os.open(settings.sqlite_path, os.O_CREAT | os.O_RDWR, 0o600))
        self.engine = _sqlite(settings.sqlite_path) if self.local else _postgres(settings)
        # On PostgreSQL without transactions, whose ends would cost two round trips, and all
        # statements that the connection has prepared.
        self._reading = (
            self.engine
            if self.local
            else self.engine.execution_options(isolation_level="AUTOCOMMIT")
        )
        self._turn = threading.Lock()
        self._place = f"database {settings.sqlite_path}" if self.local else "database"

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a connection for reading; each statement may see another moment."""
        with self._translated(), self._reading.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def stream(self) -> Iterator[Connection]:
        """Open a transaction for reading rows that are fetched as they are needed."""
        with self._translated(), self.engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction: all of it happens, or nothing.

        On SQLite the threads of a process queue for it here: the database's own
        way of waiting is to sleep and try again.
        """
        turn = self._turn if self.local else contextlib.nullcontext()
        with self._translated(), turn, self.engine.connect() as connection:
            if self.local:
                connection = connection.execution_options(immediate=True)
            with connection.begin():
                yield connection

    def revision(self) -> str | None:
        """Return the revision the database is at, None when it is empty."""
        with self.read() as connection:
            if not sa.inspect(connection).has_table("alembic_version"):
                return None
            found = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
            return None if found is None else str(found)

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the one lock of this database that keeps other programs from migrating it."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(locked(self.settings.home / "migrating.lock"))
            if not self.local:
                connection = stack.enter_context(self.engine.connect())
                connection.execute(sa.text("SELECT pg_advisory_lock(7215534)"))
                stack.callback(connection.execute, sa.text("SELECT pg_advisory_unlock(7215534)"))
            yield

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what an operator can mend into a sentence; leave our own faults alone."""
        try:
            yield
        except sa.exc.OperationalError as error:
            reason = str(error.orig).strip().splitlines()[0]
            raise UnavailableError(f"The {self._place} cannot be used: {reason}.") from error


@contextlib.contextmanager
def usable(home: Path) -> Iterator[None]:
    """Say so when a data directory cannot be used."""
    try:
        yield
    except OSError as error:
        raise UnavailableError(
            f"The data directory {home} cannot be used: {error.strerror}.",
            hint="Set ARCSECOND_HOME to a folder you may write to, with room on its disk.",
        ) from error


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an advisory lock on a file; it goes with the process, however that ends."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _sqlite(path: Path) -> Engine:
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        # pysqlite's own transactions begin late; ours begin when we say so.
        connect_args={"isolation_level": None, "timeout": 30, "check_same_thread": False},
        json_deserializer=from_json,
        pool_size=16,
        max_overflow=64,
    )
    journal = "DELETE" if on_network_file_system(path) else "WAL"
    if journal != "WAL":
        logger.warning("%s is on a network file system: slower, no write-ahead log", path)

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in (
            "busy_timeout=30000",
            f"journal_mode={journal}",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"cache_size=-{CACHE_KIB}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("immediate")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def _postgres(settings: Settings) -> Engine:
    try:
        url = sa.make_url(settings.database_url)
    except sa.exc.ArgumentError as error:
        raise ArcsecondInputValueError(
            "ARCSECOND_DATABASE_URL is not the address of a database.",
            hint="Write it like postgresql://user:password@host/database.",
        ) from error
    if url.get_backend_name() != "postgresql":
        raise ArcsecondInputValueError(
            f"ARCSECOND_DATABASE_URL names {url.get_backend_name()!r}; only PostgreSQL is served.",
            hint="Leave it away to use SQLite.",
        )
    import psycopg
    from psycopg.types.numeric import Int8Dumper

    engine = sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=8,
        max_overflow=24,
        json_deserializer=from_json,
        connect_args={"prepare_threshold": PREPARED_AFTER},
    )

    @sa.event.listens_for(engine, "connect")
    def _made(connection: Any, _record: object) -> None:
        # A statement is prepared for the types of its parameters: of whole numbers there is one.
        connection.adapters.register_dumper(int, Int8Dumper)

    @sa.event.listens_for(engine, "checkin")
    def _put_back(_connection: Any, record: sa.pool.ConnectionPoolEntry) -> None:
        record.info["used"] = time.monotonic()

    @sa.event.listens_for(engine, "checkout")
    def _taken(connection: Any, record: sa.pool.ConnectionPoolEntry, _proxy: object) -> None:
        """Look whether one that lay idle is still connected: its database may have restarted."""
        if time.monotonic() - record.info.get("used", time.monotonic()) > IDLE_S:
            try:
                engine.dialect.do_ping(connection)
            except psycopg.OperationalError as error:
                raise sa.exc.InvalidatePoolError from error

    return engine


def on_network_file_system(path: Path, mounts: Path = Path("/proc/mounts")) -> bool:
    """Tell whether a path lies on a file system that other machines share.

    Only Linux says so; elsewhere the answer is False.
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    resolved = path.resolve()
    best, kind = "", ""
    for line in lines:
        fields = line.split()
        if len(fields) < 3:
            continue
        mount = fields[1].replace("\\040", " ")
        if len(mount) >= len(best) and resolved.is_relative_to(mount):
            best, kind = mount, fields[2]
    return kind in _NETWORK_FILE_SYSTEMS
