"""Take in archives that exist already: trees of files on the server's own disks.

In place they stay where they lie and are only read; else they are copied. Either way what was
taken in is committed some files at a time, so that whoever is interrupted begins where it ended.
"""

from __future__ import annotations

import hashlib
import os
import time
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import FileIO
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from arcsecond.errors import ArcsecondError, ArcsecondInputValueError, ChangedError
from arcsecond.folders import FRESH_NS, SIGNATURES, Found, Item, reason, walk
from arcsecond.schemas.archive import FitsFileChange
from arcsecond.server.archive.adding import Added, add_files
from arcsecond.server.archive.files import Named, named_files, update_file
from arcsecond.server.archive.places import LONGEST_PLACE, look, miss
from arcsecond.server.archive.service import DATASET
from arcsecond.server.archive.tables import LOST, blobs, datasets, files, places, versions
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.parsing import parse_uuid
from arcsecond.server.people.owned import find_own
from arcsecond.server.storage import Arrived, Incoming, Place, told_when_full
from arcsecond.server.storage.placed import Placed

TOGETHER = 200
PIECE = 1 << 20
SIGNATURE_BYTES = max(map(len, SIGNATURES))

Progress = Callable[["Taken"], None]


@dataclass(slots=True)
class Taken:
    """What was taken in.

    Attributes
    ----------
    files, size
        How many files there are, those that failed included, and how many bytes those have
        that are FITS.
    new, versions, renamed, unchanged
        How many are new; have other content than before; have another name than before; are
        as they were.
    damaged
        Files that are damaged, which are kept all the same, and what is wrong with them.
    gone, changed
        Paths of the dataset's files whose bytes are lost, because they are not there any more,
        or not as they were.
    failed
        Paths, and why they were not taken in.
    left_out
        Paths by why they are left out.
    """

    dataset: str
    files: int = 0
    size: int = 0
    new: int = 0
    versions: int = 0
    renamed: int = 0
    unchanged: int = 0
    damaged: list[tuple[str, str]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)


class Manner(NamedTuple):
    """How files are taken in.

    Attributes
    ----------
    in_place
        Whether they stay where they lie.
    jobs
        How many are read at a time.
    """

    in_place: bool = True
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    tags: Sequence[str] = ()
    replace: bool = False
    jobs: int = 4


def take_in(
    backend: Backend,
    viewer: Viewer,
    dataset: str,
    path: Path,
    manner: Manner,
    progress: Progress = lambda _: None,
) -> Taken:
    """Take a file or a folder into a dataset, each file under its path below the folder.

    What was taken in before in place and looks the same is not read again. One that has other
    content now becomes a new version; one that was renamed is renamed.

    Parameters
    ----------
    dataset
        UUID.

    Raises
    ------
    ArcsecondInputValueError
        The path is not there, or holds the data directory.
    NotFoundError
        There is no such dataset of the viewer's.
    NoSpaceError
        The disk is full; what was taken in before stays.
    """
    home, real = backend.settings.home.resolve(), path.resolve()
    if real.is_relative_to(home) or home.is_relative_to(real):
        raise ArcsecondInputValueError(f"{path} is not apart from the data directory {home}.")
    return _Taking(backend, viewer, dataset, manner, progress).take(path)


class _Read(NamedTuple):
    """A file that was read: its bytes, or why they are not taken in, or what else it is."""

    item: Item
    incoming: Incoming | None = None
    why: str = ""
    same: bool = False
    is_no_fits: bool = False


def _digest(file: FileIO) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()


