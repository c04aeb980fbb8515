"""The outbox: what it keeps comes back exactly as it was."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from otel_bridge.bridge.outbox import Outbox
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


relaxed = settings(deadline=None, max_examples=60)


@relaxed
@given(kept=st.lists(spans, max_size=3), records=st.lists(runs, max_size=3))
def test_spans_and_records_come_back_as_they_were(kept: list[SpanData], records: list[ExportedRun]):
    """To the last byte: a repeat must be no different from the first."""
    outbox = Outbox(MemoryLedger(), "lease")
    outbox.put(kept, records)
    assert outbox.pending() == (kept, records)


def test_a_cleared_outbox_is_empty():
    """And so is one that was never used, or one of a format that we do not know."""
    ledger = MemoryLedger()
    outbox = Outbox(ledger, "lease")
    assert outbox.pending() is None
    outbox.put([full_span()], [])
    assert Outbox(ledger, "another").pending() is None
    outbox.clear()
    assert outbox.pending() is None
    ledger.put_value("lease.outbox", {"format": 99, "chunk": "?"})
    assert outbox.pending() is None


def test_a_thousand_spans_take_little_room():
    """Spans of a chunk are much alike."""
    ledger = MemoryLedger()
    Outbox(ledger, "lease").put([sample_span(number) for number in range(1_000)], [])
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
        outbox = Outbox(ledger, name)
        outbox.put([full_span()], records)
        assert exported_or_pending(ledger, wanted) == {record.run_id: record for record in records}
        assert exported_or_pending(ledger, []) == {}
        outbox.clear()
        assert exported_or_pending(ledger, wanted) == {}
    ledger.record_export(lease, cursor=None, runs=[replace(record, generation=9) for record in records])
    outbox.put([full_span()], records)
    assert all(record.generation == 9 for record in exported_or_pending(ledger, wanted).values())
