"""Bulk: one action over every run of a filter.

A dry run first; then at once when few, else as ``bulk:<id>`` in a worker.

What it touches is bound when it is asked for: runs of the filter that were created before, in a status that allows the
action, and that have not ended again since. So nothing outside the preview is touched, and nothing is done twice.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from dbos import EnqueueOptions, WorkflowSerializationFormat

from dashboard.actions import cancel as cancelling
from dashboard.actions import move as moving
from dashboard.actions import retry as retrying
from dashboard.actions.context import ActionContext
from dashboard.actions.engine_client import EngineClient
from dashboard.actions.permission import Permission, cancelled_with, undone_with
from dashboard.errors import NotFound, Problem, Unprocessable
from dashboard.read.listing import RunReader
from dashboard.read.seen import SEE
from dashboard.wire.base import Json
from dashboard.workflow import engine as workflow_engine
from dashboard.workflow.names import BULK_APPLY_STEP as APPLY_STEP
from dashboard.workflow.names import BULK_CANARY_STEP as CANARY_STEP
from dashboard.workflow.names import BULK_PLAN_STEP as PLAN_STEP
from dashboard.workflow.names import BULK_WORKFLOW, WORK_QUEUE
from otel_bridge.codec import WHOLE, decode
from otel_bridge.model.names import BULK_PREFIX
from otel_bridge.model.runs import Run, RunQuery
from otel_bridge.model.values import StoredValue
from otel_bridge.runs.allowed import allowed_actions
from otel_bridge.runs.overlay import overlay_run
from otel_bridge.runs.placement import Need, place
from otel_bridge.runs.presence import Presence
from otel_bridge.store import open_store
from otel_bridge.store.base import StateStore

BulkAction = Literal["retry", "cancel", "move"]
INLINE_MAX = 25
"""So many are done in the request itself."""
RUNS_MAX = 50_000
REACHED_MAX = 5_000
"""Of so many runs at most a policy is asked about what they started, too."""
SAMPLE = 10


@dataclass(frozen=True, slots=True)
class Preview:
    """What a bulk action would touch. ``skipped`` matched the filter, but their state does not allow the action."""

    ids: list[str]
    by_status: dict[str, int]
    sample: list[Run]
    skipped: int
    bound_ms: int


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done: in the request (``results``), or handed to the run ``bulk_id``."""

    matched: int
    applied: int
    bulk_id: str | None
    results: list[dict[str, Any]]


def preview(ctx: ActionContext, action: BulkAction, query: RunQuery, *, bound_ms: int | None = None) -> Preview:
    """Return what the action would touch now.

    Args:
        bound_ms: only runs created up to then; default now.

    Raises:
        Unprocessable: more than ``RUNS_MAX`` runs match.
    """
    bound = ctx.store.now_ms() + 1 if bound_ms is None else bound_ms
    runs, skipped = _matching(ctx, action, query, bound)
    return Preview(
        ids=[run.id for run in runs],
        by_status=dict(Counter(run.status for run in runs)),
        sample=runs[:SAMPLE],
        skipped=skipped,
        bound_ms=bound,
    )


def _matching(ctx: ActionContext, action: BulkAction, query: RunQuery, bound_ms: int) -> tuple[list[Run], int]:
    until = bound_ms if query.until_ms is None else min(bound_ms, query.until_ms)
    seen = ctx.presence()
    runs: list[Run] = []
    skipped = 0
    for run in RunReader(ctx.store, lambda: seen, lambda: ctx.ledger).every(replace(query, until_ms=until)):
        if not touchable(action, run, seen, bound_ms) or not ctx.permission.allows(action, run):
            skipped += 1
            continue
        runs.append(run)
        if len(runs) > RUNS_MAX:
            raise Unprocessable(f"More than {RUNS_MAX} runs match. Narrow the filter, for instance by time.")
    return runs, skipped


