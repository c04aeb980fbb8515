"""The service itself: version, configuration of the page, health."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import PackageNotFoundError, version

from dashboard.actor import Actor
from dashboard.read.fleet import executor_status
from dashboard.read.services import Services
from dashboard.wire.fleet import (
    ConfigView,
    HealthView,
)
from otel_bridge.errors import LedgerError
from otel_bridge.ledger.checking import damage_text


def package_version() -> str:
    """Return this distribution's version."""
    try:
        return version("durable-dashboard")
    except PackageNotFoundError:
        return "0"


def config(services: Services, actor: Actor, base: str, *, streams: bool = True) -> ConfigView:
    """Return what the page needs to start.

    Args:
        streams: whether the web server carries live streams; without them the page polls.
    """
    settings = services.settings
    capabilities = ["runs", "graph", *(["stream"] if streams else []), "workers", "executors", "schedules", "topology"]
    if services.acts:
        capabilities += ["undo", "bulk", "audit"]
        capabilities += ["actions"] if actor.role == "operator" else []
    return ConfigView(
        base=base,
        api=f"{base}/api",
        role=actor.role,
        actor=actor.name,
        trace_url=services.trace_template,
        version=package_version(),
        namespace=settings.namespace,
        title=settings.title,
        capabilities=capabilities,
    )


def health(services: Services) -> HealthView:
    """Look at the store, the ledger and the workers.

    Raises:
        StoreError: the store cannot be read; routing answers 503.
    """
    info = services.store.check()
    problems: list[str] = []
    warnings = list(info.warnings)
    live = lost = None
    try:
        executors, now_ms = services.ledger.executors_now()  # not as presence: a ledger that fails is to be said here
        statuses = Counter(executor_status(executor, now_ms) for executor in executors)
        live, lost = statuses["live"], statuses["lost"]
        if services.ledger.damaged:
            warnings.append(f"The ledger is damaged: {damage_text(services.ledger.damaged)}")
    except LedgerError as error:
        problems.append(f"The ledger cannot be read, so presence, retry counts and the audit log are missing: {error}")
    return HealthView(
        status="degraded" if problems else "ok",
        version=package_version(),
        store=info.target,
        schema_version=info.schema_version,
        problems=problems,
        warnings=warnings,
        viewers=services.viewers(),
        live_workers=live,
        lost_workers=lost,
    )
