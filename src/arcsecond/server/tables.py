"""Every table of the main database, gathered for migrations and checks."""

from arcsecond.server.activities.tables import activities
from arcsecond.server.archive.index.tables import entries, numbers, terms
from arcsecond.server.archive.packages.tables import contents, packages
from arcsecond.server.archive.tables import blobs, datasets, files, headers, uploads, versions
from arcsecond.server.db import metadata
from arcsecond.server.observatory.tables import instruments, satellites, sites, telescopes
from arcsecond.server.people.tables import invitations, keys, options, users
from arcsecond.server.records.tables import night_logs, observing_runs

__all__ = [
    "activities",
    "blobs",
    "contents",
    "datasets",
    "entries",
    "files",
    "headers",
    "instruments",
    "invitations",
    "keys",
    "metadata",
    "night_logs",
    "numbers",
    "observing_runs",
    "options",
    "packages",
    "satellites",
    "sites",
    "telescopes",
    "terms",
    "uploads",
    "users",
    "versions",
]
