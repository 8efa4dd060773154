"""Save what is seen of a FITS file, or a part of it, or show rows of its tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import click

from arcsecond import views
from arcsecond.cli.output import Output
from arcsecond.client.endpoint import Endpoint
from arcsecond.client.frames import Frames
from arcsecond.client.saving import write_whole
from arcsecond.errors import ArcsecondInputValueError

PICTURES = {".webp": "image/webp", ".png": "image/png", ".svg": "image/svg+xml"}
NO_FRAMES = {*PICTURES, ".jpg", ".jpeg", ".gif", ".pdf", ".tif", ".tiff"}
"""Whoever saves under such a name wants a picture, not the bytes of a FITS file."""


def save(
    endpoint: Endpoint, key: str, *, out: str | None, cutout: str | None, hdu: str | None,
    version: int | None, output: Output,
) -> None:  # fmt: skip
    """Save a file, a cutout of it, or the picture or plot of an HDU.

    Parameters
    ----------
    out
        Where to; a cutout has a name of its own without.
    cutout
        ``RA,DEC,SIZE`` or ``NAME,SIZE``.
    hdu
        Number or name of the HDU; None for the first that fits.
    version
        An older one of the file; of those there are no pictures.
    """
    frames = cast(Frames, endpoint)
    if cutout is not None:
        place, comma, size = cutout.rpartition(",")
        if not comma:
            raise click.UsageError("--cutout is RA,DEC,SIZE or NAME,SIZE, such as 'M 42,2arcmin'.")
        stem = Path(str(frames.read(key)["name"])).name.partition(".")[0]
        path = Path(out or f"{stem}_cutout.fits")
        content = frames.cut(key, place, size, hdu=hdu)
    else:
        path = Path(out or "")
        kind = PICTURES.get(path.suffix.lower())
        if kind is None or version is not None:
            if path.suffix.lower() in NO_FRAMES:
                raise click.UsageError(
                    "A picture is saved as .png or .webp, a plot as .svg, of the present version; "
                    "a file under a name of its own kind."
                )
            if hdu is not None:
                raise click.UsageError("--hdu goes with a picture (.png, .webp) or a plot (.svg).")
            _save_file(frames, key, path, version)
            output.saved(str(path))
            return
        picture = frames.preview(key, hdu, size="png" if kind == "image/png" else "full")
        if picture.kind != kind:
            fitting = ".svg" if picture.kind == PICTURES[".svg"] else ".png or .webp"
            raise ArcsecondInputValueError(
                f"What is to be seen of it is saved as {fitting}, not as {path.suffix}."
            )
        content = picture.content
    write_whole(path, content)
    output.saved(str(path))


def _save_file(frames: Frames, key: str, path: Path, version: int | None) -> None:
    try:
        frames.save_file(key, path, version=version)
    except OSError as error:
        why = error.strerror or str(error)
        raise ArcsecondInputValueError(f"{path} cannot be written: {why}.") from None


def show_rows(endpoint: Endpoint, key: str, hdu: str | None, output: Output) -> None:
    """Print the first rows of a table: for people with units, else as JSON."""
    told = cast(Frames, endpoint).first_rows(key, hdu)
    if not output.for_people:
        click.echo(json.dumps(told, ensure_ascii=False))
        return
    output.table(views.first_rows(told))
