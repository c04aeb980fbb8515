"""Spans that a workflow's body opens: exported once where that can be known, and with the same id where it cannot.

A run that was cancelled and resumed executes its body again from the beginning, as after a crash; crashes by
``kill -9`` are in ``test_replay_kills``.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from dbos import DBOS, SetWorkflowID
from dbos._error import DBOSAwaitedWorkflowCancelledError
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import Tracer

from otel_bridge import DBOSInstrumentor, DurableIdGenerator, SkipReplayed, replaying
from otel_bridge.instrumentation import bodies, engine
from otel_bridge.instrumentation.guard import Guard

from .conftest import Tracing, in_body

Instrument = Callable[..., DBOSInstrumentor]
MARK = "durable.replayed"


def spans(tracing: Tracing, name: str) -> list[ReadableSpan]:
    """Return the spans of that name, in the order of their ends."""
    return [span for span in tracing.exporter.get_finished_spans() if span.name == name]


def names(tracing: Tracing) -> Counter[str]:
    """Count what was exported by name."""
    return Counter(span.name for span in tracing.exporter.get_finished_spans())


def identity(span: ReadableSpan) -> tuple[int, int]:
    """Return a span's trace id and span id."""
    assert span.context is not None
    return span.context.trace_id, span.context.span_id


def parent_of(span: ReadableSpan) -> tuple[int, int]:
    """Return its parent's."""
    assert span.parent is not None
    return span.parent.trace_id, span.parent.span_id


def ready(worker: Instrument, tracing: Tracing, **options: Any) -> Tracer:
    """Instrument with this provider; return a tracer as user code takes it then."""
    worker(tracer_provider=tracing.provider, **options)
    return tracing.provider.get_tracer("agent")


def interrupted_and_resumed(run_id: str, run: Callable[[], Any]) -> Any:
    """Execute ``run``, which is cancelled on its way, and once more to the end."""
    with SetWorkflowID(run_id), pytest.raises(DBOSAwaitedWorkflowCancelledError):
        run()
    return DBOS.resume_workflow(run_id).get_result()


def stopping_at(seq: int) -> Callable[[int], int]:
    """Return a step whose ``seq``-th row is the last before its run is cancelled, once; its return ends nothing yet."""
    executed: list[tuple[str | None, int | None]] = []

    @DBOS.step()
    def call(tokens: int) -> int:
        executed.append((DBOS.workflow_id, DBOS.step_id))
        return tokens

    def llm(tokens: int) -> int:
        before = len(executed)
        call(tokens)
        if len(executed) > before and executed[-1][1] == seq:  # by a thread, whose call is not a step of the workflow
            canceller = threading.Thread(target=DBOS.cancel_workflow, args=(executed[-1][0],))
            canceller.start()
            canceller.join()
        return tokens

    return llm


def test_a_replayed_body_exports_again_only_what_may_not_be_out(worker: Instrument, tracing: Tracing) -> None:
    """What ended before the last recorded step began is not sent again; what it stood in has the same id and a mark."""
    tracer = ready(worker, tracing)
    llm = stopping_at(3)

    @DBOS.workflow()
    def agent() -> str:
        for i in range(5):
            with tracer.start_as_current_span(f"chat {i}") as span:
                span.set_attribute("tokens", llm(i))
            with tracer.start_as_current_span(f"parse {i}"):
                pass
        return "done"

    DBOS.launch()
    assert interrupted_and_resumed("r", agent) == "done"
    twice = {"chat 2", "parse 2", "chat 3"}  # step 3 is the last that is recorded; "chat 3" was open when it stopped
    assert names(tracing) == {
        f"{kind} {i}": 1 + (f"{kind} {i}" in twice) for kind in ("chat", "parse") for i in range(5)
    }
    for name in twice:
        first, second = spans(tracing, name)
        assert identity(first) == identity(second)
        assert MARK not in (first.attributes or {})
        assert (second.attributes or {})[MARK] is True
    assert {span.name for span in tracing.exporter.get_finished_spans() if MARK in (span.attributes or {})} == twice
    trace_id, root_id = in_body("r")
    assert parent_of(spans(tracing, "chat 4")[0]) == (int.from_bytes(trace_id, "big"), int.from_bytes(root_id, "big"))


def test_a_span_around_the_whole_body_is_exported_although_it_began_among_recorded_steps(
    worker: Instrument, tracing: Tracing
) -> None:
    """It ends after them; its children have its id as their parent, whichever execution sent them."""
    tracer = ready(worker, tracing)
    llm = stopping_at(2)

    @DBOS.workflow()
    def agent() -> None:
        with tracer.start_as_current_span("invoke_agent"):
            for i in range(4):
                with tracer.start_as_current_span(f"chat {i}"):
                    llm(i)

    DBOS.launch()
    interrupted_and_resumed("r", agent)
    around = {identity(span) for span in spans(tracing, "invoke_agent")}
    assert len(around) == 1
    chats = [span for span in tracing.exporter.get_finished_spans() if span.name.startswith("chat")]
    assert {parent_of(span) for span in chats} == around
    assert len({(span.name, identity(span)) for span in chats}) == 4
    assert len(spans(tracing, "chat 0")) == 1


