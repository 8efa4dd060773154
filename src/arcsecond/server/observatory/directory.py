"""The starter directory of sites, telescopes and instruments.

Their UUIDs are derived (version 5, namespace URL) from "arcsecond:site:" and
the MPC code, "arcsecond:telescope:" and "arcsecond:instrument:" and a short
name: the same on every installation.
"""

from __future__ import annotations

import functools
from importlib.resources import files
from typing import Any

import msgspec

from arcsecond.schemas.observatory import (
    Address,
    Archive,
    Instrument,
    ObservingSite,
    SiteCoordinates,
    Telescope,
)


class Directory:
    """Sites, telescopes and instruments by UUID, and how they belong together."""

    def __init__(self, content: dict[str, Any]) -> None:
        sources = content["sources"]
        telescopes, instruments = content["telescopes"], content["instruments"]
        self.instruments = {i["uuid"]: _instrument(i, sources) for i in instruments}
        self.sites = {s["uuid"]: _site(s, sources) for s in content["sites"]}
        self.telescopes = {t["uuid"]: _telescope(t, sources) for t in telescopes}
        for telescope in self.telescopes.values():
            site = self.sites[telescope.observing_site]
            site.telescopes.append(telescope.uuid)
            telescope.coordinates = site.coordinates
        for instrument in self.instruments.values():
            self.telescopes[instrument.telescope].instruments.append(instrument.uuid)


@functools.cache
def directory() -> Directory:
    """Return the directory; read once, never changed."""
    content = files(__package__).joinpath("starter", "directory.json").read_bytes()
    return Directory(msgspec.json.decode(content))


def _site(row: dict[str, Any], sources: dict[str, str]) -> ObservingSite:
    return ObservingSite(
        uuid=row["uuid"],
        name=row["name"],
        nickname=row["nickname"],
        alternate_names=row["alternate_names"],
        IAUCode=row["IAUCode"],
        acronym=row["acronym"],
        homepage_url=row["homepage_url"],
        coordinates=SiteCoordinates(
            longitude=row["longitude_deg"], latitude=row["latitude_deg"], height=row["height_m"]
        ),
        address=Address(
            country=row["country"],
            continent=row["continent"],
            time_zone=row["time_zone_id"],
            time_zone_id=row["time_zone_id"],
            time_zone_name=row["time_zone_id"],
        ),
        telescopes=[],
        source=sources[row["source"]],
    )


def _telescope(row: dict[str, Any], sources: dict[str, str]) -> Telescope:
    return Telescope(
        uuid=row["uuid"],
        name=row["name"],
        acronym=row["acronym"],
        alias=row["alias"],
        observing_site=row["observing_site"],
        instruments=[],
        aperture=row["aperture_m"],
        mounting=row["mounting"],
        optical_design=row["optical_design"],
        source=sources[row["source"]],
    )


def _instrument(row: dict[str, Any], sources: dict[str, str]) -> Instrument:
    archive = row["archive"]
    return Instrument(
        uuid=row["uuid"],
        name=row["name"],
        acronym=row["acronym"],
        kind=row["kind"],
        focus=row["focus"],
        telescope=row["telescope"],
        archive=Archive(**archive) if archive else None,
        source=sources[row["source"]],
    )
