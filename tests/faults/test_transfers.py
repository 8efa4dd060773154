"""Uploads and downloads through everything that can go wrong between two disks.

``ARCSECOND_ROUNDS=20`` runs what is drawn by dice twenty times, each with other dice.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from arcsecond import ArcsecondAPI
from arcsecond.client import patience, pieces, plan, transport, uploading
from arcsecond.client.running import Summary
from arcsecond.folders import FRESH_NS, find
from tests.conftest import Server, environment, fits_bytes, start
from tests.faults.conftest import Account, gone
from tests.faults.dying import POINTS
from tests.faults.proxy import Storm

ROUNDS = range(int(os.environ.get("ARCSECOND_ROUNDS", "1")))
KINDS = ("drop", "truncate", "delay", "stall", "corrupt")


@pytest.fixture(autouse=True)
def _small_and_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small pieces, so that there are many; short waits; a client that is soon impatient."""
    monkeypatch.setattr(plan, "SMALL", 64 << 10)
    monkeypatch.setattr(uploading, "SMALL", 64 << 10)
    monkeypatch.setattr(uploading, "TOGETHER", 8)
    monkeypatch.setattr(pieces, "PIECE", 256 << 10)
    monkeypatch.setattr(pieces, "LEAST_PIECE", 64 << 10)
    monkeypatch.setattr(patience, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(patience, "LONGEST_WAIT_S", 0.3)


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """Return a folder of frames, large and small."""
    folder = tmp_path / "night"
    dice = random.Random(1)
    for n in range(3):
        write(folder / "large" / f"{n}.fits", fits_bytes(OBJECT=str(n)) + dice.randbytes(1_500_000))
    for n in range(30):
        write(folder / f"{n % 3}" / f"{n}.fits", fits_bytes((50, 60), OBJECT=str(n)))
    return folder


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (1_000_000_000, 1_000_000_000))


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def client(account: Account, url: str) -> ArcsecondAPI:
    return ArcsecondAPI(server=url, key=account.key, timeout=1.0)


def is_there(account: Account, night: Path, server: str) -> None:
    """All of it is on the server, and in its data directory, and nothing else."""
    account.content |= content(night)
    with client(account, server) as api:
        listed = {
            file["name"]: file["sha256"] for file in api.datasets(account.dataset).fitsfiles.list()
        }
    assert listed == {
        name: hashlib.sha256(data).hexdigest() for name, data in account.content.items()
    }
    account.is_whole()


def until_done(transfer: Callable[[], Summary]) -> Summary:
    """Type the same again until all of it is there, as a person would."""
    for _ in range(12):
        try:
            summary = transfer()
        except Exception as error:  # noqa: BLE001  # told to the person, who tries again
            last: object = error
        else:
            if summary.ok:
                return summary
            last = summary.failed
    raise AssertionError(last)


@pytest.mark.parametrize("seed", ROUNDS)
@pytest.mark.parametrize("kinds", [*((kind,) for kind in KINDS), KINDS], ids="+".join)
class TestStorms:
    """A network that drops, truncates, delays, stalls and corrupts."""

    def test_an_upload(
        self, kinds: tuple[str, ...], seed: int, account: Account, night: Path,
        serve: Callable[..., Server],
    ) -> None:  # fmt: skip
        server = serve("--workers", "2")
        with Storm(server.url, kinds, seed, every=400_000, most=25) as storm:
            with client(account, storm.url) as api:
                until_done(lambda: api.datasets(account.dataset).upload(night, replace=False))
            assert storm.told
        is_there(account, night, server.url)

    def test_a_download(
        self, kinds: tuple[str, ...], seed: int, account: Account, night: Path, tmp_path: Path,
        serve: Callable[..., Server],
    ) -> None:  # fmt: skip
        server, target = serve(), tmp_path / "here"
        with client(account, server.url) as api:
            assert api.datasets(account.dataset).upload(night).ok
        wanted = account.content | content(night)
        with (
            Storm(server.url, kinds, seed, every=300_000, most=25) as storm,
            client(account, storm.url) as api,
            never_half(target, wanted),
        ):
            until_done(lambda: api.datasets(account.dataset).download(target))
            assert storm.told
        assert content(target) == wanted


