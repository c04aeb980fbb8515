"""Fixtures of the bridge's tests: a collector in memory that misbehaves when told, and spans to send it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from examples.fake_collector import FakeCollector


@pytest.fixture
def collector() -> Iterator[FakeCollector]:
    """A collector that accepts everything until told otherwise."""
    with FakeCollector() as serving:
        yield serving
