"""What goes over the wire, as msgspec structs.

Shapes are those of the public contract; where a name changed between eras both
are given. ``resolve`` finds the struct a registry row names.
"""

from __future__ import annotations

from importlib import import_module

import msgspec


def resolve(address: str) -> type[msgspec.Struct]:
    """Return the struct at "module:Struct", an address of the registry."""
    module, _, name = address.partition(":")
    found: type[msgspec.Struct] = getattr(import_module(f"{__name__}.{module}"), name)
    return found
