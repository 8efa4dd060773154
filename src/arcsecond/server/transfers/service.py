"""Uploads that resume: a row that says how far one came, and a file that holds its bytes.

Only what was flushed to the disk is acknowledged, and only what was acknowledged counts
when it goes on: what lies behind it in the file is cut off. When all of it is there, its
digest is compared, and it is kept like a file that came at once.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from arcsecond.errors import (
    ArcsecondError,
    ChecksumError,
    ConflictError,
    ExpiredError,
    InvalidInputError,
    NoSpaceError,
    NotAllowedError,
    NotFoundError,
    TooLargeError,
    from_wire,
)
from arcsecond.filenames import clean_path
from arcsecond.schemas.archive import FitsFile, FitsFileChange, Upload
from arcsecond.server.archive import files as archive
from arcsecond.server.archive.adding import Added, add_files
from arcsecond.server.archive.room import refuse_more
from arcsecond.server.archive.service import DATASET
from arcsecond.server.archive.tables import FINAL, PARTIAL, datasets, uploads
from arcsecond.server.context import Backend, Viewer, to_struct
from arcsecond.server.db import now
from arcsecond.server.paging import SqlListing
from arcsecond.server.parsing import parse_uuid
from arcsecond.server.people.owned import find_own
from arcsecond.server.people.visibility import signed_in
from arcsecond.server.storage import Arrived, told_when_full

LIFE = timedelta(days=7)
"""How long an upload waits for its next bytes."""

FLUSHED_BYTES = 64 << 20
"""After so many bytes they are flushed and acknowledged, though more are coming."""

PATIENCE_S = 10.0
"""How long a request waits for another that writes the same upload."""

MOST_PARTS = 1_000
TOGETHER = 1_000
UPLOAD = "Upload"


@dataclass(frozen=True, slots=True)
class New:
    """An upload that is to begin.

    Attributes
    ----------
    path
        What the file is to be called; "" for a part of an upload.
    told
        The metadata as they were sent.
    parts, parts_told
        The uploads that it is made of, and their addresses as they were sent.
    """

    path: str
    length: int
    told: str = ""
    sha256: str | None = None
    replaces: bool = False
    given: Mapping[str, str] | None = None
    concat: str | None = None
    parts: Sequence[UUID] = ()
    parts_told: str = ""


def begin(backend: Backend, viewer: Viewer, dataset: str, new: New) -> sa.Row[Any]:
    """Begin an upload into a dataset of one's own; one that is made of parts is done at once.

    Raises
    ------
    ConflictError
        Its name is taken by other content, or a part of it is not complete.
    NoSpaceError
        There is no room for it.
    TooLargeError
        It is larger than the setting allows, or than what is left to its owner.
    """
    owner = signed_in(viewer, "fitsfiles:create")
    length, counted = new.length, 0
    with backend.db.read() as connection:
        action = "fitsfiles:create"
        uuid = parse_uuid(dataset, DATASET)
        find_own(connection, viewer, datasets, uuid, DATASET, action)
        if new.concat == FINAL:
            parts = _parts(connection, viewer, new.parts)
            length = sum(row.length for row in parts)
            counted = sum({row.uuid: row.length for row in parts}.values())
    _refuse_too_large(backend, length)
    if length <= 0:
        raise InvalidInputError("An empty file is no FITS file.")
    path = clean_path(new.path) if new.concat != PARTIAL else ""
    given = dict(new.given or {})
    archive.values_of(to_struct(given, FitsFileChange), but="name")  # before any byte comes
    key, moment = uuid4(), now()
    row = {
        "uuid": key,
        "owner": owner,
        "dataset": uuid,
        "path": path,
        "length": length,
        "received": 0,
        "sha256": new.sha256,
        "given": given,
        "told": new.told,
        "replaces": new.replaces,
        "concat": new.concat,
        "parts": new.parts_told,
        "created_at": moment,
        "expires_at": moment + LIFE,
    }
    partials = backend.store.partials
    with told_when_full():
        partials.create(key)
    try:
        with backend.db.write() as connection:
            # Its parts count already, each once.
            refuse_more(backend, connection, owner, length - counted)
            connection.execute(sa.insert(uploads).values(row))
    except BaseException:
        partials.delete(key)
        raise
    if new.concat == FINAL:
        return _join(backend, viewer, key, new.parts)
    return find(backend, viewer, str(key))


def _refuse_too_large(backend: Backend, length: int) -> None:
    settings = backend.settings
    if length > settings.max_upload_bytes:
        raise TooLargeError(f"The upload is larger than {settings.max_upload_bytes} bytes.")
    room = shutil.disk_usage(settings.home).free
    if length > room:
        raise NoSpaceError(f"The server has no room for {length} bytes; nothing was kept.")


def find(backend: Backend, viewer: Viewer, key: str) -> sa.Row[Any]:
    """Return an upload of one's own.

    Raises
    ------
    ExpiredError
        It waited too long for its next bytes.
    NotFoundError
        There is none.
    """
    owner = signed_in(viewer, "fitsfiles:create")
    uuid = parse_uuid(key, UPLOAD)
    with backend.db.read() as connection:
        mine = sa.and_(uploads.c.uuid == uuid, uploads.c.owner == owner)
        row = connection.execute(sa.select(uploads).where(mine)).one_or_none()
    if row is None:
        raise NotFoundError(f"{UPLOAD} {key[:60]!r} not found.")
    if row.expires_at < now():
        raise ExpiredError(f"This upload has expired on {row.expires_at:%Y-%m-%d %H:%M} UTC.")
    return row


def list_uploads(backend: Backend, viewer: Viewer, dataset: str) -> SqlListing[Upload]:
    """List the uploads of one's own into a dataset that wait for more bytes."""
    owner = signed_in(viewer, "fitsfiles:create")
    uuid = parse_uuid(dataset, DATASET)
    with backend.db.read() as connection:
        find_own(connection, viewer, datasets, uuid, DATASET, "fitsfiles:create")
    mine = sa.and_(
        uploads.c.owner == owner,
        uploads.c.dataset == uuid,
        uploads.c.expires_at > now(),
        uploads.c.ended_at.is_(None),
    )
    statement = sa.select(uploads).where(mine)
    return SqlListing(backend.db, statement, (uploads.c.created_at, uploads.c.uuid), _shaped)


