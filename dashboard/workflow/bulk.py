"""The workflow ``durable.bulk``: one action over many runs, in small recorded steps. Runs in a worker.

Its logic is ``dashboard.actions.bulk``, loaded when the first bulk run executes: a worker that never runs one never
loads it.
"""

from __future__ import annotations

import importlib
from typing import Any

from dbos import DBOS

from dashboard.workflow import engine

CHUNK = 10


def bulk_run(request: dict[str, Any]) -> dict[str, Any]:
    """Apply an action to the runs that a filter matched. Registered as ``durable.bulk``.

    Args:
        request: what ``dashboard.actions.bulk`` wrote: action, parameters, filter, the bound of the preview, actor.

    Returns:
        ``{"matched", "applied", "refused"}``: counts.
    """
    run_id = DBOS.workflow_id
    ids: list[str] = DBOS.run_step({"name": "durable.bulk_plan"}, _work("plan_ids"), _url(), request)
    applied = refused = 0
    for start in range(0, len(ids), CHUNK):
        outcomes: list[dict[str, Any]] = DBOS.run_step(
            {"name": "durable.bulk_apply", "retries_allowed": True, "max_attempts": 5, "interval_seconds": 1.0},
            _work("apply_chunk"),
            _url(),
            request,
            ids[start : start + CHUNK],
            run_id,
        )
        applied += sum(1 for outcome in outcomes if outcome["outcome"] == "applied")
        refused += sum(1 for outcome in outcomes if outcome["outcome"] != "applied")
    return {"matched": len(ids), "applied": applied, "refused": refused}


def _url() -> str:
    return engine.system_database_url()


def _work(name: str) -> Any:
    def call(*args: Any) -> Any:
        return getattr(importlib.import_module("dashboard.actions.bulk"), name)(*args)

    return call
