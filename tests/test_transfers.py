"""Uploads that resume: tus 1.0.0, and what is kept whatever happens in between."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from arcsecond.errors import UnavailableError
from arcsecond.server.archive.tables import blobs, uploads
from arcsecond.server.check import check
from arcsecond.server.db import now
from arcsecond.server.storage.partial import Partial
from arcsecond.server.transfers import service
from arcsecond.server.transfers.routes import PIECE
from tests.conftest import Http, fits_bytes

Headers = dict[str, str]
TUS = {"Tus-Resumable": "1.0.0"}
BYTES = TUS | {"Content-Type": "application/offset+octet-stream"}
FRAME = fits_bytes((40, 40), OBJECT="M 31")


def metadata(**told: str) -> str:
    return ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in told.items())


class Tus:
    """A client that does what it is told, step by step."""

    def __init__(self, http: Http, key: Headers) -> None:
        self.http, self.key = http, key
        made = http.post("/datasets/", json={"name": "night"}, headers=key)
        self.dataset = made.json()["uuid"]
        self.address = ""

    def begin(self, length: int = len(FRAME), name: str = "m31.fits", **more: str) -> Any:
        told = {key: more.pop(key) for key in ("sha256", "replace", "tags") if key in more}
        headers = {"Upload-Length": str(length), "Upload-Metadata": metadata(filename=name, **told)}
        answer = self.http.post(
            f"/datasets/{self.dataset}/uploads/",
            headers=TUS | self.key | headers | {k.replace("_", "-"): v for k, v in more.items()},
        )
        self.address = answer.headers.get("location", "").removeprefix("http://testserver.local")
        return answer

    def send(self, offset: int, data: bytes, address: str = "", **more: str) -> Any:
        headers = BYTES | self.key | {"Upload-Offset": str(offset)}
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        return self.http.patch(address or self.address, content=data, headers=headers)

    def offset(self, address: str = "") -> int:
        answer = self.http.head(address or self.address, headers=TUS | self.key)
        assert answer.status_code == 200
        return int(answer.headers["upload-offset"])

    def files(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.http.get(
            f"/datasets/{self.dataset}/fitsfiles/", headers=self.key
        ).json()
        return listed


@pytest.fixture
def tus(http: Http, user: Callable[[str], Headers]) -> Tus:
    return Tus(http, user("ann"))


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def sound(http: Http) -> None:
    assert check(http.inside).findings == []


def test_what_the_server_can_do_is_told(tus: Tus) -> None:
    for path in (f"/datasets/{tus.dataset}/uploads/", "/uploads/x"):
        told = tus.http.options(path)
        assert told.status_code == 204
        assert told.headers["tus-version"] == "1.0.0"
        extensions = told.headers["tus-extension"].split(",")
        assert {"creation", "checksum", "termination", "expiration", "concatenation"} == {
            *extensions
        }
        assert "sha1" in told.headers["tus-checksum-algorithm"].split(",")
        assert int(told.headers["tus-max-size"]) > 1 << 30


def test_more_than_it_is_to_have_while_a_piece_is_written(tus: Tus) -> None:
    """Without a Content-Length: what is still being written counts, too."""
    length = PIECE + 100
    tus.begin(length)
    content = [FRAME.ljust(PIECE, b"\0"), bytes(1_000)]
    headers = BYTES | tus.key | {"Upload-Offset": "0"}
    answer = tus.http.patch(tus.address, content=iter(content), headers=headers)
    assert answer.status_code == 413
    assert tus.offset() <= length
    there = tus.offset()
    assert tus.send(there, (content[0] + bytes(100))[there:]).status_code == 204
    assert [file["size"] for file in tus.files()] == [length]


def test_what_is_told_is_refused_before_any_byte_comes(tus: Tus, http: Http) -> None:
    for told in ("filename \xe9", f"filename {b64(b'a.fits')},is_raw {b64(b'maybe')}",
                 f"filename {b64(b'a.fits')},tags {b64(b','.join(b'%d' % n for n in range(1_001)))}",
                 f"filename {b64(b'a.fits')},filename x"):  # fmt: skip
        headers = TUS | tus.key | {"Upload-Length": "9"}
        answer = http.post(
            f"/datasets/{tus.dataset}/uploads/",
            headers=[*headers.items(), (b"Upload-Metadata", told.encode("latin-1"))],
        )
        assert answer.status_code == 400, told
    tus.begin()
    odd = [(b"Upload-Checksum", b"sha1 \xe9"), *(BYTES | tus.key | {"Upload-Offset": "0"}).items()]
    assert http.patch(tus.address, content=b"x", headers=odd).status_code == 400
    sound(http)


def test_parts_that_are_joined_twice_at_once(
    tus: Tus, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    tus.begin(len(FRAME), Upload_Concat="partial")
    part = tus.address
    tus.send(0, FRAME)
    append = Partial.append

    def slower(self: Partial, path: Path) -> None:
        path.unlink()  # by the other request, which was done
        append(self, path)

    monkeypatch.setattr(Partial, "append", slower)
    headers = (
        TUS
        | tus.key
        | {"Upload-Concat": f"final;{part}", "Upload-Metadata": metadata(filename="a.fits")}
    )
    answer = http.post(f"/datasets/{tus.dataset}/uploads/", headers=headers)
    assert answer.status_code == 404
    left = http.get(f"/datasets/{tus.dataset}/uploads/", headers=tus.key).json()
    assert all(one.get("name") != "a.fits" for one in left)


def test_a_file_arrives_in_pieces(tus: Tus) -> None:
    begun = tus.begin()
    assert begun.status_code == 201
    assert begun.headers["tus-resumable"] == "1.0.0"
    assert "GMT" in begun.headers["upload-expires"]
    assert tus.offset() == 0
    for at in range(0, len(FRAME), 1000):
        assert tus.files() == []
        answer = tus.send(at, FRAME[at : at + 1000])
        assert answer.status_code == 204
        assert int(answer.headers["upload-offset"]) == min(at + 1000, len(FRAME))
    (file,) = tus.files()
    assert (file["name"], file["target"]) == ("m31.fits", "M 31")
    assert file["sha256"] == hashlib.sha256(FRAME).hexdigest() == answer.headers["arcsecond-sha256"]
    assert answer.headers["arcsecond-new"] == "true"
    assert answer.headers["arcsecond-file"].endswith(f"/fitsfiles/{file['pk']}/")
    assert tus.offset() == len(FRAME)
    again = tus.send(len(FRAME), b"")
    assert again.headers["arcsecond-file"] == answer.headers["arcsecond-file"]
    sound(tus.http)


def test_every_cut_is_gone_on_from(tus: Tus) -> None:
    """With a server that starts anew in between, which knows no digest any more."""
    tus.begin()
    tus.send(0, FRAME[:3000])
    tus.http.inside.store.partials._digests.clear()
    assert tus.offset() == 3000
    tus.send(3000, FRAME[3000:5000])
    tus.http.inside.store.partials._digests.clear()
    assert tus.send(5000, FRAME[5000:]).status_code == 204
    assert tus.files()[0]["sha256"] == hashlib.sha256(FRAME).hexdigest()
    sound(tus.http)


def test_what_was_never_acknowledged_is_cut_off(tus: Tus) -> None:
    tus.begin()
    tus.send(0, FRAME[:1000])
    uuid = tus.address.rpartition("/")[2]
    with (tus.http.inside.settings.home / "uploads" / uuid).open("ab") as file:
        file.write(b"left by a process that died")
    assert tus.offset() == 1000
    assert tus.send(1000, FRAME[1000:]).status_code == 204
    assert tus.files()[0]["sha256"] == hashlib.sha256(FRAME).hexdigest()


@pytest.mark.parametrize("name", ["sha1", "sha256", "md5", "crc32"])
def test_checksums_of_pieces(name: str, tus: Tus) -> None:
    def digest(data: bytes) -> str:
        if name == "crc32":
            return f"crc32 {b64(zlib.crc32(data).to_bytes(4, 'big'))}"
        return f"{name} {b64(hashlib.new(name, data).digest())}"

    tus.begin()
    right, rest = FRAME[:4000], FRAME[4000:]
    assert tus.send(0, right, Upload_Checksum=digest(right)).status_code == 204
    wrong = tus.send(4000, rest[:-1] + b"x", Upload_Checksum=digest(rest))
    assert (wrong.status_code, wrong.json()["code"]) == (460, "checksum")
    assert wrong.headers["tus-resumable"] == "1.0.0"
    assert tus.offset() == 4000
    assert tus.files() == []
    assert tus.send(4000, rest, Upload_Checksum=digest(rest)).status_code == 204
    assert tus.files()[0]["sha256"] == hashlib.sha256(FRAME).hexdigest()


@pytest.mark.parametrize("when", ["begun", "ended"])
def test_the_digest_of_the_whole_is_compared(when: str, tus: Tus) -> None:
    sha256 = hashlib.sha256(FRAME).hexdigest()
    first = {"sha256": sha256} if when == "begun" else {}
    last = {"Arcsecond_SHA256": sha256} if when == "ended" else {}
    tus.begin(**first)
    wrong = tus.send(0, FRAME[:-1] + b"x", **last)
    assert wrong.status_code == 460
    assert tus.offset() == 0
    assert tus.files() == []
    assert tus.send(0, FRAME, **last).status_code == 204
    assert len(tus.files()) == 1
    sound(tus.http)


def test_a_wrong_offset_changes_nothing(tus: Tus) -> None:
    tus.begin()
    tus.send(0, FRAME[:1000])
    for offset in (0, 999, 1001, len(FRAME)):
        answer = tus.send(offset, FRAME[1000:1100])
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert tus.offset() == 1000
    too_much = tus.send(1000, FRAME)
    assert too_much.status_code == 413
    assert tus.offset() == 1000


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Upload-Offset": "0"}, 415),
        (BYTES, 400),
        (BYTES | {"Upload-Offset": "-1"}, 400),
        (BYTES | {"Upload-Offset": "0", "Tus-Resumable": "0.2.2"}, 412),
        (BYTES | {"Upload-Offset": "0", "Upload-Checksum": "sha3 eA=="}, 400),
        (BYTES | {"Upload-Offset": "0", "Upload-Checksum": "sha1 ***"}, 400),
        (BYTES | {"Upload-Offset": "0", "Arcsecond-SHA256": "beef"}, 400),
    ],
)
def test_requests_that_are_wrong(headers: Headers, status: int, tus: Tus) -> None:
    tus.begin()
    sent = TUS | tus.key | headers
    answer = tus.http.patch(tus.address, content=b"x", headers=sent)
    assert answer.status_code == status
    assert answer.headers.get("tus-version") == ("1.0.0" if status == 412 else None)
    assert tus.offset() == 0


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"length": 0}, 400), ({"name": ""}, 400), ({"name": "a/../b"}, 400),
        ({"name": "a//b"}, 400), ({"Upload_Length": "many"}, 400),
        ({"Upload_Length": str(1 << 60)}, 413), ({"Upload_Metadata": "filename ***"}, 400),
        ({"Upload_Concat": "half"}, 400), ({"sha256": "beef"}, 400),
        ({"Upload_Defer_Length": "1"}, 400),
    ],
)  # fmt: skip
def test_beginnings_that_are_wrong(more: dict[str, Any], status: int, tus: Tus) -> None:
    answer = tus.begin(**more)
    assert answer.status_code == status, answer.text
    assert list((tus.http.inside.settings.home / "uploads").glob("*")) == []


def test_what_is_no_fits_file_is_refused_again_and_again(tus: Tus) -> None:
    tus.begin(5)
    for offset, data in ((0, b"hello"), (5, b""), (5, b"")):
        refused = tus.send(offset, data)
        assert (refused.status_code, refused.json()["code"]) == (400, "not_fits")
    assert tus.files() == []
    sound(tus.http)


def test_a_database_that_is_busy_costs_nothing_that_arrived(
    tus: Tus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It passes: all that was sent is there when it does."""
    add, busy = service.add_files, [1, 1]

    def busy_at_first(*args: Any, **kwargs: Any) -> Any:
        if busy:
            busy.pop()
            raise UnavailableError("The database is locked.")
        return add(*args, **kwargs)

    monkeypatch.setattr(service, "add_files", busy_at_first)
    tus.begin()
    assert tus.send(0, FRAME[:4000]).status_code == 204
    for _ in range(2):
        assert tus.send(4000, FRAME[4000:]).status_code == 503
        assert tus.offset() == 4000
    assert tus.send(4000, FRAME[4000:]).status_code == 204
    assert tus.files()[0]["sha256"] == hashlib.sha256(FRAME).hexdigest()
    sound(tus.http)


