"""Pages in a real browser: what scripts do, keys, weight, light, and what axe finds."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import axe_playwright_python
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Response, expect, sync_playwright

from tests.conftest import ASTROPY_FRAMES, PASSWORD, Server, fits_bytes

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no Chromium (Debian package chromium)"
)


@dataclass(frozen=True)
class Site:
    """A served site with a thing of every kind, and a browser that is signed in."""

    url: str
    browser: Browser
    cookies: list[Any]
    dataset: str
    pages: dict[str, str]

    @contextlib.contextmanager
    def page(
        self, *, mode: str = "", width: int = 1200, scripts: bool = True, allowed: str = "\0"
    ) -> Iterator[Page]:
        """Open a page; what its console complains about fails the test, unless it was allowed."""
        context = self.browser.new_context(
            viewport={"width": width, "height": 800},
            java_script_enabled=scripts,
            reduced_motion="reduce",
        )
        context.add_cookies(self.cookies)
        if mode:
            context.add_cookies([{"name": "arcsecond_mode", "value": mode, "url": self.url}])
        problems: list[str] = []
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console",
            lambda said: problems.append(said.text) if said.type in ("error", "warning") else None,
        )
        yield page
        context.close()
        assert [problem for problem in problems if allowed not in problem] == []


def call(url: str, path: str, body: dict[str, Any] | None = None, key: str = "") -> Any:
    headers = {"Content-Type": "application/json"}
    if key:
        headers["X-Arcsecond-API-Authorization"] = f"Key {key}"
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url + path, data, headers), timeout=60) as answer:
        return json.load(answer)


def send(url: str, dataset: str, name: str, content: bytes, key: str) -> int:
    """Upload a file; returns its pk."""
    start = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    request = Request(
        f"{url}/datasets/{dataset}/fitsfiles/",
        start.encode() + content + b"\r\n--x--\r\n",
        {
            "Content-Type": "multipart/form-data; boundary=x",
            "X-Arcsecond-API-Authorization": f"Key {key}",
        },
    )
    with urlopen(request, timeout=60) as answer:
        pk: int = json.load(answer)["pk"]
    return pk


LOOKS = pytest.mark.parametrize("site", ["sqlite"], indirect=True)
"""Of tests of how pages look, which is the same on every database."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, shared_servers: Callable[[str], Server]) -> Iterator[Site]:
    url = shared_servers(request.param).url
    body = {"username": "ann", "email": "ann@localhost"}
    made = call(
        url, "/auth/registration/", body | {"password1": PASSWORD, "password2": PASSWORD}
    )  # fmt: skip
    key = call_for_key(url, made)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{url}/login")
        page.fill("#username", "ann")
        page.fill("#password", PASSWORD)
        page.click("main button")
        page.wait_for_url(f"{url}/")
        pages, dataset = furnished(url, key)
        yield Site(url, browser, context.cookies(), dataset, pages)
        browser.close()


def call_for_key(url: str, made: dict[str, Any]) -> str:
    headers = {"Authorization": f"Token {made['key']}"}
    with urlopen(Request(f"{url}/profiles/ann/apikey/", headers=headers), timeout=60) as answer:
        key: str = json.load(answer)["api_key"]
    return key


