"""``PresenceReader``: one read of the ledger for however many ask, and nobody where it cannot be read."""

from __future__ import annotations

from typing import Any

from otel_bridge.errors import LedgerError
from otel_bridge.ledger.base import Executor
from otel_bridge.runs.presence_reader import NOBODY, PresenceReader
from otel_bridge.testing import FakeClock, MemoryLedger


class Counting(MemoryLedger):
    """A ledger that counts the reads of its executors, and fails where told to."""

    reads = 0
    fails = False

    def executors_now(self) -> tuple[list[Executor], int]:
        """Count the read, or fail."""
        self.reads += 1
        if self.fails:
            raise LedgerError("The ledger is away.")
        return super().executors_now()


def beating() -> Counting:
    ledger = Counting(clock=FakeClock(1_000_000))
    ledger.heartbeat(Executor(instance_id="one", executor_id="local", beat_at_ms=0, started_at_ms=0))
    return ledger


def test_presence_is_read_once_while_it_is_fresh_and_at_once_for_who_decides_by_it():
    """The same object says that nothing was read; an action's read is what is shown next."""
    ledger, now_s = beating(), [10.0]
    reader = PresenceReader(lambda: ledger, monotonic=lambda: now_s[0])
    first = reader.read()
    now_s[0] += 0.9
    assert reader.read() is first
    assert ledger.reads == 1
    decided = reader.read(fresh=True)
    assert decided is not first
    assert reader.read() is decided
    assert ledger.reads == 2
    now_s[0] += 1.1
    assert reader.read() is not decided
    assert ledger.reads == 3
    assert [executor.instance_id for executor in reader.read().executors] == ["one"]


def test_where_the_ledger_cannot_be_read_nobody_is_known_and_it_is_asked_again_when_the_answer_is_old():
    """An outage is no reason to call runs blocked: nobody is known. A failed answer is as old as any other."""
    ledger, now_s = beating(), [10.0]
    reader = PresenceReader(lambda: ledger, monotonic=lambda: now_s[0])
    assert reader.read().known
    ledger.fails, now_s[0] = True, 20.0
    assert reader.read() is NOBODY
    assert reader.read() is NOBODY
    assert ledger.reads == 2
    ledger.fails, now_s[0] = False, 30.0
    assert reader.read().known

    def away() -> Any:
        raise LedgerError("It cannot be opened.")

    assert PresenceReader(away).read() is NOBODY
    assert PresenceReader(lambda: None).read() is NOBODY
