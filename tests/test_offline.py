"""Nothing reaches for the network behind anybody's back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from arcsecond.server.settings import Settings
from tests.conftest import environment, fits_bytes

WATCHED = """
import sys
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "urllib.Request"):
        print("NETWORK", event, arguments[1:] if event == "socket.connect" else arguments,
              file=sys.stderr)
sys.addaudithook(watch)
from arcsecond.cli.main import run
status = 0
for words in LINES:
    status = run(words) or status
from arcsecond.client.embedded import close_all
close_all()
from astropy.utils import iers, data
assert not iers.conf.auto_download, "IERS tables may be downloaded"
assert not data.conf.allow_internet, "astropy may use the network"
sys.exit(status)
"""


def test_no_command_opens_a_connection(tmp_path: Path) -> None:
    """Every kind of work in one process, under an audit hook: look up, keep, read with a WCS."""
    settings = Settings(home=tmp_path / "home")
    frame = tmp_path / "a.fits"
    frame.write_bytes(
        fits_bytes(
            OBJECT="M 31",
            CTYPE1="RA---TAN",
            CTYPE2="DEC--TAN",
            CRVAL1=10.68,
            CRVAL2=41.27,
            CRPIX1=4.0,
            CRPIX2=4.0,
            CDELT1=-0.001,
            CDELT2=0.001,
            EQUINOX=1950.0,
            RADESYS="FK4",
            DATE__OBS="2050-11-22T21:22:23",
            TIMESYS="UT1",
        )
    )
    lines = [
        ["objects", "HD 5980"], ["exoplanets", "51 Peg b"], ["findingcharts", "HD 5980"],
        ["observingsites"], ["satellites"], ["datasets", "create", "--name", "d", "--json"],
        ["activities", "create", "--title", "t", "--target", "M 31"],
        ["nightlogs", "create", "--date", "2026-11-22"], ["datasets"],
    ]  # fmt: skip
    made = _run(settings, lines)
    assert "NETWORK" not in made.stderr, made.stderr
    assert made.returncode == 0, made.stderr
    listed = subprocess.run(
        [sys.executable, "-m", "arcsecond", "datasets", "--quiet"], env=environment(settings),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    dataset = listed.stdout.strip()
    kept = _run(settings, [["fitsfiles", dataset, "create", "--file", str(frame)]])
    assert "NETWORK" not in kept.stderr, kept.stderr
    assert kept.returncode == 0, kept.stderr
    assert '"source":"wcs"' in kept.stdout


def _run(settings: Settings, lines: list[list[str]]) -> subprocess.CompletedProcess[str]:
    program = WATCHED.replace("LINES", repr(lines))
    if not any("fitsfiles" in line for line in lines):  # astropy is not imported by the others
        program = program[: program.index("from astropy")] + "sys.exit(status)\n"
    command = [sys.executable, "-c", program]
    return subprocess.run(
        command, env=environment(settings), capture_output=True, text=True, timeout=100
    )


def test_the_library_calls_that_download_are_nowhere() -> None:
    """By name, in our own source: what would fetch something if it were called."""
    forbidden = (
        "download_file", "from_name(", "of_site(", "get_sites", "urlopen", "urlretrieve",
        "import requests", "astroquery", "IERS_A.open", "load_from_url",
    )  # fmt: skip
    source = Path(__file__).resolve().parents[1] / "src" / "arcsecond"
    for path in source.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for word in forbidden:
            if (path.name, word) != ("remote.py", "import requests"):  # imported when asked for
                assert word not in text, f"{path.name} holds {word}"
