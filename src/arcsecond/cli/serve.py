"""``serve`` and ``server``: put the data directory on the network, look after it."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import click

from arcsecond.cli.account import ask_password, read_password
from arcsecond.config import is_loopback
from arcsecond.errors import ArcsecondInputValueError, NotAllowedError
from arcsecond.server.app import open_backend
from arcsecond.server.catalogues.builtin import KINDS, catalogue
from arcsecond.server.context import Backend
from arcsecond.server.people import options, service
from arcsecond.server.serving import ServingLock, end_idle_server, serving_lock
from arcsecond.server.settings import Settings

KILL_AFTER_S = 5


def serve(*, host: str, port: int, workers: int, idle: int) -> None:
    """Serve until Ctrl-C."""
    settings = Settings.from_environment()
    if not idle:
        end_idle_server(settings.serving_path)
    with serving_lock(settings.serving_path) as lock:
        port = _free_port(host, port)
        with _backend(settings) as backend:
            for kind in KINDS:
                catalogue(settings, kind)
            known_as = urlsplit(settings.public_url).hostname or host
            if not (is_loopback(host) and is_loopback(known_as)):
                _refuse_unprepared(backend, host if is_loopback(known_as) else known_as)
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        if idle:
            os.environ["ARCSECOND_IDLE_SECONDS"] = str(idle)
        threading.Thread(target=_announce, args=(lock, url, settings, idle), daemon=True).start()
        _granian(host, port, workers, lock)


def _granian(host: str, port: int, workers: int, lock: ServingLock) -> None:
    from granian.constants import Interfaces
    from granian.log import LogLevels
    from granian.server.mp import MPServer

    class Announced(MPServer):
        """A server that withdraws its address before it ends."""

        def shutdown(self, exit_code: int = 0) -> None:
            lock.withdraw()
            super().shutdown(exit_code)  # type: ignore[no-untyped-call]  # granian is untyped

    Announced(
        "arcsecond.server.app:serving",
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        factory=True,
        workers=workers,
        websockets=False,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        workers_kill_timeout=KILL_AFTER_S,
    ).serve()


def _announce(lock: ServingLock, url: str, settings: Settings, idle: int) -> None:
    """Say where the server is as soon as it answers."""
    parts = urlsplit(url)
    while True:
        # Not by urllib: it would ask a proxy of the environment.
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
        with (
            contextlib.closing(connection),
            contextlib.suppress(OSError, http.client.HTTPException),
        ):
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                break
        time.sleep(0.05)
    lock.announce(url, idle=idle)
    click.echo(f"Serving {settings.home} on {url} — Ctrl-C ends it.", err=True)


def _refuse_unprepared(backend: Backend, host: str) -> None:
    """Refuse to put a server on the network that nobody looks after."""
    missing = []
    if not service.has_admin(backend):
        missing.append("an administrator: `arcsecond server admin add USER`")
    if options.chosen_registration(backend) is None:
        missing.append("who may register: `arcsecond server registration open|invitation|closed`")
    if missing:
        raise NotAllowedError(
            f"{host} can be reached by others, and this server still needs "
            f"{' and '.join(missing)}. Nothing was started.",
            hint="Without --host it serves on 127.0.0.1, where only you reach it.",
        )


def _free_port(host: str, port: int) -> int:
    """Return a port that can be bound now, or say that it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ArcsecondInputValueError(
                f"{host}:{port} cannot be used: {error.strerror}.",
                hint="Type `arcsecond serve --port 0` for any port that is free.",
            ) from error
        return int(probe.getsockname()[1])


@contextmanager
def _backend(settings: Settings | None = None) -> Iterator[Backend]:
    backend = open_backend(settings or Settings.from_environment())
    try:
        yield backend
    finally:
        backend.db.close()


def password(*, username: str | None, password_stdin: bool) -> None:
    """Set a password."""
    with _backend() as backend:
        name = service.set_password(backend, username, _new_password(stdin=password_stdin))
    click.echo(f"{name} can sign in with this password now.", err=True)


def admin_add(*, username: str, password_stdin: bool) -> None:
    """Make a user an administrator."""
    with _backend() as backend:
        needed = service.needs_password(backend, username)
        password = _new_password(stdin=password_stdin) if needed else None
        service.add_admin(backend, username, password)
    click.echo(f"{username} is an administrator.", err=True)


def registration(*, mode: str) -> None:
    """Decide who may register."""
    with _backend() as backend:
        options.set_registration(backend, mode)
    click.echo(f"Registration is {mode}.", err=True)


def invite(*, days: int) -> None:
    """Print an invitation."""
    with _backend() as backend:
        click.echo(service.invite(backend, days))


def _new_password(*, stdin: bool) -> str:
    if stdin:
        return read_password()
    return ask_password(confirm=True)
