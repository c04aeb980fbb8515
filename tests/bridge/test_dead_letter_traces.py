"""A run that killed every worker it met, its dead letter and its retry, as traces. Real engine, real kills."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dbos import run_dbos_database_migrations

from dashboard.actions import retry
from dashboard.caretaker.caretaker import Caretaker, CaretakerSettings
from examples.fake_collector import FakeCollector, attributes
from otel_bridge import OTelBridge
from otel_bridge.spans import ids
from tests.actions.world import World
from tests.waiting import until

RUN, HANDLER = "d1", "dlq:d1"


@pytest.fixture
def world(sqlite_url: str, tmp_path: Path) -> Iterator[World]:
    """A database and workers that die of the workflow "deadly" until a file "mended" is there."""
    run_dbos_database_migrations(sqlite_url)
    made = World(sqlite_url, tmp_path)
    yield made
    made.close()


def links(span: Any) -> dict[str, tuple[bytes, bytes]]:
    """Return what a span links to, by the link's name."""
    return {attributes(link)["durable.link"]: (link.trace_id, link.span_id) for link in span.links}


def test_a_dead_run_and_its_handler_are_two_traces_that_lead_to_one_another(
    world: World, collector: FakeCollector
) -> None:
    """The dead root is an error, links to the handler's and back; a retry continues below the dead root."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.http_url}
    bridge = OTelBridge(world.url, start_from="beginning", environ=environ)
    world.start("deadly", run_id=RUN)
    first = world.launch("--present")
    until(lambda: first.ended, what="the worker to die")
    bridge.run_once()
    assert collector.spans == {}, "a run that crashed has not ended"
    world.launch("--present")
    world.reaches(RUN, "dead")
    until(Caretaker(lambda: world.ctx, CaretakerSettings(patrol_interval_s=0.0)).tick, what="the lease")
    world.reaches(HANDLER, "completed")
    bridge.run_once()

    (dead,) = collector.trace(ids.trace_id(RUN))
    (handler,) = [span for span in collector.trace(ids.trace_id(HANDLER)) if not span.parent_span_id]
    assert links(dead) == {"dead_letter": (handler.trace_id, handler.span_id)}
    assert links(handler)["dead_run"] == (dead.trace_id, dead.span_id)
    said = attributes(dead)
    assert dead.name == "deadly"
    assert (dead.parent_span_id, dead.status.code) == (b"", dead.status.STATUS_CODE_ERROR)
    assert (said["durable.run.status"], said["error.type"]) == ("dead", "MaxRecoveryAttemptsExceeded")
    assert [event.name for event in dead.events][-1] == "exception"
    assert attributes(handler)["durable.dead.run.id"] == RUN
    assert handler.status.code == handler.status.STATUS_CODE_UNSET

    world.touch("mended")
    retry.retry(world.ctx, RUN, actor="ann")
    world.reaches(RUN, "completed")
    bridge.run_once()
    bridge.stop()
    (second,) = [span for span in collector.trace(ids.trace_id(RUN)) if span.span_id != dead.span_id]
    assert (second.name, second.parent_span_id) == ("retry 1", dead.span_id)
    assert links(second) == {"previous_life": (dead.trace_id, dead.span_id)}
    assert set(collector.copies.values()) == {1}
