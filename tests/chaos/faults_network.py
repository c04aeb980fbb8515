"""The network between the bridge and its collector, and what a Postgres server refuses."""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta, timezone

import psycopg
import trustme

from examples.fake_collector import FakeCollector, Fault
from tests.chaos.faults_collector import STOP_S
from tests.chaos.faults_host import status
from tests.chaos.scene import Scene, peak_mb
from tests.chaos.table import Row, fault
from tests.waiting import until

RUNS = 40


def _meets(
    scene: Scene,
    says: str,
    *,
    endpoint: str | None = None,
    environ: Mapping[str, str] | None = None,
    again: bool = True,
) -> Row:
    """Let a bridge meet something that takes no spans until it says so; stop it; then let it meet the collector."""
    scene.work(RUNS)
    bridge = scene.bridge(endpoint=endpoint, environ=environ)
    until(lambda: bridge.count(says), what=f"the bridge to say {says!r}: {bridge.text}")
    code, told = scene.doctor(endpoint=endpoint, environ=environ)
    scene.must(code == 1 and says in told, f"doctor ended with {code}: {told}")
    began = time.monotonic()
    bridge.stop()
    stopped_s = time.monotonic() - began
    scene.must(stopped_s < 2 * STOP_S, f"the bridge took {stopped_s:.1f} s to stop")
    scene.must(not bridge.count("Traceback"), "the bridge printed a traceback")
    scene.must(bridge.count("WARNING") <= 2, f"{bridge.count('WARNING')} warnings in one outage")
    if again:
        well = scene.bridge()
        scene.settle()
        well.stop()
    return scene.row(f"said {says!r}, stopped in {stopped_s:.1f} s")


@fault("network")
def a_collector_whose_name_is_unknown(scene: Scene) -> Row:
    """DNS does not know the collector's name: spans wait, the bridge stops when told."""
    return _meets(scene, "cannot be reached", endpoint="http://collector.invalid:4318")


@fault("network")
def a_redirect_301(scene: Scene) -> Row:
    """The collector has moved: spans are not sent to wherever an answer says."""
    scene.collector.decide = lambda request: Fault(status=301, headers={"Location": "http://192.0.2.1/v1/traces"})
    return _redirected(scene)


@fault("network")
def a_redirect_307(scene: Scene) -> Row:
    """The same, with the status that would keep the request's body."""
    scene.collector.decide = lambda request: Fault(status=307, headers={"Location": "http://192.0.2.1/v1/traces"})
    return _redirected(scene)


def _redirected(scene: Scene) -> Row:
    row = _meets(scene, "redirects", again=False)
    scene.collector.decide = lambda request: None
    well = scene.bridge()
    scene.settle()
    well.stop()
    return scene.row(row.note)


@fault("network")
def an_answer_that_unpacks_to_100_mb(scene: Scene) -> Row:
    """A gzip bomb with status 200: it is unpacked up to a bound, and is no acceptance."""
    bomb = gzip.compress(b"\0" * 100_000_000)
    scene.collector.decide = lambda request: Fault(raw=bomb, headers={"Content-Encoding": "gzip"})
    row = _meets(scene, "that is not an OTLP collector", again=False)
    scene.collector.decide = lambda request: None
    well = scene.bridge()
    scene.settle()
    peak = peak_mb(well.pid)
    well.stop()
    scene.must(peak < 200, f"the bridge had {peak} MB")
    return scene.row(row.note)


@contextmanager
def _tls(scene: Scene, name: str, *, expired: bool = False) -> Iterator[tuple[str, str]]:
    """A collector with a certificate for a name; yields its address and the authority's file."""
    authority = trustme.CA()
    past = datetime.now(timezone.utc) - timedelta(days=2)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, not_after=past if expired else None).configure_cert(context)
    trusted = scene.directory / "authority.pem"
    authority.cert_pem.write_to_path(str(trusted))
    with FakeCollector(tls=context) as collector:
        yield collector.http_url, str(trusted)


@fault("network")
def a_certificate_for_another_name(scene: Scene) -> Row:
    """TLS with somebody else's certificate: nothing is sent."""
    with _tls(scene, "other.example") as (url, trusted):
        return _meets(scene, "certificate", endpoint=url, environ={"OTEL_EXPORTER_OTLP_CERTIFICATE": trusted})


@fault("network")
def an_expired_certificate(scene: Scene) -> Row:
    """TLS with a certificate of the day before yesterday."""
    with _tls(scene, "127.0.0.1", expired=True) as (url, trusted):
        return _meets(scene, "expired", endpoint=url, environ={"OTEL_EXPORTER_OTLP_CERTIFICATE": trusted})


