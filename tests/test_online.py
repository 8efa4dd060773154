"""Names that nobody here knows, asked at a stand-in for SIMBAD that behaves in every way."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from arcsecond.errors import InvalidInputError, NotFoundError, UnavailableError
from arcsecond.server.app import open_backend
from arcsecond.server.catalogues import builtin, online, refreshing, remote, service
from arcsecond.server.catalogues.builtin import catalogue
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.settings import Settings
from tests.conftest import Http
from tests.test_importing import ADMIN, backend  # noqa: F401  # a fixture

ADDRESS = ("127.0.0.1", 0)
FIELDS = {
    "main_id": "char", "ra": "double", "dec": "double", "coo_bibcode": "char", "otype": "char",
    "sp_type": "char", "sp_bibcode": "char", "morph_type": "char", "morph_bibcode": "char",
    "pmra": "double", "pmdec": "double", "pm_bibcode": "char", "plx_value": "double",
    "plx_bibcode": "char", "rvz_radvel": "double", "rvz_bibcode": "char", "galdim_majaxis": "float",
    "galdim_bibcode": "char", "ids": "char", "filter": "char", "flux": "double", "bibcode": "char",
}  # fmt: skip
STAR = {
    "main_id": "* zzz Arc", "ra": 123.25, "dec": -45.5, "otype": "V*", "sp_type": "M4V",
    "sp_bibcode": "2001A&A...1....1X", "pmra": 10.5, "pmdec": -3.25, "plx_value": 0.0,
    "rvz_radvel": 0.0, "ids": "* zzz Arc|GSC 01234-00567|HD   7654321", "filter": "V", "flux": 12.5,
}  # fmt: skip


def votable(rows: list[dict[str, object]], fields: dict[str, str], status: str = "OK") -> bytes:
    heads = "".join(
        f'<FIELD name="{n}" datatype="{t}"{" arraysize=" + chr(34) + "*" + chr(34) if t == "char" else ""}/>'
        for n, t in fields.items()
    )
    cells = "".join(
        "<TR>" + "".join(f"<TD>{row.get(n, '')}</TD>" for n in fields) + "</TR>" for row in rows
    ).replace("&A", "&amp;A")
    return (
        '<?xml version="1.0"?><VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'
        f'<RESOURCE type="results"><INFO name="QUERY_STATUS" value="{status}"/><TABLE>{heads}'
        f"<DATA><TABLEDATA>{cells}</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
    ).encode()


@dataclass
class StandIn:
    """What the service does next, and what it was asked."""

    url: str
    how: str = "well"
    body: bytes = b""
    asked: list[str] = field(default_factory=list)
    together: int = 0
    most: int = 0


class Handler(BaseHTTPRequestHandler):
    """Answers as the stand-in is told to."""

    stand_in: StandIn

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        asked = self.rfile.read(length).decode()
        self.stand_in.asked.append(parse_qs(asked).get("QUERY", [""])[0])
        self.stand_in.together += 1
        self.stand_in.most = max(self.stand_in.most, self.stand_in.together)
        with contextlib.suppress(OSError):
            self.answer(self.stand_in.how, self.stand_in.body)
        self.stand_in.together -= 1

    do_GET = do_POST

    def answer(self, how: str, body: bytes) -> None:
        time.sleep({"late": 3.0, "some time": 0.3}.get(how, 0.0))
        if how == "slow headers":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            for n in range(40):
                self.wfile.write(f"X-{n}: y\r\n".encode())
                self.wfile.flush()
                time.sleep(0.1)
        moved = how.startswith("moved") and "there" not in self.path
        if moved or how == "around":
            self.send_response(int(how.split()[1]) if moved else 302)
            self.send_header("Location", "/there")
            self.end_headers()
            while True:  # what it says on the way is not waited for
                self.wfile.write(bytes(1 << 16))
        self.send_response(500 if how == "500" else 200)
        self.end_headers()
        if how == "drip":
            for byte in body:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(0.05)
        others = {
            "html": b"<html><body>Sorry, we are being maintained.</body></html>",
            "half": body[: len(body) // 2],
            "error": body.replace(b'"OK"', b'"ERROR"'),
            "empty": b"",
        }
        self.wfile.write(others.get(how, body))

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def simbad() -> Iterator[StandIn]:
    server = ThreadingHTTPServer(ADDRESS, Handler)
    server.daemon_threads = True
    Handler.stand_in = StandIn(
        f"http://127.0.0.1:{server.server_port}", body=votable([STAR], FIELDS)
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Handler.stand_in
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def asking(
    backend: Backend, simbad: StandIn, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> Backend:  # fmt: skip
    """A backend that asks the stand-in, and has little patience."""
    monkeypatch.setattr(online, "PATIENCE_S", 1.0)
    settings = replace(
        backend.settings, online=True, simbad_url=simbad.url, nasa_url=simbad.url,
        celestrak_url=simbad.url,
    )  # fmt: skip
    return open_backend(settings)


def ask(backend: Backend, name: str) -> str:  # noqa: F811
    return service.ask_elsewhere(backend, Viewer(), name).name


def test_an_answer_is_given_and_remembered(asking: Backend, simbad: StandIn) -> None:
    found = service.ask_elsewhere(asking, Viewer(), "zzz Arc")
    assert (found.name, found.coordinates.right_ascension) == ("zzz Arc", 123.25)
    assert [alias.name for alias in found.aliases] == ["GSC 01234-00567", "HD 7654321"]
    assert found.object_types == ["Variable star"]
    assert found.spectral_type is not None
    assert found.spectral_type.bibcode == "2001A&A...1....1X"
    assert found.radial_velocity is not None
    assert found.radial_velocity.value == 0.0
    assert [(flux.name, flux.value) for flux in found.fluxes] == [("V", 12.5)]
    assert "i.id = 'zzz Arc'" in simbad.asked[0]
    simbad.how = "500"
    assert ask(asking, "ZZZ  arc") == "zzz Arc"
    assert service.read_object(asking, Viewer(), "zzz arc").source == found.source
    assert len(simbad.asked) == 1


def test_what_is_unknown_is_remembered_for_a_while(
    asking: Backend, simbad: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    simbad.body = votable([], FIELDS)
    for _ in range(3):
        with pytest.raises(NotFoundError, match="neither here nor at SIMBAD"):
            ask(asking, "Nibiru")
    assert len(simbad.asked) == 1
    later = time.time() + online.UNKNOWN_S + 1
    monkeypatch.setattr(time, "time", lambda: later)
    simbad.body = votable([STAR], FIELDS)
    assert ask(asking, "Nibiru") == "zzz Arc"


@pytest.mark.parametrize(
    "how", ["500", "html", "half", "error", "drip", "slow headers", "late", "empty"]
)
def test_a_service_that_fails_costs_a_moment(how: str, asking: Backend, simbad: StandIn) -> None:
    simbad.how = how
    with pytest.raises(NotFoundError) as error:
        ask(asking, "zzz Arc")
    assert error.value.detail.startswith(
        "Object 'zzz Arc' not found locally; SIMBAD did not answer."
    )
    simbad.how = "well"
    assert ask(asking, "zzz Arc") == "zzz Arc"  # a failure is not remembered as an answer


def test_a_service_that_keeps_failing_is_left_alone(
    asking: Backend, simbad: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    simbad.how = "500"
    for n in range(6):
        with pytest.raises(NotFoundError, match="SIMBAD did not answer"):
            ask(asking, f"zzz {n}")
    assert len(simbad.asked) == online.FAILURES
    simbad.how, now = "well", time.time()
    monkeypatch.setattr(time, "time", lambda: now + online.REST_S + 5)
    assert ask(asking, "zzz 1") == "zzz Arc"
    assert ask(asking, "zzz 2") == "zzz Arc"  # it is trusted again
    assert len(simbad.asked) == online.FAILURES + 2


def test_few_questions_are_under_way_at_a_time(asking: Backend, simbad: StandIn) -> None:
    simbad.how = "some time"
    threads = [threading.Thread(target=ask, args=(asking, f"zzz {n}")) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(simbad.asked) == 8
    assert simbad.most <= online.MOST_IN_FLIGHT


@pytest.mark.parametrize("name", ["O'Meara", '50% "x"', "a/b\\c", "x'); DROP TABLE basic --"])
def test_names_are_quoted(name: str, asking: Backend, simbad: StandIn) -> None:
    ask(asking, name)
    assert f"i.id = '{name.replace(chr(39), chr(39) * 2)}'" in simbad.asked[0]


@pytest.mark.parametrize("database", ["sqlite"])
def test_through_the_server(
    asking: Backend, simbad: StandIn, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Http(asking.settings) as http:
        assert http.get("/objects/zzz Arc/").json()["name"] == "zzz Arc"
        assert http.get("/findingcharts/zzz Arc/").status_code == 200  # it is known now
        simbad.how = "500"
        missing = http.get("/objects/yyy Arc/")
        assert missing.status_code == 404
        assert "SIMBAD did not answer" in missing.json()["detail"]
        asked = len(simbad.asked)
        for path in ("/objects/M31/", "/objects/16:16:16 -85:05:05/", "/objects/" + "x" * 10_000 + "/",
                     "/objects/%00/", "/objects/?name=qqq", "/exoplanets/qqq b/"):  # fmt: skip
            http.get(path)
        assert len(simbad.asked) == asked  # what is known, no name, or listed is not asked


def test_without_network_nothing_is_asked(
    backend: Backend, simbad: StandIn  # noqa: F811
) -> None:  # fmt: skip
    settings = replace(backend.settings, simbad_url=simbad.url)
    assert not online.worth_asking(settings, "zzz Arc")
    with Http(settings) as http:
        assert (
            http.get("/objects/zzz Arc/").json()["detail"].startswith("Object 'zzz Arc' not found.")
        )
    with pytest.raises(UnavailableError, match="asks nothing on the network"):
        refreshing.refresh(backend, ADMIN, "exoplanets")
    assert simbad.asked == []


# Refreshing

PLANETS = {
    "pl_name": "char", "hostname": "char", "ra": "double", "dec": "double",
    "discoverymethod": "char", "disc_year": "int", "pl_orbper": "double", "pl_bmassj": "double",
}  # fmt: skip


def planets(count: int) -> bytes:
    rows: list[dict[str, object]] = [
        {
            "pl_name": f"Star-{n} b", "hostname": f"Star-{n}", "ra": 0.01 * n, "dec": 10.0,
            "discoverymethod": "Transit", "disc_year": 2026, "pl_orbper": 3.5,
        }
        for n in range(count)
    ]  # fmt: skip
    return votable(rows, PLANETS)


def test_exoplanets_are_fetched(asking: Backend, simbad: StandIn) -> None:
    simbad.body = planets(4_000)
    done = refreshing.refresh(asking, ADMIN, "exoplanets").items[0]
    assert (done.key, done.rows, done.unchanged) == ("nasa", 4_000, False)
    file = catalogue(asking.settings, "exoplanets")
    assert file.find("Star-17 b")[0][1].is_transiting
    assert file.parts()["nasa"].origin == "refreshed"
    assert refreshing.refresh(asking, ADMIN, "exoplanets").items[0].unchanged
    assert "FROM pscomppars" in simbad.asked[0]


def _stop(simbad: StandIn) -> None:
    simbad.how = "half"


def _few(simbad: StandIn) -> None:
    simbad.body = planets(100)


def _page(simbad: StandIn) -> None:
    simbad.how = "html"


def _other(simbad: StandIn) -> None:
    simbad.body = votable([STAR], FIELDS)


def _cut(simbad: StandIn) -> None:
    simbad.body = simbad.body.replace(
        b"</TABLE>", b'</TABLE><INFO name="QUERY_STATUS" value="OVERFLOW"/>'
    )


@pytest.mark.parametrize("fault", [_stop, _few, _page, _other, _cut])
def test_what_is_not_whole_leaves_the_old_one(
    fault: Callable[[StandIn], None], asking: Backend, simbad: StandIn
) -> None:
    path = builtin.path_of(asking.settings, "exoplanets")
    before = path.stat().st_ino
    simbad.body = planets(4_000)
    fault(simbad)
    with pytest.raises((UnavailableError, InvalidInputError)):
        refreshing.refresh(asking, ADMIN, "exoplanets")
    assert path.stat().st_ino == before
    assert catalogue(asking.settings, "exoplanets").find("51 Peg b")


def test_bright_stars_and_satellites_are_fetched(asking: Backend, simbad: StandIn) -> None:
    from tests.test_commands import TLE

    simbad.body = votable(
        [{"main_id": "* alf CMa", "ra": 101.287, "dec": -16.716, "sp_type": "A0mA1Va",
          "rvz_radvel": -5.5, "flux": -1.46, "ids": "* alf CMa|HIP  32349|NAME Dog Star"}],
        {"main_id": "char", "ra": "double", "dec": "double", "sp_type": "char",
         "rvz_radvel": "double", "flux": "double", "ids": "char"},
    )  # fmt: skip
    assert refreshing.refresh(asking, ADMIN, "stars").items[0].rows == 1
    assert catalogue(asking.settings, "objects").find("Dog Star")[0][1].name == "Sirius"
    simbad.body = TLE.encode()
    done = refreshing.refresh(asking, ADMIN, "satellites").items[0]
    assert (done.key, done.rows) == ("satellites", 1)
    simbad.how = "html"
    with pytest.raises(InvalidInputError):
        refreshing.refresh(asking, ADMIN, "satellites")
    with pytest.raises(InvalidInputError, match="no catalogue to fetch"):
        refreshing.refresh(asking, ADMIN, "comets")


def test_one_that_fails_does_not_keep_the_others(asking: Backend, simbad: StandIn) -> None:
    """Also as the first that is done in a new directory."""
    shutil.rmtree(asking.settings.catalogues_path)
    catalogue.cache_clear()
    simbad.body = planets(4_000)
    done = {one.key: one for one in refreshing.refresh(asking, ADMIN).items}
    assert (done["nasa"].rows, done["nasa"].problem) == (4_000, "")
    assert "no table of stars" in done["stars"].problem
    assert done["satellites"].problem
    assert catalogue(asking.settings, "exoplanets").find("Star-17 b")
    simbad.how = "500"
    with pytest.raises(UnavailableError):
        refreshing.refresh(asking, ADMIN)


def test_an_impossible_position_is_none(asking: Backend, simbad: StandIn) -> None:
    row = {"main_id": "HD 900002", "ra": 10.0, "dec": 999.0, "sp_type": "", "rvz_radvel": 0.0,
           "flux": 5.0, "ids": "HD 900002"}  # fmt: skip
    simbad.body = votable(
        [row],
        {"main_id": "char", "ra": "double", "dec": "double", "sp_type": "char",
         "rvz_radvel": "double", "flux": "double", "ids": "char"},
    )  # fmt: skip
    with pytest.raises(UnavailableError, match="no position of HD 900002"):
        refreshing.refresh(asking, ADMIN, "stars")
    assert not catalogue(asking.settings, "objects").find("HD 900002")


def test_settings_of_the_network() -> None:
    assert Settings.from_environment({"HOME": "/nowhere"}).online
    assert not Settings.from_environment({"HOME": "/nowhere", "ARCSECOND_ONLINE": "0"}).online
    assert not Settings(Path("/nowhere")).online


@pytest.mark.parametrize(
    "wrong", [{"main_id": ""}, {"ra": "here"}, {"pmra": "fast"}, {"flux": "bright"}]
)
def test_a_row_that_is_none(asking: Backend, simbad: StandIn, wrong: dict[str, str]) -> None:
    fields = FIELDS | dict.fromkeys(wrong, "char")
    lacking = {name: kind for name, kind in fields.items() if wrong.get(name) != ""}
    simbad.body = votable([STAR | wrong], lacking)
    for _ in range(2):
        with pytest.raises(NotFoundError, match="SIMBAD did not answer"):
            ask(asking, "zzz Arc")


def test_a_memory_that_is_damaged_begins_anew(asking: Backend, simbad: StandIn) -> None:
    assert ask(asking, "zzz Arc") == "zzz Arc"
    path = online._path(asking.settings)
    path.write_bytes(b"no database" * 1000)
    assert ask(asking, "zzz Arc") == "zzz Arc"
    assert ask(asking, "zzz Arc") == "zzz Arc"
    assert len(simbad.asked) == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_service_that_has_moved(asking: Backend, simbad: StandIn, status: int) -> None:
    simbad.how = f"moved {status}"
    assert ask(asking, "zzz Arc") == "zzz Arc"
    assert len(simbad.asked) == 2
    assert bool(simbad.asked[1]) == (status in (307, 308))  # else it is asked for the answer


def test_a_service_that_leads_around(asking: Backend, simbad: StandIn) -> None:
    simbad.how = "around"
    with pytest.raises(NotFoundError, match="SIMBAD did not answer"):
        ask(asking, "zzz Arc")
    assert len(simbad.asked) == remote.MOST_REDIRECTS
