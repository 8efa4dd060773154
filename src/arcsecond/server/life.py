"""From the first request to the last: what an application does beside answering.

It follows the feed, sweeps what nobody can reach any more, and ends with the server that
started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import secrets
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
from litestar.types import LifeSpanReceive, LifeSpanSend

from arcsecond.errors import ArcsecondError
from arcsecond.server.activities.feed import Feed
from arcsecond.server.archive.places import look
from arcsecond.server.archive.sweep import sweep
from arcsecond.server.context import Backend, Turns, to_its_end
from arcsecond.server.people.keys import forget_expired
from arcsecond.server.settings import Settings
from arcsecond.server.transfers.service import sweep as sweep_uploads
from arcsecond.server.trash.service import sweep as sweep_records

logger = logging.getLogger(__name__)

SWEEP_EVERY_S = 6 * 3600


class Life:
    """The life of one application.

    Parameters
    ----------
    serving
        Whether it runs in a process that ``arcsecond serve`` started.

    Attributes
    ----------
    heard
        When the last request came, as the monotonic clock says.
    """

    def __init__(self, backend: Backend, *, serving: bool) -> None:
        self.heard = time.monotonic()
        self.feed = Feed(backend)
        self._backend = backend
        self._serving = serving
        self._turns = Turns(*(asyncio.Semaphore(1) for _ in range(3)))

    def scope(self) -> dict[str, Any]:
        """Return what every request of this application is told."""
        self.heard = time.monotonic()
        return {"backend": self._backend, "turns": self._turns, "feed": self.feed}

    async def run(self, receive: LifeSpanReceive, send: LifeSpanSend) -> None:
        """Live as long as the server says: the lifespan protocol of ASGI."""
        await receive()
        try:
            async with self._lived():
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except Exception as error:  # whatever it is, who waits is told
            logger.exception("the application did not end well")
            await send({"type": "lifespan.shutdown.failed", "message": str(error)})
        else:
            await send({"type": "lifespan.shutdown.complete"})

    @contextlib.asynccontextmanager
    async def _lived(self) -> AsyncIterator[None]:
        settings = self._backend.settings
        ending = threading.Event() if self._serving else None
        background = [asyncio.create_task(_sweep_now_and_then(self._backend, ending))]
        if self._serving:
            background.append(asyncio.create_task(_end_with_server(self.feed, settings)))
            if seconds := settings.idle_seconds:
                background.append(asyncio.create_task(_end_when_idle(self, seconds)))
        try:
            yield
        finally:
            if ending is not None:
                ending.set()
            for task in background:
                task.cancel()
                await asyncio.wait([task])
                if not task.cancelled() and (error := task.exception()):
                    # Such as threads that are no more when the interpreter ends: no fault
                    # of an answer.
                    logger.warning("what ran in the background failed: %r", error)
            try:
                await self.feed.close()
            finally:
                self._backend.db.close()


async def _end_with_server(feed: Feed, settings: Settings) -> None:
    """Let go of the feed's readers when the server ends, and end when it was killed.

    The server withdraws its address as the first thing it does when it ends;
    open feeds would otherwise hold it up.
    """
    parent = os.getppid()
    announced = False
    while True:
        await asyncio.sleep(0.2)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
            return
        path = settings.serving_path
        said = path.exists() and path.stat().st_size > 0
        if announced and not said:
            await feed.close()
            return
        announced = said


async def _end_when_idle(life: Life, seconds: int) -> None:
    """End the server that ``--open`` started, after a rest without request or reader."""
    while True:
        resting = time.monotonic() - life.heard
        if resting >= seconds and not life.feed.readers:
            os.kill(os.getppid(), signal.SIGTERM)
            return
        await asyncio.sleep(1 + max(0, seconds - resting) / 2)


async def _sweep_now_and_then(backend: Backend, ending: threading.Event | None) -> None:
    """Sweep leftovers at once, and everything now and then.

    A server, which says when it ends, looks at what lies outside, too; a command would wait
    for that.
    """
    while True:
        try:
            await _sweep(backend, ending)
        except (OSError, ArcsecondError) as error:  # a full or read-only disk: next time, then
            logger.warning("could not sweep: %s", error)
        await asyncio.sleep(SWEEP_EVERY_S)


async def _sweep(backend: Backend, ending: threading.Event | None) -> None:
    """Do each step that nobody did for some hours, the one that waits longest first.

    A command may end after any of them; the next one goes on with the others.
    """
    steps: dict[str, Callable[[Backend], object]] = {
        "blobs": sweep,
        "uploads": sweep_uploads,
        "records": sweep_records,
        "keys": forget_expired,
    }
    if ending is not None:
        steps["places"] = functools.partial(_look_outside, ending=ending)
    path = backend.settings.home / "swept"
    done = _marks(path)
    moment = time.time()
    due = [name for name in steps if not 0 <= moment - done.get(name, 0) < SWEEP_EVERY_S]
    if "blobs" not in due and not await _in_a_thread(backend.store.sweep):
        return
    for name in sorted(due, key=lambda name: done.get(name, 0)):
        _mark(path, name)
        try:
            if not await _in_a_thread(functools.partial(steps[name], backend)):
                return
        except (OSError, ArcsecondError):  # a full or read-only disk, which all would meet
            raise
        except Exception:  # one that fails does not keep the others
            logger.exception("could not sweep %s", name)


async def _in_a_thread(work: Callable[[], object]) -> bool:
    """Do some work in a thread, to its end; False where the interpreter ends, and has none."""
    try:
        working = asyncio.get_running_loop().run_in_executor(None, work)
    except RuntimeError:
        return False
    await to_its_end(working)
    return True


def _look_outside(backend: Backend, *, ending: threading.Event) -> None:
    if broken := look(backend, stopping=ending):
        told = "%d files that lie outside are not what they were, such as %s"
        logger.warning(told, len(broken), broken[0].path)


def _marks(path: Path) -> dict[str, float]:
    """Return when each step was done last, in seconds since 1970."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, float])
    except (FileNotFoundError, msgspec.DecodeError):
        return {}


def _mark(path: Path, name: str) -> None:
    marks = _marks(path) | {name: time.time()}
    new = path.with_name(f"{path.name}.{secrets.token_hex(4)}")  # others may mark theirs
    new.write_bytes(msgspec.json.encode(marks))
    new.replace(path)
