"""Uploads over HTTP: what is kept, what is refused, and that nothing is half done."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import threading
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from arcsecond.server.archive import adding, keeping
from arcsecond.server.archive.sweep import DEATH, TRASH, sweep
from arcsecond.server.archive.tables import blobs, datasets, files, versions
from arcsecond.server.context import Backend
from arcsecond.server.db import now
from arcsecond.server.receiving import MOST_AT_ONCE
from arcsecond.server.settings import Settings
from tests.conftest import ASTROPY_FRAMES, Http, fits_bytes, new_user

Post = Callable[..., Any]


@pytest.fixture
def post(http: Http, user: Callable[[str], dict[str, str]]) -> Post:
    """Return a function that uploads bytes into a dataset of ann's."""
    headers = user("ann")
    uuid = http.post("/datasets/", json={"name": "d"}, headers=headers).json()["uuid"]

    def send(name: str, content: bytes, **more: Any) -> Any:
        part = {"file": (name, content)}
        address = f"/datasets/{uuid}/fitsfiles/"
        return http.post(address, files=part, headers=headers, **more)

    send.headers = headers  # type: ignore[attr-defined]
    send.address = f"/datasets/{uuid}/fitsfiles/"  # type: ignore[attr-defined]
    return send


def nothing_is_left(http: Http) -> None:
    """Check that no upload left a trace: neither rows nor bytes."""
    backend = http.inside
    with backend.db.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(files)) == 0
        assert connection.scalar(sa.select(sa.func.count()).select_from(blobs)) == 0
    assert not list((backend.settings.home / "incoming").iterdir())
    assert not list(backend.store.digests())


def test_what_an_upload_answers(post: Post) -> None:
    content = fits_bytes(
        OBJECT="HD 5980", EXPTIME=30, FILTER="V", INSTRUME="CAM", TELESCOP="T1",
        IMAGETYP="Light Frame", DATE__OBS="2026-11-22T01:02:03", RA="00:59:26.6", DEC="-72:09:54",
    )  # fmt: skip
    made = post("a.fits", content)
    assert made.status_code == 201
    file = made.json()
    digest = hashlib.sha256(content).hexdigest()
    assert (file["sha256"], file["content_sha256"], file["size"]) == (digest, digest, len(content))
    assert (file["target"], file["exposure"], file["filter"]) == ("HD 5980", 30.0, "V")
    assert (file["instrument"], file["telescope"], file["kind"]) == ("CAM", "T1", "science")
    assert file["start"] == "2026-11-22T01:02:03Z"
    assert file["position"]["right_ascension"] == pytest.approx(14.860833, abs=1e-6)
    assert file["position"]["declination"] == pytest.approx(-72.165, abs=1e-6)
    assert file["problems"] == []
    assert file["hdus"][0]["shape"] == [8, 8]
    assert file["hdus"][0]["header"]["FILTER"] == "V"
    assert len(file["hdus"][0]["header_string"]) % 80 == 0


def test_what_a_header_does_not_say_is_null(post: Post) -> None:
    file = post("a.fits", fits_bytes()).json()
    for name in ("target", "position", "start", "exposure", "filter", "instrument", "kind"):
        assert file[name] is None, name


def test_the_bytes_come_back_as_they_were_sent(post: Post, http: Http) -> None:
    content = gzip.compress(fits_bytes(), mtime=0)
    file = post("ä ø.fits.gz", content).json()
    assert file["download_url"].startswith(str(http.base_url))
    answer = http.get(file["download_url"], headers=post.headers)  # type: ignore[attr-defined]
    assert answer.content == content
    assert answer.headers["content-length"] == str(len(content))
    assert file["sha256"] in answer.headers["etag"]


def packed(kind: str, content: bytes) -> bytes:
    import bz2

    match kind:
        case "gzip":
            return gzip.compress(content)
        case "bzip2":
            return bz2.compress(content)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("frame.fits", content)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "zip"])
