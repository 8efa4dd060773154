"""The one place that speaks HTTP: requests out, answers or our errors back."""

from __future__ import annotations

import contextlib
import io
import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import httpx2

from arcsecond.config import Config, is_loopback
from arcsecond.errors import (
    ArcsecondConnectionError,
    ArcsecondInputValueError,
    ArcsecondRequestTimeoutError,
    from_wire,
)
from arcsecond.version import __version__

Progress = Callable[[int, int], None]
"""Called with the bytes sent so far and the bytes to send."""

KEY_HEADER = "X-Arcsecond-API-Authorization"
SLOWEST_BYTES_PER_S = 2_000_000
"""A disk that is slower than this may look as if the server had gone."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answered.

    Attributes
    ----------
    status
        Its HTTP status, 200 to 299.
    text
        Exactly what it sent.
    data
        The same, decoded; {} for an empty answer.
    next
        Address of the next page of a list, None on the last.
    note
        What the server says of a list beside its items.
    """

    status: int
    text: str
    data: Any
    next: str | None = None
    note: str = ""


class Transport:
    """Requests to one server.

    Parameters
    ----------
    config
        Which server, with which key.
    timeout
        Seconds to wait for an answer.
    """

    def __init__(self, config: Config, timeout: float) -> None:
        self.config = config
        self.timeout = timeout
        self._client: httpx2.Client | None = None
        self._opening = threading.Lock()

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        fields: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        files: Sequence[Path] = (),
        token: str | None = None,
        anonymous: bool = False,
        progress: Progress | None = None,
        patience: float = 0.0,
    ) -> Answer:
        """Make a request and return its answer.

        Parameters
        ----------
        path
            A path with its slashes, or the absolute address of a next page.
        fields
            Body: JSON, or form fields beside files.
        content
            Body as it is.
        files
            Files to send, each as a multipart part "file".
        token
            A session token to send in place of the key.
        anonymous
            Whether to send neither.
        patience
            Seconds to wait for the answer beyond the usual.

        Raises
        ------
        ArcsecondError
            The same class that the server raised, or a connection error.
        """
        headers = {}
        if token is not None:
            headers["Authorization"] = f"Token {token}"
        elif self.config.key and not anonymous:
            headers[KEY_HEADER] = f"Key {self.config.key}"
        if files:
            return self._send_files(method, path, headers, files, fields or {}, progress, patience)
        if fields is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(fields).encode()
        timeout = httpx2.Timeout(self.timeout, read=self.timeout + patience)
        return self._send(method, path, headers, params=params, content=content, timeout=timeout)

    def fetch(
        self, path: str, params: Mapping[str, Any] | None = None, patience: float = 0.0
    ) -> bytes:
        """Return the bytes at a path, such as those of a picture.

        Raises
        ------
        ArcsecondError
            The same class that the server raised, or a connection error.
        """
        key = {KEY_HEADER: f"Key {self.config.key}"} if self.config.key else {}
        timeout = httpx2.Timeout(self.timeout, read=self.timeout + patience)
        return self._response("GET", path, key, params=params, timeout=timeout).content

    def _send_files(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        files: Sequence[Path],
        fields: Mapping[str, Any],
        progress: Progress | None,
        patience: float,
    ) -> Answer:
        with contextlib.ExitStack() as stack:
            opened = [stack.enter_context(_open(file)) for file in files]
            size = sum(os.fstat(one.fileno()).st_size for one in opened)
            watch = _Watch(size, progress)
            patience += self.timeout + size / SLOWEST_BYTES_PER_S
            return self._send(
                method,
                path,
                headers,
                files=[
                    ("file", (file.name, _Watched(file, one, watch), "application/octet-stream"))
                    for file, one in zip(files, opened, strict=True)
                ],
                data={k: _form_value(v) for k, v in fields.items()},
                timeout=httpx2.Timeout(self.timeout, read=patience, write=patience),
            )

    def _send(self, method: str, path: str, headers: dict[str, str], **kwargs: Any) -> Answer:
        return _answer(self._response(method, path, headers, **kwargs))

    def _response(
        self, method: str, path: str, headers: dict[str, str], **kwargs: Any
    ) -> httpx2.Response:
        where = self.config.server or "the embedded server"
        try:
            response = self._opened().request(method, path, headers=headers, **kwargs)
        except httpx2.TimeoutException as error:
            raise ArcsecondRequestTimeoutError(
                f"{where} did not answer within {self.timeout:g} s."
            ) from error
        except httpx2.LocalProtocolError as error:
            raise ArcsecondInputValueError(f"The request could not be sent: {error}.") from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise ArcsecondConnectionError(f"{where} cannot be reached: {reason}.") from error
        if response.is_success:
            return response
        try:
            body: object = response.json()
        except ValueError:
            body = response.text
        raise from_wire(response.status_code, body)

    def _opened(self) -> httpx2.Client:
        with self._opening:
            if self._client is None:
                self._client = self._open()
            return self._client

    def _open(self) -> httpx2.Client:
        transport: httpx2.BaseTransport | None = None
        if self.config.embedded:
            from arcsecond.client.embedded import embedded

            transport = embedded(self.config.home)
        return httpx2.Client(
            base_url=self.config.server or "http://embedded",
            transport=transport,
            timeout=self.timeout,
            headers={"Accept": "application/json", "User-Agent": f"arcsecond/{__version__}"},
            follow_redirects=False,
            # A proxy of the environment is none for a server on this machine.
            trust_env=not (
                self.config.embedded or is_loopback(urlsplit(self.config.server).hostname or "")
            ),
        )

    def close(self) -> None:
        """Close the connections to a server on the network."""
        if self._client is not None and not self.config.embedded:
            self._client.close()
        self._client = None


