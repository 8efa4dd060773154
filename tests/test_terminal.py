"""Commands typed in a real terminal: prompts, cards, questions, Ctrl-C."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import shlex
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from arcsecond.server.settings import Settings
from tests.conftest import PASSWORD, environment, fits_bytes
from tests.test_satellites import ISS, with_checksums

ARCSECOND = [sys.executable, "-m", "arcsecond"]


class Terminal:
    """A command in a terminal of its own."""

    def __init__(
        self,
        settings: Settings,
        *words: str,
        columns: int = 100,
        program: list[str] | None = None,
        **more: str,
    ) -> None:
        self.text = ""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        environ = environment(settings, **({"TERM": "xterm", "LC_ALL": "C.UTF-8"} | more))
        environ.pop("COLUMNS", None)
        self.process = subprocess.Popen(
            program or [*ARCSECOND, *words], env=environ, stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(slave)
        self._master = master

    def expect(self, words: str) -> None:
        """Read until some words were shown."""
        until = time.monotonic() + 30
        while words not in self.text:
            assert time.monotonic() < until, self.text
            if not self._read():
                break
        assert words in self.text, self.text

    def type(self, words: str) -> None:
        os.write(self._master, words.encode() + b"\n")

    def end(self) -> int:
        """Read the rest; returns the exit status."""
        while self._read():
            pass
        os.close(self._master)
        return self.process.wait(30)

    def interrupt(self) -> int:
        """Press Ctrl-C, once, as late as a hand would; returns the exit status."""
        time.sleep(0.3)
        os.write(self._master, b"\x03")
        return self.end()

    def _read(self) -> bool:
        ready, _, _ = select.select([self._master], [], [], 30)
        try:
            data = os.read(self._master, 65536) if ready else b""
        except OSError:  # the other end was closed
            return False
        self.text += data.decode("utf-8", "replace")
        return bool(data)


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def new_dataset(home: Settings) -> str:
    command = [*ARCSECOND, "datasets", "create", "--name", "d", "--quiet"]
    made = subprocess.run(
        command, env=environment(home), capture_output=True, text=True, check=True
    )
    return made.stdout.strip()


def test_registering_and_signing_in_by_answering(home: Settings) -> None:
    terminal = Terminal(home, "register")
    terminal.expect("Username")
    terminal.type("ann")
    terminal.expect("E-mail")
    terminal.type("ann@localhost")
    terminal.expect("Password")
    terminal.type(PASSWORD)
    terminal.expect("once more")
    terminal.type(PASSWORD)
    terminal.expect("Signed in as ann")
    assert terminal.end() == 0
    assert PASSWORD not in terminal.text
    terminal = Terminal(home, "login")
    terminal.expect("Username")
    terminal.type("ann")
    terminal.expect("Password")
    terminal.type("wrong-wrong")
    terminal.expect("Unable to log in")
    assert terminal.end() == 1


def test_a_card_fits_the_terminal(home: Settings) -> None:
    assert Terminal(home, "objects", "HD 5980").end() == 0  # which may have to build catalogues
    for columns in (80, 200):
        terminal = Terminal(home, "objects", "HD 5980", columns=columns, NO_COLOR="1")
        assert terminal.end() == 0
        lines = terminal.text.replace("\r", "").split("\n")
        assert lines[0].replace("\x1b[1m", "").replace("\x1b[0m", "") == "HD 5980"
        assert max(map(len, lines)) <= columns


def test_a_text_does_not_command_the_terminal(home: Settings) -> None:
    title = "x\x1b]0;mine\x07\x1b[2J\u202eABC\x9b2J\tend"
    command = [*ARCSECOND, "activities", "create", "--title", title]
    subprocess.run(command, env=environment(home), capture_output=True, check=True)
    for words in (("activities",), ("activities", "1")):
        terminal = Terminal(home, *words, NO_COLOR="1", columns=120)
        assert terminal.end() == 0
        assert "mine" in terminal.text
        assert not set(terminal.text) & set("\x1b\x07\x9b\u202e")


def test_first_rows_are_a_table(home: Settings, tmp_path: Path) -> None:
    from astropy.io import fits

    columns = [fits.Column("MAG", "E", "mag", array=[3.5]), fits.Column("N", "J", array=[7])]
    frame = tmp_path / "stars.fits"
    fits.BinTableHDU.from_columns(columns).writeto(frame)
    dataset = new_dataset(home)
    assert Terminal(home, "fitsfiles", dataset, "create", "--file", str(frame)).end() == 0
    shown = Terminal(home, "fitsfiles", "d", "read", "stars.fits", "--rows", NO_COLOR="1")
    assert shown.end() == 0
    assert [line.split() for line in shown.text.split("\n")[:2]] == [
        ["MAG", "(mag)", "N"],
        ["3.5", "7"],
    ]


def test_a_long_list_begins_with_its_first_page(home: Settings) -> None:
    first = Terminal(home, "observingsites", columns=80, NO_COLOR="1")
    assert first.end() == 0
    lines = first.text.replace("\r", "").rstrip("\n").split("\n")
    assert max(map(len, lines)) <= 80
    assert all(heading in first.text for heading in ("Code", "Position", "Country"))
    assert "in all; this is the first page, --all shows everything." in lines[-1]
    assert 100 < len(lines) < 110
    everything = Terminal(home, "observingsites", "--all", NO_COLOR="1")
    assert everything.end() == 0
    assert everything.text.count("\n") > 2_700
    few = Terminal(home, "sites", "search", "palma", NO_COLOR="1")
    assert few.end() == 0
    assert "in all" not in few.text


def test_what_matters_of_a_pass_fits_the_terminal(home: Settings, tmp_path: Path) -> None:
    file = tmp_path / "iss.tle"
    file.write_text(with_checksums(ISS))
    assert Terminal(home, "satellites", "import", str(file)).end() == 0
    asked = ("--passes", "--site", "000", "--date", "2008-09-20", "--nights", "2")
    shown = Terminal(home, "satellites", "25544", *asked, columns=80, NO_COLOR="1")
    assert shown.end() == 0
    headings = shown.text.splitlines()[0]
    assert all(word in headings for word in ("Rises (UTC)", "Alt", "Visible", "Satellite"))
    assert max(map(len, shown.text.splitlines())) <= 80


def test_element_sets_keep_their_columns(home: Settings, tmp_path: Path) -> None:
    file = tmp_path / "iss.tle"
    file.write_text(with_checksums(ISS))
    assert Terminal(home, "satellites", "import", str(file)).end() == 0
    for columns in (80, 120):
        shown = Terminal(home, "satellites", "25544", columns=columns, NO_COLOR="1")
        assert shown.end() == 0
        for line in with_checksums(ISS).splitlines()[1:]:
            assert line in shown.text


def test_no_color_and_a_terminal_without_utf8(home: Settings) -> None:
    plain = Terminal(home, "exoplanets", "51 Peg b", NO_COLOR="1")
    assert plain.end() == 0
    assert "\x1b[3" not in plain.text
    old = Terminal(home, "objects", "HD 5980", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert old.end() == 0
    assert "HD 5980" in old.text
    assert "Traceback" not in old.text


def test_deleting_asks_and_no_means_no(home: Settings) -> None:
    key = new_dataset(home)
    for answer, status in (("n", 1), ("y", 0)):
        terminal = Terminal(home, "datasets", "delete", key)
        terminal.expect(f"Delete datasets {key}, 'd'?")
        terminal.type(answer)
        assert terminal.end() == status
    terminal = Terminal(home, "datasets", key)
    assert terminal.end() == 1
    assert "not found" in terminal.text


def test_an_upload_shows_its_progress(home: Settings, tmp_path: Path) -> None:
    frame = tmp_path / "a.fits"
    frame.write_bytes(fits_bytes((500, 500)))
    terminal = Terminal(home, "fitsfiles", new_dataset(home), "create", "--file", str(frame))
    assert terminal.end() == 0
    assert "100%" in terminal.text


def test_ctrl_c_ends_with_130(home: Settings) -> None:
    terminal = Terminal(home, "login")
    terminal.expect("Username")
    assert terminal.interrupt() == 130
    assert "Traceback" not in terminal.text
    assert not (home.home / "client.ini").exists()


def nothing_is_half_done(home: Settings, dataset: str) -> None:
    for words in (["fitsfiles", dataset, "--json"], ["server", "check", "--json"]):
        done = subprocess.run([*ARCSECOND, *words], env=environment(home), capture_output=True)
        assert done.returncode == 0, done.stderr
        if words[0] == "fitsfiles":
            assert json.loads(done.stdout) == []
    assert not list((home.home / "incoming").iterdir())


def test_ctrl_c_ends_an_upload(home: Settings, tmp_path: Path) -> None:
    frame = tmp_path / "large.fits"
    frame.write_bytes(fits_bytes())
    os.truncate(frame, 4 << 30)  # with nothing in it, which takes no room
    dataset = new_dataset(home)
    terminal = Terminal(home, "fitsfiles", dataset, "create", "--file", str(frame))
    terminal.expect(" 1%")
    assert terminal.interrupt() == 130
    assert "Interrupted." in terminal.text
    assert "Traceback" not in terminal.text
    nothing_is_half_done(home, dataset)


def test_an_upload_onto_a_full_disk(home: Settings, tmp_path: Path) -> None:
    frame = tmp_path / "large.fits"
    frame.write_bytes(fits_bytes((1000, 3000)))
    dataset = new_dataset(home)
    # 4 MiB, the most that a file may have here
    program = "ulimit -f 4096; " + shlex.join(
        [*ARCSECOND, "fitsfiles", dataset, "create", "--file", str(frame)]
    )
    terminal = Terminal(home, program=["bash", "-c", program])
    assert terminal.end() == 1
    assert "The server has no room for this file; nothing was kept." in terminal.text
    assert "Traceback" not in terminal.text
    nothing_is_half_done(home, dataset)


def test_a_closed_pipe_is_no_fault(home: Settings) -> None:
    program = f"{sys.executable} -m arcsecond exoplanets --json | head -c 10"
    done = subprocess.run(
        ["sh", "-c", program], env=environment(home), capture_output=True, text=True
    )
    assert done.stderr == ""


def test_closed_streams_are_no_fault(home: Settings) -> None:
    program = f"{sys.executable} -m arcsecond datasets delete x <&- 2>/dev/null; echo $?"
    shown = subprocess.run(["sh", "-c", program], env=environment(home), capture_output=True)
    assert shown.stdout == b"1\n"
    program = f"{sys.executable} -m arcsecond objects 'HD 5980' <&- | head -c 9"
    shown = subprocess.run(["sh", "-c", program], env=environment(home), capture_output=True)
    assert shown.stdout == b'{"name":"'


def test_a_full_disk_when_printing(home: Settings) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    with Path("/dev/full").open("w") as full:
        command = [*ARCSECOND, "objects", "HD 5980"]
        done = subprocess.run(command, env=environment(home), stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"No space left" in done.stderr


TAKEN = """
import sys
from arcsecond import ArcsecondAPI
first, second = sys.argv[1:]
with ArcsecondAPI() as api:
    files = api.datasets(api.datasets.create(name="d")["uuid"]).fitsfiles
    pk = files.create(file=first, name="a.fits")["pk"]
    files.delete(pk)
    files.create(file=second, name="a.fits")
    print(pk)
