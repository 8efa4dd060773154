"""Databases, homes, servers and command lines for the tests.

Everything runs on SQLite and on a real PostgreSQL. A migrated template is made
once for each; a test gets a copy.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import psycopg
import pytest
import sqlalchemy as sa
from litestar.testing import TestClient

from arcsecond import config as configuration
from arcsecond.cli.main import run
from arcsecond.client.api import ArcsecondAPI
from arcsecond.client.embedded import close_all
from arcsecond.config import store_login
from arcsecond.errors import ArcsecondError
from arcsecond.schemas.archive import FitsFile
from arcsecond.server import life
from arcsecond.server.app import create_app, open_backend, routed
from arcsecond.server.archive.adding import add_files
from arcsecond.server.check import check
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.people import keys
from arcsecond.server.people import service as people
from arcsecond.server.people.tables import users
from arcsecond.server.settings import Settings
from arcsecond.server.storage import Arrived, Incoming
from tests.forks import Forked, fork
from tests.postgres import postgresql

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
DATABASES = ("sqlite", "postgresql")
PASSWORD = "starlight-9"

_spec = find_spec("astropy")
assert _spec is not None
assert _spec.origin is not None
ASTROPY_FRAMES = Path(_spec.origin).parent / "io" / "fits" / "tests" / "data"

_numbers = itertools.count(1)

# The same cases in every run; HYPOTHESIS_PROFILE=default looks for new ones.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# A job in the background of a script starts with Ctrl-C ignored, and so would all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords() -> None:
    """Hash passwords with less work than a server does."""
    from argon2 import PasswordHasher

    from arcsecond.server.people import secrets

    cheap = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    secrets._hasher = lambda: cheap  # type: ignore[assignment]


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Start PostgreSQL and return the address of its default database, without its name."""
    with postgresql() as uri:
        with psycopg.connect(uri, autocommit=True) as connection:
            # It is thrown away in the end, and its log of changes would grow to a gigabyte.
            for setting in ("fsync = off", "max_wal_size = '64MB'", "min_wal_size = '32MB'"):
                connection.execute(f"ALTER SYSTEM SET {setting}")
            connection.execute("SELECT pg_reload_conf()")
        yield uri


