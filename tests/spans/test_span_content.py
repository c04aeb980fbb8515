"""What is in a span: times, kinds, status, attributes, links."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_bridge.errors import OpenRunError, OpenStepError
from otel_bridge.ledger.base import ExportedRun
from otel_bridge.model.runs import Run
from otel_bridge.model.values import StoredValue
from otel_bridge.spans import Relatives, SpanData, SpanError, SpanSettings, ids, plan_run, root_span, step_span
from otel_bridge.testing import make_run, make_step
from otel_bridge.testing.clock import DEFAULT_TIME_MS as T

CALLER = {"dbos.otelContext": {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}}


def root(run: Run, *steps: Any, settings: SpanSettings | None = None, **options: Any) -> SpanData:
    return plan_run(run, steps, None, settings=settings or SpanSettings(), now_ms=T + 10**7, **options).spans[-1]


def links(span: SpanData) -> dict[Any, tuple[bytes, bytes]]:
    return {link.attributes["durable.link"]: (link.trace_id, link.span_id) for link in span.links}


relaxed = settings(deadline=None, max_examples=60)


@relaxed
@given(start=st.integers(0, 10**13), length=st.integers(-(10**6), 10**6))
def test_a_clock_going_backwards_gives_a_span_of_zero_length(start: int, length: int):
    """A step never ends before it starts, whatever the clock did."""
    span = step_span(make_run(), make_step(started_at_ms=start, finished_at_ms=start + length))
    assert span.start_ns == start * 10**6
    assert span.end_ns == (start + max(0, length)) * 10**6


@relaxed
@given(skew_ms=st.integers(-30_000, 30_000))
def test_the_root_is_widened_to_cover_its_steps(skew_ms: int):
    """Engine clocks differ, and SQLite rounds run times to seconds."""
    run = make_run(status="completed", created_at_ms=T, finished_at_ms=T + 1_000)
    step = make_step(started_at_ms=T + skew_ms, finished_at_ms=T + skew_ms + 500)
    span = root(run, step)
    assert span.start_ns <= (T + skew_ms) * 10**6
    assert span.end_ns >= (T + skew_ms + 500) * 10**6


def test_the_root_covers_steps_that_were_sent_before_it():
    """Which tick sent a step makes no difference to the root."""
    step = make_step(started_at_ms=T - 5_000, finished_at_ms=T + 9_000)
    early = plan_run(make_run(), [step], None, settings=SpanSettings(), now_ms=T)
    run = make_run(status="completed", finished_at_ms=T + 10)
    late = plan_run(run, [step], early.record, settings=SpanSettings(), now_ms=T).spans[-1]
    assert late == root(run, step)
    assert late.start_ns == (T - 5_000) * 10**6


def test_a_span_cannot_be_made_of_what_is_open():
    """Asking too early is an error that says so."""
    with pytest.raises(OpenStepError, match="has not ended"):
        step_span(make_run(), make_step(status="running"))
    with pytest.raises(OpenRunError, match="is running"):
        root_span(make_run(), [])


def test_every_span_leads_to_the_run():
    """``durable.run.id`` for link templates, ``durable.run.url`` to click on."""
    settings = SpanSettings(dashboard_url="https://ops.example.com/durable/", queue_spans=True)
    run = make_run("a/b", status="completed", queue="q", started_at_ms=T + 40, finished_at_ms=T + 99)
    spans = plan_run(run, [make_step("a/b")], None, settings=settings, now_ms=T).spans
    assert len(spans) == 3
    for span in spans:
        assert span.attributes["durable.run.id"] == "a/b"
        assert span.attributes["durable.run.url"] == "https://ops.example.com/durable/runs/a%2Fb"


def test_a_failed_step_is_an_error_with_its_exception():
    """Status ERROR, ``error.type``, and the exception event at the step's end."""
    error = StoredValue('{"name": "ValueError", "message": "no such card"}', "portable_json", 60)
    span = step_span(make_run(), make_step(status="failed", error=error))
    assert span.error == "no such card"
    assert span.attributes["error.type"] == "ValueError"
    (event,) = span.events
    assert (event.name, event.time_ns) == ("exception", span.end_ns)
    assert event.attributes["exception.message"] == "no such card"


