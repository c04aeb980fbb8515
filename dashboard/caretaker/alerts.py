"""Alerts: looks at the rules, keeps incidents in the ledger, and has their messages sent.

A message is handed to a durable run where a live worker declares the sender; else this process sends it itself, in a
thread of its own. Either way the ledger notes it, so that neither a restart nor another holder of the lease sends it
again. What could not be read says nothing: no incident opens or ends for it.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from dbos import EnqueueOptions, WorkflowSerializationFormat

from dashboard.actions.context import ActionContext
from dashboard.caretaker import alert_rules
from dashboard.caretaker.alert_rules import DEFAULT_RULES, AlertFinding, AlertRule, Measured, Watch
from dashboard.caretaker.guard import FailureGuard
from dashboard.read.alerts import STATE_KEY
from dashboard.read.fleet import overdue_ms
from dashboard.read.listing import RunReader
from dashboard.wire.base import iso
from dashboard.workflow.address import kept_address
from dashboard.workflow.alerting import (
    AlertNotSentError,
    Target,
    checked_targets,
    key_of,
    kind_of,
    send,
    settings_text,
)
from dashboard.workflow.names import ALERT_PREFIX, ALERT_WORKFLOW, WORK_QUEUE
from otel_bridge.errors import BridgeError, ConfigurationError
from otel_bridge.ledger.base import Incident, Ledger
from otel_bridge.model.runs import RunQuery
from otel_bridge.model.status import FAILED_STATUSES, RATED_STATUSES

log = logging.getLogger(__name__)

KEPT_MS = 30 * 24 * 3600 * 1000
_RECENT_MS = 24 * 3600 * 1000
_MOST, _AT_ONCE = 500, 20
_OURS = "durable."


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSettings:
    """What alerts are about, and where they go.

    Args:
        rules: see ``AlertRule``; default: one of each kind.
        targets: addresses of apprise (``slack://…``, ``mailto://…``, ``json://…``), ``webhook+https://…``,
            ``module:function``, or functions. Used where no live worker declares a sender; without any, incidents are
            on the page alone.
        secret: signs what is posted to ``webhook+https://`` targets.
        every_s: between two looks.
        clear_s: an incident ends when it was not found for so long.
        reopen_s: one that comes back within this time of its end is the same; its end is said afterwards.

    Raises:
        ConfigurationError: a target or a rule is malformed, or two rules have one name.
    """

    rules: Sequence[AlertRule] = DEFAULT_RULES
    targets: Sequence[Target] = field(default=(), repr=False)
    secret: str | None = field(default=None, repr=False)
    every_s: float = 15.0
    clear_s: float = 120.0
    reopen_s: float = 600.0

    def __post_init__(self) -> None:
        checked_targets(self.targets)
        twice = [name for name, count in Counter(rule.title for rule in self.rules).items() if count > 1]
        if twice:
            raise ConfigurationError(f"Two alert rules are called {twice[0]!r}. Give them names.")

    @classmethod
    def from_environment(cls) -> AlertSettings | None:
        """Return what ``DURABLE_ALERTS`` says; None where it is not set.

        Raises:
            ConfigurationError: it is malformed.
        """
        given = settings_text()
        return alert_settings(given) if given else None


def alert_settings(given: Mapping[str, Any]) -> AlertSettings:
    """Return the settings that a JSON object holds.

    Raises:
        ConfigurationError: it holds something else.

    >>> alert_settings({"rules": [{"kind": "queue_age", "over": 60}]}).rules[0].threshold
    60
    """
    known = {one.name for one in fields(AlertSettings)}
    options = dict(given)
    if unknown := sorted(options.keys() - known):
        raise ConfigurationError(f"Alerts have no setting {unknown[0]!r}. There are: {', '.join(sorted(known))}.")
    try:
        if "rules" in options:
            options["rules"] = tuple(AlertRule(**rule) for rule in options["rules"])
        return AlertSettings(**options)
    except TypeError as error:
        raise ConfigurationError(f"The settings of alerts are malformed: {error}.") from None


class Alerts:
    """One process's look at the rules; ``look`` is called again and again while it holds the caretaker's lease."""

    def __init__(self, settings: AlertSettings, guard: FailureGuard) -> None:
        self.settings, self._guard = settings, guard
        self._watch = Watch()
        self._sending: threading.Thread | None = None
        self._took: dict[str, set[int]] = {}
        """By message, which targets took it, while another has not."""

    def look(self, ctx: ActionContext) -> None:
        """Evaluate every rule, keep what follows, and have due messages sent."""
        chosen = self.settings
        found: list[AlertFinding] = []
        looked_at: set[str] = set()
        for rule in chosen.rules:

            def evaluate(rule: AlertRule = rule) -> None:
                found.extend(alert_rules.findings(rule, measure(ctx, rule)))
                looked_at.add(rule.title)

            self._guard.duty(f"alert rule {rule.title}", evaluate)
        ledger = ctx.ledger
        now_ms = ledger.now_ms()
        plan = alert_rules.plan(
            found[:_MOST],
            ledger.incidents(since_ms=now_ms - _RECENT_MS),
            self._watch,
            looked_at=frozenset(looked_at) | {"test"},
            now_ms=now_ms,
            clear_ms=int(chosen.clear_s * 1000),
            reopen_ms=int(chosen.reopen_s * 1000),
        )
        keep(ledger, plan)
        targets = [kind_of(target) for target in chosen.targets]
        rules = [rule.title for rule in chosen.rules]
        ledger.put_value(STATE_KEY, {"rules": rules, "targets": targets, "at": now_ms})
        ledger.prune_incidents(before_ms=now_ms - KEPT_MS)
        self._send_due(ctx, now_ms)

    def _send_due(self, ctx: ActionContext, now_ms: int) -> None:
        reopen_ms = int(self.settings.reopen_s * 1000)
        due = []
        for one in ctx.ledger.incidents(since_ms=now_ms - _RECENT_MS):
            message = alert_rules.due_message(one, now_ms=now_ms, reopen_ms=reopen_ms)
            if message is not None:
                due.append((one, message_of(ctx.ledger, one, message)))
        if not due:
            return
        if has_sender(ctx):
            for one, alert in due[:_AT_ONCE]:
                self._guard.duty("handing an alert to its run", lambda o=one, a=alert: hand_over(ctx, o, a))  # type: ignore[misc]
        elif self.settings.targets and (self._sending is None or not self._sending.is_alive()):
            work = [pair for pair in due if _is_time(pair[0], now_ms)][:_AT_ONCE]
            self._sending = threading.Thread(
                target=self._send, args=(ctx.ledger, work), name="durable-alerts", daemon=True
            )
            self._sending.start()

    def _send(self, ledger: Ledger, due: Sequence[tuple[Incident, dict[str, Any]]]) -> None:
        for one, alert in due:
            took = self._took.setdefault(key_of(alert), set())
            try:
                for number, target in enumerate(self.settings.targets):
                    if number not in took:
                        send(target, alert, secret=self.settings.secret)
                        took.add(number)
                ledger.note_sent(one.id, alert["message"], by="caretaker")
                del self._took[key_of(alert)]
            except AlertNotSentError as error:
                log.warning("An alert was not sent and is tried again: %s", error)
                self._note_trouble(ledger, one, str(error))
            except BridgeError:
                log.debug("The ledger did not note that an alert was sent.")

    def _note_trouble(self, ledger: Ledger, one: Incident, problem: str) -> None:
        try:
            ledger.note_not_sent(one.id, problem)
        except BridgeError:
            log.debug("The ledger did not note that an alert was not sent.")


def _is_time(one: Incident, now_ms: int) -> bool:
    """Say whether a message that failed is tried again: after 2, 4, 8 … seconds, at most every ten minutes. Pure."""
    waited_ms = min(600_000, 1000 * 2 ** min(one.tries, 10))
    return one.tries == 0 or now_ms - (one.ended_ms or one.opened_ms) >= waited_ms


def keep(ledger: Ledger, plan: alert_rules.AlertPlan) -> None:
    """Write what a look changes."""
    for one in plan.opened:
        ledger.open_incident(one)
        log.warning("Alert: %s", one.summary)
    ledger.touch_incidents(plan.touched)
    for one in plan.reopened:
        ledger.reopen_incident(one)
    for one in plan.ended:
        ledger.end_incident(one.id)


def message_of(ledger: Ledger, one: Incident, message: str) -> dict[str, Any]:
    """Return what is sent about an incident."""
    kept = kept_address(ledger)
    return {
        "id": one.id,
        "message": message,
        "rule": one.rule,
        "kind": one.kind,
        "subject": one.subject,
        "summary": one.summary,
        "url": None if kept is None else f"{kept.url}/alerts#{one.id}",
        "openedAt": iso(one.opened_ms),
        "endedAt": iso(one.ended_ms),
    }


def has_sender(ctx: ActionContext) -> bool:
    """Say whether a live worker declares the sender."""
    return any(ALERT_WORKFLOW in executor.workflows for executor in ctx.presence().live)


def hand_over(ctx: ActionContext, one: Incident, alert: dict[str, Any]) -> None:
    """Enqueue the run that sends a message. Its id is the message's: handed over twice, it is sent once."""
    sender = next(e for e in ctx.presence().live if ALERT_WORKFLOW in e.workflows)
    run_id = f"{ALERT_PREFIX}{key_of(alert)}"
    options: EnqueueOptions = {
        "workflow_name": ALERT_WORKFLOW,
        "queue_name": WORK_QUEUE,
        "workflow_id": run_id,
        "serialization_type": WorkflowSerializationFormat.PORTABLE,
        "application_name": sender.app_name,
    }
    if sender.app_version:
        options["app_version"] = sender.app_version
    with ctx.engine.use() as client:
        client.enqueue(options, alert)
    ctx.ledger.note_sent(one.id, alert["message"], by=run_id)


# -- what rules look at -----------------------------------------------------------------------------------------------


def measure(ctx: ActionContext, rule: AlertRule) -> list[Measured]:
    """Return the values that a rule is about, by subject."""
    return _MEASURES[rule.kind](ctx, rule)


def _failure_rate(ctx: ActionContext, rule: AlertRule) -> list[Measured]:
    query = RunQuery(since_ms=ctx.store.now_ms() - int(rule.window_s * 1000), workflow=rule.only)
    failed: Counter[str] = Counter()
    ended: Counter[str] = Counter()
    for facet in _reader(ctx).facets(query, by_workflow=True, exact=True):
        if facet.status in RATED_STATUSES and not _is_ours(facet.workflow):
            ended[facet.workflow or ""] += facet.count
            failed[facet.workflow or ""] += facet.count if facet.status in FAILED_STATUSES else 0
    return [Measured(name, failed[name] / count, count) for name, count in ended.items() if count]


def _dead_letter(ctx: ActionContext, rule: AlertRule) -> list[Measured]:
    since_ms = ctx.store.now_ms() - int(rule.window_s * 1000)
    newest = _reader(ctx).page(RunQuery(statuses=frozenset({"dead"}), workflow=rule.only, limit=_MOST)).runs
    return _by_workflow(run.workflow for run in newest if run.updated_at_ms >= since_ms)


def _blocked(ctx: ActionContext, rule: AlertRule) -> list[Measured]:
    found = _reader(ctx).page(RunQuery(statuses=frozenset({"blocked"}), workflow=rule.only, limit=_MOST)).runs
    return _by_workflow(run.workflow for run in found if not _is_ours(run.workflow))


def _queue_age(ctx: ActionContext, rule: AlertRule) -> list[Measured]:
    now_ms = ctx.store.now_ms()
    return [
        Measured(queue.name, max(0, now_ms - queue.oldest_created_at_ms) / 1000)
        for queue in ctx.store.queues()
        if queue.oldest_created_at_ms is not None and not _is_ours(queue.name)
    ]


def _silent_worker(ctx: ActionContext, rule: AlertRule) -> list[Measured]:
    """A worker that was replaced under another name stays silent for ever: it is told of for the window alone."""
    seen = ctx.presence()
    alive = {executor.executor_id for executor in seen.live}
    silent: dict[str, float] = {}
    for executor in seen.lost:
        silent_s = (seen.now_ms - executor.beat_at_ms) / 1000
        if not executor.stopped and executor.executor_id not in alive and silent_s <= rule.window_s:
            silent[executor.executor_id] = min(silent_s, silent.get(executor.executor_id, silent_s))
    return [Measured(name, value) for name, value in silent.items()]


def _overdue_schedule(ctx: ActionContext, rule: AlertRule) -> list[Measured]:
    now_ms = ctx.store.now_ms()
    late = ((one.name, overdue_ms(one, now_ms)) for one in ctx.store.schedules() if one.active)
    return [Measured(name, ms / 1000) for name, ms in late if ms is not None]


def _waiting_for_person(ctx: ActionContext, rule: AlertRule) -> list[Measured]:
    questions, _ = ctx.store.questions()
    now_ms = ctx.store.now_ms()
    runs = ctx.store.get_runs(sorted({one.run_id for one in questions}))
    longest: dict[str, float] = {}
    for one in questions:
        if one.run_id in runs:
            name = runs[one.run_id].workflow
            longest[name] = max(longest.get(name, 0.0), (now_ms - one.since_ms) / 1000)
    return [Measured(name, value) for name, value in longest.items()]


_MEASURES: Mapping[str, Callable[[ActionContext, AlertRule], list[Measured]]] = {
    "failure_rate": _failure_rate,
    "dead_letter": _dead_letter,
    "blocked": _blocked,
    "queue_age": _queue_age,
    "silent_worker": _silent_worker,
    "overdue_schedule": _overdue_schedule,
    "waiting_for_person": _waiting_for_person,
}


def _by_workflow(names: Any) -> list[Measured]:
    return [Measured(name, count) for name, count in Counter(names).items()]


def _is_ours(name: str | None) -> bool:
    return name is not None and name.startswith(_OURS)


def _reader(ctx: ActionContext) -> RunReader:
    return RunReader(ctx.store, ctx.presence, lambda: ctx.ledger)
