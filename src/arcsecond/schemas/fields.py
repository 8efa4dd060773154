"""The kinds of values that bodies hold, with the limits that ``/schema`` tells.

They are told here and kept by the services, which judge a text once the blanks
around it are gone and say in words what is wrong with it.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

LONGEST = 255
"""Longest text, in characters, where nothing else is said."""

MOST_TAGS = 1000


def told(**keywords: Any) -> Meta:
    """Return what ``/schema`` says of a value beside its type."""
    return Meta(extra_json_schema=keywords)


Name = Annotated[str, told(pattern=r"\S", maxLength=LONGEST)]
Text = Annotated[str, told(maxLength=LONGEST)]
Reference = Annotated[str, told(maxLength=LONGEST)]
"""UUID, code or name of a site, a telescope, ...; a blank one takes the reference away."""

_RA = r"(360(\.0+)?|(3[0-5]\d|[12]?\d?\d)(\.\d+)?)"
_DEC = r"-?(90(\.0+)?|[1-8]?\d(\.\d+)?)"
PLACE = f"{_RA},{_DEC}"
"""Pattern of a position as clients of before 2.0 write it: RA,DEC in degrees."""

Place = Annotated[str, told(pattern=f"^{PLACE}$")]

Day = Annotated[str, told(anyOf=[{"format": "date"}, {"maxLength": 0}])]
"""A day as YYYY-MM-DD; an empty text, as forms send it, is none."""

Tags = Annotated[list[Text], told(maxItems=MOST_TAGS)] | str
"""A list, or one text with commas between them."""

NIGHTS, MOST_NIGHTS = 7, 366
"""Over which transits are listed: when it is not said, and at the most."""

_AMOUNT = r"(?:\d{1,9}(?:\.\d{1,20})?|\.\d{1,20})(?:[eE](?:\+?\d|-\d{1,2}))?"
RANGE = rf"(?:{_AMOUNT}(?:\.\.)?|\.\.{_AMOUNT}|{_AMOUNT}\.\.{_AMOUNT})"
"""How a range is written: "0.5..2", "..2", "0.5..", or one value."""

MOST_NIGHTS_ONE = 30
"""Over how many nights passes of one satellite are listed."""

LENGTH = r"\d{1,9}(?:\.\d{1,9})? ?(?:km|mi|m)?"
"""How a length is written: "100km", "5 mi", or kilometres alone."""

FIELD = r"\d{1,6}(?:\.\d{1,9})? ?(?:deg|arcmin|arcsec)?"
"""How the width of a field is written: "2deg", "30arcmin", or degrees alone."""

FAINTEST, BRIGHTEST = 30.0, -30.0
"""Magnitudes that a chart can be asked for."""

FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
"""How a flag is written in a filter."""
