"""All rows as text: one file for each table, one JSON object in a line, the same on any database.

A dump of the same rows is the same bytes, wherever they are kept: so two can be compared by
their digests, and what was written by SQLite is read by PostgreSQL.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from arcsecond.errors import ArcsecondInputValueError
from arcsecond.server.db import UtcDateTime, as_utc
from arcsecond.server.tables import metadata

TOGETHER, TOGETHER_BYTES = 1_000, 16 << 20
"""Rows that are written at once, and how long they are together."""

READ_TOGETHER = 50
"""Rows that are read at once: one of headers may have four MiB."""

LEFT_OUT = ("uploads",)
"""What is under way has to begin anew: its bytes are in no backup."""

LONGEST_LINE = 64 << 20
"""Bytes of a row: a header may have 4 MiB, and twice as many as JSON."""

DAMAGE = (
    gzip.BadGzipFile,
    zlib.error,
    msgspec.DecodeError,
    sa.exc.SQLAlchemyError,
    AttributeError,
    EOFError,
    FileNotFoundError,
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)


class Dumped(msgspec.Struct):
    """What was written of a table: how many rows, and the digest of their lines."""

    rows: int
    sha256: str


def tables() -> list[sa.Table]:
    """Return the tables of a dump, those that others refer to first."""
    return [
        table
        for table in metadata.sorted_tables
        if table.name not in LEFT_OUT and not table.info.get("derived")
    ]


def dump(connection: sa.Connection, folder: Path | None) -> dict[str, Dumped]:
    """Write all rows that a transaction sees, in the order of their keys.

    Parameters
    ----------
    folder
        Where the files go; None to work out the digests alone.
    """
    return {table.name: _dump(connection, table, folder) for table in tables()}


def _dump(connection: sa.Connection, table: sa.Table, folder: Path | None) -> Dumped:
    digest, count = hashlib.sha256(), 0
    path = os.devnull if folder is None else _path(folder, table.name)
    statement = sa.select(table).order_by(*table.primary_key.columns)
    result = connection.execution_options(yield_per=READ_TOGETHER).execute(statement)
    with gzip.open(path, "wb", compresslevel=1) as file:
        for row in result.mappings():
            line = msgspec.json.encode(dict(row), order="sorted") + b"\n"
            digest.update(line)
            file.write(line)
            count += 1
    return Dumped(count, digest.hexdigest())


def load(connection: sa.Connection, folder: Path, told: Mapping[str, Dumped]) -> None:
    """Insert the rows of a dump into empty tables, whichever columns these have.

    Parameters
    ----------
    told
        What was written of each table: it has to be what is read.

    Raises
    ------
    ArcsecondInputValueError
        They are damaged.
    """
    found = sa.MetaData()
    found.reflect(connection)
    for table in tables():
        if table.name not in told:  # it came with a later release
            continue
        path = _path(folder, table.name)
        digest, count = hashlib.sha256(), 0
        try:
            typed = sa.Table(
                table.name,
                sa.MetaData(),
                *(
                    sa.Column(c.name, table.c[c.name].type if c.name in table.c else c.type)
                    for c in found.tables[table.name].columns
                ),
            )
            with gzip.open(path, "rb") as file:
                for lines in _groups(file):
                    digest.update(b"".join(lines))
                    count += len(lines)
                    rows = [_typed(typed, msgspec.json.decode(line)) for line in lines]
                    connection.execute(sa.insert(typed), rows)
        except sa.exc.OperationalError:
            raise  # of what is filled: its disk is full, or its server is gone
        except DAMAGE as error:
            reason = (str(getattr(error, "orig", error)) or type(error).__name__).splitlines()[0]
            raise ArcsecondInputValueError(
                f"The rows of {table.name} in the backup are damaged: {reason}."
            ) from error
        if Dumped(count, digest.hexdigest()) != told[table.name]:
            raise ArcsecondInputValueError(
                f"The rows of {table.name} in the backup are not those that were written: "
                f"{count} of {told[table.name].rows}."
            )
        _set_sequence(connection, table)


def _typed(table: sa.Table, row: dict[str, Any]) -> dict[str, Any]:
    return {name: _value(table.c[name].type, value) for name, value in row.items()}


def _value(kind: Any, value: Any) -> Any:
    match kind:
        case _ if value is None:
            return None
        case sa.Uuid():
            return UUID(value)
        case UtcDateTime() | sa.DateTime():
            return as_utc(datetime.fromisoformat(value))
        case sa.Date():
            return date.fromisoformat(value)
    return value


def _set_sequence(connection: sa.Connection, table: sa.Table) -> None:
    """Let PostgreSQL count on from the greatest key."""
    (key, *more) = table.primary_key.columns
    if connection.dialect.name == "sqlite" or more or not isinstance(key.type, sa.BigInteger):
        return
    greatest = connection.scalar(sa.select(sa.func.max(key)))
    if greatest is not None:
        named = sa.func.pg_get_serial_sequence(table.name, key.name)
        connection.execute(sa.select(sa.func.setval(named, greatest)))


def lines_of(folder: Path, table: str) -> Iterator[dict[str, Any]]:
    """Go through the rows of a dumped table, as JSON has them."""
    with gzip.open(_path(folder, table), "rb") as file:
        for line in _lines(file):
            yield msgspec.json.decode(line)


def _groups(file: gzip.GzipFile) -> Iterator[list[bytes]]:
    """Yield the lines of some rows."""
    lines: list[bytes] = []
    size = 0
    for line in _lines(file):
        lines.append(line)
        size += len(line)
        if len(lines) == TOGETHER or size >= TOGETHER_BYTES:
            yield lines
            lines, size = [], 0
    if lines:
        yield lines


def _lines(file: gzip.GzipFile) -> Iterator[bytes]:
    """Yield lines, none of which fills the memory.

    Raises
    ------
    ValueError
        One is longer than a row can be.
    """
    while line := file.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise ValueError("a line is longer than a row can be")
        yield line


def _path(folder: Path, table: str) -> Path:
    return folder / f"{table}.jsonl.gz"
