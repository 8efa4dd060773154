"""Try again what may succeed a little later; give up in the end, and at once what cannot."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from arcsecond.client.transport import Transport
from arcsecond.errors import ArcsecondError, LockedError

T = TypeVar("T")

TRIES = 8
"""Failures in a row after which it is given up: about two minutes where each is told at once,
and ten where nothing answers."""

BUSY = 8
"""How much longer a server is waited for that is busy with the same file."""

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
LONGEST_ASKED_S = 300.0
"""However long a server says that it wants to be left alone."""


PAGE = 500


class StoppedError(Exception):
    """Somebody wants it to end."""


class Patience:
    """Waits between tries, longer each time, until something gets through.

    Parameters
    ----------
    stopping
        Ends every wait when it is set.
    tries
        Failures in a row after which it is given up.
    noted
        Called with why it waits, and with "" once something gets through.
    """

    def __init__(
        self,
        stopping: threading.Event,
        tries: int = TRIES,
        *,
        noted: Callable[[str], None] | None = None,
    ) -> None:
        self._stopping = stopping
        self._tries = tries
        self._noted = noted
        self._failed = 0

    def after(self, error: ArcsecondError) -> None:
        """Wait after a failure; raise it when it cannot pass, or did not for too long.

        Raises
        ------
        StoppedError
            It was stopped meanwhile.
        """
        self._failed += 1
        # A server that is at work on what was sent may take its time.
        tries = self._tries * BUSY if isinstance(error, LockedError) else self._tries
        if not error.passes or self._failed >= tries:
            raise error
        if self._noted is not None:
            self._noted(error.detail)
        wait = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (self._failed - 1))
        wait *= random.uniform(0.5, 1.0)  # noqa: S311  # that many clients do not come at once
        asked = min(LONGEST_ASKED_S, error.retry_after or 0.0)
        if self._stopping.wait(max(wait, asked)):
            raise StoppedError

    def through(self) -> None:
        """Something got through: what fails next is the first failure again."""
        if self._failed and self._noted is not None:
            self._noted("")
        self._failed = 0

    def keep_trying(self, work: Callable[[], T]) -> T:
        """Do something until it succeeds, or cannot.

        Raises
        ------
        StoppedError
            It was stopped meanwhile.
        """
        while True:
            if self._stopping.is_set():
                raise StoppedError
            try:
                done = work()
            except ArcsecondError as error:
                self.after(error)
            else:
                self.through()
                return done


def all_of(
    transport: Transport,
    path: str,
    stopping: threading.Event,
    filters: Mapping[str, Any] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the items of a list, asked for page by page."""
    patience = Patience(stopping)
    params: dict[str, Any] | None = {**(filters or {}), "page_size": PAGE}
    address: str | None = path
    seen: set[str] = set()
    while address and address not in seen:
        seen.add(address)
        answer = patience.keep_trying(
            lambda address=address, params=params: transport.request(  # type: ignore[misc]
                "GET", address, params=params
            )
        )
        yield from answer.items
        address = answer.next and path + "?" + answer.next.partition("?")[2]
        params = None
