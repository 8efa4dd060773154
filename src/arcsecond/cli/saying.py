"""Talk goes to stderr, and never commands the terminal, whoever wrote the words."""

from __future__ import annotations

import click

from arcsecond.shown import visible


def say(sentence: str) -> None:
    """Talk, on stderr."""
    click.echo(visible(sentence), err=True)
