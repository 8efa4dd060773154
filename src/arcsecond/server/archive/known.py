"""What is there already: asked before bytes are sent, and answered only by what may be read.

A digest is no key to somebody's data: content that the asker may not read is unknown,
and who sends it all the same learns nothing, though it is kept once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import UNSET

from arcsecond.errors import ArcsecondError, InvalidInputError, NotFoundError
from arcsecond.filenames import clean_path
from arcsecond.schemas.archive import (
    MOST_ASKED,
    FileAsked,
    FileKnown,
    FilesAsked,
    FileTaken,
    FitsFileChange,
)
from arcsecond.server.archive.adding import Added, add_files
from arcsecond.server.archive.files import Named, named_files
from arcsecond.server.archive.service import DATASET
from arcsecond.server.archive.tables import LOST, blobs, datasets, files, places, versions
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.db import among, these
from arcsecond.server.parsing import parse_uuid
from arcsecond.server.people.owned import find_own
from arcsecond.server.people.visibility import signed_in, visible_to
from arcsecond.server.storage import Arrived

_DIGEST = re.compile("[0-9a-f]{64}").fullmatch

SAME, OTHER, ELSEWHERE, UNCLEAR, UNKNOWN = "same", "other", "elsewhere", "unclear", "unknown"


def known(
    backend: Backend, viewer: Viewer, dataset: str | None, body: FilesAsked
) -> list[FileKnown]:
    """Tell of files whether they are there, in the order in which they are asked for.

    Parameters
    ----------
    dataset
        None for one that is still to be made: no name is taken there.

    Raises
    ------
    InvalidInputError
        They are too many, or a name or a digest is none.
    """
    if len(body.files) > MOST_ASKED:
        raise InvalidInputError(fields={"files": [f"{MOST_ASKED} are the most at once."]})
    for one in body.files:
        if one.sha256 is not None and not _DIGEST(one.sha256):
            problem = f"{one.sha256[:20]!r} is no SHA-256 in hexadecimal, in small letters."
            raise InvalidInputError(fields={"files": [problem]})
    asked = [(clean_path(one.name), one) for one in body.files]
    with backend.db.read() as connection:
        there: Mapping[str, Named] = {}
        if dataset is None:
            signed_in(viewer, "datasets:create")
        else:
            uuid = parse_uuid(dataset, DATASET)
            find_own(connection, viewer, datasets, uuid, DATASET, "fitsfiles:create")
            there = named_files(connection, uuid, {name for name, _ in asked})
        digests = {one.sha256 for name, one in asked if one.sha256 and name not in there}
        content = _readable(connection, viewer, blobs.c.sha256, digests)
        outside = _outside(connection, _of(content, there))
        sizes = _readable(
            connection, viewer, blobs.c.size, {o.size for _, o in asked if not o.sha256}
        )
    store = backend.store
    # What lies outside may change unseen: nobody is told that it is kept because of that.
    content -= {sha256 for sha256 in outside if store.lies_outside(sha256)}
    gone = {sha256 for sha256 in outside if store.size(sha256) is None}
    if gone:
        there = {
            name: one._replace(lost=True) if one.blob in gone else one
            for name, one in there.items()
        }
    return [_answer(name, one, there, content, sizes) for name, one in asked]


_ANY_OUTSIDE = sa.select(places.c.blob).limit(1)


def _outside(connection: sa.Connection, digests: Iterable[str]) -> set[str]:
    """Return those of some digests whose bytes lie in a file outside, perhaps in the store too."""
    if connection.execute(_ANY_OUTSIDE).first() is None:
        return set()
    dialect = connection.dialect.name
    statement = sa.select(places.c.blob).where(among(dialect, places.c.blob))
    return set(connection.scalars(statement, these(dialect, digests)))


def _of(content: Iterable[str], there: Mapping[str, Named]) -> set[str]:
    return {*content, *(one.blob for one in there.values())}


def _answer(
    name: str,
    asked: FileAsked,
    there: Mapping[str, Named],
    content: set[Any],
    sizes: set[Any],
) -> FileKnown:
    pk, blob, lost = there.get(name, (None, "", False))
    if asked.sha256 is None:
        state = UNCLEAR if lost or asked.size in sizes else OTHER if pk else UNKNOWN
    elif pk:
        # What was lost is sent again, under its name.
        state = OTHER if blob != asked.sha256 else UNKNOWN if lost else SAME
    else:
        state = ELSEWHERE if asked.sha256 in content else UNKNOWN
    return FileKnown(name=name, state=state, pk=pk)


def _readable(
    connection: sa.Connection, viewer: Viewer, column: sa.Column[Any], values: Iterable[Any]
) -> set[Any]:
    """Return those values that blobs have which the viewer may read, and which are not lost."""
    chosen = list(values)
    if not chosen:
        return set()
    dialect = connection.dialect.name
    in_a_file = (
        sa.select(1)
        .select_from(versions)
        .join(files, files.c.pk == versions.c.file)
        .where(versions.c.blob == blobs.c.sha256, visible_to(viewer, files))
    )
    statement = sa.select(column).where(
        among(dialect, column), blobs.c.state != LOST, sa.exists(in_a_file)
    )
    return set(connection.scalars(statement, these(dialect, chosen)))


def take(backend: Backend, viewer: Viewer, dataset: str, body: FileTaken) -> Added:
    """Make a file of content that the viewer may read already.

    Raises
    ------
    ConflictError
        Its name is taken by other content.
    NotFoundError
        There is no such content, or none that the viewer may read.
    """
    if body.sha256 is UNSET:
        raise InvalidInputError(fields={"file": ["No file was submitted."]})
    if body.name is UNSET:
        raise InvalidInputError(fields={"name": ["A file needs a name."]})
    name, sha256 = clean_path(body.name), body.sha256.lower()
    missing = NotFoundError("Content with this digest not found; send the bytes.")
    with backend.db.read() as connection:
        uuid = parse_uuid(dataset, DATASET)
        find_own(connection, viewer, datasets, uuid, DATASET, "fitsfiles:create")
        if not _readable(connection, viewer, blobs.c.sha256, [sha256]):
            raise missing
    change = FitsFileChange(tags=body.tags, is_raw=body.is_raw)
    if backend.store.lies_outside(sha256):
        raise missing
    try:
        again: Sequence[Arrived] = [Arrived(name, backend.store.again(sha256))]
        (outcome,) = add_files(backend, viewer, dataset, again, change)
    except FileNotFoundError:
        raise missing from None
    if isinstance(outcome, ArcsecondError):
        raise outcome
    return outcome
