"""Bring in a newer list of observatory codes, from a file or from the Minor Planet Center."""

from __future__ import annotations

import sqlalchemy as sa

from arcsecond.errors import UnavailableError
from arcsecond.schemas.catalogues import CatalogueImport
from arcsecond.schemas.observatory import SiteImport
from arcsecond.server.catalogues.refreshing import REFRESHERS
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.crud import blamed_on
from arcsecond.server.db import now
from arcsecond.server.observatory import obscodes
from arcsecond.server.observatory.directory import citation, put, site_rows
from arcsecond.server.observatory.tables import sites
from arcsecond.server.people.visibility import administrator

PATIENCE_S = 60.0
_COMPARED = ("name", "code", "longitude", "latitude", "height")


def may_import_codes(backend: Backend, viewer: Viewer) -> None:
    """Refuse an import before its bytes are sent."""
    administrator(viewer)


def import_codes(backend: Backend, viewer: Viewer, raw: bytes) -> SiteImport:
    """Import a list of observatory codes: all of it or nothing; codes that it lacks stay."""
    administrator(viewer)
    with blamed_on("file"):
        found = obscodes.read(raw)
    rows = {row["uuid"]: row for row in site_rows(found, f"{citation()}, read {now():%Y-%m-%d}")}
    outcome = SiteImport(read=len(rows), added=0, updated=0, unchanged=0)
    with backend.db.write() as connection:
        columns = [sites.c[name] for name in ("uuid", *_COMPARED)]
        known = {row.uuid: row for row in connection.execute(sa.select(*columns))}
        changed = [
            row
            for uuid, row in rows.items()
            if uuid not in known or any(row[c] != getattr(known[uuid], c) for c in _COMPARED)
        ]
        outcome.added = sum(row["uuid"] not in known for row in changed)
        outcome.updated = len(changed) - outcome.added
        outcome.unchanged = len(rows) - len(changed)
        if changed:
            put(connection, sites, changed)
    return outcome


def _refresh(backend: Backend, viewer: Viewer, force: bool) -> CatalogueImport:
    """Fetch the observatory codes from the Minor Planet Center."""
    from arcsecond.server.catalogues import remote  # late: requests takes a tenth of a second

    with remote.Bounded("The Minor Planet Center", PATIENCE_S) as session:
        answer = session.get(backend.settings.mpc_url)
    if answer.status_code != 200:
        raise UnavailableError("The Minor Planet Center answered with no list of codes.")
    done = import_codes(backend, viewer, answer.content)
    return CatalogueImport(
        key="observingsites",
        rows=done.read,
        before=done.updated + done.unchanged,
        unchanged=not done.added and not done.updated,
    )


REFRESHERS["observingsites"] = _refresh
