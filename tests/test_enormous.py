"""What is enormous, or made to be: it costs no more than its size, and is told in a sentence.

Each of these held a server for minutes, or took its memory. Nothing here measures time: what
grows by more than its size would not end within that of a test run.
"""

from __future__ import annotations

import io
import itertools
import subprocess
import sys
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcsecond.client import together
from arcsecond.errors import NotFitsError, TooLargeError
from arcsecond.fits import cards, lzw, packing, walking, xisf
from arcsecond.schemas.archive import Hdu
from arcsecond.server import context
from arcsecond.server.archive import curves, rules, sky
from arcsecond.server.archive.ingest import describe
from arcsecond.server.catalogues import names, places
from arcsecond.server.web.headers import MOST_WORDS, shown_headers
from tests.conftest import Http, fits_bytes

ROOT = Path(__file__).resolve().parent.parent
CARDS = walking.LONGEST_HEADER // cards.CARD


def peak(*lines: str) -> int:
    """Run a program in a process of its own; returns the most bytes of memory that it took."""
    end = (
        "import re",
        "from pathlib import Path",
        "print(re.search(r'VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text())[1])",
    )
    if sys.platform != "linux":  # whose other figure holds what the process before it took
        end = ("import resource", "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)")
    command = [sys.executable, "-c", "\n".join((*lines, *end))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout) << 10


def header(*lines: str) -> str:
    return "".join(line.ljust(80)[:80] for line in lines)


class TestWhatIsAskedFor:
    """Texts of addresses and forms, which anybody may send."""

    @pytest.mark.parametrize("blanks", [1, 60_000])
    def test_blanks_in_a_position(self, blanks: int) -> None:
        space = " " * blanks
        for text in (f"1h{space}x", f"1h{space}1d{space}x", f"1h1m{space}+1d1m{space}!"):
            assert places.parse_place(text) is None
        assert places.parse_place(f"1h{space}+2d{space}0s") == pytest.approx((15.0, 2.0))
        assert places.parse_place(f"1h +2d{space}36''") == pytest.approx((15.0, 2.01))

    @pytest.mark.parametrize(
        "text",
        [
            "exposure=" + " " * 1_900 + "!",
            "a" + " " * 80 + "=" + " " * 1_850 + "!",
            "a=" + "b " * 900 + "!",
            "a" * 1_900,
        ],
    )
    def test_blanks_in_conditions(self, text: str, http: Http) -> None:
        answer = http.get("/fitsfiles/", params={"where": text})
        assert (answer.status_code, "is no condition" in answer.text) == (400, True)

    def test_a_form_of_many_fields(self, http: Http) -> None:
        assert len(context._form([("a", "b")] * 200_000)["a"]) == 200_000
        content = "&".join(["a"] * (context.MOST_FIELDS + 1))
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = http.post("/auth/login/", content=content, headers=form)
        assert (answer.status_code, "more than 10000 fields" in answer.text) == (400, True)

    def test_long_names_are_not_remembered(self) -> None:
        long = "x" * 60_000
        tracemalloc.start()
        try:
            for n in range(100):
                assert names.forms(f"M {n:03} {long}")[0] == f"m{n:03}{long}"[:298]
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert held < 1 << 20

    def test_many_tags(self, http: Http, user: Callable[[str], dict[str, str]]) -> None:
        ann = user("ann")
        for address in ("/datasets/", "/fitsfiles/"):
            some = ",".join(map(str, range(20)))
            assert http.get(address, params={"tags": some}, headers=ann).status_code == 200
            more = http.get(address, params={"tags": f"{some},20"}, headers=ann)
            assert (more.status_code, "more than 20 tags" in more.text) == (400, True)

    def test_many_words_on_the_page_of_a_file(self) -> None:
        told = header(*(f"A{n:06} = 'a'" for n in range(CARDS)))
        hdu = Hdu(index=0, name="", data_type="any", shape=[], header_string=told)
        found = shown_headers([hdu], "a " * 32_000, "")
        assert found.found == CARDS
        words = (f"w{n}" for n in range(MOST_WORDS))
        assert shown_headers([hdu], " ".join((*words, "A")), "").found == 0


