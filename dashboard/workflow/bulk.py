"""The workflow ``durable.bulk``: one action over many runs, in small recorded steps. Runs in a worker.

Its logic is ``dashboard.actions.bulk``, loaded when the first bulk run executes: a worker that never runs one never
loads it.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from dbos import DBOS

from dashboard.workflow.names import BULK_APPLY_STEP, BULK_CANARY_STEP, BULK_PLAN_STEP

CHUNK = 10
CHUNKS = 200
"""At most about so many steps: a bulk of 50,000 runs is read again at each look at its progress."""


def chunk_size(runs: int) -> int:
    """Return how many runs one recorded step acts on. Pure.

    Example:
        >>> chunk_size(35), chunk_size(50_000)
        (10, 250)
    """
    return max(CHUNK, -(-runs // CHUNKS))


def bulk_run(request: dict[str, Any]) -> dict[str, Any]:
    """Apply an action to the runs that a filter matched. Registered as ``durable.bulk``.

    Args:
        request: what ``dashboard.actions.bulk`` wrote: action, parameters, ids, the bound of the preview, actor.

    Returns:
        ``{"matched", "applied", "refused"}``: counts.
    """
    ids: list[str] = [str(run_id) for run_id in request["ids"]]
    DBOS.run_step({"name": BULK_PLAN_STEP}, lambda: {"matched": len(ids)})
    applied = refused = 0
    for chunk in _chunks(ids, canary=request["action"] == "move"):
        outcomes = _apply(request, chunk)
        applied += sum(1 for outcome in outcomes if outcome["outcome"] == "applied")
        refused += sum(1 for outcome in outcomes if outcome["outcome"] != "applied")
        if request["action"] == "move" and len(chunk) == 1 and applied == 1:
            verdict = DBOS.run_step({"name": BULK_CANARY_STEP}, _work("watch_canary"), chunk[0])
            if not verdict["good"]:
                return {"matched": len(ids), "applied": applied, "refused": refused, "stopped": verdict["detail"]}
    return {"matched": len(ids), "applied": applied, "refused": refused}


def _chunks(ids: list[str], *, canary: bool) -> Iterator[list[str]]:
    """Yield the runs of each step; of a move one alone first, so that a version that breaks runs breaks one."""
    first = 1 if canary and len(ids) > 1 else 0
    if first:
        yield ids[:1]
    size = chunk_size(len(ids))
    for start in range(first, len(ids), size):
        yield ids[start : start + size]


def _apply(request: dict[str, Any], ids: list[str]) -> list[dict[str, Any]]:
    outcomes: list[dict[str, Any]] = DBOS.run_step(
        {"name": BULK_APPLY_STEP, "retries_allowed": True, "max_attempts": 5, "interval_seconds": 1.0},
        _work("apply_chunk"),
        {key: value for key, value in request.items() if key != "ids"},
        ids,
        DBOS.workflow_id,
    )
    return outcomes


def _work(name: str) -> Any:
    def call(*args: Any) -> Any:
        return getattr(importlib.import_module("dashboard.actions.bulk"), name)(*args)

    return call
