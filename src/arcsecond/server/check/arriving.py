"""Uploads that are under way: what was acknowledged of them is there."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from arcsecond.server.archive.tables import uploads
from arcsecond.server.check.report import Report, keep_row
from arcsecond.server.context import Backend


def check_uploads(backend: Backend, report: Report, *, repair: bool) -> None:
    """Check that each upload has the bytes that its row says."""
    waiting = sa.select(uploads).where(uploads.c.ended_at.is_(None))
    with backend.db.read() as connection:
        rows = connection.execute(waiting.order_by(uploads.c.created_at, uploads.c.uuid)).all()
    for row in rows:
        if (problem := _problem(backend, row)) and _problem_still(backend, row):
            mended = _mended(backend, row, problem) if repair else ""
            report.found(f"upload {row.uuid} ({row.path or 'a part'})", problem, mended)


def _problem(backend: Backend, row: sa.Row[Any]) -> str:
    try:
        size = backend.store.partials.path(row.uuid).stat().st_size
    except FileNotFoundError:
        return "what has arrived of it is missing"
    if size < row.received:
        return f"{row.received} bytes were acknowledged, {size} are there"
    return ""


def _problem_still(backend: Backend, row: sa.Row[Any]) -> bool:
    """Look again: it may have ended, or begun anew, since its row was read."""
    with backend.db.read() as connection:
        same = sa.select(uploads).where(uploads.c.uuid == row.uuid)
        now = connection.execute(same).one_or_none()
    return now is not None and now.ended_at is None and bool(_problem(backend, now))


def _mended(backend: Backend, row: sa.Row[Any], problem: str) -> str:
    """Let it go on from what is there; without anything it has to begin anew."""
    keep_row(backend, uploads.name, row, problem)
    mine = uploads.c.uuid == row.uuid
    try:
        size = backend.store.partials.path(row.uuid).stat().st_size
    except FileNotFoundError:
        with backend.db.write() as connection:
            connection.execute(sa.delete(uploads).where(mine))
        return "given up: it begins anew"
    with backend.db.write() as connection:
        connection.execute(sa.update(uploads).where(mine).values(received=size))
    return f"goes on at byte {size}"
