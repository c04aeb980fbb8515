"""Write openapi.json, from which ``npm run types`` makes the page's types of requests and answers, and statuses.json.

Run it in the project's Python. The document says what the wire looks like to a reader in TypeScript: a field that is
None is left out, never null, and a payload is any JSON. Descriptions, version and address change without the types.
"""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

from dashboard import create_blueprint
from dashboard.http import openapi
from otel_bridge.model.status import FAILED_STATUSES, STATUSES, UNSUCCESSFUL_STATUSES

TARGET = Path(__file__).with_name("openapi.json")
FACTS = Path(__file__).with_name("src") / "api" / "statuses.json"
CONTRACT = Path(__file__).parents[2] / ".ci" / "contract.py"
ANY_JSON = {"$ref": "#/components/schemas/Json"}
JSON_SCHEMA = {"x-json": True}
"""Any JSON: ``types.mjs`` gives it a type that refers to itself."""
PROSE = frozenset({"description", "summary", "title", "examples", "tags", "x-role"})


def without_prose(node: object) -> Any:
    """Return a part of the document without what only people read. Names of properties are not prose."""
    if isinstance(node, list):
        return [without_prose(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    return {
        key: {name: without_prose(value) for name, value in entry.items()}
        if key == "properties" and isinstance(entry, dict)
        else without_prose(entry)
        for key, entry in node.items()
        if key not in PROSE
    }


def as_sent(schema: object) -> Any:
    """Return a property's schema as a reader meets it: never null, and any JSON where it says nothing."""
    if not isinstance(schema, dict):
        return schema
    without_default = {key: value for key, value in schema.items() if key != "default" or value is not None}
    if not without_default:
        return ANY_JSON
    options = without_default.get("anyOf")
    if isinstance(options, list) and "default" in schema and schema["default"] is None:
        rest = [as_sent(option) for option in options if option != {"type": "null"}]
        return rest[0] if len(rest) == 1 else {**without_default, "anyOf": rest}
    parts = {key: as_part(key, value) for key, value in without_default.items()}
    constants = [name for name, entry in parts.get("properties", {}).items() if "const" in entry]
    return {**parts, "required": sorted({*parts.get("required", []), *constants})} if constants else parts


def as_part(key: str, value: object) -> Any:
    """Return what a schema holds under a key, as it is sent."""
    if key == "additionalProperties" and value is True:
        return ANY_JSON
    if key in ("items", "additionalProperties"):
        return as_sent(value)
    if key == "properties" and isinstance(value, dict):
        return {name: as_sent(entry) for name, entry in value.items()}
    return value


def document() -> dict[str, Any]:
    """Return the API's document for the page. No database is opened for it."""
    blueprint = create_blueprint("sqlite:///of-no-matter.sqlite")
    whole = without_prose(openapi.document(blueprint.routes, version="0", server="/api"))
    schemas = {name: as_sent(schema) for name, schema in whole["components"]["schemas"].items()}
    operations = {path: _operations(item) for path, item in whole["paths"].items()}
    return {
        **whole,
        "info": {"title": "API", "version": "0"},
        "paths": operations,
        "components": {"schemas": {**schemas, "Json": JSON_SCHEMA}},
    }


def _operations(item: dict[str, Any]) -> dict[str, Any]:
    """Return a path's operations with the answers that are no refusals: those are problem documents everywhere."""
    kept = {}
    for method, operation in item.items():
        answers = {status: answer for status, answer in operation["responses"].items() if status < "3"}
        kept[method] = {**operation, "responses": {status: _described(answer) for status, answer in answers.items()}}
    return kept


def _described(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer with the description that OpenAPI requires, and its schemas as they are sent."""
    content = answer.get("content", {})
    sent = {kind: {**entry, "schema": as_sent(entry.get("schema", {}))} for kind, entry in content.items()}
    return {"description": "", **({"content": sent} if sent else {})}


def text() -> str:
    """Return the document as the file holds it."""
    return json.dumps(document(), indent=1, sort_keys=True) + "\n"


def facts() -> str:
    """Return what each status means, as the page's file of it holds it."""
    names = ("open", "retriable", "cancellable", "held")
    rows = {
        status: {
            **{name: getattr(row, name) for name in names},
            "failed": status in FAILED_STATUSES,
            "unsuccessful": status in UNSUCCESSFUL_STATUSES,
        }
        for status, row in STATUSES.items()
    }
    return json.dumps(rows, indent=2) + "\n"


if __name__ == "__main__":
    FACTS.write_text(facts(), encoding="utf-8")
    TARGET.write_text(text(), encoding="utf-8")
    runpy.run_path(str(CONTRACT))["keep_until_released"]()
    sys.stdout.write(f"{TARGET.name} written; now: npm run types\n")
