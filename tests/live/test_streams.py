"""The live tail: real websockets and SSE against a threaded server, with a DBOS worker in another process."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import pytest
from flask import Flask
from simple_websocket import Client, ConnectionClosed

from dashboard.live.hub import STOPPED_REASON, LiveHub
from dashboard.live.subscription import SLOW_REASON, Message
from otel_bridge.model.runs import RunQuery
from tests.programs import Program
from tests.story import mounted, served
from tests.waiting import until

pytestmark = pytest.mark.timeout(90)
_numbers = itertools.count(1)


def new_id(what: str) -> str:
    """A run id of this test's own."""
    return f"{what}-{next(_numbers)}-{time.time_ns()}"


@pytest.fixture(scope="module")
def live_app(worker_url: str, worker: Program) -> Iterator[Flask]:
    """The dashboard over the worker's database, in this process, which never drives."""
    with mounted(worker_url, heartbeat_s=0.5) as app:
        yield app


@pytest.fixture(scope="module")
def port(live_app: Flask) -> Iterator[int]:
    """Where ``live_app`` is served."""
    with served(live_app) as port:
        yield port


@pytest.fixture
def hub(live_app: Flask) -> LiveHub:
    """The hub of ``live_app``."""
    hub: LiveHub = live_app.extensions["durable"].hub
    return hub


@contextmanager
def websocket(port: int, path: str, **headers: str) -> Iterator[Client]:
    """A websocket client that is closed at the end."""
    client = Client.connect(f"ws://127.0.0.1:{port}/durable/api/{path}", headers=list(headers.items()) or None)
    try:
        yield client
    finally:
        with_close(client)


def with_close(client: Client) -> None:
    """Close a client that may be closed already, and wait for its thread."""
    with suppress(ConnectionClosed):
        client.close()
    client.thread.join(5)


def receive(client: Client, until: Callable[[dict[str, Any]], bool], *, within_s: float = 20) -> list[dict[str, Any]]:
    """Return messages up to the first that ``until`` accepts."""
    got: list[dict[str, Any]] = []
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        text = client.receive(timeout=deadline - time.monotonic())
        if text is not None:
            got.append(json.loads(text))
            if until(got[-1]):
                return got
    raise AssertionError(f"waited in vain; got {[message['type'] for message in got]}")


def is_type(kind: str, run_id: str | None = None) -> Callable[[dict[str, Any]], bool]:
    """A condition on a message."""
    return lambda message: message["type"] == kind and run_id in (None, message.get("runId"))


def test_the_list_stream_tells_a_run_from_start_to_end(port: int, worker: Program) -> None:
    """A snapshot first, then the run's events in order with growing ids, each with the run's row."""
    run_id = new_id("simple")
    with websocket(port, "stream") as ws:
        first = receive(ws, is_type("snapshot"))
        assert first[0]["type"] == "snapshot"
        worker.tell(f"start simple {run_id} 1")
        messages = [m for m in receive(ws, is_type("run.completed", run_id)) if m.get("runId") == run_id]
    assert [m["type"] for m in messages][-1] == "run.completed"
    assert messages[-1]["run"]["status"] == "completed"
    assert not [m for m in messages if m["type"].startswith("step.")]
    identifiers = [first[0]["id"], *(m["id"] for m in messages)]
    assert identifiers == sorted(set(identifiers))


def test_a_run_stream_begins_with_the_detail_and_tells_its_steps(port: int, worker: Program) -> None:
    """The snapshot is what GET answers; steps follow with their views."""
    run_id = new_id("waiting")
    worker.tell(f"start waiting {run_id}")
    with websocket(port, f"runs/{run_id}/stream") as ws:
        snapshot = receive(ws, is_type("snapshot"))[-1]
        assert snapshot["detail"]["run"]["id"] == run_id
        assert set(snapshot["detail"]) == {
            "run",
            "timeline",
            "children",
            "childRuns",
            "lineage",
            "attempts",
            "stepsTotal",
            "childrenTotal",
        }
        worker.tell(f"send {run_id} approval")
        messages = receive(ws, is_type("run.completed"))
    assert {m.get("runId", run_id) for m in messages} == {run_id}
    step = next(m for m in messages if m["type"] == "step.completed" and m["kind"] == "signal")
    assert step["step"]["kind"] == "signal"
    assert step["step"]["seq"] == step["seq"]


