"""One suite for every store."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from arcsecond.server.storage import Kept, Store
from arcsecond.server.storage.folder import FolderStore
from arcsecond.server.storage.memory import MemoryStore

CONTENT = b"SIMPLE  =                    T" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return FolderStore(tmp_path) if request.param == "folder" else MemoryStore()


def put(store: Store, content: bytes = CONTENT) -> str:
    incoming = store.receive()
    for start in range(0, len(content), 7000):
        incoming.write(content[start : start + 7000])
    incoming.finish()
    incoming.keep()
    incoming.discard()
    return incoming.sha256


def read(store: Store, sha256: str) -> bytes:
    with store.open(sha256) as file:
        return file.read()


def test_what_is_kept_is_there_under_its_digest(store: Store) -> None:
    assert put(store) == DIGEST
    assert read(store, DIGEST) == CONTENT
    assert store.size(DIGEST) == len(CONTENT)
    assert list(store.digests()) == [DIGEST]


def test_the_rest_is_written_when_it_is_needed(store: Store) -> None:
    for step in ("sha256", "finish", "open"):
        incoming = store.receive()
        incoming.write(CONTENT[:100])
        incoming.write_later(CONTENT[100:])
        assert incoming.size == len(CONTENT)
        if step == "open":
            with incoming.open() as file:
                assert file.read() == CONTENT
        elif step == "finish":
            incoming.finish()
        assert incoming.sha256 == DIGEST
        incoming.discard()


def test_keeping_again_brings_back_what_was_deleted_meanwhile(store: Store) -> None:
    incoming = store.receive()
    incoming.write(CONTENT)
    incoming.finish()
    incoming.keep()
    incoming.keep()
    store.delete(DIGEST)
    incoming.keep()
    incoming.discard()
    assert read(store, DIGEST) == CONTENT


def test_the_same_content_twice_is_kept_once(store: Store) -> None:
    assert put(store) == put(store)
    assert list(store.digests()) == [DIGEST]
    assert store.sweep() == 0


def test_what_is_discarded_is_gone(store: Store) -> None:
    incoming = store.receive()
    incoming.write(CONTENT)
    assert (incoming.size, incoming.sha256) == (len(CONTENT), DIGEST)
    incoming.discard()
    incoming.discard()
    assert list(store.digests()) == []
    assert store.size(DIGEST) is None
    with pytest.raises(FileNotFoundError):
        store.open(DIGEST)


def test_what_arrives_can_be_read_before_it_is_kept(store: Store) -> None:
    incoming = store.receive()
    incoming.write(CONTENT)
    with incoming.open() as file:
        assert file.read() == CONTENT
    with incoming.scratch() as scratch:
        scratch.write(b"unpacked")
        scratch.seek(0)
        assert scratch.read() == b"unpacked"
    incoming.discard()
    assert store.sweep() == 0


def test_deleting_is_harmless_twice(store: Store) -> None:
    put(store)
    store.delete(DIGEST)
    store.delete(DIGEST)
    assert store.size(DIGEST) is None


def test_what_was_set_aside_can_be_recovered(store: Store) -> None:
    put(store)
    assert store.set_aside(DIGEST) != store.set_aside(DIGEST)
    store.delete(DIGEST)
    assert list(store.digests()) == []
    assert store.recover(DIGEST, store.strays())
    assert read(store, DIGEST) == CONTENT


def test_only_the_right_bytes_are_recovered(store: Store) -> None:
    put(store)
    assert not store.recover("0" * 64, store.strays())


def test_a_kept_blob_reads_like_one_that_arrives(store: Store) -> None:
    put(store)
    kept = Kept(store, DIGEST)
    assert (kept.size, kept.sha256) == (len(CONTENT), DIGEST)
    with kept.open() as file, kept.scratch() as scratch:
        scratch.write(file.read())
        assert scratch.tell() == len(CONTENT)


def test_empty_content_is_content(store: Store) -> None:
    digest = put(store, b"")
    assert read(store, digest) == b""
    assert store.size(digest) == 0


def test_a_folder_tells_names_that_are_no_digests_apart(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    put(store)
    misplaced = store.blobs / "zz" / "zz" / DIGEST
    misplaced.parent.mkdir(parents=True)
    store.path(DIGEST).rename(misplaced)
    (misplaced.parent / "notes.txt").write_text("not ours")
    assert list(store.digests()) == []
    assert store.recover(DIGEST, store.strays())
    assert list(store.digests()) == [DIGEST]


def test_a_folder_that_knows_no_links_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("os.link", refuse)
    store = FolderStore(tmp_path)
    put(store)
    kept = Path(store.set_aside(DIGEST))
    assert kept.read_bytes() == CONTENT
