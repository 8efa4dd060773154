"""The one place that speaks HTTP: requests out, answers or our errors back."""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import io
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import httpx2
from httpcore2._sync import http11

from arcsecond.client.streaming import Stream, line_of, received
from arcsecond.config import Config, is_loopback
from arcsecond.errors import (
    ArcsecondConnectionError,
    ArcsecondError,
    ArcsecondInputValueError,
    ArcsecondRequestTimeoutError,
    from_wire,
)
from arcsecond.version import __version__

Progress = Callable[[int, int], None]
"""Called with the bytes sent so far and the bytes to send."""

KEY_HEADER = "X-Arcsecond-API-Authorization"
SHARES_COOKIE = "arcsecond_shares"
READ_BYTES = 256 << 10
SLOWEST_BYTES_PER_S = 2_000_000
"""A disk that is slower than this may look as if the server had gone."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server answered to a step of a protocol.

    Attributes
    ----------
    headers
        By their names, however these are written.
    """

    status: int
    headers: Mapping[str, str]
    data: Any


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

    @property
    def items(self) -> list[dict[str, Any]]:
        """The items of a list, or of a page of it.

        Raises
        ------
        ArcsecondConnectionError
            It is none: something else answered in place of the server.
        """
        found = self.data.get("results") if isinstance(self.data, dict) else self.data
        if not isinstance(found, list):
            raise ArcsecondConnectionError(
                "The server answered something that is no list; is it an Arcsecond server?"
            )
        return found


