"""Tables of stars as others distribute them, which add names and stars to those at hand.

Tables with a header line (HYG, AT-HYG, extracts of the Hipparcos and Bright Star
catalogues, lists of HIP, SAO, HD and HR numbers), the Bright Star Catalogue as
JSON, and the fixed columns of KStars. A star with a HIP number is the one that
is there; one without is known by its HD or HR number or, when it is bright, by
its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any, BinaryIO

import msgspec

from arcsecond.errors import InvalidInputError
from arcsecond.server.catalogues.file import Entry, Part
from arcsecond.server.catalogues.rows import Fact, Row, keys_of
from arcsecond.server.catalogues.sources.text import Records, find_position

Same = Callable[[Iterable[str], Row], str | None]
"""Returns the identity of a star that is there already, by its numbers or its place."""

Place = Callable[[str], tuple[float, float] | None]
"""Returns the position of a star that is there, by its identity."""

_COLUMNS = {
    "hip": ("hip",), "hd": ("hd",), "hr": ("hr",), "sao": ("sao",), "gl": ("gl", "gj"),
    "ra": ("ra", "raicrs", "_raj2000", "raj2000", "ra_icrs", "radeg"),
    "dec": ("dec", "deicrs", "_dej2000", "dej2000", "de_icrs", "dec_icrs", "dedeg"),
    "proper": ("proper",), "bayer": ("bayer",), "flamsteed": ("flam", "flamsteed"),
    "constellation": ("con", "const", "constellation"), "v": ("mag", "vmag", "v"),
    "spectral_type": ("spect", "sptype", "sp"), "pm_ra": ("pmra",),
    "pm_dec": ("pmdec", "pmde"), "parallax": ("plx", "parallax"), "dist": ("dist",),
    "rv": ("rv", "radvel"),
}  # fmt: skip
"""What is read, and what it is called, in small letters."""

_FAR_PC = 100_000.0
"""HYG's distance of what has none."""


def part(n: int, name: str) -> Part:
    """Describe a table by the name of its file."""
    stem = PurePath(name).name.partition(".")[0]
    slug = re.sub(r"[^a-z0-9]+", "-", stem.casefold()).strip("-") or "table"
    return Part(
        n=n,
        key=f"stars-{slug}",
        title=f"Stars of {stem}",
        version=name,
        licence="as its source says",
        description="A table of stars that was imported: it adds names, numbers and stars.",
        sources={f"stars_{slug}": name},
    )


def entries(
    file: BinaryIO, lines: Iterator[str], part: Part, *, same: Same, place: Place
) -> Iterator[Entry]:
    """Yield the stars of a table in any of the formats.

    Raises
    ------
    InvalidInputError
        It is in none of them; a column is missing; a value is none.
    """
    source, name = next(iter(part.sources)), part.version
    file.seek(0)
    begin = file.read(4096).lstrip()
    file.seek(0)
    if begin[:1] in (b"[", b"{"):
        return _bright(file, source, name, same)
    if b"genetive name" in begin:
        return _fixed(lines, source, name, same)
    lines = _headed(lines) if begin.startswith(b"#") and b"\t" in begin else lines
    return _table(Records(name, lines), source, same, place)


def _headed(lines: Iterator[str]) -> Iterator[str]:
    """Take the mark of a comment from a line that names the columns, and double blanks."""
    first = next(lines)
    words = first.lstrip("#").split()
    yield "\t".join(words) + "\n"
    for line in lines:
        if not line.startswith("#"):
            cells = line.rstrip("\r\n").split("\t")
            # The second column, the component, has no heading.
            yield "\t".join([cells[0], *cells[2 : len(words) + 1]]) + "\n"


def _table(table: Records, source: str, same: Same, place: Place) -> Iterator[Entry]:
    called = {column.casefold(): n for n, column in enumerate(table.columns)}
    at = {
        what: next((called[name] for name in names if name in called), None)
        for what, names in _COLUMNS.items()
    }
    if at["hip"] is None and (at["ra"] is None or at["dec"] is None):
        missing = "hip" if at["ra"] is None else "dec"
        raise InvalidInputError(f"{table.name} lacks the column {missing!r}.")
    if not any(at[what] is not None for what in ("hip", "hd", "hr", "sao", "proper")):
        raise InvalidInputError(f"{table.name} lacks the column 'hip': no star of it has a name.")
    # Hours, in tables of the HYG family.
    scale = 15.0 if "rarad" in called or {"absmag", "dist"} <= set(called) else 1.0
    reader = _Reader(table.name, source, at, scale, same, place)
    first = 1
    for chunk in table.chunks(CHUNK):
        yield from reader.entries(first, chunk)
        first += len(chunk)


