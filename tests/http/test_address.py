"""Where the dashboard is reached: given, or learnt from requests that may be believed, and kept for the workers."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Request

from dashboard import create_blueprint
from dashboard.actor import Actor
from dashboard.workflow.address import KeptAddress, better, kept_address
from otel_bridge.testing import MemoryLedger, MemoryStateStore
from tests.story import mounted
from tests.waiting import until

OPS = "https://ops.example.com"


def by_header(request: Request) -> Actor | None:
    """Who asks, by a header."""
    role = request.headers.get("X-Role")
    if role == "token":
        return Actor("token ci", "operator", frozenset({"retry"}))
    if role == "viewer":
        return Actor("ann", "viewer")
    return Actor("ann", "operator") if role == "operator" else None


def learnt(headers: dict[str, str], *, path: str = "/durable/api/runs", **options: Any) -> str | None:
    """Return the address that one request makes the dashboard keep."""
    with mounted(MemoryStateStore(), ledger=MemoryLedger(), auth=by_header, **options) as app:
        blueprint = app.extensions["durable"]
        kept: list[KeptAddress] = []
        blueprint.address._keep_in_background = kept.append
        app.test_client().get(path, base_url=headers.pop("base", OPS), headers=headers)
    return kept[0].url if kept else None


OPERATOR = {"X-Role": "operator"}


@pytest.mark.parametrize(
    ("headers", "options", "url"),
    [
        (OPERATOR, {}, f"{OPS}/durable"),
        ({**OPERATOR, "Origin": OPS}, {}, f"{OPS}/durable"),
        ({**OPERATOR, "Origin": "https://evil.example"}, {}, None),
        ({"X-Role": "viewer"}, {}, None),
        ({"X-Role": "nobody"}, {}, None),
        (OPERATOR, {"allowed_hosts": ["ops.example.com"]}, f"{OPS}/durable"),
        (OPERATOR, {"allowed_hosts": ["other.example.com"]}, None),
        ({**OPERATOR, "base": "https://evil.example"}, {"allowed_hosts": ["OPS.example.com"]}, None),
        ({**OPERATOR, "base": f"{OPS}:8443"}, {"allowed_hosts": ["ops.example.com:8443"]}, f"{OPS}:8443/durable"),
        (OPERATOR, {"public_metrics": True, "path": "/durable/api/metrics"}, None),
        ({"X-Role": "token", "base": "https://evil.example"}, {}, None),
        ({"X-Role": "token"}, {"allowed_hosts": ["ops.example.com"]}, f"{OPS}/durable"),
        ({**OPERATOR, "base": "https://evil.example"}, {"may": lambda *_: True}, None),
        (OPERATOR, {"may": lambda *_: True, "allowed_hosts": ["ops.example.com"]}, f"{OPS}/durable"),
        (OPERATOR, {"public_url": "https://given.example/d"}, "https://given.example/d"),
    ],
)
def test_an_address_is_learnt_from_whom_one_may_believe(
    headers: dict[str, str], options: dict[str, Any], url: str | None
) -> None:
    """An authenticated operator, no other site's page, and one of the allowed hosts where those are named."""
    assert learnt(dict(headers), **options) == url


@pytest.mark.parametrize(
    ("kept", "seen", "replaces"),
    [
        (None, KeptAddress(f"{OPS}/d", False), True),
        (KeptAddress(f"{OPS}/d", False), KeptAddress(f"{OPS}/d", False), False),
        (KeptAddress(f"{OPS}/d", False), KeptAddress("https://other.example/d", False), False),
        (KeptAddress("http://127.0.0.1:5000/d", False), KeptAddress(f"{OPS}/d", False), True),
        (KeptAddress("http://localhost:5000/d", False), KeptAddress("http://127.0.0.1/d", False), False),
        (KeptAddress(f"{OPS}/d", False), KeptAddress("http://localhost/d", False), False),
        (KeptAddress(f"{OPS}/d", False), KeptAddress("https://given.example/d", True), True),
        (KeptAddress("https://given.example/d", True), KeptAddress(f"{OPS}/d", False), False),
        (KeptAddress("https://given.example/d", True), KeptAddress("https://new.example/d", True), True),
    ],
)
def test_what_is_kept_does_not_change_with_who_looked_last(
    kept: KeptAddress | None, seen: KeptAddress, replaces: bool
) -> None:
    """Given beats learnt; of learnt ones the first stays, unless only its own machine reaches it."""
    assert better(kept, seen) is replaces


def test_a_given_address_is_kept_at_the_first_request_of_the_application() -> None:
    """Also one that is not for the dashboard; in a thread, because the ledger may be far away."""
    ledger = MemoryLedger()
    with mounted(MemoryStateStore(), ledger=ledger, public_url="https://ops.example.com/durable/") as app:
        app.test_client().get("/elsewhere")
        assert until(lambda: kept_address(ledger), what="the address") == KeptAddress(f"{OPS}/durable", True)


@pytest.mark.parametrize(
    "options",
    [
        {"public_url": "/durable"},
        {"public_url": "ftp://ops.example.com"},
        {"public_url": "https://ops.example.com/?x=1"},
        {"public_url": "https://ann:secret@ops.example.com"},
        {"allowed_hosts": ["https://ops.example.com"]},
        {"allowed_hosts": ["*.example.com"]},
        {"allowed_hosts": [""]},
    ],
)
def test_a_malformed_setting_is_refused_at_once(options: dict[str, object]) -> None:
    """When the application starts, not when a bank calls a URL that leads nowhere; no secret is repeated."""
    with pytest.raises(ValueError, match=r"public_url|allowed_hosts") as refused:
        create_blueprint(MemoryStateStore(), **options)  # type: ignore[arg-type]
    assert "secret" not in str(refused.value)
