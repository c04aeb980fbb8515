"""``durable workers``, ``executors`` and ``audit``: who works, and who did what."""

from __future__ import annotations

import click

from dashboard.cli.session import Session, connected, now, width
from dashboard.cli.text import brief, coloured, lasted, plain, since, table
from dashboard.client import Rows
from dashboard.wire.actions import AuditView
from dashboard.wire.fleet import ExecutorView, WorkerGroup


@click.command()
@connected(watch=True)
def workers(session: Session) -> None:
    """List the queues, their backlog and who works on each."""
    session.show(session.client.list_workers, workers_table)


def workers_table(groups: Rows[WorkerGroup]) -> str:
    """Return worker groups, one a line."""
    rows = [
        [
            plain(group.group),
            str(group.depth),
            lasted(group.oldest_ms),
            str(group.running),
            click.style("none", fg="red") if group.no_worker else live(group),
            str(group.concurrency or group.worker_concurrency or ""),
        ]
        for group in groups
    ]
    heads = ["QUEUE", "WAITING", "OLDEST", "RUNNING", "WORKERS", "CONCURRENCY"]
    return table(heads, rows, width=width()) if rows else "There are no queues."


def live(group: WorkerGroup) -> str:
    """Return how many workers of a group are alive; nothing where none reports presence."""
    return str(len(group.live_workers)) if group.presence_known else ""


@click.command()
@connected(watch=True)
def executors(session: Session) -> None:
    """List the worker processes that report presence."""
    session.show(session.client.list_executors, executors_table)


def executors_table(found: Rows[ExecutorView]) -> str:
    """Return executors, one a line."""
    rows = [
        [
            plain(item.executor_id),
            coloured(item.status),
            since(item.last_beat_at, now()),
            str(item.in_flight_total),
            plain(item.app_name or ""),
            plain(item.app_version or ""),
            plain(f"{item.host or ''}:{item.pid}" if item.pid is not None else item.host or ""),
            plain(", ".join(item.queues)),
        ]
        for item in found
    ]
    heads = ["EXECUTOR", "STATUS", "LAST BEAT", "IN FLIGHT", "APPLICATION", "VERSION", "PROCESS", "QUEUES"]
    return table(heads, rows, width=width()) if rows else "No worker reports presence: see DBOSInstrumentor."


@click.command()
@click.option("--run", metavar="RUN", help="Of this run only.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="At most so many.")
@connected(watch=True)
def audit(session: Session, *, run: str | None, limit: int) -> None:
    """List who did what, newest first."""
    session.show(lambda: session.client.audit(run=run, limit=limit), audit_table)


def audit_table(entries: Rows[AuditView]) -> str:
    """Return entries of the audit log, one a line."""
    rows = [
        [
            entry.at,
            plain(entry.actor),
            plain(entry.action),
            plain(entry.run_id or ""),
            plain(entry.outcome),
            brief(entry.detail, 200),
        ]
        for entry in entries
    ]
    heads = ["WHEN", "WHO", "ACTION", "RUN", "OUTCOME", "DETAIL"]
    return table(heads, rows, width=width()) if rows else "Nobody did anything yet."