class _Taking:
    """One way through a tree of files."""

    def __init__(
        self, backend: Backend, viewer: Viewer, dataset: str, manner: Manner, progress: Progress
    ) -> None:
        self._backend = backend
        self._viewer = viewer
        self._dataset = dataset
        self._uuid = parse_uuid(dataset, DATASET)
        self._manner = manner
        self._progress = progress
        self._taken = Taken(dataset)
        self._found = Found()
        self._root = ""

    def take(self, path: Path) -> Taken:
        with self._backend.db.read() as connection:
            action = "fitsfiles:create"
            find_own(connection, self._viewer, datasets, self._uuid, DATASET, action)
        manner, taken = self._manner, self._taken
        root = os.path.abspath(path)
        self._root = root if path.is_dir() else os.path.dirname(root)  # noqa: PTH120  # a text
        items = walk([path], self._found, manner.include, manner.exclude, copies=False)
        with ThreadPoolExecutor(manner.jobs, "arcsecond-reader") as pool:
            while some := list(islice(items, TOGETHER)):
                self._take_some(pool, some)
                self._progress(taken)
        taken.failed += self._found.unreadable
        taken.files += len(self._found.unreadable)
        taken.left_out = self._found.left_out
        if manner.in_place:
            broken = look(self._backend, root)
            lost = self._lost({one.blob for one in broken})
            for one in broken:
                if one.blob in lost:
                    (taken.changed if one.there else taken.gone).append(one.path)
        return taken

    def _lost(self, digests: Collection[str]) -> set[str]:
        """Return the digests that some file of the dataset has, and that are lost."""
        statement = (
            sa.select(versions.c.blob)
            .join(files, sa.and_(files.c.pk == versions.c.file, files.c.current == versions.c.n))
            .join(blobs, blobs.c.sha256 == versions.c.blob)
            .where(files.c.dataset == self._uuid, files.c.deleted_at.is_(None))
            .where(blobs.c.state == LOST)
        )
        with self._backend.db.read() as connection:
            return set(digests) & set(connection.scalars(statement))

    def _take_some(self, pool: ThreadPoolExecutor, some: Sequence[Item]) -> None:
        known = self._known(some)
        with self._backend.db.read() as connection:
            there = named_files(connection, self._uuid, {item.name for item in some})
        kept = self._kept({sha256 for _, sha256 in known.values()})
        fresh = [item for item in some if not _is_known(item, known, kept)]
        self._taken.unchanged += len(some) - len(fresh)
        read = list(pool.map(lambda item: self._read(item, there.get(item.name)), fresh))
        left = [one.item for one in read if one.is_no_fits]
        self._taken.files += len(some) - len(left)
        self._taken.size += sum(item.size for item in some) - sum(item.size for item in left)
        try:
            good = [(one.item, one.incoming) for one in read if one.incoming is not None]
            for one in read:
                if one.why:
                    self._taken.failed.append((one.item.path, one.why))
            self._taken.unchanged += sum(one.same for one in read)
            there |= self._rename(good, there)
            self._keep(good, there, known)
        finally:
            for one in read:
                if one.incoming is not None:
                    one.incoming.discard()

    def _known(self, some: Sequence[Item]) -> dict[str, tuple[Place, str]]:
        """Return what was known of some paths, with the digest."""
        if not self._manner.in_place:
            return {}
        statement = sa.select(places).where(places.c.path.in_([item.path for item in some]))
        with self._backend.db.read() as connection:
            return {
                row.path: (Place(row.path, row.size, row.changed_ns), row.blob)
                for row in connection.execute(statement)
            }

    def _kept(self, digests: Collection[str]) -> set[str]:
        """Return the digests that some file of the dataset has or had, and that are not lost.

        One that was renamed here, deleted or replaced by an upload is not taken in again.
        """
        statement = (
            sa.select(versions.c.blob)
            .join(files, files.c.pk == versions.c.file)
            .join(blobs, blobs.c.sha256 == versions.c.blob)
            .where(files.c.dataset == self._uuid, versions.c.blob.in_(digests))
            .where(blobs.c.state != LOST)
        )
        if not digests:
            return set()
        with self._backend.db.read() as connection:
            return set(connection.scalars(statement))

    def _read(self, item: Item, there: Named | None) -> _Read:
        """Work the digest of a file out; with a copy of it, where one is wanted."""
        try:
            if len(item.path.encode()) > LONGEST_PLACE:
                return _Read(item, why="its path is too long")
            if self._manner.in_place:
                _let_settle(item)
            with open(item.path, "rb", buffering=0) as file, told_when_full():
                if not (file.read(SIGNATURE_BYTES) or b"").startswith(SIGNATURES):
                    self._found.no_fits(item.path)
                    return _Read(item, is_no_fits=True)
                sha256 = _digest(file) if there or self._manner.in_place else ""
                if self._manner.in_place:
                    place = Place(item.path, item.size, item.changed_ns)
                    incoming: Incoming = Placed(place, sha256, self._backend.store.scratch)
                elif there and there.blob == sha256 and not there.lost:
                    return _Read(item, same=True)
                else:
                    incoming = self._copied(file)
                told = os.fstat(file.fileno())
        except UnicodeEncodeError:
            return _Read(item, why="its path is no text")
        except OSError as error:
            return _Read(item, why=reason(error))
        if (told.st_size, told.st_mtime_ns) == (item.size, item.changed_ns):
            return _Read(item, incoming)
        incoming.discard()
        return _Read(item, why=ChangedError().detail)

    def _copied(self, file: FileIO) -> Incoming:
        incoming = self._backend.store.receive()
        try:
            file.seek(0)
            while piece := file.read(PIECE):
                incoming.write(piece)
        except BaseException:
            incoming.discard()
            raise
        return incoming

    def _rename(
        self, good: Sequence[tuple[Item, Incoming]], there: Mapping[str, Named]
    ) -> dict[str, Named]:
        """Give files their new names whose bytes lay elsewhere in the tree before."""
        if not self._manner.in_place:
            return {}
        new = {incoming.sha256: item for item, incoming in good if item.name not in there}
        renamed: dict[str, Named] = {}
        for path, sha256 in self._elsewhere(list(new)):
            item = new[sha256]
            before = self._name_before(path)
            if not before or item.name in renamed or os.path.lexists(path):
                continue
            with self._backend.db.read() as connection:
                old = named_files(connection, self._uuid, [before]).get(before)
            if old is None or old.blob != sha256:
                continue
            change = FitsFileChange(name=item.name)
            update_file(self._backend, self._viewer, self._dataset, str(old.pk), change)
            with self._backend.db.write() as connection:
                connection.execute(sa.delete(places).where(places.c.path == path))
            renamed[item.name] = old
            self._taken.renamed += 1
            self._taken.unchanged -= 1  # counted when its place is recorded
        return renamed

    def _name_before(self, path: str) -> str:
        """Return the name of a file that lay in this tree; "" when it lay elsewhere."""
        inside = path.removeprefix(self._root + "/")
        return unicodedata.normalize("NFC", inside) if inside != path else ""

    def _elsewhere(self, digests: Sequence[str]) -> list[tuple[str, str]]:
        statement = sa.select(places.c.path, places.c.blob).where(places.c.blob.in_(digests))
        with self._backend.db.read() as connection:
            return [(path, blob) for path, blob in connection.execute(statement)]

    def _keep(
        self,
        good: Sequence[tuple[Item, Incoming]],
        there: Mapping[str, Named],
        known: Mapping[str, tuple[Place, str]],
    ) -> None:
        """Record what was read: files that are new or the same together, new versions alone."""
        together: list[tuple[Item, Incoming]] = []
        for item, incoming in good:
            old = there.get(item.name)
            ours = old and (old.lost or (item.path in known and known[item.path][1] == old.blob))
            if old is None or old.blob == incoming.sha256 or not (ours or self._manner.replace):
                together.append((item, incoming))
            else:
                self._replace(item, incoming, old)
        outcomes = self._added([Arrived(item.name, incoming) for item, incoming in together])
        for (item, _), outcome in zip(together, outcomes, strict=True):
            if isinstance(outcome, ArcsecondError):
                self._taken.failed.append((item.path, outcome.detail))
            elif outcome.new:
                self._taken.new += 1
                self._tell_damage(item, outcome.file.problems)
            else:
                self._taken.unchanged += 1

    def _added(self, arrived: Sequence[Arrived]) -> Sequence[Added | ArcsecondError]:
        change = FitsFileChange(tags=list(self._manner.tags))
        reserved = self._manner.in_place  # it takes no room here
        try:
            return add_files(
                self._backend, self._viewer, self._dataset, arrived, change, reserved=reserved
            )
        except FileNotFoundError:  # one of them changed since: which?
            if len(arrived) == 1:
                return [ChangedError()]
            return [outcome for one in arrived for outcome in self._added([one])]

    def _replace(self, item: Item, incoming: Incoming, old: Named) -> None:
        """Make a new version of a file."""
        try:
            file = update_file(
                self._backend,
                self._viewer,
                self._dataset,
                str(old.pk),
                FitsFileChange(),
                incoming,
                reserved=self._manner.in_place,
            )
        except ArcsecondError as error:
            self._taken.failed.append((item.path, error.detail))
        except FileNotFoundError:
            self._taken.failed.append((item.path, ChangedError().detail))
        else:
            self._taken.versions += 1
            self._tell_damage(item, file.problems)
            miss(self._backend, [old.blob])  # what lay there before may lie nowhere now

    def _tell_damage(self, item: Item, problems: Sequence[str]) -> None:
        if problems:
            self._taken.damaged.append((item.path, " ".join(problems)))


def _let_settle(item: Item) -> None:
    """Wait until a file is so old that it cannot change and look the same."""
    age_ns = time.time_ns() - item.changed_ns
    if 0 <= age_ns < FRESH_NS:
        time.sleep((FRESH_NS - age_ns) / 1e9)


def _is_known(item: Item, known: Mapping[str, tuple[Place, str]], kept: Collection[str]) -> bool:
    """Tell whether a file was taken in before, and looks as it did then."""
    place, sha256 = known.get(item.path, (None, ""))
    return sha256 in kept and place == Place(item.path, item.size, item.changed_ns)
