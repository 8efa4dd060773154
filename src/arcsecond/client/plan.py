"""What an upload would do: hashed where that tells something, compared with the server.

Small files are hashed at once. Of a large one the server is asked first whether it has
content of that size: if not, it is hashed while it is sent, and read once.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from arcsecond.client.journal import Journal, hash_item, sniff
from arcsecond.client.patience import Patience
from arcsecond.client.transport import Transport
from arcsecond.errors import ArcsecondInputValueError, NotFitsError
from arcsecond.folders import Found, Item, item_of, reason

SMALL = 4 << 20
"""Files up to this size travel together, larger ones in pieces."""

ASKED_TOGETHER = 1_000
ASKED_CHARACTERS = 400_000
"""Names in one question, and how long they are together."""

VERSION = 1

Looked = Callable[[int, int], None]
"""Called with how many files were looked at, and how many there are."""


@dataclass(slots=True)
class Plan:
    """What an upload would do.

    Attributes
    ----------
    server
        Address, "" for the embedded one.
    dataset
        UUID; "" where it is to be made.
    name
        Of the dataset.
    about
        What a dataset gets that is to be made, such as its telescope.
    given
        What every file gets, such as tags.
    replace
        Whether files whose name has other content become new versions.
    """

    server: str
    dataset: str
    name: str
    about: dict[str, str] = field(default_factory=dict)
    replace: bool = False
    given: dict[str, Any] = field(default_factory=dict)
    items: list[Item] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    unreadable: list[tuple[str, str]] = field(default_factory=list)

    @property
    def there(self) -> list[Item]:
        """Those that are there already."""
        return [item for item in self.items if item.state == "same"]

    @property
    def taken(self) -> list[Item]:
        """Those whose name has other content, which nobody wants to replace."""
        return [] if self.replace else [item for item in self.items if item.state == "other"]

    @property
    def sending(self) -> list[Item]:
        """Those that are to be sent, or made of content that is there."""
        left_out = ("same",) if self.replace else ("same", "other")
        return [item for item in self.items if item.state not in left_out]

    @property
    def bytes_to_send(self) -> int:
        """How many bytes have to travel."""
        return sum(item.size for item in self.sending if item.state != "elsewhere")

    def to_json(self) -> dict[str, Any]:
        """Return it as it is saved."""
        return {
            "version": VERSION,
            "files": len(self.items),
            "bytes": sum(item.size for item in self.items),
            "to_send": len(self.sending),
            "bytes_to_send": self.bytes_to_send,
            "there": len(self.there),
            "name_taken": len(self.taken),
            **asdict(self),
        }

    @classmethod
    def load(cls, path: Path) -> Plan:
        """Read a plan that was saved.

        Raises
        ------
        ArcsecondInputValueError
            There is none, or it is of another program.
        """
        import msgspec  # late: most of what the module is asked for does without

        try:
            told = json.loads(path.read_bytes())
            if told["version"] != VERSION:
                raise ValueError(told["version"])
            plan = msgspec.convert({name: told[name] for name in cls.__dataclass_fields__}, cls)
        except OSError as error:
            raise ArcsecondInputValueError(f"{path} cannot be read: {error.strerror}.") from error
        except (ValueError, KeyError, TypeError, RecursionError, msgspec.ValidationError) as error:
            raise ArcsecondInputValueError(f"{path} is no plan of an upload.") from error
        return plan

    def save(self, path: str | Path) -> None:
        """Save it.

        Raises
        ------
        ArcsecondInputValueError
            The file cannot be written.
        """
        try:
            Path(path).write_text(json.dumps(self.to_json(), indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise ArcsecondInputValueError(
                f"{path} cannot be written: {error.strerror}."
            ) from error

    def refuse_other(self, server: str) -> None:
        """Refuse to be carried out on another server than it was made for.

        Raises
        ------
        ArcsecondInputValueError
            It is another one.
        """
        if self.server != server:
            raise ArcsecondInputValueError(
                f"This plan was made for {self.server or 'the embedded server'}."
            )


def make_plan(
    transport: Transport,
    plan: Plan,
    found: Found,
    journal: Journal,
    *,
    stopping: threading.Event,
    looked: Looked | None = None,
) -> Plan:
    """Fill a plan in with what was found, each with its state on the server."""
    looked = looked or _unwatched
    journal.recall(found.items)
    for done, item in enumerate(found.items, 1):
        if not item.sha256:
            _read(item, found, journal if item.size <= SMALL else None)
        if done % 100 == 0:
            looked(done, len(found.items))
    looked(len(found.items), len(found.items))
    plan.items = [item for item in found.items if item.state != _NONE]
    plan.left_out, plan.unreadable = found.left_out, found.unreadable
    ask(transport, plan, journal, stopping)
    return plan


def look_again(plan: Plan, journal: Journal) -> None:
    """Leave out those files of a saved plan that are not what was planned."""
    found = Found(unreadable=plan.unreadable)
    for item in plan.items:
        planned = item.sha256
        try:
            now = item_of(item.path, item.name, os.stat(item.path))
        except OSError as error:
            item.state = _NONE
            found.unreadable.append((item.path, reason(error)))
            continue
        same = (now.size, now.changed_ns) == (item.size, item.changed_ns)
        if same and planned and now.touched_ns != item.touched_ns:
            item.touched_ns = now.touched_ns
            _read(item, found, journal)
            same = item.state == _NONE or item.sha256 == planned
        if not same:
            item.state = _NONE
            found.unreadable.append((item.path, "it changed since the plan was made"))
    plan.items = [item for item in plan.items if item.state != _NONE]


def ask(transport: Transport, plan: Plan, journal: Journal, stopping: threading.Event) -> None:
    """Ask the server of each file whether it is there; hash those whose digest would tell."""
    compare(transport, plan.dataset, plan.items, stopping)
    if unclear := [item for item in plan.items if item.state == "unclear"]:
        found = Found(unreadable=plan.unreadable)
        for item in unclear:
            _read(item, found, journal)
        plan.items = [item for item in plan.items if item.state != _NONE]
        known = [item for item in unclear if item.state != _NONE]
        compare(transport, plan.dataset, known, stopping)


def _unwatched(_done: int, _all: int) -> None:
    pass


_NONE = "none"
"""State of what cannot be sent."""


def _read(item: Item, found: Found, journal: Journal | None) -> None:
    """Look at a file, and hash it where there is a journal to remember that."""
    try:
        if journal is None:
            sniff(item)
        else:
            hash_item(item, journal)
    except NotFitsError:
        item.state = _NONE
        found.no_fits(item.path)
    except OSError as error:
        item.state = _NONE
        found.unreadable.append((item.path, reason(error)))


def compare(
    transport: Transport, dataset: str, items: Sequence[Item], stopping: threading.Event
) -> None:
    """Ask the server of some files whether they are there, "" for a dataset to be made."""
    path = f"/datasets/{dataset}/known/" if dataset else "/fitsfiles/known/"

    def ask_of(group: Sequence[Item]) -> None:
        asked = {"files": [_asked(item) for item in group]}
        told = Patience(stopping).keep_trying(lambda: transport.request("POST", path, fields=asked))
        for item, known in zip(group, told.data, strict=True):
            item.state, item.pk = sys.intern(known["state"]), known["pk"]

    if len(items) <= ASKED_TOGETHER:  # else one question is written while another is answered
        for group in _questions(items):
            ask_of(group)
        return
    pool = ThreadPoolExecutor(2, "arcsecond-asking")
    try:
        for _ in pool.map(ask_of, _questions(items)):
            pass
    except KeyboardInterrupt:
        stopping.set()
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _asked(item: Item) -> Mapping[str, Any]:
    digest = {"sha256": item.sha256} if item.sha256 else {}
    return {"name": item.name, "size": item.size, **digest}


def _questions(items: Sequence[Item]) -> Iterator[list[Item]]:
    group: list[Item] = []
    characters = 0
    for item in items:
        if len(group) == ASKED_TOGETHER or characters + len(item.name) > ASKED_CHARACTERS:
            yield group
            group, characters = [], 0
        group.append(item)
        characters += len(item.name)
    if group:
        yield group
