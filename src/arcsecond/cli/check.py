"""``server check``: what was looked at, what is wrong, what was done about it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from arcsecond.cli.output import on_terminal
from arcsecond.server.app import open_backend
from arcsecond.server.check import Finding, Report, check
from arcsecond.server.settings import Settings


def check_server(*, quick: bool, repair: bool, as_json: bool) -> int:
    """Check the data directory; 1 when something is wrong still."""
    settings = Settings.from_environment()
    backend = open_backend(settings)
    try:
        with _Bar() as bar:
            report = check(backend, quick=quick, repair=repair, progress=bar.show)
    finally:
        backend.db.close()
    if as_json:
        click.echo(json.dumps({**asdict(report), "wrong": len(report.wrong)}))
    else:
        for finding in report.findings:
            click.echo(_line(finding))
        for note in report.notes:
            click.echo(f"Note: {note}", err=True)
        click.echo(_summary(report, str(settings.home)), err=True)
    return 1 if report.wrong else 0


def _line(finding: Finding) -> str:
    done = f" → {finding.mended}" if finding.mended else ""
    return f"{finding.where}: {finding.problem}{done}"


def _summary(report: Report, home: str) -> str:
    looked = (
        f"{report.rows} rows, {report.references} references, {report.blobs} blobs "
        f"({report.bytes_read / 1e6:.1f} MB read) in {home}"
    )
    if report.wrong:
        return (
            f"Checked {looked}: {len(report.wrong)} wrong.\n"
            "Type `arcsecond server check --repair`: it mends what it can and deletes nothing."
        )
    if report.findings:
        return f"Checked {looked}: {len(report.findings)} mended."
    return f"Checked {looked}: nothing is wrong."


class _Bar:
    """How far the reading of bytes is, on a terminal."""

    def __init__(self) -> None:
        self._watched = on_terminal(sys.stderr)
        self._shown = -1

    def __enter__(self) -> _Bar:
        return self

    def show(self, done: int, total: int) -> None:
        """Show it again when it moved by a hundredth."""
        percent = 100 * done // max(total, 1)
        if self._watched and percent != self._shown:
            self._shown = percent
            click.echo(f"\rReading … {min(percent, 100)} %", err=True, nl=False)

    def __exit__(self, *_: object) -> None:
        """Take the line back."""
        if self._shown >= 0:
            click.echo("\r" + " " * 20 + "\r", err=True, nl=False)
