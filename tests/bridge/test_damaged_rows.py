"""One row that cannot be read or reported is set aside and named; every other run is exported, listed and watched."""

from __future__ import annotations

import logging
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urljoin

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dashboard import create_blueprint
from otel_bridge import OTelBridge
from otel_bridge.bridge.doctor import examine
from otel_bridge.bridge.set_aside import KEPT_RUNS, SET_ASIDE_KEY, read_set_aside
from otel_bridge.errors import StoreUnavailableError
from otel_bridge.store.engine_schema import ENGINE_SCHEMA
from otel_bridge.store.sqlite import SqliteStateStore
from otel_bridge.tail.changes import ChangeTail
from otel_bridge.testing import FakeClock, MemoryLedger, MemoryStateStore, make_run
from tests import damage
from tests.bridge.rows import Bridges, put_ended
from tests.damage import NOT_UTF8, VALUES, VICTIM, Damage
from tests.otlp.samples import ListTransport

ROUTES = (
    "runs", "runs?limit=2&q=vic", "runs?status=running", "runs?status=failed", "runs?attr=n:gt:0", "runs/facets",
    "runs/facets?by=workflow", "workers", "executors", "topology", "schedules", "metrics", "health", "audit",
    "versions", "config", "bulk/victim",
)  # fmt: skip
OF_A_RUN = (
    "", "/graph", "/graph?expand=all", "/events", "/events/progress", "/events/durable.wait", "/undo", "/streams",
    "/streams/tokens", "/payload/input", "/payload/output", "/payload/error", "/steps/1", "/steps/2", "/steps/3",
    "/steps/5?full=true", "/steps/6", "/report", "/test",
)  # fmt: skip


class Rig:
    """A store with a victim among healthy runs, what exports it, and what shows it."""

    def __init__(self) -> None:
        self.store, self.ledger, self.transport = MemoryStateStore(), MemoryLedger(), ListTransport()
        self.healthy = damage.fill(self.store)
        self.owed = damage.owed(self.healthy, self.store)

    def export(self) -> None:
        bridge = OTelBridge(self.store, ledger=self.ledger, exporter=self.transport, start_from="beginning", environ={})
        bridge.run_once()
        put_ended(self.store, "later")
        bridge.run_once()
        bridge.stop()

    def check_export(self) -> None:
        """Every span of a healthy run has arrived once."""
        self.export()
        sent = [(span.trace_id, span.span_id) for span in self.transport.spans]
        wanted = self.owed | damage.owed(["later"], self.store)
        assert sorted(key for key in sent if key in wanted) == sorted(wanted)

    def check_routes(self) -> None:
        """Every route answers, and the list walks over the damaged row."""
        app = Flask(__name__)
        app.register_blueprint(create_blueprint(self.store, ledger=self.ledger, caretaker=False), url_prefix="/d")
        client = app.test_client()
        paths = [*ROUTES, *(f"runs/{run_id}{part}" for run_id in (VICTIM, "parent", "child") for part in OF_A_RUN)]
        answers = {path: client.get(f"/d/api/{path}").status_code for path in paths}
        assert {path: code for path, code in answers.items() if not (200 <= code < 300 or 400 <= code < 500)} == {}
        listed, path = [], "/d/api/runs?limit=2"
        for _ in range(20):
            page = client.get(path)
            listed += [run["id"] for run in page.json or ()]
            following = re.search(r'<([^>]+)>; rel="next"', page.headers.get("Link", ""))
            if following is None:
                break
            path = urljoin(path, following[1])
        assert sorted(run_id for run_id in listed if run_id in self.healthy) == sorted(self.healthy)

    def check_tail(self) -> None:
        """A live view hears of the others."""
        tail = ChangeTail(self.store, ledger=self.ledger, since_ms=0)
        assert set(self.healthy) <= {change.run.id for change in tail.poll()}


