"""The HTTP contract beside the last released one: what a client was written against goes on working."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.project.test_supply_chain import script

CONTRACT = script("contract")
Document = dict[str, Any]


def test_the_contract_breaks_no_client_of_the_released_one() -> None:
    """What is taken away is a new version of the contract: then ``python .ci/contract.py --release``, and CHANGELOG."""
    released, now = json.loads(CONTRACT.RELEASED.read_text()), json.loads(CONTRACT.NOW.read_text())
    assert CONTRACT.breaks(released, now) == []


@pytest.fixture
def released() -> Document:
    """A copy that a test may change."""
    document: Document = json.loads(CONTRACT.RELEASED.read_text())
    return document


def schema(document: Document, name: str) -> Document:
    """Return a schema of the document."""
    found: Document = document["components"]["schemas"][name]
    return found


def parameter(document: Document, name: str) -> Document:
    """Return a parameter of the list of runs."""
    found: Document = next(one for one in document["paths"]["/runs"]["get"]["parameters"] if one["name"] == name)
    return found


def narrow_status(document: Document) -> None:
    at = parameter(document, "status")["schema"]
    holder = next(one for one in (at, *at.get("anyOf", ()), at.get("items", {})) if "enum" in resolved(document, one))
    resolved(document, holder)["enum"].remove("dead")


def resolved(document: Document, node: Document) -> Document:
    found: Document = CONTRACT._resolved(document, node)
    if "items" in found:
        found = CONTRACT._resolved(document, found["items"])
    return found


BREAKS: list[tuple[Callable[[Document], object], str]] = [
    (lambda d: d["paths"].pop("/workers"), "GET /workers is gone"),
    (lambda d: d["paths"]["/runs"].pop("post"), "POST /runs is gone"),
    (lambda d: d["paths"]["/runs"]["get"].update(operationId="runs"), "its operation was listRuns"),
    (lambda d: schema(d, "WorkerGroup")["properties"].pop("depth"), "depth is gone"),
    (lambda d: schema(d, "WorkerGroup")["required"].remove("depth"), "depth may be left out now"),
    (lambda d: schema(d, "WorkerGroup")["properties"].update(depth={"type": "string"}), "string may be answered now"),
    (lambda d: schema(d, "StartBody")["required"].append("queue"), "queue is required now"),
    (lambda d: schema(d, "StartBody")["properties"].pop("attributes"), "attributes is gone"),
    (lambda d: schema(d, "ForkBody")["properties"].update(fromSeq={"type": "string"}), "integer is taken no more"),
    (lambda d: schema(d, "WakeBody")["properties"]["comment"].update(maxLength=10), "maxLength is 10 now"),
    (lambda d: d["paths"]["/runs"]["get"]["parameters"].remove(parameter(d, "q")), "parameter q is gone"),
    (lambda d: parameter(d, "q").update(required=True), "parameter q is required now"),
    (
        lambda d: d["paths"]["/workers"]["get"].update(
            parameters=[{"in": "query", "name": "x", "required": True, "schema": {"type": "string"}}]
        ),
        "parameter x is new, and required",
    ),
    (narrow_status, "not every value is taken any more (dead)"),
    (lambda d: d["paths"]["/runs"]["post"]["responses"].pop("201"), "it answered 201"),
]


@pytest.mark.parametrize(("change", "says"), BREAKS, ids=[says for _, says in BREAKS])
def test_each_kind_of_break_is_found(released: Document, change: Callable[[Document], object], says: str) -> None:
    """Taken away, narrowed, demanded: found wherever it is."""
    now = copy.deepcopy(released)
    change(now)
    found = CONTRACT.breaks(released, now)
    assert any(says in one for one in found), found


GROWS: list[Callable[[Document], object]] = [
    lambda d: d["paths"].update({"/more": {"get": {"operationId": "more", "responses": {"200": {"content": {}}}}}}),
    lambda d: schema(d, "WorkerGroup")["properties"].update(more={"type": "string"}),
    lambda d: schema(d, "WorkerGroup")["required"].append("pausedBy"),
    lambda d: schema(d, "StartBody")["properties"].update(more={"type": "string"}),
    lambda d: schema(d, "StartBody")["required"].clear(),
    lambda d: schema(d, "WakeBody")["properties"]["comment"].update(maxLength=10_000),
    lambda d: d["paths"]["/workers"]["get"].update(
        parameters=[{"in": "query", "name": "x", "schema": {"type": "string"}}]
    ),
]


@pytest.mark.parametrize("change", GROWS)
def test_what_only_grows_breaks_nothing(released: Document, change: Callable[[Document], object]) -> None:
    """A client sends less than is taken, and reads less than is answered."""
    now = copy.deepcopy(released)
    change(now)
    assert CONTRACT.breaks(released, now) == []
