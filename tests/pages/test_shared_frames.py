"""Pictures of all the shared frames: the longest of the tests of pages."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from arcsecond.fits.packing import detect
from arcsecond.server.archive import pictures
from tests.conftest import SHARED


@pytest.mark.timeout(600)
@pytest.mark.skipif(not SHARED.exists(), reason="shared data are not beside this clone")
def test_every_frame_has_its_pictures_or_a_reason(tmp_path: Path) -> None:
    for path in sorted((SHARED / "fits").glob("*/*.fit*")):
        with path.open("rb") as file:
            packing = detect(file.read(4))
            file.seek(0)
            order = {"hdus": list(range(12)), "limit": 1 << 30, "packing": packing}
            order["scratch"] = str(tmp_path)
            command = [sys.executable, "-m", pictures.__name__, json.dumps(order)]
            done = subprocess.run(command, stdin=file, capture_output=True, check=True)
        for line in done.stdout.splitlines():
            told = json.loads(line)
            assert ("large" in told) != ("problem" in told), path
