"""A host application for web servers to run: its own route, and the dashboard over an empty store."""

from __future__ import annotations

import logging

from flask import Flask

from dashboard import create_blueprint
from otel_bridge.ledger import MemoryLedger
from otel_bridge.testing import MemoryStateStore

logging.basicConfig(level=logging.WARNING)

app = Flask(__name__)
app.register_blueprint(
    create_blueprint(MemoryStateStore(), ledger=MemoryLedger(), caretaker=False, heartbeat_s=5), url_prefix="/durable"
)


@app.get("/hello")
def hello() -> str:
    """The host's own."""
    return "hello"


def __getattr__(name: str) -> object:
    """``asgi``: the same app for an ASGI server, made where one asks for it."""
    if name == "asgi":
        from a2wsgi import WSGIMiddleware

        return WSGIMiddleware(app, workers=4)  # type: ignore[arg-type]
    raise AttributeError(name)
