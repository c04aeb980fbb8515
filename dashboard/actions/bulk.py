"""Bulk: one action over every run of a filter.

A dry run first; then at once when few, else as ``bulk:<id>`` in a worker.

What it does is written to the ledger, a line a run, so that its aftermath can be looked at: see ``read.bulks``.

What it touches is bound when it is asked for: runs of the filter that were created before, in a status that allows the
action, and that have not ended again since. So nothing outside the preview is touched, and nothing is done twice.
"""

from __future__ import annotations

import hashlib
import json
import logging
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from dbos import EnqueueOptions, WorkflowSerializationFormat

from dashboard.actions import retry as retrying
from dashboard.actions.bulk_work import BulkAction, apply_ids, touchable
from dashboard.actions.context import ActionContext
from dashboard.actions.permission import cancelled_with, undone_with
from dashboard.errors import Unprocessable
from dashboard.read.listing import RunReader
from dashboard.read.seen import SEE
from dashboard.wire.bulk import MOST_RUNS
from dashboard.wire.filters import params_of
from dashboard.workflow.names import BULK_WORKFLOW, WORK_QUEUE
from otel_bridge.errors import LedgerError
from otel_bridge.ledger.base import Bulk, ErrorGroup
from otel_bridge.model.names import BULK_PREFIX, bulk_run_id
from otel_bridge.model.runs import Run, RunQuery
from otel_bridge.runs.placement import Need, place
from otel_bridge.store.base import StateStore

INLINE_MAX = 25
"""So many are done in the request itself."""
RUNS_MAX = MOST_RUNS
REACHED_MAX = 5_000
"""Of so many runs at most a policy is asked about what they started, too."""
SAMPLE = 10
RECORDED_MAX = 1_000
"""Of so many runs at most a preview reads and records the error where nobody has: the others' is not known then."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BulkPreview:
    """What a bulk action would touch. ``skipped`` matched the filter, but their state does not allow the action."""

    runs: list[Run]
    skipped: int
    bound_ms: int

    @property
    def ids(self) -> list[str]:
        """Their ids."""
        return [run.id for run in self.runs]

    @property
    def digest(self) -> str:
        """Which runs they are, in short: the same for the same runs alone."""
        return hashlib.sha256(json.dumps(sorted(self.ids)).encode()).hexdigest()[:32]

    @property
    def by_status(self) -> dict[str, int]:
        """How many there are of each status."""
        return dict(Counter(run.status for run in self.runs))

    @property
    def sample(self) -> list[Run]:
        """The newest of them."""
        return self.runs[:SAMPLE]


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done: in the request (``results``), or handed to the run ``bulk_id`` (None)."""

    matched: int
    applied: int
    bulk_id: str
    results: list[dict[str, Any]] | None


def preview(
    ctx: ActionContext,
    action: BulkAction,
    query: RunQuery,
    *,
    bound_ms: int | None = None,
    ids: Sequence[str] | None = None,
) -> BulkPreview:
    """Return what the action would touch now.

    Args:
        bound_ms: only runs created up to then; default now.
        ids: only these of the filter.

    Raises:
        Unprocessable: more than ``RUNS_MAX`` runs match.
    """
    bound = ctx.store.now_ms() + 1 if bound_ms is None else bound_ms
    runs, skipped = _matching(ctx, action, query, bound, ids)
    return BulkPreview(runs, skipped, bound)


def _matching(
    ctx: ActionContext, action: BulkAction, query: RunQuery, bound_ms: int, ids: Sequence[str] | None
) -> tuple[list[Run], int]:
    until = bound_ms if query.until_ms is None else min(bound_ms, query.until_ms)
    seen = ctx.presence()
    reader = RunReader(ctx.store, lambda: seen, lambda: ctx.ledger)
    bounded = replace(query, until_ms=until)
    runs: list[Run] = []
    skipped = 0
    for run in reader.every(bounded) if ids is None else reader.named(ids, bounded):
        if not touchable(action, run, seen, bound_ms) or not ctx.permission.allows(action, run):
            skipped += 1
            continue
        runs.append(run)
        if len(runs) > RUNS_MAX:
            raise Unprocessable(f"More than {RUNS_MAX} runs match. Narrow the filter, for instance by time.")
    return runs, skipped


@dataclass(frozen=True, slots=True)
class ErrorShare:
    """How many runs of a preview died of an error last; no error: of none that is known."""

    error: ErrorGroup | None
    count: int


def by_error(ctx: ActionContext, runs: Sequence[Run]) -> list[ErrorShare]:
    """Return what the runs of a preview died of, the most frequent first; nothing where the ledger cannot be read."""
    try:
        last = last_errors(ctx, runs)
        counts = Counter(last.get(run.id) for run in runs)
        errors = ctx.ledger.errors(sorted(filter(None, counts)))
    except LedgerError:
        return []
    shares = [ErrorShare(errors.get(fingerprint or ""), count) for fingerprint, count in counts.items()]
    return sorted(shares, key=lambda share: (share.error is None, -share.count))


