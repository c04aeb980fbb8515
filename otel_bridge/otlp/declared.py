"""``OTEL_CONFIG_FILE``: a declarative configuration file as the standard variables that say the same. Reads the file.

The file takes the place of the environment, as in the SDKs: no other ``OTEL_*`` variable counts beside it, except where
it refers to one as ``${NAME}``. What is read of it is what the bridge has a use for: whether it is disabled, the
resource, and the first OTLP exporter of traces, logs and metrics. Samplers, limits and views are the SDK's business.

Source: https://opentelemetry.io/docs/specs/otel/configuration/data-model/ and the schema of file format 1
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from otel_bridge.errors import ConfigurationError

CONFIG_FILE = "OTEL_CONFIG_FILE"
KEPT = frozenset({"OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN"})
"""Variables that no declarative configuration has a word for."""
_REFERENCE = re.compile(r"\$\$|\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_SIGNALS = {"TRACES": ("tracer_provider", "processors"), "LOGS": ("logger_provider", "processors")}
_SIGNALS |= {"METRICS": ("meter_provider", "readers")}
_NO_LIMIT_MS = 3_600_000


def effective(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment in effect: where ``OTEL_CONFIG_FILE`` names a file, what that says, in its place.

    Raises:
        ConfigurationError: the file cannot be read, or holds what it must not.

    Example::

        effective({"OTEL_CONFIG_FILE": "otel.yaml"})["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]
    """
    path = environ.get(CONFIG_FILE, "").strip()
    if not path:
        return environ
    document = _read(Path(path), environ)
    others = {name: value for name, value in environ.items() if not name.startswith("OTEL_") or name in KEPT}
    return others | dict(_variables(document, path))


def _read(path: Path, environ: Mapping[str, str]) -> Mapping[str, Any]:
    try:
        document = _resolved(yaml.safe_load(path.read_text(encoding="utf-8")), environ)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not YAML"
        raise ConfigurationError(f"{CONFIG_FILE}={str(path)!r} cannot be read: {reason}.") from error
    version = str(document.get("file_format")) if isinstance(document, dict) else None
    if not isinstance(document, dict) or version is None or version.partition(".")[0] != "1":
        raise ConfigurationError(
            f"{CONFIG_FILE}={str(path)!r} has file_format {version!r}; only 1.x is understood. Write 1.0."
        )
    return document


def _resolved(value: object, environ: Mapping[str, str]) -> Any:
    """Return a value with references replaced; one that is nothing else has the type that YAML gives its text."""
    if isinstance(value, dict):
        return {key: _resolved(item, environ) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolved(item, environ) for item in value]
    if not isinstance(value, str) or "$" not in value:
        return value

    def of(match: re.Match[str]) -> str:
        name, default = match.groups()
        return "$" if name is None else environ.get(name) or default or ""

    whole = _REFERENCE.fullmatch(value)
    text = _REFERENCE.sub(of, value)
    return yaml.safe_load(text) if whole and whole[1] and "\n" not in text else text


def _variables(document: Mapping[str, object], path: str) -> Iterator[tuple[str, str]]:
    if document.get("disabled") is True:
        yield "OTEL_SDK_DISABLED", "true"
    attributes = _attributes(_mapping(document, "resource"))
    if attributes:
        yield "OTEL_RESOURCE_ATTRIBUTES", _pairs(attributes)
    for signal, (provider, parts) in _SIGNALS.items():
        for kind, exporter in _exporters(_sequence(_mapping(document, provider), parts)):
            yield from _exporter(f"OTEL_EXPORTER_OTLP_{signal}_", kind, exporter, path)
            if signal == "METRICS":
                yield "OTEL_METRICS_EXPORTER", "otlp"
            break


def _attributes(resource: Mapping[str, object]) -> dict[str, str]:
    """Return the attributes; those that are named one by one win over those of the list."""
    listed = (pair.partition("=") for pair in str(resource.get("attributes_list") or "").split(","))
    found = {key.strip(): value.strip() for key, is_pair, value in listed if is_pair and key.strip()}
    for item in _sequence(resource, "attributes"):
        if isinstance(item, dict) and item.get("name") and item.get("value") is not None:
            found[str(item["name"])] = _text(item["value"])
    return found


def _exporters(parts: Sequence[object]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield what sends by OTLP, in the order of the file, as its kind and its settings."""
    for part in parts:
        for held in part.values() if isinstance(part, dict) else ():
            exporter = _mapping(held, "exporter") if isinstance(held, dict) else {}
            for kind in ("otlp_http", "otlp_grpc"):
                if kind in exporter:
                    yield kind, exporter[kind] or {}


def _exporter(prefix: str, kind: str, exporter: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    is_grpc = kind == "otlp_grpc"
    if exporter.get("encoding") not in (None, "protobuf"):
        raise ConfigurationError(f"{path!r}: encoding {exporter['encoding']!r} is not supported. Use protobuf.")
    signal = prefix.split("_")[3].lower()
    default = "http://localhost:4317" if is_grpc else f"http://localhost:4318/v1/{signal}"
    tls = _mapping(exporter, "tls")
    yield prefix + "PROTOCOL", "grpc" if is_grpc else "http/protobuf"
    yield prefix + "ENDPOINT", str(exporter.get("endpoint") or default)
    headers = {
        str(item["name"]): _text(item["value"])
        for item in _sequence(exporter, "headers")
        if isinstance(item, dict) and item.get("name") and item.get("value") is not None
    }
    listed = str(exporter.get("headers_list") or "")
    if listed or headers:
        yield prefix + "HEADERS", ",".join(filter(None, (listed, _pairs(headers))))
    if exporter.get("timeout") is not None:
        # what is below 500 would be taken for seconds, as Python's SDK counts
        ms = float(exporter["timeout"]) or _NO_LIMIT_MS
        yield prefix + "TIMEOUT", str(ms if ms >= 500 else ms / 1000)
    for name, value in (
        ("COMPRESSION", exporter.get("compression")),
        ("CERTIFICATE", tls.get("ca_file")),
        ("CLIENT_KEY", tls.get("key_file")),
        ("CLIENT_CERTIFICATE", tls.get("cert_file")),
        ("INSECURE", "true" if tls.get("insecure") is True else None),
    ):
        if value is not None:
            yield prefix + name, str(value)


def _mapping(value: Mapping[str, object], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _sequence(value: Mapping[str, object], key: str) -> Sequence[Any]:
    found = value.get(key)
    return found if isinstance(found, list) else ()


def _pairs(values: Mapping[str, str]) -> str:
    return ",".join(f"{key}={quote(value, safe='')}" for key, value in values.items())


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(_text, value)) if isinstance(value, list) else str(value)
