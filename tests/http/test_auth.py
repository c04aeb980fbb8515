"""Who may: the default, the hook, roles, same origin, public routes. Each refusal has its test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, Request, redirect
from werkzeug.middleware.proxy_fix import ProxyFix

from dashboard.actor import Actor
from dashboard.blueprint import DashboardBlueprint
from dashboard.config import Settings
from dashboard.http.auth import is_loopback_address, is_loopback_host
from dashboard.http.routing import RequestContext, RouteTable
from dashboard.read.services import Services
from dashboard.wire.base import Body
from otel_bridge.ledger import MemoryLedger
from otel_bridge.testing import MemoryStateStore
from tests.story import mounted

PAGE, RUNS = "/durable/", "/durable/api/runs"
SERVED_AS = {"base_url": "https://ops.example.com", "environ_base": {"REMOTE_ADDR": "203.0.113.7"}}

routes = RouteTable()


class PokeBody(Body):
    """A body with one member."""

    hard: bool = False


@routes.post("poke", summary="Poke", body=PokeBody, answers={200: dict[str, str]})
def poke(ctx: RequestContext, *, body: PokeBody) -> dict[str, str]:
    """An action."""
    return {"by": ctx.actor.name, "hard": str(body.hard)}


@routes.post("hook", summary="Hook", role="public", body=Any, answers={202: dict[str, bool]})
def hook(ctx: RequestContext, *, body: Any) -> dict[str, bool]:
    """A public route, as webhooks are."""
    return {"delivered": True}


def app_with(auth: Any = None, **settings: Any) -> Flask:
    """A Flask app with an action and a public route, over an empty store."""
    services = Services(
        Settings(auth=auth, **settings),
        open_store=lambda: MemoryStateStore(),
        open_ledger=lambda store: MemoryLedger(),
        open_actions=lambda services: None,  # type: ignore[arg-type, return-value]
    )
    app = Flask("host")
    app.register_blueprint(DashboardBlueprint(services, routes=routes.routes), url_prefix="/durable")
    return app


@pytest.fixture
def locked(story_url: str) -> Iterator[Flask]:
    """A dashboard whose hook knows two names."""

    def who(request: Request) -> Any:
        name = request.headers.get("X-User")
        return {"ann": Actor("ann", "operator"), "bob": "viewer", "eve": "root"}.get(name or "")

    with mounted(story_url, auth=who) as app:
        yield app


def test_without_auth_this_machine_is_an_operator(story_url: str) -> None:
    """The default is usable at once where nobody else can reach it."""
    with mounted(story_url) as app:
        config = app.test_client().get("/durable/api/config").get_json()
    assert config["role"] == "operator"


@pytest.mark.parametrize("address", ["203.0.113.7", "10.0.0.2", "::ffff:10.0.0.2", "fe80::1%eth0", "nonsense"])
def test_without_auth_other_machines_are_refused(story_url: str, address: str) -> None:
    """Mounted without thought, the dashboard is not open to the network."""
    with mounted(story_url) as app:
        for path in (RUNS, PAGE, "/durable/api/openapi.json", "/durable/trace/00"):
            response = app.test_client().get(path, environ_base={"REMOTE_ADDR": address})
            assert response.status_code == 403, path
            assert "auth=" in response.get_data(as_text=True)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "203.0.113.7"},
        {"X-Forwarded-For": "127.0.0.1, 203.0.113.7"},
        {"X-Real-IP": "203.0.113.7"},
        {"Forwarded": 'by=10.0.0.1;for="[2001:db8::1]:4711"'},
        {"X-Forwarded-For": "unknown"},
    ],
)
def test_without_auth_a_proxy_on_this_machine_opens_no_door(story_url: str, headers: dict[str, str]) -> None:
    """A proxy's requests come from loopback, maybe with a loopback Host: whom it names decides."""
    with mounted(story_url) as app:
        assert app.test_client().get(RUNS, headers=headers).status_code == 403
        assert app.test_client().get(RUNS, headers={"X-Forwarded-For": "127.0.0.1, ::1"}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example"]
)
def test_without_auth_a_host_of_another_name_is_refused(story_url: str, host: str) -> None:
    """A page elsewhere whose name is rebound to 127.0.0.1 is still another site."""
    with mounted(story_url) as app:
        assert app.test_client().get(RUNS, headers={"Host": host}).status_code == 403
        assert app.test_client().get(PAGE, headers={"Host": host}).status_code == 403


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:5000", "127.0.0.1:8000", "[::1]:8000", "app.localhost", "LOCALHOST", "localhost."]
)
def test_names_of_this_machine_are_served(host: str) -> None:
    """All its usual names, with any port."""
    assert is_loopback_host(host)


def test_only_loopback_addresses_are_this_machine() -> None:
    """A Unix socket has no address; IPv4 may come mapped into IPv6."""
    assert all(map(is_loopback_address, [None, "", "<local>", "127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"]))
    assert not any(map(is_loopback_address, ["192.168.0.1", "::", "0.0.0.0", "x"]))
    assert not any(map(is_loopback_host, ["", "[", "example.com", "localhostx"]))


