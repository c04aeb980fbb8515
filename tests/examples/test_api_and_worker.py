"""A process with only the dashboard dispatches everything and processes nothing; a worker does the work."""

from __future__ import annotations

import os
from pathlib import Path

import httpx

from dashboard.client import DurableClient
from tests.databases import make_wal
from tests.programs import running
from tests.waiting import until


def test_api_and_worker_share_nothing_but_the_database(tmp_path: Path) -> None:
    """Start, watch, continue, cancel and undo from the API process; only the worker executes."""
    environ = {**os.environ, "DBOS_SYSTEM_DATABASE_URL": make_wal(tmp_path / "reports.sqlite"), "HOSTNAME": "worker-1"}
    with running("-m", "examples.api_and_worker.api", "0", environ=environ) as api:
        base = api.wait_for("Serving on ").split()[-1].rstrip("/")
        with DurableClient(base) as client:
            with running("-m", "examples.api_and_worker.worker", environ=environ) as worker:
                worker.wait_for("at work")
                runs = [start(base, month) for month in ("2026-01", "2026-02")]
                for run_id in runs:
                    until(lambda run_id=run_id: paused(client, run_id))  # type: ignore[misc]
                assert client.continue_run(runs[0]).id == runs[0]
                until(lambda: client.get_run(runs[0]).run.status == "completed")
                assert client.get_run(runs[0]).run.output == "mailed report-2026-01.pdf from worker-1"
                client.cancel(runs[1], compensate=True)
                until(lambda: client.get_run(runs[1]).run.status == "cancelled")
                assert [c.status for c in client.undo(runs[1]).compensations] == ["completed"]
                assert {e.executor_id for e in client.list_executors()} == {"worker-1"}
                assert worker.stop() == 0
            waiting = start(base, "2026-03")
            until(lambda: client.get_run(waiting).run.status in ("pending", "blocked"))
            assert client.get_run(waiting).timeline == []


def start(base: str, month: str) -> str:
    """Start a report through the API process's own route."""
    answer = httpx.post(f"{base.removesuffix('/durable')}/reports/{month}")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["runId"])


def paused(client: DurableClient, run_id: str) -> bool:
    """Return whether the run is at its breakpoint."""
    run = client.get_run(run_id).run
    return run.waiting is not None and run.waiting.on == "breakpoint"
