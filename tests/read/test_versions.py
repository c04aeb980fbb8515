"""The versions of the application: drained or not, and how each does beside the one before."""

from __future__ import annotations

from flask import Flask

from dashboard import create_blueprint
from dashboard.read.versions import percentile, version_views
from dashboard.wire.base import iso
from otel_bridge.ledger.base import Executor
from otel_bridge.testing import MemoryLedger, MemoryStateStore, make_run

T = 1_700_000_000_000


def ended(number: int, version: str, took_ms: int, status: str = "completed") -> object:
    """An ended run that took so long."""
    return make_run(
        f"{version}-{number}",
        status=status,  # type: ignore[arg-type]
        workflow_version=version,
        created_at_ms=T + number,
        started_at_ms=T + number,
        finished_at_ms=T + number + took_ms,
    )


def test_each_version_is_shown_beside_the_one_before() -> None:
    """Newest first; a version without open runs is drained; one that only a worker has is there too."""
    runs = [ended(n, "v1", 100 * n) for n in range(1, 21)] + [ended(30, "v1", 1, "failed")]
    runs += [ended(100, "v2", 500), ended(101, "v2", 1, "dead"), ended(102, "v2", 1, "cancelled")]
    still_open = [
        make_run("o1", status="running", workflow_version="v1", created_at_ms=T),
        make_run("o2", status="blocked", workflow_version="v1", created_at_ms=T),
    ]
    worker = Executor(instance_id="i", executor_id="e", beat_at_ms=T, started_at_ms=T + 9_000, app_version="v3")
    three, two, one = version_views(runs, [(run, 1) for run in still_open], [worker, worker])  # type: ignore[arg-type]
    assert [view.version for view in (three, two, one)] == ["v3", "v2", "v1"]
    assert one.first_seen_at == iso(T)
    assert (one.open_runs, one.blocked_runs, one.drained, one.live_executors, one.previous) == (2, 1, False, 0, None)
    assert (one.figures.ended, one.figures.failure_share, one.figures.p50_ms, one.figures.p95_ms) == (
        21,
        round(1 / 21, 4),
        1000,
        1900,
    )
    assert (two.drained, two.figures.failure_share, two.figures.p50_ms) == (True, 0.5, 500)
    assert two.previous_figures == one.figures
    assert (three.live_executors, three.figures.ended, three.figures.failure_share) == (2, 0, None)


def test_percentiles_are_values_that_occurred() -> None:
    """Nearest rank; of nothing there is none."""
    assert [percentile([1, 2, 3], percent) for percent in (1, 50, 95, 100)] == [1, 2, 3, 3]
    assert percentile([], 50) is None


def test_the_route_and_the_metrics_speak_of_the_same_versions() -> None:
    """A run whose version is gone counts as not driven."""
    store, ledger = MemoryStateStore(), MemoryLedger()
    now = store.now_ms()
    ledger.heartbeat(
        Executor(instance_id="i", executor_id="e", beat_at_ms=0, started_at_ms=now - 60_000, app_version="v2", runs=())
    )
    store.put_run(
        make_run(
            "stuck",
            status="running",
            workflow_version="v1",
            executor="e",
            created_at_ms=now - 60_000,
            updated_at_ms=now - 60_000,
        )
    )
    app = Flask("versions")
    app.register_blueprint(create_blueprint(store, ledger=ledger, caretaker=False), url_prefix="/d")
    client = app.test_client()
    views = client.get("/d/api/versions").get_json()
    assert [(view["version"], view["openRuns"], view["blockedRuns"], view["liveExecutors"]) for view in views] == [
        ("v2", 0, 0, 1),
        ("v1", 1, 1, 0),
    ]
    text = client.get("/d/api/metrics").get_data(as_text=True)
    assert 'durable_runs_by_version{version="v1"} 1.0\n' in text
    assert 'durable_runs_not_driven{code="version_gone"} 1.0\n' in text
    assert 'durable_runs_not_driven{code="not_driven"} 0.0\n' in text
    blocked = client.get("/d/api/runs/stuck").get_json()["run"]["blocked"]
    assert blocked["code"] == "version_gone"
    assert "Move the run to version v2" in blocked["remedy"]
