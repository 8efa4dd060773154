"""Accounts: registration, login, keys and profiles."""

from __future__ import annotations

import contextlib
import getpass
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from arcsecond.errors import (
    CredentialsError,
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
)
from arcsecond.schemas.fields import LONGEST
from arcsecond.schemas.people import PASSWORD, USERNAME, Credentials, Profile, Registration
from arcsecond.server.context import Backend, Viewer
from arcsecond.server.db import now
from arcsecond.server.paging import Listing, SqlListing
from arcsecond.server.parsing import clean_text
from arcsecond.server.people import options
from arcsecond.server.people.keys import keep_derived_keys, new_key, viewer_with_key
from arcsecond.server.people.secrets import (
    derived_key,
    digest,
    hash_password,
    random_key,
    verify_password,
)
from arcsecond.server.people.tables import invitations, keys, users
from arcsecond.server.people.visibility import signed_in

_USERNAME = re.compile(USERNAME)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|[^@\s]+@localhost")
_COMMON = {
    "password",
    "12345678",
    "123456789",
    "1234567890",
    "qwertyuiop",
    "arcsecond",
    "telescope",
}


def register(backend: Backend, viewer: Viewer, body: Registration) -> str:
    """Make an account and return a session token.

    Raises
    ------
    InvalidInputError
        With a message per field that is not acceptable.
    NotAllowedError
        Registration is closed, or needs an invitation.
    """
    mode = options.registration(backend)
    if mode == "closed":
        raise NotAllowedError("Registration is closed on this server.")
    username, email, problems = _checked(body)
    if problems:
        raise InvalidInputError(fields=problems)
    hashed = hash_password(body.password1)
    with _others_may_be_faster(), backend.db.write() as connection:
        if taken := _taken(connection, username, email):
            raise InvalidInputError(fields=taken)
        user = _insert_user(connection, username=username, email=email, password=hashed)
        if mode == "invitation":
            _use_invitation(connection, body.invitation, user)
        keep_derived_keys(connection, backend, user, generation=1)
        return new_key(connection, user, "token")


def login(backend: Backend, viewer: Viewer, body: Credentials, kind: str = "token") -> str:
    """Check a password and return a token, or a session for a browser.

    The same work is done whether the account or the password is wrong.
    """
    blank = {
        field: ["This field may not be blank."]
        for field, value in (("username", body.username), ("password", body.password))
        if not value.strip()
    }
    if blank:
        raise InvalidInputError(fields=blank)
    with backend.db.read() as connection:
        row = connection.execute(sa.select(users).where(_named(body.username))).one_or_none()
    if not verify_password(row.password if row else None, body.password) or row is None:
        message = "Unable to log in with provided credentials."
        raise CredentialsError(message, fields={"non_field_errors": [message]})
    with backend.db.write() as connection:
        return new_key(connection, row.id, kind)


def verify_key(backend: Backend, viewer: Viewer, username: str, key: str) -> str:
    """Check that a key belongs to a user, and return the username as it is written."""
    owner = viewer_with_key(backend, key, kinds=("access", "upload"))
    with backend.db.read() as connection:
        row = connection.execute(sa.select(users).where(_named(username))).one_or_none()
    if row is None or row.id != owner.id:
        raise CredentialsError("This key is not one of this user's keys.")
    return owner.username


def owner(backend: Backend) -> Viewer:
    """Return the owner of the embedded server, made at the first request."""
    statement = sa.select(users.c.id, users.c.username).where(users.c.is_local_owner)
    with backend.db.read() as connection:
        row = connection.execute(statement).one_or_none()
    if row is None:
        try:
            with backend.db.write() as connection:
                known = connection.execute(statement).one_or_none()
                row = known or _make_owner(connection, backend)
        except sa.exc.IntegrityError:  # another process was faster
            with backend.db.read() as connection:
                row = connection.execute(statement).one()
    return Viewer(row.id, row.username, True, "owner")


def viewer_named(backend: Backend, username: str) -> Viewer:
    """Return a user as who is asking, for commands on the server's own machine.

    Raises
    ------
    NotFoundError
        There is no such user.
    """
    columns = users.c.id, users.c.username, users.c.is_admin
    with backend.db.read() as connection:
        row = connection.execute(sa.select(*columns).where(_named(username))).one_or_none()
    if row is None:
        raise NotFoundError(f"User {username[:80]!r} not found.")
    return Viewer(row.id, row.username, row.is_admin, "owner")


