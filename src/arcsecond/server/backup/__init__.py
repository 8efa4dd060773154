"""Backups: rows, bytes and the secret of one moment, and the way back; exports as plain files."""

from __future__ import annotations

from arcsecond.server.backup.exporting import Exported, export
from arcsecond.server.backup.making import Made, back_up
from arcsecond.server.backup.restoring import Verified, restore, verify

__all__ = ["Exported", "Made", "Verified", "back_up", "export", "restore", "verify"]
