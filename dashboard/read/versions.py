"""The application's versions: what is still open under each, and how each does beside the one before. Reads the store.

Ended runs are the newest of the store, so shares and percentiles speak of recent days; open runs are counted all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice

from dashboard.read.services import Services
from dashboard.wire.base import iso
from dashboard.wire.fleet import VersionFigures, VersionView
from otel_bridge.ledger.base import Executor
from otel_bridge.model.runs import Run, RunQuery
from otel_bridge.model.status import FAILED_STATUSES, RATED_STATUSES, TERMINAL_STATUSES

RECENT = 5_000


def versions(services: Services) -> list[VersionView]:
    """Return the versions of recent runs, open runs and workers, newest first.

    Raises:
        StoreError: the store cannot be read.
    """
    recent = islice(services.runs.every(RunQuery(statuses=TERMINAL_STATUSES)), RECENT)
    return version_views(list(recent), services.runs.open_groups(RunQuery()), services.presence().live)


def version_views(
    ended: Sequence[Run], still_open: Iterable[tuple[Run, int]], live: Iterable[Executor]
) -> list[VersionView]:
    """Return a view per version, the one seen first last. Pure.

    Args:
        still_open: runs that have not ended, each with how many are like it.
    """
    by_version: dict[str, list[Run]] = {}
    for run in ended:
        if run.workflow_version is not None:
            by_version.setdefault(run.workflow_version, []).append(run)
    first_ms = {version: min(run.created_at_ms for run in runs) for version, runs in by_version.items()}
    unfinished: Counter[str] = Counter()
    blocked: Counter[str] = Counter()
    for run, count in still_open:
        version = run.workflow_version
        if version is not None:
            unfinished[version] += count
            blocked[version] += count if run.status == "blocked" else 0
            first_ms[version] = min(first_ms.get(version, run.created_at_ms), run.created_at_ms)
    alive: Counter[str] = Counter()
    for executor in live:
        if executor.app_version is not None:
            alive[executor.app_version] += 1
            seen_ms = first_ms.get(executor.app_version, executor.started_at_ms)
            first_ms[executor.app_version] = min(seen_ms, executor.started_at_ms)
    views: list[VersionView] = []
    for version in sorted(first_ms, key=lambda name: (first_ms[name], name)):
        runs = by_version.get(version, [])
        views.append(
            VersionView(
                version=version,
                first_seen_at=iso(first_ms[version]) or "",
                live_executors=alive[version],
                open_runs=unfinished[version],
                blocked_runs=blocked[version],
                drained=not unfinished[version],
                figures=figures(runs),
                previous=views[-1].version if views else None,
                previous_figures=views[-1].figures if views else None,
            )
        )
    return views[::-1]


def figures(runs: Iterable[Run]) -> VersionFigures:
    """Return how ended runs did: how many, the share that failed, and how long the completed took. Pure."""
    ended = [run for run in runs if run.status in TERMINAL_STATUSES]
    rated = sum(1 for run in ended if run.status in RATED_STATUSES)
    failed = sum(1 for run in ended if run.status in FAILED_STATUSES)
    took = sorted(run.duration_ms for run in ended if run.status == "completed" and run.duration_ms is not None)
    return VersionFigures(
        ended=len(ended),
        failure_share=round(failed / rated, 4) if rated else None,
        p50_ms=percentile(took, 50),
        p95_ms=percentile(took, 95),
    )


def percentile(ordered: Sequence[int], percent: int) -> int | None:
    """Return the nearest-rank percentile of ordered values; None of none. Pure.

    Example:
        >>> percentile([10, 20, 30, 40], 50), percentile([10, 20, 30, 40], 95)
        (20, 40)
    """
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else None
