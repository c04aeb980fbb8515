"""Options and argument types that several commands take. Reads a file or standard input where an argument says so."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, TypeVar, cast, get_args

import click
from click.shell_completion import CompletionItem

from dashboard.cli.session import open_client, where_of
from dashboard.client import DurableClientError, RunFilter
from dashboard.wire.base import Json
from otel_bridge.errors import BridgeError
from otel_bridge.model.moments import parse_moment
from otel_bridge.model.runs import BulkPart
from otel_bridge.model.status import RUN_STATUSES

F = TypeVar("F", bound=Callable[..., Any])
COMPLETION_S = 2.0


def as_moment(ctx: click.Context, param: click.Parameter, value: str | None) -> datetime | None:
    """Return a time in UTC: ISO 8601, or a span before now.

    Raises:
        BadParameter: it is neither.
    """
    if value is None:
        return None
    try:
        return datetime.fromtimestamp(parse_moment(value) / 1000, timezone.utc)
    except (ValueError, OverflowError, OSError) as error:
        raise click.BadParameter(str(error), ctx, param) from error


def as_json(ctx: click.Context, param: click.Parameter, value: str | None) -> Json:
    """Return a JSON document: as it is, from ``@file``, or from standard input (``-``); None for none.

    Raises:
        BadParameter: it cannot be read, or is not JSON.
    """
    if value is None:
        return None
    text = value
    try:
        if value == "-" or value.startswith("@"):
            with click.open_file(value.removeprefix("@"), encoding="utf-8") as file:
                text = file.read()
        return json.loads(text)
    except OSError as error:
        raise click.BadParameter(f"{value} cannot be read: {error}", ctx, param) from error
    except (ValueError, RecursionError) as error:
        words = f"This is not JSON ({error}). A text has quotes of its own: '\"text\"'."
        raise click.BadParameter(words, ctx, param) from error


def json_argument(name: str, *, required: bool = True) -> Callable[[F], F]:
    """Return an argument that is a JSON document; left out, ``null``."""
    return click.argument(name, required=required, callback=as_json)


def filtered(function: F) -> F:
    """Give a command the filter of the run list, as ``filters``; ``connected`` puts the saved view into it."""

    @functools.wraps(function)
    def command(*args: object, **options: object) -> Any:
        given = {name: options.pop(name) for name in RunFilter.__annotations__ if name in options}
        filters = cast(RunFilter, {name: value for name, value in given.items() if value not in (None, ())})
        return function(*args, filters=filters, **options)

    decorated: Any = command
    for option in reversed(_FILTER):
        decorated = option(decorated)
    return cast(F, decorated)


_FILTER = (
    click.option("--view", metavar="NAME", help="What a saved view shows (durable views); other options narrow it."),
    click.option("--status", multiple=True, type=click.Choice(RUN_STATUSES), help="Any of these; repeat."),
    click.option("--workflow", help="Exact name of the workflow."),
    click.option("-q", metavar="TEXT", help="Prefix of the run id, part of the workflow's name, or a trace id."),
    click.option("--queue", help="On this queue."),
    click.option("--executor", help="On this executor."),
    click.option("--app-version", "version", help="Of this version of the application."),
    click.option("--tag", multiple=True, help="Has all of these; repeat."),
    click.option("--attr", multiple=True, metavar="KEY:OP:VALUE", help="eq ne gt gte lt lte; repeat."),
    click.option(
        "--since", metavar="TIME", callback=as_moment, help="Created at or after: ISO 8601, or 90m, 12h, 7d ago."
    ),
    click.option("--until", metavar="TIME", callback=as_moment, help="Created before."),
    click.option("--parent", metavar="RUN", help="Started by this run."),
    click.option("--namespace", help="Of this application."),
    click.option("--min-duration-ms", type=click.IntRange(min=0), help="At least this duration."),
    click.option("--error", metavar="FINGERPRINT", help="Died of this error last: see durable errors."),
    click.option("--bulk", metavar="BULK", help="A bulk action came to it: see durable bulk list."),
    click.option("--bulk-part", type=click.Choice(get_args(BulkPart)), help="With --bulk: how it stands since."),
)


def complete_runs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the newest runs whose id begins so. A dashboard that does not answer soon completes nothing."""
    where = where_of(ctx.params)
    filters: RunFilter = {"q": incomplete} if incomplete else {}
    try:
        with ctx.scope(cleanup=False), open_client(where, timeout_s=COMPLETION_S) as client:
            runs = client.list_runs(limit=50, **filters).runs
    except (DurableClientError, BridgeError, click.UsageError):
        return []
    return [
        CompletionItem(run.id, help=f"{run.workflow}, {run.status}") for run in runs if run.id.startswith(incomplete)
    ]


run_argument = click.argument("run_id", metavar="RUN", shell_complete=complete_runs)
runs_argument = click.argument("run_ids", metavar="RUN...", nargs=-1, required=True, shell_complete=complete_runs)
