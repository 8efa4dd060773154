"""Rules for what headers mean, as a table: which keyword tells what, family by family.

Those that come with the program stand in ``rules.toml``, which also explains the
form. An observatory adds its own in a file of the same form; they come first.
"""

from __future__ import annotations

import functools
import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from fnmatch import fnmatchcase, translate
from importlib import resources
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec

from arcsecond.errors import RulesError
from arcsecond.fits.cards import Value, Values

LARGEST = 1 << 20
"""Bytes of a file of rules."""

MOST_KNOWN = 1000
LONGEST_SAID = 200
"""Characters of a value that are compared with what a family says; others may be megabytes."""

"""Kinds of frames of which it is remembered what holds for them."""

SECONDS = {"s": 1.0, "ms": 1e-3, "min": 60.0, "h": 3600.0, "d": 86_400.0}
TEXTS = ("target", "filter", "instrument", "telescope", "observer", "programme", "kind")

_Scale = Literal["UTC", "TAI", "TT", "TDB", "TCB", "TCG"]
_Named = Literal["target", "filter", "instrument", "telescope", "observer", "programme"]
_Bounded = Literal["start", "exposure", "airmass"]

Keyword = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What no keyword tells: a text, always the same."""

    value: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class Number(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A keyword with its unit."""

    keyword: Keyword
    unit: Literal["s", "ms", "min", "h", "d"] = "s"


class Constant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An angle in degrees that is always the same."""

    value: Annotated[float, msgspec.Meta(ge=-180, le=360)]


class Moment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A keyword that counts seconds since a moment."""

    keyword: Keyword
    since: datetime


class Pointing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Two keywords for a position; numbers are in ``unit``."""

    ra: Keyword
    dec: Keyword
    unit: Literal["degrees", "hours", "packed"] = "degrees"


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a family says; None where it says nothing of a field."""

    target: list[Keyword | Text] | None = None
    filter: list[Keyword | Text] | None = None
    wheels: list[Keyword] | None = None
    instrument: list[Keyword | Text] | None = None
    telescope: list[Keyword | Text] | None = None
    observer: list[Keyword | Text] | None = None
    programme: list[Keyword | Text] | None = None
    kind: list[Keyword | Text] | None = None
    position: list[tuple[Keyword, Keyword] | Pointing] | None = None
    start: list[Keyword | Moment] | None = None
    clock: list[Keyword | Number] | None = None
    scale: _Scale | None = None
    night: list[Keyword] | None = None
    exposure: list[Keyword | Number] | None = None
    airmass: list[Keyword] | None = None
    longitude: list[Keyword | Constant] | None = None
    nothing: list[str] | None = None
    kinds: dict[str, list[str]] | None = None
    names: dict[_Named, dict[str, str]] | None = None
    plausible: dict[_Bounded, tuple[Any, Any]] | None = None


