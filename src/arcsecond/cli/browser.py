"""``--open``: show a thing's page in the default browser.

A remote server has its own pages. For the embedded one, the ``serve`` that
runs on this directory is used, or one is started on a free loopback port that
ends after half an hour of rest; a one-time token signs the browser in.
"""

from __future__ import annotations

import subprocess
import sys
import time
import webbrowser
from collections.abc import Mapping
from urllib.parse import quote, urlencode

import click

from arcsecond.cli.output import Output
from arcsecond.client.api import ArcsecondAPI
from arcsecond.client.endpoint import Endpoint
from arcsecond.errors import UnavailableError

REST_S = 1800
PATIENCE_S = 30.0


def open_page(
    api: ArcsecondAPI,
    endpoint: Endpoint,
    key: str | None,
    *,
    as_api: bool,
    output: Output,
    filters: Mapping[str, str],
) -> None:
    """Open the page of a thing; one that does not exist is said here, not there."""
    if key is not None or endpoint.resource.key == "none":
        endpoint.answer("GET", key, params=filters)
    query = urlencode({**filters, **({"format": "api"} if as_api else {})})
    path = endpoint.path(key) + (f"?{query}" if query else "")
    if api.config.embedded:
        base = _running(api)
        token = api.transport.request("POST", "/auth/once/").data["token"]
        shown, address = base + path, f"{base}/login?token={token}&next={quote(path, safe='')}"
    else:
        shown = address = api.config.server + path
    if webbrowser.open(address):
        output.say(f"Opened {shown}")
    else:
        output.say("No browser could be started; open this address:")
        click.echo(address)


def _running(api: ArcsecondAPI) -> str:
    """Return the address of the server on this directory, started if there is none."""
    from arcsecond.server.serving import serving_address
    from arcsecond.server.settings import Settings

    lock = Settings(home=api.config.home).serving_path
    if address := serving_address(lock):
        return address
    command = [sys.executable, "-m", "arcsecond", "serve", "--port", "0", "--idle", str(REST_S)]
    server = subprocess.Popen(  # noqa: S603  # our own command
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if address := serving_address(lock):
            return address
        if server.poll() is not None:
            break
        time.sleep(0.05)
    raise UnavailableError(
        "The server for the pages did not start.",
        hint="Type `arcsecond serve` to see why.",
    )
