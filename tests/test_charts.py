"""Finding charts: stars where their coordinates say, in every format; surveys by a stand-in."""

from __future__ import annotations

import io
import itertools
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import numpy as np
import pytest

from arcsecond.client.api import ArcsecondAPI
from arcsecond.errors import ArcsecondInputValueError, InvalidInputError, NotFoundError
from arcsecond.server.app import open_backend
from arcsecond.server.catalogues.builtin import catalogue
from arcsecond.server.catalogues.file import Mark
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.observatory import chart, charts, surveys
from arcsecond.server.settings import Settings
from tests.conftest import Command, Http

PLACES = {
    "the north pole": (37.95, 89.3, 3.0),
    "the south pole": (0.0, -90.0, 4.0),
    "RA 0": (0.0, 10.0, 8.0),
    "the equator": (83.0, 0.0, 5.0),
    "a wide field": (187.0, -60.0, 40.0),
    "a small field": (83.82, -5.39, 0.05),
}


def wcs_of(png: bytes) -> tuple[Any, Any]:
    """Return a picture's pixels, from the lower left, and the WCS that it carries."""
    from astropy.io import fits
    from astropy.wcs import WCS
    from PIL import Image

    image = Image.open(io.BytesIO(png))
    cards = image.text["Description"].split("\n")  # type: ignore[attr-defined]
    header = fits.Header([fits.Card.fromstring(card) for card in cards])
    pixels = np.asarray(image.convert("L"), dtype=float)[::-1]
    assert pixels.shape == (header["NAXIS2"], header["NAXIS1"])
    return pixels, WCS(header)


@pytest.mark.parametrize("place", PLACES)
def test_stars_are_where_their_coordinates_say(place: str) -> None:
    """Within a pixel, by the WCS of the picture itself, as astropy understands it."""
    ra, dec, width = PLACES[place]
    half = width / 2 * 0.8
    spots = [
        (ra, dec), *(
            offset(ra, dec, half * r, angle)
            for r, angle in ((0.5, 40), (0.9, 75), (0.7, 200), (0.95, 290), (0.3, 130))
        ),
    ]  # fmt: skip
    stars = [Mark("", a, d, ["Star"], v=3.0) for a, d in spots]
    plan = chart.planned(lambda radius: stars, "", ra, dec, width)
    assert len(plan.stars) == len(stars)
    pixels, wcs = wcs_of(chart.draw(plan, "png", ""))
    blank = chart.planned(lambda radius: [], "", ra, dec, width)
    empty, _ = wcs_of(chart.draw(blank, "png", ""))
    ink = np.clip(empty - pixels, 0, None)
    for a, d in spots[1:]:  # the marks of the target hide its own edges
        x, y = (float(v) for v in wcs.all_world2pix(a, d, 0))
        assert chart.pixel(plan, a, d) == pytest.approx((x + 1, y + 1), abs=0.01)
        left, low = round(x) - 9, round(y) - 9
        window = ink[low : low + 19, left : left + 19]
        assert window.sum() > 500, (a, d)
        rows, columns = np.mgrid[0:19, 0:19]
        centre = (
            left + float((columns * window).sum() / window.sum()),
            low + float((rows * window).sum() / window.sum()),
        )
        assert np.hypot(centre[0] - x, centre[1] - y) < 1.0, (a, d, centre, (x, y))


def offset(ra: float, dec: float, by: float, angle: float) -> tuple[float, float]:
    import astropy.units as u
    from astropy.coordinates import SkyCoord

    there = SkyCoord(ra, dec, unit="deg").directional_offset_by(angle * u.deg, by * u.deg)
    return float(there.ra.deg), float(there.dec.deg)


def test_north_is_up_and_east_is_left() -> None:
    plan = chart.planned(lambda radius: [], "", 359.9, 20.0, 2.0)
    middle = chart.pixel(plan, 359.9, 20.0)
    north, east = chart.pixel(plan, 359.9, 20.3), chart.pixel(plan, 0.2, 20.0)
    assert north[1] > middle[1]
    assert north[0] == pytest.approx(middle[0])
    assert east[0] < middle[0]
    assert chart.project(179.9, -20.0, 359.9, 20.0) is None


