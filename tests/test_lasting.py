"""What is acknowledged lasts, and what nobody can reach any more goes, without being asked."""

from __future__ import annotations

import asyncio
import functools
import os
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from arcsecond.server import db, life
from arcsecond.server.archive.tables import blobs, datasets, files, uploads
from arcsecond.server.context import Backend
from arcsecond.server.records.tables import night_logs
from arcsecond.server.settings import Settings
from tests.conftest import Http, fits_bytes
from tests.test_transfers import FRAME, Tus

Headers = dict[str, str]


@pytest.fixture
def tus(http: Http, user: Callable[[str], Headers]) -> Tus:
    return Tus(http, user("ann"))


@pytest.fixture
def order(http: Http, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Return what is flushed and committed, in its order: SIGKILL would not show it."""
    seen: list[str] = []

    def spy(flush: Callable[[int], None]) -> Callable[[int], None]:
        def flushed(handle: int) -> None:
            flush(handle)
            kind = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
            seen.append(kind)

        return flushed

    monkeypatch.setattr(os, "fsync", spy(os.fsync))
    monkeypatch.setattr(os, "fdatasync", spy(os.fdatasync))

    def committed(_: sa.Connection) -> None:
        seen.append("commit")

    engine = http.inside.db.engine
    sa.event.listen(engine, "commit", committed)
    yield seen
    sa.event.remove(engine, "commit", committed)


def in_order(seen: list[str], *steps: str) -> bool:
    """Tell whether some steps come one after the other, with others between them or not."""
    left = iter(seen)
    return all(step in left for step in steps)


def test_a_form_is_flushed_before_its_row(tus: Tus, order: list[str]) -> None:
    address = f"/datasets/{tus.dataset}/fitsfiles/"
    answer = tus.http.post(address, files={"file": ("a.fits", FRAME)}, headers=tus.key)
    assert answer.status_code == 201
    # The bytes, then the folder that has their name, then the row.
    assert in_order(order, "file", "folder", "commit")


def test_of_a_group_no_file_is_named_before_all_are_flushed(
    tus: Tus, order: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def named(source: Path, target: Path) -> None:
        link(source, target)
        order.append("name")

    monkeypatch.setattr(os, "link", named)
    frames = [("file", (f"{n}.fits", fits_bytes(OBJECT=str(n)))) for n in range(5)]
    answer = tus.http.post(f"/datasets/{tus.dataset}/fitsfiles/", files=frames, headers=tus.key)
    assert answer.status_code == 200
    assert [one["status"] for one in answer.json()] == [201] * 5
    steps = [step for step in order if step in ("file", "name")]
    assert steps == ["file"] * 5 + ["name"] * 5
    after = order[len(order) - order[::-1].index("name") :]
    assert after.count("folder") >= 5
    assert in_order(after, "folder", "commit")
    assert "folder" not in after[after.index("commit") :]


def test_a_piece_is_flushed_before_it_is_acknowledged(tus: Tus, order: list[str]) -> None:
    assert tus.begin().status_code == 201
    assert in_order(order, "folder", "commit")
    order.clear()
    assert tus.send(0, FRAME[:5000]).status_code == 204
    assert in_order(order, "file", "commit")
    order.clear()
    assert tus.send(5000, FRAME[5000:]).status_code == 204
    assert in_order(order, "file", "folder", "commit")


def count(http: Http, table: sa.Table) -> int:
    with http.inside.db.read() as connection:
        return int(connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)


def test_a_server_forgets_by_itself_what_is_over(tus: Tus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Uploads after seven days, the trash after thirty, bytes a day later."""
    http, key = tus.http, tus.key
    address = f"/datasets/{tus.dataset}/fitsfiles/"
    pk = http.post(address, files={"file": ("a.fits", fits_bytes())}, headers=key).json()["pk"]
    made = http.post("/nightlogs/", json={"date": "2026-11-20", "name": "n"}, headers=key)
    assert http.delete(f"/nightlogs/{made.json()['uuid']}/", headers=key).status_code == 204
    assert http.delete(f"{address}{pk}/", headers=key).status_code == 204
    tus.begin(name="never.fits")
    tus.send(0, FRAME[:1000])
    marker = http.inside.settings.home / "swept"

    def after(days: int) -> None:
        moment = db.now() + timedelta(days=days)
        for module in _of_now():
            monkeypatch.setattr(module, "now", lambda: moment)
        marker.unlink(missing_ok=True)
        asyncio.run(life._sweep(http.inside, threading.Event()))

    after(6)
    assert [count(http, table) for table in (uploads, files, night_logs, blobs)] == [1, 1, 1, 1]
    after(8)
    assert [count(http, table) for table in (uploads, files, night_logs, blobs)] == [0, 1, 1, 1]
    assert not list((http.inside.settings.home / "uploads").iterdir())
    after(29)
    assert [count(http, table) for table in (files, night_logs, blobs)] == [1, 1, 1]
    after(32)
    assert [count(http, table) for table in (files, night_logs, datasets)] == [0, 0, 1]
    after(40)
    assert count(http, blobs) == 0
    assert not [p for p in (http.inside.settings.home / "blobs").rglob("*") if p.is_file()]


def test_an_application_sweeps_by_itself(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept = threading.Event()
    monkeypatch.setattr(life, "sweep", lambda _: swept.set())
    with Http(settings):
        assert swept.wait(20)


def test_a_step_that_fails_does_not_keep_the_others(
    tus: Tus, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[str] = []

    def broken(_: Any) -> None:
        raise KeyError("odd")

    monkeypatch.setattr(life, "sweep", broken)
    for name in ("sweep_uploads", "sweep_records", "forget_expired"):
        monkeypatch.setattr(life, name, lambda _, name=name: done.append(name))
    (tus.http.inside.settings.home / "swept").unlink(missing_ok=True)
    asyncio.run(life._sweep(tus.http.inside, None))
    assert sorted(done) == ["forget_expired", "sweep_records", "sweep_uploads"]
    assert "could not sweep blobs" in caplog.text


def test_a_sweep_ends_with_the_threads(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    """As they do when a command ends while it is under way: nobody is told of that."""

    async def late() -> None:
        threads = ThreadPoolExecutor(1)
        asyncio.get_running_loop().set_default_executor(threads)
        threads.shutdown()
        await life._sweep(backend, None)

    asyncio.run(late())
    assert not caplog.text


def test_commands_that_end_at_once_sweep_one_step_each(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a step takes: none of them is left out."""
    done: list[str] = []

    async def ends_soon() -> None:
        begun = asyncio.Event()
        loop = asyncio.get_running_loop()

        def step(name: str, _backend: object) -> None:
            done.append(name)
            loop.call_soon_threadsafe(begun.set)
            ended.wait(10)

        for name in ("sweep", "sweep_uploads", "sweep_records", "forget_expired"):
            monkeypatch.setattr(life, name, functools.partial(step, name))
        sweeping = asyncio.create_task(life._sweep(backend, None))
        await begun.wait()
        sweeping.cancel()
        ended.set()
        await asyncio.wait([sweeping])

    for _ in range(4):
        ended = threading.Event()
        asyncio.run(ends_soon())
    assert sorted(done) == ["forget_expired", "sweep", "sweep_records", "sweep_uploads"]
    asyncio.run(life._sweep(backend, None))  # not again so soon
    assert len(done) == 4


def _of_now() -> list[object]:
    """Return the modules that ask what time it is, of those that sweep."""
    from arcsecond.server.archive import keeping, sweep
    from arcsecond.server.transfers import service as transfers
    from arcsecond.server.trash import service as trash

    return [module for module in (sweep, transfers, trash, keeping) if hasattr(module, "now")]


def test_a_server_looks_at_what_lies_outside_by_itself(
    http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        path = Path("/archive/night/a.fits")

    asked: list[threading.Event] = []

    def look(_backend: object, *, stopping: threading.Event) -> list[Broken]:
        asked.append(stopping)
        return [Broken()]

    said: list[str] = []
    monkeypatch.setattr(life, "look", look)
    monkeypatch.setattr(life.logger, "warning", lambda text, *told: said.append(text % told))
    ending = threading.Event()
    (http.inside.settings.home / "swept").unlink(missing_ok=True)
    asyncio.run(life._sweep(http.inside, ending))
    assert asked == [ending]
    (told,) = said
    assert told.startswith("1 files that lie outside are not what they were, such as /archive")
    asyncio.run(life._sweep(http.inside, ending))  # not again so soon
    assert asked == [ending]
