"""Fetch catalogues from where they are kept, with the same care as from a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from arcsecond.errors import ArcsecondError, InvalidInputError, UnavailableError
from arcsecond.schemas.catalogues import CatalogueImport
from arcsecond.server.catalogues.builtin import BUILT_IN, FROM_SIMBAD, IMPORTED_PLANETS
from arcsecond.server.catalogues.file import Entry, Part
from arcsecond.server.catalogues.importing import Delivery, deliver
from arcsecond.server.catalogues.online import plain
from arcsecond.server.catalogues.rows import Row, magnitude
from arcsecond.server.catalogues.sources import nasa
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.paging import MemoryListing
from arcsecond.server.people.visibility import administrator
from arcsecond.server.settings import Settings

PATIENCE_S = 300.0


def refresh(
    backend: Backend, viewer: Viewer, name: str = "", *, force: bool = False
) -> MemoryListing[CatalogueImport]:
    """Fetch a catalogue anew, or all that can be; what fails stays as it is.

    Raises
    ------
    InvalidInputError
        There is no such catalogue to fetch, what came holds far fewer rows than
        before.
    UnavailableError
        The service did not answer with the whole of it, or this server may not
        ask the network.
    """
    administrator(viewer)
    if not backend.settings.online:
        raise UnavailableError("This server asks nothing on the network; ARCSECOND_ONLINE is 0.")
    if name and name not in REFRESHERS:
        raise InvalidInputError(
            f"{name[:40]!r} is no catalogue to fetch; there are {', '.join(REFRESHERS)}."
        )
    if name:
        return MemoryListing([REFRESHERS[name](backend, viewer, force)])
    done: list[CatalogueImport] = []
    for one, fetch in REFRESHERS.items():
        try:
            done.append(fetch(backend, viewer, force))
        except ArcsecondError as error:
            done.append(CatalogueImport(key=one, problem=error.detail))
    if all(outcome.problem for outcome in done):
        raise UnavailableError(" ".join(outcome.problem for outcome in done))
    return MemoryListing(done)


def _exoplanets(settings: Settings) -> Delivery:
    from arcsecond.server.catalogues import remote  # late: requests takes a tenth of a second

    columns = [column for column, _ in nasa.FACTS.values()]
    columns += [f"{column}{end}" for column in columns for end in ("err1", "err2", "lim")]
    wanted = dict.fromkeys([*nasa.NEEDED, *columns, *nasa.OPTIONAL])
    wanted.pop("default_flag")  # of the other table
    adql = f"SELECT {', '.join(wanted)} FROM pscomppars"  # noqa: S608  # ADQL of our own words
    rows = remote.ask("The NASA Exoplanet Archive", settings.nasa_url, adql, PATIENCE_S)
    if not rows or _missing(rows[0], nasa.NEEDED):
        raise UnavailableError("The NASA Exoplanet Archive answered with no table of planets.")
    left_out: list[str] = []
    part = nasa.part(IMPORTED_PLANETS, _today())
    entries = nasa.entries((_texts(row) for row in rows), left_out)
    more: dict[str, Any] = {"like": BUILT_IN, "thins": True, "left_out": left_out}
    return _delivery("exoplanets", part, entries, rows, **more)


def _stars(settings: Settings) -> Delivery:
    from arcsecond.server.catalogues import remote

    adql = (
        "SELECT b.main_id, b.ra, b.dec, b.sp_type, b.rvz_radvel, f.flux, n.ids FROM basic AS b "
        "JOIN flux AS f ON f.oidref = b.oid JOIN ids AS n ON n.oidref = b.oid "
        "WHERE f.filter = 'V' AND f.flux < 9"
    )
    rows = remote.ask("SIMBAD", settings.simbad_url, adql, PATIENCE_S)
    if not rows or _missing(rows[0], ("ra", "dec", "ids", "flux")):
        raise UnavailableError("SIMBAD answered with no table of stars.")
    today = _today()
    part = Part(
        n=FROM_SIMBAD,
        key="simbad-bright",
        title="Stars brighter than V = 9 in SIMBAD",
        version=today,
        licence="ODbL",
        description="Names, spectral types and radial velocities of bright stars. "
        "Papers that use it acknowledge CDS.",
        sources={"simbad_bright": f"SIMBAD (Wenger et al. 2000, 2000A&AS..143....9W), {today}"},
        bibcode="2000A&AS..143....9W",
        url="https://simbad.cds.unistra.fr",
    )
    return _delivery("objects", part, _bright(rows), rows)


def _bright(rows: list[dict[str, Any]]) -> Iterator[Entry]:
    for row in rows:
        names = [plain(name) for name in str(row["ids"]).split("|")]
        kept = [n for n in names if n.split(" ")[0] in ("HD", "HR", "HIP", "SAO", "GJ") or " " in n]
        if row["ra"] is None or row["dec"] is None or row["flux"] is None or not kept:
            continue
        if not (0 <= row["ra"] <= 360 and -90 <= row["dec"] <= 90):
            raise UnavailableError(f"SIMBAD answered with no position of {names[0]}.")
        hip = next((n.replace(" ", "").casefold() for n in kept if n.startswith("HIP ")), None)
        star = Row(
            name=plain(str(row["main_id"])),
            ra_deg=float(row["ra"]) % 360,
            dec_deg=float(row["dec"]),
            source="simbad_bright",
            aliases=kept,
            types=["Star"],
            spectral_type=str(row.get("sp_type") or "") or None,
            radial_velocity_km_s=row.get("rvz_radvel"),
            fluxes=[magnitude("V", float(row["flux"]), "simbad_bright")],
        )
        yield Entry(star, hip)


def _delivery(
    kind: Any, part: Part, entries: Iterator[Entry], rows: list[dict[str, Any]], **more: Any
) -> Delivery:
    part.origin = "refreshed"
    content = json.dumps(rows, default=str, sort_keys=True).encode()
    part.digest = hashlib.sha256(content).hexdigest()
    return Delivery(kind, part, entries, **more)


def _missing(row: Mapping[str, Any], needed: tuple[str, ...]) -> bool:
    return any(column not in row for column in needed)


def _texts(row: Mapping[str, Any]) -> dict[str, str]:
    return {column: "" if value is None else str(value) for column, value in row.items()}


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


Refresher = Callable[[Backend, Viewer, bool], CatalogueImport]
REFRESHERS: dict[str, Refresher] = {
    "exoplanets": lambda backend, viewer, force: deliver(
        backend.settings, _exoplanets(backend.settings), force=force
    ),
    "stars": lambda backend, viewer, force: deliver(
        backend.settings, _stars(backend.settings), force=force
    ),
}
"""What can be fetched, by name; other domains add theirs."""
