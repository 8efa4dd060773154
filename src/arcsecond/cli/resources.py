"""Run the command of a resource: what the words mean, the call, the output."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import click

from arcsecond import views
from arcsecond.cli.browser import open_page
from arcsecond.cli.output import Output, on_terminal
from arcsecond.cli.tasks import carry_out
from arcsecond.client.api import ArcsecondAPI
from arcsecond.client.endpoint import Endpoint
from arcsecond.errors import ArcsecondInputValueError, ArcsecondNotLoggedInError, NotFoundError
from arcsecond.registry import (
    CREATE,
    DELETE,
    KEEP,
    LIST,
    READ,
    UPDATE,
    Field,
    Resource,
    Verb,
    inside_of,
)

ALREADY_THERE = 200
"""Status of an upload of the same content under the same name; 201 is a new file's."""


@dataclass(frozen=True, slots=True)
class Action:
    """What a command line asks for."""

    verb: Verb
    key: str | None = None
    parent: str | None = None
    filters: Mapping[str, str] = field(default_factory=dict)


def run(
    *,
    resource: Resource,
    words: tuple[str, ...],
    server: str | None,
    as_json: bool,
    quiet: bool,
    yes: bool = False,
    **given: Any,
) -> None:
    """Do what a resource's command line says."""
    opening, everything = given.pop("open"), given.pop("all", False)
    output = Output(as_json=as_json, quiet=quiet)
    force = given.pop("force", False)
    if task := next((task for task in resource.tasks if words[:1] == (task.name,)), None):
        carry_out(resource, task, words[1:], server, output, force=force)
        return
    if force:
        raise click.UsageError("--force goes with import and refresh.")
    if not all(word.strip() for word in words):
        raise click.UsageError("An empty name finds nothing.")
    action = understand(resource, words)
    if _inside(resource, action, given, server, output):
        return
    sought = {f.name: given.pop(f.name) for f in resource.sought}
    filters = {k: v for k, v in {**sought, **action.filters}.items() if v is not None}
    fields = {k: v for k, v in given.items() if v is not None}
    _check_options(action.verb, fields, [*filters, *(["all"] if everything else [])], opening)
    with ArcsecondAPI(server=server) as api:
        endpoint = api.endpoint(resource.name, action.parent)
        try:
            if opening is not None:
                open_page(api, endpoint, action.key, as_api=opening == "api", output=output)
            elif action.verb in (CREATE, UPDATE):
                _write(api, endpoint, action, fields, output)
            elif action.verb == DELETE:
                _delete(endpoint, action, yes=yes, output=output)
            else:
                answer = (
                    endpoint.everything(**filters)
                    if everything
                    else endpoint.answer("GET", action.key, params=filters)
                )
                output.answer(resource.name, answer, where=api.config.server)
                if resource.name == "satellites" and not answer.data:
                    output.say(
                        "No satellites yet. Import a TLE file: arcsecond satellites import FILE"
                    )
        except NotFoundError as error:
            error.hint = error.hint or _where_to_look(resource, action, error.detail)
            if not api.config.embedded:
                error.hint += f" Asked was {api.config.server}."
            raise
        except ArcsecondNotLoggedInError as error:
            error.hint = sign_in_hint(api, error.hint)
            raise


def _inside(
    resource: Resource, action: Action, given: dict[str, Any], server: str | None, output: Output
) -> bool:
    """Show a list inside one of a resource, such as the transits of a planet, if it was asked for.

    Takes its options out of those that were given.
    """
    for inside in inside_of(resource):
        asked = given.pop(inside.name)
        filters = {f.name: v for f in inside.sought if (v := given.pop(f.name)) is not None}
        if not asked and filters:
            raise click.UsageError(f"--{next(iter(filters))} goes with --{inside.name}.")
        if asked and action.key is None:
            raise click.UsageError(f"--{inside.name} of which one? Like this: {inside.example}")
        if asked:
            with ArcsecondAPI(server=server) as api:
                endpoint = api.endpoint(inside.name, action.key)
                answer = endpoint.answer("GET", params=filters)
                output.answer(inside.name, answer, where=api.config.server)
            return True
    return False


