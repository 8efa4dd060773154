"""Commands that make an account, sign in and sign out."""

from __future__ import annotations

import click

from arcsecond.cli.commands.options import lazy, server_option


def account_commands() -> list[click.Command]:
    """Return ``register``, ``login`` and ``logout``."""
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
