"""What a delivery sends next, answer by answer: a scripted transport, no socket and no wait."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

import pytest

from otel_bridge.errors import RejectedBatchError, RetryableDeliveryError
from otel_bridge.otlp import Delivery, DeliveryStoppedError
from otel_bridge.otlp.delivery import CONFIRMATIONS, PATIENT_TRIES, REFUSED_IN_A_ROW, DeliveryStats
from otel_bridge.otlp.transport import Accepted
from otel_bridge.spans.model import SpanData
from tests.otlp.samples import sample_span

BAD = "bad"
Answer = Accepted | Exception | None


class Script:
    """A transport that refuses what is called ``bad``, unless the script says something else for a request."""

    target = "the collector"

    def __init__(self, answers: dict[int, Answer] | None = None) -> None:
        self.answers = answers or {}
        self.sent: list[str] = []
        self.closed = False

    def send(self, spans: Sequence[SpanData]) -> Accepted:
        """Answer one request."""
        self.sent.append(" ".join(span.name for span in spans))
        answer = self.answers.get(len(self.sent))
        if isinstance(answer, Exception):
            raise answer
        if answer is not None:
            return answer
        if any(span.name.startswith(BAD) for span in spans):
            raise RejectedBatchError("poison", code="400")
        return Accepted()

    def close(self) -> None:
        """Note it."""
        self.closed = True


class Pauses(threading.Event):
    """Waits no time and says how long it was asked to; asked to stop after so many."""

    def __init__(self, most: int = 99) -> None:
        super().__init__()
        self.most = most
        self.waited_s: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        """Count."""
        self.waited_s.append(timeout)
        return len(self.waited_s) >= self.most


def delivery(script: Script, pauses: Pauses | None = None) -> Delivery:
    """A delivery through the script."""
    return Delivery(script, stop=pauses or Pauses(), first_backoff_s=1.0, jitter=lambda: 0.0)


def spans(*names: str) -> list[SpanData]:
    """Spans of these names."""
    return [sample_span(number, name=name) for number, name in enumerate(names)]


def test_before_a_span_is_judged_the_collector_must_take_what_it_took_before() -> None:
    """Each time; a span sent twice is the same span."""
    script, pauses = Script(), Pauses()
    one = delivery(script, pauses)
    one.deliver(spans("good"))
    one.deliver(spans(BAD))
    assert script.sent == ["good", BAD, *["good", BAD] * CONFIRMATIONS]
    assert (one.stats.exported, one.stats.set_aside, one.stats.retries, pauses.waited_s) == (1, 1, 0, [])


def test_a_collector_that_refuses_what_it_took_before_is_waited_for() -> None:
    """Its refusal says nothing of the span; the waits grow."""
    refusal = RejectedBatchError("disk full", code="400")
    script, pauses = Script({3: refusal, 4: refusal, 6: Accepted()}), Pauses()
    one = delivery(script, pauses)
    one.deliver(spans("good"))
    one.deliver(spans(BAD))
    assert script.sent == ["good", BAD, "good", "good", "good", BAD]
    assert pauses.waited_s == [0.5, 1.0]
    assert (one.stats.exported, one.stats.set_aside) == (2, 0)


def test_a_span_that_is_taken_at_the_second_try_is_counted_once() -> None:
    """Where nothing was ever taken, the collector is asked with an empty request."""
    script = Script({3: Accepted()})
    one = delivery(script)
    one.deliver(spans(BAD))
    assert script.sent == [BAD, "", BAD]
    assert (one.stats.exported, one.stats.set_aside) == (1, 0)


def test_a_refused_batch_is_halved_in_order() -> None:
    """Until the one bad span is found; the others are sent once."""
    script = Script()
    one = delivery(script)
    one.deliver(spans("a", "b", BAD, "d"))
    assert script.sent == ["a b bad d", "a b", "bad d", BAD, "d", *["d", BAD] * CONFIRMATIONS]
    assert (one.stats.exported, one.stats.set_aside, one.stats.last_error) == (3, 1, "poison")


@pytest.mark.parametrize(("many", "rounds"), [(1, 0), (2, PATIENT_TRIES), (REFUSED_IN_A_ROW, PATIENT_TRIES)])
def test_a_few_spans_that_are_all_refused_are_tried_for_a_while(many: int, rounds: int) -> None:
    """They may be all there is, and bad; one alone is looked at at once."""
    script, pauses = Script(), Pauses()
    one = delivery(script, pauses)
    one.deliver(spans(*[f"{BAD}{number}" for number in range(many)]))
    assert (one.stats.set_aside, len(pauses.waited_s)) == (many, rounds)
    assert pauses.waited_s[:7] == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0][:rounds]


def test_many_spans_that_are_all_refused_wait_for_the_collector() -> None:
    """None is set aside, and not all of them are tried each time."""
    script, pauses = Script(), Pauses(most=PATIENT_TRIES + 3)
    one = delivery(script, pauses)
    with pytest.raises(DeliveryStoppedError):
        one.deliver(spans(*[f"{BAD}{number}" for number in range(REFUSED_IN_A_ROW + 1)]))
    assert (one.stats.set_aside, one.stats.failing) == (0, True)
    single = [sent for sent in script.sent if " " not in sent]
    assert len(single) == REFUSED_IN_A_ROW * (PATIENT_TRIES + 3)


@pytest.mark.parametrize("witness", [True, False])
def test_many_refused_spans_are_all_looked_at_where_one_was_taken(witness: bool) -> None:
    """In this batch, or before it."""
    script = Script()
    one = delivery(script)
    bad = [f"{BAD}{number}" for number in range(REFUSED_IN_A_ROW + 2)]
    if witness:
        one.deliver(spans("good"))
        one.deliver(spans(*bad))
    else:
        one.deliver(spans("good", *bad))
    assert (one.stats.exported, one.stats.set_aside) == (1, len(bad))


@pytest.mark.parametrize(
    ("accepted", "exported", "partial", "asked_with"),
    [
        (Accepted(), 2, 0, "b"),
        (Accepted(rejected=1, message="old"), 1, 1, ""),
        (Accepted(rejected=9), 0, 2, ""),
        (Accepted(message="slow down"), 2, 0, "b"),
    ],
)
def test_what_a_collector_took_in_part_is_not_a_proof_of_anything(
    accepted: Accepted, exported: int, partial: int, asked_with: str
) -> None:
    """Which of the spans it took is not said: it is asked with an empty request then."""
    script = Script({1: accepted})
    one = delivery(script)
    one.deliver(spans("a", "b"))
    assert (one.stats.exported, one.stats.partial) == (exported, partial)
    one.deliver(spans(BAD))
    assert script.sent[:3] == ["a b", BAD, asked_with]


def test_an_outage_is_failing_until_spans_are_taken(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged once, and so is its end; the counts are the caller's, who may look at any time."""
    caplog.set_level(logging.INFO, "otel_bridge")
    stats = DeliveryStats()
    script = Script({1: RetryableDeliveryError("503"), 2: RetryableDeliveryError("503")})
    now_s = iter([0.0] * 99)
    one = Delivery(script, stop=Pauses(), stats=stats, first_backoff_s=1.0, monotonic=lambda: next(now_s))
    failing: list[bool] = []
    one.alive = lambda: failing.append(stats.failing)
    one.deliver(spans("a"))
    assert failing == [False, True, True]
    assert (stats.failing, stats.retries, stats.last_error, one.stats is stats) == (False, 2, "503", True)
    assert (caplog.text.count("Spans wait"), caplog.text.count("accepts spans again")) == (1, 1)
    one.close()
    assert script.closed


