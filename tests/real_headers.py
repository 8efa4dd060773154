"""Headers that were kept without their frames: as cards, as YAML or as JSON."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import yaml
from astropy.io import fits as astropy_fits

from arcsecond.fits.cards import CARD, parse
from arcsecond.fits.walking import RawHdu


class _Loader(yaml.SafeLoader):
    """Reads what is tagged as something else as what it looks like."""


def _as_it_looks(loader: _Loader, _tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    return loader.construct_scalar(node)  # type: ignore[arg-type]


_Loader.add_multi_constructor("", _as_it_looks)


def header_of(path: Path) -> RawHdu:
    """Return a header that lies alone in a file."""
    if path.suffix == ".hdr":
        text = path.read_text("ascii", errors="replace")
        lines = text.splitlines()
        if max(map(len, lines)) > CARD:  # no line ends after all
            lines = _cut(text)
        cards = "".join(line.ljust(CARD)[:CARD] for line in lines if line[:4] != "END ")
    else:
        told = _json(path) if path.suffix == ".json" else _yaml(path)
        header = astropy_fits.Header()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some were odd from the beginning
            for keyword, value in told:
                if isinstance(value, str | int | float | bool) and keyword.strip():
                    header.append((keyword, value), end=True)
            cards = header.tostring(endcard=False, padding=False)
    return RawHdu(0, cards, parse(cards))


def _json(path: Path) -> list[tuple[str, Any]]:
    return list(json.loads(path.read_text()).items())


def _cut(text: str) -> list[str]:
    return [text[start : start + CARD] for start in range(0, len(text), CARD)]


def _yaml(path: Path) -> list[tuple[str, Any]]:
    told = yaml.load(path.read_text(), _Loader)  # a safe loader of our own
    if isinstance(told, dict):
        return [(str(keyword), value) for keyword, value in told.items()]
    return [(str(entry[0]), entry[2]) for entry in told]
