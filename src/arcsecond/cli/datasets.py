"""Find a dataset by its name."""

from __future__ import annotations

from uuid import UUID

from arcsecond.client.api import ArcsecondAPI
from arcsecond.errors import ArcsecondInputValueError, NotFoundError


def find_dataset(api: ArcsecondAPI, text: str, *, own: bool) -> tuple[str, str] | None:
    """Return UUID and name of a dataset; None when none is called so.

    Parameters
    ----------
    own
        Whether those of others do not count.

    Raises
    ------
    ArcsecondInputValueError
        Several are called so.
    NotFoundError
        There is none of that UUID.
    """
    if _is_uuid(text):
        told = api.datasets.read(text)
        return told["uuid"], told["name"]
    found = list(api.datasets.list(name=text))
    if found and (own or len(found) > 1):
        me = api.me.read()["username"]
        mine = [one for one in found if one["profile"] == me]
        if own or mine:
            found = mine
    if len(found) > 1:
        uuids = ", ".join(one["uuid"] for one in found)
        raise ArcsecondInputValueError(
            f"{len(found)} datasets are called {text!r}; name one by its UUID: {uuids}."
        )
    return (found[0]["uuid"], found[0]["name"]) if found else None


def uuid_of_dataset(api: ArcsecondAPI, text: str) -> str:
    """Return the UUID of a dataset that was named, or given by it.

    Raises
    ------
    ArcsecondInputValueError
        Several are called so.
    NotFoundError
        None is.
    """
    if _is_uuid(text):
        return text
    if (found := find_dataset(api, text, own=False)) is None:
        raise NotFoundError(f"Dataset {text[:80]!r} not found.")
    return found[0]


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