def furnished(url: str, key: str) -> tuple[dict[str, str], str]:
    """Make things of every kind; returns the pages by name, and the dataset."""

    def make(path: str, **body: Any) -> Any:
        return call(url, path, body, key)

    dataset = make("/datasets/", name="First light", description="What came\nin tonight.")["uuid"]
    noise = np.random.default_rng(3).normal(100, 9, (700, 900)).astype("f4")
    frames = {
        "stis.fits": (ASTROPY_FRAMES / "o4sp040b0_raw.fits").read_bytes(),
        "noise.fits": image(noise, 12),
        "cut.fits": fits_bytes(OBJECT="M 31")[:2880],
    }
    pks = {name: send(url, dataset, name, content, key) for name, content in frames.items()}
    run = make("/observingruns/", name="Winter run")["uuid"]
    log = make("/nightlogs/", date="2026-11-22", observing_run=run, journal="Clear.\nCold.")
    package = make("/datapackages/", name="M 31", datasets=[dataset], licence="CC-BY-4.0")["uuid"]
    make(f"/datapackages/share/{package}/")
    activity = make("/activities/", title="Eclipse", content="It began.", target="HD 5980")
    first = {name: call(url, f"/{name}/") for name in ("observingsites", "telescopes")}
    files = f"/datasets/{dataset}/fitsfiles/"
    return {
        "home": "/", "live": "/live", "login": "/login", "objects": "/objects/",
        "object": "/objects/HD%205980/", "exoplanets": "/exoplanets/",
        "exoplanet": "/exoplanets/51%20Peg%20b/", "charts": "/findingcharts/M%2031/",
        "standards": "/standardstars/", "sites": "/observingsites/",
        "site": f"/observingsites/{first['observingsites'][0]['uuid']}/",
        "telescope": f"/telescopes/{first['telescopes'][0]['uuid']}/",
        "satellites": "/satellites/", "people": "/profiles/", "me": "/me/",
        "runs": "/observingruns/", "run": f"/observingruns/{run}/",
        "logs": "/nightlogs/", "log": f"/nightlogs/{log['uuid']}/",
        "datasets": "/datasets/", "dataset": f"/datasets/{dataset}/", "files": files,
        "stis": f"{files}{pks['stis.fits']}/", "noise": f"{files}{pks['noise.fits']}/",
        "packages": "/datapackages/", "package": f"/datapackages/{package}/",
        "search": "/fitsfiles/", "cut": f"{files}{pks['cut.fits']}/", "activities": "/activities/",
        "activity": f"/activities/{activity['pk']}/", "error": "/nothing/here",
        "api": f"{files}{pks['stis.fits']}/?format=api",
    }, dataset  # fmt: skip


def image(values: Any, copies: int = 0) -> bytes:
    from astropy.io import fits

    hdus = [fits.PrimaryHDU(values), *[fits.ImageHDU(values)] * copies]
    buffer = io.BytesIO()
    fits.HDUList(hdus).writeto(buffer)
    return buffer.getvalue()


@LOOKS
def test_headers_are_searched_while_typing(site: Site) -> None:
    with site.page() as page:
        page.goto(site.url + site.pages["stis"])
        page.evaluate("window.notReloaded = true")
        page.locator("#search").press_sequentially("texptime", delay=5)
        expect(page.locator("#cards tbody tr")).to_have_count(1)
        expect(page).to_have_url(re.compile(r"\?search=texptime$"))
        expect(page.locator("#count")).to_have_text(re.compile("^1 of "))
        expect(page.locator("#cards tbody")).to_contain_text("TEXPTIME")
        expect(page.locator("#search")).to_be_focused()
        page.fill("#search", "")
        expect(page.locator("#cards tbody tr").nth(100)).to_be_visible()
        assert page.evaluate("window.notReloaded")
    with site.page(scripts=False) as page:
        page.goto(site.url + site.pages["stis"])
        page.fill("#search", "texptime")
        page.press("#search", "Enter")
        page.wait_for_url("**search=texptime*")
        expect(page.locator("#cards tbody tr")).to_have_count(1)


DROP = """(files) => {
  const held = new DataTransfer();
  for (const [name, bytes] of files) held.items.add(new File([new Uint8Array(bytes)], name));
  const told = (name) => document.querySelector("h1").dispatchEvent(
    new DragEvent(name, { dataTransfer: held, bubbles: true, cancelable: true }));
  told("dragover");
  window.seen = document.getElementById("upload").className;
  told("drop");
}"""


