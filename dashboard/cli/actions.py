"""``durable retry``, ``cancel``, ``undo``, ``continue``, ``wake``, ``redispatch``: actions on named runs."""

from __future__ import annotations

import click

from dashboard.cli.options import as_json, runs_argument
from dashboard.cli.session import CliSession, connected, width
from dashboard.cli.text import acted_text, brief, coloured, plain, table
from dashboard.wire.actions import ActionAnswer, RedispatchAnswer, UndoView
from dashboard.wire.base import Json


def answer_text(answer: ActionAnswer) -> str:
    """Return what became of a run."""
    return acted_text(answer, answer.notes)


@click.command()
@runs_argument
@click.option("--queue", help="Put them on this queue.")
@connected()
def retry(session: CliSession, *, run_ids: tuple[str, ...], queue: str | None) -> None:
    """Retry runs from the step that failed, under the same id."""
    session.act(run_ids, lambda run_id: session.client.retry(run_id, queue=queue), answer_text)


@click.command()
@runs_argument
@click.option("--children", is_flag=True, help="And the runs that they started.")
@click.option("--undo", is_flag=True, help="And undo what they did.")
@connected()
def cancel(session: CliSession, *, run_ids: tuple[str, ...], children: bool, undo: bool) -> None:
    """Cancel runs."""
    act = session.client.cancel
    session.act(run_ids, lambda run_id: act(run_id, compensate=undo, children=children), answer_text)


@click.command()
@runs_argument
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be undone, in which order.")
@connected()
def undo(session: CliSession, *, run_ids: tuple[str, ...], dry_run: bool) -> None:
    """Cancel runs and undo what they did, in reverse."""
    if dry_run:
        session.act(run_ids, session.client.undo, undo_text)
    else:
        session.act(run_ids, lambda run_id: session.client.cancel(run_id, compensate=True), answer_text)


def undo_text(plan: UndoView) -> str:
    """Return what an undo would do, does or did."""
    run_id = plain(plan.run_id)
    notes = "".join(f"\n{plain(note)}" for note in plan.notes or ())
    if not plan.compensations:
        why = "" if notes else ": no step that ran declares a compensation"
        return f"{run_id}: nothing to undo{why}.{notes}"
    head = "would undo, in this order" if plan.possible else "cannot be undone"
    if plan.undo_id:
        head = f"undo {coloured(plan.status or '')}"
    rows = [
        [
            str(item.seq),
            plain(item.step),
            plain(item.undo or ""),
            coloured(item.status) if item.status else "maybe done" if item.maybe else "",
            brief(item.output),
        ]
        for item in plan.compensations
    ]
    steps = table(["SEQ", "STEP", "UNDO", "STATE", "STEP RETURNED"], rows, width=width())
    return f"{run_id}: {head}\n{steps}{notes}"


@click.command("continue")
@runs_argument
@click.option("--comment", default="", help="Handed to the workflow, and kept in the audit log.")
@click.option("--payload", callback=as_json, help="Handed to the workflow: JSON, @FILE, or - for standard input.")
@connected()
def continue_(session: CliSession, *, run_ids: tuple[str, ...], comment: str, payload: Json) -> None:
    """Release runs from their breakpoint."""
    client = session.client
    session.act(run_ids, lambda run_id: client.continue_run(run_id, comment=comment, payload=payload), answer_text)


@click.command()
@runs_argument
@click.option("--comment", default="", help="Handed to the workflow, and kept in the audit log.")
@connected()
def wake(session: CliSession, *, run_ids: tuple[str, ...], comment: str) -> None:
    """Wake runs from dashboard.workflow.sleep()."""
    session.act(run_ids, lambda run_id: session.client.wake_run(run_id, comment=comment), answer_text)


@click.command()
@runs_argument
@click.option("--force", is_flag=True, help="Their worker is gone, although nothing reports so.")
@connected()
def redispatch(session: CliSession, *, run_ids: tuple[str, ...], force: bool) -> None:
    """Put runs back on their queue that a lost worker held."""
    session.act(run_ids, lambda run_id: session.client.redispatch(run_id, force=force), redispatched_text)


def redispatched_text(answer: RedispatchAnswer) -> str:
    """Return whether a run was put back."""
    return f"{plain(answer.run_id)}: {coloured(answer.status)}{'' if answer.redispatched else ', nothing to do'}"
