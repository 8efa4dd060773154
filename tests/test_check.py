"""``server check``: finds what is wrong, mends what it can, deletes nothing."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from arcsecond.errors import ArcsecondNotLoggedInError, BytesLostError
from arcsecond.schemas.archive import DatasetChange, FitsFile, FitsFileChange
from arcsecond.schemas.records import NightLogChange
from arcsecond.server.app import open_backend
from arcsecond.server.archive import files
from arcsecond.server.archive.bulk import Manner, take_in
from arcsecond.server.archive.index.tables import entries, numbers, terms
from arcsecond.server.archive.search.asking import search
from arcsecond.server.archive.service import Datasets
from arcsecond.server.archive.sweep import sweep
from arcsecond.server.archive.tables import blobs, datasets, headers, versions
from arcsecond.server.archive.tables import files as files_table
from arcsecond.server.check import Report, check
from arcsecond.server.context import Backend
from arcsecond.server.db import now
from arcsecond.server.people import service as people
from arcsecond.server.people.keys import viewer_with_key
from arcsecond.server.people.tables import keys, users
from arcsecond.server.records.service import NightLogs
from arcsecond.server.records.tables import night_logs
from tests.conftest import Command, add_file, fits_bytes, new_user


class Archive:
    """A user with a dataset, on a backend."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.ann, _ = new_user(backend)
        self.dataset = Datasets().create(backend, self.ann, DatasetChange(name="d")).uuid

    def add(self, name: str = "a.fits", **cards: Any) -> FitsFile:
        incoming = self.incoming(**cards)
        file = add_file(self.backend, self.ann, self.dataset, name, incoming)
        incoming.discard()
        return file

    def incoming(self, **cards: Any) -> Any:
        incoming = self.backend.store.receive()
        incoming.write(fits_bytes(**cards))
        return incoming

    def blob(self, file: FitsFile) -> Path:
        return self.backend.store.path(file.sha256)  # type: ignore[attr-defined]

    def read(self, file: FitsFile) -> FitsFile:
        return files.read_file(self.backend, self.ann, self.dataset, str(file.pk))

    def content(self, file: FitsFile) -> bytes:
        _, content = files.open_file(self.backend, self.ann, self.dataset, str(file.pk))
        with content:
            return content.read()

    def check(self, **options: Any) -> Report:
        return check(self.backend, **options)

    def is_well(self) -> bool:
        report = self.check()
        return not report.findings and not report.notes

    @contextlib.contextmanager
    def breaking(self) -> Iterator[sa.Connection]:
        """Write what no constraint allows, as a damaged disk would."""
        with self.backend.db.engine.connect() as connection:
            if self.backend.db.local:
                connection.exec_driver_sql("COMMIT")
                connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.exec_driver_sql("SET session_replication_role = replica")
            yield connection
            connection.commit()
            connection.invalidate()


@pytest.fixture
def archive(backend: Backend) -> Archive:
    return Archive(backend)


def rows(archive: Archive) -> list[dict[str, Any]]:
    path = archive.backend.settings.home / "quarantine" / "rows.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_sound_archive_has_nothing_wrong(archive: Archive) -> None:
    archive.add()
    archive.add("b.fits", OBJECT="M 31")
    report = archive.check()
    assert (report.findings, report.notes) == ([], [])
    assert report.blobs == 2
    assert report.bytes_read == 2 * len(fits_bytes())
    assert report.references > 8
    assert not (archive.backend.settings.home / "quarantine").exists()


@pytest.mark.parametrize("quick", [False, True])
def test_missing_bytes_are_found_and_named(archive: Archive, quick: bool) -> None:
    file = archive.add()
    archive.blob(file).unlink()
    (finding,) = archive.check(quick=quick).wrong
    assert finding.where == f"file {file.pk} (a.fits)"
    assert finding.problem == "its bytes are missing"


