"""Keys of paths and values of fields: what they are, or why they are none."""

from __future__ import annotations

import contextlib
import uuid as uuids
from collections.abc import Iterator
from datetime import date

from arcsecond.errors import InvalidInputError, NotFoundError
from arcsecond.schemas.fields import LONGEST, MOST_TAGS

MOST_SOUGHT = 20
"""Tags that are asked for at once."""


def parse_uuid(text: str, what: str) -> uuids.UUID:
    """Return the UUID of a path; a malformed one is not found, as a foreign one is."""
    if (uuid := as_uuid(text)) is None:
        raise NotFoundError(f"{what} {text[:60]!r} not found.")
    return uuid


def as_uuid(text: str) -> uuids.UUID | None:
    """Return the UUID that a text is, with hyphens or without; None when it is none."""
    if len(text) not in (32, 36):
        return None
    try:
        return uuids.UUID(text)
    except ValueError:
        return None


def parse_amount(text: str, most: int) -> int | None:
    """Return a whole number from 1 to ``most``; None when the text is no such number."""
    plain = text.isascii() and text.isdigit() and len(text) < 10
    return int(text) if plain and 0 < int(text) <= most else None


def parse_hdu(text: str) -> int | None:
    """Return the number of an HDU; None when the text is no such number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else None


@contextlib.contextmanager
def blamed_on(field: str) -> Iterator[None]:
    """Name the field that a fault was found in, where the error names none."""
    try:
        yield
    except InvalidInputError as error:
        if error.fields:
            raise
        raise InvalidInputError(error.detail, fields={field: [error.detail]}) from error


def parse_date(field: str, text: str) -> date:
    """Return the day that a text is, in ISO 8601."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        problem = f"{text[:40]!r} is no date; write it as YYYY-MM-DD."
        raise InvalidInputError(fields={field: [problem]}) from None


def parse_integer(text: str, what: str) -> int:
    """Return the integer key of a path; anything else is not found."""
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    raise NotFoundError(f"{what} {text[:60]!r} not found.")


def clean_text(
    field: str, value: str | None, *, longest: int = LONGEST, blank: bool = False
) -> str:
    """Return a text without blanks around it, checked for length."""
    text = (value or "").strip()
    if not text and not blank:
        raise InvalidInputError(fields={field: ["This field may not be blank."]})
    if len(text) > longest:
        raise InvalidInputError(fields={field: [f"This text is longer than {longest} characters."]})
    return text


def sought_tags(text: str) -> list[str]:
    """Return the tags that a filter asks for: of so many that a statement can hold them."""
    return clean_tags(text, MOST_SOUGHT)


def clean_tags(value: list[str] | str, most: int = MOST_TAGS) -> list[str]:
    """Return tags, given as a list or separated by commas, each once; none has a comma in it."""
    given = [value] if isinstance(value, str) else value
    tags = [tag for text in given for tag in text.split(",")]
    cleaned = [clean_text("tags", tag) for tag in tags if tag.strip()]
    if len(cleaned) > most:
        raise InvalidInputError(fields={"tags": [f"These are more than {most} tags."]})
    return list(dict.fromkeys(cleaned))
