"""What models used: sums that add up, costs by the user's prices, and nobody else's runs."""

from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from dashboard.actor import Actor
from dashboard.client import AppTransport, DurableClient
from otel_bridge import OTelBridge
from otel_bridge.errors import ConfigurationError
from otel_bridge.ledger import Ledger
from otel_bridge.ledger.base import ModelCall
from otel_bridge.model.runs import Run
from otel_bridge.model.values import StoredValue
from otel_bridge.runs.prices import PriceTable, load_prices, parse_prices
from otel_bridge.testing import MemoryLedger, MemoryStateStore, make_run, make_step
from tests.otlp.samples import ListTransport
from tests.story import mounted

DAY_MS = 86_400_000
ClientOver = Callable[..., DurableClient]
"""Makes a client of a dashboard; options are those of the blueprint."""
PRICES = parse_prices({"models": {"gpt-4o": {"input": 2.5, "output": 10}, "claude-*": {"input": 3, "output": 15}}})


def answer(model: str, tokens_in: int, tokens_out: int) -> StoredValue:
    """Return what DBOS stores of a step that returned pydantic-ai's answer of a model."""
    messages, usages = pytest.importorskip("pydantic_ai.messages"), pytest.importorskip("pydantic_ai.usage")
    usage = usages.RequestUsage(input_tokens=tokens_in, output_tokens=tokens_out)
    text = base64.b64encode(pickle.dumps(messages.ModelResponse(parts=[], usage=usage, model_name=model))).decode()
    return StoredValue(text, "py_pickle", len(text))


def call(run_id: str = "a-1", seq: int = 1, **fields: Any) -> ModelCall:
    given: dict[str, Any] = {
        "ended_at_ms": 1_000, "workflow": "ask", "version": "v1", "model": "gpt-4o", "input_tokens": 1_000_000,
        "output_tokens": 100_000,
    }  # fmt: skip
    return ModelCall(run_id=run_id, seq=seq, **{**given, **fields})


CALLS = [
    call(),
    call(seq=2, model="claude-opus"),
    call("b-1", version="v2", ended_at_ms=DAY_MS + 5),
    call("b-2", workflow="write", model="local", ended_at_ms=DAY_MS + 6),
]


@pytest.fixture(params=["memory", "postgres"])
def ledger(request: pytest.FixtureRequest) -> Any:
    """A ledger with four calls, two of them known twice."""
    if request.param == "memory":
        made: Ledger = MemoryLedger()
    else:
        from otel_bridge.ledger.postgres import PostgresLedger

        made = PostgresLedger(request.getfixturevalue("postgres_url"))
    made.add_model_calls(CALLS)
    made.add_model_calls(CALLS[:2])
    yield made
    made.close()


@pytest.fixture
def client_over(ledger: Ledger) -> Iterator[ClientOver]:
    """Makes clients of dashboards over two teams' runs; closes everything."""
    store = MemoryStateStore(clock=lambda: 2 * DAY_MS)
    for run_id in ("a-1", "b-1", "b-2"):
        store.put_run(make_run(run_id, workflow="ask", attributes={"team": run_id[0]}))
    with ExitStack() as opened:

        def make(**options: Any) -> DurableClient:
            app = opened.enter_context(mounted(store, ledger=ledger, **options))
            transport = AppTransport(app)
            return opened.enter_context(DurableClient("http://localhost/durable", transport=transport))

        yield make
    store.close()


def test_sums_are_told_apart_as_asked_and_add_up(client_over: ClientOver) -> None:
    """By workflow, version, day and run, alone and together; a call that was recorded twice counts once."""
    client = client_over(prices=PRICES)
    found = client.usage()
    assert [(row.workflow, row.calls, row.input_tokens, row.output_tokens) for row in found.items] == [
        ("ask", 3, 3_000_000, 300_000), ("write", 1, 1_000_000, 100_000),
    ]  # fmt: skip
    assert [one.model for one in found.items[0].models] == ["gpt-4o", "claude-opus"]
    assert [one.cost for one in found.items[0].models] == [7.0, 4.5]
    assert (found.items[0].cost, found.items[1].cost, found.total.cost) == (11.5, None, 11.5)
    assert (found.currency, found.unpriced, found.exact) == ("USD", ["local"], True)
    assert {(row.day, row.version): row.calls for row in client.usage(by=["day", "version"]).items} == {
        ("1970-01-01", "v1"): 2, ("1970-01-02", "v2"): 1, ("1970-01-02", "v1"): 1,
    }  # fmt: skip
    assert {row.run_id: row.calls for row in client.usage(by=["run"]).items} == {"a-1": 2, "b-1": 1, "b-2": 1}
    for by in ("workflow", "version", "day", "run"):
        assert sum(row.calls for row in client.usage(by=[by]).items) == 4  # type: ignore[list-item]
    assert client.usage(workflow="write").total.calls == 1
    assert client.usage(since=str(DAY_MS), until=str(DAY_MS + 6)).total.calls == 1


def test_a_run_says_what_its_models_used(client_over: ClientOver) -> None:
    """Model by model; a run without model calls, and one that is not there."""
    client = client_over(prices=PRICES)
    found = client.run_usage("a-1")
    assert (found.calls, found.input_tokens, found.cost, found.currency) == (2, 2_000_000, 8.0, "USD")
    assert client_over().run_usage("a-1").cost is None
    with pytest.raises(Exception, match="no run"):
        client.run_usage("nobody")


