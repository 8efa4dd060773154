"""What commands have in common: options, and callbacks that are imported when they run."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import click

from arcsecond.resource import Field

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def lazy(module: str, function: str) -> Callable[..., Any]:
    """Return a callback that is imported when it is called."""

    def callback(**values: Any) -> Any:
        return getattr(import_module(f"arcsecond.cli.{module}"), function)(**values)

    return callback


def shared_options(as_json: str = "JSON, exactly as the API gave it.") -> list[click.Parameter]:
    """Return the options that every command takes.

    Parameters
    ----------
    as_json
        What the help says of ``--json``.
    """
    return [
        server_option(),
        click.Option(["--json", "as_json"], is_flag=True, help=as_json),
        click.Option(["-q", "--quiet"], is_flag=True, help="Identifiers only."),
    ]


def server_option() -> click.Option:
    """Return ``--server``, which may also stand before the command."""

    def chosen(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
        return ctx.find_root().params.get("server") if value is None else value

    told = "Ask this server, not the stored one."
    return click.Option(["--server"], metavar="URL", help=told, callback=chosen)


def field_option(field: Field) -> click.Option:
    """Return the option of a field."""
    if field.kind == "flag":
        return click.Option([f"--{field.name}/--not_{field.name}"], default=None, help=field.help)
    kind: Any = click.Path() if field.kind == "file" else str
    return click.Option([f"--{field.name}", field.name], type=kind, help=field.help)


def several(name: str, metavar: str, told: str) -> click.Option:
    """Return an option that may be repeated."""
    return click.Option([f"--{name}"], multiple=True, metavar=metavar, help=told)


def choosing() -> list[click.Parameter]:
    """Return the options that choose files by their names."""
    return [
        several("include", "GLOB", "Only files like this, such as '*.fits'; may be repeated."),
        several("exclude", "GLOB", "No files like this; may be repeated."),
    ]


def jobs(told: str) -> click.Option:
    """Return the option that says how much is done at a time."""
    return click.Option(
        ["--jobs"], type=click.IntRange(1, 32), default=4, show_default=True, help=told
    )


def patterns() -> list[click.Parameter]:
    """Return the options that uploads and downloads share."""
    return [
        *choosing(),
        jobs("Requests at a time."),
        click.Option(["--dry-run"], is_flag=True, help="Show the plan, and do nothing."),
    ]
