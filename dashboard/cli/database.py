"""The same commands directly on a system database: the dashboard's own app in this process, asked without a socket.

Importing this loads Flask and the engine; ``session`` does so only for a command that was given a database.
"""

from __future__ import annotations

import getpass
import os

from flask import Flask

from dashboard.actor import Actor
from dashboard.blueprint import create_blueprint
from dashboard.client import AppTransport, DurableClient
from otel_bridge.store import open_store

BASE_URL = "http://localhost/durable"


def open_in_process(url: str, *, schema: str, ledger: str | None, ledger_schema: str | None) -> DurableClient:
    """Return a client of a dashboard over the database, which lives as long as the client.

    Anyone who can open the database is its operator; the audit log has the name of the operating system's user.

    Raises:
        ConfigurationError: the URL is of an unknown kind, or its driver is not installed.
    """
    actor = Actor(user_name(), "operator")
    store = open_store(url, schema=schema)
    blueprint = create_blueprint(
        store,
        auth=lambda request: actor,
        ledger=ledger,
        ledger_schema=ledger_schema,
        namespace=os.environ.get("DURABLE_NAMESPACE", ""),
        schema=schema,
        caretaker=False,
    )
    app = Flask("durable")
    app.register_blueprint(blueprint, url_prefix="/durable")
    return InProcessClient(BASE_URL, transport=AppTransport(app, on_close=blueprint.close))


class InProcessClient(DurableClient):
    """A client of a dashboard that serves no page."""

    def run_url(self, run_id: str) -> str:
        """Return nothing: there is no page."""
        return ""


def user_name() -> str:
    """Return who works here, for the audit log."""
    try:
        return f"{getpass.getuser()} (command line)"
    except (OSError, KeyError, ImportError):  # a container's user that has no name
        return "command line"
