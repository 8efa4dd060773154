"""Archives that lie outside: registered where they are, read and never written."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from arcsecond.errors import (
    ArcsecondInputValueError,
    BytesLostError,
    NotFoundError,
    TooLargeError,
)
from arcsecond.schemas.archive import (
    DatasetChange,
    FileAsked,
    FilesAsked,
    FileTaken,
    FitsFileChange,
)
from arcsecond.server.app import open_backend
from arcsecond.server.archive import bulk, files, known, places, sweep
from arcsecond.server.archive.bulk import Manner, Taken, take_in
from arcsecond.server.archive.service import Datasets
from arcsecond.server.archive.tables import LIVE, LOST, blobs
from arcsecond.server.archive.tables import files as files_table
from arcsecond.server.archive.tables import places as places_table
from arcsecond.server.backup import back_up, export, restore, verify
from arcsecond.server.check import check
from arcsecond.server.context import Backend
from arcsecond.server.settings import Settings
from arcsecond.server.storage import Place, folder, placed
from tests.conftest import Command, add_file, fits_bytes, new_user

A, B, C = (fits_bytes((30, 30), OBJECT=name) for name in "abc")


class Archive:
    """A folder outside, a user, and a dataset that it is registered in."""

    def __init__(self, backend: Backend, root: Path) -> None:
        self.backend = backend
        self.root = root
        self.viewer, _ = new_user(backend)
        self.dataset = self.new_dataset("archive")

    def new_dataset(self, name: str) -> str:
        return Datasets().create(self.backend, self.viewer, DatasetChange(name=name)).uuid

    def write(self, name: str, content: bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (1_000_000_000, 1_000_000_000))
        return path

    def take(self, **manner: Any) -> Taken:
        return take_in(self.backend, self.viewer, self.dataset, self.root, Manner(**manner))

    def listed(self) -> dict[str, Any]:
        found = files.list_files(self.backend, self.viewer, self.dataset, {})
        return {file.name: file for _, file in found.rows(None, 1000)}

    def content(self, name: str, version: int | None = None) -> bytes:
        _, file = files.open_file(self.backend, self.viewer, self.dataset, name, version)
        with file:
            return file.read()

    def state(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        with self.backend.db.read() as connection:
            return str(connection.scalar(sa.select(blobs.c.state).where(blobs.c.sha256 == digest)))

    def is_whole(self) -> bool:
        return not check(self.backend).wrong


@pytest.fixture
def archive(backend: Backend, tmp_path: Path) -> Archive:
    made = Archive(backend, tmp_path / "outside")
    made.write("V/a.fits", A)
    made.write("R/a.fits", B)
    made.write("c.fits.gz", gzip.compress(C, mtime=0))
    return made


def changed(path: Path, content: bytes) -> None:
    """Write other content, some time later."""
    path.write_bytes(content)
    os.utime(path, (1_000_000_005, 1_000_000_005))


class TestRegistering:
    """Files stay where they lie."""

    def test_nothing_is_copied_and_all_of_it_is_there(self, archive: Archive) -> None:
        before = {path: path.stat().st_mtime_ns for path in archive.root.rglob("*")}
        taken = archive.take(tags=["old"])
        assert (taken.files, taken.new, taken.failed) == (3, 3, [])
        assert list(archive.backend.store.digests()) == []
        listed = archive.listed()
        assert {name: file.target for name, file in listed.items()} == {
            "V/a.fits": "a", "R/a.fits": "b", "c.fits.gz": "c",
        }  # fmt: skip
        assert listed["V/a.fits"].tags == ["old"]
        assert archive.content("V/a.fits") == A
        assert archive.content("c.fits.gz") == gzip.compress(C, mtime=0)
        assert {path: path.stat().st_mtime_ns for path in archive.root.rglob("*")} == before
        assert archive.is_whole()

    def test_what_looks_the_same_is_not_read_again(
        self, archive: Archive, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        archive.take()

        def digest(_file: object) -> str:
            raise AssertionError("read")

        monkeypatch.setattr(bulk, "_digest", digest)
        again = archive.take()
        assert (again.files, again.unchanged, again.new) == (3, 3, 0)

    def test_whoever_is_interrupted_goes_on(
        self, archive: Archive, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bulk, "TOGETHER", 1)

        def interrupt(taken: Taken) -> None:
            if taken.files == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            take_in(
                archive.backend, archive.viewer, archive.dataset, archive.root,
                Manner(), interrupt,
            )  # fmt: skip
        assert len(archive.listed()) == 2
        again = archive.take()
        assert (again.unchanged, again.new) == (2, 1)
        assert archive.is_whole()

    def test_what_is_left_out_and_what_fails(self, archive: Archive) -> None:
        archive.write("notes.txt", b"clouds")
        archive.write("empty.fits", b"")
        archive.write(".hidden.fits", A)
        archive.write("broken.fits", b"no FITS at all")
        (archive.root / "loop").symlink_to(archive.root)
        (archive.root / "alias").symlink_to(archive.root / "V")
        (archive.root / "linked.fits").symlink_to(archive.root / "R" / "a.fits")
        (archive.root / "nowhere.fits").symlink_to(archive.root / "none")
        archive.write("odd\udcff.fits".encode(errors="surrogateescape").decode("latin-1"), A)
        taken = archive.take(exclude=["c.*"])
        assert taken.new == 4
        assert taken.files == taken.new + len(taken.failed)
        assert {why: len(paths) for why, paths in taken.left_out.items()} == {
            "no FITS": 1, "empty": 1, "hidden": 1, "excluded": 1, "links to folders": 2,
        }  # fmt: skip
        assert sorted(Path(path).name for path, _ in taken.failed) == [
            "broken.fits", "nowhere.fits",
        ]  # fmt: skip

    def test_damaged_frames_are_kept_and_told(self, archive: Archive) -> None:
        archive.write("cut.fits", A[:-2000])
        taken = archive.take()
        assert taken.new == 4
        ((path, why),) = taken.damaged
        assert path.endswith("cut.fits")
        assert why

    def test_a_file_that_changes_while_it_is_read(
        self, archive: Archive, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        digest = bulk._digest

        def slow(file: Any) -> str:
            found = digest(file)
            if file.name.endswith("V/a.fits"):
                changed(Path(file.name), B)
            return found

        monkeypatch.setattr(bulk, "_digest", slow)
        taken = archive.take()
        assert [Path(path).name for path, _ in taken.failed] == ["a.fits"]
        assert "changed" in taken.failed[0][1]
        assert len(archive.listed()) == 2

    def test_a_file_that_changes_before_it_is_recorded(
        self, archive: Archive, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keep = bulk._Taking._keep

        def late(self: Any, *args: Any) -> None:
            changed(archive.root / "V" / "a.fits", B)
            keep(self, *args)

        monkeypatch.setattr(bulk._Taking, "_keep", late)
        taken = archive.take()
        assert [Path(path).name for path, _ in taken.failed] == ["a.fits"]
        assert sorted(archive.listed()) == ["R/a.fits", "c.fits.gz"]
        assert archive.is_whole()

    def test_the_data_directory_itself_is_refused(self, archive: Archive) -> None:
        home = archive.backend.settings.home
        for path in (home, home / "blobs", home.parent):
            with pytest.raises(ArcsecondInputValueError, match="not apart"):
                take_in(archive.backend, archive.viewer, archive.dataset, path, Manner())

    def test_they_take_no_room(self, archive: Archive) -> None:
        backend = archive.backend
        few = replace(backend, settings=replace(backend.settings, quota_bytes=len(A) * 2))
        archive.backend = few
        assert archive.take().new == 3
        incoming = few.store.receive()
        incoming.write(fits_bytes((31, 31)))
        add_file(few, archive.viewer, archive.dataset, "new.fits", incoming)
        incoming.discard()
        other = few.store.receive()
        other.write(fits_bytes((300, 300)))
        with pytest.raises(TooLargeError):
            add_file(few, archive.viewer, archive.dataset, "more.fits", other)
        other.discard()


class TestWatching:
    """What changes outside is seen, and never passed off as what it was."""

    @pytest.fixture(autouse=True)
    def _taken(self, archive: Archive) -> None:
        archive.take()

    def test_other_content_is_not_served_and_becomes_a_version(self, archive: Archive) -> None:
        pk = archive.listed()["V/a.fits"].pk
        changed(archive.root / "V" / "a.fits", C)
        with pytest.raises(BytesLostError):
            archive.content("V/a.fits")
        (broken,) = places.look(archive.backend)
        assert (Path(broken.path).name, broken.there) == ("a.fits", True)
        assert archive.state(A) == LOST
        taken = archive.take()
        assert (taken.versions, taken.unchanged, taken.changed) == (1, 2, [])
        assert archive.content("V/a.fits") == C
        file = archive.listed()["V/a.fits"]
        assert (file.pk, file.version) == (pk, 2)
        with pytest.raises(BytesLostError):
            archive.content("V/a.fits", 1)
        assert archive.is_whole()

    def test_another_time_alone_is_no_new_version(self, archive: Archive) -> None:
        changed(archive.root / "V" / "a.fits", A)
        assert archive.take().unchanged == 3
        assert archive.listed()["V/a.fits"].version == 1
        assert archive.content("V/a.fits") == A

    def test_what_is_gone_is_lost_until_it_is_back(self, archive: Archive) -> None:
        (archive.root / "V").rename(archive.root.parent / "away")
        (broken,) = places.look(archive.backend)
        assert not broken.there
        assert archive.state(A) == LOST
        assert archive.take().gone == [str(archive.root / "V" / "a.fits")]
        report = check(archive.backend)
        assert report.wrong == report.lost
        assert any("V/a.fits" in finding.where for finding in report.lost)
        (archive.root.parent / "away").rename(archive.root / "V")
        assert not places.look(archive.backend)
        assert archive.state(A) == LIVE
        assert archive.content("V/a.fits") == A

    def test_losses_of_other_datasets_are_not_told_here(
        self, archive: Archive, tmp_path: Path
    ) -> None:
        first, archive.dataset = archive.dataset, archive.new_dataset("another")
        archive.take(exclude=["V/*"])
        (archive.root / "V" / "a.fits").unlink()
        assert archive.take().gone == []
        archive.dataset = first
        assert archive.take().gone == [str(archive.root / "V" / "a.fits")]
        key = str(archive.listed()["V/a.fits"].pk)
        files.delete_file(archive.backend, archive.viewer, first, key)
        assert archive.take().gone == []

    def test_an_older_version_that_was_replaced_there_is_no_failure(
        self, archive: Archive, tmp_path: Path
    ) -> None:
        changed(archive.root / "V" / "a.fits", C[:-1] + b"1")
        archive.take()
        report = check(archive.backend)
        assert not report.wrong
        assert "version 1" in report.notes[0]
        made = back_up(archive.backend, tmp_path / "backup")
        assert (made.missing, len(made.gone)) == ([], 1)
        assert not verify(tmp_path / "backup").findings
        told = export(archive.backend, tmp_path / "export")
        assert (told.missing, len(told.gone)) == ([], 1)

    def test_a_folder_that_is_renamed(self, archive: Archive) -> None:
        pk = archive.listed()["V/a.fits"].pk
        (archive.root / "V").rename(archive.root / "visual")
        taken = archive.take()
        assert (taken.renamed, taken.new, taken.unchanged, taken.gone) == (1, 0, 2, [])
        assert archive.listed()["visual/a.fits"].pk == pk
        assert sorted(archive.listed()) == ["R/a.fits", "c.fits.gz", "visual/a.fits"]
        assert archive.content("visual/a.fits") == A

    def test_a_copy_elsewhere_serves_when_one_is_gone(self, archive: Archive) -> None:
        archive.write("copy/a.fits", A)
        assert archive.take().new == 1
        (archive.root / "V" / "a.fits").unlink()
        places.look(archive.backend)
        assert archive.state(A) == LIVE
        assert archive.content("V/a.fits") == A

    def test_bytes_that_rot_are_found_on_request_and_left_alone(self, archive: Archive) -> None:
        path = archive.root / "V" / "a.fits"
        told = path.stat()
        rotten = A[:3000] + b"?" + A[3001:]
        path.write_bytes(rotten)
        os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))
        assert archive.take().unchanged == 3  # it looks the same
        (finding,) = check(archive.backend).wrong
        assert "damaged" in finding.problem
        assert str(path) in finding.where
        check(archive.backend, repair=True)
        assert path.read_bytes() == rotten
        with pytest.raises(BytesLostError):
            archive.content("V/a.fits")
        assert archive.take().versions == 1
        assert archive.content("V/a.fits") == rotten
        assert archive.is_whole()

    def test_content_outside_is_nothing_that_a_sender_may_rely_on(self, archive: Archive) -> None:
        """It may change unseen: whoever sends the same keeps it here."""
        digest = hashlib.sha256(A).hexdigest()
        asked = [FileAsked(name="mine.fits", size=len(A), sha256=digest)]
        told = known.known(
            archive.backend, archive.viewer, archive.dataset, FilesAsked(files=asked)
        )
        assert told[0].state == known.UNKNOWN
        body = FileTaken(name="mine.fits", sha256=digest)
        with pytest.raises(NotFoundError):
            known.take(archive.backend, archive.viewer, archive.dataset, body)
        incoming = archive.backend.store.receive()
        incoming.write(A)
        add_file(archive.backend, archive.viewer, archive.dataset, "mine.fits", incoming)
        incoming.discard()
        shutil.rmtree(archive.root / "V")
        assert archive.content("mine.fits") == A
        assert archive.content("V/a.fits") == A

    def test_what_is_gone_is_not_said_to_be_there(self, archive: Archive) -> None:
        """Nobody has looked since."""
        asked = [FileAsked(name="V/a.fits", size=len(A), sha256=hashlib.sha256(A).hexdigest())]

        def state() -> str:
            body = FilesAsked(files=asked)
            return known.known(archive.backend, archive.viewer, archive.dataset, body)[0].state

        assert state() == known.SAME
        (archive.root / "V" / "a.fits").unlink()
        assert state() == known.UNKNOWN

    def test_sending_the_bytes_brings_back_what_was_lost(self, archive: Archive) -> None:
        (archive.root / "V" / "a.fits").unlink()
        places.look(archive.backend)
        incoming = archive.backend.store.receive()
        incoming.write(A)
        add_file(archive.backend, archive.viewer, archive.dataset, "V/a.fits", incoming)
        incoming.discard()
        assert archive.state(A) == LIVE
        assert archive.content("V/a.fits") == A

    def test_deleting_for_good_leaves_the_file_outside(
        self, archive: Archive, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        files.delete_file(archive.backend, archive.viewer, archive.dataset, "V/a.fits")
        monkeypatch.setattr(sweep, "TRASH", timedelta(0))
        monkeypatch.setattr(sweep, "DEATH", timedelta(0))
        sweep.sweep(archive.backend)
        assert sweep.sweep(archive.backend).unlinked + 1 >= 1
        with archive.backend.db.read() as connection:
            left = set(connection.scalars(sa.select(places_table.c.path)))
        assert str(archive.root / "V" / "a.fits") not in left
        assert len(left) == 2
        assert (archive.root / "V" / "a.fits").read_bytes() == A

    def test_the_name_of_a_file_that_was_uploaded_stays_its_own(self, archive: Archive) -> None:
        incoming = archive.backend.store.receive()
        incoming.write(B)
        add_file(archive.backend, archive.viewer, archive.dataset, "up.fits", incoming)
        incoming.discard()
        archive.write("up.fits", C)
        taken = archive.take()
        assert [Path(path).name for path, _ in taken.failed] == ["up.fits"]
        assert archive.content("up.fits") == B
        assert archive.take(replace=True).versions == 1
        assert archive.content("up.fits") == C
        assert archive.content("up.fits", 1) == B

    def test_what_was_done_to_it_here_stays_done(self, archive: Archive) -> None:
        """Renamed, deleted, replaced by an upload: the next time it is not taken in again."""
        pks = {name: file.pk for name, file in archive.listed().items()}
        backend, ann, dataset = archive.backend, archive.viewer, archive.dataset
        key = str(pks["V/a.fits"])
        files.update_file(backend, ann, dataset, key, FitsFileChange(name="M 31.fits"))
        files.delete_file(backend, ann, dataset, str(pks["R/a.fits"]))
        incoming = backend.store.receive()
        incoming.write(fits_bytes((9, 9)))
        key = str(pks["c.fits.gz"])
        files.update_file(backend, ann, dataset, key, FitsFileChange(), incoming)
        incoming.discard()
        taken = archive.take()
        assert (taken.unchanged, taken.new, taken.versions, taken.failed) == (3, 0, 0, [])
        assert sorted(archive.listed()) == ["M 31.fits", "c.fits.gz"]
        assert archive.listed()["c.fits.gz"].version == 2

    def test_a_file_that_changed_just_now_is_waited_for(
        self, archive: Archive, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In the same tick of its file system's clock it could change once more."""
        waits: list[float] = []
        path = archive.write("new.fits", fits_bytes((12, 12)))
        os.utime(path)

        def wait(seconds: float) -> None:
            waits.append(seconds)
            path.write_bytes(C)
            os.utime(path, (1_000_000_000, 1_000_000_000))

        monkeypatch.setattr(bulk.time, "sleep", wait)
        ((failed, why),) = archive.take().failed
        assert (failed, len(waits)) == (str(path), 1)
        assert 0 < waits[0] <= 2
        assert "changed" in why
        assert archive.take().new == 1

    def test_one_that_cannot_be_read_ends_no_check(
        self, archive: Archive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        opened = placed.open_as_it_was

        def refused(place: Place) -> Any:
            if place.path.endswith("V/a.fits"):
                raise FileNotFoundError(place.path)
            return opened(place)

        monkeypatch.setattr(folder, "open_as_it_was", refused)
        report = check(archive.backend)
        (finding,) = report.wrong
        assert "V/a.fits" in finding.where
        assert "cannot be read" in finding.problem
        assert report.blobs == 3
        with pytest.raises(BytesLostError):
            files.find_file(archive.backend, archive.viewer, archive.dataset, "V/a.fits")
        assert len(back_up(archive.backend, tmp_path / "backup").missing) == 1
        told = export(archive.backend, tmp_path / "export")
        assert len(told.missing) == 1
        assert told.written == 2

    def test_copies_are_kept_apart_from_it(self, archive: Archive, tmp_path: Path) -> None:
        for target in (archive.root, archive.root / "V", tmp_path):
            for copy in (back_up, export):
                with pytest.raises(ArcsecondInputValueError, match=r"holds|not apart"):
                    copy(archive.backend, target)  # type: ignore[operator]
        export(archive.backend, archive.root / "export")
        back_up(archive.backend, archive.root / "backup")
        taken = archive.take()
        assert (taken.new, taken.unchanged) == (0, 3)
        assert len(taken.left_out["backups and exports"]) == 2


class TestCopying:
    """Without --in-place."""

    def test_the_source_is_not_needed_any_more(self, archive: Archive) -> None:
        taken = archive.take(in_place=False)
        assert taken.new == 3
        assert archive.take(in_place=False).unchanged == 3
        shutil.rmtree(archive.root)
        assert archive.content("V/a.fits") == A
        assert archive.is_whole()
        assert not list((archive.backend.settings.home / "incoming").iterdir())


class TestBackups:
    """Bytes outside go along, or stay."""

    @pytest.fixture
    def target(self, tmp_path: Path) -> Path:
        return tmp_path / "backup"

    @pytest.fixture
    def restored(self, tmp_path: Path, target: Path) -> Iterator[Backend]:
        settings = Settings(home=tmp_path / "restored")
        restore(settings, target)
        backend = open_backend(settings)
        yield backend
        backend.db.close()

    def test_they_go_along(self, archive: Archive, target: Path, request: Any) -> None:
        archive.take()
        assert back_up(archive.backend, target).copied == 3
        shutil.rmtree(archive.root)
        assert not verify(target).findings
        archive.backend = request.getfixturevalue("restored")
        assert archive.content("V/a.fits") == A

    def test_they_stay(self, archive: Archive, target: Path, request: Any) -> None:
        archive.take()
        made = back_up(archive.backend, target, leave_in_place=True)
        assert (made.copied, made.left, made.missing) == (0, 3, [])
        assert not verify(target).findings
        archive.backend = request.getfixturevalue("restored")
        assert archive.content("V/a.fits") == A
        (archive.root / "V" / "a.fits").unlink()
        assert len(verify(target).findings) == 1

    def test_what_was_spoilt_there_stays_lost_until_it_is_taken_in_again(
        self, archive: Archive, target: Path, request: Any
    ) -> None:
        """Its size and time are as they were, its bytes are not."""
        archive.take()
        spoilt = archive.write("V/a.fits", A[:-1] + b"?")
        made = back_up(archive.backend, target)
        assert (made.copied, len(made.missing)) == (2, 1)
        archive.backend = request.getfixturevalue("restored")
        places.look(archive.backend)
        assert archive.state(A) == LOST
        assert check(archive.backend).findings == []
        archive.write("V/a.fits", A)
        assert spoilt.read_bytes() == A
        archive.viewer, _ = new_user(archive.backend, "again")
        archive.dataset = archive.new_dataset("again")
        archive.take()
        assert archive.state(A) == LIVE

    def test_what_is_here_alone_goes_along_all_the_same(
        self, archive: Archive, target: Path, request: Any
    ) -> None:
        """It was outside once, was lost there, and was sent again."""
        archive.take()
        (archive.root / "V" / "a.fits").unlink()
        (archive.root / "R" / "a.fits").unlink()
        places.look(archive.backend)
        incoming = archive.backend.store.receive()
        incoming.write(A)
        add_file(archive.backend, archive.viewer, archive.dataset, "V/a.fits", incoming)
        incoming.discard()
        made = back_up(archive.backend, target, leave_in_place=True)
        assert (made.copied, made.left, len(made.missing)) == (1, 1, 1)
        shutil.rmtree(archive.root)
        archive.backend = request.getfixturevalue("restored")
        assert archive.content("V/a.fits") == A


@pytest.mark.parametrize("place", ["embedded"], indirect=True)
def test_the_command(arcsecond: Command, tmp_path: Path) -> None:
    root = tmp_path / "Archive of 1999"
    for name, content in (("V/a.fits", A), ("b.fits", B), ("x.fits", b"none")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
        os.utime(root / name, (1_000_000_000, 1_000_000_000))
    done = arcsecond("server", "ingest", "--in-place", str(root), "--json")
    assert done.status == 1
    told = json.loads(done.out)
    assert (told["new"], len(told["failed"])) == (2, 1)
    assert "2 new, 1 failed" in done.err
    assert "x.fits: it is no FITS" in done.err
    (root / "x.fits").unlink()
    again = arcsecond("server", "ingest", "--in-place", str(root))
    assert (again.status, again.out) == (0, "")
    assert "2 as before" in again.err
    listed = arcsecond("datasets", "--json")
    assert [one["name"] for one in json.loads(listed.out)] == ["Archive of 1999"]
    assert arcsecond("server", "ingest", str(tmp_path / "none")).status == 2
    assert arcsecond("server", "ingest", str(root), "--user", "nobody").status == 1
    assert arcsecond("server", "check").status == 0
    changed(root / "b.fits", C)
    os.unlink(root / "V" / "a.fits")
    told = arcsecond("server", "check")
    assert told.status == 1
    for name, problem in (("b", "its file has changed where it lies"), ("V/a", "its bytes are")):
        assert re.search(rf"{name}\.fits.*in place at .*: {problem}", told.out), told.out


def test_many_are_gone_through_some_at_a_time(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "TOGETHER", 7)
    monkeypatch.setattr(places, "TOGETHER", 7)
    for n in range(40):
        archive.write(f"night {n % 5}/{n:03}.fits", fits_bytes(OBJECT=str(n)))
    assert archive.take().new == 43
    shutil.rmtree(archive.root / "night 1")
    assert len(archive.take().gone) == 8
    with archive.backend.db.read() as connection:
        count = sa.select(sa.func.count()).select_from(files_table)
        assert connection.scalar(count) == 43
