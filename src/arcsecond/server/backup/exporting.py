"""Write the archive back as plain files: nobody needs Arcsecond to read what is in it.

Files lie in ``files/<owner>/<dataset>/`` under their own names, older versions in
``versions/<owner>/<dataset>/<name>/<n>``, everything else as JSON lines in ``records/``.
``SHA256SUMS`` covers the files, as ``sha256sum --check`` reads it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from arcsecond.errors import NoSpaceError
from arcsecond.filenames import LONGEST_NAME
from arcsecond.flushing import flush_file, flush_folder
from arcsecond.server.archive.packages.tables import contents, packages
from arcsecond.server.archive.tables import LOST, blobs, datasets, files, versions
from arcsecond.server.backup.copying import copy, forget_unfinished, has, prepare
from arcsecond.server.backup.rows import READ_TOGETHER
from arcsecond.server.context import Backend
from arcsecond.server.db import locked
from arcsecond.server.people.tables import users
from arcsecond.server.storage import told_when_full
from arcsecond.server.tables import metadata
from arcsecond.server.transfers.bundles import sum_line

FILES, VERSIONS, RECORDS, SUMS = "files", "versions", "records", "SHA256SUMS"
TOGETHER = 1_000

KEPT_BACK = frozenset({"blobs", "headers", "invitations", "keys", "options", "places", "uploads"})
"""Tables that are not among the records: what opens the server, and what the frames tell."""

SECRETS = {"users": ("password", "generation", "folded"), "data_packages": ("share", "links")}
"""Columns that are not written."""

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Exported:
    """What was written.

    Attributes
    ----------
    written, written_bytes
        Files that were not there before.
    missing
        Files whose bytes are lost or damaged here.
    gone
        Older versions whose bytes were lost before.
    strange
        Paths in the folder that are no part of the archive, or not any more.
    """

    folder: str
    files: int = 0
    bytes: int = 0
    written: int = 0
    written_bytes: int = 0
    records: int = 0
    missing: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)


def export(backend: Backend, target: Path, progress: Progress = lambda *_: None) -> Exported:
    """Write all files that are not in the trash, and the records, into a folder.

    What is there already is compared by its digest and not written again, so an export that
    was cut off, or is some weeks old, is gone on with.

    Raises
    ------
    ArcsecondInputValueError
        The folder cannot be used, or holds something else.
    NoSpaceError
        The disk is full; what was written stays.
    """
    unfinished = prepare(backend, target, "export")
    try:
        with told_when_full(), locked(target / ".lock"):
            forget_unfinished(unfinished)
            return _Export(backend, target, unfinished, progress).run()
    except NoSpaceError:
        raise NoSpaceError(f"The disk of {target} is full; what was written stays.") from None


class _Export:
    """One export."""

    def __init__(
        self, backend: Backend, target: Path, unfinished: Path, progress: Progress
    ) -> None:
        self._backend = backend
        self._target = target
        self._unfinished = unfinished
        self._progress = progress
        self._told = Exported(str(target))
        # The last file first: each up to it has a dataset that is known then.
        with backend.db.read() as connection:
            self._last = int(connection.scalar(sa.select(sa.func.max(files.c.pk))) or 0)
        self._folders = self._names_of_datasets()
        self._folded: set[int] = set()

    def run(self) -> Exported:
        """Write files, sums, records; flush all of it."""
        told = self._told
        with self._backend.db.read() as connection:
            total = int(connection.scalar(sa.select(sa.func.sum(blobs.c.size))) or 0)
        known: set[str] = set()
        for name in (FILES, VERSIONS, RECORDS):
            (self._target / name).mkdir(mode=0o700, exist_ok=True)
        sums = self._unfinished / SUMS
        with sums.open("w", encoding="utf-8") as file:
            for row in self._rows():
                told.files += 1
                told.bytes += row.size
                path = self._path(row)
                try:
                    there = self._bring(row, path)
                except (FileExistsError, IsADirectoryError, NotADirectoryError):
                    # A file where the folder of another has to be: it gets a name beside.
                    path = self._beside(row)
                    there = self._bring(row, path)
                if there:
                    known.add(str(path))
                    file.write(sum_line(row.blob, str(path)))
                elif row.state == LOST and row.n != row.current:
                    told.gone.append(str(path))
                else:
                    told.missing.append(str(path))
                self._progress(told.bytes, max(total, told.bytes))
        self._write_records()
        flush_file(sums)
        os.replace(sums, self._target / SUMS)
        flush_folder(self._target)
        self._find_strange(known)
        return told

    def _names_of_datasets(self) -> dict[UUID, PurePosixPath]:
        """Return the folder of each dataset: of two that would have the same, by its UUID too."""
        statement = (
            sa.select(datasets.c.uuid, datasets.c.name, users.c.username)
            .join(users, users.c.id == datasets.c.owner)
            .order_by(datasets.c.created_at, datasets.c.uuid)
        )
        with self._backend.db.read() as connection:
            rows = connection.execute(statement).all()
        folders: dict[UUID, PurePosixPath] = {}
        used: set[str] = set()
        for row in rows:
            folder = PurePosixPath(_plain(row.username), _plain(row.name))
            if str(folder).casefold() in used:
                folder = folder.with_name(f"{_plain(row.name, 200)} {str(row.uuid)[:8]}")
            used.add(str(folder).casefold())
            folders[row.uuid] = folder
        return folders

    def _rows(self) -> Iterator[Any]:
        """Go through all versions of all files that are not in the trash."""
        statement = (
            sa.select(
                files.c.pk, files.c.path, files.c.dataset, files.c.current,
                versions.c.n, versions.c.blob, versions.c.created_at,
                blobs.c.size, blobs.c.state,
            )
            .join(versions, versions.c.file == files.c.pk)
            .join(blobs, blobs.c.sha256 == versions.c.blob)
            .where(files.c.deleted_at.is_(None), files.c.pk <= self._last)
            .order_by(files.c.pk, versions.c.n)
            .limit(TOGETHER)
        )  # fmt: skip
        pk, n = 0, 0
        while True:
            after = sa.or_(files.c.pk > pk, versions.c.n > n)
            with self._backend.db.read() as connection:
                rows = connection.execute(statement.where(files.c.pk >= pk, after)).all()
            if not rows:
                return
            yield from rows
            pk, n = rows[-1].pk, rows[-1].n

    def _path(self, row: Any) -> PurePosixPath:
        path: PurePosixPath = self._folder(row) / row.path
        if row.n != row.current:
            path /= str(row.n)
        # Of two that differ in capitals alone, many disks keep one.
        if (folded := hash(str(path).casefold())) in self._folded:
            return self._beside(row)
        self._folded.add(folded)
        return path

    def _beside(self, row: Any) -> PurePosixPath:
        return self._folder(row) / f"{_plain(row.path, 200)} ({row.pk}.{row.n})"

    def _folder(self, row: Any) -> PurePosixPath:
        return (
            PurePosixPath(FILES if row.n == row.current else VERSIONS) / self._folders[row.dataset]
        )

    def _bring(self, row: Any, inside: PurePosixPath) -> bool:
        """Write a file unless it is there; False when its bytes are not."""
        path = self._target / inside
        if has(path, row.size, row.blob):
            return True
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            source = self._backend.store.open(row.blob)
        except OSError:
            return False
        with source:
            if not copy(source, path, row.blob, self._unfinished):
                return False
        seconds = row.created_at.timestamp()
        os.utime(path, (seconds, seconds))
        path.chmod(0o644)
        self._told.written += 1
        self._told.written_bytes += row.size
        return True

    def _write_records(self) -> None:
        """Write everything else, a file of JSON lines for each table."""
        folder = self._target / RECORDS
        for table in metadata.sorted_tables:
            if table.name in KEPT_BACK or table.info.get("derived"):
                continue
            columns = [c for c in table.c if c.name not in SECRETS.get(table.name, ())]
            statement = sa.select(*columns).order_by(*table.primary_key.columns)
            if "deleted_at" in table.c:
                statement = statement.where(table.c.deleted_at.is_(None))
            elif table is versions:
                living = sa.exists().where(
                    files.c.pk == versions.c.file, files.c.deleted_at.is_(None)
                )
                statement = statement.where(living)
            elif table is contents:
                for key, held in ((contents.c.package, packages), (contents.c.dataset, datasets)):
                    living = sa.exists().where(held.c.uuid == key, held.c.deleted_at.is_(None))
                    statement = statement.where(living)
            part = self._unfinished / table.name
            with part.open("wb") as file, self._backend.db.stream() as connection:
                result = connection.execution_options(yield_per=READ_TOGETHER).execute(statement)
                for row in result.mappings():
                    file.write(msgspec.json.encode(dict(row), order="sorted") + b"\n")
                    self._told.records += 1
            flush_file(part)
            os.replace(part, folder / f"{table.name}.jsonl")

    def _find_strange(self, known: Collection[str]) -> None:
        """Name what lies there beside: it is left alone."""
        for top in (FILES, VERSIONS):
            for folder, _, names in os.walk(self._target / top):
                for name in names:
                    path = os.path.relpath(os.path.join(folder, name), self._target)
                    if path not in known:
                        self._told.strange.append(path)


def _plain(name: str, longest: int = LONGEST_NAME) -> str:
    """Return a name as a folder can have it."""
    plain = re.sub(r"[/\\\x00-\x1f\x7f]|^\.+", "_", name).strip() or "_"
    return plain.encode()[:longest].decode(errors="ignore").rstrip()
