"""The protocol tus 1.0.0, by which uploads resume (https://tus.io/protocols/resumable-upload).

Of its extensions: creation, expiration, checksum, termination and concatenation. An
upload begins at its dataset and has an address of its own. What a header means is
read here; what happens then, in ``service``.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import re
import zlib
from collections.abc import Mapping
from email.utils import format_datetime
from typing import Any
from uuid import UUID

from litestar import Response, delete, get, head, patch, post
from litestar.exceptions import ClientException
from litestar.params import FromPath

from arcsecond.errors import (
    ArcsecondError,
    ChecksumError,
    ConflictError,
    IncompleteUploadError,
    InvalidInputError,
    LockedError,
    MediaTypeError,
    NameTakenError,
    NotFoundError,
    RefusedUploadError,
    TooLargeError,
    VersionError,
)
from arcsecond.schemas.archive import Upload
from arcsecond.server import receiving
from arcsecond.server.archive.tables import FINAL, PARTIAL
from arcsecond.server.context import (
    AnyRequest,
    backend_of,
    base_url,
    to_its_end,
    viewer_of,
    writing,
)
from arcsecond.server.paging import listed
from arcsecond.server.parsing import as_uuid
from arcsecond.server.transfers import service
from arcsecond.server.transfers.service import FLUSHED_BYTES, New, Writing

VERSION = "1.0.0"
PIECE = 1 << 20
"""Bytes that are written at a time, while the next ones arrive."""

LOOK_S = 0.5
"""How often it is looked whether another request waits for the lock."""

_ABOUT = {"Tus-Resumable": VERSION, "Cache-Control": "no-store"}
_EXTENSIONS = "creation,expiration,checksum,termination,concatenation"


class Crc32:
    """CRC-32 as ``hashlib`` would have it."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes) -> None:
        """Take bytes in."""
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        """Return it, most significant byte first."""
        return self._value.to_bytes(4, "big")


DIGESTS: Mapping[str, Any] = {
    "sha1": hashlib.sha1,
    "sha256": hashlib.sha256,
    "md5": hashlib.md5,
    "crc32": Crc32,
}


def is_tus(path: str) -> bool:
    """Tell whether an address speaks this protocol."""
    return path.startswith("/uploads/") or (
        path.startswith("/datasets/") and path.rstrip("/").endswith("/uploads")
    )


def about(backend: Any) -> dict[str, str]:
    """Return the headers that tell what this server can do."""
    return {
        **_ABOUT,
        "Tus-Version": VERSION,
        "Tus-Extension": _EXTENSIONS,
        "Tus-Max-Size": str(backend.settings.max_upload_bytes),
        "Tus-Checksum-Algorithm": ",".join(DIGESTS),
    }


def _refused(why: ArcsecondError) -> ArcsecondError:
    """Return a refusal with a status that has no other meaning to clients of tus.

    They try 409 and 423 again, ask how far it came, and would take what was refused for sent.
    """
    is_theirs = isinstance(why, ConflictError | LockedError)
    return RefusedUploadError.because(why) if is_theirs else why


@post("/datasets/{dataset:str}/uploads/", status_code=201)
async def begin_upload(request: AnyRequest, dataset: FromPath[str]) -> Response[None]:
    _check_version(request)
    try:
        row = await writing(request, service.begin, dataset, _new(request))
    except NameTakenError as error:  # of what was put together
        raise _refused(error) from None
    return await _answer(request, row, 201, Location=f"{base_url(request)}/uploads/{row.uuid}")


@get("/datasets/{dataset:str}/uploads/", opt={"resource": "uploads", "verb": "list"})
async def list_uploads(request: AnyRequest, dataset: FromPath[str]) -> Any:
    def present(upload: Upload) -> Upload:
        upload.upload_url = base_url(request) + upload.upload_url
        return upload

    return await listed(
        request,
        lambda backend, viewer: service.list_uploads(backend, viewer, dataset),
        present=present,
    )


@head("/uploads/{upload:str}")
async def read_upload(request: AnyRequest, upload: FromPath[str]) -> Response[None]:
    _check_version(request)
    row = await writing(request, service.standing, upload)
    if row.refusal:  # it has come to its end, and there is no file: it cannot look like success
        raise RefusedUploadError.because(service.refusal_of(row))
    more = {"Upload-Length": str(row.length)}
    if row.told:
        more["Upload-Metadata"] = row.told
    return await _answer(request, row, 200, **more)


