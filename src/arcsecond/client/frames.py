"""FITS files as an endpoint: searched, opened where they lie, cut out, looked at."""

from __future__ import annotations

import base64
import io
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from arcsecond.client.endpoint import PAGE, PICTURE_PATIENCE_S, Endpoint, as_segment
from arcsecond.client.searching import Found, query_of
from arcsecond.errors import (
    ArcsecondConnectionError,
    ChangedError,
    NotFitsError,
    NotFoundError,
)
from arcsecond.tables import first_rows

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.io.fits import HDUList
    from astropy.table import Table
    from astropy.units import Quantity

    from arcsecond.client.transport import Answer, Transport

BLOCK = 64 << 10
"""Bytes that are fetched at once where fewer are read."""

BLOCKS = 64
"""Blocks that are kept of a file."""

LARGE_BLOCK = 8 << 20
"""The same where all of a file is read."""


class Frames(Endpoint):
    """The calls to FITS files: those of one dataset, or of all."""

    def search(self, *conditions: str, **filters: Any) -> Found:
        """Search files, in all datasets or in the one that was given.

        Nothing is asked before something is read of the result, and then page by page.

        Parameters
        ----------
        *conditions
            Such as ``"header.AIRMASS<1.5"``: all of them have to be true.
        **filters
            The same: ``cone=(ra, dec, radius)`` in degrees (ICRS), ``object``,
            ``night``, ``after``, ``before``, ``instrument``, ``exposure=(10, 300)``,
            ``text``, ``sort="-start"`` and others.

        Raises
        ------
        ArcsecondInputValueError
            There is no such filter.
        ArcsecondNotLoggedInError
            Nobody is signed in on the server.
        """
        self.refuse_unknown(filters)
        self.check()
        if conditions:
            more = filters.get("where") or []
            filters["where"] = [*conditions, *([more] if isinstance(more, str) else more)]
        return Found(self, {"limit": PAGE, **query_of(filters)})

    def path(self, key: Any) -> str:
        """Return the path of one, or of the list; without a dataset, of all there are."""
        if self.inside:
            return super().path(key)
        if key is None:
            return self.resource.everywhere
        return f"{self.resource.everywhere}{as_segment(str(key))}/"

    def answer(
        self,
        method: str,
        key: Any = None,
        fields: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        patience: float = 0.0,
    ) -> Answer:
        """Make a request; what changes a file is asked of its dataset."""
        if self.inside or method == "GET":
            return super().answer(method, key, fields, params, patience)
        if key is None:
            super().path(None)  # which says that a dataset has to be named
        dataset = self.read(key)["dataset"]
        inner = Frames(self.resource, self.transport, dataset, self.progress)
        return inner.answer(method, key, fields, params, patience)

    def open(self, key: Any, *, version: int | None = None) -> HDUList:
        """Open a file where it lies; only what is looked at of it is fetched.

        Headers come as they are needed, and data when they are: ``hdus[1].section[10:20, 5:9]``
        fetches some rows, ``hdus[1].data`` all of them. A file that is packed as a whole,
        by gzip or otherwise, is fetched whole, and so is an XISF file, which is translated.

        Parameters
        ----------
        key
            Its ``pk``, or its name inside a dataset.
        version
            An older one.

        Returns
        -------
        astropy.io.fits.HDUList
            Close it when you are done.

        Raises
        ------
        NotFoundError
            There is no such file.
        ArcsecondError
            It cannot be fetched, also later, when data are read.
        """
        from astropy.io import fits

        file, address = self._one_version(key, version)
        remote = RemoteFile(self.transport, address, file["size"], file["sha256"])
        if file["packing"]:
            opened = io.BufferedReader(remote, LARGE_BLOCK)
            return fits.open(_unpacked(opened, file["packing"], file["content_size"]))
        return fits.open(io.BufferedReader(remote), lazy_load_hdus=True)

    def _one_version(self, key: Any, version: int | None) -> tuple[Mapping[str, Any], str]:
        """Return a file, and the address of the bytes that it has now, or had."""
        file = self.read(key, **({} if version is None else {"version": version}))
        address = f"/datasets/{file['dataset']}/fitsfiles/{file['pk']}/download/"
        # What replaces it meanwhile is another file.
        return file, f"{address}?version={file['version']}"

    def save_file(self, key: Any, path: str | Path, *, version: int | None = None) -> Path:
        """Save a file, verified, under a path; what is there is replaced once all has come.

        Parameters
        ----------
        key
            Its ``pk``, or its name inside a dataset.
        version
            An older one.

        Returns
        -------
        pathlib.Path
            Where it was saved.

        Raises
        ------
        NotFoundError
            There is no such file.
        ArcsecondError
            It did not get through, or never came as its digest says.
        OSError
            It cannot be written.
        """
        from arcsecond.client.fetching import Remote, fetch_one

        file, address = self._one_version(key, version)
        to = Path(path).expanduser()
        fetch_one(
            self.transport,
            Remote(str(to), file["name"], file["size"], file["pk"], file["sha256"], address),
        )
        return to

    def cutout(
        self,
        key: Any,
        position: tuple[float, float] | str | SkyCoord,
        size: float | str | Quantity,
        *,
        hdu: int | str | None = None,
    ) -> HDUList:
        """Cut a part out of an image, with its WCS.

        Parameters
        ----------
        key
            Its ``pk``, or its name inside a dataset.
        position
            Right ascension and declination (ICRS) in degrees, a SkyCoord, or the name of an
            object.
        size
            Width and height in degrees, a quantity, or a text such as ``2arcmin``.
        hdu
            Number or name of the HDU; else the first image that shows the position.

        Raises
        ------
        NotFoundError
            No image of the file shows it.
        """
        from astropy.io import fits

        return fits.open(io.BytesIO(self.cut(key, position, size, hdu=hdu)))

    def cut(
        self,
        key: Any,
        position: tuple[float, float] | str | SkyCoord,
        size: float | str | Quantity,
        *,
        hdu: int | str | None = None,
    ) -> bytes:
        """Return a cutout as the bytes of a FITS file; see ``cutout``."""
        self.check()
        params = query_of({"cutout": (position, size)})
        if hdu is None:
            path = self.one(key)
        else:
            file = self.read(key)
            path = _address(file)
            params["hdu"] = str(hdu_of(file, hdu)["index"])
        return self.transport.fetch(f"{path}download/", params, patience=PICTURE_PATIENCE_S)

    def preview(self, key: Any, hdu: int | str | None = None, *, size: str = "large") -> Picture:
        """Return the picture of an image, or the plot of a spectrum or a light curve.

        Parameters
        ----------
        hdu
            Number or name of the HDU; else the first that has a picture.
        size
            ``large`` or ``small``, as pages show it; ``full`` for up to 2048 pixels, as WebP,
            or ``png`` for the same as PNG. A plot has one size.

        Returns
        -------
        Picture
            A notebook shows it; ``content`` are its bytes.

        Raises
        ------
        NotFoundError
            There is nothing to be seen.
        """
        file = self.read(key)
        if hdu is not None:
            index = hdu_of(file, hdu)["index"]
        elif file["previews"]:
            index = file["previews"][0]["hdu"]
        else:
            raise NotFoundError(f"A picture of anything in {file['name']} not found.")
        path = f"{_address(file)}preview/{index}/"
        content = self.transport.fetch(path, {"size": size}, patience=PICTURE_PATIENCE_S)
        kind = next((k for begin, k in _KINDS.items() if content.startswith(begin)), "image/webp")
        return Picture(content, kind)

    def rows(self, key: Any, hdu: int | str | None = None) -> Table:
        """Return the first rows of a table in a file, without fetching the others.

        Parameters
        ----------
        hdu
            Number or name of the HDU; else the first table.

        Returns
        -------
        astropy.table.Table
            With the units of its columns. What is null or NaN is masked; of a cell with many
            values there are the first ones, as text.

        Raises
        ------
        NotFoundError
            There is no such table, or it cannot be read.
        """
        return first_rows(self.first_rows(key, hdu))

    def first_rows(self, key: Any, hdu: int | str | None = None) -> dict[str, Any]:
        """Return the same as the API gives it: ``columns``, ``units`` and ``rows``."""
        file = self.read(key)
        tables = [one["index"] for one in file["hdus"] if one["data_type"] in _TABLES]
        if hdu is None and not tables:
            raise NotFoundError(f"A table in {file['name']} not found.")
        index = tables[0] if hdu is None else hdu_of(file, hdu)["index"]
        path = f"{_address(file)}rows/{index}/"
        told: dict[str, Any] = json.loads(
            self.transport.fetch(path, None, patience=PICTURE_PATIENCE_S)
        )
        return told

    def one(self, key: Any) -> str:
        """Return the path of one in its dataset."""
        if self.inside:
            return self.path(key)
        return _address(self.read(key))


