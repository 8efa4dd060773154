"""Pictures of the sky from surveys, by the services of CDS: fetched once, then kept.

hips2fits cuts a field out of a survey that is published as HiPS (IVOA, Hierarchical
Progressive Surveys); the MocServer knows which surveys cover it.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections import OrderedDict
from dataclasses import dataclass

from arcsecond.errors import UnavailableError
from arcsecond.server.catalogues.online import with_care
from arcsecond.server.remade import Kept
from arcsecond.server.settings import Settings

SERVICE = "CDS"
PATIENCE_S = 20.0
MOST_REMEMBERED = 1_000
ASKED_AGAIN_S = 600.0
"""How long it is believed that CDS can be reached."""

COVERAGE_PATIENCE_S = 5.0
SIDE_PX = 800
MOST_KEPT_BYTES = 1 << 30
"""Of pictures of surveys, which cannot be made again without the network."""

_JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True, slots=True)
class Survey:
    """A survey of the sky.

    Attributes
    ----------
    key
        Its name in addresses.
    hips
        Its name at CDS.
    """

    key: str
    name: str
    hips: str
    band: str
    credit: str


SURVEYS = (
    Survey(
        "dss", "DSS2", "CDS/P/DSS2/color", "optical", "Digitized Sky Survey, STScI/AURA, by CDS"
    ),
    Survey("2mass", "2MASS", "CDS/P/2MASS/color", "near infrared", "2MASS, UMass/IPAC, by CDS"),
    Survey(
        "panstarrs",
        "PanSTARRS",
        "CDS/P/PanSTARRS/DR1/color-z-zg-g",
        "optical",
        "PanSTARRS DR1, STScI, by CDS",
    ),
    Survey("sdss", "SDSS", "CDS/P/SDSS9/color", "optical", "SDSS DR9, by CDS"),
)
BY_KEY = {survey.key: survey for survey in SURVEYS}


def offered(settings: Settings, ra_deg: float, dec_deg: float, width_deg: float) -> list[Survey]:
    """Return the surveys that have a picture of a field: kept here, or to be fetched.

    When CDS does not answer, or may not be asked, only pictures that are kept are offered.
    """
    there = _covering(settings, ra_deg, dec_deg) if settings.online else []
    kept = _kept(settings)
    return [
        survey
        for survey in SURVEYS
        if survey.hips in there or kept.has(_picture_name(survey, ra_deg, dec_deg, width_deg))
    ]


_covered: OrderedDict[tuple[str, float, float], tuple[float, list[str]]] = OrderedDict()
"""What CDS said lately: when, and which surveys cover a position."""


def _covering(settings: Settings, ra_deg: float, dec_deg: float) -> list[str]:
    """Return the names of the surveys that cover a position, as CDS said lately."""
    key = (settings.moc_url, round(ra_deg, 3), round(dec_deg, 3))
    at, names = _covered.get(key, (-math.inf, []))
    if time.monotonic() - at < ASKED_AGAIN_S:
        return names
    try:
        names = with_care(settings, SERVICE, lambda: _asked(settings, ra_deg, dec_deg))
    except UnavailableError:
        return []
    _covered[key] = time.monotonic(), names
    while len(_covered) > MOST_REMEMBERED:
        _covered.popitem(last=False)
    return names


def _asked(settings: Settings, ra_deg: float, dec_deg: float) -> list[str]:
    """Ask which surveys cover a position."""
    from arcsecond.server.catalogues import remote  # late: requests takes a tenth of a second

    asked = {
        "RA": f"{ra_deg:.6f}",
        "DEC": f"{dec_deg:.6f}",
        "SR": "0.01",
        "ID": ",".join(survey.hips for survey in SURVEYS),
        "get": "id",
        "fmt": "json",
    }
    with remote.Bounded(SERVICE, COVERAGE_PATIENCE_S) as session:
        answer = session.get(settings.moc_url, params=asked)
    try:
        told = json.loads(answer.content)
        named = {one if isinstance(one, str) else str(one["ID"]) for one in told}
        return [survey.hips for survey in SURVEYS if survey.hips in named]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnavailableError("CDS answered with no list of surveys.") from error


def picture(
    settings: Settings, survey: Survey, ra_deg: float, dec_deg: float, width_deg: float
) -> bytes:
    """Return the picture of a field as JPEG, north up and east left.

    Raises
    ------
    UnavailableError
        It was not fetched before, and cannot be now.
    """
    kept = _kept(settings)
    name = _picture_name(survey, ra_deg, dec_deg, width_deg)
    if (known := kept.get(name)) is not None:
        return known
    if not settings.online:
        raise UnavailableError(
            f"This picture of {survey.name} is not kept here, and this server asks nothing on "
            "the network; ARCSECOND_ONLINE is 0."
        )
    fetched = with_care(
        settings, SERVICE, lambda: _fetched(settings, survey, ra_deg, dec_deg, width_deg)
    )
    kept.put(name, fetched)
    return fetched


def _fetched(
    settings: Settings, survey: Survey, ra_deg: float, dec_deg: float, width_deg: float
) -> bytes:
    from arcsecond.server.catalogues import remote  # late: requests takes a tenth of a second

    asked: dict[str, str | int] = {
        "hips": survey.hips,
        "ra": f"{ra_deg:.6f}",
        "dec": f"{dec_deg:.6f}",
        "fov": f"{width_deg:.6f}",
        "width": SIDE_PX,
        "height": SIDE_PX,
        "projection": "TAN",
        "coordsys": "icrs",
        "format": "jpg",
    }
    with remote.Bounded(SERVICE, PATIENCE_S) as session:
        answer = session.get(settings.hips_url, params=asked)
    if answer.status_code != 200 or not answer.content.startswith(_JPEG):
        raise UnavailableError("CDS answered with no picture.")
    return answer.content


def _kept(settings: Settings) -> Kept:
    return Kept(settings.home / "surveys")


def _picture_name(survey: Survey, ra_deg: float, dec_deg: float, width_deg: float) -> str:
    told = f"{survey.key} {ra_deg:.6f} {dec_deg:.6f} {width_deg:.6f}"
    return f"{hashlib.sha256(told.encode()).hexdigest()}-{survey.key}"


def sweep(settings: Settings) -> int:
    """Remove the oldest pictures when there are too many; returns how many."""
    return _kept(settings).shrink(MOST_KEPT_BYTES)
