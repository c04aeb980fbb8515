"""HTTP basic, for a handful of people, over TLS: names and hashed passwords from a file.

Each line of the file is ``name:hash``; a hash is made by
``python -c 'import getpass, werkzeug.security as s; print(s.generate_password_hash(getpass.getpass()))'``.

    DURABLE_USERS=users.txt DURABLE_OPERATORS=ada flask --app examples.auth.basic_login run
"""

from __future__ import annotations

import os
from pathlib import Path

from flask import Flask

from dashboard import create_blueprint
from dashboard.http.auth.hooks import basic


def create_app() -> Flask:
    """Return a host application whose dashboard asks for a name and a password."""
    lines = Path(os.environ["DURABLE_USERS"]).read_text().split()
    users = {name: hashed for name, _, hashed in (line.partition(":") for line in lines)}
    blueprint = create_blueprint(
        os.environ.get("DBOS_SYSTEM_DATABASE_URL", "sqlite:///app.sqlite"),
        auth=basic(users, operators=frozenset(os.environ.get("DURABLE_OPERATORS", "").split())),
    )
    app = Flask(__name__)
    app.register_blueprint(blueprint, url_prefix="/durable")
    app.extensions["durable"] = blueprint
    return app
