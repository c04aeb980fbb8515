"""What an agent may call. Talks to a dashboard through its client; knows nothing of the protocol.

The docstring of a tool is what the agent reads. An action without ``confirm`` does nothing: it answers what it would do
and a token, and only the same call with that token does it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from dashboard.client import DurableClient, RunFilter
from dashboard.mcp.answers import (
    LAST_STEPS,
    Answer,
    cut,
    error_line,
    queue_line,
    run_answer,
    run_line,
    several,
    step_answer,
    text_of,
)
from dashboard.mcp.confirm import Confirmations
from dashboard.wire.actions import QueueAnswer
from dashboard.wire.base import Json
from dashboard.wire.runs import RunDetail
from otel_bridge.model.status import RunStatus

MOST_RUNS = 50
MOST_PARTS = 40
PART_STEPS = 5_000
MOST_REPORT = 40_000


class ReadTools:
    """The tools that look."""

    def __init__(self, client: DurableClient) -> None:
        self._client = client

    def overview(self) -> Answer:
        """How things stand: health, runs by status, queues that no worker serves or that are paused. Start here."""
        health = self._client.get_health()
        facets = self._client.run_facets()
        groups = self._client.list_workers()
        return {
            "health": health.status,
            "problems": health.problems,
            "liveWorkers": health.live_workers,
            "runs": {facet.status: facet.count for facet in facets if facet.count},
            "queuesWithoutWorker": [group.group for group in groups if group.no_worker],
            "pausedQueues": [group.group for group in groups if group.paused],
        }

    def list_runs(
        self,
        status: RunStatus | None = None,
        workflow: str | None = None,
        text: str | None = None,
        since: str | None = None,
        limit: int = 20,
        cursor: str | None = None,
    ) -> Answer:
        """Runs, newest first. ``text``: how a run id begins, or part of a workflow's name. ``since``: ISO 8601."""
        page = self._client.list_runs(limit=_bounded(limit), cursor=cursor, **_filter(status, workflow, text, since))
        return several([run_line(run) for run in page.runs], cursor=page.next_cursor)

    def show_run(self, run_id: str, last_steps: int = LAST_STEPS) -> Answer:
        """One run: its state, why it failed, its failed and last steps, and what may be done to it (``allowed``)."""
        last = _bounded(last_steps)
        return run_answer(_with_last_steps(self._client, self._client.get_run(run_id), last), last=last)

    def show_step(self, run_id: str, seq: int) -> Answer:
        """One step of a run with its input, output and error, cut where they are long."""
        return step_answer(self._client.get_step(run_id, seq))

    def show_payload(self, run_id: str, which: Literal["input", "output", "error"]) -> Answer:
        """A run's input, output or error, cut where it is long. Secrets are hidden as the dashboard hides them."""
        return {which: cut(self._client.get_payload(run_id, which))}

    def list_alerts(self) -> Answer:
        """What alert rules found wrong: open and snoozed incidents, each with where to look."""
        found = self._client.list_alerts(limit=MOST_RUNS)
        alerts = [one.model_dump(mode="json", by_alias=True, exclude_none=True) for one in found.alerts]
        return {"open": found.open, "alerts": [one for one in alerts if one["state"] != "ended"], "rules": found.rules}

    def list_errors(self, since: str | None = None, workflow: str | None = None, limit: int = 20) -> Answer:
        """Failures by what they have in common, the last seen first: of seven days, or from ``since`` (ISO 8601)."""
        found = self._client.list_errors(since=since, workflow=workflow, limit=_bounded(limit))
        return {"runs": found.failures.model_dump(by_alias=True), "errors": [error_line(one) for one in found.groups]}

    def show_error(self, fingerprint: str) -> Answer:
        """One kind of failure: what its runs share that runs which completed do not, and its newest runs."""
        found = self._client.get_error(fingerprint)
        shared = [one.model_dump(mode="json", by_alias=True, exclude_none=True) for one in found.shared]
        return {
            **error_line(found.group),
            "failures": found.failures,
            "successes": found.successes,
            "shared": [cut(one) for one in shared],
            "newestRuns": [run_line(run) for run in found.runs[:LAST_STEPS]],
        }

    def list_queues(self) -> Answer:
        """Queues: how many runs wait and run, how long the oldest waits, live workers, who paused it and why."""
        return {"queues": [queue_line(group) for group in self._client.list_workers()]}

    def list_versions(self) -> Answer:
        """Versions of the application, newest first: open and blocked runs, live workers, share of failures."""
        found = self._client.list_versions()
        return {
            "versions": [
                one.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"previous_figures"})
                for one in found[:MOST_RUNS]
            ]
        }

    def report_run(self, run_id: str, steps: int = 20) -> Answer:
        """A run as Markdown for a bug report: links, versions, error, last steps, input, who did what."""
        return {"markdown": text_of(self._client.run_report(run_id, steps=_bounded(steps)), MOST_REPORT)}


