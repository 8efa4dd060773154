"""The documents say what is: they are compared and checked; `documents/` follows them."""

from __future__ import annotations

import functools
import re
import shlex
import subprocess
import tomllib
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from docs.write_reference import slug
from markdown_it import MarkdownIt
from sybil.example import SybilFailure

from arcsecond.cli.main import cli
from arcsecond.version import __version__
from tests.test_reference import parse
from tests.transcripts import RUNNABLE, Reader, blocks, commands, differs

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted(DOCS.rglob("*.md")),
]


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


class TestTheTerminal:
    """What follows the pages tells a difference when there is one."""

    def test_what_varies_is_known_by_its_form(self) -> None:
        known: dict[str, str] = {}
        ours, here = (f"{n}0a0b0c0-1111-4222-8333-444455556666" for n in (1, 2))
        assert differs(f"made {ours}", f"made {here}", known) is None
        assert known == {ours: here}
        assert differs(f"again {ours}", f"again {here}", known) is None
        assert differs(f"again {ours}", f"again {ours}", known) is not None
        now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        assert differs("at 2020-01-02 03:04:05 UTC", f"at {now}", {}) is None
        assert differs("on http://127.0.0.1:8000/x", "on http://127.0.0.1:45678/x", {}) is None
        assert differs("one\n...\nlast", "one\ntwo\nthree\nlast", {}) is None
        assert differs("inv_...", "inv_0123", {}) is None

    @pytest.mark.parametrize(
        ("said", "shown"),
        [
            ("one", "two"),
            ("one", "one\ntwo"),
            ("one\ntwo", "one"),
            ("", "unexpected"),
            ("at 2020-01-02 03:04:05 UTC", "at 2019-01-02 03:04:05 UTC"),
            ("0c8dbe8d-9b50-53a3-9382-cecec71f9ec6", "0c8dbe8d-9b50-53a3-9382-cecec71f9ec7"),
            ("a.b", "axb"),
        ],
    )
    def test_everything_else_is_a_difference(self, said: str, shown: str) -> None:
        assert differs(said, shown, {}) is not None

    @pytest.mark.parametrize(
        ("page", "problem"),
        [
            ("```console\n$ echo one\ntwo\n```\n", "two"),
            ("```console\n$ false\n```\n", "status 1"),
            ("```sh\ntrue\nfalse\ntrue\n```\n", "status"),
            ("<!-- fails -->\n```console\n$ true\n```\n", "status 0"),
            ("```python\n>>> 1 + 1\n3\n```\n", "Expected"),
        ],
    )
    def test_a_page_that_is_wrong_fails(self, page: str, problem: str, tmp_path: Path) -> None:
        reader = Reader(tmp_path / "ann", page, tmp_path / "page.md")
        with pytest.raises(SybilFailure, match=problem):
            reader.follow()

    def test_lines_variables_and_questions(self, tmp_path: Path) -> None:
        page = (
            "```sh\nkept=1\ncd /\n```\n"
            "```console\n$ for n in 1 2; do\n>     echo $n\n> done\n1\n2\n$ echo $kept; pwd\n1\n/\n```\n"
            "<!-- answers: ann -->\n"
            "```console\n$ read -rp 'Name: ' name; echo; echo hello $name\nName:\nhello ann\n```\n"
            "<!-- terminal: other -->\n```console\n$ echo there; sleep 60\nthere\n```\n"
        )
        Reader(tmp_path / "ann", page, tmp_path / "page.md").follow()