def test_a_failed_step_whose_error_is_lost_is_an_error_all_the_same():
    """``_OTHER`` is what OpenTelemetry says for an unknown type."""
    assert step_span(make_run(), make_step(status="failed")).attributes["error.type"] == "_OTHER"


def test_a_failed_run_says_why():
    """The root carries the run's own error."""
    run = make_run(status="failed", finished_at_ms=T + 5)
    span = root(run, relatives=Relatives(error=SpanError("OutOfStock", "no tea", "Traceback ...")))
    assert (span.error, span.attributes["error.type"]) == ("no tea", "OutOfStock")
    assert span.events[-1].attributes["exception.stacktrace"] == "Traceback ..."


def test_a_cancelled_run_is_not_an_error():
    """Somebody wanted it."""
    span = root(make_run(status="cancelled", finished_at_ms=T + 5))
    assert span.error is None
    assert span.attributes["durable.run.status"] == "cancelled"


def test_queue_wait_is_that_of_the_first_pick_up():
    """Recovery overwrites queue and start; the ledger remembers the first."""
    first = plan_run(
        make_run(queue="q", started_at_ms=T + 250, recovery_attempts=1), [], None, settings=SpanSettings(), now_ms=T
    )
    recovered = make_run(
        status="completed",
        queue="_dbos_internal_queue",
        started_at_ms=T + 9_000,
        finished_at_ms=T + 9_500,
        recovery_attempts=2,
    )
    settings = SpanSettings(queue_spans=True)
    wait, span = plan_run(recovered, [], first.record, settings=settings, now_ms=T).spans
    assert span.attributes["durable.queue.name"] == "q"
    assert span.attributes["durable.queue.wait_ms"] == 250
    assert span.kind.name == "CONSUMER"
    assert wait.parent_id == span.span_id
    assert wait.end_ns - wait.start_ns == 250 * 10**6


def test_a_recovery_is_noted_on_the_root():
    """As an attribute to search by, and as an event at the last pick-up."""
    span = root(make_run(status="completed", started_at_ms=T + 700, finished_at_ms=T + 900, recovery_attempts=3))
    assert span.attributes["durable.run.recoveries"] == 2
    (event,) = span.events
    assert (event.name, event.time_ns) == ("durable.recovery", (T + 700) * 10**6)


def test_tags_and_search_attributes_are_on_the_root():
    """The engine's own keys are not."""
    run = make_run(
        status="completed", finished_at_ms=T, attributes={"tags": ["vip"], "tenant": "acme", "n": 3, "dbos.x": "y"}
    )
    attributes = root(run).attributes
    assert attributes["durable.tags"] == ("vip",)
    assert attributes["durable.attribute.tenant"] == "acme"
    assert attributes["durable.attribute.n"] == 3
    assert not any("dbos" in key for key in attributes)


def test_a_child_links_to_the_step_that_started_it():
    """Its id tells which step; the ledger tells in which of the parent's lives."""
    child = make_run("p-3", status="completed", parent_id="p", created_at_ms=T + 5_000, finished_at_ms=T + 6_000)
    assert links(root(child))["parent"] == (ids.trace_id("p"), ids.step_span_id("p", 3))
    lived = ExportedRun(run_id="p", generation=1, ended_at_ms=T + 1_000)
    retried = root(child, relatives=Relatives(exports={"p": lived}))
    assert links(retried)["parent"][1] == ids.step_span_id("p", 3, generation=1)


def test_a_child_with_an_id_of_its_own_links_to_its_parents_root():
    """Nothing in its row tells which step it was."""
    child = make_run("chosen", status="completed", parent_id="p", finished_at_ms=T + 1)
    assert links(root(child))["parent"][1] == ids.root_span_id("p")


