"""The standalone dashboard as a Flask app, and its bridge. Opens nothing until it is started or asked."""

from __future__ import annotations

import os
from dataclasses import dataclass

from flask import Flask, Response, redirect, request
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response as Answer

from dashboard.blueprint import DashboardBlueprint, create_blueprint
from dashboard.caretaker.caretaker import CaretakerSettings
from dashboard.caretaker.recovery import RecoveryPolicy
from dashboard.serve.access import TokenAccess
from dashboard.serve.settings import ServeSettings
from otel_bridge.bridge import OTelBridge
from otel_bridge.ledger import open_ledger
from otel_bridge.ledger.base import Ledger
from otel_bridge.otlp import settings_from_env
from otel_bridge.store import open_store

ALIVE = "/healthz"
"""Answers as long as the process serves, whatever its database does: for a container's health check."""


@dataclass(frozen=True, slots=True)
class Standalone:
    """The app, with what has to be closed at the end."""

    app: Flask
    blueprint: DashboardBlueprint
    bridge: OTelBridge | None

    def start(self) -> None:
        """Begin what nobody asks for: the caretaker and the bridge. In the process that serves, after any fork."""
        if self.blueprint.caretaker is not None:
            self.blueprint.caretaker.start()
        if self.bridge is not None:
            self.bridge.start()

    def close(self) -> None:
        """End every stream, export what is due, and close every connection."""
        self.blueprint.close()
        if self.bridge is not None:
            self.bridge.stop()


def create_standalone(settings: ServeSettings, *, url: str) -> Standalone:
    """Return the dashboard as an app of its own.

    Args:
        url: where it will be found: see ``ServeSettings.url``.

    Raises:
        ConfigurationError: the database's URL is of an unknown kind, or its driver is not installed.
        ValueError: ``trace_url`` is malformed.
    """
    store = open_store(settings.database_url, schema=settings.schema)

    def ledger() -> Ledger:
        return open_ledger(
            settings.ledger or store.url,
            schema=settings.ledger_schema,
            engine_schema=store.engine_schema,
            namespace=settings.namespace,
        )

    caretaker = CaretakerSettings(recover=RecoveryPolicy() if settings.recover else None, alerts=settings.alerts)
    access = None if settings.auth is not None else TokenAccess(settings)
    blueprint = create_blueprint(
        store,
        auth=settings.auth or access,
        ledger=ledger(),
        trace_url=settings.trace_url,
        redact=settings.redact,
        serializer=settings.serializer,
        prices=settings.prices,
        namespace=settings.namespace,
        schema=settings.schema,
        title=settings.title,
        public_url=settings.public_url,
        actions=settings.acts,
        caretaker=caretaker if settings.caretaker else False,
    )
    app = Flask("durable", static_folder=None)
    if access is not None:
        access.register(app)
    app.add_url_rule(ALIVE, "alive", lambda: Response("ok\n", mimetype="text/plain"))
    if settings.prefix:
        app.add_url_rule("/", "home", lambda: _to(settings.prefix))
    app.register_blueprint(blueprint, url_prefix=settings.prefix or None)
    if settings.proxies:
        n = settings.proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=n, x_proto=n, x_host=n, x_prefix=n)  # type: ignore[method-assign]
    bridge = None
    if settings.bridge and settings_from_env(os.environ) is not None:
        bridge = OTelBridge(
            settings.database_url,
            schema=settings.schema,
            ledger=ledger(),
            dashboard_url=url,
            redact=settings.redact,
            serializer=settings.serializer,
            gen_ai=settings.gen_ai,
            prices=settings.prices,
            namespace=settings.namespace,
        )
    return Standalone(app, blueprint, bridge)


def _to(prefix: str) -> Answer:
    return redirect(f"{request.script_root}{prefix}/")
