"""Run the command of a resource: what the words mean, the call, the output."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from arcsecond import views
from arcsecond.cli import frames, searching
from arcsecond.cli.browser import open_page
from arcsecond.cli.headers import Headers
from arcsecond.cli.hints import sign_in_hint, where_to_look
from arcsecond.cli.output import Output, on_terminal
from arcsecond.cli.tasks import carry_out, reindex
from arcsecond.cli.words import Action, understand, value_of
from arcsecond.client.api import ArcsecondAPI
from arcsecond.client.endpoint import Endpoint, endpoint_of
from arcsecond.client.naming import NAMED, uuid_of
from arcsecond.client.transport import Answer
from arcsecond.errors import ArcsecondNotLoggedInError, NotFoundError
from arcsecond.registry import inside_of
from arcsecond.resource import CREATE, DELETE, LIST, READ, UPDATE, Field, Resource, Verb
from arcsecond.tables import FORMATS

INSIDE_PATIENCE_S = 120.0
"""How much longer what is worked out, such as the passes of all satellites, may take."""

ON_TERMINAL = 100
"""Rows of a list that somebody is shown who did not ask for all."""

ALREADY_THERE = 200
"""Status of an upload of the same content under the same name; 201 is a new file's."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """How what is found is to be shown."""

    output: Output
    opening: str | None
    everything: bool
    picture: _Picture | None
    headers: Headers | None
    yes: bool


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
    output = Output(as_json=as_json, quiet=quiet)
    force = given.pop("force", False)
    headers = Headers.asked(given, as_json=as_json)
    opening, everything = given.pop("open"), given.pop("all", False)
    wanted = _Wanted(output, opening, everything, _picture(given), headers, yes=yes)
    told = {f.name: given.pop(f.name, None) for task in resource.tasks for f in task.fields}
    told = {name: value for name, value in told.items() if value is not None}
    of_one = {f.name: given.pop(f.name, None) for f in resource.of_one}
    of_one = {name: value for name, value in of_one.items() if value is not None}
    if task := next((task for task in resource.tasks if words[:1] == (task.name,)), None):
        carry_out(resource, task, words[1:], server, output, force=force, given=told)
        return
    version = of_one.get("version")
    if resource.everywhere and _of_files(resource, words, given, server, wanted, version):
        return
    if told:
        task = next(task for task in resource.tasks if task.fields)
        raise click.UsageError(f"--{next(iter(told))} goes with {task.name}.")
    if force:
        raise click.UsageError("--force goes with import and refresh.")
    if not all(word.strip() for word in words):
        raise click.UsageError("An empty name finds nothing.")
    action = understand(resource, words)
    if of_one and (action.key is None or action.verb not in (READ, DELETE)):
        raise click.UsageError(f"--{next(iter(of_one))} goes with read and delete of one.")
    if _inside(resource, action, given, server, wanted):
        return
    filters, fields = _sorted_out(resource, action, given)
    listing = [*filters, *(["all"] if wanted.everything else [])]
    _check_options(action.verb, fields, listing if LIST in resource.verbs else [], wanted)
    if wanted.picture and not (resource.image and action.key):
        raise click.UsageError(f"--out goes with a picture, like this: {resource.example}")
    with ArcsecondAPI(server=server) as api:
        try:
            action = _by_uuid(api, resource, action)
            endpoint = api.endpoint(resource.name, action.parent)
            _do(api, endpoint, action, filters | of_one, fields, wanted)
        except NotFoundError as error:
            error.hint = error.hint or where_to_look(resource, action, error.detail)
            if not api.config.embedded:
                error.hint += f" Asked was {api.config.server}."
            raise
        except ArcsecondNotLoggedInError as error:
            error.hint = sign_in_hint(api, error.hint)
            raise


def _of_files(
    resource: Resource,
    words: tuple[str, ...],
    given: dict[str, Any],
    server: str | None,
    wanted: _Wanted,
    version: int | None,
) -> bool:
    """Search files, or read their headers again, if that was asked for."""
    chosen, counting = given.pop("format", None), given.pop("count", False)
    if chosen and counting:
        raise click.UsageError("--count is a number, whatever the --format.")
    if words[:1] == ("search",):
        _search(resource, words[1:], given, server, wanted, chosen, counting=counting)
        return True
    if chosen or counting:
        raise click.UsageError(f"--{'count' if counting else 'format'} goes with search.")
    cutout = given.pop("cutout", None)
    if words[1:] == ("reindex",):
        reindex(words[0], server, wanted.output)
        return True
    if cutout is not None or wanted.picture is not None:
        _save(resource, words, cutout, server, wanted, version)
        return True
    return False


