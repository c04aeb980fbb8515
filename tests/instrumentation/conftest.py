"""A DBOS worker in this process, instrumented, with a tracer whose spans are kept in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from dbos import DBOS
from opentelemetry import context as otel_context
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer

from otel_bridge.instrumentation import DBOSInstrumentor
from otel_bridge.ledger import MemoryLedger
from otel_bridge.spans import ids


@pytest.fixture(autouse=True)
def fresh_context() -> Iterator[None]:
    """Begin without a current span, whatever an earlier test has left in this thread."""
    token = otel_context.attach(otel_context.Context())
    yield
    otel_context.detach(token)


@dataclass
class Tracing:
    """A tracer as user code has one, and what it made."""

    tracer: Tracer
    exporter: InMemorySpanExporter
    provider: TracerProvider

    def span(self, name: str) -> ReadableSpan:
        """Return the one span of that name."""
        found = [span for span in self.exporter.get_finished_spans() if span.name == name]
        assert len(found) == 1, f"{len(found)} spans named {name!r}"
        return found[0]

    def parent(self, name: str) -> tuple[bytes, bytes]:
        """Return the trace id and the parent's span id of the one span of that name."""
        parent = self.span(name).parent
        assert parent is not None, f"span {name!r} has no parent"
        assert parent.is_remote
        assert parent.trace_flags.sampled
        return parent.trace_id.to_bytes(16, "big"), parent.span_id.to_bytes(8, "big")


def in_step(run_id: str, seq: int, **kwargs: Any) -> tuple[bytes, bytes]:
    """Return the ids that the bridge gives to a step."""
    return ids.trace_id(run_id), ids.step_span_id(run_id, seq, **kwargs)


def in_body(run_id: str) -> tuple[bytes, bytes]:
    """Return the ids that the bridge gives to a run's root."""
    return ids.trace_id(run_id), ids.root_span_id(run_id)


@pytest.fixture
def tracing() -> Iterator[Tracing]:
    """A tracer of its own; nothing global is set."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield Tracing(provider.get_tracer("user"), exporter, provider)
    provider.shutdown()


@pytest.fixture
def ledger() -> MemoryLedger:
    """A ledger in memory."""
    return MemoryLedger()


@pytest.fixture
def instrument() -> Iterator[Callable[..., DBOSInstrumentor]]:
    """Instruments with the given options; undone at the end."""

    def start(**options: Any) -> DBOSInstrumentor:
        instrumentor = DBOSInstrumentor()
        instrumentor.instrument(**options)
        return instrumentor

    yield start
    if DBOSInstrumentor().is_instrumented_by_opentelemetry:
        DBOSInstrumentor().uninstrument()


@pytest.fixture
def dbos(sqlite_url: str) -> Iterator[Callable[..., DBOS]]:
    """Constructs DBOS on a new database; launch it yourself. Destroyed at the end, registry included."""

    def construct(**config: Any) -> DBOS:
        return DBOS(
            config={
                "name": "worker",
                "system_database_url": sqlite_url,
                "application_version": "v1",
                "notification_listener_polling_interval_sec": 0.05,
                **config,  # type: ignore[typeddict-item]
            }
        )

    yield construct
    DBOS.destroy(destroy_registry=True)


@pytest.fixture
def worker(
    instrument: Callable[..., DBOSInstrumentor], dbos: Callable[..., DBOS], ledger: MemoryLedger
) -> Callable[..., DBOSInstrumentor]:
    """Instruments with the given options and the ledger in memory, and constructs DBOS; define workflows, then launch.

    ``config`` is for DBOS.
    """

    def prepare(*, config: dict[str, Any] | None = None, **options: Any) -> DBOSInstrumentor:
        instrumentor = instrument(ledger=ledger, **options)
        dbos(**(config or {}))
        return instrumentor

    return prepare
