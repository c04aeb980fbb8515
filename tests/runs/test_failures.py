"""Failures are recorded once, by whoever sees them first, and made good by themselves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from otel_bridge.codec import Codec, redact_keys
from otel_bridge.errors import StoreUnavailableError
from otel_bridge.ledger.base import ErrorSignature, Failure
from otel_bridge.model.names import UNDO_PREFIX
from otel_bridge.runs.failures import FailureLog
from otel_bridge.tail.failures import BACKFILL_MS, STATE_KEY, catch_up
from otel_bridge.testing import FakeClock, MemoryLedger, MemoryStateStore, make_run
from tests.failing import put_completed, put_failed


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(clock: FakeClock) -> Iterator[MemoryStateStore]:
    made = MemoryStateStore(clock=clock)
    yield made
    made.close()


@pytest.fixture
def ledger(clock: FakeClock) -> MemoryLedger:
    return MemoryLedger(clock=clock)


@pytest.fixture
def log(store: MemoryStateStore, ledger: MemoryLedger) -> FailureLog:
    return FailureLog(store, ledger)


def note(log: FailureLog, store: MemoryStateStore, *run_ids: str) -> dict[str, Failure]:
    return log.note(list(store.get_runs(run_ids).values()))


def test_a_failure_is_recorded_with_what_the_run_was_then(
    log: FailureLog, store: MemoryStateStore, ledger: MemoryLedger
) -> None:
    """Once, however often the run is looked at."""
    put_failed(store, "r", workflow="order", workflow_version="v1", queue="q", executor="e", namespace="shop")
    put_completed(store, "good")
    reported = note(log, store, "r", "good")
    run = store.get_run("r")
    assert run is not None
    signature = reported["r"].signature
    assert reported == {
        "r": Failure(
            run_id="r",
            ended_at_ms=run.finished_at_ms or 0,
            created_at_ms=run.created_at_ms,
            signature=ErrorSignature(
                fingerprint=signature.fingerprint, type="GatewayTimeout", step="charge", template="timeout after # s"
            ),
            workflow="order",
            message="timeout after 3 s",
            version="v1",
            queue="q",
            executor="e",
            namespace="shop",
        )
    }
    assert note(log, store, "r") == reported
    assert ledger.errors([signature.fingerprint])[signature.fingerprint].total == 1
    assert log.note([]) == {}


def test_the_error_is_remembered_when_the_run_is_rewound(
    log: FailureLog, store: MemoryStateStore, ledger: MemoryLedger
) -> None:
    """The engine has deleted it; a failure after that is another one, and the last one counts."""
    put_failed(store, "r")
    (first,) = note(log, store, "r").values()
    store.put_run(make_run("r", status="running", created_at_ms=first.created_at_ms))
    store.rows("DELETE FROM workflow_output")
    assert note(log, store, "r") == {"r": first}
    put_failed(store, "r", "no such card", kind="CardError", at_ms=first.created_at_ms, lasted_ms=900)
    (again,) = note(log, store, "r").values()
    assert again.signature.type == "CardError"
    assert [one.run_id for one in ledger.runs_of_error(first.signature.fingerprint)] == []
    assert [one.run_id for one in ledger.runs_of_error(again.signature.fingerprint)] == ["r"]


@pytest.mark.parametrize("how", ["completed", "undone"])
def test_a_run_that_was_made_good_is_settled(
    how: str, log: FailureLog, store: MemoryStateStore, ledger: MemoryLedger
) -> None:
    """Retried and completed, or undone: nobody needs to say so."""
    put_failed(store, "r")
    note(log, store, "r")
    if how == "completed":
        put_completed(store, "r")
        assert note(log, store, "r")["r"].settled == "completed"
    else:
        put_completed(store, f"{UNDO_PREFIX}r")
        note(log, store, f"{UNDO_PREFIX}r")
        assert note(log, store, "r")["r"].settled == "undone"
    assert ledger.failure_states(since_ms=0) == {how: 1}


def test_a_run_that_failed_in_its_own_code_has_no_step(log: FailureLog, store: MemoryStateStore) -> None:
    """Nor one whose error was not stored; both are recorded."""
    put_failed(store, "r", step=None)
    put_failed(store, "bare", step=None)
    store.rows("DELETE FROM workflow_output WHERE workflow_uuid = 'bare'")
    reported = note(log, store, "r", "bare")
    assert reported["r"].signature.step is None
    assert reported["bare"].message == "The run failed, and its error was not stored."


def test_rows_that_cannot_be_read_hide_no_other_failure(
    log: FailureLog, store: MemoryStateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are an error of their own."""
    put_failed(store, "bad")
    put_failed(store, "good")
    read = store.get_payload

    def fail(run_id: str, name: str, **options: object) -> object:
        if run_id == "bad":
            store.put_payload(run_id, "error", "x" * 10)
            return object()
        return read(run_id, name, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "get_payload", fail)
    reported = note(log, store, "bad", "good")
    assert reported["bad"].message == "The run failed, and its rows cannot be read."
    assert reported["good"].signature.type == "GatewayTimeout"


