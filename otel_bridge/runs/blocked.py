"""Why a run is stuck: nobody is there to run it. Pure: the run and who is alive are arguments.

``blocked`` is said of pending, running and suspended runs, with a code for programs, a reason with its values, and a
remedy. Without presence nothing is said: silence means nothing then.
"""

from __future__ import annotations

from otel_bridge.ledger.base import Executor
from otel_bridge.model.runs import Blocked, BlockedCode, Run
from otel_bridge.model.status import TAKEN_STATUSES
from otel_bridge.runs.placement import Need, Placement, Shortage, knows, place
from otel_bridge.runs.presence import Presence

BLOCKED_AFTER_MS = 10_000
"""A run waits at least this long before it is called blocked: a deploy's restart is not an alarm."""


def may_be_blocked_from_ms(run: Run) -> int:
    """Return when a run that waits or executes begins to look blocked, if nobody is there for it."""
    return (run.created_at_ms if run.status == "pending" else run.updated_at_ms) + BLOCKED_AFTER_MS


def blocked_reason(run: Run, seen: Presence) -> Blocked | None:
    """Return why nobody runs a run and what to do about it; None where somebody does, or nobody can know.

    Args:
        run: as stored.

    Example:
        >>> from otel_bridge.runs.presence import presence
        >>> from otel_bridge.testing import make_run
        >>> blocked_reason(make_run(status="pending"), presence((), 0)) is None  # nobody reports presence
        True
    """
    if not seen.known or seen.now_ms < may_be_blocked_from_ms(run):
        return None
    if run.status == "pending":
        return _blocked_in_queue(run, seen)
    if run.status in TAKEN_STATUSES:
        return _blocked_in_hand(run, seen)
    return None


def need_of(run: Run) -> Need:
    """Return what a run, as it is, asks of the executor that takes it from its queue."""
    return Need(workflow=run.workflow, namespace=run.namespace, version=run.workflow_version, queue=run.queue)


# -- pending: who could take it? ---------------------------------------------------------------------------------


def _blocked_in_queue(run: Run, seen: Presence) -> Blocked | None:
    if run.waiting is not None and run.waiting.on == "delay":
        return None  # it waits for its time, not for a worker
    found = place(need_of(run), seen.live)
    if found.shortage is None:
        return None
    return _in_words(run, found.shortage, seen)


def _in_words(run: Run, shortage: Shortage, seen: Presence) -> Blocked:
    if shortage == "no_worker":
        return Blocked("queue_unpolled", "No worker is alive.", "Start a worker of the application.")
    if shortage == "workflow_unregistered":
        return Blocked(
            shortage,
            f"None of {_count(seen.live)} has workflow {run.workflow!r}.",
            "Start a worker whose code registers it.",
        )
    if shortage == "queue_unpolled":
        return Blocked(
            shortage,
            f"No live worker that could run it polls queue {run.queue!r}.",
            "Start a worker that listens to this queue, or retry the run onto another queue.",
        )
    return _version_gone(run, seen)


def _version_gone(run: Run, seen: Presence) -> Blocked:
    other = elsewhere(run, seen)
    remedy = f"Start a worker of version {run.workflow_version}"
    if other.version is not None:
        remedy = f"Move the run to version {other.version}, or start a worker of version {run.workflow_version}"
    return Blocked("version_gone", f"No live worker has application version {run.workflow_version}.", f"{remedy}.")


def elsewhere(run: Run, seen: Presence) -> Placement:
    """Return who could run it if it gave up its version and its queue."""
    return place(Need(workflow=run.workflow, namespace=run.namespace), seen.live)


# -- held: does the one that holds it drive it? ---------------------------------------------------------------------


def _blocked_in_hand(run: Run, seen: Presence) -> Blocked | None:
    driven = seen.is_driven(run)
    if run.executor is None or driven:
        return None
    holders = [executor for executor in seen.live if executor.executor_id == run.executor]
    if not holders:
        if not seen.is_lost(run):
            return None  # its executor never reported: nobody can know
        return _executor_lost(run, seen)
    code = _idle_code(run, holders, driven=driven, now_ms=seen.now_ms)
    if code is None:
        return None
    if code == "version_gone":
        return _version_gone(run, seen)
    if code == "workflow_unregistered":
        return Blocked(
            code,
            f"Worker {run.executor} took the run, but does not have workflow {run.workflow!r}.",
            "Start a worker that has it, then re-dispatch the run.",
        )
    return Blocked(
        code, f"Worker {run.executor} holds the run and is alive, but does not execute it.", "Re-dispatch the run."
    )


def _executor_lost(run: Run, seen: Presence) -> Blocked:
    found = place(Need(workflow=run.workflow, namespace=run.namespace, version=run.workflow_version), seen.live)
    if found.shortage == "version_gone":
        return _version_gone(run, seen)
    alone = "Start a worker that has its workflow, then re-dispatch the run."
    remedy = "Re-dispatch the run." if found.takers else alone
    return Blocked("executor_lost", f"Worker {run.executor} held the run and no longer reports.", remedy)


def _idle_code(run: Run, holders: list[Executor], *, driven: bool | None, now_ms: int) -> BlockedCode | None:
    """Return why none of the live processes that bear the holder's name drives the run; None while one may."""
    versions = {executor.app_version for executor in holders}
    if run.workflow_version is not None and None not in versions and run.workflow_version not in versions:
        # A deploy in place: the same executor id, a new version. The engine recovers runs of its own version only.
        return "version_gone"
    if not any(knows(executor, run.workflow) for executor in holders):
        return "workflow_unregistered"
    # Recovery at launch takes a moment.
    settled = all(now_ms - executor.started_at_ms >= BLOCKED_AFTER_MS for executor in holders)
    return "not_driven" if driven is False and settled else None


def _count(live: tuple[Executor, ...]) -> str:
    return f"{len(live)} live worker{'s' if len(live) != 1 else ''}"
