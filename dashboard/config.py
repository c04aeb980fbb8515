"""Settings of one blueprint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dashboard.actor import Actor
from otel_bridge.codec import Codec
from otel_bridge.model.runs import Run
from otel_bridge.runs.prices import PriceTable

if TYPE_CHECKING:
    from dashboard.http.auth import AuthHook


Policy = Callable[[Actor, str, Run], bool]
"""``may(actor, action, run) -> bool``: whether this actor may do this to this run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The options given to ``create_blueprint``. See its docstring."""

    namespace: str = ""
    name: str = "durable"
    title: str = "Durable"
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
    max_body_bytes: int = 4 * 1024 * 1024
    payload_cap_bytes: int = 64 * 1024
    heartbeat_s: float = 15.0
    stream_queue: int = 1000
    stream_max_age_s: float = 300.0
    max_streams: int | None = None
    max_streams_per_viewer: int | None = None
