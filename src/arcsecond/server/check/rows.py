"""Rows: every reference resolves, every file has its version, every version its headers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import sqlalchemy as sa

from arcsecond.server.archive.in_force import rules_of
from arcsecond.server.archive.index.entries import astray, clear, without
from arcsecond.server.archive.ingest import read_frame
from arcsecond.server.archive.reindexing import index_all
from arcsecond.server.archive.tables import LOST, blobs, datasets, files, headers, versions
from arcsecond.server.check.report import Report, keep_row
from arcsecond.server.context import Backend
from arcsecond.server.db import now
from arcsecond.server.observatory.tables import instruments, sites, telescopes
from arcsecond.server.people.keys import DERIVED, keep_derived_keys
from arcsecond.server.people.secrets import derived_key, digest
from arcsecond.server.people.tables import keys, users
from arcsecond.server.storage import Kept
from arcsecond.server.tables import metadata

MOST_LACKING = 10_000
"""Files that are not in the index, as far as they are counted."""


def check_rows(
    backend: Backend, report: Report, *, quick: bool, repair: bool, new_secret: bool = False
) -> None:
    """Check all tables, those that others refer to first.

    But what people made comes last: it may need a new owner, to whom no old key
    should belong.
    """
    checking = _Rows(backend, report, repair=repair)
    checking.database()
    kept = [table for table in metadata.sorted_tables if not table.info.get("derived")]
    for table in sorted(kept, key=lambda t: "deleted_at" in t.c):
        with backend.db.read() as connection:
            report.rows += connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
        for key in sorted(table.foreign_key_constraints, key=lambda k: str(k.name)):
            checking.reference(table, key)
        checking.equipment(table)
    checking.current_versions()
    checking.living_files_of_the_dead()
    checking.missing_headers()
    checking.secret(renew=new_secret)
    checking.index(quick=quick)


class _Rows:
    """One check of the rows."""

    def __init__(self, backend: Backend, report: Report, *, repair: bool) -> None:
        self.backend = backend
        self.report = report
        self.repair = repair

    def database(self) -> None:
        """Let SQLite look at its own file."""
        if not self.backend.db.local:
            return
        for problem in self._integrity():
            mended = ""
            if self.repair and "index" in problem:
                with self.backend.db.write() as connection:
                    connection.execute(sa.text("REINDEX"))
                mended = "" if self._integrity() else "indexes made anew"
            self.report.found("the database file", problem, mended)

    def _integrity(self) -> list[str]:
        with self.backend.db.read() as connection:
            said = connection.execute(sa.text("PRAGMA integrity_check")).scalars().all()
        return [line for line in said if line != "ok"]

    def reference(self, table: sa.Table, key: sa.ForeignKeyConstraint) -> None:
        """Check that what one foreign key points at is there."""
        other = key.referred_table
        pairs = [(element.parent, element.column) for element in key.elements]
        given = sa.and_(*(column.is_not(None) for column, _ in pairs))
        same = sa.and_(*(column == target for column, target in pairs))
        broken = sa.select(table).where(
            given, ~sa.exists(sa.select(1).select_from(other).where(same))
        )
        with self.backend.db.read() as connection:
            count = sa.select(sa.func.count()).select_from(table).where(given)
            self.report.references += connection.scalar(count) or 0
            rows = connection.execute(broken).all()
        for row in rows:
            values = ", ".join(str(getattr(row, column.name)) for column, _ in pairs)
            problem = f"its {pairs[0][0].name} {values} is not among the {other.name}"
            self._mend(table, row, problem, partial(_resolve, table, key, row))

    def equipment(self, table: sa.Table) -> None:
        """Check that sites, telescopes and instruments are in the directory."""
        places = {"observing_site": sites, "telescope": telescopes, "instrument": instruments}
        for name, directory in places.items():
            column = table.c.get(name)
            if column is None or not isinstance(column.type, sa.Uuid) or column.foreign_keys:
                continue
            there = sa.exists(sa.select(1).where(directory.c.uuid == column))
            given = sa.select(table).where(column.is_not(None))
            with self.backend.db.read() as connection:
                counted = sa.select(sa.func.count()).select_from(given.subquery())
                self.report.references += connection.scalar(counted) or 0
                rows = connection.execute(given.where(~there)).all()
            for row in rows:
                problem = f"its {name} {getattr(row, name)} is not in the directory"
                self._mend(table, row, problem, partial(_forget, row, column))

    def current_versions(self) -> None:
        """Check that each file has the version that it says is the present one."""
        of_file = versions.c.file == files.c.pk
        there = sa.exists(sa.select(1).where(of_file, versions.c.n == files.c.current))
        newest = sa.select(sa.func.max(versions.c.n)).where(of_file).scalar_subquery()
        with self.backend.db.read() as connection:
            rows = connection.execute(sa.select(files, newest.label("newest")).where(~there)).all()
        for row in rows:
            problem = f"its version {row.current} is not there"
            self._mend(files, row, problem, partial(_newest, row))

    def living_files_of_the_dead(self) -> None:
        """Check that no file outlived its dataset, where nobody would ever see or purge it."""
        dead = (
            sa.select(files, datasets.c.deleted_at.label("gone"))
            .join(datasets, datasets.c.uuid == files.c.dataset)
            .where(files.c.deleted_at.is_(None), datasets.c.deleted_at.is_not(None))
        )
        with self.backend.db.read() as connection:
            rows = connection.execute(dead).all()
        for row in rows:
            self._mend(files, row, "its dataset was deleted", partial(_bury, row))

    def index(self, *, quick: bool) -> None:
        """Check that every file can be found by a search, by all that the index says of it."""
        with self.backend.db.read() as connection:
            lacking = len(without(connection, MOST_LACKING))
        with self.backend.db.stream() as connection:
            if not self.backend.db.local:  # of one moment, whatever is written meanwhile
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            wrong = [] if quick else astray(connection)
        if not lacking and not wrong:
            return
        mended = ""
        if self.repair:
            with self.backend.db.write() as connection:
                clear(connection, all_of_it=bool(wrong))
            index_all(self.backend)
            mended = "made anew"
        if lacking:
            files_ = "file is" if lacking == 1 else "files are"
            more = " or more" if lacking == MOST_LACKING else ""
            problem = f"{lacking}{more} {files_} not in it"
        else:
            told = ", ".join(wrong[:3]) + (" and more" if len(wrong) > 3 else "")
            problem = f"what it says of {told} is not all there, or too much"
        self.report.found("the index of files", problem, mended)

    def secret(self, *, renew: bool) -> None:
        """Check that the keys that people are shown are those that are believed.

        It is mended when that is wanted alone: whoever has the present secret knows all keys.
        """
        statement = (
            sa.select(keys.c.owner, users.c.generation, keys.c.kind, keys.c.digest)
            .join(users, users.c.id == keys.c.owner)
            .where(keys.c.kind.in_(DERIVED), keys.c.revoked_at.is_(None))
        )
        believed: dict[tuple[int, int], dict[str, str]] = {}
        with self.backend.db.read() as connection:
            for owner, generation, kind, told in connection.execute(statement):
                believed.setdefault((owner, generation), {})[told] = kind
        for (user, generation), known in sorted(believed.items()):
            shown = (derived_key(self.backend.secret, user, kind, generation) for kind in DERIVED)
            if any(digest(key) in known for key in shown):
                continue
            mended = ""
            if renew:
                with self.backend.db.write() as connection:
                    keep_derived_keys(
                        connection, self.backend, user, generation=generation, kinds=known.values()
                    )
                mended = "keys of the present one work, too"
            self.report.found(
                f"the secret, for user {user}",
                "it is not the one that keys were made by; put the one of a backup back",
                mended,
            )

    def missing_headers(self) -> None:
        """Check that each version has the headers of all its HDUs."""
        kept = sa.func.count(headers.c.hdu)
        of_version = sa.and_(headers.c.file == versions.c.file, headers.c.n == versions.c.n)
        counted = (
            sa.select(versions, kept.label("kept"))
            .outerjoin(headers, of_version)
            .group_by(versions.c.file, versions.c.n)
            .having(kept != sa.func.json_array_length(versions.c.hdus))
        )
        with self.backend.db.read() as connection:
            rows = connection.execute(counted).all()
        for row in rows:
            problem = f"{row.kept} of its {len(row.hdus)} headers are there"
            self._mend(versions, row, problem, partial(self._read_again, row))

    def _read_again(self, row: sa.Row[Any], connection: sa.Connection) -> str:
        try:
            kept = Kept(self.backend.store, row.blob)
            limit = self.backend.settings.max_unpacked_bytes
            frame = read_frame(kept, limit, rules_of(self.backend))
        except (OSError, ValueError):
            return ""
        mine = sa.and_(headers.c.file == row.file, headers.c.n == row.n)
        connection.execute(sa.delete(headers).where(mine))
        rows = [
            {"file": row.file, "n": row.n, "hdu": i, "cards": cards}
            for i, cards in enumerate(frame.headers)
        ]
        connection.execute(sa.insert(headers), rows)
        return "read again from its bytes"

    def _mend(
        self,
        table: sa.Table,
        row: sa.Row[Any],
        problem: str,
        mending: Callable[[sa.Connection], str],
    ) -> None:
        """Write a finding down; mend it first when that is wanted."""
        mended = ""
        if self.repair:
            keep_row(self.backend, table.name, row, problem)
            with self.backend.db.write() as connection:
                mended = mending(connection)
                if not mended:
                    self.report.headless += table is files
                    self._set_aside(connection, table, row, problem)
                    mended = "moved into quarantine"
        self.report.found(_called(table, row), problem, mended)

    def _set_aside(
        self, connection: sa.Connection, table: sa.Table, row: sa.Row[Any], why: str
    ) -> None:
        """Take a row away that is in quarantine now, behind all that hangs on it."""
        for other in metadata.sorted_tables:
            for key in other.foreign_key_constraints:
                if key.referred_table is not table:
                    continue
                same = (e.parent == getattr(row, e.column.name) for e in key.elements)
                for child in connection.execute(sa.select(other).where(*same)).all():
                    keep_row(self.backend, other.name, child, why)
                    self._set_aside(connection, other, child, why)
        if table is versions and self.backend.store.size(row.blob) is not None:
            self.backend.store.set_aside(row.blob)  # the sweeper may take the blob now
        connection.execute(sa.delete(table).where(*_same_row(table, row)))


def _same_row(table: sa.Table, row: sa.Row[Any]) -> list[sa.ColumnElement[bool]]:
    return [column == getattr(row, column.name) for column in table.primary_key]


def _called(table: sa.Table, row: sa.Row[Any]) -> str:
    """Return what a person would call a row."""
    key = ".".join(str(getattr(row, column.name)) for column in table.primary_key)
    name = row._mapping.get("path") or row._mapping.get("name") or ""  # noqa: SLF001
    singular = {"versions": "version of file", "headers": "header of file"}
    what = singular.get(table.name, table.name.replace("_", " ").removesuffix("s"))
    return f"{what} {key}" + (f" ({name})" if name else "")


def _resolve(
    table: sa.Table, key: sa.ForeignKeyConstraint, row: sa.Row[Any], connection: sa.Connection
) -> str:
    """Mend a broken reference; "" when the row has to go."""
    column = key.elements[0].parent
    if column.nullable and not column.primary_key:
        return _forget(row, column, connection)
    value, target = getattr(row, column.name), key.elements[0].column
    single = len(key.elements) == 1
    if single and connection.scalar(sa.select(target).where(target == value)) is not None:
        return "there again, with another that lacked it"
    if key.referred_table is blobs:
        # Found lost, or put back, when the bytes are checked.
        connection.execute(
            sa.insert(blobs).values(sha256=value, size=0, state=LOST, created_at=now())
        )
        return "recorded again"
    if "deleted_at" not in table.c:
        return ""
    moment = now()
    stamps = {"created_at": moment, "updated_at": moment}
    if key.referred_table is users:
        name = f"recovered-{value}"
        connection.execute(sa.insert(users).values(id=value, username=name, folded=name, **stamps))
        return f"given to a new user {name}"
    if key.referred_table is datasets:
        connection.execute(
            sa.insert(datasets).values(
                uuid=value, owner=row.owner, name="Recovered files", tags=[], **stamps
            )
        )
        return "its dataset was made again, as 'Recovered files'"
    return ""


def _forget(row: sa.Row[Any], column: sa.Column[Any], connection: sa.Connection) -> str:
    table = column.table
    assert isinstance(table, sa.Table)
    connection.execute(sa.update(table).where(*_same_row(table, row)).values({column: None}))
    return "taken out of it, and kept in quarantine"


def _newest(row: sa.Row[Any], connection: sa.Connection) -> str:
    if row.newest is None:
        return ""
    connection.execute(sa.update(files).where(*_same_row(files, row)).values(current=row.newest))
    return f"version {row.newest} is the present one now"


def _bury(row: sa.Row[Any], connection: sa.Connection) -> str:
    connection.execute(sa.update(files).where(*_same_row(files, row)).values(deleted_at=row.gone))
    return "deleted with it"
