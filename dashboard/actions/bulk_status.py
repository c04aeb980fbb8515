"""How far a bulk action is: what its durable run recorded, or the ledger, where a request did it. Reads both."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import accumulate
from typing import Any

from dashboard.actions.context import ActionContext
from dashboard.errors import NotFound
from dashboard.wire.base import Json
from dashboard.workflow.names import BULK_APPLY_STEP as APPLY_STEP
from dashboard.workflow.names import BULK_CANARY_STEP as CANARY_STEP
from dashboard.workflow.names import BULK_CHECK_STEP as CHECK_STEP
from dashboard.workflow.names import BULK_PLAN_STEP as PLAN_STEP
from otel_bridge.codec import WHOLE, decode
from otel_bridge.errors import LedgerError
from otel_bridge.model.names import bulk_run_id
from otel_bridge.model.runs import Run
from otel_bridge.model.values import StoredValue

AT_WORK_MS = 300_000
"""So long may a request be at a bulk action of its own; one that has not ended then was interrupted."""
_INTERRUPTED = "The server ended while it was at work. What it did not come to was left as it is: start another."


def status(ctx: ActionContext, bulk_id: str, *, first: int = 0, noted: bool = True) -> dict[str, Any]:
    """Return a bulk action's progress and a result per run.

    Args:
        first: number of the first result wanted, for callers who have those before it.
        noted: also of one that a request did, of which only the ledger knows.

    Raises:
        NotFound: there is no such bulk action.
        LedgerError: the ledger, which alone may know of it, cannot be read.
    """
    run_id = bulk_run_id(bulk_id)
    run = ctx.store.get_run(run_id)
    if run is not None:
        return _of_run(ctx, run, first)
    bulk = ctx.ledger.bulk(run_id) if noted else None
    if bulk is None:
        raise NotFound(f"There is no bulk action {bulk_id[:200]!r}.")
    members = ctx.ledger.bulk_members(run_id, limit=bulk.matched + 1)
    done = [member for member in members if member.outcome != "trying"]
    results = [
        {"runId": one.run_id, "outcome": one.outcome, **({"detail": one.detail} if one.detail else {})} for one in done
    ]
    at_work = bulk.ended_at_ms is None and ctx.ledger.now_ms() - bulk.at_ms < AT_WORK_MS
    interrupted = bulk.ended_at_ms is None and not at_work
    state = "running" if at_work else "failed" if interrupted else "completed"
    return _told(run_id, state, bulk.matched, results, _INTERRUPTED if interrupted else None, None, first)


def _of_run(ctx: ActionContext, run: Run, first: int) -> dict[str, Any]:
    matched: int | None = None
    sizes: list[int] = []
    results: list[dict[str, Any]] = []
    verdicts: dict[int, bool] = {}
    stopped: str | None = None
    # One read of all outputs: the page asks again and again, and a step at a time would cost the square of the runs.
    for name, output in ctx.store.step_outputs(run.id, (PLAN_STEP, APPLY_STEP, CANARY_STEP, CHECK_STEP)):
        value = _own_json(output)
        if name == PLAN_STEP and isinstance(value, dict):
            matched = int(value["matched"])
            sizes = [int(size) for size in value.get("stages") or ()]
        elif name in (CANARY_STEP, CHECK_STEP) and isinstance(value, dict):
            stopped = None if value["good"] else str(value["detail"])
            if name == CANARY_STEP:
                verdicts[int(value.get("upto") or 0)] = bool(value["good"])
        elif isinstance(value, list):
            results += [entry for entry in value if isinstance(entry, dict)]
    stages = stage_states(sizes, len(results), verdicts, stopped=stopped is not None)
    return _told(run.id, run.status, matched, results, stopped, stages, first)


def stage_states(
    sizes: Sequence[int], done: int, verdicts: Mapping[int, bool], *, stopped: bool
) -> list[dict[str, Any]] | None:
    """Return how far each stage of a bulk action is; None where it has but one. Pure.

    Args:
        sizes: runs of each stage.
        done: runs that it came to.
        verdicts: of the looks so far, by how many runs had been taken; none where nothing was applied to any.

    Example:
        >>> [one["state"] for one in stage_states([1, 4, 5], 5, {1: True}, stopped=False)]
        ['good', 'watched', 'waiting']
    """
    if len(sizes) < 2:
        return None
    found: list[dict[str, Any]] = []
    ends = list(accumulate(sizes))
    for size, end in zip(sizes, ends, strict=True):
        if end in verdicts:
            state = "good" if verdicts[end] else "stopped"
        elif done > end or (done == end and end == ends[-1]):
            state = "good"
        elif done == end:
            state = "watched"
        else:
            state = "at_work" if done > end - size else "waiting"
        found.append({"runs": size, "state": state})
    if stopped and all(one["state"] != "stopped" for one in found):
        found[-1]["state"] = "stopped"
    return found


def _told(
    run_id: str,
    state: str,
    matched: int | None,
    results: Sequence[dict[str, Any]],
    stopped: str | None,
    stages: list[dict[str, Any]] | None,
    first: int,
) -> dict[str, Any]:
    counts = Counter(str(result.get("outcome")) for result in results)
    return {
        "bulkId": run_id,
        "status": state,
        "matched": matched,
        "done": len(results),
        "applied": counts.get("applied", 0),
        "refused": len(results) - counts.get("applied", 0),
        "stopped": stopped,
        "stages": stages,
        "results": list(results[first:]),
    }


def actor_of(ctx: ActionContext, bulk_id: str) -> str | None:
    """Return who started a bulk action; None if there is no such action."""
    run_id = bulk_run_id(bulk_id)
    given = ctx.store.get_payload(run_id, "input", cap_bytes=None)
    value = None if given is None else decode(given, limits=WHOLE).json
    args = value.get("args") if isinstance(value, dict) else None
    request = args[0] if isinstance(args, list) and args else None
    if isinstance(request, dict) and "actor" in request:
        return str(request["actor"])
    with suppress(LedgerError):
        bulk = ctx.ledger.bulk(run_id)
        return None if bulk is None else bulk.actor
    return None


def _own_json(output: StoredValue) -> Json:
    """Return what a step of ours recorded: plain JSON of our own making, unless an engine chose another format."""
    if output.serialization == "portable_json":
        try:
            value: Json = json.loads(output.text)
            return value
        except ValueError:
            return None
    return decode(output, limits=WHOLE).json
