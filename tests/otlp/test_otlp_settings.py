"""Every standard ``OTEL_EXPORTER_OTLP_*`` variable does what the specification says."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_bridge.errors import ConfigurationError
from otel_bridge.otlp import OtlpSettings, ResourceSettings, settings_from_env

BASE = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


def settings(**variables: str) -> OtlpSettings:
    found = settings_from_env({**BASE, **{f"OTEL_EXPORTER_OTLP_{name}": value for name, value in variables.items()}})
    assert found is not None
    return found


def test_without_an_endpoint_nothing_is_configured():
    """The specification's default, localhost, would make every unconfigured app knock on a closed door."""
    assert settings_from_env({}) is None


def test_a_disabled_sdk_exports_nothing():
    """``OTEL_SDK_DISABLED=true`` switches all telemetry off."""
    assert settings_from_env({**BASE, "OTEL_SDK_DISABLED": "TRUE"}) is None


def test_the_common_endpoint_gets_the_signals_path():
    """``/v1/traces`` is appended to the common endpoint, and only to that."""
    assert settings().endpoint == "http://collector:4318/v1/traces"
    assert settings(ENDPOINT="http://c/prefix/").endpoint == "http://c/prefix/v1/traces"
    assert settings(TRACES_ENDPOINT="http://c/exactly").endpoint == "http://c/exactly"


def test_the_traces_variables_win_over_the_common_ones():
    """The more specific one is meant."""
    found = settings(PROTOCOL="grpc", TRACES_PROTOCOL="http/protobuf", TIMEOUT="1000", TRACES_TIMEOUT="2000")
    assert (found.protocol, found.timeout_s) == ("http/protobuf", 2.0)


def test_headers_are_merged_decoded_and_lower_case():
    """gRPC metadata must be lower case; values are percent-encoded."""
    found = settings(HEADERS="Authorization=Basic%20abc,x=1", TRACES_HEADERS="x=2,broken")
    assert found.headers == {"authorization": "Basic abc", "x": "2"}


@pytest.mark.parametrize(("given", "seconds"), [("10000", 10.0), ("500", 0.5), ("10", 10.0), ("2.5", 2.5)])
def test_a_timeout_is_in_milliseconds_unless_it_must_be_seconds(given: str, seconds: float):
    """The specification counts milliseconds, Python's SDK seconds; nobody means ten milliseconds."""
    assert settings(TIMEOUT=given).timeout_s == seconds


def test_compression_is_gzip_or_none():
    """As the specification has it."""
    assert settings(COMPRESSION="gzip").gzip
    assert not settings(COMPRESSION="none").gzip


def test_certificates_must_be_files(tmp_path: Path):
    """A typing error shows at the start, not at the first request."""
    pem = tmp_path / "ca.pem"
    pem.write_text("pem")
    found = settings(CERTIFICATE=str(pem), CLIENT_KEY=str(pem), CLIENT_CERTIFICATE=str(pem))
    assert (found.certificate, found.client_key, found.client_certificate) == (str(pem),) * 3


def test_insecure_is_for_grpc_addresses_without_a_scheme():
    """A scheme says it by itself."""
    assert settings(PROTOCOL="grpc", ENDPOINT="http://c:4317").insecure
    assert not settings(PROTOCOL="grpc", ENDPOINT="https://c:4317", INSECURE="true").insecure
    assert settings(PROTOCOL="grpc", ENDPOINT="c:4317", INSECURE="true").insecure
    assert not settings(PROTOCOL="grpc", ENDPOINT="c:4317").insecure


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENDPOINT", "collector:4318"),
        ("PROTOCOL", "http/json"),
        ("COMPRESSION", "brotli"),
        ("TIMEOUT", "soon"),
        ("TIMEOUT", "-1"),
        ("CERTIFICATE", "/nowhere/ca.pem"),
    ],
)
def test_a_malformed_variable_is_named(name: str, value: str):
    """The message says which variable, what it held, and what it may hold."""
    with pytest.raises(ConfigurationError, match=f"OTEL_EXPORTER_OTLP_{name}='{value}'"):
        settings(**{name: value})


def test_credentials_in_an_endpoint_are_not_shown():
    """Logs are read by many."""
    assert settings(ENDPOINT="http://me:secret@collector:4318").target == "http://collector:4318/v1/traces"
    assert OtlpSettings(endpoint="collector:4317", protocol="grpc").target == "collector:4317"


def test_the_resource_comes_from_the_environment():
    """``OTEL_SERVICE_NAME`` wins over ``service.name`` in ``OTEL_RESOURCE_ATTRIBUTES``."""
    environ = {"OTEL_RESOURCE_ATTRIBUTES": "service.name=a,deployment.environment.name=prod%20eu"}
    resource = ResourceSettings(environ=environ).of("shop")
    assert resource["service.name"] == "a"
    assert resource["deployment.environment.name"] == "prod eu"
    named = ResourceSettings(environ={**environ, "OTEL_SERVICE_NAME": "b"})
    assert named.of("shop")["service.name"] == "b"
    assert ResourceSettings("c", environ=environ).of("shop")["service.name"] == "c"


def test_without_a_name_each_application_is_its_own_service():
    """Several applications may share one system database."""
    resource = ResourceSettings(environ={})
    assert resource.of("shop")["service.name"] == "shop"
    assert resource.of(None)["service.name"] == "dbos"
    assert resource.of("shop")["host.name"] == resource.of("bank")["host.name"]
