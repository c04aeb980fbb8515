"""Switching on and off: symmetric, idempotent, at any time, and never in a workflow's way."""

from __future__ import annotations

import logging
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dbos import DBOS, SetWorkflowID
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.instrumentation.dependencies import get_dist_dependency_conflicts
from opentelemetry.util._importlib_metadata import entry_points

from otel_bridge.errors import ConfigurationError
from otel_bridge.instrumentation import DBOSInstrumentor, InstrumentorSettings, engine
from otel_bridge.instrumentation import session as session_module
from otel_bridge.instrumentation.heartbeat import Heartbeat
from otel_bridge.instrumentation.lookup import PlacementLookup
from otel_bridge.instrumentation.session import Session
from otel_bridge.ledger import MemoryLedger
from tests.waiting import until

from .conftest import Tracing, in_body, in_step

Instrument = Callable[..., DBOSInstrumentor]
Construct = Callable[..., DBOS]


def methods() -> list[object]:
    """The methods of DBOS that are hooked, as they are now."""
    return [owner.__dict__[name] for owner, name in engine.hooks()]


def get_span_ids() -> tuple[bytes, bytes]:
    """The ids of the current span."""
    current = trace.get_current_span().get_span_context()
    return current.trace_id.to_bytes(16, "big"), current.span_id.to_bytes(8, "big")


def durable_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("durable-")}


def test_uninstrument_restores_everything(instrument: Instrument, dbos: Construct, ledger: MemoryLedger) -> None:
    """The very same functions are back, no thread is left, and steps have no span of ours."""
    before, others = methods(), durable_threads()
    instrumentor = instrument(ledger=ledger)
    assert all(now is not was for now, was in zip(methods(), before, strict=True))
    dbos()

    @DBOS.workflow()
    def job() -> bool:
        return trace.get_current_span().get_span_context().is_valid

    DBOS.launch()
    assert job()
    until(ledger.executors)
    instrumentor.uninstrument()
    assert methods() == before
    assert durable_threads() <= others
    assert not job()
    assert ledger.executors()[0].stopped


def test_instrumenting_twice_is_instrumenting_once(instrument: Instrument, ledger: MemoryLedger) -> None:
    """The second call changes nothing; so does a second uninstrument."""
    before = methods()
    instrument(ledger=ledger)
    hooked = methods()
    instrument(ledger=ledger)
    assert methods() == hooked
    DBOSInstrumentor().uninstrument()
    DBOSInstrumentor().uninstrument()
    assert methods() == before


@pytest.mark.parametrize("moment", ["before DBOS()", "before launch", "after launch"])
def test_it_may_be_switched_on_at_any_time(
    moment: str, instrument: Instrument, dbos: Construct, tracing: Tracing, ledger: MemoryLedger
) -> None:
    """Before the instance is constructed, before launch (the documented way), and after: all nest and report."""
    if moment == "before DBOS()":
        instrument(ledger=ledger)
    dbos()

    @DBOS.step()
    def step() -> None:
        with tracing.tracer.start_as_current_span("call"):
            pass

    @DBOS.workflow()
    def job() -> None:
        step()

    if moment == "before launch":
        instrument(ledger=ledger)
    DBOS.launch()
    if moment == "after launch":
        instrument(ledger=ledger)
    with SetWorkflowID("job-1"):
        job()
    assert tracing.parent("call") == in_step("job-1", 1)
    until(ledger.executors)


def test_switching_on_amid_a_run_leaves_the_run_alone(
    instrument: Instrument, dbos: Construct, tracing: Tracing, ledger: MemoryLedger
) -> None:
    """What began before ends as it would have; its later steps nest."""
    dbos()
    entered, go = threading.Event(), threading.Event()

    @DBOS.step()
    def first() -> None:
        entered.set()
        assert go.wait(timeout=20)

    @DBOS.step()
    def second() -> None:
        with tracing.tracer.start_as_current_span("second"):
            pass

    @DBOS.workflow()
    def job() -> str:
        first()
        second()
        return "done"

    DBOS.launch()
    with SetWorkflowID("job-1"):
        handle = DBOS.start_workflow(job)
    assert entered.wait(timeout=20)
    instrument(ledger=ledger)
    go.set()
    assert handle.get_result() == "done"
    assert tracing.parent("second") == in_step("job-1", 2)


@pytest.mark.parametrize("enable_otlp", [False, True])
def test_switching_off_amid_a_run_leaves_no_span_behind(worker: Instrument, enable_otlp: bool) -> None:
    """The run completes, its thread's context is what it was, and the last hook goes with the last step."""
    before = methods()
    instrumentor = worker(config={"enable_otlp": enable_otlp})
    entered, go = threading.Event(), threading.Event()

    @DBOS.step()
    def step() -> None:
        entered.set()
        assert go.wait(timeout=20)

    @DBOS.workflow()
    def job() -> None:
        step()

    left: list[Any] = []

    def run() -> None:
        job()
        left.append(otel_context.get_current())

    DBOS.launch()
    thread = threading.Thread(target=run)
    thread.start()
    assert entered.wait(timeout=20)
    instrumentor.uninstrument()
    go.set()
    thread.join(timeout=20)
    assert left == [{}]
    assert methods() == before


