"""Tokens, failures and dispositions, on every kind of ledger."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otel_bridge.ledger import Ledger, MemoryLedger
from otel_bridge.ledger.base import (
    Assignment,
    AuditEntry,
    Disposition,
    ErrorSignature,
    Executor,
    Failure,
    InterruptedStep,
    SavedView,
    Token,
)
from otel_bridge.ledger.tables.failures import ErrorKey, RunKey

# -- tokens -----------------------------------------------------------------------------------------------------

HASH = hashlib.sha256(b"secret").digest()
TOKEN = Token(id="t1", name="ci", role="viewer", scopes=("runs:read",), created_by="ada", expires_at_ms=2**50)


def test_a_token_is_found_by_the_hash_of_its_secret_until_it_is_revoked(ledger: Ledger) -> None:
    """What comes back says everything but the secret."""
    made = ledger.add_token(TOKEN, secret_hash=HASH)
    assert made == replace(TOKEN, created_at_ms=made.created_at_ms)
    assert ledger.token_of(HASH) == made
    assert ledger.token_of(hashlib.sha256(b"guess").digest()) is None
    assert made.is_good(ledger.now_ms())
    assert not made.is_good(2**50)
    assert ledger.revoke_token("t1")
    assert not ledger.revoke_token("t1")
    assert not ledger.revoke_token("t2")
    revoked = ledger.token_of(HASH)
    assert revoked is not None
    assert not revoked.is_good(ledger.now_ms())
    assert ledger.tokens() == [revoked]


def test_the_use_of_a_token_is_noted_to_the_minute() -> None:
    """However many requests come, the row is written once a minute."""
    now_ms = [1_000_000]
    ledger = MemoryLedger(clock=lambda: now_ms[0])
    token = ledger.add_token(TOKEN, secret_hash=HASH)
    seen = []
    for step_ms in (0, 59_999, 2):
        now_ms[0] += step_ms
        ledger.note_token_use(token)
        seen.append(ledger.tokens()[0].last_used_at_ms)
    assert seen == [1_000_000, 1_000_000, 1_060_001]


# -- assignments ------------------------------------------------------------------------------------------------


def test_a_wait_is_assigned_to_one_person_at_a_time(ledger: Ledger) -> None:
    """The last word counts; nobody is a word too; old ones are forgotten."""
    first = ledger.assign(Assignment(run_id="r", seq=2, assignee="bob", actor="ada"))
    assert first.at_ms > 0
    later = ledger.assign(Assignment(run_id="r", seq=2, assignee="eve", actor="bob"))
    ledger.assign(Assignment(run_id="r", seq=5, assignee="bob", actor="ada"))
    assert ledger.assignments(["r", "other"])["r", 2] == later
    ledger.unassign("r", 5)
    assert set(ledger.assignments(["r"])) == {("r", 2)}
    ledger.prune_assignments(made_before_ms=later.at_ms + 1)
    assert ledger.assignments(["r"]) == {}


# -- views ------------------------------------------------------------------------------------------------------

LATE = SavedView(view_id="a", name="late", filter={"status": ["failed"], "since": "24h"}, is_default=True, actor="ada")


def test_a_view_has_a_name_of_its_own_and_one_is_the_default(ledger: Ledger) -> None:
    """A name that is taken changes nothing; a new default takes the place of the one before."""
    made = ledger.add_view(LATE)
    assert made == replace(LATE, at_ms=made.at_ms if made else 0)
    assert ledger.add_view(replace(LATE, view_id="b")) is None
    second = ledger.add_view(SavedView(view_id="b", name="all", is_default=True, actor="bob"))
    assert second is not None
    assert [(view.name, view.is_default) for view in ledger.views()] == [("all", True), ("late", False)]
    assert ledger.change_view(replace(second, name="late")) is None
    assert ledger.change_view(replace(second, view_id="gone")) is None
    changed = ledger.change_view(replace(second, name="every", is_default=False, filter={"queue": "mail"}))
    assert changed is not None
    assert changed.filter == {"queue": "mail"}
    assert [(view.name, view.is_default) for view in ledger.views()] == [("every", False), ("late", False)]
    assert (ledger.delete_view("b"), ledger.delete_view("b")) == (True, False)


def test_an_owners_views_are_of_no_other(ledger: Ledger) -> None:
    """The same name may stand with each; nobody changes or deletes another's."""
    ledger.add_view(LATE)
    assert ledger.add_view(replace(LATE, view_id="b", owner="bob")) is not None
    assert [view.view_id for view in ledger.views(owner="bob")] == ["b"]
    assert ledger.change_view(replace(LATE, name="mine", owner="bob")) is None
    assert not ledger.delete_view("a", owner="bob")
    assert [(view.view_id, view.is_default) for view in ledger.views()] == [("a", True)]


