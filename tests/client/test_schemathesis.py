"""Requests made up from openapi.json, of right and wrong shape: never a 5xx, never an answer that is not documented."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

from dashboard import create_blueprint

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
BOUNDS = settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def operations() -> dict[str, Any]:
    """Return the document's operations by name; it needs no database. The streams, which do not end, are left out."""
    app = Flask(__name__)
    app.register_blueprint(create_blueprint("sqlite:///none.sqlite", caretaker=False), url_prefix="/durable")
    schema = schemathesis.openapi.from_dict(app.test_client().get("/durable/api/openapi.json").json)  # type: ignore[arg-type]
    found = [result.ok() for result in schema.get_all_operations()]
    return {f"{op.method} {op.path}": op for op in found if not op.path.endswith("stream")}


OPERATIONS = operations()


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_request_gets_an_undocumented_answer(name: str, base_url: str) -> None:
    """Ten requests for each operation, valid ones and broken ones."""

    @BOUNDS
    @given(OPERATIONS[name].as_strategy())
    def check(case: Any) -> None:
        case.call_and_validate(base_url=f"{base_url}/api", checks=CHECKS, timeout=20)

    check()
