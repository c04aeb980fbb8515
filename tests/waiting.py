"""The one way in which tests wait: for a condition, never for a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 60.0
"""Generous: a condition that comes true ends the wait, and a busy machine is not a fault of the code."""


def until(
    ask: Callable[[], T],
    wanted: Callable[[T], object] = bool,
    *,
    what: str = "a condition",
    timeout_s: float = PATIENCE_S,
    every_s: float = 0.01,
) -> T:
    """Return the first answer of ``ask`` that is ``wanted``. An AssertionError of ``ask`` counts as not yet.

    Raises:
        AssertionError: there was none in time; it says what was seen last.

    >>> until(lambda: 3, lambda n: n > 2)
    3
    """
    deadline, pause = time.monotonic() + timeout_s, threading.Event()
    while True:
        try:
            answer = ask()
            if wanted(answer):
                return answer
            problem = AssertionError(f"Waited {timeout_s:g} s for {what}; last seen: {answer!r}")
        except AssertionError as error:
            problem = error
        if time.monotonic() > deadline:
            raise problem
        pause.wait(every_s)