@pytest.mark.parametrize(("later_s", "lines"), [(59.9, 1), (60.0, 2)])
def test_an_outage_soon_after_the_last_is_the_same(
    caplog: pytest.LogCaptureFixture, later_s: float, lines: int
) -> None:
    """It was logged."""
    caplog.set_level(logging.INFO, "otel_bridge")
    now_s = [5.0]
    script = Script({1: RetryableDeliveryError("503"), 3: RetryableDeliveryError("503")})
    one = Delivery(script, stop=Pauses(), first_backoff_s=1.0, monotonic=lambda: now_s[0])
    one.deliver(spans("a"))
    now_s[0] += later_s
    one.deliver(spans("b"))
    assert (caplog.text.count("Spans wait"), caplog.text.count("accepts spans again")) == (lines, lines)


@pytest.mark.parametrize(
    ("answers", "logged"),
    [
        ([Accepted(1, "quota"), Accepted(1, "quota")], ["rejected 1 of 1 spans: quota"]),
        ([Accepted(1, "quota"), Accepted(), Accepted(1, "quota")], ["rejected 1 of 1 spans: quota"] * 2),
        ([Accepted(0, "hurry"), Accepted(0, "hurry")], ["accepted 1 spans and warns: hurry"]),
        ([Accepted(1, "")], ["rejected 1 of 1 spans: "]),
        ([Accepted()], []),
    ],
)
def test_a_complaint_is_logged_once_until_it_ends(
    caplog: pytest.LogCaptureFixture, answers: list[Answer], logged: list[str]
) -> None:
    """A collector over its quota says so with each request."""
    one = delivery(Script(dict(enumerate(answers, 1))))
    for number in range(len(answers)):
        one.deliver(spans(f"s{number}"))
    assert [record.getMessage().removeprefix("the collector ") for record in caplog.records] == logged
