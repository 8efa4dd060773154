"""``register``, ``login`` and ``logout``."""

from __future__ import annotations

import sys

import click

from arcsecond import config as configuration
from arcsecond.cli.output import on_terminal
from arcsecond.client import account
from arcsecond.client.api import TIMEOUT_S


def register(
    *,
    username: str | None,
    email: str | None,
    password1: str | None,
    password2: str | None,
    password_stdin: bool,
    invitation: str,
    server: str | None,
) -> None:
    """Make an account, asking for what is not given."""
    config = configuration.load(server)
    if password_stdin:
        password1 = password2 = read_password()
    username = _asked("Username", username)
    email = _asked("E-mail", email)
    if password1 is None:
        password1 = ask_password("Password (at least 8 characters)")
    if password2 is None:
        password2 = ask_password("Password once more")
    name = account.register(
        config, username, email, password1, password2, invitation=invitation, timeout=TIMEOUT_S
    )
    _welcome(name, config)


def login(
    *,
    username: str | None,
    password: str | None,
    password_stdin: bool,
    key: str | None,
    server: str | None,
) -> None:
    """Sign in by key or by password, asking for what is not given."""
    config = configuration.load(server)
    if key is not None:
        if username or password or password_stdin:
            raise click.UsageError("Give either a key, or a username and a password.")
        name = account.login_with_key(config, key, timeout=TIMEOUT_S)
    else:
        if password_stdin:
            if password is not None:
                raise click.UsageError("Give either --password or --password-stdin.")
            password = read_password()
        username = _asked("Username", username)
        if password is None:
            password = ask_password()
        name = account.login(config, username, password, timeout=TIMEOUT_S)
    _welcome(name, config)


def logout() -> None:
    """Forget the key."""
    before = configuration.load()
    account.logout(before)
    after = configuration.load()
    if not before.username and not before.key:
        click.echo("Nobody was signed in.", err=True)
    elif after.key:
        click.echo("The stored key is gone; ARCSECOND_KEY still gives one.", err=True)
    else:
        used = after.server or "the embedded server, as its owner"
        click.echo(f"Signed out; commands now ask {used}.", err=True)


def ask_password(label: str = "Password", *, confirm: bool = False) -> str:
    """Ask for a password on the terminal, without showing it."""
    if not on_terminal(sys.stdin):
        raise click.UsageError("There is no terminal to ask on; use --password-stdin.")
    given: str = click.prompt(label, hide_input=True, confirmation_prompt=confirm, err=True)
    return given


def read_password() -> str:
    """Return the first line of stdin."""
    return sys.stdin.readline().rstrip("\r\n")


def _asked(what: str, value: str | None) -> str:
    return click.prompt(what, err=True) if value is None else value


def _welcome(name: str, config: configuration.Config) -> None:
    where = config.server or "the embedded server"
    click.echo(f"Signed in as {name} on {where}.", err=True)
