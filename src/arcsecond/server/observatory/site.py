"""A site as it goes over the wire, and where and in which zone it is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sa

from arcsecond.errors import InvalidInputError
from arcsecond.schemas.observatory import Address, ObservingSite, SiteCoordinates
from arcsecond.server.context import Backend
from arcsecond.server.observatory.almanac import Place
from arcsecond.server.observatory.finding import named
from arcsecond.server.observatory.tables import sites


def find_site(backend: Backend, text: str) -> ObservingSite:
    """Return the site that a filter names by UUID, code or name.

    Raises
    ------
    InvalidInputError
        There is none, or there are several.
    """
    with backend.db.read() as connection:
        return shaped(named(connection, sites, text, "site"), [])


def site_asked(backend: Backend, filters: Mapping[str, str]) -> ObservingSite | None:
    """Return the ``site`` that is asked for, else the one that the server is set to."""
    text = filters.get("site") or backend.settings.site
    return find_site(backend, text) if text else None


def site_needed(backend: Backend, filters: Mapping[str, str]) -> ObservingSite:
    """Return the ``site`` that is asked for, or that the server is set to.

    Raises
    ------
    InvalidInputError
        There is none.
    """
    if (site := site_asked(backend, filters)) is None:
        problem = "From which site? Give its UUID, its MPC code or its name."
        raise InvalidInputError(fields={"site": [problem]})
    return site


def place_of(site: ObservingSite) -> Place:
    """Return where a site is.

    Raises
    ------
    InvalidInputError
        It is no place on the Earth.
    """
    if site.coordinates is None:
        raise InvalidInputError(fields={"site": [f"{site.name} has no place on the Earth."]})
    there = site.coordinates
    return Place(there.longitude, there.latitude, there.height)


def zone_info(name: str | None) -> ZoneInfo | None:
    """Return a time zone by its name in the database of IANA; None where there is none."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def zone_of(site: ObservingSite) -> tzinfo:
    """Return the time zone of a site; by its longitude when none is known."""
    if zone := zone_info(site.address.time_zone):
        return zone
    longitude = site.coordinates.longitude if site.coordinates else 0.0
    return timezone(timedelta(hours=round(longitude / 15)))


def shaped(row: sa.Row[Any], there: list[str]) -> ObservingSite:
    """Return a row as it goes over the wire, with the UUIDs of the telescopes there."""
    zone = zone_info(row.time_zone)
    local = datetime.now(zone) if zone else None
    offset, summer = (local.utcoffset(), local.dst()) if local else (None, None)
    return ObservingSite(
        uuid=str(row.uuid),
        name=row.name,
        nickname=row.nickname,
        alternate_names=row.alternate_names,
        IAUCode=row.code,
        acronym=row.acronym,
        homepage_url=row.homepage_url,
        coordinates=coordinates_of(row),
        address=Address(
            country=row.country,
            continent=row.continent,
            time_zone=row.time_zone,
            time_zone_id=row.time_zone,
            time_zone_name=row.time_zone,
            time_zone_utc_offset=_hours(offset),
            time_zone_dst_offset=_hours(summer),
        ),
        local_time=local.isoformat(timespec="seconds") if local else None,
        telescopes=there,
        source=row.source,
        is_builtin=row.builtin,
    )


def coordinates_of(row: sa.Row[Any]) -> SiteCoordinates | None:
    """Return where a row is; None for what is no place on the Earth."""
    if row.longitude is None:
        return None
    return SiteCoordinates(
        longitude=row.longitude,
        latitude=row.latitude,
        height=row.height,
        precision=row.precision,
    )


def _hours(offset: timedelta | None) -> float | None:
    return None if offset is None else offset.total_seconds() / 3600
