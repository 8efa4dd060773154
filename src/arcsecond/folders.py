"""What lies in files and folders that are to be sent: found and named, hardly read.

The name of a file inside its dataset is its path below the folder that was given; of
several folders each keeps its own name in front, and so much before it as tells it from
the others. Hidden files, empty ones, those that are
no FITS, and links to folders are left out of folders, and it is told which; what is called
FITS and is none is a failure.
"""

from __future__ import annotations

import fnmatch
import functools
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from arcsecond.errors import ArcsecondInputValueError, InvalidInputError
from arcsecond.filenames import LONGEST_PATH, clean_path

SIGNATURES = (b"SIMPLE  =", b"\x1f\x8b", b"BZh", b"\x1f\x9d", b"PK\x03\x04", b"XISF0100")
"""First bytes of what the server reads: FITS, in gzip, bzip2, compress or zip too, and XISF."""

FRESH_NS = 2_000_000_000
"""A file that was changed so lately may change again without looking younger."""

COPY_MARK = ".arcsecond-copy"
"""Lies in backups and exports; says which of them it is."""

_FITS_NAME = re.compile(r"\.(fits?|fts|fz|xisf)(\.(gz|bz2|z|zip))?$", re.IGNORECASE)


@dataclass(slots=True)
class Item:
    """A file that is to be sent.

    Attributes
    ----------
    path
        Where it lies.
    name
        Its name inside the dataset.
    size
        In bytes.
    changed_ns
        When its content was changed last, as its file system says; a copy may keep it.
    touched_ns
        When anything of it was changed last, its name included.
    device, inode
        What stays when it is renamed.
    sha256
        Its digest; "" while it was not worked out.
    state
        What the server says of it; "" while it was not asked.
    pk
        Of the file that has its name on the server.
    """

    path: str
    name: str
    size: int
    changed_ns: int
    touched_ns: int = 0
    device: int = 0
    inode: int = 0
    sha256: str = ""
    state: str = ""
    pk: int | None = None


def item_of(path: str, name: str, told: os.stat_result) -> Item:
    """Return a file as its file system tells it."""
    changed, touched = told.st_mtime_ns, told.st_ctime_ns
    if touched == changed:
        touched = changed  # one object for both
    return Item(path, name, _once(told.st_size), changed, touched, _once(told.st_dev), told.st_ino)


@functools.lru_cache(1024)
def _once(number: int) -> int:
    """Return the same object for the same number: a hundred thousand frames have few sizes."""
    return number


@dataclass(slots=True)
class Found:
    """What lies in some files and folders.

    Attributes
    ----------
    left_out
        Paths by why they are left out: "hidden", "empty", "no FITS", "excluded", "links to
        folders", "backups and exports".
    unreadable
        Paths that cannot be sent, and why; of two that would have one name, the second.
    named
        Paths of files that were given by themselves.
    """

    items: list[Item] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    named: set[str] = field(default_factory=set)

    def no_fits(self, path: str) -> None:
        """Write down what is no FITS: a failure where somebody says that it is."""
        if path in self.named or is_called_fits(path):
            self.unreadable.append((path, "it is no FITS"))
        else:
            self.leave_out(path, "no FITS")

    def leave_out(self, path: str, why: str) -> None:
        """Write down what is left out."""
        self.left_out.setdefault(why, []).append(path)


def find(
    paths: Sequence[str | Path], include: Sequence[str] = (), exclude: Sequence[str] = ()
) -> Found:
    """Go through files and folders.

    Parameters
    ----------
    include, exclude
        Patterns such as ``*.fits``, of names or of paths inside the dataset.

    Raises
    ------
    ArcsecondInputValueError
        A path is not there.
    """
    found = Found()
    found.items.extend(one_of_each_name(walk(paths, found, include, exclude), found))
    return found


def one_of_each_name(items: Iterable[Item], found: Found) -> Iterator[Item]:
    """Pass files on, each once, but for those whose name another one would have there."""
    names: dict[str, str] = {}
    for item in items:
        if (other := names.get(item.name)) is None:
            names[item.name] = item.path
            yield item
        elif other != item.path:
            why = f"{other} would have the same name there, {item.name!r}"
            found.unreadable.append((item.path, why))


