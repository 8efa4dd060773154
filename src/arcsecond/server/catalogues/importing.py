"""Bring catalogues in: from files, all or nothing.

What comes in is read as a whole and built beside the catalogue that is there;
it takes its place only when every row could be read, and when there are not far
fewer of them than before. The same file again changes nothing.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import math
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from arcsecond.errors import ConflictError, InvalidInputError, NotFoundError
from arcsecond.schemas.catalogues import CatalogueImport, CatalogueWork
from arcsecond.server import zones
from arcsecond.server.catalogues.builtin import (
    BUILT_IN,
    IMPORTED,
    IMPORTED_NGC,
    IMPORTED_OEC,
    IMPORTED_PLANETS,
    KINDS,
    Kind,
    build,
    catalogue,
    locked,
    made_by,
    path_of,
    restore,
)
from arcsecond.server.catalogues.file import CatalogueFile, Entry, Part
from arcsecond.server.catalogues.rows import Row, merge
from arcsecond.server.catalogues.sources import nasa, oec, openngc, standards, startables
from arcsecond.server.catalogues.sources.starloader import BRIGHT
from arcsecond.server.catalogues.sources.text import Records, lines
from arcsecond.server.catalogues.writing import Loader, Writer
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.paging import MemoryListing
from arcsecond.server.parsing import blamed_on
from arcsecond.server.people.visibility import administrator
from arcsecond.server.settings import Settings
from arcsecond.server.storage import Arrived

TARGETS = ("exoplanets", "openngc", "stars", "standardstars")
"""What can be imported."""

FEWER = 0.97
"""Part of the rows of before that a catalogue has to have to take its place."""

SAME_STAR_DEG = 10 / 3600
"""How near a bright star without a number has to be to one that is there to be it."""

_BOXES = 1 / math.radians(SAME_STAR_DEG)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is to take its place in a catalogue.

    Attributes
    ----------
    like
        Number of a built-in part that it is a newer state of.
    thins
        Whether that part keeps, of its rows, only those of things that this one has.
    left_out
        What could not be taken, by name; filled while the entries are read.
    """

    kind: Kind
    part: Part
    entries: Iterable[Entry] | Loader
    like: int | None = None
    thins: bool = False
    left_out: list[str] = field(default_factory=list)


def import_files(
    backend: Backend, viewer: Viewer, target: str, files: Sequence[Arrived], *, force: bool = False
) -> CatalogueImport:
    """Import a catalogue that was sent as one file, or as several that belong together.

    Parameters
    ----------
    target
        One of ``TARGETS``.
    force
        Whether far fewer rows than before are meant.

    Raises
    ------
    InvalidInputError
        The files cannot be read, or hold far fewer rows than what they would replace.
    """
    may_import(backend, viewer, target)
    if not files:
        raise InvalidInputError(fields={"file": ["No file was sent."]})
    kind: Kind = "objects" if target in ("openngc", "stars") else target  # type: ignore[assignment]
    file = catalogue(backend.settings, kind)
    digest = " ".join(sorted(one.incoming.sha256 for one in files))
    with blamed_on("file"), contextlib.ExitStack() as stack:
        opened = [(one.name, stack.enter_context(one.incoming.open())) for one in files]
        delivery = _READERS[target](file, opened)
        delivery.part.origin, delivery.part.digest = "imported", digest
        return deliver(backend.settings, delivery, force=force)


def may_import(backend: Backend, viewer: Viewer, target: str) -> None:
    """Refuse an import before its bytes are sent: by a stranger, or of no catalogue."""
    administrator(viewer)
    if target not in TARGETS:
        raise InvalidInputError(
            f"{target[:40]!r} is no catalogue to import; there are {', '.join(TARGETS)}."
        )


