"""FITS files: kept before they are recorded, recorded before they are acknowledged."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Collection, Sequence
from typing import Any, BinaryIO, NamedTuple
from uuid import UUID

import msgspec
import sqlalchemy as sa
from msgspec import UNSET

from arcsecond.errors import BytesLostError, ConflictError, NameTakenError, NotFoundError
from arcsecond.filenames import clean_path
from arcsecond.fits.cards import parse
from arcsecond.schemas.archive import (
    Doubt,
    FileVersion,
    FitsFile,
    FitsFileChange,
    Footprint,
    Hdu,
    Position,
)
from arcsecond.server.archive.in_force import rules_of
from arcsecond.server.archive.index.entries import folded, refresh
from arcsecond.server.archive.index.tables import terms
from arcsecond.server.archive.keeping import Version, keep_bytes, keep_frame, keep_versions
from arcsecond.server.archive.room import refuse_more
from arcsecond.server.archive.service import DATASET
from arcsecond.server.archive.tables import LOST, blobs, datasets, files, headers, versions
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.db import among, these
from arcsecond.server.paging import SqlListing
from arcsecond.server.parsing import clean_tags, parse_integer, parse_uuid, sought_tags
from arcsecond.server.people.owned import change, find, find_own, trash
from arcsecond.server.people.tables import users
from arcsecond.server.people.visibility import may_change, signed_in, visible_to
from arcsecond.server.storage import Incoming, told_when_full

FILE = "File"


def may_upload(backend: Backend, viewer: Viewer, dataset: str, file: str | None = None) -> None:
    """Refuse an upload before its bytes are read."""
    with backend.db.read() as connection:
        action = "fitsfiles:update" if file else "fitsfiles:create"
        find_own(connection, viewer, datasets, parse_uuid(dataset, DATASET), DATASET, action)
        if file is not None:
            _find(connection, viewer, dataset, file)


def list_files(
    backend: Backend, viewer: Viewer, dataset: str, filters: dict[str, str]
) -> SqlListing[FitsFile]:
    """List the files of a dataset in the order in which they came."""
    uuid = parse_uuid(dataset, DATASET)
    with backend.db.read() as connection:
        find(connection, viewer, datasets, uuid, DATASET)
    return _listing(backend, viewer, filters, files.c.dataset == uuid)


def list_all_files(
    backend: Backend, viewer: Viewer, filters: dict[str, str]
) -> SqlListing[FitsFile]:
    """List the files of all datasets, or of the one that a filter names."""
    signed_in(viewer)
    if dataset := filters.get("dataset"):
        return list_files(backend, viewer, dataset, filters)
    return _listing(backend, viewer, filters, sa.true())


def dataset_of(backend: Backend, viewer: Viewer, key: str) -> str:
    """Return the UUID of the dataset that a file is in."""
    statement = select_visible(viewer).where(files.c.pk == parse_integer(key, FILE))
    with backend.db.read() as connection:
        if row := connection.execute(statement).one_or_none():
            return str(row.dataset)
    raise NotFoundError(f"{FILE} {key[:80]!r} not found.")


def _listing(
    backend: Backend, viewer: Viewer, filters: dict[str, str], where: sa.ColumnElement[bool]
) -> SqlListing[FitsFile]:
    statement = select_visible(viewer).where(where)
    if "name" in filters:
        name = unicodedata.normalize("NFC", filters["name"])
        statement = statement.where(files.c.path == name)
    for tag in sought_tags(filters.get("tags", "")):
        tagged = sa.select(terms.c.file).where(terms.c.keyword == "tag")
        statement = statement.where(files.c.pk.in_(tagged.where(terms.c.value == folded(tag))))
    return SqlListing(backend.db, statement, (files.c.pk,), _shaped)


def read_file(
    backend: Backend, viewer: Viewer, dataset: str, key: str, version: int | None = None
) -> FitsFile:
    """Return a file by its pk or its name, with the headers of its HDUs and its versions.

    Parameters
    ----------
    version
        An older one; None for the present one.
    """
    with backend.db.read() as connection:
        row = _find(connection, viewer, dataset, key, version)
        statement = sa.select(headers).where(headers.c.file == row.pk, headers.c.n == row.n)
        cards = {header.hdu: header.cards for header in connection.execute(statement)}
        file = _with_headers(shape(row), cards)
        area = sa.select(versions.c.footprint).where(versions.c.file == row.pk)
        file.footprint = msgspec.convert(
            connection.scalar(area.where(versions.c.n == row.n)), Footprint | None
        )
        file.versions = _versions(connection, row.pk)
    return file


def _versions(connection: sa.Connection, pk: int) -> list[FileVersion]:
    """Return the versions of a file, the newest first."""
    statement = (
        sa.select(versions.c.n, versions.c.blob, versions.c.created_at, blobs.c.size)
        .join(blobs, blobs.c.sha256 == versions.c.blob)
        .where(versions.c.file == pk)
        .order_by(versions.c.n.desc())
    )
    return [
        FileVersion(version=row.n, size=row.size, sha256=row.blob, creation_date=row.created_at)
        for row in connection.execute(statement)
    ]


def _with_headers(file: FitsFile, cards: dict[int, str]) -> FitsFile:
    """Give the HDUs of a file their headers, by index."""
    for index, text in cards.items():
        file.hdus[index].header_string = text
        file.hdus[index].header = dict(parse(text))
    return file


def open_file(
    backend: Backend, viewer: Viewer, dataset: str, key: str, version: int | None = None
) -> tuple[FitsFile, BinaryIO]:
    """Return a file, or an older version of it, and its bytes, open for reading.

    Raises
    ------
    BytesLostError
        The bytes are not there any more.
    """
    with backend.db.read() as connection:
        row = _find(connection, viewer, dataset, key, version)
        file = _shaped(connection, [row])[0]
    try:
        return file, backend.store.open(file.sha256)
    except FileNotFoundError:
        raise BytesLostError(_lost(file.name)) from None


def find_file(
    backend: Backend, viewer: Viewer, dataset: str, key: str, version: int | None = None
) -> FitsFile:
    """Return a file whose bytes are there, or an older version of it, without headers.

    Raises
    ------
    BytesLostError
        The bytes are not there any more.
    """
    file, content = open_file(backend, viewer, dataset, key, version)
    content.close()
    return file


def update_file(
    backend: Backend,
    viewer: Viewer,
    dataset: str,
    key: str,
    body: FitsFileChange,
    incoming: Incoming | None = None,
    *,
    reserved: bool = False,
) -> FitsFile:
    """Change the name or the tags of a file, or give it new content.

    It keeps its pk; the old version is kept. All of it happens, or nothing.

    Parameters
    ----------
    reserved
        Whether the bytes count towards the quota already.
    """
    values = values_of(body)
    frame = None if incoming is None else keep_frame(backend, incoming)
    with told_when_full(), backend.db.write() as connection:
        uuid = locked_dataset(connection, viewer, dataset, action="fitsfiles:update")
        row = _find(connection, viewer, dataset, key)
        if "path" in values:
            other = select_visible(viewer).where(
                files.c.dataset == uuid, files.c.path == values["path"], files.c.pk != row.pk
            )
            if there := connection.execute(other).one_or_none():
                raise taken(there.pk, dataset)
        if incoming is not None and frame is not None:
            if row.blob != incoming.sha256 and not reserved:
                refuse_more(backend, connection, row.owner, incoming.size)
            keep_bytes(connection, [incoming])  # the same, too: they may have been lost
            if row.blob != incoming.sha256:
                values["current"] = row.current + 1
                keep_versions(connection, [Version(incoming, frame, row.pk, row.current + 1)])
        change(connection, files, row.pk, **values)
        refresh(connection, [row.pk], rules_of(backend).keywords)
    return read_file(backend, viewer, dataset, str(row.pk))


def values_of(body: FitsFileChange, *, but: str = "") -> dict[str, Any]:
    """Return the columns that a body gives, but one."""
    values: dict[str, Any] = {}
    if body.name is not UNSET and but != "name":
        values["path"] = clean_path(body.name)
    if body.tags is not UNSET:
        values["tags"] = clean_tags(body.tags)
    if body.is_raw is not UNSET:
        values["is_raw"] = body.is_raw
    return values


def delete_file(
    backend: Backend, viewer: Viewer, dataset: str, key: str, version: int | None = None
) -> None:
    """Delete a file; it lies in the trash for some time. An older version is gone at once."""
    if version is not None:
        _delete_version(backend, viewer, dataset, key, version)
        return
    with backend.db.write() as connection:
        signed_in(viewer, "fitsfiles:delete")
        row = _find(connection, viewer, dataset, key)
        _locked(connection, row.dataset)
        trash(connection, viewer, files, row.pk, FILE, "fitsfiles:delete")


def _delete_version(backend: Backend, viewer: Viewer, dataset: str, key: str, version: int) -> None:
    with backend.db.write() as connection:
        signed_in(viewer, "fitsfiles:delete")
        row = _find(connection, viewer, dataset, key, version)
        may_change(viewer, row.owner, f"{FILE} {key[:80]}")
        if row.n == row.current:
            raise ConflictError("This is the present version; delete the file, or replace it.")
        for table in (headers, versions):
            mine = sa.and_(table.c.file == row.pk, table.c.n == version)
            connection.execute(sa.delete(table).where(mine))


def locked_dataset(
    connection: sa.Connection, viewer: Viewer, dataset: str, action: str = "fitsfiles:create"
) -> UUID:
    """Find a dataset of the viewer's own and keep others from writing into it meanwhile."""
    uuid = parse_uuid(dataset, DATASET)
    _locked(connection, uuid)  # first: somebody may be deleting the dataset this very moment
    find_own(connection, viewer, datasets, uuid, DATASET, action)
    return uuid


