"""Record what has arrived: bytes first, then their rows, in one transaction.

The statements are made once: making one takes longer than running it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from arcsecond.server.archive.in_force import rules_of
from arcsecond.server.archive.ingest import Frame, read_frame
from arcsecond.server.archive.observation import Observation
from arcsecond.server.archive.rules import RuleBook
from arcsecond.server.archive.tables import LIVE, blobs, headers, places, versions
from arcsecond.server.context import Backend
from arcsecond.server.db import insert_for, now
from arcsecond.server.storage import Incoming, told_when_full

SIDE_BY_SIDE = 8

_VERSION = sa.insert(versions)
_HEADERS = sa.insert(headers)


def read(backend: Backend, incoming: Incoming, rules: RuleBook | None = None) -> Frame:
    """Read a frame as far as the settings let it unpack, by the rules in force.

    Raises
    ------
    NotFitsError
        It is no FITS file.
    TooLargeError
        It unpacks to more than the setting allows.
    """
    with told_when_full():
        return read_frame(incoming, backend.settings.max_unpacked_bytes, rules or rules_of(backend))


def keep_frame(backend: Backend, incoming: Incoming) -> Frame:
    """Read a frame, and make its bytes durable before any transaction begins."""
    frame = read(backend, incoming)
    make_durable([incoming])
    return frame


def make_durable(arrived: Sequence[Incoming]) -> None:
    """Flush bytes to the disk under their digests.

    All of them take each step before any takes the next: the first that is flushed then
    takes most of what the others wait for with it.
    """
    with told_when_full():
        if len(arrived) == 1:
            arrived[0].finish()
            arrived[0].keep()
            return
        for incoming in arrived:
            incoming.write_out()
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            for _ in pool.map(lambda incoming: incoming.finish(), arrived):
                pass
            for incoming in arrived:  # no name without its bytes, whatever happens
                incoming.name()
            for _ in pool.map(lambda incoming: incoming.keep(), arrived):
                pass


class Version(NamedTuple):
    """Content that a file is to have: its n-th."""

    incoming: Incoming
    frame: Frame
    file: int
    n: int


def keep_versions(connection: sa.Connection, new: Sequence[Version]) -> list[dict[str, Any]]:
    """Record versions of files, with what the headers told; return the rows."""
    rows = [_row(version) for version in new]
    connection.execute(_VERSION, rows)
    cards = [
        {"file": version.file, "n": version.n, "hdu": i, "cards": text}
        for version in new
        for i, text in enumerate(version.frame.headers)
    ]
    if cards:
        connection.execute(_HEADERS, cards)
    return rows


def _row(version: Version) -> dict[str, Any]:
    frame = version.frame
    return {
        "file": version.file,
        "n": version.n,
        "blob": version.incoming.sha256,
        "created_at": now(),
        "packing": frame.packing,
        "content_size": frame.content_size if frame.content_sha256 else None,
        "content_sha256": frame.content_sha256,
        "hdus": frame.hdus,
        "problems": frame.problems,
        **told_by(frame.observation, frame.rules),
    }


def told_by(observation: Observation, rules: str) -> dict[str, Any]:
    """Return the columns for what headers told, and the digest of the rules they were read by."""
    return {
        "target": observation.target,
        "ra_deg": observation.ra_deg,
        "dec_deg": observation.dec_deg,
        "position_source": observation.position_source,
        "footprint": msgspec.to_builtins(observation.footprint),
        "start": observation.start,
        "night": observation.night,
        "exposure_s": observation.exposure_s,
        "airmass": observation.airmass,
        "filter": observation.filter,
        "instrument": observation.instrument,
        "telescope": observation.telescope,
        "observer": observation.observer,
        "programme": observation.programme,
        "kind": observation.kind,
        "product": observation.product,
        "doubts": msgspec.to_builtins(observation.doubts),
        "rules": rules,
    }


def keep_bytes(connection: sa.Connection, kept: Sequence[Incoming]) -> None:
    """Give kept bytes their rows, once in a transaction.

    They were made durable before this transaction, which others wait for. A
    sweeper may have unlinked the same content in between: its row is locked from
    here on, so whoever comes second looks again. Everybody locks in the order of
    the digests; two transactions with the same content would else wait for each
    other.
    """
    kept = sorted(kept, key=lambda incoming: incoming.sha256)
    rows = [
        {
            "sha256": incoming.sha256,
            "size": incoming.size,
            "state": LIVE,
            "dying_since": None,
            "created_at": now(),
        }
        for incoming in kept
    ]
    if rows:
        connection.execute(_blob(connection.dialect.name, insert_for(connection)), rows)
    if outside := [{**one.place._asdict(), "blob": one.sha256} for one in kept if one.place]:
        statement = _place(connection.dialect.name, insert_for(connection))
        connection.execute(statement, sorted(outside, key=lambda row: row["path"]))
    for incoming in kept:
        incoming.keep()


@functools.cache
def _blob(_dialect: str, insert: Any) -> Any:
    """Return the statement that writes the row of a blob, or revives it."""
    statement = insert(blobs)
    alive = {name: statement.excluded[name] for name in ("size", "state", "dying_since")}
    return statement.on_conflict_do_update(index_elements=[blobs.c.sha256], set_=alive)


@functools.cache
def _place(_dialect: str, insert: Any) -> Any:
    """Return the statement that writes where a blob lies outside, or what lies there now."""
    statement = insert(places)
    told = {name: statement.excluded[name] for name in ("blob", "size", "changed_ns")}
    return statement.on_conflict_do_update(index_elements=[places.c.path], set_=told)