def _check_options(
    verb: Verb, fields: Mapping[str, Any], listing: Sequence[str], opening: str | None
) -> None:
    """Refuse options that do not go with what is to be done."""
    if fields and verb not in (CREATE, UPDATE):
        raise click.UsageError(f"--{next(iter(fields))} goes with create and update.")
    if opening is not None and verb not in (READ, LIST):
        raise click.UsageError(f"--open shows what is there; it does not go with {verb}.")
    if listing and (verb != LIST or opening is not None):
        what = "--open" if verb == LIST else verb
        raise click.UsageError(f"--{listing[0]} goes with a list, not with {what}.")
    if verb == UPDATE and not fields:
        raise click.UsageError("update needs something to change; --help lists the options.")


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
            raise click.UsageError(f"{resource.name} live in a dataset: give its UUID first.")
        parent = rest.pop(0)
    if resource.key == "name":
        return _named(resource, rest)
    if resource.words:
        if len(rest) > len(resource.words):
            raise click.UsageError(f"This is too much: {rest[-1]!r}.")
        return Action(LIST, filters=dict(zip(resource.words, rest, strict=False)))
    verb: Verb | None = None
    if rest and rest[0] in KEEP and rest[0] in resource.verbs:
        verb = cast(Verb, rest.pop(0))
    elif rest and (near := difflib.get_close_matches(rest[0], resource.verbs, 1, 0.6)):
        raise click.UsageError(f"There is no {rest[0]!r}. Did you mean `{near[0]}`?")
    if len(rest) > 1 or (rest and resource.key == "none"):
        raise click.UsageError(f"This is too much: {' '.join(rest[1:] or rest)!r}.")
    key = rest[0] if rest else None
    if verb in (UPDATE, DELETE) and key is None:
        raise click.UsageError(f"Which one? Type `{verb}` and then its {resource.key}.")
    if verb in (CREATE, LIST) and key is not None:
        option = next(
            (f"; write --{f.name} {key}" for f in resource.fields if f.kind == "file"), ""
        )
        raise click.UsageError(f"{verb} takes no {resource.key}, but {key!r} was given{option}.")
    if verb is None or verb == READ:
        verb = READ if key is not None or resource.key == "none" else LIST
    return Action(verb, key, parent)


def _named(resource: Resource, words: list[str]) -> Action:
    if words[:1] == ["search"] and "search" in resource.filters:
        text = " ".join(words[1:]).strip()
        if not text:
            raise click.UsageError("Search for what? Type some letters of a name.")
        return Action(LIST, filters={"search": text})
    if words[:1] == ["read"] and len(words) > 1:
        words = words[1:]
    name = " ".join(words).strip()
    if not name and LIST not in resource.verbs:
        raise click.UsageError(f"Of which object? Like this: {resource.example}")
    return Action(READ, name) if name else Action(LIST)


def _write(
    api: ArcsecondAPI, endpoint: Endpoint, action: Action, fields: dict[str, Any], output: Output
) -> None:
    values = {
        f.name: _value(f, fields[f.name]) for f in endpoint.resource.fields if f.name in fields
    }
    method = "POST" if action.verb == CREATE else "PATCH"
    if "file" not in values:
        output.answer(endpoint.resource.name, endpoint.answer(method, action.key, values))
        return
    file = Path(values["file"])
    with output.progress(file) as progress:
        sending = Endpoint(endpoint.resource, api.transport, action.parent, progress)
        answer = sending.answer(method, action.key, values)
    output.answer(endpoint.resource.name, answer)
    if problems := answer.data["problems"]:
        output.say(f"{answer.data['name']} is kept, and damaged: {' '.join(problems)}")
    if action.verb == CREATE and answer.status == ALREADY_THERE:
        output.say(f"This file was there already, as {answer.data['pk']}; nothing was added.")


def _value(field: Field, text: Any) -> Any:
    if field.kind == "list":
        return [tag.strip() for tag in text.split(",") if tag.strip()]
    if field.kind == "coordinates":
        try:
            ra_deg, dec_deg = (float(part) for part in text.split(","))
        except ValueError:
            raise ArcsecondInputValueError(
                f"{text!r} is no position; write RA,DEC in decimal degrees, like 14.86,-72.16."
            ) from None
        return {"right_ascension": ra_deg, "declination": dec_deg}
    return text


def _delete(endpoint: Endpoint, action: Action, *, yes: bool, output: Output) -> None:
    name = endpoint.resource.name
    what = f"{name} {action.key}"
    if not yes and on_terminal(sys.stdin) and on_terminal(sys.stderr):
        title = views.title_of(name, endpoint.answer("GET", action.key).data)
        if not click.confirm(f"Delete {what}, {title!r}?", err=True):
            output.say("Nothing was deleted.")
            raise click.exceptions.Exit(1)
    endpoint.answer("DELETE", action.key)
    output.done(f"Deleted {what}.")


def _where_to_look(resource: Resource, action: Action, detail: str) -> str:
    if resource.name == "satellites":
        return "Type `arcsecond satellites import FILE` to add some from a TLE file."
    if resource.parent and detail.startswith("Dataset"):
        return f"Type `arcsecond {resource.parent}` to see what there is."
    if LIST not in resource.verbs:
        return "Type `arcsecond objects` to see what there is."
    if "search" in resource.filters and action.key:
        return f"Type `arcsecond {resource.name} search` and a part of its name."
    inside = f" {action.parent}" if action.parent else ""
    return f"Type `arcsecond {resource.name}{inside}` to see what there is."


def sign_in_hint(api: ArcsecondAPI, hint: str) -> str:
    """Return the command that mends a missing or a wrong key."""
    if "ARCSECOND_KEY" in os.environ:
        return "ARCSECOND_KEY holds a key that is not known here; unset it."
    if api.config.embedded and api.config.key:
        return (
            "The key at hand is not known here. Type `arcsecond logout` to be the owner again, "
            "or `arcsecond login`."
        )
    if not api.config.embedded:
        return f"Type `arcsecond login --server {api.config.server}`."
    return hint
