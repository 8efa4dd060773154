"""``server ingest``: take in an archive that exists already, in place or by copying it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from uuid import UUID

import click

from arcsecond import shown
from arcsecond.cli.output import on_terminal
from arcsecond.cli.transfers import count_of, tell_some
from arcsecond.errors import ArcsecondInputValueError
from arcsecond.schemas.archive import Dataset, DatasetChange
from arcsecond.server.app import open_backend
from arcsecond.server.archive.bulk import Manner, Taken, take_in
from arcsecond.server.archive.service import Datasets
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.people.service import owner, viewer_named
from arcsecond.server.settings import Settings


def ingest(
    *,
    path: str,
    dataset: str | None,
    user: str | None,
    in_place: bool,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    tag: tuple[str, ...],
    replace: bool,
    jobs: int,
    as_json: bool,
) -> int:
    """Take a tree of files in; 1 when any could not be taken in, or is lost where it lay."""
    folder = Path(path).expanduser().absolute()
    if not folder.exists():
        raise ArcsecondInputValueError(f"There is no {path}.")
    backend = open_backend(Settings.from_environment())
    try:
        viewer = viewer_named(backend, user) if user else owner(backend)
        into = _dataset(backend, viewer, dataset or folder.name)
        manner = Manner(in_place, include, exclude, tag, replace, jobs)
        with _Count() as count:
            taken = take_in(backend, viewer, into.uuid, folder, manner, count.show)
    except KeyboardInterrupt:
        click.echo("Interrupted. What was taken in stays: type the same again to go on.", err=True)
        return 130
    finally:
        backend.db.close()
    if as_json:
        click.echo(json.dumps(asdict(taken)))
    _tell(taken, into.name)
    return 1 if taken.failed or taken.gone or taken.changed else 0


def _dataset(backend: Backend, viewer: Viewer, text: str) -> Dataset:
    """Return a dataset of somebody's by name or UUID; made when none has that name."""
    service = Datasets()
    try:
        return service.read(backend, viewer, str(UUID(text)))
    except ValueError:
        pass
    every = service.list_(backend, viewer, {"name": text})
    found = [one for _, one in every.rows(None, 100) if one.profile == viewer.username]
    if len(found) > 1:
        uuids = ", ".join(one.uuid for one in found)
        raise ArcsecondInputValueError(
            f"{len(found)} datasets are called {text!r}; name one by its UUID: {uuids}."
        )
    return found[0] if found else service.create(backend, viewer, DatasetChange(name=text))


class _Count:
    """How many files were looked at, on a terminal."""

    def __init__(self) -> None:
        self._watched = on_terminal(sys.stderr)

    def __enter__(self) -> _Count:
        return self

    def show(self, taken: Taken) -> None:
        """Show it."""
        if self._watched:
            told = f"{count_of(taken.files)}, {shown.size(taken.size)} …"
            click.echo(f"\r\033[K{told}", err=True, nl=False)

    def __exit__(self, *_: object) -> None:
        """Take the line back."""
        if self._watched:
            click.echo("\r\033[K", err=True, nl=False)


def _tell(taken: Taken, name: str) -> None:
    parts = [
        f"{number:,} {what}"
        for number, what in (
            (taken.new, "new"),
            (taken.versions, "with other content than before"),
            (taken.renamed, "renamed"),
            (taken.unchanged, "as before"),
            (len(taken.failed), "failed"),
        )
        if number
    ]
    size = shown.size(taken.size)
    told = f": {', '.join(parts)}" if parts else ""
    click.echo(f"{count_of(taken.files)}, {size}, for dataset {name!r}{told}.", err=True)
    for what, lines in (
        ("Kept, though damaged", [f"{path}: {why}" for path, why in taken.damaged]),
        ("Lost, not there any more", taken.gone),
        ("Lost, not as they were when they were taken in", taken.changed),
        ("Failed", [f"{path}: {why}" for path, why in taken.failed]),
        *((f"Left out, {why}", paths) for why, paths in taken.left_out.items()),
    ):
        tell_some(what, lines)