def test_a_lost_file_says_so_and_comes_back_when_it_is_sent_again(archive: Archive) -> None:
    file = archive.add()
    archive.blob(file).unlink()
    (finding,) = archive.check(repair=True).wrong
    assert "; marked as lost" in finding.problem
    again = archive.check()
    assert again.findings == []
    assert again.wrong == again.lost
    assert "lost" in again.lost[0].problem
    assert "missing on the server" in archive.read(file).problems[0]
    with pytest.raises(BytesLostError, match=r"a\.fits"):
        archive.content(file)
    archive.add()
    assert archive.content(file) == fits_bytes()
    assert archive.read(file).problems == []
    assert archive.is_well()


def test_replacing_a_lost_file_by_itself_brings_it_back(archive: Archive) -> None:
    file = archive.add()
    archive.blob(file).unlink()
    archive.check(repair=True)
    incoming = archive.incoming()
    files.update_file(
        archive.backend, archive.ann, archive.dataset, str(file.pk), FitsFileChange(), incoming
    )
    incoming.discard()
    assert archive.is_well()
    assert archive.read(file).version == 1


def test_lost_bytes_that_are_back_by_themselves_are_used_again(archive: Archive) -> None:
    file = archive.add()
    content = archive.blob(file).read_bytes()
    archive.blob(file).unlink()
    archive.check(repair=True)
    archive.blob(file).write_bytes(content)
    assert [f.problem for f in archive.check().wrong] == [
        "its bytes were lost, and are there again"
    ]
    assert not archive.check(repair=True).wrong
    assert archive.is_well()


def test_a_flipped_bit_is_found_and_kept(archive: Archive) -> None:
    file = archive.add()
    path = archive.blob(file)
    damaged = bytearray(path.read_bytes())
    damaged[3000] ^= 1
    path.write_bytes(damaged)
    assert archive.check(quick=True).findings == []  # that is what quick leaves out
    assert "damaged" in archive.check().wrong[0].problem
    (finding,) = archive.check(repair=True).findings
    kept = archive.backend.settings.home / "quarantine" / file.sha256
    assert kept.read_bytes() == damaged
    assert str(kept) in finding.problem
    assert not path.exists()
    again = archive.check()
    assert again.wrong == again.lost


def test_a_truncated_blob_is_found_quickly(archive: Archive) -> None:
    file = archive.add()
    with archive.blob(file).open("r+b") as opened:
        opened.truncate(100)
    assert "damaged" in archive.check(quick=True).wrong[0].problem


def test_misplaced_bytes_are_put_back(archive: Archive) -> None:
    file = archive.add()
    elsewhere = archive.backend.settings.home / "blobs" / "moved" / file.sha256
    elsewhere.parent.mkdir()
    archive.blob(file).rename(elsewhere)
    (finding,) = archive.check(repair=True).findings
    assert finding.mended == "whole ones put back"
    assert archive.content(file) == fits_bytes()
    assert archive.is_well()


def test_bytes_without_a_row_are_a_note(archive: Archive) -> None:
    incoming = archive.incoming(OBJECT="nobody's")
    incoming.finish()
    incoming.keep()
    report = archive.check()
    assert report.findings == []
    assert report.notes == ["1 blob without a row: the sweeper takes them."]
    sweep(archive.backend)
    assert archive.is_well()


def test_bytes_that_nobody_needs_are_not_missed(archive: Archive) -> None:
    incoming = archive.incoming(OBJECT="nobody's")
    incoming.finish()
    incoming.keep()
    sweep(archive.backend)
    archive.backend.store.delete(incoming.sha256)
    assert archive.is_well()


def test_a_wrong_size_is_corrected(archive: Archive) -> None:
    file = archive.add()
    with archive.backend.db.write() as connection:
        connection.execute(sa.update(blobs).values(size=1))
    assert "its size is recorded as 1" in archive.check().wrong[0].problem
    archive.check(repair=True)
    assert archive.read(file).size == len(fits_bytes())
    assert archive.is_well()