COLUMNS = damage.columns(MemoryStateStore())
DAMAGES = st.builds(
    lambda column, value: Damage(column[0], column[1], value), st.sampled_from(COLUMNS), st.sampled_from(VALUES)
) | st.builds(lambda column: Damage(column[0], column[1], NOT_UTF8, raw=True), st.sampled_from(COLUMNS))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(damages=st.lists(DAMAGES, min_size=1, max_size=3))
def test_whatever_a_row_holds_other_runs_are_exported_listed_and_watched(damages: list[Damage]):
    """Any columns of the victim's rows hold anything: no other run is lost, none is reported twice, no route fails."""
    rig = Rig()
    done = [damage.do(rig.store) for damage in damages]
    if any(done):
        rig.check_tail()
        rig.check_export()
        rig.check_routes()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("table", damage.TABLES)
def test_every_column_may_hold_every_value(table: str):
    """The same for each column and each value by itself."""
    for column in (column for of, column in COLUMNS if of == table):
        for one in (*(Damage(table, column, value) for value in VALUES), Damage(table, column, NOT_UTF8, raw=True)):
            rig = Rig()
            if one.do(rig.store):
                print(repr(one)[:200])  # the last line of a failure's output
                rig.check_tail()
                rig.check_export()
                rig.check_routes()


def test_a_damaged_run_is_named_in_log_ledger_and_doctor_and_reported_once_it_is_mended(
    store: MemoryStateStore, ledger: MemoryLedger, bridges: Bridges, transport: ListTransport,
    caplog: pytest.LogCaptureFixture,
):  # fmt: skip
    """Setting aside is loud, and no sentence for life."""
    put_ended(store)
    put_ended(store, "bad")
    store.set_columns("bad", {"completed_at": "soon"})
    bridge = bridges()
    with caplog.at_level(logging.WARNING, "otel_bridge"):
        bridge.run_once()
        bridge.run_once()
    assert len(transport.spans) == 3
    assert [record for record in caplog.records if "Run bad cannot be turned into spans" in record.message]
    assert len(caplog.records) == 1
    assert list(ledger.get_value(SET_ASIDE_KEY)["runs"]) == ["bad"]
    says = {one.what: one for one in examine(lambda: store, lambda _: ledger, lambda: None)}["damaged"]
    assert not says.ok
    assert "'bad': columns of its row hold what they do not declare: completed_at" in says.says


def test_a_mended_run_is_reported(
    store: MemoryStateStore, ledger: MemoryLedger, bridges: Bridges, transport: ListTransport
):
    """A run is looked at again when its row changes, by the same bridge."""
    put_ended(store, "bad")
    store.set_columns("bad", {"name": b"\xff"})
    bridge = bridges()
    bridge.run_once()
    assert transport.spans == []
    store.set_columns("bad", {"name": "order"})
    bridge.run_once()
    assert transport.names() == ["charge", "charge", "order"]
    assert ledger.get_value(SET_ASIDE_KEY) == {"count": 0, "runs": {}}


def test_a_bridge_that_starts_tries_set_aside_runs_again(
    store: MemoryStateStore, bridges: Bridges, transport: ListTransport, monkeypatch: pytest.MonkeyPatch
):
    """What one release could not tell, the next one may."""
    put_ended(store, "bad")
    with monkeypatch.context() as patched:
        patched.setattr("otel_bridge.bridge.exporter.plan_run", _fails)
        bridge = bridges()
        bridge.run_once()
        bridge.stop()
    assert transport.spans == []
    bridges().run_once()
    assert len(transport.spans) == 3


def test_what_an_earlier_bridge_set_aside_is_tried_and_no_longer_named(
    store: MemoryStateStore,
    ledger: MemoryLedger,
    bridges: Bridges,
    transport: ListTransport,
    monkeypatch: pytest.MonkeyPatch,
):
    """All of it, however much: the cursor is past it. And the doctor is content once it has been sent."""
    for number in range(KEPT_RUNS + 20):
        put_ended(store, f"bad-{number}")
    with monkeypatch.context() as patched:
        patched.setattr("otel_bridge.bridge.exporter.plan_run", _fails)
        bridge = bridges()
        bridge.run_once()
        bridge.stop()
    kept = ledger.get_value(SET_ASIDE_KEY)
    assert (kept["count"], len(kept["runs"]), len(kept["others"])) == (KEPT_RUNS + 20, KEPT_RUNS, 20)
    assert (read_set_aside(ledger)[0], transport.spans) == (KEPT_RUNS + 20, [])
    again = bridges()
    again.run_once()
    assert len({span.run_id for span in transport.spans}) == KEPT_RUNS + 20
    assert read_set_aside(ledger) == (0, {})


