"""When the children of remote steps were last put on a queue: the audit log laid over steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from otel_bridge.ledger.base import AuditEntry, ExportedRun, KeptAttempt, PastLife
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


# -- a child that lived on after its parent had the result ---------------------------------------------------------


class Family:
    """A run that took the failure of its child at T + 130; what happened to the child since."""

    def __init__(self, **child: Any) -> None:
        self.store, self.ledger = MemoryStateStore(), MemoryLedger()
        first = {"status": "failed", "started_at_ms": T + 40, "finished_at_ms": T + 63}
        self.store.put_run(_run("p", T, T + 140))
        self.put_child(**{**first, **child})
        asked = Step("p", 1, "work", "remote", "failed", T + 12, T + 130, child_run_id="c", folded=(2,), has_error=True)
        self.store.put_step(asked._replace(collected_at_ms=T + 130, enqueued_at_ms=T + 12))
        self.before = self.shown()

    def put_child(self, **fields: Any) -> None:
        base = {"created_at_ms": T + 12, "queue": "q", "parent_id": "p", "executor": "e1"}
        self.store.put_run(make_run("c", **{**base, **fields}))

    def shown(self) -> Step:
        """The run's step, as every surface shows it."""
        steps = self.store.get_steps("p")
        (step,) = ChildRequeues(self.ledger, steps).over(steps, since_ms=T)
        return step._replace(child_forgotten=False, child_put_back=False)

    def retried(self, at_ms: int) -> None:
        """An action retries the child by itself."""
        child = self.store.get_run("c")
        assert child is not None
        self.ledger.keep_attempt(KeptAttempt(at_ms=at_ms, life=PastLife(run=child, generation=0)))
        ended = {"endedAs": child.status, "endedAtMs": child.finished_at_ms}
        self.note("retry", at_ms, ended)

    def note(self, action: str, at_ms: int, params: Mapping[str, Any]) -> None:
        self.ledger.add_audit(
            AuditEntry(at_ms=at_ms, actor="ada", action=action, run_id="c", outcome="done", params=params)
        )

    def exported(self, **facts: Any) -> None:
        """What a bridge remembers of the child's first life."""
        lease = self.ledger.acquire_lease("bridge", "b", ttl_s=60)
        assert lease is not None
        known = {"first_queue": "q", "first_started_at_ms": T + 40, "created_at_ms": T + 12, "workflow": "work"}
        self.ledger.record_export(lease, cursor=None, runs=[ExportedRun(run_id="c", **{**known, **facts})])


@pytest.mark.parametrize("now", ["pending", "running", "completed", "failed"])
@pytest.mark.parametrize("was", ["failed", "cancelled", "dead"])
def test_a_step_keeps_its_times_and_its_end_when_its_child_is_retried_by_itself(was: str, now: str) -> None:
    """The run has the result of the life before, whatever its child does since: in its own words, too."""
    family = Family(status=was)
    assert (family.before.status, family.before.duration_ms, family.before.queue_ms) == (was, 23, 28)
    family.retried(T + HOUR)
    began = {} if now == "pending" else {"started_at_ms": T + HOUR + 5}
    ended = {"finished_at_ms": T + HOUR + 900} if now in ("completed", "failed") else {}
    family.put_child(**{"status": now, "started_at_ms": None, **began, **ended, "executor": "e2", "queue": "other"})
    assert family.shown() == family.before
    family.retried(T + 2 * HOUR)
    family.put_child(status="completed", started_at_ms=T + 2 * HOUR + 7, finished_at_ms=T + 2 * HOUR + 8)
    assert family.shown() == family.before


def test_a_child_retried_in_the_very_second_in_which_its_result_was_taken_tells_of_the_life_before() -> None:
    """Its start is cut to that second, so its row looks like the one whose result it was."""
    second = (T + 999) // 1000 * 1000
    assert second == T
    family = Family(started_at_ms=second, finished_at_ms=second)
    family.retried(T + 400)
    family.put_child(status="completed", started_at_ms=second, finished_at_ms=second + 2_000, executor="e2")
    assert family.shown() == family.before


def test_a_child_that_failed_again_before_its_result_was_taken_tells_of_that_life() -> None:
    """It was retried before, and once more since: each action ended one life."""
    family = Family()
    family.retried(T + 70)
    family.put_child(status="failed", started_at_ms=T + 100, finished_at_ms=T + 110)
    before = family.shown()
    assert (before.duration_ms, before.queue_ms) == (10, 30)
    family.retried(T + 200)
    family.put_child(status="completed", started_at_ms=T + 230, finished_at_ms=T + 290)
    assert family.shown() == before


@pytest.mark.parametrize("how", ["rewound", "deleted"])
def test_what_was_exported_tells_of_a_child_that_the_engine_put_back_or_deleted(how: str) -> None:
    """Nobody kept its row: when it first began and ended the bridge knows."""
    family = Family()
    if how == "rewound":
        family.exported(generation=1, ended_at_ms=T + 63, steps={1: (T + 60, 0)}, status="failed")
        family.note("resume", T + HOUR, {"life": 1, "endedAs": "failed", "endedAtMs": T + 63, "unseen": True})
        family.put_child(status="completed", started_at_ms=T + HOUR, finished_at_ms=T + HOUR + 900)
    else:
        family.exported(ended=True, ended_at_ms=T + 63, steps={1: (T + 60, 0)}, status="failed")
        family.store.delete_run("c")
    assert family.shown()._replace(executor="e1") == family.before