@pytest.fixture(scope="session", autouse=True)
def catalogues(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the catalogues once for all processes and tests, and ask nothing on the network."""
    os.environ["ARCSECOND_ONLINE"] = "0"
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    Settings.catalogues_path = property(  # type: ignore[method-assign, assignment]
        lambda settings: settings.catalogues or shared / "catalogues"
    )
    return shared / "catalogues"


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("template")
    open_backend(Settings(home=home)).db.close()
    return home / "arcsecond.sqlite"


@pytest.fixture(scope="session")
def postgres_template(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    url = copy_database(postgres, "template1", name="template_of_tests")
    open_backend(Settings(tmp_path_factory.mktemp("template"), url)).db.close()
    return "template_of_tests"


def copy_database(base: str, template: str, *, name: str = "") -> str:
    """Copy a database; returns the address of the copy."""
    name = name or f"t{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(base, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
    return base.replace("/postgres?", f"/{name}?", 1)


@pytest.fixture
def new_database(request: pytest.FixtureRequest) -> Iterator[Callable[[str], str]]:
    """Return a function that copies a database of PostgreSQL; the copies go with the test.

    Each takes 10 MB of the memory that the tests run in.
    """
    made: list[str] = []

    def make(template: str) -> str:
        made.append(copy_database(request.getfixturevalue("postgres"), template))
        return made[-1]

    yield make
    if made:
        with psycopg.connect(request.getfixturevalue("postgres"), autocommit=True) as connection:
            for url in made:
                name = sa.make_url(url).database
                connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def new_settings(
    request: pytest.FixtureRequest, new_database: Callable[[str], str], tmp_path: Path
) -> Callable[[str], Settings]:
    """Return a function that makes a data directory with an up-to-date empty database."""

    def make(database: str) -> Settings:
        home = tmp_path / f"home{next(_numbers)}"
        home.mkdir()
        return prepared(request, database, home, new_database)

    return make


def prepared(
    request: pytest.FixtureRequest, database: str, home: Path, copy: Callable[[str], str]
) -> Settings:
    if database == "postgresql":
        return Settings(home, copy(request.getfixturevalue("postgres_template")))
    shutil.copy(request.getfixturevalue("sqlite_template"), home / "arcsecond.sqlite")
    return Settings(home=home)


@pytest.fixture
def settings(database: str, new_settings: Callable[[str], Settings]) -> Settings:
    return new_settings(database)


@pytest.fixture
def backend(settings: Settings) -> Iterator[Backend]:
    made = open_backend(settings)
    yield made
    made.db.close()


class Http(TestClient[Any]):
    """An HTTP client on the application, as a stranger from the network."""

    def __init__(self, settings: Settings) -> None:
        application = create_app(settings)
        self.inside: Backend = application.backend
        self.table = routed().routes
        super().__init__(application)  # type: ignore[arg-type]

    def viewer(self, name: str) -> Viewer:
        """Return a user as the server sees them."""
        with self.inside.db.read() as connection:
            pk = connection.scalar(sa.select(users.c.id).where(users.c.folded == name))
        return Viewer(pk, name, how="key")


@pytest.fixture
def http(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Http]:
    """Return a client on an application that does not sweep by itself beside the test.

    Its sweep would commit, count and remove between the steps that a test looks at; where an
    application is served or embedded it sweeps.
    """

    async def rests(*_: object) -> None:
        pass

    monkeypatch.setattr(life, "_sweep_now_and_then", rests)
    with Http(settings) as client:
        yield client


def new_user(backend: Backend, name: str = "ann") -> tuple[Viewer, dict[str, str]]:
    """Make a user; returns who it is and the header of the access key."""
    from arcsecond.schemas.people import Registration

    body = Registration(
        username=name, email=f"{name}@localhost", password1=PASSWORD, password2=PASSWORD
    )
    token = people.register(backend, Viewer(), body)
    viewer = keys.viewer_with_key(backend, token, kinds=("token",))
    key = people.read_key(backend, viewer, name, "access")
    return viewer, {"X-Arcsecond-API-Authorization": f"Key {key}"}


@pytest.fixture
def user(http: Http) -> Callable[[str], dict[str, str]]:
    """Return a function that makes a user and returns the header of the key."""
    return lambda name: new_user(http.inside, name)[1]


# The sky


@contextlib.contextmanager
def astropy_offline() -> Iterator[None]:
    """Let astropy do with the tables that are installed, however old."""
    from astropy.utils.iers import conf

    with (
        conf.set_temp("auto_download", False),
        conf.set_temp("auto_max_age", None),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


PARANAL = "0c8dbe8d-9b50-53a3-9382-cecec71f9ec6"
"""UUID of MPC code 309, the same on every installation."""

# Frames


def fits_bytes(shape: tuple[int, ...] = (8, 8), **cards: Any) -> bytes:
    """Return a small FITS image; keywords with '__' in place of '-'."""
    from astropy.io import fits

    hdu = fits.PrimaryHDU(np.arange(int(np.prod(shape)), dtype="i2").reshape(shape))
    for name, value in cards.items():
        hdu.header[name.replace("__", "-")] = value
    buffer = io.BytesIO()
    hdu.writeto(buffer)
    return buffer.getvalue()


@pytest.fixture
def frame(tmp_path: Path) -> Path:
    """A small frame on the disk."""
    path = tmp_path / "frame.fits"
    path.write_bytes(fits_bytes(OBJECT="HD 5980", EXPTIME=30.0))
    return path


def add_file(
    backend: Backend, viewer: Viewer, dataset: str, name: str, incoming: Incoming
) -> FitsFile:
    """Keep one upload as a new file, or raise why it is not kept."""
    (outcome,) = add_files(backend, viewer, dataset, [Arrived(name, incoming)])
    if isinstance(outcome, ArcsecondError):
        raise outcome
    return outcome.file


# Servers


@dataclass
class Server:
    """A real server process."""

    url: str
    home: Path
    process: subprocess.Popen[bytes] | Forked
    environ: dict[str, str] = field(default_factory=dict)
    beside: Backend | None = None
    """A backend on the same data, in this process."""

    def kill(self) -> None:
        """SIGKILL, server and workers at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


def environment(settings: Settings, **more: str) -> dict[str, str]:
    """Return the environment of a process on a data directory."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("ARCSECOND_")}
    kept |= {
        "ARCSECOND_HOME": str(settings.home),
        "ARCSECOND_CONFIG": str(settings.home / "client.ini"),
        "ARCSECOND_CATALOGUES": str(settings.catalogues_path),
        "ARCSECOND_ONLINE": "0",
    }
    if settings.database_url:
        kept["ARCSECOND_DATABASE_URL"] = settings.database_url
    return kept | more


def start(
    settings: Settings,
    *options: str,
    module: str = "arcsecond serve",
    wrapper: Sequence[str] = (),
    fresh: bool = False,
    **more: str,
) -> Server:
    """Start a server on a free port and wait until it answers.

    Parameters
    ----------
    module
        What Python runs.
    wrapper
        A command that starts it in other surroundings.
    fresh
        Whether it imports everything itself, as one that starts in other surroundings does.
    more
        Further environment.
    """
    environ = environment(settings, **more)
    name, *words = [*module.split(), "--port", "0", *options]
    process: subprocess.Popen[bytes] | Forked
    if wrapper or fresh:
        command = [*wrapper, sys.executable, "-m", name, *words]
        process = subprocess.Popen(command, env=environ, start_new_session=True)
    else:
        process = fork(name, words, environ)
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError, ValueError):
            said = json.loads(settings.serving_path.read_bytes())
            if said["pid"] == process.pid and _holds(said["url"]):
                return Server(said["url"], settings.home, process, environ)
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(20)
    raise RuntimeError("the server did not start")


def _holds(url: str) -> bool:
    host, _, port = url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), 5):
        return True


@pytest.fixture
def serve(settings: Settings) -> Iterator[Callable[..., Server]]:
    """Return a function that starts a server on the test's data directory."""
    started: list[Server] = []

    def begin(*options: str, fresh: bool = False, **more: str) -> Server:
        started.append(start(settings, *options, fresh=fresh, **more))
        return started[-1]

    yield begin
    for server in started:
        server.stop()


@pytest.fixture(scope="module")
def shared_settings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Settings]:
    """Return a function that makes a data directory that stays for the module."""

    def make(database: str) -> Settings:
        home = tmp_path_factory.mktemp("shared")
        copy = partial(copy_database, request.getfixturevalue("postgres"))
        return prepared(request, database, home, copy)

    return make


