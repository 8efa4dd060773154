"""`arcsecond download` and the module's: resumed, verified, never a half file under its name."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from arcsecond.client import downloading, fetching, patience
from arcsecond.client.api import ArcsecondAPI
from arcsecond.client.transport import Transport
from arcsecond.errors import (
    ArcsecondConnectionError,
    ArcsecondInputValueError,
    LockedError,
    NotFoundError,
)
from tests.conftest import Command, fits_bytes

CONTENT = {
    "V/a.fits": fits_bytes(OBJECT="a"),
    "B/a.fits": fits_bytes(OBJECT="b"),
    "large.fits": fits_bytes((1000, 1000), OBJECT="large"),
}


pytestmark = pytest.mark.usefixtures("sound")


def filled(api: ArcsecondAPI, folder: Path) -> str:
    for name, content in CONTENT.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    uuid: str = api.datasets.create(name="night")["uuid"]
    assert api.datasets(uuid).upload(folder, tags=["x"]).ok
    return uuid


def in_folder(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def dataset(api: ArcsecondAPI, tmp_path: Path) -> str:
    return filled(api, tmp_path / "source")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target"


def test_a_dataset_comes_into_a_folder(
    arcsecond: Command, dataset: str, target: Path, api: ArcsecondAPI,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    planned = arcsecond("download", "night", "--to", str(target), "--dry-run")
    assert planned.status == 0
    assert "3  to fetch" in planned.err
    assert not target.exists()
    done = arcsecond("download", "night", "--to", str(target), "--json")
    assert (done.json["done"], done.json["there"], done.json["failed"]) == (3, 0, 0)
    assert in_folder(target) == CONTENT
    again = arcsecond("download", dataset, "--to", str(target))
    assert again.status == 0
    assert "3 there already" in again.err

    (target / "V/a.fits").write_bytes(b"mine")
    refused = arcsecond("download", dataset, "--to", str(target))
    assert refused.status == 1
    assert "--replace" in refused.err
    assert (target / "V/a.fits").read_bytes() == b"mine"
    replaced = arcsecond("download", dataset, "--to", str(target), "--replace", "--quiet")
    assert replaced.status == 0
    assert str(target / "V/a.fits") in replaced.out.splitlines()
    assert in_folder(target) == CONTENT

    monkeypatch.chdir(target.parent)
    assert arcsecond("download", "night", "--include", "a.fits", "--exclude", "B/*").status == 0
    assert list(in_folder(target.parent / "night")) == ["V/a.fits"]
    assert arcsecond("download", "night", "--tag", "y", "--to", "y", "--json").json["done"] == 0
    none = arcsecond("download", "night", "--tag", "y", "--to", "y")
    assert "No file is like" in none.err
    (target / "file").write_bytes(b"")
    useless = arcsecond("download", "night", "--to", str(target / "file" / "below"), "--yes")
    assert useless.status == 2
    assert useless.err.count("cannot be used") == 1
    missing = arcsecond("download", "nowhere")
    assert missing.status == 1
    assert "not found" in missing.err


def test_what_a_search_finds_comes_into_folders(
    arcsecond: Command, dataset: str, target: Path, api: ArcsecondAPI, tmp_path: Path
) -> None:
    """Each dataset in one of its own: by options, by conditions, and by the module."""
    other = api.datasets.create(name="more")["uuid"]
    frame = tmp_path / "b.fits"
    frame.write_bytes(fits_bytes(FILTER="B", OBJECT="found", AIRMASS=1.2))
    api.datasets(other).upload(frame)
    expected = {"more/b.fits": frame.read_bytes()}
    done = arcsecond("download", "--target", "found", "--to", str(target), "--json")
    assert (done.json["done"], done.json["failed"]) == (1, 0)
    assert in_folder(target) == expected
    again = arcsecond("download", "header.AIRMASS<1.5", "filter=b", "--to", str(target))
    assert "1 there already" in again.err
    assert "of all datasets" in again.err
    inside = arcsecond("download", "more", "filter=B", "--to", str(tmp_path / "in"), "--json")
    assert inside.json["done"] == 1
    assert in_folder(tmp_path / "in") == {"b.fits": frame.read_bytes()}
    found = api.fitsfiles.search(target="found")
    assert found.download(tmp_path / "module").ok
    assert in_folder(tmp_path / "module") == expected
    assert api.datasets(other).download(tmp_path / "none", exposure=(1, None)).outcomes == []
    nothing = arcsecond("download", "--target", "nothing", "--to", str(target))
    assert nothing.status == 0
    assert "No file is like what was asked for" in nothing.err
    assert arcsecond("download").status == 2
    assert arcsecond("download", "--cone", "here").status == 1


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("place", ["embedded"], indirect=True)
class TestArchives:
    """All of it as one file, also where no server runs."""

    def test_the_command(
        self, arcsecond: Command, dataset: str, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        target.mkdir()
        monkeypatch.chdir(target)
        assert arcsecond("download", "night", "--archive", "night.zip").status == 0
        with zipfile.ZipFile("night.zip") as held:
            assert {name: held.read(name) for name in CONTENT} == CONTENT
        done = arcsecond("download", "--target", "a", "--archive", "some.tar", "--json")
        assert done.json == {"path": "some.tar", "size": Path("some.tar").stat().st_size,
                             "whole": True}  # fmt: skip
        with tarfile.open("some.tar") as tar:
            assert tar.getnames() == ["night/V/a.fits", "SHA256SUMS"]
        assert arcsecond("download", dataset, "--archive", "SHA256SUMS", "--quiet").status == 0
        sums = dict(line.split("  ")[::-1] for line in Path("SHA256SUMS").read_text().splitlines())
        assert sums == {name: hashlib.sha256(data).hexdigest() for name, data in CONTENT.items()}
        for words in (("x.rar",), ("x.zip", "--to", "y"), ("x.zip", "--include", "*")):
            assert arcsecond("download", "night", "--archive", *words).status == 2
        assert arcsecond("download", "night", "--archive", "none/x.zip").status == 2
        assert not [path for path in target.iterdir() if path.name.startswith((".", "x"))]

    def test_a_script(self, arcsecond: Command, dataset: str, tmp_path: Path, place: str) -> None:
        """It fetches from a server, which has to be there."""
        made = arcsecond("download", dataset, "--archive", str(tmp_path / "get.sh"))
        assert made.status == (0 if place == "served" else 2), made.err
        assert (tmp_path / "get.sh").exists() == (place == "served")

    def test_the_module(self, api: ArcsecondAPI, dataset: str, tmp_path: Path) -> None:
        assert api.datasets(dataset).archive(tmp_path / "a.tar", target="a")
        assert api.fitsfiles.search(target="b").archive(tmp_path / "b.zip")
        assert api.datasets("night").archive(tmp_path / "all.zip")
        with zipfile.ZipFile(tmp_path / "b.zip") as held:
            assert held.namelist() == ["night/B/a.fits", "SHA256SUMS"]
        with pytest.raises(ArcsecondInputValueError):
            api.datasets(dataset).archive(tmp_path / "a.tar", colour="red")

    def test_what_is_cut_leaves_nothing_behind(
        self, api: ArcsecondAPI, dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stream = Transport.stream

        @contextlib.contextmanager
        def cut(self: Transport, path: str, headers: Any) -> Iterator[Any]:
            def pieces() -> Iterator[bytes]:
                yield b"PK"
                raise ArcsecondConnectionError("cut")

            with stream(self, path, headers) as found:
                yield replace(found, pieces=pieces())

        monkeypatch.setattr(Transport, "stream", cut)
        (target := tmp_path / "target").mkdir()
        with pytest.raises(ArcsecondConnectionError):
            api.datasets(dataset).archive(target / "a.zip")
        assert list(target.iterdir()) == []

    def test_two_at_once_into_one_name(
        self, api: ArcsecondAPI, dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stream, second = Transport.stream, list[BaseException]()

        @contextlib.contextmanager
        def overlapping(self: Transport, path: str, headers: Any) -> Iterator[Any]:
            def pieces(found: Iterator[bytes]) -> Iterator[bytes]:
                for piece in found:
                    yield piece
                    if not second:
                        second.append(KeyError())
                        with pytest.raises(LockedError) as refused:
                            api.datasets(dataset).archive(tmp_path / "a.zip")
                        second.append(refused.value)

            with stream(self, path, headers) as found:
                yield replace(found, pieces=pieces(found.pieces))

        monkeypatch.setattr(Transport, "stream", overlapping)
        assert api.datasets(dataset).archive(tmp_path / "a.zip")
        assert len(second) == 2
        with zipfile.ZipFile(tmp_path / "a.zip") as held:
            assert held.testzip() is None
        assert [path.name for path in tmp_path.glob(".*")] == []

    @pytest.mark.parametrize("kind", ["zip", "tar"])
    def test_a_file_that_is_called_like_the_list_of_those_that_are_missing(
        self, kind: str, api: ArcsecondAPI, dataset: str, tmp_path: Path
    ) -> None:
        (tmp_path / "one.fits").write_bytes(CONTENT["V/a.fits"])
        api.datasets(dataset).fitsfiles.create(tmp_path / "one.fits", name="MISSING.txt")
        assert api.datasets(dataset).archive(tmp_path / f"a.{kind}")


class TestTogether:
    """Small files come in one answer; those that do not are fetched one by one."""

    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        stream, asked = Transport.stream, list[str]()

        def noted(self: Transport, path: str, headers: Any) -> Any:
            asked.append(path.partition("?")[0].rpartition("/")[2] or "download")
            return stream(self, path, headers)

        monkeypatch.setattr(Transport, "stream", noted)
        return asked

    def test_in_one_answer(
        self, api: ArcsecondAPI, dataset: str, target: Path, asked: list[str]
    ) -> None:
        seen: list[tuple[int, int]] = []
        summary = api.datasets(dataset).download(
            target, jobs=1, progress=lambda now: seen.append((now.done, now.moved))
        )
        assert summary.ok
        assert in_folder(target) == CONTENT
        assert sorted(asked) == ["download", "files.tar"]
        assert seen[-1] == (3, sum(map(len, CONTENT.values())))
        assert seen == sorted(seen)

    def test_what_is_there_twice(
        self, api: ArcsecondAPI, dataset: str, target: Path, tmp_path: Path, asked: list[str]
    ) -> None:
        (tmp_path / "twin.fits").write_bytes(CONTENT["V/a.fits"])
        api.datasets(dataset).upload(tmp_path / "twin.fits")
        assert api.datasets(dataset).download(target, exclude=["large*"]).ok
        assert len(in_folder(target)) == 3
        assert asked == ["files.tar"]

    @pytest.mark.parametrize("by", ["spoilt", "cut", "refused", "endless"])
    def test_what_does_not_come_is_fetched_by_itself(
        self,
        api: ArcsecondAPI,
        dataset: str,
        target: Path,
        monkeypatch: pytest.MonkeyPatch,
        by: str,
    ) -> None:
        stream = Transport.stream

        @contextlib.contextmanager
        def spoiling(self: Transport, path: str, headers: Any) -> Iterator[Any]:
            if "files.tar" not in path:
                with stream(self, path, headers) as found:
                    yield found
                return
            if by == "refused":
                raise ArcsecondInputValueError("There is no filter 'pk'.")

            def pieces(whole: bytes) -> Iterator[bytes]:
                if by == "endless":
                    while True:
                        yield bytes(1 << 20)
                yield whole[:4000] if by == "cut" else whole.replace(b"SIMPLE", b"DIMPLE", 1)

            with stream(self, path, headers) as found:
                yield replace(found, pieces=pieces(b"".join(found.pieces)))

        monkeypatch.setattr(Transport, "stream", spoiling)
        summary = api.datasets(dataset).download(target)
        assert summary.ok, summary.failed
        assert in_folder(target) == CONTENT

    def test_what_is_replaced_meanwhile(
        self, api: ArcsecondAPI, dataset: str, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It comes as it was when the download began."""
        together = downloading.fetch_together

        def later(transport: Transport, items: Any, *more: Any, **how: Any) -> Any:
            (target.parent / "new.fits").write_bytes(fits_bytes(OBJECT="new"))
            api.datasets(dataset).fitsfiles.update(
                items[0].pk, file=str(target.parent / "new.fits")
            )
            return together(transport, items, *more, **how)

        monkeypatch.setattr(downloading, "fetch_together", later)
        assert api.datasets(dataset).download(target).ok
        assert in_folder(target) == CONTENT

    def test_a_flush_that_fails(
        self, api: ArcsecondAPI, dataset: str, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fsync, broken = os.fsync, iter([True])

        def flush(handle: int) -> None:
            if next(broken, False):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            fsync(handle)

        monkeypatch.setattr(os, "fsync", flush)
        assert api.datasets(dataset).download(target, exclude=["large*"]).ok
        assert in_folder(target) == {k: v for k, v in CONTENT.items() if k != "large.fits"}


class TestFetching:
    """What happens to a file on its way."""

    @pytest.fixture(autouse=True)
    def _at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(patience, "LONGEST_WAIT_S", 0.0)

    def cutting(
        self,
        monkeypatch: pytest.MonkeyPatch,
        times: int,
        *,
        spoil: bool = False,
        by: BaseException = ArcsecondConnectionError("cut"),  # noqa: B008
    ) -> list[str]:
        """Let some answers end too early, or come spoilt; returns what was asked for."""
        stream, asked = Transport.stream, list[str]()

        @contextlib.contextmanager
        def cut(self: Transport, path: str, headers: Any) -> Iterator[Any]:
            asked.append(headers.get("Range", ""))
            with stream(self, path, headers) as found:
                if len(asked) > times:
                    yield found
                else:
                    yield replace(found, pieces=half(found.pieces), line=None)

        def half(pieces: Iterator[bytes]) -> Iterator[bytes]:
            for n, piece in enumerate(pieces):
                if spoil:
                    yield bytes(len(piece))
                else:
                    yield piece[: len(piece) // 2] if n else piece
                    if n:
                        raise by

        monkeypatch.setattr(Transport, "stream", cut)
        return asked

    def test_it_goes_on_where_it_was_cut(
        self, api: ArcsecondAPI, dataset: str, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = self.cutting(monkeypatch, 1)
        seen: list[list[str]] = []
        summary = api.datasets(dataset).download(
            target,
            include=["large.fits"],
            progress=lambda _: seen.append([p.name for p in target.rglob("*") if p.is_file()]),
        )
        assert summary.ok
        assert in_folder(target) == {"large.fits": CONTENT["large.fits"]}
        assert asked[0] == ""
        assert asked[1].startswith("bytes=")
        assert ["large.fits"] not in seen[:-2]

    def test_a_stop_and_a_new_start(
        self, api: ArcsecondAPI, dataset: str, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fetching, "BUFFER_BYTES", 1 << 14)
        self.cutting(monkeypatch, 1, by=KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            api.datasets(dataset).download(target, include=["large.fits"])
        (part,) = in_folder(target)
        assert part.endswith(".part")
        monkeypatch.undo()
        asked = self.cutting(monkeypatch, 0)
        assert api.datasets(dataset).download(target, include=["large.fits"]).ok
        assert asked == [f"bytes={asked[0][6:-1]}-"]
        assert in_folder(target) == {"large.fits": CONTENT["large.fits"]}

    def test_bytes_that_are_others_are_fetched_anew(
        self, api: ArcsecondAPI, dataset: str, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = self.cutting(monkeypatch, 2, spoil=True)
        assert api.datasets(dataset).download(target, include=["V/*"]).ok
        assert asked == ["", "", ""]
        assert in_folder(target) == {"V/a.fits": CONTENT["V/a.fits"]}

    def test_bytes_that_are_always_others_are_given_up(
        self, api: ArcsecondAPI, dataset: str, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.cutting(monkeypatch, 10**9, spoil=True)
        (failed,) = api.datasets(dataset).download(target, include=["V/*"]).failed
        assert "SHA-256" in failed.reason
        assert in_folder(target) == {}

    def test_what_never_came_leaves_nothing_behind(
        self, api: ArcsecondAPI, dataset: str, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        @contextlib.contextmanager
        def lost(self: Transport, path: str, headers: Any) -> Iterator[Any]:
            raise NotFoundError("Its bytes are lost.")
            yield

        monkeypatch.setattr(Transport, "stream", lost)
        summary = api.datasets(dataset).download(target)
        assert {one.reason for one in summary.failed} == {"Its bytes are lost."}
        assert in_folder(target) == {}

    def test_what_lies_there_of_another_file_is_no_part_of_it(
        self, api: ArcsecondAPI, dataset: str, target: Path
    ) -> None:
        digest = hashlib.sha256(CONTENT["V/a.fits"]).hexdigest()
        (target / "V").mkdir(parents=True)
        for left in (b"x" * 100, b"x" * 10**6):
            (target / "V" / f".a.fits.{digest[:8]}.part").write_bytes(left)
            assert api.datasets(dataset).download(target, include=["V/*"]).ok
            assert in_folder(target) == {"V/a.fits": CONTENT["V/a.fits"]}
            (target / "V/a.fits").unlink()

    def test_a_proxy_that_knows_no_ranges(
        self, api: ArcsecondAPI, dataset: str, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.cutting(monkeypatch, 1)
        stream = Transport.stream
        monkeypatch.setattr(Transport, "stream", lambda self, path, _: stream(self, path, {}))
        assert api.datasets(dataset).download(target).ok
        assert in_folder(target) == CONTENT

    def test_something_else_that_answers(
        self, api: ArcsecondAPI, dataset: str, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A captive portal, half-way: what has arrived stays."""
        digest = hashlib.sha256(CONTENT["large.fits"]).hexdigest()
        part = target / f".large.fits.{digest[:8]}.part"
        target.mkdir()
        part.write_bytes(CONTENT["large.fits"][:5000])
        stream = Transport.stream

        @contextlib.contextmanager
        def portal(self: Transport, path: str, headers: Any) -> Iterator[Any]:
            with stream(self, path, headers) as found:
                yield replace(found, status=200, headers={}, pieces=iter([b"<html>pay</html>"]))

        monkeypatch.setattr(Transport, "stream", portal)
        (failed,) = api.datasets(dataset).download(target, include=["large.fits"]).failed
        assert "not this file" in failed.reason
        assert part.read_bytes() == CONTENT["large.fits"][:5000]
        monkeypatch.undo()
        assert api.datasets(dataset).download(target).ok
        assert in_folder(target) == CONTENT

    def test_more_than_the_file_has(
        self, api: ArcsecondAPI, dataset: str, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Something answers without end: it does not fill the disk."""
        stream = Transport.stream

        def endless(pieces: Iterator[bytes]) -> Iterator[bytes]:
            yield from pieces
            for _ in range(10_000):
                yield bytes(1 << 20)

        @contextlib.contextmanager
        def going_on(self: Transport, path: str, headers: Any) -> Iterator[Any]:
            with stream(self, path, headers) as found:
                yield replace(found, pieces=endless(found.pieces), line=None)

        monkeypatch.setattr(Transport, "stream", going_on)
        (failed,) = api.datasets(dataset).download(target, include=["large.fits"]).failed
        assert "More bytes come than the file has" in failed.reason
        assert sum(len(content) for content in in_folder(target).values()) == 0
        monkeypatch.undo()
        assert api.datasets(dataset).download(target).ok
        assert in_folder(target) == CONTENT

    def test_two_downloads_into_one_folder(
        self, api: ArcsecondAPI, dataset: str, target: Path
    ) -> None:
        digest = hashlib.sha256(CONTENT["V/a.fits"]).hexdigest()
        (target / "V").mkdir(parents=True)
        part = target / "V" / f".a.fits.{digest[:8]}.part"
        with part.open("ab") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            summary = api.datasets(dataset).download(target)
            (failed,) = summary.failed
            assert ("Another download" in failed.reason, failed.again) == (True, True)
            assert len(summary.done) == 2
        assert api.datasets(dataset).download(target).ok
        assert in_folder(target) == CONTENT

    def test_what_replaces_a_file_meanwhile_is_another_one(
        self, api: ArcsecondAPI, dataset: str, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        compare = downloading._compare

        def slower(*args: Any) -> None:
            compare(*args)
            new = target.parent / "new.fits"
            new.write_bytes(fits_bytes(OBJECT="new"))
            pk = api.datasets(dataset).fitsfiles.list(name="V/a.fits")[0]["pk"]
            api.datasets(dataset).fitsfiles.update(pk, file=new)

        monkeypatch.setattr(downloading, "_compare", slower)
        assert api.datasets(dataset).download(target).ok
        assert in_folder(target) == CONTENT

    def test_a_full_disk_ends_it(
        self, api: ArcsecondAPI, dataset: str, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(_: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(fetching.os, "fsync", full)
        summary = api.datasets(dataset).download(target, jobs=1)
        assert len(summary.failed) == 3
        assert "no space left" in summary.failed[0].reason
        assert "not tried any more" in summary.failed[2].reason
        assert not any(name in CONTENT for name in in_folder(target))
        monkeypatch.undo()
        assert api.datasets(dataset).download(target).ok
        assert in_folder(target) == CONTENT

    def test_a_flush_that_fails(
        self, api: ArcsecondAPI, dataset: str, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The system tells it once: nothing of what was written is trusted then."""

        def broken(_: int) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr(fetching, "BUFFER_BYTES", 2880)
        monkeypatch.setattr(fetching, "FLUSHED_BYTES", 1)
        monkeypatch.setattr(fetching.os, "fsync", broken)
        summary = api.datasets(dataset).download(target, jobs=1, include=["large.fits"])
        assert len(summary.failed) == 1
        assert in_folder(target) == {}
        monkeypatch.undo()
        assert api.datasets(dataset).download(target).ok
        assert in_folder(target) == CONTENT

    def test_a_file_where_a_folder_should_be(
        self, api: ArcsecondAPI, dataset: str, target: Path
    ) -> None:
        target.mkdir()
        (target / "V").write_bytes(b"a file")
        summary = api.datasets(dataset).download(target)
        assert [one.name for one in summary.failed] == ["V/a.fits"]
        assert len(summary.done) == 2

    @pytest.mark.parametrize(
        "name", ["../out.fits", "/etc/out.fits", ".ssh/keys", "a/../../b", "a\\b"]
    )
    def test_names_that_would_lead_elsewhere(
        self, name: str, api: ArcsecondAPI, dataset: str, target: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        """A server that is not to be trusted."""
        listed = downloading.all_of
        monkeypatch.setattr(
            downloading, "all_of",
            lambda *args: ({**file, "name": name} for file in listed(*args)),
        )  # fmt: skip
        summary = api.datasets(dataset).download(target)
        assert len(summary.failed) == 3
        assert not target.exists()

    def test_filters_that_there_are_not(self, api: ArcsecondAPI, target: Path) -> None:
        with pytest.raises(ArcsecondInputValueError):
            api.datasets("x").download(target, colour="red")


def test_plans_and_ends_are_told_for_programs(
    arcsecond: Command, dataset: str, target: Path
) -> None:
    planned = json.loads(
        arcsecond("download", dataset, "--to", str(target), "--dry-run", "--json").out
    )
    assert {item["name"] for item in planned["items"]} == set(CONTENT)
    assert {item["state"] for item in planned["items"]} == {""}


def test_one_file_is_saved_as_it_is_and_as_it_was(
    arcsecond: Command, api: ArcsecondAPI, dataset: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    files = api.datasets(dataset).fitsfiles
    pk = files.read("large.fits")["pk"]
    newer = tmp_path / "newer.fits"
    newer.write_bytes(fits_bytes((20, 20), OBJECT="newer"))
    files.update(pk, file=newer)
    monkeypatch.chdir(tmp_path)
    read = ("fitsfiles", dataset, "read", str(pk))
    assert arcsecond(*read, "--out", "now.fits").status == 0
    assert (tmp_path / "now.fits").read_bytes() == newer.read_bytes()
    assert arcsecond(*read, "--version", "1", "--out", "now.fits").status == 0  # in its place
    assert (tmp_path / "now.fits").read_bytes() == CONTENT["large.fits"]
    assert files.save_file("V/a.fits", tmp_path / "a.fits") == tmp_path / "a.fits"
    assert (tmp_path / "a.fits").read_bytes() == CONTENT["V/a.fits"]
    for wrong in (
        ("--out", "a.jpg"), ("--version", "1", "--out", "a.webp"), ("--version", "7", "--out", "b"),
        ("--out", "no/b" if os.geteuid() else "now.fits/b"), ("--hdu", "1", "--out", "b.fits"),
        ("--version", "1", "--cutout", "1,2,3arcmin"),
    ):  # fmt: skip
        refused = arcsecond(*read, *wrong)
        assert refused.status != 0, wrong
        assert "Traceback" not in refused.err
    assert sorted(path.name for path in tmp_path.glob("*.fits")) == [
        "a.fits", "newer.fits", "now.fits",
    ]  # fmt: skip
    assert not list(tmp_path.glob(".*.part"))


def test_a_number_that_is_not_there_is_told(
    arcsecond: Command, dataset: str, target: Path, api: ArcsecondAPI
) -> None:
    pk = api.datasets(dataset).fitsfiles.read("V/a.fits")["pk"]
    words = ("download", "--pk", f"{pk},99999", "--to", str(target), "--yes")
    planned = arcsecond(*words, "--dry-run")
    assert "file 99999: there is none of that number here" in planned.err
    assert not target.exists()
    fetched = arcsecond(*words)
    assert fetched.status == 1
    assert "file 99999" in fetched.err
    assert [path.name for path in target.rglob("*.fits")] == ["a.fits"]
    assert arcsecond("download", "--pk", f"{pk},0{pk}", "--to", str(target), "--yes").status == 0


def test_a_link_that_leads_nowhere_has_the_name(
    arcsecond: Command, dataset: str, target: Path
) -> None:
    (target / "V").mkdir(parents=True)
    (target / "V" / "a.fits").symlink_to(target / "nowhere")
    words = ("download", dataset, "--to", str(target), "--yes")
    refused = arcsecond(*words)
    assert refused.status == 1
    assert "1  whose name has other content here" in refused.err
    assert (target / "V" / "a.fits").is_symlink()
    assert arcsecond(*words, "--replace").status == 0
    assert in_folder(target) == CONTENT
