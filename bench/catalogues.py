"""Catalogues: names, cones, building and importing, each beside a yardstick of the same run."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import sqlite3
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.servers import Row

SQL_15 = Path("/usr/lib/postgresql/15/bin")
Q3C = Path("/usr/share/postgresql/15/extension/q3c.control")
RADII_DEG = (0.01, 0.1, 1.0, 5.0)
STARS = 2_000_000
CONES = 100


def catalogue_rows(root: Path, imported: int) -> list[Row]:
    """Measure them all."""
    with tempfile.TemporaryDirectory(dir=root) as folder:
        rows, settings = build_rows(Path(folder))
        rows += name_rows(settings)
        rows.append(import_row(Path(folder), settings, imported))
    return rows + cone_rows(root)


def build_rows(folder: Path) -> tuple[list[Row], Any]:
    """Build the catalogues from nothing; the limit is the promise."""
    from arcsecond.server.catalogues.builtin import KINDS, build, path_of
    from arcsecond.server.settings import Settings

    settings = Settings(folder / "home")
    begin = time.perf_counter()
    for kind in KINDS:
        build(path_of(settings, kind), kind)
    seconds = time.perf_counter() - begin
    size = sum(path_of(settings, kind).stat().st_size for kind in KINDS) / 1e6
    time_row = ("building the catalogues", f"{seconds:.1f} s", "15 s", f"{seconds / 15:.0%}")
    size_row = ("their size", f"{size:.0f} MB", "300 MB", f"{size / 300:.0%}")
    return [
        (*time_row, "under 15 s", seconds < 15),
        (*size_row, "under 300 MB", size < 300),
    ], settings


def name_rows(settings: Any) -> list[Row]:
    """Look names up inside the service, beside pyongc's own answers."""
    from pyongc import ongc

    from arcsecond.server.app import open_backend
    from arcsecond.server.catalogues import service
    from arcsecond.server.context import Viewer

    chosen = random.Random(1)
    names = [f"NGC {n}" for n in chosen.sample(range(1, 7841), 2_000)]
    everything = names + [f"HIP {n}" for n in chosen.sample(range(2, 118_000), 4_000)]
    everything = [name for name in everything if _known(settings, name)]
    chosen.shuffle(everything)
    settings.home.mkdir(exist_ok=True)
    backend = open_backend(settings)
    figures = [_seconds(lambda n=n: service.read_object(backend, Viewer(), n)) for n in everything]
    theirs = [_seconds(lambda n=n: ongc.get(n)) for n in names[:500]]
    backend.db.close()
    figure, baseline = statistics.median(figures), statistics.median(theirs)
    shown = f"{figure * 1e6:.0f} µs", f"{baseline * 1e6:.0f} µs", f"{figure / baseline:.1%}"
    return [("a name in the service / pyongc", *shown, "under 300 µs", figure < 300e-6)]


def known_names(home: Path, count: int) -> list[str]:
    """Return different names that the catalogue of a data directory knows."""
    from arcsecond.server.settings import Settings

    settings = Settings(home)
    names = (f"HIP {n}" for n in range(1, 118_322))
    return list(itertools.islice((name for name in names if _known(settings, name)), count))


def _known(settings: Any, name: str) -> bool:
    from arcsecond.server.catalogues.builtin import catalogue

    return bool(catalogue(settings, "objects").find(name))


def _seconds(what: Callable[[], object]) -> float:
    begin = time.perf_counter()
    what()
    return time.perf_counter() - begin


def import_row(folder: Path, settings: Any, count: int) -> Row:
    """Import a table of stars in the columns of HYG, beside reading it with csv alone."""
    import csv

    from arcsecond.server.catalogues.importing import import_files
    from arcsecond.server.context import Backend, Viewer
    from arcsecond.server.db import Database
    from arcsecond.server.storage import Arrived
    from arcsecond.server.storage.folder import FolderStore

    path = folder / "hyg.csv"
    write_stars(path, count)
    settings.home.mkdir(exist_ok=True)
    store = FolderStore(settings.home)
    incoming = store.receive()
    incoming.write(path.read_bytes())
    backend = Backend(settings, Database(settings), store, b"")
    owner = Viewer(1, "bench", is_admin=True, how="owner")
    begin = time.perf_counter()
    import_files(backend, owner, "stars", [Arrived("hyg.csv", incoming)])
    seconds = time.perf_counter() - begin
    incoming.discard()
    with path.open(newline="") as lines:
        begin = time.perf_counter()
        for _ in csv.reader(lines):
            pass
    bare = time.perf_counter() - begin
    rate, baseline = count / seconds, count / bare
    shown = f"{rate:,.0f} rows/s", f"{baseline:,.0f} rows/s", f"{rate / baseline:.0%}"
    return ("import of stars / csv.reader alone", *shown, "50,000 rows/s", rate >= 50_000)


