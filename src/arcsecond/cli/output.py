"""What is printed: data on stdout, talk on stderr; one object decides how."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import click

from arcsecond import cards, views
from arcsecond.cli.saying import say
from arcsecond.client.transport import Answer, Progress
from arcsecond.registry import COUNT_BOUND
from arcsecond.shown import visible

LABEL_WIDTH = 22
LONGEST_CELL = 32
"""Columns are left out before a text is cut to less."""

_IDENTIFYING = ("UUID", "pk", "NORAD", "Problems")


def on_terminal(stream: TextIO | None) -> bool:
    """Tell whether somebody sits at the other end; a closed stream is None."""
    return stream is not None and stream.isatty()


class Output:
    """Prints answers for people, for programs, or identifiers only.

    Parameters
    ----------
    as_json
        JSON even on a terminal.
    quiet
        Identifiers only.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        self.quiet = quiet
        watched = on_terminal(sys.stdout) or bool(os.environ.get("ARCSECOND_FORCE_TTY"))
        self.for_people = watched and not as_json and not quiet
        self._plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"

    def answer(self, resource: str, answer: Answer, *, where: str = "") -> None:
        """Print an answer of the API; an empty one says which server was asked."""
        data = answer.data
        items = _items(data)
        if answer.note:
            self.say(textwrap.fill(answer.note, max(40, _terminal_width())))
        if self.quiet:
            for item in [data] if items is None else items:
                click.echo(views.key_of(resource, item))
        elif not self.for_people:
            _write_bytes(answer.text or "{}")
        elif items is None:
            self._card(views.card(resource, data))
        elif resource == "findingcharts":  # one or two, and their addresses are long
            for item in items:
                self._card(views.card(resource, item))
        else:
            self.table(views.table(resource, items))
            if note := views.note(resource, items):
                self.say(textwrap.fill(note, max(40, _terminal_width())))
            if not items and not answer.note:
                self.say(f"Nothing found on {where}." if where else "Nothing found.")
            if answer.next:
                envelope = data if isinstance(data, dict) else {}
                count = envelope.get("count") or 0
                many = f"{count:,} in all" if count else "There are more"
                if envelope.get("more_than_count"):
                    many = f"{'More than' if count == COUNT_BOUND else 'At least'} {count:,}"
                self.say(f"{many}; this is the first page, --all shows everything.")

    def raw(self, answer: Answer) -> None:
        """Print an answer that is no resource."""
        if not self.quiet:
            _write_bytes(answer.text)

    def saved(self, path: str) -> None:
        """Tell where a picture was saved: its name is data."""
        if self.for_people:
            self.say(f"Saved {path}")
        else:
            click.echo(path)

    def done(self, sentence: str) -> None:
        """Tell that something without an answer was done."""
        if self.for_people:
            self.say(sentence)
        elif not self.quiet:
            _write_bytes("{}")

    def say(self, sentence: str) -> None:
        """Talk, on stderr."""
        say(sentence)

    @contextmanager
    def progress(self, file: Path) -> Iterator[Progress | None]:
        """Show a bar on stderr while a file is sent, where somebody looks."""
        if not on_terminal(sys.stderr) or self.quiet or not file.is_file():
            yield None
            return
        size = max(1, file.stat().st_size)
        with click.progressbar(length=size, label=file.name, file=sys.stderr) as bar:

            def moved(sent: int, _total: int) -> None:
                bar.update(sent - bar.pos)

            yield moved

    def _styled(self, text: str, **how: bool) -> str:
        return text if self._plain else click.style(text, **how)

    def _card(self, card: cards.Card) -> None:
        click.echo(self._styled(visible(card.title), bold=True))
        width = max(40, _terminal_width() - LABEL_WIDTH - 2)
        for fact in card.facts:
            text = visible(fact.text)
            if fact.exact:
                below = len(text) > width
                click.echo(self._styled(f"{fact.label:<{LABEL_WIDTH}}", dim=True), nl=below)
                click.echo(text if below else f"  {text}")
                continue
            lines = [
                line
                for part in text.split("\n")
                for line in textwrap.wrap(
                    part, width, break_on_hyphens=False, break_long_words=False
                )
                or [""]
            ]
            for n, line in enumerate(lines):
                label = fact.label if n == 0 else ""
                click.echo(f"{self._styled(f'{label:<{LABEL_WIDTH}}', dim=True)}  {line}")
        for table in card.tables:
            click.echo("\n" + self._styled(table.title, bold=True) if table.title else "")
            self.table(table)

    def table(self, table: cards.Table) -> None:
        """Print a table for people, as wide as the terminal."""
        if not table.rows:
            return
        rows = [[" ".join(visible(cell).split()) for cell in row] for row in table.rows]
        full = {
            n: max(len(heading), *(len(row[n]) for row in rows))
            for n, heading in enumerate(table.headings)
        }
        shown = _columns(table, full, _terminal_width())
        headings = [table.headings[n] for n in shown]
        widths = _fit(headings, [full[n] for n in shown], _terminal_width())
        click.echo(self._styled(_line(headings, widths), dim=True))
        for row in rows:
            click.echo(_line([row[n] for n in shown], widths))
        if hidden := [table.headings[n] for n in full if n not in shown]:
            what = f"{table.title}, not" if table.title else "Not"
            told = f"{what} shown on this width: {', '.join(hidden)}; --json has everything."
            self.say(textwrap.fill(told, max(40, _terminal_width())))


