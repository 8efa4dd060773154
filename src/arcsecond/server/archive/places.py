"""Where blobs lie that stay outside the store, and whether they are still what they were."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from arcsecond.server.archive.tables import LIVE, LOST, blobs, places
from arcsecond.server.context import Backend
from arcsecond.server.db import Database
from arcsecond.server.storage import Place
from arcsecond.server.storage.placed import is_as_it_was

TOGETHER = 1_000
LONGEST_PLACE = 2_000
"""Bytes of a path that can be found again."""


class KnownPlaces:
    """The files outside that hold blobs, as the database knows them."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def of(self, sha256: str) -> Sequence[Place]:
        """Return those that hold a blob."""
        statement = sa.select(places.c.path, places.c.size, places.c.changed_ns)
        with self._db.read() as connection:
            found = connection.execute(statement.where(places.c.blob == sha256))
            return [Place(*row) for row in found]

    def forget(self, path: str) -> None:
        """Forget one."""
        with self._db.write() as connection:
            connection.execute(sa.delete(places).where(places.c.path == path))


class Broken(NamedTuple):
    """A file outside that is not what it was; what it held; whether it is there at all."""

    path: str
    blob: str
    there: bool


def look(
    backend: Backend, under: str = "", stopping: threading.Event | None = None
) -> list[Broken]:
    """Look at every file outside, and record whose bytes are lost and whose are back.

    Parameters
    ----------
    under
        A folder to look at alone.
    stopping
        Ends it when it is set.
    """
    broken: list[Broken] = []
    for rows in _some(backend, under):
        if stopping is not None and stopping.is_set():
            break
        back: set[str] = set()
        away: set[str] = set()
        for row in rows:
            if is_as_it_was(Place(row.path, row.size, row.changed_ns)):
                if row.state == LOST:
                    back.add(row.blob)
            else:
                broken.append(Broken(row.path, row.blob, os.path.lexists(row.path)))
                away.add(row.blob)
        miss(backend, away)
        _record(backend, back, LOST, LIVE)
    return broken


def miss(backend: Backend, digests: Collection[str]) -> None:
    """Record blobs as lost, unless they can be read somewhere else."""
    _record(backend, {blob for blob in digests if backend.store.size(blob) is None}, LIVE, LOST)


def _some(backend: Backend, under: str) -> Iterator[Sequence[Any]]:
    columns = places.c.path, places.c.size, places.c.changed_ns, places.c.blob, blobs.c.state
    statement = sa.select(*columns).join(blobs, blobs.c.sha256 == places.c.blob)
    if under:
        statement = statement.where(
            sa.or_(places.c.path == under, places.c.path.startswith(under + "/", autoescape=True))
        )
    statement, after = statement.order_by(places.c.path).limit(TOGETHER), ""
    while True:
        with backend.db.read() as connection:
            rows = connection.execute(statement.where(places.c.path > after)).all()
        if not rows:
            return
        yield rows
        after = rows[-1].path


def _record(backend: Backend, digests: Collection[str], before: str, after: str) -> None:
    if not digests:
        return
    with backend.db.write() as connection:
        for sha256 in sorted(digests):  # everybody locks them in this order
            mine = sa.and_(blobs.c.sha256 == sha256, blobs.c.state == before)
            connection.execute(sa.update(blobs).where(mine).values(state=after))
