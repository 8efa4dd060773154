"""What the headers of many frames mean: worked out side by side, in processes of their own.

A header that ends a process costs itself alone: those that it was with are tried again.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from arcsecond.fits.cards import parse
from arcsecond.fits.walking import RawHdu
from arcsecond.server import apart
from arcsecond.server.archive.ingest import NOT_UNDERSTOOD, understand
from arcsecond.server.archive.observation import Observation
from arcsecond.server.archive.rules import RuleBook, book

logger = logging.getLogger(__name__)

FEW = 64
"""Frames for which no process is started."""

TIMEOUT_S = 300.0

Cards = Sequence[str]
"""The cards of each HDU of a frame."""

Understood = tuple[Observation, str]
"""What they mean, and what is wrong with them, "" for nothing."""


class _Order(msgspec.Struct):
    """What a process is to do."""

    own: str
    frames: list[Cards]


def understand_many(frames: Sequence[Cards], rules: RuleBook, jobs: int = 0) -> list[Understood]:
    """Return what the headers of frames mean, in their order.

    Parameters
    ----------
    jobs
        How many processes; 0 for as many as there are processors.
    """
    jobs = min(jobs or os.cpu_count() or 1, len(frames) // FEW)
    if jobs < 2:
        return [_one(cards, rules) for cards in frames]
    size = -(-len(frames) // jobs)
    parts = [frames[start : start + size] for start in range(0, len(frames), size)]
    with ThreadPoolExecutor(jobs) as pool:
        return [told for part in pool.map(lambda p: _apart(p, rules), parts) for told in part]


def _one(cards: Cards, rules: RuleBook) -> Understood:
    return understand([RawHdu(i, text, parse(text)) for i, text in enumerate(cards)], rules)


def _apart(frames: Sequence[Cards], rules: RuleBook) -> list[Understood]:
    """Let a process read some headers; by halves when it ended badly."""
    order = msgspec.msgpack.encode(_Order(rules.own, list(frames)))
    try:
        said, status = apart.run(__name__, timeout_s=TIMEOUT_S, order=order)
        if status == 0:
            return msgspec.msgpack.decode(said, type=list[Understood])
    except OSError:  # no room for another process
        return [_one(cards, rules) for cards in frames]
    except msgspec.MsgspecError:
        status = None
    logger.warning("reading %d headers again ended with status %s", len(frames), status)
    if len(frames) == 1:
        return [(Observation(), NOT_UNDERSTOOD)]
    half = len(frames) // 2
    return _apart(frames[:half], rules) + _apart(frames[half:], rules)


def main() -> int:
    """Read an order from stdin, and print what the headers mean."""
    logging.disable()  # stderr is read by nobody
    order = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=_Order)
    rules = book(order.own)
    told = [_one(cards, rules) for cards in order.frames]
    sys.stdout.buffer.write(msgspec.msgpack.encode(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
