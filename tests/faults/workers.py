"""``arcsecond serve`` with workers that run another application than the product's."""

from __future__ import annotations

import sys
from typing import Any


def serve_with(target: str) -> None:
    """Serve as the command line says, with an application of a test."""
    from granian.server.mp import MPServer

    started = MPServer.__init__

    def starting(self: MPServer, _target: str, *args: Any, **kwargs: Any) -> None:
        started(self, target, *args, **kwargs)

    MPServer.__init__ = starting  # type: ignore[method-assign]
    from arcsecond.cli.main import run

    sys.exit(run(["serve", *sys.argv[1:]]))
