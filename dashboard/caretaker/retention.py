"""Retention: deletes old ended runs in small batches, and never one that somebody still needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from dashboard.actions.context import ActionContext
from dashboard.read.listing import RunReader
from otel_bridge.ledger.base import Cursor, ExportedRun
from otel_bridge.model.names import DEAD_LETTER_PREFIX, UNDO_PREFIX
from otel_bridge.model.runs import Run, RunQuery
from otel_bridge.model.status import OPEN_STATUSES, TERMINAL_STATUSES, RunStatus
from otel_bridge.store.base import StateStore

BATCH = 100
SCAN = 1_000
"""Runs looked at per batch."""
_MARGIN_MS = 600_000
_DEPTH = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """Which ended runs may go: by age, by count, or both (then a run must be over both).

    Args:
        workflow: a workflow's name; ``*``: every workflow.
        statuses: of ended runs.
        older_than_s: seconds since the run ended.
        keep_last: so many newest of the workflow and these statuses stay. Needs a workflow by name.

    Raises:
        ValueError: neither age nor count, a negative count or one without a workflow, or a status that is not an end.
    """

    workflow: str = "*"
    statuses: frozenset[RunStatus] = field(default_factory=lambda: frozenset({"completed"}))
    older_than_s: float | None = None
    keep_last: int | None = None

    def __post_init__(self) -> None:
        if self.older_than_s is None and self.keep_last is None:
            raise ValueError("A retention policy needs older_than_s or keep_last: it would delete everything.")
        if self.keep_last is not None and self.keep_last < 0:
            raise ValueError(f"keep_last is a number of runs, so it cannot be {self.keep_last}.")
        if self.keep_last is not None and self.workflow == "*":
            raise ValueError("keep_last counts the runs of one workflow: name it.")
        if not self.statuses or not self.statuses <= TERMINAL_STATUSES:
            raise ValueError(f"A retention policy takes the statuses {sorted(TERMINAL_STATUSES)}.")


@dataclass(frozen=True, slots=True)
class RetentionPreview:
    """What a policy would delete now, among the runs that were looked at."""

    count: int
    by_status: dict[str, int]
    sample: list[str]
    kept: int
    """Runs over age or count that stay because they are linked or wait for their export."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch of a retention pass.

    Args:
        deleted: how many runs went.
        after: (creation time, id) of the last run looked at, where the next batch continues; None at the end.
    """

    deleted: int
    after: tuple[int, str] | None


def preview(ctx: ActionContext, policy: RetentionPolicy, *, scan: int = 10_000) -> RetentionPreview:
    """Return what the policy would delete; deletes nothing."""
    due = list(islice(_due(ctx, policy, None), scan))
    going = deletable(ctx, due)
    return RetentionPreview(
        count=len(going),
        by_status=dict(Counter(run.status for run in going)),
        sample=[run.id for run in going[:10]],
        kept=len(due) - len(going),
    )


def run_batch(ctx: ActionContext, policy: RetentionPolicy, *, after: tuple[int, str] | None = None) -> Batch:
    """Delete one batch of runs, those that follow ``after``."""
    due = list(islice(_due(ctx, policy, after), SCAN))
    deleted = 0
    for start in range(0, len(due), BATCH):
        # Read again: between the walk and now a run may have been retried, and its new life is nobody's to delete.
        now = ctx.store.get_runs([run.id for run in due[start : start + BATCH]])
        ids = [run.id for run in deletable(ctx, list(now.values())) if run.status in policy.statuses]
        if ids:
            with ctx.audited("caretaker", "delete", None, count=len(ids), workflow=policy.workflow):
                with ctx.engine.use() as client:
                    client.delete_workflows(ids)
                ctx.ledger.forget_step_attempts(ids)
            deleted += len(ids)
    # Behind the last run, not at its creation time: a batch may end among thousands of runs of one moment.
    return Batch(deleted, (due[-1].created_at_ms, due[-1].id) if len(due) == SCAN else None)


def _due(ctx: ActionContext, policy: RetentionPolicy, after: tuple[int, str] | None) -> Iterator[Run]:
    """Yield ended runs that are over the policy's age and count, oldest first."""
    now_ms = ctx.store.now_ms()
    if policy.keep_last is None:
        runs = ctx.store.iter_runs(after=after)
    else:
        until_ms = cutoff_ms((run.created_at_ms for run in _newest(ctx, policy)), policy.keep_last)
        if until_ms is None:
            return
        runs = ctx.store.iter_runs(until_ms=until_ms, after=after)
    yield from (run for run in runs if is_due(run, policy, now_ms))


