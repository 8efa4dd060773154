"""The sky above a site: nights, visibility, passes and charts; astroplan as the yardstick.

astroplan works the same night out: rise, transit and set of the target, sunset, sunrise and
twilights, and altitudes of target, Sun and Moon in steps of ten minutes.
"""

from __future__ import annotations

import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.servers import Row

RUNS = 15
SATELLITES = 1_000


def observatory_rows(root: Path) -> list[Row]:
    """Measure them all."""
    from arcsecond.server.app import open_backend
    from arcsecond.server.context import Viewer
    from arcsecond.server.observatory import charts, service
    from arcsecond.server.settings import Settings

    with tempfile.TemporaryDirectory(dir=root) as folder:
        backend = open_backend(Settings(Path(folder) / "home"))
        viewer = Viewer(1, "bench", is_admin=True, how="owner")
        seen = {"site": "950", "date": "2026-11-22"}
        night = median(lambda: service.read_tonight(backend, viewer, "950", {}))
        figure = median(lambda: service.read_visibility(backend, viewer, "M 31", seen))
        theirs = astroplan_seconds()
        passes, count = passes_seconds(backend, viewer)
        charts.draw_chart(backend, viewer, "M 57", "png", {})  # matplotlib is imported, once
        names = [f"M {n}" for n in range(1, 40)]
        first = statistics.median(
            seconds(lambda n=n: charts.draw_chart(backend, viewer, n, "png", {})) for n in names
        )
        again = statistics.median(
            seconds(lambda n=n: charts.draw_chart(backend, viewer, n, "png", {})) for n in names
        )
        backend.db.close()
    told = "not installed" if theirs is None else f"{theirs * 1000:.0f} ms"
    ratio = "" if theirs is None else f"{figure / theirs:.1%}"
    return [
        ("a visibility night / astroplan", ms(figure), told, ratio, "under 50 ms", figure < 0.05),
        limit("tonight's Sun, Moon and twilights", night, 0.02),
        limit(f"passes of {SATELLITES} satellites ({count}) in a night", passes, 5.0),
        limit("a chart as PNG, the first time", first, 0.4),
        limit("a chart from the cache", again, 0.01),
    ]


def limit(name: str, figure: float, most: float) -> Row:
    """Return a row whose baseline is what was promised."""
    promise = f"under {most:g} s" if most >= 1 else f"under {most * 1000:.0f} ms"
    return name, ms(figure), ms(most), f"{figure / most:.0%}", promise, figure < most


def ms(value: float) -> str:
    """Show seconds."""
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.1f} ms"


def seconds(what: Callable[[], object]) -> float:
    """Return how long something takes."""
    begin = time.perf_counter()
    what()
    return time.perf_counter() - begin


def median(what: Callable[[], object]) -> float:
    """Return how long something takes when it was done before."""
    what()
    return statistics.median(seconds(what) for _ in range(RUNS))


def passes_seconds(backend: Any, viewer: Any) -> tuple[float, int]:
    """Return how long the passes of many satellites take, and how many there are."""
    from arcsecond.server.observatory import satellites

    epoch = datetime(2026, 11, 22, tzinfo=UTC)
    satellites.import_satellites(backend, viewer, elements(epoch))
    asked = {"site": "309", "date": f"{epoch:%Y-%m-%d}"}
    found: list[int] = []

    def once() -> None:
        satellites._found.clear()  # noqa: SLF001  # what was worked out before would be given again
        found.append(satellites.list_passes(backend, viewer, "", asked).count(10_000))

    return statistics.median(seconds(once) for _ in range(3)), found[-1]


def elements(epoch: datetime) -> bytes:
    """Return element sets such as those of satellites in low orbits, evenly spread."""
    lines = [
        "OBJECT_NAME,OBJECT_ID,EPOCH,MEAN_MOTION,ECCENTRICITY,INCLINATION,RA_OF_ASC_NODE,"
        "ARG_OF_PERICENTER,MEAN_ANOMALY,NORAD_CAT_ID,BSTAR"
    ]
    for n in range(SATELLITES):
        share = n / SATELLITES
        motion, inclination = 13.5 + 2 * share, 40 + 58 * (n * 0.618 % 1)
        node, anomaly = 360 * (n * 0.382 % 1), 360 * (n * 0.236 % 1)
        moment = epoch - timedelta(hours=n % 40)
        lines.append(
            f"BENCH {n},2026-001A,{moment:%Y-%m-%dT%H:%M:%S.%f},{motion:.8f},0.001,"
            f"{inclination:.4f},{node:.4f},90.0,{anomaly:.4f},{90_000 + n},0.0001"
        )
    return "\n".join(lines).encode()


def astroplan_seconds() -> float | None:
    """Return how long astroplan takes for the same, None when it is not installed."""
    if find_spec("astroplan") is None:
        return None
    import astropy.units as u
    import numpy as np
    from astroplan import FixedTarget, Observer
    from astropy.coordinates import EarthLocation, SkyCoord
    from astropy.time import Time
    from astropy.utils import iers

    iers.conf.auto_download = False
    iers.conf.auto_max_age = None
    place = EarthLocation.from_geodetic(-17.8824 * u.deg, 28.76022 * u.deg, 2321 * u.m)
    observer = Observer(location=place)
    target = FixedTarget(SkyCoord(10.6848 * u.deg, 41.2691 * u.deg), "M 31")
    noon = Time("2026-11-22 13:11:32")
    times = noon + np.linspace(0, 1, 145) * u.day

    def work() -> None:
        observer.target_rise_time(noon, target, which="next")
        observer.target_meridian_transit_time(noon, target, which="next")
        observer.target_set_time(noon, target, which="next")
        observer.sun_set_time(noon, which="next")
        observer.sun_rise_time(noon, which="next")
        for name in ("civil", "nautical", "astronomical"):
            getattr(observer, f"twilight_evening_{name}")(noon, which="next")
            getattr(observer, f"twilight_morning_{name}")(noon, which="next")
        observer.altaz(times, target)
        observer.sun_altaz(times)
        observer.moon_altaz(times)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        work()
        return statistics.median(seconds(work) for _ in range(3))
