"""What the instrumentor believes of DBOS, checked against DBOS."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from dbos import DBOS, SetWorkflowID

from otel_bridge.instrumentation import DBOSInstrumentor, engine
from otel_bridge.instrumentation.heartbeat import Scope
from otel_bridge.instrumentation.session import Session

Instrument = Callable[..., DBOSInstrumentor]
Construct = Callable[..., DBOS]


def test_steps_are_entered_under_the_number_and_the_name_that_the_store_gets(
    worker: Instrument, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users' steps and DBOS's own alike, so that presence and store speak of the same step."""
    entered: list[Scope] = []
    enter = Session.enter

    def recording(self: Session, context: Any, attributes: Any) -> Scope:
        entered.append(enter(self, context, attributes))
        return entered[-1]

    monkeypatch.setattr(Session, "enter", recording)
    worker()

    @DBOS.step(name="recv")
    def named_like_one_of_dbos_own() -> None: ...

    @DBOS.workflow(name="job")
    def job() -> None:
        named_like_one_of_dbos_own()
        DBOS.set_event("k", 1)
        DBOS.get_event("nobody", "k", timeout_seconds=0.01)
        DBOS.recv("t", timeout_seconds=0.01)
        DBOS.sleep(0.001)
        DBOS.write_stream("s", 1)
        DBOS.close_stream("s")
        DBOS.send("job-1", "x", "t")

    DBOS.launch()
    with SetWorkflowID("job-1"):
        job()
    stored = {step["function_id"]: step["function_name"] for step in DBOS.list_workflow_steps("job-1")}
    reported = {scope.seq: scope.name for scope in entered if scope.seq is not None}
    assert len(reported) == 8
    assert reported.items() <= stored.items()
    assert [(scope.run_id, scope.name) for scope in entered if scope.seq is None] == [("job-1", "job")]


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ({"system_database_url": "sqlite:///a/app.sqlite"}, ("sqlite:///a/app.sqlite", "dbos")),
        (
            {"system_database_url": "postgresql+psycopg://u:p%40@h:1/d?sslmode=require", "dbos_system_schema": "eng"},
            ("postgresql://u:p%40@h:1/d?sslmode=require", "eng"),
        ),
        (
            {
                "system_database_url": "postgresql://custom:system@database/engine",
                "system_database_engine": SimpleNamespace(url=sa.make_url("postgresql+psycopg://u:secret@h/d")),
            },
            ("postgresql://u:secret@h/d", "dbos"),
        ),
        ({"system_database_url": "sqlite://"}, (None, "dbos")),
        ({"system_database_url": "sqlite:///:memory:"}, (None, "dbos")),
    ],
)
def test_the_system_database_is_found_in_the_configuration(
    config: dict[str, Any], found: tuple[str | None, str]
) -> None:
    """The URL without the driver, credentials included; a custom engine's own; none for a database in memory."""
    assert engine.system_database(SimpleNamespace(_config=config)) == found
