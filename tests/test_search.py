"""What is found is what a search through all files one by one would find, in the same order."""

from __future__ import annotations

import fnmatch
import functools
import io
import json
import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arcsecond import ArcsecondAPI
from arcsecond.errors import ArcsecondInputValueError, GaveUpError, InvalidInputError, NotFoundError
from arcsecond.schemas.archive import DatasetChange, FitsFileChange, Reindex
from arcsecond.schemas.trash import Restore
from arcsecond.server import paging
from arcsecond.server.archive import files, in_force, reindexing, sweep
from arcsecond.server.archive.adding import add_files
from arcsecond.server.archive.index import entries
from arcsecond.server.archive.index import tables as index
from arcsecond.server.archive.naming import link_of
from arcsecond.server.archive.search import listing
from arcsecond.server.archive.search.asking import search
from arcsecond.server.archive.service import Datasets
from arcsecond.server.archive.tables import files as files_table
from arcsecond.server.archive.tables import versions
from arcsecond.server.check import check
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.settings import Settings
from arcsecond.server.storage import Arrived
from arcsecond.server.trash import service as trash
from tests.conftest import Command, Http, add_file, fits_bytes, new_user

RANDOM = random.Random(7)


@dataclass(frozen=True)
class Shot:
    """A frame as it is made, to be looked for without the index."""

    name: str
    ra: float | None
    dec: float
    start: datetime | None
    exposure: float | None
    airmass: float
    filter: str | None
    instrument: str
    kind: str
    target: str
    gain: float | str

    @property
    def content(self) -> bytes:
        cards: dict[str, Any] = {
            "AIRMASS": self.airmass, "INSTRUME": self.instrument, "IMAGETYP": self.kind,
            "OBJECT": self.target, "GAIN": self.gain, "NUMBER": self.name,
        }  # fmt: skip
        if self.ra is not None:
            cards |= {"RA": self.ra, "DEC": self.dec}
        if self.start is not None:
            cards["DATE__OBS"] = self.start.isoformat()
        if self.exposure is not None:
            cards["EXPTIME"] = self.exposure
        if self.filter is not None:
            cards["FILTER"] = self.filter
        return fits_bytes((2, 2), **cards)


def shot(n: int) -> Shot:
    one = RANDOM
    return Shot(
        name=f"night {n % 4}/{n:03}_{one.choice('abc')}.fits",
        ra=None if n % 9 == 0 else round(one.choice([0.0, 359.9, 83.8]) + one.uniform(0, 0.09), 6),
        dec=round(one.choice([-5.0, 89.9, 20.0]) + one.uniform(0, 0.09), 6),
        start=None if n % 11 == 0 else datetime(2026, 3, 1 + n % 4, one.randrange(24), n % 60),
        exposure=one.choice([None, 1.0, 10.0, 30.0, 300.0]),
        airmass=round(one.uniform(1, 2.5), 3),
        filter=one.choice([None, "V", "R", "Johnson B"]),
        instrument=one.choice(["CAM one", "CAM two", "Spec"]),
        kind=one.choice(["flat", "light", "bias"]),
        target=one.choice(["M 31", "M 33", "50%_off", "ngc  7027"]),
        gain=one.choice([1.0, 2.0, "high", "2"]),
    )


SHOTS = [shot(n) for n in range(120)]


