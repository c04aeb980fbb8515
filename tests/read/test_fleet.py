"""Workers, executors, presence over runs, metrics: with a ledger in which executors report."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families

from dashboard.read import listing
from dashboard.read.fleet import next_time
from dashboard.read.listing import RunReader
from dashboard.wire.base import iso
from otel_bridge.ledger import MemoryLedger
from otel_bridge.ledger.base import Executor, InFlightStep
from otel_bridge.model.fleet import ScheduleInfo
from otel_bridge.model.runs import Facet, RunQuery
from otel_bridge.runs.presence import presence
from otel_bridge.store.adapter import SqlStateStore
from otel_bridge.testing import MemoryStateStore, make_run
from tests.story import mounted


def executor(name: str, **fields: object) -> Executor:
    """An executor that beats now."""
    defaults = {"executor_id": name, "beat_at_ms": 0, "started_at_ms": 1, "app_version": "v1", "app_name": "shop"}
    return Executor(instance_id=name, **{**defaults, **fields})  # type: ignore[arg-type]


class Clock:
    """A ledger clock that tests move."""

    def __init__(self) -> None:
        self.now_ms = 1_900_000_000_000


@pytest.fixture
def clock() -> Clock:
    """The ledger's clock."""
    return Clock()


@pytest.fixture
def ledger(clock: Clock) -> MemoryLedger:
    """A ledger in memory, on that clock."""
    return MemoryLedger(clock=lambda: clock.now_ms)


