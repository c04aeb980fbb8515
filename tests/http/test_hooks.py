"""The ready ``auth`` hooks, the allow-list of origins, the policy of the host, and where a blueprint can be mounted."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from flask import Flask
from flask_wtf import CSRFProtect
from werkzeug.security import generate_password_hash

from dashboard import create_blueprint
from dashboard.actor import Actor
from dashboard.http.auth.hooks import basic, proxy_header
from otel_bridge.ledger import MemoryLedger
from otel_bridge.testing import MemoryStateStore
from tests.http.test_auth import app_with

SECRET = "a secret of the proxy"
CONFIG, POKE = "/durable/api/config", "/durable/api/poke"


def role_for(auth: Any, headers: Any, peer: str = "10.0.0.9") -> str | None:
    """Who a hook takes a request for."""
    app = app_with(auth)
    with app.test_request_context("/", headers=headers, environ_base={"REMOTE_ADDR": peer}) as context:
        found = auth(context.request)
    return found.role if isinstance(found, Actor) else None


@pytest.mark.parametrize(
    ("headers", "peer", "role"),
    [
        ([("X-User", "ada"), ("X-Secret", SECRET)], "10.0.0.9", "operator"),
        ([("X-User", "bob"), ("X-Secret", SECRET)], "10.0.0.9", "viewer"),
        ([("X-User", "ada")], "10.0.0.9", None),
        ([("X-User", "ada"), ("X-Secret", "wrong")], "10.0.0.9", None),
        ([("X-User", "ada"), ("X-Secret", SECRET)], "192.0.2.1", None),
        ([("X-User", "eve,ada"), ("X-Secret", SECRET)], "10.0.0.9", None),
        ([("X-User", " "), ("X-Secret", SECRET)], "10.0.0.9", None),
        ([("X-Secret", SECRET)], "10.0.0.9", None),
    ],
)
def test_a_proxys_header_counts_only_with_its_secret_and_from_its_address(
    headers: list[tuple[str, str]], peer: str, role: str | None
) -> None:
    """Whoever reaches the application past the proxy is nobody, whatever it claims."""
    hook = proxy_header(
        "X-User", operators={"ada"}, secret_header="X-Secret", secret=SECRET, trusted_peers=["10.0.0.0/8"]
    )
    assert role_for(hook, headers, peer) == role


@pytest.mark.parametrize("options", [{}, {"secret_header": "X", "secret": "short"}, {"secret": SECRET}])
def test_a_proxys_header_alone_is_not_a_setting(options: dict[str, str]) -> None:
    """Without a secret or a peer anybody could be the operator."""
    with pytest.raises(ValueError, match="secret"):
        proxy_header("X-User", **options)


@pytest.mark.parametrize(
    ("given", "role"), [("ada:right", "operator"), ("bob:right", "viewer"), ("ada:wrong", None), ("eve:right", None)]
)
def test_basic_authentication_takes_hashed_passwords(given: str, role: str | None) -> None:
    """Right name and right password, or nobody."""
    hashed = generate_password_hash("right", "pbkdf2:sha256:1000")
    hook = basic({"ada": hashed, "bob": hashed}, operators={"ada"})
    header = f"Basic {base64.b64encode(given.encode()).decode()}"
    assert role_for(hook, {"Authorization": header}) == role
    with pytest.raises(ValueError, match="not hashed"):
        basic({"ada": "right"})


def test_an_unknown_role_is_not_an_actor() -> None:
    """Roles fail closed: a typing error allows nothing."""
    with pytest.raises(ValueError, match="not a role"):
        Actor("eve", "admin")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("origin", "base", "status"),
    [
        ("https://localhost", "http://localhost", 403),
        ("http://localhost", "https://localhost", 403),
        ("https://localhost", "https://localhost", 200),
        ("https://localhost:443", "https://localhost", 200),
        ("http://localhost:80", "http://localhost", 200),
    ],
)
def test_an_origin_of_another_scheme_is_another_origin(origin: str, base: str, status: int) -> None:
    """Scheme, host and port, with the default ports filled in."""
    answer = app_with().test_client().post(POKE, json={}, headers={"Origin": origin}, base_url=base)
    assert answer.status_code == status


@pytest.mark.parametrize(
    "header",
    ["Via", "X-Forwarded-Host", "X-Forwarded-Proto", "CF-Connecting-IP", "True-Client-IP", "X-Client-IP", "CDN-Loop"],
)
def test_without_auth_any_sign_of_a_proxy_is_refused(header: str) -> None:
    """Its requests come from loopback, but not from this machine's people."""
    assert app_with().test_client().post(POKE, json={}, headers={header: "203.0.113.7"}).status_code == 403