def test_files_are_dropped_and_chosen(site: Site, tmp_path: Path) -> None:
    good = tmp_path / "good.fits"
    good.write_bytes(fits_bytes(OBJECT="dropped"))
    cut = tmp_path / "short.fits"
    cut.write_bytes(fits_bytes((100, 100), OBJECT="cut")[:-6000])
    bad = tmp_path / "bad.txt"
    bad.write_text("no frame")
    with site.page() as page:
        page.goto(site.url + site.pages["dataset"])
        before = page.locator("#files tbody tr").count()
        page.set_input_files("#choose", [good])
        page.wait_for_selector("#uploads li.done >> text=uploaded")
        page.set_input_files("#choose", [good, cut])
        page.wait_for_selector("#uploads li.done >> text=here already")
        page.wait_for_selector("#uploads li.bad >> text=the file ends")
        expect(page.locator("#files tbody tr")).to_have_count(before + 2)
        page.evaluate(DROP, [["thrown.fits", list(fits_bytes(OBJECT="thrown"))]])
        assert "over" in page.evaluate("window.seen")
        page.wait_for_selector("#files >> text=thrown.fits")
        expect(page.locator("#upload")).not_to_have_class(re.compile("over"))
        expect(page.locator("#uploaded")).to_have_text("3 of 4 uploaded, 1 here already.")
    with site.page(scripts=False) as page:
        page.goto(site.url + site.pages["dataset"])
        page.set_input_files("#choose", good)
        page.click("#upload button")
        page.wait_for_url("**/?known=*")
        expect(page.locator(".said")).to_contain_text("good.fits was here already")
    with site.page(allowed="status of 400") as page:
        page.goto(site.url + site.pages["dataset"])
        page.set_input_files("#choose", bad)
        page.wait_for_selector("#uploads li.bad")
        expect(page.locator("#uploads li")).to_contain_text("no FITS signature")


def test_a_name_that_is_taken_waits_for_a_click(site: Site, tmp_path: Path) -> None:
    files = [tmp_path / f"version{n}.fits" for n in range(3)]
    for n, file in enumerate(files):
        file.write_bytes(fits_bytes(OBJECT=f"first {n}"))
    with site.page() as page:
        page.goto(site.url + site.pages["dataset"])
        rows = page.locator("#files tbody tr").count() + 3
        page.set_input_files("#choose", files)
        expect(page.locator("#files tbody tr")).to_have_count(rows)
        for n, file in enumerate(files):
            file.write_bytes(fits_bytes((20, 20), OBJECT=f"second {n}"))
        page.set_input_files("#choose", files)
        expect(page.get_by_text("Other content has this name.")).to_have_count(3)
        expect(page.locator("#uploaded")).to_contain_text("3 wait: other content has their name")
        page.click("text=Keep all 3 as new versions")
        expect(page.get_by_text("a new version", exact=True)).to_have_count(3)
        expect(page.locator("#replace-all")).to_be_hidden()
        expect(page.locator("#uploaded")).to_have_text("6 of 6 uploaded.")
        files[0].write_bytes(fits_bytes((30, 30), OBJECT="third"))
        page.set_input_files("#choose", files[:1])
        page.get_by_role("button", name="Keep version0.fits as a new version").click()
        expect(page.get_by_text("a new version", exact=True)).to_have_count(4)
        expect(page.locator("#files tbody tr")).to_have_count(rows)
        page.click("#files >> text=version0.fits")
        expect(page.locator("body")).to_contain_text("third")
        found = page.request.get(page.url, headers={"Accept": "application/json"}).json()
        assert found["version"] == 3


DIGEST = """async ([module, size, cut]) => {
  const { Sha256, digest } = await import(module);
  const bytes = Uint8Array.from({ length: size }, (_, n) => (n * 31 + (n >> 7)) % 256);
  const whole = new Sha256();
  for (let at = 0; at < size; at += cut) whole.add(bytes.subarray(at, at + cut));
  return [whole.hex(), await digest(new Blob([bytes]))];
}"""


def test_digests_are_those_of_everybody(site: Site) -> None:
    with site.page() as page:
        page.goto(site.url + site.pages["dataset"])
        for size, cut in ((0, 1), (3, 1), (55, 7), (56, 56), (63, 64), (64, 3), (5_000_001, 4099)):
            content = bytes((n * 31 + (n >> 7)) % 256 for n in range(size))
            told = page.evaluate(DIGEST, [f"{site.url}/static/digest.js", size, cut])
            assert told == [hashlib.sha256(content).hexdigest()] * 2, size


