"""Numbers and times out of range are refused with 400, naming the parameter: on every route that the document has."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient

from dashboard import create_blueprint
from dashboard.actor import Actor
from dashboard.http import openapi
from otel_bridge.testing import MemoryLedger, MemoryStateStore, make_run, make_step

NO_NUMBER = ("x", "", "nan", "inf", "-Infinity", "1e400", "1.5", "٣", "1,5", "0x10", "None", "true", "1 2")
NO_TIME = (
    "x", "", "nan", "inf", "1e400", "1.5", "-1", "٣", "9" * 20, "9" * 400, str(10**30), "0000-01-01", "10000-01-01",
    "2026-13-01", "2026-02-30", "2026-01-01T25:00:00Z", "2026-01-01T00:00:00+99:00", "tomorrow",
)  # fmt: skip
TIMES = frozenset({"since", "until"})
KNOWN = {"runId": "r-1", "seq": "1", "action": "retry"}
"""Values of the variables in paths; any name will do for the others."""
Parameter = tuple[str, str, dict[str, Any]]
"""Method, path and parameter."""


def _parameters() -> list[Parameter]:
    routes = create_blueprint("sqlite:///of-no-matter.sqlite").routes
    paths = openapi.document(routes, version="0", server="/api")["paths"]
    return [
        (method, path, parameter)
        for path, item in paths.items()
        for method, operation in item.items()
        for parameter in operation.get("parameters", ())
        if parameter["schema"].get("type") in ("integer", "number") or parameter["name"] in TIMES
    ]


def _each(parameters: list[Parameter]) -> pytest.MarkDecorator:
    cases = [pytest.param(*case, id=" ".join([*case[:2], case[2]["name"]])) for case in parameters]
    return pytest.mark.parametrize(("method", "path", "parameter"), cases)


each_parameter = _each(_parameters())
each_number = _each([case for case in _parameters() if case[2]["name"] not in TIMES])


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    store = MemoryStateStore()
    store.put_run(make_run("r-1", status="failed"))
    store.put_step(make_step("r-1", 1))
    app = Flask(__name__)
    blueprint = create_blueprint(
        store, ledger=MemoryLedger(), auth=lambda request: Actor("ann", "operator"), caretaker=False
    )
    app.register_blueprint(blueprint, url_prefix="/d")
    return app.test_client()


@each_parameter
def test_what_is_no_number_or_time_in_range_is_refused_by_name(
    client: FlaskClient, method: str, path: str, parameter: dict[str, Any]
) -> None:
    name = parameter["name"]
    for value in _refused(parameter):
        answer = _ask(client, method, path, parameter, value)
        assert (answer.status_code, answer.mimetype) == (400, "application/problem+json"), (value, answer.text)
        assert name in answer.get_json()["detail"], (value, answer.text)


@each_number
def test_a_number_without_a_bound_breaks_nothing(
    client: FlaskClient, method: str, path: str, parameter: dict[str, Any]
) -> None:
    """Where the document has no maximum, such as of a limit that is lowered to it, any number is taken."""
    for value in (str(2**31), str(2**63), str(10**30), "9" * 400, f"-{10**30}"):
        assert _ask(client, method, path, parameter, value).status_code < 500, value


def _refused(parameter: dict[str, Any]) -> list[str]:
    if parameter["name"] in TIMES:
        return list(NO_TIME)
    low, high = parameter["schema"].get("minimum"), parameter["schema"].get("maximum")
    below = [] if low is None else [str(low - 1), str(-(10**30))]
    above = [] if high is None else [str(high + 1), str(10**30), "9" * 400]
    no_number = NO_NUMBER if parameter["in"] == "query" else ()  # a path without a number is another path: 404
    return [*no_number, *below, *above]


def _ask(client: FlaskClient, method: str, path: str, parameter: dict[str, Any], value: str) -> Any:
    given = {**KNOWN, **({parameter["name"]: value} if parameter["in"] == "path" else {})}
    url = "/d/api" + re.sub(r"{(\w+)}", lambda found: quote(given.get(found[1], "x"), safe=""), path)
    query = {parameter["name"]: value} if parameter["in"] == "query" else {}
    return client.open(url, method=method.upper(), query_string=query, json={} if method == "post" else None)
