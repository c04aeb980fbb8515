"""What every ledger promises, wherever it lives."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from otel_bridge.errors import LeaseLostError
from otel_bridge.ledger import Ledger
from otel_bridge.ledger.base import (
    COPIED,
    REVIVED,
    AuditEntry,
    Cursor,
    Executor,
    ExportedRun,
    InFlightStep,
    Lease,
    PastLife,
    UpdateValidator,
)
from otel_bridge.model.runs import Waiting
from otel_bridge.model.values import StoredValue
from otel_bridge.testing import make_run, make_step
from tests.waiting import until

LONG_S = 30.0


def hold(ledger: Ledger, owner: str = "a", *, ttl_s: float = LONG_S) -> Lease:
    lease = ledger.acquire_lease("export", owner, ttl_s=ttl_s)
    assert lease is not None
    return lease


# -- lease --------------------------------------------------------------------------------------------------------


def test_one_owner_holds_a_lease_and_others_get_none(ledger: Ledger) -> None:
    """While a lease lasts, nobody else gets it, and everybody sees who holds it."""
    lease = hold(ledger)
    assert ledger.acquire_lease("export", "b", ttl_s=LONG_S) is None
    assert ledger.lease_holder("export") == lease


def test_leases_of_other_names_are_independent(ledger: Ledger) -> None:
    """A name is a lease of its own."""
    hold(ledger)
    assert ledger.acquire_lease("retention", "b", ttl_s=LONG_S) is not None
    assert ledger.lease_holder("nobody holds this") is None


def test_renewing_keeps_the_token_and_extends_the_end(ledger: Ledger) -> None:
    """Renewal is not a hand-over: what the holder writes stays accepted."""
    first = hold(ledger, ttl_s=1)
    renewed = hold(ledger, ttl_s=LONG_S)
    assert renewed.token == first.token
    assert renewed.expires_at_ms > first.expires_at_ms
    ledger.record_export(first, cursor=Cursor(steps_ms=1, runs_ms=1), runs=[])


def test_an_expired_lease_is_taken_over_with_a_greater_token(ledger: Ledger) -> None:
    """A holder that stops renewing loses the lease when its time is up."""
    first = hold(ledger, ttl_s=0.15)
    taken: list[Lease] = []

    def taken_over() -> bool:
        taken.extend(filter(None, [ledger.acquire_lease("export", "b", ttl_s=LONG_S)]))
        return bool(taken)

    until(taken_over, timeout_s=5)
    assert taken[0].token > first.token


def test_a_released_lease_is_free_at_once_with_a_greater_token(ledger: Ledger) -> None:
    """A graceful stop hands over without waiting for the expiry; the old token is worth nothing then."""
    first = hold(ledger)
    ledger.release_lease(first)
    assert ledger.lease_holder("export") is None
    second = hold(ledger, "b")
    assert second.token > first.token
    ledger.release_lease(first)
    assert ledger.lease_holder("export") == second


def test_the_same_owner_gets_a_new_token_after_it_released(ledger: Ledger) -> None:
    """What was written before the release stays recognisable as older."""
    first = hold(ledger)
    ledger.release_lease(first)
    assert hold(ledger).token > first.token


def test_many_threads_race_and_exactly_one_wins(ledger: Ledger) -> None:
    """A race for a free lease has one winner."""
    barrier, won = threading.Barrier(6), []

    def race(owner: str) -> None:
        barrier.wait()
        if ledger.acquire_lease("export", owner, ttl_s=LONG_S):
            won.append(owner)

    threads = [threading.Thread(target=race, args=(f"t{n}",), daemon=True) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(won) == 1


# -- export -------------------------------------------------------------------------------------------------------

RUN = ExportedRun(
    run_id="run-1",
    steps={
        1: (1_700_000_000_123, 0),
        2: (1_700_000_000_456, 0),
        7: (1_700_000_009_000, 1),
        9: (1_700_000_000_000, COPIED),
    },
    first_queue="orders",
    first_started_at_ms=1_700_000_000_000,
    created_at_ms=1_699_999_999_000,
    workflow="order",
    failed_step=(7, 1),
)


def test_a_new_ledger_knows_nothing(ledger: Ledger) -> None:
    """Nothing is invented: no cursor, no runs, no executors, no entries."""
    assert ledger.cursor() is None
    assert ledger.exported(["run-1"]) == {}
    assert ledger.exported([]) == {}
    assert ledger.open_exports(limit=10) == []
    assert ledger.executors() == []
    assert ledger.audit() == []


def test_what_was_exported_is_read_back_as_written(ledger: Ledger) -> None:
    """Every field survives, the exported steps with their ends and generations included."""
    ledger.record_export(hold(ledger), cursor=Cursor(steps_ms=5, runs_ms=6), runs=[RUN])
    assert ledger.exported(["run-1", "unknown"]) == {"run-1": RUN}
    assert ledger.cursor() == Cursor(steps_ms=5, runs_ms=6)


def test_progress_without_a_cursor_keeps_the_cursor(ledger: Ledger) -> None:
    """A batch may acknowledge runs without moving the cursor."""
    lease = hold(ledger)
    ledger.record_export(lease, cursor=Cursor(steps_ms=5, runs_ms=6), runs=[])
    ledger.record_export(lease, cursor=None, runs=[RUN])
    assert ledger.cursor() == Cursor(steps_ms=5, runs_ms=6)


def test_a_backfill_alone_moves_no_cursor(ledger: Ledger) -> None:
    """Where a bridge begins is its own business, whatever else was exported."""
    ended = ExportedRun(run_id="r", ended=True, ended_at_ms=1)
    ledger.record_export(hold(ledger), cursor=None, runs=[ended])
    assert ledger.cursor() is None


def test_later_progress_replaces_the_steps_and_keeps_what_was_first_seen(ledger: Ledger) -> None:
    """The engine overwrites queue and start on recovery, so the first answer stays."""
    lease = hold(ledger)
    ledger.record_export(lease, cursor=None, runs=[RUN])
    later = replace(
        RUN,
        steps={1: (9, 1)},
        first_queue="_internal",
        first_started_at_ms=2,
        ended=True,
        ended_at_ms=3,
        status="failed",
    )
    ledger.record_export(lease, cursor=None, runs=[later])
    expected = replace(later, first_queue="orders", first_started_at_ms=RUN.first_started_at_ms)
    assert ledger.exported(["run-1"]) == {"run-1": expected}


def test_a_stale_lease_writes_nothing(ledger: Ledger) -> None:
    """Fencing: after a hand-over the old holder's write is refused whole, cursor included."""
    stale = hold(ledger)
    ledger.release_lease(stale)
    hold(ledger, "b")
    with pytest.raises(LeaseLostError) as caught:
        ledger.record_export(stale, cursor=Cursor(steps_ms=1, runs_ms=1), runs=[RUN])
    assert caught.value.owner == "a"
    assert ledger.cursor() is None
    assert ledger.exported(["run-1"]) == {}
    with pytest.raises(LeaseLostError):
        ledger.prune_exports(stale, ended_before_ms=1)