# -- interrupted steps ----------------------------------------------------------------------------------------------

CUT = InterruptedStep(run_id="r1", seq=2, name="charge", started_at_ms=50, ended_at_ms=90, attempt=2, executor="e")


def test_what_was_reported_first_of_an_interrupted_step_stays(ledger: Ledger) -> None:
    """A worker may tell twice; another execution of the same step is another one."""
    again = replace(CUT, started_at_ms=200, ended_at_ms=210)
    ledger.add_interrupted([CUT, again])
    ledger.add_interrupted([replace(CUT, ended_at_ms=1_000)])
    assert ledger.interrupted(["r1", "r2"]) == {"r1": [CUT, again]}


def test_runs_of_which_interrupted_steps_were_reported_are_found_by_when(ledger: Ledger) -> None:
    """Those reported last, as many as are asked for."""
    ledger.add_interrupted([CUT])
    reported_at_ms = ledger.interrupted_since(0, limit=10)["r1"]
    assert abs(reported_at_ms - ledger.now_ms()) < 60_000
    assert ledger.interrupted_since(reported_at_ms + 1, limit=10) == {}
    ledger.add_interrupted([replace(CUT, run_id="r2"), replace(CUT, run_id="r3")])
    assert set(ledger.interrupted_since(reported_at_ms, limit=10)) == {"r1", "r2", "r3"}
    assert len(ledger.interrupted_since(reported_at_ms, limit=2)) == 2


# -- failures ---------------------------------------------------------------------------------------------------

CHARGE = ErrorSignature(
    fingerprint="f1", type="GatewayTimeout", step="charge", template="timeout after {} s", frame="pay"
)
MAIL = ErrorSignature(fingerprint="f2", type="KeyError", template="{}")


def failure(run_id: str, ended_at_ms: int, signature: ErrorSignature = CHARGE, **fields: str) -> Failure:
    return Failure(
        run_id=run_id,
        ended_at_ms=ended_at_ms,
        created_at_ms=ended_at_ms - 50,
        signature=signature,
        workflow="mail" if signature == MAIL else "order",
        message=f"timeout after {ended_at_ms} s",
        **fields,
    )


def test_failures_are_recorded_once_however_often_they_are_seen(ledger: Ledger) -> None:
    """Bridge, caretaker and dashboard may each see the same end; the count is that of ends."""
    first = failure("r1", 100, version="v1", queue="q", executor="e", namespace="shop")
    assert ledger.record_failures([first, failure("r2", 200)]) == 2
    assert ledger.record_failures([first, failure("r1", 300)]) == 1
    assert ledger.record_failures([]) == 0
    found = ledger.failures_of(["r1", "r2", "never failed"])
    assert found == {"r1": [first, failure("r1", 300)], "r2": [failure("r2", 200)]}
    group = ledger.errors(["f1", "unknown"])["f1"]
    assert (group.signature, group.total, group.first_seen_ms, group.last_seen_ms) == (CHARGE, 3, 100, 300)


def test_a_failure_from_before_moves_the_first_time_and_not_the_last(ledger: Ledger) -> None:
    """A backfill comes later with what was earlier."""
    ledger.record_failures([failure("r2", 200)])
    ledger.record_failures([failure("r1", 100)])
    group = ledger.errors(["f1"])["f1"]
    assert (group.first_seen_ms, group.last_seen_ms) == (100, 200)


