"""One run and everything about it, read from the store and the ledger in a fixed number of reads."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard.errors import NotFound
from dashboard.read import payloads
from dashboard.read.attempt_logs import attempt_log, stack_for, with_stack
from dashboard.read.every_step import counted
from dashboard.read.links import trace_link
from dashboard.read.loading import exported_of, history, load
from dashboard.read.outline import parallel_groups
from dashboard.read.services import Services
from dashboard.read.timeline import WHOLE_RUN, Page, Part, timeline
from dashboard.wire.convert import attempt_view, run_fields, step_view
from dashboard.wire.runs import AttemptView, ErrorView, Lineage, RunDetail, RunRow, RunView, StepView
from dashboard.wire.sizes import ANSWER_BYTES, size_of, within
from otel_bridge.codec import PREVIEW, WHOLE, Codec
from otel_bridge.model.runs import Run, RunQuery
from otel_bridge.model.status import UNSUCCESSFUL_STATUSES
from otel_bridge.model.values import ERROR_CAP_BYTES, PayloadName, PublishedEvent, StoredValue
from otel_bridge.runs.attempts import Attempt
from otel_bridge.runs.overlay import overlay_error
from otel_bridge.spans import ids

REACH = 500
"""So many steps before and behind one are looked at for what ran beside it."""
LEAST_STEP_BYTES = 200
"""No step's JSON is shorter: so many rows at most are read for one answer."""
FORKS_SHOWN = 100
RELATED_BYTES = 40_000
"""Of an answer, for the run's forks, and as much for its attempts."""
CHILDREN_BYTES = 60_000
"""Kept free for the run's children; where steps leave more, they have that."""


def run_view(services: Services, run: Run, *, codec: Codec) -> RunView:
    """Return a run with its payloads, cut to the settings' cap; ``codec`` is the viewer's."""
    settings = services.settings

    def stored(name: PayloadName) -> StoredValue | None:
        return payloads.whole_enough(
            codec, lambda cap: services.store.get_payload(run.id, name, cap_bytes=cap), settings.payload_cap_bytes
        )

    def shown(name: PayloadName) -> payloads.Shown | None:
        value = stored(name)
        return None if value is None else payloads.preview(value, what=name, codec=codec)

    facts = services.failure_facts([run])
    fields = run_fields(
        overlay_error(run, facts.failures.get(run.id)),
        seen=services.presence(),
        codec=settings.codec,
        namespace=settings.namespace,
        dealt_with=facts.dealt_with(run),
    )
    fields["error"] = stack_for(services, run.id, _error_view(services, run, fields["error"], codec=codec), codec=codec)
    fields["allowed"] = [action for action in fields["allowed"] if services.allows(action, run)]
    root = ids.root_span_id(run.id, namespace=settings.namespace).hex()
    link = trace_link(services.trace_template, trace_id=fields["trace_id"], span_id=root, run_id=run.id)
    return RunView(
        **fields,
        **payloads.collect(input=shown("input"), output=shown("output")),
        trace_url=link,
    )


def _error_view(services: Services, run: Run, listed: ErrorView | None, *, codec: Codec) -> ErrorView | None:
    """Return a run's error whole, with what the list says of it."""
    stored = services.store.get_payload(run.id, "error", cap_bytes=ERROR_CAP_BYTES)
    if stored is None:
        return listed
    shown = payloads.preview_error(stored, codec=codec)
    return (
        shown if listed is None else shown.model_copy(update={"step": listed.step, "fingerprint": listed.fingerprint})
    )


def lineage(services: Services, run: Run) -> Lineage:
    """Return where a run came from and what became of it."""
    related = {
        "parent": run.parent_id,
        "forked_from": run.forked_from,
        "dead_run": run.dead_run_id,
        "dead_letter": run.dead_letter_id,
        "undo": run.undo_id,
        "undoes": run.undoes_id,
    }
    wanted = sorted({run_id for run_id in related.values() if run_id is not None})
    found = services.store.get_runs(wanted) if wanted else {}
    listed = {row.id: row for row in services.rows(list(found.values()))}
    rows = {name: listed[run_id] for name, run_id in related.items() if run_id in found}
    forks = services.store.forks(run.id)
    shown = within(services.rows(forks[:FORKS_SHOWN]), RELATED_BYTES)
    return Lineage(forks=shown, forks_cut=len(shown) < len(forks) or None, **rows)


def _children(services: Services, run_id: str, page: Page, *, limit: int) -> tuple[list[RunRow], int]:
    """Return the rows of children, oldest first, and how many there are.

    Of a folded run with too many: those that went wrong, and those of the steps that are shown.
    """
    children = services.store.children(run_id, limit=limit + 1)
    total = len(children)
    if total > limit:
        counts = services.store.facets(RunQuery(parent_id=run_id), exact=True)
        total = max(total, sum(facet.count for facet in counts))
        children = children[:limit]
    if total > limit and page.folds is not None:
        query = RunQuery(parent_id=run_id, statuses=UNSUCCESSFUL_STATUSES, limit=limit)
        by_id = {run.id: run for run in services.runs.page(query).runs}
        shown = [step.child_run_id for step in page.steps if step.child_run_id is not None]
        by_id |= services.store.get_runs(shown[: limit - len(by_id)])
        children = sorted(by_id.values(), key=lambda run: (run.created_at_ms, run.id))
    return services.rows(children), total


