"""Observing runs and night logs: private notes of who was where, when."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from arcsecond.errors import InvalidInputError, NotFoundError
from arcsecond.schemas.records import (
    JOURNAL,
    NightLog,
    NightLogChange,
    ObservingRun,
    ObservingRunChange,
)
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.observatory.finding import check_equipment
from arcsecond.server.paging import SqlListing
from arcsecond.server.parsing import clean_tags, clean_text, parse_date, parse_uuid
from arcsecond.server.people.owned import change, find, find_own, new_row, trash, with_owner
from arcsecond.server.people.visibility import signed_in, visible_to
from arcsecond.server.records.tables import night_logs, observing_runs

RUN = "Observing run"
LOG = "Night log"


class ObservingRuns:
    """Observing runs."""

    def list_(
        self, backend: Backend, viewer: Viewer, filters: dict[str, str]
    ) -> SqlListing[ObservingRun]:
        """List the runs a viewer may see, the newest first."""
        statement = with_owner(observing_runs, viewer)
        if "name" in filters:
            statement = statement.where(observing_runs.c.name == filters["name"])
        return _newest(backend, viewer, statement, observing_runs, _runs)

    def read(self, backend: Backend, viewer: Viewer, key: str) -> ObservingRun:
        """Return a run."""
        with backend.db.read() as connection:
            row = find(connection, viewer, observing_runs, parse_uuid(key, RUN), RUN)
            return _runs(connection, [row], viewer)[0]

    def create(self, backend: Backend, viewer: Viewer, body: ObservingRunChange) -> ObservingRun:
        """Make a run."""
        signed_in(viewer)
        name = clean_text("name", body.name or None)
        row = new_row(viewer, "observingruns:create", uuid=uuid4(), tags=[])
        with backend.db.write() as connection:
            row |= self._values(connection, body) | {"name": name}
            connection.execute(sa.insert(observing_runs).values(row))
        return self.read(backend, viewer, str(row["uuid"]))

    def update(
        self, backend: Backend, viewer: Viewer, key: str, body: ObservingRunChange
    ) -> ObservingRun:
        """Change a run."""
        uuid = parse_uuid(key, RUN)
        with backend.db.write() as connection:
            find_own(connection, viewer, observing_runs, uuid, RUN, "observingruns:update")
            change(connection, observing_runs, uuid, **self._values(connection, body))
        return self.read(backend, viewer, key)

    def delete(self, backend: Backend, viewer: Viewer, key: str) -> None:
        """Delete a run; its night logs stay."""
        with backend.db.write() as connection:
            uuid, action = parse_uuid(key, RUN), "observingruns:delete"
            trash(connection, viewer, observing_runs, uuid, RUN, action)

    def _values(self, connection: sa.Connection, body: ObservingRunChange) -> dict[str, Any]:
        values = _texts(body)
        if body.observing_site is not UNSET:
            site = check_equipment(connection, site=body.observing_site)
            values["observing_site"] = site["observing_site"]
        return values


def _date_in(name: str | UnsetType) -> str:
    """Return a name that is a date: clients of 1.3 cannot say the date otherwise."""
    try:
        return date.fromisoformat(str(name)).isoformat()
    except ValueError:
        return ""


class NightLogs:
    """Night logs."""

    def list_(
        self, backend: Backend, viewer: Viewer, filters: dict[str, str]
    ) -> SqlListing[NightLog]:
        """List the logs a viewer may see, the newest first."""
        statement = with_owner(night_logs, viewer)
        if "name" in filters:
            statement = statement.where(night_logs.c.name == filters["name"])
        if "date" in filters:
            statement = statement.where(night_logs.c.date == parse_date("date", filters["date"]))
        if "telescope" in filters:
            with _at_fault("telescope"):
                uuid = parse_uuid(filters["telescope"], "Telescope")
            statement = statement.where(night_logs.c.telescope == uuid)
        return _newest(backend, viewer, statement, night_logs, _logs)

    def read(self, backend: Backend, viewer: Viewer, key: str) -> NightLog:
        """Return a log."""
        with backend.db.read() as connection:
            row = find(connection, viewer, night_logs, parse_uuid(key, LOG), LOG)
            return _logs(connection, [row], viewer)[0]

    def create(self, backend: Backend, viewer: Viewer, body: NightLogChange) -> NightLog:
        """Make a log; its name is its date when none is given."""
        signed_in(viewer)
        evening = parse_date("date", body.date or _date_in(body.name))
        made = {"uuid": uuid4(), "tags": [], "name": str(evening), "date": evening}
        row = new_row(viewer, "nightlogs:create", **made)
        with backend.db.write() as connection:
            row |= self._values(connection, viewer, body)
            connection.execute(sa.insert(night_logs).values(row))
        return self.read(backend, viewer, str(row["uuid"]))

    def update(self, backend: Backend, viewer: Viewer, key: str, body: NightLogChange) -> NightLog:
        """Change a log."""
        uuid = parse_uuid(key, LOG)
        with backend.db.write() as connection:
            find_own(connection, viewer, night_logs, uuid, LOG, "nightlogs:update")
            change(connection, night_logs, uuid, **self._values(connection, viewer, body))
        return self.read(backend, viewer, key)

    def delete(self, backend: Backend, viewer: Viewer, key: str) -> None:
        """Delete a log."""
        with backend.db.write() as connection:
            uuid, action = parse_uuid(key, LOG), "nightlogs:delete"
            trash(connection, viewer, night_logs, uuid, LOG, action)

    def _values(
        self, connection: sa.Connection, viewer: Viewer, body: NightLogChange
    ) -> dict[str, Any]:
        values = _texts(body)
        if body.date is not UNSET:
            values["date"] = parse_date("date", body.date)
        if body.telescope is not UNSET:
            values["telescope"] = check_equipment(connection, telescope=body.telescope)["telescope"]
        if body.observing_run is not UNSET:
            values["observing_run"] = _own_run(connection, viewer, body.observing_run)
        return values


@contextlib.contextmanager
def _at_fault(field: str) -> Iterator[None]:
    """Say that a field or a filter names what is not there."""
    try:
        yield
    except NotFoundError as error:
        raise InvalidInputError(fields={field: [error.detail]}) from None


def _own_run(connection: sa.Connection, viewer: Viewer, key: str | None) -> UUID | None:
    if not key:
        return None
    with _at_fault("observing_run"):
        uuid = parse_uuid(key, RUN)
        find(connection, viewer, observing_runs, uuid, RUN)
        return uuid


def _texts(body: ObservingRunChange | NightLogChange) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if body.name is not UNSET:
        values["name"] = clean_text("name", body.name)
    if body.journal is not UNSET:
        values["journal"] = clean_text("journal", body.journal, longest=JOURNAL, blank=True)
    if body.tags is not UNSET:
        values["tags"] = clean_tags(body.tags)
    return values


def _newest(
    backend: Backend, viewer: Viewer, statement: sa.Select[Any], table: sa.Table, shape: Any
) -> SqlListing[Any]:
    def shaped(connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> list[Any]:
        made: list[Any] = shape(connection, rows, viewer)
        return made

    signed_in(viewer)
    order = (table.c.created_at, table.c.uuid)
    return SqlListing(backend.db, statement, order, shaped, descending=True)


def _runs(
    connection: sa.Connection, rows: Sequence[sa.Row[Any]], viewer: Viewer
) -> list[ObservingRun]:
    logs: dict[UUID, list[str]] = {row.uuid: [] for row in rows}
    statement = sa.select(night_logs.c.observing_run, night_logs.c.uuid).where(
        night_logs.c.observing_run.in_(list(logs)), visible_to(viewer, night_logs)
    )
    for run, log in connection.execute(statement.order_by(night_logs.c.date)):
        logs[run].append(str(log))
    return [
        ObservingRun(
            uuid=str(row.uuid),
            name=row.name,
            profile=row.profile,
            observing_site=_text(row.observing_site),
            journal=row.journal,
            tags=row.tags,
            tag_array=row.tags,
            night_logs=logs[row.uuid],
            creation_date=row.created_at,
            last_update=row.updated_at,
        )
        for row in rows
    ]


def _logs(
    _connection: sa.Connection, rows: Sequence[sa.Row[Any]], _viewer: Viewer
) -> list[NightLog]:
    return [
        NightLog(
            uuid=str(row.uuid),
            name=row.name,
            profile=row.profile,
            date=row.date,
            telescope=_text(row.telescope),
            observing_run=_text(row.observing_run),
            journal=row.journal,
            tags=row.tags,
            tag_array=row.tags,
            creation_date=row.created_at,
            last_update=row.updated_at,
        )
        for row in rows
    ]


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)
