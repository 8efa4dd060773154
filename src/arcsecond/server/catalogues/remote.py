"""Services on the network: asked within a time, never trusted to end.

Everything is read whole into memory, up to a limit and a moment, before it is
looked at: a service that sends a byte a minute is one that did not answer.
"""

from __future__ import annotations

import io
import math
import queue
import threading
import time
import warnings
from typing import Any
from urllib.parse import urljoin

import requests
from urllib3 import HTTPResponse
from urllib3.exceptions import HTTPError

from arcsecond.errors import UnavailableError

CONNECT_S = 3.0
MOST_BYTES = 256 << 20
MOST_REDIRECTS = 5


class Bounded(requests.Session):
    """A session whose answers are complete, in time and not too large.

    Parameters
    ----------
    name
        What the service is called in errors.
    seconds
        How long a request may take, all in all.
    """

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__()
        self.name = name
        self.seconds = seconds

    def request(  # type: ignore[override]  # all further arguments are handed on
        self, method: str, url: str, **kwargs: Any
    ) -> requests.Response:
        """Make a request and read the answer, in a thread of its own.

        Headers that come in drops cannot be given up from here: the thread is, and
        ends with its connection.

        Raises
        ------
        UnavailableError
            It did not come in time, not as a whole, or says that something failed.
        """
        done: queue.SimpleQueue[requests.Response | Exception] = queue.SimpleQueue()

        def work() -> None:
            try:
                done.put(self._request(method, url, **kwargs))
            except Exception as error:  # noqa: BLE001  # raised where it is waited for
                done.put(error)

        threading.Thread(target=work, daemon=True).start()
        try:
            answer = done.get(timeout=self.seconds + 0.5)
        except queue.Empty:
            raise UnavailableError(f"{self.name} did not answer in time.") from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _request(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        end = time.monotonic() + self.seconds
        kwargs |= {"stream": True, "timeout": (min(CONNECT_S, self.seconds), self.seconds)}
        try:
            with self._followed(method, url, kwargs) as response:
                parts: list[bytes] = []
                size = 0
                # What has come so far, not a full piece: a trickle may last for ever.
                while part := response.raw.read1(1 << 16, decode_content=True):
                    size += len(part)
                    if time.monotonic() > end or size > MOST_BYTES:
                        raise UnavailableError(f"{self.name} did not answer in time.")
                    parts.append(part)
        except (requests.RequestException, HTTPError) as error:
            raise UnavailableError(f"{self.name} did not answer.") from error
        if response.status_code >= 500:
            raise UnavailableError(f"{self.name} answered with an error, {response.status_code}.")
        body = b"".join(parts)
        # pyvo reads ``raw``: give it the body once more, complete and decoded.
        response.raw = HTTPResponse(io.BytesIO(body), preload_content=False)
        response._content = body  # noqa: SLF001  # what ``content`` gives once it was read
        return response

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Lead nowhere: on the way, ``requests`` would read all of what a service says."""

    def _followed(self, method: str, url: str, kwargs: dict[str, Any]) -> requests.Response:
        """Make a request where a service leads to; what it says on the way is not read."""
        for _ in range(MOST_REDIRECTS):
            response = super().request(method, url, **kwargs | {"allow_redirects": False})
            if not response.is_redirect:
                return response
            response.close()
            url = urljoin(response.url, response.headers["location"])
            left_out = {"params"}
            if response.status_code not in (307, 308):
                method = "GET"
                left_out |= {"data", "files", "json"}
            kwargs = {name: value for name, value in kwargs.items() if name not in left_out}
        raise UnavailableError(f"{self.name} leads from one address to another without end.")


def ask(name: str, url: str, adql: str, seconds: float) -> list[dict[str, Any]]:
    """Ask a TAP service (IVOA Table Access Protocol) and return its rows.

    Raises
    ------
    UnavailableError
        It did not answer in time, or with something that is no complete table.
    """
    import pyvo
    from astropy.io.votable.exceptions import VOWarning
    from pyvo.dal import DALOverflowWarning

    with Bounded(name, seconds) as session, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", DALOverflowWarning)
        try:
            table = pyvo.dal.TAPService(url, session=session).run_sync(adql).to_table()
        except (pyvo.dal.DALAccessError, DALOverflowWarning, VOWarning, ValueError) as error:
            if isinstance(cause := getattr(error, "cause", None), UnavailableError):
                raise cause from error
            raise UnavailableError(f"{name} answered with no complete table.") from error
    columns = {name: table[name].tolist() for name in table.colnames}
    return [
        {name: _known(value) for name, value in zip(columns, values, strict=True)}
        for values in zip(*columns.values(), strict=True)
    ]


def _known(value: Any) -> Any:
    """Return a value of a table; what is masked or no number is None."""
    return None if isinstance(value, float) and math.isnan(value) else value
