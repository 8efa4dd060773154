"""``arcsecond``: reads the command line; what it means is done elsewhere.

Help has to answer at once: this module imports click and the registry, and
everything else when a command runs.
"""

from __future__ import annotations

import contextlib
import difflib
import logging
import os
import sys
from typing import Any

import click

from arcsecond.cli.commands.of_accounts import account_commands
from arcsecond.cli.commands.of_resources import resource_command
from arcsecond.cli.commands.of_server import serve, server
from arcsecond.cli.commands.of_transfers import download, upload
from arcsecond.cli.commands.options import CONTEXT, server_option
from arcsecond.cli.saying import say
from arcsecond.errors import ArcsecondError
from arcsecond.registry import BY_ALIAS, RESOURCES
from arcsecond.shown import visible
from arcsecond.version import __version__

INTERRUPTED = 130


def main() -> None:
    """Run the command and end the process with its status.

    Everything is closed by hand and the process left at once: taking a whole
    interpreter with a server in it apart would take a third of a second more.
    """
    status = run(sys.argv[1:])
    if embedded := sys.modules.get("arcsecond.client.embedded"):
        embedded.close_all()
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def run(arguments: list[str]) -> int:
    """Run a command line and return its exit status."""
    # What the embedded server warns of, the command says itself.
    logging.getLogger("arcsecond").setLevel(logging.ERROR)
    progress = logging.getLogger("arcsecond.progress")
    progress.setLevel(logging.INFO)
    progress.handlers = [_Said()]
    progress.propagate = False
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without UTF-8 still shows the rest
    try:
        status = cli.main(arguments, prog_name="arcsecond", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except ArcsecondError as error:
        _tell(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # the outermost loop: a sentence, never a traceback
        if os.environ.get("ARCSECOND_DEBUG"):
            raise
        what = f"{type(error).__name__}: {error}"
        say(f"Something failed inside arcsecond: {what}")
        click.echo("Set ARCSECOND_DEBUG=1 to see where.", err=True)
        return 1
    return status if isinstance(status, int) else 0


class _Said(logging.Handler):
    """Shows what the embedded server says of its progress."""

    def emit(self, record: logging.LogRecord) -> None:
        """Show a line on stderr."""
        say(record.getMessage())


def _tell(error: ArcsecondError) -> None:
    click.echo(click.style("Error: ", fg="red") + visible(error.detail), err=True)
    for name, messages in error.fields.items():
        text = " ".join(messages)
        if name != "non_field_errors" and text not in error.detail:
            say(f"  {name}: {text}")
    if error.hint:
        say(error.hint)


class Commands(click.Group):
    """The commands: resources by name and alias, a misspelt one is guessed."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command by its name or an alias."""
        if found := super().get_command(ctx, cmd_name):
            return found
        resource = BY_ALIAS.get(cmd_name)
        return super().get_command(ctx, resource.name) if resource else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Suggest what may have been meant."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            near = difflib.get_close_matches(name, self.list_commands(ctx), n=1, cutoff=0.5)
            meant = f" Did you mean `arcsecond {near[0]}`?" if near else ""
            ctx.fail(f"There is no command {name!r}.{meant} `arcsecond --help` lists them.")
        return super().resolve_command(ctx, args)


def _build() -> Commands:
    commands = Commands(
        "arcsecond",
        help="The observatory data platform: objects, observatories, FITS archive, live feed.",
        epilog='Example: arcsecond objects "HD 5980"',
        context_settings=CONTEXT,
        no_args_is_help=True,
        params=[server_option()],
        callback=lambda server: None,
    )
    click.version_option(__version__, message="%(version)s")(commands)
    for resource in RESOURCES:
        if resource.command:
            commands.add_command(resource_command(resource))
    for command in account_commands():
        commands.add_command(command)
    commands.add_command(upload())
    commands.add_command(download())
    commands.add_command(serve())
    commands.add_command(server())
    commands.add_command(_shell_completion())
    return commands


def _shell_completion() -> click.Command:
    return click.Command(
        "completion",
        params=[click.Argument(["shell"], type=click.Choice(["bash", "zsh", "fish"]))],
        callback=_print_completion,
        help="Print the completion script of a shell.",
        epilog='Example: eval "$(arcsecond completion bash)"',
    )


def _print_completion(shell: str) -> None:
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"There is no completion for {shell}.")
    click.echo(found(cli, {}, "arcsecond", "_ARCSECOND_COMPLETE").source())


cli = _build()
