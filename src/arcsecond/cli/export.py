"""``server export``: everything as plain files."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from arcsecond import shown
from arcsecond.cli.output import Counter
from arcsecond.cli.transfers import count_of, tell_some
from arcsecond.server.app import open_backend
from arcsecond.server.backup import export as write_export
from arcsecond.server.settings import Settings


def export(*, folder: str, as_json: bool) -> int:
    """Write everything as plain files; 1 when bytes are missing."""
    backend = open_backend(Settings.from_environment())
    try:
        with Counter("Writing") as counter:
            told = write_export(backend, Path(folder).expanduser(), counter.show)
    except KeyboardInterrupt:
        click.echo("Interrupted. What was written stays: type the same again to go on.", err=True)
        return 130
    finally:
        backend.db.close()
    if as_json:
        click.echo(json.dumps(asdict(told)))
    click.echo(
        f"{count_of(told.files)} of {shown.size(told.bytes)} in {told.folder}, "
        f"{told.written:,} of them written now; {told.records:,} records.",
        err=True,
    )
    tell_some("Lost or damaged here, and not written", told.missing)
    tell_some("Older versions that were lost before", told.gone)
    tell_some("There beside, and no part of the archive", told.strange)
    if told.files:
        click.echo(f"`cd {told.folder} && sha256sum --check SHA256SUMS` reads it all.", err=True)
    return 1 if told.missing else 0
