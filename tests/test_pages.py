"""Pages: every one, what they show of hostile input, and the live one in a real browser."""

from __future__ import annotations

import contextlib
import html
import io
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest

from arcsecond.registry import BY_NAME
from tests.conftest import ASTROPY_FRAMES, Http, Server, fits_bytes

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
HOSTILE = "<script>alert(1)</script>\"'&"


class Checker(HTMLParser):
    """Checks that tags are closed and collects what a reader needs."""

    VOID = frozenset({"meta", "link", "img", "input", "br", "path", "circle", "rect"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "a" and given.get("href"):
            self.links.append(str(given["href"]))
        if tag in ("img", "script", "link"):
            self.sources.append(str(given.get("src") or given.get("href")))
        if tag == "img":
            assert "alt" in given
        if tag == "h1":
            self.headings.append(tag)
        assert not any(name.startswith("on") or name == "style" for name in given)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def checked(text: str) -> Checker:
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    assert len(checker.headings) == 1
    return checker


@pytest.fixture
def full(http: Http, user: Callable[[str], dict[str, str]]) -> tuple[dict[str, str], list[str]]:
    """Things of every kind, some of them hostile; returns the headers and all addresses."""
    headers = user("ann")
    dataset = http.post(
        "/datasets/", json={"name": HOSTILE, "description": HOSTILE}, headers=headers
    ).json()
    uuid = dataset["uuid"]
    frame = (ASTROPY_FRAMES / "o4sp040b0_raw.fits").read_bytes()
    for name, content in (("o4sp.fits", frame), ("cut.fits", fits_bytes(OBJECT=HOSTILE)[:3000])):
        part = {"file": (name, content)}
        http.post(f"/datasets/{uuid}/fitsfiles/", files=part, headers=headers)
    run = http.post("/observingruns/", json={"name": HOSTILE}, headers=headers).json()["uuid"]
    log = {"date": "2026-11-22", "observing_run": run, "journal": "one\ntwo"}
    log_uuid = http.post("/nightlogs/", json=log, headers=headers).json()["uuid"]
    activity = {"title": HOSTILE, "content": HOSTILE, "target": "HD 5980"}
    pk = http.post("/activities/", json=activity, headers=headers).json()["pk"]
    sites = http.get("/observingsites/").json()
    telescopes = http.get("/telescopes/").json()
    instruments = http.get("/instruments/").json()
    return headers, [
        "/", "/live", "/login", "/objects/", "/objects/HD%205980/", "/objects/M%2042/",
        "/exoplanets/", "/exoplanets/51%20Peg%20b/", "/findingcharts/M%2031/", "/standardstars/",
        "/catalogues/", "/catalogues/openngc/", "/telegrams/ATel/", "/observingsites/",
        f"/observingsites/{sites[0]['uuid']}/", "/telescopes/", "/instruments/", "/satellites/",
        f"/telescopes/{telescopes[0]['uuid']}/", f"/instruments/{instruments[0]['uuid']}/",
        "/profiles/", "/profiles/ann/", "/me/", "/observingruns/", f"/observingruns/{run}/",
        "/nightlogs/", f"/nightlogs/{log_uuid}/", "/datasets/", f"/datasets/{uuid}/",
        f"/datasets/{uuid}/fitsfiles/", f"/datasets/{uuid}/fitsfiles/1/",
        f"/datasets/{uuid}/fitsfiles/2/", "/fitsfiles/", "/activities/", f"/activities/{pk}/",
    ]  # fmt: skip


def test_every_page(http: Http, full: tuple[dict[str, str], list[str]]) -> None:
    headers, addresses = full
    links: set[str] = set()
    for address in addresses:
        answer = http.get(address, headers=headers | HTML)
        assert answer.status_code == 200, address
        assert answer.headers["content-type"].startswith("text/html"), address
        assert "Accept" in answer.headers["vary"]
        assert "X-Arcsecond-API-Authorization" in answer.headers["vary"]
        assert answer.headers["cache-control"].startswith("private")
        assert len(answer.content) < 100_000
        assert "<script>alert" not in answer.text, address
        page = checked(answer.text)
        links |= {link for link in page.links if link.startswith("/")}
        links |= {source for source in page.sources if source.startswith("/")}
    for link in sorted(links):
        assert http.get(link, headers=headers | HTML).status_code == 200, link


def test_the_readable_answer_of_every_page(
    http: Http, full: tuple[dict[str, str], list[str]]
) -> None:
    headers, addresses = full
    for address in addresses[3:]:
        page = http.get(address, params={"format": "api"}, headers=headers)
        checked(page.text)
        assert "What the API answers" in page.text, address
        assert "<script>alert" not in page.text
        plain = http.get(address, params={"format": "json"}, headers=headers | HTML)
        assert plain.headers["content-type"] == "application/json", address


def test_a_stranger_is_asked_to_sign_in(http: Http, user: Callable[[str], dict[str, str]]) -> None:
    html = {"Accept": "text/html"}
    stranger = http.get("/datasets/", headers=html).text
    assert "Only what is public is shown" in stranger
    assert "create" not in stranger.split("Nothing here yet.")[1]
    known = http.get("/datasets/", headers={**html, **user("ann")}).text
    assert "Only what is public is shown" not in known
    assert "datasets create" in known


def test_errors_are_pages_too(http: Http) -> None:
    for address, status in (("/nothing", 404), ("/objects/<b>/", 404), ("/me/", 401)):
        answer = http.get(address, headers=HTML)
        assert answer.status_code == status
        assert "<b>" not in answer.text
        checked(answer.text)


def test_hostile_text_is_shown_as_text(http: Http, full: tuple[dict[str, str], list[str]]) -> None:
    headers, addresses = full
    for address in (addresses[-1], "/live", "/activities/"):
        text = http.get(address, headers=headers | HTML).text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_every_answer_carries_a_strict_policy(http: Http) -> None:
    for address in ("/", "/live", "/objects/M31/", "/static/arcsecond.css", "/nothing"):
        policy = http.get(address, headers=HTML).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


def test_a_form_uploads_a_file_and_leads_back(
    http: Http, user: Callable[[str], dict[str, str]]
) -> None:
    ann, bob = user("ann"), user("bob")
    body = {"name": "d", "is_public": True}
    uuid = http.post("/datasets/", json=body, headers=ann).json()["uuid"]
    page = f"/datasets/{uuid}/"
    assert 'type="file"' in http.get(page, headers=ann | HTML).text
    for other in (bob, {}):
        assert 'type="file"' not in http.get(page, headers=other | HTML).text

    def send(name: str, content: bytes) -> Any:
        part = {"file": (name, content)}
        return http.post(f"{page}fitsfiles/", files=part, headers=ann | HTML)

    http.follow_redirects = True
    assert f"{HOSTILE.replace('/', '')} was uploaded" in html.unescape(
        send(HOSTILE.replace("/", ""), fits_bytes()).text
    )
    assert "a.fits was uploaded. HDU 0" in send("a.fits", fits_bytes()[:3000]).text
    again = send("a.fits", fits_bytes()[:3000])
    assert "a.fits was here already" in again.text
    assert again.request.method == "GET"
    refused = send("a.txt", b"text")
    assert refused.status_code == 400
    assert f'href="{page}"' in refused.text
    assert "carries no FITS signature" in html.unescape(refused.text)
    assert "was uploaded" not in http.get(page, params={"uploaded": 99}, headers=ann | HTML).text


def header_of(*cards: tuple[str, object, str]) -> bytes:
    """Return a frame whose header holds some cards more."""
    from astropy.io import fits

    hdu = fits.PrimaryHDU()
    hdu.header.extend(cards)
    buffer = io.BytesIO()
    hdu.writeto(buffer)
    return buffer.getvalue()


def test_headers_are_searched(http: Http, user: Callable[[str], dict[str, str]]) -> None:
    headers = user("ann")
    uuid = http.post("/datasets/", json={"name": "d"}, headers=headers).json()["uuid"]
    many = [(f"KEY{n}", f"value {n} {HOSTILE}", "what it is") for n in range(2000)]
    cards = [*many, ("EXPTIME", 30.0, "[s] time"), *[("HISTORY", "step " * 12, "")] * 900]
    content = header_of(*cards)
    part = {"file": ("many.fits", content)}
    address = f"/datasets/{uuid}/fitsfiles/"
    address += f"{http.post(address, files=part, headers=headers).json()['pk']}/"

    def page(**asked: str) -> str:
        answer = http.get(address, params=asked, headers=headers | HTML)
        assert answer.status_code == 200
        assert len(answer.content) < 100_000
        checked(answer.text)
        return answer.text

    everything = page()
    assert "2,006 cards" in everything
    assert "EXPTIME" not in everything.partition('id="cards"')[2]
    assert "More cards of HDU 0" in everything
    assert "The first " in page(hdu="0")
    found = page(search="time EXP")
    assert "1 of 2,006 cards" in found
    assert "<td>30.0</td><td>[s] time</td>" in found
    assert "Comment</th>" not in page(search="nothing like it")
    assert "0 of 2,006 cards" in page(search="nothing like it")
    assert "step step" in page(search="history")
    assert HOSTILE not in page(search=HOSTILE)
    assert "2,006 cards" in page(search="  ", hdu="٣")


def test_the_appearance_is_kept_in_a_cookie(http: Http) -> None:
    own = {"Origin": str(http.base_url), "Sec-Fetch-Site": "same-origin"} | HTML
    assert 'data-mode="auto"' in http.get("/", headers=HTML).text
    body = {"mode": "red", "next": "/objects/?limit=3"}
    for foreign in (HTML, HTML | {"Origin": "https://evil.example"}):
        assert http.post("/appearance", data=body, headers=foreign).status_code == 403
    done = http.post("/appearance", data=body, headers=own, follow_redirects=False)
    assert done.status_code == 303
    assert done.headers["location"] == "/objects/?limit=3"
    assert "HttpOnly" in done.headers["set-cookie"]
    for address in ("/", "/nothing", "/objects/M31/?format=api"):
        page = http.get(address, headers=HTML)
        assert 'data-mode="red"' in page.text
        assert 'name="red" aria-pressed="true"' in page.text.replace('name="mode" value', "name")
        assert "Cookie" in page.headers["vary"]
    assert 'name="next" value="/objects/M31/?format=api"' in page.text
    away = http.post(
        "/appearance", data={"mode": "light", "next": "//evil.example"}, headers=own,
        follow_redirects=False,
    )  # fmt: skip
    assert away.headers["location"] == "/"
    assert http.post("/appearance", data={"mode": "<b>"}, headers=own).status_code == 400
    http.cookies.set("arcsecond_mode", '"><b>')
    assert 'data-mode="auto"' in http.get("/", headers=HTML).text


def test_looking_up_from_the_first_page(http: Http) -> None:
    found = http.get("/objects/", params={"name": "HD 5980"}, headers=HTML, follow_redirects=False)
    assert found.status_code == 303
    assert found.headers["location"] == "/objects/HD%205980/"


def browser() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


def test_lists_are_searched_on_their_pages(http: Http) -> None:
    page = http.get("/objects/", headers=HTML).text
    checked(page)
    assert 'name="around"' in page
    assert "Away (deg)" not in page  # a column that would be empty
    sent = http.get("/objects/?name=&search=whirl&around=&radius=", headers=HTML).text
    assert 'href="/objects/M%2051/"' in sent
    found = http.get("/objects/?search=whirl", headers=HTML).text
    assert 'href="/objects/M%2051/"' in found
    assert 'value="whirl"' in found
    assert "Nothing found" in http.get("/exoplanets/?search=nowhere", headers=HTML).text
    assert http.get("/objects/?name=&search=", headers=HTML).status_code == 200
    named = http.get("/objects/?name=M31&search=", headers=HTML, follow_redirects=False)
    assert (named.status_code, named.headers["location"]) == (303, "/objects/M31/")
    assert http.get("/objects/?around=&radius=1").status_code == 400
    assert http.get("/standardstars/?around=&count=", headers=HTML).status_code == 200


def test_transits_are_found_from_the_page_of_a_planet(http: Http) -> None:
    planet = "/exoplanets/HD%20209458%20b/"
    assert f'href="{planet}transits/"' in http.get(planet, headers=HTML).text
    page = http.get(f"{planet}transits/?nights=7", headers=HTML).text
    checked(page)
    assert "<h1>Transits of HD 209458 b</h1>" in page
    seen = http.get(f"{planet}transits/?site=Paranal&nights=30", headers=HTML).text
    checked(seen)
    assert "Star (deg)" in seen
    assert "transits/" not in http.get("/exoplanets/51%20Peg%20b/", headers=HTML).text


@pytest.mark.skipif(browser() is None, reason="there is no Chromium (Debian package chromium)")
def test_the_live_page_shows_an_activity_without_a_reload(serve: Callable[..., Server]) -> None:
    from playwright.sync_api import sync_playwright

    server = serve()
    command = [sys.executable, "-m", "arcsecond", "activities", "create", "--title"]
    problems: list[str] = []
    with sync_playwright() as playwright, contextlib.ExitStack() as stack:
        chromium = playwright.chromium.launch(
            executable_path=browser(),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        stack.callback(chromium.close)
        page = chromium.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console", lambda said: problems.append(said.text) if said.type == "error" else None
        )
        page.goto(f"{server.url}/live")
        page.wait_for_selector("#state.on")
        page.evaluate("window.notReloaded = true")
        title = "Eclipse & <b>egress</b>"
        subprocess.run([*command, title], env=server.environ, check=True, capture_output=True)
        page.wait_for_selector(".activity.new h2 >> text=Eclipse & <b>egress</b>", timeout=20_000)
        assert page.evaluate("window.notReloaded")
        assert page.locator(".activity").count() == 1
        # A server that restarts is found again, and nothing is shown twice or missed.
        page.reload()
        assert page.locator(".activity h2").inner_text() == title
        assert re.search(
            r"/activities/\d+/", page.locator(".activity h2 a").get_attribute("href") or ""
        )
    assert problems == []


def test_administrators_keep_the_directory_on_its_pages(
    http: Http, user: Callable[[str], dict[str, str]]
) -> None:
    """A site is added, changed and deleted by forms, as a browser sends them."""
    from tests.test_observatory import make_admin

    ann = HTML | user("ann")
    assert "Add one of your own" not in http.get("/observingsites/", headers=ann).text
    make_admin(http.inside, "ann")
    listed = http.get("/observingsites/", headers=ann).text
    checked(listed)
    assert "Add one of your own" in listed
    given = {"name": "Backyard", "longitude": "-3.5", "latitude": "48.85", "height": "35"}
    blank = dict.fromkeys(("nickname", "alternate_names", "IAUCode", "time_zone"), "")
    made = http.post(
        "/observingsites/?_method=POST", data=given | blank, headers=ann, follow_redirects=False
    )
    assert made.status_code == 303
    address = made.headers["location"]
    page = http.get(address, headers=ann).text
    checked(page)
    assert "Change or delete it" in page
    assert 'value="48.85"' in page
    assert "Tonight" in page
    moved = http.post(
        f"{address}?_method=PATCH",
        data={"name": "Garden", "height": "", "country": ""},
        headers=ann,
        follow_redirects=False,
    )
    assert moved.status_code == 303
    site = http.get(address, headers=ann | {"Accept": "application/json"}).json()
    assert (site["name"], site["coordinates"]["height"]) == ("Garden", 35.0)
    assert site["address"]["country"] is None
    wrong = http.post(
        f"{address}?_method=PATCH", data={"latitude": "91"}, headers=ann, follow_redirects=False
    )
    assert wrong.status_code == 400
    checked(wrong.text)
    assert "A latitude is from -90 to 90" in wrong.text
    builtin = http.get("/observingsites/309/", headers=ann).text
    assert "Change or delete it" not in builtin
    gone = http.post(
        f"{address}?_method=DELETE", data={"sure": "1"}, headers=ann, follow_redirects=False
    )
    assert (gone.status_code, gone.headers["location"]) == (303, "/observingsites/")
    assert http.get(address, headers=ann).status_code == 404
    stranger = http.post(f"{address}?_method=DELETE", data={"sure": "1"}, headers=HTML)
    assert stranger.status_code == 401


def test_an_object_has_its_chart_and_the_altitude_at_a_chosen_site(http: Http) -> None:
    page = http.get("/objects/M%2031/", headers=HTML).text
    checked(page)
    assert 'src="/findingcharts/M%2031/chart.png"' in page
    assert "curve.png" not in page
    seen = http.get("/objects/M%2031/?site=Paranal", headers=HTML).text
    checked(seen)
    (curve,) = re.findall(r'src="(/objects/M%2031/visibility/curve.png[^"]*)"', seen)
    picture = http.get(html.unescape(curve))
    assert picture.headers["content-type"] == "image/png"
    unknown = http.get("/objects/M%2031/?site=%3Cscript%3E", headers=HTML).text
    checked(unknown)
    assert "not found" in unknown
    assert "<script>" not in unknown
    night = http.get("/objects/M%2031/visibility/?site=309", headers=HTML).text
    checked(night)
    assert "Through the night" in night
    asked = http.get("/objects/M%2031/visibility/", headers=HTML, follow_redirects=False)
    assert asked.headers["location"] == "/objects/M%2031/"
    assert "Over which site?" in http.get("/satellites/passes/", headers=HTML).text


def test_files_are_searched_on_a_page(http: Http, user: Callable[[str], dict[str, str]]) -> None:
    key = user("ann")
    ann, bob = key | HTML, user("bob") | HTML
    dataset = http.post("/datasets/", json={"name": "d"}, headers=key).json()["uuid"]
    for name, filter_ in (("one", "V"), ("two", "R")):
        sent = {"file": (f"{name}.fits", fits_bytes((2, 2), FILTER=filter_, RA=10.0, DEC=20.0))}
        http.post(f"/datasets/{dataset}/fitsfiles/", files=sent, headers=key)
    page = http.get("/fitsfiles/", headers=ann).text
    checked(page)
    assert "one.fits" in page
    assert "two.fits" in page
    assert "<h1>Search FITS files</h1>" in page
    assert "Search all datasets" not in page
    found = http.get("/fitsfiles/?object=&filter=v&cone=10,20,0.1&text=", headers=ann).text
    assert checked(found).links.count(f"/datasets/{dataset}/fitsfiles/1/") == 1
    assert "two.fits" not in found
    bundle = next(link for link in checked(found).links if "files.zip" in link)
    assert set(bundle.partition("?")[2].split("&")) == {"filter=v", "cone=10%2C20%2C0.1"}
    assert http.get(bundle, headers=key).status_code == 200
    inside = http.get(f"/datasets/{dataset}/fitsfiles/?filter=r", headers=ann).text
    assert "Search all datasets" in inside
    assert 'name="dataset"' not in inside
    assert "one.fits" not in inside
    wrong = http.get("/fitsfiles/?cone=here", headers=ann)
    assert wrong.status_code == 400
    assert "is no cone" in wrong.text
    assert 'value="here"' in wrong.text
    assert "Nothing found" in http.get("/fitsfiles/?filter=v", headers=bob).text
    assert "one.fits" not in http.get("/fitsfiles/", headers=HTML).text


SOUGHT = {
    "text": "orion", "object": "M 42", "cone": "83.82,-5.39,0.1deg", "night": "2026-11-21",
    "instrument": "wide*", "filter": "r", "kind": "science", "where": "header.GAIN>1.5",
    "covers": "83.82,-5.39", "polygon": "83,-6,85,-6,84,-4", "after": "2026-11-21T18:00:00",
    "before": "2026-11-22T12:00:00", "target": "*42*", "telescope": "big,small",
    "observer": "ann", "programme": "60.A-9999", "product": "image", "exposure": "10..300",
    "airmass": "..1.5", "size": "3000..10000", "dataset": "first",
}  # fmt: skip
"""What finds the one file and not the others, by the field of the form."""


def test_every_field_of_the_search_form(http: Http, user: Callable[[str], dict[str, str]]) -> None:
    key = user("ann")
    one = {
        "OBJECT": "M42 Orion", "INSTRUME": "Wide field", "FILTER": "R", "IMAGETYP": "light",
        "GAIN": 2.0, "DATE__OBS": "2026-11-22T01:00:00", "TELESCOP": "Big", "OBSERVER": "Ann",
        "PROPID": "60.A-9999", "EXPTIME": 30.0, "AIRMASS": 1.2, "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN", "CRVAL1": 83.82, "CRVAL2": -5.39, "CRPIX1": 4.0, "CRPIX2": 4.0,
        "CDELT1": -0.01, "CDELT2": 0.01,
    }  # fmt: skip
    early = {
        "OBJECT": "M 33", "INSTRUME": "Narrow", "FILTER": "V", "IMAGETYP": "flat", "GAIN": 1.0,
        "DATE__OBS": "2026-11-20T01:00:00", "TELESCOP": "Other", "OBSERVER": "Bob",
        "PROPID": "61.B", "EXPTIME": 3.0, "AIRMASS": 2.2, "RA": 23.46, "DEC": 30.66,
    }  # fmt: skip
    late = early | {"DATE__OBS": "2026-11-24T01:00:00"}
    for dataset, name, cards in (
        ("first", "one.fits", one), ("second", "early.fits", early), ("second", "late.fits", late),
    ):  # fmt: skip
        known = http.get("/datasets/", params={"name": dataset}, headers=key).json()
        made = known[0] if known else http.post(
            "/datasets/", json={"name": dataset}, headers=key
        ).json()  # fmt: skip
        shape = (8, 8) if name == "one.fits" else (4000,)
        sent = {"file": (name, fits_bytes(shape, **cards))}
        http.post(f"/datasets/{made['uuid']}/fitsfiles/", files=sent, headers=key)
    fields = {field.name for field in BY_NAME["fitsfiles"].sought}
    assert SOUGHT.keys() == fields - {"radius", "package", "sort", "pk"}
    ann = key | HTML
    form = http.get("/fitsfiles/", headers=ann).text
    pks = {one["name"]: str(one["pk"]) for one in http.get("/fitsfiles/", headers=key).json()}
    for wrong in ("1,x", ",", "-1", "1," * 1000 + "1"):
        assert http.get("/fitsfiles/", params={"pk": wrong}, headers=key).status_code == 400
    for field, text in {**SOUGHT, "pk": f"{pks['one.fits']},999999"}.items():
        assert f'name="{field}"' in form
        asked = {field: text} | ({"after": "2026-11-21"} if field == "before" else {})
        asked |= {"before": "2026-11-23"} if field == "after" else {}
        found = http.get("/fitsfiles/", params=asked, headers=ann)
        assert found.status_code == 200, (field, found.text)
        assert "one.fits" in found.text, field
        assert "early.fits" not in found.text, field
        assert "late.fits" not in found.text, field
    for order in ("start", "-start", "exposure"):
        page = http.get("/fitsfiles/", params={"sort": order}, headers=ann).text
        assert (page.index("early.fits") < page.index("one.fits")) == (order != "-start")
    near = http.get("/fitsfiles/", params={"object": "M 42", "radius": "1arcsec"}, headers=ann)
    assert "one.fits" in near.text


def test_a_file_goes_to_the_trash_from_its_page(
    http: Http, user: Callable[[str], dict[str, str]]
) -> None:
    ann, bob = (user(name) | HTML for name in ("ann", "bob"))
    _, page = with_a_file(http, ann)
    form = f'action="{page}?_method=DELETE"'
    assert ">d</a>" in http.get(page, headers=ann).text  # its dataset, by name
    assert form not in http.get(page, headers=bob).text
    assert form in http.get(page, headers=ann).text
    away = ann | {"Origin": "http://testserver.local"}
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    there = http.post(f"{page}?_method=DELETE", content=b"", headers=away | kind)
    assert there.status_code == 200
    checked(there.text)
    assert "lies in your trash now" in there.text
    assert http.get(page, headers=ann).status_code == 404
    assert "a.fits" in http.get("/trash/", headers=ann).text


def test_headers_are_read_again_from_the_page(
    http: Http, user: Callable[[str], dict[str, str]]
) -> None:
    ann, bob = (user(name) | HTML for name in ("ann", "bob"))
    page, file = with_a_file(http, ann, KNOWNAS="M 31")
    form = f'action="{page}reindex/?_method=POST"'
    assert form not in http.get(page, headers=bob).text
    assert form in http.get(page, headers=ann).text
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    for rules, told in (
        ("", "read by the rules in force already"),
        ("[general]\ntarget = ['KNOWNAS']\n", "of 1 file were read again; 1 changed by it."),
    ):
        (http.inside.settings.home / "rules.toml").write_text(rules)
        again = http.post(f"{page}reindex/?_method=POST", content=b"", headers=ann | kind)
        assert again.status_code == 200, again.text
        checked(again.text)
        assert told in again.text
    read = http.get(file, headers=json_of(ann)).json()
    assert read["target"] == "M 31"
    refused = http.post(f"{page}reindex/?_method=POST", content=b"", headers=bob | kind)
    assert refused.status_code == 403


def with_a_file(http: Http, headers: dict[str, str], **cards: Any) -> tuple[str, str]:
    """Make a public dataset with a file in it; returns the pages of both."""
    headers = json_of(headers)
    made = http.post("/datasets/", json={"name": "d", "is_public": True}, headers=headers)
    page = f"/datasets/{made.json()['uuid']}/"
    sent = {"file": ("a.fits", fits_bytes(**cards))}
    file = http.post(f"{page}fitsfiles/", files=sent, headers=headers).json()
    return page, f"{page}fitsfiles/{file['pk']}/"


def json_of(headers: dict[str, str]) -> dict[str, str]:
    return headers | {"Accept": "application/json"}


FORM = re.compile(
    r'<form class="filters record" method="post" action="([^"]*\?_method=PATCH)">(.*?)</form>', re.S
)


def filled(page: str) -> tuple[str, dict[str, str]]:
    """Return the address of the form that changes a thing, and what a browser would send."""
    found = FORM.search(page)
    assert found
    given = {}
    for tag, name, rest in re.findall(
        r'<(input|select|textarea) name="(\w+)"(.*?)(?=</label>)', found[2], re.S
    ):
        if tag == "input":
            value = re.search(r'value="([^"]*)"', rest)
        elif tag == "select":
            value = re.search(r'<option value="(\w+)" selected', rest) or re.match("(.*)", "false")
        else:
            value = re.search(r">\n(.*?)</textarea>", rest, re.S)
        assert value
        given[name] = html.unescape(value[1])
    return html.unescape(found[1]), given


@pytest.mark.parametrize(
    ("resource", "given", "changed"),
    [
        (
            "datasets",
            {"name": "Lamps", "description": "One\nTwo", "tags": "a, b", "is_public": "true"},
            {"name": "Lamps & flats", "description": "", "is_public": "false", "tags": ""},
        ),
        (
            "datapackages",
            {"name": "M 31", "citation": "Ann (2026),\n<i>A&A</i>", "licence": "CC-BY-4.0"},
            {"name": "M 33", "embargo": "2030-01-01", "is_public": "true"},
        ),
        ("observingruns", {"name": "Winter", "journal": "Snow"}, {"journal": "Snow\nand ice"}),
        ("nightlogs", {"date": "2026-11-22", "journal": "Clear"}, {"date": "2026-11-23"}),
    ],
)
def test_people_keep_what_is_theirs_on_its_pages(
    http: Http, user: Callable[[str], dict[str, str]], resource: str, given: dict[str, str],
    changed: dict[str, str],
) -> None:  # fmt: skip
    ann, bob = HTML | user("ann"), HTML | user("bob")
    as_json = {"Accept": "application/json"}
    assert "Add one of your own" not in http.get(f"/{resource}/", headers=HTML).text
    listed = http.get(f"/{resource}/", headers=ann).text
    checked(listed)
    assert "Add one of your own" in listed
    blank = {field.name: "" for field in BY_NAME[resource].fields}
    made = http.post(
        f"/{resource}/?_method=POST", data=blank | given, headers=ann, follow_redirects=False
    )
    assert made.status_code == 303, made.text
    address = made.headers["location"]
    page = http.get(address, headers=ann).text
    checked(page)
    before = http.get(address, headers=ann | as_json).json()
    action, sent = filled(page)
    assert {name: sent[name] for name in given if name != "is_public"} == {
        name: value for name, value in given.items() if name != "is_public"
    }
    # What is sent back as it came changes nothing.
    same = http.post(action, data=sent, headers=ann, follow_redirects=False)
    assert same.status_code == 303, same.text
    after = http.get(address, headers=ann | as_json).json()
    assert before | {"last_update": 0, "updated": 0} == after | {"last_update": 0, "updated": 0}
    assert http.post(action, data=sent | changed, headers=ann, follow_redirects=False).is_redirect
    _, sent = filled(http.get(address, headers=ann).text)
    assert sent.items() >= {k: v for k, v in changed.items() if v and v != "false"}.items()
    theirs = http.get(address, headers=bob)
    assert "Change or delete it" not in theirs.text
    refused = http.post(action, data=sent, headers=bob, follow_redirects=False)
    assert refused.status_code in (403, 404)
    gone = http.post(f"{address}?_method=DELETE", data={}, headers=ann, follow_redirects=False)
    assert (gone.status_code, gone.headers["location"]) == (303, f"/{resource}/")
