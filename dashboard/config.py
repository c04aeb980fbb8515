"""Settings of one blueprint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dashboard.actor import Actor
from otel_bridge.codec import Codec
from otel_bridge.model.runs import Run
from otel_bridge.runs.prices import PriceTable
from otel_bridge.store.base import DEFAULT_PAYLOAD_CAP_BYTES

if TYPE_CHECKING:
    from dashboard.http.auth import AuthHook


Policy = Callable[[Actor, str, Run], bool]
"""``may(actor, action, run) -> bool``: whether this actor may do this to this run."""


NAME, TITLE = "durable", "Durable"
MAX_BODY_BYTES = 4 * 1024 * 1024
PAYLOAD_CAP_BYTES = DEFAULT_PAYLOAD_CAP_BYTES
HEARTBEAT_S = 15.0
STREAM_MAX_AGE_S = 300.0
STREAM_QUEUE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The options given to ``create_blueprint``. See its docstring; the defaults of both are those above."""

    namespace: str = ""
    name: str = NAME
    title: str = TITLE
    auth: AuthHook | None = None
    trace_url: str | None = None
    codec: Codec = field(default_factory=Codec)
    """Reads stored values and hides what nobody here may see."""
    prices: PriceTable | None = None
    may: Policy | None = None
    allowed_origins: frozenset[tuple[str, str, int]] = frozenset()
    public_url: str | None = None
    allowed_hosts: frozenset[str] = frozenset()
    public_metrics: bool = False
    public_health: bool = False
    max_body_bytes: int = MAX_BODY_BYTES
    payload_cap_bytes: int = PAYLOAD_CAP_BYTES
    heartbeat_s: float = HEARTBEAT_S
    stream_queue: int = STREAM_QUEUE
    stream_max_age_s: float = STREAM_MAX_AGE_S
    max_streams: int | None = None
    max_streams_per_viewer: int | None = None
