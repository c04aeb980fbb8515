"""Durations and ages read alike on the page and on the command line: one table of cases for both."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from dashboard.client.times import ago, duration, run_duration
from tests.programs import ROOT

CASES = json.loads((ROOT / "dashboard" / "frontend" / "tests" / "unit" / "durations.json").read_text())
"""Also read by ``frontend/tests/unit/time.test.ts``."""


@pytest.mark.parametrize(
    ("name", "said"),
    [("duration", duration), ("runDuration", run_duration), ("ago", ago)],
    ids=["duration", "run duration", "ago"],
)
def test_a_time_reads_as_the_table_says(name: str, said: Callable[[int], str]) -> None:
    """Every case of the table that the page's test reads."""
    assert [[ms, said(ms)] for ms, _ in CASES[name]] == CASES[name]


def test_a_part_of_a_millisecond_is_none() -> None:
    """Half a millisecond and more is one."""
    assert (duration(0.4), duration(0.5)) == ("0 ms", "1 ms")
