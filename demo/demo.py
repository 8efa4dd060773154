"""The main job from end to end, with real frames, by the commands a user types.

Everything happens in ``.demo``, which is made anew at each run.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent / ".demo"
ARCSECOND = [sys.executable, "-m", "arcsecond"]
FRAMES = (
    ("o4sp040b0_raw.fits", "Hubble STIS, seven HDUs"),
    ("comp.fits", "NGC 1316, tile-compressed"),
    ("fixed-1890.fits", "ESO, with HIERARCH cards"),
    ("lzw.fits.Z", "ESO NTT, packed by compress in 1991"),
)


def main() -> int:
    """Run the demonstration; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--once", action="store_true", help="end when the job is done")
    options = parser.parse_args()
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir(parents=True)
    address = f"http://127.0.0.1:{options.port}"
    os.environ["ARCSECOND_HOME"] = str(HERE / "home")
    os.environ["ARCSECOND_CONFIG"] = str(HERE / "arcsecond.ini")
    os.environ["ARCSECOND_FORCE_TTY"] = "1"  # readable even when the demo is piped
    for name in ("ARCSECOND_KEY", "ARCSECOND_SERVER", "ARCSECOND_DATABASE_URL"):
        os.environ.pop(name, None)
    say(f"Start a server on {address}, on SQLite and a folder")
    server = subprocess.Popen([*ARCSECOND, "serve", "--port", str(options.port)])
    try:
        wait_for(server)
        os.environ["ARCSECOND_SERVER"] = address
        password = secrets.token_hex(8)
        dataset = job(password)
        if options.once:
            print("\nAll done; the server ends. Without --once its pages stay.", flush=True)
        else:
            print(
                f"\nAll done. The pages:\n"
                f"  {address}/live\n"
                f"  {address}/objects/HD%205980/\n"
                f"  {address}/exoplanets/51%20Peg%20b/\n"
                f"  {address}/datasets/{dataset}/   (sign in as demo, password {password})\n\n"
                "Ctrl-C ends the server.",
                flush=True,
            )
            server.wait()
        return 0
    except KeyboardInterrupt:
        return 0
    except subprocess.CalledProcessError as failed:
        print(f"This command failed: {shlex.join(failed.cmd)}", file=sys.stderr)
        return 1
    finally:
        server.terminate()
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            server.kill()


def job(password: str) -> str:
    """Do the main job; returns the UUID of the dataset."""
    say("Make an account")
    email = "demo@localhost"
    arcsecond(
        "register", "--username", "demo", "--email", email, "--password-stdin", stdin=password
    )
    say("Look an object and an exoplanet up")
    arcsecond("objects", "HD 5980")
    arcsecond("exoplanets", "51 Peg b")
    say("Make a dataset")
    name = "First light"
    dataset = arcsecond("datasets", "create", "--name", name, "--quiet", capture=True).strip()
    say("Upload real frames, and see what their headers say")
    for file, what in FRAMES:
        print(f"  ({what})", flush=True)
        path = str(frames_folder() / file)
        arcsecond("fitsfiles", dataset, "create", "--file", path, "--quiet")
    arcsecond("fitsfiles", dataset)
    say("Publish what is being observed")
    content = "Eclipse of HD 5980, seeing 0.7 arcsec, first frames are in."
    arcsecond(
        "activities", "create", "--title", name, "--content", content, "--target", "HD 5980"
    )  # fmt: skip
    return dataset


def frames_folder() -> Path:
    """Return where astropy keeps the frames that it installs with itself."""
    spec = find_spec("astropy")
    if spec is None or spec.origin is None:
        raise SystemExit("astropy is not installed.")
    return Path(spec.origin).parent / "io" / "fits" / "tests" / "data"


def arcsecond(*words: str, capture: bool = False, stdin: str | None = None) -> str:
    """Type a command, show it, and return what it printed if that is wanted."""
    print(f"$ arcsecond {shlex.join(words)}", flush=True)
    done = subprocess.run(
        [*ARCSECOND, *words],
        check=True,
        text=True,
        input=stdin,
        stdout=subprocess.PIPE if capture else None,
    )
    if capture:
        print(done.stdout, end="", flush=True)
    return done.stdout or ""


def wait_for(server: subprocess.Popen[bytes]) -> None:
    """Wait until the server says that it answers, or end with it."""
    said = HERE / "home" / "serving.json"
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        if said.exists() and said.read_bytes():
            return
        time.sleep(0.05)
    raise SystemExit("The server did not start. Another port: `make demo PORT=8001`.")


def say(what: str) -> None:
    """Say what comes next."""
    print(f"\n— {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
