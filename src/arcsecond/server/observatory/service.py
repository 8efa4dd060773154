"""What the sky does over a site: the night, how a target stands, transits of exoplanets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from arcsecond.errors import InvalidInputError, NotFoundError, UnavailableError
from arcsecond.schemas.fields import MOST_NIGHTS, NIGHTS
from arcsecond.schemas.observatory import ObservingSite
from arcsecond.schemas.sky import Night, Transit, Visibility
from arcsecond.server.catalogues import online
from arcsecond.server.catalogues.builtin import catalogue
from arcsecond.server.catalogues.places import parse_place
from arcsecond.server.catalogues.rows import Row
from arcsecond.server.catalogues.service import find_exoplanet, find_objects
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.db import now
from arcsecond.server.observatory import nights, transits
from arcsecond.server.observatory.almanac import J2000, YEAR_S
from arcsecond.server.observatory.equipment import Sites
from arcsecond.server.observatory.site import place_of, site_asked, site_needed
from arcsecond.server.observatory.visibility import ELEVATION_DEG, Target, visibility
from arcsecond.server.paging import MemoryListing
from arcsecond.server.parsing import parse_date
from arcsecond.shown import position

Filters = Mapping[str, str]


def read_tonight(backend: Backend, viewer: Viewer, key: str, filters: Filters) -> Night:
    """Return the present night at a site, or that of a ``date``.

    For "" that of a ``site``, or of the one which the server is set to.

    Raises
    ------
    InvalidInputError
        No site is named, or two are.
    """
    if key and "site" in filters:
        raise InvalidInputError(fields={"site": [f"The site is named already: {key[:60]}."]})
    site = Sites().read(backend, viewer, key) if key else site_needed(backend, filters)
    return tonight(site, filters)


def tonight(site: ObservingSite, filters: Filters) -> Night:
    """Return the night at a site; ``filters`` as ``read_tonight`` takes them."""
    if site.coordinates is None:
        raise NotFoundError(f"{site.name} has no place on the Earth, and so no nights.")
    place = place_of(site)
    present = now()
    night = nights.parse_night(site, place, filters, present)
    return nights.told(site, nights.over(place, night), present)


def find_row(backend: Backend, name: str) -> Row:
    """Return what is known of an object, a planet's star, or one that SIMBAD knows.

    Raises
    ------
    NotFoundError
        Nothing is called so.
    """
    try:
        return find_objects(backend, name)[0]
    except NotFoundError as error:
        if planets := catalogue(backend.settings, "exoplanets").find(name):
            return planets[0][1]
        if online.worth_asking(backend.settings, name):
            try:
                if row := online.ask(backend.settings, name):
                    return row
            except UnavailableError as problem:
                raise NotFoundError(f"{error.detail} {problem.detail}.") from None
        raise


def find_target(backend: Backend, name: str, at: float) -> Target:
    """Return what a name or a position stands for, where it is at a time (s since 1970)."""
    if (place := parse_place(name)) is not None:
        return Target(position(*place), *place)
    return moved(find_row(backend, name), at)


def page_of(backend: Backend, name: str) -> str:
    """Return the path of the page of an object or a planet; of anything else that of its charts."""
    for kind in ("objects", "exoplanets"):
        if catalogue(backend.settings, kind).find(name):
            return f"/{kind}/{quote(name, safe='')}/"
    return f"/findingcharts/{quote(name, safe='')}/"


def moved(row: Row, at: float) -> Target:
    """Return where an object is at a time: moved since J2000, where its motion is known."""
    years = (at - J2000) / YEAR_S
    dec_deg = row.dec_deg + (row.pm_dec_mas_yr or 0.0) * years / 3.6e6
    ra_deg = row.ra_deg
    if row.pm_ra_mas_yr and abs(dec_deg) < 90:
        ra_deg += row.pm_ra_mas_yr * years / 3.6e6 / math.cos(math.radians(dec_deg))
    return Target(row.name, ra_deg % 360, max(-90.0, min(90.0, dec_deg)))


def read_visibility(backend: Backend, viewer: Viewer, name: str, filters: Filters) -> Visibility:
    """Return how an object, a planet's star or a position stands over a site in a night.

    Parameters
    ----------
    filters
        ``site``; ``date`` of the evening, else the present night; ``elevation``, above
        which hours are counted.
    """
    return visibility_from(backend, site_needed(backend, filters), name, filters)


def visibility_from(
    backend: Backend, site: ObservingSite, name: str, filters: Filters
) -> Visibility:
    """Return how a target stands over a site; ``filters`` as ``read_visibility`` takes them."""
    place = place_of(site)
    present = now()
    night = nights.parse_night(site, place, filters, present)
    target = find_target(backend, name, night.start)
    elevation = nights.parse_elevation(filters.get("elevation") or f"{ELEVATION_DEG:g}")
    return visibility(nights.over(place, night), site, target, elevation, present)


def list_transits(
    backend: Backend, viewer: Viewer, name: str, filters: Filters
) -> MemoryListing[Transit]:
    """List the next transits of a planet.

    Parameters
    ----------
    filters
        ``site``, by UUID, code or name; ``nights``, how many from now or from the
        noon (UTC) of a ``date``.
    """
    planet = find_exoplanet(backend, name)
    site = site_asked(backend, filters)
    count = nights.parse_count(filters.get("nights", str(NIGHTS)), MOST_NIGHTS)
    start = now()
    if "date" in filters:
        day = parse_date("date", filters["date"])
        nights.check_year(day)
        start = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    cite = catalogue(backend.settings, "exoplanets").cite
    return MemoryListing([*transits.find(planet, site, start, count, cite)])
