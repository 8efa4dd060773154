"""The archive as plain files: under their own names, with checksums, for whoever leaves."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from arcsecond.errors import ArcsecondInputValueError, NoSpaceError
from arcsecond.schemas.archive import DatasetChange, FitsFileChange
from arcsecond.server.archive import files
from arcsecond.server.archive.service import Datasets
from arcsecond.server.backup import export, exporting
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.tables import metadata
from tests.conftest import Command, add_file, fits_bytes, new_user

A, B, C = (fits_bytes((30, 30), OBJECT=name) for name in "abc")


def keep(backend: Backend, viewer: Viewer, dataset: str, name: str, content: bytes) -> int:
    incoming = backend.store.receive()
    incoming.write(content)
    try:
        return add_file(backend, viewer, dataset, name, incoming).pk
    finally:
        incoming.discard()


def replaced(backend: Backend, viewer: Viewer, dataset: str, pk: int, content: bytes) -> None:
    incoming = backend.store.receive()
    incoming.write(content)
    files.update_file(backend, viewer, dataset, str(pk), FitsFileChange(), incoming)
    incoming.discard()


class Archive:
    """Two users, datasets of one name, an older version, something in the trash."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.ann, self.key = new_user(backend)
        self.bob, _ = new_user(backend, "bob")
        self.first = self.new(self.ann, "Größe/M 31")
        self.second = self.new(self.ann, "Größe/M 31")
        self.third = self.new(self.bob, "..")
        pk = keep(backend, self.ann, self.first, "V/a b.fits", A)
        replaced(backend, self.ann, self.first, pk, B)
        keep(backend, self.ann, self.second, "V/a b.fits", A)
        keep(backend, self.bob, self.third, "c.fits", C)
        gone = keep(backend, self.bob, self.third, "gone.fits", A)
        files.delete_file(backend, self.bob, self.third, str(gone))

    def new(self, viewer: Viewer, name: str) -> str:
        return Datasets().create(self.backend, viewer, DatasetChange(name=name)).uuid

    def expected(self) -> dict[str, bytes]:
        ann, bob = self.ann.username, self.bob.username
        return {
            f"files/{ann}/Größe_M 31/V/a b.fits": B,
            f"versions/{ann}/Größe_M 31/V/a b.fits/1": A,
            f"files/{ann}/Größe_M 31 {self.second[:8]}/V/a b.fits": A,
            f"files/{bob}/_/c.fits": C,
        }


@pytest.fixture
def archive(backend: Backend) -> Archive:
    return Archive(backend)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "export"


def content(target: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(target)): path.read_bytes()
        for top in ("files", "versions")
        for path in (target / top).rglob("*")
        if path.is_file()
    }


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def checked(target: Path) -> int:
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=target, check=False
    )
    return done.returncode


def test_everything_is_there_under_its_own_name(archive: Archive, target: Path) -> None:
    told = export(archive.backend, target)
    assert (told.files, told.written, told.missing, told.strange) == (4, 4, [], [])
    assert content(target) == archive.expected()
    assert checked(target) == 0
    assert len((target / "SHA256SUMS").read_text().splitlines()) == 4


def test_records_go_along_and_secrets_do_not(archive: Archive, target: Path) -> None:
    export(archive.backend, target)
    written = {path.stem for path in (target / "records").iterdir()}
    derived = {name for name, table in metadata.tables.items() if table.info.get("derived")}
    assert written | exporting.KEPT_BACK | derived == set(metadata.tables)
    assert not written & derived
    assert not written & exporting.KEPT_BACK
    rows = lines(target / "records/datasets.jsonl")
    assert {row["uuid"] for row in rows} == {archive.first, archive.second, archive.third}
    text = "".join(path.read_text() for path in (target / "records").iterdir())
    assert archive.ann.username in text
    (key,) = archive.key.values()
    for secret in (key.removeprefix("Key "), archive.backend.secret.decode(), "argon2"):
        assert secret not in text
    rows = lines(target / "records/files.jsonl")
    assert sorted(row["path"] for row in rows) == ["V/a b.fits", "V/a b.fits", "c.fits"]
    assert len((target / "records/versions.jsonl").read_text().splitlines()) == 4


