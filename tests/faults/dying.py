"""A server that dies at a chosen point, all its processes at once, as after ``kill -9``.

``python -m tests.faults.dying`` is ``arcsecond serve``; ``DIE_AT`` names the point.
"""

from __future__ import annotations

import os
import signal
from typing import Any, NoReturn

from arcsecond.server import app
from arcsecond.server.archive import adding, files, service
from arcsecond.server.storage import folder
from arcsecond.server.storage.folder import FolderArrived, FolderIncoming, FolderStore
from arcsecond.server.storage.partial import Partial
from arcsecond.server.transfers.service import Writing
from tests.faults.workers import serve_with

RECEIVE = {
    "streaming": (FolderIncoming, "write", "after"),
    "before the flush": (FolderIncoming, "finish", "before"),
    "after the flush": (FolderIncoming, "finish", "after"),
    "before the rename": (FolderIncoming, "keep", "before"),
    "after the rename": (folder, "_name_too", "after"),
    "before the row": (FolderIncoming, "keep", "after"),
}
RECORD = {
    "after the row": ("keep_versions", "after"),
    "after the commit": ("shape", "before"),
}
DELETE = {
    "before the commit": (files, "trash", "after"),
    "after the commit": (files, "delete_file", "after"),
}
DELETE_DATASET = {
    "between dataset and files": (service, "trash", "after"),
    "after the commit": (service.Datasets, "delete", "after"),
}
SWEEP = {"after the bytes, before the row": (FolderStore, "delete", "after")}
TUS = {
    "in a chunk": (Partial, "write", "after"),
    "before a chunk is flushed": (Partial, "flush", "before"),
    "after a chunk is flushed, before its row": (Partial, "flush", "after"),
    "between chunks": (Writing, "acknowledge", "after"),
    "before the rename": (FolderArrived, "keep", "before"),
    "between the rename and the row": (FolderArrived, "keep", "after"),
    "after the file, before the upload is ended": (Writing, "_kept", "after"),
    "after the upload is ended": (Writing, "finish", "ended"),
}
POINTS = {
    "tus": TUS,
    "upload": RECEIVE | {name: (adding, *point) for name, point in RECORD.items()},
    "replace": RECEIVE | {name: (files, *point) for name, point in RECORD.items()},
    "delete": DELETE,
    "delete dataset": DELETE_DATASET,
    "sweep": SWEEP,
}


def die(*_: Any, **__: Any) -> NoReturn:
    """Kill the server and its workers; nothing of theirs runs any more."""
    os.killpg(os.getpgrp(), signal.SIGKILL)
    raise AssertionError("still alive")


def arm(action: str, point: str) -> None:
    """Let this process die at a point."""
    place, name, when = POINTS[action][point]
    function = getattr(place, name)

    def dying(*args: Any, **kwargs: Any) -> None:
        if when == "after":
            function(*args, **kwargs)
        elif when == "ended":  # not those that had nothing to end
            function(*args, **kwargs)
            if args[0].row.ended_at is None:
                return
        die()

    setattr(place, name, dying)


def serving() -> app.Application:
    """Make the application of a worker that will die."""
    action, _, point = os.environ["DIE_AT"].partition(": ")
    arm(action, point)
    return app.serving()


if __name__ == "__main__":
    serve_with("tests.faults.dying:serving")
