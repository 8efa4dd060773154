"""Names that no catalogue here knows, asked at SIMBAD: within a time, and remembered.

What SIMBAD said is kept beside the catalogues, what it did not know for a day.
When it fails three times in a row it is left alone for a minute, and twice as
long each time after; every process of this data directory heeds that.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from arcsecond.errors import UnavailableError
from arcsecond.server.catalogues.names import forms
from arcsecond.server.catalogues.rows import Fact, Row
from arcsecond.server.settings import Settings

T = TypeVar("T")

SERVICE = "SIMBAD"
PATIENCE_S = 5.0
"""How long one question may take, all in all."""

MOST_IN_FLIGHT = 3
FAILURES = 3
"""In a row, before the service is left alone."""

REST_S, LONGEST_REST_S = 60.0, 3600.0
KEPT_S, UNKNOWN_S = 180 * 86400.0, 86400.0
"""How long an answer is remembered, and that there was none."""

LONGEST_NAME = 200

_SCHEMA = """
CREATE TABLE IF NOT EXISTS names(key TEXT PRIMARY KEY, at REAL, data BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS services(
    name TEXT PRIMARY KEY, failures INTEGER, rest_until REAL
) WITHOUT ROWID;
"""
_QUERY = """
SELECT b.main_id, b.ra, b.dec, b.coo_bibcode, b.otype, b.sp_type, b.sp_bibcode, b.morph_type,
  b.morph_bibcode, b.pmra, b.pmdec, b.pm_bibcode, b.plx_value, b.plx_bibcode, b.rvz_radvel,
  b.rvz_bibcode, b.galdim_majaxis, b.galdim_bibcode, n.ids, f.filter, f.flux, f.bibcode
FROM ident AS i JOIN basic AS b ON i.oidref = b.oid LEFT JOIN ids AS n ON n.oidref = b.oid
  LEFT JOIN flux AS f ON f.oidref = b.oid WHERE i.id = '{}'
"""
_TYPES = {
    "*": "Star", "**": "Double or multiple star", "V*": "Variable star",
    "PM*": "High proper-motion star", "G": "Galaxy", "QSO": "Quasar",
    "AGN": "Active galactic nucleus", "Cl*": "Star cluster", "OpC": "Open cluster",
    "GlC": "Globular cluster", "PN": "Planetary nebula", "HII": "H II region",
    "SNR": "Supernova remnant", "SN*": "Supernova", "WD*": "White dwarf",
    "WR*": "Wolf-Rayet star", "EB*": "Eclipsing binary star", "Pl": "Exoplanet",
    "X": "X-ray source", "Rad": "Radio source",
}  # fmt: skip
"""SIMBAD's short names of common types; others are given as they are."""

_FACTS = (
    ("spectral_type", "sp_type", "sp_bibcode"),
    ("morphological_type", "morph_type", "morph_bibcode"),
    ("pm_ra_mas_yr", "pmra", "pm_bibcode"),
    ("pm_dec_mas_yr", "pmdec", "pm_bibcode"),
    ("parallax_mas", "plx_value", "plx_bibcode"),
    ("radial_velocity_km_s", "rvz_radvel", "rvz_bibcode"),
    ("size_arcmin", "galdim_majaxis", "galdim_bibcode"),
)
"""Facts, their columns at SIMBAD, and where it has them from."""

_in_flight = threading.BoundedSemaphore(MOST_IN_FLIGHT)


def remembered(settings: Settings, name: str) -> tuple[bool, Row | None]:
    """Return whether a name was asked before and, if there was one, the answer."""
    if not _path(settings).exists():
        return False, None
    try:
        with _memory(settings) as db:
            found = db.execute("SELECT at, data FROM names WHERE key = ?", (_key(name),)).fetchone()
    except sqlite3.DatabaseError:  # a help and nothing more
        return False, None
    if found is None:
        return False, None
    at, data = found
    if time.time() - at > (UNKNOWN_S if data is None else KEPT_S):
        return False, None
    try:
        return True, None if data is None else msgspec.json.decode(data, type=Row)
    except msgspec.DecodeError:  # of another release
        return False, None


def worth_asking(settings: Settings, name: str) -> bool:
    """Tell whether a name could be one that SIMBAD knows, and the network may be asked."""
    return settings.online and 0 < len(name.strip()) <= LONGEST_NAME and name.isprintable()


def ask(settings: Settings, name: str) -> Row | None:
    """Ask SIMBAD for an object; None when it does not know one of that name.

    Raises
    ------
    UnavailableError
        It did not answer, or is left alone for a while.
    """
    asked, row = remembered(settings, name)
    if asked:
        return row
    row = with_care(settings, SERVICE, lambda: _found(settings, name))
    data = None if row is None else msgspec.json.encode(row)
    with _memory(settings) as db:
        db.execute("INSERT OR REPLACE INTO names VALUES (?, ?, ?)", (_key(name), time.time(), data))
    return row


def with_care(settings: Settings, service: str, call: Callable[[], T]) -> T:
    """Ask a service, unless it failed lately; how it went is remembered.

    Raises
    ------
    UnavailableError
        It did not answer, or is left alone for a while.
    """
    with _memory(settings) as db:
        state = db.execute("SELECT failures, rest_until FROM services WHERE name = ?", (service,))
        failures, rest_until = state.fetchone() or (0, 0.0)
        if time.time() < rest_until:
            raise UnavailableError(f"{service} did not answer lately and is left alone for a while")
        if not _in_flight.acquire(timeout=PATIENCE_S):
            raise UnavailableError(f"{service} is being asked for other things")
        try:
            found = call()
        except UnavailableError as error:
            _failed(db, service, failures + 1)
            raise UnavailableError(f"{service} did not answer") from error
        finally:
            _in_flight.release()
        db.execute("DELETE FROM services WHERE name = ?", (service,))
    return found


def _failed(db: sqlite3.Connection, service: str, failures: int) -> None:
    over = failures - FAILURES
    rest = min(REST_S * 2**over, LONGEST_REST_S) if over >= 0 else 0.0
    values = (service, failures, time.time() + rest)
    db.execute("INSERT OR REPLACE INTO services VALUES (?, ?, ?)", values)


def _key(name: str) -> str:
    return forms(name)[-1][:LONGEST_NAME]


def _path(settings: Settings) -> Path:
    return settings.catalogues_path / "remembered.sqlite"


@contextmanager
def _memory(settings: Settings) -> Iterator[sqlite3.Connection]:
    settings.catalogues_path.mkdir(parents=True, exist_ok=True)
    with closing(_opened(_path(settings))) as db:
        yield db


def _opened(path: Path) -> sqlite3.Connection:
    """Open it; what is damaged begins anew, since it is a help and nothing more."""
    db = sqlite3.connect(path, isolation_level=None, timeout=5)
    try:
        db.executescript(_SCHEMA)
    except sqlite3.OperationalError:  # somebody else has it
        db.close()
        raise
    except sqlite3.DatabaseError:
        db.close()
        path.unlink(missing_ok=True)
        return _opened(path)
    return db


def _found(settings: Settings, name: str) -> Row | None:
    from arcsecond.server.catalogues import remote

    adql = " ".join(_QUERY.split()).format(" ".join(name.split()).replace("'", "''"))
    rows = remote.ask(SERVICE, settings.simbad_url, adql, PATIENCE_S)
    first = rows[0] if rows else {}
    if first.get("ra") is None or first.get("dec") is None:
        return None
    try:
        row = msgspec.convert(msgspec.to_builtins(_row(first, rows)), Row)
    except (ValueError, KeyError, TypeError, msgspec.ValidationError) as error:
        raise UnavailableError(f"{SERVICE} answered with something else than it should.") from error
    return row


def _row(first: dict[str, Any], rows: list[dict[str, Any]]) -> Row:
    source = f"SIMBAD, {datetime.now(UTC):%Y-%m-%d}"
    names = str(first.get("ids") or "").split("|")
    own = plain(str(first["main_id"]))
    facts: dict[str, Any] = {
        attribute: value
        for attribute, column, _ in _FACTS
        if (value := first.get(column)) not in (None, "")
    }
    sources = {
        attribute: str(first[bibcode])
        for attribute, _, bibcode in _FACTS
        if attribute in facts and first.get(bibcode)
    }
    fluxes: dict[str, Fact] = {}
    for row in rows:
        if row.get("filter") and row.get("flux") is not None:
            fluxes[str(row["filter"])] = {
                "name": str(row["filter"]),
                "value": round(float(row["flux"]), 4),
                "unit": "mag",
                "source": str(row.get("bibcode") or source),
            }
    kind = str(first.get("otype") or "")
    return Row(
        name=own,
        ra_deg=float(first["ra"]) % 360,
        dec_deg=float(first["dec"]),
        source=source,
        aliases=[name for name in dict.fromkeys(map(plain, names)) if name and name != own],
        types=[_TYPES.get(kind, kind)] if kind else [],
        fluxes=list(fluxes.values()),
        sources=sources,
        **facts,
    )


def plain(name: str) -> str:
    """Return an identifier of SIMBAD without padding and the mark of its kind: "* alf Cen"."""
    name = " ".join(name.split())
    mark, _, rest = name.partition(" ")
    return rest if rest and mark in ("*", "**", "V*", "NAME", "EM*", "Cl", "EQ") else name
