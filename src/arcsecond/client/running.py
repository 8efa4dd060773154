"""Move many files, several at a time, and write down what became of each.

Whatever happens to one file is told with its reason and holds up no other, but for what
would happen to all of them.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, Protocol, TypeVar

from arcsecond.client.patience import Patience, StoppedError
from arcsecond.errors import (
    ArcsecondConnectionError,
    ArcsecondError,
    ArcsecondInputValueError,
    ArcsecondNotLoggedInError,
    ChangedError,
    NoSpaceError,
)

JOBS = 4
GRACE_S = 3.0
"""How long what is under way is waited for when somebody ends it."""

AWAY = (502, 503, 504)
"""Answers of a server, or of a proxy before it, that cannot be reached for long."""

How = Literal["done", "made", "there", "failed"]
DONE: How = "done"
MADE: How = "made"
THERE: How = "there"
FAILED: How = "failed"


class Movable(Protocol):
    """A file that is to be moved: where it lies here, its name there, its size in bytes."""

    path: str
    name: str
    size: int
    sha256: str

    @property
    def pk(self) -> int | None:
        """Key of the file that has its name there."""


F = TypeVar("F", bound=Movable)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went with one file.

    Attributes
    ----------
    path
        Where it lies on this machine.
    name
        Its name in its dataset.
    size
        In bytes.
    outcome
        ``done``; ``made``, of content that was there, without sending it; ``there``, when it
        was there already; or ``failed``.
    reason
        Why it failed, in a sentence.
    again
        Whether it may succeed when it is tried later.
    pk
        Of the file on the server.
    problems
        What is damaged in it, which is kept all the same.
    """

    path: str
    name: str
    size: int
    outcome: How
    reason: str = ""
    again: bool = False
    pk: int | None = None
    sha256: str = ""
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class Standing:
    """How far a transfer is.

    Attributes
    ----------
    files, size
        How many files, and bytes, are to be moved.
    done, moved
        How many of them have got there, and bytes that have arrived.
    before
        Of these bytes, how many had arrived before this transfer began.
    failed
        How many failed.
    active
        Of those that are on their way, by name: bytes that have arrived, bytes in all.
    trouble
        Why something is tried again, "" while nothing is.
    """

    files: int = 0
    size: int = 0
    done: int = 0
    moved: int = 0
    before: int = 0
    failed: int = 0
    active: dict[str, tuple[int, int]] = field(default_factory=dict)
    trouble: str = ""


@dataclass(slots=True)
class Summary:
    """What became of a transfer.

    Attributes
    ----------
    outcomes
        Of every file that was found, but for those left out.
    left_out
        Paths by why they were left out.
    waiting
        Of a watch: paths of files that were not complete yet, or not sent yet, when it ended.
    """

    dataset: str
    outcomes: list[Outcome] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)

    @property
    def done(self) -> list[Outcome]:
        """Those that were moved."""
        return [one for one in self.outcomes if one.outcome == DONE]

    @property
    def made(self) -> list[Outcome]:
        """Those that were made there of content that the server had."""
        return [one for one in self.outcomes if one.outcome == MADE]

    @property
    def there(self) -> list[Outcome]:
        """Those that were there already."""
        return [one for one in self.outcomes if one.outcome == THERE]

    @property
    def failed(self) -> list[Outcome]:
        """Those that did not get there, each with its reason."""
        return [one for one in self.outcomes if one.outcome == FAILED]

    @property
    def ok(self) -> bool:
        """Whether every file is where it should be."""
        return not (self.failed or self.waiting)


Progress = Callable[[Standing], None]
Told = Callable[[Outcome], None]
Moved = Callable[[int], None]
"""Called with how many bytes of a unit have arrived; first with how many had arrived before."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How files are moved, and who learns of it.

    Attributes
    ----------
    jobs
        How many at a time.
    stopping
        Ends everything when it is set: what is under way comes to a stop first.
    progress
        Called whenever something moved, from several threads, one at a time.
    told
        Called with each outcome, in the same way.
    """

    jobs: int = JOBS
    stopping: threading.Event = field(default_factory=threading.Event)
    progress: Progress | None = None
    told: Told | None = None


