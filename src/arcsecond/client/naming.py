"""Find a dataset or a data package by its name."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from arcsecond import shown
from arcsecond.client.transport import Transport
from arcsecond.errors import (
    ArcsecondInputValueError,
    ArcsecondNotLoggedInError,
    NotFoundError,
)

Json = dict[str, Any]

NAMED = {"datasets": "Dataset", "datapackages": "Data package"}
"""Resources whose things are asked for by their UUID, and may be called by their name."""

SHOWN = 5


def find_named(transport: Transport, resource: str, text: str, *, own: bool = False) -> Json | None:
    """Return a dataset or a data package; None when none is called so.

    Parameters
    ----------
    text
        Its UUID, or its name; of several of a name one's own is meant.
    own
        Whether those of others do not count.

    Raises
    ------
    ArcsecondInputValueError
        Several are called so.
    ArcsecondNotLoggedInError
        Nobody is signed in, who could have one of their own.
    NotFoundError
        There is none of that UUID.
    """
    if is_uuid(text):  # what is public is told to strangers, too
        one: Json = transport.request("GET", f"/{resource}/{text}/").data
        return one
    params = {"name": text, "page_size": 100}
    found: list[Json] = transport.request("GET", f"/{resource}/", params=params).items
    if own or len(found) > 1:
        me = _me(transport, needed=own)
        mine = [one for one in found if one["profile"] == me]
        if own or mine:
            found = mine
    if len(found) > 1:
        told = ", ".join(map(_told, found[:SHOWN])) + (", …" if len(found) > SHOWN else "")
        title = f"{NAMED[resource].lower()}s"
        raise ArcsecondInputValueError(
            f"{len(found)} {title} are called {text!r}; name one by its UUID: {told}."
        )
    return found[0] if found else None


def uuid_of(transport: Transport, resource: str, text: str) -> str:
    """Return the UUID of a dataset or a data package that was named, or given by it.

    Raises
    ------
    ArcsecondInputValueError
        Several are called so.
    NotFoundError
        None is.
    """
    if is_uuid(text):
        return text
    if (found := find_named(transport, resource, text)) is None:
        raise NotFoundError(f"{NAMED[resource]} {text[:80]!r} not found.")
    return str(found["uuid"])


def is_uuid(text: str) -> bool:
    """Tell whether a text is a UUID."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _me(transport: Transport, *, needed: bool) -> str:
    try:
        return str(transport.request("GET", "/me/").data["username"])
    except ArcsecondNotLoggedInError:
        if needed:
            raise
        return ""


def _told(one: Json) -> str:
    files = one["data_files_count"]
    many = "1 file" if files == 1 else f"{files:,} files"
    return f"{one['uuid']} ({many}, made {shown.show(one['creation_date'])})"
