"""The standard ``OTEL_EXPORTER_OTLP_*`` variables as settings. Reads the environment when asked to, nothing else.

Source: https://opentelemetry.io/docs/specs/otel/protocol/exporter/
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from otel_bridge.credentials import public_url, secrets_of
from otel_bridge.errors import ConfigurationError
from otel_bridge.otlp.declared import effective
from otel_bridge.otlp.encode import parse_pairs

OtlpProtocol = Literal["http/protobuf", "grpc"]

DEFAULT_TIMEOUT_S = 10.0
_SMALLEST_MS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class OtlpSettings:
    """Where and how to send.

    Args:
        endpoint: full URL for HTTP; URL or ``host:port`` for gRPC. Not part of the ``repr``: it may hold a password.
        insecure: gRPC without TLS.
        headers: sent with each request; their values may be secrets, so they are not part of the ``repr`` either.

    Raises:
        ConfigurationError: the endpoint or a header cannot be sent to or with; the message repeats neither.
    """

    endpoint: str = field(repr=False)
    protocol: OtlpProtocol = "http/protobuf"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout_s: float = DEFAULT_TIMEOUT_S
    gzip: bool = False
    certificate: str | None = None
    client_key: str | None = None
    client_certificate: str | None = None
    insecure: bool = False

    def __post_init__(self) -> None:
        wrong = _wrong_endpoint(self.endpoint, self.protocol) or _wrong_header(self.headers)
        if wrong is not None:
            raise ConfigurationError(wrong)

    @property
    def target(self) -> str:
        """The endpoint without credentials, for people."""
        return public_url(self.endpoint)

    @property
    def secrets(self) -> frozenset[str]:
        """What nobody may see in what a library or the collector says: ``otel_bridge.credentials.without`` masks it."""
        # "Bearer x": the word before the secret is not secret.
        words = {word for value in self.headers.values() for word in (value, value.partition(" ")[2]) if word}
        proxies = (value for name, value in os.environ.items() if name.lower().endswith("_proxy"))
        configured = (self.endpoint, *proxies)
        return frozenset(words).union(*(secrets_of(text, user_is_secret=True) for text in configured))


def settings_from_env(
    environ: Mapping[str, str] | None = None, *, signal: Literal["TRACES", "METRICS", "LOGS"] = "TRACES"
) -> OtlpSettings | None:
    """Return the settings that the environment gives; None where no endpoint is configured or the SDK is disabled.

    ``OTEL_CONFIG_FILE`` takes the environment's place, as in the SDKs.

    Raises:
        ConfigurationError: a variable holds what it must not; the message names it.
    """
    environ = effective(os.environ if environ is None else environ)

    def variable(name: str) -> tuple[str | None, str]:
        for full in (f"OTEL_EXPORTER_OTLP_{signal}_{name}", f"OTEL_EXPORTER_OTLP_{name}"):
            if environ.get(full, "").strip():
                return environ[full].strip(), full
        return None, f"OTEL_EXPORTER_OTLP_{name}"

    endpoint, endpoint_name = variable("ENDPOINT")
    if endpoint is None or sdk_disabled(environ):
        return None
    protocol = _protocol(*variable("PROTOCOL"))
    headers = {**parse_pairs(environ.get("OTEL_EXPORTER_OTLP_HEADERS", ""))}
    headers.update(parse_pairs(environ.get(f"OTEL_EXPORTER_OTLP_{signal}_HEADERS", "")))
    return OtlpSettings(
        endpoint=_endpoint(endpoint, endpoint_name, protocol, signal),
        protocol=protocol,
        headers={key.lower(): value for key, value in headers.items()},
        timeout_s=_timeout(*variable("TIMEOUT")),
        gzip=_compression(*variable("COMPRESSION")),
        certificate=_file(*variable("CERTIFICATE")),
        client_key=_file(*variable("CLIENT_KEY")),
        client_certificate=_file(*variable("CLIENT_CERTIFICATE")),
        insecure=_insecure(endpoint, variable("INSECURE")[0]),
    )


def sdk_disabled(environ: Mapping[str, str] | None = None) -> bool:
    """True when ``OTEL_SDK_DISABLED`` says so."""
    environ = effective(os.environ if environ is None else environ)
    return environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def _endpoint(given: str, name: str, protocol: OtlpProtocol, signal: str) -> str:
    has_scheme = given.lower().startswith(("http://", "https://"))
    if protocol == "grpc":
        return given
    if not has_scheme:
        raise ConfigurationError(
            f"{name}={public_url(given)!r} is not a URL. For OTLP over HTTP write http://host:port."
        )
    if name == "OTEL_EXPORTER_OTLP_ENDPOINT":
        return f"{given.rstrip('/')}/v1/{signal.lower()}"
    return given


def _wrong_endpoint(endpoint: str, protocol: OtlpProtocol) -> str | None:
    """Return what is wrong with an endpoint, without repeating it: a password may stand where the port should."""
    has_scheme = "://" in endpoint
    form = "host:port or http://host:port" if protocol == "grpc" else "http://host:port"
    if protocol == "grpc" and re.match(r"(unix(-abstract)?|dns|ipv[46]|xds|passthrough):", endpoint):
        return None  # a name of gRPC's own, which holds no credentials
    try:
        parts = urlsplit(endpoint if has_scheme else f"//{endpoint}")
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or "@" in parts.path + parts.query + parts.fragment or re.search(r"[\s\\]", endpoint):
        return f"The OTLP endpoint is malformed. Write {form}, and percent-encode special characters in a password."
    if has_scheme and parts.scheme.lower() not in ("http", "https"):
        return f"The OTLP endpoint is not an http:// or https:// URL. Write {form}."
    if "@" in parts.netloc.rpartition("@")[0]:
        return "The OTLP endpoint has an @ too many. Percent-encode special characters in a password."
    return None


def _wrong_header(headers: Mapping[str, str]) -> str | None:
    """Return what is wrong with the headers. A value is never repeated, and a name only if it is one."""
    for number, (name, value) in enumerate(headers.items(), 1):
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            return f"OTLP header {number} has a name that no header can have. Write key=value,key=value."
        if not (value.isascii() and value.isprintable()) or value != value.strip():
            return (
                f"OTLP header {name!r} has a value that no header can hold: only printable ASCII can be sent, without "
                "spaces around it. Percent-encode what is meant, and look for a line's end that was encoded with it."
            )
    return None


def _protocol(given: str | None, name: str) -> OtlpProtocol:
    if given is None or given == "http/protobuf":
        return "http/protobuf"
    if given == "grpc":
        return "grpc"
    raise ConfigurationError(f"{name}={given!r} is not supported. Use http/protobuf or grpc.")


def _timeout(given: str | None, name: str) -> float:
    """Return seconds. The specification counts milliseconds, Python's SDK seconds: below 500 it must be seconds."""
    if given is None:
        return DEFAULT_TIMEOUT_S
    try:
        value = float(given)
    except ValueError:
        raise ConfigurationError(f"{name}={given!r} is not a number. Give milliseconds, as in 10000.") from None
    if not 0 < value < float("inf"):
        raise ConfigurationError(f"{name}={given!r} is not a positive number. Give milliseconds, as in 10000.")
    return value / 1000 if value >= _SMALLEST_MS else value


def _compression(given: str | None, name: str) -> bool:
    if given in (None, "none"):
        return False
    if given == "gzip":
        return True
    raise ConfigurationError(f"{name}={given!r} is not supported. Use gzip or none.")


def _file(given: str | None, name: str) -> str | None:
    if given is not None and not os.path.isfile(given):
        raise ConfigurationError(f"{name}={given!r}: there is no such file. Give the path of a PEM file.")
    return given


def _insecure(endpoint: str, given: str | None) -> bool:
    scheme = urlsplit(endpoint).scheme.lower()
    if scheme in ("http", "https"):
        return scheme == "http"
    return (given or "").lower() == "true"