def test_open_exports_are_those_whose_end_was_not_exported_oldest_first(ledger: Ledger) -> None:
    """A restarted exporter finds what it has to finish."""
    runs = [
        ExportedRun(run_id="young", created_at_ms=20),
        ExportedRun(run_id="old", created_at_ms=10),
        ExportedRun(run_id="done", created_at_ms=1, ended=True, ended_at_ms=2),
    ]
    ledger.record_export(hold(ledger), cursor=None, runs=runs)
    assert [run.run_id for run in ledger.open_exports(limit=10)] == ["old", "young"]
    assert [run.run_id for run in ledger.open_exports(limit=1)] == ["old"]


def test_pruning_forgets_runs_that_ended_long_ago_and_nothing_else(ledger: Ledger) -> None:
    """Open runs and recent ends stay, however many there are to forget."""
    lease = hold(ledger)
    old = [ExportedRun(run_id=f"old-{n}", ended=True, ended_at_ms=n) for n in range(2_500)]
    kept = [ExportedRun(run_id="open", ended_at_ms=5), ExportedRun(run_id="new", ended=True, ended_at_ms=3_000)]
    ledger.record_export(lease, cursor=None, runs=[*old, *kept])
    assert ledger.prune_exports(lease, ended_before_ms=3_000) == 2_500
    assert ledger.exported(["old-0", "old-2499", "open", "new"]).keys() == {"open", "new"}


