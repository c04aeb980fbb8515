"""The answer to an HTTP request, whatever a server says before it. Reads a socket that others opened.

A server may send any number of informational answers first ("103 Early Hints", "102 Processing"); ``http.client``
passes over "100 Continue" alone, and takes another for the answer: what was taken is then sent again, for ever.
Source: https://www.rfc-editor.org/rfc/rfc9110#section-15.2
"""

from __future__ import annotations

import http.client
import io
from typing import Any

_SWITCHING = 101
"""Nobody here asks for another protocol: who switches all the same has answered for good."""


class FinalAnswer(http.client.HTTPResponse):
    """What ``response_class`` of an ``http.client`` connection is, to pass over informational answers.

    Example::

        class Connection(http.client.HTTPConnection):
            response_class = FinalAnswer
    """

    def begin(self) -> None:
        """Read the head of the final answer.

        Raises:
            RemoteDisconnected: it breaks off. ``http.client`` takes the end of a connection for the end of a head, so
                that what is left of one looks like an answer without a body.
        """
        head = _Head(self.fp)
        reader: Any = head
        self.fp = reader
        super().begin()
        while 100 <= self.status < 200 and self.status != _SWITCHING:
            self.headers = None  # type: ignore[assignment] # where they are there, ``begin`` reads nothing
            super().begin()
        if self.fp is reader:  # else it has no body, and was closed
            self.fp = head.file
        if head.is_cut:
            raise http.client.RemoteDisconnected("the connection ended within the head of the answer")


class _Head:
    """A file that lines are read from; knows whether the last one had an end. Everything else is the file's own."""

    def __init__(self, file: io.BufferedReader) -> None:
        self.file, self.is_cut = file, False

    def readline(self, limit: int = -1) -> bytes:
        line = self.file.readline(limit)
        self.is_cut = not line.endswith(b"\n")
        return line

    def __getattr__(self, name: str) -> object:
        return getattr(self.file, name)


class FinalAnswerConnection(http.client.HTTPConnection):
    """A connection over HTTP that passes over informational answers."""

    response_class = FinalAnswer


class FinalAnswerTlsConnection(http.client.HTTPSConnection):
    """The same, over TLS."""

    response_class = FinalAnswer