def test_a_page_without_https_knows_digests_too(site: Site, tmp_path: Path) -> None:
    """There the browser has none of its own; what is here already is not sent all the same."""
    frame = tmp_path / "plain.fits"
    frame.write_bytes(fits_bytes((300, 300), OBJECT="plain"))
    asked: list[str] = []
    with site.page() as page:
        page.add_init_script("Object.defineProperty(crypto, 'subtle', { value: undefined })")
        page.on("request", lambda one: asked.append(one.method + one.url.rpartition("/")[0][-8:]))
        page.goto(site.url + site.pages["dataset"])
        page.set_input_files("#choose", frame)
        page.wait_for_selector("#uploads li.done >> text=uploaded")
        assert any(one.startswith("PATCH") for one in asked)
        asked.clear()
        page.set_input_files("#choose", frame)
        page.wait_for_selector("#uploads li.done >> text=here already")
        assert not any(one.startswith("PATCH") for one in asked)


def test_other_bytes_than_were_sent_are_told(site: Site, tmp_path: Path) -> None:
    frame = tmp_path / "other.fits"
    frame.write_bytes(fits_bytes(OBJECT="other"))

    def lie(route: Any) -> None:
        answer = route.fetch()
        headers = answer.headers | {"arcsecond-sha256": "0" * 64}
        route.fulfill(response=answer, headers=headers)

    with site.page() as page:
        page.route(
            "**/uploads/*", lambda r: lie(r) if r.request.method == "PATCH" else r.continue_()
        )
        page.goto(site.url + site.pages["dataset"])
        page.set_input_files("#choose", frame)
        page.wait_for_selector("#uploads li.bad >> text=other bytes")


def test_a_folder_is_uploaded_with_its_folders(site: Site, tmp_path: Path) -> None:
    night = tmp_path / "night"
    for name in ("V/a.fits", "B/a.fits"):
        (night / name).parent.mkdir(parents=True)
        (night / name).write_bytes(fits_bytes(OBJECT=name))
    (night / ".hidden.fits").write_bytes(fits_bytes())
    (night / "empty.fits").touch()
    (night / "notes.txt").write_text("clouds")
    with site.page() as page:
        page.goto(site.url + site.pages["dataset"])
        page.set_input_files("#choose-folder", night)
        for name in ("V/a.fits", "B/a.fits"):
            page.wait_for_selector(f"#files >> text={name}")
        said = page.locator("#uploaded")
        expect(said).to_contain_text("2 of 2 uploaded, 3 left out, as hidden, empty or no FITS: ")
        for name in (".hidden.fits", "empty.fits", "notes.txt"):
            expect(said).to_contain_text(name)


def test_an_upload_in_the_browser_goes_on_where_it_came_to_a_stop(
    site: Site, tmp_path: Path
) -> None:
    """Cut while it runs, it tries again by itself; after a reload the same file goes on.

    So does a copy of it, which is younger.
    """
    large = tmp_path / "large.fits"
    large.write_bytes(fits_bytes((3200, 3200), OBJECT="large"))
    sent: list[int] = []

    def cut(route: Any) -> None:
        size = len(route.request.post_data_buffer or b"")
        if len(sent) in (1, 2):
            sent.append(0)
            route.abort("connectionreset")
        else:
            sent.append(size)
            route.continue_()

    with site.page(allowed="ERR_CONNECTION_RESET") as page:
        page.route(
            "**/uploads/*", lambda r: cut(r) if r.request.method == "PATCH" else r.continue_()
        )
        page.goto(site.url + site.pages["dataset"])
        page.set_input_files("#choose", large)
        page.wait_for_selector("#uploads li >> text=Trying again")
        page.goto("about:blank")
        assert sent[:2] == [8 << 20, 0]
        sent[:] = [8 << 20, 0, 0]
        os.utime(large)
        page.goto(site.url + site.pages["dataset"])
        page.set_input_files("#choose", large)
        page.wait_for_selector("#uploads li.done >> text=uploaded")
        assert sum(sent) == large.stat().st_size