def deliver(settings: Settings, delivery: Delivery, *, force: bool = False) -> CatalogueImport:
    """Put a delivery in its place, or leave everything as it is and say why."""
    part, path = delivery.part, path_of(settings, delivery.kind)
    catalogue(settings, delivery.kind)  # built, and by this version
    with locked(path) as progress:
        there = CatalogueFile(path).parts()
        before = there.get(part.key)
        if before is not None and before.origin == "built in":
            raise InvalidInputError(f"{part.key!r} is a catalogue that came with the program.")
        if before is not None and before.digest == part.digest:
            return _outcome(before, before.rows, unchanged=True)
        part.n = part.n or (before.n if before else _free_number(there))
        with Writer(path, made_by(), keep=True) as writer:
            if delivery.like is not None and delivery.thins:
                restore(writer, delivery.kind, delivery.like)
            older = [known for known in writer.parts().values() if known.n == delivery.like]
            entries = delivery.entries
            if before is not None:
                older.append(before)
                if delivery.thins and isinstance(entries, Iterable):
                    entries = _carried(entries, before, writer, part)
                writer.remove(before.n)
            rows = writer.add(part, entries, lambda done: progress(part.title, done))
            if delivery.like is not None and delivery.thins:
                writer.keep_only(delivery.like, part.n)
            was = max((known.rows for known in older), default=0)
            if not rows:
                raise InvalidInputError(f"{part.version} holds no row that could be read.")
            if writer.repeats(part):
                raise InvalidInputError(f"{part.version} holds its rows twice.")
            if rows < FEWER * was and not force:
                raise InvalidInputError(
                    f"{part.version} holds {rows:,} rows, far fewer than the {was:,} that are "
                    "there; nothing was changed. If that is meant, give --force."
                )
            progress("putting it in order", rows)
    outcome = _outcome(part, before.rows if before else was, unchanged=False)
    outcome.left_out = delivery.left_out
    return outcome


def _outcome(part: Part, before: int, *, unchanged: bool) -> CatalogueImport:
    return CatalogueImport(key=part.key, rows=part.rows, before=before, unchanged=unchanged)


def _carried(entries: Iterable[Entry], before: Part, writer: Writer, part: Part) -> Iterator[Entry]:
    """Let rows keep what the part before knew and they do not, with its source."""
    older = {entry.identity: entry.row for entry in writer.entries(before) if entry.identity}
    part.sources = {**before.sources, **part.sources}
    for entry in entries:
        if entry.identity in older:
            entry.row = merge([entry.row, older[entry.identity]])
        yield entry


Opened = Sequence[tuple[str, BinaryIO]]


def _one(files: Opened) -> tuple[str, BinaryIO]:
    if len(files) > 1:
        raise InvalidInputError(fields={"file": ["This catalogue is one file."]})
    return files[0]


def _exoplanets(there: CatalogueFile, files: Opened) -> Delivery:
    def known(names: Sequence[str]) -> str | None:
        found = [id_ for name in names for id_, _ in there.find(name)]
        return there.identity(min(found)) if found else None

    name, file = _one(files)
    begin = file.read(2048).lstrip()
    if begin.startswith(b"<") or _unpacked(file, name).startswith("<"):
        root = oec.systems(file, name)
        part, single = oec.part(IMPORTED_OEC, name), root.tag == "system"
        entries = oec.from_xml(root, known)
        if single:  # one system goes beside the others
            entries = _beside(there, part, list(entries))
        return Delivery("exoplanets", part, entries)
    table = Records(name, lines(file, name, ended=True))
    if nasa.is_table(table.columns):
        left_out: list[str] = []
        part, entries = nasa.from_csv(IMPORTED_PLANETS, table, left_out)
        return Delivery("exoplanets", part, entries, BUILT_IN, thins=True, left_out=left_out)
    return Delivery("exoplanets", oec.part(IMPORTED_OEC, name), oec.from_csv(table, known))


def _unpacked(file: BinaryIO, name: str) -> str:
    """Return how a text begins, behind a mark and blanks."""
    with contextlib.suppress(InvalidInputError):
        return next(lines(file, name), "").lstrip()
    return ""


def _beside(there: CatalogueFile, part: Part, fresh: Sequence[Entry]) -> Iterator[Entry]:
    """Yield what is there of a part, but for what comes anew, and that."""
    ids = {entry.identity for entry in fresh}
    if before := there.parts().get(part.key):
        part.sources = {**before.sources, **part.sources}
        for entry in there.entries(before):
            if entry.identity not in ids:
                yield entry
    yield from fresh


def _openngc(there: CatalogueFile, files: Opened) -> Delivery:
    texts = sorted(files, key=lambda named: "addendum" in named[0].casefold())
    label = ", ".join(name for name, _ in texts)
    records = (
        record
        for name, file in texts
        for record in openngc.records(Records(name, lines(file, name, ended=True)))
    )
    part = openngc.part(IMPORTED_NGC, label, "openngc-imported")
    return Delivery("objects", part, openngc.entries(records), BUILT_IN)


