"""What an observer wants to know, read from the headers of a frame by rules.

What the headers do not say is None, never zero. What they say and nobody can
believe is None too, and kept among the doubts as it was written.
"""

from __future__ import annotations

import calendar
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from arcsecond.fits.cards import Value, Values
from arcsecond.schemas.archive import Doubt, Footprint
from arcsecond.server.archive import rules
from arcsecond.server.archive.rules import SECONDS, FrameRules

UNITS = {
    "d": "d",
    "day": "d",
    "days": "d",
    "h": "h",
    "hr": "h",
    "hour": "h",
    "hours": "h",
    "min": "min",
    "minutes": "min",
    "ms": "ms",
}
"""What headers call a unit of time in the comment of a card."""

_MJD_ZERO = datetime(1858, 11, 17)
_MONTHS = {name.casefold(): n for n, name in enumerate(calendar.month_abbr) if name}
_EXTENSIONS_READ = 20


@dataclass(slots=True)
class Observation:
    """What a frame is: degrees in ICRS, seconds, UTC.

    Attributes
    ----------
    position_source
        Where the position came from: "wcs" for the centre of the image, "pointing" for the
        telescope's own keywords.
    product
        What sort of data it holds, in the words of ObsCore: ``dataproduct_type``.
    night
        The evening on which the night began, at the longitude of the telescope; with none
        known, the day that began at noon UTC.
    doubts
        What was written and is not believed.
    read_from
        Which keyword told what, by field.
    said
        What the headers say of the keywords that the rules index, as it is compared.
    """

    target: str | None = None
    ra_deg: float | None = None
    dec_deg: float | None = None
    position_source: str | None = None
    footprint: Footprint | None = None
    start: datetime | None = None
    night: date | None = None
    exposure_s: float | None = None
    airmass: float | None = None
    filter: str | None = None
    instrument: str | None = None
    telescope: str | None = None
    observer: str | None = None
    programme: str | None = None
    kind: str | None = None
    product: str | None = None
    doubts: list[Doubt] = field(default_factory=list)
    read_from: dict[str, str] = field(default_factory=dict)
    said: dict[str, str | float] = field(default_factory=dict)

    def doubt(self, name: str, keyword: str, text: str, why: str) -> None:
        """Note what is not believed, once for all HDUs that say the same."""
        doubt = Doubt(field=name, keyword=keyword, value=text[:80], why=why)
        if doubt not in self.doubts:
            self.doubts.append(doubt)


def observe(headers: Sequence[Values], book: FrameRules) -> Observation:
    """Read an observation from headers, the primary one first; no position yet."""
    return _Reader(headers, book).observation


