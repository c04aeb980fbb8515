"""Moves runs of versions that no live worker has to one that is live. Off by default."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.actions import move as moving
from dashboard.actions.context import ActionContext
from dashboard.actions.step_references import check_against
from otel_bridge.model.runs import Run
from otel_bridge.runs.blocked import elsewhere
from otel_bridge.runs.presence import Presence
from otel_bridge.runs.step_check import StepCheck


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoUpgrade:
    """How runs of a version that is gone are moved to a live one.

    Args:
        grace_s: how long no worker of the version has been there: a deploy that is rolled back needs no move.
        only_if_steps_match: move only runs whose recorded steps a completed run of the live version recorded too.
    """

    grace_s: float = 300.0
    only_if_steps_match: bool = True


def gone_versions(seen: Presence) -> set[str]:
    """Return versions that workers had, and no live one has. Pure."""
    live = {executor.app_version for executor in seen.live}
    return {executor.app_version for executor in seen.lost if executor.app_version is not None} - live


def is_due(run: Run, seen: Presence, policy: AutoUpgrade) -> bool:
    """Say whether a run's version has been gone for long enough to move it. Pure.

    Args:
        run: as presence shows it.
    """
    if run.blocked is None or run.blocked.code != "version_gone" or elsewhere(run, seen).version is None:
        return False
    last_ms = max((e.beat_at_ms for e in seen.lost if e.app_version == run.workflow_version), default=None)
    return last_ms is not None and seen.now_ms - last_ms >= policy.grace_s * 1000


def may_move(check: StepCheck, policy: AutoUpgrade) -> bool:
    """Say whether what the check found allows the move. Pure."""
    return check.matches if policy.only_if_steps_match else True


def upgrade(ctx: ActionContext, run: Run, seen: Presence, policy: AutoUpgrade) -> bool:
    """Move a run to the newest live version; return whether that was done."""
    if run.undo_id is not None or not is_due(run, seen, policy):
        return False
    version = elsewhere(run, seen).version
    if not may_move(check_against(ctx, run, version), policy):
        return False
    moving.move(ctx, run.id, actor="caretaker", version=version, forced=not policy.only_if_steps_match)
    return True