def test_concurrent_branches_keep_their_ids(worker: Instrument, tracing: Tracing) -> None:
    """Branches of ``asyncio.gather`` end in any order; what one opens after its step has the id of its own place."""
    tracer = ready(worker, tracing)
    llm = stopping_at(4)
    order = [2, 0, 1]  # in which the branches end the first time; then the engine answers from its record
    ended: list[int] = []

    @DBOS.step()
    async def tool(i: int) -> int:
        while len(ended) < order[i]:
            await asyncio.sleep(0)
        ended.append(i)
        return i

    @DBOS.workflow()
    async def agent() -> None:
        async def branch(i: int) -> None:
            with tracer.start_as_current_span(f"execute_tool {i}"):
                await tool(i)
                with tracer.start_as_current_span(f"parse {i}"):
                    pass

        await asyncio.gather(*(branch(i) for i in range(3)))
        with tracer.start_as_current_span("chat"):
            await asyncio.to_thread(lambda: None)
        await asyncio.to_thread(llm, 1)
        with tracer.start_as_current_span("after"):
            await tool(0)

    async def main() -> None:
        with SetWorkflowID("r"), pytest.raises(DBOSAwaitedWorkflowCancelledError):
            await agent()

    DBOS.launch()
    asyncio.run(main())
    DBOS.resume_workflow("r").get_result()
    ids = {(span.name, identity(span)) for span in tracing.exporter.get_finished_spans()}
    assert Counter(name for name, _ in ids) == dict.fromkeys(
        [*(f"{kind} {i}" for kind in ("execute_tool", "parse") for i in range(3)), "chat", "after"], 1
    )
    assert len({place for _, place in ids}) == len(ids)


def test_a_trace_that_a_body_begins_apart_has_the_same_id_too(worker: Instrument, tracing: Tracing) -> None:
    """A span without a parent, of a library that asks for none."""
    tracer = ready(worker, tracing)
    llm = stopping_at(1)

    @DBOS.workflow()
    def agent() -> None:
        llm(1)
        with tracer.start_as_current_span("apart", context=Context()):
            pass
        with tracer.start_as_current_span("apart too", context=Context()):
            pass
        llm(2)

    DBOS.launch()
    interrupted_and_resumed("r", agent)
    assert names(tracing) == {"apart": 2, "apart too": 2}
    assert len({identity(span) for span in spans(tracing, "apart")}) == 1
    assert len({identity(span) for span in tracing.exporter.get_finished_spans()}) == 2


def test_spans_inside_steps_and_outside_of_workflows_have_the_ids_of_the_providers_own_generator(
    worker: Instrument, tracing: Tracing
) -> None:
    """A step that is executed twice did its work twice: its spans are two."""
    tracer = ready(worker, tracing)
    executed: list[int] = []

    @DBOS.step(retries_allowed=True, interval_seconds=0.01, max_attempts=2)
    def call() -> None:
        with tracer.start_as_current_span("POST"):
            executed.append(1)
        if len(executed) == 1:
            raise ValueError("again")

    @DBOS.workflow()
    def agent() -> None:
        call()

    DBOS.launch()
    agent()
    for _ in range(2):
        with tracer.start_as_current_span("outside"):
            assert not replaying()
    assert len({identity(span) for span in spans(tracing, "POST")}) == 2
    assert len({identity(span) for span in spans(tracing, "outside")}) == 2


def test_code_can_ask_whether_it_repeats_and_logs_need_not_come_again(worker: Instrument, tracing: Tracing) -> None:
    """True before the last recorded step, in the body alone; never in a first execution."""
    ready(worker, tracing)
    llm = stopping_at(2)
    heard: list[tuple[str, bool]] = []
    records: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record.getMessage())

    handler, logger = Kept(), logging.getLogger("tests.replay")
    handler.addFilter(SkipReplayed())
    logger.addHandler(handler)

    @DBOS.workflow()
    def agent() -> None:
        for i in range(3):
            heard.append((f"before {i}", replaying()))
            logger.warning("before %s", i)
            llm(i)

    DBOS.launch()
    try:
        interrupted_and_resumed("r", agent)
    finally:
        logger.removeHandler(handler)
    first = [("before 0", False), ("before 1", False), ("before 2", False)]
    assert heard == [*first, ("before 0", True), ("before 1", True), ("before 2", False)]
    assert records == ["before 0", "before 1", "before 2", "before 2"]


