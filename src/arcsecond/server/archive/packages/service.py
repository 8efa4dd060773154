"""Data packages: kept by their owners, shown to whoever has their link."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from msgspec import UNSET

from arcsecond.errors import InvalidInputError, NotFoundError
from arcsecond.schemas.archive import DESCRIPTION
from arcsecond.schemas.packages import CITATION, MOST_DATASETS, DataPackage, DataPackageChange
from arcsecond.server.archive.packages.tables import PACKAGE, contents, packages
from arcsecond.server.archive.service import beginning, totals_of
from arcsecond.server.archive.tables import datasets
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.paging import SqlListing
from arcsecond.server.parsing import as_uuid, clean_text, parse_uuid
from arcsecond.server.people.owned import change, find, find_own, new_row, trash, with_owner
from arcsecond.server.people.secrets import derived_key, digest
from arcsecond.server.people.tables import PRIVATE, PUBLIC
from arcsecond.server.people.visibility import signed_in, visible_to


class Packages:
    """Data packages."""

    def list_(
        self, backend: Backend, viewer: Viewer, filters: dict[str, str]
    ) -> SqlListing[DataPackage]:
        """List the packages a viewer may see, the newest first."""
        statement = with_owner(packages, viewer)
        if "name" in filters:
            statement = statement.where(packages.c.name == filters["name"])
        if "dataset" in filters:
            uuid = parse_uuid(filters["dataset"], "Dataset")
            holding = sa.select(contents.c.package).where(contents.c.dataset == uuid)
            statement = statement.where(packages.c.uuid.in_(holding))
        order = (packages.c.created_at, packages.c.uuid)

        def shaped(connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> list[DataPackage]:
            return _shaped(backend, viewer, connection, rows)

        return SqlListing(backend.db, statement, order, shaped, descending=True)

    def read(self, backend: Backend, viewer: Viewer, key: str) -> DataPackage:
        """Return a package."""
        with backend.db.read() as connection:
            row = find(connection, viewer, packages, parse_uuid(key, PACKAGE), PACKAGE)
            return _shaped(backend, viewer, connection, [row])[0]

    def create(self, backend: Backend, viewer: Viewer, body: DataPackageChange) -> DataPackage:
        """Make a package."""
        signed_in(viewer)
        name = clean_text("name", None if body.name is UNSET else body.name)
        row = new_row(viewer, "datapackages:create", uuid=uuid4())
        with backend.db.write() as connection:
            row |= _values(body) | {"name": name}
            connection.execute(sa.insert(packages).values(row))
            _fill(connection, viewer, row["uuid"], body)
        return self.read(backend, viewer, str(row["uuid"]))

    def update(
        self, backend: Backend, viewer: Viewer, key: str, body: DataPackageChange
    ) -> DataPackage:
        """Change a package."""
        uuid = parse_uuid(key, PACKAGE)
        with backend.db.write() as connection:
            find_own(connection, viewer, packages, uuid, PACKAGE, "datapackages:update")
            change(connection, packages, uuid, **_values(body))
            _fill(connection, viewer, uuid, body)
        return self.read(backend, viewer, key)

    def delete(self, backend: Backend, viewer: Viewer, key: str) -> None:
        """Delete a package; its datasets stay."""
        with backend.db.write() as connection:
            uuid = parse_uuid(key, PACKAGE)
            trash(connection, viewer, packages, uuid, PACKAGE, "datapackages:delete")


def share(backend: Backend, viewer: Viewer, key: str) -> DataPackage:
    """Make a link that shows a package to whoever has it, or tell the one there is."""
    return _relink(backend, viewer, key, shared=True)


def unshare(backend: Backend, viewer: Viewer, key: str) -> DataPackage:
    """Revoke the link of a package: it shows nothing any more."""
    return _relink(backend, viewer, key, shared=False)


def _relink(backend: Backend, viewer: Viewer, key: str, *, shared: bool) -> DataPackage:
    uuid = parse_uuid(key, PACKAGE)
    with backend.db.write() as connection:
        # A word that was revoked never comes back: nobody counts links meanwhile.
        one = sa.select(packages.c.uuid).where(packages.c.uuid == uuid)
        connection.execute(one.with_for_update())
        row = find_own(connection, viewer, packages, uuid, PACKAGE, "datapackages:update")
        if shared != (row.share is not None):
            links = row.links + shared
            word = digest(_word(backend, uuid, links)) if shared else None
            change(connection, packages, uuid, share=word, links=links)
    return Packages().read(backend, viewer, key)


def _word(backend: Backend, uuid: UUID, link: int) -> str:
    """Return the word of a package's link: derived, so that its owner can be told it again."""
    return derived_key(backend.secret, uuid, "share", link, digits=40)


