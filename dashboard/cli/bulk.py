"""``durable bulk retry|cancel|status``: every run of a filter, previewed, confirmed, and followed to its end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, Literal, TypeVar, cast

import click

from dashboard.cli.options import filtered
from dashboard.cli.session import REFUSED, Session, connected, now, width
from dashboard.cli.text import coloured, plain, runs_table, table
from dashboard.client import RunFilter
from dashboard.wire.actions import BulkAnswer, BulkStatus
from dashboard.wire.base import Json
from otel_bridge.model.status import OPEN_STATUSES

F = TypeVar("F", bound=Callable[..., Any])
Action = Literal["retry", "cancel"]

POLL_S = 0.7
MOST_SHOWN = 20


@click.group()
def bulk() -> None:
    """Retry or cancel every run of a filter."""


def confirmed(function: F) -> F:
    """Give a bulk command its filter, dry run and confirmation."""
    options = (
        click.option("--all", "everything", is_flag=True, help="Take every run: without a filter it must be said."),
        click.option("-n", "--dry-run", is_flag=True, help="Only say what would be touched."),
        click.option("-y", "--yes", is_flag=True, help="Do not ask."),
        click.option("--no-wait", is_flag=True, help="Do not wait for a large one to end: print its id."),
    )
    decorated: Any = function
    for option in reversed(options):
        decorated = option(decorated)
    return cast(F, filtered(decorated))


@bulk.command()
@confirmed
@click.option("--to-queue", help="Put them on this queue.")
@connected()
def retry(session: Session, *, to_queue: str | None, **rest: Any) -> None:
    """Retry every run of the filter that failed, died or was cancelled."""
    act(session, "retry", {"to_queue": to_queue}, **rest)


@bulk.command()
@confirmed
@click.option("--children", is_flag=True, help="And the runs that they started.")
@click.option("--undo", is_flag=True, help="And undo what they did.")
@connected()
def cancel(session: Session, *, children: bool, undo: bool, **rest: Any) -> None:
    """Cancel every run of the filter that has not ended."""
    act(session, "cancel", {"children": children, "compensate": undo}, **rest)


@bulk.command()
@click.argument("bulk_id", metavar="BULK")
@connected(watch=True)
def status(session: Session, *, bulk_id: str) -> None:
    """Show how far a bulk action is."""
    session.show(lambda: session.client.bulk_status(bulk_id), status_text)


def act(
    session: Session,
    action: Action,
    options: dict[str, Any],
    *,
    filters: RunFilter,
    everything: bool,
    dry_run: bool,
    yes: bool,
    no_wait: bool,
) -> None:
    """Preview, ask, act on what was previewed, and wait until it is done."""
    if not filters and not everything:
        raise click.UsageError("This has no filter. Give one, such as --status failed, or --all for every run.")
    preview = session.client.preview_bulk(action, **filters)
    if dry_run:
        session.print(preview, lambda found: preview_text(action, found))
        return
    if not session.as_json:
        click.echo(preview_text(action, preview))
    if preview.matched and not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("Nobody can be asked here: look at --dry-run, then give --yes.")
        if not click.confirm(f"{action.capitalize()} {counted(preview.matched)}?"):
            raise click.exceptions.Exit(1)
    done = session.client.bulk_action(action, every=not filters, bound_ms=preview.bound_ms, **options, **filters)
    if done.bulk_id is None or no_wait:
        session.print(done, lambda answer: done_text(answer))
        refused = any(outcome_of(result) == "refused" for result in done.results or ())
    else:
        final = wait_for(session, done.bulk_id)
        session.print(final, status_text)
        refused = any(outcome_of(result) == "refused" for result in final.results)
    if refused:
        raise click.exceptions.Exit(REFUSED)


def wait_for(session: Session, bulk_id: str) -> BulkStatus:
    """Return the status in which a bulk action ends; draw a progress bar on a terminal until then."""
    found = session.client.bulk_status(bulk_id)
    with click.progressbar(
        length=max(1, found.matched or 1), label=bulk_id, file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        while True:
            bar.length = max(1, found.matched or 1)
            bar.update(found.done - bar.pos)
            if found.status not in OPEN_STATUSES:
                return found
            time.sleep(POLL_S)
            found = session.client.bulk_status(bulk_id)


# -- text ---------------------------------------------------------------------------------------------------------


def counted(count: int) -> str:
    """Return a number of runs."""
    return f"{count} run{'' if count == 1 else 's'}"


def preview_text(action: Action, preview: BulkAnswer) -> str:
    """Return what a bulk action would touch."""
    by_status = ", ".join(coloured(status, f"{count} {status}") for status, count in (preview.by_status or {}).items())
    head = f"Would {action} {counted(preview.matched)}{f' ({by_status})' if by_status else ''}"
    skipped = f"; {preview.skipped} of the filter are left alone" if preview.skipped else ""
    sample = (preview.sample or [])[:MOST_SHOWN]
    if not sample:
        return f"{head}{skipped}."
    more = preview.matched - len(sample)
    rows = runs_table(sample, now=now(), width=width())
    return f"{head}{skipped}{':' if more <= 0 else ', such as:'}\n{rows}"


def done_text(answer: BulkAnswer) -> str:
    """Return what a bulk action did at once, or the run that does it."""
    if answer.bulk_id is not None:
        return (
            f"{counted(answer.matched)}: at work as {plain(answer.bulk_id)}. See: durable bulk status {answer.bulk_id}"
        )
    return "\n".join([f"{answer.applied} of {answer.matched} done.", *refusals(answer.results or [])])


def status_text(found: BulkStatus) -> str:
    """Return how far a bulk action is."""
    head = f"{plain(found.bulk_id)}: {coloured(found.status)}, {found.done} of {found.matched or '?'} looked at"
    return "\n".join([f"{head}, {found.applied} done, {found.refused} left alone.", *refusals(found.results)])


def refusals(results: list[dict[str, Json]]) -> list[str]:
    """Return a table of the runs that were not touched, and why."""
    rows = [
        [plain(str(result.get("runId", ""))), coloured(outcome_of(result)), plain(str(result.get("detail") or ""))]
        for result in results
        if outcome_of(result) != "applied"
    ]
    more = [f"and {len(rows) - MOST_SHOWN} more; see them with --json"] if len(rows) > MOST_SHOWN else []
    return [table(["RUN", "OUTCOME", "WHY"], rows[:MOST_SHOWN], width=width()), *more] if rows else []


def outcome_of(result: dict[str, Json]) -> str:
    """Return what became of one run of a bulk action."""
    return str(result.get("outcome", ""))
