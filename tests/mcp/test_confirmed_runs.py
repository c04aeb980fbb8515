"""What is confirmed is what was previewed: the same runs, as they were, at the same breakpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from dashboard.client import AppTransport, DurableClient
from dashboard.mcp.confirm import NotConfirmedError
from dashboard.mcp.tools import ActionTools
from otel_bridge.ledger.base import Executor
from otel_bridge.model.runs import Waiting, WaitingOn
from otel_bridge.model.status import RunStatus
from otel_bridge.testing import MemoryLedger, MemoryStateStore, make_run
from tests.actions.memory import RecordingClient
from tests.story import mounted

Change = Callable[[MemoryStateStore], None]


@pytest.fixture
def store() -> MemoryStateStore:
    made = MemoryStateStore()
    at = made.now_ms() - 60_000
    statuses: tuple[RunStatus, ...] = ("failed", "completed", "failed")
    for number, status in enumerate(statuses):
        made.put_run(make_run(f"r-{number}", status=status, created_at_ms=at, finished_at_ms=at + 1, updated_at_ms=at))
    return made


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def engine(store: MemoryStateStore) -> RecordingClient:
    return RecordingClient(store)


@pytest.fixture
def tools(store: MemoryStateStore, ledger: MemoryLedger, engine: RecordingClient) -> Iterator[ActionTools]:
    with (
        mounted(store, ledger=ledger, client=lambda: engine) as app,
        DurableClient("http://localhost/durable", transport=AppTransport(app)) as client,
    ):
        yield ActionTools(client)


def live(ledger: MemoryLedger, version: str, *, started_at_ms: int) -> None:
    """Report a worker of a version."""
    ledger.heartbeat(
        Executor(
            instance_id=f"i-{version}",
            executor_id=f"e-{version}",
            beat_at_ms=0,
            started_at_ms=started_at_ms,
            app_version=version,
            workflows=("order",),
            runs=(),
        )
    )


def test_as_many_other_runs_are_not_confirmed(
    store: MemoryStateStore, engine: RecordingClient, tools: ActionTools
) -> None:
    """One that was previewed has completed, one that was not has failed: the counts are the same."""
    preview = tools.act_on_runs("retry", status="failed")
    at = store.now_ms() - 30_000
    store.put_run(make_run("r-0", status="completed", created_at_ms=at - 30_000, finished_at_ms=at, updated_at_ms=at))
    store.put_run(make_run("r-1", status="failed", created_at_ms=at - 30_000, finished_at_ms=at, updated_at_ms=at))
    with pytest.raises(NotConfirmedError, match="changed since"):
        tools.act_on_runs("retry", status="failed", confirm=preview["confirm"])
    assert engine.calls == []
    again = tools.act_on_runs("retry", status="failed")
    assert again["matched"] == 2
    assert tools.act_on_runs("retry", status="failed", confirm=again["confirm"])["matched"] == 2


def test_a_run_that_failed_again_is_to_be_looked_at_anew(
    store: MemoryStateStore, engine: RecordingClient, tools: ActionTools
) -> None:
    """It is as failed as before, of something else perhaps."""
    preview = tools.retry_run("r-0")
    at = store.now_ms() - 10_000
    store.put_run(make_run("r-0", status="failed", created_at_ms=at, finished_at_ms=at + 5, updated_at_ms=at + 5))
    with pytest.raises(NotConfirmedError, match="changed since"):
        tools.retry_run("r-0", confirm=preview["confirm"])
    assert engine.calls == []


@pytest.mark.parametrize(("on", "release"), [("breakpoint", "continue_run"), ("sleep", "wake_run")])
def test_the_next_wait_is_not_released(
    store: MemoryStateStore, tools: ActionTools, on: WaitingOn, release: str
) -> None:
    """Somebody approved of the one that was shown, and of no other."""

    def paused_at(name: str, seq: int) -> None:
        waiting = Waiting(on=on, name=name, since_ms=store.now_ms(), seq=seq)
        store.put_run(make_run("paused", status="suspended", created_at_ms=store.now_ms() - 1_000, waiting=waiting))

    paused_at("first payment", 2)
    preview = getattr(tools, release)("paused")
    paused_at("all payments", 4)
    with pytest.raises(NotConfirmedError, match="changed since"):
        getattr(tools, release)("paused", confirm=preview["confirm"])


def test_a_move_is_confirmed_for_the_version_and_the_check_that_were_shown(
    store: MemoryStateStore, ledger: MemoryLedger, tools: ActionTools
) -> None:
    """A newer version that comes meanwhile is another destination: the person has not seen it."""
    at = store.now_ms()
    store.put_run(
        make_run("stranded", status="pending", workflow="order", workflow_version="v1", created_at_ms=at, queue="q")
    )
    live(ledger, "v2", started_at_ms=at - 1_000)
    preview = tools.move_run("stranded")
    assert (preview["check"], preview["force"]) == ({"version": "v2", "compared": 0, "matches": False}, False)
    live(ledger, "v3", started_at_ms=at)
    with pytest.raises(NotConfirmedError, match="changed since"):
        tools.move_run("stranded", confirm=preview["confirm"])
    again = tools.move_run("stranded")
    assert again["check"]["version"] == "v3"
    done = tools.move_run("stranded", confirm=again["confirm"])
    moved = store.get_run("stranded")
    assert (done["done"], moved is not None and moved.workflow_version) == ("move", "v3")
