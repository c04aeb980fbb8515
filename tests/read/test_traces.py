"""Search by what a trace viewer shows: the id of a trace."""

from __future__ import annotations

import pytest

from otel_bridge.spans import ids
from otel_bridge.testing import MemoryLedger, MemoryStateStore, make_run
from tests.story import mounted

TRACE = ids.trace_id("order-1").hex()


@pytest.mark.parametrize("typed", [TRACE, TRACE.upper()])
def test_a_trace_id_finds_its_run_wherever_there_is_a_filter(typed: str) -> None:
    """That run alone, not those whose ids begin like its: list, counts, activity and bulk preview."""
    store, ledger = MemoryStateStore(), MemoryLedger()
    for run_id, status in (("order-1", "failed"), ("order-10", "failed"), ("order-2", "completed")):
        store.put_run(make_run(run_id, status=status))  # type: ignore[arg-type]
    ledger.add_traces({TRACE: "order-1"})
    with mounted(store, ledger=ledger) as app:
        client = app.test_client()

        def ask(path: str) -> object:
            return client.get(f"/durable/api/{path}").json

        assert [row["id"] for row in ask(f"runs?q={typed}")] == ["order-1"]  # type: ignore[attr-defined]
        assert ask(f"runs?q={typed}&status=completed") == []
        counted = {facet["status"]: facet["count"] for facet in ask(f"runs/facets?q={typed}") if facet["count"]}  # type: ignore[attr-defined]
        assert counted == {"failed": 1}
        buckets = ask(f"activity?q={typed}&since=2001-01-01T00:00:00Z&buckets=2")["buckets"]  # type: ignore[index]
        assert sum(sum(bucket["counts"].values()) for bucket in buckets) == 1
        seen = client.post(f"/durable/api/bulk/retry?dryRun=true&q={typed}", json={}).json
        assert seen["matched"] == 1  # type: ignore[index]


def test_a_text_that_looks_like_a_trace_id_and_is_none_is_the_beginning_of_a_run_id() -> None:
    """Ids of 32 hexadecimal digits are common; nothing is looked through for a trace that nobody exported."""
    store, ledger = MemoryStateStore(), MemoryLedger()
    store.put_run(make_run("ab" * 16))
    with mounted(store, ledger=ledger) as app:
        (row,) = app.test_client().get(f"/durable/api/runs?q={'ab' * 16}").json  # type: ignore[misc]
    assert row["id"] == "ab" * 16
