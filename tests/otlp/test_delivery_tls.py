"""TLS: the collector's certificate is checked, and ours is shown, over HTTP and gRPC."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

from examples.fake_collector import FakeCollector
from otel_bridge.otlp import Delivery, DeliveryStoppedError, ResourceSettings, open_transport, settings_from_env
from tests.otlp.samples import sample_span


@dataclass(frozen=True)
class Papers:
    """A collector that wants to see a client certificate, and the files that satisfy both sides."""

    collector: FakeCollector
    grpc_port: int
    authority: str
    client_certificate: str
    client_key: str


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Papers]:
    directory: Path = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    server, client = authority.issue_cert("127.0.0.1"), authority.issue_cert("bridge@example.com")
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    client.cert_chain_pems[0].write_to_path(str(directory / "client.pem"))
    client.private_key_pem.write_to_path(str(directory / "client.key"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    credentials = grpc.ssl_server_credentials(
        [(server.private_key_pem.bytes(), server.cert_chain_pems[0].bytes())], authority.cert_pem.bytes(), True
    )
    with FakeCollector(tls=context) as collector:
        paths = [str(directory / name) for name in ("ca.pem", "client.pem", "client.key")]
        yield Papers(collector, collector.serve_grpc(credentials), *paths)


def deliver(papers: Papers, protocol: str, *, tries: int = 1_000, **variables: str) -> Delivery:
    endpoint = papers.collector.http_url if protocol != "grpc" else f"https://127.0.0.1:{papers.grpc_port}"
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    environ |= {f"OTEL_EXPORTER_OTLP_{name}": value for name, value in variables.items()}
    settings = settings_from_env({**environ, "OTEL_EXPORTER_OTLP_TIMEOUT": "5000"})
    assert settings is not None
    stop = threading.Event()
    delivery = Delivery(open_transport(settings, ResourceSettings(environ={})), stop=stop, first_backoff_s=0.001)

    def give_up() -> None:
        if delivery.stats.retries >= tries:
            stop.set()

    delivery.alive = give_up
    try:
        delivery.deliver([sample_span()])
    finally:
        delivery.close()
    return delivery


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_certificates_are_used_on_both_sides(papers: Papers, protocol: str):
    """``CERTIFICATE`` says whom to trust, ``CLIENT_CERTIFICATE`` and ``CLIENT_KEY`` who we are."""
    papers.collector.clear()
    mine: dict[str, Any] = {"CLIENT_CERTIFICATE": papers.client_certificate, "CLIENT_KEY": papers.client_key}
    delivery = deliver(papers, protocol, CERTIFICATE=papers.authority, **mine)
    assert delivery.stats.exported == 1
    assert len(papers.collector.spans) == 1


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_collector_that_nobody_vouches_for_gets_nothing(papers: Papers, protocol: str):
    """Spans wait for the setting to be corrected."""
    papers.collector.clear()
    with pytest.raises(DeliveryStoppedError):
        deliver(papers, protocol, tries=2)
    assert papers.collector.requests == []