CHUNK = 4096
"""Rows that are read together: by columns, which is several times faster."""

_NUMBERED = (("hip", "HIP "), ("hd", "HD "), ("hr", "HR "), ("sao", "SAO "))

Columns = Sequence[Sequence[str]]


class _Reader:
    """Reads rows of one table; made for millions of them."""

    def __init__(
        self,
        name: str,
        source: str,
        at: Mapping[str, int | None],
        scale: float,
        same: Same,
        place: Place,
    ) -> None:
        self.name, self.source, self.scale = name, source, scale
        self.same, self.place, self.at = same, place, at

    def entries(self, first: int, chunk: Sequence[list[str]]) -> Iterator[Entry]:
        """Yield the stars of some rows; ``first`` is the number of the first."""
        columns: Columns = list(zip(*chunk, strict=True))
        numbers = [
            (prefix, label, self._digits(first, columns[column], label))
            for prefix, label in _NUMBERED
            if (column := self.at[prefix]) is not None
        ]
        words = self._words(columns)
        places = self._places(first, columns)
        facts = self._facts(first, columns)
        for n in range(len(chunk)):
            keys, names = {}, []
            for prefix, label, digits in numbers:
                if digit := digits[n]:
                    keys[prefix + digit] = 0
                    names.append(label + digit)
            called = words.get(n, [])
            identity = next(iter(keys), "")
            where = places[n]
            if where is None and identity.startswith("hip"):
                where = self.place(identity)
            if where is None or not (names or called):
                continue  # nobody could ask for it
            row = Row(
                (called or names)[0],
                where[0],
                where[1],
                self.source,
                [*called, *names][1:],
                ["Star"],
                **{name: value for name, values in facts if (value := values[n]) is not None},
            )
            if not identity.startswith("hip"):
                identity = self.same(keys, row) or identity
            if called:
                yield Entry(row, identity or None, keys_of(row))
            else:
                label, _, number = names[0].partition(" ")
                sort = label.lower() + number.zfill(8)
                yield Entry(row, identity, keys, True, sort)

    def _digits(self, first: int, column: Sequence[str], label: str) -> list[str]:
        """Return the numbers of a list without zeros before them; "" for none."""
        found = [cell.strip().lstrip("0") for cell in column]
        for number, text in enumerate(found, first):
            if text and not text.isdecimal():
                raise self._wrong(number, text, label)
        return found

    def _words(self, columns: Columns) -> dict[int, list[str]]:
        """Return the names that are no numbers, by the place of their rows."""
        blank = [""] * len(columns[0])
        proper, bayer, flamsteed, gl, constellation = (
            columns[column] if (column := self.at[what]) is not None else blank
            for what in ("proper", "bayer", "flamsteed", "gl", "constellation")
        )
        found: dict[int, list[str]] = {}
        cells = zip(proper, bayer, flamsteed, gl, constellation, strict=True)
        for n, (name, letter, number, gliese, where) in enumerate(cells):
            if name or letter or number or gliese:
                named = [
                    name,
                    letter and f"{letter} {where}",
                    number and f"{number} {where}",
                    gliese,
                ]
                found[n] = list(dict.fromkeys(filter(None, map(str.strip, named))))
        return found

    def _places(self, first: int, columns: Columns) -> list[tuple[float, float] | None]:
        """Return ICRS positions in degrees; None where there is none."""
        ra, dec = self.at["ra"], self.at["dec"]
        if ra is None or dec is None:
            return [None] * len(columns[0])
        found: list[tuple[float, float] | None] = []
        for number, (ra_text, dec_text) in enumerate(
            zip(columns[ra], columns[dec], strict=True), first
        ):
            try:
                ra_deg, dec_deg = float(ra_text) * self.scale, float(dec_text)
            except ValueError:
                found.append(self._sexagesimal(number, ra_text.strip(), dec_text.strip()))
                continue
            if not (0 <= ra_deg <= 360 and -90 <= dec_deg <= 90):
                raise self._wrong(number, f"{ra_text} {dec_text}", "RA and Dec")
            found.append((ra_deg % 360, dec_deg))
        return found

    def _sexagesimal(self, number: int, ra: str, dec: str) -> tuple[float, float] | None:
        if not ra and not dec:
            return None
        place = find_position(f"{ra} {dec}")
        if place is None:
            raise self._wrong(number, f"{ra} {dec}", "RA and Dec")
        return place

    def _facts(self, first: int, columns: Columns) -> list[tuple[str, Sequence[Any]]]:
        """Return what is measured: values by row, of each attribute."""
        facts: list[tuple[str, Sequence[Any]]] = []
        for what, attribute in _MEASURED:
            if (column := self.at[what]) is not None:
                facts.append((attribute, self._numbers(first, columns[column], what)))
        for n, (attribute, values) in enumerate(facts):
            if attribute == "fluxes":
                source = self.source
                fluxes = [None if v is None else [magnitude(v, source)] for v in values]
                facts[n] = attribute, fluxes
            elif attribute == "distance_pc":
                facts[n] = attribute, [None if v is None or v >= _FAR_PC else v for v in values]
        if (column := self.at["spectral_type"]) is not None:
            facts.append(("spectral_type", [cell.strip() or None for cell in columns[column]]))
        return facts

    def _numbers(self, first: int, column: Sequence[str], what: str) -> list[float | None]:
        try:
            return [float(cell) if cell else None for cell in column]
        except ValueError:  # one of them is no number, or a blank
            found: list[float | None] = []
            for number, cell in enumerate(map(str.strip, column), first):
                try:
                    found.append(float(cell) if cell else None)
                except ValueError:
                    raise self._wrong(number, cell, what) from None
            return found

    def _wrong(self, number: int, text: str, what: str) -> InvalidInputError:
        return InvalidInputError(f"{self.name}, row {number}: {text[:40]!r} is no {what}.")