@pytest.fixture(scope="module")
def shared_servers(
    shared_settings: Callable[[str], Settings],
) -> Iterator[Callable[[str], Server]]:
    """Return a function that gives the module's server on a database, started when needed."""
    started: dict[str, Server] = {}

    def get(database: str) -> Server:
        if database not in started:
            settings = shared_settings(database)
            started[database] = start(settings)
            started[database].beside = open_backend(settings)
        return started[database]

    yield get
    for server in started.values():
        if server.beside is not None:
            server.beside.db.close()
        server.stop()


@pytest.fixture(scope="module")
def shared_backends(
    shared_settings: Callable[[str], Settings],
) -> Iterator[Callable[[str], Backend]]:
    """Return a function that opens the module's backend on a database, once, when needed."""
    made: dict[str, Backend] = {}

    def get(database: str) -> Backend:
        if database not in made:
            made[database] = open_backend(shared_settings(database))
        return made[database]

    yield get
    for backend in made.values():
        backend.db.close()


# Command lines


@dataclass(frozen=True)
class Result:
    """What a command did."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.status == 0, self.err
        return json.loads(self.out)


Command = Callable[..., Result]


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Return a function that runs a command line in this process."""

    def do(*words: str, stdin: str = "") -> Result:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capfd.readouterr()
        status = run(list(words))
        sys.stdout.flush()
        said = capfd.readouterr()
        return Result(status, said.out, said.err)

    return do