class Writing:
    """Bytes that are being appended to an upload, by who holds its lock.

    Use it in a ``with`` statement; what was written and not flushed is cut off at its end.

    Parameters
    ----------
    offset
        Where the bytes belong, as the sender says.
    joining
        Whether they are those of its parts.

    Raises
    ------
    ConflictError
        They belong elsewhere: the upload has come less far, or farther.
    LockedError
        Somebody else is writing it.
    NotAllowedError
        It is made of parts, and takes no other bytes.
    """

    def __init__(
        self, backend: Backend, viewer: Viewer, key: str, offset: int, *, joining: bool = False
    ) -> None:
        self._backend = backend
        self._viewer = viewer
        self.row = find(backend, viewer, key)
        if self.row.concat == FINAL and not joining:
            raise NotAllowedError("An upload that is made of parts takes no other bytes.")
        self._stack = contextlib.ExitStack()
        try:
            self._take(key, offset)
        except BaseException:
            self._stack.close()
            raise

    def _take(self, key: str, offset: int) -> None:
        partials = self._backend.store.partials
        try:
            handle = self._stack.enter_context(partials.held(self.row.uuid, PATIENCE_S))
        except FileNotFoundError:
            self.row = find(self._backend, self._viewer, key)  # it ended meanwhile
            if self.row.ended_at is None:
                raise NotFoundError(f"{UPLOAD} {key[:60]!r} not found.") from None
            self.partial = None
        else:
            self.row = find(self._backend, self._viewer, key)
            self.partial = partials.opened(self.row.uuid, handle, self.row.received)
        if offset != self.row.received:
            raise ConflictError(
                f"This upload goes on at byte {self.row.received}, not at {offset}."
            )

    def __enter__(self) -> Writing:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the lock."""
        if self.partial is not None and self.row.ended_at is None:
            self.partial.back()
            self._backend.store.partials.put_down(self.row.uuid, self.partial)
        self._stack.close()

    @property
    def left(self) -> int:
        """How many bytes there is room for."""
        return int(self.row.length) - (self.partial.offset if self.partial else self.row.received)

    @property
    def wanted(self) -> bool:
        """Whether another request waits for the lock."""
        return self.partial is not None and self.partial.wanted

    def write(self, data: bytes) -> None:
        """Append bytes.

        Raises
        ------
        TooLargeError
            They are more than the upload is to have.
        """
        assert self.partial is not None
        if len(data) > self.left:
            raise TooLargeError(f"This upload takes {self.left} more bytes.")
        with told_when_full():
            self.partial.write(data)

    def acknowledge(self) -> int:
        """Make what was written last, and say so in the row; returns how far it has come.

        The end of a file is acknowledged by ``finish``, when it is kept.
        """
        assert self.partial is not None
        with told_when_full():
            received = self.partial.flush()
        whole = received == self.row.length and self.row.concat != PARTIAL
        if received != self.row.received and not whole:
            self._record(received=received, expires_at=now() + LIFE)
        return received

    def take_back(self) -> None:
        """Cut off what was not acknowledged."""
        assert self.partial is not None
        self.partial.back()

    def finish(self, sha256: str | None = None) -> None:
        """Keep what is complete as a file of the dataset, or tell why it is none.

        Parameters
        ----------
        sha256
            Its digest, as the sender says.

        Raises
        ------
        ArcsecondError
            The same whenever it is asked again.
        ChecksumError
            Something else arrived than was sent: the upload begins anew.
        """
        if self.row.ended_at is not None:
            if self.row.refusal:
                raise refusal_of(self.row)
            return
        if self.row.concat == PARTIAL or self.left > 0:
            return
        assert self.partial is not None
        found = self.partial.sha256()
        told = {self.row.sha256, sha256} - {None}
        if told - {found}:
            self._begin_anew()
            raise ChecksumError(
                f"The bytes that arrived have SHA-256 {found}, not {told.pop()}; send them again."
            )
        incoming = self._backend.store.arrived(self.partial.path, found)
        outcome = self._kept(Arrived(self.row.path, incoming))
        if isinstance(outcome, ArcsecondError):
            refusal = {"status": outcome.status, "error": outcome.to_wire()}
            self._record(received=self.row.length, ended_at=now(), refusal=refusal, sha256=found)
        else:
            told_file = {"file": outcome.file.pk, "is_new": outcome.new, "sha256": found}
            self._record(received=self.row.length, ended_at=now(), **told_file)
        self._backend.store.partials.delete(self.row.uuid)
        if isinstance(outcome, ArcsecondError):
            raise outcome

    def _kept(self, arrived: Arrived) -> Added | ArcsecondError:
        body = to_struct(self.row.given, FitsFileChange)
        dataset = str(self.row.dataset)
        try:
            if self.row.replaces:
                return replace(self._backend, self._viewer, dataset, arrived, body)
            (outcome,) = add_files(
                self._backend, self._viewer, dataset, [arrived], body, reserved=True
            )
        except ArcsecondError as error:
            if error.passes or isinstance(error, NoSpaceError):
                raise  # it may go well later, and all of it is here
            return error
        if isinstance(outcome, ArcsecondError) and outcome.passes:
            raise outcome
        return outcome

    def _begin_anew(self) -> None:
        assert self.partial is not None
        self._record(received=0, expires_at=now() + LIFE)
        self.partial.empty()

    def _record(self, **values: Any) -> None:
        mine = uploads.c.uuid == self.row.uuid
        with self._backend.db.write() as connection:
            connection.execute(sa.update(uploads).where(mine).values(values))
        self.row = find(self._backend, self._viewer, str(self.row.uuid))


def refusal_of(row: sa.Row[Any]) -> ArcsecondError:
    """Return why an upload that has come to its end is no file."""
    return from_wire(row.refusal["status"], row.refusal["error"])


def replace(
    backend: Backend, viewer: Viewer, dataset: str, arrived: Arrived, body: FitsFileChange
) -> Added:
    """Keep an upload as a new version of the file of its name, or as a new file.

    Its bytes count towards the quota since it began.

    Raises
    ------
    ArcsecondError
        It cannot be kept.
    """
    with backend.db.read() as connection:
        there = archive.named(connection, viewer, dataset, arrived.name)
    if there is None:
        (outcome,) = add_files(backend, viewer, dataset, [arrived], body, reserved=True)
        if isinstance(outcome, ArcsecondError):
            raise outcome
        return outcome
    new = there.blob != arrived.incoming.sha256
    file = archive.update_file(
        backend, viewer, dataset, str(there.pk), body, arrived.incoming, reserved=True
    )
    return Added(file, new)


def standing(backend: Backend, viewer: Viewer, key: str) -> sa.Row[Any]:
    """Return an upload when nobody writes it any more: who did is asked to let go."""
    row = find(backend, viewer, key)
    with contextlib.suppress(FileNotFoundError), backend.store.partials.held(row.uuid, PATIENCE_S):
        pass
    return find(backend, viewer, key)


def terminate(backend: Backend, viewer: Viewer, key: str) -> None:
    """Give an upload up: its bytes are gone. A file that it became stays."""
    row = find(backend, viewer, key)
    partials = backend.store.partials
    with contextlib.suppress(FileNotFoundError), partials.held(row.uuid, PATIENCE_S):
        partials.delete(row.uuid)
    with backend.db.write() as connection:
        connection.execute(sa.delete(uploads).where(uploads.c.uuid == row.uuid))


def _parts(connection: sa.Connection, viewer: Viewer, parts: Sequence[UUID]) -> list[sa.Row[Any]]:
    """Return complete parts of one's own, in their order."""
    if not 1 <= len(parts) <= MOST_PARTS:
        raise InvalidInputError(f"An upload is made of 1 to {MOST_PARTS} parts.")
    mine = sa.and_(uploads.c.uuid.in_(parts), uploads.c.owner == viewer.id)
    rows = {row.uuid: row for row in connection.execute(sa.select(uploads).where(mine))}
    for part in parts:
        row = rows.get(part)
        if row is None or row.concat != PARTIAL:
            raise NotFoundError(f"Part {part} not found.")
        if row.received != row.length:
            raise ConflictError(f"Part {part} has {row.received} of its {row.length} bytes.")
    return [rows[part] for part in parts]