class _Stars:
    """Knows the stars that are there, by their numbers and, the bright ones, by their places."""

    def __init__(self, there: CatalogueFile) -> None:
        self._there = there

    @functools.cached_property
    def _numbers(self) -> dict[str, str]:
        return {
            key: identity
            for prefix in ("hd", "hr", "sao")
            for key, identity in self._there.numbers(prefix)
        }

    @functools.cached_property
    def _places(self) -> dict[tuple[int, int, int], list[tuple[str, tuple[float, float, float]]]]:
        found: dict[tuple[int, int, int], list[tuple[str, tuple[float, float, float]]]] = {}
        for identity, ra_deg, dec_deg in self._there.places():
            vector = zones.unit_vector(ra_deg, dec_deg)
            found.setdefault(_box(vector), []).append((identity, vector))
        return found

    def __call__(self, numbers: Iterable[str], row: Row) -> str | None:
        for number in numbers:
            if known := self._numbers.get(number):
                return known
        if row.fluxes and row.fluxes[0]["value"] < BRIGHT:
            return self._at(zones.unit_vector(row.ra_deg, row.dec_deg))
        return None

    def _at(self, vector: tuple[float, float, float]) -> str | None:
        x, y, z = _box(vector)
        near = [
            (sum((a - b) ** 2 for a, b in zip(vector, there, strict=True)), identity)
            for box in itertools.product((x - 1, x, x + 1), (y - 1, y, y + 1), (z - 1, z, z + 1))
            for identity, there in self._places.get(box, ())
        ]
        chord, identity = min(near, default=(math.inf, ""))
        return identity if chord <= zones.chord_squared(SAME_STAR_DEG) else None


def _box(vector: tuple[float, float, float]) -> tuple[int, int, int]:
    """Return the box of space a direction points to, as wide as stars may be apart."""
    x, y, z = vector
    return math.floor(x * _BOXES), math.floor(y * _BOXES), math.floor(z * _BOXES)


def _stars(there: CatalogueFile, files: Opened) -> Delivery:
    name, file = _one(files)
    part = startables.part(0, name)
    entries = startables.entries(file, lines(file, name), part, same=_Stars(there))
    return Delivery("objects", part, entries)


def _standardstars(there: CatalogueFile, files: Opened) -> Delivery:
    texts = {
        name: [line.rstrip("\r\n") for line in lines(file, name)]
        for name, file in files
        if name != "metadata.json" and not name.endswith(".md")
    }
    about = [file for name, file in files if name == "metadata.json"]
    if about:
        part, entries = standards.from_folder(0, about[0].read(), texts)
    elif len(texts) == 1 and next(iter(texts)) in ("landolt.dat", "nlandolt.dat"):
        part, entries = standards.landolt(0, *next(iter(texts.items())))
    else:
        raise InvalidInputError(
            "A catalogue of standard stars is a folder with metadata.json and the tables it names, "
            "or landolt.dat or nlandolt.dat of IRAF."
        )
    return Delivery("standardstars", part, entries)


def _free_number(there: Mapping[str, Part]) -> int:
    """Return a number that no part has."""
    return max([IMPORTED - 1, *(part.n for part in there.values())]) + 1


_READERS: dict[str, Callable[[CatalogueFile, Opened], Delivery]] = {
    "exoplanets": _exoplanets,
    "openngc": _openngc,
    "stars": _stars,
    "standardstars": _standardstars,
}


def remove(backend: Backend, viewer: Viewer, key: str) -> None:
    """Take out a catalogue that was imported or fetched; what it replaced is built again.

    Raises
    ------
    NotFoundError
        There is none of that key.
    ConflictError
        It came with the program.
    """
    administrator(viewer)
    for kind in KINDS:
        if (part := catalogue(backend.settings, kind).parts().get(key)) is None:
            continue
        if part.origin == "built in":
            raise ConflictError(f"{key} came with the program and stays.")
        build(path_of(backend.settings, kind), kind, anew=True, without=part.n)
        return
    raise NotFoundError(f"Catalogue {key[:60]!r} not found.")


def build_all(backend: Backend, viewer: Viewer) -> MemoryListing[CatalogueImport]:
    """Build the catalogues anew from what is installed; what was imported stays."""
    administrator(viewer)
    for kind in KINDS:
        build(path_of(backend.settings, kind), kind, anew=True)
    return MemoryListing(
        [
            _outcome(part, part.rows, unchanged=False)
            for kind in KINDS
            for part in catalogue(backend.settings, kind).parts().values()
        ]
    )


def list_work(backend: Backend, viewer: Viewer) -> MemoryListing[CatalogueWork]:
    """List what is being written just now, by any process."""
    found: list[CatalogueWork] = []
    for kind in KINDS:
        with contextlib.suppress(OSError, ValueError, KeyError, sqlite3.Error):
            said: dict[str, Any] = json.loads(
                path_of(backend.settings, kind).with_suffix(".work").read_bytes()
            )
            found.append(CatalogueWork(kind=kind, title=said["title"], rows=said["rows"]))
    return MemoryListing(found)