def _answer(response: httpx2.Response) -> Answer:
    if not response.content:
        return Answer(response.status_code, "", {})
    try:
        data = response.json()
    except ValueError as error:
        raise ArcsecondConnectionError(
            "The server answered something that is no JSON; is it an Arcsecond server?"
        ) from error
    link = response.links.get("next", {}).get("url")
    if isinstance(data, dict) and "results" in data:
        link = data.get("next")
    note = response.headers.get("arcsecond-note", "")
    return Answer(response.status_code, response.text, data, link, note)


def _form_value(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _open(file: Path) -> BinaryIO:
    if not file.name.isprintable():
        raise ArcsecondInputValueError(
            f"The name {file.name!r} cannot be sent: it holds what is no text."
        )
    try:
        return file.open("rb")
    except OSError as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: OSError) -> ArcsecondInputValueError:
    return ArcsecondInputValueError(f"The file {file} cannot be read: {error.strerror}.")


@dataclass(slots=True)
class _Watch:
    """How much was read of all the files of a request."""

    size: int
    progress: Progress | None
    read: int = 0

    def moved(self, by: int) -> None:
        """Take note of a read, or of going back."""
        self.read += by
        if self.progress is not None:
            self.progress(self.read, self.size)


class _Watched(io.RawIOBase):
    """A file that tells how much of it was read."""

    def __init__(self, path: Path, file: BinaryIO, watch: _Watch) -> None:
        super().__init__()
        self._path = path
        self._file = file
        self._watch = watch

    def read(self, size: int = -1, /) -> bytes:
        """Read on."""
        try:
            data = self._file.read(size)
        except OSError as error:
            raise _unreadable(self._path, error) from error
        self._watch.moved(len(data))
        return data

    def fileno(self) -> int:
        """Let the length be asked."""
        return self._file.fileno()

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go back, to send it again."""
        before = self._file.tell()
        after = self._file.seek(offset, whence)
        self._watch.read += after - before
        return after

    def tell(self) -> int:
        """Tell where it stands."""
        return self._file.tell()

    def seekable(self) -> bool:
        """Tell that it can go back."""
        return True

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True
