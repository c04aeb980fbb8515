"""What is an incident: rules over a few counts, and when one opens and ends. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import urlencode

from otel_bridge.errors import ConfigurationError
from otel_bridge.ledger.base import Incident
from otel_bridge.model.status import FAILED_STATUSES, RUN_STATUSES, RunStatus

Kind = Literal[
    "failure_rate", "dead_letter", "queue_age", "blocked", "silent_worker", "overdue_schedule", "waiting_for_person"
]
OVER: Mapping[Kind, float] = {
    "failure_rate": 0.2,
    "dead_letter": 0,
    "queue_age": 600,
    "blocked": 0,
    "silent_worker": 0,
    "overdue_schedule": 300,
    "waiting_for_person": 4 * 3600,
}
"""What a value must be over, where a rule does not say: a share, a number, or seconds."""
FOR_S: Mapping[Kind, float] = {"failure_rate": 0, "dead_letter": 0, "blocked": 60, "silent_worker": 60}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """One rule; each workflow, queue, worker or schedule that it finds is an incident of its own.

    Args:
        kind: ``failure_rate`` (share of failed and dead among the runs that were created within the window and have
            ended), ``dead_letter`` (dead runs created within the window), ``queue_age`` (seconds that the oldest run
            of a queue waits), ``blocked`` (open runs that nobody runs), ``silent_worker`` (a worker that stopped
            reporting without signing off), ``overdue_schedule`` (seconds since it should have fired),
            ``waiting_for_person`` (seconds that the oldest such wait of a workflow waits).
        name: of the rule, in messages; default: its kind.
        only: one workflow, queue, worker or schedule; None: each of them.
        over: what the value must be over; default by kind.
        window_s: for rates and dead letters. minimum: so many ended runs, for a rate.
        for_s: so long must it last before an incident opens; default by kind.

    Raises:
        ConfigurationError: the kind is not one of these, or a number is negative.

    >>> AlertRule(kind="queue_age", only="warehouse", over=900).title
    'queue_age'
    """

    kind: Kind
    name: str | None = None
    only: str | None = None
    over: float | None = None
    window_s: float = 900.0
    minimum: int = 10
    for_s: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in OVER:
            raise ConfigurationError(f"{self.kind!r} is not a kind of alert rule. Use one of: {', '.join(OVER)}.")
        numbers = (self.over or 0, self.window_s, self.minimum, self.for_s or 0)
        if any(isinstance(n, bool) or not isinstance(n, (int, float)) or n < 0 for n in numbers):
            raise ConfigurationError(
                f"Alert rule {self.title!r}: over, window_s, minimum and for_s must be numbers of 0 or more."
            )

    @property
    def title(self) -> str:
        """What the rule is called."""
        return self.name or self.kind

    @property
    def threshold(self) -> float:
        """What the value must be over."""
        return OVER[self.kind] if self.over is None else self.over

    @property
    def lasting_s(self) -> float:
        """How long it must last."""
        return FOR_S.get(self.kind, 0.0) if self.for_s is None else self.for_s


DEFAULT_RULES = tuple(AlertRule(kind=kind) for kind in OVER)


@dataclass(frozen=True, slots=True)
class Measured:
    """A value of one subject: a share, a number of runs, or seconds. ``of``: how many runs a share is of."""

    subject: str
    value: float
    of: int = 0


@dataclass(frozen=True, slots=True)
class AlertFinding:
    """Something that a rule finds wrong now."""

    rule: str
    kind: str
    subject: str
    summary: str
    link: str
    lasting_s: float = 0.0


def findings(rule: AlertRule, measured: Iterable[Measured]) -> list[AlertFinding]:
    """Return what a rule finds wrong among what was measured.

    >>> rule = AlertRule(kind="queue_age", over=60)
    >>> [found.summary for found in findings(rule, [Measured("mail", 61), Measured("print", 60)])]
    ['The oldest run on queue mail has waited for 61 s, over 60 s.']
    """
    # A share of few runs is an accident: one failure of two is 50 %. The other kinds are numbers, whatever of.
    return [
        AlertFinding(rule.title, rule.kind, one.subject, _summary(rule, one), _link(rule, one), rule.lasting_s)
        for one in measured
        if (rule.only is None or rule.only == one.subject)
        and one.value > rule.threshold
        and (rule.kind != "failure_rate" or one.of >= max(1, rule.minimum))
    ]


def _summary(rule: AlertRule, one: Measured) -> str:
    name, over = one.subject, rule.threshold
    count = f"{one.value:,.0f} {'run' if one.value == 1 else 'runs'}"
    if rule.kind == "failure_rate":
        failed = round(one.value * one.of)
        return f"{failed:,} of {one.of:,} runs of {name} failed ({one.value:.0%}, over {over:.0%})."
    if rule.kind == "dead_letter":
        return f"{count} of {name} died: the engine gave up on them."
    if rule.kind == "queue_age":
        return f"The oldest run on queue {name} has waited for {lasting(one.value)}, over {lasting(over)}."
    if rule.kind == "blocked":
        return f"{count} of {name} cannot continue: no worker runs them."
    if rule.kind == "silent_worker":
        return f"Worker {name} stopped reporting {lasting(one.value)} ago and did not sign off."
    if rule.kind == "overdue_schedule":
        return f"Schedule {name} should have fired {lasting(one.value)} ago."
    return f"A run of {name} has waited for a person for {lasting(one.value)}, over {lasting(over)}."


def lasting(seconds: float) -> str:
    """Return a span of time in its two largest units.

    >>> lasting(61), lasting(7_260), lasting(90_000)
    ('61 s', '2 h 1 min', '25 h 0 min')
    """
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 7200 else f"{whole // 3600} h {whole // 60 % 60} min"


_COUNTED: Mapping[Kind, frozenset[RunStatus]] = {
    "failure_rate": FAILED_STATUSES,
    "dead_letter": frozenset({"dead"}),
    "blocked": frozenset({"blocked"}),
}
"""The runs that a rule counts, for its link to show the same."""


def _link(rule: AlertRule, one: Measured) -> str:
    if rule.kind in _COUNTED:
        statuses = [status for status in RUN_STATUSES if status in _COUNTED[rule.kind]]
        return f"/?{urlencode({'status': statuses, 'workflow': one.subject}, doseq=True)}"
    if rule.kind == "queue_age":
        return f"/?{urlencode({'status': 'pending', 'queue': one.subject})}"
    return {"silent_worker": "/workers", "overdue_schedule": "/schedules"}.get(rule.kind, "/inbox")


@dataclass(slots=True)
class Watch:
    """What one process remembers between two looks: since when each trouble lasts that is no incident yet."""

    since_ms: dict[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertPlan:
    """What a look changes."""

    opened: list[Incident]
    touched: list[Incident]
    reopened: list[Incident]
    ended: list[Incident]


def plan(
    found: Sequence[AlertFinding],
    known: Sequence[Incident],
    watch: Watch,
    *,
    looked_at: frozenset[str],
    now_ms: int,
    clear_ms: int,
    reopen_ms: int,
) -> AlertPlan:
    """Return what to do about the incidents that are known, after a look.

    One that is no longer found ends after ``clear_ms``. One that comes back within ``reopen_ms`` of its end goes on as
    the same. One that a person resolved stays so until it was not found for ``clear_ms``.

    Args:
        known: open ones, and those that ended lately.
        watch: changed: what began to last, and what ceased.
        looked_at: the rules whose values could be read; nothing is said about the others.
    """
    result = AlertPlan(opened=[], touched=[], reopened=[], ended=[])
    latest: dict[tuple[str, str], Incident] = {}
    for one in sorted(known, key=lambda one: (one.is_open, one.opened_ms)):
        latest[one.rule, one.subject] = one
    now_found = {(one.rule, one.subject): one for one in found}
    for key, finding in now_found.items():
        before = latest.get(key)
        since_ms = watch.since_ms.setdefault(key, now_ms)
        if before is not None and (before.is_open or _is_same(before, now_ms, clear_ms)):
            result.touched.append(_saying(before, finding))
        elif before is not None and before.ended_by is None and now_ms - (before.ended_ms or 0) < reopen_ms:
            result.reopened.append(_saying(before, finding))
        elif now_ms - since_ms >= finding.lasting_s * 1000:
            result.opened.append(_new(finding, now_ms))
    for key in [key for key in watch.since_ms if key not in now_found and key[0] in looked_at]:
        del watch.since_ms[key]
    for one in known:
        gone = one.is_open and one.rule in looked_at and (one.rule, one.subject) not in now_found
        if gone and now_ms - one.seen_ms >= clear_ms:
            result.ended.append(one)
    return result


def _is_same(before: Incident, now_ms: int, clear_ms: int) -> bool:
    """Say whether an incident that a person resolved is still found: it was never gone for long enough."""
    return before.ended_by is not None and now_ms - before.seen_ms < clear_ms


def _new(finding: AlertFinding, now_ms: int) -> Incident:
    return Incident(
        id=uuid.uuid4().hex[:16],
        rule=finding.rule,
        subject=finding.subject,
        kind=finding.kind,
        summary=finding.summary,
        link=finding.link,
        opened_ms=now_ms,
        seen_ms=now_ms,
    )


def _saying(before: Incident, finding: AlertFinding) -> Incident:
    return replace(before, summary=finding.summary, link=finding.link)


def due_message(one: Incident, *, now_ms: int, reopen_ms: int) -> Literal["opened", "ended"] | None:
    """Return the message that is to be sent about an incident now.

    The end is said once it can no longer come back as the same incident, and only where its beginning was; not where a
    person ended it, who knows. What is snoozed says nothing.
    """
    if one.is_snoozed(now_ms):
        return None
    if one.is_open:
        return "opened" if one.opened_sent_ms is None else None
    if one.ended_by is not None or one.opened_sent_ms is None or one.ended_sent_ms is not None:
        return None
    return "ended" if now_ms - (one.ended_ms or 0) >= reopen_ms else None
