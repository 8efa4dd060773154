"""Keep a dataset in step with folders that grow: files are taken once they are complete.

A file is complete when its size and time of change have been at rest for some seconds,
and when it ends where its FITS headers say that it does. The clock of the wall is not asked.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from arcsecond.client.journal import Sent
from arcsecond.fits import walking
from arcsecond.folders import SIGNATURES, Found, Item, is_called_fits, walk

LOOK_S = 2.0
REST_S = 3.0
FIRST_WAIT_S, LONGEST_WAIT_S = 2.0, 600.0

Stamp = tuple[int, int]
"""Size and time of change."""


@dataclass(slots=True)
class _Seen:
    """How a file looked, since when it looks so, and when it may be tried again."""

    stamp: Stamp
    since: float
    done: bool = False
    told: bool = False
    failed: int = 0
    again_at: float = 0.0
    identity: tuple[int, int] = (0, 0)
    pk: int | None = None


class Watch:
    """What is known of some folders while they are watched.

    Parameters
    ----------
    say
        Told what there is to say beside outcomes: once for each thing.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        include: Sequence[str],
        exclude: Sequence[str],
        say: Callable[[str], None],
    ) -> None:
        self._paths = paths
        self._include = include
        self._exclude = exclude
        self._say = say
        self._seen: dict[str, _Seen] = {}
        self._unreadable: set[tuple[str, str]] = set()

    def look(self) -> tuple[Found, list[tuple[Item, int]]]:
        """Look once.

        Returns
        -------
        Found
            Files that are complete, and were not taken yet.
        list
            Files that were taken and have another name since, each with its pk.
        """
        found = self._found()
        moment = time.monotonic()
        for path, why in found.unreadable:
            self._once(path, why)
        there = {item.path for item in found.items}
        gone = {
            seen.identity: path
            for path, seen in self._seen.items()
            if seen.pk is not None and path not in there and not os.path.lexists(path)
        }
        ready: list[Item] = []
        renamed: list[tuple[Item, int]] = []
        for item in found.items:
            stamp = (item.size, item.changed_ns)
            seen = self._seen.get(item.path)
            if seen is None or seen.stamp != stamp:
                before = gone.get(_identity(item.path))
                if seen is None and before and self._seen[before].stamp == stamp:
                    seen = self._seen.pop(before)
                    self._seen[item.path] = seen
                    renamed.append((item, seen.pk or 0))
                    continue
                seen = self._seen[item.path] = _Seen(stamp, moment)
            if (
                not seen.done
                and moment >= seen.again_at
                and moment - seen.since >= REST_S
                and self._is_complete(item, seen)
            ):
                ready.append(item)
        return Found(items=ready), renamed

    def _found(self) -> Found:
        """Go through the folders; one may come later, or come and go."""
        found = Found()
        names: dict[str, str] = {}
        for item in walk(
            self._paths,
            found,
            self._include,
            self._exclude,
            absent=lambda path: self._once(path, "it is not there"),
        ):
            if (other := names.setdefault(item.name, item.path)) == item.path:
                found.items.append(item)
            else:
                self._once(item.path, f"{other} would have the same name there")
        return found

    def _is_complete(self, item: Item, seen: _Seen) -> bool:
        problem = incomplete(item.path)
        if problem and not seen.told:
            seen.told = True
            self._say(f"{item.path} is at rest but not complete yet: {problem}")
        return not problem

    def taken(self, path: str, stamp: Stamp, pk: int | None) -> Sent | None:
        """Learn that a file is on the server; without a pk it is not, until it changes.

        Parameters
        ----------
        stamp
            Its size and time of change as they were.

        Returns
        -------
        Sent
            What to remember of it, for another watch; None for nothing.
        """
        seen = self._seen.get(path)
        if seen is None or seen.stamp != stamp:
            return None
        seen.done, seen.pk, seen.identity = True, pk, _identity(path)
        return Sent(path, *stamp, *seen.identity, pk) if pk is not None else None

    def recall(self, before: Sequence[Sent]) -> None:
        """Learn what an earlier watch sent: a file may have another name since."""
        for sent in before:
            if sent.path not in self._seen and not os.path.lexists(sent.path):
                seen = _Seen((sent.size, sent.changed_ns), time.monotonic(), done=True)
                seen.pk, seen.identity = sent.pk, (sent.device, sent.inode)
                self._seen[sent.path] = seen

    def put_off(self, path: str) -> None:
        """Learn that a file could not be sent yet: it is tried again, each time a little later."""
        if seen := self._seen.get(path):
            wait = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**seen.failed)
            seen.failed, seen.again_at = seen.failed + 1, time.monotonic() + wait

    @property
    def waiting(self) -> list[str]:
        """Paths of the files that were not taken yet."""
        return [path for path, seen in self._seen.items() if not seen.done]

    def _once(self, path: str, why: str) -> None:
        if (path, why) not in self._unreadable:
            self._unreadable.add((path, why))
            self._say(f"{path} cannot be sent yet: {why}.")

    def rest(self, stopping: threading.Event) -> None:
        """Wait until it is time to look again, or to end."""
        stopping.wait(LOOK_S)


def incomplete(path: str) -> str:
    """Tell why a file is not complete; "" when it is, or when its packing hides it."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = file.read(len(walking.SIGNATURE))
            if not start.startswith(SIGNATURES):
                return "it does not begin as FITS does." if is_called_fits(path) else ""
            if start != walking.SIGNATURE:
                return ""
            problems = walking.walk(file, size, checked=False).problems
    except OSError as error:
        return (error.strerror or str(error)) + "."
    ended = [problem for problem in problems if "ends" in problem or "no END" in problem]
    return ended[0] if ended else ""


def _identity(path: str) -> tuple[int, int]:
    """Return what stays when a file is renamed."""
    try:
        told = os.stat(path)
    except OSError:
        return (0, 0)
    return told.st_dev, told.st_ino
