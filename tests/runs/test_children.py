"""When the children of remote steps were last put on a queue: the audit log laid over steps."""

from __future__ import annotations

import pytest

from otel_bridge.ledger.base import AuditEntry, KeptAttempt, PastLife
from otel_bridge.model.runs import Run
from otel_bridge.model.steps import Step
from otel_bridge.runs.children import ChildRequeues
from otel_bridge.tail.changes import ChangeTail
from otel_bridge.testing import MemoryLedger, MemoryStateStore, make_run
from tests.story import mounted

T = 1_700_000_000_000
HOUR = 3_600_000


def logged(*entries: tuple[str, int]) -> MemoryLedger:
    """Return a ledger whose audit log has these actions on the child."""
    ledger = MemoryLedger()
    for action, at_ms in entries:
        ledger.add_audit(AuditEntry(at_ms=at_ms, actor="ada", action=action, run_id="c", outcome="done"))
    return ledger


def remote(started_ms: int | None = T + HOUR + 40, **fields: object) -> Step:
    """A step that the parent asked for at T + 10; its child began an hour later."""
    enqueued = None if fields.get("child_put_back") else T + 10
    step = Step("p", 1, "work", "remote", "completed", started_ms, enqueued_at_ms=enqueued, child_run_id="c")
    return step._replace(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("entries", "step", "queue_ms"),
    [
        ([], remote(), HOUR + 30),
        ([("retry", T + HOUR)], remote(), 40),
        ([("retry", T + HOUR)], remote(child_put_back=True), 40),
        ([("retry", T + HOUR // 2), ("move", T + HOUR)], remote(), 40),
        ([("resume", T + HOUR)], remote(), None),
        ([("cancel", T + HOUR)], remote(), HOUR + 30),
        ([("retry", T + 2 * HOUR)], remote(), HOUR + 30),
        ([("retry", T - HOUR)], remote(child_put_back=True), None),
        ([("retry", T + HOUR + 900)], remote(), 0),
    ],
)
def test_a_remote_step_waits_since_its_child_was_last_put_on_its_queue(
    entries: list[tuple[str, int]], step: Step, queue_ms: int | None
) -> None:
    """Not since the parent asked. A later action began another life; one before the run was done to another run."""
    (shown,) = ChildRequeues(logged(*entries), [step]).over([step], since_ms=T)
    assert shown.queue_ms == queue_ms


def test_a_child_that_waits_on_its_queue_again_waits_since_then() -> None:
    """Also where the engine put it there: while it is queued that time is known."""
    for action in ("retry", "resume"):
        step = remote(None, status="pending")
        (shown,) = ChildRequeues(logged((action, T + HOUR)), [step]).over([step])
        assert shown.enqueued_at_ms == T + HOUR


def test_an_action_that_is_not_in_the_log_yet_counts_for_what_has_just_changed() -> None:
    """A worker may take the child before the action that put it back has written what it did."""
    ledger, step = logged(), remote()
    ledger.keep_attempt(KeptAttempt(at_ms=T + HOUR, life=PastLife(run=make_run("c"), generation=0)))
    assert ChildRequeues(ledger, [step], just_now=True).over([step])[0].queue_ms == 40
    assert ChildRequeues(ledger, [step]).over([step])[0].queue_ms == HOUR + 30


def story() -> tuple[MemoryStateStore, MemoryLedger]:
    """A parent whose child failed, was retried through the API an hour later onto its own queue, and completed."""
    store, ledger = MemoryStateStore(), logged(("retry", T + HOUR))
    store.put_run(_run("p", T, None))
    store.put_run(_run("c", T + HOUR + 40, T + HOUR + 90, queue="q", parent_id="p"))
    store.put_step(remote(None, finished_at_ms=None))
    return store, ledger


def _run(run_id: str, started_ms: int, finished_ms: int | None, **fields: object) -> Run:
    return make_run(
        run_id,
        status="running" if finished_ms is None else "completed",
        created_at_ms=T,
        started_at_ms=started_ms,
        finished_at_ms=finished_ms,
        **fields,  # type: ignore[arg-type]
    )


def test_timeline_step_graph_and_event_say_how_long_a_retried_child_really_waited() -> None:
    """All from one place: what is laid over the steps."""
    store, ledger = story()
    with mounted(store, ledger=ledger) as app:
        ask = app.test_client().get
        (timed,) = ask("/durable/api/runs/p").json["timeline"]  # type: ignore[index]
        single = ask("/durable/api/runs/p/steps/1").json
        (node,) = [n for n in ask("/durable/api/runs/p/graph").json["nodes"] if n.get("seq") == 1]  # type: ignore[index]
        assert ask("/durable/api/runs/p/timing").json["queueMs"] == 40  # type: ignore[index]
        (change,) = [one for one in ChangeTail(store, ledger=ledger, since_ms=T).poll() if one.run.id == "p"]
    (ended,) = [event for event in change.events if event.seq == 1]
    assert [timed["queueMs"], single["queueMs"], node["queueMs"], ended.queue_ms] == [40, 40, 40, 40]  # type: ignore[index]
