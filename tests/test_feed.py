"""The live feed: resumes, works across processes, shows what may be seen."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from queue import Queue
from typing import Any

import httpx2
import pytest

from arcsecond.schemas.activities import ActivityChange
from arcsecond.server.activities.feed import MOST_KEPT, Feed
from arcsecond.server.activities.service import Activities
from arcsecond.server.app import open_backend
from arcsecond.server.settings import Settings
from tests.conftest import Server, new_user

PATIENCE_S = 20


class Reader:
    """Reads the feed in a thread."""

    def __init__(self, url: str, last: int | None = None) -> None:
        self.events: Queue[dict[str, Any]] = Queue()
        self.connected = threading.Event()
        self._client = httpx2.Client(timeout=PATIENCE_S)
        self._headers = {"Accept": "text/event-stream"}
        if last is not None:
            self._headers["Last-Event-ID"] = str(last)
        self._url = url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        assert self.connected.wait(PATIENCE_S)

    def _read(self) -> None:
        try:
            self._follow()
        except httpx2.HTTPError:
            assert self._stop.is_set()  # only the end of the server may cut it
        finally:
            self._client.close()

    def _follow(self) -> None:
        with self._client.stream("GET", f"{self._url}/live", headers=self._headers) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            for line in answer.iter_lines():
                self.connected.set()
                if line.startswith("data: "):
                    self.events.put(json.loads(line[6:]))
                if self._stop.is_set():
                    return

    def next(self) -> dict[str, Any]:
        return self.events.get(timeout=PATIENCE_S)

    def close(self) -> None:
        self._stop.set()


@pytest.fixture
def readers() -> Iterator[Callable[..., Reader]]:
    made: list[Reader] = []

    def read(*arguments: Any, **more: Any) -> Reader:
        made.append(Reader(*arguments, **more))
        return made[-1]

    yield read
    for reader in made:
        reader.close()


def publish(server: Server, *words: str) -> int:
    """Publish from another process: an embedded command on the same data."""
    command = [sys.executable, "-m", "arcsecond", "activities", "create", *words, "--quiet"]
    done = subprocess.run(command, env=server.environ, capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_an_embedded_command_reaches_every_worker(
    serve: Callable[..., Server], readers: Callable[..., Reader]
) -> None:
    server = serve("--workers", "2")
    following = [readers(server.url) for _ in range(6)]
    pk = publish(server, "--title", "first light")
    for reader in following:
        activity = reader.next()
        assert (activity["pk"], activity["title"]) == (pk, "first light")


def test_a_reader_resumes_where_it_stopped(
    serve: Callable[..., Server], readers: Callable[..., Reader], settings: Settings
) -> None:
    server = serve()
    backend = open_backend(settings)
    ann, _ = new_user(backend)
    made = [
        Activities().create(backend, ann, ActivityChange(title=f"number {n}")).pk for n in range(5)
    ]
    resumed = readers(server.url, last=made[1])
    assert [resumed.next()["pk"] for _ in range(3)] == made[2:]
    fresh = readers(server.url)
    later = Activities().create(backend, ann, ActivityChange(title="later")).pk
    assert fresh.next()["pk"] == resumed.next()["pk"] == later
    backend.db.close()


def test_many_writers_and_no_activity_is_missed(
    serve: Callable[..., Server], readers: Callable[..., Reader], settings: Settings
) -> None:
    server = serve()
    backend = open_backend(settings)
    ann, _ = new_user(backend)
    reader = readers(server.url)
    count = 60

    def write(first: int) -> None:
        for n in range(first, first + count // 4):
            Activities().create(backend, ann, ActivityChange(title=str(n)))

    writers = [threading.Thread(target=write, args=(n * count // 4,)) for n in range(4)]
    for writer in writers:
        writer.start()
    found = [reader.next() for _ in range(count)]
    for writer in writers:
        writer.join()
    assert {int(a["title"]) for a in found} == set(range(count))
    keys = [a["pk"] for a in found]
    assert keys == sorted(keys)
    backend.db.close()


def test_a_reader_who_was_long_away_gets_everything(
    serve: Callable[..., Server], readers: Callable[..., Reader], settings: Settings
) -> None:
    import sqlalchemy as sa

    from arcsecond.server.activities.tables import activities
    from arcsecond.server.people.owned import new_row

    server = serve()
    backend = open_backend(settings)
    ann, _ = new_user(backend)
    row = new_row(ann, "activities:create", title="x")
    row["date"] = row["created_at"]
    with backend.db.write() as connection:
        connection.execute(sa.insert(activities), [row] * 1201)
    backend.db.close()
    reader = readers(server.url, last=0)
    assert len({reader.next()["pk"] for _ in range(1201)}) == 1201


def test_what_is_private_or_deleted_is_not_in_the_feed(settings: Settings) -> None:
    import sqlalchemy as sa

    from arcsecond.server.activities.service import newer_than
    from arcsecond.server.activities.tables import activities
    from arcsecond.server.context import STRANGER

    backend = open_backend(settings)
    ann, _ = new_user(backend)
    keys = [Activities().create(backend, ann, ActivityChange(title=str(n))).pk for n in range(3)]
    with backend.db.write() as connection:
        hidden = sa.update(activities).where(activities.c.pk == keys[0])
        connection.execute(hidden.values(visibility="private"))
    Activities().delete(backend, ann, str(keys[1]))
    assert [a.pk for a in newer_than(backend, STRANGER, 0, 10)] == [keys[2]]
    assert [a.pk for a in newer_than(backend, ann, 0, 10)] == [keys[0], keys[2]]
    backend.db.close()


def test_what_readers_were_told_is_not_kept(settings: Settings) -> None:
    """Activities may be large, and readers ask from any place: nothing of that stays."""
    backend = open_backend(settings)
    ann, _ = new_user(backend)
    for n in range(20):
        Activities().create(backend, ann, ActivityChange(title=f"number {n}"))

    async def read(feed: Feed) -> None:
        for after in range(15):
            found = await feed._behind(0, ann, after)
            assert [one.pk for one in found] == list(range(after + 1, 21))
        await asyncio.sleep(0)
        assert not feed._answers
        await asyncio.gather(*(feed._behind(0, ann, 18) for _ in range(50)))
        await asyncio.sleep(0)
        assert len(feed._answers) == 1  # those who come a little later ask for the same
        for after in range(15, 15 + 2 * MOST_KEPT):
            await feed._behind(0, ann, after)
        await asyncio.sleep(0)
        assert len(feed._answers) <= MOST_KEPT
        await feed._announce()
        await feed._behind(1, ann, 19)
        await asyncio.sleep(0)
        assert list(feed._answers) == [(1, ann, 19)]

    asyncio.run(read(Feed(backend)))
    backend.db.close()