class Run(ABC, Generic[F]):
    """One transfer of many files."""

    def __init__(self, summary: Summary, manner: Manner) -> None:
        if manner.jobs < 1:
            raise ArcsecondInputValueError(f"{manner.jobs} jobs move nothing; 1 is the least.")
        self.summary = summary
        self.stopping = manner.stopping
        self.hopeless: ArcsecondError | None = None
        self._manner = manner
        self._lock = threading.Lock()
        self._standing = Standing()

    @abstractmethod
    def move(self, unit: Sequence[F], moved: Moved) -> Iterator[Outcome]:
        """Move some files, and yield the outcome of each."""

    def work(self, units: Iterable[list[F]], files: int, size: int) -> Summary:
        """Move everything.

        Parameters
        ----------
        units
            Files that are moved together.
        files, size
            How many there are, and how many bytes have to travel.

        Raises
        ------
        KeyboardInterrupt
            Somebody ended it.
        """
        self._standing.files, self._standing.size = files, size
        self._show()
        jobs = self._manner.jobs
        pool = ThreadPoolExecutor(jobs, "arcsecond-transfer")
        waiting: set[Future[None]] = set()
        try:
            for unit in units:
                waiting.add(pool.submit(self._unit, unit))
                while len(waiting) > jobs:
                    waiting = _settled(waiting)
            while waiting:
                waiting = _settled(waiting)
        except BaseException:
            self.stopping.set()
            wait(waiting, GRACE_S)  # nobody who wants to leave waits for a stalled connection
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        return self.summary

    def _unit(self, unit: list[F]) -> None:
        """Move a unit; whatever goes wrong is an outcome."""
        if self.stopping.is_set():
            return
        label = unit[0].name + (f" and {len(unit) - 1} more" if len(unit) > 1 else "")
        weights = {item.name: self.weight(item) for item in unit}
        size = sum(weights.values())
        self._advance(label, size, 0)
        moved = self._mover(label, size)
        told: set[str] = set()
        arrived: list[str] = []
        try:
            if error := self.hopeless:
                why = f"It was not tried any more: {error.detail}"
                for item in unit:
                    self.ended(failed(item, why, again=error.passes))
            else:
                for outcome in self.move(unit, moved):
                    told.add(outcome.name)
                    if outcome.outcome != FAILED:
                        arrived.append(outcome.name)
                    self.ended(outcome)
        except StoppedError:
            return
        except Exception as error:  # noqa: BLE001  # never an end without a word
            why = f"Something failed inside arcsecond: {type(error).__name__}: {error}"
            for item in unit:
                if item.name not in told:
                    self.ended(failed(item, why))
        finally:
            if arrived:  # of what failed, or was stopped, as much has arrived as was told
                self._advance(label, size, sum(weights[name] for name in arrived))
            with self._lock:
                self._standing.active.pop(label, None)
                self._standing.done += len(arrived)
            self._show()

    def patience(self) -> Patience:
        """Return what waits between tries, and shows why."""
        return Patience(self.stopping, noted=self._note_trouble)

    def _note_trouble(self, why: str) -> None:
        with self._lock:
            self._standing.trouble = why
        self._show()

    def weight(self, item: F) -> int:
        """Return how many bytes of a file have to travel."""
        return item.size

    def _mover(self, label: str, size: int) -> Moved:
        begun: int | None = None

        def moved(to: int) -> None:
            nonlocal begun
            # It may begin anew: then what had arrived before is of no use.
            start = to if begun is None else min(begun, to)
            with self._lock:
                self._standing.before += start - (begun or 0)
            begun = start
            self._advance(label, size, to)

        return moved

    def _advance(self, label: str, size: int, to: int) -> None:
        with self._lock:
            at, _ = self._standing.active.get(label, (0, size))
            self._standing.active[label] = (to, size)
            self._standing.moved += to - at
        self._show()

    def refused(self, item: F, error: ArcsecondError) -> Outcome:
        """Return the outcome of a failure; one that all others would meet ends it for them."""
        gone = isinstance(error, ArcsecondConnectionError | ArcsecondNotLoggedInError)
        if gone or error.status in AWAY:
            self.hopeless = error
        again = error.passes or isinstance(error, ChangedError | NoSpaceError)
        return failed(item, error.detail, again=again)

    def ended(self, outcome: Outcome) -> None:
        """Write an outcome down."""
        with self._lock:
            self.summary.outcomes.append(outcome)
            self._standing.failed += outcome.outcome == FAILED
            if self._manner.told is not None:
                self._manner.told(outcome)

    def _show(self) -> None:
        if self._manner.progress is not None:
            with self._lock:
                self._manner.progress(self._standing)


def outcome_of(item: Movable, how: How, **more: Any) -> Outcome:
    """Return the outcome of a file, with what more there is to say than the file itself tells."""
    told = {"pk": item.pk, "sha256": item.sha256, **more}
    return Outcome(item.path, item.name, item.size, how, **told)


def failed(item: Movable, why: str, *, again: bool = False) -> Outcome:
    """Return the outcome of a file that did not get there."""
    return outcome_of(item, FAILED, reason=why, again=again)


def _settled(waiting: set[Future[None]]) -> set[Future[None]]:
    """Wait until some are done; those that are not are left."""
    done, left = wait(waiting, return_when=FIRST_COMPLETED)
    for future in done:
        future.result()
    return left
