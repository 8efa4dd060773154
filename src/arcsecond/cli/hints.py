"""What to type next when something was not found, or nobody is signed in."""

from __future__ import annotations

import os

from arcsecond.cli.words import Action
from arcsecond.client.api import ArcsecondAPI
from arcsecond.resource import LIST, Resource


def where_to_look(resource: Resource, action: Action, detail: str) -> str:
    """Return where what was not found could be found, "" where nothing is known."""
    if resource.name == "satellites":
        return "Type `arcsecond satellites import FILE` to add some from a file."
    if resource.parent and detail.startswith("Dataset"):
        return f"Type `arcsecond {resource.parent}` to see what there is."
    if LIST not in resource.verbs:
        if not detail.startswith("Object"):
            return ""
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