class TestPages:
    """What stands on the pages and cannot be run."""

    @pytest.mark.parametrize("page", PAGES, ids=named)
    def test_links_lead_somewhere(self, page: Path) -> None:
        for link in links(page):
            target, _, anchor = link.partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            there = (page.parent / target).resolve() if target else page
            assert there.exists(), link
            assert there.is_relative_to(ROOT), link
            if anchor:
                assert anchor in anchors(there), link

    def test_every_page_can_be_reached(self) -> None:
        reached, waiting = set(), [ROOT / "README.md"]
        while waiting:
            page = waiting.pop()
            if page in reached or page.suffix != ".md":
                continue
            reached.add(page)
            targets = (link.partition("#")[0] for link in links(page))
            waiting += [(page.parent / t).resolve() for t in targets if t and ":" not in t]
        assert set(PAGES) <= reached

    @pytest.mark.parametrize("page", PAGES, ids=named)
    def test_bash_understands_what_is_not_run(self, page: Path) -> None:
        for _, block in blocks(page.read_text(encoding="utf-8")):
            if block.remark == "not run":
                assert block.value, f"line {block.line}: say why"
                text = re.sub(r"<[^<>\n]+>", "x", "\n".join(commands(block)))
                checked = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True)
                assert not checked.stderr
            if block.language in RUNNABLE:
                assert block.remark in (
                    "", "file", "terminal", "answers", "fails", "not run"
                ), block.remark  # fmt: skip

    @pytest.mark.parametrize("page", PAGES, ids=named)
    def test_click_understands_every_command(self, page: Path) -> None:
        for _, block in blocks(page.read_text(encoding="utf-8")):
            for text in commands(block):
                for line in text.replace("\\\n", " ").split("\n"):
                    for words in re.findall(r"(?:^|\$\(|\| ?)\s*(arcsecond [^|;)>&#]*)", line):
                        parse(cli, shlex.split(re.sub(r"<[^<>]+>", "x", words)))

    def test_contributing_names_what_is_there(self) -> None:
        text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
        stops = re.findall(r"`(src/[\w/]+\.py)(?::([\w.]+))?`", text)
        assert len([function for _, function in stops if function]) > 20
        for path, function in stops:
            assert (ROOT / path).is_file(), path
            if function:
                module = path.removeprefix("src/").removesuffix(".py").replace("/", ".")
                found: Any = import_module(module)
                for name in function.split("."):
                    found = getattr(found, name)
                made = rf"^ *(?:(?:async )?def |class |)({re.escape(name)})\b"  # not just imported
                source = (ROOT / path).read_text(encoding="utf-8")
                assert re.search(made, source, re.MULTILINE), function
        targets = re.findall(r"^([\w-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(re.findall(r"^\| `make ([\w-]+)`", text, re.MULTILINE)) == set(targets)
        here = {p.name for p in (ROOT / "tests").glob("test_*.py")}
        assert set(re.findall(r"`(test_\w+\.py)`", text)) == here

    def test_the_citation_is_that_of_this_version(self) -> None:
        citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        # What the Citation File Format 1.2.0 requires: doi 10.5281/zenodo.5171937
        assert {"cff-version", "message", "title", "authors"} <= set(citation)
        assert citation["cff-version"] == "1.2.0"
        assert citation["type"] == "software"
        assert citation["title"].lower() == project["name"]
        assert citation["version"] == __version__
        assert citation["abstract"] == project["description"]
        assert citation["license"] == project["license"] == "MIT"
        (author,) = citation["authors"]
        licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
        assert licence.startswith("MIT License")
        assert author["name"] in licence

    def test_the_changelog_knows_this_version(self) -> None:
        newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
        assert newest
        assert __version__.startswith(newest[1].rstrip(","))


MARKDOWN = MarkdownIt("commonmark").enable("table")


@functools.cache
def links(page: Path) -> list[str]:
    """Return where the links of a page lead."""
    tokens = MARKDOWN.parse(page.read_text(encoding="utf-8"))
    inside = [child for token in tokens for child in token.children or []]
    return [str(t.attrs.get("href") or t.attrs.get("src")) for t in inside if t.type in _LINKS]


_LINKS = ("link_open", "image")


@functools.cache
def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings of a page, as forges make them."""
    tokens = MARKDOWN.parse(page.read_text(encoding="utf-8"))
    headings = [tokens[n + 1] for n, token in enumerate(tokens) if token.type == "heading_open"]
    texts = ["".join(c.content for c in h.children or []) for h in headings]
    return {slug(text) for text in texts}
