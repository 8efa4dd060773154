"""Files as tables: for astropy, and for programs that read CSV, ECSV or VOTable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any, NamedTuple

from arcsecond.hushed import hushed

if TYPE_CHECKING:
    from astropy.table import Table


class Format(NamedTuple):
    """A format for other programs: its name, what astropy calls it, how files of it end."""

    title: str
    astropy: str
    media_type: str
    ending: str


FORMATS = {
    "csv": Format("CSV", "ascii.csv", "text/csv; header=present", "csv"),
    "ecsv": Format("ECSV", "ascii.ecsv", "text/plain", "ecsv"),
    "votable": Format("VOTable", "votable", "application/x-votable+xml", "vot"),
}
"""By what they are asked for."""

_TEXTS = (
    "name", "dataset", "target", "kind", "product", "filter", "instrument", "telescope",
    "observer", "programme", "night", "sha256",
)  # fmt: skip


_UCDS = {
    "target": "meta.id;src", "ra": "pos.eq.ra;meta.main", "dec": "pos.eq.dec;meta.main",
    "start": "time.start;obs.exposure", "exposure": "time.duration;obs.exposure",
    "airmass": "obs.airMass", "filter": "meta.id;instr.filter", "instrument": "meta.id;instr",
    "telescope": "meta.id;instr.tel", "observer": "meta.id;obs.observer",
    "size": "phys.size;meta.file", "access_url": "meta.ref.url",
}  # fmt: skip
"""What columns mean, by IVOA's UCD1+; ``access_url`` is called as in ObsCore."""


def written(items: Sequence[Mapping[str, Any]], chosen: str) -> bytes:
    """Return files in one of ``FORMATS``."""
    table = table_of(items, times_as_text=chosen != "ecsv")
    if chosen == "votable":
        return _votable(table)
    text = StringIO()
    with hushed(OLD_PLATES):
        table.write(text, format=FORMATS[chosen].astropy)
    return text.getvalue().encode()


def _votable(table: Table) -> bytes:
    """Return a table as a VOTable that says in which systems its positions and times are."""
    from astropy.io.votable import from_table, tree

    file = from_table(table)
    resource = file.resources[0]
    resource.coordinate_systems.append(tree.CooSys(ID="sky", system="ICRS"))
    since = {"version": "1.4", "version_1_4_or_later": True}  # which is what is written
    times = tree.TimeSys(ID="clock", timescale="UTC", refposition="UNKNOWN", config=since)
    resource.time_systems.append(times)
    for field in file.get_first_table().fields:
        if field.name in ("ra", "dec"):
            field.ref = "sky"
        elif field.name == "start":
            field.ref, field.xtype = "clock", "timestamp"
    raw = BytesIO()
    # As BINARY2: what astropy 8.0 writes TABLEDATA with writes past its buffer.
    file.to_xml(raw, tabledata_format="binary2")
    return raw.getvalue()


OLD_PLATES = ".*dubious year"
"""What is warned of times before 1960, of which UTC knows little: every plate was taken then."""


def table_of(items: Sequence[Mapping[str, Any]], *, times_as_text: bool = False) -> Table:
    """Return files as an astropy table.

    Positions are in degrees (ICRS), ``start`` is a ``Time`` in UTC, ``exposure`` in seconds,
    ``size`` in bytes; what nobody knows is masked.

    Parameters
    ----------
    times_as_text
        Whether ``start`` is text, for formats that know no times.
    """
    import numpy as np
    from astropy import units
    from astropy.table import Column, MaskedColumn, Table
    from astropy.time import Time

    def column(values: Sequence[Any], kind: Any, unit: Any = None) -> Column:
        empty = "" if kind is str else 0
        mask = [value is None for value in values]
        data = [empty if value is None else value for value in values]
        made = Column if not any(mask) else MaskedColumn
        told: dict[str, Any] = {"mask": mask} if any(mask) else {}
        if kind is str:  # VOTable writes UTF-16, where some characters are two units
            longest = max((len(str(value).encode("utf-16-be")) // 2 for value in data), default=1)
            kind = np.dtype(f"U{max(1, longest)}")
        return made(data, dtype=kind, unit=unit, **told)

    places = [item["position"] or {} for item in items]
    table = Table()
    table["pk"] = column([item["pk"] for item in items], np.int64)
    for name in _TEXTS:
        table[name] = column([item[name] for item in items], str)
    table["ra"] = column([p.get("right_ascension") for p in places], float, units.deg)
    table["dec"] = column([p.get("declination") for p in places], float, units.deg)
    starts = [item["start"] for item in items]
    if times_as_text:
        table["start"] = column(starts, str)
    else:
        never = np.array([start is None for start in starts])
        given = [(start or "2000-01-01T00:00:00Z").rstrip("Z") for start in starts]
        with hushed(OLD_PLATES):
            moments = Time(given or np.zeros(0, "U23"), format="isot", scale="utc")
        if never.any():
            moments[never] = np.ma.masked
        table["start"] = moments
    table["exposure"] = column([item["exposure"] for item in items], float, units.s)
    table["airmass"] = column([item["airmass"] for item in items], float)
    table["size"] = column([item["size"] for item in items], np.int64, units.byte)
    table["access_url"] = column([item["download_url"] for item in items], str)
    for name, ucd in _UCDS.items():
        table[name].info.meta = {"ucd": ucd}
    return table


def first_rows(told: Mapping[str, Any]) -> Table:
    """Return the first rows of a table as an astropy table, with the units of its columns.

    Parameters
    ----------
    told
        ``columns``, ``units`` and ``rows``, as the API gives them.
    """
    from astropy.table import MaskedColumn, Table
    from astropy.units import Unit

    table = Table()
    for n, (name, unit) in enumerate(zip(told["columns"], told["units"], strict=True)):
        cells = [_cell(row[n]) for row in told["rows"]]
        mask = [cell is None for cell in cells]
        known = [cell for cell in cells if cell is not None]
        filler = type(known[0])() if known else ""
        data = [filler if cell is None else cell for cell in cells]
        column = MaskedColumn(data, mask=mask if any(mask) else False)
        column.unit = Unit(unit, parse_strict="silent") if unit else None
        table[name] = column
    return table


def _cell(value: Any) -> Any:
    return " ".join(map(str, value)) if isinstance(value, list) else value
