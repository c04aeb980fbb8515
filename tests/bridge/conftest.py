"""Fixtures of the bridge's tests: a collector in memory that misbehaves when told, and spans to send it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples"))

from fake_collector import FakeCollector  # noqa: E402


@pytest.fixture
def collector() -> Iterator[FakeCollector]:
    """A collector that accepts everything until told otherwise."""
    with FakeCollector() as serving:
        yield serving
