"""``arcsecond fitsfiles search``: what is found, as a table for people or for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click


def conditions(words: Sequence[str], where: str | None) -> str:
    """Return the conditions of a command line as one text."""
    return " and ".join([*(word for word in words if word.strip()), *([where] if where else [])])


def write(items: Sequence[Any], chosen: str) -> None:
    """Write files to stdout in a format that other programs read."""
    from arcsecond.tables import written

    click.echo(written(items, chosen).decode(), nl=False)
