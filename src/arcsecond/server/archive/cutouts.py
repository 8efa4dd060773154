"""Cutouts of images: asked for with a download, made when they are, and not kept."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from arcsecond.errors import InvalidInputError, NotFoundError, UnavailableError
from arcsecond.schemas.archive import FitsFile
from arcsecond.server import apart
from arcsecond.server.archive.files import open_file
from arcsecond.server.catalogues.places import parse_angle, parse_place
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.observatory.service import find_row
from arcsecond.server.parsing import parse_hdu

logger = logging.getLogger(__name__)

CUTTING = "arcsecond.server.archive.cutting"
TIMEOUT_S = 60
WIDEST_DEG = 30.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A part of an image: where its middle is, how wide it is, all in degrees (ICRS)."""

    ra_deg: float
    dec_deg: float
    size_deg: float
    hdu: int | None


def asked(backend: Backend, _viewer: Viewer, given: Mapping[str, str]) -> Asked:
    """Read what a query asks for: ``cutout=RA,DEC,SIZE`` or ``NAME,SIZE``, and ``hdu``.

    Raises
    ------
    InvalidInputError
        It is no position, no size or no HDU.
    NotFoundError
        Nothing is called so.
    """
    text = given["cutout"]
    place, comma, size = text.rpartition(",")
    size_deg = parse_angle(size.strip())
    if not comma or not place.strip() or not 0 < size_deg <= WIDEST_DEG:
        problem = f"{text[:60]!r} is no cutout; write RA,DEC,SIZE such as 83.82,-5.39,2arcmin"
        raise _wrong("cutout", f"{problem}, {WIDEST_DEG:g} degrees at most.")
    found = parse_place(place, "cutout")
    if found is None:
        row = find_row(backend, place.strip())
        found = row.ra_deg, row.dec_deg
    hdu = given.get("hdu", "")
    number = parse_hdu(hdu)
    if hdu and number is None:
        raise _wrong("hdu", f"{hdu[:20]!r} is no number of an HDU.")
    return Asked(*found, size_deg, number)


def cut(
    backend: Backend, viewer: Viewer, dataset: str, key: str, version: int | None, what: Asked
) -> tuple[FitsFile, BinaryIO]:
    """Return a file, and a cutout of it as a FITS file that is gone when it is closed.

    Raises
    ------
    NotFoundError
        There is no such file, or none of its images shows the position.
    UnavailableError
        It could not be made now.
    """
    file, content = open_file(backend, viewer, dataset, key, version)
    scratch = backend.settings.home / "previews"
    scratch.mkdir(parents=True, exist_ok=True)
    handle, path = tempfile.mkstemp(dir=scratch, prefix="cutout-")
    os.close(handle)
    try:
        order = {
            "ra_deg": what.ra_deg,
            "dec_deg": what.dec_deg,
            "size_deg": what.size_deg,
            "hdu": what.hdu,
            "packing": file.packing,
            "limit": backend.settings.max_unpacked_bytes,
            "scratch": str(scratch),
            "out": path,
            "name": file.name.encode("ascii", "replace").decode(),
            "sha256": file.sha256,
            "start": None if file.start is None else str(file.start),
        }
        with content:
            said, status = apart.run(CUTTING, json.dumps(order), timeout_s=TIMEOUT_S, stdin=content)
        told = json.loads(said) if status == 0 and said else None
        if told is None:
            logger.warning("cutting %s ended with status %s", file.sha256, status)
            raise UnavailableError(f"{file.name} cannot be cut now.")
        if "problem" in told:
            raise NotFoundError(f"No cutout: {file.name} {told['problem']}")
        return file, Path(path).open("rb")
    finally:
        os.unlink(path)  # who has it open reads on


def _wrong(field: str, problem: str) -> InvalidInputError:
    return InvalidInputError(fields={field: [problem]})
