"""Every byte of the first block of real frames, flipped."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.conftest import ASTROPY_FRAMES

FLIPPED = (
    "o4sp040b0_raw.fits",
    "test0.fits",
    "comp.fits",
    "random_groups.fits",
    "chandra_time.fits",
)
"""Two of Hubble's cameras, an image in tiles, groups of visibilities, a table of Chandra's."""

FLIPPING = """
import json, logging, resource, sys
from arcsecond.errors import NotFitsError, TooLargeError
from arcsecond.server.archive.ingest import read_frame
from arcsecond.server.storage.memory import MemoryStore

complaints = []
class Listening(logging.Handler):
    def emit(self, record):
        complaints.append(record.getMessage())
logging.getLogger().addHandler(Listening())
content = open(sys.argv[1], "rb").read()
store, done = MemoryStore(), {"kept": 0, "refused": 0, "damaged": 0}
for position in range(2880):
    flipped = bytearray(content)
    flipped[position] ^= 1 << position % 8
    incoming = store.receive()
    incoming.write(flipped)
    try:
        frame = read_frame(incoming, 1 << 30)
    except NotFitsError as refusal:
        assert len(str(refusal)) < 300
        done["refused"] += 1
    else:
        done["kept"] += 1
        done["damaged"] += bool(frame.problems)
done["complaints"] = complaints
done["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 10)
print(json.dumps(done))
"""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", FLIPPED)
def test_every_byte_of_the_first_block_flipped(name: str) -> None:
    """Each is kept or refused; nothing is raised, logged, or blown up in memory."""
    command = [sys.executable, "-c", FLIPPING, str(ASTROPY_FRAMES / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["kept"] + said["refused"] == 2880
    # The signature is nine bytes; a frame that lost one of them is no FITS any more.
    assert said["refused"] == 9
    assert said["complaints"] == []
    assert said["peak_mb"] < 200
