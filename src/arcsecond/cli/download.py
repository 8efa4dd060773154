"""``arcsecond download``: says what it would fetch, fetches, and what became of every file."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from dataclasses import asdict
from pathlib import Path

import click

from arcsecond import views
from arcsecond.cli.resources import sign_in_hint
from arcsecond.cli.standing import display
from arcsecond.cli.transfers import (
    INTERRUPTED,
    Say,
    confirmed,
    count_of,
    ended_like_ctrl_c,
    find_dataset,
    summed_up,
    tags_of,
    tell_counts,
    tell_end,
)
from arcsecond.client.api import ArcsecondAPI
from arcsecond.client.downloading import Wanted, fetch, seek
from arcsecond.client.journal import Journal, journal_path
from arcsecond.client.patience import StoppedError
from arcsecond.client.running import FAILED, Manner, Outcome
from arcsecond.errors import ArcsecondNotLoggedInError, NotFoundError


def download(
    *,
    server: str | None,
    dataset: str,
    to: str | None,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    tag: tuple[str, ...],
    replace: bool,
    jobs: int,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Download; returns the exit status: 1 when any file failed."""

    def say(sentence: str) -> None:
        if not quiet:
            click.echo(sentence, err=True)

    stopping = threading.Event()
    with ended_like_ctrl_c(), ArcsecondAPI(server=server) as api:
        try:
            found = find_dataset(api, dataset, own=False)
            if found is None:
                raise NotFoundError(
                    f"Dataset {dataset[:80]!r} not found.",
                    hint="Type `arcsecond datasets` to see what there is.",
                )
            uuid, name = found
            folder = Path(to or re.sub(r"[/\\\0]|^\.+", "_", name))
            with contextlib.closing(Journal(journal_path(api.config.home))) as journal:
                wanted = seek(
                    api.transport,
                    uuid,
                    folder,
                    journal,
                    filters={"tags": ",".join(tags_of(tag))} if tag else {},
                    include=include,
                    exclude=exclude,
                    replace=replace,
                    stopping=stopping,
                )
            _tell_plan(wanted, name, folder, say)
            if not wanted.items and (tag or include):
                say("No file is like what --tag and --include name.")
            if dry_run:
                if as_json:
                    click.echo(json.dumps(asdict(wanted)))
                return 0
            if wanted.fetching and not confirmed("Fetch?", sure=yes or as_json):
                say("Nothing was fetched.")
                return 1
            with display(quiet=quiet or not wanted.fetching) as shown:

                def told(outcome: Outcome) -> None:
                    if outcome.outcome == FAILED:
                        shown.say(f"{outcome.name}: {outcome.reason}")

                summary = fetch(api.transport, wanted, Manner(jobs, stopping, shown.show, told))
        except (KeyboardInterrupt, StoppedError):
            say("Interrupted. What has arrived is kept: type the same again to go on.")
            return INTERRUPTED
        except ArcsecondNotLoggedInError as error:
            error.hint = sign_in_hint(api, error.hint)
            raise
    tell_end(summary, lambda one: one.path, as_json=as_json, quiet=quiet, folder=str(folder))
    say(summed_up(summary, "fetched"))
    return 0 if summary.ok else 1


def _tell_plan(wanted: Wanted, name: str, folder: Path, say: Say) -> None:
    total = sum(item.size for item in wanted.items)
    say(f"{count_of(len(wanted.items))}, {views.size(total)}, of {name!r} into {folder}:")
    counts = (
        (len(wanted.fetching), f"to fetch, {views.size(wanted.bytes_to_fetch)}"),
        (len(wanted.there), "there already"),
        (len(wanted.taken), "whose name has other content here; --replace takes its place"),
        (len(wanted.refused), "whose name cannot be kept here"),
    )
    tell_counts(say, counts, wanted.refused)