def write_stars(path: Path, count: int) -> None:
    """Write a table of made-up stars in the columns of HYG."""
    chosen = random.Random(2)
    columns = "id,hip,hd,hr,gl,bf,proper,ra,dec,dist,pmra,pmdec,rv,mag,absmag,spect,ci"
    with path.open("w") as file:
        file.write(columns + "\n")
        for n in range(count):
            hip = n + 1 if n < 118_000 else ""
            hd = 1_300_000 + n if not hip or n % 3 == 0 else ""
            file.write(
                f"{n},{hip},{hd},,,,,{chosen.uniform(0, 24):.8f},{chosen.uniform(-90, 90):.8f},"
                f"{chosen.uniform(1, 900):.4f},{chosen.gauss(0, 50):.2f},{chosen.gauss(0, 50):.2f},"
                f"{chosen.gauss(0, 20):.1f},{13.5 - chosen.expovariate(0.9):.2f},4.1,K2V,0.9\n"
            )


# Cones

_LATERAL = """
SELECT s.id FROM unnest(%s::bigint[], %s::bigint[], %s::boolean[]) AS r(first, last, inside)
  CROSS JOIN LATERAL (
    SELECT id, x, y, z FROM sky WHERE cell BETWEEN r.first AND r.last OFFSET 0
  ) AS s
  WHERE r.inside OR (s.x - %s)^2 + (s.y - %s)^2 + (s.z - %s)^2 <= %s
"""
_INSIDE = "SELECT id FROM sky WHERE cell BETWEEN ? AND ?"
_EDGE = (
    "SELECT id FROM sky WHERE cell BETWEEN ? AND ? "
    "AND (x - ?) * (x - ?) + (y - ?) * (y - ?) + (z - ?) * (z - ?) <= ?"
)
Cone = Callable[[float, float, float], list[int]]


def cone_rows(root: Path) -> list[Row]:
    """Cone searches over two million stars on both databases, beside Q3C."""
    if not Q3C.exists():
        print("No Q3C here: install postgresql-15-q3c to compare cone searches with it.")
        return []
    stars = random_sky()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(dir=root) as folder, postgresql() as connection:
        searches = {"SQLite": sqlite_cone(Path(folder), stars)}
        searches["PostgreSQL"] = postgresql_cone(connection, stars)
        theirs = q3c_cone(connection)
        for radius in RADII_DEG:
            times = in_turn([*searches.values(), theirs], radius)
            for name, figure in zip(searches, times, strict=False):
                ratio = figure / times[-1]
                limit = 0.5e-3 if (name, radius) == ("SQLite", 0.1) else times[-1]
                promise = "under 0.5 ms, faster" if limit == 0.5e-3 else "faster"
                kept = figure < min(limit, times[-1])
                shown = f"{figure * 1e3:.2f} ms", f"{times[-1] * 1e3:.2f} ms", f"{ratio:.0%}"
                rows.append((f"cone of {radius:g}° on {name} / Q3C", *shown, promise, kept))
    return rows


def in_turn(searches: list[Cone], radius_deg: float) -> list[float]:
    """Return the median time of each search at the same places; they have to agree."""
    chosen = random.Random(radius_deg)
    times: list[list[float]] = [[] for _ in searches]
    for _ in range(CONES):
        place = chosen.uniform(0, 360), chosen.uniform(-80, 80)
        found = []
        for search, taken in zip(searches, times, strict=True):
            begin = time.perf_counter()
            answer = search(*place, radius_deg)
            taken.append(time.perf_counter() - begin)
            found.append(sorted(answer))
        assert all(answer == found[0] for answer in found), (place, radius_deg)
    return [statistics.median(taken) for taken in times]


def random_sky() -> list[tuple[int, float, float]]:
    """Return stars all over the sky: number, right ascension, declination."""
    import math

    chosen = random.Random(3)
    return [
        (n, chosen.uniform(0, 360), math.degrees(math.asin(chosen.uniform(-1, 1))))
        for n in range(STARS)
    ]


