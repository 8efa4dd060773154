"""What fails around the server: the network, the disk, the clock, the limits of the system."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import pytest

from arcsecond import ArcsecondAPI, ArcsecondError
from arcsecond.server.archive import files
from arcsecond.server.settings import Settings
from arcsecond.server.storage.folder import FolderIncoming
from tests.conftest import Http, Server, environment, fits_bytes, start
from tests.faults.conftest import NEW, Account, large_frame, wait_until
from tests.faults.proxy import CuttingProxy

SIZE = 3_000_000
DAY = 86400
YEAR = 365 * DAY
ARCSECOND = [sys.executable, "-m", "arcsecond"]


@contextlib.contextmanager
def through_a_proxy(server: Server, account: Account) -> Iterator[tuple[CuttingProxy, Any]]:
    """Yield a proxy before a server, and the files of the account's dataset behind it."""
    with (
        CuttingProxy(server.url) as proxy,
        ArcsecondAPI(server=proxy.url, key=account.key, timeout=20) as api,
    ):
        yield proxy, api.datasets(account.dataset).fitsfiles


def test_an_upload_cut_anywhere(
    account: Account, serve: Callable[..., Server], tmp_path: Path
) -> None:
    """Cut at twenty random offsets: told at once, nothing kept, and the server lives on."""
    server = serve()
    frame = large_frame(tmp_path / "large.fits", SIZE)
    whole = frame.stat().st_size
    offsets = sorted(random.Random(3).sample(range(1, whole), 20))
    with through_a_proxy(server, account) as (proxy, uploads):
        for offset in offsets:
            proxy.cut_after = offset
            with pytest.raises(ArcsecondError):
                uploads.create(file=str(frame))
        wait_until(lambda: not list((server.home / "incoming").iterdir()))
        account.is_whole()
        proxy.cut_after = None
        made = uploads.create(file=str(frame))
    assert made["size"] == whole
    account.content["large.fits"] = frame.read_bytes()
    account.is_whole()


def test_an_upload_of_several_cut_anywhere(
    account: Account, serve: Callable[..., Server], tmp_path: Path
) -> None:
    """None of them is acknowledged, none is kept; sent again they all are."""
    server = serve()
    frames = [large_frame(tmp_path / f"{n}.fits", 150_000) for n in range(10)]
    parts = [(frame.name, frame.read_bytes()) for frame in frames]
    offsets = random.Random(4).sample(range(1, sum(f.stat().st_size for f in frames)), 10)
    with through_a_proxy(server, account) as (proxy, uploads):
        for offset in offsets:
            proxy.cut_after = offset
            with pytest.raises(ArcsecondError):
                uploads.transport.send_parts(account.path, parts, {})
        wait_until(lambda: not list((server.home / "incoming").iterdir()))
        account.is_whole()
        proxy.cut_after = None
        told = uploads.transport.send_parts(account.path, parts, {}).data
        assert [one["status"] for one in told] == [201] * len(frames)
    account.content |= {frame.name: frame.read_bytes() for frame in frames}
    account.is_whole()


def test_an_answer_that_never_arrives(account: Account, serve: Callable[..., Server]) -> None:
    """The file is there all the same; sending it again is harmless and answered 200."""
    server = serve()
    with CuttingProxy(server.url) as proxy:
        proxy.swallows = True
        with pytest.raises(httpx2.TransportError):
            account.upload(proxy.url, "new.fits", NEW)
    account.content["new.fits"] = NEW
    account.is_whole()
    assert account.upload(server.url, "new.fits", NEW).status_code == 200


# The disk


