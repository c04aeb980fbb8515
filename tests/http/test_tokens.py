"""Bearer tokens: made and revoked on the command line, limited in role, action and time; and each hook's example."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from werkzeug.security import generate_password_hash

from dashboard.actor import Actor
from dashboard.cli.main import durable
from dashboard.cli.tokens import expiry_ms
from dashboard.http.auth.hooks import proxy_header
from dashboard.http.auth.tokens import PREFIX, bearer_tokens, hash_of, make_token
from examples.auth import basic_login, flask_login_host, oidc_proxy
from otel_bridge.ledger import MemoryLedger, SqliteLedger
from otel_bridge.testing import MemoryStateStore, make_run
from tests.story import mounted

SECRET = "a secret of the proxy"


def asked(app: Flask, secret: str | None, path: str = "config", **sent: Any) -> Any:
    headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}
    return app.test_client().open(f"/durable/api/{path}", headers=headers, **sent)


@contextmanager
def shop(ledger: MemoryLedger, **options: Any) -> Iterator[Flask]:
    store = MemoryStateStore()
    store.put_run(make_run("r1", status="failed"))
    with mounted(store, ledger=ledger, auth=bearer_tokens(**options), webhook_secret="s" * 32) as app:
        yield app


def test_a_token_makes_its_bearer_what_it_says() -> None:
    """The audit log has its name; without one, or with another, nobody is let in."""
    ledger = MemoryLedger()
    _, looks = make_token(ledger, "grafana")
    _, acts = make_token(ledger, "deploy", role="operator")
    with shop(ledger) as app:
        assert asked(app, looks).get_json()["role"] == "viewer"
        assert asked(app, acts).get_json()["actor"] == "token deploy"
        assert asked(app, looks, "runs/r1/retry", method="POST").status_code == 403
        for wrong in (None, "", PREFIX, looks[:-1], looks + "x", looks.upper(), "x" * 5000):
            assert asked(app, wrong).status_code == 401, wrong


def test_a_token_that_is_revoked_or_has_expired_is_worthless_at_once() -> None:
    """Each request looks again."""
    ledger = MemoryLedger()
    token, secret = make_token(ledger, "ci")
    _, over = make_token(ledger, "old", expires_at_ms=int(time.time() * 1000) - 1)
    with shop(ledger) as app:
        assert asked(app, secret).status_code == 200
        assert asked(app, over).status_code == 401
        assert ledger.revoke_token(token.id)
        assert asked(app, secret).status_code == 401


def test_a_token_with_scopes_does_nothing_else() -> None:
    """Looking is what its role allows; of actions, those that it names. The rest is not offered either."""
    ledger = MemoryLedger()
    _, secret = make_token(ledger, "janitor", role="operator", scopes=["cancel"])
    with shop(ledger) as app:
        assert asked(app, secret, "runs").get_json()[0]["allowed"] == []
        refused = asked(app, secret, "runs/r1/retry", method="POST")
        assert refused.status_code == 403
        assert "not allowed to retry" in refused.get_json()["detail"]
        assert asked(app, secret, "runs/r1/cancel", method="POST").status_code == 409
        assert asked(app, secret, "runs", method="POST", json={"workflow": "order"}).status_code == 403
        assert asked(app, secret, "bulk/retry?dryRun=true", method="POST").get_json()["matched"] == 0


def test_people_come_by_another_hook() -> None:
    """One that never sees our tokens: a bad one of ours is refused, whatever else the request shows."""
    ledger = MemoryLedger()
    people = proxy_header("X-User", secret_header="X-Secret", secret=SECRET)
    signed_in = {"X-User": "ada", "X-Secret": SECRET}
    with shop(ledger, otherwise=people) as app:
        client = app.test_client()
        assert client.get("/durable/api/config", headers=signed_in).get_json()["actor"] == "ada"
        both = {**signed_in, "Authorization": f"Bearer {PREFIX}wrong"}
        assert client.get("/durable/api/config", headers=both).status_code == 401


def test_the_ledger_holds_no_token_that_could_be_used() -> None:
    """Whoever reads it learns a hash of 256 random bits."""
    ledger = MemoryLedger()
    token, secret = make_token(ledger, "ci")
    assert secret not in repr(ledger.tokens()) + repr(token)
    assert ledger.token_of(hash_of(secret)) is not None
    assert len(secret) > 50


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("x", {"scopes": ["fly"]}, "not an action"),
        ("x", {"role": "admin"}, "not a role"),
        (" ", {}, "name"),
        ("a\nb", {}, "name"),
    ],
)
def test_a_token_that_makes_no_sense_is_not_made(name: str, options: Any, says: str) -> None:
    """An unknown scope would limit nothing that anybody asks for."""
    with pytest.raises(ValueError, match=says):
        make_token(MemoryLedger(), name, **options)


def test_the_command_line_makes_lists_and_revokes(tmp_path: Path) -> None:
    """The secret is printed once, to standard output alone, and is good for the dashboard over the same database."""
    url = f"sqlite:///{tmp_path / 'app.sqlite'}"

    def run(*words: str) -> Any:
        return CliRunner().invoke(
            durable, ["token", *words], env={"DBOS_SYSTEM_DATABASE_URL": url, "DURABLE_LEDGER": None}
        )

    made = run("create", "ci", "--role", "operator", "--scope", "retry", "--expires-in", "30d")
    secret = made.stdout.strip()
    assert (made.exit_code, secret.startswith(PREFIX)) == (0, True)
    assert secret not in made.stderr
    ledger = SqliteLedger(tmp_path / "app.durable.sqlite")
    found = ledger.token_of(hash_of(secret))
    ledger.close()
    assert found is not None
    assert (found.name, found.role, found.scopes) == ("ci", "operator", ("retry",))
    assert found.expires_at_ms is not None
    listed = run("list")
    assert found.id in listed.stdout
    assert secret not in listed.stdout
    assert json.loads(run("list", "--json").stdout)[0]["name"] == "ci"
    assert run("revoke", found.id).exit_code == 0
    assert "revoked" in run("list").stdout
    assert run("revoke", found.id).exit_code == 4
    assert run("create", "x", "--expires-in", "soon").exit_code == 2


def test_a_length_of_time_is_read_as_people_write_it() -> None:
    """Seconds to weeks."""
    assert [expiry_ms(text, 0) for text in ("1s", "2m", "3h", "4d", "5w")] == [
        1_000, 120_000, 10_800_000, 345_600_000, 3_024_000_000,
    ]  # fmt: skip


# -- the examples ---------------------------------------------------------------------------------------------------


@contextmanager
def example(module: Any, monkeypatch: pytest.MonkeyPatch, database: Path, **environ: str) -> Iterator[Flask]:
    for name, value in {**environ, "DBOS_SYSTEM_DATABASE_URL": f"sqlite:///{database}"}.items():
        monkeypatch.setenv(name, value)
    app = module.create_app()
    try:
        yield app
    finally:
        app.extensions["durable"].close()


CONFIG = "/durable/api/config"


def test_the_example_behind_an_oidc_proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The headers of oauth2-proxy count with the proxy's secret only; programs come with a token."""
    environ = {"DURABLE_PROXY_SECRET": SECRET, "DURABLE_OPERATORS": "ada@example.com"}
    with example(oidc_proxy, monkeypatch, tmp_path / "app.sqlite", **environ) as app:
        client = app.test_client()
        ada = {"X-Auth-Request-Email": "ada@example.com", "X-Auth-Request-User": "ada", "X-Proxy-Secret": SECRET}
        assert client.get(CONFIG, headers=ada).get_json()["role"] == "operator"
        assert client.get(CONFIG, headers={**ada, "X-Auth-Request-Email": "eve@x"}).get_json()["role"] == "viewer"
        for forged in ({**ada, "X-Proxy-Secret": "guess"}, {"X-Auth-Request-Email": "ada@example.com"}, {}):
            assert client.get(CONFIG, headers=forged).status_code == 401
        ledger = SqliteLedger(tmp_path / "app.durable.sqlite")
        _, secret = make_token(ledger, "ci")
        ledger.close()
        assert client.get(CONFIG, headers={"Authorization": f"Bearer {secret}"}).get_json()["actor"] == "token ci"