def test_what_a_chart_shows_is_what_the_catalogue_has(backend: Backend) -> None:
    """All stars of the field, none that is fainter than it says, none from elsewhere."""
    file = catalogue(backend.settings, "objects")
    plan = charts.plan(backend, "56.75,24.1", {"fov": "3deg", "faintest": "9"})
    assert plan.limit is not None
    assert plan.limit <= 9
    near = [file.row(id_) for _, id_ in file.around(56.75, 24.1, 1.5)]
    bright = {
        row.name
        for row in near
        if "Star" in row.types
        and any(f["name"] in ("V", "Hp") and f["value"] <= 8.9 for f in row.fluxes)
    }
    assert len(bright) > 25
    assert bright <= {mark.name for mark in plan.stars}
    whole = charts.plan(backend, "56.75,24.1", {"fov": "3deg"})
    assert len(whole.stars) > len(plan.stars)
    assert [m.v for m in plan.stars] == sorted(m.v for m in plan.stars if m.v is not None)


def test_how_far_the_catalogue_goes_is_said(backend: Backend) -> None:
    """On the chart and beside it, but for what goes no deeper."""
    chart_of = charts.list_charts(backend, Viewer(), "M 45", {}).items[0]
    assert chart_of.complete_to == charts.HIPPARCOS_V
    for faintest, said in (("12", True), ("6", False)):
        drawn = charts.draw_chart(backend, Viewer(), "M 45", "svg", {"faintest": faintest}) or b""
        assert (b"All stars to 7.3 mag" in drawn) == said
    alone = charts.draw_chart(backend, Viewer(), "Sirius", "svg", {"fov": "10arcmin"}) or b""
    assert b"All stars to 7.3 mag" in alone
    file = catalogue(backend.settings, "objects")
    v = [m.v for m in file.marks(56.75, 24.1, 30.0) if m.is_star and m.v is not None]
    counts = [sum(n <= one < n + 1 for one in v) for n in range(4, 9)]
    # As many more as there are in the sky, magnitude by magnitude, up to where it ends.
    assert all(2 < b / a < 4 for a, b in itertools.pairwise(counts[:-1]))


@pytest.mark.parametrize(
    ("text", "degrees"),
    [("2deg", 2), ("2", 2), ("30arcmin", 0.5), ("30'", 0.5), ("90 arcsec", 0.025), ("1.5°", 1.5),
     ("60", 60), ("10arcsec", 10 / 3600)],
)  # fmt: skip
def test_fields(text: str, degrees: float) -> None:
    assert charts.parse_field(text) == pytest.approx(degrees)


@pytest.mark.parametrize(
    "text", ["0", "0deg", "400deg", "61", "-2deg", "wide", "nan", "inf", "1e3", "9arcsec", "2 m"]
)
def test_fields_that_are_none(text: str, http: Http) -> None:
    with pytest.raises(InvalidInputError, match="no field of a chart"):
        charts.parse_field(text)
    for address in ("/findingcharts/M 31/", "/findingcharts/M 31/chart.png"):
        answer = http.get(address, params={"fov": text})
        assert answer.status_code == 400
        assert answer.json()["fov"]


@pytest.mark.parametrize("query", ["faintest=bright", "faintest=nan", "faintest=99", "size=2"])
def test_wrong_questions(query: str, http: Http) -> None:
    assert http.get(f"/findingcharts/M 31/?{query}").status_code == 400


@pytest.mark.parametrize("key", ["M 42", "HD 209458 b", "83.82,-5.39", "05h35m16s -05d23m28s"])
def test_a_name_or_a_position_in_every_format(key: str, http: Http) -> None:
    (shown,) = http.get(f"/findingcharts/{key}/").json()
    assert shown["pk"] == 1
    assert shown["size_unit"] == "arcmin"
    starts = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    addresses = [shown["image_url"], *shown["other_urls"]]
    assert len(addresses) == 3
    for address in addresses:
        answer = http.get(address)
        assert answer.status_code == 200
        kind = urlsplit(address).path[-3:]
        assert answer.content.startswith(starts[kind])
        assert answer.headers["content-type"].split(";")[0] == {
            "png": "image/png", "svg": "image/svg+xml", "pdf": "application/pdf"
        }[kind]  # fmt: skip
        if kind == "svg":
            root = ElementTree.fromstring(answer.content)
            assert root.tag.endswith("svg")
            assert "CRVAL1" in "".join(root.itertext())
    assert http.get(f"/findingcharts/{key}/chart.gif").status_code == 404
    assert http.get(f"/findingcharts/{key}/curve.png").status_code == 404


