"""The module's plans and watches: what would be sent, and a folder that is kept in step."""

from __future__ import annotations

import gzip
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from arcsecond import ArcsecondAPI, ArcsecondInputValueError
from arcsecond.client import watching
from arcsecond.client.inside import Inside
from arcsecond.client.running import Outcome, Summary
from arcsecond.client.transport import Transport
from arcsecond.errors import ArcsecondConnectionError, NotFoundError
from tests.conftest import fits_bytes

pytestmark = pytest.mark.usefixtures("sound")

PATIENCE_S = 20.0


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, ns=(1_700_000_000_000_000_000,) * 2)
    return path


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """Two frames, and what is none."""
    for name in ("a.fits", "V/b.fits"):
        write(tmp_path / "night" / name, fits_bytes(OBJECT=name))
    write(tmp_path / "night" / "observing.log", b"clouds at 2 h\n")
    return tmp_path / "night"


@pytest.fixture
def dataset(api: ArcsecondAPI) -> Inside:
    return api.datasets(api.datasets.create(name="d")["uuid"])


def names(dataset: Inside) -> list[str]:
    return sorted(file["name"] for file in dataset.fitsfiles.list())


class TestPlan:
    """What an upload would do."""

    def test_it_is_told_and_sends_nothing(self, dataset: Inside, night: Path) -> None:
        plan = dataset.plan(night, tags=["raw"])
        assert [item.name for item in plan.sending] == ["V/b.fits", "a.fits"]
        assert plan.bytes_to_send == sum(path.stat().st_size for path in night.rglob("*.fits"))
        assert plan.left_out == {"no FITS": [str(night / "observing.log")]}
        assert names(dataset) == []
        summary = dataset.upload(plan)
        assert summary.ok
        assert len(summary.done) == 2
        assert {tuple(file["tags"]) for file in dataset.fitsfiles.list()} == {("raw",)}
        again = dataset.plan(night)
        assert (again.sending, len(again.there)) == ([], 2)

    def test_it_is_saved_and_carried_out_later(
        self, dataset: Inside, night: Path, tmp_path: Path
    ) -> None:
        dataset.plan(night).save(tmp_path / "plan.json")
        write(night / "a.fits", fits_bytes((7, 7), OBJECT="changed"))
        (night / "V" / "b.fits").touch()  # the same content, younger
        os.utime(night / "V" / "b.fits", ns=(1_700_000_000_000_000_000,) * 2)
        write(night / "new.fits", fits_bytes(OBJECT="new"))
        summary = dataset.upload(dataset.load_plan(tmp_path / "plan.json"))
        assert [one.name for one in summary.done] == ["V/b.fits"]
        (failed,) = summary.failed
        assert "changed since the plan was made" in failed.reason
        assert names(dataset) == ["V/b.fits"]

    def test_what_does_not_go_together(
        self, api: ArcsecondAPI, dataset: Inside, night: Path, tmp_path: Path
    ) -> None:
        plan = dataset.plan(night)
        plan.save(tmp_path / "plan.json")
        other = api.datasets(api.datasets.create(name="other")["uuid"])
        with pytest.raises(ArcsecondInputValueError, match="was made for dataset"):
            other.load_plan(tmp_path / "plan.json")
        with pytest.raises(ArcsecondInputValueError, match="knows its files"):
            dataset.upload(plan, tags=["raw"])
        with pytest.raises(ArcsecondInputValueError, match="not 'colour'"):
            dataset.plan(night, colour="red")
        plan.server = "http://elsewhere"
        with pytest.raises(ArcsecondInputValueError, match="was made for http://elsewhere"):
            dataset.upload(plan)
        write(tmp_path / "plan.json", b"{}")
        with pytest.raises(ArcsecondInputValueError, match="is no plan"):
            dataset.load_plan(tmp_path / "plan.json")
        with pytest.raises(NotFoundError):
            api.datasets("00000000-0000-0000-0000-000000000000").plan(night)
        assert names(dataset) == names(other) == []