def own_profile(backend: Backend, viewer: Viewer) -> Profile:
    """Return the profile of who is asking."""
    return read_profile(backend, viewer, _username(backend, signed_in(viewer)))


def read_profile(backend: Backend, viewer: Viewer, name: str) -> Profile:
    """Return a profile: all of it to its owner, who may also ask by e-mail."""
    with backend.db.read() as connection:
        row = connection.execute(sa.select(users).where(_named(name))).one_or_none()
    if row is None or ("@" in name and row.id != viewer.id):
        raise NotFoundError(f"Profile {name[:60]!r} not found.")
    return _profile(row, viewer)


def list_profiles(backend: Backend, viewer: Viewer, search: str = "") -> Listing[Profile]:
    """List people by name."""
    statement = sa.select(users)
    if search:
        pattern = "%" + re.sub(r"([%_\\])", r"\\\1", search[:LONGEST].casefold()) + "%"
        statement = statement.where(users.c.folded.like(pattern, escape="\\"))
    return SqlListing(
        backend.db,
        statement,
        (users.c.folded,),
        lambda _connection, rows: [_profile(row, viewer) for row in rows],
    )


def read_key(backend: Backend, viewer: Viewer, name: str, kind: str) -> str:
    """Return the access or upload key of who is asking; derived, never stored."""
    user = signed_in(viewer, "keys:read")
    with backend.db.read() as connection:
        row = connection.execute(sa.select(users).where(_named(name))).one_or_none()
    if row is None or row.id != user:
        raise NotFoundError(f"Profile {name[:60]!r} not found.")
    return derived_key(backend.secret, row.id, kind, row.generation)


def set_password(backend: Backend, username: str | None, password: str) -> str:
    """Set the password of a user, of the local owner for None; every session ends."""
    if problem := _weak(password, username or ""):
        raise InvalidInputError(fields={"password": [problem]})
    hashed = hash_password(password)
    chosen = owner(backend).username if username is None else username
    with backend.db.write() as connection:
        found = connection.scalar(
            sa.update(users)
            .where(_named(chosen))
            .values(password=hashed, updated_at=now())
            .returning(users.c.id)
        )
        if found is None:
            raise NotFoundError(f"User {chosen!r} not found.")
        connection.execute(
            sa.update(keys)
            .where(keys.c.owner == found, keys.c.kind.in_(("session", "token")))
            .values(revoked_at=now())
        )
    return chosen


def needs_password(backend: Backend, username: str) -> bool:
    """Tell whether nobody can sign in by a name: no such user, or one without a password."""
    with backend.db.read() as connection:
        row = connection.execute(sa.select(users).where(_named(username))).one_or_none()
    return row is None or row.password is None


def add_admin(backend: Backend, username: str, password: str | None = None) -> None:
    """Make a user an administrator, and the user too when there is none of that name.

    Raises
    ------
    InvalidInputError
        A password is needed and was not given, or is too weak.
    """
    if not needs_password(backend, username):
        password = None
    elif problem := _weak(password or "", username):
        raise InvalidInputError(fields={"password": [problem]})
    hashed = None if password is None else {"password": hash_password(password)}
    with backend.db.write() as connection:
        changed = connection.execute(
            sa.update(users).where(_named(username)).values(is_admin=True, **(hashed or {}))
        )
        if not changed.rowcount:
            name = clean_text("username", username, longest=150)
            if not _USERNAME.fullmatch(name):
                raise InvalidInputError(fields={"username": [_USERNAME_RULE]})
            user = _insert_user(connection, username=name, is_admin=True, **(hashed or {}))
            keep_derived_keys(connection, backend, user, generation=1)


def has_admin(backend: Backend) -> bool:
    """Tell whether somebody can administer this server over the network."""
    with backend.db.read() as connection:
        statement = sa.select(users.c.id).where(users.c.is_admin, users.c.password.is_not(None))
        return connection.execute(statement.limit(1)).one_or_none() is not None


def invite(backend: Backend, days: int = 14) -> str:
    """Return a code that lets one person register."""
    code = random_key("inv_")
    with backend.db.write() as connection:
        connection.execute(
            sa.insert(invitations).values(
                digest=digest(code), created_at=now(), expires_at=now() + timedelta(days=days)
            )
        )
    return code


@contextlib.contextmanager
def _others_may_be_faster() -> Iterator[None]:
    """Say that a name is taken when somebody took it between the look and the write."""
    try:
        yield
    except sa.exc.IntegrityError as error:
        taken = {"username": ["A user with that username or e-mail address already exists."]}
        raise InvalidInputError(fields=taken) from error


