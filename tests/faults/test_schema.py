"""What fits /schema, and what does not, is sent to a server by Schemathesis.

No request may be a fault, and no answer one that /schema does not tell. Cases
are the same in every run; ARCSECOND_FUZZ_EXAMPLES asks for more of them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import AcceptedNegativeData, ServerError
from schemathesis.engine import from_schema
from schemathesis.engine.events import FatalError, NonFatalError, ScenarioFinished
from schemathesis.engine.recorder import ScenarioRecorder
from schemathesis.openapi.checks import RejectedPositiveData

from arcsecond.registry import BY_NAME
from tests.conftest import ASTROPY_FRAMES, PASSWORD, Server, fits_bytes
from tests.test_commands import TLE

EXAMPLES = int(os.environ.get("ARCSECOND_FUZZ_EXAMPLES", "4"))

UNTOLD = {
    "cursor", "telescope", "instrument", "observing_site", "observing_run",
    "title", "username", "email", "password1", "non_field_errors", "name", "file",
    "radius", "mass", "period", "around", "coordinates", "site", "IAUCode", "time_zone",
    "Upload-Metadata", "Upload-Checksum", "search", "tags", "code", "host", "method", "visible",
    "elevation", "faintest", "transiting", "count", "dataset", "alternate_names", "longitude",
    "latitude", "height", "time", "date", "fov", "nights", "sha256",
}  # fmt: skip
"""Fields of which a schema cannot tell all: what they name, or go with, has to be there, or free.

Filters may be empty in a form of a page, and in nothing else.
"""

STRICTEST = ("administrator", "postgresql")
"""Who reaches every statement, and the database that takes the least: no NUL, no large number."""

SITE = {"longitude": -70.4, "latitude": -24.6, "height": 2635.0}
KEY = "X-Arcsecond-API-Authorization"
ACCEPTED = ["2XX", "3XX", "5XX", 401, 403, 404, 409, 410, 413, 415, 423, 460]

SMALL_FRAMES = [
    p.read_bytes() for p in sorted(ASTROPY_FRAMES.glob("*.fits")) if p.stat().st_size < 30_000
]


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """Frames of astropy's own tests, and one with whatever a card may hold."""
    if draw(st.booleans()):
        return draw(st.sampled_from(SMALL_FRAMES))
    frame = fits_bytes()
    characters = st.characters(max_codepoint=255)
    cards = draw(st.lists(st.text(characters, min_size=80, max_size=80), max_size=4))
    header = frame[: frame.index(b"END" + b" " * 77)] + "".join(cards).encode("latin-1") + b"END"
    return header.ljust(2880) + frame[2880:]


schemathesis.openapi.media_type("application/fits", frames())
schemathesis.openapi.media_type("application/offset+octet-stream", st.binary(max_size=100))
schemathesis.openapi.media_type("text/plain", st.sampled_from([TLE.encode()]))


@schemathesis.serializer("application/offset+octet-stream")
def _as_it_is(_context: object, value: bytes) -> bytes:
    return value


@dataclass(frozen=True)
class World:
    """A server with something in it.

    Attributes
    ----------
    known
        Keys by resource; those that nothing deletes.
    doomed
        Keys that deletes are tried with.
    """

    url: str
    headers: dict[str, str]
    known: dict[str, list[Any]]
    doomed: dict[str, list[Any]]


