"""Files that unpack to far more than they are: refused or read with bounded memory."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx2
import numpy as np
import pytest

from tests.conftest import Server, fits_bytes
from tests.faults.conftest import Account

UNPACKED = 250_000_000
LIMIT = 50_000_000
ROOM = 100 << 20
"""How much more memory a server may take."""


def peak(server: Server) -> int:
    """Return the most memory that any process of a server ever took, in bytes."""
    group = os.getpgid(server.process.pid)
    found = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(folder.name)) != group:
                continue
            lines = (folder / "status").read_text().splitlines()
        except (OSError, ValueError):
            continue
        of_one = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
        found = max(found, *of_one, 0)
    return found * 1024


def zeros() -> bytes:
    return fits_bytes() + bytes(UNPACKED)


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.fits", zeros())
    return buffer.getvalue()


BOMBS: dict[str, Callable[[], bytes]] = {
    "a.fits.gz": lambda: gzip.compress(zeros(), 1),
    "a.fits.bz2": lambda: bz2.compress(zeros()),
    "a.zip": zipped,
    "nested.gz": lambda: gzip.compress(gzip.compress(zeros())),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused(name: str, account: Account, serve: Callable[..., Server]) -> None:
    server = serve(ARCSECOND_MAX_UNPACKED_BYTES=str(LIMIT))
    assert account.upload(server.url, "warm.fits.gz", gzip.compress(fits_bytes())).is_success
    before = peak(server)
    content = BOMBS[name]()
    assert len(content) < LIMIT // 10
    answer = account.upload(server.url, name, content)
    if name.startswith("nested"):
        assert (answer.status_code, answer.json()["code"]) == (400, "not_fits")
    else:
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        assert f"more than {LIMIT} bytes" in answer.json()["detail"]
    assert peak(server) - before < ROOM
    account.is_whole()


@pytest.mark.parametrize("name", [name for name in BOMBS if not name.startswith("nested")])
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_bombs_that_come_in_pieces_are_refused(
    name: str, account: Account, serve: Callable[..., Server]
) -> None:
    server = serve(ARCSECOND_MAX_UNPACKED_BYTES=str(LIMIT))
    content = BOMBS[name]()
    tus = account.header | {"Tus-Resumable": "1.0.0"}
    told = "filename " + base64.b64encode(name.encode()).decode()
    begun = httpx2.post(
        f"{server.url}/datasets/{account.dataset}/uploads/",
        headers=tus | {"Upload-Length": str(len(content)), "Upload-Metadata": told},
    )
    before = peak(server)
    answer = httpx2.patch(
        begun.headers["Location"],
        content=content,
        headers=tus | {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"},
        timeout=60,
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert peak(server) - before < ROOM + len(content)
    account.is_whole()


def bomb_of_tiles(side: int) -> bytes:
    """Return a tile-compressed frame that says it has far more pixels than it has bytes."""
    from astropy.io import fits

    image = fits.CompImageHDU(np.zeros((64, 64), "i2"), compression_type="GZIP_1")
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(buffer)
    content = buffer.getvalue()
    for keyword in ("ZNAXIS1", "ZNAXIS2"):
        card = f"{keyword:8}= {64:>20}".encode()
        assert content.count(card) == 1
        content = content.replace(card, f"{keyword:8}= {side:>20}".encode())
    return content


def test_tiles_that_promise_too_much(account: Account, serve: Callable[..., Server]) -> None:
    """It is kept as it is, and its picture is refused in words."""
    server = serve(fresh=True)  # one whose processes that draw are its own, and counted
    assert account.upload(server.url, "warm.fits", fits_bytes((60, 60))).is_success
    for side in (60_000, 2_000_000_000):
        content = bomb_of_tiles(side)
        answer = account.upload(server.url, f"{side}.fits.fz", content)
        assert answer.status_code == 201, answer.text
        pk = answer.json()["pk"]
        before = peak(server)
        preview = httpx2.get(
            f"{server.url}{account.path}{pk}/preview/1/", headers=account.header, timeout=60
        )
        assert preview.status_code == 404, preview.text
        assert "A picture of HDU 1 not found" in preview.json()["detail"]
        assert peak(server) - before < ROOM
        assert httpx2.get(server.url + "/health").status_code == 200
    account.is_whole()
