"""Tables of stars as others distribute them, which add names and stars to those at hand.

Tables with a header line (HYG, AT-HYG, extracts of the Hipparcos and Bright Star
catalogues, lists of HIP, SAO, HD and HR numbers), the Bright Star Catalogue as
JSON, and the fixed columns of KStars. A star with a HIP number is the one that
is there; one without is known by its HD or HR number or, when it is bright, by
its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import BinaryIO

import msgspec

from arcsecond.errors import InvalidInputError
from arcsecond.server.catalogues.file import Entry, Part
from arcsecond.server.catalogues.rows import Fact, Row, magnitude
from arcsecond.server.catalogues.sources.starloader import Same, StarLoader
from arcsecond.server.catalogues.sources.text import Records, find_position
from arcsecond.server.catalogues.sources.text import number as number_of
from arcsecond.server.catalogues.writing import Loader

_COLUMNS = {
    "hip": ("hip",), "hd": ("hd",), "hr": ("hr",), "sao": ("sao",), "gl": ("gl", "gj"),
    "ra": ("ra", "raicrs", "_raj2000", "raj2000", "ra_icrs", "radeg"),
    "dec": ("dec", "deicrs", "_dej2000", "dej2000", "de_icrs", "dec_icrs", "dedeg"),
    "proper": ("proper",), "bayer": ("bayer",), "flamsteed": ("flam", "flamsteed"),
    "con": ("con", "const", "constellation"), "v": ("mag", "vmag", "v"),
    "spectral_type": ("spect", "sptype", "sp"), "pm_ra_mas_yr": ("pmra",),
    "pm_dec_mas_yr": ("pmdec", "pmde"), "parallax_mas": ("plx", "parallax"),
    "distance_pc": ("dist",), "radial_velocity_km_s": ("rv", "radvel"),
}  # fmt: skip
"""What is read, and what it is called, in small letters."""


def part(n: int, name: str) -> Part:
    """Describe a table by the name of its file."""
    stem = PurePath(name).name.partition(".")[0]
    slug = re.sub(r"[^a-z0-9]+", "-", stem.casefold()).strip("-") or "table"
    key = f"stars-{slug}"
    return Part(
        n=n,
        key=key,
        title=f"Stars of {stem}",
        version=name,
        licence="as its source says",
        description="A table of stars that was imported: it adds names, numbers and stars.",
        sources={key: name},
    )


def entries(
    file: BinaryIO, lines: Iterator[str], part: Part, *, same: Same
) -> Iterator[Entry] | Loader:
    """Return the stars of a table in any of the formats.

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
    return _table(Records(name, lines), source, same)


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


def _table(table: Records, source: str, same: Same) -> Loader:
    called = {column.casefold(): n for n, column in enumerate(table.columns)}
    at = {
        what: next(called[name] for name in names if name in called)
        for what, names in _COLUMNS.items()
        if any(name in called for name in names)
    }
    if len({"ra", "dec"} & set(at)) == 1 and "hip" in at:
        at = {what: n for what, n in at.items() if what not in ("ra", "dec")}
    if "hip" not in at and not {"ra", "dec"} <= set(at):
        missing = "dec" if "ra" in at else "hip"
        raise InvalidInputError(f"{table.name} lacks the column {missing!r}.")
    if not {"hip", "hd", "hr", "sao", "proper"} & set(at):
        raise InvalidInputError(f"{table.name} lacks the column 'hip': no star of it has a name.")
    # Hours, in tables of the HYG family.
    scale = 15.0 if "rarad" in called or {"absmag", "dist"} <= set(called) else 1.0
    return StarLoader(table, at, scale, source, same)


def _bright(file: BinaryIO, source: str, name: str, same: Same) -> Iterator[Entry]:
    """Read the Bright Star Catalogue as a list of objects: HR, RA, Dec, V, B, F, C, N."""
    try:
        stars = msgspec.json.decode(file.read(), type=list[dict[str, str]])
    except msgspec.DecodeError as error:
        raise InvalidInputError(f"{name} is cut, or no list of stars: {error}.") from error
    for order, star in enumerate(stars, 1):
        for column in ("HR", "RA", "Dec"):
            if column not in star:
                raise InvalidInputError(f"{name}, star {order} lacks {column!r}.")
        where = _with_primes(star["RA"], star["Dec"])
        if where is None:
            raise InvalidInputError(f"{name}, star {order}: {star['RA']!r} is no position.")
        place = star.get("C", "")
        names = [star.get("N", "")]
        names += [f"{star[key]} {place}" for key in ("B", "F") if key in star]
        names.append(f"HR {star['HR']}")
        v_mag = number_of(star, "V", f"{name}, star {order}")
        v = [] if v_mag is None else [magnitude("V", v_mag, source)]
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
            entry = _known(names, where, source, same, None, [magnitude("V", v, source)])
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
