"""``make test-clients``: released clients, unmodified, against a server of this tree.

Each gets an environment of its own with the versions in ``constraints-*.txt``.
Nothing of theirs is changed; see ``drive.py`` for how they are led here. Clients of
tus are in ``resume.py``; the one in JavaScript needs node and npm.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ENVIRONMENTS = HERE.parents[1] / ".clients"
RELEASES = ("0.5.4", "0.6.6", "1.3.8", "3.14.1")
ARCSECOND = [sys.executable, "-m", "arcsecond"]
ELEMENTS = """ISS (ZARYA)
1 25544U 98067A   08264.51782528 -.00002182  00000-0 -11606-4 0  2927
2 25544  51.6416 247.4627 0006703 130.5360 325.0288 15.72125391563537
"""


def installed(release: str) -> None:
    """Install a release into an environment of its own, once."""
    folder, pins = ENVIRONMENTS / release, HERE / f"constraints-{release}.txt"
    ready = folder / "ready"
    if ready.exists() and ready.read_text() == pins.read_text():
        return
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q"]
    subprocess.run([*pip, "-r", str(pins)], check=True)
    ready.write_text(pins.read_text())


@contextlib.contextmanager
def serving(home: Path) -> Iterator[str]:
    """Serve an empty directory with one satellite; yields the address."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("ARCSECOND_")}
    environ = {**kept, "ARCSECOND_HOME": str(home), "ARCSECOND_CONFIG": str(home / "client.ini")}
    environ["ARCSECOND_ONLINE"] = "0"
    elements = home / "elements.tle"
    elements.write_text(ELEMENTS)
    subprocess.run([*ARCSECOND, "satellites", "import", str(elements)], env=environ, check=True)
    process = subprocess.Popen([*ARCSECOND, "serve", "--port", "0"], env=environ)
    try:
        address = ""
        until = time.monotonic() + 60
        while not address and time.monotonic() < until:
            time.sleep(0.05)
            with contextlib.suppress(OSError, ValueError):
                address = json.loads((home / "serving.json").read_bytes())["url"]
        yield address
    finally:
        process.terminate()
        process.wait(30)


def resume() -> int:
    """Drive the clients of tus; 1 when one failed, or could not be tried where it has to be."""
    if not (shutil.which("node") and shutil.which("npm")):
        print("tus: skipped, node and npm are not here")
        return int(os.environ.get("ARCSECOND_NO_SKIPS") == "1")
    installed("tus")
    modules = ENVIRONMENTS / "tus-js"
    shutil.copytree(HERE / "tus", modules, dirs_exist_ok=True)
    install = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"]
    subprocess.run(install, cwd=modules, check=True)
    python = ENVIRONMENTS / "tus" / "bin" / "python"
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "tests.clients.resume", folder, str(python), str(modules)]
        return subprocess.run(words, check=False, cwd=HERE.parents[1]).returncode


def main() -> int:
    """Drive each release in turn; 1 when a call failed."""
    if sys.argv[1:] == ["tus"]:
        return resume()
    releases = sys.argv[1:] or RELEASES
    for release in releases:
        installed(release)
    failed = 0
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as url:
        environ = {
            **os.environ,
            "ARCSECOND_DRIVER_URL": url,
            "ARCSECOND_DRIVER_VENVS": str(ENVIRONMENTS),
        }
        running = []
        for release in releases:
            words = [sys.executable, str(HERE / "drive.py"), release]
            running.append(subprocess.Popen(words, env=environ, stdout=subprocess.PIPE, text=True))
        for process in running:
            said, _ = process.communicate(timeout=1200)
            print(said, end="", flush=True)
            failed += process.returncode != 0
    passed = len(releases) - failed
    print(f"clients: {passed} passed, {failed} failed")
    return int(failed > 0) or (resume() if releases is RELEASES else 0)


if __name__ == "__main__":
    sys.exit(main())
