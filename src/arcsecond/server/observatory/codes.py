"""Bring in a newer list of observatory codes, from a file or from the Minor Planet Center."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from arcsecond.schemas.observatory import DirectoryImport
from arcsecond.server.catalogues.refreshing import REFRESHERS
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.db import now
from arcsecond.server.observatory import obscodes
from arcsecond.server.observatory.directory import citation, put, site_rows
from arcsecond.server.observatory.importing import fetched, sifted
from arcsecond.server.observatory.tables import sites
from arcsecond.server.parsing import blamed_on
from arcsecond.server.people.visibility import administrator

PATIENCE_S = 60.0
_COMPARED = ("name", "code", "longitude", "latitude", "height")


def import_codes(backend: Backend, viewer: Viewer, raw: bytes) -> DirectoryImport:
    """Import a list of observatory codes: all of it or nothing; codes that it lacks stay."""
    administrator(viewer)
    with blamed_on("file"):
        found = obscodes.read(raw)
    rows = {row["uuid"]: row for row in site_rows(found, f"{citation()}, read {now():%Y-%m-%d}")}

    def differs(row: dict[str, Any], there: sa.Row[Any]) -> bool:
        return any(row[name] != getattr(there, name) for name in _COMPARED)

    with backend.db.write() as connection:
        columns = [sites.c[name] for name in ("uuid", *_COMPARED)]
        known = {row.uuid: row for row in connection.execute(sa.select(*columns))}
        changed, outcome = sifted(rows, known, differs)
        if changed:
            put(connection, sites, changed)
    return outcome


REFRESHERS["observingsites"] = fetched(
    "observingsites",
    "The Minor Planet Center",
    "list of codes",
    PATIENCE_S,
    lambda backend: backend.settings.mpc_url,
    import_codes,
)
