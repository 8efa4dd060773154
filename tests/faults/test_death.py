"""The server is killed at every stage of what it does."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta

import httpx2
import pytest
import sqlalchemy as sa

from arcsecond.server.app import open_backend
from arcsecond.server.archive import sweep
from arcsecond.server.archive.tables import blobs
from arcsecond.server.db import now
from tests.conftest import Server, fits_bytes, start
from tests.faults.conftest import NEW, Account, gone
from tests.faults.dying import POINTS


def dying_server(account: Account, action: str, point: str) -> Server:
    return start(account.settings, module="tests.faults.dying", DIE_AT=f"{action}: {point}")


@pytest.mark.parametrize("point", POINTS["upload"])
def test_killed_in_an_upload(point: str, account: Account, serve: Callable[..., Server]) -> None:
    server = dying_server(account, "upload", point)
    with pytest.raises(httpx2.TransportError):
        account.upload(server.url, "new.fits", NEW)
    gone(server)
    account.is_whole(maybe={"new.fits": NEW})
    again = account.upload(serve().url, "new.fits", NEW)
    assert again.status_code == (200 if point == "after the commit" else 201)
    account.is_whole()


@pytest.mark.parametrize("point", POINTS["upload"])
def test_killed_in_an_upload_of_several(
    point: str, account: Account, serve: Callable[..., Server]
) -> None:
    """Each of them is there, whole, or not at all."""
    sent = {f"{n}.fits": fits_bytes((400, 400 + n), OBJECT=str(n)) for n in range(6)}
    server = dying_server(account, "upload", point)
    with pytest.raises(httpx2.TransportError):
        account.upload_several(server.url, sent)
    gone(server)
    account.is_whole(maybe=sent)
    again = account.upload_several(serve().url, sent).json()
    known = 200 if point == "after the commit" else 201
    assert [told["status"] for told in again] == [known] * 6
    account.is_whole()


@pytest.mark.parametrize("point", POINTS["replace"])
def test_killed_in_a_replacement(
    point: str, account: Account, serve: Callable[..., Server]
) -> None:
    """The old content or the new one is there, whole, under the same key."""
    server = dying_server(account, "replace", point)

    def replace(url: str) -> httpx2.Response:
        address = f"{url}{account.path}{account.pk}/"
        part = {"file": ("kept.fits", NEW)}
        return httpx2.put(address, files=part, headers=account.header, timeout=60)

    with pytest.raises(httpx2.TransportError):
        replace(server.url)
    gone(server)
    account.is_whole(maybe={"kept.fits": NEW})
    answer = replace(serve().url)
    assert (answer.status_code, answer.json()["pk"]) == (200, account.pk)
    assert answer.json()["version"] == 2
    account.content["kept.fits"] = NEW
    account.is_whole()


@pytest.mark.parametrize("point", POINTS["delete"])
def test_killed_in_a_deletion(point: str, account: Account, serve: Callable[..., Server]) -> None:
    server = dying_server(account, "delete", point)
    address = f"{account.path}{account.pk}/"
    with pytest.raises(httpx2.TransportError):
        httpx2.delete(server.url + address, headers=account.header, timeout=60)
    gone(server)
    if point == "after the commit":
        account.content.clear()
    account.is_whole()
    again = httpx2.delete(serve().url + address, headers=account.header)
    assert again.status_code == (404 if point == "after the commit" else 204)


@pytest.mark.parametrize("point", POINTS["delete dataset"])
def test_killed_in_the_deletion_of_a_dataset(
    point: str, account: Account, serve: Callable[..., Server]
) -> None:
    server = dying_server(account, "delete dataset", point)
    address = f"/datasets/{account.dataset}/"
    with pytest.raises(httpx2.TransportError):
        httpx2.delete(server.url + address, headers=account.header, timeout=60)
    gone(server)
    url = serve().url
    if point == "after the commit":
        assert httpx2.get(url + address, headers=account.header).status_code == 404
    else:
        account.is_whole()
        assert httpx2.delete(url + address, headers=account.header).status_code == 204


def test_killed_in_a_sweep(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes are gone, their row is not: nobody needs them, and nothing is wrong."""
    backend = open_backend(account.settings)
    incoming = backend.store.receive()
    incoming.write(NEW)
    incoming.finish()
    incoming.keep()
    incoming.discard()
    sweep.sweep(backend)
    monkeypatch.setattr(sweep, "now", lambda: now() + timedelta(days=2))
    pid = os.fork()
    if pid == 0:  # no server sweeps on demand: a process of its own does
        from tests.faults.dying import arm

        os.setpgid(0, 0)
        arm("sweep", "after the bytes, before the row")
        sweep.sweep(open_backend(account.settings))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -9
    backend.db.close()
    account.is_whole()
    backend = open_backend(account.settings)
    with backend.db.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(blobs)) == 1
    backend.db.close()
