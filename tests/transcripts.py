"""Run the documents: their commands in a terminal, their Python in this process.

Sybil finds the blocks and runs the Python ones. The others run here, in the
order of the page, in one bash on a terminal of 100 columns, in a new HOME:

``sh``
    Commands to be copied; each has to end well, what they print is not compared.
``console``
    A transcript: commands behind ``$``, lines that go on behind ``>``, and what
    the terminal shows.
``python``
    Statements, or a session behind ``>>>``.

A comment above a block says what is special about it:

``<!-- file: night.py -->``
    The block is the content of a file.
``<!-- terminal: server -->``
    The block is typed in another terminal, and nobody waits for its end.
``<!-- answers: ann, starlight-9 -->``
    What is typed at the prompts of the block's commands.
``<!-- fails -->``
    The last command ends with another status than 0.
``<!-- not run: reason -->``
    Nobody can run it here; bash still has to understand it.

What differs from run to run is known by its form: a random UUID in a document
stands for any, but always for the same one; a moment stands for any moment of
the last hour; a port for any port; ``...`` in a line for anything in the line,
and alone in a line for any lines.

``ARCSECOND_TRANSCRIPTS=write pytest tests/documents`` writes what the
terminal showed into the documents; then read the difference.
"""

from __future__ import annotations

import contextlib
import difflib
import doctest
import errno
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fcntl import ioctl
from pathlib import Path

from sybil import Document, Example, Region
from sybil.evaluators.doctest import DocTestEvaluator
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.abstract import DocTestStringParser
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer

COLUMNS, ROWS = 100, 50
PATIENCE_S = 180.0
PROMPT = re.compile(r"\x1f(\d+)\x1f\Z")
PIECES = re.compile(
    r"\x1b\[(?P<up>\d*)A|\x1b\[(?P<erase>\d*)K|\x1b\[[0-9;?]*[A-Za-z]"
    r"|(?P<newline>\n)|(?P<back>\r)|(?P<text>[^\x1b\r\n]+)|\x1b"
)
"""What comes to a terminal; what is not named shows nothing."""
COMMENT = re.compile(r"<!-- ([a-z ]+)(?:: (.*?))? -->\n\Z")

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
MOMENT = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00| UTC)"
VARYING = re.compile(
    rf"(?P<uuid>{UUID})|(?P<moment>{MOMENT})|(?P<host>//[^/\s:]+:)\d+|(?P<any>\.\.\.)"
)

RUNNABLE = ("sh", "console", "python")


# The terminal


