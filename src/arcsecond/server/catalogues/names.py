"""How names are compared: the way people type them."""

from __future__ import annotations

import unicodedata

_NOISE = str.maketrans("", "", " \t\n\u00a0_*")


def fold(name: str) -> str:
    """Return a name without case, blanks and typographic variants."""
    text = unicodedata.normalize("NFKC", name).casefold().translate(_NOISE)
    return text.replace("\u2212", "-").replace("\u2019", "'")