def test_names_that_are_taken(tus: Tus) -> None:
    tus.begin()
    assert tus.send(0, FRAME).status_code == 204
    tus.begin()
    same = tus.send(0, FRAME)
    assert (same.status_code, same.headers["arcsecond-new"]) == (204, "false")
    other = fits_bytes((40, 40), OBJECT="M 32")
    tus.begin(len(other))
    refused = tus.send(0, other)
    assert (refused.status_code, refused.json()["code"]) == (422, "name_taken")
    assert tus.send(len(other), b"").json() == refused.json()
    assert tus.http.head(tus.address, headers=TUS | tus.key).status_code == 422
    tus.begin(len(other), replace="true")
    replaced = tus.send(0, other)
    assert replaced.status_code == 204
    (file,) = tus.files()
    assert (file["version"], file["target"]) == (2, "M 32")
    assert replaced.headers["arcsecond-file"].endswith(f"/{file['pk']}/")
    sound(tus.http)


def test_what_is_no_file_never_looks_like_one(tus: Tus) -> None:
    """By tus all of it has come; a client that asks how far it is would say that it is there."""
    tus.begin(5000)
    assert tus.send(0, b"x" * 5000).status_code == 400
    again = tus.http.head(tus.address, headers=TUS | tus.key)
    assert again.status_code == 422
    assert "upload-offset" not in again.headers
    assert tus.send(5000, b"").json()["code"] == "not_fits"
    first, other = fits_bytes(OBJECT="a"), fits_bytes(OBJECT="b")
    tus.begin(len(first))
    tus.send(0, first)
    parts = []
    for data in (other[:3000], other[3000:]):
        tus.begin(len(data), Upload_Concat="partial")
        tus.send(0, data)
        parts.append(tus.address)
    assert tus.begin(Upload_Concat=f"final;{' '.join(parts)}").status_code == 422
    assert len(tus.files()) == 1
    sound(tus.http)


