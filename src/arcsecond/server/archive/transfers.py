"""Take an upload in: streamed, hashed while it arrives, never held in memory.

While one piece is being written and hashed in a thread, the next one arrives.
"""

from __future__ import annotations

import asyncio
import contextlib
import unicodedata
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from litestar.exceptions import ClientException
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from arcsecond.errors import (
    IncompleteUploadError,
    InvalidInputError,
    TooLargeError,
)
from arcsecond.server.context import AnyRequest, Backend
from arcsecond.server.storage import Incoming, told_when_full

PIECE = 1 << 18
LONGEST_NAME = 255
_LONGEST_FIELD = 64 << 10
_BIDIRECTIONAL = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(slots=True)
class Upload:
    """What a multipart body held: one file, or none, and text fields."""

    name: str = ""
    incoming: Incoming | None = None
    fields: dict[str, str] = field(default_factory=dict)


def is_multipart(request: AnyRequest) -> bool:
    """Tell whether a request can bring a file."""
    return request.headers.get("content-type", "").lower().startswith("multipart/form-data")


@contextlib.asynccontextmanager
async def received(request: AnyRequest, backend: Backend) -> AsyncIterator[Upload]:
    """Receive a multipart body; what nobody kept is gone afterwards.

    Raises
    ------
    IncompleteUploadError
        The connection was cut, or the body ends too early.
    InvalidInputError
        It is no multipart body, or the file's name cannot be kept.
    NoSpaceError
        The disk is full.
    TooLargeError
        The file is larger than the setting allows.
    """
    upload = Upload()
    try:
        await _receive(request, backend, upload)
        yield upload
    finally:
        if upload.incoming is not None:
            upload.incoming.discard()


async def _receive(request: AnyRequest, backend: Backend, upload: Upload) -> None:
    _, parameters = parse_options_header(request.headers.get("content-type", ""))
    limit = backend.settings.max_upload_bytes
    length = int(request.headers.get("content-length") or 0)
    if length > limit + _LONGEST_FIELD:
        raise TooLargeError(f"The file is larger than {limit} bytes.")
    writer = _Writer(backend, upload, limit)
    try:
        parser = PushMultipartParser(
            parameters.get("boundary", ""), max_segment_count=100, strict=True
        )
        async for chunk in request.stream():
            if chunk:
                for event in parser.parse(chunk):
                    await writer.take(event)
        parser.close()
    except MultipartError as error:
        if writer.in_file:
            raise IncompleteUploadError("The upload ended before the file was complete.") from error
        raise InvalidInputError(f"The multipart body cannot be read: {error}.") from error
    except (ClientException, ConnectionError) as error:
        raise IncompleteUploadError("The connection was cut during the upload.") from error
    finally:
        await writer.settle()
    await writer.check()


class _Writer:
    """Puts the events of the parser where they belong, one write ahead of itself."""

    def __init__(self, backend: Backend, upload: Upload, limit: int) -> None:
        self.backend = backend
        self.upload = upload
        self.limit = limit
        self.in_file = False
        self._segment: MultipartSegment | None = None
        self._buffer = bytearray()
        self._arrived = 0
        self._pending: asyncio.Task[None] | None = None

    async def take(self, event: MultipartSegment | bytes | bytearray | None) -> None:
        """Take one event of the parser."""
        if isinstance(event, MultipartSegment):
            self._begin(event)
        elif event is None:
            await self._end()
        else:
            self._buffer += event
            self._arrived += len(event)
            if self.in_file and self._arrived > self.limit:
                raise TooLargeError(f"The file is larger than {self.limit} bytes.")
            if not self.in_file and len(self._buffer) > _LONGEST_FIELD:
                raise InvalidInputError("A text field is longer than 64 KiB.")
            if self.in_file and len(self._buffer) >= PIECE:
                await self._write()

    def _begin(self, segment: MultipartSegment) -> None:
        self._segment = segment
        self._buffer.clear()
        self._arrived = 0
        if segment.filename is None:
            return
        if self.upload.incoming is not None:
            raise InvalidInputError(fields={"file": ["Send one file at a time."]})
        self.upload.name = clean_name(segment.filename)
        with told_when_full():
            self.upload.incoming = self.backend.store.receive()
        self.in_file = True

    async def _end(self) -> None:
        if self.in_file:
            await self._write()
            self.in_file = False
        elif self._segment is not None:
            text = self._buffer.decode("utf-8", "replace").replace("\0", "")
            self.upload.fields[self._segment.name] = text

    async def _write(self) -> None:
        await self.check()
        incoming = self.upload.incoming
        if incoming is not None and self._buffer:
            piece, self._buffer = bytes(self._buffer), bytearray()
            self._pending = asyncio.create_task(asyncio.to_thread(incoming.write, piece))

    async def check(self) -> None:
        """Wait for the write that is under way, and learn how it went."""
        pending, self._pending = self._pending, None
        if pending is None:
            return
        try:
            with told_when_full():
                await asyncio.shield(pending)
        except asyncio.CancelledError:
            self._pending = pending
            raise

    async def settle(self) -> None:
        """Wait for a write before its file is closed, whatever came in between."""
        while self._pending is not None and not self._pending.done():
            with contextlib.suppress(BaseException):
                await asyncio.wait([self._pending])


def clean_name(name: str) -> str:
    """Return a file's name as it is kept, or refuse it.

    Raises
    ------
    InvalidInputError
        It is empty, too long, or holds what no name of a file should.
    """
    name = unicodedata.normalize("NFC", name).strip()
    if not name:
        problem = "A file needs a name."
    elif name in (".", "..") or "/" in name or "\\" in name:
        problem = f"{name[:60]!r} is a path; give the name of the file alone."
    elif any(unicodedata.category(c) in ("Cc", "Cs") or c in _BIDIRECTIONAL for c in name):
        problem = "The name holds characters that cannot be shown."
    elif len(name.encode()) > LONGEST_NAME:
        problem = f"The name is {len(name.encode())} bytes long; {LONGEST_NAME} are the most."
    else:
        return name
    raise InvalidInputError(fields={"name": [problem]})
