"""What viewers send on websockets takes no memory and wakes nothing."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.http.viewer_socket import MAX_FRAMES, FrameFilter
from dashboard.live.places import PROCESS
from otel_bridge.ledger import MemoryLedger
from otel_bridge.testing import MemoryStateStore
from tests.story import mounted, served
from tests.waiting import until

TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9
HANDSHAKE = (
    b"GET /durable/api/stream HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def frame(opcode: int, payload: bytes, *, masked: bool = True) -> bytes:
    """A websocket frame as a client sends it."""
    size = len(payload)
    mask = 0x80 if masked else 0
    if size < 126:
        head = struct.pack("BB", 0x80 | opcode, mask | size)
    elif size < 65_536:
        head = struct.pack(">BBH", 0x80 | opcode, mask | 126, size)
    else:
        head = struct.pack(">BBQ", 0x80 | opcode, mask | 127, size)
    return head + (b"\0\0\0\0" if masked else b"") + payload


frames = st.lists(
    st.tuples(st.sampled_from([0, TEXT, BINARY, CLOSE, PING]), st.binary(max_size=300), st.booleans()), max_size=12
)


@given(frames=frames, sizes=st.lists(st.integers(1, 40), min_size=1, max_size=50))
def test_control_frames_come_through_and_nothing_else_however_the_bytes_arrive(
    frames: list[tuple[int, bytes, bool]], sizes: list[int]
) -> None:
    """Any frames, cut anywhere: the filter returns the control frames, byte for byte."""
    sent = [(opcode, payload[:125] if opcode >= CLOSE else payload, masked) for opcode, payload, masked in frames]
    data = b"".join(frame(opcode, payload, masked=masked) for opcode, payload, masked in sent)
    wanted = b"".join(frame(opcode, payload, masked=masked) for opcode, payload, masked in sent if opcode >= CLOSE)
    dropping, got, at, turn = FrameFilter(), b"", 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        got += dropping.feed(data[at : at + size])
        at, turn = at + size, turn + 1
    assert got == wanted
    assert dropping.frames == len(sent)
    assert not dropping.is_malformed


def test_a_message_larger_than_memory_costs_a_header() -> None:
    """Its length is counted down; nothing of it is kept."""
    dropping = FrameFilter()
    assert dropping.feed(struct.pack(">BBQ", 0x82, 0xFF, 2**62) + b"\0\0\0\0") == b""
    assert dropping.feed(b"x" * 1_000_000) == b""
    assert len(dropping._header) == 0


def resident_bytes() -> int:
    """How much memory this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def viewer() -> Iterator[socket.socket]:
    """A socket that has become a stream's websocket."""
    with mounted(MemoryStateStore(), ledger=MemoryLedger(), heartbeat_s=0.2) as app, served(app) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
            sock.sendall(HANDSHAKE)
            head = b""
            while b"\r\n\r\n" not in head:
                head += sock.recv(1)
            assert head.startswith(b"HTTP/1.1 101")
            yield sock
        until(lambda: PROCESS.taken == 0, what="the viewer's place to be free again")


def frames_from(sock: socket.socket) -> Iterator[tuple[int, bytes]]:
    """The server's frames, until it ends the connection."""
    stream = sock.makefile("rb")
    while head := stream.read(2):
        size = head[1] & 0x7F
        if size > 125:
            size = int.from_bytes(stream.read(2 if size == 126 else 8), "big")
        yield head[0] & 0x0F, stream.read(size)


def test_a_viewer_that_sends_a_little_is_not_read(viewer: socket.socket) -> None:
    """Some messages are harmless: the stream continues, and a ping is answered."""
    viewer.sendall(frame(TEXT, b"hello") * 5 + frame(BINARY, b"x" * 10_000) + frame(PING, b"there?"))
    seen = frames_from(viewer)
    assert next(payload for opcode, payload in seen if opcode == 10) == b"there?"
    assert next(payload for opcode, payload in seen if opcode == TEXT and b"heartbeat" in payload)


@pytest.mark.parametrize("message", [b"x", b"x" * 65_000], ids=["small", "large"])
def test_a_viewer_that_floods_is_disconnected_with_a_reason(viewer: socket.socket, message: bytes) -> None:
    """Whatever the size of its messages: close code 1008, and the server's memory is as before."""
    before = resident_bytes()
    flood = frame(BINARY, message) * (MAX_FRAMES + 200)
    try:
        viewer.sendall(flood)
    except OSError:
        pass  # closed while it still sent
    else:
        closed = next(payload for opcode, payload in frames_from(viewer) if opcode == CLOSE)
        assert struct.unpack(">H", closed[:2]) == (1008,)
    assert resident_bytes() - before < 40_000_000
