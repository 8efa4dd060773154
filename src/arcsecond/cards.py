"""What is shown to people of an answer: cards of facts, and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts; the first column names each row.

    Attributes
    ----------
    least
        Headings of the columns that are left out first where there is no room.
    """

    title: str
    headings: list[str]
    rows: list[list[str]]
    least: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """A field of a thing: its name and value in the API, its label and text for people.

    An exact text keeps its columns: it is neither wrapped nor are its spaces changed.
    """

    name: str
    value: Any
    label: str
    text: str
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """One thing: its title, its facts, and tables that belong to it."""

    title: str
    facts: list[Fact]
    tables: list[Table] = field(default_factory=list)


def facts_of(told: Sequence[tuple[str, str, str]]) -> list[Fact]:
    """Return facts of name, label and text, without those that are empty."""
    return [Fact(name, text, label, text) for name, label, text in told if text]