class Sky:
    """A backend with the frames in one dataset, and a stranger's beside it."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.viewer, _ = new_user(backend)
        self.other, _ = new_user(backend, "bob")
        self.dataset = Datasets().create(backend, self.viewer, DatasetChange(name="mine")).uuid
        theirs = Datasets().create(backend, self.other, DatasetChange(name="theirs")).uuid
        self.put(self.viewer, self.dataset, SHOTS)
        self.put(self.other, theirs, SHOTS[:20])
        self.by_pk = {file.pk: SHOTS[n] for n, file in enumerate(self.all())}

    def put(self, viewer: Viewer, dataset: str, shots: list[Shot]) -> None:
        arrived = []
        for one in shots:
            incoming = self.backend.store.receive()
            incoming.write(one.content)
            arrived.append(Arrived(one.name, incoming))
        add_files(self.backend, viewer, dataset, arrived)
        for each in arrived:
            each.incoming.discard()

    def all(self) -> list[Any]:
        listed = files.list_files(self.backend, self.viewer, self.dataset, {})
        return [file for _, file in listed.rows(None, 1000)]

    def pages(self, viewer: Viewer | None = None, size: int = 29, **filters: str) -> list[Any]:
        """Return what is found, page by page."""
        asked = search(self.backend, viewer or self.viewer, filters)
        found: list[Any] = []
        after = None
        while some := asked.rows(after, size):
            found += [file for _, file in some]
            after = some[-1][0]
        assert asked.count(1000) == len(found)
        return found

    def names(self, **filters: str) -> set[str]:
        return {file.name for file in self.pages(**filters)}


@pytest.fixture
def sky(backend: Backend) -> Sky:
    return Sky(backend)


@pytest.fixture(scope="module")
def skies(shared_backends: Callable[[str], Backend]) -> Callable[[str], Sky]:
    return functools.cache(lambda database: Sky(shared_backends(database)))


@pytest.fixture
def still_sky(database: str, skies: Callable[[str], Sky]) -> Sky:
    """A sky for tests that change nothing in it."""
    return skies(database)


def apart(one: Shot, ra: float, dec: float) -> float:
    if one.ra is None:
        return math.inf
    a, b, c, d = map(math.radians, (one.ra, one.dec, ra, dec))
    sine = math.sin((b - d) / 2) ** 2 + math.cos(b) * math.cos(d) * math.sin((a - c) / 2) ** 2
    return math.degrees(2 * math.asin(math.sqrt(sine)))


def begun(one: Shot) -> datetime:
    return one.start or datetime(1, 1, 1)


def evening(one: Shot) -> date | None:
    return None if one.start is None else (one.start - timedelta(hours=12)).date()


KIND = {"flat": "flat", "light": "science", "bias": "bias"}
CASES: dict[str, tuple[dict[str, str], Callable[[Shot], bool]]] = {
    "everything": ({}, lambda s: True),
    "a cone": ({"cone": "0.05,-4.95,0.04deg"}, lambda s: apart(s, 0.05, -4.95) <= 0.04),
    "a cone across zero": ({"cone": "0,20.03,0.2deg"}, lambda s: apart(s, 0, 20.03) <= 0.2),
    "a cone beside the pole": ({"cone": "10,90,300arcsec"}, lambda s: apart(s, 10, 90) <= 1 / 12),
    "half of the sky": ({"cone": "84,-5,90deg"}, lambda s: apart(s, 84, -5) <= 90),
    "a night": ({"night": "2026-03-02"}, lambda s: evening(s) == date(2026, 3, 2)),
    "nights": (
        {"night": "2026-03-02..2026-03-03"},
        lambda s: evening(s) in (date(2026, 3, 2), date(2026, 3, 3)),
    ),
    "a time": (
        {"after": "2026-03-02T06:00:00Z", "before": "2026-03-03"},
        lambda s: datetime(2026, 3, 2, 6) <= begun(s) < datetime(2026, 3, 3),
    ),
    "an instrument": ({"instrument": "cam ONE"}, lambda s: s.instrument == "CAM one"),
    "instruments": ({"instrument": "cam*"}, lambda s: s.instrument.startswith("CAM")),
    "an end of a name": ({"instrument": "*o"}, lambda s: s.instrument == "CAM two"),
    "filters": ({"filter": "V,R"}, lambda s: s.filter in ("V", "R")),
    "what looks like a pattern of SQL": ({"target": "50%_off"}, lambda s: s.target == "50%_off"),
    "one more": ({"target": "50%*"}, lambda s: s.target == "50%_off"),
    "blanks": ({"target": "NGC 7027"}, lambda s: s.target == "ngc  7027"),
    "a kind": ({"kind": "science"}, lambda s: s.kind == "light"),
    "an exposure": ({"exposure": "10..30"}, lambda s: s.exposure in (10, 30)),
    "an airmass": ({"airmass": "..1.3"}, lambda s: s.airmass <= 1.3),
    "words": ({"text": "spec m"}, lambda s: s.instrument == "Spec" and s.target[0] == "M"),
    "a name": ({"name": SHOTS[3].name}, lambda s: s.name == SHOTS[3].name),
    "names": ({"name": "*_a.fits"}, lambda s: fnmatch.fnmatch(s.name, "*_a.fits")),
    "a header": ({"where": "header.AIRMASS<1.5"}, lambda s: s.airmass < 1.5),
    "a header and fields": (
        {"where": "header.AIRMASS >= 1.2 and filter!=V and kind=flat"},
        lambda s: s.airmass >= 1.2 and s.filter not in ("V", None) and s.kind == "flat",
    ),
    "a number that is a text": ({"where": "header.GAIN=2"}, lambda s: s.gain in (2.0, "2")),
    "a text that is a number": ({"where": "header.GAIN='2'"}, lambda s: s.gain == "2"),
    "another number": (
        {"where": "header.GAIN!=2"}, lambda s: s.gain not in (2.0, "2"),
    ),
    "a number above": ({"where": "header.GAIN>1"}, lambda s: s.gain == 2.0),
    "a night in a condition": (
        {"where": "night>2026-03-03"}, lambda s: (evening(s) or date(1, 1, 1)) > date(2026, 3, 3)
    ),
    "before alone": ({"before": "2026-03-03"}, lambda s: s.start is not None and s.start < datetime(2026, 3, 3)),
    "a start after": (
        {"where": "start>2026-03-03T02:00:00Z"},
        lambda s: s.start is not None and s.start > datetime(2026, 3, 3, 2),
    ),
    "a start before": (
        {"where": "start <= '2026-03-03T02:00:00' and kind=science"},
        lambda s: s.start is not None and s.start <= datetime(2026, 3, 3, 2) and s.kind == "light",
    ),
    "all of it": (
        {"cone": "84,-5,1deg", "after": "2026-03-01", "kind": "science", "airmass": "1..2"},
        lambda s: apart(s, 84, -5) <= 1 and s.start is not None and s.kind == "light"
        and s.airmass <= 2,
    ),
    "nothing": ({"instrument": "none such"}, lambda s: False),
}  # fmt: skip


@contextmanager
def gathering(most: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "COUNTED", most)
        patch.setattr(listing, "NEAR", max(most, 0))
        patch.setattr(listing, "FIRST_BATCH", 1)
        patch.setattr(listing, "GROWTH", 2)
        patch.setattr(listing, "_STATEMENTS", {})
        yield


@pytest.mark.parametrize("most", [5_000, 2, -1])
def test_what_is_found_and_its_order(still_sky: Sky, most: int) -> None:
    sky = still_sky
    with gathering(most):
        for what, (filters, fits) in CASES.items():
            expected = {pk for pk, one in sky.by_pk.items() if fits(one)}
            found = sky.pages(**filters)
            assert {file.pk for file in found} == expected, what
            assert len(found) == len(expected), what
            keys = [(begun(sky.by_pk[file.pk]), file.pk) for file in found]
            assert keys == sorted(keys, reverse=True), what


@pytest.mark.parametrize("down", ["", "-"])
def test_a_page_begins_where_the_one_before_ended(still_sky: Sky, down: str) -> None:
    """Also where the times have an end: from there SQLite would walk over all pages before."""
    time = {"after": "2026-03-01T00:00:00Z", "before": "2026-03-04", "sort": f"{down}start"}
    asked = search(still_sky.backend, still_sky.viewer, time)
    (*_, (seen, _)) = asked.rows(None, 7)
    told: list[dict[str, Any]] = []

    def note(_c: Any, _statement: Any, _many: Any, parameters: Any, _options: Any) -> None:
        told.append(parameters)

    engine = still_sky.backend.db.engine
    sa.event.listen(engine, "before_execute", note)
    try:
        assert len(asked.rows(seen, 3)) == 3
    finally:
        sa.event.remove(engine, "before_execute", note)
    end = "_last" if down else "_first"
    (first, *_) = [v for some in told for name, v in some.items() if name.endswith(end)]
    assert first == seen[0] + (1 if down else 0)


def test_a_cursor_before_all_times_finds_nothing_without_one(still_sky: Sky) -> None:
    asked = search(still_sky.backend, still_sky.viewer, {"before": "2027-01-01", "sort": "start"})
    found = asked.rows([index.NEVER, 0], 1000)
    assert found
    assert all(file.start for _, file in found)


@pytest.mark.parametrize("most", [5_000, -1])
@pytest.mark.parametrize("by", ["start", "added", "airmass", "exposure", "header.GAIN"])
@pytest.mark.parametrize("down", ["", "-"])
def test_orders(still_sky: Sky, most: int, by: str, down: str) -> None:
    sky = still_sky

    def key(pk: int) -> Any:
        one = sky.by_pk[pk]
        told = {"start": begun(one), "added": pk, "airmass": one.airmass, "exposure": one.exposure}
        return told.get(by, one.gain), begun(one), pk

    with gathering(most):
        found = [file.pk for file in sky.pages(instrument="Cam*", sort=down + by)]
    mine = [pk for pk, one in sky.by_pk.items() if one.instrument.startswith("CAM")]
    told = [pk for pk in mine if key(pk)[0] is not None and not isinstance(key(pk)[0], str)]
    silent = sorted(set(mine) - set(told), key=lambda pk: key(pk)[1:], reverse=bool(down))
    assert silent or by != "header.GAIN"
    assert found == sorted(told, key=key, reverse=bool(down)) + silent


def test_an_order_leaves_nothing_out(still_sky: Sky) -> None:
    """Those that do not tell the number come last: in lists, counts and archives."""
    sky = still_sky
    for by in ("airmass", "-airmass", "header.GAIN", "-night", "exposure", "header.OBJECT"):
        listing = search(sky.backend, sky.viewer, {"sort": by})
        assert listing.count(10_000) == len(sky.by_pk), by
        assert sorted(file.pk for file in sky.pages(size=7, sort=by)) == sorted(sky.by_pk), by
    told = {"airmass": "1..2", "sort": "airmass"}
    assert search(sky.backend, sky.viewer, told).count(1000) == len(sky.pages(**told))


def test_looking_for_the_rest_ends(sky: Sky, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all files tell a number, none is looked for without it; else giving up is said."""
    monkeypatch.setattr(listing, "LARGEST_BATCH", 4)
    walks = []

    def found(self: Any, *args: Any, **how: Any) -> Any:
        walks.append(self.sort.by)
        return real(self, *args, **how)

    real = listing.SearchListing._found
    monkeypatch.setattr(listing.SearchListing, "_found", found)
    every = len(sky.by_pk)
    assert len(search(sky.backend, sky.viewer, {"sort": "size"}).rows(None, every + 1)) == every
    assert set(walks) == {"size"}
    monkeypatch.setattr(listing, "MOST_WALKED", 8)
    nobody = {"sort": "header.GAIN", "target": "*nobody"}
    with pytest.raises(GaveUpError):
        search(sky.backend, sky.viewer, nobody).rows(None, 5)


