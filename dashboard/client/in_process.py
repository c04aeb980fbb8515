"""``AppTransport``: asks a dashboard in the same process, without a socket."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import httpx

WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]


class AppTransport(httpx.WSGITransport):
    """httpx's transport to a WSGI app, which also finds runs whose ids are not ASCII.

    Args:
        app: a Flask app on which the blueprint is registered, or any WSGI app.
        on_close: called when the client is closed.

    Example::

        DurableClient("http://localhost/durable", transport=AppTransport(app))

    Source: PEP 3333: strings of the environment hold bytes, as Latin-1; ``httpx.WSGITransport`` passes text.
    """

    def __init__(self, app: WsgiApp, *, on_close: Callable[[], object] = lambda: None) -> None:
        def ask(environ: dict[str, Any], start_response: object) -> Iterable[bytes]:
            environ["PATH_INFO"] = environ["PATH_INFO"].encode("utf-8").decode("latin-1")
            return app(environ, start_response)

        super().__init__(ask)
        self._on_close = on_close

    def close(self) -> None:
        """Call ``on_close``."""
        self._on_close()
