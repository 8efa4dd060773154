"""Things that can be made again, kept under a name: pictures, charts, what a survey sent.

Losing them costs nothing but the time to make them once more, so what cannot be
kept is not.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LEFTOVER_S = 3600
_UNFINISHED = "new-"


@dataclass(frozen=True, slots=True)
class Kept:
    """A folder of such things, by names that begin with a digest."""

    top: Path

    def get(self, name: str) -> bytes | None:
        """Return what is kept under a name, None when nothing is."""
        try:
            return self._path(name).read_bytes()
        except OSError:
            return None

    def begin(self, name: str, length: int) -> bytes:
        """Return the first bytes of what is kept under a name; none when nothing is."""
        with contextlib.suppress(OSError), self._path(name).open("rb") as file:
            return file.read(length)
        return b""

    def has(self, name: str) -> bool:
        """Tell whether something is kept under a name."""
        return self._path(name).exists()

    def put(self, name: str, content: bytes) -> None:
        """Keep something under its name, at once and as a whole."""
        path = self._path(name)
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=_UNFINISHED)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                os.replace(temporary, path)
            except OSError:
                os.unlink(temporary)

    def sweep(self, needed: Callable[[str], bool]) -> int:
        """Remove what is not needed, and what dead processes left; returns how many."""
        swept = 0
        for path in self.top.glob("??/*"):
            with contextlib.suppress(OSError):
                if path.name.startswith(_UNFINISHED):
                    if time.time() - path.stat().st_mtime < LEFTOVER_S:
                        continue
                elif needed(path.name):
                    continue
                path.unlink()
                swept += 1
        return swept

    def shrink(self, most_bytes: int) -> int:
        """Remove what was made first until the rest is no larger; returns how many."""
        found: list[tuple[float, int, Path]] = []
        for path in self.top.glob("??/*"):
            with contextlib.suppress(OSError):
                stat = path.stat()
                found.append((stat.st_mtime, stat.st_size, path))
        total, swept = sum(size for _, size, _ in found), 0
        for _, size, path in sorted(found):
            if total <= most_bytes:
                break
            with contextlib.suppress(OSError):
                path.unlink()
                total -= size
                swept += 1
        return swept

    def _path(self, name: str) -> Path:
        return self.top / name[:2] / name
