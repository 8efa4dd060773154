"""Reading what others wrote: tables of text, angles, and XML that may be hostile."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import itertools
import re
import zlib
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from arcsecond.errors import InvalidInputError, TooLargeError

MOST_UNPACKED = 4 << 30
"""Bytes that a compressed table may unpack to."""

LONGEST_LINE = 64 << 20
"""Characters; lists in JSON may be one line."""

_PAIR = re.compile(
    r"(?P<h>\d{1,2})[ :h](?P<m>\d{1,2})[ :m](?P<s>\d{1,2}(?:\.\d*)?)s?\s*"
    r"(?P<sign>[+\-−]?)\s?(?P<d>\d{1,2})[ :d°]\s?(?P<am>\d{1,2})"
    r"(?:[ :m′']\s?(?P<as>\d{1,2}(?:\.\d*)?))?"
)


def lines(file: BinaryIO, name: str, *, ended: bool = False) -> Iterator[str]:
    """Yield the lines of a text, which may be compressed by gzip.

    Parameters
    ----------
    ended
        Whether the last line has an end, too: one that has none was cut.

    Raises
    ------
    InvalidInputError
        It ends too early, or is no text.
    TooLargeError
        It unpacks to more than anybody would send.
    """
    file.seek(0)
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    source: BinaryIO = gzip.GzipFile(fileobj=file) if packed else file  # type: ignore[assignment]
    text = io.TextIOWrapper(source, "utf-8-sig", errors="strict", newline="")
    size, last = 0, "\n"
    try:
        while line := text.readline(LONGEST_LINE):
            if len(line) == LONGEST_LINE:
                raise InvalidInputError(
                    f"{name} has a line of more than {LONGEST_LINE} characters."
                )
            size += len(line)
            if size > MOST_UNPACKED:
                raise TooLargeError(f"{name} unpacks to more than {MOST_UNPACKED >> 30} GiB.")
            if "\0" in line:
                raise InvalidInputError(f"{name} is no text.")
            yield line
            last = line
        if ended and not last.endswith(("\n", "\r")):
            raise InvalidInputError(f"{name} is cut: its last line has no end.")
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{name} is no text in UTF-8.") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InvalidInputError(f"{name} is cut or damaged: {error}.") from error
    finally:
        with contextlib.suppress(ValueError):  # it was closed already
            text.detach()


CHUNK = 512
"""Rows that are read together."""


class Records:
    """The rows of a table with a header line, as mappings; comments are set aside.

    Attributes
    ----------
    columns
        Names of the columns.
    comments
        Lines before the header that begin with "#".
    """

    def __init__(self, name: str, source: Iterator[str]) -> None:
        self.name = name
        self.comments: list[str] = []
        first = ""
        for line in source:
            first = line
            if not line.startswith("#"):
                break
            self.comments.append(line[1:].strip())
        else:
            first = ""
        if not first.strip() or first.lstrip().startswith("<"):
            raise InvalidInputError(f"{name} is no table: it has no line with names of columns.")
        if "\t" in first:
            self._delimiter = "\t"
        else:
            self._delimiter = ";" if first.count(";") > first.count(",") else ","
        self.columns = [c.strip() for c in next(csv.reader([first], delimiter=self._delimiter))]
        self._source = source

    def need(self, *columns: str) -> None:
        """Refuse a table without a column, which is named."""
        missing = [column for column in columns if column not in self.columns]
        if missing:
            raise InvalidInputError(f"{self.name} lacks the column {missing[0]!r}.")

    def lists(self) -> Iterator[list[str]]:
        """Yield the rows as lists; one that is shorter or longer than the header is refused."""
        for chunk in self.chunks(CHUNK):
            yield from chunk

    def chunks(self, size: int) -> Iterator[list[list[str]]]:
        """Yield the rows as lists, many at a time."""
        width, first = len(self.columns), 1
        reader = csv.reader(self._source, delimiter=self._delimiter)
        try:
            while chunk := list(itertools.islice(reader, size)):
                if set(map(len, chunk)) != {width}:
                    chunk = self._checked(first, chunk)
                first += len(chunk)
                if chunk:
                    yield chunk
        except csv.Error as error:
            raise InvalidInputError(f"{self.name} is no table: {error}.") from error

    def _checked(self, first: int, chunk: list[list[str]]) -> list[list[str]]:
        """Refuse a row of another width; blank lines are none."""
        rows = [row for row in chunk if row]
        for number, row in enumerate(rows, first):
            if len(row) != len(self.columns):
                raise InvalidInputError(
                    f"{self.name} is cut or damaged: row {number} has {len(row)} of "
                    f"{len(self.columns)} columns."
                )
        return rows

    def __iter__(self) -> Iterator[dict[str, str]]:
        """Yield the rows by column."""
        for row in self.lists():
            yield dict(zip(self.columns, row, strict=True))


def number(record: Mapping[str, str], column: str, what: str) -> float | None:
    """Return a number of a record, None for an empty cell.

    Raises
    ------
    InvalidInputError
        It is none.
    """
    text = record.get(column, "").strip()
    if not text:
        return None
    try:
        value = float(text)
        if value - value != 0:
            raise ValueError(text)
    except ValueError:
        raise InvalidInputError(
            f"{what}: {text[:40]!r} in the column {column!r} is no number."
        ) from None
    return value


def find_position(text: str) -> tuple[float, float] | None:
    """Return the sexagesimal position in a line (hours, then degrees), in degrees; None for none.

    The sign stands apart from the degrees: "-00 58 29" is south.
    """
    for match in _PAIR.finditer(text):
        part = match.groupdict()
        minutes = [float(part[key] or 0) for key in ("m", "s", "am", "as")]
        if int(part["h"]) < 24 and int(part["d"]) <= 90 and max(minutes) <= 60:
            ra = 15 * (int(part["h"]) + minutes[0] / 60 + minutes[1] / 3600)
            dec = int(part["d"]) + minutes[2] / 60 + minutes[3] / 3600
            return round(ra, 7), round(-dec if part["sign"] in ("-", "−") else dec, 7)
    return None
