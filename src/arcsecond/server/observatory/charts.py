"""Finding charts and curves of altitude: planned, drawn when first asked for, then kept."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Mapping
from typing import get_args
from urllib.parse import urlencode

import msgspec

from arcsecond.errors import InvalidInputError, NotFoundError
from arcsecond.schemas.catalogues import Coordinates
from arcsecond.schemas.fields import BRIGHTEST, FAINTEST
from arcsecond.schemas.observatory import FindingChart
from arcsecond.schemas.sky import Visibility
from arcsecond.server.catalogues.builtin import catalogue
from arcsecond.server.catalogues.file import Mark
from arcsecond.server.catalogues.places import parse_angle, parse_place
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.observatory import chart, curve, surveys
from arcsecond.server.observatory.figures import Format
from arcsecond.server.observatory.service import find_row, visibility_from
from arcsecond.server.observatory.site import site_needed, zone_of
from arcsecond.server.paging import MemoryListing
from arcsecond.server.remade import Kept
from arcsecond.shown import position

Filters = Mapping[str, str]

MOST_KEPT_BYTES = 256 << 20
"""Of charts and curves; those that were drawn first go first."""

SWEPT_AFTER = 200
"""Pictures that are drawn before those of before are looked through."""

HIPPARCOS_V = 7.3
"""To which Hipparcos has every star (ESA 1997, SP-1200, volume 1, section 1.1)."""

_drawn = itertools.count(1)
SURVEY_DEG = 10.0
"""Larger fields of a survey are too coarse to find anything on."""


def parse_field(text: str) -> float:
    """Return the width of a field in degrees: "2deg", "30arcmin", "90arcsec" or degrees alone.

    Raises
    ------
    InvalidInputError
        It is none, or is too small or too wide for a chart.
    """
    width = parse_angle(text)
    if not chart.SMALLEST_DEG <= width <= chart.LARGEST_DEG:
        problem = (
            f"{text[:40]!r} is no field of a chart; write one from 10arcsec to "
            f"{chart.LARGEST_DEG:g}deg."
        )
        raise InvalidInputError(fields={"fov": [problem]})
    return width


def parse_faintest(text: str) -> float:
    """Return a magnitude."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not BRIGHTEST <= value <= FAINTEST:
        problem = f"{text[:40]!r} is no magnitude; write one like 12.5."
        raise InvalidInputError(fields={"faintest": [problem]})
    return value


def plan(backend: Backend, key: str, filters: Filters) -> chart.Plan:
    """Return what a chart of a name or a position shows.

    Parameters
    ----------
    filters
        ``fov``, its field; ``faintest``, the magnitude of the faintest star.
    """
    width = parse_field(filters["fov"]) if filters.get("fov") else None
    faintest = parse_faintest(filters["faintest"]) if filters.get("faintest") else None
    size = 0.0
    if (place := parse_place(key)) is not None:
        name = position(*place)
    else:
        row = find_row(backend, key)
        name, place, size = row.name, (row.ra_deg, row.dec_deg), row.size_arcmin or 0.0
    file = catalogue(backend.settings, "objects")

    def marks(radius_deg: float) -> list[Mark]:
        return file.marks(*place, radius_deg)

    if width is None:
        width = chart.field_for(marks, size)
    return chart.planned(marks, name, *place, width, faintest)


def list_charts(
    backend: Backend, viewer: Viewer, key: str, filters: Filters
) -> MemoryListing[FindingChart]:
    """List the charts of a name or a position: one is drawn here, the others come from surveys.

    Their addresses are those behind the list's own; the route knows what is before.
    """
    shown = plan(backend, key, filters)
    asked = {name: filters[name] for name in ("fov", "faintest") if filters.get(name)}
    query = f"?{urlencode(asked)}" if asked else ""
    others = [f"chart.{kind}{query}" for kind in get_args(Format) if kind != "png"]
    charts = [
        _chart(
            key,
            shown,
            1,
            survey_name="Arcsecond catalogues",
            limiting_magnitude=shown.limit,
            complete_to=_complete_to(backend),
            stars=len(shown.stars),
            image_url=f"chart.png{query}",
            other_urls=others,
            credit=_sources(backend),
        )
    ]
    if shown.width_deg <= SURVEY_DEG:
        field = urlencode({"fov": f"{shown.width_deg * 3600:.6f}arcsec"})
        there = surveys.offered(backend.settings, shown.ra_deg, shown.dec_deg, shown.width_deg)
        charts += [
            _chart(
                key,
                shown,
                n,
                survey_name=survey.name,
                band_name=survey.band,
                image_url=f"{survey.key}.jpg?{field}",
                credit=survey.credit,
            )
            for n, survey in enumerate(there, start=2)
        ]
    return MemoryListing(charts)


