"""``durable bulk retry|cancel|move|show|list``: every run of a filter, previewed, confirmed, followed to its end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar, cast

import click

from dashboard.cli.options import filtered
from dashboard.cli.session import REFUSED, CliSession, connected, now, width
from dashboard.cli.text import coloured, plain, runs_table, since, table
from dashboard.client import RunFilter
from dashboard.wire.base import Json
from dashboard.wire.bulk import BulkAnswer, BulkGroup, BulkStatus, BulkView
from otel_bridge.model.status import OPEN_STATUSES

F = TypeVar("F", bound=Callable[..., Any])
Action = Literal["retry", "cancel", "move"]

POLL_S = 0.7
MOST_SHOWN = 20


@click.group()
def bulk() -> None:
    """Retry, cancel or move every run of a filter, and look at what came of it."""


canary_option = click.option(
    "--canary",
    is_flag=True,
    help="1, 5, then 25 % first; the rest once none of those failed again with the same error.",
)


def confirmed(function: F) -> F:
    """Give a bulk command its filter, dry run and confirmation."""
    every = click.option(
        "--all", "everything", is_flag=True, help="Act on every run. Required when no filter is given."
    )
    return filtered(every(asked_before(function)))


def asked_before(function: F) -> F:
    """Give a bulk command its dry run and confirmation."""
    options = (
        click.option("-n", "--dry-run", is_flag=True, help="Only say what would be touched."),
        click.option("-y", "--yes", is_flag=True, help="Do not ask."),
        click.option("--no-wait", is_flag=True, help="Do not wait for a large one to end: print its id."),
    )
    decorated: Any = function
    for option in reversed(options):
        decorated = option(decorated)
    return cast(F, decorated)


@bulk.command()
@confirmed
@click.option("--to-queue", help="Put them on this queue.")
@canary_option
@connected()
def retry(session: CliSession, *, to_queue: str | None, canary: bool, **rest: Any) -> None:
    """Retry every run of the filter that failed, died or was cancelled."""
    act(session, "retry", {"to_queue": to_queue, "canary": canary}, **rest)


@bulk.command()
@confirmed
@click.option("--children", is_flag=True, help="And the runs that they started.")
@click.option("--undo", is_flag=True, help="And undo what they did.")
@connected()
def cancel(session: CliSession, *, children: bool, undo: bool, **rest: Any) -> None:
    """Cancel every run of the filter that has not ended."""
    act(session, "cancel", {"children": children, "compensate": undo}, **rest)


@bulk.command()
@confirmed
@click.option("--to-version", help="A live version. Default: the newest one that has the workflow.")
@connected()
def move(session: CliSession, *, to_version: str | None, **rest: Any) -> None:
    """Move every run of the filter that no worker drives to another version: one first, then the others."""
    act(session, "move", {"to_version": to_version}, **rest)


@bulk.command()
@click.argument("bulk_id", metavar="BULK")
@connected(watch=True)
def show(session: CliSession, *, bulk_id: str) -> None:
    """Show how far a bulk action is, and how its runs stand since."""
    session.show(lambda: session.client.bulk_status(bulk_id), status_text)


@bulk.command("list")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 500), help="Bulk actions at most.")
@connected(watch=True)
def list_(session: CliSession, *, limit: int) -> None:
    """List bulk actions, newest first."""
    session.show(lambda: session.client.list_bulks(limit=limit), bulks_table)


def act(
    session: CliSession,
    action: Action,
    options: dict[str, Any],
    *,
    filters: RunFilter,
    dry_run: bool,
    yes: bool,
    no_wait: bool,
    everything: bool = False,
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
            raise click.UsageError(
                "Cannot ask for confirmation: standard input is not a terminal. Check with --dry-run, then pass --yes."
            )
        if not click.confirm(f"{action.capitalize()} {counted(preview.matched)}?"):
            raise click.exceptions.Exit(1)
    done = session.client.bulk_action(action, every=not filters, bound_ms=preview.bound_ms, **options, **filters)
    if done.bulk_id is None or done.results is not None or no_wait:
        session.print(done, lambda answer: done_text(answer))
        refused = any(outcome_of(result) == "refused" for result in done.results or ())
    else:
        final = wait_for(session, done.bulk_id)
        session.print(final, status_text)
        refused = any(outcome_of(result) == "refused" for result in final.results)
    if refused:
        raise click.exceptions.Exit(REFUSED)


def wait_for(session: CliSession, bulk_id: str) -> BulkStatus:
    """Return the status in which a bulk action ends; draw a progress bar on a terminal until then."""
    found = session.client.bulk_status(bulk_id, now=False)
    with click.progressbar(
        length=max(1, found.matched or 1), label=bulk_id, file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        while True:
            bar.length = max(1, found.matched or 1)
            bar.update(found.done - bar.pos)
            if found.status not in OPEN_STATUSES:
                return session.client.bulk_status(bulk_id)
            time.sleep(POLL_S)
            found = session.client.bulk_status(bulk_id, now=False)


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
    kinds = [f"{group.count:>7}  {group_text(group)}" for group in preview.groups or []]
    rows = runs_table(sample, now=now(), width=width())
    return "\n".join([f"{head}{skipped}:", *kinds, *(["Such as:"] if kinds or more > 0 else []), rows])


def group_text(group: BulkGroup) -> str:
    """Return what runs of a preview died of."""
    if group.fingerprint is None:
        return "of no error that is known"
    name = (group.type or "").rpartition(".")[2]
    where = f" · {group.step}" if group.step else ""
    return f"{plain(name + where)}: {plain(group.template or '')}"


def done_text(answer: BulkAnswer) -> str:
    """Return what a bulk action did at once, or the run that does it."""
    if answer.results is None:
        id_ = plain(answer.bulk_id or "")
        return f"{counted(answer.matched)}: at work as {id_}. See: durable bulk show {id_}"
    return "\n".join([f"{answer.applied} of {answer.matched} done.", *refusals(answer.results)])


def status_text(found: BulkStatus) -> str:
    """Return how far a bulk action is, and how its runs stand since."""
    by = f" {found.action} by {plain(found.actor)}" if found.action and found.actor else ""
    head = f"{plain(found.bulk_id)}:{by} {coloured(found.status)}, {found.done} of {found.matched or '?'} looked at"
    lines = [f"{head}, {found.applied} done, {found.refused} left alone."]
    if found.stages:
        lines.append("Stages: " + ", ".join(f"{stage.runs} {stage.state.replace('_', ' ')}" for stage in found.stages))
    if found.stopped:
        lines.append(f"Stopped: {plain(found.stopped)}")
    if found.now is not None:
        lines.append(f"Now: {now_text(found)}. See: durable runs --bulk {found.bulk_id} --bulk-part PART")
    return "\n".join([*lines, *refusals(found.results)])


def now_text(found: BulkStatus) -> str:
    """Return how the runs of a bulk action stand now; the names are those of ``--bulk-part``."""
    if found.now is None:
        return ""
    counts = found.now.model_dump(exclude={"exact"})
    summary = ", ".join(f"{count} {part}" for part, count in counts.items() if count) or "nothing yet"
    return summary if found.now.exact else f"{summary}, of those looked at"


def bulks_table(found: Sequence[BulkView]) -> str:
    """Return bulk actions, one a line."""
    rows = [
        [
            plain(one.bulk_id),
            plain(one.action or ""),
            plain(one.actor or ""),
            since(one.started_at, now()) if one.started_at else "",
            str(one.matched),
            plain(" ".join(f"{key}={value}" for key, value in (one.filter or {}).items())),
        ]
        for one in found
    ]
    return table(["BULK", "ACTION", "BY", "STARTED", "RUNS", "FILTER"], rows, width=width()) if rows else "None yet."


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
