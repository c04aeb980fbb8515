"""``OTEL_CONFIG_FILE`` says to the bridge what it says to an SDK."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import pytest

from examples.fake_collector import FakeCollector, attributes
from otel_bridge import OTelBridge
from otel_bridge.bridge.metrics import meter_provider_from_env
from otel_bridge.errors import ConfigurationError
from otel_bridge.otlp import OtlpSettings, ResourceSettings, settings_from_env
from otel_bridge.testing import MemoryLedger, MemoryStateStore
from tests.bridge.rows import put_ended

WHOLE = """
file_format: "1.0"
disabled: ${OFF:-false}
resource:
  attributes_list: team=shop,deployment.environment.name=dev%20box
  attributes:
    - {name: service.name, value: "${NAME:-orders}"}
    - {name: deployment.environment.name, value: prod}
    - {name: nothing, value: "${UNSET}"}
    - {name: price, value: $$5}
tracer_provider:
  processors:
    - simple: {exporter: {console: }}
    - batch:
        schedule_delay: 5000
        exporter:
          otlp_http:
            endpoint: ${COLLECTOR}/v1/traces
            compression: gzip
            timeout: 400
            headers: [{name: X-Key, value: "a, b=c"}]
            headers_list: x-team=shop
logger_provider:
  processors:
    - batch: {exporter: {otlp_grpc: {tls: {insecure: true}}}}
meter_provider:
  readers:
    - periodic: {exporter: {otlp_http: }}
"""


def environment(tmp_path: Path, text: str = WHOLE, **variables: str) -> dict[str, str]:
    """Return an environment that names a file of this text."""
    path = tmp_path / "otel.yaml"
    path.write_text(text)
    return {"OTEL_CONFIG_FILE": str(path), "COLLECTOR": "http://collector:4318", **variables}


def test_exporters_are_read_with_everything_that_is_said_of_them(tmp_path: Path) -> None:
    """Times are milliseconds, headers keep their characters, defaults are the specification's."""
    environ = environment(tmp_path)
    assert settings_from_env(environ) == OtlpSettings(
        endpoint="http://collector:4318/v1/traces",
        headers={"x-team": "shop", "x-key": "a, b=c"},
        timeout_s=0.4,
        gzip=True,
        insecure=True,
    )
    logs = settings_from_env(environ, signal="LOGS")
    assert logs == OtlpSettings(endpoint="http://localhost:4317", protocol="grpc", insecure=True)
    metrics = settings_from_env(environ, signal="METRICS")
    assert metrics is not None
    assert metrics.endpoint == "http://localhost:4318/v1/metrics"


def test_the_file_takes_the_place_of_the_variables(tmp_path: Path) -> None:
    """As in the SDKs: beside it no other counts, but those that it refers to."""
    environ = environment(
        tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT="http://other:4318", OTEL_SERVICE_NAME="other", NAME="till"
    )
    found = settings_from_env(environ)
    assert found is not None
    assert found.endpoint == "http://collector:4318/v1/traces"
    resource = ResourceSettings(environ=environ).of("an app")
    assert resource["service.name"] == "till"
    assert resource["team"] == "shop"
    assert resource["deployment.environment.name"] == "prod"
    assert resource["price"] == "$5"
    assert "nothing" not in resource


@pytest.mark.parametrize(
    "text",
    ['file_format: "1.0"', 'file_format: "1.0"\ntracer_provider: {processors: [{batch: {exporter: {console: }}}]}'],
)
def test_a_file_without_an_otlp_exporter_configures_none(tmp_path: Path, text: str) -> None:
    """Nothing is sent to where nobody said."""
    assert settings_from_env(environment(tmp_path, text)) is None


def test_a_disabled_file_exports_nothing(tmp_path: Path) -> None:
    """A reference alone has the type that its text has in YAML."""
    assert settings_from_env(environment(tmp_path, OFF="true")) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("file_format: '0.3'", "file_format '0.3'"),
        ("[]", "file_format None"),
        ("{", "it is not YAML"),
        (WHOLE.replace("compression: gzip", "compression: zstd"), "COMPRESSION='zstd'"),
        (WHOLE.replace("compression: gzip", "encoding: json"), "encoding 'json'"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path: Path, text: str, says: str) -> None:
    """A mistake in the file is named, not passed over."""
    with pytest.raises(ConfigurationError, match=says):
        settings_from_env(environment(tmp_path, text))


def test_metrics_go_where_the_file_says_over_http(tmp_path: Path) -> None:
    """The SDK's exporter is told everything: it would read variables that the file takes the place of."""
    arrived: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            arrived.append((self.path, self.headers["key"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    send_metrics(tmp_path, "otlp_http", f"http://127.0.0.1:{server.server_address[1]}/there")
    server.shutdown()
    thread.join()
    server.server_close()
    assert ("/there", "secret") in arrived


def test_metrics_go_where_the_file_says_over_grpc(tmp_path: Path) -> None:
    """The same by gRPC."""
    arrived: list[tuple[str, str]] = []

    class Answers(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            arrived.append((handler_call_details.method, dict(handler_call_details.invocation_metadata)["key"]))
            return grpc.unary_unary_rpc_method_handler(lambda request, context: b"")

    server = grpc.server(ThreadPoolExecutor(1), handlers=[Answers()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    send_metrics(tmp_path, "otlp_grpc", f"http://127.0.0.1:{port}")
    server.stop(None).wait()
    assert ("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", "secret") in arrived


def send_metrics(tmp_path: Path, kind: str, endpoint: str) -> None:
    """Count something, and send it by a file that says where."""
    exporter = f"{{endpoint: '{endpoint}', headers: [{{name: key, value: secret}}], tls: {{insecure: true}}}}"
    text = WHOLE.replace("exporter: {otlp_http: }", f"exporter: {{{kind}: {exporter}}}")
    provider = meter_provider_from_env(environment(tmp_path, text))
    assert provider is not None
    provider.get_meter("test").create_counter("things").add(1)
    provider.force_flush()
    provider.shutdown()


def test_a_file_that_is_not_there_is_named() -> None:
    """Nothing would be exported, and nobody would know why."""
    with pytest.raises(ConfigurationError, match=r"OTEL_CONFIG_FILE='/nowhere.yaml' cannot be read: No such file"):
        settings_from_env({"OTEL_CONFIG_FILE": "/nowhere.yaml"})


def test_a_bridge_exports_by_the_file(tmp_path: Path) -> None:
    """From the file to the collector: spans, under the resource that the file describes."""
    store, ledger = MemoryStateStore(), MemoryLedger()
    put_ended(store, "r", steps=1)
    with FakeCollector() as collector:
        environ = environment(tmp_path, COLLECTOR=collector.http_url)
        bridge = OTelBridge(store, ledger=ledger, start_from="beginning", environ=environ)
        assert bridge.run_once() == 2
        bridge.stop()
        (resource, _) = collector.resources.values()
        assert resource["service.name"] == "orders"
        assert all(request.headers["x-key"] == "a, b=c" for request in collector.requests)
        assert all(attributes(span)["durable.run.id"] == "r" for span in collector.spans.values())