@pytest.mark.parametrize("most", [5_000, -1])
@pytest.mark.parametrize("by", ["start", "added", "airmass"])
@pytest.mark.parametrize("down", ["", "-"])
def test_orders_of_a_place(still_sky: Sky, most: int, by: str, down: str) -> None:
    sky = still_sky
    asked = {"cone": "84,-5,1deg", "kind": "science,flat", "after": "2026-03-02"}
    with gathering(most):
        found = [file.pk for file in sky.pages(size=3, sort=down + by, **asked)]
    told: dict[str, Any] = {"start": begun, "airmass": lambda one: one.airmass}
    mine = {
        pk: (told[by](one) if by in told else pk, begun(one), pk)
        for pk, one in sky.by_pk.items()
        if apart(one, 84, -5) <= 1 and one.kind in ("light", "flat")
        and one.start is not None and one.start >= datetime(2026, 3, 2)
    }  # fmt: skip
    assert len(mine) > 3
    assert found == sorted(mine, key=mine.__getitem__, reverse=bool(down))


def test_a_footprint_larger_than_any_before(sky: Sky) -> None:
    """It is found though it is remembered which sizes there are."""
    assert sky.names(cone="200,40,1deg") == set()
    wide = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 203.0, "CRVAL2": 40.0}
    wide |= {"CRPIX1": 1.0, "CRPIX2": 1.0, "CDELT1": -4.0, "CDELT2": 4.0}
    incoming = sky.backend.store.receive()
    incoming.write(fits_bytes(**wide))
    add_file(sky.backend, sky.viewer, sky.dataset, "wide.fits", incoming)
    incoming.discard()
    for asked in ({"cone": "200,40,1deg"}, {"covers": "203,41"}):
        assert sky.names(**asked) == {"wide.fits"}


