"""The feed: an activity reaches a thousand readers."""

from __future__ import annotations

import asyncio
import os
import resource
import statistics
import tempfile
import time
from pathlib import Path
from unittest import mock

from arcsecond import ArcsecondAPI
from bench.servers import Row, account, serving

PATIENCE_S = 10.0


def feed_row(root: Path, readers: int) -> Row:
    """Publish activities to many open feeds; the slowest reader counts."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the server inherits it
    with tempfile.TemporaryDirectory(dir=root) as name:
        folder = Path(name)
        with serving(folder / "home") as (port, _):
            environ = account(port, folder)
            reached, middle, slowest = asyncio.run(_measure(port, readers, environ))
    shown = f"{slowest * 1000:.0f} ms", f"{middle * 1000:.0f} ms", f"{slowest / middle:.1f}x"
    name = f"activity to the slowest / the median of {reached} readers"
    return name, *shown, f"all {readers} get it", reached == readers


async def _measure(port: int, readers: int, environ: dict[str, str]) -> tuple[int, float, float]:
    """Return how many got every activity, the median and the longest delay in seconds.

    The delay counts from the moment the activity was sent to the server: it is
    created here, over a connection that is open already.
    """
    with mock.patch.dict(os.environ, environ):
        api = ArcsecondAPI()
    api.me.read()
    feeds = [await _open(port) for _ in range(readers)]
    every: list[float] = []
    reached = set(range(readers))
    for n in range(5):
        waiting = [asyncio.create_task(_arrival(reader, f"bench {n}")) for reader, _ in feeds]
        begin = time.perf_counter()
        await asyncio.to_thread(api.activities.create, title=f"bench {n}")
        done, late = await asyncio.wait(waiting, timeout=PATIENCE_S)
        reached -= {i for i, task in enumerate(waiting) if task in late}
        every += [task.result() - begin for task in done]
    for _, writer in feeds:
        writer.close()
    return len(reached), statistics.median(every), max(every)


async def _open(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def _arrival(reader: asyncio.StreamReader, title: str) -> float:
    while title.encode() not in await reader.readline():
        pass
    return time.perf_counter()