def test_pruning_forgets_old_facts_but_not_those_of_runs_still_reported(ledger: Ledger) -> None:
    """Traces, queues and counters are bounded too; a run still in the ledger keeps its own."""
    lease = hold(ledger)
    ledger.record_export(lease, cursor=None, runs=[ExportedRun(run_id="open")])
    for run_id, trace in (("open", "a" * 32), ("gone", "b" * 32)):
        ledger.add_traces({trace: run_id})
        ledger.remember_queues({run_id: "q"})
        ledger.bump_count(run_id, "redispatch")
        begin_life(ledger, run_id, PastLife(run=make_run(run_id), generation=0))
    ledger.prune_exports(lease, ended_before_ms=ledger.now_ms() + 60_000)
    assert (ledger.run_of_trace("a" * 32), ledger.run_of_trace("b" * 32)) == ("open", None)
    assert (ledger.original_queue("open"), ledger.original_queue("gone")) == ("q", None)
    assert (ledger.count("open", "redispatch"), ledger.count("gone", "redispatch")) == (1, 0)
    assert ledger.past_lives(["open", "gone"]).keys() == {"open"}


def begin_life(ledger: Ledger, run_id: str, life: PastLife | None = None) -> None:
    """As before a retry: keep the life that ended, or raise the generation where its end was exported."""
    ledger.begin_life(run_id, lambda exported, lives: life)


# -- generations --------------------------------------------------------------------------------------------------


def test_a_run_whose_end_was_exported_gets_a_new_generation_once(ledger: Ledger) -> None:
    """Two who notice the same revival count it once."""
    ended = replace(RUN, ended=True, ended_at_ms=10, status="failed")
    ledger.record_export(hold(ledger), cursor=None, runs=[ended])
    begin_life(ledger, "run-1")
    begin_life(ledger, "run-1")
    assert ledger.exported(["run-1"])["run-1"].generation == 1
    assert ledger.exported(["run-1"])["run-1"] == replace(ended, generation=1, ended=False)


def test_a_run_whose_end_was_not_exported_keeps_its_generation(ledger: Ledger) -> None:
    """Its first life is still being reported."""
    ledger.record_export(hold(ledger), cursor=None, runs=[RUN])
    begin_life(ledger, "run-1")
    begin_life(ledger, "never seen")
    assert {run_id: run.generation for run_id, run in ledger.exported(["run-1", "never seen"]).items()} == {"run-1": 0}


def test_an_exporter_that_read_before_a_retry_does_not_undo_it(ledger: Ledger) -> None:
    """The raised generation wins over a write that was computed before it."""
    lease = hold(ledger)
    ended = replace(RUN, ended=True, ended_at_ms=10, status="failed")
    ledger.record_export(lease, cursor=None, runs=[ended])
    begin_life(ledger, "run-1")
    late = replace(ended, steps={**RUN.steps, 8: (11, 0)})
    ledger.record_export(lease, cursor=None, runs=[late])
    stored = ledger.exported(["run-1"])["run-1"]
    assert (stored.generation, stored.ended, stored.steps) == (1, False, late.steps)


LIFE = PastLife(
    run=make_run("run-1", status="failed", attributes={"tags": ["a"]}, waiting=Waiting("signal", "x", 5)),
    generation=0,
    steps=(
        make_step("run-1", 1, output=StoredValue("big", None, 3)),
        make_step("run-1", 3, status="failed", folded=(2, 4), error=StoredValue("no \udcff", "py_pickle", 6)),
    ),
    error=StoredValue("why", "py_pickle", 3),
)


def test_a_life_begins_in_one_transaction(ledger: Ledger) -> None:
    """What was not exported is kept, or the generation is raised; the first queue stays; each revival counts."""
    ended = replace(RUN, ended=True, ended_at_ms=10, status="failed", first_queue=None)
    asked: list[tuple[bool, list[int]]] = []

    def to_keep(exported: ExportedRun | None, lives: Sequence[PastLife]) -> PastLife | None:
        asked.append((exported is not None, [life.generation for life in lives]))
        return None if exported is not None else LIFE

    assert ledger.begin_life("run-1", to_keep, queue="first") == "first"
    assert ledger.begin_life("run-1", to_keep, queue="second") == "first"
    assert [life.generation for life in ledger.past_lives(["run-1"])["run-1"]] == [0]
    ledger.record_export(hold(ledger), cursor=None, runs=[ended])
    assert ledger.begin_life("run-1", to_keep) == "first"
    assert ledger.exported(["run-1"])["run-1"].generation == 1
    assert asked == [(False, []), (False, [0]), (True, [0])]
    assert ledger.count("run-1", REVIVED) == 3
    assert ledger.begin_life("run-2", lambda exported, lives: None) is None