@patch("/uploads/{upload:str}", status_code=204)
async def append(request: AnyRequest, upload: FromPath[str]) -> Response[None]:
    _check_version(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if kind != "application/offset+octet-stream":
        raise MediaTypeError("Bytes of an upload are sent as application/offset+octet-stream.")
    offset = _number(request, "Upload-Offset")
    checksum = _checksum(request.headers.get("upload-checksum", ""))
    sha256 = _sha256(request.headers.get("arcsecond-sha256", ""), "Arcsecond-SHA256")
    backend, viewer = backend_of(request), viewer_of(request)
    held = await to_its_end(asyncio.to_thread(Writing, backend, viewer, upload, offset))
    try:
        taking = _Taking(request, held, checksum)
        await taking.take()
        try:
            await to_its_end(asyncio.to_thread(held.finish, sha256))
        except ArcsecondError as error:
            raise (_refused(error) if held.row.refusal else error) from None
        row = held.row
    finally:
        await to_its_end(asyncio.to_thread(held.__exit__))
    return await _answer(request, row, 204)


@delete("/uploads/{upload:str}", status_code=204)
async def terminate(request: AnyRequest, upload: FromPath[str]) -> Response[None]:
    _check_version(request)
    await writing(request, service.terminate, upload)
    return Response(None, status_code=204, headers=_ABOUT)


class _Taking:
    """Takes the bytes of a request: one piece is written while the next one arrives."""

    def __init__(self, request: AnyRequest, held: Writing, checksum: _Checksum | None) -> None:
        self._request = request
        self._held = held
        self._checksum = checksum
        self._buffer = bytearray()
        self._since = 0
        self._pending: asyncio.Task[None] | None = None

    async def take(self) -> None:
        """Take all of them; what came of those that were cut off is kept.

        Raises
        ------
        ChecksumError
            They are not those that were sent: none of them is kept.
        IncompleteUploadError
            The connection was cut, or brought nothing for too long.
        LockedError
            Another request goes on with the upload.
        TooLargeError
            They are more than the upload is to have.
        """
        announced = self._request.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > self._held.left:
            raise TooLargeError(f"This upload takes {self._held.left} more bytes.")
        try:
            await self._arrive()
        except (IncompleteUploadError, LockedError):
            if self._checksum is None:
                await self._keep_what_came()
            raise
        finally:
            await self._settle()
        if self._held.row.ended_at is None:
            await self._flush_buffer()
            await self._settle()
            if self._checksum is not None:
                self._checksum.compare()
            await self._in_thread(self._held.acknowledge)

    async def _arrive(self) -> None:
        stream = self._request.stream()
        arriving: asyncio.Future[bytes] | None = None
        try:
            quiet = 0.0
            while True:
                arriving = arriving or asyncio.ensure_future(anext(stream, b""))
                done, _ = await asyncio.wait({arriving}, timeout=LOOK_S)
                if self._held.wanted:
                    raise LockedError("Another request goes on with this upload.")
                if not done:
                    quiet += LOOK_S
                    if quiet >= receiving.STALLED_S:
                        raise receiving.stalled()
                    continue
                chunk, arriving, quiet = arriving.result(), None, 0.0
                if not chunk:
                    return
                await self._take(chunk)
        except (ClientException, ConnectionError) as error:
            raise IncompleteUploadError("The connection was cut during the upload.") from error
        finally:
            if arriving is not None:
                arriving.cancel()
                with contextlib.suppress(BaseException):
                    await arriving

    async def _take(self, chunk: bytes) -> None:
        self._buffer += chunk
        if len(self._buffer) > self._held.left:
            raise TooLargeError(f"This upload takes {self._held.left} more bytes.")
        if len(self._buffer) >= PIECE:
            await self._flush_buffer()

    async def _flush_buffer(self) -> None:
        await self._settle()
        piece, self._buffer = bytes(self._buffer), bytearray()
        if piece:
            self._pending = asyncio.create_task(asyncio.to_thread(self._write, piece))

    def _write(self, piece: bytes) -> None:
        if self._checksum is not None:
            self._checksum.update(piece)
        self._held.write(piece)
        self._since += len(piece)
        # With a checksum nothing counts before all of it was compared.
        if self._since >= FLUSHED_BYTES and self._checksum is None and self._held.left:
            self._held.acknowledge()
            self._since = 0

    async def _keep_what_came(self) -> None:
        await self._settle()
        await self._flush_buffer()
        await self._settle()
        await self._in_thread(self._held.acknowledge)

    async def _in_thread(self, work: Any) -> None:
        await to_its_end(asyncio.to_thread(work))

    async def _settle(self) -> None:
        """Wait for the write that is under way, whatever comes in between."""
        pending, self._pending = self._pending, None
        if pending is not None:
            await to_its_end(_awaited(pending))


async def _awaited(task: asyncio.Task[None]) -> None:
    await task


class _Checksum:
    """The digest that the bytes of a request should have."""

    def __init__(self, name: str, expected: bytes) -> None:
        self._name, self._expected = name, expected
        self._digest = DIGESTS[name]()

    def update(self, data: bytes) -> None:
        """Take bytes in."""
        self._digest.update(data)

    def compare(self) -> None:
        """Refuse bytes that are not those that were sent."""
        if self._digest.digest() != self._expected:
            raise ChecksumError(
                f"The {self._name} of the bytes that arrived is another; send them again."
            )


def _new(request: AnyRequest) -> New:
    """Return the upload that the headers of a request ask for."""
    concat, _, listed_parts = request.headers.get("upload-concat", "").partition(";")
    if concat not in ("", PARTIAL, FINAL):
        raise InvalidInputError(f"Upload-Concat is partial or final, not {concat[:20]!r}.")
    told = request.headers.get("upload-metadata", "")
    metadata = _metadata(told)
    if "upload-defer-length" in request.headers:
        raise InvalidInputError("Upload-Defer-Length is not known here; send Upload-Length.")
    names = ("relativePath", "path", "filename", "name")
    path = next((metadata[name] for name in names if metadata.get(name)), "")
    return New(
        path=path.lstrip("/"),
        length=0 if concat == FINAL else _number(request, "Upload-Length"),
        told=told,
        sha256=_sha256(metadata.get("sha256", ""), "sha256"),
        replaces=metadata.get("replace", "").lower() in ("1", "true", "yes"),
        given={name: metadata[name] for name in ("tags", "is_raw") if name in metadata},
        concat=concat or None,
        parts=_parts(listed_parts) if concat == FINAL else (),
        parts_told=listed_parts if concat == FINAL else "",
    )


def _metadata(text: str) -> dict[str, str]:
    """Return what Upload-Metadata tells: names, and values in Base64."""
    found: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = pair.partition(" ")
        try:
            found[name] = base64.b64decode(value.strip(), validate=True).decode()
        except ValueError:
            problem = f"{name[:40]!r} is no text in Base64."
            raise InvalidInputError(fields={"Upload-Metadata": [problem]}) from None
    return found


def _parts(text: str) -> list[UUID]:
    """Return the uploads that Upload-Concat names by their addresses."""
    found = []
    for address in text.split():
        uuid = as_uuid(address.rstrip("/").rpartition("/")[2])
        if uuid is None:
            raise NotFoundError(f"Part {address[:80]!r} not found.")
        found.append(uuid)
    return found


def _checksum(text: str) -> _Checksum | None:
    if not text:
        return None
    name, _, value = text.partition(" ")
    try:
        expected = base64.b64decode(value.strip(), validate=True)
    except ValueError:
        expected = b""
    if name not in DIGESTS or not expected:
        problem = f"It is one of {', '.join(DIGESTS)}, and its value in Base64."
        raise InvalidInputError(fields={"Upload-Checksum": [problem]})
    return _Checksum(name, expected)


def _sha256(text: str, name: str) -> str | None:
    if text and not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise InvalidInputError(f"{name} is 64 hexadecimal digits.")
    return text.lower() or None


def _number(request: AnyRequest, name: str) -> int:
    text = request.headers.get(name.lower(), "")
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise InvalidInputError(fields={name: [f"{text[:20]!r} is no number of bytes."]})
    return int(text)


def _check_version(request: AnyRequest) -> None:
    if request.headers.get("tus-resumable") != VERSION:
        error = VersionError(f"Send Tus-Resumable: {VERSION}.")
        error.headers = {"Tus-Version": VERSION}
        raise error


async def _answer(request: AnyRequest, row: Any, status: int, **more: str) -> Response[None]:
    """Answer with how far an upload has come, and with the file that it became."""
    headers = _ABOUT | more | {"Upload-Offset": str(row.received)}
    if row.ended_at is None:
        headers["Upload-Expires"] = format_datetime(row.expires_at, usegmt=True)
    if row.concat:
        headers["Upload-Concat"] = f"{FINAL};{row.parts}" if row.concat == FINAL else row.concat
    if row.file is not None:
        headers["Arcsecond-SHA256"] = row.sha256
        headers["Arcsecond-New"] = "true" if row.is_new else "false"
        address = f"/datasets/{row.dataset}/fitsfiles/{row.file}/"
        headers["Arcsecond-File"] = base_url(request) + address
    return Response(None, status_code=status, headers=headers)


routes = [begin_upload, list_uploads, read_upload, append, terminate]
