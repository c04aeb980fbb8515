"""Spans out of runs and steps. Pure: no clock, database or network; a second pass yields the same spans.

Span kinds: a run that was handed over by a queue is CONSUMER and the step that put it there PRODUCER, for another
process may pick it up, later; everything else happens inside the application: INTERNAL.
Source: https://opentelemetry.io/docs/specs/otel/trace/api/#spankind
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from otel_bridge.model.moments import iso
from otel_bridge.model.runs import Run
from otel_bridge.model.steps import Step
from otel_bridge.spans import ids, semconv
from otel_bridge.spans.exceptions import MAX_MESSAGE_CHARS, exception_event
from otel_bridge.spans.lives import (
    INTERNAL_QUEUE_PREFIX,
    DueStep,
    Life,
    ended_at_ms,
    first_enqueued_ms,
    is_another_run,
    queue_wait_ms,
)
from otel_bridge.spans.model import (
    NS_PER_MS,
    AttributeValue,
    SpanData,
    SpanError,
    SpanEvent,
    SpanKind,
    SpanLink,
    SpanSettings,
)
from otel_bridge.spans.times import last_end_ms, step_times, within_retry
from otel_bridge.spans.traces import Relatives, Traces, caller_context

Attributes = dict[str, AttributeValue]
OUTCOME_NAME = "run"
"""Name of the span that says how an anchored life went."""


class RunSpans:
    """Builds the spans of one run in one life."""

    def __init__(self, run: Run, life: Life, relatives: Relatives, settings: SpanSettings) -> None:
        self._run, self._life, self._settings = run, life, settings
        self._relatives = relatives
        self._traces = Traces(settings, relatives, run)
        self._instance = run.executor if settings.service_instances else None
        self._trace_id = self._traces.trace_id(run.id)
        self._life_id = self._traces.life_id(run.id, life.facts.generation)
        self._common: Attributes = {semconv.RUN_ID: run.id, semconv.WORKFLOW_NAME: run.workflow}
        url = self._traces.url(run.id)
        if url is not None:
            self._common[semconv.RUN_URL] = url

    def own_trace(self) -> str | None:
        """Return the trace id (32 hex digits) when the trace is the run's own, and not another's that it is part of."""
        return self._trace_id.hex() if self._traces.owner(self._run.id) == self._run.id else None

    # -- steps ------------------------------------------------------------------------------------------------

    def step(self, due: DueStep, error: SpanError | None) -> SpanData:
        """Return the span of one step."""
        step, ended_ms = due.step, last_end_ms(due)
        start_ns, end_ns = step_times(due, created_ms=self._run.created_at_ms)
        attributes: Attributes = {
            **self._common,
            semconv.STEP_SEQ: step.seq,
            semconv.STEP_NAME: step.name,
            semconv.STEP_KIND: step.kind,
            semconv.STEP_STATUS: step.status if not due.unfinished else "running",
        }
        generation = self._life.facts.generation
        if generation:
            attributes[semconv.RUN_GENERATION] = generation
        if error is not None:
            attributes[semconv.ERROR_TYPE] = error.type
        if due.unfinished:
            attributes[semconv.STEP_UNFINISHED] = True
        if step.housekeeping:
            attributes[semconv.STEP_HOUSEKEEPING] = True
        if due.folded:
            attributes[semconv.STEP_COUNT] = 1 + len(due.folded)
        if step.key is not None:
            attributes[semconv.STEP_KEY] = step.key
        if step.kind != "local":
            _set(attributes, semconv.WAIT_ON, step.waits_on)
            _set(attributes, semconv.QUEUE_NAME, step.worker_group)
            _set(attributes, semconv.QUEUE_WAIT_MS, step.queue_ms)
            _set(attributes, semconv.CHILD_RUN_ID, step.child_run_id)
            if step.collected_at_ms is not None and step.collected_at_ms > ended_ms:
                attributes[semconv.STEP_COLLECT_MS] = step.collected_at_ms - ended_ms
        if step.compensates is not None:
            attributes[semconv.STEP_COMPENSATES] = step.compensates
        return SpanData(
            self._trace_id,
            self._traces.step_id(self._run.id, step.seq, generation),
            self._life_id,
            step.name,
            SpanKind.PRODUCER if step.kind == "remote" and step.worker_group else SpanKind.INTERNAL,
            start_ns,
            end_ns,
            attributes,
            self._exception_events(error, end_ns),
            self._step_links(step, due.again),
            error.message[:MAX_MESSAGE_CHARS] if error is not None else None,
            self._run.id,
            step.seq,
            self._run.namespace,
            instance=self._instance,
        )

    def step_bounds(self, due: DueStep) -> tuple[int, int]:
        """Return within what times the span of one step lies, in nanoseconds, as far as they are of this life."""
        bounds = step_times(due, created_ms=self._run.created_at_ms)
        return within_retry(due, bounds, self._life_start_ms()) if self._is_retry else bounds

    def _step_links(self, step: Step, again: int | None) -> tuple[SpanLink, ...]:
        if again is None and step.child_run_id is None and step.compensates is None:
            return ()
        links = []
        if again is not None:
            links.append(self._link("previous_execution", self._run.id, self._step_id(step.seq, again)))
        if step.child_run_id is not None:
            links.append(self._link("child", step.child_run_id, self._traces.root_id(step.child_run_id)))
        undone = self._run.undoes_id
        if step.compensates is not None and undone is not None:
            original = self._relatives.exports.get(undone)
            known = original.steps.get(step.compensates) if original is not None else None
            compensated = self._traces.step_id(undone, step.compensates, known[1] if known else 0)
            links.append(self._link("compensates", undone, compensated))
        return tuple(links)

    def _step_id(self, seq: int, generation: int) -> bytes:
        return self._traces.step_id(self._run.id, seq, generation)

    # -- the run --------------------------------------------------------------------------------------------------

    def life(self, within: Iterable[tuple[int, int]]) -> SpanData:
        """Return the span of the run's present life: its root, or ``retry N``; wide enough for the times ``within``."""
        start_ns, end_ns = self._life_times(within)
        parent_id, is_remote = self._life_parent()
        return self._span(
            span_id=self._life_id,
            parent_id=parent_id,
            name=self._life_name(),
            kind=self._life_kind(),
            start_ns=start_ns,
            end_ns=end_ns,
            attributes=self._run_attributes(),
            events=tuple(self._recovery_events(end_ns)),
            links=(*self._life_links(), *self._dead_letter_links()),
            error=self._run_error(),
            parent_is_remote=is_remote,
        )

    def anchor(self) -> SpanData:
        """Return the beginning of the present life as a span without length: the parent of everything in it.

        It says what is known from the beginning; how the life went is said by its ``outcome``.
        """
        parent_id, is_remote = self._life_parent()
        start_ns = self._life_start_ms() * NS_PER_MS
        return self._span(
            span_id=self._life_id,
            parent_id=parent_id,
            name=self._life_name(),
            kind=self._life_kind(),
            start_ns=start_ns,
            end_ns=start_ns,
            attributes=self._lasting_attributes(),
            links=tuple(self._life_links()),
            parent_is_remote=is_remote,
        )

    def outcome(self, within: Iterable[tuple[int, int]]) -> SpanData:
        """Return how an anchored life went, and for how long: a child of its anchor."""
        start_ns, end_ns = self._life_times(within)
        return self._span(
            span_id=self._traces.outcome_id(self._run.id, self._life.facts.generation),
            parent_id=self._life_id,
            name=OUTCOME_NAME,
            kind=SpanKind.INTERNAL,
            start_ns=start_ns,
            end_ns=end_ns,
            attributes=self._run_attributes(),
            events=tuple(self._recovery_events(end_ns)),
            links=tuple(self._dead_letter_links()),
            error=self._run_error(),
        )

    def _life_times(self, within: Iterable[tuple[int, int]]) -> tuple[int, int]:
        end_ms = self._life.end_ms if self._life.end_ms is not None else ended_at_ms(self._run)
        start_ns, end_ns = min(self._life_start_ms(), end_ms) * NS_PER_MS, end_ms * NS_PER_MS
        for first_ns, last_ns in within:
            start_ns, end_ns = min(start_ns, first_ns), max(end_ns, last_ns)
        return start_ns, end_ns

    def _life_name(self) -> str:
        return f"retry {self._life.facts.generation}" if self._is_retry else self._run.workflow

    @property
    def _is_retry(self) -> bool:
        """True of a later life of the same run; one of another run under the same id has a root of its own."""
        return self._life.facts.generation > 0 and not is_another_run(self._life.facts)

    def _life_kind(self) -> SpanKind:
        return SpanKind.CONSUMER if self._queue() else SpanKind.INTERNAL

    def queue_wait(self) -> SpanData | None:
        """Return the span of the time that the run waited on its queue, if it did."""
        wait_ms, queue = self._queue_wait_ms(), self._queue()
        if wait_ms is None or queue is None:
            return None
        start_ns = first_enqueued_ms(self._run) * NS_PER_MS
        return self._span(
            span_id=ids.queue_span_id(
                self._run.id, generation=self._life.facts.generation, namespace=self._settings.namespace
            ),
            parent_id=self._life_id,
            name=f"queue {queue}",
            kind=SpanKind.INTERNAL,
            start_ns=start_ns,
            end_ns=start_ns + wait_ms * NS_PER_MS,
            attributes={**self._common, semconv.QUEUE_NAME: queue, semconv.QUEUE_WAIT_MS: wait_ms},
        )

    def _life_start_ms(self) -> int:
        run, facts = self._run, self._life.facts
        if not self._is_retry:
            return run.created_at_ms
        earliest = facts.ended_at_ms if facts.ended_at_ms is not None else run.created_at_ms
        begun_ms = run.started_at_ms if run.started_at_ms is not None else run.requeued_at_ms
        return earliest if begun_ms is None else max(earliest, begun_ms)

    def _life_parent(self) -> tuple[bytes | None, bool]:
        run = self._run
        if self._is_retry:
            return self._traces.root_id(run.id), False
        if run.undoes_id is not None:
            return self._traces.root_id(run.undoes_id), False
        if self._settings.children == "nest" and run.parent_id is not None and run.parent_id in self._relatives.runs:
            return self._traces.parent_step_id(run), False
        context = caller_context(run)
        if self._settings.parent == "adopt" and context is not None and self._traces.owner(run.id) == run.id:
            return context[1], True
        return None, False

    def _run_attributes(self) -> Attributes:
        run = self._run
        attributes: Attributes = {**self._common, semconv.RUN_STATUS: run.status, **self._lasting_attributes()}
        optional: Mapping[str, AttributeValue | None] = {
            semconv.RUN_TIMED_OUT: True if run.timed_out else None,
            semconv.EXECUTOR_ID: run.executor,
            semconv.QUEUE_WAIT_MS: self._queue_wait_ms(),
            semconv.RUN_RECOVERIES: self._recoveries() or None,
        }
        for name, value in optional.items():
            _set(attributes, name, value)
        return attributes

    def _lasting_attributes(self) -> Attributes:
        """Return what is true of a run from its beginning to its end."""
        run, facts = self._run, self._life.facts
        attributes: Attributes = dict(self._common)
        if facts.generation:
            attributes[semconv.RUN_GENERATION] = facts.generation
        if run.deadline_at_ms is not None:
            attributes[semconv.RUN_DEADLINE] = iso(run.deadline_at_ms)
        optional: Mapping[str, AttributeValue | None] = {
            semconv.WORKFLOW_VERSION: run.workflow_version,
            semconv.WORKFLOW_CLASS: run.class_name,
            semconv.APP_NAME: run.namespace,
            semconv.QUEUE_NAME: self._queue(),
            semconv.QUEUE_PARTITION: run.queue_partition,
            semconv.PARENT_RUN_ID: run.parent_id,
            semconv.FORKED_FROM_RUN_ID: run.forked_from,
            semconv.UNDOES_RUN_ID: run.undoes_id,
            semconv.DEAD_RUN_ID: run.dead_run_id,
            semconv.SCHEDULE_NAME: run.schedule,
        }
        for name, value in optional.items():
            _set(attributes, name, value)
        shown = self._settings.reader().show_members(run.attributes) if run.attributes else {}
        for key, given in shown.items():
            if key == "tags" and isinstance(given, (list, tuple)):
                attributes[semconv.TAGS] = tuple(str(tag) for tag in given)
            elif isinstance(given, (str, bool, int, float)) and not key.startswith(("dbos.", "durable.")):
                attributes[semconv.SEARCH_ATTRIBUTE_PREFIX + key] = given
        return attributes

    def _run_error(self) -> SpanError | None:
        if self._run.status == "failed":
            return self._relatives.error or SpanError(semconv.UNKNOWN_ERROR_TYPE, "The run failed.")
        if self._run.status == "dead":
            executions = f" after {self._run.recovery_attempts} executions" if self._run.recovery_attempts else ""
            return SpanError(semconv.DEAD_ERROR_TYPE, f"The engine gave the run up{executions}.")
        return None

    def _recoveries(self) -> int:
        return max(0, self._run.recovery_attempts - 1)

    def _recovery_events(self, end_ns: int) -> list[SpanEvent]:
        recoveries, started = self._recoveries(), self._run.started_at_ms
        if not recoveries:
            return []
        at_ns = min(started * NS_PER_MS, end_ns) if started is not None else end_ns
        return [SpanEvent(semconv.EVENT_RECOVERY, at_ns, {semconv.RUN_RECOVERIES: recoveries})]

    def _queue(self) -> str | None:
        queue = self._run.queue if is_another_run(self._life.facts) else self._life.facts.first_queue or self._run.queue
        return queue if queue and not queue.startswith(INTERNAL_QUEUE_PREFIX) else None

    def _queue_wait_ms(self) -> int | None:
        return None if self._queue() is None else queue_wait_ms(self._run, self._life.facts)

    def _life_links(self) -> list[SpanLink]:
        run, facts = self._run, self._life.facts
        links = []
        if self._is_retry:
            links.append(self._link("previous_life", run.id, self._traces.life_id(run.id, facts.generation - 1)))
            if facts.failed_step is not None and facts.failed_step[1] == facts.generation - 1:
                links.append(self._link("failed_step", run.id, self._step_id(*facts.failed_step)))
            return links
        context = caller_context(run)
        if context is not None and self._life_parent()[0] != context[1]:
            links.append(SpanLink(*context, {semconv.LINK_KIND: "caller"}))
        parent_step = self._traces.parent_step_id(run)
        if run.parent_id is not None and parent_step is not None and run.undoes_id is None:
            links.append(self._link("parent", run.parent_id, parent_step))
        for kind, other in (
            ("forked_from", run.forked_from),
            ("dead_run", run.dead_run_id),
        ):
            if other is not None:
                links.append(self._link(kind, other, self._traces.root_id(other)))
        return links

    def _dead_letter_links(self) -> list[SpanLink]:
        handler = self._run.dead_letter_id if self._run.status == "dead" else None
        if handler is None or self._is_retry:
            return []
        return [self._link("dead_letter", handler, self._traces.root_id(handler))]

    # -- shared -----------------------------------------------------------------------------------------------------

    def _link(self, kind: str, run_id: str, span_id: bytes) -> SpanLink:
        attributes: Attributes = {semconv.LINK_KIND: kind, semconv.RUN_ID: run_id}
        return SpanLink(self._traces.trace_id(run_id), span_id, attributes)

    def _span(
        self,
        *,
        span_id: bytes,
        parent_id: bytes | None,
        name: str,
        kind: SpanKind,
        start_ns: int,
        end_ns: int,
        attributes: Attributes,
        events: tuple[SpanEvent, ...] = (),
        links: tuple[SpanLink, ...] = (),
        error: SpanError | None = None,
        parent_is_remote: bool = False,
    ) -> SpanData:
        if error is not None:
            attributes[semconv.ERROR_TYPE] = error.type
            events = (*events, *self._exception_events(error, end_ns))
        return SpanData(
            self._trace_id,
            span_id,
            parent_id,
            name,
            kind,
            start_ns,
            end_ns,
            attributes,
            events,
            links,
            error.message[:MAX_MESSAGE_CHARS] if error is not None else None,
            self._run.id,
            None,
            self._run.namespace,
            parent_is_remote,
            self._instance,
        )

    def _exception_events(self, error: SpanError | None, time_ns: int) -> tuple[SpanEvent, ...]:
        return () if error is None or not self._settings.exception_events else (exception_event(error, time_ns),)


def _set(attributes: Attributes, name: str, value: AttributeValue | None) -> None:
    if value is not None:
        attributes[name] = value
