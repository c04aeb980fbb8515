"""``durable workers``, ``queues``, ``executors`` and ``audit``: who works, what is paused, and who did what."""

from __future__ import annotations

import click

from dashboard.cli.session import CliSession, connected, now, width
from dashboard.cli.text import brief, coloured, lasted, plain, since, table
from dashboard.client import Rows
from dashboard.wire.actions import AuditView, QueueAnswer
from dashboard.wire.fleet import ExecutorView, WorkerGroup


@click.command()
@connected(watch=True)
def workers(session: CliSession) -> None:
    """List the queues, their backlog and who works on each."""
    session.show(session.client.list_workers, workers_table)


@click.group(invoke_without_command=True, params=workers.params)
@click.pass_context
def queues(ctx: click.Context, /, **options: object) -> None:
    """List the queues; pause or resume one."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(workers, **options)


@queues.command()
@click.argument("name")
@click.option("--comment", default="", help="Why: kept with the pause, and in the audit log.")
@connected()
def pause(session: CliSession, *, name: str, comment: str) -> None:
    """Stop starting runs from a queue; runs in progress continue."""
    session.print(session.client.pause_queue(name, comment=comment), queue_text)


@queues.command()
@click.argument("name")
@connected()
def resume(session: CliSession, *, name: str) -> None:
    """Resume starting runs from a queue."""
    session.print(session.client.resume_queue(name), queue_text)


def queue_text(answer: QueueAnswer) -> str:
    """Return a queue's state."""
    return "\n".join([f"{plain(answer.name)}: {'paused' if answer.paused else 'active'}", *(answer.notes or ())])


def workers_table(groups: Rows[WorkerGroup]) -> str:
    """Return worker groups, one a line."""
    rows = [
        [
            plain(group.group),
            str(group.depth),
            lasted(group.oldest_ms),
            str(group.running),
            click.style("none", fg="red") if group.no_worker else live(group),
            click.style("paused", fg="yellow") if group.paused else "active" if group.registered else "",
            str(group.concurrency or group.worker_concurrency or ""),
        ]
        for group in groups
    ]
    heads = ["QUEUE", "WAITING", "OLDEST", "RUNNING", "WORKERS", "STATE", "CONCURRENCY"]
    return table(heads, rows, width=width()) if rows else "There are no queues."


def live(group: WorkerGroup) -> str:
    """Return how many workers of a group are alive; nothing where none reports presence."""
    return str(len(group.live_workers)) if group.presence_known else ""


@click.command()
@connected(watch=True)
def executors(session: CliSession) -> None:
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
@click.option("--who", metavar="NAME", help="Done by this name only.")
@click.option("--action", metavar="ACTION", help="This action only, such as retry.")
@click.option("--outcome", metavar="OUTCOME", help="With this outcome only: done, refused, failed.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="At most this many.")
@connected(watch=True)
def audit(
    session: CliSession, *, run: str | None, who: str | None, action: str | None, outcome: str | None, limit: int
) -> None:
    """List who did what, newest first."""
    session.show(
        lambda: session.client.audit(run=run, actor=who, action=action, outcome=outcome, limit=limit), audit_table
    )


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
