"""A stream continues where it broke off: nothing missed, nothing twice."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from httpx_sse import ServerSentEvent

from dashboard.client import ConnectionFailedError, DurableClient, NotFoundError, ProtocolError, UnavailableError
from dashboard.client.stream import Follower
from dashboard.wire.stream import EventView, RunSnapshot
from tests.client.orders import place_order
from tests.waiting import until


def test_a_run_is_followed_to_its_end(client: DurableClient) -> None:
    """A snapshot first, then events with rising ids, and the iterator ends with the run."""
    run_id = client.start_run("refund_order", ["order-1", 12]).run_id
    messages = list(client.stream_run(run_id))
    assert isinstance(messages[0], RunSnapshot)
    ids = [message.id for message in messages]
    assert ids == sorted(ids)
    last = messages[-1]
    assert (
        last.detail.run.status == "failed" if isinstance(last, RunSnapshot) else last.type in ("run.failed", "changed")
    )


def test_a_run_that_is_not_there_cannot_be_followed(client: DurableClient) -> None:
    """The refusal comes at once, not after retries."""
    with pytest.raises(NotFoundError):
        next(client.stream_run("nobody"))


def test_the_list_is_followed_by_its_filter(client: DurableClient, shop: str) -> None:
    """A run placed after the snapshot appears; runs outside the filter do not."""
    stream = client.stream_runs(workflow="fulfil_order")
    assert next(stream).type == "snapshot"
    run_id = place_order(shop)
    seen = next(m for m in stream if isinstance(m, EventView) and m.run_id == run_id)
    assert seen.workflow == "fulfil_order"


def event(number: int, kind: str = "step.completed", **members: object) -> str:
    """One event as the wire has it."""
    data = {"id": number, "type": kind, "runId": "r", "workflow": "w", "at": "2026-01-01T00:00:00.000Z", **members}
    return f"id: {number}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


class Flaky(httpx.SyncByteStream):
    """A body that breaks off in the middle."""

    def __init__(self, *chunks: str, error: bool = True) -> None:
        self.chunks, self.error = chunks, error

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            yield chunk.encode()
        if self.error:
            raise httpx.ReadError("connection reset")


def scripted(*answers: httpx.Response | Exception) -> tuple[DurableClient, list[str | None]]:
    """Return a client whose connections go as scripted, and the Last-Event-ID of each connection."""
    asked: list[str | None] = []
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("Last-Event-ID"))
        following = left.pop(0)
        if isinstance(following, Exception):
            raise following
        return following

    return DurableClient("http://example.test", transport=httpx.MockTransport(answer)), asked


def sse(*chunks: str, error: bool = True) -> httpx.Response:
    """Return an event stream's answer."""
    headers = {"Content-Type": "text/event-stream; charset=utf-8"}
    return httpx.Response(200, headers=headers, stream=Flaky("retry: 1\n\n", *chunks, error=error))


def test_a_broken_connection_is_made_again_from_the_last_message() -> None:
    """Half a message is forgotten, refusals of a restarting server are waited out, and no message comes twice."""
    client, asked = scripted(
        sse(event(1), event(2)[:30]),
        httpx.ConnectError("refused"),
        httpx.Response(503, json={"detail": "starting"}),
        sse(event(2), 'event: dropped\nid: 2\ndata: {"reason": "too slow"}\n\n', error=False),
        sse(event(3, "run.completed")),
    )
    with client:
        assert [message.id for message in client.stream_run("r")] == [1, 2, 3]
    assert asked == [None, "1", "1", "1", "2"]


def test_a_server_that_is_full_is_asked_again_when_it_said() -> None:
    """``Retry-After`` in seconds sets the wait; as a date it does not."""
    follower = Follower()
    for reported in (None, "Wed, 21 Oct 2026 07:28:00 GMT", "²"):
        follower.wait_as_asked(reported)
    assert follower.retry_s == 2.0
    full = httpx.Response(503, headers={"Retry-After": "0"}, json={"detail": "full"})
    client, asked = scripted(sse(event(1)), full, sse(event(2, "run.completed")))
    with client:
        assert [message.id for message in client.stream_run("r")] == [1, 2]
    assert asked == [None, "1", "1"]


