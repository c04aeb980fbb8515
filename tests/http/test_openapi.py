"""The OpenAPI document: complete, valid, and true."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from flask import Flask
from pydantic import TypeAdapter

from dashboard.blueprint import DashboardBlueprint
from dashboard.http.openapi import path_of

METHODS = {"get", "post"}


def document(app: Flask) -> dict[str, Any]:
    """The document as served."""
    found: dict[str, Any] = app.test_client().get("/durable/api/openapi.json").get_json()
    return found


def operations(app: Flask) -> list[tuple[str, str, dict[str, Any]]]:
    """Path, method and operation of each route."""
    return [(path, method, op) for path, item in document(app)["paths"].items() for method, op in item.items()]


def test_every_route_of_the_table_is_documented_and_served(story_app: Flask) -> None:
    """The document is made from the table that Flask's rules are made from."""
    blueprint: DashboardBlueprint = story_app.extensions["durable"]
    documented = {(method.upper(), path) for path, method, _ in operations(story_app)}
    assert documented == {(route.method, path_of(route)[0]) for route in blueprint.routes}
    served = {rule.rule for rule in story_app.url_map.iter_rules()}
    assert {f"/durable/api/{route.path}" for route in blueprint.routes} <= served


def test_it_holds_the_routes_of_the_contract(story_app: Flask) -> None:
    """As WIRE.md names them, for clients written against it."""
    documented = {(method, path) for path, method, _ in operations(story_app)}
    run = "/runs/{runId}"
    for path in ("", "/graph", "/steps/{seq}", "/payload/{name}", "/stream", "/events", "/events/{key}", "/undo"):
        assert ("get", run + path) in documented, path
    for path in ("/runs", "/runs/facets", "/stream", "/workers", "/executors", "/schedules", "/topology", "/metrics"):
        assert ("get", path) in documented, path
    for path in ("/retry", "/cancel", "/continue", "/retry-with-input", "/fork", "/redispatch"):
        assert ("post", run + path) in documented, path


def test_operation_ids_are_unique_and_described(story_app: Flask) -> None:
    """Clients are generated from them."""
    found = operations(story_app)
    assert len({op["operationId"] for _, _, op in found}) == len(found)
    assert all(op["summary"] and op["description"] for _, _, op in found)


def test_every_reference_has_its_schema(story_app: Flask) -> None:
    """Nothing dangles."""
    text = story_app.test_client().get("/durable/api/openapi.json").get_data(as_text=True)
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    assert named <= set(document(story_app)["components"]["schemas"])
    assert {"RunRow", "RunDetail", "StepView", "Graph", "EventView", "ProblemDocument"} <= named


def test_each_operation_says_which_problems_it_answers(story_app: Flask) -> None:
    """Every one may be malformed, refused to strangers, or hit a store that is away."""
    for path, method, op in operations(story_app):
        wanted = {"400", "500", "503"} | (set() if op["x-role"] == "public" else {"401", "403"})
        assert wanted <= set(op["responses"]), (method, path)
        for status in wanted:
            assert "application/problem+json" in op["responses"][status]["content"]


def test_path_variables_are_declared(story_app: Flask) -> None:
    """Every ``{name}`` of a path is a required parameter, and no other."""
    for path, _, op in operations(story_app):
        declared = [item["name"] for item in op["parameters"] if item["in"] == "path"]
        assert re.findall(r"\{(\w+)\}", path) == declared


def test_answers_have_the_shape_that_the_document_promises(story_app: Flask, api: Callable[..., Any]) -> None:
    """Every JSON answer of a reading route validates against its own model, members beyond it refused."""
    blueprint: DashboardBlueprint = story_app.extensions["durable"]
    values = {"run_id": "failing-1", "seq": "1", "name": "input", "key": "stage"}
    checked = 0
    for route in blueprint.routes:
        if route.method != "GET" or route.stream or route.media_type != "application/json" or 200 not in route.answers:
            continue
        path = re.sub(r"<(?:[^:<>]+(?:\([^)]*\))?:)?(\w+)>", lambda m: values.get(m[1], "x"), route.path)
        query = "?id=failing-1" if path == "runs/by-id" else ""
        response = story_app.test_client().get(f"/durable/api/{path}{query}")
        if response.status_code == 404:
            continue
        answer = response.get_json()
        type_ = route.answers[200]
        model = TypeAdapter(type_).validate_python(answer)
        again = TypeAdapter(type_).dump_python(model, mode="json", by_alias=True, exclude_none=True)
        assert again == answer, path
        checked += 1
    assert checked >= 15
