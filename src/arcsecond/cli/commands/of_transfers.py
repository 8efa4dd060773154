"""``upload`` and ``download``."""

from __future__ import annotations

import click

from arcsecond.cli.commands.options import (
    CONTEXT,
    field_option,
    lazy,
    patterns,
    several,
    shared_options,
)
from arcsecond.registry import BY_NAME

MOVED_AS_JSON = "What became of each file as JSON; with --dry-run, the plan."


def download() -> click.Command:
    """Return ``download``."""
    return click.Command(
        "download",
        params=[
            click.Argument(["words"], nargs=-1, metavar="[NAME|UUID|LINK] [CONDITION]..."),
            click.Option(
                ["--to"], type=click.Path(), metavar="FOLDER", help="Default: one of its name."
            ),
            click.Option(
                ["--archive"],
                type=click.Path(),
                metavar="FILE",
                help="One FILE.zip or FILE.tar instead; FILE.sh is a script that downloads them, "
                "SHA256SUMS their checksums.",
            ),
            several("tag", "TAG", "Only files that have it; may be repeated."),
            *patterns(),
            *(
                field_option(field)
                for field in BY_NAME["fitsfiles"].sought
                if field.name not in ("dataset", "sort")
            ),
            click.Option(["--replace"], is_flag=True, help="Replace files of other content."),
            click.Option(["-y", "--yes"], is_flag=True, help="Fetch without asking."),
            *shared_options(MOVED_AS_JSON),
        ],
        callback=lazy("download", "download"),
        help="Fetch the files of a dataset or of a data package, by its UUID or its link, or "
        "those that a search finds in all of them, by options and conditions such as "
        "'header.AIRMASS<1.5'; after any interruption, type it again.",
        epilog="Example: arcsecond download 'Night of 22 November' --to night",
        context_settings=CONTEXT,
    )


def upload() -> click.Command:
    """Return ``upload``."""
    return click.Command(
        "upload",
        params=[
            click.Argument(["paths"], nargs=-1, metavar="FOLDER|FILE...", type=click.Path()),
            click.Option(["--dataset"], metavar="NAME|UUID", help="Made when there is none."),
            click.Option(["--telescope"], help="Of a new dataset: name, code or UUID."),
            click.Option(["--instrument"], help="Of a new dataset: name or UUID."),
            several("tag", "TAG", "Given to every file; may be repeated."),
            *patterns(),
            click.Option(["--raw/--not_raw"], default=None, help="Whether they are raw data."),
            click.Option(["--replace"], is_flag=True, help="Other content is a new version."),
            click.Option(
                ["--plan"],
                type=click.Path(),
                metavar="FILE",
                help="With --dry-run, save the plan there; without files, do what it says.",
            ),
            click.Option(["--watch"], is_flag=True, help="Go on, and send what is complete."),
            click.Option(["-y", "--yes"], is_flag=True, help="Send without asking."),
            *shared_options(MOVED_AS_JSON),
        ],
        callback=lazy("upload", "upload"),
        help="Send files and folders into a dataset; after any interruption, type it again.",
        epilog="Example: arcsecond upload 2026-11-22 --dataset 'Night of 22 November'",
        context_settings=CONTEXT,
    )