@fault("network")
def a_proxy_that_is_not_there(scene: Scene) -> Row:
    """HTTP_PROXY names a port where nobody listens: it is said that it is the proxy."""
    proxy = {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9", "NO_PROXY": "", "no_proxy": ""}
    return _meets(scene, "cannot be reached", environ=proxy)


class _Mute:
    """A TCP proxy that passes everything on until it is told to pass nothing, and keeps its connections open."""

    def __init__(self, target: int) -> None:
        self.mute = threading.Event()
        self._target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if not self.mute.is_set():
                    sink.sendall(data)
            sink.close()

    def close(self) -> None:
        """Take no more connections."""
        self._listening.close()


@fault("network")
def a_connection_that_goes_mute(scene: Scene) -> Row:
    """A router forgets idle connections and says so to nobody: the request ends in time, another connection is made."""
    proxy = _Mute(int(scene.collector.http_url.rpartition(":")[2]))
    bridge = scene.bridge(endpoint=f"http://127.0.0.1:{proxy.port}", environ={"OTEL_EXPORTER_OTLP_TIMEOUT": "3000"})
    scene.work(10, "a")
    scene.settle()
    proxy.mute.set()
    scene.work(10, "b")
    until(lambda: bridge.count("no whole answer within"), what="the bridge to notice")
    proxy.mute.clear()
    scene.work(10, "c")
    scene.settle()
    scene.must(bridge.count("WARNING") <= 2, f"{bridge.count('WARNING')} warnings")
    bridge.stop()
    proxy.close()
    return scene.row()


@fault("network")
def a_grpc_server_that_goes_away(scene: Scene) -> Row:
    """GOAWAY in the middle, and another server on the same port: the channel connects again."""
    url = scene.collector.grpc_url
    environ = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    bridge = scene.bridge(endpoint=url, environ=environ)
    for name in "abc":
        scene.work(10, name)
        scene.settle()
        scene.collector.restart_grpc()
    scene.work(10, "d")
    scene.settle()
    bridge.stop()
    return scene.row("three times")


# -- Postgres -----------------------------------------------------------------------------------------------------


@fault("postgres", database="postgres")
def a_server_without_a_free_connection(scene: Scene) -> Row:
    """max_connections is reached: requests are refused in words, the bridge waits, both continue."""
    bridge = scene.bridge()
    host, base = scene.dashboard()
    scene.work(10, "a")
    scene.settle()
    with ExitStack() as held:
        admin = held.enter_context(psycopg.connect(scene.url, autocommit=True))
        _take_all(scene.url, held)
        for _ in range(3):  # the product's own places too
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'durable%'"
            )
            _take_all(scene.url, held)
        until(lambda: bridge.count("Trying again"), what="the bridge to say so")
        code = status(f"{base}/api/runs")
        scene.must(code in (200, 503), f"the dashboard answered {code}")
    scene.work(10, "b")
    scene.settle()
    again = status(f"{base}/api/runs")
    scene.must(again == 200, f"the dashboard answered {again} afterwards")
    warned = [line for line in bridge.text.splitlines() if "WARNING" in line and "holds no such schema" not in line]
    scene.must(len(warned) == 1, f"{len(warned)} warnings: {warned}")
    logged = [line for line in host.text.splitlines() if "too many clients" in line or "get a connection" in line]
    scene.must(len(logged) == 1, f"the dashboard logged {logged}")
    scene.must(not host.count("Traceback"), "the dashboard printed a traceback")
    for process in (host, bridge):
        process.stop()
    return scene.row(f"the dashboard answered {code}")


def _take_all(url: str, held: ExitStack) -> None:
    with contextlib.suppress(psycopg.OperationalError):
        while True:
            held.callback(psycopg.connect(url, autocommit=True).close)


@fault("postgres", database="postgres")
def a_role_whose_statements_end_after_10_ms(scene: Scene) -> Row:
    """``statement_timeout`` of the database is the application's affair: ours is set for each transaction."""
    scene.work(20, "a")
    name = scene.url.partition("?")[0].rpartition("/")[2]
    with psycopg.connect(scene.url, autocommit=True) as admin:
        for setting in ("statement_timeout = 10", "lock_timeout = 1"):
            admin.execute(f'ALTER DATABASE "{name}" SET {setting}'.encode())
    bridge = scene.bridge()
    host, base = scene.dashboard()
    scene.settle()
    codes = {status(f"{base}{path}") for path in ("/api/runs", "/api/runs/facets", "/api/runs/appa-1", "/api/health")}
    scene.must(codes == {200}, f"the dashboard answered {codes}")
    for process in (host, bridge):
        process.stop()
    return scene.row()