class TestHeaders:
    """Headers as long as one may be."""

    @pytest.mark.parametrize(
        "card",
        ["A       = " + "1" * 68 + "x/", "A = /" + " " * 60 + "minute", "A = /[" + "x" * 70],
    )
    def test_cards_that_are_hard_to_read(self, card: str) -> None:
        assert cards.parse(header(card) * CARDS).units == {}

    def test_a_checksum_of_many_digits(self) -> None:
        digits = (f"CONTINUE  '{'1' * 60}&'" for _ in range(100))
        lines = header("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0", "DATASUM = '1&'", *digits)
        content = (lines + header("END")).encode()
        content += b" " * (-len(content) % walking.BLOCK)
        walked = walking.walk(io.BytesIO(content), len(content))
        assert len(walked.hdus) == 1

    @pytest.mark.parametrize("keyword", ["A_ORDER", "B_ORDER", "AP_ORDER", "BP_ORDER"])
    def test_a_distortion_of_a_high_order(self, keyword: str) -> None:
        wcs = header(
            "NAXIS   = 2", "NAXIS1  = 100", "NAXIS2  = 100",
            "CTYPE1  = 'RA---TAN-SIP'", "CTYPE2  = 'DEC--TAN-SIP'",
            "CRVAL1  = 10.0", "CRVAL2  = 20.0", "CRPIX1  = 50.0", "CRPIX2  = 50.0",
            "CD1_1   = -1E-4", "CD1_2   = 0.0", "CD2_1   = 0.0", "CD2_2   = 1E-4",
        )  # fmt: skip
        for order in ("20000", "20000 / as many", "1E5", "'9'"):
            told = wcs + header(f"{keyword:8}= {order}", "A_ORDER = 2", "A_2_0   = 1E-6")
            assert "ORDER" not in sky.wcs_cards(told)
            found = sky.seen(told, cards.parse(told))
            assert found is not None
            assert found.centre == pytest.approx((10.0, 20.0), abs=0.01)
        for order in ("2", "                   2 / of the polynomial", "9.0"):
            kept = sky.wcs_cards(wcs + header(f"{keyword:8}= {order}", "A_2_0   = 1E-6"))
            assert "A_2_0" in kept

    @pytest.mark.parametrize("cards_", [["WCSAXES = 20000"], ["WCSAXES = 2", "WCSAXES = 20000"],
                                        [f"WCSAXES{letter}= 6000" for letter in "ABCD"]])  # fmt: skip
    def test_a_wcs_of_many_axes(self, cards_: list[str]) -> None:
        lines = ["NAXIS   = 2", "NAXIS1  = 9", "NAXIS2  = 9", "CTYPE1  = 'RA---TAN'",
                 "CTYPE2  = 'DEC--TAN'", "CDELT1  = 0.1", "CDELT2  = 0.1", *cards_]  # fmt: skip
        assert peak(
            "from arcsecond.fits import cards",
            "from arcsecond.server.archive import sky",
            f"told = {header(*lines)!r}",
            "sky.seen(told, cards.parse(told))",
        ) < 400 << 20  # fmt: skip

    def test_axes_that_are_not_there(self) -> None:
        told = {"XTENSION": "BINTABLE", "ZIMAGE": True, "ZNAXIS": 999, "ZCMPTYPE": "R" * 10_000}
        values = cards.Values()
        values.update(told)
        described = describe(walking.RawHdu(1, "", values, 0, 0))
        assert described["shape"] == []
        assert len(described["compression"]) == 80

    def test_what_an_instrument_is_called_is_compared_not_kept(self) -> None:
        values = cards.Values()
        values["INSTRUME"] = "EFOSC" + "x" * 3_000_000
        book = rules.book()
        book.of([values])
        assert sum(len(text or "") for said in book._known for text in said) < 1 << 20

    def test_a_label_of_many_brackets(self) -> None:
        assert curves._axis_label({"CTYPE1": "[" * 3_000_000}, "WAVE")


class TestXisf:
    """The XML of an XISF file."""

    def test_a_number_that_is_none(self) -> None:
        assert xisf._value("1" * 3_000_000 + "x") == "1" * 500
        assert xisf._value("'" + "1" * 3_000_000 + "'") == "1" * 500
        assert (xisf._value("12."), xisf._value("-.5E2"), xisf._value("7")) == (12.0, -50.0, 7)

    def test_a_long_history(self) -> None:
        line = f'<FITSKeyword name="HISTORY" value="" comment="{"h" * 500}"/>'
        image = (
            '<Image geometry="2:2:1" sampleFormat="UInt8" colorSpace="Gray" location="inline:hex">'
            f"{line * 7_000}00010203</Image>"
        )
        text = f'<xisf version="1.0" xmlns="http://www.pixinsight.com/xisf">{image}</xisf>'
        raw = b"XISF0100" + len(text).to_bytes(4, "little") + bytes(4) + text.encode()
        made = b"".join(xisf.as_fits(io.BytesIO(raw), io.BytesIO, 1 << 20))
        (hdu,) = walking.walk(io.BytesIO(made), len(made)).hdus
        lines = hdu.values["HISTORY"]
        assert isinstance(lines, list)
        assert "".join(lines) == "h" * 500 * xisf.MOST_CARDS