def furnished(server: Server) -> World:
    """Register an administrator and let her make some of everything."""
    with httpx2.Client(base_url=server.url, timeout=60) as http:
        given = {"username": "ann", "email": "ann@localhost"}
        given |= {"password1": PASSWORD, "password2": PASSWORD}
        token = http.post("/auth/registration/", json=given).json()["key"]
        mine = {"Authorization": f"Token {token}"}
        key = http.get("/profiles/ann/keys/", headers=mine).json()["api_key"]
        headers = {KEY: f"Key {key}"}
        http.headers.update(headers)
        add = [sys.executable, "-m", "arcsecond", "server", "admin", "add", "ann"]
        subprocess.run(add, env=server.environ, check=True, capture_output=True)
        http.post("/satellites/import/", content=TLE)
        instrument = http.get("/instruments/").json()[0]
        telescope = http.get(f"/telescopes/{instrument['telescope']}/").json()
        kept, doomed = _made(http, "kept"), _made(http, "doomed")
        address = f"/datasets/{kept['datasets'][0]}/fitsfiles/"
        for n, frame in enumerate(SMALL_FRAMES[:8]):
            pk = http.post(address, files={"file": (f"{n}.fits", frame)}).json()["pk"]
            (kept, doomed)[n % 2].setdefault("fitsfiles", []).append(str(pk))
        known = {
            "objects": ["HD 5980", "M 31"],
            "exoplanets": ["51 Peg b"],
            "findingcharts": ["HD 5980", "M 42"],
            "catalogues": ["well-known"],
            "profiles": ["ann", "ann@localhost"],
            "satellites": [25544, "ISS (ZARYA)"],
        }
        kept["observingsites"] += ["309", telescope["observing_site"]]
        kept["telescopes"] += ["UT2", telescope["uuid"]]
        kept["instruments"] += ["UVES", instrument["uuid"]]
        for things in (kept, doomed):
            things["trash"] = _deleted(http)
        return World(server.url, headers, known | kept, doomed)


def _deleted(http: httpx2.Client) -> list[str]:
    """Make things and delete them; returns what they are called in the trash."""
    keys: list[str] = []
    for _ in range(3):
        keys.append(http.post("/observingruns/", json={"name": "gone"}).json()["uuid"])
        http.delete(f"/observingruns/{keys[-1]}/")
    return keys


def _made(http: httpx2.Client, of: str) -> dict[str, list[Any]]:
    made: dict[str, list[Any]] = {}
    for n in range(4):
        for name, body, key in (
            ("datasets", {"name": f"d{n}", "is_public": n % 2 == 0, "tags": ["a", "b"]}, "uuid"),
            ("observingruns", {"name": f"r{n}"}, "uuid"),
            ("nightlogs", {"date": "2026-11-22"}, "uuid"),
            ("activities", {"title": f"a{n}", "target": "M 31"}, "pk"),
            ("observingsites", SITE | {"name": f"{of} {n}"}, "uuid"),
            ("telescopes", {"name": f"t{n}", "observing_site": "309"}, "uuid"),
            ("instruments", {"name": f"i{n}", "telescope": "UT1"}, "uuid"),
        ):
            made.setdefault(name, []).append(http.post(f"/{name}/", json=body).json()[key])
    return made


@pytest.fixture(scope="module")
def worlds(shared_servers: Callable[[str], Server]) -> Callable[[str], World]:
    """Return a function that gives the furnished server on a database."""
    made: dict[str, World] = {}

    def get(database: str) -> World:
        if database not in made:
            made[database] = furnished(shared_servers(database))
        return made[database]

    return get


