"""Plans over many files, and downloads."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from bench.servers import ARCSECOND, Row, account, output, serving
from bench.uploads import upload, write_frame, write_small_frame


def plan_rows(root: Path, count: int) -> list[Row]:
    """Plan an upload of many files of 4 KiB, digests included, and once more unchanged.

    Beside it ``sha256sum`` over the same files, which knows no headers and asks nobody.
    """
    with tempfile.TemporaryDirectory(dir=root) as name:
        folder = Path(name)
        night = folder / "night"
        write_many(night, count)
        with serving(folder / "home") as (port, _):
            environ = account(port, folder)
            output("datasets", "create", "--name", "bench", "--quiet", **environ)
            words = [ARCSECOND, "upload", str(night), "--dataset", "bench", "--dry-run", "--quiet"]
            time.sleep(3)  # files that are younger are not remembered
            first = timed(words, environ)
            again = timed(words, environ)
        hashing = timed(
            ["sh", "-c", f"find {night} -type f -print0 | xargs -0 sha256sum > /dev/null"], {}
        )
    files = f"{count:,} files of 4 KiB"
    return [
        (f"plan of {files} / sha256sum", f"{first:.1f} s", f"{hashing:.1f} s",
         f"{first / hashing:.1f}", "under 30 s", first < 30),
        (f"second plan of {files} / the same", f"{again:.1f} s", f"{hashing:.1f} s",
         f"{again / hashing:.1f}", "under 5 s", again < 5),
    ]  # fmt: skip


def write_many(folder: Path, count: int) -> None:
    """Write small files, each with content of its own, a thousand in a folder."""
    small = folder.parent / "one.fits"
    write_small_frame(small)
    frame = small.read_bytes()[:4096]
    for n in range(count):
        path = folder / f"{n // 1000:03}" / f"{n:06}.fits"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(frame[:-8] + n.to_bytes(8, "big"))


def download_row(root: Path, mib: int) -> Row:
    """Download a large frame, verified and flushed, beside curl, which does neither."""
    with tempfile.TemporaryDirectory(dir=root) as name:
        folder = Path(name)
        frame = folder / "large.fits"
        write_frame(frame, mib)
        with serving(folder / "home") as (port, _):
            environ = account(port, folder)
            dataset = output("datasets", "create", "--name", "bench", "--quiet", **environ)
            upload(dataset, frame, environ)
            frame.unlink()
            (key,) = [
                line.partition("=")[2].strip()
                for line in (folder / "client.ini").read_text().splitlines()
                if line.startswith("api_key")
            ]
            address = f"http://127.0.0.1:{port}/datasets/{dataset}/fitsfiles/1/download/"
            header = f"X-Arcsecond-API-Authorization: Key {key}"
            figures, baselines = [], []
            for n in range(3):
                os.sync()
                curl = ["curl", "-sS", "-H", header, "-o", str(folder / f"curl{n}"), address]
                baselines.append(timed(curl, {}))
                os.sync()
                to = str(folder / f"copy{n}")
                words = [ARCSECOND, "download", dataset, "--to", to, "--yes", "--quiet"]
                figures.append(timed(words, environ))
    figure, baseline = statistics.median(figures), statistics.median(baselines)
    speed = baseline / figure
    return (
        f"download of {mib} MiB, verified / curl", f"{figure:.2f} s", f"{baseline:.2f} s",
        f"{speed:.0%}", "70 % of the speed or more", speed >= 0.7,
    )  # fmt: skip


def timed(words: list[str], environ: dict[str, str]) -> float:
    """Run a command; returns seconds."""
    begin = time.perf_counter()
    subprocess.run(words, check=True, env={**os.environ, **environ}, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin
