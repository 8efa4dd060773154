"""Make a data directory of a backup again, and find out whether that would work."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import sqlalchemy as sa

from arcsecond.errors import ArcsecondInputValueError, NoSpaceError
from arcsecond.server.archive.tables import LIVE, LOST, blobs
from arcsecond.server.backup.making import (
    MANIFEST,
    PIECE,
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
            missing = _restore(settings, source, folder, manifest, _copied, progress)
            db = Database(settings)
            try:
                _mark(db, missing, _named(folder))
            finally:
                db.close()
    except NoSpaceError:
        raise NoSpaceError(f"The disk of {settings.home} is full; remove what is there.") from None
    return Restored(folder, missing)


def _refuse_unknown(manifest: Manifest) -> None:
    if manifest.revision not in REVISIONS:
        raise ArcsecondInputValueError(
            f"The backup was made by Arcsecond {manifest.version}, which is newer than this one."
        )


def open_snapshot(source: Path, name: str = "") -> tuple[Path, Manifest]:
    """Return a snapshot of a backup, the newest when none is named, and its manifest."""
    names = sorted(
        path.name
        for path in (source / SNAPSHOTS).glob("*")
        if not path.name.startswith(".") and (path / MANIFEST).exists()
    )
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
        raise ArcsecondInputValueError(f"The manifest of {folder} is damaged.") from error


Bring = Callable[[Path, Path], bool]


def _restore(
    settings: Settings,
    source: Path,
    folder: Path,
    manifest: Manifest,
    bring: Bring,
    progress: Progress,
) -> list[str]:
    """Bring the bytes, then the rows that name them; returns digests of those that are missing."""
    wanted = _named(folder)
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
    shutil.copyfile(folder / SECRET, settings.secret_path)
    settings.secret_path.chmod(0o600)
    os.sync()  # no row may last that names bytes which do not
    _load_rows(settings, folder, manifest)
    return missing


def _load_rows(settings: Settings, folder: Path, manifest: Manifest) -> None:
    from alembic import command

    from arcsecond.server.migrations.upgrade import configuration, upgrade

    db = Database(settings)
    try:
        if db.revision() is not None:
            raise ArcsecondInputValueError("The database is not empty; name one that is.")
        with db.exclusive():
            with db.write() as connection:  # all of it, or nothing
                config = configuration()
                config.attributes["connection"] = connection
                command.upgrade(config, manifest.revision)
                load(connection, folder, manifest.tables)
            upgrade(db)
    finally:
        db.close()


def _mark(db: Database, missing: Collection[str], named: Collection[str]) -> None:
    """Record as lost what is missing, and as there what was lost once and is in the backup."""
    with db.write() as connection:
        lost = set(connection.scalars(sa.select(blobs.c.sha256).where(blobs.c.state == LOST)))
        back = (lost & set(named)) - set(missing)
        for state, digests in ((LOST, missing), (LIVE, back)):
            for sha256 in digests:
                mine = blobs.c.sha256 == sha256
                connection.execute(sa.update(blobs).where(mine).values(state=state))


def _named(folder: Path) -> dict[str, int]:
    """Return digest and size of the bytes that the rows of a snapshot name."""
    try:
        used = {version["blob"] for version in lines_of(folder, "versions")}
        sizes = {blob["sha256"]: blob["size"] for blob in lines_of(folder, "blobs")}
    except DAMAGE as error:
        raise ArcsecondInputValueError(f"The rows of {folder} cannot be read: {error}.") from error
    return {sha256: size for sha256, size in sizes.items() if sha256 in used}


def _copied(source: Path, target: Path) -> bool:
    """Copy bytes; False when they are not there, or not what they were."""
    digest = hashlib.sha256()
    try:
        with source.open("rb") as come, target.open("wb") as go:
            while piece := come.read(PIECE):
                digest.update(piece)
                go.write(piece)
    except FileNotFoundError:
        return False
    if digest.hexdigest() == target.name:
        return True
    target.unlink()
    return False


def _linked(source: Path, target: Path) -> bool:
    """Give the bytes of a backup a second name: enough to look at them."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        return False
    except OSError:
        shutil.copyfile(source, target)
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
    beside = Path(tempfile.mkdtemp(dir=source, prefix=".verifying-"))
    try:
        settings = replace(Settings.from_environment({}), home=beside / "home", database_url="")
        try:
            missing = _restore(settings, source, folder, manifest, _linked, lambda *_: None)
        except ArcsecondInputValueError as error:
            verified.findings.append(Finding(str(folder), error.detail))
            return verified
        _compare(settings, manifest, verified, progress)
        known = set(manifest.missing)
        verified.missing = [sha256 for sha256 in missing if sha256 in known]
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return verified


def _compare(
    settings: Settings, manifest: Manifest, verified: Verified, progress: Progress
) -> None:
    db = Database(settings)
    try:
        backend = Backend(
            settings, db, FolderStore(settings.home), settings.secret_path.read_bytes()
        )
        if manifest.revision == HEAD:
            with db.read() as connection:
                found = dump(connection, None)
            for table, told in manifest.tables.items():
                if found[table] != told:
                    problem = f"{found[table].rows} rows came back, and not as they were"
                    verified.findings.append(Finding(table, problem))
        _mark(db, manifest.missing, _named(verified.snapshot))
        report = check(backend, progress=progress)
        verified.blobs, verified.bytes = report.blobs, report.bytes_read
        verified.findings += report.findings
    finally:
        db.close()