def _failing(number: int) -> Callable[..., None]:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (errno.ENOSPC, 507),
        (errno.EDQUOT, 507),
        (errno.EMFILE, 503),
        (errno.ENFILE, 503),
        (errno.EROFS, 503),
        (errno.EACCES, 503),
        (errno.EIO, 503),
    ],
)
@pytest.mark.parametrize("step", ["__init__", "write", "finish", "keep"])
def test_the_disk_fails_at_any_step(
    number: int, status: int, step: str, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Http(account.settings) as http:
        part = {"file": ("new.fits", NEW)}
        with monkeypatch.context() as broken:
            broken.setattr(FolderIncoming, step, _failing(number))
            answer = http.post(account.path, files=part, headers=account.header)
        assert answer.status_code == status
        assert answer.json()["detail"].count("\n") == 0
        assert "Traceback" not in answer.text
        assert http.post(account.path, files=part, headers=account.header).status_code == 201
    account.content["new.fits"] = NEW
    account.is_whole()


@pytest.mark.parametrize(("number", "status"), [(errno.ENOSPC, 507), (errno.EIO, 503)])
@pytest.mark.parametrize("step", ["__init__", "finish", "keep"])
def test_the_disk_fails_in_the_midst_of_several(
    number: int, status: int, step: str, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = {f"{n}.fits": fits_bytes(OBJECT=str(n)) for n in range(6)}
    parts = [("file", part) for part in sent.items()]
    real, calls = getattr(FolderIncoming, step), count()

    def fails_once(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == 3:
            raise OSError(number, os.strerror(number))
        return real(*args, **kwargs)

    with Http(account.settings) as http:
        with monkeypatch.context() as broken:
            broken.setattr(FolderIncoming, step, fails_once)
            answer = http.post(account.path, files=parts, headers=account.header)
        assert answer.status_code == status
        account.is_whole()
        again = http.post(account.path, files=parts, headers=account.header).json()
        assert {told["status"] for told in again} == {201}
    account.content |= sent
    account.is_whole()


def test_the_disk_is_full_at_the_last_bytes(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are written when the digest is compared that came along."""
    form = {"sha256": hashlib.sha256(NEW).hexdigest()}
    part = {"file": ("new.fits", NEW)}
    with Http(account.settings) as http:
        with monkeypatch.context() as broken:
            broken.setattr(FolderIncoming, "_write_rest", _failing(errno.ENOSPC))
            answer = http.post(account.path, files=part, data=form, headers=account.header)
        assert (answer.status_code, answer.json()["code"]) == (507, "no_space")
        account.is_whole()
        again = http.post(account.path, files=part, data=form, headers=account.header)
        assert again.status_code == 201
    account.content["new.fits"] = NEW
    account.is_whole()


def test_the_disk_fails_while_a_file_is_read(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Http(account.settings) as http:
        monkeypatch.setattr(files, "open_file", _failing(errno.EIO))
        address = f"{account.path}{account.pk}/download/"
        answer = http.get(address, headers=account.header)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


def test_no_file_descriptors_left(account: Account) -> None:
    """Many idle connections use them all up: uploads wait or are told, nothing is half done."""
    server = start(
        account.settings,
        wrapper=[sys.executable, "-c", _LIMITED],
        # few, but more than the server needs when nobody asks for anything
        FEW="80",
    )
    idle: list[socket.socket] = []
    unheard: dict[str, bytes] = {}
    small = fits_bytes(OBJECT="small")
    try:
        host, _, port = server.url.removeprefix("http://").rpartition(":")
        with httpx2.Client(base_url=server.url, headers=account.header, timeout=10) as client:
            assert client.get("/health").status_code == 200
            for _ in range(120):
                with contextlib.suppress(OSError):
                    idle.append(socket.create_connection((host, int(port)), 2))
            time.sleep(0.5)
            statuses = set()
            for n in range(5):
                name = f"n{n}.fits"
                try:
                    answer = client.post(account.path, files={"file": (name, small)})
                except httpx2.TransportError:
                    unheard[name] = small
                    continue
                statuses.add(answer.status_code)
                if answer.status_code == 201:
                    account.content[name] = small
                else:
                    assert answer.json()["code"] == "unavailable"
            assert 503 in statuses <= {201, 503}
        for connection in idle:
            connection.close()
        wait_until(lambda: _answers(server.url))
        assert account.upload(server.url, "after.fits", fits_bytes(OBJECT="after")).is_success
    finally:
        for connection in idle:
            connection.close()
        server.stop()
    account.is_whole(maybe=unheard)


_LIMITED = """
import os, resource, sys
few = int(os.environ["FEW"])
resource.setrlimit(resource.RLIMIT_NOFILE, (few, few))
os.execv(sys.argv[1], sys.argv[1:])
"""


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url + "/health", timeout=5).status_code == 200
    except httpx2.TransportError:
        return False


def test_a_large_file_reaches_the_limit_of_the_file_system(account: Account) -> None:
    """RLIMIT_FSIZE: the system refuses to write on, as a full disk does."""
    server = start(account.settings, wrapper=[sys.executable, "-c", _SMALL_FILES])
    try:
        answer = account.upload(server.url, "large.fits", fits_bytes() + bytes(6_000_000))
        assert (answer.status_code, answer.json()["code"]) == (507, "no_space")
        assert account.upload(server.url, "new.fits", NEW).status_code == 201
    finally:
        server.stop()
    account.is_whole()


_SMALL_FILES = """
import os, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, 5_000_000))
os.execv(sys.argv[1], sys.argv[1:])
"""


@contextlib.contextmanager
def read_only(home: Path) -> Iterator[list[str]]:
    """Make a folder read-only; returns the words that a command has to start with."""
    if os.geteuid() == 0:  # permissions mean nothing to root: a mount of its own
        mounted = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
        yield ["unshare", "-m", "sh", "-c", mounted, str(home)]
        return
    paths = [home, *home.rglob("*")]
    modes = {path: path.stat().st_mode for path in paths}
    for path in paths:
        path.chmod(modes[path] & ~0o222)
    yield []
    for path in paths:
        path.chmod(modes[path])


def test_a_read_only_data_directory(account: Account, frame: Path) -> None:
    """Whatever would write is refused; what PostgreSQL knows can be read all the same."""
    environ = environment(account.settings, ARCSECOND_KEY=account.key)
    with read_only(account.settings.home) as wrapper:

        def run(*words: str) -> subprocess.CompletedProcess[str]:
            command = [*wrapper, *ARCSECOND, *words]
            return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)

        listed = run("fitsfiles", account.dataset)
        upload = run("fitsfiles", account.dataset, "create", "--file", str(frame))
        refused = [upload, run("serve", "--port", "0")]
    if account.settings.database_url:
        assert [file["name"] for file in json.loads(listed.stdout)] == ["kept.fits"]
    else:
        refused.append(listed)
    for done in refused:
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        told = done.stderr.splitlines()
        assert told[0].startswith("Error: ")
        assert re.search("ead-only file system|cannot be written|denied", told[0])
    account.is_whole()


# The clock


def test_a_clock_that_jumps(account: Account, tmp_path: Path) -> None:
    """Years ahead, then to long before: what is there stays there, and the feed goes on."""
    clock = tmp_path / "clock"
    clock.write_text("0")
    server = start(account.settings, module="tests.faults.jumping", fresh=True, CLOCK=str(clock))
    try:
        keys = []
        for n, offset in enumerate((0, 400 * DAY, -4000 * DAY, 20 * YEAR, -10 * YEAR, 0)):
            clock.write_text(str(offset))
            name, content = f"n{n}.fits", fits_bytes(OBJECT=f"n{n}")
            assert account.upload(server.url, name, content).status_code == 201
            posted = httpx2.post(
                server.url + "/activities/", json={"title": name}, headers=account.header
            )
            assert posted.status_code == 201
            keys.append(posted.json()["pk"])
        assert keys == sorted(keys)
        with httpx2.stream("GET", f"{server.url}/live?after={keys[0]}", timeout=20) as feed:
            seen = []
            for line in feed.iter_lines():
                if line.startswith("id:"):
                    seen.append(int(line.removeprefix("id:")))
                if len(seen) == len(keys) - 1:
                    break
        assert seen == keys[1:]
        listed = httpx2.get(server.url + "/activities/?limit=50", headers=account.header).json()
        assert {activity["pk"] for activity in listed} == set(keys)
    finally:
        server.stop()
    account.is_whole()


# Starting


def test_two_servers_on_one_directory(account: Account, serve: Callable[..., Server]) -> None:
    server = serve()
    second = subprocess.run(
        [*ARCSECOND, "serve", "--port", "0"], env=server.environ, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert second.returncode == 1
    assert f"is being served already, at {server.url}" in second.stderr
    assert account.upload(server.url, "new.fits", NEW).status_code == 201
    account.is_whole()


def test_an_interrupted_first_start(database: str, tmp_path: Path, empty: Settings) -> None:
    """Killed again and again before it is ready; the next start takes it up."""
    environ = environment(empty)
    moments = random.Random(7)
    for _ in range(10):
        process = subprocess.Popen(
            [*ARCSECOND, "me"], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(moments.uniform(0.2, 1.2))
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    done = subprocess.run([*ARCSECOND, "me"], env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    done = subprocess.run([*ARCSECOND, "server", "check"], env=environ, capture_output=True)
    assert (done.returncode, done.stdout) == (0, b""), done.stderr


STEPS = ["tables", "migrated", "secret", "folders"]


@pytest.mark.parametrize("step", STEPS)
def test_a_first_start_killed_at_each_step(step: str, empty: Settings) -> None:
    program = f"""
import os, signal
from arcsecond.server import app
from arcsecond.server.migrations import upgrade
from arcsecond.server.people import secrets
def dying(place, name, after=True):
    function = getattr(place, name)
    def do(*a, **k):
        if after:
            function(*a, **k)
        os.kill(os.getpid(), signal.SIGKILL)
    setattr(place, name, do)
match {step!r}:
    case "tables": dying(upgrade.command, "upgrade")
    case "migrated": dying(app, "read_secret", after=False)
    case "secret": dying(secrets.os, "link")
    case "folders": dying(app, "FolderStore")
from arcsecond.cli.main import run
run(["me"])
"""
    environ = environment(empty)
    killed = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    for words in (["me"], ["server", "check"]):
        done = subprocess.run([*ARCSECOND, *words], env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_a_newer_database(account: Account) -> None:
    import sqlalchemy as sa

    from arcsecond.server.db import Database
    from arcsecond.server.migrations import HEAD

    db = Database(account.settings)
    with db.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    for words in (["datasets"], ["serve", "--port", "0"], ["server", "check", "--repair"]):
        done = subprocess.run(
            [*ARCSECOND, *words], env=environment(account.settings), capture_output=True,
            text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 1
        assert "written by a newer one" in done.stderr
    with db.write() as connection:
        connection.execute(sa.text(f"UPDATE alembic_version SET version_num = '{HEAD}'"))
    db.close()
    account.is_whole()
