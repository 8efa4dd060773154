"""Spectra and light curves as curves: what lies along the axis, what is measured, their units.

Read are images of one dimension with a linear or logarithmic axis, rows of one below the
other, the echelle formats of IRAF (MULTISPEC), and tables with columns that say what they are.

Reference: FITS Standard 4.0, section 8.4; Valdes 1993, "The IRAF/NOAO Spectral World
Coordinate Systems" (ASP Conf. Ser. 52, 467), for MULTISPEC and DC-FLAG; SDSS's spSpec for
COEFF0 and COEFF1, and for ARRAY1 and those after it, which name rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcsecond.server.archive.looking import NothingSeenError
from arcsecond.server.archive.product import ALONG, MEASURED, WAVELENGTHS, named

Numbers = NDArray[np.float64]

MOST_ROWS = 200
"""Of one below the other, such as the orders of an echelle."""

MOST_POINTS = 5_000_000

PIXEL = "Pixel"
"""What stands along an axis of which nobody says more."""

_LOGARITHMS = ("LOGLAM", "LOGWAVE")


class NoCurveError(NothingSeenError):
    """There is nothing to be drawn; the message says why."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Values along an axis, and what they are, where there are several."""

    x: Numbers
    y: Numbers
    label: str = ""


@dataclass(slots=True)
class Plot:
    """Curves that belong together, and what stands along their axes."""

    curves: list[Curve] = field(default_factory=list)
    x_label: str = PIXEL
    y_label: str = ""


def plot_of(hdu: Any, hdus: Sequence[Any] = ()) -> Plot:
    """Return the curves of an HDU of astropy.

    Parameters
    ----------
    hdus
        All of the file: one of them may hold the wavelengths.

    Raises
    ------
    NoCurveError
        There are none.
    """
    plot = _of_table(hdu) if hasattr(hdu, "columns") else _of_image(hdu, hdus)
    plot.curves = [curve for curve in plot.curves if np.isfinite(curve.y).any()]
    if not plot.curves:
        raise NoCurveError("holds no finite values.")
    return plot


# Tables


def _of_table(hdu: Any) -> Plot:
    names = list(hdu.columns.names)
    x, y = named(names, ALONG), named(names, MEASURED)
    if x is None or y is None:
        raise NoCurveError("has no columns that say what lies along the axis.")
    columns = hdu.columns
    found = [np.asarray(hdu.data[names[n]], dtype=float).ravel()[:MOST_POINTS] for n in (x, y)]
    along, values = found
    if len(along) != len(values):
        raise NoCurveError("has columns of different lengths.")
    if names[x].strip().upper() in _LOGARITHMS:
        along = 10.0**along
        return Plot([Curve(along, values)], "Wavelength (Å)", _label(names[y], columns[y].unit))
    return Plot(
        [Curve(along, values)], _label(names[x], columns[x].unit), _label(names[y], columns[y].unit)
    )


_UNITS = {"angstroms": "Å", "angstrom": "Å", "ang": "Å", "nanometers": "nm", "unknown": ""}
"""How units are shown that are not written as the standard has them."""


def _label(name: str, unit: object) -> str:
    told = str(unit or "").strip()
    told = _UNITS.get(told.lower(), told)
    return f"{name.strip()} ({told})" if told else name.strip()


# Images


def _of_image(hdu: Any, hdus: Sequence[Any]) -> Plot:
    data = hdu.data
    if data is None or not data.size:
        raise NoCurveError("holds no data.")
    if data.size > MOST_POINTS:
        raise NoCurveError("has too many values for a plot.")
    header = hdu.header
    rows = np.asarray(data, dtype=float).reshape(-1, data.shape[-1])[:MOST_ROWS]
    if data.shape[-1] == 1:  # along another axis
        rows = rows.reshape(1, -1)
    y_label = _label("Flux" if header.get("BUNIT") else "Value", header.get("BUNIT"))
    if str(header.get("CTYPE1", "")).upper().startswith("MULTISPE"):
        axes = multispec(header, rows.shape[1])
        curves = [Curve(axes.get(n, _pixels(rows[0])), row) for n, row in enumerate(rows)]
        return Plot(curves, _iraf_label(header), y_label)
    if 1 < len(rows) <= 10 and _rises(rows[0]) and not _has_axis(header):
        x_label = _axis_label(header, str(header.get("CTYPE1", "")).strip().upper())
        curves = [Curve(rows[0], row, str(n + 2)) for n, row in enumerate(rows[1:])]
        return Plot(curves, x_label, y_label)
    along, x_label = axis(header, rows.shape[1])
    if x_label == PIXEL:
        along, x_label = _beside(hdu, hdus, rows.shape[1]) or (along, x_label)
    several = len(rows) > 1
    called = [str(header.get(f"ARRAY{n + 1}", "")).strip() for n in range(len(rows))]
    curves = [
        Curve(along, row, (name.capitalize()[:40] or str(n + 1)) if several else "")
        for n, (row, name) in enumerate(zip(rows, called, strict=True))
        # Bits are no flux, and what has no name beside others nobody knows.
        if "MASK" not in name.upper() and bool(name) == any(called)
    ]
    return Plot(curves, x_label, y_label)


def _beside(hdu: Any, hdus: Sequence[Any], length: int) -> tuple[Numbers, str] | None:
    """Return the wavelengths that another HDU holds, such as B_WAVELENGTH those of B_FLUX.

    Or else the axis of the first HDU, where that is as long: its error and its flags lie along
    the same.
    """
    arm = hdu.name.upper().rpartition("_")[0]
    called = [f"{arm}_{name}" if arm else name for name in WAVELENGTHS]
    for other in hdus:
        if other.name.upper() not in called or other is hdu or hasattr(other, "columns"):
            continue
        if (data := other.data) is not None and data.size == length:
            unit = str(other.header.get("BUNIT") or "").strip()
            return np.asarray(data, dtype=float).ravel(), _label("Wavelength", unit)
    first = hdus[0] if len(hdus) else hdu
    if first is not hdu and first.header.get("NAXIS1") == length and _has_axis(first.header):
        along, label = axis(first.header, length)
        return None if label == PIXEL else (along, label)
    return None