def run_detail(services: Services, run_id: str, *, codec: Codec, part: Part = WHOLE_RUN) -> RunDetail:
    """Return a run, its timeline, its children and its relatives.

    Args:
        codec: the viewer's: see ``Services.codec_for``.

    Raises:
        NotFound: there is no such run.
    """
    in_part = not part.fold and not part.text
    rows = min(part.limit, ANSWER_BYTES // LEAST_STEP_BYTES)
    loaded = load(services, run_id, start=part.start, limit=rows if in_part else None)
    run, relatives = run_view(services, loaded.run, codec=codec), lineage(services, loaded.run)
    past = _attempt_views(history(services, loaded), codec=codec)
    left = ANSWER_BYTES - size_of(run) - size_of(relatives) - sum(map(size_of, past))
    page = timeline(services, loaded, part, most_bytes=left - CHILDREN_BYTES)
    left -= sum(map(size_of, page.steps)) + sum(map(size_of, page.folds or ()))
    children, children_total = _children(services, run_id, page, limit=part.children)
    children = within(children, left, extra=lambda row: len(row.id) + 3)
    return RunDetail(
        run=run,
        timeline=page.steps,
        compensations_total=page.compensations_total,
        next_step=page.next_seq,
        folds=page.folds,
        steps_total=len(loaded.steps) if loaded.is_whole else counted(services, loaded.run, loaded.reported),
        children=[child.id for child in children],
        children_total=children_total,
        child_runs=children,
        lineage=relatives,
        attempts=past,
    )


def _attempt_views(found: Sequence[Attempt], *, codec: Codec) -> list[AttemptView]:
    def show_error(stored: StoredValue | None) -> ErrorView | None:
        return None if stored is None else payloads.show_error(stored, codec=codec, stack=False)

    return _fitting([attempt_view(attempt, is_last=attempt is found[-1], show_error=show_error) for attempt in found])


def _fitting(found: list[AttemptView]) -> list[AttemptView]:
    """Return attempts as far as there is room for them: the last ones whole, of the others fewer steps, then none."""
    left, shown = RELATED_BYTES, list[AttemptView]()
    for attempt in reversed(found):
        left -= size_of(attempt.model_copy(update={"steps": None}))
        if left < 0 and shown:
            break
        steps = within(attempt.steps or (), left)
        left -= sum(map(size_of, steps))
        total = attempt.steps_total or len(attempt.steps or ())
        cut = {"steps": steps, "steps_total": total} if len(steps) < total else {}
        shown.append(attempt.model_copy(update=cut))
    return shown[::-1]


def step_detail(services: Services, run_id: str, seq: int, *, codec: Codec, full: bool = False) -> StepView:
    """Return one step with its payloads, whole or cut to the settings' cap; a remote one with its child's input.

    Args:
        codec: the viewer's: see ``Services.codec_for``.

    Raises:
        NotFound: there is no such run or step.
    """
    settings = services.settings
    loaded = load(services, run_id, start=None if seq <= REACH else seq - REACH, limit=2 * REACH)
    pairs = [*((step, step) for step in loaded.steps), *((source or shown, shown) for source, shown in loaded.undo)]
    found = next((pair for pair in pairs if pair[1].seq == seq), None)
    if found is None:
        raise NotFound(f"Run {run_id[:200]!r} has no step {seq}. It may not have begun, or it was folded into another.")
    source, shown = found
    cap_bytes, limits = (None, WHOLE) if full else (settings.payload_cap_bytes, PREVIEW)
    store, child_id = services.store, source.child_run_id
    stored = store.get_step(source.run_id, source.seq, cap_bytes=cap_bytes)
    error = source.error or store.get_step_errors(source.run_id, [source.error_seq]).get(source.error_seq)

    def read_output(cap: int | None) -> StoredValue | None:
        found = stored if cap == cap_bytes else store.get_step(source.run_id, source.seq, cap_bytes=cap)
        return found.output if found is not None else None

    def read_input(cap: int | None) -> StoredValue | None:
        return None if child_id is None else store.get_payload(child_id, "input", cap_bytes=cap)

    output = payloads.whole_enough(codec, read_output, cap_bytes)
    step_input = payloads.whole_enough(codec, read_input, cap_bytes)

    def show(value: StoredValue | None, what: payloads.What) -> payloads.Shown | None:
        if value is not None and what == "step" and source.key is not None:
            event = PublishedEvent(source.run_id, source.key, value)  # its key names it, as it does on its own route
            return payloads.show_published(event, codec=codec, limits=limits)
        return None if value is None else payloads.show(value, what=what, codec=codec, limits=limits)

    log = attempt_log(services, loaded.run, source, codec=codec)
    return step_view(
        shown._replace(output=None, error=None),
        namespace=settings.namespace,
        exported=exported_of(services, [source.run_id]).get(source.run_id),
        source=(source.run_id, source.seq),
        parallel_group=parallel_groups(loaded.steps).get(seq),
        error=with_stack(None if error is None else payloads.show_error(error, codec=codec), log),
        attempt_log=log,
        **payloads.collect(input=show(step_input, "input"), output=show(output, "step")),
    )