def test_what_is_here_in_another_dataset_is_not_sent(site: Site, tmp_path: Path) -> None:
    frame = tmp_path / "again.fits"
    frame.write_bytes(fits_bytes(OBJECT="again"))
    began: list[str] = []
    with site.page() as page:
        other = page.request.post(
            f"{site.url}/datasets/", data={"name": "Other"}, headers={"Origin": site.url}
        ).json()["uuid"]
        for dataset in (f"/datasets/{other}/", site.pages["dataset"]):
            page.route("**/uploads/", lambda r: (began.append(r.request.method), r.continue_()))
            page.goto(site.url + dataset)
            page.set_input_files("#choose", frame)
            page.wait_for_selector("#files >> text=again.fits")
        expect(page.locator("#uploads li.done")).to_contain_text("made of what was here")
        expect(page.locator("#uploaded")).to_have_text("0 of 1 uploaded, 1 made of what was here.")
    assert began.count("POST") == 1


def test_questions_that_are_cut_are_asked_again(site: Site, tmp_path: Path) -> None:
    frame = tmp_path / "asked.fits"
    frame.write_bytes(fits_bytes(OBJECT="asked"))
    cuts = {"known": 2, "uploads": 1}

    def cut(what: str) -> Any:
        def handle(route: Any) -> None:
            cuts[what] -= 1
            route.abort("connectionreset") if cuts[what] >= 0 else route.continue_()

        return handle

    with site.page(allowed="ERR_CONNECTION_RESET") as page:
        page.route("**/known/", cut("known"))
        page.route("**/uploads/?page_size*", cut("uploads"))
        page.goto(site.url + site.pages["dataset"])
        page.set_input_files("#choose", frame)
        page.wait_for_selector("#uploads li.done >> text=uploaded")
    assert max(cuts.values()) < 0


def test_an_upload_that_another_program_began_is_left_alone(site: Site, tmp_path: Path) -> None:
    """As large and named as what is dropped here: whoever began it may go on with it."""
    frame = tmp_path / "begun.fits"
    frame.write_bytes(fits_bytes((100, 100), OBJECT="begun"))
    begin = site.pages["dataset"] + "uploads/"
    told = {
        "Tus-Resumable": "1.0.0",
        "Upload-Length": str(frame.stat().st_size),
        "Upload-Metadata": f"filename {base64.b64encode(b'begun.fits').decode()}",
    }
    with site.page() as page:
        page.goto(site.url + site.pages["dataset"])
        begun = page.request.post(site.url + begin, headers=told | {"Origin": site.url})
        assert begun.status == 201, begun.text()
        page.set_input_files("#choose", frame)
        page.wait_for_selector("#uploads li.done >> text=uploaded")
        left = page.request.head(begun.headers["location"], headers={"Tus-Resumable": "1.0.0"})
        assert left.status == 200


