"""``arcsecond download``: says what it would fetch, fetches, and what became of every file."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from arcsecond import shown
from arcsecond.cli.hints import sign_in_hint
from arcsecond.cli.saying import say
from arcsecond.cli.searching import conditions
from arcsecond.cli.standing import arriving, display
from arcsecond.cli.transfers import (
    INTERRUPTED,
    Say,
    confirmed,
    count_of,
    ended_like_ctrl_c,
    summed_up,
    tags_of,
    tell_counts,
    tell_end,
)
from arcsecond.client.api import ArcsecondAPI
from arcsecond.client.bundling import bundle
from arcsecond.client.downloading import Chosen, Wanted, fetch, seek
from arcsecond.client.journal import Journal, journal_path
from arcsecond.client.naming import NAMED, find_named
from arcsecond.client.patience import StoppedError
from arcsecond.client.running import FAILED, Manner, Outcome
from arcsecond.config import is_link
from arcsecond.errors import ArcsecondNotLoggedInError, NotFoundError
from arcsecond.filenames import MISSING, folder_name


@dataclass(frozen=True, slots=True)
class _Manner:
    """How a download is done."""

    to: str | None
    chosen: Chosen
    jobs: int
    dry_run: bool
    yes: bool
    as_json: bool
    quiet: bool

    def say(self, sentence: str) -> None:
        """Say something to whoever sits there."""
        if not self.quiet:
            say(sentence)


def download(
    *,
    server: str | None,
    words: tuple[str, ...],
    archive: str | None,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    tag: tuple[str, ...],
    replace: bool,
    **given: Any,
) -> int:
    """Download; returns the exit status: 1 when any file failed."""
    how = {name: given.pop(name) for name in ("to", "jobs", "dry_run", "yes", "as_json", "quiet")}
    manner = _Manner(chosen=Chosen(include, exclude, replace=replace), **how)
    share = words[0] if words and is_link(words[0]) else ""
    called, filters = _asked(words[1:] if share else words, tag, given, shared=bool(share))
    if archive:
        _refuse_with_archive(manner)
    with ended_like_ctrl_c(), ArcsecondAPI(server=server, share=share) as api:
        try:
            uuid, name = _found(api, called, filters)
            if archive:
                return _as_archive(api, uuid, Path(archive), filters, manner)
            return _into_folder(api, uuid, name, filters, manner)
        except (KeyboardInterrupt, StoppedError):
            kept = "Nothing of it" if archive else "What has arrived"
            manner.say(f"Interrupted. {kept} is kept: type the same again to go on.")
            return INTERRUPTED
        except ArcsecondNotLoggedInError as error:
            error.hint = sign_in_hint(api, error.hint)
            raise


def _into_folder(
    api: ArcsecondAPI, uuid: str | None, name: str, filters: dict[str, str], manner: _Manner
) -> int:
    """Say what is to be fetched, fetch it, and say what became of every file."""
    stopping = threading.Event()
    folder = Path(manner.to or folder_name(name or "found"))
    with contextlib.closing(Journal(journal_path(api.config.home))) as journal:
        wanted = seek(
            api.transport,
            uuid,
            folder,
            journal,
            filters=filters,
            chosen=manner.chosen,
            stopping=stopping,
        )
    _tell_plan(wanted, name, folder, manner.say)
    include = manner.chosen.include
    if not wanted.items and not wanted.refused and (filters or include):
        inside = " The name of its dataset stands before that of a file." if include else ""
        manner.say(f"No file is like what was asked for.{'' if uuid else inside}")
    if manner.dry_run:
        if manner.as_json:
            click.echo(json.dumps(asdict(wanted)))
        return 0
    if wanted.fetching and not confirmed("Fetch?", sure=manner.yes or manner.as_json):
        manner.say("Nothing was fetched.")
        return 1
    with display(quiet=manner.quiet or not wanted.fetching) as shown:

        def told(outcome: Outcome) -> None:
            if outcome.outcome == FAILED:
                shown.say(f"{outcome.name}: {outcome.reason}")

        summary = fetch(api.transport, wanted, Manner(manner.jobs, stopping, shown.show, told))
    tell_end(
        summary,
        lambda one: one.path,
        as_json=manner.as_json,
        quiet=manner.quiet,
        folder=str(folder),
    )
    manner.say(summed_up(summary, "fetched"))
    return 0 if summary.ok else 1


def _refuse_with_archive(manner: _Manner) -> None:
    """Refuse what does not go with an archive."""
    chosen = manner.chosen
    given = {
        "--to": manner.to,
        "--include": chosen.include,
        "--exclude": chosen.exclude,
        "--replace": chosen.replace,
        "--dry-run": manner.dry_run,
    }
    if wrong := [name for name, value in given.items() if value]:
        raise click.UsageError(f"{', '.join(wrong)} does not go with --archive.")


def _as_archive(
    api: ArcsecondAPI, uuid: str | None, path: Path, filters: dict[str, str], manner: _Manner
) -> int:
    """Fetch all of them as one file; returns the exit status: 1 when some are missing in it."""
    with arriving(quiet=manner.quiet) as moved:
        whole = bundle(api.transport, uuid, path, filters, moved)
    size = path.stat().st_size
    if manner.as_json:
        click.echo(json.dumps({"path": str(path), "size": size, "whole": whole}))
    elif manner.quiet:
        click.echo(path)
    manner.say(f"Saved {path}, {shown.size(size)}.")
    if not whole:
        manner.say(f"Some bytes are missing on the server: {MISSING} in it names them.")
    return 0 if whole else 1


def _asked(
    words: tuple[str, ...], tag: tuple[str, ...], sought: dict[str, str | None], *, shared: bool
) -> tuple[str | None, dict[str, str]]:
    """Return the dataset that a command line names, if it does, and the filters.

    Parameters
    ----------
    shared
        Whether a link says of which data package.
    """
    filters = {name: value for name, value in sought.items() if value is not None}
    if tag:
        filters["tags"] = ",".join(tags_of(tag))
    named = words[:1] if words and not _CONDITION.match(words[0]) else ()
    if where := conditions(words[len(named) :], filters.pop("where", None)):
        filters["where"] = where
    if not named and not filters and not shared:
        raise click.UsageError("Download what? Name a dataset, or say what its files are like.")
    return (named[0] if named else None), filters


_CONDITION = re.compile(r"\s*(header\.|[a-z]+\s*[<>=!])", re.IGNORECASE)


def _found(
    api: ArcsecondAPI, called: str | None, filters: dict[str, str]
) -> tuple[str | None, str]:
    """Return UUID and name of a dataset; of none, where all are searched.

    What a data package holds is searched for; a link tells which, and so does its UUID.
    """
    if api.transport.share:
        package = api.transport.request("GET", f"/shared/{api.transport.share}/").data
        filters["package"] = package["uuid"]
        if called is not None:
            filters["dataset"] = called
        return None, package["name"]
    if called is None:
        return None, ""
    for resource in NAMED:
        with contextlib.suppress(NotFoundError):
            if found := find_named(api.transport, resource, called):
                if resource == "datasets":
                    return found["uuid"], found["name"]
                filters["package"] = found["uuid"]
                return None, found["name"]
    raise NotFoundError(
        f"A dataset or data package {called[:80]!r} not found.",
        hint="Type `arcsecond datasets` or `arcsecond datapackages` to see what there is.",
    )


def _tell_plan(wanted: Wanted, name: str, folder: Path, say: Say) -> None:
    total = sum(item.size for item in wanted.items)
    of = f"of {name!r}" if name else "of all datasets"
    say(f"{count_of(len(wanted.items))}, {shown.size(total)}, {of} into {folder}:")
    counts = (
        (len(wanted.fetching), f"to fetch, {shown.size(wanted.bytes_to_fetch)}"),
        (len(wanted.there), "there already"),
        (len(wanted.taken), "whose name has other content here; --replace takes its place"),
        (len(wanted.refused), "that cannot be fetched"),
    )
    tell_counts(say, counts, wanted.refused)