class _Reader:
    """Reads the headers of one frame; what it finds is in ``observation``."""

    def __init__(self, headers: Sequence[Values], book: FrameRules) -> None:
        self.headers = headers[:_EXTENSIONS_READ]
        self.book = book
        self.observation = seen = Observation()
        self._timeless: list[tuple[date, str, str, str]] = []
        self._clocked: dict[str, str] = {}
        for name in ("target", "instrument", "telescope", "observer", "programme"):
            setattr(seen, name, self._text(name))
        seen.filter = self._text("filter") or self._wheels()
        seen.kind = self._kind()
        seen.exposure_s = self._believed("exposure", self._exposures())
        seen.airmass = self._believed("airmass", self._numbers("airmass"))
        start = self._believed("start", self._starts())
        seen.start = None if start is None else datetime.fromtimestamp(start, UTC)
        if beside := self._clocked.get(seen.read_from.get("start", "")):
            seen.read_from["start"] += f" {beside}"
        if start is None:
            for _, keyword, text, why in self._timeless:
                self.observation.doubt("start", keyword, text, why)
        seen.night = self._night()

    def _values(self, keyword: str) -> Iterator[tuple[Values, Value | list[str]]]:
        """Yield what each header says of a keyword, and that header."""
        for values in self.headers:
            if (value := values.get(keyword)) is not None:
                yield values, value

    def _text(self, name: str) -> str | None:
        for keyword, text in self._texts(name):
            self.observation.read_from[name] = keyword
            return self.book.named(name, text)[:255]
        return None

    def _texts(self, name: str) -> Iterator[tuple[str, str]]:
        """Yield what keywords say of a field: the keyword, and a text that says something."""
        for entry in self.book[name]:
            if isinstance(entry, rules.Text):
                yield "", entry.value
                continue
            for _, value in self._values(entry):
                if isinstance(value, bool | list):
                    continue
                text = rules.written(value)
                if not self.book.says_nothing(text):
                    yield entry, text
                    break

    def _wheels(self) -> str | None:
        """Return what is in the beam of several wheels."""
        for values in self.headers:
            used = {
                keyword: value.strip()
                for keyword in self.book["wheels"]
                if isinstance(value := values.get(keyword), str) and self._is_text(value)
            }
            used = {k: f for k, f in used.items() if not f.casefold().startswith("clear")}
            if used:
                self.observation.read_from["filter"] = " ".join(used)
                return self.book.named("filter", "+".join(used.values()))[:255]
        return None

    def _kind(self) -> str | None:
        said = [(k, text) for k, text in self._texts("kind") if re.search("[A-Za-z]", text)]
        for keyword, text in said:
            if kind := self.book.kind(text):
                self.observation.read_from["kind"] = keyword
                return kind
        if said:
            self.observation.read_from["kind"] = said[0][0]
            return said[0][1].casefold()[:32]
        return None

    def _believed(self, name: str, found: Iterator[tuple[str, str, float]]) -> float | None:
        """Return the first number that can be believed; keep the others as doubts.

        Parameters
        ----------
        found
            Keywords, what they say as text, and as a number.
        """
        least, most = self._bounds(name)
        for keyword, text, number in found:
            if least <= number <= most:
                self.observation.read_from[name] = keyword
                return number
            self.observation.doubt(name, keyword, text, _implausible(name, low=number < least))
        return None

    def _exposures(self) -> Iterator[tuple[str, str, float]]:
        """Yield seconds; Kepler and TESS tell days in the comment."""
        for entry in self.book["exposure"]:
            keyword = entry.keyword if isinstance(entry, rules.Number) else entry
            for values, value in self._values(keyword):
                if (number := as_number(value)) is not None:
                    told = UNITS.get(values.units.get(keyword, "").casefold(), "s")
                    unit = entry.unit if isinstance(entry, rules.Number) else told
                    yield keyword, rules.written(value), number * SECONDS[unit]
                elif self._is_text(value):
                    self.observation.doubt("exposure", keyword, rules.written(value), "no number")

    def _numbers(self, name: str) -> Iterator[tuple[str, str, float]]:
        for keyword in self.book[name]:
            for _, value in self._values(keyword):
                if (number := as_number(value)) is not None:
                    yield keyword, rules.written(value), number
                elif self._is_text(value):
                    self.observation.doubt(name, keyword, rules.written(value), "no number")

    def _is_text(self, value: Value | list[str]) -> bool:
        return isinstance(value, str) and not self.book.says_nothing(value.strip())

    def _starts(self) -> Iterator[tuple[str, str, float]]:
        """Yield when the exposure may have begun, in seconds since 1970."""
        for values in self.headers:
            for entry in self.book["start"]:
                keyword = entry.keyword if isinstance(entry, rules.Moment) else entry
                value = values.get(keyword)
                if isinstance(value, bool | list) or value is None:
                    continue
                text = rules.written(value)
                found = self._moment(entry, value, values)
                if found is None:
                    self._no_start(keyword, text, value, values)
                    continue
                # Z behind it is UTC, whatever else is.
                is_utc = isinstance(value, str) and text.endswith("Z")
                if moment := found.replace(tzinfo=UTC) if is_utc else self._to_utc(found, values):
                    yield keyword, text, moment.timestamp()
                elif _scale_told(values)[1] == LOCAL and self._is_plausible(found.date()):
                    self._timeless.append((night_of(found, 0.0), keyword, text, "a local time"))

    def _no_start(self, keyword: str, text: str, value: str | float, values: Values) -> None:
        """Note what a keyword says that tells no moment."""
        day = self._day(text, value)
        if day is not None and self._is_plausible(day):
            self._timeless.append((day, keyword, *self._why_timeless(text, values)))
        elif day is not None:
            early = datetime.combine(day, time(), UTC).timestamp() < self._bounds("start")[0]
            self.observation.doubt("start", keyword, text, _implausible("start", low=early))
        elif self._is_text(value) or as_number(value) is not None:
            self.observation.doubt("start", keyword, text, "no date")

    def _moment(self, entry: Any, value: str | float, values: Values) -> datetime | None:
        """Return a moment as it is written, in the frame's own time scale."""
        number = as_number(value)
        try:
            if isinstance(entry, rules.Moment):
                since = entry.since.replace(tzinfo=None)
                return None if number is None else since + timedelta(seconds=number)
            if isinstance(value, str) and (found := self._dated(entry, value, values)):
                return found
            if number is None or not number % 1:  # a day alone does not say it
                return None
            return _julian(number)
        except OverflowError:
            return None

    def _dated(self, keyword: str, text: str, values: Values) -> datetime | None:
        """Return a date and time as it is written, or put together from two keywords."""
        day, separator, clock = _parted(text)
        if (date_ := as_day(day)) is None:
            return None
        self._clocked[keyword] = ""
        if not separator:
            self._clocked[keyword], clock = next(self._clocks(values), ("", ""))
        match = re.fullmatch(
            r"(\d{1,2}):(\d{1,2}):(\d{1,2}(?:\.\d*)?)|(\d{1,2}):(\d{1,2})", clock, re.ASCII
        )
        if not match:
            return None
        hours, minutes = int(match[1] or match[4]), int(match[2] or match[5])
        seconds = float(match[3] or 0)
        if hours > 23 or minutes > 59 or seconds >= 61:
            return None
        return datetime(*date_.timetuple()[:3]) + timedelta(
            hours=hours, minutes=minutes, seconds=seconds
        )

    @staticmethod
    def _day(text: str, value: str | float) -> date | None:
        """Return the day that is told without a time."""
        if day := as_day(_parted(text)[0]):
            return day
        number = as_number(value)
        found = None if number is None else _julian(number)
        return None if found is None else found.date()

    def _clocks(self, values: Values) -> Iterator[tuple[str, str]]:
        """Yield the times of day that a header tells beside a date: keywords, and HH:MM:SS."""
        for entry in self.book["clock"]:
            if isinstance(entry, rules.Number):
                keyword, unit = entry.keyword, SECONDS[entry.unit]
                clock = _counted(values.get(keyword), unit)
            else:
                keyword, clock = entry, _clock(values.get(entry))
            if clock:
                yield keyword, clock

    def _why_timeless(self, text: str, values: Values) -> tuple[str, str]:
        """Return what is written of a day, and why it tells no moment."""
        day, _, clock = _parted(text)
        beside = list(self._clocks(values))
        if clock or beside:
            return (text if clock else f"{day} {beside[0][1]}"), "no time of day"
        return text, "a day without a time"

    def _to_utc(self, moment: datetime, values: Values) -> datetime | None:
        """Convert from the time scale that TIMESYS names, or the rules; UTC unless one does.

        None for a local time, unless the rules know better.
        """
        text, told = _scale_told(values)
        scale = _SAME_SCALE.get(told, told)
        if scale == LOCAL and not self.book.first("scale"):
            return None
        if scale not in _SCALES:
            scale = self.book.first("scale") or "UTC"
            if told != LOCAL and told.isalpha() and not self.book.says_nothing(text):
                self.observation.doubt("start", "TIMESYS", text, f"no scale that is known: {scale}")
        if scale in ("UTC", "UT1"):
            return moment.replace(tzinfo=UTC)
        from arcsecond.server.archive.sky import to_utc

        try:
            if scale == "GPS":
                moment, scale = moment + GPS_BEHIND_TAI, "TAI"
            return to_utc(moment, scale.lower())
        except OverflowError:
            return None

    def _night(self) -> date | None:
        for keyword in self.book["night"]:
            for _, value in self._values(keyword):
                if found := as_day(_parted(rules.written(value))[0]):
                    self.observation.read_from["night"] = keyword
                    return found
        start = self.observation.start
        if start is None:  # of a day alone nobody can say better
            return next((day for day, *_ in self._timeless), None)
        return night_of(start, self._longitude())

    def _is_plausible(self, day: date) -> bool:
        least, most = self._bounds("start")
        return least <= datetime.combine(day, time(), UTC).timestamp() <= most

    def _bounds(self, name: str) -> tuple[float, float]:
        """Return the least and the most of a field that is believed."""
        plausible = self.book.plausible(name)
        return rules.bounds({name: plausible}, name) if plausible else (-math.inf, math.inf)

    def _longitude(self) -> float:
        for entry in self.book["longitude"]:
            if isinstance(entry, rules.Constant):
                return entry.value
            for _, value in self._values(entry):
                east = as_angle(value, hours=False)
                if east is not None and -180 <= east <= 360:
                    return east
        return 0.0


