"""``durable doctor``: whether the dashboard answers, its store can be read, events arrive, and somebody works.

Of the bridge and its collector, ``otel-bridge doctor`` knows more.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

import click
from pydantic import BaseModel

from dashboard.cli.session import NOT_COMPLETED, CliSession, connected, width
from dashboard.cli.text import plain, table
from dashboard.client import DurableClient, DurableClientError

STREAM_S = 5.0
"""A stream's first message comes at once; after so long something on the way holds it back."""


class FindingView(BaseModel):
    """One thing that was looked at. ``level``: all is well, worth knowing, or something to fix."""

    what: str
    level: str
    says: str


@click.command()
@connected()
def doctor(session: CliSession) -> None:
    """Say whether everything is in place, line by line."""
    findings = list(examine(session.client))
    session.print(findings, findings_text)
    if any(finding.level == "fix" for finding in findings):
        raise click.exceptions.Exit(NOT_COMPLETED)


def findings_text(findings: list[FindingView]) -> str:
    """Return findings, one a line."""
    colours = {"ok": "green", "note": "yellow", "fix": "red"}
    rows = [
        [click.style(found.level.upper(), fg=colours[found.level]), found.what, plain(found.says)] for found in findings
    ]
    return table(["", "WHAT", "FOUND"], rows, width=width())


def examine(client: DurableClient) -> Iterator[FindingView]:
    """Yield what is so; what cannot be asked any more once the dashboard does not answer is left out."""
    try:
        config = client.get_config()
    except DurableClientError as error:
        yield FindingView(what="dashboard", level="fix", says=str(error))
        return
    yield FindingView(
        what="dashboard", level="ok", says=f"version {config.version}; you are {config.actor}, {config.role}"
    )
    if config.role == "viewer":
        yield FindingView(what="role", level="note", says="Read-only: actions need the role operator.")
    try:
        yield from _health(client)
        yield from _fleet(client)
        yield from _runs(client)
    except DurableClientError as error:
        yield FindingView(what="store", level="fix", says=str(error))
        return
    if client.run_url("any"):  # directly on a database nothing is served, and nothing streams
        yield _stream(client)


def _health(client: DurableClient) -> Iterator[FindingView]:
    health = client.get_health()
    schema = "" if health.schema_version is None else f", the engine's schema {health.schema_version}"
    yield FindingView(what="store", level="ok", says=f"{health.store or 'readable'}{schema}")
    for problem in health.problems:
        yield FindingView(what="health", level="fix", says=problem)
    for warning in health.warnings:
        yield FindingView(what="health", level="note", says=warning)


def _fleet(client: DurableClient) -> Iterator[FindingView]:
    executors = client.list_executors()
    live = sum(item.status == "live" for item in executors)
    lost = [item.executor_id for item in executors if item.status == "lost"]
    if not executors:
        says = "None reports presence, so blocked runs and lost workers are not recognised: see DBOSInstrumentor."
        yield FindingView(what="workers", level="note", says=says)
    else:
        yield FindingView(what="workers", level="ok" if live else "fix", says=f"{live} alive")
    if lost:
        yield FindingView(what="workers", level="note", says=f"{len(lost)} lost: {', '.join(lost[:5])}")
    for group in client.list_workers():
        if group.paused and group.depth:
            by = f" by {group.paused_by}" if group.paused_by else ""
            says = f"{group.depth} runs wait on {group.group!r}, which is paused{by}: durable queues resume."
            yield FindingView(what="queues", level="note", says=says)
        if group.no_worker:
            says = f"{group.depth} runs wait on {group.group!r}, and no live worker takes them."
            yield FindingView(what="queues", level="fix", says=says)


def _runs(client: DurableClient) -> Iterator[FindingView]:
    counts: dict[str, int] = {facet.status: facet.count for facet in client.run_facets()}
    for status, says in (
        ("blocked", "cannot continue: see durable runs --status blocked"),
        ("dead", "were given up: see durable runs --status dead"),
    ):
        if counts.get(status):
            yield FindingView(what="runs", level="note", says=f"{counts[status]} {says}")


def _stream(client: DurableClient) -> FindingView:
    """Wait for the first message in a thread of its own: what holds it back may hold it for ever."""
    first: queue.Queue[str] = queue.Queue()

    def read() -> None:
        try:
            first.put(next(client.stream_runs(limit=1)).type)
        except (DurableClientError, StopIteration, RuntimeError) as error:
            first.put(f"failed: {error}")

    threading.Thread(target=read, name="durable-doctor", daemon=True).start()
    try:
        answer = first.get(timeout=STREAM_S)
    except queue.Empty:
        says = f"No event in {STREAM_S:g} s: a proxy on the way may buffer them. The page polls instead."
        return FindingView(what="live", level="note", says=says)
    if answer != "snapshot":
        return FindingView(what="live", level="note", says=answer)
    return FindingView(what="live", level="ok", says="events arrive")