_TABLES = ("bintab", "ascitab")
_KINDS = {b"<?xml": "image/svg+xml", b"\x89PNG": "image/png"}


def _address(file: Mapping[str, Any]) -> str:
    return f"/datasets/{file['dataset']}/fitsfiles/{file['pk']}/"


def hdu_of(file: Mapping[str, Any], wanted: int | str) -> dict[str, Any]:
    """Return the HDU of a file that has a number or a name.

    Raises
    ------
    NotFoundError
        It has none.
    """
    hdus: list[dict[str, Any]] = file["hdus"]
    text = str(wanted).strip()
    for hdu in hdus:
        if text == str(hdu["index"]) or text.casefold() == hdu["name"].casefold():
            return hdu
    called = ", ".join(f"{h['index']} {h['name']}".strip() for h in hdus[:20])
    raise NotFoundError(f"{file['name']} has no HDU {text!r}.", hint=f"It has {called}.")


class Picture:
    """A picture that a notebook shows.

    Attributes
    ----------
    content
        Its bytes.
    kind
        Its media type, such as ``image/webp``.
    """

    def __init__(self, content: bytes, kind: str) -> None:
        self.content = content
        self.kind = kind

    def _repr_html_(self) -> str:
        encoded = base64.b64encode(self.content).decode()
        return f'<img src="data:{self.kind};base64,{encoded}">'

    def __repr__(self) -> str:
        """Tell what it is."""
        return f"<Picture {self.kind}, {len(self.content)} bytes>"