def test_a_change_is_at_the_viewer_at_once(port: int, worker: Program) -> None:
    """From the engine's commit to the socket in under a second, on however busy a machine; bench_live measures it."""
    delays = []
    with websocket(port, "stream") as ws:
        receive(ws, is_type("snapshot"))
        for _ in range(5):
            run_id = new_id("simple")
            worker.tell(f"start simple {run_id} 1")
            before = time.monotonic()
            receive(ws, lambda m, run_id=run_id: m.get("runId") == run_id)  # type: ignore[misc]
            delays.append(time.monotonic() - before)
            receive(ws, is_type("run.completed", run_id))
    assert sorted(delays)[2] < 1.0


def test_a_reconnect_misses_nothing(port: int, worker: Program) -> None:
    """With the last id it saw, a viewer gets what happened meanwhile, and no snapshot."""
    with websocket(port, "stream") as ws:
        receive(ws, is_type("snapshot"))
        seen = new_id("simple")
        worker.tell(f"start simple {seen} 1")
        last = receive(ws, is_type("run.completed", seen))[-1]["id"]
    missed = new_id("simple")
    worker.tell(f"start simple {missed} 1")
    with websocket(port, f"stream?lastEventId={last}") as ws:
        messages = receive(ws, is_type("run.completed", missed))
    assert "snapshot" not in [m["type"] for m in messages]
    assert all(m["id"] > last for m in messages if m["type"] != "heartbeat")


def test_an_id_of_another_process_gives_a_fresh_snapshot(port: int) -> None:
    """What cannot be continued begins again: too old, from elsewhere, or from the future."""
    for last in (1, 10**15, 2**60):
        with websocket(port, f"stream?lastEventId={last}") as ws:
            assert receive(ws, lambda m: True)[0]["type"] == "snapshot"


def test_a_quiet_stream_sends_heartbeats(port: int, worker: Program) -> None:
    """A viewer can tell a quiet stream from a dead one."""
    with websocket(port, "stream?workflow=none-such") as ws:
        beats = receive(ws, is_type("heartbeat"), within_s=5)
    assert beats[-1]["id"] >= beats[0]["id"]


def test_the_filter_of_the_list_applies_to_its_stream(port: int, worker: Program) -> None:
    """Events of runs outside the filter are not sent; a run that leaves it is sent once more."""
    inside, outside = new_id("waiting"), new_id("simple")
    with websocket(port, "stream?status=suspended&status=running&workflow=waiting") as ws:
        receive(ws, is_type("snapshot"))
        worker.tell(f"start simple {outside} 1")
        worker.tell(f"start waiting {inside}")
        messages = receive(ws, is_type("run.suspended", inside))
        worker.tell(f"send {inside} approval")
        messages += receive(ws, is_type("run.completed", inside))
    assert outside not in {m.get("runId") for m in messages}


def test_sse_is_the_same_stream_on_the_same_route(port: int, worker: Program) -> None:
    """Snapshot and heartbeat have event names of their own; lifecycle events are plain data lines with ids."""
    run_id = new_id("waiting")
    worker.tell(f"start waiting {run_id}")
    address = f"http://127.0.0.1:{port}/durable/api/runs/{run_id}/stream"
    frames: list[dict[str, str]] = []
    frame: dict[str, str] = {}
    with httpx.stream("GET", address, headers={"Accept": "text/event-stream"}, timeout=20) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        for line in response.iter_lines():
            name, _, value = line.partition(": ")
            if line:
                frame[name] = value
                continue
            frames.append(frame)
            frame = {}
            if frames[-1].get("event") == "snapshot":
                worker.tell(f"send {run_id} approval")
            if '"type":"run.completed"' in frames[-1].get("data", ""):
                break
    assert frames[0] == {"retry": "2000"}
    assert frames[1]["event"] == "snapshot"
    plain = [frame for frame in frames[2:] if "event" not in frame]
    assert [json.loads(frame["data"])["id"] for frame in plain] == [int(frame["id"]) for frame in plain]
    assert json.loads(plain[-1]["data"])["type"] == "run.completed"


def test_sse_continues_from_the_header_that_event_source_sends(port: int, worker: Program) -> None:
    """A browser's reconnect carries Last-Event-ID."""
    run_id = new_id("simple")
    with websocket(port, "stream") as ws:
        last = receive(ws, is_type("snapshot"))[0]["id"]
        worker.tell(f"start simple {run_id} 1")
        receive(ws, is_type("run.completed", run_id))
        address = f"http://127.0.0.1:{port}/durable/api/stream"
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(last)}
        with httpx.stream("GET", address, headers=headers, timeout=20) as response:
            for line in response.iter_lines():
                assert "event: snapshot" not in line
                if "run.completed" in line and run_id in line:
                    break