def test_who_is_alive_comes_with_the_time(ledger: Ledger) -> None:
    """Also when nobody is there."""
    before = ledger.now_ms()
    nobody, now_ms = ledger.executors_now()
    assert (nobody, now_ms >= before) == ([], True)
    ledger.heartbeat(Executor(instance_id="i", executor_id="e", beat_at_ms=0, started_at_ms=1))
    found, now_ms = ledger.executors_now()
    assert found == ledger.executors()
    assert found[0].beat_at_ms <= now_ms


def test_a_kept_life_is_read_back_until_it_is_forgotten(ledger: Ledger) -> None:
    """Every fact but the outputs of steps, which no span tells; oldest first; the first answer stays."""
    second = replace(LIFE, generation=1, error=None)
    other = replace(LIFE, run=replace(LIFE.run, id="run-2"))
    for life in (second, LIFE, other, replace(LIFE, steps=())):
        begin_life(ledger, life.run.id, life)
    kept = replace(LIFE, steps=(make_step("run-1", 1), *LIFE.steps[1:]))
    found = ledger.past_lives(["run-1", "unknown"])
    assert found == {"run-1": [kept, replace(kept, generation=1, error=None)]}
    ledger.forget_lives({"run-1": 0, "unknown": 5})
    assert [life.generation for life in ledger.past_lives(["run-1"])["run-1"]] == [1]
    ledger.forget_lives({})
    ledger.forget_lives({"run-1": 1})
    assert ledger.past_lives(["run-1", "run-2"]).keys() == {"run-2"}
    assert ledger.past_lives([]) == {}


# -- facts about runs -----------------------------------------------------------------------------------------------


def test_the_first_queue_a_run_was_seen_on_stays(ledger: Ledger) -> None:
    """The engine moves a retried run to its internal queue; the ledger remembers."""
    ledger.remember_queues({"r1": "orders", "r2": "mail"})
    ledger.remember_queues({"r1": "_dbos_internal_queue"})
    ledger.remember_queues({})
    assert [ledger.original_queue(run_id) for run_id in ("r1", "r2", "r3")] == ["orders", "mail", None]


def test_the_queue_an_exporter_saw_first_counts_too(ledger: Ledger) -> None:
    """What the export recorded need not be remembered twice."""
    ledger.record_export(hold(ledger), cursor=None, runs=[RUN, ExportedRun(run_id="direct")])
    assert ledger.original_queue("run-1") == "orders"
    assert ledger.original_queue("direct") is None


def test_counters_are_kept_per_run_and_purpose(ledger: Ledger) -> None:
    """Counting one thing leaves the others alone."""
    assert ledger.count("r1", "redispatch") == 0
    assert [ledger.bump_count("r1", "redispatch") for _ in range(3)] == [1, 2, 3]
    assert ledger.bump_count("r1", "other") == 1
    assert (ledger.count("r1", "redispatch"), ledger.count("r2", "redispatch")) == (3, 0)


# -- presence -----------------------------------------------------------------------------------------------------

EXECUTOR = Executor(
    instance_id="i1",
    executor_id="local",
    beat_at_ms=0,
    started_at_ms=5,
    app_name="orders",
    app_version="v1",
    host="box",
    pid=42,
    sdk="python",
    queues=("orders",),
    workflows=("order", "mail"),
    in_flight=(InFlightStep(run_id="r1", seq=3, name="charge", started_at_ms=9, attempt=2),),
    in_flight_total=1,
    runs=("r1", "r2"),
    runs_total=2,
    busy={"orders": 2},
    serializer="py_pickle",
    validators=(UpdateValidator(workflow="order", name="address", schema={"type": "string"}),),
)


def test_a_beat_replaces_the_row_and_is_stamped_by_the_ledger(ledger: Ledger) -> None:
    """Clocks of workers do not matter, and a worker has one row."""
    before = ledger.now_ms()
    ledger.heartbeat(replace(EXECUTOR, in_flight=(), in_flight_total=0))
    ledger.heartbeat(EXECUTOR)
    (executor,) = ledger.executors()
    assert before <= executor.beat_at_ms <= ledger.now_ms()
    assert replace(executor, beat_at_ms=0) == EXECUTOR
    assert executor.is_live(ledger.now_ms())


