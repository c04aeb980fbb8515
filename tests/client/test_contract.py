"""The clients cover the OpenAPI document, whole, and agree with one another."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter

from dashboard.client import AsyncDurableClient, DurableClient, _make_async, calls
from dashboard.client._make_async import HERE, made_async

ELSEWHERE = {"streamRun", "streamRuns"}
"""Streams are not calls; ``test_streams`` holds them."""
NAMES = {"openapi": "get_openapi", "metrics": "get_metrics"}


def snake(name: str) -> str:
    """Return camelCase as snake_case."""
    return re.sub(r"([A-Z])", lambda match: "_" + match.group(1).lower(), name)


@pytest.fixture
def document(client: DurableClient) -> dict[str, Any]:
    """The document that a running dashboard serves."""
    return client.get_openapi()


def operations(document: dict[str, Any]) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Return operation id -> (method, path, operation)."""
    return {
        operation["operationId"]: (method.upper(), path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in ("get", "post", "put", "patch", "delete")
    }


def test_every_operation_has_a_method_in_both_clients(document: dict[str, Any]) -> None:
    """A route that the client cannot call is a route that was forgotten."""
    names = {NAMES.get(snake(operation_id), snake(operation_id)) for operation_id in operations(document)}
    for kind in (DurableClient, AsyncDurableClient):
        assert {name for name in names if not hasattr(kind, name)} == set()


CALLS: dict[str, calls.Call[Any]] = {
    "list_runs": calls.list_runs(
        limit=1,
        cursor="c",
        filters={
            "status": "failed",
            "workflow": "w",
            "q": "q",
            "queue": "q",
            "executor": "e",
            "version": "v",
            "tag": "t",
            "attr": "a:eq:1",
            "since": "2026-01-01",
            "until": "2026-01-01",
            "parent": "p",
            "namespace": "n",
            "min_duration_ms": 1,
        },
    ),
    "run_facets": calls.run_facets(by="workflow", filters={}),
    "get_run": calls.get_run("r"),
    "run_graph": calls.run_graph("r", expand=["all"]),
    "get_step": calls.get_step("r", 1),
    "get_payload": calls.get_payload("r", "input"),
    "list_events": calls.list_events("r"),
    "get_event": calls.get_event("r", "k"),
    "list_workers": calls.list_workers(),
    "list_executors": calls.list_executors(),
    "list_schedules": calls.list_schedules(),
    "get_topology": calls.get_topology(),
    "run_of_trace": calls.run_of_trace("0"),
    "get_config": calls.get_config(),
    "get_health": calls.get_health(),
    "get_metrics": calls.get_metrics(),
    "get_openapi": calls.get_openapi(),
    "audit": calls.audit(run="r", before=1, limit=1),
    "undo": calls.undo("r"),
    "bulk_status": calls.bulk_status("b"),
    "start_run": calls.start_run("w", None, run_id="r", queue="q", attributes={}),
    "retry": calls.retry("r", queue="q"),
    "cancel": calls.cancel("r", compensate=True, children=True),
    "continue_run": calls.continue_run("r"),
    "redispatch": calls.redispatch("r", force=True),
    "retry_with_input": calls.retry_with_input("r", None),
    "fork": calls.fork("r", 1),
    "send_signal": calls.send_signal("r", "t", 1, idempotency_key="k"),
    "send_update": calls.send_update("r", "n", 1, idempotency_key="k"),
    "deliver_webhook": calls.deliver_webhook("t", None),
    "bulk_action": calls.bulk_action(
        "retry",
        dry_run=True,
        bound_ms=1,
        ids=["r"],
        bulk_id="b",
        options={"to_queue": "q", "compensate": True, "children": True},
        filters={},
    ),
    "switch_schedule": calls.switch_schedule("s", "pause"),
    "trigger_schedule": calls.trigger_schedule("s"),
}


def resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """Return a schema, its reference followed."""
    reference = schema.get("$ref")
    return document["components"]["schemas"][reference.rpartition("/")[2]] if reference else schema


def test_every_call_is_what_the_document_says(document: dict[str, Any]) -> None:
    """Method, path, query parameters and members of the body are the operation's own."""
    for operation_id, (method, path, operation) in operations(document).items():
        if operation_id in ELSEWHERE:
            continue
        call = CALLS[NAMES.get(snake(operation_id), snake(operation_id))]
        pattern = "^" + re.sub(r"\\{\w+\\}", "[^?]+", re.escape(path.lstrip("/"))) + "$"
        assert call.method == method, operation_id
        assert re.match(pattern, call.path), (operation_id, call.path, path)
        parameters = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "query"}
        assert {name for name, _ in call.query} <= parameters, operation_id
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        if body is not None and isinstance(call.body, dict) and "properties" in resolved(body, document):
            assert set(call.body) <= set(resolved(body, document)["properties"]), operation_id


def test_every_answer_is_read_as_the_document_describes_it(document: dict[str, Any]) -> None:
    """The client's models have the members that the document gives the answer, no fewer and no more."""
    for operation_id, (_, _, operation) in operations(document).items():
        if operation_id in ELSEWHERE:
            continue
        call = CALLS[NAMES.get(snake(operation_id), snake(operation_id))]
        if not (isinstance(call.read, type) and issubclass(call.read, BaseModel)):
            continue
        ours = TypeAdapter(call.read).json_schema(by_alias=True, mode="serialization")
        success = next(operation["responses"][code] for code in ("200", "201", "202") if code in operation["responses"])
        theirs = resolved(success["content"]["application/json"]["schema"], document)
        assert set(ours["properties"]) == set(theirs["properties"]), operation_id


def test_the_asynchronous_client_is_made_from_the_synchronous_one() -> None:
    """Edit ``sync.py``, run ``python -m dashboard.client._make_async`` and format; they do the same."""

    def words(source: str) -> str:
        return re.sub(r"[\s,()]+", "", source)

    made = made_async((HERE / "sync.py").read_text())
    assert sorted(words(made)) == sorted(words((HERE / "asynchronous.py").read_text()))
    assert _make_async.HERE.name == "client"


def test_both_clients_take_the_same_arguments() -> None:
    """Names, defaults and order."""
    for name, method in inspect.getmembers(DurableClient, inspect.isfunction):
        if not name.startswith("_"):
            twin = inspect.signature(getattr(AsyncDurableClient, name))
            assert list(inspect.signature(method).parameters) == list(twin.parameters), name