def test_an_export_is_gone_on_with(
    archive: Archive, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, copied = exporting.copy, []

    def interrupted(source: Any, path: Path, sha256: str, unfinished: Path) -> bool:
        if len(copied) == 2:
            raise KeyboardInterrupt
        copied.append(path)
        return copy(source, path, sha256, unfinished)

    monkeypatch.setattr(exporting, "copy", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export(archive.backend, target)
    assert len(content(target)) == 2
    monkeypatch.undo()
    assert export(archive.backend, target).written == 2
    assert content(target) == archive.expected()
    assert export(archive.backend, target).written == 0
    assert checked(target) == 0


def test_what_was_spoilt_there_is_written_again_and_the_rest_left_alone(
    archive: Archive, target: Path
) -> None:
    export(archive.backend, target)
    name = next(iter(archive.expected()))
    (target / name).write_bytes(b"?" * len(B))
    (target / "files" / "mine.txt").write_text("mine")
    told = export(archive.backend, target)
    assert told.written == 1
    assert told.strange == ["files/mine.txt"]
    assert (target / "files" / "mine.txt").read_text() == "mine"
    (target / "files" / "mine.txt").unlink()
    assert content(target) == archive.expected()


def test_a_file_of_the_name_of_a_folder(archive: Archive, target: Path) -> None:
    backend, ann = archive.backend, archive.ann
    pk = keep(backend, ann, archive.first, "V", C)
    other = keep(backend, ann, archive.first, "x", A)
    below = keep(backend, ann, archive.first, "x/y", B)
    folder = f"files/{ann.username}/Größe_M 31"
    for _ in range(2):
        told = export(backend, target)
        assert not told.strange
        assert not told.missing
        assert content(target) == archive.expected() | {
            f"{folder}/V ({pk}.1)": C, f"{folder}/x": A, f"{folder}/x_y ({below}.1)": B,
        }  # fmt: skip
        assert checked(target) == 0
    assert other < below


def test_names_that_differ_in_capitals_alone(archive: Archive, target: Path) -> None:
    """Many disks keep one of them."""
    keep(archive.backend, archive.ann, archive.first, "m.fits", A)
    pk = keep(archive.backend, archive.ann, archive.first, "M.fits", C)
    assert not export(archive.backend, target).missing
    folder = f"files/{archive.ann.username}/Größe_M 31"
    assert content(target)[f"{folder}/m.fits"] == A
    assert content(target)[f"{folder}/M.fits ({pk}.1)"] == C
    assert checked(target) == 0


def test_long_names_that_differ_in_capitals_alone(archive: Archive, target: Path) -> None:
    name = "é" * 60 + "/" + "ü" * 110
    keep(archive.backend, archive.ann, archive.first, f"{name}a.fits", A)
    keep(archive.backend, archive.ann, archive.first, f"{name}A.fits", C)
    assert not export(archive.backend, target).missing
    assert {A, C} <= set(content(target).values())
    assert checked(target) == 0


def test_nobody_else_reads_it(archive: Archive, target: Path) -> None:
    target.mkdir(mode=0o755)
    export(archive.backend, target)
    for name in ("files", "versions", "records"):
        assert (target / name).stat().st_mode & 0o077 == 0


def test_a_dataset_that_is_made_meanwhile(
    archive: Archive, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring = exporting._Export._bring

    def busy(self: Any, *args: Any) -> bool:
        dataset = archive.new(archive.bob, "meanwhile")
        keep(archive.backend, archive.bob, dataset, "new.fits", A)
        return bring(self, *args)

    monkeypatch.setattr(exporting._Export, "_bring", busy)
    assert export(archive.backend, target).files == 4
    assert content(target) == archive.expected()


def test_lost_bytes_are_told(archive: Archive, target: Path) -> None:
    archive.backend.store.delete(hashlib.sha256(C).hexdigest())
    told = export(archive.backend, target)
    assert told.missing == [f"files/{archive.bob.username}/_/c.fits"]
    assert checked(target) == 0


def test_damaged_bytes_are_not_written_as_if_they_were_not(
    archive: Archive, target: Path, backend: Backend
) -> None:
    digest = hashlib.sha256(C).hexdigest()
    path = backend.settings.home / "blobs" / digest[:2] / digest[2:4] / digest
    path.chmod(0o600)
    path.write_bytes(C[:-1] + b"?")
    assert len(export(backend, target).missing) == 1
    assert len(content(target)) == 3


def test_folders_that_cannot_be_used(archive: Archive, target: Path, backend: Backend) -> None:
    target.mkdir()
    (target / "mine").write_text("mine")
    with pytest.raises(ArcsecondInputValueError, match="no export"):
        export(backend, target)
    with pytest.raises(ArcsecondInputValueError, match="not apart"):
        export(backend, backend.settings.home / "export")
    with pytest.raises(ArcsecondInputValueError, match="cannot be used"):
        export(backend, target / "mine" / "below")


def test_a_full_disk(archive: Archive, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> bool:
        raise OSError(28, "No space left on device")

    export(archive.backend, target)
    sums = (target / "SHA256SUMS").read_text()
    keep(archive.backend, archive.ann, archive.first, "new.fits", C)
    monkeypatch.setattr(exporting, "copy", full)
    with pytest.raises(NoSpaceError, match="what was written stays"):
        export(archive.backend, target)
    assert (target / "SHA256SUMS").read_text() == sums
    assert checked(target) == 0


@pytest.mark.parametrize("place", ["embedded"], indirect=True)
def test_the_command(arcsecond: Command, tmp_path: Path, target: Path) -> None:
    (tmp_path / "a.fits").write_bytes(A)
    sent = arcsecond("upload", str(tmp_path / "a.fits"), "--dataset", "d", "--yes")
    assert sent.status == 0, sent.err
    done = arcsecond("server", "export", str(target), "--json")
    assert done.status == 0, done.err
    told = json.loads(done.out)
    assert (told["files"], told["written"]) == (1, 1)
    assert "1 file of 4.9 kB" in done.err or "1 file of" in done.err
    assert checked(target) == 0
