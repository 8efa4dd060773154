"""Speed, each figure beside its baseline, all in one run: ``make bench``.

Figures are medians of several runs in turn with their baseline; the ratio is
what counts, since machines differ. Exit status 1 when a promise is not kept.
"""

from __future__ import annotations

import argparse
import contextlib
import json
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
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent / ".bench"
PYTHON = sys.executable
ARCSECOND = str(Path(PYTHON).parent / "arcsecond")
MiB = 1 << 20


def main() -> int:
    """Run the benchmarks; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=1024, help="size of the upload")
    parser.add_argument("--runs", type=int, default=9, help="runs of each command")
    options = parser.parse_args()
    ROOT.mkdir(exist_ok=True)
    rows = [help_row(options.runs), lookup_row(options.runs), reads_row()]
    rows += upload_rows(options.mib)
    width = max(len(name) for name, *_ in rows)
    print(f"\n{'':{width}}  {'figure':>14}  {'baseline':>14}  {'ratio':>8}  promise")
    for name, figure, baseline, ratio, promise, kept in rows:
        mark = "kept" if kept else "NOT KEPT"
        print(f"{name:{width}}  {figure:>14}  {baseline:>14}  {ratio:>8}  {promise}: {mark}")
    return 0 if all(row[-1] for row in rows) else 1


Row = tuple[str, str, str, str, str, bool]


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


def reads_row() -> Row:
    """``objects`` read through the server beside a bare Litestar route."""
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
        figures: list[float] = []
        baselines: list[float] = []
        for _ in range(5):
            figures.append(requests_per_second(ours))
            baselines.append(requests_per_second(theirs))
    figure, baseline = statistics.median(figures), statistics.median(baselines)
    ratio = figure / baseline
    name = "objects read / bare Litestar route"
    shown = f"{figure:.0f} req/s", f"{baseline:.0f} req/s"
    return name, *shown, f"{ratio:.0%}", "25 % or more", ratio >= 0.25


def requests_per_second(port: int, seconds: float = 2.0, connections: int = 8) -> float:
    """Ask one address over several kept connections from a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_load, (port, seconds, connections))


