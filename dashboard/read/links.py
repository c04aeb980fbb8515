"""Links from a run to its trace in the tracing tool, and from elsewhere to the run's page."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from dashboard.workflow.address import kept_address
from otel_bridge.errors import BridgeError

if TYPE_CHECKING:
    from dashboard.read.services import Services

TRACE_PRESETS = {
    "jaeger": "{host}/trace/{trace_id}?uiFind={span_id}",
    "tempo": '{host}/explore?left={{"queries":[{{"queryType":"traceql","query":"{trace_id}"}}]}}',
    "datadog": "{host}/apm/trace/{trace_id}",
    "honeycomb": "{host}/trace?trace_id={trace_id}&span={span_id}",
    "phoenix": "{host}/redirects/traces/{trace_id}",
}
DEFAULT_HOSTS = {"datadog": "https://app.datadoghq.com"}


def trace_template(setting: str | None) -> str | None:
    """Return the trace link's template: a preset (``jaeger:https://host``) or a template given as such.

    Raises:
        ValueError: neither a preset nor a template with ``{trace_id}`` or ``{run_id}``, or it holds credentials.
    """
    if setting is None:
        return None
    if "@" in setting.rpartition("://")[2].partition("/")[0]:
        raise ValueError("trace_url holds a user or a password, and every viewer's page has it. Leave them out.")
    preset, _, host = setting.partition(":")
    if preset in TRACE_PRESETS:
        host = host.rstrip("/") or DEFAULT_HOSTS.get(preset, "")
        if not host:
            raise ValueError(f"trace_url names no host. Write it as {preset}:https://your-host.")
        pattern = TRACE_PRESETS[preset].replace("{{", "{").replace("}}", "}")
        return pattern.replace("{host}", host)
    if "{trace_id}" in setting or "{run_id}" in setting:
        return setting
    raise ValueError(
        f"trace_url is neither a preset ({', '.join(TRACE_PRESETS)}, as in jaeger:https://host) "
        "nor a template with {trace_id} or {run_id}."
    )


def trace_link(template: str | None, *, trace_id: str, span_id: str, run_id: str) -> str | None:
    """Fill the template; every value is percent-encoded."""
    if template is None:
        return None
    values = {"trace_id": trace_id, "span_id": span_id, "run_id": quote(run_id, safe="")}
    for name, value in values.items():
        template = template.replace("{" + name + "}", value)
    return template


def public_base(services: Services) -> str | None:
    """Return where people reach the dashboard, as somebody said; None: only how it was reached is known."""
    if services.settings.public_url is not None:
        return services.settings.public_url
    try:
        kept = kept_address(services.ledger)
    except BridgeError:
        return None
    return kept.url if kept is not None and kept.given else None
