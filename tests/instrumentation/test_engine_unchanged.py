"""DBOS behaves the same with the instrumentor on: each feature runs plain and instrumented, with the same outcome.

``outcome`` runs a scenario in a worker on a new database and returns what the scenario returned, the statuses of its
runs and the rows of their steps; the two must be equal.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from dbos import (
    DBOS,
    DBOSConfiguredInstance,
    Debouncer,
    SetEnqueueOptions,
    SetWorkflowAttributes,
    SetWorkflowID,
    SetWorkflowTimeout,
    SQLAlchemyDatasource,
)
from dbos._error import DBOSAwaitedWorkflowCancelledError, DBOSException, DBOSMaxStepRetriesExceeded

from otel_bridge.instrumentation import DBOSInstrumentor
from otel_bridge.ledger import MemoryLedger
from tests.databases import make_wal
from tests.waiting import until

Scenario = Callable[[], Callable[[], Any]]
"""Declares workflows; returns what to do once DBOS is launched."""

DBOS_VERSION = tuple(int(part) for part in version("dbos").split(".")[:2])
NEEDED_TO_PATCH: dict[str, Any] = {"enable_patching": True} if DBOS_VERSION < (3, 4) else {}
"""Later versions patch without it, and warn of it."""


def comparable(step: Any) -> tuple[Any, ...]:
    """A step's row less what differs between any two runs: wake times, and objects without equality."""
    output = step["output"]
    if step["function_name"] == "DBOS.sleep" or type(output).__eq__ is object.__eq__:  # type: ignore[comparison-overlap]
        output = type(output).__name__
    return step["function_id"], step["function_name"], output, repr(step["error"]), step["child_workflow_id"]


@pytest.fixture
def outcome(tmp_path: Path) -> Iterator[Callable[[Scenario, bool], Any]]:
    """Runs a scenario on a new database, plain or instrumented."""

    def run(scenario: Scenario, instrumented: bool) -> Any:
        url = make_wal(tmp_path / f"{'with' if instrumented else 'without'}.sqlite")
        if instrumented:
            DBOSInstrumentor().instrument(ledger=MemoryLedger())
        DBOS(
            config={
                "name": "worker",
                "system_database_url": url,
                "application_version": "v1",
                "notification_listener_polling_interval_sec": 0.02,
                "scheduler_polling_interval_sec": 0.1,
                **NEEDED_TO_PATCH,  # type: ignore[typeddict-item]
            }
        )
        act = scenario()
        DBOS.launch()
        try:
            returned = act()
            runs = {run.workflow_id: (run.name, run.status) for run in DBOS.list_workflows()}
            steps = {run_id: [comparable(step) for step in DBOS.list_workflow_steps(run_id)] for run_id in sorted(runs)}
        finally:
            DBOS.destroy(destroy_registry=True)
            if instrumented:
                DBOSInstrumentor().uninstrument()
        return returned, runs, steps

    yield run
    DBOS.destroy(destroy_registry=True)


def sync_steps() -> Callable[[], Any]:
    """Sync steps, one retried until it succeeds, one until it gives up."""
    tries: list[int] = []

    @DBOS.step()
    def add(a: int, b: int) -> int:
        return a + b

    @DBOS.step(retries_allowed=True, max_attempts=3, interval_seconds=0.01)
    def flaky() -> int:
        tries.append(1)
        if len(tries) < 3:
            raise ValueError("not yet")
        return len(tries)

    @DBOS.step(retries_allowed=True, max_attempts=2, interval_seconds=0.01)
    def hopeless() -> None:
        raise ValueError("never")

    @DBOS.workflow()
    def job() -> list[Any]:
        found: list[Any] = [add(1, 2), flaky()]
        try:
            hopeless()
        except DBOSMaxStepRetriesExceeded as error:
            found.append(str(error))
        found.append(DBOS.run_step({"name": "inline"}, add, 5, 6))
        return found

    def act() -> Any:
        with SetWorkflowID("job"):
            return job()

    return act


def async_steps() -> Callable[[], Any]:
    """Async steps, gathered; sync steps off the loop; a step with a timeout."""

    @DBOS.step()
    async def double(x: int) -> int:
        await asyncio.sleep(0)
        return x * 2

    def square(x: int) -> int:
        return x * x

    @DBOS.step(timeout_seconds=0.05)
    async def slow() -> None:
        await asyncio.sleep(5)

    @DBOS.workflow()
    async def job() -> list[Any]:
        found: list[Any] = list(await asyncio.gather(*(double(n) for n in range(5))))
        found.append(await DBOS.run_step_async({"name": "square"}, square, 7))
        try:
            await slow()
        except DBOSException as error:
            found.append(type(error).__name__)
        await DBOS.sleep_async(0.01)
        return found

    def act() -> Any:
        async def main() -> Any:
            with SetWorkflowID("job"):
                return await job()

        return asyncio.run(main())

    return act