def test_sums_are_of_the_runs_that_may_be_seen(client_over: ClientOver) -> None:
    """Totals of others' runs say how much others do."""

    def may(actor: Actor, action: str, run: Run) -> bool:
        return run.attributes.get("team") == "b"

    client = client_over(may=may)
    found = client.usage()
    assert {row.workflow: row.calls for row in found.items} == {"ask": 1, "write": 1}
    assert all(row.run_id is None for row in found.items)
    assert found.total.calls == 2
    assert "claude-opus" not in {one.model for one in found.total.models}
    with pytest.raises(Exception, match="no run"):
        client.run_usage("a-1")


def test_a_time_that_ends_before_it_begins_is_refused(client_over: ClientOver) -> None:
    """The answer names the parameter."""
    client = client_over()
    with pytest.raises(Exception, match="is not before until"):
        client.usage(since="2026-01-02", until="2026-01-01")


def test_the_bridge_keeps_what_it_reads_of_steps_once() -> None:
    """From a step's result to sums and metrics; a second bridge adds nothing, and what is old is forgotten."""
    store, ledger, reader = MemoryStateStore(), MemoryLedger(), InMemoryMetricReader()
    provider = MeterProvider([reader])
    at = store.now_ms() - 1_000
    ended = {"status": "completed", "created_at_ms": at, "finished_at_ms": at + 100}
    store.put_run(make_run("r", workflow="ask", workflow_version="v7", **ended))  # type: ignore[arg-type]
    store.put_step(make_step("r", 1, started_at_ms=at, finished_at_ms=at + 50, output=answer("gpt-4o", 1_000, 500)))
    store.put_step(make_step("r", 2, started_at_ms=at, finished_at_ms=at + 60, output=answer("local", 7, 0)))
    for _ in range(2):
        bridge = OTelBridge(
            store, ledger=ledger, exporter=ListTransport(), start_from="beginning", gen_ai=True, prices=PRICES,
            meter_provider=provider, environ={},
        )  # fmt: skip
        bridge.run_once()
        bridge.stop()
    sums = ledger.usage(since_ms=at, until_ms=at + 1_000, by=["workflow", "version"], limit=10)
    assert [(one.workflow, one.version, one.model, one.calls, one.input_tokens, one.output_tokens) for one in sums] == [
        ("ask", "v7", "gpt-4o", 1, 1_000, 500), ("ask", "v7", "local", 1, 7, 0),
    ]  # fmt: skip
    data = reader.get_metrics_data()
    assert data is not None
    counted = {
        (metric.name, *sorted(point.attributes.items())): point.value  # type: ignore[union-attr]
        for scope in data.resource_metrics[0].scope_metrics
        for metric in scope.metrics
        if metric.name.startswith("durable.run.cost.")
        for point in metric.data.data_points
    }
    of = ("durable.workflow.name", "ask")
    gpt, local = ("gen_ai.response.model", "gpt-4o"), ("gen_ai.response.model", "local")
    assert counted == {
        ("durable.run.cost.tokens", of, gpt, ("gen_ai.token.type", "input")): 1_000,
        ("durable.run.cost.tokens", of, gpt, ("gen_ai.token.type", "output")): 500,
        ("durable.run.cost.tokens", of, local, ("gen_ai.token.type", "input")): 7,
        ("durable.run.cost.amount", ("durable.cost.currency", "USD"), of, gpt): 0.0075,
    }
    assert ledger.prune_usage(ended_before_ms=at + 55) == 1
    assert [one.model for one in ledger.usage_of(["r"])] == ["local"]
    provider.shutdown()
    store.close()


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([], "has the form"),
        ({"models": {"m": {"input": 1}}}, "price of 'm'"),
        ({"models": {"m": {"input": -1, "output": 1}}}, "price of 'm'"),
        ({"models": {"m": {"input": True, "output": 1}}}, "price of 'm'"),
        ({"currency": "dollars", "models": {}}, "currency is 'dollars'"),
    ],
)
def test_a_price_table_that_is_none_is_refused_in_words(value: object, says: str) -> None:
    """Rather than a cost that is wrong."""
    with pytest.raises(ConfigurationError, match=says):
        parse_prices(value)


def test_the_exact_name_is_taken_before_the_longest_pattern(tmp_path: Any) -> None:
    """A dated model has its family's price, unless it has its own."""
    (tmp_path / "prices.json").write_text(
        json.dumps({"currency": "eur", "models": {
            "gpt-*": {"input": 1, "output": 1}, "gpt-4o*": {"input": 2, "output": 2},
            "gpt-4o": {"input": 3, "output": 3},
        }})
    )  # fmt: skip
    table = load_prices(tmp_path / "prices.json")
    assert isinstance(table, PriceTable)
    assert table.currency == "EUR"
    costs = [table.cost(model, 1_000_000, 0) for model in ("gpt-4o", "gpt-4o-2024", "gpt-5", "other", "")]
    assert costs == [3.0, 2.0, 1.0, None, None]
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_prices(tmp_path / "nowhere.json")
