"""What can be set on the instrumentor, by keyword or environment variable. Reads the environment, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from otel_bridge.codec.redaction import Redact, redact_keys
from otel_bridge.errors import ConfigurationError
from otel_bridge.ledger import Ledger, open_ledger
from otel_bridge.spans.model import Children, Parent, SpanSettings

_NOT_OURS = frozenset({"tracer_provider", "meter_provider", "logger_provider", "skip_dep_check"})
"""Keywords that people pass to every instrumentor alike. They are no settings of ours, who emit nothing."""
_SWITCHES = frozenset({"presence", "replay_safe", "flush_before_steps", "step_logs"})
_SECONDS = {"presence_interval_s": (0.05, 3600), "slow_step_s": (0, 1e9)}
_COUNTS = {
    "step_log_records": (0, 10_000),
    "step_log_record_bytes": (100, 65_536),
    "step_log_bytes": (1_000, 1_048_576),
}
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentorSettings:
    """The instrumentor's settings. Those that the bridge has too must be set alike on both.

    Args:
        ledger: a ``Ledger``, or the system database's URL; None finds the URL in the DBOS configuration at launch.
            Environment: ``DURABLE_LEDGER``.
        ledger_schema: on Postgres, where the ledger keeps its tables; None for what ``open_ledger`` makes of the
            engine's schema and the namespace. Environment: ``DURABLE_LEDGER_SCHEMA``.
        namespace: part of every trace and span id, and of the ledger's place, as on the bridge.
            Environment: ``DURABLE_NAMESPACE``.
        children: "link" gives each child run a trace of its own; "nest" puts it in its parent's.
            Environment: ``DURABLE_CHILDREN``.
        parent: "adopt" puts a run in the trace of the caller that ``PropagateOtelContext`` recorded.
            Environment: ``DURABLE_PARENT``.
        presence: whether this process reports itself and its executing steps to the ledger.
            Environment: ``DURABLE_PRESENCE``.
        presence_interval_s: how often it reports when nothing changed. Environment: ``DURABLE_PRESENCE_INTERVAL_S``.
        replay_safe: whether spans that code opens in a workflow's body keep their ids, and are not exported again,
            when the body is executed again after a crash. Environment: ``DURABLE_REPLAY_SAFE``.
        flush_before_steps: whether spans that the body has ended are flushed before its next step begins, so that a
            ``kill -9`` loses none that a ``BatchSpanProcessor`` holds; each flush waits for the collector.
            Environment: ``DURABLE_FLUSH_BEFORE_STEPS``.
        step_logs: whether the ledger gets attempts that failed, were retried, were slow or are watched, with
            the error's traceback and what the step logged. Written by presence's thread, so without ``presence``
            there are none. Environment: ``DURABLE_STEP_LOGS``.
        step_log_records: so many log records of an attempt at most, the first and the last ones; 0 keeps tracebacks
            alone. Environment: ``DURABLE_STEP_LOG_RECORDS``.
        step_log_record_bytes: where a record's message is cut. Environment: ``DURABLE_STEP_LOG_RECORD_BYTES``.
        step_log_bytes: so much of all records of a step, shared by its attempts.
            Environment: ``DURABLE_STEP_LOG_BYTES``.
        slow_step_s: from how long on an attempt that succeeds is reported too.
            Environment: ``DURABLE_SLOW_STEP_S``.
        redact: hides secrets in messages, tracebacks and log records before they are written, as on the dashboard:
            ``redact_keys(["*token*"])`` or any callable. Environment: ``DURABLE_REDACT``, patterns with spaces between.
    """

    ledger: str | Ledger | None = None
    ledger_schema: str | None = None
    namespace: str = ""
    children: Children = "link"
    parent: Parent = "link"
    presence: bool = True
    presence_interval_s: float = 2.0
    replay_safe: bool = True
    flush_before_steps: bool = False
    step_logs: bool = True
    step_log_records: int = 200
    step_log_record_bytes: int = 4_096
    step_log_bytes: int = 65_536
    slow_step_s: float = 5.0
    redact: Redact | None = None

    def __post_init__(self) -> None:
        _ = self.spans  # checks what it has of ours

    @property
    def spans(self) -> SpanSettings:
        """What of the bridge's settings decides the ids of spans."""
        return SpanSettings(namespace=self.namespace, children=self.children, parent=self.parent)

    @classmethod
    def build(cls, given: Mapping[str, object], environ: Mapping[str, str]) -> InstrumentorSettings:
        """Return the settings: a keyword wins over its environment variable, which wins over the default.

        Raises:
            ConfigurationError: an option is unknown or its value malformed.
        """
        names = {field.name for field in fields(cls)}
        unknown = sorted(set(given) - names - _NOT_OURS)
        if unknown:
            raise ConfigurationError(
                f"DBOSInstrumentor has no option {unknown[0]!r}. Its options are {', '.join(sorted(names))}."
            )
        values = {name: value for name, value in given.items() if name in names}
        for name in sorted(names - values.keys()):
            variable = _variable(name)
            if environ.get(variable, "") != "":
                values[name] = _parse(name, variable, environ[variable])
        return cls(**{name: _checked(name, value) for name, value in values.items()})

    def open_ledger(self, url: str | None, engine_schema: str) -> Ledger:
        """Return the ledger, where the engine's database is at ``url``; with one connection, and no thread of a pool.

        Raises:
            ConfigurationError: neither is known.
        """
        if self.ledger is not None and not isinstance(self.ledger, str):
            return self.ledger
        place = self.ledger or url
        if place is None:
            raise ConfigurationError("No system database is known yet. Pass ledger= to instrument().")
        return open_ledger(
            place,
            schema=self.ledger_schema,
            engine_schema=engine_schema,
            namespace=self.namespace,
            max_connections=1,
        )


def _variable(name: str) -> str:
    return f"DURABLE_{name.upper()}"


def _parse(name: str, variable: str, text: str) -> Any:
    if name in _SWITCHES:
        if text.lower() in _TRUE:
            return True
        if text.lower() in _FALSE:
            return False
        raise ConfigurationError(f"{variable} is {text!r}. Set it to true or false.")
    if name in _SECONDS or name in _COUNTS:
        try:
            return float(text) if name in _SECONDS else int(text)
        except ValueError as error:
            unit = "a number of seconds" if name in _SECONDS else "a whole number"
            raise ConfigurationError(f"{variable} is {text!r}. Set it to {unit}.") from error
    return redact_keys(text.split()) if name == "redact" else text


def _checked(name: str, value: object) -> Any:
    least, most = _SECONDS.get(name) or _COUNTS.get(name) or (0, 0)
    if name in _SECONDS and not (isinstance(value, (int, float)) and least <= value <= most):
        raise ConfigurationError(f"{name} is {value!r}. Set it to seconds between {least:g} and {most:g}.")
    if name in _COUNTS and not (isinstance(value, int) and least <= value <= most):
        raise ConfigurationError(f"{name} is {value!r}. Set it to a whole number between {least} and {most}.")
    return value