"""


def test_a_name_that_is_taken_is_asked_for(home: Settings, tmp_path: Path) -> None:
    """Until there is one that is free; where nobody can answer, it is said how."""
    frames = [tmp_path / f"{n}.fits" for n in range(2)]
    for n, frame in enumerate(frames):
        frame.write_bytes(fits_bytes(NUMBER=n))
    environ = environment(home)
    made = [sys.executable, "-c", TAKEN, *map(str, frames)]
    pk = subprocess.run(made, env=environ, capture_output=True, check=True).stdout.decode().strip()
    words = ("trash", "restore", pk)
    alone = subprocess.run([*ARCSECOND, *words], env=environ, capture_output=True, text=True)
    assert alone.returncode == 1
    assert "--name" in alone.stderr
    terminal = Terminal(home, *words)
    terminal.expect("Another name")
    terminal.type("a.fits")
    terminal.expect("is called 'a.fits' now")
    terminal.type("b.fits")
    terminal.expect("'b.fits' is back")
    assert terminal.end() == 0


def test_a_folder_that_is_sent_has_bars(home: Settings, tmp_path: Path) -> None:
    """One for the whole, and one for each file on its way; none where nobody looks."""
    night = tmp_path / "night"
    night.mkdir()
    for n in range(3):
        (night / f"{n}.fits").write_bytes(fits_bytes((3000, 3000), NUMBER=n))
    words = ("upload", str(night), "--dataset", "bars", "--yes")
    terminal = Terminal(home, *words)
    terminal.expect("of 3 files")
    terminal.expect("0.fits")
    terminal.expect("━")
    terminal.expect("3 files sent, 54.0 MB")
    assert terminal.end() == 0
    again = subprocess.run(
        [*ARCSECOND, *words], env=environment(home), capture_output=True, text=True, check=True
    )
    assert "━" not in again.stderr
    assert "\x1b" not in again.stderr