def test_folders_keep_their_names(tus: Tus) -> None:
    for name in ("a/frame.fits", "b/frame.fits"):
        tus.begin(name=name, tags="x,y")
        assert tus.send(0, FRAME).status_code == 204
    assert [(file["name"], file["tags"]) for file in tus.files()] == [
        ("a/frame.fits", ["x", "y"]), ("b/frame.fits", ["x", "y"])
    ]  # fmt: skip


def test_parts_are_put_together(tus: Tus) -> None:
    half = len(FRAME) // 2
    parts = []
    for data in (FRAME[:half], FRAME[half:]):
        begun = tus.begin(len(data), Upload_Concat="partial")
        assert begun.status_code == 201
        parts.append((tus.address, data))
    for address, data in reversed(parts):
        assert tus.send(0, data, address).status_code == 204
        assert tus.http.head(address, headers=TUS | tus.key).headers["upload-concat"] == "partial"
    addresses = " ".join(address for address, _ in parts)
    whole = tus.begin(Upload_Concat=f"final;{addresses}")
    assert whole.status_code == 201, whole.text
    assert whole.headers["arcsecond-sha256"] == hashlib.sha256(FRAME).hexdigest()
    assert [file["name"] for file in tus.files()] == ["m31.fits"]
    told = tus.http.head(tus.address, headers=TUS | tus.key).headers
    assert told["upload-concat"] == f"final;{addresses}"
    for offset, data in ((0, FRAME), (len(FRAME), b"")):  # it takes no bytes of its own
        refused = tus.send(offset, data)
        assert refused.status_code == 403, refused.text
    assert tus.http.head(parts[0][0], headers=TUS | tus.key).status_code == 404
    sound(tus.http)