def test_packed_frames_are_read_as_they_are(kind: str, post: Post) -> None:
    content = fits_bytes(OBJECT="M 31")
    sent = packed(kind, content)
    file = post(f"a.{kind}", sent).json()
    assert file["packing"] == kind
    assert file["sha256"] == hashlib.sha256(sent).hexdigest()
    assert file["content_sha256"] == hashlib.sha256(content).hexdigest()
    assert (file["target"], file["content_size"]) == ("M 31", len(content))


def test_unix_compress_and_tile_compression(post: Post) -> None:
    packed_long_ago = post("lzw.fits.Z", (ASTROPY_FRAMES / "lzw.fits.Z").read_bytes()).json()
    assert (packed_long_ago["packing"], packed_long_ago["target"]) == (
        "compress",
        "FF R SCREEN 10S",
    )
    tiled = post("comp.fits.fz", (ASTROPY_FRAMES / "comp.fits").read_bytes()).json()
    assert tiled["packing"] is None
    assert (tiled["hdus"][1]["compression"], tiled["hdus"][1]["shape"]) == ("RICE_1", [440, 300])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"just text\n" * 400, "no FITS signature"),
        (gzip.compress(b"just text", mtime=0), "no FITS signature inside its gzip packing"),
        (gzip.compress(b"", mtime=0), "no FITS signature"),
        (b"\x1f\x8bnot really", "no readable file"),
    ],
    ids=["nothing", "text", "packed text", "packed nothing", "half a signature"],
)
def test_what_is_no_frame_is_refused(content: bytes, said: str, post: Post, http: Http) -> None:
    answer = post("a.fits", content)
    assert answer.status_code == 400
    assert said in answer.json()["detail"]
    assert answer.json()["code"] == "not_fits"
    nothing_is_left(http)


def test_a_zip_of_two_files_is_refused(post: Post, http: Http) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.fits", fits_bytes())
        archive.writestr("b.fits", fits_bytes())
    answer = post("a.zip", buffer.getvalue())
    assert answer.status_code == 400
    assert "holds 2 files" in answer.json()["detail"]
    nothing_is_left(http)


@pytest.mark.parametrize("cut", [100, 2880, 5000])
def test_truncated_frames_are_kept_with_their_problems(cut: int, post: Post) -> None:
    content = fits_bytes((100, 100), OBJECT="M 31")
    file = post("a.fits", content[:cut])
    assert file.status_code == 201
    assert file.json()["problems"]
    assert file.json()["problems"][0].startswith("HDU 0: ")


def test_a_truncated_gzip_is_kept_with_its_problems(post: Post) -> None:
    import random

    noise = random.Random(1).randbytes(200_000)
    file = post("a.fits.gz", gzip.compress(fits_bytes((300, 300)) + noise)[:-5000]).json()
    assert any("gzip stream is damaged" in problem for problem in file["problems"])
    assert file["content_sha256"] is None
    assert file["hdus"]


def test_a_wrong_checksum_is_a_problem(post: Post) -> None:
    content = (ASTROPY_FRAMES / "checksum_false.fits").read_bytes()
    problems = post("a.fits", content).json()["problems"]
    assert [p for p in problems if "DATASUM" in p]
    good = (ASTROPY_FRAMES / "checksum.fits").read_bytes()
    assert post("b.fits", good).json()["problems"] == []


def test_a_decompression_bomb_is_refused(settings: Settings, tmp_path: Path) -> None:
    bounded = replace(settings, max_unpacked_bytes=1_000_000)
    with Http(bounded) as http:
        from tests.conftest import new_user

        headers = new_user(http.inside)[1]
        uuid = http.post("/datasets/", json={"name": "d"}, headers=headers).json()["uuid"]
        bomb = gzip.compress(fits_bytes() + bytes(20_000_000))
        for name, content in (("b.fits.gz", bomb), ("b.zip", packed("zip", bytes(2_000_000)))):
            part = {"file": (name, content)}
            answer = http.post(f"/datasets/{uuid}/fitsfiles/", files=part, headers=headers)
            assert answer.status_code == 413
            assert "unpacks to more than 1000000 bytes" in answer.json()["detail"]
        nothing_is_left(http)


