"""``arcsecond upload``: plans first, asks, sends, and says what became of every file."""

from __future__ import annotations

import contextlib
import gc
import json
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from arcsecond import shown
from arcsecond.cli.hints import sign_in_hint
from arcsecond.cli.output import on_terminal
from arcsecond.cli.saying import say
from arcsecond.cli.standing import display
from arcsecond.cli.transfers import (
    INTERRUPTED,
    NAMED,
    confirmed,
    count_of,
    ended_like_ctrl_c,
    problems_of,
    summed_up,
    tags_of,
    tell_counts,
    tell_end,
    tell_some,
)
from arcsecond.client.api import ArcsecondAPI
from arcsecond.client.following import Follower
from arcsecond.client.journal import Journal, journal_path
from arcsecond.client.naming import find_named
from arcsecond.client.patience import StoppedError
from arcsecond.client.plan import Looked, Plan, ask, look_again, make_plan
from arcsecond.client.running import DONE, FAILED, MADE, THERE, Manner, Outcome, Summary
from arcsecond.client.uploading import carry_out
from arcsecond.client.watching import Watch
from arcsecond.errors import (
    ArcsecondNotLoggedInError,
    ConflictError,
)
from arcsecond.folders import find

_HOW = {DONE: "sent", MADE: "made of what was there", THERE: "there already"}


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a command line asks for."""

    paths: tuple[str, ...]
    dataset: str
    about: Mapping[str, str]
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    given: Mapping[str, Any]
    replace: bool
    jobs: int
    plan: str | None
    dry_run: bool
    yes: bool
    as_json: bool
    quiet: bool


def upload(
    *,
    server: str | None,
    watch: bool,
    tag: tuple[str, ...],
    raw: bool | None,
    telescope: str | None,
    instrument: str | None,
    dataset: str | None,
    **given: Any,
) -> int:
    """Upload; returns the exit status: 1 when any file failed."""
    about = {"telescope": telescope, "instrument": instrument}
    files = {"tags": tags_of(tag) or None, "is_raw": raw}
    asked = _Asked(
        dataset=dataset or "",
        about={name: value for name, value in about.items() if value},
        given={name: value for name, value in files.items() if value is not None},
        **given,
    )
    _check(asked, watch=watch)
    with ended_like_ctrl_c(), ArcsecondAPI(server=server) as api:
        try:
            with contextlib.closing(Journal(journal_path(api.config.home))) as journal:
                job = _Job(api, asked, journal)
                return job.watch() if watch else job.once()
        except ArcsecondNotLoggedInError as error:
            error.hint = sign_in_hint(api, error.hint)
            raise


def _check(asked: _Asked, *, watch: bool) -> None:
    """Refuse options that do not go together."""
    applying = asked.plan is not None and not asked.paths
    if not asked.paths and not applying:
        raise click.UsageError("Upload what? Name files or folders, or a plan that was saved.")
    chosen = asked.dataset or asked.include or asked.exclude
    if applying and (chosen or asked.about or asked.given or asked.replace):
        raise click.UsageError(
            "A plan that was saved knows its dataset, its files and what they get already."
        )
    if not applying and not asked.dataset:
        raise click.UsageError("Into which dataset? Write --dataset and its name or UUID.")
    if asked.plan is not None and asked.paths and not asked.dry_run:
        raise click.UsageError("--plan saves a plan with --dry-run; without files it is applied.")
    if watch and (asked.dry_run or asked.plan is not None):
        raise click.UsageError("--watch goes neither with --dry-run nor with --plan.")


class _Job:
    """One upload, from the plan to the summary."""

    def __init__(self, api: ArcsecondAPI, asked: _Asked, journal: Journal) -> None:
        self._api = api
        self._asked = asked
        self._journal = journal
        self._stopping = threading.Event()
        self._damaged: list[Outcome] = []

    def once(self) -> int:
        """Plan, ask, send."""
        asked = self._asked
        plan = self._applied() if not asked.paths else self._planned()
        if asked.dry_run:
            return self._show_only(plan)
        self._tell_plan(plan)
        if plan.sending:
            if not confirmed("Send?", sure=asked.yes or asked.as_json):
                self._say("Nothing was sent.")
                return 1
            self._make_dataset(plan)
        try:
            summary = self._carried_out(plan)
        except (KeyboardInterrupt, StoppedError):
            if not self._asked.quiet:
                tell_some("Kept, though damaged", problems_of(self._damaged))
            self._say("Interrupted. What has arrived is kept: type the same again to go on.")
            return INTERRUPTED
        self._tell(summary)
        return 0 if summary.ok else 1

    # The plan

    def _planned(self) -> Plan:
        asked = self._asked
        uuid, name = self._dataset(asked.dataset, asked.about)
        plan = self._empty_plan(uuid, name)
        found = find(asked.paths, asked.include, asked.exclude)
        with _looking(quiet=asked.quiet) as looked, _hardly_collecting():
            return make_plan(
                self._api.transport,
                plan,
                found,
                self._journal,
                stopping=self._stopping,
                looked=looked,
            )

    def _empty_plan(self, uuid: str, name: str) -> Plan:
        asked = self._asked
        return Plan(
            self._api.config.server,
            uuid,
            name,
            about=dict(asked.about),
            replace=asked.replace,
            given=dict(asked.given),
        )

    def _applied(self) -> Plan:
        """Return a plan that was saved, with what the server says today."""
        plan = Plan.load(Path(self._asked.plan or ""))
        plan.refuse_other(self._api.config.server)
        if not plan.dataset:  # it may have been made meanwhile
            plan.dataset, plan.name = self._dataset(plan.name, {})
        look_again(plan, self._journal)
        ask(self._api.transport, plan, self._journal, self._stopping)
        return plan

    def _dataset(self, text: str, about: Mapping[str, str]) -> tuple[str, str]:
        """Return UUID and name of a dataset; without UUID it is to be made."""
        if (found := find_named(self._api.transport, "datasets", text, own=True)) is None:
            return "", text
        uuid, name = found["uuid"], found["name"]
        for field in about:
            raise click.UsageError(
                f"--{field} goes with a new dataset; {name!r} is there already. "
                f"Type `arcsecond datasets update {uuid} --{field} NAME` to change it."
            )
        return uuid, name

    def _make_dataset(self, plan: Plan) -> None:
        """Make the dataset when there is none, and ask again what is there already."""
        if plan.dataset:
            return
        try:
            made = self._api.datasets.create(name=plan.name, only_new=True, **plan.about)
        except ConflictError:  # somebody was faster
            plan.dataset, plan.name = self._dataset(plan.name, plan.about)
        else:
            plan.dataset = made["uuid"]
            self._say(f"Made the dataset {plan.name!r}, {plan.dataset}.")
        ask(self._api.transport, plan, self._journal, self._stopping)

    def _show_only(self, plan: Plan) -> int:
        saved = self._asked.plan is not None and bool(self._asked.paths)
        if saved:
            plan.save(Path(self._asked.plan or ""))
        if self._asked.as_json:
            click.echo(json.dumps(plan.to_json()))
        else:
            self._tell_plan(plan)
        if saved:
            self._say(f"Saved. `arcsecond upload --plan {self._asked.plan}` does it.")
        return int(bool(plan.unreadable))

    def _tell_plan(self, plan: Plan) -> None:
        """Say what would be done."""
        into = f"{plan.name!r}" if plan.name else plan.dataset
        new = "" if plan.dataset else ", which is to be made"
        total = sum(item.size for item in plan.items)
        end = ":" if plan.items or plan.unreadable else "."
        said = f"{count_of(len(plan.items))}, {shown.size(total)}, for dataset {into}{new}{end}"
        self._say(said)
        kept = "; their tags and kind stay as they are" if plan.given else ""
        elsewhere = sum(item.state == "elsewhere" for item in plan.items)
        counts = (
            (len(plan.sending) - elsewhere, f"to send, {shown.size(plan.bytes_to_send)}"),
            (elsewhere, "in other files of yours there: made without sending"),
            (len(plan.there), f"there already{kept}"),
            (len(plan.taken), "whose name has other content there; --replace makes new versions"),
            (len(plan.unreadable), "that cannot be sent"),
        )
        tell_counts(self._say, counts, plan.unreadable)
        self._tell_left_out(plan.left_out)
        if not plan.items and not plan.unreadable:
            like = " like what --include names" if self._asked.include else ""
            self._say(f"There is no file{like}: nothing to do.")

    def _tell_left_out(self, left_out: Mapping[str, Sequence[str]]) -> None:
        for why, paths in left_out.items():
            self._say(f"Left out, {why}: {_some(paths)}")

    # The transfer

    def _carried_out(self, plan: Plan, *, later: bool = False) -> Summary:
        """Send; of what failed it is told at once, unless it is tried again later."""
        # What cannot be read, or has a name that is taken, is known since the plan.
        known = {item.path for item in plan.taken}
        with display(quiet=self._asked.quiet or not plan.sending) as shown:

            def told(outcome: Outcome) -> None:
                if outcome.problems:
                    self._damaged.append(outcome)
                if outcome.outcome != FAILED or not outcome.name or outcome.path in known:
                    return
                if not (later and outcome.again):
                    shown.say(f"{outcome.path}: {outcome.reason}")

            manner = Manner(self._asked.jobs, self._stopping, shown.show, told)
            return carry_out(self._api.transport, plan, self._journal, manner)

    def _tell(self, summary: Summary) -> None:
        asked = self._asked
        tell_end(
            summary,
            lambda one: one.pk,
            as_json=asked.as_json,
            quiet=asked.quiet,
            left_out=summary.left_out,
        )
        self._say(summed_up(summary, "sent"))

    # A folder that grows

    def watch(self) -> int:
        """Send what becomes complete, until somebody ends it."""
        asked = self._asked
        watch = Watch(asked.paths, asked.include, asked.exclude, self._say)
        follower = Follower(
            self._api.transport,
            watch,
            self._journal,
            lambda plan: self._carried_out(plan, later=True),
            self._tell_one,
            self._say,
            self._stopping,
        )
        whole = follower.follow(self._begun)
        self._tell_left_out(whole.left_out)
        self._say(summed_up(whole, "sent"))
        if whole.waiting:
            self._say(f"Not sent yet: {_some(whole.waiting)}")
        return 0 if whole.ok else 1

    def _begun(self) -> Plan:
        """Find the dataset, or make it."""
        plan = self._empty_plan(*self._dataset(self._asked.dataset, self._asked.about))
        self._make_dataset(plan)
        self._say(f"Watching {', '.join(self._asked.paths)} for {plan.name!r}; Ctrl-C ends it.")
        return plan

    def _tell_one(self, outcome: Outcome) -> None:
        """Tell what became of one file; of what failed people know already."""
        if self._asked.as_json:
            click.echo(json.dumps(asdict(outcome)))
        elif outcome.outcome != FAILED:
            damage = f", damaged: {' '.join(outcome.problems)}" if outcome.problems else ""
            self._say(f"{outcome.name}: {_HOW[outcome.outcome]}{damage}")

    def _say(self, sentence: str) -> None:
        if not self._asked.quiet:
            say(sentence)


@contextlib.contextmanager
def _hardly_collecting() -> Iterator[None]:
    """Look for garbage rarely while a plan is made, and never again in what is there then.

    A plan of a whole archive is none; looking through it again and again takes a fifth of the
    time. Requests leave some, with what they sent.
    """
    before = gc.get_threshold()
    gc.set_threshold(100_000)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.freeze()


def _some(paths: Sequence[str]) -> str:
    """Return the first of some paths, and how many more there are."""
    more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
    return ", ".join(map(_shown, paths[:NAMED])) + more


def _shown(path: str) -> str:
    """Return a path as somebody knows it who is in the folder here."""
    here = f"{Path.cwd()}/"
    return path.removeprefix(here)


@contextlib.contextmanager
def _looking(*, quiet: bool) -> Iterator[Looked | None]:
    """Show how many files were looked at, where somebody looks."""
    if quiet or not on_terminal(sys.stderr):
        yield None
        return
    yield lambda done, files: click.echo(f"\rLooked at {done:,} of {files:,} …", err=True, nl=False)
    click.echo("\r\033[K", err=True, nl=False)