def test_missing_headers_are_read_again(archive: Archive) -> None:
    file = archive.add(OBJECT="M 31")
    with archive.backend.db.write() as connection:
        connection.execute(sa.delete(headers))
    assert archive.check().wrong[0].problem == "0 of its 1 headers are there"
    archive.check(repair=True)
    assert archive.read(file).hdus[0].header is not None
    assert archive.read(file).hdus[0].header["OBJECT"] == "M 31"
    assert archive.is_well()


def test_a_file_without_its_version_takes_the_newest(archive: Archive) -> None:
    file = archive.add()
    with archive.backend.db.write() as connection:
        connection.execute(sa.update(files_table).values(current=7))
    assert archive.check().wrong[0].problem == "its version 7 is not there"
    archive.check(repair=True)
    assert archive.read(file).version == 1
    assert archive.is_well()


def test_a_file_without_any_version_goes_into_quarantine(archive: Archive) -> None:
    file = archive.add()
    with archive.backend.db.write() as connection:
        connection.execute(sa.delete(headers))
        connection.execute(sa.delete(versions))
    (finding,) = archive.check(repair=True).findings
    assert finding.mended == "moved into quarantine"
    (kept,) = rows(archive)
    assert (kept["table"], kept["row"]["path"], kept["row"]["pk"]) == ("files", "a.fits", file.pk)
    assert archive.blob(file).exists()
    assert archive.check().findings == []


def test_a_file_that_outlived_its_dataset_is_deleted_with_it(archive: Archive) -> None:
    file = archive.add()
    Datasets().delete(archive.backend, archive.ann, archive.dataset)
    with archive.backend.db.write() as connection:
        connection.execute(sa.update(files_table).values(deleted_at=None))
    assert archive.check().wrong[0].where == f"file {file.pk} (a.fits)"
    archive.check(repair=True)
    assert archive.is_well()


def test_a_file_without_its_dataset_gets_one(archive: Archive) -> None:
    file = archive.add()
    with archive.breaking() as connection:
        connection.execute(sa.delete(datasets))
    assert "is not among the datasets" in archive.check().wrong[0].problem
    archive.check(repair=True)
    assert archive.content(file) == fits_bytes()
    assert Datasets().read(archive.backend, archive.ann, archive.dataset).name == "Recovered files"
    assert archive.is_well()


def test_several_rows_that_lack_the_same_get_it_once(archive: Archive) -> None:
    """A dataset of several files, a blob of two, a user with several datasets."""
    two = [archive.add(name) for name in ("a.fits", "b.fits")]
    archive.add("c.fits", OBJECT="c")
    other = Datasets().create(archive.backend, archive.ann, DatasetChange(name="e")).uuid
    with archive.breaking() as connection:
        connection.execute(sa.delete(datasets).where(datasets.c.uuid == UUID(archive.dataset)))
        connection.execute(sa.delete(blobs).where(blobs.c.sha256 == two[0].sha256))
        connection.execute(sa.delete(users))
    report = archive.check(repair=True)
    assert not report.wrong
    assert archive.check().findings == []
    with archive.backend.db.read() as connection:
        made = connection.execute(sa.select(datasets.c.uuid, datasets.c.name)).all()
        assert {(str(row.uuid), row.name) for row in made} == {
            (archive.dataset, "Recovered files"), (other, "e")
        }  # fmt: skip
        assert connection.scalar(sa.select(sa.func.count()).select_from(files_table)) == 3


def test_bytes_whose_versions_are_missing_are_kept(archive: Archive) -> None:
    """The sweeper would take them a day later: no row says any more whose they are."""
    file = archive.add()
    content = archive.blob(file).read_bytes()
    with archive.breaking() as connection:
        connection.execute(sa.delete(headers))
        connection.execute(sa.delete(versions))
    assert any("1 blob that no file has" in note for note in archive.check().notes)
    sweep(archive.backend)  # which marks them, and would take them a day later
    report = archive.check(repair=True)
    assert any("copied into quarantine" in note for note in report.notes)
    assert (archive.backend.settings.home / "quarantine" / file.sha256).read_bytes() == content


