"""The clients cover the OpenAPI document, whole, and agree with one another."""

from __future__ import annotations

import inspect
import re
import runpy
from datetime import datetime, timezone
from typing import Any, get_args, get_type_hints

import httpx
import pytest
from flask import Flask
from pydantic import BaseModel, TypeAdapter

from dashboard import create_blueprint
from dashboard.client import AsyncDurableClient, DurableClient, RunFilter, RunListPage
from dashboard.client.call import Call
from dashboard.wire.runs import RunRow
from tests.programs import ROOT

ELSEWHERE = {"streamRun", "streamRuns"}
"""Streams are not calls; ``test_streams`` holds them."""
NAMES = {"openapi": "get_openapi", "metrics": "get_metrics"}
FOREIGN = {"app", "origin", "unattributed"}
"""Parameters that the API accepts of other control planes' clients."""
NOT_OFFERED = {"listRuns": {"offset"}, "getPayload": {"raw"}, "bulkAction": {"dryRun"}, "move": {"dryRun"}}
"""Parameters with a method of their own, in the body too, or worse than what the client does: ``cursor``."""


def snake(name: str) -> str:
    """Return camelCase as snake_case."""
    return re.sub(r"([A-Z])", lambda match: "_" + match.group(1).lower(), name)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The document that a dashboard serves; it needs no database."""
    app = Flask(__name__)
    app.register_blueprint(create_blueprint("sqlite:///none.sqlite", caretaker=False), url_prefix="/durable")
    with DurableClient("http://localhost/durable", transport=httpx.WSGITransport(app)) as client:
        return client.get_openapi()


def method_name(operation_id: str) -> str:
    """Return the client's method for an operation."""
    return NAMES.get(snake(operation_id), snake(operation_id))


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
    names = {method_name(operation_id) for operation_id in operations(document)}
    for kind in (DurableClient, AsyncDurableClient):
        assert {name for name in names if not hasattr(kind, name)} == set()


FILTERS: RunFilter = {
    "status": ["failed", "dead"],
    "workflow": "w",
    "q": "q",
    "queue": "q",
    "executor": "e",
    "version": "v",
    "tag": "t",
    "attr": "a:eq:1",
    "since": datetime(2026, 1, 1, tzinfo=timezone.utc),
    "until": "2026-01-01",
    "bulk": "bulk:b",
    "bulk_part": "succeeded",
    "parent": "p",
    "namespace": "n",
    "min_duration_ms": 1,
    "error": "f",
}
CHOICES = {"action": ("retry", "pause"), "by": ("workflow",), "name": ("input", "n"), "state": ("ignored",)}
"""Values of arguments that are neither any text nor any number."""


class Asked(Exception):
    """What a method would have sent."""

    def __init__(self, call: Call[Any]) -> None:
        self.call = call


class Recorder(DurableClient):
    """A client that sends nothing."""

    def _send(self, call: Call[Any]) -> Any:
        raise Asked(call)


def asked_by(name: str) -> Call[Any]:
    """Return the call of a method to which every argument that it takes is given."""
    method = getattr(Recorder("http://example.test"), name)
    given: dict[str, Any] = {}
    for parameter in inspect.signature(method).parameters.values():
        kind = str(parameter.annotation)
        if parameter.kind is parameter.VAR_KEYWORD:
            given |= FILTERS
        elif parameter.name in CHOICES:
            given[parameter.name] = CHOICES[parameter.name][0 if "Literal" in kind or "PayloadName" in kind else -1]
        else:
            samples = {"bool": True, "int": 7, "Iterable": ["r"], "Mapping": {"a": 1}, "RunFilter": FILTERS}
            given[parameter.name] = next((value for word, value in samples.items() if kind.startswith(word)), "x")
    if name == "switch_schedule":
        given["action"] = "pause"
    with pytest.raises(Asked) as asked:
        method(**given)
    return asked.value.call


def resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """Return a schema, its reference followed."""
    reference = schema.get("$ref")
    return document["components"]["schemas"][reference.rpartition("/")[2]] if reference else schema


def test_every_call_is_what_the_document_says(document: dict[str, Any]) -> None:
    """Method, path, query parameters and members of the body are the operation's own, and none is left out."""
    for operation_id, (method, path, operation) in operations(document).items():
        if operation_id in ELSEWHERE:
            continue
        call = asked_by(method_name(operation_id))
        pattern = "^" + re.sub(r"\\{\w+\\}", "[^?]+", re.escape(path.lstrip("/"))) + "$"
        assert call.method == method, operation_id
        assert re.match(pattern, call.path), (operation_id, call.path, path)
        parameters = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "query"}
        offered = parameters - NOT_OFFERED.get(operation_id, set()) - FOREIGN
        assert {name for name, _ in call.query} == offered, operation_id
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        if body is not None and "properties" in resolved(body, document):
            assert set(call.body) == set(resolved(body, document)["properties"]), operation_id


def test_every_answer_is_read_as_the_document_describes_it(document: dict[str, Any]) -> None:
    """The models that methods return have the members that the document gives the answer, no fewer and no more."""
    for operation_id, (_, _, operation) in operations(document).items():
        returned = get_type_hints(getattr(DurableClient, method_name(operation_id)))["return"]
        kind = RunRow if returned is RunListPage else (get_args(returned) or (returned,))[0]
        if operation_id in ELSEWHERE or not (isinstance(kind, type) and issubclass(kind, BaseModel)):
            continue
        ours = TypeAdapter(kind).json_schema(by_alias=True, mode="serialization")
        success = next(operation["responses"][code] for code in ("200", "201", "202") if code in operation["responses"])
        theirs = success["content"]["application/json"]["schema"]
        theirs = resolved(theirs.get("items", theirs), document)
        assert set(ours["properties"]) == set(theirs["properties"]), operation_id


def test_the_asynchronous_client_is_made_from_the_synchronous_one() -> None:
    """Edit ``sync``, run ``python dashboard/client/_make_async.py``; they do the same."""

    def words(source: str) -> list[str]:
        return sorted(re.sub(r"[\s,()]+", "", source))

    maker = runpy.run_path(str(ROOT / "dashboard" / "client" / "_make_async.py"))
    made = maker["made"]()
    written = {path.name: path.read_text() for path in (maker["CLIENT"] / "asynchronous").glob("*.py")}
    assert made.keys() == written.keys()
    assert [name for name in made if words(made[name]) != words(written[name])] == []


def test_both_clients_take_the_same_arguments() -> None:
    """Names, defaults and order."""
    for name, method in inspect.getmembers(DurableClient, inspect.isfunction):
        if not name.startswith("_"):
            twin = inspect.signature(getattr(AsyncDurableClient, name))
            assert list(inspect.signature(method).parameters) == list(twin.parameters), name
