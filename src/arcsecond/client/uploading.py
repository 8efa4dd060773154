"""Send many files: small ones together, large ones in pieces, nothing that is there already."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from arcsecond.client.journal import Journal, hash_item
from arcsecond.client.patience import all_of
from arcsecond.client.pieces import Sending
from arcsecond.client.plan import SMALL, Plan
from arcsecond.client.running import (
    DONE,
    FAILED,
    MADE,
    THERE,
    Manner,
    Moved,
    Outcome,
    Run,
    Summary,
    failed,
    outcome_of,
)
from arcsecond.client.transport import Transport, as_text
from arcsecond.errors import (
    ArcsecondError,
    ChangedError,
    ChecksumError,
    NotFoundError,
    from_wire,
)
from arcsecond.folders import Item, reason

TOGETHER = 64
TOGETHER_BYTES = 4 << 20


def carry_out(
    transport: Transport,
    plan: Plan,
    journal: Journal,
    manner: Manner,
) -> Summary:
    """Do what a plan says.

    Raises
    ------
    KeyboardInterrupt
        Somebody ended it: what is on its way comes to a stop first.
    """
    return _Upload(transport, plan, journal, manner).begin()


class _Waiting(NamedTuple):
    """An upload that waits for more bytes; its digest, when somebody said it."""

    address: str
    sha256: str | None


class _Upload(Run[Item]):
    """One upload of many files."""

    def __init__(self, transport: Transport, plan: Plan, journal: Journal, manner: Manner) -> None:
        super().__init__(Summary(plan.dataset, left_out=plan.left_out), manner)
        self._transport = transport
        self._plan = plan
        self._journal = journal
        self._files = f"/datasets/{plan.dataset}/fitsfiles/"
        self._uploads = f"/datasets/{plan.dataset}/uploads/"
        self._waiting: dict[tuple[str, int], _Waiting] = {}

    def begin(self) -> Summary:
        """Tell of those that are not sent, and send the others."""
        plan = self._plan
        for path, why in plan.unreadable:
            self.ended(Outcome(path, "", 0, FAILED, f"It cannot be sent: {why}."))
        for item in plan.there:
            self.ended(outcome_of(item, THERE))
        for item in plan.taken:
            self.ended(failed(item, _NAME_TAKEN))
        sending = plan.sending
        if any(item.size > SMALL for item in sending):
            self._waiting = self._that_wait()
        return self.work(_units(sending), len(sending), plan.bytes_to_send)

    def weight(self, item: Item) -> int:
        """Return how many bytes of a file have to travel."""
        return 0 if item.state == "elsewhere" else item.size

    def move(self, unit: Sequence[Item], moved: Moved) -> Iterator[Outcome]:
        """Send some files, and yield the outcome of each."""
        if unit[0].state == "elsewhere":
            yield self._take(unit[0], moved)
        elif len(unit) == 1 and _goes_in_pieces(unit[0]):
            yield self._send_large(unit[0], moved)
        else:
            yield from self._send_small(unit)

    def _that_wait(self) -> dict[tuple[str, int], _Waiting]:
        """Return the uploads that came to a stop and wait for the rest, by name and size.

        But only those that are to become what is wanted now.
        """
        told = {**self._told(), "replace": self._plan.replace}
        return {
            (one["name"], one["size"]): _Waiting("/uploads/" + one["uuid"], one["sha256"])
            for one in all_of(self._transport, self._uploads, self.stopping)
            if {**one["given"], "replace": one["replace"]} == told
        }

    def _told(self) -> dict[str, str]:
        """Return what the server is told of every file."""
        return {name: as_text(value) for name, value in self._plan.given.items()}

    def _take(self, item: Item, moved: Moved) -> Outcome:
        """Let the server make a file of content that it has; send it when it cannot."""
        fields = {"name": item.name, "sha256": item.sha256, **self._plan.given}
        try:
            answer = self.patience().keep_trying(
                lambda: self._transport.request("POST", self._files, fields=fields)
            )
        except NotFoundError:
            item.state = "unknown"
            return next(iter(self.move([item], moved)))
        except ArcsecondError as error:
            return self.refused(item, error)
        if answer.data["name"] != item.name:
            return failed(item, _OTHER_NAME)
        problems = _problems(answer.data)
        return outcome_of(item, MADE, pk=answer.data["pk"], problems=problems)

    def _send_large(self, item: Item, moved: Moved) -> Outcome:
        told = self._told()
        if self._plan.replace:
            told["replace"] = "true"
        if item.sha256:
            told["sha256"] = item.sha256
        waiting = self._waiting.get((item.name, item.size))
        if waiting and waiting.sha256 not in (None, item.sha256 or waiting.sha256):
            waiting = None  # of a file that was another one then
        sending = Sending(
            self._transport,
            self._uploads,
            item,
            told,
            waiting=waiting.address if waiting else "",
            moved=moved,
            stopping=self.stopping,
            patience=self.patience(),
        )
        try:
            reply = sending.send()
        except ArcsecondError as error:
            return self.refused(item, error)
        except OSError as error:
            return _unreadable(item, error)
        try:
            if not item.sha256:  # somebody else sent the last of it
                hash_item(item, self._journal)
        except (ArcsecondError, OSError):
            return failed(item, "It cannot be read any more, to compare it.", again=True)
        if reply.headers.get("Arcsecond-SHA256") != item.sha256:
            return failed(item, _OTHER_BYTES)
        self._journal.note(item)
        pk = int(reply.headers["Arcsecond-File"].rstrip("/").rpartition("/")[2])
        try:
            file = self._kept_as(item)
        except ArcsecondError:  # it is kept, whatever is wrong with it
            return outcome_of(item, DONE, pk=pk)
        if file is None or file["pk"] != pk:
            return failed(item, _OTHER_NAME)
        return outcome_of(item, DONE, pk=pk, problems=_problems(file))

    def _kept_as(self, item: Item) -> dict[str, Any] | None:
        """Ask for the file that has the name of one that was sent, and what is damaged in it."""
        answer = self.patience().keep_trying(
            lambda: self._transport.request("GET", self._files, params={"name": item.name})
        )
        return answer.data[0] if answer.data else None

    def _send_small(self, unit: Sequence[Item]) -> Iterator[Outcome]:
        """Send small files in one request; what is wrong with one of them is its own outcome."""
        ready: list[tuple[Item, bytes]] = []
        for item in unit:
            try:
                ready.append((item, _content(item)))
            except ArcsecondError as error:
                yield self.refused(item, error)
            except OSError as error:
                yield _unreadable(item, error)
        if ready:
            yield from self._send_together(ready)

    def _send_together(self, ready: Sequence[tuple[Item, bytes]]) -> Iterator[Outcome]:
        fields = {**self._plan.given, "sha256": [item.sha256 for item, _ in ready]}
        parts = [(item.name, data) for item, data in ready]
        try:
            answer = self.patience().keep_trying(
                lambda: self._transport.send_parts(self._files, parts, fields)
            )
        except ArcsecondError as error:
            if len(ready) == 1 or error.status not in (400, 413):
                yield from [self.refused(item, error) for item, _ in ready]
            else:  # what is wrong with one of them, or with all of them together?
                for one in ready:
                    yield from self._send_together([one])
            return
        if len(ready) == 1:
            yield self._kept(ready[0][0], answer.data)
            return
        for (item, data), told in zip(ready, answer.data, strict=True):
            if told["file"] is not None:
                yield self._kept(item, told["file"])
                continue
            refusal = from_wire(told["status"], told["error"])
            if isinstance(refusal, ChecksumError):
                yield from self._send_together([(item, data)])
            else:
                yield self.refused(item, refusal)

    def _kept(self, item: Item, file: Mapping[str, Any]) -> Outcome:
        if file["sha256"] != item.sha256:
            return failed(item, _OTHER_BYTES)
        if file["name"] != item.name:
            return failed(item, _OTHER_NAME)
        self._journal.note(item)
        return outcome_of(item, DONE, pk=file["pk"], problems=_problems(file))


_NAME_TAKEN = (
    "Its name is taken by other content there. With --replace it becomes a new version; "
    "`arcsecond fitsfiles DATASET create --file FILE --name NAME` gives it another name."
)
_OTHER_NAME = "The server kept it under another name than was sent; send it again."
_OTHER_BYTES = "The server kept other bytes than were sent; ask whoever runs it."


def _units(items: Sequence[Item]) -> Iterator[list[Item]]:
    """Put small files together, up to a number and a size; others go alone."""
    group: list[Item] = []
    size = 0
    for item in items:
        if item.state == "elsewhere" or _goes_in_pieces(item):
            yield [item]
            continue
        if group and (len(group) == TOGETHER or size + item.size > TOGETHER_BYTES):
            yield group
            group, size = [], 0
        group.append(item)
        size += item.size
    if group:
        yield group


def _goes_in_pieces(item: Item) -> bool:
    # A form would change "%" in a name, and cannot replace.
    return item.size > SMALL or item.state == "other" or "%" in item.name


def _content(item: Item) -> bytes:
    """Return the bytes of a small file, if it still is what was planned.

    Raises
    ------
    ChangedError
        It is not.
    OSError
        It cannot be read.
    """
    with open(item.path, "rb", buffering=0) as file:
        data = file.read(SMALL + 1) or b""
        told = os.fstat(file.fileno())
    if (len(data), told.st_size, told.st_mtime_ns) != (item.size, item.size, item.changed_ns):
        raise ChangedError
    found = hashlib.sha256(data).hexdigest()
    if item.sha256 and item.sha256 != found:
        raise ChangedError
    item.sha256 = found
    return data


def _problems(file: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what is damaged in a file."""
    return _once(tuple(file["problems"]))


@functools.lru_cache(256)
def _once(problems: tuple[str, ...]) -> tuple[str, ...]:
    """Return the same object for the same problems: many files of a night have the same."""
    return problems


def _unreadable(item: Item, error: OSError) -> Outcome:
    return failed(item, f"It cannot be read: {reason(error)}.", again=True)