def test_an_index_that_lacks_words_or_numbers_is_made_anew(archive: Archive) -> None:
    for name in ("a.fits", "b.fits"):
        archive.add(name, OBJECT=name, EXPTIME=30.0)
    assert archive.is_well()
    for table, some in (
        (terms, sa.true()),
        (terms, terms.c.file == 1),
        (numbers, numbers.c.keyword == "exposure"),
        (entries, entries.c.file == 1),
        (entries, sa.true()),
    ):
        with archive.breaking() as connection:
            connection.execute(sa.delete(table).where(some))
        (found,) = archive.check().findings
        assert found.where == "the index of files"
        (mended,) = archive.check(repair=True).findings
        assert mended.mended == "made anew"
        assert archive.is_well()
        for filters in ({"target": "a.fits"}, {"exposure": "20.."}):
            assert search(archive.backend, archive.ann, filters).rows(None, 10), table.name


def test_another_secret_is_found_and_keys_of_it_work(archive: Archive) -> None:
    (archive.backend.settings.home / "secret").unlink()
    other = open_backend(archive.backend.settings)
    try:
        (found,) = check(other).findings
        assert found.where == "the secret, for user 1"
        assert "backup" in found.problem
        assert len(check(other, repair=True).wrong) == 1  # whoever has it would know all keys
        shown = people.read_key(other, archive.ann, "ann", "access")
        with pytest.raises(ArcsecondNotLoggedInError):
            viewer_with_key(other, shown, kinds=("access",))
        with other.db.write() as connection:
            upload = sa.and_(keys.c.kind == "upload", keys.c.owner == archive.ann.id)
            connection.execute(sa.update(keys).where(upload).values(revoked_at=now()))
        assert not check(other, repair=True, new_secret=True).wrong
        assert check(other).findings == []
        upload_key = people.read_key(other, archive.ann, "ann", "upload")
        with pytest.raises(ArcsecondNotLoggedInError):  # it was revoked
            viewer_with_key(other, upload_key, kinds=("upload",))
        shown = people.read_key(other, archive.ann, "ann", "access")
        assert viewer_with_key(other, shown, kinds=("access",)).id == archive.ann.id
    finally:
        other.db.close()