def sqlite_cone(folder: Path, stars: list[tuple[int, float, float]]) -> Cone:
    """Return a search on a file by the index of the catalogues, without telling the distances."""
    from arcsecond.server import zones

    db = sqlite3.connect(folder / "sky.sqlite")
    db.execute(
        "CREATE TABLE sky(cell INTEGER, id INTEGER, x REAL, y REAL, z REAL, "
        "PRIMARY KEY(cell, id)) WITHOUT ROWID"
    )
    db.executemany("INSERT INTO sky VALUES (?, ?, ?, ?, ?)", zones.in_order(stars))
    db.commit()

    def search(ra_deg: float, dec_deg: float, radius_deg: float) -> list[int]:
        x, y, z = zones.unit_vector(ra_deg, dec_deg)
        here = (x, x, y, y, z, z, zones.chord_squared(radius_deg))
        found: list[tuple[int]] = []
        for first, last, inside in zones.cone(ra_deg, dec_deg, radius_deg):
            if inside:
                found += db.execute(_INSIDE, (first, last)).fetchall()
            else:
                found += db.execute(_EDGE, (first, last, *here)).fetchall()
        return [id_ for (id_,) in found]

    return search


def postgresql_cone(connection: Any, stars: list[tuple[int, float, float]]) -> Cone:
    """Load the same stars into PostgreSQL, with an index for each way to search."""
    from arcsecond.server import zones

    connection.execute("CREATE EXTENSION q3c")
    connection.execute(
        "CREATE TABLE sky(id bigint, ra float8, dec float8, "
        "cell bigint, x float8, y float8, z float8)"
    )
    with connection.cursor().copy("COPY sky FROM STDIN") as copy:
        for star, (cell, _, *vector) in zip(stars, zones.placed(stars).tolist(), strict=True):
            copy.write_row((*star, cell, *vector))
    connection.execute("CREATE INDEX ON sky (q3c_ang2ipix(ra, dec))")
    connection.execute("CREATE INDEX ON sky (cell) INCLUDE (id, x, y, z)")
    connection.execute("VACUUM ANALYZE sky")

    def search(ra_deg: float, dec_deg: float, radius_deg: float) -> list[int]:
        spans = list(zones.cone(ra_deg, dec_deg, radius_deg))
        given = [list(column) for column in zip(*spans, strict=True)]
        vector, most = zones.unit_vector(ra_deg, dec_deg), zones.chord_squared(radius_deg)
        return [i for (i,) in connection.execute(_LATERAL, (*given, *vector, most), prepare=True)]

    return search


def q3c_cone(connection: Any) -> Cone:
    """Return the search of Q3C (Koposov & Bartunov 2006)."""

    def search(ra_deg: float, dec_deg: float, radius_deg: float) -> list[int]:
        statement = "SELECT id FROM sky WHERE q3c_radial_query(ra, dec, %s, %s, %s)"
        return [i for (i,) in connection.execute(statement, (ra_deg, dec_deg, radius_deg))]

    return search


@contextlib.contextmanager
def postgresql() -> Iterator[Any]:
    """Start the system's PostgreSQL 15, which Q3C belongs to, and connect to it."""
    import psycopg

    folder = Path(tempfile.mkdtemp(prefix="arcsecond-bench-"))
    # It refuses to run as root.
    before = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if before:
        shutil.chown(folder, "postgres")
    options = f"-k {folder} -c listen_addresses= -c shared_buffers=1GB -c jit=off"
    control = [*before, str(SQL_15 / "pg_ctl"), "-D", str(folder / "data"), "-w"]
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": folder}
    try:
        initdb = [*before, str(SQL_15 / "initdb"), "-D", str(folder / "data"), "-A", "trust"]
        subprocess.run([*initdb, "-U", "postgres"], **quiet)
        subprocess.run([*control, "-o", options, "-l", str(folder / "log"), "start"], **quiet)
        address = f"host={folder} user=postgres dbname=postgres"
        with psycopg.connect(address, autocommit=True) as connection:
            yield connection
    finally:
        subprocess.run(
            [*control, "-m", "immediate", "stop"], check=False, stdout=subprocess.DEVNULL
        )
        shutil.rmtree(folder, ignore_errors=True)
