"""The same commands directly on a system database: the dashboard's own app in this process, asked without a socket.

Importing this loads Flask and the engine; ``session`` does so only for a command that was given a database.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping

from flask import Flask

from dashboard.actor import Actor
from dashboard.blueprint import create_blueprint, within
from dashboard.cli.session import ANYBODY, Acting
from dashboard.client import AppTransport, DurableClient
from dashboard.config import Policy
from dashboard.read.services import Services
from otel_bridge.codec import redact_keys
from otel_bridge.errors import ConfigurationError
from otel_bridge.loading import load_named
from otel_bridge.store import open_store

BASE_URL = "http://localhost/durable"


def open_in_process(
    url: str,
    *,
    schema: str,
    ledger: str | None,
    ledger_schema: str | None,
    headers: Mapping[str, str] | None = None,
    acting: Acting = ANYBODY,
) -> DurableClient:
    """Return a client of a dashboard over the database, which lives as long as the client.

    Anyone who can open the database is its operator, unless ``acting`` says less; the audit log has the name of the
    operating system's user, or the one that is given. What stands under a key that ``DURABLE_REDACT`` names is hidden.

    Raises:
        ConfigurationError: the URL is of an unknown kind, its driver is not installed, or the policy cannot be loaded.
    """
    policy = None if acting.may is None else load_policy(acting.may)
    store = open_store(url, schema=schema)
    blueprint = create_blueprint(
        store,
        may=policy,
        ledger=ledger,
        ledger_schema=ledger_schema,
        redact=redact_keys(hidden) if (hidden := os.environ.get("DURABLE_REDACT", "").split()) else None,
        namespace=os.environ.get("DURABLE_NAMESPACE", ""),
        schema=schema,
    )
    actor = Actor(acting.name or user_name(), acting.role or "operator")
    return client_over(blueprint.services, headers=headers, actor=actor)


def load_policy(place: str) -> Policy:
    """Return the policy at ``module:function``.

    Raises:
        ConfigurationError: it cannot be loaded, or is not a function.
    """
    found = load_named(place, what="The policy", form="module:function")
    if not callable(found):
        raise ConfigurationError(f"The policy {place!r} is not a function of (actor, action, run).")
    policy: Policy = found
    return policy


def client_over(
    services: Services, *, headers: Mapping[str, str] | None = None, actor: Actor | None = None
) -> DurableClient:
    """Return a client of a dashboard's store and ledger, under its settings, as the operating system's user.

    Args:
        actor: somebody else.

    It closes them when it is closed; runs no caretaker; serves nobody else.
    """
    who = actor or Actor(user_name(), "operator")
    blueprint = within(services, lambda request: who)
    app = Flask("durable")
    app.register_blueprint(blueprint, url_prefix="/durable")

    def close() -> None:
        blueprint.close()
        services.close()  # else it would continue with the store that was just closed

    return InProcessClient(BASE_URL, headers=headers, transport=AppTransport(app, on_close=close))


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
