"""``server rules`` and ``server reindex``: what headers mean, and reading them again."""

from __future__ import annotations

import json
import os
import tempfile
import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from arcsecond.cli.output import Counter
from arcsecond.cli.tasks import read_again
from arcsecond.errors import ArcsecondInputValueError
from arcsecond.schemas.archive import Reindex
from arcsecond.server.app import open_backend
from arcsecond.server.archive import in_force, rules
from arcsecond.server.archive.ingest import Frame, read_frame
from arcsecond.server.archive.observation import Observation
from arcsecond.server.archive.reindexing import reindex_some, stale
from arcsecond.server.context import Backend
from arcsecond.server.settings import Settings
from arcsecond.server.storage import Place
from arcsecond.server.storage.placed import Placed

FIELDS = (
    "target", "position", "start", "night", "exposure", "filter", "kind", "product",
    "instrument", "telescope", "observer", "programme", "airmass",
)  # fmt: skip


def show(*, built_in: bool) -> None:
    """Tell which rules are in force; 1 when those of the observatory have a mistake."""
    if built_in:
        click.echo(rules.built_in()[0], nl=False)
        return
    with _Opened() as backend:
        book = in_force.rules_of(backend)
        path = backend.settings.home / in_force.FILE
        own = len(book.families) - len(rules.built_in()[1].family)
        click.echo(f"Yours, {path}: {_families(own) if path.exists() else 'not there'}.")
        click.echo(f"Those of the program: {_families(len(book.families) - own)}.")
        for family in book.families:
            click.echo(f"  {family.name}")
        click.echo("Keywords that can be searched:")
        listed = ", ".join(sorted(one.replace(" ", ".") for one in book.keywords))
        lines = textwrap.wrap(listed, 88, break_on_hyphens=False)
        click.echo(textwrap.indent("\n".join(lines), "  "))
        if others := stale(backend):
            click.echo(f"{_files(others)} read by others; `arcsecond server reindex` reads again.")
        problem = in_force.mistake(backend)
    if problem:
        raise ArcsecondInputValueError(problem)


def check(*, file: str) -> None:
    """Find mistakes in a file of rules."""
    book = rules.book(in_force.text_of(Path(file)), Path(file).name)
    own = len(book.families) - len(rules.built_in()[1].family)
    click.echo(f"{file} has no mistake: {_families(own)}.")


def use(*, file: str) -> None:
    """Put the rules of a file in force."""
    with _Opened() as backend:
        in_force.put_in_force(backend, in_force.text_of(Path(file)), Path(file).name)
        click.echo("In force from the next frame on.")
        if others := stale(backend):
            click.echo(f"{_files(others)} read by others; `arcsecond server reindex` reads again.")


def try_out(*, frames: tuple[str, ...], file: str | None, as_json: bool) -> None:
    """Tell what frames mean by rules, and which keywords tell it; nothing is kept."""
    with _Opened() as backend:
        book = in_force.rules_of(backend)
        limit = backend.settings.max_unpacked_bytes
    if file is not None:
        book = rules.book(in_force.text_of(Path(file)), Path(file).name)
    told = []
    for name in frames:
        frame = _read(Path(name), limit, book)
        families = book.of(frame.values).families
        if as_json:
            told.append({"file": name, "families": families, **_plain(frame.observation)})
        else:
            _tell(name, families, frame.observation)
    if as_json:
        click.echo(json.dumps(told, indent=1))


def reindex(*, everything: bool, jobs: int) -> None:
    """Read all headers again by the rules in force."""
    read = changed = left = 0
    after = None
    with _Opened() as backend, Counter("Reading headers") as counter:
        while True:
            body = Reindex(after=after, everything=everything)
            told = reindex_some(backend, sa.true(), body, jobs)
            read, changed, left = read + told.read, changed + told.changed, told.left or left
            counter.show(read, left)
            after = told.next
            if after is None:
                break
    click.echo(read_again(read, changed), err=True)


class _Opened:
    """The backend of this data directory, closed in the end."""

    def __enter__(self) -> Backend:
        self._backend = open_backend(Settings.from_environment())
        return self._backend

    def __exit__(self, *_: object) -> None:
        self._backend.db.close()


def _families(number: int) -> str:
    return f"{number} {'family' if number == 1 else 'families'}"


def _files(number: int) -> str:
    return "1 file was" if number == 1 else f"{number:,} files were"


def _read(path: Path, limit: int, book: rules.RuleBook) -> Frame:
    try:
        told = os.stat(path)
        with path.open("rb"):
            pass
    except OSError as error:
        raise ArcsecondInputValueError(f"{path}: {error.strerror}.") from None
    place = Place(str(path), told.st_size, told.st_mtime_ns)
    return read_frame(Placed(place, "", tempfile.TemporaryFile), limit, book)


def _plain(observation: Observation) -> dict[str, Any]:
    plain = asdict(observation)
    for name in ("start", "night"):
        plain[name] = plain[name].isoformat() if plain[name] else None
    plain["doubts"] = [
        {name: getattr(doubt, name) for name in ("field", "keyword", "value", "why")}
        for doubt in observation.doubts
    ]
    return plain


def _tell(name: str, families: list[str], told: Observation) -> None:
    click.echo(click.style(name, bold=True))
    click.echo(f"  {'families':<12} {', '.join(families) or 'none; the general rules alone'}")
    values: dict[str, Any] = {field: getattr(told, field, None) for field in FIELDS}
    values["exposure"] = None if told.exposure_s is None else f"{told.exposure_s:g} s"
    values["start"] = f"{told.start:%Y-%m-%d %H:%M:%S} UTC" if told.start else None
    if told.ra_deg is not None:
        values["position"] = f"{told.ra_deg:.5f} {told.dec_deg:+.5f}"
        told.read_from.setdefault("position", "WCS")
    for field, value in values.items():
        source = told.read_from.get(field, "")
        if value is not None:
            click.echo(f"  {field:<12} {value!s:<40} {source}".rstrip())
        else:
            click.echo(f"  {field:<12} -")
    for doubt in told.doubts:
        click.echo(f"  {doubt.keyword} = {doubt.value} tells no {doubt.field}: {doubt.why}.")
