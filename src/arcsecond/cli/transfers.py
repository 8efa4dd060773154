"""What uploads and downloads have in common on the command line."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Any

import click

from arcsecond import shown
from arcsecond.cli.output import on_terminal
from arcsecond.cli.saying import say
from arcsecond.client.running import FAILED, Outcome, Summary
from arcsecond.shown import visible

INTERRUPTED = 130
NAMED = 5
"""How many files are named before the rest is counted."""


Say = Callable[[str], None]


def tell_counts(
    say: Say, counts: Iterable[tuple[int, str]], refused: list[tuple[str, str]]
) -> None:
    """Say how many files there are of each kind, and name some of those that cannot be moved."""
    for count, told in counts:
        if count:
            say(f"  {count:>9,}  {told}")
    for one, why in refused[:NAMED]:
        say(f"             {one}: {why}")


@contextlib.contextmanager
def ended_like_ctrl_c() -> Iterator[None]:
    """Let SIGTERM, as service managers send it, end a transfer as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def tags_of(given: Iterable[str]) -> list[str]:
    """Return tags that were given one by one, or several with commas between them."""
    return [tag.strip() for text in given for tag in text.split(",") if tag.strip()]


def confirmed(question: str, *, sure: bool) -> bool:
    """Ask whoever sits at the terminal; where nobody does, or who is sure, is not asked."""
    if sure or not (on_terminal(sys.stdin) and on_terminal(sys.stderr)):
        return True
    return click.confirm(question, default=True, err=True)


def tell_end(
    summary: Summary, kept: Callable[[Outcome], object], *, as_json: bool, quiet: bool, **more: Any
) -> None:
    """Write what became of every file where programs read it.

    Parameters
    ----------
    kept
        What of a file is printed for a program that wants nothing else.
    **more
        What else the JSON says of the whole.
    """
    if as_json:
        click.echo(
            json.dumps(
                {
                    "dataset": summary.dataset,
                    "done": len(summary.done),
                    "made": len(summary.made),
                    "there": len(summary.there),
                    "failed": len(summary.failed),
                    **more,
                    "files": [asdict(outcome) for outcome in summary.outcomes],
                }
            )
        )
    elif quiet:
        lines = [f"{kept(one)}\n" for one in summary.outcomes if one.outcome != FAILED]
        click.echo("".join(lines), nl=False)


def summed_up(summary: Summary, done: str) -> str:
    """Return what became of a transfer, in a sentence or two.

    Parameters
    ----------
    done
        What was done to those that were moved: "sent" or "fetched".
    """
    size = shown.size(sum(one.size for one in summary.done))
    parts = [f"{count_of(len(summary.done))} {done}, {size}"]
    if summary.made:
        parts.append(f"{len(summary.made):,} made of what was there, without sending")
    if summary.there:
        parts.append(f"{len(summary.there):,} there already")
    if summary.left_out:
        parts.append(f"{sum(map(len, summary.left_out.values())):,} left out")
    if summary.failed:
        parts.append(f"{len(summary.failed):,} failed")
    lines = ["; ".join(parts) + "."]
    if damaged := [one for one in summary.outcomes if one.problems]:
        lines.append(f"{count_of(len(damaged))} kept, though damaged:")
        lines += _named(problems_of(damaged))
    if summary.failed:
        lines.append("Failed:")
        lines += _named([f"{one.path or one.name}: {one.reason}" for one in summary.failed])
    return visible("\n".join(lines))


def problems_of(outcomes: Iterable[Outcome]) -> list[str]:
    """Return what is damaged in files, a line for each."""
    return [f"{one.name}: {' '.join(one.problems)}" for one in outcomes]


def _named(lines: list[str]) -> list[str]:
    shown = [f"  {line}" for line in lines[:NAMED]]
    if len(lines) > NAMED:
        shown.append(f"  and {len(lines) - NAMED:,} more; --json names them all.")
    return shown


def tell_some(what: str, lines: list[str]) -> None:
    """Say what some files have in common, and name the first of them."""
    if lines:
        say("\n".join([f"{what}:", *_named(lines)]))


def count_of(files: int) -> str:
    """Return a number of files, in words."""
    return f"{files:,} file" if files == 1 else f"{files:,} files"
