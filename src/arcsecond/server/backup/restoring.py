"""Make a data directory of a backup again, and find out whether that would work."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import sqlalchemy as sa

from arcsecond.errors import ArcsecondInputValueError, NoSpaceError
from arcsecond.server.archive.in_force import FILE as RULES
from arcsecond.server.archive.places import KnownPlaces
from arcsecond.server.archive.reindexing import index_all
from arcsecond.server.archive.tables import LIVE, LOST, blobs, places
from arcsecond.server.backup.copying import copy
from arcsecond.server.backup.making import (
    LEFT,
    MANIFEST,
    SECRET,
    SNAPSHOTS,
    Manifest,
    Progress,
    path_of,
)
from arcsecond.server.backup.rows import DAMAGE, dump, lines_of, load
from arcsecond.server.check import Finding, check
from arcsecond.server.context import Backend
from arcsecond.server.db import Database
from arcsecond.server.migrations import HEAD, REVISIONS
from arcsecond.server.settings import Settings
from arcsecond.server.storage import told_when_full
from arcsecond.server.storage.folder import FolderStore
from arcsecond.server.storage.placed import Nowhere

VERIFYING = ".verifying-"

DIGEST, LONGEST_SECRET = 64, 1 << 10
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(slots=True)
class Restored:
    """What a restore did.

    Attributes
    ----------
    missing
        Digests of bytes that the backup does not have, or not as they were. They are
        recorded as lost: sending the same file again brings them back.
    """

    snapshot: Path
    rows: int = 0
    blobs: int = 0
    bytes: int = 0
    missing: list[str] = field(default_factory=list)


def restore(
    settings: Settings,
    source: Path,
    snapshot: str = "",
    progress: Progress = lambda *_: None,
) -> Restored:
    """Fill an empty data directory, and an empty database, from a backup: bytes first, rows last.

    Parameters
    ----------
    snapshot
        Its name; the newest when none is given.

    Raises
    ------
    ArcsecondInputValueError
        There is no such snapshot, its rows are damaged, or what is to be filled is not empty.
    NoSpaceError
        The disk is full.
    """
    folder, manifest = open_snapshot(source, snapshot)
    if settings.home.exists() and any(settings.home.iterdir()):
        raise ArcsecondInputValueError(
            f"{settings.home} is not empty; set ARCSECOND_HOME to a folder that is."
        )
    _refuse_unknown(manifest)
    try:
        with told_when_full():
            wanted = _wanted(source, folder, manifest)
            missing = _restore(settings, source, folder, manifest, wanted, _copied, progress)
            with contextlib.closing(Database(settings)) as db:
                _mark(db, missing, wanted)
                index_all(_backend(settings, db, Nowhere()))
    except NoSpaceError:
        raise NoSpaceError(f"The disk of {settings.home} is full; remove what is there.") from None
    rows = sum(table.rows for table in manifest.tables.values())
    return Restored(folder, rows, len(wanted), sum(wanted.values()), missing)


def _refuse_unknown(manifest: Manifest) -> None:
    if manifest.revision not in REVISIONS:
        raise ArcsecondInputValueError(
            f"The backup was made by Arcsecond {manifest.version}, which is newer than this one."
        )


def open_snapshot(source: Path, name: str = "") -> tuple[Path, Manifest]:
    """Return a snapshot of a backup, the newest when none is named, and its manifest.

    Raises
    ------
    ArcsecondInputValueError
        There is none, or it is damaged: an older one is not taken in its place.
    """
    there = (source / SNAPSHOTS).glob("*")
    names = sorted(path.name for path in there if path.is_dir() and not path.name.startswith("."))
    if not names:
        raise ArcsecondInputValueError(f"{source} holds no backup.")
    if name and name not in names:
        raise ArcsecondInputValueError(
            f"There is no snapshot {name!r}; there are {', '.join(names[-5:])}."
        )
    folder = source / SNAPSHOTS / (name or names[-1])
    try:
        return folder, msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError, msgspec.ValidationError) as error:
        others = [other for other in names if other != folder.name]
        hint = f"Another one is {others[-1]}: name it by `--snapshot`." if others else ""
        raise ArcsecondInputValueError(
            f"The {MANIFEST} of {folder} is damaged, or not there.", hint=hint
        ) from error


Bring = Callable[[Path, Path], bool]


def _restore(
    settings: Settings,
    source: Path,
    folder: Path,
    manifest: Manifest,
    wanted: Mapping[str, int],
    bring: Bring,
    progress: Progress,
) -> list[str]:
    """Bring the bytes, then the rows that name them; returns digests of those that are missing."""
    total, done = sum(wanted.values()), 0
    missing: list[str] = []
    for sha256, size in wanted.items():
        path = path_of(settings.home, sha256)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not bring(path_of(source, sha256), path):
            missing.append(sha256)
        done += size
        progress(done, total)
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.secret_path.write_bytes(_secret(folder))
    settings.secret_path.chmod(0o600)
    if (folder / RULES).exists():
        shutil.copyfile(folder / RULES, settings.home / RULES)
    os.sync()  # no row may last that names bytes which do not
    _load_rows(settings, folder, manifest)
    return missing


def _load_rows(settings: Settings, folder: Path, manifest: Manifest) -> None:
    from alembic import command

    from arcsecond.server.migrations.upgrade import configuration, upgrade

    with contextlib.closing(Database(settings)) as db:
        if db.revision() is not None:
            raise ArcsecondInputValueError("The database is not empty; name one that is.")
        with db.exclusive():
            with db.write() as connection:  # all of it, or nothing
                config = configuration()
                config.attributes["connection"] = connection
                command.upgrade(config, manifest.revision)
                load(connection, folder, manifest.tables)
            upgrade(db)


def _secret(folder: Path) -> bytes:
    """Return the secret of a snapshot, by which keys and links are known."""
    try:
        with (folder / SECRET).open("rb") as file:
            if secret := file.read(LONGEST_SECRET):
                return secret
    except FileNotFoundError:
        pass
    raise ArcsecondInputValueError(f"The secret of {folder} is missing.")


def _left(folder: Path) -> list[str]:
    """Return the digests of what a snapshot left in place."""
    with gzip.open(folder / LEFT, "rt", encoding="ascii") as file:
        return list(iter(lambda: file.readline(DIGEST + 1).strip(), ""))


def _mark(db: Database, missing: Collection[str], named: Collection[str]) -> None:
    """Record as lost what is missing, and as there what was lost once and is in the backup.

    What was there and could not be copied is damaged: the place where it lies is not
    believed any more, whatever its size and time say.
    """
    with db.write() as connection:
        lost = set(connection.scalars(sa.select(blobs.c.sha256).where(blobs.c.state == LOST)))
        back = (lost & set(named)) - set(missing)
        for sha256 in set(missing) - lost:
            connection.execute(sa.delete(places).where(places.c.blob == sha256))
        for state, digests in ((LOST, missing), (LIVE, back)):
            for sha256 in digests:
                mine = blobs.c.sha256 == sha256
                connection.execute(sa.update(blobs).where(mine).values(state=state))


def _wanted(source: Path, folder: Path, manifest: Manifest) -> dict[str, int]:
    """Return digest and size of the bytes that belong to a snapshot."""
    try:
        used = {version["blob"] for version in lines_of(folder, "versions")}
        sizes = {blob["sha256"]: blob["size"] for blob in lines_of(folder, "blobs")}
        left = set(_left(folder)) if manifest.left else set()
    except DAMAGE as error:
        raise ArcsecondInputValueError(f"The rows of {folder} cannot be read: {error}.") from error
    for sha256, size in sizes.items():  # which name files: somebody else may have written them
        if not (isinstance(sha256, str) and _DIGEST.fullmatch(sha256)) or type(size) is not int:
            raise ArcsecondInputValueError(f"The rows of {folder} name bytes by no digest.")
    left &= sizes.keys()
    used -= {sha256 for sha256 in left if not path_of(source, sha256).exists()}
    return {sha256: size for sha256, size in sizes.items() if sha256 in used}


def _copied(source: Path, target: Path) -> bool:
    """Copy bytes; False when they are not there, or not what they were."""
    try:
        with source.open("rb") as file:
            return copy(file, target, target.name, target.parent)
    except FileNotFoundError:
        return False


def _linked(source: Path, target: Path) -> bool:
    """Point at the bytes of a backup: enough to look at them."""
    if not source.exists():
        return False
    target.symlink_to(source.resolve())
    return True


@dataclass(slots=True)
class Verified:
    """What came out when a backup was restored beside, and compared.

    Attributes
    ----------
    findings
        What is wrong with it.
    missing
        Digests of bytes that were lost already when it was made.
    """

    snapshot: Path
    rows: int = 0
    blobs: int = 0
    bytes: int = 0
    findings: list[Finding] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def verify(source: Path, snapshot: str = "", progress: Progress = lambda *_: None) -> Verified:
    """Restore a backup beside itself, read every byte of it, compare every row, and leave no trace.

    Raises
    ------
    ArcsecondInputValueError
        There is no such snapshot.
    """
    folder, manifest = open_snapshot(source, snapshot)
    _refuse_unknown(manifest)
    verified = Verified(folder, sum(one.rows for one in manifest.tables.values()))
    with _beside(source) as beside:
        settings = replace(Settings.from_environment({}), home=beside / "home", database_url="")
        try:
            wanted = _wanted(source, folder, manifest)
            missing = _restore(settings, source, folder, manifest, wanted, _linked, lambda *_: None)
        except ArcsecondInputValueError as error:
            verified.findings.append(Finding(str(folder), error.detail))
            return verified
        _compare(settings, manifest, wanted, verified, progress)
        known = set(manifest.missing)
        verified.missing = [sha256 for sha256 in missing if sha256 in known]
    return verified


@contextlib.contextmanager
def _beside(source: Path) -> Iterator[Path]:
    """Make a folder for as long as it is needed: in the backup, or where it may not be written.

    What one left that was killed goes, too.
    """
    for left in source.glob(f"{VERIFYING}*"):
        with contextlib.suppress(OSError), _held(left):
            shutil.rmtree(left, ignore_errors=True)
    try:
        beside = Path(tempfile.mkdtemp(dir=source, prefix=VERIFYING))
    except OSError:
        beside = Path(tempfile.mkdtemp(prefix=VERIFYING))
    try:
        with _held(beside):
            yield beside
    finally:
        shutil.rmtree(beside, ignore_errors=True)


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold a folder as one's own; BlockingIOError when it is somebody else's."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _backend(settings: Settings, db: Database, places: KnownPlaces | Nowhere) -> Backend:
    """Return what runs on a data directory, without anything in the background."""
    store = FolderStore(settings.home, places)
    return Backend(settings, db, store, settings.secret_path.read_bytes())


def _compare(
    settings: Settings,
    manifest: Manifest,
    wanted: Collection[str],
    verified: Verified,
    progress: Progress,
) -> None:
    with contextlib.closing(Database(settings)) as db:
        # What was left in place is looked at there; what was not has to be in the backup.
        backend = _backend(settings, db, KnownPlaces(db) if manifest.left else Nowhere())
        index_all(backend)
        if manifest.revision == HEAD:
            with db.stream() as connection:
                found = dump(connection, None)
            for table, told in manifest.tables.items():
                if found[table] != told:
                    problem = f"{found[table].rows} rows came back, and not as they were"
                    verified.findings.append(Finding(table, problem))
        _mark(db, manifest.missing, wanted)
        report = check(backend, progress=progress)
        verified.blobs, verified.bytes = report.blobs, report.bytes_read
        verified.findings += report.findings
