"""Behind a transaction pooler dashboard and bridge share sessions with the application, and leave nothing on them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
import sqlalchemy
from dbos import DBOS, SetWorkflowID
from flask import Flask
from psycopg_pool import ConnectionPool

from dashboard import Actor, create_blueprint
from dashboard.actions.engine_client import pooler_safe_engine
from examples.fake_collector import FakeCollector
from otel_bridge import OTelBridge
from otel_bridge.ledger import open_ledger
from otel_bridge.store.postgres import PostgresStateStore
from tests.pooler import SERVER_CONNECTIONS, transaction_pooler

pytestmark = pytest.mark.postgres
RUNS = 60
ROUTES = ("runs", "runs/facets", "executors", "workers", "audit", "schedules", "health", "config", "topology")
SETTINGS = ("default_transaction_read_only", "statement_timeout", "lock_timeout", "search_path", "jit", "role")
LEFT_BEHIND = {
    "prepared statements": "SELECT name, statement FROM pg_prepared_statements",
    "session locks": "SELECT classid, objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
    "channels": "SELECT pg_listening_channels()",
    "temporary tables": "SELECT relname FROM pg_class WHERE relpersistence = 't'",
    "cursors": "SELECT name FROM pg_cursors WHERE name <> ''",
}


@pytest.fixture(params=["extra_float_digits", "extra_float_digits,options"])
def pooled_url(request: pytest.FixtureRequest, postgres_url: str, free_port: int) -> Iterator[str]:
    """The test's database through pgbouncer, which refuses or swallows ``options`` at startup."""
    with transaction_pooler(postgres_url, port=free_port, ignored=request.param) as url:
        yield url


@pytest.fixture
def run_workflows(pooled_url: str) -> Iterator[Any]:
    """The application: an engine behind the same pooler, set up for one as DBOS wants it."""
    engine = sqlalchemy.create_engine(
        pooled_url.replace("postgresql://", "postgresql+psycopg://"), connect_args={"prepare_threshold": None}
    )
    DBOS(config={"name": "pooled", "system_database_engine": engine, "use_listen_notify": False})

    @DBOS.step()
    def one(number: int) -> int:
        return number

    @DBOS.workflow(name="pooled_order")
    def order(number: int) -> int:
        if one(number) % 5 == 0:
            raise ValueError(f"card {number} declined")
        return number

    def run(prefix: str, count: int) -> int:
        """Run workflows one after another; return how many ended as they should."""
        good = 0
        for number in range(count):
            with SetWorkflowID(f"{prefix}-{number}"):
                try:
                    good += order(number) == number
                except ValueError:
                    good += number % 5 == 0
        return good

    DBOS.launch()
    yield run
    DBOS.destroy(destroy_registry=True)
    engine.dispose()


def sessions(server_url: str, pooled_url: str) -> list[dict[str, Any]]:
    """Return what each of the pooler's server sessions has set or holds, seen through the pooler itself."""
    clients = [psycopg.connect(pooled_url, prepare_threshold=None) for _ in range(SERVER_CONNECTIONS)]
    found = []
    try:
        for client in clients:  # none ends its transaction before all have one: each is on a session of its own
            seen: dict[str, Any] = {name: client.execute(f"SHOW {name}".encode()).fetchone()[0] for name in SETTINGS}
            seen |= {what: client.execute(query.encode()).fetchall() for what, query in LEFT_BEHIND.items()}
            seen["pid"] = client.execute("SELECT pg_backend_pid()").fetchone()[0]
            found.append(seen)
    finally:
        for client in clients:
            client.close()
    assert len({seen.pop("pid") for seen in found}) == SERVER_CONNECTIONS
    return found


def fresh_session(server_url: str) -> dict[str, Any]:
    """Return the same of a session that nobody has used."""
    with psycopg.connect(server_url, prepare_threshold=None) as client:
        seen: dict[str, Any] = {name: client.execute(f"SHOW {name}".encode()).fetchone()[0] for name in SETTINGS}
        return seen | {what: client.execute(query.encode()).fetchall() for what, query in LEFT_BEHIND.items()}