class ActionTools:
    """The tools that act, each in two calls: a preview, then the same call with its ``confirm`` token."""

    def __init__(self, client: DurableClient, confirmations: Confirmations | None = None) -> None:
        self._client, self._confirmations = client, confirmations or Confirmations()

    def retry_run(self, run_id: str, confirm: str | None = None) -> Answer:
        """Retry a failed run from the step that failed. Without ``confirm``: a preview and a token."""
        return self._on_run("retry", run_id, {}, confirm, lambda: run_line(self._client.retry(run_id)))

    def cancel_run(self, run_id: str, undo: bool = False, children: bool = False, confirm: str | None = None) -> Answer:
        """Cancel a run; ``undo`` also runs its compensations, ``children`` cancels the runs that it started."""
        arguments: dict[str, Json] = {"undo": undo, "children": children}
        extra: Answer = {}
        if undo:
            plan = self._client.undo(run_id)
            extra["wouldUndo"] = [
                {"step": item.step, "by": item.undo, "maybe": item.maybe} for item in plan.compensations
            ]
        return self._on_run(
            "cancel",
            run_id,
            arguments,
            confirm,
            lambda: run_line(self._client.cancel(run_id, compensate=undo, children=children)),
            extra,
        )

    def continue_run(self, run_id: str, confirm: str | None = None) -> Answer:
        """Release a run that waits at a breakpoint, as an approval does. Ask a person first."""
        return self._on_run("continue", run_id, {}, confirm, lambda: run_line(self._client.continue_run(run_id)))

    def wake_run(self, run_id: str, confirm: str | None = None) -> Answer:
        """Wake a run that sleeps, where its workflow lets it be woken (``allowed`` holds ``wake``)."""
        return self._on_run("wake", run_id, {}, confirm, lambda: run_line(self._client.wake_run(run_id)))

    def move_run(
        self, run_id: str, version: str | None = None, force: bool = False, confirm: str | None = None
    ) -> Answer:
        """Move a run that no worker drives to a live version; the preview compares its recorded steps with it.

        ``force`` moves it although they differ: the replay may fail.
        """
        found = self._client.move(run_id, version=version, dry_run=True, force=force)
        check: dict[str, Json] = {"version": found.version, "compared": found.compared, "matches": found.matches}
        if found.divergence is not None:
            check["divergence"] = found.divergence.model_dump(mode="json", by_alias=True)

        def act() -> Answer:
            return run_line(self._client.move(run_id, version=found.version, force=force).run)

        return self._on_run("move", run_id, {"version": version, "force": force}, confirm, act, {"check": check})

    def redispatch_run(self, run_id: str, confirm: str | None = None) -> Answer:
        """Put a run back on its queue that a lost worker held. The step it was in may happen twice."""
        return self._on_run(
            "redispatch", run_id, {}, confirm, lambda: {"redispatched": self._client.redispatch(run_id).redispatched}
        )

    def pause_queue(self, name: str, comment: str = "", confirm: str | None = None) -> Answer:
        """Let nothing more start from a queue until it is resumed; runs in progress continue. ``comment``: why."""
        return self._on_queue(
            "pause queue", name, {"comment": comment}, confirm, lambda: self._client.pause_queue(name, comment=comment)
        )

    def resume_queue(self, name: str, confirm: str | None = None) -> Answer:
        """Let a paused queue start runs again, within the limits that it had before."""
        return self._on_queue("resume queue", name, {}, confirm, lambda: self._client.resume_queue(name))

    def send_signal(self, run_id: str, topic: str, message: Json = None, confirm: str | None = None) -> Answer:
        """Send a message to a run, on a topic that its workflow receives."""
        arguments = {"topic": topic, "message": message}
        return self._on_run(
            "signal", run_id, arguments, confirm, lambda: run_line(self._client.send_signal(run_id, topic, message))
        )

    def act_on_runs(
        self,
        action: Literal["retry", "cancel"],
        status: RunStatus | None = None,
        workflow: str | None = None,
        text: str | None = None,
        since: str | None = None,
        confirm: str | None = None,
    ) -> Answer:
        """Retry or cancel every run of a filter, which cannot be empty; a cancel touches open runs only.

        The preview says how many, and shows some.
        """
        filters = _filter(status, workflow, text, since)
        if not filters:
            raise ValueError("Give a filter: status, workflow, text or since.")
        preview = self._client.preview_bulk(action, **filters)
        whole: dict[str, Json] = {name: str(value) for name, value in filters.items()}
        # As many runs in the same states need not be the same runs.
        found: Answer = {"matched": preview.matched, "byStatus": dict(preview.by_status or {})}
        state: Json = {**found, "digest": preview.digest}
        if confirm is None:
            sample = [run_line(run) for run in (preview.sample or [])[:5]]
            token = self._confirmations.issue(f"{action} all", whole, state)
            return {"wouldDo": f"{action} {preview.matched} runs", **whole, **found, "sample": sample, "confirm": token}
        self._confirmations.take(confirm, f"{action} all", whole, state)
        done = self._client.bulk_action(action, bound_ms=preview.bound_ms, **filters)
        return {"done": action, "matched": done.matched, "applied": done.applied, "bulkId": done.bulk_id}

    def _on_queue(
        self,
        action: str,
        name: str,
        arguments: Mapping[str, Json],
        confirm: str | None,
        act: Callable[[], QueueAnswer],
    ) -> Answer:
        queue = next((queue_line(group) for group in self._client.list_workers() if group.group == name), None)
        if queue is None:
            raise ValueError(f"There is no queue {name!r}. list_queues shows which there are.")
        whole: dict[str, Json] = {"queue": name, **arguments}
        state: Json = {"paused": queue["paused"]}  # how many wait changes all the time, and nothing about the pause
        if confirm is None:
            token = self._confirmations.issue(action, whole, state)
            return {"wouldDo": action, **whole, "now": queue, "confirm": token}
        self._confirmations.take(confirm, action, whole, state)
        done = act()
        return {"done": action, "queue": done.name, "paused": done.paused, "notes": list(done.notes or ())}

    def _on_run(
        self,
        action: str,
        run_id: str,
        arguments: Mapping[str, Json],
        confirm: str | None,
        act: Callable[[], Answer],
        extra: Answer | None = None,
    ) -> Answer:
        detail = self._client.get_run(run_id)
        whole: dict[str, Json] = {"runId": run_id, **arguments}
        # Not the whole run: a step that ends meanwhile changes nothing about a cancel that was looked at. But a run
        # that was retried and failed again is to be looked at again, and so is the next breakpoint or sleep.
        waiting = detail.run.waiting if action in ("continue", "wake") else None
        state: Json = {
            "status": detail.run.status,
            "attempts": detail.run.recovery_attempts,
            "finishedAt": detail.run.finished_at,
            "waiting": None if waiting is None else waiting.model_dump(mode="json"),
            **(extra or {}),
        }
        if confirm is not None:
            self._confirmations.take(confirm, action, whole, state)
            return {"done": action, "run": act()}
        preview = {
            "wouldDo": action,
            **whole,
            **(extra or {}),
            "run": run_answer(_with_last_steps(self._client, detail, 3), last=3),
        }
        return {**preview, "confirm": self._confirmations.issue(action, whole, state)}


def _with_last_steps(client: DurableClient, detail: RunDetail, last: int) -> RunDetail:
    """Return the run with its last steps as well, where its timeline is long and comes in parts."""
    steps, following = list(detail.timeline), detail.next_step
    if following is not None:
        following = max(following, detail.steps_total - last)  # some numbers have no step, none has two
    for _ in range(MOST_PARTS):
        if following is None:
            break
        part = client.get_run(detail.run.id, start=following, limit=PART_STEPS)
        steps, following = [*steps, *part.timeline], part.next_step
    return detail.model_copy(update={"timeline": steps})


def _bounded(limit: int) -> int:
    return max(1, min(limit, MOST_RUNS))


def _filter(status: RunStatus | None, workflow: str | None, text: str | None, since: str | None) -> RunFilter:
    given = RunFilter()
    if status is not None:
        given["status"] = status
    if workflow is not None:
        given["workflow"] = workflow
    if text is not None:
        given["q"] = text
    if since is not None:
        given["since"] = since
    return given
