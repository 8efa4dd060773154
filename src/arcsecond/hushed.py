"""Let be what libraries warn of, one thread at a time.

The filter of warnings belongs to the whole process, and so does wcslib, which warns most.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()


@contextmanager
def hushed(like: str = "") -> Iterator[None]:
    """Ignore warnings as long as it is open.

    Parameters
    ----------
    like
        How their messages begin, as an expression; "" for all of them.
    """
    with _lock, warnings.catch_warnings():
        warnings.filterwarnings("ignore", like)
        yield
