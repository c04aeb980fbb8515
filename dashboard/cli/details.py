"""``durable step``, ``payload``, ``events``, ``streams`` and ``trace``: parts of one run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import click

from dashboard.cli.options import run_argument
from dashboard.cli.session import CliSession, connected, json_text, width
from dashboard.cli.text import brief, coloured, error_text, facts, lasted, plain, table
from dashboard.client import Rows
from dashboard.wire.fleet import PublishedView, StreamEntryView, StreamView
from dashboard.wire.runs import StepView
from otel_bridge.model.values import PayloadName


@click.command()
@run_argument
@click.argument("seq", metavar="SEQ", type=int)
@click.option("--full", is_flag=True, help="Do not cut large payloads.")
@connected()
def step(session: CliSession, *, run_id: str, seq: int, full: bool) -> None:
    """Show a step with its payloads."""
    session.show(lambda: session.client.get_step(run_id, seq, full=full), step_text)


def step_text(found: StepView) -> str:
    """Return what is known of a step."""
    pairs = (
        ("Step", f"{found.seq} {plain(found.name)}"),
        ("Kind", found.kind),
        ("Status", coloured(found.status)),
        ("Started", found.started_at or ""),
        ("Finished", found.finished_at or ""),
        ("Queued", lasted(found.queue_ms)),
        ("Took", lasted(found.duration_ms)),
        ("Attempts", str(found.attempts) if found.attempts > 1 else ""),
        ("Executor", plain(found.executor or "")),
        ("Started run", plain(found.child_run_id or "")),
        ("Span", found.span_id),
        ("Error", error_text(found.error, 2000)),
    )
    payloads = [
        f"{name}:\n{json_text(value)}" for name, value in (("Input", found.input), ("Output", found.output)) if value
    ]
    stack = [] if found.error is None or not found.error.stack else [f"Stack:\n{lines(found.error.stack)}"]
    return "\n\n".join([facts(pairs, width=width()), *payloads, *stack, *_attempts(found)])


def _attempts(found: StepView) -> Iterator[str]:
    """Yield what its worker kept of each attempt; the last one's traceback is the error's stack."""
    log = found.attempt_log
    if log is None:
        return
    if log.absent and found.status == "failed":
        yield f"Attempts: {log.absent}"
    last = found.error.stack if found.error is not None else None
    for one in log.attempts:
        head = f"Attempt {one.n}" if log.attempts[-1].execution == 1 else f"Execution {one.execution}, attempt {one.n}"
        error = "" if one.error is None else f": {plain(one.error.type)}: {plain(one.error.message)}"
        took = "under way" if one.ended_at is None else lasted(one.duration_ms)
        parts = [f"{head}, {one.started_at}, {took}{error}"]
        if one.traceback and one.traceback != last:
            parts.append(lines(one.traceback))
        parts += [plain(f"  {record.at} {record.level} {record.logger}: {record.message}") for record in one.logs]
        if one.truncated:
            parts.append(f"  ({one.truncated:,} records are left out)")
        yield "\n".join(parts)


def lines(text: str) -> str:
    """Return a text of several lines, each made plain."""
    return "\n".join(plain(line) for line in text.splitlines())


@click.command()
@run_argument
@click.argument("name", type=click.Choice(get_args(PayloadName)))
@click.option("--raw", is_flag=True, help="As the engine stored it.")
@connected()
def payload(session: CliSession, *, run_id: str, name: PayloadName, raw: bool) -> None:
    """Print a run's whole input, output or error as JSON."""
    if raw:
        click.echo(session.client.get_payload_text(run_id, name))
    else:
        click.echo(json_text(session.client.get_payload(run_id, name)))


@click.command()
@run_argument
@click.argument("key", required=False)
@connected(watch=True)
def events(session: CliSession, *, run_id: str, key: str | None) -> None:
    """Show the values that a run published, or print one as JSON."""
    if key is None:
        session.show(lambda: session.client.list_events(run_id), events_table)
    else:
        session.show(lambda: session.client.get_event(run_id, key), json_text)


def events_table(found: Rows[PublishedView]) -> str:
    """Return published values, one a line."""
    rows = [[plain(item.key), brief(item.value, 2000)] for item in found]
    return table(["KEY", "VALUE"], rows, width=width()) if rows else "It published nothing."


@click.command()
@run_argument
@click.argument("key", required=False)
@click.option("--after", type=int, default=-1, show_default=True, help="Behind this offset.")
@click.option("--limit", type=click.IntRange(1, 1000), default=200, show_default=True, help="At most this many values.")
@connected(watch=True)
def streams(session: CliSession, *, run_id: str, key: str | None, after: int, limit: int) -> None:
    """Show the streams that a run writes to, or the values of one."""
    if key is None:
        session.show(lambda: session.client.list_streams(run_id), streams_table)
    else:
        session.show(lambda: session.client.get_stream(run_id, key, after=after, limit=limit), entries_table)


def streams_table(found: Rows[StreamView]) -> str:
    """Return streams, one a line."""
    rows = [[plain(item.key), str(item.count), "closed" if item.closed else "open"] for item in found]
    return table(["STREAM", "VALUES", "STATE"], rows, width=width()) if rows else "It writes to no stream."


def entries_table(found: Rows[StreamEntryView]) -> str:
    """Return a stream's values, one a line."""
    rows = [[str(item.offset), "(closed)" if item.closes else brief(item.value, 2000)] for item in found]
    return table(["OFFSET", "VALUE"], rows, width=width()) if rows else "It holds no value."


@click.command()
@click.argument("trace_id", metavar="TRACE")
@connected()
def trace(session: CliSession, *, trace_id: str) -> None:
    """Print the id of the run whose trace this is."""
    session.show(lambda: session.client.run_of_trace(trace_id), plain)