def _save(
    resource: Resource,
    words: tuple[str, ...],
    cutout: str | None,
    server: str | None,
    wanted: _Wanted,
    version: int | None,
) -> None:
    """Save a file, what is seen of it, or a part of it."""
    action = understand(resource, words)
    if action.key is None or action.verb != READ:
        raise click.UsageError("--out and --cutout go with read of one file.")
    if cutout is not None and version is not None:
        raise click.UsageError("--cutout goes without --version.")
    with ArcsecondAPI(server=server) as api:
        action = _by_uuid(api, resource, action)
        assert action.key is not None
        frames.save(
            api.endpoint(resource.name, action.parent),
            action.key,
            out=wanted.picture.file if wanted.picture else None,
            cutout=cutout,
            hdu=wanted.headers.hdu if wanted.headers else None,
            version=version,
            output=wanted.output,
        )


def _search(
    resource: Resource,
    words: Sequence[str],
    given: dict[str, Any],
    server: str | None,
    wanted: _Wanted,
    chosen: str | None,
    *,
    counting: bool,
) -> None:
    """Search files wherever they live; words are conditions."""
    if wanted.headers or wanted.opening is not None:
        raise click.UsageError("Headers and pages are shown of one file, not of a search.")
    filters = {name: given.pop(name) for name in resource.filters if given.get(name) is not None}
    if stray := next((name for name, value in given.items() if value is not None), None):
        raise click.UsageError(f"--{stray} does not go with search.")
    if where := searching.conditions(words, filters.pop("where", None)):
        filters["where"] = where
    with ArcsecondAPI(server=server) as api:
        try:
            endpoint = api.endpoint(resource.name)
            if chosen in FORMATS:
                searching.write(endpoint.everything(**filters).data, chosen)
                return
            if counting:
                click.echo(endpoint.list(**filters).total())
                return
            output = wanted.output
            if chosen is not None and not output.quiet:
                output = Output(as_json=chosen == "json")
                output.for_people = chosen == "table"
            answer = _asked(endpoint, None, filters, replace(wanted, output=output))
            output.answer(resource.name, answer, where=api.config.server)
        except ArcsecondNotLoggedInError as error:
            error.hint = sign_in_hint(api, error.hint)
            raise


def _do(
    api: ArcsecondAPI,
    endpoint: Endpoint,
    action: Action,
    filters: Mapping[str, str],
    fields: dict[str, Any],
    wanted: _Wanted,
) -> None:
    output, name = wanted.output, endpoint.resource.name
    if wanted.picture is not None:
        wanted.picture.save(endpoint, action.key, filters, output)
    elif wanted.opening is not None:
        as_api = wanted.opening == "api"
        open_page(api, endpoint, action.key, as_api=as_api, output=output, filters=filters)
    elif wanted.headers is not None and wanted.headers.rows:
        assert action.key is not None
        frames.show_rows(endpoint, action.key, wanted.headers.hdu, output)
    elif wanted.headers is not None:
        wanted.headers.show(endpoint.answer("GET", action.key, params=filters).data)
    elif action.verb in (CREATE, UPDATE):
        _write(api, endpoint, action, fields, output)
    elif action.verb == DELETE:
        _delete(endpoint, action, filters, yes=wanted.yes, output=output)
    else:
        answer = _asked(endpoint, action.key, filters, wanted)
        output.answer(name, answer, where=api.config.server)
        if name == "satellites":
            if not answer.data and not filters:
                output.say(views.NO_SATELLITES)
            _tell_age(answer.data, output)


