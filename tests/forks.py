"""Processes that begin with the product already imported.

Importing it and making its table of routes takes longer than all else that a
server does before it answers. One process does both, and every server that a
test starts is forked from it; those whose very start is what a test looks at
are started anew (`fresh` in `conftest.start`).
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerProcess

from arcsecond.server.apart import Handed

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.imported"])


class Forked:
    """What `subprocess.Popen` tells of a process, of one that was forked."""

    def __init__(self, process: ForkServerProcess) -> None:
        assert process.pid is not None
        self.pid = process.pid
        self._process = process
        # Those that a failed test leaves: whoever ends waits for all that are left.
        atexit.register(self._end)

    def poll(self) -> int | None:
        """Return the exit status of one that has ended."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status once it has ended."""
        self._process.join(timeout)
        status = self._process.exitcode
        if status is None:
            raise subprocess.TimeoutExpired(str(self._process), timeout or 0)
        atexit.unregister(self._end)
        return status

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


def fork(module: str, words: Sequence[str], environ: Mapping[str, str]) -> Forked:
    """Run ``python -m module words``, in a session of its own."""
    process = _context.Process(
        target=_run, args=(module, list(words), dict(environ), Handed(1), Handed(2))
    )
    process.start()
    return Forked(process)


def _run(
    module: str, words: list[str], environ: dict[str, str], stdout: int, stderr: int
) -> None:  # pragma: no cover  # in the other process
    os.setsid()
    # What a process that was started anew finds; this one inherited the other.
    multiprocessing.set_start_method("fork", force=True)
    for here, there in ((stdout, 1), (stderr, 2)):
        os.dup2(here, there)
        os.close(here)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
