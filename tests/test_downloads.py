"""Getting data out: parts of files, older versions, archives, checksums, scripts."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import subprocess
import tarfile
import threading
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, ClassVar
from urllib.parse import unquote

import numpy as np
import pytest
import sqlalchemy as sa
from astropy.io import fits
from PIL import Image

from arcsecond.server.archive.tables import versions
from arcsecond.server.check import check
from arcsecond.server.transfers import bundles, zipped
from arcsecond.server.transfers.bundles import Entry, Pieces, as_script, as_sums, as_tar, as_zip
from arcsecond.server.transfers.downloads import _saved_as, in_a_thread
from tests.conftest import Http, Server, fits_bytes
from tests.test_known import Account

Headers = dict[str, str]
FRAME, OTHER = fits_bytes((40, 40), OBJECT="M 31"), fits_bytes((50, 50), OBJECT="M 33")
SHA = hashlib.sha256(FRAME).hexdigest()
ETAG = f'"{SHA}"'


@pytest.fixture
def ann(http: Http, user: Callable[[str], Headers]) -> Account:
    return Account(http, user("ann"))


def address(ann: Account, pk: int) -> str:
    return f"/datasets/{ann.dataset}/fitsfiles/{pk}/"


class TestOneFile:
    """The bytes of one file."""

    @pytest.fixture
    def get(self, ann: Account) -> Callable[..., Any]:
        pk = ann.send("V/m31.fits", FRAME).json()["pk"]
        path = address(ann, pk) + "download/"
        return lambda method="GET", **headers: ann.http.request(
            method, path, headers=ann.key | {k.replace("_", "-"): v for k, v in headers.items()}
        )

    def test_all_of_it(self, get: Callable[..., Any]) -> None:
        answer = get()
        assert (answer.status_code, answer.content) == (200, FRAME)
        assert answer.headers["etag"] == ETAG
        assert answer.headers["accept-ranges"] == "bytes"
        digest = base64.b64encode(hashlib.sha256(FRAME).digest()).decode()
        assert answer.headers["repr-digest"] == f"sha-256=:{digest}:"
        assert answer.headers["content-disposition"].endswith("''m31.fits")
        about = get("HEAD")
        assert (about.status_code, about.content) == (200, b"")
        for name in ("etag", "content-length", "repr-digest", "accept-ranges", "last-modified"):
            assert about.headers[name] == answer.headers[name]

    def test_a_part_of_it(self, get: Callable[..., Any]) -> None:
        end = len(FRAME) - 1
        for asked, first, last in (
            ("bytes=0-0", 0, 0),
            ("bytes=100-199", 100, 199),
            ("bytes=100-", 100, end),
            ("bytes=-10", end - 9, end),
            ("bytes=-999999", 0, end),
            ("bytes=5-999999999999", 5, end),
        ):
            for more in ({}, {"If_Range": ETAG}):
                answer = get(Range=asked, **more)
                assert answer.status_code == 206, asked
                assert answer.content == FRAME[first : last + 1], asked
                assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(FRAME)}"
                assert answer.headers["content-length"] == str(last + 1 - first)

    def test_what_is_no_part_is_all_of_it(self, get: Callable[..., Any]) -> None:
        for asked, condition in (
            ("bytes=0-1,5-6", ETAG),
            ("lines=1-2", ETAG),
            ("bytes=9-3", ETAG),
            ("nonsense", ETAG),
            ("bytes=0-1", '"another"'),
            ("bytes=0-1", "Mon, 23 Nov 2026 00:00:00 GMT"),
        ):
            answer = get(Range=asked, If_Range=condition)
            assert (answer.status_code, answer.content) == (200, FRAME), asked

    def test_a_part_that_is_not_there(self, get: Callable[..., Any]) -> None:
        for asked in (f"bytes={len(FRAME)}-", "bytes=999999999-", "bytes=-0"):
            answer = get(Range=asked)
            assert (answer.status_code, answer.json()["code"]) == (416, "range"), asked
            assert answer.headers["content-range"] == f"bytes */{len(FRAME)}"

    def test_what_the_asker_has_already(self, get: Callable[..., Any]) -> None:
        for held in (ETAG, f'"x", {ETAG}', "*"):
            answer = get(If_None_Match=held)
            assert (answer.status_code, answer.content) == (304, b"")
        assert get(If_None_Match='"x"').status_code == 200


class TestVersions:
    """What a file was before stays readable."""

    @pytest.fixture
    def pk(self, ann: Account) -> int:
        pk: int = ann.send("m.fits", FRAME).json()["pk"]
        part = {"file": ("m.fits", OTHER)}
        ann.http.put(address(ann, pk), files=part, headers=ann.key)
        return pk

    def test_older_ones_are_read_and_downloaded(self, ann: Account, pk: int) -> None:
        def read(query: str = "") -> Any:
            return ann.http.get(address(ann, pk) + query, headers=ann.key)

        new, old = read().json(), read("?version=1").json()
        assert (new["version"], new["target"]) == (2, "M 33")
        assert (old["version"], old["target"], old["sha256"]) == (1, "M 31", SHA)
        assert old["hdus"][0]["header"]["OBJECT"] == "M 31"
        assert [v["version"] for v in new["versions"]] == [2, 1]
        assert new["versions"][1]["sha256"] == SHA
        assert old["download_url"].endswith("/download/?version=1")
        path = old["download_url"].removeprefix("http://testserver.local")
        saved = ann.http.get(path, headers=ann.key)
        assert (saved.content, saved.headers["etag"]) == (FRAME, ETAG)
        assert read("?version=2").json() == new
        assert ann.http.get(address(ann, pk) + "download/", headers=ann.key).content == OTHER
        for version, status in (("3", 404), ("0", 400), ("x", 400), ("", 400), ("9" * 12, 400)):
            assert read(f"?version={version}").status_code == status

    def test_what_is_seen_of_an_older_one_is_of_it(self, ann: Account, pk: int) -> None:
        """Its pictures, its rows, its page: not those of what came later."""
        table = fits.BinTableHDU.from_columns([fits.Column("OLD", "J", array=[7])])
        buffer = io.BytesIO()
        fits.HDUList([fits.PrimaryHDU(np.eye(20, 30, dtype="i2")), table]).writeto(buffer)
        pk = ann.send("two.fits", buffer.getvalue()).json()["pk"]
        part = {"file": ("two.fits", fits_bytes((8, 40)))}
        ann.http.put(address(ann, pk), files=part, headers=ann.key)

        def get(path: str, **headers: str) -> Any:
            return ann.http.get(path, headers=ann.key | headers)

        (preview,) = get(address(ann, pk) + "?version=1").json()["previews"]
        assert preview["url"].endswith(f"/fitsfiles/{pk}/preview/0/?version=1")
        old = get(preview["url"].removeprefix("http://testserver.local"))
        new = get(address(ann, pk) + "preview/0/")
        sizes = [Image.open(io.BytesIO(answer.content)).size for answer in (old, new)]
        assert sizes[0][0] / sizes[0][1] == pytest.approx(1.5, abs=0.1)
        assert sizes[1][0] / sizes[1][1] > 2
        assert get(address(ann, pk) + "rows/1/?version=1").json()["rows"] == [[7]]
        assert get(address(ann, pk) + "rows/1/").status_code == 404
        page = get(address(ann, pk) + "?version=1", Accept="text/html").text
        assert "preview/0/?version=1&amp;size=full" in page
        assert page.count('name="version" value="1"') >= 1
        assert ">OLD<" in page
        assert "Move it to the trash" not in page
        page = get(address(ann, pk), Accept="text/html").text
        assert "preview/0/?size=full" in page
        assert "Move it to the trash" in page

    def test_an_older_one_is_deleted_by_itself(self, ann: Account, pk: int) -> None:
        def delete(version: int) -> int:
            status: int = ann.http.delete(
                address(ann, pk) + f"?version={version}", headers=ann.key
            ).status_code
            return status

        assert delete(2) == 409
        assert delete(1) == 204
        assert delete(1) == 404
        file = ann.http.get(address(ann, pk), headers=ann.key).json()
        assert [v["version"] for v in file["versions"]] == [2]
        with ann.http.inside.db.read() as connection:
            assert len(connection.execute(sa.select(versions)).all()) == 1
        assert check(ann.http.inside).findings == []

    def test_only_its_owner_deletes_a_version(
        self, ann: Account, pk: int, user: Callable[[str], Headers]
    ) -> None:
        bob = user("bob")
        ann.http.patch(f"/datasets/{ann.dataset}/", json={"is_public": True}, headers=ann.key)
        old = address(ann, pk) + "?version=1"
        assert ann.http.get(old, headers=bob).json()["target"] == "M 31"
        assert ann.http.delete(old, headers=bob).status_code == 403
        assert ann.http.delete(old).status_code == 401


class TestAll:
    """All files of a dataset as one stream."""

    CONTENT: ClassVar = {
        "V/a.fits": FRAME, "B/a.fits": OTHER, "été 🔭.fits": fits_bytes(OBJECT="x"),
        "long/" + "x" * 200 + ".fits": fits_bytes(OBJECT="y"),
    }  # fmt: skip

    @pytest.fixture
    def get(self, ann: Account) -> Callable[..., Any]:
        for name, content in self.CONTENT.items():
            tags = "red" if name.startswith("V") else "blue"
            assert ann.send(name, content, tags=tags).status_code == 201
        return lambda what, **query: ann.http.get(
            f"/datasets/{ann.dataset}/{what}", params=query, headers=ann.key
        )

    def sums(self) -> dict[str, str]:
        return {name: hashlib.sha256(c).hexdigest() for name, c in self.CONTENT.items()}

    def test_zip(self, get: Callable[..., Any]) -> None:
        answer = get("files.zip")
        assert answer.headers["content-type"] == "application/zip"
        assert answer.headers["content-disposition"].endswith("night.zip")
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert archive.testzip() is None
            found = {name: archive.read(name) for name in archive.namelist()}
        assert self.told(found.pop("SHA256SUMS")) == self.sums()
        assert found == self.CONTENT

    def test_tar(self, get: Callable[..., Any]) -> None:
        answer = get("files.tar")
        with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
            found = {m.name: archive.extractfile(m).read() for m in archive}  # type: ignore[union-attr]
        assert self.told(found.pop("SHA256SUMS")) == self.sums()
        assert found == self.CONTENT

    def told(self, text: bytes) -> dict[str, str]:
        pairs = (line.split("  ", 1) for line in text.decode().splitlines())
        return {name: digest for digest, name in pairs}

    def test_checksums_and_what_is_asked_for(self, get: Callable[..., Any]) -> None:
        assert self.told(get("SHA256SUMS").content) == self.sums()
        assert list(self.told(get("SHA256SUMS", tags="red").content)) == ["V/a.fits"]
        assert list(self.told(get("SHA256SUMS", name="B/a.fits").content)) == ["B/a.fits"]
        assert get("SHA256SUMS", colour="x").status_code == 400
        with zipfile.ZipFile(io.BytesIO(get("files.zip", tags="red").content)) as archive:
            assert archive.namelist() == ["V/a.fits", "SHA256SUMS"]

    def test_what_is_lost_is_told(self, get: Callable[..., Any], ann: Account) -> None:
        ann.http.inside.store.delete(SHA)
        with zipfile.ZipFile(io.BytesIO(get("files.zip").content)) as archive:
            assert "V/a.fits" not in archive.namelist()
            assert b"V/a.fits" in archive.read("MISSING.txt")
            assert self.told(archive.read("SHA256SUMS")) == self.sums()

    def test_strangers_get_what_is_public(self, get: Callable[..., Any], ann: Account) -> None:
        path = f"/datasets/{ann.dataset}/files.zip"
        assert ann.http.get(path).status_code == 404
        ann.http.patch(f"/datasets/{ann.dataset}/", json={"is_public": True}, headers=ann.key)
        assert ann.http.get(path).status_code == 200
        assert get("files.rar").status_code == 404


class TestFound:
    """What a search finds in all datasets, as one stream."""

    def test_each_dataset_has_a_folder(self, ann: Account, user: Callable[[str], Headers]) -> None:
        http, key = ann.http, ann.key
        made = {}
        for name in ("night", "night", "a/b"):
            uuid = http.post("/datasets/", json={"name": name}, headers=key).json()["uuid"]
            made[uuid] = name
            part = {"file": ("V.fits", fits_bytes(FILTER="V", OBJECT=uuid))}
            http.post(f"/datasets/{uuid}/fitsfiles/", files=part, headers=key)
        one, two, _ = made
        get = partial(http.get, headers=key)
        with zipfile.ZipFile(io.BytesIO(get("/fitsfiles/files.zip?filter=v").content)) as archive:
            names = set(archive.namelist()) - {"SHA256SUMS"}
        assert names == {"a_b/V.fits", *(f"night {uuid[:8]}/V.fits" for uuid in (one, two))}
        with tarfile.open(
            fileobj=io.BytesIO(get("/fitsfiles/files.tar?filter=v&sort=added").content)
        ) as tar:
            assert {info.name for info in tar} - {"SHA256SUMS"} == names
        sums = get("/fitsfiles/SHA256SUMS?filter=v").text
        assert {line.split("  ")[1] for line in sums.splitlines()} == names
        script = get("/fitsfiles/files.sh?filter=v")
        assert "sh found.sh" in script.text
        assert script.text.count("\nget ") == 3
        assert get("/fitsfiles/files.zip?colour=v").status_code == 400
        hidden = http.get("/fitsfiles/SHA256SUMS?filter=v", headers=user("bob"))
        assert (hidden.status_code, hidden.text) == (200, "")


class TestStreams:
    """Any size, any number, in constant memory."""

    class Zeros(io.RawIOBase):
        """A large file that nobody has to write."""

        def __init__(self, size: int) -> None:
            self.left = size

        def read(self, size: int = -1, /) -> bytes:
            data = bytes(min(self.left, size))
            self.left -= len(data)
            return data

    def entry(self, name: str, size: int) -> Entry:
        opened: Callable[[], BinaryIO] = lambda: self.Zeros(size)  # type: ignore[assignment,return-value]  # noqa: E731
        return Entry(name, size, "0" * 64, datetime(1970, 1, 1, tzinfo=UTC), opened, "http://x/")

    @pytest.mark.parametrize("make", [as_zip, as_tar])
    def test_more_than_four_gigabytes(self, make: Any, tmp_path: Path) -> None:
        size = (4 << 30) + 5
        path = tmp_path / "large"
        longest = 0
        with path.open("wb") as file:
            for piece in make([self.entry("large.fits", size), self.entry("small.fits", 7)]):
                longest = max(longest, len(piece))
                if piece.count(0) == len(piece):  # holes in place of gigabytes
                    file.seek(len(piece), io.SEEK_CUR)
                else:
                    file.write(piece)
            file.truncate()
        assert longest <= bundles.PIECE
        if make is as_zip:
            with zipfile.ZipFile(path) as archive:
                sizes = {info.filename: info.file_size for info in archive.infolist()}
        else:
            with tarfile.open(path) as tar:
                sizes = {info.name: info.size for info in tar}
        assert sizes["large.fits"] == size
        assert sizes["small.fits"] == 7

    def test_many(self) -> None:
        def entries() -> Iterator[Entry]:
            for n in range(70_000):  # more than the fields of a plain ZIP can count
                yield self.entry(f"{n}.fits", 1)

        held = b"".join(as_zip(entries()))
        with zipfile.ZipFile(io.BytesIO(held)) as archive:
            assert len(archive.namelist()) == 70_001
            assert archive.testzip() is None

    @pytest.mark.parametrize("make", [as_zip, as_tar])
    def test_nothing_is_held_of_what_went_by(
        self, make: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However many files: what stands at the end waits on the disk."""
        monkeypatch.setattr(zipped, "HELD", 1 << 12)

        def grown(count: int) -> int:
            entries = (self.entry(f"folder/{n:07}.fits", 1) for n in range(count))
            tracemalloc.start()
            for _ in make(entries):
                pass
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            return peak

        assert grown(20_000) < grown(12_000) + (1 << 18)

    def test_a_file_of_each_kind_in_it(self) -> None:
        moment = datetime(2026, 11, 28, 12, 34, 57, tzinfo=UTC)
        name = "ναΐς/frame.fits"
        entry = Entry(name, 5, "0" * 64, moment, lambda: io.BytesIO(b"12345"), "")
        held = b"".join(as_zip([entry]))
        with zipfile.ZipFile(io.BytesIO(held)) as archive:
            info = archive.getinfo(name)
            assert info.date_time == (2026, 11, 28, 12, 34, 56)
            assert info.external_attr >> 16 == 0o100644
            assert archive.read(name) == b"12345"
            assert archive.read("SHA256SUMS").decode() == f"{'0' * 64}  {name}\n"

    @pytest.mark.parametrize("make", [as_zip, as_tar])
    def test_lost_ones_are_named_in_the_end(self, make: Any) -> None:
        def lost() -> BinaryIO:
            raise FileNotFoundError

        gone = Entry("gone.fits", 5, "0" * 64, datetime.now(UTC), lost, "")
        held = b"".join(make([gone, self.entry("there.fits", 3)]))
        assert b"missing on the server:\ngone.fits\n" in held

    def test_a_zip_of_a_file_that_is_shorter_than_it_should_be(self) -> None:
        short = Entry("a.fits", 5000, "0" * 64, datetime.now(UTC), self.entry("x", 700).open, "")
        held = b"".join(as_zip([short, self.entry("b.fits", 9)]))
        with zipfile.ZipFile(io.BytesIO(held)) as archive:
            assert b"a.fits" in archive.read("MISSING.txt")
            assert archive.getinfo("a.fits").file_size == 700
            assert archive.testzip() is None

    def test_a_file_that_is_shorter_than_it_should_be(self) -> None:
        short = Entry("a.fits", 5000, "0" * 64, datetime.now(UTC), self.entry("x", 700).open, "")
        held = b"".join(as_tar([short, self.entry("b.fits", 9)]))
        with tarfile.open(fileobj=io.BytesIO(held)) as tar:
            sizes = {info.name: info.size for info in tar}
            assert b"a.fits" in tar.extractfile("MISSING.txt").read()  # type: ignore[union-attr]
        assert (sizes["a.fits"], sizes["b.fits"]) == (5000, 9)

    def test_a_file_that_has_the_name_of_the_list(self) -> None:
        held = b"".join(as_zip([self.entry("SHA256SUMS", 3)]))
        with zipfile.ZipFile(io.BytesIO(held)) as archive:
            assert archive.namelist() == ["SHA256SUMS"]

    def test_names_are_only_names_to_a_shell(self) -> None:
        odd = Entry(
            "a'; touch x; '$(x).fits", 1, "0" * 64, datetime.now(UTC), io.BytesIO, "http://x/?a=b&c"
        )
        script = b"".join(as_script([odd], "the $(night)\n`x`", "files.sh"))
        last = script.splitlines()[-2].decode()
        words = subprocess.run(
            ["sh", "-c", "get() { printf '%s\\n' \"$@\"; }; " + last],
            capture_output=True,
            check=True,
        )
        assert words.stdout.decode().splitlines() == [
            odd.sha256, "./" + odd.name, "1", odd.address,
        ]  # fmt: skip
        assert b"".join(as_sums([odd])).decode() == f"{odd.sha256}  {odd.name}\n"