def test_switching_off_and_on_again_amid_a_run_restores_everything_in_the_end(
    worker: Instrument, instrument: Instrument, tracing: Tracing, ledger: MemoryLedger
) -> None:
    """The run that saw both ends properly; what begins after nests; the very same functions are back at last."""
    before = methods()
    worker()
    entered, go = threading.Event(), threading.Event()

    @DBOS.step()
    def step() -> None:
        entered.set()
        assert go.wait(timeout=20)
        with tracing.tracer.start_as_current_span("call"):
            pass

    @DBOS.workflow()
    def job() -> object:
        step()
        return get_span_ids()

    DBOS.launch()
    with SetWorkflowID("job-1"):
        handle = DBOS.start_workflow(job)
    assert entered.wait(timeout=20)
    DBOSInstrumentor().uninstrument()
    instrument(ledger=ledger)
    go.set()
    assert handle.get_result() == in_body("job-1")
    assert tracing.parent("call") == in_step("job-1", 1)
    with SetWorkflowID("job-2"):
        assert job() == in_body("job-2")
    DBOSInstrumentor().uninstrument()
    assert methods() == before


def test_spans_of_dbos_own_tracer_are_not_made_as_well(
    instrument: Instrument, dbos: Construct, tracing: Tracing, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ``enable_otlp`` on, DBOS would make a span for each run and step; instrumented it makes none."""
    monkeypatch.setattr(trace, "get_tracer", lambda *args, **kwargs: tracing.tracer)
    dbos(enable_otlp=True)

    @DBOS.step()
    def step() -> None:
        assert DBOS.span is not None
        DBOS.span.set_attribute("user.key", "value")

    @DBOS.workflow()
    def job() -> None:
        step()

    DBOS.launch()
    job()
    assert len(tracing.exporter.get_finished_spans()) == 2
    tracing.exporter.clear()
    instrumentor = instrument(ledger=ledger)
    job()
    assert tracing.exporter.get_finished_spans() == ()
    instrumentor.uninstrument()
    job()
    assert len(tracing.exporter.get_finished_spans()) == 2


def test_an_engine_unlike_ours_runs_as_if_we_were_not_there(
    instrument: Instrument, dbos: Construct, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A DBOS without the methods that we hook: one warning, nothing replaced."""
    before = methods()

    def unlike() -> list[tuple[type, str]]:
        raise AttributeError("_start_span")

    monkeypatch.setattr(engine, "hooks", unlike)
    with caplog.at_level(logging.WARNING, "otel_bridge.instrumentation"):
        instrument()
    monkeypatch.undo()
    assert "hooking into this version of DBOS" in caplog.text
    assert methods() == before


@pytest.mark.parametrize(
    "broken",
    [
        (Session, "enter"),
        (Session, "leave"),
        (PlacementLookup, "prefetch"),
        (Session, "launching"),
        (Session, "launched"),
        (Session, "destroyed"),
        (Heartbeat, "start"),
        (Heartbeat, "_look"),
        (Heartbeat, "_beat"),
        (engine, "describe"),
        (engine, "step_name"),
        (engine, "system_database"),
        (engine, "keep_out_of_traces"),
        (session_module, "DurableSpan"),
        (otel_context, "attach"),
        (otel_context, "detach"),
    ],
    ids=lambda broken: f"{getattr(broken[0], '__name__', broken[0])}.{broken[1]}",
)
def test_no_failure_of_ours_reaches_a_workflow(
    worker: Instrument, broken: tuple[Any, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever breaks inside, runs and steps do what they do, and the log says so once for each kind."""

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("injected")

    monkeypatch.setattr(*broken, fail)
    worker()

    @DBOS.step()
    def double(x: int) -> int:
        return x * 2

    @DBOS.step()
    def refuse() -> None:
        raise ValueError("refused")

    @DBOS.workflow()
    def job(x: int) -> int:
        DBOS.set_event("k", x)
        try:
            refuse()
        except ValueError:
            return sum(double(n) for n in range(x))
        return -1

    DBOS.launch()
    with caplog.at_level(logging.WARNING, "otel_bridge.instrumentation"):
        assert job(3) == 6
        assert DBOS.start_workflow(job, 4).get_result() == 12
        DBOS.destroy()
    warnings = [record.getMessage().split(":")[1] for record in caplog.records if "otel_bridge" in record.name]
    assert len(warnings) == len(set(warnings))


def test_options_come_from_keywords_then_the_environment() -> None:
    """A keyword wins; empty variables count as unset."""
    environ = {
        "DURABLE_NAMESPACE": "prod",
        "DURABLE_CHILDREN": "nest",
        "DURABLE_PARENT": "",
        "DURABLE_PRESENCE": "off",
        "DURABLE_PRESENCE_INTERVAL_S": "5",
        "DURABLE_LEDGER": "sqlite:///x.sqlite",
    }
    settings = InstrumentorSettings.build({"namespace": "test", "tracer_provider": object()}, environ)
    assert settings == InstrumentorSettings(
        namespace="test", children="nest", presence=False, presence_interval_s=5.0, ledger="sqlite:///x.sqlite"
    )


def test_what_is_kept_of_attempts_is_set_by_the_environment() -> None:
    """Each limit, the switch, and what is hidden before it is written."""
    environ = {
        "DURABLE_STEP_LOGS": "off",
        "DURABLE_STEP_LOG_RECORDS": "0",
        "DURABLE_STEP_LOG_RECORD_BYTES": "100",
        "DURABLE_STEP_LOG_BYTES": "1048576",
        "DURABLE_SLOW_STEP_S": "0.5",
        "DURABLE_REDACT": "*token* password",
    }
    settings = InstrumentorSettings.build({}, environ)
    found = (settings.step_logs, settings.step_log_records, settings.step_log_record_bytes, settings.step_log_bytes)
    assert found == (False, 0, 100, 1_048_576)
    assert settings.slow_step_s == 0.5
    assert settings.redact is not None
    assert settings.redact({"api_token": "x", "password": "y", "order": 7}) == {
        "api_token": "[redacted]",
        "password": "[redacted]",
        "order": 7,
    }


@pytest.mark.parametrize(
    ("given", "environ", "named"),
    [
        ({"namspace": "x"}, {}, "namspace"),
        ({"children": "deep"}, {}, "children"),
        ({}, {"DURABLE_PARENT": "foster"}, "parent"),
        ({}, {"DURABLE_PRESENCE": "maybe"}, "DURABLE_PRESENCE"),
        ({}, {"DURABLE_PRESENCE_INTERVAL_S": "soon"}, "DURABLE_PRESENCE_INTERVAL_S"),
        ({"presence_interval_s": 0}, {}, "presence_interval_s"),
        ({}, {"DURABLE_STEP_LOGS": "some"}, "DURABLE_STEP_LOGS"),
        ({}, {"DURABLE_STEP_LOG_RECORDS": "1.5"}, "DURABLE_STEP_LOG_RECORDS"),
        ({}, {"DURABLE_STEP_LOG_RECORDS": "10001"}, "step_log_records"),
        ({}, {"DURABLE_STEP_LOG_RECORD_BYTES": "99"}, "step_log_record_bytes"),
        ({}, {"DURABLE_STEP_LOG_BYTES": "2000000"}, "step_log_bytes"),
        ({}, {"DURABLE_SLOW_STEP_S": "nan"}, "slow_step_s"),
        ({"namespace": 3}, {}, "namespace"),
    ],
)
def test_a_malformed_option_is_refused_by_name(given: dict[str, Any], environ: dict[str, str], named: str) -> None:
    """At ``instrument()``, when the program starts; never later."""
    with pytest.raises(ConfigurationError, match=named):
        InstrumentorSettings.build(given, environ)


def test_a_refused_option_leaves_dbos_as_it_was(instrument: Instrument) -> None:
    """Nothing is half switched on."""
    before = methods()
    with pytest.raises(ConfigurationError):
        instrument(children="deep")
    assert methods() == before
    assert not DBOSInstrumentor().is_instrumented_by_opentelemetry


def test_auto_instrumentation_finds_it() -> None:
    """The entry point is ``dbos`` and names our class; its distribution has no conflict."""
    (entry_point,) = [e for e in entry_points(group="opentelemetry_instrumentor") if e.name == "dbos"]
    assert entry_point.load() is DBOSInstrumentor
    assert get_dist_dependency_conflicts(entry_point.dist) is None  # type: ignore[arg-type]


WORKER = """
import sys
from dbos import DBOS, SetWorkflowID
from opentelemetry import trace
DBOS(config={"name": "worker", "system_database_url": sys.argv[1], "application_version": "v1"})
@DBOS.workflow()
def job():
    return format(trace.get_current_span().get_span_context().trace_id, "032x")
DBOS.launch()
with SetWorkflowID("job-1"):
    print("trace", job())
DBOS.destroy()
"""


def test_opentelemetry_instrument_needs_no_line_of_code(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """``opentelemetry-instrument python app.py`` instruments a program that does not know of us."""
    # Where the system's SQLite is too old for DBOS; the sitecustomize of examples.newer_sqlite is hidden here.
    old_sqlite = sqlite3.__name__ == "pysqlite3"
    url = request.getfixturevalue("postgres_url" if old_sqlite else "sqlite_url")
    script = tmp_path / "app.py"
    script.write_text(WORKER)
    command = [Path(sys.executable).with_name("opentelemetry-instrument"), sys.executable, script, url]
    environment = {**os.environ, "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}
    done = subprocess.run(
        command, env={**environment, "OTEL_LOGS_EXPORTER": "none"}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert f"trace {in_body('job-1')[0].hex()}" in done.stdout
    assert old_sqlite or (tmp_path / "app.durable.sqlite").exists()
