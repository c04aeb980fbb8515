"""The workflow ``durable.bulk``: one action over many runs, in small recorded steps. Runs in a worker.

Its logic is ``dashboard.actions.bulk_work``, loaded when the first bulk run executes: a worker that never runs one
never loads it.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from typing import Any

from dbos import DBOS

from dashboard.workflow.names import (
    BULK_APPLY_STEP,
    BULK_CANARY_STEP,
    BULK_CHECK_STEP,
    BULK_END_STEP,
    BULK_PLAN_STEP,
)

CHUNK = 10
CHUNKS = 200
"""At most about so many steps: a bulk of 50,000 runs is read again at each look at its progress."""
CANARY_SHARES = (0.01, 0.05, 0.25)
"""How much of a bulk action has been done when it stops to see what became of that."""


def chunk_size(runs: int) -> int:
    """Return how many runs one recorded step acts on. Pure.

    Example:
        >>> chunk_size(35), chunk_size(50_000)
        (10, 250)
    """
    return max(CHUNK, -(-runs // CHUNKS))


def stages_of(runs: int, *, action: str, canary: bool) -> list[int]:
    """Return how many runs are taken before each look at what became of them, and at last the rest. Pure.

    A move tries one run: a version that breaks runs breaks one. Otherwise 1, 5 and 25 % have been taken at each look.

    Example:
        >>> stages_of(103, action="retry", canary=True), stages_of(3, action="retry", canary=True)
        ([2, 4, 20, 77], [1, 2])
        >>> stages_of(103, action="move", canary=False), stages_of(103, action="retry", canary=False)
        ([1, 102], [103])
    """
    if runs < 2 or not (canary or action == "move"):
        return [runs]
    if action == "move":
        return [1, runs - 1]
    reached = sorted({-int(-runs * share // 1) for share in CANARY_SHARES} | {runs})
    return [upto - before for before, upto in zip([0, *reached], reached, strict=False)]


def bulk_run(request: dict[str, Any]) -> dict[str, Any]:
    """Apply an action to the runs that a filter matched. Registered as ``durable.bulk``.

    Args:
        request: what ``dashboard.actions.bulk`` wrote: action, parameters, ids, the bound of the preview, actor.

    Returns:
        ``{"matched", "applied", "refused"}``: counts; ``stopped`` says why it ended before the last run.
    """
    done = _apply_in_stages(request)
    DBOS.run_step({"name": BULK_END_STEP}, _work("end"), DBOS.workflow_id)
    return done


def _apply_in_stages(request: dict[str, Any]) -> dict[str, Any]:
    ids: list[str] = [str(run_id) for run_id in request["ids"]]
    canary = bool((request.get("params") or {}).get("canary"))
    stages = stages_of(len(ids), action=request["action"], canary=canary)
    DBOS.run_step({"name": BULK_PLAN_STEP}, lambda: {"matched": len(ids), "stages": stages})
    counts = {"matched": len(ids), "applied": 0, "refused": 0}
    taken = 0
    for number, size in enumerate(stages):
        is_last = number == len(stages) - 1
        for chunk in _chunks(ids[taken : taken + size], len(ids)):
            if canary and is_last and taken:
                verdict = _look(BULK_CHECK_STEP, request, ids[:taken], wait=False)
                if not verdict["good"]:
                    return {**counts, "stopped": verdict["detail"]}
            outcomes = _apply(request, chunk)
            taken += len(chunk)
            applied = sum(1 for outcome in outcomes if outcome["outcome"] == "applied")
            counts["applied"] += applied
            counts["refused"] += len(outcomes) - applied
        if not is_last and counts["applied"]:
            verdict = _look(BULK_CANARY_STEP, request, ids[:taken], wait=True)
            if not verdict["good"]:
                return {**counts, "stopped": verdict["detail"]}
    return counts


def _chunks(ids: Sequence[str], of: int) -> Iterator[Sequence[str]]:
    """Yield the runs of each step."""
    size = chunk_size(of)
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def _apply(request: dict[str, Any], ids: Sequence[str]) -> list[dict[str, Any]]:
    outcomes: list[dict[str, Any]] = DBOS.run_step(
        {"name": BULK_APPLY_STEP, "retries_allowed": True, "max_attempts": 5, "interval_seconds": 1.0},
        _work("apply_chunk"),
        _without_ids(request),
        list(ids),
        DBOS.workflow_id,
    )
    return outcomes


def _look(step: str, request: dict[str, Any], taken: Sequence[str], *, wait: bool) -> dict[str, Any]:
    verdict: dict[str, Any] = DBOS.run_step(
        {"name": step, "retries_allowed": True, "max_attempts": 5, "interval_seconds": 1.0},
        _work("watch_canary"),
        _without_ids(request),
        list(taken),
        DBOS.workflow_id,
        wait,
    )
    return verdict


def _without_ids(request: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in request.items() if key != "ids"}


def _work(name: str) -> Any:
    def call(*args: object) -> Any:
        return getattr(importlib.import_module("dashboard.actions.bulk_work"), name)(*args)

    return call