def packed_codes(groups: Iterator[tuple[int, int]], flags: int = 0x90) -> bytes:
    """Put codes into bytes as `compress` does: eight of one width together."""
    done = bytearray(lzw.MAGIC + bytes([flags]))
    width = count = 0
    for width, some in itertools.groupby(groups, key=lambda pair: pair[0]):
        codes = [code for _, code in some]
        for first in range(0, len(codes), 8):
            group = codes[first : first + 8]
            count = len(group)
            bits = sum(code << (n * width) for n, code in enumerate(group))
            done += bits.to_bytes(width, "little")
    spare = width - -(-count * width // 8)  # of the last eight, as far as they go
    return bytes(done[: len(done) - spare])


def compressed(content: bytes, most: int = 16) -> bytes:
    """Pack as `compress` does, but for clearing its table."""

    def codes() -> Iterator[tuple[int, int]]:
        table = {bytes([n]): n for n in range(256)}
        free, width, before = 257, 9, b""
        for byte in content:
            longer = before + bytes([byte])
            if longer in table:
                before = longer
                continue
            yield width, table[before]
            if free < 1 << most:
                table[longer] = free
                # What reads it is one entry behind, and widens when its own table is full.
                if free == 1 << width and width < most:
                    width += 1
                free += 1
            before = longer[-1:]
        if before:
            yield width, table[before]

    return packed_codes(codes(), 0x80 | most)


def of_one_byte(most: int) -> bytes:
    """Codes each of which is the one that is made by it: strings that become longer and longer."""

    def codes() -> Iterator[tuple[int, int]]:
        yield 9, 0
        for code in range(257, 1 << most):
            yield min(code.bit_length(), most), code

    return packed_codes(codes(), 0x80 | most)


class TestCompress:
    """Files that end in .Z."""

    @given(st.binary(max_size=3_000), st.sampled_from([10, 12, 16]))
    def test_what_was_packed_comes_out(self, content: bytes, most: int) -> None:
        assert b"".join(lzw.expanded(io.BytesIO(compressed(content, most)))) == content

    @pytest.mark.parametrize("most", [10, 11, 16])
    def test_widths_of_codes(self, most: int) -> None:
        content = bytes(n * n % 251 for n in range(60_000)) + bytes(400_000)
        assert b"".join(lzw.expanded(io.BytesIO(compressed(content, most)))) == content

    def test_a_table_that_is_cleared(self) -> None:
        some = [(9, 97), (9, 98), (9, 257), (9, 256), *[(9, 0)] * 4, (9, 99), (9, 257), (9, 257)]
        assert b"".join(lzw.expanded(io.BytesIO(packed_codes(iter(some))))) == b"ababccccc"

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (lzw.MAGIC, "ends in its first bytes"),
            (lzw.MAGIC + b"\x9f" + bytes(90), "31 bits"),
            (lzw.MAGIC + b"\x89" + bytes(90), "9 bits"),
            (packed_codes(iter([(9, 65), (9, 400)])), "a code that was not made yet"),
        ],
    )
    def test_damage_is_told(self, content: bytes, why: str) -> None:
        pieces = []
        with pytest.raises(lzw.LzwError, match=why):
            pieces += lzw.expanded(io.BytesIO(content))
        with packing.unpacked(io.BytesIO(content), "compress", io.BytesIO, 1 << 20) as inside:
            assert why in inside.problem
            assert inside.sha256 is None

    def test_long_strings_are_put_together(self) -> None:
        content = b"".join(bytes([n % 3]) * (n * 997 % 60_000) for n in range(200))
        assert b"".join(lzw.expanded(io.BytesIO(compressed(content)))) == content

    def test_strings_without_end_are_bounded(self) -> None:
        content = of_one_byte(16)
        unpacking = packing.unpacked(io.BytesIO(content), "compress", io.BytesIO, 1 << 20)
        with pytest.raises(TooLargeError), unpacking:
            pass

    def test_the_table_takes_no_memory(self) -> None:
        """Of what becomes 530 MB."""
        assert peak(
            "import io",
            "from arcsecond.fits import lzw",
            "from tests.test_enormous import of_one_byte",
            "longest = (1 << 15) - 257 + 1",
            "size = sum(map(len, lzw.expanded(io.BytesIO(of_one_byte(15)))))",
            "assert size == longest * (longest + 1) // 2",
        ) < 400 << 20  # fmt: skip


class TestTar:
    """What small files come in, of a server that is none of ours."""

    def test_a_member_that_says_that_it_is_large(self) -> None:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
            member = tarfile.TarInfo("a.fits")
            member.size = 512
            member.pax_headers = {
                "GNU.sparse.major": "1", "GNU.sparse.minor": "0",
                "GNU.sparse.name": "a.fits", "GNU.sparse.realsize": str(1 << 30),
            }  # fmt: skip
            archive.addfile(member, io.BytesIO(b"1\n1073741823\n1\n".ljust(512, b"\0")))
            archive.addfile(tarfile.TarInfo("b.fits"))
        assert list(together._members(buffer.getvalue())) == [b""]


class TestZip:
    """Members that Python unpacks at once, however large they become."""

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_they_are_refused(self, method: int) -> None:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as archive:
            archive.writestr("a.fits", fits_bytes())
        unpacking = packing.unpacked(buffer, "zip", io.BytesIO, 1 << 20)
        with pytest.raises(NotFitsError, match="pack it by deflate"), unpacking:
            pass
