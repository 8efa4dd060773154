"""What a check found, and where the rows go that nothing can mend."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from arcsecond.server.context import Backend
from arcsecond.server.db import now

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong.

    Attributes
    ----------
    where
        The thing it is wrong with, as its owner would call it.
    problem
        What is wrong.
    mended
        What was done about it; "" when nothing was.
    """

    where: str
    problem: str
    mended: str = ""


@dataclass(slots=True)
class Report:
    """What was looked at, and what came out.

    Attributes
    ----------
    lost
        Files whose bytes were lost before: wrong until they are sent again, or deleted.
    notes
        What is not wrong but good to know.
    headless
        How many files were taken away that no version was there of.
    """

    rows: int = 0
    references: int = 0
    blobs: int = 0
    bytes_read: int = 0
    headless: int = 0
    findings: list[Finding] = field(default_factory=list)
    lost: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> list[Finding]:
        """What is wrong still."""
        return [finding for finding in self.findings if not finding.mended] + self.lost

    def found(self, where: str, problem: str, mended: str = "") -> None:
        """Write down a finding."""
        self.findings.append(Finding(where, problem, mended))


def keep_row(backend: Backend, table: str, row: sa.Row[Any], why: str) -> None:
    """Write a row into quarantine, durably, before it is changed or taken away."""
    folder = backend.settings.home / "quarantine"
    folder.mkdir(mode=0o700, exist_ok=True)
    kept = {"at": str(now()), "table": table, "why": why, "row": dict(row._mapping)}  # noqa: SLF001
    line = json.dumps(kept, default=str) + "\n"
    handle = os.open(folder / "rows.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, line.encode())
        os.fsync(handle)
    finally:
        os.close(handle)
