"""An account with a file that was acknowledged, and what must hold after every fault."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
import sqlalchemy as sa

from arcsecond.schemas.archive import DatasetChange
from arcsecond.server.app import open_backend
from arcsecond.server.archive import files
from arcsecond.server.archive.service import Datasets
from arcsecond.server.archive.sweep import sweep
from arcsecond.server.archive.tables import uploads
from arcsecond.server.check import check
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.settings import Settings
from arcsecond.server.transfers.service import sweep as sweep_uploads
from tests.conftest import Server, add_file, fits_bytes, new_user

KEPT = fits_bytes(OBJECT="kept")
NEW = fits_bytes((600, 600), OBJECT="new")
"""Large enough to be written while it arrives."""


@dataclass
class Account:
    """A user, a dataset of theirs, and what was acknowledged in it."""

    settings: Settings
    viewer: Viewer
    header: dict[str, str]
    dataset: str
    pk: int
    content: dict[str, bytes]

    @property
    def key(self) -> str:
        return self.header["X-Arcsecond-API-Authorization"].removeprefix("Key ")

    @property
    def path(self) -> str:
        return f"/datasets/{self.dataset}/fitsfiles/"

    def upload(self, url: str, name: str, content: bytes) -> httpx2.Response:
        """Upload over HTTP; what is acknowledged has to be there from then on."""
        part = {"file": (name, content)}
        answer = httpx2.post(url + self.path, files=part, headers=self.header, timeout=60)
        if answer.is_success:
            self.content[name] = content
        return answer

    def upload_several(self, url: str, content: dict[str, bytes]) -> httpx2.Response:
        """Upload files in one request; each that is acknowledged has to be there."""
        parts = [("file", part) for part in content.items()]
        answer = httpx2.post(url + self.path, files=parts, headers=self.header, timeout=60)
        for told in answer.json() if answer.is_success else ():
            if told["file"]:
                self.content[told["name"]] = content[told["name"]]
        return answer

    def _swept(self, backend: Backend) -> list[Path]:
        sweep(backend)
        return list((self.settings.home / "incoming").iterdir())

    def _has_no_strays(self, backend: Backend) -> None:
        """Whatever lies among the uploads an hour later is of one that can go on."""
        partials = backend.store.partials
        for uuid in partials.uuids():
            with contextlib.suppress(FileNotFoundError):
                os.utime(partials.path(uuid), (time.time() - 7200,) * 2)
        sweep_uploads(backend)
        with backend.db.read() as connection:
            known = {str(uuid) for uuid in connection.scalars(sa.select(uploads.c.uuid))}
        there = [*partials.folder.iterdir()] if partials.folder.exists() else []
        assert {path.name for path in there} <= known

    def is_whole(self, *, maybe: dict[str, bytes] | None = None) -> None:
        """Check the data directory, and that what was acknowledged is there.

        Parameters
        ----------
        maybe
            What was sent and never acknowledged: it may be there, but then whole.
        """
        backend = open_backend(self.settings)
        try:
            report = check(backend)
            assert report.findings == []
            there = {}
            for row in files.list_files(backend, self.viewer, self.dataset, {}).rows(None, 1000):
                file, content = files.open_file(backend, self.viewer, self.dataset, str(row[1].pk))
                with content:
                    there[file.name] = content.read()
            for name, content in (maybe or {}).items():
                if there.get(name) == content:
                    self.content[name] = content
            assert there == self.content
            # A killed process may take a moment to let go of its files.
            wait_until(lambda: not self._swept(backend))
            report = check(backend)
            assert (report.findings, report.lost) == ([], [])
            assert not [note for note in report.notes if "without a row" in note]
            self._has_no_strays(backend)
        finally:
            backend.db.close()


@pytest.fixture
def empty(new_database: Callable[[str], str], database: str, tmp_path: Path) -> Settings:
    """A data directory that is not there yet, and a database with nothing in it."""
    if database == "sqlite":
        return Settings(home=tmp_path / "new")
    return Settings(tmp_path / "new", new_database("template1"))


@pytest.fixture
def account(settings: Settings) -> Account:
    """A user with one file that was acknowledged."""
    backend = open_backend(settings)
    viewer, header = new_user(backend)
    dataset = Datasets().create(backend, viewer, DatasetChange(name="d")).uuid
    incoming = backend.store.receive()
    incoming.write(KEPT)
    file = add_file(backend, viewer, dataset, "kept.fits", incoming)
    incoming.discard()
    backend.db.close()
    return Account(settings, viewer, header, dataset, file.pk, {"kept.fits": KEPT})


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for something that happens soon."""
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def gone(server: Server) -> None:
    """Wait until a server is dead."""
    server.process.wait(30)
    with contextlib.suppress(ProcessLookupError):
        server.stop()


def large_frame(path: Path, size: int) -> Path:
    """Write a frame whose data fill a size."""
    rows = max(1, size // 2 // 1000)
    path.write_bytes(fits_bytes((rows, 1000), OBJECT="large"))
    return path