def touchable(action: BulkAction, run: Run, seen: Presence, bound_ms: int) -> bool:
    """Say whether a bulk action may touch a run: its state allows it, and it has not ended again since. Pure.

    Args:
        run: as presence shows it.
        bound_ms: when the bulk was previewed.
    """
    if run.id.startswith(BULK_PREFIX) or action not in allowed_actions(run, seen):
        return False
    return run.finished_at_ms is None or run.finished_at_ms <= bound_ms


def apply(
    ctx: ActionContext,
    action: BulkAction,
    query: RunQuery,
    *,
    actor: str,
    params: Mapping[str, Any] | None = None,
    bound_ms: int | None = None,
    ids: Sequence[str] | None = None,
    bulk_id: str | None = None,
) -> Applied:
    """Apply the action.

    Args:
        params: of the action: ``queue``; ``compensate``, ``children``.
        bound_ms: from the preview, so that nothing newer is touched.
        ids: only these of the filter's runs: those previewed.
        bulk_id: of the caller's choice; the same twice is one bulk.
    """
    chosen = dict(params or {})
    with ctx.audited(actor, f"bulk.{action}", bulk_id, **chosen):
        seen = preview(ctx, action, query, bound_ms=bound_ms)
        chosen_ids = None if ids is None else set(ids)
        wanted = [run_id for run_id in seen.ids if chosen_ids is None or run_id in chosen_ids]
        request = {
            "action": action,
            "params": chosen,
            "query": _query_to_json(query),
            "ids": wanted,
            "boundMs": seen.bound_ms,
            "actor": actor,
            "via": ctx.via,
        }
        # A move tries one run first and waits to see what becomes of it: a worker's work.
        if len(wanted) <= INLINE_MAX and bulk_id is None and (action != "move" or len(wanted) < 2):
            results = apply_ids(ctx, request, wanted)
            done = sum(1 for result in results if result["outcome"] == "applied")
            return Applied(len(wanted), done, None, results)
        request["approved"] = _approved(ctx, request)
        return Applied(len(wanted), 0, _enqueue(ctx, request, bulk_id), [])


def _approved(ctx: ActionContext, request: Mapping[str, Any]) -> list[str] | None:
    """Return every run that a worker, which knows neither the actor nor the policy, may touch; None: all.

    Raises:
        Unprocessable: there are too many whose children have to be asked about.
    """
    policy, store = ctx.permission.policy, ctx.permission.store
    if policy is None or store is None:
        return None
    action, reach = _reach(request)
    ids: list[str] = request["ids"]
    if reach is not None and len(ids) > REACHED_MAX:
        raise Unprocessable(
            f"{len(ids)} runs match, and of each the runs that it started have to be asked about: at most "
            f"{REACHED_MAX} at once. Narrow the filter, for instance by time."
        )
    approved: dict[str, None] = {}
    for run_id, run in ctx.store.get_runs(ids).items():
        others = () if reach is None else reach(store, run)
        approved.update(dict.fromkeys(r.id for r in others if policy(SEE, r) and policy(action, r)))
        if policy(action, run):
            approved[run_id] = None
    return list(approved)


def _reach(request: Mapping[str, Any]) -> tuple[str, Callable[[StateStore, Run], Iterable[Run]] | None]:
    """Return the action that the policy is asked about, and what it touches besides each run."""
    params = request.get("params") or {}
    if request["action"] == "cancel" and params.get("compensate"):
        return "cancel_undo", undone_with
    if request["action"] == "cancel" and params.get("children"):
        return "cancel", cancelled_with
    return str(request["action"]), retrying.retried_with if request["action"] == "retry" else None


