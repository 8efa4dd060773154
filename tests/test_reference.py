"""The reference is what the program says of itself, and it says something of everything."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import shlex
from pathlib import Path

import click
import pytest
from docs import write_reference as reference

from arcsecond import config, errors
from arcsecond.cli.main import cli
from arcsecond.registry import RESOURCES
from arcsecond.server.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = dict(reference.every_command())


def test_the_committed_pages_are_what_would_be_written() -> None:
    pages = reference.pages()
    assert {p.name for p in reference.FOLDER.iterdir()} == set(pages)
    for name, text in pages.items():
        kept = (reference.FOLDER / name).read_text(encoding="utf-8")
        assert kept == text, f"docs/reference/{name}: type `make docs`"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_that_click_understands(name: str) -> None:
    command = COMMANDS[name]
    epilog = command.epilog or ""
    assert command.help
    assert epilog.startswith("Example: "), name
    words = example(epilog.removeprefix("Example: "))
    assert words[0] == "arcsecond"
    leads = " ".join(words)
    assert leads.startswith(name + " ") or leads == name, "an example of another command"
    parse(cli, words)


def example(line: str) -> list[str]:
    """Return the words of an example as a shell would."""
    if inner := re.fullmatch(r'eval "\$\((.*)\)"', line):
        line = inner[1]
    line = re.sub(r"<[^<>]+>", "x", line).partition(" < ")[0]
    return shlex.split(line)


def parse(command: click.Command, words: list[str], above: click.Context | None = None) -> None:
    """Read words as click does, without doing anything."""
    with (
        contextlib.suppress(click.exceptions.Exit),  # --version and --help are done at once
        command.make_context(words[0], words[1:], parent=above) as context,
    ):
        if isinstance(command, click.Group) and (rest := context._protected_args + context.args):
            _, below, more = command.resolve_command(context, rest)
            assert below is not None
            parse(below, [rest[0], *more], context)


def test_every_example_of_the_registry_is_shown() -> None:
    for resource in RESOURCES:
        if resource.command:
            assert resource.example in (COMMANDS[f"arcsecond {resource.name}"].epilog or "")


def test_every_setting_is_on_the_page() -> None:
    page = reference.settings()
    source = "".join(p.read_text() for p in (ROOT / "src").rglob("*.py"))
    used = set(re.findall(r"(?<![A-Z_])ARCSECOND_[A-Z_]+\b", source)) - {"ARCSECOND_"}
    for variable in used:
        assert f"`{variable}`" in page, variable
    for field in dataclasses.fields(Settings):
        assert f"`ARCSECOND_{field.name.upper()}`" in page


def test_what_is_not_explained_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclasses.dataclass
    class Bare:
        """Settings.

        Attributes
        ----------
        home
            The folder. ARCSECOND_HOME.
        """

        home: str
        secret_option: str = ""

    with pytest.raises(reference.UndocumentedError, match="secret_option"):
        reference.variables(Bare)
    fault = type("FaultError", (), {"code": "fault", "status": 500, "exit_code": 1})
    monkeypatch.setitem(errors.BY_CODE, "fault", fault)
    with pytest.raises(reference.UndocumentedError, match="fault"):
        reference.error_codes()
    for broken in (
        click.Command("bare", help="Does something."),
        click.Command("bare", epilog="Example: arcsecond bare"),
        click.Command("bare", params=[click.Option(["--odd"])], help="x", epilog="Example: x"),
    ):
        monkeypatch.setitem(cli.commands, "bare", broken)
        with pytest.raises(reference.UndocumentedError, match="bare"):
            reference.commands()


def test_the_terminal_settings_are_heeded() -> None:
    source = "".join(p.read_text() for p in (ROOT / "src" / "arcsecond" / "cli").glob("*.py"))
    for variable in config.TERMINAL:
        assert variable in source
