"""A night of many small files, and one large one, beside those who do a part of the same.

nginx with WebDAV keeps files and knows nothing of them; ``curl -T`` and ``rclone copy`` send to
it. The client 3.14 of arcsecond.io, as released, sends to our server.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.servers import (
    ARCSECOND,
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
from bench.uploads import touch, upload, write_frame, write_small_frame

KiB = 1 << 10
DAV = Path("/usr/lib/nginx/modules/ngx_http_dav_ext_module.so")
"""Of libnginx-mod-http-dav-ext: rclone asks what is there."""

SAID = "header.EXPTIME=30 and header.OBJECT=bench"
OLD = "3.14.1"
PINS = Path(__file__).parents[1] / "tests" / "clients" / f"constraints-{OLD}.txt"


def large_file_rows(root: Path, mib: int) -> list[Row]:
    """Upload a large frame beside ``curl -T`` and ``rclone copyto`` of the same to WebDAV."""
    if missing := _missing():
        return [_absent(f"upload of {mib} MiB / WebDAV", missing)]
    with scratch(root) as folder:
        frame = folder / "large.fits"
        write_frame(frame, mib)
        times: dict[str, list[float]] = {"ours": [], "curl": [], "rclone": []}
        with serving(folder / "home") as (port, _), webdav(folder / "dav") as url:
            environ = account(port, folder)
            dataset = output("datasets", "create", "--name", "bench", "--quiet", **environ)
            for n in range(3):
                touch(frame, n)
                words = {
                    "ours": [ARCSECOND, "upload", str(frame), "--dataset", dataset, "--replace"],
                    "curl": ["curl", "-sS", "-f", "-T", str(frame), f"{url}/curl{n}.fits"],
                    "rclone": ["rclone", "copyto", str(frame), f":webdav:rclone{n}.fits"],
                }
                for who, line in words.items():
                    os.sync()
                    times[who].append(measured(line, {**environ, "RCLONE_WEBDAV_URL": url})[0])
        figures = {who: statistics.median(seconds) for who, seconds in times.items()}
    ours = figures["ours"]
    return [
        (f"upload of {mib} MiB, hashed, flushed / {how} to nginx WebDAV", f"{ours:.2f} s",
         f"{figures[who]:.2f} s", f"{figures[who] / ours:.0%}", "beside", True)
        for who, how in (("curl", "curl -T"), ("rclone", "rclone"))
    ]  # fmt: skip


def many_files_rows(root: Path, count: int) -> list[Row]:
    """Upload many small frames, all headers indexed, beside rclone, and beside client 3.14."""
    with scratch(root) as folder:
        night = folder / "night"
        write_night(night, count)
        few = sorted(night.rglob("*.fits"))[: count // 10]
        with serving(folder / "home") as (port, worker):
            environ = account(port, folder)
            warm = output("datasets", "create", "--name", "warm", "--quiet", **environ)
            client_before = upload(warm, next(night.rglob("*.fits")), environ)[1]
            server_before = resident(worker, "VmRSS")
            forget_peak(worker)
            os.sync()
            dataset = output("datasets", "create", "--name", "bench", "--quiet", **environ)
            seconds, client_after = upload(dataset, night, environ)
            server_after = resident(worker, "VmHWM")
            kept = _listed("fitsfiles", dataset, **environ)
            asked = ("--dataset", dataset, "--where", SAID)
            if len(_listed("fitsfiles", "search", *asked, **environ)) != count:
                raise SystemExit("not all files are found by their headers")
            fetched, theirs, flushed = _fetched(dataset, kept, port, folder, environ)
            old = _old_rate(root, few, port, folder, environ)
        rclone, curl = _rates(night, folder, count)
    if len(kept) != count or not all(map(_is_indexed, kept)):
        raise SystemExit("not all headers were indexed")
    ours = count / seconds
    files = f"{count:,} files of 50 KiB"
    was_beside = None if math.isnan(rclone) else True
    return [
        (f"{files}, all headers indexed", f"{ours:.0f} files/s", "", "",
         "400 files/s or more", ours >= 400),
        ("the same / rclone to nginx WebDAV", f"{ours:.0f} files/s", f"{rclone:.0f} files/s",
         f"{ours / rclone:.1f}", "beside", was_beside),
        ("the same / curl -Z -T to nginx WebDAV", f"{ours:.0f} files/s", f"{curl:.0f} files/s",
         f"{ours / curl:.1f}", "beside", was_beside),
        (f"the same / client {OLD}, on {count // 10:,} of them", f"{ours:.0f} files/s",
         f"{old:.0f} files/s", f"{ours / old:.1f}", "5 times as fast or more", ours >= 5 * old),
        (f"download of {files}, verified, each flushed / curl -Z, then sync",
         f"{fetched:.0f} files/s", f"{flushed:.0f} files/s", f"{fetched / flushed:.0%}",
         "70 % of the speed or more", fetched >= 0.7 * flushed),
        ("the same / curl -Z, which flushes nothing", f"{fetched:.0f} files/s",
         f"{theirs:.0f} files/s", f"{fetched / theirs:.0%}", "beside", True),
        growth_row(f"client's growth for {files}", client_before, client_after),
        growth_row(f"server's growth for {files}", server_before, server_after),
    ]  # fmt: skip


def _fetched(
    dataset: str,
    kept: Sequence[dict[str, Any]],
    port: int,
    folder: Path,
    environ: dict[str, str],
) -> tuple[float, float, float]:
    """Return how many files a second come by us, by curl, and by curl with a flush at the end."""
    header = ": ".join(*authorization(folder).items())
    base = f"http://127.0.0.1:{port}/datasets/{dataset}/fitsfiles"
    told = folder / "fetch.conf"
    into = folder / "fetched"
    told.write_text(
        "".join(
            f'url = "{base}/{one["pk"]}/download/"\noutput = "{into}/curl/{n // 1000}/{n}.fits"\n'
            for n, one in enumerate(kept)
        )
    )
    os.sync()
    words = ["curl", "-sS", "-f", "-Z", "--parallel-max", "4", "--create-dirs", "-H", header]
    seconds, _ = measured([*words, "--config", str(told)], {})
    flushing, _ = measured(["sync"], {})
    words = [ARCSECOND, "download", dataset, "--to", str(into / "ours"), "--yes", "--quiet"]
    ours, _ = measured(words, environ)
    count = len(kept)
    if sum(1 for path in (into / "ours").rglob("*.fits")) != count:
        raise SystemExit("not all files were downloaded")
    return count / ours, count / seconds, count / (seconds + flushing)


def _is_indexed(file: dict[str, Any]) -> bool:
    """Tell whether everything is known of a file that its header says."""
    told = {name: file[name] for name in ("target", "exposure", "filter", "problems", "doubts")}
    said = {"target": "bench", "exposure": 30.0, "filter": "R", "problems": [], "doubts": []}
    place = file["position"] or {"right_ascension": 0.0, "declination": 0.0}
    near = math.isclose(place["right_ascension"], 14.86071, abs_tol=1e-4)
    return told == said and near and file["start"].startswith("2026-11-22T21:22:23.456")


def write_night(folder: Path, count: int) -> None:
    """Write small frames, each with content of its own, a thousand in a folder."""
    small = folder.parent / "one.fits"
    write_small_frame(small, 50)
    frame = small.read_bytes()
    for n in range(count):
        path = folder / f"{n // 1000:03}" / f"{n:06}.fits"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(frame[:-8] + n.to_bytes(8, "big"))


def _rates(night: Path, folder: Path, count: int) -> tuple[float, float]:
    """Return how many files a second rclone and curl send to WebDAV, which flushes nothing.

    rclone before 1.68 waits 10 ms between requests to WebDAV, whoever answers, and makes
    three for a file.
    """
    if _missing():
        return float("nan"), float("nan")
    with webdav(folder / "dav") as url:
        os.sync()
        words = ["rclone", "copy", str(night), ":webdav:rclone"]
        rclone = count / measured(words, {"RCLONE_WEBDAV_URL": url})[0]
        each = [
            f'upload-file = "{path}"\nurl = "{url}/curl/{path.relative_to(night)}"\n'
            for path in sorted(night.rglob("*.fits"))
        ]
        told = folder / "curl.conf"
        told.write_text("".join(each))
        os.sync()
        words = ["curl", "-sS", "-f", "-Z", "--parallel-max", "4", "--config", str(told)]
        curl = count / measured(words, {})[0]
    return rclone, curl


def _old_rate(
    root: Path, few: Sequence[Path], port: int, folder: Path, environ: dict[str, str]
) -> float:
    """Return how many files a second the released client sends, one by one."""
    client = _installed(root)
    home = folder / "old"
    home.mkdir()
    kept = (folder / "client.ini").read_text()
    key = re.findall(r"^api_key *= *(\S+)", kept, re.MULTILINE)[0]
    surroundings = {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    telescope = _listed("telescopes", **environ)[0]["uuid"]

    def run(*words: str) -> None:
        done = subprocess.run(
            [str(client), *words], env=surroundings, input=b"\n", capture_output=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"client {OLD}: {done.stderr.decode()[-400:]}")

    run("api", "dev", f"http://127.0.0.1:{port}")
    login = ("login", "--username", "bench", "--type", "access", "--key", key)
    run(*login, "--api", "dev")
    with tempfile.TemporaryDirectory() as visible:  # it leaves out what lies in a hidden folder
        for path in few:
            shutil.copy(path, visible)
        os.sync()
        begin = time.perf_counter()
        run("upload-data", visible, "-t", telescope, "-d", "old", "--api", "dev")
        seconds = time.perf_counter() - begin
    (uuid,) = [one["uuid"] for one in _listed("datasets", **environ) if one["name"] == "old"]
    if len(_listed("fitsfiles", uuid, **environ)) != len(few):
        raise SystemExit(f"client {OLD} did not send all of them")
    return len(few) / seconds


def _listed(*words: str, **environ: str) -> list[dict[str, Any]]:
    """Return a list of the server as a command prints it."""
    found: list[dict[str, Any]] = json.loads(output(*words, "--json", "--all", **environ))
    return found


def _installed(root: Path) -> Path:
    """Install the released client into an environment of its own, once."""
    folder = root / f"client-{OLD}"
    command = folder / "bin" / "arcsecond"
    if not command.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q"]
        subprocess.run([*pip, "-r", str(PINS)], check=True)
    return command


@contextlib.contextmanager
def webdav(folder: Path) -> Iterator[str]:
    """Serve a folder by nginx with WebDAV; yields the address."""
    files, temporary = folder / "files", folder / "temporary"
    for one in (files, temporary):
        one.mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    user = "user root;" if os.geteuid() == 0 else ""
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"""
        load_module {DAV};
        daemon off; {user} pid {folder}/pid; error_log {folder}/error.log; worker_processes 2;
        events {{ worker_connections 512; }}
        http {{
            access_log off; client_max_body_size 0;
            client_body_temp_path {temporary};
            proxy_temp_path {temporary}; fastcgi_temp_path {temporary};
            uwsgi_temp_path {temporary}; scgi_temp_path {temporary};
            server {{
                listen 127.0.0.1:{port};
                location / {{
                    root {files}; create_full_put_path on;
                    dav_methods PUT DELETE MKCOL COPY MOVE;
                    dav_ext_methods PROPFIND OPTIONS;
                }}
            }}
        }}
        """
    )
    process = subprocess.Popen(["nginx", "-c", str(configuration), "-p", str(folder)])
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def _missing() -> list[str]:
    """Return what is not installed here of what the rows beside WebDAV need."""
    programs = [name for name in ("nginx", "curl", "rclone") if not shutil.which(name)]
    return programs + ([] if DAV.exists() else [DAV.name])


def _absent(name: str, missing: Sequence[str]) -> Row:
    return name, "", "", "", f"no {', '.join(missing)} here", None