def test_parts_that_are_not_there(tus: Tus) -> None:
    tus.begin(100, Upload_Concat="partial")
    half = tus.address
    assert tus.begin(Upload_Concat=f"final;{half}").status_code == 409
    assert tus.begin(Upload_Concat="final;/uploads/none").status_code == 404
    assert tus.begin(Upload_Concat="final").status_code == 400
    assert tus.offset(half) == 0


def test_an_upload_is_given_up(tus: Tus) -> None:
    tus.begin()
    tus.send(0, FRAME[:1000])
    assert tus.http.delete(tus.address, headers=TUS | tus.key).status_code == 204
    assert tus.http.head(tus.address, headers=TUS | tus.key).status_code == 404
    assert list((tus.http.inside.settings.home / "uploads").glob("*")) == []
    tus.begin()
    sent = tus.http.post(tus.address, headers=TUS | tus.key | {"X-HTTP-Method-Override": "DELETE"})
    assert sent.status_code == 204


def test_an_upload_expires(tus: Tus, monkeypatch: pytest.MonkeyPatch) -> None:
    tus.begin()
    tus.send(0, FRAME[:1000])
    later = now() + timedelta(days=6)
    monkeypatch.setattr(service, "now", lambda: later)
    assert service.sweep(tus.http.inside) == 0
    tus.send(1000, FRAME[1000:2000])
    much_later = later + timedelta(days=8)
    monkeypatch.setattr(service, "now", lambda: much_later)
    gone = tus.http.head(tus.address, headers=TUS | tus.key)
    assert gone.status_code == 410
    assert tus.send(2000, FRAME[2000:]).json()["code"] == "expired"
    assert service.sweep(tus.http.inside) == 1
    assert tus.http.head(tus.address, headers=TUS | tus.key).status_code == 404
    assert list((tus.http.inside.settings.home / "uploads").glob("*")) == []


