"""`arcsecond upload` and the module's: what is sent, what is not, and what is said of it."""

from __future__ import annotations

import bz2
import errno
import gzip
import hashlib
import io
import json
import os
import threading
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from arcsecond import folders
from arcsecond.cli import standing, transfers
from arcsecond.cli.upload import _Job as UploadJob
from arcsecond.client import journal as journals
from arcsecond.client import (
    patience,
    pieces,
    plan,
    running,
    transport,
    uploading,
    watching,
)
from arcsecond.client.api import ArcsecondAPI
from arcsecond.client.journal import Journal, hash_item
from arcsecond.client.patience import Patience, StoppedError
from arcsecond.client.running import Outcome, Run, Standing
from arcsecond.client.transport import Transport
from arcsecond.errors import (
    ArcsecondConnectionError,
    ArcsecondInputValueError,
    ArcsecondInvalidEndpointError,
    ConflictError,
    NameTakenError,
    NoSpaceError,
    NotFitsError,
    ThrottledError,
    TooLargeError,
    from_wire,
)
from arcsecond.folders import Item, find
from tests.conftest import ASTROPY_FRAMES, Command, fits_bytes

OLD_NS = 1_700_000_000_000_000_000
"""A time of change long ago."""


pytestmark = pytest.mark.usefixtures("sound")


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, ns=(OLD_NS, OLD_NS))
    return path