UNREADABLE = """(content) => {
  const file = (name, read) => ({ isFile: true, fullPath: `/night/${name}`, file: read });
  const good = file("read.fits", (ok) => ok(new File([new Uint8Array(content)], "read.fits")));
  const bad = file("locked.fits", (ok, not) => not(new DOMException("no", "NotReadableError")));
  const folder = (name, read) => ({ isFile: false, fullPath: name, createReader: () => ({ readEntries: read }) });
  const locked = folder("/night/locked", (ok, not) => not(new DOMException("no", "NotReadableError")));
  const all = [[bad, locked, good], []];
  const night = folder("/night", (ok) => ok(all.shift()));
  DataTransferItem.prototype.webkitGetAsEntry = () => night;
  const data = new DataTransfer();
  data.items.add(new File(["x"], "night"));
  document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


def test_what_cannot_be_read_in_a_folder_holds_up_no_other(site: Site) -> None:
    with site.page() as page:
        page.goto(site.url + site.pages["dataset"])
        page.evaluate(UNREADABLE, list(fits_bytes(OBJECT="read")))
        page.wait_for_selector("#files >> text=read.fits")
        bad = page.locator("#uploads li.bad")
        expect(bad).to_have_count(2)
        expect(bad.nth(0)).to_contain_text("locked.fits")
        expect(bad.nth(1)).to_contain_text("cannot be read here")
        expect(page.locator("#uploaded")).to_have_text("1 of 3 uploaded, 2 failed.")


def test_another_file_of_that_name_and_size_is_not_glued_to_the_first(
    site: Site, tmp_path: Path
) -> None:
    """Cameras begin anew with their numbers each night."""
    frames = [fits_bytes((3000, 3000), OBJECT=night) for night in ("one", "two")]
    (tmp_path / "bias_0001.fits").write_bytes(frames[0])
    sent: list[int] = []

    def cut(route: Any) -> None:
        sent.append(1)
        route.continue_() if len(sent) == 1 else route.abort("connectionreset")

    with site.page(allowed="ERR_CONNECTION_RESET") as page:
        page.route(
            "**/uploads/*", lambda r: cut(r) if r.request.method == "PATCH" else r.continue_()
        )
        page.goto(site.url + site.pages["dataset"])
        page.set_input_files("#choose", tmp_path / "bias_0001.fits")
        page.wait_for_selector("#uploads li >> text=Trying again")
        page.goto("about:blank")
    (tmp_path / "bias_0001.fits").write_bytes(frames[1])
    with site.page() as page:
        page.goto(site.url + site.pages["dataset"])
        page.set_input_files("#choose", tmp_path / "bias_0001.fits")
        page.wait_for_selector("#uploads li.done >> text=uploaded")
        kept = page.request.get(
            site.url + site.pages["dataset"] + "fitsfiles/bias_0001.fits/download/"
        )
        assert kept.body() == frames[1]


@LOOKS
def test_a_picture_that_cannot_be_drawn_says_why(site: Site) -> None:
    with site.page(allowed="status of 404") as page:
        page.goto(site.url + site.pages["cut"])
        page.wait_for_selector("figcaption >> text=ends before")


def lit(picture: bytes) -> tuple[int, int]:
    """Return the most red of a screenshot, and the most green or blue."""
    from PIL import Image

    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
    return int(pixels[..., 0].max()), int(pixels[..., 1:].max())


@LOOKS
def test_red_is_red_alone(site: Site, tmp_path: Path) -> None:
    with site.page(mode="red", allowed="status of 404") as page:
        for name in ("home", "object", "dataset", "noise", "live", "login", "error"):
            page.goto(site.url + site.pages[name])
            page.locator("main :is(a, input, button)").last.focus()
            red, others = lit(page.screenshot())
            assert red > 200, name
            assert others <= 4, name
        # A picture is not only dark: it is seen, in red.
        page.goto(site.url + site.pages["noise"])
        red, others = lit(page.locator(".preview.large .frame").screenshot())
        assert red > 120
        assert others <= 4
        # The browser's own controls, what is selected, and what is being typed.
        page.evaluate(
            """() => document.querySelector("main").innerHTML =
              "<input type=checkbox checked><input type=range><progress value=.5></progress>" +
              "<input type=color value='#00ff00'><meter value=.9></meter><input type=date>" +
              "<input type=search value=selected autofocus><img src=/static/icon.svg width=300>" """
        )
        page.locator("[type=search]").select_text()
        red, others = lit(page.screenshot())
        assert red > 200
        assert others <= 4


@LOOKS
@pytest.mark.parametrize("chosen", ["light", "dark", "auto"])
def test_auto_follows_the_system(site: Site, chosen: str) -> None:
    with site.page() as page:
        page.goto(site.url)
        page.click(f".modes [value={chosen}]")
        expect(page.locator(f".modes [value={chosen}]")).to_have_attribute("aria-pressed", "true")
        colours = {}
        for system in ("light", "dark"):
            page.emulate_media(color_scheme=system)
            colours[system] = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (colours["light"] == colours["dark"]) == (chosen != "auto")


WIDTHS = (1200, 390)


AXE = """async () => {
  const found = [];
  for (const mode of ["light", "dark", "red"]) {
    document.documentElement.dataset.mode = mode;
    const rules = mode == "light" ? {} : { runOnly: ["color-contrast", "link-in-text-block"] };
    const answer = await axe.run({ resultTypes: ["violations"], ...rules });
    found.push(...answer.violations.map((violation) => ({ mode, ...violation })));
  }
  return found;
}"""
"""Every rule where it is light; where it is not, those that look at colours."""


@LOOKS
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_serious(site: Site, width: int) -> None:
    # Its source by the browser's own door: the policy would refuse a script element.
    source = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
    found: list[str] = []
    with site.page(width=width, allowed="status of 404") as page:
        page.add_init_script(source)
        for name, path in site.pages.items():
            page.goto(site.url + path)
            found += [
                f"{name}, {violation['mode']}: {violation['id']} {node['html'][:200]} "
                f"{node['failureSummary'][:300]}"
                for violation in page.evaluate(AXE)
                if violation["impact"] in ("serious", "critical")
                for node in violation["nodes"][:3]
            ]
    assert found == []


@LOOKS
@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_is_wider_than_its_window(site: Site, width: int) -> None:
    with site.page(width=width, allowed="status of 404") as page:
        for name, path in site.pages.items():
            page.goto(site.url + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name


@LOOKS
def test_every_page_is_light(site: Site) -> None:
    """Below 100 kB with all that it loads, uncompressed, pictures that wait included."""
    weights: dict[str, int] = {}
    with site.page(allowed="status of 404") as page:
        loaded: list[int] = []
        page.on("response", lambda answer: loaded.append(weight_of(answer)))
        for name, path in site.pages.items():
            loaded.clear()
            page.goto(site.url + path)
            for picture in page.locator("img[loading=lazy]").all():
                picture.scroll_into_view_if_needed()
                expect(picture).to_have_js_property("complete", value=True)
            weights[name] = sum(loaded)
    assert {name: weight for name, weight in weights.items() if weight >= 100_000} == {}


def weight_of(answer: Response) -> int:
    """Return the bytes of an answer; the feed's never ends."""
    if answer.request.resource_type == "eventsource":
        return 0
    return len(answer.body()) if answer.ok else 0