_USERNAME_RULE = "Letters, digits and . + - _ only, at most 150, a letter or digit first."


def _checked(body: Registration) -> tuple[str, str, dict[str, list[str]]]:
    problems: dict[str, list[str]] = {}
    username, email = body.username.strip(), body.email.strip().lower()
    if not username:
        problems["username"] = ["This field may not be blank."]
    elif not _USERNAME.fullmatch(username):
        problems["username"] = [_USERNAME_RULE]
    if not email:
        problems["email"] = ["This field may not be blank."]
    elif len(email) > 254 or not _EMAIL.fullmatch(email):
        problems["email"] = ["Enter a valid email address."]
    if problem := _weak(body.password1, username):
        problems["password1"] = [problem]
    elif body.password1 != body.password2:
        problems["non_field_errors"] = ["The two password fields didn't match."]
    return username, email, problems


def _weak(password: str, username: str) -> str:
    if not password:
        return "This field may not be blank."
    shortest, longest = PASSWORD
    if len(password) < shortest:
        return f"This password is too short. It must contain at least {shortest} characters."
    if len(password) > longest:
        return f"This password is longer than {longest} characters."
    if password.isdigit():
        return "This password is entirely numeric."
    if password.casefold() in _COMMON or len(set(password)) < 3:
        return "This password is too common."
    if username and password.casefold() == username.casefold():
        return "The password is too similar to the username."
    return ""


def _taken(connection: sa.Connection, username: str, email: str) -> dict[str, list[str]]:
    taken: dict[str, list[str]] = {}
    if connection.scalar(sa.select(users.c.id).where(users.c.folded == username.casefold())):
        taken["username"] = ["A user with that username already exists."]
    if connection.scalar(sa.select(users.c.id).where(users.c.email == email)):
        taken["email"] = ["A user is already registered with this e-mail address."]
    return taken


def _named(name: str) -> sa.ColumnElement[bool]:
    cleaned = name.strip()
    if "@" in cleaned:
        return users.c.email == cleaned.lower()
    return users.c.folded == cleaned.casefold()


def _insert_user(connection: sa.Connection, *, username: str, **values: Any) -> int:
    statement = (
        sa.insert(users)
        .values(
            username=username,
            folded=username.casefold(),
            created_at=now(),
            updated_at=now(),
            **values,
        )
        .returning(users.c.id)
    )
    return int(connection.execute(statement).scalar_one())


def _make_owner(connection: sa.Connection, backend: Backend) -> Any:
    try:
        name = re.sub(r"[^\w.+-]", "", getpass.getuser())[:100].lstrip(".+-") or "owner"
    except (KeyError, OSError):  # a user id without a name, as in some containers
        name = "owner"
    folded = sa.select(users.c.folded).where(users.c.folded.like(name.casefold() + "%"))
    taken = set(connection.scalars(folded))
    candidates = (f"{name}{suffix}" for suffix in ("", *range(2, 10_000)))
    username = next(c for c in candidates if c.casefold() not in taken)
    user = _insert_user(connection, username=username, is_admin=True, is_local_owner=True)
    keep_derived_keys(connection, backend, user, generation=1)
    return connection.execute(
        sa.select(users.c.id, users.c.username).where(users.c.id == user)
    ).one()


def _use_invitation(connection: sa.Connection, code: str, user: int) -> None:
    used = connection.execute(
        sa.update(invitations)
        .where(invitations.c.digest == digest(code.strip()), invitations.c.used_by.is_(None))
        .where(invitations.c.expires_at > now())
        .values(used_by=user)
    )
    if used.rowcount != 1:
        raise NotAllowedError(
            "Registration on this server needs an invitation, and this is no valid one.",
        )


def _username(backend: Backend, user: int) -> str:
    with backend.db.read() as connection:
        return str(connection.scalar(sa.select(users.c.username).where(users.c.id == user)))


def _profile(row: Any, viewer: Viewer) -> Profile:
    profile = Profile(
        pk=row.id,
        username=row.username,
        first_name=row.first_name,
        last_name=row.last_name,
        membership_date=row.created_at,
    )
    if viewer.id == row.id:
        profile.email = row.email
        profile.is_staff = row.is_admin
        profile.is_local_owner = row.is_local_owner
        profile.last_update = row.updated_at
    return profile
