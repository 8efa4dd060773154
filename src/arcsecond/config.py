"""Which server, which key: flag over environment over file over default.

The file is ``~/.arcsecond.ini`` (``ARCSECOND_CONFIG`` names another), mode
0600. Its section ``[main]`` holds ``username``, ``api_key`` and ``api_server``:
the server that issued the key, the only one it is sent to; "embedded" for the
embedded one. A key without a server was left by a client of before 4.0, and is
not ours to send anywhere.
"""

from __future__ import annotations

import configparser
import io
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from arcsecond.errors import ArcsecondInputValueError
from arcsecond.flushing import write_whole

SECTION = "main"
EMBEDDED = ""
"""The value of ``Config.server`` that stands for the embedded server."""

TERMINAL: dict[str, str] = {
    "ARCSECOND_DEBUG": "Any value: a fault inside the command shows its traceback.",
    "ARCSECOND_FORCE_TTY": "Any value: cards and tables also where no terminal is.",
    "NO_COLOR": "Any value: no bold and no dim text; so does `TERM=dumb`.",
}
"""What the command's output heeds."""


@dataclass(frozen=True, slots=True)
class Config:
    """What a client needs to know before its first request.

    Attributes
    ----------
    server
        Address without trailing slash, or "" for the embedded server, which
        the variable calls "embedded". ARCSECOND_SERVER.
    username
        Who the stored key belongs to, "" when nobody is signed in.
    key
        The key sent with each request, "" for none. ARCSECOND_KEY.
    home
        Data directory of the embedded server; by default the platform's, on
        Linux ``~/.local/share/arcsecond``. ARCSECOND_HOME.
    path
        The configuration file; by default ``~/.arcsecond.ini``.
        ARCSECOND_CONFIG.
    """

    server: str
    username: str
    key: str
    home: Path
    path: Path

    @property
    def embedded(self) -> bool:
        """Whether requests are answered inside this process."""
        return self.server == EMBEDDED


def default_home(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the data directory of the embedded server.

    ``ARCSECOND_HOME``, or else the user's data directory as the platform has
    it (XDG Base Directory Specification on Unix).
    """
    if named := environ.get("ARCSECOND_HOME"):
        return Path(named).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "arcsecond"
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or Path.home()) / "arcsecond"
    return Path(environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "arcsecond"


def config_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the path of the configuration file."""
    return Path(environ.get("ARCSECOND_CONFIG") or "~/.arcsecond.ini").expanduser()


def clean_server(address: str) -> str:
    """Check a server's address and return it without a trailing slash.

    Raises
    ------
    ArcsecondInputValueError
        It is not an http or https address.
    """
    address = address.strip()
    if address in ("", "embedded"):
        return EMBEDDED
    if "://" not in address:
        address = "http://" + address
    try:
        parts = urlsplit(address)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or parts.query or parts.fragment:
        raise ArcsecondInputValueError(
            f"{address!r} is not the address of a server.",
            hint="Write it like https://arcsecond.example.org.",
        )
    return address.rstrip("/")


_LINK = re.compile(r"(?P<server>https?://.+)/shared/(?P<word>[0-9a-f]{40})/?")


def is_link(text: str) -> bool:
    """Tell whether a text is the link of a data package."""
    return _LINK.fullmatch(text.strip()) is not None


def parse_link(text: str) -> tuple[str, str]:
    """Return the server and the word of the link of a data package.

    Raises
    ------
    ArcsecondInputValueError
        It is no such link.
    """
    if (found := _LINK.fullmatch(text.strip())) is None:
        raise ArcsecondInputValueError(
            f"{text[:200]!r} is no link of a data package.",
            hint="It looks like https://arcsecond.example.org/shared/0123...def/.",
        )
    return found["server"], found["word"]


def is_loopback(host: str) -> bool:
    """Tell whether a host's name or address is this machine's own, reached by nobody else."""
    import ipaddress

    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def load(
    server: str | None = None,
    key: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Config:
    """Read the configuration.

    Parameters
    ----------
    server
        Address given by the caller; "embedded" for the embedded server.
    key
        Key given by the caller.

    Raises
    ------
    ArcsecondInputValueError
        The file cannot be read, or an address is none.
    """
    path = config_path(environ)
    stored = _read(path)
    section = stored[SECTION] if stored.has_section(SECTION) else {}
    issued_by = section.get("api_server")
    stored_server = clean_server(issued_by or "")
    named = server if server is not None else environ.get("ARCSECOND_SERVER") or None
    chosen = stored_server if named is None else clean_server(named)
    own = issued_by is not None and chosen == stored_server
    return Config(
        server=chosen,
        username=section.get("username", "") if own else "",
        key=key or environ.get("ARCSECOND_KEY") or (section.get("api_key", "") if own else ""),
        home=default_home(environ),
        path=path,
    )


def store_login(config: Config, username: str, key: str) -> None:
    """Write who signed in on which server, in one step."""
    stored = _read(config.path)
    _forget(stored)
    if not stored.has_section(SECTION):
        stored.add_section(SECTION)
    stored.set(SECTION, "api_server", config.server or "embedded")
    stored.set(SECTION, "username", username)
    stored.set(SECTION, "api_key", key)
    _write(config.path, stored)


def forget_login(config: Config) -> None:
    """Remove key, user and server from the file; the embedded owner is back."""
    stored = _read(config.path)
    if _forget(stored):
        _write(config.path, stored)


def _forget(stored: configparser.ConfigParser) -> bool:
    if not stored.has_section(SECTION):
        return False
    options = ("api_server", "username", "api_key")
    return sum(stored.remove_option(SECTION, option) for option in options) > 0


def _read(path: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, default_section="\0")
    try:
        parser.read_string(path.read_text(encoding="utf-8"), source=str(path))
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        reason = str(error).splitlines()[0]
        raise ArcsecondInputValueError(
            f"The configuration file {path} cannot be read: {reason}",
            hint="Mend it, or move it away and type `arcsecond login`.",
        ) from error
    return parser


def _write(path: Path, stored: configparser.ConfigParser) -> None:
    """Replace the file as a whole, readable by its owner alone."""
    path = path.resolve()  # a link to a file kept elsewhere stays a link
    text = io.StringIO()
    stored.write(text)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text.getvalue())
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> ArcsecondInputValueError:
    return ArcsecondInputValueError(
        f"The configuration file {path} cannot be written: {error.strerror}."
    )
