"""Searches for stored values that cost the codec much time for their size: ``python -m tests.codec.fuzz --seconds 60``.

Draws values of each family (``gadgets``), reads each in every way that the product does, keeps the dearest and tries
their like. Prints, for each family, the worst processor time and cost per byte; ends with 1 when a reading raised, or
took longer than allowed. The seed is printed: the same seed finds the same values.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

from otel_bridge.codec import PREVIEW, WHOLE, decode, decode_error, decode_input, redact_keys
from otel_bridge.model.values import StoredValue

from .gadgets import FAMILIES

Make = Callable[[], StoredValue]
HIDE = redact_keys(["*password*", "*token*"])
WAYS: dict[str, Callable[[StoredValue], Any]] = {
    "preview": lambda value: decode(value, limits=PREVIEW).json,
    "preview, redacted": lambda value: decode(value, limits=PREVIEW, redact=HIDE).json,
    "input": lambda value: decode_input(value, limits=PREVIEW).json,
    "error": lambda value: decode_error(value).message,
    "whole": lambda value: decode(value, limits=WHOLE).json,
}
SIZES = (1_000, 10_000, 40_000, 100_000)
GIVE_UP_S = 60


class GaveUp(BaseException):
    """One reading took longer than anybody would wait."""


@dataclass(frozen=True)
class Tried:
    """One reading: what was read, how, and its processor time in seconds."""

    family: str
    seed: int
    size: int
    way: str
    bytes: int
    seconds: float
    failure: str | None = None

    @property
    def ns_per_byte(self) -> float:
        return self.seconds * 1e9 / max(1, self.bytes)


def attempt(family: str, seed: int, size: int, way: str) -> Tried:
    """Read one value; a failure is kept in words."""
    value = FAMILIES[family](random.Random(seed), size)
    signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, GIVE_UP_S)
    began, failure = time.thread_time(), None
    try:
        shown = WAYS[way](value)
    except GaveUp:
        failure = f"gave up after {GIVE_UP_S} s"
    except Exception as error:  # noqa: BLE001 - it must never raise, and this says what did
        failure = f"{type(error).__name__}: {error}"[:200]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    seconds = time.thread_time() - began
    if failure is None:
        try:
            json.dumps(shown, allow_nan=False).encode()
        except (ValueError, RecursionError) as error:
            failure = f"no JSON: {type(error).__name__}: {error}"[:200]
    return Tried(family, seed, size, way, value.size_bytes, seconds, failure)


def _give_up(number: int, frame: FrameType | None) -> None:
    raise GaveUp


def search(family: str, seconds: float, rng: random.Random) -> list[Tried]:
    """Try values of one family for some time; large ones of what was dear when small."""
    tried: list[Tried] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        best = sorted(tried, key=lambda one: -one.ns_per_byte)[:5]
        if best and rng.random() < 0.5:
            chosen = rng.choice(best)
            seed, size, way = chosen.seed, rng.choice(SIZES), rng.choice([chosen.way, *WAYS])
        else:
            seed, size, way = rng.randrange(2**32), rng.choice(SIZES[:3]), rng.choice(list(WAYS))
        tried.append(attempt(family, seed, size, way))
    return tried


def main(arguments: list[str] | None = None) -> int:
    """Search, print the table, and say whether everything held."""
    parser = argparse.ArgumentParser(prog="python -m tests.codec.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60, help="time for all families together (60)")
    parser.add_argument("--seed", type=int, default=None, help="repeat a search")
    parser.add_argument("--family", choices=list(FAMILIES), default=None, help="search this one alone")
    options = parser.parse_args(arguments)
    seed = random.randrange(2**32) if options.seed is None else options.seed
    families = [options.family] if options.family else list(FAMILIES)
    print(f"seed {seed}")
    failed = False
    for family in families:
        tried = search(family, options.seconds / len(families), random.Random(f"{seed}/{family}"))
        failed = report(family, tried) or failed
    return int(failed)


def report(family: str, tried: list[Tried]) -> bool:
    """Print one family's worst; True when something did not hold."""
    for label, way in (("preview", lambda one: one.way != "whole"), ("whole", lambda one: one.way == "whole")):
        chosen = [one for one in tried if way(one)]  # type: ignore[no-untyped-call]
        if not chosen:
            continue
        slowest = max(chosen, key=lambda one: one.seconds)
        dearest = max(chosen, key=lambda one: one.ns_per_byte)
        print(
            f"{family:22} {label:8} {len(chosen):6} tried; slowest {slowest.seconds:7.2f} s for {slowest.bytes:7} bytes"
            f" ({slowest.seed}/{slowest.size}/{slowest.way}); dearest {dearest.ns_per_byte / 1000:9.1f} us a byte at"
            f" {dearest.bytes} bytes ({dearest.seed}/{dearest.size}/{dearest.way})"
        )
    bad = [one for one in tried if one.failure]
    kinds = {one.failure: one for one in bad}
    for failure, one in kinds.items():
        print(f"  FAILED {family} seed {one.seed} size {one.size} {one.way}: {failure}")
    allowed = [one for one in tried if one.seconds > (20 if one.way == "whole" else 2)]
    return bool(bad or allowed)


if __name__ == "__main__":
    sys.exit(main())
