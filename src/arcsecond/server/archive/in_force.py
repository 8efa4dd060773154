"""The rules in force: those of the program, and before them those of the observatory.

The observatory's stand in ``rules.toml`` of the data directory. They may be edited
there at any time: the next frame is read by them. While they have a mistake, those
before them stay in force, also over a restart, for which a copy is kept.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from pathlib import Path

from arcsecond.errors import ArcsecondInputValueError, RulesError
from arcsecond.flushing import write_whole
from arcsecond.server.archive.rules import LARGEST, RuleBook, book
from arcsecond.server.context import Backend

logger = logging.getLogger(__name__)

FILE = "rules.toml"
KEPT = "rules.kept.toml"
"""A copy of the file as it was when it last had no mistake."""

Stamp = tuple[int, int] | None

_lock = threading.Lock()
_known: dict[Path, tuple[Stamp, RuleBook, str]] = {}


def rules_of(backend: Backend) -> RuleBook:
    """Return the rules in force."""
    return _current(backend.settings.home)[1]


def mistake(backend: Backend) -> str:
    """Return what is wrong with the observatory's rules, "" for nothing."""
    return _current(backend.settings.home)[2]


def _current(home: Path) -> tuple[Stamp, RuleBook, str]:
    stamp = _stamp(home / FILE)
    known = _known.get(home)
    if known is not None and known[0] == stamp:
        return known
    with _lock:
        known = _known.get(home)
        if known is None or known[0] != stamp:
            known = _known[home] = (stamp, *_read(home, stamp))
    return known


def _read(home: Path, stamp: Stamp) -> tuple[RuleBook, str]:
    if stamp is None:
        return book(), ""
    try:
        text = text_of(home / FILE)
        read = book(text, FILE)
    except RulesError as error:
        problem = f"{error} The rules before stay in force."
        logger.error(problem)  # the sentence is all there is to say
        return _before(home), problem
    keep(home / KEPT, text)
    return read, ""


def _before(home: Path) -> RuleBook:
    """Return the rules as they were before a mistake."""
    try:
        return book(text_of(home / KEPT), KEPT)
    except RulesError:
        return book()


def text_of(path: Path) -> str:
    """Return a file of rules as text.

    Raises
    ------
    RulesError
        It cannot be read, or is no text.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        return content.decode("utf-8-sig")
    except OSError as error:
        raise RulesError(f"{path.name} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise RulesError(f"{path.name} is no text in UTF-8.") from None


def put_in_force(backend: Backend, text: str, name: str) -> RuleBook:
    """Make rules those of the observatory.

    Raises
    ------
    RulesError
        They have a mistake; those before stay in force.
    """
    read = book(text, name)
    try:
        keep(backend.settings.home / FILE, text)
    except OSError as error:
        raise ArcsecondInputValueError(f"The rules cannot be written: {error.strerror}.") from None
    return read


def keep(path: Path, text: str) -> None:
    """Write a text to its place in one step, unless it stands there already."""
    with contextlib.suppress(OSError):
        if path.read_text("utf-8") == text:
            return
    write_whole(path, text)


def _stamp(path: Path) -> Stamp:
    try:
        told = path.stat()
    except OSError:
        return None
    return told.st_mtime_ns, told.st_size
