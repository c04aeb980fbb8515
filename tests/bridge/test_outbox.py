"""The outbox: what it keeps comes back exactly as it was."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_bridge.bridge.outbox import Outbox
from otel_bridge.errors import LeaseLostError
from otel_bridge.ledger.base import ExportedRun
from otel_bridge.ledger.pending import BACKFILL_LEASE, EXPORT_LEASE, exported_or_pending
from otel_bridge.spans import SpanData
from otel_bridge.testing import MemoryLedger
from tests.otlp.samples import full_span, sample_span
from tests.otlp.test_encoding import spans

times = st.integers(0, 2**53)
runs = st.builds(
    ExportedRun,
    run_id=st.text(max_size=20),
    generation=st.integers(0, 5),
    ended=st.booleans(),
    steps=st.dictionaries(st.integers(-5, 10**6), st.tuples(times, st.integers(-1, 5)), max_size=5),
    first_queue=st.none() | st.text(max_size=5),
    ended_at_ms=st.none() | times,
    failed_step=st.none() | st.tuples(st.integers(0, 9), st.integers(0, 5)),
)


def outbox_of(ledger: MemoryLedger, name: str = "lease", *, owner: str = "me") -> Outbox:
    lease = ledger.acquire_lease(name, owner, ttl_s=60)
    assert lease is not None
    return Outbox(ledger, lease)


relaxed = settings(deadline=None, max_examples=60)


@relaxed
@given(kept=st.lists(spans, max_size=3), records=st.lists(runs, max_size=3))
def test_spans_and_records_come_back_as_they_were(kept: list[SpanData], records: list[ExportedRun]):
    """To the last byte: a repeat must be no different from the first."""
    outbox = outbox_of(MemoryLedger())
    outbox.put(kept, records)
    assert outbox.pending() == (kept, records)


def test_a_cleared_outbox_is_empty():
    """And so is one that was never used, or one of a format that we do not know."""
    ledger = MemoryLedger()
    outbox = outbox_of(ledger)
    assert outbox.pending() is None
    outbox.put([full_span()], [])
    assert outbox_of(ledger, "another").pending() is None
    outbox.clear()
    assert outbox.pending() is None
    ledger.put_value("lease.outbox", {"format": 99, "chunk": "?"})
    assert outbox.pending() is None


def test_who_lost_the_lease_neither_overwrites_nor_clears_its_successors_chunk():
    """A bridge that was paused between its last check and its write would lose spans of another that dies next."""
    now_ms = [0]
    ledger = MemoryLedger(clock=lambda: now_ms[0])
    paused = outbox_of(ledger, owner="paused")
    now_ms[0] = 61_000
    successor = outbox_of(ledger, owner="successor")
    successor.put([full_span()], [])
    with pytest.raises(LeaseLostError):
        paused.put([sample_span(1)], [])
    with pytest.raises(LeaseLostError):
        paused.clear()
    assert successor.pending() == ([full_span()], [])


def test_a_thousand_spans_take_little_room():
    """Spans of a chunk are much alike."""
    ledger = MemoryLedger()
    outbox_of(ledger).put([sample_span(number) for number in range(1_000)], [])
    assert len(str(ledger.get_value("lease.outbox"))) < 150_000


@given(records=st.lists(runs, max_size=3, unique_by=lambda run: run.run_id))
@relaxed
def test_what_is_on_its_way_is_as_good_as_exported(records: list[ExportedRun]):
    """Workers ask for it without reading the spans; what the ledger knows of later lives stays."""
    ledger = MemoryLedger()
    lease = ledger.acquire_lease(EXPORT_LEASE, "me", ttl_s=60)
    assert lease is not None
    wanted = [record.run_id for record in records]
    for name in (EXPORT_LEASE, BACKFILL_LEASE):
        outbox = outbox_of(ledger, name)
        outbox.put([full_span()], records)
        assert exported_or_pending(ledger, wanted) == {record.run_id: record for record in records}
        assert exported_or_pending(ledger, []) == {}
        outbox.clear()
        assert exported_or_pending(ledger, wanted) == {}
    ledger.record_export(lease, cursor=None, runs=[replace(record, generation=9) for record in records])
    outbox.put([full_span()], records)
    assert all(record.generation == 9 for record in exported_or_pending(ledger, wanted).values())