def zipped(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """A night's folder as nights are: filters, calibrations, and things that do not belong."""
    folder = tmp_path / "night"
    for name in ("V/a.fits", "B/a.fits", "flats/f1.fits", "flats/f2.fits"):
        write(folder / name, fits_bytes(OBJECT=name))
    write(folder / "large.fits", fits_bytes((1200, 1000), OBJECT="large"))
    write(folder / ".hidden.fits", fits_bytes())
    write(folder / "empty.fits", b"")
    write(folder / "observing.log", b"clouds at 2 h\n")
    return folder


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files of some megabytes travel as those of gigabytes do."""
    monkeypatch.setattr(pieces, "PIECE", 1 << 20)
    monkeypatch.setattr(pieces, "LEAST_PIECE", 1 << 20)
    for module in (plan, uploading):
        monkeypatch.setattr(module, "SMALL", 1 << 20)


def digests(api: ArcsecondAPI, dataset: str) -> dict[str, str]:
    listed = api.datasets(dataset).fitsfiles.list()
    return {file["name"]: file["sha256"] for file in listed}


def of_folder(folder: Path, *patterns: str) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.fits"))
        if path.stat().st_size and not path.name.startswith(".")
    }


class TestCommand:
    """The command, embedded and remote, on both databases."""

    def test_a_night_goes_there_and_is_there(
        self, arcsecond: Command, api: ArcsecondAPI, night: Path
    ) -> None:
        planned = arcsecond("upload", str(night), "--dataset", "n", "--dry-run", "--json")
        assert (planned.json["to_send"], planned.json["there"]) == (5, 0)
        assert planned.json["dataset"] == ""
        assert api.datasets.list(name="n") == []

        sent = arcsecond("upload", str(night), "--dataset", "n", "--tag", "x", "--tag", "y",
                         "--json")  # fmt: skip
        assert (sent.json["done"], sent.json["there"], sent.json["failed"]) == (5, 0, 0)
        left_out = sent.json["left_out"]
        assert {why: [Path(p).name for p in paths] for why, paths in left_out.items()} == {
            "hidden": [".hidden.fits"], "empty": ["empty.fits"], "no FITS": ["observing.log"],
        }  # fmt: skip
        uuid = sent.json["dataset"]
        assert digests(api, uuid) == of_folder(night)
        large = api.datasets(uuid).fitsfiles.list(name="large.fits")[0]
        assert large["tags"] == ["x", "y"]
        assert {one["pk"] for one in sent.json["files"]} == {
            one["pk"] for one in api.datasets(uuid).fitsfiles.list()
        }

        again = arcsecond("upload", str(night), "--dataset", uuid)
        assert again.status == 0
        assert "5 there already" in again.err
        assert len(digests(api, uuid)) == 5

    def test_content_that_is_elsewhere_is_not_sent(
        self, arcsecond: Command, api: ArcsecondAPI, night: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(night / "V/cut.fits", fits_bytes((60, 60), OBJECT="cut")[:-5000])
        arcsecond("upload", str(night), "--dataset", "one")
        monkeypatch.setattr(Transport, "send_parts", None)
        monkeypatch.setattr(Transport, "exchange", None)
        copied = arcsecond("upload", str(night), "--dataset", "two", "--json")
        told = copied.json
        assert (told["made"], told["there"], told["failed"]) == (6, 0, 0)
        assert "6 made of what was there, without sending" in copied.err
        damaged = [one["name"] for one in copied.json["files"] if one["problems"]]
        assert damaged == ["V/cut.fits"]
        assert digests(api, copied.json["dataset"]) == of_folder(night)

    def test_a_name_that_is_taken(self, arcsecond: Command, api: ArcsecondAPI, night: Path) -> None:
        uuid = arcsecond("upload", str(night), "--dataset", "n", "--tag", "x, y",
                         "--json").json["dataset"]  # fmt: skip
        assert len(api.datasets(uuid).fitsfiles.list(tags="y")) == 5
        more = arcsecond("upload", str(night), "--dataset", "n", "--tag", "z")
        assert "5  there already; their tags and kind stay as they are" in more.err
        write(night / "V/a.fits", fits_bytes(OBJECT="another"))
        write(night / "large.fits", fits_bytes((1200, 1000), OBJECT="larger"))
        planned = arcsecond("upload", str(night), "--dataset", "n", "--dry-run", "--json")
        assert (planned.json["name_taken"], planned.json["there"]) == (2, 3)
        refused = arcsecond("upload", str(night), "--dataset", "n")
        assert refused.status == 1
        assert "2 failed" in refused.err
        assert "--replace" in refused.err
        replaced = arcsecond("upload", str(night), "--dataset", "n", "--replace", "--json")
        assert (replaced.json["done"], replaced.json["there"]) == (2, 3)
        assert digests(api, uuid) == of_folder(night)
        assert api.datasets(uuid).fitsfiles.list(name="V/a.fits")[0]["version"] == 2

    def test_a_plan_is_saved_and_applied(
        self, arcsecond: Command, api: ArcsecondAPI, night: Path, tmp_path: Path
    ) -> None:
        saved = tmp_path / "night.json"
        done = arcsecond("upload", str(night), "--dataset", "n", "--include", "*a.fits",
                         "--exclude", "B/*", "--dry-run", "--plan", str(saved))  # fmt: skip
        assert done.status == 0
        assert "1  to send" in done.err
        for option in (("--replace",), ("--tag", "x"), ("--raw",), ("--telescope", "T")):
            refused = arcsecond("upload", "--plan", str(saved), *option)
            assert refused.status == 2
            assert "knows its dataset" in refused.err
        before = saved.read_bytes()
        assert "1  to send" in arcsecond("upload", "--plan", str(saved), "--dry-run").err
        assert saved.read_bytes() == before
        write(night / "V/b.fits", fits_bytes(OBJECT="not planned"))
        applied = arcsecond("upload", "--plan", str(saved), "--json")
        assert applied.json["done"] == 1
        assert list(digests(api, applied.json["dataset"])) == ["V/a.fits"]
        again = arcsecond("upload", "--plan", str(saved), "--json")
        assert (again.json["done"], again.json["there"]) == (0, 1)
        write(night / "V/a.fits", fits_bytes(OBJECT="changed since"))
        api.datasets.delete(applied.json["dataset"])
        changed = arcsecond("upload", "--plan", str(saved))
        assert changed.status == 1
        assert "changed" in changed.err.lower()

    def test_a_plan_promises_nothing_of_a_file_that_is_another_now(
        self, arcsecond: Command, night: Path, tmp_path: Path
    ) -> None:
        """The server has what was planned: that is not what lies here."""
        saved = tmp_path / "night.json"
        words = ("upload", str(night), "--dataset", "n", "--include", "a.fits")
        assert arcsecond(*words, "--yes").status == 0
        assert arcsecond(*words, "--dry-run", "--plan", str(saved)).status == 0
        write(night / "V/a.fits", fits_bytes(OBJECT="another"))
        (night / "B/a.fits").unlink()
        done = arcsecond("upload", "--plan", str(saved), "--json")
        assert done.status == 1
        told = json.loads(done.out)
        assert (told["there"], told["failed"]) == (0, 2)
        assert "it changed since the plan was made" in done.err

    def test_what_cannot_be_sent_is_a_failure_and_holds_up_no_other(
        self, arcsecond: Command, night: Path
    ) -> None:
        write(night / "broken.fits", b"this is no frame" * 100)
        os.mkfifo(night / "pipe.fits")
        (night / "gone.fits").symlink_to(night / "nowhere.fits")
        (night / "a\udcff.fits").write_bytes(fits_bytes())
        sent = arcsecond("upload", str(night), "--dataset", "n", "--json")
        assert sent.status == 1
        told = json.loads(sent.out)
        assert (told["done"], told["failed"]) == (5, 4)
        reasons = {Path(f["path"]).name: f["reason"] for f in told["files"] if f["reason"]}
        assert "no FITS" in reasons["broken.fits"]
        assert "no file" in reasons["pipe.fits"]
        assert "no such file" in reasons["gone.fits"]
        assert "shown" in reasons["a\udcff.fits"]

    def test_files_that_are_named_have_to_go(self, arcsecond: Command, night: Path) -> None:
        sent = arcsecond("upload", str(night / ".hidden.fits"), str(night / "empty.fits"),
                         str(night / "observing.log"), "--dataset", "n", "--json")  # fmt: skip
        assert sent.status == 1
        told = json.loads(sent.out)
        reasons = {Path(file["path"]).name: file["reason"] for file in told["files"]}
        assert "begins with a dot" in reasons[".hidden.fits"]
        assert "empty" in reasons["empty.fits"]
        assert "no FITS" in reasons["observing.log"]

    def test_the_dataset_is_made_with_what_is_said_of_it(
        self, arcsecond: Command, api: ArcsecondAPI, night: Path
    ) -> None:
        telescope = api.telescopes.list(search="VISTA")[0]
        done = arcsecond("upload", str(night / "V"), "--dataset", "v",
                         "--telescope", telescope["uuid"], "--quiet")  # fmt: skip
        assert done.status == 0
        (made,) = api.datasets.list(name="v")
        assert made["telescope"] == telescope["uuid"]
        assert done.out.split() == [str(api.datasets(made["uuid"]).fitsfiles.list()[0]["pk"])]
        refused = arcsecond("upload", str(night / "B"), "--dataset", "v", "--telescope", "VISTA")
        assert refused.status == 2
        assert "datasets update" in refused.err
        api.datasets.create(name="v")
        twice = arcsecond("upload", str(night / "B"), "--dataset", "v")
        assert twice.status == 2
        assert made["uuid"] in twice.err


def test_two_begin_one_dataset(
    arcsecond: Command, api: ArcsecondAPI, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both find none of that name; one of them makes it, and both go into it."""
    made = ""
    keep = UploadJob._make_dataset

    def overtaken(self: Any, one: Any) -> None:
        nonlocal made
        made = api.datasets.create(name="both", only_new=True)["uuid"]
        keep(self, one)

    monkeypatch.setattr(UploadJob, "_make_dataset", overtaken)
    done = arcsecond("upload", str(night), "--dataset", "both", "--json")
    assert done.status == 0, done.err
    assert done.json["dataset"] == made
    assert len(api.datasets.list(name="both")) == 1
    with pytest.raises(ConflictError, match=made):
        api.datasets.create(name="both", only_new=True)
    assert api.datasets.create(name="both")["uuid"] != made  # who wants two has two


def test_nothing_to_upload_is_said(arcsecond: Command, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    done = arcsecond("upload", str(tmp_path / "none"), "--dataset", "d")
    assert done.status == 0
    assert "There is no file: nothing to do." in done.err


def test_a_file_that_may_not_be_read(
    arcsecond: Command, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = open

    def refusing(path: Any, *args: Any, **kwargs: Any) -> Any:
        if str(path).endswith("f1.fits"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path, *args, **kwargs)

    for module in (journals, uploading):
        monkeypatch.setattr(module, "open", refusing, raising=False)
    done = arcsecond("upload", str(night), "--dataset", "n", "--json")
    assert done.status == 1
    told = json.loads(done.out)
    assert (told["done"], told["failed"]) == (4, 1)
    (failed,) = [one for one in told["files"] if one["outcome"] == "failed"]
    assert "permission denied" in failed["reason"]
    assert done.err.count("f1.fits") == 2  # with the plan, and in the end


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Upload what?"),
        (("x",), "Into which dataset?"),
        (("nowhere", "--dataset", "d"), "There is no nowhere"),
        ((".", "--dataset", "d", "--plan", "p"), "with --dry-run"),
        ((".", "--dataset", "d", "--watch", "--dry-run"), "--watch"),
        (("--plan", "p", "--dataset", "d"), "knows its dataset"),
        (("--plan", "nowhere.json"), "cannot be read"),
        ((".", "--dataset", "0c8dbe8d-9b50-53a3-9382-cecec71f9ec6"), "not found"),
    ],
)
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("place", ["embedded"], indirect=True)
def test_what_cannot_be_done_is_told(
    words: tuple[str, ...], said: str, arcsecond: Command, night: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(night)
    done = arcsecond("upload", *words)
    assert done.status in (1, 2)
    assert said in done.err
    (night / "nowhere.json").write_text('{"version": 1}')
    assert "is no plan" in arcsecond("upload", "--plan", str(night / "nowhere.json")).err


class TestModule:
    """What the module's upload does."""

    def test_progress_and_outcomes_are_told(self, api: ArcsecondAPI, night: Path) -> None:
        dataset = api.datasets.create(name="d")["uuid"]
        seen: list[tuple[int, int, int]] = []
        told: list[str] = []

        def progress(now: Standing) -> None:
            seen.append((now.done, now.moved, now.size))
            assert all(moved <= size for moved, size in now.active.values())

        summary = api.datasets(dataset).upload(
            night, tags=["t"], progress=progress, told=lambda one: told.append(one.name)
        )
        assert summary.ok
        assert sorted(told) == sorted(one.name for one in summary.done) == sorted(of_folder(night))
        total = sum(one.size for one in summary.done)
        assert seen[-1] == (5, total, total)
        assert [moved for _, moved, _ in seen] == sorted(moved for _, moved, _ in seen)
        assert {size for _, _, size in seen} == {total}

    def test_what_failed_or_was_stopped_has_not_arrived(
        self, api: ArcsecondAPI, night: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dataset = api.datasets.create(name="d")["uuid"]
        exchange = Transport.exchange
        sent = 0

        def refusing(self: Transport, method: str, *args: Any) -> Any:
            nonlocal sent
            if method == "PATCH":
                sent += 1
                if sent == 2:
                    raise TooLargeError("No more.")
            return exchange(self, method, *args)

        monkeypatch.setattr(Transport, "exchange", refusing)
        seen: list[Standing] = []
        summary = api.datasets(dataset).upload(
            night, jobs=1, progress=lambda now: seen.append(replace(now, active={}))
        )
        (refused,) = summary.failed
        assert refused.name == "large.fits"
        assert seen[-1].done == len(summary.done) == 4
        assert seen[-1].failed == 1
        others = sum(one.size for one in summary.done)
        assert others < seen[-1].moved <= others + (1 << 20) < seen[-1].size

        def stopping(self: Transport, method: str, *args: Any) -> Any:
            if method == "PATCH":
                raise KeyboardInterrupt
            return exchange(self, method, *args)

        monkeypatch.setattr(Transport, "exchange", stopping)
        with pytest.raises(KeyboardInterrupt):
            api.datasets(dataset).upload(
                night, jobs=1, progress=lambda now: seen.append(replace(now, active={}))
            )
        assert seen[-1].done == 0
        assert seen[-1].moved < seen[-1].size

    def test_only_datasets_hold_files(self, api: ArcsecondAPI, night: Path) -> None:
        with pytest.raises(ArcsecondInvalidEndpointError):
            api.telescopes("x").upload(night)
        with pytest.raises(ArcsecondInputValueError):
            api.datasets("x").upload(night, colour="red")

    def test_a_file_that_changes_while_it_is_sent_is_not_kept(
        self, api: ArcsecondAPI, night: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dataset = api.datasets.create(name="d")["uuid"]
        exchange = Transport.exchange

        def changing(self: Transport, method: str, *args: Any) -> Any:
            if method == "PATCH":
                with (night / "large.fits").open("r+b") as file:
                    file.seek(100_000)
                    file.write(b"x")
            return exchange(self, method, *args)

        monkeypatch.setattr(Transport, "exchange", changing)
        summary = api.datasets(dataset).upload(night / "large.fits")
        (failed,) = summary.failed
        assert "changed" in failed.reason
        assert failed.again
        assert digests(api, dataset) == {}
        assert api.transport.request("GET", f"/datasets/{dataset}/uploads/").data == []

    def test_a_small_file_that_changed_since_it_was_hashed(
        self, api: ArcsecondAPI, night: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dataset = api.datasets.create(name="d")["uuid"]
        compare = plan.compare

        def changing(*args: Any) -> None:
            compare(*args)
            write(night / "V/a.fits", fits_bytes(OBJECT="another"))  # of the same age and size

        monkeypatch.setattr(plan, "compare", changing)
        summary = api.datasets(dataset).upload(night / "V")
        assert [one.again for one in summary.failed] == [True]
        assert digests(api, dataset) == {}

    def test_passing_failures_pass(
        self, api: ArcsecondAPI, night: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Answers that get lost, busy servers, checksums that are wrong once."""
        dataset = api.datasets.create(name="d")["uuid"]
        monkeypatch.setattr(patience, "LONGEST_WAIT_S", 0.0)
        real = Transport._response
        count = iter(range(1000))

        def failing(self: Transport, method: str, path: str, *args: Any, **kwargs: Any) -> Any:
            n = next(count)
            if n % 3 == 0:
                answer = real(self, method, path, *args, **kwargs)
                if n % 2:  # it was done, and nobody heard of it
                    raise ArcsecondConnectionError("cut")
                return answer
            if n % 3 == 1:
                error = ThrottledError()
                error.retry_after = 0.01
                raise error
            return real(self, method, path, *args, **kwargs)

        monkeypatch.setattr(Transport, "_response", failing)
        with pytest.raises(ArcsecondInputValueError, match="1 is the least"):
            api.datasets(dataset).upload(night, jobs=0)
        with pytest.raises(ArcsecondInputValueError, match="empty name"):
            api.datasets("")
        told: list[str] = []
        summary = api.datasets(dataset).upload(
            night, jobs=1, progress=lambda standing: told.append(standing.trouble)
        )
        monkeypatch.undo()
        assert summary.ok, summary.failed
        assert digests(api, dataset) == of_folder(night)
        # Whoever looks on learns why it takes longer, and that it is over.
        assert set(told) - {""}
        assert told[-1] == ""

    def test_corrupted_pieces_are_sent_again(
        self, api: ArcsecondAPI, night: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dataset = api.datasets.create(name="d")["uuid"]
        monkeypatch.setattr(patience, "LONGEST_WAIT_S", 0.0)
        exchange, send_parts = Transport.exchange, Transport.send_parts
        spoilt: set[str] = set()

        def once(key: str, data: bytes) -> bytes:
            if key in spoilt or not data:
                return data
            spoilt.add(key)
            return data[:-1] + bytes([data[-1] ^ 1])

        def spoiling(
            self: Transport, method: str, path: str, headers: Any, content: bytes = b""
        ) -> Any:
            offset = headers.get("Upload-Offset", "")
            return exchange(self, method, path, headers, once(offset, content))

        def spoiling_parts(self: Transport, path: str, parts: Any, fields: Any) -> Any:
            spoilt_parts = [(name, once(name, data)) for name, data in parts]
            return send_parts(self, path, spoilt_parts, fields)

        monkeypatch.setattr(Transport, "exchange", spoiling)
        monkeypatch.setattr(Transport, "send_parts", spoiling_parts)
        summary = api.datasets(dataset).upload(night)
        assert summary.ok, summary.failed
        assert len(spoilt) == 4 + 3  # each small file, each piece of the large one
        assert digests(api, dataset) == of_folder(night)

    def test_what_never_arrives_whole_is_given_up(
        self, api: ArcsecondAPI, night: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A digest of the whole that is always another, though every piece is right."""
        dataset = api.datasets.create(name="d")["uuid"]
        monkeypatch.setattr(patience, "LONGEST_WAIT_S", 0.0)
        exchange = Transport.exchange

        def lying(
            self: Transport, method: str, path: str, headers: Any, content: bytes = b""
        ) -> Any:
            if "Arcsecond-SHA256" in headers:
                headers = headers | {"Arcsecond-SHA256": "0" * 64}
            return exchange(self, method, path, headers, content)

        monkeypatch.setattr(Transport, "exchange", lying)
        (failed,) = api.datasets(dataset).upload(night / "large.fits").failed
        assert "SHA-256" in failed.reason
        assert api.transport.request("GET", f"/datasets/{dataset}/uploads/").data == []

    def test_a_server_that_is_gone_ends_it_for_all(
        self, api: ArcsecondAPI, night: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dataset = api.datasets.create(name="d")["uuid"]
        monkeypatch.setattr(patience, "LONGEST_WAIT_S", 0.0)
        tries: list[str] = []

        def gone(self: Transport, path: str, *args: Any) -> Any:
            tries.append(path)
            raise ArcsecondConnectionError("nobody answers")

        monkeypatch.setattr(Transport, "send_parts", gone)
        monkeypatch.setattr(uploading, "TOGETHER", 1)
        summary = api.datasets(dataset).upload(night, jobs=1, exclude=["large*"])
        assert len(summary.failed) == 4
        assert len(tries) == 8
        assert all(one.again for one in summary.failed)
        assert "not tried any more" in summary.failed[-1].reason

    def test_it_goes_on_where_it_was_stopped(
        self, api: ArcsecondAPI, night: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As by Ctrl-C; the second time only what is missing is sent."""
        dataset = api.datasets.create(name="d")["uuid"]
        exchange = Transport.exchange
        sent: list[int] = []

        def stopping(
            self: Transport, method: str, path: str, headers: Any, content: bytes = b""
        ) -> Any:
            if method == "PATCH" and len(sent) == 1 and stop:
                raise KeyboardInterrupt
            reply = exchange(self, method, path, headers, content)
            if method == "PATCH":
                sent.append(len(content))
            return reply

        stop = True
        monkeypatch.setattr(Transport, "exchange", stopping)
        with pytest.raises(KeyboardInterrupt):
            api.datasets(dataset).upload(night / "large.fits")
        assert sent == [1 << 20]
        stop = False
        assert api.datasets(dataset).upload(night / "large.fits").ok
        assert sum(sent) == (night / "large.fits").stat().st_size
        assert digests(api, dataset) == {"large.fits": of_folder(night)["large.fits"]}

    def test_what_was_found_damaged_is_told_at_an_interruption(
        self, arcsecond: Command, night: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The next run finds it there already, and says nothing of it."""
        write(night / "cut.fits", fits_bytes((300, 300))[:50_000])
        told = Run.ended

        def ending(self: Any, outcome: Outcome) -> None:
            told(self, outcome)
            if outcome.name == "cut.fits":
                raise KeyboardInterrupt

        monkeypatch.setattr(Run, "ended", ending)
        ended = arcsecond("upload", str(night / "cut.fits"), "--dataset", "d", "--yes")
        assert ended.status == 130
        assert "Kept, though damaged:\n  cut.fits: " in ended.err
        assert "Interrupted." in ended.err

    @pytest.mark.parametrize("method", ["HEAD", "PATCH", "POST"])
    @pytest.mark.parametrize("told", ["-5", "abc", "", "٣", "9" * 30, "same"])
    def test_a_place_to_go_on_from_that_is_none(
        self, method: str, told: str, api: ArcsecondAPI, night: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        dataset = api.datasets.create(name="d")["uuid"]
        monkeypatch.setattr(patience, "LONGEST_WAIT_S", 0.0)
        exchange = Transport.exchange

        def other(self: Transport, how: str, path: str, headers: Any, content: bytes = b"") -> Any:
            reply = exchange(self, how, path, headers, content)
            if method == "HEAD" and how == "PATCH":
                raise ArcsecondConnectionError("cut")  # so that it is asked for
            if how != method:
                return reply
            name = "Location" if method == "POST" else "Upload-Offset"
            value = {"same": headers.get("Upload-Offset", "")}.get(told, told)
            return replace(reply, headers={name: "" if method == "POST" else value})

        monkeypatch.setattr(Transport, "exchange", other)
        summary = api.datasets(dataset).upload(night / "large.fits")
        if method == "PATCH":  # it is asked for then, and told as it is
            assert summary.ok
            return
        (failed,) = summary.failed
        assert "The server" in failed.reason
        assert "Something failed inside" not in failed.reason

    def test_what_waits_and_is_another_file_is_sent_from_its_beginning(
        self, api: ArcsecondAPI, night: Path
    ) -> None:
        """An upload of that name and size, begun from another machine with other content."""
        dataset = api.datasets.create(name="d")["uuid"]
        item = find([night / "large.fits"]).items[0]
        other = pieces.Sending(
            api.transport, f"/datasets/{dataset}/uploads/", item, {},
            waiting="", moved=lambda _: None, stopping=threading.Event(),
        )  # fmt: skip
        with (night / "large.fits").open("rb", buffering=0) as file:
            other._step(file)
        content = bytearray((night / "large.fits").read_bytes())
        content[5000] ^= 1
        write(night / "large.fits", bytes(content))
        summary = api.datasets(dataset).upload(night / "large.fits")
        assert summary.ok, summary.failed
        assert digests(api, dataset) == {"large.fits": of_folder(night)["large.fits"]}

    def test_names_that_forms_would_change(self, api: ArcsecondAPI, night: Path) -> None:
        dataset = api.datasets.create(name="d")["uuid"]
        names = ['a"b.fits', "a%22b.fits", "50% flat.fits", "a;b.fits", "été 🔭.fits", "%0A.fits"]
        for name in names:
            write(night / "odd" / name, fits_bytes(OBJECT=name.encode().hex()))
        assert api.datasets(dataset).upload(night / "odd").ok
        assert set(digests(api, dataset)) == set(names)
        assert len(api.datasets(dataset).upload(night / "odd").there) == len(names)

    @pytest.mark.parametrize("lost", [0, 1])
    def test_other_content_of_one_name_that_came_in_between(
        self, lost: int, api: ArcsecondAPI, night: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two clients: between plan and transfer the other one was faster.

        It is told as well where the answer that refuses the large one is lost.
        """
        exchange, cut = Transport.exchange, [True] * lost

        def cutting(*args: Any, **more: Any) -> Any:
            try:
                return exchange(*args, **more)
            except NameTakenError:
                if cut:
                    cut.pop()
                    raise ArcsecondConnectionError("The connection was cut.") from None
                raise

        monkeypatch.setattr(Transport, "exchange", cutting)
        dataset = api.datasets.create(name="d")["uuid"]
        monkeypatch.setattr(patience, "LONGEST_WAIT_S", 0.0)
        compare = plan.compare

        def slower(*args: Any) -> None:
            compare(*args)
            for name, shape in (("a.fits", (8, 8)), ("large.fits", (1200, 1000))):
                path = write(night / "other" / name, fits_bytes(shape, OBJECT="faster"))
                api.datasets(dataset).fitsfiles.create(path)

        monkeypatch.setattr(plan, "compare", slower)
        paths = [night / "V/a.fits", night / "large.fits"]
        summary = api.datasets(dataset).upload(paths)
        assert len(summary.failed) == 2
        assert all("other content" in one.reason for one in summary.failed)
        assert not any(one.again for one in summary.failed)
        assert not cut

    def test_damaged_frames_are_kept_and_told(self, api: ArcsecondAPI, night: Path) -> None:
        dataset = api.datasets.create(name="d")["uuid"]
        for name in ("V/a.fits", "large.fits"):
            write(night / name, (night / name).read_bytes()[:-3000])
        summary = api.datasets(dataset).upload(night)
        assert summary.ok
        damaged = {one.name: one.problems for one in summary.done if one.problems}
        assert set(damaged) == {"V/a.fits", "large.fits"}
        assert all("the file ends" in problems[0] for problems in damaged.values())
        assert "2 files kept, though damaged:" in transfers.summed_up(summary, "sent")


class TestFolders:
    """What lies in folders."""

    def test_links_that_lead_back_are_not_followed(self, night: Path) -> None:
        (night / "V" / "again").symlink_to(night)
        (night / "alias").symlink_to(night / "V")
        (night / "itself").symlink_to(night / "itself")
        found = find([night])
        assert [item.name for item in found.items] == sorted([*of_folder(night), "observing.log"])
        assert [Path(path).name for path, _ in found.unreadable] == ["itself"]
        links = found.left_out["links to folders"]
        assert links == [str(night / "V" / "again"), str(night / "alias")]

    def test_several_folders_keep_their_names(self, night: Path) -> None:
        found = find([night / "V", night / "B", night / "large.fits", night / "V"])
        assert [item.name for item in found.items] == ["V/a.fits", "B/a.fits", "large.fits"]

    def test_of_one_name_twice_the_second_is_told(
        self, arcsecond: Command, api: ArcsecondAPI, night: Path
    ) -> None:
        """It holds up no other: such as one name that is written in two ways of Unicode."""
        write(night / "\u00e9t\u00e9.fits", fits_bytes(OBJECT="composed"))
        write(night / "e\u0301te\u0301.fits", fits_bytes(OBJECT="decomposed"))
        done = arcsecond("upload", str(night), "--dataset", "u", "--json")
        assert done.status == 1
        told = json.loads(done.out)
        assert (told["done"], told["failed"]) == (6, 1)
        (reason,) = [file["reason"] for file in told["files"] if file["reason"]]
        assert "would have the same name there, '\u00e9t\u00e9.fits'" in reason

    def test_of_one_name_in_two_places_each_has_a_part_of_its_path(self, night: Path) -> None:
        write(night / "later" / "V" / "a.fits", fits_bytes(OBJECT="later"))
        found = find([night / "V/a.fits", night / "B/a.fits", night / "large.fits"])
        assert [item.name for item in found.items] == ["V/a.fits", "B/a.fits", "large.fits"]
        found = find([night / "V", night / "later" / "V", night / "B"])
        names = [item.name for item in found.items]
        assert names == [f"{night.name}/V/a.fits", "later/V/a.fits", "B/a.fits"]
        assert found.unreadable == []

    def test_a_folder_that_may_not_be_read(self, night: Path) -> None:
        walk = folders.os.scandir

        def refusing(folder: str) -> Any:
            if folder.endswith("flats"):
                raise PermissionError(13, "Permission denied")
            return walk(folder)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(folders.os, "scandir", refusing)
            found = find([night])
        assert found.unreadable == [(str(night / "flats"), "permission denied")]
        assert len(found.items) == 4

    def test_patterns(self, night: Path) -> None:
        def names(**given: Any) -> list[str]:
            return [item.name for item in find([night], **given).items]

        assert names(include=["a.fits"]) == ["B/a.fits", "V/a.fits"]
        assert names(include=["flats/*"], exclude=["*2.fits"]) == ["flats/f1.fits"]


class TestJournal:
    """Digests are worked out once."""

    def item(self, path: Path) -> Item:
        told = path.stat()
        return Item(str(path), path.name, told.st_size, told.st_mtime_ns, told.st_ctime_ns)

    def test_unchanged_files_are_not_read_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(journals, "FRESH_NS", -1)
        path = write(tmp_path / "a.fits", fits_bytes())
        journal = Journal(tmp_path / "home" / "digests.sqlite")
        hash_item(item := self.item(path), journal)
        journal.close()
        journal = Journal(tmp_path / "home" / "digests.sqlite")
        again = self.item(path)
        journal.recall([again])
        assert again.sha256 == item.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        for changed in ({"size": 1}, {"changed_ns": 1}, {"touched_ns": 1}, {"path": "x"}):
            other = self.item(path)
            for name, value in changed.items():
                setattr(other, name, value)
            journal.recall([other])
            assert other.sha256 == ""
        journal.close()

    def test_a_file_that_is_young_may_change_unseen(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.fits", fits_bytes())  # old, as it says
        journal = Journal(tmp_path / "digests.sqlite")
        hash_item(self.item(path), journal)
        journal.close()
        journal = Journal(tmp_path / "digests.sqlite")
        journal.recall([again := self.item(path)])
        assert again.sha256 == ""
        journal.close()

    def test_without_a_journal_everything_is_read_anew(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"x")
        damaged = tmp_path / "damaged.sqlite"
        damaged.write_bytes(b"this is no database" * 100)
        for place in (tmp_path / "file" / "digests.sqlite", damaged):
            journal = Journal(place)
            path = write(tmp_path / "a.fits", fits_bytes())
            hash_item(item := self.item(path), journal)
            assert item.sha256
            journal.recall([self.item(path)])
            journal.close()

    def test_what_is_no_fits_is_not_hashed(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.txt", b"hello")
        journal = Journal(tmp_path / "digests.sqlite")
        with pytest.raises(NotFitsError):
            hash_item(self.item(path), journal)
        journal.close()


class TestPatience:
    """What may pass is tried again, for a while."""

    def test_waits_grow_and_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        waits: list[float] = []
        stopping = threading.Event()
        monkeypatch.setattr(stopping, "wait", lambda s: waits.append(s) or False)
        with pytest.raises(ArcsecondConnectionError):
            Patience(stopping).keep_trying(self.failing(ArcsecondConnectionError("x")))
        assert len(waits) == 7
        assert all(0.25 * 2**n <= wait <= 0.5 * 2**n or wait <= 30 for n, wait in enumerate(waits))
        assert sum(waits) < 120
        busy = ThrottledError()
        for asked, waited in ((7.0, 7.0), (9999.0, 300.0)):
            busy.retry_after = asked
            Patience(stopping).after(busy)
            assert waits[-1] == waited

    def test_what_cannot_pass_is_not_tried_again(self) -> None:
        tries: list[int] = []
        with pytest.raises(ConflictError):
            Patience(threading.Event()).keep_trying(self.failing(ConflictError("x"), tries))
        assert len(tries) == 1

    def test_it_can_be_stopped(self) -> None:
        stopping = threading.Event()
        stopping.set()
        with pytest.raises(StoppedError):
            Patience(stopping).keep_trying(self.failing(ArcsecondConnectionError("x")))
        with pytest.raises(StoppedError):
            Patience(stopping).after(ArcsecondConnectionError("x"))

    def failing(self, error: Exception, tries: list[int] | None = None) -> Callable[[], None]:
        def fail() -> None:
            if tries is not None:
                tries.append(1)
            raise error

        return fail

    @pytest.mark.parametrize(
        ("status", "passes"),
        [(429, True), (500, True), (502, True), (503, True), (504, True), (423, True),
         (507, False), (400, False), (401, False), (403, False), (404, False), (409, False),
         (413, False)],
    )  # fmt: skip
    def test_which_answers_may_pass(self, status: int, passes: bool) -> None:
        assert from_wire(status, "<html>a proxy's page</html>").passes is passes


class TestWatch:
    """A folder that grows."""

    @pytest.fixture(autouse=True)
    def _quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(watching, "LOOK_S", 0.01)
        monkeypatch.setattr(watching, "REST_S", 0.05)

    def watched(
        self, arcsecond: Command, night: Path, monkeypatch: pytest.MonkeyPatch, *steps: Any,
        also: Sequence[Path] = (),
    ) -> Any:  # fmt: skip
        """Watch, and do a step whenever the folder was looked at for some time; then end it."""
        rounds = iter(range(10_000))
        todo = list(steps)

        def rest(self: watching.Watch, stopping: threading.Event) -> None:
            time.sleep(0.01)
            if next(rounds) % 12 == 11:
                if not todo:
                    raise KeyboardInterrupt
                todo.pop(0)()

        monkeypatch.setattr(watching.Watch, "rest", rest)
        paths = map(str, (night, *also))
        return arcsecond("upload", *paths, "--dataset", "w", "--watch", "--json")

    def test_files_are_taken_when_they_are_complete(
        self, arcsecond: Command, api: ArcsecondAPI, night: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        frame = fits_bytes((300, 300), OBJECT="slow")
        slow = night / "V" / "slow.fits"
        taken: list[list[str]] = []

        def names() -> list[str]:
            return sorted(digests(api, api.datasets.list(name="w")[0]["uuid"]))

        done = self.watched(
            arcsecond, night, monkeypatch,
            lambda: taken.append(names()),
            lambda: write(slow, frame[:10_000]),
            lambda: taken.append(names()),
            lambda: write(slow, frame),
            lambda: taken.append(names()),
            lambda: (night / "V").rename(night / "visual"),
            lambda: taken.append(names()),
        )  # fmt: skip
        assert done.status == 0, done.err
        first = sorted(of_folder(night) | {"V/a.fits": ""})
        first = [name for name in first if not name.startswith("visual")]
        assert taken[0] == taken[1] == first
        assert "not complete yet" in done.err
        assert taken[2] == sorted([*first, "V/slow.fits"])
        renamed = [name.replace("V/", "visual/") for name in taken[2]]
        assert taken[3] == sorted(renamed)
        lines = [json.loads(line) for line in done.out.splitlines()]
        assert sorted(line["name"] for line in lines) == taken[2]
        assert {line["outcome"] for line in lines} == {"done"}

        again = self.watched(arcsecond, night, monkeypatch, lambda: None)
        assert {json.loads(line)["outcome"] for line in again.out.splitlines()} == {"there"}

    def test_what_is_renamed_between_two_watches_is_renamed_there(
        self, arcsecond: Command, api: ArcsecondAPI, night: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def names() -> list[str]:
            return sorted(digests(api, api.datasets.list(name="w")[0]["uuid"]))

        self.watched(arcsecond, night, monkeypatch, lambda: None)
        first = names()
        (night / "V" / "a.fits").rename(night / "V" / "renamed.fits")
        again = self.watched(arcsecond, night, monkeypatch, lambda: None)
        assert names() == sorted([*(n for n in first if n != "V/a.fits"), "V/renamed.fits"])
        assert "V/renamed.fits: renamed" in again.err
        assert "V/a.fits" not in again.out
        (night / "V" / "renamed.fits").rename(night / "last.fits")  # and once more
        self.watched(arcsecond, night, monkeypatch, lambda: None)
        assert names() == sorted([*(n for n in first if n != "V/a.fits"), "last.fits"])

    def test_packed_files_are_taken_when_they_end(
        self, arcsecond: Command, api: ArcsecondAPI, night: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = {
            "slow.fits.gz": gzip.compress(fits_bytes((90, 90), OBJECT="gz")),
            "slow.fits.bz2": bz2.compress(fits_bytes((90, 90), OBJECT="bz2")),
            "slow.zip": zipped("a.fits", fits_bytes((90, 90), OBJECT="zip")),
        }

        def cut() -> None:
            for name, content in whole.items():
                write(night / name, content[: len(content) // 2])

        def ended() -> None:
            for name, content in whole.items():
                write(night / name, content)

        done = self.watched(arcsecond, night, monkeypatch, cut, lambda: None, ended, lambda: None)
        assert done.status == 0, done.err
        lines = [json.loads(line) for line in done.out.splitlines()]
        assert not any(line["problems"] for line in lines if line["name"] in whole)
        kept = digests(api, api.datasets.list(name="w")[0]["uuid"])
        for name, content in whole.items():
            assert f"{night / name} is at rest but not complete yet" in done.err
            assert kept[name] == hashlib.sha256(content).hexdigest()

    def test_what_was_damaged_is_mended_by_what_follows(
        self, arcsecond: Command, api: ArcsecondAPI, night: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """compress has no end: half of such a file looks like one."""
        packed = (ASTROPY_FRAMES / "lzw.fits.Z").read_bytes()
        done = self.watched(
            arcsecond, night, monkeypatch,
            lambda: write(night / "slow.fits.Z", packed[: len(packed) // 3]),
            lambda: write(night / "slow.fits.Z", packed),
            lambda: None,
        )  # fmt: skip
        assert done.status == 0, done.err
        (dataset,) = api.datasets.list(name="w")
        (file,) = api.datasets(dataset["uuid"]).fitsfiles.list(name="slow.fits.Z")
        assert (file["version"], file["problems"]) == (2, [])
        assert file["sha256"] == hashlib.sha256(packed).hexdigest()

    def test_what_grows_or_is_written_anew_takes_the_place_of_what_was_sent(
        self, arcsecond: Command, api: ArcsecondAPI, night: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Complete each time, and also when nobody watched as it changed."""
        from astropy.io import fits

        path = night / "grows.fits"

        def extended() -> None:
            fits.append(path, fits.PrimaryHDU([[1, 2]]).data)

        done = self.watched(
            arcsecond, night, monkeypatch,
            lambda: write(path, fits_bytes(OBJECT="first")),
            lambda: write(night / "anew.fits", fits_bytes(OBJECT="first")),
            extended,
            lambda: (night / "anew.fits").write_bytes(fits_bytes(OBJECT="second")),
            lambda: None,
        )  # fmt: skip
        assert done.status == 0, done.err
        (dataset,) = api.datasets.list(name="w")
        frames = api.datasets(dataset["uuid"]).fitsfiles

        def versions() -> dict[str, int]:
            found = list(frames.list())
            for file in found:
                content = (night / file["name"]).read_bytes()
                assert file["sha256"] == hashlib.sha256(content).hexdigest(), file["name"]
            return {file["name"]: file["version"] for file in found}

        assert {"grows.fits": 2, "anew.fits": 2}.items() <= versions().items()
        extended()
        (night / "new").write_bytes(fits_bytes(OBJECT="third"))
        (night / "new").rename(night / "anew.fits")
        done = self.watched(arcsecond, night, monkeypatch, lambda: None)
        assert done.status == 0, done.err
        assert {"grows.fits": 3, "anew.fits": 3}.items() <= versions().items()

    def test_names_that_are_used_again(
        self, arcsecond: Command, api: ArcsecondAPI, night: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As cameras do that write one name, and as logs are rotated; and two that are swapped."""

        def shot(n: int) -> bytes:
            return fits_bytes((20, 20 + n), OBJECT=f"shot {n}")

        def rotate(n: int) -> None:
            for old in range(n - 1, -1, -1):
                name = f"image.{old}.fits" if old else "image.fits"
                (night / name).rename(night / f"image.{old + 1}.fits")
            write(night / "image.fits", shot(n))

        def swap() -> None:
            (night / "image.1.fits").rename(night / "aside")
            (night / "image.2.fits").rename(night / "image.1.fits")
            (night / "aside").rename(night / "image.2.fits")

        done = self.watched(
            arcsecond, night, monkeypatch,
            lambda: write(night / "image.fits", shot(0)),
            lambda: rotate(1), lambda: rotate(2), lambda: rotate(3), swap, lambda: None,
        )  # fmt: skip
        assert done.status == 0, done.err
        kept = digests(api, api.datasets.list(name="w")[0]["uuid"])
        shots = {"image.fits": 3, "image.1.fits": 1, "image.2.fits": 2, "image.3.fits": 0}
        assert {name: kept[name] for name in kept if name.startswith("image")} == {
            name: hashlib.sha256(shot(n)).hexdigest() for name, n in shots.items()
        }
        lines = [json.loads(line) for line in done.out.splitlines()]
        sent = [line for line in lines if line["name"] == "image.fits"]
        assert [line["outcome"] for line in sent] == ["done"] * 4
        assert f"{len(lines)} files sent" in done.err

    def test_a_name_is_used_again_between_two_watches(
        self, arcsecond: Command, api: ArcsecondAPI, night: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(night / "image.fits", fits_bytes(OBJECT="first"))
        self.watched(arcsecond, night, monkeypatch, lambda: None)
        first = digests(api, api.datasets.list(name="w")[0]["uuid"])
        (night / "image.fits").rename(night / "image.1.fits")
        write(night / "image.fits", fits_bytes((30, 30), OBJECT="second"))
        again = self.watched(arcsecond, night, monkeypatch, lambda: None, lambda: None)
        assert again.status == 0, again.err
        assert "image.1.fits: renamed" in again.err
        kept = digests(api, api.datasets.list(name="w")[0]["uuid"])
        assert kept["image.1.fits"] == first["image.fits"]
        assert kept["image.fits"] != first["image.fits"]

    def test_names_are_rotated_between_two_watches(
        self, arcsecond: Command, api: ArcsecondAPI, night: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each has the name there that another one is to get."""
        for n in range(3):
            write(night / f"l.{n}.fits", fits_bytes((20, 20 + n), OBJECT=f"shot {n}"))
        self.watched(arcsecond, night, monkeypatch, lambda: None)
        before = digests(api, api.datasets.list(name="w")[0]["uuid"])
        (night / "l.2.fits").rename(night / "l.3.fits")
        (night / "l.1.fits").rename(night / "l.2.fits")
        (night / "l.0.fits").rename(night / "l.1.fits")
        write(night / "l.0.fits", fits_bytes((40, 40), OBJECT="the newest"))
        again = self.watched(arcsecond, night, monkeypatch, lambda: None, lambda: None)
        assert again.status == 0, again.err
        kept = digests(api, api.datasets.list(name="w")[0]["uuid"])
        for n in range(3):
            assert kept[f"l.{n + 1}.fits"] == before[f"l.{n}.fits"]
        assert kept["l.0.fits"] not in before.values()

    def test_what_is_renamed_twice_while_the_server_is_away(
        self, arcsecond: Command, api: ArcsecondAPI, night: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, away = Transport._response, False

        def leaving(self: Transport, method: str, *args: Any, **kwargs: Any) -> Any:
            if away and method == "PATCH":
                raise ArcsecondConnectionError("nobody answers.")
            return real(self, method, *args, **kwargs)

        def goes(is_away: bool) -> None:
            nonlocal away
            away = is_away

        monkeypatch.setattr(patience, "LONGEST_WAIT_S", 0.0)
        monkeypatch.setattr(Transport, "_response", leaving)
        large, small = night / "large.fits", night / "V" / "a.fits"
        done = self.watched(
            arcsecond, night, monkeypatch,
            lambda: goes(True),
            lambda: (large.rename(night / "b.fits"), small.rename(night / "x.fits")),
            lambda: ((night / "b.fits").rename(night / "c.fits"), (night / "x.fits").rename(small)),
            lambda: goes(False),
            lambda: None,
        )  # fmt: skip
        assert done.status == 0, done.err
        assert sorted(digests(api, api.datasets.list(name="w")[0]["uuid"])) == sorted(
            {*of_folder(night)}
        )
        assert "c.fits" in of_folder(night)

    def test_a_name_is_used_again_while_its_file_is_sent(
        self, arcsecond: Command, api: ArcsecondAPI, night: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = fits_bytes((20, 20), OBJECT="first")
        second = fits_bytes((20, 21), OBJECT="second")
        send, latest = Transport.send_parts, night / "latest.fits"

        def sending(self: Transport, path: str, parts: Any, fields: Any) -> Any:
            answer = send(self, path, parts, fields)
            if latest.read_bytes() == first:
                latest.rename(night / "0001.fits")
                write(latest, second)
            return answer

        write(latest, first)
        monkeypatch.setattr(Transport, "send_parts", sending)
        done = self.watched(arcsecond, night, monkeypatch, lambda: None, lambda: None)
        assert done.status == 0, done.err
        kept = digests(api, api.datasets.list(name="w")[0]["uuid"])
        assert kept["0001.fits"] == hashlib.sha256(first).hexdigest()
        assert kept["latest.fits"] == hashlib.sha256(second).hexdigest()

    def test_what_goes_before_it_was_taken_does_not_count(
        self, arcsecond: Command, night: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As files of cameras that write under another name first; and a log is told once."""
        part = night / "f.fits.part"

        def goes_on() -> None:
            with (night / "observing.log").open("a") as log:
                log.write("still clouds\n")

        done = self.watched(
            arcsecond, night, monkeypatch,
            lambda: write(part, b"SIMPLE  =  half"), lambda: part.rename(night / "f.fits.gone"),
            goes_on, lambda: (night / "f.fits.gone").unlink(), goes_on, goes_on, lambda: None,
        )  # fmt: skip
        assert done.status == 0, done.err
        assert "Not sent yet" not in done.err
        (told,) = [line for line in done.err.splitlines() if "no FITS:" in line]
        assert told.count("observing.log") == 1

    def test_what_is_damaged_and_renamed_replaces_nothing_of_others(
        self, arcsecond: Command, api: ArcsecondAPI, night: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        packed = (ASTROPY_FRAMES / "lzw.fits.Z").read_bytes()
        other = fits_bytes((9, 9), OBJECT="of somebody else")
        elsewhere = write(night.parent / "other" / "b.fits.Z", other)

        def rename() -> None:
            (dataset,) = api.datasets.list(name="w")
            assert api.datasets(dataset["uuid"]).upload(elsewhere).ok
            (night / "a.fits.Z").rename(night / "b.fits.Z")
            (night / "c.fits.Z").rename(night / "d.fits.Z")

        done = self.watched(
            arcsecond, night, monkeypatch,
            lambda: [write(night / f"{n}.fits.Z", packed[:4000]) for n in "ac"],
            rename,
            lambda: [write(night / f"{n}.fits.Z", packed) for n in "bd"],
            lambda: None,
        )  # fmt: skip
        assert done.status == 1
        assert "b.fits.Z could not be renamed there" in done.err
        (dataset,) = api.datasets.list(name="w")
        kept = digests(api, dataset["uuid"])
        assert kept["b.fits.Z"] == hashlib.sha256(other).hexdigest()
        assert kept["d.fits.Z"] == hashlib.sha256(packed).hexdigest()

    def test_folders_that_lie_in_each_other(
        self, arcsecond: Command, night: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        done = self.watched(arcsecond, night, monkeypatch, lambda: None, also=(night / "V",))
        assert done.status == 0, done.err
        names = [json.loads(line)["name"] for line in done.out.splitlines()]
        assert sorted(names) == sorted(f"night/{name}" for name in of_folder(night))

    def test_what_is_left_out_and_what_is_not_sent_is_told(
        self, arcsecond: Command, night: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(night / "notes.txt", b"clouds at two")
        write(night / ".hidden.fits", fits_bytes())
        (night / "nothing.fits").touch()
        write(night / "bad.fits", b"no frame")
        done = self.watched(arcsecond, night, monkeypatch, lambda: None)
        assert done.status == 1
        for told in ("Left out, hidden:", "Left out, empty:", "Left out, no FITS:", "notes.txt"):
            assert told in done.err
        assert "Not sent yet: " in done.err
        assert "bad.fits" in done.err.rpartition("Not sent yet: ")[2]

    def test_a_server_that_comes_later(
        self, arcsecond: Command, api: ArcsecondAPI, night: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = Transport._response
        away = True

        def absent(self: Transport, *args: Any, **kwargs: Any) -> Any:
            if away:
                raise ArcsecondConnectionError("nobody answers.")
            return real(self, *args, **kwargs)

        def comes() -> None:
            nonlocal away
            away = False

        monkeypatch.setattr(patience, "LONGEST_WAIT_S", 0.0)
        monkeypatch.setattr(Transport, "_response", absent)
        done = self.watched(arcsecond, night, monkeypatch, comes, lambda: None)
        assert done.status == 0, done.err
        assert "It is tried again" in done.err
        assert len(digests(api, api.datasets.list(name="w")[0]["uuid"])) == 5

    def test_a_server_that_is_away_for_a_while(
        self, arcsecond: Command, api: ArcsecondAPI, night: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = Transport._response
        away = True

        def leaving(self: Transport, method: str, path: str, *args: Any, **kwargs: Any) -> Any:
            if away and path.endswith("/known/"):
                raise ArcsecondConnectionError("nobody answers.")
            return real(self, method, path, *args, **kwargs)

        def back() -> None:
            nonlocal away
            away = False

        monkeypatch.setattr(patience, "LONGEST_WAIT_S", 0.0)
        monkeypatch.setattr(Transport, "_response", leaving)
        done = self.watched(arcsecond, night, monkeypatch, back, lambda: None)
        assert done.status == 0, done.err
        assert "tried again" in done.err
        assert len(done.out.splitlines()) == 5

    def test_a_server_that_is_full_for_a_while(
        self, arcsecond: Command, night: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        send, full = Transport.send_parts, True

        def sending(self: Transport, path: str, parts: Any, fields: Any) -> Any:
            if full:
                raise NoSpaceError("The server has no room for this file.")
            return send(self, path, parts, fields)

        def make_room() -> None:
            nonlocal full
            full = False

        monkeypatch.setattr(watching, "FIRST_WAIT_S", 0.01)
        monkeypatch.setattr(Transport, "send_parts", sending)
        done = self.watched(arcsecond, night, monkeypatch, make_room, lambda: None, lambda: None)
        assert done.status == 0, done.err
        assert done.err.count("V/a.fits: The server has no room") == 1
        assert len(done.out.splitlines()) == 5

    def test_a_folder_that_comes_later_and_two_of_one_name(
        self, arcsecond: Command, night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Neither holds up the rest."""
        later, same = tmp_path / "later", tmp_path / "again" / "V"
        write(same / "a.fits", fits_bytes(OBJECT="the same name"))
        done = self.watched(
            arcsecond, night / "V", monkeypatch,
            lambda: write(later / "b.fits", fits_bytes(OBJECT="later")),
            lambda: None,
            also=(later, same),
        )  # fmt: skip
        names = [json.loads(line)["name"] for line in done.out.splitlines()]
        assert sorted(names) == ["again/V/a.fits", "later/b.fits", "night/V/a.fits"]
        assert done.err.count("later cannot be sent yet: it is not there.") == 1


def test_an_upload_that_has_expired_begins_anew(
    api: ArcsecondAPI, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(night / "large.fits", fits_bytes((2200, 1000), OBJECT="large"))
    dataset = api.datasets.create(name="x")["uuid"]
    exchange, asked = Transport.exchange, list[tuple[str, str]]()

    def expiring(
        self: Transport, method: str, path: str, headers: dict[str, str], content: bytes = b""
    ) -> Any:
        offset = headers.get("Upload-Offset", "")
        asked.append((method, offset))
        if method == "PATCH" and offset != "0" and asked.count(("POST", "")) == 1:
            raise from_wire(410, {"detail": "This upload has expired.", "code": "expired"})
        return exchange(self, method, path, headers, content)

    monkeypatch.setattr(Transport, "exchange", expiring)
    assert api.datasets(dataset).upload(night / "large.fits").ok
    assert asked.count(("POST", "")) == 2
    assert asked.count(("PATCH", "0")) == 2


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7.0), ("Sat, 28 Nov 2099 12:00:00 GMT", 1e9), ("Sat, 28 Nov 1999 12:00:00 GMT", 0.0),
     ("soon", None), ("", None)],
)  # fmt: skip
def test_when_to_ask_again_is_read_from_the_answer(text: str, seconds: float | None) -> None:
    refusal = transport._refusal(
        httpx2.Response(429, json={"detail": "Slow down."}, headers={"Retry-After": text})
    )
    assert isinstance(refusal, ThrottledError)
    if seconds is None or seconds < 1e9:
        assert refusal.retry_after == seconds
    else:
        assert refusal.retry_after is not None
        assert refusal.retry_after > seconds


def test_how_far_it_is_in_a_line() -> None:
    now = Standing(files=10, size=4_000_000, done=3, moved=1_000_000, failed=1)
    assert standing.line(now, 500_000.0) == (
        "3 of 10 files, 1.0 MB of 4.0 MB, 500.0 kB/s, 0 min 6 s left, 1 failed"
    )
    far = Standing(files=1, size=9_000_000_000, moved=1_000_000)
    assert standing.line(far, 500_000.0).endswith("4 h 59 min left")
    assert standing.line(Standing(files=2), 0.0) == "0 of 2 files, 0 bytes of 0 bytes"
    stalled = Standing(files=1, size=10, trouble="The server did not answer within 60 s.")
    assert standing.line(stalled, 0.0).endswith("; trying again: " + stalled.trouble)


def test_rates_are_those_of_the_last_half_minute() -> None:
    """And what had arrived before the transfer began was never fast."""
    rate = standing.Rate()
    begin = time.monotonic()
    for second in range(1, 60):
        speed = 1_000_000 if second <= 20 else 100_000
        moved = 1_000_000 * min(second, 20) + 100_000 * max(0, second - 20)
        now = Standing(size=10**10, moved=moved + 9 * 10**9, before=9 * 10**9)
        found = rate.of(now, begin + second)
        if second <= 20 or second > 52:
            assert found == pytest.approx(speed, rel=0.02), second


def test_what_had_arrived_before_is_told(
    arcsecond: Command, api: ArcsecondAPI, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(night / "large.fits", fits_bytes((2200, 1000), OBJECT="large"))
    dataset = api.datasets.create(name="r")["uuid"]
    step, steps = pieces.Sending._step, 0

    def cut(self: pieces.Sending, file: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps == 3:
            raise KeyboardInterrupt
        return step(self, file)

    seen: list[tuple[int, int]] = []

    def look(now: Standing) -> None:
        seen.append((now.moved, now.before))

    with monkeypatch.context() as once:
        once.setattr(pieces.Sending, "_step", cut)
        with pytest.raises(KeyboardInterrupt):
            api.datasets(dataset).upload(night / "large.fits", jobs=1)
    assert api.datasets(dataset).upload(night / "large.fits", progress=look).ok
    size = (night / "large.fits").stat().st_size
    assert seen[-1] == (size, 2 << 20)


def test_what_is_said_in_the_end(tmp_path: Path) -> None:
    item = Item(str(tmp_path / "a.fits"), "a.fits", 5, 0)
    failed = [running.failed(item, f"Reason {n}.") for n in range(7)]
    summary = running.Summary("d", failed, {"empty": ["x", "y"]})
    told = transfers.summed_up(summary, "sent")
    assert told.startswith("0 files sent, 0 bytes; 2 left out; 7 failed.")
    assert "Reason 4." in told
    assert "Reason 5." not in told
    assert "2 more" in told


def test_what_waits_is_listed_by_the_name_of_a_dataset(arcsecond: Command) -> None:
    dataset = arcsecond("datasets", "create", "--name", "BIG", "--quiet").out.strip()
    for called in (dataset, "BIG"):
        listed = arcsecond("datasets", called, "--uploads", "--json")
        assert (listed.status, json.loads(listed.out)) == (0, []), listed.err
    assert arcsecond("datasets", "SMALL", "--uploads").status == 1