def test_other_dashboards_are_let_in_by_name_alone() -> None:
    """An allowed origin reads and acts; others get neither, and no wildcard is taken."""
    board = create_blueprint(
        MemoryStateStore(), ledger=MemoryLedger(), caretaker=False, allowed_origins=["https://ops.example.com"]
    )
    app = Flask("host")
    app.register_blueprint(board, url_prefix="/durable")
    client = app.test_client()
    answer = client.get(CONFIG, headers={"Origin": "https://ops.example.com"})
    assert answer.headers["Access-Control-Allow-Origin"] == "https://ops.example.com"
    assert "Origin" in answer.headers["Vary"]
    asked = client.options("/durable/api/runs", headers={"Origin": "https://ops.example.com"})
    assert "Content-Type" in asked.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Origin" not in client.get(CONFIG, headers={"Origin": "https://evil.example"}).headers
    with pytest.raises(ValueError, match="allowed_origins"):
        create_blueprint(MemoryStateStore(), allowed_origins=["*"])


@pytest.mark.parametrize("prefix", ["/<tenant>/durable", "/<path:any>"])
def test_a_prefix_with_variables_is_refused_at_registration(prefix: str) -> None:
    """Not by a 500 for each request."""
    with pytest.raises(ValueError, match="url_prefix"):
        Flask("host").register_blueprint(create_blueprint(MemoryStateStore(), caretaker=False), url_prefix=prefix)


def test_an_app_that_matches_hosts_is_refused_at_registration() -> None:
    """No host is known for the dashboard's rules."""
    app = Flask("host", host_matching=True, static_host="localhost")
    with pytest.raises(ValueError, match="host_matching"):
        app.register_blueprint(create_blueprint(MemoryStateStore(), caretaker=False))


def test_csrf_protection_of_the_host_app_lets_the_dashboard_act() -> None:
    """The blueprint checks origins itself; the host's own forms stay protected."""
    app = Flask("host")
    app.secret_key = "x"
    CSRFProtect(app)
    app.add_url_rule("/form", view_func=lambda: "sent", methods=["POST"])
    board = create_blueprint(MemoryStateStore(), ledger=MemoryLedger(), caretaker=False)
    app.register_blueprint(board, url_prefix="/durable")
    assert app.test_client().post("/form").status_code == 400
    answer = app.test_client().post("/durable/api/runs/nothing/cancel", json={})
    assert "CSRF" not in answer.get_data(as_text=True)
    assert answer.status_code != 400


@pytest.mark.parametrize(
    "path",
    [
        "/durable/api/runs/a/../b",
        "/durable/api/runs/a/%2e%2e/b",
        "/durable/./api/runs",
        "/durable/api/runs/a%2F..%2Fb",
        "/durable/runs/a%00b",
        "/durable/api/runs/a%00b",
        "/durable/api/runs/" + "x" * 4_000,
        "/durable/runs/" + "x" * 4_000,
        "/durable/api/runs?q=" + "x" * 60_000,
        "/durable/api/runs?" + "&".join(["tag=x"] * 1_000),
        "/durable/api/runs?q=%ED%A0%80",
    ],
)
def test_a_request_beyond_all_bounds_is_400(path: str) -> None:
    """Never a 500, never a 503, and never another resource than a proxy thought."""
    app = Flask("host")
    board = create_blueprint(MemoryStateStore(), ledger=MemoryLedger(), caretaker=False)
    app.register_blueprint(board, url_prefix="/durable")
    assert app.test_client().get(path, environ_overrides={"RAW_URI": path}).status_code == 400