def _asked(
    endpoint: Endpoint, key: str | None, filters: Mapping[str, str], wanted: _Wanted
) -> Answer:
    """Return one, all of a list, or of a list that somebody looks at the first page."""
    resource = endpoint.resource
    listed = key is None and LIST in resource.verbs
    patience = INSIDE_PATIENCE_S if resource.whole else 0.0
    if listed and wanted.everything:
        return endpoint.everything(**filters)
    if listed and wanted.output.for_people and not resource.latest:
        filters = {"page_size": str(ON_TERMINAL), **filters}
    return endpoint.answer("GET", key, params=filters, patience=patience)


def _sorted_out(
    resource: Resource, action: Action, given: dict[str, Any]
) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the options that seek, and those that are fields of a create or an update."""
    sought = {f.name: given.pop(f.name, None) for f in resource.sought}
    if action.verb == LIST:  # what a create takes may narrow a list, too
        sought |= {name: given.pop(name) for name in resource.filters if given.get(name)}
    filters = {k: v for k, v in {**sought, **action.filters}.items() if v is not None}
    fields = {k: v for k, v in given.items() if v is not None}
    if stray := next((name for name in fields if name not in _names(resource.fields)), None):
        raise click.UsageError(_goes_with(resource, stray))
    return filters, fields


def _picture(given: dict[str, Any]) -> _Picture | None:
    saving, survey = given.pop("out", None), given.pop("survey", None)
    if survey and saving is None:
        raise click.UsageError("--survey goes with --out.")
    return None if saving is None else _Picture(saving, survey)


def _names(fields: Sequence[Field]) -> set[str]:
    return {f.name for f in fields}


def _goes_with(resource: Resource, name: str) -> str:
    """Say what an option is for that was given without it."""
    others = [f"--{i.name}" for i in inside_of(resource) if name in _names(i.sought)]
    return f"--{name} goes with {' or '.join(others)}."


@dataclass(frozen=True, slots=True)
class _Picture:
    """A picture that is to be saved: where, and of which survey, if any."""

    file: str
    survey: str | None

    def save(
        self, endpoint: Endpoint, key: str | None, filters: Mapping[str, Any], output: Output
    ) -> None:
        """Fetch and save it."""
        path = endpoint.save(self.file, key, survey=self.survey, **filters)
        output.saved(str(path))


def _inside(
    resource: Resource,
    action: Action,
    given: dict[str, Any],
    server: str | None,
    wanted: _Wanted,
) -> bool:
    """Show what is inside one of a resource, such as the transits of a planet, if it was asked for.

    Takes its options out of those that were given.
    """
    asked = [inside for inside in inside_of(resource) if given.pop(inside.name)]
    if not asked:
        return False
    if len(asked) > 1:
        raise click.UsageError(f"--{asked[0].name} or --{asked[1].name}, one at a time.")
    (inside,) = asked
    if action.verb not in (READ, LIST):
        raise click.UsageError(
            f"--{inside.name} shows what is there; it does not go with {action.verb}."
        )
    if action.key is None and not inside.whole:
        raise click.UsageError(f"--{inside.name} of which one? Like this: {inside.example}")
    filters = {f.name: v for f in inside.sought if (v := given.pop(f.name)) is not None}
    for name, value in action.filters.items():
        if name not in inside.filters:
            raise click.UsageError(f"{name} does not go with --{inside.name}.")
        filters[name] = value
    if stray := next((name for name, value in given.items() if value is not None), None):
        raise click.UsageError(f"--{stray} does not go with --{inside.name}.")
    picture, output = wanted.picture, wanted.output
    if picture and (not inside.image or picture.survey):
        raise click.UsageError(f"--{inside.name} has no such picture to save.")
    with ArcsecondAPI(server=server) as api:
        endpoint = api.endpoint(inside.name, _by_uuid(api, resource, action).key)
        if picture:
            picture.save(endpoint, None, filters, output)
        elif wanted.opening is not None:
            as_api = wanted.opening == "api"
            open_page(api, endpoint, None, as_api=as_api, output=output, filters=filters)
        else:
            answer = _asked(endpoint, None, filters, wanted)
            output.answer(inside.name, answer, where=api.config.server)
            if resource.name == "satellites":
                _tell_age(answer.data, output)
    return True


def _tell_age(data: Any, output: Output) -> None:
    """Say to people that element sets are old; programs have ``is_old``."""
    if not output.for_people:
        return
    if not isinstance(data, dict) or "age_days" not in data:
        return  # a list says so below its table
    age = data["age_days"]
    if abs(age) > views.OLD_DAYS:
        word = "old" if age > 0 else "younger than that"
        output.say(f"Its elements are {abs(age):,.0f} days {word}: they may be far off.")


def _check_options(
    verb: Verb, fields: Mapping[str, Any], listing: Sequence[str], wanted: _Wanted
) -> None:
    """Refuse options that do not go with what is to be done."""
    opening = wanted.opening
    if wanted.headers and (verb != READ or opening is not None):
        raise click.UsageError("--header, --hdu, --keyword and --rows go with read of one.")
    if fields and verb not in (CREATE, UPDATE):
        raise click.UsageError(f"--{next(iter(fields))} goes with create and update.")
    if opening is not None and verb not in (READ, LIST):
        raise click.UsageError(f"--open shows what is there; it does not go with {verb}.")
    if listing and (verb != LIST or opening is not None):
        what = "--open" if verb == LIST else verb
        raise click.UsageError(f"--{listing[0]} goes with a list, not with {what}.")
    if verb == UPDATE and not fields:
        raise click.UsageError("update needs something to change; --help lists the options.")


def _by_uuid(api: ArcsecondAPI, resource: Resource, action: Action) -> Action:
    """Return what is asked for with the UUID of a dataset or a data package for its name."""
    if action.parent is not None:
        return replace(action, parent=uuid_of(api.transport, "datasets", action.parent))
    if resource.name in NAMED and action.key is not None:
        return replace(action, key=uuid_of(api.transport, resource.name, action.key))
    return action


def _write(
    api: ArcsecondAPI, endpoint: Endpoint, action: Action, fields: dict[str, Any], output: Output
) -> None:
    values = {
        f.name: value_of(f, fields[f.name]) for f in endpoint.resource.fields if f.name in fields
    }
    method = "POST" if action.verb == CREATE else "PATCH"
    if "file" not in values:
        answer = endpoint.answer(method, action.key, values)
        output.answer(endpoint.resource.name, answer)
        if endpoint.resource.name == "datasets" and values.keys() & {"is_public", "embargo"}:
            _tell_published(answer.data, output)
        return
    file = Path(values["file"])
    with output.progress(file) as progress:
        sending = endpoint_of(endpoint.resource, api.transport, action.parent, progress)
        answer = sending.answer(method, action.key, values)
    output.answer(endpoint.resource.name, answer)
    if problems := answer.data["problems"]:
        output.say(f"{answer.data['name']} is kept, and damaged: {' '.join(problems)}")
    if action.verb == CREATE and answer.status == ALREADY_THERE:
        output.say(f"This file was there already, as {answer.data['pk']}; nothing was added.")


def _tell_published(dataset: Mapping[str, Any], output: Output) -> None:
    """Say so where everyone sees a dataset that was just closed, by a data package."""
    embargo = dataset["embargo"]
    closed = not dataset["is_public"] or (
        embargo and embargo > datetime.now(UTC).date().isoformat()
    )
    if closed and dataset["is_published"]:
        output.say("Everyone sees it still: a data package that it is part of is public.")


def _delete(
    endpoint: Endpoint, action: Action, params: Mapping[str, str], *, yes: bool, output: Output
) -> None:
    name = endpoint.resource.name
    what = f"{name} {action.key}" + "".join(f", {key} {value}" for key, value in params.items())
    asking = not yes and on_terminal(sys.stdin) and on_terminal(sys.stderr)
    one = endpoint.answer("GET", action.key).data if asking or name == "datasets" else {}
    packages = len(one.get("datapackages", ()))
    held = f"{packages} data package{'s' if packages > 1 else ''}"
    if asking:
        title = views.title_of(name, one)
        called = "" if title == action.key else f", {title!r}"
        if packages:
            output.say(f"It is part of {held}.")
        if not click.confirm(f"Delete {what}{called}?", err=True):
            output.say("Nothing was deleted.")
            raise click.exceptions.Exit(1)
    endpoint.answer("DELETE", action.key, params=params or None)
    output.done(f"Deleted {what}.")
    if packages:
        output.say(f"It was part of {held}: its files are missing there now.")