def queues() -> Callable[[], Any]:
    """Queues: concurrency, priority, deduplication, partitions, children's results."""

    @DBOS.workflow()
    def child(x: int) -> int:
        return x + 1

    @DBOS.workflow()
    def parent() -> list[int]:
        handles = [DBOS.enqueue_workflow("q", child, n) for n in range(4)]
        return [handle.get_result() for handle in handles]

    def act() -> Any:
        DBOS.register_queue("q", global_concurrency=2, polling_interval_sec=0.02)
        with SetWorkflowID("parent"):
            found: list[Any] = parent()
        with SetWorkflowID("other"), SetEnqueueOptions(priority=3, deduplication_id="d"):
            found.append(DBOS.enqueue_workflow("q", child, 10).get_result())
        return found

    return act


def streams() -> Callable[[], Any]:
    """Streams, from body and step, read while written."""

    @DBOS.step()
    def produce() -> None:
        DBOS.write_stream("s", "from step")

    @DBOS.workflow()
    def job() -> None:
        DBOS.write_stream("s", {"n": 1})
        produce()
        DBOS.close_stream("s")

    def act() -> Any:
        with SetWorkflowID("job"):
            handle = DBOS.start_workflow(job)
        values = list(DBOS.read_stream("job", "s"))
        handle.get_result()
        return values

    return act


def messages_and_events() -> Callable[[], Any]:
    """send, recv, set_event and get_event, with and without timeouts."""

    @DBOS.workflow()
    def receiver() -> list[Any]:
        DBOS.set_event("ready", True)
        return [DBOS.recv("a", timeout_seconds=20), DBOS.recv("b", timeout_seconds=0.05)]

    @DBOS.workflow()
    def sender(to: str) -> list[Any]:
        ready = DBOS.get_event(to, "ready", timeout_seconds=20)
        DBOS.send(to, {"hello": "there"}, "a")
        return [ready, DBOS.get_event(to, "never", timeout_seconds=0.05)]

    def act() -> Any:
        with SetWorkflowID("receiver"):
            handle = DBOS.start_workflow(receiver)
        with SetWorkflowID("sender"):
            sent = sender("receiver")
        return sent, handle.get_result()

    return act


def transactions() -> Callable[[], Any]:
    """A datasource's transactions: committed once with the step's record."""
    engine = sa.create_engine("sqlite:///" + transactions.path, poolclass=sa.NullPool)  # type: ignore[attr-defined]
    source = SQLAlchemyDatasource.create(str(engine.url), engine=engine)

    @source.transaction()
    def insert(name: str) -> int:
        session = source.sql_session()
        session.execute(sa.text("INSERT INTO people (name) VALUES (:name)"), {"name": name})
        return int(session.execute(sa.text("SELECT count(*) FROM people")).scalar_one())

    @DBOS.workflow()
    def job() -> list[int]:
        return [insert("ada"), insert("grace")]

    def act() -> Any:
        with SetWorkflowID("job"):
            return job()

    return act


def cancellation() -> Callable[[], Any]:
    """Cancel at a step boundary, then resume to completion; a cancelled child fails its parent's wait."""
    entered, go = threading.Event(), threading.Event()

    @DBOS.step()
    def wait() -> str:
        entered.set()
        assert go.wait(timeout=20)
        return "waited"

    @DBOS.step()
    def after() -> str:
        return "after"

    @DBOS.workflow()
    def job() -> list[str]:
        return [wait(), after()]

    def act() -> Any:
        with SetWorkflowID("job"):
            handle = DBOS.start_workflow(job)
        assert entered.wait(timeout=20)
        DBOS.cancel_workflow("job")
        go.set()
        with pytest.raises(DBOSAwaitedWorkflowCancelledError):
            handle.get_result()
        return DBOS.resume_workflow("job").get_result()

    return act


def timeouts() -> Callable[[], Any]:
    """A run that exceeds its timeout is cancelled."""

    @DBOS.workflow()
    def job() -> None:
        while True:
            DBOS.sleep(0.05)

    def act() -> Any:
        with SetWorkflowID("job"), SetWorkflowTimeout(0.3):
            handle = DBOS.start_workflow(job)
        with pytest.raises(DBOSAwaitedWorkflowCancelledError):
            handle.get_result()
        rows = len(DBOS.list_workflow_steps("job"))
        DBOS.delete_workflow("job")
        return rows > 0

    return act


