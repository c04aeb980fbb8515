"""``durable usage``: what models used, and what that cost."""

from __future__ import annotations

import click

from dashboard.cli.options import as_moment
from dashboard.cli.session import CliSession, connected, width
from dashboard.cli.text import plain, table
from dashboard.wire.usage import By, ModelUsage, RunUsage, UsageRow, UsageSum, UsageView


@click.command()
@click.option("--run", "run_id", metavar="ID", help="Of one run alone, by model.")
@click.option(
    "--by",
    type=click.Choice(["workflow", "version", "day", "run"]),
    multiple=True,
    default=("workflow",),
    show_default=True,
    help="Sums for each of these; repeat to combine.",
)
@click.option("--workflow", help="Of this workflow alone.")
@click.option("--since", metavar="TIME", callback=as_moment, help="Ended at or after: ISO 8601, or 90m, 12h, 7d ago.")
@click.option("--until", metavar="TIME", callback=as_moment, help="Ended before; default now.")
@connected(watch=True)
def usage(
    session: CliSession,
    *,
    run_id: str | None,
    by: tuple[By, ...],
    workflow: str | None,
    since: str | None,
    until: str | None,
) -> None:
    """Show the tokens that model calls used, and their cost; of the last seven days, unless --since says otherwise."""
    if run_id is not None:
        session.show(lambda: session.client.run_usage(run_id), run_text)
        return
    session.show(
        lambda: session.client.usage(by=by, workflow=workflow, since=since, until=until),
        lambda found: usage_table(found, by),
    )


def usage_table(found: UsageView, by: tuple[By, ...]) -> str:
    """Return a line for each sum, and one for the total."""
    if not found.items:
        return "No model calls are known. A bridge with gen_ai=True (or a backfill --gen-ai) reads them."
    rows = [[*(plain(_value(item, axis)) for axis in by), *_sums(item, found.currency)] for item in found.items]
    rows.append([*(["total"] + [""] * len(by))[: len(by)], *_sums(found.total, found.currency)])
    heads = [*(axis.upper() for axis in by), "CALLS", "INPUT", "OUTPUT", "COST"]
    more = "" if found.exact else "\nThere are more than were summed up. Narrow it by --since or --workflow."
    return table(heads, rows, width=width()) + _without_price(found.unpriced) + more


def run_text(found: RunUsage) -> str:
    """Return a line for each model."""
    if not found.models:
        return "No model calls of this run are known."
    rows = [[plain(one.model or "unknown"), *_sums(one, found.currency)] for one in found.models]
    heads = ["MODEL", "CALLS", "INPUT", "OUTPUT", "COST"]
    return table(heads, rows, width=width()) + _without_price(found.unpriced)


def _value(item: UsageRow, axis: By) -> str:
    return {"run": item.run_id, "workflow": item.workflow, "version": item.version, "day": item.day}[axis] or ""


def _sums(of: UsageSum | ModelUsage, currency: str | None) -> list[str]:
    cost = "" if of.cost is None else f"{of.cost:,.4f} {currency or ''}".strip()
    return [f"{of.calls:,}", f"{of.input_tokens:,}", f"{of.output_tokens:,}", cost]


def _without_price(models: list[str]) -> str:
    named = ", ".join(plain(model or "unknown") for model in models)
    return f"\nWithout a price: {named}." if models else ""