class Family(Rules, frozen=True, kw_only=True):
    """The rules of a family, and which frames are of it."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    when: Annotated[list[dict[Keyword, str]], msgspec.Meta(min_length=1)]

    def fits(self, headers: Sequence[Values]) -> bool:
        """Tell whether a frame is of this family."""
        return any(
            all(_matches(headers, keyword, pattern) for keyword, pattern in way.items())
            for way in self.when
        )


class Index(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which keywords are searched fast."""

    keywords: list[Keyword] = []


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A file of rules."""

    family: list[Family] = []
    general: Rules = msgspec.field(default_factory=Rules)
    index: Index = msgspec.field(default_factory=Index)


@dataclass(frozen=True, eq=False)
class RuleBook:
    """All rules in force, those of the observatory before those of the program.

    Attributes
    ----------
    families
        In the order in which they are tried.
    general
        What holds for all, last.
    keywords
        Those that are searched fast.
    digest
        What changes with any of it.
    own
        The observatory's, as text.
    """

    families: tuple[Family, ...]
    general: tuple[Rules, ...]
    keywords: frozenset[str]
    digest: str
    own: str
    _known: dict[tuple[str | None, ...], FrameRules] = field(default_factory=dict, repr=False)
    _fitting: dict[tuple[int, ...], FrameRules] = field(default_factory=dict, repr=False)

    def of(self, headers: Sequence[Values]) -> FrameRules:
        """Return the rules for a frame, whose headers are given."""
        said = tuple(_said(headers, keyword) for keyword in self._deciding)
        known = self._known.get(said)
        if known is None:
            fitting = tuple(n for n, family in enumerate(self.families) if family.fits(headers))
            if (known := self._fitting.get(fitting)) is None:
                families = (self.families[n] for n in fitting)
                known = self._fitting[fitting] = FrameRules((*families, *self.general))
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[said] = known
        return known

    @functools.cached_property
    def _deciding(self) -> tuple[str, ...]:
        """The keywords by which it is known which families a frame is of."""
        ways = (way for family in self.families for way in family.when)
        return tuple(dict.fromkeys(keyword for way in ways for keyword in way))


@dataclass(frozen=True)
class FrameRules:
    """The rules that a frame is read by, the first ones first."""

    rules: tuple[Rules, ...]
    _fields: dict[str, list[Any]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def families(self) -> list[str]:
        """The names of the families that fit."""
        return [rule.name for rule in self.rules if isinstance(rule, Family)]

    def __getitem__(self, field: str) -> list[Any]:
        """Return the entries for a field, from the first rules to the last."""
        if field not in self._fields:
            self._fields[field] = list(self._entries(field))
        return self._fields[field]

    def _entries(self, field: str) -> Iterator[Any]:
        for rule in self.rules:
            entries = getattr(rule, field)
            if entries == []:  # it says that nothing tells it
                return
            yield from entries or ()

    def first(self, field: str) -> Any:
        """Return what the first rules say that say anything of a field."""
        return next((v for rule in self.rules if (v := getattr(rule, field)) is not None), None)

    def says_nothing(self, text: str) -> bool:
        """Tell whether a value is none."""
        return not text or self._nothing.match(text.casefold()) is not None

    @functools.cached_property
    def _nothing(self) -> re.Pattern[str]:
        return re.compile("|".join(translate(p.casefold()) for p in self["nothing"]) or "(?!)")

    def named(self, field: str, text: str) -> str:
        """Return the name by which the rules want a value to be known."""
        folded = text.casefold()
        for rule in self.rules:
            for pattern, name in (rule.names or {}).get(field, {}).items():  # type: ignore[call-overload]
                if fnmatchcase(folded, pattern.casefold()):
                    return str(name)
        return text

    def kind(self, text: str) -> str | None:
        """Return the kind of frame that words tell, None where they tell none."""
        words = set(re.split(r"[^a-z]+", text.casefold()))
        for rule in self.rules:
            for kind, names in (rule.kinds or {}).items():
                if words & set(names):
                    return kind
        return None

    def plausible(self, field: str) -> tuple[Any, Any] | None:
        """Return the least and the most that is believed."""
        found = (rule.plausible[field] for rule in self.rules if field in (rule.plausible or {}))  # type: ignore[index]
        return next(found, None)


def _matches(headers: Sequence[Values], keyword: str, pattern: str) -> bool:
    said = _said(headers, keyword)
    return said is not None and fnmatchcase(said, pattern.casefold())


def _said(headers: Sequence[Values], keyword: str) -> str | None:
    """Return what the first header says that says anything of a keyword, case folded."""
    for values in headers:
        value = values.get(keyword)
        if value is not None:
            return written(value)[:LONGEST_SAID].casefold()
    return None


def written(value: Value | list[str]) -> str:
    """Return a value as text."""
    if isinstance(value, bool):
        return "T" if value else "F"
    return str(value).strip()


def read(text: str, name: str = "rules") -> File:
    """Read a file of rules.

    Raises
    ------
    RulesError
        It has a mistake.
    """
    file = _read(text, name)
    ours = built_in()[1]
    for n, rules in enumerate([*file.family, file.general]):
        told = FrameRules((rules, file.general, ours.general))
        for entry in rules.kind or ():
            if isinstance(entry, Text) and told.kind(entry.value) is None:
                whose = f"family[{n}]" if n < len(file.family) else "general"
                kinds = dict.fromkeys(k for r in told.rules for k in r.kinds or {})
                raise RulesError(
                    f"{name}, line {_line(text, f'$.{whose}.kind', '')}: "
                    f"{entry.value!r} is none of {', '.join(kinds)}."
                )
    return file


def _read(text: str, name: str) -> File:
    if len(text) > LARGEST:
        raise RulesError(f"{name} is longer than {LARGEST} bytes.")
    try:
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        where = r"(.*?) \(at (?:line (\d+), column \d+|end of document)\)"
        told = re.fullmatch(where, str(error))
        if told is None:
            raise RulesError(f"{name} is no TOML: {error}") from None
        line = told[2] or str(text.count("\n") + 1)
        raise RulesError(f"{name}, line {line}: this is no TOML: {told[1]}.") from None
    if _holds_nul(raw):
        nul = re.compile(r"\\u0{4}|\\U0{8}")
        line = next(n for n, line in enumerate(text.split("\n"), 1) if nul.search(line))
        raise RulesError(f"{name}, line {line}: a text holds no NUL character.")
    try:
        file = msgspec.convert(_shortened(raw), File)
    except msgspec.ValidationError as error:
        why, mark, path = str(error).rpartition(" - at `")
        if not mark:
            why, path = path, ""
        line = _line(text, path.rstrip("`"), why)
        raise RulesError(f"{name}, line {line}: {_plain(why, path)}") from None
    for n, family in enumerate([*file.family, file.general]):
        for bounded in family.plausible or {}:
            try:
                bounds(family.plausible, bounded)  # type: ignore[arg-type]
            except ValueError as error:
                whose = f"family[{n}]" if n < len(file.family) else "general"
                path = f"$.{whose}.plausible.{bounded}"
                raise RulesError(f"{name}, line {_line(text, path, '')}: {error}") from None
    return file


def _shortened(raw: Any) -> Any:
    """Return what was read, with keywords as they are kept: without HIERARCH."""
    match raw:
        case dict():
            return {_shortened(key): _shortened(value) for key, value in raw.items()}
        case list():
            return [_shortened(value) for value in raw]
        case str():
            return re.sub("^HIERARCH +", "", raw)
    return raw


def _holds_nul(raw: Any) -> bool:
    """Tell whether a text holds what a database cannot keep."""
    match raw:
        case dict():
            return any(_holds_nul(key) or _holds_nul(value) for key, value in raw.items())
        case list():
            return any(map(_holds_nul, raw))
    return isinstance(raw, str) and "\0" in raw


_CHOICES: dict[str, tuple[str, ...]] = {
    r"exposure\W.*unit": get_args(get_type_hints(Number)["unit"]),
    r"position\W.*unit": get_args(get_type_hints(Pointing)["unit"]),
    "scale": get_args(_Scale),
    "names": get_args(_Named),
    "plausible": get_args(_Bounded),
}
"""What can be at a path: the end of it, as an expression."""

_WORDS = {
    "object": "a table",
    "array": "a list",
    "str": "a text",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "datetime": "a time",
    "date": "a day",
}


def _plain(why: str, path: str) -> str:
    """Say in our words what is wrong."""
    if unknown := re.search("unknown field `(.*)`", why):
        return f"{unknown[1]!r} is no rule."
    if missing := re.search("missing required field `(.*)`", why):
        return f"{missing[1]!r} is missing."
    if choice := re.fullmatch("Invalid enum value (?:'(.*)'|\"(.*)\")", why):
        fitting = (c for end, c in _CHOICES.items() if re.search(rf"\b{end}\W*$", path))
        can_be = ", ".join(next(fitting, ("what can be here",)))
        return f"{choice[1] or choice[2] or ''!r} is none of {can_be}."
    if kinds := re.fullmatch("Expected `(.*)`, got `(.*)`", why):
        wanted, got = (
            " or ".join(_WORDS.get(kind, kind) for kind in some.split(" | ") if kind != "null")
            for some in kinds.groups()
        )
        return f"{wanted} is wanted here, not {got}."
    if count := re.fullmatch("Expected `array` of length (.*), got (.*)", why):
        return f"a list of {count[1]} is wanted here, not of {count[2]}."
    if bound := re.fullmatch("Expected `(?:float|int)` (>=|<=) (.*)", why):
        return (
            f"a number of at {'least' if bound[1] == '>=' else 'most'} {bound[2]} is wanted here."
        )
    if re.search(r"of length >= 1\b", why):
        return "this is empty."
    if most := re.search(r"of length <= (\d+)", why):
        return f"this is longer than {most[1]} characters."
    if "datetime" in why:
        return "a time is wanted here, such as 2000-01-01T12:00:00Z."
    return why.replace("`", "'") + "."


def _line(text: str, path: str, why: str) -> int:
    """Return the line on which something stands, counted from 1, as near as can be told.

    Parameters
    ----------
    path
        Where it is, as msgspec says it: ``$.family[2].target[0]``.
    """
    lines = text.split("\n")
    steps = re.findall(r"[^.\[\]$]+", path)
    first, last = 0, len(lines)
    if steps[:1] == ["family"] and len(steps) > 1 and steps[1].isdigit():
        heads = [n for n, line in enumerate(lines) if re.match(r"\s*\[\[\s*family\s*\]\]", line)]
        if int(steps[1]) < len(heads):
            first = heads[int(steps[1])]
            last = next((n for n in heads if n > first), last)
        steps = steps[2:]
    elif steps:
        head = rf"\s*\[\s*{re.escape(steps[0])}\s*[.\]]"
        first = next((n for n, line in enumerate(lines) if re.match(head, line)), 0)
        steps = steps[1:]
    unknown = re.search("unknown field `(.*)`", why)
    found = first
    for key in [*steps, *([unknown[1]] if unknown else [])]:
        here = rf"\s*(\[\[?[^\]]*\.)?\"?{re.escape(key)}\"?\s*(=|\.|\])"
        found = next((n for n in range(found, last) if re.match(here, lines[n])), found)
    return found + 1


def bounds(plausible: Mapping[str, tuple[Any, Any]], field: str) -> tuple[float, float]:
    """Return the least and the most of a field; seconds since 1970 for a time.

    Raises
    ------
    ValueError
        They are none.
    """
    least, most = (_bound(field, value) for value in plausible[field])
    if not least < most:
        raise ValueError(f"the bounds of {field!r} are the wrong way round.")
    return least, most


def _bound(field: str, value: Any) -> float:
    if field == "start":
        if value == "now":
            # A clock may be ahead, and what is dated in another zone too.
            return datetime.now(UTC).timestamp() + 86_400
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime.combine(value, time())
        if isinstance(value, datetime):
            return value.replace(tzinfo=value.tzinfo or UTC).timestamp()
        raise ValueError("the bounds of 'start' are dates, such as 1970-01-01, or \"now\".")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"the bounds of {field!r} are numbers.")
    return float(value)


@functools.cache
def built_in() -> tuple[str, File]:
    """Return the rules that come with the program: their text, and what it says."""
    text = resources.files(__package__).joinpath("rules.toml").read_text("utf-8")
    return text, _read(text, "rules.toml")


def book(own: str | None = None, name: str = "rules") -> RuleBook:
    """Return all rules, with those of an observatory before those of the program.

    Raises
    ------
    RulesError
        The observatory's have a mistake.
    """
    text, ours = built_in()
    theirs = read(own, name) if own else File()
    digest = hashlib.sha256(f"{text}\0{own or ''}".encode()).hexdigest()
    return RuleBook(
        families=(*theirs.family, *ours.family),
        general=(theirs.general, ours.general),
        keywords=frozenset(k.upper() for k in (*theirs.index.keywords, *ours.index.keywords)),
        digest=digest[:16],
        own=own or "",
    )
