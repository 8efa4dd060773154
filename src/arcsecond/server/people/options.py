"""What an administrator sets while the server lives: kept in the database."""

from __future__ import annotations

from typing import Literal, cast, get_args

import sqlalchemy as sa

from arcsecond.errors import ArcsecondInputValueError
from arcsecond.server.context import Backend
from arcsecond.server.people.tables import options

Registration = Literal["open", "invitation", "closed"]


def registration(backend: Backend) -> Registration:
    """Return who may register; open until somebody decides."""
    return chosen_registration(backend) or "open"


def chosen_registration(backend: Backend) -> Registration | None:
    """Return what was decided, None while nothing was."""
    with backend.db.read() as connection:
        statement = sa.select(options.c.value).where(options.c.name == "registration")
        return cast("Registration | None", connection.scalar(statement))


def set_registration(backend: Backend, mode: str) -> None:
    """Decide who may register."""
    if mode not in get_args(Registration):
        raise ArcsecondInputValueError(f"Registration is open, invitation or closed, not {mode!r}.")
    with backend.db.write() as connection:
        connection.execute(sa.delete(options).where(options.c.name == "registration"))
        connection.execute(sa.insert(options).values(name="registration", value=mode))