def test_nested_children_share_the_trace_of_their_first_ancestor():
    """``children="nest"``: the child's root hangs under the step that started it."""
    runs = {"p": make_run("p", parent_id="g"), "g": make_run("g")}
    child = make_run("p-3", status="completed", parent_id="p", finished_at_ms=T + 1)
    span = root(child, settings=SpanSettings(children="nest"), relatives=Relatives(runs=runs))
    assert span.trace_id == ids.trace_id("g")
    assert span.parent_id == ids.step_span_id("p", 3)


def test_the_callers_context_is_a_link():
    """A request's trace and the run's stay apart, and lead to each other."""
    span = root(make_run(status="completed", finished_at_ms=T, attributes=CALLER))
    assert links(span)["caller"] == (bytes.fromhex("ab" * 16), bytes.fromhex("cd" * 8))
    assert span.parent_id is None


def test_the_callers_context_can_be_adopted():
    """``parent="adopt"``: the run continues the caller's trace, and so do its steps."""
    run = make_run(status="completed", finished_at_ms=T + 20, attributes=CALLER)
    plan = plan_run(run, [make_step()], None, settings=SpanSettings(parent="adopt"), now_ms=T)
    step, span = plan.spans
    assert span.trace_id == step.trace_id == bytes.fromhex("ab" * 16)
    assert span.parent_id == bytes.fromhex("cd" * 8)
    assert span.parent_is_remote
    assert "caller" not in links(span)


@pytest.mark.parametrize("header", ["", "garbage", f"00-{'0' * 32}-{'cd' * 8}-01", None, 7])
def test_a_malformed_context_is_left_out(header: object):
    """Whoever wrote it, the run's trace is whole."""
    run = make_run(status="completed", finished_at_ms=T, attributes={"dbos.otelContext": {"traceparent": header}})
    span = root(run, settings=SpanSettings(parent="adopt"))
    assert span.trace_id == ids.trace_id(run.id)
    assert span.links == ()


def test_a_namespace_keeps_environments_apart():
    """The same run id in two environments is two traces."""
    run = make_run(status="completed", finished_at_ms=T)
    one, two = (root(run, settings=SpanSettings(namespace=name)) for name in ("staging", "production"))
    assert one.trace_id != two.trace_id
    assert one.span_id != two.span_id


def test_a_huge_error_is_cut():
    """A stack trace of megabytes does not make a span of megabytes."""
    run = make_run(status="failed", finished_at_ms=T)
    span = root(run, relatives=Relatives(error=SpanError("E", "m" * 10**6, "s" * 10**6)))
    assert sum(len(str(value)) for value in span.events[-1].attributes.values()) < 25_000


def test_housekeeping_and_waits_are_marked():
    """A backend can filter them."""
    span = step_span(make_run(), make_step(kind="signal", name="approval", waits_on="breakpoint"))
    assert span.attributes["durable.wait.on"] == "breakpoint"
    kept = step_span(make_run(), make_step(name="DBOS.setEvent")._replace(housekeeping=True))
    assert kept.attributes["durable.step.housekeeping"] is True


def test_a_run_that_its_timeout_cancelled_says_so():
    """The engine only calls it cancelled; its deadline, which had passed, tells why."""
    run = make_run(status="cancelled", deadline_at_ms=T + 400, finished_at_ms=T + 500)
    attributes = root_span(run, []).attributes
    assert attributes["durable.run.timed_out"] is True
    assert attributes["durable.run.deadline"] == "2023-11-14T22:13:20.400Z"
    by_hand = root_span(replace(run, deadline_at_ms=T + 90_000), []).attributes
    assert "durable.run.timed_out" not in by_hand
    assert root_span(replace(run, deadline_at_ms=10**18), []).attributes["durable.run.deadline"] == str(10**18)
