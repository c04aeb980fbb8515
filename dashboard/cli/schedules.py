"""``durable schedules``: listed, paused, resumed, triggered."""

from __future__ import annotations

import click

from dashboard.cli.session import CliSession, connected, now, width
from dashboard.cli.starting import follow_option, started
from dashboard.cli.text import plain, since, table
from dashboard.client import Rows
from dashboard.wire.actions import ScheduleAnswer
from dashboard.wire.fleet import ScheduleView

name_argument = click.argument("name")


@click.command("list")
@connected(watch=True)
def list_(session: CliSession) -> None:
    """List the schedules and when each fires next."""
    session.show(session.client.list_schedules, schedules_table)


@click.group(invoke_without_command=True, params=list_.params)
@click.pass_context
def schedules(ctx: click.Context, /, **options: object) -> None:
    """List the cron schedules; pause, resume or trigger one."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_, **options)


schedules.add_command(list_)


def schedules_table(found: Rows[ScheduleView]) -> str:
    """Return schedules, one a line."""
    rows = [
        [
            plain(item.name),
            plain(item.workflow),
            plain(item.schedule),
            "active" if item.active else "paused",
            since(item.next_at, now()),
            plain(item.last_fired_at or ""),
        ]
        for item in found
    ]
    heads = ["SCHEDULE", "WORKFLOW", "CRON", "STATE", "NEXT", "LAST FIRED"]
    return table(heads, rows, width=width()) if rows else "There are no schedules."


@schedules.command()
@name_argument
@connected()
def pause(session: CliSession, *, name: str) -> None:
    """Pause a schedule."""
    session.print(session.client.switch_schedule(name, "pause"), switched_text)


@schedules.command()
@name_argument
@connected()
def resume(session: CliSession, *, name: str) -> None:
    """Resume a schedule."""
    session.print(session.client.switch_schedule(name, "resume"), switched_text)


def switched_text(answer: ScheduleAnswer) -> str:
    """Return a schedule's state."""
    return f"{plain(answer.name)}: {'active' if answer.active else 'paused'}"


@schedules.command()
@name_argument
@follow_option
@connected()
def trigger(session: CliSession, *, name: str, followed: bool) -> None:
    """Start a schedule's run now."""
    started(session, session.client.trigger_schedule(name), followed=followed)