def test_a_body_over_the_limit(settings: Settings) -> None:
    bounded = replace(settings, max_body_bytes=1000, max_upload_bytes=100_000)
    with Http(bounded) as http:
        from tests.conftest import new_user

        headers = new_user(http.inside)[1]
        uuid = http.post("/datasets/", json={"name": "d"}, headers=headers).json()["uuid"]
        big = http.post("/datasets/", json={"name": "x" * 2000}, headers=headers)
        assert (big.status_code, big.json()["code"]) == (413, "too_large")

        def chunks() -> Iterator[bytes]:
            for _ in range(10):
                yield b'{"name":"' + b"x" * 500

        assert http.post("/datasets/", content=chunks(), headers=headers).status_code == 413
        for size in (150_000, 400_000):  # told by its length, and by what arrives
            part = {"file": ("a.fits", fits_bytes() + bytes(size))}
            answer = http.post(f"/datasets/{uuid}/fitsfiles/", files=part, headers=headers)
            assert answer.status_code == 413
        nothing_is_left(http)


@pytest.mark.parametrize(
    "name",
    ["/a.fits", "a//b.fits", "a/../b.fits", "a/", "a/ /b.fits", "../a.fits", "..", ".", "a\\b.fits", "a\x07.fits", "a\x00.fits", "x" * 300, " ",
     "\u202egnp.fits"],
)  # fmt: skip
def test_names_that_cannot_be_kept(name: str, post: Post, http: Http) -> None:
    body, boundary = multipart(name.encode(), fits_bytes())
    headers = {**post.headers, "Content-Type": f"multipart/form-data; boundary={boundary}"}  # type: ignore[attr-defined]
    answer = http.post(post.address, content=body, headers=headers)  # type: ignore[attr-defined]
    assert answer.status_code == 400
    assert isinstance(answer.json()["detail"], str)
    nothing_is_left(http)


def multipart(name: bytes, content: bytes) -> tuple[bytes, str]:
    head = b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n\r\n' % name
    return head + content + b"\r\n--xyz--\r\n", "xyz"


@pytest.mark.parametrize(
    "name", ["🔭 M31.fits", "été.fits", "a b'c;d.fits", "%41.fits", "night 1/V/a.fits"]
)
def test_names_that_can_be_kept(name: str, post: Post, http: Http) -> None:
    file = post(name, fits_bytes()).json()
    assert file["name"] == name
    by_name = http.get(post.address, params={"name": name}, headers=post.headers)  # type: ignore[attr-defined]
    assert [f["pk"] for f in by_name.json()] == [file["pk"]]


def test_the_same_name_again(post: Post) -> None:
    first = post("a.fits", fits_bytes())
    again = post("a.fits", fits_bytes())
    assert (again.status_code, again.json()["pk"]) == (200, first.json()["pk"])
    other = post("a.fits", fits_bytes(OBJECT="other"))
    assert other.status_code == 409
    assert "already exists in dataset" not in other.text
    assert str(first.json()["pk"]) in other.json()["detail"]
    elsewhere = post("b.fits", fits_bytes())
    assert elsewhere.status_code == 201
    assert elsewhere.json()["sha256"] == first.json()["sha256"]


def test_the_words_old_uploaders_take_for_success_never_come(post: Post) -> None:
    name = "x already exists in dataset.fits"
    post(name, fits_bytes())
    other = post(name, fits_bytes(OBJECT="other"))
    assert other.status_code == 409
    assert "already exists in dataset" not in other.text.lower()


def test_files_are_found_by_number_and_by_name(post: Post, http: Http) -> None:
    headers: dict[str, str] = post.headers  # type: ignore[attr-defined]
    for name in ("12345", "cafe\u0301.fits"):
        pk = post(name, fits_bytes(OBJECT=name[:3])).json()["pk"]
        for key in (str(pk), name):
            found = http.get(f"{post.address}{key}/", headers=headers)  # type: ignore[attr-defined]
            assert found.json()["pk"] == pk
        listed = http.get(post.address, params={"name": name}, headers=headers)  # type: ignore[attr-defined]
        assert len(listed.json()) == 1


