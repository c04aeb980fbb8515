"""``durable inbox``: what waits for a person, and who is to answer it."""

from __future__ import annotations

from typing import Any

import click

from dashboard.cli.options import run_argument
from dashboard.cli.session import CliSession, connected, now, width
from dashboard.cli.text import plain, since, table
from dashboard.wire.inbox import InboxEntry, InboxView


@click.command("list")
@connected(watch=True)
@click.option("--assignee", metavar="NAME", help="Assigned to this one; empty: to nobody.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 200), help="Entries at most.")
def list_(session: CliSession, *, assignee: str | None, limit: int) -> None:
    """List what waits for a person, oldest first, over all runs."""
    session.show(lambda: session.client.get_inbox(assignee=assignee, limit=limit), inbox_table)


@click.group(invoke_without_command=True, params=list_.params)
@click.pass_context
def inbox(ctx: click.Context, /, **options: Any) -> None:
    """List what waits for a person; say who is to answer. Answer with durable continue, send or update."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_, **options)


@click.command("assign")
@run_argument
@click.argument("seq", type=click.IntRange(min=0))
@click.argument("assignee", required=False)
@connected()
def assign(session: CliSession, *, run_id: str, seq: int, assignee: str | None) -> None:
    """Say who is to answer the wait at step SEQ of a run; without a name: nobody."""
    session.print(session.client.assign(run_id, seq, assignee), entry_text)


@click.command("link")
@run_argument
@click.argument("seq", type=click.IntRange(min=0))
@click.option("--hours", type=click.IntRange(1, 90 * 24), default=7 * 24, show_default=True, help="So long it opens.")
@connected()
def link(session: CliSession, *, run_id: str, seq: int, hours: int) -> None:
    """Make a link to the wait at step SEQ of a run, for chat and mail. Who opens it signs in and is asked."""
    session.print(session.client.link_question(run_id, seq, expires_in_s=hours * 3600), lambda made: plain(made.url))


for _command in (list_, assign, link):
    inbox.add_command(_command)


def inbox_table(found: InboxView) -> str:
    """Return what waits for a person, one a line."""
    rows = [
        [
            plain(one.run.id),
            str(one.seq),
            f"{one.on} {plain(one.name)}",
            plain(one.ask or ""),
            since(one.since, now()),
            plain(one.assignee or ""),
        ]
        for one in found.entries
    ]
    if not rows:
        return "Nothing waits for a person."
    head = f"{found.count}{'' if found.exact else ' or more'} waiting"
    return f"{head}\n{table(['RUN', 'SEQ', 'WAITS FOR', 'ASKS', 'SINCE', 'ASSIGNED TO'], rows, width=width())}"


def entry_text(one: InboxEntry) -> str:
    """Return who is to answer."""
    who = f"is {plain(one.assignee)}'s to answer" if one.assignee else "is nobody's"
    return f"{plain(one.run.id)}: {one.on} {plain(one.name)} {who}."