def _implausible(name: str, *, low: bool) -> str:
    if name == "start":
        return f"{'before' if low else 'after'} any that is plausible"
    return f"{'less' if low else 'more'} than is plausible"


def _scale_told(values: Values) -> tuple[str, str]:
    """Return what TIMESYS says, and its first word: of "TT(TAI)", or of "UTC approximate"."""
    said = values.get("TIMESYS")
    text = rules.written(said) if isinstance(said, str) else ""
    return text, next(iter(re.findall(r"[A-Z0-9]+", text.upper())), "")


_SCALES = ("UTC", "UT1", "TAI", "TT", "TDB", "TCB", "TCG", "GPS")
_SAME_SCALE = {"ET": "TT", "TDT": "TT", "IAT": "TAI", "GMT": "UTC", "UT": "UTC"}
"""What FITS 4.0, table 30, has other names for."""

LOCAL = "LOCAL"
"""A time of which nobody can tell what it is elsewhere, but the night."""

GPS_BEHIND_TAI = timedelta(seconds=19)


def night_of(start: datetime, longitude_deg: float) -> date:
    """Return the evening on which the night of a moment began, where noon is the end of a day.

    Parameters
    ----------
    longitude_deg
        Degrees, east positive.
    """
    east = (longitude_deg + 180) % 360 - 180
    return (start + timedelta(hours=east / 15 - 12)).date()


