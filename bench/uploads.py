"""Uploads: one large frame, and a night of small ones."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.servers import (
    ARCSECOND,
    MiB,
    Row,
    account,
    forget_peak,
    growth_row,
    measured,
    output,
    resident,
    scratch,
    serving,
)

KiB = 1 << 10


def upload_rows(root: Path, mib: int) -> list[Row]:
    """Upload one large frame beside copying, hashing and flushing the same file."""
    with scratch(root) as folder:
        frame = folder / "large.fits"
        write_frame(frame, mib)
        with serving(folder / "home") as (port, worker):
            environ = account(port, folder)
            made = ("datasets", "create", "--name", "bench", "--quiet")
            dataset = output(*made, **environ)
            small = folder / "small.fits"
            write_frame(small, 1)
            # Warm: the server has imported everything, the client's size is known.
            client_before = upload(dataset, small, environ)[1]
            server_before = resident(worker, "VmRSS")
            forget_peak(worker)  # of hashing the password at registration
            copies: list[float] = []
            uploads: list[float] = []
            client_after = 0
            for n in range(3):
                copies.append(copy_hash_flush(frame, folder / "copy.fits"))
                touch(frame, n)  # other content each time: nothing is there already
                named = frame.rename(folder / f"large{n}.fits")
                os.sync()
                seconds, peak = upload(dataset, named, environ)
                uploads.append(seconds)
                client_after = max(client_after, peak)
                frame = named.rename(folder / "large.fits")
            server_after = resident(worker, "VmHWM")
    copying, uploading = statistics.median(copies), statistics.median(uploads)
    speed = copying / uploading
    return [
        (f"upload of {mib} MiB / cp+sha256sum+sync", f"{uploading:.2f} s", f"{copying:.2f} s",
         f"{speed:.0%}", "70 % of the speed or more", speed >= 0.7),
        growth_row("client's growth for it", client_before, client_after),
        growth_row("server's growth for it", server_before, server_after),
    ]  # fmt: skip


def small_files_row(root: Path, count: int) -> Row:
    """Upload a night of small frames beside copying and flushing them one by one.

    They go through the module, as an uploader at the telescope would; each is read,
    hashed, flushed and recorded before it is acknowledged.
    """
    with scratch(root) as folder:
        frames = [folder / f"small{n:04}.fits" for n in range(count)]
        for frame in frames:
            write_small_frame(frame)
        copies = folder / "copies"
        copies.mkdir()
        with serving(folder / "home") as (port, _):
            environ = account(port, folder)
            figures, baselines = [], []
            for n in range(3):
                os.sync()
                baselines.append(count / copy_and_flush(frames, copies))
                for frame in frames:
                    touch(frame, n)
                dataset = output("datasets", "create", "--name", str(n), "--quiet", **environ)
                os.sync()
                figures.append(count / upload_all(frames, dataset, environ))
    figure, baseline = statistics.median(figures), statistics.median(baselines)
    name = f"{count} files of 100 KiB / copied and flushed one by one"
    shown = f"{figure:.0f} files/s", f"{baseline:.0f} files/s", f"{figure / baseline:.0%}"
    return name, *shown, "200 files/s or more", figure >= 200


UPLOADER = """
import sys, time
from arcsecond import ArcsecondAPI
dataset, *frames = sys.argv[1:]
inside = ArcsecondAPI().datasets(dataset)
begin = time.perf_counter()
summary = inside.upload(frames)
print(time.perf_counter() - begin)
assert len(summary.done) == len(frames), summary.failed
assert {file["target"] for file in inside.fitsfiles.list()} == {"bench"}
assert not any(one.problems for one in summary.done)
"""


def upload_all(frames: Sequence[Path], dataset: str, environ: dict[str, str]) -> float:
    """Upload frames by the module in a process of its own; returns seconds."""
    words = [sys.executable, "-c", UPLOADER, dataset, *map(str, frames)]
    done = subprocess.run(words, check=True, env={**os.environ, **environ}, stdout=subprocess.PIPE)
    return float(done.stdout)


def copy_and_flush(frames: Sequence[Path], folder: Path) -> float:
    """Copy frames and flush each before the next; returns seconds."""
    begin = time.perf_counter()
    for frame in frames:
        with (folder / frame.name).open("wb") as copy:
            copy.write(frame.read_bytes())
            copy.flush()
            os.fsync(copy.fileno())
    return time.perf_counter() - begin


def write_small_frame(path: Path, kib: int = 100) -> None:
    """Write a small FITS image with the header that a camera writes."""
    size = (kib * KiB - 2 * 2880) // 2880 * 2880
    cards = [
        "SIMPLE  =                    T", "BITPIX  =                    8",
        "NAXIS   =                    2", "NAXIS1  =                 2880",
        f"NAXIS2  = {size // 2880:>20}", "OBJECT  = 'bench   '", "EXPTIME =                 30.0",
        "DATE-OBS= '2026-11-22T21:22:23.456'", "FILTER  = 'R       '",
        "RA      = '00:59:26.57'", "DEC     = '-72:09:53.9'",
        *(f"KEY{n:<5}= {n * 1.5:>20}" for n in range(50)), "END",
    ]  # fmt: skip
    header = "".join(card.ljust(80) for card in cards)
    header = header.ljust(-(-len(header) // 2880) * 2880)
    path.write_bytes(header.encode() + os.urandom(size))


def upload(dataset: str, file: Path, environ: dict[str, str]) -> tuple[float, int]:
    """Upload a file by the command; returns seconds and the client's peak in bytes."""
    words = [ARCSECOND, "upload", str(file), "--dataset", dataset, "--yes", "--quiet"]
    return measured(words, environ)


def copy_hash_flush(file: Path, copy: Path) -> float:
    """Copy, hash and flush a file with the system's own tools; returns seconds."""
    copy.unlink(missing_ok=True)
    os.sync()
    begin = time.perf_counter()
    subprocess.run(["cp", str(file), str(copy)], check=True)
    subprocess.run(["sha256sum", str(file)], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["sync", str(copy)], check=True)
    seconds = time.perf_counter() - begin
    copy.unlink()
    return seconds


def write_frame(path: Path, mib: int) -> None:
    """Write a FITS image of a given size, of bytes that do not compress."""
    cards = [
        "SIMPLE  =                    T", "BITPIX  =                    8",
        "NAXIS   =                    2", "NAXIS1  =              1048576",
        f"NAXIS2  = {mib:>20}", "OBJECT  = 'bench   '", "END",
    ]  # fmt: skip
    header = "".join(card.ljust(80) for card in cards).ljust(2880).encode()
    with path.open("wb") as file:
        file.write(header)
        for _ in range(mib):
            file.write(os.urandom(MiB))
        file.write(bytes(-file.tell() % 2880))


def touch(path: Path, n: int) -> None:
    """Change one pixel, the n-th in the last block of the data, to what it was not."""
    with path.open("r+b") as file:
        file.seek(-2880 + n, os.SEEK_END)
        (before,) = file.read(1)
        file.seek(-2880 + n, os.SEEK_END)
        file.write(bytes([before ^ 1]))
