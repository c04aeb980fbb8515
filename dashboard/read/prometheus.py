"""The metrics route's text: what operators alert on and autoscalers scale by. Reads the store and presence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import get_args

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from dashboard.read.alerts import STATE_KEY
from dashboard.read.fleet import executor_status, worker_groups
from dashboard.read.services import Services
from otel_bridge.errors import LedgerError
from otel_bridge.model.runs import BlockedCode, RunQuery
from otel_bridge.model.status import BLOCKABLE_STATUSES, RUN_STATUSES

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Samples = Iterable[tuple[str, float]]
"""Values by the family's one label."""


class _Families(Collector):
    """What one scrape found, for a registry of its own: an app's own metrics are none of ours."""

    def __init__(self, families: Iterable[GaugeMetricFamily]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the families."""
        return self._families


def _gauge(name: str, help_text: str, label: str, samples: Samples) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, help_text, labels=[label])
    for value, number in samples:
        family.add_metric([value], number)
    return family


def metrics_text(services: Services) -> bytes:
    """Return the metrics in Prometheus' text format.

    Raises:
        StoreError: the store cannot be read; routing answers 503, which a scraper shows as a failed scrape.
    """
    registry = CollectorRegistry()
    registry.register(
        _Families(
            [
                *_of_runs(services),
                *_of_queues(services),
                *_of_inbox(services),
                *_of_alerts(services),
                *_of_processes(services),
            ]
        )
    )
    return generate_latest(registry)


def _of_runs(services: Services) -> Iterable[GaugeMetricFamily]:
    """Count every run: a gauge cannot say that there may be more."""
    ended = services.store.facets(RunQuery())
    counts = Counter({facet.status: facet.count for facet in ended if facet.status not in BLOCKABLE_STATUSES})
    by_version: Counter[str] = Counter()
    not_driven: Counter[BlockedCode] = Counter()
    for run, count in services.runs.open_groups(RunQuery()):
        counts[run.status] += count
        by_version[run.workflow_version or ""] += count
        if run.blocked is not None:
            not_driven[run.blocked.code] += count
    yield _gauge("durable_runs", "Runs in the store by status.", "status", ((s, counts[s]) for s in RUN_STATUSES))
    yield _gauge(
        "durable_runs_by_version", "Open runs by version of the application.", "version", sorted(by_version.items())
    )
    yield _gauge(
        "durable_runs_not_driven",
        "Open runs that no worker runs, by the reason.",
        "code",
        ((code, not_driven[code]) for code in get_args(BlockedCode)),
    )


def _of_queues(services: Services) -> Iterable[GaugeMetricFamily]:
    groups = worker_groups(services)

    def by_queue(name: str, help_text: str, numbers: Iterable[float]) -> GaugeMetricFamily:
        return _gauge(name, help_text, "queue", zip((group.group for group in groups), numbers, strict=True))

    yield by_queue("durable_queue_depth", "Runs that wait on a queue.", (g.depth for g in groups))
    yield by_queue("durable_queue_running", "Runs taken from a queue and not ended.", (g.running for g in groups))
    yield by_queue(
        "durable_queue_oldest_seconds",
        "Age of the oldest run that waits on a queue; 0 when none does.",
        ((g.oldest_ms or 0) / 1000 for g in groups),
    )
    yield by_queue(
        "durable_queue_live_workers",
        "Worker processes that report presence and listen to a queue.",
        (len(g.live_workers) for g in groups),
    )
    yield by_queue(
        "durable_queue_depth_per_worker",
        "Backlog by live worker, the signal to scale by; without a worker, the backlog itself.",
        (g.depth / max(1, len(g.live_workers)) for g in groups),
    )


def _of_inbox(services: Services) -> Iterable[GaugeMetricFamily]:
    questions, _ = services.store.questions()
    oldest_ms = services.store.now_ms() - questions[0].since_ms if questions else 0
    yield GaugeMetricFamily("durable_inbox", "Waits that a person is to answer.", value=len(questions))
    yield GaugeMetricFamily(
        "durable_inbox_oldest_seconds",
        "How long the oldest of them has waited; 0 when none does.",
        value=max(0, oldest_ms) / 1000,
    )


def _of_alerts(services: Services) -> Iterable[GaugeMetricFamily]:
    """Count incidents by rule; a rule that finds nothing is 0, so that an alarm on it ends."""
    open_by_rule: Counter[str] = Counter()
    try:
        state = services.ledger.get_value(STATE_KEY)
        rules = state.get("rules") if isinstance(state, dict) else None
        open_by_rule.update({str(rule): 0 for rule in (rules if isinstance(rules, list) else [])})
        now_ms = services.ledger.now_ms()
        open_by_rule.update(one.rule for one in services.ledger.incidents(since_ms=now_ms) if one.is_open)
    except LedgerError:
        open_by_rule.clear()  # the other metrics do without
    yield _gauge("durable_alerts_open", "Incidents that alert rules found.", "rule", sorted(open_by_rule.items()))


def _of_processes(services: Services) -> Iterable[GaugeMetricFamily]:
    seen = services.presence()
    executors = Counter({"live": 0, "lost": 0, "stopped": 0})
    executors.update(executor_status(executor, seen.now_ms) for executor in seen.executors)
    yield _gauge("durable_executors", "Worker processes by status.", "status", executors.items())
    yield GaugeMetricFamily("durable_stream_viewers", "Open live streams of this process.", value=services.viewers())