class Counter:
    """How far something is that goes through bytes, in percent, on a terminal.

    Parameters
    ----------
    doing
        What is done to them.
    """

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._watched = on_terminal(sys.stderr)
        self._shown = -1

    def __enter__(self) -> Counter:
        return self

    def show(self, done: int, total: int) -> None:
        """Show it again when it moved by a hundredth."""
        percent = 100 * done // max(total, 1)
        if self._watched and percent != self._shown:
            self._shown = percent
            click.echo(f"\r{self._doing} … {min(percent, 100)} %", err=True, nl=False)

    def __exit__(self, *_: object) -> None:
        """Take the line back."""
        if self._shown >= 0:
            click.echo("\r" + " " * 20 + "\r", err=True, nl=False)


def _items(data: Any) -> list[Any] | None:
    if isinstance(data, list):
        return data
    if isinstance(data, dict) and "results" in data:
        results: list[Any] = data["results"]
        return results
    return None


def _columns(table: cards.Table, full: dict[int, int], room: int) -> list[int]:
    """Return the columns that fit: without the least ones, then without the last ones.

    What identifies a row stays.
    """
    shown, headings = list(full), table.headings
    # A name that is much longer than others does not push them out: it is cut.
    identifying = [name for name in _IDENTIFYING if name not in table.least]
    kept = {n for n in shown if n == shown[0] or headings[n] in identifying}
    least = [headings.index(name) for name in table.least if name in headings]
    order = [*least, *(n for n in reversed(shown) if n not in least)]
    full = {
        n: width if headings[n] in _IDENTIFYING else min(width, LONGEST_CELL)
        for n, width in full.items()
    }
    while sum(full[n] for n in shown) + 2 * (len(shown) - 1) > room:
        droppable = [n for n in order if n in shown and n not in kept]
        if not droppable:
            break
        shown.remove(droppable[0])
    return shown


def _fit(headings: Sequence[str], full: Sequence[int], room: int) -> list[int]:
    """Return column widths that fit the terminal; identifiers are never cut."""
    widths = [
        width if heading in _IDENTIFYING else min(width, room)
        for heading, width in zip(headings, full, strict=True)
    ]
    while sum(widths) + 2 * (len(widths) - 1) > room:
        wide = [n for n in range(len(widths)) if headings[n] not in _IDENTIFYING and widths[n] > 8]
        if not wide:
            break
        widths[max(wide, key=lambda n: widths[n])] -= 1
    return widths


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    fitted = [
        cell if len(cell) <= width else cell[: max(1, width - 1)] + "…"
        for cell, width in zip(cells, widths, strict=True)
    ]
    padded = [cell.ljust(width) for cell, width in zip(fitted, widths, strict=True)]
    return "  ".join(padded).rstrip()


def _terminal_width() -> int:
    if not on_terminal(sys.stdout) and "COLUMNS" not in os.environ:
        return 10_000  # a file, or another program: nothing is left out
    return shutil.get_terminal_size((100, 24)).columns


def _write_bytes(text: str) -> None:
    """Write JSON as UTF-8, whatever the terminal is set to."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode() + b"\n")
    sys.stdout.buffer.flush()