def test_nobody_is_401(locked: Flask) -> None:
    """The hook knows nobody: the API says so as a problem, the page in words."""
    response = locked.test_client().get(RUNS, **SERVED_AS)
    assert response.status_code == 401
    assert response.mimetype == "application/problem+json"
    page = locked.test_client().get(PAGE, **SERVED_AS)
    assert page.status_code == 401
    assert page.mimetype == "text/plain"


def test_a_viewer_sees_and_an_operator_too(locked: Flask) -> None:
    """The hook decides; where it does, neither address nor Host matter."""
    for user, role in (("ann", "operator"), ("bob", "viewer")):
        response = locked.test_client().get("/durable/api/config", headers={"X-User": user}, **SERVED_AS)
        assert response.get_json()["role"] == role


def test_a_hook_that_returns_nonsense_lets_nobody_in(locked: Flask, caplog: pytest.LogCaptureFixture) -> None:
    """An unknown role is a bug of the host's: 500 without details, reported in the log."""
    response = locked.test_client().get(RUNS, headers={"X-User": "eve"}, **SERVED_AS)
    assert response.status_code == 500
    assert "root" not in response.get_data(as_text=True)
    assert "auth returned 'root'" in caplog.text


def test_a_hook_may_send_people_to_a_login(story_url: str) -> None:
    """The page answers with the hook's response; the API with 401."""
    with mounted(story_url, auth=lambda request: redirect("/login")) as app:
        page = app.test_client().get(PAGE)
        assert (page.status_code, page.headers["Location"]) == (302, "/login")
        assert app.test_client().get(RUNS).status_code == 401


def test_a_viewer_may_not_act() -> None:
    """403, naming the role it takes."""
    response = app_with(lambda request: "viewer").test_client().post("/durable/api/poke", json={})
    assert response.status_code == 403
    assert "operator" in response.get_json()["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999"},
        {"Origin": "http://[", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_an_action_from_another_site_is_refused(headers: dict[str, str]) -> None:
    """Whatever cookies the browser sends along."""
    response = app_with().test_client().post("/durable/api/poke", json={}, headers=headers)
    assert response.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "http://localhost"}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}],
)
def test_an_action_from_the_page_or_a_client_is_let_through(headers: dict[str, str]) -> None:
    """The dashboard's own page, and clients that are no browser."""
    response = app_with().test_client().post("/durable/api/poke", json={"hard": True}, headers=headers)
    assert response.get_json() == {"by": "local", "hard": "True"}


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_an_action_takes_json_only(content_type: str) -> None:
    """What an HTML form can send is not an action."""
    client = app_with().test_client()
    response = client.post("/durable/api/poke", data=b"{}", headers={"Content-Type": content_type})
    assert response.status_code == 400
    assert "application/json" in response.get_json()["detail"]


def test_public_routes_need_nobody() -> None:
    """Webhooks are called by strangers, from anywhere; their tokens are their proof."""
    app = app_with(lambda request: None)
    response = app.test_client().post(
        "/durable/api/hook", json=1, headers={"Origin": "https://any.example"}, **SERVED_AS
    )
    assert response.get_json() == {"delivered": True}


def test_metrics_and_health_are_public_only_by_setting(story_url: str) -> None:
    """A scraper may be let in without letting everybody see the runs."""
    nobody: Any = {"auth": lambda request: None}
    with mounted(story_url, **nobody) as app:
        assert app.test_client().get("/durable/api/metrics").status_code == 401
        assert app.test_client().get("/durable/api/health").status_code == 401
    with mounted(story_url, public_metrics=True, public_health=True, **nobody) as app:
        assert app.test_client().get("/durable/api/metrics").status_code == 200
        assert app.test_client().get("/durable/api/health").status_code == 200
        assert app.test_client().get(RUNS).status_code == 401


def test_behind_a_proxy_the_prefix_and_host_are_the_clients(story_url: str) -> None:
    """With ProxyFix, links and the page's base carry X-Forwarded-Prefix, and the origin is the forwarded host's."""
    with mounted(story_url, auth=lambda request: "operator") as app:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_host=1, x_proto=1, x_prefix=1)  # type: ignore[method-assign]
        headers = {
            "X-Forwarded-Prefix": "/tools",
            "X-Forwarded-Host": "ops.example.com",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-For": "203.0.113.7",
        }
        client = app.test_client()
        assert client.get("/durable/api/config", headers=headers).get_json()["base"] == "/tools/durable"
        link = client.get("/durable/api/runs?limit=1", headers=headers).headers["Link"]
        assert link.startswith("</tools/durable/api/runs?")
        page = client.get("/durable/", headers=headers)
        assert '<base href="/tools/durable/">' in page.get_data(as_text=True)
        assert "wss://ops.example.com" in page.headers["Content-Security-Policy"]
        assert client.get(PAGE, headers={**headers, "Host": "x"}).status_code == 200
