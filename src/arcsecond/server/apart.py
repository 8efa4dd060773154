"""Work that may end badly, done in a process of its own.

What decodes a damaged or hostile frame may end there, and takes nothing with it. Starting
such a process takes far longer than most drawings do, nearly all of it for what it imports;
so a server forks them from one that has imported it, and draws nothing itself.
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import subprocess
import sys
import time
from multiprocessing.connection import wait
from multiprocessing.reduction import DupFd
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext

Ended = tuple[bytes, int | None]
"""What a process printed, and its status; None when it took too long."""

_OURS = {"OPENBLAS_NUM_THREADS": "1", "PYTHONSAFEPATH": "1"}
"""Without the working directory among what is imported."""

_forks: ForkServerContext | None = None


def fork_from_now_on() -> None:
    """Fork processes that get a file; for a server, since `__main__` is imported in each."""
    global _forks
    os.environ.update(_OURS)
    _forks = multiprocessing.get_context("forkserver")
    _forks.set_forkserver_preload(["arcsecond.server.archive.drawing"])


def run(
    module: str,
    *arguments: str,
    timeout_s: float,
    stdin: BinaryIO | None = None,
    order: bytes | None = None,
) -> Ended:
    """Run the `main` of a module with what this process can import.

    Parameters
    ----------
    timeout_s
        How long it may take, in seconds.
    stdin
        A file that it reads, or else
    order
        bytes.

    Raises
    ------
    OSError
        No process can be started.
    """
    if _forks is not None and stdin is not None:
        return _forked(_forks, module, arguments, stdin, timeout_s)
    command = [sys.executable, "-m", module, *arguments]
    path = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(
            command,
            stdin=stdin,
            input=order,
            capture_output=True,
            env=os.environ | _OURS | path,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        return late.stdout or b"", None
    return done.stdout, done.returncode


def _forked(
    forks: ForkServerContext,
    module: str,
    arguments: tuple[str, ...],
    stdin: BinaryIO,
    timeout_s: float,
) -> Ended:
    until = time.monotonic() + timeout_s
    reading, writing = os.pipe()
    with open(reading, "rb", buffering=0) as said:
        given = module, arguments, DupFd(stdin.fileno()), DupFd(writing)
        process = forks.Process(target=_forked_main, args=given)
        try:
            process.start()
        finally:
            os.close(writing)
        told = bytearray()
        while wait([reading], max(0.0, until - time.monotonic())):
            if not (piece := said.read(1 << 20)):
                process.join(max(0.0, until - time.monotonic()))
                break
            told += piece
    status = process.exitcode
    if status is None:
        process.kill()
        process.join()
    process.close()
    return bytes(told), status


def _forked_main(module: str, arguments: tuple[str, ...], stdin: Any, stdout: Any) -> NoReturn:
    with open(os.devnull, "wb") as nowhere:
        for here, there in ((stdin.detach(), 0), (stdout.detach(), 1), (nowhere.fileno(), 2)):
            os.dup2(here, there)
            if here != nowhere.fileno():
                with contextlib.suppress(OSError):
                    os.close(here)
    sys.argv = [module, *arguments]
    sys.exit(importlib.import_module(module).main())