def test_a_field_is_as_wide_as_it_was_asked_for(http: Http) -> None:
    (shown,) = http.get("/findingcharts/M 42/?fov=2deg&faintest=8").json()
    assert (shown["width"], shown["height"]) == (120, 120)
    assert shown["limiting_magnitude"] <= 8
    _, wcs = wcs_of(http.get(shown["image_url"]).content)
    assert wcs.wcs.crval == pytest.approx([83.81867, -5.38967])
    assert wcs.wcs.cdelt[1] * chart.SIDE_PX == pytest.approx(2, rel=1e-3)


def test_what_is_unknown_has_no_chart(http: Http) -> None:
    for address in ("/findingcharts/Nonsense 1/", "/findingcharts/Nonsense 1/chart.png"):
        assert http.get(address).status_code == 404
    assert http.get("/findingcharts/400,0/").status_code == 400


@pytest.mark.parametrize(
    ("place", "field"),
    [
        ("Polaris", "10arcsec"),
        ("12.3,89.5", "5arcmin"),
        ("200,-89.9", "2arcmin"),
        ("77,89.8", "1deg"),
    ],
)
def test_right_ascensions_are_told_near_a_pole(place: str, field: str, backend: Backend) -> None:
    drawn = charts.draw_chart(backend, Viewer(), place, "svg", {"fov": field}) or b""
    words = re.findall(r"<!-- (.*?) -->", drawn.decode())
    assert any(re.fullmatch(r"\d{1,2}h(\d\dm)?([\d.]+s)?", word) for word in words), words


