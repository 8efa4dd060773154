"""Record what has arrived: bytes first, then their rows, in one transaction.

The statements are made once: making one takes longer than running it.
"""

from __future__ import annotations

import functools
from typing import Any

import sqlalchemy as sa

from arcsecond.server.archive.ingest import Frame
from arcsecond.server.archive.tables import LIVE, blobs, headers, versions
from arcsecond.server.db import insert_for, now
from arcsecond.server.storage import Incoming

_VERSION = sa.insert(versions)
_HEADERS = sa.insert(headers)


def keep_version(
    connection: sa.Connection, incoming: Incoming, frame: Frame, pk: int, n: int
) -> dict[str, Any]:
    """Record kept bytes as a version of a file, with what its headers told; return its row."""
    keep_bytes(connection, incoming)
    told = frame.observation
    row = {
        "file": pk,
        "n": n,
        "blob": incoming.sha256,
        "created_at": now(),
        "packing": frame.packing,
        "content_size": frame.content_size if frame.content_sha256 else None,
        "content_sha256": frame.content_sha256,
        "target": told.target,
        "ra_deg": told.ra_deg,
        "dec_deg": told.dec_deg,
        "position_source": told.position_source,
        "start": told.start,
        "exposure_s": told.exposure_s,
        "filter": told.filter,
        "instrument": told.instrument,
        "telescope": told.telescope,
        "kind": told.kind,
        "hdus": frame.hdus,
        "problems": frame.problems,
    }
    connection.execute(_VERSION, row)
    rows = [{"file": pk, "n": n, "hdu": i, "cards": c} for i, c in enumerate(frame.headers)]
    if rows:
        connection.execute(_HEADERS, rows)
    return row


def keep_bytes(connection: sa.Connection, incoming: Incoming) -> None:
    """Give kept bytes their row.

    They were made durable before this transaction, which others wait for. A
    sweeper may have unlinked the same content in between: its row is locked from
    here on, so whoever comes second looks again.
    """
    row = {
        "sha256": incoming.sha256,
        "size": incoming.size,
        "state": LIVE,
        "dying_since": None,
        "created_at": now(),
    }
    connection.execute(_blob(connection.dialect.name, insert_for(connection)), row)
    incoming.keep()


@functools.cache
def _blob(_dialect: str, insert: Any) -> Any:
    """Return the statement that writes the row of a blob, or revives it."""
    statement = insert(blobs)
    alive = {name: statement.excluded[name] for name in ("size", "state", "dying_since")}
    return statement.on_conflict_do_update(index_elements=[blobs.c.sha256], set_=alive)
