"""Screenshots of every page: light, dark and red, at a desk's and at a phone's width.

Into ``.screenshots``, from a server on data that are made on the spot; frames
are those astropy installs with itself, and the shared ones where they are.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import demo
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / ".screenshots"
SHARED = ROOT.parent / "shared" / "data" / "fits"
MORE_FRAMES = (
    "imagers/M13_blue_0001.fits", "imagers/HorseHead.fits", "imagers/ccdproc_science_mef.fits",
    "compressed/panoptes_solved.fits.fz", "cubes/l1448_13co.fits",
)  # fmt: skip
MODES = ("light", "dark", "red")
WIDTHS = {"desk": 1200, "phone": 390}
PASSWORD = secrets.token_hex(8)


def main() -> int:
    """Take the screenshots; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="pages to take; all of them when none is named")
    parser.add_argument("--frames", type=Path, default=SHARED, help="where the shared frames are")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("There is no Chromium (Debian package chromium).", file=sys.stderr)
        return 1
    if not options.names:
        shutil.rmtree(HERE, ignore_errors=True)
    shutil.rmtree(HERE / "home", ignore_errors=True)
    HERE.mkdir(exist_ok=True)
    environ = {k: v for k, v in os.environ.items() if not k.startswith("ARCSECOND_")}
    os.environ.clear()
    os.environ.update(environ)
    os.environ["ARCSECOND_HOME"] = str(HERE / "home")
    os.environ["ARCSECOND_CONFIG"] = str(HERE / "arcsecond.ini")
    with served() as url, sync_playwright() as playwright:
        os.environ["ARCSECOND_SERVER"] = url
        pages = furnish(options.frames)
        chosen = {name: pages[name] for name in options.names or pages}
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        for mode in MODES:
            for place, width in WIDTHS.items():
                take(browser, url, chosen, mode, place, width)
        browser.close()
    print(f"{len(chosen) * len(MODES) * len(WIDTHS)} screenshots in {HERE}")
    return 0


@contextlib.contextmanager
def served() -> Iterator[str]:
    """Serve the data directory on a free port."""
    server = subprocess.Popen([*demo.ARCSECOND, "serve", "--port", "0"])
    said = HERE / "home" / "serving.json"
    try:
        until = time.monotonic() + 60
        while not (said.exists() and said.read_bytes()):
            if time.monotonic() > until or server.poll() is not None:
                raise SystemExit("The server did not start.")
            time.sleep(0.05)
        yield json.loads(said.read_bytes())["url"]
    finally:
        server.terminate()
        server.wait(20)


def furnish(shared: Path) -> dict[str, str]:
    """Make something of every kind; returns the pages by name."""
    words = ["register", "--username", "ann", "--email", "ann@localhost", "--password-stdin"]
    demo.arcsecond(*words, stdin=PASSWORD)
    dataset = make("datasets", "--name", "First light", "--description", "What came in tonight.")
    files = f"/datasets/{dataset['uuid']}/fitsfiles/"
    pks: dict[str, str] = {}
    frames = [demo.frames_folder() / name for name, _ in demo.FRAMES]
    frames += [path for path in (shared / name for name in MORE_FRAMES) if path.exists()]
    cut = HERE / "cut_off.fits"
    cut.write_bytes(frames[0].read_bytes()[:30_000])
    for path in [*frames, cut]:
        words = ["fitsfiles", dataset["uuid"], "create", "--file", str(path), "--json"]
        pks[path.name] = json.loads(demo.arcsecond(*words, capture=True))["pk"]
    empty = make("datasets", "--name", "Nothing in it yet")
    run = make("observingruns", "--name", "Winter run")
    words = ["--observing_run", run["uuid"], "--journal", "Clear, then cirrus from the west."]
    log = make("nightlogs", "--date", "2026-11-22", *words)
    content = "Eclipse of HD 5980, seeing 0.7 arcsec, first frames are in."
    make("activities", "--title", "First light", "--content", content, "--target", "HD 5980")
    activity = make("activities", "--title", "Egress", "--content", "Over at 03:12.")
    site, telescope, instrument = (
        json.loads(demo.arcsecond(name, "--json", capture=True))[0]["uuid"]
        for name in ("observingsites", "telescopes", "instruments")
    )
    many = pks["o4sp040b0_raw.fits"]
    best = pks.get("M13_blue_0001.fits", pks["comp.fits"])
    return {
        "home": "/", "live": "/live", "login": "/login", "objects": "/objects/",
        "object": "/objects/HD%205980/", "exoplanets": "/exoplanets/",
        "objects-around": "/objects/?around=83.82,-5.39&radius=0.5",
        "objects-search": "/objects/?search=nebula", "object-unknown": "/objects/Sirus/",
        "exoplanet": "/exoplanets/51%20Peg%20b/",
        "transits": f"/exoplanets/HD%20209458%20b/transits/?site={site}",
        "planet-transiting": "/exoplanets/HD%20209458%20b/",
        "catalogue": "/catalogues/hipparcos/", "chart": "/findingcharts/M%2031/",
        "standardstars": "/standardstars/", "catalogues": "/catalogues/",
        "sites": "/observingsites/", "site": f"/observingsites/{site}/",
        "telescopes": "/telescopes/", "telescope": f"/telescopes/{telescope}/",
        "instruments": "/instruments/", "instrument": f"/instruments/{instrument}/",
        "satellites": "/satellites/", "datasets": "/datasets/",
        "dataset": f"/datasets/{dataset['uuid']}/", "dataset-empty": f"/datasets/{empty['uuid']}/",
        "files": files, "file": f"{files}{best}/", "file-many": f"{files}{many}/",
        "file-cut": f"{files}{pks['cut_off.fits']}/",
        "file-search": f"{files}{best}/?search=date#headers",
        "activities": "/activities/", "activity": f"/activities/{activity['pk']}/",
        "runs": "/observingruns/", "run": f"/observingruns/{run['uuid']}/",
        "logs": "/nightlogs/", "log": f"/nightlogs/{log['uuid']}/", "people": "/profiles/",
        "me": "/me/", "error": "/nothing/here", "api": "/exoplanets/51%20Peg%20b/?format=api",
    }  # fmt: skip


def make(*words: str) -> Any:
    """Create something by a command and return it."""
    name, *rest = words
    return json.loads(demo.arcsecond(name, "create", *rest, "--json", capture=True))


def take(
    browser: Browser, url: str, pages: dict[str, str], mode: str, place: str, width: int
) -> None:
    """Take every page in one mode at one width."""
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    page.goto(f"{url}/login")
    page.fill("#username", "ann")
    page.fill("#password", PASSWORD)
    page.click("main button")
    page.locator(f".modes [value={mode}]").click()
    for name, path in pages.items():
        page.goto(url + path, wait_until="load")
        for lazy in page.locator("img[loading=lazy]").all():
            lazy.scroll_into_view_if_needed()
        page.evaluate("Promise.all([...document.images].map((i) => i.decode().catch(() => {})))")
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=HERE / f"{name}-{mode}-{place}.png", full_page=True)
    context.close()


if __name__ == "__main__":
    sys.exit(main())
