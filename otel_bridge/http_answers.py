"""The answer to an HTTP request, whatever a server says before it. Reads a socket that others opened.

A server may send any number of informational answers first ("103 Early Hints", "102 Processing"); ``http.client``
passes over "100 Continue" alone, and takes another for the answer: what was taken is then sent again, for ever.
Source: https://www.rfc-editor.org/rfc/rfc9110#section-15.2
"""

from __future__ import annotations

import http.client

_SWITCHING = 101
"""Nobody here asks for another protocol: who switches all the same has answered for good."""


class FinalAnswer(http.client.HTTPResponse):
    """What ``response_class`` of an ``http.client`` connection is, to pass over informational answers.

    Example::

        class Connection(http.client.HTTPConnection):
            response_class = FinalAnswer
    """

    def begin(self) -> None:
        """Read the head of the final answer."""
        super().begin()
        while 100 <= self.status < 200 and self.status != _SWITCHING:
            self.headers = None  # type: ignore[assignment] # where they are there, ``begin`` reads nothing
            super().begin()


class FinalAnswerConnection(http.client.HTTPConnection):
    """A connection over HTTP that passes over informational answers."""

    response_class = FinalAnswer


class FinalAnswerTlsConnection(http.client.HTTPSConnection):
    """The same, over TLS."""

    response_class = FinalAnswer