def walk(
    paths: Sequence[str | Path],
    found: Found,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    *,
    absent: Callable[[str], None] | None = None,
    copies: bool = True,
) -> Iterator[Item]:
    """Go through files and folders, however many there are.

    Parameters
    ----------
    found
        Where it is written what is left out, and what is unreadable.
    absent
        Told of each path that is not there; without it that is an error.
    copies
        Whether backups and exports are gone through as well.

    Raises
    ------
    ArcsecondInputValueError
        A path is not there.
    """
    search = _Search(found, include, exclude, copies=copies)
    every = [Path(os.path.abspath(Path(given).expanduser())) for given in paths]  # ".." goes
    called = told_apart(every)
    for given, path in zip(paths, every, strict=True):
        if not os.path.lexists(path):
            if absent is None:
                raise ArcsecondInputValueError(f"There is no {given}.")
            absent(str(given))
        elif path.is_dir():
            inside = f"{called[path]}/" if len(paths) > 1 else ""
            yield from search.walk(str(path), inside)
        else:
            yield from search.take(str(path), called[path], named=True)


def told_apart(paths: Iterable[Path]) -> dict[Path, str]:
    """Return the end of each path, as short as it is no other's."""
    left, found, parts = set(paths), dict[Path, str](), 1
    while left:
        ends = {path: "/".join(path.parts[1:][-parts:]) for path in left}
        counted = Counter(ends.values())
        for path, end in ends.items():
            if counted[end] == 1 or parts >= len(path.parts):
                found[path] = end
        left -= found.keys()
        parts += 1
    return found


class _Search:
    """One way through files and folders."""

    def __init__(
        self, found: Found, include: Sequence[str], exclude: Sequence[str], *, copies: bool
    ) -> None:
        self.found = found
        self._copies = copies
        self._include = include
        self._exclude = exclude

    def walk(self, folder: str, inside: str) -> Iterator[Item]:
        """Go through a folder and those in it, in the order of their names.

        Links to folders are not followed: they lead out of it, or to what is in it twice.

        Parameters
        ----------
        inside
            What stands in front of the names.
        """
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            self.found.unreadable.append((folder, reason(error)))
            return
        if len(inside) > LONGEST_PATH:
            self.found.unreadable.append((folder, "its path is too long"))
            return
        if not self._copies and any(entry.name == COPY_MARK for entry in entries):
            self.found.leave_out(folder, "backups and exports")
            return
        for entry in entries:
            if entry.name.startswith("."):
                self.found.leave_out(entry.path, "hidden")
            elif _is_folder(entry):
                if entry.is_symlink():
                    self.found.leave_out(entry.path, "links to folders")
                else:
                    yield from self.walk(entry.path, f"{inside}{entry.name}/")
            else:
                yield from self.take(entry.path, inside + entry.name)

    def take(self, path: str, name: str, *, named: bool = False) -> Iterator[Item]:
        """Take a file, or say why not.

        Parameters
        ----------
        named
            Whether it was given by itself: then it is a failure when it cannot be sent.
        """
        if (self._include and not matches(name, self._include)) or matches(name, self._exclude):
            self.found.leave_out(path, "excluded")
            return
        try:
            told = os.stat(path)
            if not stat.S_ISREG(told.st_mode):
                self.found.unreadable.append((path, "it is no file"))
                return
            if named:
                self.found.named.add(path)
                if Path(path).name.startswith("."):
                    self.found.unreadable.append((path, "its name begins with a dot"))
                    return
            if told.st_size:
                yield item_of(path, clean_path(name), told)
            elif named:
                self.found.unreadable.append((path, "it is empty"))
            else:
                self.found.leave_out(path, "empty")
        except OSError as error:
            self.found.unreadable.append((path, reason(error)))
        except InvalidInputError as error:
            self.found.unreadable.append((path, " ".join(error.fields["name"]).rstrip(".")))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself: it is told when it is taken
        return False


def is_called_fits(name: str) -> bool:
    """Tell whether a name says that a file is FITS, packed or not."""
    return _FITS_NAME.search(name) is not None


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Tell whether the name of a file, or its path, is like one of some patterns."""
    if not patterns:
        return False
    last = name.rpartition("/")[2]
    return any(fnmatch.fnmatchcase(last, p) or fnmatch.fnmatchcase(name, p) for p in patterns)


def reason(error: OSError) -> str:
    """Return why a file cannot be read, in a few words."""
    return (error.strerror or str(error)).lower()
