"""``durable views``: filters of the run list that people saved under a name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from dashboard.cli.options import filtered
from dashboard.cli.session import CliSession, connected, now, view_named, width
from dashboard.cli.text import plain, since, table
from dashboard.client import RunFilter
from dashboard.wire.views import ViewView


@click.command("list")
@connected()
def list_(session: CliSession) -> None:
    """List the saved views by name."""
    session.show(lambda: session.client.list_views(), views_table)


@click.group(invoke_without_command=True, params=list_.params)
@click.pass_context
def views(ctx: click.Context, /, **options: Any) -> None:
    """List, save, change and delete views of the run list; durable runs --view NAME shows one."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_, **options)


@click.command()
@click.argument("name")
@filtered
@click.option("--last", metavar="SPAN", help="Of the last 30m, 24h, 7d, whenever it is looked at; --since stays put.")
@click.option("--default", "is_default", is_flag=True, help="The page's list begins with it.")
@connected()
def save(session: CliSession, *, name: str, filters: RunFilter, last: str | None, is_default: bool) -> None:
    """Save the filter as the view NAME."""
    given: RunFilter = filters if last is None else {**filters, "since": last}
    session.print(session.client.save_view(name, given, is_default=is_default), view_text)


@click.command()
@click.argument("name")
@click.argument("new_name")
@connected()
def rename(session: CliSession, *, name: str, new_name: str) -> None:
    """Give a view another name."""
    session.print(session.client.change_view(view_named(session.client, name).id, name=new_name), view_text)


@click.command("default")
@click.argument("name")
@click.option("--no-more", is_flag=True, help="It is the default no more.")
@connected()
def default(session: CliSession, *, name: str, no_more: bool) -> None:
    """Let the page's list begin with a view."""
    session.print(session.client.change_view(view_named(session.client, name).id, is_default=not no_more), view_text)


@click.command()
@click.argument("name")
@connected()
def delete(session: CliSession, *, name: str) -> None:
    """Delete a view."""
    session.print(
        session.client.delete_view(view_named(session.client, name).id), lambda one: f"{plain(one.name)} is deleted."
    )


for _command in (list_, save, rename, default, delete):
    views.add_command(_command)


def views_table(found: Sequence[ViewView]) -> str:
    """Return saved views, one a line."""
    rows = [
        [plain(one.name), "default" if one.is_default else "", filter_text(one), plain(one.actor), since(one.at, now())]
        for one in found
    ]
    return table(["VIEW", "", "SHOWS", "BY", "SAVED"], rows, width=width()) if rows else "No view is saved yet."


def view_text(one: ViewView) -> str:
    """Return a view in a line."""
    return f"{plain(one.name)}{' (default)' if one.is_default else ''}: {filter_text(one) or 'every run'}"


def filter_text(one: ViewView) -> str:
    """Return what a view shows, as parameters of the run list."""
    return plain(" ".join(f"{key}={value}" for key, value in one.filter.items()))
