"""Where a data directory is being served: a lock file says so.

The serving process holds a lock on the file for as long as it lives, so that a
file left by a process that was killed is known for what it is.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from arcsecond.errors import UnavailableError
from arcsecond.server.db import usable


def serving_address(path: Path) -> str | None:
    """Return the address a directory is served at, None when it is not."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    with os.fdopen(handle, encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:  # somebody holds it: it is true
            with contextlib.suppress(ValueError, KeyError, TypeError):
                return str(json.load(file)["url"])
    return None


def end_idle_server(path: Path) -> None:
    """End the server that ``--open`` started, for one that somebody starts on purpose."""
    if serving_address(path) is None:
        return
    with contextlib.suppress(ValueError, KeyError, OSError):
        said = json.loads(path.read_text(encoding="utf-8"))
        if said["idle"]:
            os.kill(said["pid"], signal.SIGTERM)
            for _ in range(200):
                if serving_address(path) is None:
                    break
                time.sleep(0.05)


class ServingLock:
    """Held by the process that serves a directory."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def announce(self, url: str, *, idle: int = 0) -> None:
        """Say where; called once the server answers.

        Parameters
        ----------
        idle
            Seconds of rest after which it ends by itself; 0 for never.
        """
        content = json.dumps({"url": url, "pid": os.getpid(), "idle": idle}).encode()
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, content, 0)

    def withdraw(self) -> None:
        """Take it back, as the first thing when the server ends."""
        os.ftruncate(self._handle, 0)


@contextlib.contextmanager
def serving_lock(path: Path) -> Iterator[ServingLock]:
    """Take the lock of a directory, or say who has it.

    Raises
    ------
    UnavailableError
        Another process serves it.
    """
    with usable(path.parent):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _taken(handle):
            where = serving_address(path) or "an address it has not told yet"
            raise UnavailableError(
                f"{path.parent} is being served already, at {where}.",
                hint="Use that server, end it first, or set ARCSECOND_HOME to another folder.",
            )
        lock = ServingLock(handle)
        lock.withdraw()
        yield lock
        lock.withdraw()
    finally:
        os.close(handle)


def _taken(handle: int) -> bool:
    """Take the lock; somebody who just looks whether it is held has it for a moment only."""
    for _ in range(20):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(0.02)
        else:
            return True
    return False
