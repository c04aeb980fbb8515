"""``durable errors`` and ``decide``: failures of one kind, what they share, their retry, what people decide."""

from __future__ import annotations

from typing import Any, get_args

import click

from dashboard.cli.bulk import act, asked_before, canary_option
from dashboard.cli.options import as_moment, run_argument
from dashboard.cli.session import CliSession, connected, now, width
from dashboard.cli.text import brief, facts, plain, since, table
from dashboard.client import RunFilter
from dashboard.wire.errors import ErrorDetail, ErrorGroupView, ErrorsView, SharedView
from otel_bridge.model.runs import DecisionState

STATES = get_args(DecisionState)
WINDOW = (
    click.option(
        "--since", metavar="TIME", callback=as_moment, help="Failed at or after: ISO 8601, or 90m, 12h, 7d ago."
    ),
    click.option("--until", metavar="TIME", callback=as_moment, help="Failed before."),
)
fingerprint_argument = click.argument("fingerprint")
state_argument = click.argument("state", type=click.Choice(STATES))
note_option = click.option("--note", default="", help="Why, for those who look at it later.")


def windowed(command: Any) -> Any:
    """Give a command the options of a window."""
    for option in reversed(WINDOW):
        command = option(command)
    return command


@click.command("list")
@connected(watch=True)
@windowed
@click.option("--workflow", help="Exact name of the workflow.")
@click.option("--state", multiple=True, type=click.Choice(STATES), help="Any of these; repeat.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 500), help="Errors at most.")
def list_(session: CliSession, **filters: Any) -> None:
    """List the errors of the last seven days, or of another time, the last seen first."""
    session.show(lambda: session.client.list_errors(**filters), errors_table)


@click.group(invoke_without_command=True, params=list_.params)
@click.pass_context
def errors(ctx: click.Context, /, **options: object) -> None:
    """List failures by what they have in common; show one, or say that it is dealt with."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_, **options)


@click.command("show")
@connected()
@fingerprint_argument
@windowed
def show(session: CliSession, fingerprint: str, **window: Any) -> None:
    """Show an error, and what its failures share that runs which completed do not."""
    session.print(session.client.get_error(fingerprint, **window), error_text)


@click.command("decide")
@connected()
@fingerprint_argument
@state_argument
@note_option
def decide_error(session: CliSession, fingerprint: str, state: DecisionState, note: str) -> None:
    """Say that an error is dealt with, ignored or open; a failure that comes later is open again."""
    session.print(session.client.decide_error(fingerprint, state, note=note), group_text)


@click.command("retry")
@connected()
@fingerprint_argument
@asked_before
@canary_option
def retry(session: CliSession, fingerprint: str, *, canary: bool, **rest: Any) -> None:
    """Retry every run that failed with this error last, each on its own queue."""
    filters: RunFilter = {"error": fingerprint, "status": ["failed"]}
    act(session, "retry", {"canary": canary}, filters=filters, **rest)


for _command in (list_, show, decide_error, retry):
    errors.add_command(_command)


@click.command()
@connected()
@run_argument
@state_argument
@note_option
def decide(session: CliSession, run_id: str, state: DecisionState, note: str) -> None:
    """Say that one run's failure is dealt with, ignored or open."""
    session.print(session.client.decide_run(run_id, state, note=note), lambda row: f"{plain(row.id)} is {state}.")


def errors_table(found: ErrorsView) -> str:
    """Return errors, one a line, below how many runs are open and dealt with."""
    counts = found.failures
    good = counts.dealt_with + counts.ignored + counts.completed + counts.undone
    lines = [f"{counts.open} open, {good} dealt with"]
    rows = [
        [
            group.fingerprint,
            str(group.count),
            plain(headline(group)),
            plain(group.template),
            since(group.last_seen_at, now()),
            group.state.replace("_", " "),
        ]
        for group in found.groups
    ]
    if rows:
        lines.append(table(["FINGERPRINT", "COUNT", "ERROR", "MESSAGE", "LAST SEEN", "STATE"], rows, width=width()))
    if found.scanned_to is not None:
        lines.append(f"Failures of runs created before {found.scanned_to} are still being recorded: ask again.")
    return "\n".join(lines)


def headline(group: ErrorGroupView) -> str:
    """Return an error's type and step, ``GatewayTimeout · charge``."""
    name = group.type.rpartition(".")[2]
    return name if group.step is None else f"{name} · {group.step}"


def group_text(group: ErrorGroupView) -> str:
    """Return one error as facts."""
    return facts(facts_of(group), width=width())


def facts_of(group: ErrorGroupView) -> list[tuple[str, str]]:
    """Return what is known of an error, without its runs."""
    said = group.decision
    note = f": {plain(said.note)}" if said is not None and said.note else ""
    return [
        ("Error", f"{plain(headline(group))}: {plain(group.template)}"),
        ("Raised at", plain(group.frame or "")),
        ("Failures", f"{group.count} in this window, {group.total} in all"),
        ("First seen", group.first_seen_at),
        ("Last seen", group.last_seen_at),
        ("State", group.state.replace("_", " ")),
        ("Decided", "" if said is None else f"{said.state.replace('_', ' ')} by {plain(said.by)} at {said.at}{note}"),
    ]


def error_text(found: ErrorDetail) -> str:
    """Return an error, and what its failures share."""
    compared = f"with {found.successes} runs that completed"
    rows = [
        [plain(named(one)), brief(one.value), f"{one.share:.0%}", f"{one.other_share:.0%}", lift_text(one)]
        for one in found.shared
    ]
    runs = ", ".join(plain(run.id) for run in found.runs)
    head = facts([*facts_of(found.group), ("Compared", compared), ("Newest runs", runs)], width=width())
    shared = table(["WHAT", "VALUE", "OF THESE", "OF OTHERS", "LIFT"], rows, width=width())
    return f"{head}\n\n{shared}" if rows else head


def named(shared: SharedView) -> str:
    """Return what a value is of."""
    return shared.what if shared.key is None else f"{shared.what} {shared.key}"


def lift_text(shared: SharedView) -> str:
    """Return how much more often than elsewhere."""
    return "only here" if shared.lift is None else f"{shared.lift:g}×"
