"""Where the command begins: help at once, everything else from ``cli.main``.

Importing click alone takes four times as long as starting Python. The help of
the command itself is therefore kept as text; a test holds it against what
click would say, and ``make docs`` writes it again.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command and end the process with its status."""
    completing = "_ARCSECOND_COMPLETE" in os.environ
    match ["completion"] if completing else sys.argv[1:]:
        case [] | ["--help"] | ["-h"]:
            with open(__file__.removesuffix("entry.py") + "cli/help.txt", encoding="utf-8") as text:
                sys.stdout.write(text.read())
        case ["--version"]:
            from arcsecond.version import __version__

            print(__version__)
        case _:
            try:
                from arcsecond.cli.main import main as run_command

                run_command()
            except KeyboardInterrupt:  # before anything began, or after all was done
                os._exit(130)