def _pixels(row: Numbers) -> Numbers:
    return np.arange(1.0, len(row) + 1)


def _rises(row: Numbers) -> bool:
    """Tell whether a row is an axis by itself: every value larger than the one before."""
    return len(row) > 2 and bool((np.diff(row) > 0).all())


def _has_axis(header: Any) -> bool:
    step = header.get("CDELT1", header.get("CD1_1"))
    return "COEFF1" in header or (step not in (None, 0, 1) and "CRVAL1" in header)


def axis(header: Mapping[str, Any], length: int) -> tuple[Numbers, str]:
    """Return what lies along the first axis of an image, and its label."""
    pixel = np.arange(1.0, length + 1)
    if "COEFF0" in header and "COEFF1" in header:
        return 10.0 ** (header["COEFF0"] + header["COEFF1"] * (pixel - 1)), "Wavelength (Å)"
    start = header.get("CRVAL1")
    step = header.get("CDELT1", header.get("CD1_1"))
    reference = header.get("CRPIX1", 1.0)
    if not (_is_number(start) and _is_number(step) and _is_number(reference)) or not step:
        return pixel, PIXEL
    start = float(start)  # type: ignore[arg-type]  # it is a number
    along = start + step * (pixel - reference)
    kind = str(header.get("CTYPE1", "")).strip().upper()
    is_log = header.get("DC-FLAG") == 1 or kind.endswith("-LOG10") or kind in ("LOG-LAM", "LOGLAM")
    if is_log and along.max() < 30:
        along = 10.0**along
    elif kind.endswith("-LOG") and start > 0:  # FITS 4.0, 8.2: natural, about the reference
        along = start * np.exp((along - start) / start)
    return along, _axis_label(header, kind)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_CALLED = {
    "WAVE": "Wavelength", "AWAV": "Wavelength in air", "LAMBDA": "Wavelength", "FREQ": "Frequency",
    "ENER": "Energy", "VRAD": "Radial velocity", "VOPT": "Optical velocity", "VELO": "Velocity",
    "FELO": "Velocity", "ZOPT": "Redshift", "TIME": "Time",
}  # fmt: skip


def _axis_label(header: Mapping[str, Any], kind: str) -> str:
    beside = re.search(r"[\[(]([^\])]+)[\])]", str(header.get("CTYPE1", ""))[:80])
    unit = str(header.get("CUNIT1") or (beside[1] if beside else "")).strip()
    name = next((text for start, text in _CALLED.items() if kind.startswith(start)), "")
    if not name or not unit:
        told = _iraf_label(header)
        if told != PIXEL:
            return told
    return _label(name or "Wavelength", unit)


def _iraf_label(header: Mapping[str, Any]) -> str:
    """Return the label that IRAF's attributes give the first axis."""
    told = _attributes(header, 1)
    name = re.search(r"label\s*=\s*\"?(\w+)", told)
    unit = re.search(r"units\s*=\s*\"?(\w+)", told)
    if not name and not unit:
        return PIXEL
    return _label(name[1].capitalize() if name else "Wavelength", unit[1] if unit else "")


def _attributes(header: Mapping[str, Any], axis_: int) -> str:
    """Return the attributes of an axis, which IRAF cuts into cards of 68 characters."""
    parts = []
    for n in range(1, 1000):
        text = header.get(f"WAT{axis_}_{n:03}")
        if text is None:
            break
        parts.append(str(text).ljust(68))
    return "".join(parts)


def multispec(header: Mapping[str, Any], length: int) -> dict[int, Numbers]:
    """Return the wavelengths of each row of an echelle in the format MULTISPEC."""
    told = re.findall(r"spec(\d+)\s*=\s*\"([^\"]*)\"", _attributes(header, 2))
    found = {}
    for number, text in told[:MOST_ROWS]:
        words = [float(word) for word in re.findall(r"[-+.\dEe]+", text) if _as_number(word)]
        if len(words) >= 9 and (along := _dispersion(words, length)) is not None:
            found[int(number) - 1] = along
    return found


def _as_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _dispersion(words: Sequence[float], length: int) -> Numbers | None:
    """Return wavelengths of what a spec tells: aperture, beam, type, w1, dw, nw, z, and more."""
    kind, first, step, redshift = int(words[2]), words[3], words[4], words[6]
    pixel = np.arange(length, dtype=float)
    along: Numbers | None = None
    if kind in (0, 1):
        along = first + step * pixel
        along = 10.0**along if kind == 1 else along
    elif kind == 2 and len(words) > 15:
        along = _polynomial(words[9:], pixel + 1)
    if along is None or not np.isfinite(along).all():
        return None
    return along / (1 + redshift)


def _polynomial(words: Sequence[float], pixel: Numbers) -> Numbers | None:
    """Return a Chebyshev or Legendre polynomial: weight, zero, type, order, from, to, terms."""
    weight, zero, kind, order, low, high = words[:6]
    terms = list(words[6 : 6 + int(order)])
    if high == low or len(terms) < int(order):
        return None
    share = (2 * pixel - (high + low)) / (high - low)
    if kind == 1:
        return np.asarray(weight * (zero + np.polynomial.chebyshev.chebval(share, terms)))
    if kind == 2:
        return np.asarray(weight * (zero + np.polynomial.legendre.legval(share, terms)))
    return None