def test_the_application_works_with_dashboard_and_bridge_beside_it(
    pooled_url: str, postgres_url: str, run_workflows: Any
) -> None:
    """All its workflows end, every page is served, actions act, every span arrives; the sessions stay as they were."""
    with FakeCollector() as collector:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.http_url}
        bridge = OTelBridge(pooled_url, start_from="beginning", environ=environ, poll_interval_s=0.1).start()
        app = Flask(__name__)
        blueprint = create_blueprint(pooled_url, auth=lambda request: Actor("ann", "operator"))
        app.register_blueprint(blueprint, url_prefix="/durable")
        failures: list[str] = []
        done = threading.Event()

        def look() -> None:
            client = app.test_client()
            while not done.is_set():
                for route in (*ROUTES, "runs/a-1", "runs/a-1/graph"):
                    answer = client.get(f"/durable/api/{route}")
                    if answer.status_code not in (200, 404):
                        failures.append(f"{route}: {answer.status_code} {answer.text[:300]}")

        viewers = [threading.Thread(target=look) for _ in range(2)]
        for viewer in viewers:
            viewer.start()
        try:
            assert run_workflows("a", RUNS) == RUNS
            retried = app.test_client().post("/durable/api/runs/a-5/retry", json={})
            assert retried.status_code == 200, retried.text
        finally:
            done.set()
            for viewer in viewers:
                viewer.join(30)
        assert failures == []
        collector.wait(lambda it: sum(not span.parent_span_id for span in it.spans.values()) >= RUNS, 60)
        bridge.stop()
        blueprint.close()
    DBOS.destroy()
    # what the engine itself sets on its sessions is not asked for
    assert sessions(postgres_url, pooled_url) == [fresh_session(postgres_url)] * SERVER_CONNECTIONS


def test_the_ledger_keeps_the_options_of_the_users_url(postgres_url: str) -> None:
    """``?options=`` of the URL reaches the server, for store and ledger alike."""
    joiner = "&" if "?" in postgres_url else "?"
    url = f"{postgres_url}{joiner}options=-c%20application_name%3Dmine%20-c%20work_mem%3D7MB"
    ledger = open_ledger(url)
    ledger.put_value("k", 1)
    with ledger._connections.connection() as connection:  # type: ignore[attr-defined]
        assert connection.execute("SHOW work_mem").fetchone() == ("7MB",)
    ledger.close()
    with closing(PostgresStateStore(url)) as store:
        assert store.rows("SHOW work_mem") == [("7MB",)]


def test_a_pool_of_the_users_gets_its_sessions_back_as_they_were(pooled_url: str, postgres_url: str) -> None:
    """Whatever rows and transactions its connections are set to, our reads are read-only and leave nothing."""
    for autocommit in (False, True):
        pool: ConnectionPool[Any] = ConnectionPool(
            pooled_url,
            min_size=1,
            max_size=2,
            open=True,
            kwargs={"autocommit": autocommit, "row_factory": psycopg.rows.dict_row},
        )
        with pool, closing(PostgresStateStore(pool)) as store:
            for _ in range(8):  # more than psycopg's prepare_threshold
                assert store.rows("SELECT current_setting('transaction_read_only') WHERE 1 = ?", [1]) == [("on",)]
            with pool.connection() as connection:
                assert connection.autocommit is autocommit
                assert connection.execute("SHOW transaction_read_only").fetchone() == {"transaction_read_only": "off"}
        assert sessions(postgres_url, pooled_url) == [fresh_session(postgres_url)] * SERVER_CONNECTIONS


def test_the_engines_client_prepares_and_sets_nothing(pooled_url: str, postgres_url: str) -> None:
    """The engine that actions use is good behind a pooler, statement after statement."""
    engine = pooler_safe_engine(pooled_url)
    with engine.connect() as connection:
        for _ in range(8):
            assert connection.execute(sqlalchemy.text("SELECT :n + 1"), {"n": 1}).scalar() == 2
    engine.dispose()
    assert sessions(postgres_url, pooled_url) == [fresh_session(postgres_url)] * SERVER_CONNECTIONS
