"""Every byte of the first block of real frames, flipped."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from arcsecond.server.app import open_backend
from arcsecond.server.settings import Settings
from tests.conftest import ASTROPY_FRAMES

ROOT = Path(__file__).resolve().parents[2]

FLIPPED = (
    "o4sp040b0_raw.fits",
    "test0.fits",
    "comp.fits",
    "random_groups.fits",
    "chandra_time.fits",
    "zerowidth.fits",
    "../../../../wcs/tests/data/ie6d07ujq_wcs.fits",
    "../../../../wcs/tests/data/j94f05bgq_flt.fits",
    "../../../../modeling/tests/data/1904-66_AZP.fits",
    "../../hdu/compressed/tests/data/m13_rice.fits",
)
"""Four of Hubble's cameras, images in tiles, visibilities, Chandra's table, a map of the sky."""

SHOWN = FLIPPED[2:3] + FLIPPED[7:]
"""Those that show a part of the sky."""

FLIPPING = """
import json, logging, sys
from pathlib import Path
import msgspec
from arcsecond.errors import NotFitsError
from arcsecond.schemas.archive import DatasetChange
from arcsecond.server.app import open_backend
from arcsecond.server.storage import Arrived
from arcsecond.server.archive.adding import Added, add_files
from arcsecond.server.archive.files import read_file
from arcsecond.server.archive.previews import told_of
from arcsecond.server.archive.search.asking import search
from arcsecond.server.archive.service import Datasets
from arcsecond.server.settings import Settings
from tests.conftest import new_user

complaints = []
class Listening(logging.Handler):
    def emit(self, record):
        complaints.append(record.getMessage())
logging.getLogger().addHandler(Listening())
content = Path(sys.argv[1]).read_bytes()
backend = open_backend(Settings(Path(sys.argv[2])))
ann, _ = new_user(backend)
dataset = Datasets().create(backend, ann, DatasetChange(name="flipped")).uuid
done = {"kept": 0, "refused": 0, "damaged": 0}
for start in range(0, 2880, 48):
    arrived = []
    for position in range(start, start + 48):
        flipped = bytearray(content)
        flipped[position] ^= 1 << position % 8
        arrived.append(Arrived(f"{position}.fits", backend.store.receive()))
        arrived[-1].incoming.write(bytes(flipped))
    for outcome in add_files(backend, ann, dataset, arrived):
        if isinstance(outcome, Added):
            assert outcome.new
            assert json.loads(msgspec.json.encode(outcome.file))
            done["kept"] += 1
            done["damaged"] += bool(outcome.file.problems)
        else:
            assert isinstance(outcome, NotFitsError)
            assert len(str(outcome)) < 300
            done["refused"] += 1
    for one in arrived:
        one.incoming.discard()
# What was kept is found, page by page, and each is read.
asked, after, found = search(backend, ann, {"dataset": dataset}), None, 0
while some := asked.rows(after, 200):
    found, after = found + len(some), some[-1][0]
assert found == done["kept"] == asked.count(3000)
for pk in range(1, found + 1, 7):
    file = read_file(backend, ann, dataset, str(pk))
    assert json.loads(msgspec.json.encode([file, told_of(backend, ann, file)]))
done["complaints"] = complaints
# Not ru_maxrss: a process inherits that of the one that started it.
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
done["peak_mb"] = int(status["VmHWM"].split()[0]) / (1 << 10)
print(json.dumps(done))
"""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", FLIPPED, ids=lambda name: Path(name).name)
def test_every_byte_of_the_first_block_flipped(name: str, tmp_path: Path) -> None:
    """Each is kept or refused; nothing is raised, logged, or blown up in memory."""
    home = tmp_path / "home"
    # The first start writes the directory of sites, which takes memory of its own, once.
    open_backend(Settings(home)).db.close()
    command = [sys.executable, "-c", FLIPPING, str(ASTROPY_FRAMES / name), str(home)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["kept"] + said["refused"] == 2880
    # The signature is nine bytes; a frame that lost one of them is no FITS any more.
    assert said["refused"] == 9
    assert said["complaints"] == []
    assert said["peak_mb"] < 200


LOOKING = """
import io, json, sys, tempfile, warnings
from pathlib import Path
from arcsecond.server.archive import cutting, looking, pictures, plots, rows
from arcsecond.server.archive.ingest import read_frame
from arcsecond.server.archive.rules import book
from arcsecond.server.storage.memory import MemoryStore

warnings.simplefilter("ignore")
LOOKS = {
    "picture": pictures.draw,
    "plot": lambda file, size, hdu: plots.draw(file, hdu),
    "rows": rows.look,
}
content = Path(sys.argv[1]).read_bytes()
incoming = MemoryStore().receive()
incoming.write(content)
there = read_frame(incoming, 1 << 30, book()).observation
order = {"ra_deg": there.ra_deg, "dec_deg": there.dec_deg, "size_deg": 0.01, "name": "flipped",
         "sha256": "0" * 64}

def cut(file, size, hdu):
    with tempfile.NamedTemporaryFile() as frame, tempfile.NamedTemporaryFile() as out:
        frame.write(file.read())
        frame.flush()
        return {"hdu": cutting.cut(frame.fileno(), order | {"hdu": hdu, "out": out.name})}

if there.position_source == "wcs":
    LOOKS["cutout"] = cut
looking._bound()
said = {}
for position in range(int(sys.argv[2]), 2880, 144):
    flipped = bytearray(content)
    flipped[position] ^= 1 << position % 8
    for name, look in LOOKS.items():
        for hdu in (0, 1):
            told = looking.seen(look, io.BytesIO(flipped), len(flipped), hdu)
            kind = "no " * ("problem" in told) + name
            said[kind] = said.get(kind, 0) + 1
            assert len(told.get("problem", "")) < 300
print(json.dumps(said))
"""
"""As the processes look that draw, with their limits."""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", FLIPPED, ids=lambda name: Path(name).name)
def test_what_is_seen_of_flipped_frames(name: str) -> None:
    """Each HDU is drawn, or it is told why not, within the limits of memory and time."""
    first = 9 * FLIPPED.index(name)
    command = [sys.executable, "-c", LOOKING, str(ASTROPY_FRAMES / name), str(first)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert sum(said.values()) in (2880 // 144 * 6, 2880 // 144 * 8)
    assert ("cutout" in said) == (name in SHOWN)
