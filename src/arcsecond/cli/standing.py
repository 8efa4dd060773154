"""How far a transfer is: bars where somebody looks, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

import click

from arcsecond import shown
from arcsecond.cli.output import on_terminal
from arcsecond.cli.saying import say
from arcsecond.client.running import Standing

if TYPE_CHECKING:
    from rich.progress import TaskID

LINE_EVERY_S = 10.0
RATE_OF_S = 30.0
"""Rates are those of the last half minute."""

MOST_BARS = 6
LONGEST_LABEL = 32


class Display(Protocol):
    """Shows how far a transfer is, as long as it is open."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def show(self, standing: Standing) -> None:
        """Show how far it is; called by one thread at a time."""
        ...

    def say(self, sentence: str) -> None:
        """Say something in between."""
        ...


def display(*, quiet: bool = False) -> Display:
    """Return the display that fits where stderr goes."""
    return Bars() if on_terminal(sys.stderr) and not quiet else Lines(quiet=quiet)


@contextlib.contextmanager
def arriving(*, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """Show how much has arrived of something whose size nobody knows, where somebody looks."""
    if quiet or not on_terminal(sys.stderr):
        yield lambda _: None
        return
    last = time.monotonic()

    def moved(size: int) -> None:
        nonlocal last
        if time.monotonic() - last > 0.2:
            last = time.monotonic()
            click.echo(f"\r\033[K{shown.size(size)} have arrived …", err=True, nl=False)

    try:
        yield moved
    finally:
        click.echo("\r\033[K", err=True, nl=False)


class Rate:
    """How fast bytes arrive; those that had arrived before do not count."""

    def __init__(self) -> None:
        self._seen = deque([(time.monotonic(), 0)])

    def of(self, standing: Standing, moment: float | None = None) -> float:
        """Return bytes per second."""
        moment = time.monotonic() if moment is None else moment
        moved = standing.moved - standing.before
        while len(self._seen) > 1 and moment - self._seen[1][0] > RATE_OF_S:
            self._seen.popleft()
        if moment - self._seen[-1][0] >= 1:
            self._seen.append((moment, moved))
        since, before = self._seen[0]
        return (moved - before) / (moment - since) if moment > since else 0.0


class Lines:
    """Plain lines, for logs."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._last = time.monotonic()
        self._rate = Rate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing open."""

    def show(self, standing: Standing) -> None:
        """Print a line when the last one is some seconds old."""
        moment = time.monotonic()
        rate = self._rate.of(standing, moment)
        if moment - self._last >= LINE_EVERY_S and not self._quiet:
            self._last = moment
            self.say(line(standing, rate))

    def say(self, sentence: str) -> None:
        """Say something in between, such as what failed."""
        say(sentence)


def line(standing: Standing, rate: float) -> str:
    """Return how far a transfer is: amounts, rate, and how long it will take."""
    told = (
        f"{standing.done:,} of {standing.files:,} files, "
        f"{shown.size(standing.moved)} of {shown.size(standing.size)}"
    )
    if how_fast := _how_fast(standing, rate):
        told += f", {how_fast}"
    told += f", {standing.failed} failed" if standing.failed else ""
    return told + (f"; trying again: {standing.trouble}" if standing.trouble else "")


def _how_fast(standing: Standing, rate: float) -> str:
    if rate < 1:
        return ""
    left = (standing.size - standing.moved) / rate
    return f"{shown.size(int(rate))}/s, {_time(left)} left"


def _time(seconds: float) -> str:
    whole = round(max(0.0, seconds))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {whole % 60} s"


class Bars:
    """A bar for the whole, and one for each file that is on its way."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
        )
        from rich.table import Column

        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[how_fast]}", markup=False),
            console=Console(stderr=True, highlight=False),
            transient=True,
        )
        self._whole = self._progress.add_task("", how_fast="")
        self._rate = Rate()
        self._bars: dict[str, TaskID] = {}
        self._trouble = ""

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the bars away."""
        self._progress.stop()

    def show(self, standing: Standing) -> None:
        """Move the bars."""
        failed = f", {standing.failed} failed" if standing.failed else ""
        if standing.trouble and standing.trouble != self._trouble:
            self.say(f"Trying again: {standing.trouble}")  # once, where there is room for it
        self._trouble = standing.trouble
        self._progress.update(
            self._whole,
            description=f"{standing.done:,} of {standing.files:,} files{failed}",
            completed=standing.moved,
            total=standing.size,
            how_fast=(
                "trying again" if standing.trouble else _how_fast(standing, self._rate.of(standing))
            ),
        )
        for label in [label for label in self._bars if label not in standing.active]:
            self._progress.remove_task(self._bars.pop(label))
        for label, (moved, size) in standing.active.items():
            if label not in self._bars and len(self._bars) < MOST_BARS:
                self._bars[label] = self._progress.add_task(_short(label), total=size, how_fast="")
            if label in self._bars:
                self._progress.update(self._bars[label], completed=moved)

    def say(self, sentence: str) -> None:
        """Say something above the bars."""
        self._progress.console.print(sentence, markup=False, soft_wrap=True)


def _short(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else "…" + label[1 - LONGEST_LABEL :]
