"""Copy bytes and read them at the same time: what is not as it should be does not stay."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from typing import BinaryIO

PIECE = 1 << 20


def copy(source: BinaryIO, target: Path, sha256: str) -> bool:
    """Copy an open file; False, and no target, when it has another digest.

    The target bears its name once all of it is there; it is not flushed.
    """
    digest = hashlib.sha256()
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".")
    try:
        with os.fdopen(handle, "wb") as file:
            while piece := source.read(PIECE):
                digest.update(piece)
                file.write(piece)
        if digest.hexdigest() != sha256:
            return False
        os.replace(name, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
    return True