def _enqueue(ctx: ActionContext, request: dict[str, Any], bulk_id: str | None) -> str:
    run_id = bulk_id if bulk_id is not None else f"{BULK_PREFIX}{uuid.uuid4().hex}"
    if not run_id.startswith(BULK_PREFIX):
        run_id = f"{BULK_PREFIX}{run_id}"
    options: EnqueueOptions = {
        "workflow_name": BULK_WORKFLOW,
        "queue_name": WORK_QUEUE,
        "workflow_id": run_id,
        "serialization_type": WorkflowSerializationFormat.PORTABLE,
    }
    version = place(Need(workflow=BULK_WORKFLOW), ctx.presence().live).version
    if version is not None:
        options["app_version"] = version
    with ctx.engine.use() as client:
        client.enqueue(options, request)
    return run_id


def status(ctx: ActionContext, bulk_id: str, *, first: int = 0) -> dict[str, Any]:
    """Return a bulk run's progress and a result per run.

    Args:
        first: number of the first result wanted, for callers who have those before it.

    Raises:
        NotFound: there is no such bulk action.
    """
    run_id = bulk_id if bulk_id.startswith(BULK_PREFIX) else f"{BULK_PREFIX}{bulk_id}"
    run = ctx.store.get_run(run_id)
    if run is None:
        raise NotFound(f"There is no bulk action {bulk_id[:200]!r}.")
    matched: int | None = None
    results: list[dict[str, Any]] = []
    stopped: str | None = None
    # One read of all outputs: the page asks again and again, and a step at a time would cost the square of the runs.
    for name, output in ctx.store.step_outputs(run_id, (PLAN_STEP, APPLY_STEP, CANARY_STEP)):
        value = _own_json(output)
        if name == PLAN_STEP and isinstance(value, dict):
            matched = int(value["matched"])
        elif name == CANARY_STEP and isinstance(value, dict):
            stopped = None if value["good"] else str(value["detail"])
        elif isinstance(value, list):
            results += [entry for entry in value if isinstance(entry, dict)]
    counts = Counter(str(result.get("outcome")) for result in results)
    return {
        "bulkId": run_id,
        "status": run.status,
        "matched": matched,
        "done": len(results),
        "applied": counts.get("applied", 0),
        "refused": len(results) - counts.get("applied", 0),
        "stopped": stopped,
        "results": results[first:],
    }


def actor_of(ctx: ActionContext, bulk_id: str) -> str | None:
    """Return who started a bulk action; None where there is none such."""
    run_id = bulk_id if bulk_id.startswith(BULK_PREFIX) else f"{BULK_PREFIX}{bulk_id}"
    given = ctx.store.get_payload(run_id, "input", cap_bytes=None)
    value = None if given is None else decode(given, limits=WHOLE).json
    args = value.get("args") if isinstance(value, dict) else None
    request = args[0] if isinstance(args, list) and args else None
    return str(request["actor"]) if isinstance(request, dict) and "actor" in request else None


def _own_json(output: StoredValue) -> Json:
    """Return what a step of ours recorded: plain JSON of our own making, unless an engine chose another format."""
    if output.serialization == "portable_json":
        try:
            value: Json = json.loads(output.text)
            return value
        except ValueError:
            return None
    return decode(output, limits=WHOLE).json


# -- in the worker -----------------------------------------------------------------------------------------


def watch_canary(run_id: str) -> dict[str, object]:
    """Wait to see what becomes of the first run of a bulk move. See ``dashboard.actions.move.await_canary``."""
    with _worker_context() as ctx:
        return moving.await_canary(ctx, run_id)


def apply_chunk(request: Mapping[str, Any], ids: Sequence[str], bulk_id: str) -> list[dict[str, Any]]:
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
    return [_apply_one(ctx, action, request, run_id, runs.get(run_id), seen, bulk_id) for run_id in ids]


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


# -- the filter, as the durable run keeps it ---------------------------------------------------------------


def _query_to_json(query: RunQuery) -> dict[str, Any]:
    value = asdict(query)
    value["statuses"] = sorted(query.statuses)
    value["attributes"] = [[item.key, item.op, item.value] for item in query.attributes]
    return {key: item for key, item in value.items() if item not in (None, [], (), "")}
