"""A secret under a hidden key leaves by no door: routes, streams, spans, metrics, logs. Nor does a token of ours."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from dashboard.actor import Actor, Role
from dashboard.http.routing import RequestContext
from dashboard.routes.streams import stream_run, stream_runs
from dashboard.wire.filters import ListStreamQuery, RunStreamQuery
from dashboard.workflow.tokens import WebhookToken, seal
from otel_bridge import OTelBridge
from otel_bridge.model.runs import Run
from otel_bridge.model.values import StoredValue
from otel_bridge.otlp.encode import ResourceSettings, encode_request
from otel_bridge.spans import ids
from otel_bridge.testing import MemoryLedger, MemoryStateStore, make_run, make_step
from tests import secrets
from tests.otlp.samples import ListTransport
from tests.story import mounted

BASE = "/durable/api"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def planted_run(store: MemoryStateStore, value: StoredValue, attributes: dict[str, Any], *, run_id: str = "r-1") -> Run:
    """A failed run that holds the value wherever a run can hold one."""
    at = now_ms()
    run = make_run(
        run_id,
        status="failed",
        created_at_ms=at,
        finished_at_ms=at + 5,
        serialization=value.serialization,
        attributes=attributes,
    )
    store.put_run(run)
    for name in ("input", "output", "error"):
        store.put_payload(run_id, name, value.text)
    store.put_step(make_step(run_id, 1, name="good", output=value, started_at_ms=at))
    store.put_step(make_step(run_id, 2, name="bad", status="failed", error=value, started_at_ms=at + 1))
    for key in ("stage", "durable.undo.1"):
        store.put_event(run_id, key, value.text, serialization=value.serialization)
    plain = json.dumps(secrets.SECRET)
    store.put_event(run_id, "api_token", plain)
    return run


def addresses(app: Flask, run_id: str, fingerprint: str) -> Iterator[str]:
    """Every GET route, with every parameter that it takes. A new parameter must be named here."""
    fill = {"run_id": [run_id], "seq": ["1", "2"], "name": ["input", "output", "error"], "bulk_id": ["bulk:none"]}
    fill.update(key=["stage", "api_token", "durable.undo.1"], trace_id=[ids.trace_id(run_id).hex()])
    fill.update(fingerprint=[fingerprint], token=["none"])
    for route in app.extensions["durable"].routes:
        if route.method != "GET" or route.stream:
            continue
        paths = [""]
        for part in route.path.replace("<path:", "<").split("/"):
            name = part.rpartition(":")[2].strip("<>") if part.startswith("<") else None
            paths = [f"{path}/{choice}" for path in paths for choice in (fill[name] if name else [part])]
        for path in paths:
            yield path
            if path.endswith(("/1", "/2")):
                yield f"{path}?full=true"
            if "/payload/" in path:
                yield f"{path}?raw=true"
            if path.endswith("/compare"):
                yield from (f"{path}?with={run_id}{step}" for step in ("", "&step=1", "&step=2"))
            if path == f"/runs/{run_id}":
                yield from (f"{path}?fold=true", f"{path}?fold=true&q=bad")


def answers_of(client: FlaskClient, app: Flask, run_id: str) -> str:
    """What every route says, problems and headers included."""
    said = []
    error = (client.get(f"{BASE}/runs/{run_id}").json or {})["run"].get("error") or {}
    for path in addresses(app, run_id, error.get("fingerprint", "none")):
        response = client.get(BASE + path)
        assert response.status_code < 500, (path, response.text)
        said.append(f"{path} {response.status_code} {list(response.headers)} {response.text}")
    return "\n".join(said)


def streamed(app: Flask, role: Role, run_id: str | None, happens: Callable[[], object], until: str) -> str:
    """What a viewer's stream sends: its snapshot, then the events of what happens next."""
    request: Any = SimpleNamespace(headers={})
    services = app.extensions["durable"].services
    ctx = RequestContext(services=services, actor=Actor("ann", role), base="", origin="", request=request)
    if run_id is None:
        stream = stream_runs(ctx, query=ListStreamQuery())  # type: ignore[call-arg]
    else:
        stream = stream_run(ctx, query=RunStreamQuery(), run_id=run_id)  # type: ignore[call-arg]
    said = ""
    with closing(stream.frames()) as frames:
        for frame in frames:
            said += f"{frame.event} {frame.text}\n"
            if frame.event == "snapshot":
                happens()
            if until in said:
                return said
            assert said.count("heartbeat") < 200, said
    return said


def exported(store: MemoryStateStore) -> str:
    """What the bridge sends, spans and metrics."""
    transport, reader = ListTransport(), InMemoryMetricReader()
    provider = MeterProvider([reader])
    options: dict[str, Any] = {"exporter": transport, "environ": {}, "meter_provider": provider}
    bridge = OTelBridge(store, ledger=MemoryLedger(), start_from="beginning", redact=secrets.HIDE, **options)
    assert bridge.run_once() >= 2
    data = reader.get_metrics_data()
    bridge.stop()
    provider.shutdown()
    sent = encode_request(transport.spans, ResourceSettings(environ={}))
    return sent.decode("utf-8", "replace") + (data.to_json() if data is not None else "")


attributes = st.fixed_dictionaries(
    {
        "api_token": st.just(secrets.SECRET),
        "region": st.just("eu"),
        "note": st.just(f"password reset, client_secret={secrets.SECRET}"),
        "tags": st.just(["vip", f"client_secret={secrets.SECRET}"]),
    }
)


