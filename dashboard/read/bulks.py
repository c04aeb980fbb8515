"""Bulk actions as shown: what each was asked to do, and how the runs that it was applied to stand now."""

from __future__ import annotations

from dashboard.errors import NotFound
from dashboard.read.services import Services
from dashboard.wire.base import iso
from dashboard.wire.bulk import BulkGroup, BulkNow, BulkView
from otel_bridge.ledger.base import Bulk, ErrorGroup
from otel_bridge.model.names import bulk_run_id


def bulks(services: Services, *, limit: int, before: str | None, actor: str | None) -> list[BulkView]:
    """Return bulk actions, newest first.

    Args:
        before: the id of the last one seen.
        actor: only this one's; None: everybody's.

    Raises:
        NotFound: ``before`` is not known.
        LedgerError: the ledger cannot be read.
    """
    place = None
    if before is not None:
        last = services.ledger.bulk(bulk_run_id(before))
        if last is None:
            raise NotFound(f"There is no bulk action {before!r}. Start again without before.")
        place = (last.at_ms, last.bulk_id)
    return [bulk_view(one) for one in services.ledger.bulks(before=place, actor=actor, limit=limit)]


def bulk_view(bulk: Bulk) -> BulkView:
    """Return a bulk action as it was asked for."""
    return BulkView(
        bulk_id=bulk.bulk_id,
        action=bulk.action,
        actor=bulk.actor,
        started_at=iso(bulk.at_ms),
        matched=bulk.matched,
        skipped=bulk.skipped,
        params=dict(bulk.params),
        filter=dict(bulk.filter),
    )


def group_view(error: ErrorGroup | None, count: int) -> BulkGroup:
    """Return how many runs of a preview died of an error."""
    if error is None:
        return BulkGroup(count=count)
    signature = error.signature
    return BulkGroup(
        fingerprint=signature.fingerprint,
        type=signature.type,
        step=signature.step,
        template=signature.template,
        count=count,
    )


def now_of(services: Services, bulk_id: str) -> BulkNow:
    """Return how the runs that a bulk action was applied to stand now, of those that the actor may see.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    counts, exact = services.runs.bulk_counts(bulk_id)
    return BulkNow(
        succeeded=counts["succeeded"],
        same_error=counts["same_error"],
        new_error=counts["new_error"],
        cancelled=counts["cancelled"],
        open=counts["open"],
        exact=exact,
    )