class RemoteFile(io.RawIOBase):
    """A file on the server, read by ranges of bytes.

    Parameters
    ----------
    address
        Path of its bytes.
    size
        In bytes.
    sha256
        Its digest: ranges of anything else are refused.
    """

    mode = "rb"

    def __init__(self, transport: Transport, address: str, size: int, sha256: str) -> None:
        super().__init__()
        self.name = address
        self.fetched = 0
        self._transport = transport
        self._size = size
        self._sha256 = sha256
        self._at = 0
        self._blocks: dict[int, bytes] = {}

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that one can go anywhere in it."""
        return True

    def tell(self) -> int:
        """Return where one is."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go somewhere."""
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, begin + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fetch bytes into a buffer; returns how many, 0 at the end.

        Of a little at a time whole blocks are fetched, and kept for what is read next:
        astropy goes back to where it was after each row.
        """
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), self._size - self._at)
        if wanted <= 0:
            return 0
        if wanted >= BLOCK:
            self._fetch(self._at, view[:wanted])
            got = wanted
        else:
            number, within = divmod(self._at, BLOCK)
            found = self._block(number)[within : within + wanted]
            got = len(found)
            view[:got] = found
        self._at += got
        return got

    def _block(self, number: int) -> bytes:
        """Return a block; those that were used last are kept."""
        if (block := self._blocks.pop(number, None)) is None:
            begin = number * BLOCK
            new = bytearray(min(BLOCK, self._size - begin))
            self._fetch(begin, memoryview(new))
            block = bytes(new)
            if len(self._blocks) == BLOCKS:
                del self._blocks[next(iter(self._blocks))]
        self._blocks[number] = block
        return block

    def _fetch(self, begin: int, view: memoryview) -> None:
        wanted = len(view)
        tag = f'"{self._sha256}"'
        headers = {"Range": f"bytes={begin}-{begin + wanted - 1}", "If-Range": tag,
                   "Accept-Encoding": "identity"}  # fmt: skip
        got = 0
        with self._transport.stream(self.name, headers) as stream:
            whole = wanted == self._size and stream.status == 200
            if stream.headers.get("ETag") != tag or not (stream.status == 206 or whole):
                raise ChangedError(f"{self.name} answers with another file; open it again.")
            while got < wanted and (came := stream.read_into(view[got:wanted])):
                got += came
        if got < wanted:
            raise ArcsecondConnectionError("The connection ended before the bytes did.")
        self.fetched += got


def _unpacked(file: BinaryIO, packing: str, size: int | None) -> BinaryIO:
    """Return the FITS inside a file, or that an XISF file stands for, as a nameless file.

    Parameters
    ----------
    size
        Of what is inside, in bytes, where the server knows it.

    Raises
    ------
    NotFitsError
        It is so damaged that nothing comes out.
    """
    from arcsecond.fits.packing import unpacked

    with unpacked(file, packing, tempfile.TemporaryFile, size or sys.maxsize) as content:
        if content.problem and not content.size:
            raise NotFitsError(content.problem)
        if content.problem:
            warnings.warn(content.problem, stacklevel=3)
        content.file.seek(0)  # which also writes what was waiting
        return open(os.dup(content.file.fileno()), "rb")
