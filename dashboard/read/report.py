"""A run as Markdown: what ``wire.report`` needs, read from store and ledger."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard.actor import Actor
from dashboard.read import run
from dashboard.read.loading import load
from dashboard.read.relatives import without_unseen
from dashboard.read.service import package_version
from dashboard.read.services import Services
from dashboard.read.timeline import Part, timeline
from dashboard.wire import report as markdown
from dashboard.wire.runs import RunDetail, StepView
from otel_bridge.codec import mask_text
from otel_bridge.errors import LedgerError
from otel_bridge.ledger.base import AuditEntry

_MOST_ENTRIES = 100
_CHILDREN, _PARTS = 200, 20


def run_report(services: Services, run_id: str, *, actor: Actor, page_url: str, last: int) -> str:
    """Return the report.

    Args:
        actor: who reads it: payloads as the actor may see them, and the audit log for operators alone.
        last: how many steps, besides those that went wrong.

    Raises:
        NotFound: there is no such run.
    """
    part = Part(limit=markdown.MOST_STEPS, children=_CHILDREN)
    detail: RunDetail = without_unseen(
        services, run.run_detail(services, run_id, codec=services.codec_for(actor), part=part)
    )
    facts = markdown.ReportFacts(
        page_url=page_url,
        version=package_version(),
        steps=_steps(services, detail, last),
        audit=_audit(services, run_id) if actor.may("operator") else None,
    )
    text = markdown.report(detail, facts)
    return text if actor.may("operator") else mask_text(text)


def _steps(services: Services, detail: RunDetail, last: int) -> list[StepView]:
    """Return the last steps, and before them those of the first and the last part that went wrong, by number."""
    steps, following = list(detail.timeline), detail.next_step
    if following is not None:
        following = max(following, detail.steps_total - last)  # some numbers have no step, none has two
    for _ in range(_PARTS):
        if following is None:
            break
        loaded = load(services, detail.run.id, start=following, limit=markdown.MOST_STEPS)
        page = timeline(services, loaded, Part(start=following, limit=markdown.MOST_STEPS))
        steps, following = [*steps, *without_unseen(services, page.steps)], page.next_seq
    end = steps[-last:] if last else []
    wrong = [step for step in steps[: len(steps) - len(end)] if step.error is not None]
    return [*wrong[-markdown.MOST_STEPS :], *end]


def _audit(services: Services, run_id: str) -> Sequence[AuditEntry] | None:
    try:
        return services.ledger.audit(run_id=run_id, before_id=None, limit=_MOST_ENTRIES)
    except LedgerError:
        return None
