"""Take uploads in as new files: several at once cost little more than one.

Their bytes are flushed side by side, since most of that is waiting for the disk,
and their rows are written in one transaction. A file that cannot be kept says
why and holds up no other; only a full disk ends it for all that follow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from arcsecond.errors import ArcsecondError, NotFitsError, TooLargeError
from arcsecond.schemas.archive import FitsFile, FitsFileChange
from arcsecond.server.archive.files import (
    locked_dataset,
    named_files,
    select_named,
    shape,
    taken,
    values_of,
)
from arcsecond.server.archive.in_force import rules_of
from arcsecond.server.archive.index import entries as index
from arcsecond.server.archive.ingest import Frame
from arcsecond.server.archive.keeping import (
    Version,
    keep_bytes,
    keep_versions,
    make_durable,
    read,
)
from arcsecond.server.archive.room import no_room, room_left
from arcsecond.server.archive.rules import RuleBook
from arcsecond.server.archive.tables import LIVE, files
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.people.owned import new_row
from arcsecond.server.people.visibility import signed_in
from arcsecond.server.storage import Arrived, Incoming, told_when_full

HEADERS_TOGETHER = 1 << 22
"""Text of headers, in characters, after which what was read so far is recorded."""

_NEW = sa.insert(files).returning(files.c.pk, files.c.path)


class Added(NamedTuple):
    """A file, and whether it is new: the same content may have been there under its name."""

    file: FitsFile
    new: bool


def add_files(
    backend: Backend,
    viewer: Viewer,
    dataset: str,
    arrived: Sequence[Arrived],
    body: FitsFileChange | None = None,
    *,
    reserved: bool = False,
) -> list[Added | ArcsecondError]:
    """Keep uploads as new files of a dataset.

    Of several, the files come back without their headers, as in a list.

    Parameters
    ----------
    reserved
        Whether their bytes count towards the quota already.

    Returns
    -------
    list
        Of each the file, or why it is not kept: a ConflictError where its name
        is taken by other content, a NotFitsError, or a TooLargeError when it
        unpacks to more than the setting allows, or is more than the quota leaves.

    Raises
    ------
    NoSpaceError
        The disk is full; some of them may be there.
    """
    given = values_of(body or FitsFileChange(), but="name")
    outcomes: list[Added | ArcsecondError] = []
    for group in _read(backend, arrived):
        ones, frames = zip(*group, strict=True)
        outcomes += _add(backend, viewer, dataset, given, ones, frames, reserved=reserved)
    return outcomes


def _read(
    backend: Backend, arrived: Sequence[Arrived]
) -> Iterator[list[tuple[Arrived, Frame | ArcsecondError]]]:
    """Read the frames, and group them: all headers at once could fill the memory."""
    group: list[tuple[Arrived, Frame | ArcsecondError]] = []
    size = 0
    rules = rules_of(backend)
    for one in arrived:
        frame = one.refusal or _frame(backend, one.incoming, rules)
        if len(arrived) > 1 and isinstance(frame, Frame):
            frame.values.clear()
            size += sum(map(len, frame.headers))
        group.append((one, frame))
        if size > HEADERS_TOGETHER:
            yield group
            group, size = [], 0
    if group:
        yield group


def _frame(backend: Backend, incoming: Incoming, rules: RuleBook) -> Frame | ArcsecondError:
    try:
        return read(backend, incoming, rules)
    except (NotFitsError, TooLargeError) as error:
        return error


def _add(
    backend: Backend,
    viewer: Viewer,
    dataset: str,
    given: dict[str, Any],
    arrived: Sequence[Arrived],
    frames: Sequence[Frame | ArcsecondError],
    *,
    reserved: bool,
) -> list[Added | ArcsecondError]:
    """Keep those whose frames could be read, in one transaction."""
    good = {n: frame for n, frame in enumerate(frames) if isinstance(frame, Frame)}
    make_durable([arrived[n].incoming for n in good])
    with told_when_full(), backend.db.write() as connection:
        uuid = locked_dataset(connection, viewer, dataset)
        there = named_files(connection, uuid, {arrived[n].name for n in good})
        new: dict[str, int] = {}  # the first of each name
        for n in good:
            if arrived[n].name not in there:
                new.setdefault(arrived[n].name, n)
        full: dict[str, ArcsecondError] = {}
        if not reserved:
            full = _too_much(backend, connection, viewer, [arrived[n] for n in new.values()])
            new = {name: n for name, n in new.items() if name not in full}
        content = {path: found.blob for path, found in there.items()}
        content |= {name: arrived[n].incoming.sha256 for name, n in new.items()}
        rest = [n for n in good if new.get(arrived[n].name) != n and arrived[n].name not in full]
        known = [n for n in rest if content[arrived[n].name] == arrived[n].incoming.sha256]
        # What is known, too: its bytes may have been lost.
        keep_bytes(connection, [arrived[n].incoming for n in (*new.values(), *known)])
        firsts = [(arrived[n], good[n]) for n in new.values()]
        made = _insert(connection, viewer, uuid, given, firsts)
        pks = {path: found.pk for path, found in there.items()} | {row.path: row.pk for row in made}
        called = {"in": uuid, "called": sorted({arrived[n].name for n in known})}
        found = connection.execute(select_named(viewer.sight), called) if known else ()
        rows = {row.path: row for row in found}
    outcomes: dict[int, Added | ArcsecondError] = {
        n: frame for n, frame in enumerate(frames) if isinstance(frame, ArcsecondError)
    }
    outcomes |= {n: full[arrived[n].name] for n in good if arrived[n].name in full}
    outcomes |= {n: taken(pks[arrived[n].name], dataset) for n in rest}
    outcomes |= {n: Added(_shown(rows[arrived[n].name], good[n]), False) for n in known}
    firsts_made = zip(new.values(), made, strict=True)
    outcomes |= {n: Added(_shown(row, good[n]), True) for n, row in firsts_made}
    return [outcomes[n] for n in range(len(arrived))]


def _too_much(
    backend: Backend, connection: sa.Connection, viewer: Viewer, new: Sequence[Arrived]
) -> dict[str, ArcsecondError]:
    """Return those that the quota leaves no room for, by name."""
    owner = signed_in(viewer, "fitsfiles:create")
    full: dict[str, ArcsecondError] = {}
    left = room_left(backend, connection, owner)
    if left is None:
        return full
    for name, incoming, _ in new:
        if incoming.size > left:
            full[name] = no_room(backend, incoming.size, left)
        else:
            left -= incoming.size
    return full


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
    made = [
        also | kept | row | {"pk": version.file, "size": version.incoming.size}
        for row, version, kept in zip(rows, first, keep_versions(connection, first), strict=True)
    ]
    index.keep(
        connection,
        [
            index.entry_of(row, row, version.frame.observation.said)
            for row, version in zip(made, first, strict=True)
        ],
    )
    return [SimpleNamespace(**row) for row in made]


def _shown(row: Any, frame: Frame) -> FitsFile:
    """Return a file with the headers that were just read."""
    file = shape(row)
    if frame.values:
        for hdu, cards, values in zip(file.hdus, frame.headers, frame.values, strict=True):
            hdu.header_string, hdu.header = cards, dict(values)
    return file
