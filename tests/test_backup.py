"""Backups: made while everything runs, verified, restored on either database."""

from __future__ import annotations

import functools
import gzip
import json
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from arcsecond.errors import ArcsecondInputValueError, NoSpaceError
from arcsecond.server.app import open_backend
from arcsecond.server.archive import files
from arcsecond.server.archive.tables import LOST, blobs
from arcsecond.server.backup import back_up, making, restore, rows, verify
from arcsecond.server.backup.rows import dump
from arcsecond.server.check import check
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.migrations import HEAD
from arcsecond.server.people.service import read_key
from arcsecond.server.settings import Settings
from tests.conftest import DATABASES, Command, add_file, fits_bytes, new_user

NewSettings = Callable[[str], Settings]


def keep(backend: Backend, viewer: Viewer, dataset: str, name: str, content: bytes) -> None:
    incoming = backend.store.receive()
    incoming.write(content)
    add_file(backend, viewer, dataset, name, incoming)
    incoming.discard()


@pytest.fixture
def archive(backend: Backend) -> tuple[Backend, Viewer, str]:
    """A data directory with something in every table, and two frames."""
    from arcsecond.schemas.archive import DatasetChange
    from arcsecond.server.archive.service import Datasets

    viewer, _ = new_user(backend)
    dataset = Datasets().create(backend, viewer, DatasetChange(name="Größe 🔭", tags=["a"])).uuid
    keep(backend, viewer, dataset, "V/a.fits", fits_bytes(OBJECT="a"))
    keep(backend, viewer, dataset, "b.fits", fits_bytes((300, 300), OBJECT="b"))
    return backend, viewer, dataset


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "backup"


@pytest.fixture
def empty(new_database: Callable[[str], str], tmp_path: Path) -> Callable[[str], Settings]:
    """Return a function that gives a data directory and a database with nothing in them."""

    def make(database: str) -> Settings:
        home = tmp_path / f"restored-{database}"
        if database == "sqlite":
            return Settings(home=home)
        return Settings(home, new_database("template1"))

    return make


def digests(backend: Backend) -> dict[str, Any]:
    with backend.db.stream() as connection:
        return dump(connection, None)


@pytest.mark.parametrize("other", DATABASES)
def test_a_backup_comes_back_on_either_database(
    other: str, archive: tuple[Backend, Viewer, str], target: Path, empty: Callable[[str], Settings]
) -> None:
    backend, viewer, dataset = archive
    made = back_up(backend, target)
    assert (made.blobs, made.copied, made.missing) == (2, 2, [])
    assert verify(target).findings == []
    settings = empty(other)
    assert restore(settings, target).snapshot == made.snapshot
    restored = open_backend(settings)
    try:
        assert digests(restored) == digests(backend)
        assert restored.secret == backend.secret
        assert read_key(restored, viewer, "ann", "access") == read_key(
            backend, viewer, "ann", "access"
        )
        assert check(restored).findings == []
        file, content = files.open_file(restored, viewer, dataset, "V/a.fits")
        with content:
            assert content.read() == fits_bytes(OBJECT="a")
        assert file.target == "a"
        keep(restored, viewer, dataset, "c.fits", fits_bytes(OBJECT="c"))  # keys count on
        assert settings.secret_path.stat().st_mode & 0o777 == 0o600
    finally:
        restored.db.close()


def test_the_second_one_copies_what_is_new(
    archive: tuple[Backend, Viewer, str], target: Path
) -> None:
    backend, viewer, dataset = archive
    first = back_up(backend, target)
    keep(backend, viewer, dataset, "c.fits", fits_bytes(OBJECT="c"))
    second = back_up(backend, target)
    assert (second.blobs, second.copied) == (3, 1)
    assert second.rows > first.rows
    for snapshot, count in ((first.snapshot, 2), (second.snapshot, 3)):
        verified = verify(target, snapshot.name)
        assert (verified.findings, verified.blobs) == ([], count)
    assert verify(target).snapshot == second.snapshot


def test_what_comes_meanwhile_is_whole_or_not_there(
    archive: tuple[Backend, Viewer, str], target: Path
) -> None:
    backend, viewer, dataset = archive
    over = threading.Event()
    sent: list[int] = []

    def send() -> None:
        while not over.is_set():
            keep(backend, viewer, dataset, f"{len(sent)}.fits", fits_bytes(OBJECT=str(len(sent))))
            sent.append(1)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        for _ in range(4):
            assert back_up(backend, target).missing == []
    finally:
        over.set()
        thread.join()
    assert sent
    for folder in (target / "snapshots").iterdir():
        assert verify(target, folder.name).findings == []


