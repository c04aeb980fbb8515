"""What a bulk action does with each run, in the request or in a worker; and its look at those that it took first."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any, Literal

from dashboard.actions import cancel as cancelling
from dashboard.actions import move as moving
from dashboard.actions import retry as retrying
from dashboard.actions.canary import await_group
from dashboard.actions.context import ActionContext
from dashboard.actions.engine_client import EngineClient
from dashboard.actions.permission import Permission
from dashboard.errors import Problem
from dashboard.workflow import engine as workflow_engine
from otel_bridge.errors import LedgerError
from otel_bridge.ledger.base import BulkMember
from otel_bridge.model.names import BULK_PREFIX
from otel_bridge.model.runs import Run
from otel_bridge.runs.allowed import allowed_actions
from otel_bridge.runs.failures import FailureLog
from otel_bridge.runs.overlay import overlay_run
from otel_bridge.runs.presence import Presence
from otel_bridge.store import open_store

BulkAction = Literal["retry", "cancel", "move"]
log = logging.getLogger(__name__)


def touchable(action: BulkAction, run: Run, seen: Presence, bound_ms: int) -> bool:
    """Say whether a bulk action may touch a run: its state allows it, and it has not ended again since. Pure.

    Args:
        run: as presence shows it.
        bound_ms: when the bulk was previewed.
    """
    if run.id.startswith(BULK_PREFIX) or action not in allowed_actions(run, seen):
        return False
    return run.finished_at_ms is None or run.finished_at_ms <= bound_ms


def watch_canary(request: Mapping[str, object], ids: Sequence[str], bulk_id: str, wait: bool = True) -> dict[str, Any]:
    """Look at what became of the runs that a bulk action took first. See ``dashboard.actions.canary``.

    Args:
        ids: all runs that it took so far.
        wait: until it is known of each; else only whether one of them failed again by now.
    """
    with _worker_context() as ctx:
        by_move = request["action"] == "move"
        found = moving.await_canary(ctx, ids[0]) if by_move else await_group(ctx, bulk_id, ids, wait=wait)
        return {**found, "upto": len(ids)}


def end(bulk_id: str) -> None:
    """Note that a bulk action is over, for those who look at it without its run."""
    with _worker_context() as ctx, suppress(LedgerError):
        ctx.ledger.end_bulk(bulk_id)


def apply_chunk(request: Mapping[str, object], ids: Sequence[str], bulk_id: str) -> list[dict[str, Any]]:
    """Apply the action to some runs; return an outcome per run. Called again after a crash, it repeats nothing."""
    with _worker_context() as ctx:
        return apply_ids(_limited(ctx, request), request, ids, bulk_id=bulk_id)


def _limited(ctx: ActionContext, request: Mapping[str, Any]) -> ActionContext:
    """Return the worker's context with what the host's policy allowed when the bulk was asked for."""
    via, approved = request.get("via"), request.get("approved")
    if approved is None:
        return replace(ctx, via=via)
    may_touch = frozenset(approved)
    return replace(ctx, via=via, permission=Permission(lambda action, run: run.id in may_touch, ctx.store))


@contextmanager
def _worker_context() -> Iterator[ActionContext]:
    """Yield a context over the database of the process's own engine."""
    url, schema = workflow_engine.system_database()
    with ExitStack() as opened:
        store = open_store(url, schema=schema)
        opened.callback(store.close)
        ledger = opened.enter_context(workflow_engine.ledger())
        engine = EngineClient(store)
        opened.callback(engine.close)
        yield ActionContext(store=store, ledger=ledger, engine=engine)


def apply_ids(
    ctx: ActionContext, request: Mapping[str, Any], ids: Sequence[str], *, bulk_id: str | None = None
) -> list[dict[str, Any]]:
    """Apply the request's action to each of ``ids`` that still stands as it was previewed."""
    action: BulkAction = request["action"]
    seen = ctx.presence()
    runs = {run_id: overlay_run(run, seen) for run_id, run in ctx.store.get_runs(ids).items()}
    _note(ctx, bulk_id, ids, runs, _last_errors(ctx, runs.values()), {})
    results = [_apply_one(ctx, action, request, run_id, runs.get(run_id), seen, bulk_id) for run_id in ids]
    _note(ctx, bulk_id, ids, runs, {}, {result["runId"]: result for result in results})
    return results


def _last_errors(ctx: ActionContext, runs: Collection[Run]) -> Mapping[str, str]:
    """Return the fingerprint of the error that each run died of last, before the engine is asked to forget it."""
    try:
        return FailureLog(ctx.store, ctx.ledger).fingerprints(runs)
    except LedgerError:
        return {}


def _note(
    ctx: ActionContext,
    bulk_id: str | None,
    ids: Sequence[str],
    runs: Mapping[str, Run],
    errors: Mapping[str, str],
    results: Mapping[str, Mapping[str, Any]],
) -> None:
    """Write what becomes of runs into the ledger: before each is acted on, that it is tried, then how it went.

    A ledger that fails stops no action.
    """
    if bulk_id is None:
        return
    members = [
        BulkMember(
            bulk_id=bulk_id,
            run_id=run_id,
            created_at_ms=runs[run_id].created_at_ms if run_id in runs else 0,
            outcome=results[run_id]["outcome"] if run_id in results else "trying",
            detail=str(results.get(run_id, {}).get("detail") or ""),
            fingerprint=errors.get(run_id),
        )
        for run_id in ids
    ]
    try:
        ctx.ledger.put_bulk_members(members)
    except LedgerError:
        log.warning("What the bulk action %s did with %d runs could not be noted.", bulk_id, len(members))


def _apply_one(
    ctx: ActionContext,
    action: BulkAction,
    request: Mapping[str, Any],
    run_id: str,
    run: Run | None,
    seen: Presence,
    bulk_id: str | None,
) -> dict[str, Any]:
    if run is None:
        return {"runId": run_id, "outcome": "gone", "detail": "The run was deleted meanwhile."}
    marker = f"bulk.{bulk_id}"
    tried_before = bulk_id is not None and ctx.ledger.count(run_id, marker) > 0
    if not touchable(action, run, seen, int(request["boundMs"])):
        if tried_before:  # a crash came between the action and its record: it was this bulk that moved the run
            return {"runId": run_id, "outcome": "applied"}
        return {"runId": run_id, "outcome": "changed", "detail": f"The run is {run.status} now; it was left alone."}
    if bulk_id is not None and not tried_before:
        ctx.ledger.bump_count(run_id, marker)
    params = request.get("params") or {}
    actor = str(request["actor"])
    try:
        if action == "retry":
            retrying.retry(ctx, run_id, actor=actor, queue=params.get("queue"))
        elif action == "move":
            moving.move(ctx, run_id, actor=actor, version=params.get("version"), forced=bool(params.get("force")))
        else:
            cancelling.cancel(
                ctx,
                run_id,
                actor=actor,
                compensate=bool(params.get("compensate")),
                children=bool(params.get("children")),
            )
    except Problem as problem:
        if problem.status == 503:
            raise
        return {"runId": run_id, "outcome": "refused", "detail": problem.detail}
    return {"runId": run_id, "outcome": "applied"}
