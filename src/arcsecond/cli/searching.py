"""``arcsecond fitsfiles search``: what is found, as a table for people or for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO, StringIO
from typing import Any

import click

FORMATS = {"csv": "ascii.csv", "ecsv": "ascii.ecsv", "votable": "votable"}
"""Formats that astropy writes, by what we call them."""


def conditions(words: Sequence[str], where: str | None) -> str:
    """Return the conditions of a command line as one text."""
    return " and ".join([*(word for word in words if word.strip()), *([where] if where else [])])


def write(items: Sequence[Any], chosen: str) -> None:
    """Write files to stdout in a format that other programs read."""
    from arcsecond.client.searching import table_of

    table = table_of(items, times_as_text=chosen != "ecsv")
    if chosen == "votable":  # which is bytes
        raw = BytesIO()
        # As BINARY2: what astropy 8.0 writes TABLEDATA with writes past its buffer.
        table.write(raw, format=FORMATS[chosen], tabledata_format="binary2")
        click.echo(raw.getvalue().decode(), nl=False)
        return
    text = StringIO()
    table.write(text, format=FORMATS[chosen])
    click.echo(text.getvalue(), nl=False)
