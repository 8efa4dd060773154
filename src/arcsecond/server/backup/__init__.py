"""Backups: rows, bytes and the secret of one moment, and the way back."""

from __future__ import annotations

from arcsecond.server.backup.making import Made, back_up
from arcsecond.server.backup.restoring import Verified, restore, verify

__all__ = ["Made", "Verified", "back_up", "restore", "verify"]
