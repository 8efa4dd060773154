"""Speed, each figure beside its baseline, all in one run: ``make bench``.

Figures are medians of several runs in turn with their baseline; the ratio is
what counts, since machines differ. Exit status 1 when a promise is not kept.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from bench.catalogues import catalogue_rows, known_names
from bench.downloads import download_rows, ingest_rows, plan_rows
from bench.feed import feed_row
from bench.frames import frame_rows
from bench.observatory import observatory_rows
from bench.rivals import large_file_rows, many_files_rows
from bench.search import search_rows
from bench.servers import ARCSECOND, Row, serving
from bench.uploads import small_files_row, upload_rows

ROOT = Path(__file__).resolve().parent.parent / ".bench"
PYTHON = sys.executable


def main() -> int:
    """Run the benchmarks; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=2048, help="size of the upload")
    parser.add_argument("--runs", type=int, default=9, help="runs of each command")
    parser.add_argument("--files", type=int, default=1000, help="small files to upload")
    parser.add_argument("--many", type=int, default=10_000, help="small files beside rivals")
    parser.add_argument("--planned", type=int, default=100_000, help="files of a plan")
    parser.add_argument("--ingested", type=int, default=50_000, help="files taken in in place")
    parser.add_argument("--readers", type=int, default=1000, help="readers of the feed")
    parser.add_argument("--stars", type=int, default=1_000_000, help="stars to import")
    parser.add_argument("--searched", type=int, default=1_000_000, help="files to search")
    groups: dict[str, Callable[[argparse.Namespace], list[Row]]] = {
        "commands": lambda o: [help_row(o.runs), lookup_row(o.runs), *reads_rows()],
        "uploads": lambda o: [*upload_rows(ROOT, o.mib), small_files_row(ROOT, o.files)],
        "rivals": lambda o: [*large_file_rows(ROOT, o.mib), *many_files_rows(ROOT, o.many)],
        "plans": lambda o: plan_rows(ROOT, o.planned),
        "downloads": lambda o: download_rows(ROOT, o.mib),
        "frames": lambda _: frame_rows(ROOT),
        "search": lambda o: search_rows(ROOT, o.searched),
        "feed": lambda o: [feed_row(ROOT, o.readers)],
        "observatory": lambda _: observatory_rows(ROOT),
        "catalogues": lambda o: catalogue_rows(ROOT, o.stars),
        "ingest": lambda o: ingest_rows(ROOT, o.ingested),
    }
    parser.add_argument("only", nargs="*", help=f"some of: {', '.join(groups)}; all of them else")
    options = parser.parse_args()
    if unknown := set(options.only) - set(groups):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    ROOT.mkdir(exist_ok=True)
    rows: list[Row] = []
    for name in options.only or groups:
        try:
            found = groups[name](options)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # the others are measured all the same
            traceback.print_exc()
            found = [(name, "", "", "", f"{type(error).__name__}: {error}", False)]
        tell(found)
        rows += found
    print()
    tell(rows)
    return 0 if all(row[-1] is not False for row in rows) else 1


def tell(rows: Sequence[Row]) -> None:
    """Print rows as a table."""
    width = max(len(name) for name, *_ in rows)
    print(f"{'':{width}}  {'figure':>14}  {'baseline':>14}  {'ratio':>8}  promise")
    for name, figure, baseline, ratio, promise, kept in rows:
        mark = {True: "kept", False: "NOT KEPT", None: "NOT MEASURED"}[kept]
        print(f"{name:{width}}  {figure:>14}  {baseline:>14}  {ratio:>8}  {promise}: {mark}")
    sys.stdout.flush()


def in_turn(one: Callable[[], None], other: Callable[[], None], runs: int) -> tuple[float, float]:
    """Return the median seconds of two things done in turn."""
    first: list[float] = []
    second: list[float] = []
    one(), other()  # warm
    for _ in range(runs):
        for what, times in ((one, first), (other, second)):
            begin = time.perf_counter()
            what()
            times.append(time.perf_counter() - begin)
    return statistics.median(first), statistics.median(second)


