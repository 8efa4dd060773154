"""What the words after the command of a resource mean, and what its options say."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import click

from arcsecond.errors import ArcsecondInputValueError
from arcsecond.resource import CREATE, DELETE, KEEP, LIST, READ, UPDATE, Field, Resource, Verb


@dataclass(frozen=True, slots=True)
class Action:
    """What a command line asks for."""

    verb: Verb
    key: str | None = None
    parent: str | None = None
    filters: Mapping[str, str] = field(default_factory=dict)


def understand(resource: Resource, words: tuple[str, ...]) -> Action:
    """Tell what the words after a command mean.

    Raises
    ------
    click.UsageError
        Something is missing or too much.
    """
    rest = list(words)
    parent = None
    if resource.parent:
        if not rest:
            raise click.UsageError(f"{resource.name} live in a dataset: name it first.")
        parent = rest.pop(0)
    if rest[:1] == ["search"] and "search" in resource.filters:
        return Action(LIST, filters={"search": _sought(rest[1:])})
    if resource.key == "name":
        return _named(resource, rest)
    if resource.words:
        if len(rest) > len(resource.words):
            raise click.UsageError(f"This is too much: {rest[-1]!r}.")
        return Action(LIST, filters=dict(zip(resource.words, rest, strict=False)))
    verb = _verb(resource, rest)
    if resource.key in ("called", "norad") and rest:
        rest = [" ".join(rest).strip()]  # names of several words
    if len(rest) > 1 or (rest and resource.key == "none"):
        raise click.UsageError(f"This is too much: {' '.join(rest[1:] or rest)!r}.")
    key = rest[0] if rest else None
    _check_key(resource, verb, key)
    if verb is None or verb == READ:
        verb = READ if key is not None or resource.key == "none" else LIST
    return Action(verb, key, parent)


def _verb(resource: Resource, rest: list[str]) -> Verb | None:
    """Take the verb out of some words, if they begin with one."""
    if rest and rest[0] in KEEP and rest[0] in resource.verbs:
        return cast(Verb, rest.pop(0))
    if resource.key in ("called", "norad"):  # a name, which may look like a verb: Crete
        return None
    if rest and (near := difflib.get_close_matches(rest[0], resource.verbs, 1, 0.6)):
        raise click.UsageError(f"There is no {rest[0]!r}. Did you mean `{near[0]}`?")
    return None


def _check_key(resource: Resource, verb: Verb | None, key: str | None) -> None:
    """Refuse a verb without the key that it needs, or with one that it does not take."""
    what = {"called": "name", "norad": "number"}.get(resource.key, resource.key)
    if verb in (UPDATE, DELETE) and key is None:
        raise click.UsageError(f"Which one? Type `{verb}` and then its {what}.")
    if verb in (CREATE, LIST) and key is not None:
        option = next(
            (f"; write --{f.name} {key}" for f in resource.fields if f.kind == "file"), ""
        )
        raise click.UsageError(f"{verb} takes no {what}, but {key!r} was given{option}.")


def _sought(words: list[str]) -> str:
    text = " ".join(words).strip()
    if not text:
        raise click.UsageError("Search for what? Type some letters of a name.")
    return text


def _named(resource: Resource, words: list[str]) -> Action:
    if words[:1] == ["read"] and len(words) > 1:
        words = words[1:]
    name = " ".join(words).strip()
    if not name and LIST not in resource.verbs:
        raise click.UsageError(f"Of which object? Like this: {resource.example}")
    return Action(READ, name) if name else Action(LIST)


def value_of(field: Field, text: Any) -> Any:
    """Return what an option says for a field.

    Raises
    ------
    ArcsecondInputValueError
        It is none of its kind.
    """
    if field.kind == "list":
        return [tag.strip() for tag in text.split(",") if tag.strip()]
    if field.kind == "number":
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise ArcsecondInputValueError(f"--{field.name} takes a number, not {text!r}.")
        return number
    if field.kind == "coordinates":
        try:
            ra_deg, dec_deg = (float(part) for part in text.split(","))
        except ValueError:
            raise ArcsecondInputValueError(
                f"{text!r} is no position; write RA,DEC in decimal degrees, like 14.86,-72.16."
            ) from None
        return {"right_ascension": ra_deg, "declination": dec_deg}
    return text
