"""Send what becomes complete in watched folders, and rename there what is renamed here."""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from arcsecond.client.endpoint import Endpoint, endpoint_of
from arcsecond.client.journal import Journal
from arcsecond.client.patience import StoppedError
from arcsecond.client.plan import Plan, make_plan
from arcsecond.client.running import FAILED, Outcome, Summary, Told
from arcsecond.client.transport import Transport
from arcsecond.client.watching import Renamed, Watch
from arcsecond.errors import ArcsecondError, NotFoundError
from arcsecond.folders import Found, Item
from arcsecond.registry import BY_NAME


class Follower:
    """Keeps a dataset in step with what is watched, until somebody ends it.

    Parameters
    ----------
    send
        Carries out a plan.
    told
        Called with what became of each file, but for those that are tried again.
    say
        Told what else there is to say, a sentence at a time.
    stopping
        Ends it when it is set.
    """

    def __init__(
        self,
        transport: Transport,
        watch: Watch,
        journal: Journal,
        send: Callable[[Plan], Summary],
        told: Told | None,
        say: Callable[[str], None],
        stopping: threading.Event,
    ) -> None:
        self._transport = transport
        self._watch = watch
        self._journal = journal
        self._send = send
        self._told = told
        self._say = say
        self._stopping = stopping
        self._renamed: dict[int, Renamed] = {}
        self._arrived: list[Outcome] = []
        self._failures: dict[str, Outcome] = {}
        self._no_fits: dict[str, str] = {}
        self._put_off: dict[str, str] = {}

    def follow(self, begin: Callable[[], Plan]) -> Summary:
        """Look and send again and again; whatever may pass is waited for.

        Parameters
        ----------
        begin
            Returns an empty plan with a dataset that is there.

        Raises
        ------
        ArcsecondError
            The server refuses, and will go on doing so.
        """
        plan: Plan | None = None
        with contextlib.suppress(KeyboardInterrupt, StoppedError):
            while not self._stopping.is_set():
                try:
                    if plan is None:
                        plan = begin()
                        self._watch.recall(self._journal.sent(plan.dataset))
                    self._look(plan)
                except ArcsecondError as error:
                    if not error.passes:
                        raise
                    self._say(f"{error.detail} It is tried again.")
                self._watch.rest(self._stopping)
        return self._summary(plan.dataset if plan else "")

    def _summary(self, dataset: str) -> Summary:
        left_out = {why: [*paths] for why, paths in self._watch.left_out.items()}
        for path, why in self._no_fits.items():
            left_out.setdefault(why, []).append(path)
        outcomes = [*self._arrived, *self._failures.values()]
        return Summary(dataset, outcomes, left_out, self._watch.waiting)

    def _look(self, plan: Plan) -> None:
        found, renamed = self._watch.look()
        for one in renamed:  # of one that was renamed before, the first name is still there
            waiting = self._renamed.get(one.pk)
            self._renamed[one.pk] = one._replace(before=waiting.before) if waiting else one
        files = endpoint_of(BY_NAME["fitsfiles"], self._transport, plan.dataset, None)
        self._rename_all(files, plan.dataset)
        parts: dict[bool, list[Item]] = {}
        for item in found.items:
            replaces = plan.replace or self._watch.replaces(item.path)
            parts.setdefault(replaces, []).append(item)
        for replaces, items in parts.items():
            self._send_ready(replace(plan, replace=replaces), Found(items=items))

    def _send_ready(self, plan: Plan, found: Found) -> None:
        """Send files that are complete, and let the watch know what became of each."""
        stamps = {item.path: (item.size, item.changed_ns) for item in found.items}
        make_plan(self._transport, plan, found, self._journal, stopping=self._stopping)
        for outcome in self._send(plan).outcomes:
            stamp = stamps.pop(outcome.path)
            if outcome.again:
                self._watch.put_off(outcome.path)
                self._say_once(outcome)
                continue
            there = None if outcome.outcome == FAILED else outcome.pk
            if sent := self._watch.taken(outcome.path, stamp, there):
                self._journal.note_sent(plan.dataset, sent)
            self._ended(outcome)
        for why, paths in plan.left_out.items():  # what is no FITS, as is seen in it
            for path in paths:
                self._no_fits[path] = why
                self._watch.taken(path, stamps[path], None)

    def _ended(self, outcome: Outcome) -> None:
        """Note what became of a file; that it failed before does not count any more."""
        self._failures.pop(outcome.path, None)
        self._no_fits.pop(outcome.path, None)
        if outcome.outcome == FAILED:
            self._failures[outcome.path] = outcome
        else:
            self._arrived.append(outcome)
        if self._told is not None:
            self._told(outcome)

    def _say_once(self, outcome: Outcome) -> None:
        if self._put_off.get(outcome.path) != outcome.reason:
            self._put_off[outcome.path] = outcome.reason
            self._say(f"{outcome.path}: {outcome.reason} It is tried again later.")

    def _rename_all(self, files: Endpoint, dataset: str) -> None:
        """Give files on the server the names that they have here now.

        First those whose new name no other has still; where each has that of another, one of
        them steps aside.
        """
        self._learn_names(files)
        holding = {one.before: pk for pk, one in self._renamed.items()}
        waiting = {one.item.name: pk for pk, one in self._renamed.items()}
        free = deque(
            pk for pk, one in self._renamed.items() if holding.get(one.item.name, pk) == pk
        )
        while self._renamed:
            pk = free.popleft() if free else next(iter(self._renamed))
            one = self._renamed[pk]
            if holding.get(one.item.name, pk) == pk:
                self._rename(files, dataset, one)
            else:
                aside = f"{one.item.name}.{secrets.token_hex(4)}"
                if self._is_renamed(files, one, aside):
                    self._renamed[pk] = one._replace(before=aside)
            holding.pop(one.before, None)
            if (next_ := waiting.get(one.before)) in self._renamed and next_ != pk:
                free.append(next_)

    def _rename(self, files: Endpoint, dataset: str, one: Renamed) -> None:
        if not self._is_renamed(files, one, one.item.name):
            return
        del self._renamed[one.pk]
        self._say(f"{one.item.name}: renamed, was {one.before}")
        stamp = one.item.size, one.item.changed_ns
        if sent := self._watch.taken(one.item.path, stamp, one.pk):
            self._journal.note_sent(dataset, sent)

    def _is_renamed(self, files: Endpoint, one: Renamed, name: str) -> bool:
        """Give a file a name there; one that cannot have it is told, and left as it is."""
        try:
            files.update(one.pk, name=name)
        except ArcsecondError as error:
            if error.passes:
                raise
            self._say(f"{one.item.name} could not be renamed there: {error.detail}")
            del self._renamed[one.pk]
            self._watch.forget(one.item.path)
            return False
        return True

    def _learn_names(self, files: Endpoint) -> None:
        """Ask for the names there of files that an earlier watch sent."""
        for one in [one for one in self._renamed.values() if not one.before]:
            try:
                there = files.read(one.pk)["name"]
            except NotFoundError:  # somebody deleted it
                del self._renamed[one.pk]
                self._watch.forget(one.item.path)
            else:
                self._renamed[one.pk] = one._replace(before=there)
