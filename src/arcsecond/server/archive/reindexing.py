"""Read again what headers mean, after the rules changed: some at a time, while all goes on.

The headers are those that were kept when a file came; its bytes are not read. A version
bears the digest of the rules that it was read by, so whoever is interrupted goes on where
it was, and whoever is done reads nothing twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from arcsecond.errors import InvalidInputError
from arcsecond.schemas.archive import Reindex, Reindexed
from arcsecond.server.archive.in_force import rules_of
from arcsecond.server.archive.index.entries import Said, entry_of, refresh, replace, without
from arcsecond.server.archive.ingest import NOT_UNDERSTOOD
from arcsecond.server.archive.keeping import told_by
from arcsecond.server.archive.rules import RuleBook
from arcsecond.server.archive.service import DATASET
from arcsecond.server.archive.tables import blobs, datasets, files, headers, versions
from arcsecond.server.archive.understanding import understand_many
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.parsing import parse_uuid
from arcsecond.server.people.owned import find_own

INDEXED_TOGETHER = 200

AT_ONCE = 2_000
"""Versions that are read in one go."""

MOST_CARDS = 64 << 20
"""Characters of headers that are read in one go, but for the first."""

_KEY = (versions.c.file, versions.c.n)


def reindex(backend: Backend, viewer: Viewer, dataset: str, body: Reindex) -> Reindexed:
    """Read some of the headers of a dataset again.

    Raises
    ------
    NotFoundError
        There is no such dataset.
    InvalidInputError
        ``after`` is none that was given.
    """
    with backend.db.read() as connection:
        uuid = parse_uuid(dataset, DATASET)
        find_own(connection, viewer, datasets, uuid, DATASET, "fitsfiles:update")
    return reindex_some(backend, files.c.dataset == uuid, body)


def stale(backend: Backend) -> int:
    """Return how many versions of files were read by other rules than those in force."""
    statement = sa.select(sa.func.count()).select_from(versions).where(_is_stale(backend))
    with backend.db.read() as connection:
        return connection.scalar(statement) or 0


def _is_stale(backend: Backend) -> sa.ColumnElement[bool]:
    return sa.or_(versions.c.rules.is_(None), versions.c.rules != rules_of(backend).digest)


def reindex_some(
    backend: Backend, where: sa.ColumnElement[bool], body: Reindex, jobs: int = 0
) -> Reindexed:
    """Read some of the headers of files again, those behind the ones that were read before."""
    rules = rules_of(backend)
    chosen = sa.select(versions).join(files, files.c.pk == versions.c.file).where(where)
    if not body.everything:
        chosen = chosen.where(_is_stale(backend))
    with backend.db.stream() as connection:
        left = None
        if body.after is None:
            left = connection.scalar(sa.select(sa.func.count()).select_from(chosen.subquery()))
        else:
            chosen = chosen.where(sa.tuple_(*_KEY) > sa.tuple_(*_parsed(body.after)))
        rows = connection.execute(chosen.order_by(*_KEY).limit(AT_ONCE)).all()
        cards, rows = _cards(connection, rows)
    changed = _read_again(backend, rules, rows, cards, jobs)
    last = f"{rows[-1].file}.{rows[-1].n}" if rows else None
    return Reindexed(read=len(rows), changed=changed, left=left, next=last)


def index_all(backend: Backend) -> int:
    """Make entries for the files that have none; returns how many."""
    keywords, made = rules_of(backend).keywords, 0
    while True:
        with backend.db.write() as connection:
            pks = without(connection, INDEXED_TOGETHER)
            refresh(connection, pks, keywords)
        made += len(pks)
        if len(pks) < INDEXED_TOGETHER:
            return made


def _parsed(after: str) -> tuple[int, int]:
    file, _, n = after.partition(".")
    if not (file + n).isascii() or not (file.isdigit() and n.isdigit()) or len(after) > 30:
        raise InvalidInputError(fields={"after": ["This is no place to go on from."]})
    return min(int(file), (1 << 63) - 1), min(int(n), (1 << 31) - 1)


def _cards(
    connection: sa.Connection, rows: Sequence[sa.Row[Any]]
) -> tuple[dict[tuple[int, int], list[str]], Sequence[sa.Row[Any]]]:
    """Return the headers of versions, by key, and those versions that they are of."""
    if not rows:
        return {}, rows
    statement = (
        sa.select(headers)
        .where(headers.c.file.in_({row.file for row in rows}))
        .order_by(headers.c.file, headers.c.n, headers.c.hdu)
    )
    wanted = {(row.file, row.n) for row in rows}
    found: dict[tuple[int, int], list[str]] = defaultdict(list)
    size = 0
    with connection.execute(statement.execution_options(yield_per=20)) as lines:
        for header in lines:
            key = header.file, header.n
            if key not in wanted:
                continue
            if size > MOST_CARDS and key not in found:
                return found, [row for row in rows if (row.file, row.n) < key]
            found[key].append(header.cards)
            size += len(header.cards)
    return found, rows


def _read_again(
    backend: Backend,
    rules: RuleBook,
    rows: Sequence[sa.Row[Any]],
    cards: dict[tuple[int, int], list[str]],
    jobs: int,
) -> int:
    """Keep what headers mean by rules; return of how many versions it is something else."""
    told = understand_many([cards.get((row.file, row.n), []) for row in rows], rules, jobs)
    new: list[dict[str, Any]] = []
    said: dict[tuple[int, int], Said] = {}
    changed = 0
    for row, (observation, problem) in zip(rows, told, strict=True):
        problems = [p for p in row.problems if p != NOT_UNDERSTOOD]
        values = {
            **told_by(observation, rules.digest),
            "problems": [*problems, *([problem] if problem else [])],
        }
        before = row._mapping  # noqa: SLF001
        changed += any(before[name] != values[name] for name in values if name != "rules")
        new.append({"in_file": row.file, "as_n": row.n, **values})
        said[row.file, row.n] = observation.said
    if new:
        statement = sa.update(versions).where(
            versions.c.file == sa.bindparam("in_file"), versions.c.n == sa.bindparam("as_n")
        )
        with backend.db.write() as connection:
            # Files before their versions, as whoever purges them does.
            held = sa.select(files.c.pk).where(files.c.pk.in_({file for file, _ in said}))
            connection.execute(held.order_by(files.c.pk).with_for_update(of=files))
            connection.execute(statement, new)
            _index(connection, said)
    return changed


def _index(connection: sa.Connection, said: dict[tuple[int, int], Said]) -> None:
    """Make the entries of those files anew whose newest versions were read."""
    newest = sa.and_(versions.c.file == files.c.pk, versions.c.n == files.c.current)
    statement = (
        sa.select(files.c.pk, files.c.dataset, files.c.path, files.c.tags, versions, blobs.c.size)
        .join(versions, newest)
        .join(blobs, blobs.c.sha256 == versions.c.blob)
        .where(files.c.pk.in_({file for file, _ in said}))
        .order_by(files.c.pk)
        .with_for_update(of=files)  # nobody renames or replaces one meanwhile
    )
    entries = []
    for row in connection.execute(statement):
        if (row.pk, row.n) in said:
            columns = row._asdict()
            entries.append(entry_of(columns, columns, said[row.pk, row.n]))
    replace(connection, entries)