class Shell:
    """bash in a terminal of its own."""

    def __init__(self, environ: dict[str, str], folder: Path) -> None:
        self._master, slave = pty.openpty()
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        modes = termios.tcgetattr(slave)
        modes[3] &= ~termios.ECHO
        termios.tcsetattr(slave, termios.TCSANOW, modes)
        bash = ["bash", "--noprofile", "--norc", "--noediting", "-i"]
        start = f"import os; os.login_tty(0); os.execvp('bash', {bash!r})"
        shown = {"PS1": "\x1f$?\x1f", "PS2": "", "PS0": "", "PROMPT_COMMAND": ""}
        self.process = subprocess.Popen(
            [sys.executable, "-c", start],
            env=environ | shown, cwd=folder, stdin=slave, stdout=slave, stderr=slave,
        )  # fmt: skip
        os.close(slave)
        self._text, self._asked = "", 0
        self.finish()

    def type(self, text: str) -> None:
        """Type, without the key at the end of the line."""
        os.write(self._master, text.encode())

    def start(self, command: str) -> None:
        """Type a command."""
        self._text, self._asked = "", 0
        self.type(command + "\n")

    def finish(self) -> tuple[str, int]:
        """Wait for the prompt; returns what was shown, and the status."""
        found = self._read_until(lambda: PROMPT.search(self._text))
        return screen(self._text[: found.start()]), int(found.group(1))

    def shows(self, expected: str, known: dict[str, str]) -> bool:
        """Wait until the terminal shows a text."""
        with contextlib.suppress(TimeoutError):
            self._read_until(lambda: differs(expected, screen(self._text), known) is None or None)
            return True
        return False

    def answer(self, text: str) -> None:
        """Wait for a question and answer it."""
        self._read_until(lambda: re.search(r"[:?] \Z", screen_of(self._text[self._asked :])))
        self._asked = len(self._text)
        self.type(text + "\n")

    def shown(self) -> str:
        """Return what the terminal shows since the last command."""
        return screen(self._text)

    def end(self) -> None:
        """Press Ctrl-C, and close the window when the prompt is back."""
        self._text = ""
        try:
            for _ in range(15):  # a key that is pressed between two commands may not be felt
                self.type("\x03")
                with contextlib.suppress(TimeoutError):
                    self._read_until(self._is_back, 2.0)
                    return
            if (group := os.tcgetpgrp(self._master)) > 0:  # 0 would be the tests' own group
                os.killpg(group, signal.SIGKILL)
            raise TimeoutError(f"Ctrl-C does not end it:\n{screen(self._text)}")
        except OSError as error:
            if error.errno != errno.EIO:  # the terminal is closed: bash is gone
                raise
        finally:
            os.close(self._master)
            self.process.wait(20)

    def _is_back(self) -> bool | None:
        """Tell whether the prompt is back, or bash gone: two keys in a row may end it."""
        return True if PROMPT.search(self._text) or self.process.poll() is not None else None

    def _read_until(self, found, patience_s=PATIENCE_S):
        until = time.monotonic() + patience_s
        while (result := found()) is None:
            ready, _, _ = select.select([self._master], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                raise TimeoutError(f"still waiting; so far it showed:\n{screen(self._text)}")
            self._text += os.read(self._master, 65536).decode("utf-8", "replace")
        return result


def screen_of(text: str) -> str:
    """Return what a terminal makes of it: nothing coloured, what was written over gone."""
    lines, row, column = [""], 0, 0
    for found in PIECES.finditer(text):
        match found.lastgroup:
            case "up":
                row = max(0, row - int(found["up"] or 1))
            case "erase":
                lines[row] = "" if found["erase"] == "2" else lines[row][:column]
            case "newline":
                row, column = row + 1, 0
                lines += [""] * (row == len(lines))
            case "back":
                column = 0
            case "text":
                piece, line = found["text"], lines[row].ljust(column)
                lines[row] = line[:column] + piece + line[column + len(piece) :]
                column += len(piece)
    return "\n".join(lines)


def screen(text: str) -> str:
    """Return the same without blanks at the end of lines."""
    return "\n".join(line.rstrip() for line in screen_of(text).split("\n")).strip("\n")


# What varies


def differs(expected: str, shown: str, known: dict[str, str]) -> str | None:
    """Compare what a document says with what was shown.

    Parameters
    ----------
    known
        Random UUIDs of the document with what they stand for; added to.

    Returns
    -------
    str or None
        The difference, None when there is none.
    """
    moments: list[tuple[str, str]] = []
    named: dict[str, str] = {}

    def piece(match: re.Match[str]) -> str:
        text = match.group()
        match match.lastgroup:
            case "uuid" if text in known:
                return re.escape(known[text])
            case "uuid" if text in named:
                return f"(?P={named[text]})"
            case "uuid":
                named[text] = f"u{len(named)}"
                return f"(?P<{named[text]}>{UUID})"
            case "moment":
                moments.append((f"m{len(moments)}", text))
                return f"(?P<{moments[-1][0]}>{MOMENT})"
            case "host":
                return re.escape(match.group("host")) + r"\d+"
        return ".*"

    pattern = ""
    for line in expected.split("\n"):
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
            continue
        place = 0
        for match in VARYING.finditer(line):
            pattern += re.escape(line[place : match.start()]) + piece(match)
            place = match.end()
        pattern += re.escape(line[place:]) + r"\n"
    found = re.fullmatch(pattern, shown + "\n")
    if found and all(text == found[name] or is_now(found[name]) for name, text in moments):
        known.update({text: found[name] for text, name in named.items()})
        return None
    lines = (f"{text}\n".splitlines(keepends=True) for text in (expected, shown))
    return "".join(difflib.ndiff(*lines))


def is_now(moment: str) -> bool:
    """Tell whether a moment was in the last hour."""
    text = moment.replace(" UTC", "+00:00").replace("Z", "+00:00")
    return abs(datetime.now(UTC) - datetime.fromisoformat(text)) < timedelta(hours=1)


# The blocks


@dataclass(frozen=True)
class Block:
    """A fenced block with the comment above it."""

    language: str
    source: str
    remark: str
    value: str
    line: int


@dataclass(frozen=True)
class Typed:
    """A command of a transcript, and what the terminal shows then."""

    command: str
    shown: str


def blocks(text: str) -> Iterator[tuple[Region, Block]]:
    """Find the fenced blocks of a document."""
    for region in FencedCodeBlockLexer(r"[a-z]*")(Document(text, "")):
        comment = COMMENT.search(text[: region.start])
        remark, value = (comment[1], comment[2] or "") if comment else ("", "")
        line = text.count("\n", 0, region.start) + 1
        yield (
            region,
            Block(region.lexemes["language"], str(region.lexemes["source"]), remark, value, line),
        )


def typed(source: str) -> list[Typed]:
    """Take a transcript apart."""
    done: list[Typed] = []
    for line in source.rstrip("\n").split("\n"):
        if line.startswith("$ ") or line == "^C":
            done.append(Typed(line.removeprefix("$ "), ""))
            continue
        assert done, f"a transcript begins with $: {line!r}"
        last = done[-1]
        if line.startswith("> ") and not last.shown:
            done[-1] = Typed(f"{last.command}\n{line[2:]}", "")
        else:
            done[-1] = Typed(last.command, f"{last.shown}\n{line}" if last.shown else line)
    return [Typed(t.command, t.shown.strip("\n")) for t in done]


def commands(block: Block) -> list[str]:
    """Return the commands of a block of ``sh`` or ``console``."""
    if block.language == "console":
        return [t.command for t in typed(block.source)]
    return [block.source.rstrip("\n")] if block.language == "sh" else []


# The documents


@dataclass
class Reader:
    """Somebody who follows a document, with a home of their own.

    Parameters
    ----------
    root
        An empty folder.
    text
        The document.
    stands_for
        What a word of the document is here: an address, a port.
    """

    root: Path
    text: str
    path: Path
    stands_for: dict[str, str] = field(default_factory=dict)
    write: bool = False

    def __post_init__(self) -> None:
        self.home = self.root / "home"
        self.home.mkdir(parents=True)
        tools = self.root / "tools"
        tools.mkdir()
        self.opened = self.root / "opened.txt"
        _script(tools / "arcsecond", _ARCSECOND.format(python=sys.executable, port=self._port()))
        _script(tools / "browser", _BROWSER.format(python=sys.executable, notes=self.opened))
        folders = {"/home/ann": self.home, "/srv/": self.root / "srv", "/etc/": self.root / "etc"}
        for folder in folders.values():
            folder.mkdir(exist_ok=True)
        ours = {name: str(f) + ("/" if name.endswith("/") else "") for name, f in folders.items()}
        self.stands_for = ours | self.stands_for
        self.environ = {
            "HOME": str(self.home), "USER": "ann", "LOGNAME": "ann", "SHELL": "/bin/bash",
            "PATH": f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "LC_ALL": "C.UTF-8", "TERM": "xterm", "NO_COLOR": "1", "TZ": "UTC",
            "BROWSER": str(tools / "browser"),
        }  # fmt: skip
        for theirs, here in self.stands_for.items():
            self.text = self.text.replace(theirs, here)
        self._shells: dict[str, Shell] = {}
        self._known: dict[str, str] = {}
        self._written: list[tuple[Region, str]] = []

    def _port(self) -> str:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        self.stands_for = {
            f"{host}:8000": f"{host}:{port}" for host in ("127.0.0.1", "localhost")
        } | self.stands_for
        return port

    def follow(self) -> None:
        """Do everything the document says."""
        try:
            for example in self._document():
                example.evaluate()
        finally:
            self._leave()

    def _document(self) -> Document:
        """Return the document as Sybil runs it."""
        document = Document(self.text, str(self.path))
        document.namespace["__name__"] = "__main__"
        for region, block in blocks(self.text):
            if block.remark == "not run":
                continue
            if block.remark == "file":
                region.evaluator = self._save
            elif block.language == "python":
                if block.source.startswith(">>>"):
                    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
                    parser = DocTestStringParser(DocTestEvaluator(flags))
                    source = region.lexemes["source"]
                    for example in parser(source, document.path):
                        example.adjust(region, source)
                        document.add(example)
                    continue
                region.evaluator = PythonEvaluator()
            elif block.language in ("sh", "console"):
                region.evaluator = self._type
            else:
                continue
            region.parsed = block if region.evaluator in (self._save, self._type) else (
                region.lexemes["source"]
            )  # fmt: skip
            document.add(region)
        return document

    def _save(self, example: Example) -> None:
        block: Block = example.parsed
        path = self.home / block.value
        assert path.is_relative_to(self.root), f"{path} is a file of this machine"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.source, encoding="utf-8")

    def _type(self, example: Example) -> str | None:
        block: Block = example.parsed
        elsewhere = block.remark == "terminal"
        shell = self._shell(block.value if elsewhere else "")
        if block.language == "sh":
            return self._run_all(shell, block)
        answers = [a.strip() for a in block.value.split(",")] if block.remark == "answers" else []
        written, problems = [], []
        steps = typed(block.source)
        for n, step in enumerate(steps):
            last = n == len(steps) - 1
            if elsewhere and last and step.command != "^C":
                shell.start(self._real(step.command))
                if not self.write and not shell.shows(step.shown, self._known):
                    problems.append(differs(step.shown, shell.shown(), self._known) or "")
                if self.write:
                    shell.shows(step.shown or "...\n...Ctrl-C ends it.", self._known)
                written.append(_as_typed(step.command, shell.shown()))
                break
            if step.command == "^C":
                shell.type("\x03")
            else:
                shell.start(self._real(step.command))
            while answers:
                shell.answer(answers.pop(0))
            shown, status = shell.finish()
            failing = (block.remark == "fails" and last) or step.command == "^C"
            if failing != (status != 0):
                problems.append(f"{step.command}\nended with status {status}:\n{shown}")
            elif difference := differs(step.shown, shown, self._known):
                problems.append(f"{step.command}\n{difference}")
                written.append(_as_typed(step.command, shown))
                continue
            written.append(_as_typed(step.command, step.shown))
        if self.write:
            self._written.append((example.region, "\n".join(written)))
            return None
        return "\n".join(problems) or None

    def _run_all(self, shell: Shell, block: Block) -> str | None:
        # A file of commands, stopped at the first that fails, in the same shell.
        script = self.root / "block.sh"
        script.write_text(block.source, encoding="utf-8")
        shell.start(f"trap 'trap - ERR; return 99' ERR; . {script}; (exit $?)")
        shown, status = shell.finish()
        shell.start("trap - ERR")
        shell.finish()
        failing = block.remark == "fails"
        return f"ended with status {status}:\n{shown}" if failing != (status != 0) else None

    def _real(self, command: str) -> str:
        for ours, here in self._known.items():
            command = command.replace(ours, here)
        return command

    def _shell(self, name: str) -> Shell:
        if name not in self._shells:
            self._shells[name] = Shell(self.environ, self.home)
        return self._shells[name]

    def rewritten(self) -> str:
        """Return the document with what the terminal showed."""
        text = self.text
        for region, content in sorted(self._written, key=lambda w: -w[0].start):
            text = f"{text[: region.start]}```console\n{content}\n```{text[region.end :]}"
        for ours, here in self.stands_for.items():
            text = text.replace(here, ours)
        return re.sub(r"(//127\.0\.0\.1:)(?!8000)\d{4,5}", r"\g<1>8000", text)

    def _leave(self) -> None:
        """Close the windows, and end the servers that were started for the browser."""
        with contextlib.ExitStack() as windows:
            windows.callback(self._end_servers)  # last: what is called back goes backwards
            for shell in self._shells.values():
                windows.callback(shell.end)

    def _end_servers(self) -> None:
        for serving in self.root.rglob("serving.json"):
            with contextlib.suppress(ValueError, KeyError, OSError):
                pid = json.loads(serving.read_bytes())["pid"]
                os.kill(pid, signal.SIGTERM)
                for _ in range(200):
                    os.kill(pid, 0)
                    time.sleep(0.05)


def _as_typed(command: str, shown: str) -> str:
    text = command if command == "^C" else "$ " + command.replace("\n", "\n> ")
    return f"{text}\n{shown}" if shown else text


def _script(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


_ARCSECOND = """#!/bin/sh
# The port of the documents may be taken here.
[ "$1" = serve ] && set -- "$@" --port {port}
exec {python} -m arcsecond "$@"
"""

_BROWSER = """#!{python}
# A browser that notes which pages it was shown, and fails where one is missing.
import http.cookiejar, sys, urllib.request
jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}), jar)
request = urllib.request.Request(sys.argv[1], headers={{"Accept": "text/html"}})
with opener.open(request, timeout=30) as page, open("{notes}", "a") as notes:
    notes.write(f"{{page.status}} {{page.url}}\\n{{page.read().decode()}}\\n")
"""
