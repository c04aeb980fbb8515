"""Retention: deletes old ended runs in small batches, and never one that somebody still needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from dashboard.actions.context import Desk
from otel_bridge.model.names import DEAD_LETTER_PREFIX, UNDO_PREFIX
from otel_bridge.model.runs import Run, RunQuery
from otel_bridge.model.status import TERMINAL_STATUSES, RunStatus

BATCH = 100
SCAN = 1_000
"""Runs looked at per batch."""
_MARGIN_MS = 10 * 60 * 1000
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
        ValueError: neither age nor count, a count without a workflow, or a status that is not an end.
    """

    workflow: str = "*"
    statuses: frozenset[RunStatus] = field(default_factory=lambda: frozenset({"completed"}))
    older_than_s: float | None = None
    keep_last: int | None = None

    def __post_init__(self) -> None:
        if self.older_than_s is None and self.keep_last is None:
            raise ValueError("A retention policy needs older_than_s or keep_last: it would delete everything.")
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


def preview(desk: Desk, policy: RetentionPolicy, *, scan: int = 10 * SCAN) -> RetentionPreview:
    """Return what the policy would delete; deletes nothing."""
    due = list(islice(_due(desk, policy, 0), scan))
    going = deletable(desk, due)
    return RetentionPreview(
        count=len(going),
        by_status=dict(Counter(run.status for run in going)),
        sample=[run.id for run in going[:10]],
        kept=len(due) - len(going),
    )


def run_batch(desk: Desk, policy: RetentionPolicy, *, since_ms: int = 0) -> tuple[int, int | None]:
    """Delete one batch.

    Returns:
        How many, and where to go on: ``since_ms`` of the next batch, None when the end was reached.
    """
    due: list[Run] = []
    last_ms = None
    for looked, run in enumerate(_due(desk, policy, since_ms), start=1):
        due.append(run)
        last_ms = run.created_at_ms
        if looked >= SCAN:
            break
    else:
        last_ms = None
    deleted = 0
    for start in range(0, len(due), BATCH):
        ids = [run.id for run in deletable(desk, due[start : start + BATCH])]
        if ids:
            with desk.audited("caretaker", "delete", None, count=len(ids), workflow=policy.workflow):
                with desk.engine.use() as client:
                    client.delete_workflows(ids)
            deleted += len(ids)
    return deleted, last_ms


def _due(desk: Desk, policy: RetentionPolicy, since_ms: int) -> Iterator[Run]:
    """Yield ended runs that are over the policy's age and count, oldest first."""
    now_ms = desk.store.now_ms()
    until_ms = None if policy.keep_last is None else _cutoff_ms(desk, policy, policy.keep_last)
    if policy.keep_last is not None and until_ms is None:
        return
    for run in desk.store.iter_runs(since_ms=since_ms, until_ms=until_ms):
        if run.status not in policy.statuses or policy.workflow not in ("*", run.workflow):
            continue
        ended_ms = run.finished_at_ms if run.finished_at_ms is not None else run.updated_at_ms
        if policy.older_than_s is None or ended_ms <= now_ms - policy.older_than_s * 1000:
            yield run


def _cutoff_ms(desk: Desk, policy: RetentionPolicy, keep: int) -> int | None:
    """Return the creation time of the oldest run that stays; None when all stay."""
    query = RunQuery(workflow=policy.workflow, statuses=policy.statuses, limit=500)
    seen = 0
    cursor: str | None = None
    while True:
        page = desk.store.list_runs(
            RunQuery(workflow=query.workflow, statuses=query.statuses, limit=query.limit, cursor=cursor)
        )
        if seen + len(page.runs) > keep:
            # Runs of the same moment as the last one that stays, stay too.
            return page.runs[keep - seen - 1].created_at_ms if keep > seen else page.runs[0].created_at_ms + 1
        seen += len(page.runs)
        if page.next_cursor is None:
            return None
        cursor = page.next_cursor


# -- who must stay -------------------------------------------------------------------------------------------


def deletable(desk: Desk, runs: Sequence[Run]) -> list[Run]:
    """Return the runs that nobody needs: ended, exported where a bridge exports, and no relative is open."""
    ended = [run for run in runs if run.status in TERMINAL_STATUSES]
    return [run for run in _exported(desk, ended) if not _needed(desk, run)]


def _exported(desk: Desk, runs: Sequence[Run]) -> list[Run]:
    cursor = desk.ledger.cursor()
    if cursor is None:
        return list(runs)  # no bridge was ever at work on this store
    known = desk.ledger.exported([run.id for run in runs])
    kept = []
    for run in runs:
        export = known.get(run.id)
        finished_ms = run.finished_at_ms if run.finished_at_ms is not None else run.updated_at_ms
        if (export is not None and export.ended) or (export is None and finished_ms < cursor.runs_ms - _MARGIN_MS):
            kept.append(run)
    return kept


def _needed(desk: Desk, run: Run) -> bool:
    """Say whether an open run is linked to this one: an ancestor, a child, a fork, its undo or its handler."""
    if any(
        child.status not in TERMINAL_STATUSES for child in (*desk.store.children(run.id), *desk.store.forks(run.id))
    ):
        return True
    related = [f"{UNDO_PREFIX}{run.id}", f"{DEAD_LETTER_PREFIX}{run.id}"]
    related += [other for other in (run.forked_from, run.undoes_id, run.dead_run_id) if other]
    if any(other.status not in TERMINAL_STATUSES for other in desk.store.get_runs(related).values()):
        return True
    parent_id, depth = run.parent_id, 0
    while parent_id is not None and depth < _DEPTH:
        parent = desk.store.get_run(parent_id)
        if parent is None:
            return False
        if parent.status not in TERMINAL_STATUSES:
            return True
        parent_id, depth = parent.parent_id, depth + 1
    return False