class Pointing(NamedTuple):
    """Where a header says that the telescope pointed.

    Attributes
    ----------
    equinox
        None when the header says ICRS or nothing.
    """

    keywords: str
    ra_deg: float
    dec_deg: float
    equinox: float | None
    system: System


def pointings(headers: Sequence[Values], book: FrameRules) -> Iterator[Pointing]:
    """Yield the positions that keywords tell.

    Right ascension written as text with colons or blanks is in hours, as a number in
    degrees unless the rules or the comment of its card say otherwise.
    """
    for values, ra_key, dec_key, unit in _pairs(headers, book):
        if place := _place(values.get(ra_key), values.get(dec_key), unit):
            system = system_of(values)
            yield Pointing(f"{ra_key} {dec_key}", *place, equinox_of(values, system), system)


def no_pointings(headers: Sequence[Values], book: FrameRules) -> Iterator[tuple[str, str]]:
    """Yield keywords of a position, and what they say that is none."""
    for values, ra_key, dec_key, unit in _pairs(headers, book):
        ra, dec = values.get(ra_key), values.get(dec_key)
        if ra is None or dec is None or isinstance(ra, bool | list) or isinstance(dec, bool | list):
            continue
        texts = rules.written(ra), rules.written(dec)
        if not any(map(book.says_nothing, texts)) and _place(ra, dec, unit) is None:
            yield f"{ra_key} {dec_key}", " ".join(texts)


