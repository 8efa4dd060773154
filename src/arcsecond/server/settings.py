"""How a server is set up: one frozen value, built at start and passed down.

Each field is read from ``ARCSECOND_`` and its name in capitals.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from arcsecond.config import default_home
from arcsecond.errors import ArcsecondInputValueError

MiB = 1 << 20
GiB = 1 << 30


@dataclass(frozen=True, slots=True, eq=False)
class Settings:
    """Settings of a server.

    Attributes
    ----------
    home
        The data directory: database, blobs, secret, lock file. ARCSECOND_HOME.
    database_url
        A PostgreSQL address; "" for SQLite in ``home``. ARCSECOND_DATABASE_URL.
    public_url
        Where people reach this server; "" to take it from each request.
        ARCSECOND_PUBLIC_URL.
    max_body_bytes
        Largest body that is no upload. ARCSECOND_MAX_BODY_BYTES.
    max_upload_bytes
        Largest uploaded file. ARCSECOND_MAX_UPLOAD_BYTES.
    max_unpacked_bytes
        Largest size a compressed file may unpack to. ARCSECOND_MAX_UNPACKED_BYTES.
    quota_bytes
        How many bytes of files one user may have, uploads under way included; 0 for as
        many as there is room for. ARCSECOND_QUOTA_BYTES.
    idle_seconds
        A server that was started for ``--open`` ends after so long without a
        request; 0 for never. ARCSECOND_IDLE_SECONDS.
    catalogues
        Where the built catalogues lie; None for a folder in ``home``.
        ARCSECOND_CATALOGUES.
    online
        Whether names that are not known here are asked at SIMBAD, and catalogues
        may be fetched. ARCSECOND_ONLINE; a server does when it is not set.
    simbad_url
        The TAP service of SIMBAD, or of a mirror. ARCSECOND_SIMBAD_URL.
    nasa_url
        The TAP service of the NASA Exoplanet Archive. ARCSECOND_NASA_URL.
    celestrak_url
        Where element sets of satellites are fetched. ARCSECOND_CELESTRAK_URL.
    mpc_url
        Where the observatory codes are fetched. ARCSECOND_MPC_URL.
    hips_url
        The service of CDS that cuts pictures out of surveys. ARCSECOND_HIPS_URL.
    moc_url
        The service of CDS that knows what surveys cover. ARCSECOND_MOC_URL.
    site
        UUID, MPC code or name of the site that is meant where none is named.
        ARCSECOND_SITE.
    """

    home: Path
    database_url: str = ""
    public_url: str = ""
    max_body_bytes: int = 1 * MiB
    max_upload_bytes: int = 100 * GiB
    max_unpacked_bytes: int = 8 * GiB
    quota_bytes: int = 0
    idle_seconds: int = 0
    catalogues: Path | None = None
    online: bool = False
    simbad_url: str = "https://simbad.cds.unistra.fr/simbad/sim-tap"
    nasa_url: str = "https://exoplanetarchive.ipac.caltech.edu/TAP"
    celestrak_url: str = "https://celestrak.org/NORAD/elements/gp.php"
    mpc_url: str = "https://minorplanetcenter.net/Extended_Files/obscodes_extended.json.gz"
    hips_url: str = "https://alasky.cds.unistra.fr/hips-image-services/hips2fits"
    moc_url: str = "https://alasky.cds.unistra.fr/MocServer/query"
    site: str = ""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read the settings from the environment.

        Raises
        ------
        ArcsecondInputValueError
            A number is none, or is below zero.
        """

        def number(name: str, default: int) -> int:
            text = environ.get(name, "").strip()
            if text and not (text.isascii() and text.isdigit()):
                raise ArcsecondInputValueError(f"{name} is {text!r}, not a whole number.")
            return int(text) if text else default

        fallback = cls(home=default_home(environ))
        catalogues = environ.get("ARCSECOND_CATALOGUES", "")
        return cls(
            home=fallback.home,
            database_url=environ.get("ARCSECOND_DATABASE_URL", ""),
            public_url=environ.get("ARCSECOND_PUBLIC_URL", "").rstrip("/"),
            max_body_bytes=number("ARCSECOND_MAX_BODY_BYTES", fallback.max_body_bytes),
            max_upload_bytes=number("ARCSECOND_MAX_UPLOAD_BYTES", fallback.max_upload_bytes),
            max_unpacked_bytes=number("ARCSECOND_MAX_UNPACKED_BYTES", fallback.max_unpacked_bytes),
            quota_bytes=number("ARCSECOND_QUOTA_BYTES", fallback.quota_bytes),
            idle_seconds=number("ARCSECOND_IDLE_SECONDS", fallback.idle_seconds),
            online=number("ARCSECOND_ONLINE", 1) != 0,
            simbad_url=environ.get("ARCSECOND_SIMBAD_URL", fallback.simbad_url),
            nasa_url=environ.get("ARCSECOND_NASA_URL", fallback.nasa_url),
            celestrak_url=environ.get("ARCSECOND_CELESTRAK_URL", fallback.celestrak_url),
            mpc_url=environ.get("ARCSECOND_MPC_URL", fallback.mpc_url),
            hips_url=environ.get("ARCSECOND_HIPS_URL", fallback.hips_url),
            moc_url=environ.get("ARCSECOND_MOC_URL", fallback.moc_url),
            site=environ.get("ARCSECOND_SITE", "").strip(),
            catalogues=Path(catalogues).expanduser() if catalogues else None,
        )

    @property
    def local(self) -> bool:
        """Whether the database is the SQLite file in ``home``."""
        return not self.database_url

    @property
    def sqlite_path(self) -> Path:
        """Where that file is."""
        return self.home / "arcsecond.sqlite"

    @property
    def catalogues_path(self) -> Path:
        """The folder of the catalogues."""
        return self.catalogues or self.home / "catalogues"

    @property
    def secret_path(self) -> Path:
        """Where the secret that keys are derived from is kept."""
        return self.home / "secret"

    @property
    def serving_path(self) -> Path:
        """The lock file that says where this directory is being served."""
        return self.home / "serving.json"
