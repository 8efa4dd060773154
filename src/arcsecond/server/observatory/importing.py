"""Bring in lists that others publish, from files or from where they are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from arcsecond.errors import UnavailableError
from arcsecond.schemas.catalogues import CatalogueImport
from arcsecond.schemas.observatory import DirectoryImport
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.people.visibility import administrator

K = TypeVar("K")
V = TypeVar("V")
Row = dict[str, Any]
Import = Callable[[Backend, Viewer, bytes], DirectoryImport]


def may_import(backend: Backend, viewer: Viewer) -> None:
    """Refuse an import before its bytes are sent."""
    administrator(viewer)


def sifted(
    rows: Mapping[K, Row], known: Mapping[K, V], replaces: Callable[[Row, V], bool]
) -> tuple[list[Row], DirectoryImport]:
    """Return the rows that are to be written, and what that does.

    Parameters
    ----------
    known
        What there is.
    replaces
        Tells whether a row is to be written over what there is of it.
    """
    added = [row for key, row in rows.items() if key not in known]
    updated = [row for key, row in rows.items() if key in known and replaces(row, known[key])]
    unchanged = len(rows) - len(added) - len(updated)
    return added + updated, DirectoryImport(
        read=len(rows), added=len(added), updated=len(updated), unchanged=unchanged
    )


def fetched(
    key: str,
    whose: str,
    what: str,
    patience_s: float,
    address: Callable[[Backend], str],
    import_: Import,
    **asked: str,
) -> Callable[[Backend, Viewer, bool], CatalogueImport]:
    """Return a function that fetches a list anew and imports it.

    Parameters
    ----------
    key
        The endpoint that the list fills.
    whose, what
        Who publishes it, and what it is a list of, for sentences.
    asked
        The query behind the address.
    """

    def refresh(backend: Backend, viewer: Viewer, force: bool) -> CatalogueImport:
        from arcsecond.server.catalogues import remote  # late: requests takes a tenth of a second

        with remote.Bounded(whose, patience_s) as session:
            answer = session.get(address(backend), params=asked)
        if answer.status_code != 200 or not answer.content.strip():
            raise UnavailableError(f"{whose} answered with no {what}.")
        done = import_(backend, viewer, answer.content)
        return CatalogueImport(
            key=key,
            rows=done.read,
            before=done.updated + done.unchanged,
            unchanged=not done.added and not done.updated,
        )

    return refresh