def _pairs(headers: Sequence[Values], book: FrameRules) -> Iterator[tuple[Values, str, str, str]]:
    """Yield the keywords of right ascension and declination, and how numbers in them are meant."""
    for values in headers[:_EXTENSIONS_READ]:
        for entry in book["position"]:
            if isinstance(entry, rules.Pointing):
                yield values, entry.ra, entry.dec, entry.unit
                continue
            told = UNITS.get(values.units.get(entry[0], "").strip().casefold())
            yield values, *entry, "hours" if told == "h" else "degrees"


def _place(
    ra_told: Value | list[str] | None, dec_told: Value | list[str] | None, unit: str
) -> tuple[float, float] | None:
    """Return degrees of what two cards tell; None when that is no position."""
    read = as_packed if unit == "packed" else as_angle
    ra, dec = read(ra_told, hours=True), read(dec_told, hours=False)
    if unit == "hours" and as_number(ra_told) is not None and ra is not None:
        ra *= 15
    if ra is not None and dec is not None and 0 <= ra <= 360 and -90 <= dec <= 90:
        return ra % 360, dec
    return None


class System(NamedTuple):
    """The system of celestial coordinates that a header names.

    Attributes
    ----------
    keyword, text
        What says it, and how; "" for nothing.
    name
        As FITS 4.0, table 24, has it; "" when nothing is said, None for no such system.
    """

    keyword: str
    text: str
    name: str | None


APPARENT = "GAPPT"
"""The geocentric apparent place of the moment."""

UNKNOWN_SYSTEM = "no system that is known"
WITHOUT_A_TIME = "an apparent place without a time"

_SYSTEM = re.compile(r"ICRS|FK5|FK4-NO-E|FK4|J2000|B1950|APPT|APPARENT")
_SAYS_NOTHING = ("UNKNOWN", "NONE", "N/A", "NULL", "UNDEFINED", "-")
_SAME_SYSTEM = {"J2000": "FK5", "B1950": "FK4", "APPT": APPARENT, "APPARENT": APPARENT}


def system_of(values: Mapping[str, Any]) -> System:
    """Return the system that a header names, in the standard's words or in usual ones."""
    for keyword in ("RADESYS", "RADECSYS"):
        if isinstance(value := values.get(keyword), str) and (text := rules.written(value)):
            if text.upper() in _SAYS_NOTHING:
                continue
            found = _SYSTEM.search(text.upper())
            return System(keyword, text, _SAME_SYSTEM.get(found[0], found[0]) if found else None)
    return System("", "", "")


def equinox_of(values: Mapping[str, Any], system: System) -> float | None:
    """Return the equinox of a header's positions; None for ICRS, and when it does not say."""
    if system.name == "ICRS":
        return None
    equinox = as_number(values.get("EQUINOX")) or as_number(values.get("EPOCH"))
    if equinox is None and system.name in ("FK4", "FK4-NO-E"):
        return 1950.0
    return equinox if equinox is not None and 1800 < equinox < 2200 else None


