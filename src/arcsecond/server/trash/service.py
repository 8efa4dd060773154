"""The trash: one list of everything that somebody deleted, and ways back out of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from msgspec import UNSET

from arcsecond.errors import ConflictError, NameTakenError, NotFoundError
from arcsecond.filenames import clean_path
from arcsecond.schemas.trash import Deleted, Restore, Restored
from arcsecond.server.archive.in_force import rules_of
from arcsecond.server.archive.index.entries import refresh
from arcsecond.server.archive.packages.tables import packages
from arcsecond.server.archive.sweep import TRASH, purge_datasets, purge_files
from arcsecond.server.archive.tables import blobs, datasets, files, versions
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.db import UtcDateTime, now
from arcsecond.server.paging import SqlListing
from arcsecond.server.parsing import as_uuid, clean_text
from arcsecond.server.people.visibility import signed_in
from arcsecond.server.records.tables import night_logs, observing_runs

WHAT = "What was deleted as"


class _Kind(NamedTuple):
    """A kind of things that lie in the trash: what it is called, and where its rows are."""

    name: str
    table: sa.Table


DATASET = _Kind("dataset", datasets)
FILE = _Kind("fitsfile", files)
PACKAGE = _Kind("datapackage", packages)
KINDS = (DATASET, PACKAGE, _Kind("observingrun", observing_runs), _Kind("nightlog", night_logs))
"""Those that are known by a UUID."""


def list_trash(backend: Backend, viewer: Viewer) -> SqlListing[Deleted]:
    """List what somebody deleted, the latest first.

    Files that went with their dataset are not named: they come back with it.
    """
    owner = signed_in(viewer)
    found = sa.union_all(_files(owner), *(_records(kind, owner) for kind in KINDS)).subquery()
    order: Any = (found.c.deleted_at, found.c.kind, found.c.key)
    return SqlListing(backend.db, sa.select(found), order, _shaped, descending=True)


def _files(owner: int) -> sa.Select[Any]:
    return (
        sa.select(
            sa.literal(FILE.name, sa.String).label("kind"),
            sa.cast(files.c.pk, sa.String).label("key"),
            files.c.path.label("name"),
            sa.cast(files.c.dataset, sa.String).label("dataset"),
            blobs.c.size.label("size"),
            files.c.deleted_at.label("deleted_at"),
        )
        .join(versions, sa.and_(versions.c.file == files.c.pk, versions.c.n == files.c.current))
        .join(blobs, blobs.c.sha256 == versions.c.blob)
        .join(datasets, datasets.c.uuid == files.c.dataset)
        .where(
            files.c.owner == owner,
            files.c.deleted_at.is_not(None),
            sa.or_(datasets.c.deleted_at.is_(None), datasets.c.deleted_at != files.c.deleted_at),
        )
    )


def _records(kind: _Kind, owner: int) -> sa.Select[Any]:
    table = kind.table
    return sa.select(
        sa.literal(kind.name, sa.String).label("kind"),
        sa.cast(table.c.uuid, sa.String).label("key"),
        table.c.name.label("name"),
        sa.cast(sa.null(), sa.String).label("dataset"),
        sa.cast(sa.null(), sa.BigInteger).label("size"),
        sa.type_coerce(table.c.deleted_at, UtcDateTime).label("deleted_at"),
    ).where(table.c.owner == owner, table.c.deleted_at.is_not(None))


def _shaped(_connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> list[Deleted]:
    return [
        Deleted(
            id=row.key if row.kind == FILE.name else str(UUID(row.key)),
            kind=row.kind,
            name=row.name,
            dataset=str(UUID(row.dataset)) if row.dataset else None,
            size=row.size,
            deleted=row.deleted_at,
            purged=row.deleted_at + TRASH,
        )
        for row in rows
    ]


def read_deleted(backend: Backend, viewer: Viewer, key: str) -> Deleted:
    """Return one thing that somebody deleted."""
    owner = signed_in(viewer)
    with backend.db.read() as connection:
        kind, row = _find(connection, owner, key)
        if kind is FILE:
            statement = _files(owner).where(files.c.pk == row.pk)
        else:
            statement = _records(kind, owner).where(kind.table.c.uuid == row.uuid)
        if (found := connection.execute(statement).one_or_none()) is None:
            raise _missing(key)
        return _shaped(connection, [found])[0]


def restore(backend: Backend, viewer: Viewer, key: str, body: Restore) -> Restored:
    """Bring something back, under its name or another one.

    Raises
    ------
    NameTakenError
        Its name is taken meanwhile.
    ConflictError
        Its dataset lies in the trash, too.
    """
    owner = signed_in(viewer, "trash:update")
    with backend.db.write() as connection:
        kind, row = _find(connection, owner, key, locked=True)
        if kind is FILE:
            name = row.path if body.name is UNSET else clean_path(body.name)
            _restore_file(connection, row, name, rules_of(backend).keywords)
            return Restored(
                kind=kind.name, name=name, url=f"/datasets/{row.dataset}/fitsfiles/{row.pk}/"
            )
        name = row.name if body.name is UNSET else clean_text("name", body.name)
        values = {"deleted_at": None, "updated_at": now(), "name": name}
        mine = kind.table.c.uuid == row.uuid
        connection.execute(sa.update(kind.table).where(mine).values(values))
        if kind is DATASET:
            went = sa.and_(files.c.dataset == row.uuid, files.c.deleted_at == row.deleted_at)
            connection.execute(sa.update(files).where(went).values(deleted_at=None))
        return Restored(kind=kind.name, name=name, url=f"/{kind.name}s/{row.uuid}/")


def _restore_file(
    connection: sa.Connection, row: sa.Row[Any], name: str, keywords: frozenset[str]
) -> None:
    dataset = connection.execute(
        sa.select(datasets).where(datasets.c.uuid == row.dataset).with_for_update()
    ).one()
    if dataset.deleted_at is not None:
        raise ConflictError(
            f"Its dataset {dataset.name!r} lies in the trash; bring that back first.",
            hint=f"Type `arcsecond trash restore {dataset.uuid}`.",
        )
    living = sa.and_(files.c.dataset == row.dataset, files.c.deleted_at.is_(None))
    there = sa.select(files.c.pk).where(living, files.c.path == name)
    if (pk := connection.scalar(there)) is not None:
        raise NameTakenError(f"File {pk} is called {name!r} now; give this one another name.")
    values = {"deleted_at": None, "updated_at": now(), "path": name}
    connection.execute(sa.update(files).where(files.c.pk == row.pk).values(values))
    refresh(connection, [row.pk], keywords)


def purge(backend: Backend, viewer: Viewer, key: str) -> None:
    """Forget something for good; the bytes of files follow within a day."""
    owner = signed_in(viewer, "trash:delete")
    with backend.db.write() as connection:
        kind, row = _find(connection, owner, key, locked=True)
        if kind is FILE:
            purge_files(connection, files.c.pk == row.pk)
        elif kind is DATASET:
            gone = sa.and_(files.c.dataset == row.uuid, files.c.deleted_at.is_not(None))
            purge_files(connection, gone)
            purge_datasets(connection, datasets.c.uuid == row.uuid)
        else:
            _purge_records(connection, kind.table, kind.table.c.uuid == row.uuid)


def _purge_records(
    connection: sa.Connection, table: sa.Table, which: sa.ColumnElement[bool]
) -> int:
    if table is observing_runs:
        gone = sa.select(observing_runs.c.uuid).where(which)
        held = night_logs.c.observing_run.in_(gone)
        connection.execute(sa.update(night_logs).where(held).values(observing_run=None))
    return connection.execute(sa.delete(table).where(which)).rowcount


def sweep(backend: Backend) -> int:
    """Forget the records that were deleted a month ago; returns how many."""
    before = now() - TRASH
    with backend.db.write() as connection:
        return sum(
            _purge_records(connection, table, table.c.deleted_at < before)
            for table in (night_logs, observing_runs, packages)
        )


def _find(
    connection: sa.Connection, owner: int, key: str, *, locked: bool = False
) -> tuple[_Kind, sa.Row[Any]]:
    """Find something that somebody deleted, by the pk of a file or the UUID of a record.

    Parameters
    ----------
    locked
        Whether it stays as it is until the transaction ends: it may be brought back, and
        forgotten, at the same time.
    """
    if key.isascii() and key.isdigit() and len(key) < 19:
        wanted = [(FILE, files.c.pk == int(key))]
    elif (uuid := as_uuid(key)) is not None:
        wanted = [(kind, kind.table.c.uuid == uuid) for kind in KINDS]
    else:
        raise _missing(key)
    for kind, which in wanted:
        table = kind.table
        mine = sa.and_(table.c.owner == owner, table.c.deleted_at.is_not(None))
        statement = sa.select(table).where(which, mine)
        if locked:
            statement = statement.with_for_update()
        if row := connection.execute(statement).one_or_none():
            return kind, row
    raise _missing(key)


def _missing(key: str) -> NotFoundError:
    return NotFoundError(f"{WHAT} {key[:60]!r} not found.")