def _load(port: int, seconds: float, connections: int) -> float:
    request = b"GET /objects/HD%205980/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    counts = [0] * connections
    until = time.perf_counter() + seconds

    def ask(n: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            while time.perf_counter() < until:
                connection.sendall(request)
                answer = connection.recv(65536)
                head, _, body = answer.partition(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200")
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
    return sum(counts) / (time.perf_counter() - begin)


@contextlib.contextmanager
def serving(home: Path) -> Iterator[tuple[int, int]]:
    """Serve a directory; yields the port and the process id of the worker."""
    environ = {**os.environ, "ARCSECOND_HOME": str(home), "ARCSECOND_CONFIG": f"{home}.ini"}
    process = subprocess.Popen([ARCSECOND, "serve", "--port", "0"], env=environ)
    try:
        address = ""
        while not address:
            time.sleep(0.05)
            with contextlib.suppress(OSError, ValueError):
                address = json.loads((home / "serving.json").read_bytes())["url"]
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        worker = int(children.read_text().split()[-1]) if children.exists() else process.pid
        yield int(address.rsplit(":", 1)[1]), worker
    finally:
        process.terminate()
        process.wait(20)


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


def upload_rows(mib: int) -> list[Row]:
    """Upload one large frame beside copying, hashing and flushing the same file."""
    with tempfile.TemporaryDirectory(dir=ROOT) as name:
        folder = Path(name)
        frame = folder / "large.fits"
        write_frame(frame, mib)
        with serving(folder / "home") as (port, worker):
            environ = account(port, folder)
            made = ("datasets", "create", "--name", "bench", "--quiet")
            dataset = output(*made, **environ)
            small = folder / "small.fits"
            write_frame(small, 1)
            # Warm: the server has imported everything, the client's size is known.
            client_before = upload(dataset, small, environ)[1]
            server_before = resident(worker, "VmRSS")
            forget_peak(worker)  # of hashing the password at registration
            copies: list[float] = []
            uploads: list[float] = []
            client_after = 0
            for n in range(3):
                copies.append(copy_hash_flush(frame, folder / "copy.fits"))
                touch(frame, n)  # other content each time: nothing is there already
                named = frame.rename(folder / f"large{n}.fits")
                os.sync()
                seconds, peak = upload(dataset, named, environ)
                uploads.append(seconds)
                client_after = max(client_after, peak)
                frame = named.rename(folder / "large.fits")
            server_after = resident(worker, "VmHWM")
    copying, uploading = statistics.median(copies), statistics.median(uploads)
    speed = copying / uploading
    client, server = (client_after - client_before) / MiB, (server_after - server_before) / MiB
    bound = 64.0
    return [
        (f"upload of {mib} MiB / cp+sha256sum+sync", f"{uploading:.2f} s", f"{copying:.2f} s",
         f"{speed:.0%}", "50 % of the speed or more", speed >= 0.5),
        ("client's growth for it", f"{client:.1f} MiB", f"{bound:.0f} MiB",
         f"{client / bound:.0%}", "less than 64 MiB", client < bound),
        ("server's growth for it", f"{server:.1f} MiB", f"{bound:.0f} MiB",
         f"{server / bound:.0%}", "less than 64 MiB", server < bound),
    ]  # fmt: skip


def account(port: int, folder: Path) -> dict[str, str]:
    """Register a user; returns the environment of its commands."""
    environ = {
        "ARCSECOND_SERVER": f"http://127.0.0.1:{port}",
        "ARCSECOND_CONFIG": str(folder / "client.ini"),
    }
    given = ["--username", "bench", "--email", "bench@localhost"]
    given += ["--password1", "bench-bench-9", "--password2", "bench-bench-9"]
    output("register", *given, **environ)
    return environ


def output(*words: str, **environ: str) -> str:
    """Run a command and return what it printed."""
    done = subprocess.run(
        [ARCSECOND, *words], check=True, env={**os.environ, **environ}, stdout=subprocess.PIPE
    )
    return done.stdout.decode().strip()


def upload(dataset: str, file: Path, environ: dict[str, str]) -> tuple[float, int]:
    """Upload a file by the command; returns seconds and the client's peak in bytes."""
    words = [ARCSECOND, "fitsfiles", dataset, "create", "--file", str(file), "--quiet"]
    begin = time.perf_counter()
    process = subprocess.Popen(words, env={**os.environ, **environ}, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit("the upload failed")
    return time.perf_counter() - begin, usage.ru_maxrss * 1024


def copy_hash_flush(file: Path, copy: Path) -> float:
    """Copy, hash and flush a file with the system's own tools; returns seconds."""
    copy.unlink(missing_ok=True)
    os.sync()
    begin = time.perf_counter()
    subprocess.run(["cp", str(file), str(copy)], check=True)
    subprocess.run(["sha256sum", str(file)], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["sync", str(copy)], check=True)
    seconds = time.perf_counter() - begin
    copy.unlink()
    return seconds


def write_frame(path: Path, mib: int) -> None:
    """Write a FITS image of a given size, of bytes that do not compress."""
    cards = [
        "SIMPLE  =                    T", "BITPIX  =                    8",
        "NAXIS   =                    2", "NAXIS1  =              1048576",
        f"NAXIS2  = {mib:>20}", "OBJECT  = 'bench   '", "END",
    ]  # fmt: skip
    header = "".join(card.ljust(80) for card in cards).ljust(2880).encode()
    with path.open("wb") as file:
        file.write(header)
        for _ in range(mib):
            file.write(os.urandom(MiB))
        file.write(bytes(-file.tell() % 2880))


def touch(path: Path, n: int) -> None:
    """Change one pixel."""
    with path.open("r+b") as file:
        file.seek(2880 + n)
        file.write(bytes([n + 1]))


def resident(pid: int, what: str) -> int:
    """Return the resident size of a process, now or at its peak, in bytes."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 0
    line = next(x for x in status.read_text().splitlines() if x.startswith(what))
    return int(line.split()[1]) * 1024


def forget_peak(pid: int) -> None:
    """Let a process's peak begin anew (proc(5), clear_refs)."""
    clear = Path(f"/proc/{pid}/clear_refs")
    if clear.exists():
        clear.write_text("5")


def ms(seconds: float) -> str:
    """Return milliseconds as text."""
    return f"{seconds * 1000:.1f} ms"


if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:
        shutil.rmtree(ROOT, ignore_errors=True)
