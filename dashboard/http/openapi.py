"""The OpenAPI 3.1 document, made from the route table and the wire models. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.alias_generators import to_camel

from dashboard.http.routing import JSON_TYPE, LEAST_NUMBER, MOST_NUMBER, PROBLEM_TYPE, Route
from dashboard.wire.base import NoQuery, ProblemDocument

REF = "#/components/schemas/{model}"
_VARIABLE = re.compile(r"<(?:(?P<converter>[a-z]+)(?:\((?P<args>[^)]*)\))?:)?(?P<name>\w+)>")
_REASONS = {
    302: "Found",
    400: "The request is malformed; the detail names the parameter.",
    401: "The request is not authenticated.",
    403: "The caller's role does not allow this, or the request came from another origin.",
    404: "No such resource.",
    406: "The client accepts none of what this route offers.",
    409: "The run's state does not allow it.",
    413: "The body is too large.",
    422: "The body was understood and rejected.",
    500: "Internal error. The details are in the server log.",
    503: "The state store or the ledger cannot be reached now.",
}


def _usable(type_: object) -> bool:
    return type_ is not None and type_ is not Any


def _schema_inputs(routes: Iterable[Route]) -> list[tuple[str, str, Any]]:
    """Return every type of the table with the key it is found again by."""
    found: list[tuple[str, str, Any]] = [("problem", "serialization", ProblemDocument)]
    for route in routes:
        for status, type_ in route.answers.items():
            if _usable(type_):
                found.append((f"{route.method} {route.path} {status}", "serialization", type_))
        if route.has_body and _usable(route.body):
            found.append((f"{route.method} {route.path} body", "validation", route.body))
    return found


def path_of(route: Route) -> tuple[str, list[dict[str, Any]]]:
    """Return a route's path template and its path parameters."""
    parameters: list[dict[str, Any]] = []

    def replaced(match: re.Match[str]) -> str:
        name = to_camel(match["name"])
        pattern = r"^[^\n]+$" if match["converter"] == "path" else r"^[^/\n]+$"
        schema: dict[str, Any] = {"type": "string", "minLength": 1, "pattern": pattern}
        if match["converter"] == "int":
            schema = {"type": "integer", "minimum": LEAST_NUMBER, "maximum": MOST_NUMBER}
        elif match["converter"] == "any":
            schema = {"type": "string", "enum": [word.strip() for word in (match["args"] or "").split(",")]}
        parameters.append({"name": name, "in": "path", "required": True, "schema": schema})
        return "{" + name + "}"

    return "/" + _VARIABLE.sub(replaced, route.path), parameters


def _query_parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    if model is NoQuery:
        return []
    schema = model.model_json_schema(by_alias=True)
    parameters = []
    for name, described in schema.get("properties", {}).items():
        described = {key: value for key, value in described.items() if key not in ("title", "default")}
        options = [option for option in described.pop("anyOf", []) if option.get("type") != "null"]
        if len(options) == 1:
            described = {**options[0], **described}
        parameter: dict[str, Any] = {"name": name, "in": "query", "required": name in schema.get("required", [])}
        if "description" in described:
            parameter["description"] = described.pop("description")
        if described.get("type") == "array":
            parameter |= {"style": "form", "explode": True}
        parameters.append({**parameter, "schema": described})
    return parameters


def _problem(status: int) -> dict[str, Any]:
    content = {PROBLEM_TYPE: {"schema": {"$ref": REF.format(model="ProblemDocument")}}}
    return {"description": _REASONS.get(status, "A problem."), "content": content}


def _answers(route: Route, schemas: dict[tuple[str, str], Any]) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for status, type_ in route.answers.items():
        answer: dict[str, Any] = {"description": _REASONS.get(status, route.summary + ".")}
        if type_ is not None:
            schema = schemas.get((f"{route.method} {route.path} {status}", "serialization"), {})
            answer["content"] = {route.media_type: {"schema": schema}}
        answers[str(status)] = answer
    statuses = {400, 500, 503, *route.problems}
    if route.role != "public":
        statuses |= {401, 403}
    if route.has_body:
        statuses |= {413}
    for status in sorted(statuses):
        answers.setdefault(str(status), _problem(status))
    if (route.method, route.path) == ("GET", "runs"):
        link = {"description": 'The next page: <…>; rel="next".', "schema": {"type": "string"}}
        answers["200"]["headers"] = {"Link": link}
    return dict(sorted(answers.items()))


def document(routes: Sequence[Route], *, version: str, server: str) -> dict[str, Any]:
    """Return the document.

    Args:
        server: URL path below which the routes live (``/durable/api``).
    """
    inputs = _schema_inputs(routes)
    definitions, shared = TypeAdapter.json_schemas(
        [(key, mode, TypeAdapter(type_)) for key, mode, type_ in inputs],  # type: ignore[misc]
        by_alias=True,
        ref_template=REF,
    )
    schemas: dict[tuple[str, str], Any] = {(key, mode): schema for (key, mode), schema in definitions.items()}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path, parameters = path_of(route)
        operation: dict[str, Any] = {
            "operationId": to_camel(route.name),
            "summary": route.summary,
            "description": (route.handler.__doc__ or "").strip(),
            "tags": [route.tag],
            "x-role": route.role,
            "parameters": [*parameters, *_query_parameters(route.query)],
            "responses": _answers(route, schemas),
        }
        if route.stream:
            operation["x-websocket"] = True
        if route.has_body:
            schema = schemas.get((f"{route.method} {route.path} body", "validation"), {})
            operation["requestBody"] = {
                "required": route.body_required,
                "content": {JSON_TYPE: {"schema": schema}},
            }
        paths.setdefault(path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Durable dashboard",
            "version": version,
            "description": "Runs of durable workflows: list, open, follow, act. Problems are RFC 9457.",
        },
        "servers": [{"url": server}],
        "paths": paths,
        "components": {"schemas": shared.get("$defs", {})},
    }
