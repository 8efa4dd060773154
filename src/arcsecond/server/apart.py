"""Work that may end badly, done in a process of its own.

What decodes a damaged or hostile frame may end there, and takes nothing with it. Starting
such a process takes far longer than most drawings do, nearly all of it for what it imports;
so a server forks them from one that has imported it, and draws nothing itself.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext

Ended = tuple[bytes, int | None]
"""What a process printed, and its status; None when it took too long."""

_OURS = {"OPENBLAS_NUM_THREADS": "1", "PYTHONSAFEPATH": "1"}
"""Without the working directory among what is imported."""

_forks: ForkServerContext | None = None

_one_at_a_time = threading.Lock()
"""Held to start a process, and to ask how one ended: starting one asks that of all others."""


def fork_from_now_on() -> None:
    """Fork processes that get a file; for a server, since `__main__` is imported in each."""
    global _forks
    import multiprocessing

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
    from multiprocessing.connection import wait

    until = time.monotonic() + timeout_s

    def left() -> float:
        return max(0.0, until - time.monotonic())

    reading, writing = os.pipe()
    with open(reading, "rb", buffering=0) as said:
        given = module, arguments, Handed(stdin.fileno()), Handed(writing)
        process = forks.Process(target=_forked_main, args=given)
        try:
            with _one_at_a_time:
                process.start()
        except EOFError as error:
            raise OSError("The process that others are forked from has ended.") from error
        finally:
            os.close(writing)
        told = bytearray()
        while wait([reading], left()):
            if not (piece := said.read(1 << 20)):
                break
            told += piece
    late = not wait([process.sentinel], left())
    if late:
        process.kill()
        wait([process.sentinel])
    with _one_at_a_time:
        status = process.exitcode
        process.close()
    return bytes(told), None if late else status


class Handed:
    """A file descriptor that goes along with the start of a process; there it is a number.

    `DupFd` alone would keep a copy here until the process asks for it, which it may not live to.
    """

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def __reduce__(self) -> tuple[Any, ...]:
        from multiprocessing.reduction import DupFd

        return _received, (DupFd(self._handle),)


def _received(handed: Any) -> int:
    return int(handed.detach())


def _forked_main(module: str, arguments: tuple[str, ...], stdin: int, stdout: int) -> NoReturn:
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    for here, there in ((stdin, 0), (stdout, 1)):
        os.dup2(here, there)
        os.close(here)
    sys.argv = [module, *arguments]
    sys.exit(importlib.import_module(module).main())
