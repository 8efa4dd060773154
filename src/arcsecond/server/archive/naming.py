"""What the target of a frame names: an object or a planet, however loosely it is written.

Observers write ``m51  B  600s``, ``NGC_4492`` or ``wasp 10 b``. How a name is written does
not matter to the catalogues; what stands behind it, the filter and the exposure, is left out.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from arcsecond.server.catalogues.builtin import Kind, catalogue
from arcsecond.server.catalogues.names import forms
from arcsecond.server.settings import Settings

_EXPOSURE = re.compile(r"\(?\d+(\.\d+)?\s*(s|sec|secs|seconds|min|ms)\)?", re.IGNORECASE)
_FILTERS = frozenset({
    "u", "b", "v", "r", "i", "j", "h", "k", "g", "z", "y", "w", "l", "c", "ha", "halpha", "oiii",
    "h-alpha", "sii", "clear", "lum", "red", "green", "blue", "bessell",
})  # fmt: skip
_WORDS = frozenset({
    "light", "science", "object", "image", "frame", "field", "test", "focus", "repeat", "dither",
    "transit", "center", "centre", "spec", "spectrum", "imaging", "mosaic", "offset",
})  # fmt: skip
_COUNTED = frozenset({"field", "pos", "position", "tile", "visit", "frame", "exposure", "dither"})
"""Words behind which a number may stand."""

_JOINED = re.compile(r"\+(?=[A-Za-z]+(?:-[A-Za-z]+)?$)")
_HYPHEN = re.compile(r"(?<=[A-Za-z])-(?=[A-Za-z0-9])")
"""As in MN-Lup, where no blank may stand in a value."""

_BRACKETS = re.compile(r"\s*(?:\([^()]*\)|\[[^\[\]]*\])$")
_NUMBERED = re.compile(r"#\d+|n\d+of\d+|\d+of\d+|rep\d+", re.IGNORECASE)


def candidates(target: str, filter_: str | None) -> list[str]:
    """Return what a target may name, the whole of it first.

    Parameters
    ----------
    filter_
        That the frame was taken through: it may stand behind the name.
    """
    words = target.replace("_", " ").split()
    left = words[:-1] + _JOINED.split(words[-1]) if words else []
    while len(left) > 1:
        if len(left) > 2 and left[-1].isdecimal() and left[-2].casefold() in _COUNTED:
            left.pop()
        elif not _stands_behind(left[-1], filter_):
            break
        left.pop()
        left[-1] = left[-1].rstrip(",;:") or left[-1]
    short = " ".join(left)
    found = [" ".join(words), short, _BRACKETS.sub("", short)]
    found += [_HYPHEN.sub(" ", one) for one in found]
    return list(dict.fromkeys(one for one in found if one))


def _stands_behind(word: str, filter_: str | None) -> bool:
    plain = word.casefold().strip("'’()[],;:")
    if filter_ and plain == filter_.casefold():
        return True
    return (
        _EXPOSURE.fullmatch(word) is not None
        or _NUMBERED.fullmatch(word) is not None
        or plain in _WORDS
        # A letter alone may be a planet, or a part of a double star: b, c, but no other filter.
        or (plain in _FILTERS and (plain not in "bc" or word.isupper()))
    )


def called(target: str | None, filter_: str | None) -> list[str]:
    """Return how the catalogues would look a target up: in this form it is indexed."""
    if not target:
        return []
    every = (form for one in candidates(target, filter_) for form in forms(one))
    return list(dict.fromkeys(every))[:8]


def link_of(settings: Settings, target: str | None, filter_: str | None) -> str | None:
    """Return the path of the object or the planet that a target names; None when nobody knows."""
    kinds: tuple[Kind, ...] = ("objects", "exoplanets")
    for name in candidates(target or "", filter_):
        for kind in kinds:
            for _, row in catalogue(settings, kind).find(name):
                return f"/{kind}/{quote(row.name, safe='')}/"
    return None
