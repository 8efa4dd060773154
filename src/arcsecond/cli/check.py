"""``server check``: what was looked at, what is wrong, what was done about it."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from arcsecond.cli.output import Counter
from arcsecond.server.app import open_backend
from arcsecond.server.check import Finding, Report, check
from arcsecond.server.settings import Settings


def check_server(*, quick: bool, repair: bool, new_secret: bool, as_json: bool) -> int:
    """Check the data directory; 1 when something is wrong still."""
    if new_secret and not repair:
        raise click.UsageError("--new-secret goes with --repair.")
    settings = Settings.from_environment()
    backend = open_backend(settings)
    try:
        with Counter("Reading") as counter:
            report = check(
                backend, quick=quick, repair=repair, new_secret=new_secret, progress=counter.show
            )
    finally:
        backend.db.close()
    if as_json:
        click.echo(json.dumps({**asdict(report), "wrong": len(report.wrong)}))
    else:
        for finding in (*report.findings, *report.lost):
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
    if found := len(report.wrong) - len(report.lost):
        lost = f", and {len(report.lost)} lost" if report.lost else ""
        return (
            f"Checked {looked}: {found} wrong{lost}.\n"
            "Type `arcsecond server check --repair`: it mends what it can and deletes nothing."
        )
    if report.lost:
        return (
            f"Checked {looked}: {len(report.lost)} lost, nothing else is wrong.\n"
            "Send them again, or delete their records: `arcsecond fitsfiles DATASET delete PK`."
        )
    if report.findings:
        return f"Checked {looked}: {len(report.findings)} mended."
    return f"Checked {looked}: nothing is wrong."