@contextlib.contextmanager
def never_half(target: Path, wanted: dict[str, bytes]) -> Iterator[None]:
    """Look again and again whether a file bears its name that is not whole."""
    over, half = threading.Event(), []

    def look() -> None:
        while not over.wait(0.02):
            for name, data in content(target).items() if target.exists() else ():
                if not name.rpartition("/")[2].startswith(".") and data != wanted[name]:
                    half.append(name)

    def safely() -> None:
        while not over.is_set():
            with contextlib.suppress(FileNotFoundError):  # a part that got its name meanwhile
                look()

    thread = threading.Thread(target=safely)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert not half


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_connections_that_bring_nothing_any_more(
    account: Account, night: Path, tmp_path: Path, serve: Callable[..., Server],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Nobody closes them, and nothing comes: both ways end in time, and go on."""
    monkeypatch.setattr(transport, "SLOWEST_BYTES_PER_S", 1 << 20)
    server, target = serve(), tmp_path / "here"
    with (
        Storm(server.url, ("silence",), 3, every=600_000, most=4) as storm,
        client(account, storm.url) as api,
    ):
        until_done(lambda: api.datasets(account.dataset).upload(night))
        assert storm.told
    is_there(account, night, server.url)
    with (
        Storm(server.url, ("silence",), 4, every=600_000, most=4) as storm,
        client(account, storm.url) as api,
    ):
        until_done(lambda: api.datasets(account.dataset).download(target))
        assert storm.told
    assert content(target) == account.content


@pytest.mark.parametrize(
    ("action", "point"),
    [(action, point) for action in ("tus", "upload") for point in POINTS[action]],
)
def test_a_server_that_is_killed_under_an_upload(
    action: str, point: str, account: Account, night: Path, serve: Callable[..., Server]
) -> None:
    """Another one takes its place a little later; the client does not even notice."""
    dying = start(account.settings, module="tests.faults.dying", DIE_AT=f"{action}: {point}")
    after: list[Server] = []

    def take_its_place() -> None:
        gone(dying)
        after.append(serve())
        storm.point_at(after[0].url)

    with Storm(dying.url, (), 0, every=1, most=0) as storm, client(account, storm.url) as api:
        successor = threading.Thread(target=take_its_place)
        successor.start()
        until_done(lambda: api.datasets(account.dataset).upload(night))
        successor.join(30)
    assert after, "it was not killed"
    is_there(account, night, after[0].url)


def command(account: Account, url: str, *words: str) -> subprocess.Popen[bytes]:
    environ = environment(account.settings, ARCSECOND_SERVER=url, ARCSECOND_KEY=account.key)
    environ["ARCSECOND_HOME"] = str(account.settings.home.parent / "client")
    return subprocess.Popen(
        [sys.executable, "-m", "arcsecond", *words], env=environ, stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def killed_somewhere(
    running: subprocess.Popen[bytes], how: signal.Signals, storm: Storm, dice: random.Random
) -> None:
    """Wait until it has moved some bytes, or begun so lately that it has not, and kill it.

    It may end before by itself.
    """
    enough = storm.moved + dice.randrange(1, 30_000_000)
    until = time.monotonic() + (1.5 * dice.random() if dice.random() < 0.2 else 60)
    while running.poll() is None:
        if storm.moved >= enough or time.monotonic() > until:
            os.killpg(running.pid, how)
            running.wait(30)
        time.sleep(0.005)


@pytest.mark.parametrize("seed", ROUNDS)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_client_that_is_killed_again_and_again(
    how: signal.Signals, seed: int, account: Account, night: Path, tmp_path: Path,
    serve: Callable[..., Server],
) -> None:  # fmt: skip
    """At random moments; it goes on where it was, both ways."""
    dice = random.Random(seed)
    write(night / "huge.fits", fits_bytes(OBJECT="huge") + dice.randbytes(60_000_000))
    server, target = serve(), tmp_path / "here"
    wanted = account.content | content(night)
    size = sum(map(len, content(night).values()))
    far: list[int] = []

    def look() -> None:
        """Note how far the large one is: one upload, that goes on."""
        with client(account, server.url) as api:
            waiting = api.datasets(account.dataset).uploads.list()
            received = [one["received"] for one in waiting if one["name"] == "huge.fits"]
        assert len(received) <= 1
        far.extend(received)

    with Storm(server.url, ("delay",), seed, every=4_000_000, most=1000) as storm:
        for words in (
            ("upload", str(night), "--dataset", account.dataset, "--jobs", "2"),
            ("download", account.dataset, "--to", str(target)),
        ):
            storm.moved, kills = 0, 0
            with never_half(target, wanted):
                while True:
                    running = command(account, storm.url, *words)
                    killed_somewhere(running, how, storm, dice)
                    said = running.communicate()[1]
                    # Python itself ends with 1 when it is interrupted before any of ours runs.
                    begun_just_now = how != signal.SIGKILL and b"KeyboardInterrupt" in said
                    if running.returncode not in (-how, 130) and not begun_just_now:
                        break
                    kills += 1
                    if words[0] == "upload":
                        look()
            assert running.returncode == 0, said
            assert kills
            assert storm.moved < 2 * size + kills * (40 << 20)
        assert far == sorted(far), "it began anew"
        assert any(far), "it was never killed in the middle of the large one"
    is_there(account, night, server.url)
    assert content(target) == wanted


JUMPS_S = (3 * 86400, -4000 * 86400, 400 * 86400, 0)


class TestClocks:
    """Clocks of the wall that jump: the server's is asked for expiry, the client's for little."""

    def test_of_the_client(
        self, account: Account, night: Path, tmp_path: Path, serve: Callable[..., Server],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        """Both ways, with digests that are remembered; what changed is seen all the same."""
        wrong, seen = 0, 0
        right_s, right_ns = time.time, time.time_ns
        monkeypatch.setattr(time, "time", lambda: right_s() + wrong)
        monkeypatch.setattr(time, "time_ns", lambda: right_ns() + wrong * 10**9)

        def jump(_standing: Any) -> None:
            nonlocal wrong, seen
            seen += 1
            wrong = JUMPS_S[seen % len(JUMPS_S)]

        server, target = serve(), tmp_path / "here"
        with client(account, server.url) as api:
            dataset = api.datasets(account.dataset)
            for _ in JUMPS_S:
                assert dataset.upload(night, progress=jump).ok
                assert dataset.download(target, progress=jump).ok
                jump(None)
            assert seen > 50
            write(night / "0" / "0.fits", fits_bytes((50, 60), OBJECT="changed"))
            assert [one.name for one in dataset.upload(night).failed] == ["0/0.fits"]
            assert dataset.upload(night, replace=True).ok
        wrong = 0
        is_there(account, night, server.url)

    def test_of_the_server(self, account: Account, night: Path, tmp_path: Path) -> None:
        clock = tmp_path / "clock"
        clock.write_text("0")
        server = start(
            account.settings, module="tests.faults.jumping", fresh=True, CLOCK=str(clock)
        )
        jumps = iter(JUMPS_S * 100)
        seen: list[int] = []

        def jump(standing: Any) -> None:
            if standing.moved // 400_000 > len(seen):
                seen.append(standing.moved)
                clock.write_text(str(next(jumps)))

        try:
            with client(account, server.url) as api:
                until_done(lambda: api.datasets(account.dataset).upload(night, progress=jump))
            assert len(seen) > 3
            clock.write_text("0")
            is_there(account, night, server.url)
        finally:
            server.stop()


class TestSeveral:
    """Several clients at once."""

    def test_the_same_folder(
        self, account: Account, night: Path, serve: Callable[..., Server]
    ) -> None:
        """Everything is kept once; each client says that all of it is there."""
        server = serve("--workers", "2")
        summaries: list[Summary] = []

        def send() -> None:
            with client(account, server.url) as api:
                summaries.append(until_done(lambda: api.datasets(account.dataset).upload(night)))

        threads = [threading.Thread(target=send) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [summary.ok for summary in summaries] == [True] * 3
        is_there(account, night, server.url)

    def test_one_upload(
        self, account: Account, night: Path, tmp_path: Path, serve: Callable[..., Server]
    ) -> None:
        """Two write the same upload of tus: they take turns, and cannot spoil it."""
        server = serve("--workers", "2")
        (item,) = find([night / "large" / "0.fits"]).items
        begin = f"/datasets/{account.dataset}/uploads/"
        stopping = threading.Event()
        errors: list[Exception] = []

        def sending(api: ArcsecondAPI, waiting: str) -> pieces.Sending:
            return pieces.Sending(
                api.transport, begin, find([item.path]).items[0], {},
                waiting=waiting, moved=lambda _: None, stopping=stopping,
            )  # fmt: skip

        with client(account, server.url) as api, client(account, server.url) as other:
            first = sending(api, "")
            with open(item.path, "rb", buffering=0) as file:
                first._step(file)

            def send(one: pieces.Sending) -> None:
                try:
                    one.send()
                except Exception as error:  # noqa: BLE001  # compared below
                    errors.append(error)

            threads = [
                threading.Thread(target=send, args=(one,))
                for one in (first, sending(other, first._address))
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
            assert not errors
            listed = {file["name"] for file in api.datasets(account.dataset).fitsfiles.list()}
            assert listed == {"kept.fits", "0.fits"}
        account.content["0.fits"] = Path(item.path).read_bytes()
        account.is_whole()


class TestFullDisks:
    """There is no room, here or there; later there is."""

    def test_there(self, account: Account, night: Path, serve: Callable[..., Server]) -> None:
        """RLIMIT_FSIZE: the system refuses to write on, as a full disk does."""
        full = start(account.settings, wrapper=[sys.executable, "-c", _LIMITED], MOST="1000000")
        try:
            with client(account, full.url) as api:
                summary = api.datasets(account.dataset).upload(night)
            assert {Path(one.name).parent.name for one in summary.failed} == {"large"}
            assert all("room" in one.reason for one in summary.failed)
            assert len(summary.done) == 30
        finally:
            full.stop()
        server = serve()
        with client(account, server.url) as api:
            assert api.datasets(account.dataset).upload(night).ok
        is_there(account, night, server.url)

    def test_here(
        self, account: Account, night: Path, tmp_path: Path, serve: Callable[..., Server]
    ) -> None:
        server, target = serve(), tmp_path / "here"
        with client(account, server.url) as api:
            assert api.datasets(account.dataset).upload(night).ok
        words = ("download", account.dataset, "--to", str(target))
        environ = environment(
            account.settings, ARCSECOND_SERVER=server.url, ARCSECOND_KEY=account.key, MOST="1000000"
        )
        environ["ARCSECOND_HOME"] = str(tmp_path / "client")
        done = subprocess.run(
            [sys.executable, "-c", _LIMITED, sys.executable, "-m", "arcsecond", *words, "--json"],
            env=environ, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        told = json.loads(done.stdout)
        failed = {file["name"]: file["reason"] for file in told["files"] if file["reason"]}
        assert "large/0.fits" in failed
        wanted = account.content | content(night)
        for name, data in content(target).items():
            if not name.rpartition("/")[2].startswith("."):
                assert data == wanted[name]
        running = command(account, server.url, *words)
        said = running.communicate(timeout=60)[1]
        assert running.returncode == 0, said
        assert content(target) == wanted


_LIMITED = """
import os, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
most = int(os.environ["MOST"])
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
os.execv(sys.argv[1], sys.argv[1:])
"""


class TestMany:
    """A folder of a hundred thousand files."""

    COUNT = 100_000

    @pytest.fixture
    def crowd(self, tmp_path: Path) -> Path:
        """Return the folder; most names are links to a few frames."""
        frames = [tmp_path / "frames" / f"{n}.fits" for n in range(100)]
        for path in frames:
            write(path, fits_bytes((4, 4), OBJECT=path.stem))
        folder = tmp_path / "crowd"
        for n in range(self.COUNT):
            if n % 1000 == 0:
                (folder / f"{n // 1000:03}").mkdir(parents=True)
            os.link(frames[n % 100], folder / f"{n // 1000:03}" / f"{n:06}.fits")
        newest = max(path.stat().st_ctime_ns for path in frames)
        while time.time_ns() - newest <= FRESH_NS:  # a digest of what is younger is not kept
            time.sleep(0.1)
        return folder

    @pytest.mark.parametrize("database", ["sqlite"], indirect=True)
    def test_a_plan(
        self, account: Account, crowd: Path, serve: Callable[..., Server], tmp_path: Path
    ) -> None:
        """All of them are in it, in little memory; what was hashed once is not read again."""
        server = serve()
        words = ("upload", str(crowd), "--dataset", account.dataset, "--dry-run", "--json")
        environ = environment(account.settings, ARCSECOND_SERVER=server.url)
        environ |= {"ARCSECOND_KEY": account.key, "ARCSECOND_HOME": str(tmp_path / "client")}
        for traced in ("", "read again"):
            measured = [sys.executable, "-c", MEASURED, traced, *words]
            with (tmp_path / "plan.json").open("wb") as out:
                done = subprocess.run(
                    measured, env=environ, stdout=out, stderr=subprocess.PIPE, check=False
                )
            assert done.returncode == 0, done.stderr.decode()[-2000:]
            planned = json.loads((tmp_path / "plan.json").read_bytes())
            assert len(planned["items"]) == self.COUNT
            assert len({item["name"] for item in planned["items"]}) == self.COUNT
            assert len({item["sha256"] for item in planned["items"]}) == 100
            grown = int(done.stderr.decode().rpartition("grown: ")[2])
            assert grown < 250 << 10, grown  # of which most is the JSON that was asked for


MEASURED = """
import resource, sys
from arcsecond.client import journal
from arcsecond.cli.main import run
if sys.argv[1]:
    journal.hash_item = journal.hash_open = None  # which would be called to read one
    from arcsecond.client import plan
    plan.hash_item = None
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
status = run(sys.argv[2:])
print("grown:", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, file=sys.stderr)
sys.exit(status)
"""
