"""Names of files: which can be kept."""

from __future__ import annotations

import unicodedata

from arcsecond.errors import InvalidInputError

LONGEST_NAME, LONGEST_PATH = 255, 1024
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
        problem = f"{name[:60]!r} is a path; give the name of the file alone."
    elif any(unicodedata.category(c) in ("Cc", "Cs") or c in _BIDIRECTIONAL for c in name):
        problem = "The name holds characters that cannot be shown."
    elif len(name.encode()) > LONGEST_NAME:
        problem = f"The name is {len(name.encode())} bytes long; {LONGEST_NAME} are the most."
    else:
        return name
    raise InvalidInputError(fields={"name": [problem]})


def clean_path(path: str) -> str:
    """Return the path of a file inside its dataset as it is kept, or refuse it.

    Its folders have names like its own: none is empty, "." or "..".

    Raises
    ------
    InvalidInputError
        One of its parts is no name, or it is too long.
    """
    cleaned = "/".join(map(clean_name, path.split("/")))
    if len(cleaned.encode()) > LONGEST_PATH:
        problem = f"The path is {len(cleaned.encode())} bytes long; {LONGEST_PATH} are the most."
        raise InvalidInputError(fields={"name": [problem]})
    return cleaned