def test_a_malformed_last_event_id_is_refused(port: int) -> None:
    """By name, before the stream begins."""
    address = f"http://127.0.0.1:{port}/durable/api/stream"
    headers = {"Accept": "text/event-stream"}
    assert "Last-Event-ID" in httpx.get(address, headers={**headers, "Last-Event-ID": "x"}).json()["detail"]
    assert httpx.get(f"{address}?lastEventId=x", headers=headers).json()["parameter"] == "lastEventId"


def test_a_plain_request_for_a_stream_gets_an_explanation(port: int) -> None:
    """A client that takes no event stream gets a problem, not an endless answer."""
    response = httpx.get(f"http://127.0.0.1:{port}/durable/api/stream", headers={"Accept": "application/json"})
    assert response.status_code == 406
    assert response.headers["content-type"] == "application/problem+json"


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.mark.parametrize(("path", "status"), [("runs/no-such-run/stream", 404), ("stream?colour=red", 400)])
def test_a_websocket_that_cannot_be_served_is_refused_before_the_upgrade(port: int, path: str, status: int) -> None:
    """As an HTTP answer; no socket is opened that closes at once."""
    response = httpx.get(f"http://127.0.0.1:{port}/durable/api/{path}", headers=UPGRADE)
    assert response.status_code == status
    assert response.json()["status"] == status


def test_a_websocket_from_another_site_is_refused(port: int) -> None:
    """Browsers send Origin with websockets, and do not apply the same-origin policy to them: the server must."""
    address = f"http://127.0.0.1:{port}/durable/api/stream"
    response = httpx.get(address, headers={**UPGRADE, "Origin": "https://evil.example"})
    assert response.status_code == 403
    assert "another origin" in response.json()["detail"]
    with websocket(port, "stream", Origin="http://127.0.0.1") as ws:  # this client's Host header names no port
        assert receive(ws, is_type("snapshot"))


def test_viewers_come_and_go_without_a_trace(port: int, hub: LiveHub) -> None:
    """A closed socket frees its place and its threads at once."""
    before = threading.active_count()
    with websocket(port, "stream") as one, websocket(port, "stream") as two:
        receive(one, is_type("snapshot"))
        receive(two, is_type("snapshot"))
        assert hub.viewers >= 2
    until(lambda: hub.viewers == 0, what="the hub to forget both viewers", timeout_s=5)
    until(lambda: threading.active_count() <= before + 1, what="their threads to end", timeout_s=5)


def test_an_event_streams_reader_that_leaves_is_noticed_before_the_next_heartbeat(story_url: str) -> None:
    """Nothing is sent to it that could fail: until then its thread would be nobody else's."""
    with mounted(story_url, heartbeat_s=600) as app, served(app) as port:
        hub: LiveHub = app.extensions["durable"].hub
        address = f"http://127.0.0.1:{port}/durable/api/stream"
        with httpx.stream("GET", address, headers={"Accept": "text/event-stream"}, timeout=20) as response:
            next(line for line in response.iter_lines() if line.startswith("event: snapshot"))
            until(lambda: hub.viewers == 1, what="the stream to open")
        until(lambda: hub.viewers == 0, what="the hub to notice that its only viewer left")


def test_one_watcher_serves_all_viewers_and_stops_after_the_last(worker_url: str, worker: Program) -> None:
    """The thread starts with the first viewer, is alone, and ends when nobody looks."""
    with mounted(worker_url) as app:
        hub = LiveHub(app.extensions["durable"].services, linger_s=0.1)

        def watchers() -> int:
            return sum(thread.name == "durable-live" for thread in threading.enumerate())

        base = watchers()
        viewers = [hub.subscribe(query=RunQuery())[0] for _ in range(10)]
        assert watchers() == base + 1
        for viewer in viewers:
            hub.unsubscribe(viewer)
        until(lambda: watchers() == base, what="the watcher to stop", timeout_s=5)
        again, resumed = hub.subscribe(query=RunQuery(), last_event_id=viewers[0].last_id)
        assert not resumed, "nobody watched in between, so nothing can be resumed"
        hub.unsubscribe(again)
        hub.stop()


