"""``OTelBridge``: the state store, tailed under a lease, as spans at a collector. Runs a thread; reads clocks.

It may run inside an application, beside it, or many times over: one bridge exports, the others stand by.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from otel_bridge.bridge.lifecycle_logs import LifecycleLogs
from otel_bridge.bridge.loop import ExportLoop
from otel_bridge.bridge.metrics import BridgeMetrics
from otel_bridge.bridge.session import ExportSession, SessionSettings
from otel_bridge.codec import Codec, Redact, Serializer
from otel_bridge.errors import BridgeError, ConfigurationError
from otel_bridge.forks import forget_after_fork, leave_to_parent
from otel_bridge.ledger import open_ledger
from otel_bridge.ledger.base import Ledger, owner_name
from otel_bridge.otlp import (
    Delivery,
    DeliveryStats,
    OtlpSettings,
    ResourceSettings,
    Transport,
    open_transport,
    sdk_disabled,
    settings_from_env,
)
from otel_bridge.otlp.logs import LogSender
from otel_bridge.runs.prices import PriceTable
from otel_bridge.spans import SpanSettings
from otel_bridge.spans.exceptions import exception_signal
from otel_bridge.spans.model import Children, Housekeeping, Parent, Root
from otel_bridge.store import open_store
from otel_bridge.store.base import StateStore

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from sqlite_utils import Database

_logger = logging.getLogger("otel_bridge")

NO_COLLECTOR = "No collector is configured (set OTEL_EXPORTER_OTLP_ENDPOINT): no trace is exported."
_USED_LATER = ("otel_bridge.codec", "encodings.idna", "netrc")
"""Modules that are imported by what the thread does, and not by this one."""


class OTelBridge:
    """Exports runs as traces: one trace per run, one span per step.

    Args:
        store: URL or path of the engine's system database, a ``sqlite_utils.Database``, or a ``StateStore``.
        dashboard_url: public URL of the dashboard, for the deep link on every span.
        ledger: where progress is kept: a ``Ledger``, or the URL to open one for; default beside the store.
        ledger_schema: on Postgres, where the ledger keeps its tables; default by ``schema`` and ``namespace``.
        exporter: an SDK ``SpanExporter``, a ``Transport`` or ``OtlpSettings``; default what the standard
            ``OTEL_EXPORTER_OTLP_*`` variables say. Without any, the bridge says so in one line and idles.
        service_name: default ``OTEL_SERVICE_NAME``, else the application that each run belongs to.
        children: ``link`` or ``nest`` child runs.
        parent: ``link`` to the caller's trace, or ``adopt`` it.
        root: send a run's root when it has ended (``end``), or without length when it is first seen, and how it went as
            a child of that (``anchor``).
        queue_spans: send the wait on a queue as a span of its own.
        housekeeping: ``fold`` like steps of the engine's own (events, streamed tokens) into one span, send ``all`` or
            ``none``.
        lifecycle_logs: also send log records of what happens to runs, when it happens, and of who did what: to where
            ``OTEL_EXPORTER_OTLP_LOGS_ENDPOINT`` or ``OTEL_EXPORTER_OTLP_ENDPOINT`` says, or these settings. Off by
            default: not every backend takes logs. With ``OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN`` set to ``logs`` or
            ``logs/dup`` exceptions go there too, whether this is on or off.
        service_instances: send what each executor does under a resource of its own, with its id as
            ``service.instance.id``.
        gen_ai: also read what steps returned, and put ``gen_ai.*`` on the spans of those that called a model. Off by
            default: it costs one read for each step. What they used is summed up in the ledger too.
        prices: what tokens cost, for the metric ``durable.run.cost.amount``: see ``otel_bridge.runs.prices``.
        redact: what hides secrets in error messages and attributes, such as
            ``otel_bridge.codec.redact_keys(["password", "*token*"])``; the same as for ``create_blueprint``.
        serializer: the application's own DBOS serializer, which is then called on the errors that it wrote.
        namespace: part of every id, and of the ledger's place; keeps apart environments that reuse run ids.
        start_from: where to begin when the ledger is new: ``now`` (what is open, and from now on) or ``beginning``.
        poll_interval_s: how often to look at the store.
        lease_ttl_s: how long a bridge that died keeps a stand-by waiting.
        retention_days: how long the ledger remembers ended runs; one retried later starts a new trace record.
        flush_timeout_s: how long ``stop`` lets the last delivery take; a second, where the collector is down.
    """

    def __init__(
        self,
        store: str | Path | Database | StateStore,
        *,
        dashboard_url: str | None = None,
        ledger: Ledger | str | None = None,
        ledger_schema: str | None = None,
        exporter: SpanExporter | Transport | OtlpSettings | None = None,
        service_name: str | None = None,
        children: Children = "link",
        parent: Parent = "link",
        root: Root = "end",
        queue_spans: bool = False,
        housekeeping: Housekeeping = "fold",
        lifecycle_logs: bool | OtlpSettings = False,
        service_instances: bool = False,
        gen_ai: bool = False,
        prices: PriceTable | None = None,
        redact: Redact | None = None,
        serializer: Serializer | None = None,
        namespace: str = "",
        start_from: Literal["now", "beginning"] = "now",
        poll_interval_s: float = 0.5,
        lease_ttl_s: float = 6.0,
        retention_days: float = 30.0,
        flush_timeout_s: float = 2.5,
        schema: str = "dbos",
        meter_provider: MeterProvider | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        _require(start_from in ("now", "beginning"), f"start_from is {start_from!r}. Set it to 'now' or 'beginning'.")
        self._source, self._schema = store, schema
        self._given_ledger, self._ledger_schema, self._exporter = ledger, ledger_schema, exporter
        self._environ = os.environ if environ is None else environ
        self._lifecycle_logs = lifecycle_logs
        signal = exception_signal(self._environ)
        self._exceptions = signal if signal != "events" and self._log_settings() is not None else "events"
        self.settings = SpanSettings(
            dashboard_url=dashboard_url,
            namespace=namespace,
            children=children,
            parent=parent,
            root=root,
            queue_spans=queue_spans,
            housekeeping=housekeeping,
            service_instances=service_instances,
            exception_events=self._exceptions != "logs",
            gen_ai=gen_ai,
            codec=Codec(redact=redact, serializer=serializer),
        )
        self._session_settings = SessionSettings(
            start_from=start_from, retention_ms=int(retention_days * 86_400_000), lease_ttl_s=lease_ttl_s
        )
        self._service_name, self._meter_provider, self._prices = service_name, meter_provider, prices
        self._poll_interval_s, self._flush_timeout_s = poll_interval_s, flush_timeout_s
        self.stats = DeliveryStats()
        # Held while the loop is made, taken or let go of, never while it works. Reentrant: a signal handler may stop
        # what it interrupts the start of.
        self._life = threading.RLock()
        self._loop: ExportLoop | None = None
        self._metrics: BridgeMetrics | None = None
        forget_after_fork(self)

    # -- life -----------------------------------------------------------------------------------------------------

    def start(self) -> OTelBridge:
        """Begin to export in a daemon thread; returns at once, whether or not the store can be reached yet.

        A forked child inherits no thread: where web servers fork their workers, call it in each worker (one of them
        exports, the others stand by), or in the parent alone. Threads may start and stop one bridge at the same time:
        it starts once, and a stop that comes while it starts ends it.
        """
        loop = self._loop
        if loop is not None and loop.is_running:
            return self
        loop = self._loop_or_none()
        if loop is None:
            _logger.warning(NO_COLLECTOR)
            return self
        self._import_all()
        loop.start()
        return self

    def stop(self) -> None:
        """Export what is there, within ``flush_timeout_s``, and stop. What remains is sent after a restart.

        It takes a second longer at most, whatever the collector and the databases do. A collector that takes nothing
        when the stop begins is waited for a second only.
        """
        with self._life:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.stop(flush_timeout_s=self._flush_timeout_s)

    def run_once(self) -> int:
        """Export everything that is due now, in the caller's thread; return how many spans were delivered.

        Returns 0 while another bridge holds the lease.

        Raises:
            ConfigurationError: no collector is configured.
            StoreError, LedgerError: they cannot be used now.
            DeliveryStoppedError: the bridge was stopped meanwhile.
        """
        loop = self._loop_or_none()
        if loop is None:
            raise ConfigurationError(NO_COLLECTOR)
        sent = 0
        while True:
            progress, more = loop.tick()
            sent += progress.spans
            if not more:
                return sent

    def __enter__(self) -> OTelBridge:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def exporting(self) -> bool:
        """True while this bridge, in this process, holds the lease and works."""
        loop = self._loop
        return loop is not None and loop.exporting

    def delivery(self) -> Delivery | None:
        """Return what delivers; None when no collector is configured.

        Raises:
            ConfigurationError: a variable holds what it must not.
        """
        loop = self._loop_or_none()
        return None if loop is None else loop.delivery

    def forget(self) -> None:
        """In a forked child: the thread stayed behind, and the lease, sockets and files are the parent's."""
        inherited, self._loop, self._life = self._loop, None, threading.RLock()
        self.stats, self._metrics = DeliveryStats(), None
        if inherited is not None:
            leave_to_parent(inherited)

    # -- opening --------------------------------------------------------------------------------------------------

    def _loop_or_none(self) -> ExportLoop | None:
        with self._life:
            if self._loop is None:
                abort = threading.Event()
                transport = self._open_transport(abort)
                if transport is None:
                    return None
                self._metrics = self._metrics or BridgeMetrics(self._meter_provider, prices=self._prices)
                self._loop = ExportLoop(
                    self._open_session,
                    Delivery(transport, stop=abort, stats=self.stats),
                    abort=abort,
                    poll_interval_s=self._poll_interval_s,
                )
            return self._loop

    def _import_all(self) -> None:
        """Import whatever the thread will use, before it is there.

        A process that forks while another thread imports a module leaves that module's lock held in the child: every
        later import of it there waits for ever.
        """
        for name in _USED_LATER:
            import_module(name)
        logs = self._log_settings()
        if logs is not None and logs.protocol == "grpc":
            import_module("otel_bridge.otlp.grpc")
        with suppress(BridgeError):  # the thread will meet it too, and log it
            with ExitStack() as opened:
                store = open_store(self._source, schema=self._schema)
                if store is not self._source:
                    opened.callback(store.close)
                ledger = self._open_ledger(store)
                if ledger is not self._given_ledger:
                    opened.callback(ledger.close)

    def _open_transport(self, abort: threading.Event) -> Transport | None:
        resource = ResourceSettings(self._service_name, environ=self._environ)
        given: Any = self._exporter
        if sdk_disabled(self._environ):
            return None
        if given is None:
            given = settings_from_env(self._environ)
        if given is None:
            return None
        if isinstance(given, OtlpSettings):
            return open_transport(given, resource, stop=abort)
        if hasattr(given, "export"):
            from otel_bridge.otlp.sdk import SdkTransport

            return SdkTransport(given, resource)
        transport: Transport = given
        return transport

    def _open_ledger(self, store: StateStore) -> Ledger:
        given = self._given_ledger
        if given is not None and not isinstance(given, str):
            return given
        return open_ledger(
            given or store.url,
            schema=self._ledger_schema,
            engine_schema=store.engine_schema,
            namespace=self.settings.namespace,
        )

    def _open_session(self, delivery: Delivery) -> ExportSession:
        with ExitStack() as opened:
            store = open_store(self._source, schema=self._schema)
            if store is not self._source:
                opened.callback(store.close)
            store.check()
            ledger = self._open_ledger(store)
            if ledger is not self._given_ledger:
                opened.callback(ledger.close)
            ledger.claim(engine_schema=store.engine_schema, namespace=self.settings.namespace)
            logs = self._open_logs(store, ledger, stop=delivery.stop)
            if logs is not None:
                opened.callback(logs.close)
            return ExportSession(
                store,
                ledger,
                delivery,
                spans=self.settings,
                settings=self._session_settings,
                owner=owner_name(),
                metrics=self._metrics or BridgeMetrics(self._meter_provider, prices=self._prices),
                logs=logs,
                resources=opened.pop_all(),
            )

    def _log_settings(self) -> OtlpSettings | None:
        """Return where log records go; None when none are wanted, or nobody said where."""
        given = self._lifecycle_logs
        if isinstance(given, OtlpSettings):
            return given
        wanted = given or exception_signal(self._environ) != "events"
        return settings_from_env(self._environ, signal="LOGS") if wanted else None

    def _open_logs(self, store: StateStore, ledger: Ledger, *, stop: threading.Event) -> LifecycleLogs | None:
        settings = self._log_settings()
        if settings is None:
            return None
        sender = LogSender(settings, ResourceSettings(self._service_name, environ=self._environ), stop=stop)
        beginning = self._session_settings.start_from == "beginning"
        return LifecycleLogs(
            store,
            ledger,
            sender,
            self.settings,
            lifecycle=bool(self._lifecycle_logs),
            exceptions=self._exceptions != "events",
            from_beginning=beginning,
        )


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigurationError(message)