_MEASURED = (
    ("v", "fluxes"), ("pm_ra", "pm_ra_mas_yr"), ("pm_dec", "pm_dec_mas_yr"),
    ("parallax", "parallax_mas"), ("dist", "distance_pc"), ("rv", "radial_velocity_km_s"),
)  # fmt: skip


def magnitude(value: float, source: str) -> Fact:
    """Return a V magnitude."""
    return {"name": "V", "value": value, "unit": "mag", "system": "Vega", "source": source}


def _bright(file: BinaryIO, source: str, name: str, same: Same) -> Iterator[Entry]:
    """Read the Bright Star Catalogue as a list of objects: HR, RA, Dec, V, B, F, C, N."""
    try:
        stars = msgspec.json.decode(file.read(), type=list[dict[str, str]])
    except msgspec.DecodeError as error:
        raise InvalidInputError(f"{name} is cut, or no list of stars: {error}.") from error
    for number, star in enumerate(stars, 1):
        for column in ("HR", "RA", "Dec"):
            if column not in star:
                raise InvalidInputError(f"{name}, star {number} lacks {column!r}.")
        where = _with_primes(star["RA"], star["Dec"])
        if where is None:
            raise InvalidInputError(f"{name}, star {number}: {star['RA']!r} is no position.")
        place = star.get("C", "")
        names = [star.get("N", "")]
        names += [f"{star[key]} {place}" for key in ("B", "F") if key in star]
        names.append(f"HR {star['HR']}")
        v = [magnitude(float(star["V"]), source)] if star.get("V") else []
        yield _known(names, where, source, same, f"hr{star['HR']}", v)


def _with_primes(ra: str, dec: str) -> tuple[float, float] | None:
    plain = dec.replace("°", " ").replace("′", " ").replace("″", "")
    words = re.sub(r"[hms]\s*", " ", ra).split() + re.sub(r"\s+", " ", plain).split()
    return find_position(" ".join(words))


def _fixed(lines: Iterable[str], source: str, name: str, same: Same) -> Iterator[Entry]:
    """Read the star list of KStars: hhmmss.ss ±ddmmss.s, proper motions, parallax, V, names."""
    for number, line in enumerate(lines, 1):
        if line.startswith("#") or not line.strip():
            continue
        ra, dec = line[:9], line[10:19]
        where = find_position(f"{ra[:2]} {ra[2:4]} {ra[4:]} {dec[:3]} {dec[3:5]} {dec[5:]}")
        names = [word.strip() for word in line.rstrip("\n").split(",")[1:]]
        try:
            v, parallax = float(line[46:51]), float(line[38:45])
            pm_ra, pm_dec = float(line[20:29]), float(line[29:38])
        except ValueError:
            where = None
        if where is None:
            raise InvalidInputError(f"{name}, line {number} is no star.")
        if names := [word for word in reversed(names) if word]:
            entry = _known(names, where, source, same, None, [magnitude(v, source)])
            entry.row.pm_ra_mas_yr, entry.row.pm_dec_mas_yr = pm_ra, pm_dec
            entry.row.parallax_mas = parallax
            yield entry


def _known(
    names: Iterable[str],
    where: tuple[float, float],
    source: str,
    same: Same,
    identity: str | None,
    fluxes: list[Fact],
) -> Entry:
    name, *aliases = dict.fromkeys(word for word in names if word.strip())
    row = Row(
        name=name,
        ra_deg=where[0],
        dec_deg=where[1],
        source=source,
        aliases=aliases,
        types=["Star"],
        fluxes=fluxes,
    )
    return Entry(row, same([identity] if identity else [], row) or identity)
