"""Show the headers of a FITS file: whole, of one HDU, or what a keyword says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click

from arcsecond.client.frames import hdu_of
from arcsecond.errors import NotFoundError
from arcsecond.fits.cards import CARD


@dataclass(frozen=True, slots=True)
class Headers:
    """What of the headers of a file is to be shown.

    Attributes
    ----------
    hdu
        Number or name of an HDU; None for all.
    keywords
        Those whose values are wanted; none for whole headers.
    rows
        Whether the first rows of a table are wanted in place of headers.
    """

    hdu: str | None
    keywords: tuple[str, ...]
    as_json: bool
    rows: bool = False

    @classmethod
    def asked(cls, given: dict[str, Any], *, as_json: bool) -> Headers | None:
        """Take the options for headers out of those that were given; None without any."""
        header, hdu, keywords, rows = (
            given.pop(n, None) for n in ("header", "hdu", "keyword", "rows")
        )
        if not (header or keywords or rows or hdu is not None):
            return None
        if rows and (header or keywords):
            raise click.UsageError("--rows goes without --header and --keyword.")
        return cls(hdu, keywords or (), as_json, bool(rows))

    def show(self, file: Mapping[str, Any]) -> None:
        """Print them: cards of 80 characters, or values alone.

        Raises
        ------
        NotFoundError
            The file has no such HDU, or a keyword is in no header: what the others say is
            printed before that.
        """
        hdus = self._chosen(file)
        if self.keywords:
            self._show_values(hdus)
        elif self.as_json:
            shown = ("index", "name", "header")
            click.echo(json.dumps([{key: hdu[key] for key in shown} for hdu in hdus], indent=1))
        else:
            click.echo("\n\n".join(_cards(hdu, alone=len(hdus) == 1) for hdu in hdus))

    def _show_values(self, hdus: list[dict[str, Any]]) -> None:
        """Print what keywords say, a line for each; an empty one for what is not there."""
        found: dict[str, Any] = {}
        missing: list[str] = []
        for keyword in self.keywords:
            try:
                found[keyword] = self._value(hdus, keyword)
            except KeyError:
                found[keyword] = None
                missing.append(keyword)
        if len(missing) < len(found):
            lines = "\n".join(map(_shown, found.values()))
            click.echo(json.dumps(found, indent=1) if self.as_json else lines)
        if missing:
            where = "this header" if len(hdus) == 1 else "its headers"
            verb = "is" if len(missing) == 1 else "are"
            raise NotFoundError(
                f"{', '.join(missing)} {verb} not in {where}.", hint="--header shows all of it."
            )

    def _chosen(self, file: Mapping[str, Any]) -> list[dict[str, Any]]:
        hdus: list[dict[str, Any]] = file["hdus"]
        if self.hdu is None:
            return hdus
        return [hdu_of(file, self.hdu)]

    @staticmethod
    def _value(hdus: list[dict[str, Any]], keyword: str) -> Any:
        wanted = " ".join(keyword.upper().removeprefix("HIERARCH ").split())
        # HIERARCH ESO OBS TARG NAME has dots where it is searched for.
        for spelt in dict.fromkeys((wanted, wanted.removeprefix("HEADER.").replace(".", " "))):
            for hdu in hdus:
                if spelt in (hdu["header"] or {}):
                    return hdu["header"][spelt]
        raise KeyError(keyword)


def _cards(hdu: Mapping[str, Any], *, alone: bool) -> str:
    text = hdu["header_string"] or ""
    lines = [text[start : start + CARD].rstrip() for start in range(0, len(text), CARD)]
    title = [] if alone else [f"# HDU {hdu['index']} {hdu['name']}".rstrip()]
    return "\n".join(title + lines)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "T" if value else "F"
    return "\n".join(value) if isinstance(value, list) else "" if value is None else str(value)