def test_a_run_whose_error_the_database_does_not_give_out_hides_no_other(
    log: FailureLog, store: MemoryStateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a text that is not UTF-8. It is recorded once it can be read; an outage is not tried run by run."""
    for number in range(9):
        put_failed(store, f"r{number}")
    read, refused, asked = store.get_payload, {"r3"}, []

    def fail(run_id: str, name: str, **options: object) -> object:
        asked.append(run_id)
        if run_id in refused:
            raise StoreUnavailableError("store", "could not decode")
        return read(run_id, name, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "get_payload", fail)
    ids = [f"r{number}" for number in range(9)]
    assert note(log, store, *ids).keys() == set(ids) - refused
    refused.clear()
    assert note(log, store, *ids).keys() == set(ids)
    refused |= {f"s{number}" for number in range(9)}
    asked.clear()
    for run_id in sorted(refused):
        put_failed(store, run_id)
    assert note(log, store, *refused) == {}
    assert len(asked) <= 6


def test_what_is_redacted_is_not_written_down_and_changes_no_fingerprint(
    store: MemoryStateStore, ledger: MemoryLedger
) -> None:
    """A bridge that hides more than the dashboard, or less, must speak of the same error."""
    put_failed(store, "r", "secret words are wrong")
    hiding = FailureLog(store, MemoryLedger(), codec=Codec(redact=redact_keys(["message"])))
    (hidden,) = note(hiding, store, "r").values()
    (plain,) = note(FailureLog(store, ledger), store, "r").values()
    assert hidden.signature.fingerprint == plain.signature.fingerprint
    assert "secret" not in hidden.message + hidden.signature.template
    assert "secret" in plain.message


# -- what nobody has recorded -----------------------------------------------------------------------------------


def test_older_failures_are_recorded_newest_first_in_parts(
    log: FailureLog, store: MemoryStateStore, ledger: MemoryLedger, clock: FakeClock
) -> None:
    """Each call does a page at least; the newest of them are there first, and the last call says that all are."""
    for number in range(250):
        put_failed(store, f"r{number:03}", at_ms=clock() - 1_000 * (250 - number))
    put_failed(store, "ancient", at_ms=clock() - BACKFILL_MS - 60_000)
    reached = []
    while (scanned_to_ms := catch_up(store, ledger, log, part_s=0)) is not None:
        reached.append(scanned_to_ms)
        (group,) = ledger.error_groups(since_ms=0)
        assert group.count == 100 * len(reached)
    assert reached == sorted(reached, reverse=True)
    (group,) = ledger.error_groups(since_ms=0)
    assert group.count == 251  # the page that reached the bound holds it
    assert catch_up(store, ledger, log) is None


def test_failures_while_nobody_looked_are_recorded_at_the_next_look(
    log: FailureLog, store: MemoryStateStore, ledger: MemoryLedger, clock: FakeClock
) -> None:
    """Also of runs that began long before."""
    store.put_run(make_run("old", status="running", created_at_ms=clock() - 9_000_000))
    assert catch_up(store, ledger, log) is None
    clock.advance(s=3_600)
    put_failed(store, "old", at_ms=clock() - 9_000_000, lasted_ms=8_900_000)
    put_failed(store, "new")
    assert catch_up(store, ledger, log) is None
    assert {one.run_id for one in ledger.failures_of(["old", "new"])["old"]} == {"old"}
    assert len(ledger.failures_of(["old", "new"])) == 2


@pytest.mark.parametrize("damage", ["x", {"throughMs": 0, "back": "x", "done": False, "fromMs": 0}, {"throughMs": 1}])
def test_a_damaged_note_of_how_far_it_is_begins_again(
    damage: object, log: FailureLog, store: MemoryStateStore, ledger: MemoryLedger
) -> None:
    """Nothing is recorded twice."""
    put_failed(store, "r")
    catch_up(store, ledger, log)
    ledger.put_value(STATE_KEY, damage)
    for _ in range(3):
        catch_up(store, ledger, log)
    (group,) = ledger.error_groups(since_ms=0)
    assert group.total == 1
    assert catch_up(store, ledger, log) is None