def test_a_backup_that_was_cut_off_is_none(
    archive: tuple[Backend, Viewer, str], target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend, _, _ = archive
    copied: list[str] = []
    real = making._copied

    def dying(copying: Any, sha256: str, path: Path) -> bool:
        if copied:
            raise KeyboardInterrupt
        copied.append(sha256)
        return real(copying, sha256, path)

    with monkeypatch.context() as patch:
        patch.setattr(making, "_copied", dying)
        with pytest.raises(KeyboardInterrupt):
            back_up(backend, target)
    with pytest.raises(ArcsecondInputValueError, match="holds no backup"):
        verify(target)
    made = back_up(backend, target)
    assert made.copied == 1  # the other one was there
    assert [path.name for path in (target / "snapshots").iterdir()] == [made.snapshot.name]
    assert verify(target).findings == []


def test_what_is_damaged_is_told_and_not_taken(
    archive: tuple[Backend, Viewer, str], target: Path, empty: Callable[[str], Settings]
) -> None:
    backend, viewer, dataset = archive
    sha256 = files.read_file(backend, viewer, dataset, "b.fits").sha256
    path = backend.store.path(sha256)  # type: ignore[attr-defined]
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(5000)
        file.write(b"damage")
    made = back_up(backend, target)
    assert made.missing == [sha256]
    assert not making.path_of(target, sha256).exists()
    assert verify(target).findings == []  # it is as it was
    settings = empty("sqlite")
    restore(settings, target)
    restored = open_backend(settings)
    try:
        with restored.db.read() as connection:
            state = connection.scalar(sa.select(blobs.c.state).where(blobs.c.sha256 == sha256))
        assert state == LOST
        assert check(restored).findings == []
    finally:
        restored.db.close()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_is_lost_later_is_in_the_backup(
    archive: tuple[Backend, Viewer, str], target: Path, empty: Callable[[str], Settings]
) -> None:
    backend, viewer, dataset = archive
    back_up(backend, target)
    sha256 = files.read_file(backend, viewer, dataset, "b.fits").sha256
    backend.store.delete(sha256)
    check(backend, repair=True)
    assert back_up(backend, target).missing == []
    assert verify(target).findings == []
    settings = empty("sqlite")
    assert restore(settings, target).missing == []
    restored = open_backend(settings)
    try:
        assert check(restored).findings == []
        with files.open_file(restored, viewer, dataset, "b.fits")[1] as content:
            assert content.read() == fits_bytes((300, 300), OBJECT="b")
    finally:
        restored.db.close()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_an_older_snapshot_is_not_taken_for_the_newest(
    archive: tuple[Backend, Viewer, str], target: Path, empty: Callable[[str], Settings]
) -> None:
    """Where the newest lacks its manifest, whoever restores has to say which one is meant."""
    first, second = back_up(archive[0], target), back_up(archive[0], target)
    (second.snapshot / "manifest.json").unlink()
    settings = empty("sqlite")
    for use in (verify, functools.partial(restore, settings)):
        with pytest.raises(ArcsecondInputValueError, match=second.snapshot.name) as refused:
            use(target)
        assert first.snapshot.name in refused.value.hint
    assert not settings.sqlite_path.exists()
    assert verify(target, first.snapshot.name).findings == []


@pytest.mark.parametrize("damage", ["bytes", "missing", "rows", "less", "gone", "cut", "manifest"])
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_damaged_backup_is_found_out(
    damage: str, archive: tuple[Backend, Viewer, str], target: Path,
    empty: Callable[[str], Settings],
) -> None:  # fmt: skip
    backend, viewer, dataset = archive
    made = back_up(backend, target)
    blob = making.path_of(target, files.read_file(backend, viewer, dataset, "b.fits").sha256)
    lines_of = made.snapshot / "files.jsonl.gz"
    match damage:
        case "bytes":
            content = bytearray(blob.read_bytes())
            content[5000] ^= 1
            blob.write_bytes(content)
        case "missing":
            blob.unlink()
        case "rows":
            lines = gzip.decompress(lines_of.read_bytes()).replace(b"b.fits", b"c.fits")
            lines_of.write_bytes(gzip.compress(lines))
        case "less":
            lines = gzip.decompress(lines_of.read_bytes()).splitlines(keepends=True)[0]
            lines_of.write_bytes(gzip.compress(lines))
        case "gone":
            (made.snapshot / "headers.jsonl.gz").unlink()
        case "cut":
            lines_of.write_bytes(lines_of.read_bytes()[:-20])
        case "manifest":
            (made.snapshot / "manifest.json").write_bytes(b"{")
    if damage == "manifest":
        with pytest.raises(ArcsecondInputValueError, match="manifest"):
            verify(target)
        return
    assert verify(target).findings
    assert not [path for path in target.iterdir() if path.name.startswith(".verifying")]
    if damage in ("bytes", "missing"):  # the rest comes back all the same
        settings = empty("sqlite")
        assert restore(settings, target).missing == [blob.name]
        restored = open_backend(settings)
        try:
            assert check(restored).findings == []
            with files.open_file(restored, viewer, dataset, "V/a.fits")[1] as content:
                assert content.read() == fits_bytes(OBJECT="a")
        finally:
            restored.db.close()
    else:
        with pytest.raises(ArcsecondInputValueError, match="rows"):
            restore(empty("sqlite"), target)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_is_not_empty_stays_as_it_is(
    archive: tuple[Backend, Viewer, str], target: Path, settings: Settings, tmp_path: Path
) -> None:
    backend, _, _ = archive
    back_up(backend, target)
    before = digests(backend)
    with pytest.raises(ArcsecondInputValueError, match="is not empty"):
        restore(settings, target)
    assert digests(backend) == before
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("mine")
    with pytest.raises(ArcsecondInputValueError, match="no backup"):
        back_up(backend, other)
    for inside in (settings.home / "backup", settings.home, settings.home.parent):
        with pytest.raises(ArcsecondInputValueError, match="apart"):
            back_up(backend, inside)
    with pytest.raises(ArcsecondInputValueError, match="There is no snapshot"):
        verify(target, "yesterday")


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_database_that_is_in_use_is_not_filled(
    archive: tuple[Backend, Viewer, str], target: Path, tmp_path: Path, settings: Settings
) -> None:
    backend, _, _ = archive
    back_up(backend, target)
    with pytest.raises(ArcsecondInputValueError, match="database is not empty"):
        restore(replace(settings, home=tmp_path / "elsewhere"), target)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_backup_of_a_newer_release(
    archive: tuple[Backend, Viewer, str], target: Path, empty: Callable[[str], Settings]
) -> None:
    backend, _, _ = archive
    made = back_up(backend, target)
    manifest = json.loads((made.snapshot / "manifest.json").read_bytes())
    assert manifest["revision"] == HEAD
    manifest |= {"revision": "9999", "version": "99.0"}
    (made.snapshot / "manifest.json").write_text(json.dumps(manifest))
    for act in (lambda: verify(target), lambda: restore(empty("sqlite"), target)):
        with pytest.raises(ArcsecondInputValueError, match="newer"):
            act()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_full_disk_leaves_what_was_there(
    archive: tuple[Backend, Viewer, str], target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    backend, viewer, dataset = archive
    first = back_up(backend, target)
    keep(backend, viewer, dataset, "c.fits", fits_bytes(OBJECT="c"))

    def full(*_: Any) -> bool:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(making, "_copied", full)
        with pytest.raises(NoSpaceError, match="is full"):
            back_up(backend, target)
    assert verify(target).snapshot == first.snapshot
    assert verify(target).findings == []


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("place", ["embedded"], indirect=True)
def test_on_the_command_line(
    arcsecond: Command, frame: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert arcsecond("upload", str(frame), "--dataset", "d", "--quiet").status == 0
    made = arcsecond("server", "backup", str(tmp_path / "b"))
    assert made.status == 0, made.err
    assert Path(made.out.strip()).is_dir()
    assert "1 of them" in made.err
    verified = arcsecond("server", "verify", str(tmp_path / "b"))
    assert (verified.status, "nothing is wrong" in verified.err) == (0, True)
    refused = arcsecond("server", "restore", str(tmp_path / "b"))
    assert (refused.status, "not empty" in refused.err) == (2, True)
    from arcsecond.client.embedded import close_all

    close_all()
    monkeypatch.setenv("ARCSECOND_HOME", str(tmp_path / "again"))
    assert arcsecond("server", "restore", str(tmp_path / "b")).status == 0
    assert len(arcsecond("fitsfiles", arcsecond("datasets", "--quiet").out.strip()).json) == 1
    for path in (tmp_path / "b" / "blobs").rglob("*"):
        if path.is_file():
            path.write_bytes(b"x")
    broken = arcsecond("server", "verify", str(tmp_path / "b"))
    assert (broken.status, "damaged" in broken.out) == (1, True)
    close_all()
    monkeypatch.setenv("ARCSECOND_HOME", str(tmp_path / "third"))
    restored = arcsecond("server", "restore", str(tmp_path / "b"))
    assert restored.status == 1
    assert f"file 1 ({frame.name})" in restored.err
    assert "recorded as lost" in restored.err


def test_what_is_spoilt_in_the_backup_is_copied_again(
    archive: tuple[Backend, Viewer, str], target: Path
) -> None:
    """But only when somebody wants it to be read."""
    backend, _, _ = archive
    back_up(backend, target)
    path = next(path for path in (target / "blobs").rglob("*") if path.is_file())
    size = path.stat().st_size
    path.chmod(0o600)
    path.write_bytes(bytes(size))
    assert len(verify(target).findings) == 1
    assert back_up(backend, target).copied == 0
    assert back_up(backend, target, recheck=True).copied == 1
    assert not verify(target).findings


def test_leftovers_go(archive: tuple[Backend, Viewer, str], target: Path) -> None:
    backend, _, _ = archive
    back_up(backend, target)
    (target / ".unfinished" / "tmp123").write_bytes(b"half")
    (target / ".unfinished" / "2026-11-22").mkdir()
    beside = target / ".verifying-killed"
    (beside / "home").mkdir(parents=True)
    back_up(backend, target)
    assert not list((target / ".unfinished").iterdir())
    verify(target)
    assert not beside.exists()


def test_a_backup_that_may_only_be_read_is_verified(
    archive: tuple[Backend, Viewer, str], target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    backend, _, _ = archive
    back_up(backend, target)
    made = tempfile.mkdtemp

    def refused(*args: Any, dir: Path | None = None, **kwargs: Any) -> str:
        if dir == target:
            raise PermissionError(13, "Read-only file system")
        return made(*args, dir=dir, **kwargs)

    monkeypatch.setattr(tempfile, "mkdtemp", refused)
    before = sorted(target.rglob("*"))
    assert not verify(target).findings
    assert sorted(target.rglob("*")) == before


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("table", "line", "why"),
    [
        ("blobs", b'{"sha256": "/tmp/elsewhere", "size": 1}', "no digest"),
        ("blobs", b'{"sha256": "aa/../../../elsewhere", "size": 1}', "no digest"),
        ("blobs", b'{"sha256": 5, "size": 1}', "no digest"),
        ("blobs", b'{"sha256": "' + b"a" * 64 + b'", "size": "1"}', "no digest"),
        ("blobs", b'{"size": 1}', "cannot be read"),
        ("blobs", b"no JSON", "cannot be read"),
        ("blobs", b"[1]", "cannot be read"),
        ("versions", b"[" * 5_000, "cannot be read"),
        ("files", b"[1]", "are damaged"),
        ("files", b"no JSON", "are damaged"),
        ("files", b'{"pk": 1}', "are damaged"),
        ("files", b'{"pk": 170141183460469231731687303715884105728}', "are damaged"),
        ("files", b'{"pk": "\xff"}', "are damaged"),
        ("datasets", b'{"uuid": "x"}', "are damaged"),
    ],
)
def test_a_backup_that_somebody_else_wrote(
    table: str, line: bytes, why: str, archive: tuple[Backend, Viewer, str], target: Path,
    empty: Callable[[str], Settings], tmp_path: Path,
) -> None:  # fmt: skip
    made = back_up(archive[0], target)
    path = made.snapshot / f"{table}.jsonl.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + line + b"\n"))
    before = sorted(tmp_path.rglob("*"))
    (finding,) = verify(target).findings
    assert why in finding.problem
    assert sorted(tmp_path.rglob("*")) == before
    with pytest.raises(ArcsecondInputValueError, match=why):
        restore(empty("sqlite"), target)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_backup_without_its_secret_or_with_a_row_that_never_ends(
    archive: tuple[Backend, Viewer, str], target: Path, empty: Callable[[str], Settings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    made = back_up(archive[0], target)
    secret = (made.snapshot / "secret").read_bytes()
    (made.snapshot / "secret").unlink()
    with pytest.raises(ArcsecondInputValueError, match=r"secret of .* is missing"):
        restore(empty("sqlite"), target)
    (made.snapshot / "secret").write_bytes(secret)
    monkeypatch.setattr(rows, "LONGEST_LINE", 100)
    assert "longer than a row can be" in verify(target).findings[0].problem