@pytest.mark.parametrize("odd", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_not_waited_for(odd: Callable[[Path], None], archive: Archive) -> None:
    file = archive.add()
    content = archive.blob(file).read_bytes()
    archive.blob(file).unlink()
    odd(archive.blob(file))
    (found,) = archive.check().findings
    assert found.problem == "its bytes are missing"
    (found,) = archive.check(repair=True).findings
    assert "marked as lost" in found.problem
    with pytest.raises(BytesLostError):
        archive.content(file)
    archive.add()
    assert archive.content(file) == content
    assert archive.check().findings == []


def test_a_pipe_in_the_place_of_a_blob_hides_no_file_outside(
    archive: Archive, tmp_path: Path
) -> None:
    outside = tmp_path / "night"
    outside.mkdir()
    (outside / "a.fits").write_bytes(fits_bytes())
    take_in(archive.backend, archive.ann, archive.dataset, outside, Manner())
    (file,) = files.list_files(archive.backend, archive.ann, archive.dataset, {}).rows(None, 10)
    path = archive.blob(file[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    assert archive.content(file[1]) == fits_bytes()
    assert archive.check(repair=True).findings == []
    assert archive.backend.store.lies_outside(file[1].sha256)


def test_things_without_their_owner_get_one_and_keys_do_not(archive: Archive) -> None:
    archive.add()
    with archive.breaking() as connection:
        connection.execute(sa.delete(users))
    archive.check(repair=True)
    with archive.backend.db.read() as connection:
        (name,) = connection.scalars(sa.select(users.c.username))
        assert connection.scalar(sa.select(sa.func.count()).select_from(keys)) == 0
    assert name == f"recovered-{archive.ann.id}"
    assert {row["table"] for row in rows(archive)} >= {"keys", "datasets"}
    assert archive.is_well()


def test_a_version_without_its_file_goes_into_quarantine_with_its_bytes(archive: Archive) -> None:
    file = archive.add()
    with archive.breaking() as connection:
        connection.execute(sa.delete(files_table))
    archive.check(repair=True)
    assert (archive.backend.settings.home / "quarantine" / file.sha256).exists()
    assert {row["table"] for row in rows(archive)} == {"versions", "headers"}
    sweep(archive.backend)
    assert archive.is_well()


def test_a_version_without_its_blob_gets_the_row_back(archive: Archive) -> None:
    file = archive.add()
    with archive.breaking() as connection:
        connection.execute(sa.delete(blobs))
    archive.check(repair=True)
    assert archive.content(file) == fits_bytes()
    assert archive.read(file).size == len(fits_bytes())
    assert archive.is_well()


def test_a_run_that_is_gone_is_taken_out_of_its_logs(archive: Archive) -> None:
    NightLogs().create(archive.backend, archive.ann, NightLogChange(date="2026-11-22"))
    gone = uuid4()
    with archive.breaking() as connection:
        connection.execute(sa.update(night_logs).values(observing_run=gone, telescope=gone))
    problems = [finding.problem for finding in archive.check().wrong]
    assert len(problems) == 2
    assert "is not among the observing_runs" in problems[0]
    assert "is not in the directory" in problems[1]
    archive.check(repair=True)
    assert rows(archive)[0]["row"]["observing_run"] == str(gone)
    assert archive.is_well()


def test_a_damaged_index_is_made_anew(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    from arcsecond.server.check.rows import _Rows

    if not archive.backend.db.local:
        assert archive.is_well()  # PostgreSQL looks after its own files
        return
    said = iter([["row 1 missing from index ix"], []])
    monkeypatch.setattr(_Rows, "_integrity", lambda self: next(said))
    assert archive.check(repair=True).findings[0].mended == "indexes made anew"
    said = iter([["page 4 is never used"], []])
    assert archive.check(repair=True).wrong[0].where == "the database file"


class TestCommand:
    """The command that does it, on the data directory itself."""

    @pytest.fixture
    def place(self) -> str:
        return "embedded"

    def test_nothing_wrong(self, arcsecond: Command) -> None:
        done = arcsecond("server", "check")
        assert (done.status, done.out) == (0, "")
        assert "nothing is wrong" in done.err

    def test_wrong_and_mended(self, arcsecond: Command, frame: Path) -> None:
        dataset = arcsecond("datasets", "create", "--name", "d").json["uuid"]
        file = arcsecond("fitsfiles", dataset, "create", "--file", str(frame)).json
        blob = next(Path(os.environ["ARCSECOND_HOME"]).glob(f"blobs/*/*/{file['sha256']}"))
        blob.unlink()
        done = arcsecond("server", "check")
        assert done.status == 1
        assert done.out == f"file {file['pk']} (frame.fits): its bytes are missing\n"
        assert "server check --repair" in done.err
        assert arcsecond("server", "check", "--quick", "--json").status == 1
        done = arcsecond("server", "check", "--repair")
        assert done.status == 1
        assert "; marked as lost" in done.out
        done = arcsecond("server", "check")
        assert done.status == 1
        assert "1 lost, nothing else is wrong" in done.err
        assert "frame.fits" in done.out
        backup = arcsecond("server", "backup", str(frame.parent / "backup"))
        assert backup.status == 1
        assert f"file {file['pk']} (frame.fits)" in backup.err
        arcsecond("fitsfiles", dataset, "delete", str(file["pk"]), "--yes")
        done = arcsecond("server", "check", "--json")
        assert (done.status, done.json["wrong"]) == (0, 0)
        assert "lost" in done.json["notes"][0]
        assert arcsecond("server", "backup", str(frame.parent / "backup")).status == 0
