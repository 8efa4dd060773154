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
from collections.abc import Callable
from importlib import import_module
from typing import Any

import click

from arcsecond.errors import ArcsecondError
from arcsecond.registry import BY_ALIAS, BY_NAME, RESOURCES, Field, Resource, inside_of
from arcsecond.tables import FORMATS
from arcsecond.version import __version__

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
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
        click.echo(f"Something failed inside arcsecond: {type(error).__name__}: {error}", err=True)
        click.echo("Set ARCSECOND_DEBUG=1 to see where.", err=True)
        return 1
    return status if isinstance(status, int) else 0


class _Said(logging.Handler):
    """Shows what the embedded server says of its progress."""

    def emit(self, record: logging.LogRecord) -> None:
        """Show a line on stderr."""
        click.echo(record.getMessage(), err=True)


def _tell(error: ArcsecondError) -> None:
    click.echo(click.style("Error: ", fg="red") + error.detail, err=True)
    for name, messages in error.fields.items():
        text = " ".join(messages)
        if name != "non_field_errors" and text not in error.detail:
            click.echo(f"  {name}: {text}", err=True)
    if error.hint:
        click.echo(error.hint, err=True)


def lazy(module: str, function: str) -> Callable[..., Any]:
    """Return a callback that is imported when it is called."""

    def callback(**values: Any) -> Any:
        return getattr(import_module(f"arcsecond.cli.{module}"), function)(**values)

    return callback


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


class ResourceCommand(click.Command):
    """A command whose ``--open`` may be followed by "api"."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give ``--open`` its value: it is a flag that may have one."""
        given: list[str] = []
        for arg in args:
            if arg == "api" and given and given[-1] == "--open=page":
                given[-1] = "--open=api"
            else:
                given.append("--open=page" if arg == "--open" else arg)
        return super().parse_args(ctx, given)


MOVED_AS_JSON = "What became of each file as JSON; with --dry-run, the plan."


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


def resource_command(resource: Resource) -> click.Command:
    """Build the command of a resource from its row."""
    params: list[click.Parameter] = [
        click.Argument(
            ["words"], nargs=-1, metavar=_usage(resource), shell_complete=_completion(resource)
        ),
        *map(_field_option, _fields(resource)),
        click.Option(["--open"], metavar="[api]", help="Open its page, or the API's answer."),
    ]
    if "list" in resource.verbs:
        params.append(click.Option(["--all"], is_flag=True, help="Every page of a list."))
    params += [
        click.Option([f"--{inside.name}"], is_flag=True, help=inside.summary)
        for inside in inside_of(resource)
    ]
    params += map(_field_option, _inside_fields(resource))
    params += map(_field_option, resource.of_one)
    params += [_field_option(field) for task in resource.tasks for field in task.fields]
    if resource.image or any(inside.image for inside in inside_of(resource)):
        told = "Save the picture there: .png, .svg or .pdf."
        params.append(click.Option(["--out"], type=click.Path(), metavar="FILE", help=told))
    if resource.name == "findingcharts":
        told = "With --out FILE.jpg, the picture of a survey: dss, 2mass, panstarrs or sdss."
        params.append(click.Option(["--survey"], help=told))
    if resource.name == "fitsfiles":
        params += _header_options()
        told = "With search: table, json, csv, ecsv or votable."
        formats = click.Choice(["table", "json", *FORMATS])
        params.append(click.Option(["--format"], type=formats, help=told))
        told = "With search: how many there are, exactly, and nothing else."
        params.append(click.Option(["--count"], is_flag=True, help=told))
        told = "A part of an image, with its WCS: RA,DEC,SIZE or NAME,SIZE."
        params.append(click.Option(["--cutout"], metavar="PLACE,SIZE", help=told))
        told = "Save it there, or a cutout, or the picture (.webp) or plot (.svg)."
        params.append(click.Option(["--out"], type=click.Path(), metavar="FILE", help=told))
    if any(task.forced for task in resource.tasks):
        told = "Import or refresh, though there are far fewer rows than before."
        params.append(click.Option(["--force"], is_flag=True, help=told))
    if "delete" in resource.verbs:
        params.append(click.Option(["-y", "--yes"], is_flag=True, help="Delete without asking."))
    params += shared_options()

    def callback(**values: Any) -> Any:
        return lazy("resources", "run")(resource=resource, **values)

    more = ""
    if "search" in resource.filters:
        more = " `search TEXT` lists those with a name that holds it."
    more += "".join(f"\n\n`{task.usage}`: {task.help}" for task in resource.tasks)
    if resource.name == "fitsfiles":
        more += (
            " `reindex` reads the headers of all of them again, after the rules changed."
            "\n\n`search [CONDITION]...`: Search the files of all datasets, by the options below"
            " and by conditions such as 'header.AIRMASS<1.5'."
        )
    aliases = f" Also: {', '.join(resource.aliases)}." if resource.aliases else ""
    return ResourceCommand(
        resource.name,
        params=params,
        callback=callback,
        help=resource.summary + aliases + more,
        short_help=resource.summary,
        epilog=f"Example: {resource.example}",
        context_settings=CONTEXT,
    )


