"""Names of files and of the folders they lie in: which can be kept."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from arcsecond.errors import InvalidInputError

SUMS, MISSING = "SHA256SUMS", "MISSING.txt"
MISSING_SAYS = "The bytes of these files are missing on the server:"
"""Its first line; a file of somebody's may have its name."""
"""What stands in an archive beside its files: checksums, and those whose bytes are lost."""

LONGEST_NAME, LONGEST_PATH = 255, 1024
_PART = r"(?!\.)[!-.0-\[\]-~]+"
_PLAIN = re.compile(f"{_PART}(/{_PART})*")
"""Printable ASCII without blanks and backslashes; no part begins with a dot."""

_BIDIRECTIONAL = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean_name(name: str) -> str:
    """Return a file's name as it is kept, or refuse it.

    Raises
    ------
    InvalidInputError
        It is empty, too long, or holds what no name of a file should.
    """
    name = unicodedata.normalize("NFC", name).strip()
    if not name:
        problem = "A file needs a name."
    elif name in (".", "..") or "/" in name or "\\" in name:
        problem = f"{name[:60]!r} is no name of a file or a folder."
    elif not (name.isascii() and name.isprintable()) and any(map(_unseen, name)):
        problem = "The name holds characters that cannot be shown."
    elif len(name.encode()) > LONGEST_NAME:
        problem = f"The name is {len(name.encode())} bytes long; {LONGEST_NAME} are the most."
    else:
        return name
    raise InvalidInputError(fields={"name": [problem]})


def _unseen(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs") or character in _BIDIRECTIONAL


def clean_path(path: str) -> str:
    """Return the path of a file inside its dataset as it is kept, or refuse it.

    Its folders have names like its own: none is empty, "." or "..".

    Raises
    ------
    InvalidInputError
        One of its parts is no name, or it is too long.
    """
    if len(path) <= LONGEST_NAME and _PLAIN.fullmatch(path):
        return path
    parts = path.split("/")
    if len(parts) > 1 and not all(part.strip() for part in parts):
        problem = f"{path[:60]!r} is no path inside a dataset; write it as folder/name."
        raise InvalidInputError(fields={"name": [problem]})
    cleaned = "/".join(map(clean_name, parts))
    if len(cleaned.encode()) > LONGEST_PATH:
        problem = f"The path is {len(cleaned.encode())} bytes long; {LONGEST_PATH} are the most."
        raise InvalidInputError(fields={"name": [problem]})
    return cleaned


def folder_name(name: str) -> str:
    """Return a folder's name for what is called by people: without what leads elsewhere."""
    return re.sub(r"[/\\\0]|^\.+", "_", name)


class Folders:
    """A folder for each dataset, where files of several lie together.

    Parameters
    ----------
    look_up
        Returns the name of a dataset by its UUID, and how many are called so: the folder must
        not depend on which of them comes first.
    """

    def __init__(self, look_up: Callable[[str], tuple[str, int]]) -> None:
        self._look_up = look_up
        self._known: dict[str, str] = {}

    def of(self, dataset: str) -> str:
        """Return the folder of a dataset: its name, and more where two are called alike."""
        if dataset not in self._known:
            called, count = self._look_up(dataset)
            name = folder_name(called)
            taken = {one.casefold() for one in self._known.values()}
            is_one_of_many = count > 1 or name.casefold() in taken
            self._known[dataset] = f"{name} {dataset[:8]}" if is_one_of_many else name
        return self._known[dataset]