def forks() -> Callable[[], Any]:
    """Fork from the middle: earlier steps copied, later ones executed again."""
    calls: list[str] = []

    @DBOS.step()
    def step(name: str) -> str:
        calls.append(name)
        return name

    @DBOS.workflow()
    def job() -> list[str]:
        return [step("a"), step("b"), step("c")]

    def act() -> Any:
        with SetWorkflowID("job"):
            job()
        with SetWorkflowID("fork"):
            forked = DBOS.fork_workflow("job", 3)
        return forked.get_result(), calls

    return act


def debouncing() -> Callable[[], Any]:
    """Three calls in a row run once, with the last argument."""
    runs: list[int] = []

    @DBOS.workflow()
    def job(x: int) -> int:
        runs.append(x)
        return x

    debouncer = Debouncer.create(job)

    def act() -> Any:
        handles = [debouncer.debounce("key", 0.2, n) for n in range(3)]
        results = {handle.get_result() for handle in handles}
        DBOS.delete_workflow(handles[0].workflow_id)
        return results, runs

    return act


def schedules() -> Callable[[], Any]:
    """A schedule runs its workflow."""
    ticks: list[Any] = []

    @DBOS.workflow()
    def tick(at: Any, context: Any) -> None:
        ticks.append(context)

    def act() -> Any:
        DBOS.create_schedule(schedule_name="each-second", workflow_fn=tick, schedule="* * * * * *", context="ctx")
        until(lambda: ticks, what="a tick")
        DBOS.delete_schedule("each-second")
        until(lambda: not any("(_loop)" in thread.name for thread in threading.enumerate()), what="the schedule to end")
        names = {run.name for run in DBOS.list_workflows()}
        for run in DBOS.list_workflows():
            until(lambda run=run: DBOS.retrieve_workflow(run.workflow_id).get_status().status == "SUCCESS")  # type: ignore[misc]
            DBOS.delete_workflow(run.workflow_id)
        return set(ticks), {name.rpartition(".")[2] for name in names}

    return act


def classes() -> Callable[[], Any]:
    """Configured instances, attributes, and the identity of the caller."""

    @DBOS.dbos_class()
    class Greeter(DBOSConfiguredInstance):
        def __init__(self, name: str) -> None:
            self.name = name
            super().__init__(name)

        @DBOS.step()
        def greet(self, whom: str) -> str:
            return f"{self.name} greets {whom}"

        @DBOS.workflow()
        def job(self) -> tuple[str, Any]:
            return self.greet("you"), DBOS.workflow_id

    greeter = Greeter("ann")

    def act() -> Any:
        with SetWorkflowID("job"), SetWorkflowAttributes({"tier": "gold"}):
            result = DBOS.start_workflow(greeter.job).get_result()
        (run,) = DBOS.list_workflows()
        return result, run.attributes

    return act


def patches() -> Callable[[], Any]:
    """DBOS's bookkeeping steps: now, random ids, patches, statuses, bulk sends."""

    @DBOS.workflow()
    def job() -> list[Any]:
        status = DBOS.get_workflow_status(DBOS.workflow_id or "")
        return [DBOS.patch("p1"), status is not None, DBOS.list_workflows(workflow_ids=["nope"])]

    def act() -> Any:
        with SetWorkflowID("job"):
            return job()

    return act


@pytest.mark.parametrize(
    "scenario",
    [
        sync_steps,
        async_steps,
        queues,
        streams,
        messages_and_events,
        transactions,
        cancellation,
        timeouts,
        forks,
        debouncing,
        schedules,
        classes,
        patches,
    ],
    ids=lambda scenario: scenario.__name__,
)
def test_a_feature_works_the_same_with_the_instrumentor_on(
    scenario: Scenario, outcome: Callable[[Scenario, bool], Any], tmp_path: Path
) -> None:
    """Same return value, same runs and statuses, same step rows."""
    both = []
    for instrumented in (False, True):
        path = tmp_path / f"people-{instrumented}.sqlite"
        engine = sa.create_engine(f"sqlite:///{path}")
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE people (name TEXT)"))
        engine.dispose()
        transactions.path = str(path)  # type: ignore[attr-defined]
        both.append(outcome(scenario, instrumented))
    assert both[0] == both[1]
