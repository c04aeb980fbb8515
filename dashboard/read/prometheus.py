"""The metrics route's text: what operators alert on and autoscalers scale by. Reads the store and presence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import get_args

from dashboard.read.fleet import executor_status, worker_groups
from dashboard.read.services import Services
from dashboard.read.versions import open_runs
from otel_bridge.model.runs import BlockedCode, RunQuery
from otel_bridge.model.status import RUN_STATUSES

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Sample = tuple[Mapping[str, str], float]


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _family(name: str, kind: str, help_text: str, samples: Iterable[Sample]) -> list[str]:
    lines = [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}"]
    for labels, value in samples:
        inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        lines.append(f"{name}{{{inside}}} {value:g}" if inside else f"{name} {value:g}")
    return lines


def metrics_text(services: Services) -> str:
    """Return the metrics in Prometheus' text format.

    Raises:
        StoreError: the store cannot be read; routing answers 503, which a scraper shows as a failed scrape.
    """
    counts = {facet.status: facet.count for facet in services.runs.facets(RunQuery())}
    unfinished = open_runs(services)
    by_version = Counter(run.workflow_version or "" for run in unfinished)
    not_driven = Counter(run.blocked.code for run in unfinished if run.blocked is not None)
    groups = worker_groups(services)
    now_ms = services.presence().now_ms
    executors = {"live": 0, "lost": 0, "stopped": 0}
    for executor in services.executors():
        executors[executor_status(executor, now_ms)] += 1

    def per_group(value: Iterable[float]) -> list[Sample]:
        return [({"queue": group.group}, number) for group, number in zip(groups, value, strict=True)]

    lines = [
        *_family(
            "durable_runs",
            "gauge",
            "Runs in the store by status.",
            (({"status": s}, counts.get(s, 0)) for s in RUN_STATUSES),
        ),
        *_family(
            "durable_runs_by_version",
            "gauge",
            "Open runs by version of the application.",
            (({"version": version}, number) for version, number in sorted(by_version.items())),
        ),
        *_family(
            "durable_runs_not_driven",
            "gauge",
            "Open runs that no worker runs, by the reason.",
            (({"code": code}, not_driven[code]) for code in get_args(BlockedCode)),
        ),
        *_family("durable_queue_depth", "gauge", "Runs that wait on a queue.", per_group(g.depth for g in groups)),
        *_family(
            "durable_queue_running",
            "gauge",
            "Runs taken from a queue and not ended.",
            per_group(g.running for g in groups),
        ),
        *_family(
            "durable_queue_oldest_seconds",
            "gauge",
            "Age of the oldest run that waits on a queue; 0 when none does.",
            per_group((g.oldest_ms or 0) / 1000 for g in groups),
        ),
        *_family(
            "durable_queue_live_workers",
            "gauge",
            "Worker processes that report presence and listen to a queue.",
            per_group(len(g.live_workers) for g in groups),
        ),
        *_family(
            "durable_queue_depth_per_worker",
            "gauge",
            "Backlog by live worker, the signal to scale by; without a worker, the backlog itself.",
            per_group(g.depth / max(1, len(g.live_workers)) for g in groups),
        ),
        *_family(
            "durable_executors",
            "gauge",
            "Worker processes by status.",
            (({"status": s}, n) for s, n in executors.items()),
        ),
        *_family("durable_stream_viewers", "gauge", "Open live streams of this process.", [({}, services.viewers())]),
    ]
    return "\n".join(lines) + "\n"
