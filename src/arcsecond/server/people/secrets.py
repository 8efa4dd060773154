"""Passwords and keys: how they are made, and what is kept of them.

Access and upload keys are derived from the server's secret, so that their
owner can be shown them again while none is stored. Everything else is random.
The database holds digests only.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import hmac
import os
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from arcsecond.flushing import flush_folder

if TYPE_CHECKING:
    from argon2 import PasswordHasher


def read_secret(path: Path) -> bytes:
    """Return the server's secret, made when it is first needed (mode 0600)."""
    if not path.exists():
        handle, temporary = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_hex(32).encode())
            file.flush()
            os.fsync(file.fileno())
        # The first process wins; all the others read what it wrote.
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
        os.unlink(temporary)
        flush_folder(path.parent)
    return path.read_bytes().strip()


def derived_key(
    secret: bytes, whose: object, kind: str, generation: int, *, digits: int = 32
) -> str:
    """Return a key that is derived, in hexadecimal: of a user, or the word of a link."""
    message = f"{whose}:{kind}:{generation}".encode()
    return hmac.new(secret, message, hashlib.sha256).hexdigest()[:digits]


def random_key(prefix: str = "") -> str:
    """Return a key that nobody can guess."""
    return prefix + secrets.token_hex(20)


def digest(key: str) -> str:
    """Return what the database holds of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


@functools.cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher()


@functools.cache
def _nobodys_password() -> str:
    return _hasher().hash(secrets.token_hex(16))


def hash_password(password: str) -> str:
    """Return the argon2 hash of a password."""
    return _hasher().hash(password)


def verify_password(stored: str | None, password: str) -> bool:
    """Check a password; the same work is done where there is no account."""
    from argon2.exceptions import Argon2Error, InvalidHashError

    try:
        _hasher().verify(stored or _nobodys_password(), password)
    except (Argon2Error, InvalidHashError):
        return False
    return stored is not None
