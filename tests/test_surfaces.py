"""Every command on every kind of terminal: narrow, wide, without colour, without UTF-8, none."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from arcsecond.cli.main import cli
from arcsecond.server.settings import Settings
from tests.conftest import environment, fits_bytes
from tests.test_commands import TLE
from tests.test_terminal import Terminal

MADE = """
import json, subprocess, sys
from arcsecond import ArcsecondAPI
api = ArcsecondAPI()
dataset = api.datasets.create(name="A night of M 31 with a name that is rather long", tags=["a", "b"])
file = api.datasets(dataset["uuid"]).fitsfiles.create(file=sys.argv[1])
run = api.observingruns.create(name="Winter")
log = api.nightlogs.create(date="2026-11-22", observing_run=run["uuid"])
package = api.datapackages.create(name="All", datasets=[dataset["uuid"]], licence="CC-BY-4.0")
api.datapackages.do("share", package["uuid"])
activity = api.activities.create(title="First light", content="Seeing 0.8″, no wind — " + "word " * 30)
api.observingruns.delete(api.observingruns.create(name="deleted")["uuid"])
print(json.dumps([dataset["uuid"], file["pk"], run["uuid"], log["uuid"], activity["pk"], package["uuid"]]))
"""
TYPED = """
import json, sys
from arcsecond.cli.main import run
for words in json.loads(sys.argv[1]):
    print("$ arcsecond", *words, flush=True)
    print("=", run(words), flush=True)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, list[list[str]]]:
    """A data directory with something of everything, and the lines that show it."""
    folder = tmp_path_factory.mktemp("surfaces")
    settings = Settings(home=folder / "home")
    frame, elements = folder / "frame.fits", folder / "elements.tle"
    frame.write_bytes(fits_bytes(OBJECT="M 31", CRVAL1=10.68, EXPTIME=30.0))
    elements.write_text(TLE)
    environ = environment(settings)
    add = [sys.executable, "-m", "arcsecond", "satellites", "import", str(elements)]
    subprocess.run(add, env=environ, check=True, capture_output=True)
    done = subprocess.run(
        [sys.executable, "-c", MADE, str(frame)], env=environ, check=True, capture_output=True,
        text=True,
    )  # fmt: skip
    dataset, file, run, log, activity, package = map(str, json.loads(done.stdout))
    return settings, [
        ["me"], ["objects", "HD", "5980"], ["objects"], ["exoplanets", "51 Peg b"], ["exoplanets"],
        ["findingcharts", "HD 5980"], ["observingsites"], ["telescopes"], ["instruments"],
        ["satellites"], ["satellites", "25544"], ["profiles"], ["observingruns"],
        ["observingruns", run], ["nightlogs"], ["nightlogs", log], ["datasets"],
        ["datasets", dataset], ["fitsfiles", dataset], ["fitsfiles", dataset, "read", file],
        ["activities"], ["activities", activity], ["standardstars", "83.82,-5.39", "3"],
        ["catalogues"], ["catalogues", "openngc"], ["objects", "search", "theta"],
        ["objects", "--around", "83.82,-5.39"], ["trash"],
        ["datapackages"], ["datapackages", package],
    ]  # fmt: skip


def shown(place: tuple[Settings, list[list[str]]], columns: int, **more: str) -> str:
    """Type all lines into one terminal; returns what was on it."""
    settings, lines = place
    program = [sys.executable, "-c", TYPED, json.dumps(lines)]
    terminal = Terminal(settings, program=program, columns=columns, **more)
    assert terminal.end() == 0, terminal.text
    assert "Traceback" not in terminal.text
    statuses = re.findall(r"^= (\d+)\r?$", terminal.text, re.MULTILINE)
    assert statuses == ["0"] * len(lines), terminal.text
    return terminal.text


def width(line: str) -> int:
    """Return how many columns a line takes."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", line)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in plain)
    return len(plain) + wide - sum(unicodedata.combining(c) > 0 for c in plain)


@pytest.mark.parametrize("columns", [80, 200])
def test_nothing_is_wider_than_the_terminal(
    columns: int, place: tuple[Settings, list[list[str]]]
) -> None:
    text = shown(place, columns)
    assert "\x1b[" in text
    for line in text.splitlines():
        # An address or a digest is never broken: somebody wants to copy it.
        longest = max(map(len, line.split()), default=0)
        if not line.startswith("$") and longest < 50:
            assert width(line) <= columns, line


def test_without_colour_there_is_none(place: tuple[Settings, list[list[str]]]) -> None:
    assert "\x1b" not in shown(place, 100, NO_COLOR="1")
    assert "\x1b" not in shown(place, 100, TERM="dumb")


def test_without_utf_8_the_rest_is_shown(place: tuple[Settings, list[list[str]]]) -> None:
    """What Latin-1 does not know becomes a question mark, and nothing ends for it."""
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    text = shown(place, 100, PYTHONIOENCODING="latin-1", **plain)
    assert "HD 5980" in text
    assert "Seeing 0.8?" in text
    assert "HD 5980" in shown(place, 100, PYTHONIOENCODING="ascii", **plain)


def test_piped_it_is_json(place: tuple[Settings, list[list[str]]]) -> None:
    settings, lines = place
    program = [sys.executable, "-c", TYPED, json.dumps(lines)]
    done = subprocess.run(program, env=environment(settings), capture_output=True, text=True)
    answers = re.split(r"^\$ arcsecond.*\n", done.stdout, flags=re.MULTILINE)[1:]
    assert len(answers) == len(lines)
    for words, answer in zip(lines, answers, strict=True):
        text, _, status = answer.rpartition("= ")
        assert status.strip() == "0", words
        json.loads(text)
    assert done.stderr == ""


def test_a_line_for_every_command_that_shows_something(
    place: tuple[Settings, list[list[str]]],
) -> None:
    others = {"register", "login", "logout", "serve", "server", "completion", "upload", "download"}
    assert {words[0] for words in place[1]} == set(cli.commands) - others


@pytest.mark.parametrize("columns", [80, 200])
def test_every_help_fits_and_has_an_example(columns: int) -> None:
    """At 80 columns as at 200."""
    import click
    from click.testing import CliRunner

    def walk(command: click.Command, words: list[str]) -> None:
        environ = {"COLUMNS": str(columns), "TERM": "dumb"}
        done = CliRunner(env=environ).invoke(cli, [*words, "--help"], terminal_width=columns)
        assert done.exit_code == 0, words
        assert "Example: " in done.output, words
        assert all(len(line) <= columns for line in done.output.splitlines()), words
        if isinstance(command, click.Group):
            for name, child in command.commands.items():
                walk(child, [*words, name])

    walk(cli, [])


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("objcts", "objects"), ("dataset", "datasets"), ("activites", "activities"),
     ("exoplanet", "exoplanets"), ("sevre", "serve")],
)  # fmt: skip
def test_a_misspelt_command_suggests_the_right_one(wrong: str, right: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "arcsecond", wrong], env=dict(os.environ), capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"Did you mean `arcsecond {right}`?" in done.stderr