def test_nobody_waits_for_ever_who_does_not_want_to() -> None:
    """The first failure is raised at once; later ones after ``give_up_after_s``."""
    client, _ = scripted(httpx.ConnectError("refused"))
    with client, pytest.raises(ConnectionFailedError):
        next(client.stream_run("r"))
    client, _ = scripted(sse(event(1)), httpx.ConnectError("refused"))
    with client:
        stream = client.stream_run("r", give_up_after_s=0)
        assert next(stream).id == 1
        with pytest.raises(ConnectionFailedError):
            next(stream)
    client, _ = scripted(httpx.Response(503, json={"detail": "no store"}))
    with client, pytest.raises(UnavailableError, match="no store"):
        next(client.stream_run("r"))


@pytest.mark.parametrize("separator", list("\x85\u2028\u2029"))
def test_only_line_feeds_and_carriage_returns_end_a_line(separator: str) -> None:
    """What Python's ``splitlines`` takes for a line's end besides them is text of a message, wherever a chunk ends."""
    wire = event(1, "step.failed", error={"message": f"one{separator}two"}).replace("\n", "\r\n")
    for cut in (len(wire), wire.index(separator), wire.index(separator) + 1, len(wire) - 1):
        client, _ = scripted(sse(wire[:cut], wire[cut:], event(2, "run.failed")))
        with client:
            first, last = client.stream_run("r")
        assert isinstance(first, EventView)
        assert first.error is not None
        assert (first.error.message, last.id) == (f"one{separator}two", 2)


def test_messages_are_read_by_the_rules_of_event_streams() -> None:
    """Comments, unknown events and fields are skipped, data lines are joined, a malformed message is an error."""
    whole = event(7).splitlines()[1].removeprefix("data: ")
    cut = whole.index(",") + 1
    client, asked = scripted(
        sse(": hello\nretry: soon\nunknown: x\nevent: new-kind\ndata: {}\n\n", error=False),
        sse(f"id: 7\ndata: {whole[:cut]}\ndata:{whole[cut:]}\n\n", error=False),
        sse("data: nonsense\n\n"),
    )
    with client:
        stream = client.stream_run("r")
        assert next(stream).id == 7
        with pytest.raises(ProtocolError, match="nonsense"):
            next(stream)
    assert asked == [None, None, "7"]


def test_the_server_says_how_long_to_wait_before_connecting_again() -> None:
    """``retry`` is in milliseconds; a number that is none is skipped."""
    follower = Follower()
    for retry in (50, None):
        assert follower.read(ServerSentEvent(retry=retry)) is None
    assert follower.retry_s == 0.05


def test_a_stream_survives_a_restart_of_its_server(tmp_path_factory: pytest.TempPathFactory, free_port: int) -> None:
    """The same port, another process: the client connects again and sees the run end."""
    from tests.programs import running

    folder = tmp_path_factory.mktemp("restarted")
    command = ["-m", "examples.orders", "--port", str(free_port), "--db", str(folder), "--no-trickle"]
    with DurableClient(f"http://127.0.0.1:{free_port}/durable") as client:
        with running(*command) as program:
            program.wait_for("Open for business")
            run_id = place_order(f"http://127.0.0.1:{free_port}", items="lamp", total=900)
            until(lambda: client.list_runs(q=run_id, status="suspended").runs)
            stream = client.stream_run(run_id)
            assert next(stream).type == "snapshot"
            program.stop()
        with running(*command) as program:
            program.wait_for("Open for business")
            client.cancel(run_id)
            assert [message.type for message in stream][-1] in ("run.cancelled", "snapshot", "changed")