def shared_by(backend: Backend, word: str) -> str:
    """Return the UUID of the package that a link shows.

    Raises
    ------
    NotFoundError
        There is no such link, or it was revoked.
    """
    statement = sa.select(packages.c.uuid).where(
        packages.c.share == digest(word), packages.c.deleted_at.is_(None)
    )
    with backend.db.read() as connection:
        if (uuid := connection.scalar(statement)) is None:
            raise NotFoundError("What this link showed is not found: it may have been revoked.")
    return str(uuid)


def sees_more(backend: Backend, viewer: Viewer, words: Collection[str]) -> Viewer:
    """Return a viewer who has the words of some links, too."""
    told = sorted({digest(word) for word in words})
    statement = sa.select(packages.c.share).where(packages.c.share.in_(told))
    with backend.db.read() as connection:
        known = frozenset(connection.scalars(statement))
    return dataclasses.replace(viewer, shares=known) if known else viewer


def _values(body: DataPackageChange) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if body.name is not UNSET:
        values["name"] = clean_text("name", body.name)
    for name, text, longest in (
        ("description", body.description, DESCRIPTION),
        ("licence", body.licence, 255),
        ("citation", body.citation, CITATION),
    ):
        if text is not UNSET:
            values[name] = clean_text(name, text, longest=longest, blank=True)
    if body.is_public is not UNSET:
        values["visibility"] = PUBLIC if body.is_public else PRIVATE
    if body.embargo is not UNSET:
        values["embargo_until"] = beginning(body.embargo)
    return values


def _fill(
    connection: sa.Connection, viewer: Viewer, package: UUID, body: DataPackageChange
) -> None:
    """Put datasets into a package in place of those that were in it."""
    if body.datasets is UNSET:
        return
    given = body.datasets.split(",") if isinstance(body.datasets, str) else body.datasets
    keys = list(dict.fromkeys(key.strip() for key in given if key.strip()))
    if len(keys) > MOST_DATASETS:
        problem = f"These are more than {MOST_DATASETS} datasets."
        raise InvalidInputError(fields={"datasets": [problem]})
    uuids = list(dict.fromkeys(_dataset(connection, viewer, key) for key in keys))
    # Those that lie in the trash stay, and are there when they come back.
    seen = sa.select(datasets.c.uuid).where(visible_to(viewer, datasets))
    held = sa.and_(contents.c.package == package, contents.c.dataset.in_(seen))
    connection.execute(sa.delete(contents).where(held))
    if uuids:
        rows = [{"package": package, "dataset": u, "place": n} for n, u in enumerate(uuids)]
        connection.execute(sa.insert(contents), rows)


def _dataset(connection: sa.Connection, viewer: Viewer, key: str) -> UUID:
    uuid = as_uuid(key)
    mine = datasets.c.name == key if uuid is None else datasets.c.uuid == uuid
    statement = sa.select(datasets.c.uuid).where(visible_to(viewer, datasets), mine)
    if uuid is None:
        statement = statement.where(datasets.c.owner == viewer.id)
    found: list[UUID] = list(connection.scalars(statement.limit(2)))
    if len(found) == 1:
        return found[0]
    problem = f"You have several datasets that are called {key[:80]!r}; give the UUID of one."
    if not found:
        problem = f"Dataset {key[:80]!r} not found."
    raise InvalidInputError(fields={"datasets": [problem]})


def _shaped(
    backend: Backend, viewer: Viewer, connection: sa.Connection, rows: Sequence[sa.Row[Any]]
) -> list[DataPackage]:
    inside: dict[UUID, list[UUID]] = {row.uuid: [] for row in rows}
    statement = (
        sa.select(contents.c.package, contents.c.dataset)
        .join(datasets, datasets.c.uuid == contents.c.dataset)
        .where(contents.c.package.in_(list(inside)), visible_to(viewer, datasets))
        .order_by(contents.c.package, contents.c.place)
    )
    for package, dataset in connection.execute(statement):
        inside[package].append(dataset)
    held = totals_of(connection, list({uuid for some in inside.values() for uuid in some}))
    return [
        DataPackage(
            uuid=str(row.uuid),
            name=row.name,
            description=row.description,
            profile=row.profile,
            licence=row.licence,
            citation=row.citation,
            is_public=row.visibility == PUBLIC,
            embargo=None if row.embargo_until is None else row.embargo_until.date(),
            datasets=[str(uuid) for uuid in inside[row.uuid]],
            data_files_count=sum(held.get(uuid, (0, 0))[0] for uuid in inside[row.uuid]),
            data_files_volume=sum(held.get(uuid, (0, 0))[1] for uuid in inside[row.uuid]),
            share_url=f"/shared/{_word(backend, row.uuid, row.links)}/"
            if row.share is not None and row.owner == viewer.id
            else None,
            creation_date=row.created_at,
            last_update=row.updated_at,
        )
        for row in rows
    ]