def _join(backend: Backend, viewer: Viewer, key: UUID, parts: Sequence[UUID]) -> sa.Row[Any]:
    """Put complete parts together, and keep what they make."""
    partials = backend.store.partials
    try:
        with Writing(backend, viewer, str(key), 0, joining=True) as writing:
            assert writing.partial is not None
            for part in parts:
                with told_when_full():
                    writing.partial.append(partials.path(part))
            writing.acknowledge()
            writing.finish()
    except (ArcsecondError, OSError) as error:
        if find(backend, viewer, str(key)).ended_at is None:
            terminate(backend, viewer, str(key))
        if isinstance(error, FileNotFoundError):  # another request has joined them
            raise NotFoundError("A part is not there any more.") from error
        raise
    for part in dict.fromkeys(parts):
        terminate(backend, viewer, str(part))
    return find(backend, viewer, str(key))


def file_of(backend: Backend, viewer: Viewer, row: sa.Row[Any]) -> FitsFile | None:
    """Return the file that an upload became; None while it is none, or when it was deleted."""
    if row.file is None:
        return None
    with contextlib.suppress(NotFoundError):
        return archive.read_file(backend, viewer, str(row.dataset), str(row.file))
    return None


def sweep(backend: Backend) -> int:
    """Remove uploads that have expired, and bytes of none; returns how many."""
    partials = backend.store.partials
    with backend.db.read() as connection:
        select = sa.select(uploads.c.uuid, uploads.c.expires_at)
        rows = {row.uuid: row.expires_at for row in connection.execute(select)}
    old = [uuid for uuid, expires_at in rows.items() if expires_at < now()]
    stray = [uuid for uuid in partials.uuids() if uuid not in rows and _lies_long(backend, uuid)]
    for uuid in (*old, *stray):
        with contextlib.suppress(FileNotFoundError, ArcsecondError), partials.held(uuid, 0):
            partials.delete(uuid)
    for first in range(0, len(old), TOGETHER):
        with backend.db.write() as connection:
            some = uploads.c.uuid.in_(old[first : first + TOGETHER])
            connection.execute(sa.delete(uploads).where(some, uploads.c.expires_at < now()))
    return len(old) + len(stray)


def _lies_long(backend: Backend, uuid: UUID) -> bool:
    """Tell whether bytes have no row for longer than it takes to write one."""
    with contextlib.suppress(FileNotFoundError):
        changed = backend.store.partials.path(uuid).stat().st_mtime
        return now() - datetime.fromtimestamp(changed, now().tzinfo) > timedelta(hours=1)
    return False


def shape(row: Any) -> Upload:
    """Return an upload as the API gives it; its address is a path."""
    return Upload(
        uuid=str(row.uuid),
        dataset=str(row.dataset),
        name=row.path,
        size=row.length,
        received=row.received,
        sha256=row.sha256,
        given=row.given,
        replace=row.replaces,
        creation_date=row.created_at,
        expires=row.expires_at,
        upload_url=f"/uploads/{row.uuid}",
    )


def _shaped(_connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> list[Upload]:
    return [shape(row) for row in rows]