def _locked(connection: sa.Connection, dataset: UUID) -> None:
    if connection.dialect.name != "sqlite":  # there the whole transaction is alone
        locking = sa.select(datasets.c.uuid).where(datasets.c.uuid == dataset)
        connection.execute(locking.with_for_update(key_share=True))


def _lost(name: str) -> str:
    return f"The bytes of {name} are missing on the server; send the same file again."


def select_visible(viewer: Viewer) -> sa.Select[Any]:
    """Select the files that somebody may see, with what their newest versions tell."""
    return _select_by(viewer.sight)


@functools.lru_cache(maxsize=1024)
def _select_by(viewer: Viewer, *, older: bool = False) -> sa.Select[Any]:
    """Make the statement once for each viewer: making it takes longer than running it.

    Parameters
    ----------
    older
        Whether another version is meant than the present one: ``version``.
    """
    # A footprint may be long, and lists do without.
    described = [c for c in versions.c if c.name not in ("file", "created_at", "footprint")]
    n = sa.bindparam("version", type_=sa.Integer) if older else files.c.current
    return (
        sa.select(files, *described, blobs.c.size, blobs.c.state, users.c.username.label("profile"))
        .join(versions, sa.and_(versions.c.file == files.c.pk, versions.c.n == n))
        .join(blobs, blobs.c.sha256 == versions.c.blob)
        .join(users, users.c.id == files.c.owner)
        .where(visible_to(viewer, files))
    )


