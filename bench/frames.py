"""Headers that are read and pictures that are drawn, beside astropy and fitsio."""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
import statistics
import sys
import tempfile
import time
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from arcsecond.server.archive import pictures
from arcsecond.server.archive.ingest import read_frame
from arcsecond.server.archive.rules import book
from arcsecond.server.storage.memory import MemoryStore
from bench.servers import MiB, Row, account, authorization, measured, output, serving

LIMIT = 1 << 30
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "fits"


def frame_rows(root: Path) -> list[Row]:
    """Time reading headers, and drawing a frame and a mosaic."""
    return [*header_rows(), *served_picture_rows(root), *mosaic_rows(root)]


def frames() -> list[Path]:
    """Return the frames whose headers are read: real ones where they are at hand."""
    import astropy

    folder = Path(astropy.__path__[0]) / "io" / "fits" / "tests" / "data"
    found = sorted(SHARED.glob("*/*.fit*")) or sorted(folder.glob("*.fits"))
    return [path for path in found if path.suffix in (".fits", ".fit") and readable(path)]


def readable(path: Path) -> bool:
    """Tell whether the others can read a frame, too."""
    import fitsio
    from astropy.io import fits

    with warnings.catch_warnings(), contextlib.suppress(Exception):
        warnings.simplefilter("ignore")
        fits.getheader(path)
        fitsio.read_header(path)
        return True
    return False


def header_rows() -> list[Row]:
    """Read all headers of frames and what they mean, beside the first header of each."""
    import fitsio
    from astropy.io import fits

    paths = frames()
    store, rules = MemoryStore(), book()
    arrived = []
    for path in paths:
        incoming = store.receive()
        incoming.write(path.read_bytes())
        arrived.append(incoming)
    ours = per_frame(lambda: [read_frame(one, LIMIT, rules) for one in arrived], len(paths))
    rows: list[Row] = []
    for name, most, read in (
        ("astropy.io.fits.getheader", 10, lambda: [fits.getheader(path) for path in paths]),
        ("fitsio.read_header", 5, lambda: [fitsio.read_header(path) for path in paths]),
    ):
        theirs = per_frame(read, len(paths))
        what = f"a frame's headers, position, footprint ({len(paths)} frames) / {name}"
        ratio = f"{ours / theirs:.1f}x"
        kept = ours < most * theirs
        rows.append((what, f"{ours:.2f} ms", f"{theirs:.2f} ms", ratio, f"at most {most}x", kept))
    return rows


def per_frame(read: Callable[[], object], count: int) -> float:
    """Return the median of several runs, in milliseconds for each frame."""
    times = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(6):
            begin = time.perf_counter()
            read()
            times.append(time.perf_counter() - begin)
    return 1000 * statistics.median(times[1:]) / count


def picture_row(root: Path, side: int, kind: str, most_s: float, most_mib: int) -> Row:
    """Draw the picture of a frame in the page cache, as a whole process."""
    with frame(root, side, kind) as path:
        order = json.dumps({"hdus": [0], "limit": LIMIT, "packing": None, "scratch": str(root)})
        program = [sys.executable, "-P", "-m", pictures.__name__, order]
        words = ["sh", "-c", f"exec {shlex.join(program)} < {shlex.quote(str(path))}"]
        runs = [measured(words, {"OPENBLAS_NUM_THREADS": "1"}) for _ in range(7)]
    seconds = statistics.median(run[0] for run in runs[1:])
    peak = max(run[1] for run in runs) / MiB
    name = f"picture of {side} x {side} {kind}, its process included"
    promise = f"under {most_s:g} s and {most_mib} MiB ({peak:.0f} MiB)"
    kept = seconds < most_s and peak < most_mib
    return name, f"{seconds:.3f} s", f"{most_s:g} s", f"{seconds / most_s:.0%}", promise, kept


KINDS = {"i2": "16-bit", "f4": "floats", "rice": "16-bit in Rice's tiles"}


def served_picture_rows(root: Path, side: int = 4096, most_s: float = 0.3) -> list[Row]:
    """Ask a server for pictures of frames that were never drawn; the first starts its helper."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(dir=root) as name:
        folder = Path(name)
        with serving(folder / "home") as (port, _):
            environ = account(port, folder)
            dataset = output("datasets", "create", "--name", "pictures", "--json", **environ)
            uuid = json.loads(dataset)["uuid"]
            for kind, called in KINDS.items():
                seconds = []
                for n in range(8):
                    with frame(folder, side, kind, seed=n) as path:
                        file = output("fitsfiles", uuid, "create", "--file", str(path), **environ)
                    hdu = int(kind == "rice")
                    pk = json.loads(file)["pk"]
                    address = f"/datasets/{uuid}/fitsfiles/{pk}/preview/{hdu}/"
                    seconds.append(answered_s(port, address, authorization(folder)))
                first, usual = seconds[0], statistics.median(seconds[1:])
                what = f"picture of {side} x {side}, {called}, never drawn before, from a server"
                promise = f"under {most_s:g} s (its first one: {first:.2f} s)"
                ratio = f"{usual / most_s:.0%}"
                kept = usual < most_s
                rows.append((what, f"{usual:.3f} s", f"{most_s:g} s", ratio, promise, kept))
    return rows


def answered_s(port: int, address: str, header: dict[str, str]) -> float:
    """Return how long a server takes to answer."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{address}", headers=header)
    begin = time.perf_counter()
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()
    return time.perf_counter() - begin


def mosaic_rows(root: Path) -> list[Row]:
    """Draw a mosaic of 20,000 pixels squared, where there is room for it."""
    if shutil.disk_usage(root).free < 4 << 30:
        return [("picture of 20000 x 20000", "", "", "", "4 GB are wanted on the disk", None)]
    return [picture_row(root, 20_000, "f4", 5.0, 500)]


@contextlib.contextmanager
def frame(root: Path, side: int, kind: str, seed: int = 3) -> Iterator[Path]:
    """Write a frame of noise and stars, row by row."""
    from astropy.io import fits

    path = root / f"frame-{side}-{kind}-{seed}.fits"
    if kind == "rice":
        with frame(root, side, "i2", seed) as plain, fits.open(plain) as hdus:
            fits.CompImageHDU(hdus[0].data, hdus[0].header).writeto(path)
        try:
            yield path
        finally:
            path.unlink()
        return
    header = fits.Header()
    header["SIMPLE"] = True
    header["BITPIX"] = {"i2": 16, "f4": -32}[kind]
    header["NAXIS"], header["NAXIS1"], header["NAXIS2"] = 2, side, side
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
    header["CRVAL1"], header["CRVAL2"], header["CRPIX1"], header["CRPIX2"] = 83.8, -5.4, 1, 1
    header["CDELT1"], header["CDELT2"] = -1e-4, 1e-4
    dice = np.random.default_rng(seed)
    with path.open("wb") as file:
        file.write(header.tostring(padding=True).encode())
        for first in range(0, side, 500):
            rows = dice.normal(1000, 12, (min(500, side - first), side))
            rows[:, :: side // 50] += 500
            file.write(rows.astype(f">{kind}").tobytes())
        file.write(bytes(-file.tell() % 2880))
    try:
        yield path
    finally:
        path.unlink()
