"""The ``durable`` command: runs, show, tail, retry, cancel, undo, continue. Talks to a dashboard's API; prints.

Exit codes: 0 done (``tail``: the run completed); 1 ``tail``: the run ended in another way; 2 the command line is
wrong; 3 the dashboard cannot be reached, or its store cannot; 4 there is no such run; 5 refused: the run's state, a
validator or your role does not allow it. Of several, the highest.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from pydantic import BaseModel

from dashboard.cli.text import detail_text, message_text, runs_table, undo_text
from dashboard.client import (
    ApiError,
    BadRequestError,
    DurableClient,
    DurableClientError,
    NotFoundError,
    RunFilter,
    ServerError,
    UnavailableError,
)
from dashboard.client.stream import ends_run
from dashboard.wire.actions import ActionAnswer
from dashboard.wire.runs import RunRow
from dashboard.wire.stream import EventView, RunSnapshot
from otel_bridge.model.status import RUN_STATUSES

OK, NOT_COMPLETED, USAGE, UNREACHABLE, NOT_FOUND, REFUSED = 0, 1, 2, 3, 4, 5


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = build_parser(os.environ).parse_args(argv)
    if not options.url:
        print("Say which dashboard: --url http://host:8000/durable, or DURABLE_URL.", file=sys.stderr)
        return USAGE
    headers = {"Authorization": f"Bearer {options.token}"} if options.token else None
    with DurableClient(options.url, headers=headers) as client:
        try:
            command: Callable[[DurableClient, argparse.Namespace], int] = options.command
            return command(client, options)
        except DurableClientError as error:
            return fail(error)
        except KeyboardInterrupt:
            return OK
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return OK


def fail(error: DurableClientError, about: str = "") -> int:
    """Say what went wrong; return the exit code for it."""
    print(f"{about}{': ' if about else ''}{error}", file=sys.stderr)
    if isinstance(error, NotFoundError):
        return NOT_FOUND
    if isinstance(error, BadRequestError):
        return USAGE
    if isinstance(error, ApiError) and not isinstance(error, (UnavailableError, ServerError)):
        return REFUSED
    return UNREACHABLE


def build_parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    """Return the parser; defaults come from ``environ``."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--url", default=environ.get("DURABLE_URL"), help="where the dashboard is [DURABLE_URL]")
    common.add_argument("--token", default=environ.get("DURABLE_TOKEN"), help="bearer token [DURABLE_TOKEN]")
    common.add_argument("--json", action="store_true", help="print what the API answered")
    parser = argparse.ArgumentParser(prog="durable", description="Runs of durable workflows, seen and acted on.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable[..., int], help_: str, *, many: bool = False) -> argparse.ArgumentParser:
        added = commands.add_parser(name, parents=[common], help=help_, description=help_)
        added.set_defaults(command=command)
        if many:
            added.add_argument("run_ids", nargs="+", metavar="RUN")
        return added

    runs = add("runs", list_runs, "List runs, newest first.")
    runs.add_argument("--status", action="append", choices=RUN_STATUSES, help="any of these; repeat")
    runs.add_argument("--workflow")
    runs.add_argument("-q", metavar="TEXT", help="prefix of the run id, or part of the workflow's name")
    runs.add_argument("--queue")
    runs.add_argument("--tag", action="append", help="all of these; repeat")
    runs.add_argument("--attr", action="append", metavar="KEY:OP:VALUE", help="eq ne gt gte lt lte; repeat")
    runs.add_argument("--since", help="created at or after, ISO 8601")
    runs.add_argument("--until", help="created before, ISO 8601")
    runs.add_argument("--limit", type=int, default=25, help="at most so many (%(default)s)")

    show = add("show", show_run, "Show a run and its timeline.")
    show.add_argument("run_id", metavar="RUN")

    tail = add("tail", tail_run, "Follow a run until it ends, or all runs.")
    tail.add_argument("run_id", metavar="RUN", nargs="?")

    retry = add("retry", retry_runs, "Retry runs from the step that failed, under the same id.", many=True)
    retry.add_argument("--queue", help="put them on this queue")
    cancel = add("cancel", cancel_runs, "Cancel runs.", many=True)
    cancel.add_argument("--children", action="store_true", help="and the runs they started")
    cancel.add_argument("--undo", action="store_true", help="and undo what they did")
    undo = add("undo", undo_runs, "Cancel runs and undo what they did, in reverse.", many=True)
    undo.add_argument("--dry-run", action="store_true", help="only say what would be undone")
    add("continue", continue_runs, "Release runs from their breakpoint.", many=True)
    return parser


# -- commands -----------------------------------------------------------------------------------------------------


def list_runs(client: DurableClient, options: argparse.Namespace) -> int:
    """``durable runs``"""
    names = ("status", "workflow", "q", "queue", "tag", "attr", "since", "until")
    filters = RunFilter(**{name: getattr(options, name) for name in names if getattr(options, name)})  # type: ignore[typeddict-item]
    runs: list[RunRow] = []
    for run in client.iter_runs(page_size=min(options.limit, 500), **filters):
        runs.append(run)
        if len(runs) >= options.limit:
            break
    print(as_json(runs) if options.json else runs_table(runs, now(), colour=is_terminal()))
    return OK


def show_run(client: DurableClient, options: argparse.Namespace) -> int:
    """``durable show RUN``"""
    detail = client.get_run(options.run_id)
    url = client.run_url(options.run_id)
    print(as_json(detail) if options.json else detail_text(detail, url=url, now=now(), colour=is_terminal()))
    return OK


def tail_run(client: DurableClient, options: argparse.Namespace) -> int:
    """``durable tail [RUN]``"""
    stream = client.stream_runs() if options.run_id is None else client.stream_run(options.run_id)
    status = "running"
    for message in stream:
        line = as_json(message, indent=None) if options.json else message_text(message, colour=is_terminal())
        if line is not None:
            print(line, flush=True)
        if isinstance(message, RunSnapshot):
            status = message.detail.run.status
        elif isinstance(message, EventView) and ends_run(message):
            status = message.type.removeprefix("run.")
    return OK if status == "completed" else NOT_COMPLETED


def retry_runs(client: DurableClient, options: argparse.Namespace) -> int:
    """``durable retry RUN...``"""
    return for_each(options, lambda run_id: client.retry(run_id, queue=options.queue))


def cancel_runs(client: DurableClient, options: argparse.Namespace) -> int:
    """``durable cancel RUN...``"""
    return for_each(options, lambda run_id: client.cancel(run_id, compensate=options.undo, children=options.children))


def continue_runs(client: DurableClient, options: argparse.Namespace) -> int:
    """``durable continue RUN...``"""
    return for_each(options, client.continue_run)


def undo_runs(client: DurableClient, options: argparse.Namespace) -> int:
    """``durable undo RUN...``"""
    if not options.dry_run:
        return for_each(options, lambda run_id: client.cancel(run_id, compensate=True))
    code = OK
    for run_id in options.run_ids:
        try:
            plan = client.undo(run_id)
        except DurableClientError as error:
            code = max(code, fail(error, run_id))
            continue
        print(as_json(plan) if options.json else undo_text(plan))
    return code


def for_each(options: argparse.Namespace, act: Callable[[str], ActionAnswer]) -> int:
    """Act on every run named; go on after a refusal; return the highest exit code."""
    code, done = OK, []
    for run_id in options.run_ids:
        try:
            run = act(run_id)
        except DurableClientError as error:
            code = max(code, fail(error, run_id))
        else:
            done.append(run)
            if not options.json:
                print("\n".join([f"{run.id}: {run.status}", *(f"  {note}" for note in run.notes or ())]))
    if options.json:
        print(as_json(done))
    return code


# -- printing -----------------------------------------------------------------------------------------------------


def as_json(value: BaseModel | Sequence[BaseModel], *, indent: int | None = 2) -> str:
    """Return wire models as the JSON that the API sent."""

    def plain(item: BaseModel) -> Any:
        return item.model_dump(mode="json", by_alias=True, exclude_none=True)

    document = plain(value) if isinstance(value, BaseModel) else [plain(item) for item in value]
    return json.dumps(document, indent=indent, ensure_ascii=False)


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(timezone.utc)


def is_terminal() -> bool:
    """Return whether a person reads this, who may like colours."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ
