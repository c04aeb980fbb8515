"""The bridge's thread: what it logs of failures that come and go."""

from __future__ import annotations

import logging
import threading
from typing import cast

import pytest

from otel_bridge.bridge.exporter import Progress
from otel_bridge.bridge.loop import SAME_OUTAGE_S, ExportLoop
from otel_bridge.bridge.session import ExportSession
from otel_bridge.errors import LedgerUnavailableError
from otel_bridge.otlp import Delivery
from tests.otlp.samples import ListTransport


class Session:
    """Does what it is told in turn: True works, False fails."""

    exporting = True

    def __init__(self, turns: list[bool]) -> None:
        self.turns = turns

    def tick(self) -> tuple[Progress, bool]:
        if not self.turns.pop(0):
            raise LedgerUnavailableError("ledger", "The disk is full.")
        return Progress(), False

    def forget(self) -> None:
        """Nothing is kept."""


def test_a_failure_that_comes_and_goes_is_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """A disk that is all but full takes some writes and refuses others: that is one outage, not sixty."""
    now_s, turns = 0.0, [False, True] * 20
    session = cast(ExportSession, Session(turns))
    loop = ExportLoop(
        lambda delivery: session,
        Delivery(ListTransport()),
        abort=threading.Event(),
        poll_interval_s=0.1,
        monotonic=lambda: now_s,
    )
    with caplog.at_level(logging.WARNING, "otel_bridge"):
        while turns:
            loop._guarded_tick()
        assert len(caplog.records) == 1
        turns += [False, False]
        now_s = SAME_OUTAGE_S + 1
        loop._guarded_tick()
        loop._guarded_tick()
    assert len(caplog.records) == 2, "one that lasts is said again"
