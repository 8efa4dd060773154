"""Every page of the documents is followed, from its first command to its last."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from arcsecond.client.embedded import close_all
from arcsecond.server.catalogues.builtin import KINDS, catalogue
from arcsecond.server.settings import Settings
from tests.test_documents import PAGES, named
from tests.transcripts import RUNNABLE, Reader, blocks, commands

FOLLOWED = [
    page for page in PAGES
    if any(b.language in RUNNABLE and b.remark != "not run" for _, b in blocks(page.read_text()))
]  # fmt: skip
OUR_POSTGRESQL = "postgresql://arcsecond:secret@localhost/arcsecond"


@pytest.mark.timeout(400)
@pytest.mark.parametrize("page", FOLLOWED, ids=named)
def test_a_reader_gets_what_the_page_says(
    page: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    catalogues: Path,
) -> None:
    text = page.read_text(encoding="utf-8")
    typed = [c for _, b in blocks(text) for c in commands(b) if b.remark != "not run"]
    for tool in ("bash", "curl"):
        if not shutil.which(tool) and (tool == "bash" or any(tool in c for c in typed)):
            pytest.skip(f"there is no {tool}")
    stands_for = {}
    if OUR_POSTGRESQL in text:
        stands_for[OUR_POSTGRESQL] = request.getfixturevalue("new_settings")(
            "postgresql"
        ).database_url
    write = os.environ.get("ARCSECOND_TRANSCRIPTS") == "write"
    reader = Reader(tmp_path / "ann", text, page, stands_for, write)
    for name in [n for n in os.environ if n.startswith("ARCSECOND_")]:
        monkeypatch.delenv(name)
    own = tmp_path / "catalogues"  # a page may import into them; what is replaced is a link
    reader.environ["ARCSECOND_CATALOGUES"] = str(own)
    reader.environ["ARCSECOND_ONLINE"] = "0"
    for kind in KINDS:
        catalogue(Settings(tmp_path), kind)
        own.mkdir(exist_ok=True)
        os.link(catalogues / f"{kind}.sqlite", own / f"{kind}.sqlite")
    for name, value in reader.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(reader.home)
    try:
        reader.follow()
    finally:
        close_all()
    if write:
        page.write_text(reader.rewritten(), encoding="utf-8")
    opened = reader.opened.read_text() if reader.opened.exists() else ""
    assert opened.lower().count("<!doctype html>") == "".join(typed).count("--open")
