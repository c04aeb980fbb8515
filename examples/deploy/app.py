"""The API process behind a proxy, which says who asks and what the outside looks like.

``gunicorn -c examples/deploy/gunicorn.conf.py 'examples.deploy.app:create_app()'``. A name counts only together with
the secret that the proxy sends (``DURABLE_PROXY_SECRET``): whoever reaches the process past the proxy is nobody.
"""

from __future__ import annotations

import os

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from dashboard import create_blueprint
from dashboard.http.auth.hooks import proxy_header


def create_app() -> Flask:
    """Return the app over the database that ``DBOS_SYSTEM_DATABASE_URL`` names. ``DURABLE_OPERATORS`` may act."""
    app = Flask(__name__)
    dashboard = create_blueprint(
        os.environ["DBOS_SYSTEM_DATABASE_URL"],
        title="Reports",
        auth=proxy_header(
            "X-Forwarded-User",
            operators=os.environ.get("DURABLE_OPERATORS", "").split(),
            secret_header="X-Proxy-Secret",
            secret=os.environ["DURABLE_PROXY_SECRET"],
        ),
        public_health=True,  # probes and scrapers come past the proxy
        public_metrics=True,
    )
    app.register_blueprint(dashboard, url_prefix="/durable")
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1, x_prefix=1)  # type: ignore[method-assign]
    return app