def test_an_errors_runs_are_paged_in_the_lists_order_each_once(ledger: Ledger) -> None:
    """Newest first, by creation and id, whatever was retried; one that then failed otherwise is the other error's."""
    many = [failure(f"r{number:02}", 1_000 + number // 3) for number in range(20)]
    again = [replace(many[3], ended_at_ms=9_000), failure("other", 1_003, MAIL)]
    moved_on = replace(many[4], ended_at_ms=9_000, signature=MAIL)
    ledger.record_failures([moved_on, *many, *again])  # the order in which they come decides nothing
    expected = sorted((RunKey(one.created_at_ms, one.run_id) for one in many if one is not many[4]), reverse=True)
    seen: list[RunKey] = []
    while page := ledger.runs_of_error("f1", before=seen[-1] if seen else None, limit=7):
        assert len(page) <= 7
        seen.extend(page)
    assert seen == expected
    assert ledger.runs_of_error("f1", since_ms=955) == [key for key in expected if key.created_at_ms >= 955]
    assert ledger.runs_of_error("f1", until_ms=955) == [key for key in expected if key.created_at_ms < 955]
    assert RunKey(moved_on.created_at_ms, moved_on.run_id) in ledger.runs_of_error("f2")
    assert ledger.runs_of_error("nothing") == []


def test_errors_are_counted_within_a_window_and_paged_by_when_they_were_last_seen(ledger: Ledger) -> None:
    """The window is half open; ``total`` is of all time."""
    ledger.record_failures([failure(f"r{n}", n, CHARGE if n % 2 else MAIL) for n in range(100, 120)])
    groups = ledger.error_groups(since_ms=105, until_ms=115)
    assert [(g.signature.fingerprint, g.count, g.last_at_ms, g.total) for g in groups] == [
        ("f2", 5, 114, 10),
        ("f1", 5, 113, 10),
    ]
    assert [g.signature for g in ledger.error_groups(since_ms=0, workflow="mail")] == [MAIL]
    (first,) = ledger.error_groups(since_ms=0, limit=1)
    assert first.signature == CHARGE
    rest = ledger.error_groups(since_ms=0, before=ErrorKey(first.last_at_ms, "f1"))  # type: ignore[arg-type]
    assert [group.signature for group in rest] == [MAIL]
    assert ledger.error_groups(since_ms=500) == []


def test_an_errors_course_is_counted_in_equal_parts(ledger: Ledger) -> None:
    """Every failure of the window is in one part, and none from outside."""
    ledger.record_failures([failure(f"r{n}", n) for n in (99, 100, 101, 133, 134, 199, 200)])
    counts = ledger.error_counts(["f1", "f2"], since_ms=100, until_ms=200, buckets=3)
    assert counts == {"f1": [3, 1, 1], "f2": [0, 0, 0]}


def test_what_failures_share_is_counted(ledger: Ledger) -> None:
    """Most often first; a run without a version counts as None."""
    versions = ["v1", "v2", "v2", None]
    ledger.record_failures([replace(failure(f"r{n}", 100 + n), version=version) for n, version in enumerate(versions)])
    assert next(iter(ledger.failures_by("version", ["f1"])["f1"].items())) == ("v2", 2)
    assert ledger.failures_by("version", ["f1", "f2"]) == {"f1": {"v2": 2, "v1": 1, None: 1}, "f2": {}}
    assert ledger.failures_by("version", ["f1"], since_ms=102, until_ms=103) == {"f1": {"v2": 1}}
    assert ledger.failures_by("workflow", ["f1"]) == {"f1": {"order": 4}}
    assert ledger.last_run_of_errors(["f1", "f2"]) == {"f1": "r3"}
    newest = ledger.last_failures_of("f1", since_ms=0, until_ms=10**6, limit=2)
    assert [one.run_id for one in newest] == ["r3", "r2"]


def dispose(ledger: Ledger, kind: str, subject: str, state: str, **fields: str) -> Disposition:
    return ledger.dispose(
        Disposition(kind=kind, subject=subject, state=state, actor="ada", at_ms=0, **fields)  # type: ignore[arg-type]
    )


def test_failures_are_open_until_somebody_or_something_dealt_with_them(ledger: Ledger) -> None:
    """A run's own word counts more than its error's, both cover the past only; good by itself is apart."""
    ledger.record_failures([failure(f"r{n}", 100 + n) for n in range(6)])
    later = failure("late", ledger.now_ms() + 3_600_000)
    ledger.record_failures([later, failure("m", 100, MAIL)])
    assert ledger.failure_states(since_ms=0) == {"open": 8}
    dispose(ledger, "error", "f1", "dealt_with")
    dispose(ledger, "run", "r1", "ignored")
    dispose(ledger, "run", "r2", "open")
    ledger.settle_failures({"r3": "completed", "r4": "undone", "never": "completed"})
    assert ledger.failure_states(since_ms=0) == {"open": 3, "dealt_with": 2, "ignored": 1, "completed": 1, "undone": 1}
    assert ledger.failure_states(since_ms=0, workflow="mail") == {"open": 1}
    assert ledger.failure_states(since_ms=101, until_ms=103) == {"ignored": 1, "open": 1}


def test_a_run_that_was_made_good_and_fails_again_is_open_again(ledger: Ledger) -> None:
    """Only ends from before are settled."""
    ledger.record_failures([failure("r", 100)])
    ledger.settle_failures({"r": "completed"})
    ledger.record_failures([failure("r", 200)])
    assert [one.settled for one in ledger.failures_of(["r"])["r"]] == ["completed", None]
    ledger.settle_failures({"r": "undone"})
    assert [one.settled for one in ledger.failures_of(["r"])["r"]] == ["completed", "undone"]


def test_old_failures_are_forgotten_and_errors_that_have_none_left(ledger: Ledger) -> None:
    """An error that still occurs keeps what it ever was."""
    ledger.record_failures([failure("r1", 100), failure("r2", 300), failure("m", 100, MAIL)])
    assert ledger.prune_failures(ended_before_ms=200) == 2
    assert ledger.failures_of(["r1", "r2", "m"]).keys() == {"r2"}
    assert ledger.errors(["f1", "f2"])["f1"].total == 2
    assert "f2" not in ledger.errors(["f1", "f2"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 40), st.sampled_from([CHARGE, MAIL])), max_size=30))