def runner(*words: str, **environ: str) -> Callable[[], None]:
    """Return a function that runs a command and throws away what it prints."""

    def run() -> None:
        subprocess.run(words, check=True, env={**os.environ, **environ}, stdout=subprocess.DEVNULL)

    return run


def help_row(runs: int) -> Row:
    """``arcsecond --help`` beside the bare interpreter."""
    figure, bare = in_turn(runner(ARCSECOND, "--help"), runner(PYTHON, "-c", "pass"), runs)
    ratio = figure / bare
    name = "arcsecond --help / python -c pass"
    return name, ms(figure), ms(bare), f"{ratio:.2f}x", "at most 3x", ratio <= 3


def lookup_row(runs: int) -> Row:
    """Time an embedded look-up as a whole process."""
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        environ = {"ARCSECOND_HOME": folder, "ARCSECOND_CONFIG": f"{folder}/c.ini"}
        lookup = runner(ARCSECOND, "objects", "HD 5980", **environ)
        figure, bare = in_turn(lookup, runner(PYTHON, "-c", "pass"), runs)
    name = "embedded look-up / python -c pass"
    return name, ms(figure), ms(bare), f"{figure / bare:.0f}x", "under 1 s", figure < 1


def reads_rows() -> list[Row]:
    """``objects`` read through the server beside a bare Litestar route: one, and thousands."""
    bare = """
from litestar import Litestar, get
@get("/objects/{key:str}/")
async def read(key: str) -> dict[str, str]:
    return {"name": key}
app = Litestar([read], openapi_config=None, logging_config=None)
"""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=ROOT)))
        (folder / "bare_litestar.py").write_text(bare)
        ours = stack.enter_context(serving(folder / "home"))[0]
        theirs = stack.enter_context(bare_serving(folder))
        one, many = ["HD 5980"], known_names(folder / "home", 10_000)
        runs = [
            [
                requests_per_second(port, names)
                for port, names in ((ours, one), (ours, many), (theirs, one))
            ]
            for _ in range(5)
        ]
    same, different, baseline = (statistics.median(figures) for figures in zip(*runs, strict=True))
    bare = f"{baseline:.0f} req/s"
    ratio = same / baseline
    return [
        ("objects read / bare Litestar route", f"{same:.0f} req/s", bare, f"{ratio:.0%}",
         "25 % or more", ratio >= 0.25),
        ("10,000 names in turn / the same", f"{different:.0f} req/s", bare,
         f"{different / baseline:.0%}", "3,000 req/s", different >= 3_000),
    ]  # fmt: skip


def requests_per_second(
    port: int, names: list[str], seconds: float = 2.0, connections: int = 8
) -> float:
    """Ask for names over several kept connections from a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_load, (port, names, seconds, connections))


def _load(port: int, names: list[str], seconds: float, connections: int) -> float:
    requests = [
        f"GET /objects/{quote(n)}/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode() for n in names
    ]
    counts = [0] * connections
    until = time.perf_counter() + seconds

    failed: list[bytes] = []

    def ask(n: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            while time.perf_counter() < until:
                connection.sendall(requests[(n * 1_237 + counts[n]) % len(requests)])
                answer = connection.recv(65536)
                head, _, body = answer.partition(b"\r\n\r\n")
                if not head.startswith(b"HTTP/1.1 200"):
                    failed.append(answer)
                    return
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                while len(body) < length:
                    body += connection.recv(65536)
                counts[n] += 1

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(connections)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed[0]
    return sum(counts) / (time.perf_counter() - begin)


@contextlib.contextmanager
def bare_serving(folder: Path) -> Iterator[int]:
    """Serve the bare Litestar route by the same server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    granian = str(Path(PYTHON).parent / "granian")
    words = ["--interface", "asgi", "--port", str(port), "--no-ws", "bare_litestar:app"]
    process = subprocess.Popen([granian, *words], cwd=folder, stderr=subprocess.DEVNULL)
    try:
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def ms(seconds: float) -> str:
    """Return milliseconds as text."""
    return f"{seconds * 1000:.1f} ms"


if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:
        shutil.rmtree(ROOT, ignore_errors=True)