@pytest.fixture(params=["embedded", "served"])
def place(request: pytest.FixtureRequest) -> str:
    where: str = request.param
    return where


@pytest.fixture
def world(
    place: str,
    database: str,
    new_settings: Callable[[str], Settings],
    shared_servers: Callable[[str], Server],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[str]:
    """Point commands at an embedded or a running server; nobody is signed in yet."""
    for name in [n for n in os.environ if n.startswith("ARCSECOND_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ARCSECOND_ONLINE", "0")
    monkeypatch.setenv("ARCSECOND_CONFIG", str(tmp_path / "client.ini"))
    if place == "embedded":
        settings = new_settings(database)
        monkeypatch.setenv("ARCSECOND_HOME", str(settings.home))
        if settings.database_url:
            monkeypatch.setenv("ARCSECOND_DATABASE_URL", settings.database_url)
    else:
        monkeypatch.setenv("ARCSECOND_HOME", str(tmp_path / "unused"))
        monkeypatch.setenv("ARCSECOND_SERVER", shared_servers(database).url)
    yield place
    close_all()


@pytest.fixture
def arcsecond(
    world: str, database: str, command: Command, shared_servers: Callable[[str], Server]
) -> Command:
    """Commands of somebody who may use them: the owner, or a new user signed in."""
    if world == "served":
        # As `register` does it, but beside the server, whose passwords cost what they have to.
        backend = shared_servers(database).beside
        assert backend is not None
        viewer, header = new_user(backend, f"user{os.getpid()}n{next(_numbers)}")
        _, _, key = header["X-Arcsecond-API-Authorization"].partition(" ")
        store_login(configuration.load(), viewer.username, key)
    return command


@pytest.fixture
def api(arcsecond: Command) -> Iterator[ArcsecondAPI]:
    """The module, for somebody who may use it."""
    with ArcsecondAPI() as made:
        yield made


@pytest.fixture
def sound(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever went wrong: in the end the server has nothing that is not as it should be."""
    place = request.getfixturevalue("world") if "world" in request.fixturenames else ""
    settings = Settings.from_environment(os.environ)  # before a test takes it back
    if place != "served":
        yield
        if place == "embedded":
            backend = open_backend(settings)
            with contextlib.closing(backend.db):
                assert check(backend).findings == []
        return
    server = request.getfixturevalue("shared_servers")(request.getfixturevalue("database"))
    yield
    assert check(server.beside).findings == []


EVERYWHERE = "ARCSECOND_EVERYWHERE"
"""Set, tests run in every place on every database; else embedded on one, served on the other."""

_PAIRS = {("embedded", "sqlite"), ("served", "postgresql")}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get(EVERYWHERE):
        return
    alike: dict[tuple[str, str], list[tuple[pytest.Item, tuple[str, str]]]] = {}
    for item in items:
        params = getattr(getattr(item, "callspec", None), "params", {})
        if {"place", "database"} <= params.keys():
            others = repr(
                sorted((k, repr(v)) for k, v in params.items() if k not in ("place", "database"))
            )
            where = (params["place"], params["database"])
            alike.setdefault((item.nodeid.partition("[")[0], others), []).append((item, where))
    left_out = {
        item
        for found in alike.values()
        if {where for _, where in found} > _PAIRS
        for item, where in found
        if where not in _PAIRS
    }
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


def pytest_sessionstart(session: pytest.Session) -> None:
    """Trust `make test-offline` only where there is nothing but loopback."""
    if os.environ.get("ARCSECOND_OFFLINE"):
        others = {name for _, name in socket.if_nameindex()} - {"lo"}
        if others:
            raise pytest.UsageError(f"This network is not offline: it has {others}.")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped and os.environ.get("ARCSECOND_NO_SKIPS"):
        terminalreporter.section("skipped tests, of which there may be none here")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    unexpected = [s for s in skipped if "shared data" not in str(s.longrepr)]
    if unexpected and os.environ.get("ARCSECOND_NO_SKIPS") and exitstatus == 0:
        session.exitstatus = 1
