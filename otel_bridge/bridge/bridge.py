"""``OTelBridge``: the state store, tailed under a lease, as spans at a collector. Runs a thread; reads clocks.

It may run inside an application, beside it, or many times over: one bridge exports, the others stand by.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from opentelemetry.instrumentation.utils import suppress_instrumentation

from otel_bridge.bridge.exporter import Progress
from otel_bridge.bridge.metrics import BridgeMetrics
from otel_bridge.bridge.session import Shift
from otel_bridge.codec import Codec, Redact, Serializer
from otel_bridge.errors import ConfigurationError, LeaseLostError, LedgerError, StoreError
from otel_bridge.ledger import open_ledger
from otel_bridge.ledger.base import Ledger
from otel_bridge.otlp import (
    Delivery,
    DeliveryStats,
    DeliveryStoppedError,
    OtlpSettings,
    ResourceSettings,
    Transport,
    open_transport,
    sdk_disabled,
    settings_from_env,
)
from otel_bridge.spans import SpanSettings
from otel_bridge.spans.model import Housekeeping
from otel_bridge.store import open_store
from otel_bridge.store.base import StateStore

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from sqlite_utils import Database

_logger = logging.getLogger("otel_bridge")

NO_COLLECTOR = "No collector is configured (set OTEL_EXPORTER_OTLP_ENDPOINT): no trace is exported."
LONGEST_PAUSE_S = 5.0
LONGEST_STOP_S = 2.0
"""How long a stop waits for the thread once the flush is over; a request under way ends at once."""


class OTelBridge:
    """Exports runs as traces: one trace per run, one span per step.

    Args:
        store: URL or path of the engine's system database, a ``sqlite_utils.Database``, or a ``StateStore``.
        dashboard_url: public URL of the dashboard, for the deep link on every span.
        ledger: where progress is kept; default beside the store.
        exporter: an SDK ``SpanExporter``, a ``Transport`` or ``OtlpSettings``; default what the standard
            ``OTEL_EXPORTER_OTLP_*`` variables say. Without any, the bridge says so in one line and idles.
        service_name: default ``OTEL_SERVICE_NAME``, else the application that each run belongs to.
        children: ``link`` or ``nest`` child runs.
        parent: ``link`` to the caller's trace, or ``adopt`` it.
        queue_spans: send the wait on a queue as a span of its own.
        housekeeping: ``fold`` like steps of the engine's own (events, streamed tokens) into one span, send ``all`` or
            ``none``.
        redact: what hides secrets in error messages and attributes, such as
            ``otel_bridge.codec.redact_keys(["password", "*token*"])``; the same as for ``create_blueprint``.
        serializer: the application's own DBOS serializer, which is then called on the errors that it wrote.
        namespace: part of every id; keeps apart environments that reuse run ids.
        start_from: where to begin when the ledger is new: ``now`` (what is open, and from now on) or ``beginning``.
        poll_interval_s: how often to look at the store.
        lease_ttl_s: how long a bridge that died keeps a stand-by waiting.
        retention_days: how long the ledger remembers ended runs; one retried later begins anew.
        flush_timeout_s: how long ``stop`` lets the last delivery take.
    """

    def __init__(
        self,
        store: str | Path | Database | StateStore,
        *,
        dashboard_url: str | None = None,
        ledger: Ledger | None = None,
        exporter: SpanExporter | Transport | OtlpSettings | None = None,
        service_name: str | None = None,
        children: Literal["link", "nest"] = "link",
        parent: Literal["link", "adopt"] = "link",
        queue_spans: bool = False,
        housekeeping: Housekeeping = "fold",
        redact: Redact | None = None,
        serializer: Serializer | None = None,
        namespace: str = "",
        start_from: Literal["now", "beginning"] = "now",
        poll_interval_s: float = 0.5,
        lease_ttl_s: float = 6.0,
        retention_days: float = 30.0,
        flush_timeout_s: float = 3.0,
        schema: str = "dbos",
        meter_provider: MeterProvider | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        _require(children in ("link", "nest"), f"children={children!r} is neither 'link' nor 'nest'.")
        _require(parent in ("link", "adopt"), f"parent={parent!r} is neither 'link' nor 'adopt'.")
        _require(start_from in ("now", "beginning"), f"start_from={start_from!r} is neither 'now' nor 'beginning'.")
        self._source, self._schema = store, schema
        self._given_ledger, self._exporter = ledger, exporter
        self._environ = os.environ if environ is None else environ
        self.settings = SpanSettings(
            dashboard_url=dashboard_url,
            namespace=namespace,
            children=children,
            parent=parent,
            queue_spans=queue_spans,
            housekeeping=housekeeping,
            codec=Codec(redact=redact, serializer=serializer),
        )
        self._service_name, self._start_from = service_name, start_from
        self._poll_interval_s, self._lease_ttl_s = poll_interval_s, lease_ttl_s
        self._retention_ms, self._flush_timeout_s = int(retention_days * 86_400_000), flush_timeout_s
        self._meter_provider = meter_provider
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._wake, self._abort = threading.Event(), threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._shift: Shift | None = None
        self._delivery: Delivery | None = None
        self.stats = DeliveryStats()
        self._said: str | None = None
        self._failures = 0

    # -- life -----------------------------------------------------------------------------------------------------

    def start(self) -> OTelBridge:
        """Begin to export in a daemon thread; returns at once, whether or not the store can be reached yet."""
        if self._thread is not None:
            return self
        if self.delivery() is None:
            _logger.warning(NO_COLLECTOR)
            return self
        self._stopping = False
        self._wake.clear()
        self._abort.clear()
        self._thread = threading.Thread(target=self._loop, name="otel-bridge", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Export what is there, within ``flush_timeout_s``, and stop. What remains is sent after a restart.

        It takes two seconds longer at most, whatever the collector and the databases do.
        """
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stopping = True
            self._wake.set()
            thread.join(self._flush_timeout_s)
            self._abort.set()
            thread.join(LONGEST_STOP_S)
        self._close()

    def run_once(self) -> int:
        """Export everything that is due now, in the caller's thread; return how many spans were delivered.

        Returns 0 while another bridge holds the lease.

        Raises:
            ConfigurationError: no collector is configured.
            StoreError, LedgerError: they cannot be used now.
        """
        if self.delivery() is None:
            raise ConfigurationError(NO_COLLECTOR)
        self._abort.clear()
        sent = 0
        while True:
            progress, more = self._tick()
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
        """True while this bridge holds the lease."""
        return self._shift is not None and self._shift.lease is not None

    def delivery(self) -> Delivery | None:
        """Return what delivers; None when no collector is configured.

        Raises:
            ConfigurationError: a variable holds what it must not.
        """
        if self._delivery is None:
            transport = self._open_transport()
            if transport is not None:
                self._delivery = Delivery(transport, stop=self._abort, stats=self.stats)
        return self._delivery

    # -- the thread --------------------------------------------------------------------------------------------------

    def _loop(self) -> None:
        while not self._stopping:
            self._wake.wait(self._pause_s(self._guarded_tick()))
        while self._guarded_tick() and not self._abort.is_set():
            pass

    def _pause_s(self, more: bool | None) -> float:
        """Return how long to wait: None is a failed tick."""
        if more is None:
            self._failures += 1
            return min(LONGEST_PAUSE_S, self._poll_interval_s * 2.0 ** min(self._failures, 10))
        self._failures = 0
        return 0.0 if more else self._poll_interval_s

    def _guarded_tick(self) -> bool | None:
        """Tick; None when it failed, said once per kind of failure, to be tried again."""
        try:
            _, more = self._tick()
        except DeliveryStoppedError as error:
            _logger.info("%s", error)
            return None
        except LeaseLostError:
            _logger.info("Another bridge exports now; this one stands by.")
            return False
        except (StoreError, LedgerError) as error:
            self._say(f"{type(error).__name__}:{getattr(error, 'target', '')}", "%s Trying again.", error)
            return None
        except Exception as error:  # noqa: BLE001 - a thread that dies silently would end the export for good
            self._say(repr(error), "The bridge stumbled and tries again.", exc_info=True)
            return None
        if self._said is not None:
            _logger.info("The bridge is at work again.")
            self._said = None
        return more

    def _say(self, key: str, message: str, *args: object, exc_info: bool = False) -> None:
        if self._said != key:
            self._said = key
            _logger.warning(message, *args, exc_info=exc_info)

    def _tick(self) -> tuple[Progress, bool]:
        if self._shift is None:
            self._shift = self._open_shift()
        try:
            with suppress_instrumentation():  # what traces are made of is nobody's trace
                return self._shift.tick()
        except BaseException:
            self._shift.forget()
            raise

    # -- opening and closing ----------------------------------------------------------------------------------

    def _open_transport(self) -> Transport | None:
        resource = ResourceSettings(self._service_name, environ=self._environ)
        given: Any = self._exporter
        if sdk_disabled(self._environ):
            return None
        if given is None:
            given = settings_from_env(self._environ)
        if given is None:
            return None
        if isinstance(given, OtlpSettings):
            return open_transport(given, resource, stop=self._abort)
        if hasattr(given, "export"):
            from otel_bridge.otlp.sdk import SdkTransport

            return SdkTransport(given, resource)
        transport: Transport = given
        return transport

    def _open_shift(self) -> Shift:
        delivery = self.delivery()
        if delivery is None:
            raise ConfigurationError(NO_COLLECTOR)
        store = open_store(self._source, schema=self._schema)
        try:
            store.check()
            ledger = self._given_ledger if self._given_ledger is not None else open_ledger(store.url)
        except BaseException:
            self._close_store(store)
            raise
        return Shift(
            store,
            ledger,
            delivery,
            settings=self.settings,
            owner=self._owner,
            lease_ttl_s=self._lease_ttl_s,
            start_from=self._start_from,
            retention_ms=self._retention_ms,
            metrics=BridgeMetrics(self._meter_provider),
        )

    def _close(self) -> None:
        shift, self._shift = self._shift, None
        if shift is not None:
            shift.keeper.release()
            if self._given_ledger is None:
                shift.ledger.close()
            self._close_store(shift.store)
        delivery, self._delivery = self._delivery, None
        if delivery is not None:
            delivery.close()

    def _close_store(self, store: StateStore) -> None:
        if store is not self._source:
            store.close()


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigurationError(message)
