"""Keep a dataset in step with folders that grow: files are taken once they are complete.

A file is complete when its size and time of change have been at rest for some seconds,
and when it ends where its format says that it does. The clock of the wall is not asked. A
file is known by its inode: under another name it was renamed, whatever has its old name now.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from arcsecond.client.journal import Sent
from arcsecond.fits import ending
from arcsecond.folders import (
    SIGNATURES,
    Found,
    Item,
    is_called_fits,
    one_of_each_name,
    walk,
)

LOOK_S = 2.0
REST_S = 3.0
FIRST_WAIT_S, LONGEST_WAIT_S = 2.0, 600.0

LOOKED_S = 5.0
"""After so long what is complete is sent, before it is looked whether more is."""

MOST_OTHERS = 3

Stamp = tuple[int, int]
"""Size and time of change."""

Identity = tuple[int, int]
"""Device and inode."""


@dataclass(slots=True)
class _Seen:
    """How a file looked, since when it looks so, and when it may be tried again.

    Attributes
    ----------
    complete
        Whether it ends where it should; None while nobody looked.
    ours
        Whether what has its name on the server was sent from here: what follows takes its
        place there, as a new version.
    others
        How often another file came under the same name that looked the same.
    """

    name: str
    stamp: Stamp
    identity: Identity
    since: float
    done: bool = False
    complete: bool | None = None
    ours: bool = False
    failed: int = 0
    again_at: float = 0.0
    others: int = 0
    pk: int | None = None


class Renamed(NamedTuple):
    """A file that has another name here than on the server.

    Attributes
    ----------
    before
        Its name there; "" where that is not known any more.
    """

    item: Item
    pk: int
    before: str


class Watch:
    """What is known of some folders while they are watched.

    Parameters
    ----------
    say
        Told what there is to say beside outcomes: once for each thing.

    Attributes
    ----------
    left_out
        Paths by why they are left out, as of the last look.
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
        self._were_complete: set[tuple[str, Stamp, Identity]] = set()
        self.left_out: dict[str, list[str]] = {}

    def look(self) -> tuple[Found, list[Renamed]]:
        """Look once.

        Returns
        -------
        Found
            Files that are complete, and were not taken yet.
        list
            Files that were taken and have another name since.
        """
        found = self._found()
        self.left_out = found.left_out
        moment = time.monotonic()
        for path, why in found.unreadable:
            self._once(path, why)
        self._forget_gone(found)
        renamed = self._renamed(found)
        ready: list[Item] = []
        for item in found.items:
            stamp = (item.size, item.changed_ns)
            seen = self._seen.get(item.path)
            if seen is None or not self._is_same(seen, item):
                ours = seen is not None and (seen.ours or seen.pk is not None)
                others = 0 if seen is None or seen.stamp != stamp else seen.others + 1
                seen = _Seen(item.name, stamp, _identity(item), moment, ours=ours)
                seen.others = others
                if (item.path, stamp, seen.identity) in self._were_complete:
                    seen.complete = True
                self._seen[item.path] = seen
            if (
                not seen.done
                and moment >= seen.again_at
                and moment - seen.since >= REST_S
                and time.monotonic() - moment < LOOKED_S
                and self._is_complete(item, seen)
            ):
                ready.append(item)
        return Found(items=ready), renamed

    @staticmethod
    def _is_same(seen: _Seen, item: Item) -> bool:
        """Tell whether a file is the one that was seen under its path."""
        if seen.stamp != (item.size, item.changed_ns):
            return False
        if seen.identity != _identity(item) and seen.others == MOST_OTHERS:
            seen.identity = _identity(item)  # its file system has other numbers each time
        return seen.identity == _identity(item)

    def _forget_gone(self, found: Found) -> None:
        """Forget files that went before they were taken, such as those of other programs."""
        there = {item.path for item in found.items}
        for path in [path for path, seen in self._seen.items() if seen.pk is None]:
            if path not in there and not os.path.lexists(path):
                del self._seen[path]

    def _renamed(self, found: Found) -> list[Renamed]:
        """Find files that were taken under another name, which another file may have now."""
        there = {item.path: item for item in found.items}
        moved: dict[tuple[Identity, Stamp], str] = {}
        for path, seen in self._seen.items():
            now = there.get(path)
            if seen.pk is not None and (
                _identity(now) != seen.identity if now else not os.path.lexists(path)
            ):
                moved[seen.identity, seen.stamp] = path
        if not moved:
            return []
        others = set(moved.values())
        pairs: list[tuple[Item, str]] = []
        for item in found.items:
            if item.path in self._seen and item.path not in others:
                continue
            if before := moved.get((_identity(item), (item.size, item.changed_ns))):
                pairs.append((item, before))
        known = [(item, self._seen.pop(before)) for item, before in pairs]
        renamed = []
        for item, seen in known:
            renamed.append(Renamed(item, seen.pk or 0, seen.name))
            seen.name = item.name
            self._seen[item.path] = seen
        return renamed

    def _found(self) -> Found:
        """Go through the folders; one may come later, or come and go."""
        found = Found()
        items = walk(
            self._paths,
            found,
            self._include,
            self._exclude,
            absent=lambda path: self._once(path, "it is not there"),
        )
        paths = set[str]()
        for item in one_of_each_name(items, found):
            if item.path not in paths:  # folders that were given may lie in each other
                paths.add(item.path)
                found.items.append(item)
        return found

    def _is_complete(self, item: Item, seen: _Seen) -> bool:
        if seen.complete is None:
            try:
                problem = incomplete(item.path)
            except OSError as error:
                self._once(item.path, (error.strerror or str(error)).lower())
                return False
            seen.complete = not problem
            if problem:
                self._say(f"{item.path} is at rest but not complete yet: {problem}")
        return seen.complete

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
        seen.done, seen.pk = True, pk
        return Sent(path, *stamp, *seen.identity, pk) if pk is not None else None

    def recall(self, before: Sequence[Sent]) -> None:
        """Learn what an earlier watch sent: it was complete, and may have another name since."""
        for sent in before:
            if sent.path in self._seen:
                continue
            stamp, identity = (sent.size, sent.changed_ns), (sent.device, sent.inode)
            self._were_complete.add((sent.path, stamp, identity))
            if _has_changed(sent.path, stamp, identity):
                seen = _Seen("", stamp, identity, time.monotonic(), done=True)
                seen.pk = sent.pk
                self._seen[sent.path] = seen

    def replaces(self, path: str) -> bool:
        """Tell whether a file takes the place of what was sent from its path before."""
        return path in self._seen and self._seen[path].ours

    def forget(self, path: str) -> None:
        """Learn that a file could not get its new name there: it is one like any other."""
        if seen := self._seen.get(path):
            seen.done, seen.pk, seen.ours = False, None, False

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
    """Tell why a file is not complete; "" when it is, or when nothing tells.

    Raises
    ------
    OSError
        It cannot be read.
    """
    with open(path, "rb") as file:
        begins = file.read(len(max(SIGNATURES, key=len))).startswith(SIGNATURES)
        if not begins:
            return "it does not begin as FITS does." if is_called_fits(path) else ""
        return ending.why_incomplete(file)


def _identity(told: Item) -> Identity:
    """Return what stays when a file is renamed."""
    return told.device, told.inode


def _has_changed(path: str, stamp: Stamp, identity: Identity) -> bool:
    """Tell whether a file is gone from its path, has other content, or is another one."""
    try:
        told = os.stat(path)
    except OSError:
        return not os.path.lexists(path)
    found = (told.st_size, told.st_mtime_ns), (told.st_dev, told.st_ino)
    return found != (stamp, identity)