@pytest.mark.parametrize(
    ("name", "plain"),
    [("a.fits", "a.fits"), ('M 31 "ß".fits', "M 31 ___.fits"), ("100%41.fits", "100_41.fits")],
)
def test_the_name_to_save_it_under(name: str, plain: str) -> None:
    """As older programs read it, and as newer ones do (RFC 6266)."""
    told = _saved_as(name)
    assert f'; filename="{plain}"; ' in told
    assert unquote(told.rpartition("''")[2]) == name


def test_the_script_downloads_goes_on_and_checks(
    settings: Any, serve: Callable[..., Server], tmp_path: Path
) -> None:
    import httpx2

    from arcsecond.schemas.archive import DatasetChange
    from arcsecond.server.app import open_backend
    from arcsecond.server.archive.service import Datasets
    from tests.conftest import add_file, new_user

    backend = open_backend(settings)
    viewer, key = new_user(backend)
    dataset = Datasets().create(backend, viewer, DatasetChange(name="d")).uuid
    longest = "l" * 250 + ".fits"
    contents = {"V/a.fits": FRAME, "b c.fits": OTHER, "b c.fits.part": FRAME, longest: OTHER}
    for name, content in contents.items():
        incoming = backend.store.receive()
        incoming.write(content)
        add_file(backend, viewer, dataset, name, incoming)
        incoming.discard()
    backend.db.close()
    server = serve()
    script = httpx2.get(f"{server.url}/datasets/{dataset}/files.sh", headers=key).text
    (tmp_path / "files.sh").write_text(script)
    given = {"PATH": "/usr/bin:/bin", "ARCSECOND_KEY": key["X-Arcsecond-API-Authorization"][4:]}
    target = tmp_path / "target"

    def run() -> subprocess.CompletedProcess[str]:
        words = ["sh", "../files.sh"]
        return subprocess.run(words, cwd=target, env=given, capture_output=True, text=True)

    def there() -> dict[str, bytes]:
        found = (path for path in target.rglob("*") if path.is_file())
        return {str(path.relative_to(target)): path.read_bytes() for path in found}

    def part(folder: str, content: bytes) -> Path:
        return target / folder / f".{hashlib.sha256(content).hexdigest()}.part"

    (target / "V").mkdir(parents=True)
    part("V", FRAME).write_bytes(FRAME[:1000])
    done = run()
    assert done.returncode == 0, done.stderr
    assert there() == contents
    (target / "b c.fits").unlink()
    for left in (OTHER + b"longer", b"x" * len(OTHER)):  # it was spoilt
        part(".", OTHER).write_bytes(left)
        done = run()
        assert done.returncode == 0, done.stderr
        assert there() == contents
        (target / "b c.fits").unlink()
    (target / "b c.fits").write_bytes(OTHER)
    again = run()
    assert (again.returncode, again.stdout) == (0, "")
    (target / "b c.fits").write_bytes(b"changed here")
    mine = run()
    assert mine.returncode == 1
    assert "left alone" in mine.stderr
    assert (target / "b c.fits").read_bytes() == b"changed here"
    (target / "b c.fits").unlink()
    told = httpx2.get(f"{server.url}/datasets/{dataset}/files.tar", headers=key)
    assert 'filename="d.tar"' in told.headers["Content-Disposition"]
    part(".", OTHER).write_bytes(b"x" * 100)  # its beginning is of something else
    spoilt = run()
    assert spoilt.returncode == 1
    assert not (target / "b c.fits").exists()
    assert run().returncode == 0  # anew
    assert there() == contents


class TestGivenUp:
    """Somebody goes while a piece is made."""

    def test_nothing_stays_open(self) -> None:
        begun, go_on, closed = threading.Event(), threading.Event(), threading.Event()

        def pieces() -> Pieces:
            begun.set()
            go_on.wait(10)  # a slow disk, as the file is opened
            try:
                yield b"piece"
            finally:
                closed.set()

        async def give_up() -> None:
            taking = asyncio.ensure_future(anext(in_a_thread(pieces())))
            await asyncio.to_thread(begun.wait, 10)
            taking.cancel()
            await asyncio.sleep(0.05)
            go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await taking

        asyncio.run(give_up())
        assert closed.is_set()
