"""What is on its way counts as it will once it is acknowledged: the record in Python and the statement agree."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from otel_bridge.ledger.base import ExportedRun
from otel_bridge.ledger.memory import MemoryLedger
from otel_bridge.ledger.pending import EXPORT_LEASE, dump_records, exported_or_pending, records_key

times = st.one_of(st.none(), st.integers(0, 9))
words = st.one_of(st.none(), st.sampled_from(["a", "b"]))
records = st.builds(
    ExportedRun,
    run_id=st.just("r"),
    generation=st.integers(0, 2),
    ended=st.booleans(),
    steps=st.dictionaries(st.integers(0, 3), st.tuples(st.integers(0, 9), st.integers(0, 2)), max_size=2),
    first_queue=words,
    first_started_at_ms=times,
    created_at_ms=times,
    ended_at_ms=times,
    status=st.one_of(st.none(), st.sampled_from(["failed", "completed"])),
    workflow=words,
    failed_step=st.one_of(st.none(), st.tuples(st.integers(0, 3), st.integers(0, 2))),
)


@given(stored=st.one_of(st.none(), records), new=records)
def test_a_record_on_its_way_reads_as_it_will_once_it_is_acknowledged(
    stored: ExportedRun | None, new: ExportedRun
) -> None:
    """Workers read it before, the bridge writes it after: a run must not change its life between the two."""
    ledger = MemoryLedger()
    lease = ledger.acquire_lease(EXPORT_LEASE, "a", ttl_s=30)
    assert lease is not None
    if stored is not None:
        ledger.record_export(lease, cursor=None, runs=[stored])
    ledger.put_value(records_key(EXPORT_LEASE), dump_records([new]))
    before = exported_or_pending(ledger, ["r"])
    ledger.record_export(lease, cursor=None, runs=[new])
    assert before == ledger.exported(["r"])
    ledger.close()
