"""Clean up what nobody can reach any more; safe at any time, beside anything.

Nothing is unlinked at once. What was deleted is purged after a month; a blob
that no version refers to is marked as dying, waits a day, is looked at again,
and only then unlinked. An upload that meets a dying blob revives it.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from arcsecond.server.archive import previews
from arcsecond.server.archive.index.entries import forget
from arcsecond.server.archive.tables import (
    DYING,
    LIVE,
    blobs,
    datasets,
    files,
    headers,
    versions,
)
from arcsecond.server.context import Backend
from arcsecond.server.db import now
from arcsecond.server.observatory import charts

logger = logging.getLogger(__name__)

TRASH = timedelta(days=30)
TOGETHER = 1_000
DEATH = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Swept:
    """How much was cleaned up."""

    leftovers: int
    purged: int
    dying: int
    unlinked: int


def sweep(backend: Backend) -> Swept:
    """Clean up once."""
    swept = Swept(
        leftovers=backend.store.sweep(),
        purged=_purge(backend),
        dying=_mark(backend) + _adopt(backend),
        unlinked=_unlink(backend),
    )
    previews.sweep(backend)
    charts.sweep(backend)
    if any((swept.leftovers, swept.purged, swept.dying, swept.unlinked)):
        logger.info("swept: %s", swept)
    return swept


def _purge(backend: Backend) -> int:
    """Forget the files, and then the datasets, that were deleted a month ago."""
    before = now() - TRASH
    with backend.db.write() as connection:
        purged = purge_files(connection, files.c.deleted_at < before)
        purge_datasets(connection, datasets.c.deleted_at < before)
    return purged


def purge_files(connection: sa.Connection, which: sa.ColumnElement[bool]) -> int:
    """Forget files, all their versions included; returns how many."""
    # Locked first: one that is brought back meanwhile is not among them.
    chosen = sa.select(files.c.pk).where(which).order_by(files.c.pk).with_for_update()
    pks = list(connection.scalars(chosen))
    for first in range(0, len(pks), TOGETHER):
        some = pks[first : first + TOGETHER]
        forget(connection, some)
        connection.execute(sa.delete(headers).where(headers.c.file.in_(some)))
        connection.execute(sa.delete(versions).where(versions.c.file.in_(some)))
        connection.execute(sa.delete(files).where(files.c.pk.in_(some)))
    return len(pks)


def purge_datasets(connection: sa.Connection, which: sa.ColumnElement[bool]) -> None:
    """Forget datasets that hold no file any more."""
    used = sa.select(files.c.dataset)
    connection.execute(sa.delete(datasets).where(which, datasets.c.uuid.not_in(used)))


def _unreferenced() -> sa.ColumnElement[bool]:
    return ~sa.exists(sa.select(1).where(versions.c.blob == blobs.c.sha256))


def _mark(backend: Backend) -> int:
    """Mark what nobody refers to, and unmark what was taken up again meanwhile."""
    dying = {"state": DYING, "dying_since": now()}
    with backend.db.write() as connection:
        _change(connection, blobs.c.state == DYING, ~_unreferenced(), state=LIVE, dying_since=None)
        return _change(connection, blobs.c.state == LIVE, _unreferenced(), **dying)


def _change(connection: sa.Connection, *where: sa.ColumnElement[bool], **values: Any) -> int:
    """Change blobs, locked in the order of their digests as everybody does."""
    chosen = sa.select(blobs.c.sha256).where(*where).order_by(blobs.c.sha256).with_for_update()
    keys = [{"key": sha256} for sha256 in connection.scalars(chosen)]
    if keys:
        update = sa.update(blobs).where(blobs.c.sha256 == sa.bindparam("key")).values(**values)
        connection.execute(update, keys)
    return len(keys)


def _adopt(backend: Backend) -> int:
    """Give bytes that have no row one that is dying: their process died before it wrote one."""
    with backend.db.read() as connection:
        known = set(connection.scalars(sa.select(blobs.c.sha256)))
    adopted = 0
    for sha256 in set(backend.store.digests()) - known:
        with contextlib.suppress(sa.exc.IntegrityError), backend.db.write() as connection:
            where = sa.select(blobs.c.sha256).where(blobs.c.sha256 == sha256)
            size = backend.store.size(sha256)
            if connection.scalar(where) is None and size is not None:
                row = {"sha256": sha256, "size": size, "state": DYING}
                connection.execute(
                    sa.insert(blobs).values(**row, dying_since=now(), created_at=now())
                )
                adopted += 1
    return adopted


def _unlink(backend: Backend) -> int:
    """Unlink what has been dying for a day and is still referred to by nobody.

    The row is deleted first, in the same transaction: whoever uploads the same
    content meanwhile waits for it, and then puts the bytes back.
    """
    dead = sa.and_(blobs.c.state == DYING, blobs.c.dying_since < now() - DEATH, _unreferenced())
    with backend.db.read() as connection:
        candidates = list(connection.scalars(sa.select(blobs.c.sha256).where(dead)))
    unlinked = 0
    for sha256 in candidates:
        with backend.db.write() as connection:
            gone = connection.execute(sa.delete(blobs).where(blobs.c.sha256 == sha256, dead))
            if gone.rowcount:
                backend.store.delete(sha256)
                unlinked += 1
    return unlinked
