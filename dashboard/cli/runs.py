"""``durable runs``, ``show`` and ``tail``: the list, one run as a tree, what happens."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import islice

import click

from dashboard.cli.options import complete_runs, filtered, run_argument
from dashboard.cli.session import NOT_COMPLETED, CliSession, connected, json_text, now, width
from dashboard.cli.text import coloured, error_text, lasted, plain, runs_table, table
from dashboard.cli.tree import run_text
from dashboard.client import DurableClient, ListMessage, NotFoundError, RunFilter, RunMessage, UnavailableError
from dashboard.client.stream import ends_run
from dashboard.wire.runs import ActivityBucket, ActivityView, FacetView, RunDetail, RunRow
from dashboard.wire.stream import EventView, ListSnapshot, RunSnapshot
from otel_bridge.model.status import RUN_STATUSES, RunStatus

POLL_S = 2.0
MOST_STEPS = 5_000
"""``show`` draws so many steps of a run at most, and says so."""
MOST_CHILDREN = 200
"""``show --depth`` reads at most so many runs below the one shown."""


@click.command()
@filtered
@click.option("--limit", type=click.IntRange(min=1), default=25, show_default=True, help="At most this many.")
@click.option("--count", is_flag=True, help="Count them by workflow and status instead.")
@connected(watch=True)
def runs(session: CliSession, *, filters: RunFilter, limit: int, count: bool) -> None:
    """List runs, newest first."""
    if count:
        session.show(lambda: session.client.run_facets(by="workflow", **filters), facets_table)
        return
    pages = session.client.iter_runs
    session.show(
        lambda: list(islice(pages(page_size=min(limit, 500), **filters), limit)),
        lambda found: runs_table(found, now=now(), width=width()),
    )


def facets_table(facets: Iterable[FacetView]) -> str:
    """Return counts, a line for each workflow and status."""
    rows = [
        [plain(facet.workflow or ""), coloured(facet.status), f"{facet.count}{'' if facet.exact else '+'}"]
        for facet in sorted(facets, key=lambda facet: (facet.workflow or "", -facet.count))
    ]
    return table(["WORKFLOW", "STATUS", "RUNS"], rows, width=width()) if rows else "No runs match."


@click.command()
@filtered
@click.option("--buckets", type=click.IntRange(min=1), default=24, show_default=True, help="Parts of the time.")
@connected(watch=True)
def activity(session: CliSession, *, filters: RunFilter, buckets: int) -> None:
    """Count runs by when they were created: of the last day, unless --since says otherwise."""
    session.show(lambda: session.client.activity(buckets=buckets, **filters), activity_table)


def activity_table(found: ActivityView) -> str:
    """Return counts, a line for each bucket; ``+`` where there may be more."""
    statuses = [status for status in RUN_STATUSES if any(status in bucket.counts for bucket in found.buckets)]
    if not statuses:
        return "No runs match."

    def shown(bucket: ActivityBucket, status: RunStatus) -> str:
        return f"{bucket.counts[status]}{'' if bucket.exact else '+'}" if status in bucket.counts else ""

    rows = [[bucket.at, *(shown(bucket, status) for status in statuses)] for bucket in found.buckets]
    return table(["CREATED FROM", *(status.upper() for status in statuses)], rows, width=width())


@click.command()
@run_argument
@click.option(
    "--depth",
    type=click.IntRange(min=0),
    default=0,
    help="Show the steps of the runs it started, this many levels down.",
)
@click.option("--all", "whole", is_flag=True, help="Fold nothing, and show the engine's own steps too.")
@connected(watch=True)
def show(session: CliSession, *, run_id: str, depth: int, whole: bool) -> None:
    """Show a run and its steps as a tree."""

    def read() -> list[RunDetail]:
        return list(islice(unfolded(session.client, run_id, depth), MOST_CHILDREN + 1))

    def draw(details: list[RunDetail]) -> str:
        children = {detail.run.id: detail for detail in details[1:]}
        url = session.client.run_url(run_id)
        return run_text(details[0], url=url, now=now(), width=width(), children=children, whole=whole)

    if session.as_json and not depth:
        session.show(lambda: session.client.get_run(run_id), lambda detail: "")
    else:
        session.show(read, draw)


def unfolded(client: DurableClient, run_id: str, depth: int) -> Iterator[RunDetail]:
    """Yield a run, then the runs below it to a depth, level by level."""
    level = [run_id]
    for left in range(depth, -1, -1):
        following: list[str] = []
        for one in level:
            try:
                detail = client.get_run(one, limit=MOST_STEPS)
            except NotFoundError:
                if one == run_id:
                    raise
                continue  # deleted between the two readings
            yield detail
            following += detail.children if left else []
        level = following


@click.command()
@click.argument("run_id", metavar="[RUN]", required=False, shell_complete=complete_runs)
@filtered
@connected()
def tail(session: CliSession, *, run_id: str | None, filters: RunFilter) -> None:
    """Follow a run until it ends; or, without RUN, every run of the filter until Ctrl-C."""
    if run_id is None:
        try:
            follow(session, session.client.stream_runs(**filters))
        except KeyboardInterrupt:
            return
    elif follow(session, messages_of(session.client, run_id)) != "completed":
        raise click.exceptions.Exit(NOT_COMPLETED)


def messages_of(client: DurableClient, run_id: str) -> Iterator[RunMessage]:
    """Yield a run's stream; where the server has no place for one, a snapshot whenever the run has changed."""
    try:
        yield from client.stream_run(run_id)
        return
    except UnavailableError:
        # The store is there when this works: it is streams that the server does not offer now.
        detail = client.get_run(run_id)
    before: RunDetail | None = None
    while True:
        if detail != before:
            yield (snapshot := RunSnapshot(id=0, detail=detail))
            if ends_run(snapshot):
                return
        before = detail
        time.sleep(POLL_S)
        detail = client.get_run(run_id)


def follow(session: CliSession, stream: Iterable[RunMessage | ListMessage]) -> str | None:
    """Print each message; return the status in which a run ended."""
    status: str | None = None
    for message in stream:
        line = json_text(message, indent=None) if session.as_json else message_text(message)
        if line is not None:
            click.echo(line)
        if isinstance(message, RunSnapshot):
            status = message.detail.run.status
        elif not isinstance(message, ListSnapshot) and ends_run(message):
            status = ended_as(message)
    return status


def ended_as(message: RunMessage | ListMessage) -> str | None:
    """Return the status that a message which ends a run says."""
    if isinstance(message, EventView):
        return message.type.removeprefix("run.")
    row: RunRow | None = getattr(message, "run", None)
    return row.status if row is not None else None


def message_text(message: RunMessage | ListMessage) -> str | None:
    """Return a stream's message as a line; None for what a person needs not see."""
    if isinstance(message, RunSnapshot):
        run = message.detail.run
        return f"{plain(run.id)}  {plain(run.workflow)}  {coloured(run.status)}  {len(message.detail.timeline)} steps"
    if isinstance(message, ListSnapshot):
        return f"{len(message.runs)} newest runs; following."
    if not isinstance(message, EventView):
        return None
    subject, _, status = message.type.rpartition(".")
    if message.type == "step.failed" and message.status is not None:
        status = message.status  # cancelled, dead and interrupted are not failed
    what = coloured(status, f"{subject}.{status}")
    parts = (message.at, plain(message.run_id), what, plain(message.name or ""), lasted(message.duration_ms))
    return "  ".join(filter(None, (*parts, error_text(message.error, 100))))