def test_who_may_see_it(sky: Sky) -> None:
    nobody = Viewer(None)
    assert len(sky.pages()) == len(SHOTS)
    assert len(sky.pages(sky.other)) == 20
    assert sky.pages(nobody) == []
    with pytest.raises(NotFoundError):
        sky.pages(sky.other, dataset=sky.dataset)
    public = DatasetChange(is_public=True)
    Datasets().update(sky.backend, sky.viewer, sky.dataset, public)
    assert len(sky.pages(nobody)) == len(SHOTS)
    assert len(sky.pages(sky.other)) == len(SHOTS) + 20
    assert len(sky.pages(sky.other, dataset="mine", kind="flat")) == sum(
        one.kind == "flat" for one in SHOTS
    )


def test_what_a_target_names(sky: Sky) -> None:
    """However it is written, and whatever stands behind it."""
    sky.put(sky.viewer, sky.dataset, [
        replace(SHOTS[0], name="a.fits", target="m51  B  600s", filter="B", ra=None),
        replace(SHOTS[0], name="b.fits", target="NGC_5194", ra=None),
        replace(SHOTS[0], name="c.fits", target="wasp 10 b", ra=None),
        replace(SHOTS[0], name="d.fits", target="My Star #3", ra=None),
    ])  # fmt: skip
    loose = ("M 42, R", "m42 field 2", "M42+R", "M 42 (center)", "M42 H-alpha 30s", "m42, pos 3")
    sky.put(sky.viewer, sky.dataset, [
        replace(SHOTS[0], name=f"{n}.fits", target=target, filter="R", ra=None)
        for n, target in enumerate(loose)
    ])  # fmt: skip
    assert sky.names(object="M 42") >= {f"{n}.fits" for n in range(len(loose))}
    assert sky.names(object="M 51") == sky.names(object="ngc 5194") == {"a.fits", "b.fits"}
    assert sky.names(object="WASP-10b") == {"c.fits"}
    assert sky.names(object="my star") == {"d.fits"}
    assert sky.names(target="m51 b 600s") == {"a.fits"}
    m42 = {file.name for file in sky.pages(cone="83.82,-5.39,2deg")}
    assert sky.names(cone="M 42,2deg") == sky.names(cone="Orion Nebula", radius="2deg") == m42


@pytest.mark.parametrize(
    ("target", "filter_", "expected"),
    [
        ("m51  B  600s", "B", "/objects/M%2051/"), ("NGC_4492", None, "/objects/NGC%204492/"),
        ("wasp 10 b", "r", "/exoplanets/WASP-10%20b/"), ("51 Peg b", None, "/exoplanets/51%20Peg%20b/"),
        ("M 31 Ha 300 s".replace(" s", "s"), None, "/objects/M%2031/"), ("flat", "V", None), ("", None, None),
        ("M 42 light rep3", None, "/objects/M%2042/"), ("nothing at all", None, None),
    ],
)  # fmt: skip
def test_links(target: str, filter_: str | None, expected: str | None, tmp_path: Path) -> None:
    assert link_of(Settings(home=tmp_path), target, filter_) == expected