def test_corrupt_lzma_inside_a_zip(post: Post, http: Http) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.fits", fits_bytes((100, 100)))
    broken = bytearray(buffer.getvalue())
    broken[60:200] = bytes(140)
    answer = post("a.zip", bytes(broken))
    assert answer.status_code in (201, 400)


@pytest.mark.parametrize("step", ["finish", "keep", "scratch"])
def test_a_disk_that_fills_up_later(
    step: str, post: Post, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from arcsecond.server.storage.folder import FolderIncoming

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(FolderIncoming, step, full)
    answer = post("a.fits.gz", gzip.compress(fits_bytes()))
    assert (answer.status_code, answer.json()["code"]) == (507, "no_space")
    monkeypatch.undo()
    nothing_is_left(http)


class TestSeveral:
    """Several files in one request."""

    @staticmethod
    def send(post: Post, http: Http, parts: list[tuple[str, bytes]], **more: Any) -> Any:
        headers: dict[str, str] = post.headers  # type: ignore[attr-defined]
        files = [("file", part) for part in parts]
        return http.post(post.address, files=files, headers=headers, **more)  # type: ignore[attr-defined]

    def test_each_says_how_it_went(self, post: Post, http: Http) -> None:
        there = post("there.fits", fits_bytes(OBJECT="there")).json()
        parts = [
            ("a.fits", fits_bytes(OBJECT="a")),
            ("text.fits", b"no frame"),
            ("there.fits", fits_bytes(OBJECT="there")),
            ("b.fits.gz", gzip.compress(fits_bytes(OBJECT="b"))),
            ("there.fits", fits_bytes(OBJECT="other")),
            ("a.fits", fits_bytes(OBJECT="a")),
            ("a.fits", fits_bytes(OBJECT="another")),
            ("same as a.fits", fits_bytes(OBJECT="a")),
        ]
        answer = self.send(post, http, parts, data={"tags": "x,y"})
        assert answer.status_code == 200
        told = answer.json()
        assert [(one["name"], one["status"]) for one in told] == [
            ("a.fits", 201), ("text.fits", 400), ("there.fits", 200), ("b.fits.gz", 201),
            ("there.fits", 409), ("a.fits", 200), ("a.fits", 409), ("same as a.fits", 201),
        ]  # fmt: skip
        targets = [one["file"] and one["file"]["target"] for one in told]
        assert targets == ["a", None, "there", "b", None, "a", None, "a"]
        assert told[1]["error"]["code"] == "not_fits"
        assert told[2]["file"]["pk"] == there["pk"]
        assert told[3]["file"]["hdus"][0]["header"] is None  # as in a list
        assert told[3]["file"]["tags"] == ["x", "y"]
        assert told[4]["error"]["detail"].startswith(f"File {there['pk']} of this dataset")
        assert told[5]["file"]["pk"] == told[0]["file"]["pk"]
        for one in told:
            if one["file"]:
                read = http.get(one["file"]["file"], headers=post.headers).content  # type: ignore[attr-defined]
                assert hashlib.sha256(read).hexdigest() == one["file"]["sha256"]
        assert not list((http.inside.settings.home / "incoming").iterdir())

    def test_one_too_many(self, post: Post, http: Http) -> None:
        parts = [(f"{n}.fits", fits_bytes(OBJECT=str(n))) for n in range(MOST_AT_ONCE + 1)]
        answer = self.send(post, http, parts)
        assert answer.status_code == 400
        assert answer.json()["file"] == [f"Send at most {MOST_AT_ONCE} files at a time."]
        nothing_is_left(http)
        told = self.send(post, http, parts[:-1]).json()
        assert {one["status"] for one in told} == {201}
        assert len({one["file"]["pk"] for one in told}) == MOST_AT_ONCE

    def test_a_body_that_ends_too_early_keeps_none(self, post: Post, http: Http) -> None:
        request = http.build_request(
            "POST",
            post.address,  # type: ignore[attr-defined]
            files=[("file", (f"{n}.fits", fits_bytes(OBJECT=str(n)))) for n in range(3)],
            headers=post.headers,  # type: ignore[attr-defined]
        )
        body = request.read()
        headers = {**post.headers, "content-type": request.headers["content-type"]}  # type: ignore[attr-defined]
        answer = http.post(post.address, content=body[:-4000], headers=headers)  # type: ignore[attr-defined]
        assert (answer.status_code, answer.json()["code"]) == (400, "incomplete_upload")
        nothing_is_left(http)

    def test_a_form(self, post: Post, http: Http) -> None:
        headers = {**post.headers, "Accept": "text/html"}  # type: ignore[attr-defined]
        files = [("file", (name, fits_bytes(OBJECT=name))) for name in ("a.fits", "b.fits")]
        answer = http.post(post.address, files=files, headers=headers, follow_redirects=False)  # type: ignore[attr-defined]
        assert answer.status_code == 303
        files.append(("file", ("c.fits", b"none")))
        answer = http.post(post.address, files=files, headers=headers)  # type: ignore[attr-defined]
        assert answer.status_code == 400
        assert "Of 3 files 2 are kept. c.fits: The file carries no FITS signature" in answer.text

    def test_a_name_that_cannot_be_kept_holds_up_no_other(self, post: Post, http: Http) -> None:
        parts = [
            ("a.fits", fits_bytes(OBJECT="a")),
            ("b\\c.fits", fits_bytes((800, 800), OBJECT="b")),
            ("d.fits", fits_bytes(OBJECT="d")),
        ]
        told = self.send(post, http, parts).json()
        assert [one["status"] for one in told] == [201, 400, 201]
        assert "no name of a file" in told[1]["error"]["name"][0]
        assert len(list(http.inside.store.digests())) == 2

    def test_all_together_have_the_limit_of_one(self, settings: Settings) -> None:
        with Http(replace(settings, max_upload_bytes=200_000)) as http:
            _, headers = new_user(http.inside)
            made = http.post("/datasets/", json={"name": "d"}, headers=headers).json()
            address = f"/datasets/{made['uuid']}/fitsfiles/"
            files = [("file", (f"{n}.fits", fits_bytes((250, 250), N=n))) for n in range(3)]
            for chunked in (False, True):
                request = http.build_request("POST", address, files=files, headers=headers)
                body = request.read()
                given = {**headers, "content-type": request.headers["content-type"]}
                content = iter([body]) if chunked else body
                answer = http.post(address, content=content, headers=given)
                assert answer.status_code == 413
                assert answer.json()["detail"] == "The upload is larger than 200000 bytes."
            nothing_is_left(http)
            assert http.post(address, files=files[:1], headers=headers).status_code == 201

    def test_headers_do_not_fill_the_memory(
        self, post: Post, http: Http, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What was read is recorded before the headers of the next could be too many."""
        held: list[int] = []
        real = adding._add

        def counting(*args: Any, **given: Any) -> Any:
            held.append(sum(len(text) for frame in args[-1] for text in frame.headers))
            return real(*args, **given)

        monkeypatch.setattr(adding, "_add", counting)
        monkeypatch.setattr(adding, "HEADERS_TOGETHER", 10_000)
        parts = [
            (f"{n}.fits", fits_bytes(N=n, **{f"K{k}": k for k in range(50)})) for n in range(9)
        ]
        assert {one["status"] for one in self.send(post, http, parts).json()} == {201}
        assert len(held) > 2
        assert max(held) < 10_000 + 80 * 100

    def test_two_wait_for_each_other_never(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each knows what the other brings new: both lock the same contents."""
        frames = {name: fits_bytes(OBJECT=name) for name in ("a.fits", "b.fits")}
        with Http(settings) as http:
            _, headers = new_user(http.inside)
            addresses = []
            for name in frames:
                made = http.post("/datasets/", json={"name": name}, headers=headers).json()
                addresses.append(f"/datasets/{made['uuid']}/fitsfiles/")
                known = {"file": (name, frames[name])}
                http.post(addresses[-1], files=known, headers=headers).raise_for_status()
            met, real = threading.Barrier(2), keeping.keep_bytes

            def meeting(*args: Any) -> None:
                real(*args)
                with contextlib.suppress(threading.BrokenBarrierError):
                    met.wait(2)

            for module in (adding, keeping):
                monkeypatch.setattr(module, "keep_bytes", meeting)
            parts = [("file", part) for part in frames.items()]

            def send(address: str) -> set[int]:
                answer = http.post(address, files=parts, headers=headers)
                return {one["status"] for one in answer.json()}

            with ThreadPoolExecutor(2) as pool:
                assert list(pool.map(send, addresses)) == [{200, 201}, {200, 201}]

    def test_the_same_contents_in_another_order_at_once(self, post: Post, http: Http) -> None:
        headers: dict[str, str] = post.headers  # type: ignore[attr-defined]
        frames = [fits_bytes(OBJECT=str(n)) for n in range(20)]

        def send(turn: int) -> set[int]:
            made = http.post("/datasets/", json={"name": str(turn)}, headers=headers).json()
            parts = [("file", (f"{n}.fits", frame)) for n, frame in enumerate(frames)]
            answer = http.post(
                f"/datasets/{made['uuid']}/fitsfiles/",
                files=parts[:: 1 if turn % 2 else -1],
                headers=headers,
            )
            return {one["status"] for one in answer.json()}

        with ThreadPoolExecutor(4) as pool:
            assert all(statuses == {201} for statuses in pool.map(send, range(8)))


def test_renaming_onto_a_taken_name(post: Post, http: Http) -> None:
    post("a.fits", fits_bytes())
    pk = post("b.fits", fits_bytes(OBJECT="b")).json()["pk"]
    headers: dict[str, str] = post.headers  # type: ignore[attr-defined]
    address = f"{post.address}{pk}/"  # type: ignore[attr-defined]
    assert http.patch(address, json={"name": "a.fits"}, headers=headers).status_code == 409
    part = {"file": ("x", fits_bytes(OBJECT="new"))}
    both = http.patch(address, data={"name": "a.fits"}, files=part, headers=headers)
    assert both.status_code == 409
    assert http.get(address, headers=headers).json()["target"] == "b"
    assert http.put(address, json={"tags": ["x", "y"]}, headers=headers).json()["name"] == "b.fits"


def test_tags_are_found_in_capitals_or_not(post: Post, http: Http) -> None:
    """In every list, as they are in searches."""
    headers: dict[str, str] = post.headers  # type: ignore[attr-defined]
    post("other.fits", fits_bytes(OBJECT="other"), data={"tags": "Best of all, y"})
    pk = post("a.fits", fits_bytes(), data={"tags": "Best, X y"}).json()["pk"]
    for tags in ("Best", "best", "x Y, BEST"):
        for address in (post.address, "/fitsfiles/"):  # type: ignore[attr-defined]
            tagged = http.get(address, params={"tags": tags}, headers=headers)
            assert [f["pk"] for f in tagged.json()] == [pk], (tags, address)
    for name, tags in (("one", "Standards, blue, Été"), ("other", "standard")):
        made = http.post("/datasets/", json={"name": name, "tags": tags}, headers=headers)
        assert made.status_code == 201
    for tags in ("standards", "BLUE,Standards", "été", "ÉTÉ"):
        tagged = http.get("/datasets/", params={"tags": tags}, headers=headers)
        assert [one["name"] for one in tagged.json()] == ["one"], tags


def test_json_without_a_file_creates_nothing(post: Post, http: Http) -> None:
    headers: dict[str, str] = post.headers  # type: ignore[attr-defined]
    for body in ({"json": {"instrument": "x"}}, {"content": b""}, {"data": {"name": "x"}}):
        answer = http.post(post.address, headers=headers, **body)  # type: ignore[attr-defined]
        assert answer.status_code == 400
        assert "file" in answer.json()
    nothing_is_left(http)


@pytest.mark.parametrize(
    "body",
    [b"", b"--xyz", b"--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nSIMPLE",
     b"nonsense" * 1000],
)  # fmt: skip
def test_broken_multipart_bodies(body: bytes, post: Post, http: Http) -> None:
    headers = {**post.headers, "Content-Type": "multipart/form-data; boundary=xyz"}  # type: ignore[attr-defined]
    answer = http.post(post.address, content=body, headers=headers)  # type: ignore[attr-defined]
    assert answer.status_code == 400
    nothing_is_left(http)


def test_a_full_disk_is_said_and_nothing_is_left(
    post: Post, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno
    import os

    from arcsecond.server.storage import folder

    def full(handle: int, data: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(folder.os, "write", full)
    answer = post("a.fits", fits_bytes())
    assert (answer.status_code, answer.json()["code"]) == (507, "no_space")
    monkeypatch.undo()
    nothing_is_left(http)


def test_bodies_of_every_kind(post: Post, http: Http) -> None:
    headers: dict[str, str] = post.headers  # type: ignore[attr-defined]
    assert http.post("/datasets/", data={"name": "form"}, headers=headers).status_code == 201
    form = {"name": (None, "multipart")}
    made = http.post("/datasets/", files=form, headers=headers)
    assert made.json()["name"] == "multipart"
    form["description"] = (None, "x" * 99_000)
    form["tags"] = (None, ",".join(f"tag{n}" for n in range(900)))
    made = http.post("/datasets/", files=form, headers=headers)
    assert (len(made.json()["description"]), len(made.json()["tags"])) == (99_000, 900)
    repeated = [("name", (None, "many"))] + [("tags", (None, f"tag{n}")) for n in range(900)]
    made = http.post("/datasets/", files=repeated, headers=headers)
    assert len(made.json()["tags"]) == 900
    for nonsense in (1, "a\0b", ["a\0b"]):
        body = {"name": "x", "nonsense": nonsense}
        assert http.post("/datasets/", json=body, headers=headers).status_code == 201
    flag = http.post("/datasets/", data={"name": "f", "is_public": "true"}, headers=headers)
    assert flag.json()["is_public"] is True


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"json": {"name": 5}}, "name"),
        ({"json": {"name": ""}}, "name"),
        ({"json": {"name": "x" * 300}}, "name"),
        ({"json": {"name": "a\0b"}}, "name"),
        ({"json": {"name": "x", "is_public": "perhaps"}}, "is_public"),
        ({"json": {"name": "x", "telescope": "nonsense"}}, "telescope"),
        ({"json": {"name": "x", "tags": [1]}}, "tags"),
        ({"content": b""}, "name"),
        ({"content": b"[1]"}, "detail"),
        ({"content": b"{"}, "detail"),
        ({"content": b'{"name": "\\ud800"}'}, "detail"),
        ({"content": b"\xff"}, "detail"),
        ({"json": {"name": "x", "tags": ["a\0b"]}}, "tags"),
    ],
)
def test_bad_fields(body: Any, field: str, post: Post, http: Http) -> None:
    headers = {**post.headers, "Content-Type": "application/json"}  # type: ignore[attr-defined]
    answer = http.post("/datasets/", headers=headers, **body)
    assert answer.status_code == 400
    assert field in answer.json()
    assert len(http.get("/datasets/", headers=headers).json()) == 1


