"""A database, a ledger, actions in this process, and workers as processes of their own."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, TypeVar

from dashboard.actions import ActionSettings, open_context
from dashboard.workflow.names import wait_topic
from otel_bridge.codec import decode
from otel_bridge.ledger import open_ledger
from otel_bridge.model.runs import Run
from otel_bridge.store import open_store
from tests.programs import Program
from tests.waiting import until

T = TypeVar("T")
SCRIPT = "tests.actions.worker_app"
DEADLINE_S = 30.0


class World:
    """Everything a test of actions needs."""

    def __init__(self, url: str, directory: Path, **settings: Any) -> None:
        self.url, self.dir = url, directory
        self.workers: list[Program] = []
        self.store = open_store(url)
        self.ledger = open_ledger(url)
        secret = settings.pop("webhook_secret", None)
        chosen = ActionSettings(undo_grace_s=0.5, **settings)
        self.ctx = open_context(self.store, self.ledger, settings=chosen, webhook_secret=secret)

    def launch(self, *arguments: str) -> Program:
        """Start a worker, and do not wait until it is ready; see ``worker_app``."""
        environ = {**os.environ, "OTEL_SDK_DISABLED": "true"}
        command = ("-m", SCRIPT, self.url, str(self.dir), *arguments)
        self.workers.append(Program(*command, environ=environ, commanded=True))
        return self.workers[-1]

    def ready(self, worker: Program) -> Program:
        """Wait until a worker has launched."""
        path = self.dir / f"ready-{worker.pid}"
        until(lambda: path.exists() or worker.ended, what="a worker to launch")
        assert path.exists(), worker.text
        return worker

    def worker(self, *arguments: str) -> Program:
        """Start a worker and wait until it has launched, and until its presence shows if it reports any."""
        worker = self.ready(self.launch(*arguments))
        if "--present" in arguments:
            pid = worker.pid
            until(lambda: pid in {executor.pid for executor in self.ledger.executors()}, what="a worker's first beat")
        return worker

    def close(self) -> None:
        """End the workers and close everything."""
        for worker in self.workers:
            worker.kill()
        self.ctx.close()
        self.ledger.close()
        self.store.close()

    # -- what the workers did -----------------------------------------------------------------------------

    def touch(self, name: str) -> None:
        """Make a file that steers a workflow."""
        (self.dir / name).touch()

    def remove(self, name: str) -> None:
        """Take a file away."""
        (self.dir / name).unlink()

    def log(self, prefix: str = "") -> list[str]:
        """Return the lines that workflows logged."""
        path = self.dir / "log"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if line.startswith(prefix)]

    # -- runs -----------------------------------------------------------------------------------------------

    def start(self, workflow: str, *args: Any, run_id: str, **kwargs: Any) -> str:
        """Start a run, as the application itself would."""
        from dbos import WorkflowSerializationFormat

        with self.ctx.engine.use(fast_queue=True) as client:
            client.enqueue(
                {
                    "workflow_name": workflow,
                    "queue_name": kwargs.pop("queue", "durable.fast"),
                    "workflow_id": run_id,
                    "serialization_type": WorkflowSerializationFormat.NATIVE,
                    **({"app_version": kwargs.pop("version")} if "version" in kwargs else {}),  # type: ignore[typeddict-item]
                },
                *args,
                **kwargs,
            )
        return run_id

    def run(self, run_id: str) -> Run:
        """Return a run."""
        found = self.store.get_run(run_id)
        assert found is not None, run_id
        return found

    def reaches(self, run_id: str, *statuses: str) -> Run:
        """Wait until a run has one of these statuses."""
        until(lambda: self.store.get_run(run_id), lambda run: run is not None, what=f"{run_id} to exist")
        return until(lambda: self.run(run_id), lambda run: run.status in statuses, what=f"{run_id} to be {statuses}")

    def waits(self, run_id: str, on: str, name: str | None = None) -> Run:
        """Wait until a run waits for something."""
        return until(
            lambda: self.run(run_id),
            lambda run: run.waiting is not None and run.waiting.on == on and name in (None, run.waiting.name),
            what=f"{run_id} to wait for {on} {name}",
        )

    def output(self, run_id: str) -> Any:
        """Return a run's output as JSON."""
        stored = self.store.get_payload(run_id, "output", cap_bytes=None)
        return decode(stored).json if stored is not None else None

    def step_names(self, run_id: str) -> list[str]:
        """Return the names of a run's steps, without housekeeping."""
        return [step.name for step in self.store.get_steps(run_id) if not step.housekeeping]

    def event(self, run_id: str, key: str) -> Any:
        """Wait for a published value."""
        event = until(lambda: self.store.published_event(run_id, key), what=f"{run_id} to publish {key}")
        assert event is not None
        return decode(event.value).json

    def webhook_token(self, run_id: str) -> str:
        """Wait for the URL that ``hooked`` publishes; return its token."""
        found = re.search(r"/api/webhooks/([^/]+)$", str(self.event(run_id, "url")))
        assert found is not None
        return found[1]

    def topic(self, run: Run) -> str:
        """Return where a waiting run listens."""
        assert run.waiting is not None
        assert run.waiting.name is not None
        assert run.waiting.seq is not None
        return wait_topic(run.waiting.on, run.waiting.name, run.waiting.seq)