def _header_options() -> list[click.Parameter]:
    return [
        click.Option(["--header"], is_flag=True, help="Its headers, card by card."),
        click.Option(["--hdu"], metavar="N|NAME", help="The header of this HDU."),
        click.Option(
            ["--keyword"],
            multiple=True,
            metavar="KEYWORD",
            help="What it says, in the first header that has it; may be repeated.",
        ),
    ]


def _fields(resource: Resource) -> list[Field]:
    """Return what a command's options set or seek, each name once."""
    return [*{f.name: f for f in (*resource.fields, *resource.sought)}.values()]


def _inside_fields(resource: Resource) -> list[Field]:
    """Return the options of what is inside, each name once and none of the command's own."""
    own = {field.name for field in _fields(resource)}
    found = {f.name: f for inside in inside_of(resource) for f in reversed(inside.sought)}
    return [field for name, field in reversed(found.items()) if name not in own]


_KEYS = {
    "none": "", "name": "NAME", "norad": "NUMBER|NAME", "integer": "PK", "called": "NAME|UUID",
}  # fmt: skip


def _usage(resource: Resource) -> str:
    key = _KEYS.get(resource.key, resource.key.upper())
    tasks = "".join(f" | {task.name}" for task in resource.tasks)
    if "create" in resource.verbs:
        inside = f"{resource.holder.upper()} " if resource.parent else ""
        return f"{inside}[create|read|update|delete] [{key}]{tasks}"
    if resource.words:
        return " ".join(f"[{'RA,DEC' if w == 'around' else w.upper()}]" for w in resource.words)
    words = key if resource.verbs == ("read",) or not key else f"[{key}]"
    deleted = ["delete ID"] if "delete" in resource.verbs else []
    return " | ".join([words, *(task.name for task in resource.tasks), *deleted])


def _field_option(field: Field) -> click.Option:
    if field.kind == "flag":
        return click.Option([f"--{field.name}/--not_{field.name}"], default=None, help=field.help)
    kind: Any = click.Path() if field.kind == "file" else str
    return click.Option([f"--{field.name}", field.name], type=kind, help=field.help)


def _completion(resource: Resource) -> Callable[..., list[str]]:
    plain = ("list",) if "create" in resource.verbs else ("list", "read")
    words: list[str] = [v for v in resource.verbs if v not in plain]
    words += [task.name for task in resource.tasks]

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return complete


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
    for command in _account_commands():
        commands.add_command(command)
    commands.add_command(_upload())
    commands.add_command(_download())
    commands.add_command(_serve())
    commands.add_command(_server())
    commands.add_command(_shell_completion())
    return commands


def _account_commands() -> list[click.Command]:
    username = click.Option(["--username"], help="Username; asked when not given.")
    stdin = click.Option(["--password-stdin"], is_flag=True, help="Read the password from stdin.")
    server = server_option()
    register = click.Command(
        "register",
        params=[
            username,
            click.Option(["--email"], help="E-mail address; asked when not given."),
            click.Option(["--password1"], help="Password; better asked than given."),
            click.Option(["--password2"], help="The same once more."),
            stdin,
            click.Option(["--invitation"], default="", help="Where the server asks for one."),
            server,
        ],
        callback=lazy("account", "register"),
        help="Make an account and sign in.",
        epilog="Example: arcsecond register --server https://arcsecond.example.org",
    )
    login = click.Command(
        "login",
        params=[
            username,
            click.Option(["--password"], help="Password; better asked than given."),
            stdin,
            click.Option(["--key"], help="An access or upload key, in place of a password."),
            server,
        ],
        callback=lazy("account", "login"),
        help="Sign in and keep the key.",
        epilog="Example: arcsecond login --username ann --password-stdin < password.txt",
    )
    logout = click.Command(
        "logout",
        callback=lazy("account", "logout"),
        help="Forget the key; the owner of the embedded server is back.",
        epilog="Example: arcsecond logout",
    )
    return [register, login, logout]


def _several(name: str, metavar: str, told: str) -> click.Option:
    return click.Option([f"--{name}"], multiple=True, metavar=metavar, help=told)


def _choosing() -> list[click.Parameter]:
    return [
        _several("include", "GLOB", "Only files like this, such as '*.fits'; may be repeated."),
        _several("exclude", "GLOB", "No files like this; may be repeated."),
    ]


