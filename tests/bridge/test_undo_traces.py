"""An undo as a trace: each compensation leads to the step that it undid. Real engine, real worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dbos import run_dbos_database_migrations

from dashboard.actions import cancel, retry
from examples.fake_collector import FakeCollector, attributes
from otel_bridge import OTelBridge
from otel_bridge.model import names as engine_names
from otel_bridge.runs.undo import pair, with_compensated
from otel_bridge.spans import ids
from otel_bridge.store.base import StateStore
from otel_bridge.testing import MemoryStateStore, make_step
from tests.actions.world import World


@pytest.fixture
def world(sqlite_url: str, tmp_path: Path) -> Iterator[World]:
    """A database and a worker that has the workflow "saga": compensated steps."""
    run_dbos_database_migrations(sqlite_url)
    made = World(sqlite_url, tmp_path)
    made.worker("--present")
    yield made
    made.close()


@pytest.mark.parametrize("looks", [True, False], ids=["seen stuck", "seen afterwards"])
def test_each_compensation_links_to_the_step_that_it_undid_also_when_it_was_stuck(
    looks: bool, world: World, collector: FakeCollector
) -> None:
    """In the undone run's trace, last first; the stuck one again, once the undo was retried."""
    bridge = OTelBridge(world.url, start_from="beginning", environ={"OTEL_EXPORTER_OTLP_ENDPOINT": collector.http_url})
    world.touch("break-undo-b")
    world.start("saga", "a", "b", "c", run_id="s1")
    world.waits("s1", "signal", "go")
    cancel.cancel(world.ctx, "s1", actor="ann", compensate=True)
    world.reaches("undo:s1", "failed")
    if looks:
        bridge.run_once()
    world.remove("break-undo-b")
    retry.retry(world.ctx, "undo:s1", actor="ann")
    world.reaches("undo:s1", "completed")
    bridge.run_once()
    bridge.stop()
    spans = collector.trace(ids.trace_id("s1"))
    there = {span.span_id for span in spans}
    undone = [
        (attributes(span)["durable.step.compensates"], link.span_id)
        for span in sorted(spans, key=lambda span: span.start_time_unix_nano)
        if span.name == "compensate:book"
        for link in span.links
        if attributes(link)["durable.link"] == "compensates"
    ]
    assert undone == [(seq, ids.step_span_id("s1", seq)) for seq in (3, 2, 1, 2)]
    assert {span_id for _, span_id in undone} <= there


def test_a_child_that_was_undone_has_its_turn_too_and_what_no_plan_tells_stays_as_it_is() -> None:
    """The turns are the plan's; other steps of the undo take none."""
    steps = [
        make_step(seq=1, name=engine_names.PLAN_STEP),
        make_step(seq=2, name=engine_names.UNDO_WORKFLOW, kind="remote", child_run_id="undo:child"),
        make_step(seq=3, name="compensate:book"),
        make_step(seq=4, name="compensate:unplanned"),
    ]
    assert [step.compensates for step in pair(steps, [7, None])] == [None, 7, None, None]
    store: StateStore = MemoryStateStore()
    assert with_compensated(store, "undo:r", steps) == steps
    assert with_compensated(store, "undo:r", []) == []
