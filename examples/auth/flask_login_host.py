"""An application that signs its users in with Flask-Login; the dashboard lets in whom it let in, team by team.

flask --app examples.auth.flask_login_host run
"""

from __future__ import annotations

import os
import secrets

from flask import Flask, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, UserMixin, login_user

from dashboard import Actor, create_blueprint
from dashboard.http.auth.hooks import flask_login
from otel_bridge.model.runs import Run

TEAMS = {"ada": "payments", "bob": "shipping"}
ADMINS = {"ada"}


class User(UserMixin):  # type: ignore[misc]  # it has no types
    """Somebody of a team."""

    def __init__(self, name: str) -> None:
        self.id = name


def may(actor: Actor, action: str, run: Run) -> bool:
    """A team sees and does what is its own: its workflows set the attribute ``team``."""
    return run.attributes.get("team") == TEAMS.get(actor.name)


def create_app() -> Flask:
    """Return the application: a sign-in of its own, and the dashboard."""
    app = Flask(__name__)
    app.secret_key = os.environ.get("FLASK_SECRET_KEY") or secrets.token_hex()
    manager = LoginManager(app)

    @manager.user_loader  # type: ignore[untyped-decorator]
    def load(name: str) -> User | None:
        return User(name) if name in TEAMS else None

    @app.route("/login", methods=["GET", "POST"])
    def login() -> ResponseReturnValue:
        # An application checks a password here, or asks its identity provider.
        if request.method == "POST" and request.form.get("name") in TEAMS:
            login_user(User(request.form["name"]))
            return redirect("/durable/")
        return Response('<form method="post"><input name="name"><button>Sign in</button></form>')

    blueprint = create_blueprint(
        os.environ.get("DBOS_SYSTEM_DATABASE_URL", "sqlite:///app.sqlite"),
        auth=flask_login(
            operators=lambda user: getattr(user, "id", "") in ADMINS,
            login=lambda: redirect(url_for("login")),
        ),
        may=may,
    )
    app.register_blueprint(blueprint, url_prefix="/durable")
    app.extensions["durable"] = blueprint
    return app
