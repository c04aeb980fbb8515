"""How long a stream lasts: its age, its viewer's login, its place in the process, and a fork."""

from __future__ import annotations

import itertools
import os
import threading

import httpx
import pytest
from flask import Request, g
from simple_websocket import ConnectionClosed

from dashboard.actor import Actor
from dashboard.live.hub import LiveHub
from dashboard.live.places import PROCESS
from dashboard.live.stream import Stream
from dashboard.live.subscription import Message
from dashboard.wire.stream import Heartbeat
from otel_bridge.model.runs import RunQuery
from otel_bridge.testing import MemoryStateStore, make_run
from tests.live.test_streams import UPGRADE, is_type, new_id, receive, websocket
from tests.programs import Program
from tests.story import mounted, served
from tests.waiting import until

pytestmark = pytest.mark.timeout(90)


def test_a_stream_ends_of_age_and_continues_unseen(worker_url: str, worker: Program) -> None:
    """It ends without a reason to start over; its last id is where the next connection continues."""
    with mounted(worker_url, heartbeat_s=30, stream_max_age_s=1) as app, served(app) as port:
        address = f"http://127.0.0.1:{port}/durable/api/stream"
        with httpx.stream("GET", address, headers={"Accept": "text/event-stream"}, timeout=20) as response:
            lines = list(response.iter_lines())
        assert "event: dropped" not in lines
        last = [line for line in lines if line.startswith("id: ")][-1].removeprefix("id: ")
        assert [line for line in lines if line.startswith("event: ")][-1] == "event: heartbeat"
        run_id = new_id("simple")
        worker.tell(f"start simple {run_id} 1")
        headers = {"Accept": "text/event-stream", "Last-Event-ID": last}
        seen: list[str] = []
        while not any("run.completed" in line and run_id in line for line in seen):
            with httpx.stream("GET", address, headers=headers, timeout=20) as response:
                seen += response.iter_lines()
            headers["Last-Event-ID"] = [line for line in seen if line.startswith("id: ")][-1].removeprefix("id: ")
        assert "event: snapshot" not in seen


class Door:
    """An ``auth`` that lets in under a name until it is shut, and counts how often it was asked."""

    def __init__(self) -> None:
        self.actor: Actor | None = Actor("ann", "operator")
        self.asked = 0

    def __call__(self, request: Request) -> Actor | None:
        self.asked += 1
        assert not g.get("kept"), "asked in a context that remembers an earlier answer"
        g.kept = True
        return self.actor


@pytest.mark.parametrize("later", [None, Actor("ann", "viewer"), Actor("bob", "operator")])
def test_a_login_that_ends_or_changes_ends_its_streams(later: Actor | None) -> None:
    """At the next heartbeat, over both transports: nobody keeps looking, or acting, under what they no longer are."""
    door = Door()
    with mounted(MemoryStateStore(), auth=door, heartbeat_s=0.2) as app, served(app) as port:
        address = f"http://127.0.0.1:{port}/durable/api/stream"
        with websocket(port, "stream") as ws:
            with httpx.stream("GET", address, headers={"Accept": "text/event-stream"}, timeout=20) as response:
                lines = response.iter_lines()
                next(line for line in lines if line == "event: heartbeat")
                receive(ws, is_type("heartbeat"))
                door.actor = later
                assert "event: dropped" in list(lines)
            with pytest.raises(ConnectionClosed) as closed:
                receive(ws, lambda message: False)
            assert closed.value.reason == 1008
        assert door.asked > 4


def test_a_busy_stream_asks_again_too() -> None:
    """Messages that come faster than heartbeats do not keep an ended login alive."""
    with mounted(MemoryStateStore(), heartbeat_s=0.2) as app:
        hub: LiveHub = app.extensions["durable"].hub
        stream = Stream(hub, lambda: hub.subscribe(query=RunQuery()), lambda sub: Heartbeat(id=1), 0.2, 60)
        asked: list[bool] = []
        busy = threading.Event()

        def still_admitted() -> bool:
            asked.append(True)
            return len(asked) < 3

        frames = stream.frames(busy, still_admitted=still_admitted)
        seen = [next(frames).event]
        subscription = next(iter(hub._subscriptions))
        for number in itertools.count(hub.last_id + 1):
            run = make_run("busy")
            subscription.offer([Message(number, "run.started", "{}", run, run.id, 0)])
            frame = next(frames)
            seen.append(frame.event)
            if frame.event == "dropped":
                assert frame.code == 1008
                break
        assert "heartbeat" not in seen


def test_a_viewer_and_a_process_hold_so_many_streams_and_no_more() -> None:
    """Whoever asks for one more is told to come again; a stream that ends makes room."""
    with mounted(
        MemoryStateStore(), max_streams=3, max_streams_per_viewer=2, auth=lambda r: r.headers.get("X-User")
    ) as app:

        def ask(port: int, user: str) -> int:
            address = f"http://127.0.0.1:{port}/durable/api/stream"
            return httpx.get(address, headers={**UPGRADE, "X-User": user}).status_code

        with served(app) as port, websocket(port, "stream", **{"X-User": "viewer"}) as one:
            receive(one, is_type("snapshot"))
            with websocket(port, "stream", **{"X-User": "viewer"}) as two:
                receive(two, is_type("snapshot"))
                assert ask(port, "viewer") == 503
                with websocket(port, "stream", **{"X-User": "operator"}) as three:
                    receive(three, is_type("snapshot"))
                    assert ask(port, "operator") == 503
            until(lambda: PROCESS.taken == 1, what="two streams to end")
            with websocket(port, "stream", **{"X-User": "viewer"}) as again:
                assert receive(again, is_type("snapshot"))


def test_a_forked_child_has_neither_viewers_nor_a_watcher() -> None:
    """Its parent's threads are not there; a lock that one of them held does not stay locked."""
    with mounted(MemoryStateStore()) as app:
        hub: LiveHub = app.extensions["durable"].hub
        viewer, _ = hub.subscribe(query=RunQuery())
        assert hub.wait_until_watching(20)
        with hub._lock:
            read, write = os.pipe()
            child = os.fork()
            if child == 0:  # pragma: no cover - another process
                reported = f"{hub.viewers} {hub._thread is None} {hub._lock.acquire(timeout=5)}"
                os.write(write, reported.encode())
                os._exit(0)
        os.waitpid(child, 0)
        assert os.read(read, 100) == b"0 True True"
        assert hub.viewers == 1
        hub.unsubscribe(viewer)
        os.close(read)
        os.close(write)
