"""Incidents, on every kind of ledger."""

from __future__ import annotations

from dataclasses import replace

from otel_bridge.ledger import Ledger
from otel_bridge.ledger.base import Incident

ONE = Incident(
    id="i1", rule="queue_age", subject="mail", kind="queue_age", summary="s", link="/", opened_ms=0, seen_ms=0
)


def test_an_incident_is_open_once_for_its_rule_and_subject(ledger: Ledger) -> None:
    """Whoever finds it second opens nothing; after its end there may be another."""
    ledger.open_incident(ONE)
    ledger.open_incident(replace(ONE, id="i2"))
    assert [one.id for one in ledger.incidents(since_ms=0)] == ["i1"]
    ledger.end_incident("i1")
    ledger.open_incident(replace(ONE, id="i2"))
    assert [(one.id, one.is_open) for one in ledger.incidents(since_ms=0)] == [("i2", True), ("i1", False)]
    ledger.reopen_incident(ONE)  # another is open
    assert not ledger_incident(ledger, "i1").is_open


def test_an_incident_comes_back_only_where_it_ended_by_itself(ledger: Ledger) -> None:
    """It keeps its identity and its message."""
    ledger.open_incident(ONE)
    ledger.note_sent("i1", "opened", by="caretaker")
    ledger.end_incident("i1")
    ledger.reopen_incident(replace(ONE, summary="again"))
    found = ledger_incident(ledger, "i1")
    assert (found.is_open, found.reopened, found.summary, found.sent_by) == (True, 1, "again", "caretaker")
    assert found.opened_sent_ms is not None
    assert ledger.resolve_incident("i1", actor="ada") is not None
    ledger.reopen_incident(ONE)
    assert ledger_incident(ledger, "i1").ended_by == "ada"


def test_what_people_say_is_kept_and_only_of_open_incidents(ledger: Ledger) -> None:
    """A snooze has an end; a resolved one takes nothing more."""
    ledger.open_incident(ONE)
    snoozed = ledger.snooze_incident("i1", for_ms=60_000, actor="ada", note="on it")
    assert snoozed is not None
    assert snoozed.is_snoozed(ledger.now_ms())
    assert not snoozed.is_snoozed(ledger.now_ms() + 60_001)
    ledger.note_not_sent("i1", "down")
    assert (ledger_incident(ledger, "i1").tries, ledger_incident(ledger, "i1").problem) == (1, "down")
    assert ledger.resolve_incident("i1", actor="bob", note="done") is not None
    assert ledger.snooze_incident("i1", for_ms=1, actor="ada") is None
    assert ledger.resolve_incident("i1", actor="ada") is None
    ledger.prune_incidents(before_ms=ledger.now_ms() + 1)
    assert ledger.incident("i1") is None


def ledger_incident(ledger: Ledger, incident_id: str) -> Incident:
    found = ledger.incident(incident_id)
    assert found is not None
    return found
