"""``serve``, and what is done with the server's own data."""

from __future__ import annotations

import click

from arcsecond.cli.commands.options import CONTEXT, choosing, jobs, lazy, several


def serve() -> click.Command:
    """Return ``serve``."""
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


def server() -> click.Group:
    """Return ``server`` with its own commands: checks, backups, archives, rules."""
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
                click.Option(
                    ["--new-secret"],
                    is_flag=True,
                    help="With --repair: the old secret is lost, let keys of this one work.",
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
            several("tag", "TAG", "Given to every file; may be repeated."),
            *choosing(),
            click.Option(["--replace"], is_flag=True, help="Other content is a new version."),
            jobs("Files that are read at a time."),
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