@LOOKS
def test_nothing_is_inline(site: Site) -> None:
    with site.page(allowed="status of 404") as page:
        for name, path in site.pages.items():
            answer = page.goto(site.url + path)
            assert answer is not None
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            inline = (
                "script:not([src]), style, [style], [onclick], [onload], a[href^='javascript:']"
            )
            assert page.locator(inline).count() == 0, name


@LOOKS
def test_keys_reach_everything(site: Site) -> None:
    """The skip link first, then every control in its order, each with a ring around it."""
    with site.page(allowed="status of 404") as page:
        for name in ("home", "dataset", "noise", "exoplanets", "api"):
            page.goto(site.url + site.pages[name])
            controls = page.evaluate(
                """[...document.querySelectorAll(
                  "a[href], button, input:not([type=hidden]), summary, [tabindex='0']")]
                .filter((e) => e.checkVisibility()).length"""
            )
            seen: list[int] = []
            for step in range(controls):
                page.keyboard.press("Tab")
                at, ring = page.evaluate(
                    """() => {
                      window.all ??= [...document.querySelectorAll("*")];
                      const here = document.activeElement;
                      const style = getComputedStyle(here);
                      return [window.all.indexOf(here),
                        style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2];
                    }"""
                )
                if step == 0:
                    assert page.evaluate("document.activeElement.className") == "skip", name
                assert ring, (name, step)
                seen.append(at)
            assert len(set(seen)) == controls, name
            assert seen == sorted(seen), name
        page.goto(site.url + site.pages["home"])
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "content"


def test_files_are_chosen_by_keys(site: Site, tmp_path: Path) -> None:
    frame = tmp_path / "keys.fits"
    frame.write_bytes(fits_bytes(OBJECT="keys"))
    with site.page() as page:
        # Listen before the page is there: a dialogue that opens too early is not told.
        page.on("filechooser", lambda _: None)
        page.goto(site.url + site.pages["dataset"])
        page.focus("#choose")
        with page.expect_file_chooser() as chooser:
            page.keyboard.press("Enter")
        assert chooser.value.is_multiple()
        chooser.value.set_files(frame)
        page.wait_for_selector("#uploads li.done")
