"""``Durable().init_app(app)``: options from ``app.config``, and the commands of ``flask durable``."""

from __future__ import annotations

import json

import pytest
from flask import Flask

from dashboard import Durable
from dashboard.extension import DATABASE
from otel_bridge.errors import ConfigurationError


def make_app(url: str | None, **config: object) -> Flask:
    """An app whose configuration names a database."""
    app = Flask("host")
    app.config.update(config)
    if url is not None:
        app.config[DATABASE] = url
    return app


def test_an_app_gets_its_dashboard_by_its_configuration(story_url: str) -> None:
    """Database, prefix and any option; two apps of one extension have nothing in common."""
    durable = Durable(caretaker=False, title="For all")
    one, other = make_app(story_url, DURABLE_URL_PREFIX="/runs", DURABLE_TITLE="Orders"), make_app(story_url)
    for app, base, title in ((one, "/runs", "Orders"), (other, "/durable", "For all")):
        blueprint = durable.init_app(app)
        assert app.extensions["durable"] is blueprint
        assert app.test_client().get(f"{base}/api/config").get_json()["title"] == title
        blueprint.close()


def test_what_is_misspelt_or_missing_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at the first request, and not never."""
    monkeypatch.delenv("DBOS_SYSTEM_DATABASE_URL", raising=False)
    with pytest.raises(ConfigurationError, match="DURABLE_SYSTEM_DATABASE_URL"):
        Durable(make_app(None))
    with pytest.raises(ConfigurationError, match="DURABLE_TITEL"):
        Durable(make_app("sqlite:///x.sqlite", DURABLE_TITEL="x"))
    with pytest.raises(TypeError, match="titel"):
        Durable(titel="x")


def test_flask_durable_works_on_the_apps_own_database(story_url: str) -> None:
    """As an operator of this machine, whatever ``auth`` says of requests, and under the app's redaction."""

    def nobody(request: object) -> None:
        return None

    app = make_app(story_url, DURABLE_AUTH=nobody, DURABLE_CARETAKER=False)
    durable = Durable(app)
    assert app.test_client().get("/durable/api/runs").status_code == 401
    listed = app.test_cli_runner().invoke(args=["durable", "runs", "--status", "failed", "--json"])
    assert listed.exit_code == 0, listed.output
    run_id = json.loads(listed.stdout)[0]["id"]
    shown = app.test_cli_runner().invoke(args=["durable", "show", run_id])
    assert run_id in shown.output
    examined = app.test_cli_runner().invoke(args=["durable", "doctor", "--json"])
    assert {finding["what"]: finding["level"] for finding in json.loads(examined.stdout)}["store"] == "ok"
    assert isinstance(durable, Durable)