def test_uploads_are_nobody_elses(tus: Tus, user: Callable[[str], Headers]) -> None:
    tus.begin()
    bob = user("bob")
    for headers, status in ((bob, 404), ({}, 401)):
        assert tus.http.head(tus.address, headers=TUS | headers).status_code == status
        assert tus.http.delete(tus.address, headers=TUS | headers).status_code == status
        sent = tus.http.patch(
            tus.address, content=b"x", headers=BYTES | headers | {"Upload-Offset": "0"}
        )
        assert sent.status_code == status
        begun = tus.http.post(
            f"/datasets/{tus.dataset}/uploads/", headers=TUS | headers | {"Upload-Length": "9"}
        )
        assert begun.status_code == status
        listed = tus.http.get(f"/datasets/{tus.dataset}/uploads/", headers=headers)
        assert listed.status_code == status
    tus.http.patch(f"/datasets/{tus.dataset}/", json={"is_public": True}, headers=tus.key)
    begun = tus.http.post(
        f"/datasets/{tus.dataset}/uploads/", headers=TUS | bob | {"Upload-Length": "9"}
    )
    assert begun.status_code == 403
    assert tus.offset() == 0


def test_content_of_somebody_else_is_sent_and_stored_once(
    tus: Tus, user: Callable[[str], Headers]
) -> None:
    """Every byte of it, with the answers that anybody gets: nothing tells that it is there."""
    sha256 = hashlib.sha256(FRAME).hexdigest()

    def sends(who: Tus) -> list[tuple[int, dict[str, str]]]:
        told = []
        for answer in (
            who.begin(sha256=sha256),
            who.http.head(who.address, headers=TUS | who.key),
            who.send(0, FRAME[:3000]),
            who.send(3000, FRAME[3000:]),
        ):
            own = ("location", "upload-expires", "arcsecond-file", "date")
            headers = {k: v for k, v in answer.headers.items() if k.lower() not in own}
            told.append((answer.status_code, headers))
        return told

    first = sends(tus)
    bob = Tus(tus.http, user("bob"))
    assert sends(bob) == first
    assert [status for status, _ in first] == [201, 200, 204, 204]
    assert bob.files()[0]["sha256"] == tus.files()[0]["sha256"] == sha256
    assert list(tus.http.inside.store.digests()) == [sha256]
    sound(tus.http)


