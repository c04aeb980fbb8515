"""What models used, summed up as somebody asks for it, and what that cost by the user's price table. Reads the ledger.

The bridge keeps the calls, with ``gen_ai=True``: without one, or before a backfill, nothing was used. Where the host
gave a policy, sums are of the runs that may be seen: they are asked about one by one, up to ``LOOKED_AT`` of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import TypedDict

from dashboard.errors import BadRequest
from dashboard.read.loading import get_run
from dashboard.read.seen import SeenServices
from dashboard.read.services import Services
from dashboard.wire.base import iso, parse_time
from dashboard.wire.usage import By, ModelUsage, RunUsage, UsageQuery, UsageRow, UsageSum, UsageView
from otel_bridge.codec import mask_text
from otel_bridge.ledger.base import UsageTotal
from otel_bridge.runs.prices import PriceTable

WINDOW_MS = 7 * 86_400_000
LOOKED_AT = 5_000
Key = tuple[str | int | None, ...]


class _Sums(TypedDict):
    calls: int
    input_tokens: int
    output_tokens: int
    cost: float | None
    models: list[ModelUsage]


def usage(services: Services, query: UsageQuery) -> UsageView:
    """Return the sums that a query asks for.

    Raises:
        BadRequest: its time ends before it begins.
        StoreError, LedgerError: they cannot be read now.
    """
    until_ms = services.store.now_ms() + 1 if query.until is None else parse_time(query.until)
    since_ms = until_ms - WINDOW_MS if query.since is None else parse_time(query.since)
    if since_ms >= until_ms:
        raise BadRequest(f"since ({iso(since_ms)}) is not before until ({iso(until_ms)}).", parameter="since")
    by = list(dict.fromkeys(query.by))
    found, exact = _visible(services, by, query.workflow, since_ms=since_ms, until_ms=until_ms)
    prices = services.settings.prices
    rows = [_row(group, prices) for group in _groups(found).values()]
    rows.sort(key=lambda row: -(row.input_tokens + row.output_tokens))
    return UsageView(
        since=iso(since_ms) or "",
        until=iso(until_ms) or "",
        currency=None if prices is None else prices.currency,
        items=rows[: query.limit],
        total=_sum(found, prices),
        unpriced=_unpriced(found, prices),
        exact=exact and len(rows) <= query.limit,
    )


def run_usage(services: Services, run_id: str) -> RunUsage:
    """Return what a run's model calls used.

    Raises:
        NotFound: there is no such run.
    """
    get_run(services, run_id)
    found, prices = services.ledger.usage_of([run_id]), services.settings.prices
    return RunUsage(
        run_id=run_id,
        currency=None if prices is None else prices.currency,
        unpriced=_unpriced(found, prices),
        **_fields(found, prices),
    )


def _visible(
    services: Services, by: Sequence[By], workflow: str | None, *, since_ms: int, until_ms: int
) -> tuple[list[UsageTotal], bool]:
    """Return the sums by the axes and by model, and whether these are all."""
    limited = isinstance(services, SeenServices)
    axes = list(dict.fromkeys(["run", *by])) if limited else list(by)
    read = services.ledger.usage(
        since_ms=since_ms,
        until_ms=until_ms,
        by=axes,
        workflow=workflow,
        limit=LOOKED_AT,
    )
    if limited:
        seen = services.visible_ids(list({total.run_id for total in read if total.run_id is not None}))
        kept = [total for total in read if total.run_id in seen]
        return [total if "run" in by else replace(total, run_id=None) for total in kept], len(read) < LOOKED_AT
    return read, len(read) < LOOKED_AT


def _groups(found: Iterable[UsageTotal]) -> dict[Key, list[UsageTotal]]:
    groups: dict[Key, list[UsageTotal]] = {}
    for total in found:
        groups.setdefault((total.run_id, total.workflow, total.version, total.day_ms), []).append(total)
    return groups


def _row(group: Sequence[UsageTotal], prices: PriceTable | None) -> UsageRow:
    first = group[0]
    day = None if first.day_ms is None else f"{datetime.fromtimestamp(first.day_ms / 1000, timezone.utc):%Y-%m-%d}"
    return UsageRow(
        run_id=first.run_id, workflow=first.workflow, version=first.version, day=day, **_fields(group, prices)
    )


def _sum(found: Iterable[UsageTotal], prices: PriceTable | None) -> UsageSum:
    return UsageSum(**_fields(found, prices))


def _fields(found: Iterable[UsageTotal], prices: PriceTable | None) -> _Sums:
    """Return the fields of a ``UsageSum``. Costs are of each model's sum: the price of a token is the same in all."""
    models: dict[str, list[int]] = {}
    for total in found:
        sums = models.setdefault(total.model, [0, 0, 0])
        for at, count in enumerate((total.calls, total.input_tokens, total.output_tokens)):
            sums[at] += count
    told = [
        ModelUsage(
            model=mask_text(model),
            calls=calls,
            input_tokens=tokens_in,
            output_tokens=tokens_out,
            cost=None if prices is None else prices.cost(model, tokens_in, tokens_out),
        )
        for model, (calls, tokens_in, tokens_out) in models.items()
    ]
    told.sort(key=lambda one: -(one.input_tokens + one.output_tokens))
    costs = [one.cost for one in told if one.cost is not None]
    return _Sums(
        calls=sum(one.calls for one in told),
        input_tokens=sum(one.input_tokens for one in told),
        output_tokens=sum(one.output_tokens for one in told),
        cost=sum(costs) if costs else None,
        models=told,
    )


def _unpriced(found: Iterable[UsageTotal], prices: PriceTable | None) -> list[str]:
    if prices is None:
        return []
    return sorted({mask_text(total.model) for total in found if prices.price(total.model) is None})
