"""People and their keys, as the API gives and takes them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from arcsecond.schemas.fields import told

USERNAME = r"\w[\w.+-]{0,149}"
PASSWORD = (8, 1024)
"""Fewest and most characters of a password."""

NewPassword = Annotated[str, told(minLength=PASSWORD[0], maxLength=PASSWORD[1])]


class OrganisationOfMember(msgspec.Struct, kw_only=True):
    """The organisation inside a membership."""

    pk: int
    name: str
    subdomain: str


class Membership(msgspec.Struct, kw_only=True):
    """A role in an organisation."""

    pk: int
    role: str
    date_joined: datetime
    organisation: OrganisationOfMember


class Profile(msgspec.Struct, kw_only=True):
    """A person. Others see the names and the date; the owner sees everything."""

    pk: int
    username: str
    first_name: str = ""
    last_name: str = ""
    membership_date: datetime
    email: str | None = None
    is_staff: bool | None = None
    is_local_owner: bool | None = None
    last_update: datetime | None = None
    memberships: list[Membership] = msgspec.field(default_factory=list)


class Credentials(msgspec.Struct, kw_only=True):
    """Body of a login. ``username`` may be an e-mail address."""

    username: str = ""
    password: str = ""


class Registration(msgspec.Struct, kw_only=True):
    """Body of a registration."""

    username: Annotated[str, told(pattern=rf"^\s*{USERNAME}\s*$")] = ""
    email: Annotated[str, told(format="email", maxLength=254)] = ""
    password1: NewPassword = ""
    password2: NewPassword = ""
    invitation: str = ""


class KeyCheck(msgspec.Struct, kw_only=True):
    """Body of a key verification."""

    username: str = ""
    key: str = ""


class KeyOwner(msgspec.Struct, kw_only=True):
    """Whose key it is."""

    username: str


class SessionKey(msgspec.Struct, kw_only=True):
    """Answer of a registration, and of a login at its older address."""

    key: str


class SessionToken(msgspec.Struct, kw_only=True):
    """Answer of a login at its newer address, and of a one-time token."""

    token: str


class ApiKey(msgspec.Struct, kw_only=True):
    """The access key of its owner."""

    api_key: str


class UploadKey(msgspec.Struct, kw_only=True):
    """The upload key of its owner."""

    upload_key: str
