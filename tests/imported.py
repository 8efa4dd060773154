"""What a process has imported and made before servers are forked from it."""

import arcsecond.cli.main
import arcsecond.cli.serve
import arcsecond.server.archive.drawing
from arcsecond.server.app import routed

__all__ = ["arcsecond"]

routed()
