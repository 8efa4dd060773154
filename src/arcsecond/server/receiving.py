"""Take uploads in: streamed, hashed while they arrive, never held in memory.

While one piece is being written and hashed in a thread, the next one arrives.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import unquote

from litestar.exceptions import ClientException
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from arcsecond.errors import (
    ChecksumError,
    IncompleteUploadError,
    InvalidInputError,
    TooLargeError,
)
from arcsecond.filenames import clean_path
from arcsecond.server.context import AnyRequest, Backend
from arcsecond.server.storage import Arrived, Incoming, told_when_full

PIECE = 1 << 18
MOST_AT_ONCE = 64
"""Files in one request."""
STALLED_S = 60.0
"""A connection that brings nothing for so long is taken for dead."""

_LONGEST_FIELD = 64 << 10


@dataclass(slots=True)
class Upload:
    """What a multipart body held: files, and text fields."""

    files: list[Arrived] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def only(self) -> Incoming | None:
        """The bytes of the first file."""
        return self.files[0].incoming if self.files else None


def stalled() -> IncompleteUploadError:
    """Return why an upload ends whose connection brings nothing any more."""
    return IncompleteUploadError("The connection brought nothing any more.")


def is_multipart(request: AnyRequest) -> bool:
    """Tell whether a request can bring a file."""
    return request.headers.get("content-type", "").lower().startswith("multipart/form-data")


@contextlib.asynccontextmanager
async def received(
    request: AnyRequest,
    backend: Backend,
    *,
    most: int = 1,
    before_file: Callable[[Upload], Awaitable[None]] | None = None,
) -> AsyncIterator[Upload]:
    """Receive a multipart body; what nobody kept is gone afterwards.

    A body of another type holds nothing.

    Parameters
    ----------
    most
        How many files it may bring.
    before_file
        Called with the fields that came before the first file; it may refuse the files.

    Raises
    ------
    ChecksumError
        The body is not what was sent, by the ``Content-Digest`` that came with it.
    IncompleteUploadError
        The connection was cut, or the body ends too early.
    InvalidInputError
        It is no multipart body, or the file's name cannot be kept.
    NoSpaceError
        The disk is full.
    TooLargeError
        The files together are larger than the setting allows.
    """
    upload = Upload()
    try:
        if is_multipart(request):
            body = _Body(request)
            try:
                await _receive(request, body, _Writer(backend, upload, most, before_file))
            except InvalidInputError:
                await body.compare()  # is it wrong, or has it become so on its way?
                raise
            await body.compare()
        yield upload
    finally:
        with contextlib.ExitStack() as discarding:
            for one in upload.files:
                discarding.callback(one.incoming.discard)


class _Body:
    """The bytes of a body, compared with what was said of them (RFC 9530), if anything was."""

    def __init__(self, request: AnyRequest) -> None:
        told = request.headers.get("content-digest", "")
        self._told = told if "sha-256=" in told else ""
        self._digest = hashlib.sha256()
        self._stream = request.stream()

    async def pieces(self) -> AsyncIterator[bytes]:
        """Go through them, as long as some come."""
        try:
            while True:
                async with asyncio.timeout(STALLED_S):
                    piece = await anext(self._stream, None)
                if piece is None:
                    return
                if self._told:
                    self._digest.update(piece)
                yield piece
        except TimeoutError:
            raise stalled() from None

    async def compare(self) -> None:
        """Compare all of it; raise a ChecksumError when it is not what was sent."""
        if not self._told:
            return
        with contextlib.suppress(ClientException, ConnectionError, IncompleteUploadError):
            async for _ in self.pieces():
                pass
        found = base64.b64encode(self._digest.digest()).decode()
        if f"sha-256=:{found}:" not in self._told:
            raise ChecksumError("The request that arrived is not the one that was sent; once more.")


async def _receive(request: AnyRequest, body: _Body, writer: _Writer) -> None:
    _, parameters = parse_options_header(request.headers.get("content-type", ""))
    length = int(request.headers.get("content-length") or 0)
    if length > writer.limit + _LONGEST_FIELD:
        raise writer.too_large()
    try:
        parser = PushMultipartParser(
            parameters.get("boundary", ""), max_segment_count=100, strict=True
        )
        async for chunk in body.pieces():
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

    def __init__(
        self,
        backend: Backend,
        upload: Upload,
        most: int,
        before_file: Callable[[Upload], Awaitable[None]] | None,
    ) -> None:
        self.backend = backend
        self.upload = upload
        self.most = most
        self.before_file = before_file
        self.limit = backend.settings.max_upload_bytes
        self.in_file = False
        self._segment: MultipartSegment | None = None
        self._buffer = bytearray()
        self._arrived = 0
        self._refused = False
        self._pending: asyncio.Task[None] | None = None

    async def take(self, event: MultipartSegment | bytes | bytearray | None) -> None:
        """Take one event of the parser."""
        if isinstance(event, MultipartSegment):
            await self._begin(event)
        elif event is None:
            await self._end()
        else:
            if self._refused:
                return
            self._buffer += event
            self._arrived += len(event)
            if self.in_file and self._arrived > self.limit:
                raise self.too_large()
            if not self.in_file and len(self._buffer) > _LONGEST_FIELD:
                raise InvalidInputError("A text field is longer than 64 KiB.")
            if self.in_file and len(self._buffer) >= PIECE:
                await self._write()

    async def _begin(self, segment: MultipartSegment) -> None:
        self._segment = segment
        self._buffer.clear()
        self._refused = False
        name = segment.filename or _extended_filename(segment)
        if name is None:
            return
        if len(self.upload.files) == self.most:
            many = "one file" if self.most == 1 else f"at most {self.most} files"
            raise InvalidInputError(fields={"file": [f"Send {many} at a time."]})
        refusal = None
        try:
            name = clean_path(name)
        except InvalidInputError as error:
            if self.most == 1:
                raise
            refusal = error  # of this file alone
        if self.before_file is not None and not self.upload.files:
            await self.before_file(self.upload)
        with told_when_full():
            self.upload.files.append(Arrived(name, self.backend.store.receive(), refusal))
        self.in_file = True
        self._refused = refusal is not None

    async def _end(self) -> None:
        if self.in_file:
            await self.check()
            self.upload.files[-1].incoming.write_later(bytes(self._buffer))
            self.in_file = False
        elif self._segment is not None:
            text = self._buffer.decode("utf-8", "replace").replace("\0", "")
            self.upload.fields[self._segment.name] = text

    async def _write(self) -> None:
        await self.check()
        incoming = self.upload.files[-1].incoming
        piece, self._buffer = bytes(self._buffer), bytearray()
        self._pending = asyncio.create_task(asyncio.to_thread(incoming.write, piece))

    def too_large(self) -> TooLargeError:
        """Return the error for more than may come."""
        return TooLargeError(f"The upload is larger than {self.limit} bytes.")

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


def _extended_filename(segment: MultipartSegment) -> str | None:
    """Return the name that RFC 5987 encodes (``filename*=utf-8''…``).

    RFC 7578 forbids it in forms; urllib3 before 1.25 sends nothing else for a
    name that is not ASCII.
    """
    for header, value in segment.headerlist:
        if header.lower() == "content-disposition":
            _, _, encoded = value.partition("filename*=")
            charset, _, rest = encoded.partition("'")
            if charset.lower() == "utf-8":
                return unquote(rest.partition("'")[2].partition(";")[0].strip())
    return None
