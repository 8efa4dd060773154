"""Do what administrators do with a resource as a whole: import, refresh, build."""

from __future__ import annotations

import difflib
import json
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from arcsecond.cli.output import Counter, Output, on_terminal
from arcsecond.cli.saying import say
from arcsecond.client.api import ArcsecondAPI
from arcsecond.client.endpoint import Endpoint
from arcsecond.client.transport import Answer
from arcsecond.errors import ArcsecondError, ArcsecondInputValueError, NameTakenError
from arcsecond.resource import Resource, Task

POLL_S = 0.5
LARGE = 4 << 20
"""Bytes that take a moment to send."""


def carry_out(
    resource: Resource,
    task: Task,
    words: Sequence[str],
    server: str | None,
    output: Output,
    *,
    force: bool,
    given: Mapping[str, Any],
) -> None:
    """Do what a task's command line says.

    Parameters
    ----------
    given
        What else it is told.
    """
    rest = list(words)
    if task.keyed:
        _do_with_one(resource, task, rest, server, output, given)
        return
    word = rest.pop(0) if task.choices and rest else ""
    if task.choices and word not in task.choices and not (task.optional and not word):
        raise click.UsageError(_which(resource, task, word))
    files = _files(resource, task, rest)
    fields = {"force": True} if force else {}
    with ArcsecondAPI(server=server) as api:
        endpoint = api.endpoint(resource.name)
        large = next(
            (file for file in files if file.is_file() and file.stat().st_size > LARGE), Path()
        )
        with _watching(endpoint, output), output.progress(large) as progress:
            sending = Endpoint(resource, api.transport, None, progress)
            answer = sending.do(task.name, *filter(None, [word]), files=files, **fields)
    if output.for_people:
        for line in _told(resource, answer.data):
            output.say(line)
    else:
        output.raw(answer)


def reindex(dataset: str, server: str | None, output: Output) -> None:
    """Read the headers of a dataset's files again."""
    with ArcsecondAPI(server=server) as api, Counter("Reading headers") as counter:
        read, changed = api.datasets(dataset).reindex(progress=counter.show)
    if output.quiet:
        return
    if not output.for_people:
        click.echo(json.dumps({"read": read, "changed": changed}))
    else:
        output.say(read_again(read, changed))


def read_again(read: int, changed: int) -> str:
    """Say how reading headers again went."""
    if not read:
        return "All headers are read by the rules in force already."
    many = "1 file" if read == 1 else f"{read:,} files"
    return f"The headers of {many} were read again; {changed:,} say something else now."


def _do_with_one(
    resource: Resource,
    task: Task,
    words: Sequence[str],
    server: str | None,
    output: Output,
    given: Mapping[str, Any],
) -> None:
    if len(words) != 1:
        raise click.UsageError(f"Type `arcsecond {resource.name} {task.usage}`.")
    with ArcsecondAPI(server=server) as api:
        answer = _asking_for_names(api.endpoint(resource.name), task, words[0], given)
    if output.for_people:
        output.say(_done(answer.data))
    elif output.quiet:
        click.echo(words[0])
    else:
        output.raw(answer)


def _asking_for_names(endpoint: Endpoint, task: Task, key: str, given: Mapping[str, Any]) -> Answer:
    """Do a task, and ask for another name as long as the one that was given is taken."""
    while True:
        try:
            return endpoint.do(task.name, key, **given)
        except NameTakenError as error:
            if not (on_terminal(sys.stdin) and on_terminal(sys.stderr)):
                raise
            say(error.detail)
            given = {**given, "name": click.prompt("Another name", err=True)}


def _done(data: Any) -> str:
    """Say what became of one."""
    if "kind" in data:
        return f"{data['kind']} {data['name']!r} is back."
    if address := data["share_url"]:
        told = f"Whoever has this link sees {data['name']!r}: {address}"
        served = "" if "://" in address else " (on your server, which `arcsecond serve` starts)"
        return told + served
    return f"No link shows {data['name']!r} any more."


def _which(resource: Resource, task: Task, word: str) -> str:
    near = difflib.get_close_matches(word, task.choices, 1, 0.6)
    meant = f" Did you mean `{near[0]}`?" if near else ""
    return f"Type `arcsecond {resource.name} {task.usage}`.{meant}"


def _files(resource: Resource, task: Task, words: Sequence[str]) -> list[Path]:
    """Return the files that are named; of a folder those in it, but for hidden ones."""
    if not task.files:
        if words:
            raise click.UsageError(f"This is too much: {words[0]!r}.")
        return []
    if not words:
        raise click.UsageError(f"Which file? Type `arcsecond {resource.name} {task.usage}`.")
    files: list[Path] = []
    for word in words:
        path = Path(word).expanduser()
        if path.is_dir():
            inside = sorted(one for one in path.iterdir() if one.is_file())
            files += [one for one in inside if not one.name.startswith(".")]
        else:
            files.append(path)
    if not files:
        raise ArcsecondInputValueError(f"There are no files in {words[0]}.")
    return files


_READ = {
    "satellites": ("element set", "element sets"),
    "observingsites": ("observatory code", "observatory codes"),
}


def _told(resource: Resource, data: Any) -> Iterator[str]:
    for done in data if isinstance(data, list) else [data]:
        if "read" in done:
            one, many = _READ[resource.name]
            yield (
                f"Read {done['read']:,} {one if done['read'] == 1 else many}: {done['added']:,} "
                f"new, {done['updated']:,} changed, {done['unchanged']:,} unchanged."
            )
        elif done["problem"]:
            yield f"{done['key']}: {done['problem']} It stays as it was."
        elif done["unchanged"]:
            yield f"{done['key']}: this is there already; nothing was changed."
        else:
            rows = f"{done['rows']:,} {'row' if done['rows'] == 1 else 'rows'}"
            yield f"{done['key']}: {rows}, {done['before']:,} before."
            if left := done["left_out"]:
                more = f" and {len(left) - 5} more" if len(left) > 5 else ""
                yield f"Left out, without a position: {', '.join(left[:5])}{more}."


@contextmanager
def _watching(endpoint: Endpoint, output: Output) -> Iterator[None]:
    """Show on stderr how far the server is, where somebody looks."""
    if endpoint.resource.name != "catalogues" or not on_terminal(sys.stderr) or output.quiet:
        yield
        return
    over = threading.Event()
    width = 0

    def watch() -> None:
        nonlocal width
        while not over.wait(POLL_S):
            try:
                work = endpoint.at("work").answer("GET").data
            except ArcsecondError:
                continue
            text = ", ".join(f"{one['title']}: {one['rows']:,} rows" for one in work)
            click.echo(f"\r{text:<{width}}", nl=False, err=True)
            width = max(width, len(text))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(5)
        if width:
            click.echo(f"\r{'':<{width}}\r", nl=False, err=True)
