"""tuspy and tus-js-client, unmodified, against a server that is killed while they send."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.postgres import postgresql

HERE = Path(__file__).resolve().parent
SCRIPTS = HERE / "tus"
ARCSECOND = [sys.executable, "-m", "arcsecond"]
MiB = 1 << 20


def frame(path: Path, mebibytes: int) -> str:
    """Write a FITS image of bytes that nobody can guess; return its digest."""
    cards = [
        f"SIMPLE  = {'T':>20}", f"BITPIX  = {8:>20}", f"NAXIS   = {1:>20}",
        f"NAXIS1  = {mebibytes * MiB:>20}", "END",
    ]  # fmt: skip
    header = "".join(f"{card:<80}" for card in cards).ljust(2880).encode()
    data = os.urandom(mebibytes * MiB)
    path.write_bytes(header + data + bytes(-len(data) % 2880))
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Server:
    """A server with one user, that can be killed and started again on its port."""

    def __init__(self, home: Path, database_url: str) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("ARCSECOND_")}
        self.environ = kept | {"ARCSECOND_HOME": str(home), "ARCSECOND_ONLINE": "0"}
        if database_url:
            self.environ["ARCSECOND_DATABASE_URL"] = database_url
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self.start()
        password = {"password1": "starlight-9", "password2": "starlight-9"}
        body = {"username": "ann", "email": "ann@localhost", **password}
        token = self.ask("POST", "/auth/registration/", body)["key"]
        authorization = {"Authorization": f"Token {token}"}
        self.key = self.ask("GET", "/profiles/ann/keys/", headers=authorization)["api_key"]
        self.dataset = self.ask("POST", "/datasets/", {"name": "night"})["uuid"]
        self.address = f"{self.url}/datasets/{self.dataset}/uploads/"

    def start(self) -> None:
        words = [*ARCSECOND, "serve", "--port", str(self._port), "--workers", "2"]
        self._process = subprocess.Popen(words, env=self.environ, start_new_session=True)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            time.sleep(0.1)
            try:
                urllib.request.urlopen(f"{self.url}/health", timeout=5).close()
            except OSError:
                continue
            return
        raise RuntimeError("the server did not start")

    def kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(20)

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Any:
        headers = headers or {"X-Arcsecond-API-Authorization": f"Key {getattr(self, 'key', '')}"}
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=json.dumps(body).encode() if body else None,
            headers={"Content-Type": "application/json", "Accept": "application/json"}
            | (headers if hasattr(self, "key") or "Authorization" in headers else {}),
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def digest_of(self, name: str) -> str:
        """Return the digest of the file of a name, as the server kept it."""
        files = self.ask("GET", f"/datasets/{self.dataset}/fitsfiles/")
        return str({file["name"]: file["sha256"] for file in files}[name])


def run(words: Sequence[str]) -> str:
    done = subprocess.run(words, cwd=SCRIPTS, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise RuntimeError(f"{words[1]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout.strip().splitlines()[-1]


def by_tuspy(server: Server, folder: Path, python: Path) -> None:
    """Half of it, then a killed server, then the rest by another process."""
    file = folder / "tuspy.fits"
    digest = frame(file, 20)
    words = [str(python), str(SCRIPTS / "send.py"), str(file), server.address, server.key]
    url = run([*words, "9"])
    server.kill()
    server.start()
    run([*words, "0", url])
    assert server.digest_of(file.name) == digest


def by_tus_js(server: Server, folder: Path, modules: Path) -> None:
    """The same by JavaScript, whose last answer tells the digest: it sends none itself."""
    file = folder / "tus-js.fits"
    digest = frame(file, 20)
    script = modules / "send.mjs"
    words = ["node", str(script), str(file), server.address, server.key]
    begun = json.loads(run([*words, str(9 * MiB), "1"]))
    server.kill()
    server.start()
    ended = json.loads(run([*words, "0", "1", begun["url"]]))
    assert ended["sha256"] == digest == server.digest_of(file.name)


def through_a_restart(server: Server, folder: Path, modules: Path) -> None:
    """The server is killed under a client, which goes on by itself when it is back."""
    file = folder / "restart.fits"
    digest = frame(file, 120)
    words = ["node", str(modules / "send.mjs"), str(file), server.address, server.key, "0", "1"]
    process = subprocess.Popen(
        words, cwd=SCRIPTS, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.strip().isdigit() and int(line) > 30 * MiB:
            break
    server.kill()
    server.start()
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors[-2000:]
    assert server.digest_of(file.name) == digest


def in_parts(server: Server, folder: Path, modules: Path) -> None:
    """Three parts side by side, which the server puts together."""
    file = folder / "parts.fits"
    digest = frame(file, 20)
    words = ["node", str(modules / "send.mjs"), str(file), server.address, server.key]
    run([*words, "0", "3"])
    assert server.digest_of(file.name) == digest
    assert server.ask("GET", f"/datasets/{server.dataset}/uploads/") == []


def refused(server: Server, folder: Path, python: Path, modules: Path) -> None:
    """A name that is taken is no success, however often a client tries again or goes on."""
    file = folder / "taken.fits"
    kept = frame(file, 2)
    words = ["node", str(modules / "send.mjs"), str(file), server.address, server.key, "0", "1"]
    run(words)
    frame(file, 3)
    fails(words, "422")
    words = [str(python), str(SCRIPTS / "send.py"), str(file), server.address, server.key]
    url = run([*words, "3"])
    for _ in range(2):
        fails([*words, "0", url], "422")
    assert server.digest_of(file.name) == kept


def fails(words: Sequence[str], why: str) -> None:
    try:
        told = run(words)
    except RuntimeError as error:
        assert why in str(error), error
    else:
        raise AssertionError(f"it did not fail: {told}")


def resumed(folder: Path, python: Path, modules: Path, database_url: str = "") -> None:
    """Run all of them on one database."""
    server = Server(folder / "home", database_url)
    try:
        by_tuspy(server, folder, python)
        by_tus_js(server, folder, modules)
        through_a_restart(server, folder, modules)
        in_parts(server, folder, modules)
        refused(server, folder, python, modules)
    finally:
        server.kill()
    subprocess.run([*ARCSECOND, "server", "check"], env=server.environ, check=True)


def main(folder: Path, python: Path, modules: Path) -> None:
    """Run all of them, on SQLite and on PostgreSQL."""
    for database in ("SQLite", "PostgreSQL"):
        place = folder / database
        place.mkdir()
        with postgresql() if database == "PostgreSQL" else contextlib.nullcontext("") as url:
            resumed(place, python, modules, url)
        print(
            f"tuspy 1.1.0 and tus-js-client 4.3.1, {database}: resumed through killed servers",
            flush=True,
        )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