def _newest(ctx: ActionContext, policy: RetentionPolicy) -> Iterator[Run]:
    """Yield the runs that the policy counts, newest first."""
    query = RunQuery(workflow=policy.workflow, statuses=policy.statuses)
    return (run for run in RunReader(ctx.store, ctx.presence, lambda: ctx.ledger).every(query) if _covers(policy, run))


# -- decisions -----------------------------------------------------------------------------------------------


def cutoff_ms(created_ms: Iterable[int], keep: int) -> int | None:
    """Return the time before which runs are over the count; None when none is. Pure.

    Runs of the same moment as the oldest that stays, stay too: among them nobody can say which is newer.

    Args:
        created_ms: creation times of the counted runs, newest first. No more than needed are taken.

    Example:
        >>> cutoff_ms([30, 20, 20, 10], keep=2)
        20
        >>> cutoff_ms([30, 20], keep=2) is None
        True
    """
    oldest_kept: int | None = None
    for number, created in enumerate(created_ms):
        if number >= keep:
            # One more than may stay. With nothing to keep, the newest itself goes too.
            return oldest_kept if oldest_kept is not None else created + 1
        oldest_kept = created
    return None


def is_due(run: Run, policy: RetentionPolicy, now_ms: int) -> bool:
    """Say whether a run is of the policy's kind and over its age. Its count is ``cutoff_ms``'s. Pure."""
    if not _covers(policy, run):
        return False
    ended_ms = run.finished_at_ms if run.finished_at_ms is not None else run.updated_at_ms
    return policy.older_than_s is None or ended_ms <= now_ms - policy.older_than_s * 1000


def _covers(policy: RetentionPolicy, run: Run) -> bool:
    return run.status in policy.statuses and policy.workflow in ("*", run.workflow)


# -- who must stay -------------------------------------------------------------------------------------------


def deletable(ctx: ActionContext, runs: Sequence[Run]) -> list[Run]:
    """Return the runs that nobody needs: ended, exported where a bridge exports, and without an open relative."""
    ended = [run for run in runs if run.status in TERMINAL_STATUSES]
    return [run for run in _exported(ctx, ended) if not _needed(ctx, run)]


def _exported(ctx: ActionContext, runs: Sequence[Run]) -> list[Run]:
    cursor = ctx.ledger.cursor()
    known = {} if cursor is None else ctx.ledger.exported([run.id for run in runs])
    return [run for run in runs if was_exported(run, known.get(run.id), cursor)]


def was_exported(run: Run, export: ExportedRun | None, cursor: Cursor | None) -> bool:
    """Say whether no bridge will ask for an ended run any more. Pure.

    Args:
        export: what the ledger holds of the run; None: nothing, as before its export and once that was forgotten.
        cursor: up to where a bridge has exported; None: no bridge was ever at work on this store.
    """
    if cursor is None:
        return True
    if export is not None:
        return export.ended
    finished_ms = run.finished_at_ms if run.finished_at_ms is not None else run.updated_at_ms
    return finished_ms < cursor.runs_ms - _MARGIN_MS


def _has_open_child(store: StateStore, run_id: str) -> bool:
    """Say whether any child is open, be they ever so many: the open ones are few, and asked for alone."""
    query = RunQuery(parent_id=run_id, statuses=OPEN_STATUSES, limit=1)
    while True:
        page = store.list_runs(query)
        if page.runs or page.next_cursor is None:
            return bool(page.runs)
        query = replace(query, cursor=page.next_cursor)


def _has_open_fork(store: StateStore, run_id: str) -> bool:
    """Say whether any fork is open, be they ever so many."""
    most = SCAN
    while True:
        forks = store.forks(run_id, limit=most)
        if len(forks) < most or any(fork.status in OPEN_STATUSES for fork in forks):
            return any(fork.status in OPEN_STATUSES for fork in forks)
        most *= 10


def _needed(ctx: ActionContext, run: Run) -> bool:
    """Say whether an open run is linked to this one: an ancestor, a child, a fork, its undo or its handler."""
    if _has_open_child(ctx.store, run.id) or _has_open_fork(ctx.store, run.id):
        return True
    related = [f"{UNDO_PREFIX}{run.id}", f"{DEAD_LETTER_PREFIX}{run.id}"]
    related += [other for other in (run.forked_from, run.undoes_id, run.dead_run_id) if other]
    if any(other.status not in TERMINAL_STATUSES for other in ctx.store.get_runs(related).values()):
        return True
    parent_id, depth = run.parent_id, 0
    while parent_id is not None and depth < _DEPTH:
        parent = ctx.store.get_run(parent_id)
        if parent is None:
            return False
        if parent.status not in TERMINAL_STATUSES:
            return True
        parent_id, depth = parent.parent_id, depth + 1
    return False
