"""What an observer wants to know, read from the headers of a frame.

What the headers do not say is None, never zero. The keywords are those in wide
use; the tables below are the seam for rules per instrument.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from arcsecond.fits.cards import Value, Values

TARGET = ("ESO OBS TARG NAME", "OBJECT", "TARGNAME", "TARGETID", "TARGET", "OBJNAME", "FIELD")
EXPOSURE = ("EXPTIME", "EXPOSURE", "TEXPTIME", "EXPTIMES", "ITIME", "INTTIME", "ESO DET EXP TIME")
FILTER = ("FILTER", "FILTERS", "FILTNAM1", "FILTNAM", "INSFILTE", "ESO INS FILT1 NAME", "BAND")
FILTER_WHEELS = ("FILTER1", "FILTER2", "FILTER3")
INSTRUMENT = ("INSTRUME", "INSTRUMENT", "DETNAM")
TELESCOPE = ("TELESCOP", "TELESCOPE", "OBSERVAT")
KIND = ("ESO DPR TYPE", "IMAGETYP", "IMAGETYPE", "OBSTYPE", "FRAME", "FRAMETYP", "IMTYPE")
TIME_OF_DAY = ("TIME-OBS", "UTC-OBS", "UT", "UTSTART", "UT-START", "TIME-BEG", "UTC", "UTSHUT")
POINTING = (
    ("RA", "DEC"),
    ("OBJCTRA", "OBJCTDEC"),
    ("RA_TARG", "DEC_TARG"),
    ("RA_OBJ", "DEC_OBJ"),
    ("TELRA", "TELDEC"),
    ("CAT-RA", "CAT-DEC"),
    ("RA-MNT", "DEC-MNT"),
    ("OBJRA", "OBJDEC"),
    ("RA_NOM", "DEC_NOM"),
)

_NOTHING = {"", "UNKNOWN", "NONE", "N/A", "NULL", "UNDEFINED", "UNDEF", "INDEF", "NAN", "-"}
_KINDS = (
    ("bias", ("bias", "zero")),
    ("dark", ("dark",)),
    ("flat", ("flat", "skyflat", "domeflat")),
    ("arc", ("arc", "comp", "wave", "lamp", "thar")),
    ("focus", ("focus",)),
    ("standard", ("standard", "std")),
    ("science", ("light", "science", "object", "sci", "target", "ext")),
)
_SECONDS = {"d": 86_400, "day": 86_400, "days": 86_400, "min": 60, "minutes": 60}
_EXTENSIONS_READ = 20

T = TypeVar("T")


@dataclass(slots=True)
class Observation:
    """What a frame is: degrees in ICRS, seconds, UTC.

    ``position_source`` says where the position came from: "wcs" for the centre
    of the image, "pointing" for the telescope's own keywords.
    """

    target: str | None = None
    ra_deg: float | None = None
    dec_deg: float | None = None
    position_source: str | None = None
    start: datetime | None = None
    exposure_s: float | None = None
    filter: str | None = None
    instrument: str | None = None
    telescope: str | None = None
    kind: str | None = None


def observe(headers: Sequence[Values]) -> Observation:
    """Read an observation from headers, the primary one first; no position yet."""
    headers = headers[:_EXTENSIONS_READ]
    return Observation(
        target=_text(headers, TARGET),
        start=_first(_start(values) for values in headers),
        exposure_s=_first(_exposure(v, key) for v in headers for key in EXPOSURE),
        filter=_text(headers, FILTER) or _wheels(headers),
        instrument=_text(headers, INSTRUMENT),
        telescope=_text(headers, TELESCOPE),
        kind=_kind(_text(headers, KIND)),
    )


def pointing(values: Values) -> tuple[float, float, float | None] | None:
    """Return RA, Dec (degrees) and the equinox that a header's keywords tell.

    Right ascension written as text with colons or blanks is in hours, as a
    number in degrees. The equinox is None when the header says ICRS or nothing.
    """
    for ra_key, dec_key in POINTING:
        ra = _angle(values.get(ra_key), hours=True)
        dec = _angle(values.get(dec_key), hours=False)
        if ra is not None and dec is not None and 0 <= ra <= 360 and -90 <= dec <= 90:
            return ra, dec, _equinox(values)
    return None


def _equinox(values: Values) -> float | None:
    system = values.get("RADESYS") or values.get("RADECSYS")
    if isinstance(system, str) and system.strip().upper() == "ICRS":
        return None
    equinox = _number(values.get("EQUINOX")) or _number(values.get("EPOCH"))
    if equinox is None and isinstance(system, str) and system.strip().upper() == "FK4":
        return 1950.0
    return equinox if equinox is not None and 1800 < equinox < 2200 else None


def _angle(value: Value | list[str], *, hours: bool) -> float | None:
    number = _number(value)
    if number is not None:
        return number
    if not isinstance(value, str):
        return None
    match = re.fullmatch(
        r"([+-]?)(\d{1,3})[:h°d ]\s*(\d{1,2})(?:[:m' ]\s*(\d{1,2}(?:\.\d*)?)\s*[s\"]?)?",
        value.strip(),
    )
    if not match:
        return None
    sign, whole, minutes, seconds = match.groups()
    if int(minutes) >= 60 or float(seconds or 0) >= 61:
        return None
    angle = int(whole) + int(minutes) / 60 + float(seconds or 0) / 3600
    return (-angle if sign == "-" else angle) * (15 if hours else 1)


def _start(values: Values) -> datetime | None:
    """Return when the exposure began, in UTC.

    A date without a time of day does not say it.
    """
    for key in ("DATE-OBS", "DATE_OBS", "DATE-BEG", "DATEOBS"):
        date = values.get(key)
        if isinstance(date, str) and (found := _moment(date, values)):
            return _to_utc(found, values)
    for key in ("MJD-OBS", "MJD-BEG", "MJD"):
        mjd = _number(values.get(key))
        if mjd is not None and 15_020 < mjd < 100_000 and mjd % 1:
            return _to_utc(datetime(1858, 11, 17) + timedelta(days=mjd), values)
    return None


def _moment(text: str, values: Values) -> datetime | None:
    """Return a date and time as it is written, or put together from two keywords."""
    text = text.strip().removesuffix("Z")
    day, separator, clock = re.sub(r"\s*T\s*|\s+", "T", text, count=1).partition("T")
    date = _day(day)
    if date is None:
        return None
    if not separator:
        clock = next((t for k in TIME_OF_DAY if (t := _clock(values.get(k)))), "")
    match = re.fullmatch(r"(\d{1,2}):(\d{1,2}):(\d{1,2}(?:\.\d*)?)|(\d{1,2}):(\d{1,2})", clock)
    if not match:
        return None
    hours, minutes = int(match[1] or match[4]), int(match[2] or match[5])
    seconds = float(match[3] or 0)
    if hours > 23 or minutes > 59 or seconds >= 61:
        return None
    try:
        return date + timedelta(hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:  # the last second of the year 9999
        return None


def _clock(value: Value | list[str]) -> str:
    return value.strip() if isinstance(value, str) and ":" in value and "T" not in value else ""


def _day(text: str) -> datetime | None:
    """Read YYYY-MM-DD, YYYY/MM/DD, YYYYMMDD, DD/MM/YYYY and DD/MM/YY (19YY, FITS 4.0, 4.4.2.1)."""
    forms = (
        (r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})", (1, 2, 3)),
        (r"(\d{4})(\d{2})(\d{2})", (1, 2, 3)),
        (r"(\d{1,2})/(\d{1,2})/(\d{4})", (3, 2, 1)),
        (r"(\d{1,2})/(\d{1,2})/(\d{2})", (3, 2, 1)),
    )
    for form, (y, m, d) in forms:
        if match := re.fullmatch(form, text):
            year = int(match[y]) + (1900 if len(match[y]) == 2 else 0)
            try:
                return datetime(year, int(match[m]), int(match[d]))
            except ValueError:
                return None
    return None


def _to_utc(moment: datetime, values: Values) -> datetime | None:
    """Convert from the time scale that TIMESYS names; UTC unless it does."""
    scale = str(values.get("TIMESYS") or "UTC").strip().upper().partition("(")[0]
    scale = {"ET": "TT", "TDT": "TT", "IAT": "TAI", "GMT": "UTC", "UT": "UTC"}.get(scale, scale)
    if scale in ("UTC", "UT1", ""):
        return moment.replace(tzinfo=UTC)
    if scale not in ("TAI", "TT", "TDB", "TCB", "TCG"):
        return None
    from arcsecond.server.archive.sky import to_utc

    return to_utc(moment, scale.lower())


def _text(headers: Sequence[Values], keywords: Sequence[str]) -> str | None:
    for values in headers:
        for key in keywords:
            value = values.get(key)
            text = str(value).strip() if isinstance(value, str | int | float) else ""
            if isinstance(value, bool) or text.upper() in _NOTHING or set(text) == {"X"}:
                continue
            return text[:255]
    return None


def _wheels(headers: Sequence[Values]) -> str | None:
    for values in headers:
        found = [str(values[k]).strip() for k in FILTER_WHEELS if isinstance(values.get(k), str)]
        used = [f for f in found if f.upper() not in _NOTHING and not f.upper().startswith("CLEAR")]
        if used:
            return "+".join(used)[:255]
    return None


def _kind(text: str | None) -> str | None:
    if text is None or not re.search("[A-Za-z]", text):
        return None
    words = set(re.split(r"[^a-z]+", text.casefold()))
    for kind, names in _KINDS:
        if words & set(names):
            return kind
    return text.casefold()[:32]


def _exposure(values: Values, keyword: str) -> float | None:
    """Return seconds; Kepler and TESS tell days, plates minutes, in the comment."""
    number = _number(values.get(keyword))
    if number is None or number < 0:
        return None
    return number * _SECONDS.get(values.units.get(keyword, "s"), 1)


def _number(value: Value | list[str]) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _first(candidates: Iterator[T | None]) -> T | None:
    return next((c for c in candidates if c is not None), None)
