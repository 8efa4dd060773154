"""What a search found: a list that is fetched as it is read, and a table with units."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arcsecond.client.endpoint import SHOWN, LazyList
from arcsecond.client.running import JOBS, Manner, Progress, Summary, Told

if TYPE_CHECKING:
    from astropy.table import Table

_RANGES = ("exposure", "airmass", "size", "night")


class Found(LazyList):
    """Files that a search found, page by page."""

    def to_table(self) -> Table:
        """Return all of them as an astropy table.

        Returns
        -------
        astropy.table.Table
            A row for each file: positions in degrees (ICRS), ``start`` as a ``Time`` in UTC,
            ``exposure`` in seconds, ``size`` in bytes. What nobody knows is masked.
        """
        from arcsecond.tables import table_of

        return table_of(self)

    def download(
        self,
        folder: str | Path,
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        replace: bool = False,
        jobs: int = JOBS,
        progress: Progress | None = None,
        told: Told | None = None,
    ) -> Summary:
        """Fetch all of them into a folder, each dataset in one of its own.

        As ``api.datasets(uuid).download`` does: it resumes, verifies, and does not fetch what
        is there already.
        """
        from arcsecond.client.downloading import Chosen, fetch_into

        self._endpoint.check()
        filters = {name: value for name, value in self.query.items() if name != "limit"}
        chosen = Chosen(include, exclude, replace=replace)
        manner = Manner(jobs, progress=progress, told=told)
        where = self._endpoint.inside
        return fetch_into(self._endpoint.transport, where, folder, filters, chosen, manner)

    def archive(self, path: str | Path) -> bool:
        """Fetch all of them as one file, each dataset in a folder of its own.

        As ``api.datasets(uuid).archive`` does.
        """
        from arcsecond.client.bundling import bundle

        self._endpoint.check()
        filters = {name: value for name, value in self.query.items() if name != "limit"}
        where = self._endpoint.inside
        return bundle(self._endpoint.transport, where, Path(path).expanduser(), filters)

    def _repr_html_(self) -> str:
        """Show the first of them in a notebook."""
        rows = self[:SHOWN]
        headings = ("name", "target", "start", "exposure", "filter", "kind", "instrument")
        head = "".join(f"<th>{one}</th>" for one in headings)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(_shown(row[h]))}</td>" for h in headings) + "</tr>"
            for row in rows
        )
        more = "<p>…</p>" if self._reach(SHOWN) else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _shown(value: Any) -> str:
    return "" if value is None else str(value)


def query_of(filters: Mapping[str, Any]) -> dict[str, str]:
    """Return filters as they stand in an address.

    Positions, cones and ranges may be tuples, where ``None`` is an open end; times may be
    datetimes or astropy's, positions its SkyCoord, angles and exposures its quantities; lists
    are several of which one has to fit, but for ``where``.
    """
    return {name: _written(name, value) for name, value in filters.items() if value is not None}


def _written(name: str, value: Any) -> str:
    if name == "night" and (day := getattr(value, "datetime", value)) is not value:  # a Time
        value = day
    if name == "night" and isinstance(value, datetime):
        value = value.date()
    if hasattr(value, "utc") and hasattr(value, "isot"):  # a Time of astropy
        return f"{value.utc.isot}Z"
    if hasattr(value, "icrs") and hasattr(value, "spherical"):  # a SkyCoord
        return f"{value.icrs.ra.deg},{value.icrs.dec.deg}"
    if hasattr(value, "to_value") and hasattr(value, "unit"):  # a Quantity
        known = {"angle": "deg", "time": "s"}
        unit = next((known[t] for t in value.unit.physical_type if t in known), value.unit)
        return str(value.to_value(unit))
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, str) or not isinstance(value, Iterable):
        return str(value)
    parts = ["" if one is None else _written("", one) for one in value]
    if name in _RANGES and len(parts) == 2:
        return "..".join(parts)
    return (" and " if name == "where" else ",").join(parts)
