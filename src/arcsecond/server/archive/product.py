"""What sort of data a frame holds, told by its first HDU with data.

Reference: IVOA ObsCore 1.1, section 4.1 (``dataproduct_type``); spectral axes by
FITS Standard 4.0, section 8.4, and by the ways of IRAF.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from arcsecond.fits.cards import Values
from arcsecond.fits.walking import RawHdu

IMAGE, CUBE, SPECTRUM, TIMESERIES, VISIBILITY, EVENT, MEASUREMENTS = (
    "image", "cube", "spectrum", "timeseries", "visibility", "event", "measurements",
)  # fmt: skip

_SPECTRAL = (
    "WAVE", "AWAV", "FREQ", "ENER", "WAVN", "VRAD", "VOPT", "ZOPT", "VELO", "FELO", "BETA",
    "LAMBDA", "LINEAR", "MULTISPE",
)  # fmt: skip
_FLUX = ("FLUX", "SAP_FLUX", "RATE", "COUNTS", "MAG", "XRSA")
_WAVES = ("WAVE", "LAMBDA", "LOGLAM", "LAM", "FREQ", "VHELIO", "VELOCITY", "ENERGY")
_TIMES = ("TIME", "MJD", "JD", "HJD", "BJD")


def product_of(hdus: Sequence[RawHdu]) -> str | None:
    """Return the sort of data, None for headers alone; tables that may be anything come last."""
    found = [product for hdu in hdus[:20] if (product := product_of_one(hdu.values))]
    certain = [product for product in found if product != MEASUREMENTS]
    return next(iter(certain or found), None)


def product_of_one(values: Values) -> str | None:
    """Return the sort of data of one HDU, None for a header alone."""
    extension = str(values.get("XTENSION", "IMAGE")).strip()
    if values.get("GROUPS") is True and values.get("NAXIS1") == 0 and values.get("PCOUNT"):
        return VISIBILITY
    if values.get("ZIMAGE") is True:
        return _of_image(values, lengths(values, "ZNAXIS"))
    if extension == "IMAGE":
        return _of_image(values, lengths(values, "NAXIS"))
    return _of_table(values) if extension in ("BINTABLE", "A3DTABLE", "TABLE") else None


def lengths(values: Values, keyword: str) -> list[int]:
    """Return the lengths of axes; none when there are no data, or the header is damaged."""
    count = values.get(keyword)
    if not isinstance(count, int) or not 0 < count <= 999:
        return []
    found = [values.get(f"{keyword}{n}") for n in range(1, count + 1)]
    sizes = [n for n in found if isinstance(n, int) and not isinstance(n, bool)]
    return sizes if len(sizes) == count and min(sizes) > 0 else []


def _of_image(values: Values, sizes: list[int]) -> str | None:
    if not sizes:
        return None
    types = [str(values.get(f"CTYPE{n}", "")).strip().upper() for n in range(1, len(sizes) + 1)]
    long = [n for n, size in enumerate(sizes) if size > 1]
    if len(long) > 2:
        return CUBE
    if len(sizes) == 1 or long == [0]:
        return SPECTRUM
    is_sky = any("LON" in t or "LAT" in t or t.startswith(("RA", "DEC")) for t in types)
    if is_sky:
        return IMAGE
    if types[0].startswith(_SPECTRAL) and types[1] == types[0]:  # an echelle, order by order
        return SPECTRUM
    # Flux, error and more of one spectrum, one below the other.
    return SPECTRUM if sizes[1] <= 10 and sizes[0] >= 50 * sizes[1] else IMAGE


def _of_table(values: Values) -> str:
    names = [str(values.get(f"TTYPE{n}", "")).strip().upper() for n in range(1, 33)]
    called = str(values.get("EXTNAME", "")).upper()
    if called.startswith("EVENTS"):
        return EVENT
    if called.startswith(("AIPS UV", "UV_DATA")):
        return VISIBILITY
    if called.startswith("AIPS"):
        return MEASUREMENTS
    if any(n.startswith(_WAVES) for n in names) or called in ("SPECTRUM", "SINGLE DISH"):
        return SPECTRUM
    if any(n in _TIMES for n in names) and any(n.startswith(_FLUX) for n in names):
        return TIMESERIES
    return TIMESERIES if called in ("LIGHTCURVE", "RATE") else MEASUREMENTS


# What can be drawn as a curve

WAVELENGTHS = ("WAVELENGTH", "WAVELENGTHS", "WAVE", "LAMBDA")
"""Names of HDUs that hold the wavelengths of others, maybe with that of an arm in front."""

ALONG = ("WAVELENGTH", "WAVE", "LAMBDA", "LOGLAM", "LOGWAVE", "LAM", "FREQUENCY", "FREQ", "VHELIO",
      "VELOCITY", "ENERGY", "TIME", "MJD", "JD", "HJD", "BJD", "DATE")  # fmt: skip
MEASURED = ("FLUX", "SAP_FLUX", "PDCSAP_FLUX", "FLUX_DENSITY", "FLUXDENS", "RATE", "COUNTS", "MAG",
      "XRSB", "XRSA", "INTENSITY")  # fmt: skip
"""Names of columns: of what lies along an axis, and of what is measured, the likelier first."""


def has_curve(values: Mapping[str, Any]) -> bool:
    """Tell whether an HDU may be drawn as curves, by its header."""
    told = Values()
    told.update(values)
    if product_of_one(told) not in (SPECTRUM, TIMESERIES):
        return False
    if str(told.get("EXTNAME", "")).upper().rpartition("_")[2] in WAVELENGTHS:
        return False  # it lies along the axis of others
    if "XTENSION" in told and str(told["XTENSION"]).strip() in ("BINTABLE", "TABLE"):
        names = [str(told.get(f"TTYPE{n}", "")) for n in range(1, 65)]
        return named(names, ALONG) is not None and named(names, MEASURED) is not None
    return True


def named(names: Sequence[str], wanted: Sequence[str]) -> int | None:
    """Return which column has one of some names."""
    plain = [name.strip().upper() for name in names]
    return next((plain.index(called) for called in wanted if called in plain), None)
