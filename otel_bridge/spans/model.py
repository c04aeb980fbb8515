"""What a span is, before it is encoded. Pure data; tuples, for there are many of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from otel_bridge.credentials import without_userinfo
from otel_bridge.errors import ConfigurationError

if TYPE_CHECKING:
    from otel_bridge.codec import Codec

AttributeValue = str | bool | int | float | tuple[str, ...]

NS_PER_MS = 1_000_000
MAX_NS = 2**64 - 1


class SpanKind(IntEnum):
    """OTLP's numbers."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


class SpanEvent(NamedTuple):
    """Something that happened at one moment of a span."""

    name: str
    time_ns: int
    attributes: Mapping[str, AttributeValue] = MappingProxyType({})


class SpanLink(NamedTuple):
    """A pointer to a span of another trace, or of another life of the same run."""

    trace_id: bytes
    span_id: bytes
    attributes: Mapping[str, AttributeValue] = MappingProxyType({})


class SpanData(NamedTuple):
    """One finished span. ``error`` is the status message when the status is ERROR, else None (UNSET).

    Args:
        run_id: whose span it is, for logs.
        seq: the step's number; None for roots, retries and queue waits.
        service: application that the run belongs to; becomes ``service.name`` unless one is configured.
        parent_is_remote: the parent was made by a caller outside of this product.
        instance: executor whose resource it is sent under, where each has its own.
    """

    trace_id: bytes
    span_id: bytes
    parent_id: bytes | None
    name: str
    kind: SpanKind
    start_ns: int
    end_ns: int
    attributes: Mapping[str, AttributeValue]
    events: tuple[SpanEvent, ...] = ()
    links: tuple[SpanLink, ...] = ()
    error: str | None = None
    run_id: str = ""
    seq: int | None = None
    service: str | None = None
    parent_is_remote: bool = False
    instance: str | None = None

    @property
    def trace_id_hex(self) -> str:
        """The trace id as 32 hex digits."""
        return self.trace_id.hex()

    @property
    def span_id_hex(self) -> str:
        """The span id as 16 hex digits."""
        return self.span_id.hex()


class SpanTimeError(ValueError):
    """A span's time cannot be carried by OTLP: nanoseconds since 1970, unsigned, in 64 bits (the year 2554)."""

    def __init__(self, span: SpanData) -> None:
        self.run_id, self.seq = span.run_id, span.seq
        whose = "the run" if span.seq is None else f"step {span.seq}"
        super().__init__(f"{whose} has times outside of the years 1970 to 2554, which OTLP cannot carry")


def check_times(spans: Sequence[SpanData]) -> None:
    """Raise ``SpanTimeError`` for the first span whose times cannot be sent."""
    for span in spans:
        if not 0 <= span.start_ns <= MAX_NS or not 0 <= span.end_ns <= MAX_NS:
            raise SpanTimeError(span)
        for event in span.events:
            if not 0 <= event.time_ns <= MAX_NS:
                raise SpanTimeError(span)


@dataclass(frozen=True, slots=True)
class SpanError:
    """Why a run or a step failed."""

    type: str
    message: str
    stack: str | None = None


Children = Literal["link", "nest"]
Parent = Literal["link", "adopt"]
Housekeeping = Literal["fold", "all", "none"]
Root = Literal["end", "anchor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanSettings:
    """How runs become spans.

    Args:
        dashboard_url: public URL of the dashboard, for ``durable.run.url``; None leaves it out.
        namespace: part of every id; keeps apart environments that reuse run ids.
        children: ``link`` gives a child run a trace of its own, ``nest`` puts it into its parent's.
        parent: ``link`` links to the caller's context, ``adopt`` continues the caller's trace.
        root: ``end`` sends a run's root when the run has ended, as long as the run was. ``anchor`` sends it when the
            run is first seen, without length, so that a backend knows every trace's root at once; how the run went, and
            for how long, is then said by a child of it named ``run``. The same for each ``retry N``.
        queue_spans: also send the time a run waited on its queue as a span of its own.
        housekeeping: of the engine's own steps (events set, tokens streamed), ``fold`` sends like ones in a row as one
            span once the row is over, ``all`` one span each, ``none`` none.
        gen_ai: read what steps returned, and say on their spans what a model used: see ``genai``.
        exception_events: say why something failed as an ``exception`` event of its span.
        service_instances: send what each executor does under a resource of its own, as ``service.instance.id``.
        codec: reads stored errors, and hides what nobody may see of them and of attributes. It never shows webhook
            tokens: spans leave the house.

    Raises:
        ConfigurationError: a setting holds what it must not.
    """

    dashboard_url: str | None = None
    namespace: str = ""
    children: Children = "link"
    parent: Parent = "link"
    root: Root = "end"
    queue_spans: bool = False
    housekeeping: Housekeeping = "fold"
    gen_ai: bool = False
    exception_events: bool = True
    service_instances: bool = False
    codec: Codec | None = None

    def __post_init__(self) -> None:
        if self.dashboard_url is not None and without_userinfo(self.dashboard_url) != self.dashboard_url:
            raise ConfigurationError(
                "dashboard_url holds a user or password, and it stands on every span. Leave them out."
            )
        if not isinstance(self.namespace, str):
            raise ConfigurationError(f"namespace is {self.namespace!r}. Set it to a string.")
        for name, given, choices in (
            ("children", self.children, get_args(Children)),
            ("parent", self.parent, get_args(Parent)),
            ("root", self.root, get_args(Root)),
            ("housekeeping", self.housekeeping, get_args(Housekeeping)),
        ):
            if given not in choices:
                raise ConfigurationError(f"{name} is {given!r}. Set it to {' or '.join(map(repr, choices))}.")

    def reader(self) -> Codec:
        """Return the codec, or one that hides tokens alone."""
        if self.codec is not None:
            return self.codec
        from otel_bridge.codec import Codec  # workers make span ids and decode nothing

        return Codec()