class TestWatch:
    """A folder that grows, followed from a script."""

    @pytest.fixture(autouse=True)
    def _quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(watching, "LOOK_S", 0.01)
        monkeypatch.setattr(watching, "REST_S", 0.05)
        monkeypatch.setattr(watching, "FIRST_WAIT_S", 0.01)

    @pytest.fixture
    def watched(self, dataset: Inside, night: Path) -> Iterator[Callable[[], Summary]]:
        """Watch in another thread; what is returned ends it, and tells its summary."""
        self.told: list[Outcome] = []
        self.said: list[str] = []
        ends = threading.Event()
        summaries: list[Summary] = []

        def follow() -> None:
            summaries.append(
                dataset.watch(night, told=self.told.append, say=self.said.append, stopping=ends)
            )

        thread = threading.Thread(target=follow)
        thread.start()

        def end() -> Summary:
            ends.set()
            thread.join(PATIENCE_S)
            return summaries[0]

        yield end
        ends.set()
        thread.join(PATIENCE_S)

    def until(self, holds: Callable[[], bool]) -> None:
        ends = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < ends, (self.told, self.said)
            time.sleep(0.01)

    def test_it_follows_until_it_is_ended(
        self, dataset: Inside, night: Path, watched: Callable[[], Summary]
    ) -> None:
        self.until(lambda: len(self.told) == 2)
        frame = fits_bytes((300, 300), OBJECT="slow")
        write(night / "slow.fits", frame[:10_000])
        self.until(lambda: any("not complete yet" in said for said in self.said))
        (night / "V").rename(night / "visual")
        self.until(lambda: any("renamed, was V/b.fits" in said for said in self.said))
        assert names(dataset) == ["a.fits", "visual/b.fits"]
        summary = watched()
        assert sorted(one.name for one in summary.done) == ["V/b.fits", "a.fits"]
        assert summary.left_out == {"no FITS": [str(night / "observing.log")]}
        assert summary.waiting == [str(night / "slow.fits")]
        assert not summary.ok
        write(night / "slow.fits", frame)
        ends = threading.Event()
        told: list[Outcome] = []

        def tell(outcome: Outcome) -> None:
            told.append(outcome)
            if len(told) == 3:
                ends.set()

        again = dataset.watch(night, told=tell, stopping=ends)
        assert sorted((one.name, one.outcome) for one in again.outcomes) == [
            ("a.fits", "there"),
            ("slow.fits", "done"),
            ("visual/b.fits", "there"),
        ]
        assert again.ok

    def test_it_is_ended_while_it_sends(
        self, dataset: Inside, night: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What was not sent is told as such, and sent by the next watch."""
        ends = threading.Event()
        send = Transport.send_parts

        def cut(self: Transport, *args: object) -> object:
            ends.set()
            raise ArcsecondConnectionError("nobody answers")

        monkeypatch.setattr(Transport, "send_parts", cut)
        summary = dataset.watch(night, stopping=ends)
        assert summary.outcomes == []
        assert sorted(summary.waiting) == [str(night / "V" / "b.fits"), str(night / "a.fits")]
        monkeypatch.setattr(Transport, "send_parts", send)
        ends.clear()
        again = dataset.watch(night, stopping=ends, told=lambda _outcome: ends.set())
        assert again.outcomes
        assert names(dataset) == ["V/b.fits", "a.fits"]

    def test_what_was_sent_is_not_looked_into_again(
        self, dataset: Inside, night: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """By the next watch: packed files would have to be unpacked, all of them at once."""
        write(night / "V" / "b.fits.gz", gzip.compress((night / "a.fits").read_bytes()))
        looked: list[str] = []
        incomplete = watching.incomplete

        def look(path: str) -> str:
            looked.append(Path(path).name)
            return incomplete(path)

        monkeypatch.setattr(watching, "incomplete", look)

        def watch(count: int) -> set[str]:
            ends = threading.Event()
            told: list[Outcome] = []

            def tell(outcome: Outcome) -> None:
                told.append(outcome)
                if len(told) == count:
                    ends.set()

            dataset.watch(night, told=tell, stopping=ends)
            return {outcome.outcome for outcome in told}

        assert watch(3) == {"done"}
        assert sorted(looked) == ["a.fits", "b.fits", "b.fits.gz", "observing.log"]
        looked.clear()
        write(night / "another", fits_bytes((9, 9), OBJECT="another")).replace(night / "a.fits")
        assert watch(3) == {"there", "done"}  # another version of it
        assert sorted(looked) == ["a.fits", "observing.log"]

    def test_what_is_wrong_for_good_ends_it(self, api: ArcsecondAPI, night: Path) -> None:
        with pytest.raises(NotFoundError):
            api.datasets("00000000-0000-0000-0000-000000000000").watch(night)
        (night / "empty").mkdir()
        for act in ("watch", "plan"):
            with pytest.raises(NotFoundError):
                getattr(api.datasets("00000000-0000-0000-0000-000000000000"), act)(night / "empty")
        with pytest.raises(ArcsecondInputValueError, match="not 'colour'"):
            api.datasets("x").watch(night, colour="red")
