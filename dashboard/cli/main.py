"""The ``durable`` command: runs seen and acted on, at a dashboard's URL or directly on a system database.

Exit codes: 0 done (``tail``: the run completed); 1 ``tail``: the run ended in another way, ``doctor``: something
needs attention, or the answer to a question was no; 2 the command line is wrong, or an extra is not installed;
3 the dashboard or its store cannot be reached; 4 there is no such run; 5 refused: the run's state, a validator or the
caller's role does not allow it; 130 interrupted. Of several, the highest.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import cast

import click

from otel_bridge.extras import DISTRIBUTION, MissingExtraError

SECTIONS: dict[str, dict[str, str]] = {
    "See": {
        "runs": "dashboard.cli.runs:runs",
        "activity": "dashboard.cli.runs:activity",
        "views": "dashboard.cli.views:views",
        "show": "dashboard.cli.runs:show",
        "tail": "dashboard.cli.runs:tail",
        "compare": "dashboard.cli.analysis:compare",
        "timing": "dashboard.cli.analysis:timing",
        "usage": "dashboard.cli.usage:usage",
        "report": "dashboard.cli.reports:report",
        "test": "dashboard.cli.reports:test",
        "step": "dashboard.cli.details:step",
        "payload": "dashboard.cli.details:payload",
        "events": "dashboard.cli.details:events",
        "streams": "dashboard.cli.details:streams",
        "trace": "dashboard.cli.details:trace",
    },
    "Act on runs": {
        "retry": "dashboard.cli.actions:retry",
        "cancel": "dashboard.cli.actions:cancel",
        "undo": "dashboard.cli.actions:undo",
        "continue": "dashboard.cli.actions:continue_",
        "wake": "dashboard.cli.actions:wake",
        "redispatch": "dashboard.cli.actions:redispatch",
        "move": "dashboard.cli.versions:move",
        "send": "dashboard.cli.messages:send",
        "update": "dashboard.cli.messages:update",
        "bulk": "dashboard.cli.bulk:bulk",
    },
    "New runs": {
        "start": "dashboard.cli.starting:start",
        "fork": "dashboard.cli.starting:fork",
        "retry-with-input": "dashboard.cli.starting:retry_with_input",
        "schedules": "dashboard.cli.schedules:schedules",
    },
    "Archive": {
        "export": "dashboard.cli.archive:export_",
        "import": "dashboard.cli.archive:import_",
    },
    "Serve": {
        "serve": "dashboard.cli.serving:serve",
        "mcp": "dashboard.cli.agents:mcp",
        "demo": "dashboard.cli.demo:demo",
    },
    "Errors": {
        "errors": "dashboard.cli.errors:errors",
        "decide": "dashboard.cli.errors:decide",
        "inbox": "dashboard.cli.inbox:inbox",
        "alerts": "dashboard.cli.alerts:alerts",
    },
    "Service": {
        "workers": "dashboard.cli.fleet:workers",
        "queues": "dashboard.cli.fleet:queues",
        "executors": "dashboard.cli.fleet:executors",
        "versions": "dashboard.cli.versions:versions",
        "audit": "dashboard.cli.fleet:audit",
        "doctor": "dashboard.cli.doctor:doctor",
        "token": "dashboard.cli.tokens:token",
        "completion": "dashboard.cli.completion:completion",
    },
}
"""Where each command is. A new one is a line here and a function in a module of its own."""
WHOLE_EXTRA = {"mcp": "mcp", "demo": "demo"}
"""The extra that brings all that a command needs, where it needs more than the client."""
CLIENT = "dashboard.cli.client"
"""In a context's ``meta``: what makes the client, where the command belongs to an app (``flask durable``)."""


class Commands(click.Group):
    """Imports a command's module when the command is asked for: each may need an extra that others do not."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return every name, in the order of the sections."""
        return [name for section in SECTIONS.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; where its extra is missing, one that says so."""
        place = next((section[cmd_name] for section in SECTIONS.values() if cmd_name in section), None)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        try:
            return cast(click.Command, getattr(importlib.import_module(module), attribute))
        except MissingExtraError as error:
            extra = WHOLE_EXTRA.get(cmd_name)
            return _unavailable(cmd_name, error if extra is None else error.within(extra))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands of each section under its name."""
        for title, section in SECTIONS.items():
            commands = [(name, self.get_command(ctx, name)) for name in section]
            limit = formatter.width - 6 - max(len(name) for name in self.list_commands(ctx))
            with formatter.section(title):
                formatter.write_dl([(name, command.get_short_help_str(limit)) for name, command in commands if command])


def _unavailable(name: str, error: MissingExtraError) -> click.Command:
    """Return a command that takes any arguments and says what to install."""

    def refuse(rest: Sequence[str]) -> None:
        click.echo(f"Error: {error}", err=True)
        raise click.exceptions.Exit(2)

    rest = click.Argument(["rest"], nargs=-1, type=click.UNPROCESSED)
    settings = {"ignore_unknown_options": True, "help_option_names": []}
    help_ = f"Not available: {error.install}"
    return click.Command(name, callback=refuse, params=[rest], context_settings=settings, help=help_)


def _print_version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        try:
            found = version(DISTRIBUTION)
        except PackageNotFoundError:
            found = "(not installed)"
        click.echo(f"{DISTRIBUTION} {found}")
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Version.")
@click.pass_context
def durable(ctx: click.Context) -> None:
    """Runs of durable workflows, seen and acted on.

    Say which dashboard with --url or DURABLE_URL, or which database with --system-database-url.
    """
    if os.environ.get("NO_COLOR"):
        ctx.color = False
    elif os.environ.get("FORCE_COLOR"):
        ctx.color = True


def main() -> None:
    """Run the command and end the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that is not UTF-8 shows an escape for what it cannot, where the default is a traceback.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    durable(prog_name="durable")
