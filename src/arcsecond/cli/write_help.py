"""Write the help that ``entry`` shows: ``python -m arcsecond.cli.write_help``."""

from __future__ import annotations

from pathlib import Path

import click

from arcsecond.cli.commands.options import CONTEXT
from arcsecond.cli.main import cli

WIDTH = 80


def text() -> str:
    """Return the help of the command itself, for a terminal of 80 columns."""
    width = {"terminal_width": WIDTH, "max_content_width": WIDTH}
    with click.Context(cli, info_name="arcsecond", **{**CONTEXT, **width}) as context:  # type: ignore[arg-type]
        return cli.get_help(context) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("help.txt").write_text(text(), encoding="utf-8")