def _chart(key: str, shown: chart.Plan, pk: int, **more: object) -> FindingChart:
    width = round(shown.width_deg * 60, 6)
    told = {
        "pk": pk,
        "input": key,
        "astronomical_object": shown.name,
        "target": shown.name,
        "coordinates": Coordinates(right_ascension=shown.ra_deg, declination=shown.dec_deg),
        "width": width,
        "height": width,
    }
    return FindingChart(**told, **more)  # type: ignore[arg-type]  # checked by the caller


def _sources(backend: Backend) -> str:
    """Tell the catalogues that a chart is drawn from."""
    parts = catalogue(backend.settings, "objects").parts().values()
    return "; ".join(part.title for part in parts if part.rows)


def _complete_to(backend: Backend) -> float | None:
    """Return the magnitude to which all stars are known here."""
    parts = catalogue(backend.settings, "objects").parts().values()
    return HIPPARCOS_V if all(part.origin == "built in" for part in parts) else None


def draw_chart(
    backend: Backend,
    viewer: Viewer,
    key: str,
    kind: Format,
    filters: Filters,
    *,
    only_kept: bool = False,
) -> bytes | None:
    """Return a finding chart as a file; it is kept. None for one that has to be drawn first."""
    shown = plan(backend, key, filters)
    sources = f"{_sources(backend)} · drawn by Arcsecond"
    complete = _complete_to(backend)
    asked = parse_faintest(filters["faintest"]) if filters.get("faintest") else FAINTEST
    if complete is not None and asked > complete:
        sources = f"All stars to {complete:g} mag, not all of the fainter ones.\n{sources}"
    told = msgspec.json.encode((chart.RECIPE, kind, sources, shown))
    draw = None if only_kept else lambda: chart.draw(shown, kind, sources)
    return _once(backend, told, draw)


def survey_picture(
    backend: Backend, viewer: Viewer, key: str, survey: str, filters: Filters
) -> bytes:
    """Return the picture of a field by a survey, as JPEG.

    Raises
    ------
    NotFoundError
        There is no such survey.
    UnavailableError
        It is not kept here and cannot be fetched.
    """
    if survey not in surveys.BY_KEY:
        raise NotFoundError(
            f"Survey {survey[:20]!r} not found; there are {', '.join(surveys.BY_KEY)}."
        )
    shown = plan(backend, key, filters)
    if shown.width_deg > SURVEY_DEG:
        problem = f"A picture of a survey is up to {SURVEY_DEG:g}deg wide."
        raise InvalidInputError(fields={"fov": [problem]})
    known = surveys.BY_KEY[survey]
    return surveys.picture(backend.settings, known, shown.ra_deg, shown.dec_deg, shown.width_deg)


def draw_curve(
    backend: Backend,
    viewer: Viewer,
    key: str,
    kind: Format,
    filters: Filters,
    *,
    only_kept: bool = False,
) -> bytes | None:
    """Return the curve of altitude of a target through a night as a file; it is kept.

    None for one that has to be drawn first.
    """
    site = site_needed(backend, filters)
    seen, zone = visibility_from(backend, site, key, filters), zone_of(site)
    told = msgspec.json.encode((curve.RECIPE, kind, str(zone), _lasting(seen)))
    draw = None if only_kept else lambda: curve.draw(seen, zone, kind)
    return _once(backend, told, draw)


def curve_address(seen: Visibility) -> str:
    """Return the address of a night's curve, behind that of the visibility."""
    asked = {"site": seen.night.site, "date": str(seen.night.date)}
    return f"curve.png?{urlencode(asked | {'elevation': f'{seen.elevation:g}'})}"


def _lasting(seen: Visibility) -> Visibility:
    """Return what of a night is the same whenever it is asked for."""
    return msgspec.structs.replace(seen, night=msgspec.structs.replace(seen.night, local_time=""))


def _once(backend: Backend, told: bytes, draw: Callable[[], bytes] | None) -> bytes | None:
    """Return what was drawn of the same before; else draw it, where it may be drawn."""
    kept = _kept(backend)
    name = hashlib.sha256(told).hexdigest()
    if (known := kept.get(name)) is not None or draw is None:
        return known
    drawn = draw()
    kept.put(name, drawn)
    if next(_drawn) % SWEPT_AFTER == 0:
        kept.shrink(MOST_KEPT_BYTES)
    return drawn


def sweep(backend: Backend) -> int:
    """Remove the oldest pictures when there are too many; returns how many."""
    return _kept(backend).shrink(MOST_KEPT_BYTES) + surveys.sweep(backend.settings)


def _kept(backend: Backend) -> Kept:
    return Kept(backend.settings.home / "charts")
