"""Who may look and act at a standalone dashboard, by address, token and cookie."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from flask.testing import FlaskClient

from dashboard.serve.app import create_standalone
from dashboard.serve.settings import ServeSettings

OPERATOR, VIEWER = "the-operators-own-token", "the-viewers-own-token"
FAR = {"REMOTE_ADDR": "203.0.113.9"}
Make = Callable[..., FlaskClient]


@pytest.fixture
def make(story_url: str) -> Iterator[Make]:
    """Make clients of a standalone dashboard over the story."""
    made = []

    def standalone(**settings: object) -> FlaskClient:
        made.append(create_standalone(ServeSettings(database_url=story_url, **settings), url="http://x"))  # type: ignore[arg-type]
        return made[-1].app.test_client()

    yield standalone
    for one in made:
        one.close()


def role(client: FlaskClient, **options: object) -> str:
    """Return whom the dashboard takes the client for; the status where nobody."""
    answer = client.get("/durable/api/config", **options)
    return f"{answer.json['actor']}, {answer.json['role']}" if answer.status_code == 200 else str(answer.status_code)


def bearer(token: str) -> dict[str, dict[str, str]]:
    """Options of a request that shows a token."""
    return {"headers": {"Authorization": f"Bearer {token}"}}


def test_without_a_token_this_machine_looks_and_nobody_acts(make: Make) -> None:
    """The whole of the default."""
    client = make()
    assert role(client) == "local, viewer"
    assert role(client, environ_base=FAR) == "403"
    assert role(client, headers={"X-Forwarded-For": "203.0.113.9"}) == "403"
    assert client.post("/durable/api/runs/x/cancel").status_code == 403


@pytest.mark.parametrize(
    ("token", "near", "far"),
    [
        (None, "local, viewer", "401"),
        (OPERATOR, "operator token, operator", "operator token, operator"),
        ("the-operators-own-tokem", "401", "401"),
        ("", "401", "401"),
        ("ÿ", "401", "401"),
    ],
)
def test_the_operators_token_makes_an_operator_from_anywhere(
    make: Make, token: str | None, near: str, far: str
) -> None:
    """A token that is wrong is refused even where none would be let in."""
    client = make(operator_token=OPERATOR, host="0.0.0.0")
    shown = {} if token is None else bearer(token)
    assert role(client, **shown) == near
    assert role(client, environ_base=FAR, **shown) == far


def test_with_a_viewers_token_nobody_looks_without_one(make: Make) -> None:
    """Not even from this machine."""
    client = make(operator_token=OPERATOR, viewer_token=VIEWER)
    assert role(client) == "401"
    assert role(client, **bearer(VIEWER)) == "viewer token, viewer"
    assert role(client, **bearer(OPERATOR)) == "operator token, operator"
    only_viewers = make(viewer_token=VIEWER)
    assert role(only_viewers, **bearer(VIEWER)) == "viewer token, viewer"
    assert only_viewers.post("/durable/api/runs/x/cancel", **bearer(VIEWER)).status_code == 403


def test_a_person_signs_in_and_out_by_name(make: Make) -> None:
    """The page leads there and back; the audit log's name is the one that was given."""
    client = make(operator_token=OPERATOR, viewer_token=VIEWER)
    asked = client.get("/durable/runs/a%2Fb?tab=graph")
    assert asked.status_code == 303
    page = client.get(asked.location)
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    signed = client.post(asked.location, data={"name": "  ada\x00 ", "token": OPERATOR})
    assert (signed.status_code, signed.location) == (303, "/durable/runs/a%2Fb?tab=graph")
    assert "HttpOnly" in signed.headers["Set-Cookie"]
    assert "SameSite=Lax" in signed.headers["Set-Cookie"]
    assert role(client) == "ada, operator"
    client.post("/sign-out")
    assert role(client) == "401"


@pytest.mark.parametrize("wanted", ["//evil.test/x", "https://evil.test", "/\\evil.test", "javascript:x", "", "/\nx"])
def test_signing_in_leads_to_this_server_only(make: Make, wanted: str) -> None:
    """Whatever ``next`` says."""
    client = make(operator_token=OPERATOR)
    signed = client.post("/sign-in", query_string={"next": wanted}, data={"token": OPERATOR})
    assert signed.location == "/durable/"


def test_a_wrong_token_and_another_sites_form_sign_nobody_in(make: Make) -> None:
    """403, said in the page, and no cookie."""
    client = make(operator_token=OPERATOR)
    wrong = client.post("/sign-in", data={"name": "<b>", "token": "x" * 20})
    foreign = client.post("/sign-in", data={"token": OPERATOR}, headers={"Origin": "https://evil.test"})
    for answer in (wrong, foreign):
        assert answer.status_code == 403
        assert "Set-Cookie" not in answer.headers
    assert role(client) == "local, viewer"


def test_a_cookie_ends_with_the_token_that_it_was_given_for(make: Make) -> None:
    """Changing the token signs everybody out; restarting does not."""
    client = make(operator_token=OPERATOR, viewer_token=VIEWER)
    client.post("/sign-in", data={"name": "ada", "token": OPERATOR})
    cookie = client.get_cookie("durable_session")
    assert cookie is not None
    for token, expected in ((OPERATOR, "ada, operator"), (OPERATOR + "2", "401")):
        later = make(operator_token=token, viewer_token=VIEWER)
        later.set_cookie("durable_session", cookie.value)
        assert role(later) == expected


def forged(role: str, operator: str | None, viewer: str | None) -> str:
    """Return a cookie as the server signs them, made by somebody who knows these tokens and the code."""
    app = Flask("forger")
    app.secret_key = hmac.new(f"{operator}\0{viewer}".encode(), b"durable-serve-session-v1", hashlib.sha256).digest()
    signer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert signer is not None
    return str(signer.dumps({"role": role, "name": "eve", "_permanent": True}))


@pytest.mark.parametrize(
    ("role_", "tokens", "near", "far"),
    [
        ("operator", {}, "local, viewer", "403"),
        ("viewer", {}, "local, viewer", "403"),
        ("operator", {"viewer_token": VIEWER}, "401", "401"),
        ("viewer", {"operator_token": OPERATOR}, "local, viewer", "401"),
    ],
)
def test_a_forged_cookie_is_nobodys(make: Make, role_: str, tokens: dict[str, str], near: str, far: str) -> None:
    """Where there is no token for a role, everybody, or every viewer, knows what the cookie is signed with."""
    client = make(**tokens)
    client.set_cookie("durable_session", forged(role_, tokens.get("operator_token"), tokens.get("viewer_token")))
    assert (role(client), role(client, environ_base=FAR)) == (near, far)
    assert client.get("/durable/api/audit").status_code in (401, 403)
