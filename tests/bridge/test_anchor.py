"""``root="anchor"``: a root at the beginning, an outcome at the end, each once, whatever happens in between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dbos import run_dbos_database_migrations

from dashboard.actions import cancel
from examples.fake_collector import FakeCollector, attributes
from otel_bridge import OTelBridge
from otel_bridge.otlp import DeliveryStoppedError
from otel_bridge.spans import SpanData, ids
from otel_bridge.testing import MemoryStateStore, make_run, make_step
from tests.actions.world import World
from tests.bridge.rows import Bridges, put_ended
from tests.otlp.samples import ListTransport
from tests.waiting import until


def reported(transport: ListTransport) -> list[tuple[str, str | None]]:
    """Return the names of what was sent, and of its parents."""
    names = {span.span_id: span.name for span in transport.spans}
    return [(span.name, names.get(span.parent_id) if span.parent_id else None) for span in transport.spans]


def sent(transport: ListTransport, name: str) -> SpanData:
    """Return the one span of that name."""
    (span,) = [span for span in transport.spans if span.name == name]
    return span


def test_an_open_run_has_its_root_at_once_and_its_outcome_at_the_end(
    store: MemoryStateStore, transport: ListTransport, bridges: Bridges
) -> None:
    """The root has no length and no status; the outcome has both, and is as long as the run was."""
    at = store.now_ms()
    store.put_run(make_run("r", workflow="order", status="running", created_at_ms=at, started_at_ms=at))
    bridge = bridges(root="anchor")
    bridge.run_once()
    root = sent(transport, "order")
    assert (root.span_id, root.parent_id, root.start_ns, root.end_ns) == (
        ids.root_span_id("r"), None, at * 1_000_000, at * 1_000_000,
    )  # fmt: skip
    assert "durable.run.status" not in root.attributes
    store.put_step(make_step("r", 1, started_at_ms=at + 10, finished_at_ms=at + 20))
    store.put_run(
        make_run("r", workflow="order", status="failed", created_at_ms=at, started_at_ms=at, finished_at_ms=at + 50)
    )
    bridge.run_once()
    bridge.run_once()
    assert reported(transport) == [("order", None), ("charge", "order"), ("run", "order")]
    outcome = sent(transport, "run")
    assert (outcome.start_ns, outcome.end_ns) == (at * 1_000_000, (at + 50) * 1_000_000)
    assert outcome.attributes["durable.run.status"] == "failed"
    assert outcome.error is not None


def test_a_run_that_ends_between_two_looks_has_the_same_shape(
    store: MemoryStateStore, transport: ListTransport, bridges: Bridges
) -> None:
    """What a trace looks like does not depend on when somebody looked."""
    put_ended(store, "r", steps=1, workflow="order")
    bridges(root="anchor").run_once()
    assert reported(transport) == [("order", None), ("charge", "order"), ("run", "order")]


@pytest.mark.parametrize(("first", "then"), [("end", "anchor"), ("anchor", "end")])
def test_a_run_that_is_open_when_the_setting_changes_still_has_one_root(
    store: MemoryStateStore, transport: ListTransport, bridges: Bridges, first: str, then: str
) -> None:
    """What was begun is brought to its end as it was begun; a root is sent once."""
    at = store.now_ms()
    store.put_run(make_run("r", workflow="order", status="running", created_at_ms=at, started_at_ms=at))
    store.put_step(make_step("r", 1, started_at_ms=at + 10, finished_at_ms=at + 20))
    for root in (first, then):
        bridge = bridges(root=root)
        bridge.run_once()
        bridge.stop()
    store.put_run(
        make_run("r", workflow="order", status="completed", created_at_ms=at, started_at_ms=at, finished_at_ms=at + 50)
    )
    bridges(root=then).run_once()
    assert sorted(reported(transport), key=str) == [("charge", "order"), ("order", None), ("run", "order")]


def test_a_collector_that_was_down_at_the_beginning_gets_the_root_as_it_was(
    store: MemoryStateStore, bridges: Bridges
) -> None:
    """A bridge that dies on the way leaves it in the outbox; the next sends that, though the row says more by now."""
    at = store.now_ms()
    store.put_run(make_run("r", workflow="order", status="pending", queue="slow", created_at_ms=at))

    class Down(ListTransport):
        def send(self, spans):  # type: ignore[no-untyped-def]
            super().send(spans)
            raise DeliveryStoppedError("killed")

    down, up = Down(), ListTransport()
    killed = bridges(root="anchor", exporter=down)
    with pytest.raises(DeliveryStoppedError):
        killed.run_once()
    killed.stop()
    store.put_run(
        make_run("r", workflow="order", status="running", queue="_dbos_internal_queue", created_at_ms=at,
                 started_at_ms=at + 9, recovery_attempts=2)
    )  # fmt: skip
    bridges(root="anchor", exporter=up).run_once()
    assert up.spans == down.spans
    assert up.spans[0].attributes["durable.queue.name"] == "slow"


def test_a_run_that_is_deleted_before_its_end_was_seen_has_an_outcome_too(
    store: MemoryStateStore, transport: ListTransport, bridges: Bridges
) -> None:
    """All that is known of it is that nobody knows how it ended."""
    at = store.now_ms()
    store.put_run(make_run("r", workflow="order", status="running", created_at_ms=at, started_at_ms=at))
    bridge: OTelBridge = bridges(root="anchor")
    bridge.run_once()
    bridge.stop()
    store.delete_run("r")
    bridges(root="anchor").run_once()
    assert reported(transport) == [("order", None), ("run", "order")]
    assert sent(transport, "run").attributes["durable.run.status"] == "unknown"


@pytest.fixture(params=["sqlite", "postgres"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A database and a worker."""
    url = request.getfixturevalue(f"{request.param}_url")
    run_dbos_database_migrations(url)
    made = World(url, tmp_path)
    made.worker("--present")
    yield made
    made.close()


def test_the_backend_has_the_root_of_a_suspended_run(world: World, collector: FakeCollector) -> None:
    """Real DBOS: root and finished steps while it waits; then it is cancelled, and its outcome comes, once."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.http_url}
    bridge = OTelBridge(world.url, root="anchor", start_from="beginning", environ=environ, poll_interval_s=0.02)
    with bridge:
        world.start("saga", "a", run_id="s1")
        root = (ids.trace_id("s1"), ids.root_span_id("s1"))
        until(lambda: root in collector.spans and len(collector.spans) > 1, what="the root and a step")
        assert collector.spans[root].start_time_unix_nano == collector.spans[root].end_time_unix_nano
        cancel.cancel(world.ctx, "s1", actor="ann")
        outcome = (ids.trace_id("s1"), ids.outcome_span_id("s1"))
        until(lambda: outcome in collector.spans, what="the outcome")
    assert attributes(collector.spans[outcome])["durable.run.status"] == "cancelled"
    assert collector.spans[outcome].parent_span_id == ids.root_span_id("s1")
    assert collector.copies[root] == collector.copies[outcome] == 1