def last_errors(ctx: ActionContext, runs: Sequence[Run]) -> dict[str, str]:
    """Return the fingerprint of the error that each run died of last, by run id, recorded now where nobody has.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    known = ctx.ledger.last_errors([run.id for run in runs])
    missing = [run for run in runs if run.id not in known and run.status == "failed"][:RECORDED_MAX]
    if missing and ctx.failures is not None:
        found = ctx.failures.note(missing)
        known |= {run_id: failure.signature.fingerprint for run_id, failure in found.items()}
    return known


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which of a filter's runs a bulk action takes, as previewed.

    Args:
        bound_ms: from the preview, so that nothing newer is touched.
        ids: only these, which are read by their ids: what else there is in the store costs nothing.
        errors: only those whose last error has one of these fingerprints; an empty one: is not known.
    """

    bound_ms: int | None = None
    ids: Sequence[str] | None = None
    errors: Sequence[str] | None = None

    def of(self, ctx: ActionContext, runs: Sequence[Run]) -> list[Run]:
        """Return those of the preview's runs that are taken."""
        if self.errors is not None:
            last = last_errors(ctx, runs)
            runs = [run for run in runs if last.get(run.id, "") in self.errors]
        return list(runs)


EVERY = Chosen()


def apply(
    ctx: ActionContext,
    action: BulkAction,
    query: RunQuery,
    *,
    actor: str,
    params: Mapping[str, object] | None = None,
    chosen: Chosen = EVERY,
    bulk_id: str | None = None,
    canary: bool = False,
) -> Applied:
    """Apply the action.

    Args:
        params: of the action: ``queue``; ``compensate``, ``children``.
        bulk_id: of the caller's choice; the same twice is one bulk.
        canary: a part of the runs first; the others only once no failure of the same kind came of it. A move always
            tries one run first.
    """
    given = {**(params or {}), **({"canary": True} if canary else {})}
    run_id = bulk_run_id(bulk_id) if bulk_id is not None else f"{BULK_PREFIX}{uuid.uuid4().hex}"
    with ctx.audited(actor, f"bulk.{action}", run_id, **given) as audited:
        seen = preview(ctx, action, query, bound_ms=chosen.bound_ms, ids=chosen.ids)
        wanted = [run.id for run in chosen.of(ctx, seen.runs)]
        audited.params["matched"] = len(wanted)
        request = {
            "action": action,
            "params": given,
            "query": _query_to_json(query),
            "ids": wanted,
            "boundMs": seen.bound_ms,
            "actor": actor,
            "via": ctx.via,
        }
        bulk = Bulk(
            bulk_id=run_id,
            action=action,
            actor=actor,
            matched=len(wanted),
            skipped=seen.skipped,
            params=given if chosen.ids is None else {**given, "ids": len(set(chosen.ids))},
            filter=params_of(query),
        )
        tries_some_first = len(wanted) > 1 and (canary or action == "move")  # and waits: a worker's work
        if len(wanted) <= INLINE_MAX and bulk_id is None and not tries_some_first:
            _begin(ctx, bulk)
            results = apply_ids(ctx, request, wanted, bulk_id=run_id)
            done = sum(1 for result in results if result["outcome"] == "applied")
            _end(ctx, run_id)
            return Applied(len(wanted), done, run_id, results)
        request["approved"] = _approved(ctx, request)
        _begin(ctx, bulk)
        _enqueue(ctx, request, run_id)
        return Applied(len(wanted), 0, run_id, None)


def _begin(ctx: ActionContext, bulk: Bulk) -> None:
    """Note what is asked for. A ledger that fails stops no action: its aftermath is not known then."""
    try:
        ctx.ledger.begin_bulk(bulk)
    except LedgerError:
        log.warning("The bulk action %s could not be noted in the ledger.", bulk.bulk_id)


def _end(ctx: ActionContext, bulk_id: str) -> None:
    try:
        ctx.ledger.end_bulk(bulk_id)
    except LedgerError:
        log.warning("The end of the bulk action %s could not be noted in the ledger.", bulk_id)


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


def _enqueue(ctx: ActionContext, request: dict[str, Any], run_id: str) -> None:
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


# -- the filter, as the durable run keeps it ---------------------------------------------------------------


def _query_to_json(query: RunQuery) -> dict[str, Any]:
    value = asdict(query)
    value["statuses"] = sorted(query.statuses)
    value["attributes"] = [[item.key, item.op, item.value] for item in query.attributes]
    return {key: item for key, item in value.items() if item not in (None, [], (), "")}
