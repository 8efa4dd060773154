"""The live feed: the table is watched, whoever writes to it.

One watcher per process: SQLite tells by ``data_version`` that any other
connection, in any process, has committed; PostgreSQL notifies. Subscribers
then look for rows behind the last key they have seen, so nothing is lost when
a message is, and a reader who was away resumes from ``Last-Event-ID``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import msgspec
import sqlalchemy as sa

from arcsecond.schemas.activities import Activity
from arcsecond.server.activities.service import CHANNEL, newer_than, newest_key
from arcsecond.server.context import AnyRequest, Backend, Viewer, to_its_end

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.1
HEARTBEAT_S = 15.0

CONNECTED_S = 10
"""How long PostgreSQL may take to let somebody in."""

TOGETHER, SHORT, MOST_KEPT = 50, 5, 100
"""Activities that are read at once; of an answer that is kept for others; answers that are kept.

An activity may have a hundred kB, and readers come from anywhere and read slowly.
"""

_Question = tuple[int, Viewer, int]


class Feed:
    """The feed of one process.

    Attributes
    ----------
    readers
        How many follow it now.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._changed = asyncio.Condition()
        self._turn = 0
        self.readers = 0
        self._closing = False
        self._watcher: asyncio.Task[None] | None = None
        self._answers: dict[_Question, asyncio.Task[list[Activity]]] = {}

    async def follow(self, viewer: Viewer, after: int | None) -> AsyncIterator[bytes]:
        """Yield events for one reader until the server or the reader ends.

        Parameters
        ----------
        after
            Key of the last activity the reader has; None to begin now.
        """
        self.readers += 1
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._watch())
        try:
            last = await self._newest(viewer) if after is None else after
            yield b"retry: 2000\n\n"
            while not self._closing:
                turn = self._turn
                found = await self._behind(turn, viewer, last)
                for activity in found:
                    last = activity.pk
                    yield _event(activity)
                if not found and self._turn == turn and not await self._wait(turn):
                    yield b": still here\n\n"
        finally:
            self.readers -= 1

    async def close(self) -> None:
        """End every reader and the watcher."""
        self._closing = True
        await self._announce()
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher
        if asking := [task for task in self._answers.values() if not task.done()]:
            await asyncio.wait(asking)  # they hold connections

    async def _newest(self, viewer: Viewer) -> int:
        return await to_its_end(asyncio.to_thread(newest_key, self._backend, viewer))

    async def _behind(self, turn: int, viewer: Viewer, last: int) -> list[Activity]:
        """Ask once for all readers who stand at the same place and see the same."""
        question = (turn, viewer, last)
        if (task := self._answers.get(question)) is None:
            asking = asyncio.to_thread(newer_than, self._backend, viewer, last, TOGETHER)
            task = self._answers[question] = asyncio.create_task(asking)
            task.add_done_callback(lambda task: self._keep(question, task))
        return await asyncio.shield(task)

    def _keep(self, question: _Question, task: asyncio.Task[list[Activity]]) -> None:
        """Keep a short answer for those of this turn who ask the same a little later.

        That is what wakes everybody up. Whoever was away gets more, and gets it alone.
        """
        for other in [other for other in self._answers if other[0] != self._turn]:
            if self._answers[other].done():
                del self._answers[other]
        failed = task.cancelled() or task.exception() is not None
        if failed or len(task.result()) > SHORT or len(self._answers) > MOST_KEPT:
            self._answers.pop(question, None)

    async def _wait(self, turn: int) -> bool:
        """Wait for a change; False when it is time for a heartbeat."""
        try:
            async with asyncio.timeout(HEARTBEAT_S), self._changed:
                await self._changed.wait_for(lambda: self._turn != turn or self._closing)
        except TimeoutError:
            return False
        return True

    async def _announce(self) -> None:
        async with self._changed:
            self._turn += 1
            self._changed.notify_all()

    async def _watch(self) -> None:
        watch = self._watch_sqlite if self._backend.db.local else self._watch_postgres
        while not self._closing:
            try:
                await watch()
            except (sa.exc.SQLAlchemyError, ConnectionError):
                logger.exception("the feed lost its database; trying again")
                await asyncio.sleep(2)
                await self._announce()  # something may have been missed

    async def _watch_sqlite(self) -> None:
        with self._backend.db.engine.connect() as connection:
            seen = None
            while not self._closing:
                version = connection.scalar(sa.text("PRAGMA data_version"))
                connection.rollback()
                if version != seen:
                    seen = version
                    await self._announce()
                # Nobody reads: look less often, but stay warm.
                await asyncio.sleep(LOOK_EVERY_S if self.readers else 1.0)

    async def _watch_postgres(self) -> None:
        import psycopg

        url = self._backend.db.engine.url.set(drivername="postgresql")
        address = url.render_as_string(hide_password=False)
        # To its end: one that is cancelled in between stays open until somebody notices.
        connecting = psycopg.AsyncConnection.connect(
            address, autocommit=True, connect_timeout=CONNECTED_S
        )
        try:
            task = asyncio.ensure_future(connecting)
            try:
                listening = await asyncio.shield(task)
            except asyncio.CancelledError:
                await (await task).close()
                raise
            async with listening as listener:
                await listener.execute(f"LISTEN {CHANNEL}")
                await self._announce()
                async for _ in listener.notifies():
                    await self._announce()
        except psycopg.Error as error:
            raise ConnectionError(str(error)) from error


def _event(activity: Activity) -> bytes:
    data = msgspec.json.encode(activity)
    return b"id: %d\nevent: activity\ndata: %b\n\n" % (activity.pk, data)


def feed_of(request: AnyRequest) -> Feed:
    """Return the feed of the application that answers."""
    feed: Feed = request.scope["feed"]  # type: ignore[typeddict-item]  # our own entry
    return feed