def _fails(*_: object, **__: object) -> None:
    raise AttributeError("a fault of ours")


def test_what_fails_while_rows_are_read_is_narrowed_down_to_its_run(
    store: MemoryStateStore, bridges: Bridges, transport: ListTransport, monkeypatch: pytest.MonkeyPatch
):
    """A chunk that fails is halved until the one run is found; each of the others is reported once."""
    for number in range(20):
        put_ended(store, f"run-{number}")
    read = store.get_steps_of

    def fails(run_ids: list[str], **options: bool) -> object:
        if "run-13" in run_ids:
            raise RecursionError("too deep")
        return read(run_ids, **options)

    monkeypatch.setattr(store, "get_steps_of", fails)
    bridge = bridges()
    bridge.run_once()
    assert len(transport.spans) == len({span.span_id for span in transport.spans}) == 19 * 3
    assert "run-13" not in {span.run_id for span in transport.spans}


def test_an_outage_is_not_a_runs_fault(
    store: MemoryStateStore, ledger: MemoryLedger, bridges: Bridges, monkeypatch: pytest.MonkeyPatch
):
    """A store that cannot be read now sets nothing aside."""
    put_ended(store)
    bridge = bridges()
    with monkeypatch.context() as patched:
        patched.setattr(
            store, "get_steps_of", lambda *_, **__: (_ for _ in ()).throw(StoreUnavailableError("x", "down"))
        )
        with pytest.raises(StoreUnavailableError):
            bridge.run_once()
    assert bridge.run_once() == 3
    assert ledger.get_value(SET_ASIDE_KEY) is None


def test_times_before_1970_and_after_2554_are_set_aside(
    store: MemoryStateStore, ledger: MemoryLedger, bridges: Bridges, transport: ListTransport
):
    """OTLP counts nanoseconds since 1970 in 64 bits; one run beyond stopped every trace."""
    put_ended(store)
    store.put_run(make_run("early", status="completed", created_at_ms=-5_000, finished_at_ms=-4_000))
    store.put_run(make_run("late", status="completed", created_at_ms=2**62, finished_at_ms=2**62))
    bridges().run_once()
    assert len(transport.spans) == 3
    assert set(ledger.get_value(SET_ASIDE_KEY)["runs"]) == {"early", "late"}


def test_a_damaged_run_says_so_in_list_and_detail(tmp_path: Path):
    """On a real file: text that is not UTF-8 fails a whole statement in the driver."""
    path = tmp_path / "app.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(ENGINE_SCHEMA)
        for run_id, name in (("good", "'order'"), ("bad", NOT_UTF8)):
            connection.execute(
                "INSERT INTO workflow_status (workflow_uuid, status, name, created_at, updated_at) "
                f"VALUES (?, 'SUCCESS', {name}, 1700000000000, 1700000000000)", [run_id]
            )  # fmt: skip
            connection.execute(
                f"INSERT INTO operation_outputs VALUES (?, 1, {name}, NULL, NULL, NULL, 5, 6, NULL, NULL, 6)", [run_id]
            )
        connection.commit()
    with closing(SqliteStateStore(path, clock=FakeClock(1_700_000_100_000))) as store:
        app = Flask(__name__)
        app.register_blueprint(create_blueprint(store, ledger=MemoryLedger(), caretaker=False), url_prefix="/d")
        client = app.test_client()
        rows = {run["id"]: run for run in client.get("/d/api/runs").json or ()}
        assert rows["bad"]["workflow"] == "f\\xff\\x80"
        assert "name hold what these columns do not declare" in rows["bad"]["unreadable"]
        assert "unreadable" not in rows["good"]
        detail = client.get("/d/api/runs/bad").json or {}
        assert "name" in str(detail)
        step = client.get("/d/api/runs/bad/steps/1").json or {}
        assert "damaged" in step["unreadable"]