class TestSweeping:
    def age(self, backend: Backend, table: sa.Table, column: str, days: float) -> None:
        with backend.db.write() as connection:
            connection.execute(
                sa.update(table).where(table.c[column].is_not(None))
                .values({column: now() - timedelta(days=days)})
            )  # fmt: skip

    def test_nothing_dies_at_once(self, post: Post, http: Http) -> None:
        backend = http.inside
        headers: dict[str, str] = post.headers  # type: ignore[attr-defined]
        digest = post("a.fits", fits_bytes()).json()["sha256"]
        pk = post("b.fits", fits_bytes(OBJECT="b")).json()["pk"]
        http.delete(f"{post.address}{pk}/", headers=headers)  # type: ignore[attr-defined]
        assert sweep(backend).purged == 0
        self.age(backend, files, "deleted_at", TRASH.days + 1)
        swept = sweep(backend)
        assert (swept.purged, swept.dying, swept.unlinked) == (1, 1, 0)
        assert len(list(backend.store.digests())) == 2
        self.age(backend, blobs, "dying_since", DEATH.days + 1)
        assert sweep(backend).unlinked == 1
        assert list(backend.store.digests()) == [digest]

    def test_an_upload_revives_a_dying_blob(self, post: Post, http: Http) -> None:
        backend = http.inside
        headers: dict[str, str] = post.headers  # type: ignore[attr-defined]
        pk = post("a.fits", fits_bytes()).json()["pk"]
        http.delete(f"{post.address}{pk}/", headers=headers)  # type: ignore[attr-defined]
        self.age(backend, files, "deleted_at", TRASH.days + 1)
        assert sweep(backend).dying == 1
        self.age(backend, blobs, "dying_since", DEATH.days + 1)
        assert post("a.fits", fits_bytes()).status_code == 201
        assert sweep(backend).unlinked == 0
        assert len(list(backend.store.digests())) == 1

    def test_bytes_without_a_row_are_given_one_and_die(self, backend: Backend) -> None:
        incoming = backend.store.receive()
        incoming.write(b"SIMPLE")
        incoming.finish()
        incoming.keep()
        assert sweep(backend).dying == 1
        self.age(backend, blobs, "dying_since", DEATH.days + 1)
        assert sweep(backend).unlinked == 1
        assert not list(backend.store.digests())

    def test_a_dataset_goes_with_its_files(self, post: Post, http: Http) -> None:
        backend = http.inside
        headers: dict[str, str] = post.headers  # type: ignore[attr-defined]
        post("a.fits", fits_bytes())
        http.delete(post.address.removesuffix("fitsfiles/"), headers=headers)  # type: ignore[attr-defined]
        self.age(backend, files, "deleted_at", TRASH.days + 1)
        self.age(backend, datasets, "deleted_at", TRASH.days + 1)
        assert sweep(backend).purged == 1
        with backend.db.read() as connection:
            for table in (datasets, files, versions):
                assert connection.scalar(sa.select(sa.func.count()).select_from(table)) == 0

    def test_leftovers_go_but_not_what_is_under_way(self, backend: Backend) -> None:
        living = backend.store.receive()
        living.write(b"still coming")
        (backend.settings.home / "incoming" / "up-dead").write_bytes(b"x")
        assert backend.store.sweep() == 1
        living.write(b" and coming")
        living.finish()
        living.keep()
        assert backend.store.size(living.sha256)


def test_a_file_may_get_another_name_on_its_way(
    http: Http, user: Callable[[str], dict[str, str]], frame: Path
) -> None:
    ann = user("ann")
    uuid = http.post("/datasets/", json={"name": "d"}, headers=ann).json()["uuid"]
    path, content = f"/datasets/{uuid}/fitsfiles/", frame.read_bytes()

    def send(name: str, *names: str) -> Any:
        parts = [("file", (one, content)) for one in names]
        return http.post(path, files=parts, data={"name": name}, headers=ann)

    assert send("night/first.fits", "a.fits").json()["name"] == "night/first.fits"
    assert send("../first.fits", "a.fits").status_code == 400
    refused = send("second.fits", "a.fits", "b.fits")
    assert refused.status_code == 400
    assert "It names one file" in refused.json()["name"][0]
    assert [file["name"] for file in http.get(path, headers=ann).json()] == ["night/first.fits"]
