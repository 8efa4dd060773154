"""Take uploads in as new files: several at once cost little more than one.

Each is read and made durable by itself, side by side, since most of that is
waiting for the disk. Their rows are written in one transaction. One that cannot
be kept says why and holds up no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from arcsecond.errors import ArcsecondError, NotFitsError, TooLargeError
from arcsecond.schemas.archive import FitsFile, FitsFileChange
from arcsecond.server.archive.files import locked_dataset, select_named, shape, taken, values_of
from arcsecond.server.archive.ingest import Frame
from arcsecond.server.archive.keeping import Version, keep_bytes, keep_frame, keep_versions
from arcsecond.server.archive.tables import LIVE, files, versions
from arcsecond.server.archive.transfers import Arrived
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.people.owned import new_row
from arcsecond.server.storage import Incoming, told_when_full

SIDE_BY_SIDE = 8

_NEW = sa.insert(files).returning(files.c.pk, files.c.path)
_THERE = (
    sa.select(files.c.path, files.c.pk, versions.c.blob)
    .join(versions, sa.and_(versions.c.file == files.c.pk, versions.c.n == files.c.current))
    .where(
        files.c.dataset == sa.bindparam("in", type_=files.c.dataset.type),
        files.c.path.in_(sa.bindparam("called", type_=files.c.path.type, expanding=True)),
        files.c.deleted_at.is_(None),
    )
)


class Added(NamedTuple):
    """A file, and whether it is new: the same content may have been there under its name."""

    file: FitsFile
    new: bool


def add_file(
    backend: Backend,
    viewer: Viewer,
    dataset: str,
    name: str,
    incoming: Incoming,
    body: FitsFileChange | None = None,
) -> Added:
    """Keep an upload as a new file of a dataset.

    Raises
    ------
    ConflictError
        The name is taken by other content.
    NotFitsError
        It is no FITS file.
    TooLargeError
        It unpacks to more than the setting allows.
    """
    (outcome,) = add_files(backend, viewer, dataset, [Arrived(name, incoming)], body)
    if isinstance(outcome, ArcsecondError):
        raise outcome
    return outcome


def add_files(
    backend: Backend,
    viewer: Viewer,
    dataset: str,
    arrived: Sequence[Arrived],
    body: FitsFileChange | None = None,
) -> list[Added | ArcsecondError]:
    """Keep uploads as new files of a dataset.

    Returns
    -------
    list
        For each of them what ``add_file`` would return or raise.
    """
    frames = _keep_frames(backend, [incoming for _, incoming in arrived])
    good = {n: frame for n, frame in enumerate(frames) if isinstance(frame, Frame)}
    given = values_of(body or FitsFileChange(), but="name")
    with told_when_full(), backend.db.write() as connection:
        uuid = locked_dataset(connection, viewer, dataset)
        called = {"in": uuid, "called": sorted({arrived[n].name for n in good})}
        there = {path: (pk, blob) for path, pk, blob in connection.execute(_THERE, called)}
        new: dict[str, int] = {}  # the first of each name
        for n in good:
            if arrived[n].name not in there:
                new.setdefault(arrived[n].name, n)
        made = _insert(
            connection, viewer, uuid, given, [(arrived[n], good[n]) for n in new.values()]
        )
        there |= {row.path: (row.pk, row.blob) for row in made}
        rest = [n for n in good if new.get(arrived[n].name) != n]
        known = [n for n in rest if there[arrived[n].name][1] == arrived[n].incoming.sha256]
        rows: dict[str, Any] = {}
        if known:
            keep_bytes(connection, [arrived[n].incoming for n in known])  # they may have been lost
            called["called"] = [arrived[n].name for n in known]
            found = connection.execute(select_named(viewer.id), called)
            rows = {row.path: row for row in found}
    outcomes: dict[int, Added | ArcsecondError] = {
        n: taken(there[arrived[n].name][0], dataset) for n in rest
    }
    outcomes |= {n: Added(_shown(rows[arrived[n].name], good[n]), False) for n in known}
    outcomes |= {
        n: Added(_shown(row, good[n]), True) for n, row in zip(new.values(), made, strict=True)
    }
    return [
        frame if isinstance(frame, ArcsecondError) else outcomes[n]
        for n, frame in enumerate(frames)
    ]


def _keep_frames(
    backend: Backend, incomings: Sequence[Incoming]
) -> list[Frame | NotFitsError | TooLargeError]:
    def keep(incoming: Incoming) -> Frame | NotFitsError | TooLargeError:
        try:
            return keep_frame(backend, incoming)
        except (NotFitsError, TooLargeError) as error:
            return error

    if len(incomings) == 1:
        return [keep(incomings[0])]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return list(pool.map(keep, incomings))


def _insert(
    connection: sa.Connection,
    viewer: Viewer,
    dataset: UUID,
    given: dict[str, Any],
    new: Sequence[tuple[Arrived, Frame]],
) -> list[Any]:
    """Insert files with their first versions; return their rows, in the same order."""
    if not new:
        return []
    standard = new_row(viewer, "fitsfiles:create", dataset=dataset, current=1, tags=[]) | given
    rows = [standard | {"path": one.name} for one, _ in new]
    pks = {path: pk for pk, path in connection.execute(_NEW, rows)}
    first = [Version(one.incoming, frame, pks[one.name], 1) for one, frame in new]
    also = {"is_raw": None, "state": LIVE, "profile": viewer.username}
    return [
        SimpleNamespace(**(also | kept | row), pk=version.file, size=version.incoming.size)
        for row, version, kept in zip(rows, first, keep_versions(connection, first), strict=True)
    ]


def _shown(row: Any, frame: Frame) -> FitsFile:
    """Return a file with the headers that were just read."""
    file = shape(row)
    for hdu, cards, values in zip(file.hdus, frame.headers, frame.values, strict=True):
        hdu.header_string, hdu.header = cards, dict(values)
    return file