def test_executors_that_stopped_beating_long_ago_are_forgotten(ledger: Ledger) -> None:
    """Rows of lost workers do not pile up."""
    ledger.heartbeat(EXECUTOR)
    assert ledger.prune_executors(beat_before_ms=ledger.now_ms() - 60_000) == 0
    assert ledger.prune_executors(beat_before_ms=ledger.now_ms() + 60_000) == 1
    assert ledger.executors() == []


def test_an_executor_with_thousands_of_steps_in_flight_keeps_a_bounded_row(ledger: Ledger) -> None:
    """The row tells some of them and the true number."""
    steps = tuple(InFlightStep(run_id=f"r{n}", seq=1, name="s", started_at_ms=n) for n in range(5_000))
    ledger.heartbeat(replace(EXECUTOR, in_flight=steps, in_flight_total=5_000))
    (executor,) = ledger.executors()
    assert len(executor.in_flight) == 500
    assert executor.in_flight_total == 5_000


# -- traces, audit, values ----------------------------------------------------------------------------------------


def test_a_trace_id_leads_to_its_run(ledger: Ledger) -> None:
    """In either case of letters; anything that is not a trace id leads nowhere."""
    ledger.add_traces({"0af7651916cd43dd8448eb211c80319c": "r1", "not a trace": "r2"})
    ledger.add_traces({})
    assert ledger.run_of_trace("0AF7651916CD43DD8448EB211C80319C") == "r1"
    assert [ledger.run_of_trace(trace) for trace in ("f" * 32, "not a trace", "", "ab")] == [None] * 4


def test_the_audit_log_is_paged_newest_first(ledger: Ledger) -> None:
    """Entries carry ids, by which older pages are asked for; a run's own can be asked for alone."""
    entries = [
        AuditEntry(at_ms=n, actor="ann", action="retry", run_id=f"r{n % 2}", outcome="ok", params={"n": n})
        for n in range(5)
    ]
    ids = [ledger.add_audit(entry) for entry in entries]
    assert ids == sorted(ids)
    page = ledger.audit(limit=2)
    assert page == [replace(entries[n], id=ids[n]) for n in (4, 3)]
    assert [entry.at_ms for entry in ledger.audit(before_id=page[-1].id)] == [2, 1, 0]
    assert [entry.at_ms for entry in ledger.audit(run_id="r1")] == [3, 1]
    assert [entry.at_ms for entry in ledger.audit(run_id="r1", before_id=ids[3])] == [1]


def test_values_are_shared_and_the_first_can_be_kept(ledger: Ledger) -> None:
    """Two processes that make up a secret at once end up with the same one."""
    assert ledger.get_value("secret") is None
    assert ledger.put_value("secret", {"key": "one"}, only_if_absent=True) == {"key": "one"}
    assert ledger.put_value("secret", {"key": "two"}, only_if_absent=True) == {"key": "one"}
    assert ledger.put_value("secret", [3]) == [3]
    assert ledger.get_value("secret") == [3]


def test_a_closed_ledger_may_be_closed_again_and_used_again(ledger: Ledger) -> None:
    """Closing releases connections, nothing else."""
    ledger.put_value("k", 1)
    ledger.close()
    ledger.close()
    assert ledger.get_value("k") == 1


def test_what_was_done_to_some_runs_is_read_at_once(ledger: Ledger) -> None:
    """Oldest first; what was refused was not done."""
    for number, (run_id, action, outcome) in enumerate(
        [("a", "retry", "done"), ("a", "cancel", "done"), ("b", "move", "done"), ("a", "retry", "refused")], 1
    ):
        ledger.add_audit(AuditEntry(at_ms=number, actor="ada", action=action, run_id=run_id, outcome=outcome))
    ledger.add_audit(AuditEntry(at_ms=9, actor="bob", action="retry", run_id="a", outcome="done"))
    found = ledger.audit_of_runs(["a", "b", "nobody"], ("retry", "move"))
    assert {run_id: [entry.at_ms for entry in entries] for run_id, entries in found.items()} == {"a": [1, 9], "b": [3]}
