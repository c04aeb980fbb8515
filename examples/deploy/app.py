"""The API process behind a proxy, which says who asks and what the outside looks like.

``gunicorn -c examples/deploy/gunicorn.conf.py 'examples.deploy.app:create_app()'``. Only the proxy may reach it:
whoever else can, can claim to be anybody.
"""

from __future__ import annotations

import os

from flask import Flask, Request
from werkzeug.middleware.proxy_fix import ProxyFix

from dashboard import create_blueprint
from dashboard.actor import Actor

OPERATORS = frozenset(os.environ.get("DURABLE_OPERATORS", "").split())


def who(request: Request) -> Actor | None:
    """Return whom the proxy let in: operators by name, everybody else to look."""
    user = request.headers.get("X-Forwarded-User")
    return Actor(user, "operator" if user in OPERATORS else "viewer") if user else None


def create_app() -> Flask:
    """Return the app over the database that ``DBOS_SYSTEM_DATABASE_URL`` names."""
    app = Flask(__name__)
    dashboard = create_blueprint(
        os.environ["DBOS_SYSTEM_DATABASE_URL"],
        title="Reports",
        auth=who,
        public_health=True,  # probes and scrapers come past the proxy
        public_metrics=True,
    )
    app.register_blueprint(dashboard, url_prefix="/durable")
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1, x_prefix=1)  # type: ignore[method-assign]
    return app
