"""What a resource declares of itself; ``registry.py`` is the table of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verb = Literal["list", "read", "create", "update", "delete"]
Key = Literal["name", "called", "uuid", "integer", "norad", "username", "id", "none"]

LIST: Verb = "list"
READ: Verb = "read"
CREATE: Verb = "create"
UPDATE: Verb = "update"
DELETE: Verb = "delete"

LOOK: tuple[Verb, ...] = (LIST, READ)
KEEP: tuple[Verb, ...] = (LIST, READ, CREATE, UPDATE, DELETE)


@dataclass(frozen=True, slots=True)
class Field:
    """A value that can be given when a resource is created, updated or sought.

    Attributes
    ----------
    sample
        What a form shows where nothing was typed yet.
    lines
        Whether it is a text of several lines.
    """

    name: str
    help: str
    kind: Literal["text", "uuid", "file", "flag", "list", "number", "coordinates"] = "text"
    sample: str = ""
    lines: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """Something that administrators do with a resource as a whole, or its owner with one.

    Attributes
    ----------
    name
        Its word behind the command, and the last part of its address.
    help
        What it does, for the help text.
    choices
        What the next word can be; it follows in the address.
    optional
        Whether that word may be left out.
    files
        Whether files follow.
    forced
        Whether it can be told to take far fewer rows than before.
    keyed
        Whether the key of one follows: then it is done with that one, by its owner.
    fields
        What it can be told, as options of the command.
    """

    name: str
    help: str
    choices: tuple[str, ...] = ()
    optional: bool = False
    files: bool = False
    forced: bool = False
    keyed: bool = False
    fields: tuple[Field, ...] = ()

    @property
    def usage(self) -> str:
        """What is typed behind the command."""
        word = "|".join(self.choices)
        word = f"[{word}]" if self.optional else word
        file = ("FILE..." if self.choices else "FILE") if self.files else ""
        key = "ID" if self.keyed else ""
        return " ".join(filter(None, (self.name, key, word, file)))


_ASKED = {
    field.name: field
    for field in (
        Field("name", "The one that is called so."),
        Field("search", "Those with a name that holds this.", sample="whirl"),
        Field("around", "A position, or the name of an object.", sample="83.82,-5.39"),
        Field("count", "How many; 5 when it is not given.", sample="5"),
    )
}


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of the API.

    Attributes
    ----------
    name
        Its endpoint, its command and its attribute on the client.
    summary
        One line for help texts and the schema.
    key
        What identifies one: a name, a UUID, an integer, ...; "called" for a UUID
        or any of its names, "none" where there is just one.
    verbs
        What can be done with it.
    schema
        Where its shape is declared, as "module:Struct" below arcsecond.schemas.
    change
        Where the shape of a create or update is declared; "" for read-only ones.
    private
        Whether only its owner sees it unless it was made public.
    aliases
        Other names for the command and the path.
    parent
        The resource it lives in: its address follows the parent's key.
    fields
        What create and update take, as options of the command.
    needed
        Fields that a create has to give.
    filters
        Query parameters that a list understands.
    sought
        Filters that are options of the command; ``search``, where it is a
        filter, is a word of it.
    of_one
        What one can be asked for, read or deleted, as options of the command.
    words
        Filters that stand as bare words behind the command, in this order.
    tasks
        What administrators can do with it as a whole.
    kept_by_admins
        Whether only administrators create, change and delete.
    image
        Name of the picture that goes with it, which comes as PNG, SVG or PDF.
    whole
        Whether it can also be asked without naming what it lives in: of all of them
        together, or of the one that the server is set to.
    everywhere
        The address under which all of them are searched, wherever they live.
    latest
        How many a list holds that is not asked for more; None for all there are.
    paged
        Whether its list always comes as {count, next, previous, results}.
    heading
        What it is called on pages, where that is more than its name.
    example
        A command line for the help text.
    """

    name: str
    summary: str
    key: Key
    verbs: tuple[Verb, ...]
    schema: str
    change: str = ""
    private: bool = False
    aliases: tuple[str, ...] = ()
    parent: str = ""
    fields: tuple[Field, ...] = ()
    needed: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    sought: tuple[Field, ...] = ()
    of_one: tuple[Field, ...] = ()
    words: tuple[str, ...] = ()
    tasks: tuple[Task, ...] = ()
    kept_by_admins: bool = False
    image: str = ""
    whole: bool = False
    everywhere: str = ""
    latest: int | None = None
    paged: bool = False
    heading: str = ""
    example: str = ""
    constant: str = ""
    command: bool = True

    @property
    def kept_by_owners(self) -> bool:
        """Whether people keep their own on pages: by a form of its fields."""
        return self.private and self.key == "uuid" and CREATE in self.verbs and not self.parent

    @property
    def form(self) -> tuple[Field, ...]:
        """What its page can be asked for: the filters of what is searched, or is everybody's."""
        if self.private and not self.everywhere:
            return ()
        told = _ASKED | {field.name: field for field in (*self.fields, *self.sought)}
        names = [field.name for field in self.sought] if self.everywhere else []
        names += [name for name in self.filters if name not in names]
        return tuple(told[name] for name in names if name != "coordinates")

    @property
    def endpoint_constant(self) -> str:
        """The name of its constant on ``ArcsecondAPI``."""
        return "ENDPOINT_" + (self.constant or self.name.upper())

    @property
    def title(self) -> str:
        """What a heading says: its name as words."""
        return self.heading or self.name.capitalize()

    @property
    def path(self) -> str:
        """The path of its list, with ``{parent}`` where the parent's key goes."""
        return f"/{self.parent}/{{parent}}/{self.name}/" if self.parent else f"/{self.name}/"

    @property
    def whole_path(self) -> str:
        """The path of it without what it lives in."""
        return f"/{self.parent}/{self.name}/"

    @property
    def holder(self) -> str:
        """What one of the resource is called that it lives in: a dataset, an exoplanet."""
        return self.parent.removesuffix("s")

    @property
    def template(self) -> str:
        """The path of its list, with the parent's key under the name of what it is."""
        return self.path.replace("{parent}", f"{{{self.holder}}}")