def test_the_example_with_basic(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Names and hashes from a file."""
    users = tmp_path / "users.txt"
    users.write_text(f"ada:{generate_password_hash('sesame')}\nbob:{generate_password_hash('x')}\n")
    environ = {"DURABLE_USERS": str(users), "DURABLE_OPERATORS": "ada"}
    with example(basic_login, monkeypatch, tmp_path / "app.sqlite", **environ) as app:
        client = app.test_client()
        assert client.get(CONFIG, auth=("ada", "sesame")).get_json()["role"] == "operator"
        assert client.get(CONFIG, auth=("bob", "x")).get_json()["role"] == "viewer"
        for wrong in (("ada", "x"), ("eve", "sesame"), ("ada", "")):
            assert client.get(CONFIG, auth=wrong).status_code == 401


def test_the_example_with_flask_login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """People are sent to the application's own sign-in, and are what their team and role make them."""
    with example(flask_login_host, monkeypatch, tmp_path / "app.sqlite") as app:
        client = app.test_client()
        assert client.get("/durable/").headers["Location"] == "/login"
        assert client.get(CONFIG).status_code == 401
        client.post("/login", data={"name": "bob"})
        assert client.get(CONFIG).get_json()["role"] == "viewer"
        client.post("/login", data={"name": "ada"})
        assert client.get(CONFIG).get_json()["actor"] == "ada"
    run = make_run(attributes={"team": "shipping"})
    bob, ada = (Actor(name, "operator") for name in ("bob", "ada"))
    assert (flask_login_host.may(bob, "see", run), flask_login_host.may(ada, "see", run)) == (True, False)