def as_angle(value: Value | list[str], *, hours: bool) -> float | None:
    """Return degrees: numbers as they are, text of hours or degrees, minutes, seconds."""
    number = as_number(value)
    if number is not None:
        return number
    if not isinstance(value, str):
        return None
    match = re.fullmatch(
        r"([+-]?)\s*(\d{1,3})[:h°d ]\s*(\d{1,2}(?:\.\d*)?)"
        r"(?:[:m' ]\s*(\d{1,2}(?:\.\d*)?)\s*[s\"]?)?['m]?",
        value.strip(),
        re.ASCII,
    )
    if not match:
        return None
    sign, whole, minutes, seconds = match.groups()
    if float(minutes) >= 60 or float(seconds or 0) >= 61:
        return None
    angle = int(whole) + float(minutes) / 60 + float(seconds or 0) / 3600
    return (-angle if sign == "-" else angle) * (15 if hours else 1)


def as_packed(value: Value | list[str], *, hours: bool) -> float | None:
    """Return degrees of a number written as HHMMSS.S or DDMMSS.S, as ESO writes them."""
    number = as_number(value)
    if number is None or abs(number) >= 3_600_000:
        return None
    whole, rest = divmod(abs(number), 10_000)
    minutes, seconds = divmod(rest, 100)
    if minutes >= 60 or seconds >= 61:
        return None
    angle = math.copysign(whole + minutes / 60 + seconds / 3600, number)
    return angle * (15 if hours else 1)


def as_number(value: Value | list[str]) -> float | None:
    """Return a finite number, written as one or as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    if isinstance(value, str) and "_" in value:  # Python's way to write numbers, nobody else's
        return None
    return number if math.isfinite(number) else None


def _parted(text: str) -> tuple[str, str, str]:
    """Part a date from a time of day; the middle is empty where there is none."""
    text = text.strip().removesuffix("Z")
    if named := re.match(r"(\d{1,2}[- ]?[A-Za-z]{3,9}[- ]?\d{4})(?:\s*T\s*|\s+)?", text):
        clock = text[named.end() :]
        return named[1], "T" if clock else "", clock
    return re.sub(r"\s*T\s*|\s+", "T", text, count=1).partition("T")


def as_day(text: str) -> date | None:
    """Read YYYY-MM-DD, YYYY/MM/DD, YYYYMMDD, DDMonYYYY, DD/MM/YYYY and DD/MM/YY.

    DD/MM/YY is of the years 19YY (FITS 4.0, 4.4.2.1).
    """
    forms = (
        (r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})", (1, 2, 3)),
        (r"(\d{4})(\d{2})(\d{2})", (1, 2, 3)),
        (r"(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})", (3, 2, 1)),
        (r"(\d{1,2})[- ]?([A-Za-z]{3})[a-z]*[- ]?(\d{4})", (3, 2, 1)),
    )
    for form, (y, m, d) in forms:
        if match := re.fullmatch(form, text, re.ASCII):
            year = int(match[y]) + (1900 if len(match[y]) == 2 else 0)
            month = _MONTHS.get(match[m].casefold()) if match[m].isalpha() else int(match[m])
            try:
                return date(year, month or 0, int(match[d]))
            except ValueError:
                return None
    return None


def _clock(value: Value | list[str]) -> str:
    """Return a time of day as it is written, with colons; "" when a value is none."""
    if not isinstance(value, str) or "T" in value:
        return ""
    text = value.strip()
    spaced = re.fullmatch(r"(\d{1,2}) +(\d{1,2}) +(\d{1,2}(?:\.\d*)?)", text, re.ASCII)
    return ":".join(spaced.groups()) if spaced else text if ":" in text else ""


def _counted(value: Value | list[str], unit_s: float) -> str:
    """Return a time of day that is counted from midnight; "" when a value is none."""
    number = as_number(value)
    if number is None or not 0 <= (seconds := number * unit_s) < 86_400:
        return ""
    return f"{seconds // 3600:02.0f}:{seconds // 60 % 60:02.0f}:{seconds % 60:06.3f}"


def _julian(number: float) -> datetime | None:
    """Return the moment of a Julian or modified Julian date; None when it is none."""
    if 2_400_000.5 < number < 2_500_000:
        number -= 2_400_000.5
    return _MJD_ZERO + timedelta(days=number) if 0 < number < 100_000 else None