def test_a_viewer_that_reads_too_slowly_is_dropped_and_no_other(worker_url: str, worker: Program) -> None:
    """A full queue ends that viewer's stream, with the reason; the others get everything."""
    with mounted(worker_url, stream_queue=3) as app:
        hub: LiveHub = app.extensions["durable"].hub
        slow, _ = hub.subscribe(query=RunQuery())
        quick, _ = hub.subscribe(query=RunQuery())
        got: list[Message] = []
        for _ in range(5):
            run_id = new_id("simple")
            worker.tell(f"start simple {run_id} 1")

            def completed(run_id: str = run_id) -> bool:
                got.extend(quick.take(0.2))
                return any(m.run.id == run_id and m.type == "run.completed" for m in got)

            until(completed, what=run_id)
        assert slow.closed == SLOW_REASON
        assert quick.closed is None
        assert [m.id for m in got] == sorted({m.id for m in got})


def test_closing_the_blueprint_ends_its_streams_with_a_reason(worker_url: str, worker: Program) -> None:
    """A server that goes away says so; clients connect again."""
    with mounted(worker_url) as app, served(app) as port, websocket(port, "stream") as ws:
        receive(ws, is_type("snapshot"))
        app.extensions["durable"].close()
        until(lambda: not ws.connected, what="the socket to close")
        assert ws.close_message == STOPPED_REASON


def test_a_store_that_cannot_be_read_is_reported_in_heartbeats_and_recovers(worker_url: str, worker: Program) -> None:
    """The stream stays open, says what is wrong, and continues when the store is back."""
    from otel_bridge.errors import StoreUnavailableError
    from otel_bridge.tail.changes import ChangeTail

    broken = threading.Event()

    class Tail(ChangeTail):
        def poll(self, **options: Any) -> Any:
            if broken.is_set():
                raise StoreUnavailableError("x", "The database is locked.")
            return super().poll(**options)

    with mounted(worker_url) as app:
        hub = LiveHub(app.extensions["durable"].services, new_tail=lambda services: Tail(services.store))
        viewer, _ = hub.subscribe(query=RunQuery())
        assert hub.wait_until_watching()
        broken.set()
        until(lambda: hub.heartbeat(viewer).problem, what="the problem to be reported", timeout_s=5)
        run_id = new_id("simple")
        worker.tell(f"start simple {run_id} 1")
        broken.clear()
        got: list[Any] = []
        until(
            lambda: got.extend(viewer.take(0.2)) or any(m.run.id == run_id for m in got),
            what="the run that began meanwhile",
            timeout_s=10,
        )
        assert hub.heartbeat(viewer).problem is None
        hub.unsubscribe(viewer)
        hub.stop()


def test_two_processes_on_one_file_see_the_same_change(worker_url: str, worker: Program, port: int) -> None:
    """Any reader sees whoever's change: two blueprints on the file both tell it, with ids of their own."""
    run_id = new_id("simple")
    with mounted(worker_url) as other, served(other) as other_port:
        with websocket(port, "stream") as here, websocket(other_port, "stream") as there:
            receive(here, is_type("snapshot"))
            receive(there, is_type("snapshot"))
            worker.tell(f"start simple {run_id} 1")
            assert receive(here, is_type("run.completed", run_id))
            assert receive(there, is_type("run.completed", run_id))


def test_the_snapshot_and_the_events_after_it_leave_no_gap(worker_url: str, worker: Program) -> None:
    """A first viewer, and a run that ends while its snapshot is read: it is in the snapshot, or an event follows."""
    for _ in range(5):
        run_id = new_id("simple")
        with mounted(worker_url) as app, served(app) as port:
            thread = threading.Thread(target=worker.tell, args=(f"start simple {run_id} 1",))
            with websocket(port, "stream") as ws:
                thread.start()
                first = receive(ws, is_type("snapshot"))[0]
                done = {run["id"] for run in first["runs"] if run["status"] == "completed"}
                if run_id not in done:
                    receive(ws, is_type("run.completed", run_id))
            thread.join()


def test_a_first_viewer_hears_nothing_of_what_was_there_before(story_url: str) -> None:
    """Open runs are in the snapshot; they are not reported again as changes."""
    with mounted(story_url, heartbeat_s=0.5) as app, served(app) as port, websocket(port, "stream") as ws:
        messages = receive(ws, is_type("heartbeat"))
    assert [m["type"] for m in messages] == ["snapshot", "heartbeat"], messages[1:]
    assert {"suspended", "pending"} <= {run["status"] for run in messages[0]["runs"]}
