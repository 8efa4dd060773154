"""Which files some bytes belong to."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from arcsecond.server.archive.tables import files, versions
from arcsecond.server.context import Backend

NAMED = 5
"""How many files are named before the rest is counted."""


@dataclass(frozen=True, slots=True)
class Used:
    """What needs a blob.

    Attributes
    ----------
    names
        What the files are called, by their numbers.
    needed
        Whether a file that is not in the trash has it as its newest version.
    """

    names: list[str]
    needed: bool

    @property
    def told(self) -> str:
        """The first of the names, and how many more there are."""
        more = len(self.names) - NAMED
        return ", ".join(self.names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def used_by(backend: Backend, sha256: str) -> Used:
    """Return the files that have a blob as one of their versions."""
    statement = (
        sa.select(
            files.c.pk, files.c.path, files.c.deleted_at, versions.c.n,
            (versions.c.n == files.c.current).label("newest"),
        )
        .join(versions, versions.c.file == files.c.pk)
        .where(versions.c.blob == sha256)
        .order_by(files.c.pk, versions.c.n.desc())
    )  # fmt: skip
    with backend.db.read() as connection:
        rows = connection.execute(statement).all()
    # Of a file that had the same bytes twice the newer time counts.
    firsts = {row.pk: row for row in reversed(rows)}
    names = [
        f"file {row.pk} ({row.path}){'' if row.newest else f', version {row.n}'}"
        for row in sorted(firsts.values(), key=lambda row: row.pk)
    ]
    return Used(names, any(row.newest and row.deleted_at is None for row in rows))
