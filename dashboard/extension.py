"""``Durable``: the dashboard as a Flask extension, set by ``app.config`` and with commands under ``flask durable``.

Example::

    durable = Durable()

    def create_app() -> Flask:
        app = Flask(__name__)
        app.config["DURABLE_SYSTEM_DATABASE_URL"] = "postgresql://..."
        app.config["DURABLE_TITLE"] = "Orders"
        durable.init_app(app)
        return app
"""

from __future__ import annotations

import inspect
import os
from typing import TYPE_CHECKING, Any

import click
from flask import Flask

from dashboard.blueprint import DashboardBlueprint, create_blueprint
from otel_bridge.errors import ConfigurationError

if TYPE_CHECKING:
    from dashboard.client import DurableClient

KEY = "durable"
PREFIX, DATABASE = "DURABLE_URL_PREFIX", "DURABLE_SYSTEM_DATABASE_URL"
OPTIONS = tuple(
    parameter.name
    for parameter in inspect.signature(create_blueprint).parameters.values()
    if parameter.kind is parameter.KEYWORD_ONLY
)


class Durable:
    """Puts the dashboard into Flask apps. Each app has a dashboard of its own; this object keeps none of them.

    Every option of ``create_blueprint`` is a key of ``app.config``: ``title`` is ``DURABLE_TITLE``, ``auth`` is
    ``DURABLE_AUTH``. Besides, ``DURABLE_SYSTEM_DATABASE_URL`` (else the environment's ``DBOS_SYSTEM_DATABASE_URL``)
    names the database and ``DURABLE_URL_PREFIX`` the path, ``/durable`` unless it says otherwise.

    Args:
        app: registers in this app at once.
        options: of ``create_blueprint``, for every app; a key of ``app.config`` goes before them.
    """

    def __init__(self, app: Flask | None = None, **options: object) -> None:
        unknown = sorted(options.keys() - set(OPTIONS) - {"store"})
        if unknown:
            raise TypeError(f"Durable has no option {unknown[0]!r}. It has those of create_blueprint.")
        self._options = options
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> DashboardBlueprint:
        """Register the dashboard in an app, and the commands of ``flask durable``; return its blueprint.

        Raises:
            ConfigurationError: no database is named, or a key that begins with ``DURABLE_`` is not known.
        """
        options = {**self._options, **self._configured(app)}
        store = app.config.get(DATABASE) or options.pop("store", None) or os.environ.get("DBOS_SYSTEM_DATABASE_URL")
        options.pop("store", None)
        if not store:
            raise ConfigurationError(
                f"No database is named for the dashboard. Set app.config[{DATABASE!r}], or DBOS_SYSTEM_DATABASE_URL."
            )
        blueprint = create_blueprint(store, **options)
        app.register_blueprint(blueprint, url_prefix=app.config.get(PREFIX, "/durable"))
        app.extensions[KEY] = blueprint
        app.cli.add_command(_commands(blueprint))
        return blueprint

    def _configured(self, app: Flask) -> dict[str, Any]:
        names = {f"DURABLE_{name.upper()}": name for name in OPTIONS}
        given = [key for key in app.config if key.startswith("DURABLE_") and key not in (PREFIX, DATABASE)]
        for key in given:
            if key not in names:
                raise ConfigurationError(
                    f"app.config has {key}, which the dashboard does not know. See create_blueprint."
                )
        return {names[key]: app.config[key] for key in given}


def _commands(blueprint: DashboardBlueprint) -> click.Group:
    """Return ``flask durable``: every command of ``durable``, on this app's database."""
    from dashboard.cli.main import CLIENT, Commands

    def in_this_app() -> DurableClient:
        from dashboard.cli.database import client_over

        return client_over(blueprint.services)

    @click.group(KEY, cls=Commands)
    @click.pass_context
    def group(ctx: click.Context) -> None:
        """Runs of this app's workflows, seen and acted on."""
        ctx.meta[CLIENT] = in_this_app

    return group