def _jobs(told: str) -> click.Option:
    return click.Option(
        ["--jobs"], type=click.IntRange(1, 32), default=4, show_default=True, help=told
    )


def _patterns() -> list[click.Parameter]:
    return [
        *_choosing(),
        _jobs("Requests at a time."),
        click.Option(["--dry-run"], is_flag=True, help="Show the plan, and do nothing."),
    ]


def _download() -> click.Command:
    return click.Command(
        "download",
        params=[
            click.Argument(["words"], nargs=-1, metavar="[NAME|UUID|LINK] [CONDITION]..."),
            click.Option(
                ["--to"], type=click.Path(), metavar="FOLDER", help="Default: one of its name."
            ),
            _several("tag", "TAG", "Only files that have it; may be repeated."),
            *_patterns(),
            *(
                _field_option(field)
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


def _upload() -> click.Command:
    return click.Command(
        "upload",
        params=[
            click.Argument(["paths"], nargs=-1, metavar="FOLDER|FILE...", type=click.Path()),
            click.Option(["--dataset"], metavar="NAME|UUID", help="Made when there is none."),
            click.Option(["--telescope"], help="Of a new dataset: name, code or UUID."),
            click.Option(["--instrument"], help="Of a new dataset: name or UUID."),
            _several("tag", "TAG", "Given to every file; may be repeated."),
            *_patterns(),
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


def _serve() -> click.Command:
    return click.Command(
        "serve",
        params=[
            click.Option(["--host"], default="127.0.0.1", show_default=True, help="Address."),
            click.Option(
                ["--port"],
                type=click.IntRange(0, 65535),
                default=8000,
                show_default=True,
                help="Port, 0 for any that is free.",
            ),
            click.Option(
                ["--workers"],
                type=click.IntRange(1, 64),
                default=1,
                show_default=True,
                help="Server processes.",
            ),
            click.Option(
                ["--idle"],
                type=click.IntRange(0),
                default=0,
                help="End after so many seconds without a request.",
            ),
        ],
        callback=lazy("serve", "serve"),
        help="Serve the same data on the network.",
        epilog="Example: arcsecond serve --port 8000",
    )


def _server() -> click.Group:
    group = click.Group(
        "server",
        help="Look after the server of this data directory.",
        epilog="Example: arcsecond server registration invitation",
        context_settings=CONTEXT,
    )
    stdin = click.Option(["--password-stdin"], is_flag=True, help="Read the password from stdin.")
    group.add_command(
        click.Command(
            "password",
            params=[click.Argument(["username"], required=False), stdin],
            callback=lazy("serve", "password"),
            help="Set the password of a user; yours, the owner's, when none is named.",
            epilog="Example: arcsecond server password",
        )
    )
    group.add_command(
        click.Command(
            "registration",
            params=[click.Argument(["mode"], type=click.Choice(["open", "invitation", "closed"]))],
            callback=lazy("serve", "registration"),
            help="Decide who may register.",
            epilog="Example: arcsecond server registration invitation",
        )
    )
    group.add_command(
        click.Command(
            "invite",
            params=[
                click.Option(
                    ["--days"],
                    type=click.IntRange(1, 365),
                    default=14,
                    show_default=True,
                    help="How long it can be used.",
                )
            ],
            callback=lazy("serve", "invite"),
            help="Print a code that lets one person register.",
            epilog="Example: arcsecond server invite --days 7",
        )
    )
    group.add_command(
        click.Command(
            "check",
            params=[
                click.Option(["--quick"], is_flag=True, help="Compare sizes; read no bytes."),
                click.Option(
                    ["--repair"],
                    is_flag=True,
                    help="Mend what can be mended and put the rest into quarantine.",
                ),
                click.Option(["--json", "as_json"], is_flag=True, help="The report as JSON."),
            ],
            callback=lazy("check", "check_server"),
            help="Check that everything recorded is there, and is what it was.",
            epilog="Example: arcsecond server check --repair",
        )
    )
    for command in (*_backups(), _ingest(), _export(), _rules(), _reindex()):
        group.add_command(command)
    admin = click.Group(
        "admin",
        help="Administrators.",
        epilog="Example: arcsecond server admin add ann",
        context_settings=CONTEXT,
    )
    admin.add_command(
        click.Command(
            "add",
            params=[click.Argument(["username"]), stdin],
            callback=lazy("serve", "admin_add"),
            help="Make a user an administrator; asks for a password when the user is new.",
            epilog="Example: arcsecond server admin add ann",
        )
    )
    group.add_command(admin)
    return group


def _backups() -> list[click.Command]:
    folder = click.Argument(["folder"], type=click.Path())
    snapshot = click.Option(["--snapshot"], default="", help="Its name; the newest by default.")
    return [
        click.Command(
            "backup",
            params=[
                folder,
                click.Option(
                    ["--leave-in-place"],
                    is_flag=True,
                    help="Leave out bytes that were ingested in place.",
                ),
                click.Option(
                    ["--recheck"],
                    is_flag=True,
                    help="Read what is in the backup, and copy again what is spoilt.",
                ),
            ],
            callback=lazy("backup", "backup"),
            help="Add a snapshot to a backup, while everything runs; only what is new is copied.",
            epilog="Example: arcsecond server backup /mnt/backup",
        ),
        click.Command(
            "restore",
            params=[folder, snapshot],
            callback=lazy("backup", "restore_backup"),
            help="Fill an empty data directory, and an empty database, from a backup.",
            epilog="Example: arcsecond server restore /mnt/backup",
        ),
        click.Command(
            "verify",
            params=[folder, snapshot],
            callback=lazy("backup", "verify_backup"),
            help="Restore a backup beside itself, read every byte of it, compare every row.",
            epilog="Example: arcsecond server verify /mnt/backup",
        ),
    ]


def _ingest() -> click.Command:
    return click.Command(
        "ingest",
        params=[
            click.Argument(["path"], type=click.Path(), metavar="FOLDER|FILE"),
            click.Option(
                ["--in-place"],
                is_flag=True,
                help="They stay where they lie, and are only read; else they are copied.",
            ),
            click.Option(
                ["--dataset"],
                metavar="NAME|UUID",
                help="Made when there is none; default: called as the folder.",
            ),
            click.Option(["--user"], help="Whose it is; default: the owner of this server."),
            _several("tag", "TAG", "Given to every file; may be repeated."),
            *_choosing(),
            click.Option(["--replace"], is_flag=True, help="Other content is a new version."),
            _jobs("Files that are read at a time."),
            click.Option(["--json", "as_json"], is_flag=True, help="What became of them as JSON."),
        ],
        callback=lazy("ingest", "ingest"),
        help="Take in an archive that lies on the disks of this machine.",
        epilog="Example: arcsecond server ingest --in-place /data/archive --dataset Archive",
    )


def _export() -> click.Command:
    return click.Command(
        "export",
        params=[
            click.Argument(["folder"], type=click.Path()),
            click.Option(["--json", "as_json"], is_flag=True, help="What was written as JSON."),
        ],
        callback=lazy("export", "export"),
        help="Write everything as plain files under their own names, with SHA256SUMS.",
        epilog="Example: arcsecond server export /mnt/export",
    )


def _rules() -> click.Group:
    file = click.Argument(["file"], type=click.Path())
    group = click.Group(
        "rules",
        invoke_without_command=True,
        help="What headers mean: the rules in force, and those of your observatory.",
        epilog="Example: arcsecond server rules",
        context_settings=CONTEXT,
        params=[
            click.Option(
                ["--built-in"], is_flag=True, help="Print those of the program, to learn from."
            )
        ],
    )

    def shown(built_in: bool) -> None:
        if click.get_current_context().invoked_subcommand is None:
            lazy("rules", "show")(built_in=built_in)

    group.callback = shown
    group.add_command(
        click.Command(
            "check",
            params=[file],
            callback=lazy("rules", "check"),
            help="Find mistakes in a file of rules; nothing is changed.",
            epilog="Example: arcsecond server rules check ours.toml",
        )
    )
    group.add_command(
        click.Command(
            "use",
            params=[file],
            callback=lazy("rules", "use"),
            help="Put your rules in force, before those of the program.",
            epilog="Example: arcsecond server rules use ours.toml",
        )
    )
    group.add_command(
        click.Command(
            "try",
            params=[
                click.Argument(["frames"], nargs=-1, required=True, type=click.Path()),
                click.Option(
                    ["--rules", "file"],
                    type=click.Path(),
                    metavar="FILE",
                    help="By these, in place of yours.",
                ),
                click.Option(["--json", "as_json"], is_flag=True, help="The same as JSON."),
            ],
            callback=lazy("rules", "try_out"),
            help="Tell what frames mean, and which keywords say so; nothing is kept.",
            epilog="Example: arcsecond server rules try --rules ours.toml frame.fits",
        )
    )
    return group


def _reindex() -> click.Command:
    return click.Command(
        "reindex",
        params=[
            click.Option(
                ["--everything"], is_flag=True, help="Also what was read by these rules already."
            ),
            click.Option(
                ["--jobs"],
                type=click.IntRange(0, 64),
                default=0,
                help="Processes; default: one for each processor.",
            ),
        ],
        callback=lazy("rules", "reindex"),
        help="Read the headers of all files again, after the rules changed, while all goes on.",
        epilog="Example: arcsecond server reindex",
    )


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
