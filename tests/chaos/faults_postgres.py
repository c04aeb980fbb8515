"""Postgres: poolers, two applications in one database, a server that restarts."""

from __future__ import annotations

from tests.chaos.scene import Scene, free_port, read, vitals
from tests.chaos.table import Row, fault
from tests.pooler import transaction_pooler
from tests.waiting import until


def _pooled(scene: Scene, ignored: str) -> Row:
    """The application, the bridge and the dashboard share a pool of two server connections."""
    scene.work(3, "m")  # the engine's tables are made past the pooler: its migration takes a session's lock
    with transaction_pooler(scene.url, port=free_port(), ignored=ignored) as pooled:
        bridge = scene.bridge(url=pooled)
        host, base = scene.dashboard(pooled)
        application = scene.start_work(30, "p", "--pooled", url=pooled)
        until(lambda: read(f"{base}/api/runs") and application.ended, what="the application", timeout_s=120)
        scene.note_work(application, 30)
        scene.settle()
        for process in (host, bridge):
            process.stop()
    return scene.row("behind pgbouncer, pool of 2")


@fault("postgres", database="postgres")
def a_transaction_pooler_that_refuses_options(scene: Scene) -> Row:
    """pgbouncer in transaction mode: 0 of 60 of the application's workflows passed."""
    return _pooled(scene, "extra_float_digits")


@fault("postgres", database="postgres")
def a_transaction_pooler_that_ignores_options(scene: Scene) -> Row:
    """The same, with ``ignore_startup_parameters = options``."""
    return _pooled(scene, "extra_float_digits,options,search_path")


@fault("postgres", database="postgres")
def two_applications_in_one_database(scene: Scene) -> Row:
    """Two schemas of one database, a bridge each: both export everything."""
    scene.work(15, "a")
    application = scene.start_work(15, "b", "--schema", "two")
    application.wait(120)
    scene.note_work(application, 15)
    one, two = scene.bridge(), scene.bridge("--schema", "two")
    scene.settle()
    other = scene.owed(schema="two")
    until(lambda: other.keys() <= scene.collector.seen, what="the spans of the other schema")
    for bridge in (one, two):
        bridge.stop()
    return scene.row(f"and {len(other)} spans of the other schema")


@fault("postgres", database="postgres")
def connections_that_the_server_ends(scene: Scene) -> Row:
    """Every connection but the application's is ended, ten times: the bridge says so once and continues."""
    bridge = scene.bridge()
    scene.work(10, "a")
    scene.settle()
    before = vitals(bridge.pid)
    for _ in range(10):
        scene.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'durable%'")
        scene.work(2, f"t{scene.random.randrange(10**9)}")
    scene.settle()
    scene.must(bridge.count("WARNING") <= 1, f"{bridge.count('WARNING')} warnings")
    row = scene.row(f"{bridge.count('WARNING')} warnings")
    row.before, row.after = before, vitals(bridge.pid)
    bridge.stop()
    return row