@given(secrets.stored_values, attributes, st.integers(20, 400))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
def test_a_secret_leaves_by_no_door(value: StoredValue, attributes: dict[str, Any], cap: int) -> None:
    """Each route as viewer and operator, both streams, spans, metrics and logs; cut by a small cap too."""
    said = []
    records = logging.getLogger()
    caught = _Caught()
    records.addHandler(caught)
    role = {"is": "viewer"}
    store = MemoryStateStore(clock=now_ms)
    run = planted_run(store, value, attributes)
    try:
        with mounted(
            store,
            ledger=MemoryLedger(),
            redact=secrets.HIDE,
            auth=lambda request: role["is"],
            payload_cap_bytes=cap,
            heartbeat_s=0.05,
        ) as app:
            client = app.test_client()
            for role["is"] in ("viewer", "operator"):
                said.append(answers_of(client, app, run.id))
            said.append(
                streamed(app, "viewer", None, lambda: planted_run(store, value, attributes, run_id="r-2"), "run.failed")
            )
            said.append(streamed(app, "viewer", run.id, lambda: None, "snapshot"))
            said.append(exported(store))
    finally:
        records.removeHandler(caught)
    shown = "\n".join([*said, *caught.lines])
    assert '"region":"eu"' in shown.replace(" ", ""), "what is not hidden is shown"
    found = [trace for trace in secrets.TRACES if trace in shown]
    assert not found, [shown[max(0, shown.index(trace) - 300) :][:600] for trace in found]


class _Caught(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.mark.parametrize("query", ["attr=api_token:gt:h", "attr=api_token:eq:x&attr=region:eq:eu"])
@pytest.mark.parametrize("path", ["/runs", "/runs/facets", "/stream"])
def test_a_hidden_attribute_cannot_be_filtered_by(path: str, query: str) -> None:
    """Whether runs match would tell the value, one comparison at a time."""
    store = MemoryStateStore(clock=now_ms)
    store.put_run(make_run("r", attributes={"api_token": secrets.SECRET, "region": "eu"}))
    with mounted(store, ledger=MemoryLedger(), redact=secrets.HIDE) as app:
        get = app.test_client().get
        headers = {"Accept": "text/event-stream"} if path == "/stream" else {}
        refused = get(f"{BASE}{path}?{query}", headers=headers)
        assert refused.status_code == 403
        assert "'api_token' is redacted" in refused.get_json()["detail"]
        if path != "/stream":
            assert get(f"{BASE}{path}?attr=region:eq:eu").status_code == 200


# -- our own webhook tokens ------------------------------------------------------------------------------------------

TOKEN = seal(WebhookToken("r-json", "payment", 1), "a secret")


def token_values() -> list[StoredValue]:
    """A token in a step's output, as bytes, in a URL, in a message, at the end of a long text."""
    url = f"https://ops.example.com/durable/api/webhooks/{TOKEN}"
    python = [
        {"url": url, "token": TOKEN, "seq": 1},
        [url.encode(), {TOKEN: 1}],
        ValueError(f"POST {url}?x=1 failed", {"callback": url}),
        "x" * 70_000 + url,
    ]
    text = json.dumps({"url": url, "token": TOKEN, "deep": json.dumps({"again": url})})
    return [*map(secrets.pickled, python), StoredValue(text, "portable_json", len(text))]


@pytest.mark.parametrize("value", token_values(), ids=lambda value: value.text[:12])
def test_a_viewer_sees_no_webhook_token_and_an_operator_does(value: StoredValue) -> None:
    """Who has a token may answer the wait. In spans nobody sees it: they leave the house."""
    store = MemoryStateStore(clock=now_ms)
    run = planted_run(store, value, {"callback": f"https://x/durable/api/webhooks/{TOKEN}", "region": "eu"})
    role: dict[str, Role] = {"is": "viewer"}
    with mounted(store, ledger=MemoryLedger(), auth=lambda request: role["is"], heartbeat_s=0.05) as app:
        client = app.test_client()
        said = {}
        for role["is"] in ("viewer", "operator"):
            stream = streamed(app, role["is"], run.id, lambda: None, "snapshot")
            said[role["is"]] = answers_of(client, app, run.id) + stream
        listed = streamed(
            app, "viewer", None, lambda: planted_run(store, value, {"callback": TOKEN}, run_id="r-2"), "run.failed"
        )
        bridge_says = exported(store)
    for part in (TOKEN[12:30], TOKEN[-30:]):
        assert part not in said["viewer"]
        assert part not in listed + bridge_says
    assert "durable_whk_[hidden]" in said["viewer"]
    assert TOKEN in said["operator"]


def test_a_viewer_sees_no_token_in_a_name_or_a_key() -> None:
    """Where it names a step, a queue or a published value, in rows, graphs, errors, topology, streams and spans."""
    store = MemoryStateStore(clock=now_ms)
    at = now_ms()
    store.put_run(make_run("r", status="failed", created_at_ms=at, queue=f"q-{TOKEN}", attributes={TOKEN: "eu"}))
    store.put_step(make_step("r", 1, name=f"post {TOKEN}", status="failed", started_at_ms=at))
    store.put_payload("r", "error", json.dumps({"name": "E", "message": f"POST {TOKEN} failed"}))
    store.put_event("r", f"k-{TOKEN}", "1")
    role: dict[str, Role] = {"is": "viewer"}
    with mounted(store, ledger=MemoryLedger(), auth=lambda request: role["is"], heartbeat_s=0.05) as app:
        said = {}
        for role["is"] in ("viewer", "operator"):
            stream = streamed(app, role["is"], "r", lambda: None, "snapshot")
            said[role["is"]] = answers_of(app.test_client(), app, "r") + stream
        bridge_says = exported(store)
    assert TOKEN[12:30] not in said["viewer"] + bridge_says
    assert "[hidden][hidden]" not in said["viewer"]
    assert TOKEN in said["operator"]
