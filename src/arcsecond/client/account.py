"""Sign in, sign up, sign out: what writes the configuration file."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

from arcsecond.client.transport import Transport
from arcsecond.config import Config, forget_login, store_login


def login(config: Config, username: str, password: str, *, timeout: float) -> str:
    """Sign in with a password and keep the access key; returns the username.

    Raises
    ------
    CredentialsError
        They do not fit; nothing was changed.
    """
    body = {"username": username, "password": password}
    with closing(Transport(config, timeout)) as transport:
        answer = transport.request("POST", "/auth/login/", fields=body, anonymous=True)
        return _keep(config, transport, answer.data["key"])


def login_with_key(config: Config, key: str, *, timeout: float) -> str:
    """Sign in with a key and keep it; returns the username."""
    key = key.strip()
    with closing(Transport(replace(config, key=key), timeout)) as transport:
        username = str(transport.request("GET", "/me/").data["username"])
    store_login(config, username, key)
    return username


def register(
    config: Config,
    username: str,
    email: str,
    password1: str,
    password2: str,
    *,
    invitation: str = "",
    timeout: float,
) -> str:
    """Make an account, sign in and keep the access key; returns the username."""
    body = {
        "username": username,
        "email": email,
        "password1": password1,
        "password2": password2,
        "invitation": invitation,
    }
    with closing(Transport(config, timeout)) as transport:
        answer = transport.request("POST", "/auth/registration/", fields=body, anonymous=True)
        return _keep(config, transport, answer.data["key"])


def logout(config: Config) -> None:
    """Forget the key, and the server; the embedded owner is back."""
    forget_login(config)


def _keep(config: Config, transport: Transport, token: str) -> str:
    username = str(transport.request("GET", "/me/", token=token).data["username"])
    keys = transport.request("GET", f"/profiles/{username}/keys/", token=token).data
    transport.request("DELETE", "/auth/token/", token=token)
    store_login(config, username, keys["api_key"])
    return username