@pytest.fixture
def fleet_app(story_url: str, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """The dashboard over the story and that ledger, presence never stale."""
    monkeypatch.setattr("otel_bridge.runs.presence_reader.PRESENCE_FRESH_S", 0.0)
    with mounted(story_url, ledger=ledger) as app:
        yield app


def test_without_presence_nobody_is_called_missing(fleet_app: Flask) -> None:
    """Silence means nothing where nobody ever spoke: a backlog is not an alarm."""
    groups = fleet_app.test_client().get("/durable/api/workers").get_json()
    waiting = next(group for group in groups if group["depth"])
    assert waiting["presenceKnown"] is False
    assert waiting["noWorker"] is False
    assert {run["status"] for run in fleet_app.test_client().get("/durable/api/runs").get_json()}.isdisjoint(
        {"blocked"}
    )


def test_a_backlog_that_nobody_listens_to_is_named(fleet_app: Flask, ledger: MemoryLedger) -> None:
    """Once executors report: the queue says no worker, its runs are blocked, and facets and filter agree."""
    ledger.heartbeat(executor("w1", queues=("children",), busy={"children": 2}))
    client = fleet_app.test_client()
    groups = {group["group"]: group for group in client.get("/durable/api/workers").get_json()}
    assert groups["nobody"]["noWorker"] is True
    assert groups["nobody"]["oldestMs"] >= 0
    assert groups["children"]["noWorker"] is False
    assert groups["children"]["liveWorkers"] == [
        {
            "group": "children",
            "instanceId": "w1",
            "lastBeatAt": ledger.now_ms(),
            "status": {"state": "live", "concurrency": {"mode": "fixed", "limit": 0}, "inFlight": 2},
        }
    ]
    blocked = client.get("/durable/api/runs?status=blocked").get_json()
    assert [run["queue"] for run in blocked] == ["nobody"]
    assert client.get("/durable/api/runs?status=pending").get_json() == []
    counts = {facet["status"]: facet["count"] for facet in client.get("/durable/api/runs/facets").get_json()}
    assert counts["blocked"] == 1
    nodes = client.get("/durable/api/topology").get_json()["nodes"]
    assert [node["counts"] for node in nodes if node["id"] == "queue:nobody"] == [{"blocked": 1}]
    assert "pending" not in counts
    assert client.get(f"/durable/api/runs/{blocked[0]['id']}").get_json()["run"]["status"] == "blocked"


def counts(store: MemoryStateStore, ledger: MemoryLedger) -> dict[str, tuple[int, bool]]:
    """Count runs by status, each count with whether it is exact."""
    reader = RunReader(store, lambda: presence(ledger.executors(), ledger.now_ms()), lambda: ledger)
    return {facet.status: (facet.count, facet.exact) for facet in reader.facets(RunQuery())}


def test_a_backlog_of_any_size_is_counted_as_blocked_or_not() -> None:
    """Queued runs are judged by kind, not one by one."""
    ledger, store = MemoryLedger(), MemoryStateStore()
    ledger.heartbeat(executor("w1", queues=("children",)))
    for number in range(40):
        queue = "nobody" if number % 4 else "children"
        store.put_run(
            make_run(f"r{number}", status="pending", queue=queue, workflow_version="v1", created_at_ms=number)
        )
    store.put_run(make_run("young", status="pending", queue="nobody", created_at_ms=store.now_ms()))
    store.put_run(make_run("done", status="failed"))
    assert counts(store, ledger) == {"pending": (11, True), "failed": (1, True), "blocked": (30, True)}


def test_executing_runs_beyond_those_looked_at_make_lower_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them is looked at alone. Of very many, as many as were seen are there for certain."""
    ledger, store = MemoryLedger(), MemoryStateStore()
    ledger.heartbeat(executor("w1"))
    for number in range(5):
        store.put_run(make_run(f"r{number}", executor="elsewhere", created_at_ms=number))
    assert counts(store, ledger) == {"running": (5, True)}
    monkeypatch.setattr(listing, "HELD_COUNTED", 3)
    monkeypatch.setattr(listing, "PAGE", 3)
    assert counts(store, ledger) == {"running": (3, False), "suspended": (0, False), "blocked": (0, False)}


def test_a_worker_for_everything_serves_every_queue(fleet_app: Flask, ledger: MemoryLedger) -> None:
    """An executor that names no queues listens to all."""
    ledger.heartbeat(executor("w1"))
    groups = fleet_app.test_client().get("/durable/api/workers").get_json()
    assert not any(group["noWorker"] for group in groups)
    assert fleet_app.test_client().get("/durable/api/runs?status=blocked").get_json() == []


def test_executors_are_listed_live_first_with_what_they_do(
    fleet_app: Flask, ledger: MemoryLedger, clock: Clock
) -> None:
    """Lost and stopped ones are told apart."""
    ledger.heartbeat(executor("lost", in_flight=(InFlightStep(run_id="x", seq=1, name="s", started_at_ms=5),)))
    ledger.heartbeat(executor("gone", stopped=True))
    clock.now_ms += 60_000
    doing = InFlightStep(run_id="waiting-1", seq=9, name="charge", started_at_ms=5, attempt=2)
    ledger.heartbeat(executor("live", in_flight=(doing,), in_flight_total=1, host="h", pid=7))
    found = fleet_app.test_client().get("/durable/api/executors").get_json()
    assert [(one["instanceId"], one["status"]) for one in found] == [
        ("live", "live"),
        ("lost", "lost"),
        ("gone", "stopped"),
    ]
    assert found[0]["inFlight"] == [
        {"runId": "waiting-1", "seq": 9, "name": "charge", "startedAt": "1970-01-01T00:00:00.005Z", "attempt": 2}
    ]
    health = fleet_app.test_client().get("/durable/api/health").get_json()
    assert (health["liveWorkers"], health["lostWorkers"]) == (1, 1)


def test_a_lost_worker_holds_no_run_that_was_moved_taken_or_ended_since(clock: Clock, ledger: MemoryLedger) -> None:
    """What it executed when it was last seen stays listed; the page warns of what it holds."""
    store, beat_ms = MemoryStateStore(), clock.now_ms
    held: dict[str, object] = {"status": "running", "executor": "w", "started_at_ms": beat_ms - 5_000}
    since: dict[str, dict[str, object]] = {
        "held": {},
        "moved": {"status": "pending", "queue": "q", "started_at_ms": None},
        "taken": {"executor": "v"},
        "again": {"started_at_ms": beat_ms + 30_000},
        "ended": {"status": "cancelled", "finished_at_ms": beat_ms + 9},
    }
    for run_id, changed in since.items():
        store.put_run(make_run(run_id, **{**held, **changed}))  # type: ignore[arg-type]
    steps = tuple(
        InFlightStep(run_id=run_id, seq=1, name="work", started_at_ms=5)
        for run_id in ("held", "moved", "taken", "again", "ended", "deleted")
    )
    ledger.heartbeat(executor("w", in_flight=steps, in_flight_total=6))
    clock.now_ms += 60_000
    with mounted(store, ledger=ledger) as app:
        (shown,) = app.test_client().get("/durable/api/executors").get_json()
    assert (shown["heldTotal"], shown["inFlightTotal"], len(shown["inFlight"])) == (1, 6, 6)


def test_a_step_in_flight_is_in_timeline_and_graph(fleet_app: Flask, ledger: MemoryLedger) -> None:
    """What only the executor knows is shown among what the store knows."""
    doing = InFlightStep(run_id="waiting-1", seq=9, name="charge", started_at_ms=5, attempt=2)
    ledger.heartbeat(executor("w1", in_flight=(doing,)))
    client = fleet_app.test_client()
    last = client.get("/durable/api/runs/waiting-1").get_json()["timeline"][-1]
    assert (last["seq"], last["name"], last["status"], last["attempts"]) == (9, "charge", "running", 2)
    assert "step:9" in [node["id"] for node in client.get("/durable/api/runs/waiting-1/graph").get_json()["nodes"]]
    assert client.get("/durable/api/runs/waiting-1/steps/9").get_json()["name"] == "charge"


def test_metrics_give_autoscalers_the_backlog_by_worker(fleet_app: Flask, ledger: MemoryLedger) -> None:
    """Prometheus text, parseable, with the signal to scale by; without a worker it is the backlog itself."""
    ledger.heartbeat(executor("w1", queues=("children",)))
    found = scraped(fleet_app)
    assert found["durable_queue_depth", "nobody"] == 1
    assert found["durable_queue_depth_per_worker", "nobody"] == 1
    assert found["durable_queue_live_workers", "children"] == 1
    assert found["durable_runs", "failed"] == 1
    assert found["durable_executors", "live"] == 1
    assert found["durable_stream_viewers",] == 0
    assert (found["durable_inbox",], found["durable_inbox_oldest_seconds",]) == (0, 0)


def test_metrics_are_exact_at_any_size(fleet_app: Flask, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A million completed runs to the last one; open ones counted all, in however many pages."""
    ledger.heartbeat(executor("w1", queues=("children",)))
    before = scraped(fleet_app)
    counted = SqlStateStore.facets
    many = Facet("completed", 1_234_567)
    monkeypatch.setattr(
        SqlStateStore,
        "facets",
        lambda *args, **options: [many, *(f for f in counted(*args, **options) if f.status != many.status)],
    )
    monkeypatch.setattr(listing, "PAGE", 1)
    monkeypatch.setattr(listing, "HELD_COUNTED", 1)
    found = scraped(fleet_app)
    runs = {key: value for key, value in before.items() if key[0].startswith("durable_runs")}
    assert {key: found[key] for key in runs} == runs | {("durable_runs", "completed"): 1_234_567}
    assert sum(value for (name, *_), value in found.items() if name == "durable_runs_by_version") == sum(
        found["durable_runs", status] for status in ("pending", "running", "suspended", "blocked")
    )


def scraped(app: Flask) -> dict[tuple[str, ...], float]:
    """Return each sample by its name and labels, as Prometheus reads them."""
    text = app.test_client().get("/durable/api/metrics").get_data(as_text=True)
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_topology_joins_workflows_queues_and_executors(fleet_app: Flask) -> None:
    """A parent leads to its children, they to their queue, it to who ran them."""
    found = fleet_app.test_client().get("/durable/api/topology").get_json()
    pairs = {(edge["source"], edge["target"]) for edge in found["edges"]}
    assert ("workflow:fan_out", "workflow:child") in pairs
    assert ("workflow:child", "queue:children") in pairs
    assert {node["type"]: node["role"] for node in found["nodes"]} == {
        "workflow": "workflow",
        "queue": "queue",
        "executor": "worker",
    }
    assert found["sampledRuns"] > 15


@pytest.mark.parametrize(
    ("cron", "zone", "following"),
    [
        ("30 2 * * 1-5", "Europe/Berlin", "2026-11-24T01:30:00.000Z"),
        ("0 0 1 1,4,7,10 *", None, "2027-01-01T00:00:00.000Z"),
        ("*/10 * * * * *", None, "2026-11-23T04:00:10.000Z"),
        ("whenever", None, None),
        ("0 0 31 2 *", None, None),
        ("0 * * * *", "Mars/Olympus", None),
    ],
)
def test_a_schedules_next_time_is_read_as_the_engine_reads_it(
    cron: str, zone: str | None, following: str | None
) -> None:
    """Seconds first, in the schedule's time zone, UTC by default; what the engine cannot read has no next time."""
    now_ms = 1_795_406_400_000  # 2026-11-23 04:00:00 UTC
    schedule = ScheduleInfo(name="s", workflow="w", schedule=cron, active=True, timezone=zone)
    assert next_time(schedule, now_ms) == following


def test_a_schedule_that_should_have_fired_again_says_how_long_ago() -> None:
    """Of those that are active and fired before: nobody knows since when one that never fired is there."""
    store = MemoryStateStore()
    fired = iso(store.now_ms() - 3 * 3_600_000)
    for name, active, last in (("late", True, fired), ("paused", False, fired), ("new", True, None)):
        store.put_schedule(
            ScheduleInfo(name=name, workflow="w", schedule="0 * * * *", active=active, last_fired_at=last)
        )
    with mounted(store) as app:
        listed = {one["name"]: one for one in app.test_client().get("/durable/api/schedules").get_json()}
    assert 3_600_000 < listed["late"]["overdueMs"] <= 3 * 3_600_000
    assert [name for name, one in listed.items() if "overdueMs" in one] == ["late"]
