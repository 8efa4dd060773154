"""Commands of resources, each built from its row in the registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from arcsecond.cli.commands.options import CONTEXT, field_option, lazy, shared_options
from arcsecond.registry import inside_of
from arcsecond.resource import Field, Resource
from arcsecond.tables import FORMATS


class ResourceCommand(click.Command):
    """A command whose ``--open`` may be followed by "api"."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give ``--open`` its value: it is a flag that may have one."""
        given: list[str] = []
        for arg in args:
            if arg == "api" and given and given[-1] == "--open=page":
                given[-1] = "--open=api"
            else:
                given.append("--open=page" if arg == "--open" else arg)
        return super().parse_args(ctx, given)


def resource_command(resource: Resource) -> click.Command:
    """Build the command of a resource from its row."""
    params: list[click.Parameter] = [
        click.Argument(
            ["words"], nargs=-1, metavar=_usage(resource), shell_complete=_completion(resource)
        ),
        *map(field_option, _fields(resource)),
        click.Option(["--open"], metavar="[api]", help="Open its page, or the API's answer."),
    ]
    if "list" in resource.verbs:
        params.append(click.Option(["--all"], is_flag=True, help="Every page of a list."))
    params += [
        click.Option([f"--{inside.name}"], is_flag=True, help=inside.summary)
        for inside in inside_of(resource)
    ]
    params += map(field_option, _inside_fields(resource))
    params += map(field_option, resource.of_one)
    params += [field_option(field) for task in resource.tasks for field in task.fields]
    if resource.image or any(inside.image for inside in inside_of(resource)):
        told = "Save the picture there: .png, .svg or .pdf."
        params.append(click.Option(["--out"], type=click.Path(), metavar="FILE", help=told))
    if resource.name == "findingcharts":
        told = "With --out FILE.jpg, the picture of a survey: dss, 2mass, panstarrs or sdss."
        params.append(click.Option(["--survey"], help=told))
    if resource.name == "fitsfiles":
        params += _header_options()
        told = "With search: table, json, csv, ecsv or votable."
        formats = click.Choice(["table", "json", *FORMATS])
        params.append(click.Option(["--format"], type=formats, help=told))
        told = "With search: how many there are, exactly, and nothing else."
        params.append(click.Option(["--count"], is_flag=True, help=told))
        told = "A part of an image, with its WCS: RA,DEC,SIZE or NAME,SIZE."
        params.append(click.Option(["--cutout"], metavar="PLACE,SIZE", help=told))
        told = "Save it there, or a cutout, or the picture (.webp) or plot (.svg)."
        params.append(click.Option(["--out"], type=click.Path(), metavar="FILE", help=told))
    if any(task.forced for task in resource.tasks):
        told = "Import or refresh, though there are far fewer rows than before."
        params.append(click.Option(["--force"], is_flag=True, help=told))
    if "delete" in resource.verbs:
        params.append(click.Option(["-y", "--yes"], is_flag=True, help="Delete without asking."))
    params += shared_options()

    def callback(**values: Any) -> Any:
        return lazy("resources", "run")(resource=resource, **values)

    more = ""
    if "search" in resource.filters:
        more = " `search TEXT` lists those with a name that holds it."
    more += "".join(f"\n\n`{task.usage}`: {task.help}" for task in resource.tasks)
    if resource.name == "fitsfiles":
        more += (
            " `reindex` reads the headers of all of them again, after the rules changed."
            "\n\n`search [CONDITION]...`: Search the files of all datasets, by the options below"
            " and by conditions such as 'header.AIRMASS<1.5'."
        )
    aliases = f" Also: {', '.join(resource.aliases)}." if resource.aliases else ""
    return ResourceCommand(
        resource.name,
        params=params,
        callback=callback,
        help=resource.summary + aliases + more,
        short_help=resource.summary,
        epilog=f"Example: {resource.example}",
        context_settings=CONTEXT,
    )


def _header_options() -> list[click.Parameter]:
    return [
        click.Option(["--header"], is_flag=True, help="Its headers, card by card."),
        click.Option(["--hdu"], metavar="N|NAME", help="The header of this HDU."),
        click.Option(["--rows"], is_flag=True, help="The first rows of its table."),
        click.Option(
            ["--keyword"],
            multiple=True,
            metavar="KEYWORD",
            help="What it says, in the first header that has it; may be repeated.",
        ),
    ]


def _fields(resource: Resource) -> list[Field]:
    """Return what a command's options set or seek, each name once."""
    return [*{f.name: f for f in (*resource.fields, *resource.sought)}.values()]


def _inside_fields(resource: Resource) -> list[Field]:
    """Return the options of what is inside, each name once and none of the command's own."""
    own = {field.name for field in _fields(resource)}
    found = {f.name: f for inside in inside_of(resource) for f in reversed(inside.sought)}
    return [field for name, field in reversed(found.items()) if name not in own]


_KEYS = {
    "none": "", "name": "NAME", "norad": "NUMBER|NAME", "integer": "PK", "called": "NAME|UUID",
}  # fmt: skip


def _usage(resource: Resource) -> str:
    key = _KEYS.get(resource.key, resource.key.upper())
    tasks = "".join(f" | {task.name}" for task in resource.tasks)
    if "create" in resource.verbs:
        inside = f"{resource.holder.upper()} " if resource.parent else ""
        return f"{inside}[create|read|update|delete] [{key}]{tasks}"
    if resource.words:
        return " ".join(f"[{'RA,DEC' if w == 'around' else w.upper()}]" for w in resource.words)
    words = key if resource.verbs == ("read",) or not key else f"[{key}]"
    deleted = ["delete ID"] if "delete" in resource.verbs else []
    return " | ".join([words, *(task.name for task in resource.tasks), *deleted])


def _completion(resource: Resource) -> Callable[..., list[str]]:
    plain = ("list",) if "create" in resource.verbs else ("list", "read")
    words: list[str] = [v for v in resource.verbs if v not in plain]
    words += [task.name for task in resource.tasks]

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return complete
