"""A module that is run apart, and ends as it is told: read, loud, slow, killed, or a status."""

from __future__ import annotations

import os
import signal
import sys
import time


def main() -> int:
    """Do what the argument says."""
    match sys.argv[1]:
        case "read":
            with open(0, "rb", closefd=False) as file:
                sys.stdout.buffer.write(file.read())
        case "loud":
            sys.stdout.buffer.write(bytes(3_000_000))
            print("to nobody", file=sys.stderr)
        case "slow":
            print("begun", flush=True)
            time.sleep(60)
        case "killed":
            print("begun", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        case status:
            return int(status)
    return 0


if __name__ == "__main__":
    sys.exit(main())