def test_a_chart_is_drawn_once(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    first = charts.draw_chart(backend, Viewer(), "M 57", "png", {})
    monkeypatch.setattr(chart, "draw", lambda *_: b"anew")
    assert charts.draw_chart(backend, Viewer(), "M 57", "png", {}) == first
    assert charts.draw_chart(backend, Viewer(), "M 57", "svg", {}) == b"anew"
    assert charts.draw_chart(backend, Viewer(), "M 57", "png", {"fov": "3"}) == b"anew"
    monkeypatch.setattr(charts, "MOST_KEPT_BYTES", 8)
    assert charts.sweep(backend) == 1  # the one that was drawn first
    assert charts.draw_chart(backend, Viewer(), "M 57", "png", {}) == b"anew"


def test_a_chart_is_drawn_without_room_to_keep_it(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    (backend.settings.home / "charts").write_text("no folder")
    assert charts.draw_chart(backend, Viewer(), "M 57", "png", {}).startswith(b"\x89PNG")


def test_a_users_own_settings_of_matplotlib_are_left_alone(backend: Backend) -> None:
    import matplotlib as mpl

    plain = chart.draw(charts.plan(backend, "M 92", {}), "png", "")
    own = {"text.usetex": True, "savefig.bbox": "tight", "axes.facecolor": "black"}
    with mpl.rc_context(own):
        before = dict(mpl.rcParams)
        assert chart.draw(charts.plan(backend, "M 92", {}), "png", "") == plain
        assert dict(mpl.rcParams) == before


def test_a_dollar_in_a_name_is_a_dollar(backend: Backend) -> None:
    stars = [Mark("$\\foo$", 10.0, 10.0, ["Star"], v=3.0)]
    plan = chart.planned(lambda radius: stars, "Bad $\\foo$ name", 10.2, 10.1, 2.0)
    assert chart.draw(plan, "png", "$x").startswith(b"\x89PNG")


# Curves


def test_the_curve_of_a_night(http: Http) -> None:
    seen = http.get("/objects/M 31/visibility/?site=950&date=2026-11-22").json()
    assert re.fullmatch(r".*/objects/M%2031/visibility/curve.png\?site=.*", seen["image_url"])
    assert http.get(seen["image_url"]).content.startswith(b"\x89PNG")
    for kind in ("svg", "pdf"):
        address = seen["image_url"].replace("curve.png", f"curve.{kind}")
        assert http.get(address).status_code == 200
    polar = "/objects/Vega/visibility/curve.png?site=Tromso&date=2026-06-21"
    assert http.get(polar).status_code in (200, 400)
    for query, status in (
        ("", 400), ("site=nowhere", 400), ("site=250", 400), ("site=950&date=2026-02-30", 400),
        ("site=950&elevation=91", 400), ("site=950&date=2150-01-01", 400),
    ):  # fmt: skip
        assert http.get(f"/objects/M 31/visibility/?{query}").status_code == status
    assert http.get("/objects/Nonsense 1/visibility/?site=950").status_code == 404
    planet = http.get("/objects/HD 209458 b/visibility/?site=950").json()
    assert planet["name"] == "HD 209458 b"
    spot = http.get("/objects/83.82,-5.39/visibility/?site=950").json()
    assert spot["coordinates"]["right_ascension"] == 83.82


# Surveys


class Cds(BaseHTTPRequestHandler):
    """Answers as hips2fits and the MocServer do."""

    covered = ("CDS/P/DSS2/color", "CDS/P/SDSS9/color")
    asked: list[str]
    works = True

    def do_GET(self) -> None:
        type(self).asked.append(self.path)
        query = parse_qs(urlsplit(self.path).query)
        self.send_response(200 if type(self).works else 503)
        self.end_headers()
        if "get" in query:
            assert set(self.covered) <= set(query["ID"][0].split(","))
            self.wfile.write(json.dumps(self.covered).encode())
        else:
            assert {"hips", "ra", "dec", "fov", "width", "height", "projection"} <= query.keys()
            self.wfile.write(b"\xff\xd8\xff" + query["hips"][0].encode())

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def cds() -> Iterator[tuple[type[Cds], str]]:
    handler = type("Own", (Cds,), {"asked": [], "works": True})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield handler, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def online(
    new_settings: Any, cds: tuple[type[Cds], str], catalogues: Path, tmp_path: Path
) -> Settings:
    made = new_settings("sqlite")
    own = tmp_path / "own"
    own.mkdir()
    for one in catalogues.glob("*.sqlite"):
        (own / one.name).symlink_to(one)
    for name, value in {
        "online": True,
        "hips_url": f"{cds[1]}/hips",
        "moc_url": f"{cds[1]}/moc",
        "catalogues": own,
    }.items():
        object.__setattr__(made, name, value)
    return made


def test_surveys_are_offered_where_they_cover(online: Settings, cds: tuple[type[Cds], str]) -> None:
    handler, _ = cds
    with Http(online) as http:
        listed = http.get("/findingcharts/M 51/?fov=20arcmin").json()
        assert [one["survey_name"] for one in listed] == ["Arcsecond catalogues", "DSS2", "SDSS"]
        assert [one["pk"] for one in listed] == [1, 2, 3]
        picture = http.get(listed[2]["image_url"])
        assert picture.headers["content-type"] == "image/jpeg"
        assert picture.content == b"\xff\xd8\xffCDS/P/SDSS9/color"
        before = len(handler.asked)
        assert http.get(listed[2]["image_url"]).content == picture.content
        assert len(handler.asked) == before  # it was kept
        for field in ("10arcsec", "20arcsec", "30arcsec", "0.00277778"):
            small = http.get("/findingcharts/M 51/", params={"fov": field}).json()
            assert http.get(small[1]["image_url"]).status_code == 200
        wide = http.get("/findingcharts/M 51/?fov=20deg").json()
        assert len(wide) == 1
        assert http.get("/findingcharts/M 51/dss.jpg?fov=20deg").status_code == 400
        assert http.get("/findingcharts/M 51/nothing.jpg").status_code == 404


def test_without_answers_only_what_is_kept_is_offered(
    online: Settings, cds: tuple[type[Cds], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    handler, _ = cds
    backend = open_backend(online)
    asked = {"fov": "20arcmin"}
    charts.survey_picture(backend, Viewer(), "M 51", "dss", asked)
    handler.works = False
    monkeypatch.setattr(surveys, "ASKED_AGAIN_S", 0.0)
    assert len(surveys._covered) < 100
    listed = charts.list_charts(backend, Viewer(), "M 51", asked).items
    assert [one.survey_name for one in listed] == ["Arcsecond catalogues", "DSS2"]
    assert charts.survey_picture(backend, Viewer(), "M 51", "dss", asked).startswith(b"\xff\xd8")
    with Http(online) as http:
        answer = http.get("/findingcharts/M 51/2mass.jpg?fov=20arcmin")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    object.__setattr__(online, "online", False)
    with Http(online) as http:
        names = [one["survey_name"] for one in http.get("/findingcharts/M 51/?fov=0.5").json()]
        assert names == ["Arcsecond catalogues"]
        refused = http.get("/findingcharts/M 51/sdss.jpg?fov=0.5")
        assert refused.status_code == 503
        assert "ARCSECOND_ONLINE" in refused.json()["detail"]
    backend.db.close()


def test_what_is_no_picture_is_not_kept(
    online: Settings, cds: tuple[type[Cds], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    handler, _ = cds
    monkeypatch.setattr(surveys, "_JPEG", b"GIF")
    with Http(online) as http:
        assert http.get("/findingcharts/M 51/dss.jpg").status_code == 503
    monkeypatch.setattr(surveys, "_JPEG", b"\xff\xd8\xff")
    with Http(online) as http:
        assert http.get("/findingcharts/M 51/dss.jpg").status_code == 200
    assert len(handler.asked) == 2


# Every face


def test_the_command(arcsecond: Command, tmp_path: Path) -> None:
    for name, start in (("m42.png", b"\x89PNG"), ("m42.svg", b"<?xml"), ("m42.pdf", b"%PDF")):
        path = tmp_path / name
        done = arcsecond("findingcharts", "M", "42", "--fov", "2deg", "--out", str(path))
        assert (done.status, done.out) == (0, f"{path}\n")
        assert path.read_bytes().startswith(start)
    curve = tmp_path / "curve.png"
    words = ("objects", "M 31", "--visibility", "--site", "950", "--date", "2026-11-22")
    seen = arcsecond(*words).json
    assert seen["night"]["date"] == "2026-11-22"
    assert seen["hours_above"] > 5
    assert arcsecond(*words, "--out", str(curve)).status == 0
    assert curve.read_bytes().startswith(b"\x89PNG")
    for words, said in (
        (("findingcharts", "M 42", "--fov", "0"), "no field of a chart"),
        (("findingcharts", "M 42", "--fov", "400deg"), "no field of a chart"),
        (("findingcharts", "M 42", "--out", str(tmp_path / "x.gif")), "does not end like"),
        (("findingcharts", "M 42", "--out", str(tmp_path / "no" / "x.png")), "cannot be written"),
        (("findingcharts", "M 42", "--out", "/etc/passwd/x.png"), "cannot be written"),
        (("findingcharts", "M 42", "--out", f"{tmp_path}/{'x' * 300}.png"), "cannot be written"),
        (("findingcharts", "M 42", "--survey", "dss"), "--survey goes with --out"),
        (("objects", "M 31", "--out", str(curve)), "--out goes with a picture"),
        (("objects", "M 31", "--visibility"), "From which site"),
        (("objects", "M 31", "--site", "950"), "--site goes with --visibility"),
        (("objects", "--visibility", "--site", "950"), "--visibility of which one?"),
    ):
        refused = arcsecond(*words)
        assert refused.status in (1, 2), words
        assert said in refused.err, words
    assert sorted(one.name for one in tmp_path.glob("*.p*")) == ["curve.png", "m42.pdf", "m42.png"]


def test_the_module(api: ArcsecondAPI, tmp_path: Path) -> None:
    path = api.findingcharts.save(tmp_path / "m42.png", "M 42", fov="2deg")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert api.findingcharts.list("M 42", fov="2deg")[0]["width"] == 120
    night = api.objects("M 31").visibility
    assert night.read(site="950", elevation=20)["elevation"] == 20
    assert night.save(tmp_path / "v.svg", site="950").read_bytes().startswith(b"<?xml")
    with pytest.raises(ArcsecondInputValueError, match="There is no picture of telescopes"):
        api.telescopes.save(tmp_path / "x.png")
    with pytest.raises(NotFoundError):
        api.findingcharts.save(tmp_path / "x.png", "Nonsense 1")
    assert not (tmp_path / "x.png").exists()