@functools.lru_cache(maxsize=1024)
def select_named(viewer: Viewer) -> sa.Select[Any]:
    """Select files of a dataset, ``in``, by their names, ``called``."""
    dataset = sa.bindparam("in", type_=files.c.dataset.type)
    names = sa.bindparam("called", type_=files.c.path.type, expanding=True)
    return _select_by(viewer).where(files.c.dataset == dataset, files.c.path.in_(names))


@functools.lru_cache(maxsize=1024)
def _select_one(viewer: Viewer, column: str) -> sa.Select[Any]:
    """Select a file of a dataset, ``in``, by its number or its name, ``called``."""
    dataset = sa.bindparam("in", type_=files.c.dataset.type)
    called = sa.bindparam("called", type_=files.c[column].type)
    return _select_by(viewer).where(files.c.dataset == dataset, files.c[column] == called)


def _find(
    connection: sa.Connection, viewer: Viewer, dataset: str, key: str, version: int | None = None
) -> sa.Row[Any]:
    uuid = parse_uuid(dataset, DATASET)
    find(connection, viewer, datasets, uuid, DATASET)
    ways: dict[str, int | str] = {"path": unicodedata.normalize("NFC", key)}
    if key.isascii() and key.isdigit() and len(key) < 19:
        ways = {"pk": int(key), **ways}  # a number is a pk first, then a name
    for column, called in ways.items():
        statement = _select_one(viewer.sight, column)
        params = {"in": uuid, "called": called}
        if row := connection.execute(statement, params).one_or_none():
            return row if version in (None, row.n) else _older(connection, viewer, row, version)
    raise NotFoundError(f"{FILE} {key[:80]!r} not found.")


def _older(
    connection: sa.Connection, viewer: Viewer, row: sa.Row[Any], version: int
) -> sa.Row[Any]:
    statement = _select_by(viewer.sight, older=True).where(files.c.pk == row.pk)
    if found := connection.execute(statement, {"version": version}).one_or_none():
        return found
    raise NotFoundError(f"Version {version} of {row.path} not found.")


