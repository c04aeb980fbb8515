"""The bridge's thread: what it logs of failures that come and go."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from typing import cast

import pytest

from otel_bridge.bridge import loop as loops
from otel_bridge.bridge.exporter import Progress
from otel_bridge.bridge.loop import ExportLoop
from otel_bridge.bridge.session import ExportSession
from otel_bridge.errors import LedgerUnavailableError, StoreUnavailableError
from otel_bridge.otlp import Delivery
from otel_bridge.outages import SAME_OUTAGE_S, Outages
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


def test_a_server_that_is_away_is_one_line_for_the_store_and_the_ledger_on_it(caplog: pytest.LogCaptureFixture) -> None:
    """A tick meets now the one, now the other. A cause of its own is said beside them, and a bug at each place once."""
    server = "db:5432/app"
    errors: list[Exception] = [
        StoreUnavailableError("the store", "too many clients", server=server),
        LedgerUnavailableError("the ledger", "no connection in time", server=server),
        LedgerUnavailableError("the ledger", "the disk is full"),
    ]

    class Failing(Session):
        def tick(self) -> tuple[Progress, bool]:
            self.turns.append(True)
            if len(self.turns) % 4 == 0:
                raise ValueError(f"odd {object()}")
            raise errors[len(self.turns) % 4 - 1]

    loop = loop_of(Failing([]))
    with caplog.at_level(logging.WARNING, "otel_bridge"):
        for _ in range(12):
            assert loop._guarded_tick() is None
    assert [record.getMessage() for record in caplog.records] == [
        "too many clients Trying again.",
        "the disk is full Trying again.",
        "Unexpected error in the bridge; trying again.",
    ]


def loop_of(session: object, *, clock: list[float] | None = None) -> ExportLoop:
    """A loop whose clock, if it has one of its own, goes on by a tenth of a second whenever it is read."""

    def tick_s() -> float:
        assert clock is not None
        clock[0] += 0.1
        return clock[0]

    return ExportLoop(
        lambda delivery: cast(ExportSession, session),
        Delivery(ListTransport()),
        abort=threading.Event(),
        poll_interval_s=0.1,
        **({} if clock is None else {"monotonic": tick_s}),
    )


@pytest.mark.parametrize(("failing", "waited_s"), [(True, loops.HOPELESS_S), (False, 20.0)])
def test_a_collector_that_takes_nothing_is_not_waited_for(
    failing: bool, waited_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop flushes into one that works; one that is down gets the spans after a restart."""
    monkeypatch.setattr(loops, "_SLICE_S", 0.0)
    over, clock = threading.Event(), [0.0]
    loop = loop_of(None, clock=clock)
    loop.delivery.stats.failing = failing
    busy = threading.Thread(target=over.wait, args=(30,))
    busy.start()
    loop._flush(busy, 20.0)
    over.set()
    assert waited_s <= clock[0] < waited_s + 1


def test_a_stop_leaves_behind_what_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that never answers to the release of the lease must not keep the process."""
    monkeypatch.setattr(loops, "CLOSING_S", 0.1)
    hanging, over, closed = threading.Event(), threading.Event(), threading.Event()

    class Hanging(Session):
        def close(self) -> None:
            hanging.set()
            over.wait(30)
            closed.set()

    loop = loop_of(Hanging([True]))
    loop.tick()
    loop.stop(flush_timeout_s=0.0)
    left_behind = not closed.is_set()
    over.set()
    assert left_behind
    assert closed.wait(30)


def test_what_fails_while_it_closes_is_said() -> None:
    """In time, as without a bound."""

    def fail() -> None:
        raise LedgerUnavailableError("ledger", "gone")

    with pytest.raises(LedgerUnavailableError, match="gone"):
        loops.ended_within(30.0, fail)
    assert loops.ended_within(30.0, lambda: None)


def test_a_stop_that_comes_while_the_thread_starts_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """From another thread, or from a signal handler that interrupts the start: at every point of it."""
    loop = loop_of(Session([]))
    start = threading.Thread.start
    others: list[threading.Thread] = []

    def start_while_it_is_stopped(thread: threading.Thread) -> None:
        monkeypatch.setattr(threading.Thread, "start", start)
        others.append(threading.Thread(target=loop.stop, kwargs={"flush_timeout_s": 0.0}))
        others[0].start()
        loop.stop(flush_timeout_s=0.0)  # as a signal handler does
        start(thread)
        others.append(thread)

    monkeypatch.setattr(threading.Thread, "start", start_while_it_is_stopped)
    loop.start()
    for thread in others:
        thread.join(30)
        assert not thread.is_alive()
    loop.start()
    assert not loop.is_running, "what was stopped stays so"


def test_one_caller_ticks_at_a_time() -> None:
    """A flush from another thread waits for the tick under way: a session keeps what it does in one place."""
    meeting, met = threading.Barrier(2), []

    class Meeting(Session):
        def tick(self) -> tuple[Progress, bool]:
            with suppress(threading.BrokenBarrierError):
                met.append(meeting.wait(0.1))
            return Progress(), False

    loop = loop_of(Meeting([]))
    threads = [threading.Thread(target=loop.tick) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert met == []


def test_an_outage_that_comes_back_and_stays_is_logged_again() -> None:
    """The last word in the log would else be that the bridge works; one that comes and goes makes a line a minute."""
    now_s = [0.0]
    outages, gone = Outages(monotonic=lambda: now_s[0]), OSError("gone")
    assert [outages.is_new(gone), outages.is_new(gone)] == [True, False]
    outages.works()
    said: list[float] = []
    while now_s[0] < 200:
        now_s[0] += 5
        if outages.is_new(gone):
            said.append(now_s[0])
    assert said == [60.0]  # after it worked; then it stays away, and that was said
    for _ in range(24):
        now_s[0] += 5
        outages.works()
        if outages.is_new(gone):
            said.append(now_s[0])
    assert len(said) == 2
    now_s[0] += 61
    assert outages.is_new(gone)
