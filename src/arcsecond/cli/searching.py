"""``arcsecond fitsfiles search``: what is found, as a table for people or for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click


def conditions(words: Sequence[str], where: str | None) -> str:
    """Return the conditions of a command line as one text.

    Raises
    ------
    click.UsageError
        One of them is empty, as a variable of the shell that is not set.
    """
    given = [*words, *([] if where is None else [where])]
    if not all(word.strip() for word in given):
        raise click.UsageError("An empty condition would find everything.")
    return " and ".join(given)


def write(items: Sequence[Any], chosen: str) -> None:
    """Write files to stdout in a format that other programs read."""
    from arcsecond.tables import written

    click.echo(written(items, chosen).decode(), nl=False)
