"""Servers to measure, and their processes."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ARCSECOND = str(Path(sys.executable).parent / "arcsecond")
MiB = 1 << 20
Row = tuple[str, str, str, str, str, bool | None]
"""Name, figure, baseline, ratio, promise, and whether it is kept; None where nobody measured."""


LARGE = 16 * MiB


@contextlib.contextmanager
def scratch(root: Path) -> Iterator[Path]:
    """Yield a new folder; its large files go at the end, the small ones with the whole bench.

    For five minutes after many files were deleted ext4 makes new ones slowly: it looks for an
    inode that was not in use lately (``recently_deleted`` of fs/ext4/ialloc.c).
    """
    folder = Path(tempfile.mkdtemp(dir=root))
    try:
        yield folder
    finally:
        for path in folder.rglob("*"):
            if path.is_file() and path.stat().st_size >= LARGE:
                path.unlink()


@contextlib.contextmanager
def serving(home: Path, **more: str) -> Iterator[tuple[int, int]]:
    """Serve a directory; yields the port and the process id of the worker."""
    environ = {**os.environ, "ARCSECOND_HOME": str(home), "ARCSECOND_CONFIG": f"{home}.ini"} | more
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


def client(port: int, folder: Path) -> dict[str, str]:
    """Return the environment of commands that ask a server."""
    return {
        "ARCSECOND_SERVER": f"http://127.0.0.1:{port}",
        "ARCSECOND_CONFIG": str(folder / "client.ini"),
        "ARCSECOND_HOME": str(folder / "client"),
    }


def account(port: int, folder: Path) -> dict[str, str]:
    """Register a user; returns the environment of its commands."""
    environ = client(port, folder)
    given = ["--username", "bench", "--email", "bench@localhost"]
    given += ["--password1", "bench-bench-9", "--password2", "bench-bench-9"]
    output("register", *given, **environ)
    return environ


def authorization(folder: Path) -> dict[str, str]:
    """Return the header that says who is asking, of the account that was made in a folder."""
    lines = (folder / "client.ini").read_text().splitlines()
    (key,) = [line.partition("=")[2].strip() for line in lines if line.startswith("api_key")]
    return {"X-Arcsecond-API-Authorization": f"Key {key}"}


def output(*words: str, **environ: str) -> str:
    """Run a command and return what it printed."""
    done = subprocess.run(
        [ARCSECOND, *words], check=True, env={**os.environ, **environ}, stdout=subprocess.PIPE
    )
    return done.stdout.decode().strip()


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


def measured(words: Sequence[str], environ: dict[str, str]) -> tuple[float, int]:
    """Run a command; returns seconds, and the most memory that it took, in bytes."""
    # By a process that is small: what its parent takes counts as the peak of a new one, too.
    command = [sys.executable, "-I", "-S", "-c", _MEASURE, *words]
    done = subprocess.run(command, env={**os.environ, **environ}, stdout=subprocess.PIPE)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)[:200]} failed")
    seconds, peak = done.stdout.split()
    return float(seconds), int(peak) * 1024


_MEASURE = """
import os, sys, time
begin = time.perf_counter()
nothing = os.open(os.devnull, os.O_WRONLY)
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ,
                      file_actions=[(os.POSIX_SPAWN_DUP2, nothing, 1)])
_, status, usage = os.wait4(pid, 0)
print(time.perf_counter() - begin, usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status) != 0)
"""


def growth_row(name: str, before: int, after: int) -> Row:
    """Return the row of memory that something may take beyond what it takes anyway."""
    growth = (after - before) / MiB
    shown = f"{growth:.1f} MiB", "100 MiB", f"{growth / 100:.0%}"
    return name, *shown, "less than 100 MiB", growth < 100
