"""Many small files in one answer: asking for each of them takes longer than it does.

They come as a tar archive, which is taken apart as it lies in memory. What does not come as
its digest says, or cannot be written, is left to be fetched by itself, which tells why.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tarfile
import threading
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from arcsecond.client.fetching import Part, Remote
from arcsecond.client.patience import StoppedError
from arcsecond.client.running import Moved
from arcsecond.client.transport import Transport
from arcsecond.errors import ArcsecondError
from arcsecond.flushing import begin_to_flush, flush_folder

TOGETHER, TOGETHER_BYTES = 64, 4 << 20
"""Files, and bytes, that come in one answer."""

SMALL = 512 << 10
"""Bytes of a file that comes together with others."""

MOST_BESIDE = 1 << 20
"""Bytes of an answer beside the files."""


def groups(items: Sequence[Remote]) -> Iterator[list[Remote]]:
    """Put small files of one dataset together; the others are by themselves."""
    small: dict[str, list[Remote]] = {}
    sizes: dict[str, int] = {}
    for item in items:
        if item.size > SMALL:
            yield [item]
            continue
        dataset = item.dataset
        small.setdefault(dataset, []).append(item)
        sizes[dataset] = sizes.get(dataset, 0) + item.size
        if len(small[dataset]) == TOGETHER or sizes[dataset] >= TOGETHER_BYTES:
            del sizes[dataset]
            yield small.pop(dataset)
    yield from small.values()


def fetch_together(
    transport: Transport,
    items: Sequence[Remote],
    moved: Moved,
    stopping: threading.Event,
    *,
    replace: bool,
) -> list[Remote]:
    """Fetch small files of one dataset; returns those that are here, verified and flushed.

    Raises
    ------
    StoppedError
        It was stopped.
    """
    moved(0)
    try:
        archive = _archive(transport, items, moved, stopping)
    except (ArcsecondError, MemoryError):
        return []
    wanted: dict[str, list[Remote]] = {}
    for item in items:
        wanted.setdefault(item.sha256, []).append(item)
    with contextlib.ExitStack() as stack:
        written: list[tuple[Remote, Part, BinaryIO]] = []
        for content in _members(archive):
            for item in wanted.pop(hashlib.sha256(content).hexdigest(), ()):
                part = Part(item, replace=replace)
                with contextlib.suppress(OSError, ArcsecondError):
                    file = stack.enter_context(part.opened())
                    _write(file, content)
                    written.append((item, part, file))
        return _lasting(written)


def _archive(
    transport: Transport, items: Sequence[Remote], moved: Moved, stopping: threading.Event
) -> bytes:
    pks = ",".join(str(item.pk) for item in items)
    size = sum(item.size for item in items)
    most = size + MOST_BESIDE
    archive = bytearray()
    address = f"{items[0].dataset}/files.tar?pk={pks}"
    with transport.stream(address, {"Accept-Encoding": "identity"}) as stream:
        for piece in stream.pieces:
            archive += piece
            if stopping.is_set():
                raise StoppedError
            if len(archive) > most:  # other versions than those that are wanted
                break
            moved(min(len(archive), size))
    return bytes(archive)


def _members(archive: bytes) -> Iterator[bytes]:
    """Yield the contents of an archive, as far as it can be read."""
    with (
        contextlib.suppress(tarfile.TarError, EOFError),
        tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as tar,
    ):
        for member in tar:
            # What is larger than the archive is not in it, whatever it says.
            if not member.isreg() or member.issparse() or member.size > len(archive):
                continue
            if (content := tar.extractfile(member)) is not None:
                yield content.read()


def _write(file: BinaryIO, content: bytes) -> None:
    file.truncate(0)
    view = memoryview(content)
    while view:
        view = view[file.write(view) :]
    begin_to_flush(file.fileno())


def _lasting(written: Sequence[tuple[Remote, Part, BinaryIO]]) -> list[Remote]:
    """Flush files, and then give each its name; returns those that have it."""
    named: list[tuple[Remote, Part]] = []
    for item, part, file in written:
        with contextlib.suppress(OSError, ArcsecondError):
            try:
                os.fsync(file.fileno())
            except OSError:
                file.truncate(0)  # the system tells only once that a flush failed
                raise
            part.name()
            named.append((item, part))
    for folder in {part.folder for _, part in named}:
        with contextlib.suppress(OSError):  # not every file system can
            flush_folder(folder)
    return [item for item, _ in named]
