"""``server backup``, ``restore`` and ``verify``."""

from __future__ import annotations

from pathlib import Path

import click

from arcsecond import shown
from arcsecond.cli.output import Counter
from arcsecond.cli.transfers import INTERRUPTED, tell_some
from arcsecond.server.app import open_backend
from arcsecond.server.archive.use import used_by
from arcsecond.server.backup import back_up, restore, verify
from arcsecond.server.settings import Settings


def backup(*, folder: str, leave_in_place: bool, recheck: bool) -> int:
    """Add a snapshot to a backup; 1 when bytes are missing in it."""
    backend = open_backend(Settings.from_environment())
    try:
        with Counter("Copying") as counter:
            made = back_up(
                backend,
                Path(folder),
                counter.show,
                leave_in_place=leave_in_place,
                recheck=recheck,
            )
        missing = [used_by(backend, sha256).told for sha256 in made.missing]
    except KeyboardInterrupt:
        click.echo("Interrupted. What was copied stays: type the same again to go on.", err=True)
        return INTERRUPTED
    finally:
        backend.db.close()
    click.echo(str(made.snapshot))
    say = (
        f"{made.rows:,} rows, {_blobs(made.blobs)} of {shown.size(made.bytes)}; "
        f"{made.copied:,} of them, {shown.size(made.copied_bytes)}, were new."
    )
    click.echo(say, err=True)
    if made.left:
        click.echo(f"{_blobs(made.left)} left where they lie, and not in the backup.", err=True)
    if made.gone:
        click.echo(
            f"{_blobs(len(made.gone))} of older versions or deleted files, lost before.", err=True
        )
    tell_some("Lost or damaged here, and not in the backup; see `arcsecond server check`", missing)
    return 1 if made.missing else 0


def restore_backup(*, folder: str, snapshot: str) -> int:
    """Fill an empty data directory from a backup; 1 when bytes are missing."""
    settings = Settings.from_environment()
    with Counter("Copying") as counter:
        done = restore(settings, Path(folder), snapshot, counter.show)
    click.echo(
        f"Restored {done.snapshot.name} into {settings.home}: {done.rows:,} rows, "
        f"{_blobs(done.blobs)} of {shown.size(done.bytes)}.",
        err=True,
    )
    if done.missing:
        backend = open_backend(settings)
        try:
            missing = [used_by(backend, sha256).told for sha256 in done.missing]
        finally:
            backend.db.close()
        tell_some("Not in the backup, or damaged there, and recorded as lost", missing)
    return 1 if done.missing else 0


def verify_backup(*, folder: str, snapshot: str) -> int:
    """Restore a backup beside, and compare; 1 when something is wrong with it."""
    with Counter("Reading") as counter:
        verified = verify(Path(folder), snapshot, counter.show)
    for finding in verified.findings:
        click.echo(f"{finding.where}: {finding.problem}")
    told = "nothing is wrong" if not verified.findings else f"{len(verified.findings):,} wrong"
    click.echo(
        f"{verified.snapshot.name}: {verified.rows:,} rows, {_blobs(verified.blobs)}, "
        f"{shown.size(verified.bytes)} read: {told}.",
        err=True,
    )
    if verified.missing:
        click.echo(f"{_blobs(len(verified.missing))} lost before it was made.", err=True)
    return 1 if verified.findings else 0


def _blobs(count: int) -> str:
    return f"{count:,} blob" if count == 1 else f"{count:,} blobs"