class TestChanges:
    """The index follows what is done to files."""

    def test_names_tags_and_content(self, sky: Sky) -> None:
        pk = str(sky.all()[0].pk)
        change = FitsFileChange(name="Fine/new name.fits", tags=["Best", "of 2026"])
        files.update_file(sky.backend, sky.viewer, sky.dataset, pk, change)
        for filters in ({"tags": "best"}, {"text": "fine NEW"}, {"name": "fine/*"}):
            assert sky.names(**filters) == {"Fine/new name.fits"}
        assert sky.names(name=SHOTS[0].name) == set()
        incoming = sky.backend.store.receive()
        incoming.write(fits_bytes((3, 3), OBJECT="Vega", AIRMASS=9.5))
        files.update_file(sky.backend, sky.viewer, sky.dataset, pk, FitsFileChange(), incoming)
        incoming.discard()
        assert sky.names(target="vega") == {"Fine/new name.fits"}
        assert sky.names(where="header.AIRMASS=9.5 and header.OBJECT=VEGA") != set()
        assert len(sky.pages(instrument=SHOTS[0].instrument)) == sum(
            one.instrument == SHOTS[0].instrument for one in SHOTS[1:]
        )
        assert sky.names(tags="best, of 2026") == {"Fine/new name.fits"}

    def test_what_is_deleted_and_comes_back(
        self, sky: Sky, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name = SHOTS[5].name
        files.delete_file(sky.backend, sky.viewer, sky.dataset, name)
        assert sky.names(name=name) == set()
        (deleted,) = trash.list_trash(sky.backend, sky.viewer).rows(None, 10)
        trash.restore(sky.backend, sky.viewer, str(deleted[1].id), Restore(name="back.fits"))
        assert sky.names(name="back*") == {"back.fits"}
        files.delete_file(sky.backend, sky.viewer, sky.dataset, "back.fits")
        monkeypatch.setattr(sweep, "TRASH", timedelta(0))
        sweep.sweep(sky.backend)
        assert self.rows(sky, index.entries) == len(SHOTS) - 1 + 20
        Datasets().delete(sky.backend, sky.viewer, sky.dataset)
        assert sky.pages() == []
        sweep.sweep(sky.backend)
        with sky.backend.db.write() as connection:
            pks = list(connection.scalars(sa.select(files_table.c.pk)))
            entries.forget(connection, pks)
        for table in (index.entries, index.terms, index.numbers):
            assert self.rows(sky, table) == 0

    def rows(self, sky: Sky, table: sa.Table) -> int:
        with sky.backend.db.read() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0

    def test_other_rules_index_other_keywords(self, sky: Sky) -> None:
        with pytest.raises(InvalidInputError, match="not among the keywords"):
            sky.pages(where="header.NUMBER=x")
        in_force.put_in_force(sky.backend, '[index]\nkeywords = ["NUMBER"]\n', "rules")
        where = f"header.NUMBER='{SHOTS[8].name}'"
        assert sky.names(where=where) == set()
        reindexing.reindex(sky.backend, sky.viewer, sky.dataset, Reindex())
        assert sky.names(where=where) == {SHOTS[8].name}

    def test_what_is_not_in_it_is_found_and_mended(self, sky: Sky) -> None:
        assert not check(sky.backend).wrong
        with sky.backend.db.write() as connection:
            entries.forget(connection, [file.pk for file in sky.all()[:3]])
        (finding,) = check(sky.backend).wrong
        assert finding.problem == "3 files are not in it"
        assert len(sky.pages()) == len(SHOTS) - 3
        assert not check(sky.backend, repair=True).wrong
        assert len(sky.pages()) == len(SHOTS)

    def test_old_versions_are_not_in_it(self, sky: Sky) -> None:
        """Reading all versions again leaves the newest one there."""
        pk = str(sky.all()[0].pk)
        incoming = sky.backend.store.receive()
        incoming.write(fits_bytes((3, 3), OBJECT="Vega"))
        files.update_file(sky.backend, sky.viewer, sky.dataset, pk, FitsFileChange(), incoming)
        incoming.discard()
        with sky.backend.db.write() as connection:
            connection.execute(sa.update(versions).values(rules=None))
        reindexing.reindex(sky.backend, sky.viewer, sky.dataset, Reindex())
        assert [str(file.pk) for file in sky.pages(target="vega")] == [pk]
        assert pk not in {str(file.pk) for file in sky.pages(target=SHOTS[0].target)}


class TestBadInput:
    """One clear sentence, and nothing else."""

    @pytest.mark.parametrize(
        ("filters", "told"),
        [
            ({"cone": "1,2"}, "no cone"), ({"cone": "Nowhere,1deg"}, "'Nowhere' not found"), ({"cone": "nan,nan,nan"}, "no cone"),
            ({"cone": "1,2,inf"}, "radius"), ({"cone": "1,99,1"}, "Dec"),
            ({"radius": "1"}, "goes with"), ({"night": "yesterday"}, "no date"),
            ({"night": ".."}, "no range"), ({"night": "2026-03-03..2026-03-02"}, "no range"),
            ({"after": "9999-99-99"}, "no time"),
            ({"before": "0001-01-01T00:00:00+23:00"}, "no time"),
            ({"exposure": "long"}, "no range"), ({"airmass": "2..1"}, "ends before it begins"),
            ({"sort": "beauty"}, "no order"), ({"sort": "header.NOPE"}, "not among"),
            ({"where": "header.EXPTIM>3"}, "Alike are EXPTIME"),
            ({"where": "start=2026-03-03"}, "before or after"), ({"where": "start<soon"}, "no time"),
            ({"where": "bla"}, "no condition"), ({"where": "bla=1"}, "no field"),
            ({"where": "header.AIRMASS<low"}, "with a number"),
            ({"where": "filter<3 and"}, "Nothing follows the last 'and'"),
            ({"where": "filter=V & "}, "Nothing follows"),
            ({"where": "header.OBJECT=it's"}, "stands in quotes"),
            ({"where": "'; DROP TABLE files; --"}, "no condition"),
            ({"where": "kind=a and " * 30 + "kind=a"}, "more than 20"),
            ({"where": "x" * 3000}, "longer than"), ({"where": "(" * 1900}, "no condition"),
            ({"where": "a " * 900 + "=1"}, "no condition"),
            ({"text": "?!"}, "no word"), ({"target": ","}, "empty"),
            ({"filter": "V*,R"}, "alone"), ({"instrument": "\0"}, "empty"),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("database", ["sqlite"], indirect=True)
    def test_what_cannot_be_understood(
        self, backend: Backend, filters: dict[str, str], told: str
    ) -> None:
        viewer, _ = new_user(backend)
        with pytest.raises(InvalidInputError) as refused:
            search(backend, viewer, filters).rows(None, 1)
        error = refused.value
        assert told in error.detail or told in str(error.fields)

    @given(st.sampled_from(["where", "cone", "text", "night", "target", "sort", "exposure"]),
           st.text(max_size=120))  # fmt: skip
    @settings(
        max_examples=300, deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )  # fmt: skip
    @pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
    def test_anything_is_answered_or_refused(self, backend: Backend, name: str, text: str) -> None:
        try:
            assert search(backend, Viewer(None), {name: text}).rows(None, 3) == []
        except (InvalidInputError, NotFoundError) as error:
            assert "\n" not in error.detail

    @pytest.mark.parametrize(
        "after", [[], ["a", 1], [1, "b"], [1e400, 1], [1, 1 << 70], [None, 1], [[], {}]]
    )
    @pytest.mark.parametrize("database", ["sqlite"], indirect=True)
    def test_cursors_that_nobody_gave(self, backend: Backend, after: list[Any]) -> None:
        with pytest.raises(InvalidInputError, match="cursor"):
            search(backend, Viewer(None), {}).rows(after, 3)

    def test_a_search_that_finds_too_rarely_gives_up(
        self, sky: Sky, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(listing, "MOST_WALKED", 20)
        monkeypatch.setattr(listing, "GROWTH", 1)
        with gathering(-1), pytest.raises(InvalidInputError, match="gave up"):
            sky.pages(name="*nothing*")

    def test_nobody_is_told_how_many_there_are_of_others(
        self, sky: Sky, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stranger, _ = new_user(sky.backend, "eve")
        monkeypatch.setattr(listing, "MOST_WALKED", 20)
        asked = {"target": "*31", "where": "header.GAIN=h*"}
        own = sum((one.target, one.gain) == ("M 31", "high") for one in SHOTS[:20])
        for viewer, most in ((stranger, 0), (sky.other, own)):
            with gathering(-1), pytest.raises(GaveUpError, match="gave up") as refused:
                search(sky.backend, viewer, asked).rows(None, 10)
            assert refused.value.found <= most
            assert f"only {refused.value.found} are like this" in refused.value.detail

    def test_what_is_a_number_is_not_like_a_text(self, sky: Sky) -> None:
        with_gain = {pk for pk, one in sky.by_pk.items() if one.gain != "high"}
        assert {file.pk for file in sky.pages(where="header.GAIN!=h*")} == with_gain

    @pytest.mark.parametrize("database", ["sqlite"], indirect=True)
    def test_odd_headers_are_indexed(self, backend: Backend) -> None:
        viewer, _ = new_user(backend)
        dataset = Datasets().create(backend, viewer, DatasetChange(name="d")).uuid
        cards = (
            "OBJECT  = 'a\0b'", "GAIN    = 1E999", f"AIRMASS = {'9' * 60}", "EXPTIME = NaN",
            "FILTER  = '" + "x" * 67 + "'", "OBSERVER= T", "SEEING  = 1e308",
        )  # fmt: skip
        text = "".join(
            card.ljust(80)
            for card in ["SIMPLE  =                    T", *cards, "NAXIS   = 0", "END"]
        )
        incoming = backend.store.receive()
        incoming.write(text.encode().ljust(2880))
        add_file(backend, viewer, dataset, "odd.fits", incoming)
        incoming.discard()
        for where in ("header.OBSERVER=t", "header.SEEING>1e307"):
            assert len(search(backend, viewer, {"where": where}).rows(None, 3)) == 1
        assert search(backend, viewer, {"where": "header.GAIN>0"}).rows(None, 3) == []


class TestFaces:
    """The command and the module, embedded and remote."""

    @pytest.fixture
    def night(self, arcsecond: Command, tmp_path: Path) -> str:
        folder = tmp_path / "night"
        for n, one in enumerate(SHOTS[:15]):
            path = folder / f"{n}.fits"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(one.content)
        done = arcsecond("upload", str(folder), "--dataset", "night", "--tag", "t", "--json")
        return str(done.json["dataset"])

    def test_the_command(
        self, arcsecond: Command, night: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        flats = {f"{n}.fits" for n, one in enumerate(SHOTS[:15]) if one.kind == "flat"}
        for words in (
            ("search", "--kind", "flat"), ("search", "kind=flat"), (night, "--kind", "flat"),
            ("search", "kind=flat", "header.AIRMASS>0", "--dataset", "night", "--tags", "t"),
        ):  # fmt: skip
            found = arcsecond("fitsfiles", *words, "--json")
            assert {one["name"] for one in found.json} == flats
        for wrong in (("search", "bla"), ("search", "--cone", "1"), ("search", "header.X<1")):
            done = arcsecond("fitsfiles", *wrong)
            assert done.status == 1
            assert done.err.startswith("Error: ")
        for misused in (("search", "--header"), (night, "--format", "csv"), ("search", "--open"),
                        ("search", ""), ("search", "--where", ""),
                        ("search", "--count", "--format", "csv")):  # fmt: skip
            assert arcsecond("fitsfiles", *misused).status == 2

    def test_formats(self, arcsecond: Command, night: str, monkeypatch: pytest.MonkeyPatch) -> None:
        from astropy.io.votable import parse
        from astropy.table import Table
        from astropy.time import Time

        for chosen, read in (("csv", "ascii.csv"), ("ecsv", "ascii.ecsv"), ("votable", "votable")):
            done = arcsecond("fitsfiles", "search", "--format", chosen)
            assert done.status == 0
            table = Table.read(io.BytesIO(done.out.encode()), format=read)
            assert len(table) == 15
            assert set(table["kind"]) == {KIND[one.kind] for one in SHOTS[:15]}
            assert all(url.endswith("/download/") for url in table["access_url"])
            if chosen == "votable":
                assert table["ra"].meta["ucd"] == "pos.eq.ra;meta.main"
                (said,) = parse(io.BytesIO(done.out.encode())).resources
                assert [one.system for one in said.coordinate_systems] == ["ICRS"]
                assert [one.timescale for one in said.time_systems] == ["UTC"]
                fields = {field.name: field for field in said.tables[0].fields}
                assert fields["ra"].ref == fields["dec"].ref == said.coordinate_systems[0].ID
                assert fields["start"].ref == said.time_systems[0].ID
                assert fields["start"].xtype == "timestamp"
            if chosen == "ecsv":
                assert isinstance(table["start"], Time)
                assert str(table["ra"].unit) == "deg"
            none = arcsecond("fitsfiles", "search", "--kind", "none", "--format", chosen)
            assert none.status == 0
            empty = Table.read(io.BytesIO(none.out.encode()), format=read)
            assert empty.colnames == table.colnames
            if chosen == "ecsv":
                assert empty["size"].dtype == table["size"].dtype
                assert isinstance(empty["start"], Time)
        monkeypatch.delenv("COLUMNS", raising=False)
        shown = arcsecond("fitsfiles", "search", "--format", "table").out.splitlines()
        assert len(shown) > 15
        assert "Position" in shown[0]
        assert not shown[0].startswith("[")

    def test_how_many(
        self, arcsecond: Command, api: ArcsecondAPI, night: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        flats = sum(one.kind == "flat" for one in SHOTS[:15])
        assert arcsecond("fitsfiles", "search", "--count").out == "15\n"
        assert arcsecond("fitsfiles", "search", "kind=flat", "--count").out == f"{flats}\n"
        assert api.fitsfiles.search(kind="flat").total() == flats
        assert api.datasets(night).fitsfiles.search().total() == 15
        assert arcsecond("fitsfiles", night, "--count").status == 2

    def test_the_module(self, api: ArcsecondAPI, night: str) -> None:
        from astropy import units
        from astropy.coordinates import SkyCoord
        from astropy.time import Time

        found = api.fitsfiles.search(airmass=(None, 1.5), sort="airmass")
        expected = sorted(one.airmass for one in SHOTS[:15] if one.airmass <= 1.5)
        table = found.to_table()
        assert list(table["airmass"]) == expected
        assert str(table["exposure"].unit) == "s"
        assert "<table>" in found._repr_html_()
        start = next(one.start for one in SHOTS if one.start)
        after = start.replace(tzinfo=UTC)
        again = api.fitsfiles.search(after=after, where=["header.AIRMASS>0", "kind=science"])
        assert all(one["kind"] == "science" for one in again)
        spoken = api.fitsfiles.search("header.AIRMASS>0", "kind=science", after=after)
        assert list(spoken) == list(again)
        inside = api.datasets(night).fitsfiles.search(filter=["V", "R"])
        assert {one["filter"] for one in inside} <= {"V", "R"}
        cone = api.fitsfiles.search(cone=(84, -5, 1))
        assert len(cone) == sum(apart(one, 84, -5) <= 1 for one in SHOTS[:15])
        assert len(api.fitsfiles.search(kind="none").to_table()) == 0
        at = SkyCoord(84, -5, unit="deg")
        for place in ((at, 1 * units.deg), (at.galactic, 60 * units.arcmin)):
            assert len(api.fitsfiles.search(cone=place)) == len(cone)
        for tiny in ((0.00005, 0.0, 1e-7), (SkyCoord("0h0m0.01s", "-0d0m0.1s"), 1e-5)):
            assert list(api.fitsfiles.search(cone=tiny)) == []
        assert list(api.fitsfiles.search(covers=(0.00005, -1e-30))) == []
        assert list(api.fitsfiles.search(exposure=(1e-5, 0.1 + 0.2))) == []
        moment = Time("2026-03-02T22:00:00")
        nights = [
            api.fitsfiles.search(night=one) for one in (moment, moment.datetime, "2026-03-02")
        ]
        assert [len(one) for one in nights] == [len(nights[2])] * 3
        assert repr(api.fitsfiles.search(kind="none")) == "[]"
        assert repr(found).startswith("[{")
        assert json.loads(json.dumps(list(found))) == found
        for wrong in ({"text": "x" * 100_000}, {"target": "\ud800"}):
            with pytest.raises(ArcsecondInputValueError, match="What was asked for"):
                len(api.fitsfiles.search(**wrong))
        minute = api.fitsfiles.search(exposure=(1 * units.min, None))
        assert {one["exposure"] >= 60 for one in minute} == {True}
        with pytest.raises(ArcsecondInputValueError):
            api.fitsfiles.search(beauty=3)


class TestOverHttp:
    """Tables for other programs, and counts."""

    @pytest.fixture
    def ann(self, http: Http, user: Callable[[str], dict[str, str]]) -> dict[str, str]:
        headers = user("ann")
        dataset = http.post("/datasets/", json={"name": "d"}, headers=headers).json()["uuid"]
        files = [("file", (f"{n}.fits", one.content)) for n, one in enumerate(SHOTS[:8])]
        odd = fits_bytes(INSTRUME="H1,L1,V1", OBSERVER="Dey, Atlee", OBJECT="odd")
        files.append(("file", ("odd.fits", odd)))
        sent = http.post(f"/datasets/{dataset}/fitsfiles/", files=files, headers=headers)
        assert sent.status_code in (200, 201, 207), sent.text
        return headers

    @pytest.mark.parametrize(
        ("chosen", "accept", "read", "kind"),
        [
            ("csv", "", "ascii.csv", "text/csv"), ("ecsv", "", "ascii.ecsv", "text/plain"),
            ("votable", "", "votable", "application/x-votable+xml"),
            ("", "text/csv", "ascii.csv", "text/csv"),
            ("", "application/x-votable+xml", "votable", "application/x-votable+xml"),
        ],
    )  # fmt: skip
    def test_tables(
        self, http: Http, ann: dict[str, str], chosen: str, accept: str, read: str, kind: str
    ) -> None:
        from astropy.table import Table

        asked = {"sort": "added"} | ({"format": chosen} if chosen else {})
        headers = ann | ({"Accept": accept} if accept else {})
        answer = http.get("/fitsfiles/", params=asked, headers=headers)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)
        table = Table.read(io.BytesIO(answer.content), format=read)
        assert [str(name) for name in table["name"]] == [
            *(f"{n}.fits" for n in range(8)),
            "odd.fits",
        ]
        many = http.get("/fitsfiles/", params=asked | {"limit": 5000}, headers=headers)
        assert many.content == answer.content
        assert http.get("/fitsfiles/", params={"limit": 5000}, headers=ann).status_code == 400
        two = http.get("/fitsfiles/", params=asked | {"limit": 2}, headers=headers)
        assert len(Table.read(io.BytesIO(two.content), format=read)) == 2
        behind = two.headers["link"].partition(">")[0].lstrip("<")
        assert two.headers["vary"] == "Accept, Cookie"
        assert "private" in two.headers["cache-control"]
        assert answer.headers["content-type"].count("charset") <= 1
        rest = http.get(behind.removeprefix("http://testserver.local"), headers=headers)
        assert str(Table.read(io.BytesIO(rest.content), format=read)["name"][0]) == "2.fits"

    def test_names_of_any_character(self, http: Http, ann: dict[str, str]) -> None:
        from astropy.table import Table

        name = "\U0001f52d M31 \U0001f52d.fits"
        (dataset,) = http.get("/datasets/", headers=ann).json()
        part = {"file": (name, fits_bytes(OBJECT="emoji"))}
        path = f"/datasets/{dataset['uuid']}/fitsfiles/"
        assert http.post(path, files=part, headers=ann).status_code == 201
        for chosen, read in (("csv", "ascii.csv"), ("ecsv", "ascii.ecsv"), ("votable", "votable")):
            asked = {"format": chosen, "target": "emoji"}
            answer = http.get("/fitsfiles/", params=asked, headers=ann)
            table = Table.read(io.BytesIO(answer.content), format=read)
            assert str(table["name"][0]) == name

    def test_a_format_that_is_none(self, http: Http, ann: dict[str, str]) -> None:
        refused = http.get("/fitsfiles/?format=bogus", headers=ann)
        assert refused.status_code == 400
        assert "votable" in refused.json()["detail"]
        assert http.get("/fitsfiles/?format=json", headers=ann).json()

    def test_counts(self, http: Http, ann: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
        """They end at a bound, and say so, unless somebody wants to know exactly."""

        def told(**asked: Any) -> tuple[int, bool]:
            answer = http.get("/fitsfiles/", params={"page_size": 2} | asked, headers=ann).json()
            return answer["count"], answer.get("more_than_count", False)

        assert told() == (9, False)
        for bound, expected in ((8, (8, True)), (9, (9, False)), (10, (9, False))):
            monkeypatch.setattr(paging, "COUNT_BOUND", bound)
            monkeypatch.setattr(listing, "COUNT_BOUND", bound)
            monkeypatch.setattr(listing, "COUNTED_TOGETHER", 4)
            assert told() == expected
            assert told(total="exact") == (9, False)
            assert told(total="exact", where="target=odd") == (1, False)
        assert http.get("/fitsfiles/?total=1", headers=ann).status_code == 400
        keys = listing.SearchListing.keys

        def giving_up(self: Any, connection: Any, seen: Any, limit: int, **how: Any) -> Any:
            if how.get("sure", True) and limit > 3:
                raise GaveUpError("In vain.")
            return keys(self, connection, seen, limit, **how)

        monkeypatch.setattr(listing.SearchListing, "keys", giving_up)
        assert told() == (0, True)
        params = {"total": "exact"}
        assert http.get("/fitsfiles/", params=params, headers=ann).status_code == 400
        datasets = http.get("/datasets/?total=exact", headers=ann).json()
        assert datasets["count"] == 1

    @pytest.mark.parametrize(
        "asked",
        [
            {"instrument": "H1,L1,V1"}, {"observer": "Dey, Atlee"},
            {"where": 'instrument="H1,L1,V1"'}, {"where": "observer='Dey, Atlee' and target=odd"},
        ],
    )  # fmt: skip
    def test_values_with_commas(
        self, http: Http, ann: dict[str, str], asked: dict[str, str]
    ) -> None:
        found = http.get("/fitsfiles/", params=asked, headers=ann).json()
        assert [one["name"] for one in found] == ["odd.fits"]


def test_names_that_are_longer_than_the_index_keeps(
    http: Http, user: Callable[[str], dict[str, str]]
) -> None:
    ann = user("ann")
    uuid = http.post("/datasets/", json={"name": "d"}, headers=ann).json()["uuid"]
    long = "2026/11/29/" + "reduced-" * 12
    for name in (f"{long}A_stacked.fits", f"{long}b.fits", "short.fits", "odd*name.fits"):
        part = {"file": (name, fits_bytes())}
        made = http.post(f"/datasets/{uuid}/fitsfiles/", files=part, headers=ann)
        assert made.status_code == 201, made.text

    def found(name: str, where: str = "/fitsfiles/") -> set[str]:
        answer = http.get(where, params={"name": name, "page_size": 9}, headers=ann)
        return {file["name"].removeprefix(long) for file in answer.json()["results"]}

    everything = {"A_stacked.fits", "b.fits", "short.fits", "odd*name.fits"}
    for where in ("/fitsfiles/", f"/datasets/{uuid}/fitsfiles/"):
        assert found("*.fits", where) == everything
        assert found("2026/*", where) == {"A_stacked.fits", "b.fits"}
        assert found("2026/*stacked.FITS", where) == {"A_stacked.fits"}
        assert found(f"{long.upper()}a*", where) == {"A_stacked.fits"}
        assert found("*reduced-b.fits", where) == {"b.fits"}
        assert found("2026/*c.fits", where) == set()
        assert found("odd*name.fits", where) == {"odd*name.fits"}
