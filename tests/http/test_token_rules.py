"""Whom the hook of bearer tokens lets in, request by request: no app, and the clock is the test's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from dashboard.actor import Actor
from dashboard.http.auth import tokens
from dashboard.http.auth.tokens import NOTED_EVERY_S, PREFIX, bearer_tokens, make_token
from otel_bridge.errors import LedgerUnavailableError
from otel_bridge.ledger import MemoryLedger
from otel_bridge.ledger.base import Token

NOW_S = 1_700_000_000.0


def request(authorization: str | None) -> Request:
    """A request with this header."""
    headers = [] if authorization is None else [("Authorization", authorization)]
    return Request(EnvironBuilder(headers=headers).get_environ())


class NotingLedger(MemoryLedger):
    """Remembers whose use was noted; fails when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[str] = []
        self.fails = False

    def note_token_use(self, token: Token) -> None:
        """Note a use."""
        self.noted.append(token.name)
        if self.fails:
            raise LedgerUnavailableError("the ledger", "read-only")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The module's clock."""
    clock = SimpleNamespace(now_s=NOW_S)
    monkeypatch.setattr(tokens, "time", SimpleNamespace(time=lambda: clock.now_s, monotonic=lambda: clock.now_s))
    return clock


@pytest.mark.parametrize(
    ("shape", "who"),
    [
        ("Bearer {}", "token ci"),
        ("bearer {}", "token ci"),
        ("Bearer   {} ", "token ci"),
        ("Bearer {}x", None),
        (f"Bearer {PREFIX}", None),
        ("Basic {}", "otherwise"),
        ("{}", "otherwise"),
        ("Bearer eyJhbGciOi", "otherwise"),
        (None, "otherwise"),
    ],
)
@pytest.mark.parametrize("with_other", [True, False])
def test_a_token_of_ours_is_judged_here_and_all_else_by_the_other_hook(
    clock: SimpleNamespace, shape: str | None, who: str | None, with_other: bool
) -> None:
    """Where there is no other hook, nobody else is let in."""
    ledger = MemoryLedger()
    _, secret = make_token(ledger, "ci", role="operator", scopes=["retry", "cancel"])
    hook = bearer_tokens(ledger=ledger, otherwise=(lambda asked: "otherwise") if with_other else None)
    found = hook(request(None if shape is None else shape.format(secret)))
    if who == "token ci":
        assert found == Actor("token ci", "operator", frozenset({"retry", "cancel"}))
    else:
        assert found == (who if with_other else None)


@pytest.mark.parametrize(("left_ms", "good"), [(1, True), (0, False), (-1, False), (None, True)])
def test_a_token_is_good_until_it_expires(clock: SimpleNamespace, left_ms: int | None, good: bool) -> None:
    """By this machine's clock; one without an end is good until it is revoked."""
    ledger = MemoryLedger()
    expires_at_ms = None if left_ms is None else int(NOW_S * 1000) + left_ms
    token, secret = make_token(ledger, "ci", expires_at_ms=expires_at_ms)
    hook = bearer_tokens(ledger=ledger)
    assert (hook(request(f"Bearer {secret}")) is not None) is good
    ledger.revoke_token(token.id)
    assert hook(request(f"Bearer {secret}")) is None


def test_a_tokens_use_is_noted_once_a_minute(clock: SimpleNamespace) -> None:
    """For each token by itself; a ledger that cannot note it, or a token that is not good, changes nothing."""
    ledger = NotingLedger()
    _, ci = make_token(ledger, "ci")
    _, cd = make_token(ledger, "cd")
    _, old = make_token(ledger, "old", expires_at_ms=1)
    hook = bearer_tokens(ledger=ledger)
    for secret, after_s in ((ci, 0), (ci, 0), (cd, 0), (old, 0), (ci, NOTED_EVERY_S - 1), (ci, 1), (ci, 0)):
        clock.now_s += after_s
        hook(request(f"Bearer {secret}"))
    assert ledger.noted == ["ci", "cd", "ci"]
    ledger.fails = True
    clock.now_s += NOTED_EVERY_S
    assert hook(request(f"Bearer {ci}")) is not None


def test_the_hook_uses_the_blueprints_ledger_unless_it_was_given_one() -> None:
    """And says so where it has none."""
    own, of_blueprint = MemoryLedger(), MemoryLedger()
    _, secret = make_token(of_blueprint, "ci")
    bare = bearer_tokens(otherwise=lambda asked: "otherwise")
    with pytest.raises(RuntimeError, match="no ledger"):
        bare(request(f"Bearer {secret}"))
    bound = bare.with_ledger(lambda: of_blueprint)
    assert isinstance(bound(request(f"Bearer {secret}")), Actor)
    assert bound(request(None)) == "otherwise"
    given = bearer_tokens(ledger=own)
    assert given.with_ledger(lambda: of_blueprint) is given
    assert given(request(f"Bearer {secret}")) is None


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("x" * 200, {"scopes": ["retry"]}, None),
        ("x" * 201, {}, "1 to 200"),
        ("", {}, "1 to 200"),
        ("  ", {}, "1 to 200"),
        ("a\nb", {}, "1 to 200"),
        ("x", {"scopes": ["retry", "fly"]}, "'fly' is not an action"),
        ("x", {"role": "admin"}, "admin"),
    ],
)
def test_a_token_has_a_name_a_role_and_scopes_that_mean_something(
    name: str, options: dict[str, Any], says: str | None
) -> None:
    """What is refused is not in the ledger."""
    ledger = MemoryLedger()
    if says is None:
        token, secret = make_token(ledger, name, **options)
        assert (token.name, token.scopes, secret.startswith(PREFIX)) == (name, ("retry",), True)
        return
    with pytest.raises(ValueError, match=says):
        make_token(ledger, name, **options)
    assert ledger.tokens() == []