class Named(NamedTuple):
    """A file that has some name: its pk, its digest, and whether its bytes are lost."""

    pk: int
    blob: str
    lost: bool


_ANY_LOST = sa.select(blobs.c.sha256).where(sa.text(f"state = '{LOST}'")).limit(1)
"""As the condition of its index is written."""


@functools.cache
def _named(dialect: str, *, any_lost: bool) -> sa.Select[Any]:
    lost: sa.ColumnElement[bool] = blobs.c.state == LOST if any_lost else sa.false()
    newest = sa.and_(versions.c.file == files.c.pk, versions.c.n == files.c.current)
    found = sa.select(files.c.path, files.c.pk, versions.c.blob, lost).join(versions, newest)
    if any_lost:
        found = found.join(blobs, blobs.c.sha256 == versions.c.blob)
    return found.where(
        files.c.dataset == sa.bindparam("in", type_=files.c.dataset.type),
        among(dialect, files.c.path, "called"),
        files.c.deleted_at.is_(None),
    )


def named_files(
    connection: sa.Connection, dataset: UUID, names: Collection[str]
) -> dict[str, Named]:
    """Return those files of a dataset that have some names, by name."""
    dialect = connection.dialect.name
    called = {"in": dataset, **these(dialect, sorted(names), "called")}
    any_lost = connection.execute(_ANY_LOST).first() is not None
    found = connection.execute(_named(dialect, any_lost=any_lost), called).all()
    return {path: Named(pk, blob, lost) for path, pk, blob, lost in found}


def named(connection: sa.Connection, viewer: Viewer, dataset: str, name: str) -> sa.Row[Any] | None:
    """Return the file of a dataset that has a name; None where there is none."""
    uuid = parse_uuid(dataset, DATASET)
    statement = select_visible(viewer).where(files.c.dataset == uuid, files.c.path == name)
    return connection.execute(statement).one_or_none()


def taken(pk: int, dataset: str) -> NameTakenError:
    """Return the error for a name that another file has."""
    return NameTakenError(
        # Without the name: it could hold the words that old uploaders take for success.
        f"File {pk} of this dataset has that name and other content. "
        "Send yours under another name, replace that file, or delete it first.",
        hint=f"Type `arcsecond fitsfiles {dataset} update {pk} --file <path>` to replace it.",
    )


def _shaped(_connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> list[FitsFile]:
    return [shape(row) for row in rows]


def shape(row: Any) -> FitsFile:
    """Return a file as the API gives it; its addresses are paths."""
    located = row.ra_deg is not None
    address = f"/datasets/{row.dataset}/fitsfiles/{row.pk}/download/"
    if row.n != row.current:
        address += f"?version={row.n}"
    return FitsFile(
        pk=row.pk,
        id=row.pk,
        name=row.path,
        dataset=str(row.dataset),
        profile=row.profile,
        version=row.n,
        size=row.size,
        sha256=row.blob,
        content_size=row.content_size,
        content_sha256=row.content_sha256,
        packing=row.packing,
        creation_date=row.created_at,
        last_update=row.updated_at,
        tags=row.tags,
        tag_array=row.tags,
        is_raw=row.is_raw,
        target=row.target,
        target_name=row.target,
        position=Position(
            right_ascension=row.ra_deg, declination=row.dec_deg, source=row.position_source
        )
        if located
        else None,
        start=row.start,
        exposure=row.exposure_s,
        filter=row.filter,
        instrument=row.instrument,
        telescope=row.telescope,
        kind=row.kind,
        night=row.night,
        airmass=row.airmass,
        observer=row.observer,
        programme=row.programme,
        product=row.product,
        doubts=[Doubt(**doubt) for doubt in row.doubts],
        hdus=[_hdu(hdu) for hdu in row.hdus],
        problems=[_lost(row.path), *row.problems] if row.state == LOST else row.problems,
        file=address,
        download_url=address,
    )


def _hdu(described: dict[str, Any]) -> Hdu:
    lengths = described["shape"]
    x, y, z = (*lengths[:3], None, None, None)[:3]
    return Hdu(
        index=described["index"],
        name=described["name"],
        data_type=described["data_type"],
        shape=lengths,
        dimension_x=x,
        dimension_y=y,
        dimension_z=z,
        compression=described["compression"],
    )
