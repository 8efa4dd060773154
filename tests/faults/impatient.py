"""A server that takes a connection for dead which brings nothing for a second.

``python -m tests.faults.impatient`` is ``arcsecond serve``.
"""

from __future__ import annotations

from arcsecond.server import app, receiving
from tests.faults.workers import serve_with


def serving() -> app.Application:
    """Make the application of an impatient worker."""
    receiving.STALLED_S = 1.0
    return app.serving()


if __name__ == "__main__":
    serve_with("tests.faults.impatient:serving")