def test_counts_agree_with_what_was_recorded(ends: list[tuple[str, int, ErrorSignature]]) -> None:
    """Groups, windows, courses and states count the same failures, whatever came in whatever order."""
    ledger = MemoryLedger()
    known: dict[tuple[str, int], Failure] = {}
    for run_id, at_ms, signature in ends:
        one = failure(run_id, at_ms, signature)
        assert ledger.record_failures([one]) == ((run_id, at_ms) not in known)
        known.setdefault((run_id, at_ms), one)
    inside = [one for one in known.values() if 10 <= one.ended_at_ms < 30]
    groups = ledger.error_groups(since_ms=10, until_ms=30)
    assert {g.signature.fingerprint: g.count for g in groups} == {
        f: n for f in ("f1", "f2") if (n := sum(one.signature.fingerprint == f for one in inside))
    }
    counts = ledger.error_counts(["f1", "f2"], since_ms=10, until_ms=30, buckets=7)
    assert sum(map(sum, counts.values())) == len(inside) == sum(g.count for g in groups)
    latest = {one.run_id: one for one in sorted(known.values(), key=lambda one: one.ended_at_ms)}
    assert sum(ledger.failure_states(since_ms=10, until_ms=30).values()) == sum(
        one in inside for one in latest.values()
    )
    for fingerprint in ("f1", "f2"):
        runs = {run_id for run_id, one in latest.items() if one.signature.fingerprint == fingerprint}
        assert {key.run_id for key in ledger.runs_of_error(fingerprint)} == runs


# -- dispositions -----------------------------------------------------------------------------------------------


def test_the_last_word_counts_and_is_stamped_by_the_ledger(ledger: Ledger) -> None:
    """Runs and errors are apart."""
    before = ledger.now_ms()
    dispose(ledger, "error", "f1", "dealt_with", note="deployed v3")
    last = dispose(ledger, "error", "f1", "ignored", note="known")
    dispose(ledger, "run", "f1", "dealt_with")
    assert before <= last.at_ms <= ledger.now_ms()
    assert ledger.dispositions("error", ["f1", "f2"]) == {"f1": last}
    runs, errors = ledger.decisions_on(["f1", "r"], ["f2", "f1"])
    assert ([(one.kind, one.state) for one in runs.values()], errors) == ([("run", "dealt_with")], {"f1": last})
    assert (last.state, last.note, last.actor) == ("ignored", "known", "ada")


@pytest.mark.parametrize(
    ("state", "last_seen_ms", "now"),
    [
        ("dealt_with", 99, "dealt_with"),
        ("dealt_with", 100, "dealt_with"),
        ("dealt_with", 101, "open"),
        ("ignored", 101, "open"),
    ],
)
def test_what_comes_back_is_open_again(state: str, last_seen_ms: int, now: str) -> None:
    """A decision covers what was there when it was made."""
    decided = Disposition(kind="error", subject="f", state=state, actor="ada", at_ms=100)  # type: ignore[arg-type]
    assert decided.state_at(last_seen_ms) == now


# -- presence ---------------------------------------------------------------------------------------------------


def test_a_heartbeat_that_says_nothing_new_moves_only_the_beat() -> None:
    """The long value of a worker that waits is not written again; one that changed is."""
    now_ms = [1_000]
    ledger = MemoryLedger(clock=lambda: now_ms[0])
    executor = Executor(instance_id="i", executor_id="e", beat_at_ms=0, started_at_ms=0, runs=("r1",), runs_total=1)
    for step, runs in enumerate((("r1",), ("r1",), ("r1", "r2"), ("r1",)), start=1):
        now_ms[0] = 1_000 + step
        ledger.heartbeat(replace(executor, runs=runs, runs_total=len(runs)))
        (seen,) = ledger.executors()
        assert (seen.beat_at_ms, seen.runs) == (1_000 + step, runs)


def test_the_audit_log_is_narrowed_by_who_what_and_outcome(ledger: Ledger) -> None:
    """All that is given must be so; of one run or of all, page by page."""
    done = ["ada retry done", "ada cancel refused", "bob retry refused", "ada retry refused"]
    for number, (actor, action, outcome) in enumerate(text.split() for text in done):
        entry = AuditEntry(at_ms=number, actor=actor, action=action, run_id=f"r{number % 2}", outcome=outcome)
        ledger.add_audit(entry)

    def found(**wanted: Any) -> list[int]:
        return [one.at_ms for one in ledger.audit(**wanted)]

    assert found(actor="ada") == [3, 1, 0]
    assert found(actor="ada", outcome="refused") == [3, 1]
    assert found(action="retry", outcome="refused", limit=1) == [3]
    assert found(run_id="r0", action="retry") == [2, 0]
    assert found(actor="nobody") == []
