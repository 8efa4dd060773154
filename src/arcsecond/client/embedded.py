"""The server inside this process: a transport that calls the application itself.

The application runs in an event loop of its own in a background thread, so it
works in a script, in a notebook's running loop and in any thread. Bodies go
both ways through bounded queues: nothing is held as a whole. This is the one
module of the client that imports the server, and only when it is used.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import gc
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import httpx2

from arcsecond.errors import ServerFaultError

T = TypeVar("T")

PIECE = 1 << 20
AHEAD = 4
"""Pieces that may wait in a queue."""

_open: dict[Path, EmbeddedTransport] = {}
_opening = threading.Lock()


def embedded(home: Path) -> EmbeddedTransport:
    """Return the embedded server of a data directory; there is one per process."""
    with _opening:
        if home not in _open:
            _open[home] = EmbeddedTransport(home)
        return _open[home]


def close_all() -> None:
    """End the embedded servers of this process."""
    with _opening:
        for transport in _open.values():
            transport.end()
        _open.clear()


atexit.register(close_all)


class EmbeddedTransport(httpx2.BaseTransport):
    """Hands requests to the application on a data directory.

    Raises
    ------
    ArcsecondError
        The data directory cannot be used.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._loop = asyncio.new_event_loop()
        self._app: Any = None
        self._lifespan: _Lifespan | None = None
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="arcsecond-embedded", daemon=True
        )
        self._thread.start()
        try:
            self._run(self._start())
        except BaseException:
            self._stop_loop()
            raise

    async def _start(self) -> None:
        collecting = gc.isenabled()
        gc.disable()  # what is imported stays: looking for garbage in it costs a fifth of a second
        try:
            self._app = self._create_app()
        finally:
            self._keep_what_was_imported()
            if collecting:
                gc.enable()
        self._lifespan = _Lifespan(self._app)
        await self._lifespan.startup()

    @staticmethod
    @functools.cache
    def _keep_what_was_imported() -> None:
        gc.freeze()  # once for a process: applications that have ended are garbage

    def _create_app(self) -> Any:
        from dataclasses import replace

        from arcsecond.server.app import create_app
        from arcsecond.server.settings import Settings

        return create_app(replace(Settings.from_environment(), home=self.home))

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request."""
        exchange = _Exchange(request)
        task = asyncio.run_coroutine_threadsafe(exchange.run(self._app), self._loop)
        try:
            self._send_body(exchange, request)
            status, headers = self._run(exchange.started())
        except BaseException:
            self._give_up(exchange, task)
            raise
        return httpx2.Response(status, headers=headers, stream=_Body(self, exchange, task))

    def _send_body(self, exchange: _Exchange, request: httpx2.Request) -> None:
        assert isinstance(request.stream, httpx2.SyncByteStream)
        buffer = bytearray()
        for chunk in request.stream:
            buffer += chunk
            if len(buffer) >= PIECE:
                if not self._run(exchange.feed(bytes(buffer), more=True)):
                    return  # answered already: nobody wants the rest
                buffer.clear()
        self._run(exchange.feed(bytes(buffer), more=False))

    def _give_up(self, exchange: _Exchange, task: Future[None]) -> None:
        """Tell the application that nobody waits any more, and let it clean up."""
        self._loop.call_soon_threadsafe(exchange.disconnect)
        try:
            task.result(timeout=30)
        except (Exception, asyncio.CancelledError):  # noqa: BLE001  # the first error is the one
            task.cancel()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def end(self) -> None:
        """Shut the application down."""
        if self._lifespan is not None:
            asyncio.run_coroutine_threadsafe(self._lifespan.shutdown(), self._loop).result(30)
        self._stop_loop()

    def _stop_loop(self) -> None:
        asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        if not self._thread.is_alive():
            self._loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class _Body(httpx2.SyncByteStream):
    """The body of an answer, read as it comes."""

    def __init__(
        self, transport: EmbeddedTransport, exchange: _Exchange, task: Future[None]
    ) -> None:
        self._transport = transport
        self._exchange = exchange
        self._task = task

    def __iter__(self) -> Iterator[bytes]:
        while (piece := self._transport._run(self._exchange.take())) is not None:  # noqa: SLF001
            if piece:
                yield piece

    def close(self) -> None:
        """Let go of what was not read."""
        if not self._task.done():
            self._transport._give_up(self._exchange, self._task)  # noqa: SLF001


class _Exchange:
    """One request and its answer, between the caller's thread and the loop."""

    def __init__(self, request: httpx2.Request) -> None:
        from arcsecond.server.context import IN_PROCESS

        path, _, query = request.url.raw_path.partition(b"?")
        self._scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": request.url.scheme,
            "path": request.url.path,
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": [(k.lower(), v) for k, v in request.headers.raw],
            "client": ("127.0.0.1", 0),
            "server": (request.url.host, request.url.port or 80),
            "state": {},
            IN_PROCESS: True,
        }
        self._requests: asyncio.Queue[tuple[bytes, bool]] = asyncio.Queue(AHEAD)
        self._answers: asyncio.Queue[bytes | None] = asyncio.Queue(AHEAD)
        self._head: asyncio.Future[tuple[int, list[tuple[bytes, bytes]]]] | None = None
        self._gone = asyncio.Event()  # the caller does not listen any more
        self._over = asyncio.Event()  # that, or the answer is complete
        self._finished = False

    async def run(self, app: Any) -> None:
        """Let the application answer."""
        head = self._head_future()
        try:
            await app(self._scope, self._receive, self._send)
        except Exception as error:  # noqa: BLE001  # whatever it is, the caller gets it
            if not head.done():
                head.set_exception(error)
        finally:
            if not head.done():
                head.set_exception(ServerFaultError("The embedded server gave no answer."))
            self._over.set()
            await self._put_answer(None)

    async def started(self) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Return status and headers as soon as they are known."""
        return await self._head_future()

    async def feed(self, piece: bytes, *, more: bool) -> bool:
        """Hand over a piece of the body; False when the answer is complete without it."""
        return await _unless(self._over, self._requests.put((piece, more)))

    async def take(self) -> bytes | None:
        """Return the next piece of the answer, None at its end."""
        return await self._answers.get()

    def disconnect(self) -> None:
        """Learn that the caller has gone."""
        self._gone.set()
        self._over.set()

    def _head_future(self) -> asyncio.Future[tuple[int, list[tuple[bytes, bytes]]]]:
        if self._head is None:
            self._head = asyncio.get_running_loop().create_future()
        return self._head

    async def _receive(self) -> dict[str, Any]:
        if not self._finished:
            getting = asyncio.ensure_future(self._requests.get())
            if await _unless(self._over, getting):
                piece, more = getting.result()
                self._finished = not more
                return {"type": "http.request", "body": piece, "more_body": more}
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._head_future().set_result((message["status"], list(message["headers"])))
        elif message["type"] == "http.response.body":
            if not message.get("more_body"):
                self._over.set()
            await self._put_answer(message.get("body", b""))

    async def _put_answer(self, piece: bytes | None) -> None:
        await _unless(self._gone, self._answers.put(piece))


async def _unless(event: asyncio.Event, work: Any) -> bool:
    """Await some work unless an event comes first; tell whether it was done."""
    task = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
        return bool(task.done())
    finally:  # also when nobody waits for this any more
        waiting.cancel()
        task.cancel()


class _Lifespan:
    """The lifespan of the application, as an ASGI server would run it."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._events: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._answers: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def startup(self) -> None:
        """Start; a failure is raised."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        self._task = asyncio.create_task(self._app(scope, self._events.get, self._answers.put))
        await self._events.put({"type": "lifespan.startup"})
        answer = await self._answers.get()
        if answer["type"] != "lifespan.startup.complete":
            raise ServerFaultError(f"The embedded server did not start: {answer.get('message')}.")

    async def shutdown(self) -> None:
        """End, and wait for what is under way."""
        await self._events.put({"type": "lifespan.shutdown"})
        await self._answers.get()
        if self._task is not None:
            await self._task
