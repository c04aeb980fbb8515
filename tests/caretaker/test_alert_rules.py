"""What is an incident, when it opens and ends, and which messages it has. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dashboard.caretaker.alert_rules import (
    AlertFinding,
    AlertPlan,
    AlertRule,
    Measured,
    Watch,
    due_message,
    findings,
    plan,
)
from dashboard.caretaker.alerts import AlertSettings, alert_settings
from otel_bridge.errors import ConfigurationError
from otel_bridge.ledger.base import Incident

S = 1000
CLEAR_MS, REOPEN_MS = 120 * S, 600 * S
INCIDENT = Incident(
    id="i1", rule="queue_age", subject="mail", kind="queue_age", summary="", link="/", opened_ms=0, seen_ms=0
)
FOUND = AlertFinding("queue_age", "queue_age", "mail", "old", "/")


@pytest.mark.parametrize(
    ("rule", "measured", "said"),
    [
        ({"kind": "failure_rate"}, Measured("order", 0.21, 100), "21 of 100 runs of order failed (21%, over 20%)."),
        ({"kind": "failure_rate"}, Measured("order", 0.2, 100), None),
        ({"kind": "failure_rate"}, Measured("order", 1.0, 9), None),
        ({"kind": "failure_rate", "minimum": 0}, Measured("o", 1.0, 1), "1 of 1 runs of o failed (100%, over 20%)."),
        ({"kind": "failure_rate", "only": "refund"}, Measured("order", 1.0, 99), None),
        ({"kind": "dead_letter"}, Measured("order", 1), "1 run of order died: the engine gave up on them."),
        ({"kind": "dead_letter", "over": 2}, Measured("order", 2), None),
        ({"kind": "queue_age"}, Measured("m", 601), "The oldest run on queue m has waited for 10 min, over 10 min."),
        ({"kind": "queue_age", "over": 5, "only": "mail"}, Measured("mail", 5), None),
        ({"kind": "blocked"}, Measured("order", 3), "3 runs of order cannot continue: no worker runs them."),
        ({"kind": "blocked"}, Measured("order", 0), None),
        ({"kind": "silent_worker"}, Measured("w1", 90), "Worker w1 stopped reporting 90 s ago and did not sign off."),
        ({"kind": "overdue_schedule"}, Measured("nightly", 301), "Schedule nightly should have fired 5 min ago."),
        ({"kind": "overdue_schedule"}, Measured("nightly", 300), None),
        (
            {"kind": "waiting_for_person", "over": 3600},
            Measured("order", 7260),
            "A run of order has waited for a person for 2 h 1 min, over 60 min.",
        ),
    ],
)  # fmt: skip
def test_a_rule_finds_what_is_over_its_threshold(rule: Any, measured: Measured, said: str | None) -> None:
    """Not what is at it; a rate needs enough runs; a rule about one subject finds no other."""
    assert [found.summary for found in findings(AlertRule(**rule), [measured])] == ([] if said is None else [said])


@pytest.mark.parametrize(
    ("kind", "link"),
    [
        ("failure_rate", "/?status=failed&status=dead&workflow=order"),
        ("dead_letter", "/?status=dead&workflow=order"),
        ("blocked", "/?status=blocked&workflow=order"),
    ],
)
def test_an_alert_leads_to_the_runs_that_it_counted(kind: Any, link: str) -> None:
    """A rate counts dead runs too: a workflow whose runs all died led to an empty list."""
    (found,) = findings(AlertRule(kind=kind, minimum=1), [Measured("order", 5.0, 5)])
    assert found.link == link


def look(
    found: list[AlertFinding], known: list[Incident], *, now_s: int = 1000, watch: Watch | None = None, **more: Any
) -> AlertPlan:
    options: dict[str, Any] = {"looked_at": frozenset({"queue_age"}), "clear_ms": CLEAR_MS, "reopen_ms": REOPEN_MS}
    return plan(found, known, watch or Watch(), now_ms=now_s * S, **{**options, **more})


def done(made: AlertPlan) -> dict[str, int]:
    return {
        name: len(getattr(made, name)) for name in ("opened", "touched", "reopened", "ended") if getattr(made, name)
    }


@pytest.mark.parametrize(
    ("found", "known", "expected"),
    [
        ([FOUND], {}, {"opened": 1}),
        ([FOUND], {"seen_ms": 990 * S}, {"touched": 1}),
        ([], {"seen_ms": 990 * S}, {}),
        ([], {"seen_ms": 880 * S}, {"ended": 1}),
        ([FOUND], {"seen_ms": 800 * S, "ended_ms": 900 * S}, {"reopened": 1}),
        ([FOUND], {"seen_ms": 300 * S, "ended_ms": 400 * S}, {"opened": 1}),
        ([FOUND], {"seen_ms": 990 * S, "ended_ms": 900 * S, "ended_by": "ada"}, {"touched": 1}),
        ([FOUND], {"seen_ms": 800 * S, "ended_ms": 700 * S, "ended_by": "ada"}, {"opened": 1}),
        ([], {"seen_ms": 0, "ended_ms": 900 * S}, {}),
        ([FOUND], {"subject": "print", "seen_ms": 990 * S}, {"opened": 1}),
    ],
    ids=["new", "again", "gone-just-now", "gone", "back-soon", "back-late", "resolved-still-there",
         "resolved-and-back", "over", "another"],
)  # fmt: skip
def test_an_incident_opens_goes_on_ends_and_comes_back(found: Any, known: Any, expected: dict[str, int]) -> None:
    """One that a person resolved stays resolved while it is still found."""
    assert done(look(found, [replace(INCIDENT, **known)] if known else [])) == expected


def test_trouble_must_last_before_it_is_an_incident() -> None:
    """From when it is found first; what ceases in between begins again."""
    watch, lasting = Watch(), [replace_finding(60.0)]
    assert done(look(lasting, [], now_s=100, watch=watch)) == {}
    assert done(look(lasting, [], now_s=159, watch=watch)) == {}
    assert done(look([], [], now_s=160, watch=watch)) == {}
    assert done(look(lasting, [], now_s=170, watch=watch)) == {}
    assert done(look(lasting, [], now_s=230, watch=watch)) == {"opened": 1}


def replace_finding(lasting_s: float) -> AlertFinding:
    return AlertFinding("queue_age", "queue_age", "mail", "old", "/", lasting_s)


def test_a_rule_that_could_not_look_ends_nothing() -> None:
    """A database that is away is no proof that all is well."""
    assert done(look([], [replace(INCIDENT, seen_ms=0)], looked_at=frozenset())) == {}


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ({}, "opened"),
        ({"opened_sent_ms": 5}, None),
        ({"snoozed_until_ms": 2000 * S}, None),
        ({"snoozed_until_ms": 999 * S}, "opened"),
        ({"ended_ms": 10}, None),
        ({"ended_ms": 10, "opened_sent_ms": 5}, "ended"),
        ({"ended_ms": 900 * S, "opened_sent_ms": 5}, None),
        ({"ended_ms": 10, "opened_sent_ms": 5, "ended_sent_ms": 20}, None),
        ({"ended_ms": 10, "opened_sent_ms": 5, "ended_by": "ada"}, None),
    ],
)
def test_an_incident_has_one_message_when_it_opens_and_one_when_it_is_over(known: Any, message: str | None) -> None:
    """The end is said when it can no longer come back as the same, and not to who ended it."""
    assert due_message(replace(INCIDENT, **known), now_ms=1000 * S, reopen_ms=REOPEN_MS) == message


@pytest.mark.parametrize(
    "given",
    [
        {"rules": [{"kind": "cpu"}]},
        {"rules": [{"kind": "queue_age", "over": -1}]},
        {"rules": [{"kind": "queue_age", "over": "1"}]},
        {"rules": [{"kind": "queue_age"}, {"kind": "queue_age"}]},
        {"rules": [{"kind": "queue_age", "until": 1}]},
        {"rules": 7},
        {"to": []},
        {"targets": ["s3cr3t"]},
        {"targets": ["nonsense://s3cr3t"]},
        {"targets": ["webhook+ftp://s3cr3t"]},
        {"targets": ["no.such.module:s3cr3t"]},
        {"targets": [7]},
    ],
)
def test_malformed_settings_are_refused_and_no_address_is_repeated(given: Any) -> None:
    """When the process starts, in words; an address is a secret."""
    with pytest.raises(ConfigurationError) as refused:
        alert_settings(given)
    assert "s3cr3t" not in str(refused.value) or "module" in str(refused.value)


def test_settings_show_no_address() -> None:
    """Not where they are printed or logged."""
    assert "s3cr3t" not in repr(AlertSettings(targets=["json://s3cr3t@localhost"], secret="s3cr3t"))
