"""Work that may end badly, done in a process of its own.

What decodes a damaged or hostile frame may end there, and takes nothing with it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any


def run(module: str, *arguments: str, timeout_s: float, **how: Any) -> tuple[bytes, int | None]:
    """Run a module with what this process can import.

    Parameters
    ----------
    timeout_s
        How long it may take, in seconds.
    **how
        ``stdin`` or ``input``, as ``subprocess.run`` takes them.

    Returns
    -------
    tuple
        What it printed, and its status; None when it took too long.

    Raises
    ------
    OSError
        No process can be started.
    """
    # Without the working directory among what is imported, but with all that is ours.
    command = [sys.executable, "-P", "-m", module, *arguments]
    ours = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            env=os.environ | ours,
            timeout=timeout_s,
            check=False,
            **how,
        )
    except subprocess.TimeoutExpired as late:
        return late.stdout or b"", None
    return done.stdout, done.returncode