def test_a_fork_does_not_send_what_its_copied_steps_stood_in(worker: Instrument, tracing: Tracing) -> None:
    """The original has sent that, in its own trace: the calls were made once."""
    tracer = ready(worker, tracing)

    @DBOS.step()
    def llm(i: int) -> int:
        return i

    @DBOS.workflow()
    def agent() -> None:
        for i in range(3):
            with tracer.start_as_current_span(f"chat {i}"):
                llm(i)

    DBOS.launch()
    with SetWorkflowID("r"):
        agent()
    DBOS.fork_workflow("r", 3).get_result()
    assert names(tracing) == {"chat 0": 1, "chat 1": 2, "chat 2": 2}
    assert [MARK in (span.attributes or {}) for span in spans(tracing, "chat 1")] == [False, True]


def test_a_first_execution_reads_once_and_one_without_spans_in_its_body_not_at_all(
    worker: Instrument, tracing: Tracing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a run pays that was never interrupted."""
    tracer = ready(worker, tracing)
    read: list[str] = []
    found = engine.recorded_history
    monkeypatch.setattr(engine, "recorded_history", lambda run_id: read.append(run_id) or found(run_id))  # type: ignore[func-returns-value]

    @DBOS.step()
    def llm() -> None:
        with tracer.start_as_current_span("POST"):
            pass

    @DBOS.workflow()
    def agent(spans: int) -> None:
        for _ in range(spans):
            with tracer.start_as_current_span("chat"):
                llm()
        llm()

    DBOS.launch()
    for count in (0, 3):
        with SetWorkflowID(f"r-{count}"):
            agent(count)
    assert read == ["r-3"]
    assert not any(MARK in (span.attributes or {}) for span in tracing.exporter.get_finished_spans())


def test_a_database_that_cannot_be_read_leaves_spans_as_they_are(
    worker: Instrument, tracing: Tracing, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Telemetry never breaks a workflow, and asks a broken database once."""
    tracer = ready(worker, tracing)
    asked: list[str] = []

    def broken(run_id: str) -> tuple[int, int]:
        asked.append(run_id)
        raise OSError("gone")

    monkeypatch.setattr(engine, "recorded_history", broken)
    monkeypatch.setattr(bodies, "guard", Guard())

    @DBOS.workflow()
    def agent() -> str:
        for _ in range(2):
            with tracer.start_as_current_span("chat"):
                assert not replaying()
        return "done"

    DBOS.launch()
    with SetWorkflowID("r"):
        assert agent() == "done"
    assert names(tracing) == {"chat": 2}
    assert asked == ["r"]


def test_the_sampler_of_the_provider_decides_as_ever(worker: Instrument) -> None:
    """A span that it drops is dropped; nothing here depends on whether it honours its parent."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=ParentBased(ALWAYS_OFF, remote_parent_sampled=ALWAYS_OFF), shutdown_on_exit=False)
    worker(tracer_provider=provider)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("agent")

    @DBOS.workflow()
    def agent() -> None:
        with tracer.start_as_current_span("chat") as span:
            assert not span.is_recording()

    DBOS.launch()
    agent()
    provider.shutdown()
    assert exporter.get_finished_spans() == ()


def test_what_a_body_has_ended_is_flushed_before_its_next_step_where_that_is_wanted(worker: Instrument) -> None:
    """With a batch processor a recorded step then says that the spans before it are out."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(id_generator=DurableIdGenerator(), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=3_600_000))
    worker(tracer_provider=provider, flush_before_steps=True)
    tracer = provider.get_tracer("agent")
    seen: list[list[str]] = []

    @DBOS.step()
    def llm() -> None:
        seen.append([span.name for span in exporter.get_finished_spans()])

    @DBOS.workflow()
    def agent() -> None:
        for i in range(3):
            with tracer.start_as_current_span(f"chat {i}"):
                llm()

    DBOS.launch()
    agent()
    assert seen == [[], ["chat 0"], ["chat 0", "chat 1"]]
    provider.shutdown()


def test_it_can_be_switched_off(worker: Instrument, tracing: Tracing) -> None:
    """Then a provider is left as it is."""
    before = tracing.provider.id_generator
    ready(worker, tracing, replay_safe=False)
    assert tracing.provider.id_generator is before


def test_preparing_a_provider_twice_changes_nothing_the_second_time(instrument: Instrument, tracing: Tracing) -> None:
    """Instrumenting again, after uninstrumenting or not."""
    instrument(tracer_provider=tracing.provider).uninstrument()
    generator = tracing.provider.id_generator
    assert isinstance(generator, DurableIdGenerator)
    instrument(tracer_provider=tracing.provider)
    assert tracing.provider.id_generator is generator
    processors = tracing.provider._active_span_processor._span_processors
    assert len(processors) == 2
