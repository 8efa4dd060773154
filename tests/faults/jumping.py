"""A server whose clock is wrong by what a file says, in seconds.

``python -m tests.faults.jumping`` is ``arcsecond serve``; ``CLOCK`` names the file.
"""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta
from pathlib import Path

from arcsecond.server import db

right_now, right_time = db.now, time.time


def wrong_by() -> float:
    """Return how wrong the clock is, in seconds."""
    return float(Path(os.environ["CLOCK"]).read_text() or "0")


def wrong_now() -> datetime:
    """Return the present time as this server believes it."""
    return right_now() + timedelta(seconds=wrong_by())


def serving() -> object:
    """Make the application, before anything has imported the right clock."""
    db.now = wrong_now
    time.time = lambda: right_time() + wrong_by()
    from arcsecond.server import app

    return app.serving()


def main() -> None:
    """Serve with a wrong clock."""
    from tests.faults.workers import serve_with

    serve_with("tests.faults.jumping:serving")


if __name__ == "__main__":
    main()
