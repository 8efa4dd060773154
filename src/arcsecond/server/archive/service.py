"""Datasets: named sets of files."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import UTC, datetime, time
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from msgspec import UNSET

from arcsecond.errors import ConflictError
from arcsecond.schemas.archive import DESCRIPTION, Dataset, DatasetChange
from arcsecond.server.archive.index.entries import folded
from arcsecond.server.archive.packages.tables import contents, packages
from arcsecond.server.archive.tables import blobs, datasets, files, versions
from arcsecond.server.context import STRANGER, Backend, Viewer
from arcsecond.server.db import now
from arcsecond.server.observatory.finding import check_equipment
from arcsecond.server.paging import SqlListing
from arcsecond.server.parsing import clean_tags, clean_text, parse_date, parse_uuid, sought_tags
from arcsecond.server.people.owned import change, find, find_own, new_row, trash, with_owner
from arcsecond.server.people.tables import PRIVATE, PUBLIC, users
from arcsecond.server.people.visibility import signed_in, visible_to

DATASET = "Dataset"


class Datasets:
    """Datasets."""

    def list_(
        self, backend: Backend, viewer: Viewer, filters: dict[str, str]
    ) -> SqlListing[Dataset]:
        """List the datasets a viewer may see, the newest first."""
        statement = with_owner(datasets, viewer)
        if "name" in filters:
            statement = statement.where(datasets.c.name == filters["name"])
        if sought := {folded(tag) for tag in sought_tags(filters.get("tags", ""))}:
            # Here, since SQLite knows no capitals but those of ASCII.
            tagged = statement.with_only_columns(datasets.c.uuid, datasets.c.tags)
            with backend.db.read() as connection:
                rows = connection.execute(tagged).all()
            these = [row.uuid for row in rows if sought <= set(map(folded, row.tags))]
            statement = statement.where(datasets.c.uuid.in_(these))
        order = (datasets.c.created_at, datasets.c.uuid)
        shaped = functools.partial(_shaped, viewer)
        return SqlListing(backend.db, statement, order, shaped, descending=True)

    def read(self, backend: Backend, viewer: Viewer, key: str) -> Dataset:
        """Return a dataset."""
        with backend.db.read() as connection:
            row = find(connection, viewer, datasets, parse_uuid(key, DATASET), DATASET)
            return _shaped(viewer, connection, [row])[0]

    def several(self, backend: Backend, viewer: Viewer, uuids: Sequence[str]) -> list[Dataset]:
        """Return those of some datasets that a viewer may see, in their order, by one question."""
        these = datasets.c.uuid.in_([UUID(uuid) for uuid in uuids])
        with backend.db.read() as connection:
            rows = connection.execute(with_owner(datasets, viewer).where(these)).all()
            found = {one.uuid: one for one in _shaped(viewer, connection, rows)}
        return [found[uuid] for uuid in uuids if uuid in found]

    def name_of(self, backend: Backend, viewer: Viewer, key: str) -> str:
        """Return what a dataset is called, without counting what is in it."""
        with backend.db.read() as connection:
            row = find(connection, viewer, datasets, parse_uuid(key, DATASET), DATASET)
        return str(row.name)

    def create(self, backend: Backend, viewer: Viewer, body: DatasetChange) -> Dataset:
        """Make a dataset."""
        signed_in(viewer)
        name = clean_text("name", None if body.name is UNSET else body.name)
        row = new_row(viewer, "datasets:create", uuid=uuid4(), tags=[])
        with backend.db.write() as connection:
            if body.only_new is True:
                _refuse_twin(connection, viewer, name)
            row |= self._values(connection, body) | {"name": name}
            connection.execute(sa.insert(datasets).values(row))
        return self.read(backend, viewer, str(row["uuid"]))

    def update(self, backend: Backend, viewer: Viewer, key: str, body: DatasetChange) -> Dataset:
        """Change a dataset."""
        uuid = parse_uuid(key, DATASET)
        with backend.db.write() as connection:
            find_own(connection, viewer, datasets, uuid, DATASET, "datasets:update")
            change(connection, datasets, uuid, **self._values(connection, body))
        return self.read(backend, viewer, key)

    def delete(self, backend: Backend, viewer: Viewer, key: str) -> None:
        """Delete a dataset and its files."""
        uuid = parse_uuid(key, DATASET)
        with backend.db.write() as connection:
            # Its files went at the same moment: by that they are known when it comes back.
            moment = trash(connection, viewer, datasets, uuid, DATASET, "datasets:delete")
            alive = sa.and_(files.c.dataset == uuid, files.c.deleted_at.is_(None))
            connection.execute(sa.update(files).where(alive).values(deleted_at=moment))

    def _values(self, connection: sa.Connection, body: DatasetChange) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if body.name is not UNSET:
            values["name"] = clean_text("name", body.name)
        if body.description is not UNSET:
            values["description"] = clean_text(
                "description", body.description, longest=DESCRIPTION, blank=True
            )
        if body.tags is not UNSET:
            values["tags"] = clean_tags(body.tags)
        if body.is_public is not UNSET:
            values["visibility"] = PUBLIC if body.is_public else PRIVATE
        if body.embargo is not UNSET:
            values["embargo_until"] = beginning(body.embargo)
        given = {"telescope": body.telescope, "instrument": body.instrument}
        used = {k: v for k, v in given.items() if not isinstance(v, type(UNSET))}
        if used:
            checked = check_equipment(connection, **used)
            values |= {k: checked[k] for k in used}
        return values


def beginning(day: str | None) -> datetime | None:
    """Return when a day begins; None, and an empty text as forms send it, for no day."""
    if not day:
        return None
    return datetime.combine(parse_date("embargo", day), time(), UTC)


def _refuse_twin(connection: sa.Connection, viewer: Viewer, name: str) -> None:
    """Refuse a second dataset of one name; who asks for the same meanwhile waits."""
    connection.execute(sa.select(users.c.id).where(users.c.id == viewer.id).with_for_update())
    same = sa.select(datasets.c.uuid).where(
        datasets.c.owner == viewer.id, datasets.c.name == name, datasets.c.deleted_at.is_(None)
    )
    if there := connection.execute(same.limit(1)).one_or_none():
        raise ConflictError(f"Your dataset {there.uuid} is called {name!r} already.")


def _shaped(
    viewer: Viewer, connection: sa.Connection, rows: Sequence[sa.Row[Any]]
) -> list[Dataset]:
    uuids = [row.uuid for row in rows]
    totals, held = totals_of(connection, uuids), _packages_of(viewer, connection, uuids)
    return [
        Dataset(
            uuid=str(row.uuid),
            name=row.name,
            description=row.description,
            profile=row.profile,
            is_public=row.visibility == PUBLIC,
            embargo=None if row.embargo_until is None else row.embargo_until.date(),
            is_published=_is_shown(row) or any(shown for _, shown in held.get(row.uuid, ())),
            datapackages=[package for package, _ in held.get(row.uuid, ())],
            creation_date=row.created_at,
            last_update=row.updated_at,
            telescope=None if row.telescope is None else str(row.telescope),
            instrument=None if row.instrument is None else str(row.instrument),
            tags=row.tags,
            tag_array=row.tags,
            data_files_count=totals.get(row.uuid, (0, 0))[0],
            data_files_volume=totals.get(row.uuid, (0, 0))[1],
        )
        for row in rows
    ]


def _is_shown(row: sa.Row[Any]) -> bool:
    is_over = row.embargo_until is None or row.embargo_until <= now()
    return bool(row.visibility == PUBLIC) and is_over


def _packages_of(
    viewer: Viewer, connection: sa.Connection, uuids: list[UUID]
) -> dict[UUID, list[tuple[str, bool]]]:
    """Return the data packages that show datasets to somebody, and whether to everyone."""
    everyone = visible_to(STRANGER, packages).label("everyone")
    statement = (
        sa.select(contents.c.dataset, packages.c.uuid, everyone)
        .join(packages, packages.c.uuid == contents.c.package)
        .join(datasets, datasets.c.uuid == contents.c.dataset)
        .where(contents.c.dataset.in_(uuids), packages.c.owner == datasets.c.owner)
        .where(visible_to(viewer, packages))
        .order_by(packages.c.created_at, packages.c.uuid)
    )
    found: dict[UUID, list[tuple[str, bool]]] = {}
    for dataset, package, shown in connection.execute(statement):
        found.setdefault(dataset, []).append((str(package), bool(shown)))
    return found


def totals_of(connection: sa.Connection, uuids: list[UUID]) -> dict[UUID, tuple[int, int]]:
    """Return how many files, and how many bytes, each dataset holds."""
    statement = (
        sa.select(files.c.dataset, sa.func.count(), sa.func.sum(blobs.c.size))
        .join(versions, sa.and_(versions.c.file == files.c.pk, versions.c.n == files.c.current))
        .join(blobs, blobs.c.sha256 == versions.c.blob)
        .where(files.c.dataset.in_(uuids), files.c.deleted_at.is_(None))
        .group_by(files.c.dataset)
    )
    return {uuid: (count, int(size)) for uuid, count, size in connection.execute(statement)}
