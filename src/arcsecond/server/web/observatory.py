"""What the page of an object, a site or a telescope shows beside its card."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

from arcsecond import views
from arcsecond.errors import InvalidInputError
from arcsecond.registry import BY_NAME
from arcsecond.schemas.observatory import ObservingSite
from arcsecond.server.context import AnyRequest, backend_of, viewer_of
from arcsecond.server.observatory.charts import curve_address
from arcsecond.server.observatory.equipment import Instruments, Telescopes
from arcsecond.server.observatory.service import read_visibility, tonight
from arcsecond.server.paging import Listing
from arcsecond.server.web.linking import INSIDE_SHOWN, address, listed


def tonight_of(request: AnyRequest, name: str) -> dict[str, Any]:
    """Return how an object stands tonight over the site that was chosen, if any."""
    site = str(request.query_params.get("site", "")).strip()
    site = site or backend_of(request).settings.site
    extra: dict[str, Any] = {"site": site, "seen": None, "site_problem": ""}
    if site:
        try:
            seen = read_visibility(backend_of(request), viewer_of(request), name, {"site": site})
        except InvalidInputError as error:
            extra["site_problem"] = error.detail
        else:
            folder = f"/objects/{quote(name, safe='')}/visibility/"
            seen.image_url = folder + curve_address(seen)
            extra["seen"] = seen
    return extra


def site_of(request: AnyRequest, site: ObservingSite) -> dict[str, Any]:
    """Return the night over a site, and what stands there."""
    backend, viewer = backend_of(request), viewer_of(request)
    night = None
    if site.coordinates:
        night = views.card("tonight", msgspec.to_builtins(tonight(site, {})))
    listing = Telescopes().list_(backend, viewer, {"site": site.uuid})
    return {"night": night, **_standing("telescopes", listing)}


def telescope_of(request: AnyRequest, item: dict[str, Any]) -> dict[str, Any]:
    """Return what is mounted on a telescope."""
    backend, viewer = backend_of(request), viewer_of(request)
    listing = Instruments().list_(backend, viewer, {"telescope": item["uuid"]})
    return {"night": None, **_standing("instruments", listing)}


def _standing(name: str, listing: Listing[Any]) -> dict[str, Any]:
    """Return what stands on a site or a telescope, as a table."""
    items = msgspec.to_builtins([one for _, one in listing.rows(None, INSIDE_SHOWN)])
    return {
        "inside": listed(name, items),
        "inside_title": BY_NAME[name].title,
        "inside_addresses": [address(name, one) for one in items],
    }