def configured(world: World, asker: str, database: str) -> SchemathesisConfig:
    """Return what Schemathesis has to know: keys that are there, and when to stop."""
    words: dict[str, list[Any]] = {
        "format": ["json", "api"],
        "username": ["ann"],
        "new name": [f"user{n}" for n in range(40)],
        "new address": [f"user{n}@localhost" for n in range(40)],
        "password": [PASSWORD],
        "key": [world.headers[KEY].removeprefix("Key ")],
        "home": world.known["datasets"][:1],
        "site": ["309", "Paranal", "950"],
        "observingsite": ["309", "La Silla", "250"],
        "object": ["M 31", "51 Peg b", "83.82,-5.39"],
        "satellite": ["25544", "ISS"],
    }
    operations: list[dict[str, Any]] = [
        {
            "include-name": "POST /auth/registration/",
            "parameters": {
                "body.username": _drawn("new name"),
                "body.email": _drawn("new address"),
            },
        }
    ]
    for methods, things in (("GET|POST|PUT|PATCH", world.known), ("DELETE", world.doomed)):
        for name, keys in things.items():
            inside = BY_NAME[name].parent == "datasets"
            one = f"/datasets/{{dataset}}/{name}/" if inside else f"/{name}/{{key}}/"
            words[f"{methods} {name}"] = keys
            parameters = {"path.key": _drawn(f"{methods} {name}")}
            parameters |= {"path.dataset": _drawn("home")} if inside else {}
            label = f"^({methods}) {re.escape(one)}"
            operations.append({"include-name-regex": label, "parameters": parameters})
    headers = {} if asker == "stranger" else dict(world.headers)
    headers |= {"Accept": "text/html"} if asker == "browser" else {}
    fields = {
        "observing_site": "observingsites", "telescope": "telescopes",
        "instrument": "instruments", "observing_run": "observingruns",
    }  # fmt: skip
    return SchemathesisConfig.from_dict(
        {
            "seed": 1,
            "headers": headers,
            # Each limit of each field, once, where a database has limits of its own.
            "phases": {"coverage": {"enabled": (asker, database) == STRICTEST}},
            "dictionaries": {name: {"values": values} for name, values in words.items()},
            "parameters": {
                "query.format": _drawn("format"),
                "query.site": _drawn("site"),
                **{
                    f"path.{name}": _drawn(name)
                    for name in ("observingsite", "object", "satellite")
                },
                "body.username": _drawn("username"),
                "body.password": _drawn("password"),
                "body.password1": _drawn("password"),
                "body.password2": _drawn("password"),
                "body.key": _drawn("key"),
                **{f"body.{k}": _drawn(f"GET|POST|PUT|PATCH {v}") for k, v in fields.items()},
            },
            "operations": operations,
            "checks": {
                "negative_data_rejection": {"expected-statuses": ["4XX", "5XX"]},
                "positive_data_acceptance": {"expected-statuses": ACCEPTED},
                # 412 for Tus-Resumable, as tus wants it.
                "missing_required_header": {"expected-statuses": ["4XX"]},
            },
            "suppress-health-check": ["all"],
            "generation": {"max-examples": EXAMPLES, "deterministic": True, "database": "none"},
            "request-timeout": 120,
        }
    )


def _drawn(name: str) -> dict[str, Any]:
    return {"dictionary": name, "probability": 0.7}


@pytest.mark.timeout(240 + EXAMPLES * 60)
@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")
@pytest.mark.parametrize(
    ("asker", "database"),
    [
        # Whoever may do everything reaches every statement; the others are told what they may not.
        ("administrator", "sqlite"),
        ("administrator", "postgresql"),
        ("stranger", "sqlite"),
        ("browser", "postgresql"),
    ],
)
def test_answers_are_those_of_the_schema(
    asker: str, database: str, worlds: Callable[[str], World]
) -> None:
    world = worlds(database)
    api = schemathesis.openapi.from_url(
        world.url + "/schema", config=configured(world, asker, database)
    )
    api = api.exclude(path="/live")  # never ends
    # Each of these writes a whole catalogue, for seconds; tests/test_importing.py has their faults.
    api = api.exclude(path_regex="^/catalogues/(import|refresh|build)/")

    @api.hook
    def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
        match failure:
            case RejectedPositiveData():
                return not _untold(response)
            case ServerError():  # a survey is not asked here, and says so
                return response.status_code != 503
            case AcceptedNegativeData():
                return not _blank_around(case.body)
        return True

    problems: dict[str, str] = {}
    for event in from_schema(api).execute():
        match event:
            case ScenarioFinished():
                problems |= dict(_problems(event.recorder))
            case NonFatalError() | FatalError():
                problems[str(event)] = repr(getattr(event, "value", event))
    assert not problems, "\n\n".join(problems.values())


def _untold(response: Any) -> bool:
    """Tell whether a request was refused for what no schema tells."""
    if "json" not in response.headers["content-type"][0]:
        return True
    said = response.json()
    unreadable = "NUL" in said["detail"] or "are none" in said["detail"]
    return unreadable or said["code"] == "credentials" or bool(set(said) & UNTOLD)


def _blank_around(body: Any) -> bool:
    """Tell whether a text is shorter than it looks: a text is judged without the blanks around it."""
    values = body.values() if isinstance(body, dict) else ()
    return any(isinstance(value, str) and value != value.strip() for value in values)


def _problems(recorder: ScenarioRecorder) -> Iterator[tuple[str, str]]:
    for checks in recorder.checks.values():
        for check in checks:
            if found := check.failure_info:
                failure = found.failure
                told = (
                    f"{failure.operation}: {failure.title}\n{failure.message}\n{found.code_sample}"
                )
                yield f"{failure.operation} {failure.title}", told