class Transport:
    """Requests to one server.

    Parameters
    ----------
    config
        Which server, with which key.
    timeout
        Seconds to wait for an answer.
    share
        Word of the link of a data package, whose content may be read by it.
    """

    def __init__(self, config: Config, timeout: float, share: str = "") -> None:
        self.config = config
        self.timeout = timeout
        self.share = share
        self._share_is_seen = not share
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
        headers: dict[str, str] = {}
        if token is not None:
            headers["Authorization"] = f"Token {token}"
        elif not anonymous:
            headers = self._key()
        if files:
            return self._send_files(method, path, headers, files, fields or {}, progress, patience)
        if fields is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(fields).encode()
        timeout = httpx2.Timeout(self.timeout, read=self.timeout + patience)
        return self._send(method, path, headers, params=params, content=content, timeout=timeout)

    def exchange(
        self, method: str, path: str, headers: Mapping[str, str], content: bytes = b""
    ) -> Reply:
        """Make one step of a protocol that talks by headers, and return what came back.

        Raises
        ------
        ArcsecondError
            The same class that the server raised, or a connection error.
        """
        timeout = self._timeout(len(content))
        sent = {**headers, **self._key()}
        response = self._response(method, path, sent, content=content, timeout=timeout)
        data = _answer(response).data if response.content else None
        return Reply(response.status_code, response.headers, data)

    @contextlib.contextmanager
    def stream(self, path: str, headers: Mapping[str, str]) -> Iterator[Stream]:
        """Ask for bytes, and yield what was said of them and the bytes as they come.

        Raises
        ------
        ArcsecondError
            The same class that the server raised, or a connection error.
        """
        client = self._opened()
        request = client.build_request("GET", path, headers={**headers, **self._key()})
        with self._told():
            response = client.send(request, stream=True)
        try:
            if not response.is_success:
                with self._told():
                    response.read()
                raise _refusal(response)
            line = line_of(response)
            receive = functools.partial(self._received, line) if line else None
            yield Stream(response.status_code, response.headers, self._bytes(response), receive)
        finally:
            response.close()

    def _bytes(self, response: httpx2.Response) -> Iterator[bytes]:
        with self._told():
            yield from response.iter_raw()

    def _received(self, line: socket.socket, buffer: memoryview) -> int:
        with self._told():
            return received(line, buffer)

    def send_parts(
        self, path: str, parts: Sequence[tuple[str, bytes]], fields: Mapping[str, Any]
    ) -> Answer:
        """Send files that are in memory as one multipart body, each under its name.

        Raises
        ------
        ArcsecondError
            The same class that the server raised, or a connection error.
        """
        files = [("file", (name, data, "application/octet-stream")) for name, data in parts]
        form = {k: as_text(v) for k, v in fields.items()}
        request = self._opened().build_request("POST", path, files=files, data=form)
        body = request.read()
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        headers = {
            "Content-Type": request.headers["content-type"],
            "Content-Digest": f"sha-256=:{digest}:",  # names and tags are in it, too
        }
        return self._send(
            "POST", path, self._key() | headers, content=body, timeout=self._timeout(len(body))
        )

    def _timeout(self, size: int) -> httpx2.Timeout:
        """Return how long to wait for an answer to so many bytes: a disk has to take them."""
        return httpx2.Timeout(self.timeout, read=self.timeout + size / SLOWEST_BYTES_PER_S)

    def _key(self) -> dict[str, str]:
        key = {KEY_HEADER: f"Key {self.config.key}"} if self.config.key else {}
        return key | ({"Cookie": f"{SHARES_COOKIE}={self.share}"} if self.share else {})

    def see_share(self) -> None:
        """Look once whether the link still shows anything: else nothing would be found by it.

        Raises
        ------
        NotFoundError
            It was revoked.
        """
        if not self._share_is_seen:
            self.request("GET", f"/shared/{self.share}/")
            self._share_is_seen = True

    def fetch(
        self, path: str, params: Mapping[str, Any] | None = None, patience: float = 0.0
    ) -> bytes:
        """Return the bytes at a path, such as those of a picture.

        Raises
        ------
        ArcsecondError
            The same class that the server raised, or a connection error.
        """
        timeout = httpx2.Timeout(self.timeout, read=self.timeout + patience)
        return self._response("GET", path, self._key(), params=params, timeout=timeout).content

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
                data={k: as_text(v) for k, v in fields.items()},
                timeout=httpx2.Timeout(self.timeout, read=patience, write=patience),
            )

    def _send(self, method: str, path: str, headers: dict[str, str], **kwargs: Any) -> Answer:
        return _answer(self._response(method, path, headers, **kwargs))

    def _response(
        self, method: str, path: str, headers: dict[str, str], **kwargs: Any
    ) -> httpx2.Response:
        with self._told():
            response = self._opened().request(method, path, headers=headers, **kwargs)
        if response.is_success:
            return response
        raise _refusal(response)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what fails on the way into our errors."""
        where = self.config.server or "the embedded server"
        try:
            yield
        except httpx2.TimeoutException as error:
            raise ArcsecondRequestTimeoutError(
                f"{where} did not answer within {self.timeout:g} s."
            ) from error
        except httpx2.LocalProtocolError as error:
            raise ArcsecondInputValueError(f"The request could not be sent: {error}.") from error
        except UnicodeEncodeError as error:
            raise ArcsecondInputValueError("What was asked for holds what is no text.") from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            if isinstance(error, httpx2.InvalidURL) and "too long" in str(error):
                raise ArcsecondInputValueError("What was asked for is too long.") from error
            reason = str(error) or type(error).__name__
            raise ArcsecondConnectionError(f"{where} cannot be reached: {reason}.") from error

    def _opened(self) -> httpx2.Client:
        with self._opening:
            if self._client is None:
                self._client = self._open()
            return self._client

    def _open(self) -> httpx2.Client:
        # Its own 64 KiB at a time take twice the processor for a large download.
        http11.HTTP11Connection.READ_NUM_BYTES = READ_BYTES
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
            # Reading the certificates of the world takes 30 ms, and nobody here asks for them.
            verify=self.config.server.startswith("https:"),
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


def _refusal(response: httpx2.Response) -> ArcsecondError:
    """Return the error that an answer stands for."""
    try:
        body: object = response.json()
    except (ValueError, RecursionError):
        body = response.text
    refusal = from_wire(response.status_code, body)
    refusal.retry_after = _seconds(response.headers.get("retry-after", ""))
    return refusal


def _answer(response: httpx2.Response) -> Answer:
    if not response.content:
        return Answer(response.status_code, "", {})
    try:
        data = response.json()
    except (ValueError, RecursionError) as error:
        raise ArcsecondConnectionError(
            "The server answered something that is no JSON; is it an Arcsecond server?"
        ) from error
    link = response.links.get("next", {}).get("url")
    if isinstance(data, dict) and "results" in data:
        link = data.get("next")
        link = link if isinstance(link, str) else None
    note = response.headers.get("arcsecond-note", "")
    return Answer(response.status_code, response.text, data, link, note)


def _seconds(text: str) -> float | None:
    """Return what Retry-After says: seconds, or a moment (RFC 9110, 10.2.3)."""
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    with contextlib.suppress(ValueError, OverflowError):
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    return None


def as_text(value: Any) -> str:
    """Return a value as a field of a form has it."""
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
