"""Arcsecond: an observatory data platform, as a command, a module and a server.

The names below are imported when they are used, so that ``import arcsecond``
and ``arcsecond --help`` stay light.
"""

from __future__ import annotations

from arcsecond.version import __version__

TYPE_CHECKING = False  # the same for type checkers, without importing typing for it

__all__ = [
    "ArcsecondAPI",
    "ArcsecondConnectionError",
    "ArcsecondError",
    "ArcsecondInputValueError",
    "ArcsecondInvalidEndpointError",
    "ArcsecondMissingArgumentError",
    "ArcsecondNotLoggedInError",
    "ArcsecondRequestTimeoutError",
    "__version__",
]

if TYPE_CHECKING:
    from typing import Any

    from arcsecond.client.api import ArcsecondAPI
    from arcsecond.errors import (
        ArcsecondConnectionError,
        ArcsecondError,
        ArcsecondInputValueError,
        ArcsecondInvalidEndpointError,
        ArcsecondMissingArgumentError,
        ArcsecondNotLoggedInError,
        ArcsecondRequestTimeoutError,
    )


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = "arcsecond.client.api" if name == "ArcsecondAPI" else "arcsecond.errors"
    return getattr(import_module(module), name)
