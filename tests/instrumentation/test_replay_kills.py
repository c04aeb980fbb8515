"""Bodies that are killed with -9 at random places, against a real OTLP receiver: each span once, sums exact."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kills_at_random_places_lose_no_span_of_a_body_and_double_none() -> None:
    """No span missing, none under another id, every second copy marked, and the tokens as if nothing had happened."""
    command = [sys.executable, "-m", "examples.replay_kills", "--kills", "30"]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if re.match(r"\S+ +\d", line)]
    assert {row[0] for row in rows} == {"plain", "agents-sdk", "pydantic-ai"}
    for style, runs, kills, expected, missing, other, _copies, unmarked, wrong in rows:
        assert (style, missing, other, unmarked, wrong) == (style, "0", "0", "0", "0")
        assert int(kills) >= 10
        assert int(expected) > int(runs) > 0