def test_those_that_wait_are_listed(tus: Tus) -> None:
    tus.begin(name="a/one.fits", sha256=hashlib.sha256(FRAME).hexdigest())
    tus.send(0, FRAME[:1000])
    (one,) = tus.http.get(f"/datasets/{tus.dataset}/uploads/", headers=tus.key).json()
    assert (one["name"], one["size"], one["received"]) == ("a/one.fits", len(FRAME), 1000)
    assert one["upload_url"].endswith(tus.address)
    tus.send(1000, FRAME[1000:])
    assert tus.http.get(f"/datasets/{tus.dataset}/uploads/", headers=tus.key).json() == []


def test_what_is_under_way_counts(tus: Tus, monkeypatch: pytest.MonkeyPatch) -> None:
    object.__setattr__(tus.http.inside.settings, "quota_bytes", 2 * len(FRAME))
    tus.begin(name="one.fits")
    tus.begin(name="two.fits")
    first = tus.address
    full = tus.begin(name="three.fits")
    assert (full.status_code, full.json()["code"]) == (413, "too_large")
    assert "0 are left" in full.json()["detail"]
    tus.http.delete(first, headers=TUS | tus.key)
    assert tus.begin(name="three.fits").status_code == 201


def test_a_part_counts_as_often_as_it_is_used(tus: Tus) -> None:
    """It is there once, and would be kept many times."""
    object.__setattr__(tus.http.inside.settings, "quota_bytes", 3 * len(FRAME))
    tus.begin(Upload_Concat="partial")
    tus.send(0, FRAME)
    final = f"final;{' '.join([tus.address] * 5)}"
    told = {"Upload-Concat": final, "Upload-Metadata": metadata(filename="a.fits")}
    refused = tus.http.post(f"/datasets/{tus.dataset}/uploads/", headers=TUS | tus.key | told)
    assert refused.status_code == 413
    assert tus.files() == []


def test_nothing_is_left_of_a_dataset_that_was_purged(tus: Tus) -> None:
    tus.begin()
    tus.send(0, FRAME[:1000])
    with tus.http.inside.db.write() as connection:
        connection.execute(sa.text("DELETE FROM datasets"))
        assert connection.execute(sa.select(uploads)).all() == []
        assert connection.execute(sa.select(blobs)).all() == []


def test_bytes_of_an_upload_that_got_lost_are_found_out(tus: Tus) -> None:
    """The server check finds them, and mending lets it go on from what is there."""
    backend = tus.http.inside
    tus.begin()
    tus.send(0, FRAME[:5000])
    sound(tus.http)
    path = next(backend.store.partials.folder.glob("*"))
    path.write_bytes(FRAME[:3000])
    backend.store.partials._digests.clear()
    (finding,) = check(backend).findings
    assert "5000 bytes were acknowledged, 3000 are there" in finding.problem
    check(backend, repair=True)
    assert tus.offset() == 3000
    assert tus.send(3000, FRAME[3000:]).headers["arcsecond-new"] == "true"
    assert tus.files()[0]["sha256"] == hashlib.sha256(FRAME).hexdigest()
    tus.begin(name="b.fits")
    next(backend.store.partials.folder.glob("*")).unlink()
    assert "missing" in check(backend).findings[0].problem
    check(backend, repair=True)
    sound(tus.http)
