"""Bytes: every blob that a version needs is there, with the right size and digest."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from arcsecond.folders import reason
from arcsecond.server.archive.places import KnownPlaces
from arcsecond.server.archive.tables import DYING, LIVE, LOST, blobs, versions
from arcsecond.server.archive.use import used_by
from arcsecond.server.check.report import Finding, Progress, Report
from arcsecond.server.context import Backend
from arcsecond.server.storage import Place, Strays

BATCH = 500
PIECE = 1 << 20
MISSING = "its bytes are missing"
CHANGED = "its file has changed where it lies, so its bytes are missing"
UNREADABLE = "its bytes cannot be read"
DAMAGED = "its bytes are damaged: they have another digest than when they came"
BACK = "sending the same file again brings it back"


def check_content(
    backend: Backend, report: Report, *, quick: bool, repair: bool, progress: Progress
) -> None:
    """Check every blob, then what is there beside them."""
    checking = _Content(backend, report, quick=quick, repair=repair, progress=progress)
    after = ""
    while rows := checking.some(after):
        for row in rows:
            checking.one(row)
        after = rows[-1].sha256
    checking.unneeded()
    checking.unrecorded()


class _Content:
    """One check of the bytes."""

    def __init__(
        self, backend: Backend, report: Report, *, quick: bool, repair: bool, progress: Progress
    ) -> None:
        self.backend = backend
        self.store = backend.store
        self.report = report
        self.quick = quick
        self.repair = repair
        self.progress = progress
        with backend.db.read() as connection:
            self.total = int(connection.scalar(sa.select(sa.func.sum(blobs.c.size))) or 0)

    @cached_property
    def strays(self) -> Strays:
        """Return what lies where it should not."""
        return self.store.strays()

    @cached_property
    def rowless(self) -> set[str]:
        """Return the digests of bytes that have no row."""
        with self.backend.db.read() as connection:
            known = set(connection.scalars(sa.select(blobs.c.sha256)))
        return set(self.store.digests()) - known

    def some(self, after: str) -> list[sa.Row[Any]]:
        """Return the next rows of blobs."""
        statement = sa.select(blobs).where(blobs.c.sha256 > after)
        with self.backend.db.read() as connection:
            return list(connection.execute(statement.order_by(blobs.c.sha256).limit(BATCH)).all())

    def one(self, row: sa.Row[Any]) -> None:
        """Check one blob; nobody misses the bytes of one that nothing refers to."""
        self.report.blobs += 1
        used = used_by(self.backend, row.sha256)
        if not used.names:
            return
        where, size = used.told, self.store.size(row.sha256)
        problem = self._problem(row, size)
        # And where to look, when that is not in the data directory.
        if problem and (size is None or self.store.lies_outside(row.sha256)):
            where += "".join(f", in place at {place.path}" for place in self._outside(row.sha256))
        if row.state == LOST:
            self._lost(row, where, problem, needed=used.needed)
        elif problem in (MISSING, CHANGED, DAMAGED):
            done, whole = self._replaced(row.sha256) if self.repair else ("", False)
            if whole or not (done and used.needed):
                self.report.found(where, problem, done)
            else:
                self.report.found(where, f"{problem}; {done}")
        elif problem.startswith(UNREADABLE):
            self.report.found(where, problem)
        elif problem:
            if self.repair:
                self._record(row.sha256, LIVE, size)
            self.report.found(where, problem, "size corrected" if self.repair else "")

    def _problem(self, row: sa.Row[Any], size: int | None) -> str:
        if size is None:
            there = any(os.path.lexists(place.path) for place in self._outside(row.sha256))
            return CHANGED if there else MISSING
        if self.quick and row.state != LOST:
            return DAMAGED if size != row.size else ""
        digest = hashlib.sha256()
        try:
            with self.store.open(row.sha256) as file:
                while piece := file.read(PIECE):
                    digest.update(piece)
                    self.report.bytes_read += len(piece)
                    self.progress(self.report.bytes_read, self.total)
        except OSError as error:  # of this one; the others are looked at all the same
            return f"{UNREADABLE}: {reason(error)}"
        if digest.hexdigest() != row.sha256:
            return DAMAGED
        return "" if size == row.size else f"its size is recorded as {row.size}, and is {size}"

    def _lost(self, row: sa.Row[Any], where: str, problem: str, *, needed: bool) -> None:
        """Look for bytes that were missed before."""
        back = problem not in (MISSING, CHANGED, DAMAGED) and not problem.startswith(UNREADABLE)
        if self.repair and (back or self.store.recover(row.sha256, self.strays)):
            self._record(row.sha256, LIVE, self.store.size(row.sha256))
            self.report.found(where, "its bytes were lost", "found again")
        elif back:
            self.report.found(where, "its bytes were lost, and are there again")
        elif needed:
            self.report.lost.append(Finding(where, f"its bytes are lost; {BACK}"))
        else:
            self.report.notes.append(f"{where}: lost; {BACK}.")

    def _replaced(self, sha256: str) -> tuple[str, bool]:
        """Put whole bytes where damaged or missing ones are, or mark them as lost.

        Returns
        -------
        tuple
            What was done, and whether all is well then.
        """
        kept = ""
        self.store.make_way(sha256)
        if self.store.size(sha256) is not None:
            kept = f"damaged bytes are in {self.store.set_aside(sha256)}; "
            self._record(sha256, LOST)
            self.store.withdraw(sha256)
        if self.store.recover(sha256, self.strays):
            self._record(sha256, LIVE, self.store.size(sha256))
            return f"{kept}whole ones put back", True
        self._record(sha256, LOST)
        return f"{kept}marked as lost: {BACK}", False

    def _record(self, sha256: str, state: str, size: int | None = None) -> None:
        values: dict[str, Any] = {"state": state, "dying_since": None}
        if size is not None:
            values["size"] = size
        with self.backend.db.write() as connection:
            connection.execute(sa.update(blobs).where(blobs.c.sha256 == sha256).values(values))

    def _outside(self, sha256: str) -> Sequence[Place]:
        return KnownPlaces(self.backend.db).of(sha256)

    def unneeded(self) -> None:
        """Count bytes that no file has, and keep them where versions of files are missing."""
        used = sa.exists().where(versions.c.blob == blobs.c.sha256)
        # What the sweeper has marked, too, where it may be what is looked for.
        states = (LIVE, DYING) if self.report.headless else (LIVE,)
        statement = sa.select(blobs.c.sha256).where(blobs.c.state.in_(states), sa.not_(used))
        with self.backend.db.read() as connection:
            unused = list(connection.scalars(statement))
        if self.report.headless:
            unused += sorted(self.rowless)
        left = [sha256 for sha256 in unused if self.store.size(sha256) is not None]
        if not left:
            return
        what = "1 blob" if len(left) == 1 else f"{len(left)} blobs"
        if self.report.headless:
            for sha256 in left:
                try:
                    self.store.set_aside(sha256)
                except OSError as error:  # of this one
                    self.report.found(f"blob {sha256}", f"it cannot be copied: {reason(error)}")
            told = "copied into quarantine, since files were there without their versions"
            self.report.notes.append(f"{what} that no file has: {told}.")
        else:
            self.report.notes.append(f"{what} that no file has: the sweeper takes them.")

    def unrecorded(self) -> None:
        """Count bytes without a row: uploads whose process died; the sweeper takes them."""
        if waiting := len(self.rowless):
            blob = "blob" if waiting == 1 else "blobs"
            self.report.notes.append(f"{waiting} {blob} without a row: the sweeper takes them.")
