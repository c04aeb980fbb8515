"""OpenID Connect by oauth2-proxy in front: it signs people in, and says who they are in a header.

oauth2-proxy sends ``X-Auth-Request-Email`` (``--set-xauthrequest``) or ``X-Forwarded-Email`` (``--pass-user-headers``).
Whoever reaches this server past the proxy could send them too, so they count only together with a secret that the proxy
adds: nginx with ``auth_request`` does so (``proxy_set_header X-Proxy-Secret ...``), or oauth2-proxy's
``injectRequestHeaders``. Programs show a token of ``durable token create`` instead; the proxy lets such requests
through (``--skip-auth-route`` or ``--skip-jwt-bearer-tokens`` for the API's path).

    DURABLE_PROXY_SECRET=... DURABLE_OPERATORS=ada@example.com flask --app examples.auth.oidc_proxy run
"""

from __future__ import annotations

import os

from flask import Flask

from dashboard import create_blueprint
from dashboard.http.auth.hooks import proxy_header
from dashboard.http.auth.tokens import bearer_tokens


def create_app() -> Flask:
    """Return a host application whose dashboard stands behind an OIDC proxy."""
    people = proxy_header(
        "X-Auth-Request-Email",
        operators=frozenset(os.environ.get("DURABLE_OPERATORS", "").split()),
        secret_header="X-Proxy-Secret",
        secret=os.environ["DURABLE_PROXY_SECRET"],
    )
    blueprint = create_blueprint(
        os.environ.get("DBOS_SYSTEM_DATABASE_URL", "sqlite:///app.sqlite"),
        auth=bearer_tokens(otherwise=people),
        public_health=True,
    )
    app = Flask(__name__)
    app.register_blueprint(blueprint, url_prefix="/durable")
    app.extensions["durable"] = blueprint
    return app
