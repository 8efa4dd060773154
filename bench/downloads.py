"""Plans over many files, and downloads."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from bench.servers import (
    ARCSECOND,
    MiB,
    Row,
    account,
    authorization,
    forget_peak,
    growth_row,
    measured,
    output,
    resident,
    scratch,
    serving,
)
from bench.uploads import upload, write_frame, write_small_frame


def plan_rows(root: Path, count: int) -> list[Row]:
    """Plan an upload of many files of 4 KiB, digests included, and once more unchanged.

    Beside it ``sha256sum`` over the same files, which knows no headers and asks nobody.
    """
    with scratch(root) as folder:
        night = folder / "night"
        write_many(night, count)
        with serving(folder / "home") as (port, worker):
            environ = account(port, folder)
            output("datasets", "create", "--name", "bench", "--quiet", **environ)
            words = [ARCSECOND, "upload", str(night), "--dataset", "bench", "--dry-run", "--quiet"]
            time.sleep(3)  # files that are younger are not remembered
            few = [*words[:2], str(night / "000" / "000000.fits"), *words[3:]]
            _, before = measured(few, environ)
            server_before = resident(worker, "VmRSS")
            forget_peak(worker)
            first, *peaks = measured(words, environ)
            again, peak = measured(words, environ)
            peaks.append(peak)
            seconds, sending = upload("bench", night, environ)
            sent = count / seconds
            unchanged, peak = measured([*words[:-2], "--yes", "--quiet"], environ)
            peaks.append(peak)
            server_after = resident(worker, "VmHWM")
        hashing, _ = measured(
            ["sh", "-c", f"find {night} -type f -print0 | xargs -0 sha256sum > /dev/null"], {}
        )
    files = f"{count:,} files of 4 KiB"
    return [
        (f"plan of {files} / sha256sum", f"{first:.1f} s", f"{hashing:.1f} s",
         f"{first / hashing:.1f}", "under 30 s", first < 30),
        (f"second plan of {files} / the same", f"{again:.1f} s", f"{hashing:.1f} s",
         f"{again / hashing:.1f}", "under 5 s", again < 5),
        (f"second run, all {files} there / the same", f"{unchanged:.1f} s", f"{hashing:.1f} s",
         f"{unchanged / hashing:.1f}", f"under 5 s (sent at {sent:.0f}/s)", unchanged < 5),
        growth_row(f"client's growth for {files}, planned and there", before, max(peaks)),
        growth_row(f"client's growth for {files}, sent", before, sending),
        growth_row("server's growth for all of these", server_before, server_after),
    ]  # fmt: skip


def ingest_rows(root: Path, count: int) -> list[Row]:
    """Register files where they lie, headers indexed, and look at all of them once more."""
    with scratch(root) as folder:
        archive = folder / "archive"
        write_many(archive, count, 5760)
        environ = {"ARCSECOND_HOME": str(folder / "home"), "ARCSECOND_CONFIG": f"{folder}/c.ini"}
        words = [ARCSECOND, "server", "ingest", "--in-place", "--dataset", "bench"]
        one = str(archive / "000" / "000000.fits")
        measured([*words, one], environ)  # which makes the data directory
        _, before = measured([*words, one], environ)
        seconds, after = measured([*words, str(archive)], environ)
        again, _ = measured([*words, str(archive)], environ)
        hashing, _ = measured(
            ["sh", "-c", f"find {archive} -type f -print0 | xargs -0 sha256sum > /dev/null"], {}
        )
    files = f"{count:,} files of 6 KiB in place"
    return [
        (f"ingest of {files} / sha256sum", f"{count / seconds:.0f} files/s",
         f"{count / hashing:.0f} files/s", f"{hashing / seconds:.0%}", "beside", True),
        (f"ingest of {files}, once more / the same", f"{count / again:.0f} files/s",
         f"{count / hashing:.0f} files/s", f"{hashing / again:.0%}", "beside", True),
        growth_row("growth for it", before, after),
    ]  # fmt: skip


def write_many(folder: Path, count: int, size: int = 4096) -> None:
    """Write small files, each with content of its own, a thousand in a folder."""
    small = folder.parent / "one.fits"
    write_frame(small, 1)
    # A header, and data of one block: those of 4096 bytes end before they do.
    frame = small.read_bytes()[:size].replace(b"1048576", b"   2880", 1)
    for n in range(count):
        path = folder / f"{n // 1000:03}" / f"{n:06}.fits"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(frame[:-8] + n.to_bytes(8, "big"))


MEMORY = Path("/dev/shm")  # noqa: S108  # a folder of our own in it


def download_rows(root: Path, mib: int) -> list[Row]:
    """Download a large frame, verified and flushed, beside curl, which does neither.

    On a disk curl is followed by the flush that ours ends with, else its bytes lie in
    memory still; and each writes into memory, where no disk decides.
    """
    with scratch(root) as folder:
        frame = folder / "large.fits"
        write_frame(frame, mib)
        small = folder / "small.fits"
        write_small_frame(small)
        with serving(folder / "home") as (port, worker):
            environ = account(port, folder)
            dataset, warm = (
                output("datasets", "create", "--name", name, "--quiet", **environ)
                for name in ("bench", "warm")
            )
            upload(dataset, frame, environ)
            upload(warm, small, environ)
            frame.unlink()
            address = f"http://127.0.0.1:{port}/datasets/{dataset}/fitsfiles/1/download/"
            header = ": ".join(*authorization(folder).items())
            words = [ARCSECOND, "download", warm, "--to", str(folder / "warm"), "--yes", "--quiet"]
            _, client_before = measured(words, environ)
            server_before = resident(worker, "VmRSS")
            forget_peak(worker)
            times: dict[str, list[float]] = {"ours": [], "curl": [], "curl, flushed": []}
            client_after = 0

            def fetch(where: Path, kind: str = "") -> None:
                """Fetch it by both, into a folder."""
                nonlocal client_after
                with tempfile.TemporaryDirectory(dir=where) as into:
                    copy = f"{into}/curl"
                    os.sync()
                    seconds, _ = measured(["curl", "-sS", "-H", header, "-o", copy, address], {})
                    times.setdefault(f"curl{kind}", []).append(seconds)
                    if not kind:
                        flushing, _ = measured(["sync", copy], {})
                        times["curl, flushed"].append(seconds + flushing)
                    os.unlink(copy)
                    os.sync()
                    words = [ARCSECOND, "download", dataset, "--to", f"{into}/ours", "--yes"]
                    seconds, peak = measured([*words, "--quiet"], environ)
                    times.setdefault(f"ours{kind}", []).append(seconds)
                    client_after = max(client_after, peak)

            has_memory = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 2 * mib * MiB
            for _ in range(3):
                fetch(folder)
                if has_memory:
                    fetch(MEMORY, " in memory")
            server_after = resident(worker, "VmHWM")
            archives = archive_rows(port, dataset, header, worker, mib)
    figures = {what: statistics.median(seconds) for what, seconds in times.items()}
    limit = "70 % of the speed or more"

    def row(name: str, ours: str, theirs: str, promise: str) -> Row:
        figure, baseline = figures[ours], figures[theirs]
        kept = promise != limit or baseline / figure >= 0.7
        shown = f"{figure:.2f} s", f"{baseline:.2f} s", f"{baseline / figure:.0%}"
        return f"download of {mib} MiB, {name}", *shown, promise, kept

    flushed = "verified, flushed"
    return [
        row(f"{flushed} / curl, then sync", "ours", "curl, flushed", limit),
        row(f"{flushed} / curl, which flushes nothing", "ours", "curl", "beside"),
        row("verified, into memory / curl into memory", "ours in memory", "curl in memory", limit)
        if has_memory
        else (f"download of {mib} MiB into memory", "", "", "", f"no room in {MEMORY}", None),
        growth_row("client's growth for it", client_before, client_after),
        growth_row("server's growth for it", server_before, server_after),
        *archives,
    ]


def archive_rows(port: int, dataset: str, header: str, worker: int, mib: int) -> list[Row]:
    """Fetch a dataset as one archive beside its only file, each by curl and thrown away."""
    files = f"http://127.0.0.1:{port}/datasets/{dataset}"
    address = {
        "file": f"{files}/fitsfiles/1/download/",
        "ZIP": f"{files}/files.zip",
        "tar": f"{files}/files.tar",
    }
    before = resident(worker, "VmRSS")
    forget_peak(worker)
    times: dict[str, list[float]] = {what: [] for what in address}
    for _ in range(3):
        for what, url in address.items():
            words = ["curl", "-sS", "-f", "-H", header, "-o", os.devnull, url]
            times[what].append(measured(words, {})[0])
    after = resident(worker, "VmHWM")
    figures = {what: statistics.median(seconds) for what, seconds in times.items()}
    whole = figures.pop("file")
    return [
        *((f"{mib} MiB streamed as {what} / as they are, both by curl", f"{figure:.2f} s",
           f"{whole:.2f} s", f"{whole / figure:.0%}", "beside", True)
          for what, figure in figures.items()),
        growth_row("server's growth for both", before, after),
    ]  # fmt: skip
