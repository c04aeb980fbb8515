"""What a viewer sends on its websocket: dropped unread, and bounded. Reads and writes one socket.

Streams go one way. simple-websocket would keep every message that a viewer sends until the application reads it, and
wake the application for each: a viewer could take the server's memory. It is given this socket instead, from which
only control frames (close, ping, pong) come.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress

POLICY_VIOLATION = 1008
FLOOD_REASON = b"This stream takes no messages."
WINDOW_S = 10.0
MAX_FRAMES, MAX_BYTES = 200, 256 * 1024
"""What a viewer may send in ``WINDOW_S``, pings included; who sends more is disconnected."""
GRACE_S = 1.0
_CONTROL = 0x08
_LONGEST_CONTROL = 125


def _payload_bytes(header: bytearray) -> int | None:
    """Return how long the payload behind a frame's header is; None while the header is incomplete.

    Source: RFC 6455, section 5.2.
    """
    if len(header) < 2:
        return None
    masked, length = bool(header[1] & 0x80), header[1] & 0x7F
    extended = {126: 2, 127: 8}.get(length, 0)
    if len(header) < 2 + extended + 4 * masked:
        return None
    return int.from_bytes(header[2 : 2 + extended], "big") if extended else length


class FrameFilter:
    """Takes a byte stream of websocket frames and returns its control frames; holds no more than one header."""

    def __init__(self) -> None:
        self.frames = 0
        self.is_malformed = False
        self._header = bytearray()
        self._left = 0
        self._passes = False

    def feed(self, data: bytes) -> bytes:
        """Return the bytes of control frames in ``data``; what they belong to may continue in the next."""
        passed = bytearray()
        at = 0
        while at < len(data):
            if self._left:
                taken = min(self._left, len(data) - at)
                if self._passes:
                    passed += data[at : at + taken]
                self._left -= taken
                at += taken
                continue
            self._header.append(data[at])
            at += 1
            length = _payload_bytes(self._header)
            if length is None:
                continue
            self.frames += 1
            self._passes = bool(self._header[0] & _CONTROL)
            self.is_malformed |= self._passes and length > _LONGEST_CONTROL
            if self._passes:
                passed += self._header
            self._left = length
            self._header.clear()
        return bytes(passed)


class ViewerSocket:
    """A socket for simple-websocket's ``Server``. Sends are whole and one at a time; see the module for the rest."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._filter = FrameFilter()
        self._sending = threading.Lock()
        self._window_ends_at_s = time.monotonic() + WINDOW_S
        self._bytes = 0

    def recv(self, size: int) -> bytes:
        """Wait for control frames and return them; nothing when the viewer left or had to be disconnected."""
        while data := self._sock.recv(size):
            passed = self._filter.feed(data)
            if self._is_flood(len(data)):
                self._disconnect()
                return b""
            if passed:
                return passed
        return b""

    def send(self, data: bytes) -> int:
        """Send all of ``data``: a pong of the reading thread must not end up inside another thread's long frame."""
        self.sendall(data)
        return len(data)

    def sendall(self, data: bytes) -> None:
        """Send all of ``data``."""
        with self._sending:
            self._sock.sendall(data)

    def fileno(self) -> int:
        """Return the descriptor, for selectors."""
        return self._sock.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    def _is_flood(self, received: int) -> bool:
        now = time.monotonic()
        if now > self._window_ends_at_s:
            self._window_ends_at_s, self._bytes, self._filter.frames = now + WINDOW_S, 0, 0
        self._bytes += received
        return self._filter.frames > MAX_FRAMES or self._bytes > MAX_BYTES or self._filter.is_malformed

    def _disconnect(self) -> None:
        """Say 1008 where the viewer still reads; end the connection either way."""
        payload = struct.pack(">H", POLICY_VIOLATION) + FLOOD_REASON
        with suppress(OSError):
            if not self._sending.acquire(timeout=GRACE_S):
                self._sock.shutdown(socket.SHUT_RDWR)  # a send to it hangs: this makes it fail
                return
            try:
                self._sock.settimeout(GRACE_S)
                self._sock.sendall(struct.pack("BB", 0x88, len(payload)) + payload)
                self._sock.shutdown(socket.SHUT_WR)
                self._drain()
            finally:
                self._sending.release()

    def _drain(self) -> None:
        """Read on for a moment: closing a socket with unread bytes resets it, and the reason would be lost."""
        until = time.monotonic() + GRACE_S
        while time.monotonic() < until and self._sock.recv(65_536):
            continue
