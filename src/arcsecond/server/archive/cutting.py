"""Cut a part out of an image, with its WCS, in a process of its own.

The pixels are those of the image: nothing is resampled. Of a cube all planes are kept.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import warnings
from datetime import datetime
from typing import TYPE_CHECKING, Any

from arcsecond.server.archive.looking import ordered_frame

if TYPE_CHECKING:
    from astropy.io.fits import Header

MOST_VALUES = 64_000_000
"""Of a cutout."""


class NoCutoutError(Exception):
    """Nothing can be cut out; the message says why."""


def main() -> int:
    """Cut what the first argument asks for out of the frame on stdin, into a file that it names."""
    warnings.simplefilter("ignore")
    with ordered_frame() as (order, file, _):
        try:
            hdu = cut(file.fileno(), order)
        except NoCutoutError as problem:
            print(json.dumps({"problem": str(problem)}))
        except MemoryError:
            print(json.dumps({"problem": "takes more memory than a cutout may."}))
        except Exception:  # what reads frames raises all sorts
            print(json.dumps({"problem": "cannot be cut: its headers are damaged."}))
        else:
            print(json.dumps({"hdu": hdu}))
    return 0


def cut(descriptor: int, order: dict[str, Any]) -> int:
    """Write a cutout; returns the number of the HDU that it is of.

    Raises
    ------
    NoCutoutError
        No image shows the position.
    """
    from astropy.io import fits

    # By a path, since astropy maps an open file as if it would be written to.
    path = f"/dev/fd/{descriptor}"
    with fits.open(path, "denywrite", memmap=True, do_not_scale_image_data=True) as hdus:
        # One after the other: how many there are is known when all of the file was read.
        for index in itertools.count() if order["hdu"] is None else [order["hdu"]]:
            try:
                hdus[index]
            except IndexError:
                if order["hdu"] is None:
                    break
                raise NoCutoutError("has no such HDU.") from None
            if (found := _box(hdus, index, order)) is not None:
                _write(hdus, index, found, order)
                return index
    raise NoCutoutError("shows nothing of that position.")


Box = dict[int, tuple[int, int]]
"""First pixel and the one behind the last, from 0, of two axes of FITS, which begin at 1."""


def _box(hdus: Any, index: int, order: dict[str, Any]) -> Box | None:
    """Return which pixels are asked for; None when the image has none of them."""
    from astropy.coordinates import SkyCoord
    from astropy.wcs import WCS
    from astropy.wcs.utils import proj_plane_pixel_scales

    from arcsecond.server.archive.sky import DoubtfulError, frame_of

    hdu = hdus[index]
    if not hdu.is_image or len(hdu.shape) < 2:
        return None
    wcs = WCS(hdu.header, hdus)
    if not wcs.has_celestial:
        return None
    sky = wcs.celestial
    try:
        start = datetime.fromisoformat(told) if (told := order.get("start")) else None
        frame = frame_of(sky, hdu.header, start)
    except DoubtfulError:  # of the Sun, or of another world
        return None
    at = SkyCoord(order["ra_deg"], order["dec_deg"], unit="deg").transform_to(frame)
    told = at.spherical.lon.deg, at.spherical.lat.deg
    turned = slice(None, None, 1 if sky.wcs.lng < sky.wcs.lat else -1)
    x, y = (float(one) for one in sky.world_to_pixel_values(*told[turned]))
    scales = proj_plane_pixel_scales(sky)
    axes = sorted((wcs.wcs.lng, wcs.wcs.lat))  # x is the first of them, whatever it tells
    box: Box = {}
    for place, scale, axis in zip((x, y), scales, axes, strict=True):
        length = hdu.shape[::-1][axis]
        half = order["size_deg"] / scale / 2
        if not -0.5 <= place < length - 0.5:
            return None
        first = max(0, round(place - half + 0.5))
        box[axis + 1] = first, min(length, max(first + 1, round(place + half + 0.5)))
    # What is behind the tangent plane has pixels, too: they have to lead back to where they are.
    there = SkyCoord(*sky.pixel_to_world_values(x, y)[turned], unit="deg", frame=frame)
    return box if there.separation(at).deg < max(scales) else None


def _write(hdus: Any, index: int, box: Box, order: dict[str, Any]) -> None:
    from astropy.io import fits

    hdu = hdus[index]
    count = len(hdu.shape)
    parts = tuple(slice(*box[count - n]) if count - n in box else slice(None) for n in range(count))
    values = 1
    for n, part in enumerate(parts):
        values *= len(range(*part.indices(hdu.shape[n])))
    if values > MOST_VALUES:
        raise NoCutoutError(f"would give {values:,} values; {MOST_VALUES:,} are the most.")
    header = shifted(hdu.header, {axis: first for axis, (first, _) in box.items()})
    span = ", ".join(f"{first + 1}:{last}" for _, (first, last) in sorted(box.items()))
    header.add_history(f"Cut out of HDU {index} of {order['name']}: pixels {span}")
    header.add_history(f"SHA-256 of that file: {order['sha256'][:32]}")
    header.add_history(f"                      {order['sha256'][32:]}")
    try:
        data = hdu.section[parts]
    except MemoryError:
        raise
    except Exception:  # tiles that cannot be unpacked as much as rows that are not there
        raise NoCutoutError("ends before these pixels, or they are damaged.") from None
    kind = fits.ImageHDU if index else fits.PrimaryHDU
    image = kind(data, header, do_not_scale_image_data=True)
    for keyword in ("BSCALE", "BZERO", "BLANK"):  # the values are as they were stored
        if keyword in header:
            image.header[keyword] = header[keyword]
    made = [fits.PrimaryHDU(header=_alone(hdus[0].header)), image] if index else [image]
    made += _corrections(hdus, box, header)
    with open(order["out"], "wb") as target:
        fits.HDUList(made).writeto(target, output_verify="silentfix+ignore")
        target.flush()
        os.fsync(target.fileno())


def _alone(header: Header) -> Header:
    """Return a primary header without what tells of its own data."""
    found = header.copy(strip=True)
    for keyword in ("BSCALE", "BZERO", "BLANK", "DATASUM", "CHECKSUM"):
        found.remove(keyword, ignore_missing=True)
    return found


def shifted(header: Header, first: dict[int, int]) -> Header:
    """Return the header of a part of an image.

    The reference pixels of all its WCSs move; so do those of the detector (LTV, of IRAF), and
    where the part lies on a plate (CNPIX, of the Digitized Sky Survey).

    Parameters
    ----------
    first
        The first pixel of the part, from 0, by axis.
    """
    found = header.copy()
    for keyword in ("DATASUM", "CHECKSUM", "ZHECKSUM", "ZDATASUM"):
        found.remove(keyword, ignore_missing=True)
    for axis, start in first.items():
        for letter in ("", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ"):
            keyword = f"CRPIX{axis}{letter}"
            if keyword in found:
                found[keyword] -= start
            elif f"CRVAL{axis}{letter}" in found and start:
                found[keyword] = float(-start)  # FITS 4.0, 8.2: it is 0 where it is not told
        if f"LTV{axis}" in found:
            found[f"LTV{axis}"] -= start
        if f"CNPIX{axis}" in found:
            found[f"CNPIX{axis}"] += start
    return found


def _corrections(hdus: Any, box: Box, header: Header) -> list[Any]:
    """Return the tables of corrections that the WCS refers to, moved along."""
    found: list[Any] = []
    if not any(keyword.startswith(("CPDIS", "D2IMDIS", "AXISCORR")) for keyword in header):
        return found
    version = header.get("EXTVER", 1)
    for hdu in hdus:
        if hdu.name not in ("WCSDVARR", "D2IMARR") or hdu.header.get("EXTVER", 1) < version - 1:
            continue
        copied = hdu.copy()
        for axis, (first, _) in box.items():
            if f"CRVAL{axis}" in copied.header:
                copied.header[f"CRVAL{axis}"] -= first
        found.append(copied)
    return found


if __name__ == "__main__":
    sys.exit(main())
